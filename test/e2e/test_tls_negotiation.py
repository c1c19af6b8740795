"""Exactly the configured cipher suites, groups and curves can be negotiated."""

import socket
import struct

import pytest

from harness import WAIT_LIMIT_S, run_router, write_config
from test_tls_listeners import config, s_client

pytestmark = [pytest.mark.sanitized, pytest.mark.one_thread]
DHE_RSA_GCM = 0x009E
ECDHE_RSA_GCM = 0xC02F
RSA_GCM = 0x009C
HANDSHAKE_FAILURE = 40
DEVICE_KEYS = ("ec", "p384", "p521", "brainpool", "ed25519", "ed448", "rsa")


@pytest.fixture(scope="module")
def servers(authority):
    return {key: authority.issue(f"negotiation-{key}", cn="negotiation", sans=["DNS:localhost"], key=key)
            for key in ("ec", "rsa", "p521", "ed25519")}


@pytest.fixture(scope="module")
def devices(authority):
    return {key: authority.issue(f"negotiation-device-{key}", key=key) for key in DEVICE_KEYS}


@pytest.fixture
def start(start_router, recording_node):
    def make(**tls):
        return start_router(config(recording_node(), tls))
    return make


def cipher_of(result):
    """Return the cipher suite that `openssl s_client` reports, or "(NONE)"."""
    lines = [line for line in result.stdout.splitlines() if "Cipher is" in line]
    return lines[0].split("Cipher is ")[1] if lines else result.stderr


# ---- curves of device certificates --------------------------------------------------------------


@pytest.mark.parametrize("groups", (None, "X25519", "P-384"))
@pytest.mark.parametrize("version", ("-tls1_2", "-tls1_3"))
def test_groups_do_not_restrict_device_certificates(
        start, authority, servers, devices, version, groups):
    router = start(certificates=[servers["ec"].conf()], client_auth="require",
                   client_ca_file=str(authority.file), **({"groups": groups} if groups else {}))
    # TLS 1.3 has no brainpool signatures in OpenSSL 3.0.
    keys = [key for key in DEVICE_KEYS if not (key == "brainpool" and version == "-tls1_3")]
    count = 0
    for key in keys:
        # The client's list also applies to its certificate (RFC 8422 section 5.1).
        offered = "X25519:P-256:P-384:P-521:brainpoolP256r1"
        result = s_client(router.tls_port, version, "-cert", devices[key].certificate, "-key",
                        devices[key].key, "-groups", offered, "-servername", key)
        count += 1
        end = router.session_end(count=count)
        assert (end["sni"], end["reason"]) == (key, "client_closed_early"), (end, result.stderr)


@pytest.mark.parametrize("version", ("-tls1_2", "-tls1_3"))
def test_curves_of_device_certificates_are_not_offered_as_groups(
        start, authority, servers, version):
    router = start(certificates=[servers["rsa"].conf()], client_auth="request",
                   client_ca_file=str(authority.file))
    for group in ("P-521", "brainpoolP256r1"):
        assert "(NONE)" in cipher_of(s_client(router.tls_port, version, "-groups", group)), group
    assert "(NONE)" not in cipher_of(s_client(router.tls_port, version, "-groups", "P-521:P-384"))


# ---- cipher suites ------------------------------------------------------------------------------


def client_hello(suites, extensions):
    """Return a TLS 1.2 ClientHello. extensions: {type: bytes}."""
    def sized(data, size):
        return len(data).to_bytes(size, "big") + data
    extra = b"".join(struct.pack("!H", kind) + sized(data, 2) for kind, data in extensions.items())
    body = b"\x03\x03" + bytes(range(32)) + b"\x00"
    body += sized(b"".join(struct.pack("!H", suite) for suite in suites), 2) + b"\x01\x00"
    body += sized(extra, 2) if extra else b""
    return b"\x16\x03\x01" + sized(b"\x01" + sized(body, 3), 2)


SIGNATURE_ALGORITHMS = {13: bytes.fromhex("0006040105010601")}  # RSA with SHA-256, -384, -512


def answer(port, hello):
    """Return ("suite", number) of the ServerHello, or ("alert", number)."""
    with socket.create_connection(("127.0.0.1", port), timeout=WAIT_LIMIT_S) as raw:
        raw.sendall(hello)
        head = raw.recv(5, socket.MSG_WAITALL)
        body = raw.recv(int.from_bytes(head[3:5], "big"), socket.MSG_WAITALL)
    if head[0] == 21:
        return "alert", body[1]
    assert head[0] == 22 and body[0] == 2, (head, body)
    session_n = body[38]
    return "suite", int.from_bytes(body[39 + session_n:41 + session_n], "big")


