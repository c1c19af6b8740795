"""Checks that time out prove nothing: what the router does about a node that is only suspected."""

import time

import pytest

import mqtt
from harness import FAST_CHECK, PATIENCE_S, one_cluster
from homes import ids_of
from nodes import Mosquitto
from recorder import RecordingNode

pytestmark = pytest.mark.sanitized

NAMES = ("n1", "n2", "n3")
CHECK = {**FAST_CHECK, "type": "mqtt"}


@pytest.fixture
def nodes(closing):
    return {name: closing(Mosquitto(name)) for name in NAMES}


@pytest.fixture
def answers(closing):
    """What answers the checks, one for each node: `answer` None makes it silent."""
    return {name: closing(RecordingNode()) for name in NAMES}


def cluster_of(nodes, answers, **keys):
    """Devices go to the nodes, checks to what answers for them."""
    config = one_cluster({name: node.port for name, node in nodes.items()}, proxy_protocol="none",
                         **{"health_check": CHECK, "passive": False, **keys})
    for node in config["clusters"][0]["nodes"]:
        node["check_address"] = answers[node["name"]].address
    return config


def talk(device, until, what):
    """Publish to a topic and read it back, again and again, until until() is true."""
    deadline = time.monotonic() + PATIENCE_S
    while not until():
        device.send(mqtt.publish("busy", b"x"))
        assert device.packet()[0] == mqtt.PUBLISH
        assert time.monotonic() < deadline, f"waited {PATIENCE_S} s for {what}"


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
    talk(busy, lambda: router.find("node.status", node="n1", status="down"), "n1 to be down")
    talk(busy, lambda: len(router.find("session.end", reason="node_down")) == 5, "five to be closed")
    rounds = iter(range(100))
    talk(busy, lambda: next(rounds, None) is None, "a hundred rounds more")
    assert not router.find("session.end", client_id=busy_id)
    assert {e["client_id"] for e in router.find("session.end")} == set(silent_ids)

    answers["n1"].close()  # a refused connection is a fact
    assert router.session_end(client_id=busy_id)["reason"] == "node_down"
