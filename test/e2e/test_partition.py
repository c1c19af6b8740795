"""A node becomes unreachable without RST or FIN, as after a power loss. Its connections stay open."""

import pytest

import mqtt
from fleet import Fleet
from harness import CHECKED, FAST_CHECK, one_cluster
from homes import by_home, ids_of
from network import Namespace
from nodes import Mosquitto
from test_drain import busiest_second

pytestmark = pytest.mark.sanitized
NODES = ("far", "near")


class Stage:
    """Start a node behind a link that can be cut, and a local node."""

    def __init__(self, start_router, closing, **cluster):
        self.namespace = closing(Namespace())
        self.far = closing(Mosquitto("far", host=self.namespace.there,
                                     wrapper=self.namespace.wrapper))
        self.near = closing(Mosquitto("near"))
        made = one_cluster({"far": self.far.address, "near": self.near.address},
                           proxy_protocol="none", **{**CHECKED, **cluster})
        self.router = start_router(made)

    def cut(self):
        self.namespace.cut()
        self.router.wait_event("node.status", node="far", status="down")

    def restore(self):
        self.namespace.restore()
        self.router.wait_event("node.status", node="far", status="up")


@pytest.fixture
def stage(start_router, closing):
    return lambda **cluster: Stage(start_router, closing, **cluster)


def test_sessions_of_an_unreachable_node_are_closed_at_a_limited_rate_and_reconnect_elsewhere(
        stage, closing):
    s = stage(on_node_down="close", close_rate_per_s=40)
    fleet = closing(Fleet(s.router.port, 200))
    fleet.connect_all()
    homes = by_home(NODES, [device.name for device in fleet.devices])
    s.cut()
    fleet.run(lambda: len(fleet.lost()) == len(homes["far"]) and fleet.all_connected,
              "all devices to reconnect")
    assert fleet.lost() == set(homes["far"])
    assert not fleet.refusals and not fleet.cut
    ends = s.router.find("session.end", reason="node_down")
    assert {e["client_id"] for e in ends} == set(homes["far"])
    assert busiest_second(ends) <= 44
    s.restore()
    fleet.reset_counters()
    fleet.reconnect()
    fleet.run(lambda: fleet.all_connected, "all devices to reconnect")
    assert s.router.gauges()["node far"] == len(homes["far"])


def test_with_a_high_rate_the_sessions_are_closed_immediately(stage, closing):
    s = stage()
    fleet = closing(Fleet(s.router.port, ids_of("far", NODES, 100)))
    fleet.connect_all()
    s.cut()
    fleet.run(lambda: len(fleet.lost()) == 100 and fleet.all_connected, "all devices to reconnect")
    assert not fleet.refusals and not fleet.cut


def test_with_keep_the_sessions_outlive_the_partition(stage, device):
    s = stage(on_node_down="keep")
    there, here = (ids_of(name, NODES)[0] for name in NODES)
    raws = {name: device(s.router) for name in (there, here)}
    for name, raw in raws.items():
        assert raw.connect(name) == (0, 0)
    s.cut()
    # A new device of the lost node reaches another node; an established session waits.
    late = device(s.router)
    assert late.connect(ids_of("far", NODES, 2)[1]) == (0, 0)
    raws[there].send(mqtt.PING)
    raws[here].send(mqtt.PING)
    assert raws[here].packet()[0] == mqtt.PINGRESP
    assert s.router.gauges()["node far"] == 1
    s.restore()
    assert raws[there].packet()[0] == mqtt.PINGRESP
    assert not s.router.find("session.end")


def test_while_no_other_node_is_up_no_session_is_closed(stage, device):
    """No other node can serve the devices, and if only the router's own link failed, the sessions survive."""
    s = stage(on_node_down="close", health_check={**FAST_CHECK, "panic_percent": 0})
    raw = device(s.router)
    assert raw.connect(ids_of("far", NODES)[0]) == (0, 0)
    s.near.kill()
    s.router.wait_event("node.status", node="near", status="down")
    s.cut()
    assert device(s.router).connect("late")[1] == 3
    s.restore()
    raw.send(mqtt.PING)
    assert raw.packet()[0] == mqtt.PINGRESP


def test_a_hung_node_that_is_removed_keeps_no_session(start_router, closing, device):
    nodes = {name: closing(Mosquitto(name)) for name in ("hung", "well")}
    made = one_cluster({name: node.port for name, node in nodes.items()}, proxy_protocol="none",
                       passive=False, health_check={**FAST_CHECK, "type": "mqtt"},
                       close_rate_per_s=200)
    router = start_router(made)
    raws = [device(router) for _ in range(20)]
    for raw, client_id in zip(raws, ids_of("hung", nodes, 20)):
        raw.connect(client_id)
    nodes["hung"].hang()
    made["clusters"][0]["nodes"] = [n for n in made["clusters"][0]["nodes"] if n["name"] == "well"]
    router.reload(made)  # before the node's checks fail, or while they fail
    router.wait_event("node.status", node="hung", status="down")
    for raw in raws:
        assert raw.read_to_end() == (b"", "end")
    router.session_end(count=20, reason="node_down")
    nodes["hung"].resume()
