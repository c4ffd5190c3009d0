"""Linear maps of features: dense, bilinear, of sparse input, and tables of vectors. By torch.nn.functional's names.

Imports numpy and `distances`; start reading at `linear` and `embedding`.
"""

from __future__ import annotations

from typing import Any, Literal, cast

import numpy as np

from functrans import lax
from functrans.core.primitive import aval_of
from functrans.errors import ParameterError
from functrans.nn.checks import check_shape
from functrans.nn.distances import p_norm
from functrans.nn.lookup import in_range, lookup
from functrans.numpy.at import at
from functrans.typing import Array, DTypeLike

__all__ = ["bilinear", "embedding", "embedding_bag", "index_linear", "linear", "one_hot", "sparse_linear"]


def linear(x: Array, weight: Array, bias: Array | None = None) -> Array:
    """x Wᵀ + b. x: (..., in); weight: (out, in) or (in,); bias: (out,).

    >>> linear(np.array([1.0, 2.0]), np.array([[3.0, 4.0]]), np.array([0.5]))
    array([11.5])
    """
    product = x @ weight.T
    return cast(Array, product if bias is None else product + bias)


def bilinear(x1: Array, x2: Array, weight: Array, bias: Array | None = None) -> Array:
    """x1ᵀ W x2 + b for each output. x1: (..., in1); x2: (..., in2); weight: (out, in1, in2).

    >>> bilinear(np.array([1.0, 2.0]), np.array([3.0]), np.array([[[1.0], [10.0]]]))
    array([63.])
    """
    product = np.einsum("...i,oij,...j->...o", x1, weight, x2)
    return cast(Array, product if bias is None else product + bias)


def one_hot(x: Array, num_classes: int, dtype: DTypeLike = np.int64) -> Array:
    """1 at each class of x and 0 elsewhere, along a new last axis; a class out of range has zeros alone, as in JAX.

    >>> one_hot(np.array([1, 0]), 3)
    array([[0, 1, 0],
           [1, 0, 0]])
    """
    return cast(Array, (np.expand_dims(x, -1) == np.arange(num_classes)).astype(dtype))


def embedding(
    x: Array,
    weight: Array,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
) -> Array:
    """The rows of the table `weight` at the integers x: (...) -> (..., columns).

    padding_idx: a row that gets no gradient. max_norm: rows longer than that are taken at that length (torch changes the
    table itself, functrans changes no argument). An index out of range, or a negative one, raises IndexError.

    >>> embedding(np.array([1, 1]), np.array([[0.0, 1.0], [2.0, 3.0]]))
    array([[2., 3.],
           [2., 3.]])
    """
    rows = lookup(weight, x)
    if padding_idx is not None:
        index = _row("embedding", padding_idx, weight)
        rows = cast(Array, np.where(np.expand_dims(x == index, -1), lax.stop_gradient(weight[index]), rows))
    return rows if max_norm is None else _at_most(rows, max_norm, norm_type)


def _row(name: str, number: int, weight: Array) -> int:
    """The number of a row, which may be counted from the end."""
    count = aval_of(weight).shape[0]
    if not -count <= number < count:
        raise ParameterError(name, f"padding_idx={number} for {count} rows", "the number of a row")
    return number % count


def _at_most(rows: Array, max_norm: float, norm_type: float) -> Array:
    size = p_norm(rows, norm_type, -1, keepdims=True)
    is_long = size > max_norm
    return cast(Array, rows * np.where(is_long, max_norm / (np.where(is_long, size, 1) + 1e-7), 1))


