"""TLS for devices: selection of the certificate, resumption, and changed files."""

import base64
import os
import signal
import socket
import ssl
import subprocess

import pytest

import mqtt
from harness import WAIT_LIMIT_S, one_cluster, run_router, wait_until, write_config
from homes import rendezvous_reference
from proxy_v2_decoder import ALPN, AUTHORITY, decode

pytestmark = pytest.mark.sanitized


def config(node, tls, **keys):
    made = one_cluster({"n": node.port}, **keys)
    made["listeners"].append({"name": "mqtts", "address": "127.0.0.1:0", "cluster": "c", "tls": tls})
    return made


@pytest.fixture
def start(start_router, recording_node):
    """Return a function: start(tls) starts a router with this `tls` on the listener mqtts."""
    def make(tls):
        router = start_router(config(recording_node(), tls))
        router.gauges()  # after this answer it watches the files
        return router
    return make


@pytest.fixture(scope="module")
def names(authority):
    """Make certificates for several server names."""
    return {
        "default": authority.issue("default.example", sans=["DNS:default.example"]),
        "exact": authority.issue("a.example", sans=["DNS:a.example"]),
        "wildcard": authority.issue("star", cn="star.example", sans=["DNS:*.star.example"]),
        "overlap": authority.issue("one", cn="one.star.example", sans=["DNS:one.star.example"]),
        "rsa": authority.issue("rsa", cn="a.example", sans=["DNS:a.example"], key="rsa"),
    }


class AnyName:
    """Run `openssl s_client` as a device. Unlike Python, it can send any server name."""

    def __init__(self, port, name, client_id):
        self.process = subprocess.Popen(
            ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-servername", name, "-quiet"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.process.stdin.write(mqtt.connect(client_id))
        self.process.stdin.flush()
        self.answer = self.process.stdout.read(4)

    def close(self):
        self.process.kill()
        self.process.communicate()


def client(authority, **how):
    context = ssl.create_default_context(cafile=str(authority.file))
    context.check_hostname = False
    for key, value in how.items():
        setattr(context, key, value)
    return context


def served_cn(port, context, name):
    """Return the common name of the certificate that a client with this server name gets."""
    with mqtt.Device(port, tls=context, server_name=name) as device:
        subject = device.socket.getpeercert()["subject"]
        return dict(pair for rdn in subject for pair in rdn)["commonName"]


def refused(port, context, name):
    """Return whether the handshake fails. With TLS 1.3, a client may notice this only when it reads."""
    try:
        with mqtt.Device(port, tls=context, server_name=name) as device:
            device.connect("dev")
    except (ssl.SSLError, ConnectionResetError, EOFError):
        return True
    return False


def test_the_certificate_is_chosen_by_server_name(start, authority, names):
    router = start({"certificates": [names[n].conf() for n in
                                    ("default", "exact", "wildcard", "overlap")]})
    context = client(authority)
    for name, want in (("a.example", "a.example"), ("A.Example", "a.example"),
                       ("x.star.example", "star.example"), ("one.star.example", "one.star.example"),
                       ("x.y.star.example", "default.example"), ("star.example", "default.example"),
                       ("elsewhere.example", "default.example"), (None, "default.example")):
        assert served_cn(router.tls_port, context, name) == want, name


def test_a_trailing_dot_of_the_server_name_is_ignored(start, names):
    router = start({"certificates": [names[n].conf() for n in ("default", "exact", "wildcard")],
                   "strict_sni": True})
    for name, want in (("a.example.", "a.example"), ("A.Example.", "a.example"),
                       ("x.star.example.", "star.example"), ("a.example..", None), (".", None)):
        result = s_client(router.tls_port, "-servername", name)
        shown = [line for line in result.stdout.splitlines() if line.startswith("subject=")]
        assert shown == ([f"subject=CN = {want}"] if want else []), (name, result.stdout, result.stderr)


def test_strict_sni_rejects_unknown_and_missing_names(start, authority, names):
    router = start({"certificates": [names["default"].conf(), names["wildcard"].conf()],
                   "strict_sni": True})
    context = client(authority)
    assert served_cn(router.tls_port, context, "default.example") == "default.example"
    assert served_cn(router.tls_port, context, "x.star.example") == "star.example"
    for name in ("elsewhere.example", "a.b.star.example", None):
        assert refused(router.tls_port, context, name), name
    assert all(e["detail"] for e in router.find("session.end", reason="tls_failed"))
    router.session_end(count=3, reason="tls_failed")


def s_client(port, *arguments, text="", timeout_s=WAIT_LIMIT_S):
    return subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{port}", *map(str, arguments)],
                          input=text, capture_output=True, text=True, timeout=timeout_s, check=False)


