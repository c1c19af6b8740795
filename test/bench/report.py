#!/usr/bin/python3
"""
report.py - make tables and plots of the benchmark results, and the parts of test/bench/README.md that show them.

    report.py FIGURES.json            print the tables
    report.py FIGURES.json --publish  write the tables into the page, and the plots next to the figures file
    report.py FIGURES.json --check    compare the page with the figures (without the plots)

All numbers come from the figures file; none is entered by hand.
"""
import argparse
import json
import pathlib
import statistics
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
# pylint: disable=wrong-import-position
import capacity  # noqa: E402
import work  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
PAGE = ROOT / "test" / "bench" / "README.md"
# Marks around the generated parts of the page, by name.
MARKS = {name: (f"<!-- {name}: written by report.py -->\n", f"<!-- {name}: end -->\n")
         for name in ("bench", "capacity")}
NAMES = {"router": "mqtt-router", "haproxy": "HAProxy", "nginx": "nginx", "floor": "floor"}
TRANSPORTS = {"plain": "TCP", "tls13": "TLS 1.3", "tls12": "TLS 1.2", "ws": "WebSocket"}
HANDSHAKES = {"connect, TLS 1.3 full, ECDSA": "tls13_full_ecdsa",
              "connect, TLS 1.3 full, RSA": "tls13_full_rsa",
              "connect, TLS 1.3 resumed": "tls13_resumed",
              "connect, TLS 1.2 full, ECDSA": "tls12_full_ecdsa",
              "connect, TLS 1.2 resumed": "tls12_resumed"}
MICRO = {"connect_v3_1_1_ns": "parsing a 3.1.1 CONNECT with user name and password",
         "connect_v5_ns": "parsing a 5.0 CONNECT with properties",
         "connect_v5_will_ns": "parsing a 5.0 CONNECT with properties and a will",
         "connect_16_kb_ns": "parsing a CONNECT of 16,000 bytes",
         "pick_of_10_ns": "selecting the home and two other candidates from 10 nodes",
         "proxy_v2_ns": "composing a PROXY v2 header",
         "log_line_ns": "writing the log line of a session"}
# The places of cpu_profile.py.
PLACES = ("kernel, sockets", "kernel, bytes", "kernel, epoll", "kernel, other", "OpenSSL", "C library",
          "program")
FLEET = 16384  # devices of load.c
PARSE_TARGET_NS = 150
MEMORY_TARGETS = {"plain": 0.7 * 1024, "tls13": 14.5 * 1024, "tls12": 14.5 * 1024}


class Figures:
    """The results of the benchmarks, with functions that query them."""

    def __init__(self, path):
        self.all = json.loads(path.read_text())
        self.about = self.all["about"]

    def of(self, piece, proxy, value=lambda sample: sample["cpu_us"]):
        """Return {round: value}."""
        return {s["round"]: value(s) for s in self.all["samples"]
                if s["work"] == piece.name and s["proxy"] == proxy}

    def median(self, piece, proxy, value=lambda sample: sample["cpu_us"]):
        values = self.of(piece, proxy, value)
        return statistics.median(values.values()) if values else None

    def ratio(self, piece, other):
        """Return the median of the router's CPU time relative to the other proxy's in the same round."""
        ours, theirs = self.of(piece, "router"), self.of(piece, other)
        ratios = [ours[n] / theirs[n] for n in ours if n in theirs]
        return statistics.median(ratios) if ratios else None


def cell(value, digits=1):
    return "" if value is None else f"{value:,.{digits}f}"


def verdict(value, target):
    """Return a ratio with its goal, and whether the goal was missed."""
    if value is None:
        return ""
    if target is None:
        return f"{value:.2f}"
    return f"{value:.2f} ({target:.2f}{'' if value <= target else ', missed'})"


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows]) + "\n"


def cost_table(figures):
    rows = []
    for piece in [piece for piece in work.WORKS if not piece.paced]:
        floor = figures.median(piece, "floor")
        if piece.name in HANDSHAKES:
            floor = figures.all["handshake_floor"][HANDSHAKES[piece.name]]
        rows.append([piece.name, *(cell(figures.median(piece, name))
                                   for name in ("router", "haproxy", "nginx")), cell(floor),
                     verdict(figures.ratio(piece, "haproxy"), piece.target),
                     verdict(figures.ratio(piece, "floor"), piece.floor_target)])
    return table(["CPU, µs per unit", *(NAMES[n] for n in ("router", "haproxy", "nginx")), "floor",
                  "ratio to HAProxy (goal)", "ratio to floor (goal)"], rows)


def latency_table(figures):
    rows = []
    for piece in [piece for piece in work.WORKS if piece.paced]:
        for word in ("p50", "p99"):
            rows.append([f"{piece.name}, {word}", *(
                cell(figures.median(piece, name, lambda s: s["latency"][word]), 2)
                for name in NAMES)])
        rows.append([f"{piece.name}, CPU µs", *(cell(figures.median(piece, name))
                                                for name in NAMES)])
    return table(["latency in milliseconds, at a fixed rate", *NAMES.values()], rows)


