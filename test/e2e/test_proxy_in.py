"""PROXY headers of trusted proxies: valid facts about the device reach the node; invalid headers are rejected."""

import ipaddress
import socket

import pytest

import mqtt
from harness import add_listener, load_vectors, one_cluster
from proxy_sender import ssl_tlv, tlv, v2
from proxy_v2_decoder import (ALPN, AUTHORITY, SIGNATURE, SSL_CIPHER, SSL_CN, SSL_VERSION, UNIQUE_ID,
                              decode)
from websocket import WsDevice

pytestmark = [pytest.mark.sanitized, pytest.mark.one_thread]
TRUSTED = ["127.0.0.1/32", "::1/128"]


def config(node, certificates=None, **cluster):
    made = one_cluster({"n": node.port}, **cluster)
    made["listeners"] = []
    behind = {"accept_proxy_protocol": True, "trusted_proxies": TRUSTED}
    add_listener(made, "mqtt", **behind)
    add_listener(made, "ws", websocket={}, **behind)
    if certificates:
        add_listener(made, "mqtts", tls_dir=certificates, **behind)
        add_listener(made, "wss", tls_dir=certificates, websocket={}, **behind)
    return made


@pytest.fixture
def start(start_router, recording_node):
    def make(certificates=None, **cluster):
        node = recording_node()
        return start_router(config(node, certificates, **cluster)), node
    return make


def pair(text):
    host, port = text.rsplit(":", 1)
    host = ipaddress.ip_address(host.strip("[]"))
    return str(getattr(host, "ipv4_mapped", None) or host), int(port)


def ends(record):
    facts, rest = decode(record.proxy)
    assert rest == b""
    return facts["source"], facts["destination"]


def pieces(data, cuts):
    edges = [0, *[c for c in cuts if 0 < c < len(data)], len(data)]
    return [data[a:b] for a, b in zip(edges, edges[1:])]


class Run:
    """A vector sent in one way, followed by a CONNECT, and the result."""

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
            pass  # the router closed before everything was sent

    def finish(self, node, port):
        """Return the error, or None."""
        try:
            reply = self.raw.socket.recv(100)
        except ConnectionResetError:
            reply = b""
        record = next((r for r in node.records if r.mqtt.endswith(self.connect)), None)
        want = self.vector["expect"]
        if want == "reject":
            return "a node was connected" if record or reply else None
        if not record:
            # A payload that starts with a second header is not a CONNECT, so the node gets nothing.
            return None if want == "either" or self.vector.get("note") else "refused"
        if want == "accept":
            source, destination = self.vector["src"], self.vector["dst"]
            expected = (pair(source) if source else self.raw.name,
                    pair(destination) if destination else ("127.0.0.1", port))
            if ends(record) != expected:
                return f"sent {ends(record)} instead of {expected}"
        return None if reply[:1] == b"\x20" else "no CONNACK received"


@pytest.mark.parametrize("way", ("whole", "cut", "bytewise"))
def test_every_proxy_vector_gives_the_expected_result(start, way):
    router, node = start()
    runs = [Run(v, way, router.port, f"dev-{i}") for i, v in enumerate(load_vectors("proxy.jsonl"))]
    faults = []
    for run in runs:
        if what := run.finish(node, router.port):
            faults.append(f"{run.vector['name']} ({run.vector['reason']}): {what}")
        run.raw.close()
    assert not faults, f"{len(faults)} of {len(runs)}:\n" + "\n".join(faults)


def test_a_second_header_is_payload(start, closing):
    router, node = start()
    raw = closing(mqtt.Device(router.port, before=v2() + v2()))
    assert raw.read_to_end()[0] == b""
    raw.close()
    router.session_end(reason="connect_refused", source="198.51.100.7:40000")
    assert not node.records


def test_an_untrusted_peer_is_closed_before_its_header_is_read(start, closing):
    router, node = start()
    raw = closing(mqtt.Device(router.port, source="127.0.0.2"))
    try:
        raw.send(v2() + mqtt.connect("dev"))
    except (ConnectionResetError, BrokenPipeError):
        pass
    assert raw.read_to_end()[0] == b""
    end = router.session_end(reason="proxy_untrusted")
    assert end["source"] == f"127.0.0.2:{raw.name[1]}" and not node.records


@pytest.mark.parametrize("name", ("mqtt", "mqtts", "ws", "wss"))
def test_the_header_precedes_tls_and_websocket(start, certificates, closing, name):
    router, node = start(certificates)
    tls = mqtt.tls_context(certificates) if name in ("mqtts", "wss") else None
    kind = WsDevice if name in ("ws", "wss") else mqtt.Device
    device = closing(kind(router.ports[name], tls=tls, before=v2()))
    assert device.connect("dev") == (0, 0)
    assert ends(node.record()) == (("198.51.100.7", 40000), ("203.0.113.9", 8883))
    device.close()
    assert router.session_end()["source"] == "198.51.100.7:40000"


