"""Active health checks: their effect on the broker, and the evaluation of the answers."""

import http.server
import json
import re
import socket
import subprocess
import threading

import pytest

from harness import FAST_CHECK, ROOT, one_cluster, wait_until
from homes import ids_of
from nodes import Mosquitto
from proxy_v2_decoder import decode
from recorder import CONNACK_3, RefusingPort

pytestmark = pytest.mark.sanitized

MQTT = {**FAST_CHECK, "type": "mqtt", "timeout_ms": 2000}
HTTP = {**FAST_CHECK, "type": "http", "timeout_ms": 2000}
CHECK_ID = "[0-9a-zA-Z-]{1,23}"  # characters that every broker accepts (MQTT 3.1.1 section 3.1.3.1, and "-")


class StatusServer:
    """An HTTP server that answers each GET with the next code of a list, and repeats the last one."""

    def __init__(self, *codes, host="127.0.0.1", port=0):
        self.codes = list(codes)
        self.requests = []  # (request line, headers, code)
        self.errors = []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                code = outer.codes.pop(0) if len(outer.codes) > 1 else outer.codes[0]
                outer.requests.append((self.requestline, dict(self.headers), code))
                body = b"x" * 3000
                self.send_response(code)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)
                # If a client closes with unread data, the kernel resets the connection.
                self.connection.shutdown(socket.SHUT_WR)
                try:
                    self.connection.recv(1)
                except OSError as error:
                    outer.errors.append(error)
                self.close_connection = True

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer((host, port), Handler)
        self.port = self.server.server_port
        self.address = f"{host}:{self.port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def mosquitto(closing):
    """Start real nodes whose logs the test reads."""
    def start(name="n1", more=()):
        return closing(Mosquitto(name, more=more, wrapper=("stdbuf", "-oL")))
    return start


def checks_of(node):
    """Return the client identifiers in the node's log, in order."""
    return re.findall(rf"New client connected from \S+ as ({CHECK_ID}) \(", node.log())


# ---- effect on the broker ---------------------------------------------------------------


def test_an_mqtt_check_leaves_no_session_and_no_error(start_router, mosquitto, device):
    node = mosquitto()
    router = start_router(one_cluster({"n1": node.port}, proxy_protocol="none", health_check=MQTT))
    wait_until(lambda: node.log().count("Received DISCONNECT from") >= 5, "five checks")
    # The session of this device exists, those of the checks must not.
    device(router).connect("keeper", clean=False)
    router.stop()
    node.wait_log("Client keeper ")
    node.end()
    log, ids = node.log(), [i for i in checks_of(node) if i != "keeper"]
    assert len(ids) >= 5
    for name in set(ids):
        assert re.search(rf"as {name} \(p2, c1, k\d+\)", log)
        assert log.count(f"Received DISCONNECT from {name}\n") == ids.count(name)
        assert log.count(f"Client {name} disconnected.\n") == ids.count(name)
    # Ignore the connection that the test makes to check whether the node listens.
    ends = re.findall(r"Client (\S+) (?:closed|disconnected due|has exceeded|already)", log)
    assert set(ends) <= {"<unknown>", "keeper"} and ends.count("<unknown>") == 1
    assert "rror" not in log
    kept = (node.directory / "mosquitto.db").read_bytes()
    assert b"keeper" in kept and not any(name.encode() in kept for name in ids)
    assert not router.find("node.status"), "the node was always up"


def test_mqtt_checks_of_two_routers_do_not_take_over_each_others_session(start_router, mosquitto):
    node = mosquitto()
    config = one_cluster({"n1": node.port}, proxy_protocol="none", health_check=MQTT)
    routers = [start_router(config), start_router(config)]
    wait_until(lambda: len(checks_of(node)) >= 10 and len(set(checks_of(node))) == 2,
               "ten checks of two routers")
    assert "already connected" not in node.log()
    assert not any(router.find("node.status") for router in routers)


