"""`cond` and `switch`: one of several functions, chosen while the program runs. Imports `tracing` and `cond_primitive`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar, cast, overload

import numpy as np

from functrans import tree
from functrans.control.cond_primitive import cond_p
from functrans.control.tracing import Traced, bind, join_all, trace, with_results
from functrans.core.ir import Jaxpr, Var
from functrans.core.primitive import aval_of, is_concrete
from functrans.errors import BranchTypeError, PredicateError
from functrans.ops.cast import convert_element_type
from functrans.ops.comparison import ne
from functrans.ops.extrema import clamp
from functrans.transforms.arguments import argument_paths, check_leaves, function_name
from functrans.transforms.signatures import R, Ts
from functrans.typing import Array, ArrayLike

__all__ = ["cond", "switch"]

X = TypeVar("X")
Y = TypeVar("Y")


_NONE: Any = object()
"""For `operand`: nothing was given."""


@overload
def cond(pred: ArrayLike, true_fun: Callable[[*Ts], R], false_fun: Callable[[*Ts], R], *operands: *Ts) -> R: ...
@overload
def cond(pred: ArrayLike, true_fun: Callable[[X], R], false_fun: Callable[[X], R], *, operand: X) -> R: ...
@overload
def cond(
    pred: ArrayLike,
    true_operand: X,
    true_fun: Callable[[X], R],
    false_operand: Y,
    false_fun: Callable[[Y], R],
    /,
) -> R: ...
def cond(  # type: ignore[misc]  # type checkers do not see that these are all parameters
    pred: ArrayLike, true_fun: Any, false_fun: Any, *operands: Any, operand: Any = _NONE
) -> Any:  # Any: the overloads say it
    """`true_fun(*operands)` if `pred`, else `false_fun(*operands)`, decided while the program runs.

    pred: a scalar. operands: trees of arrays. Where pred is traced, so are both functions, and they must give trees of one
    structure with equal shapes and dtypes; only the chosen one runs, and so neither a value nor an error nor a derivative
    comes from the other. Where pred is known, this is Python's `if`. The form
    `cond(pred, true_operand, true_fun, false_operand, false_fun)` has an operand for each; `operand=x`
    is JAX's older way to give one. Raises PredicateError, TreeMismatchError, BranchTypeError.

    >>> import numpy as np
    >>> from functrans import jit
    >>> f = jit(lambda x: cond(x > 0, np.sqrt, np.negative, x))
    >>> f(4.0), f(-4.0)
    (np.float64(2.0), np.float64(4.0))
    """
    last = operands[-1] if len(operands) == 2 else None
    if callable(false_fun) and callable(last) and not callable(true_fun):
        return _apart(pred, true_fun, false_fun, operands[0], last)
    return choose("cond", _truth(pred), (false_fun, true_fun), _given("cond", operands, operand))


def _apart(pred: ArrayLike, true_operand: Any, true_fun: Any, false_operand: Any, false_fun: Any) -> Any:
    alone = (lambda _, y: false_fun(y), lambda x, _: true_fun(x))
    return choose("cond", _truth(pred), alone, [true_operand, false_operand], (false_fun, true_fun))


def _given(name: str, operands: tuple[Any, ...], operand: Any) -> tuple[Any, ...]:
    if operand is _NONE:
        return operands
    if operands:
        raise TypeError(f"{name} was given operands, and `operand` besides")
    return (operand,)


@overload
def switch(index: ArrayLike, branches: Sequence[Callable[[*Ts], R]], *operands: *Ts) -> R: ...
@overload
def switch(index: ArrayLike, branches: Sequence[Callable[[X], R]], *, operand: X) -> R: ...
def switch(  # type: ignore[misc]  # as for cond
    index: ArrayLike, branches: Sequence[Callable[..., Any]], *operands: Any, operand: Any = _NONE
) -> Any:  # Any: the overloads say it
    """`branches[index](*operands)`, decided while the program runs; an index out of range takes the nearest branch.

    index: an integer scalar. operands: trees of arrays. Where the index is traced, so are all branches, and they must give
    trees of one structure with equal shapes and dtypes; only the chosen one runs. Raises PredicateError, TreeMismatchError,
    BranchTypeError, and ValueError where there is no branch.

    >>> import numpy as np
    >>> switch(1, [np.sin, np.cos, np.tan], np.zeros(2))
    array([1., 1.])
    """
    (index,) = check_leaves([index], "switch", lambda: ["index"])
    aval = aval_of(index)
    if aval.shape or aval.dtype.kind not in "iu":
        raise PredicateError(
            "The index of switch",
            str(aval),
            "an integer scalar",
            "Write `.astype(int)`; where each element has an index, vmap the switch.",
        )
    if not branches:
        raise ValueError("switch needs at least one branch")
    last = len(branches) - 1
    chosen = cast(Array, np.int32(min(max(int(index), 0), last)) if is_concrete(index) else _within(index, last))
    return choose("switch", chosen, tuple(branches), _given("switch", operands, operand))


def _within(index: ArrayLike, last: int) -> Array:
    return convert_element_type(clamp(0, index, last), np.int32)


def _truth(pred: ArrayLike) -> Array:
    (pred,) = check_leaves([pred], "cond", lambda: ["pred"])
    aval = aval_of(pred)
    if aval.shape:
        raise PredicateError(
            "The predicate of cond",
            str(aval),
            "a scalar",
            "Write np.where to choose elements, or np.any(…) or np.all(…).",
        )
    if is_concrete(pred):
        return cast(Array, np.int32(bool(pred)))
    return convert_element_type(pred if aval.dtype.kind == "b" else ne(pred, 0), np.int32)


def choose(
    name: str,
    index: Array,
    branches: Sequence[Callable[..., Any]],
    operands: Sequence[Any],
    named: Sequence[Callable[..., Any]] = (),
) -> Any:  # Any: what the branches give
    """What the branch of this number, which is in range, gives. named: the functions that messages are to name."""
    if is_concrete(index):
        return branches[int(index)](*operands)
    flat, in_tree = tree.flatten(tuple(operands))
    leaves = check_leaves(flat, name, lambda: argument_paths(branches[0], operands))
    avals = [aval_of(leaf) for leaf in leaves]
    named = named or branches
    traced = [trace(fun, in_tree, avals, call) for fun, call in zip(named, branches, strict=True)]
    jaxprs = _unified(name, traced, [function_name(fun) for fun in named])
    outer = [value for one in traced for value in one.outer]
    outs = bind(cond_p, (index, *outer, *leaves), {"branches": jaxprs})
    return tree.unflatten(traced[0].out_tree, outs)


def _unified(name: str, traced: Sequence[Traced], names: Sequence[str]) -> tuple[Jaxpr, ...]:
    """The branches, each over what any of them closes over, with results of equal types."""
    first = traced[0].out_tree
    for one, branch in zip(traced, names, strict=True):
        tree.check_same_structure(first, one.out_tree, f"the value of {names[0]}", f"the value of {branch}")
    columns = list(zip(*(one.jaxpr.out_avals for one in traced), strict=True))
    joined = [join_all(column) for column in columns]
    if None in joined:
        places = zip(tree.paths(first, "result"), columns, joined, strict=True)
        raise BranchTypeError(
            name, [(path, list(zip(names, map(str, column), strict=True))) for path, column, to in places if to is None]
        )
    avals = [aval for aval in joined if aval is not None]
    return tuple(_sharing(traced, number, with_results(one.jaxpr, avals)) for number, one in enumerate(traced))


def _sharing(traced: Sequence[Traced], number: int, jaxpr: Jaxpr) -> Jaxpr:
    own = len(traced[number].outer)
    leading: list[Var] = []
    for other, one in enumerate(traced):
        leading += jaxpr.invars[:own] if other == number else [Var(aval_of(value)) for value in one.outer]
    return Jaxpr((*leading, *jaxpr.invars[own:]), jaxpr.outvars, jaxpr.eqns, jaxpr.constvars, jaxpr.consts)
