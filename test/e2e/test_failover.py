"""A node dies, hangs and recovers: only its devices reach other nodes, and they return home."""

import statistics
import time

import pytest

import harness
import mqtt
from fleet import Fleet
from harness import CHECKED, FAST_CHECK, WAIT_LIMIT_S, one_cluster, wait_until
from homes import by_home, ids_of
from nodes import HAProxy, Mosquitto
from recorder import RefusingPort

DEVICES = 9_000
NAMES = ("n1", "n2", "n3", "n4")
MQTT_CHECK = {**FAST_CHECK, "type": "mqtt"}
HAPROXY = (
    "bind 127.0.0.1:{port}",
    "maxconn 9500",
    "timeout client 1h",
    "timeout server 1h",
    "tcp-request inspect-delay 10s",
    "tcp-request content reject unless {{ req.payload(0,0),mqtt_is_valid }}",
    # Use a variable: HAProxy 2.6 silently does not hash if "balance hash" contains the whole
    # expression.
    "tcp-request content set-var(sess.client_id)"
    " req.payload(0,0),mqtt_field_value(connect,client_identifier)",
    "balance hash var(sess.client_id)",
    "hash-type consistent",
    "option redispatch 1",
    "default-server check inter 200ms fastinter 100ms downinter 100ms fall 1 rise 1"
    " on-marked-down shutdown-sessions",
)


@pytest.fixture
def nodes(closing):
    return {name: closing(Mosquitto(name)) for name in NAMES}


def cluster_of(nodes, level="info", timeouts=None, **keys):
    config = one_cluster({name: node.port for name, node in nodes.items()}, proxy_protocol="none",
                         **{**CHECKED, **keys})
    config["log"]["level"] = level
    config["timeouts"] = timeouts or {}
    return config


def kill_and_recover(fleet, node, count):
    """Kill a node. Return the sorted times after which its devices have a session again."""
    fleet.reset_counters()
    node.kill()
    fleet.run(lambda: len(fleet.lost()) >= count and fleet.all_connected, "all devices to reconnect")
    return sorted(fleet.recovery_s)


def summarize(name, recovery_s, fleet):
    return (f"{name}: {len(recovery_s)} devices back after {statistics.median(recovery_s):.2f} s (half), "
            f"{recovery_s[-1]:.2f} s (all); refused {sum(fleet.refusals.values())} times, "
            f"cut {fleet.cut} times")


def through_haproxy(nodes, closing):
    """The same fleet, nodes and failure with HAProxy instead of the router."""
    port = harness.free_port()
    lines = [line.format(port=port) for line in HAPROXY]
    lines += [f"server {name} 127.0.0.1:{node.port}" for name, node in nodes.items()]
    closing(HAProxy({port: lines}, maxconn=9_500))
    fleet = closing(Fleet(port, DEVICES))
    fleet.connect_all()
    # HAProxy distributes devices differently: count the sessions that are reset when the node dies.
    fleet.reset_counters()
    nodes["n2"].kill()
    ended = time.monotonic() + 1
    fleet.run(lambda: time.monotonic() > ended and fleet.all_connected, "all devices to reconnect")
    return summarize("HAProxy", sorted(fleet.recovery_s), fleet)


@pytest.mark.scale
@pytest.mark.skipif(harness.SANITIZED, reason="9,000 devices are for the release build")
def test_when_a_node_dies_only_its_share_of_9000_devices_moves_and_returns_home(
        start_router, nodes, closing, capsys):
    router = start_router(cluster_of(nodes, passive={}))
    fleet = closing(Fleet(router.port, DEVICES))
    fleet.connect_all()
    homes = by_home(NAMES, [device.name for device in fleet.devices])
    recovery_s = kill_and_recover(fleet, nodes["n2"], len(homes["n2"]))
    summary = summarize("mqtt-router", recovery_s, fleet)
    assert fleet.lost() == set(homes["n2"]), "only the devices of n2"
    router.session_end(count=len(homes["n2"]))
    assert {e["node"] for e in router.find("session.end", tries=1)} <= {"n2"}
    assert router.wait_event("node.status", node="n2", status="down")["why"]

    nodes["n2"].begin()
    router.wait_event("node.status", node="n2", status="up")
    fleet.reset_counters()
    fleet.reconnect()
    fleet.run(lambda: fleet.all_connected, "all devices to reconnect")
    assert not fleet.refusals and not fleet.cut
    before = len(router.find("session.end"))
    fleet.disconnect()
    router.session_end(count=before + DEVICES)
    last = {e["client_id"]: e for e in router.find("session.end")[before:]}
    off_home = [i for name, ids in homes.items() for i in ids if last[i]["node"] != name]
    assert not off_home, f"{len(off_home)} of {DEVICES} are not home"
    assert {e["placement"] for e in last.values()} == {"home"}

    with capsys.disabled():
        print(f"\n{summary}\n{through_haproxy(nodes, closing)}")


