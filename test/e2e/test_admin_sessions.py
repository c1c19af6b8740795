"""Find and close sessions through the admin interface."""

import threading
import time

import pytest

import admin
import mqtt
from admin import with_admin
from harness import CHECKED, one_cluster, wait_until
from homes import by_home

pytestmark = pytest.mark.sanitized
HOSTILE = 'a"b\\<script>\n\u202e\u00e9 \U0001f600'


def sessions(router, **query):
    answer = admin.get(router, "/api/v1/sessions", **query)
    assert answer["complete"]
    return answer["sessions"]


@pytest.fixture
def crowd(start_router, recording_node, device):
    """A router with four workers and two nodes, and 40 devices."""
    nodes = {"a": recording_node(), "b": recording_node()}
    made = with_admin(one_cluster({name: node.port for name, node in nodes.items()}, **CHECKED))
    made["workers"] = 4
    made["timeouts"] = {"farewell_ms": 200}
    router = start_router(made)
    raws = {f"dev-{i}": device(router) for i in range(40)}
    for client_id, raw in raws.items():
        assert raw.connect(client_id) == (0, 0)
    wait_until(lambda: router.gauges()["sessions_relay"] == 40, "all sessions to be relayed")
    return router, raws, made


def test_a_session_is_found_by_client_identifier_with_all_its_fields(crowd):
    router, raws, _ = crowd
    [found] = sessions(router, client_id="dev-7")
    placed = {e["session"]: e for e in router.find("session.placed", client_id="dev-7")}
    host, port = raws["dev-7"].socket.getsockname()
    assert (found["client_id"], found["source"]) == ("dev-7", f"{host}:{port}")
    assert (found["listener"], found["cluster"], found["stage"]) == ("mqtt", "c", "relay")
    assert (found["placement"], found["home"], found["tries"]) == ("home", found["node"], 1)
    assert (found["mqtt_version"], found["connack_code"], found["session_present"]) == ("3.1.1", 0, False)
    assert found["bytes_down"] == 4 and found["bytes_up"] > 10
    assert found["tls_version"] is None and found["age_s"] >= found["stage_s"] >= 0
    assert not placed or found["id"] in placed
    assert admin.get(router, "/api/v1/sessions/" + found["id"])["client_id"] == "dev-7"
    assert not sessions(router, client_id="dev-") and not sessions(router, client_id="dev-70")


def test_filters_combine_and_the_limit_marks_a_truncated_list(crowd):
    router, _, made = crowd
    ports = {n["name"]: int(n["address"].split(":")[1]) for n in made["clusters"][0]["nodes"]}
    at_a = {s["client_id"] for s in sessions(router, node="a")}
    assert at_a == {s["client_id"] for s in sessions(router, node="c/a", source="127.0.0.0/8")}
    assert at_a == set(by_home(ports, [f"dev-{i}" for i in range(40)])["a"])
    assert {s["node"] for s in sessions(router, node="a")} == {"a"}
    assert not sessions(router, node="nobody") and not sessions(router, source="::1")
    assert len(sessions(router, source="127.0.0.1")) == 40
    answer = admin.get(router, "/api/v1/sessions", limit=7)
    assert len(answer["sessions"]) == 7 and answer["more"] and answer["limit"] == 7
    assert not admin.get(router, "/api/v1/sessions", limit=40)["more"]
    [one] = sessions(router, client_id=next(iter(at_a)), node="a", source="127.0.0.1")
    assert one["node"] == "a"
    assert not sessions(router, client_id=next(iter(at_a)), node="b")


def test_only_the_given_session_is_closed(crowd):
    router, raws, _ = crowd
    [found] = sessions(router, client_id="dev-3")
    answer = admin.post(router, f"/api/v1/sessions/{found['id']}/disconnect")
    assert answer == {"id": found["id"], "reason": "disconnected"}
    assert raws["dev-3"].read_to_end() == (b"", "end")
    end = router.session_end(client_id="dev-3")
    assert (end["session"], end["reason"], end["closed_by"]) == (found["id"], "disconnected", "router")
    assert len(sessions(router)) == 39 and len(router.find("session.end")) == 1
    assert admin.rejection(router, "POST", f"/api/v1/sessions/{found['id']}/disconnect", {}) == (
        404, "session_unknown")


