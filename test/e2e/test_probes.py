"""Connections that are not from devices: health checks, port scans, clients of other protocols.

Probes do not fill the log: they have a counter, and their log lines have level debug.
"""

import re
import ssl

import pytest

import admin
import mqtt
from admin import with_admin
from harness import add_listener, free_port, one_cluster, wait_until
from nodes import HAProxy
from proxy_sender import v2
from websocket import read_answer, upgrade

pytestmark = [pytest.mark.sanitized, pytest.mark.one_thread]
KINDS = ("tcp", "tls", "ws", "wss")
NAMES = {"tcp": "mqtt", "tls": "mqtts", "ws": "ws", "wss": "wss"}
HELLO = bytes.fromhex("160301007b010000770303") + bytes(112)  # the beginning of a ClientHello
KEY = "dGhlIHNhbXBsZSBub25jZQ=="


@pytest.fixture
def router(start_router, recording_node, certificates):
    """Start a router with a listener of each kind, without and with PROXY headers ("tcp", "proxied tcp", ...)."""
    made = one_cluster({"n": recording_node().port}, tls_dir=certificates)
    add_listener(made, "ws", websocket={})
    add_listener(made, "wss", tls_dir=certificates, websocket={})
    proxied = {"accept_proxy_protocol": True, "trusted_proxies": ["127.0.0.1"]}
    for kind in KINDS:
        keys = {**proxied, "websocket": {}} if kind in ("ws", "wss") else proxied
        add_listener(made, f"proxied {kind}", tls_dir=certificates if kind in ("tls", "wss") else None,
                 **keys)
    return start_router(with_admin(made))


def metrics(router):
    return admin.http_request(router, "GET", "/metrics")[2].decode()


def probes(router):
    return int(re.search(r"^mqtt_router_probes_total (\d+)$", metrics(router), re.M)[1])


def is_named(router, raw, reason, level="info", detail=""):
    end = router.session_end(source="%s:%d" % raw.name)
    assert (end["reason"], end["level"]) == (reason, level), end
    assert detail in end.get("detail", ""), end
    return end


def wait_read(router, kind):
    """Wait until the router has read a PROXY header and expects the device's first byte."""
    stage = {"tcp": "connect", "ws": "websocket"}.get(kind, "tls")
    wait_until(lambda: router.gauges()[f"sessions_{stage}"] == 1, f"a session in {stage}")


def wait_read_connect(router):
    """Wait until TLS and the upgrade are done, and the router expects the CONNECT."""
    wait_until(lambda: router.gauges()["sessions_connect"] == 1, "a session in connect")


@pytest.mark.parametrize("how", ("reset", "close"))
@pytest.mark.parametrize("kind", KINDS)
def test_a_client_that_closes_before_its_first_byte_is_a_probe_on_every_listener(router, kind, how):
    for number, (name, before) in enumerate((
            (NAMES[kind], b""), (f"proxied {kind}", b""), (f"proxied {kind}", v2()),
            (f"proxied {kind}", v2(command=0x20)), (f"proxied {kind}", b"PROXY UNKNOWN\r\n"))):
        raw = mqtt.Device(router.ports[name], before=before)
        if before:
            wait_read(router, kind)
        getattr(raw, how)()
        end = router.wait_event("session.end", count=number + 1)
        assert (end["reason"], end["level"]) == ("client_closed_early", "debug"), end
        assert end["source"].startswith("198.51.100.7:" if before == v2() else "127.0.0.1:")
    assert probes(router) == 5
    assert 'alert="none"} 0' in metrics(router)  # no handshake has failed


@pytest.mark.parametrize("name", ("mqtt", "ws", "proxied tcp"))
def test_a_client_that_closes_after_its_first_byte_is_not_a_probe(router, name):
    raw = mqtt.Device(router.ports[name])
    raw.send({"mqtt": b"\x10", "ws": b"GET", "proxied tcp": b"PROXY "}[name]).half_close()
    assert raw.read_to_end()[0] == b""
    raw.close()
    is_named(router, raw, "client_closed_early")
    assert probes(router) == 0


@pytest.mark.parametrize("kind", ("tls", "ws", "wss"))
def test_a_reset_before_the_first_byte_of_mqtt_is_an_early_end(router, certificates, kind):
    tls = mqtt.tls_context(certificates) if kind != "ws" else None
    raw = mqtt.Device(router.ports[NAMES[kind]], tls=tls)
    if kind != "tls":
        assert read_answer(raw.send(upgrade(KEY)).socket).status == 101
    wait_read_connect(router)
    raw.reset()
    is_named(router, raw, "client_closed_early", detail="reset")
    assert probes(router) == 0


def test_checks_of_a_balancer_are_probes(router, closing):
    """HAProxy sends its checks with LOCAL headers in version 2, and UNKNOWN headers in version 1."""
    own, proxied = free_port(), router.ports["proxied tcp"]
    closing(HAProxy({own: (
        "mode tcp", f"bind 127.0.0.1:{own}",
        f"server local 127.0.0.1:{proxied} check inter 100 send-proxy-v2 check-send-proxy",
        f"server unknown 127.0.0.1:{proxied} check inter 100 send-proxy check-send-proxy")}))
    router.wait_event("session.end", count=8)
    ends = router.find("session.end")
    assert {(e["reason"], e["level"]) for e in ends} == {("client_closed_early", "debug")}
    assert probes(router) >= len(ends)


