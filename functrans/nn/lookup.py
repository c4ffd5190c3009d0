"""Rows of tables by number, counted from 0: a negative number is out of range here, as in torch, and not counted from the end.

Imports ops; start reading at `lookup`.
"""

from __future__ import annotations

import numpy as np

from functrans.core.primitive import aval_of
from functrans.errors import OperandError
from functrans.ops.cast import convert_element_type
from functrans.ops.gather import GatherDimensionNumbers, gather
from functrans.ops.shape import expand_dims
from functrans.typing import Array

__all__ = ["in_range", "lookup"]


def lookup(table: Array, numbers: Array) -> Array:
    """The rows of a table, of shape (rows, ...), by their numbers; raises IndexError for one out of range."""
    aval, given = aval_of(table), aval_of(numbers)
    if given.dtype.kind not in "iu" and given.size:
        raise OperandError("lookup", [str(aval), str(given)], "numbers of rows that are integers")
    index = expand_dims(convert_element_type(numbers, np.dtype(np.int64)), (given.ndim,))
    offsets = tuple(range(given.ndim, given.ndim + aval.ndim - 1))
    return gather(table, index, GatherDimensionNumbers(offsets, (0,), (0,)), (1, *aval.shape[1:]), mode="strict")


def in_range(numbers: Array, count: int) -> Array:
    """The numbers themselves; raises IndexError, in compiled programs too, unless all are from 0 to count - 1."""
    return lookup(np.arange(count), numbers)
