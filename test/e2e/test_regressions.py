"""Regression tests for bugs found in reviews."""

import json
import os
import re
import resource
import select
import signal
import socket
import subprocess
import time

import pytest

import mqtt
from harness import BINARY, WAIT_LIMIT_S, one_cluster, wait_until
from recorder import HangingPort

pytestmark = pytest.mark.sanitized


class Drained:
    """A node with a full accept queue. It records everything that it reads after it accepts."""

    def __init__(self):
        self.hanging = HangingPort()
        self.port = self.hanging.port
        self.accepted = []
        self.reading = []  # connections that are still open

    def drain(self, until):
        """Accept and read everything until these bytes have arrived and nothing has followed for
        1.5 s: a SYN is retransmitted after 1 s."""
        got, last = b"", time.monotonic()
        deadline = last + WAIT_LIMIT_S
        for filler in self.hanging.fillers:
            filler.close()
        while until not in got or time.monotonic() < last + 1.5:
            assert time.monotonic() < deadline, got
            ready, _, _ = select.select([self.hanging.socket, *self.reading], [], [], 0.1)
            for raw in ready:
                last = time.monotonic()
                got += self._read(raw)
        return got

    def _read(self, raw):
        if raw is self.hanging.socket:
            self.accepted.append(raw.accept()[0])
            self.reading.append(self.accepted[-1])
            return b""
        try:
            chunk = raw.recv(65536)
        except ConnectionResetError:
            chunk = b""
        if not chunk:
            self.reading.remove(raw)
        return chunk

    def close(self):
        for raw in self.accepted:
            raw.close()
        self.hanging.close()


def test_a_device_that_resets_during_the_dial_reaches_no_node(
        start_router, device, closing):
    node = closing(Drained())
    config = one_cluster({"n": node.port})
    config["timeouts"] = {"dial_ms": 60_000, "placement_ms": 61_000}
    router = start_router(config)
    raw = device(router).send(mqtt.connect("gone"))
    stays = device(router).send(mqtt.connect("stays"))
    wait_until(lambda: router.gauges()["sessions_dial"] == 2, "both dials")
    raw.reset()
    got = node.drain(until=b"stays")
    assert b"gone" not in got
    stays.close()
    end = router.session_end(client_id="gone")
    assert end["reason"] in ("client_error", "client_closed", "client_closed_early"), end


def test_a_device_that_ignores_the_close_of_its_node_is_closed(
        start_router, recording_node, device):
    node = recording_node()
    config = one_cluster({"n": node.port})
    config["timeouts"] = {"half_closed_ms": 6000}
    router = start_router(config)
    raw = device(router)
    raw.connect("deaf")
    assert router.gauges()["node n"] == 1
    node.record().close()
    wait_until(lambda: router.gauges()["node n"] == 0, "the session not to count for the node")
    assert not router.find("session.end"), "the device may still send"
    end = router.session_end(client_id="deaf")
    assert end["reason"] == "node_closed"
    assert end["ms_total"] >= 5900
    assert raw.read_to_end()[0] == b""


def test_a_connack_in_pieces_is_parsed_and_its_keep_alive_used(
        start_router, recording_node, device):
    # CONNACK 5.0 with Server Keep Alive 1: the idle time is 1.5 s and 30 s, not the two hours of 0.
    connack = bytes.fromhex("2006000003130001")
    node = recording_node(answer=lambda record: b"" if record.mqtt else None)
    router = start_router(one_cluster({"n": node.port}))
    raw = device(router).send(mqtt.connect("patient", version=5, keep_alive_s=0))
    record = node.wait_mqtt(mqtt.connect("patient", version=5, keep_alive_s=0))
    for byte in connack:
        record.write(bytes([byte]))
    # The router keeps the CONNACK until it is complete, because it could be a refusal that causes a
    # replay.
    assert raw.read(len(connack)) == connack
    raw.close()
    end = router.session_end(client_id="patient")
    assert end["connack_code"] == 0 and end["session_present"] is False


def test_repeated_sigterms_do_not_delay_the_exit(start_router, recording_node, device):
    config = one_cluster({"n": recording_node().port})
    config["timeouts"] = {"shutdown_ms": 1000, "farewell_ms": 300}
    router = start_router(config)
    raws = [device(router) for _ in range(5)]
    for i, raw in enumerate(raws):
        raw.connect(f"dev-{i}")
    router.process.send_signal(signal.SIGTERM)
    router.wait_event("router.stopping")

    def has_ended():
        """If each signal restarted the drain, it would never end."""
        router.process.send_signal(signal.SIGTERM)
        return router.process.poll() is not None
    wait_until(has_ended, "the router to exit")
    assert len(router.find("session.end", reason="shutdown")) == 5
    router.stop()


@pytest.mark.parametrize("closed", ((0,), (1,), (0, 1), (0, 1, 2)), ids=str)
def test_with_a_closed_standard_stream_no_log_line_goes_to_a_socket(
        recording_node, tmp_path, closed):
    node = recording_node()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    path = tmp_path / "config.json"
    path.write_text(json.dumps(one_cluster({"n": node.port}, address=f"127.0.0.1:{port}")))

    def close():
        for fd in closed:
            os.close(fd)
    process = subprocess.Popen([BINARY, "--config", str(path)], stdin=subprocess.DEVNULL,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, preexec_fn=close)
    try:
        def answers():
            assert process.poll() is None, "the router exited"
            with socket.socket() as s:
                return s.connect_ex(("127.0.0.1", port)) == 0
        wait_until(answers, "the router to listen")
        for fd in closed:
            target = os.readlink(f"/proc/{process.pid}/fd/{fd}")
            assert target == "/dev/null", (fd, target)
        with mqtt.Device(port) as raw:
            assert raw.connect("dev") == (0, 0)
            node.wait_mqtt(mqtt.connect("dev"))
            raw.half_close()
            assert raw.read_to_end() == (b"", "end"), "no log line was sent"
    finally:
        process.terminate()
        assert process.wait(WAIT_LIMIT_S) == 0
    assert node.record().mqtt == mqtt.connect("dev")


@pytest.mark.parametrize("version, answer", ((4, "20020003"), (5, "2003008900")))
def test_a_dial_without_a_free_descriptor_does_not_count_against_the_node(
        start_router, recording_node, device, version, answer):
    router = start_router(one_cluster({"n": recording_node().port}))
    raw = device(router)
    raw.send(mqtt.connect("dev", version=version)[:-1])
    wait_until(lambda: router.gauges()["sessions_connect"] == 1, "the session to be counted")
    _, hard = resource.prlimit(router.pid, resource.RLIMIT_NOFILE)
    taken = max(map(int, os.listdir(f"/proc/{router.pid}/fd"))) + 1
    resource.prlimit(router.pid, resource.RLIMIT_NOFILE, (lowest_free(router, taken), hard))
    try:
        raw.send(mqtt.connect("dev", version=version)[-1:])
        assert raw.read_to_end() == (bytes.fromhex(answer), "end")
        end = router.session_end(reason="local_limit")
        assert re.search("descriptor|open files", end["detail"]), end
    finally:
        resource.prlimit(router.pid, resource.RLIMIT_NOFILE, (hard, hard))
    assert device(router).connect("afterwards") == (0, 0)


def lowest_free(router, above):
    """Return the smallest unused descriptor number, the limit at which no descriptor is free."""
    used = set(map(int, os.listdir(f"/proc/{router.pid}/fd")))
    return next(fd for fd in range(above + 1) if fd not in used)
