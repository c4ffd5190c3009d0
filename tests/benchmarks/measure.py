"""How a workload is measured: first calls one after the other, results compared, then turns.

Wall-clock time says little on a machine that others use too. CPU time varies less, and what slows one framework slows
the one measured a moment later as well: so frameworks take turns, and ratios are medians of the turns' ratios. With
several threads CPU time would count their waiting, so there it is the clock.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from statistics import median

from tests.benchmarks.compare import reference, wrong
from tests.benchmarks.frameworks import CLASSES, OURS, framework_class
from tests.benchmarks.imports import import_seconds
from tests.benchmarks.messages import First, Times
from tests.benchmarks.protocol import PeerError, Worker, started
from tests.benchmarks.workloads import BEST, Workload

_TURN = 0.02
"""Seconds that a turn takes at least."""


@dataclass
class Samples:
    """One framework on one workload."""

    turns: list[float]
    """Seconds of a call, by turn; bytes where the workload measures memory."""
    first: float | None = None
    """Seconds of the first call: tracing, compiling, running."""
    peak: int | None = None


@dataclass
class Row:
    """All frameworks on one workload."""

    workload: Workload
    threads: int
    samples: dict[str, Samples] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    """Why a framework was left out."""

    def ratio(self, peer: str) -> float | None:
        """functrans' amount over the peer's: the median over the turns."""
        peer = (self.best() or "") if peer == BEST else peer
        if OURS not in self.samples or peer not in self.samples:
            return None
        pairs = zip(self.samples[OURS].turns, self.samples[peer].turns, strict=True)
        return median(ours / theirs if theirs else math.inf for ours, theirs in pairs)

    def compile_seconds(self, name: str) -> float | None:
        """What a framework's first call took beyond a later one: tracing and compiling."""
        samples = self.samples.get(name)
        if samples is None or samples.first is None or self.workload.measures != "time":
            return None
        return max(samples.first - median(samples.turns), 0.0)

    def compile_ratio(self) -> float | None:
        """functrans' time to compile over JAX's."""
        ours, theirs = self.compile_seconds(OURS), self.compile_seconds("jax")
        return None if ours is None or not theirs else ours / theirs

    def best(self) -> str | None:
        """The fastest peer."""
        medians = {name: median(samples.turns) for name, samples in self.samples.items() if name != OURS}
        return min(medians, key=medians.__getitem__, default=None)


def measure(workload: Workload, frameworks: Sequence[str], threads: int, turns: int) -> Row:
    """Measure a workload; frameworks that fail are left out with a note."""
    row = Row(workload, threads)
    if workload.measures == "import":
        modules = [name for name in frameworks if name in ("numpy", *CLASSES) and "." not in name]
        row.samples = {name: Samples(seconds) for name, seconds in import_seconds(modules, turns).items()}
        return row
    able = [name for name in frameworks if hasattr(framework_class(name), workload.kind)]
    with ExitStack() as stack:
        workers = {name: stack.enter_context(started(name, threads)) for name in able}
        _each(row, workers, lambda _, worker: worker.wait_until_ready())
        _first_calls(row, workers)
        if workload.measures == "time":
            _turns(row, workers, turns)
    return row


def _each(row: Row, workers: dict[str, Worker], act: Callable[[str, Worker], None]) -> None:
    """Let each framework act; those that cannot drop out."""
    for name, worker in list(workers.items()):
        try:
            act(name, worker)
        except PeerError as error:
            row.notes[name] = str(error)
            row.samples.pop(name, None)
            del workers[name]


def _first_calls(row: Row, workers: dict[str, Worker]) -> None:
    expected = reference(row.workload)

    def call(name: str, worker: Worker) -> None:
        nonlocal expected
        first = worker.first(First(row.workload))
        expected = first.results if expected is None else expected  # functrans', which comes first
        reason = wrong(row.workload, first.results, expected)
        if reason:
            raise PeerError(f"wrong result, {reason}")
        row.samples[name] = Samples([float(first.peak)], _seconds(first.times, row.threads), first.peak)

    _each(row, workers, call)


def _turns(row: Row, workers: dict[str, Worker], turns: int) -> None:
    calls: dict[str, int] = {}

    def prepare(name: str, worker: Worker) -> None:
        row.samples[name].turns.clear()
        calls[name] = _calls(worker, row.threads)

    def turn(name: str, worker: Worker) -> None:
        row.samples[name].turns.append(_seconds(worker.turn(calls[name]), row.threads))

    _each(row, workers, prepare)
    for _ in range(turns):
        _each(row, workers, turn)


def _calls(worker: Worker, threads: int) -> int:
    """How many calls make a turn."""
    worker.turn(1)  # a second call may prepare what later ones use
    calls = 1
    while calls * (seconds := _seconds(worker.turn(calls), threads)) < _TURN / 4:
        calls *= 4
    return math.ceil(_TURN / seconds)


def _seconds(times: Times, threads: int) -> float:
    return times.cpu if threads == 1 else times.wall
