"""What an equation takes to compute, told from its lowering: about how many additions. Imports `ir` and `lowering`."""

from __future__ import annotations

from functrans.core.ir import Eqn
from functrans.core.lowering import Barrier, Contract, Pointwise, Reduce, View
from functrans.core.lowering_foreign import ForeignCall
from functrans.core.lowering_windows import Convolve

__all__ = ["is_fusible", "is_light", "is_view", "work"]

_LIGHT = 4
"""Additions that an element may cost and still be computed in the time that it takes to store and load it."""
_KERNEL = 8
"""Additions for an element of what is no loop nest: sorts, gathers, and what NumPy runs."""


def is_view(eqn: Eqn) -> bool:
    """Whether the equation computes nothing."""
    return eqn.prim.cheap or isinstance(eqn.lowering, View)


def is_fusible(eqn: Eqn) -> bool:
    """Whether it reads its operands element by element, so that they need no place in memory."""
    return isinstance(eqn.lowering, Pointwise | Reduce)


def is_light(eqn: Eqn) -> bool:
    """Whether its results are computed from elements of its operands in no more time than it takes to load them."""
    lowering = eqn.lowering
    return is_view(eqn) or (isinstance(lowering, Pointwise) and lowering.cost <= _LIGHT)


def work(eqn: Eqn) -> int:
    """About how many additions the equation costs."""
    if inner := tuple(eqn.jaxprs):
        steps: int = eqn.params.get("length", 1)  # of a scan; of other loops nobody knows them
        return steps * sum(work(one) for jaxpr in inner for one in jaxpr.eqns)
    size = sum(var.aval.size for var in eqn.outvars)
    lowering = eqn.lowering
    if eqn.prim.cheap or isinstance(lowering, View | Barrier):
        return 0
    if isinstance(lowering, Pointwise):
        return lowering.cost * size
    if isinstance(lowering, Contract):
        return lowering.flops(eqn.invars[0].aval.shape, size)
    if isinstance(lowering, Convolve):
        return lowering.flops(eqn.invars[1].aval.shape, size)
    largest = max(size, *(atom.aval.size for atom in eqn.invars)) if eqn.invars else size
    is_unknown = lowering is None or isinstance(lowering, ForeignCall)
    return _KERNEL * largest if is_unknown else largest
