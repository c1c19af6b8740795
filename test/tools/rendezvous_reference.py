#!/usr/bin/python3
"""
rendezvous_reference.py - a second implementation of the hash, written from src/model/README.md alone.

    rendezvous_reference.py                        print the test vectors, one JSON line each
    rendezvous_reference.py --check FILE           verify a vectors file; exit 1 on a difference
    rendezvous_reference.py --key KEY NAME[=W]...  print x and cost of each node, best first
    rendezvous_reference.py --sni NAME NAME[=W]... the same for a server name, in any form
    rendezvous_reference.py --router PROGRAM --config FILE [--cluster NAME] [--ids N]
                                                   compare with `PROGRAM route` for N client ids

Shares no code with the router: uses Python integers, libxxhash through python3-xxhash, and exact
fractions to sort. Needs python3-xxhash.
"""
import argparse
import json
import math
import subprocess
import sys
from fractions import Fraction

import xxhash

ONE = 1 << 32  # 1.0 with 32 fractional bits


def seed_of(name):
    return xxhash.xxh3_64_intdigest(name.encode())


def x_of(name, key):
    return xxhash.xxh3_64_intdigest(key, seed=seed_of(name)) | 1


def cost_of(x):
    """Return -log2(x / 2^64) with 32 fractional bits, computed digit by digit on a 32-bit mantissa."""
    k = x.bit_length() - 1
    y = (x << 64 >> k) >> 33  # the leading one becomes bit 31, lower bits are truncated
    digits = 0
    for _ in range(32):
        y = y * y // 2**31
        digit, y = (1, y // 2) if y >= 2**32 else (0, y)
        digits = 2 * digits + digit
    cost = 64 * ONE - (k * ONE + digits)
    # Compare this algorithm with math.log2: they differ by less than 2^-28.
    assert abs(cost / ONE - (64 - math.log2(x))) < 2**-28, hex(x)
    return cost


def server_name_key(name):
    """Return the key of a server name: ASCII lower case, without one trailing dot."""
    name = name[:-1] if name.endswith(b".") else name
    return bytes(c + 32 if 65 <= c <= 90 else c for c in name)


def order(nodes, key):
    """nodes: [(name, weight)]. Return the names, home first."""
    ranked = []
    for name, weight in nodes:
        if weight > 0:
            x = x_of(name, key)
            ranked.append((Fraction(cost_of(x), weight), -x, name.encode()))
    return [name.decode() for _, _, name in sorted(ranked)]


# --- vectors ---------------------------------------------------------------------------------

TWO = [("emqx1", 1), ("emqx2", 1)]
THREE = [("n1", 1), ("n2", 1), ("n3", 1)]
WEIGHTED = [("emqx1", 1), ("emqx2", 1), ("emqx3", 2), ("emqx4", 4)]
ODD = [("a", 3), ("b", 0), ("knoten-ä", 65535), ("n" * 300, 65534), ("emqx@10.0.0.5", 1)]
TWELVE = [("node%02d" % i, 1 + i % 3) for i in range(12)]

# XXH3 uses different code from 4, 9, 17, 129, 241 and 1024 bytes on.
UNIT = b"device/0123456789-"
LENGTHS = [1, 3, 4, 8, 9, 16, 17, 23, 128, 129, 240, 241, 1024, 1025, 65535]
TEXTS = ["", "0", "device-000001", "device-000002", "gerät-ä", "センサー-7", "\U0001f697", "a\0b", " "]
XS = [1, 3, 5, 0xFFFF, 0x7FFFFFFF, 0x80000001, 0xFFFFFFFF, 0x100000001, 0x1FFFFFFFF,
      0x123456789ABCDEF1, 0x7FFFFFFFFFFFFFFF, 0x8000000000000001, 0x8000000100000001,
      0xB504F333F9DE6485, 0xFFFFFFFEFFFFFFFF, 0xFFFFFFFF00000001, 0xFFFFFFFFFFFFFFFF]


def key_fields():
    for text in TEXTS:
        yield {"key_hex": text.encode().hex()}
    for length in LENGTHS:
        yield {"key_unit_hex": UNIT.hex(), "key_bytes": length}


def key_of(fields):
    if "key_hex" in fields:
        return bytes.fromhex(fields["key_hex"])
    unit = bytes.fromhex(fields["key_unit_hex"])
    n = fields["key_bytes"]
    return (unit * (n // len(unit) + 1))[:n]


def vector(nodes, fields):
    key = key_of(fields)
    details = []
    for name, weight in nodes:
        x = x_of(name, key)
        details.append({"name": name, "weight": weight, "seed": "%016x" % seed_of(name),
                        "x": "%016x" % x, "cost": cost_of(x)})
    return {"order": order(nodes, key), **fields, "nodes": details}


def vectors():
    for x in XS:
        yield {"cost": cost_of(x), "x": "%016x" % x}
    for fields in key_fields():
        for nodes in (TWO, WEIGHTED, ODD):
            yield vector(nodes, fields)
    for i in range(20):
        fields = {"key_hex": ("device-%06d" % i).encode().hex()}
        yield vector(THREE, fields)
        yield vector(TWELVE, fields)


def recomputed(line):
    if "order" not in line:
        return {"cost": cost_of(int(line["x"], 16)), "x": line["x"]}
    nodes = [(n["name"], n["weight"]) for n in line["nodes"]]
    fields = {k: v for k, v in line.items() if k.startswith("key_")}
    return vector(nodes, fields)


def check(path):
    wrong = 0
    total = 0
    with open(path, encoding="utf-8") as lines:
        for number, text in enumerate(lines, 1):
            total += 1
            line = json.loads(text)
            if recomputed(line) != line:
                wrong += 1
                print("%s:%d: differs: %s" % (path, number, text[:200].rstrip()))
    print("%d vectors, %d differ" % (total, wrong))
    return 0 if total and not wrong else 1


# --- a running router ------------------------------------------------------------------------

def candidates(output):
    """Parse the output of `route`, lines of "1 NAME ADDRESS", home first; return the names."""
    rows = [line.split() for line in output.splitlines() if line.split()[:1] and line[0].isdigit()]
    assert [row[0] for row in rows] == [str(i + 1) for i in range(len(rows))], output
    return [row[1] for row in rows]


def nodes_of(config_path, cluster_name=None):
    with open(config_path, encoding="utf-8") as f:
        clusters = json.load(f)["clusters"]
    cluster = next(c for c in clusters if cluster_name in (None, c["name"]))
    return [(n["name"], n.get("weight", 1)) for n in cluster["nodes"]]


def differences(router, config_path, ids, cluster_name=None):
    """Return the client identifiers for which `ROUTER route` and this program disagree."""
    nodes = nodes_of(config_path, cluster_name)
    found = []
    for client_id in ids:
        run = subprocess.run([router, "route", "--config", config_path, "--client-id", client_id],
                             capture_output=True, text=True, check=True, timeout=30)
        theirs = candidates(run.stdout)
        ours = order(nodes, client_id.encode())
        # The router can print fewer candidates than there are nodes.
        if not theirs or theirs != ours[:len(theirs)]:
            found.append((client_id, theirs, ours))
    return found


def compare(args):
    ids = ["device-%06d" % i for i in range(args.ids)] + ["gerät-ä", "x" * 1000, " ", "-"]
    found = differences(args.router, args.config, ids, args.cluster)
    for client_id, theirs, ours in found:
        print("%s: router: %s, reference: %s" % (client_id[:80], theirs, ours))
    print("%d ids, %d differ" % (len(ids), len(found)))
    return 1 if found else 0


def explain(key, specs):
    nodes = [(s.rpartition("=")[0], int(s.rpartition("=")[2])) if "=" in s else (s, 1) for s in specs]
    weights = dict(nodes)
    for place, name in enumerate(order(nodes, key), 1):
        x = x_of(name, key)
        print("%d %s weight=%d seed=%016x x=%016x L=%d cost=%.6f" %
              (place, name, weights[name], seed_of(name), x, cost_of(x),
               cost_of(x) / ONE / weights[name]))
    return 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[1])
    parser.add_argument("--check", metavar="FILE")
    parser.add_argument("--key")
    parser.add_argument("--sni", metavar="NAME")
    parser.add_argument("--router", metavar="PROGRAM")
    parser.add_argument("--config", metavar="FILE")
    parser.add_argument("--cluster", metavar="NAME")
    parser.add_argument("--ids", type=int, default=200)
    parser.add_argument("nodes", nargs="*", metavar="NAME[=WEIGHT]")
    args = parser.parse_args()
    if args.check:
        return check(args.check)
    if args.router:
        if not args.config:
            parser.error("--router requires --config")
        return compare(args)
    if args.key is not None:
        return explain(args.key.encode(), args.nodes)
    if args.sni is not None:
        return explain(server_name_key(args.sni.encode()), args.nodes)
    for line in vectors():
        print(json.dumps(line, ensure_ascii=False))
    return 0


if __name__ == "__main__":
    sys.exit(main())
