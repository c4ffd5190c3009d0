"""How many elements fall into bins: bincount, histogram, histogram2d, histogramdd, histogram_bin_edges.

Counts do not move with the elements, but sums of weights are differentiable in the weights. Imports `searching` and `at`;
start reading at `histogram`.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from functrans.core.primitive import aval_of
from functrans.errors import ParameterError, ValueDependentShapeError
from functrans.numpy.at import at
from functrans.numpy.creation import linspace
from functrans.numpy.cumulative import diff
from functrans.numpy.dispatch import implements
from functrans.numpy.dispatch import where as user_line
from functrans.numpy.operands import FLOAT64, INT, known, shape_of, strong
from functrans.numpy.promotion import as_operand, astype, to_common_dtype
from functrans.numpy.reductions import max, min, sum
from functrans.numpy.searching import position
from functrans.numpy.selection import where
from functrans.numpy.shapes import ravel, reshape, transpose
from functrans.typing import Array, ArrayLike

__all__ = ["bincount", "histogram", "histogram2d", "histogram_bin_edges", "histogramdd"]

Bins = int | str | ArrayLike
Range = tuple[ArrayLike, ArrayLike] | None


def _totals(numbers: Array, count: int, weights: Array | None) -> Array:
    """For each of `count` bins, how often its number occurs, or what its elements weigh; numbers out of range are left out."""
    zeros = np.zeros(count, INT if weights is None else aval_of(weights).dtype)
    return at(zeros)[where(numbers < 0, count, numbers)].add(1 if weights is None else weights, mode="drop")


@implements(np.bincount, more=("length",))
def bincount(
    x: ArrayLike, /, weights: ArrayLike | None = None, minlength: int = 0, *, length: int | None = None
) -> Array:
    """How often each of 0, 1, … occurs in a vector, or the sum of the weights where it does, as float64.

    length: how many numbers to count, the others left out. Without it `x` has to be known: else ValueDependentShapeError.

    >>> import functrans as ft
    >>> ft.grad(lambda w: np.bincount([0, 2, 2], w)[2])(np.ones(3))
    array([0., 1., 1.])
    >>> ft.jit(lambda x: ft.numpy.bincount(x, length=4))(np.array([0, 2, 2]))
    array([1, 0, 2, 0])
    """
    numbers = strong(x, "bincount")
    if aval_of(numbers).dtype.kind not in "iub" or aval_of(numbers).ndim != 1:
        raise TypeError(f"bincount got x of type {aval_of(numbers)}; it needs a vector of integers.")
    told = known(numbers)
    if length is None:
        if told is None:
            fix = "Write functrans.numpy.bincount(x, weights, length=n), with the number of bins n."
            raise ValueDependentShapeError("bincount", "x", fix, user_line())
        length = int(np.max(told, initial=-1)) + 1
    if told is not None and np.any(told < 0):
        raise ValueError("'x' argument must have no negative elements")
    given = None if weights is None else astype(as_operand(weights), FLOAT64)
    if given is not None and shape_of(given) != shape_of(numbers):
        raise ValueError("The weights and list don't have the same length.")
    if minlength < 0:
        raise ValueError("'minlength' must not be negative")
    return _totals(astype(numbers, INT), int(np.maximum(length, minlength)), given)


# ---- edges ----


def _edges(a: Array, bins: Bins, limits: Range, weights: Array | None, name: str) -> Array:
    """The edges of bins: those given, or so many of equal width from the first to the last element."""
    if isinstance(bins, str):
        told = known(a)
        if told is None:
            raise ValueDependentShapeError(name, "a", "Pass a number of bins, or their edges.", user_line())
        spread: tuple[float, float] | None = None if limits is None else (float(limits[0]), float(limits[1]))  # type: ignore[arg-type]
        return np.histogram_bin_edges(told, bins, spread, known(weights) if weights is not None else None)
    if np.ndim(bins) == 1:
        edges = strong(bins, name)
        told = known(edges)
        if told is not None and np.any(told[:-1] > told[1:]):
            raise ValueError("`bins` must increase monotonically, when an array")
        return edges
    if np.ndim(bins) != 0:
        raise ValueError("`bins` must be 1d, when an array")
    count = int(bins)  # type: ignore[arg-type]  # it is a number
    if count < 1:
        raise ValueError("`bins` must be positive, when an integer")
    return _even_edges(a, count, limits)


def _even_edges(a: Array, count: int, limits: Range) -> Array:
    if limits is not None and all(known(limit) is not None for limit in limits):
        fixed: Array = np.histogram_bin_edges(np.zeros(0, aval_of(a).dtype), count, limits)  # type: ignore[arg-type]
        return fixed
    if limits is not None:
        first, last = limits
    else:
        first, last = (min(a), max(a)) if aval_of(a).size else (0, 1)
    first, last = to_common_dtype(as_operand(first), as_operand(last))
    dtype = np.result_type(aval_of(first).dtype, aval_of(a).dtype)
    dtype = np.result_type(dtype, FLOAT64) if dtype.kind in "biu" else dtype
    first, last = astype(first, dtype), astype(last, dtype)
    is_point = first == last
    ends = where(is_point, first - 0.5, first), where(is_point, last + 0.5, last)
    edges: Any = linspace(*ends, count + 1, dtype=dtype)  # Any: it gives a tuple with retstep=True
    return astype(edges, dtype)


@implements(np.histogram_bin_edges)
def histogram_bin_edges(a: ArrayLike, bins: Bins = 10, range: Range = None, weights: ArrayLike | None = None) -> Array:
    """The edges that `histogram` would count between."""
    given = None if weights is None else as_operand(weights)
    return _edges(ravel(strong(a, "histogram_bin_edges")), bins, range, given, "histogram_bin_edges")


# ---- counts ----


def _number(x: Array, edges: Array) -> Array:
    """The number of the bin of each element, of which the last one has its upper edge too; -1 outside of them."""
    last = shape_of(edges)[0] - 1
    x, edges = to_common_dtype(x, edges)
    number = where(x == edges[last], last, position(edges, x, "right")) - 1
    return where((x >= edges[0]) & (x <= edges[last]), number, -1)


@implements(np.histogram)
def histogram(
    a: ArrayLike, bins: Bins = 10, range: Range = None, density: bool | None = None, weights: ArrayLike | None = None
) -> tuple[Array, Array]:
    """How many elements are in each bin, and the edges of the bins; or what their weights add up to, or their density.

    >>> import functrans as ft
    >>> ft.jit(lambda x: np.histogram(x, 2)[0])(np.array([0.0, 0.1, 1.0]))
    array([2, 1])
    """
    x = strong(a, "histogram")
    given = None if weights is None else strong(weights, "histogram")
    if given is not None and shape_of(given) != shape_of(x):
        raise ValueError("weights should have the same shape as a.")
    x, given = ravel(x), None if given is None else ravel(given)
    edges = _edges(x, bins, range, given, "histogram")
    totals = _totals(_number(x, edges), shape_of(edges)[0] - 1, given)
    return totals / astype(diff(edges), FLOAT64) / sum(totals) if density else totals, edges


def _columns(sample: ArrayLike | Sequence[ArrayLike]) -> list[Array]:
    """The coordinates of points: the columns of a matrix, or a vector each."""
    if isinstance(sample, list | tuple):
        return [ravel(strong(column, "histogramdd")) for column in sample]
    x = strong(sample, "histogramdd")  # type: ignore[arg-type]  # no sequence any more
    rows = transpose(x) if aval_of(x).ndim == 2 else reshape(x, (1, -1))
    return list(rows)


def _count(bins: Bins | Sequence[Bins]) -> int | None:
    """How many entries `bins=` has; None for a number or a rule's name."""
    if isinstance(bins, str) or (not isinstance(bins, list | tuple) and np.ndim(bins) == 0):  # type: ignore[arg-type]
        return None
    return len(bins)  # type: ignore[arg-type]  # a sequence


