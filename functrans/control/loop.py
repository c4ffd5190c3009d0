"""`while_loop` and `fori_loop`. Imports `carry`, `scan`, `while_primitive`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numpy as np

from functrans import tree
from functrans.control.carry import Step, settle
from functrans.control.scan import run_steps
from functrans.control.tracing import bind, trace
from functrans.control.while_primitive import while_p
from functrans.core.aval import ShapedArray
from functrans.core.primitive import Values, aval_of, is_concrete
from functrans.disable import DISABLED
from functrans.errors import ParameterError, PredicateError
from functrans.ops.cast import convert_element_type
from functrans.transforms.arguments import check_leaves, function_name
from functrans.typing import Array, ArrayLike

__all__ = ["fori_loop", "while_loop"]

T = TypeVar("T", bound=Any)


def while_loop(
    cond_fun: Callable[[T], ArrayLike], body_fun: Callable[[T], T], init_val: T, *, checkpoint: int | None = None
) -> T:
    """`val = body_fun(val)` from `init_val` on, as long as `cond_fun(val)`; the last val.

    init_val: a tree of arrays; `body_fun` gives one of the same structure, shapes and dtypes. A Python number in it takes
    the type that `body_fun` gives it. cond_fun: gives a bool scalar. Reverse mode keeps
    what every step's backward pass needs, in memory that grows with the steps. checkpoint: how many vals it may keep at a
    time instead; the others are computed again, each at most r times where the loop makes at most C(checkpoint + r, r)
    steps. Raises MemoryError where there is none left, CarryTypeError and TreeMismatchError
    for a val that changes, PredicateError.

    >>> import numpy as np
    >>> while_loop(lambda x: x < 100, lambda x: 3 * x, 1)
    243
    """
    if DISABLED.get():
        return _as_python(cond_fun, body_fun, init_val)
    flat, carry_tree = tree.flatten((init_val,))
    leaves = check_leaves(flat, "while_loop", lambda: tree.paths(tree.structure(init_val), "init_val"))
    step = Step("while_loop", body_fun, lambda val: ((body_fun(val),), None), carry_tree)
    outs = _loop(step, cond_fun, leaves, [aval_of(leaf) for leaf in leaves], checkpoint)
    return tree.unflatten(carry_tree, outs)[0]


def _loop(
    step: Step, cond_fun: Callable[..., Any], leaves: list[Array], types: list[ShapedArray], checkpoint: int | None
) -> Values:
    if checkpoint is not None and checkpoint < 1:
        raise ParameterError(step.loop, f"checkpoint={checkpoint}", "at least one val to keep")
    body, start = settle(step, leaves, types, [])
    asked = trace(cond_fun, step.carry_tree, body.jaxpr.out_avals)
    results = asked.jaxpr.out_avals
    if len(results) != 1 or results[0].shape or results[0].dtype != np.bool_:
        raise PredicateError(
            f"What `{function_name(cond_fun)}`, the condition of {step.loop}, returns",
            " and ".join(map(str, results)) or "nothing",
            "one bool scalar",
            "Write a comparison, as in `val != 0`, or np.any(…) or np.all(…).",
        )
    params = {
        "cond_jaxpr": asked.jaxpr,
        "body_jaxpr": body.jaxpr,
        "cond_consts": len(asked.outer),
        "body_consts": len(body.outer),
        **({} if checkpoint is None else {"checkpoint": checkpoint}),
    }
    return bind(while_p, [*asked.outer, *body.outer, *start], params)


def _as_python(cond_fun: Callable[[T], ArrayLike], body_fun: Callable[[T], T], val: T) -> T:
    while cond_fun(val):
        val = body_fun(val)
    return val


def fori_loop(
    lower: ArrayLike,
    upper: ArrayLike,
    body_fun: Callable[[Any, T], T],
    init_val: T,
    *,
    unroll: int | bool | None = None,
    checkpoint: int | None = None,
) -> T:
    """`val = body_fun(i, val)` for each i from `lower` to `upper - 1`, from `init_val` on; the last val.

    lower, upper: integer scalars; traced ones are fine. i is a Python int, as those of `range` are. init_val: a tree of
    arrays; `body_fun` gives one of the same structure, shapes and dtypes. unroll: as in `scan`, where the bounds are known.
    checkpoint: how many vals reverse mode may keep at a time, as in `while_loop`. Raises CarryTypeError and
    TreeMismatchError for a val that changes.

    >>> import numpy as np
    >>> fori_loop(1, 5, lambda i, x: i * x, 1)
    24
    """
    first, last = (_bound(name, bound) for name, bound in (("lower", lower), ("upper", upper)))
    known = is_concrete(first) and is_concrete(last)
    if DISABLED.get() and known:
        for i in range(int(first), int(last)):
            init_val = body_fun(i, init_val)
        return init_val
    flat, val_tree = tree.flatten(init_val)
    leaves = check_leaves(flat, "fori_loop", lambda: tree.paths(val_tree, "init_val"))
    step = Step("fori_loop", body_fun, lambda i, val: ((i + 1, body_fun(i, val)), None), tree.structure((0, init_val)))
    carry, types = [first, *leaves], [_INT, *map(aval_of, leaves)]
    if known and checkpoint is None:
        outs, _ = run_steps(step, carry, types, [], max(int(last) - int(first), 0), unroll=unroll or 1)
    else:
        outs = _loop(step, lambda i, _val: i < last, carry, types, checkpoint)
    return cast(T, tree.unflatten(step.carry_tree, outs)[1])


_INT = aval_of(cast(Array, 0))


def _bound(name: str, bound: ArrayLike) -> Array:
    (bound,) = check_leaves([bound], "fori_loop", lambda: [name])
    aval = aval_of(bound)
    if aval.shape or aval.dtype.kind not in "iu":
        raise PredicateError(
            f"`{name}` of fori_loop", str(aval), "an integer scalar", "Write int(…), or `.astype(int)`."
        )
    return cast(Array, int(bound)) if is_concrete(bound) else convert_element_type(bound, np.int64, True)
