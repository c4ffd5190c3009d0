"""`python -m tests.benchmarks`: measure every workload and print a Markdown table.

Needs the extra `bench` for all peers; those that are not installed are left out.
"""

from __future__ import annotations

import argparse
import platform
import sys
from collections.abc import Iterable, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median

from tests.benchmarks.measure import Samples, ratio
from tests.benchmarks.workloads import PEERS, Workload, workloads

HEAD = "| | workload | functrans | peers | functrans / peer | goal |\n|---|---|---|---|---|---|"


def row(workload: Workload, samples: Samples) -> str:
    """The workload's line of the table: medians, and ratios to each peer."""
    shown = {name: _amount(workload, values) for name, values in samples.items()}
    rivals = [name for name in samples if name != "functrans"]
    peers = ", ".join(f"{name} {shown[name]}" for name in rivals)
    ratios = ", ".join(f"{name} {ratio(samples, 'functrans', name):.2f}" for name in rivals)
    goals = ", ".join(f"{name} {goal:.2f}" for name, goal in workload.goals.items())
    return f"| {workload.section} | {workload.name} | {shown['functrans']} | {peers} | {ratios} | {goals} |"


def _amount(workload: Workload, values: Sequence[float]) -> str:
    unit, size = workload.unit
    return f"{median(values) / size:.3g} {unit}"


def machine() -> str:
    """What was measured, on what."""
    installed = []
    for name in ("functrans", *PEERS):
        try:
            installed.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    python = f"Python {platform.python_version()}, {platform.system()} {platform.machine()}"
    return f"{python}; {', '.join(installed)}. CPU time, one thread; medians of interleaved turns."


def table(chosen: Iterable[Workload], turns: int) -> str:
    """Measure the workloads; prints each line as soon as it is known."""
    lines = [machine(), "", HEAD]
    print("\n".join(lines), flush=True)
    for workload in chosen:
        few = workload.unit[0] == "MiB"  # memory repeats exactly
        lines.append(row(workload, workload.measure(workload.programs, 1 if few else turns)))
        print(lines[-1], flush=True)
    return "\n".join(lines) + "\n"


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks", description="Measure functrans beside its peers."
    )
    parser.add_argument("--turns", type=int, default=60, help="how often the frameworks take turns (60)")
    parser.add_argument("--quick", action="store_true", help="two turns only: whether it runs, not how fast")
    parser.add_argument("--only", nargs="+", metavar="SECTION", help="import, eager, jit, tracing, memory, training")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the table to this file too")
    options = parser.parse_args(arguments)
    chosen = (w for w in workloads() if options.only is None or w.section in options.only)
    text = table(chosen, 2 if options.quick else options.turns)
    if options.out is not None:
        options.out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
