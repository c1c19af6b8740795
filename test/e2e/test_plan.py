"""`mqtt-router plan`: the devices that a change of the configuration would move."""

import json
import subprocess

import pytest

import homes
import rendezvous_reference
from harness import BINARY, WAIT_LIMIT_S


def write(path, nodes, cluster="c", **more):
    """Write a configuration with these nodes: {name: weight}."""
    path.write_text(json.dumps({
        "listeners": [{"name": "l", "address": "127.0.0.1:0", "cluster": cluster}],
        "clusters": [{"name": cluster, **more, **({"nodes": [
            {"name": name, "address": f"192.0.2.{i + 1}:1883", "weight": weight}
            for i, (name, weight) in enumerate(nodes.items())]} if nodes else {})}]}))
    return str(path)


def plan(*arguments, stdin=None, code=0):
    done = subprocess.run([BINARY, "plan", *arguments], input=stdin, capture_output=True, text=True,
                          timeout=WAIT_LIMIT_S, check=False)
    assert done.returncode == code, done.stderr
    return done.stdout if code == 0 else done.stderr


def home(nodes, client_id):
    return rendezvous_reference.order(list(nodes.items()), client_id.encode())[0]


BEFORE = {"a": 1, "b": 1, "c": 2}
AFTER = {"b": 1, "c": 1, "d": 3}


@pytest.fixture
def files(tmp_path):
    return write(tmp_path / "old.json", BEFORE), write(tmp_path / "new.json", AFTER)


def test_plan_moves_the_same_ids_as_the_reference_implementation(files):
    assert homes  # importing homes adds the reference implementation to the path
    ids = [f"dev-{i}" for i in range(500)] + ['x"y', "é", " blank "]
    printed = plan(*files, "--ids", "-", stdin="\r\n".join(ids) + "\n\n")
    moves = [tuple(line.split("\t")) for line in printed.splitlines()]
    expected = [(i, home(BEFORE, i), home(AFTER, i)) for i in ids if home(BEFORE, i) != home(AFTER, i)]
    assert moves == expected and len(expected) > 100


def test_source_addresses_are_hashed_in_one_form(tmp_path):
    old = write(tmp_path / "old.json", BEFORE, route_by="source_ip")
    new = write(tmp_path / "new.json", AFTER, route_by="source_ip")
    addresses = [f"192.0.2.{i}" for i in range(100)]
    printed = plan(old, new, "--ids", "-", stdin="\n".join("::ffff:" + a for a in addresses))
    moves = [tuple(line.split("\t")) for line in printed.splitlines()]
    expected = [("::ffff:" + a, home(BEFORE, a), home(AFTER, a)) for a in addresses
                if home(BEFORE, a) != home(AFTER, a)]
    assert moves == expected and len(expected) > 20
    refused = plan(old, new, "--ids", "-", stdin="192.0.2.1\n\ndev-1\n", code=1)
    assert "error: -:3: must be an IPv4 or IPv6 address" in refused


def test_the_shares_match_those_of_many_ids(files):
    [cluster] = json.loads(plan(*files, "--json"))["clusters"]
    ids = [f"device/{i}" for i in range(6000)]
    moved = [(home(BEFORE, i), home(AFTER, i)) for i in ids]
    moved = [pair for pair in moved if pair[0] != pair[1]]
    assert cluster["moved_percent"] == pytest.approx(100 * len(moved) / len(ids), abs=3)
    for move in cluster["moves"]:
        expected = 100 * moved.count((move["from"], move["to"])) / len(ids)
        assert move["percent"] == pytest.approx(expected, abs=2.5), move
    assert sum(m["percent"] for m in cluster["moves"]) == pytest.approx(cluster["moved_percent"], abs=0.1)
    assert f"cluster c: {cluster['moved_percent']:.1f} % of the keys move" in plan(*files)


def test_a_removed_node_moves_only_its_own_ids(tmp_path):
    old = write(tmp_path / "old.json", {"a": 1, "b": 1, "c": 1})
    new = write(tmp_path / "new.json", {"a": 1, "b": 1})
    [cluster] = json.loads(plan(old, new, "--json"))["clusters"]
    assert {m["from"] for m in cluster["moves"]} == {"c"}
    assert cluster["moved_percent"] == pytest.approx(33.3, abs=1)
    assert json.loads(plan(old, old, "--json"))["clusters"][0]["moved_percent"] == 0


def test_clusters_can_be_added_and_removed(tmp_path):
    old, new = write(tmp_path / "old.json", {"a": 1}, "x"), write(tmp_path / "new.json", {"a": 1}, "y")
    found = {c["name"]: c for c in json.loads(plan(old, new, "--json"))["clusters"]}
    assert (found["x"]["change"], found["y"]["change"]) == ("removed", "added")
    assert found["x"]["moves"] == [{"from": "a", "to": None, "percent": 100.0}]
    assert [c["name"] for c in json.loads(plan(old, new, "--json", "--cluster", "y"))["clusters"]] == ["y"]


def test_plan_reports_what_it_cannot_compute(tmp_path, files):
    found = write(tmp_path / "dns.json", {}, discovery={"type": "dns", "name": "emqx.example"})
    assert 'cluster "c": its nodes are discovered by DNS, so they are not in the file' in plan(files[0], found, code=1)
    assert 'unknown cluster "z"' in plan(*files, "--cluster", "z", code=1)
    assert 'unknown cluster "z"' in plan(*files, "--cluster", "z", "--ids", "-", stdin="", code=1)
    assert "No such file" in plan(*files, "--ids", str(tmp_path / "none"), code=1)
    assert "cannot read the file" in plan(files[0], str(tmp_path / "none.json"), code=1)


def test_an_id_with_control_characters_is_escaped(files):
    printed = plan(*files, "--ids", "-", stdin="".join(f"\x1b[31m{i}\u202e\n" for i in range(50)))
    assert printed.startswith("\\u001b[31m") and "\x1b" not in printed and "\u202e" not in printed
