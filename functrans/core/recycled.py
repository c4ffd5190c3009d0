"""Memory for large results, used again when the array that had it is gone: fresh pages cost as much as the work on them.

Imports typing only; start reading at `empty`.
"""

from __future__ import annotations

import ctypes
import weakref
from collections import defaultdict
from math import prod
from typing import Any

import numpy as np

from functrans.typing import Array, DType, Shape

__all__ = ["empty", "is_large", "is_recycled"]

_SMALLEST = 1 << 19
"""Bytes from which memory is kept: smaller arrays are cheap to allocate."""
_MOST = 1 << 28
"""Bytes that are kept for later arrays, in all."""

_free: defaultdict[int, list[Array]] = defaultdict(list)
_kept = 0
_owners: dict[int, weakref.ref[Array]] = {}


def is_large(shape: Shape, dtype: DType) -> bool:
    """Whether the memory of such an array is kept for later ones."""
    return prod(shape) * dtype.itemsize >= _SMALLEST


def empty(shape: Shape, dtype: DType) -> Array:
    """As `np.empty`; a large array's memory may be that of one that no longer exists."""
    if not is_large(shape, dtype):
        return np.empty(shape, dtype)
    size = prod(shape) * dtype.itemsize
    memory = _memory(size)
    buffer: Any = memory  # Any, here and below: NumPy's types and ctypes' do not know each other
    block: Any = (ctypes.c_char * size).from_buffer(buffer)
    weakref.finalize(block, _give_back, id(block), memory).atexit = False
    array: Array = np.ndarray(shape, dtype, buffer=block)
    _owners[id(block)] = weakref.ref(array)
    return array


def is_recycled(array: Array) -> bool:
    """Whether `empty` made this very array: then it owns its memory, though NumPy says no."""
    owner = _owners.get(id(array.base))
    return owner is not None and owner() is array


def _memory(size: int) -> Array:
    """Bytes that come back here when nothing refers to the block that is made over them."""
    global _kept
    free = _free[size]
    if free:
        _kept -= size
        return free.pop()
    return np.empty(size, np.uint8)


def _give_back(block: int, memory: Array) -> None:
    global _kept
    _owners.pop(block, None)
    if _kept + memory.nbytes <= _MOST:
        _kept += memory.nbytes
        _free[memory.nbytes].append(memory)
