"""Trees as vectors: `ravel_pytree`, for optimisers and solvers that take one flat array. Imports core, numpy, ops, tree."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import accumulate

import numpy as np

from functrans import tree
from functrans.core.aval import ShapedArray
from functrans.core.primitive import Tracer, aval_of
from functrans.errors import FlatVectorError
from functrans.numpy.promotion import as_operand, astype, result_type
from functrans.ops.joining import concatenate
from functrans.ops.shape import reshape, slice_in_dim
from functrans.transforms.arguments import check_leaves
from functrans.treedef import T
from functrans.typing import Array, DType

__all__ = ["ravel_pytree"]


def ravel_pytree(pytree: T) -> tuple[Array, Callable[[Array], T]]:
    """The leaves of a tree joined into one array of rank 1, and the function that makes such an array a tree again.

    The array has the dtype that NumPy promotes the leaves' dtypes to (float64 for no leaves). `unravel(flat)` gives every
    leaf the shape and dtype that it had (a Python number becomes a NumPy scalar); it takes an array of the same length whose
    dtype can be cast to that of the first by the rule "same_kind", and raises FlatVectorError otherwise. Both can be
    differentiated, batched and traced.

    >>> flat, unravel = ravel_pytree({"w": np.ones((2, 2)), "b": np.array([3, 4])})
    >>> flat
    array([3., 4., 1., 1., 1., 1.])
    >>> unravel(2 * flat)["b"]
    array([6, 8])
    """
    flat, treedef = tree.flatten(pytree)
    leaves = [as_operand(leaf) for leaf in check_leaves(flat, "ravel_pytree", lambda: tree.paths(treedef, "tree"))]
    avals = [aval_of(leaf) for leaf in leaves]
    dtype = result_type(*leaves) if leaves else np.dtype(np.float64)
    length = sum(aval.size for aval in avals)

    def unravel(vector: Array) -> T:
        (checked,) = check_leaves([vector], "unravel", lambda: ["the argument"])
        return tree.unflatten(treedef, _pieces(checked, avals, dtype, length))

    return _joined(leaves, avals, dtype), unravel


def _joined(leaves: Sequence[Array], avals: Sequence[ShapedArray], dtype: DType) -> Array:
    if not leaves:
        return np.zeros(0, dtype)
    rows = [reshape(astype(leaf, dtype), (aval.size,)) for leaf, aval in zip(leaves, avals, strict=True)]
    return concatenate(rows, 0)


def _pieces(vector: Array, avals: Sequence[ShapedArray], dtype: DType, length: int) -> list[Array]:
    got = aval_of(vector)
    if got.shape != (length,) or not np.can_cast(got.dtype, dtype, "same_kind"):
        raise FlatVectorError(str(got), length, str(dtype))
    ends = accumulate(aval.size for aval in avals)
    pieces = []
    for aval, end in zip(avals, ends, strict=True):
        piece = reshape(slice_in_dim(vector, end - aval.size, end), aval.shape)
        pieces.append(
            astype(piece if isinstance(piece, Tracer) else np.array(piece)[()], aval.dtype)
        )  # no view of vector
    return pieces
