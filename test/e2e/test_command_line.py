"""Commands, arguments and exit codes: 0: success, 1: wrong configuration or failed start, 2: wrong usage."""

import base64
import json
import re
import shutil
import signal
import subprocess

import pytest

from harness import BINARY, WAIT_LIMIT_S, ROOT, free_port, one_cluster, run_router

pytestmark = [pytest.mark.sanitized, pytest.mark.one_thread]
SHIPPED = sorted(path for path in [*ROOT.glob("config/*.json"), ROOT / "docker" / "compose.json"]
                 if "clusters" in json.loads(path.read_text()))  # other files are dashboards


def check(tmp_path, text):
    path = tmp_path / "config.json"
    path.write_text(text if isinstance(text, str) else json.dumps(text, indent=2))
    result = run_router("--check", "--config", path)
    return result.returncode, result.stdout + result.stderr


@pytest.fixture(scope="module")
def secrets(authority, tmp_path_factory):
    """Return a directory that contains every file named in a shipped configuration."""
    directory = tmp_path_factory.mktemp("shipped")
    server = authority.issue("server", sans=["DNS:localhost"])
    router = authority.issue("router")
    for issued, name in ((server, "server"), (router, "router")):
        shutil.copy(issued.certificate, directory / f"{name}.pem")
        shutil.copy(issued.key, directory / f"{name}.key")
        (directory / f"{name}.passphrase").write_text("of a key that is not encrypted\n")
    shutil.copy(authority.file, directory / "ca.pem")
    authority.crl(directory / "ca.crl")
    authority.ocsp_response(server, directory / "server.ocsp")
    for name in ("token", "admin.token"):
        (directory / name).write_text("sixteen-bytes-or-more\n")
    (directory / "check.password").write_text("secret\n")
    (directory / "ticket.keys").write_text(base64.b64encode(bytes(range(80))).decode() + "\n")
    return directory


@pytest.mark.parametrize("path", SHIPPED, ids=lambda p: p.name)
def test_a_shipped_configuration_is_valid(path, secrets):
    """Each is checked unchanged, with generated files, but without the host's accounts and addresses."""
    names = "|".join(re.escape(p.name) for p in secrets.iterdir())
    copy = secrets / path.name
    made = json.loads(re.sub(rf'"[^"]*/({names})"', r'"\1"', path.read_text()))
    for key in ("user", "group"):
        made.pop(key, None)
    for cluster in made["clusters"]:
        if "source_addresses" in cluster:
            cluster["source_addresses"] = ["127.0.0.2", "127.0.0.3"]
    for part in (*made["listeners"], made.get("admin") or {}):
        for key in ("socket_owner", "socket_group"):
            if key in part:
                part[key] = "0"
    if made.get("log", {}).get("file"):
        made["log"]["file"] = "router.log"
    copy.write_text(json.dumps(made))
    result = run_router("--check", "--config", copy)
    assert result.returncode == 0, result.stdout + result.stderr


def test_the_listeners_of_the_how_tos_are_shipped():
    shipped = {p.name: json.loads(p.read_text()) for p in SHIPPED}
    mtls, = shipped["mtls.json"]["listeners"]
    assert mtls["tls"]["client_auth"] == "require" and mtls["identity"]
    assert any("websocket" in listener and "tls" in listener for listener in shipped["websocket.json"]["listeners"])
    assert any(listener.get("accept_proxy_protocol") and listener["trusted_proxies"]
               for listener in shipped["behind-balancer.json"]["listeners"])


def test_the_configuration_of_the_first_issue_is_valid():
    assert {"emqx-cluster.json", "compose.json"} <= {p.name for p in SHIPPED}
    cluster = json.loads((ROOT / "config" / "emqx-cluster.json").read_text())
    addresses = {n["address"] for c in cluster["clusters"] for n in c["nodes"]}
    assert {"192.168.0.2:1883", "192.168.0.3:1883"} <= addresses
    ports = {listener["address"].rsplit(":", 1)[1] for listener in cluster["listeners"]}
    assert {"1883", "8883"} <= ports