@pytest.mark.parametrize("version", ("-tls1_2", "-tls1_3"))
def test_each_client_gets_the_ecdsa_or_rsa_certificate_that_it_supports(start, names, version):
    router = start({"certificates": [names["default"].conf(), names["exact"].conf(),
                                    names["rsa"].conf()]})
    for algorithms, want in (("ECDSA+SHA256", "ECDSA"), ("RSA-PSS+SHA256", "RSA-PSS")):
        result = s_client(router.tls_port, version, "-servername", "a.example", "-sigalgs", algorithms)
        assert f"Peer signature type: {want}\n" in result.stdout, result.stdout + result.stderr
        assert "CN = a.example" in result.stdout


def test_an_encrypted_key_is_opened_by_its_passphrase_file(start, authority, tmp_path):
    issued = authority.issue("locked.example", passphrase="open sesame")
    secret = tmp_path / "passphrase"
    secret.write_bytes(b"open sesame\r\n")
    router = start({"certificates": [issued.conf(private_key_passphrase_file=str(secret))]})
    assert served_cn(router.tls_port, client(authority), None) == "locked.example"


@pytest.mark.parametrize("text, word", (("wrong\n", "locked2.key"), ("", "passphrase"),
                                        (None, "locked2.key")))
def test_check_reports_a_wrong_passphrase(authority, recording_node, tmp_path, text, word):
    issued = authority.issue("locked2", passphrase="open sesame")
    conf = issued.conf()
    if text is not None:
        (tmp_path / "passphrase").write_text(text)
        conf["private_key_passphrase_file"] = str(tmp_path / "passphrase")
    path = write_config(config(recording_node(), {"certificates": [conf]}), tmp_path)
    result = run_router("--check", "--config", path)
    output = result.stdout + result.stderr
    assert result.returncode == 1 and word in output, output
    assert "open sesame" not in output


def test_check_reports_all_invalid_certificates_of_a_listener_together(
        authority, names, recording_node, tmp_path):
    (tmp_path / "junk.pem").write_text("no certificate\n")
    bad = [{"certificate_file": "junk.pem", "private_key_file": str(names["exact"].key)},
           {"certificate_file": "nowhere.pem", "private_key_file": str(names["exact"].key)},
           {"certificate_file": str(names["exact"].certificate),
            "private_key_file": str(names["rsa"].key)}]
    made = config(recording_node(), {"certificates": [names["default"].conf(), *bad]})
    result = run_router("--check", "--config", write_config(made, tmp_path))
    output = result.stdout + result.stderr
    assert result.returncode == 1
    for place, word in ((1, "junk.pem"), (2, "nowhere.pem"), (3, "rsa.key")):
        lines = [line for line in output.splitlines() if f"certificates[{place}]" in line]
        assert len(lines) == 1 and word in lines[0], output
    assert "certificates[0]" not in output


def session_of(port, context, session=None, client_id="dev"):
    """Connect. Return (whether the session was resumed, the session to resume next)."""
    raw = socket.create_connection(("127.0.0.1", port), timeout=WAIT_LIMIT_S)
    with context.wrap_socket(raw, server_hostname="default.example", session=session) as tls:
        tls.sendall(mqtt.connect(client_id))
        assert tls.recv(4) == bytes.fromhex("20020000")  # the ticket of TLS 1.3 was read before
        return tls.session_reused, tls.session


