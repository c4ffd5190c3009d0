"""`associative_scan` and `reduce`: functions of two values, applied along axes. Imports `scan`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any, TypeVar

from functrans import tree
from functrans.control.carry import Step
from functrans.control.scan import common_length, run_steps
from functrans.control.tracing import as_type
from functrans.core.aval import shaped
from functrans.core.primitive import aval_of
from functrans.errors import ParameterError
from functrans.ops.broadcast import broadcast_in_dim
from functrans.ops.joining import concatenate
from functrans.ops.shape import expand_dims, reshape, slice_in_dim, squeeze, transpose
from functrans.transforms.arguments import check_leaves
from functrans.transforms.vmap import move_axis, vmap
from functrans.typing import Array

__all__ = ["associative_scan", "reduce"]

T = TypeVar("T", bound=Any)


def associative_scan(fn: Callable[[T, T], T], elems: T, reverse: bool = False, axis: int = 0) -> T:
    """All partial results of an associative function along an axis: `x₀, fn(x₀, x₁), fn(fn(x₀, x₁), x₂), …`.

    fn: of two trees like `elems` whose axis has length one, to a tree of the same structure, shapes and dtypes. elems: a tree
    of arrays with one length along the axis. reverse: from the last element on. The elements are added one after the other:
    the processor's vectors serve the other axes, and each result takes one call, where a tree of calls would take two.
    Raises ScanLengthError, CarryTypeError, TreeMismatchError.

    >>> import numpy as np
    >>> associative_scan(lambda a, b: a * b, np.array([1.0, 2.0, 3.0, 4.0]))
    array([ 1.,  2.,  6., 24.])
    """
    leaves, elems_tree = tree.flatten(elems)
    leaves = check_leaves(leaves, "associative_scan", lambda: tree.paths(elems_tree, "elems"))
    axes = [axis % max(aval_of(leaf).ndim, 1) for leaf in leaves]
    moved = [move_axis(leaf, at, 0) if aval_of(leaf).ndim else leaf for leaf, at in zip(leaves, axes, strict=True)]
    length = common_length("associative_scan", moved, lambda: tree.paths(elems_tree, "elems"), None)
    if length < 2:
        return elems
    front, back = (0, length - 1) if not reverse else (length - 1, 0)

    def call(total: T, elem: Any) -> tuple[tuple[T], list[Array]]:
        spread = [expand_dims(x, (at,)) for x, at in zip(elem, axes, strict=True)]
        new = fn(total, tree.unflatten(elems_tree, spread))
        return (new,), [squeeze(x, (at,)) for x, at in zip(tree.leaves(new), axes, strict=False)]

    first = [slice_in_dim(leaf, front, front + 1, axis=at) for leaf, at in zip(leaves, axes, strict=True)]
    rest = [slice_in_dim(x, min(front + 1, back), max(front, back + 1)) for x in moved]
    step = Step("associative_scan", fn, call, tree.structure((tree.unflatten(elems_tree, first),)), (rest,))
    _, ys = run_steps(step, first, [aval_of(x) for x in first], rest, length - 1, reverse)
    ends = [slice_in_dim(x, front, front + 1) for x in moved]
    whole = [concatenate([y, end] if reverse else [end, y], 0) for end, y in zip(ends, ys, strict=True)]
    return tree.unflatten(elems_tree, [move_axis(x, 0, at) for x, at in zip(whole, axes, strict=True)])


def reduce(operands: T, init_values: Any, computation: Callable[[Any, Any], Any], dimensions: Sequence[int]) -> T:
    """All elements along some axes, combined by a function of two scalars, one after the other from `init_values` on.

    operands: a tree of arrays of one shape. init_values: scalars of the same dtypes, in the same tree. computation: of a tree
    of scalars, what there is so far, and another, the next elements. Returns a tree of arrays without those axes.

    >>> import numpy as np
    >>> reduce(np.array([[1.0, 2.0], [3.0, 4.0]]), 0.0, lambda total, x: total + x * x, (1,))
    array([ 5., 25.])
    """
    leaves, operands_tree = tree.flatten(operands)
    leaves = check_leaves(leaves, "reduce", lambda: tree.paths(operands_tree, "operands"))
    tree.check_same_structure(operands_tree, tree.structure(init_values), "operands", "init_values")
    shape = aval_of(leaves[0]).shape if leaves else ()
    if any(aval_of(leaf).shape != shape for leaf in leaves):
        raise ParameterError("reduce", f"operands of shapes {[aval_of(x).shape for x in leaves]}", "one shape")
    reduced = sorted({axis % max(len(shape), 1) for axis in dimensions})
    kept = [axis for axis in range(len(shape)) if axis not in reduced]
    left = tuple(shape[axis] for axis in kept)
    size = prod(shape[axis] for axis in reduced)
    lines = [reshape(transpose(leaf, (*reduced, *kept)), (size, *left)) for leaf in leaves]
    together = computation
    for _ in kept:
        together = vmap(together)
    start = [
        broadcast_in_dim(as_type(init, shaped((), aval_of(leaf).dtype)), left, ())
        for init, leaf in zip(tree.leaves(init_values), leaves, strict=True)
    ]
    args = (tree.unflatten(operands_tree, start), tree.unflatten(operands_tree, lines))
    step = Step(
        "reduce", computation, lambda total, x: ((together(total, x),), None), tree.structure(args[:1]), args[1:]
    )
    outs, _ = run_steps(step, start, [aval_of(x) for x in start], lines, size)
    return tree.unflatten(operands_tree, outs)
