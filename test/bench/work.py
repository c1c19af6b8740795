"""What the proxies do in the bench, piece by piece: what load.c is told, and what a unit is."""

import collections

SLOTS = 32         # devices that connect at a time
ECHOING = 100      # devices that send messages
STREAMING = 4      # devices that send or get in bulk
CONNECTS_PER_S = {"plain": 2000, "tls13": 400}
ECHOES_PER_S = 10000

# group       of the report's table
# key         of the certificate
# door        of load.c; what has no TLS also goes through the floor
# before      what the devices are told first; None: nothing
# command     what is measured; {ms} is how long
# unit        what `units` counts
# target      of the CPU of a unit, times HAProxy's, and times the floor's; None: none was set
# paced       at a rate that all can serve: what is compared is the latency
Work = collections.namedtuple(
    "Work", "name group key door before command unit target floor_target paced")


def _cycle(name, key, door, resume, target, floor_target=None):
    return Work(name, "connect", key, door, None, f"cycle {door} {resume} {SLOTS} {{ms}} 0",
                "cycle", target, floor_target, False)


def _echo(size, word, door, target, floor_target=None):
    name = f"echo {word}" + (", TLS" if door != "plain" else "")
    return Work(name, "echo", "ecdsa", door, f"open {door} echo {ECHOING}",
                f"echo {size} {{ms}} 0", "message", target, floor_target, False)


def _bulk(kind, way, door, target):
    name = f"bulk {way}" + (", TLS" if door != "plain" else "")
    return Work(name, "bulk", "ecdsa", door, f"open {door} {kind} {STREAMING}", "bulk {ms}",
                "MiB", target, None, False)


def _paced_cycle(door, word):
    rate = CONNECTS_PER_S[door]
    return Work(f"{rate:,} {word}connects/s", "paced", "ecdsa", door, None,
                f"cycle {door} 0 {4 * ECHOING} {{ms}} {rate}", "cycle", None, None, True)


def _paced_echo(door, word):
    return Work(f"{ECHOES_PER_S:,} {word}echoes/s", "paced", "ecdsa", door,
                f"open {door} echo {ECHOING}", f"echo 64 {{ms}} {ECHOES_PER_S}", "message", None,
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
    """How many units its pace asks for in that time; None: it is not paced."""
    return int(work.command.split()[-1]) * ms / 1000 if work.paced else None


def units(work, answer):
    """How much of it was done."""
    return answer["bytes"] / 2**20 if work.unit == "MiB" else answer["done"]
