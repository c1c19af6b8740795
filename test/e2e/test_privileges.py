"""The router drops its privileges after it has opened its listeners; reloads work without them."""

import copy
import os
import pathlib
import pwd
import random
import re
import socket
import subprocess

import pytest

import harness
import mqtt
from harness import one_cluster, wait_until

NOBODY = pwd.getpwnam("nobody")
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
no_sandbox = pytest.mark.skipif(harness.SANITIZED, reason="builds with sanitizers have no sandbox")
FREE_PORTS = int(pathlib.Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text())
# Only the owner can enter a directory made by tempfile. "$3" is the configuration.
AS_NOBODY = ("sh", "-c", 'chmod 755 "${3%/*}" && exec setpriv --reuid nobody --regid '
             f'{NOBODY.pw_gid} --clear-groups "$@"', "sh")


def threads(pid):
    """Return the status of every thread: {"Uid": "0\t0\t0\t0", ...}."""
    tasks = sorted(os.listdir(f"/proc/{pid}/task"), key=int)
    if harness.BUILD == "tsan":
        del tasks[1]  # a thread of ThreadSanitizer, started before the drop
    for task in tasks:
        lines = pathlib.Path(f"/proc/{pid}/task/{task}/status").read_text().splitlines()
        yield dict(line.split(":\t", 1) for line in lines if ":\t" in line)


def expect_threads(router, sandbox=True, uid=None, bounding=True):
    """Check that no thread has capabilities, and that each thread has the sandbox if expected."""
    all_of_them = list(threads(router.pid))
    assert len(all_of_them) == 3  # the main thread and two workers
    for status in all_of_them:
        for which in ("Inh", "Prm", "Eff", "Amb") + (("Bnd",) if bounding else ()):
            assert int(status["Cap" + which], 16) == 0, which
        assert status["NoNewPrivs"] == "1"
        assert status["Seccomp"] == ("2" if sandbox and not harness.SANITIZED else "0")
        if uid is not None:
            assert status["Uid"].split() == [str(uid)] * 4
    return all_of_them


def make_readable(router):
    """Make the files of a reload readable for every user."""
    os.chmod(router.directory.name, 0o755)


def serves(router, device, client_id="dev"):
    return device(router).connect(client_id) == (0, 0)


def low_port():
    while True:
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", random.randrange(600, 1024)))
                return s.getsockname()[1]
            except OSError:
                continue


@pytest.fixture
def made(recording_node):
    return one_cluster({"n": recording_node().port}, proxy_protocol="none")


@pytest.fixture
def readable_dir(tmp_path_factory):
    """Make a directory with certificates that every user can read."""
    directory = tmp_path_factory.mktemp("readable_dir")
    harness.make_certificates(directory)
    harness.open_to_all(directory, *directory.iterdir())
    return directory


# -- dropped privileges ---------------------------------------------------------------------------

@needs_root
@pytest.mark.sanitized
def test_every_thread_switches_to_the_user_and_drops_all_capabilities(
        start_router, made, device, readable_dir):
    made.update(user="nobody")
    made["listeners"][0]["address"] = f"127.0.0.1:{low_port()}"
    harness.add_listener(made, "mqtts", readable_dir)
    router = start_router(made)
    for status in expect_threads(router, uid=NOBODY.pw_uid):
        assert status["Gid"].split() == [str(NOBODY.pw_gid)] * 4
        assert status["Groups"].split() in ([], [str(NOBODY.pw_gid)])
    assert serves(router, device) and serves(router, lambda r: device(r, tls=mqtt.tls_context(readable_dir)))
    make_readable(router)
    router.reload(made)
    assert serves(router, device, "dev-2")
    assert serves(router, lambda r: device(r, tls=mqtt.tls_context(readable_dir)), "dev-3")


