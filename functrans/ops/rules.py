"""VJP and JVP rules from one declaration per operand.

`by_argument` makes a VJP rule from one rule per operand and decides which values it has to keep; `linear` makes a whole
primitive, linear in its only operand, from its transpose. Imports core only; start reading at `by_argument`.

**Rule parameters that start with an underscore are not saved.** A rule `lambda g, out, x: …` is called with the values
of the result and of the operands. Where a name starts with an underscore the backward pass keeps no such value: `_x` is
bound to its `ShapedArray` (shape and dtype), a name of underscores only (`_`, `__`, `*_`) to None.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, TypeAlias, cast

from functrans.core.aval import ShapedArray
from functrans.core.primitive import (
    LocallyConstant,
    Maybes,
    NotDifferentiable,
    Params,
    Primitive,
    Pullback,
    Values,
    VjpRule,
    aval_of,
)
from functrans.typing import Array

__all__ = ["LocalRule", "NotRule", "by_argument", "linear"]

LocalRule: TypeAlias = Callable[..., Array | None]
"""`(g, out, *primals, **params) -> g × ∂out/∂x`, or None for zero: serves as JVP (g a tangent) and, being diagonal, as
VJP (g a cotangent)."""

NotRule: TypeAlias = LocallyConstant | NotDifferentiable


@cache
def _kept(rule: LocalRule, count: int) -> tuple[str, ...]:
    """How the rule wants (out, *primals): each "value", "aval" or "nothing", by the names of its parameters."""
    code = rule.__code__
    names = code.co_varnames[1 : code.co_argcount]
    if len(names) < count:  # a trailing *primals stands for all the rest
        names += (code.co_varnames[code.co_argcount + code.co_kwonlyargcount],) * (count - len(names))
    return tuple("value" if name[0] != "_" else "aval" if name.strip("_") else "nothing" for name in names[:count])


@cache
def _union_kept(rules: tuple[LocalRule | None, ...], count: int) -> tuple[str, ...]:
    kept = [_kept(rule, count) for rule in rules if rule is not None]
    return tuple(max(wants, key=("nothing", "aval", "value").index) for wants in zip(*kept, strict=True))


def _keep(values: Sequence[Array], kept: tuple[str, ...]) -> list[Any]:  # Any: a value, its aval, or None
    return [
        value if want == "value" else aval_of(value) if want == "aval" else None
        for value, want in zip(values, kept, strict=True)
    ]


def by_argument(prim: Callable[[], Primitive], *rules: LocalRule | None) -> VjpRule:
    """The VJP rule of a primitive with one result, from a rule `(g, out, *primals, **params) -> cotangent` per operand.

    None in place of a rule marks an operand that has no cotangent (an index, a predicate).
    """

    def vjp(primals: Values, wanted: tuple[bool, ...], params: Params) -> tuple[Values, Pullback]:
        outs = prim().bind(*primals, **params)
        active = tuple(rule if want else None for rule, want in zip(rules, wanted, strict=True))
        if not any(active):
            return outs, lambda cts: (None,) * len(active)
        saved = _keep((*outs, *primals), _union_kept(active, len(primals) + 1))

        def pullback(cts: Maybes) -> Maybes:
            return tuple(None if rule is None else rule(cts[0], *saved, **params) for rule in active)

        return outs, pullback

    return vjp


def linear(
    name: str,
    impl: Callable[..., Array],
    shape: Callable[..., ShapedArray],
    transpose: Callable[..., Array],
    batch: Callable[..., Array],
) -> Primitive:
    """A primitive that is linear in its only operand, whose derivative is therefore itself.

    impl: `(x, **params) -> out`. shape: `(aval, **params) -> out aval`, which also raises for operands that do not fit.
    transpose: `(g, aval of x, **params) -> cotangent of x`. batch: `(size, x, **params) -> out`, both with the batch
    axis first.
    """

    def vjp(primals: Values, _wanted: tuple[bool, ...], params: Params) -> tuple[Values, Pullback]:
        aval = aval_of(primals[0])
        return prim.bind(*primals, **params), lambda cts: (transpose(cts[0], aval, **params),)

    def jvp(primals: Values, tangents: Maybes, params: Params) -> tuple[Values, Maybes]:
        return prim.bind(*primals, **params), prim.bind(*cast(Values, tangents), **params)

    prim = Primitive(
        name,
        lambda x, **params: (impl(x, **params),),
        lambda aval, **params: (shape(aval, **params),),
        vjp,
        jvp,
        lambda size, args, _batched, params: ((batch(size, args[0], **params),), (True,)),
    )
    return prim
