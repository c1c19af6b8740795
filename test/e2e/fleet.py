"""Thousands of devices in one loop, each coming back by itself as real ones do.

A device connects, says CONNECT, waits for its CONNACK, stays; when it loses its connection, or
is refused, it tries again after a random pause that doubles with each failure. The loop runs
in the caller's thread, in run() alone: what a test does in between, the devices do not see
until it runs again.
"""

import collections
import errno
import heapq
import random
import selectors
import socket
import time

import mqtt
from harness import PATIENCE_S

AWAY, DIALLING, WAITING, UP = "away", "dialling", "waiting", "up"
PAUSE_MAX_S = 2.0


class FleetDevice:
    """One device of a fleet, and what has happened to it."""

    __slots__ = ("name", "connect", "state", "socket", "got", "began_at", "lost_at", "due_at",
                 "failures", "attempts", "losses", "codes")

    def __init__(self, name, connect):
        self.name, self.connect = name, connect
        self.state, self.socket, self.got = AWAY, None, b""
        self.began_at = 0.0  # of the present attempt
        self.lost_at = None  # when it last had a session, while it has none
        self.due_at = None  # of the next attempt
        self.failures = 0  # attempts in a row without a session
        self.attempts = 0
        self.losses = 0  # sessions lost
        self.codes = []  # of every CONNACK


