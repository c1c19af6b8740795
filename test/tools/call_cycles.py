#!/usr/bin/env python3
"""Find cycles in the calls between files of src/.

    call_cycles.py BUILD     BUILD is a build directory; its objects must be up to date

An edge A -> B means that the object of A uses a symbol that B defines. Each strongly connected
component of more than one file is a fault, unless one of AGREED contains all of its files. Prints
one line per fault, exits with 1 on any; an exception that is no longer needed gets a note.
"""

import pathlib
import subprocess
import sys

SRC = pathlib.Path(__file__).resolve().parents[2] / "src"
# Exceptions: (reason, [files below src/, without .c]).
AGREED = []


def call_graph(build):
    """Return the files that each file uses: {file: set of files}."""
    paths = {str(path): str(path).split(".dir/src/", 1)[1][:-len(".c.o")]
             for path in sorted(pathlib.Path(build, "CMakeFiles").glob("*.dir/src/**/*.c.o"))}
    # Objects that are left over from before their file was moved do not count.
    paths = {path: file for path, file in paths.items() if (SRC / f"{file}.c").exists()}
    defined_in, used_by = {}, {file: set() for file in paths.values()}
    lines = subprocess.run(["nm", "-g", "-A", *paths], check=True, capture_output=True, text=True).stdout
    for line in lines.splitlines():
        path, entry = line.split(":", 1)
        *_, kind, symbol = entry.split()
        if kind == "U":
            used_by[paths[path]].add(symbol)
        else:
            defined_in[symbol] = paths[path]
    return {file: {defined_in[s] for s in symbols if s in defined_in} - {file}
            for file, symbols in used_by.items()}


def reachable(graph, start):
    found, left = set(), [start]
    while left:
        for file in graph[left.pop()] - found:
            found.add(file)
            left.append(file)
    return found


def components(graph):
    """Return the strongly connected components of more than one file, as sorted lists."""
    reach = {file: reachable(graph, file) for file in graph}
    rings = {frozenset(other for other in reach[file] if file in reach[other])
             for file in graph if file in reach[file]}
    return sorted(sorted(ring) for ring in rings if len(ring) > 1)


def faults(graph, agreed):
    rings = components(graph)
    for ring in rings:
        if not any(set(ring) <= set(files) for _, files in agreed):
            calls = ", ".join(f"{file} -> {' '.join(sorted(graph[file] & set(ring)))}" for file in ring)
            yield f"call cycle: {calls}"


def unused(graph, agreed):
    rings = components(graph)
    return [reason for reason, files in agreed if not any(set(ring) <= set(files) for ring in rings)]


def self_test():
    graph = {"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": set()}
    assert components(graph) == [["b", "c"]]
    assert list(faults(graph, [])) == ["call cycle: b -> c, c -> b"]
    assert not list(faults(graph, [("tested here", ["b", "c"])]))
    assert unused({"a": set()}, [("stale", ["a", "b"])]) == ["stale"]


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: call_cycles.py BUILD")
    self_test()
    graph = call_graph(sys.argv[1])
    if not graph:
        sys.exit(f"no objects of src/ in {sys.argv[1]}")
    found = list(faults(graph, AGREED))
    notes = [f"note: exception without a cycle ({reason})" for reason in unused(graph, AGREED)]
    print("\n".join(found + notes + [f"{len(graph)} files, {len(found)} faults"]))
    sys.exit(bool(found))


main()
