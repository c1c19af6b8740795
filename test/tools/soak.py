#!/usr/bin/python3
"""
soak.py - rounds of chaos against one router, whose memory and descriptors must stay flat.

    soak.py [--seconds 300] [--round 15] [--devices 500] [--seed N] [--wrapper COMMAND]

A round is chaos.py's play, reloads included; then all is mended, all devices leave, and the
router is looked at. The first quiet point is warm-up. Of the others, the median of the second
half may exceed that of the first by TOLERANCE_MIB of Private_Dirty, and by no descriptor.
A sanitizer keeps freed memory, and so does valgrind: there only descriptors are judged, and
leaks by the tool itself when the router ends. --wrapper runs the router under a command.
Exits 1 when a law is broken, 2 when there were too few quiet points to tell.
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
LOOKS = 10  # checks and DNS queries hold a descriptor for a moment: the least of these counts
MIN_POINTS = 5  # warm-up, and two in each half


class Soak(chaos.Chaos):
    def quiet_point(self):
        """(MiB, descriptors) when no device has a session; then everyone comes back."""
        looks = []
        for _ in range(LOOKS):
            until = time.monotonic() + 0.1
            self._live(lambda: time.monotonic() >= until, "time to pass")  # noqa: B023
            looks.append(self.router.descriptors())
        point = self.router.memory_bytes() / (1 << 20), min(looks)
        self.well, self.killed, self.hung = set(range(chaos.NODES)), set(), set()
        self.dns_hangs = False
        for fleet in self.fleets:
            fleet.come_all()
        return point


def growth(values):
    """Median of the second half less that of the first."""
    half = len(values) // 2
    return statistics.median(values[-half:]) - statistics.median(values[:half])


def judge(points, memory_counts):
    points = points[1:]
    mib, descriptors = (growth([point[i] for point in points]) for i in (0, 1))
    print(f"growth over {len(points)} quiet points: {mib:+.2f} MiB, {descriptors:+g} descriptors",
          flush=True)
    assert descriptors <= 0, f"{descriptors:+g} descriptors are not flat"
    assert not memory_counts or mib <= TOLERANCE_MIB, f"{mib:+.2f} MiB are not flat"


def soak(play, seconds, round_s):
    points, started = [], time.monotonic()
    while time.monotonic() - started < seconds:
        play.run(round_s)
        play.settle()
        points.append(play.quiet_point())
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
    parser.add_argument("--unjudged", action="store_true", help="of the tool in --wrapper alone")
    arguments = parser.parse_args()
    harness.raise_open_files()
    print(f"seed {arguments.seed}, {harness.BINARY} ({harness.BUILD})", flush=True)
    routers, play = [], None

    def start_router(config):
        config["sandbox"] = config.get("sandbox", True) and not arguments.unjudged
        routers.append(harness.Router(config, wrapper=arguments.wrapper))
        return routers[0]
    try:
        play = Soak(start_router, arguments.devices, arguments.seed)
        points = soak(play, arguments.seconds, arguments.round)
        print(play.told())
        play.close()
        routers[0].stop(timeout_s=6 * harness.PATIENCE_S)
        if arguments.unjudged:
            return 0
        if len(points) < MIN_POINTS:
            print(f"{len(points)} quiet points are too few to tell: give it more time")
            return 2
        judge(points, memory_counts=not harness.SANITIZED)
        print("flat")
        return 0
    except AssertionError as broken:
        print(f"BROKEN: {broken}")
        return 1
    finally:
        if play:
            play.close()
        for router in routers:
            router.kill()
            router.directory.cleanup()


if __name__ == "__main__":
    sys.exit(main())
