"""TLS to the nodes: a real Mosquitto, and a node that expects a PROXY header before TLS."""

import socket
import ssl
import threading

import pytest

import mqtt
from authority import Authority
from harness import WAIT_LIMIT_S, one_cluster
from nodes import Mosquitto
from proxy_v2_decoder import decode
from recorder import CONNACK_3

pytestmark = pytest.mark.sanitized


@pytest.fixture(scope="module")
def issued(authority, tmp_path_factory):
    other = Authority(tmp_path_factory.mktemp("foreign"), name="a foreign CA")
    return {
        "node": authority.issue("node", cn="node.example", sans=["DNS:node.example"]),
        "by_ip": authority.issue("node-ip", cn="node-ip", sans=["IP:127.0.0.1"]),
        "foreign": other.issue("node", cn="node.example", sans=["DNS:node.example"]),
        "router": authority.issue("router.example", usage="clientAuth"),
    }


class TlsNode:
    """A node like EMQX, which expects an unencrypted PROXY header, then TLS, then MQTT."""

    def __init__(self, issued, authority=None, proxy=True):
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(issued.certificate, issued.key)
        if authority:
            self.context.verify_mode = ssl.CERT_REQUIRED
            self.context.load_verify_locations(authority.file)
        self.names, self.headers, self.connects, self.peers, self.held = [], [], [], [], []
        self.context.sni_callback = lambda s, name, c: self.names.append(name)
        self.proxy = proxy
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.done = threading.Condition()
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                raw, _ = self.socket.accept()
            except OSError:
                return
            raw.settimeout(WAIT_LIMIT_S)
            try:
                self.talk(raw)
            except (OSError, EOFError):
                raw.close()

    def talk(self, raw):
        header = b""
        while self.proxy and not (header and decode(header)):
            byte = raw.recv(1)  # read byte by byte, because TLS follows
            if not byte:
                raise EOFError
            header += byte
        tls = self.context.wrap_socket(raw, server_side=True)
        self.held.append(tls)
        connect = tls.recv(65536)
        tls.sendall(CONNACK_3)
        with self.done:
            self.headers.append(header)
            self.connects.append(connect)
            self.peers.append(tls.getpeercert())
            self.done.notify_all()

    def wait(self, count=1):
        with self.done:
            assert self.done.wait_for(lambda: len(self.connects) >= count, WAIT_LIMIT_S)

    def close(self):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        for tls in self.held:
            tls.close()


class Silent:
    """A node that accepts connections and never starts TLS."""

    def __init__(self):
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]

    def close(self):
        self.socket.close()


def test_a_node_may_have_any_usual_key_over_tls_1_2(start_router, device, closing, authority):
    for key in ("ec", "p384", "p521", "ed25519", "rsa"):
        node = closing(TlsNode(authority.issue(f"node-{key}", cn="node.example", key=key,
                                               sans=["DNS:node.example"])))
        node.context.maximum_version = ssl.TLSVersion.TLSv1_2
        router = start_router(config({"n": node.port}, trusting(authority)))
        one = device(router)
        assert one.connect("dev") == (0, 0), key
        one.socket.close()


def config(nodes, tls, **cluster):
    made = one_cluster(nodes, tls=tls, **cluster)
    made["timeouts"] = {"dial_ms": 500, "farewell_ms": 300}
    return made


def trusting(authority, **more):
    return {"ca_file": str(authority.file), "server_name": "node.example", **more}


def test_the_header_is_sent_in_clear_and_the_connect_in_tls(
        start_router, device, closing, authority, issued):
    node = closing(TlsNode(issued["node"]))
    router = start_router(config({"n": node.port}, trusting(authority)))
    raw = device(router, source="127.0.0.67")
    raw.send(mqtt.connect("dev") + mqtt.PING)
    assert raw.packet()[1] == CONNACK_3
    node.wait()
    assert decode(node.headers[0])[0]["source"] == raw.name
    assert node.connects[0].startswith(mqtt.connect("dev"))
    assert node.names == ["node.example"]


