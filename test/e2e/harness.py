"""Start the router under test, read its log as events, and check that it exits cleanly.

The environment variable ROUTER contains the path of the binary. A test fails if its
router leaks a session or a buffer, does not exit with code 0, or prints a sanitizer report.
Every function that waits, waits for an event or a state, with a deadline.
"""

import json
import os
import pathlib
import random
import resource
import signal
import socket
import subprocess
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
# Test vectors derived from the standards; VECTORS_DIR may name a larger set.
VECTORS = pathlib.Path(os.environ.get("VECTORS_DIR", ROOT / "test" / "vectors"))
BINARY = os.environ.get("ROUTER", str(ROOT / "build" / "release" / "mqtt-router"))
BUILD = os.environ.get("ROUTER_BUILD", "release")  # release, asan or tsan
# A health check that decides within a fraction of a second, at the first result. The time limit
# detects nodes that hang; it is long because a healthy node can be slow on a loaded machine.
FAST_CHECK = {"type": "tcp", "interval_ms": 200, "fast_interval_ms": 100, "timeout_ms": 3000,
              "fall": 1, "rise": 1}
# Checks alone decide the status of nodes: an ejection does not last longer than their result.
CHECKED = {"health_check": FAST_CHECK, "passive": False}
SANITIZED = BUILD in ("asan", "tsan")
# Time limit for an event. Only a failing test waits this long.
WAIT_LIMIT_S = 120 if SANITIZED else 60


def wait_until(condition, what, timeout_s=WAIT_LIMIT_S):
    """Poll a state that has no event. Return the first true value of the condition."""
    deadline = time.monotonic() + timeout_s
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, f"waited {timeout_s} s for {what}"
        time.sleep(0.02)


