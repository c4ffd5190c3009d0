"""Order statistics: median, quantile, percentile, and those that leave out NaN.

All are entries of sorted rows, or lie between two of them: where, `_METHODS` says, by the names of Hyndman and Fan (Sample
quantiles in statistical packages, The American Statistician 50(4), 1996) and NumPy's others. Imports ops, the promotion rules
and `statistics`; start reading at `quantile`, then `_between`.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np

from functrans.core.primitive import Tracer, aval_of, is_concrete
from functrans.errors import OperandError, ParameterError
from functrans.numpy.cumulative import cumsum
from functrans.numpy.dispatch import implements
from functrans.numpy.operands import FLOAT64, INT, Axes, reduced_axes, shape_of, strong
from functrans.numpy.promotion import as_operand, astype
from functrans.numpy.reductions import kept_shape, sum
from functrans.numpy.selection import argsort, take, take_along_axis, where
from functrans.numpy.shapes import along, expand_dims, moveaxis, reshape, transpose
from functrans.numpy.statistics import fitted_weights, mean
from functrans.ops.sort import sort
from functrans.typing import Array, ArrayLike

__all__ = ["median", "nanmedian", "nanpercentile", "nanquantile", "percentile", "quantile"]

# ---- sorted rows ----


def _rows(x: Array, axis: Axes) -> tuple[Array, tuple[int, ...]]:
    """The operand with one last axis, which is made of the axes to reduce; and these axes."""
    shape = shape_of(x)
    axes = reduced_axes(axis, len(shape))
    rest = [i for i in range(len(shape)) if i not in axes]
    return reshape(transpose(x, [*rest, *axes]), [*(shape[i] for i in rest), prod(shape[i] for i in axes)]), axes


def _sorted(x: Array) -> Array:
    return sort(x, aval_of(x).ndim - 1)


def _entry(ordered: Array, position: int) -> Array:
    """The order statistic at a position, without its axis."""
    shape = shape_of(ordered)
    return reshape(along(ordered, len(shape) - 1, position, position + 1), shape[:-1])


def _has_nan(x: Array) -> bool:
    return aval_of(x).dtype.kind in "fc"


def _unless_nan(out: Array, ordered: Array) -> Array:
    """NaN where there is one in the row, which sorting put last."""
    if not _has_nan(ordered):
        return out
    last = _entry(ordered, shape_of(ordered)[-1] - 1)
    return where(np.isnan(last), astype(last, aval_of(out).dtype), out)


def _numbers(x: Array) -> Array:
    """How many elements of each row are no NaN."""
    return sum(~np.isnan(x), -1)


# ---- medians ----


@implements(np.median)
def median(a: ArrayLike, axis: Axes = None, *, keepdims: bool = False) -> Array:
    """The median over axes, NaN where there is a NaN; of integers as float64."""
    x = strong(a, "median")
    rows, axes = _rows(x, axis)
    ordered, count = _sorted(rows), shape_of(rows)[-1]
    if count == 0:
        middle = mean(ordered, -1)
    else:
        last = aval_of(ordered).ndim - 1
        middle = mean(along(ordered, last, (count - 1) // 2, count // 2 + 1), -1)
        middle = _unless_nan(middle, ordered)
    return reshape(middle, kept_shape(shape_of(x), axes, keepdims))


@implements(np.nanmedian)
def nanmedian(a: ArrayLike, axis: Axes = None, *, keepdims: bool = False) -> Array:
    """The median over axes of what is not NaN; NaN where there is nothing else."""
    x = strong(a, "nanmedian")
    rows, axes = _rows(x, axis)
    if not _has_nan(x) or shape_of(rows)[-1] == 0:
        return median(x, axis, keepdims=keepdims)
    ordered, count = _sorted(rows), expand_dims(_numbers(rows), (-1,))
    middle = [take_along_axis(ordered, np.maximum(i, 0), -1) for i in ((count - 1) // 2, count // 2)]
    same = where(middle[0] == middle[1], middle[0], (middle[0] + middle[1]) / 2)  # of infinities too
    return reshape(same, kept_shape(shape_of(x), axes, keepdims))


# ---- quantiles ----


def _spread(alpha: float, beta: float) -> Callable[[Any, Any], Any]:  # Any: see _METHODS
    return lambda n, q: n * q + (alpha + q * (1 - alpha - beta)) - 1


def _observation(shift: float, is_before: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """The observation before a place between two where `is_before(how far behind it, its number)`, else the next."""

    def position(n: Any, q: Any) -> Any:
        place = n * q - 1 - shift
        before = np.floor(place)
        return np.maximum(where(is_before(place - before, before), before, before + 1), 0)

    return position


_METHODS: dict[str, Callable[[Any, Any], Any]] = {  # Any: numbers and arrays, traced or not
    "inverted_cdf": _observation(0, lambda behind, _: behind == 0),
    "averaged_inverted_cdf": lambda n, q: n * q - 1,
    "closest_observation": _observation(0.5, lambda behind, before: (behind == 0) & (before % 2 == 1)),
    "interpolated_inverted_cdf": _spread(0, 1),
    "hazen": _spread(0.5, 0.5),
    "weibull": _spread(0, 0),
    "linear": lambda n, q: (n - 1) * q,
    "median_unbiased": _spread(1 / 3, 1 / 3),
    "normal_unbiased": _spread(3 / 8, 3 / 8),
    "lower": lambda n, q: np.floor((n - 1) * q),
    "higher": lambda n, q: np.ceil((n - 1) * q),
    "midpoint": lambda n, q: 0.5 * (np.floor((n - 1) * q) + np.ceil((n - 1) * q)),
    "nearest": lambda n, q: np.around((n - 1) * q),
}
"""Where the quantile `q` of `n` sorted numbers is, counted from 0."""
_ENTRIES = ("inverted_cdf", "closest_observation", "lower", "higher", "nearest")
"""The methods whose places are whole numbers."""


def _taken(ordered: Array, positions: Array) -> Array:
    """Entries of rows; positions have the axes of `q`, then those of the rows, which are of length 1 where all rows are alike."""
    rest = aval_of(ordered).ndim - 1
    shape = shape_of(positions)
    mine, theirs = shape[: len(shape) - rest], shape[len(shape) - rest :]
    if prod(theirs) == 1:
        found = take(ordered, reshape(positions, mine), -1)
        return moveaxis(found, range(rest, rest + len(mine)), range(len(mine)))
    flat = moveaxis(reshape(positions, (prod(mine), *theirs)), 0, -1)
    return reshape(moveaxis(take_along_axis(ordered, flat, -1), -1, 0), (*mine, *shape_of(ordered)[:-1]))


def _between(ordered: Array, q: Array, count: Any, method: str, is_weak: bool) -> Array:  # Any: see _METHODS
    """The quantiles of rows of which the first `count` entries are numbers: with the axes of `q` before those of the rows."""
    rest = aval_of(ordered).ndim - 1
    place = _METHODS[method](count, reshape(q, (*shape_of(q), *(1,) * rest)))
    last = np.maximum(count - 1, 0)
    is_whole = method in _ENTRIES or (method == "linear" and aval_of(place).dtype.kind in "iu")
    if is_whole:
        return _taken(ordered, astype(np.minimum(place, last), INT))
    before = np.floor(place)
    after = np.minimum(np.maximum(before + 1, 0), last)
    before = np.minimum(np.maximum(before, 0), last)
    share = _share(method, place, before)
    share = astype(share, aval_of(ordered).dtype) if is_weak and _has_nan(ordered) else share
    at = [_taken(ordered, astype(where(np.isnan(i), last, i), INT)) for i in (before, after)]
    difference = at[1] - at[0]
    return where(share >= 0.5, at[1] - difference * (1 - share), at[0] + difference * share)


def _share(method: str, place: Array, before: Array) -> Array:
    """How far behind the entry before it a place is, of the way to the next one."""
    behind = place - before
    if method == "averaged_inverted_cdf":
        return where(behind == 0, 0.5, 1.0)
    if method == "midpoint":
        return where(place % 1 == 0, 0.0, 0.5)
    return behind


def _checked(a: ArrayLike, q: ArrayLike, method: str, name: str, most: int) -> tuple[Array, Array, bool]:
    """The operand, `q` over `most`, and whether this is a Python number, whose dtype does not count."""
    x, at = strong(a, name), as_operand(q, name)
    if aval_of(x).dtype.kind == "c":
        raise OperandError(name, [str(aval_of(x))], "real numbers")
    if aval_of(at).ndim > 2:
        raise ParameterError(name, f"q of type {aval_of(at)}", "a number or a vector")
    if method not in _METHODS:
        raise ParameterError(name, f"method={method!r}", f"one of {', '.join(_METHODS)}")
    if is_concrete(at) and not np.all((at >= 0) & (at <= most)):
        raise ValueError(f"{'Quantiles' if most == 1 else 'Percentiles'} must be in the range [0, {most}]")
    is_weak = type(q) in (int, float) or (isinstance(q, Tracer) and aval_of(at).weak)
    at = astype(at, FLOAT64) if aval_of(at).weak and aval_of(at).dtype.kind == "f" else strong(at, name)
    return x, at if most == 1 else at / astype(np.float64(most), aval_of(x).dtype if _has_nan(x) else FLOAT64), is_weak


def _quantile(
    a: ArrayLike, q: ArrayLike, axis: Axes, method: str, keepdims: bool, weights: ArrayLike | None, name: str
) -> Array:
    """What the function of a name gives."""
    x, at, is_weak = _checked(a, q, method, name, 100 if name.endswith("percentile") else 1)
    leaves_nan = name.startswith("nan") and _has_nan(x)
    rows, axes = _rows(x, axis)
    if shape_of(rows)[-1] == 0:
        raise ParameterError(name, f"no elements along the axes of {aval_of(x)}", "at least one")
    if weights is not None:
        if method != "inverted_cdf":
            raise ParameterError(name, f"weights= with method={method!r}", "method='inverted_cdf'")
        ordered, out = _weighted(rows, at, _rows(fitted_weights(x, axis, as_operand(weights)), axis)[0], leaves_nan)
    else:
        ordered = _sorted(rows)
        out = _between(ordered, at, _numbers(rows) if leaves_nan else shape_of(rows)[-1], method, is_weak)
    out = out if leaves_nan else _unless_nan(out, ordered)
    return reshape(out, (*shape_of(at), *kept_shape(shape_of(x), axes, keepdims)))


def _weighted(rows: Array, q: Array, weights: Array, leaves_nan: bool) -> tuple[Array, Array]:
    """The sorted rows, and their entries at which the sums of the weights first reach the share `q` of all."""
    weights = astype(weights, FLOAT64)
    if is_concrete(weights) and np.any(weights < 0):
        raise ValueError("Weights must be non-negative.")
    weights = where(np.isnan(rows), 0.0, weights) if leaves_nan else weights
    order = argsort(rows, -1)
    ordered, totals = take_along_axis(rows, order, -1), cumsum(take_along_axis(weights, order, -1), -1)
    totals = totals / expand_dims(_entry(totals, shape_of(totals)[-1] - 1), (-1,))
    totals = astype(totals, aval_of(q).dtype) if aval_of(q).dtype.kind == "f" else totals
    totals = where(totals == 0, -1.0, totals)
    place = sum(totals < reshape(q, (*shape_of(q), *(1,) * aval_of(rows).ndim)), -1)
    return ordered, _taken(ordered, np.minimum(place, shape_of(rows)[-1] - 1))


@implements(np.quantile)
def quantile(
    a: ArrayLike,
    q: ArrayLike,
    axis: Axes = None,
    *,
    method: str = "linear",
    keepdims: bool = False,
    weights: ArrayLike | None = None,
) -> Array:
    """The quantiles `q` over axes, by all of NumPy's methods, with derivatives by `a` and, where it interpolates, by `q`.

    The result has the axes of `q` before those that are left of `a`; NaN where there is a NaN. `q` outside of [0, 1] raises
    ValueError where it is known; traced, it gives the extremes.

    >>> import functrans as ft
    >>> ft.grad(np.quantile)(np.array([3.0, 1.0, 2.0]), 0.75)
    array([0.5, 0. , 0.5])
    """
    return _quantile(a, q, axis, method, keepdims, weights, "quantile")


@implements(np.percentile)
def percentile(
    a: ArrayLike,
    q: ArrayLike,
    axis: Axes = None,
    *,
    method: str = "linear",
    keepdims: bool = False,
    weights: ArrayLike | None = None,
) -> Array:
    """`quantile` of `q` / 100."""
    return _quantile(a, q, axis, method, keepdims, weights, "percentile")


@implements(np.nanquantile)
def nanquantile(
    a: ArrayLike,
    q: ArrayLike,
    axis: Axes = None,
    *,
    method: str = "linear",
    keepdims: bool = False,
    weights: ArrayLike | None = None,
) -> Array:
    """`quantile` of what is not NaN; NaN where there is nothing else."""
    return _quantile(a, q, axis, method, keepdims, weights, "nanquantile")


@implements(np.nanpercentile)
def nanpercentile(
    a: ArrayLike,
    q: ArrayLike,
    axis: Axes = None,
    *,
    method: str = "linear",
    keepdims: bool = False,
    weights: ArrayLike | None = None,
) -> Array:
    """`nanquantile` of `q` / 100."""
    return _quantile(a, q, axis, method, keepdims, weights, "nanpercentile")
