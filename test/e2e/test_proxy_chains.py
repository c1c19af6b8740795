"""Real balancers in front of the router, and a router in front of another router."""

import ssl

import pytest

import mqtt
from harness import add_listener, free_port, one_cluster
from nodes import HAProxy, Nginx
from proxy_v2_decoder import AUTHORITY, UNIQUE_ID, decode
from recorder import proxy_source
from websocket import WsDevice

SOURCE = "127.0.0.66"
FRONT = "127.0.0.1/32"


@pytest.fixture
def behind_proxy(start_router, recording_node):
    """Return a function: behind_proxy(**listener) starts a router behind a balancer, and a node."""
    def make(**listener):
        node = recording_node()
        made = one_cluster({"n": node.port})
        made["clusters"][0].update(listener.pop("cluster", {}))
        return start_router(add_listener(made, "extra", trusted_proxies=FRONT, **listener)), node
    return make


def haproxy_tls(authority, issued):
    """Return the arguments of a `bind` that terminates TLS and requests a certificate."""
    both = authority.directory / "haproxy.pem"
    both.write_text(issued.certificate.read_text() + issued.key.read_text())
    return f"ssl crt {both} ca-file {authority.file} verify optional"


def received(node):
    facts, rest = decode(node.record().proxy)
    assert rest == b""
    return facts


@pytest.mark.parametrize("how", ("send-proxy", "send-proxy-v2"))
def test_haproxy_in_front_passes_the_device_address(behind_proxy, closing, how):
    router, node = behind_proxy(accept_proxy_protocol=True)
    port = free_port()
    closing(HAProxy({port: ("mode tcp", f"bind 127.0.0.1:{port}",
                            f"server r 127.0.0.1:{router.ports['extra']} {how}")}))
    device = closing(mqtt.Device(port, source=SOURCE))
    assert device.connect("dev") == (0, 0)
    facts = received(node)
    assert facts["source"] == device.name and facts["destination"] == ("127.0.0.1", port)
    device.close()
    assert router.session_end(client_id="dev")["source"] == f"{SOURCE}:{device.name[1]}"


def test_haproxy_terminates_tls_and_the_node_still_gets_the_certificate_name(
        behind_proxy, closing, authority):
    router, node = behind_proxy(accept_proxy_protocol=True, identity={},
                          cluster={"route_by": "tls_cn"})
    port = free_port()
    bind = haproxy_tls(authority, authority.issue("front", sans=["DNS:localhost"]))
    closing(HAProxy({port: ("mode tcp", f"bind 127.0.0.1:{port} {bind}",
                            f"server r 127.0.0.1:{router.ports['extra']} send-proxy-v2-ssl-cn "
                            "proxy-v2-options authority,ssl,cert-cn,cert-key,cert-sig,ssl-cipher")}))
    certificate = authority.issue("device-9")
    context = ssl.create_default_context(cafile=str(authority.file))
    context.load_cert_chain(certificate.certificate, certificate.key)
    device = closing(mqtt.Device(port, tls=context, source=SOURCE))
    assert device.connect("device-9") == (0, 0)
    facts = received(node)
    assert facts["source"] == device.name
    assert facts["verified_cn"] == "device-9" and facts["tlvs"][AUTHORITY] == b"localhost"
    # A device whose identifier differs from the certificate is rejected.
    other = closing(mqtt.Device(port, tls=context))
    assert other.connect("device-8")[1] == 5
    assert "device-9" in router.session_end(reason="identity_refused")["detail"]


def test_nginx_in_front_passes_the_device_address(behind_proxy, closing):
    router, node = behind_proxy(accept_proxy_protocol=True)
    port = free_port()
    closing(Nginx([port], stream=f"server {{ listen 127.0.0.1:{port}; proxy_protocol on; "
                                 f"proxy_pass 127.0.0.1:{router.ports['extra']}; }}"))
    device = closing(mqtt.Device(port, source=SOURCE))
    assert device.connect("dev") == (0, 0)
    assert received(node)["source"] == device.name
    assert received(node)["destination"] == ("127.0.0.1", port)


def dual_stack_front(kind, port, to, version):
    """The balancer listens on [::] for both families, and sends IPv4 devices as ::ffff:a.b.c.d."""
    if kind == "haproxy":
        return HAProxy({port: ("mode tcp", f"bind :::{port} v4v6",
                               f"server r 127.0.0.1:{to} send-proxy{version}")})
    return Nginx([port], stream=f"server {{ listen [::]:{port} ipv6only=off; proxy_protocol on; "
                                f"proxy_pass 127.0.0.1:{to}; }}")


@pytest.mark.parametrize("kind, version", (("haproxy", ""), ("haproxy", "-v2"), ("nginx", "")),
                         ids=("haproxy-v1", "haproxy-v2", "nginx-v1"))
def test_an_ipv4_device_of_a_dual_stack_balancer_is_an_ipv4_device(
        behind_proxy, closing, kind, version):
    router, node = behind_proxy(accept_proxy_protocol=True)
    port = free_port()
    closing(dual_stack_front(kind, port, router.ports["extra"], version))
    device = closing(mqtt.Device(port, source=SOURCE))
    assert device.connect("dev") == (0, 0)
    facts = received(node)
    assert (facts["family"], facts["source"]) == ("TCP4", device.name)
    assert facts["destination"] == ("127.0.0.1", port)
    device.close()
    assert router.session_end(client_id="dev")["source"] == f"{SOURCE}:{device.name[1]}"