def test_devices_of_a_hung_node_reach_another_within_connack_ms(
        start_router, nodes, closing):
    """After SIGSTOP, the kernel still accepts connections, but the node does not answer."""
    made = cluster_of(nodes, timeouts={"connack_ms": 1000}, level="debug")
    made["clusters"][0].pop("health_check")
    made["clusters"][0]["passive"] = {"failures": 1000}
    router = start_router(made)
    nodes["n3"].hang()
    fleet = closing(Fleet(router.port, ids_of("n3", NAMES, 60)))
    fleet.connect_all()
    # Each device succeeded at its first attempt: it waited for n3, then got the CONNACK of another
    # node.
    assert not fleet.refusals and not fleet.cut
    assert fleet.longest_s < 1 + WAIT_LIMIT_S / 2, "the default is 20 s"
    router.wait_event("session.placed", count=60)
    placed = router.find("session.placed")
    assert {(e["tries"], e["node"] != "n3") for e in placed} == {(2, True)}


@pytest.mark.sanitized
def test_a_hung_node_is_detected_by_its_check_and_its_sessions_are_closed(
        start_router, nodes, closing):
    made = cluster_of(nodes, timeouts={"connack_ms": 2000})
    made["clusters"][0]["health_check"] = MQTT_CHECK
    router = start_router(made)
    fleet = closing(Fleet(router.port, 200))
    fleet.connect_all()
    homes = by_home(NAMES, [device.name for device in fleet.devices])
    nodes["n1"].hang()
    router.wait_event("node.status", node="n1", status="down")
    fleet.run(lambda: len(fleet.lost()) == len(homes["n1"]) and fleet.all_connected,
              "all devices to reconnect")
    assert fleet.lost() == set(homes["n1"])
    router.session_end(count=len(homes["n1"]), node="n1", reason="node_down")
    nodes["n1"].resume()
    router.wait_event("node.status", node="n1", status="up")


@pytest.mark.sanitized
def test_a_hung_node_is_ejected_after_a_few_devices_and_the_rest_do_not_wait(
        start_router, nodes, closing):
    made = cluster_of(nodes, timeouts={"connack_ms": 500}, level="debug",
                      passive={"failures": 3, "window_ms": 60_000, "eject_ms": 60_000})
    made["clusters"][0].pop("health_check")
    router = start_router(made)
    nodes["n1"].hang()
    first, *rest = ids_of("n1", NAMES, 40)
    scouts = closing(Fleet(router.port, [first, *rest[:4]]))
    scouts.connect_all()
    status = router.wait_event("node.status", node="n1", status="ejected")
    assert status["was"] == "up" and status["why"]
    seen = len(router.find("session.placed"))
    fleet = closing(Fleet(router.port, rest[4:]))
    fleet.connect_all()
    router.wait_event("session.placed", count=seen + 35)
    assert {(e["tries"], e["node"] != "n1") for e in router.find("session.placed")[seen:]} == {
        (1, True)}


@pytest.mark.sanitized
def test_the_only_node_of_a_cluster_is_never_ejected(start_router, closing):
    made = one_cluster({"n": closing(RefusingPort()).port},
                       passive={"failures": 1, "window_ms": 60_000, "eject_ms": 60_000})
    router = start_router(made)
    for _ in range(10):
        with mqtt.Device(router.port) as raw:
            assert raw.connect("dev")[1] == 3
    router.session_end(count=10, tries=1)  # the node was tried for each device
    assert not router.find("node.status")


@pytest.mark.sanitized
@pytest.mark.parametrize("version,code", ((4, 3), (5, 0x88)))
def test_if_all_nodes_are_down_a_device_is_refused_immediately(
        start_router, closing, device, version, code):
    nodes = {f"n{i}": closing(RefusingPort()) for i in range(3)}
    made = cluster_of(nodes)
    router = start_router(made)
    for name in nodes:
        router.wait_event("node.status", node=name, status="down")
    raw = device(router)
    assert raw.connect("dev", version=version) == (0, code)
    assert raw.read_to_end()[1] == "end"
    raw.close()
    assert router.session_end()["tries"] == 0, "nothing was dialled for it"


@pytest.mark.sanitized
def test_a_cluster_with_all_nodes_down_recovers_when_one_is_back(
        start_router, closing, device):
    nodes = {name: closing(Mosquitto(name)) for name in NAMES[:2]}
    router = start_router(cluster_of(nodes))
    for name, node in nodes.items():
        node.kill()
        router.wait_event("node.status", node=name, status="down")
    assert device(router).connect("dev")[1] == 3
    nodes["n2"].begin()
    router.wait_event("node.status", node="n2", status="up")
    for client_id in ids_of("n1", NAMES[:2], 5) + ids_of("n2", NAMES[:2], 5):
        assert device(router).connect(client_id)[1] == 0
    wait_until(lambda: router.gauges()["node n2"] == 10, "ten sessions on n2")
