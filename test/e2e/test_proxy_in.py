"""Behind a proxy that speaks PROXY protocol: its word about the device is passed on, or nothing is."""


import pytest

import mqtt
from harness import add_door, load_vectors, one_cluster
from proxy_sender import ssl_tlv, tlv, v2
from proxy_v2_decoder import ALPN, AUTHORITY, SSL_CIPHER, SSL_CN, SSL_VERSION, UNIQUE_ID, decode
from websocket import WsDevice

pytestmark = pytest.mark.sanitized
TRUSTED = ["127.0.0.1/32", "::1/128"]


def config(node, certificates=None, **cluster):
    made = one_cluster({"n": node.port}, **cluster)
    made["listeners"] = []
    behind = {"accept_proxy_protocol": True, "trusted_proxies": TRUSTED}
    add_door(made, "mqtt", **behind)
    add_door(made, "ws", websocket={}, **behind)
    if certificates:
        add_door(made, "mqtts", tls_dir=certificates, **behind)
        add_door(made, "wss", tls_dir=certificates, websocket={}, **behind)
    return made


@pytest.fixture
def door(start_router, recording_node):
    def make(certificates=None, **cluster):
        node = recording_node()
        return start_router(config(node, certificates, **cluster)), node
    return make


def pair(text):
    host, port = text.rsplit(":", 1)
    return host.strip("[]"), int(port)


def ends(record):
    facts, rest = decode(record.proxy)
    assert rest == b""
    return facts["source"], facts["destination"]


def pieces(data, cuts):
    edges = [0, *[c for c in cuts if 0 < c < len(data)], len(data)]
    return [data[a:b] for a, b in zip(edges, edges[1:])]


class Run:
    """One vector sent one way, with a CONNECT behind it, and what came of it."""

    def __init__(self, vector, way, port, name):
        self.vector, self.way = vector, way
        header = bytes.fromhex(vector["hex"])
        self.connect = mqtt.connect(name)
        data = header if vector.get("after") == "eof" else header + self.connect
        cuts = {"whole": [], "cut": vector["split_at"], "bytewise": range(len(data))}[way]
        self.raw = mqtt.Device(port)
        try:
            for piece in pieces(data, cuts):
                self.raw.send(piece)
            if vector.get("after") == "eof":
                self.raw.half_close()
        except (ConnectionResetError, BrokenPipeError):
            pass  # it was refused before all was said

    def finish(self, node, port):
        """The fault, or None."""
        try:
            reply = self.raw.socket.recv(100)
        except ConnectionResetError:
            reply = b""
        record = next((r for r in node.records if r.mqtt.endswith(self.connect)), None)
        want = self.vector["expect"]
        if want == "reject":
            return "a node was connected" if record or reply else None
        if not record:
            # A payload that begins with a second header is no CONNECT, so the node hears nothing.
            return None if want == "either" or self.vector.get("note") else "refused"
        if want == "accept":
            source, destination = self.vector["src"], self.vector["dst"]
            told = (pair(source) if source else self.raw.name,
                    pair(destination) if destination else ("127.0.0.1", port))
            if ends(record) != told:
                return f"told {ends(record)} instead of {told}"
        return None if reply[:1] == b"\x20" else "no CONNACK came back"


@pytest.mark.parametrize("way", ("whole", "cut", "bytewise"))
def test_every_proxy_vector_gives_the_right_result(door, way):
    router, node = door()
    runs = [Run(v, way, router.port, f"dev-{i}") for i, v in enumerate(load_vectors("proxy.jsonl"))]
    faults = []
    for run in runs:
        if what := run.finish(node, router.port):
            faults.append(f"{run.vector['name']} ({run.vector['reason']}): {what}")
        run.raw.close()
    assert not faults, f"{len(faults)} of {len(runs)}:\n" + "\n".join(faults)


def test_a_second_header_is_the_payload_and_no_header(door, closing):
    router, node = door()
    raw = closing(mqtt.Device(router.port, before=v2() + v2()))
    assert raw.read_to_end()[0] == b""
    raw.close()
    router.session_end(reason="connect_refused", source="198.51.100.7:40000")
    assert not node.records


def test_a_peer_that_is_not_trusted_is_closed_unheard(door, closing):
    router, node = door()
    raw = closing(mqtt.Device(router.port, source="127.0.0.2"))
    try:
        raw.send(v2() + mqtt.connect("dev"))
    except (ConnectionResetError, BrokenPipeError):
        pass
    assert raw.read_to_end()[0] == b""
    end = router.session_end(reason="proxy_untrusted")
    assert end["source"] == f"127.0.0.2:{raw.name[1]}" and not node.records


@pytest.mark.parametrize("name", ("mqtt", "mqtts", "ws", "wss"))
def test_the_header_stands_below_tls_and_below_websocket(door, certificates, closing, name):
    router, node = door(certificates)
    tls = mqtt.tls_context(certificates) if name in ("mqtts", "wss") else None
    kind = WsDevice if name in ("ws", "wss") else mqtt.Device
    device = closing(kind(router.ports[name], tls=tls, before=v2()))
    assert device.connect("dev") == (0, 0)
    assert ends(node.record()) == (("198.51.100.7", 40000), ("203.0.113.9", 8883))
    device.close()
    assert router.session_end()["source"] == "198.51.100.7:40000"


