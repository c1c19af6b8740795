"""Limits by address, number and rate: the connections that are accepted, and the answer to the others."""

import contextlib
import os
import ssl
import subprocess

import pytest

import mqtt
import websocket
from harness import WAIT_LIMIT_S, add_listener, free_port, one_cluster, wait_until
from proxy_sender import v2

pytestmark = pytest.mark.sanitized

OK = {4: bytes.fromhex("20020000"), 5: bytes.fromhex("2003000000")}
TOO_FAST = {4: bytes.fromhex("20020003"), 5: bytes.fromhex("2003009f00")}
TOO_MANY = {4: bytes.fromhex("20020003"), 5: bytes.fromhex("2003009700")}
BANNED = {4: bytes.fromhex("20020005"), 5: bytes.fromhex("2003008a00")}
BUSY = {4: bytes.fromhex("20020003"), 5: bytes.fromhex("2003008900")}


@pytest.fixture
def start(start_router, recording_node):
    """Return a function that starts a router: start(limits, second={...}, **listener). `second` is another listener."""
    def make(limits=None, second=None, **listener):
        config = one_cluster({"n": recording_node().port})
        config["listeners"][0].update(listener)
        config["limits"] = {"flapping": False, **(limits or {})}
        if second is not None:
            add_listener(config, "second", **second)
        return start_router(config)
    return make


def is_accepted(port, client_id="dev", **how):
    with mqtt.Device(port, **how) as device:
        try:
            return device.connect(client_id) == (0, 0)
        except (EOFError, ConnectionResetError, BrokenPipeError):
            return False


def is_closed_without_answer(port, **how):
    """Return whether the connection is closed before either side has sent a byte."""
    with mqtt.Device(port, **how) as device:
        return device.read_to_end()[0] == b""


# ---- by address ---------------------------------------------------------------------------

def test_only_allowed_and_not_denied_addresses_are_accepted(start):
    router = start(allow=["127.0.0.0/30", "127.0.1.1"], deny="127.0.0.2")
    for source, wanted in (("127.0.0.1", True), ("127.0.0.2", False), ("127.0.0.3", True),
                           ("127.0.0.4", False), ("127.0.1.1", True), ("127.0.1.2", False)):
        assert is_accepted(router.port, source=source) == wanted, source
    router.session_end(count=3, reason="source_denied")


def test_a_denied_address_is_closed_before_tls(start, certificates):
    config = {"allow": "192.0.2.0/24"}
    router = start(second={**config, "tls_dir": certificates})
    assert is_closed_without_answer(router.ports["second"])
    assert router.session_end(reason="source_denied")["ms_tls"] == 0


def test_behind_a_proxy_the_device_address_is_checked(start):
    router = start(second={"accept_proxy_protocol": True, "trusted_proxies": "127.0.0.1",
                         "deny": "192.0.2.0/24"})
    port = router.ports["second"]
    assert is_accepted(port, before=v2("198.51.100.1:1234"))
    assert is_closed_without_answer(port, before=v2("192.0.2.9:1234"))
    assert router.session_end(reason="source_denied")["source"] == "192.0.2.9:1234"


def upgraded(port, forwarded_for):
    return websocket.WsDevice(port, headers=[f"X-Forwarded-For: {forwarded_for}"])


def v6(source):
    return f"PROXY TCP6 {source} 2001:db8::1 1234 1883\r\n".encode()


def test_an_address_denied_by_its_proxy_header_gets_a_connack(start):
    router = start(second={"websocket": {}, "client_address_header": "X-Forwarded-For",
                         "trusted_proxies": "127.0.0.1", "deny": "192.0.2.0/24"})
    for version, answer in BANNED.items():
        with upgraded(router.ports["second"], "192.0.2.7") as device:
            device.send(mqtt.connect("dev", version=version))
            assert device.read(len(answer)) == answer
            router.session_end(reason="source_denied", source="192.0.2.7:0")
    with upgraded(router.ports["second"], "198.51.100.7") as device:
        assert device.connect("dev") == (0, 0)


def test_a_reload_changes_the_denied_networks(start_router, recording_node):
    config = one_cluster({"n": recording_node().port}, address=f"127.0.0.1:{free_port()}")
    router = start_router(config)
    assert is_accepted(router.port)
    config["listeners"][0]["deny"] = ["127.0.0.0/8"]
    router.reload(config)
    assert not is_accepted(router.port)
    del config["listeners"][0]["deny"]
    router.reload(config)
    assert is_accepted(router.port)


