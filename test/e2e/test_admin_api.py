"""The admin API: it shows the state of the router, and an operator's changes take effect."""

import json
import pathlib
import signal
import subprocess
import urllib.parse

import pytest

import admin
from admin import with_admin
from harness import CHECKED, WAIT_LIMIT_S, one_cluster, wait_until
from homes import by_home, order

ODD = 'n/1 "é%'


def node_of(router, name, cluster="c"):
    [found] = [n for c in admin.get(router, "/api/v1/nodes")["clusters"] if c["name"] == cluster
               for n in c["nodes"] if n["name"] == name]
    return found


def steer(router, name, **word):
    path = f"/api/v1/nodes/c/{urllib.parse.quote(name, safe='')}"
    return admin.post(router, path, word)


@pytest.fixture
def pair(start_router, recording_node):
    """Start a router with two nodes. Return (router, {name: node}, configuration)."""
    nodes = {name: recording_node() for name in ("a", "b")}
    made = with_admin(one_cluster({name: node.port for name, node in nodes.items()}, **CHECKED))
    return start_router(made), nodes, made


@pytest.mark.sanitized
def test_status_matches_the_gauges(pair, device):
    router, _, made = pair
    raws = [device(router) for _ in range(5)]
    for i, raw in enumerate(raws):
        raw.connect(f"dev-{i}")
    wait_until(lambda: router.gauges()["sessions_relay"] == 5, "all sessions to be relayed")
    raws[0].close()
    router.session_end()
    status, gauges = admin.get(router, "/api/v1/status"), router.gauges()
    for state, n in status["sessions"].items():
        assert n == gauges["sessions_" + state], state
    assert status["accepted_total"] == gauges["accepted_total"] == 5
    assert status["connections"] == 4 and status["closed_by_reason"] == {"client_closed": 1}
    assert (status["ready"], status["phase"], status["reasons"]) == (True, "serving", [])
    assert status["workers"] == made["workers"] and status["pid"] == router.pid
    assert (status["overrides"], status["log_level"]) == ([], made["log"]["level"])


@pytest.mark.sanitized
def test_a_node_is_drained_and_restored(pair, device):
    router, nodes, _ = pair
    ports = {name: node.port for name, node in nodes.items()}
    homes = by_home(ports, [f"dev-{i}" for i in range(12)])
    raws = {i: device(router) for ids in homes.values() for i in ids}
    for client_id, raw in raws.items():
        raw.connect(client_id)
    node = steer(router, "a", state="draining", drain_rate_per_s=1000)
    assert (node["status"], node["state"], node["state_in_file"]) == ("draining", "draining", "up")
    assert "restart" in node["undone_by"]
    drain = wait_until(lambda: node_of(router, "a")["drain"], "the drain to start")
    assert (drain["rate_per_s"], drain["sessions_at_start"]) == (1000, len(homes["a"]))
    for client_id in homes["a"]:
        assert raws[client_id].read_to_end() == (b"", "end")
    router.wait_event("node.drained", node="a")
    assert node_of(router, "a")["sessions"] == 0
    assert node_of(router, "b")["sessions"] == len(homes["b"])
    [override] = admin.get(router, "/api/v1/status")["overrides"]
    assert (override["what"], override["node"], override["now"], override["in_file"]) == (
        "node_state", "a", "draining", "up")
    node = steer(router, "a", state="up")
    assert (node["status"], node["undone_by"], node["drain"]) == ("up", None, None)
    again = device(router)
    again.connect(homes["a"][0])
    router.wait_event("session.end", count=len(homes["a"]), reason="node_drained")
    wait_until(lambda: node_of(router, "a")["sessions"] == 1, "the session to be at home again")


def test_a_weight_set_by_an_operator_lasts_until_the_file_changes_it(pair, device):
    router, nodes, made = pair
    ports = {name: node.port for name, node in nodes.items()}
    before = {n: node_of(router, n)["key_share_permille"] for n in ("a", "b")}
    assert sum(before.values()) == 1000 and all(450 < share < 550 for share in before.values())
    node = steer(router, "a", weight=0)
    assert (node["weight"], node["weight_in_file"], node["key_share_permille"]) == (0, 1, 0)
    client_id = by_home(ports, [f"dev-{i}" for i in range(12)])["a"][0]
    assert admin.get(router, "/api/v1/route", client_id=client_id)["home"] == "b"
    raw = device(router)
    raw.connect(client_id)
    wait_until(lambda: node_of(router, "b")["sessions"] == 1, "the session to be at b")
    router.reload(made)
    assert node_of(router, "a")["weight"] == 0, "a reload with the same weight in the file keeps it"
    made["clusters"][0]["nodes"][0]["weight"] = 3
    router.reload(made)
    assert node_of(router, "a")["weight"] == node_of(router, "a")["weight_in_file"] == 3
    assert 700 < node_of(router, "a")["key_share_permille"] < 800
    assert steer(router, "a", weight=7)["undone_by"]
    assert steer(router, "a", weight=None)["undone_by"] is None
    assert not admin.get(router, "/api/v1/status")["overrides"]


