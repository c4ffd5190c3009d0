"""A recipe: the records that machine code follows for one kind of call. Imports `vectorcall`; start reading at `Recipe`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from weakref import ref

import numpy as np

from functrans.backends.llvm.call.functions import step_address
from functrans.backends.llvm.call.words import HEADER, RECORD_WORDS
from functrans.record import NamedTuple
from functrans.typing import Array, Shape

__all__ = ["Recipe", "InexpressibleError"]

_MOST_WORDS = 1 << 13
"""What a call may take of the stack, in words."""


class InexpressibleError(Exception):
    """Machine code does not serve such a call."""


class Recipe:
    """Records under construction, for calls with so many arguments, of which the last have these names.

    Objects are numbered: first the arguments, then those that `objects` gives out. The first words of memory are the addresses
    of the program's arguments and results.
    """

    def __init__(self, positional: int, names: Sequence[str] = ()) -> None:
        self._positional = positional
        self._names = tuple(names)
        self._keep: list[object] = []
        self._rows: list[tuple[int, ...]] = []
        self._watched: list[tuple[int, object]] = []
        self._objects = positional + len(names)
        self._memory = 0
        self.arrays: dict[int, int] = {}
        """For the program's arguments that are arrays, the numbers of these objects."""

    def objects(self, count: int) -> int:
        """Numbers for objects that the call holds: the first of `count`."""
        self._objects += count
        return self._objects - count

    def memory(self, words: int) -> int:
        """The first of `words` words."""
        self._memory += words
        return self._memory - words

    def step(self, name: str, *words: int, watch: object = None) -> None:
        """Write a record. Where `watch` is given and goes away, the step misses from then on."""
        if watch is not None:
            self._watched.append((len(self._rows), watch))
        row = (step_address(name), *words)
        self._rows.append(row + (0,) * (RECORD_WORDS - len(row)))

    # ---- words ----

    def reference(self, x: object) -> int:
        """The address of an object, which the recipe keeps."""
        self._keep.append(x)
        return id(x)

    def reference_table(self, objects: Iterable[object]) -> int:
        """The address of a table of objects."""
        return self.table([self.reference(x) for x in objects])

    def table(self, words: Sequence[int]) -> int:
        """The address of a table of words."""
        return self.array(np.array(words, np.int64))

    def array(self, x: Array) -> int:
        """The address of an array's data."""
        self._keep.append(x)
        return int(x.__array_interface__["data"][0])

    def dims(self, shape: Shape) -> tuple[int, int]:
        """A shape as two words."""
        return len(shape), self.table(shape)

    def finish(self, result: int) -> Written:
        """The recipe as memory; `result` is the number of the object that the call gives."""
        if self._objects + self._memory > _MOST_WORDS:
            raise InexpressibleError
        records = np.array(self._rows, np.int64)
        header = {
            "arguments": self._positional,
            "names_count": len(self._names),
            "names": self.reference_table(self._names),
            "objects": self._objects,
            "memory_words": self._memory,
            "records": self.array(records),
            "records_count": len(records),
            "result": result,
        }
        words = np.array([header.get(name, 0) for name in HEADER], np.int64)
        return Written(words, self._keep, list(map(partial(self._watch, records), self._watched)))

    def _watch(self, records: Array, watched: tuple[int, object]) -> object:
        """What lets a record miss from the time on at which an object is gone; the object itself where nothing can."""
        row, x = watched
        try:
            return ref(x, partial(_forget, records[row], step_address("never")))
        except TypeError:
            return x


def _forget(record: Array, never: int, _: object) -> None:
    """What a step reads is gone: its memory may be that of another object. When the interpreter exits, so are our globals."""
    record[0] = never


class Written(NamedTuple):
    """A finished recipe. Machine code reads the array, and the others are what it refers to."""

    words: Array
    keep: list[object]
    watches: list[object]

    @property
    def calls(self) -> int:
        """How many calls it has served."""
        return int(self.words[HEADER.index("calls")])
