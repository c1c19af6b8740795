#!/usr/bin/python3
"""
chaos.py - nodes that are killed, stopped and continued, reloads and DNS changes at random,
while devices keep reconnecting.

    chaos.py [--seconds 300] [--devices 2000] [--seed N] [--quiet]

The router is that of the environment's ROUTER, its kind (release, asan, tsan) ROUTER_BUILD.
Laws: no device waits longer than the sum of the deadlines; in the end all are home, all
gauges return to zero, no descriptor is left open; the process lives all along and no
sanitizer has said a word. Exits 1 when one is broken; the seed makes the same play again.
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
# A SYN that finds a full accept queue is repeated after a second: no reason to give a node up.
TIMEOUTS = {"dial_ms": 1500, "connack_ms": 1000, "placement_ms": 3000, "farewell_ms": 500}
# The last try may begin when placement_ms is nearly over, and then has its own deadlines.
DEADLINES_S = sum(TIMEOUTS.values()) / 1000
SLACK_S = harness.PATIENCE_S / 2  # of this machine, this program's own pauses included
CHECK = {**harness.FAST_CHECK, "type": "mqtt", "interval_ms": 1000}


class Chaos:
    """A router with two clusters of the same nodes, one configured and one found by DNS."""

    def __init__(self, start_router, devices, seed, say=lambda text: None):
        self.random = random.Random(seed)
        self.say = say
        self.counts = collections.Counter()
        self.well, self.killed, self.hung = set(range(NODES)), set(), set()
        self.dns_hangs = False
        self.doing = []
        port = harness.free_port()
        self.nodes = [Mosquitto(f"n{i}", port=port, host=f"127.0.0.{11 + i}")
                      for i in range(NODES)]
        self.doing += self.nodes
        try:
            self.dns = DnsServer({NAME: [node.host for node in self.nodes]})
            self.doing.append(self.dns)
            self.base = self._config(port)
            self.router = start_router(self.base)
            self.fleets = [Fleet(self.router.ports[door],
                                 [f"{door}-{i}" for i in range(devices // 2)],
                                 version=version, clean=lambda i: i % 3 > 0, pause_s=0.5)
                           for door, version in (("mqtt", 4), ("found", 5))]
            self.doing += self.fleets
            for fleet in self.fleets:
                fleet.come_all()
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
        harness.add_door(made, "found", cluster="found")
        made["timeouts"] = dict(TIMEOUTS)
        made["log"]["level"] = "info"
        # Moved about by this play twice a second, devices connect more often than any should.
        made["limits"] = {"flapping": {"max_connects": 1000}}
        return made

    def _idle_descriptors(self):
        """What the router has open besides the two of each session; checks come and go."""
        sessions = self.router.gauges()["sessions"]
        return self.router.descriptors() - 2 * sessions

    # -- what can happen ----------------------------------------------------------------

    def kill(self):
        if len(self.well) > 1:
            i = self._take(self.well, self.killed)
            self.nodes[i].kill()
            return self.nodes[i].name

    def start(self):
        if self.killed:
            i = self._take(self.killed, self.well)
            self.nodes[i].begin()
            return self.nodes[i].name

    def hang(self):
        if len(self.well) > 1:
            i = self._take(self.well, self.hung)
            self.nodes[i].hang()
            return self.nodes[i].name

    def go_on(self):
        if self.hung:
            i = self._take(self.hung, self.well)
            self.nodes[i].go_on()
            return self.nodes[i].name

    def _take(self, from_set, to_set):
        i = self.random.choice(sorted(from_set))
        from_set.remove(i)
        to_set.add(i)
        return i

    def reload(self):
        made = copy.deepcopy(self.base)
        nodes = made["clusters"][0]["nodes"]
        what = self.random.choice(("base", "weights", "fewer", "drain", "door", "keep", "broken"))
        one = self.random.choice(nodes)
        if what == "weights":
            one["weight"] = self.random.randrange(5)
        elif what == "fewer":
            nodes.remove(one)
        elif what == "drain":
            one["state"] = self.random.choice(("draining", "down"))
        elif what == "door":
            harness.add_door(made, "third")
        elif what == "keep":
            for cluster in made["clusters"]:
                cluster["on_node_down"] = "keep"
        elif what == "broken":
            made["clusters"][0]["nodes"] = []
        self._take_up(made, "reload.failed" if what == "broken" else "reload.done")
        return what

    def _take_up(self, made, event):
        before = len(self.router.find(event))
        harness.write_config(made, self.router.directory.name)
        self.router.process.send_signal(signal.SIGHUP)
        self._live(lambda: len(self.router.find(event)) > before, event)

    def resolve(self):
        if self.dns_hangs:
            return None
        some = self.random.sample(self.nodes, self.random.randint(1, NODES))
        self.dns.set({NAME: [node.host for node in some]})
        return " ".join(sorted(node.name for node in some))

    def dns_stop_or_go_on(self):
        (self.dns.go_on if self.dns_hangs else self.dns.hang)()
        self.dns_hangs = not self.dns_hangs
        return "hangs" if self.dns_hangs else "goes on"

    def reconnect(self):
        fleet = self.random.choice(self.fleets)
        some = self.random.sample(fleet.devices, max(1, len(fleet.devices) // 10))
        fleet.come_back([d for d in some if d.state == "up"])
        return f"{len(some)} devices"

    # -- the play -------------------------------------------------------------------------

    def _turn(self):
        for fleet in self.fleets:
            fleet.turn(0.002)

    def _live(self, until, what, timeout_s=6 * harness.PATIENCE_S):
        deadline = time.monotonic() + timeout_s
        while not until():
            self._turn()
            assert time.monotonic() < deadline, (
                f"waited {timeout_s} s for {what}; " + "; ".join(map(str, self.fleets)))

    def _laws(self):
        assert self.router.process.poll() is None, "the router has ended"
        longest = max(fleet.longest_s for fleet in self.fleets)
        assert longest < DEADLINES_S + SLACK_S, f"a device waited {longest:.1f} s"

    def run(self, seconds):
        deeds = (self.kill, self.start, self.start, self.hang, self.go_on, self.go_on, self.reload,
                 self.resolve, self.dns_stop_or_go_on, self.reconnect, self.reconnect)
        started = time.monotonic()
        while (now := time.monotonic() - started) < seconds:
            deed = self.random.choice(deeds)
            what = deed()
            if what is not None:
                self.counts[deed.__name__] += 1
                self.say(f"{now:7.2f} {deed.__name__} {what}")
            until = time.monotonic() + 0.8 * self.random.random()
            self._live(lambda: time.monotonic() >= until, "time to pass")  # noqa: B023
            self._laws()

    def settle(self):
        """All is well again: everyone has a session, at home, and then nobody has."""
        for i in sorted(self.killed):
            self.nodes[i].begin()
        for i in sorted(self.hung):
            self.nodes[i].go_on()
        if self.dns_hangs:
            self.dns.go_on()
        self.dns.set({NAME: [node.host for node in self.nodes]})
        for fleet in self.fleets:
            fleet.at_once = 50  # a herd fills the nodes' accept queues, which counts against them
        self._take_up(self.base, "reload.done")
        self._live(lambda: all(fleet.is_whole for fleet in self.fleets), "all to have a session")
        # Homecoming and closings go on for a while; in the end nobody is away.
        self._live(self._all_home, "all to be home")
        self._laws()
        self._live(lambda: self._idle_descriptors() <= self.descriptors + 2 * NODES,
                   "the descriptors to be what they were")
        for fleet in self.fleets:
            fleet.leave()
        self.router.wait_idle()

    def _all_home(self):
        """Everyone reconnects, and each session of this round was at home."""
        for fleet in self.fleets:
            fleet.come_back()
        self._live(lambda: all(fleet.is_whole for fleet in self.fleets), "all to come back")
        before = len(self.router.find("session.end"))
        count = sum(len(fleet.devices) for fleet in self.fleets)
        for fleet in self.fleets:
            fleet.leave()
        self.router.session_end(count=before + count)
        rounds = self.router.find("session.end")[before:]
        for fleet in self.fleets:
            fleet.come()
        self._live(lambda: all(fleet.is_whole for fleet in self.fleets), "all to come back")
        return {e.get("placement") for e in rounds} == {"home"}

    def told(self):
        longest = max(fleet.longest_s for fleet in self.fleets)
        losses = sum(d.losses for fleet in self.fleets for d in fleet.devices)
        attempts = sum(d.attempts for fleet in self.fleets for d in fleet.devices)
        refused = sum((fleet.refusals for fleet in self.fleets), collections.Counter())
        return (f"{dict(self.counts)}: {attempts} attempts to connect, {losses} sessions lost, "
                f"refused {dict(refused)}, longest attempt {longest:.2f} s")

    def close(self):
        for thing in reversed(self.doing):
            thing.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--devices", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    parser.add_argument("--quiet", action="store_true", help="say the summary alone")
    arguments = parser.parse_args()
    harness.raise_open_files()
    print(f"seed {arguments.seed}, {harness.BINARY} ({harness.BUILD})", flush=True)
    routers = []

    def start_router(config):
        routers.append(harness.Router(config))
        return routers[0]
    say = (lambda text: None) if arguments.quiet else (lambda text: print(text, flush=True))
    chaos = None
    try:
        chaos = Chaos(start_router, arguments.devices, arguments.seed, say)
        chaos.run(arguments.seconds)
        chaos.settle()
        print(chaos.told())
        chaos.close()
        routers[0].stop()
        print("all laws held")
        return 0
    except AssertionError as broken:
        print(f"BROKEN: {broken}")
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
