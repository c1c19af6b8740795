"""Measure with perf where a unit of work uses CPU time: kernel by system call, other code by library."""

import collections
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile

import harness
import work

STRETCH_MS = 1500
HERTZ = 4999  # not a multiple of the kernel's tick
LISTED = ("connect, plain", "connect, TLS 1.3 full, ECDSA", "connect, TLS 1.3 full, RSA",
          "connect, TLS 1.3 resumed", "connect, TLS 1.2 resumed", "echo 64 B", "echo 64 B, TLS",
          "bulk to the node, TLS", "bulk to the device, TLS")
# All other kernel code is "kernel, other".
KERNEL = {"sockets": {"accept4", "socket", "bind", "connect", "shutdown", "close", "setsockopt",
                      "getsockopt", "getsockname", "getpeername", "ioctl", "fcntl", "poll"},
          "bytes": {"read", "write", "readv", "writev", "recvfrom", "recvmsg", "sendto", "sendmsg",
                    "splice"},
          "epoll": {"epoll_wait", "epoll_pwait", "epoll_ctl"}}


def place_of(frames):
    """Return the place of a sample. frames: "symbol (object)", innermost first."""
    inner = re.search(r"\(([^)]*)\)$", frames[0])
    path = inner.group(1) if inner else ""
    if "[kernel" in path or path.startswith("[") and "vdso" not in path:
        for frame in reversed(frames):
            call = re.match(r"(?:__x64_sys_|ksys_)(\w+)", frame)
            if call:
                for what, calls in KERNEL.items():
                    if call.group(1) in calls:
                        return f"kernel, {what}"
        return "kernel, other"
    name = pathlib.Path(path).name
    if name.startswith(("libcrypto", "libssl")):
        return "OpenSSL"
    return "C library" if name.startswith(("libc.so", "libc-", "[vdso")) else "program"


def shares(script):
    """Return {place: share of all samples} from the output of perf script."""
    found = collections.Counter()
    for sample in script.split("\n\n"):
        frames = [re.sub(r"^\s*[0-9a-f]+ ", "", line).strip()
                  for line in sample.splitlines() if line.strip()]
        if frames:
            found[place_of(frames)] += 1
    total = sum(found.values())
    return {place: round(n / total, 4) for place, n in found.items()}


class Perf:
    """Measure with perf; a meter like bench.Cpu."""

    def __init__(self, proxy):
        self.directory = tempfile.TemporaryDirectory(prefix="mqtt-router-perf-")
        self.data = pathlib.Path(self.directory.name) / "data"
        targets = ",".join(map(str, proxy.pids()))
        self.process = subprocess.Popen(["perf", "record", "-q", "-F", str(HERTZ), "-e",
                                         "cpu-clock", "-g", "-o", str(self.data), "-p", targets])
        harness.wait_until(lambda: self.data.exists() and self.data.stat().st_size > 0, "perf")

    def stop(self, done):
        self.process.send_signal(signal.SIGINT)
        self.process.wait(30)
        script = subprocess.run(["perf", "script", "-i", str(self.data), "-F", "ip,sym,dso"],
                                check=True, capture_output=True, text=True, errors="replace")
        self.directory.cleanup()
        return {"shares": shares(script.stdout)}


def run(options, make_bench):
    """Return [{proxy, work, shares: {place: share of the CPU time}}]."""
    if not shutil.which("perf"):
        print("  perf is not installed: no profiles")
        return []
    found = []
    for key in ("ecdsa", "rsa"):
        bench = make_bench(options, key)
        try:
            for piece in [each for each in work.WORKS if each.name in LISTED and each.key == key]:
                for name in [each for each in options.only if each != "nginx" and
                             (each != "floor" or piece.transport == "plain")]:
                    bench.do(name, piece, STRETCH_MS // 4)  # warm-up; the devices also get tickets
                    found.append({"proxy": name, "work": piece.name} |
                                 {"shares": bench.do(name, piece, STRETCH_MS, Perf)["shares"]})
                    print(f"  profile, {piece.name}: {name}", flush=True)
        finally:
            bench.close()
    return found
