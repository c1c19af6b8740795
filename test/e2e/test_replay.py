"""If a node fails before its CONNACK or refuses, the router tries the next one; the device gets one CONNACK."""

import socket
import threading
import time

import pytest

import mqtt
from harness import one_cluster, wait_until
from homes import ids_of, order
from nodes import Mosquitto
from recorder import CONNACK_3, CONNACK_5, RefusingPort, accept_connect

pytestmark = [pytest.mark.sanitized, pytest.mark.one_thread]
ACCEPTED = {4: CONNACK_3, 5: CONNACK_5}
AUTH = bytes.fromhex("f00c 18 0a 15 0007 736372616d2d31".replace(" ", ""))  # continue, "scram-1"


def connack_4(code):
    return bytes([0x20, 2, 0, code])


def connack_5(code, reason=""):
    """Return a CONNACK with a reason string, so that a refusal can be longer than a success."""
    properties = b"\x1f" + mqtt.text(reason) if reason else b""
    return mqtt.packet(0x20, bytes([0, code]) + mqtt.varint(len(properties)) + properties)


def after_connect(what):
    """Return an answer for RecordingNode that calls an action once the CONNECT is complete."""
    def answer(record):
        return what(record) if accept_connect(record) else None
    return answer


def answer_with(data):
    return after_connect(lambda record: data)


def closes(record):
    record.transport.close()
    return b""


# {name: (MQTT version, answer of the first node)}
REPLAYED = {
    "return code 3": (4, answer_with(connack_4(3))),
    "0x88 server unavailable": (5, answer_with(connack_5(0x88))),
    "0x88 with a reason string": (5, answer_with(connack_5(0x88, "evacuated " * 20))),
    "0x89 server busy": (5, answer_with(connack_5(0x89))),
    "0x9C use another server": (5, answer_with(connack_5(0x9C, "other:1883"))),
    "0x9D server moved": (5, answer_with(connack_5(0x9D))),
    "a close": (4, after_connect(closes)),
    "a close, MQTT 5.0": (5, after_connect(closes)),
    "silence": (4, None),
    "silence, MQTT 5.0": (5, None),
}
KEPT = [(4, connack_4(code)) for code in (1, 2, 4, 5, 6)] + [
    (5, connack_5(code)) for code in (0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x8A, 0x8C,
                                      0x90, 0x95, 0x97, 0x99, 0x9A, 0x9B, 0x9F)] + [
    (5, connack_5(0x97, "quota of the tenant"))]


class Pair:
    """Start the home of a device, which fails in some way, and the next node, which works."""

    def __init__(self, start_router, recording_node, answer, connack_ms=15_000, more=None, **keys):
        self.bad, self.good = recording_node(answer=answer), recording_node()
        nodes = {"bad": self.bad.port, "good": self.good.port}
        config = one_cluster(nodes, **keys)
        config["timeouts"] = {"connack_ms": connack_ms, "farewell_ms": 500}
        config.update(more or {})
        self.router = start_router(config)
        self.id = ids_of("bad", nodes)[0]


@pytest.fixture
def pair(start_router, recording_node):
    return lambda answer, **how: Pair(start_router, recording_node, answer, **how)


@pytest.mark.parametrize("how", REPLAYED)
def test_the_next_node_takes_over_and_the_device_sees_one_clean_connack(pair, device, how):
    version, answer = REPLAYED[how]
    both = pair(answer, connack_ms=15_000 if answer else 400)
    raw = device(both.router).send(mqtt.connect(both.id, version=version))
    assert raw.packet()[1] == ACCEPTED[version]
    # The device receives nothing else.
    record = both.good.wait_mqtt(mqtt.connect(both.id, version=version))
    assert record.proxy == both.bad.record().proxy
    record.write(mqtt.PING)
    record.write_eof()
    assert raw.read_to_end() == (mqtt.PING, "end")
    raw.close()
    end = both.router.session_end()
    assert (end["node"], end["tries"], end["placement"]) == ("good", 2, "replay")
    assert (end["connack_code"], end["reason"]) == (0, "node_closed")


@pytest.mark.parametrize("version,answer", KEPT, ids=lambda v: v.hex() if isinstance(v, bytes)
                         else str(v))