@pytest.mark.parametrize("ciphers, extensions, want", (
    (None, SIGNATURE_ALGORITHMS, ("alert", HANDSHAKE_FAILURE)),
    ("ECDHE+AESGCM:DHE+AESGCM", SIGNATURE_ALGORITHMS, ("suite", DHE_RSA_GCM)),
    # Without signature algorithms, only SHA-1 can be used for signatures (RFC 5246 section
    # 7.4.1.4.1).
    ("ECDHE+AESGCM:DHE+AESGCM", {}, ("alert", HANDSHAKE_FAILURE)),
    ("ECDHE+AESGCM:DHE+AESGCM:@SECLEVEL=0", {}, ("suite", DHE_RSA_GCM)),
    ("ECDHE+AESGCM:kRSA+AESGCM", SIGNATURE_ALGORITHMS, ("suite", RSA_GCM))))
def test_a_hello_without_supported_groups_is_served_if_dhe_is_configured(
        start, servers, ciphers, extensions, want):
    router = start(certificates=[servers["rsa"].conf()], **({"ciphers": ciphers} if ciphers else {}))
    hello = client_hello((ECDHE_RSA_GCM, DHE_RSA_GCM, RSA_GCM), extensions)
    assert answer(router.tls_port, hello) == want


@pytest.mark.parametrize("ciphers", ("DHE-RSA-AES128-GCM-SHA256", "DHE+AESGCM", "ECDHE+AESGCM:DHE+AESGCM"))
def test_dhe_has_parameters_if_configured(start, servers, ciphers):
    router = start(certificates=[servers["rsa"].conf()], ciphers=ciphers)
    result = s_client(router.tls_port, "-tls1_2", "-cipher", "DHE-RSA-AES128-GCM-SHA256")
    assert cipher_of(result) == "DHE-RSA-AES128-GCM-SHA256"
    assert "Server Temp Key: DH, 2048 bits" in result.stdout, "as strong as the certificate"


def test_without_dhe_in_the_list_none_is_negotiated(start, servers):
    router = start(certificates=[servers["rsa"].conf()])
    result = s_client(router.tls_port, "-tls1_2", "-cipher", "DHE-RSA-AES128-GCM-SHA256")
    assert "(NONE)" in cipher_of(result)


def check(node, tmp_path, **tls):
    path = write_config(config(node, tls), tmp_path)
    checked = run_router("--check", "--config", path)
    return checked.returncode, checked.stdout + checked.stderr, path


ECDSA_ONLY, RSA_ONLY = "ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-RSA-AES128-GCM-SHA256"


@pytest.mark.parametrize("ciphers, key", (
    (ECDSA_ONLY, "rsa"), ("ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384", "rsa"),
    (RSA_ONLY, "ec"), (RSA_ONLY, "p521"), (RSA_ONLY, "ed25519"), ("DHE+AESGCM", "ec"),
    ("kRSA+AESGCM", "ec"), ("PSK+AESGCM", "rsa"), ("aNULL", "rsa")))
def test_check_and_start_reject_a_list_that_cannot_be_negotiated(
        recording_node, servers, tmp_path, ciphers, key):
    code, result, path = check(recording_node(), tmp_path, certificates=[servers[key].conf()],
                             ciphers=ciphers)
    lines = [line for line in result.splitlines() if line.startswith("error:")]
    assert code == 1 and len(lines) == 1, result
    assert "listeners[1].tls: ciphers: " in lines[0]
    assert str(servers[key].certificate) in lines[0]
    started = run_router("--config", path)
    assert started.returncode == 1 and "ciphers: " in started.stdout + started.stderr


@pytest.mark.parametrize("ciphers, keys, more", (
    (ECDSA_ONLY, ("ec",), {}), (ECDSA_ONLY, ("ed25519",), {}), (ECDSA_ONLY, ("p521",), {}),
    (RSA_ONLY, ("rsa",), {}), ("kRSA+AESGCM", ("rsa",), {}),
    (ECDSA_ONLY, ("rsa", "ec"), {}), (ECDSA_ONLY, ("ec", "rsa"), {}), (RSA_ONLY, ("ec", "rsa"), {}),
    (None, ("rsa", "ec"), {}), (ECDSA_ONLY, ("rsa",), {"min_version": "1.3"})))
def test_check_accepts_lists_that_can_be_negotiated(
        recording_node, servers, tmp_path, ciphers, keys, more):
    """Certificates with the same names are treated as one, so it is enough if one of them supports TLS 1.2."""
    if ciphers:
        more = {"ciphers": ciphers, **more}
    code, result, _ = check(recording_node(), tmp_path,
                          certificates=[servers[key].conf() for key in keys], **more)
    assert code == 0, result


def test_each_server_name_needs_a_usable_cipher_suite(recording_node, authority, servers, tmp_path):
    other = authority.issue("negotiation-other", sans=["DNS:other.example"], key="rsa")
    code, result, _ = check(recording_node(), tmp_path, ciphers=ECDSA_ONLY,
                          certificates=[servers["ec"].conf(), other.conf()])
    assert code == 1 and str(other.certificate) in result, result
