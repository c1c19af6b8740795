"""A minimal WebSocket (RFC 6455) device that sends exact bytes."""

import base64
import hashlib
import os
import socket
import ssl
import struct

import mqtt

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10


def frame(payload, opcode=BINARY, fin=True, mask=b"\x37\xfa\x21\x3d"):
    """Return a client frame. mask=None: without a mask, which is invalid."""
    n = len(payload)
    head = bytes([(0x80 if fin else 0) | opcode])
    bit = 0x80 if mask else 0
    if n < 126:
        head += bytes([bit | n])
    else:
        head += struct.pack(">BH", bit | 126, n) if n < 65536 else struct.pack(">BQ", bit | 127, n)
    if not mask:
        return head + payload
    whole = int.from_bytes((mask * (n // 4 + 1))[:n], "big") ^ int.from_bytes(payload, "big")
    return head + mask + whole.to_bytes(n, "big")


def upgrade(key, path="/mqtt", subprotocol="mqtt", headers=()):
    lines = [f"GET {path} HTTP/1.1", "Host: localhost", "Upgrade: websocket", "Connection: Upgrade",
             f"Sec-WebSocket-Key: {key}", "Sec-WebSocket-Version: 13",
             f"Sec-WebSocket-Protocol: {subprotocol}", *headers]
    return "\r\n".join([*lines, "", ""]).encode()


class Answer:
    """The head of an HTTP response."""

    def __init__(self, head):
        first, *lines = head.decode("latin-1").split("\r\n")
        self.version, status, _ = first.split(" ", 2)
        self.status = int(status)
        self.headers = {}
        for line in lines:
            name, value = line.split(":", 1)
            assert name.lower() not in self.headers, f"{name} twice"
            self.headers[name.lower()] = value.strip()


class WsDevice(mqtt.Device):
    """A device over ws, or over wss if tls is given. Each send is one frame."""

    def __init__(self, port, path="/mqtt", subprotocol="mqtt", headers=(), **how):
        super().__init__(port, **how)
        self.frames = []  # (opcode, payload) of all frames other than data
        self.payload = bytearray()
        key = base64.b64encode(os.urandom(16)).decode()
        self.socket.sendall(upgrade(key, path, subprotocol, headers))
        self.answer = read_answer(self.socket)
        if self.answer.status == 101:
            accept = hashlib.sha1(key.encode() + GUID).digest()
            assert self.answer.headers["sec-websocket-accept"] == base64.b64encode(accept).decode()

    def send(self, data):
        self.socket.sendall(frame(data))
        return self

    def send_raw(self, data):
        self.socket.sendall(data)
        return self

    def read(self, n):
        while len(self.payload) < n:
            opcode, data = self.read_frame()
            if opcode in (BINARY, CONTINUATION):
                self.payload += data
            else:
                self.frames.append((opcode, data))
        out, self.payload = bytes(self.payload[:n]), self.payload[n:]
        return out

    def read_frame(self):
        return read_frame(lambda n: mqtt.Device.read(self, n))

    def read_to_close(self):
        """Wait until the router has closed the connection. Return (data, close code or None)."""
        data, code = bytes(self.payload), None
        try:
            while True:
                opcode, payload = self.read_frame()
                if opcode in (BINARY, CONTINUATION):
                    assert code is None, "data after the close frame"
                    data += payload
                elif opcode == CLOSE:
                    code = struct.unpack(">H", payload[:2])[0] if payload else None
        except (EOFError, ConnectionResetError, ssl.SSLError):
            return data, code


def read_frame(read):
    """Read the router's next frame with read(n). Return (opcode, payload). The frame must be unmasked and complete."""
    first, second = read(2)
    assert first & 0x80, "the router must not send fragments"
    assert not first & 0x70, "a reserved bit is set without an extension"
    assert not second & 0x80, "the server must not mask frames"
    n = second
    if n == 126:
        n, = struct.unpack(">H", read(2))
    elif n == 127:
        n, = struct.unpack(">Q", read(8))
    return first & 15, read(n)


def read_answer(raw):
    """Return the head of the response without reading further bytes, or None if the connection ends before."""
    head = bytearray()
    try:
        while not head.endswith(b"\r\n\r\n"):
            byte = raw.recv(1)
            if not byte:
                return None
            head += byte
    except (ConnectionResetError, socket.timeout):
        return None
    return Answer(bytes(head[:-4]))
