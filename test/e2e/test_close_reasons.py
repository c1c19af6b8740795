"""Produce every close reason in the table of include/model/close_reason.h with real connections.

Each producer causes one close, and returns the bytes that the device must have received.
"""

import contextlib
import os
import re
import resource
import signal
import struct

import pytest

import admin
import mqtt
from admin import with_admin
from harness import ROOT, SANITIZED, add_listener, one_cluster, wait_until
from proxy_sender import ssl_tlv, v2
from recorder import HangingPort, RefusingPort

pytestmark = pytest.mark.one_thread

TABLE = ROOT / "include" / "model" / "close_reason.h"
UNAVAILABLE = {4: bytes.fromhex("20020003"), 5: bytes.fromhex("2003008800")}
PRODUCERS = {}


def reasons():
    """Return {reason: closed_by} from the table."""
    rows = re.findall(r'X\(\w+, "(\w+)", (CLIENT|NODE|ROUTER)', TABLE.read_text())
    return {reason: by.lower() for reason, by in rows}


def produces(reason):
    def keep(function):
        PRODUCERS[reason] = function
        return function
    return keep


class Stage:
    """The environment of a producer."""

    def __init__(self, start_router, recording_node, device, certificates, closing):
        self.start_router, self.recording_node = start_router, recording_node
        self.device, self.certificates, self.closing = device, certificates, closing

    def router(self, node, timeouts=None, limits=None, **cluster):
        port = node if isinstance(node, int) else node.port
        config = one_cluster({"n": port}, tls_dir=self.certificates, **cluster)
        config["timeouts"] = {"farewell_ms": 300, **(timeouts or {})}
        config["limits"] = limits or {}
        return self.start_router(config)

    def router_with(self, timeouts=None, **listener):
        """Start a router with an additional listener. Return (router, port)."""
        config = one_cluster({"n": self.recording_node().port})
        config["timeouts"] = {"farewell_ms": 300, **(timeouts or {})}
        router = self.start_router(add_listener(config, "extra", **listener))
        return router, router.ports["extra"]

    def proxied(self, timeouts=None, **listener):
        return self.router_with(timeouts, accept_proxy_protocol=True, trusted_proxies="127.0.0.1",
                           **listener)

    def relayed(self):
        node = self.recording_node()
        router = self.router(node)
        raw = self.device(router)
        raw.connect("dev")
        return router, raw, node.record()


@pytest.fixture
def stage(start_router, recording_node, device, certificates, closing):
    return Stage(start_router, recording_node, device, certificates, closing)


@produces("client_closed")
def _(stage):
    router, raw, _ = stage.relayed()
    raw.close()
    return router


@produces("client_error")
def _(stage):
    router, raw, _ = stage.relayed()
    raw.reset()
    return router


@produces("client_closed_early")
def _(stage):
    router = stage.router(stage.recording_node())
    raw = stage.device(router).send(mqtt.connect("dev")[:-1])
    raw.half_close()
    assert raw.read_to_end() == (b"", "end")
    return router


@produces("node_closed")
def _(stage):
    router, raw, record = stage.relayed()
    record.close()
    assert raw.read_to_end() == (b"", "end")
    raw.close()
    return router


@produces("node_error")
def _(stage):
    router, raw, record = stage.relayed()
    record.reset()
    raw.read_to_end()
    return router


@produces("node_closed_early")
def _(stage):
    node = stage.recording_node(answer=lambda record: record.transport.close())
    router = stage.router(node)
    for version, answer in UNAVAILABLE.items():
        raw = stage.device(router).send(mqtt.connect("dev", version=version))
        assert raw.read_to_end() == (answer, "end")
    return router


@produces("tls_failed")
def _(stage):
    router = stage.router(stage.recording_node())
    raw = stage.closing(mqtt.Device(router.tls_port)).send(mqtt.connect("not-tls"))
    raw.read_to_end()
    end = router.session_end(reason="tls_failed")
    assert end["detail"], end
    return router


