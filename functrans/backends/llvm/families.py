"""The kernel families: for each kind of lowering that is neither pointwise nor a view, who writes its code.

To add a family, write a module in `kernels/` and enter it here. Imports the kernels; start reading at `FAMILIES`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from functrans.backends.llvm.function import Function
from functrans.backends.llvm.kernels import contract
from functrans.core.aval import ShapedArray
from functrans.core.lowering import Contract

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


FAMILIES: dict[type, Family] = {
    Contract: Family(contract.emit, contract.supports, contract.scratch_bytes),
}
