"""Expiry dates are logged in advance, exported as metrics, and reported by --check."""

import datetime

import pytest

import admin
from admin import with_admin
from authority import Authority
from harness import WAIT_LIMIT_S, one_cluster, run_router, wait_until, write_config
from test_client_certificates import is_accepted
from test_metrics import samples, scrape, value
from test_tls_listeners import client
from test_tls_files import device_context, put

pytestmark = pytest.mark.sanitized


def at(**span):
    """Return the current time plus this duration, rounded to the second."""
    now = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)
    return now + datetime.timedelta(**span)


def seconds(moment):
    return moment.timestamp()


@pytest.fixture(scope="module")
def server(authority):
    return authority.issue("expiry-server", sans=["DNS:localhost"], days=300)


def config(node, server, authority, *lists, **certificate):
    made = with_admin(one_cluster({"n": node.port}))
    tls = {"certificates": [server.conf(**certificate)]}
    if lists:
        tls |= {"client_auth": "require", "client_ca_file": str(authority.file),
                "client_crl_files": [str(one) for one in lists]}
    made["listeners"].append({"name": "mqtts", "address": "127.0.0.1:0", "cluster": "c",
                              "tls": tls})
    return made


@pytest.mark.parametrize("left, level", (
    ({"days": 30}, None), ({"days": 8}, None), ({"days": 6, "hours": 12}, "warn"),
    ({"hours": 12}, "error")), ids=lambda x: str(x))
def test_the_expiry_of_a_revocation_list_is_logged_in_advance(
        start_router, recording_node, authority, server, tmp_path, left, level):
    end = at(**left)
    crl = authority.crl(tmp_path / "list.crl", ends=end)
    router = start_router(config(recording_node(), server, authority, crl))
    found = samples(scrape(router))
    assert value(found, "crl_expires_timestamp_seconds", file=str(crl),
                 issuer="mqtt-router test CA") == seconds(end)
    if level is None:
        assert not router.find("crl.expires")
        return
    event = router.wait_event("crl.expires")
    assert event["level"] == level and event["days_left"] == left.get("days", 0)
    assert event["expired"] is False and event["file"] == str(crl)
    assert event["issuer"] == "mqtt-router test CA"
    assert event["next_update"] == end.strftime("%Y-%m-%dT%H:%M:%SZ")


def test_the_moment_a_revocation_list_expires_is_logged(
        start_router, recording_node, authority, server, tmp_path):
    """This test is slow, because the router checks expiry dates every 10 seconds."""
    crl = authority.crl(tmp_path / "list.crl", ends=at(seconds=WAIT_LIMIT_S))
    router = start_router(config(recording_node(), server, authority, crl))
    context = device_context(authority, authority.issue("expiry-device"))
    assert is_accepted(router, context, "before")
    event = router.wait_event("crl.expires", count=2, timeout_s=2 * WAIT_LIMIT_S + 30)
    assert event["level"] == "error" and event["expired"] is True and event["days_left"] == 0
    assert not is_accepted(router, context, "after")
    assert "CRL has expired" in router.session_end(reason="tls_failed")["detail"]
    authority.crl(crl, ends=at(days=20))
    wait_until(lambda: all(is_accepted(router, context, f"renewed-{i}") for i in range(4)),
               "the renewed list", WAIT_LIMIT_S + 30)
    assert len(router.find("crl.expires")) == 2


def test_only_the_latest_list_of_an_issuer_counts(
        start_router, recording_node, authority, server, tmp_path):
    old = authority.crl(tmp_path / "old.crl", ends=at(days=-1))
    new = authority.crl(tmp_path / "new.crl", ends=at(days=20))
    for lists in ((old, new), (new, old)):
        made = config(recording_node(), server, authority, *lists)
        router = start_router(made)
        named = [dict(labels)["file"] for (name, labels), _ in samples(scrape(router)).items()
                 if name == "mqtt_router_crl_expires_timestamp_seconds"]
        assert named == [str(new)] and not router.find("crl.expires")
        assert is_accepted(router, device_context(authority, authority.issue("expiry-latest")))


def test_the_expiry_of_an_ocsp_response_is_logged_in_advance(
        start_router, recording_node, authority, server, tmp_path):
    staple = authority.ocsp_response(server, tmp_path / "staple.der", days=5)
    router = start_router(config(recording_node(), server, authority,
                                 ocsp_response_file=str(staple)))
    event = router.wait_event("ocsp_response.expires")
    # Days are rounded down: 5 only in the second in which the certificate was created.
    assert event["level"] == "warn" and event["days_left"] in (4, 5) and event["expired"] is False
    assert event["file"] == str(staple) and event["certificate"] == "expiry-server"
    end = value(samples(scrape(router)), "ocsp_response_expires_timestamp_seconds",
                file=str(staple), subject="expiry-server")
    assert abs(end - seconds(at(days=5))) < 3600


