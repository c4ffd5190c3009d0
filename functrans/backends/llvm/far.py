"""Which results of a program are stored past the caches, as nobody will find them there.

A store brings the line of memory that it goes to into the caches first, and drives out another. A result that takes, with what it
is made of, more than the last cache is gone from there before anyone reads it: a third of the traffic is for nothing.
Imports the compiler's data and `target`; start reading at `far_results`.
"""

from __future__ import annotations

from functrans.backends.llvm.target import Target
from functrans.compiler.nest import Nest
from functrans.compiler.steps import Output, Plan, Step
from functrans.core.ir import Var

__all__ = ["far_results"]

_MANY = 1 << 20
"""Bytes of a value that fills caches."""
_BUSY = 2
"""Values that are read, from which on rows of several passes profit: with one, to store and to compute take turns. log_softmax
of 4096 × 1024 takes 1.1 of its time so, layer norm 1.0; with their gradients, which read two, they take 0.78 and 0.6."""


def far_results(plan: Plan, step: Step, target: Target) -> frozenset[Var]:
    """Those of a step of the plan that no step reads.

    A copy of 16 MB took 0.6 of the time, of 40 MB 0.5; with the largest element of the copy found at once 0.96 and 0.7. Of 8 MB,
    which stay in a cache of 32 MB, it took 0.8, but 1.3 with that: these are stored as ever.
    """
    work = step.work
    if not (isinstance(work, Nest) and target.stores_far):
        return frozenset()
    large = [var for var in {access.base for access in work.reads} if var.aval.nbytes >= _MANY]
    moved = sum(var.aval.nbytes for var in {*large, *work.outs})
    if moved < target.last_cache or (len(work.passes) > 1 and len(large) < _BUSY):
        return frozenset()
    read = {var for other in plan.steps for var in other.reads}
    outs = (var for var in work.outs if isinstance(plan.places[var], Output))
    return frozenset(var for var in outs if var not in read and var.aval.nbytes >= _MANY)
