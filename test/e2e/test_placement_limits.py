"""Weights, backups, limits, bounded load, connect rate and slow start: the number of devices on each node."""

import collections
import time

import pytest

import mqtt
from fleet import Fleet
from harness import CHECKED, one_cluster, wait_until
from homes import ids_of
from nodes import Mosquitto
from recorder import RefusingPort

pytestmark = pytest.mark.sanitized
TWO = ("a", "b")


def placements(router, since=0):
    """Return {(node, placement): count} of the sessions placed so far."""
    return collections.Counter((e["node"], e["placement"])
                               for e in router.find("session.end")[since:])


def config(nodes, keys=None, **cluster):
    """Return a configuration. keys: {node: additional keys}"""
    made = one_cluster({name: node.port for name, node in nodes.items()}, **cluster)
    for node in made["clusters"][0]["nodes"]:
        node.update((keys or {}).get(node["name"], {}))
    return made


@pytest.fixture
def two(recording_node):
    return {name: recording_node() for name in TWO}


@pytest.fixture
def connect(device):
    """Connect devices one after another, and keep them connected. Return them."""
    def connect_all(router, client_ids):
        raws = []
        for client_id in client_ids:
            raws.append(device(router))
            assert raws[-1].connect(client_id) == (0, 0)
        return raws
    return connect_all


def leave(router, raws):
    before = len(router.find("session.end"))
    for raw in raws:
        raw.close()
    router.session_end(count=before + len(raws))


# -- weights and backups ------------------------------------------------------------------------

def test_weights_set_the_shares_of_devices(start_router, two, connect):
    router = start_router(config(two, {"a": {"weight": 3}}))
    connect(router, [f"dev-{i}" for i in range(200)])
    assert 125 <= len(two["a"].records) <= 175


def test_a_backup_is_used_while_no_other_node_is_up(start_router, closing, connect):
    nodes = {"a": closing(Mosquitto("a")), "spare": closing(Mosquitto("spare"))}
    router = start_router(config(nodes, {"spare": {"backup": True}}, proxy_protocol="none",
                                 **CHECKED))
    ids = [f"dev-{i}" for i in range(20)]
    leave(router, connect(router, ids))
    assert placements(router) == {("a", "home"): 20}
    nodes["a"].kill()
    router.wait_event("node.status", node="a", status="down")
    leave(router, connect(router, ids))
    assert placements(router, 20) == {("spare", "fallback"): 20}
    nodes["a"].begin()
    router.wait_event("node.status", node="a", status="up")
    leave(router, connect(router, ids))
    assert placements(router, 40) == {("a", "home"): 20}


def test_a_backup_does_not_help_while_another_node_is_up(start_router, recording_node, closing,
                                                         connect):
    nodes = {"a": closing(RefusingPort()), "b": recording_node(), "spare": recording_node()}
    router = start_router(config(nodes, {"spare": {"backup": True}}, **CHECKED))
    router.wait_event("node.status", node="a", status="down")
    connect(router, [f"dev-{i}" for i in range(20)])
    assert len(nodes["b"].records) >= 20  # its checks are recorded too
    assert not [r for r in nodes["spare"].records if r.mqtt]


def test_a_device_reaches_the_backup_before_any_check_has_failed(
        start_router, recording_node, closing, connect):
    nodes = {"a": closing(RefusingPort()), "spare": recording_node()}
    router = start_router(config(nodes, {"spare": {"backup": True}}, passive=False))
    leave(router, connect(router, ["first"]))
    assert placements(router) == {("spare", "fallback"): 1}
    assert not router.find("node.status")


def test_a_backup_gets_no_device_while_a_node_is_up(start_router, two, connect):
    router = start_router(config(two, {"b": {"backup": True}}, passive=False))
    leave(router, connect(router, [f"dev-{i}" for i in range(20)]))
    assert placements(router) == {("a", "home"): 20}
    assert not two["b"].records


@pytest.mark.parametrize("state,session_lives", (("draining", False), ("down", False)))
def test_a_node_closed_in_the_file_gets_no_device(start_router, two, connect, state,
                                                   session_lives):
    made = config(two)
    router = start_router(made)
    ids = ids_of("a", TWO, 5)
    raws = connect(router, ids)
    made["clusters"][0]["nodes"][0]["state"] = state
    router.reload(made)
    router.wait_event("node.status", node="a")
    for raw in raws:
        assert raw.read_to_end() == (b"", "end")
        raw.close()
    router.session_end(count=5, node="a")
    connect(router, ids)
    wait_until(lambda: router.gauges()["node b"] == 5, "all sessions to be at b")
    assert len(two["a"].records) == 5


