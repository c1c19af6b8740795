"""Client certificates: verification, the client identifiers that they allow, and the facts sent to the node."""

import os
import ssl

import pytest

import mqtt
from authority import Authority
from harness import one_cluster
from proxy_v2_decoder import (SSL_CIPHER, SSL_CN, SSL_KEY_ALG, SSL_SIG_ALG, SSL_VERSION, decode)

pytestmark = [pytest.mark.sanitized, pytest.mark.one_thread]
REFUSED = {4: bytes.fromhex("20020005"), 5: bytes.fromhex("2003008700")}
VERSIONS = pytest.mark.parametrize("version", (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3),
                                   ids=("1.2", "1.3"))


@pytest.fixture(scope="module")
def issued(authority, tmp_path_factory):
    other = Authority(tmp_path_factory.mktemp("other"), name="another CA")
    sans = ["DNS:dev.example", "URI:urn:dev:mac:0024be", "email:dev@example.com"]
    return {
        "server": authority.issue("mtls-server", sans=["DNS:localhost"]),
        "device": authority.issue("device-7"),
        "sans": authority.issue("with-sans", cn="device-8", sans=sans),
        "rsa": authority.issue("rsa-device", key="rsa"),
        "revoked": authority.issue("revoked-device"),
        "foreign": other.issue("device-7"),
        "server_only": authority.issue("no-client", usage="serverAuth"),
        "late": authority.issue("late-revoked"),
    }


def config(node, authority, issued, auth="require", **more):
    listener = more.pop("listener", {})
    tls = {"certificates": [issued["server"].conf()], "client_auth": auth, **more.pop("tls", {})}
    if auth != "none":
        tls["client_ca_file"] = str(authority.file)
    made = one_cluster({"n": node.port}, **more)
    made["listeners"].append({"name": "mqtts", "address": "127.0.0.1:0", "cluster": "c",
                              "tls": tls, **listener})
    return made


@pytest.fixture
def start(start_router, recording_node, authority, issued):
    def make(auth="require", **more):
        node = recording_node()
        return start_router(config(node, authority, issued, auth, **more)), node
    return make


@pytest.fixture
def context(authority):
    def make(certificate=None, version=None):
        made = ssl.create_default_context(cafile=str(authority.file))
        if certificate:
            made.load_cert_chain(certificate.certificate, certificate.key)
        if version:
            made.maximum_version = version
        return made
    return make


def is_accepted(router, context, client_id="dev"):
    """Return whether a device with this context gets its CONNACK."""
    try:
        with mqtt.Device(router.tls_port, tls=context) as device:
            return device.connect(client_id) == (0, 0)
    except (ssl.SSLError, ConnectionError, EOFError):
        return False


def facts_of(node, index=0):
    return decode(node.record(index).proxy)[0]


@VERSIONS
def test_require_accepts_only_verified_certificates(start, context, issued, version):
    router, node = start()
    assert is_accepted(router, context(issued["device"], version))
    for name in (None, "foreign", "server_only"):
        before = len(router.find("session.end", reason="tls_failed"))
        assert not is_accepted(router, context(name and issued[name], version)), name
        end = router.session_end(count=before + 1, reason="tls_failed")
        assert end["detail"], end
    assert len(node.records) == 1


@VERSIONS
def test_request_accepts_no_certificate_but_rejects_an_invalid_one(
        start, context, issued, version):
    router, node = start("request")
    assert is_accepted(router, context(None, version))
    assert facts_of(node)["verify"] != 0 and SSL_CN not in facts_of(node)["ssl"]
    assert is_accepted(router, context(issued["device"], version))
    assert facts_of(node, 1)["verified_cn"] == "device-7"
    assert not is_accepted(router, context(issued["foreign"], version))


def test_none_requests_no_certificate(start, context, issued):
    router, node = start("none")
    assert is_accepted(router, context(issued["device"]))
    assert facts_of(node)["verified_cn"] is None and facts_of(node)["client"] == 1


@VERSIONS
@pytest.mark.parametrize("name", ("device", "rsa"))
def test_the_node_gets_certificate_and_handshake_facts(start, context, issued, version, name):
    router, node = start()
    with mqtt.Device(router.tls_port, tls=context(issued[name], version)) as device:
        device.connect("dev")
        cipher = device.socket.cipher()[0].encode()
        spoken = device.socket.version().encode()
    facts = facts_of(node)
    assert facts["verify"] == 0 and facts["client"] & 7 == 7
    assert facts["verified_cn"] == {"device": "device-7", "rsa": "rsa-device"}[name]
    assert facts["ssl"][SSL_CIPHER] == cipher and facts["ssl"][SSL_VERSION] == spoken
    # The specification does not define whether this is the device's or the listener's certificate.
    assert facts["ssl"][SSL_KEY_ALG] in (b"EC256", b"RSA2048")
    assert facts["ssl"][SSL_SIG_ALG]
    assert not facts["ssl"].keys() - {0x21, 0x22, 0x23, 0x24, 0x25}
    assert router.session_end()["tls_cn"] == facts["verified_cn"]


@VERSIONS
def test_a_resumed_session_keeps_its_certificate(start, context, issued, version):
    router, node = start(listener={"identity": {}})
    tls = context(issued["device"], version)
    with mqtt.Device(router.tls_port, tls=tls) as device:
        assert device.connect("device-7") == (0, 0)
        session = device.socket.session
    raw = mqtt.Device(router.tls_port)
    raw.socket = tls.wrap_socket(raw.socket, server_hostname="localhost", session=session)
    with raw:
        assert raw.connect("device-7") == (0, 0) and raw.socket.session_reused
    facts = facts_of(node, 1)
    assert (facts["verify"], facts["verified_cn"], facts["client"]) == (0, "device-7", 1 | 4)


