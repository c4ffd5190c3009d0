"""Moments: mean, average, var, std. Order statistics are in `quantiles`.

Imports ops, the promotion rules and `reductions`; start reading at `mean`.
"""

from __future__ import annotations

from math import prod

import numpy as np

from functrans.core.primitive import Tracer, aval_of
from functrans.errors import ParameterError
from functrans.numpy.dispatch import implements
from functrans.numpy.operands import FLOAT32, FLOAT64, INT, Axes, axis_indices, mask_of, reduced_axes, strong
from functrans.numpy.promotion import as_operand, astype, broadcast_to_shape
from functrans.numpy.reductions import sum
from functrans.numpy.shapes import reshape, transpose
from functrans.ops.complex import imag, real
from functrans.ops.select import select
from functrans.typing import Array, ArrayLike, DType, DTypeLike

# ---- moments ----


def item_count(x: Array, axis: Axes, keepdims: bool, where: ArrayLike) -> Array:
    """How many elements (that the mask selects) a reduction combines, as int64."""
    shape = aval_of(x).shape
    if where is True:
        return np.asarray(prod(shape[i] for i in reduced_axes(axis, len(shape))), INT)[()]
    return sum(mask_of(where, shape), axis, keepdims=keepdims)


def divided(total: Array, count: Array) -> Array:
    """`total / count` in the dtype of the total; as in NumPy computed with the precision of an int64 and rounded once."""
    dtype = aval_of(total).dtype
    if dtype in (FLOAT32, FLOAT64):  # the same value in one step
        return total / astype(count, dtype)
    wide = np.result_type(dtype, FLOAT64)
    return astype(astype(total, wide) / astype(count, wide), dtype)


def _float_dtype(x: Array) -> DType:
    dtype = aval_of(x).dtype
    return FLOAT64 if dtype.kind in "biu" else dtype


@implements(np.mean)
def mean(
    a: ArrayLike,
    axis: Axes = None,
    dtype: DTypeLike | None = None,
    *,
    keepdims: bool = False,
    where: ArrayLike = True,
) -> Array:
    """The arithmetic mean over axes; of integers as float64, of float16 computed in float32."""
    x = strong(a, "mean")
    half = dtype is None and aval_of(x).dtype == np.float16
    to = np.dtype(dtype) if dtype is not None else FLOAT32 if half else _float_dtype(x)
    average = divided(sum(x, axis, to, keepdims=keepdims, where=where), item_count(x, axis, keepdims, where))
    return astype(average, np.dtype(np.float16)) if half else average


@implements(np.var)
def var(
    a: ArrayLike,
    axis: Axes = None,
    dtype: DTypeLike | None = None,
    *,
    ddof: float = 0,
    keepdims: bool = False,
    where: ArrayLike = True,
    mean: ArrayLike | None = None,
    correction: float | None = None,
) -> Array:
    """The variance over axes: the mean of |x - mean|², divided by n - ddof (`correction` is another name of ddof)."""
    if correction is not None:
        if ddof != 0:
            raise ParameterError("var", "both ddof= and correction=", "one of them")
        ddof = correction
    x = strong(a, "var")
    to = np.dtype(dtype) if dtype is not None else _float_dtype(x)
    center = as_operand(mean) if mean is not None else _kept_mean(x, axis, to, where)
    total = sum(squared_modulus(x - center), axis, to.type(0).real.dtype, keepdims=keepdims, where=where)
    out = divided(total, np.maximum(item_count(x, axis, keepdims, where) - ddof, 0))
    return out if dtype is None else astype(out, to)


def _kept_mean(x: Array, axis: Axes, dtype: DType, where: ArrayLike) -> Array:
    return divided(sum(x, axis, dtype, keepdims=True, where=where), item_count(x, axis, True, where))


def squared_modulus(x: Array) -> Array:
    """|x|², real."""
    if aval_of(x).dtype.kind != "c":
        return x * x
    square: Array = real(x) * real(x) + imag(x) * imag(x)
    return square


def flat_sqrt(x: Array) -> Array:
    """The square root of what is not negative, with derivative 0 instead of infinity where it is 0."""
    positive = x > 0
    return select(positive, np.sqrt(select(positive, x, np.ones_like(x))), x)


@implements(np.std)
def std(
    a: ArrayLike,
    axis: Axes = None,
    dtype: DTypeLike | None = None,
    *,
    ddof: float = 0,
    keepdims: bool = False,
    where: ArrayLike = True,
    mean: ArrayLike | None = None,
    correction: float | None = None,
) -> Array:
    """The standard deviation over axes, the root of `var`; its derivative where all elements are equal is 0.

    >>> import functrans as ft
    >>> ft.grad(np.std)(np.array([1.0, 1.0]))
    array([0., 0.])
    """
    spread = var(a, axis, dtype, ddof=ddof, keepdims=keepdims, where=where, mean=mean, correction=correction)
    return flat_sqrt(spread) if dtype is None else astype(flat_sqrt(spread), dtype)


@implements(np.average)
def average(
    a: ArrayLike,
    axis: Axes = None,
    weights: ArrayLike | None = None,
    returned: bool = False,
    *,
    keepdims: bool = False,
) -> Array | tuple[Array, Array]:
    """The weighted mean over axes, with `returned` also the sum of the weights.

    Weights that sum to zero raise ZeroDivisionError where the sum is known; traced, they give what the division gives.
    """
    x = strong(a, "average")
    if weights is None:
        out = mean(x, axis, keepdims=keepdims)
        scale = np.asarray(item_count(x, axis, keepdims, True)).astype(aval_of(out).dtype)
    else:
        weight = fitted_weights(x, axis, as_operand(weights))
        to = np.result_type(
            aval_of(x).dtype, aval_of(weight).dtype, *([FLOAT64] if aval_of(x).dtype.kind in "biu" else [])
        )
        scale = sum(weight, axis, to, keepdims=keepdims)
        if not isinstance(scale, Tracer) and np.any(scale == 0):
            raise ZeroDivisionError("Weights sum to zero, can't be normalized")
        out = sum(astype(x, to) * astype(weight, to), axis, keepdims=keepdims) / scale
    return (out, broadcast_to_shape(scale, aval_of(out).shape)) if returned else out


def fitted_weights(x: Array, axis: Axes, weights: Array) -> Array:
    """The weights with the axes of `x`, each of which is that of `x` or 1."""
    shape, given = aval_of(x).shape, aval_of(weights).shape
    if given == shape:
        return weights
    if axis is None:
        raise TypeError("Axis must be specified when shapes of a and weights differ.")
    axes = axis_indices(axis, len(shape))
    if given != tuple(shape[i] for i in axes):
        raise ParameterError(
            "average", f"weights of shape {given}", f"those of the operand or {tuple(shape[i] for i in axes)}"
        )
    weights = transpose(weights, sorted(range(len(axes)), key=axes.__getitem__))
    return broadcast_to_shape(reshape(weights, [n if i in axes else 1 for i, n in enumerate(shape)]), shape)
