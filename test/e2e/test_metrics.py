"""The metrics: format, naming rules, documentation and values."""

import contextlib
import json
import os
import re
import socket
import ssl
import subprocess
import time

import pytest

import admin
import mqtt
import test_docs
import websocket
from admin import with_admin
from harness import CHECKED, FAST_CHECK, WAIT_LIMIT_S, ROOT, add_listener, one_cluster, wait_until
from homes import by_home
from recorder import accept_connect

RULES = ROOT / "config" / "prometheus-rules.yml"
DASHBOARD = ROOT / "config" / "grafana-dashboard.json"
HOSTILE = '"} 1\nmqtt_router_ready{x="\u202e'
SAMPLE = re.compile(r'(\w+)(?:\{(.*)\})? (\S+)')
LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


def scrape(router):
    status, headers, body = admin.http_request(router, "GET", "/metrics")
    assert status == 200 and headers["Content-Type"].startswith("text/plain; version=0.0.4")
    return body.decode()


def samples(text):
    """Parse samples: {(name, frozenset of labels): value}."""
    found = {}
    for line in text.splitlines():
        if line.startswith("#"):
            continue
        name, labels, value = SAMPLE.fullmatch(line).groups()
        key = name, frozenset(LABEL.findall(labels or ""))
        assert key not in found, line
        found[key] = float(value)
    return found


def value(found, name, **labels):
    """Return the sum over all samples with these labels."""
    rows = [v for (n, of), v in found.items() if n == "mqtt_router_" + name and labels.items() <= dict(of).items()]
    assert rows, (name, labels)
    return sum(rows)