# -- limits -------------------------------------------------------------------------------------

def test_a_full_node_overflows_to_the_next_node_of_the_key(start_router, two, connect):
    router = start_router(config(two, {"a": {"max_connections": 5}}))
    ids = ids_of("a", TWO, 20)
    raws = connect(router, ids)
    assert [len(two[name].records) for name in TWO] == [5, 15]
    # A free slot is used again.
    leave(router, raws[:2])
    more = connect(router, ids_of("a", TWO, 24)[20:])
    assert [len(two[name].records) for name in TWO] == [7, 17]
    leave(router, raws[2:] + more)
    assert placements(router) == {("a", "home"): 7, ("b", "overflow"): 17}


def test_the_default_limit_applies_to_nodes_without_their_own(start_router, two, connect):
    router = start_router(config(two, {"a": {"max_connections": 3}},
                                 node_defaults={"max_connections": 6}))
    connect(router, ids_of("a", TWO, 6) + ids_of("b", TWO, 3))
    assert [len(two[name].records) for name in TWO] == [3, 6]


@pytest.mark.parametrize("version,codes", ((4, {3}), (5, {0x88, 0x89})))
def test_when_all_nodes_are_full_a_device_is_refused(start_router, two, connect, device, version,
                                                     codes):
    router = start_router(config(two, node_defaults={"max_connections": 4}))
    raws = connect(router, [f"dev-{i}" for i in range(8)])
    raw = device(router)
    assert raw.connect("dev-8", version=version)[1] in codes
    raw.close()
    assert "tries" not in router.session_end(client_id="dev-8") or (
        router.session_end(client_id="dev-8")["tries"] == 0)
    leave(router, raws[:1])
    connect(router, ["dev-8"])


def test_sessions_that_wait_for_a_node_count_too(start_router, recording_node, device,
                                                          connect):
    nodes = {"a": recording_node(answer=None), "b": recording_node()}
    router = start_router(config(nodes, {"a": {"max_connections": 2}}))
    first, second, *rest = ids_of("a", TWO, 6)
    for client_id in (first, second):
        device(router).send(mqtt.connect(client_id))
    nodes["a"].wait(lambda n: len(n.records) == 2 and all(r.mqtt for r in n.records), "both")
    connect(router, rest)
    assert [len(nodes[name].records) for name in TWO] == [2, 4]


def test_bounded_load_keeps_skewed_keys_from_one_node(start_router, two, connect):
    """40 devices have the same home. With bounded_load 1.25, it gets at most 1.25 times its half."""
    router = start_router(config(two, bounded_load=1.25))
    raws = connect(router, ids_of("a", TWO, 40))
    at_a = len(two["a"].records)
    assert 20 <= at_a <= 25
    leave(router, raws)
    assert placements(router) == {("a", "home"): at_a, ("b", "overflow"): 40 - at_a}


def test_bounded_load_does_not_move_evenly_spread_keys(start_router, two, connect):
    router = start_router(config(two, bounded_load=2))
    raws = connect(router, [i for pair in zip(ids_of("a", TWO, 30), ids_of("b", TWO, 30))
                            for i in pair])
    leave(router, raws)
    assert placements(router) == {("a", "home"): 30, ("b", "home"): 30}


# -- connect rate -------------------------------------------------------------------------------

def test_a_node_with_a_connect_rate_gets_its_devices_one_by_one(
        start_router, recording_node, closing):
    node = recording_node()
    router = start_router(config({"a": node}, {"a": {"max_connects_per_s": 20}},
                                 node_defaults={"connect_queue_ms": 10_000}))
    fleet = closing(Fleet(router.port, 30))
    started = time.monotonic()
    fleet.connect_all()
    # The first two are sent immediately: the burst of a tenth of a second.
    assert time.monotonic() - started > 1.2
    assert not fleet.refusals and not fleet.cut
    fleet.disconnect()
    router.session_end(count=30, placement="home", node="a")


