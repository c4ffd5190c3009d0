"""What a workload is: the same work for every framework, how it is measured, and which ratios to its peers are the aim."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Cut = Callable[..., tuple[int, ...]]
"""From the sizes of axes to those that a run wants."""
Inputs = Callable[[], tuple[Any, ...]]  # Any: trees of arrays

BEST = "best"
"""As a peer in `goals`: the fastest one."""


@dataclass(frozen=True)
class Rival:
    """Who takes turns with the frameworks under a name of its own; no peer that could be the best."""

    name: str
    framework: str
    kind: str = ""
    """What it runs, if that is something else than the workload's."""
    threads: int | None = None
    """If it has fewer than the others; where they have no more, it does not take part."""
    environment: Mapping[str, str] = field(default_factory=dict)


ONE_THREAD = Rival("one thread", "functrans", threads=1)
COPY = Rival("a copy", "numpy", kind="copy")
"""Of as many bytes as the workload reads and writes: what memory gives at best."""
SHARED: dict[str, float] = {ONE_THREAD.name: 0.6}
"""The aim for two threads."""
CACHED_JAX = Rival("cached JAX", "jax", environment={"JAX_ENABLE_COMPILATION_CACHE": "true"})
"""With its compilation cache, which is off by default."""


@dataclass(frozen=True)
class Workload:
    """The same work for every framework."""

    group: str
    name: str
    kind: str
    """The method of each framework that makes the program."""
    inputs: Inputs = tuple
    options: Mapping[str, Any] = field(default_factory=dict)  # Any: keyword arguments of the method
    goals: Mapping[str, float] = field(default_factory=dict)
    """The highest ratios of functrans to a peer that are aimed at."""
    compile_goal: float | None = None
    """The same for tracing and compiling, to JAX."""
    bar: str = ""
    """The bar of the picture that this is part of."""
    operations: float = 0.0
    """Floating-point operations of a call, where a rate says more than a time."""
    moved: float = 0.0
    """Bytes that a call reads and writes, where that rate does."""
    measures: Literal["time", "peak", "import", "start", "held"] = "time"
    """Of a call: its time, or the memory it needs at once; of a process: its import, its first call after others had the
    same one, or the most memory that it has held after its first call."""
    rivals: tuple[Rival, ...] = ()
    peers: tuple[str, ...] = ()
    """Who takes part besides functrans; all that can, if it is empty."""

    @property
    def warms_up(self) -> bool:
        """Whether a process does what it does once, before anything is measured."""
        return self.measures in ("time", "peak")
