"""Whole derivatives: `jacfwd` and `jacrev` (`jacobian`), `hessian`, and `hvp` for a Hessian's product with a vector.

A Jacobian is a linear function applied to a standard basis, all of it at once as one batch: the derivative from `linearize`
for `jacfwd`, the pullback for `jacrev`. Start reading at `_over_basis`. Imports core, ops, tree and the other transforms.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial, wraps
from itertools import accumulate
from typing import Any, cast, overload

import numpy as np

from functrans import tree
from functrans.core.aval import FLOAT0, ShapedArray, is_inexact
from functrans.core.primitive import aval_of
from functrans.errors import (
    ComplexInputError,
    ComplexOutputError,
    HolomorphicError,
    IntegerInputError,
    IntegerOutputError,
    ParameterError,
)
from functrans.ops.broadcast import broadcast_batch
from functrans.ops.generate import eye
from functrans.ops.joining import concatenate
from functrans.ops.shape import reshape, slice_in_dim
from functrans.record import Record
from functrans.transforms.arguments import (
    argument_paths,
    check_leaves,
    check_results,
    function_name,
    owned,
    select_arguments,
)
from functrans.transforms.grad import grad
from functrans.transforms.jacobian_signatures import Options, typed_hessian, typed_jacfwd, typed_jacrev
from functrans.transforms.jvp import jvp, linearize
from functrans.transforms.signatures import No, Ts, X, Yes
from functrans.transforms.vjp import instantiate, pull_back, record
from functrans.transforms.vmap import move_axis, run_batched
from functrans.tree import TreeDef
from functrans.typing import Array, ArrayLike, Shape

__all__ = ["hessian", "hvp", "jacfwd", "jacobian", "jacrev"]


class _Call(Record):
    """A call of the user's function as a function of the leaves to differentiate by."""

    flat: Callable[..., Any]
    leaves: list[Array]
    avals: list[ShapedArray]
    in_tree: TreeDef[Any]


class _Rules(Record):
    """What is differentiated how, for the checks and their messages."""

    transform: str
    name: str
    holomorphic: bool
    allow_int: bool = False