@produces("tls_timeout")
def _(stage):
    router = stage.router(stage.recording_node(), timeouts={"tls_handshake_ms": 300})
    raw = stage.closing(mqtt.Device(router.tls_port))
    assert raw.read_to_end() == (b"", "end")
    return router


@produces("connect_refused")
def _(stage):
    router = stage.router(stage.recording_node())
    bad_level = mqtt.connect("dev", version=9)
    raw = stage.device(router).send(bad_level)
    reply, ending = raw.read_to_end()
    assert ending == "end" and reply == bytes.fromhex("2003008400")
    assert router.session_end(reason="connect_refused")["detail"].startswith("protocol_level")
    return router


@produces("connect_timeout")
def _(stage):
    router = stage.router(stage.recording_node(), timeouts={"connect_packet_ms": 300})
    raw = stage.device(router).send(mqtt.connect("dev")[:5])
    assert raw.read_to_end() == (b"", "end")
    return router


@produces("client_id_refused")
def _(stage):
    router = stage.router(stage.recording_node(), empty_client_id="refuse")
    raw = stage.device(router).send(mqtt.connect(""))
    assert raw.read_to_end() == (bytes.fromhex("20020002"), "end")
    return router


@produces("no_node")
def _(stage):
    router = stage.router(stage.closing(RefusingPort()))
    for version, answer in UNAVAILABLE.items():
        raw = stage.device(router).send(mqtt.connect("dev", version=version))
        assert raw.read_to_end() == (answer, "end")
    return router


@produces("placement_timeout")
def _(stage):
    router = stage.router(stage.closing(HangingPort()),
                          timeouts={"dial_ms": 5000, "placement_ms": 400})
    for version, answer in UNAVAILABLE.items():
        raw = stage.device(router).send(mqtt.connect("dev", version=version))
        assert raw.read_to_end() == (answer, "end")
    return router


@produces("connack_timeout")
def _(stage):
    router = stage.router(stage.recording_node(answer=None), timeouts={"connack_ms": 300})
    for version, answer in UNAVAILABLE.items():
        raw = stage.device(router).send(mqtt.connect("dev", version=version))
        assert raw.read_to_end() == (answer, "end")
    return router


@produces("listener_full")
def _(stage):
    router, port = stage.router_with(max_connections=1)
    stage.closing(mqtt.Device(port)).connect("first")
    raw = stage.closing(mqtt.Device(port))
    assert raw.read_to_end() == (b"", "end")
    return router


@produces("source_denied")
def _(stage):
    router, port = stage.router_with(deny="127.0.0.1")
    raw = stage.closing(mqtt.Device(port))
    assert raw.read_to_end() == (b"", "end")
    return router


@produces("source_connections")
def _(stage):
    router = stage.router(stage.recording_node(), limits={"per_source": {"max_connections": 1}})
    stage.device(router).connect("first")
    assert stage.device(router).read_to_end() == (b"", "end")
    return router


@produces("source_rate")
def _(stage):
    per_source = {"max_connects_per_s": 1, "burst": 1}
    router = stage.router(stage.recording_node(), limits={"per_source": per_source})
    stage.device(router).connect("first")

    def one_is_refused():
        raw = stage.device(router)
        with contextlib.suppress(ConnectionResetError, BrokenPipeError):
            raw.send(mqtt.connect("dev"))
            return raw.socket.recv(4) == b""
        return True
    wait_until(one_is_refused, "one connection to be refused")
    return router


@produces("flapping")
def _(stage):
    flapping = {"max_connects": 2, "window_ms": 3600000, "refuse": True}
    router = stage.router(stage.recording_node(), limits={"flapping": flapping})
    for _ in range(3):
        stage.device(router).connect("dev")
    router.wait_event("client_id.flapping")
    for version, answer in ((4, "20020003"), (5, "2003009f00")):
        raw = stage.device(router).send(mqtt.connect("dev", version=version))
        assert raw.read_to_end() == (bytes.fromhex(answer), "end")
    return router


