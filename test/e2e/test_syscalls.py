"""Count the system calls of a message and of a session with strace."""

import collections
import re
import signal
import subprocess

import pytest

import harness
import mqtt
from harness import one_cluster, wait_until

pytestmark = pytest.mark.skipif(harness.SANITIZED, reason="sanitizers make calls of their own")
MESSAGES = 500
READS = {"read", "recvfrom", "recvmsg", "readv"}
WRITES = {"write", "sendto", "sendmsg", "writev"}


class Strace:
    """An strace that is attached to a router and counts the calls of the worker threads.

    The main thread's calls (health checks, file watcher, timers) depend on how long a test takes.
    """

    def __init__(self, router, path):
        self.path = path
        self.main_thread = router.pid
        self.process = subprocess.Popen(
            ["strace", "-f", "-o", str(path), "-p", str(router.pid)], stderr=subprocess.PIPE, text=True)
        line = self.process.stderr.readline()
        assert "attached" in line, line

    def calls(self):
        self.process.send_signal(signal.SIGINT)
        self.process.wait(10)
        found = []
        for line in self.path.read_text(errors="replace").splitlines():
            match = re.match(r"(\d+) +(?:<\.\.\. )?(\w+)(?:\(| resumed)", line)
            if match and "unfinished" not in line and int(match.group(1)) != self.main_thread:
                found.append((match.group(2), line))
        return found


def best_round(measure, check, rounds=3):
    """Repeat a measurement until check() accepts it. If every attempt fails, raise the last failure.

    On a busy machine, bytes can arrive in several pieces, each of which needs further calls.
    """
    for left in reversed(range(rounds)):
        result = measure()
        try:
            return check(result)
        except AssertionError:
            if left == 0:
                raise


@pytest.fixture
def traced(start_router, recording_node, device, certificates, tmp_path):
    def make(transport="tcp"):
        node = recording_node(echo_after=0)
        config = one_cluster({"n": node.port}, tls_dir=certificates)
        config["workers"] = 1
        router = start_router(config)
        raw = device(router, tls=mqtt.tls_context(certificates) if transport == "tls" else None)
        raw.send(mqtt.connect("dev"))
        raw.packet()
        raw.read(len(node.record().data))  # skip the echo of the header and the CONNECT
        return router, raw, node
    return make


@pytest.mark.parametrize("transport", ("tcp", "tls"))
def test_a_relayed_message_costs_one_read_and_one_write(traced, tmp_path, transport, capsys):
    router, raw, _ = traced(transport)
    message = mqtt.publish("t", bytes(100))

    def measure():
        strace = Strace(router, tmp_path / "trace")
        for _ in range(MESSAGES):  # one in each direction
            raw.send(message)
            assert raw.read(len(message)) == message
        return collections.Counter(name for name, _ in strace.calls())

    def check(calls):
        relayed = 2 * MESSAGES
        reads = sum(calls[name] for name in READS) / relayed
        writes = sum(calls[name] for name in WRITES) / relayed
        waits = (calls["epoll_wait"] + calls["epoll_pwait"]) / relayed
        with capsys.disabled():
            print(f"\na message over {transport}: {reads:.2f} reads, {writes:.2f} writes, "
                  f"{waits:.2f} epoll_wait; all calls: {dict(calls)}")
        assert reads <= 1.02
        assert writes <= 1.02
        assert waits <= 1.05
        other = sum(calls.values()) / relayed - reads - writes - waits
        assert other <= 0.05, calls
        assert calls["splice"] == 0

    best_round(measure, check)


