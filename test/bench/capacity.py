"""Calculate what a fleet requires from the measured costs of a connection, a connect and a message."""

import math
import statistics

# Assumptions about devices and machines. The generated text states all of them.
BACK_WITHIN_S = 300  # all devices reconnect over TLS with full handshakes within this time
PING_EVERY_S = 60  # each device sends a message at this interval and gets an answer
CORES_BUSY = 0.6  # planned share of the cores
PORTS = 65000 - 1024 + 1  # ports of one source address to one node, as in config/operations.md
PORTS_USED = 0.8  # usable share: other ports are in TIME_WAIT or used by other programs
ANFD_BYTES = 16  # libev's memory per descriptor, in each worker
NODES = 3
MACHINE = {"cores": 16, "memory_gib": 64}


def per_unit(figures):
    """Return {transport: {"user": bytes, "kernel": bytes, "connect": s, "message": s}}."""
    idle = {each["door"]: each for each in figures.all["idle"] if each["proxy"] == "router"}
    cpu = {}
    for sample in figures.all["samples"]:
        if sample["proxy"] == "router":
            cpu.setdefault(sample["work"], []).append(sample["cpu_us"])
    cpu = {name: statistics.median(values) / 1e6 for name, values in cpu.items()}
    # At a fixed rate, because single connects and messages cost more than batches.
    names = {"plain": ("2,000 connects/s", "10,000 echoes/s"),
             "tls13": ("400 TLS connects/s", "10,000 TLS echoes/s")}
    return {transport: {"user": idle[transport]["user_bytes"], "kernel": idle[transport]["slab_bytes"],
                   "connect": cpu[connect], "message": cpu[message]}
            for transport, (connect, message) in names.items()}


def of_one_router(unit, n, workers):
    """Return the requirements of n connections: process GiB, kernel GiB, cores, source addresses."""
    loops = 2 * n * ANFD_BYTES * workers
    return {"process_gib": (n * unit["user"] + loops) / 2**30,
            "kernel_gib": n * unit["kernel"] / 2**30,
            "back_cores": n / BACK_WITHIN_S * unit["connect"],
            "idle_cores": n / PING_EVERY_S * unit["message"],
            "addresses": math.ceil(n / (NODES - 1) / (PORTS * PORTS_USED))}


def most_on_machine(unit):
    """Return how many connections fit into half of the memory and the planned share of the cores."""
    def fits(n):
        need = of_one_router(unit, n, MACHINE["cores"])
        return (need["process_gib"] + need["kernel_gib"] <= MACHINE["memory_gib"] / 2 and
                need["back_cores"] + need["idle_cores"] <= MACHINE["cores"] * CORES_BUSY)
    n = 0
    while fits(n + 50_000):
        n += 50_000
    return n


def rows(figures):
    """Return the heading and the rows, with a cell for each of 100k and 1M devices, TCP and TLS."""
    units = per_unit(figures)
    cases = [(transport, n) for transport in units for n in (100_000, 1_000_000)]
    needs = [of_one_router(units[transport], n, MACHINE["cores"]) for transport, n in cases]
    head = ["one router", *(f"{n // 1000:,}k {'TCP' if transport == 'plain' else 'TLS'}"
                            for transport, n in cases)]
    lines = [(name, [f"{need[key]:,.{digits}f}" for need in needs]) for name, key, digits in (
        (f"process memory, {MACHINE['cores']} workers, GiB", "process_gib", 2),
        ("kernel memory, with empty socket buffers, GiB", "kernel_gib", 2),
        (f"cores, if all devices reconnect within {BACK_WITHIN_S} s", "back_cores", 2),
        (f"cores, if each device sends a message and gets an answer every {PING_EVERY_S} s", "idle_cores", 2),
        (f"source addresses with {PORTS:,} ports each, if one of {NODES} nodes is down", "addresses",
         0))]
    lines.append(("descriptors", [f"{2 * n + 1000:,}" for _, n in cases]))
    return head, [[name, *cells] for name, cells in lines]


def sentence(figures):
    """Describe how many routers ten million devices require."""
    units = per_unit(figures)
    parts = []
    for transport, name in (("plain", "TCP"), ("tls13", "TLS 1.3")):
        most = most_on_machine(units[transport])
        routers = math.ceil(10_000_000 / most) if most else 0
        parts.append(f"{routers} routers and one spare for {name} ({most:,} connections per router)")
    about = figures.about
    return (f"Ten million devices require {' or '.join(parts)}, on machines with {MACHINE['cores']} cores and "
            f"{MACHINE['memory_gib']} GiB, if half of the memory and {CORES_BUSY * 100:.0f} % of the cores may be "
            f"used. This is calculated from measurements on {about['cores']} cores, which compare one worker "
            f"with two; the costs on {MACHINE['cores']} cores were not measured.\n")
