"""Log targets (a file with rotation, syslog), and sampling when many sessions end."""

import json
import os
import select
import shutil
import signal
import socket
import subprocess
import threading

import pytest

import admin
import harness
import mqtt
from admin import with_admin
from harness import CHECKED, SANITIZED, one_cluster, wait_until
from homes import order
from recorder import accept_connect


def lines_of(path):
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def events_of(path, name):
    return [e for e in lines_of(path) if e["event"] == name]


class FileRouter:
    """Start a router that logs to a file of the test."""

    def __init__(self, config, path, wrapper=()):
        config["log"] = {**config["log"], "target": "file", "file": str(path)}
        self.directory = path.parent
        self.path, self.config = path, config
        self.config_path = harness.write_config(config, self.directory)
        self.process = subprocess.Popen([*wrapper, harness.BINARY, "--config", str(self.config_path)],
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        wait_until(lambda: events_of(path, "router.ready"), "the router to be ready")
        self.port = int(events_of(path, "listener.open")[0]["address"].split(":")[-1])

    def close(self):
        self.process.terminate()
        out, err = self.process.communicate(timeout=harness.WAIT_LIMIT_S)
        assert self.process.returncode == 0 and out == b"", (out, err)


@pytest.fixture
def file_router(tmp_path, closing):
    return lambda config, **how: closing(FileRouter(config, tmp_path / "router.log", **how))


@pytest.mark.sanitized
def test_a_rotated_log_file_is_reopened_without_losing_a_line(file_router, recording_node):
    made = one_cluster({"n": recording_node().port})
    made["workers"] = 4
    made["limits"] = {"flapping": False}
    router = file_router(made)
    stop, sent = threading.Event(), []

    def connect(name):
        i = 0
        while not stop.is_set():
            with mqtt.Device(router.port) as raw:
                raw.connect(f"{name}-{i}")
            sent.append(f"{name}-{i}")
            i += 1
    threads = [threading.Thread(target=connect, args=(f"t{n}",)) for n in range(3)]
    for thread in threads:
        thread.start()
    for i in range(5):
        wait_until(lambda: events_of(router.path, "session.end"), "a line in the new file")
        router.path.rename(router.path.with_suffix(f".{i}"))
        router.process.send_signal(signal.SIGUSR1)
        wait_until(router.path.exists, "a new file")
    stop.set()
    for thread in threads:
        thread.join()

    def ends():
        return [e["client_id"] for i in [*(f".{n}" for n in range(5)), ".log"]
                for e in events_of(router.path.with_suffix(i), "session.end") if "client_id" in e]
    wait_until(lambda: len(ends()) >= len(sent), "all sessions to end")
    assert sorted(ends()) == sorted(sent) and len(sent) > 10
    assert router.path.stat().st_mode & 0o777 == 0o640 & ~current_umask()


def current_umask():
    umask = os.umask(0)
    os.umask(umask)
    return umask


def test_a_log_file_that_cannot_be_reopened_is_kept(file_router, recording_node, tmp_path):
    router = file_router(one_cluster({"n": recording_node().port}))
    old = tmp_path / "old.log"
    router.path.rename(old)
    router.path.mkdir()
    router.process.send_signal(signal.SIGUSR1)
    wait_until(lambda: events_of(old, "log.not_reopened"), "the error event")
    with mqtt.Device(router.port) as raw:
        raw.connect("dev")
    wait_until(lambda: events_of(old, "session.end"), "the line in the old file")


def test_a_log_file_that_cannot_be_opened_fails_start_and_reload(
        file_router, recording_node, tmp_path):
    made = one_cluster({"n": recording_node().port})
    made["log"].update(target="file", file=str(tmp_path / "no" / "router.log"))
    done = harness.run_router("--config", harness.write_config(made, tmp_path))
    assert done.returncode == 1 and f": log.file: {tmp_path}/no/router.log: No such file" in done.stderr
    router = file_router(one_cluster({"n": recording_node().port}))
    made = json.loads(json.dumps(router.config))
    made["log"]["file"] = str(tmp_path / "no" / "router.log")
    harness.write_config(made, tmp_path)
    router.process.send_signal(signal.SIGHUP)
    wait_until(lambda: events_of(router.path, "reload.failed"), "the failed reload")
    made["log"]["file"] = str(tmp_path / "other.log")
    harness.write_config(made, tmp_path)
    router.process.send_signal(signal.SIGHUP)
    wait_until(lambda: events_of(tmp_path / "other.log", "reload.done"), "a line in the other file")
    with mqtt.Device(router.port) as raw:
        raw.connect("dev")
    wait_until(lambda: events_of(tmp_path / "other.log", "session.end"), "a line in the other file")
    assert not events_of(router.path, "session.end")


@pytest.mark.skipif(SANITIZED or os.geteuid() != 0, reason="needs to change its user and to use the sandbox")
def test_an_unprivileged_router_in_its_sandbox_reopens_its_log_file(
        file_router, recording_node, tmp_path):
    made = one_cluster({"n": recording_node().port})
    made["user"] = "nobody"
    harness.open_to_all(tmp_path)
    tmp_path.chmod(0o777)
    router = file_router(made)
    status = (harness.pathlib.Path("/proc") / str(router.process.pid) / "status").read_text()
    assert "Seccomp:\t2" in status
    router.path.rename(tmp_path / "old.log")
    router.process.send_signal(signal.SIGUSR1)
    wait_until(router.path.exists, "a new file")
    assert router.path.owner() == "nobody"
    with mqtt.Device(router.port) as raw:
        raw.connect("dev")
    wait_until(lambda: events_of(router.path, "session.end"), "a line in the new file")


@pytest.mark.skipif(SANITIZED, reason="builds with sanitizers have no sandbox")
def test_a_reload_in_the_sandbox_switches_back_to_a_terminal(recording_node, tmp_path, closing):
    """If the router tried to reopen the terminal, the sandbox would kill it."""
    ours, its = (os.fdopen(fd, "rb", buffering=0) for fd in os.openpty())
    closing(ours)
    made = one_cluster({"n": recording_node().port})
    file = tmp_path / "router.log"
    made["log"].update(target="file", file=str(file))
    config = harness.write_config(made, tmp_path)
    process = subprocess.Popen([harness.BINARY, "--config", str(config)], stdout=its,
                               stderr=subprocess.DEVNULL)
    its.close()
    try:
        wait_until(lambda: events_of(file, "router.ready"), "the router to be ready")
        made["log"] = {key: value for key, value in made["log"].items() if key not in ("target", "file")}
        harness.write_config(made, tmp_path)
        process.send_signal(signal.SIGHUP)
        output = b""
        while b"reload.done" not in output:
            assert select.select([ours], [], [], harness.WAIT_LIMIT_S)[0], (process.poll(), output)
            output += ours.read(4096)
    finally:
        process.terminate()
        code = process.wait(timeout=harness.WAIT_LIMIT_S)
    assert code == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="the protection concerns root")