@needs_root
def test_user_and_group_may_be_numbers_without_a_name(start_router, made):
    made.update(user="54321", group="12345")
    for status in expect_threads(start_router(made), uid=54321):
        assert status["Gid"].split() == ["12345"] * 4
        assert status["Groups"].split() == ["12345"]


@needs_root
def test_root_without_a_user_drops_capabilities_and_logs_a_warning(
        start_router, made, device):
    router = start_router(made)
    expect_threads(router, uid=0)
    assert "user" in router.wait_event("host.root")["cure"]
    router.reload(made)
    assert serves(router, device)


@needs_root
@pytest.mark.sanitized
def test_a_user_other_than_root_drops_its_capabilities(start_router, made, device):
    router = start_router(made, wrapper=AS_NOBODY)
    expect_threads(router, uid=NOBODY.pw_uid, bounding=False)
    assert not router.find("host.root") and not router.find("host.unreadable")
    router.reload()
    assert serves(router, device)


@no_sandbox
def test_without_the_sandbox_there_is_no_filter(start_router, made):
    made["sandbox"] = False
    router = start_router(made)
    expect_threads(router, sandbox=False, bounding=False)
    assert not router.find("sandbox.unavailable")


@no_sandbox
def test_a_kernel_without_seccomp_causes_a_warning(start_router, made, device, tmp_path):
    """strace makes the call fail, as container hosts that deny it do."""
    router = start_router(made, wrapper=(
        "strace", "-D", "-f", "-qq", "-o", str(tmp_path / "trace"),
        "-e", "trace=seccomp", "-e", "inject=seccomp:error=EINVAL"))
    assert router.find("sandbox.unavailable")
    assert serves(router, device)


@pytest.mark.parametrize("key,name,why", (
    ("user", "no-such-user", "no such user"),
    ("group", "no-such-group", "no such group"),
    pytest.param("user", "daemon", "only root can switch", marks=needs_root),
    pytest.param("group", "daemon", "only root can switch", marks=needs_root)))
def test_a_user_or_group_that_cannot_be_set_fails_the_start(tmp_path, made, key, name, why):
    made[key] = name
    directory = tmp_path / "open"
    directory.mkdir()
    path = harness.write_config(made, directory)
    wrapper = AS_NOBODY if "only root" in why else ()
    harness.open_to_all(directory)
    done = subprocess.run([*wrapper, harness.BINARY, "--config", str(path)], capture_output=True,
                          text=True, timeout=harness.WAIT_LIMIT_S, check=False)
    assert done.returncode == 1, done
    assert re.search(f'{path.name}:[0-9]+: {key}: "{name}": {why}', done.stderr)
    assert "listening" not in done.stderr


@needs_root
@no_sandbox
@pytest.mark.parametrize("call,result,why", (
    ("setgroups", "error=EPERM", "cannot change the group: Operation not permitted"),
    ("setresuid", "error=EAGAIN", "cannot change the user: Resource temporarily unavailable"),
    ("setresuid", "retval=0", "cannot drop privileges"),  # the call returns success without an effect
    ("capset", "error=EPERM", "cannot drop capabilities")))
def test_privileges_that_cannot_be_dropped_fail_the_start(tmp_path, made, call, result, why):
    """strace makes the call fail."""
    made["user"] = "nobody"
    path = harness.write_config(made, tmp_path)
    done = subprocess.run(
        ["strace", "-f", "-qq", "-o", str(tmp_path / "trace"), "-e", f"trace={call}", "-e",
         f"inject={call}:{result}", harness.BINARY, "--config", str(path)],
        capture_output=True, text=True, timeout=harness.WAIT_LIMIT_S, check=False)
    assert done.returncode == 1, done
    assert f"error: {why}" in done.stderr and "listening" not in done.stderr


# -- reloads without privileges -------------------------------------------------------------------

