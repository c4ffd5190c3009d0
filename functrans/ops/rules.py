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
from operator import itemgetter
from typing import Any, TypeAlias, cast

import numpy as np

from functrans.core.aval import ShapedArray
from functrans.core.lowering import Lower
from functrans.core.primitive import (
    Impl,
    LocallyConstant,
    Maybes,
    NotDifferentiable,
    Params,
    Primitive,
    Pullback,
    Values,
    VjpRule,
    aval_of,
    current_trace,
)
from functrans.typing import Array

__all__ = ["CONCRETE", "LocalRule", "NotRule", "as_value", "by_argument", "linear", "of_one_operand", "run"]

LocalRule: TypeAlias = Callable[..., Array | None]
"""`(g, out, *primals, **params) -> g × ∂out/∂x`, or None for zero: serves as JVP (g a tangent) and, being diagonal, as
VJP (g a cotangent)."""

NotRule: TypeAlias = LocallyConstant | NotDifferentiable


def _kept(rule: LocalRule, count: int) -> tuple[str, ...]:
    """How the rule wants (out, *primals): each "value", "aval" or "nothing", by the names of its parameters."""
    code = rule.__code__
    names = code.co_varnames[1 : code.co_argcount]
    if len(names) < count:  # a trailing *primals stands for all the rest
        names += (code.co_varnames[code.co_argcount + code.co_kwonlyargcount],) * (count - len(names))
    return tuple("value" if name[0] != "_" else "aval" if name.strip("_") else "nothing" for name in names[:count])


CONCRETE: frozenset[type] = frozenset({np.ndarray, *np.sctypeDict.values()})
"""The types of arrays and NumPy scalars."""


def run(prim: Primitive, operands: Sequence[Array], params: Params) -> Values:
    """The results of a primitive. Concrete operands are evaluated at once, whatever trace is current.

    So the constants that a rule works with stay constants under a stage, and eager code asks no trace.
    """
    for operand in operands:
        if type(operand) not in CONCRETE:
            return current_trace().bind(prim, operands, params)
    return prim.impl(*operands, **params) if params else prim.impl(*operands)


_Plan: TypeAlias = tuple[tuple[LocalRule | None, ...], Callable[[Sequence[Any]], tuple[Any, ...]]]
"""The rules that are wanted, and what picks from (out, *primals, None) the values that they read."""


def _plan(rules: Sequence[LocalRule | None], wanted: tuple[bool, ...]) -> _Plan:
    active = tuple(rule if want else None for rule, want in zip(rules, wanted, strict=True))
    kept = [_kept(rule, len(rules) + 1) for rule in active if rule is not None]
    union = [max(wants, key=("nothing", "aval", "value").index) for wants in zip(*kept, strict=True)]
    if not kept:
        return active, lambda _values: ()
    pick = itemgetter(*(-1 if want == "nothing" else i for i, want in enumerate(union)))
    if "aval" not in union:
        return active, pick

    def pick_avals(values: Sequence[Any]) -> tuple[Any, ...]:  # Any: values, an aval, or None
        picked = pick(values)
        return tuple(aval_of(v) if want == "aval" else v for v, want in zip(picked, union, strict=True))

    return active, pick_avals


def by_argument(prim: Callable[[], Primitive], *rules: LocalRule | None) -> VjpRule:
    """The VJP rule of a primitive with one result, from a rule `(g, out, *primals, **params) -> cotangent` per operand.

    None in place of a rule marks an operand that has no cotangent (an index, a predicate).
    """
    plans: dict[tuple[bool, ...], _Plan] = {}
    prim = cache(prim)

    def vjp(primals: Values, wanted: tuple[bool, ...], params: Params) -> tuple[Values, Pullback]:
        outs = run(prim(), primals, params)
        plan = plans.get(wanted)
        if plan is None:
            plan = plans[wanted] = _plan(rules, wanted)
        active, pick = plan
        saved = pick((*outs, *primals, None))

        def pullback(cts: Maybes) -> Maybes:
            g = cts[0]
            found: list[Array | None] = []
            for rule in active:
                found.append(None if rule is None else rule(g, *saved, **params))
            return tuple(found)

        return outs, pullback

    return vjp


def of_one_operand(prim: Callable[[], Primitive], value: Callable[..., Any], rule: LocalRule) -> VjpRule:
    """`by_argument` for one operand and `value(x, **params)` as the result: most of what eager gradients spend is here."""
    (out_as, x_as), prim = _kept(rule, 2), cache(prim)

    def vjp(primals: Values, _wanted: tuple[bool, ...], params: Params) -> tuple[Values, Pullback]:
        (x,) = primals
        if type(x) not in CONCRETE:
            (out,) = current_trace().bind(prim(), primals, params)
        else:
            out = value(x, **params) if params else value(x)
        saved_out = out if out_as == "value" else None if out_as == "nothing" else aval_of(out)
        saved_x = x if x_as == "value" else None if x_as == "nothing" else aval_of(x)
        if params:
            return (out,), lambda cts: (rule(cts[0], saved_out, saved_x, **params),)
        return (out,), lambda cts: (rule(cts[0], saved_out, saved_x),)

    return vjp


def as_value(out: Array) -> Array:
    """An array as NumPy's functions would return it: of rank 0 a scalar."""
    return out if out.ndim else out[()]


def linear(
    name: str,
    impl: Impl,
    shape: Callable[..., ShapedArray],
    transpose: Callable[..., Array],
    batch: Callable[..., Array],
    *,
    cheap: bool = False,
    lower: Lower | None = None,
) -> Primitive:
    """A primitive that is linear in its only operand, whose derivative is therefore itself.

    impl: `(x, **params) -> (out,)`, of rank 0 a NumPy scalar (see `as_value`). shape: `(aval, **params) -> out aval`, which
    also raises for operands that do not fit. transpose: `(g, aval of x, **params) -> cotangent of x`. batch:
    `(size, x, **params) -> out`, both with the batch axis first. cheap, lower: see `Primitive`.
    """

    def vjp(primals: Values, _wanted: tuple[bool, ...], params: Params) -> tuple[Values, Pullback]:
        (x,) = primals
        aval = aval_of(x)
        outs = impl(x, **params) if type(x) in CONCRETE else current_trace().bind(prim, primals, params)
        return outs, lambda cts: (transpose(cts[0], aval, **params),)

    def jvp(primals: Values, tangents: Maybes, params: Params) -> tuple[Values, Maybes]:
        return run(prim, primals, params), run(prim, cast(Values, tangents), params)

    prim = Primitive(
        name,
        impl,
        lambda aval, **params: (shape(aval, **params),),
        vjp,
        jvp,
        lambda size, args, _batched, params: ((batch(size, args[0], **params),), (True,)),
        cheap=cheap,
        lower=lower,
    )
    return prim
