"""Memory for large results, used again when the array that had it is gone: fresh pages cost as much as the work on them.

What was not used for longest goes first where too much would be kept. Imports `locks`; start reading at `empty`.
"""

from __future__ import annotations

import ctypes
import os
import weakref
from collections import OrderedDict, deque
from math import prod
from threading import Lock
from typing import Any

import numpy as np

from functrans.core.locks import fork_safe
from functrans.typing import Array, DType, Shape

__all__ = ["empty", "is_large", "is_recycled"]

_SMALLEST = 1 << 19
"""Bytes from which memory is kept: smaller arrays are cheap to allocate."""


def _most() -> int:
    """An eighth of the machine's memory, within bounds; the lower one where the system does not say."""
    least, greatest = 1 << 28, 1 << 30
    try:
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return least
    return min(max(memory // 8, least), greatest)


_MOST = _most()
"""Bytes that are kept for later arrays, in all."""
_PAGE, _PLACE = 4096, 1024
"""Memory begins on a cache line, so that no vector lies in two; and far behind the place in a page where NumPy's large arrays
begin, 16: a core that compares the places only takes what it reads next for what it has just written. log_softmax and layer
norm of 4096 × 1024 take 0.92 of the time that they take where all begin at 16; gelu takes 1.2 times as long at 64."""

_free: OrderedDict[int, list[Array]] = OrderedDict()
"""Memory by its size, the size last that came back last."""
_kept = 0
_returned: deque[Array] = deque()
"""Memory that came back and is not among the free yet: that may happen at any time, also while the lock is held."""
_lock = fork_safe(Lock())
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
    memory = None
    if _lock.acquire(blocking=False):  # where another thread has it, new memory will do
        try:
            memory = _taken(size)
        finally:
            _lock.release()
        _collect()
    return _new(size) if memory is None else memory


def _new(size: int) -> Array:
    memory = np.empty(size + _PAGE, np.uint8)
    start = (_PLACE - int(memory.__array_interface__["data"][0])) % _PAGE
    return memory[start : start + size]


def _give_back(block: int, memory: Array) -> None:
    _owners.pop(block, None)
    _returned.append(memory)
    _collect()


def _collect() -> None:
    """Put what came back among the free. Whoever holds the lock does it afterwards for those who came meanwhile."""
    while _returned and _lock.acquire(blocking=False):
        try:
            while _returned:
                _keep(_returned.popleft())
        finally:
            _lock.release()


def _taken(size: int) -> Array | None:
    global _kept
    free = _free.get(size)
    if free is None:
        return None
    memory = free.pop()
    if not free:
        del _free[size]
    _kept -= size
    return memory


def _keep(memory: Array) -> None:
    global _kept
    size = memory.nbytes
    if size > _MOST:
        return
    _free.setdefault(size, []).append(memory)
    _free.move_to_end(size)
    _kept += size
    while _kept > _MOST:
        _taken(next(iter(_free)))
