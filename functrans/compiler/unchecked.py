"""Indices that are promised to be in bounds: gathers and scatters that do not test them. Imports core."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from functrans.core.aval import ShapedArray
from functrans.core.ir import Eqn, Jaxpr, memoized
from functrans.core.lowering import Lowering
from functrans.core.lowering_data import Gather, Scatter
from functrans.core.nested import map_jaxprs
from functrans.core.primitive import Params, Primitive
from functrans.record import replace

__all__ = ["trust_indices", "trusting"]


@memoized
def trust_indices(jaxpr: Jaxpr) -> Jaxpr:
    """The same function, where an index that would raise IndexError in machine code reads or writes anything inside."""
    eqns = tuple(map(_unchecked, jaxpr.eqns))
    return Jaxpr(jaxpr.invars, jaxpr.outvars, eqns, jaxpr.constvars, jaxpr.consts)


def _unchecked(eqn: Eqn) -> Eqn:
    if _tests(eqn.lowering):
        return Eqn(trusting(eqn.prim), eqn.invars, eqn.params, eqn.outvars, eqn.source)
    return map_jaxprs(eqn, trust_indices)


def _tests(lowering: Lowering | None) -> bool:
    return (
        isinstance(lowering, Gather | Scatter) and lowering.windows.bounds == "raise" and not lowering.windows.unchecked
    )


@cache  # one object for each: it is part of the key of programs
def trusting(prim: Primitive) -> Primitive:
    """The primitive with another lowering."""

    def lower(avals: Sequence[ShapedArray], params: Params) -> Lowering | None:
        assert prim.lower is not None
        found = prim.lower(avals, params)
        if isinstance(found, Gather | Scatter):
            return replace(found, windows=replace(found.windows, unchecked=True))
        return found

    return replace(prim, lower=lower)
