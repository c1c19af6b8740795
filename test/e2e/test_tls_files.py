"""Renew TLS files in the same ways as common tools. A real client must get the new files."""

import itertools
import os
import pathlib
import shutil
import threading

import pytest

import mqtt
from admin import with_admin
from authority import Authority
from harness import WAIT_LIMIT_S, one_cluster, wait_until
from test_client_certificates import is_accepted
from test_metrics import samples, scrape, value
from test_tls_listeners import client, make_key, s_client, session_of
from test_upstream_tls import TlsNode, trusting

pytestmark = pytest.mark.sanitized
# The router compares the files every 10 seconds, even if inotify reports nothing.
COMPARED_S = WAIT_LIMIT_S + 30


@pytest.fixture(scope="module")
def generations(authority):
    """Certificates of a service. The common name of each is its number."""
    return [authority.issue(f"generation-{i}", cn=f"generation-{i}", sans=["DNS:localhost"])
            for i in range(4)]


def put(directory, issued, key_first=True):
    """Replace a certificate and its key like most tools: write a new file and rename it over the old one."""
    directory.mkdir(parents=True, exist_ok=True)
    files = [("tls.key", issued.key), ("tls.crt", issued.certificate)]
    for name, source in files if key_first else reversed(files):
        new = directory / f".{name}.new"
        shutil.copy(source, new)
        os.replace(new, directory / name)


def relink(link, target):
    """Change a symbolic link atomically."""
    new = link.with_name(link.name + ".new")
    new.symlink_to(target)
    os.replace(new, link)


class InPlace:
    """A directory whose files are replaced."""

    def __init__(self, top, issued):
        self.path = top / "certs"
        self.renew(issued, 0)

    def renew(self, issued, number):
        put(self.path, issued)


class Certbot:
    """live/NAME/tls.crt is a link to ../../archive/NAME/tls0.crt, tls1.crt and so on."""

    def __init__(self, top, issued):
        self.path = top / "live" / "router"
        self.archive = top / "archive" / "router"
        self.path.mkdir(parents=True)
        self.archive.mkdir(parents=True)
        self.renew(issued, 0)

    def renew(self, issued, number):
        for name, source in (("tls.key", issued.key), ("tls.crt", issued.certificate)):
            numbered = self.archive / name.replace(".", f"{number}.")
            shutil.copy(source, numbered)
            relink(self.path / name, pathlib.Path("../../archive/router") / numbered.name)


class LinkedFiles(Certbot):
    """The links stay; their targets are replaced."""

    def renew(self, issued, number):
        put(self.archive, issued)
        if number == 0:
            for name in ("tls.key", "tls.crt"):
                (self.path / name).symlink_to(pathlib.Path("../../archive/router") / name)


class Kubernetes:
    """A mounted secret: tls.crt -> ..data/tls.crt, and ..data points to a new directory each time."""

    def __init__(self, top, issued):
        self.path = self.mount = top / "mount"
        self.mount.mkdir()
        self.renew(issued, 0)
        for name in ("tls.key", "tls.crt"):
            (self.mount / name).symlink_to(pathlib.Path("..data") / name)

    def renew(self, issued, number):
        put(self.mount / f"..2026_{number}", issued)
        relink(self.mount / "..data", f"..2026_{number}")
        if number > 0:
            shutil.rmtree(self.mount / f"..2026_{number - 1}")


class KubernetesData(Kubernetes):
    """The path in the configuration contains ..data itself."""

    def __init__(self, top, issued):
        super().__init__(top, issued)
        self.path = self.mount / "..data"


class Release:
    """The directory is a link that points to one release after the other: current -> release-1."""

    def __init__(self, top, issued):
        self.top = top
        self.path = top / "current" / "certs"
        self.renew(issued, 0)

    def renew(self, issued, number):
        put(self.top / f"release-{number}" / "certs", issued)
        relink(self.top / "current", f"release-{number}")


