#!/usr/bin/python3
"""
soak.py - run rounds of chaos against one router; its memory and descriptors must not grow.

    soak.py [--seconds 300] [--round 15] [--devices 500] [--seed N] [--wrapper COMMAND]

A round is a run of chaos.py, with reloads; then all nodes are repaired, all devices disconnect,
and memory and descriptors are measured. The first point is warm-up. Of the other points, the
median of the second half may exceed that of the first by TOLERANCE_MIB of Private_Dirty, and by no
descriptor. Sanitizers and valgrind keep freed memory: with them only descriptors are checked, and
the tool reports leaks when the router exits. --wrapper runs the router under a command.
Exits 1 if an invariant is broken, 2 if there are too few points.
"""
import argparse
import random
import shlex
import statistics
import sys
import time

import chaos
import harness

TOLERANCE_MIB = 4
SAMPLES = 10  # checks and DNS queries use a descriptor for a short time, so the minimum is used
MIN_POINTS = 5  # warm-up, and two in each half


class Soak(chaos.Chaos):
    def quiet_point(self):
        """Return (MiB, descriptors), measured without any session. Then reconnect all devices."""
        samples = []
        for _ in range(SAMPLES):
            until = time.monotonic() + 0.1
            self._run_until(lambda: time.monotonic() >= until, "time to pass")  # noqa: B023
            samples.append(self.router.descriptors())
        point = self.router.memory_bytes() / (1 << 20), min(samples)
        self.healthy, self.killed, self.hung = set(range(chaos.NODES)), set(), set()
        self.dns_hangs = False
        for fleet in self.fleets:
            fleet.connect_all()
        return point


def growth(values):
    """Return the difference of the medians of the second and the first half."""
    half = len(values) // 2
    return statistics.median(values[-half:]) - statistics.median(values[:half])


def judge(points, memory_counts):
    points = points[1:]
    mib, descriptors = (growth([point[i] for point in points]) for i in (0, 1))
    print(f"growth over {len(points)} quiet points: {mib:+.2f} MiB, {descriptors:+g} descriptors",
          flush=True)
    assert descriptors <= 0, f"{descriptors:+g} descriptors of growth"
    assert not memory_counts or mib <= TOLERANCE_MIB, f"{mib:+.2f} MiB of growth"


def soak(chaos_run, seconds, round_s):
    points, started = [], time.monotonic()
    while time.monotonic() - started < seconds:
        chaos_run.run(round_s)
        chaos_run.settle()
        points.append(chaos_run.quiet_point())
        print(f"{time.monotonic() - started:6.0f} s  {points[-1][0]:7.2f} MiB  "
              f"{points[-1][1]} descriptors", flush=True)
    return points


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--round", type=float, default=15)
    parser.add_argument("--devices", type=int, default=500)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    parser.add_argument("--wrapper", type=shlex.split, default=[])
    parser.add_argument("--unjudged", action="store_true", help="fail only if the tool in --wrapper does")
    arguments = parser.parse_args()
    harness.raise_open_files()
    print(f"seed {arguments.seed}, {harness.BINARY} ({harness.BUILD})", flush=True)
    routers, chaos_run = [], None

    def start_router(config):
        config["sandbox"] = config.get("sandbox", True) and not arguments.unjudged
        routers.append(harness.Router(config, wrapper=arguments.wrapper))
        return routers[0]
    try:
        chaos_run = Soak(start_router, arguments.devices, arguments.seed)
        points = soak(chaos_run, arguments.seconds, arguments.round)
        print(chaos_run.summary())
        chaos_run.close()
        routers[0].stop(timeout_s=6 * harness.WAIT_LIMIT_S)
        if arguments.unjudged:
            return 0
        if len(points) < MIN_POINTS:
            print(f"{len(points)} quiet points are too few: run it longer")
            return 2
        judge(points, memory_counts=not harness.SANITIZED)
        print("flat")
        return 0
    except AssertionError as failure:
        print(f"BROKEN: {failure}")
        return 1
    finally:
        if chaos_run:
            chaos_run.close()
        for router in routers:
            router.kill()
            router.directory.cleanup()


if __name__ == "__main__":
    sys.exit(main())
