"""Thousands of devices in one event loop, which reconnect like real devices.

A device connects, sends CONNECT, waits for its CONNACK and stays connected. If it loses its
connection or is refused, it retries after a random pause that doubles with each failure. The
loop runs only inside run() and turn(), in the caller's thread.
"""

import collections
import errno
import heapq
import random
import selectors
import socket
import time

import mqtt
from harness import WAIT_LIMIT_S

OFFLINE, DIALLING, WAITING, UP = "away", "dialling", "waiting", "up"
PAUSE_MAX_S = 2.0


class FleetDevice:
    """A device of a fleet, and its history."""

    __slots__ = ("name", "connect", "state", "socket", "got", "began_at", "lost_at", "due_at",
                 "failures", "attempts", "losses", "codes")

    def __init__(self, name, connect):
        self.name, self.connect = name, connect
        self.state, self.socket, self.got = OFFLINE, None, b""
        self.began_at = 0.0  # start of the current attempt
        self.lost_at = None  # time at which it lost its session; None: it has a session
        self.due_at = None  # time of the next attempt
        self.failures = 0  # consecutive attempts without a session
        self.attempts = 0
        self.losses = 0  # number of lost sessions
        self.codes = []  # code of each CONNACK


class Fleet:
    """Devices named `dev-0` to `dev-(count-1)`, or with the given names. They are offline until connect().

    who          number of devices, or a list of names
    port         port of the router, or of a replacement for it
    clean        clean(i): whether device i uses a clean session
    pause_s      upper limit of the first pause of a device that lost its session
    max_pending  limit of concurrent connection attempts
    reconnects   False: a device that has lost its session stays offline
    """

    def __init__(self, port, who, version=4, clean=lambda i: True, pause_s=0.1, max_pending=500,
                 reconnects=True, host="127.0.0.1"):
        self.to = (host, port)
        self.pause_s, self.max_pending, self.reconnects = pause_s, max_pending, reconnects
        names = [f"dev-{i}" for i in range(who)] if isinstance(who, int) else who
        self.devices = [
            FleetDevice(name, mqtt.connect(name, version=version, clean=clean(i), keep_alive_s=600))
            for i, name in enumerate(names)]
        self.selector = selectors.EpollSelector()
        self.queue = collections.deque()  # due, but waiting because of max_pending
        self.later = []  # devices that pause: a heap of (time, number, device)
        self.pending = set()
        self.n_connected = 0
        self.random = random.Random(len(names))
        self.reset_counters()

    def reset_counters(self):
        """Reset all counters."""
        self.longest_s = 0.0  # duration of one attempt, from the dial to CONNACK or close
        self.recovery_s = []  # duration from the loss of a session to the next session
        self.refusals = collections.Counter()  # refused attempts, by CONNACK code
        self.cut = 0  # attempts that ended without a CONNACK
        self.unreachable = collections.Counter()  # failed connects, by errno
        for device in self.devices:
            device.losses = device.attempts = device.failures = 0
            device.codes = []

    # -- for tests ------------------------------------------------------------------------

    @property
    def all_connected(self):
        return self.n_connected == len(self.devices)

    def lost(self):
        """Return the names of the devices that have lost a session since reset_counters()."""
        return {device.name for device in self.devices if device.losses}

    def connect_devices(self, devices=None):
        """Start to connect all devices, or the given ones. They make progress in run()."""
        for device in self.devices if devices is None else devices:
            if device.state == OFFLINE and device.due_at is None:
                device.due_at = 0.0
                self.queue.append(device)

    def disconnect(self, devices=None, politely=True):
        """Disconnect all devices, or the given ones. They do not reconnect by themselves."""
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

    def reconnect(self, devices=None):
        """Disconnect the devices and connect them again."""
        self.disconnect(devices)
        self.connect_devices(devices)

    def connect_all(self, timeout_s=6 * WAIT_LIMIT_S):
        self.connect_devices()
        self.run(lambda: self.all_connected, "all devices to have a session", timeout_s)

    def run(self, until, what, timeout_s=6 * WAIT_LIMIT_S):
        """Run the loop until until() returns true; until() is called in each turn."""
        deadline = time.monotonic() + timeout_s
        while not until():
            self.turn()
            assert time.monotonic() < deadline, f"waited {timeout_s} s for {what}; {self}"

    def run_for(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.turn()

    def close(self):
        self.disconnect(politely=False)
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
        while self.queue and len(self.pending) < self.max_pending:
            self._dial(self.queue.popleft())
        wait_s = 0 if self.queue and len(self.pending) < self.max_pending else wait_s
        for key, _ in self.selector.select(wait_s):
            device = key.data
            if device.socket is None:
                continue
            try:
                (self._send_connect if device.state == DIALLING else self._receive)(device)
            except OSError as error:
                self._handle_end(device, error)

    def _dial(self, device):
        device.due_at, device.got = None, b""
        device.began_at = time.monotonic()
        device.attempts += 1
        device.state = DIALLING
        device.socket = socket.socket()
        device.socket.setblocking(False)
        self.pending.add(device)
        code = device.socket.connect_ex(self.to)
        if code not in (0, errno.EINPROGRESS):
            self._handle_end(device, OSError(code, "connect"))
            return
        self.selector.register(device.socket, selectors.EVENT_WRITE, device)

    def _send_connect(self, device):
        code = device.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            raise OSError(code, "connect")
        device.state = WAITING
        device.socket.send(device.connect)
        self.selector.modify(device.socket, selectors.EVENT_READ, device)

    def _receive(self, device):
        chunk = device.socket.recv(4096)
        if not chunk:
            self._handle_end(device, None)
        elif device.state == WAITING:
            device.got += chunk
            if len(device.got) >= 4:
                self._handle_connack(device)

    def _handle_connack(self, device):
        assert device.got[0] == mqtt.CONNACK << 4, f"{device.name}: {device.got.hex()}"
        now = time.monotonic()
        self.longest_s = max(self.longest_s, now - device.began_at)
        device.codes.append(device.got[3])
        if device.got[3]:
            self.refusals[device.got[3]] += 1
            self._drop(device)
            self._pause(device)
            return
        self.pending.discard(device)
        device.state, device.failures = UP, 0
        self.n_connected += 1
        if device.lost_at is not None:
            self.recovery_s.append(now - device.lost_at)
            device.lost_at = None

    def _handle_end(self, device, error):
        """Handle a closed connection or a failed dial."""
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
        if self.reconnects:
            self._pause(device)

    def _pause(self, device):
        pause_s = min(PAUSE_MAX_S, self.pause_s * 2 ** device.failures)
        device.failures += 1
        device.due_at = time.monotonic() + pause_s * self.random.random()
        heapq.heappush(self.later, (device.due_at, self.random.random(), device))

    def _drop(self, device):
        if device.state == UP:
            self.n_connected -= 1
        self.pending.discard(device)
        device.state = OFFLINE
        if device.socket is None:
            return
        try:
            self.selector.unregister(device.socket)
        except KeyError:
            pass
        device.socket.close()
        device.socket = None


class ShortSessions:
    """Devices with short sessions, at a constant rate: connect, get the CONNACK, disconnect."""

    def __init__(self, fleet, per_s):
        self.fleet, self.per_s = fleet, per_s
        self.started = time.monotonic()
        self.sent = self.answered = 0
        self.waiting = collections.deque(fleet.devices)

    def turn(self):
        """Connect the devices that are due, and disconnect those that have received their CONNACK."""
        fleet = self.fleet
        due = int((time.monotonic() - self.started) * self.per_s) - self.sent
        for _ in range(min(due, len(self.waiting))):
            device = self.waiting.popleft()
            fleet.connect_devices([device])
            self.sent += 1
        fleet.turn(0.002)
        if fleet.n_connected:
            done = [d for d in fleet.devices if d.state == UP]
            self.answered += len(done)
            fleet.disconnect(done)
            self.waiting.extend(done)
