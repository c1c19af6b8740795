"""Count the system calls of a unit of work with strace."""

import collections
import pathlib
import re
import signal
import subprocess
import tempfile

import harness
import work

STRETCH_MS = 400
LISTED = ("connect, plain", "connect, TLS 1.3 full, ECDSA", "connect, TLS 1.3 resumed",
          "echo 64 B", "echo 64 B, TLS")


class Strace:
    """Count the calls of all processes of a proxy; a meter like bench.Cpu."""

    def __init__(self, proxy):
        self.file = tempfile.NamedTemporaryFile(prefix="mqtt-router-strace-")
        targets = [word for pid in proxy.pids() for word in ("-p", str(pid))]
        self.process = subprocess.Popen(["strace", "-f", "-qq", "-c", "-U", "calls,name", "-o",
                                         self.file.name, *targets])
        harness.wait_until(lambda: all(self.is_traced(pid) for pid in proxy.pids()), "strace")

    @staticmethod
    def is_traced(pid):
        return all("TracerPid:\t0\n" not in (task / "status").read_text()
                   for task in pathlib.Path(f"/proc/{pid}/task").iterdir())

    def stop(self, done):
        self.process.send_signal(signal.SIGINT)
        self.process.wait(10)
        found = collections.Counter()
        for line in pathlib.Path(self.file.name).read_text().splitlines():
            match = re.fullmatch(r"\s*(\d+)\s+([a-z_0-9]+)\s*", line)
            if match and match.group(2) != "total":
                found[match.group(2)] += int(match.group(1))
        self.file.close()
        return {"calls": {call: round(n / done, 2) for call, n in found.most_common()
                          if n / done >= 0.01}}


def run(options, make_bench):
    """Return [{proxy, work, calls: {name: calls per unit}}]."""
    found = []
    bench = make_bench(options, "ecdsa")
    try:
        for piece in [piece for piece in work.WORKS if piece.name in LISTED]:
            for name in [each for each in options.only if each != "floor" or
                         piece.transport == "plain"]:
                bench.do(name, piece, STRETCH_MS)  # warm-up; the devices also get tickets
                calls = bench.do(name, piece, STRETCH_MS, Strace)["calls"]
                found.append({"proxy": name, "work": piece.name, "calls": calls})
                print(f"  system calls, {piece.name}: {name}: {sum(calls.values()):.1f}",
                      flush=True)
    finally:
        bench.close()
    return found