def unseen_bytes(idle):
    """Return the bytes of an idle connection, including what the router stores about a new device."""
    return idle["user_bytes"] + idle["fleet_bytes"] / FLEET


def idle_table(figures):
    found = {(each["proxy"], each["door"]): each for each in figures.all["idle"]}
    rows = []
    for transport, name in TRANSPORTS.items():
        def each(what, digits=0, transport=transport):
            return [cell(found[n, transport][what] if (n, transport) in found else None, digits)
                    for n in NAMES]
        rows.append([f"{name}, process", *each("user_bytes")])
        rows.append([f"{name}, kernel", *each("slab_bytes")])
        rows.append([f"{name}, CPU ms per second, all connections", *each("cpu_ms_per_s", 2)])
    rows.append(["TCP, process, for a new device", *(
        cell(unseen_bytes(found[n, "plain"]) if (n, "plain") in found else None, 0)
        for n in NAMES)])
    plain = {n: found[n, "plain"] for n in NAMES if (n, "plain") in found}
    rows.append(["process without connections, KiB", *(
        cell(plain[n]["before_bytes"] / 1024 if n in plain else None, 0) for n in NAMES)])
    rows.append(["of these, for 16,384 known devices, KiB", *(
        cell(plain[n]["fleet_bytes"] / 1024 if n in plain else None, 0) for n in NAMES)])
    n = figures.all["idle"][0]["n"]
    return table([f"bytes per idle connection, with {n:,} connections", *NAMES.values()], rows)


def calls_table(figures):
    found = calls_by_work(figures)
    rows = []
    for name, by_proxy in found.items():
        rows.append([name, *(cell(sum(by_proxy[n].values()) if n in by_proxy else None)
                             for n in NAMES),
                     ", ".join(f"{call} {n:g}" for call, n in by_proxy["router"].items()
                               if n >= 0.05)])
    return table(["system calls per unit", *NAMES.values(), "calls of mqtt-router"], rows) if rows else ""


def profile_table(figures):
    """Return the median CPU time of each work, divided among the places."""
    pieces = {piece.name: piece for piece in work.WORKS}
    rows = []
    for each in figures.all["profiles"]:
        cpu = figures.median(pieces[each["work"]], each["proxy"])
        rows.append([f"{each['work']}, {NAMES[each['proxy']]}",
                     *(cell(cpu * each["shares"].get(place, 0)) for place in PLACES)])
    return table(["CPU time by place, µs per unit", *PLACES], rows) if rows else ""


def calls_by_work(figures):
    """Return {work: {proxy: {call: n}}}."""
    found = {}
    for each in figures.all["syscalls"]:
        found.setdefault(each["work"], {})[each["proxy"]] = each["calls"]
    return found


def storm_table(figures):
    """Return the table of storm's results, which are {proxy: {kind: result}} in each round."""
    rounds = figures.all.get("storm") or []
    rows = []
    for kind in ("full", "resumed"):
        for heading, value, digits in (
                ("time until all have reconnected, s", lambda r: r["elapsed_ms"] / 1000, 2),
                ("connect p99, ms", lambda r: r["connect_ms"]["p99"], 0),
                ("devices reconnected per CPU second", lambda r: r["back"] / max(
                    r["cpu"]["user_s"] + r["cpu"]["system_s"], 0.01), 0),
                ("ping of a connected device, p99, ms", lambda r: r["ping"]["round_trip_ms"]["p99"], 1),
                ("process memory afterwards, MB", lambda r: r["memory_mb"], 0)):
            rows.append([f"{kind}, {heading}", *(
                cell(statistics.median(value(each[n][kind]) for each in rounds), digits)
                for n in ("router", "haproxy", "nginx"))])
    devices = rounds[0]["router"]["full"]["devices"] if rounds else 0
    return table([f"a storm of {devices:,} devices, TLS 1.3", *list(NAMES.values())[:3]],
                 rows) if rounds else ""


def micro_table(figures):
    micro = figures.all["micro"]
    return table(["single function, warm cache", "ns"],
                 [[name, cell(micro[key], 0)] for key, name in MICRO.items()])


def rsa_sentence(figures):
    works = {piece.name: piece for piece in work.WORKS}
    rsa, ecdsa = (figures.median(works[f"connect, TLS 1.3 full, {key}"], "router")
                  for key in ("RSA", "ECDSA"))
    return f"A handshake with RSA-2048 costs {rsa / ecdsa:.1f} times as much as ECDSA P-256.\n"


def least(figures, piece):
    """Return both floors of a connect together (OpenSSL's handshake and the bare relay), relative to HAProxy."""
    plain = next(each for each in work.WORKS if each.name == "connect, plain")
    theirs, relay = figures.median(piece, "haproxy"), figures.median(plain, "floor")
    if piece.name not in HANDSHAKES or not theirs or not relay:
        return ""
    floors = figures.all["handshake_floor"][HANDSHAKES[piece.name]] + relay
    return f"{floors / theirs:.2f}"


