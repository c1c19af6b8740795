"""The work of the benchmarks: commands to load.c, and their units."""

import collections

SLOTS = 32         # devices that connect simultaneously
ECHOING = 100      # devices that send messages
STREAMING = 4      # devices that send or receive bulk data
CONNECTS_PER_S = {"plain": 2000, "tls13": 400}
ECHOES_PER_S = 10000

# group       group in the table of the report
# key         kind of the certificate's key
# transport   transport of load.c; the floor also does work without TLS
# before      command sent to the devices before the measurement; None: no command
# command     measured command; {ms} is its duration
# unit        unit of work, which units() counts
# target      goal for the CPU per unit, relative to HAProxy and to the floor; None: no goal
# paced       at a rate that all proxies can serve, to compare latency
Work = collections.namedtuple(
    "Work", "name group key transport before command unit target floor_target paced")


def _cycle(name, key, transport, resume, target, floor_target=None):
    return Work(name, "connect", key, transport, None, f"cycle {transport} {resume} {SLOTS} {{ms}} 0",
                "cycle", target, floor_target, False)


def _echo(size, word, transport, target, floor_target=None):
    name = f"echo {word}" + (", TLS" if transport != "plain" else "")
    return Work(name, "echo", "ecdsa", transport, f"open {transport} echo {ECHOING}",
                f"echo {size} {{ms}} 0", "message", target, floor_target, False)


def _bulk(kind, way, transport, target):
    name = f"bulk {way}" + (", TLS" if transport != "plain" else "")
    return Work(name, "bulk", "ecdsa", transport, f"open {transport} {kind} {STREAMING}", "bulk {ms}",
                "MiB", target, None, False)


def _paced_cycle(transport, word):
    rate = CONNECTS_PER_S[transport]
    return Work(f"{rate:,} {word}connects/s", "paced", "ecdsa", transport, None,
                f"cycle {transport} 0 {4 * ECHOING} {{ms}} {rate}", "cycle", None, None, True)


def _paced_echo(transport, word):
    return Work(f"{ECHOES_PER_S:,} {word}echoes/s", "paced", "ecdsa", transport,
                f"open {transport} echo {ECHOING}", f"echo 64 {{ms}} {ECHOES_PER_S}", "message", None,
                None, True)


WORKS = (
    _cycle("connect, plain", "ecdsa", "plain", 0, 0.80, 1.15),
    _cycle("connect, TLS 1.3 full, ECDSA", "ecdsa", "tls13", 0, 0.75),
    _cycle("connect, TLS 1.3 full, RSA", "rsa", "tls13", 0, 0.90),
    _cycle("connect, TLS 1.3 resumed", "ecdsa", "tls13", 1, 0.80),
    _cycle("connect, TLS 1.2 full, ECDSA", "ecdsa", "tls12", 0, None),
    _cycle("connect, TLS 1.2 resumed", "ecdsa", "tls12", 1, 0.75),
    _echo(64, "64 B", "plain", 0.95, 1.05),
    _echo(1024, "1 KiB", "plain", 0.95, 1.05),
    _echo(16384, "16 KiB", "plain", None),
    _echo(64, "64 B", "tls13", 0.80),
    _echo(1024, "1 KiB", "tls13", 0.80),
    _echo(16384, "16 KiB", "tls13", None),
    _bulk("take", "to the node", "plain", 0.95),
    _bulk("pour", "to the device", "plain", 0.95),
    _bulk("take", "to the node", "tls13", 0.90),
    _bulk("pour", "to the device", "tls13", 0.90),
    _paced_cycle("plain", ""),
    _paced_cycle("tls13", "TLS "),
    _paced_echo("plain", ""),
    _paced_echo("tls13", "TLS "),
)


def due(work, ms):
    """Return how many units are due in this time at the rate of the work. None: no rate."""
    return int(work.command.split()[-1]) * ms / 1000 if work.paced else None


def units(work, answer):
    """Return the number of units done."""
    return answer["bytes"] / 2**20 if work.unit == "MiB" else answer["done"]
