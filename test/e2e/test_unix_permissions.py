"""The files of Unix sockets: their permissions, and their removal."""

import grp
import os
import pwd
import signal
import socket
import stat
import subprocess

import pytest

import admin
import harness
import mqtt
from harness import one_cluster, wait_until

NOBODY, DAEMON = pwd.getpwnam("nobody"), grp.getgrnam("daemon")
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
UNIT = ("sh", "-c", 'umask 0077 && exec "$@"', "sh")  # as in the systemd unit


def rights(path):
    st = path.lstat()
    assert stat.S_ISSOCK(st.st_mode)
    return stat.S_IMODE(st.st_mode), st.st_uid, st.st_gid


@pytest.fixture
def made(recording_node):
    return one_cluster({"n": recording_node().port}, proxy_protocol="none")


def with_sockets(made, tmp_path, **keys):
    harness.add_listener(made, "extra", address=f"unix:{tmp_path}/mqtt.sock", **keys)
    return admin.with_admin(made, address=f"unix:{tmp_path}/admin.sock", **keys)


def files(tmp_path):
    return tmp_path / "mqtt.sock", tmp_path / "admin.sock"


@pytest.mark.sanitized
def test_the_mode_applies_whatever_the_umask(start_router, made, tmp_path):
    start_router(with_sockets(made, tmp_path, socket_mode="0666"), wrapper=UNIT)
    for path in files(tmp_path):
        assert rights(path)[0] == 0o666
    if os.geteuid() == 0:  # another user connects
        os.chmod(tmp_path, 0o755)
        for parent in tmp_path.parents:
            if parent.stat().st_mode & 0o005 != 0o005 and str(parent).startswith("/tmp/"):
                os.chmod(parent, 0o755)
        code = "import socket,sys; socket.socket(socket.AF_UNIX).connect(sys.argv[1])"
        subprocess.run(["setpriv", "--reuid", "nobody", "--clear-groups", "/usr/bin/python3", "-c", code,
                        str(tmp_path / "mqtt.sock")], check=True, timeout=harness.WAIT_LIMIT_S)


def test_without_keys_a_listener_follows_the_umask_and_admin_is_0660(start_router, made, tmp_path):
    start_router(with_sockets(made, tmp_path), wrapper=UNIT)
    listener, admin_file = files(tmp_path)
    assert rights(listener)[0] == 0o700 and rights(admin_file)[0] == 0o660


@needs_root
@pytest.mark.parametrize("user", (None, "nobody"))
def test_owner_and_group_are_set_before_privileges_are_dropped(start_router, made, tmp_path, user):
    if user:
        made["user"] = user
    start_router(with_sockets(made, tmp_path, socket_mode="660", socket_owner="daemon", socket_group="daemon"))
    for path in files(tmp_path):
        assert rights(path) == (0o660, pwd.getpwnam("daemon").pw_uid, DAEMON.gr_gid)


@needs_root
def test_with_a_group_alone_the_owner_is_the_user_of_the_router(start_router, made, tmp_path):
    made["user"] = "nobody"
    start_router(with_sockets(made, tmp_path, socket_mode="0660", socket_group=str(DAEMON.gr_gid)))
    for path in files(tmp_path):
        assert rights(path) == (0o660, NOBODY.pw_uid, DAEMON.gr_gid)


def test_a_reload_changes_only_the_permissions(start_router, made, tmp_path):
    router = start_router(with_sockets(made, tmp_path, socket_mode="0600"))
    before = [path.stat().st_ino for path in files(tmp_path)]
    for part in (made["listeners"][1], made["admin"]):
        part["socket_mode"] = "0666"
    router.reload(made)
    assert [rights(path)[0] for path in files(tmp_path)] == [0o666, 0o666]
    assert [path.stat().st_ino for path in files(tmp_path)] == before
    with mqtt.Device(str(tmp_path / "mqtt.sock")) as raw:
        assert raw.connect("dev") == (0, 0)
    router.wait_idle()


