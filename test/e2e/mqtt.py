"""A minimal MQTT device that sends exact bytes. Other tests use real clients."""

import socket
import ssl
import struct

from harness import WAIT_LIMIT_S

CONNACK, PUBLISH, PUBACK, PUBREC, PUBREL, PUBCOMP, SUBACK, PINGRESP = 2, 3, 4, 5, 6, 7, 9, 13


def varint(n):
    out = b""
    while True:
        n, low = n >> 7, n & 0x7F
        out += bytes([low | (0x80 if n else 0)])
        if not n:
            return out


def text(value):
    value = value.encode() if isinstance(value, str) else value
    return struct.pack(">H", len(value)) + value


def packet(first, body):
    return bytes([first]) + varint(len(body)) + body


def connect(client_id, version=4, clean=True, keep_alive_s=60, username=None, password=None,
            will=None, properties=b""):
    """Return a CONNECT. will: (topic, payload, qos, retain)."""
    flags = 0x02 if clean else 0
    payload = text(client_id)
    if will:
        topic, message, qos, retain = will
        flags |= 0x04 | qos << 3 | (0x20 if retain else 0)
        payload += (b"\x00" if version == 5 else b"") + text(topic) + text(message)
    if username is not None:
        flags |= 0x80
        payload += text(username)
    if password is not None:
        flags |= 0x40
        payload += text(password)
    name = b"MQIsdp" if version == 3 else b"MQTT"
    head = text(name) + bytes([version, flags]) + struct.pack(">H", keep_alive_s)
    if version == 5:
        head += varint(len(properties)) + properties
    return packet(0x10, head + payload)


def publish(topic, payload, qos=0, packet_id=1, retain=False, version=4):
    body = text(topic) + (struct.pack(">H", packet_id) if qos else b"")
    body += b"\x00" if version == 5 else b""
    return packet(0x30 | qos << 1 | (1 if retain else 0), body + payload)


def subscribe(topic, qos=0, packet_id=1, version=4):
    body = struct.pack(">H", packet_id) + (b"\x00" if version == 5 else b"")
    return packet(0x82, body + text(topic) + bytes([qos]))


PING = bytes.fromhex("c000")
DISCONNECT = bytes.fromhex("e000")


def tls_context(directory, maximum=None):
    context = ssl.create_default_context(cafile=str(directory / "ca.pem"))
    if maximum:
        context.maximum_version = maximum
    return context


class Device:
    """A socket to the router, plain or TLS, that reads complete MQTT packets.

    port: a number, or the path of a Unix socket; before: bytes sent before TLS
    """

    def __init__(self, port, tls=None, host="127.0.0.1", source=None, server_name="localhost",
                 before=b""):
        if isinstance(port, str):
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.settimeout(WAIT_LIMIT_S)
            self.socket.connect(port)
        else:
            self.socket = socket.create_connection(
                (host, port), timeout=WAIT_LIMIT_S, source_address=(source, 0) if source else None)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.name = self.socket.getsockname()
        self.socket.sendall(before)
        if tls:
            self.socket = tls.wrap_socket(self.socket, server_hostname=server_name)

    def send(self, data):
        self.socket.sendall(data)
        return self

    def read(self, n):
        out = bytearray()
        while len(out) < n:
            chunk = self.socket.recv(n - len(out))
            if not chunk:
                raise EOFError(f"the connection ended after {len(out)} bytes: {bytes(out[:64]).hex()}")
            out += chunk
        return bytes(out)

    def packet(self):
        """Return (type, bytes) of the next packet."""
        head = self.read(1)
        n, shift = 0, 0
        while True:
            byte = self.read(1)
            head += byte
            n |= (byte[0] & 0x7F) << shift
            shift += 7
            if not byte[0] & 0x80:
                break
        return head[0] >> 4, head + self.read(n)

    def connect(self, client_id, **fields):
        """Send CONNECT; return (session present, return or reason code)."""
        self.send(connect(client_id, **fields))
        kind, data = self.packet()
        assert kind == CONNACK, data.hex()
        return data[2] & 1, data[3]

    def read_to_end(self):
        """Read until the router closes or resets the connection. Return (bytes, how it ended)."""
        out = bytearray()
        try:
            while chunk := self.socket.recv(65536):
                out += chunk
        except ConnectionResetError:
            return bytes(out), "reset"
        except ssl.SSLEOFError:
            return bytes(out), "tls cut"
        return bytes(out), "end"

    def half_close(self):
        self.socket.shutdown(socket.SHUT_WR)

    def reset(self):
        """Reset the connection, like a device that has restarted after a power loss."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def retained(port, topic):
    """Return the retained message of a topic."""
    with Device(port) as device:
        assert device.connect("reader-of-" + topic)[1] == 0
        device.send(subscribe(topic))
        while True:
            kind, data = device.packet()
            if kind == PUBLISH:
                return data[2 + 2 + len(topic):]
