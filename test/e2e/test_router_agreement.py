"""Routers share no state, and select the same nodes as soon as they see the same nodes up."""

import socket

import pytest

from fleet import Fleet
from harness import CHECKED, free_port, one_cluster
from homes import by_home, order
from nodes import Mosquitto

pytestmark = pytest.mark.sanitized
NODES = ("n1", "n2", "n3", "n4")
IDS = [f"dev-{i}" for i in range(120)]


class CheckPort:
    """A target for one router's checks of one node. It can be opened and closed independently of the node."""

    def __init__(self):
        self.port = free_port()
        self.socket = None

    def open(self):
        self.socket = socket.create_server(("127.0.0.1", self.port), backlog=1024)

    def close(self):
        if self.socket:
            self.socket.close()
            self.socket = None


@pytest.fixture
def nodes(closing):
    return {name: closing(Mosquitto(name)) for name in NODES}


@pytest.fixture
def routers(start_router, nodes, closing):
    """Start three routers. Return them and the target with which the second one checks n2."""
    view = closing(CheckPort())
    view.open()
    started = []
    for i in range(3):
        made = one_cluster({name: node.port for name, node in nodes.items()},
                           proxy_protocol="none", **CHECKED)
        made["log"]["level"] = "info"
        made["clusters"][0]["nodes"].sort(key=lambda n: n["name"], reverse=i == 2)
        if i == 1:
            next(n for n in made["clusters"][0]["nodes"] if n["name"] == "n2")[
                "check_address"] = f"127.0.0.1:{view.port}"
        started.append(start_router(made))
    return started, view


def placements(router, closing):
    """Connect all devices through one router; return {client id: node}."""
    before = len(router.find("session.end"))
    fleet = closing(Fleet(router.port, IDS))
    fleet.connect_all()
    fleet.disconnect()
    router.session_end(count=before + len(IDS))
    return {e["client_id"]: e["node"] for e in router.find("session.end")[before:]}


def expected(up):
    return {client_id: next(n for n in order(NODES, client_id) if n in up) for client_id in IDS}


def test_routers_agree_again_once_their_views_of_the_nodes_match(routers, closing):
    three, view = routers
    assert all(placements(router, closing) == expected(NODES) for router in three)
    view.close()
    three[1].wait_event("node.status", node="n2", status="down")
    without = expected({"n1", "n3", "n4"})
    assert placements(three[1], closing) == without
    assert placements(three[0], closing) == placements(three[2], closing) == expected(NODES)
    # It selects another node only for the devices of n2.
    assert {i for i in IDS if without[i] != expected(NODES)[i]} == set(by_home(NODES, IDS)["n2"])
    view.open()
    three[1].wait_event("node.status", node="n2", status="up")
    assert all(placements(router, closing) == expected(NODES) for router in three)


def test_all_routers_choose_the_same_substitutes_for_a_dead_node(routers, nodes, closing):
    three, _ = routers
    nodes["n3"].kill()
    for router in three:
        router.wait_event("node.status", node="n3", status="down")
    assert all(placements(router, closing) == expected({"n1", "n2", "n4"}) for router in three)
    nodes["n3"].begin()
    for router in three:
        router.wait_event("node.status", node="n3", status="up")
    assert all(placements(router, closing) == expected(NODES) for router in three)
