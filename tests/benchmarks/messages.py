"""What goes through the pipe between `protocol.py` and `worker.py`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from tests.benchmarks.workload import Workload


@dataclass(frozen=True)
class Ready:
    """The process has started up and waits for requests."""


@dataclass(frozen=True)
class First:
    """Request: make the program and call it for the first time; the answer is a `FirstCall`."""

    workload: Workload


@dataclass(frozen=True)
class Turn:
    """Request: call it `calls` times, after once more unmeasured; the answer is a `Times`."""

    calls: int


@dataclass(frozen=True)
class Times:
    """Seconds, of this process' threads together and on the clock."""

    cpu: float
    wall: float


@dataclass(frozen=True)
class FirstCall:
    """What the first call took and gave."""

    times: Times
    peak: int
    """Bytes of memory that it needed at once beyond what the process held before."""
    held: int
    """The most bytes that the process has held so far."""
    results: list[np.ndarray[Any, Any]]


@dataclass(frozen=True)
class Failure:
    """Why there is no answer."""

    reason: str
