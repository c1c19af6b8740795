"""Find Node.js and the packages of mqttjs/. If they are missing, print the command that installs them."""

import os
import shutil

from harness import HERE

DIRECTORY = HERE / "mqttjs"
MODULES = DIRECTORY / "node_modules"
CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium")


def node_with(package):
    node = shutil.which("node")
    assert node, "Node.js is not installed: run docker/install-deps.sh test"
    assert (MODULES / package).is_dir(), f"no {package}: run npm ci in {DIRECTORY}"
    return node
