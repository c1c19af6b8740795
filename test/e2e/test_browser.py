"""A page in headless Chromium that uses MQTT over WebSocket."""

import functools
import http.server
import shutil
import subprocess
import threading
import urllib.parse

import pytest

import javascript
from harness import SANITIZED, add_listener, one_cluster

pytestmark = pytest.mark.skipif(SANITIZED, reason="the Node.js test covers these builds")
VERSIONS = ("4", "5")


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    """An HTTP server for a directory that does not log."""

    def log_message(self, *_):
        pass


@pytest.fixture
def web_server(tmp_path):
    """Serve the page and its scripts on a free port of 127.0.0.1."""
    javascript.node_with("playwright-core")
    for path in (javascript.DIRECTORY / "page.html", javascript.DIRECTORY / "exchange.js",
                 javascript.MODULES / "mqtt" / "dist" / "mqtt.min.js"):
        shutil.copy(path, tmp_path)
    handler = functools.partial(QuietHandler, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def test_a_page_in_chromium_publishes_and_subscribes(
        web_server, start_router, mosquittos, tmp_path_factory):
    assert javascript.CHROMIUM, "no chromium: docker/install-deps.sh test"
    made = one_cluster({"node1": mosquittos["node1"].port}, proxy_protocol="none")
    router = start_router(add_listener(made, "ws", websocket={}))
    pages = []
    for version in VERSIONS:
        query = {"url": f"ws://127.0.0.1:{router.ports['ws']}/mqtt", "id": f"page-{version}",
                 "version": version}
        pages.append(f"{web_server}/page.html?{urllib.parse.urlencode(query)}")
    done = subprocess.run(
        [javascript.node_with("playwright-core"), str(javascript.DIRECTORY / "browser.js"),
         javascript.CHROMIUM, str(tmp_path_factory.mktemp("profile")), *pages],
        capture_output=True, text=True, timeout=90, check=False)
    assert (done.returncode, done.stdout.split("\n")) == (0, [*["ok"] * len(VERSIONS), ""]), done
    for version in VERSIONS:
        assert router.session_end(client_id=f"page-{version}")["bytes_up"] > 100 * 1024
