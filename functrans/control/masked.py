"""All elements of a batch at once, where some of them are not to be computed: what those give is thrown away.

That is for branches that cannot raise and cost little, and for what collectives are in, which need all elements at once. Where
neither value nor derivative may come from an element, its operands are cut off from their derivatives, so that not even 0 · ∞
comes through; but collectives bring an element's operands to others, so there they are not. Start reading at
`choose_elements`, then `in_step`. Imports the transforms of jaxprs and ops.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from functrans.control.derived import batched_as, spread
from functrans.core.aval import ShapedArray, is_inexact
from functrans.core.ir import Eqn, Jaxpr, eval_jaxpr, memoized
from functrans.core.primitive import NamedAxis, Params, Values, aval_of
from functrans.ops.broadcast import broadcast_in_dim
from functrans.ops.comparison import eq
from functrans.ops.identity import stop_gradient
from functrans.ops.reduce import reduce_or
from functrans.ops.select import select, select_n
from functrans.transforms.stage import stage
from functrans.typing import Array

__all__ = ["choose_elements", "in_step", "is_light", "names_axis"]

_MOST_BRANCHES = 8
_MOST_ELEMENTS = 64
_LIGHT = frozenset({
    "abs", "add", "and", "atan", "broadcast_in_dim", "ceil", "copysign", "cos", "eq", "erf", "floor", "ge", "gt", "is_finite",
    "is_inf", "is_nan", "le", "logistic", "lt", "max", "min", "mul", "ne", "neg", "not", "or", "reshape", "rint", "select_n",
    "sign", "sin", "slice", "square", "squeeze", "stop_gradient", "sub", "tanh", "transpose", "xor",
})  # fmt: skip
"""What neither raises nor warns, whatever numbers it is given, and whose derivatives do not either."""


@memoized
def names_axis(jaxpr: Jaxpr, name: object) -> bool:
    """Whether there is a collective over the axis of this name in it."""
    return name is not None and any(
        eqn.params.get("axis_name") == name or any(names_axis(inner, name) for inner in eqn.jaxprs)
        for eqn in jaxpr.eqns
    )


def is_light(branches: Sequence[Jaxpr]) -> bool:
    """Whether computing all these branches for all elements is cheaper than the right one for each, and as safe."""
    return len(branches) <= _MOST_BRANCHES and all(map(_is_light, branches))


@memoized
def _is_light(jaxpr: Jaxpr) -> bool:
    return not jaxpr.has_effects and all(map(_is_light_eqn, jaxpr.eqns))


def _is_light_eqn(eqn: Eqn) -> bool:
    return eqn.prim.name in _LIGHT and all(var.aval.size <= _MOST_ELEMENTS for var in eqn.outvars)


def _cut(active: Array, x: Array) -> Array:
    """The value, with a derivative for those elements alone that are active."""
    aval = aval_of(x)
    return select(_spread(active, aval), x, stop_gradient(x)) if is_inexact(aval.dtype) else x


def _spread(flags: Array, aval: ShapedArray) -> Array:
    return broadcast_in_dim(flags, aval.shape, (0,))


def choose_elements(
    axis: NamedAxis, index: Array, operands: Values, batched: tuple[bool, ...], branches: Sequence[Jaxpr]
) -> Values:
    """What the branch of its number gives for each element; every branch is computed for all."""
    cuts = not any(names_axis(branch, axis.name) for branch in branches)
    avals = [aval_of(x) for x in operands]
    full = tuple(has or is_inexact(aval.dtype) for has, aval in zip(batched, avals, strict=True))
    whole = spread(axis.size, operands, batched, full)
    cases: list[Values] = []
    with np.errstate(all="ignore"):  # an infinity may be among the elements that another branch computes
        for number, branch in enumerate(branches):
            active = eq(index, number)
            given = [_cut(active, x) if has and cuts else x for x, has in zip(whole, full, strict=True)]
            all_batched = (True,) * len(branch.outvars)
            cases.append(eval_jaxpr(batched_as(branch, axis, full, all_batched), *given))
    return tuple(select_n(_spread(index, aval_of(column[0])), *column) for column in zip(*cases, strict=True))


def in_step(axis: NamedAxis, params: Params, asked: tuple[bool, ...], fixed: tuple[bool, ...]) -> Params:
    """The parameters of one `while_p` for all elements of a batch: those that are done keep what they have.

    Its carry is batched, its operands are `(*cond_consts, *cond_consts, *body_consts, *carry)`. asked, fixed: which of the
    consts are batched.
    """
    cond, body = params["cond_jaxpr"], params["body_jaxpr"]
    carried = (True,) * len(body.outvars)
    going = batched_as(cond, axis, (*asked, *carried), (True,))
    step = batched_as(body, axis, (*fixed, *carried), carried)

    def any_goes_on(*args: Array) -> list[Array]:
        return [reduce_or(eval_jaxpr(going, *args)[0], (0,))]

    def masked(*args: Array) -> list[Array]:
        first, carry = len(asked), args[len(asked) + len(fixed) :]
        (active,) = eval_jaxpr(going, *args[:first], *carry)
        new = eval_jaxpr(step, *args[first : first + len(fixed)], *carry)
        return [select(_spread(active, aval_of(x)), x, old) for x, old in zip(new, carry, strict=True)]

    body_avals = [*going.in_avals[: len(asked)], *step.in_avals]
    return {
        **params,
        "cond_jaxpr": stage(any_goes_on, going.in_avals),
        "body_jaxpr": stage(masked, body_avals),
        "body_consts": len(asked) + len(fixed),
    }
