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
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))
import harness  # noqa: E402  pylint: disable=wrong-import-position
import mqtt  # noqa: E402  pylint: disable=wrong-import-position
import websocket  # noqa: E402  pylint: disable=wrong-import-position
from attacks import ATTACKS, KEY  # noqa: E402  pylint: disable=wrong-import-position
from hostile import Crowd, Habit  # noqa: E402  pylint: disable=wrong-import-position
from nodes import Mosquitto  # noqa: E402  pylint: disable=wrong-import-position

HERE = "127.0.0.66"  # where the hostile come from, unless they come from everywhere
PEACE_S = 2  # before and after
PROBES_MIN = 30
PROBE_EVERY_S = 0.05  # at the same pace in peace and war: a sleepy system is slower
TICKS = os.sysconf("SC_CLK_TCK")

# -- the ground they happen on --------------------------------------------------------------------


class Ground:
    """A router with a door of each kind, its node, and a normal device to be timed.

    count   how many connections those who only hold a place have
    """

    def __init__(self, certificates, count, limits=None, start_router=harness.Router):
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
        config["timeouts"] = {"half_closed_ms": 5000}  # "other" may hang with what it is to read
        harness.add_door(config, "ws", websocket={})
        harness.add_door(config, "proxied", accept_proxy_protocol=True,
                         trusted_proxies="127.0.0.0/8")
        if limits:
            config["limits"] = limits
        self.n_probes = 0
        try:
            self.router = start_router(config)
        except BaseException:
            self.close()
            raise

    def habit(self, door, *says, **how):
        return Habit(self.router.ports[door], says,
                     **{"count": self.count, "sources": [HERE], **how})

    def ws_session(self):
        return websocket.upgrade(KEY), websocket.frame(mqtt.connect("", keep_alive_s=600))

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
        """End everything but the router."""
        for thing in (*self.more, self.node, self.other):
            thing.close()


class Meter:
    """What the router has used since this was made, and the most it held when asked."""

    def __init__(self, router):
        self.router = router
        self.began_at = time.monotonic()
        self.cpu_s, self.n_lines = self._cpu_s(), self._lines()
        self.gauges = router.gauges()
        self.rss_mib = self.rss_at_first_mib = self.rss_mib_now()
        self.descriptors = router.descriptors()

    def _stat(self, name):
        return pathlib.Path(f"/proc/{self.router.pid}/{name}").read_text()

    def _cpu_s(self):
        fields = self._stat("stat").rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def rss_mib_now(self):
        return int(self._stat("statm").split()[1]) * resource.getpagesize() / (1 << 20)

    def _lines(self):
        return self.router.log_path.read_bytes().count(b"\n")

    def look(self):
        self.rss_mib = max(self.rss_mib, self.rss_mib_now())
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
    """Normal devices one after another, for so long, and until there are enough of them."""
    times, end = [], time.monotonic() + seconds
    while ground.router.process.poll() is None:
        if (now := time.monotonic()) > end and (len(times) >= PROBES_MIN or now > end + 20):
            break
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
        probe_for(ground, 0)  # a first round, for what is set up once
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
        told["warned"] = dict(collections.Counter(
            e["event"] for e in router.events if e["level"] == "warn"))
        told["after"] = probe_for(ground, PEACE_S)
        told["rss_mib"].append(round(meter.rss_mib_now()))
        router.stop()
        told["clean"] = True
    except (AssertionError, OSError) as broken:
        told.update(clean=False, broken=str(broken)[:500], lives=router.process.poll() is None)
    finally:
        if crowd:
            crowd.close()
        ground.close()
        router.kill()
        router.log_file.close()
        router.directory.cleanup()
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