@needs_root
@pytest.mark.skipif(FREE_PORTS <= 600, reason="ports below 1024 are free for all in this container")
def test_a_reload_that_needs_a_port_below_1024_fails_with_a_reason(start_router, made, device):
    made["user"] = "nobody"
    router = start_router(made)
    make_readable(router)
    more = harness.add_listener(copy.deepcopy(made), "low", address=f"127.0.0.1:{low_port()}")
    router.reload(more, expect="reload.failed")
    fault = router.find("reload.fault")[-1]["error"]
    assert "listener low" in fault and "below 1024" in fault and "restart" in fault
    assert serves(router, device)
    # A listener opened before the drop stays open.
    router.reload(made)


@needs_root
@pytest.mark.sanitized
def test_unreadable_files_are_named_at_start_and_at_the_reload(
        start_router, made, device, readable_dir):
    made["user"] = "nobody"
    key = readable_dir / "server.key"
    key.chmod(0o600)
    harness.add_listener(made, "mqtts", readable_dir)
    router = start_router(made)
    unreadable = [e["file"] for e in router.find("host.unreadable")]
    assert unreadable == [str(router.config_path), str(key)]
    make_readable(router)
    router.reload(made, expect="reload.failed")
    fault = router.find("reload.fault")[-1]["error"]
    assert f"listeners[1].tls.certificates[0]: {key}: " in fault and "Permission denied" in fault
    assert serves(router, lambda r: device(r, tls=mqtt.tls_context(readable_dir)))
    key.chmod(0o644)
    router.reload(made)
    assert serves(router, lambda r: device(r, tls=mqtt.tls_context(readable_dir)), "dev-2")


@needs_root
def test_a_reload_adds_an_address_on_a_port_that_root_opened(start_router, made, device):
    """SO_REUSEPORT requires sockets of the same user: the kernel must accept the old ones as the router's own."""
    port = harness.free_port()
    made["user"] = "nobody"
    made["listeners"][0]["address"] = f"0.0.0.0:{port}"
    router = start_router(made)
    make_readable(router)
    made["listeners"][0]["address"] = f"127.0.0.1:{port}"
    router.reload(made)
    assert serves(router, device)


@needs_root
def test_a_unix_socket_in_an_unwritable_directory_is_left_and_taken_over(
        start_router, made, closing, tmp_path):
    made["user"] = "nobody"
    path = tmp_path / "extra"
    harness.add_listener(made, "local", address=f"unix:{path}")
    router = start_router(made)
    with mqtt.Device(str(path)) as raw:
        assert raw.connect("dev") == (0, 0)
    assert path.stat().st_uid == NOBODY.pw_uid, "owned by the router's user"
    assert router.find("host.unwritable", folder=str(tmp_path))
    router.wait_idle()
    router.stop()
    assert path.is_socket()
    router = start_router(made)
    with mqtt.Device(str(path)) as raw:
        assert raw.connect("dev") == (0, 0)


@needs_root
def test_a_unix_socket_in_a_writable_directory_is_added_and_removed_by_reloads(
        start_router, made, tmp_path):
    made["user"] = "nobody"
    folder = tmp_path / "run"
    folder.mkdir()
    os.chown(folder, NOBODY.pw_uid, NOBODY.pw_gid)
    harness.open_to_all(folder)
    path = folder / "extra"
    with_listener = harness.add_listener(copy.deepcopy(made), "local", address=f"unix:{path}")
    router = start_router(with_listener)
    assert not router.find("host.unwritable")
    make_readable(router)
    router.reload(made)
    wait_until(lambda: not path.exists(), "the file to be removed with its listener")
    router.reload(with_listener)
    with mqtt.Device(str(path)) as raw:
        assert raw.connect("dev") == (0, 0)
    router.wait_idle()


@needs_root
def test_user_group_and_sandbox_wait_for_a_restart(start_router, made):
    router = start_router(made)
    router.reload(dict(made, user="nobody", group="daemon", sandbox=False))
    assert [e["key"] for e in router.find("reload.restart_needed")] == ["user", "group", "sandbox"]
    expect_threads(router, uid=0)
