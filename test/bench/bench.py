#!/usr/bin/python3
"""
bench.py - run the router, HAProxy and nginx in turn with the same work, and measure the cost per unit.

All proxies run at the same time, with the same certificate, nodes and number of threads. In each round,
each proxy does a short stretch of each kind of work (work.py) in turn, in rotating order. The
results are the CPU time per unit of work, and its ratio to the CPU time of the others in the same round,
because a busy machine slows down all proxies. The floor is a minimal relay that copies bytes (relay_floor.c).

Writes the figures to a JSON file, from which report.py makes tables and plots.
"""
import argparse
import json
import pathlib
import resource
import signal
import statistics
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
# pylint: disable=wrong-import-position
import contenders  # noqa: E402
import cpu_profile  # noqa: E402
import growth  # noqa: E402
import harness  # noqa: E402
import idle  # noqa: E402
import syscalls  # noqa: E402
import work  # noqa: E402
from programs import Program, Sinks, about, make_certificate  # noqa: E402

NODES = 4
THREADS = 2
SESSIONS = 9000  # limit of simultaneous devices
FILL_MS = 300
PACED_TIMES = 2  # this many times as long as other work, because percentiles need many samples
PROXIES = ("router", "haproxy", "nginx")
FLOOR = "floor"


def can(name, piece):
    """Return whether a proxy can do this work. The floor has no TLS, and spins while a receiver is slow."""
    return name != FLOOR or (piece.transport == "plain" and piece.group != "bulk")


class Cpu:
    """Measure the proxy's CPU time per unit of work."""

    def __init__(self, proxy):
        self.proxy, self.before = proxy, proxy.cpu()

    def stop(self, done):
        after = self.proxy.cpu()
        return {"cpu_us": (after["cpu_s"] - self.before["cpu_s"]) * 1e6 / done,
                "user_us": (after["user_s"] - self.before["user_s"]) * 1e6 / done}


class Bench:
    """All proxies with one kind of certificate. Each proxy has its own load generator."""

    def __init__(self, options, key):
        self.directory = tempfile.TemporaryDirectory(prefix="mqtt-router-bench-")
        certificates = pathlib.Path(self.directory.name)
        make_certificate(certificates, key)
        self.sinks = Sinks(options.build, NODES)
        self.proxies, self.loads = {}, {}
        setting = contenders.Setting(self.sinks.ports, certificates, THREADS, SESSIONS)
        for name in options.only:
            proxy = self.proxies[name] = contenders.start(name, setting, options.build)
            self.loads[name] = Program(options.build / "test/bench/load", proxy.plain, proxy.tls,
                                       proxy.ws)

    def do(self, name, piece, ms, meter=Cpu):
        """Run one stretch. Return the work done, and the result of the meter."""
        proxy, load = self.proxies[name], self.loads[name]
        quiet = proxy.sockets()

        def gone():
            harness.wait_until(lambda: proxy.sockets() <= quiet,
                               f"{name} to close its connections")

        if piece.before:
            load.command(piece.before)
        if piece.group == "bulk":
            load.command(f"bulk {FILL_MS}")  # buffers are full at the start, and also at the end
        if piece.paced:
            ms *= PACED_TIMES
        running = meter(proxy)
        answer = load.command(piece.command.format(ms=ms))
        if not piece.before:
            gone()  # include the time to close the last connections
        done = work.units(piece, answer)
        taken = running.stop(done)
        if piece.before:
            load.command("close")
            gone()
        assert not answer["failures"], f"{name}: {piece.name}: {answer}"
        due = work.due(piece, ms)
        return {"units": done, "elapsed_ms": answer["elapsed_ms"], "resumed": answer["resumed"],
                "behind": max(1 - done / due, 0) if due else None,
                "latency": answer["latency_ms"]} | taken

    def close(self):
        for program in [*self.loads.values(), *self.proxies.values(), self.sinks]:
            program.close()
        self.directory.cleanup()