def test_an_invalid_query_is_rejected(start_router, recording_node):
    router = start_router(with_admin(one_cluster({"n": recording_node().port})))
    for query in ({"limit": 0}, {"limit": 1001}, {"limit": "x"}, {"limit": ""},
                  {"source": "10.0.0.1/8"}, {"source": "here"}, {"client": "x"}):
        assert admin.rejection(router, "GET", "/api/v1/sessions", **query) == (400, "invalid_query")
    for wrong in ("0", "g" * 16, "A" * 16, "f" * 16, "0" * 17, "%20"):
        assert admin.rejection(router, "GET", "/api/v1/sessions/" + wrong) == (404, "session_unknown")


def test_names_are_returned_unchanged_and_long_ones_are_marked_as_truncated(
        start_router, recording_node, device):
    router = start_router(with_admin(one_cluster({"n": recording_node().port})))
    long = "x" * 200
    # The 128th byte is inside a character: truncation must not split it.
    wide = {"a" * k + "\U0001f600" * 40: "a" * k + "\U0001f600" * 31 + "..." for k in (1, 2, 3)}
    ids = [HOSTILE, long, "x" * 128 + "y" * 72, *wide]
    raws = [device(router) for _ in ids]
    for raw, client_id in zip(raws, ids):
        raw.connect(client_id, username="u")
    wait_until(lambda: router.gauges()["sessions_relay"] == len(ids), "all sessions to be relayed")
    assert [s["client_id"] for s in sessions(router, client_id=HOSTILE)] == [HOSTILE]
    [found] = sessions(router, client_id=long)
    assert found["client_id"] == "x" * 128 + "..."
    for client_id, shown in wide.items():
        assert [s["client_id"] for s in sessions(router, client_id=client_id)] == [shown]


def test_a_session_shows_what_its_listener_knows(
        start_router, recording_node, certificates, device):
    made = with_admin(one_cluster({"n": recording_node().port}, tls_dir=certificates))
    router = start_router(made)
    device(router, tls=mqtt.tls_context(certificates)).connect("secure", version=5)
    half = device(router)
    half.send(mqtt.connect("half")[:5])
    wait_until(lambda: router.gauges()["sessions_connect"] == 1, "half a CONNECT")
    [found] = sessions(router, client_id="secure")
    assert (found["tls_version"], found["tls_resumed"], found["listener"]) == ("TLSv1.3", False, "mqtts")
    assert found["tls_detached"] in (False, True)
    assert found["mqtt_version"] == "5.0"
    [waiting] = [s for s in sessions(router) if s["stage"] == "connect"]
    assert waiting["client_id"] is waiting["node"] is waiting["connack_code"] is waiting["tls_detached"] is None


def test_fifty_simultaneous_queries_are_answered_or_get_503(crowd):
    router, _, _ = crowd
    answers = []

    def query():
        answers.append(admin.http_request(router, "GET", "/api/v1/sessions?limit=1000")[0])
    threads = [threading.Thread(target=query) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 50 and set(answers) <= {200, 503} and 200 in answers
    assert len(sessions(router)) == 40


def test_queries_do_not_delay_the_exit(crowd):
    router, raws, _ = crowd
    stop = threading.Event()

    def query():
        while not stop.is_set():
            try:
                admin.http_request(router, "GET", "/api/v1/sessions")
            except OSError:
                time.sleep(0.001)
    threads = [threading.Thread(target=query) for _ in range(4)]
    for thread in threads:
        thread.start()
    for raw in raws.values():
        raw.close()
    try:
        router.wait_idle()
        router.stop()
    finally:
        stop.set()
        for thread in threads:
            thread.join()
