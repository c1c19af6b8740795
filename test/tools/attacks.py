"""Attacks on a router: each is a function of the testbed.

It returns behaviors for a Crowd; testbed.extras gets everything else. test/tools/attack.py runs them.
"""

import os
import subprocess
import threading
import time

import mqtt
import websocket
from hostile import Behavior, Crowd, client_hello, half
from proxy_sender import v2

KEY = "AAAAAAAAAAAAAAAAAAAAAA=="
ATTACKS = {}


def attack(function):
    ATTACKS[function.__name__.replace("_", "-")] = function
    return function


@attack
def silent(testbed):
    """TCP connections to the TLS listener that send nothing."""
    return [testbed.behavior("mqtts")]


@attack
def half_hello(testbed):
    """Half a ClientHello."""
    return [testbed.behavior("mqtts", half(client_hello()))]


@attack
def hello(testbed):
    """Complete ClientHellos from clients that never answer the router's flight."""
    return [testbed.behavior("mqtts", client_hello())]


@attack
def big_hello(testbed):
    """Nine bytes: a ClientHello that announces 128 KiB."""
    return [testbed.behavior("mqtts", bytes.fromhex("160301000401") + (0x1ff00).to_bytes(3, "big"))]


@attack
def half_http(testbed):
    """Half an HTTP head."""
    return [testbed.behavior("ws", half(websocket.upgrade(KEY)))]


@attack
def half_connect(testbed):
    """Half a CONNECT."""
    return [testbed.behavior("mqtt", half(mqtt.connect("half")))]