def test_check_reports_all_errors_together(tmp_path):
    config = one_cluster({"n": 1883})
    config["listeners"][0]["adress"] = "127.0.0.1:1"
    config["clusters"][0]["nodes"][0]["weight"] = "heavy"
    config["clusters"][0]["route_by"] = "clientid"
    config["timeouts"] = {"dial_ms": 1}
    code, output = check(tmp_path, config)
    assert code == 1
    for word in ("adress", "weight", "route_by", "dial_ms"):
        lines = [line for line in output.splitlines() if word in line]
        assert lines, f"nothing about {word} in:\n{output}"
        assert any(f"config.json:{n}:" in lines[0] for n in range(1, 60)), lines
    assert "address" in output  # the suggested key
    assert "client_id" in output


@pytest.mark.parametrize("text", ("", "{", "[]", "null", '{"listeners": []}', "\xff", "{}",
                                  '{"listeners": 1, "clusters": 2}', "{" * 100_000))
def test_any_broken_file_gets_an_error_message(tmp_path, text):
    code, output = check(tmp_path, text)
    assert code == 1 and "config.json" in output


def test_a_missing_file_is_reported(tmp_path):
    result = run_router("--check", "--config", tmp_path / "nowhere.json")
    assert result.returncode == 1 and "nowhere.json" in result.stdout + result.stderr


def test_version_and_help_are_printed():
    version = run_router("--version")
    assert version.returncode == 0 and "mqtt-router" in version.stdout and "0." in version.stdout
    usage = run_router("--help")
    assert usage.returncode == 0
    for word in ("--config", "--check", "route", "--client-id", "--username", "--source-ip", "--version"):
        assert word in usage.stdout


@pytest.mark.parametrize("arguments", (
    (), ("--nonsense",), ("--config",), ("route",), ("fly",), ("--check",),
    ("route", "--config", "config/emqx-cluster.json"), ("--config", "a", "b")))
def test_wrong_usage_exits_with_2(arguments):
    result = subprocess.run([BINARY, *arguments], cwd=ROOT, capture_output=True, text=True,
                            timeout=WAIT_LIMIT_S, check=False)
    assert result.returncode == 2, result
    assert result.stderr, "an explanation"


def start_and_end(tmp_path, config):
    path = tmp_path / "config.json"
    path.write_text(json.dumps(config))
    result = run_router("--config", path)
    return result.returncode, result.stdout + result.stderr


def test_an_address_in_use_is_a_start_error(tmp_path, recording_node):
    taken = recording_node()
    code, output = start_and_end(tmp_path, one_cluster({"n": 1}, address=taken.address))
    assert code == 1 and taken.address in output


def test_a_certificate_that_cannot_be_loaded_is_a_start_error(tmp_path, certificates):
    config = one_cluster({"n": 1}, tls_dir=certificates)
    certificate = config["listeners"][1]["tls"]["certificates"][0]
    for key, value in (("certificate_file", "nowhere.pem"),
                       ("private_key_file", str(certificates / "ca.pem"))):
        broken = json.loads(json.dumps(config))
        broken["listeners"][1]["tls"]["certificates"][0] = {**certificate, key: value}
        code, output = start_and_end(tmp_path, broken)
        assert code == 1 and value.rsplit("/", 1)[-1] in output


def test_relative_paths_start_at_the_directory_of_the_file(start_router, certificates, tmp_path):
    config = one_cluster({"n": 1}, tls_dir=certificates)
    config["listeners"][1]["tls"]["certificates"][0] = {
        "certificate_file": "server.pem", "private_key_file": "server.key"}
    path = certificates / "relative.json"
    path.write_text(json.dumps(config))
    process = subprocess.Popen([BINARY, "--config", str(path)], cwd=tmp_path,
                               stdout=subprocess.PIPE, text=True)
    try:
        for line in process.stdout:
            if "router.ready" in line:
                break
        else:
            pytest.fail("the router did not become ready")
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=WAIT_LIMIT_S)
    assert process.returncode == 0


def test_a_low_open_file_limit_causes_a_warning(tmp_path):
    config = one_cluster({"n": 1}, address=f"127.0.0.1:{free_port()}")
    config["limits"] = {"max_connections": 5_000_000}
    path = tmp_path / "config.json"
    path.write_text(json.dumps(config))
    process = subprocess.Popen([BINARY, "--config", str(path)], stdout=subprocess.PIPE, text=True)
    lines = []
    try:
        for line in process.stdout:
            lines.append(line)
            if "router.ready" in line:
                break
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=WAIT_LIMIT_S)
    warnings = [line for line in lines if '"warn"' in line]
    assert any("open files" in line.lower() or "nofile" in line.lower() for line in warnings), lines
