"""Compute the homes of devices with the reference implementation of the hash."""

import sys

from harness import ROOT

sys.path.insert(0, str(ROOT / "test" / "tools"))
import rendezvous_reference  # noqa: E402  pylint: disable=wrong-import-position


def order(nodes, client_id):
    """Return the names of the nodes in the order of the hash, home first. All weights are equal."""
    return rendezvous_reference.order([(name, 1) for name in nodes], client_id.encode())


def by_home(nodes, client_ids):
    """Return {node: client identifiers whose home is this node}."""
    homes = {name: [] for name in nodes}
    for client_id in client_ids:
        homes[order(nodes, client_id)[0]].append(client_id)
    return homes


def ids_of(wanted, nodes, count=1, name="dev"):
    """Return the first `count` of `name-0`, `name-1`... whose order of nodes begins with `wanted`.

    wanted: a node's name, or a list of names
    """
    wanted = [wanted] if isinstance(wanted, str) else list(wanted)
    found, i = [], 0
    while len(found) < count:
        if order(nodes, f"{name}-{i}")[:len(wanted)] == wanted:
            found.append(f"{name}-{i}")
        i += 1
    return found
