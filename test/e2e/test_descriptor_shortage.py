"""Without free descriptors, the router pauses accepting, closes one connection, does not spin, and recovers."""

import os
import resource
import time

import pytest

import mqtt
from harness import one_cluster, wait_until

pytestmark = pytest.mark.sanitized


def test_a_connection_waiting_for_a_descriptor_is_closed_and_the_next_is_served(
        start_router, recording_node, closing):
    node = recording_node()
    config = one_cluster({"n": node.port})
    config["workers"] = 1
    router = start_router(config)
    present = closing(mqtt.Device(router.port))
    assert present.connect("present") == (0, 0)
    # The limit is the highest descriptor in use, so open descriptors stay, but no new one can be
    # opened.
    highest = max(map(int, os.listdir(f"/proc/{router.pid}/fd")))
    before = resource.prlimit(router.pid, resource.RLIMIT_NOFILE)
    holes = highest + 1 - router.descriptors()
    resource.prlimit(router.pid, resource.RLIMIT_NOFILE, (highest + 1, before[1]))
    began = time.monotonic()
    waiting = [closing(mqtt.Device(router.port)) for _ in range(10 + holes)]
    parted = [device.read_to_end()[0] for device in waiting[-5:]]
    assert parted == [b""] * 5
    node.record().write(b"still there")
    assert present.read(11) == b"still there"
    gauges = router.gauges()
    took_s = time.monotonic() - began
    assert gauges["accept_shed_total"] >= 5
    assert gauges["accept_pauses_total"] <= took_s / 0.1 + 1
    assert len(router.find("accept.paused")) <= took_s + 1
    resource.prlimit(router.pid, resource.RLIMIT_NOFILE, before)

    def is_served():
        with mqtt.Device(router.port) as device:
            try:
                return device.connect("next") == (0, 0)
            except (EOFError, ConnectionResetError):
                return False
    wait_until(is_served, "accept to resume")
