"""A deadline starts with its stage, and single slow bytes do not extend it.

Each row below has its own listener, which identifies the session. All clients run in parallel.
"""

import concurrent.futures
import ssl
import time

import pytest

import mqtt
import websocket
from harness import WAIT_LIMIT_S, add_listener, one_cluster
from hostile import client_hello
from proxy_sender import v2

pytestmark = pytest.mark.sanitized
DEADLINE_MS = 3000
LIMIT_S = WAIT_LIMIT_S / 2  # the test fails if a client is not closed within this time
EARLY_MS = 50  # tolerance for clocks and rounding
PAUSE_S = 0.4
LONG = "dribbling-" + "x" * 60
HEAD = websocket.upgrade("AAAAAAAAAAAAAAAAAAAAAA==")
V1 = b"PROXY TCP4 198.51.100.7 203.0.113.9 40000 1883\r\n"


class HeldTls:
    """A TLS client that returns its bytes to the caller instead of sending them."""

    def __init__(self, raw, context):
        self.raw = raw
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_hostname="localhost")

    def last_flight(self):
        """Do the handshake up to the client's last flight. Return that flight without sending it."""
        while True:
            try:
                self.tls.do_handshake()
                return self.outgoing.read()
            except ssl.SSLWantReadError:
                self.raw.send(self.outgoing.read())
                self.incoming.write(self.raw.socket.recv(65536))

    def record(self, data):
        """Complete the handshake. Return a TLS record that contains this data."""
        self.raw.send(self.last_flight())
        self.tls.write(data)
        return self.outgoing.read()


def one_by_one(data):
    return [data[i:i + 1] for i in range(len(data))]


def slowly(raw, data):
    """Send all data, over about half of a deadline."""
    for part in (data[:9], data[9:]):
        raw.send(part)
        time.sleep(DEADLINE_MS / 4000)


# Each function starts a connection, and returns it with the parts to send slowly.


def proxy_v1(port, _):
    return mqtt.Device(port), one_by_one(V1)


def proxy_v2(port, _):
    return mqtt.Device(port), one_by_one(v2())


def hello(port, _):
    return mqtt.Device(port), one_by_one(client_hello())


def hello_after_a_slow_proxy_header(port, _):
    raw = mqtt.Device(port)
    slowly(raw, v2())
    return raw, one_by_one(client_hello())


def the_last_flight_of_a_handshake(port, tls):
    raw = mqtt.Device(port)
    return raw, one_by_one(HeldTls(raw, tls).last_flight())


def http_head(port, _):
    return mqtt.Device(port), one_by_one(HEAD)


def http_head_in_records_of_a_byte(port, tls):
    return mqtt.Device(port, tls=tls), one_by_one(HEAD)


def http_head_in_a_slow_record(port, tls):
    raw = mqtt.Device(port)
    return raw, one_by_one(HeldTls(raw, tls).record(HEAD))


def http_head_after_a_slow_proxy_header(port, _):
    raw = mqtt.Device(port)
    slowly(raw, v2())
    return raw, one_by_one(HEAD)


def connect_after_a_slow_proxy_header(port, _):
    raw = mqtt.Device(port)
    slowly(raw, v2())
    return raw, one_by_one(mqtt.connect(LONG))


def connect_in_records_of_a_byte(port, tls):
    return mqtt.Device(port, tls=tls), one_by_one(mqtt.connect(LONG))


def connect_after_a_slow_http_head(port, _):
    raw = mqtt.Device(port)
    slowly(raw, HEAD)
    return raw, [websocket.frame(byte) for byte in one_by_one(mqtt.connect(LONG))]


def connect_in_a_slow_frame(port, tls):
    raw = websocket.WsDevice(port, tls=tls)
    return raw, one_by_one(websocket.frame(mqtt.connect(LONG)))


def pings_and_empty_fragments_and_no_connect(port, tls):
    raw = websocket.WsDevice(port, tls=tls)
    first = websocket.frame(b"", fin=False)
    rest = [websocket.frame(b"", websocket.CONTINUATION, fin=False),
            websocket.frame(b"?", websocket.PING)]
    return raw, [first] + rest * 50


