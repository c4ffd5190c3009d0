"""Memory of the next row, asked for while a row is computed with: memory does not notice a new row in time.

Imports `nests`; start reading at `NextRow.fetch`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod

from functrans.backends.llvm.elements import memory_type
from functrans.backends.llvm.ir import I8, Value
from functrans.backends.llvm.nests import NestEmitter
from functrans.backends.llvm.target import cache_bytes
from functrans.compiler.nest import Access

__all__ = ["NextRow"]

_LINE = 64
"""Bytes of memory that are brought near at once."""
_MANY = 2
"""Streams that are read, and as many that are written: with fewer it costs up to a third to ask for them ahead. What is stored
past the caches is not asked for, and leaves them to what is read: log_softmax of 4096 × 1024 with its gradient takes 0.78 of
the time so, layer norm 0.6, where without asking it would be 0.98 and 0.83."""


class NextRow:
    """The rows that follow, of the values that a nest goes through row by row."""

    def __init__(self, emitter: NestEmitter, costs: Sequence[int]) -> None:
        self._emitter = emitter
        nest = emitter.nest
        accesses = dict.fromkeys([*nest.reads, *(store.access for store in nest.stores)])
        depth = len(nest.lead)
        self._streams = [
            a
            for a in accesses
            if depth and a.strides[depth - 1] and emitter.stride(a) == 1 and a.base not in emitter.far
        ]
        written = len([access for access in self._streams if access not in nest.reads])
        row = prod(nest.inner) * sum(access.base.aval.dtype.itemsize for access in self._streams)
        is_busy = min(written, len(self._streams) - written) >= _MANY or bool(emitter.far)
        first, second, _ = cache_bytes()
        self.stage = costs.index(max(costs)) if is_busy and len(costs) > 1 and row <= second // 2 else None
        """The pass that has the most time for it, of these costs; None where the machine follows the streams itself, or where
        rows are too long for the second cache."""
        self._locality = 3 if emitter.far and row <= first // 4 else 2

    def fetch(self, place: Callable[[Access], Value], lanes: int) -> None:
        """Ask for the next row's part that corresponds to a vector of this row."""
        f, nest = self._emitter.f, self._emitter.nest
        written = {store.access for store in nest.stores}
        for access in self._streams:
            kind = memory_type(access.base.aval.dtype)
            parts = 2 if access.base.aval.dtype.kind == "c" else 1
            next_row = place(access) + access.strides[len(nest.lead) - 1]
            pointer = f.offset(self._emitter.pointers[access.base], next_row * parts, kind)
            for start in range(0, lanes * parts * kind.bytes, _LINE):
                f.prefetch(f.offset(pointer, start, I8), write=access in written, locality=self._locality)