@implements(np.histogramdd)
def histogramdd(
    sample: ArrayLike | Sequence[ArrayLike],
    bins: Bins | Sequence[Bins] = 10,
    range: Sequence[Range] | None = None,
    density: bool | None = None,
    weights: ArrayLike | None = None,
) -> tuple[Array, list[Array]]:
    """How many points, the rows of `sample`, are in each cell of a grid, as float64; and the edges along each axis."""
    columns = _columns(sample)
    each = [bins] * len(columns) if _count(bins) is None else list(bins)  # type: ignore[arg-type]  # it is a sequence
    limits = [None] * len(columns) if range is None else list(range)
    if len(each) != len(columns):
        raise ValueError("The dimension of bins must be equal to the dimension of the sample x.")
    if len(limits) != len(columns):
        raise ParameterError("histogramdd", f"range for {len(limits)} axes", f"for {len(columns)}")
    edges = [_edges(x, n, limit, None, "histogramdd") for x, n, limit in zip(columns, each, limits, strict=True)]  # type: ignore[arg-type]
    counts = [shape_of(edge)[0] - 1 for edge in edges]
    cell, is_outside = np.zeros((), INT), np.zeros((), bool)
    for x, edge, count in zip(columns, edges, counts, strict=True):
        number = _number(x, edge)
        cell, is_outside = cell * count + number, is_outside | (number < 0)
    given = np.ones(shape_of(columns[0])) if weights is None else astype(strong(weights, "histogramdd"), FLOAT64)
    totals = reshape(_totals(where(is_outside, -1, cell), prod(counts), given), counts)
    if density:
        totals = totals / sum(totals)
        for axis, edge in enumerate(edges):
            totals = totals / reshape(diff(edge), (-1, *(1,) * (len(edges) - 1 - axis)))
    return totals, edges


@implements(np.histogram2d)
def histogram2d(
    x: ArrayLike,
    y: ArrayLike,
    bins: Bins | Sequence[Bins] = 10,
    range: Sequence[Range] | None = None,
    density: bool | None = None,
    weights: ArrayLike | None = None,
) -> tuple[Array, Array, Array]:
    """`histogramdd` of points in the plane: the counts, and the edges along both axes."""
    if shape_of(as_operand(x)) != shape_of(as_operand(y)):
        raise ValueError("x and y must have the same length.")
    if _count(bins) not in (None, 1, 2):
        bins = [bins, bins]  # type: ignore[list-item]  # the edges along both
    totals, (first, second) = histogramdd([x, y], bins, range, density, weights)
    return totals, first, second
