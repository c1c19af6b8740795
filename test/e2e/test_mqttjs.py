"""MQTT.js in Node, over ws and wss, through the router to a real Mosquitto."""

import subprocess

import pytest

import javascript
from harness import add_listener, one_cluster

pytestmark = pytest.mark.sanitized


@pytest.mark.parametrize("transport", ("ws", "wss"))
@pytest.mark.parametrize("version", ("4", "5"))
def test_mqttjs_works_over_websocket(start_router, mosquittos, certificates, transport, version):
    node = javascript.node_with("mqtt")
    made = one_cluster({"node1": mosquittos["node1"].port}, proxy_protocol="none")
    add_listener(made, "ws", websocket={})
    add_listener(made, "wss", tls_dir=certificates, websocket={})
    router = start_router(made)
    name = f"mqttjs-{transport}-{version}"
    url = f"{transport}://localhost:{router.ports[transport]}/mqtt"
    if transport == "ws":
        url = url.replace("localhost", "127.0.0.1")
    done = subprocess.run(
        [node, str(javascript.DIRECTORY / "client.js"), url, name, version,
         *([str(certificates / "ca.pem")] if transport == "wss" else [])],
        capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (0, "ok\n"), done
    end = router.session_end(client_id=name)
    assert end["closed_by"] in ("client", "node") and end["bytes_up"] > 100 * 1024
