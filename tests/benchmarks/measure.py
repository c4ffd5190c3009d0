"""How things are measured: CPU time in interleaved blocks, peaks of memory, imports in child processes.

Wall-clock time says little on a machine that others use too. CPU time varies less, and what slows one framework slows
the one measured a millisecond later as well: so frameworks take turns, and ratios are medians of the turns' ratios.
"""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import tempfile
import tracemalloc
from collections.abc import Callable, Mapping
from statistics import median
from time import process_time

Thunk = Callable[[], object]
Samples = dict[str, list[float]]
"""Framework -> what was measured at each of its turns."""

_TURN = 2e-3
"""Seconds of CPU time that one turn takes about."""


def cpu_seconds(programs: Mapping[str, Thunk], turns: int) -> Samples:
    """CPU seconds of one call of each program, `turns` times in turn."""
    calls = {name: _calls(program) for name, program in programs.items()}
    samples: Samples = {name: [] for name in programs}
    for _ in range(turns):
        for name, program in programs.items():
            samples[name].append(_timed(program, calls[name]))
    return samples


def _calls(program: Thunk) -> int:
    """How many calls make a turn; warms the program up."""
    program()
    calls = 1
    while calls * _timed(program, calls) < _TURN / 2:
        calls *= 2
    return calls


def _timed(program: Thunk, calls: int) -> float:
    start = process_time()
    for _ in range(calls):
        program()
    return (process_time() - start) / calls


def peak_bytes(programs: Mapping[str, Thunk], turns: int) -> Samples:
    """The most memory that NumPy and Python hold at once while a program runs, above what they held before."""
    samples: Samples = {name: [] for name in programs}
    for _ in range(turns):
        for name, program in programs.items():
            samples[name].append(_peak(program))
    return samples


def _peak(program: Thunk) -> float:
    gc.collect()
    tracemalloc.start()
    try:
        program()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def import_seconds(statements: Mapping[str, str], turns: int) -> Samples:
    """CPU seconds that each statement takes in a new Python (after what precedes its last `;`), with compiled files warm."""
    samples: Samples = {name: [] for name in statements}
    with tempfile.TemporaryDirectory() as cache:
        unusual = ("PYTHONDONTWRITEBYTECODE", "_NUM_THREADS")  # as users import: numpy starts its threads
        environment = {key: value for key, value in os.environ.items() if not key.endswith(unusual)}
        environment["PYTHONPYCACHEPREFIX"] = cache
        for turn in range(turns + 1):
            for name, statement in statements.items():
                seconds = _import_seconds(statement, environment)
                if turn:  # the first one compiles
                    samples[name].append(seconds)
    return samples


def _import_seconds(statement: str, environment: dict[str, str]) -> float:
    before, _, timed = statement.rpartition(";")
    lines = [
        "from time import process_time",
        before,
        "start = process_time()",
        timed.strip(),
        "print(process_time() - start)",
    ]
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(lines)], env=environment, capture_output=True, text=True, check=True
    )
    return float(done.stdout)


def ratio(samples: Samples, over: str, under: str) -> float:
    """The median of the turns' ratios of two frameworks."""
    return median(a / b for a, b in zip(samples[over], samples[under], strict=True))
