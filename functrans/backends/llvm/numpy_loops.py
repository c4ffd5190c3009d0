"""The addresses of NumPy's own loops: LAPACK and Fourier transforms without Python, as `numpy.linalg` and `numpy.fft` have them.

A loop has the name `numpy.MODULE.UFUNC.TYPES`, by which programs call it. NumPy's headers fix where a ufunc keeps its loops;
that they are there is tried before it is relied on. Start reading at `loop_address`. Imports where CPython keeps what.
"""

from __future__ import annotations

import ctypes
from functools import cache
from importlib import import_module

import numpy as np

from functrans.backends.llvm.call.layout import NUMPY_LOOPS, is_as_expected

__all__ = ["DATA", "has_loop", "loop_address", "loop_name"]

DATA = ".data"
"""At the end of the name of what a loop is given as its last argument."""
_MODULES = {"linalg": "numpy.linalg._umath_linalg", "fft": "numpy.fft._pocketfft_umath"}
_WORD = 8


class _Table(ctypes.Structure):
    """A ufunc behind the head of its object: numpy/ufuncobject.h."""

    _fields_ = (
        *((name, ctypes.c_int) for name in ("nin", "nout", "nargs", "identity")),
        ("functions", ctypes.POINTER(ctypes.c_void_p)),
        ("data", ctypes.POINTER(ctypes.c_void_p)),
        ("ntypes", ctypes.c_int),
        ("reserved", ctypes.c_int),
        ("name", ctypes.c_char_p),
        ("types", ctypes.POINTER(ctypes.c_byte)),
    )


def loop_name(module: str, ufunc: str, types: str) -> str:
    """Of the loop for the characters of operands' and results' dtypes, one after the other."""
    return f"{NUMPY_LOOPS}{module}.{ufunc}.{types}"


def has_loop(name: str) -> bool:
    """Whether there is a loop of a name, or data of one."""
    found = _found(name.removesuffix(DATA))
    return found is not None and found[name.endswith(DATA)] != 0


def loop_address(name: str) -> int:
    """The address of a loop, or of its data. Raises AttributeError where there is none."""
    found = _found(name.removesuffix(DATA))
    if found is None or not (address := found[name.endswith(DATA)]):
        raise AttributeError(name)
    return address


@cache
def _found(name: str) -> tuple[int, int] | None:
    """The addresses of a loop and of its data."""
    _, module, ufunc, types = name.split(".")
    function = getattr(import_module(_MODULES[module]), ufunc, None)
    if not isinstance(function, np.ufunc) or not is_as_expected():
        return None
    table = _Table.from_address(id(function) + object.__basicsize__)
    loops = [one.replace("->", "") for one in function.types]
    known = (table.nin, table.nout, table.nargs, table.ntypes, table.name)
    if known != (function.nin, function.nout, function.nargs, len(loops), ufunc.encode()) or types not in loops:
        return None
    number, count = loops.index(types), function.nargs
    codes = [np.dtype(char).num for char in types]
    if list(table.types[number * count : (number + 1) * count]) != codes:
        return None
    return table.functions[number] or 0, (table.data[number] or 0) if table.data else 0