# ---- by number ----------------------------------------------------------------------------

def test_a_listener_accepts_no_more_than_its_limit(start, closing):
    router = start(max_connections=3, second={})
    inside = [closing(mqtt.Device(router.port)) for _ in range(3)]
    for i, device in enumerate(inside):
        assert device.connect(f"dev-{i}") == (0, 0)
    assert is_closed_without_answer(router.port)
    assert is_accepted(router.ports["second"])  # another listener is not affected
    router.session_end(reason="listener_full")
    router.reload()  # a reload does not reset the count
    assert is_closed_without_answer(router.port)
    inside[0].close()
    router.session_end(reason="client_closed", client_id="dev-0")
    assert is_accepted(router.port)


def test_a_source_has_no_more_connections_than_its_limit(start, closing):
    router = start({"per_source": {"max_connections": 2, "exempt": "127.0.0.9"}})
    inside = [closing(mqtt.Device(router.port, source="127.0.0.2")) for _ in range(2)]
    for i, device in enumerate(inside):
        assert device.connect(f"dev-{i}") == (0, 0)
    for _ in range(3):
        assert is_closed_without_answer(router.port, source="127.0.0.2")
    assert is_accepted(router.port, source="127.0.0.3")
    many = [closing(mqtt.Device(router.port, source="127.0.0.9")) for _ in range(5)]
    assert [device.connect(f"many-{i}") for i, device in enumerate(many)] == [(0, 0)] * 5
    router.session_end(count=3, reason="source_connections")
    inside[0].close()
    router.session_end(reason="client_closed", client_id="dev-0")
    assert is_accepted(router.port, source="127.0.0.2")


def test_an_ipv6_network_is_one_source(start, closing):
    """A /64 usually belongs to one customer, who can use a new address for each connection."""
    router = start({"per_source": {"max_connections": 2}},
                   second={"accept_proxy_protocol": True, "trusted_proxies": "127.0.0.1"})
    port = router.ports["second"]
    for i in range(2):
        device = closing(mqtt.Device(port, before=v6(f"2001:db8:1:2::{i}")))
        assert device.connect(f"dev-{i}") == (0, 0)
    assert is_closed_without_answer(port, before=v6("2001:db8:1:2:ffff::1"))
    assert is_accepted(port, before=v6("2001:db8:1:3::1"))
    router.session_end(reason="source_connections")


def test_a_source_is_counted_across_workers_and_listeners(start, closing):
    router = start({"per_source": {"max_connections": 20}}, second={})
    inside = []
    for i in range(40):
        device = closing(mqtt.Device(router.port if i % 2 else router.ports["second"]))
        with contextlib.suppress(EOFError, ConnectionResetError, BrokenPipeError):
            device.connect(f"dev-{i}")
            inside.append(device)
    assert len(inside) == 20
    router.session_end(count=20, reason="source_connections")


def test_a_source_over_its_limit_by_proxy_header_gets_a_connack(start, closing):
    router = start({"per_source": {"max_connections": 1}},
                   second={"websocket": {}, "client_address_header": "X-Forwarded-For",
                         "trusted_proxies": "127.0.0.1"})
    first = closing(upgraded(router.ports["second"], "192.0.2.7"))
    assert first.connect("dev") == (0, 0)
    for version, answer in TOO_MANY.items():
        with upgraded(router.ports["second"], "192.0.2.7") as device:
            device.send(mqtt.connect("dev2", version=version))
            assert device.read(len(answer)) == answer
    router.session_end(count=2, reason="source_connections")


# ---- by rate ------------------------------------------------------------------------------

def test_a_source_that_connects_too_often_is_closed_alone(start):
    router = start({"per_source": {"max_connects_per_s": 1, "burst": 5}})
    accepted = [is_accepted(router.port, source="127.0.0.2") for _ in range(12)]
    assert accepted[:5] == [True] * 5
    assert accepted.count(False) >= 4  # on a slow machine the rate limit may admit one or two more
    assert is_accepted(router.port, source="127.0.0.3")
    assert len(router.find("session.end", reason="source_rate")) == accepted.count(False)
    # After a pause, the source is accepted again.
    wait_until(lambda: is_accepted(router.port, source="127.0.0.2"), "the source to be accepted")


