"""The log has one line per session, regardless of what a device sends, and contains no secrets."""

import base64
import contextlib
import json
import re

import pytest

import mqtt
import websocket
from harness import add_listener, one_cluster, run_router, wait_until
from nodes import Mosquitto
from proxy_sender import tlv, v2

pytestmark = pytest.mark.sanitized
FIELDS = {"time", "level", "event", "session", "listener", "source", "client_id", "mqtt_version",
          "keep_alive_s", "node", "tries", "bytes_up", "bytes_down", "ms_connect", "ms_dial",
          "ms_connack", "ms_relay", "ms_total", "reason", "closed_by"}


def test_a_session_has_one_line_with_all_fields(
        start_router, recording_node, device, certificates):
    router = start_router(one_cluster({"n1": recording_node().port}, tls_dir=certificates))
    with mqtt.Device(router.tls_port, tls=mqtt.tls_context(certificates)) as raw:
        raw.connect("dev-1", version=5, keep_alive_s=77, username="ann", password="geheim")
        cipher = raw.socket.cipher()[0]
    end = router.session_end()
    assert FIELDS <= set(end), FIELDS - set(end)
    assert (end["level"], end["listener"], end["client_id"], end["node"]) == (
        "info", "mqtts", "dev-1", "n1")
    assert (end["mqtt_version"], end["keep_alive_s"], end["tries"]) == ("5.0", 77, 1)
    assert (end["tls_version"], end["tls_cipher"]) == ("TLSv1.3", cipher)
    assert end["source"].startswith("127.0.0.1:")
    assert "username" not in end, "not logged unless it is the route key"
    router.wait_idle()
    assert len(router.find("session.end")) == 1


@pytest.mark.parametrize("level", ("debug", "info"))
def test_debug_logs_the_placement_of_a_session_before_its_end(
        start_router, recording_node, device, level):
    made = one_cluster({"n1": recording_node().port})
    made["log"]["level"] = level
    router = start_router(made)
    assert device(router).connect("dev-1")[1] == 0
    wait_until(lambda: router.gauges()["sessions_relay"] == 1, "the session to be relayed")
    placed = [(e["client_id"], e["node"], e["tries"]) for e in router.find("session.placed")]
    assert placed == ([("dev-1", "n1", 1)] if level == "debug" else [])


def test_no_line_contains_a_password_or_a_payload(start_router, recording_node, device):
    router = start_router(one_cluster({"n": recording_node().port},
                                      route_by=["username", "client_id"]))
    with mqtt.Device(router.port) as raw:
        raw.connect("dev-1", username="ann", password="correct horse",
                    will=("t", b"battery staple", 0, False))
        raw.send(mqtt.publish("t", b"tr0ub4dor"))
    # Also for a CONNECT that is refused.
    bad = bytearray(mqtt.connect("dev-2", username="ann", password="correct horse"))
    bad[9] |= 1
    device(router).send(bytes(bad)).read_to_end()
    router.session_end(count=2)
    assert router.session_end(client_id="dev-1")["username"] == "ann"
    router.wait_idle()
    router.stop()
    text = json.dumps(router.events) + router.stderr_path.read_text()
    for secret in ("correct", "battery", "tr0ub4dor"):
        assert secret not in text