def free_port(host="127.0.0.1"):
    """Return an unused port below the kernel's ephemeral port range (32768 and up).

    A port in that range could be assigned to another connection before the server starts.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    while True:
        with socket.socket(family) as s:
            try:
                s.bind((host, random.randrange(10_000, 32_000)))
                return s.getsockname()[1]
            except OSError:
                continue


def load_vectors(name):
    """Return the vectors of one file. A missing or empty file is an error."""
    with open(VECTORS / name, encoding="utf-8") as lines:
        vectors = [json.loads(line) for line in lines]
    assert vectors, f"{VECTORS / name} is empty"
    return vectors


def raise_open_files():
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def open_to_all(*paths):
    """Let every user read these paths and enter the directories above them."""
    for path in paths:
        path.chmod(path.stat().st_mode | (0o055 if path.is_dir() else 0o044))
        for above in path.parents:
            if above == pathlib.Path(tempfile.gettempdir()) or above.stat().st_uid != os.geteuid():
                break
            above.chmod(above.stat().st_mode | 0o011)


def make_certificates(directory):
    """Make a temporary CA (ca.pem) and an ECDSA P-256 server certificate (server.pem, server.key)."""
    script = ROOT / "docker" / "make-certs.sh"
    subprocess.run(["bash", str(script), str(directory)], check=True, stdout=subprocess.DEVNULL)


def one_cluster(nodes, tls_dir=None, address="127.0.0.1:0", **cluster):
    """Return a configuration with listener `mqtt` (and `mqtts`) and one cluster.

    nodes: {name: port} or {name: "address:port"}
    """
    nodes = [
        {"name": name, "address": at if isinstance(at, str) else f"127.0.0.1:{at}"}
        for name, at in nodes.items()
    ]
    config = {
        "workers": 2,
        "listeners": [{"name": "mqtt", "address": address, "cluster": "c"}],
        "clusters": [{"name": "c", "nodes": nodes, **cluster}],
        "log": {"level": "debug", "format": "json"},
    }
    if tls_dir:
        certificate = {
            "certificate_file": str(tls_dir / "server.pem"),
            "private_key_file": str(tls_dir / "server.key"),
        }
        config["listeners"].append(
            {"name": "mqtts", "address": address, "cluster": "c",
             "tls": {"certificates": [certificate]}}
        )
    return config


def add_listener(config, name, tls_dir=None, **keys):
    """Add a listener for the same cluster, with the given keys."""
    listener = {"name": name, "address": "127.0.0.1:0", "cluster": "c", **keys}
    if tls_dir:
        listener["tls"] = {"certificates": [{"certificate_file": str(tls_dir / "server.pem"),
                                         "private_key_file": str(tls_dir / "server.key")}],
                       **listener.get("tls", {})}
    config["listeners"].append(listener)
    return config


def write_config(config, directory):
    path = pathlib.Path(directory) / "config.json"
    path.write_text(json.dumps(config, indent=2) + "\n")
    return path


def run_router(*arguments, timeout_s=WAIT_LIMIT_S):
    """Run the router as a command: --check, route, --version."""
    return subprocess.run([BINARY, *map(str, arguments)], capture_output=True, text=True,
                          timeout=timeout_s, check=False)


class Router:
    """A running router. `ports` contains the port of each listener."""

    def __init__(self, config, wrapper=()):
        self.directory = tempfile.TemporaryDirectory(prefix="mqtt-router-test-")
        self._count_nodes(config)
        self.config_path = write_config(config, self.directory.name)
        self.events = []
        self.text = []  # lines that are not JSON
        self.stderr_path = pathlib.Path(self.directory.name) / "stderr"
        # Use a file and not a pipe, because the router drops log lines if the reader of a pipe is
        # slow.
        self.log_path = pathlib.Path(self.directory.name) / "log"
        environment = dict(
            os.environ,
            ASAN_OPTIONS="detect_leaks=1:abort_on_error=0",
            UBSAN_OPTIONS="print_stacktrace=1",
            TSAN_OPTIONS="halt_on_error=0:second_deadlock_stack=1",
        )
        with open(self.stderr_path, "wb") as stderr, open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(
                [*wrapper, BINARY, "--config", str(self.config_path)],
                stdout=log, stderr=stderr, env=environment,
                preexec_fn=raise_open_files,
            )
        self.log_file = open(self.log_path, "rb")
        self.line = b""
        try:
            self.wait_event("router.ready")
        except BaseException:
            self.kill()
            self.print_log()
            raise
        self.ports = {}
        self._find_ports()

    def _count_nodes(self, config):
        self.n_nodes = sum(len(cluster.get("nodes", ())) for cluster in config["clusters"])

    def _find_ports(self):
        """Store the port of each listener's first address. A Unix socket has none."""
        for e in self.find("listener.open"):
            port = str(e["address"]).rsplit(":", 1)[1]
            if port.isdigit():
                self.ports.setdefault(e["listener"], int(port))

    def reload(self, config=None, expect="reload.done"):
        """Reload a new configuration, a new text, or the unchanged file. Return the reload event."""
        if isinstance(config, str):
            self.config_path.write_text(config)
        elif config:
            write_config(config, self.directory.name)
        before = len(self.find(expect))
        self.process.send_signal(signal.SIGHUP)
        event = self.wait_event(expect, count=before + 1)
        if expect == "reload.done":
            if isinstance(config, dict):
                self._count_nodes(config)
            self._find_ports()
        return event

    @property
    def pid(self):
        return self.process.pid

    @property
    def port(self):
        return self.ports["mqtt"]

    @property
    def tls_port(self):
        return self.ports["mqtts"]

    # -- the log ------------------------------------------------------------------------

    def _read_log(self):
        """Parse new lines of the log."""
        *lines, self.line = (self.line + self.log_file.read()).split(b"\n")
        for line in lines:
            try:
                self.events.append(json.loads(line))
            except ValueError:
                self.text.append(line)

    def find(self, name, **fields):
        self._read_log()
        return [
            e for e in self.events
            if e.get("event") == name and all(e.get(k) == v for k, v in fields.items())
        ]

    def wait_event(self, name, count=1, timeout_s=WAIT_LIMIT_S, **fields):
        """Wait for the count-th event with this name and these fields. Return it."""
        deadline = time.monotonic() + timeout_s
        while True:
            ended = self.process.poll() is not None
            found = self.find(name, **fields)
            if len(found) >= count:
                return found[count - 1]
            assert not ended, f"the router exited ({self.process.returncode}) before {name} {fields}"
            assert time.monotonic() < deadline, f"waited {timeout_s} s for {count} x {name} {fields}"
            time.sleep(0.005)

    def session_end(self, count=1, **fields):
        return self.wait_event("session.end", count=count, **fields)

    def gauges(self):
        """Return router.gauges, with the sessions of each node as "node NAME"."""
        before, nodes_before = len(self.find("router.gauges")), len(self.find("node.gauges"))
        self.process.send_signal(signal.SIGUSR2)
        gauges = dict(self.wait_event("router.gauges", count=before + 1))
        self.wait_event("node.gauges", count=nodes_before + self.n_nodes)
        for node in self.find("node.gauges")[nodes_before:]:
            gauges["node " + node["node"]] = node["sessions"]
        return gauges

    def gauges_left(self):
        """Return the gauges of sessions and their resources that are not 0."""
        return {k: v for k, v in self.gauges().items()
                if isinstance(v, int) and not isinstance(v, bool) and v
                and not k.endswith("_total") and not k.startswith("admission_")}

    def wait_idle(self):
        deadline = time.monotonic() + WAIT_LIMIT_S
        while left := self.gauges_left():
            assert time.monotonic() < deadline, f"gauges that did not return to 0: {left}"
            time.sleep(0.05)

    def print_log(self, lines=60):
        self._read_log()
        print(f"--- log of the router ({self.process.returncode}) ---")
        for event in self.events[-lines:]:
            print(json.dumps(event))
        for line in self.text[-lines:]:
            print(line.decode(errors="replace").rstrip())
        print(self.stderr_path.read_text(errors="replace")[-20000:])

    # -- memory and descriptors ---------------------------------------------------------

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def memory_bytes(self, field="Private_Dirty"):
        """Return the size of these pages. Private_Dirty: written by this process, and not shared. Rss: all resident."""
        for line in pathlib.Path(f"/proc/{self.pid}/smaps_rollup").read_text().splitlines():
            if line.startswith(field + ":"):
                return int(line.split()[1]) * 1024
        raise AssertionError(f"no {field} in smaps_rollup")

    # -- stop ---------------------------------------------------------------------------

    def stop(self, how=signal.SIGTERM, timeout_s=WAIT_LIMIT_S):
        """Stop the router and require a clean exit: code 0, no sanitizer report."""
        if self.process.poll() is None:
            self.process.send_signal(how)
        try:
            code = self.process.wait(timeout_s)
        finally:
            self.kill()
        self._read_log()
        stderr = self.stderr_path.read_text(errors="replace")
        assert "Sanitizer" not in stderr and "runtime error" not in stderr, stderr[-20000:]
        assert code == 0, f"exit code {code}, standard error: {stderr[-5000:]}"
        # Standard output contains only the log.
        assert not self.text and not self.line, f"no JSON: {self.text[:5]} {self.line}"

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
