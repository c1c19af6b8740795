"""Measure the additional cost of WebSocket per session and per message (release build only)."""

import collections

import pytest

import harness
import mqtt
from harness import add_listener, one_cluster, wait_until
from nodes import Mosquitto
from test_syscalls import READS, WRITES, Strace, best_round
from websocket import WsDevice

pytestmark = pytest.mark.skipif(harness.SANITIZED, reason="figures of sanitizer builds are meaningless")
DEVICES = 2_000
MORE_THAN_PLAIN_MAX = 2 * 1024
MESSAGES = 500


def config(port, certificates, **cluster):
    made = one_cluster({"n": port}, tls_dir=certificates, **cluster)
    made["workers"] = 1
    add_listener(made, "ws", websocket={})
    return add_listener(made, "wss", tls_dir=certificates, websocket={})


def connect_many(open_device, count):
    raws = []
    for start in range(0, count, 100):
        batch = [open_device() for _ in range(start, min(count, start + 100))]
        for i, raw in enumerate(batch):
            raw.send(mqtt.connect(f"dev-{start + i}", keep_alive_s=600))
        for raw in batch:
            assert raw.packet()[1] == bytes.fromhex("20020000")
        raws += batch
    return raws


def leave(router, raws):
    for raw in raws:
        raw.close()
    router.wait_idle()


@pytest.mark.scale
@pytest.mark.parametrize("secure", (False, True), ids=("ws", "wss"))
def test_an_idle_websocket_session_costs_under_2_kib_more_than_a_plain_one(
        start_router, closing, certificates, capsys, secure):
    node = closing(Mosquitto("ws-scale"))
    tls = mqtt.tls_context(certificates) if secure else None
    each = {}
    listeners = ("mqtts", "wss") if secure else ("mqtt", "ws")
    for kind, listener in zip((mqtt.Device, WsDevice), listeners):
        # Start a router for each case, because a second wave would reuse the heap of the first one.
        router = start_router({**config(node.port, certificates, proxy_protocol="none"),
                               "log": {"level": "info", "format": "json"}})
        leave(router, connect_many(lambda: kind(router.ports[listener], tls=tls), 50))
        before = router.memory_bytes()
        raws = connect_many(lambda: kind(router.ports[listener], tls=tls), DEVICES)
        wait_until(lambda: router.gauges()["sessions"] == DEVICES, "all sessions to be established")
        each[kind] = (router.memory_bytes() - before) / DEVICES
        for raw in raws:
            raw.send(mqtt.PING)
        for raw in raws:
            assert raw.packet()[0] == mqtt.PINGRESP
        leave(router, raws)
        router.stop()
    more = each[WsDevice] - each[mqtt.Device]
    with capsys.disabled():
        print(f"\n{DEVICES} {listener} sessions: {each[WsDevice]:.0f} bytes each "
              f"when idle, {more:.0f} more than without WebSocket (Private_Dirty)")
    assert more < MORE_THAN_PLAIN_MAX


@pytest.mark.parametrize("transport", ("ws", "wss"))
def test_a_relayed_message_costs_two_calls_each_way(
        start_router, recording_node, closing, certificates, tmp_path, capsys, transport):
    node = recording_node(echo_after=0)
    router = start_router(config(node.port, certificates))
    tls = mqtt.tls_context(certificates) if transport == "wss" else None
    raw = closing(WsDevice(router.ports[transport], tls=tls))
    raw.send(mqtt.connect("dev"))
    raw.packet()
    raw.read(len(node.record().data))  # the echo of header and CONNECT
    message = mqtt.publish("t", bytes(100))

    def measure():
        strace = Strace(router, tmp_path / "trace")
        for _ in range(MESSAGES):  # one there, one back
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
        assert sum(calls.values()) / relayed - waits <= 2.05
        assert waits <= 1.05

    best_round(measure, check)