def test_a_reload_opens_a_new_socket_with_its_permissions(start_router, made, tmp_path):
    router = start_router(made, wrapper=UNIT)
    harness.add_listener(made, "extra", address=f"unix:{tmp_path}/mqtt.sock", socket_mode="0622",
                     socket_group=grp.getgrgid(os.getegid()).gr_name)
    router.reload(made)
    assert rights(tmp_path / "mqtt.sock") == (0o622, os.geteuid(), os.getegid())


@needs_root
def test_a_reload_that_cannot_change_the_owner_changes_nothing(start_router, made, tmp_path):
    made["user"] = "nobody"
    router = start_router(with_sockets(made, tmp_path, socket_mode="0600"))
    os.chmod(router.directory.name, 0o755)
    os.chmod(router.config_path, 0o644)
    before = [rights(path) for path in files(tmp_path)]
    made["listeners"][1].update(socket_owner="daemon", socket_mode="0666")
    router.reload(made, expect="reload.failed")
    assert "cannot change the permissions of unix:" in router.find("reload.fault")[-1]["error"]
    assert [rights(path) for path in files(tmp_path)] == before


@needs_root
def test_an_unknown_name_in_a_reload_is_an_error_inside_the_sandbox(start_router, made, tmp_path):
    router = start_router(with_sockets(made, tmp_path, socket_group="daemon"))
    made["listeners"][1]["socket_group"] = "no-such-group"
    router.reload(made, expect="reload.failed")
    assert "no such group" in router.find("reload.fault")[-1]["error"]
    made["listeners"][1]["socket_group"] = "adm"  # the group exists, but the router has dropped the capability
    router.reload(made, expect="reload.failed")
    assert "Operation not permitted: restart" in router.find("reload.fault")[-1]["error"]


@pytest.mark.sanitized
def test_an_exiting_router_keeps_the_socket_of_its_successor(
        start_router, made, tmp_path, recording_node):
    first = start_router(with_sockets(made, tmp_path))
    device = mqtt.Device(str(tmp_path / "mqtt.sock"))
    assert device.connect("dev") == (0, 0)
    for path in files(tmp_path):  # like a new router process that finds a stale socket
        path.unlink()
    second = start_router(with_sockets(one_cluster({"n": recording_node().port}, proxy_protocol="none"), tmp_path))
    device.close()
    first.process.send_signal(signal.SIGINT)
    assert first.process.wait(harness.WAIT_LIMIT_S) == 0
    with mqtt.Device(str(tmp_path / "mqtt.sock")) as raw:
        assert raw.connect("dev-2") == (0, 0)
    second.process.send_signal(signal.SIGINT)
    assert second.process.wait(harness.WAIT_LIMIT_S) == 0
    assert not any(path.exists() for path in files(tmp_path))


def test_a_removed_listener_keeps_the_socket_file_of_another_router(start_router, made, tmp_path):
    path = tmp_path / "mqtt.sock"
    harness.add_listener(made, "extra", address=f"unix:{path}")
    router = start_router(made)
    path.unlink()
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))
        made["listeners"].pop()
        router.reload(made)
        wait_until(lambda: router.find("listener.closed"), "the listener to close")
        assert path.exists()


@pytest.mark.parametrize("mode", ("660x", "66", "1777", "0888", "", 660, "rw-rw----"))
def test_a_mode_is_three_octal_digits(made, tmp_path, mode):
    harness.add_listener(made, "extra", address=f"unix:{tmp_path}/s", socket_mode=mode)
    done = harness.run_router("--check", "--config", harness.write_config(made, tmp_path))
    assert done.returncode == 1 and "listeners[1].socket_mode: must be permissions as three octal digits" in done.stderr


def test_permissions_without_a_unix_socket_cause_a_warning(made, tmp_path):
    made["listeners"][0]["socket_mode"] = "0660"
    admin.with_admin(made, socket_group="0")
    done = harness.run_router("--check", "--config", harness.write_config(made, tmp_path))
    assert done.returncode == 0 and done.stderr.count("no effect without a Unix socket") == 2
