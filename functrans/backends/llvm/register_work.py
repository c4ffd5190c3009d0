"""How much is written out for a loop or a branch whose values are all kept in registers: it fits where that is not much.

Imports `register_operations` and the compiler's data; start reading at `work`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from math import prod
from typing import TypeGuard

from functrans.backends.llvm.lane_values import LaneRegisters
from functrans.backends.llvm.register_operations import is_computed
from functrans.backends.llvm.register_tables import is_read
from functrans.backends.llvm.register_values import SHORT, Registers, width_of
from functrans.backends.llvm.target import host
from functrans.compiler.nodes import Supports
from functrans.compiler.stacks import has_stacks
from functrans.core.ir import Atom, Eqn, Jaxpr
from functrans.core.lowering import Contract, Pointwise
from functrans.core.lowering_control import Branch, Control, Scan, While
from functrans.core.lowering_data import DynamicSlice, Gather
from functrans.core.lowering_stack import EmptyStack, Pop, Push
from functrans.record import NamedTuple

__all__ = ["IN_LANES", "IN_VECTORS", "MOST_WORK", "Cut", "has_lanes", "is_unrolled", "work"]

MOST_WORK = 800
"""Operations on vectors in all bodies together: each is written out."""
_READ = 8
"""Operations that it is like to read an element of a table."""
_FEWEST_LANES = 4
"""Rows of a map; of fewer each is better computed by itself."""


class Cut(NamedTuple):
    """How arrays lie in registers."""

    most: int
    """Elements of an array: more than that does not stay in registers."""
    vectors: Callable[[int], int]
    """How many hold an array of a size."""


IN_VECTORS = Cut(Registers.most, lambda size: -(-size // width_of(host(), size)))
IN_LANES = Cut(LaneRegisters.most, lambda size: size)
"""An array per lane: each vector holds one element of each."""


def has_lanes(lowering: object) -> TypeGuard[Scan]:
    """Whether the rows of a loop are worth computing in lanes: none needs what another gives, and they are no vectors."""
    if (
        not isinstance(lowering, Scan)
        or lowering.carry
        or lowering.length < _FEWEST_LANES
        or has_stacks(lowering.jaxpr)
    ):
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


def work(lowering: Control, supports: Supports | None, cut: Cut, in_memory: Sequence[bool] | None = None) -> float:
    """The operations on vectors that are written for a loop or a branch; infinite where something does not fit.

    in_memory: which of the operands lie in memory, if not all do.
    """
    total = 0.0
    for jaxpr, first, count in _given(lowering):
        flags = [True] * count if in_memory is None else in_memory[first : first + count]
        tables = {var for var, flag in zip(jaxpr.invars, flags, strict=False) if flag}
        if any(atom.aval.size > cut.most for atom in (*jaxpr.invars, *jaxpr.outvars) if atom not in tables):
            return float("inf")
        total += sum(_eqn_work(eqn, supports, cut, tables) for eqn in jaxpr.eqns)
    return total


def _given(lowering: Control) -> Iterator[tuple[Jaxpr, int, int]]:
    """The jaxprs, and which of the operands their first arguments are for as long as it runs: from which on, and how many."""
    if isinstance(lowering, Branch):
        yield from ((branch, 1, len(branch.invars)) for branch in lowering.branches)
    elif isinstance(lowering, While):
        yield lowering.cond_jaxpr, 0, lowering.cond_consts
        yield lowering.body_jaxpr, lowering.cond_consts, lowering.body_consts
    else:
        yield lowering.jaxpr, 0, lowering.consts


def _eqn_work(eqn: Eqn, supports: Supports | None, cut: Cut, tables: Collection[Atom]) -> float:
    ins, outs = [atom.aval for atom in eqn.invars], [var.aval for var in eqn.outvars]
    lowering = eqn.lowering
    if lowering is None or any(aval.size > cut.most for aval in outs):
        return float("inf")
    if isinstance(lowering, Control):
        if has_lanes(lowering) and any(isinstance(one.lowering, While) for one in lowering.jaxpr.eqns):
            return float("inf")  # its lanes are worth a function of its own
        flags = [atom in tables for atom in eqn.invars]
        return work(lowering, supports, cut, flags) * (lowering.length if is_unrolled(lowering) else 1)
    if isinstance(lowering, EmptyStack | Push | Pop):
        are_small = cut is IN_VECTORS and all(aval.size <= cut.most for aval in (*ins, *outs))
        return float(sum(cut.vectors(aval.size) for aval in (*ins, *outs))) if are_small else float("inf")
    is_table = bool(eqn.invars) and eqn.invars[0] in tables and is_read(lowering, ins, outs)
    if any(aval.size > cut.most for aval in ins[is_table:]) or not (is_table or is_computed(lowering, ins)):
        return float("inf")
    if (
        supports is not None
        and isinstance(lowering, Pointwise | Gather | DynamicSlice)
        and not supports(lowering, ins, outs)
    ):
        return float("inf")
    if is_table:
        return _READ * outs[0].size
    vectors = max(cut.vectors(aval.size) for aval in (*ins, *outs))
    if isinstance(lowering, Pointwise):
        return float(lowering.cost * vectors)
    if isinstance(lowering, Contract):  # two arrangements, a product, a sum
        return float(4 * vectors * prod(ins[0].shape[axis] for axis in lowering.contracted[0]))
    return float(vectors)
