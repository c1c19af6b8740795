"""Real clients through the router to real Mosquitto nodes, over TCP and TLS.

The three nodes share no state, so two devices can exchange messages only if they have the same home.
"""

import os
import queue
import socket
import struct
import subprocess

import paho.mqtt.client as paho
import pytest
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

import mqtt
from harness import WAIT_LIMIT_S, ROOT, one_cluster, run_router

pytestmark = pytest.mark.sanitized
PAHO_CLIENT = os.environ.get("PAHO_CLIENT", str(ROOT / "build/release/test/e2e/paho_client"))
TRANSPORTS = ("tcp", "tls")


@pytest.fixture
def router(start_router, mosquittos, certificates):
    nodes = {name: node.port for name, node in mosquittos.items()}
    return start_router(one_cluster(nodes, tls_dir=certificates, proxy_protocol="none"))


def home_of(router, client_id):
    result = run_router("route", "--config", router.config_path, "--client-id", client_id)
    assert result.returncode == 0, result.stderr
    return result.stdout.split()[1]


def ids_at(router, home, stem, count):
    found = []
    for i in range(1000):
        if home_of(router, f"{stem}-{i}") == home:
            found.append(f"{stem}-{i}")
            if len(found) == count:
                return found
    raise AssertionError(f"fewer than {count} ids have home {home}")


class PahoDevice:
    """A device with Python's paho-mqtt, in MQTT 3.1.1 or 5.0."""

    def __init__(self, router, client_id, version=4, transport="tcp", certificates=None,
                 clean=True, will=None):
        self.messages, self.done = queue.Queue(), queue.Queue()
        self.connected = queue.Queue()
        self.gone = False
        how = {} if version == 5 else {"clean_session": clean}
        self.client = paho.Client(client_id, protocol=version, **how)
        self.client.on_connect = lambda c, u, flags, rc, *p: self.connected.put((flags, rc))
        self.client.on_subscribe = lambda *a: self.done.put("subscribed")
        self.client.on_publish = lambda *a: self.done.put("published")
        self.client.on_message = lambda c, u, m: self.messages.put((m.topic, m.payload, m.qos, m.retain))
        if will:
            self.client.will_set(*will)
        if transport == "tls":
            self.client.tls_set(ca_certs=str(certificates / "ca.pem"))
        arguments = {}
        if version == 5:
            properties = Properties(PacketTypes.CONNECT)
            properties.SessionExpiryInterval = 0 if clean else 3600
            arguments = {"clean_start": clean, "properties": properties}
        port = router.tls_port if transport == "tls" else router.port
        self.client.connect("localhost" if transport == "tls" else "127.0.0.1", port, 60, **arguments)
        self.client.loop_start()
        flags, rc = self.connected.get(timeout=WAIT_LIMIT_S)
        assert int(getattr(rc, "value", rc)) == 0, rc
        self.session_present = flags["session present"]

    def subscribe(self, topic, qos):
        self.client.subscribe(topic, qos)
        assert self.done.get(timeout=WAIT_LIMIT_S) == "subscribed"

    def publish(self, topic, payload, qos, retain=False):
        self.client.publish(topic, payload, qos, retain)
        assert self.done.get(timeout=WAIT_LIMIT_S) == "published"

    def message(self):
        return self.messages.get(timeout=WAIT_LIMIT_S)

    def vanish(self):
        """Reset the connection without a DISCONNECT, as after a power loss."""
        self.client.loop_stop()
        self.gone = True
        raw = self.client.socket()
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        raw.close()

    def close(self):
        if self.gone:
            return
        self.client.disconnect()
        self.client.loop_stop()


@pytest.fixture
def paho_device(router, certificates, closing):
    def make(client_id, **how):
        return closing(PahoDevice(router, client_id, certificates=certificates, **how))
    return make


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("version", (4, 5))
def test_two_devices_exchange_messages_with_qos_0_1_and_2(router, paho_device, version, transport):
    home = home_of(router, "listener")
    speaker_id, = ids_at(router, home, "speaker", 1)
    listener = paho_device("listener", version=version, transport=transport)
    speaker = paho_device(speaker_id, version=version, transport=transport)
    listener.subscribe("room/+", 2)
    for qos in (0, 1, 2):
        speaker.publish(f"room/{qos}", f"hello {qos}" * 500, qos)
        assert listener.message() == (f"room/{qos}", (f"hello {qos}" * 500).encode(), qos, False)


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("version", (4, 5))
def test_a_persistent_session_is_resumed(router, paho_device, version, transport):
    name = f"sleeper-{version}-{transport}"
    first = paho_device(name, version=version, transport=transport, clean=False)
    assert first.session_present == 0
    first.subscribe(f"letters/{name}", 1)
    first.close()
    neighbour, = ids_at(router, home_of(router, name), "postman", 1)
    paho_device(neighbour).publish(f"letters/{name}", "while you slept", 1)
    again = paho_device(name, version=version, transport=transport, clean=False)
    assert again.session_present == 1
    assert again.message()[1] == b"while you slept"


