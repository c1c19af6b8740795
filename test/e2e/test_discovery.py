"""Nodes discovered by DNS, with records that change and a server that fails."""

import signal

import pytest

import admin
import mqtt
from admin import with_admin
from dns_server import DnsServer
from harness import CHECKED, free_port, one_cluster, wait_until
from homes import by_home, ids_of
from nodes import Mosquitto

NAME = "emqx.test"
SRV = "_mqtt._tcp.emqx.test"
# The router stops querying a silent server after two rounds of 2 s and 4 s.
OUTAGE_S = 30


@pytest.fixture
def port():
    return free_port()


@pytest.fixture
def nodes(closing, port):
    """Start three real nodes with the same port and different addresses."""
    # Log to stderr, because a log on standard output is written much later.
    return [closing(Mosquitto(f"n{i}", port=port, host=f"127.0.0.{i}", more=["log_dest stderr"]))
            for i in (2, 3, 4)]


def hosts_of(*nodes):
    return {NAME: [node.host for node in nodes]}


def discovery_config(dns, port=None, cluster=None, **discovery):
    """Return a configuration with a DNS server. port: query A records, otherwise SRV records."""
    question = {"type": "dns", "name": NAME, "port": port} if port else \
        {"type": "dns", "name": SRV, "record": "srv"}
    config = one_cluster({}, proxy_protocol="none", **(cluster or {}))
    del config["clusters"][0]["nodes"]
    config["clusters"][0]["discovery"] = {
        **question, "refresh_ms": 1000, "resolver": dns.address, **discovery}
    return config


def wait_nodes(router, count, **fields):
    return router.wait_event("discovery.changed", nodes=count, **fields)


def connects_to(router, device, client_id, node):
    """Connect a device, which must be accepted and reach this node."""
    raw = device(router)
    assert raw.connect(client_id) == (0, 0), client_id
    node.wait_log(rf" as {client_id} \(")
    return raw


def is_alive(raw):
    return raw.send(mqtt.PING).packet()[0] == mqtt.PINGRESP


def all_reach_home(router, device, nodes, ids):
    """Check that each device reaches the node that the reference implementation computes."""
    for name, at_home in by_home(nodes, ids).items():
        for client_id in at_home:
            raw = device(router)
            assert raw.connect(client_id) == (0, 0)
            raw.close()
        wait_until(lambda: all(nodes[name].has_seen(i) for i in at_home),  # pylint: disable=W0640
                   f"{at_home} at {name}")


# -- changed records ------------------------------------------------------------------------------

@pytest.mark.sanitized
def test_a_new_record_adds_a_node_with_its_share_and_sessions_stay(
        start_router, device, closing, nodes, port):
    dns = closing(DnsServer(hosts_of(*nodes[:2])))
    router = start_router(discovery_config(dns, port))
    wait_nodes(router, 2)
    named = {node.address: node for node in nodes}
    moving = ids_of(nodes[2].address, named, name="moving")[0]  # its home would be the third node
    first = by_home([n.address for n in nodes[:2]], [moving])
    before = next(named[name] for name, ids in first.items() if ids)
    raw = connects_to(router, device, moving, before)

    dns.set(hosts_of(*nodes))
    wait_nodes(router, 3, added=1, removed=0)
    all_reach_home(router, device, named, [f"dev-{i}" for i in range(30)])
    assert is_alive(raw)
    raw.close()
    router.session_end(client_id=moving, node=before.address)
    connects_to(router, device, moving, nodes[2])


def test_the_node_of_a_removed_record_gets_no_new_device(
        start_router, device, closing, nodes, port):
    dns = closing(DnsServer(hosts_of(*nodes)))
    router = start_router(discovery_config(dns, port))
    wait_nodes(router, 3)
    named = {node.address: node for node in nodes}
    leaving = ids_of(nodes[1].address, named)[0]
    raw = connects_to(router, device, leaving, nodes[1])
    dns.set(hosts_of(nodes[0], nodes[2]))
    wait_nodes(router, 2, added=0, removed=1)
    del named[nodes[1].address]
    all_reach_home(router, device, named, ids_of(nodes[1].address, [n.address for n in nodes], 10,
                                                name="next"))
    assert is_alive(raw), "the session must stay open"


def test_a_target_with_another_address_keeps_its_devices(
        start_router, device, closing, nodes, port):
    targets = {"emqx-0.test": nodes[0], "emqx-1.test": nodes[1]}
    dns = closing(DnsServer({name: [node.host] for name, node in targets.items()},
                            [(SRV, name, port, 0, 1) for name in targets]))
    router = start_router(discovery_config(dns))
    wait_nodes(router, 2)
    ids = [f"dev-{i}" for i in range(20)]
    all_reach_home(router, device, targets, ids)

    dns.set({"emqx-0.test": [nodes[0].host], "emqx-1.test": [nodes[2].host]})
    wait_nodes(router, 2, added=0, removed=0, altered=1)
    assert not any(nodes[2].has_seen(i) for i in ids)
    targets["emqx-1.test"] = nodes[2]
    all_reach_home(router, device, targets, ids)