@pytest.mark.parametrize("header", (v2(command=0x20), b"PROXY UNKNOWN\r\n"), ids=("LOCAL", "UNKNOWN"))
def test_local_and_unknown_mean_the_address_of_the_socket(start, closing, header):
    router, node = start()
    raw = closing(mqtt.Device(router.port, before=header))
    assert raw.connect("dev") == (0, 0)
    assert ends(node.record()) == (raw.name, ("127.0.0.1", router.port))


def mapped(device):
    """Return headers for the device 203.0.113.N:40000, connected over IPv4 to 10.0.0.1:1883."""
    source, destination = f"203.0.113.{device}", "10.0.0.1"
    ends = [socket.inet_pton(socket.AF_INET6, f"::ffff:{ip}") for ip in (source, destination)]
    v2_of_ipv6 = SIGNATURE + b"\x21\x21\0\x24" + b"".join(ends) + b"\x9c\x40\x07\x5b"
    lines = (f"TCP4 {source} {destination}", f"TCP6 ::ffff:{source} ::ffff:{destination}",
             f"TCP6 ::FFFF:cb00:71{device:02x} 0:0:0:0:0:ffff:{destination}")
    return [*(f"PROXY {line} 40000 1883\r\n".encode() for line in lines), v2_of_ipv6,
            v2(f"{source}:40000", f"{destination}:1883")]


@pytest.mark.parametrize("version", ("v1", "v2"))
def test_an_ipv4_mapped_address_is_the_ipv4_address_in_the_log_the_hash_and_the_header_out(
        start_router, recording_node, closing, version):
    nodes = [recording_node() for _ in range(4)]
    made = config(nodes[0], route_by="source_ip", proxy_protocol=version)
    made["clusters"][0]["nodes"] = [{"name": f"n{i}", "address": n.address}
                                    for i, n in enumerate(nodes)]
    router = start_router(made)
    homes = []
    for device in range(1, 9):
        for header in mapped(device):
            raw = closing(mqtt.Device(router.port, before=header))
            assert raw.connect("dev") == (0, 0)
            raw.close()
        source = f"203.0.113.{device}:40000"
        router.wait_event("session.end", count=5, source=source)
        home, = {end["node"] for end in router.find("session.end") if end["source"] == source}
        homes.append(home)
    assert len(set(homes)) > 1
    for node in nodes:
        for record in node.records:
            facts, _ = decode(record.proxy)
            assert facts["family"] == "TCP4" and facts["destination"] == ("10.0.0.1", 1883)
            assert facts["source"][0].startswith("203.0.113.")


@pytest.mark.parametrize("denied", ("203.0.113.8/30", "::ffff:203.0.113.8/126", "::ffff:cb00:7109"))
def test_an_ipv4_mapped_address_is_denied_as_the_ipv4_address(
        start_router, recording_node, closing, denied):
    node = recording_node()
    made = config(node)
    made["listeners"][0]["deny"] = [denied]
    router = start_router(made)
    for header in mapped(9):
        assert closing(mqtt.Device(router.port, before=header)).read_to_end()[0] == b""
    router.session_end(count=5, reason="source_denied", source="203.0.113.9:40000")
    for header in mapped(7):
        assert closing(mqtt.Device(router.port, before=header)).connect("dev") == (0, 0)
    assert len(node.records) == 5


def test_an_ipv4_mapped_address_counts_as_the_ipv4_address_for_limits_of_a_source(
        start_router, recording_node, closing):
    made = config(recording_node())
    made["limits"] = {"per_source": {"max_connections": 2}, "flapping": False}
    router = start_router(made)
    first, second, *others = mapped(9)
    held = [closing(mqtt.Device(router.port, before=header)) for header in (first, second)]
    assert [raw.connect(f"dev-{i}") for i, raw in enumerate(held)] == [(0, 0), (0, 0)]
    for header in others:
        assert closing(mqtt.Device(router.port, before=header)).read_to_end()[0] == b""
    router.session_end(count=3, reason="source_connections")
    assert closing(mqtt.Device(router.port, before=mapped(10)[1])).connect("dev") == (0, 0)


def test_a_tcp6_line_with_one_ipv4_address_is_passed_on_as_ipv6(start, closing):
    router, node = start(proxy_protocol="v1")
    header = b"PROXY TCP6 2001:db8::7 127.0.0.1 40000 1883\r\n"
    assert closing(mqtt.Device(router.port, before=header)).connect("dev") == (0, 0)
    assert node.record().proxy == b"PROXY TCP6 2001:db8::7 ::ffff:7f00:1 40000 1883\r\n"


@pytest.mark.parametrize("address", ("::ffff:203.0.113.9", "[::ffff:203.0.113.9]:4711",
                                     "::ffff:cb00:7109"))
