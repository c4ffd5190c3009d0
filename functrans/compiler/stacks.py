"""What becomes of the records that a jaxpr makes. Imports core; start reading at `lets_records_out`."""

from __future__ import annotations

from functrans.core.ir import Jaxpr, Var, memoized
from functrans.core.lowering_stack import AddStacks, Push, StackStep
from functrans.core.stacks import is_stack

__all__ = ["has_stacks", "lets_records_out", "pushes"]


@memoized
def has_stacks(jaxpr: Jaxpr) -> bool:
    """Whether it, or a loop or a branch in it, does something with stacks."""
    return any(isinstance(eqn.lowering, StackStep) for eqn in jaxpr.all_eqns())


@memoized
def pushes(jaxpr: Jaxpr) -> bool:
    """Whether it, or a loop or a branch in it, makes records."""
    return any(isinstance(eqn.lowering, Push | AddStacks) for eqn in jaxpr.all_eqns())


@memoized
def lets_records_out(jaxpr: Jaxpr) -> bool:
    """Whether its results may be stacks with records that it has made: else their memory is free when it ends."""
    new: set[Var] = set()
    for eqn in jaxpr.eqns:
        is_maker = isinstance(eqn.lowering, Push | AddStacks) or any(map(lets_records_out, eqn.jaxprs))
        if is_maker or not new.isdisjoint(atom for atom in eqn.invars if isinstance(atom, Var)):
            new.update(var for var in eqn.outvars if is_stack(var.aval.dtype))
    return not new.isdisjoint(atom for atom in jaxpr.outvars if isinstance(atom, Var))
