"""Devices over WebSocket: upgrade, frames, refusals, and one home for all transports."""

import json
import queue
import socket
import struct

import paho.mqtt.client as paho
import pytest

import mqtt
from harness import WAIT_LIMIT_S, add_listener, load_vectors, one_cluster, wait_until
from recorder import RefusingPort, proxy_source
from websocket import (BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, WsDevice, frame, read_answer,
                       read_frame, upgrade)

pytestmark = [pytest.mark.sanitized, pytest.mark.one_thread]
KEY = "dGhlIHNhbXBsZSBub25jZQ=="


def config(nodes, certificates=None, **cluster):
    made = one_cluster(nodes, tls_dir=certificates, **cluster)
    add_listener(made, "ws", websocket={})
    if certificates:
        add_listener(made, "wss", tls_dir=certificates, websocket={})
    return made


@pytest.fixture
def start(start_router, recording_node):
    """Start a router with a ws listener; return it and its recording node."""
    def make(node=None, **more):
        node = node or recording_node()
        made = config({"n": node.port})
        made.update(more)
        return start_router(made), node
    return make


def record_of(node, source):
    """Return the node's connection for the device with this port, or None."""
    for record in node.records:
        if record.proxy and proxy_source(record.proxy)[1] == source[1]:
            return record
    return None


class Run:
    """A vector sent over a real socket, and the result."""

    def __init__(self, vector, port, bytewise):
        self.vector, self.bytewise = vector, bytewise
        self.raw = socket.create_connection(("127.0.0.1", port), timeout=WAIT_LIMIT_S)
        self.raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.name = self.raw.getsockname()
        self.payload, self.code, self.answer = b"", None, None

    def send(self, chunk):
        data = bytes.fromhex(chunk).replace(b"@PATH@", b"/mqtt")
        try:
            for piece in [data[i:i + 1] for i in range(len(data))] if self.bytewise else [data]:
                self.raw.sendall(piece)
        except (ConnectionResetError, BrokenPipeError):
            pass  # the router has already refused

    def go(self, node):
        first, *rest = self.vector["chunks"]
        self.send(first)
        self.answer = read_answer(self.raw)
        if not self.answer or self.answer.status != 101:
            return
        for chunk in rest:
            self.send(chunk)
        if self.vector.get("after") == "eof":
            self.raw.shutdown(socket.SHUT_WR)
        if self.must_end():
            self.read_to_end()
        self.wait_node(node)

    def must_end(self):
        return self.vector["expect"] == "reject" or self.vector["close_code"] is not None

    def read_to_end(self):
        def read(n):
            data = b""
            while len(data) < n:
                chunk = self.raw.recv(n - len(data))
                if not chunk:
                    raise EOFError
                data += chunk
            return data
        try:
            while True:
                opcode, payload = read_frame(read)
                if opcode == CLOSE:
                    self.code = struct.unpack(">H", payload[:2])[0] if payload else None
                    self.raw.shutdown(socket.SHUT_WR)  # may fail after a reset
                elif opcode in (BINARY, CONTINUATION):
                    self.payload += payload
        except (EOFError, OSError):
            return

    def wait_node(self, node):
        want = bytes.fromhex(self.vector["mqtt_hex"])
        if want:
            node.wait(lambda _: (r := record_of(node, self.name)) and len(r.mqtt) >= len(want),
                      f"the MQTT of {self.vector['name']}")

    def fault(self, node):
        """Return the error, or None."""
        vector = self.vector
        record = record_of(node, self.name)
        if not self.answer:
            return "no HTTP answer"
        if self.answer.status != vector["http_status"] and vector["expect"] != "either":
            return f"status {self.answer.status}"
        if self.answer.status != 101:
            return "a node was connected" if record else None
        if self.answer.headers.get("sec-websocket-protocol") != vector["subprotocol"]:
            return f"subprotocol {self.answer.headers.get('sec-websocket-protocol')}"
        if "sec-websocket-extensions" in self.answer.headers:
            return "an extension was negotiated"
        got = record.mqtt.hex() if record else ""
        if got != vector["mqtt_hex"]:
            return f"the node got {got or 'nothing'}"
        if vector["close_code"] is not None and self.code != vector["close_code"]:
            return f"close code {self.code}"
        return None


