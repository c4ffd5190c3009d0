"""Where CPython and NumPy keep what a call reads: derived from what they say of themselves, and tried before it is used.

Imports nothing of functrans. Start reading at `is_as_expected`.
"""

from __future__ import annotations

import ctypes
import struct
import sys
from functools import cache
from types import FunctionType
from typing import Any

import numpy as np

__all__ = [
    "NUMPY_FUNCTIONS",
    "NUMPY_LOOPS",
    "Layout",
    "array_function",
    "function_parts",
    "is_as_expected",
    "is_numpy_known",
    "layout",
    "python_function",
]

NUMPY_FUNCTIONS = {
    "PyArray_GetNDArrayCVersion": 0,
    "PyArray_Scalar": 60,
    "PyArray_ScalarAsCtype": 62,
    "PyArray_NewCopy": 85,
    "PyArray_NewFromDescr": 94,
    "PyArray_GetPtr": 160,
}
"""The functions of NumPy's C API that are called, and their numbers, which its binary interface fixes."""

NUMPY_LOOPS = "numpy."
"""What the names of NumPy's own loops begin with."""

_FREE_THREADED = "free-threading build"
"""What a Python that can do without its lock says of itself; it keeps objects in another way."""
_ARRAY_TYPE = 2
_ABI = 0x02000000
_LOWEST = 1 << 16
_WORD = 8


class Layout:
    """Offsets in bytes: of an object's type, a tuple's and a list's items, and an array's fields."""

    def __init__(self) -> None:
        head = object.__basicsize__
        self.type = head - _WORD
        self.size = head
        self.list_items = head + _WORD
        self.tuple_items = tuple.__basicsize__
        self.data = head
        self.ndim = head + _WORD
        self.dims = head + 2 * _WORD
        self.descr = head + 5 * _WORD
        self.flags = head + 6 * _WORD


layout = Layout()


@cache
def is_as_expected() -> bool:
    """Whether arrays, lists and tuples whose contents are known are read rightly by these offsets."""
    if struct.calcsize("P") != _WORD or _FREE_THREADED in sys.version or not is_numpy_known():
        return False
    return _reads_arrays() and _reads_containers()


@cache
def function_parts() -> int | None:
    """The offset in a function of its code, which its arguments' defaults follow, null for None. None where that is not so."""

    def full(_x: object = object(), *, _y: object = object()) -> None: ...
    def bare() -> None: ...

    words = [_word(id(full) + place) for place in range(0, FunctionType.__basicsize__, _WORD)]
    first = words.index(id(full.__code__)) if id(full.__code__) in words else 0
    if words[first : first + 3] != [id(full.__code__), id(full.__defaults__), id(full.__kwdefaults__)]:
        return None
    place = first * _WORD
    held = [_word(id(bare) + place + i * _WORD) for i in range(3)]
    return place if held == [id(bare.__code__), 0, 0] else None


def python_function(name: str) -> int:
    """The address of a function of Python's C API."""
    return ctypes.cast(getattr(ctypes.pythonapi, name), ctypes.c_void_p).value or 0


def array_function(name: str) -> int:
    """The address of a function of NumPy's C API."""
    return _numpy_api()[NUMPY_FUNCTIONS[name]] or 0


@cache
def _numpy_api() -> Any:  # Any: a ctypes array of addresses
    from numpy._core import multiarray

    get = ctypes.pythonapi.PyCapsule_GetPointer
    get.restype, get.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    return (ctypes.c_void_p * 400).from_address(get(multiarray._ARRAY_API, None))


@cache
def is_numpy_known() -> bool:
    """Whether functions of NumPy's C API may be called by their numbers."""
    if not hasattr(ctypes, "pythonapi"):
        return False
    version = ctypes.CFUNCTYPE(ctypes.c_uint)(array_function("PyArray_GetNDArrayCVersion"))
    return bool(_numpy_api()[_ARRAY_TYPE] == id(np.ndarray)) and version() & 0xFF000000 == _ABI


def _reads_arrays() -> bool:
    array = np.arange(24, dtype=np.float32).reshape(4, 6)[:, 1:]
    at = id(array)
    if (_word(at + layout.type), _word(at + layout.descr)) != (id(np.ndarray), id(array.dtype)):
        return False
    if (_int(at + layout.ndim), _int(at + layout.flags)) != (2, array.flags.num):
        return False
    if _word(at + layout.data) != array.__array_interface__["data"][0]:
        return False
    dims = _word(at + layout.dims)
    return (_word(dims), _word(dims + _WORD)) == array.shape


def _reads_containers() -> bool:
    first, second = object(), object()
    many, fixed = [first, second], (first, second)
    if not all(_word(id(x) + layout.type) == id(type(x)) and _word(id(x) + layout.size) == 2 for x in (many, fixed)):
        return False
    places = (_word(id(many) + layout.list_items), id(fixed) + layout.tuple_items)
    return all((_word(place), _word(place + _WORD)) == (id(first), id(second)) for place in places)


def _word(address: int) -> int:
    """What is at an address; 0 for what is no address, where a guess of the layout was wrong."""
    return ctypes.c_uint64.from_address(address).value if address > _LOWEST and address % _WORD == 0 else 0


def _int(address: int) -> int:
    return ctypes.c_int32.from_address(address).value
