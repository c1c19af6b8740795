"""SIGHUP applies a new configuration completely or not at all, and sessions stay open."""

import copy
import shutil
import signal
import socket
import time

import pytest

import harness
import mqtt
from fleet import Fleet, ShortSessions
from harness import CHECKED, FAST_CHECK, add_listener, one_cluster, wait_until
from homes import by_home, ids_of, order
from nodes import Mosquitto

NODES = ("n1", "n2", "n3")


@pytest.fixture
def nodes(recording_node):
    return {name: recording_node() for name in NODES}


def config(nodes, names=NODES, **cluster):
    return one_cluster({name: nodes[name].port for name in names}, **cluster)


def node_of(made, name):
    return next(n for n in made["clusters"][0]["nodes"] if n["name"] == name)


def count_connects(node, client_id):
    """Return the number of connections of a device to a recording node."""
    return sum(mqtt.connect(client_id) == r.mqtt for r in node.records)


def still_relays(raw, node):
    """Check that bytes of a device still reach its node."""
    raw.send(mqtt.PING)
    node.wait(lambda n: any(r.mqtt.endswith(mqtt.PING) for r in n.records), "the ping")


# -- applied changes ------------------------------------------------------------------------------

@pytest.mark.sanitized
def test_an_added_node_gets_its_share_and_sessions_stay(start_router, nodes, device):
    made = config(nodes, NODES[:2])
    router = start_router(made)
    moving = next(i for i in (f"dev-{i}" for i in range(100)) if order(NODES, i)[0] == "n3")
    before = order(NODES[:2], moving)[0]
    raw = device(router)
    raw.connect(moving)
    done = router.reload(config(nodes))
    # With three equal nodes, the third one gets a third of the keys.
    assert 250 <= int(str(done["moved_permille"])) <= 420, done
    still_relays(raw, nodes[before])
    assert device(router).connect(moving) == (0, 0)
    assert count_connects(nodes["n3"], moving) == 1
    assert not router.find("session.end")


@pytest.mark.sanitized
def test_a_removed_node_keeps_its_sessions_and_gets_no_new_ones(
        start_router, nodes, device):
    router = start_router(config(nodes))
    client_id = ids_of("n2", NODES)[0]
    raw = device(router)
    raw.connect(client_id)
    router.reload(config(nodes, ("n1", "n3")))
    still_relays(raw, nodes["n2"])
    assert device(router).connect(client_id) == (0, 0)
    assert len(nodes["n2"].records) == 1
    raw.close()
    assert router.session_end()["node"] == "n2"
    # A node that is removed and added again under the same name is the same node.
    router.reload(config(nodes))
    assert device(router).connect(client_id) == (0, 0)
    nodes["n2"].wait(lambda n: len(n.records) == 2, "the device")


@pytest.mark.sanitized
def test_weights_and_addresses_change_for_a_node_of_the_same_name(
        start_router, nodes, recording_node, device):
    made = config(nodes)
    router = start_router(made)
    moved = recording_node()
    node_of(made, "n1")["address"] = f"127.0.0.1:{moved.port}"
    node_of(made, "n3")["weight"] = 0
    router.reload(made)
    for client_id in ids_of("n1", NODES, 5):
        assert device(router).connect(client_id) == (0, 0)
    assert device(router).connect(ids_of("n3", NODES)[0]) == (0, 0)
    assert len(moved.records) >= 5
    assert not nodes["n1"].records and not nodes["n3"].records


@pytest.mark.sanitized
def test_listeners_are_added_and_removed_and_their_sessions_stay(
        start_router, nodes, device, closing):
    host = "127.0.0.9"  # another test may take the port on 127.0.0.1 when it is free again
    made = config(nodes)
    router = start_router(made)
    more = add_listener(copy.deepcopy(made), "second", address=f"{host}:0")
    router.reload(more)
    raw = closing(mqtt.Device(router.ports["second"], host=host))
    assert raw.connect("dev-1") == (0, 0)
    assert device(router).connect("dev-2") == (0, 0)
    router.reload(made)
    with pytest.raises(ConnectionRefusedError):
        mqtt.Device(router.ports["second"], host=host)
    raw.send(mqtt.PING)
    wait_until(lambda: any(r.mqtt.endswith(mqtt.PING) for n in nodes.values() for r in n.records),
               "the ping")
    wait_until(lambda: router.gauges()["sessions_relay"] == 2, "both to be relayed")


