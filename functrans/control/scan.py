"""`scan` and `map`: a function applied to one element after the other. Imports `carry`, `scan_primitive`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar, cast, overload

import numpy as np

from functrans import tree
from functrans.control.blocks import Checkpoint, run_blocks
from functrans.control.carry import Step, settle
from functrans.core.aval import ShapedArray, shaped
from functrans.core.primitive import aval_of
from functrans.disable import DISABLED
from functrans.errors import ParameterError, ScanLengthError, ScanResultError
from functrans.errors.base import kind_of
from functrans.ops.joining import concatenate
from functrans.ops.shape import reshape, slice_in_dim
from functrans.transforms.arguments import check_leaves, function_name
from functrans.transforms.vmap import vmap
from functrans.typing import Array

__all__ = ["common_length", "map", "run_steps", "scan"]

C = TypeVar("C", bound=Any)
X = TypeVar("X", bound=Any)
Y = TypeVar("Y", bound=Any)


@overload
def scan(
    f: Callable[[C, X], tuple[C, Y]],
    init: C,
    xs: X,
    length: int | None = None,
    reverse: bool = False,
    unroll: int | bool = 1,
    *,
    checkpoint: Checkpoint = False,
) -> tuple[C, Y]: ...
@overload
def scan(
    f: Callable[[C, None], tuple[C, Y]],
    init: C,
    xs: None = None,
    length: int | None = None,
    reverse: bool = False,
    unroll: int | bool = 1,
    *,
    checkpoint: Checkpoint = False,
) -> tuple[C, Y]: ...
def scan(
    f: Callable[[Any, Any], tuple[Any, Any]],
    init: Any,
    xs: Any = None,
    length: int | None = None,
    reverse: bool = False,
    unroll: int | bool = 1,
    *,
    checkpoint: Checkpoint = False,
) -> tuple[Any, Any]:
    """Step through arrays with a carry: `carry, y = f(carry, x)` for each x of `xs`, from `init`; the last carry and all y.

    init: a tree of arrays; every step gives one of the same structure, shapes and dtypes. A Python number in it takes the
    type that a step gives it. xs: a tree of arrays of which the steps take one element each along the first axis, or None
    with `length` for as many steps. reverse: from the last element to the first; y stands where its x stood. Returns
    `(carry, ys)`, ys like y with the steps along a new first axis.

    unroll: how many steps to write out in the body of the loop; True: all. checkpoint: what reverse mode keeps. False: what
    the steps back need of each step; True: only the carry before each step, the rest is computed again; k: the carry before
    each block of k steps; "sqrt": the same with about as many blocks as steps in a block, so that n steps need memory for
    2·√n to 2.5·√n. Raises CarryTypeError and TreeMismatchError for a carry that changes, ScanLengthError, ScanResultError.

    >>> import numpy as np
    >>> scan(lambda total, x: (total + x, total * x), 0.0, np.array([1.0, 2.0, 3.0]))
    (np.float64(6.0), array([0., 2., 9.]))
    """
    flat_xs, xs_tree = tree.flatten(xs)
    xs_leaves = check_leaves(flat_xs, "scan", lambda: tree.paths(xs_tree, "xs"))
    steps = common_length("scan", xs_leaves, lambda: tree.paths(xs_tree, "xs"), length)
    if DISABLED.get() and steps:
        return _as_python(f, init, xs, steps, reverse)

    def call(carry: Any, x: Any) -> tuple[tuple[Any], Any]:
        result: object = f(carry, x)
        if not isinstance(result, tuple) or len(result) != 2:
            raise ScanResultError(function_name(f), kind_of(result))
        return (result[0],), result[1]

    flat, carry_tree = tree.flatten((init,))
    carry = check_leaves(flat, "scan", lambda: tree.paths(tree.structure(init), "init"))
    step = Step("scan", f, call, carry_tree, (xs,))
    final, ys = run_steps(step, carry, [aval_of(leaf) for leaf in carry], xs_leaves, steps, reverse, unroll, checkpoint)
    (carried,) = tree.unflatten(carry_tree, final)
    return carried, ys


def run_steps(
    step: Step,
    carry: Sequence[Array],
    types: Sequence[ShapedArray],
    xs: Sequence[Array],
    length: int,
    reverse: bool = False,
    unroll: int | bool = 1,
    checkpoint: Checkpoint = False,
) -> tuple[Sequence[Array], Any]:
    """The last carry, flat, and the tree of the steps' other results, stacked. types: those that the carry starts with."""
    traced, start = settle(step, carry, types, [_element(aval_of(x)) for x in xs])
    params = {
        "jaxpr": traced.jaxpr,
        "length": length,
        "reverse": reverse,
        "consts": len(traced.outer),
        "carry": len(start),
    }
    outs = run_blocks([*traced.outer, *start, *xs], params, unroll, checkpoint)
    return outs[: len(start)], tree.unflatten(traced.out_tree.children()[1], outs[len(start) :])


