"""The figures as a bar chart: functrans' time over each peer's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.benchmarks.frameworks import CLASSES, OURS
from tests.benchmarks.measure import Row
from tests.benchmarks.report import group_ratio

COLOURS = {
    "numpy": "#4c72b0",
    "autograd": "#937860",
    "numba": "#55a868",
    "jax": "#dd8452",
    "torch": "#c44e52",
    "torch.compile": "#e8a0a2",
}


def bars(rows: Sequence[Row]) -> dict[str, dict[str, float]]:
    """Bar group -> peer -> ratio, geometric means where a group has several workloads; only what ran with fewest threads."""
    named = [row for row in rows if row.workload.bar]
    fewest = min((row.threads for row in named), default=1)
    groups: dict[str, list[Row]] = {}
    for row in named:
        if row.threads == fewest:
            groups.setdefault(row.workload.bar, []).append(row)
    peers = [name for name in CLASSES if name != OURS]
    ratios = {bar: {peer: group_ratio(members, peer) for peer in peers} for bar, members in groups.items()}
    return {bar: {peer: r for peer, r in by.items() if r is not None} for bar, by in ratios.items() if any(by.values())}


def draw(rows: Sequence[Row], file: Path) -> None:
    """Write the chart to a file in the format that its suffix says. Needs matplotlib."""
    from matplotlib.figure import Figure  # here, because a table needs no matplotlib
    from matplotlib.patches import Patch
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    ratios = bars(rows)
    height = sum(len(by) for by in ratios.values()) * 0.16 + len(ratios) * 0.2 + 1.0
    figure = Figure(figsize=(8, max(height, 2.0)), layout="constrained", facecolor="white")
    axes: Any = figure.subplots()
    _bars(axes, ratios)
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda ratio, _: f"{ratio:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.axvline(1.0, color="black", linewidth=1.0)
    axes.grid(axis="x", color="#dddddd")
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.set_xlabel("functrans' time / peer's time; left of 1 functrans is faster", fontsize=9)
    shown = {peer for by in ratios.values() for peer in by}
    patches = [Patch(color=colour, label=peer) for peer, colour in COLOURS.items() if peer in shown]
    axes.legend(handles=patches, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=6, frameon=False, fontsize=9)
    figure.savefig(file, dpi=150)


def _bars(axes: Any, ratios: Mapping[str, Mapping[str, float]]) -> None:
    """A bar from 1 to the ratio, under each other."""
    y, ticks = 0.0, []
    for by in ratios.values():
        top = y
        for peer, ratio in by.items():
            axes.barh(y, ratio - 1.0, left=1.0, height=0.9, color=COLOURS[peer])
            side = {"ha": "left", "x": ratio * 1.02} if ratio >= 1 else {"ha": "right", "x": ratio / 1.02}
            axes.text(s=f"{ratio:.2g}", y=y, va="center", fontsize=7, **side)
            y += 1.0
        ticks.append((top + y - 1.0) / 2)
        y += 1.2
    axes.set_yticks(ticks, list(ratios))
    axes.tick_params(axis="y", length=0)
    axes.invert_yaxis()
    axes.margins(x=0.08, y=0.01)