@pytest.mark.parametrize("check", ("leaf", "chain"))
def test_a_revoked_certificate_is_refused(start, context, authority, issued, tmp_path, check):
    crl = authority.crl(tmp_path / "crl.pem", revoked=[issued["revoked"]])
    router, _ = start(tls={"client_crl_files": str(crl), "client_crl_check": check})
    assert is_accepted(router, context(issued["device"]))
    assert not is_accepted(router, context(issued["revoked"]))
    assert "revoked" in router.session_end(reason="tls_failed")["detail"]


def test_a_new_revocation_list_applies_immediately(start, context, authority, issued, tmp_path):
    crl = authority.crl(tmp_path / "crl.pem")
    router, _ = start(tls={"client_crl_files": [str(crl)]})
    assert is_accepted(router, context(issued["late"]))
    os.replace(authority.crl(tmp_path / "next.pem", revoked=[issued["late"]]), crl)
    router.wait_event("tls.reloaded")
    assert not is_accepted(router, context(issued["late"]))
    assert is_accepted(router, context(issued["device"]))


@pytest.mark.parametrize("mqtt_version", (4, 5))
def test_the_client_id_must_match_the_certificate(start, context, issued, mqtt_version):
    router, node = start(listener={"identity": {"claim": "client_id", "names": ["cn"]}})
    with mqtt.Device(router.tls_port, tls=context(issued["device"])) as device:
        assert device.connect("device-7", version=mqtt_version) == (0, 0)
    for claim in ("device-8", "DEVICE-7", "device-7\u00e4", ""):
        before = len(router.find("session.end", reason="identity_refused"))
        with mqtt.Device(router.tls_port, tls=context(issued["device"])) as device:
            device.send(mqtt.connect(claim, version=mqtt_version))
            assert device.read_to_end() == (REFUSED[mqtt_version], "end"), claim
        end = router.session_end(count=before + 1, reason="identity_refused")
        assert "device-7" in end["detail"] and "cn" in end["detail"], end
    assert len(node.records) == 1


@pytest.mark.parametrize("kind, name", (
    ("cn", "device-8"), ("san_dns", "dev.example"), ("san_uri", "urn:dev:mac:0024be"),
    ("san_email", "dev@example.com")))
def test_the_user_name_can_be_matched_with_any_kind_of_name(start, context, issued, kind, name):
    router, _ = start(listener={"identity": {"claim": "username", "names": kind}})
    for user, code in ((name, 0), ("someone", 5), ("device-7", 5), (None, 5)):
        with mqtt.Device(router.tls_port, tls=context(issued["sans"])) as device:
            assert device.connect("dev", username=user)[1] == code, user
    assert name in router.session_end(reason="identity_refused")["detail"]


def test_one_matching_name_of_several_is_enough(start, context, issued):
    router, _ = start(listener={"identity": {"names": ["san_dns", "cn"]}})
    for claim in ("device-8", "dev.example"):
        assert is_accepted(router, context(issued["sans"]), claim)
    assert not is_accepted(router, context(issued["sans"]), "dev@example.com")


def test_devices_are_routed_by_the_name_in_their_certificate(
        start_router, recording_node, authority, issued, context):
    made = config(recording_node(), authority, issued, route_by=["tls_cn"])
    made["clusters"][0]["nodes"] = [
        {"name": f"n{i}", "address": recording_node().address} for i in range(4)]
    router = start_router(made)
    homes = {name: set() for name in ("device", "sans", "rsa", "late", "revoked")}
    count = 0
    for name, nodes in homes.items():
        for i in range(4):
            assert is_accepted(router, context(issued[name]), f"any-{i}")
            count += 1
            nodes.add(router.wait_event("session.end", count=count)["node"])
    assert all(len(nodes) == 1 for nodes in homes.values()), homes
    assert len(set.union(*homes.values())) > 1


def test_devices_of_one_tenant_share_a_node(start_router, recording_node):
    nodes = {f"n{i}": recording_node().port for i in range(4)}
    router = start_router(one_cluster(
        nodes, route_by={"from": "client_id", "prefix_until": "/"}))
    homes, count = {}, 0
    for tenant in ("a", "b", "c", "d", "e", "f"):
        for i in range(5):
            with mqtt.Device(router.port) as device:
                device.connect(f"{tenant}/device-{i}")
            count += 1
            homes.setdefault(tenant, set()).add(
                router.wait_event("session.end", count=count)["node"])
    assert all(len(some) == 1 for some in homes.values()), homes
    assert len(set.union(*homes.values())) > 1


def test_rabbitmq_accepts_a_proxy_header_with_a_certificate(
        start_router, rabbitmq, authority, issued, context):
    """RabbitMQ uses the address. Its MQTT plugin takes a user name only from its own TLS connections."""
    made = config(rabbitmq, authority, issued)
    router = start_router(made)
    with mqtt.Device(router.tls_port, tls=context(issued["device"]), source="127.0.0.61") as device:
        assert device.connect("rabbit-mtls") == (0, 0)
        assert rabbitmq.wait_client("rabbit-mtls") == ("127.0.0.61", device.name[1])