@pytest.mark.sanitized
def test_a_changed_listener_keeps_its_socket(start_router, nodes, certificates, closing):
    """Change from TCP to TLS on the same address. The socket never stops listening."""
    made = config(nodes)
    router = start_router(made)
    raw = closing(mqtt.Device(router.port))
    assert raw.connect("dev-1") == (0, 0)
    made["listeners"][0]["tls"] = {"certificates": [
        {"certificate_file": str(certificates / "server.pem"),
         "private_key_file": str(certificates / "server.key")}]}
    router.reload(made)
    over_tls = closing(mqtt.Device(router.port, tls=mqtt.tls_context(certificates)))
    assert over_tls.connect("dev-2") == (0, 0)
    raw.send(mqtt.PING)
    wait_until(lambda: any(r.mqtt.endswith(mqtt.PING) for n in nodes.values() for r in n.records),
               "the ping")


@pytest.mark.sanitized
def test_a_reload_changes_timeouts_limits_and_the_log_level(start_router, nodes, device):
    made = config(nodes)
    router = start_router(made)
    first = device(router)
    assert first.connect("dev-1") == (0, 0)
    router.wait_event("session.placed")
    made["timeouts"] = {"connect_packet_ms": 300}
    made["limits"] = {"max_connections": 2}
    made["log"]["level"] = "info"
    router.reload(made)
    seen = len(router.find("session.placed"))
    slow = device(router).send(mqtt.connect("slow")[:5])
    wait_until(lambda: router.gauges()["sessions_connect"] == 1, "the session to be counted")
    refused = device(router)
    assert refused.read_to_end()[0] == b""
    router.session_end(reason="max_connections")
    assert slow.read_to_end() == (b"", "end")
    slow.close()
    router.session_end(reason="connect_timeout")
    assert device(router).connect("dev-2") == (0, 0)
    assert len(router.find("session.placed")) == seen


@pytest.mark.sanitized
def test_a_reload_changes_certificates(start_router, nodes, certificates, closing, tmp_path):
    for part in ("ca.pem", "server.pem", "server.key"):
        shutil.copy(certificates / part, tmp_path / part)
    made = one_cluster({"n1": nodes["n1"].port}, tls_dir=tmp_path)
    router = start_router(made)
    old = mqtt.tls_context(certificates)
    raw = closing(mqtt.Device(router.tls_port, tls=old))
    assert raw.connect("dev-1") == (0, 0)
    other = tmp_path / "other"
    other.mkdir()
    harness.make_certificates(other)
    made["listeners"][1]["tls"]["certificates"] = [
        {"certificate_file": str(other / "server.pem"),
         "private_key_file": str(other / "server.key")}]
    router.reload(made)
    late = closing(mqtt.Device(router.tls_port, tls=mqtt.tls_context(other)))
    assert late.connect("dev-2") == (0, 0)
    raw.send(mqtt.PING)
    nodes["n1"].wait(lambda n: any(r.mqtt.endswith(mqtt.PING) for r in n.records), "the ping")


@pytest.mark.sanitized
def test_health_outlives_a_reload_and_checks_are_added_and_removed(start_router, closing, device):
    real = {name: closing(Mosquitto(name)) for name in NODES[:2]}
    made = config(real, NODES[:2], proxy_protocol="none", **CHECKED)
    router = start_router(made)
    real["n1"].kill()
    router.wait_event("node.status", node="n1", status="down")
    router.reload(made)
    client_id = ids_of("n1", NODES[:2])[0]
    raw = device(router)
    assert raw.connect(client_id) == (0, 0)
    raw.close()
    assert router.session_end()["tries"] == 1, "n1 is not tried"
    assert len(router.find("node.status")) == 1, "the node stays down"
    # Without checks, the router does not know that the node is down, so each session tries it.
    bare = copy.deepcopy(made)
    del bare["clusters"][0]["health_check"]
    router.reload(bare)
    router.wait_event("node.status", node="n1", status="up")
    raw = device(router)
    assert raw.connect(client_id) == (0, 0)
    raw.close()
    assert router.session_end(count=2)["tries"] == 2