def _call(
    rules: _Rules, fun: Callable[..., Any], argnums: int | Sequence[int], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> _Call:
    wrt, rebuild = select_arguments(rules.transform, fun, args, argnums)
    flat, in_tree = tree.flatten(wrt)
    paths = partial(argument_paths, fun, args, only=argnums)
    leaves = check_leaves(flat, f"{rules.transform}({rules.name})", paths)
    avals = [aval_of(leaf) for leaf in leaves]
    for i, aval in enumerate(avals):
        _check_input(rules, aval, paths, i)

    @wraps(fun, updated=())
    def on_leaves(*tracers: Array) -> Any:
        return fun(*rebuild(tree.unflatten(in_tree, tracers)), **kwargs)

    return _Call(on_leaves, leaves, avals, in_tree)


def _check_input(rules: _Rules, aval: ShapedArray, paths: Callable[[], Sequence[str]], i: int) -> None:
    kind = aval.dtype.kind
    if kind not in "fc" and not rules.allow_int:
        raise IntegerInputError(rules.transform, rules.name, paths()[i], str(aval))
    if rules.holomorphic and kind != "c":
        raise HolomorphicError(rules.name, f"its argument {paths()[i]} has type {aval}")
    if rules.transform == "jacfwd" and kind == "c" and not rules.holomorphic:
        raise ComplexInputError(rules.transform, rules.name, paths()[i], str(aval))


def _check_output(rules: _Rules, values: Sequence[Any], out_tree: TreeDef[Any]) -> list[ShapedArray]:
    """The types of the results, which must be differentiable."""
    checked = check_results(list(values), rules.name, out_tree)
    avals = [aval_of(value) for value in checked]
    for aval in avals:
        if not is_inexact(aval.dtype):
            raise IntegerOutputError(rules.transform, rules.name, str(aval))
        if rules.holomorphic and aval.dtype.kind != "c":
            raise HolomorphicError(rules.name, f"its value has type {aval}")
        if rules.transform == "jacrev" and aval.dtype.kind == "c" and not rules.holomorphic:
            raise ComplexOutputError(rules.name, str(aval))
    return avals


# ---- a linear function on a standard basis ----


def _offsets(avals: Sequence[ShapedArray]) -> list[int]:
    """Where each array's elements start when all are laid end to end, and the end."""
    return list(accumulate((aval.size for aval in avals), initial=0))


def _basis(avals: Sequence[ShapedArray], start: int, count: int) -> list[Array]:
    """The basis vectors from `start`, `count` of them, along a first axis, cut up into arrays of these types."""
    return [
        _shaped(eye(aval.dtype, (count, aval.size), start - offset), (count, *aval.shape))
        for aval, offset in zip(avals, _offsets(avals), strict=False)
    ]


def _over_basis(
    linear: Callable[..., Sequence[Array]], avals: Sequence[ShapedArray], chunk_size: int | None
) -> list[Array]:
    """What a linear function of arrays of these types gives for every basis vector, along a first axis."""
    total = _offsets(avals)[-1]
    step = max(total, 1) if chunk_size is None else chunk_size
    runs = []
    for start in range(0, max(total, 1), step):
        count = min(step, total - start)
        outs, batched, _ = run_batched(linear, _basis(avals, start, count), [True] * len(avals), count)
        runs.append(
            [out if is_batched else broadcast_batch(count, out) for out, is_batched in zip(outs, batched, strict=True)]
        )
    return [concatenate(column, 0) if len(runs) > 1 else column[0] for column in zip(*runs, strict=True)]


def _check_chunk_size(transform: str, chunk_size: int | None) -> None:
    if chunk_size is not None and chunk_size < 1:
        raise ParameterError(transform, f"chunk_size={chunk_size}", "at least 1, or None for all at once")


# ---- the public functions ----


@typed_jacfwd
def jacfwd(
    fun: Callable[..., Any],
    argnums: int | Sequence[int] = 0,
    has_aux: bool = False,
    holomorphic: bool = False,
    *,
    chunk_size: int | None = None,
) -> Callable[..., Any]:
    """The function that computes the Jacobian of `fun` in forward mode: best with fewer inputs than outputs.

    argnums: which positional arguments to differentiate by, an int or a tuple of ints. The result is a tree like the value
    of `fun`, in each place of which stands a tree like the argument (or a tuple of them); its leaves have the shape of the
    value's leaf followed by that of the argument's, and the dtype of the value's leaf. has_aux: `fun` returns
    `(value, aux)` and the result is `(jacobian, aux)`. holomorphic: arguments and value are complex. chunk_size: compute
    that many columns at once, to bound memory. Raises the errors of `grad`, except that the value need not be a scalar.

    >>> import numpy as np
    >>> jacfwd(lambda x: np.array([1.0, 2.0, 3.0]) * np.sum(x**2))(np.array([1.0, -1.0]))
    array([[ 2., -2.],
           [ 4., -4.],
           [ 6., -6.]])
    """
    rules = _Rules("jacfwd", function_name(fun), holomorphic)
    _check_chunk_size("jacfwd", chunk_size)

    @wraps(fun, updated=())
    def jacobian_of(*args: Any, **kwargs: Any) -> Any:
        call = _call(rules, fun, argnums, args, kwargs)
        aux = None
        if has_aux:
            out, derivative, aux = linearize(call.flat, *call.leaves, has_aux=True)
        else:
            out, derivative = linearize(call.flat, *call.leaves)
        values, out_tree = tree.flatten(out)
        out_avals = _check_output(rules, values, out_tree)
        columns = _over_basis(lambda *basis: tree.leaves(derivative(*basis)), call.avals, chunk_size)
        offsets = _offsets(call.avals)
        blocks = [
            [
                _column_block(column, start, out_aval, in_aval)
                for in_aval, start in zip(call.avals, offsets, strict=False)
            ]
            for column, out_aval in zip(columns, out_avals, strict=True)
        ]
        result = _assembled(out_tree, call.in_tree, blocks)
        return (result, aux) if has_aux else result

    return jacobian_of


def _column_block(columns: Array, start: int, out: ShapedArray, given: ShapedArray) -> Array:
    """The derivatives of one result by one input, from those of the result by everything, whose axis 0 is the input's."""
    return _shaped(move_axis(_rows(columns, start, given.size), 0, -1), (*out.shape, *given.shape))


@typed_jacrev
def jacrev(
    fun: Callable[..., Any],
    argnums: int | Sequence[int] = 0,
    has_aux: bool = False,
    holomorphic: bool = False,
    allow_int: bool = False,
    *,
    chunk_size: int | None = None,
) -> Callable[..., Any]:
    """The function that computes the Jacobian of `fun` in reverse mode: best with fewer outputs than inputs.

    Parameters and result are those of `jacfwd`, but that leaves have the dtype of the argument's leaf, and chunk_size counts
    rows. allow_int: integer arguments are let pass and get arrays of dtype `float0`.

    >>> import numpy as np
    >>> jacrev(lambda p: {"sum": p["x"] + p["y"]})({"x": 1.0, "y": np.array([1.0, 2.0])})
    {'sum': {'x': array([1., 1.]), 'y': array([[1., 0.],
           [0., 1.]])}}
    """
    rules = _Rules("jacrev", function_name(fun), holomorphic, allow_int)
    _check_chunk_size("jacrev", chunk_size)

    @wraps(fun, updated=())
    def jacobian_of(*args: Any, **kwargs: Any) -> Any:
        call = _call(rules, fun, argnums, args, kwargs)
        recorded = record(call.flat, call.leaves, has_aux, rules.name, fun)
        out_avals = _check_output(rules, recorded.values, recorded.out_tree)

        def pull(*cts: Array) -> list[Array]:
            found = pull_back(recorded, cts, len(call.leaves), consume=chunk_size is None)
            return [instantiate(ct, aval) for ct, aval in zip(found, call.avals, strict=True) if is_inexact(aval.dtype)]

        rows = iter(_over_basis(pull, out_avals, chunk_size))
        by_input = [next(rows) if is_inexact(aval.dtype) else None for aval in call.avals]
        blocks = [
            [_row_block(whole, start, out_aval, in_aval) for whole, in_aval in zip(by_input, call.avals, strict=True)]
            for out_aval, start in zip(out_avals, _offsets(out_avals), strict=False)
        ]
        result = _assembled(recorded.out_tree, call.in_tree, blocks)
        return (result, recorded.aux) if has_aux else result

    return jacobian_of


def _row_block(rows: Array | None, start: int, out: ShapedArray, given: ShapedArray) -> Array:
    """The derivatives of one result by one input, from those of everything by the input, whose axis 0 is the results'."""
    shape = (*out.shape, *given.shape)
    if rows is None:
        return cast(Array, np.zeros(shape, FLOAT0))
    return _shaped(_rows(rows, start, out.size), shape)


def _rows(x: Array, start: int, count: int) -> Array:
    return x if aval_of(x).shape[0] == count else slice_in_dim(x, start, start + count)


def _shaped(x: Array, shape: Shape) -> Array:
    return x if aval_of(x).shape == shape else reshape(x, shape)


def _assembled(out_tree: TreeDef[Any], in_tree: TreeDef[Any], blocks: Sequence[Sequence[Array]]) -> Any:
    return tree.unflatten(out_tree, [tree.unflatten(in_tree, owned(row)) for row in blocks])


jacobian = jacrev


@typed_hessian
def hessian(
    fun: Callable[..., Any],
    argnums: int | Sequence[int] = 0,
    has_aux: bool = False,
    holomorphic: bool = False,
    *,
    chunk_size: int | None = None,
) -> Callable[..., Any]:
    """The function that computes the second derivatives of `fun`, forward over reverse.

    The result is the Jacobian of the Jacobian: a tree like the value, of trees like the argument, of trees like the argument;
    its leaves have the shapes of the three leaves one after the other. Parameters are those of `jacfwd`.

    >>> import numpy as np
    >>> hessian(lambda x: x[0] ** 2 * x[1])(np.array([1.0, 3.0]))
    array([[6., 2.],
           [2., 0.]])
    """
    options: Options = {"holomorphic": holomorphic, "chunk_size": chunk_size}
    if has_aux:
        return jacfwd(jacrev(fun, argnums, has_aux=True, **options), argnums, has_aux=True, **options)
    return jacfwd(jacrev(fun, argnums, **options), argnums, **options)


@overload
def hvp(
    fun: Callable[[*Ts], ArrayLike], primals: tuple[*Ts], tangents: tuple[*Ts], has_aux: No = False
) -> tuple[*Ts]: ...
@overload
def hvp(
    fun: Callable[[*Ts], tuple[ArrayLike, X]], primals: tuple[*Ts], tangents: tuple[*Ts], has_aux: Yes
) -> tuple[tuple[*Ts], X]: ...
def hvp(fun: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any], has_aux: bool = False) -> Any:
    """The Hessian of a scalar-valued function at `primals`, times `tangents`, without computing the Hessian.

    primals, tangents: tuples of trees, as for `jvp`. The result is a tuple of trees like the primals, at the cost of a few
    calls of `fun` whatever their size (forward over reverse); with has_aux, `fun` returns `(value, aux)` and the result is
    a pair of that tuple and aux. Raises the errors of `grad` and `jvp`.

    >>> import numpy as np
    >>> hvp(lambda x: np.sum(x**3), (np.array([1.0, 2.0]),), (np.array([1.0, 1.0]),))
    (array([ 6., 12.]),)
    """
    numbers, point, direction = tuple(range(len(primals))), tuple(primals), tuple(tangents)
    if has_aux:
        _, product, aux = jvp(grad(fun, numbers, has_aux=True), point, direction, has_aux=True)
        return product, aux
    return jvp(grad(fun, numbers), point, direction)[1]