@pytest.mark.parametrize("bytewise", (False, True), ids=("as_written", "byte_by_byte"))
def test_every_websocket_vector_gives_the_expected_result(start, bytewise):
    vectors = load_vectors("websocket.jsonl")
    router, node = start()
    faults = []
    for vector in vectors:
        if bytewise and sum(map(len, vector["chunks"])) > 4000:
            continue
        run = Run(vector, router.ports["ws"], bytewise)
        run.go(node)
        run.raw.close()
        if what := run.fault(node):
            faults.append(f"{vector['name']} ({vector['reason']}): {what}")
    assert not faults, f"{len(faults)} of {len(vectors)}:\n" + "\n".join(faults)


@pytest.mark.parametrize("request_head, status, headers", (
    (upgrade(KEY, path="/elsewhere"), 404, {}),
    (upgrade(KEY, path="/mqtt/"), 404, {}),
    (upgrade(KEY).replace(b"Version: 13", b"Version: 12"), 426, {"sec-websocket-version": "13"}),
    (b"GET /mqtt HTTP/1.1\r\nHost: x\r\n\r\n", 426,
     {"upgrade": "websocket", "connection": "upgrade"}),
    (b"PUT /mqtt HTTP/1.1\r\nHost: x\r\n\r\n", 405, {"allow": "get"}),
    (upgrade(KEY).replace(b"GET ", b"PUT "), 400, {}),
    (upgrade(KEY, subprotocol="MQTT"), 400, {}),
    (upgrade(KEY[:-4]), 400, {}),
    (upgrade(KEY, headers=("X: " + "x" * 9000,)), 431, {}),
), ids=("other_path", "longer_path", "version_12", "no_upgrade", "put", "put_upgrade",
        "case_of_mqtt", "short_key", "head_over_8_kib"))
def test_a_rejected_upgrade_gets_a_valid_http_answer(
        start, closing, request_head, status, headers):
    router, node = start()
    raw = closing(mqtt.Device(router.ports["ws"])).send(request_head)
    answer = read_answer(raw.socket)
    assert (answer.version, answer.status) == ("HTTP/1.1", status)
    for name, value in headers.items():
        assert value in answer.headers[name].lower().split(", ")
    assert "close" in answer.headers["connection"].lower()
    raw.half_close()
    raw.read_to_end()
    is_probe = b"Sec-WebSocket" not in request_head
    end = router.session_end(reason="http_probe" if is_probe else "websocket_refused")
    assert str(answer.status) in end["detail"]
    assert not node.records


def test_a_query_after_the_path_is_ignored(start, closing):
    router, node = start()
    device = closing(WsDevice(router.ports["ws"], path="/mqtt?token=secret"))
    assert device.connect("dev") == (0, 0)
    device.close()
    assert "secret" not in json.dumps(router.session_end())


def test_packets_across_frames_and_many_in_one_frame_reach_the_node(start, closing):
    router, node = start()
    connect, message = mqtt.connect("dev"), mqtt.publish("t", bytes(range(256)) * 400)
    device = closing(WsDevice(router.ports["ws"]))
    for at in range(0, len(connect), 3):
        device.send(connect[at:at + 3])
    device.packet()
    device.send(message + mqtt.PING + message)
    # A message in fragments, with a ping in between.
    device.send_raw(frame(message[:1000], fin=False) + frame(b"?", PING) +
                    frame(b"", CONTINUATION, fin=False) + frame(message[1000:], CONTINUATION))
    node.wait_mqtt(connect + message + mqtt.PING + message + message)
    node.record().write(b"\xd0\x00")
    assert device.read(2) == b"\xd0\x00" and (PONG, b"?") in device.frames