# What is sent slowly: the stage, the close reason, the layers of the listener.
ROWS = {
    proxy_v1: ("proxy_in", "proxy_timeout", {"proxy"}),
    proxy_v2: ("proxy_in", "proxy_timeout", {"proxy", "tls"}),
    hello: ("tls", "tls_timeout", {"tls"}),
    hello_after_a_slow_proxy_header: ("tls", "tls_timeout", {"proxy", "tls"}),
    the_last_flight_of_a_handshake: ("tls", "tls_timeout", {"tls", "ws"}),
    http_head: ("websocket", "websocket_timeout", {"ws"}),
    http_head_in_records_of_a_byte: ("websocket", "websocket_timeout", {"tls", "ws"}),
    http_head_in_a_slow_record: ("websocket", "websocket_timeout", {"tls", "ws"}),
    http_head_after_a_slow_proxy_header: ("websocket", "websocket_timeout", {"proxy", "ws"}),
    connect_after_a_slow_proxy_header: ("connect", "connect_timeout", {"proxy"}),
    connect_in_records_of_a_byte: ("connect", "connect_timeout", {"tls"}),
    connect_after_a_slow_http_head: ("connect", "connect_timeout", {"ws"}),
    connect_in_a_slow_frame: ("connect", "connect_timeout", {"tls", "ws"}),
    pings_and_empty_fragments_and_no_connect: ("connect", "connect_timeout", {"tls", "ws"}),
}


def is_closed(raw, parts):
    """Send the parts slowly. Return whether the router closed the connection in time."""
    end = time.monotonic() + LIMIT_S
    send = getattr(raw, "send_raw", raw.send)
    try:
        for part in parts:
            send(part)
            time.sleep(PAUSE_S)
            if time.monotonic() > end:
                break
        return False
    except OSError:
        return True
    finally:
        raw.close()


def test_slow_bytes_do_not_extend_the_deadline_of_a_stage(
        start_router, recording_node, certificates):
    node = recording_node()
    made = one_cluster({"n": node.port})
    made["timeouts"] = {f"{stage}_ms": DEADLINE_MS for stage in (
        "proxy_header", "tls_handshake", "websocket_upgrade", "connect_packet")}
    for begin, (_, _, layers) in ROWS.items():
        keys = {"websocket": {}} if "ws" in layers else {}
        if "proxy" in layers:
            keys.update(accept_proxy_protocol=True, trusted_proxies="127.0.0.0/8")
        add_listener(made, begin.__name__, certificates if "tls" in layers else None, **keys)
    router = start_router(made)
    tls = mqtt.tls_context(certificates)
    with concurrent.futures.ThreadPoolExecutor(len(ROWS)) as pool:
        cut = {begin.__name__: pool.submit(
            lambda b: is_closed(*b(router.ports[b.__name__], tls)), begin) for begin in ROWS}
    assert {name: future.result() for name, future in cut.items()} == dict.fromkeys(cut, True)
    for begin, (stage, reason, _) in ROWS.items():
        end = router.session_end(listener=begin.__name__)
        assert end["reason"] == reason, end
        # A stage has its full deadline, however long earlier stages took, and bytes do not extend
        # it.
        assert DEADLINE_MS - EARLY_MS <= end[f"ms_{stage}"] < WAIT_LIMIT_S * 1000, end
    assert len(router.find("session.end")) == len(ROWS)
    assert not node.records


def test_slow_bytes_do_not_extend_farewell_ms_after_a_refusal(
        start_router, recording_node):
    made = one_cluster({"n": recording_node().port})
    made["timeouts"] = {"farewell_ms": 500}
    router = start_router(made)
    raw = mqtt.Device(router.port)
    raw.send(bytes.fromhex("101000044d5154540902003c0004646576"))  # protocol level 9
    assert raw.packet()[0] == mqtt.CONNACK
    assert is_closed(raw, [b"\0"] * 1000)
    end = router.session_end(reason="connect_refused")
    assert 500 - EARLY_MS <= end["ms_farewell"] < WAIT_LIMIT_S * 1000, end