@attack
def half_proxy(testbed):
    """Half a PROXY header, of version 1 and of version 2."""
    return [testbed.behavior("proxied", half(data), count=testbed.count // 2)
            for data in (b"PROXY TCP4 198.51.100.7 203.0.113.9 40000 1883\r\n", v2())]


@attack
def mixed(testbed):
    """Five equal groups: only TCP, half a ClientHello, half an HTTP head, half a CONNECT, half a PROXY header."""
    return [testbed.behavior(listener, *says, count=testbed.count // 5, per_s=800) for listener, *says in (
        ("mqtts",), ("mqtts", half(client_hello())), ("proxied", half(v2())),
        ("ws", half(websocket.upgrade(KEY))),
        ("mqtt", half(mqtt.connect("half"))))]


@attack
def dribble(testbed):
    """One byte per second, at every stage; a closed client reconnects."""
    return [testbed.behavior(listener, data, count=testbed.count // 6, drip_s=1, reconnects=True, per_s=700)
            for listener, data in (("mqtts", client_hello()), ("proxied", v2()),
                               ("ws", websocket.upgrade(KEY)),
                               ("mqtt", mqtt.connect("dribble-" + "x" * 60)))]


@attack
def reset_flood(testbed):
    """2,000 clients per second connect to the TLS listener and reset."""
    return [testbed.behavior("mqtts", count=500, per_s=2000, reconnects=True, resets_after_s=0)]


@attack
def garbage_flood(testbed):
    """1,000 clients per second send random bytes to the TLS listener."""
    return [testbed.behavior("mqtts", os.urandom(300), count=500, per_s=1000, reconnects=True)]


@attack
def hello_flood(testbed):
    """1,000 clients per second send a ClientHello, wait for the router's answer, and reset."""
    return [testbed.behavior("mqtts", client_hello(), count=2000, per_s=1000, reconnects=True,
                         resets_after_s=0.5)]


@attack
def hello_storm(testbed):
    """10,000 such clients per second, more than the router can compute."""
    return [testbed.behavior("mqtts", client_hello(), count=4000, per_s=10_000, reconnects=True,
                         resets_after_s=0.5)]


@attack
def refused_connects(testbed):
    """1,500 CONNECTs per second with a protocol level that does not exist."""
    return [testbed.behavior("mqtt", bytes.fromhex("101000044d5154540902003c0004646576"), count=500,
                         per_s=1500, reconnects=True)]


@attack
def big_connects(testbed):
    """3,000 CONNECTs of 64 KiB without their last byte."""
    return [testbed.behavior("mqtt", mqtt.connect("big", username="u", password="x" * 65_000)[:-1], count=3000,
                         per_s=1000)]


@attack
def slow_readers(testbed):
    """Subscribers of a busy topic that do not read."""
    testbed.extras += [Crowd([Behavior(testbed.other.port, (mqtt.connect("busy"),), flood_s=0.05,
                                floods=mqtt.publish("busy", bytes(100_000)))])]
    return [testbed.behavior("other", mqtt.connect(f"slow-{i}", keep_alive_s=600),
                         mqtt.subscribe("busy"), count=1, reads=False) for i in range(40)]


@attack
def slow_node(testbed):
    """Devices publish to a node that hangs."""
    testbed.hang_after_s = 1
    return [testbed.behavior("other", mqtt.connect(f"eager-{i}", keep_alive_s=600),
                         count=1, floods=mqtt.publish("x", bytes(16_000)), flood_s=0.1) for i in range(300)]


@attack
def connect_flood(testbed):
    """500 valid CONNECTs per second, each from a new device, which resets after its CONNACK."""
    return [testbed.behavior("mqtt", mqtt.connect(""), per_s=500, count=100, reconnects=True,
                         resets_after_s=0.05)]


@attack
def flapping(testbed):
    """One device with a firmware bug: ten sessions per second."""
    return [testbed.behavior("mqtt", mqtt.connect("flapping"), per_s=10, count=10, reconnects=True,
                         resets_after_s=0.05)]


@attack
def flapping_flood(testbed):
    """300 such devices."""
    return [testbed.behavior("mqtt", mqtt.connect(f"flapping-{i}"), per_s=10, count=1, reconnects=True,
                         resets_after_s=0.05) for i in range(300)]


@attack
def takeover(testbed):
    """Two sources with one client identifier take over each other's session immediately."""
    return [testbed.behavior("mqtt", mqtt.connect("contested"), per_s=100, reconnects=True, count=1,
                         sources=(source,)) for source in ("127.0.0.2", "127.0.0.3")]


@attack
def one_source(testbed):
    """One address opens as many sessions as possible."""
    return [testbed.behavior("mqtt", mqtt.connect(""), per_s=1000, count=testbed.count)]


@attack
def many_sources(testbed):
    """4,000 addresses with two silent connections each."""
    return [testbed.behavior("mqtts", sources=[f"127.9.{i >> 8}.{i & 255}" for i in range(1, 4001)],
                         count=min(8000, testbed.count))]


@attack
def descriptors(testbed):
    """The router has 200 free descriptors and gets 2,000 connections; a closed client reconnects."""
    testbed.leave_descriptors(200)
    return [testbed.behavior("mqtts", count=2000, reconnects=True, per_s=1000)]


@attack
def renegotiation(testbed):
    """TLS 1.2 clients that request renegotiation repeatedly."""
    testbed.extras += [OpenSsl(testbed.router.tls_port, "R", "-tls1_2") for _ in range(10)]
    return []


@attack
def key_updates(testbed):
    """TLS 1.3 clients that send and request key updates repeatedly."""
    testbed.extras += [OpenSsl(testbed.router.tls_port, "K", "-tls1_3") for _ in range(10)]
    return []


@attack
def ping_flood(testbed):
    """WebSocket pings as fast as the router reads them; the pongs are not read."""
    return [testbed.behavior("ws", *testbed.ws_session(), reads=False,
                         floods=websocket.frame(b"x" * 125, websocket.PING) * 100, flood_s=0.02,
                         count=20)]


@attack
def fragments(testbed):
    """WebSocket messages with an endless number of empty fragments."""
    upgrade, connect = testbed.ws_session()
    return [testbed.behavior("ws", upgrade, connect + websocket.frame(b"", fin=False), count=20,
                         flood_s=0.02,
                         floods=websocket.frame(b"", websocket.CONTINUATION, fin=False) * 1000)]


@attack
def huge_frames(testbed):
    """WebSocket frames that announce 2^62 bytes and contain endless PINGREQs."""
    upgrade, connect = testbed.ws_session()
    head = bytes.fromhex("82ff4000000000000000") + bytes.fromhex("c000c000")  # length, mask
    return [testbed.behavior("ws", upgrade, connect + head, floods=bytes(256), flood_s=0.02, count=20)]


@attack
def pipelined(testbed):
    """Endless bytes after a CONNECT that no node has answered."""
    testbed.hang_after_s = 0
    return [testbed.behavior("other", mqtt.connect(""), floods=bytes.fromhex("c000") * 30_000,
                         count=500)]


class OpenSsl:
    """openssl s_client, which performs an action for each line with a letter: here 500 per second."""

    def __init__(self, port, letter, *arguments):
        self.process = subprocess.Popen(
            ["openssl", "s_client", *arguments, "-connect", f"127.0.0.1:{port}"],
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.letter = letter.encode() + b"\n"
        threading.Thread(target=self._write, daemon=True).start()

    def _write(self):
        try:
            while self.process.poll() is None:
                self.process.stdin.write(self.letter)
                self.process.stdin.flush()
                time.sleep(0.002)
        except OSError:
            pass  # closed by the router

    def close(self):
        self.process.kill()
        self.process.wait()
