"""If the home node is busy, the router sends it the CONNECT again before it tries another node."""

import signal
import time

import pytest

import mqtt
from harness import WAIT_LIMIT_S, one_cluster
from homes import ids_of
from recorder import CONNACK_3, CONNACK_5, RefusingPort, accept_connect

pytestmark = pytest.mark.sanitized

BUSY = {4: bytes.fromhex("20020003"), 5: bytes.fromhex("2003008900")}
ACCEPTED = {4: CONNACK_3, 5: CONNACK_5}


def busy_for(times, version, more=None):
    """Return an answer for RecordingNode that refuses `times` CONNECTs as busy, then accepts. With MQTT
    3.1.1 it accepts one first, because return code 3 is an ordinary refusal until a node has accepted one."""
    left = [times]
    accepts = [version == 4]

    def answer(record):
        if not accept_connect(record):
            return None
        if accepts[0]:
            accepts[0] = False
            return ACCEPTED[version]
        left[0] -= 1
        if left[0] < 0:
            return ACCEPTED[version]
        if more:
            more()
        return BUSY[version]
    return answer


class Pair:
    """Return a device's home node, and another node that accepts the device."""

    def __init__(self, start_router, recording_node, answer, **keys):
        self.home, self.other = recording_node(answer=answer), recording_node()
        self.nodes = {"home": self.home.port, "other": self.other.port}
        self.config = one_cluster(self.nodes, **keys)
        self.router = start_router(self.config)
        self.ids = ids_of("home", self.nodes, 12)

    def connects_at_home(self):
        """Return the CONNECTs that the home node received, without that of warm_up()."""
        return sum(1 for record in self.home.records[self.warm:] if record.mqtt)

    warm = 0

    def warm_up(self, device, version):
        """Let the home node accept a device, as required for MQTT 3.1.1."""
        if version == 4:
            assert device(self.router).connect(self.ids[-1]) == (0, 0)
            self.warm = 1


@pytest.fixture
def pair(start_router, recording_node):
    return lambda answer, **keys: Pair(start_router, recording_node, answer, **keys)


@pytest.mark.parametrize("version", (4, 5))
def test_a_device_whose_home_is_busy_once_is_placed_at_home(pair, device, version):
    both = pair(busy_for(1, version))
    both.warm_up(device, version)
    raw = device(both.router).send(mqtt.connect(both.ids[0], version=version) + mqtt.PING)
    assert raw.packet()[1] == ACCEPTED[version]
    first, second = both.home.records[both.warm:]
    both.home.wait(lambda n: second.mqtt.endswith(mqtt.PING), "all bytes of the device")
    assert second.mqtt == first.mqtt and second.proxy == first.proxy
    raw.close()
    end = both.router.session_end(client_id=both.ids[0])
    assert (end["node"], end["tries"], end["placement"]) == ("home", 1, "home")
    assert end["tried"] == "home:refused,home:ok" and end["connack_code"] == 0
    assert not both.other.records


@pytest.mark.parametrize("version", (4, 5))
def test_a_home_that_stays_busy_is_tried_twice_and_then_the_next_node(pair, device, version):
    both = pair(busy_for(1000, version))
    both.warm_up(device, version)
    raw = device(both.router).send(mqtt.connect(both.ids[0], version=version))
    assert raw.packet()[1] == ACCEPTED[version]
    raw.close()
    end = both.router.session_end(client_id=both.ids[0])
    assert (end["node"], end["tries"], end["placement"]) == ("other", 2, "replay")
    assert end["tried"] == "home:refused,home:refused,other:ok"
    assert both.connects_at_home() == 2 and len(both.other.records) == 1


def test_return_code_3_for_all_devices_causes_no_wait(pair, device):
    """A node that is being evacuated also sends return code 3, and waiting for it is useless."""
    both = pair(lambda r: BUSY[4] if accept_connect(r) else None)
    for client_id in both.ids:
        assert device(both.router).connect(client_id) == (0, 0)
    assert both.connects_at_home() == len(both.ids) == len(both.other.records)


def test_return_code_3_means_busy_while_the_node_accepts_others(pair, device):
    answers = iter([0] + [3, 0] * 11)

    def answer(record):
        return bytes([0x20, 2, 0, next(answers)]) if accept_connect(record) else None
    both = pair(answer)
    for client_id in both.ids:
        assert device(both.router).connect(client_id) == (0, 0)
    assert not both.other.records and both.connects_at_home() == 23


def test_server_busy_causes_a_wait_for_each_device(pair, device):
    both = pair(busy_for(1000, 5))
    for client_id in both.ids[:6]:
        assert device(both.router).connect(client_id, version=5) == (0, 0)
    assert both.connects_at_home() == 12


