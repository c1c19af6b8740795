#!/usr/bin/python3
"""
attack.py - what a router does while somebody means it harm, and what a normal device sees of it.

    attack.py [--seconds 8] [--count 9000] [--limits JSON] [--json FILE] [--list] [NAME...]

The router is that of the environment's ROUTER, a new one for each attack; without a NAME all are
tried. Told of each: how long a normal device takes from its SYN to its CONNACK over TLS, before
and under attack, and what the attack cost the router. --limits stands as "limits" in the
configuration. Exits 1 when a router died or did not come back to rest.
"""
import argparse
import collections
import json
import os
import pathlib
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "e2e"))
import harness  # noqa: E402  pylint: disable=wrong-import-position
import mqtt  # noqa: E402  pylint: disable=wrong-import-position
import websocket  # noqa: E402  pylint: disable=wrong-import-position
from hostile import Crowd, Habit, client_hello, half  # noqa: E402  pylint: disable=wrong-import-position
from nodes import Mosquitto  # noqa: E402  pylint: disable=wrong-import-position
from proxy_sender import v2  # noqa: E402  pylint: disable=wrong-import-position

HERE = "127.0.0.66"  # where the hostile come from, unless they come from everywhere
PEACE_S = 2  # before and after
PROBE_EVERY_S = 0.05  # at the same pace in peace and war: a sleepy system is slower
TICKS = os.sysconf("SC_CLK_TCK")
ATTACKS = {}


def attack(function):
    ATTACKS[function.__name__.replace("_", "-")] = function
    return function


# -- the attacks: each says what the hostile do; ground.more is for what they are no Habit for ----


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
    return [ground.habit("ws", half(websocket.upgrade("AAAAAAAAAAAAAAAAAAAAAA==")))]


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
        ("ws", half(websocket.upgrade("AAAAAAAAAAAAAAAAAAAAAA=="))),
        ("mqtt", half(mqtt.connect("half"))))]


