"""The exact PROXY header that a node gets, and a real broker that accepts it."""

import ssl

import pytest

import mqtt
from harness import one_cluster
from proxy_v2_decoder import ALPN, AUTHORITY, CRC32C, SIGNATURE, SSL_CIPHER, SSL_VERSION, decode

pytestmark = [pytest.mark.sanitized, pytest.mark.one_thread]


def decode_v2(header):
    """Return (source, source port, destination, destination port, facts) of a complete v2 header."""
    assert header.startswith(SIGNATURE) and len(header) <= 16 + 500
    facts, rest = decode(header)
    assert rest == b"" and (facts["version"], facts["command"]) == (2, "PROXY")
    return (*facts["source"], *facts["destination"], facts)


def first_header(node, connect):
    """Return the header of the node's only connection. It must be in one segment with the CONNECT."""
    record = node.wait_mqtt(connect)
    assert record.chunks == [len(record.data)], "header and CONNECT came in separate segments"
    assert len(node.records) == 1
    return record.proxy


def start(start_router, node, certificates=None, address="127.0.0.1:0", **cluster):
    return start_router(one_cluster({"n": node.address}, tls_dir=certificates, address=address,
                                    **cluster))


def test_version_2_has_the_addresses_of_device_and_listener(start_router, recording_node, device):
    node = recording_node()
    router = start(start_router, node)
    raw = device(router, source="127.0.0.77")
    raw.connect("dev-1")
    *ends, facts = decode_v2(first_header(node, mqtt.connect("dev-1")))
    assert ends == ["127.0.0.77", raw.name[1], "127.0.0.1", router.port]
    assert facts["family"] == "TCP4" and not facts["tlvs"].keys() - {CRC32C}


def test_version_1_is_one_line_of_text(start_router, recording_node, device):
    node = recording_node()
    router = start(start_router, node, proxy_protocol="v1")
    raw = device(router, source="127.0.0.78")
    raw.connect("dev-1")
    header = first_header(node, mqtt.connect("dev-1"))
    assert header == f"PROXY TCP4 127.0.0.78 127.0.0.1 {raw.name[1]} {router.port}\r\n".encode()


def test_none_sends_no_header(start_router, recording_node, device):
    node = recording_node()
    router = start(start_router, node, proxy_protocol="none")
    device(router).connect("dev-1")
    assert first_header(node, mqtt.connect("dev-1")) == b""


@pytest.mark.parametrize("version", ("v1", "v2"))
def test_an_ipv6_listener_sends_ipv6_addresses(start_router, recording_node, device, version):
    node = recording_node()
    router = start(start_router, node, address="[::1]:0", proxy_protocol=version)
    raw = device(router, host="::1")
    raw.connect("dev-6")
    header = first_header(node, mqtt.connect("dev-6"))
    if version == "v2":
        assert decode_v2(header)[:4] == ("::1", raw.name[1], "::1", router.port)
    else:
        assert header == f"PROXY TCP6 ::1 ::1 {raw.name[1]} {router.port}\r\n".encode()


def test_a_wildcard_listener_sends_the_address_that_the_device_connected_to(
        start_router, recording_node, device):
    node = recording_node()
    router = start(start_router, node, address="0.0.0.0:0")
    raw = device(router, host="127.0.0.9", source="127.0.0.5")
    raw.connect("dev-4")
    header = first_header(node, mqtt.connect("dev-4"))
    assert decode_v2(header)[:4] == ("127.0.0.5", raw.name[1], "127.0.0.9", router.port)


def test_a_node_may_have_an_ipv6_address(start_router, recording_node, device):
    node = recording_node(host="::1")
    router = start(start_router, node)
    raw = device(router)
    raw.connect("dev-1")
    assert decode_v2(first_header(node, mqtt.connect("dev-1")))[1] == raw.name[1]


@pytest.mark.parametrize("maximum", (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3))
def test_tls_facts_are_sent(start_router, recording_node, device, certificates, maximum):
    node = recording_node()
    router = start(start_router, node, certificates)
    context = mqtt.tls_context(certificates, maximum)
    raw = device(router, tls=context)
    raw.connect("dev-tls")
    *_, port, facts = decode_v2(first_header(node, mqtt.connect("dev-tls")))
    assert port == router.tls_port
    assert facts["tlvs"][AUTHORITY] == b"localhost"
    assert facts["client"] & 1, "PP2_CLIENT_SSL"
    assert facts["verify"] != 0, "no client certificate was verified"
    assert facts["ssl"][SSL_VERSION] == raw.socket.version().encode()
    assert facts["ssl"][SSL_CIPHER] == raw.socket.cipher()[0].encode()
    # RabbitMQ and VerneMQ reject newer versions of the header.
    assert not facts["ssl"].keys() - {0x21, 0x22, 0x23, 0x24, 0x25}


def test_the_negotiated_protocol_is_sent(start_router, recording_node, device, certificates):
    node = recording_node()
    router = start(start_router, node, certificates)
    context = mqtt.tls_context(certificates)
    context.set_alpn_protocols(["mqtt"])
    raw = device(router, tls=context)
    raw.connect("dev-alpn")
    *_, facts = decode_v2(first_header(node, mqtt.connect("dev-alpn")))
    agreed = raw.socket.selected_alpn_protocol()
    assert facts["tlvs"].get(ALPN) == (agreed.encode() if agreed else None)


@pytest.mark.parametrize("version", ("v1", "v2"))
@pytest.mark.parametrize("transport", ("tcp", "tls"))
def test_rabbitmq_shows_the_address_of_the_device(
        start_router, rabbitmq, device, certificates, version, transport):
    router = start_router(one_cluster({"rabbit": rabbitmq.port}, tls_dir=certificates,
                                      proxy_protocol=version))
    name = f"rabbit-{version}-{transport}"
    host = f"127.0.0.{90 + len(name)}"
    raw = device(router, tls=mqtt.tls_context(certificates) if transport == "tls" else None, source=host)
    assert raw.connect(name) == (0, 0)
    assert rabbitmq.wait_client(name) == (host, raw.name[1])
    # A complete exchange with the broker: subscribe, publish, read back.
    raw.send(mqtt.subscribe("rabbit/" + name, qos=1))
    assert raw.packet()[0] == mqtt.SUBACK
    raw.send(mqtt.publish("rabbit/" + name, b"hello", qos=1, packet_id=7))
    kinds = {raw.packet()[0], raw.packet()[0]}
    assert kinds == {mqtt.PUBACK, mqtt.PUBLISH}
