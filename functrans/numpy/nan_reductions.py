"""Reductions that leave out NaN: nansum, nanmean, nanmax, nanvar, ….

What is NaN is replaced before the reduction, so its derivative is zero. Where NumPy warns of a slice of nothing but NaN, or
raises for nanargmax, nothing can be said while values are unknown: the results are NumPy's NaN, and position 0. Imports
the promotion rules and the plain reductions; start reading at `nansum`.
"""

from __future__ import annotations

from typing import SupportsIndex

import numpy as np

from functrans.core.primitive import aval_of
from functrans.errors import ParameterError
from functrans.numpy.cumulative import cumprod, cumsum
from functrans.numpy.dispatch import implements
from functrans.numpy.operands import Axes, strong
from functrans.numpy.promotion import astype
from functrans.numpy.reductions import all, argmax, argmin, masked, max, min, prod, sum
from functrans.numpy.selection import where as choose
from functrans.numpy.statistics import divided, flat_sqrt, item_count, mean, squared_modulus, var
from functrans.typing import Array, ArrayLike, DTypeLike


def _filled(a: ArrayLike, filler: float, name: str) -> Array:
    """The operand with `filler` for NaN."""
    x = strong(a, name)
    return masked(x, ~np.isnan(x), filler) if aval_of(x).dtype.kind in "fc" else x


def _present(x: Array, where: ArrayLike) -> ArrayLike:
    """The mask of what is not NaN and not masked out."""
    if aval_of(x).dtype.kind not in "fc":
        return where
    return ~np.isnan(x) if where is True else ~np.isnan(x) & where


@implements(np.nansum)
def nansum(
    a: ArrayLike,
    axis: Axes = None,
    dtype: DTypeLike | None = None,
    *,
    keepdims: bool = False,
    initial: ArrayLike | None = None,
    where: ArrayLike = True,
) -> Array:
    """The sum over axes of what is not NaN."""
    return sum(_filled(a, 0, "nansum"), axis, dtype, keepdims=keepdims, initial=initial, where=where)


@implements(np.nanprod)
def nanprod(
    a: ArrayLike,
    axis: Axes = None,
    dtype: DTypeLike | None = None,
    *,
    keepdims: bool = False,
    initial: ArrayLike | None = None,
    where: ArrayLike = True,
) -> Array:
    """The product over axes of what is not NaN."""
    return prod(_filled(a, 1, "nanprod"), axis, dtype, keepdims=keepdims, initial=initial, where=where)


@implements(np.nancumsum)
def nancumsum(a: ArrayLike, axis: SupportsIndex | None = None, dtype: DTypeLike | None = None) -> Array:
    """The running sum of what is not NaN."""
    return cumsum(_filled(a, 0, "nancumsum"), axis, dtype)


@implements(np.nancumprod)
def nancumprod(a: ArrayLike, axis: SupportsIndex | None = None, dtype: DTypeLike | None = None) -> Array:
    """The running product of what is not NaN."""
    return cumprod(_filled(a, 1, "nancumprod"), axis, dtype)


# ---- extremes ----


@implements(np.nanmax)
def nanmax(
    a: ArrayLike,
    axis: Axes = None,
    *,
    keepdims: bool = False,
    initial: ArrayLike | None = None,
    where: ArrayLike = True,
) -> Array:
    """The maximum over axes of what is not NaN; NaN where there is nothing else."""
    x = strong(a, "nanmax")
    out = max(_filled(x, -np.inf, "nanmax"), axis, keepdims=keepdims, initial=initial, where=where)
    return _nan_where_all_are(out, x, axis, keepdims, initial)


@implements(np.nanmin)
def nanmin(
    a: ArrayLike,
    axis: Axes = None,
    *,
    keepdims: bool = False,
    initial: ArrayLike | None = None,
    where: ArrayLike = True,
) -> Array:
    """The minimum over axes of what is not NaN; NaN where there is nothing else."""
    x = strong(a, "nanmin")
    out = min(_filled(x, np.inf, "nanmin"), axis, keepdims=keepdims, initial=initial, where=where)
    return _nan_where_all_are(out, x, axis, keepdims, initial)


def _nan_where_all_are(out: Array, x: Array, axis: Axes, keepdims: bool, initial: ArrayLike | None) -> Array:
    if aval_of(x).dtype.kind not in "fc" or initial is not None:
        return out
    return choose(all(np.isnan(x), axis, keepdims=keepdims), np.nan, out)


@implements(np.nanargmax)
def nanargmax(a: ArrayLike, axis: SupportsIndex | None = None, *, keepdims: bool = False) -> Array:
    """The position of the first maximum of what is not NaN."""
    return argmax(_filled(a, -np.inf, "nanargmax"), axis, keepdims=keepdims)


@implements(np.nanargmin)
def nanargmin(a: ArrayLike, axis: SupportsIndex | None = None, *, keepdims: bool = False) -> Array:
    """The position of the first minimum of what is not NaN."""
    return argmin(_filled(a, np.inf, "nanargmin"), axis, keepdims=keepdims)


# ---- moments ----


def _check_inexact(dtype: DTypeLike | None) -> None:
    if dtype is not None and np.dtype(dtype).kind not in "fc":
        raise TypeError("If a is inexact, then dtype must be inexact")


@implements(np.nanmean)
def nanmean(
    a: ArrayLike, axis: Axes = None, dtype: DTypeLike | None = None, *, keepdims: bool = False, where: ArrayLike = True
) -> Array:
    """The mean over axes of what is not NaN."""
    x = strong(a, "nanmean")
    if aval_of(x).dtype.kind not in "fc":
        return mean(x, axis, dtype, keepdims=keepdims, where=where)
    _check_inexact(dtype)
    total = sum(_filled(x, 0, "nanmean"), axis, dtype, keepdims=keepdims, where=where)
    return divided(total, item_count(x, axis, keepdims, _present(x, where)))


@implements(np.nanvar)
def nanvar(
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
    """The variance over axes of what is not NaN; NaN where no more than ddof elements are left."""
    x = strong(a, "nanvar")
    if aval_of(x).dtype.kind not in "fc":
        return var(x, axis, dtype, ddof=ddof, keepdims=keepdims, where=where, mean=mean, correction=correction)
    _check_inexact(dtype)
    if ddof and correction is not None:
        raise ParameterError("nanvar", "both ddof= and correction=", "one of them")
    present = _present(x, where)
    center = nanmean(x, axis, dtype, keepdims=True, where=where) if mean is None else mean
    ddof = ddof if correction is None else correction
    total = sum(squared_modulus(masked(x - center, present, 0)), axis, dtype, keepdims=keepdims)
    left = item_count(x, axis, keepdims, present) - ddof
    return choose(left > 0, divided(total, np.maximum(left, 1)), np.nan)


@implements(np.nanstd)
def nanstd(
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
    """The standard deviation over axes of what is not NaN; its derivative where all are equal is 0."""
    spread = nanvar(a, axis, dtype, ddof=ddof, keepdims=keepdims, where=where, mean=mean, correction=correction)
    return flat_sqrt(spread) if dtype is None else astype(flat_sqrt(spread), dtype)
