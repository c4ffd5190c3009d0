"""Calls that machine code cannot serve, the short way through Python: none of it runs per argument or result.

Machine code serves calls where it knows how Python and NumPy keep objects (`dispatch`). It does not on free-threaded builds,
say, nor for all that can be read from outside. Imports guards and programs; start reading at `DirectCalls.find`.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from operator import attrgetter
from typing import Any, TypeAlias

import numpy as np

from functrans.backends.executable import Executable
from functrans.backends.numpy import Program
from functrans.core.primitive import EVAL, current_trace
from functrans.entry import Entry
from functrans.guards import Guards
from functrans.record import Record
from functrans.tree import TreeDef
from functrans.typing import Array

__all__ = ["Direct", "DirectCalls"]

_MOST = 64
_ARRAYS = {np.ndarray}
_KIND = attrgetter("shape", "dtype", "flags.carray")

_Call: TypeAlias = "tuple[Sequence[Any], TreeDef[Any], Hashable]"  # Any: leaves of any kind
"""The leaves of a call, their tree, and the static arguments."""


class Direct(Record, eq=False):
    """A program for arrays as they are, all of whose results are new arrays."""

    executable: Executable
    guards: Guards
    out_tree: TreeDef[Any]
    scalars: tuple[int, ...]
    """The numbers of the results that are NumPy scalars."""
    weak: tuple[int, ...]
    """Those that are Python numbers."""

    def __call__(self, arrays: Sequence[Array]) -> list[Array]:
        results = self.executable.run(arrays)
        for i in self.scalars:
            results[i] = results[i][()]
        for i in self.weak:
            results[i] = results[i].item()
        return results


class DirectCalls:
    """The programs of one jitted function, by the trees, shapes and dtypes of arguments that are arrays in C order."""

    def __init__(self) -> None:
        self._known: dict[Hashable, Direct] = {}

    def find(self, flat: Sequence[Any], in_tree: TreeDef[Any], fixed: Hashable) -> Direct | None:
        """The program for a call, if there is one and what was read from outside is as it was; `flat` is its arrays."""
        if not self._known or set(map(type, flat)) != _ARRAYS or current_trace() is not EVAL:
            return None
        key = (in_tree, fixed, *map(_KIND, flat))
        found = self._known.get(key)
        if found is None or found.guards.hold():
            return found
        self._known.pop(key, None)
        return None

    def add(self, call: _Call, executable: Executable, entry: Entry) -> None:
        """Let calls like this one go to the program, if it takes their arrays as they are and makes all its results."""
        flat, in_tree, fixed = call
        program = executable.program
        takes = set(map(type, flat)) == _ARRAYS and all(x.flags.carray and x.dtype.isnative for x in flat)
        if not takes or isinstance(program, Program) or not program.makes_results or entry.options.donated:
            return
        if len(self._known) >= _MOST:
            self.clear()
        scalars = tuple(i for i, aval in enumerate(program.out_avals) if not aval.shape)
        found = Direct(executable, entry.guards, entry.out_tree, scalars, entry.jaxpr.weak_results)
        self._known[in_tree, fixed, *map(_KIND, flat)] = found

    def clear(self) -> None:
        """Forget all programs."""
        self._known.clear()