def _element(aval: ShapedArray) -> ShapedArray:
    return shaped(aval.shape[1:], aval.dtype)


def common_length(name: str, leaves: Sequence[Array], paths: Callable[[], list[str]], length: int | None) -> int:
    """The length of the first axes of these arrays, which have paths for messages; raises ScanLengthError."""
    shapes = [aval_of(leaf).shape for leaf in leaves]
    lengths = {shape[0] if shape else -1 for shape in shapes} | ({length} if length is not None else set())
    if len(lengths) != 1 or -1 in lengths:
        raise ScanLengthError(name, list(zip(paths(), shapes, strict=True)), length)
    return lengths.pop()


def _as_python(
    f: Callable[[Any, Any], tuple[Any, Any]], carry: Any, xs: Any, length: int, reverse: bool
) -> tuple[Any, Any]:
    """What `scan` means, step by step in Python."""
    ys: list[Any] = [None] * length
    for i in reversed(range(length)) if reverse else range(length):
        carry, ys[i] = f(carry, tree.map(lambda x, i=i: x[i], xs))
    return carry, tree.map(lambda *parts: np.stack(parts), *ys)


def map(f: Callable[[X], Y], xs: X, *, batch_size: int | None = None) -> Y:
    """`f` of each element of `xs` along the first axis, one after the other, the results stacked likewise.

    xs: a tree of arrays. batch_size: so many elements at once, by `vmap`; where memory allows, `vmap` alone does it for all.
    Raises ScanLengthError.

    >>> import numpy as np
    >>> map(lambda x: x @ x, np.ones((3, 2)))
    array([2., 2., 2.])
    """
    leaves, xs_tree = tree.flatten(xs)
    leaves = check_leaves(leaves, "map", lambda: tree.paths(xs_tree, "xs"))
    length = common_length("map", leaves, lambda: tree.paths(xs_tree, "xs"), None)
    if batch_size is not None:
        return _map_batches(f, tree.unflatten(xs_tree, leaves), length, batch_size)
    if DISABLED.get() and length:
        return cast(Y, _as_python(lambda carry, x: (carry, f(x)), None, xs, length, False)[1])
    step = Step("map", f, lambda x: ((), f(x)), tree.structure(()), (xs,))
    return cast(Y, run_steps(step, [], [], leaves, length)[1])


def _map_batches(f: Callable[[X], Y], xs: X, length: int, size: int) -> Y:
    if size < 1:
        raise ParameterError("map", f"batch_size={size}", "at least one element at a time")
    together = vmap(f)
    count, rest = divmod(length, size)
    parts: list[Any] = []
    if count:
        whole = tree.map(lambda x: reshape(slice_in_dim(x, 0, count * size), (count, size, *aval_of(x).shape[1:])), xs)
        parts.append(tree.map(lambda y: reshape(y, (count * size, *aval_of(y).shape[2:])), map(together, whole)))
    if rest or not count:
        parts.append(together(tree.map(lambda x: slice_in_dim(x, count * size, length), xs)))
    return cast(Y, parts[0] if len(parts) == 1 else tree.map(lambda *ys: concatenate(ys, 0), *parts))