def test_a_retained_message_reaches_a_device_that_connects_later(router, paho_device):
    writer, reader = ids_at(router, "node2", "retained", 2)
    paho_device(writer).publish("state/door", "open", 1, retain=True)
    late = paho_device(reader, version=5)
    late.subscribe("state/door", 1)
    assert late.message() == ("state/door", b"open", 1, True)


@pytest.mark.parametrize("version", (4, 5))
def test_the_will_is_published_when_a_device_is_lost(router, paho_device, version):
    watcher, mortal = ids_at(router, "node1", f"will-{version}", 2)
    watching = paho_device(watcher)
    watching.subscribe("wills/#", 1)
    paho_device(mortal, version=version, will=(f"wills/{mortal}", "gone", 1)).vanish()
    assert watching.message()[:2] == (f"wills/{mortal}", b"gone")


def mosquitto(program, port, *arguments, certificates=None):
    tls = ["-h", "localhost", "--cafile", str(certificates / "ca.pem")] if certificates else [
        "-h", "127.0.0.1"]
    return subprocess.run([program, "-p", str(port), *tls, *arguments], capture_output=True,
                          text=True, timeout=WAIT_LIMIT_S, check=True).stdout


@pytest.mark.parametrize("version", ("mqttv31", "mqttv311", "mqttv5"))
def test_mosquitto_pub_and_sub_work_over_tcp_and_tls(router, certificates, version):
    name = f"cli-{version}"
    home = home_of(router, name)
    for port, directory in ((router.port, None), (router.tls_port, certificates)):
        got = mosquitto("mosquitto_sub", port, "-V", version, "-i", name, "-t", "node/name", "-C", "1",
                        "-W", "10", certificates=directory)
        assert got.strip() == home
        mosquitto("mosquitto_pub", port, "-V", version, "-i", name, "-q", "2", "-r", "-t",
                  f"cli/{version}", "-m", f"over {port}", certificates=directory)
        got = mosquitto("mosquitto_sub", port, "-V", version, "-i", name, "-q", "2", "-t",
                        f"cli/{version}", "-C", "1", "-W", "10", certificates=directory)
        assert got.strip() == f"over {port}"


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("version", ("4", "5"))
def test_the_paho_c_client_works(router, certificates, paho_device, version, transport):
    if not os.path.exists(PAHO_CLIENT):
        pytest.fail(f"{PAHO_CLIENT} was not built")
    name = f"paho-c-{version}-{transport}"

    def run(task):
        uri = (f"ssl://localhost:{router.tls_port}" if transport == "tls"
               else f"tcp://127.0.0.1:{router.port}")
        ca = [str(certificates / "ca.pem")] if transport == "tls" else []
        result = subprocess.run([PAHO_CLIENT, uri, name, version, task, *ca],
                                capture_output=True, text=True, timeout=60, check=False)
        assert (result.returncode, result.stdout) == (0, "ok\n"), result
    run("echo")
    run("leave")
    neighbour, = ids_at(router, home_of(router, name), "penfriend", 1)
    paho_device(neighbour).publish(f"paho/{name}", "while you slept", 1)
    run("return")


def test_the_session_present_flag_is_relayed_unchanged(router, device):
    for version, expiry in ((3, b""), (4, b""), (5, bytes.fromhex("1100000e10"))):
        name = f"present-{version}"
        for expected in (0, 1):
            with mqtt.Device(router.port) as raw:
                present, code = raw.connect(name, version=version, clean=False, properties=expiry)
                assert code == 0
                # The CONNACK of 3.1 has no Session Present flag.
                assert present == (expected if version > 3 else 0)
                raw.send(mqtt.DISCONNECT)
                assert raw.read_to_end() == (b"", "end")
