"""The programs and certificates of the benchmarks, and a description of the machine."""

import datetime
import json
import os
import pathlib
import re
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))
# pylint: disable=wrong-import-position
import harness  # noqa: E402
from nodes import is_open  # noqa: E402


class Program:
    """A C program that answers each input line with a line of JSON, and exits at the end of its input."""

    def __init__(self, path, *arguments):
        self.process = subprocess.Popen(
            [str(path), *map(str, arguments)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            text=True, preexec_fn=harness.raise_open_files)

    def command(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        assert answer, f"{self.process.args[0]}: \"{line}\": ended with {self.process.wait(10)}"
        return json.loads(answer)

    def close(self):
        self.process.stdin.close()
        try:
            code = self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = self.process.wait()
        assert code == 0, f"{self.process.args[0]} ended with {code}"


class Sinks:
    """Broker nodes in one process, with their `ports`."""

    def __init__(self, build, n):
        self.ports = [harness.free_port() for _ in range(n)]
        self.program = Program(build / "test/bench/sink", *self.ports)
        for port in self.ports:
            harness.wait_until(lambda at=port: is_open(at), "the sink")

    def close(self):
        self.program.close()


def make_certificate(directory, kind):
    """Make server.pem and server.key. ECDSA P-256, or RSA, which costs the proxy ten times as much."""
    if kind == "ecdsa":
        harness.make_certificates(directory)
        return
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30",
                    "-subj", "/CN=localhost", "-keyout", str(directory / "server.key"),
                    "-out", str(directory / "server.pem")], check=True, capture_output=True)


def version_of(*command):
    """Return the first version number in a program's output."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    found = re.search(r"\d+\.\d+(\.\d+)?", done.stdout + done.stderr)
    return found.group(0) if found else "unknown"


def about(build):
    """Return the date, and a description of the machine and of all versions."""
    cpu = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    memory = re.search(r"MemTotal:\s*(\d+)", pathlib.Path("/proc/meminfo").read_text())
    return {"date": datetime.date.today().isoformat(),
            "cpu": cpu.group(1) if cpu else "unknown", "cores": os.cpu_count(),
            "memory_gib": round(int(memory.group(1)) / 2**20), "kernel": os.uname().release,
            "haproxy": version_of("/usr/sbin/haproxy", "-v"),
            "nginx": version_of("/usr/sbin/nginx", "-v"),
            "openssl": version_of("openssl", "version"),
            "router": version_of(build / "mqtt-router", "--version")}