FLAPPING = {"max_connects": 4, "window_ms": 3600000, "penalty_ms": 3600000,
            "penalty_max_ms": 3600000, "refuse": True}


def detected(router):
    """Return the value of the metric, taken from the log."""
    return router.gauges()["flapping_detected_total"]


def publish_with_mosquitto(port, client_id, count):
    """Run mosquitto_pub `count` times. Return how many runs were accepted."""
    command = ("mosquitto_pub", "-h", "127.0.0.1", "-p", str(port), "-i", client_id, "-q", "1", "-t", "t", "-m", "m")
    return [subprocess.run(command, capture_output=True, timeout=WAIT_LIMIT_S, check=False).returncode
            for _ in range(count)].count(0)


def test_by_default_a_flapping_client_id_is_logged_and_served(start_router, mosquittos):
    """A shell loop around mosquitto_pub is the most common case."""
    made = one_cluster({"n": mosquittos["node1"].port}, proxy_protocol="none")
    # The default limit of 20, but independent of the machine's speed.
    made["limits"] = {"flapping": {"window_ms": 3600000}}
    router = start_router(made)
    assert detected(router) == 0
    assert publish_with_mosquitto(router.port, "same-id", 30) == 30
    router.session_end(count=30, client_id="same-id")
    event, = router.find("client_id.flapping", level="warn")
    assert (event["client_id"], event["refuse"], event["penalty_ms"]) == ("same-id", False, 2000)
    assert detected(router) in range(1, 11)  # some may connect after the penalty of 2 s
    assert router.find("session.end", reason="flapping") == []


def test_with_refuse_a_flapping_client_id_is_refused(start_router, mosquittos):
    made = one_cluster({"n": mosquittos["node1"].port}, proxy_protocol="none")
    made["limits"] = {"flapping": {**FLAPPING, "max_connects": 20}}
    router = start_router(made)
    assert publish_with_mosquitto(router.port, "same-id", 30) == 21
    router.session_end(count=9, client_id="same-id", reason="flapping")
    event, = router.find("client_id.flapping")
    assert (event["refuse"], event["penalty_ms"]) == (True, 3600000)
    assert detected(router) == 10  # the CONNECT that started the penalty was accepted


def test_each_flapping_connect_is_counted_and_each_penalty_logged_once(start):
    """Pairs and identifiers have separate penalties: no CONNECT counts for both."""
    router = start({"flapping": {**FLAPPING, "refuse": False}})
    assert all(is_accepted(router.port, "flapper") for _ in range(30))
    assert detected(router) == 26
    assert len(router.find("client_id.flapping")) == 1


def test_a_reload_turns_refuse_on(start_router, recording_node):
    config = one_cluster({"n": recording_node().port}, address=f"127.0.0.1:{free_port()}")
    config["limits"] = {"flapping": {**FLAPPING, "refuse": False}}
    router = start_router(config)
    assert all(is_accepted(router.port, "flapper") for _ in range(10))
    config["limits"]["flapping"]["refuse"] = True
    router.reload(config)
    assert not is_accepted(router.port, "flapper")
    config["limits"]["flapping"]["refuse"] = False
    router.reload(config)
    assert is_accepted(router.port, "flapper")


def test_a_flapping_client_id_gets_a_connack_with_the_reason(start):
    router = start({"flapping": FLAPPING})
    for _ in range(5):
        assert is_accepted(router.port, "flapper")
    router.wait_event("client_id.flapping")
    for version, answer in TOO_FAST.items():
        with mqtt.Device(router.port) as device:
            device.send(mqtt.connect("flapper", version=version))
            assert device.read_to_end() == (answer, "end")
    assert is_accepted(router.port, "other")
    router.session_end(count=2, reason="flapping", client_id="flapper")
    event, = router.find("client_id.flapping")
    assert (event["client_id"], event["level"], event["penalty_ms"]) == ("flapper", "warn", 3600000)
    assert event["source"].startswith("127.0.0.1:")


