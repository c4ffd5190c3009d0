"""`custom_linear_solve`: solutions of linear equations, with derivatives that are solutions again, whatever finds them.

Of A x = b with `solve` the tangent is the solution of A dx = db - dA x, and the cotangent of b that of Aᵀ c = ct; that of what
A depends on is the pullback of -c through it. Start reading at `_jvp` and `_vjp`. Imports `tracing` and the transforms.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar, cast

from functrans import tree
from functrans.control.tracing import Traced, bind, trace
from functrans.core.aval import ShapedArray
from functrans.core.ir import Jaxpr, Var, eval_jaxpr
from functrans.core.primitive import (
    EVAL,
    Maybes,
    NamedAxis,
    Params,
    Primitive,
    Pullback,
    Values,
    aval_of,
    current_trace,
    unnamed,
)
from functrans.errors import CustomRuleError
from functrans.ops.arithmetic import neg, sub
from functrans.ops.broadcast import broadcast_batch
from functrans.transforms.arguments import check_leaves, function_name
from functrans.transforms.jaxprs import batch_jaxpr, jvp_jaxpr
from functrans.transforms.linear_transpose import linear_transpose
from functrans.transforms.vjp import instantiate, pull_back, record, zeros
from functrans.typing import Array

__all__ = ["check_like", "custom_linear_solve", "linear_solve_p", "sharing"]

T = TypeVar("T")


# ---- the primitive ----
#
# Operands: (*consts, *b). Parameters: `consts`, how many of them there are; `matvec` (*consts, *x) -> b and its transpose
# `vecmat`; `solve` (*consts, *b) -> (*x, *aux) and its transpose `transpose_solve`. The transposes are None where none was given.

_MATRICES, _SOLVERS = ("matvec", "vecmat"), ("solve", "transpose_solve")


def _split(values: Sequence[T], params: Params) -> tuple[Sequence[T], Sequence[T]]:
    return values[: params["consts"]], values[params["consts"] :]


def _solution(consts: Values, b: Values, params: Params) -> Values:
    return bind(linear_solve_p, (*consts, *b), params)[: len(b)]


def _jvp(primals: Values, tangents: Maybes, params: Params) -> tuple[Values, Maybes]:
    consts, b = _split(primals, params)
    moving, db = _split(tangents, params)
    outs = bind(linear_solve_p, primals, params)
    x = outs[: len(b)]
    pushed = jvp_jaxpr(params["matvec"], (*(t is not None for t in moving), *(False for _ in x)))
    results = eval_jaxpr(pushed.jaxpr, *consts, *x, *(t for t in moving if t is not None))
    found = iter(results[len(b) :])
    moved = [next(found) if has else None for has in pushed.nonzero]
    right = [t if m is None else neg(m) if t is None else sub(t, m) for t, m in zip(db, moved, strict=True)]
    none: Maybes = (None,) * len(outs)
    if all(t is None for t in right):
        return outs, none
    dx = _solution(tuple(consts), tuple(instantiate(t, aval_of(v)) for t, v in zip(right, b, strict=True)), params)
    return outs, (*dx, *none[len(b) :])


def _transposed(params: Params) -> Params:
    if params["transpose_solve"] is None:
        raise CustomRuleError(
            "custom_linear_solve", "reverse mode needs to solve the transposed equations", "given `transpose_solve`"
        )
    return {
        "consts": params["consts"],
        **dict(zip((*_MATRICES, *_SOLVERS), (params[n] for n in (*_MATRICES[::-1], *_SOLVERS[::-1])), strict=True)),
    }


def _vjp(primals: Values, wanted: tuple[bool, ...], params: Params) -> tuple[Values, Pullback]:
    consts, b = _split(primals, params)
    moving, _ = _split(wanted, params)
    outs = bind(linear_solve_p, primals, params)
    x = outs[: len(b)]

    def of_consts(*tracked: Array) -> list[Array]:
        rest = iter(tracked)
        merged = [next(rest) if want else const for want, const in zip(moving, consts, strict=True)]
        return list(eval_jaxpr(params["matvec"], *merged, *x))

    def pullback(cts: Maybes) -> Maybes:
        right = tuple(instantiate(ct, aval_of(v)) for ct, v in zip(cts, x, strict=False))
        ct_b = _solution(tuple(consts), right, _transposed(params))
        tracked = [const for want, const in zip(moving, consts, strict=True) if want]
        recorded = record(of_consts, tracked, False, "custom_linear_solve")
        found = iter(pull_back(recorded, ct_b, len(tracked), consume=True))
        ct_consts = ((next(found) if want else None) for want in moving)
        return (*(None if ct is None else neg(ct) for ct in ct_consts), *ct_b)

    return outs, pullback


def _batch(axis: NamedAxis, args: Values, batched: tuple[bool, ...], params: Params) -> tuple[Values, tuple[bool, ...]]:
    (consts, b), (flags, b_flags) = _split(args, params), _split(batched, params)
    every = (*flags, *(True for _ in b))

    def whole(jaxpr: Jaxpr | None) -> Jaxpr | None:
        return None if jaxpr is None else batch_jaxpr(jaxpr, axis, every, True).jaxpr

    rights = [v if has else broadcast_batch(axis.size, v) for v, has in zip(b, b_flags, strict=True)]
    jaxprs = {name: whole(params[name]) for name in (*_MATRICES, *_SOLVERS)}
    outs = bind(linear_solve_p, (*consts, *rights), {"consts": params["consts"], **jaxprs})
    return outs, (True,) * len(outs)


linear_solve_p = Primitive(
    "linear_solve",
    lambda *args, solve, **_: eval_jaxpr(solve, *args),
    lambda *_avals, solve, **_: solve.out_avals,
    _vjp,
    _jvp,
    unnamed(_batch),
    _batch,
    carries="solve",
)


# ---- the public function ----


def sharing(*functions: Traced | None) -> tuple[Values, list[Jaxpr | None]]:
    """What several functions close over, and their jaxprs with all of that as leading arguments."""
    outer = {id(value): value for one in functions if one is not None for value in one.outer}
    place = {key: i for i, key in enumerate(outer)}

    def over_all(one: Traced | None) -> Jaxpr | None:
        if one is None:
            return None
        leading = [Var(aval_of(value)) for value in outer.values()]
        for var, value in zip(one.jaxpr.invars, one.outer, strict=False):
            leading[place[id(value)]] = var
        own = one.jaxpr.invars[len(one.outer) :]
        return Jaxpr((*leading, *own), one.jaxpr.outvars, one.jaxpr.eqns)

    return tuple(outer.values()), list(map(over_all, functions))


def check_like(
    caller: str,
    fun: Callable[..., Any],
    given: Traced,
    wanted: tuple[tree.TreeDef[Any], Sequence[ShapedArray]],
    what: str,
    has_aux: bool,
) -> None:
    """Raise where a function that `caller` was given does not return a tree like its argument `what` (and aux, with has_aux)."""
    found = tree.unflatten(given.out_tree, [aval.update(weak=False) for aval in given.jaxpr.out_avals])
    is_pair = isinstance(found, tuple) and len(found) == 2
    leaves, structure = tree.flatten(found[0] if has_aux and is_pair else found)
    if (has_aux and not is_pair) or structure != wanted[0] or leaves != [*wanted[1]]:
        like = tree.unflatten(wanted[0], [*map(str, wanted[1])])
        got = tree.map(str, found)
        raise CustomRuleError(
            caller, f"`{function_name(fun)}` gives {got}", f"{(like, 'aux') if has_aux else like}, as {what}"
        )


def custom_linear_solve(
    matvec: Callable[[T], T],
    b: T,
    solve: Callable[[Callable[[T], T], T], Any],
    transpose_solve: Callable[[Callable[[T], T], T], Any] | None = None,
    symmetric: bool = False,
    has_aux: bool = False,
) -> Any:
    """The solution x of `matvec(x) = b` that `solve(matvec, b)` finds, with derivatives that do not look into `solve`.

    matvec: a linear function of trees like b, which may close over values that are differentiated. transpose_solve: solves
    `vecmat(x) = b`, vecmat being the transpose of matvec; reverse mode needs it, but where `symmetric` says that both are the
    same. has_aux: the solvers give `(x, aux)`, and so does this; aux has no derivative.

    Raises CustomRuleError for functions that do not give trees like b, and in reverse mode without `transpose_solve`.

    >>> import numpy as np
    >>> from functrans.transforms.grad import grad
    >>> def half(d):
    ...     return custom_linear_solve(lambda x: d * x, np.ones(2), lambda matvec, b: b / d, symmetric=True)
    >>> half(np.array([2.0, 4.0]))
    array([0.5 , 0.25])
    >>> grad(lambda d: np.sum(half(d)))(np.array([2.0, 4.0]))
    array([-0.25  , -0.0625])
    """
    if current_trace() is EVAL:
        return solve(matvec, b)
    flat, b_tree = tree.flatten(b)
    leaves = check_leaves(flat, "custom_linear_solve", lambda: tree.paths(b_tree, "b"))
    avals = [aval_of(leaf).update(weak=False) for leaf in leaves]
    arguments = tree.structure((b,))

    def transposed(ct: T) -> T:
        (out,) = linear_transpose(matvec, tree.unflatten(b_tree, map(zeros, avals)))(ct)
        return cast(T, out)

    def solving(fun: Callable[..., Any], of: Callable[[T], T]) -> Traced:
        return trace(fun, arguments, avals, lambda right: fun(of, right))

    if symmetric:
        transpose_solve = solve
    product, solution = trace(matvec, arguments, avals), solving(solve, matvec)
    backwards = None
    if transpose_solve is not None:
        backwards = solving(transpose_solve, matvec if symmetric else transposed)
    across = None if backwards is None else product if symmetric else trace(transposed, arguments, avals)
    for fun, given in ((matvec, product), (solve, solution), (transpose_solve, backwards)):
        if given is not None:
            check_like(
                "custom_linear_solve", cast(Any, fun), given, (b_tree, avals), "b", has_aux and fun is not matvec
            )
    consts, jaxprs = sharing(product, across, solution, backwards)
    params = {"consts": len(consts), **dict(zip((*_MATRICES, *_SOLVERS), jaxprs, strict=True))}
    outs = bind(linear_solve_p, (*consts, *leaves), params)
    return tree.unflatten(solution.out_tree, outs)
