"""Fixtures: stop everything that a test starts, and require a clean exit of each router."""

import os
import shutil
import signal
import tempfile

import pytest

import harness
import mqtt
import nodes
import recorder
from authority import Authority
from websocket import WsDevice

harness.raise_open_files()
TEST_LIMIT_S = 5 * harness.WAIT_LIMIT_S  # a test that takes longer fails, so that the others still run


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_call(item):
    """Fail a test that hangs, with its traceback and the router's log."""
    def give_up(_signal, _frame):
        pytest.fail(f"{item.nodeid} did not finish within {TEST_LIMIT_S} s")
    before = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(TEST_LIMIT_S)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def pytest_configure(config):
    """Use a separate temporary directory. Each start of pytest makes its default directory inaccessible to
    other users, including running routers that have dropped root."""
    if config.option.basetemp is None and not hasattr(config, "workerinput"):
        config.option.basetemp = tempfile.mkdtemp(prefix="mqtt-router-pytest-")
        config.add_cleanup(lambda: shutil.rmtree(config.option.basetemp, ignore_errors=True))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    fault = call.excinfo and call.excinfo.value
    if os.geteuid() != 0 and isinstance(fault, PermissionError) and \
            str(fault.filename).startswith("/proc/"):
        report.outcome = "skipped"
        report.longrepr = (str(item.path), 0, "Skipped: only root can read the router's files in /proc")
    setattr(item, "result_of_" + call.when, report)


@pytest.fixture(scope="session")
def certificates(tmp_path_factory):
    directory = tmp_path_factory.mktemp("certificates")
    harness.make_certificates(directory)
    return directory


@pytest.fixture(scope="session")
def mosquittos():
    """Start three real nodes. Each has a retained message `node/name` with its name."""
    started = {}
    try:
        for name in ("node1", "node2", "node3"):
            started[name] = nodes.Mosquitto(name)
            with mqtt.Device(started[name].port) as device:
                device.connect("names-" + name)
                device.send(mqtt.publish("node/name", name.encode(), qos=1, retain=True))
                assert device.packet()[0] == mqtt.PUBACK
        yield started
    finally:
        for node in started.values():
            node.close()


@pytest.fixture(scope="session")
def rabbitmq():
    node = nodes.RabbitMQ()
    yield node
    node.close()


@pytest.fixture
def recording_node():
    """Return a function that starts recording nodes: recording_node(answer=..., never_read=...)."""
    started = []

    def start(**how):
        started.append(recorder.RecordingNode(**how))
        return started[-1]
    yield start
    for node in started:
        node.close()


@pytest.fixture
def closing():
    """Return a function: closing(x) calls x.close() after the test, before the routers are stopped."""
    held = []

    def hold(thing):
        held.append(thing)
        return thing
    yield hold
    for thing in reversed(held):
        thing.close()


@pytest.fixture
def start_router(request):
    """Return a function that starts routers: start_router(config). Each must become idle and exit cleanly."""
    started = []

    def start(config, **how):
        started.append(harness.Router(config, **how))
        return started[-1]
    yield start
    failed = getattr(getattr(request.node, "result_of_call", None), "failed", False)
    try:
        for router in started:
            if router.process.poll() is None and not failed:
                router.wait_idle()
            if router.process.returncode is None:
                router.stop()
    except BaseException:
        failed = True
        raise
    finally:
        for router in started:
            router.kill()
            if failed:
                router.print_log()
            router.log_file.close()
            router.directory.cleanup()


@pytest.fixture
def device(closing):
    """Return a function that connects a socket: device(router) or device(router, tls=context)."""
    def open_device(router, tls=None, **how):
        port = router.tls_port if tls else router.port
        return closing(mqtt.Device(port, tls=tls, **how))
    return open_device


@pytest.fixture
def every_transport(start_router, certificates, closing):
    """Return a function: start(nodes, **settings) returns (router, dial), with listeners tcp, tls, ws and wss.

    dial(transport) connects a device that has not sent any MQTT yet.
    """
    def start(nodes, **settings):
        config = harness.one_cluster(nodes, tls_dir=certificates)
        harness.add_listener(config, "ws", websocket={})
        harness.add_listener(config, "wss", tls_dir=certificates, websocket={})
        router = start_router({**config, **settings})
        tls = mqtt.tls_context(certificates)

        def dial(transport):
            port = router.ports[{"tcp": "mqtt", "tls": "mqtts"}.get(transport, transport)]
            kind = WsDevice if transport.startswith("ws") else mqtt.Device
            return closing(kind(port, tls=tls if transport in ("tls", "wss") else None))
        return router, dial
    return start


@pytest.fixture(scope="session")
def authority(tmp_path_factory):
    """Return an authority that issues and revokes certificates: authority.issue(name, cn=..., sans=...)."""
    return Authority(tmp_path_factory.mktemp("authority"))