def test_an_ipv6_device_of_a_dual_stack_balancer_is_an_ipv6_device(behind_proxy, closing):
    router, node = behind_proxy(accept_proxy_protocol=True)
    port = free_port()
    closing(dual_stack_front("haproxy", port, router.ports["extra"], ""))
    device = closing(mqtt.Device(port, host="::1"))
    assert device.connect("dev") == (0, 0)
    assert received(node)["source"] == ("::1", device.name[1])


def test_nginx_behind_another_balancer_passes_an_ipv6_source_and_an_ipv4_destination(
        behind_proxy, closing):
    router, node = behind_proxy(accept_proxy_protocol=True)
    port = free_port()
    closing(Nginx([port], stream=f"server {{ listen 127.0.0.1:{port} proxy_protocol; "
                                 "set_real_ip_from 127.0.0.0/8; proxy_protocol on; "
                                 f"proxy_pass 127.0.0.1:{router.ports['extra']}; }}"))
    before = b"PROXY TCP6 2001:db8::7 2001:db8::1 40000 1883\r\n"
    assert closing(mqtt.Device(port, before=before)).connect("dev") == (0, 0)
    facts = received(node)
    assert facts["family"] == "TCP6"
    assert facts["source"] == ("2001:db8::7", 40000)
    assert facts["destination"] == ("127.0.0.1", port)


def http_front(kind, port, to):
    if kind == "haproxy":
        return HAProxy({port: ("mode http", f"bind 127.0.0.1:{port}", "option forwardfor",
                               f"server r 127.0.0.1:{to}")})
    return Nginx([port], http=(
        f"server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://127.0.0.1:{to};"
        " proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade;"
        ' proxy_set_header Connection "upgrade";'
        " proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; } }"))


@pytest.mark.parametrize("kind", ("haproxy", "nginx"))
def test_an_http_balancer_in_front_of_websocket_passes_the_device_address(
        behind_proxy, closing, kind):
    router, node = behind_proxy(websocket={}, client_address_header="X-Forwarded-For")
    port = free_port()
    closing(http_front(kind, port, router.ports["extra"]))
    # An address that the device itself has put into the header is not used.
    device = closing(WsDevice(port, source=SOURCE, headers=("X-Forwarded-For: 203.0.113.1",)))
    assert device.answer.status == 101
    assert device.connect("dev") == (0, 0)
    assert proxy_source(node.record().proxy)[0] == SOURCE
    data = mqtt.publish("t", bytes(100_000))
    device.send(data)
    node.wait_mqtt(mqtt.connect("dev") + data)


def test_an_untrusted_http_balancer_is_taken_as_the_device(
        start_router, recording_node, closing):
    node = recording_node()
    made = add_listener(one_cluster({"n": node.port}), "extra", websocket={},
                    client_address_header="X-Forwarded-For", trusted_proxies="10.0.0.0/8")
    router = start_router(made)
    port = free_port()
    closing(http_front("nginx", port, router.ports["extra"]))
    device = closing(WsDevice(port, source=SOURCE))
    assert device.connect("dev") == (0, 0)
    assert proxy_source(node.record().proxy)[0] == "127.0.0.1"


@pytest.mark.sanitized
@pytest.mark.parametrize("version", ("v1", "v2"))
def test_a_router_in_front_of_a_router_passes_the_device_address(
        behind_proxy, start_router, device, version):
    inner, node = behind_proxy(accept_proxy_protocol=True)
    outer = start_router(one_cluster({"inner": inner.ports["extra"]}, proxy_protocol=version))
    raw = device(outer, source=SOURCE)
    assert raw.connect("dev") == (0, 0)
    assert received(node)["source"] == raw.name
    assert received(node)["destination"] == ("127.0.0.1", outer.port)


@pytest.mark.sanitized
def test_two_routers_pass_certificate_name_and_unique_id_to_the_node(
        behind_proxy, start_router, closing, authority):
    tlvs = {"proxy_protocol_tlvs": ["ssl", "authority", "unique_id", "alpn"]}
    inner, node = behind_proxy(accept_proxy_protocol=True, identity={},
                         cluster={"route_by": "tls_cn", **tlvs})
    server, certificate = authority.issue("outer", sans=["DNS:localhost"]), authority.issue("device-5")
    made = one_cluster({"inner": inner.ports["extra"]}, **tlvs)
    outer = start_router(add_listener(made, "mqtts", tls={
        "certificates": [server.conf()], "client_auth": "require",
        "client_ca_file": str(authority.file)}))
    context = ssl.create_default_context(cafile=str(authority.file))
    context.load_cert_chain(certificate.certificate, certificate.key)
    device = closing(mqtt.Device(outer.tls_port, tls=context))
    assert device.connect("device-5") == (0, 0)
    facts = received(node)
    assert (facts["source"], facts["verified_cn"]) == (device.name, "device-5")
    assert facts["tlvs"][AUTHORITY] == b"localhost"
    device.close()
    ends = outer.session_end(), inner.session_end()
    assert ends[0]["session"].encode() == facts["tlvs"][UNIQUE_ID]
    assert ends[1]["unique_id"] == ends[0]["session"] and ends[1]["tls_cn"] == "device-5"