# RabbitMQ's supervisors sometimes log an error if a client closes immediately after its CONNECT,
# even if it closes cleanly: the child had already ended before it was stopped.
OWN_TROUBLE = re.compile(r"\s*supervisor: \{<[\d.]+>,amqp_channel_sup_sup\}\n"
                         r"\s*errorContext: shutdown_error\n"
                         r"\s*reason: (?:noproc|shutdown)\n"
                         r"\s*offender: \[\{nb_children,\d+\},\n\s*\{id,channel_sup\},\n")


def faults_in(log):
    """Return the error entries of RabbitMQ's log, except those about its own supervisors."""
    entries = {}
    for line in re.sub(r"\x1b\[[\d;]*m", "", log).splitlines():
        entry = re.match(r"(\S+ \S+ \[(\w+)\] <[\d.]+>) ?(.*)", line)
        harmless = entry and entry[2] in ("debug", "info", "notice", "warning")
        if entry and not (harmless and "error" not in entry[3].lower()):
            entries[entry[1]] = entries.get(entry[1], "") + entry[3] + "\n"
    return [text for text in entries.values() if not OWN_TROUBLE.match(text)]


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_rabbitmq_accepts_the_check_and_its_proxy_header(start_router, rabbitmq, version):
    before = len(rabbitmq.log())
    router = start_router(one_cluster({"r": rabbitmq.port}, proxy_protocol=version,
                                      health_check=MQTT))
    connected = re.compile(rf"accepting MQTT connection (<[^>]+>) \((\S+):\d+ -> \S+:(\d+), "
                      rf"client id: ({CHECK_ID})\)")
    wait_until(lambda: len(connected.findall(rabbitmq.log()[before:])) >= 3, "three checks")
    router.stop()
    assert not router.find("node.status")
    log = rabbitmq.log()[before:]
    for process, source, port, _ in connected.findall(log):
        assert (source, int(port)) == ("127.0.0.1", rabbitmq.port)
        wait_until(lambda: f"closing MQTT connection {process}" in rabbitmq.log(), "the check to end")
    assert not faults_in(log)


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_rabbitmq_logs_no_error_for_the_tcp_check(start_router, rabbitmq, version):
    before = len(rabbitmq.log())
    router = start_router(one_cluster({"r": rabbitmq.port}, proxy_protocol=version,
                                      health_check=FAST_CHECK))
    router.wait_event("check.done", result="good", count=3)
    router.stop()
    assert not router.find("node.status")
    # Without the header, the node logs an error for each check: "failed to receive proxy header".
    assert not faults_in(rabbitmq.log()[before:])


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_the_proxy_header_of_a_check_has_the_addresses_of_the_router(
        start_router, recording_node, version):
    node = recording_node()
    start_router(one_cluster({"n": node.address}, proxy_protocol=version, health_check=MQTT))
    record = node.record()
    node.wait(lambda _: record.mqtt.endswith(b"\xe0\0") and record.closed, "DISCONNECT and close")
    facts, _ = decode(record.data)
    assert facts["version"] == int(version[1]) and facts["command"] == "PROXY"
    assert facts["source"] == record.transport.get_extra_info("peername")
    assert facts["destination"] == ("127.0.0.1", node.port)
    assert record.chunks[0] == len(record.data) - 2, "header and CONNECT are sent together"
    assert record.error is None


