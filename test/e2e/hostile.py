"""Hostile clients: thousands of raw sockets in a separate, cheap process.

As a module: Crowd starts that process, so that its work does not delay the test.
As a program: reads one JSON object per line on standard input, and answers each with one.
"""

import dataclasses
import errno
import heapq
import json
import os
import select
import socket
import ssl
import struct
import subprocess
import sys
import time

from harness import WAIT_LIMIT_S, raise_open_files, wait_until

TURN_S = 0.02
DIALS_A_TURN = 200
READ_BYTES = 65536
ABORT = struct.pack("ii", 1, 0)
IP_BIND_ADDRESS_NO_PORT = 24


def client_hello(server_name="localhost"):
    """Return a real one: the first flight of the local OpenSSL."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = ssl.create_default_context().wrap_bio(incoming, outgoing, server_hostname=server_name)
    try:
        client.do_handshake()
    except ssl.SSLWantReadError:
        pass
    return outgoing.read()


def half(data):
    return data[:len(data) // 2]


@dataclasses.dataclass
class Behavior:
    """What each client of one kind does.

    sends            the parts it sends, each after it has received something since the previous one
    drip_s           send the last part byte by byte, with this interval; 0: in one piece
    floods           sent repeatedly after that, as fast as the router reads it
    flood_s          pause between two of these
    reads            False: reads nothing after the last part
    count            clients at the same time
    per_s            limit of new clients per second
    reconnects       a client that has closed is replaced
    resets_after_s   the client resets its connection after this time; None: never
    sources          source addresses, used in turn; empty: the kernel chooses
    """

    port: int
    sends: tuple = ()
    drip_s: float = 0
    floods: bytes = b""
    flood_s: float = 0
    reads: bool = True
    count: int = 1
    per_s: float = 4000
    reconnects: bool = False
    resets_after_s: float | None = None
    sources: tuple = ()
    host: str = "127.0.0.1"

    def as_json(self):
        fields = dataclasses.asdict(self)
        fields["sends"] = [part.hex() for part in self.sends]
        fields["floods"] = self.floods.hex()
        return fields

    @classmethod
    def of_json(cls, fields):
        fields["sends"] = [bytes.fromhex(part) for part in fields["sends"]]
        fields["floods"] = bytes.fromhex(fields["floods"])
        return cls(**fields)


class Crowd:
    """Clients with these behaviors, until close(). They start to connect immediately."""

    def __init__(self, behaviors):
        self.process = subprocess.Popen([sys.executable, __file__], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE)
        self._query({"behaviors": [behavior.as_json() for behavior in behaviors]})

    def _query(self, query):
        self.process.stdin.write(json.dumps(query).encode() + b"\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def counters(self):
        """Return the counters: open (connections now), connected, failed (could not connect),
        closed and reset (by the router), received (bytes); shortest_s and longest_s (lifetimes)."""
        return self._query({})

    def wait_connected(self, count, timeout_s=3 * WAIT_LIMIT_S):
        return wait_until(lambda: self.counters()["connected"] >= count, f"{count} clients to connect",
                          timeout_s)

    def wait_disconnected(self, timeout_s=3 * WAIT_LIMIT_S):
        return wait_until(lambda: self.counters()["open"] == 0, "all clients to be disconnected", timeout_s)

    def close(self):
        if self.process.poll() is None:
            self.process.stdin.close()
            self.process.wait()


# -- the program ------------------------------------------------------------------------------


class Kind:
    """A behavior and the number of its clients."""

    def __init__(self, behavior):
        self.behavior = behavior
        self.next_at = time.monotonic()  # when the next one may connect
        self.n_dialled = self.n_open = 0

    def due(self, now):
        """Return how many may connect now. A delay causes no burst."""
        behavior = self.behavior
        self.next_at = max(self.next_at, now - 0.1 - 1 / behavior.per_s)
        room = behavior.count - (self.n_open if behavior.reconnects else self.n_dialled)
        return max(0, min(room, int((now - self.next_at) * behavior.per_s)))

    def source(self):
        sources = self.behavior.sources
        return sources[self.n_dialled % len(sources)] if sources else None


class Client:
    """One connection of the crowd."""

    __slots__ = ("kind", "socket", "began_at", "is_open", "n_sent", "unsent", "watched")

    def __init__(self, kind, raw):
        self.kind, self.socket = kind, raw
        self.began_at = time.monotonic()
        self.is_open = False
        self.n_sent = 0  # parts
        self.unsent = memoryview(b"")
        self.watched = select.EPOLLOUT

    @property
    def has_sent_all(self):
        return self.n_sent == len(self.kind.behavior.sends) and not self.unsent

    @property
    def drips(self):
        behavior = self.kind.behavior
        return behavior.drip_s > 0 and self.n_sent == len(behavior.sends)


class Loop:
    """The event loop: all clients, and the queries of the parent process."""

    def __init__(self):
        self.stdin = sys.stdin.fileno()
        self.epoll = select.epoll()
        self.epoll.register(self.stdin, select.EPOLLIN)
        self.line = b""
        self.kinds = []
        self.clients = {}  # by descriptor
        self.timers = []  # a heap of (time, number, client, action)
        self.n_timers = 0
        self.counts = {"open": 0, "connected": 0, "failed": 0, "closed": 0, "reset": 0, "received": 0,
                       "shortest_s": None, "longest_s": None}

    def run(self):
        while True:
            now = time.monotonic()
            for kind in self.kinds:
                for _ in range(kind.due(now)):
                    self._dial(kind)
            while self.timers and self.timers[0][0] <= now:
                _, _, client, action = heapq.heappop(self.timers)
                self._try(client, action)
            for fd, events in self.epoll.poll(TURN_S, 1024):
                if fd != self.stdin:
                    self._try(self.clients.get(fd), self._event, events)
                elif not self._answer():
                    return

    def _answer(self):
        chunk = os.read(self.stdin, READ_BYTES)
        *lines, self.line = (self.line + chunk).split(b"\n")
        for line in lines:
            self.kinds += [Kind(Behavior.of_json(fields))
                           for fields in json.loads(line).get("behaviors", ())]
            print(json.dumps(self.counts), flush=True)
        return bool(chunk)

    # -- connect and close -----------------------------------------------------------------------

    def _dial(self, kind):
        raw = socket.socket()
        raw.setblocking(False)
        source = kind.source()
        kind.n_dialled += 1
        kind.next_at += 1 / kind.behavior.per_s
        if source:
            raw.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
            raw.bind((source, 0))
        if raw.connect_ex((kind.behavior.host, kind.behavior.port)) not in (0, errno.EINPROGRESS):
            self.counts["failed"] += 1
            raw.close()
            return
        self.clients[raw.fileno()] = Client(kind, raw)
        kind.n_open += 1
        self.epoll.register(raw.fileno(), select.EPOLLOUT)

    def _forget(self, client, counter):
        """counter: the counter to increment, or None if the client closed by itself."""
        if counter:
            self.counts[counter] += 1
        if client.is_open:
            self.counts["open"] -= 1
        if client.is_open and counter:
            lifetime_s = time.monotonic() - client.began_at
            for name, choose in (("shortest_s", min), ("longest_s", max)):
                previous = self.counts[name]
                self.counts[name] = lifetime_s if previous is None else choose(previous, lifetime_s)
        client.kind.n_open -= 1
        del self.clients[client.socket.fileno()]
        client.socket.close()  # also removes it from epoll
        client.socket = None

    def _reset(self, client):
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ABORT)
        self._forget(client, None)

    def _after(self, seconds, client, action):
        self.n_timers += 1
        heapq.heappush(self.timers, (time.monotonic() + seconds, self.n_timers, client, action))

    # -- one client ------------------------------------------------------------------------------

    def _try(self, client, action, *arguments):
        if not client or not client.socket:
            return
        try:
            action(client, *arguments)
        except OSError:
            self._forget(client, "reset" if client.is_open else "failed")

    def _event(self, client, events):
        if not client.is_open:
            self._begin(client)
            return
        if events & ~select.EPOLLOUT and not self._receive(client):
            return
        if events & select.EPOLLOUT:
            self._send(client)

    def _begin(self, client):
        code = client.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            raise OSError(code, "connect")
        client.is_open = True
        self.counts["open"] += 1
        self.counts["connected"] += 1
        if client.kind.behavior.resets_after_s is not None:
            self._after(client.kind.behavior.resets_after_s, client, self._reset)
        self._send_next(client)

    def _send_next(self, client):
        """Send the next part, if there is one."""
        if client.n_sent < len(client.kind.behavior.sends):
            client.unsent = memoryview(client.kind.behavior.sends[client.n_sent])
            client.n_sent += 1
            if client.drips:
                self._drip(client)
        self._send(client)

    def _receive(self, client):
        """Return False if the connection has closed."""
        chunk = client.socket.recv(READ_BYTES)
        if not chunk:
            self._forget(client, "closed")
            return False
        self.counts["received"] += len(chunk)
        if not client.unsent and not client.has_sent_all:
            self._send_next(client)
        return True

    def _drip(self, client):
        client.socket.send(client.unsent[:1])
        client.unsent = client.unsent[1:]
        if client.unsent:
            self._after(client.kind.behavior.drip_s, client, self._drip)

    def _flood(self, client):
        client.unsent = memoryview(client.kind.behavior.floods)
        self._send(client)

    def _send(self, client):
        """Send what is due, and select the events to wait for."""
        behavior = client.kind.behavior
        if client.has_sent_all and behavior.floods and not behavior.flood_s:
            client.unsent = memoryview(behavior.floods)
        if client.unsent and not client.drips:
            try:
                client.unsent = client.unsent[client.socket.send(client.unsent):]
            except BlockingIOError:
                pass
            if client.has_sent_all and behavior.floods and behavior.flood_s:
                self._after(behavior.flood_s, client, self._flood)
        receives = behavior.reads or not client.has_sent_all
        writes = not client.drips if client.unsent else behavior.floods and not behavior.flood_s
        events = (select.EPOLLIN if receives else 0) | (select.EPOLLOUT if writes else 0)
        if events != client.watched:
            client.watched = events
            self.epoll.modify(client.socket.fileno(), events)


if __name__ == "__main__":
    raise_open_files()
    Loop().run()
