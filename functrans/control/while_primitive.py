"""`while_p`: a jaxpr applied to a carry again and again, as long as another one says.

Operands: `(*cond_consts, *body_consts, *carry)`. Results: the carry. Parameters: `cond_jaxpr`, from `(*cond_consts, *carry)` to
one bool scalar; `body_jaxpr`, from `(*body_consts, *carry)` to the carry; the numbers `cond_consts` and `body_consts`; and
`checkpoint`, where the user says how many states the loop that goes back may keep. Start reading at `_jvp`. Imports the
transforms of jaxprs, `lanes`, `masked`, `while_reverse` and `while_checkpoint`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

from functrans.control import while_checkpoint, while_reverse
from functrans.control.counted import ignoring
from functrans.control.derived import batched_as, merged, pushed, settled, spread, strong_aval, tangent_avals
from functrans.control.lanes import over_lanes
from functrans.control.masked import in_step, names_axis
from functrans.control.scan_reverse import Wanted
from functrans.control.tracing import bind, check_operands, program
from functrans.core.aval import ShapedArray, shaped
from functrans.core.dce import needed_inputs, restricted
from functrans.core.ir import Jaxpr, eval_jaxpr, memoized
from functrans.core.lowering_control import While, lower_to
from functrans.core.primitive import (
    Maybes,
    NamedAxis,
    Params,
    Primitive,
    Pruned,
    Pullback,
    Values,
    aval_of,
    strong,
    unnamed,
)
from functrans.transforms.jaxprs import batch_jaxpr, jvp_jaxpr
from functrans.transforms.stage import stage
from functrans.transforms.vjp import instantiate
from functrans.typing import Array

__all__ = ["split_operands", "while_p"]

T = TypeVar("T")

_BOOL = shaped((), np.dtype(np.bool_))


def split_operands(values: Sequence[T], params: Params) -> tuple[Sequence[T], Sequence[T], Sequence[T]]:
    """What cond_jaxpr and what body_jaxpr are given besides the carry, and the carry; also of what belongs to them."""
    first, second = params["cond_consts"], params["cond_consts"] + params["body_consts"]
    return values[:first], values[first:second], values[second:]


def _run(*args: Array, cond_jaxpr: Jaxpr, body_jaxpr: Jaxpr, cond_consts: int, body_consts: int, **_: object) -> Values:
    goes_on, step = program(cond_jaxpr), program(body_jaxpr)
    asked, fixed, state = split_operands(args, {"cond_consts": cond_consts, "body_consts": body_consts})
    state = tuple(map(strong, state))
    while goes_on(*asked, *state)[0]:
        state = step(*fixed, *state)
    return tuple(state)


def _abstract_eval(
    *avals: ShapedArray, cond_jaxpr: Jaxpr, body_jaxpr: Jaxpr, cond_consts: int, body_consts: int, **_: object
) -> tuple[ShapedArray, ...]:
    asked, fixed, carry = split_operands(avals, {"cond_consts": cond_consts, "body_consts": body_consts})
    check_operands("while", (*asked, *carry), cond_jaxpr.in_avals)
    check_operands("while", (*fixed, *carry), body_jaxpr.in_avals)
    check_operands("the condition of while", cond_jaxpr.out_avals, (_BOOL,))
    check_operands("the carry of while", body_jaxpr.out_avals, carry)
    return body_jaxpr.out_avals


def _captures(params: Params) -> tuple[Params, tuple[tuple[int, Values], ...]]:
    cond, body = params["cond_jaxpr"], params["body_jaxpr"]
    closed = {
        "cond_jaxpr": cond.with_consts_as_inputs(),
        "body_jaxpr": body.with_consts_as_inputs(),
        "cond_consts": params["cond_consts"] + len(cond.consts),
        "body_consts": params["body_consts"] + len(body.consts),
    }
    return {**params, **closed}, ((0, cond.consts), (params["cond_consts"], body.consts))


def _prune(params: Params, used: tuple[bool, ...]) -> Pruned:
    """What is carried stays where the condition or a result that is used needs it, after any number of steps."""
    cond, body = params["cond_jaxpr"], params["body_jaxpr"]
    asked, fixed = params["cond_consts"], params["body_consts"]
    conditions = needed_inputs(cond, (True,))
    live = tuple(map(max, used, conditions[asked:]))
    live = settled(live, lambda flags: needed_inputs(body, flags)[fixed:])
    read = needed_inputs(body, live)
    operands = (*conditions[:asked], *read[:fixed], *live)
    new_cond = restricted(cond, (*conditions[:asked], *live), (True,))
    new_body = restricted(body, (*read[:fixed], *live), live)
    if new_cond is cond and new_body is body:
        return Pruned(params, operands, live)
    left = {
        "cond_jaxpr": new_cond,
        "body_jaxpr": new_body,
        "cond_consts": sum(conditions[:asked]),
        "body_consts": sum(read[:fixed]),
    }
    return Pruned({**params, **left}, operands, live)


def _jvp(primals: Values, tangents: Maybes, params: Params) -> tuple[Values, Maybes]:
    asked, fixed, carry = split_operands(primals, params)
    _, fixed_tangents, carry_tangents = split_operands(tangents, params)
    consts = tuple(t is not None for t in fixed_tangents)
    flags = tuple(t is not None for t in carry_tangents)
    body, flags = _with_tangents(params["body_jaxpr"], consts, flags)
    moving = zip(carry_tangents, carry, flags, strict=True)
    carried = [instantiate(t, strong_aval(aval_of(x))) for t, x, has in moving if has]
    given = [t for t in fixed_tangents if t is not None]
    moved = tuple(tangent_avals([aval_of(x) for x in carry], flags))
    both = {
        **params,
        "cond_jaxpr": ignoring(params["cond_jaxpr"], len(asked) + len(carry), moved),
        "body_jaxpr": body,
        "cond_consts": len(asked),
        "body_consts": len(fixed) + len(given),
    }
    results = bind(while_p, [*asked, *fixed, *given, *carry, *carried], both)
    return results[: len(carry)], merged(results[len(carry) :], flags)


@memoized
def _with_tangents(jaxpr: Jaxpr, consts: tuple[bool, ...], carry: tuple[bool, ...]) -> tuple[Jaxpr, tuple[bool, ...]]:
    """`(consts, consts', carry, carry') -> (carry, carry')`, and which of the carry have tangents."""
    carry = settled(carry, lambda flags: jvp_jaxpr(jaxpr, (*consts, *flags)).nonzero)
    both = pushed(jaxpr, (*consts, *carry), carry)
    first, given = len(consts), sum(consts)
    fixed, moving = jaxpr.in_avals[:first], jaxpr.in_avals[first:]

    def run(*args: Array) -> Sequence[Array]:
        head, tail = args[: first + given], args[first + given :]
        return eval_jaxpr(both, *head[:first], *tail[: len(carry)], *head[first:], *tail[len(carry) :])

    avals = [*fixed, *tangent_avals(fixed, consts), *moving, *tangent_avals(moving, carry)]
    return stage(run, avals), carry


def _vjp(primals: Values, wanted: tuple[bool, ...], params: Params) -> tuple[Values, Pullback]:
    _, consts, carry = (tuple(group) for group in split_operands(wanted, params))
    groups, which = split_operands(primals, params), Wanted(consts, carry, (), again=False, apart=False)
    if params.get("checkpoint") is None:
        return while_reverse.reverse(while_p, groups, which, params)
    return while_checkpoint.reverse(while_p, groups, which, params)


def _batch(axis: NamedAxis, args: Values, batched: tuple[bool, ...], params: Params) -> tuple[Values, tuple[bool, ...]]:
    asked, fixed, given = (tuple(group) for group in split_operands(batched, params))
    cond, body = params["cond_jaxpr"], params["body_jaxpr"]
    flags = settled(given, lambda flags: batch_jaxpr(body, axis, (*fixed, *flags)).batched)
    differs = batch_jaxpr(cond, axis, (*asked, *flags)).batched[0]
    together = names_axis(cond, axis.name) or names_axis(body, axis.name)
    if differs and not together:
        return over_lanes(while_p, axis.size, args, batched, params)
    cond_values, fixed_values, carry = split_operands(args, params)
    if differs:
        flags = (True,) * len(flags)
        whole = in_step(axis, params, asked, fixed)
        fixed_values = (*cond_values, *fixed_values)
    else:
        whole = {
            **params,
            "cond_jaxpr": batch_jaxpr(cond, axis, (*asked, *flags)).jaxpr,
            "body_jaxpr": batched_as(body, axis, (*fixed, *flags), flags),
        }
    return bind(while_p, [*cond_values, *fixed_values, *spread(axis.size, carry, given, flags)], whole), flags


while_p = Primitive(
    "while",
    _run,
    _abstract_eval,
    _vjp,
    _jvp,
    unnamed(_batch),
    _batch,
    captures=_captures,
    prune=_prune,
    lower=lower_to(While),
)
