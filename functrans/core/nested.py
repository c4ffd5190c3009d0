"""Primitives whose parameters hold jaxprs: loops and branches. What passes over jaxprs have to know of them.

Imports `ir`. Start reading at `hoist`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from functrans.core.ir import Jaxpr
from functrans.core.primitive import Params, Primitive
from functrans.typing import Array

__all__ = ["hoist", "map_jaxprs"]

T = TypeVar("T")


def map_jaxprs(params: Params, transform: Callable[[Jaxpr], Jaxpr]) -> Params:
    """The parameters with each jaxpr, also those in tuples, replaced by what `transform` makes of it."""
    return {name: _mapped(value, transform) for name, value in params.items()}


def _mapped(value: object, transform: Callable[[Jaxpr], Jaxpr]) -> object:
    if isinstance(value, Jaxpr):
        return transform(value)
    return tuple(_mapped(item, transform) for item in value) if isinstance(value, tuple) else value


def hoist(
    prim: Primitive, operands: Sequence[T], params: Params, wrap: Callable[[Array], T]
) -> tuple[tuple[T, ...], Params]:
    """Operands and parameters of the same equation, where what its jaxprs capture are operands; `wrap` makes them such."""
    if prim.captures is None:
        return tuple(operands), params
    params, insertions = prim.captures(params)
    hoisted: list[T] = []
    done = 0
    for position, values in insertions:
        hoisted += [*operands[done:position], *map(wrap, values)]
        done = position
    return (*hoisted, *operands[done:]), params
