"""PROXY protocol on one side only, a common mistake, is reported in the log, by `status` and by the API."""

import subprocess

import pytest

import admin
import mqtt
from admin import with_admin
from harness import BINARY, FAST_CHECK, WAIT_LIMIT_S, free_port, one_cluster, wait_until
from nodes import HAProxy, Mosquitto
from recorder import RecordingNode, accept_connect

pytestmark = pytest.mark.sanitized

QUESTION = "is \"proxy_protocol\" the same on both sides?"
MQTT = {**FAST_CHECK, "type": "mqtt"}


@pytest.fixture
def expecting(closing):
    """Start two nodes that expect a PROXY header (HAProxy in front of Mosquitto)."""
    brokers = [closing(Mosquitto(f"b{i}")) for i in range(2)]
    ports = [free_port() for _ in brokers]
    closing(HAProxy({port: ["bind 127.0.0.1:%d accept-proxy" % port, "timeout client 1h", "timeout server 1h",
                            "timeout connect 5s", f"server s 127.0.0.1:{broker.port}"]
                     for port, broker in zip(ports, brokers)}))
    return {f"n{i}": port for i, port in enumerate(ports)}


@pytest.fixture
def plain(closing):
    """Start two nodes that do not expect a header."""
    return {f"n{i}": closing(Mosquitto(f"n{i}")).port for i in range(2)}


def try_device(router, name="dev"):
    with mqtt.Device(router.port) as raw:
        return raw.connect(name)


def status_of(router):
    return subprocess.run([BINARY, "status", "--admin", ":".join(map(str, admin.address(router)))],
                          capture_output=True, text=True, timeout=WAIT_LIMIT_S, check=False).stdout


def nodes_of(router):
    return admin.get(router, "/api/v1/nodes")["clusters"][0]["nodes"]


def is_named_everywhere(router):
    """Check the event, and the status and nodes in the API."""
    event = router.wait_event("cluster.unanswered")
    assert event["cluster"] == "c" and QUESTION in event["why"], event
    assert QUESTION.replace("\"proxy_protocol\"", "\"proxy_protocol\" (here: %s)" % event["proxy_protocol"]) \
        in status_of(router)
    assert all(node["unanswered"] and QUESTION in node["why"] for node in nodes_of(router))
    return event


@pytest.mark.parametrize("wrong,nodes", (("none", "expecting"), ("v1", "plain"), ("v2", "plain")))
def test_devices_are_refused_and_the_log_hints_at_proxy_protocol(
        start_router, request, wrong, nodes):
    nodes = request.getfixturevalue(nodes)
    made = with_admin(one_cluster(nodes, proxy_protocol=wrong, health_check=FAST_CHECK))
    router = start_router(made)
    assert try_device(router)[1] != 0
    event = is_named_everywhere(router)
    assert (event["proxy_protocol"], event["nodes"]) == (wrong, 2)
    assert {node["status"] for node in nodes_of(router)} == {"up"}
    assert try_device(router)[1] != 0

    made["clusters"][0]["proxy_protocol"] = "v2" if wrong == "none" else "none"
    router.reload(made)
    assert try_device(router) == (0, 0)
    wait_until(lambda: not admin.get(router, "/api/v1/status")["warnings"], "the warning to go")
    assert QUESTION not in status_of(router)
    assert len(router.find("cluster.unanswered")) == 1

    made["clusters"][0]["proxy_protocol"] = wrong
    router.reload(made)
    assert try_device(router)[1] != 0
    router.wait_event("cluster.unanswered", count=2)


@pytest.mark.parametrize("wrong,nodes", (("none", "expecting"), ("v2", "plain")))
def test_failed_mqtt_checks_log_the_same_hint(start_router, request, wrong, nodes):
    made = with_admin(one_cluster(request.getfixturevalue(nodes), proxy_protocol=wrong, health_check=MQTT))
    router = start_router(made)
    for node in ("n0", "n1"):
        assert QUESTION in router.wait_event("node.status", node=node, status="down")["why"]
    is_named_everywhere(router)
    made["clusters"][0]["proxy_protocol"] = "v2" if wrong == "none" else "none"
    router.reload(made)
    for node in ("n0", "n1"):
        router.wait_event("node.status", node=node, status="up")
    wait_until(lambda: not admin.get(router, "/api/v1/status")["warnings"], "the warning to go")


def test_nodes_that_wait_for_a_header_cause_the_hint_too(start_router, closing):
    node = closing(RecordingNode(answer=None))  # it waits for more data
    made = with_admin(one_cluster({"n": node.port}, proxy_protocol="none", health_check=FAST_CHECK))
    made["timeouts"] = {"connack_ms": 300}
    router = start_router(made)
    with mqtt.Device(router.port) as raw:
        raw.send(mqtt.connect("dev"))
        raw.read_to_end()
    is_named_everywhere(router)


def close_on_bad(record):
    """A broker that fails on some CONNECTs."""
    if b"bad" in record.data:
        record.transport.close()
        return None
    return accept_connect(record)


def test_no_hint_is_logged_once_a_connect_was_answered(start_router, closing):
    nodes = {f"n{i}": closing(RecordingNode(answer=close_on_bad)).port for i in range(2)}
    router = start_router(with_admin(one_cluster(nodes, proxy_protocol="none", health_check=FAST_CHECK)))
    for i in range(10):
        assert try_device(router, f"dev-{i}") == (0, 0)  # both nodes get some of the devices
    for i in range(3):
        with mqtt.Device(router.port) as raw:
            raw.send(mqtt.connect(f"bad-{i}"))
            raw.read_to_end()
    router.session_end(count=13)
    looked = admin.get(router, "/api/v1/status")["uptime_s"]
    wait_until(lambda: admin.get(router, "/api/v1/status")["uptime_s"] > looked + 1, "one or two checks")
    assert not router.find("cluster.unanswered")
    assert not any(node["unanswered"] for node in nodes_of(router))