@produces("relay_memory")
def _(stage):
    limits = {"relay_memory_bytes": 16384, "relay_buffer_bytes": 1024}
    router = stage.router(stage.recording_node(), limits=limits)
    raw = stage.device(router)
    raw.send(mqtt.connect("dev", will=("t", b"w" * 20000, 0, False))[:-1])
    assert raw.read_to_end() == (bytes.fromhex("20020003"), "end")
    return router


@produces("idle_timeout")
def _(stage):
    node = stage.recording_node()
    router = stage.router(node, timeouts={"idle_ms": 1000})
    raw = stage.device(router)
    raw.connect("dev", keep_alive_s=0)
    assert raw.read_to_end() == (b"", "end")
    raw.close()
    return router


@produces("max_connections")
def _(stage):
    router = stage.router(stage.recording_node(), limits={"max_connections": 3})
    for i in range(3):
        stage.device(router).connect(f"dev-{i}")
    assert stage.device(router).read_to_end()[0] == b""
    return router


@produces("out_of_memory")
def _(stage):
    """If no memory can be mapped, a session whose CONNECT needs a buffer is closed."""
    if SANITIZED:
        pytest.skip("sanitizers do not work with a memory limit")
    config = one_cluster({"n": stage.recording_node().port})
    config["workers"] = 1
    config["limits"] = {"connect_max_bytes": 1 << 20}
    router = stage.start_router(config)
    # Let the arrays of the event loop grow first: while it uses its memory reserve, no client is
    # accepted.
    for raw in [stage.device(router) for _ in range(100)]:
        raw.close()
    router.session_end(count=100)
    used = int(open(f"/proc/{router.pid}/statm", encoding="ascii").read().split()[0])
    resource.prlimit(router.pid, resource.RLIMIT_AS,
                     (used * resource.getpagesize(), resource.RLIM_INFINITY))
    raws = []
    try:
        # Each CONNECT lacks its last byte, so that the router keeps its megabyte, until the 64 MiB
        # are full that the C library has reserved for the thread.
        pair = b"\x26" + 2 * mqtt.text("p" * 60_000)
        connect = mqtt.connect("dev", version=5, properties=8 * pair)
        for _ in range(90):
            raws.append(stage.device(router))
            try:
                raws[-1].send(connect[:-1])
            except (ConnectionResetError, BrokenPipeError):
                break  # already closed for lack of memory
        router.session_end(reason="out_of_memory")
    finally:
        resource.prlimit(router.pid, resource.RLIMIT_AS,
                         (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    for raw in raws:
        raw.close()
    return router


@produces("proxy_untrusted")
def _(stage):
    router, port = stage.proxied()
    raw = stage.closing(mqtt.Device(port, source="127.0.0.2"))
    assert raw.read_to_end()[0] == b""
    return router


@produces("proxy_refused")
def _(stage):
    router, port = stage.proxied()
    raw = stage.closing(mqtt.Device(port)).send(mqtt.connect("no-header"))
    assert raw.read_to_end()[0] == b""
    assert router.session_end(reason="proxy_refused")["detail"]
    return router


@produces("proxy_timeout")
def _(stage):
    router, port = stage.proxied(timeouts={"proxy_header_ms": 300})
    raw = stage.closing(mqtt.Device(port, before=b"PROXY TCP4"))
    assert raw.read_to_end()[0] == b""
    return router


@produces("websocket_refused")
def _(stage):
    router, port = stage.router_with(websocket={})
    raw = stage.closing(mqtt.Device(port)).send(
        b"GET /elsewhere HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n\r\n")
    assert raw.read_to_end()[0].startswith(b"HTTP/1.1 404 ")
    assert "404" in router.session_end(reason="websocket_refused")["detail"]
    return router


@produces("http_probe")
def _(stage):
    router, port = stage.router_with(websocket={})
    raw = stage.closing(mqtt.Device(port)).send(b"GET /mqtt HTTP/1.1\r\nHost: x\r\n\r\n")
    assert raw.read_to_end()[0].startswith(b"HTTP/1.1 426 ")
    return router


@produces("websocket_timeout")
def _(stage):
    router, port = stage.router_with(timeouts={"websocket_upgrade_ms": 300}, websocket={})
    raw = stage.closing(mqtt.Device(port)).send(b"GET /mqtt HTTP/1.1\r\n")
    raw.read_to_end()
    return router


@produces("identity_refused")
def _(stage):
    router, port = stage.proxied(identity={})
    for version, answer in ((4, "20020005"), (5, "2003008700")):
        raw = stage.closing(mqtt.Device(port, before=v2(tlvs=ssl_tlv(b"device-7"))))
        raw.send(mqtt.connect("device-8", version=version))
        assert raw.read_to_end() == (bytes.fromhex(answer), "end")
    assert "device-7" in router.session_end(reason="identity_refused")["detail"]
    return router


@produces("local_limit")
def _(stage):
    """The device is accepted, but no descriptor is left for the connection to its node."""
    router = stage.router(stage.recording_node())
    connect = mqtt.connect("dev")
    raw = stage.device(router).send(connect[:-1])
    wait_until(lambda: router.gauges()["sessions_connect"] == 1, "the session to be counted")
    _, hard = resource.prlimit(router.pid, resource.RLIMIT_NOFILE)
    used = set(map(int, os.listdir(f"/proc/{router.pid}/fd")))
    lowest_free = min(set(range(len(used) + 1)) - used)
    resource.prlimit(router.pid, resource.RLIMIT_NOFILE, (lowest_free, hard))
    try:
        raw.send(connect[-1:])
        assert raw.read_to_end() == (bytes.fromhex("20020003"), "end")
        assert router.session_end(reason="local_limit")["detail"]
    finally:
        resource.prlimit(router.pid, resource.RLIMIT_NOFILE, (hard, hard))
    return router


@produces("shutdown")
def _(stage):
    router, raw, _ = stage.relayed()
    router.process.send_signal(signal.SIGTERM)
    assert raw.read_to_end()[0] == b""
    raw.close()
    router.session_end(reason="shutdown")
    router.stop()
    return router


@produces("nodes_full")
def _(stage):
    router = stage.router(stage.recording_node(), node_defaults={"max_connections": 1})
    stage.device(router).connect("first")
    for version, answer in ((4, bytes.fromhex("20020003")), (5, bytes.fromhex("2003008900"))):
        raw = stage.device(router).send(mqtt.connect("dev", version=version))
        assert raw.read_to_end() == (answer, "end")
    return router


def two_nodes(stage, **cluster):
    """Return (router, a device, its node, the configuration)."""
    nodes = {name: stage.recording_node() for name in ("n1", "n2")}
    config = one_cluster({name: node.port for name, node in nodes.items()}, **cluster)
    config["timeouts"] = {"farewell_ms": 300}
    router = stage.start_router(config)
    raw = stage.device(router)
    raw.connect("dev")
    placed = router.wait_event("session.placed", client_id="dev")
    return router, raw, placed["node"], config


def override(router, config, name, state):
    for node in config["clusters"][0]["nodes"]:
        if node["name"] == name:
            node["state"] = state
    router.reload(config)


@produces("node_drained")
def _(stage):
    router, raw, name, config = two_nodes(stage)
    override(router, config, name, "draining")
    assert raw.read_to_end() == (b"", "end")
    return router


@produces("node_down")
def _(stage):
    router, raw, name, config = two_nodes(stage, on_node_down="close")
    override(router, config, name, "down")
    assert raw.read_to_end() == (b"", "end")
    return router


@produces("homecoming")
def _(stage):
    router, raw, name, config = two_nodes(stage, homecoming={"after_ms": 1000},
                                          on_node_down="close")
    override(router, config, name, "down")
    assert raw.read_to_end() == (b"", "end")
    raw = stage.device(router)
    raw.connect("dev")
    override(router, config, name, "up")
    assert raw.read_to_end() == (b"", "end")
    return router


@produces("disconnected")
def _(stage):
    router = stage.start_router(with_admin(one_cluster({"n": stage.recording_node().port})))
    raw = stage.device(router)
    raw.connect("dev")
    [found] = admin.get(router, "/api/v1/sessions", client_id="dev")["sessions"]
    admin.post(router, f"/api/v1/sessions/{found['id']}/disconnect")
    assert raw.read_to_end() == (b"", "end")
    return router


def test_every_close_reason_has_a_test_that_produces_it():
    assert set(PRODUCERS) == set(reasons())


@pytest.mark.sanitized
@pytest.mark.parametrize("reason", sorted(reasons()))
def test_close_reason_is_produced_and_logged(stage, reason):
    router = PRODUCERS[reason](stage)
    end = router.session_end(reason=reason)
    assert end["closed_by"] == reasons()[reason]


@pytest.mark.sanitized
def test_a_refusal_arrives_although_much_was_pipelined_after_the_connect(stage):
    """If the router closed with unread input, the kernel would send RST, and the CONNACK would be lost.

    16 MiB do not fit into socket buffers, so the router has to continue reading.
    """
    router = stage.router(stage.closing(RefusingPort()), timeouts={"farewell_ms": 10_000})
    pipelined = mqtt.publish("t", bytes((1 << 20) - 5)) * 16
    raws = []
    for version, answer in UNAVAILABLE.items():
        raws.append(stage.device(router).send(mqtt.connect("dev", version=version) + pipelined))
        assert raws[-1].read_to_end() == (answer, "end")
    bad = mqtt.connect("dev", version=5, properties=b"\x7f")  # an unknown property
    raws.append(stage.device(router).send(bad + pipelined))
    reply, ending = raws[-1].read_to_end()
    assert (reply[:3], len(reply), ending) == (bytes.fromhex("200300"), 5, "end")
    assert router.gauges()["sessions_farewell"] == 3, "the router waits for the devices to close"
    for raw in raws:
        raw.close()
    router.session_end(reason="connect_refused")


@pytest.mark.sanitized
def test_a_refusal_over_tls_arrives_and_ends_with_close_notify(stage):
    router = stage.router(stage.closing(RefusingPort()))
    raw = stage.device(router, tls=mqtt.tls_context(stage.certificates))
    raw.send(mqtt.connect("dev", version=5) + mqtt.publish("t", bytes(30_000)))
    assert raw.read_to_end() == (UNAVAILABLE[5], "end")


@pytest.mark.sanitized
def test_a_client_with_a_packet_limit_below_5_bytes_is_closed_without_connack(stage):
    router = stage.router(stage.closing(RefusingPort()))
    for size, answer in ((4, b""), (5, UNAVAILABLE[5])):
        maximum = b"\x27" + struct.pack(">I", size)
        raw = stage.device(router).send(mqtt.connect("dev", version=5, properties=maximum))
        assert raw.read_to_end() == (answer, "end")


@pytest.mark.sanitized
def test_a_device_that_never_reads_its_refusal_is_closed(stage):
    router = stage.router(stage.closing(RefusingPort()), timeouts={"farewell_ms": 300})
    raw = stage.device(router).send(mqtt.connect("dev"))
    router.session_end(reason="no_node")  # although the device neither reads nor closes
    wait_until(lambda: router.gauges()["sessions"] == 0, "the session to end")
    assert raw.read_to_end()[0] == UNAVAILABLE[4], "the CONNACK was sent nevertheless"
