"""Draw the plots of the benchmarks as SVG: CPU per unit of work, memory of idle connections, growth of costs."""

import collections

import matplotlib

matplotlib.use("svg")
# pylint: disable=wrong-import-position
import matplotlib.pyplot as plt  # noqa: E402

import work  # noqa: E402

COLOURS = {"router": "#0072b2", "haproxy": "#d55e00", "nginx": "#009e73", "floor": "#999999"}
NAMES = {"router": "mqtt-router", "haproxy": "HAProxy", "nginx": "nginx", "floor": "floor"}
TRANSPORTS = {"plain": "TCP", "tls13": "TLS 1.3", "tls12": "TLS 1.2", "ws": "WebSocket"}
# The same figures always produce the same file. Text is written as text, not as outlines.
matplotlib.rcParams.update({"svg.hashsalt": "mqtt-router", "svg.fonttype": "none",
                            "font.size": 8, "axes.spines.top": False, "axes.spines.right": False,
                            "savefig.facecolor": "white"})


def save(figure, path):
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


def cpu(figures, path):
    """Plot each proxy's CPU per unit relative to HAProxy's."""
    pieces = [piece for piece in work.WORKS if not piece.paced]
    figure, axes = plt.subplots(figsize=(9, 6))
    for k, name in enumerate(("router", "haproxy", "nginx", "floor")):
        at, wide = [], []
        for i, piece in enumerate(pieces):
            value = figures.median(piece, name)
            if value:
                at.append(i + 0.2 * k)
                wide.append(value / figures.median(piece, "haproxy"))
        axes.barh(at, wide, 0.19, color=COLOURS[name], label=NAMES[name])
    for i, piece in enumerate(pieces):
        if piece.target:
            axes.plot([piece.target] * 2, [i - 0.15, i + 0.15], color="black", lw=1.2,
                      label="aimed at" if i == 0 else None)
    axes.set_yticks([i + 0.3 for i in range(len(pieces))], [piece.name for piece in pieces])
    axes.invert_yaxis()
    axes.set_xlim(0, 1.5)
    axes.axvline(1, color=COLOURS["haproxy"], lw=0.6, ls=":")
    axes.set_xlabel("CPU time of a unit of work, relative to HAProxy (less is better)")
    axes.legend(frameon=False)
    save(figure, path)


def memory(figures, path):
    figure, axes = plt.subplots(figsize=(9, 3))
    for k, name in enumerate(("router", "haproxy", "nginx")):
        found = {each["door"]: each["user_bytes"] / 1024 for each in figures.all["idle"]
                 if each["proxy"] == name}
        at = [i + 0.27 * k for i, transport in enumerate(TRANSPORTS) if transport in found]
        bars = axes.bar(at, [found[transport] for transport in TRANSPORTS if transport in found], 0.26,
                        color=COLOURS[name], label=NAMES[name])
        axes.bar_label(bars, fmt="%.1f", fontsize=7)
    axes.set_xticks([i + 0.27 for i in range(len(TRANSPORTS))], TRANSPORTS.values())
    axes.set_ylabel("KiB of the process\nan idle connection")
    axes.legend(frameon=False)
    save(figure, path)


def growth(figures, path):
    curves = collections.OrderedDict()
    for point in figures.all.get("growth", []):
        curves.setdefault(point["curve"], {}).setdefault(point["who"], []).append(point)
    columns = 3
    rows = max((len(curves) + columns - 1) // columns, 1)
    figure, grid = plt.subplots(rows, columns, figsize=(9, 2.3 * rows), squeeze=False)
    for axes in grid.flat[len(curves):]:
        axes.axis("off")
    for axes, (curve, by_proxy) in zip(grid.flat, curves.items()):
        for name, points in by_proxy.items():
            axes.plot([p["x"] for p in points], [p["y"] for p in points], marker="o", ms=3,
                      color=COLOURS[name], label=NAMES[name])
            axes.set_ylabel(points[0]["unit"])
        axes.set_ylim(0, 1.1 * max(p["y"] for points in by_proxy.values() for p in points))
        axes.set_title(curve, fontsize=8)
        if "workers" in curve:
            axes.set_xticks([p["x"] for p in points])
        if len(by_proxy) > 1:
            axes.legend(frameon=False, fontsize=7)
    save(figure, path)


def draw(figures, directory):
    cpu(figures, directory / "cpu.svg")
    memory(figures, directory / "memory.svg")
    growth(figures, directory / "growth.svg")
