"""`--check` accepts and rejects the same configurations as a start, and changes nothing."""

import json
import os
import pathlib
import pwd
import resource
import shutil
import socket
import subprocess
import tempfile

import pytest

import admin
import harness
import mqtt
from harness import BINARY, WAIT_LIMIT_S, one_cluster, run_router, wait_until, write_config

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
not_root = ("setpriv", "--reuid", "nobody", "--regid", "nogroup", "--clear-groups")


@pytest.fixture
def made():
    return one_cluster({"n": 1}, proxy_protocol="none")


def both(config, wrapper=()):
    """Run --check and a start with the same configuration. Return (exit code, errors) of both."""
    for arguments in (("--check",), ()):
        done = subprocess.run([*wrapper, BINARY, "--config", str(config), *arguments], capture_output=True,
                              text=True, timeout=WAIT_LIMIT_S, check=False)
        yield done.returncode, [line for line in done.stderr.splitlines() if line.startswith("error: ")]


def folder_of_log(made, tmp_path):
    made["log"] = {"target": "file", "file": str(tmp_path / "none" / "router.log")}
    return "log.file", "No such file or directory"


def log_that_is_a_folder(made, tmp_path):
    made["log"] = {"target": "file", "file": str(tmp_path)}
    return "log.file", "Is a directory"


def log_with_two_names(made, tmp_path):
    (tmp_path / "a.log").write_text("")
    os.link(tmp_path / "a.log", tmp_path / "b.log")
    made["log"] = {"target": "file", "file": str(tmp_path / "a.log")}
    return "log.file", "Too many links"


def password(made, tmp_path):
    made["clusters"][0]["health_check"] = {"type": "mqtt", "username": "u", "password_file": "none"}
    return "clusters[0].health_check.password_file", "No such file or directory"


def source_address(made, tmp_path):
    made["clusters"][0]["source_addresses"] = ["198.51.100.77"]
    return "clusters[0].source_addresses[0]", "Cannot assign requested address"


def user(made, tmp_path):
    made["user"] = "no-such-user"
    return "user", "no such user"


def group(made, tmp_path):
    made["group"] = "no-such-group"
    return "group", "no such group"


def socket_owner(made, tmp_path):
    harness.add_listener(made, "extra", address=f"unix:{tmp_path}/s", socket_owner="no-such-user")
    return "listeners[1].socket_owner", "no such user"


def admin_socket_group(made, tmp_path):
    admin.with_admin(made, address=f"unix:{tmp_path}/s", socket_group="no-such-group")
    return "admin.socket_group", "no such group"


@pytest.mark.parametrize("break_it", (folder_of_log, log_that_is_a_folder, log_with_two_names, password,
                                      source_address, user, group, socket_owner, admin_socket_group))
def test_check_rejects_what_a_start_rejects_with_the_same_line(made, tmp_path, break_it):
    key, rule = break_it(made, tmp_path)
    config = write_config(made, tmp_path)
    (code, errors), started = both(config)
    assert (code, errors) == started and code == 1
    [line] = errors
    number = int(line.split(":")[2])
    assert f"{config}:{number}: {key}: " in line and rule in line
    around = config.read_text().splitlines()[number - 2:number]
    assert key.split(".")[-1].split("[")[0] in "".join(around)


@pytest.mark.parametrize("address, rule", (
    ("198.51.100.77:0", "Cannot assign requested address"), ("unix:none/s", "No such file or directory"),
    ("unix:config.json", "the path exists and is not a socket")))
def test_check_and_start_reject_an_address_that_cannot_be_bound(made, tmp_path, address, rule):
    harness.add_listener(made, "extra", address=address)
    config = write_config(made, tmp_path)
    (code, errors), started = both(config)
    assert (code, errors) == started and code == 1
    assert "listener extra: cannot listen on" in errors[0] and errors[0].endswith(rule)
    if "unix" not in address:
        return  # reachable from other hosts: a token is required
    made["listeners"].pop()
    config = write_config(admin.with_admin(made, address=address), tmp_path)
    (code, errors), started = both(config)
    assert (code, errors) == started and code == 1 and "admin.address: cannot listen on" in errors[0]


@needs_root
def test_check_rejects_a_user_that_cannot_start_the_router(made, tmp_path):
    made["user"] = "daemon"
    directory = tmp_path / "open"
    directory.mkdir()
    config = write_config(made, directory)
    harness.open_to_all(directory)
    (code, errors), started = both(config, not_root)
    assert (code, errors) == started and code == 1 and "only root can switch" in errors[0]


def test_all_errors_are_reported_together(made, tmp_path):
    keys = [fault(made, tmp_path)[0] for fault in (folder_of_log, password, source_address, user, socket_owner)]
    errors = next(both(write_config(made, tmp_path)))[1]
    assert len(errors) == len(keys) and all(any(f": {key}: " in line for line in errors) for key in keys), errors


def few_files():
    resource.setrlimit(resource.RLIMIT_NOFILE, (200, 200))