def test_no_line_contains_a_secret_of_any_listener(
        start_router, recording_node, certificates, closing, tmp_path):
    """HTTP headers and query, PROXY TLVs, a health check's password, invalid files."""
    (tmp_path / "check.password").write_text("secret-check\n")
    node = closing(Mosquitto("secrets"))
    config = one_cluster({"n": node.port}, proxy_protocol="none", health_check={
        "type": "mqtt", "username": "checker", "password_file": str(tmp_path / "check.password"),
        "interval_ms": 200})
    add_listener(config, "ws", websocket={})
    add_listener(config, "proxied", accept_proxy_protocol=True, trusted_proxies="127.0.0.1")
    add_listener(config, "tls", tls_dir=certificates)
    router = start_router(config)
    for path, headers in (("/mqtt?token=secret-query", ["Authorization: Bearer secret-bearer"]),
                          ("/secret-path?token=secret-query", ["Cookie: id=secret-cookie"])):
        with contextlib.suppress(OSError, EOFError, AssertionError):
            with websocket.WsDevice(router.ports["ws"], path=path, headers=headers) as raw:
                raw.connect("dev-ws", username="ann", password="secret-password")
    with mqtt.Device(router.ports["proxied"], before=v2(tlvs=tlv(0xE0, b"secret-tlv"))) as raw:
        raw.connect("dev-proxied", username="ann", password="secret-password")
        raw.send(mqtt.publish("secret-topic", b"secret-payload"))
    for junk in (b"GET /secret-path HTTP/1.1\r\nAuthorization: secret-bearer\r\n\r\n",
                 mqtt.connect("dev", username="ann", password="secret-password").replace(b"MQTT", b"MQTQ"),
                 mqtt.connect("dev", username="ann", password="secret-password")[:-3]):
        for port in (router.port, router.ports["tls"], router.ports["proxied"], router.ports["ws"]):
            with contextlib.suppress(OSError), mqtt.Device(port) as raw:
                raw.send(junk)
                raw.half_close()
                raw.read_to_end()
    router.wait_event("check.done")
    (tmp_path / "check.password").write_text("secret-check\0\n")
    router.reload(expect="reload.failed")
    router.reload('{ "clusters": [ { "health_check": { "password": "secret-inline" } } ] }',
                  expect="reload.failed")
    router.wait_idle()
    router.stop()
    text = json.dumps(router.events) + repr(router.text) + router.stderr_path.read_text()
    assert '"dev-proxied"' in text
    found = {word for word in re.findall(r"secret-[a-z]+", text)}
    # The path of a rejected request may be logged, but not its query with a token.
    assert found <= {"secret-path"}
    for hidden in (b"secret-password", b"secret-bearer", b"secret-check"):
        assert base64.b64encode(hidden).decode()[:16] not in text
        assert hidden.hex() not in text


def test_an_attack_does_not_flood_the_log(start_router, recording_node):
    """Lines per second are limited, dropped lines are counted and reported, and urgent lines are never dropped."""
    config = one_cluster({"n": recording_node().port})
    config["listeners"][0]["deny"] = "127.0.0.0/8"
    config["log"]["max_lines_per_s"] = 5
    router = start_router(config)
    for _ in range(500):
        mqtt.Device(router.port).close()
    wait_until(lambda: router.gauges()["closed_total"] == 500, "all connects to be refused")
    router.wait_event("log.suppressed")
    gauges = router.gauges()
    ends = len(router.find("session.end"))
    assert 50 <= ends < 300  # 5 more for each second of the test
    assert gauges["log_suppressed_total"] >= 500 - ends
    assert gauges["log_dropped_total"] == 0


NAMES = {
    "quotes": 'a"b\\c',
    "newline": 'x\n{"event":"session.end","forged":true}',
    "escape": "a\x1b[31mred\x07",
    "delete and C1": "a\x7fb\x9bc",
    "right to left": "a\u202eb",
    "astral": "\U0001f697",
}


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES.keys())
def test_a_client_id_cannot_break_a_log_line(start_router, recording_node, device, name):
    config = one_cluster({"n": recording_node().port})
    config["listeners"][0]["connect_validation"] = "lenient"
    router = start_router(config)
    with mqtt.Device(router.port) as raw:
        raw.connect(name)
    end = router.session_end()
    assert not router.find("session.end", forged=True)
    assert end["client_id"] == name
    line, = [raw for raw in router.log_path.read_bytes().split(b"\n") if b'"session.end"' in raw]
    assert line.decode().isprintable()


def test_a_client_id_that_is_not_utf8_is_logged(start_router, recording_node, device):
    config = one_cluster({"n": recording_node().port})
    config["listeners"][0]["connect_validation"] = "lenient"
    router = start_router(config)
    with mqtt.Device(router.port) as raw:
        raw.connect(b"bad\xff\xc0\x80name")
    assert "bad" in router.session_end()["client_id"]


def test_a_very_long_client_id_is_truncated_and_marked(start_router, recording_node, device):
    router = start_router(one_cluster({"n": recording_node().port}))
    with mqtt.Device(router.port) as raw:
        raw.connect("n" * 5000)
    shown = router.session_end()["client_id"]
    assert len(shown) < 200 and shown.startswith("nnn") and shown.endswith("...")


def test_the_text_format_is_one_line_per_event(start_router, recording_node, tmp_path):
    config = one_cluster({"n": recording_node().port})
    config["log"] = {"level": "info", "format": "text"}
    path = tmp_path / "config.json"
    path.write_text(json.dumps(config))
    assert run_router("--check", "--config", path).returncode == 0


def test_the_start_logs_listeners_and_nodes(start_router, recording_node, certificates):
    router = start_router(one_cluster({"n": recording_node().port}, tls_dir=certificates))
    opened = {e["listener"]: e for e in router.find("listener.open")}
    assert set(opened) == {"mqtt", "mqtts"}
    assert opened["mqtts"]["tls"] is True and opened["mqtt"]["tls"] is False