def ticket_keys(path, *keys):
    new = path.with_suffix(".new")
    new.write_text("".join(key + "\n" for key in keys))
    new.rename(path)
    return str(path)


def make_key(size=80):
    return base64.b64encode(os.urandom(size)).decode()


VERSIONS = pytest.mark.parametrize("version", (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3),
                                   ids=("1.2", "1.3"))


@VERSIONS
@pytest.mark.parametrize("size", (48, 80))
def test_a_client_resumes_at_another_router_with_the_same_ticket_key(
        start, authority, names, tmp_path, version, size):
    keys = ticket_keys(tmp_path / "keys", make_key(size), make_key(size))
    tls = {"certificates": [names["default"].conf()], "session_tickets": {"key_file": keys}}
    first, second = start(tls), start(tls)
    context = client(authority, maximum_version=version)
    reused, session = session_of(first.tls_port, context)
    assert not reused
    assert session_of(second.tls_port, context, session)[0]
    assert second.session_end()["tls_resumed"] is True
    assert first.session_end()["tls_resumed"] is False


@VERSIONS
def test_a_client_does_not_resume_at_a_router_with_another_ticket_key(
        start, authority, names, version):
    tls = {"certificates": [names["default"].conf()]}
    first, second = start(tls), start(tls)
    context = client(authority, maximum_version=version)
    _, session = session_of(first.tls_port, context)
    assert session_of(first.tls_port, context, session)[0], "the session is resumed at the first router"
    assert not session_of(second.tls_port, context, session)[0]


@VERSIONS
def test_ticket_keys_rotate_by_replacing_the_file(start, authority, names, tmp_path, version):
    old, new = make_key(), make_key()
    path = tmp_path / "keys"
    ticket_keys(path, old)
    router = start({"certificates": [names["default"].conf()],
                   "session_tickets": {"key_file": str(path)}})
    context = client(authority, maximum_version=version)
    _, session = session_of(router.tls_port, context)
    ticket_keys(path, new, old)
    router.wait_event("tls.reloaded")
    assert session_of(router.tls_port, context, session)[0], "the second key still decrypts"
    ticket_keys(path, new)
    router.wait_event("tls.reloaded", count=2)
    assert not session_of(router.tls_port, context, session)[0]


@VERSIONS
def test_without_tickets_every_handshake_is_a_full_one(start, authority, names, version):
    router = start({"certificates": [names["default"].conf()], "session_tickets": False})
    context = client(authority, maximum_version=version)
    _, session = session_of(router.tls_port, context)
    assert not session or not session_of(router.tls_port, context, session)[0]


def replace(issued, by, how="rename"):
    """Replace a certificate and its key."""
    for path, other in ((issued.key, by.key), (issued.certificate, by.certificate)):
        if how == "write":
            path.write_bytes(other.read_bytes())
            continue
        new = path.with_suffix(".new")
        new.write_bytes(other.read_bytes())
        os.replace(new, path)


@pytest.mark.parametrize("how", ("rename", "write"))
def test_a_replaced_certificate_is_sent_to_new_clients_and_old_sessions_stay(
        start, authority, names, how):
    issued = authority.issue(f"changing-{how}", cn="before.example")
    later = authority.issue(f"later-{how}", cn="after.example")
    router = start({"certificates": [issued.conf()]})
    context = client(authority)
    with mqtt.Device(router.tls_port, tls=context, server_name="x") as established:
        established.connect("established")
        replace(issued, later, how)
        router.wait_event("tls.reloaded")
        wait_until(lambda: served_cn(router.tls_port, context, "x") == "after.example",
                   "the new certificate on every worker")
        established.send(mqtt.PING)
        wait_until(lambda: router.gauges()["sessions"] == 1, "only the last session")
        assert not router.find("session.end", client_id="established")