def test_check_prints_the_warnings_that_a_start_logs(made, tmp_path):
    made["limits"] = {"max_connections": 100000}
    made["listeners"][0]["backlog"] = 65535
    config = write_config(made, tmp_path)
    done = subprocess.run([BINARY, "--config", str(config), "--check"], capture_output=True, text=True,
                          timeout=WAIT_LIMIT_S, check=False, preexec_fn=few_files)
    assert done.returncode == 0 and f"{config}: good" in done.stdout
    warnings = [line for line in done.stderr.splitlines() if line.startswith("warning: ")]
    assert any("host.limit" in line and "RLIMIT_NOFILE" in line for line in warnings), done.stderr
    if os.geteuid() == 0:
        assert any("host.root" in line for line in warnings)
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] != 200


def listing(folder):
    return {p.name: (p.lstat().st_ino, p.lstat().st_mtime_ns, p.lstat().st_mode, p.lstat().st_uid, p.lstat().st_size)
            for p in folder.iterdir()}


def test_check_does_not_disturb_a_running_router(start_router, recording_node, device, tmp_path):
    made = one_cluster({"n": recording_node().port}, proxy_protocol="none")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    made["listeners"][0]["address"] = f"127.0.0.1:{port}"
    harness.add_listener(made, "extra", address=f"unix:{tmp_path}/mqtt.sock", socket_mode="0600")
    admin.with_admin(made, address=f"unix:{tmp_path}/admin.sock")
    router = start_router(made)
    before = listing(tmp_path)
    copy = tmp_path.parent / f"{tmp_path.name}.json"
    shutil.copy(router.config_path, copy)
    for _ in range(3):
        done = run_router("--config", copy, "--check")
        assert done.returncode == 0, done
        for address in (f"127.0.0.1:{port}", f"unix:{tmp_path}/mqtt.sock", f"unix:{tmp_path}/admin.sock"):
            assert f"{address} is in use" in done.stderr
        assert device(router).connect("dev") == (0, 0)
    assert listing(tmp_path) == before
    with mqtt.Device(f"{tmp_path}/mqtt.sock") as raw:
        assert raw.connect("dev-2") == (0, 0)


def foreign_owner(made, folder):
    harness.add_listener(made, "extra", address=f"unix:{folder}/s", socket_owner="root")


def foreign_group(made, folder):
    harness.add_listener(made, "extra", address=f"unix:{folder}/s", socket_group="root")


def foreign_owner_of_admin(made, folder):
    admin.with_admin(made, address=f"unix:{folder}/s", socket_owner="root")


def foreign_stale_file_in_a_sticky_folder(made, folder):
    os.chmod(folder, 0o1777)
    with socket.socket(socket.AF_UNIX) as left_behind:
        left_behind.bind(f"{folder}/s")
    harness.add_listener(made, "extra", address=f"unix:{folder}/s")


@needs_root
@pytest.mark.parametrize("break_it", (foreign_owner, foreign_group, foreign_owner_of_admin,
                                      foreign_stale_file_in_a_sticky_folder))
def test_check_and_start_reject_a_unix_socket_that_only_root_can_create(made, tmp_path, break_it):
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o777)
        break_it(made, folder)
        config = write_config(made, pathlib.Path(folder))
        os.chmod(config, 0o644)
        (code, errors), started = both(config, not_root)
    assert (code, errors) == started and code == 1
    [line] = errors
    assert "cannot listen on" in line and line.endswith("Operation not permitted")


def test_check_creates_and_changes_no_file(made, tmp_path):
    log = tmp_path / "router.log"
    made["log"] = {"target": "file", "file": str(log)}
    harness.add_listener(made, "extra", address=f"unix:{tmp_path}/s")
    stale = tmp_path / "stale"
    with socket.socket(socket.AF_UNIX) as left_behind:
        left_behind.bind(str(stale))
    harness.add_listener(made, "other", address=f"unix:{stale}")
    config = write_config(made, tmp_path)
    before = listing(tmp_path)
    assert run_router("--config", config, "--check").returncode == 0
    assert listing(tmp_path) == before and not log.exists()
    log.write_text("kept\n")
    assert run_router("--config", config, "--check").returncode == 0
    assert log.read_text() == "kept\n"


@needs_root
def test_check_of_a_configuration_with_a_user_changes_no_owner(made, tmp_path):
    made["user"] = "nobody"
    harness.add_listener(made, "extra", address=f"unix:{tmp_path}/s")
    config = write_config(made, tmp_path)
    os.chmod(tmp_path, 0o755)
    before = listing(tmp_path)
    done = run_router("--config", config, "--check")
    assert done.returncode == 0 and "host.unwritable" in done.stderr, done
    assert listing(tmp_path) == before and pwd.getpwnam("nobody").pw_uid not in {s[3] for s in before.values()}


def test_a_reload_rejects_what_check_rejects(start_router, recording_node, tmp_path):
    made = one_cluster({"n": recording_node().port}, proxy_protocol="none")
    router = start_router(made)
    broken = json.loads(json.dumps(made))
    keys = [fault(broken, tmp_path)[0] for fault in (password, source_address, socket_owner)]
    router.reload(broken, expect="reload.failed")
    faults = [str(e["error"]) for e in router.find("reload.fault")]
    for key in keys:
        assert sum(f": {key}: " in fault and pathlib.Path(router.config_path).name in fault
                   for fault in faults) == 1, faults
    wait_until(lambda: router.process.poll() is None, "the router to continue")