def test_a_state_set_by_an_operator_lasts_until_the_file_changes_it(pair):
    router, _, made = pair
    steer(router, "a", state="down")
    router.reload(made)
    assert (node_of(router, "a")["status"], node_of(router, "a")["state"]) == ("off", "down")
    made["clusters"][0]["nodes"][0]["state"] = "draining"
    router.reload(made)
    assert (node_of(router, "a")["state"], node_of(router, "a")["undone_by"]) == ("draining", None)
    assert not admin.get(router, "/api/v1/status")["overrides"]


def test_route_names_the_node_that_a_device_reaches_with_a_node_down(pair, device):
    router, nodes, _ = pair
    ports = {name: node.port for name, node in nodes.items()}
    nodes["a"].close()
    router.wait_event("node.status", node="a", status="down")
    for client_id in ("one", "two", "three"):
        answer = admin.get(router, "/api/v1/route", client_id=client_id)
        assert answer["home"] == order(ports, client_id)[0]
        assert [c["node"] for c in answer["candidates"]] == ["b"]
        assert (answer["key"], answer["key_from"], answer["without_key"]) == (client_id, "client_id", None)
        raw = device(router)
        raw.connect(client_id)
    wait_until(lambda: node_of(router, "b")["sessions"] == 3, "all sessions to be at b")
    down = node_of(router, "a")
    assert (down["status"], down["check"]["last"]) == ("down", "bad") and down["why"]
    assert down["key_share_permille"] == 0
    answer = admin.get(router, "/api/v1/route")
    assert (answer["key"], answer["candidates"], answer["without_key"]) == (None, [], "least_loaded")
    assert admin.rejection(router, "GET", "/api/v1/route", cluster="x") == (404, "cluster_unknown")


@pytest.mark.parametrize("word", (
    [], {"state": "away"}, {"state": 1}, {"weight": -1}, {"weight": 65536}, {"weight": 1.5}, {"weight": 1e30}, {"weight": 65536.0}, {"weight": "1"},
    {"drain_rate_per_s": 0}, {"drain_rate_per_s": 10 ** 30}, {"stat": "up"}, {}, {"weight": True},
    {"state": "down", "weight": "x"}), ids=str)
def test_an_invalid_request_changes_nothing(pair, word):
    router, _, _ = pair
    assert admin.rejection(router, "POST", "/api/v1/nodes/c/a", word) == (400, "invalid_body")
    assert node_of(router, "a")["state"] == "up" and not router.find("node.steered")


def test_an_integer_may_be_written_with_a_fraction_or_an_exponent(pair):
    router, _, _ = pair
    for text, weight in (("2.0", 2), ("6.5535e4", 65535), ("1e+00", 1)):
        status, _, body = admin.http_request(router, "POST", "/api/v1/nodes/c/a", b'{"weight": %s}' % text.encode(),
                                    {"Content-Type": "application/json"})
        assert (status, json.loads(body)["weight"]) == (200, weight)


def test_node_names_with_special_characters_are_accepted_in_paths(start_router, recording_node):
    router = start_router(with_admin(one_cluster({ODD: recording_node().port})))
    assert steer(router, ODD, state="down")["status"] == "off"
    status, _, body = admin.http_request(router, "GET", "/readyz")
    assert (status, json.loads(body)["ready"]) == (503, False)
    assert admin.rejection(router, "POST", "/api/v1/nodes/c/nobody", {"state": "up"}) == (404, "node_unknown")
    assert admin.rejection(router, "POST", "/api/v1/nodes/x/nobody", {"state": "up"}) == (404, "node_unknown")


def readiness(router, query=""):
    status, _, body = admin.http_request(router, "GET", "/readyz" + query)
    return status, json.loads(body)


