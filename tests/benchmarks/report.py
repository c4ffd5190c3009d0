"""What the figures look like: the Markdown table and the JSON file."""

from __future__ import annotations

import json
import math
import platform
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from statistics import median

from tests.benchmarks.frameworks import CLASSES, OURS
from tests.benchmarks.measure import Row, Samples
from tests.benchmarks.workload import BEST
from tests.benchmarks.workloads import GROUP_GOALS

HEAD = (  # "compile": what the first call takes beyond a later one
    "| | workload | functrans (least) | peers (functrans / peer) | / best | aim | compile, JAX's (ratio) | peak, JAX's |\n"
    "|---|---|---|---|---|---|---|---|"
)


def machine() -> str:
    """What was measured, on what."""
    installed = []
    for name in CLASSES:
        try:
            installed.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    return f"Python {platform.python_version()}, {platform.system()} {platform.machine()}; {', '.join(installed)}."


def heading(threads: int) -> str:
    if threads == 1:
        return "One thread: CPU time; medians of interleaved turns."
    return f"{threads} threads: time on the clock; medians of interleaved turns."


# ---- a line of the table ----


def table_row(row: Row) -> str:
    """The workload's line of the table."""
    best = row.best()
    peers = []
    for name, samples in row.samples.items():
        if name != OURS:
            shown = f"{name} {amount(row, samples)}{_ratio(row.ratio(name))}"
            peers.append(f"**{shown}**" if name == best else shown)
    cells = (
        row.workload.group,
        row.workload.name,
        _ours(row),
        ", ".join(peers),
        _number(row.ratio(BEST)),
        ", ".join(_goals(row.goals, row.ratio)),
        _compile(row),
        _peak(row),
    )
    return f"| {' | '.join(cells)} |"


def amount(row: Row, samples: Samples) -> str:
    """The median, in fitting units; with the rate, where the workload counts operations or bytes."""
    if row.workload.measures in ("peak", "held"):
        return _bytes(samples.turns[0])
    middle = median(samples.turns)
    for count, unit in ((row.workload.operations, "GF/s"), (row.workload.moved, "GB/s")):
        if count:
            return f"{_time(middle)} = {count / middle / 1e9:.3g} {unit}"
    return _time(middle)


def _ours(row: Row) -> str:
    samples = row.samples.get(OURS)
    if samples is None:
        return "—"
    least = f" ({_time(min(samples.turns))})" if row.workload.measures in ("time", "start") else ""
    return amount(row, samples) + least


def _goals(goals: Mapping[str, float], ratio_to: Callable[[str], float | None]) -> Iterable[str]:
    for peer, goal in goals.items():
        ratio = ratio_to(peer)
        yield f"{peer} ≤ {goal:.2g}{'' if ratio is None else ' ✓' if ratio <= goal else ' ✗'}"


def _compile(row: Row) -> str:
    times = [seconds for name in (OURS, "jax") if (seconds := row.compile_seconds(name)) is not None]
    ratio, goal = row.compile_ratio(), row.workload.compile_goal
    met = "" if ratio is None or goal is None else f" ≤ {goal} {'✓' if ratio <= goal else '✗'}"
    return f"{', '.join(map(_time, times))}{_ratio(ratio)}{met}"


def _peak(row: Row) -> str:
    found = (samples for name in (OURS, "jax") if (samples := row.samples.get(name)))
    return ", ".join(_bytes(samples.peak) for samples in found if samples.peak is not None)


def _number(ratio: float | None) -> str:
    return "" if ratio is None else f"{ratio:.2f}"


def _ratio(ratio: float | None) -> str:
    return "" if ratio is None else f" ({ratio:.2f})"


def _time(seconds: float) -> str:
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds / 1e-6:.3g} µs"


def _bytes(count: float) -> str:
    return f"{count / 2**20:.3g} MiB"


# ---- beyond a line ----


def geometric_mean(numbers: Sequence[float]) -> float | None:
    return math.exp(sum(map(math.log, numbers)) / len(numbers)) if numbers and min(numbers) > 0 else None


def group_ratio(rows: Iterable[Row], peer: str) -> float | None:
    """The geometric mean of functrans' ratios to a peer, over the rows where both ran."""
    ratios = (row.ratio(peer) for row in rows)
    return geometric_mean([ratio for ratio in ratios if ratio is not None])


def summary(group: str, rows: Sequence[Row]) -> str:
    """The geometric means of a group of more than one workload, in a line of the table; else nothing."""
    timed = [row for row in rows if row.workload.group == group and row.workload.measures == "time"]
    if len(timed) < 2:
        return ""
    means = {peer: group_ratio(timed, peer) for peer in CLASSES if peer != OURS}
    peers = ", ".join(f"{peer}{_ratio(mean)}" for peer, mean in means.items() if mean is not None)
    aims = ", ".join(_goals(GROUP_GOALS.get(group, {}), means.get))
    return f"| {group} | *geometric mean* | | {peers} | {_number(group_ratio(timed, BEST))} | {aims} | | |"


def notes(rows: Iterable[Row]) -> str:
    """Who was left out, and why."""
    return "\n".join(
        f"* {row.workload.group}, {row.workload.name}: without {name}: {reason}"
        for row in rows
        for name, reason in row.notes.items()
    )


def as_json(rows: Iterable[Row]) -> str:
    """Every turn of every framework."""
    return json.dumps(
        {"machine": machine(), "rows": [_record(row) for row in rows]}, indent=1, ensure_ascii=False
    )  # fmt: skip


def _record(row: Row) -> dict[str, object]:
    return {
        "group": row.workload.group,
        "workload": row.workload.name,
        "measures": row.workload.measures,
        "threads": row.threads,
        "goals": row.goals,
        "ratio to best": row.ratio(BEST),
        "best": row.best(),
        "notes": row.notes,
        "frameworks": {
            name: {
                "median": median(samples.turns),
                "least": min(samples.turns),
                "turns": samples.turns,
                "first call": samples.first,
                "trace and compile": row.compile_seconds(name),
                "peak memory": samples.peak,
            }
            for name, samples in row.samples.items()
        },
    }
