#!/usr/bin/python3
"""
chaos.py - kill, stop and continue nodes, reload and change DNS at random, while devices keep
reconnecting.

    chaos.py [--seconds 300] [--devices 2000] [--seed N] [--quiet]

The environment variable ROUTER names the router, ROUTER_BUILD its build (release, asan, tsan).
Invariants: no device waits longer than the sum of the deadlines; at the end all devices are at
home, all gauges return to zero and no descriptor leaks; the process never dies and no sanitizer
reports anything. Exits 1 if an invariant is broken; the same seed repeats the same actions.
"""
import argparse
import collections
import copy
import pathlib
import random
import signal
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))
import harness  # noqa: E402  pylint: disable=wrong-import-position
from dns_server import DnsServer  # noqa: E402  pylint: disable=wrong-import-position
from fleet import Fleet  # noqa: E402  pylint: disable=wrong-import-position
from nodes import Mosquitto  # noqa: E402  pylint: disable=wrong-import-position

NODES = 4
NAME = "mqtt.chaos.test"
# If the accept queue is full, the SYN is retransmitted after a second; the node is not down.
TIMEOUTS = {"dial_ms": 1500, "connack_ms": 1000, "placement_ms": 3000, "farewell_ms": 500}
# The last attempt can begin shortly before placement_ms has passed, and then has its own deadlines.
DEADLINES_S = sum(TIMEOUTS.values()) / 1000
SLACK_S = harness.WAIT_LIMIT_S / 2  # tolerance for a slow machine and for pauses of this program
CHECK = {**harness.FAST_CHECK, "type": "mqtt", "interval_ms": 1000}