def test_a_refusal_about_the_device_is_relayed_to_it(pair, device, version, answer):
    both = pair(answer_with(answer))
    raw = device(both.router).send(mqtt.connect(both.id, version=version))
    assert raw.packet()[1] == answer
    both.bad.record().close()
    assert raw.read_to_end() == (b"", "end")
    raw.close()
    end = both.router.session_end()
    assert (end["node"], end["tries"], end["connack_code"]) == ("bad", 1, answer[3])
    assert not both.good.records


@pytest.mark.parametrize("version", (4, 5))
def test_a_node_that_closes_right_after_its_connack_causes_no_replay(
        pair, device, version):
    def answer(record):
        record.transport.write(ACCEPTED[version])
        record.transport.close()
        return b""
    both = pair(after_connect(answer))
    raw = device(both.router).send(mqtt.connect(both.id, version=version))
    assert raw.read_to_end() == (ACCEPTED[version], "end")
    raw.close()
    both.router.session_end(reason="node_closed")
    assert not both.good.records


@pytest.mark.parametrize("version,refusal", (
    (4, connack_4(3)), (5, connack_5(0x9C, "other:1883"))), ids=("3.1.1", "5.0"))
def test_a_refusal_that_arrives_byte_by_byte_is_withheld_from_the_device(
        pair, device, version, refusal):
    both = pair(None)
    raw = device(both.router).send(mqtt.connect(both.id, version=version))
    record = both.bad.record()
    both.bad.wait(lambda n: accept_connect(record), "the CONNECT")
    for i, byte in enumerate(refusal):
        record.write(bytes([byte]))
        if not both.good.records and i < 3:
            time.sleep(0.02)  # so that they arrive separately
    assert raw.packet()[1] == ACCEPTED[version]
    raw.close()
    assert both.router.session_end()["node"] == "good"


def test_a_connack_that_arrives_byte_by_byte_reaches_the_device_whole(pair, device):
    success = connack_5(0, "welcome")
    both = pair(None)
    raw = device(both.router).send(mqtt.connect(both.id, version=5))
    record = both.bad.record()
    both.bad.wait(lambda n: accept_connect(record), "the CONNECT")
    for byte in success:
        record.write(bytes([byte]))
        time.sleep(0.005)  # as above
    assert raw.packet()[1] == success
    assert not both.good.records


def test_auth_before_the_connack_is_relayed(pair, device):
    """After the node's first AUTH, the router only relays, and does not try another node."""
    both = pair(answer_with(AUTH), connack_ms=600)
    connect = mqtt.connect(both.id, version=5, properties=b"\x15" + mqtt.text("scram-1"))
    raw = device(both.router).send(connect)
    assert raw.packet()[1] == AUTH
    raw.send(AUTH)
    record = both.bad.wait_mqtt(connect + AUTH)
    time.sleep(0.8)  # longer than connack_ms, which does not apply any more
    record.write(connack_5(0x88))
    assert raw.packet()[1] == connack_5(0x88)
    record.close()
    raw.read_to_end()
    raw.close()
    assert both.router.session_end()["tries"] == 1
    assert not both.good.records


@pytest.mark.parametrize("how,seen", (
    ("return code 3", connack_4(3)), ("0x9C use another server", connack_5(0x9C, "other:1883")),
    ("a close", connack_4(3)), ("a close, MQTT 5.0", connack_5(0x88)),
    ("silence", connack_4(3)), ("silence, MQTT 5.0", connack_5(0x88))))
def test_replay_can_be_turned_off(pair, device, how, seen):
    version, answer = REPLAYED[how]
    both = pair(answer, connack_ms=15_000 if answer else 400, replay=False)
    raw = device(both.router).send(mqtt.connect(both.id, version=version))
    assert raw.packet()[1] == seen
    raw.close()
    assert both.router.session_end()["tries"] == 1
    assert not both.good.records


@pytest.mark.parametrize("n_nodes", (1, 2, 3))
def test_if_all_nodes_refuse_the_device_gets_the_last_refusal(
        start_router, recording_node, device, n_nodes):
    names = [f"n{i}" for i in range(n_nodes)]
    nodes = {name: recording_node(answer=answer_with(connack_5(0x88, f"from {name}"))) for name in names}
    router = start_router(one_cluster({name: node.port for name, node in nodes.items()}))
    for i in range(6):
        raw = device(router).send(mqtt.connect(f"dev-{i}", version=5))
        last = order(names, f"dev-{i}")[-1]
        assert raw.packet()[1] == connack_5(0x88, f"from {last}")
        raw.close()
        end = router.session_end(client_id=f"dev-{i}")
        assert (end["node"], end["tries"], end["connack_code"]) == (last, n_nodes, 0x88)