def misses(figures):
    """Return the goals that were missed: case, measure, goal, measured, both floors."""
    found = []
    for piece in work.WORKS:
        for other, target in (("haproxy", piece.target), ("floor", piece.floor_target)):
            value = figures.ratio(piece, other) if target else None
            if value and value > target:
                found.append([piece.name, f"CPU, ratio to {NAMES[other]}", f"{target:.2f}", f"{value:.2f}",
                              least(figures, piece)])
        if piece.paced:
            p99 = {name: figures.median(piece, name, lambda s: s["latency"]["p99"])
                   for name in ("router", "haproxy", "nginx")}
            best = min(v for n, v in p99.items() if n != "router" and v) if len(
                [v for v in p99.values() if v]) > 1 else p99["router"]
            if p99["router"] > best:
                found.append([piece.name, "p99, ms", f"{best:.2f}", f"{p99['router']:.2f}", ""])
            if figures.median(piece, "router", lambda s: s["behind"]) > 0.02:
                found.append([piece.name, "keeps the rate", "yes", "no", ""])
    for each in figures.all["idle"]:
        if each["proxy"] == "router" and each["user_bytes"] > MEMORY_TARGETS.get(
                each["door"], float("inf")):
            found.append([f"idle, {TRANSPORTS[each['door']]}", "bytes", f"{MEMORY_TARGETS[each['door']]:.0f}",
                          f"{each['user_bytes']:.0f}", ""])
        if each["proxy"] == "router" and each["door"] == "plain" and unseen_bytes(
                each) > MEMORY_TARGETS["plain"]:
            found.append(["idle, TCP, new device", "bytes", f"{MEMORY_TARGETS['plain']:.0f}",
                          f"{unseen_bytes(each):.0f}", ""])
        if each["proxy"] == "router" and each["cpu_ms_per_s"] >= 0.5:
            found.append([f"idle, {TRANSPORTS[each['door']]}", "CPU, ms per second", "0.5",
                          f"{each['cpu_ms_per_s']:.1f}", ""])
    for key in ("connect_v3_1_1_ns", "connect_v5_ns"):
        if figures.all["micro"][key] > PARSE_TARGET_NS:
            found.append([MICRO[key], "ns", f"{PARSE_TARGET_NS}", f"{figures.all['micro'][key]:.0f}", ""])
    return found + [[line, "growth", "", "too fast", ""] for line in figures.all["grows_too_fast"]]


def text(figures):
    about = figures.about
    missed = misses(figures)
    parts = [
        f"Measured on {about['date']}: {about['cores']} cores ({about['cpu']}), Linux "
        f"{about['kernel'].split('-')[0]}, OpenSSL {about['openssl']}, HAProxy "
        f"{about['haproxy']}, nginx {about['nginx']} with njs; {about['threads']} threads each, "
        f"{about['nodes']} nodes, {about['rounds']} rounds of {about['ms'] / 1000:g} s for each "
        "proxy in turn. The figures are medians of all rounds; a ratio is the median of the ratios in each round. "
        "All programs share the cores.\n",
        cost_table(figures), "![CPU time per unit of work](results/cpu.svg)\n",
        "These goals were missed (\"both floors\" is the CPU time of OpenSSL's handshake and of the bare relay "
        "together, relative to HAProxy's):\n\n"
        + table(["case", "measure", "goal", "measured", "both floors"], missed) if missed else
        "All goals were reached.\n",
        profile_table(figures), latency_table(figures), idle_table(figures),
        "The kernel's memory is measured for the whole machine, with an error of one or two KiB per connection.\n",
        "![memory of idle connections](results/memory.svg)\n",
        calls_table(figures), micro_table(figures), storm_table(figures),
        "![growth of costs](results/growth.svg)\n"]
    return "\n".join(part for part in parts if part)


def capacity_text(figures):
    head, rows = capacity.rows(figures)
    return table(head, rows) + "\n" + capacity.sentence(figures) + "\n" + rsa_sentence(figures)


def published(figures):
    """Return the page with the parts generated from these figures."""
    page = PAGE.read_text()
    for name, part in (("bench", text(figures)), ("capacity", capacity_text(figures))):
        begin, end = MARKS[name]
        before, rest = page.split(begin)
        page = before + begin + "\n" + part + "\n" + end + rest.split(end)[1]
    return page


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("figures", type=pathlib.Path)
    parser.add_argument("--publish", action="store_true")
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    figures = Figures(options.figures)
    if options.check:
        sys.exit(published(figures) != PAGE.read_text() and
                 "test/bench/README.md differs from the figures: run test/bench/report.py --publish")
    if options.publish:
        import plots  # pylint: disable=import-outside-toplevel  # needs matplotlib
        PAGE.write_text(published(figures))
        plots.draw(figures, options.figures.parent)
    else:
        print(text(figures))
        print(capacity_text(figures))


if __name__ == "__main__":
    main()
