"""Arrays that a tape refers to must not change before the backward pass reads them.

A pullback keeps the concrete operands that it needs by reference; copying a whole data set at every call would be dear. So
their contents are fingerprinted when they are used, and compared before they are read again. Imports core and errors.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from weakref import ref
from zlib import crc32

import numpy as np

from functrans.errors import ChangedConstantError

__all__ = ["Constants"]

_WHOLE = 1 << 15
"""Elements up to which all are fingerprinted; of larger arrays, so many evenly spaced ones."""


class Constants(dict[int, tuple[ref[Any], int]]):
    """The arrays that a computation has used as constants, held weakly, each with what it contained, by their ids."""

    __slots__ = ()

    def note(self, operands: Sequence[Any]) -> None:
        """Remember the arrays among these operands that somebody could still change."""
        for operand in operands:
            if type(operand) is np.ndarray and operand.ndim and operand.flags.writeable and not operand.dtype.hasobject:
                known = self.get(id(operand))
                if known is None or known[0]() is not operand:
                    self[id(operand)] = (ref(operand), _fingerprint(operand))

    def check(self, name: str) -> None:
        """Raise ChangedConstantError if one of them has changed since it was used first."""
        for reference, mark in self.values():
            array = reference()
            if array is not None and _fingerprint(array) != mark:
                raise ChangedConstantError(name, array.shape, str(array.dtype))


def _fingerprint(array: np.ndarray[Any, Any]) -> int:
    step = array.size // _WHOLE + 1
    sample = array if step == 1 else array.flat[::step]
    return crc32(np.ascontiguousarray(sample).data if sample.size else b"")
