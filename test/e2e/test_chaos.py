"""A short run of test/tools/chaos.py: random node failures, reloads and DNS changes."""

import sys

import pytest

import harness

sys.path.insert(0, str(harness.ROOT / "test" / "tools"))
import chaos  # noqa: E402  pylint: disable=wrong-import-position

SEED = 20  # fixed, so that the run is repeatable; run the script for other seeds


@pytest.mark.sanitized
def test_no_device_waits_beyond_the_deadlines_whatever_the_nodes_do(
        start_router, closing, capsys):
    seconds, devices = (20, 100) if harness.SANITIZED else (6, 400)
    chaos_run = closing(chaos.Chaos(start_router, devices, SEED))
    chaos_run.run(seconds)
    chaos_run.settle()
    with capsys.disabled():
        print(f"\n{chaos_run.summary()}")
