"""Primitives whose parameters hold jaxprs: loops and branches. What passes over jaxprs have to know of them.

Imports `ir`. Start reading at `hoist`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from functrans.core.ir import Eqn, Jaxpr
from functrans.core.primitive import Params, Primitive
from functrans.typing import Array

__all__ = ["hoist", "map_jaxprs", "mapped_params"]

T = TypeVar("T")


def map_jaxprs(eqn: Eqn, transform: Callable[[Jaxpr], Jaxpr]) -> Eqn:
    """The equation with each jaxpr that it carries replaced by what `transform` makes of it; itself if it carries none."""
    if next(eqn.jaxprs, None) is None:
        return eqn
    return Eqn(eqn.prim, eqn.invars, mapped_params(eqn.params, transform), eqn.outvars, eqn.source)


def mapped_params(params: Params, transform: Callable[[Jaxpr], Jaxpr]) -> Params:
    """The parameters with each jaxpr among them, alone or in a tuple, replaced."""
    return {name: _mapped(value, transform) for name, value in params.items()}


def _mapped(value: object, transform: Callable[[Jaxpr], Jaxpr]) -> object:
    if isinstance(value, Jaxpr):
        return transform(value)
    return tuple(_mapped(item, transform) for item in value) if type(value) is tuple else value


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
