"""Sessions that landed elsewhere while their node was away can be called home, at a pace."""

import select

import pytest

from fleet import Fleet
from harness import CHECKED, one_cluster, wait_until
from homes import by_home, ids_of
from nodes import Mosquitto
from recorder import accept_connect
from test_drain import busiest_second

pytestmark = pytest.mark.sanitized
NODES = ("n1", "n2", "n3")


class Stage:
    """Three nodes, 120 devices, and one node that has been away."""

    def __init__(self, start_router, closing, **cluster):
        self.nodes = {name: closing(Mosquitto(name)) for name in NODES}
        made = one_cluster({name: node.port for name, node in self.nodes.items()},
                           proxy_protocol="none", **CHECKED, **cluster)
        self.router = start_router(made)
        self.fleet = closing(Fleet(self.router.port, 120))
        self.fleet.come_all()
        self.homes = by_home(NODES, [device.name for device in self.fleet.devices])

    def lose_and_find(self, name):
        self.nodes[name].kill()
        self.fleet.run(lambda: len(self.fleet.lost()) == len(self.homes[name]) and
                       self.fleet.is_whole, "all to be elsewhere")
        self.router.wait_event("node.status", node=name, status="down")
        assert self.router.gauges()["node " + name] == 0
        self.fleet.forget()
        self.nodes[name].begin()
        self.router.wait_event("node.status", node=name, status="up")


@pytest.fixture
def stage(start_router, closing):
    return lambda **cluster: Stage(start_router, closing, **cluster)


def test_those_who_are_away_come_home_and_nobody_else_moves(stage):
    s = stage(homecoming={"after_ms": 500, "rate_per_s": 20})
    s.lose_and_find("n2")
    away = set(s.homes["n2"])
    s.fleet.run(lambda: len(s.fleet.lost()) == len(away) and s.fleet.is_whole, "them to come home")
    assert s.fleet.lost() == away
    ends = s.router.find("session.end", reason="homecoming")
    assert {e["client_id"] for e in ends} == away
    assert {e["placement"] for e in ends} <= {"fallback", "replay"}
    assert busiest_second(ends) <= 22
    gauges = s.router.gauges()
    assert {name: gauges["node " + name] for name in NODES} == {
        name: len(ids) for name, ids in s.homes.items()}


def test_without_homecoming_they_stay_until_they_reconnect(stage):
    s = stage()
    s.lose_and_find("n2")
    s.fleet.run_for(1.5)
    assert not s.fleet.lost()
    s.fleet.come_back()
    s.fleet.run(lambda: s.fleet.is_whole, "all to come back")
    wait_until(lambda: s.router.gauges()["node n2"] == len(s.homes["n2"]), "all to be home")


def test_a_home_that_goes_again_calls_nobody(stage):
    s = stage(homecoming={"after_ms": 2000, "rate_per_s": 1000})
    s.lose_and_find("n2")
    s.nodes["n2"].kill()
    s.router.wait_event("node.status", node="n2", status="down", count=2)
    s.fleet.run_for(2.5)
    assert not s.fleet.lost()
    assert not s.router.find("session.end", reason="homecoming")


def test_a_home_that_refuses_for_itself_calls_nobody(start_router, recording_node, device):
    busy = recording_node(answer=lambda r: b"\x20\x02\x00\x03" if accept_connect(r) else None)
    other = recording_node()
    ports = {"busy": busy.port, "other": other.port}
    router = start_router(one_cluster(ports, homecoming={"after_ms": 0, "rate_per_s": 100}))
    raws = [device(router) for _ in range(5)]
    for raw, client_id in zip(raws, ids_of("busy", ports, 5)):
        raw.connect(client_id)
    # The evictor looks at sessions that are away once a second: give it two looks.
    select.select([], [], [], 2.2)
    assert not router.find("session.end") and not router.find("node.homecoming")
    wait_until(lambda: router.gauges()["sessions_relay"] == 5, "all five to be relayed")