class Chaos:
    """A router with two clusters of the same nodes, one configured and one discovered by DNS."""

    def __init__(self, start_router, devices, seed, log=lambda text: None):
        self.random = random.Random(seed)
        self.log = log
        self.counts = collections.Counter()
        self.healthy, self.killed, self.hung = set(range(NODES)), set(), set()
        self.dns_hangs = False
        self.resources = []
        port = harness.free_port()
        self.nodes = [Mosquitto(f"n{i}", port=port, host=f"127.0.0.{11 + i}")
                      for i in range(NODES)]
        self.resources += self.nodes
        try:
            self.dns = DnsServer({NAME: [node.host for node in self.nodes]})
            self.resources.append(self.dns)
            self.base = self._config(port)
            self.router = start_router(self.base)
            self.fleets = [Fleet(self.router.ports[listener],
                                 [f"{listener}-{i}" for i in range(devices // 2)],
                                 version=version, clean=lambda i: i % 3 > 0, pause_s=0.5)
                           for listener, version in (("mqtt", 4), ("found", 5))]
            self.resources += self.fleets
            for fleet in self.fleets:
                fleet.connect_all()
            self.descriptors = self._idle_descriptors()
        except BaseException:
            self.close()
            raise

    def _config(self, port):
        nodes = {node.name: f"{node.host}:{port}" for node in self.nodes}
        keys = {"proxy_protocol": "none", "health_check": CHECK, "close_rate_per_s": 1000,
                "drain_rate_per_s": 1000, "passive": {"eject_ms": 2000},
                "homecoming": {"after_ms": 1000, "rate_per_s": 200}}
        made = harness.one_cluster(nodes, **keys)
        made["clusters"].append({
            "name": "found", **copy.deepcopy(keys),
            "discovery": {"type": "dns", "name": NAME, "port": port, "record": "a",
                          "refresh_ms": 1000, "resolver": f"127.0.0.1:{self.dns.port}"}})
        harness.add_listener(made, "found", cluster="found")
        made["timeouts"] = dict(TIMEOUTS)
        made["log"]["level"] = "info"
        # The devices reconnect more often here than the default limit allows.
        made["limits"] = {"flapping": {"max_connects": 1000}}
        return made

    def _idle_descriptors(self):
        """Return the number of descriptors other than the two of each session. It varies because of checks."""
        sessions = self.router.gauges()["sessions"]
        return self.router.descriptors() - 2 * sessions

    # -- actions ------------------------------------------------------------------------

    def kill(self):
        if len(self.healthy) > 1:
            i = self._move(self.healthy, self.killed)
            self.nodes[i].kill()
            return self.nodes[i].name

    def start(self):
        if self.killed:
            i = self._move(self.killed, self.healthy)
            self.nodes[i].begin()
            return self.nodes[i].name

    def hang(self):
        if len(self.healthy) > 1:
            i = self._move(self.healthy, self.hung)
            self.nodes[i].hang()
            return self.nodes[i].name

    def resume(self):
        if self.hung:
            i = self._move(self.hung, self.healthy)
            self.nodes[i].resume()
            return self.nodes[i].name

    def _move(self, from_set, to_set):
        i = self.random.choice(sorted(from_set))
        from_set.remove(i)
        to_set.add(i)
        return i

    def reload(self):
        made = copy.deepcopy(self.base)
        nodes = made["clusters"][0]["nodes"]
        what = self.random.choice(("base", "weights", "fewer", "drain", "listener", "keep", "broken"))
        one = self.random.choice(nodes)
        if what == "weights":
            one["weight"] = self.random.randrange(5)
        elif what == "fewer":
            nodes.remove(one)
        elif what == "drain":
            one["state"] = self.random.choice(("draining", "down"))
        elif what == "listener":
            harness.add_listener(made, "third")
        elif what == "keep":
            for cluster in made["clusters"]:
                cluster["on_node_down"] = "keep"
        elif what == "broken":
            made["clusters"][0]["nodes"] = []
        self._reload(made, "reload.failed" if what == "broken" else "reload.done")
        return what

    def _reload(self, made, event):
        before = len(self.router.find(event))
        harness.write_config(made, self.router.directory.name)
        self.router.process.send_signal(signal.SIGHUP)
        self._run_until(lambda: len(self.router.find(event)) > before, event)

    def resolve(self):
        if self.dns_hangs:
            return None
        some = self.random.sample(self.nodes, self.random.randint(1, NODES))
        self.dns.set({NAME: [node.host for node in some]})
        return " ".join(sorted(node.name for node in some))

    def dns_stop_or_resume(self):
        (self.dns.resume if self.dns_hangs else self.dns.hang)()
        self.dns_hangs = not self.dns_hangs
        return "hangs" if self.dns_hangs else "resumes"

    def reconnect(self):
        fleet = self.random.choice(self.fleets)
        some = self.random.sample(fleet.devices, max(1, len(fleet.devices) // 10))
        fleet.reconnect([d for d in some if d.state == "up"])
        return f"{len(some)} devices"

    # -- the run --------------------------------------------------------------------------

    def _turn(self):
        for fleet in self.fleets:
            fleet.turn(0.002)

    def _run_until(self, until, what, timeout_s=6 * harness.WAIT_LIMIT_S):
        deadline = time.monotonic() + timeout_s
        while not until():
            self._turn()
            assert time.monotonic() < deadline, (
                f"waited {timeout_s} s for {what}; " + "; ".join(map(str, self.fleets)))

    def _check_invariants(self):
        assert self.router.process.poll() is None, "the router has exited"
        longest = max(fleet.longest_s for fleet in self.fleets)
        assert longest < DEADLINES_S + SLACK_S, f"a device waited {longest:.1f} s"

    def run(self, seconds):
        actions = (self.kill, self.start, self.start, self.hang, self.resume, self.resume, self.reload,
                 self.resolve, self.dns_stop_or_resume, self.reconnect, self.reconnect)
        started = time.monotonic()
        while (now := time.monotonic() - started) < seconds:
            action = self.random.choice(actions)
            what = action()
            if what is not None:
                self.counts[action.__name__] += 1
                self.log(f"{now:7.2f} {action.__name__} {what}")
            until = time.monotonic() + 0.8 * self.random.random()
            self._run_until(lambda: time.monotonic() >= until, "time to pass")  # noqa: B023
            self._check_invariants()

    def settle(self):
        """Repair everything, wait until all devices have a session at home, then disconnect them."""
        for i in sorted(self.killed):
            self.nodes[i].begin()
        for i in sorted(self.hung):
            self.nodes[i].resume()
        if self.dns_hangs:
            self.dns.resume()
        self.dns.set({NAME: [node.host for node in self.nodes]})
        for fleet in self.fleets:
            fleet.max_pending = 50  # more devices would fill the accept queues, which counts as node failures
        self._reload(self.base, "reload.done")
        self._run_until(lambda: all(fleet.all_connected for fleet in self.fleets), "all devices to have a session")
        # Homecoming and closing take some time. At the end, no session is off-home.
        self._run_until(self._all_home, "all sessions to be at home")
        self._check_invariants()
        self._run_until(lambda: self._idle_descriptors() <= self.descriptors + 2 * NODES,
                   "the descriptors to be closed")
        for fleet in self.fleets:
            fleet.disconnect()
        self.router.wait_idle()

    def _all_home(self):
        """Reconnect all devices. Return whether each session of this round was at home."""
        for fleet in self.fleets:
            fleet.reconnect()
        self._run_until(lambda: all(fleet.all_connected for fleet in self.fleets), "all to reconnect")
        before = len(self.router.find("session.end"))
        count = sum(len(fleet.devices) for fleet in self.fleets)
        for fleet in self.fleets:
            fleet.disconnect()
        self.router.session_end(count=before + count)
        rounds = self.router.find("session.end")[before:]
        for fleet in self.fleets:
            fleet.connect_devices()
        self._run_until(lambda: all(fleet.all_connected for fleet in self.fleets), "all to reconnect")
        return {e.get("placement") for e in rounds} == {"home"}

    def summary(self):
        longest = max(fleet.longest_s for fleet in self.fleets)
        losses = sum(d.losses for fleet in self.fleets for d in fleet.devices)
        attempts = sum(d.attempts for fleet in self.fleets for d in fleet.devices)
        refused = sum((fleet.refusals for fleet in self.fleets), collections.Counter())
        return (f"{dict(self.counts)}: {attempts} attempts to connect, {losses} sessions lost, "
                f"refused {dict(refused)}, longest attempt {longest:.2f} s")

    def close(self):
        for thing in reversed(self.resources):
            thing.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--devices", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    parser.add_argument("--quiet", action="store_true", help="print only the summary")
    arguments = parser.parse_args()
    harness.raise_open_files()
    print(f"seed {arguments.seed}, {harness.BINARY} ({harness.BUILD})", flush=True)
    routers = []

    def start_router(config):
        routers.append(harness.Router(config))
        return routers[0]
    log = (lambda text: None) if arguments.quiet else (lambda text: print(text, flush=True))
    chaos = None
    try:
        chaos = Chaos(start_router, arguments.devices, arguments.seed, log)
        chaos.run(arguments.seconds)
        chaos.settle()
        print(chaos.summary())
        chaos.close()
        routers[0].stop()
        print("all invariants held")
        return 0
    except AssertionError as failure:
        print(f"BROKEN: {failure}")
        for router in routers:
            router.print_log(lines=1000)
        return 1
    finally:
        if chaos:
            chaos.close()
        for router in routers:
            router.kill()
            router.directory.cleanup()


if __name__ == "__main__":
    sys.exit(main())
