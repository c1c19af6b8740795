"""Node and the packages of mqttjs/: there, or a clear word why not."""

import os
import shutil

import pytest

from harness import HERE

DIRECTORY = HERE / "mqttjs"
MODULES = DIRECTORY / "node_modules"
CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium")


def demand(condition, what):
    """In CI all of it must be there; elsewhere a test that lacks it is skipped."""
    if condition:
        return
    assert not os.environ.get("CI"), what
    pytest.skip(what)


def node_with(package):
    node = shutil.which("node")
    demand(node, "no node: docker/install-deps.sh test")
    demand((MODULES / package).is_dir(), f"no {package}: npm ci in {DIRECTORY}")
    return node