class Fleet:
    """Devices `dev-0` to `dev-(count-1)`, or of these names, away until they are asked to come.

    who       how many, or a list of names
    port      of the router, or of whatever stands in its place
    clean     clean(i): does device i leave no session behind?
    pause_s   the first pause of a device that lost its session, at most
    at_once   attempts under way at the same time, at most
    returns   False: a device that lost its session stays away
    """

    def __init__(self, port, who, version=4, clean=lambda i: True, pause_s=0.1, at_once=500,
                 returns=True, host="127.0.0.1"):
        self.to = (host, port)
        self.pause_s, self.at_once, self.returns = pause_s, at_once, returns
        names = [f"dev-{i}" for i in range(who)] if isinstance(who, int) else who
        self.devices = [
            FleetDevice(name, mqtt.connect(name, version=version, clean=clean(i), keep_alive_s=600))
            for i, name in enumerate(names)]
        self.selector = selectors.EpollSelector()
        self.queue = collections.deque()  # due, waiting for room in at_once
        self.later = []  # pausing: a heap of (due at, a number, device)
        self.under_way = set()
        self.n_up = 0
        self.random = random.Random(len(names))
        self.forget()

    def forget(self):
        """Begin to count anew."""
        self.longest_s = 0.0  # of one attempt, from its dial to CONNACK or the connection's end
        self.back_s = []  # from the loss of a session to the next one
        self.refusals = collections.Counter()  # by CONNACK code
        self.cut = 0  # attempts that ended without a CONNACK
        self.unreachable = collections.Counter()  # attempts that got no connection, by errno
        for device in self.devices:
            device.losses = device.attempts = device.failures = 0
            device.codes = []

    # -- what a test asks for -----------------------------------------------------------

    @property
    def is_whole(self):
        return self.n_up == len(self.devices)

    def lost(self):
        """Names of the devices that have lost a session since forget()."""
        return {device.name for device in self.devices if device.losses}

    def come(self, devices=None):
        """All (or these) devices are to have a session; run() makes it happen."""
        for device in self.devices if devices is None else devices:
            if device.state == AWAY and device.due_at is None:
                device.due_at = 0.0
                self.queue.append(device)

    def leave(self, devices=None, politely=True):
        """All (or these) devices go, and do not come back by themselves."""
        for device in self.devices if devices is None else devices:
            if device.state == UP and politely:
                try:
                    device.socket.send(mqtt.DISCONNECT)
                except OSError:
                    pass
            self._drop(device)
            device.lost_at = device.due_at = None
        gone = set(self.devices if devices is None else devices)
        self.queue = collections.deque(d for d in self.queue if d not in gone)
        self.later = [entry for entry in self.later if entry[2] not in gone]
        heapq.heapify(self.later)

    def come_back(self, devices=None):
        """Their next reconnect: leave and come again."""
        self.leave(devices)
        self.come(devices)

    def come_all(self, timeout_s=6 * PATIENCE_S):
        self.come()
        self.run(lambda: self.is_whole, "all devices to have a session", timeout_s)

    def run(self, until, what, timeout_s=6 * PATIENCE_S):
        """Let them live until until() is true; it is asked all the time."""
        deadline = time.monotonic() + timeout_s
        while not until():
            self.turn()
            assert time.monotonic() < deadline, f"waited {timeout_s} s for {what}; {self}"

    def run_for(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.turn()

    def close(self):
        self.leave(politely=False)
        self.selector.close()

    def __str__(self):
        states = collections.Counter(device.state for device in self.devices)
        return (f"{dict(states)}, refused {dict(self.refusals)}, cut {self.cut}, "
                f"unreachable {dict(self.unreachable)}, longest attempt {self.longest_s:.2f} s")

    # -- one turn of the loop -------------------------------------------------------------

    def turn(self, wait_s=0.01):
        now = time.monotonic()
        while self.later and self.later[0][0] <= now:
            self.queue.append(heapq.heappop(self.later)[2])
        while self.queue and len(self.under_way) < self.at_once:
            self._dial(self.queue.popleft())
        wait_s = 0 if self.queue and len(self.under_way) < self.at_once else wait_s
        for key, _ in self.selector.select(wait_s):
            device = key.data
            if device.socket is None:
                continue
            try:
                (self._say if device.state == DIALLING else self._hear)(device)
            except OSError as error:
                self._over(device, error)

    def _dial(self, device):
        device.due_at, device.got = None, b""
        device.began_at = time.monotonic()
        device.attempts += 1
        device.state = DIALLING
        device.socket = socket.socket()
        device.socket.setblocking(False)
        self.under_way.add(device)
        code = device.socket.connect_ex(self.to)
        if code not in (0, errno.EINPROGRESS):
            self._over(device, OSError(code, "connect"))
            return
        self.selector.register(device.socket, selectors.EVENT_WRITE, device)

    def _say(self, device):
        code = device.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            raise OSError(code, "connect")
        device.state = WAITING
        device.socket.send(device.connect)
        self.selector.modify(device.socket, selectors.EVENT_READ, device)

    def _hear(self, device):
        chunk = device.socket.recv(4096)
        if not chunk:
            self._over(device, None)
        elif device.state == WAITING:
            device.got += chunk
            if len(device.got) >= 4:
                self._answered(device)

    def _answered(self, device):
        assert device.got[0] == mqtt.CONNACK << 4, f"{device.name}: {device.got.hex()}"
        now = time.monotonic()
        self.longest_s = max(self.longest_s, now - device.began_at)
        device.codes.append(device.got[3])
        if device.got[3]:
            self.refusals[device.got[3]] += 1
            self._drop(device)
            self._pause(device)
            return
        self.under_way.discard(device)
        device.state, device.failures = UP, 0
        self.n_up += 1
        if device.lost_at is not None:
            self.back_s.append(now - device.lost_at)
            device.lost_at = None

    def _over(self, device, error):
        """The connection has ended, or was never there."""
        now = time.monotonic()
        if device.state == UP:
            device.losses += 1
            device.lost_at = now
        else:
            self.longest_s = max(self.longest_s, now - device.began_at)
            if device.state == DIALLING:
                self.unreachable[errno.errorcode.get(error.errno, error.errno)] += 1
            else:
                self.cut += 1
        self._drop(device)
        if self.returns:
            self._pause(device)

    def _pause(self, device):
        pause_s = min(PAUSE_MAX_S, self.pause_s * 2 ** device.failures)
        device.failures += 1
        device.due_at = time.monotonic() + pause_s * self.random.random()
        heapq.heappush(self.later, (device.due_at, self.random.random(), device))

    def _drop(self, device):
        if device.state == UP:
            self.n_up -= 1
        self.under_way.discard(device)
        device.state = AWAY
        if device.socket is None:
            return
        try:
            self.selector.unregister(device.socket)
        except KeyError:
            pass
        device.socket.close()
        device.socket = None


class Visitors:
    """Devices that come at a pace, get their CONNACK and go: so many connects a second."""

    def __init__(self, fleet, per_s):
        self.fleet, self.per_s = fleet, per_s
        self.started = time.monotonic()
        self.sent = self.answered = 0
        self.waiting = collections.deque(fleet.devices)

    def turn(self):
        """Send those whose time has come; let those go that have been answered."""
        fleet = self.fleet
        due = int((time.monotonic() - self.started) * self.per_s) - self.sent
        for _ in range(min(due, len(self.waiting))):
            device = self.waiting.popleft()
            fleet.come([device])
            self.sent += 1
        fleet.turn(0.002)
        if fleet.n_up:
            done = [d for d in fleet.devices if d.state == UP]
            self.answered += len(done)
            fleet.leave(done)
            self.waiting.extend(done)
