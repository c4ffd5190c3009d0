"""`checkpoint`, which computes in the backward pass again what the forward pass has not saved; JAX's name and signature.

What is saved is told by a policy (`checkpoint_policies.py`) and chosen in `partition.py`. Start reading at `checkpoint`, then
`_vjp`. Imports the transforms of jaxprs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial, wraps
from typing import Any, ParamSpec, TypeVar, cast

from functrans import tree
from functrans.core.ir import Jaxpr, eval_jaxpr
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
from functrans.errors import ArgnumsError
from functrans.ops.barrier import optimization_barrier_p
from functrans.transforms.arguments import argument_paths, check_leaves, check_results, function_name
from functrans.transforms.checkpoint_policies import nothing_saveable
from functrans.transforms.jaxprs import call_batched, call_jvp, call_vjp, vjp_jaxpr
from functrans.transforms.partition import Policy
from functrans.transforms.stage import stage_closed
from functrans.typing import Array

__all__ = ["checkpoint", "checkpoint_p"]

P = ParamSpec("P")
R = TypeVar("R")


# ---- the primitive ----


def _bind(params: Params, args: Values, jaxpr: Jaxpr) -> Values:
    return checkpoint_p.bind(*args, **{**params, "jaxpr": jaxpr})


def _bind_backward(params: Params, args: Values, jaxpr: Jaxpr) -> Values:
    """Behind a barrier: a compiler would else find the forward pass's values again, or compute them long before."""
    if params["prevent_cse"] and args:
        read = {atom for eqn in jaxpr.eqns for atom in eqn.invars} | {*jaxpr.outvars}
        barred = [i for i, var in enumerate(jaxpr.invars) if var in read]
        found = dict(zip(barred, optimization_barrier_p.bind(*(args[i] for i in barred)), strict=True))
        args = tuple(found.get(i, arg) for i, arg in enumerate(args))
    return _bind(params, args, jaxpr)


def _vjp(primals: Values, wanted: tuple[bool, ...], params: Params) -> tuple[Values, Pullback]:
    split = vjp_jaxpr(params["jaxpr"], wanted, params["policy"])
    return call_vjp(primals, split, partial(_bind, params), partial(_bind_backward, params))


def _jvp(primals: Values, tangents: Maybes, params: Params) -> tuple[Values, Maybes]:
    return call_jvp(primals, tangents, params["jaxpr"], partial(_bind, params))


def _batch(axis: NamedAxis, args: Values, batched: tuple[bool, ...], params: Params) -> tuple[Values, tuple[bool, ...]]:
    return call_batched(axis, args, batched, params["jaxpr"], partial(_bind, params))


checkpoint_p = Primitive(
    "checkpoint",
    lambda *args, jaxpr, **_: eval_jaxpr(jaxpr, *args),
    lambda *_avals, jaxpr, **_: jaxpr.out_avals,
    _vjp,
    _jvp,
    unnamed(_batch),
    _batch,
    carries="jaxpr",
)


# ---- the public functions ----


def checkpoint(
    fun: Callable[P, R],
    *,
    prevent_cse: bool = True,
    policy: Policy | None = None,
    static_argnums: int | Sequence[int] = (),
) -> Callable[P, R]:
    """The same function, of which reverse mode saves little more than the arguments: it computes the rest again.

    policy: what may be saved besides; one of `checkpoint_policies`, or a function `(primitive, *types of the operands,
    **params) -> bool`. None: nothing. prevent_cse: compiled, what is computed again is kept apart from the forward pass;
    False where something else does that. static_argnums: positional arguments that are no arrays, or whose values Python
    code in the function needs. Other arguments are traced wherever anything is: Python cannot branch on them there.

    Raises ArgnumsError for static_argnums beyond the arguments.

    >>> import numpy as np
    >>> from functrans.transforms.grad import grad
    >>> block = checkpoint(lambda x: np.sin(np.sin(np.sin(x))))
    >>> grad(lambda x: np.sum(block(x)))(np.array([0.0, 1.0]))
    array([1.        , 0.26450827])
    """
    static = (static_argnums,) if isinstance(static_argnums, int) else tuple(static_argnums)
    params = {"policy": nothing_saveable if policy is None else policy, "prevent_cse": prevent_cse}

    @wraps(fun)
    def checkpointed(*args: P.args, **kwargs: P.kwargs) -> R:
        fixed = _static(fun, static, len(args))
        if current_trace() is EVAL:
            return fun(*args, **kwargs)
        return cast(R, _traced(fun, args, kwargs, fixed, params))

    return checkpointed


def _static(fun: Callable[..., Any], static: tuple[int, ...], count: int) -> set[int]:
    if any(not -count <= i < count for i in static):
        raise ArgnumsError("checkpoint", function_name(fun), static, count)
    return {i % count for i in static}


def _traced(
    fun: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], static: set[int], params: Params
) -> Any:  # Any: the user's trees
    """The function's result, by the primitive."""
    dynamic = [i for i in range(len(args)) if i not in static]
    flat, in_tree = tree.flatten(([args[i] for i in dynamic], kwargs))
    name = f"checkpoint({function_name(fun)})"
    leaves = check_leaves(flat, name, lambda: argument_paths(fun, args, kwargs, only=dynamic))
    found: list[tree.TreeDef[Any]] = []

    def run(*values: Array) -> list[Array]:
        given, keywords = tree.unflatten(in_tree, values)
        every = {**dict(enumerate(args)), **dict(zip(dynamic, given, strict=True))}
        outs, out_tree = tree.flatten(fun(*(every[i] for i in range(len(args))), **keywords))
        found.append(out_tree)
        return check_results(outs, name, out_tree)

    jaxpr, outer = stage_closed(run, [aval_of(leaf) for leaf in leaves])
    return tree.unflatten(found[0], checkpoint_p.bind(*outer, *leaves, jaxpr=jaxpr, **params))
