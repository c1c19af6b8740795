"""If a node cannot be reached, the router tries the next candidates, then refuses the device."""

import pytest

import mqtt
from harness import one_cluster, run_router
from recorder import HangingPort, RefusingPort

pytestmark = pytest.mark.sanitized
TIMEOUTS = {"dial_ms": 300, "placement_ms": 5000}


def order(router, client_id):
    output = run_router("route", "--config", router.config_path, "--client-id", client_id)
    return [line.split()[1] for line in output.stdout.splitlines()]


def config(nodes, **timeouts):
    made = one_cluster(nodes)
    made["timeouts"] = {**TIMEOUTS, **timeouts}
    return made


@pytest.mark.parametrize("fault", (RefusingPort, HangingPort))
def test_the_keys_next_candidate_takes_over(start_router, recording_node, device, closing, fault):
    nodes = {f"n{i}": recording_node() for i in range(4)}
    ports = {name: node.port for name, node in nodes.items()}
    names = [f"dev-{i}" for i in range(8)]
    healthy = start_router(config(ports))
    orders = {name: order(healthy, name) for name in names}
    lost = orders[names[0]][0]
    router = start_router(config({**ports, lost: closing(fault()).port}))
    for name in names:
        before = len(router.find("session.end"))
        with mqtt.Device(router.port) as raw:
            assert raw.connect(name) == (0, 0)
        end = router.wait_event("session.end", count=before + 1)
        expected = [n for n in orders[name] if n != lost]
        assert end["node"] == expected[0], (name, orders[name], lost)
        assert end["tries"] == (2 if orders[name][0] == lost else 1)
    assert nodes[lost].records == []


def test_the_connect_and_all_pipelined_bytes_reach_the_second_candidate_unchanged(
        start_router, recording_node, device, closing):
    node = recording_node()
    refusing = closing(RefusingPort())
    router = start_router(config({"a": node.port, "b": refusing.port}))
    data = {}
    for i in range(16):
        data[f"dev-{i}"] = mqtt.connect(f"dev-{i}") + mqtt.publish("t", bytes(range(256)) * 100)
        device(router).send(data[f"dev-{i}"]).packet()
    got = sorted(node.wait(lambda n: len(n.records) == 16 and
                           all(len(r.mqtt) >= 25_600 for r in n.records) and
                           [r.mqtt for r in n.records], "16 whole devices"))
    assert all(d in got for d in data.values())
    assert any(order(router, name)[0] == "b" for name in data)


def test_no_more_than_three_candidates_are_tried(start_router, device, closing):
    router = start_router(config({f"n{i}": closing(RefusingPort()).port for i in range(5)}))
    with mqtt.Device(router.port) as raw:
        assert raw.send(mqtt.connect("dev")).packet()[1] == bytes.fromhex("20020003")
    end = router.session_end(reason="no_node")
    assert end["tries"] == 3
    assert "refused" in end["detail"].lower()


def test_if_all_nodes_hang_the_device_is_refused_within_placement_ms(start_router, device, closing):
    router = start_router(config({f"n{i}": closing(HangingPort()).port for i in range(3)},
                                 dial_ms=400, placement_ms=700))
    raw = device(router).send(mqtt.connect("dev", version=5))
    assert raw.read_to_end() == (bytes.fromhex("2003008800"), "end")
    end = router.wait_event("session.end")
    assert end["reason"] == "placement_timeout"
    assert 600 <= end["ms_total"] < 3000


def test_a_device_that_disconnects_during_the_dial_leaves_nothing_behind(
        start_router, device, closing):
    router = start_router(config({"n": closing(HangingPort()).port}, dial_ms=500))
    for end in ("close", "reset"):
        getattr(device(router).send(mqtt.connect("dev")), end)()
    router.wait_event("session.end", count=2)


def test_a_node_of_weight_0_gets_no_device(start_router, recording_node, device):
    nodes = {f"n{i}": recording_node() for i in range(2)}
    made = config({name: node.port for name, node in nodes.items()})
    made["clusters"][0]["nodes"][0]["weight"] = 0
    router = start_router(made)
    for i in range(20):
        assert device(router).connect(f"dev-{i}") == (0, 0)
    assert len(nodes["n0"].records) == 0 and len(nodes["n1"].records) == 20
