"""What somebody hostile can do to a router: each attack is a function of the ground it happens on.

It returns habits for a crowd; ground.more is for what is no habit. test/tools/attack.py runs them.
"""

import os
import subprocess
import threading
import time

import mqtt
import websocket
from hostile import Crowd, Habit, client_hello, half
from proxy_sender import v2

KEY = "AAAAAAAAAAAAAAAAAAAAAA=="
ATTACKS = {}


def attack(function):
    ATTACKS[function.__name__.replace("_", "-")] = function
    return function


@attack
def silent(ground):
    """TCP to the TLS door, and not a byte."""
    return [ground.habit("mqtts")]


@attack
def half_hello(ground):
    """Half a ClientHello."""
    return [ground.habit("mqtts", half(client_hello()))]


@attack
def hello(ground):
    """A whole ClientHello, and the router's flight is never answered."""
    return [ground.habit("mqtts", client_hello())]


@attack
def big_hello(ground):
    """Nine bytes: a ClientHello that says it has 128 KiB."""
    return [ground.habit("mqtts", bytes.fromhex("160301000401") + (0x1ff00).to_bytes(3, "big"))]


@attack
def half_http(ground):
    """Half an HTTP head."""
    return [ground.habit("ws", half(websocket.upgrade(KEY)))]


@attack
def half_connect(ground):
    """Half a CONNECT."""
    return [ground.habit("mqtt", half(mqtt.connect("half")))]


