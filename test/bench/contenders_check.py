#!/usr/bin/python3
"""
contenders_check.py - check in a few seconds that the proxies of the benchmarks work as described.

Each proxy has two nodes that record what they receive. Devices with twenty client identifiers
connect twice over TCP and TLS. Each device must reach the same node both times, with a PROXY header that
contains its address, and the devices must reach both nodes. Then the load of the benchmarks runs briefly
through the plain, TLS and WebSocket listeners to the sink of the benchmarks.
"""
import argparse
import os
import pathlib
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
# pylint: disable=wrong-import-position
import contenders  # noqa: E402
import harness  # noqa: E402
import mqtt  # noqa: E402
import recorder  # noqa: E402
from programs import Program, Sinks, make_certificate  # noqa: E402

SKIPPED = 77
IDS = [f"device-{i}" for i in range(20)]


def node_of(nodes, port, client_id, tls):
    """Check the address in the header. Return the node that the device reached."""
    before = [len(node.records) for node in nodes]
    with mqtt.Device(port, tls=tls) as device:
        assert device.connect(client_id) == (0, 0), client_id
        own = device.name
    for i, node in enumerate(nodes):
        if len(node.records) > before[i]:
            record = node.record(before[i])
            source = recorder.proxy_source(record.proxy)
            assert source[1] == own[1], f"the node got {source}, the device has {own}"
            return i
    raise AssertionError("the device reached no node")


def check_routing(name, setting, nodes, build):
    proxy = contenders.start(name, setting, build)
    try:
        tls = mqtt.tls_context(setting.certificates)
        for port, context in ((proxy.plain, None), (proxy.tls, tls)):
            first = [node_of(nodes, port, each, context) for each in IDS]
            assert first == [node_of(nodes, port, each, context) for each in IDS], name
            assert set(first) == {0, 1}, f"{name}: all devices reached the same node"
    finally:
        proxy.close()


def check_load(name, setting, build):
    proxy = contenders.start(name, setting, build)
    load = Program(build / "test/bench/load", proxy.plain, proxy.tls, proxy.ws)
    try:
        transports = ("plain", "tls13", "tls12", "ws") if proxy.ws else ("plain",)
        for transport in transports:
            answer = load.command(f"cycle {transport} 0 4 50 0")
            assert answer["done"] > 0 and not answer["failures"], f"{name}, {transport}: {answer}"
        for transport in transports[:3]:
            load.command(f"open {transport} echo 4")
            assert load.command("echo 1024 50 0")["done"] > 0, f"{name}, {transport}"
            load.command("close")
            if transport != "plain":
                load.command(f"cycle {transport} 1 4 50 0")
                answer = load.command(f"cycle {transport} 1 4 50 0")
                assert answer["resumed"] == answer["done"] > 0, f"{name}, {transport}: {answer}"
    finally:
        load.close()
        proxy.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=pathlib.Path, required=True)
    build = parser.parse_args().build.resolve()
    names = [name for name in ("router", "haproxy", "nginx") if contenders.available(name, build)]
    if "nginx" not in names:  # its JavaScript module is only in the bench set of install-deps.sh
        print(f"no {contenders.MODULES}/ngx_stream_js_module.so: run docker/install-deps.sh bench")
        sys.exit(SKIPPED)
    if len(names) < 3 or not os.access(build / "test/bench/load", os.X_OK):
        sys.exit(f"only {names} are installed")
    harness.raise_open_files()
    nodes = [recorder.RecordingNode(), recorder.RecordingNode()]
    sinks = Sinks(build, 2)
    with tempfile.TemporaryDirectory(prefix="mqtt-router-bench-") as directory:
        certificates = pathlib.Path(directory)
        make_certificate(certificates, "ecdsa")
        setting = contenders.Setting([node.port for node in nodes], certificates, 2, 100)
        load_setting = contenders.Setting(sinks.ports, certificates, 2, 100)
        for name in names:
            check_routing(name, setting, nodes, build)
            check_load(name, load_setting, build)
        check_load("floor", load_setting, build)
    sinks.close()
    for node in nodes:
        node.close()


if __name__ == "__main__":
    main()