@pytest.mark.parametrize("transport, spliced", (("tcp", True), ("tls", False)))
def test_bulk_between_sockets_is_spliced(traced, tmp_path, capsys, transport, spliced):
    router, raw, _ = traced(transport)
    strace = Strace(router, tmp_path / "trace")
    data = bytes(8 << 20)
    raw.send(data)  # the node buffers bytes that the device has not read yet
    assert raw.read(len(data)) == data
    calls = collections.Counter(name for name, _ in strace.calls())
    with capsys.disabled():
        print(f"\n8 MiB and back over {transport}: {dict(calls)}")
    # Both directions, and for each block one call into the pipe and one out of it. If a sender
    # pauses or a receiver is full, some blocks are copied.
    blocks = 2 * len(data) / 16384
    assert calls["splice"] == 0 if not spliced else calls["splice"] > 1.2 * blocks
    if spliced:
        assert sum(calls[name] for name in READS) < 0.4 * blocks
        assert calls["splice"] + sum(calls[name] for name in READS | WRITES) < 2.5 * blocks
    assert calls["pipe2"] == 0


def test_header_and_connect_are_sent_in_one_call(start_router, recording_node, device, tmp_path):
    node = recording_node()
    config = one_cluster({"n": node.port})
    config["workers"] = 1
    router = start_router(config)
    strace = Strace(router, tmp_path / "trace")
    connect = mqtt.connect("dev")
    device(router).send(connect).packet()
    record = node.wait_mqtt(connect)
    total = len(record.data)
    calls = wait_until(strace.calls, "the trace")
    sent = [line for name, line in calls if name in WRITES and line.endswith(f"= {total}")]
    assert len(sent) == 1, [line for name, line in calls if name in WRITES]


CYCLES = 200
# The calls that a device that connects and leaves requires: two sockets created, watched and
# closed, and each byte read and written once; the reads of two EOFs, and the FIN before a close.
# libev needs two epoll_ctl(): for an EOF that is not waited for, and for EPOLLHUP.
LEAST = {"accept4": 1, "socket": 1, "connect": 1, "setsockopt": 1, "epoll_ctl": 5, "reads": 5,
         "writes": 3, "shutdown": 1, "close": 2}
# TLS 1.3 adds: reads of ClientHello and Finished, perhaps before the CONNECT; writes of the router's
# flight, the ticket and close_notify; one check whether the client still waits for its handshake;
# one more epoll_ctl() if its EOF arrives while the node's is waited for. OpenSSL's random generators
# call getpid() each time, to detect a fork.
LEAST_TLS = {**LEAST, "reads": 7, "writes": 6, "poll": 1, "epoll_ctl": 6, "getpid": 6}


@pytest.mark.parametrize("transport, least", (("tcp", LEAST), ("tls", LEAST_TLS)))
def test_a_short_session_costs_the_expected_calls(
        start_router, recording_node, device, certificates, tmp_path, capsys, transport, least):
    node = recording_node()
    config = one_cluster({"n": node.port}, tls_dir=certificates)
    config.update(workers=1, log={"level": "notice"})
    router = start_router(config)

    def measure():
        known = len(node.records)
        strace = Strace(router, tmp_path / "trace")
        for i in range(CYCLES):
            raw = device(router, tls=mqtt.tls_context(certificates) if transport == "tls" else None)
            raw.connect(f"dev-{i}")
            raw.send(mqtt.DISCONNECT)
            raw.close()
        wait_until(lambda: len(node.records) == known + CYCLES and all(r.closed for r in node.records), "all")
        return strace.calls()

    def check(lines):
        calls = collections.Counter(
            "reads" if name in READS else "writes" if name in WRITES else name for name, _ in lines)
        each = {name: n / CYCLES for name, n in calls.items() if n / CYCLES > 0.05}
        with capsys.disabled():
            print(f"\na short session over {transport}: {sum(each.values()):.2f} calls: {each}")
        for name, n in each.items():
            if name != "epoll_wait":
                assert n <= least.get(name, 0) + 0.2, name
        # A FIN waits for nothing but close_notify; and no ACK is delayed (setsockopt above), nor the
        # ticket that carries one: a client without TCP_NODELAY would wait 40 ms for it.
        held = sum("MSG_MORE" in line for _, line in lines) / CYCLES
        assert abs(held - (transport == "tls")) < 0.1, held

    best_round(measure, check)