@pytest.mark.parametrize("version", (4, 5))
def test_a_real_mosquitto_with_tls_serves_devices(
        start_router, device, closing, authority, issued, version):
    node = closing(Mosquitto("tls-node", more=(
        f"cafile {authority.file}", f"certfile {issued['node'].certificate}",
        f"keyfile {issued['node'].key}", "require_certificate true")))
    tls = trusting(authority, certificate_file=str(issued["router"].certificate),
                   private_key_file=str(issued["router"].key))
    router = start_router(config({"n": node.port}, tls, proxy_protocol="none"))
    raw = device(router)
    assert raw.connect("dev", version=version) == (0, 0)
    raw.send(mqtt.subscribe("t", qos=1, version=version))
    assert raw.packet()[0] == mqtt.SUBACK
    payload = bytes(100_000)
    raw.send(mqtt.publish("t", payload, qos=1, version=version))
    packets = dict((raw.packet(), raw.packet()))
    assert packets[mqtt.PUBLISH].endswith(payload) and mqtt.PUBACK in packets


def test_an_untrusted_node_gets_no_connect_and_the_next_one_does(
        start_router, device, closing, authority, issued):
    good, bad = closing(TlsNode(issued["node"])), closing(TlsNode(issued["foreign"]))
    router = start_router(config({"good": good.port, "bad": bad.port}, trusting(authority)))
    for i in range(8):
        assert device(router).connect(f"dev-{i}") == (0, 0)
    good.wait(8)
    assert not bad.connects
    assert router.gauges()["node good"] == 8


@pytest.mark.parametrize("fault, more, word", (
    ("foreign", {}, "certificate"), ("node", {"server_name": "other.example"}, "name"),
    ("node", {"server_name": None}, "address")))
def test_a_node_with_an_unverifiable_certificate_is_not_used(
        start_router, device, closing, authority, issued, fault, more, word):
    node = closing(TlsNode(issued[fault]))
    tls = {key: value for key, value in trusting(authority, **more).items() if value}
    router = start_router(config({"n": node.port}, tls))
    raw = device(router).send(mqtt.connect("dev", version=5))
    assert raw.read_to_end() == (bytes.fromhex("2003008800"), "end")
    detail = router.session_end(reason="no_node")["detail"]
    assert "verif" in detail.lower() or word in detail.lower(), detail
    assert not node.connects


def test_without_a_server_name_the_certificate_must_name_the_address(
        start_router, device, closing, authority, issued):
    node = closing(TlsNode(issued["by_ip"]))
    router = start_router(config({"n": node.port}, {"ca_file": str(authority.file)}))
    assert device(router).connect("dev") == (0, 0)
    assert node.names == [None]


def test_verify_false_accepts_any_certificate(start_router, device, closing, issued):
    node = closing(TlsNode(issued["foreign"]))
    router = start_router(config({"n": node.port}, {"verify": False}))
    assert device(router).connect("dev") == (0, 0)


def test_a_node_that_requests_a_client_certificate_gets_it(
        start_router, device, closing, authority, issued):
    node = closing(TlsNode(issued["node"], authority))
    tls = trusting(authority, certificate_file=str(issued["router"].certificate),
                   private_key_file=str(issued["router"].key))
    router = start_router(config({"n": node.port}, tls))
    assert device(router).connect("dev") == (0, 0)
    node.wait()
    assert ((("commonName", "router.example"),),) == node.peers[0]["subject"]


def test_a_node_that_is_silent_in_the_handshake_counts_as_unreachable(
        start_router, device, closing, authority, issued):
    good, silent = closing(TlsNode(issued["node"])), closing(Silent())
    router = start_router(config({"good": good.port, "silent": silent.port}, trusting(authority)))
    for i in range(6):
        assert device(router).connect(f"dev-{i}") == (0, 0)
    assert router.gauges()["node good"] == 6
    alone = start_router(config({"silent": silent.port}, trusting(authority)))
    raw = device(alone).send(mqtt.connect("dev"))
    assert raw.read_to_end()[0] == bytes.fromhex("20020003")
    assert alone.wait_event("session.end")["reason"] in ("no_node", "placement_timeout")


def test_big_transfers_pass_through_tls_on_both_sides(
        start_router, device, closing, authority, issued, certificates):
    node = closing(Mosquitto("tls-both", more=(
        f"certfile {issued['node'].certificate}", f"keyfile {issued['node'].key}")))
    made = one_cluster({"n": node.port}, tls_dir=certificates, proxy_protocol="none",
                       tls=trusting(authority))
    raw = device(start_router(made), tls=mqtt.tls_context(certificates))
    raw.connect("dev")
    raw.send(mqtt.subscribe("big"))
    raw.packet()
    payload = bytes(range(256)) * 8192
    raw.send(mqtt.publish("big", payload))
    kind, got = raw.packet()
    assert kind == mqtt.PUBLISH and got.endswith(payload)
