"""Jaxprs made from those of loops and branches, with the results that their places ask for: zeros and copies filled in.

Imports the transforms of jaxprs. Start reading at `pushed`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from functrans.core.aval import ShapedArray, shaped
from functrans.core.ir import Jaxpr, eval_jaxpr, memoized
from functrans.core.primitive import Maybes, NamedAxis
from functrans.ops.broadcast import broadcast_batch
from functrans.transforms.jaxprs import batch_jaxpr, jvp_jaxpr
from functrans.transforms.stage import stage
from functrans.transforms.vjp import zeros
from functrans.typing import Array

__all__ = ["batched_as", "merged", "pushed", "settled", "spread", "strong_aval", "tangent_avals"]


def strong_aval(aval: ShapedArray) -> ShapedArray:
    """The type of the tangent of a value of this type: it is never a Python number."""
    return shaped(aval.shape, aval.dtype)


def tangent_avals(avals: Sequence[ShapedArray], nonzero: Sequence[bool]) -> list[ShapedArray]:
    """The types of the tangents (or cotangents) that there are of values of these types."""
    return [strong_aval(aval) for aval, has in zip(avals, nonzero, strict=True) if has]


def merged(values: Sequence[Array], has: Sequence[bool]) -> Maybes:
    """The values, with None in the places that have none."""
    rest = iter(values)
    return tuple(next(rest) if is_there else None for is_there in has)


def settled(flags: tuple[bool, ...], turn: Callable[[tuple[bool, ...]], Sequence[bool]]) -> tuple[bool, ...]:
    """What is true of what a loop carries after any number of turns: `turn` says what one makes of what was true before.

    flags: what is true before the first. What `turn` gives beyond them is of other results.
    """
    while (grown := tuple(map(max, flags, turn(flags)))) != flags:
        flags = grown
    return flags


def spread(size: int, values: Sequence[Array], has: Sequence[bool], wants: Sequence[bool]) -> list[Array]:
    """The values, repeated along a batch axis of this size where they want one and do not have it."""
    rows = zip(values, has, wants, strict=True)
    return [broadcast_batch(size, x) if wanted and not there else x for x, there, wanted in rows]


@memoized
def pushed(jaxpr: Jaxpr, nonzero: tuple[bool, ...], out_nonzero: tuple[bool, ...]) -> Jaxpr:
    """`(*primals, *tangents where nonzero) -> (*outs, *tangents where out_nonzero)`; zeros for those that are none."""
    forward = jvp_jaxpr(jaxpr, nonzero)
    if forward.nonzero == out_nonzero:
        return forward.jaxpr
    count = len(jaxpr.outvars)

    def filled(*args: Array) -> list[Array]:
        results = eval_jaxpr(forward.jaxpr, *args)
        tangents = merged(results[count:], forward.nonzero)
        wanted = zip(tangents, jaxpr.out_avals, out_nonzero, strict=True)
        return [*results[:count], *(zeros(aval) if t is None else t for t, aval, has in wanted if has)]

    return stage(filled, [*jaxpr.in_avals, *tangent_avals(jaxpr.in_avals, nonzero)])


@memoized
def batched_as(jaxpr: Jaxpr, axis: NamedAxis, batched: tuple[bool, ...], outs_batched: tuple[bool, ...]) -> Jaxpr:
    """The jaxpr over batches, where at least those results carry the batch axis that `outs_batched` says."""
    whole = batch_jaxpr(jaxpr, axis, batched)
    if whole.batched == outs_batched:
        return whole.jaxpr

    def filled(*args: Array) -> list[Array]:
        return spread(axis.size, eval_jaxpr(whole.jaxpr, *args), whole.batched, outs_batched)

    return stage(filled, whole.jaxpr.in_avals)