def test_user_name_and_password_are_sent_and_a_refusal_counts_as_up(
        start_router, mosquitto, tmp_path):
    passwords = tmp_path / "passwords"
    passwords.touch(mode=0o600)
    subprocess.run(["mosquitto_passwd", "-b", passwords, "checker", "secret"], check=True)
    node = mosquitto(more=["allow_anonymous false", f"password_file {passwords}"])
    (tmp_path / "good").write_text("secret\n")
    (tmp_path / "bad").write_text("wrong\n")
    config = one_cluster({"n1": node.port}, proxy_protocol="none", health_check={
        **MQTT, "username": "checker", "password_file": str(tmp_path / "good")})
    knows = start_router(config)
    node.wait_log(rf"as {CHECK_ID} \(p2, c1, k\d+, u'checker'\)")
    assert "not authorised" not in node.log()
    config["clusters"][0]["health_check"]["password_file"] = str(tmp_path / "bad")
    does_not = start_router(config)
    wait_until(lambda: node.log().count("not authorised") >= 2, "two refusals")
    assert not knows.find("node.status") and not does_not.find("node.status")


def test_a_check_can_use_tls(start_router, mosquitto, authority):
    issued = authority.issue("check-node", cn="node.example", sans=["DNS:node.example"])
    node = mosquitto(more=[f"certfile {issued.certificate}", f"keyfile {issued.key}"])
    tls = {"ca_file": str(authority.file), "server_name": "node.example"}
    config = one_cluster({"n1": node.port}, proxy_protocol="none", tls=tls, health_check=MQTT)
    router = start_router(config)
    wait_until(lambda: node.log().count("Received DISCONNECT from") >= 3, "three checks")
    assert not router.find("node.status")
    # after the first check: earlier lines may come from the test's own connection
    checks = node.log().split("Received DISCONNECT from", 1)[1]
    assert not re.search(r"OpenSSL Error|Client (?!<unknown>)\S+ closed its connection", checks)
    tls["server_name"] = "elsewhere.example"
    other = start_router(config)
    down = other.wait_event("node.status", node="n1", status="down")
    assert down["why"].startswith("TLS: certificate verify failed")


# ---- evaluation of the answers ----------------------------------------------------------


def test_a_dead_or_hung_node_is_down_with_a_reason_and_recovers(start_router, mosquitto):
    node = mosquitto()
    router = start_router(one_cluster({"n1": node.port}, proxy_protocol="none", health_check={
        **MQTT, "timeout_ms": 500, "panic_percent": 0}))
    # A node that has never answered a check gets a hint about "proxy_protocol" in its reason.
    router.wait_event("check.done", result="good")
    node.kill()
    down = router.wait_event("node.status", status="down")
    assert (down["cluster"], down["node"], down["was"]) == ("c", "n1", "up")
    # Usually the first text; the other one if the node dies during a check.
    assert down["why"] in ("connect: Connection refused", "closed before the CONNACK",
                           "before the CONNACK: Connection reset by peer")
    node.begin()
    up = router.wait_event("node.status", status="up", was="down")
    assert up["why"] == "CONNACK return code 0"
    node.hang()
    down = router.wait_event("node.status", count=2, status="down")
    assert down["why"] == "no CONNACK within 500 ms"
    node.resume()
    router.wait_event("node.status", count=2, status="up", was="down")


def test_return_code_3_pauses_a_node_and_an_invalid_answer_takes_it_down(
        start_router, recording_node):
    answers = {"now": bytes.fromhex("20020003")}
    node = recording_node(answer=lambda record: answers["now"])
    router = start_router(one_cluster({"n1": node.address}, proxy_protocol="none",
                                      health_check=MQTT))
    assert router.wait_event("node.status", status="paused")["why"] == "CONNACK return code 3"
    answers["now"] = b"SSH-2.0-OpenSSH_9.2\r\n"
    down = router.wait_event("node.status", status="down", was="paused")
    assert down["why"] == "the response is not a valid CONNACK"
    answers["now"] = CONNACK_3
    router.wait_event("node.status", status="up", was="down")


