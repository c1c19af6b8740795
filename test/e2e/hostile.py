"""Clients that mean harm: thousands of raw sockets in one process, which costs next to nothing.

As a module: Crowd starts that process, so that what it does takes no time from who measures.
As a program it reads one JSON object a line on standard input, and answers each with one.
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

from harness import PATIENCE_S, raise_open_files, wait_until

TURN_S = 0.02
DIALS_A_TURN = 200
READ_BYTES = 65536
ABORT = struct.pack("ii", 1, 0)
IP_BIND_ADDRESS_NO_PORT = 24


def client_hello(server_name="localhost"):
    """A real one: the first flight of this machine's OpenSSL."""
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
class Habit:
    """What clients of one kind do, each for itself.

    says      what is said, each part once something has been heard after the one before
    drip_s    the last part goes byte by byte, one in so many seconds; 0: at once
    floods    said again and again behind all that, as fast as the router takes it
    flood_s   ... with a pause of so long between
    reads     False: nothing is read once all has been said
    count     so many at a time
    per_s     new ones a second, at most
    returns   who has gone is followed by another
    stays_s   after so long it goes by itself, with a reset; None: it waits for the router to end it
    sources   addresses to come from, in turns; none: the kernel's choice
    """

    port: int
    says: tuple = ()
    drip_s: float = 0
    floods: bytes = b""
    flood_s: float = 0
    reads: bool = True
    count: int = 1
    per_s: float = 4000
    returns: bool = False
    stays_s: float | None = None
    sources: tuple = ()
    host: str = "127.0.0.1"

    def as_json(self):
        fields = dataclasses.asdict(self)
        fields["says"] = [part.hex() for part in self.says]
        fields["floods"] = self.floods.hex()
        return fields

    @classmethod
    def of_json(cls, fields):
        fields["says"] = [bytes.fromhex(part) for part in fields["says"]]
        fields["floods"] = bytes.fromhex(fields["floods"])
        return cls(**fields)


