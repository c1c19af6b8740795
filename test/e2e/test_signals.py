"""SIGTERM closes sessions at a limited rate, SIGINT immediately. Connections are shared among the workers."""

import os
import signal
import socket

import pytest

import mqtt
from harness import WAIT_LIMIT_S, one_cluster, wait_until

pytestmark = pytest.mark.sanitized

LONG_MS = 10_000 * WAIT_LIMIT_S  # longer than stop() waits


def start(start_router, node, shutdown_ms=2000, **top):
    config = one_cluster({"n": node.port})
    config["timeouts"] = {"shutdown_ms": shutdown_ms}
    config.update(top)
    return start_router(config)


def test_sigterm_refuses_new_devices_and_closes_the_others_at_a_limited_rate(
        start_router, recording_node, device):
    router = start(start_router, recording_node())
    raws = [device(router) for _ in range(40)]
    for i, raw in enumerate(raws):
        raw.connect(f"dev-{i}")
    router.process.send_signal(signal.SIGTERM)
    ends = []
    for raw in raws:
        raw.read_to_end()
        raw.close()
    router.stop()
    ends = [e["time"] for e in router.find("session.end", reason="shutdown")]
    assert len(ends) == 40
    seconds = [float(t[17:-1]) for t in ends]
    spread = (max(seconds) - min(seconds)) % 60
    assert spread > 0.5, f"40 devices within {spread} s are too fast"


def test_no_device_is_accepted_while_the_router_drains(start_router, recording_node, device):
    router = start(start_router, recording_node(), shutdown_ms=3000)
    raws = [device(router) for _ in range(10)]
    for i, raw in enumerate(raws):
        raw.connect(f"dev-{i}")
    router.process.send_signal(signal.SIGTERM)

    def refused():
        with socket.socket() as s:
            return s.connect_ex(("127.0.0.1", router.port)) != 0
    wait_until(refused, "the listener to close")
    assert router.process.poll() is None, "established sessions are still served"
    for raw in raws:
        raw.close()
    router.stop()


def test_sigterm_without_devices_exits_immediately(start_router, recording_node):
    router = start(start_router, recording_node(), shutdown_ms=LONG_MS)
    router.stop()


@pytest.mark.parametrize("how", (signal.SIGINT, signal.SIGTERM))
def test_a_second_signal_or_sigint_exits_immediately(start_router, recording_node, device, how):
    router = start(start_router, recording_node(), shutdown_ms=LONG_MS)
    for i in range(20):
        device(router).connect(f"dev-{i}")
    if how == signal.SIGTERM:
        router.process.send_signal(signal.SIGTERM)
        router.wait_event("session.end")
    router.stop(signal.SIGINT)
    assert len(router.find("session.end")) == 20, "each session still has its line"


def test_sigterm_in_every_stage_exits_cleanly(
        start_router, recording_node, device, closing, certificates):
    """Start sessions that are in the stages of TLS handshake, CONNECT, CONNACK and relay."""
    mute = recording_node(answer=lambda record: None if b"mute" in record.data else
                          bytes.fromhex("20020000"))
    config = one_cluster({"n": mute.port}, tls_dir=certificates)
    config["timeouts"] = {"shutdown_ms": 500}
    router = start_router(config)
    closing(mqtt.Device(router.tls_port))
    device(router).send(mqtt.connect("half")[:7])
    waiting = device(router).send(mqtt.connect("mute", version=5))
    mute.record()
    device(router).connect("relayed")
    router.process.send_signal(signal.SIGTERM)
    reply, _ = waiting.read_to_end()
    assert reply in (b"", bytes.fromhex("2003008800"))
    router.stop()
    assert len(router.find("session.end")) == 4


def test_sigpipe_and_sighup_do_not_kill(start_router, recording_node, device):
    router = start(start_router, recording_node())
    router.process.send_signal(signal.SIGPIPE)
    raw = device(router)
    raw.connect("dev")
    assert router.gauges()["sessions"] == 1


def test_four_workers_share_the_connections(start_router, recording_node, device):
    node = recording_node()
    router = start(start_router, node, workers=4)
    raws = [device(router) for _ in range(200)]
    for i, raw in enumerate(raws):
        raw.connect(f"dev-{i}")
    assert router.gauges()["sessions"] == 200
    # SO_REUSEPORT hashes addresses and ports, so each worker's epoll gets a share.
    loops = worker_descriptors(router)
    assert len([n for n in loops if n >= 20]) == 4, loops
    for raw in raws:
        raw.close()
    router.wait_idle()


def worker_descriptors(router):
    """Return the number of descriptors of each epoll instance of the process."""
    counts = []
    for fd in os.listdir(f"/proc/{router.pid}/fd"):
        try:
            if os.readlink(f"/proc/{router.pid}/fd/{fd}") == "anon_inode:[eventpoll]":
                info = open(f"/proc/{router.pid}/fdinfo/{fd}", encoding="ascii").read()
                counts.append(info.count("tfd:"))
        except OSError:
            continue
    return counts
