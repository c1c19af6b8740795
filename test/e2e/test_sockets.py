"""Sockets: Unix sockets, several addresses, both families, and kernel options."""

import socket
import stat
import subprocess
import time

import pytest

import mqtt
from harness import WAIT_LIMIT_S, add_listener, one_cluster, run_router, write_config
from proxy_sender import v2
from proxy_v2_decoder import decode
from websocket import WsDevice

pytestmark = pytest.mark.sanitized
MSG_FASTOPEN = 0x20000000


@pytest.fixture
def start(start_router, recording_node):
    """Return a function: start(**listener) starts a router with this additional listener, and a node."""
    def make(cluster=None, **listener):
        node = recording_node()
        made = one_cluster({"n": node.address}, **(cluster or {}))
        return start_router(add_listener(made, "extra", **listener)), node
    return make


def test_a_unix_listener_serves_devices(start, closing, tmp_path):
    path = tmp_path / "mqtt.sock"
    router, node = start(cluster={"proxy_protocol": "none"}, address=f"unix:{path}")
    assert stat.S_ISSOCK(path.stat().st_mode)
    device = closing(mqtt.Device(str(path)))
    assert device.connect("dev") == (0, 0)
    data = mqtt.publish("t", bytes(100_000))
    device.send(data)
    node.wait_mqtt(mqtt.connect("dev") + data)
    device.close()
    assert router.session_end()["source"].startswith("unix")


def test_a_proxy_on_a_unix_socket_is_trusted(start, closing, tmp_path):
    path = tmp_path / "mqtt.sock"
    _, node = start(address=f"unix:{path}", accept_proxy_protocol=True)
    device = closing(mqtt.Device(str(path), before=v2()))
    assert device.connect("dev") == (0, 0)
    facts, _ = decode(node.record().proxy)
    assert facts["source"] == ("198.51.100.7", 40000)
    assert facts["destination"] == ("203.0.113.9", 8883)


def test_a_unix_listener_without_a_proxy_is_rejected_for_nodes_with_proxy_protocol(tmp_path):
    made = add_listener(one_cluster({"n": 1}), "extra", address=f"unix:{tmp_path}/mqtt.sock")
    result = run_router("--check", "--config", write_config(made, tmp_path))
    assert result.returncode == 1 and "no client address to send" in result.stdout + result.stderr


def test_a_local_connection_on_a_unix_socket_sends_no_invented_address(
        start, closing, tmp_path):
    """After a LOCAL header the router uses the socket's address, but a Unix socket has none."""
    path = tmp_path / "mqtt.sock"
    router, node = start(address=f"unix:{path}", accept_proxy_protocol=True)
    device = closing(mqtt.Device(str(path), before=v2(command=0x20)))
    try:
        device.send(mqtt.connect("dev"))
        device.packet()
    except (EOFError, ConnectionResetError, BrokenPipeError):
        device.close()
    assert router.session_end()["reason"] == "proxy_refused"
    for record in node.records:
        assert decode(record.proxy)[0]["source"] is None


def test_tls_and_websocket_work_on_a_unix_listener(
        start_router, recording_node, certificates, closing, tmp_path):
    node = recording_node()
    path = tmp_path / "wss.sock"
    made = add_listener(one_cluster({"n": node.port}, proxy_protocol="none"), "wss", certificates,
                    address=f"unix:{path}", websocket={})
    start_router(made)
    device = closing(WsDevice(str(path), tls=mqtt.tls_context(certificates)))
    assert device.connect("dev") == (0, 0)


def test_a_node_may_be_a_unix_socket(start_router, recording_node, device, tmp_path):
    node = recording_node(path=str(tmp_path / "node.sock"))
    router = start_router(one_cluster({"n": node.address}))
    raw = device(router, source="127.0.0.44")
    assert raw.connect("dev") == (0, 0)
    assert decode(node.wait_mqtt(mqtt.connect("dev")).proxy)[0]["source"] == raw.name


def test_a_node_with_a_missing_unix_socket_is_down(start_router, device, tmp_path):
    router = start_router(one_cluster({"n": f"unix:{tmp_path}/nowhere.sock"}))
    raw = device(router).send(mqtt.connect("dev"))
    assert raw.read_to_end() == (bytes.fromhex("20020003"), "end")
    assert router.session_end(reason="no_node")["detail"]


