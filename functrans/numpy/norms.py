"""Norms of vectors and matrices, and what is told by singular values: the rank and the condition number.

Where a norm is 0 its derivative is 0, one of its subgradients. Start reading at `norm`. Imports ops, `matrices` and
functrans.numpy.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import inf, prod
from typing import Any, Literal, SupportsIndex, TypeAlias

import numpy as np
from numpy.linalg import LinAlgError

from functrans.core.primitive import aval_of
from functrans.numpy.dispatch import implements
from functrans.numpy.matrices import is_empty
from functrans.numpy.operands import Axes, axis_indices, shape_of, strong
from functrans.numpy.promotion import astype
from functrans.numpy.shapes import expand_dims, moveaxis, ravel, reshape
from functrans.ops.complex import abs, imag, real
from functrans.typing import Array, ArrayLike

__all__ = ["cond", "matrix_norm", "matrix_rank", "norm", "vector_norm"]

Order: TypeAlias = float | Literal["fro", "nuc"] | None
_SINGULAR: dict[Any, Callable[..., Array]] = {2: np.max, -2: np.min, "nuc": np.sum}


def _root(total: Array) -> Array:
    """The square root, whose derivative at 0 is 0."""
    is_zero = total == 0
    found: Array = np.where(is_zero, total, np.sqrt(np.where(is_zero, np.ones_like(total), total)))
    return found


def _squares(x: Array) -> Array:
    """The squares of the magnitudes."""
    if aval_of(x).dtype.kind != "c":
        return x * x
    re, im = real(x), imag(x)
    squares: Array = re * re + im * im
    return squares


def _of_vectors(x: Array, order: Any, axis: int, keepdims: bool) -> Array:  # order: a number
    """Along one axis."""
    size = abs(x)
    if isinstance(order, str):
        raise ValueError(f"Invalid norm order '{order}' for vectors")
    if order == inf:
        found: Array = np.max(size, axis=axis, keepdims=keepdims, initial=0)
    elif order == -inf:
        found = np.min(size, axis=axis, keepdims=keepdims)
    elif order == 0:
        found = np.sum(astype(x != 0, aval_of(size).dtype), axis=axis, keepdims=keepdims)
    elif order == 1:
        found = np.sum(size, axis=axis, keepdims=keepdims)
    elif order is None or order == 2:
        found = _root(np.sum(_squares(x), axis=axis, keepdims=keepdims))
    else:
        total = np.sum(size**order, axis=axis, keepdims=keepdims)
        is_zero = total == 0
        power = np.where(is_zero, np.ones_like(total), total) ** (1 / order)
        found = np.where(is_zero, total if order > 0 else total ** (1 / order), power)
    return found


def _of_matrices(x: Array, order: Any, axes: tuple[int, ...], keepdims: bool) -> Array:  # order: a number or a name
    """Over two axes, rows first."""
    row, column = axes
    if order in _SINGULAR:
        values = np.linalg.svd(moveaxis(x, (row, column), (-2, -1)), compute_uv=False)
        more = {} if order == -2 else {"initial": 0}
        found: Array = _SINGULAR[order](values, axis=-1, **more)
        return expand_dims(found, tuple(sorted(axes))) if keepdims else found
    if order in (None, "fro", "f"):
        return _root(np.sum(_squares(x), axis=axes, keepdims=keepdims))
    if order not in (1, -1, inf, -inf):
        raise ValueError("Invalid norm order for matrices.")
    summed, compared = (row, column) if order in (1, -1) else (column, row)
    totals = np.sum(abs(x), axis=summed, keepdims=True)
    found = (
        np.max(totals, axis=compared, keepdims=True, initial=0)
        if order > 0
        else np.min(totals, axis=compared, keepdims=True)
    )
    return found if keepdims else np.squeeze(found, axis=axes)


@implements(np.linalg.norm)
def norm(x: ArrayLike, ord: Order = None, axis: Axes = None, keepdims: bool = False) -> Array:
    """The norm of vectors along an axis, of matrices over two; without axis that of the whole array.

    ord: as in numpy.linalg.norm. Its derivative at 0 is 0.

    >>> import functrans as ft
    >>> ft.grad(np.linalg.norm)(np.array([3.0, 4.0])), ft.grad(np.linalg.norm)(np.zeros(2))
    (array([0.6, 0.8]), array([0., 0.]))
    """
    array = strong(x, "norm")
    if aval_of(array).dtype.kind not in "fc":
        array = astype(array, np.float64)
    ndim = aval_of(array).ndim
    if axis is None and (ord is None or (ord in ("f", "fro") and ndim == 2) or (ord == 2 and ndim == 1)):
        found = _root(np.sum(_squares(ravel(array))))
        return reshape(found, (1,) * ndim) if keepdims else found
    axes = tuple(range(ndim)) if axis is None else axis_indices(_checked(axis), ndim)
    if len(axes) == 1:
        return _of_vectors(array, ord, axes[0], keepdims)
    if len(axes) == 2:
        return _of_matrices(array, ord, axes, keepdims)
    raise ValueError("Improper number of dimensions to norm.")


def _checked(axis: Any) -> SupportsIndex | Sequence[SupportsIndex]:  # Any: what a user may give
    if not isinstance(axis, tuple | SupportsIndex):
        raise TypeError("'axis' must be None, an integer or a tuple of integers")
    return axis


@implements(np.linalg.matrix_norm)
def matrix_norm(x: ArrayLike, /, *, keepdims: bool = False, ord: Order = "fro") -> Array:
    """The norm of matrices, the last two axes."""
    return norm(x, ord, (-2, -1), keepdims)


@implements(np.linalg.vector_norm)
def vector_norm(x: ArrayLike, /, *, axis: Axes = None, keepdims: bool = False, ord: float = 2) -> Array:
    """The norm of vectors, whose elements lie along any axes, all if none are given."""
    array = strong(x, "vector_norm")
    shape = shape_of(array)
    axes = tuple(range(len(shape))) if axis is None else axis_indices(_checked(axis), len(shape))
    moved = moveaxis(array, axes, range(len(axes)))
    count = prod(shape[i] for i in axes)
    found = norm(reshape(moved, (count, *shape_of(moved)[len(axes) :])), ord, 0)
    return expand_dims(found, tuple(sorted(axes))) if keepdims else found


# ---- by singular values ----


@implements(np.linalg.cond)
def cond(x: ArrayLike, p: Order = None) -> Array:
    """The condition number of matrices, by a norm; infinite for singular ones if it is told by singular values (p None, 2, -2),
    else LinAlgError is raised.
    """
    array = strong(x, "cond")
    if aval_of(array).ndim > 1 and is_empty(array):
        raise LinAlgError("cond is not defined on empty arrays")
    if p in (None, 2, -2):
        values = np.linalg.svd(array, compute_uv=False)
        found: Array = values[..., -1] / values[..., 0] if p == -2 else values[..., 0] / values[..., -1]
    else:
        found = norm(array, p, (-2, -1)) * norm(np.linalg.inv(array), p, (-2, -1))
    is_undefined = np.logical_and(np.isnan(found), ~np.any(np.isnan(array), axis=(-2, -1)))
    infinite: Array = np.where(is_undefined, np.full(shape_of(found), inf, aval_of(found).dtype), found)
    return infinite


@implements(np.linalg.matrix_rank)
def matrix_rank(
    A: ArrayLike, tol: ArrayLike | None = None, hermitian: bool = False, *, rtol: ArrayLike | None = None
) -> Array:
    """How many singular values are larger than tol, or than rtol times the largest; it has no derivative."""
    array = strong(A, "matrix_rank")
    if rtol is not None and tol is not None:
        raise ValueError("`tol` and `rtol` can't be both set.")
    if aval_of(array).ndim < 2:
        return astype(np.any(array != 0), np.int64)
    values = np.linalg.svd(array, compute_uv=False, hermitian=hermitian)
    if tol is None:
        eps = np.finfo(aval_of(values).dtype).eps
        relative = max(shape_of(array)[-2:]) * eps if rtol is None else np.expand_dims(strong(rtol, "matrix_rank"), -1)
        bound = np.max(values, axis=-1, keepdims=True, initial=0) * relative
    else:
        bound = np.expand_dims(strong(tol, "matrix_rank"), -1)
    count: Array = np.count_nonzero(values > bound, axis=-1)
    return count
