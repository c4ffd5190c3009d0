"""Loops whose carry begins with more than the user's: the number of the turn, and stacks. Imports ops; start at `counting`."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from functrans.core.aval import ShapedArray, shaped
from functrans.core.ir import Jaxpr, Var, eval_jaxpr, memoized
from functrans.ops.arithmetic import add, sub
from functrans.ops.comparison import gt
from functrans.transforms.stage import stage
from functrans.typing import Array

__all__ = ["COUNT", "any_left", "counting", "ignoring", "one_less", "one_more"]

COUNT = shaped((), np.dtype(np.int64))
"""The type of numbers of turns."""


@memoized
def counting(jaxpr: Jaxpr, consts: int, new_count: Callable[[Array], Array]) -> Jaxpr:
    """The body over a carry that starts with a counter."""

    def run(*args: Array) -> list[Array]:
        return [new_count(args[consts]), *eval_jaxpr(jaxpr, *args[:consts], *args[consts + 1 :])]

    return stage(run, [*jaxpr.in_avals[:consts], COUNT, *jaxpr.in_avals[consts:]])


def one_more(count: Array) -> Array:
    """The next number."""
    return add(count, 1)


def one_less(count: Array) -> Array:
    """The number before."""
    return sub(count, 1)


def any_left(carry: tuple[ShapedArray, ...]) -> Jaxpr:
    """The condition of a loop that counts down to zero, over a carry that starts with the counter."""
    return stage(lambda left, *_: [gt(left, 0)], carry)


@memoized
def ignoring(jaxpr: Jaxpr, place: int, avals: tuple[ShapedArray, ...]) -> Jaxpr:
    """The jaxpr with arguments more from a place on, of which it makes nothing."""
    more = tuple(map(Var, avals))
    invars = (*jaxpr.invars[:place], *more, *jaxpr.invars[place:])
    return Jaxpr(invars, jaxpr.outvars, jaxpr.eqns, jaxpr.constvars, jaxpr.consts)