# -- rejected changes -----------------------------------------------------------------------------

BROKEN = {
    "no JSON": lambda made: '{"listeners": [',
    "an unknown key": lambda made: {**made, "clutsers": []},
    "two faults": lambda made: {**made, "workers": "two", "limits": {"max_connections": -1}},
    "a certificate that is not there": lambda made: add_listener(
        copy.deepcopy(made), "mqtts", tls={"certificates": [
            {"certificate_file": "none.pem", "private_key_file": "none.key"}]}),
}


@pytest.mark.sanitized
@pytest.mark.parametrize("how", BROKEN)
def test_a_broken_file_changes_nothing_and_all_errors_are_reported(
        start_router, nodes, device, how):
    made = config(nodes)
    router = start_router(made)
    raw = device(router)
    raw.connect(ids_of("n1", NODES)[0])
    broken = BROKEN[how](copy.deepcopy(made))
    if isinstance(broken, dict):
        broken["clusters"][0]["nodes"] = broken["clusters"][0]["nodes"][:1]
        broken["log"]["level"] = "error"
    router.reload(broken, expect="reload.failed")
    faults = router.find("reload.fault")
    assert len(faults) == (2 if how == "two faults" else 1), faults
    still_relays(raw, nodes["n1"])
    for client_id in ids_of("n2", NODES, 3):
        assert device(router).connect(client_id) == (0, 0)
    assert len(nodes["n2"].records) == 3
    router.wait_event("session.placed", count=4)  # the log level has not changed
    # The failed reload does not affect the next one.
    router.reload(made)


def missing_on_host(made, directory):
    """Return a configuration with two source addresses and two password files that do not exist."""
    (directory / "empty").write_text("\n")
    here = made["clusters"][0]
    here["source_addresses"] = ["127.0.0.1", "203.0.113.9", "2001:db8::9"]
    here["health_check"] = {"type": "mqtt", "username": "u",
                            "password_file": str(directory / "none")}
    other = {"name": "d", "nodes": [{"name": "m", "address": "127.0.0.1:9"}],
             "health_check": {"type": "mqtt", "username": "u",
                              "password_file": str(directory / "empty")}}
    made["clusters"].append(other)
    return made


MISSING = ("clusters[0].source_addresses[1]: 203.0.113.9: Cannot assign requested address",
         "clusters[0].source_addresses[2]: 2001:db8::9: ",
         "clusters[0].health_check.password_file: ",
         "clusters[1].health_check.password_file: ")


@pytest.mark.sanitized
def test_a_resource_missing_on_the_host_changes_nothing(start_router, nodes, device, tmp_path):
    made = config(nodes)
    router = start_router(made)
    router.reload(missing_on_host(copy.deepcopy(made), tmp_path), expect="reload.failed")
    faults = [str(e["error"]) for e in router.find("reload.fault")]
    assert len(faults) == len(MISSING), faults
    for rule in MISSING:
        assert sum(rule in fault for fault in faults) == 1, (rule, faults)
    assert any("must not be empty" in fault for fault in faults), faults
    assert device(router).connect(ids_of("n2", NODES)[0]) == (0, 0)
    router.reload(made)


def test_a_router_does_not_start_without_the_resources_in_its_file(nodes, tmp_path):
    path = harness.write_config(missing_on_host(config(nodes), tmp_path), tmp_path)
    result = harness.run_router("--config", path)
    assert result.returncode == 1, result
    for rule in MISSING:
        assert sum(rule in line for line in result.stderr.splitlines()) == 1, (rule, result.stderr)
    assert harness.run_router("--check", "--config", path).stderr == result.stderr