@attack
def half_proxy(ground):
    """Half a PROXY header, of version 1 and of version 2."""
    return [ground.habit("proxied", half(data), count=ground.count // 2)
            for data in (b"PROXY TCP4 198.51.100.7 203.0.113.9 40000 1883\r\n", v2())]


@attack
def mixed(ground):
    """A fifth each: TCP alone, half a ClientHello, HTTP head, CONNECT, PROXY header."""
    return [ground.habit(door, *says, count=ground.count // 5, per_s=800) for door, *says in (
        ("mqtts",), ("mqtts", half(client_hello())), ("proxied", half(v2())),
        ("ws", half(websocket.upgrade(KEY))),
        ("mqtt", half(mqtt.connect("half"))))]


@attack
def dribble(ground):
    """A byte a second, at every stage; who is cut comes back."""
    return [ground.habit(door, data, count=ground.count // 6, drip_s=1, returns=True, per_s=700)
            for door, data in (("mqtts", client_hello()), ("proxied", v2()),
                               ("ws", websocket.upgrade(KEY)),
                               ("mqtt", mqtt.connect("dribble-" + "x" * 60)))]


@attack
def reset_flood(ground):
    """2,000 a second connect to the TLS door and reset."""
    return [ground.habit("mqtts", count=500, per_s=2000, returns=True, stays_s=0)]


@attack
def garbage_flood(ground):
    """1,000 a second say random bytes to the TLS door."""
    return [ground.habit("mqtts", os.urandom(300), count=500, per_s=1000, returns=True)]


@attack
def hello_flood(ground):
    """1,000 a second say ClientHello, let the router compute its answer, and reset."""
    return [ground.habit("mqtts", client_hello(), count=2000, per_s=1000, returns=True,
                         stays_s=0.5)]


@attack
def hello_storm(ground):
    """The same, 10,000 a second: more than the router can compute."""
    return [ground.habit("mqtts", client_hello(), count=4000, per_s=10_000, returns=True,
                         stays_s=0.5)]


@attack
def refused_connects(ground):
    """1,500 CONNECTs a second of a protocol level that does not exist."""
    return [ground.habit("mqtt", bytes.fromhex("101000044d5154540902003c0004646576"), count=500,
                         per_s=1500, returns=True)]


@attack
def big_connects(ground):
    """3,000 CONNECTs of 64 KiB, each but for its last byte."""
    return [ground.habit("mqtt", mqtt.connect("big", username="u", password="x" * 65_000)[:-1], count=3000,
                         per_s=1000)]


@attack
def slow_readers(ground):
    """Subscribers of a busy topic that never read."""
    ground.more += [Crowd([Habit(ground.other.port, (mqtt.connect("busy"),), flood_s=0.05,
                                floods=mqtt.publish("busy", bytes(100_000)))])]
    return [ground.habit("other", mqtt.connect(f"slow-{i}", keep_alive_s=600),
                         mqtt.subscribe("busy"), count=1, reads=False) for i in range(40)]


@attack
def slow_node(ground):
    """Devices publish to a node that hangs: what waits for it."""
    ground.hang_after_s = 1
    return [ground.habit("other", mqtt.connect(f"eager-{i}", keep_alive_s=600),
                         count=1, floods=mqtt.publish("x", bytes(16_000)), flood_s=0.1) for i in range(300)]


@attack
def connect_flood(ground):
    """500 good CONNECTs a second, each of another device, which resets when it is answered."""
    return [ground.habit("mqtt", mqtt.connect(""), per_s=500, count=100, returns=True,
                         stays_s=0.05)]


@attack
def flapping(ground):
    """One device with bad firmware: ten sessions a second."""
    return [ground.habit("mqtt", mqtt.connect("flapping"), per_s=10, count=10, returns=True,
                         stays_s=0.05)]


@attack
def flapping_flood(ground):
    """300 such devices."""
    return [ground.habit("mqtt", mqtt.connect(f"flapping-{i}"), per_s=10, count=1, returns=True,
                         stays_s=0.05) for i in range(300)]


@attack
def takeover(ground):
    """Two sources have one client identifier and take it from each other, at once each time."""
    return [ground.habit("mqtt", mqtt.connect("contested"), per_s=100, returns=True, count=1,
                         sources=(source,)) for source in ("127.0.0.2", "127.0.0.3")]


@attack
def one_source(ground):
    """One address opens sessions, as many as it gets."""
    return [ground.habit("mqtt", mqtt.connect(""), per_s=1000, count=ground.count)]


@attack
def many_sources(ground):
    """4,000 addresses with two silent connections each."""
    return [ground.habit("mqtts", sources=[f"127.9.{i >> 8}.{i & 255}" for i in range(1, 4001)],
                         count=min(8000, ground.count))]


@attack
def descriptors(ground):
    """The router has 200 descriptors left, and 2,000 want in; who is cut comes back."""
    ground.leave_descriptors(200)
    return [ground.habit("mqtts", count=2000, returns=True, per_s=1000)]


@attack
def renegotiation(ground):
    """TLS 1.2 clients that ask for renegotiation, again and again."""
    ground.more += [OpenSsl(ground.router.tls_port, "R", "-tls1_2") for _ in range(10)]
    return []


@attack
def key_updates(ground):
    """TLS 1.3 clients that ask for new keys, and answer with them, again and again."""
    ground.more += [OpenSsl(ground.router.tls_port, "K", "-tls1_3") for _ in range(10)]
    return []


@attack
def ping_flood(ground):
    """WebSocket pings as fast as they are taken, and the pongs are not read."""
    return [ground.habit("ws", *ground.ws_session(), reads=False,
                         floods=websocket.frame(b"x" * 125, websocket.PING) * 100, flood_s=0.02,
                         count=20)]


@attack
def fragments(ground):
    """WebSocket messages of no end of fragments with nothing in them."""
    upgrade, connect = ground.ws_session()
    return [ground.habit("ws", upgrade, connect + websocket.frame(b"", fin=False), count=20,
                         flood_s=0.02,
                         floods=websocket.frame(b"", websocket.CONTINUATION, fin=False) * 1000)]


@attack
def huge_frames(ground):
    """WebSocket frames that say they have 2^62 bytes, and send them: endless PINGREQs."""
    upgrade, connect = ground.ws_session()
    head = bytes.fromhex("82ff4000000000000000") + bytes.fromhex("c000c000")  # length, mask
    return [ground.habit("ws", upgrade, connect + head, floods=bytes(256), flood_s=0.02, count=20)]


@attack
def pipelined(ground):
    """No end of bytes behind a CONNECT that no node has answered."""
    ground.hang_after_s = 0
    return [ground.habit("other", mqtt.connect(""), floods=bytes.fromhex("c000") * 30_000,
                         count=500)]


class OpenSsl:
    """openssl s_client, which does something at each line with a letter: here 500 a second."""

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
            pass  # the router has ended it

    def close(self):
        self.process.kill()
        self.process.wait()