@pytest.mark.parametrize("header", (v2(command=0x20), b"PROXY UNKNOWN\r\n"), ids=("LOCAL", "UNKNOWN"))
def test_local_and_unknown_mean_the_sockets_own_address(door, closing, header):
    router, node = door()
    raw = closing(mqtt.Device(router.port, before=header))
    assert raw.connect("dev") == (0, 0)
    assert ends(node.record()) == (raw.name, ("127.0.0.1", router.port))


@pytest.mark.parametrize("header, believed", ((b"PROXY UNKNOWN\r\n", False), (v2("127.0.0.9:1"), True)),
                         ids=("nobody named", "a trusted balancer named"))
def test_a_forwarded_address_counts_only_behind_a_named_proxy(
        start_router, recording_node, closing, header, believed):
    made = add_door(one_cluster({"n": recording_node().port}), "balanced", websocket={},
                    client_address_header="X-Forwarded-For", accept_proxy_protocol=True,
                    trusted_proxies=["127.0.0.0/8"])
    router = start_router(made)
    device = closing(WsDevice(router.ports["balanced"], before=header,
                              headers=("X-Forwarded-For: 203.0.113.1",)))
    assert device.connect("dev") == (0, 0)
    device.close()
    assert router.session_end()["source"].startswith("203.0.113.1:") == believed


def test_what_the_proxy_says_of_tls_is_passed_on(door, closing):
    router, node = door(proxy_protocol_tlvs=["alpn", "authority", "ssl", "unique_id"])
    tlvs = (tlv(ALPN, b"mqtt") + tlv(AUTHORITY, b"broker.example") + tlv(UNIQUE_ID, b"abc-123") +
            ssl_tlv(b"device-7"))
    assert closing(mqtt.Device(router.port, before=v2(tlvs=tlvs))).connect("dev") == (0, 0)
    facts, _ = decode(node.record().proxy)
    assert facts["tlvs"][ALPN] == b"mqtt"
    assert facts["tlvs"][AUTHORITY] == b"broker.example"
    assert facts["tlvs"][UNIQUE_ID] == b"abc-123"
    assert (facts["client"], facts["verify"], facts["verified_cn"]) == (7, 0, "device-7")
    assert facts["ssl"][SSL_VERSION] == b"TLSv1.3"
    assert facts["ssl"][SSL_CIPHER] == b"TLS_AES_128_GCM_SHA256"


def test_the_name_of_a_certificate_that_did_not_verify_is_not_passed_on(door, closing):
    router, node = door()
    header = v2(tlvs=ssl_tlv(b"mallory", verify=1))
    assert closing(mqtt.Device(router.port, before=header)).connect("dev") == (0, 0)
    facts, _ = decode(node.record().proxy)
    assert facts["verify"] != 0 and SSL_CN not in facts["ssl"]


def test_tls_that_ends_here_counts_before_what_the_proxy_says(door, certificates, closing):
    router, node = door(certificates)
    header = v2(tlvs=tlv(AUTHORITY, b"elsewhere.example") + ssl_tlv(b"mallory"))
    tls = mqtt.tls_context(certificates)
    assert closing(mqtt.Device(router.tls_port, tls=tls, before=header)).connect("dev") == (0, 0)
    facts, _ = decode(node.record().proxy)
    assert facts["tlvs"][AUTHORITY] == b"localhost"
    assert facts["verified_cn"] is None and SSL_CN not in facts["ssl"]


@pytest.mark.parametrize("source", ("tls_cn", "sni", "source_ip"))
def test_devices_are_routed_by_what_the_proxy_says(start_router, recording_node, closing, source):
    nodes = [recording_node() for _ in range(3)]
    made = config(nodes[0], route_by=source)
    made["clusters"][0]["nodes"] = [{"name": f"n{i}", "address": n.address}
                                    for i, n in enumerate(nodes)]
    router = start_router(made)
    homes = {}
    for turn in range(2):
        for i in range(10):
            key = f"key-{i}".encode()
            header = {"tls_cn": v2(tlvs=ssl_tlv(key)), "sni": v2(tlvs=tlv(AUTHORITY, key)),
                      "source_ip": v2(f"198.51.100.{i}:{1000 + turn}")}[source]
            # Another client id each time: it must not matter.
            raw = mqtt.Device(router.port, before=header)
            assert raw.connect(f"dev-{turn}-{i}") == (0, 0)
            raw.close()
            end = router.wait_event("session.end", count=10 * turn + i + 1)
            assert homes.setdefault(i, end["node"]) == end["node"]
    assert len(set(homes.values())) > 1


def test_a_header_that_does_not_come_is_not_waited_for_long(start_router, recording_node, closing):
    made = config(recording_node())
    made["timeouts"] = {"proxy_header_ms": 300}
    router = start_router(made)
    raw = closing(mqtt.Device(router.port, before=v2()[:-1]))
    assert raw.read_to_end()[0] == b""
    router.session_end(reason="proxy_timeout")