class FarLink(Release):
    """A link in the middle of the path points to a link with an absolute target elsewhere."""

    def __init__(self, top, issued):
        (top / "elsewhere").mkdir()
        super().__init__(top / "elsewhere", issued)
        (top / "far").symlink_to(top / "elsewhere" / "current")
        self.path = top / "far" / "certs"


class RecreatedDirectory:
    """The directory is renamed, and a new directory gets its name."""

    def __init__(self, top, issued):
        self.path = top / "certs"
        put(self.path, issued)

    def renew(self, issued, number):
        put(self.path.with_name("fresh"), issued)
        self.path.rename(self.path.with_name(f"old-{number}"))
        self.path.with_name("fresh").rename(self.path)


class RemovedDirectory(RecreatedDirectory):
    """The directory is removed and created again. The certificate is written first."""

    def renew(self, issued, number):
        shutil.rmtree(self.path)
        put(self.path, issued, key_first=False)


class RecreatedParent(RecreatedDirectory):
    """The parent directory is replaced."""

    def __init__(self, top, issued):
        self.top = top
        self.path = top / "above" / "certs"
        put(self.path, issued)

    def renew(self, issued, number):
        put(self.top / "fresh" / "certs", issued)
        (self.top / "above").rename(self.top / f"old-{number}")
        (self.top / "fresh").rename(self.top / "above")


class HardLink:
    """The file is written through another hard link, outside the configured path."""

    def __init__(self, top, issued):
        self.path, self.other = top / "certs", top / "other"
        put(self.path, issued)
        self.other.mkdir()
        for name in ("tls.key", "tls.crt"):
            (self.other / name).hardlink_to(self.path / name)

    def renew(self, issued, number):
        for name, source in (("tls.key", issued.key), ("tls.crt", issued.certificate)):
            (self.other / name).write_bytes(source.read_bytes())


def fresh_id(ids=itertools.count()):
    """Return an unused client identifier: a client that reconnects too often is refused."""
    return f"dev-{next(ids)}"


LAYOUTS = (InPlace, Certbot, LinkedFiles, Kubernetes, KubernetesData, Release, FarLink, RecreatedDirectory,
           RemovedDirectory, RecreatedParent, HardLink)


def config(node, tls, **cluster):
    made = one_cluster({"n": node.port}, **cluster)
    made["listeners"].append({"name": "mqtts", "address": "127.0.0.1:0", "cluster": "c",
                              "tls": tls})
    return with_admin(made)


def from_folder(path):
    return {"certificates": [{"certificate_file": str(path / "tls.crt"),
                              "private_key_file": str(path / "tls.key")}]}


@pytest.fixture
def start(start_router, recording_node):
    def make(tls):
        router = start_router(config(recording_node(), tls))
        router.gauges()  # once this request is answered, the main thread watches the files
        return router
    return make


def served_cn(router, authority):
    """Return the common name of the certificate that a client gets."""
    with mqtt.Device(router.tls_port, tls=client(authority)) as device:
        subject = device.socket.getpeercert()["subject"]
        return dict(pair for rdn in subject for pair in rdn)["commonName"]


def all_serve(router, authority, issued, timeout_s=COMPARED_S):
    """Wait until both workers use this certificate; several clients are needed to reach both."""
    wait_until(lambda: {served_cn(router, authority) for _ in range(6)} == {issued.certificate.stem},
               f"{issued.certificate.stem}", timeout_s)


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.__name__)
def test_each_renewal_is_served(start, authority, generations, tmp_path, layout):
    made = layout(tmp_path, generations[0])
    router = start(from_folder(made.path))
    assert served_cn(router, authority) == "generation-0"
    for number in (1, 2, 3):
        made.renew(generations[number], number)
        all_serve(router, authority, generations[number])


class Writer(threading.Thread):
    """A thread that writes a file repeatedly, at intervals shorter than the router's quiet time."""

    def __init__(self, path, text):
        super().__init__(daemon=True)
        self.path, self.text, self.ended = path, text, threading.Event()

    def run(self):
        while not self.ended.wait(0.1):
            self.path.write_text(self.text)

    def close(self):
        self.ended.set()
        self.join()


