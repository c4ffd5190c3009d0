"""The kernel families: for each kind of lowering that is neither pointwise nor a view, who writes its code.

To add a family, write a module in `kernels/` and enter it here. A program's first call waits for no kernel that it does not
have: they are imported when they are asked for. Start reading at `family_of`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

from functrans.backends.llvm.function import Function
from functrans.core.aval import ShapedArray
from functrans.core.lowering import Contract
from functrans.core.lowering_data import Concatenate, DynamicSlice, DynamicUpdateSlice, Gather, Iota, Pad, Scatter
from functrans.core.lowering_foreign import ForeignCall
from functrans.core.lowering_loops import Cholesky, Fourier, NumpyLoop, QrLoops, Solve, TriangularSolve
from functrans.core.lowering_order import Argsort, Cumulative, ExtremumPosition, LinearRecurrence, Sort, TopK
from functrans.core.lowering_windows import Convolve, ReduceWindow, WindowPosition
from functrans.record import NamedTuple

__all__ = ["Family", "family_of", "kernels_of"]

Avals = Sequence[ShapedArray]


class Family(NamedTuple):
    """A kind of kernel. Any: each family has data of its own type."""

    emit: Callable[..., Function]
    """`(module, name, data, operands' avals, results' avals) -> i64 name(ptr operand, …, ptr result, …, ptr scratch)`.

    The function gives 0, or 1 where NumPy would raise: NumPy is then asked.
    """
    supports: Callable[[Any, Avals, Avals], bool]
    scratch_bytes: Callable[..., int]
    """Of `(data, operands' avals, results' avals)`; with `inside`, a `Fused`, of it."""
    chunks: Callable[[Any, Avals, Avals], int] | None = None
    """How many parts may run at the same time. The functions of such a family are given a pointer more, the last one: to the
    function that runs chunks in parallel, or null."""
    finishes: Callable[[Any, Avals, Avals], bool] | None = None
    """Whether an epilogue costs nothing. To `emit` of such a family a `Fused` may be given, too."""
    method: Callable[[Any, Avals, Avals], str] | None = None
    """In some words, how it is done, if there are several ways."""


def _contract() -> Family:
    from functrans.backends.llvm.kernels import contract

    return Family(contract.emit, contract.supports, contract.scratch_bytes, contract.part_count, contract.finishes)


def _convolve() -> Family:
    from functrans.backends.llvm.kernels import convolve

    return Family(
        convolve.emit,
        convolve.supports,
        convolve.scratch_bytes,
        convolve.part_count,
        convolve.finishes,
        convolve.method,
    )


def _pool() -> Family:
    from functrans.backends.llvm.kernels import pool

    return Family(pool.emit, pool.supports, pool.scratch_bytes)


def _sort() -> Family:
    from functrans.backends.llvm.kernels import sort

    return Family(sort.emit, sort.supports, sort.scratch_bytes)


def _top_k() -> Family:
    from functrans.backends.llvm.kernels import top_k

    return Family(top_k.emit, top_k.supports, top_k.scratch_bytes)


def _cumulative() -> Family:
    from functrans.backends.llvm.kernels import cumulative

    return Family(cumulative.emit, cumulative.supports, cumulative.scratch_bytes)


def _extremum_position() -> Family:
    from functrans.backends.llvm.kernels import extremum_position

    return Family(extremum_position.emit, extremum_position.supports, extremum_position.scratch_bytes)


def _gather() -> Family:
    from functrans.backends.llvm.kernels import gather

    return Family(gather.emit, gather.supports, gather.scratch_bytes)


def _scatter() -> Family:
    from functrans.backends.llvm.kernels import scatter

    return Family(scatter.emit, scatter.supports, scatter.scratch_bytes)


def _windows() -> Family:
    from functrans.backends.llvm.kernels import windows

    return Family(windows.emit, windows.supports, windows.scratch_bytes)


def _assemble() -> Family:
    from functrans.backends.llvm.kernels import assemble

    return Family(assemble.emit, assemble.supports, assemble.scratch_bytes)


def _foreign_call() -> Family:
    from functrans.backends.llvm.kernels import foreign_call

    return Family(foreign_call.emit, foreign_call.supports, foreign_call.scratch_bytes)


def _numpy_loop() -> Family:
    from functrans.backends.llvm.kernels import numpy_loop

    return Family(numpy_loop.emit, numpy_loop.supports, numpy_loop.scratch_bytes)


def _qr() -> Family:
    from functrans.backends.llvm.kernels import qr

    return Family(qr.emit, qr.supports, qr.scratch_bytes)


def _matrices() -> Family:
    from functrans.backends.llvm.kernels import matrices

    return Family(matrices.emit, matrices.supports, matrices.scratch_bytes)


def _fourier() -> Family:
    from functrans.backends.llvm.kernels import fourier

    return Family(fourier.emit, fourier.supports, fourier.scratch_bytes)


_FAMILIES: dict[type, Callable[[], Family]] = {
    Contract: _contract,
    Convolve: _convolve,
    ReduceWindow: _pool,
    WindowPosition: _pool,
    Sort: _sort,
    Argsort: _sort,
    TopK: _top_k,
    Cumulative: _cumulative,
    LinearRecurrence: _cumulative,
    ExtremumPosition: _extremum_position,
    Gather: _gather,
    Scatter: _scatter,
    DynamicSlice: _windows,
    DynamicUpdateSlice: _windows,
    Concatenate: _assemble,
    Pad: _assemble,
    Iota: _assemble,
    ForeignCall: _foreign_call,
    NumpyLoop: _numpy_loop,
    QrLoops: _qr,
    Fourier: _fourier,
    Cholesky: _matrices,
    Solve: _matrices,
    TriangularSolve: _matrices,
}


@cache
def family_of(lowering: type) -> Family | None:
    """Who writes the code of a kind of lowering; None for one that is not a kernel's."""
    family = _FAMILIES.get(lowering)
    return None if family is None else family()


def kernels_of(lowering: type) -> Family:
    """The same for one that is known to have kernels."""
    family = family_of(lowering)
    assert family is not None, lowering
    return family