def test_http_503_keeps_established_sessions_and_stops_new_ones(
        start_router, mosquitto, closing, device):
    nodes = {name: mosquitto(name) for name in ("a", "b")}
    server = closing(StatusServer(200))
    config = one_cluster({name: node.port for name, node in nodes.items()}, proxy_protocol="none",
                         health_check={**HTTP, "port": server.port, "path": "/status?of=all"},
                         on_node_down="close")
    other = closing(StatusServer(200))
    config["clusters"][0]["nodes"][1]["check_address"] = other.address
    router = start_router(config)
    wait_until(lambda: server.requests and other.requests, "a check of each node")
    line, headers, _ = server.requests[0]
    assert line == "GET /status?of=all HTTP/1.1"
    assert headers == {"Host": server.address, "User-Agent": "mqtt-router", "Connection": "close"}
    first, second = ids_of("a", nodes, 2)
    present = device(router)
    assert present.connect(first) == (0, 0)
    server.codes = [503]
    paused = router.wait_event("node.status", node="a", status="paused")
    assert (paused["was"], paused["why"]) == ("up", "HTTP 503")
    assert device(router).connect(second) == (0, 0)
    assert router.gauges()["node a"] == 1 and router.gauges()["node b"] == 1
    # The established session stays, because the node answers it.
    present.send(b"\xc0\0")
    assert present.packet()[1] == b"\xd0\0"
    server.codes = [500]
    assert router.wait_event("node.status", node="a", status="down")["why"] == "HTTP 500"
    assert present.read_to_end() is not None  # on_node_down
    server.codes = [200]
    router.wait_event("node.status", node="a", status="up", was="down")
    assert not router.find("node.status", node="b")
    assert not server.errors and not other.errors


class EmqxApi:
    """Port 18083 of EMQX, with the paths that exist in each edition."""

    AVAILABILITY = "/api/v5/load_rebalance/availability_check"

    def __init__(self, has_evacuation):
        self.codes = {"/status": 200}
        if has_evacuation:
            self.codes[self.AVAILABILITY] = 200
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(outer.codes.get(self.path, 404))
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def shipped_emqx_cluster(nodes, apis):
    """Return config/emqx-cluster.json with the addresses of these nodes and fast checks."""
    config = json.loads((ROOT / "config" / "emqx-cluster.json").read_text())
    del config["listeners"][1]  # TLS
    config["listeners"][0]["address"] = "127.0.0.1:0"
    config["log"] = {"level": "debug"}
    cluster, = config["clusters"]
    cluster["health_check"].update(FAST_CHECK, type="http", timeout_ms=5000)
    cluster["nodes"] = [{"name": name, "address": f"127.0.0.1:{nodes[name].port}", "check_address": apis[name].address}
                        for name in nodes]
    return config


def test_the_shipped_emqx_cluster_works_with_each_edition(
        start_router, recording_node, closing, device):
    """Node a has node evacuation (Enterprise, or 5.9 and later); node b is the open-source edition up to 5.8."""
    nodes = {name: recording_node() for name in ("a", "b")}
    apis = {"a": closing(EmqxApi(True)), "b": closing(EmqxApi(False))}
    router = start_router(shipped_emqx_cluster(nodes, apis))
    for name, code in (("a", 200), ("b", 404)):
        done = router.wait_event("check.done", node=name)
        assert (done["result"], done["why"]) == ("good", f"HTTP {code}")
        assert device(router).connect(ids_of(name, nodes, 1)[0]) == (0, 0)
    apis["a"].codes[EmqxApi.AVAILABILITY] = 503  # evacuation, until `rebalance stop`, also after a restart
    assert router.wait_event("node.status", node="a", status="paused")["why"] == "HTTP 503"
    assert device(router).connect(ids_of("a", nodes, 2)[1]) == (0, 0)
    assert router.gauges()["node b"] == 2
    apis["a"].codes[EmqxApi.AVAILABILITY] = 200
    router.wait_event("node.status", node="a", status="up", was="paused")
    assert not router.find("node.status", node="b")