def test_no_more_than_three_nodes_are_tried(start_router, recording_node, device):
    nodes = {f"n{i}": recording_node(answer=answer_with(connack_4(3))) for i in range(5)}
    router = start_router(one_cluster({name: node.port for name, node in nodes.items()}))
    assert device(router).connect("dev")[1] == 3
    assert sum(len(node.records) for node in nodes.values()) == 3


def test_dial_failures_and_refusals_share_the_three_tries(start_router, recording_node, device,
                                                          closing):
    names = ("a", "b", "c")
    nodes = {"a": closing(RefusingPort()), "b": recording_node(answer=answer_with(connack_4(3))),
             "c": recording_node()}
    router = start_router(one_cluster({name: node.port for name, node in nodes.items()}))
    client_id = ids_of(names, names)[0]
    assert device(router).connect(client_id) == (0, 0)
    assert nodes["c"].record().mqtt == mqtt.connect(client_id)
    assert len(nodes["b"].records) == 1


@pytest.mark.parametrize("proxy_protocol", ("v1", "v2", "none"))
@pytest.mark.parametrize("refusal", ("return code 3", "close"))
def test_all_pipelined_bytes_reach_the_second_node_in_order(
        pair, device, proxy_protocol, refusal):
    both = pair(None, proxy_protocol=proxy_protocol)
    connect = mqtt.connect(both.id)
    behind = [mqtt.publish("t", bytes([i]) * 700) for i in range(20)]
    raw = device(both.router).send(connect + b"".join(behind[:5]))
    record = both.bad.record()
    both.bad.wait(lambda n: len(record.mqtt) >= len(connect), "the CONNECT")
    # These bytes arrive before the first node answers.
    for one in behind[5:]:
        raw.send(one)
    if refusal == "close":
        record.close()
    else:
        record.write(connack_4(3))
    assert raw.packet()[1] == CONNACK_3
    second = both.good.wait_mqtt(connect + b"".join(behind))
    assert second.proxy == record.proxy, "one PROXY header, the same"
    raw.send(mqtt.PING)
    both.good.wait_mqtt(connect + b"".join(behind) + mqtt.PING)


def test_pipelined_bytes_beyond_the_buffer_wait_at_the_device(pair, device):
    """Bytes that the router cannot keep for a second node stay in the device's socket."""
    both = pair(None)
    connect = mqtt.connect(both.id)
    behind = b"".join(mqtt.publish("t", bytes([i % 251]) * 60_000) for i in range(100))
    raw = device(both.router)
    sender = threading.Thread(target=raw.send, args=(connect + behind,))
    sender.start()
    record = both.bad.record()
    both.bad.wait(lambda n: len(record.mqtt) >= len(connect), "the CONNECT")
    record.write(connack_4(3))
    assert raw.packet()[1] == CONNACK_3
    both.good.wait_mqtt(connect + behind)
    sender.join()


@pytest.mark.parametrize("how", ("close", "reset"))
def test_a_device_that_disconnects_before_the_refusal_is_not_replayed(pair, device, how):
    both = pair(None, connack_ms=700)
    raw = device(both.router).send(mqtt.connect(both.id))
    both.bad.record()
    getattr(raw, how)()
    end = both.router.session_end()
    assert end["tries"] == 1
    both.router.wait_idle()
    assert not both.good.records


def test_placement_ms_covers_all_tries(start_router, recording_node, device):
    nodes = {f"n{i}": recording_node(answer=None) for i in range(3)}
    made = one_cluster({name: node.port for name, node in nodes.items()})
    made["timeouts"] = {"connack_ms": 400, "placement_ms": 600}
    router = start_router(made)
    raw = device(router).send(mqtt.connect("dev"))
    assert raw.packet()[1] == connack_4(3)
    raw.close()
    assert router.session_end()["tries"] < 3