class Crowd:
    """Clients of these habits, until close(). They begin to come at once."""

    def __init__(self, habits):
        self.process = subprocess.Popen([sys.executable, __file__], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE)
        self._ask({"habits": [habit.as_json() for habit in habits]})

    def _ask(self, question):
        self.process.stdin.write(json.dumps(question).encode() + b"\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def tell(self):
        """Counts: here (connections now), came, failed (got none), ended and reset (by the
        router), heard (bytes); shortest_s and longest_s from a connection to its end."""
        return self._ask({})

    def wait_came(self, count, timeout_s=3 * PATIENCE_S):
        return wait_until(lambda: self.tell()["came"] >= count, f"{count} clients to come",
                          timeout_s)

    def wait_gone(self, timeout_s=3 * PATIENCE_S):
        return wait_until(lambda: self.tell()["here"] == 0, "all clients to be gone", timeout_s)

    def close(self):
        if self.process.poll() is None:
            self.process.stdin.close()
            self.process.wait()


# -- the program ------------------------------------------------------------------------------


class Kind:
    """A habit, and who has it."""

    def __init__(self, habit):
        self.habit = habit
        self.next_at = time.monotonic()  # when the next one may come
        self.n_dialled = self.n_here = 0

    def due(self, now):
        """How many may come now. Who had to wait does not come all at once."""
        habit = self.habit
        self.next_at = max(self.next_at, now - 0.1 - 1 / habit.per_s)
        room = habit.count - (self.n_here if habit.returns else self.n_dialled)
        return max(0, min(room, int((now - self.next_at) * habit.per_s)))

    def source(self):
        sources = self.habit.sources
        return sources[self.n_dialled % len(sources)] if sources else None


class Client:
    """One connection of the crowd."""

    __slots__ = ("kind", "socket", "began_at", "is_open", "n_said", "unsent", "watched")

    def __init__(self, kind, raw):
        self.kind, self.socket = kind, raw
        self.began_at = time.monotonic()
        self.is_open = False
        self.n_said = 0  # parts
        self.unsent = memoryview(b"")
        self.watched = select.EPOLLOUT

    @property
    def has_said_all(self):
        return self.n_said == len(self.kind.habit.says) and not self.unsent

    @property
    def drips(self):
        habit = self.kind.habit
        return habit.drip_s > 0 and self.n_said == len(habit.says)


class Loop:
    """All of them, and the parent's questions."""

    def __init__(self):
        self.stdin = sys.stdin.fileno()
        self.epoll = select.epoll()
        self.epoll.register(self.stdin, select.EPOLLIN)
        self.line = b""
        self.kinds = []
        self.clients = {}  # by descriptor
        self.timers = []  # a heap of (due at, a number, client, what to do with it)
        self.n_timers = 0
        self.counts = {"here": 0, "came": 0, "failed": 0, "ended": 0, "reset": 0, "heard": 0,
                       "shortest_s": None, "longest_s": None}

    def run(self):
        while True:
            now = time.monotonic()
            for kind in self.kinds:
                for _ in range(kind.due(now)):
                    self._dial(kind)
            while self.timers and self.timers[0][0] <= now:
                _, _, client, deed = heapq.heappop(self.timers)
                self._try(client, deed)
            for fd, events in self.epoll.poll(TURN_S, 1024):
                if fd != self.stdin:
                    self._try(self.clients.get(fd), self._event, events)
                elif not self._answer():
                    return

    def _answer(self):
        chunk = os.read(self.stdin, READ_BYTES)
        *lines, self.line = (self.line + chunk).split(b"\n")
        for line in lines:
            self.kinds += [Kind(Habit.of_json(fields))
                           for fields in json.loads(line).get("habits", ())]
            print(json.dumps(self.counts), flush=True)
        return bool(chunk)

    # -- coming and going ----------------------------------------------------------------------

    def _dial(self, kind):
        raw = socket.socket()
        raw.setblocking(False)
        source = kind.source()
        kind.n_dialled += 1
        kind.next_at += 1 / kind.habit.per_s
        if source:
            raw.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
            raw.bind((source, 0))
        if raw.connect_ex((kind.habit.host, kind.habit.port)) not in (0, errno.EINPROGRESS):
            self.counts["failed"] += 1
            raw.close()
            return
        self.clients[raw.fileno()] = Client(kind, raw)
        kind.n_here += 1
        self.epoll.register(raw.fileno(), select.EPOLLOUT)

    def _gone(self, client, how):
        """how: a word of the counts, or None when it left by itself."""
        if how:
            self.counts[how] += 1
        if client.is_open:
            self.counts["here"] -= 1
        if client.is_open and how:
            lived_s = time.monotonic() - client.began_at
            for word, choose in (("shortest_s", min), ("longest_s", max)):
                known = self.counts[word]
                self.counts[word] = lived_s if known is None else choose(known, lived_s)
        client.kind.n_here -= 1
        del self.clients[client.socket.fileno()]
        client.socket.close()  # epoll forgets it by itself
        client.socket = None

    def _leave(self, client):
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ABORT)
        self._gone(client, None)

    def _after(self, seconds, client, deed):
        self.n_timers += 1
        heapq.heappush(self.timers, (time.monotonic() + seconds, self.n_timers, client, deed))

    # -- one client ------------------------------------------------------------------------------

    def _try(self, client, deed, *arguments):
        if not client or not client.socket:
            return
        try:
            deed(client, *arguments)
        except OSError:
            self._gone(client, "reset" if client.is_open else "failed")

    def _event(self, client, events):
        if not client.is_open:
            self._begin(client)
            return
        if events & ~select.EPOLLOUT and not self._hear(client):
            return
        if events & select.EPOLLOUT:
            self._say(client)

    def _begin(self, client):
        code = client.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            raise OSError(code, "connect")
        client.is_open = True
        self.counts["here"] += 1
        self.counts["came"] += 1
        if client.kind.habit.stays_s is not None:
            self._after(client.kind.habit.stays_s, client, self._leave)
        self._go_on(client)

    def _go_on(self, client):
        """The next part, if there is one."""
        if client.n_said < len(client.kind.habit.says):
            client.unsent = memoryview(client.kind.habit.says[client.n_said])
            client.n_said += 1
            if client.drips:
                self._drip(client)
        self._say(client)

    def _hear(self, client):
        """False when that was its end."""
        chunk = client.socket.recv(READ_BYTES)
        if not chunk:
            self._gone(client, "ended")
            return False
        self.counts["heard"] += len(chunk)
        if not client.unsent and not client.has_said_all:
            self._go_on(client)
        return True

    def _drip(self, client):
        client.socket.send(client.unsent[:1])
        client.unsent = client.unsent[1:]
        if client.unsent:
            self._after(client.kind.habit.drip_s, client, self._drip)

    def _flood(self, client):
        client.unsent = memoryview(client.kind.habit.floods)
        self._say(client)

    def _say(self, client):
        """Send what is due, and watch for what is next."""
        habit = client.kind.habit
        if client.has_said_all and habit.floods and not habit.flood_s:
            client.unsent = memoryview(habit.floods)
        if client.unsent and not client.drips:
            try:
                client.unsent = client.unsent[client.socket.send(client.unsent):]
            except BlockingIOError:
                pass
            if client.has_said_all and habit.floods and habit.flood_s:
                self._after(habit.flood_s, client, self._flood)
        listens = habit.reads or not client.has_said_all
        speaks = not client.drips if client.unsent else habit.floods and not habit.flood_s
        wanted = (select.EPOLLIN if listens else 0) | (select.EPOLLOUT if speaks else 0)
        if wanted != client.watched:
            client.watched = wanted
            self.epoll.modify(client.socket.fileno(), wanted)


if __name__ == "__main__":
    raise_open_files()
    Loop().run()
