"""How much is written out for a loop or a branch whose values are all kept in registers: it fits where that is not much.

Imports `register_operations` and the compiler's data; start reading at `work`.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import NamedTuple, TypeGuard

from functrans.backends.llvm.register_operations import is_computed
from functrans.backends.llvm.register_values import SHORT, width_of
from functrans.backends.llvm.target import host
from functrans.compiler.nodes import Supports
from functrans.core.ir import Eqn
from functrans.core.lowering import Contract, Pointwise
from functrans.core.lowering_control import Control, Scan, While

__all__ = ["IN_LANES", "IN_VECTORS", "MOST_WORK", "Cut", "has_lanes", "is_unrolled", "work"]

MOST_WORK = 800
"""Operations on vectors in all bodies together: each is written out."""
_FEWEST_LANES = 4
"""Rows of a map; of fewer each is better computed by itself."""


class Cut(NamedTuple):
    """How arrays lie in registers."""

    most: int
    """Elements of an array: more than that does not stay in registers."""
    vectors: Callable[[int], int]
    """How many hold an array of a size."""


IN_VECTORS = Cut(128, lambda size: -(-size // width_of(host(), size)))
IN_LANES = Cut(16, lambda size: size)
"""An array per lane: each vector holds one element of each."""


def has_lanes(lowering: object) -> TypeGuard[Scan]:
    """Whether the rows of a loop are worth computing in lanes: none needs what another gives, and they are no vectors."""
    if not isinstance(lowering, Scan) or lowering.carry or lowering.length < _FEWEST_LANES:
        return False
    carried = (var for eqn in lowering.jaxpr.all_eqns() if isinstance(eqn.lowering, While) for var in eqn.outvars)
    values = (*lowering.jaxpr.invars[lowering.consts :], *lowering.jaxpr.outvars, *carried)
    return all(atom.aval.size <= SHORT for atom in values)


def is_unrolled(lowering: Control) -> TypeGuard[Scan]:
    """Whether a loop within a body has rows: those are numbers in registers, which no index finds."""
    return (
        isinstance(lowering, Scan)
        and max(len(lowering.jaxpr.invars) - lowering.consts, len(lowering.jaxpr.outvars)) > lowering.carry
    )


def work(lowering: Control, supports: Supports | None, cut: Cut) -> float:
    """The operations on vectors that are written for a loop or a branch; infinite where something does not fit."""
    values = [atom.aval for jaxpr in lowering.jaxprs for atom in (*jaxpr.invars, *jaxpr.outvars)]
    if any(aval.size > cut.most for aval in values):
        return float("inf")
    return sum(_eqn_work(eqn, supports, cut) for jaxpr in lowering.jaxprs for eqn in jaxpr.eqns)


def _eqn_work(eqn: Eqn, supports: Supports | None, cut: Cut) -> float:
    ins, outs = [atom.aval for atom in eqn.invars], [var.aval for var in eqn.outvars]
    lowering = eqn.lowering
    if lowering is None or any(aval.size > cut.most for aval in (*ins, *outs)):
        return float("inf")
    if isinstance(lowering, Control):
        if has_lanes(lowering) and any(isinstance(one.lowering, While) for one in lowering.jaxpr.eqns):
            return float("inf")  # its lanes are worth a function of its own
        return work(lowering, supports, cut) * (lowering.length if is_unrolled(lowering) else 1)
    if not is_computed(lowering, ins):
        return float("inf")
    if supports is not None and isinstance(lowering, Pointwise) and not supports(lowering, ins, outs):
        return float("inf")
    vectors = max(cut.vectors(aval.size) for aval in (*ins, *outs))
    if isinstance(lowering, Pointwise):
        return float(lowering.cost * vectors)
    if isinstance(lowering, Contract):  # two arrangements, a product, a sum
        return float(4 * vectors * prod(ins[0].shape[axis] for axis in lowering.contracted[0]))
    return float(vectors)