def test_promtool_reports_nothing(start_router, recording_node, certificates, device):
    made = with_admin(one_cluster({"n": recording_node().port}, tls_dir=certificates, **CHECKED))
    router = start_router(made)
    device(router).connect(HOSTILE, username=HOSTILE)
    device(router, tls=mqtt.tls_context(certificates)).connect("secure")
    done = subprocess.run(["promtool", "check", "metrics"], input=scrape(router), capture_output=True,
                          text=True, timeout=WAIT_LIMIT_S, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_alerts_pass_their_tests_and_each_has_one():
    subprocess.run(["promtool", "check", "rules", RULES], check=True, timeout=WAIT_LIMIT_S)
    tests = RULES.with_suffix(".test.yml")
    subprocess.run(["promtool", "test", "rules", tests], check=True, timeout=2 * WAIT_LIMIT_S)
    alerts = re.findall(r"- alert: (\w+)", RULES.read_text())
    fired = re.findall(r"alertname: (\w+)\n        exp_alerts:\n          - ", tests.read_text())
    assert len(alerts) == len(set(alerts)) and set(fired) == set(alerts)


def test_alerts_and_dashboard_use_metrics_that_exist(
        start_router, recording_node, certificates, device):
    made = with_admin(one_cluster({"n": recording_node().port}, tls_dir=certificates, **CHECKED))
    router = start_router(made)
    names = set(re.findall(r"^# TYPE (\S+)", scrape(router), re.M))
    text = RULES.read_text() + json.dumps(json.loads(DASHBOARD.read_text()))
    named = set(re.findall(r"\b(?:mqtt_router|process)_[a-z_]+\b", text))
    named = {re.sub("_bucket$", "", name) for name in named}
    assert len(named) > 25 and named <= names, named - names


def metrics_table(text):
    """Return the scraped metrics as a Markdown table: name, type, labels, meaning."""
    helps = dict(re.findall(r"^# HELP (\S+) (.*)$", text, re.M))
    labels = {}
    for name, of in samples(text):
        labels.setdefault(name, set()).update(label for label, _ in of)
        labels.setdefault(re.sub("_bucket$", "", name), set()).update(label for label, _ in of if label != "le")
    rows = ["| Metric | Type | Labels | Meaning |", "| --- | --- | --- | --- |"]
    for name, kind in re.findall(r"^# TYPE (\S+) (\S+)$", text, re.M):
        named = ", ".join(f"`{label}`" for label in sorted(labels[name]))
        rows.append(f"| `{name}` | {kind} | {named} | {helps[name]} |")
    return "\n".join(rows)


def test_observability_lists_every_metric_with_its_meaning(
        start_router, recording_node, certificates, authority, tmp_path):
    made = with_admin(one_cluster({"n": recording_node().port}, tls_dir=certificates, **CHECKED))
    server = authority.issue("metrics-server")
    staple = authority.ocsp_response(server, tmp_path / "staple.der")
    made["listeners"][1]["tls"] = {
        "certificates": [server.conf(ocsp_response_file=str(staple))], "client_auth": "request",
        "client_ca_file": str(authority.file),
        "client_crl_files": [str(authority.crl(tmp_path / "list.crl"))]}
    router = start_router(made)
    table = metrics_table(scrape(router))
    if os.environ.get("UPDATE_DOCS"):
        test_docs.rewrite(test_docs.OBSERVABILITY, "metrics", table)
    assert table == test_docs.generated(test_docs.OBSERVABILITY, "metrics")


CONNACKS = {b"fresh": "20020000", b"known": "20020100", b"refused": "20020005", b"denied": "2003008700"}


def answer_by_name(record):
    """Return a CONNACK that depends on the client identifier."""
    return next((bytes.fromhex(connack) for name, connack in CONNACKS.items() if name in record.data),
                None) if accept_connect(record) else None


def resume(router, context):
    """Connect over TLS, then again with the session ticket."""
    for session in (None, True):
        plain = socket.create_connection(("127.0.0.1", router.tls_port), timeout=WAIT_LIMIT_S)
        with context.wrap_socket(plain, server_hostname="localhost", session=session and kept) as tls:
            tls.sendall(mqtt.connect("fresh") + mqtt.publish("t", b"x" * 1000))
            assert tls.recv(4)[:1] == b"\x20"
            kept = tls.session
    return 2


@pytest.mark.sanitized
def test_events_are_counted(start_router, recording_node, certificates, device):
    node = recording_node(answer=answer_by_name)
    made = with_admin(one_cluster({"n": node.port}, tls_dir=certificates, empty_client_id="refuse"))
    router = start_router(made)
    resume(router, mqtt.tls_context(certificates))
    router.session_end(reason="client_closed", count=2)
    with pytest.raises(ssl.SSLError):
        mqtt.Device(router.tls_port, tls=ssl.create_default_context())
    router.session_end(reason="tls_failed")
    device(router).send(b"\x30\x00")
    router.session_end(reason="connect_refused")
    assert device(router).connect("known") == (1, 0)
    assert device(router).connect("refused")[1] == 5
    assert device(router).connect("denied", version=5)[1] == 0x87
    with mqtt.Device(router.port) as raw:
        assert raw.connect("")[1] == 2
    router.session_end(reason="client_id_refused")
    wait_until(lambda: router.gauges()["sessions_relay"] == 3, "all sessions to be relayed")
    text = scrape(router)
    found = samples(text)
    expected = (
        (3, "connections", {"listener": "mqtt"}), (0, "connections", {"listener": "mqtts"}),
        (3, "accepted_connections_total", {"listener": "mqtts"}), (3, "sessions", {"stage": "relay"}),
        (2, "sessions_closed_total", {"reason": "client_closed", "closed_by": "client"}),
        (1, "sessions_closed_total", {"reason": "connect_refused", "closed_by": "router"}),
        (1, "sessions_closed_total", {"reason": "tls_failed"}), (5, "sessions_closed_total", {}),
        (2, "connacks_total", {"code": "0", "session_present": "false"}),
        (1, "connacks_total", {"code": "0", "session_present": "true"}),
        (1, "connacks_total", {"code": "5", "session_present": "false"}),
        (1, "connacks_total", {"code": "135", "session_present": "false"}), (5, "connacks_total", {}),
        (1, "refusal_connacks_total", {"code": "2"}), (1, "refusal_connacks_total", {}),
        (1, "tls_handshakes_total", {"resumed": "false"}), (1, "tls_handshakes_total", {"resumed": "true"}),
        (1, "tls_handshake_failures_total", {"alert": "unknown_ca"}), (1, "tls_handshake_failures_total", {}),
        (2, "tls_handshake_duration_seconds_count", {}), (5, "connect_duration_seconds_count", {}),
        (5, "connect_duration_seconds_bucket", {"le": "+Inf"}),
        (3, "node_sessions", {"cluster": "c", "node": "n"}), (5, "node_placements_total", {"placement": "home"}),
        (1, "node_status", {"status": "up"}), (1, "node_status", {}), (1, "node_key_share_ratio", {}),
        (sum(len(r.mqtt) for r in node.records) + len(mqtt.connect("")), "relayed_bytes_total", {"direction": "to_node"}),
        (4 * 4 + 5, "relayed_bytes_total", {"direction": "to_device"}))
    for wanted, name, labels in expected:
        assert value(found, name, **labels) == wanted, (name, labels)
    assert value(found, "loop_turn_seconds_count") > 0
    assert "known" not in re.sub("unknown_|_unknown", "", text)


def test_a_dead_node_is_shown_and_its_devices_count_as_fallbacks(
        start_router, recording_node, device):
    nodes = {name: recording_node() for name in ("a", "b")}
    ports = {name: node.port for name, node in nodes.items()}
    router = start_router(with_admin(one_cluster(ports, **CHECKED)))
    nodes["a"].close()
    router.wait_event("node.status", node="a", status="down")
    device(router).connect(by_home(ports, [f"dev-{i}" for i in range(9)])["a"][0])
    wait_until(lambda: value(samples(scrape(router)), "node_placements_total", placement="fallback") == 1 and
               value(samples(scrape(router)), "node_checks_total", node="b", result="good"), "a fallback")
    found = samples(scrape(router))
    assert value(found, "node_status", node="a", status="down") == 1
    assert value(found, "node_status", node="a", status="up") == 0
    assert value(found, "node_key_share_ratio", node="b") == 1 and value(found, "ready") == 1
    assert value(found, "node_checks_total", node="a", result="bad") >= 1
    assert value(found, "node_checks_total", node="b", result="good") >= 1
    assert value(found, "node_sessions_away", node="a") == 1


def send_alert(router, code):
    """Answer the router's flight with an unencrypted fatal alert."""
    received, to_send = ssl.MemoryBIO(), ssl.MemoryBIO()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises(ssl.SSLWantReadError):
        context.wrap_bio(received, to_send).do_handshake()
    with socket.create_connection(("127.0.0.1", router.tls_port), timeout=WAIT_LIMIT_S) as plain:
        plain.sendall(to_send.read())
        assert plain.recv(1)
        plain.sendall(bytes((21, 3, 3, 0, 2, 2, code)))
        while plain.recv(65536):
            pass


def full_config(nodes, certificates):
    """Return a configuration with each kind of listener, checks, limits, and ways to move sessions."""
    made = with_admin(one_cluster({name: node.port for name, node in nodes.items()}, tls_dir=certificates,
                                  empty_client_id="refuse", homecoming={"after_ms": 0, "rate_per_s": 1000},
                                  health_check=FAST_CHECK, bounded_load=1.5))
    add_listener(made, "ws", websocket={})
    add_listener(made, "wss", certificates, websocket={})
    add_listener(made, "mtls", certificates, tls={"client_auth": "require", "client_ca_file": str(certificates / "ca.pem")})
    add_listener(made, "proxied", accept_proxy_protocol=True, trusted_proxies="127.0.0.1")
    add_listener(made, "few", max_connections=1)
    add_listener(made, "nobody", allow="192.0.2.0/24")
    made["limits"] = {"flapping": {"max_connects": 2, "refuse": True}, "per_source": {"max_connections": 10000}}
    made["timeouts"] = {"tls_handshake_ms": 500, "connect_packet_ms": 500}
    made["log"]["max_lines_per_s"] = 10
    return made


def device_traffic(router, certificates):
    """Send valid and invalid traffic of all kinds over each listener."""
    context = mqtt.tls_context(certificates)
    for version in (3, 4, 5):
        for name in (b"fresh", b"known", b"refused", b"denied", b"", HOSTILE.encode() + b"fresh"):
            with mqtt.Device(router.port) as device, contextlib.suppress(EOFError, OSError):
                device.send(mqtt.connect(name.decode() and f"{name.decode()}{version}", version=version))
                device.packet()
    for _ in range(4):
        with mqtt.Device(router.port) as device, contextlib.suppress(EOFError, OSError):
            device.connect("fresh-flapper")
    for port in router.ports.values():
        for data in (b"", b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01", b"PROXY TCP4 1.2.3.4 1.2.3.4 1 2\r\n",
                     mqtt.connect("anyone")[:5], b"\x30\x00"):
            with mqtt.Device(port) as device, contextlib.suppress(OSError):
                device.send(data)
                device.socket.shutdown(socket.SHUT_WR)
                device.read_to_end()
    for name in ("mqtts", "mtls"):
        for wrong in (context, ssl.create_default_context()):
            with contextlib.suppress(OSError, EOFError), mqtt.Device(router.ports[name], tls=wrong) as device:
                device.connect("fresh-secure")
    with websocket.WsDevice(router.ports["ws"]) as device:
        device.connect("fresh-web")
    with mqtt.Device(router.ports["few"]), mqtt.Device(router.ports["few"]) as second:
        second.read_to_end()
    with mqtt.Device(router.tls_port) as slow:  # too slow
        slow.send(b"\x16\x03\x01")
        slow.read_to_end()


def operator_actions(router, node):
    """Reload, change a node at run time, remove a node and add a node."""
    router.reload()
    text = router.config_path.read_text()
    router.reload("{", expect="reload.failed")
    router.config_path.write_text(text)
    for body in ({"state": "draining"}, {"state": "down"}, {"state": "up", "weight": 3}):
        admin.post(router, "/api/v1/nodes/c/b", body)
    admin.post(router, "/api/v1/homecoming", {"rate_per_s": 1000})
    admin.post(router, "/api/v1/log_level", {"level": "info"})
    node.close()
    router.wait_event("node.status", node="a", status="down")


def test_every_series_exists_from_the_start(start_router, recording_node, certificates, device):
    """If a series appears with its first event, rate() does not count that event."""
    nodes = {name: recording_node(answer=answer_by_name) for name in ("a", "b")}
    router = start_router(full_config(nodes, certificates))
    before = set(samples(scrape(router)))
    relayed = device(router)
    relayed.connect("fresh-relayed")
    device_traffic(router, certificates)
    operator_actions(router, nodes["a"])
    device_traffic(router, certificates)
    relayed.close()
    router.wait_idle()
    wait_until(lambda: value(samples(scrape(router)), "node_checks_total", node="a", result="bad"),
               "a bad check")
    found = samples(scrape(router))
    assert set(found) - before == set(), "series that appeared late"
    assert before - set(found) == set(), "series that disappeared"
    ended = {dict(labels)["reason"] for (name, labels), count in found.items()
             if name == "mqtt_router_sessions_closed_total" and count}
    assert ended >= {"client_closed", "connect_refused", "flapping", "listener_full", "source_denied", "tls_failed",
                     "tls_timeout", "websocket_refused", "client_id_refused"}, "traffic of all kinds"


def test_no_device_can_add_a_series(start_router, recording_node, device, certificates):
    made = with_admin(one_cluster({"n": recording_node().port}, tls_dir=certificates))
    made["limits"] = {"flapping": False}
    router = start_router(made)
    before = set(samples(scrape(router)))
    for i in range(1000):
        with mqtt.Device(router.port) as raw:
            raw.connect(f"{HOSTILE}{i}", username=f"user-{i}")
    for code in (48, 200, 255):
        send_alert(router, code)
    with pytest.raises(ssl.SSLError):
        mqtt.Device(router.tls_port, tls=ssl.create_default_context())
    router.session_end(count=1004)
    found = samples(scrape(router))
    assert set(found) == before
    assert value(found, "tls_handshake_failures_total", alert="unknown_ca") == 2
    assert value(found, "tls_handshake_failures_total", alert="other") == 2


def test_a_handshake_that_times_out_counts_as_failed(start_router, recording_node, certificates):
    made = with_admin(one_cluster({"n": recording_node().port}, tls_dir=certificates))
    made["timeouts"] = {"tls_handshake_ms": 100}
    router = start_router(made)
    with socket.create_connection(("127.0.0.1", router.tls_port)) as slow:
        slow.sendall(b"\x16\x03\x01")
        router.session_end(reason="tls_timeout")
    found = samples(scrape(router))
    assert value(found, "tls_handshake_failures_total", alert="timeout") == 1
    assert value(found, "tls_handshake_failures_total") == 1


def test_every_row_of_the_tables_has_its_series(start_router, recording_node):
    router = start_router(with_admin(one_cluster({"n": recording_node().port})))
    found = samples(scrape(router))
    include = ROOT / "include"
    words = set(re.findall(r'^    X\([A-Z_]+, "(\w+)", (?:CLIENT|NODE|ROUTER), ',
                           (include / "model/close_reason.h").read_text(), re.M))
    assert len(words) > 30
    assert {dict(of)["reason"] for name, of in found if name == "mqtt_router_sessions_closed_total"} == words
    counters = re.findall(r'^    X\(\w+, "(\w+)", "', (include / "proxy/counters.h").read_text(), re.M)
    assert counters and {("mqtt_router_" + word, frozenset()) for word in counters} <= set(found)


def test_the_start_time_is_constant(start_router, recording_node):
    router = start_router(with_admin(one_cluster({"n": recording_node().port})))
    times = ("process_start_time_seconds", "mqtt_router_config_loaded_timestamp_seconds")
    scrapes = [samples(scrape(router)) for _ in range(5)]
    for name in times:
        assert len({found[name, frozenset()] for found in scrapes}) == 1, name


def test_a_failed_reload_is_shown_until_one_succeeds(start_router, recording_node):
    router = start_router(with_admin(one_cluster({"n": recording_node().port})))
    text = router.config_path.read_text()
    router.config_path.write_text("{")
    assert admin.rejection(router, "POST", "/api/v1/reload", {}) == (409, "reload_failed")
    found = samples(scrape(router))
    assert value(found, "config_last_reload_successful") == 0
    assert value(found, "config_reload_failures_total") == 1
    router.config_path.write_text(text)
    admin.post(router, "/api/v1/reload")
    assert value(samples(scrape(router)), "config_last_reload_successful") == 1


def test_certificates_that_share_name_or_file_are_one_series(
        start_router, recording_node, certificates, tmp_path):
    """Test a bundle with two authorities of the same name, and a certificate that two listeners use."""
    for days, name in ((40, "old"), (80, "new")):
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                        "-keyout", tmp_path / "key", "-subj", "/CN=Same", "-days", str(days), "-out", tmp_path / name],
                       check=True, capture_output=True)
    bundle = tmp_path / "bundle.pem"
    bundle.write_text((tmp_path / "new").read_text() + (tmp_path / "old").read_text())
    made = with_admin(one_cluster({"n": recording_node().port}, tls_dir=certificates))
    made["listeners"][1]["tls"].update(client_auth="request", client_ca_file=str(bundle))
    made["listeners"].append({**made["listeners"][1], "name": "second"})
    router = start_router(made)
    expiry = {dict(labels)["subject"]: v for (n, labels), v in samples(scrape(router)).items()
              if n == "mqtt_router_certificate_expiry_timestamp_seconds"}
    assert expiry["Same"] == pytest.approx(time.time() + 40 * 86400, abs=3600)
    owners = {(c["listener"], c["subject"]) for c in admin.get(router, "/api/v1/certificates")["certificates"]}
    assert owners >= {("mqtts", "Same"), ("second", "Same"), ("mqtts", "localhost"), ("second", "localhost")}