def test_a_router_is_ready_if_one_listener_has_a_node(start_router, closing, recording_node):
    made = with_admin(one_cluster({"a": recording_node().port}, **CHECKED))
    made["clusters"] += [{"name": "dead", "nodes": [{"name": "b", "address": "127.0.0.1:1"}], **CHECKED},
                         {"name": "unused", "nodes": [{"name": "c", "address": "127.0.0.1:1"}], **CHECKED}]
    made["listeners"].append({"name": "second", "address": "127.0.0.1:0", "cluster": "dead"})
    router = start_router(made)
    for name in "bc":
        router.wait_event("node.status", node=name, status="down")
    assert readiness(router) == (200, {"ready": True, "phase": "serving", "reasons": []})
    assert admin.get(router, "/api/v1/status")["ready"] is True
    assert readiness(router, "?cluster=c")[0] == 200
    status, answer = readiness(router, "?cluster=dead")
    assert (status, answer["ready"]) == (503, False)
    assert answer["reasons"] == ['no node of cluster "dead" accepts new sessions']
    for query in ("?all", "?all=true"):
        status, answer = readiness(router, query)
        assert status == 503 and len(answer["reasons"]) == 2
    assert admin.rejection(router, "GET", "/readyz", cluster="nobody") == (404, "cluster_unknown")
    assert admin.rejection(router, "GET", "/readyz", cluster="c", all="") == (400, "invalid_query")
    assert admin.rejection(router, "GET", "/readyz", all="no") == (400, "invalid_query")

    steer(router, "a", state="draining")  # the last cluster that a listener uses
    status, answer = readiness(router)
    assert status == 503
    assert answer["reasons"] == [f'no node of cluster "{name}" accepts new sessions' for name in ("c", "dead")]


def test_a_reload_reports_its_changes_or_its_errors(pair, device):
    router, _, made = pair
    answer = admin.post(router, "/api/v1/reload")
    [warning] = answer["warnings"]
    assert "health_check.timeout_ms" in warning and answer["moved_permille"] == 0
    router.wait_event("reload.done")
    assert answer["clusters"] == [{"name": "c", "nodes": 2, "added": 0, "removed": 0, "moved_permille": 0}]
    made["clusters"][0]["nodes"][0]["name"] = "z"
    router.config_path.write_text(json.dumps(made))
    answer = admin.post(router, "/api/v1/reload")
    [cluster] = answer["clusters"]
    output = router.wait_event("reload.cluster", added=1)
    assert cluster.pop("name") == output["cluster"] and cluster == {key: output[key] for key in cluster}
    assert (cluster["nodes"], cluster["added"], cluster["removed"]) == (2, 1, 1)
    assert 300 < cluster["moved_permille"] == answer["moved_permille"] < 800
    router.config_path.write_text('{\n"workers": "two"}')
    status, _, body = admin.http_request(router, "POST", "/api/v1/reload", {})
    problem = json.loads(body)
    assert (status, problem["reason"]) == (409, "reload_failed")
    assert any("config.json:2: workers" in fault for fault in problem["faults"]), problem
    assert device(router).connect("dev") == (0, 0)


def test_a_log_level_set_by_an_operator_lasts_until_a_reload(pair):
    router, _, made = pair
    answer = admin.post(router, "/api/v1/log_level", {"level": "error"})
    assert answer["log_level"] == "error" and "reload" in answer["undone_by"]
    [override] = admin.get(router, "/api/v1/status")["overrides"]
    assert (override["what"], override["now"]) == ("log_level", "error")
    assert admin.rejection(router, "POST", "/api/v1/log_level", {"level": "loud"}) == (400, "invalid_body")
    admin.post(router, "/api/v1/reload")
    assert not admin.get(router, "/api/v1/status")["overrides"]


@pytest.mark.sanitized
def test_certificates_and_listeners_match_openssl_and_the_sockets(
        start_router, recording_node, certificates, device):
    made = with_admin(one_cluster({"n": recording_node().port}, tls_dir=certificates))
    router = start_router(made)
    device(router).connect("dev")
    [listener] = [d for d in admin.get(router, "/api/v1/listeners")["listeners"] if d["name"] == "mqtt"]
    assert (listener["tls"], listener["cluster"], listener["connections"], listener["accepted_total"]) == (
        False, "c", 1, 1)
    found = {pathlib.Path(c["file"]).name: c
             for c in admin.get(router, "/api/v1/certificates")["certificates"]}
    assert (found["server.pem"]["listener"], found["server.pem"]["cluster"]) == ("mqtts", None)
    output = subprocess.run(["openssl", "x509", "-in", certificates / "server.pem", "-noout", "-enddate",
                           "-dateopt", "iso_8601"], capture_output=True, text=True, check=True).stdout
    assert found["server.pem"]["not_after"].replace(".000Z", "Z").replace("T", " ") in output
    assert found["server.pem"]["days_left"] >= 0


