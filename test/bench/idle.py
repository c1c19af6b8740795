"""What an idle connection costs: memory of the process, of the kernel, and CPU for doing nothing."""

import contenders
import harness
import pathlib
import tempfile
import time

from programs import Program, Sinks, make_certificate

DOORS = ("plain", "tls13", "tls12", "ws")
SETTLE_S = 20  # at most
SETTLED_BYTES = 128 * 1024
FLEET = 16384  # of load.c
WARM_MS = 500
LOOK_S = 3  # how long they are watched doing nothing


def slab_bytes():
    """What the kernel's own objects take on the whole machine: sockets, epoll, descriptors."""
    for line in pathlib.Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("Slab:"):
            return int(line.split()[1]) * 1024
    return 0


def settled_slab_bytes():
    """The same, once the kernel has freed what others left: sockets go by and by."""
    before = slab_bytes()
    for _ in range(SETTLE_S):
        time.sleep(1)
        now = slab_bytes()
        if abs(now - before) < SETTLED_BYTES:
            return now
        before = now
    return before


def hold(load, door, n, cpu_s, user_bytes):
    """Open n, look at them, and close them."""
    slab, before = settled_slab_bytes(), user_bytes()
    load.say(f"open {door} idle {n}")
    user, kernel = user_bytes() - before, slab_bytes() - slab
    cpu = cpu_s()
    time.sleep(LOOK_S)  # not to wait for something: doing nothing for that long is the work
    cpu = cpu_s() - cpu
    load.say("close")
    return {"user_bytes": user / n, "slab_bytes": kernel / n, "cpu_ms_per_s": cpu * 1000 / LOOK_S}


def of_proxy(name, door, options, setting):
    """On a fresh process that has seen the fleet once, a few at a time: what it remembers of devices
    that are gone is told apart, as what it takes before the first of these connects."""
    proxy = contenders.start(name, setting, options.build)
    load = Program(options.build / "test/bench/load", proxy.plain, proxy.tls, proxy.ws)
    try:
        began = proxy.user_bytes()
        while load.say(f"cycle plain 0 32 {WARM_MS} 0")["serial"] < FLEET:
            pass
        load.say(f"open {door} idle 64")
        load.say("close")
        before = proxy.user_bytes()
        held = hold(load, door, options.idle, lambda: proxy.cpu()["cpu_s"], proxy.user_bytes)
        return {"before_bytes": before, "fleet_bytes": before - began} | held
    finally:
        load.close()
        proxy.close()


def run(options, n_nodes, threads):
    """[{proxy, door, user_bytes, slab_bytes, cpu_ms_per_s}], the kernel's part without the
    device's and the node's sockets."""
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
            for door in DOORS:
                for name in [each for each in options.only if each != "floor" or door == "plain"]:
                    cost = of_proxy(name, door, options, setting)
                    cost["slab_bytes"] -= direct
                    found.append({"proxy": name, "door": door, "n": options.idle} | cost)
                    print(f"  idle, {door}: {name}: {cost['user_bytes']:.0f} B, kernel "
                          f"{cost['slab_bytes']:.0f} B, CPU {cost['cpu_ms_per_s']:.2f} ms/s",
                          flush=True)
        finally:
            sinks.close()
    return found