def test_higher_priorities_are_backups(start_router, device, closing, nodes, port):
    dns = closing(DnsServer({"main.test": [nodes[0].host], "spare.test": [nodes[1].host]},
                            [(SRV, "main.test", port, 10, 0), (SRV, "spare.test", port, 20, 9)]))
    router = start_router(discovery_config(dns, cluster=CHECKED))
    wait_nodes(router, 2)
    ids = [f"dev-{i}" for i in range(10)]
    all_reach_home(router, device, {"main.test": nodes[0]}, ids)
    nodes[0].kill()
    router.wait_event("node.status", node="main.test", status="down")
    all_reach_home(router, device, {"spare.test": nodes[1]}, ids)
    nodes[0].begin()
    router.wait_event("node.status", node="main.test", status="up")
    connects_to(router, device, "back", nodes[0])


# -- time of the queries --------------------------------------------------------------------------

def test_dns_is_queried_when_the_time_to_live_is_over(start_router, closing, nodes, port):
    dns = closing(DnsServer(hosts_of(*nodes), ttl_s=2))
    router = start_router(discovery_config(dns, port, refresh_ms=60_000))
    assert wait_nodes(router, 3)["next_ms"] == 2000
    wait_until(lambda: dns.queries(NAME) >= 3, "two more queries")


def test_dns_is_queried_after_refresh_ms_at_the_latest(start_router, closing, nodes, port):
    dns = closing(DnsServer({**hosts_of(*nodes), "slow.test": ["127.0.0.2"]}, ttl_s=3600))
    config = discovery_config(dns, port)
    slow = discovery_config(dns, port, name="slow.test", refresh_ms=3_600_000)["clusters"][0]
    config["clusters"].append({**slow, "name": "slow"})
    router = start_router(config)
    assert wait_nodes(router, 3, cluster="c")["next_ms"] == 1000
    assert wait_nodes(router, 1, cluster="slow")["next_ms"] == 3_600_000
    wait_until(lambda: dns.queries(NAME) >= 4, "three more queries")
    assert dns.queries("slow.test") == 1


# -- failures of the server -----------------------------------------------------------------------

@pytest.mark.sanitized
@pytest.mark.parametrize("how", ["killed", "stopped"])
def test_without_a_dns_server_the_nodes_stay(start_router, device, closing, nodes, port, how):
    dns = closing(DnsServer(hosts_of(*nodes[:2])))
    router = start_router(discovery_config(dns, port))
    wait_nodes(router, 2)
    raw = device(router)
    raw.connect("established")
    {"killed": dns.kill, "stopped": dns.hang}[how]()
    failed = router.wait_event("discovery.failed", cluster="c", timeout_s=OUTAGE_S)
    assert failed["nodes"] == 2 and failed["name"] == NAME, failed
    all_reach_home(router, device, {n.address: n for n in nodes[:2]},
                  [f"dev-{i}" for i in range(10)])
    assert is_alive(raw)

    if how == "killed":
        dns.set(hosts_of(*nodes))
        dns.begin()
    else:
        dns.resume()
        dns.set(hosts_of(*nodes))
    router.wait_event("discovery.recovered", timeout_s=OUTAGE_S)
    wait_nodes(router, 3)
    assert len(router.find("discovery.failed")) == 1
    assert is_alive(raw)


def test_a_name_that_no_longer_exists_removes_no_node(start_router, device, closing, nodes, port):
    dns = closing(DnsServer(hosts_of(*nodes)))
    router = start_router(discovery_config(dns, port))
    wait_nodes(router, 3)
    dns.set({})
    failed = router.wait_event("discovery.failed")
    assert "not found" in failed["error"], failed
    all_reach_home(router, device, {n.address: n for n in nodes}, [f"dev-{i}" for i in range(10)])
    dns.set(hosts_of(*nodes[:1]))
    router.wait_event("discovery.recovered")
    wait_nodes(router, 1, removed=2)


@pytest.mark.sanitized
def test_a_router_that_starts_without_a_dns_server_refuses_until_it_answers(
        start_router, device, closing, nodes, port):
    dns = closing(DnsServer(hosts_of(*nodes), begin=False))
    router = start_router(discovery_config(dns, port))
    router.wait_event("discovery.failed", nodes=0)
    assert device(router).connect("early-3") == (0, 3)
    assert device(router).connect("early-5", version=5) == (0, 0x88)
    dns.begin()
    router.wait_event("discovery.recovered", timeout_s=OUTAGE_S)
    wait_nodes(router, 3, added=3)
    all_reach_home(router, device, {n.address: n for n in nodes}, [f"dev-{i}" for i in range(10)])


def test_a_router_that_starts_with_a_silent_dns_server_serves_its_other_clusters(
        start_router, device, closing, nodes, port):
    dns = closing(DnsServer(hosts_of(*nodes)))
    dns.hang()
    config = discovery_config(dns, port)
    config["clusters"].append({"name": "fixed", "proxy_protocol": "none",
                               "nodes": [{"name": "n2", "address": nodes[0].address}]})
    config["listeners"].append({"name": "fixed", "address": "127.0.0.1:0", "cluster": "fixed"})
    router = start_router(config)
    with mqtt.Device(router.ports["fixed"]) as raw:
        assert raw.connect("other") == (0, 0)
    dns.resume()
    wait_nodes(router, 3, timeout_s=OUTAGE_S)
    connects_to(router, device, "at-last", next(
        n for n in nodes if by_home([n.address for n in nodes], ["at-last"])[n.address]))


