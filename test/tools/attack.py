#!/usr/bin/python3
"""
attack.py - attack a router, and measure the effect on the router and on a normal device.

    attack.py [--seconds 8] [--count 9000] [--limits JSON] [--json FILE] [--list] [NAME...]

The environment variable ROUTER names the router; each attack starts a new one. Without a NAME all
attacks run. Prints for each: the time from SYN to CONNACK of a normal device over TLS, before and
during the attack, and what the attack cost the router. --limits sets "limits" in the
configuration. Exits 1 if a router died or did not return to idle.
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
from hostile import Behavior, Crowd  # noqa: E402  pylint: disable=wrong-import-position
from nodes import Mosquitto  # noqa: E402  pylint: disable=wrong-import-position

HERE = "127.0.0.66"  # source address of the attackers, unless the attack uses many
IDLE_S = 2  # measured before and after the attack
PROBES_MIN = 30
PROBE_EVERY_S = 0.05  # the same rate without an attack, because an idle system is slower
TICKS = os.sysconf("SC_CLK_TCK")

# -- the test environment -------------------------------------------------------------------------


class Testbed:
    """A router with one listener of each kind, a node, and a normal device whose latency is measured.

    count   connections of attacks that only hold connections
    """

    def __init__(self, certificates, count, limits=None, start_router=harness.Router):
        self.count = count
        self.extras = []  # everything else to close
        self.hang_after_s = None
        self.tls = mqtt.tls_context(certificates)
        self.node, self.other = Mosquitto(), Mosquitto("other")  # used only by attackers
        config = harness.one_cluster({"n": self.node.port}, certificates, proxy_protocol="none")
        config["clusters"].append({"name": "other", "proxy_protocol": "none", "nodes": [
            {"name": "other", "address": self.other.address}]})
        harness.add_listener(config, "other", cluster="other")
        config["log"]["level"] = "info"
        config["timeouts"] = {"half_closed_ms": 5000}  # "other" may hang with unread data
        harness.add_listener(config, "ws", websocket={})
        harness.add_listener(config, "proxied", accept_proxy_protocol=True,
                         trusted_proxies="127.0.0.0/8")
        if limits:
            config["limits"] = limits
        self.n_probes = 0
        try:
            self.router = start_router(config)
        except BaseException:
            self.close()
            raise

    def behavior(self, listener, *says, **how):
        return Behavior(self.router.ports[listener], says,
                     **{"count": self.count, "sources": [HERE], **how})

    def ws_session(self):
        return websocket.upgrade(KEY), websocket.frame(mqtt.connect("", keep_alive_s=600))

    def leave_descriptors(self, count):
        most = self.router.descriptors() + count
        _, hard = resource.prlimit(self.router.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(self.router.pid, resource.RLIMIT_NOFILE, (most, hard))

    def probe(self):
        """Return milliseconds from SYN to CONNACK of a normal device over TLS; None: no CONNACK."""
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
        """Stop everything except the router."""
        for thing in (*self.extras, self.node, self.other):
            thing.close()


class Meter:
    """Measures what the router has used since the start, and the maximum of each sampled value."""

    def __init__(self, router):
        self.router = router
        self.began_at = time.monotonic()
        self.cpu_s, self.n_lines = self._cpu_s(), self._lines()
        self.gauges = router.gauges()
        self.rss_mib = self.rss_before_mib = self.rss_mib_now()
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

    def sample(self):
        self.rss_mib = max(self.rss_mib, self.rss_mib_now())
        self.descriptors = max(self.descriptors, self.router.descriptors())

    def end(self):
        self.sample()
        took_s = time.monotonic() - self.began_at
        return {"seconds": round(took_s, 1), "cpu_s": round(self._cpu_s() - self.cpu_s, 2),
                "rss_mib": [round(self.rss_before_mib), round(self.rss_mib)],
                "descriptors": self.descriptors,
                "log_lines_per_s": round((self._lines() - self.n_lines) / took_s)}


def spread(times):
    good = sorted(t for t in times if t is not None)
    if not good:
        return {"probes": len(times), "failed": len(times)}
    return {"probes": len(times), "failed": len(times) - len(good),
            "median_ms": round(statistics.median(good), 2),
            "p90_ms": round(good[int(len(good) * 0.9)], 2)}


def probe_for(testbed, seconds, meter=None):
    """Run normal devices one after another, for this time and until PROBES_MIN have run."""
    times, end = [], time.monotonic() + seconds
    while testbed.router.process.poll() is None:
        if (now := time.monotonic()) > end and (len(times) >= PROBES_MIN or now > end + 20):
            break
        due = time.monotonic() + PROBE_EVERY_S
        times.append(testbed.probe())
        if meter:
            meter.sample()
        time.sleep(max(0, due - time.monotonic()))
    return spread(times)


def totals(before, after):
    """Return the counters that changed, with their differences."""
    return {k.removesuffix("_total"): after[k] - before[k] for k in after
            if k.endswith("_total") and k in before and after[k] != before[k]}


def run(name, certificates, seconds, count, limits):
    """Run one attack. Return the results as a dictionary."""
    testbed = Testbed(certificates, count, limits)
    crowd, router = None, testbed.router
    result = {"attack": name}
    try:
        probe_for(testbed, 0)  # warm-up
        result["idle"] = probe_for(testbed, IDLE_S)
        ends_before = len(router.find("session.end"))
        behaviors = ATTACKS[name](testbed)
        meter = Meter(router)
        crowd = Crowd(behaviors)
        if testbed.hang_after_s is not None:
            time.sleep(testbed.hang_after_s)
            testbed.other.hang()
        result["attacked"] = probe_for(testbed, seconds, meter)
        result.update(meter.end())
        result["crowd"] = crowd.counters()
        result["counted"] = totals(meter.gauges, router.gauges())
        crowd.close()
        testbed.other.resume()
        for thing in testbed.extras:
            thing.close()
        result["lives"] = router.process.poll() is None
        router.wait_idle()
        result["reasons"] = dict(collections.Counter(
            e["reason"] for e in router.find("session.end")[ends_before:]))
        result["warned"] = dict(collections.Counter(
            e["event"] for e in router.events if e["level"] == "warn"))
        result["after"] = probe_for(testbed, IDLE_S)
        result["rss_mib"].append(round(meter.rss_mib_now()))
        router.stop()
        result["clean"] = True
    except (AssertionError, OSError) as failure:
        result.update(clean=False, failure=str(failure)[:500], lives=router.process.poll() is None)
    finally:
        if crowd:
            crowd.close()
        testbed.close()
        router.kill()
        router.log_file.close()
        router.directory.cleanup()
    idle, attacked = (result.get(k, {}).get("median_ms") for k in ("idle", "attacked"))
    result["ratio"] = round(attacked / idle, 2) if idle and attacked else None
    return result


def print_result(result):
    print(f"{result['attack']}: {ATTACKS[result['attack']].__doc__}")
    for key, value in result.items():
        if key != "attack":
            print(f"    {key:16} {value if isinstance(value, str) else json.dumps(value)}")
    sys.stdout.flush()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--seconds", type=float, default=8)
    parser.add_argument("--count", type=int, default=9000, help="connections of attacks that only hold connections")
    parser.add_argument("--limits", type=json.loads)
    parser.add_argument("--json", type=pathlib.Path, help="append one line for each attack")
    arguments = parser.parse_args()
    if unknown := set(arguments.names) - set(ATTACKS):
        parser.error(f"no such attack: {', '.join(sorted(unknown))}")
    if arguments.list:
        for name, function in ATTACKS.items():
            print(f"{name:18} {function.__doc__}")
        return 0
    harness.raise_open_files()
    all_clean = True
    with tempfile.TemporaryDirectory(prefix="mqtt-router-attack-") as directory:
        harness.make_certificates(directory)
        for name in arguments.names or ATTACKS:
            result = run(name, pathlib.Path(directory), arguments.seconds, arguments.count,
                       arguments.limits)
            print_result(result)
            all_clean = all_clean and result["clean"]
            if arguments.json:
                with arguments.json.open("a") as file:
                    file.write(json.dumps(result) + "\n")
    return 0 if all_clean else 1


if __name__ == "__main__":
    sys.exit(main())
