"""The passes, in order. Imports core and the passes; a backend runs what comes out."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from functrans.compiler.cse import cse
from functrans.compiler.inline import inline
from functrans.compiler.simplify import simplify
from functrans.core.dce import dce
from functrans.core.ir import Jaxpr

__all__ = ["PASSES", "Pass", "optimize"]

Pass: TypeAlias = Callable[[Jaxpr], Jaxpr]

PASSES: tuple[Pass, ...] = (
    inline,  # nested jits and custom derivatives give way to what they compute
    simplify,  # constants are computed, and what does nothing is left out
    cse,  # what was computed before is not computed again
    dce,  # what no result needs is not computed
)


def optimize(jaxpr: Jaxpr) -> Jaxpr:
    """The jaxpr after all passes."""
    for transform in PASSES:
        jaxpr = transform(jaxpr)
    return jaxpr
