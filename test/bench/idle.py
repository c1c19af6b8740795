"""Measure the cost of an idle connection: process memory, kernel memory, and CPU."""

import contenders
import harness
import pathlib
import tempfile
import time

from programs import Program, Sinks, make_certificate

TRANSPORTS = ("plain", "tls13", "tls12", "ws")
SETTLE_S = 20  # maximum
SETTLED_BYTES = 128 * 1024
FLEET = 16384  # devices of load.c
WARM_MS = 500
OBSERVE_S = 3  # measuring time of the idle connections


def slab_bytes():
    """Return the size of all sockets, epoll objects and descriptors in the kernel of the machine."""
    for line in pathlib.Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("Slab:"):
            return int(line.split()[1]) * 1024
    return 0


def settled_slab_bytes():
    """Wait until the kernel has freed old objects. Return the size."""
    before = slab_bytes()
    for _ in range(SETTLE_S):
        time.sleep(1)
        now = slab_bytes()
        if abs(now - before) < SETTLED_BYTES:
            return now
        before = now
    return before


def hold(load, transport, n, cpu_s, user_bytes):
    """Open n connections, measure, and close them."""
    slab, before = settled_slab_bytes(), user_bytes()
    load.command(f"open {transport} idle {n}")
    user, kernel = user_bytes() - before, slab_bytes() - slab
    cpu = cpu_s()
    time.sleep(OBSERVE_S)  # this is not a wait for an event: the measured work is to be idle
    cpu = cpu_s() - cpu
    load.command("close")
    return {"user_bytes": user / n, "slab_bytes": kernel / n, "cpu_ms_per_s": cpu * 1000 / OBSERVE_S}


def of_proxy(name, transport, options, setting):
    """Measure a new process after the complete fleet has connected once, a few devices at a time. Two other
    values are the memory for disconnected devices and the memory before the first connection."""
    proxy = contenders.start(name, setting, options.build)
    load = Program(options.build / "test/bench/load", proxy.plain, proxy.tls, proxy.ws)
    try:
        began = proxy.user_bytes()
        while load.command(f"cycle plain 0 32 {WARM_MS} 0")["serial"] < FLEET:
            pass
        load.command(f"open {transport} idle 64")
        load.command("close")
        before = proxy.user_bytes()
        held = hold(load, transport, options.idle, lambda: proxy.cpu()["cpu_s"], proxy.user_bytes)
        return {"before_bytes": before, "fleet_bytes": before - began} | held
    finally:
        load.close()
        proxy.close()


def run(options, n_nodes, threads):
    """Return [{proxy, door, user_bytes, slab_bytes, cpu_ms_per_s}]. slab_bytes does not include the
    sockets of devices and nodes."""
    found = []
    with tempfile.TemporaryDirectory(prefix="mqtt-router-bench-") as directory:
        certificates = pathlib.Path(directory)
        make_certificate(certificates, "ecdsa")
        sinks = Sinks(options.build, n_nodes)
        try:
            load = Program(options.build / "test/bench/load", sinks.ports[0], 0, 0)
            direct = hold(load, "plain", options.idle, lambda: 0, lambda: 0)["slab_bytes"]
            load.close()
            setting = contenders.Setting(sinks.ports, certificates, threads, options.idle + 100)
            for transport in TRANSPORTS:
                for name in [each for each in options.only if each != "floor" or transport == "plain"]:
                    cost = of_proxy(name, transport, options, setting)
                    cost["slab_bytes"] -= direct
                    found.append({"proxy": name, "door": transport, "n": options.idle} | cost)
                    print(f"  idle, {transport}: {name}: {cost['user_bytes']:.0f} B, kernel "
                          f"{cost['slab_bytes']:.0f} B, CPU {cost['cpu_ms_per_s']:.2f} ms/s",
                          flush=True)
        finally:
            sinks.close()
    return found
