"""`grad` and `value_and_grad`: reverse mode of functions with a scalar value.

The engine is in `vjp.py`; here are the public functions and the checks of what goes in and comes out. Start reading at
`_value_and_grad`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, cast

from functrans import tree
from functrans.core.aval import INEXACT_KINDS, ShapedArray
from functrans.core.primitive import aval_of
from functrans.core.source import trimmed
from functrans.errors import (
    ComplexOutputError,
    FunctransError,
    HolomorphicError,
    IntegerInputError,
    IntegerOutputError,
    ScalarOutputError,
)
from functrans.transforms.arguments import (
    argument_paths,
    check_leaves,
    check_results,
    function_name,
    owned,
    select_arguments,
)
from functrans.transforms.signatures import typed_grad, typed_value_and_grad
from functrans.transforms.vjp import Recorded, cotangent, pull_back, record
from functrans.typing import Array

__all__ = ["grad", "value_and_grad"]


@typed_grad
def grad(
    fun: Callable[..., Any],
    argnums: int | Sequence[int] = 0,
    has_aux: bool = False,
    holomorphic: bool = False,
    allow_int: bool = False,
) -> Callable[..., Any]:
    """The function that computes the gradient of a scalar-valued function.

    argnums: which positional arguments to differentiate by, an int or a tuple of ints; the gradient is a tree like that
    argument, or a tuple of them. has_aux: `fun` returns `(value, aux)` and the result is `(gradient, aux)`. holomorphic:
    arguments and value are complex. allow_int: integer arguments are let pass and get zeros of dtype `float0`.

    >>> import numpy as np
    >>> grad(lambda x: np.sum(x**2))(np.array([1.0, 2.0]))
    array([2., 4.])
    """
    transformed = _value_and_grad(fun, argnums, has_aux, holomorphic, allow_int, "grad")

    @wraps(fun, updated=())
    def gradient(*args: Any, **kwargs: Any) -> Any:
        try:
            value, grads = transformed(args, kwargs)
        except FunctransError as error:
            raise trimmed(error)  # noqa: B904  # FUNCTRANS_TRACEBACK=full shows all frames
        return (grads, value[1]) if has_aux else grads

    return gradient


@typed_value_and_grad
def value_and_grad(
    fun: Callable[..., Any],
    argnums: int | Sequence[int] = 0,
    has_aux: bool = False,
    holomorphic: bool = False,
    allow_int: bool = False,
) -> Callable[..., Any]:
    """The function that computes the value and the gradient; parameters as for `grad`.

    With `has_aux` the result is `((value, aux), gradient)`.

    >>> import numpy as np
    >>> value_and_grad(lambda x: np.sum(x**2))(np.array([1.0, 2.0]))
    (np.float64(5.0), array([2., 4.]))
    """
    transformed = _value_and_grad(fun, argnums, has_aux, holomorphic, allow_int, "value_and_grad")

    @wraps(fun, updated=())
    def value_and_gradient(*args: Any, **kwargs: Any) -> Any:
        try:
            return transformed(args, kwargs)
        except FunctransError as error:
            raise trimmed(error)  # noqa: B904  # FUNCTRANS_TRACEBACK=full shows all frames

    return value_and_gradient


def _value_and_grad(
    fun: Callable[..., Any],
    argnums: int | Sequence[int],
    has_aux: bool,
    holomorphic: bool,
    allow_int: bool,
    transform: str,
) -> Callable[[tuple[Any, ...], dict[str, Any]], tuple[Any, Any]]:
    name = function_name(fun)
    label = f"{transform}({name})"
    kinds = "c" if holomorphic else "biufcV" if allow_int else INEXACT_KINDS

    def transformed(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, Any]:
        wrt, rebuild = select_arguments(transform, fun, args, argnums)
        flat, in_tree = tree.flatten(wrt)
        paths: Callable[[], list[str]] = lambda: argument_paths(fun, args, only=argnums)
        leaves = check_leaves(flat, label, paths)
        avals: list[ShapedArray] = []
        for leaf in leaves:
            aval = aval_of(leaf)
            if aval.dtype.kind not in kinds:
                raise _refused(transform, name, paths()[len(avals)], aval, allow_int)
            avals.append(aval)
        call = lambda *tracers: fun(*rebuild(tree.unflatten(in_tree, tracers)), **kwargs)
        recorded = record(call, leaves, has_aux, name, fun)
        value, aval = _check_scalar(transform, name, recorded, holomorphic)
        found = pull_back(recorded, [cast(Array, aval.dtype.type(1))], len(leaves), consume=True)
        grads = owned(map(cotangent, found, avals), leaves)
        return ((value, recorded.aux) if has_aux else value), tree.unflatten(in_tree, grads)

    return transformed


def _refused(transform: str, name: str, path: str, aval: ShapedArray, allow_int: bool) -> FunctransError:
    """The error for an argument of this type."""
    if allow_int or aval.dtype.kind in INEXACT_KINDS:  # which only `holomorphic` refuses
        return HolomorphicError(name, f"its argument {path} has type {aval}")
    return IntegerInputError(transform, name, path, str(aval))


def _check_scalar(transform: str, name: str, recorded: Recorded, holomorphic: bool) -> tuple[Array, ShapedArray]:
    if len(recorded.values) != 1:
        raise ScalarOutputError(transform, name, f"a tree of {len(recorded.values)} leaves", None)
    (value,) = recorded.values if recorded.numbers[0] >= 0 else check_results(recorded.values, name, recorded.out_tree)
    aval = aval_of(value)
    if aval.shape != ():
        raise ScalarOutputError(transform, name, f"an array of type {aval}", aval.size)
    kind = aval.dtype.kind
    if kind == ("c" if holomorphic else "f"):
        return value, aval
    if holomorphic:
        raise HolomorphicError(name, f"its value has type {aval}")
    raise ComplexOutputError(name, str(aval)) if kind == "c" else IntegerOutputError(transform, name, str(aval))
