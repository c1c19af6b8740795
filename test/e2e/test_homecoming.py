"""Sessions on other nodes return to their home at a limited rate after it has been down."""

import select

import pytest

from fleet import Fleet
import admin
from harness import CHECKED, one_cluster, wait_until
from homes import by_home, ids_of
from nodes import Mosquitto
from recorder import CONNACK_3, accept_connect
from test_drain import busiest_second

pytestmark = pytest.mark.sanitized
NODES = ("n1", "n2", "n3")


class Stage:
    """Start three nodes and 120 devices. One of the nodes has been down."""

    def __init__(self, start_router, closing, **cluster):
        self.nodes = {name: closing(Mosquitto(name)) for name in NODES}
        made = one_cluster({name: node.port for name, node in self.nodes.items()},
                           proxy_protocol="none", **CHECKED, **cluster)
        self.router = start_router(made)
        self.fleet = closing(Fleet(self.router.port, 120))
        self.fleet.connect_all()
        self.homes = by_home(NODES, [device.name for device in self.fleet.devices])

    def kill_and_restart(self, name):
        self.nodes[name].kill()
        self.fleet.run(lambda: len(self.fleet.lost()) == len(self.homes[name]) and
                       self.fleet.all_connected, "all devices to reconnect elsewhere")
        self.router.wait_event("node.status", node=name, status="down")
        assert self.router.gauges()["node " + name] == 0
        self.fleet.reset_counters()
        self.nodes[name].begin()
        self.router.wait_event("node.status", node=name, status="up")


@pytest.fixture
def stage(start_router, closing):
    return lambda **cluster: Stage(start_router, closing, **cluster)


def test_only_off_home_sessions_move_home(stage):
    s = stage(homecoming={"after_ms": 500, "rate_per_s": 20})
    s.kill_and_restart("n2")
    off_home = set(s.homes["n2"])
    s.fleet.run(lambda: len(s.fleet.lost()) == len(off_home) and s.fleet.all_connected,
                "the off-home devices to return")
    assert s.fleet.lost() == off_home
    ends = s.router.find("session.end", reason="homecoming")
    assert {e["client_id"] for e in ends} == off_home
    assert {e["placement"] for e in ends} <= {"fallback", "replay"}
    assert busiest_second(ends) <= 22
    gauges = s.router.gauges()
    assert {name: gauges["node " + name] for name in NODES} == {
        name: len(ids) for name, ids in s.homes.items()}


def test_without_homecoming_sessions_stay_until_they_reconnect(stage):
    s = stage()
    s.kill_and_restart("n2")
    s.fleet.run_for(1.5)
    assert not s.fleet.lost()
    s.fleet.reconnect()
    s.fleet.run(lambda: s.fleet.all_connected, "all devices to reconnect")
    wait_until(lambda: s.router.gauges()["node n2"] == len(s.homes["n2"]), "all sessions to be at home")


def test_a_home_that_fails_again_stops_homecoming(stage):
    s = stage(homecoming={"after_ms": 2000, "rate_per_s": 1000})
    s.kill_and_restart("n2")
    s.nodes["n2"].kill()
    s.router.wait_event("node.status", node="n2", status="down", count=2)
    s.fleet.run_for(2.5)
    assert not s.fleet.lost()
    assert not s.router.find("session.end", reason="homecoming")


def test_a_home_that_refuses_connects_starts_no_homecoming(start_router, recording_node, device):
    busy = recording_node(answer=lambda r: b"\x20\x02\x00\x03" if accept_connect(r) else None)
    other = recording_node()
    ports = {"busy": busy.port, "other": other.port}
    router = start_router(one_cluster(ports, homecoming={"after_ms": 0, "rate_per_s": 100}))
    raws = [device(router) for _ in range(5)]
    for raw, client_id in zip(raws, ids_of("busy", ports, 5)):
        raw.connect(client_id)
    # Wait for two checks: the evictor checks off-home sessions once per second.
    select.select([], [], [], 2.2)
    assert not router.find("session.end") and not router.find("node.homecoming")
    wait_until(lambda: router.gauges()["sessions_relay"] == 5, "all five to be relayed")


def off_home_sessions(router):
    router.gauges()
    latest = {e["node"]: e["sessions_away"] for e in router.find("node.gauges")}
    return {node: n for node, n in latest.items() if n}


@pytest.mark.parametrize("refusal", ("20020003", None), ids=("return code 3", "silence"))
def test_sessions_refused_by_their_home_return_after_its_next_outage(
        start_router, recording_node, device, refusal):
    """The node behaves like an EMQX node that is evacuated, restarted, and up again."""
    answers = {"now": bytes.fromhex(refusal) if refusal else None}
    home = recording_node(answer=lambda r: answers["now"] if accept_connect(r) else None)
    ports = {"home": home.port, "other": recording_node().port}
    config = one_cluster(ports, homecoming={"after_ms": 0, "rate_per_s": 100}, passive=False)
    config["timeouts"] = {"connack_ms": 15_000 if refusal else 300}
    router = start_router(config)
    raws = [device(router) for _ in range(6)]
    for raw, client_id in zip(raws, ids_of("home", ports, 6)):
        assert raw.connect(client_id) == (0, 0)
    wait_until(lambda: off_home_sessions(router) == {"home": 6}, "six off-home sessions")
    answers["now"] = CONNACK_3
    # Sessions stay, because the node was always up. Wait for two checks: the evictor checks once
    # per second.
    select.select([], [], [], 2.2)
    assert not router.find("session.end")
    for state in ("draining", "up"):
        config["clusters"][0]["nodes"][0]["state"] = state
        router.reload(config)
    for raw in raws:
        assert raw.read_to_end() == (b"", "end")
    router.session_end(count=6, reason="homecoming")
    wait_until(lambda: not off_home_sessions(router), "all sessions to be at home")