def run_pieces(options, key):
    """Return [{work, proxy, round, ...}] of all work that uses this certificate."""
    pieces = [piece for piece in work.WORKS if piece.key == key]
    samples = []
    bench = Bench(options, key)
    try:
        for piece in pieces:
            names = [name for name in options.only if can(name, piece)]
            for name in names:
                bench.do(name, piece, options.ms // 4)  # warm-up; the devices also get tickets
            for number in range(options.rounds):
                turn = number % len(names)
                for name in names[turn:] + names[:turn]:
                    sample = bench.do(name, piece, options.ms)
                    if "resumed" in piece.name:
                        assert sample["resumed"] == sample["units"], f"{name}: {sample}"
                    samples.append({"work": piece.name, "proxy": name, "round": number} | sample)
            text = ", ".join(f"{name} " + format(statistics.median(
                s["cpu_us"] for s in samples
                if s["work"] == piece.name and s["proxy"] == name), ".1f") for name in names)
            print(f"  {piece.name}: CPU us per {piece.unit}: {text}", flush=True)
        return samples
    finally:
        bench.close()


def json_of(*command):
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(done.stdout)


def storm(options):
    """Run the program storm."""
    if set(PROXIES) - set(options.only):
        return []
    with tempfile.TemporaryDirectory(prefix="mqtt-router-bench-") as directory:
        figures = pathlib.Path(directory) / "storm.json"
        subprocess.run([str(HERE / "storm"), "--build", str(options.build), "--json", str(figures),
                        "--threads", str(THREADS), "--n-nodes", str(NODES),
                        "--devices", "500" if options.quick else "6000",
                        "--rounds", "1" if options.quick else "3"], check=True)
        return json.loads(figures.read_text())


def or_nothing(part, *arguments):
    """Run a part that can fail for lack of permission (perf, strace). The other results are valid without it."""
    try:
        return part(*arguments)
    except (AssertionError, OSError, subprocess.SubprocessError) as fault:
        print(f"  skipped: {part.__module__}: {fault}", flush=True)
        return []


def run(options):
    """Run all parts, and store the result of each part as soon as it exists."""
    results = {"about": about(options.build) | {"threads": THREADS, "nodes": NODES,
                                                "rounds": options.rounds, "ms": options.ms}}

    def keep(name, part):
        results[name] = part
        options.json.write_text(json.dumps(results, indent=1) + "\n")
    keep("idle", idle.run(options, NODES, THREADS))
    keep("samples", [sample for key in ("ecdsa", "rsa") for sample in run_pieces(options, key)])
    keep("handshake_floor", json_of(options.build / "test/bench/handshake_floor"))
    keep("syscalls", or_nothing(syscalls.run, options, Bench))
    keep("profiles", or_nothing(cpu_profile.run, options, Bench))
    keep("micro", json_of(options.build / "test/bench/parse_bench"))
    keep("growth", growth.run(options))
    keep("grows_too_fast", growth.grows_too_fast(results["growth"]))
    keep("storm", storm(options))


def some_of(text):
    names = text.split(",")
    if not set(names) <= {*PROXIES, FLOOR} or "router" not in names:
        raise argparse.ArgumentTypeError(f"must be router, and any of {', '.join((*PROXIES, FLOOR))}")
    return names


def parse():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="run two short rounds, to check the benchmarks")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--ms", type=int, default=2000, help="duration of a stretch of work")
    parser.add_argument("--idle", type=int, default=5000, metavar="N", help="idle devices")
    parser.add_argument("--only", default=[*PROXIES, FLOOR], metavar="LIST",
                        type=some_of, help="router,haproxy,nginx,floor")
    parser.add_argument("--build", type=pathlib.Path, default=harness.ROOT / "build" / "release")
    parser.add_argument("--json", type=pathlib.Path, required=True, help="file to which the figures are written")
    options = parser.parse_args()
    options.build = options.build.resolve()
    if options.quick:
        options.rounds, options.ms, options.idle = 2, 400, 1000
    return options


def main():
    options = parse()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # stops all programs
    harness.raise_open_files()
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if not options.quick and most < 2 * SESSIONS + 500:
        sys.exit(f"{2 * SESSIONS + 500} open files are needed, but only {most} are allowed")
    run(options)


if __name__ == "__main__":
    main()