def test_the_penalty_expires_and_the_next_one_is_longer(start):
    router = start({"flapping": {**FLAPPING, "penalty_ms": 200}})
    for _ in range(5):
        assert is_accepted(router.port, "flapper")
    wait_until(lambda: not is_accepted(router.port, "flapper"), "a penalty")
    wait_until(lambda: is_accepted(router.port, "flapper"), "the end of the penalty")
    wait_until(lambda: len(router.find("client_id.flapping")) == 2 or
               not is_accepted(router.port, "flapper"), "the next penalty")
    wait_until(lambda: is_accepted(router.port, "flapper") or
               len(router.find("client_id.flapping")) >= 2, "the next penalty to be logged")
    first, second = router.find("client_id.flapping")[:2]
    assert (first["penalty_ms"], second["penalty_ms"]) == (200, 400)


def test_another_source_cannot_lock_out_a_device_by_its_client_id(start_router, recording_node):
    """An impostor that no node accepts is refused, but not the device at another address."""
    def answer(record):
        return bytes.fromhex("20020000" if b"secret" in record.data else "20020005")
    config = one_cluster({"n": recording_node(answer=answer).port})
    config["limits"] = {"flapping": FLAPPING}
    router = start_router(config)
    for i in range(10):
        with mqtt.Device(router.port, source="127.0.0.66") as device:
            assert device.connect("victim", username="x", password=b"guess") == (0, 5 if i < 5 else 3)
    with mqtt.Device(router.port, source="127.0.0.2") as device:
        assert device.connect("victim", username="x", password=b"secret") == (0, 0)


def test_refused_devices_do_not_lock_out_an_accepted_one_at_the_same_address(
        start_router, recording_node):
    """Behind a carrier's NAT, the impostor has the same address as the device."""
    def answer(record):
        return bytes.fromhex("20020000" if b"secret" in record.data else "20020005")
    config = one_cluster({"n": recording_node(answer=answer).port})
    config["limits"] = {"flapping": FLAPPING}
    router = start_router(config)

    def come(password):
        with mqtt.Device(router.port) as device:
            return device.connect("victim", username="x", password=password)
    assert come(b"secret") == (0, 0)
    assert [come(b"guess") for _ in range(12)] == [(0, 5)] * 12
    assert come(b"secret") == (0, 0)
    assert not router.find("client_id.flapping")


def test_a_device_without_the_certificate_does_not_lock_out_its_owner(
        start_router, recording_node, authority):
    second = {"tls": {"certificates": [authority.issue("server").conf()], "client_auth": "require",
                    "client_ca_file": str(authority.file)},
            "identity": {"claim": "client_id"}}
    config = add_listener(one_cluster({"n": recording_node().port}), "second", **second)
    config["limits"] = {"flapping": FLAPPING}
    router = start_router(config)

    def come(name):
        issued = authority.issue(name, cn=name)
        context = ssl.create_default_context(cafile=str(authority.file))
        context.check_hostname = False
        context.load_cert_chain(issued.certificate, issued.key)
        with mqtt.Device(router.ports["second"], tls=context) as device:
            return device.connect("victim")[1]
    assert [come("impostor") for _ in range(8)] == [5] * 8
    assert come("victim") == 0


def test_retries_while_no_node_is_up_cause_no_lockout(
        start_router, recording_node):
    node = recording_node()
    config = one_cluster({"n": node.port}, address=f"127.0.0.1:{free_port()}")
    config["clusters"][0]["nodes"][0]["state"] = "down"
    config["limits"] = {"flapping": FLAPPING}
    router = start_router(config)
    for _ in range(10):
        with mqtt.Device(router.port) as device:
            assert device.connect("patient") == (0, 3)
    config["clusters"][0]["nodes"][0]["state"] = "up"
    router.reload(config)
    assert is_accepted(router.port, "patient")
    router.session_end(count=10, reason="no_node")


def test_two_sources_that_share_a_client_id_are_logged(start):
    router = start({"flapping": {**FLAPPING, "max_connects": 50}})
    for source in ("127.0.0.2", "127.0.0.3", "127.0.0.2", "127.0.0.3"):
        assert is_accepted(router.port, "twin", source=source)
    event = router.wait_event("client_id.contested")
    assert (event["client_id"], event["level"]) == ("twin", "warn")
    assert {event["source"].split(":")[0], event["rival"]} == {"127.0.0.2", "127.0.0.3"}
    for source in ("127.0.0.2", "127.0.0.3"):
        assert is_accepted(router.port, "twin", source=source)
    assert is_accepted(router.port, "roaming", source="127.0.0.2")
    assert is_accepted(router.port, "roaming", source="127.0.0.3")
    assert len(router.find("client_id.contested")) == 1