def test_devices_beyond_the_queue_limit_overflow(start_router, two, closing):
    router = start_router(config(two, {"a": {"max_connects_per_s": 10}},
                                 node_defaults={"connect_queue_ms": 500}))
    fleet = closing(Fleet(router.port, ids_of("a", TWO, 60)))
    fleet.connect_all()
    assert not fleet.refusals and not fleet.cut
    fleet.disconnect()
    router.session_end(count=60)
    got = placements(router)
    assert set(got) == {("a", "home"), ("b", "overflow")}
    assert 5 <= got["a", "home"] <= 40 and sum(got.values()) == 60


def test_a_device_waits_in_the_queue_for_at_most_placement_ms(start_router, two, closing):
    made = config(two, {"a": {"max_connects_per_s": 1}}, node_defaults={"connect_queue_ms": 60_000})
    made["timeouts"] = {"placement_ms": 2500, "connack_ms": 2000}
    router = start_router(made)
    fleet = closing(Fleet(router.port, ids_of("a", TWO, 12)))
    fleet.connect_all()
    assert not fleet.refusals and not fleet.cut
    fleet.disconnect()
    router.session_end(count=12)
    got = placements(router)
    assert set(got) == {("a", "home"), ("b", "overflow")}
    assert got["a", "home"] <= 5 and sum(got.values()) == 12


def test_a_device_whose_turn_comes_after_placement_ms_is_refused(
        start_router, recording_node, device):
    made = config({"a": recording_node()}, {"a": {"max_connects_per_s": 1}},
                  node_defaults={"connect_queue_ms": 60_000})
    made["timeouts"] = {"placement_ms": 500, "connack_ms": 400}
    router = start_router(made)
    assert device(router).connect("first") == (0, 0)
    assert device(router).connect("second") == (0, 3)
    end = router.session_end(client_id="second")
    assert end["reason"] == "placement_timeout" and end["detail"] == "max_connects_per_s"


def test_a_device_that_leaves_the_queue_does_not_reach_the_node(
        start_router, recording_node, device):
    node = recording_node()
    router = start_router(config({"a": node}, {"a": {"max_connects_per_s": 2}},
                                 node_defaults={"connect_queue_ms": 5000}))
    assert device(router).connect("first") == (0, 0)
    for how in ("close", "reset"):
        getattr(device(router).send(mqtt.connect("impatient-" + how)), how)()
    router.session_end(count=2)
    assert device(router).connect("last") == (0, 0)
    received = [r.mqtt for r in node.records if r.mqtt]
    assert received == [mqtt.connect("first"), mqtt.connect("last")]


# -- slow start ---------------------------------------------------------------------------------

def returned(start_router, closing, slow_start_ms):
    """Start a router with nodes. Node a was down and is up again."""
    nodes = {name: closing(Mosquitto(name)) for name in TWO}
    made = config(nodes, proxy_protocol="none", **CHECKED,
                  node_defaults={"slow_start_ms": slow_start_ms})
    made["limits"] = {"flapping": False}  # the devices reconnect often
    router = start_router(made)
    fleet = closing(Fleet(router.port, ids_of("a", TWO, 60)))
    fleet.connect_all()
    fleet.disconnect()
    router.session_end(count=60)
    assert placements(router) == {("a", "home"): 60}, "no slow start when the router starts"
    nodes["a"].kill()
    router.wait_event("node.status", node="a", status="down")
    nodes["a"].begin()
    router.wait_event("node.status", node="a", status="up")
    return router, fleet


def test_a_returning_node_starts_with_few_devices(start_router, closing):
    router, fleet = returned(start_router, closing, slow_start_ms=120_000)
    fleet.connect_all()
    fleet.disconnect()
    router.session_end(count=120)
    got = placements(router, 60)
    assert got["a", "home"] <= 20 and got["b", "overflow"] >= 40, got
    assert not fleet.refusals


def test_a_returning_node_gets_all_its_devices_in_the_end(start_router, closing):
    router, fleet = returned(start_router, closing, slow_start_ms=1000)

    def all_home():
        before = len(router.find("session.end"))
        fleet.connect_all()
        fleet.disconnect()
        router.session_end(count=before + 60)
        return placements(router, before) == {("a", "home"): 60}
    wait_until(all_home, "all sessions to be at home")