def test_a_real_node_takes_over_from_an_evacuated_one(start_router, recording_node, device,
                                                           closing):
    """After the second CONNECT, Mosquitto resumes the session, as after a direct connection."""
    evacuated = recording_node(answer=answer_with(connack_5(0x9C, "other:1883")))
    mosquitto = closing(Mosquitto("good"))
    nodes = {"bad": evacuated.port, "good": mosquitto.port}
    router = start_router(one_cluster(nodes, proxy_protocol="none"))
    client_id = ids_of("bad", nodes)[0]
    keep = b"\x11" + (300).to_bytes(4, "big")  # session expiry interval
    for present in (0, 1):
        raw = device(router)
        assert raw.connect(client_id, version=5, clean=False, properties=keep) == (present, 0)
        raw.send(mqtt.DISCONNECT)
        raw.close()
        router.session_end(count=present + 1, placement="replay")


def test_a_candidate_that_starts_draining_is_skipped(
        start_router, recording_node, device):
    homes = {name: recording_node(answer=None if name == "n1" else answer_with(CONNACK_3))
             for name in ("n1", "n2", "n3")}
    ports = {name: node.port for name, node in homes.items()}
    client_id = ids_of("n1", ports)[0]
    second, third = order(ports, client_id)[1:]
    config = one_cluster(ports)
    config["timeouts"] = {"connack_ms": 2000}
    router = start_router(config)
    raw = device(router).send(mqtt.connect(client_id))
    homes["n1"].wait_mqtt(mqtt.connect(client_id))
    for node in config["clusters"][0]["nodes"]:
        if node["name"] == second:
            node["state"] = "draining"
    router.reload(config)
    assert raw.packet()[1] == CONNACK_3
    raw.close()
    end = router.session_end(client_id=client_id)
    assert end["node"] == third and end["placement"] == "replay"
    assert not homes[second].records, "a draining node gets no new session"


def test_the_limit_of_a_node_applies_to_replayed_devices_too(start_router, recording_node, device):
    silent, small = recording_node(answer=None), recording_node(answer=answer_with(CONNACK_3))
    ports = {"silent": silent.port, "small": small.port}
    config = one_cluster(ports)
    config["clusters"][0]["nodes"][1]["max_connections"] = 3
    config["timeouts"] = {"connack_ms": 800, "farewell_ms": 500}
    router = start_router(config)
    raws = [device(router).send(mqtt.connect(i)) for i in ids_of("silent", ports, 10)]
    answers = [raw.packet()[1] for raw in raws]
    assert sorted(answers) == [CONNACK_3] * 3 + [connack_4(3)] * 7
    assert router.gauges()["node small"] == 3


class ResettingPort:
    """A node that resets the connection after the first bytes of a CONNECT, like brokers after an oversized packet.

    Small segments and a small window: the reset arrives while the CONNECT is still being sent.
    """

    def __init__(self):
        self.socket = socket.socket()
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 536)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.listen(100)
        self.port = self.socket.getsockname()[1]
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self):
        while True:
            try:
                node, _ = self.socket.accept()
            except OSError:
                return  # the end of the test
            node.recv(5)
            node.close()  # input is unread, so the kernel sends a reset

    def close(self):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.thread.join()
        self.socket.close()


class StallingPort(ResettingPort):
    """A node that accepts connections but reads nothing, so that a large CONNECT is sent only partly."""

    def _run(self):
        taken = []
        while True:
            try:
                taken.append(self.socket.accept()[0])
            except OSError:
                for node in taken:
                    node.close()
                return


def test_without_replay_a_partly_sent_connect_goes_to_no_other_node(
        start_router, recording_node, closing, device):
    other = recording_node()
    ports = {"stalls": closing(StallingPort()).port, "other": other.port}
    config = one_cluster(ports, replay=False, proxy_protocol="none")
    router = start_router(config)
    client_id = ids_of("stalls", ports)[0]
    raw = device(router).send(mqtt.connect(client_id, username="u", password=b"p" * 60_000))
    # If the kernel buffers all of it, the node is silent, and the result is the same.
    wait_until(lambda: sum(router.gauges()[s] for s in ("sessions_dial", "sessions_connack")) == 1,
               "the CONNECT to be partly sent")
    config["clusters"][0]["nodes"][0]["state"] = "down"
    router.reload(config)
    assert raw.read_to_end() == (connack_4(3), "end")
    end = router.session_end(client_id=client_id)
    assert end["node"] == "stalls" and end["reason"] == "node_closed_early"
    assert not other.records


