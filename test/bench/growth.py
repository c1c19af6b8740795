"""Measure how costs grow with connections, sessions, nodes and workers. Returns points of curves."""

import collections
import itertools
import json
import pathlib
import re
import statistics
import subprocess
import tempfile
import time
import urllib.request

import contenders
import harness
from programs import Program, Sinks, make_certificate

ECHOES_PER_S = 20000
FLAT = ("CPU of an echoed message",)  # must not grow
TIMES = 7  # repetitions of short measurements, of which the median is used

# A point of a curve: program, x, y, unit of y.
Point = collections.namedtuple("Point", "curve who x y unit")


class Stage:
    """Sinks, a certificate, and one proxy at a time in front of the sinks."""

    def __init__(self, options):
        self.options = options
        self.directory = tempfile.TemporaryDirectory(prefix="mqtt-router-bench-")
        self.certificates = pathlib.Path(self.directory.name)
        make_certificate(self.certificates, "ecdsa")
        self.sinks = Sinks(options.build, 4)

    def setting(self, sessions, threads=2, ports=None):
        return contenders.Setting(ports or self.sinks.ports, self.certificates, threads, sessions)

    def load(self, proxy):
        return Program(self.options.build / "test/bench/load", proxy.plain, proxy.tls, proxy.ws)

    def close(self):
        self.sinks.close()
        self.directory.cleanup()


def cpu_of(proxy, what):
    """Return the CPU time used during a call, in microseconds, and the result of the call."""
    before = proxy.cpu()["cpu_s"]
    answer = what()
    return (proxy.cpu()["cpu_s"] - before) * 1e6, answer


def messages(stage, counts):
    """Measure the CPU time per message at a constant rate, with more and more connections."""
    for who in ("router", "haproxy", "floor"):
        proxy = contenders.start(who, stage.setting(max(counts)), stage.options.build)
        load = stage.load(proxy)
        for n in counts:
            load.command(f"open plain echo {n}")
            each = []
            for _ in range(3):
                cpu, answer = cpu_of(proxy, lambda: load.command(
                    f"echo 64 {stage.options.ms // 2} {ECHOES_PER_S}"))
                each.append(cpu / answer["done"])
            yield Point("CPU of an echoed message", who, n, statistics.median(each), "us")
            load.command("close")
        load.close()
        proxy.close()


def memory(stage, counts):
    """Measure process memory with more and more idle connections, each time in a new process."""
    for transport in ("plain", "tls13"):
        for who in ("router", "haproxy"):
            for n in counts:
                proxy = contenders.start(who, stage.setting(n), stage.options.build)
                load = stage.load(proxy)
                before = proxy.user_bytes()
                load.command(f"open {transport} idle {n}")
                yield Point(f"memory, {'TLS' if transport != 'plain' else transport}", who, n,
                            (proxy.user_bytes() - before) / 2**20, "MiB")
                load.close()
                proxy.close()


def workers(stage):
    """Measure connects per second and CPU time per connect, with one worker and with two."""
    for transport, name in (("plain", "plain"), ("tls13", "TLS")):
        for n in (1, 2):
            proxy = contenders.start("router", stage.setting(100, threads=n), stage.options.build)
            load = stage.load(proxy)
            load.command(f"cycle {transport} 0 32 {stage.options.ms // 2} 0")
            cpu, answer = cpu_of(proxy, lambda: load.command(
                f"cycle {transport} 0 32 {2 * stage.options.ms} 0"))
            yield Point(f"connects per second by workers, {name}", "router", n,
                        answer["done"] * 1000 / answer["elapsed_ms"], "1/s")
            yield Point(f"CPU of a connect by workers, {name}", "router", n,
                        cpu / answer["done"], "us")
            load.close()
            proxy.close()


def admin_request_ms(port, path, body=None):
    """Return the median time of an admin request in milliseconds."""
    def once():
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}{path}", body,
            {"Content-Type": "application/json"} if body else {})
        began = time.monotonic()
        with urllib.request.urlopen(request, timeout=30) as answer:
            answer.read()
        return (time.monotonic() - began) * 1e3
    return statistics.median(once() for _ in range(TIMES))


def operator(proxy, port, curve_by, x):
    yield Point(f"reload by {curve_by}", "router", x, admin_request_ms(port, "/api/v1/reload", b"{}"), "ms")
    yield Point(f"scrape by {curve_by}", "router", x, admin_request_ms(port, "/metrics"), "ms")


def admin_requests(stage, sessions, nodes):
    """Measure reloads and scrapes, with more and more sessions, and with more and more nodes."""
    port = harness.free_port()
    admin = {"admin": {"address": f"127.0.0.1:{port}"}}
    proxy = contenders.Router(stage.setting(max(sessions)), stage.options.build, **admin)
    load = stage.load(proxy)
    for n in sessions:
        load.command(f"open plain idle {n}")
        yield from operator(proxy, port, "sessions", n)
        load.command("close")
    load.close()
    proxy.close()
    for n in nodes:
        ports = (stage.sinks.ports * n)[:n]  # many names, but only a few ports
        proxy = contenders.Router(stage.setting(100, ports=ports), stage.options.build, **admin)
        harness.wait_until(lambda: admin_request_ms(port, "/healthz"), "the admin interface")
        yield from operator(proxy, port, "nodes", n)
        proxy.close()


def selections(stage):
    """Measure the node selection with parse_bench.c, in one thread."""
    done = subprocess.run([stage.options.build / "test/bench/parse_bench"], check=True,
                          capture_output=True, text=True)
    for key, ns in json.loads(done.stdout).items():
        match = re.fullmatch(r"pick_of_(\d+)_ns", key)
        if match:
            yield Point("a pick by nodes", "router", int(match.group(1)), ns / 1e3, "us")


def grows_too_fast(points):
    """Return the curves whose y grew by more than x plus half of that for noise, or that grew although
    they must not. No curve should be returned."""
    curves = collections.defaultdict(list)
    for point in points:
        if "a second" not in point["curve"]:
            curves[point["curve"], point["who"]].append(point)
    found = []
    for (curve, who), on_it in curves.items():
        for low, high in itertools.combinations([p for p in on_it if p["x"] > 0], 2):
            may = 1.5 if curve in FLAT else 1.5 * high["x"] / low["x"]
            if high["y"] > may * max(low["y"], 0):
                found.append(f"{curve}, {who}: {low['y']:.3g} at {low['x']}, {high['y']:.3g} at "
                             f"{high['x']}")
    return found


def run(options):
    counts = (100, 1000) if options.quick else (100, 300, 1000, 3000, 9000)
    nodes = (2, 100) if options.quick else (2, 10, 100, 300, 1000)
    stage = Stage(options)
    points = []
    try:
        for part in (messages(stage, counts), memory(stage, counts), workers(stage),
                     admin_requests(stage, (1, *counts), nodes), selections(stage)):
            for point in part:
                points.append(point)
                print(f"  {point.curve}, {point.who}, {point.x}: {point.y:.3g} {point.unit}",
                      flush=True)
    finally:
        stage.close()
    points = [point._asdict() for point in points]
    for line in grows_too_fast(points):
        print("GROWS FASTER THAN LINEARLY:", line)
    return points