def test_an_ordered_homecoming_moves_off_home_sessions(start_router, recording_node, device):
    nodes = {name: recording_node() for name in ("a", "b")}
    ports = {name: node.port for name, node in nodes.items()}
    router = start_router(with_admin(one_cluster(ports, **CHECKED)))
    steer(router, "a", state="down")
    raw = device(router)
    raw.connect(by_home(ports, [f"dev-{i}" for i in range(12)])["a"][0])
    wait_until(lambda: node_of(router, "b")["sessions"] == 1, "the session to be at b")
    steer(router, "a", state="up")
    wait_until(lambda: node_of(router, "a")["sessions_away"] == 1, "the session to count as off-home")
    answer = admin.post(router, "/api/v1/homecoming", {"cluster": "c", "node": "a", "rate_per_s": 1000})
    assert answer["nodes"] == [{"cluster": "c", "node": "a", "sessions_away": 1}]
    assert raw.read_to_end() == (b"", "end")
    wait_until(lambda: node_of(router, "a")["sessions_away"] == 0, "all sessions to be at home")


def test_a_draining_router_rejects_changes(pair, device):
    router, _, _ = pair
    raw = device(router)
    raw.connect("dev")
    wait_until(lambda: router.gauges()["sessions_relay"] == 1, "the session to be relayed")
    router.process.send_signal(signal.SIGTERM)
    wait_until(lambda: admin.get(router, "/api/v1/status")["phase"] == "draining", "the router to drain")
    for path, body in (("nodes/c/a", {"state": "down"}), ("reload", {}), ("homecoming", {"rate_per_s": 1})):
        assert admin.rejection(router, "POST", "/api/v1/" + path, body) == (409, "not_serving")
    raw.close()
    assert router.process.wait(WAIT_LIMIT_S) == 0


def test_a_body_nested_too_deeply_is_rejected(pair):
    router, _, _ = pair
    deep = b'{"state": ' + b"[" * 5000 + b"]" * 5000 + b"}"
    status, _, answer = admin.http_request(router, "POST", "/api/v1/nodes/c/a", deep,
                                  {"Content-Type": "application/json"})
    assert (status, json.loads(answer)["reason"]) == (400, "invalid_body")
    assert node_of(router, "a")["state"] == "up"


def test_a_long_name_in_an_error_is_truncated_between_characters(pair):
    router, _, _ = pair
    for shift in range(4):
        assert admin.rejection(router, "GET", "/api/v1/route", cluster="x" * shift + "\U0001f697" * 300) == (
            404, "cluster_unknown")


def test_a_removed_node_can_be_drained_but_not_overridden(pair, device):
    router, nodes, made = pair
    ports = {name: node.port for name, node in nodes.items()}
    raw = device(router)
    raw.connect(by_home(ports, [f"dev-{i}" for i in range(12)])["b"][0])
    wait_until(lambda: node_of(router, "b")["sessions"] == 1, "the session to be at b")
    kept = made["clusters"][0]["nodes"].pop()
    assert kept["name"] == "b"
    router.reload(made)
    node = node_of(router, "b")
    assert (node["departed"], node["undone_by"], node["sessions"]) == (True, None, 1)
    assert not admin.get(router, "/api/v1/status")["overrides"]
    assert admin.rejection(router, "POST", "/api/v1/nodes/c/b", {"weight": 3}) == (400, "invalid_body")
    steer(router, "b", state="draining")
    assert raw.read_to_end() == (b"", "end")


def test_a_reload_lists_the_changes_that_need_a_restart(pair):
    router, _, made = pair
    made["workers"] = made["workers"] + 1
    made["sandbox"] = False
    router.config_path.write_text(json.dumps(made))
    answer = admin.post(router, "/api/v1/reload")
    waiting = [w for w in answer["warnings"] if "restart" in w]
    assert waiting == ["workers: takes effect after a restart", "sandbox: takes effect after a restart"]
    assert [e["key"] for e in router.find("reload.restart_needed")] == ["workers", "sandbox"]
