"""Each stage has its deadline, and no deadline closes a device that behaves correctly."""

import socket
import ssl
import time

import pytest

import mqtt
from harness import WAIT_LIMIT_S, one_cluster

pytestmark = pytest.mark.sanitized
IDLE_MS = 4000  # a test that sends every 0.2 s is never silent for that long, even on a slow machine


def start(start_router, node, certificates=None, **timeouts):
    config = one_cluster({"n": node.port}, tls_dir=certificates)
    config["timeouts"] = timeouts
    return start_router(config)


def seconds_to_end(raw):
    started = time.monotonic()
    raw.read_to_end()
    return time.monotonic() - started


def test_connect_packet_ms_counts_from_accept_not_from_the_last_byte(
        start_router, recording_node, device):
    router = start(start_router, recording_node(), connect_packet_ms=800)
    raw = device(router)
    started = time.monotonic()
    raw.socket.settimeout(0.1)
    data = mqtt.connect("slow-" + "x" * 500)
    reply = None
    for byte in data:
        try:
            raw.send(bytes([byte]))
            reply = raw.socket.recv(10)
            break
        except TimeoutError:
            continue
        except OSError:
            reply = b""
            break
    assert reply == b"" and time.monotonic() - started >= 0.7  # sending all bytes takes 50 s
    router.session_end(reason="connect_timeout")


def test_a_silent_tls_client_times_out(start_router, recording_node, certificates, closing):
    router = start(start_router, recording_node(), certificates, tls_handshake_ms=500)
    assert seconds_to_end(closing(mqtt.Device(router.tls_port))) >= 0.4
    router.session_end(reason="tls_timeout")


def test_a_tls_client_that_stops_mid_handshake_times_out(
        start_router, recording_node, certificates, closing):
    router = start(start_router, recording_node(), certificates, tls_handshake_ms=500)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = mqtt.tls_context(certificates).wrap_bio(incoming, outgoing, server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    raw = closing(mqtt.Device(router.tls_port)).send(outgoing.read())
    raw.read_to_end()
    router.session_end(reason="tls_timeout")


def test_connect_packet_ms_starts_again_after_the_handshake(
        start_router, recording_node, device, certificates):
    router = start(start_router, recording_node(), certificates, tls_handshake_ms=600_000,
                   connect_packet_ms=500)
    raw = device(router, tls=mqtt.tls_context(certificates))
    assert seconds_to_end(raw) >= 0.3
    router.session_end(reason="connect_timeout")


def test_idle_ms_ends_only_a_silent_device(
        start_router, recording_node, device):
    node = recording_node()
    router = start(start_router, node, idle_ms=IDLE_MS)
    busy, silent = device(router), device(router)
    busy.connect("busy")
    silent.connect("silent", keep_alive_s=600)
    silent.socket.settimeout(0.2)
    started = time.monotonic()
    ended = None
    while time.monotonic() < started + WAIT_LIMIT_S:
        busy.send(mqtt.PING)
        try:
            ended = silent.socket.recv(1)
            break
        except TimeoutError:
            continue
    assert ended == b"" and time.monotonic() - started >= IDLE_MS / 1000 - 0.5
    silent.close()
    end = router.session_end(reason="idle_timeout")
    assert end["client_id"] == "silent" and len(router.find("session.end")) == 1
    busy.send(mqtt.PING)
    node.wait(lambda n: any(r.mqtt.endswith(mqtt.PING * 2) for r in n.records),
              "the pings of the busy device")


def test_traffic_from_the_node_keeps_the_session_open_too(start_router, recording_node, device):
    node = recording_node()
    router = start(start_router, node, idle_ms=IDLE_MS)
    raw = device(router)
    raw.connect("listener")
    started = time.monotonic()
    while time.monotonic() < started + 2 * IDLE_MS / 1000:
        node.record().write(b"tick")
        assert raw.read(4) == b"tick"
        with pytest.raises(TimeoutError):
            raw.socket.settimeout(0.2)
            raw.socket.recv(1)
    assert not router.find("session.end")


def test_automatic_idle_ms_exceeds_the_keep_alive_of_the_broker(start_router, device, mosquittos):
    """With keep alive 1, the broker and not the router closes the session, and publishes the will."""
    config = one_cluster({"node1": mosquittos["node1"].port}, proxy_protocol="none")
    config["timeouts"] = {"idle": "auto"}
    router = start_router(config)
    raw = device(router)
    raw.connect("sleepy", keep_alive_s=1)
    assert raw.read_to_end()[0] == b""
    raw.close()
    assert router.session_end(client_id="sleepy")["reason"] == "node_closed"


def test_a_slow_connack_within_connack_ms_is_accepted(start_router, recording_node, device):
    node = recording_node(answer=None)
    router = start(start_router, node, connack_ms=60_000)
    raw = device(router).send(mqtt.connect("patient"))
    record = node.record()
    raw.socket.settimeout(0.6)
    with pytest.raises((TimeoutError, socket.timeout)):
        raw.socket.recv(1)
    raw.socket.settimeout(WAIT_LIMIT_S)
    record.write(bytes.fromhex("20020000"))
    assert raw.packet()[1] == bytes.fromhex("20020000")
