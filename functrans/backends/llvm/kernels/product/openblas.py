"""Products by the OpenBLAS that NumPy's wheels bring along, called by address: for machines where ours are slower.

FUNCTRANS_MATMUL=openblas in the environment asks for it. Nothing is timed to decide that: two processes might then choose
differently, and a result would not repeat bit for bit. Measured with AVX-512, ours take 0.85 (float32) and 0.89 (float64)
of its time, geometric means over the products of networks; one row of large matrices is the worst, with up to 1.15.

Only its `gemm` is called: its batched routine crashes on small matrices (0.3.31), and of a single row it is slow.
Imports the builder, `ring` and `direct`.
"""

from __future__ import annotations

import ctypes
from functools import cache, partial
from pathlib import Path

import numpy as np

from functrans.backends.llvm.function import Function
from functrans.backends.llvm.ir import I32, External, Value
from functrans.backends.llvm.kernels.product.direct import Matrices, Store
from functrans.backends.llvm.kernels.product.ring import Ring

__all__ = ["by_openblas", "has_openblas"]

_LETTERS = {"f32": "s", "f64": "d", "c64": "c", "c128": "z"}
_ROW_MAJOR, _AS_IT_IS, _TRANSPOSED = 101, 111, 112


def has_openblas(ring: Ring) -> bool:
    return ring.name in _LETTERS and _library() is not None


@cache
def _library() -> ctypes.CDLL | None:
    """The file that is loaded already; other ways in which NumPy may be built bring none."""
    places = sorted((Path(np.__file__).parent.parent / "numpy.libs").glob("libscipy_openblas64_*.so"))
    return ctypes.CDLL(str(places[0])) if places else None


def _address(letter: str) -> int:
    address = ctypes.cast(getattr(_library(), f"scipy_cblas_{letter}gemm64_"), ctypes.c_void_p).value
    assert address is not None
    return address


def by_openblas(f: Function, ring: Ring, x: Matrices, store: Store) -> None:
    """The product, k ≥ 1, of operands that each have an axis whose elements lie together."""
    letter = _LETTERS[ring.name]
    name = f"functrans_openblas_{letter}gemm"
    f.module.externals[name] = External(partial(_address, letter), None)
    left = _order(x.left_row, x.left_k, x.m, x.k)
    right = _order(x.right_k, x.right_column, x.k, x.n)

    def compute(c: Value, c_step: Value) -> None:
        enum = [f.const(number, I32) for number in (_ROW_MAJOR, left[0], right[0])]
        sizes = [f.index(size) for size in (x.m, x.n, x.k)]
        f.call_symbol(
            name, None, *enum, *sizes, _number(f, ring, 1), x.left, f.index(left[1]), x.right, f.index(right[1]),
            _number(f, ring, 0), c, c_step,
        )  # fmt: skip

    store(f.index(0), f.index(0), x.m, x.n, compute)


def _order(row: int, column: int, rows: int, columns: int) -> tuple[int, int]:
    """Whether a matrix is to be seen transposed, and the distance of its rows as it lies."""
    if column == 1 or columns == 1:
        return _AS_IT_IS, max(row, columns)
    return _TRANSPOSED, max(column, rows)


def _number(f: Function, ring: Ring, number: int) -> Value:
    """A real number as it is given: complex ones by their address."""
    if ring.parts == 1:
        return f.const(number, ring.part)
    space = f.stack(ring.part, 2)
    f.store(f.vector_const([number, 0], ring.part), space, ring.part.bytes)
    return space
