"""A check that times out does not prove a failure: the router only suspects such a node."""

import subprocess
import time

import pytest

import admin
import mqtt
from admin import with_admin
from fleet import Fleet
from harness import BINARY, FAST_CHECK, WAIT_LIMIT_S, one_cluster, wait_until
from homes import ids_of
from nodes import Mosquitto
from recorder import HangingPort, RecordingNode, accept_connect

pytestmark = pytest.mark.sanitized

NAMES = ("n1", "n2", "n3")
CHECK = {**FAST_CHECK, "type": "mqtt"}


@pytest.fixture
def nodes(closing):
    return {name: closing(Mosquitto(name)) for name in NAMES}


@pytest.fixture
def answers(closing):
    """The targets of the checks, one per node. A target with `answer` None is silent."""
    return {name: closing(RecordingNode()) for name in NAMES}


def cluster_of(nodes, answers, **keys):
    """Return a cluster in which devices use the nodes, but checks use the ports of the targets."""
    config = one_cluster({name: node.port for name, node in nodes.items()}, proxy_protocol="none",
                         **{"health_check": CHECK, "passive": False, **keys})
    for node in config["clusters"][0]["nodes"]:
        node["check_address"] = answers[node["name"]].address
    return config


def exchange_until(device, until, what):
    """Publish a message and read it back, repeatedly, until until() is true."""
    deadline = time.monotonic() + WAIT_LIMIT_S
    while not until():
        device.send(mqtt.publish("busy", b"x"))
        assert device.packet()[0] == mqtt.PUBLISH
        assert time.monotonic() < deadline, f"waited {WAIT_LIMIT_S} s for {what}"


def test_sessions_that_a_suspected_node_still_serves_are_not_closed(
        start_router, nodes, answers, device):
    router = start_router(cluster_of(nodes, answers))
    busy_id, *silent_ids = ids_of("n1", NAMES, 6)
    busy, *silent = [device(router) for _ in range(6)]
    for d, client_id in zip((busy, *silent), (busy_id, *silent_ids)):
        assert d.connect(client_id) == (0, 0)
    busy.send(mqtt.subscribe("busy"))
    assert busy.packet()[0] == mqtt.SUBACK
    answers["n1"].answer = None
    exchange_until(busy, lambda: router.find("node.status", node="n1", status="down"), "n1 to be down")
    exchange_until(busy, lambda: len(router.find("session.end", reason="node_down")) == 5, "five to be closed")
    rounds = iter(range(100))
    exchange_until(busy, lambda: next(rounds, None) is None, "a hundred rounds more")
    assert not router.find("session.end", client_id=busy_id)
    assert {e["client_id"] for e in router.find("session.end")} == set(silent_ids)

    answers["n1"].close()  # a refused connection proves a failure
    assert router.session_end(client_id=busy_id)["reason"] == "node_down"


def silence(answers):
    """No check is answered, as in EMQX while one node hangs and all others wait for its lock."""
    for answer in answers.values():
        answer.answer = None


def status_of(router):
    return subprocess.run([BINARY, "status", "--admin", ":".join(map(str, admin.address(router)))],
                          capture_output=True, text=True, timeout=WAIT_LIMIT_S, check=False)


def test_one_hung_node_leaves_the_others_in_service_although_all_checks_fail(
        start_router, nodes, answers, device, closing):
    made = cluster_of(nodes, answers, passive={"failures": 3, "window_ms": 60_000, "eject_ms": 60_000})
    made["timeouts"] = {"connack_ms": 1000}
    router = start_router(with_admin(made))
    fleet = closing(Fleet(router.port, ids_of("n2", NAMES, 5) + ids_of("n3", NAMES, 5, name="other")))
    fleet.connect_all()
    nodes["n1"].hang()
    silence(answers)
    event = router.wait_event("cluster.panic")
    assert (event["cluster"], event["nodes"], event["panic_percent"]) == ("c", 3, 50)
    wait_until(lambda: sum(n["suspected"] for n in admin.get(router, "/api/v1/nodes")["clusters"][0]["nodes"]) == 3,
               "all three to be suspected")
    # New devices are accepted. This includes devices of the hung node, which is ejected after
    # failed sessions.
    new = closing(Fleet(router.port, ids_of("n1", NAMES, 10, name="new") + [f"dev-{i}" for i in range(20)]))
    new.connect_all()
    router.wait_event("node.status", node="n1", status="ejected")
    assert not router.find("session.end", reason="node_down")
    assert fleet.all_connected and not fleet.lost()

    cluster = admin.get(router, "/api/v1/nodes")["clusters"][0]
    found = {n["name"]: n for n in cluster["nodes"]}
    assert cluster["panic"] is True
    assert [found[name]["status"] for name in NAMES] == ["ejected", "up", "up"]
    assert "sessions failed" in found["n1"]["why"] and found["n2"]["why"].startswith("suspected: no CONNACK")
    answer = status_of(router)
    assert answer.returncode == 0 and 'cluster "c" is in panic mode' in answer.stdout, answer.stdout
    assert admin.get(router, "/readyz")["ready"] is True
    metrics = admin.http_request(router, "GET", "/metrics")[2].decode()
    assert 'mqtt_router_cluster_panic{cluster="c"} 1' in metrics

    nodes["n1"].resume()
    for answer in answers.values():
        answer.answer = accept_connect
    router.wait_event("cluster.panic_ended")
    assert admin.get(router, "/api/v1/status")["warnings"] == []


def test_without_panic_mode_timeouts_take_down_all_nodes(start_router, nodes, answers):
    made = cluster_of(nodes, answers, health_check={**CHECK, "panic_percent": 0})
    router = start_router(made)
    silence(answers)
    for name in NAMES:
        router.wait_event("node.status", node=name, status="down")
    assert not router.find("cluster.panic")


def test_a_router_that_reaches_no_node_is_not_ready_in_panic_mode(start_router, closing):
    router = start_router(with_admin(one_cluster({"n": closing(HangingPort()).port}, health_check=FAST_CHECK)))
    router.wait_event("cluster.panic")
    status, _, body = admin.http_request(router, "GET", "/readyz")
    assert status == 503, body