# -- reload ---------------------------------------------------------------------------------------

def test_a_reload_keeps_the_nodes_until_a_new_query_is_answered(
        start_router, device, closing, nodes, port):
    dns = closing(DnsServer(hosts_of(*nodes[:2])))
    router = start_router(discovery_config(dns, port))
    wait_nodes(router, 2)
    named = {n.address: n for n in nodes[:2]}
    router.reload(discovery_config(dns, port, name="new.test"))
    assert router.wait_event("discovery.failed")["name"] == "new.test"
    all_reach_home(router, device, named, [f"dev-{i}" for i in range(10)])
    dns.set({"new.test": [nodes[2].host]})
    wait_nodes(router, 1, added=1, removed=2)
    connects_to(router, device, "dev-new", nodes[2])


def test_a_reload_without_a_discovery_change_sends_no_query(start_router, closing, nodes, port):
    dns = closing(DnsServer(hosts_of(*nodes), ttl_s=3600))
    config = discovery_config(dns, port, refresh_ms=3_600_000)
    router = start_router(config)
    wait_nodes(router, 3)
    router.reload(config)
    config["clusters"][0]["discovery"]["refresh_ms"] = 3_000_000
    router.reload(config)
    assert dns.queries(NAME) == 1
    assert len(router.find("discovery.changed")) == 1


def test_a_reload_can_add_and_remove_discovery(start_router, device, closing, nodes, port):
    dns = closing(DnsServer(hosts_of(*nodes[1:])))
    fixed = one_cluster({nodes[0].address: nodes[0].address}, proxy_protocol="none")
    router = start_router(fixed)
    connects_to(router, device, "dev-a", nodes[0])
    router.reload(discovery_config(dns, port))
    wait_nodes(router, 2)
    all_reach_home(router, device, {n.address: n for n in nodes[1:]},
                  [f"dev-{i}" for i in range(10)])
    router.reload(fixed)
    connects_to(router, device, "dev-b", nodes[0])


def test_a_reload_from_nodes_to_discovery_keeps_them_until_dns_answers(
        start_router, device, closing, nodes, port):
    dns = closing(DnsServer(hosts_of(*nodes[1:]), begin=False))
    router = start_router(one_cluster({"fixed": nodes[0].address}, proxy_protocol="none"))
    raw = connects_to(router, device, "dev-a", nodes[0])
    router.reload(discovery_config(dns, port))
    assert router.wait_event("discovery.failed")["nodes"] == 1
    connects_to(router, device, "dev-b", nodes[0])
    dns.begin()
    wait_nodes(router, 2, added=2, removed=1)
    named = {n.address: n for n in nodes[1:]}
    all_reach_home(router, device, named, [f"dev-{i}" for i in range(10)])
    assert is_alive(raw)

    dns.kill()  # and a cluster with another name sends the same query
    renamed = discovery_config(dns, port)
    renamed["clusters"][0]["name"] = renamed["listeners"][0]["cluster"] = "d"
    router.reload(renamed)
    assert router.wait_event("discovery.failed", cluster="d")["nodes"] == 2
    all_reach_home(router, device, named, [f"more-{i}" for i in range(10)])


def test_a_router_can_exit_during_a_query(start_router, closing, nodes, port):
    dns = closing(DnsServer(hosts_of(*nodes)))
    router = start_router(discovery_config(dns, port))
    wait_nodes(router, 3)
    dns.hang()
    queried = dns.queries(NAME)
    dns.resume()
    wait_until(lambda: dns.queries(NAME) > queried, "one more query")
    dns.hang()
    router.stop(signal.SIGTERM)


def test_an_override_outlives_an_answer_without_the_node(start_router, closing, nodes, port):
    """A drained node has no sessions, so only the override refers to it."""
    dns = closing(DnsServer(hosts_of(*nodes)))
    router = start_router(with_admin(discovery_config(dns, port)))
    path = f"/api/v1/nodes/c/{nodes[1].host}:{port}"

    def node():
        found = [n for n in admin.get(router, "/api/v1/nodes")["clusters"][0]["nodes"]
                 if n["name"] == f"{nodes[1].host}:{port}"]
        return found[0] if found else None
    wait_until(node, "the node to appear")
    admin.post(router, path, {"state": "draining", "weight": 5})
    assert node()["status"] == "draining"
    dns.set(hosts_of(nodes[0], nodes[2]))
    wait_until(lambda: not node(), "the node to disappear")
    dns.set(hosts_of(*nodes))
    back = wait_until(node, "the node to appear again")
    assert (back["status"], back["state"], back["weight"]) == ("draining", "draining", 5)
    assert {o["what"] for o in admin.get(router, "/api/v1/status")["overrides"]} == {
        "node_state", "node_weight"}
