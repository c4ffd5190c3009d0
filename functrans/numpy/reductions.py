"""Reductions: sum, prod, max, min, all, any, counts, positions of extremes.

Values, dtypes and errors are NumPy's. A `where=` mask is applied by selecting, so that what is masked out gets a zero
derivative even where it is infinite or NaN. The moments are in `statistics.py`. Imports ops and the promotion rules; start
reading at `sum`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import SupportsIndex

import numpy as np

from functrans.core.aval import INEXACT_KINDS
from functrans.core.primitive import aval_of
from functrans.errors import ParameterError
from functrans.numpy.dispatch import implements
from functrans.numpy.operands import BOOL, INT, Axes, axis_index, mask_of, reduced_axes, strong
from functrans.numpy.promotion import as_operand, astype, broadcast_to_shape
from functrans.numpy.ufuncs import make_ready
from functrans.ops import reduce as lax
from functrans.ops.broadcast import reduce_sum
from functrans.ops.select import select
from functrans.ops.shape import reshape
from functrans.typing import Array, ArrayLike, DType, DTypeLike, Shape

# ---- what all reductions share ----


def kept_shape(shape: Shape, axes: tuple[int, ...], keepdims: bool) -> Shape:
    """The shape of a reduction over `axes` of an operand of this shape."""
    return tuple(1 if i in axes else size for i, size in enumerate(shape) if keepdims or i not in axes)


def reduce(reducer: Callable[[Array, tuple[int, ...]], Array], x: Array, axis: Axes, keepdims: bool) -> Array:
    """`reducer(x, axes)`, with the reduced axes kept as 1 if `keepdims`."""
    shape = aval_of(x).shape
    axes = reduced_axes(axis, len(shape))
    out = reducer(x, axes)
    return reshape(out, kept_shape(shape, axes, True)) if keepdims else out


def masked(x: Array, where: ArrayLike, filler: ArrayLike) -> Array:
    """`x` with `filler` where the mask is false."""
    if where is True:
        return x
    aval = aval_of(x)
    return select(mask_of(where, aval.shape), x, broadcast_to_shape(astype(as_operand(filler), aval.dtype), aval.shape))


def initial_value(initial: ArrayLike, dtype: DType) -> Array:
    """What a reduction starts from, in its dtype; raises ValueError for an array, as NumPy does."""
    start = astype(as_operand(initial, "initial"), dtype)
    if aval_of(start).shape:
        raise ParameterError("initial", f"initial= of type {aval_of(start)}", "a scalar")
    return start


def total_dtype(dtype: DType) -> DType:
    """What sums and products of this dtype are computed in: small integers and bool in the platform's integer."""
    if dtype.kind not in "biu" or dtype.itemsize == 8:
        return dtype
    return np.dtype(np.uint64) if dtype.kind == "u" else INT


# ---- sum and product ----


@implements(np.sum)
def sum(
    a: ArrayLike,
    axis: Axes = None,
    dtype: DTypeLike | None = None,
    *,
    keepdims: bool = False,
    initial: ArrayLike | None = None,
    where: ArrayLike = True,
) -> Array:
    """The sum over axes; small integers and booleans are summed as int64 or uint64.

    >>> import functrans as ft
    >>> ft.grad(lambda x: np.sum(x**2, where=x > 1))(np.array([1.0, 2.0, 3.0]))
    array([0., 4., 6.])
    """
    x = strong(a, "sum")
    aval = aval_of(x)
    if axis is dtype is initial is None and where is True and not keepdims and aval.dtype.kind in INEXACT_KINDS:
        whole = partial(reduce_sum, axes=tuple(range(aval.ndim)))
        make_ready(whole, np.sum, aval)  # the usual loss
        return whole(x)
    to = total_dtype(aval.dtype) if dtype is None else np.dtype(dtype)
    reducer = lax.reduce_or if to.kind == "b" else reduce_sum
    total = reduce(reducer, masked(astype(x, to), where, 0), axis, keepdims)
    return total if initial is None else total + initial_value(initial, to)


@implements(np.prod)
def prod(
    a: ArrayLike,
    axis: Axes = None,
    dtype: DTypeLike | None = None,
    *,
    keepdims: bool = False,
    initial: ArrayLike | None = None,
    where: ArrayLike = True,
) -> Array:
    """The product over axes; its derivative is exact where factors are zero."""
    x = strong(a, "prod")
    to = total_dtype(aval_of(x).dtype) if dtype is None else np.dtype(dtype)
    reducer = lax.reduce_and if to.kind == "b" else lax.reduce_prod
    total = reduce(reducer, masked(astype(x, to), where, 1), axis, keepdims)
    return total if initial is None else total * initial_value(initial, to)