def test_the_expiry_of_an_authority_is_logged_in_advance(
        start_router, recording_node, server, tmp_path):
    soon = Authority(tmp_path / "soon", name="soon over", days=5)
    router = start_router(config(recording_node(), server, soon, soon.crl(tmp_path / "soon.crl")))
    event = router.wait_event("certificate.expires", certificate="soon over")
    assert event["level"] == "error" and event["file"] == str(soon.file)
    kinds = {row["subject"]: row["kind"]
             for row in admin.get(router, "/api/v1/certificates")["certificates"]
             if row["file"] != str(soon.directory / "soon.crl")}
    assert kinds["expiry-server"] == "certificate"
    assert {"authority", "crl"} <= {
        row["kind"] for row in admin.get(router, "/api/v1/certificates")["certificates"]}


def test_a_reload_of_other_files_repeats_no_event(
        start_router, recording_node, authority, server, tmp_path):
    folder = tmp_path / "certs"
    put(folder, server)
    crl = authority.crl(tmp_path / "list.crl", ends=at(days=3))
    made = config(recording_node(), server, authority, crl)
    made["listeners"][1]["tls"]["certificates"] = [{
        "certificate_file": str(folder / "tls.crt"), "private_key_file": str(folder / "tls.key")}]
    router = start_router(made)
    router.wait_event("crl.expires")
    put(folder, authority.issue("expiry-other", days=300))
    router.wait_event("tls.reloaded", timeout_s=WAIT_LIMIT_S + 30)
    router.gauges()  # the main thread answers after the reload
    assert len(router.find("crl.expires")) == 1


@pytest.mark.parametrize("left, text", (
    ({"days": 3, "hours": 1}, "expires in 3 days"), ({"days": 20}, None),
    ({"hours": -1}, "EXPIRED less than a day ago"), ({"days": -1, "hours": -1}, "EXPIRED 1 day ago"),
    ({"days": -2, "hours": -1}, "EXPIRED 2 days ago")))
def test_status_shows_a_revocation_list_in_its_last_week_and_after(
        start_router, recording_node, authority, server, tmp_path, left, text):
    crl = authority.crl(tmp_path / "list.crl", ends=at(**left))
    router = start_router(config(recording_node(), server, authority, crl))
    host, port = admin.address(router)
    result = run_router("status", "--admin", f"{host}:{port}")
    lines = [line for line in result.stdout.splitlines() if str(crl) in line]
    assert len(lines) == (text is not None), result
    assert not text or (lines[0].startswith("CRL ") and lines[0].endswith(text)), lines


def check(made, tmp_path):
    """Return the exit code, and the warnings that contain a place in the file, without log events."""
    path = write_config(made, tmp_path)
    result = run_router("--check", "--config", path)
    lines = (result.stdout + result.stderr).splitlines()
    return result.returncode, [line for line in lines if line.startswith(f"warning: {path}:")]


def test_check_warns_of_expired_files_only(
        recording_node, authority, server, tmp_path):
    node = recording_node()
    good = authority.crl(tmp_path / "good.crl", ends=at(hours=1))
    assert check(config(node, server, authority, good), tmp_path) == (0, [])

    over = authority.crl(tmp_path / "over.crl", ends=at(minutes=-1))
    code, warnings = check(config(node, server, authority, over), tmp_path)
    assert code == 0 and len(warnings) == 1, warnings
    for word in ("listeners[1].tls.client_crl_files", str(over), "mqtt-router test CA",
                 "revocation list", "expired at"):
        assert word in warnings[0], warnings

    early = authority.crl(tmp_path / "early.crl", ends=at(days=50))
    code, warnings = check(config(node, server, authority, early), tmp_path)
    assert code == 0 and any("is not valid before" in line for line in warnings), warnings


def test_check_warns_of_expired_certificates_and_authorities(
        recording_node, authority, server, tmp_path):
    node = recording_node()
    gone = Authority(tmp_path / "gone", name="gone\x1b[2J\nerror: x")
    old = authority.issue("expiry-old", days=-1)
    crl = gone.crl(tmp_path / "gone.crl")
    gone.expire()
    made = config(node, server, gone, crl)
    made["listeners"][1]["tls"]["certificates"].append(old.conf())
    made["clusters"][0]["tls"] = {"ca_file": str(gone.file), "server_name": "node.example",
                                  **old.conf()}
    code, warnings = check(made, tmp_path)
    assert code == 0, warnings
    for words in (("listeners[1].tls.certificates", str(old.certificate), "expired at"),
                  ("listeners[1].tls.client_ca_file", str(gone.file), "authority"),
                  ("clusters[0].tls.ca_file", str(gone.file), "authority"),
                  ("clusters[0].tls.certificate_file", str(old.certificate))):
        assert [w for w in warnings if all(word in w for word in words)], (words, warnings)
    assert len(warnings) == 4, warnings
    assert len([w for w in warnings if r'"gone\u001b[2J\u000aerror: x"' in w]) == 2, warnings
