"""All small files follow the same rules: the router reads only regular files, and does not block."""

import json
import os
import signal
import subprocess

import pytest

import admin
import harness
from harness import BINARY, WAIT_LIMIT_S, one_cluster, run_router, wait_until, write_config

pytestmark = [pytest.mark.sanitized, pytest.mark.one_thread]
CHECK = {"type": "mqtt", "username": "u"}
KEYS = {"password": "clusters[0].health_check.password_file", "token": "admin.token_file",
        "passphrase": "listeners[1].tls.certificates[0]", "tickets": "listeners[1].tls.session_tickets.key_file",
        "certificate": "listeners[1].tls.certificates[0]", "key": "listeners[1].tls.certificates[0]",
        "ocsp": "listeners[1].tls.certificates[0]", "ca": "clusters[0].tls"}


def with_file(what, path, tmp_path, port=1):
    """Return a valid configuration that reads `path` for this purpose."""
    made = one_cluster({"n": port}, proxy_protocol="none")
    if what == "token":
        return admin.with_admin(made, token_file=str(path))
    if what == "password":
        made["clusters"][0]["health_check"] = {**CHECK, "password_file": str(path)}
        return made
    if what == "ca":
        made["clusters"][0]["tls"] = {"ca_file": str(path)}
        return made
    harness.make_certificates(tmp_path)
    harness.add_listener(made, "mqtts", tmp_path)
    tls = made["listeners"][1]["tls"]
    key = {"passphrase": "private_key_passphrase_file", "certificate": "certificate_file",
           "key": "private_key_file", "ocsp": "ocsp_response_file"}.get(what)
    if key:
        tls["certificates"][0][key] = str(path)
    else:
        tls["session_tickets"] = {"key_file": str(path)}
    return made


def fifo(path):
    os.mkfifo(path)
    return "a FIFO"


def folder(path):
    path.mkdir()
    return "a directory"


def device(path):
    path.symlink_to("/dev/zero")
    return "a device"


@pytest.mark.parametrize("make", (fifo, folder, device))
@pytest.mark.parametrize("what", KEYS)
def test_a_path_that_is_not_a_regular_file_fails_check_and_start(tmp_path, what, make):
    path = tmp_path / "odd"
    word = make(path)
    config = write_config(with_file(what, path, tmp_path), tmp_path)
    for arguments in (("--check",), ()):
        result = run_router("--config", config, *arguments)
        assert result.returncode == 1, (arguments, result)
        [line] = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
        assert KEYS[what] in line and f"{path}: " in line, line
        assert f"must be a regular file, not {word}" in line, line


@pytest.mark.parametrize("what", ("password", "token", "passphrase"))
@pytest.mark.parametrize("content, rule", (
    (b"\xef\xbb\xbfa secret of one line\n", "starts with a byte order mark"),
    ("a secret of one line\n".encode("utf-16"), "starts with a byte order mark"),
    (b"a-secret-of-two\rlines\n", "must not contain a carriage return"),
    (b"\r\n", "must not be empty"), (b"", "must not be empty"),
    (b"a-secret-with\0a-nul\n", "must not contain a NUL byte"), (b"x" * 70000, "must be at most ")), ids=range(7))
def test_every_secret_file_follows_the_same_rules(tmp_path, what, content, rule):
    path = tmp_path / "secret"
    path.write_bytes(content)
    config = write_config(with_file(what, path, tmp_path), tmp_path)
    result = run_router("--config", config, "--check")
    assert result.returncode == 1
    [line] = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert KEYS[what] in line and f"{path}: " in line and rule in line, line


def test_a_reload_rejects_a_fifo_without_waiting_for_it(start_router, recording_node, tmp_path):
    path = tmp_path / "password"
    path.write_bytes(b"secret\r\n")
    router = start_router(with_file("password", path, tmp_path, recording_node().port))
    path.unlink()
    os.mkfifo(path)
    router.process.send_signal(signal.SIGHUP)
    assert "must be a regular file, not a FIFO" in router.wait_event("reload.fault")["error"]
    router.wait_event("reload.failed")
    router.config_path.unlink()
    os.mkfifo(router.config_path)
    router.process.send_signal(signal.SIGHUP)
    router.wait_event("reload.failed", count=2)
    assert "must be a regular file, not a FIFO" in router.find("reload.fault")[-1]["error"]


def test_a_configuration_may_come_from_a_pipe(tmp_path):
    made = json.dumps(one_cluster({"n": 1}))
    command = 'printf "%s" "$1" | "$0" --check --config /dev/stdin && "$0" --check --config <(printf "%s" "$1")'
    result = subprocess.run(["bash", "-c", command, BINARY, made], capture_output=True, text=True,
                            timeout=WAIT_LIMIT_S, check=False)
    assert result.returncode == 0, result
    assert "/dev/stdin: good" in result.stdout


def test_a_configuration_fifo_without_a_writer_is_an_error(tmp_path):
    path = tmp_path / "config.json"
    os.mkfifo(path)
    result = run_router("--check", "--config", path)
    assert result.returncode == 1 and "no data from the pipe for 5 seconds" in result.stderr


@pytest.mark.parametrize("content, rule", (
    (b"\xef\xbb\xbf{}", "starts with a byte order mark"), ("{}".encode("utf-16"), "starts with a byte order mark"),
    (b" " * (16 << 20) + b"{}", "must be at most 16777216 bytes long")), ids=range(3))
def test_a_configuration_follows_the_rules_for_small_files(tmp_path, content, rule):
    path = tmp_path / "config.json"
    path.write_bytes(content)
    result = run_router("--check", "--config", path)
    assert result.returncode == 1 and f"error: {path}: cannot read the file: {rule}" in result.stderr


def test_a_token_for_a_command_may_come_from_a_pipe(start_router, recording_node, tmp_path):
    token = tmp_path / "token"
    token.write_text("a-token-of-one-line\n")
    token.chmod(0o600)
    router = start_router(with_file("token", token, tmp_path, recording_node().port))
    address = "%s:%d" % admin.address(router)
    command = 'exec "$0" status --admin "$1" --token-file <(printf "a-token-of-one-line\\r\\n")'
    wait_until(lambda: subprocess.run(["bash", "-c", command, BINARY, address], capture_output=True,
                                      timeout=WAIT_LIMIT_S, check=False).returncode == 0, "an answer")


def test_ids_with_a_byte_order_mark_are_rejected(tmp_path):
    config = write_config(one_cluster({"n": 1}), tmp_path)
    result = subprocess.run([BINARY, "plan", config, config, "--ids", "-"], input=b"\xef\xbb\xbfdev-1\n",
                            capture_output=True, timeout=WAIT_LIMIT_S, check=False)
    assert result.returncode == 1 and b"starts with a byte order mark" in result.stderr
