"""A device reaches the same node through any router, regardless of the order of nodes in the configuration."""

import json
import subprocess
import sys

import pytest

import admin
import mqtt
from harness import BINARY, ROOT, one_cluster, run_router

IDS = [f"device-{i}" for i in range(200)]


def nodes_of(mosquittos, reverse=False):
    names = sorted(mosquittos, reverse=reverse)
    return {name: mosquittos[name].port for name in names}


def node_reached(port, client_id):
    """Return the node that a device reaches, according to the node's retained message."""
    with mqtt.Device(port) as device:
        assert device.connect(client_id)[1] == 0
        device.send(mqtt.subscribe("node/name"))
        while True:
            kind, data = device.packet()
            if kind == mqtt.PUBLISH:
                return data[-5:].decode()


@pytest.mark.sanitized
def test_200_devices_reach_the_same_home_through_routers_with_different_node_order(
        start_router, mosquittos):
    one = start_router(one_cluster(nodes_of(mosquittos), proxy_protocol="none"))
    two = start_router(one_cluster(nodes_of(mosquittos, reverse=True), proxy_protocol="none"))
    homes = {}
    for client_id in IDS:
        homes[client_id] = node_reached(one.port, client_id)
        assert node_reached(one.port, client_id) == homes[client_id]
        assert node_reached(two.port, client_id) == homes[client_id]
    for name in mosquittos:
        assert list(homes.values()).count(name) > 40, homes


def test_route_names_the_node_that_a_device_reaches(start_router, mosquittos):
    router = start_router(one_cluster(nodes_of(mosquittos), proxy_protocol="none"))
    for client_id in IDS[:40]:
        output = run_router("route", "--config", router.config_path, "--client-id", client_id)
        assert output.returncode == 0
        rows = [line.split() for line in output.stdout.splitlines()]
        assert [row[0] for row in rows] == ["1", "2", "3"]
        assert {row[1] for row in rows} == set(mosquittos)
        assert all(row[2] == f"127.0.0.1:{mosquittos[row[1]].port}" for row in rows)
        assert node_reached(router.port, client_id) == rows[0][1]


def test_the_python_reference_picks_the_same_nodes(tmp_path):
    config = one_cluster({f"node{i}": f"127.0.0.1:{1000 + i}" for i in range(7)})
    for i, node in enumerate(config["clusters"][0]["nodes"]):
        node["weight"] = 1 + i % 4
    path = tmp_path / "config.json"
    path.write_text(json.dumps(config))
    result = subprocess.run(
        [sys.executable, str(ROOT / "test" / "tools" / "rendezvous_reference.py"), "--router", BINARY,
         "--config", str(path), "--ids", "300"],
        capture_output=True, text=True, timeout=120, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    assert ", 0 differ" in result.stdout


def test_devices_with_one_user_name_share_a_home(start_router, recording_node, device):
    names = {f"node{i}": recording_node() for i in range(3)}
    router = start_router(one_cluster({k: v.address for k, v in names.items()},
                                      route_by=["username", "client_id"]))
    for i in range(12):
        assert device(router).connect(f"phone-{i}", username="tenant-7", password="x")[1] == 0
        assert device(router).connect(f"phone-{i}")[1] == 0
    with_name = [n for n, node in names.items()
                 if any(b"tenant-7" in r.mqtt for r in node.records)]
    assert len(with_name) == 1
    output = run_router("route", "--config", router.config_path, "--client-id", "whoever",
                      "--username", "tenant-7")
    assert output.stdout.split()[1] == with_name[0]
    without = [n for n, node in names.items()
               if any(b"tenant-7" not in r.mqtt for r in node.records)]
    assert len(without) > 1


@pytest.mark.sanitized
def test_empty_client_ids_are_spread_over_all_nodes(start_router, recording_node, device):
    nodes = [recording_node() for _ in range(4)]
    router = start_router(one_cluster({f"n{i}": n.address for i, n in enumerate(nodes)}))
    for _ in range(40):
        assert device(router).connect("", version=5)[1] == 0
    counts = [len(n.records) for n in nodes]
    assert sum(counts) == 40 and min(counts) >= 8, counts


def test_empty_client_ids_follow_the_source_address_if_configured(
        start_router, recording_node, device):
    nodes = [recording_node() for _ in range(4)]
    router = start_router(one_cluster({f"n{i}": n.address for i, n in enumerate(nodes)},
                                      empty_client_id="source_ip"))
    for host in range(2, 22):
        for _ in range(2):
            assert device(router, source=f"127.0.0.{host}").connect("")[1] == 0
    homes = {}
    for i, node in enumerate(nodes):
        for record in node.records:
            homes.setdefault(record.proxy[16:20], set()).add(i)
    assert len(homes) == 20
    assert all(len(home) == 1 for home in homes.values()), homes
    assert len(set.union(*homes.values())) > 1
    output = run_router("route", "--config", router.config_path, "--client-id", "",
                      "--source-ip", "127.0.0.9")
    assert output.stdout.split()[1] == f"n{homes[bytes([127, 0, 0, 9])].pop()}"


def test_route_hashes_a_source_address_like_a_connection(start_router, recording_node, device):
    nodes = [recording_node() for _ in range(4)]
    router = start_router(admin.with_admin(one_cluster({f"n{i}": n.address for i, n in enumerate(nodes)},
                                                       route_by="source_ip")))
    for host in range(2, 14):
        address = f"127.0.0.{host}"
        assert device(router, source=address).connect(f"dev-{host}")[1] == 0
        [home] = [f"n{i}" for i, node in enumerate(nodes)
                  if any(r.mqtt.endswith(f"dev-{host}".encode()) for r in node.records)]
        for form in (address, f"::ffff:{address}", f"::FFFF:7f00:{host:x}", f"0:0:0:0:0:ffff:{address}"):
            printed = run_router("route", "--config", router.config_path, "--source-ip", form)
            assert printed.stdout.split()[1] == home, form
            answer = admin.get(router, "/api/v1/route", source_ip=form)
            assert (answer["home"], answer["key"], answer["key_from"]) == (home, address, "source_ip")
            asked = run_router("route", "--admin", "%s:%d" % admin.address(router), "--source-ip", form)
            assert asked.stdout.split()[1] == home, form
    assert admin.get(router, "/api/v1/route", source_ip="2001:DB8:0::1")["key"] == "2001:db8::1"


def test_route_rejects_an_invalid_source_address(start_router, recording_node):
    router = start_router(admin.with_admin(one_cluster({"n": recording_node().address}, route_by="source_ip")))
    for form in ("", "*", "localhost", "127.0.0.1:1883", "[::1]", "127.1", "127.0.0.01", "10.0.0.0/8", "fe80::1%lo"):
        printed = run_router("route", "--config", router.config_path, "--source-ip", form)
        assert (printed.returncode, printed.stdout) == (2, ""), form
        assert "--source-ip must be an IPv4 or IPv6 address" in printed.stderr
        assert admin.rejection(router, "GET", "/api/v1/route", source_ip=form) == (400, "invalid_query"), form


def test_empty_client_ids_are_refused_if_configured(start_router, recording_node, device):
    node = recording_node()
    router = start_router(one_cluster({"n": node.address}, empty_client_id="refuse"))
    for version, answer in ((4, "20020002"), (5, "2003008500")):
        raw = device(router).send(mqtt.connect("", version=version))
        assert raw.read_to_end() == (bytes.fromhex(answer), "end")
    assert not node.records
    router.session_end(count=2, reason="client_id_refused")