@pytest.mark.parametrize("request_head", (
    b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"GET /mqtt HTTP/1.1\r\nHost: x\r\n\r\n",
    b"HEAD /mqtt HTTP/1.1\r\nHost: x\r\n\r\n", b"OPTIONS / HTTP/1.0\r\n\r\n",
    b"GET /healthz HTTP/1.0\r\n\r\n",
), ids=("page", "path", "head", "options_of_haproxy", "http_1_0"))
@pytest.mark.parametrize("kind", ("ws", "wss"))
def test_http_without_an_upgrade_is_a_probe(router, certificates, kind, request_head):
    tls = mqtt.tls_context(certificates) if kind == "wss" else None
    raw = mqtt.Device(router.ports[kind], tls=tls).send(request_head)
    assert read_answer(raw.socket).status in (400, 404, 405, 426)
    raw.close()
    assert is_named(router, raw, "http_probe", level="debug")["detail"].startswith("http 4")
    assert probes(router) == 1


@pytest.mark.parametrize("request_head", (
    upgrade(KEY, path="/elsewhere"), upgrade(KEY).replace(b"Version: 13", b"Version: 12"),
    upgrade(KEY).replace(b"Upgrade: websocket\r\nConnection: Upgrade\r\n", b"Connection: close\r\n"),
), ids=("path", "version", "a_proxy_dropped_the_upgrade"))
def test_a_bad_upgrade_is_an_error_and_no_probe(router, request_head):
    raw = mqtt.Device(router.ports["ws"]).send(request_head)
    raw.read_to_end()
    raw.close()
    is_named(router, raw, "websocket_refused")
    assert probes(router) == 0


CONNECT, HTTP, PROXY = mqtt.connect("dev"), b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", v2()


@pytest.mark.parametrize("listener, sent, reason, speaks", (
    ("mqtt", HELLO, "connect_refused", "TLS"), ("mqtt", HTTP, "connect_refused", "HTTP"),
    ("mqtt", PROXY, "connect_refused", "PROXY protocol"),
    ("mqtt", b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n", "connect_refused", "PROXY protocol"),
    ("mqtts", CONNECT, "tls_failed", "MQTT"), ("mqtts", HTTP, "tls_failed", "HTTP"),
    ("mqtts", PROXY, "tls_failed", "PROXY protocol"),
    ("ws", CONNECT, "websocket_refused", "MQTT"), ("ws", HELLO, "websocket_refused", "TLS"),
    ("ws", PROXY, "websocket_refused", "PROXY protocol"),
    ("ws", b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n", "websocket_refused", "PROXY protocol"),
    ("wss", CONNECT, "tls_failed", "MQTT"), ("wss", HTTP, "tls_failed", "HTTP"),
    ("proxied tcp", CONNECT, "proxy_refused", "MQTT"),
    ("proxied tls", HELLO, "proxy_refused", "TLS"), ("proxied ws", HTTP, "proxy_refused", "HTTP"),
), ids=lambda value: None if isinstance(value, str) else value[:6].hex())
def test_another_protocol_on_a_listener_is_named(router, listener, sent, reason, speaks):
    raw = mqtt.Device(router.ports[listener]).send(sent)
    raw.read_to_end()
    raw.close()
    is_named(router, raw, reason, detail=f"the client speaks {speaks}")
    assert probes(router) == 0


def test_tls_on_a_plain_listener_is_named(router, certificates):
    with pytest.raises((ssl.SSLError, ConnectionResetError)):
        mqtt.Device(router.port, tls=mqtt.tls_context(certificates))
    assert router.session_end(reason="connect_refused")["detail"] == \
        "not_connect [MQTT-3.1.0-1]: the client speaks TLS"


def test_a_reset_in_the_middle_of_an_upgrade_is_an_error_of_the_client(router, certificates):
    raw = mqtt.Device(router.ports["wss"], tls=mqtt.tls_context(certificates)).send(b"GET /mqtt")
    wait_until(lambda: router.gauges()["sessions_websocket"] == 1, "a session in its upgrade")
    raw.reset()
    is_named(router, raw, "client_error")
    assert probes(router) == 0


@pytest.mark.parametrize("name", ("mqtt", "mqtts"))
def test_a_client_that_resets_after_the_node_closed_is_closed_by_the_node(
        start_router, recording_node, certificates, name):
    node = recording_node()
    router = start_router(one_cluster({"n": node.port}, tls_dir=certificates))
    tls = mqtt.tls_context(certificates) if name == "mqtts" else None
    device = mqtt.Device(router.ports[name], tls=tls)
    device.connect("dev")
    node.record().close()
    assert device.read_to_end() == (b"", "end")
    device.reset()
    assert router.session_end(client_id="dev")["reason"] == "node_closed"
