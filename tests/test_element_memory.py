"""Loads and stores of elements of every dtype: any stride, any number of lanes that count, and not a byte beside them."""

import ctypes
import mmap
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from functrans.backends.llvm.engine import load
from functrans.backends.llvm.function import Function
from functrans.backends.llvm.ir import I64, PTR, Module
from functrans.backends.llvm.scalars import Scalars
from functrans.backends.llvm.target import host
from functrans.typing import DType

DTYPES = [np.dtype(code) for code in "?bhilBHILefdFD"]
PAGE = mmap.PAGESIZE


class Guarded:
    """Memory between two pages that cannot be touched; arrays in it lie against the one or the other."""

    def __init__(self, size: int = PAGE) -> None:
        self._map = mmap.mmap(-1, size + 2 * PAGE)
        self._size = size
        self._base = ctypes.addressof(ctypes.c_char.from_buffer(self._map))
        libc = ctypes.CDLL(None)
        for page in (self._base, self._base + PAGE + size):
            assert libc.mprotect(ctypes.c_void_p(page), ctypes.c_size_t(PAGE), 0) == 0

    def array(self, count: int, dtype: DType, *, at_end: bool) -> Any:
        """Zeros, at the start or the end."""
        start = PAGE + (self._size - count * dtype.itemsize if at_end else 0)
        out = np.frombuffer(self._map, dtype, count, start)
        out[:] = 0
        return out


def _moves(lanes: int) -> Iterator[tuple[int, int]]:
    for stride in (1, 0, -1, 2, -2, 3, -5):
        for count in sorted({lanes, 1, lanes - 1, (lanes + 1) // 2, (2 * lanes + 2) // 3} - {0}):
            yield stride, count


def _random(rng: np.random.Generator, count: int, dtype: DType) -> Any:
    if dtype.kind == "c":
        return (rng.normal(size=count) + 1j * rng.normal(size=count)).astype(dtype)
    return (rng.normal(size=count) > 0 if dtype.kind == "b" else 50 * rng.random(count)).astype(dtype)


@pytest.mark.parametrize("lanes", [1, 2, 8, 32])
def test_loads_and_stores_move_what_numpys_strides_say_and_touch_nothing_else(lanes: int) -> None:
    module = Module(host())
    made: list[tuple[str, DType, int, int]] = []
    for dtype in DTYPES:
        for stride, count in _moves(lanes):
            f = Function(module, f"f{len(made)}", [("x", PTR), ("y", PTR), ("i", I64)], exported=True)
            x, y, start = f.args
            b = Scalars(f, lanes)
            element = b.load(x, dtype, start, stride, count)
            b.store(element, y, start, stride, count)
            f.ret()
            made.append((f.name, dtype, stride, count))
    library = load(module.text(), host(), tuple(name for name, *_ in made))
    source, target, rng = Guarded(), Guarded(), np.random.default_rng(0)
    for name, dtype, stride, count in made:
        copy = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64)(library.address(name))
        for at_end in (False, True):
            span = abs(stride) * (count - 1) + 1
            x, y = (memory.array(span, dtype, at_end=at_end) for memory in (source, target))
            x[:] = _random(rng, span, dtype)
            want = np.zeros_like(y)
            want[:: abs(stride) or 1] = x[:: abs(stride) or 1]
            copy(x.ctypes.data, y.ctypes.data, 0 if stride >= 0 else span - 1)
            assert y.tobytes() == want.tobytes(), (dtype, stride, count)