def test_a_broken_new_file_is_reported_and_the_old_one_is_kept(start, authority, tmp_path):
    issued = authority.issue("fragile", cn="good.example")
    later = authority.issue("fragile-later", cn="better.example")
    router = start({"certificates": [issued.conf()]})
    context = client(authority)
    issued.certificate.write_text("-----BEGIN CERTIFICATE-----\nbroken\n")
    failed = router.wait_event("tls.reload_failed")
    assert "fragile.pem" in failed["error"] and failed["level"] == "error"
    assert [served_cn(router.tls_port, context, "x") for _ in range(6)] == 6 * ["good.example"]
    replace(issued, later)
    router.wait_event("tls.reloaded")
    wait_until(lambda: served_cn(router.tls_port, context, "x") == "better.example",
               "the new certificate")


def test_sighup_rereads_the_files(start, authority, names):
    router = start({"certificates": [names["default"].conf()]})
    router.process.send_signal(signal.SIGHUP)
    router.wait_event("reload.done")
    assert served_cn(router.tls_port, client(authority), "x") == "default.example"


@pytest.mark.parametrize("days, level", ((25, "warn"), (5, "error"), (60, None)))
def test_the_expiry_of_a_certificate_is_logged_in_advance(start, authority, days, level):
    issued = authority.issue(f"ends-{days}", cn="ends.example", days=days)
    router = start({"certificates": [issued.conf()]})
    if level is None:
        assert not router.find("certificate.expires", certificate="ends.example")
        return
    result = router.wait_event("certificate.expires")
    assert result["level"] == level and result["days_left"] in (days - 1, days)
    assert result["file"] == str(issued.certificate) and result["not_after"].endswith("Z")
    assert "ends.example" in result["certificate"]


def test_min_version_1_3_rejects_1_2(start, authority, names):
    router = start({"certificates": [names["default"].conf()], "min_version": "1.3"})
    assert refused(router.tls_port, client(authority, maximum_version=ssl.TLSVersion.TLSv1_2), "x")
    assert not refused(router.tls_port, client(authority), "x")


@pytest.mark.parametrize("version", ("-tls1", "-tls1_1"))
def test_versions_below_1_2_are_rejected(start, names, version):
    router = start({"certificates": [names["default"].conf()]})
    result = s_client(router.tls_port, version, "-cipher", "ALL:@SECLEVEL=0")
    assert "alert protocol version" in result.stderr, result.stderr
    assert router.session_end(reason="tls_failed")["detail"]


def test_renegotiation_is_rejected(start, names):
    router = start({"certificates": [names["default"].conf()]})
    result = s_client(router.tls_port, "-tls1_2", text="R\n")
    assert "no renegotiation" in result.stderr, result.stderr


