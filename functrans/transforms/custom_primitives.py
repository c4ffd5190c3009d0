"""The primitives behind functions with derivative rules of their own.

One rule is enough for both modes and for vmap: a JVP rule is linear in the tangents, so reverse mode pulls back through it; a
backward rule is linear in the cotangents, so forward mode pulls back through that. Both become primitives that carry flat
Python functions; where one is staged, the function itself becomes a jaxpr. The public decorators are in `custom.py`. Start
reading at `_vjp_rule`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import cast

from functrans.core.aval import is_inexact
from functrans.core.ir import Jaxpr, eval_jaxpr
from functrans.core.primitive import Maybes, NamedAxis, Params, Primitive, Pullback, Values, aval_of, unnamed
from functrans.errors import CustomClosureError
from functrans.numpy.versions import argument
from functrans.ops.broadcast import broadcast_batch, reduce_sum
from functrans.transforms.vjp import cotangent, instantiate, pull_back, record
from functrans.transforms.vmap import run_batched
from functrans.typing import Array

__all__ = ["JvpFunction", "custom_jvp_p", "custom_vjp_p"]

Flat = Callable[..., Sequence[Array]]
"""A function from flat values to flat values."""


def _run(fun: Flat | Jaxpr, args: Sequence[Array]) -> Values:
    return eval_jaxpr(fun, *args) if isinstance(fun, Jaxpr) else tuple(fun(*map(argument, args)))


def _refuse_closed_over(kind: str, outer: int, differentiated: Sequence[bool], primals: Values) -> None:
    if any(differentiated[:outer]):
        number = list(differentiated).index(True)
        raise CustomClosureError(f"a {kind} function", f"a value of type {aval_of(primals[number])}")


def _batched(axis: NamedAxis, batched: Sequence[bool], fun: Flat | Jaxpr) -> Flat:
    """The function over whole batches; every result carries the batch axis."""

    def whole(*args: Array) -> list[Array]:
        outs, outs_batched, _ = run_batched(
            lambda *tracers: list(_run(fun, tracers)), args, batched, axis.size, axis.name
        )
        return [out if has else broadcast_batch(axis.size, out) for out, has in zip(outs, outs_batched, strict=True)]

    return whole


# ---- custom_vjp: the primitive ----
#
# fun: the function, flat. fwd: flat primals -> (flat outs, flat residuals). bwd: (flat residuals, cotangents of the outs)
# -> cotangents of the primals. rule: as of custom_jvp, for forward mode; None: it is made of the others. The first `outer`
# operands are tracers that fun closes over: they have no cotangent.

Fwd = Callable[..., tuple[Values, Values]]
Bwd = Callable[[Values, Maybes], Maybes]


def _vjp_rule(primals: Values, wanted: tuple[bool, ...], params: Params) -> tuple[Values, Pullback]:
    outer, bwd = params["outer"], params["bwd"]
    _refuse_closed_over("custom_vjp", outer, wanted, primals)
    outs, residuals = params["fwd"](*map(argument, primals[outer:]))

    def pullback(cts: Maybes) -> Maybes:
        return (*(None,) * outer, *bwd(residuals, cts))

    return outs, pullback


def _vjp_as_jvp(primals: Values, tangents: Maybes, params: Params) -> tuple[Values, Maybes]:
    outer, bwd = params["outer"], params["bwd"]
    if params["rule"] is not None:
        return _jvp_rule(primals, tangents, params)
    _refuse_closed_over("custom_vjp", outer, [t is not None for t in tangents], primals)
    outs, residuals = params["fwd"](*map(argument, primals[outer:]))
    avals = [aval_of(out) for out in outs]
    smooth = [i for i, aval in enumerate(avals) if is_inexact(aval.dtype)]

    def transposed(*cts: Array) -> list[Array | None]:
        full: list[Array | None] = [None] * len(outs)
        for i, ct in zip(smooth, cts, strict=True):
            full[i] = ct
        return list(bwd(residuals, tuple(full)))

    recorded = record(
        lambda *cts: [instantiate(ct, aval_of(x)) for ct, x in zip(transposed(*cts), primals[outer:], strict=True)],
        [instantiate(None, avals[i]) for i in smooth],
        False,
        "custom_vjp",
    )
    found = iter(pull_back(recorded, tangents[outer:], len(smooth), consume=True))
    return outs, tuple(next(found) if i in smooth else None for i in range(len(outs)))


def _vjp_batch(
    axis: NamedAxis, args: Values, batched: tuple[bool, ...], params: Params
) -> tuple[Values, tuple[bool, ...]]:
    outer, fwd, bwd, rule = params["outer"], params["fwd"], params["bwd"], params["rule"]
    counts: list[int] = []

    def both(*primals: Array) -> list[Array]:
        outs, residuals = fwd(*primals)
        counts.append(len(outs))
        return [*outs, *residuals]

    def whole_fwd(*primals: Array) -> tuple[Values, Values]:
        results = _batched(axis, batched[outer:], both)(*primals)
        return tuple(results[: counts[-1]]), tuple(results[counts[-1] :])

    def whole_bwd(residuals: Values, cts: Maybes) -> Maybes:
        live = [ct for ct in cts if ct is not None]
        present: list[bool] = []

        def one(*values: Array) -> list[Array]:
            rest = iter(values[len(residuals) :])
            grads = bwd(values[: len(residuals)], tuple(None if ct is None else next(rest) for ct in cts))
            present.extend(grad is not None for grad in grads)
            return [grad for grad in grads if grad is not None]

        every = [True] * (len(residuals) + len(live))
        found = iter(_batched(axis, every, one)(*residuals, *live))
        grads = [next(found) if has else None for has in present]
        return tuple(
            grad if grad is None or is_batched else reduce_sum(grad, (0,))
            for grad, is_batched in zip(grads, batched[outer:], strict=True)
        )

    whole = _batched(axis, batched, params["fun"])
    whole_rule = None if rule is None else _batched_rule(axis, batched[outer:], rule)
    outs = custom_vjp_p.bind(*args, fun=whole, fwd=whole_fwd, bwd=whole_bwd, rule=whole_rule, outer=outer)
    return outs, (True,) * len(outs)


custom_vjp_p = Primitive(
    "custom_vjp",
    lambda *args, fun, fwd, bwd, rule, outer: _run(fun, args),
    lambda *_avals, fun, fwd, bwd, rule, outer: fun.out_avals,
    _vjp_rule,
    _vjp_as_jvp,
    unnamed(_vjp_batch),
    _vjp_batch,
    carries="fun",
)


# ---- custom_jvp: the primitive ----
#
# fun as above; rule: (flat primals, flat tangents, none of them None) -> (outs, tangents of the outs).

JvpFunction = Callable[[Values, Values], tuple[Values, Maybes]]


def _jvp_rule(primals: Values, tangents: Maybes, params: Params) -> tuple[Values, Maybes]:
    outer = params["outer"]
    _refuse_closed_over("custom_jvp", outer, [t is not None for t in tangents], primals)
    given = tuple(map(_tangent, tangents[outer:], primals[outer:]))
    return cast(tuple[Values, Maybes], params["rule"](primals[outer:], given))


def _tangent(tangent: Array | None, primal: Array) -> Array:
    return cotangent(tangent, aval_of(primal))


def _jvp_as_vjp(primals: Values, wanted: tuple[bool, ...], params: Params) -> tuple[Values, Pullback]:
    outer, rule = params["outer"], params["rule"]
    _refuse_closed_over("custom_jvp", outer, wanted, primals)
    inner = primals[outer:]
    tracked = [i for i, want in enumerate(wanted[outer:]) if want]
    kept: list[Values] = []

    def tangents_of(*tangents: Array) -> list[Array | None]:
        full = [_tangent(None, primal) for primal in inner]
        for i, tangent in zip(tracked, tangents, strict=True):
            full[i] = tangent
        outs, out_tangents = rule(inner, tuple(full))
        kept.append(outs)
        return [_tangent(tangent, out) for tangent, out in zip(out_tangents, outs, strict=True)]

    recorded = record(tangents_of, [instantiate(None, aval_of(inner[i])) for i in tracked], False, "custom_jvp")

    def pullback(cts: Maybes) -> Maybes:
        found = dict(zip(tracked, pull_back(recorded, cts, len(tracked), consume=False), strict=True))
        return tuple(found.get(i - outer) for i in range(len(primals)))

    return kept[0], pullback


def _batched_rule(axis: NamedAxis, batched: Sequence[bool], rule: JvpFunction) -> JvpFunction:
    """A rule over whole batches of primals, where these are batched, and of tangents."""

    def both(*values: Array) -> list[Array]:
        half = len(values) // 2
        outs, out_tangents = rule(values[:half], values[half:])
        return [*outs, *map(_tangent, out_tangents, outs)]

    def whole_rule(primals: Values, tangents: Values) -> tuple[Values, Maybes]:
        filled = [t if has else broadcast_batch(axis.size, t) for t, has in zip(tangents, batched, strict=True)]
        every = (*batched, *(True for _ in filled))
        results = _batched(axis, every, both)(*primals, *filled)
        half = len(results) // 2
        return tuple(results[:half]), tuple(results[half:])

    return whole_rule


def _jvp_batch(
    axis: NamedAxis, args: Values, batched: tuple[bool, ...], params: Params
) -> tuple[Values, tuple[bool, ...]]:
    outer, whole = params["outer"], _batched(axis, batched, params["fun"])
    whole_rule = _batched_rule(axis, batched[outer:], params["rule"])
    outs = custom_jvp_p.bind(*args, fun=whole, rule=whole_rule, outer=outer)
    return outs, (True,) * len(outs)


custom_jvp_p = Primitive(
    "custom_jvp",
    lambda *args, fun, rule, outer: _run(fun, args),
    lambda *_avals, fun, rule, outer: fun.out_avals,
    _jvp_as_vjp,
    _jvp_rule,
    unnamed(_jvp_batch),
    _jvp_batch,
    carries="fun",
)
