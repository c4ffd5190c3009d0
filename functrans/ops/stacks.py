"""Stacks: `empty_stack`, `push` and `pop`, which are duals, and `add_stacks`. What loops keep for the way back is in them.

All work on an array of stacks, of which each has a record of its own; the values of the records have the array's axes in
front. The cotangent of a stack is a stack of cotangents: what is pushed on the way there is popped on the way back. Popping an
empty stack gives zeros, so an empty one is the zero of all stacks, however many records they have. Imports core and
`broadcast`; start reading at `push_p`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np

from functrans.core.aval import ShapedArray, shaped
from functrans.core.lowering_stack import AddStacks, EmptyStack, Pop, Push
from functrans.core.primitive import LocallyConstant, Maybes, Params, Primitive, Pullback, Values, aval_of
from functrans.core.stacks import Link, Links, blank, is_stack, links_of, record_avals
from functrans.errors import OperandError
from functrans.ops.broadcast import broadcast_batch, zeros
from functrans.ops.rules import as_value
from functrans.typing import Array, DType, Shape

__all__ = ["add_stacks", "add_stacks_p", "empty_stack", "empty_stack_p", "pop", "pop_p", "push", "push_p", "zero"]


# ---- nothing ----


def _empty_impl(*, shape: Shape, dtype: DType) -> Values:
    return (as_value(np.empty(shape, dtype)),)


_constant = LocallyConstant("it has no operands")

empty_stack_p: Primitive = Primitive(
    "empty_stack",
    _empty_impl,
    lambda *, shape, dtype: (shaped(shape, dtype),),
    _constant,
    _constant,
    lambda _size, _args, _batched, params: (empty_stack_p.bind(**params), (False,)),
    cheap=True,
    lower=lambda _avals, _params: EmptyStack(),
)


def empty_stack(dtype: DType, shape: Shape = ()) -> Array:
    """An empty stack of a dtype, or an array of them."""
    return empty_stack_p.bind(shape=shape, dtype=dtype)[0]


def zero(aval: ShapedArray) -> Array:
    """What to add changes nothing, of a type: zeros, or empty stacks."""
    return empty_stack(aval.dtype, aval.shape) if is_stack(aval.dtype) else zeros(aval.shape, aval.dtype)


# ---- a record more ----


def _push_impl(stacks: Array, *values: Array) -> Values:
    new, below = np.empty(np.shape(stacks), stacks.dtype), links_of(stacks)
    links = links_of(new)
    for i in np.ndindex(*new.shape):  # copies: what is kept does not change when the arrays do
        links[i] = Links(below[i], tuple(cast(Array, np.array(x[i])) for x in values))
    return (as_value(new),)


def _push_aval(stacks: ShapedArray, *values: ShapedArray) -> tuple[ShapedArray, ...]:
    wanted = record_avals(stacks.dtype, stacks.shape)
    if [(x.shape, x.dtype) for x in values] != [(x.shape, x.dtype) for x in wanted]:
        raise OperandError(
            "push", [str(x) for x in (stacks, *values)], f"values of types {', '.join(map(str, wanted))}"
        )
    return (stacks,)


def _push_vjp(primals: Values, _wanted: tuple[bool, ...], _params: Params) -> tuple[Values, Pullback]:
    return push_p.bind(*primals), lambda cts: pop_p.bind(cast(Array, cts[0]))


def _push_jvp(primals: Values, tangents: Maybes, _params: Params) -> tuple[Values, Maybes]:
    avals = map(aval_of, primals)
    return push_p.bind(*primals), push_p.bind(*_filled(tangents, [*avals]))


def _filled(values: Maybes, avals: Sequence[ShapedArray]) -> list[Array]:
    return [zero(aval) if x is None else x for x, aval in zip(values, avals, strict=True)]


def _push_batch(size: int, args: Values, batched: tuple[bool, ...], _params: Params) -> tuple[Values, tuple[bool, ...]]:
    pairs = zip(args, batched, strict=True)
    return push_p.bind(*(x if has else broadcast_batch(size, x) for x, has in pairs)), (True,)


push_p: Primitive = Primitive(
    "push", _push_impl, _push_aval, _push_vjp, _push_jvp, _push_batch, lower=lambda _avals, _params: Push()
)


def push(stacks: Array, *values: Array) -> Array:
    """The stack with a record more. values: of the types that its dtype says, after the axes of `stacks`."""
    return push_p.bind(stacks, *values)[0]


# ---- a record less ----


def _pop_impl(stacks: Array) -> Values:
    shape, links = np.shape(stacks), links_of(stacks)
    below = np.empty(shape, stacks.dtype)
    under, values = links_of(below), [blank(aval) for aval in record_avals(stacks.dtype, shape)]
    for i in np.ndindex(*shape):
        if links[i] is not None:
            under[i] = links[i].below
            for x, value in zip(values, links[i].values, strict=True):
                x[i] = value
    return tuple(map(as_value, (below, *values)))


def _pop_vjp(primals: Values, _wanted: tuple[bool, ...], _params: Params) -> tuple[Values, Pullback]:
    outs = pop_p.bind(*primals)
    avals = [*map(aval_of, outs)]
    return outs, lambda cts: push_p.bind(*_filled(cts, avals))


def _pop_batch(
    _size: int, args: Values, _batched: tuple[bool, ...], _params: Params
) -> tuple[Values, tuple[bool, ...]]:
    outs = pop_p.bind(*args)
    return outs, (True,) * len(outs)


pop_p: Primitive = Primitive(
    "pop",
    _pop_impl,
    lambda stacks: (stacks, *record_avals(stacks.dtype, stacks.shape)),
    _pop_vjp,
    lambda primals, tangents, _params: (pop_p.bind(*primals), pop_p.bind(*cast(Values, tangents))),
    _pop_batch,
    cheap=True,  # what is in a stack need not be kept beside it
    lower=lambda _avals, _params: Pop(),
)


def pop(stacks: Array) -> Values:
    """The stack without its newest record, then the values of that; zeros where the stack is empty."""
    return pop_p.bind(stacks)


# ---- the sum of two cotangents ----


def _sum_of_links(x: Link | None, y: Link | None) -> Link | None:
    sums: list[tuple[Array, ...]] = []
    while x is not None and y is not None:
        sums.append(tuple(map(_sum_of_values, x.values, y.values)))
        x, y = x.below, y.below
    total = y if x is None else x
    for values in reversed(sums):
        total = Links(total, values)
    return total


def _sum_of_values(x: Array, y: Array) -> Array:
    return _add_impl(x, y)[0] if is_stack(x.dtype) else cast(Array, np.add(x, y))


def _add_impl(x: Array, y: Array) -> Values:
    total = np.empty(np.shape(x), x.dtype)
    links_of(total)[...] = np.frompyfunc(_sum_of_links, 2, 1)(links_of(x), links_of(y))
    return (as_value(total),)


def _add_aval(x: ShapedArray, y: ShapedArray) -> tuple[ShapedArray, ...]:
    if x is not y or not is_stack(x.dtype):
        raise OperandError("add_stacks", [str(x), str(y)], "stacks of one type")
    return (x,)


def _add_vjp(primals: Values, _wanted: tuple[bool, ...], _params: Params) -> tuple[Values, Pullback]:
    return add_stacks_p.bind(*primals), lambda cts: (cts[0], cts[0])


def _add_jvp(primals: Values, tangents: Maybes, _params: Params) -> tuple[Values, Maybes]:
    given = [tangent for tangent in tangents if tangent is not None]
    return add_stacks_p.bind(*primals), add_stacks_p.bind(*given) if len(given) == 2 else tuple(given)


def _add_batch(size: int, args: Values, batched: tuple[bool, ...], _params: Params) -> tuple[Values, tuple[bool, ...]]:
    pairs = zip(args, batched, strict=True)
    return add_stacks_p.bind(*(x if has else broadcast_batch(size, x) for x, has in pairs)), (True,)


add_stacks_p: Primitive = Primitive(
    "add_stacks", _add_impl, _add_aval, _add_vjp, _add_jvp, _add_batch, lower=lambda _avals, _params: AddStacks()
)


def add_stacks(x: Array, y: Array) -> Array:
    """Values of records that are equally far from the top, added; what one stack has more stays as it is."""
    return add_stacks_p.bind(x, y)[0]