def test_early_data_is_off(start, names, tmp_path):
    router = start({"certificates": [names["default"].conf()]})
    process = subprocess.Popen(
        ["openssl", "s_client", "-connect", f"127.0.0.1:{router.tls_port}", "-tls1_3"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        process.stdin.write("x")
        process.stdin.flush()
        line = next(line for line in process.stdout if "Max Early Data" in line)
        assert line.strip() == "Max Early Data: 0"
    finally:
        process.kill()
        process.communicate()


def test_an_ocsp_staple_is_sent_and_reread(start, authority, tmp_path):
    issued = authority.issue("stapled", cn="stapled.example")
    staple = authority.ocsp_response(issued, tmp_path / "staple.der")
    router = start({"certificates": [issued.conf(ocsp_response_file=str(staple))]})

    def shown():
        result = s_client(router.tls_port, "-status").stdout
        return next(line for line in result.splitlines() if "Next Update" in line)
    first = shown()
    authority.ocsp_response(issued, staple)
    router.wait_event("tls.reloaded")
    assert shown() >= first


def test_alpn_follows_the_order_of_the_listener(start_router, recording_node, authority, names):
    node = recording_node()
    router = start_router(config(node, {"certificates": [names["default"].conf()],
                                        "alpn": ["mqtt/5", "mqtt"]}))
    context = client(authority)
    context.set_alpn_protocols(["http/1.1", "mqtt", "mqtt/5"])
    with mqtt.Device(router.tls_port, tls=context) as device:
        assert device.socket.selected_alpn_protocol() == "mqtt/5"
        device.connect("dev")
    assert decode(node.record().proxy)[0]["tlvs"][ALPN] == b"mqtt/5"
    context.set_alpn_protocols(["http/1.1"])
    with mqtt.Device(router.tls_port, tls=context) as device:
        assert device.socket.selected_alpn_protocol() is None
        assert device.connect("dev") == (0, 0)


def test_devices_are_routed_by_server_name(
        start_router, recording_node, authority, names):
    made = config(recording_node(), {"certificates": [names["wildcard"].conf()]}, route_by="sni")
    made["clusters"][0]["nodes"] = [
        {"name": f"n{i}", "address": recording_node().address} for i in range(4)]
    router = start_router(made)
    context, homes = client(authority), {}
    for turn in range(3):
        for i in range(6):
            with mqtt.Device(router.tls_port, tls=context,
                             server_name=f"tenant-{i}.star.example") as device:
                assert device.connect(f"dev-{turn}-{i}") == (0, 0)
            end = router.wait_event("session.end", count=6 * turn + i + 1)
            assert homes.setdefault(i, end["node"]) == end["node"]
            assert end["sni"] == f"tenant-{i}.star.example"
    assert len(set(homes.values())) > 1


def test_all_forms_of_a_server_name_map_to_one_node(
        start_router, recording_node, closing, names):
    nodes = [recording_node() for _ in range(4)]
    made = config(nodes[0], {"certificates": [names["wildcard"].conf()]}, route_by="sni")
    made["clusters"][0]["nodes"] = [
        {"name": f"n{i}", "address": node.address} for i, node in enumerate(nodes)]
    router = start_router(made)
    count, homes = 0, set()
    for i in range(4):
        plain = f"tenant-{i}.star.example"
        home = rendezvous_reference.order([(f"n{k}", 1) for k in range(4)], plain.encode())[0]
        homes.add(home)
        for name in (plain, plain.upper(), plain.title(), plain + ".", plain.upper() + "."):
            device = closing(AnyName(router.tls_port, name, f"dev-{count}"))
            assert device.answer == bytes.fromhex("20020000")
            device.close()
            count += 1
            end = router.wait_event("session.end", client_id=f"dev-{count - 1}")
            assert (end["node"], end["sni"]) == (home, name.removesuffix(".")), name
            row = run_router("route", "--config", router.config_path, "--sni", name)
            assert row.stdout.split()[1] == home, (name, row)
    assert len(homes) > 1
    records = [decode(record.proxy)[0]["tlvs"][AUTHORITY] for node in nodes
               for record in node.records]
    assert len(records) == count and not any(name.endswith(b".") for name in records)


def test_plan_accepts_server_names_in_any_form(recording_node, names, tmp_path):
    paths = []
    for n in (2, 3):
        made = config(recording_node(), {"certificates": [names["wildcard"].conf()]}, route_by="sni")
        made["clusters"][0]["nodes"] = [
            {"name": f"n{i}", "address": f"127.0.0.1:{1883 + i}"} for i in range(n)]
        (tmp_path / str(n)).mkdir()
        paths.append(write_config(made, tmp_path / str(n)))
    plain = [f"tenant-{i}.example" for i in range(60)]
    forms = [f"Tenant-{i}.Example." for i in range(60)]
    moved = []
    for ids in (plain, forms):
        (tmp_path / "ids").write_text("".join(name + "\n" for name in ids))
        result = run_router("plan", "--ids", tmp_path / "ids", *paths)
        assert result.returncode == 0, result
        moved.append([line.lower().replace(".\t", "\t") for line in result.stdout.splitlines()])
    assert moved[0] == moved[1] and 0 < len(moved[0]) < 60