@pytest.mark.parametrize("refusal", ("2003008800", "2003009c00", "2003009d00"))
def test_other_refusals_of_a_home_go_to_the_next_node_without_a_wait(pair, device, refusal):
    both = pair(lambda r: bytes.fromhex(refusal) if accept_connect(r) else None)
    assert device(both.router).connect(both.ids[0], version=5) == (0, 0)
    assert both.connects_at_home() == 1


def test_a_node_that_is_not_home_is_tried_once(start_router, recording_node, device, closing):
    second = recording_node(answer=busy_for(1000, 5))
    nodes = {"gone": closing(RefusingPort()).port, "second": second.port,
             "third": recording_node().port}
    router = start_router(one_cluster(nodes))
    client_id = ids_of(["gone", "second"], nodes)[0]
    assert device(router).connect(client_id, version=5) == (0, 0)
    assert len(second.records) == 1


def test_without_another_node_the_device_gets_the_refusal(start_router, recording_node, device):
    node = recording_node(answer=busy_for(1000, 5))
    router = start_router(one_cluster({"n": node.port}))
    assert device(router).connect("dev", version=5)[1] == 0x89
    assert len(node.records) == 1


def test_without_replay_the_device_gets_the_refusal(pair, device):
    both = pair(busy_for(1000, 5), replay=False)
    assert device(both.router).connect(both.ids[0], version=5)[1] == 0x89
    assert both.connects_at_home() == 1


@pytest.mark.parametrize("how", ("close", "reset"))
def test_a_device_that_disconnects_during_the_wait_is_not_placed(pair, device, how):
    left = {}
    both = pair(busy_for(1000, 5, more=lambda: getattr(left["raw"], how)()))
    left["raw"] = device(both.router)
    left["raw"].send(mqtt.connect(both.ids[0], version=5))
    both.router.session_end()
    both.router.wait_idle()
    assert both.connects_at_home() == 1 and not [r for r in both.other.records if r.mqtt]


def test_a_home_that_fails_during_the_wait_loses_its_devices_to_the_next_node(
        start_router, recording_node, device):
    both = Pair(start_router, recording_node, busy_for(1000, 5))
    raws = [device(both.router).send(mqtt.connect(i, version=5)) for i in both.ids]
    both.home.wait(lambda n: both.connects_at_home() >= 3, "some CONNECTs")
    both.config["clusters"][0]["nodes"][0]["state"] = "down"
    both.router.reload(both.config)
    assert [raw.packet()[1] for raw in raws] == [CONNACK_5] * 12
    for raw in raws:
        raw.close()
    both.router.session_end(count=12, node="other")


def test_the_wait_respects_the_connect_rate_of_the_node(start_router, recording_node, device):
    home, other = recording_node(answer=busy_for(1000, 5)), recording_node()
    nodes = {"home": home.port, "other": other.port}
    config = one_cluster(nodes, node_defaults={"connect_queue_ms": 0})
    config["clusters"][0]["nodes"][0]["max_connects_per_s"] = 1
    router = start_router(config)
    assert device(router).connect(ids_of("home", nodes)[0], version=5) == (0, 0)
    assert len(home.records) == 1, "the next CONNECT is due a second later"


def test_a_router_that_stops_does_not_wait_for_a_busy_home(pair, device):
    left = {}
    both = pair(busy_for(1000, 5, more=lambda: left["router"].send_signal(signal.SIGTERM)))
    left["router"] = both.router.process
    raw = device(both.router).send(mqtt.connect(both.ids[0], version=5))
    raw.read_to_end()
    raw.close()
    assert both.router.process.wait(WAIT_LIMIT_S) == 0


class CleaningNode:
    """A node that behaves like EMQX: a CONNECT with an identifier in use takes over the session, and further ones
    are refused while the previous session is cleaned up."""

    CLEANING_S = 0.1

    def __init__(self, recording_node):
        self.live, self.busy_until = {}, {}
        self.port = recording_node(answer=self.answer).port

    def answer(self, record):
        if not accept_connect(record):
            return None
        client_id, now = bytes(record.mqtt), time.monotonic()
        if now < self.busy_until.get(client_id, 0):
            return BUSY[5]
        previous = self.live.get(client_id)
        self.live[client_id] = record
        if previous is not None:
            previous.transport.close()
            self.busy_until[client_id] = now + self.CLEANING_S
        return CONNACK_5


def test_simultaneous_connects_with_one_identifier_stay_at_home(
        start_router, recording_node, device):
    nodes = {name: CleaningNode(recording_node) for name in ("n1", "n2", "n3")}
    config = one_cluster({name: node.port for name, node in nodes.items()})
    config["limits"] = {"flapping": False}
    router = start_router(config)
    raws = [device(router).send(mqtt.connect(f"dev-{i}", version=5))
            for i in range(40) for _ in range(3)]
    for raw in raws:
        assert raw.packet()[1] == CONNACK_5
        raw.close()
    router.session_end(count=120)
    off_home = [e for e in router.find("session.end") if e["placement"] != "home"]
    assert not off_home, f"{len(off_home)} of 120 are not at home"
