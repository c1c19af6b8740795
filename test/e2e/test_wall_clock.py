"""A change of the system clock neither closes nor prolongs a session, because the router uses monotonic time."""

import glob
import time

import pytest

import mqtt
from harness import one_cluster

DEVICES = 40
IDLE_MS = 6000


@pytest.fixture
def clock(tmp_path):
    """Return (wrapper, set). A router run by the wrapper uses the wall-clock time passed to set()."""
    library, = glob.glob("/usr/lib/*/faketime/libfaketime.so.1")
    offset = tmp_path / "offset"

    def set_by(seconds):
        fresh = tmp_path / "fresh"
        fresh.write_text(f"{seconds:+d}\n")
        fresh.rename(offset)
    set_by(0)
    offset.chmod(0o644)
    return ["env", f"LD_PRELOAD={library}", f"FAKETIME_TIMESTAMP_FILE={offset}",
            "FAKETIME_NO_CACHE=1", "FAKETIME_DONT_FAKE_MONOTONIC=1",
            "DONT_FAKE_MONOTONIC=1"], set_by


def test_devices_that_ping_survive_a_clock_set_forward(
        start_router, mosquittos, closing, clock):
    wrapper, set_by = clock
    made = one_cluster({"n": mosquittos["node1"].port}, proxy_protocol="none")
    made["timeouts"] = {"idle_ms": IDLE_MS}
    router = start_router(made, wrapper=wrapper)
    devices = [closing(mqtt.Device(router.port)) for _ in range(DEVICES)]
    for i, device in enumerate(devices):
        assert device.connect(f"pinging-{i}") == (0, 0)
    for turn in range(6):
        for device in devices:
            device.send(mqtt.PING)
            assert device.packet()[0] == mqtt.PINGRESP
        if turn == 1:
            set_by(3600)  # before the first check of each session, after half of its idle time
        time.sleep(IDLE_MS / 3000)
    assert router.find("session.end") == []
    assert router.gauges()["sessions_relay"] == DEVICES
    hours = {event["time"][:13] for event in router.events}
    assert len(hours) > 1, "the log shows the new time"


@pytest.mark.parametrize("seconds", (3600, -3600))
def test_silent_devices_time_out_correctly_when_the_clock_is_set(
        start_router, mosquittos, closing, clock, seconds):
    wrapper, set_by = clock
    made = one_cluster({"n": mosquittos["node1"].port}, proxy_protocol="none")
    made["timeouts"] = {"idle_ms": IDLE_MS}
    router = start_router(made, wrapper=wrapper)
    devices = [closing(mqtt.Device(router.port)) for _ in range(DEVICES)]
    for i, device in enumerate(devices):
        assert device.connect(f"silent-{i}", keep_alive_s=0) == (0, 0)
    set_by(seconds)
    router.session_end(count=DEVICES)
    ends = router.find("session.end")
    assert {end["reason"] for end in ends} == {"idle_timeout"}
    assert min(end["ms_relay"] for end in ends) >= IDLE_MS - 10
