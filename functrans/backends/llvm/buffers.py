"""Arrays as the memory that machine code works on: addresses, tables of them, aligned blocks, arguments in C order.

Imports where NumPy has its functions; start reading at `contiguous`.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from itertools import repeat
from struct import pack
from typing import Any

import numpy as np

from functrans.backends.llvm.call.layout import array_function, is_numpy_known
from functrans.core.aval import ShapedArray
from functrans.core.primitive import strong
from functrans.typing import Array

__all__ = ["address", "aligned", "contiguous", "table", "view"]

_LINE = 64
_MOST_AXES = 64


def contiguous(arg: Array, aval: ShapedArray) -> Array:
    """An argument as its memory is read: in C order, aligned, of the dtype."""
    if type(arg) is np.ndarray and arg.flags.carray:
        return arg
    return np.require(strong(arg), aval.dtype, ("C", "A")).reshape(aval.shape)


def aligned(size: int) -> Array:
    """Bytes that begin with a line of the cache."""
    memory = np.empty(size + _LINE, np.uint8)
    start = -address(memory) % _LINE
    return memory[start : start + size]


def address(array: Array) -> int:
    """Where an array's first element lies."""
    return _address(array, _FIRST)


def table(arrays: Sequence[Array]) -> bytes:
    """The addresses of arrays, one word each; no Python runs per array."""
    return pack(f"{len(arrays)}P", *map(_address, arrays, repeat(_FIRST)))


def view(address: int | None, aval: ShapedArray) -> Array:
    """Memory as an array."""
    size = aval.nbytes
    if not size:
        return np.empty(aval.shape, aval.dtype)
    memory: Any = (ctypes.c_char * size).from_address(address or 0)  # Any: NumPy's types do not know ctypes' arrays
    array: Array = np.frombuffer(memory, aval.dtype).reshape(aval.shape)
    return array


def _address_function() -> Callable[[Array, object], int]:
    """`(array, indices) -> address` of an element: NumPy's own takes a fifth of the time of what Python can ask for."""
    if not is_numpy_known():
        return lambda array, _first: int(array.__array_interface__["data"][0])
    kind = ctypes.PYFUNCTYPE(ctypes.c_size_t, ctypes.py_object, ctypes.c_void_p)
    return kind(array_function("PyArray_GetPtr"))


_FIRST = (ctypes.c_ssize_t * _MOST_AXES)()
"""The indices of the first element, of an array with however many axes."""
_address = _address_function()