@pytest.mark.parametrize("validation", ("strict", "lenient"))
def test_only_mqtt_31_may_set_flags_in_the_first_byte_of_a_connect(
        start_router, mosquittos, closing, validation):
    made = config({"node1": mosquittos["node1"].port}, proxy_protocol="none")
    for listener in made["listeners"]:
        listener["connect_validation"] = validation
    router = start_router(made)
    connectors = (lambda: mqtt.Device(router.port), lambda: WsDevice(router.ports["ws"]))
    for number, connect in enumerate(connectors):
        for version, first in ((3, 0x11), (3, 0x1f), (4, 0x11), (5, 0x1f)):
            device = closing(connect())
            name = f"flags-{validation}-{number}-{version}-{first}"
            device.send(bytes([first]) + mqtt.connect(name, version=version)[1:])
            if version == 3:
                assert device.packet() == (mqtt.CONNACK, bytes.fromhex("20020000"))  # Mosquitto's
                device.send(mqtt.PING)
                assert device.packet()[0] == mqtt.PINGRESP
            else:
                assert device.read_to_end()[0] == b"" or number == 1  # ws: a close frame
                assert router.session_end(source="%s:%d" % device.name)["detail"].startswith(
                    "fixed_header_flags ")
            device.close()


@pytest.mark.parametrize("data, code", (
    (frame(mqtt.PING, mask=None), 1002), (frame(b"hello", TEXT), 1003),
    (frame(b"x" * 126, PING), 1002), (frame(b"x", PING, fin=False), 1002),
    (frame(b"x", CONTINUATION), 1002), (b"\xc2" + frame(b"x")[1:], 1002),
), ids=("unmasked", "text", "long_ping", "cut_ping", "lone_continuation", "reserved_bit"))
def test_a_broken_frame_ends_the_session_with_its_code(start, closing, data, code):
    router, node = start()
    device = closing(WsDevice(router.ports["ws"]))
    device.connect("dev")
    device.send_raw(data)
    assert device.read_to_close() == (b"", code)
    device.close()
    assert router.session_end(reason="client_error")["detail"]
    assert node.record().mqtt == mqtt.connect("dev")


@pytest.mark.parametrize("secure", (False, True), ids=("ws", "wss"))
@pytest.mark.parametrize("version, answer", ((4, "20020003"), (5, "2003008800")))
def test_a_refusal_is_a_connack_frame_and_a_close_frame(
        start_router, certificates, closing, secure, version, answer):
    router = start_router(config({"n": closing(RefusingPort()).port}, certificates))
    tls = mqtt.tls_context(certificates) if secure else None
    device = closing(WsDevice(router.ports["wss" if secure else "ws"], tls=tls))
    device.send(mqtt.connect("dev", version=version))
    assert device.read_to_close() == (bytes.fromhex(answer), 1013)


def test_the_close_of_the_node_becomes_a_close_frame(start, closing):
    router, node = start()
    device = closing(WsDevice(router.ports["ws"]))
    device.connect("dev")
    node.record().write(b"last words")
    node.record().close()
    assert device.read_to_close() == (b"last words", 1000)
    device.close()
    router.session_end(reason="node_closed")


def test_an_unmasked_close_frame_from_python_paho_still_counts_as_closed_by_the_node(
        start_router, recording_node):
    node = recording_node()
    router = start_router(config({"n": node.port}))
    device = WsDevice(router.ports["ws"])
    device.connect("dev")
    node.record().close()
    assert device.read_to_close() == (b"", 1000)
    device.send_raw(frame(b"\x03\xe8", CLOSE, mask=None))
    device.close()
    end = router.session_end(client_id="dev")
    assert (end["reason"], end["closed_by"]) == ("node_closed", "node"), end


def test_a_real_python_paho_client_is_closed_by_the_node(start_router, recording_node):
    node = recording_node()
    router = start_router(config({"n": node.port}))
    gone = queue.Queue()
    client = paho.Client("paho-unmasked", transport="websockets")
    client.on_disconnect = lambda *a: gone.put(0)
    client.connect("127.0.0.1", router.ports["ws"])
    client.loop_start()
    try:
        wait_until(lambda: node.records and b"paho-unmasked" in node.record().mqtt, "its CONNECT")
        node.record().close()
        gone.get(timeout=WAIT_LIMIT_S)
    finally:
        client.disconnect()
        client.loop_stop()
    assert router.session_end(client_id="paho-unmasked")["reason"] == "node_closed"


