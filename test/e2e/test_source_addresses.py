"""A pool of source addresses allows more sessions to one node than one address has ports."""

import collections

import pytest

from fleet import Fleet
from harness import one_cluster
from network import Namespace
from nodes import Mosquitto

pytestmark = pytest.mark.sanitized
PORTS = 100  # of each address


class Stage:
    """Start a router in a namespace with three addresses and very few ports. The node is outside the namespace."""

    def __init__(self, namespace, start_router, closing, pool):
        self.namespace = namespace
        addresses = [self.namespace.there] + [self.namespace.add_address(n) for n in (3, 4)]
        self.namespace.inside("sysctl", "-qw",
                              f"net.ipv4.ip_local_port_range=40000 {40000 + PORTS - 1}",
                              "net.ipv4.tcp_tw_reuse=1")  # reuse ports in TIME_WAIT
        self.node = closing(Mosquitto("n", host=self.namespace.here))
        self.pool = addresses[:pool]
        keys = {"source_addresses": self.pool} if pool else {}
        made = one_cluster({"n": self.node.address}, address=f"{self.namespace.there}:1883",
                           proxy_protocol="none", **keys)
        self.router = start_router(made, wrapper=self.namespace.wrapper)
        self.fleet_of = lambda who: closing(
            Fleet(self.router.port, who, host=self.namespace.there))

    def dialled_from(self):
        """Return {source address: sessions}, taken from the node's sockets."""
        found = self.namespace.inside("ss", "-Htn", "state", "established",
                                      f"( dport = :{self.node.port} )").stdout
        return collections.Counter(line.split()[2].rsplit(":", 1)[0]
                                   for line in found.splitlines())


@pytest.fixture
def namespace():
    """Closed after the router inside, which its end would kill."""
    made = Namespace()
    yield made
    made.close()


@pytest.fixture
def stage(namespace, start_router, closing):
    return lambda pool: Stage(namespace, start_router, closing, pool)


def test_three_addresses_carry_more_sessions_than_one_has_ports(stage):
    s = stage(pool=3)
    fleet = s.fleet_of(250)
    fleet.connect_all()
    assert not fleet.refusals
    used = s.dialled_from()
    assert set(used) == set(s.pool) and sum(used.values()) == 250
    assert max(used.values()) <= PORTS


def test_one_warning_is_logged_before_the_ports_run_out(stage):
    s = stage(pool=3)
    fleet = s.fleet_of(290)
    fleet.connect_all()
    assert not fleet.refusals
    low = s.router.wait_event("ports.low")
    assert low["level"] == "warn" and low["node"] == "n", low
    assert len(s.router.find("ports.low")) <= 2
    assert s.router.gauges()["ports_low_total"] == len(s.router.find("ports.low"))


def test_few_sessions_cause_no_warning(stage):
    s = stage(pool=3)
    s.fleet_of(100).connect_all()
    assert not s.router.find("ports.low")


@pytest.mark.parametrize("pool", (0, 1))
def test_without_a_pool_sessions_are_limited_by_the_ports_of_one_address(stage, pool):
    s = stage(pool=pool)
    first = s.fleet_of(PORTS)
    first.connect_all()
    second = s.fleet_of([f"late-{i}" for i in range(20)])
    second.connect_devices()
    second.run(lambda: sum(second.refusals.values()) >= 20, "all connects to be refused")
    s.router.session_end(reason="local_limit", count=20)
    # Ports that become free are used again.
    second.disconnect()
    first.disconnect(first.devices[:20])
    second.connect_all()