@pytest.mark.sanitized
def test_a_node_removed_with_a_session_and_added_again_is_checked(
        start_router, closing, device):
    nodes = {name: closing(Mosquitto(name)) for name in NODES}
    made = config(nodes, proxy_protocol="none", **CHECKED)
    router = start_router(made)
    raw = device(router)
    assert raw.connect(ids_of("n3", NODES)[0]) == (0, 0)
    router.reload(config(nodes, NODES[:2], proxy_protocol="none", **CHECKED))
    router.wait_event("check.done", node="n3", count=len(router.find("check.done", node="n3")) + 3)
    raw.close()
    router.session_end()
    router.reload(made)
    router.wait_event("check.done", node="n3", count=len(router.find("check.done", node="n3")) + 3)
    nodes["n3"].kill()
    router.wait_event("node.status", node="n3", status="down")
    nodes["n3"].begin()
    router.wait_event("node.status", node="n3", status="up")


def test_a_failed_reload_leaves_no_listener_open(
        start_router, nodes, closing, tmp_path):
    made = config(nodes, proxy_protocol="none")
    router = start_router(made)
    holder = closing(nodes["n1"])  # listens without SO_REUSEPORT
    path = tmp_path / "mqtt.sock"
    more = add_listener(copy.deepcopy(made), "local", address=f"unix:{path}")
    more = add_listener(more, "free")
    broken = add_listener(copy.deepcopy(more), "taken", address=f"127.0.0.1:{holder.port}")
    router.reload(broken, expect="reload.failed")
    assert not path.exists()
    assert [e["listener"] for e in router.find("listener.open")] == ["mqtt"]
    router.reload(more)
    assert [e["listener"] for e in router.find("listener.open")] == ["mqtt", "local", "free"]
    assert closing(mqtt.Device(str(path))).connect("dev-1") == (0, 0)
    # Listeners that were already open are not affected.
    router.reload(add_listener(more, "taken", address=f"127.0.0.1:{holder.port}"),
                  expect="reload.failed")
    assert closing(mqtt.Device(str(path))).connect("dev-2") == (0, 0)


@pytest.mark.sanitized
def test_an_address_in_use_changes_nothing(start_router, nodes, device, closing):
    made = config(nodes)
    router = start_router(made)
    holder = closing(nodes["n1"])  # listens without SO_REUSEPORT
    more = add_listener(copy.deepcopy(made), "free")
    more = add_listener(more, "taken", address=f"127.0.0.1:{holder.port}")
    more["clusters"][0]["nodes"] = more["clusters"][0]["nodes"][:1]
    router.reload(more, expect="reload.failed")
    assert any(str(holder.port) in str(e) for e in router.find("reload.fault"))
    assert device(router).connect(ids_of("n2", NODES)[0]) == (0, 0)
    assert len(nodes["n2"].records) == 1
    wait_until(lambda: router.gauges()["sessions"] == 1, "the device to be counted")


@pytest.mark.sanitized
def test_a_missing_file_changes_nothing(start_router, nodes, device):
    router = start_router(config(nodes))
    kept = router.config_path.read_text()
    router.config_path.unlink()
    router.reload(expect="reload.failed")
    assert device(router).connect("dev-1") == (0, 0)
    router.reload(kept)


@pytest.mark.sanitized
def test_changes_that_need_a_restart_are_named_and_the_rest_applies(start_router, nodes, device):
    made = config(nodes, NODES[:2])
    router = start_router(made)
    other = config(nodes)
    other["workers"] = 1
    router.reload(other)
    assert "workers" in str(router.wait_event("reload.restart_needed")["key"])
    assert device(router).connect(ids_of("n3", NODES)[0]) == (0, 0)
    assert len(nodes["n3"].records) == 1


# -- repeated reloads -----------------------------------------------------------------------------