def test_a_stale_socket_file_is_replaced_and_removed_on_exit(
        start_router, recording_node, closing, tmp_path):
    path = tmp_path / "mqtt.sock"
    made = add_listener(one_cluster({"n": recording_node().port}, proxy_protocol="none"), "extra",
                    address=f"unix:{path}")
    first = start_router(made)
    first.kill()
    first.process.returncode = first.process.returncode or -9
    assert path.exists()
    second = start_router(made)
    with mqtt.Device(str(path)) as device:
        assert device.connect("dev") == (0, 0)
    second.wait_idle()
    second.stop()
    assert not path.exists()


def test_a_unix_socket_of_a_running_router_is_an_address_in_use(start, closing, tmp_path):
    path = tmp_path / "mqtt.sock"
    start(cluster={"proxy_protocol": "none"}, address=f"unix:{path}")
    made = add_listener(one_cluster({"n": 1}, proxy_protocol="none"), "extra", address=f"unix:{path}")
    result = run_router("--config", write_config(made, tmp_path))
    assert result.returncode == 1 and "mqtt.sock" in result.stdout + result.stderr
    assert closing(mqtt.Device(str(path))).connect("dev") == (0, 0)


def test_one_listener_may_have_several_addresses(start, tmp_path):
    path = tmp_path / "mqtt.sock"
    router, node = start(cluster={"proxy_protocol": "none"}, address=[
        "127.0.0.1:0", "127.0.0.2:0", "[::1]:0", f"unix:{path}"])
    opened = [e["address"] for e in router.find("listener.open", listener="extra")]
    assert len(opened) == 4, opened
    for count, address in enumerate(opened):
        if address.startswith("unix:"):
            device = mqtt.Device(str(path))
        else:
            host, port = address.rsplit(":", 1)
            device = mqtt.Device(int(port), host=host.strip("[]"))
        with device:
            assert device.connect(f"dev-{count}") == (0, 0)
    assert len(node.records) == 4
    assert router.wait_event("session.end", count=4, listener="extra")


def test_dual_stack_accepts_ipv4_and_sends_it_as_ipv4(start, closing):
    router, node = start(address="[::]:0", dual_stack=True)
    for index, (host, family) in enumerate((("127.0.0.1", "TCP4"), ("::1", "TCP6"))):
        device = closing(mqtt.Device(router.ports["extra"], host=host))
        assert device.connect(f"dev-{index}") == (0, 0)
        facts, _ = decode(node.record(index).proxy)
        assert facts["family"] == family
        assert facts["source"] == (host, device.name[1])
        assert facts["destination"] == (host, router.ports["extra"])


def test_without_dual_stack_an_ipv6_address_accepts_only_ipv6(start):
    router, _ = start(address="[::]:0")
    with socket.socket() as raw:
        assert raw.connect_ex(("127.0.0.1", router.ports["extra"])) != 0
    with mqtt.Device(router.ports["extra"], host="::1") as device:
        assert device.connect("dev") == (0, 0)


def test_the_backlog_is_the_configured_one(start):
    router, _ = start(backlog=7)
    port = router.ports["extra"]
    output = subprocess.run(["ss", "-Hltn", f"sport = :{port}"], capture_output=True, text=True,
                          check=True).stdout
    assert {line.split()[2] for line in output.splitlines()} == {"7"}, output


def test_defer_accept_waits_for_the_first_bytes(start, closing):
    router, _ = start(tcp_defer_accept=True)
    before = router.gauges()["accepted_total"]
    device = closing(mqtt.Device(router.ports["extra"]))
    time.sleep(0.2)  # nothing must happen
    assert router.gauges()["accepted_total"] == before
    assert device.connect("dev") == (0, 0)
    assert router.gauges()["accepted_total"] == before + 1


def test_fast_open_is_enabled_if_configured(start):
    """The option is set on the listening sockets; a kernel setting decides whether data in a SYN is accepted."""
    router, node = start(fast_open=16)
    connect = mqtt.connect("dev")
    for _ in range(2):  # the first gets the cookie, the second can use it
        with socket.socket() as raw:
            sent = raw.sendto(connect, MSG_FASTOPEN, ("127.0.0.1", router.ports["extra"]))
            raw.sendall(connect[sent:])
            raw.settimeout(WAIT_LIMIT_S)
            assert raw.recv(4) == bytes.fromhex("20020000")
    assert len(node.records) == 2
