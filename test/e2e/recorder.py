"""A mock node that records the router's exact bytes and can fail in defined ways.

It records the bytes and the chunk sizes of every connection. Other tests use real brokers.
"""

import asyncio
import socket
import struct
import threading

CONNACK_3 = bytes.fromhex("20020000")
CONNACK_5 = bytes.fromhex("2003000000")
V2_SIGNATURE = bytes.fromhex("0d0a0d0a000d0a515549540a")


def split_proxy_header(data):
    """Return (header, rest). The header is empty if it is incomplete. Only lengths are checked."""
    if data.startswith(V2_SIGNATURE) and len(data) >= 16:
        n = 16 + struct.unpack(">H", data[14:16])[0]
        return (data[:n], data[n:]) if len(data) >= n else (b"", b"")
    if data.startswith(b"PROXY ") and b"\r\n" in data:
        n = data.index(b"\r\n") + 2
        return data[:n], data[n:]
    return b"", data


def proxy_source(header):
    """Return (address, port) of the device from a v1 or v2 header over IPv4 or IPv6."""
    if header.startswith(V2_SIGNATURE):
        if header[13] >> 4 == 1:
            return socket.inet_ntoa(header[16:20]), struct.unpack(">H", header[24:26])[0]
        return (socket.inet_ntop(socket.AF_INET6, header[16:32]),
                struct.unpack(">H", header[48:50])[0])
    words = header.decode().split()
    return words[2], int(words[4])


def accept_connect(record):
    """Return a successful CONNACK in the version of the CONNECT, once the version has arrived."""
    _, rest = split_proxy_header(bytes(record.data))
    if len(rest) < 12:
        return None
    at = rest.find(b"MQTT", 0, 12)
    return CONNACK_5 if at > 0 and rest[at + 4] == 5 else CONNACK_3


class Record(asyncio.Protocol):
    """A connection to the node."""

    def __init__(self, node):
        self.node = node
        self.data = bytearray()
        self.chunks = []
        self.answered = False
        self.eof = False
        self.closed = False
        self.error = None
        self.transport = None
        self.writable = threading.Event()

    def connection_made(self, transport):
        self.transport = transport
        if self.node.never_read:
            transport.pause_reading()
        self.node.note(lambda: self.node.records.append(self))

    def data_received(self, chunk):
        def add():
            self.chunks.append(len(chunk))
            self.data += chunk
        self.node.note(add)
        if not self.answered and self.node.answer:
            reply = self.node.answer(self)
            if reply is not None:
                self.answered = True
                self.transport.write(reply)
        if self.node.echo_after is not None and len(self.data) > self.node.echo_after:
            self.transport.write(chunk)

    def eof_received(self):
        def mark():
            self.eof = True
        self.node.note(mark)
        return self.node.keep_open_after_eof

    def connection_lost(self, error):
        def mark():
            self.closed, self.error = True, error
        self.node.note(mark)

    @property
    def proxy(self):
        return split_proxy_header(bytes(self.data))[0]

    @property
    def mqtt(self):
        """Return everything after the PROXY header."""
        return split_proxy_header(bytes(self.data))[1]

    def call(self, what):
        self.node.loop.call_soon_threadsafe(what)

    def write(self, data):
        self.call(lambda: self.transport.write(data))

    def wait_calls(self):
        """Wait until the node's loop has executed all previous calls, so that their sends have started."""
        ran = threading.Event()
        self.call(ran.set)
        assert ran.wait(60), "the loop of the recording node does not run"

    def write_eof(self):
        self.call(self.transport.write_eof)

    def close(self):
        self.call(self.transport.close)

    def reset(self):
        def abort():
            raw = self.transport.get_extra_info("socket")
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.transport.abort()
        self.call(abort)

    def pause(self):
        self.call(self.transport.pause_reading)

    def resume(self):
        self.call(self.transport.resume_reading)


class RecordingNode:
    """A node that listens on a free port of 127.0.0.1 (or ::1) or on a Unix socket, in its own thread.

    answer               called with the record for each chunk until it returns bytes
    never_read           accept connections but read nothing
    keep_open_after_eof  do not close after an EOF
    echo_after           echo every chunk after this many bytes
    """

    def __init__(self, answer=accept_connect, never_read=False, keep_open_after_eof=False,
                 echo_after=None, host="127.0.0.1", path=None):
        self.answer = answer
        self.never_read = never_read
        self.keep_open_after_eof = keep_open_after_eof
        self.echo_after = echo_after
        self.records = []
        self.changed = threading.Condition()
        self.loop = asyncio.new_event_loop()
        self.server = self.loop.run_until_complete(
            self.loop.create_unix_server(lambda: Record(self), path, backlog=1024) if path else
            self.loop.create_server(lambda: Record(self), host, 0, backlog=1024))
        self.port = None if path else self.server.sockets[0].getsockname()[1]
        self.address = f"[{host}]:{self.port}" if ":" in host else f"{host}:{self.port}"
        if path:
            self.address = f"unix:{path}"
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()

    def note(self, change):
        with self.changed:
            change()
            self.changed.notify_all()

    def wait(self, condition, what, timeout_s=None):
        """Wait until condition(node) is true. Return its value."""
        from harness import WAIT_LIMIT_S
        with self.changed:
            value = self.changed.wait_for(lambda: condition(self), timeout_s or WAIT_LIMIT_S)
            assert value, f"the node never saw {what}; {len(self.records)} connections"
            return value

    def record(self, index=0):
        """Wait until the index-th connection has sent something. Return it."""
        return self.wait(lambda n: len(n.records) > index and n.records[index],
                         f"connection {index}")

    def wait_mqtt(self, data, index=0):
        """Wait until the index-th connection has sent exactly these bytes after its PROXY header."""
        record = self.record(index)
        try:
            self.wait(lambda n: len(record.mqtt) >= len(data), f"{len(data)} bytes")
        finally:
            got = record.mqtt
            assert got == data[:len(got)], f"changed bytes after {common(got, data)} bytes"
        assert record.mqtt == data
        return record

    def close(self):
        def end():
            self.server.close()
            for record in self.records:
                if record.transport and not record.closed:
                    record.transport.abort()
            self.loop.call_soon(self.loop.stop)
        self.loop.call_soon_threadsafe(end)
        self.thread.join(5)


def common(a, b):
    return next((i for i, (x, y) in enumerate(zip(a, b)) if x != y), min(len(a), len(b)))


class RefusingPort:
    """A port that is bound but not listening: connections are refused, and no other program can bind it."""

    def __init__(self):
        self.socket = socket.socket()
        self.socket.bind(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]

    def close(self):
        self.socket.close()


class HangingPort:
    """A port that never completes a TCP handshake because its accept queue is full.

    Linux drops a SYN if the queue is full, so a dial hangs, as if the host were down.
    """

    def __init__(self):
        self.socket = socket.socket()
        self.socket.bind(("127.0.0.1", 0))
        self.socket.listen(0)
        self.port = self.socket.getsockname()[1]
        self.fillers = []
        for _ in range(4):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", self.port))
            self.fillers.append(filler)

    def close(self):
        for filler in self.fillers:
            filler.close()
        self.socket.close()