def scaled_out(start_router, recording_node, device, **cluster):
    """Start a router with 60 sessions on two nodes, and add a third node.

    Return (router, {client id: session}, the identifiers whose home is the third node).
    """
    nodes = {name: recording_node() for name in NODES}
    ports = {name: node.port for name, node in nodes.items()}
    two = {name: ports[name] for name in NODES[:2]}
    config = admin.with_admin(one_cluster(two, **cluster))
    router = start_router(config)
    raws = {f"dev-{i}": device(router) for i in range(60)}
    for client_id, raw in raws.items():
        assert raw.connect(client_id) == (0, 0)
    assert not off_home_sessions(router)
    config["clusters"][0]["nodes"] = one_cluster(ports)["clusters"][0]["nodes"]
    router.n_nodes = 3
    router.reload(config)
    return router, raws, by_home(NODES, raws)["n3"]


def test_after_a_scale_out_sessions_stay_until_an_operator_orders_homecoming(
        start_router, recording_node, device):
    router, raws, moved = scaled_out(start_router, recording_node, device,
                                     homecoming={"after_ms": 0, "rate_per_s": 1000})
    wait_until(lambda: off_home_sessions(router) == {"n3": len(moved)},
               "the sessions to count as off-home")
    select.select([], [], [], 2.2)  # two checks of the evictor
    assert not router.find("session.end")
    admin.post(router, "/api/v1/homecoming", {"node": "n3", "rate_per_s": 1000})
    for client_id in moved:
        assert raws[client_id].read_to_end() == (b"", "end")
    ends = [router.session_end(count=i + 1, reason="homecoming") for i in range(len(moved))]
    assert {e["client_id"] for e in ends} == set(moved)
    wait_until(lambda: not off_home_sessions(router), "all sessions to be at home")
    for client_id in moved:
        assert device(router).connect(client_id) == (0, 0)
    assert router.gauges()["node n3"] == len(moved)
    assert len(router.find("session.end")) == len(moved), "only the off-home sessions moved"


def test_a_homecoming_ordered_right_after_the_scale_out_moves_all_sessions(
        start_router, recording_node, device):
    router, _, moved = scaled_out(start_router, recording_node, device)
    admin.post(router, "/api/v1/homecoming", {"rate_per_s": 1000})
    router.session_end(count=len(moved), reason="homecoming")
    wait_until(lambda: not off_home_sessions(router), "all sessions to be at home")


def test_sessions_come_home_after_a_scale_out_if_configured(
        start_router, recording_node, device):
    router, _, moved = scaled_out(
        start_router, recording_node, device,
        homecoming={"after_ms": 0, "rate_per_s": 1000, "after_scale_out": True})
    ends = [router.session_end(count=i + 1, reason="homecoming") for i in range(len(moved))]
    assert {e["client_id"] for e in ends} == set(moved)


def test_a_session_whose_node_becomes_its_home_again_is_at_home(
        start_router, recording_node, device):
    nodes = {name: recording_node() for name in NODES}
    config = one_cluster({name: node.port for name, node in nodes.items()})
    router = start_router(config)
    raws = [device(router) for _ in range(40)]
    for i, raw in enumerate(raws):
        assert raw.connect(f"dev-{i}") == (0, 0)
    homes = by_home(NODES, [f"dev-{i}" for i in range(40)])
    config["clusters"][0]["nodes"][0]["weight"] = 0
    router.reload(config)
    wait_until(lambda: sum(off_home_sessions(router).values()) == len(homes["n1"]),
               "its sessions to count as off-home")
    config["clusters"][0]["nodes"][0]["weight"] = 1
    router.reload(config)
    wait_until(lambda: not off_home_sessions(router), "all sessions to be at home again")
    assert not router.find("session.end")


@pytest.mark.parametrize("route_by", (
    "username", "source_ip", {"from": "client_id", "prefix_until": "/"}), ids=str)
def test_every_kind_of_key_is_computed_again_after_a_scale_out(
        start_router, recording_node, device, route_by):
    """The home is computed from data that the router stores for each session anyway."""
    nodes = {name: recording_node() for name in NODES}
    ports = {name: node.port for name, node in nodes.items()}
    config = one_cluster({name: ports[name] for name in NODES[:1]}, route_by=[route_by])
    router = start_router(config)
    raws = [device(router) for _ in range(30)]
    for i, raw in enumerate(raws):
        assert raw.connect(f"t{i}/" + "x" * 200, username=f"user-{i}") == (0, 0)
    config["clusters"][0]["nodes"] = one_cluster(ports)["clusters"][0]["nodes"]
    router.n_nodes = 3
    router.reload(config)
    keys = {"username": [f"user-{i}" for i in range(30)], "source_ip": ["127.0.0.1"] * 30}.get(
        route_by if isinstance(route_by, str) else "", [f"t{i}" for i in range(30)])
    homes = by_home(NODES, keys)
    expected = {name: len(ids) for name, ids in homes.items() if ids and name != "n1"}
    wait_until(lambda: off_home_sessions(router) == expected, f"{expected} off-home sessions")