def test_another_file_in_the_directory_does_not_delay_a_renewal(
        start, closing, authority, generations, tmp_path):
    put(tmp_path / "certs", generations[0])
    router = start(from_folder(tmp_path / "certs"))
    writer = closing(Writer(tmp_path / "certs" / "statistics", "changes all the time\n"))
    writer.start()
    put(tmp_path / "certs", generations[1])
    all_serve(router, authority, generations[1])


def test_a_constantly_changing_file_does_not_delay_a_renewal(
        start, closing, authority, generations, tmp_path):
    put(tmp_path / "certs", generations[0])
    keys = tmp_path / "certs" / "ticket.keys"
    keys.write_text(make_key() + "\n")
    router = start({**from_folder(tmp_path / "certs"), "session_tickets": {"key_file": str(keys)}})
    writer = closing(Writer(keys, make_key() + "\n"))
    writer.start()
    put(tmp_path / "certs", generations[1])
    all_serve(router, authority, generations[1])


def test_a_file_that_becomes_readable_is_loaded(start, authority, generations, tmp_path):
    put(tmp_path, generations[0])
    router = start(from_folder(tmp_path))
    (tmp_path / "tls.key").rename(tmp_path / "away")
    failed = router.wait_event("tls.reload_failed", timeout_s=COMPARED_S)
    assert "tls.key" in failed["error"]
    event = router.wait_event("tls.file_not_served", file=str(tmp_path / "tls.key"))
    assert event["modified"] == "missing" and event["served_modified"].endswith("Z")
    put(tmp_path, generations[1])
    all_serve(router, authority, generations[1])


def unserved(router):
    return value(samples(scrape(router)), "tls_files_not_served")


def test_a_certificate_without_its_key_is_reported_until_the_key_arrives(
        start, authority, generations, tmp_path):
    put(tmp_path, generations[0])
    router = start(from_folder(tmp_path))
    assert unserved(router) == 0
    shutil.copy(generations[1].certificate, tmp_path / "tls.crt")
    event = router.wait_event("tls.file_not_served", timeout_s=COMPARED_S)
    assert event["file"] == str(tmp_path / "tls.crt") and event["level"] == "warn"
    assert "tls.crt" in event["error"] and "tls.key" in event["error"], "both files are named"
    assert event["modified"].endswith("Z") and event["served_modified"].endswith("Z")
    assert unserved(router) == 1
    all_serve(router, authority, generations[0])
    shutil.copy(generations[1].key, tmp_path / "tls.key")
    all_serve(router, authority, generations[1])
    assert unserved(router) == 0
    assert len(router.find("tls.file_not_served")) == 1


# ---- every kind of file, at the second renewal of a mounted secret ------------------------------


class Secret:
    """A Kubernetes mount with arbitrary files. Their paths in the configuration contain ..data."""

    def __init__(self, top):
        self.top, self.number = top / "secret", 0
        self.top.mkdir()

    def renew(self, **files):
        """Replace the complete secret. In the names of the arguments, _ stands for the dot of a file name."""
        self.number += 1
        fresh = self.top / f"..2026_{self.number}"
        fresh.mkdir()
        for name, source in files.items():
            target = fresh / name.replace("_", ".")
            if isinstance(source, str):
                target.write_text(source)
            else:
                shutil.copy(source, target)
        relink(self.top / "..data", fresh.name)
        if self.number > 1:
            shutil.rmtree(self.top / f"..2026_{self.number - 1}")
        return self

    def path(self, name):
        return str(self.top / "..data" / name)


def device_context(authority, issued):
    made = client(authority)
    made.load_cert_chain(issued.certificate, issued.key)
    return made