@pytest.mark.sanitized
def test_repeated_reloads_close_no_session_and_refuse_no_connect(start_router, closing, capsys):
    """Change nodes, weights, listeners and timeouts in 200 reloads, under 500 connects per second."""
    reloads, per_s = (20, 100) if harness.SANITIZED else (200, 500)
    real = {name: closing(Mosquitto(name)) for name in NODES}
    base = config(real, proxy_protocol="none")
    base["log"]["level"] = "info"
    router = start_router(base)
    stable = closing(Fleet(router.port, [f"stable-{i}" for i in range(100)]))
    stable.connect_all()
    load = ShortSessions(closing(Fleet(router.port, 400)), per_s)
    variants = variants_of(base)
    done = asked = descriptors = memory = 0
    next_at = time.monotonic()
    while done < reloads:
        assert time.monotonic() < next_at + harness.WAIT_LIMIT_S, f"{done} reloads"
        if asked == done and time.monotonic() >= next_at:
            harness.write_config(variants[done % len(variants)], router.directory.name)
            router.process.send_signal(signal.SIGHUP)
            asked, next_at = asked + 1, time.monotonic() + 0.02
        load.turn()
        if done < asked == len(router.find("reload.done")):
            done += 1
            if done == reloads // 10:
                descriptors, memory = router.descriptors(), router.memory_bytes()
    wait_for = load.answered + 50
    while load.answered < wait_for:
        load.turn()
    fleet = load.fleet
    fleet.disconnect()
    took = time.monotonic() - load.started
    with capsys.disabled():
        print(f"\n{reloads} reloads in {took:.1f} s under {load.answered / took:.0f} connects "
              f"a second: {fleet}")
    assert not fleet.refusals and not fleet.cut and not fleet.unreachable
    stable.turn()
    assert not stable.lost(), "established sessions stay"
    assert not router.find("reload.failed")
    assert {e["connack_code"] for e in router.find("session.end")} <= {0}
    router.reload(base)
    wait_until(lambda: router.gauges()["sessions"] == 100, "the short sessions to end")
    wait_until(lambda: router.descriptors() <= descriptors + 2 * 10, "the descriptors to be closed")
    if not harness.SANITIZED:
        wait_until(lambda: router.memory_bytes() < memory + (2 << 20), "the memory to be released")
    stable.disconnect()


def variants_of(base):
    """Return configurations that differ in all keys that a reload can change."""
    weighted = copy.deepcopy(base)
    node_of(weighted, "n1")["weight"] = 5
    fewer = copy.deepcopy(base)
    fewer["clusters"][0]["nodes"] = fewer["clusters"][0]["nodes"][:2]
    added = add_listener(copy.deepcopy(base), "second")
    added["timeouts"] = {"dial_ms": 2000}
    checked = copy.deepcopy(base)
    checked["clusters"][0]["health_check"] = FAST_CHECK
    return [base, weighted, fewer, added, checked]


@pytest.mark.sanitized
def test_a_reload_that_changes_nothing_moves_nothing(start_router, nodes, device):
    made = config(nodes)
    router = start_router(made)
    ids = [f"dev-{i}" for i in range(30)]
    for client_id in ids:
        device(router).connect(client_id)
    assert int(str(router.reload()["moved_permille"])) == 0
    for client_id in ids:
        device(router).connect(client_id)
    for name, expected in by_home(NODES, ids).items():
        assert all(count_connects(nodes[name], client_id) == 2 for client_id in expected)


@pytest.mark.sanitized
def test_of_two_signals_in_a_row_the_last_file_applies(start_router, nodes, device):
    router = start_router(config(nodes, NODES[:1]))
    for names in (NODES[:2], NODES[1:]):
        harness.write_config(config(nodes, names), router.directory.name)
        router.process.send_signal(signal.SIGHUP)
    router.n_nodes = 2
    client_id = ids_of("n1", NODES)[0]

    def at_home():
        with mqtt.Device(router.port) as raw:
            assert raw.connect(client_id) == (0, 0)
        return any(count_connects(nodes[name], client_id) for name in NODES[1:])
    wait_until(at_home, "the last file to apply")


# Sends SIGHUP as soon as the router has a handler for it.
EARLY_HUP = ("sh", "-c", 'i=0; (until grep -q "^SigCgt:.*[13579bdf]$" /proc/$$/status || '
               '[ $i = 1000 ]; do i=$((i + 1)); done; kill -HUP $$) & exec "$@"', "sh")


def test_a_signal_during_the_start_is_handled_once_the_router_serves(start_router):
    """Start a router that waits for a silent DNS server."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        made = one_cluster({}, proxy_protocol="none")
        del made["clusters"][0]["nodes"]
        made["clusters"][0]["discovery"] = {
            "type": "dns", "name": "emqx.test", "port": 1883,
            "resolver": f"127.0.0.1:{silent.getsockname()[1]}"}
        router = start_router(made, wrapper=EARLY_HUP)
        router.wait_event("reload.done")
        assert len(router.find("router.ready")) == 1
        router.stop()