def test_devices_with_an_empty_client_id_are_distinct(start):
    router = start({"flapping": FLAPPING})
    assert all(is_accepted(router.port, "") for _ in range(10))


# ---- memory -------------------------------------------------------------------------------

def test_when_memory_is_short_only_clients_that_do_not_read_are_closed(
        start_router, recording_node, closing):
    node = recording_node()
    config = one_cluster({"n": node.port})
    config["workers"] = 1
    config["limits"] = {"relay_buffer_bytes": 16384, "relay_memory_bytes": 8 * 16384}
    router = start_router(config)
    readers = [closing(mqtt.Device(router.port)) for _ in range(2)]
    for i, device in enumerate(readers):
        assert device.connect(f"reader-{i}") == (0, 0)
    flood = b"\x00" * (16 << 20)
    unread = []
    for i in range(8):
        unread.append(closing(mqtt.Device(router.port)))
        assert unread[-1].connect(f"unread-{i}") == (0, 0)
        node.record(i + 2).write(flood)
    ends = [router.session_end(count=n + 1, reason="relay_memory") for n in range(3)]
    assert {end["client_id"][:7] for end in ends} == {"unread-"}
    assert router.gauges()["waiting_bytes"] <= 8 * 16384
    for i, device in enumerate(readers):
        node.record(i).write(b"hello")
        assert device.read(5) == b"hello"


def test_when_memory_is_short_only_large_partial_connects_are_refused(
        start_router, recording_node, closing):
    config = one_cluster({"n": recording_node().port})
    config["workers"] = 1
    config["limits"] = {"relay_memory_bytes": 256 * 1024}
    router = start_router(config)
    large = {version: mqtt.connect("large", version=version, will=("t", os.urandom(60000), 0, False))
             for version in BUSY}
    half = [closing(mqtt.Device(router.port)) for _ in range(12)]
    for i, device in enumerate(half):
        with contextlib.suppress(ConnectionResetError, BrokenPipeError):
            device.send(large[4 + i % 2][:-1])
    router.session_end(count=4, reason="relay_memory")
    received = set()
    for i, device in enumerate(half):
        device.socket.settimeout(0.2)
        with contextlib.suppress(TimeoutError):
            answer, ending = device.read_to_end()
            received.add((4 + i % 2, answer))
    assert received == set(BUSY.items())
    assert router.gauges()["waiting_bytes"] <= 256 * 1024
    assert is_accepted(router.port, "small")


def test_many_small_partial_connects_evict_no_established_session(
        start_router, recording_node, closing):
    node = recording_node()
    config = one_cluster({"n": node.port})
    config["workers"] = 1
    config["limits"] = {"relay_buffer_bytes": 16384, "relay_memory_bytes": 8 * 16384}
    router = start_router(config)
    relayed = [closing(mqtt.Device(router.port)) for _ in range(3)]
    for i, device in enumerate(relayed):
        assert device.connect(f"dev-{i}") == (0, 0)
    for i in (0, 1):  # these two do not read
        node.record(i).write(bytes(16 << 20))
    wait_until(lambda: router.gauges()["buffers_held"] == 2, "buffers to be in use")
    for _ in range(100):
        closing(mqtt.Device(router.port)).send(mqtt.connect("dev")[:8])
    wait_until(lambda: router.gauges()["sessions_connect"] == 100, "all partial CONNECTs to be read")
    for _ in range(20):
        node.record(2).write(b"tick")
        assert relayed[2].read(4) == b"tick"
    gauges = router.gauges()
    assert (gauges["sessions_relay"], gauges["sessions_connect"]) == (3, 100)


def test_clients_that_do_not_read_do_not_block_a_large_connect(
        start_router, recording_node, closing):
    node = recording_node()
    config = one_cluster({"n": node.port})
    config["workers"] = 1
    config["limits"] = {"relay_buffer_bytes": 16384, "relay_memory_bytes": 8 * 16384}
    router = start_router(config)
    for i in range(8):
        device = closing(mqtt.Device(router.port))
        assert device.connect(f"unread-{i}") == (0, 0)
        node.record(i).write(bytes(16 << 20))
    wait_until(lambda: router.gauges()["buffers_held"] >= 2, "buffers to be in use")
    for i in range(8):
        with mqtt.Device(router.port) as device:
            assert device.connect(f"large-{i}", will=("t", bytes(60000), 0, False)) == (0, 0)