# ---- extremes ----


def _extreme(
    prefer: np.ufunc, a: ArrayLike, axis: Axes, keepdims: bool, initial: ArrayLike | None, where: ArrayLike
) -> Array:
    x = strong(a, prefer.__name__[:3])
    aval = aval_of(x)
    reducer = lax.reduce_max if prefer is np.maximum else lax.reduce_min
    if initial is None:
        if where is not True:
            raise ParameterError(
                prefer.__name__[:3], "where= without initial=", "initial=, the result where nothing is left"
            )
        return reduce(reducer, x, axis, keepdims)
    start = initial_value(initial, aval.dtype)
    x = masked(x, where, start)
    if aval.size == 0:
        return broadcast_to_shape(start, kept_shape(aval.shape, reduced_axes(axis, aval.ndim), keepdims))
    out: Array = prefer(reduce(reducer, x, axis, keepdims), start)
    return out


@implements(np.max, np.amax)
def max(
    a: ArrayLike,
    axis: Axes = None,
    *,
    keepdims: bool = False,
    initial: ArrayLike | None = None,
    where: ArrayLike = True,
) -> Array:
    """The maximum over axes; equal maxima share the derivative evenly.

    >>> import functrans as ft
    >>> ft.grad(np.max)(np.array([1.0, 3.0, 3.0]))
    array([0. , 0.5, 0.5])
    """
    return _extreme(np.maximum, a, axis, keepdims, initial, where)


@implements(np.min, np.amin)
def min(
    a: ArrayLike,
    axis: Axes = None,
    *,
    keepdims: bool = False,
    initial: ArrayLike | None = None,
    where: ArrayLike = True,
) -> Array:
    """The minimum over axes; equal minima share the derivative evenly."""
    return _extreme(np.minimum, a, axis, keepdims, initial, where)


amax, amin = max, min


@implements(np.ptp)
def ptp(a: ArrayLike, axis: Axes = None, *, keepdims: bool = False) -> Array:
    """Maximum minus minimum over axes."""
    out: Array = max(a, axis, keepdims=keepdims) - min(a, axis, keepdims=keepdims)
    return out


def _position(name: str, a: ArrayLike, axis: SupportsIndex | None, keepdims: bool) -> Array:
    x = strong(a, name)
    shape = aval_of(x).shape
    if axis is None:
        x, kept, axis = reshape(x, (aval_of(x).size,)), (1,) * len(shape), 0
    else:
        axis = axis_index(axis, len(shape))
        kept = kept_shape(shape, (axis,), True)
    if aval_of(x).shape[axis] == 0:
        raise ParameterError(name, f"an operand of type {aval_of(x)}", f"at least one element along axis {axis}")
    position = (lax.argmax if name == "argmax" else lax.argmin)(x, axis, INT)
    return reshape(position, kept) if keepdims else position


@implements(np.argmax)
def argmax(a: ArrayLike, axis: SupportsIndex | None = None, *, keepdims: bool = False) -> Array:
    """The position of the first maximum along an axis, or in the flattened array; an integer, derivative zero."""
    return _position("argmax", a, axis, keepdims)


@implements(np.argmin)
def argmin(a: ArrayLike, axis: SupportsIndex | None = None, *, keepdims: bool = False) -> Array:
    """The position of the first minimum along an axis, or in the flattened array; an integer, derivative zero."""
    return _position("argmin", a, axis, keepdims)


# ---- truth and counts ----


@implements(np.all)
def all(a: ArrayLike, axis: Axes = None, *, keepdims: bool = False, where: ArrayLike = True) -> Array:
    """Whether all elements over axes are true."""
    return reduce(lax.reduce_and, masked(astype(as_operand(a), BOOL), where, True), axis, keepdims)


@implements(np.any)
def any(a: ArrayLike, axis: Axes = None, *, keepdims: bool = False, where: ArrayLike = True) -> Array:
    """Whether any element over axes is true."""
    return reduce(lax.reduce_or, masked(astype(as_operand(a), BOOL), where, False), axis, keepdims)


@implements(np.count_nonzero)
def count_nonzero(a: ArrayLike, axis: Axes = None, *, keepdims: bool = False) -> Array:
    """The number of elements over axes that are not zero, as int64."""
    return sum(astype(as_operand(a), BOOL), axis, keepdims=keepdims)
