"""What a jitted function remembers of its calls: how many found a program, and for what the last ones traced.

`explain.py` makes a text of it. Imports core and trees; start reading at `CallLog`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable
from typing import Any

from functrans.core.aval import ShapedArray
from functrans.record import NamedTuple, Record
from functrans.tree import TreeDef

__all__ = ["CacheInfo", "CallLog", "Key", "Miss"]

_MOST_MISSES = 64
"""How many of the last tracings are remembered."""


class CacheInfo(NamedTuple):
    """As `functools.lru_cache` gives it: `currsize` kinds of arguments are known, of at most `maxsize`."""

    hits: int
    misses: int
    maxsize: int
    currsize: int


class Key(Record):
    """The kind of a call."""

    in_tree: TreeDef[Any]
    avals: tuple[ShapedArray, ...]
    fixed: Any
    """The static arguments, as `StaticArguments.split` gives them."""
    axes: tuple[tuple[Hashable, int], ...]
    """The named axes around the call."""


class Miss(Record):
    """A call that traced the function."""

    key: Key
    paths: tuple[str, ...]
    """The user's names of the arguments' leaves."""
    static: dict[int | str, object]
    """The static arguments, by name where they have one."""
    replaced: tuple[str, ...] = ()
    """What the function reads from outside its arguments and was replaced since the last tracing for such arguments."""
    kept: bool = True
    """Whether what was traced could be used again: not if it closes over values of a transform around the call."""

    @property
    def arguments(self) -> str:
        traced = [f"{path}: {aval}" for path, aval in zip(self.paths, self.key.avals, strict=True)]
        return ", ".join([*traced, *(f"{name}={value!r}" for name, value in self.static.items())]) or "no arguments"


class CallLog:
    """Counts calls, and remembers why the last few of them traced."""

    __slots__ = ("hits", "misses", "traced")

    def __init__(self) -> None:
        self.hits = 0
        self.misses = 0
        self.traced: deque[Miss] = deque(maxlen=_MOST_MISSES)

    def add(self, miss: Miss) -> None:
        self.misses += 1
        self.traced.append(miss)
