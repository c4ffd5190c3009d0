"""How a workload is measured: first calls one after the other, results compared, then turns.

Wall-clock time says little on a machine that others use too. CPU time varies less, and what slows one framework slows
the one measured a moment later as well: so frameworks take turns, and ratios are medians of the turns' ratios. With
several threads CPU time would count their waiting, so there it is the clock.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from statistics import median
from tempfile import TemporaryDirectory

from tests.benchmarks.compare import Arrays, reference, wrong
from tests.benchmarks.frameworks import CLASSES, OURS, framework_class
from tests.benchmarks.imports import import_seconds
from tests.benchmarks.messages import First, FirstCall, Times
from tests.benchmarks.protocol import PeerError, Worker, started
from tests.benchmarks.workload import BEST, Rival, Workload

_TURN = 0.02
"""Seconds that a turn takes at least."""


@dataclass
class Samples:
    """One framework on one workload."""

    turns: list[float]
    """Seconds of a call, by turn, or of a process' first call; bytes where the workload measures memory."""
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

    @property
    def goals(self) -> dict[str, float]:
        """The workload's, without those for rivals that do not take part with so many threads."""
        absent = {rival.name for rival in self.workload.rivals if not _takes_part(rival, self.threads)}
        return {peer: goal for peer, goal in self.workload.goals.items() if peer not in absent}

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
        peers = self.samples.keys() & CLASSES.keys() - {OURS}
        medians = {name: median(samples.turns) for name, samples in self.samples.items() if name in peers}
        return min(medians, key=medians.__getitem__, default=None)


def measure(workload: Workload, frameworks: Sequence[str], threads: int, turns: int) -> Row:
    """Measure a workload; frameworks that fail are left out with a note."""
    row = Row(workload, threads)
    if workload.measures == "import":
        modules = [name for name in frameworks if name in ("numpy", *CLASSES) and "." not in name]
        row.samples = {name: Samples(seconds) for name, seconds in import_seconds(modules, turns).items()}
        return row
    entrants = {entrant.name: entrant for entrant in _entrants(workload, frameworks, threads)}
    if workload.measures == "start":
        _starts(row, entrants, turns)
        return row
    with ExitStack() as stack:
        workers = _started(stack, entrants, threads)
        for name, first in _first_calls(row, entrants, workers).items():
            size = first.held if workload.measures == "held" else first.peak
            row.samples[name] = Samples([float(size)], _seconds(first.times, threads), first.peak)
        if workload.measures == "time":
            _turns(row, workers, turns)
    return row


def _entrants(workload: Workload, frameworks: Sequence[str], threads: int) -> Iterator[Rival]:
    """The frameworks that have a program for a workload, and its rivals."""
    for name in frameworks:
        is_wanted = not workload.peers or name in (OURS, *workload.peers)
        if is_wanted and hasattr(framework_class(name), workload.kind):
            yield Rival(name, name)
    yield from (rival for rival in workload.rivals if rival.framework in frameworks and _takes_part(rival, threads))


def _takes_part(rival: Rival, threads: int) -> bool:
    return rival.threads is None or rival.threads < threads


def _started(
    stack: ExitStack, entrants: Mapping[str, Rival], threads: int, scratch: Mapping[str, str] | None = None
) -> dict[str, Worker]:
    """A new process for each, until the stack is closed."""
    return {
        name: stack.enter_context(
            started(entrant.framework, entrant.threads or threads, entrant.environment, (scratch or {}).get(name))
        )
        for name, entrant in entrants.items()
    }


def _each(row: Row, workers: dict[str, Worker], act: Callable[[str, Worker], None]) -> None:
    """Let each framework act; those that cannot drop out."""
    for name, worker in list(workers.items()):
        try:
            act(name, worker)
        except PeerError as error:
            row.notes[name] = str(error)
            row.samples.pop(name, None)
            del workers[name]


def _first_calls(row: Row, entrants: Mapping[str, Rival], workers: dict[str, Worker]) -> dict[str, FirstCall]:
    """What first calls took and gave; those whose results are not as they should be drop out."""
    _each(row, workers, lambda _, worker: worker.wait_until_ready())
    expected: dict[str, Arrays | None] = {}
    found: dict[str, FirstCall] = {}

    def call(name: str, worker: Worker) -> None:
        workload = replace(row.workload, kind=entrants[name].kind or row.workload.kind)
        if workload.kind not in expected:
            expected[workload.kind] = reference(workload)
        first = worker.first(First(workload))
        want = expected[workload.kind]
        if want is None:  # functrans' results, which comes first
            want = expected[workload.kind] = first.results
        reason = wrong(workload, first.results, want)
        if reason:
            raise PeerError(f"wrong result, {reason}")
        found[name] = first

    _each(row, workers, call)
    return found


def _starts(row: Row, entrants: Mapping[str, Rival], turns: int) -> None:
    """First calls in new processes, each after one that may have kept on disk what it compiled."""
    with ExitStack() as folders:
        scratch = {name: folders.enter_context(TemporaryDirectory()) for name in entrants}
        for turn in range(turns + 1):
            able = {name: entrant for name, entrant in entrants.items() if name not in row.notes}
            with ExitStack() as stack:
                firsts = _first_calls(row, entrants, _started(stack, able, row.threads, scratch))
            for name, first in firsts.items() if turn else ():
                row.samples.setdefault(name, Samples([])).turns.append(_seconds(first.times, row.threads))


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
