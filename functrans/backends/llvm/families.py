"""The kernel families: for each kind of lowering that is neither pointwise nor a view, who writes its code.

To add a family, write a module in `kernels/` and enter it here. Imports the kernels; start reading at `FAMILIES`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from functrans.backends.llvm.function import Function
from functrans.backends.llvm.kernels import (
    assemble,
    contract,
    convolve,
    cumulative,
    extremum_position,
    foreign_call,
    gather,
    pool,
    scatter,
    sort,
    top_k,
    windows,
)
from functrans.core.aval import ShapedArray
from functrans.core.lowering import Contract
from functrans.core.lowering_data import Concatenate, DynamicSlice, DynamicUpdateSlice, Gather, Iota, Pad, Scatter
from functrans.core.lowering_foreign import ForeignCall
from functrans.core.lowering_order import Argsort, Cumulative, ExtremumPosition, LinearRecurrence, Sort, TopK
from functrans.core.lowering_windows import Convolve, ReduceWindow, WindowPosition

__all__ = ["FAMILIES", "Family"]

Avals = Sequence[ShapedArray]


class Family(NamedTuple):
    """A kind of kernel. Any: each family has data of its own type."""

    emit: Callable[..., Function]
    """`(module, name, data, operands' avals, results' avals) -> i64 name(ptr operand, …, ptr result, …, ptr scratch)`.

    The function gives 0, or 1 where NumPy would raise: NumPy is then asked.
    """
    supports: Callable[[Any, Avals, Avals], bool]
    scratch_bytes: Callable[[Any, Avals, Avals], int]
    chunks: Callable[[Any, Avals, Avals], int] | None = None
    """How many parts may run at the same time. The functions of such a family are given a pointer more, the last one: to the
    function that runs chunks in parallel, or null."""


FAMILIES: dict[type, Family] = {
    Contract: Family(contract.emit, contract.supports, contract.scratch_bytes, contract.part_count),
    Convolve: Family(convolve.emit, convolve.supports, convolve.scratch_bytes, convolve.part_count),
    ReduceWindow: Family(pool.emit, pool.supports, pool.scratch_bytes),
    WindowPosition: Family(pool.emit, pool.supports, pool.scratch_bytes),
    Sort: Family(sort.emit, sort.supports, sort.scratch_bytes),
    Argsort: Family(sort.emit, sort.supports, sort.scratch_bytes),
    TopK: Family(top_k.emit, top_k.supports, top_k.scratch_bytes),
    Cumulative: Family(cumulative.emit, cumulative.supports, cumulative.scratch_bytes),
    LinearRecurrence: Family(cumulative.emit, cumulative.supports, cumulative.scratch_bytes),
    ExtremumPosition: Family(extremum_position.emit, extremum_position.supports, extremum_position.scratch_bytes),
    Gather: Family(gather.emit, gather.supports, gather.scratch_bytes),
    Scatter: Family(scatter.emit, scatter.supports, scatter.scratch_bytes),
    DynamicSlice: Family(windows.emit, windows.supports, windows.scratch_bytes),
    DynamicUpdateSlice: Family(windows.emit, windows.supports, windows.scratch_bytes),
    Concatenate: Family(assemble.emit, assemble.supports, assemble.scratch_bytes),
    Pad: Family(assemble.emit, assemble.supports, assemble.scratch_bytes),
    Iota: Family(assemble.emit, assemble.supports, assemble.scratch_bytes),
    ForeignCall: Family(foreign_call.emit, foreign_call.supports, foreign_call.scratch_bytes),
}
