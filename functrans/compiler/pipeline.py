"""The passes, in order. Imports core and the passes; a backend runs what comes out."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TypeAlias

from functrans.compiler.cse import cse
from functrans.compiler.exchange import exchange
from functrans.compiler.inline import inline
from functrans.compiler.invariants import invariants
from functrans.compiler.simplify import simplify
from functrans.core.dce import dce
from functrans.core.ir import Jaxpr
from functrans.core.nested import map_jaxprs

__all__ = ["PASSES", "Pass", "optimize"]

Pass: TypeAlias = Callable[[Jaxpr], Jaxpr]


def _within(transform: Pass) -> Pass:
    """The pass for the jaxprs of loops and branches, then for what they are in."""

    @wraps(transform)
    def run(jaxpr: Jaxpr) -> Jaxpr:
        eqns = tuple(map_jaxprs(eqn, run) for eqn in jaxpr.eqns)
        if eqns != jaxpr.eqns:
            jaxpr = Jaxpr(jaxpr.invars, jaxpr.outvars, eqns, jaxpr.constvars, jaxpr.consts)
        return transform(jaxpr)

    return run


PASSES: tuple[Pass, ...] = (
    inline,  # nested jits and custom derivatives give way to what they compute
    _within(simplify),  # constants are computed, and what does nothing is left out
    _within(invariants),  # what no turn of a loop changes is computed before it
    _within(cse),  # what was computed before is not computed again
    _within(exchange),  # products lie as they are read
    _within(dce),  # what no result needs is not computed
)


def optimize(jaxpr: Jaxpr) -> Jaxpr:
    """The jaxpr after all passes."""
    for transform in PASSES:
        jaxpr = transform(jaxpr)
    return jaxpr