def test_a_connect_that_makes_nodes_fail_ejects_none_of_them(start_router, closing, device):
    nodes = {name: closing(ResettingPort()).port for name in ("n1", "n2", "n3")}
    router = start_router(one_cluster(
        nodes, passive={"failures": 2, "window_ms": 60_000, "eject_ms": 60_000},
        proxy_protocol="none"))
    for i in range(12):
        raw = device(router).send(
            mqtt.connect(f"large-{i}", username="u", password=b"p" * 60_000))
        assert raw.read_to_end()[0] == connack_4(3)
        raw.close()
    ends = [router.session_end(client_id=f"large-{i}") for i in range(12)]
    assert {end["reason"] for end in ends} == {"node_closed_early"}
    assert router.gauges()["dial_failures_total"] == 0
    assert not router.find("node.status"), "no node is ejected"


def failures_of(router, node):
    """Return the session failures that count against a node."""
    router.gauges()
    return [e for e in router.find("node.gauges") if e["node"] == node][-1]["failures_total"]


def failed_before(start_router, recording_node, device, first, version, answer):
    """Start a home node that fails like `first`, and a node that answers. Return (router, name of the home)."""
    ports = {"home": recording_node(answer=first).port,
             "next": recording_node(answer=answer_with(answer)).port}
    config = one_cluster(ports, passive={"failures": 1, "window_ms": 60_000, "eject_ms": 60_000})
    config["clusters"][0]["nodes"].append(
        {"name": "spare", "address": "127.0.0.1:1", "weight": 0})  # so that a node may be ejected
    config["timeouts"] = {"connack_ms": 500, "farewell_ms": 500}
    router = start_router(config)
    raw = device(router).send(mqtt.connect(ids_of("home", ports)[0], version=version))
    assert raw.packet()[1] == answer
    raw.close()
    return router


FIRST = {"silence": None, "a close": after_connect(closes)}
# Some codes of each kind; test_mqtt_connack.c tests the complete table.
PROOF = [(4, connack_4(0)), (4, connack_4(5)), (5, connack_5(0x87)), (5, AUTH)]
NO_PROOF = [(4, connack_4(1)), (4, connack_4(3)), (4, mqtt.PING)] + [
    (5, connack_5(code)) for code in (0x80, 0x88, 0x89, 0x97, 0x9C, 0x9D)]


@pytest.mark.parametrize("first", FIRST)
@pytest.mark.parametrize("version,answer", PROOF, ids=lambda v: v.hex() if isinstance(v, bytes)
                         else str(v))
def test_an_answer_about_the_device_counts_as_a_failure_of_the_previous_node(
        start_router, recording_node, device, first, version, answer):
    router = failed_before(start_router, recording_node, device, FIRST[first], version, answer)
    assert failures_of(router, "home") == 1 and failures_of(router, "next") == 0
    router.wait_event("node.status", node="home", status="ejected")


@pytest.mark.parametrize("first", FIRST)
@pytest.mark.parametrize("version,answer", NO_PROOF, ids=lambda v: v.hex()
                         if isinstance(v, bytes) else str(v))
def test_another_answer_does_not_count_against_the_previous_node(
        start_router, recording_node, device, first, version, answer):
    router = failed_before(start_router, recording_node, device, FIRST[first], version, answer)
    assert failures_of(router, "home") == 0 and failures_of(router, "next") == 0
    assert not router.find("node.status")


def test_silence_does_not_count_against_a_node_if_all_nodes_are_silent(
        start_router, recording_node, device):
    ports = {name: recording_node(answer=None).port for name in ("n1", "n2", "n3")}
    config = one_cluster(ports, passive={"failures": 1, "window_ms": 60_000, "eject_ms": 60_000})
    config["timeouts"] = {"connack_ms": 300, "placement_ms": 5000}
    router = start_router(config)
    assert device(router).connect("dev")[1] == 3
    assert [failures_of(router, name) for name in ports] == [0, 0, 0]
    assert not router.find("node.status")


def test_silence_counts_if_no_other_node_may_be_tried(
        start_router, recording_node, device):
    ports = {name: recording_node(answer=None).port for name in ("n1", "n2", "n3")}
    config = one_cluster(ports, replay=False,
                         passive={"failures": 1, "window_ms": 60_000, "eject_ms": 60_000})
    config["timeouts"] = {"connack_ms": 300}
    router = start_router(config)
    assert device(router).connect(ids_of("n1", ports)[0])[1] == 3
    router.wait_event("node.status", node="n1", status="ejected")