def embedding_bag(
    x: Array,
    weight: Array,
    offsets: Array | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    mode: Literal["mean", "sum", "max"] = "mean",
    per_sample_weights: Array | None = None,
    include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> Array:
    """The mean, the sum, or the largest of the rows of a table in each bag of indices: (bags, columns).

    x: integers (bags, n), or of shape (n,) with the offset at which each bag begins, the first one 0; include_last_offset: the
    last offset is n itself. per_sample_weights: factors like x, for sums. padding_idx: an index that does not count. An empty
    bag gives 0. Raises IndexError for indices and offsets out of range.

    >>> table = np.array([[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]])
    >>> embedding_bag(np.array([0, 2, 1]), table, np.array([0, 2]), mode="sum")
    array([[4., 6.],
           [2., 3.]])
    """
    if mode not in ("mean", "sum", "max") or (per_sample_weights is not None and mode != "sum"):
        what = f"mode={mode!r}" + ("" if per_sample_weights is None else " with per_sample_weights")
        raise ParameterError("embedding_bag", what, '"mean", "max", or "sum", which alone takes weights')
    shape = aval_of(x).shape
    if (offsets is None) == (len(shape) == 1):
        what = f"x of shape {shape} and {'no ' if offsets is None else ''}offsets"
        raise ParameterError("embedding_bag", what, "x of rank 2, or of rank 1 with offsets")
    check_shape("embedding_bag", "per_sample_weights", per_sample_weights, shape)
    bags, ids = _bags(x, offsets, include_last_offset)
    keys = np.reshape(x, -1)
    rows = embedding(keys, weight, None, max_norm, norm_type)
    if per_sample_weights is not None:
        rows = rows * np.reshape(per_sample_weights, (-1, 1))
    is_counted: Any = np.ones(keys.shape, bool)
    if padding_idx is not None:
        is_counted = keys != _row("embedding_bag", padding_idx, weight)
    none = np.zeros((bags, aval_of(weight).shape[1]), aval_of(rows).dtype)
    counts = np.expand_dims(at(np.zeros(bags, aval_of(rows).dtype))[ids].add(is_counted), 1)
    if mode == "max":
        largest = at(none - np.inf)[ids].max(np.where(is_counted[:, None], rows, -np.inf))
        return cast(Array, np.where(counts > 0, largest, 0))
    total = at(none)[ids].add(np.where(is_counted[:, None], rows, 0))
    return total if mode == "sum" else cast(Array, total / np.maximum(counts, 1))


def _bags(x: Array, offsets: Array | None, include_last_offset: bool) -> tuple[int, Any]:
    """How many bags there are, and to which each index belongs."""
    shape = aval_of(x).shape
    if offsets is None:
        return shape[0], np.repeat(np.arange(shape[0]), shape[1])
    starts = offsets[:-1] if include_last_offset else offsets
    begun = at(np.zeros(shape[0] + 1, np.int64))[in_range(starts, shape[0] + 1)].add(1)
    count = aval_of(starts).shape[0]
    return count, in_range(np.cumsum(begun)[:-1] - 1, count)


def sparse_linear(
    rows: Array, columns: Array, values: Array, size: int, weight: Array, bias: Array | None = None
) -> Array:
    """`linear` of the matrix of `size` rows that has the values at (rows, columns) and zeros elsewhere: Torch's SparseLinear.

    rows, columns, values: of shape (n,), counted from 0; a place given twice counts twice. weight: (out, in).

    >>> sparse_linear(np.array([0, 1]), np.array([1, 0]), np.array([2.0, 3.0]), 2, np.array([[10.0, 1.0]]))
    array([[ 2.],
           [30.]])
    """
    none = np.zeros((size, aval_of(weight).shape[0]), np.result_type(aval_of(values).dtype, aval_of(weight).dtype))
    product = at(none)[in_range(rows, size)].add(np.expand_dims(values, 1) * lookup(weight.T, columns))
    return product if bias is None else cast(Array, product + bias)


def index_linear(keys: Array, values: Array, offsets: Array, weight: Array, bias: Array | None = None) -> Array:
    """`linear` of sparse rows: the row of a bag has values at its keys. Torch's IndexLinear. weight: (in, out).

    >>> index_linear(np.array([1, 0]), np.array([2.0, 3.0]), np.array([0, 1]), np.array([[10.0], [1.0]]))
    array([[ 2.],
           [30.]])
    """
    product = embedding_bag(keys, weight, offsets, mode="sum", per_sample_weights=values)
    return product if bias is None else cast(Array, product + bias)