def test_the_status_path_of_emqx_takes_down_a_stopped_node(start_router, recording_node, closing):
    """config/brokers.md recommends "/status" without "no_new" for the open-source edition."""
    nodes, apis = {"a": recording_node()}, {"a": closing(EmqxApi(False))}
    config = shipped_emqx_cluster(nodes, apis)
    check = config["clusters"][0]["health_check"]
    check.update(path="/status", no_new=[])
    del check["expect"]
    router = start_router(config)
    assert router.wait_event("check.done", node="a")["why"] == "HTTP 200"
    apis["a"].codes["/status"] = 503
    assert router.wait_event("node.status", node="a", status="down")["why"] == "HTTP 503"


def test_checks_go_to_the_check_address(start_router, mosquitto, closing):
    node = mosquitto()
    config = one_cluster({"n1": node.port}, proxy_protocol="none",
                         health_check={**FAST_CHECK, "type": "tcp"})
    refusing = closing(RefusingPort())
    config["clusters"][0]["nodes"][0]["check_address"] = f"127.0.0.1:{refusing.port}"
    router = start_router(config)
    down = router.wait_event("node.status", node="n1", status="down")
    assert down["why"] == "connect: Connection refused"


def test_a_node_changes_state_after_fall_or_rise_results_in_a_row(start_router, closing, mosquitto):
    node = mosquitto()
    falling = [200, 500, 500, 200, 500, 200, 500, 500, 500]
    rising = [200, 500, 200, 200, 500, 200, 200, 200]
    server = closing(StatusServer(*falling, *rising))
    check = {**HTTP, "port": server.port, "fall": 3, "rise": 3}
    router = start_router(one_cluster({"n1": node.port}, proxy_protocol="none", health_check=check))
    router.wait_event("node.status", status="down")
    # Even if the event is late, the previous checks were not enough.
    assert len(server.requests) >= len(falling)
    router.wait_event("node.status", status="up", was="down")
    assert len(server.requests) >= len(falling) + len(rising)
    assert [e["status"] for e in router.find("node.status")] == ["down", "up"]


def paused_and(start_router, mosquitto, closing, other):
    """Start a router with node "a", whose check returns 503, and node "b". Return (port, check address of a)."""
    server = closing(StatusServer(503))
    config = one_cluster({"a": mosquitto("a").port, "b": other[0]}, proxy_protocol="none",
                         passive=False, health_check={**HTTP, "port": server.port, "path": "/"})
    config["clusters"][0]["nodes"][1]["check_address"] = other[1]
    router = start_router(config)
    router.wait_event("node.status", node="a", status="paused")
    return router, server


def test_a_paused_node_accepts_devices_if_no_other_node_is_up(
        start_router, mosquitto, closing, device):
    refusing = closing(RefusingPort())
    router, server = paused_and(start_router, mosquitto, closing,
                                (mosquitto("b").port, f"127.0.0.1:{refusing.port}"))
    router.wait_event("node.status", node="b", status="down")
    for client_id in ids_of("a", "ab", 3) + ids_of("b", "ab", 3):
        assert device(router).connect(client_id) == (0, 0)
    assert device(router).connect("")[1] == 0  # no key, so the node is selected by load
    assert router.gauges()["node a"] == 7
    # A paused node is only a last resort, and gets no devices once it is down.
    server.codes = [500]
    router.wait_event("node.status", node="a", status="down")
    assert device(router).connect("late")[1] == 3


def test_a_paused_node_gets_a_device_that_no_other_node_accepts(
        start_router, mosquitto, closing, device):
    """The check of the other node succeeds, but it refuses connections."""
    router, _ = paused_and(start_router, mosquitto, closing,
                           (closing(RefusingPort()).port, closing(StatusServer(200)).address))
    for client_id in ids_of("a", "ab", 2) + ids_of("b", "ab", 2):
        assert device(router).connect(client_id) == (0, 0)
    assert router.gauges()["node a"] == 4
    assert router.gauges()["dial_failures_total"] == 4, "the node that is up is tried first"