@attack
def dribble(ground):
    """A byte a second, at every stage; who is cut comes back."""
    return [ground.habit(door, data, count=ground.count // 6, drip_s=1, returns=True, per_s=700)
            for door, data in (("mqtts", client_hello()), ("proxied", v2()),
                               ("ws", websocket.upgrade("AAAAAAAAAAAAAAAAAAAAAA==")),
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
    ground.more = [Crowd([Habit(ground.other.port, (mqtt.connect("busy"),), flood_s=0.05,
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
    ground.more = [OpenSsl(ground.router.tls_port, "R", "-tls1_2") for _ in range(10)]
    return []


@attack
def key_updates(ground):
    """TLS 1.3 clients that ask for new keys, and answer with them, again and again."""
    ground.more = [OpenSsl(ground.router.tls_port, "K", "-tls1_3") for _ in range(10)]
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


# -- the ground they happen on --------------------------------------------------------------------


class Ground:
    """A router with a door of each kind, its node, and a normal device to be timed."""

    def __init__(self, certificates, count, limits):
        self.count = count
        self.more = []  # whatever else has a close()
        self.hang_after_s = None
        self.tls = mqtt.tls_context(certificates)
        self.node, self.other = Mosquitto(), Mosquitto("other")  # the other is the hostile's own
        config = harness.one_cluster({"n": self.node.port}, certificates, proxy_protocol="none")
        config["clusters"].append({"name": "other", "proxy_protocol": "none", "nodes": [
            {"name": "other", "address": self.other.address}]})
        harness.add_door(config, "other", cluster="other")
        config["log"]["level"] = "info"
        harness.add_door(config, "ws", websocket={})
        harness.add_door(config, "proxied", accept_proxy_protocol=True,
                         trusted_proxies="127.0.0.0/8")
        if limits:
            config["limits"] = limits
        self.n_probes = 0
        try:
            self.router = harness.Router(config)
        except BaseException:
            self.node.close()
            self.other.close()
            raise

    def habit(self, door, *says, **how):
        return Habit(self.router.ports[door], says,
                     **{"count": self.count, "sources": [HERE], **how})

    def ws_session(self):
        key = "AAAAAAAAAAAAAAAAAAAAAA=="
        return websocket.upgrade(key), websocket.frame(mqtt.connect("", keep_alive_s=600))

    def leave_descriptors(self, count):
        most = self.router.descriptors() + count
        _, hard = resource.prlimit(self.router.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(self.router.pid, resource.RLIMIT_NOFILE, (most, hard))

    def probe(self):
        """Milliseconds from a normal device's SYN to its CONNACK over TLS; None: it got none."""
        self.n_probes += 1
        began = time.monotonic()
        try:
            with mqtt.Device(self.router.tls_port, tls=self.tls) as device:
                code = device.connect(f"normal-{self.n_probes}")[1]
                took = time.monotonic() - began
                device.send(mqtt.DISCONNECT)
            return took * 1000 if code == 0 else None
        except (OSError, EOFError):
            return None

    def close(self):
        for thing in self.more:
            thing.close()
        self.node.close()
        self.other.close()
        self.router.kill()
        self.router.log_file.close()
        self.router.directory.cleanup()


class Meter:
    """What the router has used since this was made, and the most it held when asked."""

    def __init__(self, router):
        self.router = router
        self.began_at = time.monotonic()
        self.cpu_s, self.n_lines = self._cpu_s(), self._lines()
        self.gauges = router.gauges()
        self.rss_mib = self.rss_at_first_mib = self._rss_mib()
        self.descriptors = router.descriptors()

    def _stat(self, name):
        return pathlib.Path(f"/proc/{self.router.pid}/{name}").read_text()

    def _cpu_s(self):
        fields = self._stat("stat").rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def _rss_mib(self):
        return int(self._stat("statm").split()[1]) * resource.getpagesize() / (1 << 20)

    def _lines(self):
        return self.router.log_path.read_bytes().count(b"\n")

    def look(self):
        self.rss_mib = max(self.rss_mib, self._rss_mib())
        self.descriptors = max(self.descriptors, self.router.descriptors())

    def end(self):
        self.look()
        took_s = time.monotonic() - self.began_at
        return {"seconds": round(took_s, 1), "cpu_s": round(self._cpu_s() - self.cpu_s, 2),
                "rss_mib": [round(self.rss_at_first_mib), round(self.rss_mib)],
                "descriptors": self.descriptors,
                "log_lines_per_s": round((self._lines() - self.n_lines) / took_s)}


def spread(times):
    good = sorted(t for t in times if t is not None)
    if not good:
        return {"probes": len(times), "failed": len(times)}
    return {"probes": len(times), "failed": len(times) - len(good),
            "median_ms": round(statistics.median(good), 2),
            "p90_ms": round(good[int(len(good) * 0.9)], 2)}


def probe_for(ground, seconds, meter=None):
    """Normal devices one after another, for so long."""
    times, end = [], time.monotonic() + seconds
    while time.monotonic() < end and ground.router.process.poll() is None:
        due = time.monotonic() + PROBE_EVERY_S
        times.append(ground.probe())
        if meter:
            meter.look()
        time.sleep(max(0, due - time.monotonic()))
    return spread(times)


def totals(before, after):
    """What was counted in between, of the counters that moved."""
    return {k.removesuffix("_total"): after[k] - before[k] for k in after
            if k.endswith("_total") and k in before and after[k] != before[k]}


def run(name, certificates, seconds, count, limits):
    """One attack: what it did, as a dictionary."""
    ground = Ground(certificates, count, limits)
    crowd, router = None, ground.router
    told = {"attack": name}
    try:
        probe_for(ground, 0.5)  # a first round, for what is set up once
        told["idle"] = probe_for(ground, PEACE_S)
        ends_before = len(router.find("session.end"))
        habits = ATTACKS[name](ground)
        meter = Meter(router)
        crowd = Crowd(habits)
        if ground.hang_after_s is not None:
            time.sleep(ground.hang_after_s)
            ground.other.hang()
        told["attacked"] = probe_for(ground, seconds, meter)
        told.update(meter.end())
        told["crowd"] = crowd.tell()
        told["counted"] = totals(meter.gauges, router.gauges())
        crowd.close()
        ground.other.go_on()
        for thing in ground.more:
            thing.close()
        told["lives"] = router.process.poll() is None
        router.wait_idle()
        told["reasons"] = dict(collections.Counter(
            e["reason"] for e in router.find("session.end")[ends_before:]))
        told["after"] = probe_for(ground, PEACE_S)
        router.stop()
        told["clean"] = True
    except (AssertionError, OSError) as broken:
        told.update(clean=False, broken=str(broken)[:500], lives=router.process.poll() is None)
    finally:
        if crowd:
            crowd.close()
        ground.close()
    idle, attacked = (told.get(k, {}).get("median_ms") for k in ("idle", "attacked"))
    told["ratio"] = round(attacked / idle, 2) if idle and attacked else None
    return told


def say(told):
    print(f"{told['attack']}: {ATTACKS[told['attack']].__doc__}")
    for key, value in told.items():
        if key != "attack":
            print(f"    {key:16} {value if isinstance(value, str) else json.dumps(value)}")
    sys.stdout.flush()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--seconds", type=float, default=8)
    parser.add_argument("--count", type=int, default=9000, help="of those who only hold a place")
    parser.add_argument("--limits", type=json.loads)
    parser.add_argument("--json", type=pathlib.Path, help="a line for each attack, appended")
    arguments = parser.parse_args()
    if unknown := set(arguments.names) - set(ATTACKS):
        parser.error(f"no such attack: {', '.join(sorted(unknown))}")
    if arguments.list:
        for name, function in ATTACKS.items():
            print(f"{name:18} {function.__doc__}")
        return 0
    harness.raise_open_files()
    well = True
    with tempfile.TemporaryDirectory(prefix="mqtt-router-attack-") as directory:
        harness.make_certificates(directory)
        for name in arguments.names or ATTACKS:
            told = run(name, pathlib.Path(directory), arguments.seconds, arguments.count,
                       arguments.limits)
            say(told)
            well = well and told["clean"]
            if arguments.json:
                with arguments.json.open("a") as file:
                    file.write(json.dumps(told) + "\n")
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