@pytest.mark.parametrize("secure", (False, True), ids=("ws", "wss"))
def test_big_payloads_arrive_unchanged_both_ways(
        start_router, recording_node, certificates, closing, secure):
    node = recording_node(echo_after=None)
    router = start_router(config({"n": node.port}, certificates))
    tls = mqtt.tls_context(certificates) if secure else None
    device = closing(WsDevice(router.ports["wss" if secure else "ws"], tls=tls))
    device.connect("dev")
    data = bytes(range(251)) * 4000
    device.send(data)
    n = len(mqtt.connect("dev"))
    node.wait(lambda _: len(node.record().mqtt) >= n + len(data), "all bytes")
    assert node.record().mqtt[n:] == data
    node.record().write(data)
    assert device.read(len(data)) == data


def test_the_node_gets_the_address_of_the_device_over_ws_and_wss(
        start_router, recording_node, certificates, closing):
    node = recording_node()
    router = start_router(config({"n": node.port}, certificates))
    for index, (name, tls) in enumerate((("ws", None), ("wss", mqtt.tls_context(certificates)))):
        source = f"127.0.0.{50 + index}"
        closing(WsDevice(router.ports[name], tls=tls, source=source)).connect("dev")
        assert proxy_source(node.record(index).proxy)[0] == source


def test_one_client_id_reaches_the_same_node_through_every_listener(
        start_router, mosquittos, certificates):
    nodes = {name: node.port for name, node in mosquittos.items()}
    router = start_router(config(nodes, certificates, proxy_protocol="none"))
    tls = mqtt.tls_context(certificates)
    used = set()
    for i in range(12):
        devices = [mqtt.Device(router.port), mqtt.Device(router.tls_port, tls=tls),
                 WsDevice(router.ports["ws"]), WsDevice(router.ports["wss"], tls=tls)]
        for n, device in enumerate(devices):
            with device:
                # Use one client identifier on all listeners in turn. Each connection takes over the
                # session.
                assert device.connect(f"dev-{i}")[1] == 0
            end = router.wait_event("session.end", count=4 * i + n + 1)
            used.add((f"dev-{i}", end["node"]))
    assert len(used) == 12 and len({node for _, node in used}) > 1


@pytest.mark.parametrize("secure", (False, True), ids=("ws", "wss"))
@pytest.mark.parametrize("version", (4, 5))
def test_python_paho_works_over_websocket(
        start_router, mosquittos, certificates, secure, version):
    router = start_router(config({"node1": mosquittos["node1"].port}, certificates,
                                 proxy_protocol="none"))
    came, connected = queue.Queue(), queue.Queue()
    client = paho.Client(f"paho-ws-{version}-{secure}", protocol=version, transport="websockets")
    client.on_connect = lambda c, u, f, rc, *p: connected.put(rc)
    client.on_subscribe = lambda *a: connected.put(0)
    client.on_message = lambda c, u, m: came.put(m.payload)
    if secure:
        client.tls_set(ca_certs=str(certificates / "ca.pem"))
    client.connect("localhost" if secure else "127.0.0.1", router.ports["wss" if secure else "ws"])
    client.loop_start()
    try:
        assert connected.get(timeout=WAIT_LIMIT_S) == 0
        client.subscribe("paho/ws", 1)
        connected.get(timeout=WAIT_LIMIT_S)
        for payload in (b"hello", bytes(100_000)):
            client.publish("paho/ws", payload, 1)
            assert came.get(timeout=WAIT_LIMIT_S) == payload
    finally:
        client.disconnect()
        client.loop_stop()


def test_a_forwarded_address_is_used_only_from_a_trusted_proxy(
        start_router, recording_node, closing):
    node = recording_node()
    made = one_cluster({"n": node.port})
    add_listener(made, "ws", websocket={}, client_address_header="X-Forwarded-For",
             trusted_proxies=["127.0.0.2/32", "10.0.0.0/8"])
    router = start_router(made)
    chain = "X-Forwarded-For: 192.0.2.1, 203.0.113.9, 10.1.2.3"
    cases = (("127.0.0.2", (chain,), "203.0.113.9"), ("127.0.0.3", (chain,), "127.0.0.3"),
             ("127.0.0.2", (), "127.0.0.2"),
             ("127.0.0.2", ("X-Forwarded-For: 2001:db8::7",), "2001:db8::7"))
    for index, (peer, headers, want) in enumerate(cases):
        device = closing(WsDevice(router.ports["ws"], source=peer, headers=headers))
        assert device.connect(f"dev-{index}") == (0, 0)
        assert proxy_source(node.record(index).proxy)[0] == want, (peer, headers)
