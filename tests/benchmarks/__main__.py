"""`python -m tests.benchmarks`: measure every workload and print a Markdown table.

Needs the extra `bench` for all peers; those that are not installed are left out.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

from tests.benchmarks import report
from tests.benchmarks.frameworks import CLASSES, OURS, is_installed
from tests.benchmarks.measure import Row, measure
from tests.benchmarks.picture import draw
from tests.benchmarks.workload import Workload
from tests.benchmarks.workloads import SERIAL, workloads

_QUICK_MOST = 32


def arguments(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks", description="Measure functrans beside its peers."
    )
    parser.add_argument("--only", nargs="+", metavar="WORD", help="groups, or parts of workloads' names")
    parser.add_argument("--turns", type=int, help="how often the frameworks take turns (15)")
    parser.add_argument("--threads", default="1,2", help="with how many threads, separated by commas (1,2)")
    parser.add_argument("--peers", default=",".join(CLASSES), help="which, separated by commas (all)")
    parser.add_argument("--quick", action="store_true", help="small arrays, two turns: whether it runs, not how fast")
    compiled = "measure torch.compile, which compiles for long (unless --quick)"
    parser.add_argument("--torch-compile", action=argparse.BooleanOptionalAction, help=compiled)
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the table to this file too")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every turn of every framework")
    parser.add_argument("--picture", type=Path, metavar="FILE", help="draw a bar chart (needs the extra `examples`)")
    options = parser.parse_args(words)
    options.turns = options.turns or (2 if options.quick else 15)
    if options.torch_compile is None:
        options.torch_compile = not options.quick
    return options


def frameworks(options: argparse.Namespace) -> list[str]:
    """functrans, and the peers that are wanted and installed."""
    wanted = [name for name in CLASSES if name in options.peers.split(",")]
    if not options.torch_compile:
        wanted = [name for name in wanted if name != "torch.compile"]
    return [OURS, *(name for name in wanted if name != OURS and is_installed(name))]


def chosen(options: argparse.Namespace) -> list[Workload]:
    found = list(workloads(_QUICK_MOST) if options.quick else workloads())
    if options.only is None:
        return found
    return [w for w in found if w.group in options.only or any(word in w.name for word in options.only)]


def runs(options: argparse.Namespace) -> Iterator[tuple[int, list[Workload]]]:
    """Numbers of threads, and what is measured with them."""
    for turn, threads in enumerate(map(int, options.threads.split(","))):
        yield threads, [w for w in chosen(options) if turn == 0 or w.group not in SERIAL]


def lines(options: argparse.Namespace, rows: list[Row]) -> Iterator[str]:
    """The lines of the report, each as soon as it is known; fills `rows`."""
    names = frameworks(options)
    yield report.machine()
    if options.quick:
        yield f"Quick: no axis is longer than {_QUICK_MOST}; these are not the figures that the aims are about."
    missing = [name for name in CLASSES if not is_installed(name)]
    if missing:
        yield f"Not installed: {', '.join(missing)}."
    for threads, found in runs(options):
        yield f"\n{report.heading(threads)}\n\n{report.HEAD}"
        for group, members in groupby(found, key=lambda workload: workload.group):
            done = []
            for workload in members:
                done.append(measure(workload, names, threads, options.turns))
                yield report.table_row(done[-1])
            rows += done
            if summary := report.summary(group, done):
                yield summary
    if left_out := report.notes(rows):
        yield f"\n{left_out}"


def main(words: Sequence[str]) -> None:
    options = arguments(words)
    rows: list[Row] = []
    text = ""
    for line in lines(options, rows):
        print(line, flush=True)
        text += f"{line}\n"
    if options.out is not None:
        options.out.write_text(text, encoding="utf-8")
    if options.json is not None:
        options.json.write_text(report.as_json(rows), encoding="utf-8")
    if options.picture is not None:
        draw(rows, options.picture)


if __name__ == "__main__":
    main(sys.argv[1:])