def test_a_renewed_revocation_list_is_applied(start, authority, generations, tmp_path):
    first, second = authority.issue("revoked-first"), authority.issue("revoked-second")
    secret = Secret(tmp_path).renew(list_crl=authority.crl(tmp_path / "none.crl"))
    router = start({"certificates": [generations[0].conf()], "client_auth": "require",
                    "client_ca_file": str(authority.file),
                    "client_crl_files": [secret.path("list.crl")]})
    revoked = []
    for issued in (first, second):
        context = device_context(authority, issued)
        assert is_accepted(router, context, fresh_id())
        revoked.append(issued)
        secret.renew(list_crl=authority.crl(tmp_path / "some.crl", revoked=revoked))
        wait_until(lambda c=context: not any(is_accepted(router, c, fresh_id()) for _ in range(6)),
                   "the new list on every worker", COMPARED_S)


def test_a_renewed_authority_for_devices_is_applied(start, authority, generations, tmp_path):
    others = [Authority(tmp_path / f"other-{i}", name=f"other {i}") for i in range(2)]
    secret = Secret(tmp_path).renew(ca_pem=authority.file)
    router = start({"certificates": [generations[0].conf()], "client_auth": "require",
                    "client_ca_file": secret.path("ca.pem")})
    for other in others:
        context = device_context(authority, other.issue("device"))
        assert not is_accepted(router, context, fresh_id())
        secret.renew(ca_pem=other.file)
        wait_until(lambda c=context: all(is_accepted(router, c, fresh_id()) for _ in range(6)),
                   "the new authority on every worker", COMPARED_S)


def test_renewed_ticket_keys_are_used(start, authority, generations, tmp_path):
    secret = Secret(tmp_path).renew(ticket_keys=make_key() + "\n")
    router = start({"certificates": [generations[0].conf()],
                    "session_tickets": {"key_file": secret.path("ticket.keys")}})
    context = client(authority)
    for _ in range(2):
        session = session_of(router.tls_port, context, None, fresh_id())[1]
        assert session_of(router.tls_port, context, session, fresh_id())[0]
        secret.renew(ticket_keys=make_key() + "\n")
        wait_until(lambda s=session: not any(
            session_of(router.tls_port, context, s, fresh_id())[0] for _ in range(6)),
            "the new key on every worker", COMPARED_S)


def test_a_renewed_ocsp_response_is_stapled(start, authority, generations, tmp_path):
    issued = generations[0]

    def response(days):
        return authority.ocsp_response(issued, tmp_path / "response.der", days=days)
    secret = Secret(tmp_path).renew(response_der=response(3))
    router = start({"certificates": [
        issued.conf(ocsp_response_file=secret.path("response.der"))]})

    def next_update():
        output = s_client(router.tls_port, "-status").stdout
        return next(line.strip() for line in output.splitlines() if "Next Update" in line)
    seen = {next_update()}
    for days in (5, 9):
        secret.renew(response_der=response(days))
        wait_until(lambda: not {next_update() for _ in range(6)} & seen,
                   "the new response on every worker", COMPARED_S)
        seen.add(next_update())


def test_a_renewed_authority_for_nodes_is_applied(
        start_router, device, closing, authority, tmp_path):
    others = [Authority(tmp_path / f"nodes-{i}", name=f"nodes {i}") for i in range(2)]
    node = closing(TlsNode(others[0].issue("node", cn="node.example", sans=["DNS:node.example"]),
                           proxy=False))
    secret = Secret(tmp_path).renew(ca_pem=authority.file)
    router = start_router(one_cluster(
        {"n": node.port}, tls={**trusting(authority), "ca_file": secret.path("ca.pem")},
        proxy_protocol="none", passive=False))
    router.gauges()

    def accepted():
        with mqtt.Device(router.port) as one:
            try:
                return one.connect(fresh_id()) == (0, 0)
            except (ConnectionError, EOFError):
                return False
    assert not accepted()
    for other in (others[1], others[0]):
        secret.renew(ca_pem=other.file)
        router.wait_event("tls.reloaded", count=secret.number - 1, timeout_s=COMPARED_S)
    wait_until(lambda: all(accepted() for _ in range(4)), "the new authority", COMPARED_S)
