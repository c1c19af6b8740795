"""A draining node gets no new sessions, and its sessions are closed at a limited rate, clean ones first."""

import bisect

import pytest

import harness
from fleet import Fleet
from harness import one_cluster, wait_until
from homes import ids_of
from nodes import Mosquitto

NODES = ("a", "b")
DRAINED, RATE_PER_S, RATE_MAX = 2_000, 200, 220


def seconds(event):
    """Return the time of day of an event with the timestamp "2026-01-31T12:34:56.789Z", in seconds."""
    hours, minutes, rest = event["time"][11:-1].split(":")
    return 3600 * int(hours) + 60 * int(minutes) + float(rest)


def busiest_second(events):
    """Return the maximum number of events within one second."""
    times = sorted(seconds(e) for e in events)
    return max(bisect.bisect_left(times, t + 1) - i for i, t in enumerate(times))


@pytest.fixture
def nodes(closing):
    return {name: closing(Mosquitto(name)) for name in NODES}


def config(nodes, **cluster):
    made = one_cluster({name: node.port for name, node in nodes.items()}, proxy_protocol="none",
                       **cluster)
    made["log"]["level"] = "info"
    return made


def with_state(made, state):
    made["clusters"][0]["nodes"][0]["state"] = state
    return made


@pytest.mark.scale
@pytest.mark.skipif(harness.SANITIZED, reason="2,000 devices are for the release build")
def test_a_node_with_2000_sessions_is_empty_after_10_seconds_at_200_per_second(
        start_router, nodes, closing, capsys):
    made = config(nodes, drain_rate_per_s=RATE_PER_S)
    router = start_router(made)
    others = closing(Fleet(router.port, ids_of("b", NODES, 200)))
    others.connect_all()
    # Every second device has a persistent session.
    fleet = closing(Fleet(router.port, ids_of("a", NODES, DRAINED), clean=lambda i: i % 2 == 0))
    fleet.connect_all()
    started = router.reload(with_state(made, "draining"))
    router.wait_event("node.status", node="a", status="draining")
    router.wait_event("node.draining", node="a")
    fleet.run(lambda: router.find("node.drained", node="a"), "the node to be empty", 60)
    fleet.run(lambda: fleet.all_connected, "all devices to reconnect elsewhere")
    ends = router.find("session.end", reason="node_drained")
    assert {e["node"] for e in ends} == {"a"} and len(ends) == DRAINED
    assert not fleet.refusals and not fleet.cut and not others.lost()
    assert router.gauges()["node b"] == DRAINED + 200
    took = seconds(router.find("node.drained")[0]) - seconds(started)
    most = busiest_second(ends)
    with capsys.disabled():
        print(f"\n{DRAINED} sessions at {RATE_PER_S} per second: empty after {took:.1f} s, "
              f"at most {most} within one second")
    assert most <= RATE_MAX
    assert 8 < took < 20
    # Sessions that the node does not keep are closed first.
    clean = {device.name for i, device in enumerate(fleet.devices) if i % 2 == 0}
    early = [e["client_id"] in clean for e in ends[:DRAINED // 2]]
    assert sum(early) >= 0.98 * len(early)


@pytest.mark.sanitized
def test_a_draining_node_gets_no_new_device_and_is_logged_as_empty(start_router, nodes, closing):
    made = config(nodes, drain_rate_per_s=100)
    router = start_router(made)
    fleet = closing(Fleet(router.port, ids_of("a", NODES, 40)))
    fleet.connect_all()
    router.reload(with_state(made, "draining"))
    router.wait_event("node.draining", node="a")
    fleet.run(lambda: router.find("node.drained", node="a") and fleet.all_connected,
              "the node to be empty")
    assert len(fleet.lost()) == 40
    fleet.reset_counters()
    fleet.reconnect()
    fleet.run(lambda: fleet.all_connected, "all devices to reconnect")
    assert router.gauges()["node a"] == 0
    # When the drain is cancelled, the devices return when they next reconnect.
    router.reload(with_state(made, "up"))
    router.wait_event("node.status", node="a", status="up", was="draining")
    assert not fleet.lost()
    fleet.reconnect()
    fleet.run(lambda: fleet.all_connected, "all devices to reconnect")
    wait_until(lambda: router.gauges()["node a"] == 40, "all sessions to be at home")


@pytest.mark.sanitized
def test_at_the_deadline_all_remaining_sessions_are_closed(start_router, nodes, closing):
    made = config(nodes, drain_rate_per_s=1, drain_deadline_ms=1000)
    router = start_router(made)
    fleet = closing(Fleet(router.port, ids_of("a", NODES, 60)))
    fleet.connect_all()
    router.reload(with_state(made, "draining"))
    # At this rate the drain would take a minute.
    fleet.run(lambda: router.find("node.drained", node="a") and fleet.all_connected,
              "the node to be empty")
    assert len(router.find("session.end", reason="node_drained")) == 60


@pytest.mark.sanitized
def test_a_cancelled_drain_closes_no_more_sessions(start_router, nodes, closing):
    made = config(nodes, drain_rate_per_s=10)
    router = start_router(made)
    fleet = closing(Fleet(router.port, ids_of("a", NODES, 100)))
    fleet.connect_all()
    router.reload(with_state(made, "draining"))
    fleet.run(lambda: len(router.find("session.end", reason="node_drained")) >= 5,
              "some sessions to be closed")
    router.reload(with_state(made, "up"))
    router.wait_event("node.status", node="a", status="up")
    fleet.run(lambda: fleet.all_connected, "all devices to have a session")
    gone = len(router.find("session.end", reason="node_drained"))
    fleet.run_for(1)
    assert len(router.find("session.end", reason="node_drained")) == gone < 100
    assert not router.find("node.drained")


@pytest.mark.sanitized
def test_a_node_that_is_draining_from_the_start_gets_no_session(start_router, nodes, closing):
    router = start_router(with_state(config(nodes), "draining"))
    fleet = closing(Fleet(router.port, ids_of("a", NODES, 10)))
    fleet.connect_all()
    gauges = router.gauges()
    assert (gauges["node a"], gauges["node b"]) == (0, 10)