@pytest.mark.parametrize("link", (os.symlink, os.link), ids=("symbolic", "hard"))
def test_a_start_as_root_follows_no_symbolic_link_to_its_log(recording_node, tmp_path, link):
    made = one_cluster({"n": recording_node().port})
    made["user"] = "nobody"
    folder = tmp_path / "log"
    folder.mkdir()
    shutil.chown(folder, "nobody")
    precious = tmp_path / "precious"
    precious.write_text("untouched")
    precious.chmod(0o600)
    link(precious, folder / "router.log")
    made["log"].update(target="file", file=str(folder / "router.log"))
    done = harness.run_router("--config", harness.write_config(made, tmp_path))
    assert done.returncode == 1 and ": log.file: " in done.stderr, done.stderr
    assert (precious.read_text(), precious.owner(), precious.stat().st_mode & 0o777) == ("untouched", "root", 0o600)


def can_unshare():
    return not subprocess.run(
        ["unshare", "-m", "true"], capture_output=True, check=False).returncode


@pytest.mark.skipif(SANITIZED or not can_unshare(), reason="no mount namespace available")
def test_syslog_gets_lines_and_may_block_or_restart(
        recording_node, tmp_path, closing, start_router):
    daemon = closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
    daemon.bind(str(tmp_path / "log"))
    daemon.settimeout(harness.WAIT_LIMIT_S)
    made = with_admin(one_cluster({"n": recording_node().port}))
    made["log"].update(target="syslog", syslog_facility="local3", format="text")
    address = f"127.0.0.1:{harness.free_port()}"
    made["admin"]["address"] = address
    # A private /dev, with the test's socket in it.
    wrapper = ("unshare", "-m", "sh", "-c",
               'mount --bind "$0" /mnt && mount -t tmpfs none /dev && mknod -m 666 /dev/null c 1 3 && '
               'mknod -m 444 /dev/urandom c 1 9 && ln -s /mnt/log /dev/log && exec "$@"', str(tmp_path))
    config = harness.write_config(made, tmp_path)
    process = subprocess.Popen([*wrapper, harness.BINARY, "--config", str(config)],
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        first = daemon.recv(65536).decode()
        # facility 19, local3, times 8, and severity 3 to 6
        assert first[:5] in ("<155>", "<156>", "<157>", "<158>"), first
        assert f" mqtt-router[{process.pid}]: " in first and first.count("\n") == 0
        while "router.ready" not in first:
            first = daemon.recv(65536).decode()
        assert first.startswith("<157>")
        # Nothing reads the lines, so they are dropped and counted, and the router does not block.
        for _ in range(50):
            reply = subprocess.run(["curl", "-s", "-m", "60", "-X", "POST", "--json", '{"x":1}',
                                    f"http://{address}/api/v1/reload"], capture_output=True, check=True)
            assert b"unknown key" in reply.stdout
        while True:
            daemon.settimeout(0.2)
            try:
                daemon.recv(65536)
            except TimeoutError:
                break
        daemon.close()
        (tmp_path / "log").unlink()
        again = closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
        again.bind(str(tmp_path / "log"))
        again.settimeout(harness.WAIT_LIMIT_S)
        process.send_signal(signal.SIGUSR2)
        gauges = again.recv(65536).decode()
        while "router.gauges" not in gauges:
            gauges = again.recv(65536).decode()
        assert int(gauges.split("log_dropped_total=")[1].split()[0]) > 0
    finally:
        process.terminate()
        out, _ = process.communicate(timeout=harness.WAIT_LIMIT_S)
    assert process.returncode == 0, out


@pytest.mark.sanitized
def test_lines_over_the_limit_are_summarised_and_every_refusal_is_counted(
        start_router, recording_node):
    made = one_cluster({"n": recording_node().port})
    made["workers"] = 2
    made["limits"] = {"flapping": False}
    made["log"].update(sample_above_per_s=2, sample_one_in=5)
    router = start_router(made)
    for i in range(120):
        with mqtt.Device(router.port) as raw:
            if i % 10 == 9:
                raw.send(b"\x30\x00")
                raw.read_to_end()
            else:
                raw.connect(f"dev-{i}")
    wait_until(lambda: router.gauges()["closed_total"] == 120, "all sessions to end")
    ends = router.find("session.end")
    assert len([e for e in ends if e["reason"] == "connect_refused"]) == 12
    well = [e for e in ends if e["reason"] == "client_closed"]
    events = sum(e.get("sampled", 1) for e in well)
    assert 108 - 2 * 4 <= events <= 108 and len(well) < 108
    assert {e["sampled"] for e in well if "sampled" in e} == {5}
    gauges = router.gauges()
    assert gauges["log_sessions_sampled_total"] == 108 - len(well)


def test_one_grep_shows_what_happened_to_a_device(start_router, recording_node, closing):
    """Every line about a session contains its client_id, whether it is refused, replayed, drained or disconnected."""
    refuse = {"a": False, "b": False}

    def answer_of(name):
        def answer(record):
            return accept_connect(record) and (bytes.fromhex("20020003") if refuse[name] else b"\x20\x02\0\0")
        return answer
    nodes = {name: recording_node(answer=answer_of(name)) for name in refuse}
    made = with_admin(one_cluster({name: node.port for name, node in nodes.items()}, **CHECKED))
    made["timeouts"] = {"farewell_ms": 200}
    router = start_router(made)
    home, other = order({name: node.port for name, node in nodes.items()}, "pump-7")

    def connect():
        raw = closing(mqtt.Device(router.port))
        return raw, raw.connect("pump-7")

    def end(count):
        return router.session_end(count=count, client_id="pump-7")
    refuse[home] = refuse[other] = True
    raw, answer = connect()
    assert answer[1] == 3
    raw.close()
    first = end(1)
    assert first["tried"] == f"{home}:refused,{other}:refused" and first["connack_code"] == 3
    refuse[other] = False
    raw, answer = connect()
    assert answer == (0, 0)
    raw.close()
    second = end(2)
    assert (second["tried"], second["placement"], second["node"]) == (f"{home}:refused,{other}:ok", "replay", other)
    refuse[home] = False
    raw, _ = connect()
    wait_until(lambda: router.gauges()["sessions_relay"] == 1, "the session to be relayed")
    admin.post(router, f"/api/v1/nodes/c/{home}", {"state": "draining"})
    assert end(3)["reason"] == "node_drained" and end(3)["tried"] == f"{home}:ok"
    raw.close()
    raw, _ = connect()
    wait_until(lambda: router.gauges()["sessions_relay"] == 1, "the session to be relayed")
    [session] = admin.get(router, "/api/v1/sessions", client_id="pump-7")["sessions"]
    admin.post(router, f"/api/v1/sessions/{session['id']}/disconnect")
    last = end(4)
    assert (last["reason"], last["session"], last["placement"]) == ("disconnected", session["id"], "fallback")
    story = [e["reason"] for e in router.find("session.end") if "pump-7" in json.dumps(e)]
    assert story == ["node_closed" if first["closed_by"] == "node" else "client_closed", "client_closed",
                     "node_drained", "disconnected"]


def test_recent_events_are_returned_by_the_api(start_router, recording_node):
    router = start_router(with_admin(one_cluster({"n": recording_node().port})))
    admin.post(router, "/api/v1/log_level", {"level": "error"})
    admin.post(router, "/api/v1/nodes/c/n", {"state": "draining"})
    events = admin.get(router, "/api/v1/events")["events"]
    names = [e["event"] for e in events]
    assert names.index("listener.open") < names.index("router.ready") < names.index("node.steered")
    assert all(e["level"] in ("error", "warn", "notice") and e["time"].endswith("Z") for e in events)
    assert not router.find("node.steered"), "the event was not written"
    admin.post(router, "/api/v1/reload")