def test_an_ipv4_mapped_address_in_a_http_header_is_the_ipv4_address(
        start_router, recording_node, closing, address):
    node = recording_node()
    made = add_listener(one_cluster({"n": node.port}), "balanced", websocket={}, deny="203.0.113.8",
                    client_address_header="X-Forwarded-For",
                    trusted_proxies=["::ffff:127.0.0.0/104", "::ffff:10.0.0.0/104"])
    router = start_router(made)
    device = closing(WsDevice(router.ports["balanced"], headers=(
        f"X-Forwarded-For: 192.0.2.1, {address}, ::ffff:10.9.8.7",)))
    assert device.connect("dev") == (0, 0)
    facts, _ = decode(node.record().proxy)
    assert facts["family"] == "TCP4" and facts["source"][0] == "203.0.113.9"
    device.close()
    assert router.session_end()["source"].startswith("203.0.113.9:")


def test_an_ipv4_device_of_a_dual_stack_listener_is_an_ipv4_device(
        start_router, recording_node, closing):
    node = recording_node()
    made = one_cluster({"n": node.port}, address="[::]:0")
    made["listeners"][0].update(dual_stack=True, deny=["127.0.0.2/32"])
    router = start_router(made)
    allowed = closing(mqtt.Device(router.port))
    assert allowed.connect("dev") == (0, 0)
    facts, _ = decode(node.record().proxy)
    assert (facts["family"], facts["source"]) == ("TCP4", allowed.name)
    denied = closing(mqtt.Device(router.port, source="127.0.0.2"))
    assert denied.read_to_end()[0] == b""
    assert router.session_end(reason="source_denied")["source"] == "127.0.0.2:%d" % denied.name[1]


@pytest.mark.parametrize("header, believed", ((b"PROXY UNKNOWN\r\n", False), (v2("127.0.0.9:1"), True)),
                         ids=("no proxy named", "a trusted balancer named"))
def test_a_forwarded_address_is_used_only_from_a_trusted_proxy(
        start_router, recording_node, closing, header, believed):
    made = add_listener(one_cluster({"n": recording_node().port}), "balanced", websocket={},
                    client_address_header="X-Forwarded-For", accept_proxy_protocol=True,
                    trusted_proxies=["127.0.0.0/8"])
    router = start_router(made)
    device = closing(WsDevice(router.ports["balanced"], before=header,
                              headers=("X-Forwarded-For: 203.0.113.1",)))
    assert device.connect("dev") == (0, 0)
    device.close()
    assert router.session_end()["source"].startswith("203.0.113.1:") == believed


def test_tls_facts_from_the_proxy_are_passed_on(start, closing):
    router, node = start(proxy_protocol_tlvs=["alpn", "authority", "ssl", "unique_id"])
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


def test_an_unverified_certificate_name_is_not_passed_on(start, closing):
    router, node = start()
    header = v2(tlvs=ssl_tlv(b"mallory", verify=1))
    assert closing(mqtt.Device(router.port, before=header)).connect("dev") == (0, 0)
    facts, _ = decode(node.record().proxy)
    assert facts["verify"] != 0 and SSL_CN not in facts["ssl"]


def test_tls_terminated_here_takes_precedence_over_the_header(start, certificates, closing):
    router, node = start(certificates)
    header = v2(tlvs=tlv(AUTHORITY, b"elsewhere.example") + ssl_tlv(b"mallory"))
    tls = mqtt.tls_context(certificates)
    assert closing(mqtt.Device(router.tls_port, tls=tls, before=header)).connect("dev") == (0, 0)
    facts, _ = decode(node.record().proxy)
    assert facts["tlvs"][AUTHORITY] == b"localhost"
    assert facts["verified_cn"] is None and SSL_CN not in facts["ssl"]


@pytest.mark.parametrize("source", ("tls_cn", "sni", "source_ip"))
def test_devices_are_routed_by_facts_from_the_proxy(start_router, recording_node, closing, source):
    nodes = [recording_node() for _ in range(3)]
    made = config(nodes[0], route_by=source)
    made["clusters"][0]["nodes"] = [{"name": f"n{i}", "address": n.address}
                                    for i, n in enumerate(nodes)]
    router = start_router(made)
    homes = {}
    for turn in range(2):
        for i in range(10):
            key = f"key-{i}".encode()
            name = key if turn == 0 else key.upper() + b"."  # an equal server name
            header = {"tls_cn": v2(tlvs=ssl_tlv(key)), "sni": v2(tlvs=tlv(AUTHORITY, name)),
                      "source_ip": v2(f"198.51.100.{i}:{1000 + turn}")}[source]
            # A different client identifier each time must not change the result.
            raw = mqtt.Device(router.port, before=header)
            assert raw.connect(f"dev-{turn}-{i}") == (0, 0)
            raw.close()
            end = router.wait_event("session.end", count=10 * turn + i + 1)
            assert homes.setdefault(i, end["node"]) == end["node"]
    assert len(set(homes.values())) > 1


def test_a_missing_header_times_out(start_router, recording_node, closing):
    made = config(recording_node())
    made["timeouts"] = {"proxy_header_ms": 300}
    router = start_router(made)
    raw = closing(mqtt.Device(router.port, before=v2()[:-1]))
    assert raw.read_to_end()[0] == b""
    router.session_end(reason="proxy_timeout")
