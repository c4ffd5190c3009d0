"""Running totals and differences along an axis: cumsum, cumprod, diff, trapezoid, gradient, unwrap.

Imports ops, the promotion rules and `reductions`; start reading at `cumsum`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import SupportsIndex

import numpy as np

from functrans.core.primitive import aval_of
from functrans.errors import OperandError, ParameterError
from functrans.numpy.dispatch import implements
from functrans.numpy.joining import concatenate
from functrans.numpy.operands import FLOAT64, axis_index, axis_indices, shape_of, strong
from functrans.numpy.promotion import as_operand, astype, broadcast_to_shape
from functrans.numpy.reductions import sum, total_dtype
from functrans.numpy.selection import where
from functrans.numpy.shapes import along, moveaxis
from functrans.ops import cumulative as lax
from functrans.ops.shape import reshape
from functrans.typing import Array, ArrayLike, DTypeLike

# ---- running totals ----


def _accumulate(
    total: Callable[[Array, int], Array], x: Array, axis: SupportsIndex | None, dtype: DTypeLike | None
) -> Array:
    shape = shape_of(x)
    if not shape or axis is None:
        x, axis = reshape(x, (aval_of(x).size,)), 0 if axis is None else axis_index(axis, 1)
    to = total_dtype(aval_of(x).dtype) if dtype is None else np.dtype(dtype)
    return total(astype(x, to), axis_index(axis, aval_of(x).ndim))


@implements(np.cumsum)
def cumsum(a: ArrayLike, axis: SupportsIndex | None = None, dtype: DTypeLike | None = None) -> Array:
    """The running sum along an axis, or of the flattened array; small integers and booleans as int64 or uint64."""
    return _accumulate(lax.cumsum, strong(a, "cumsum"), axis, dtype)


@implements(np.cumprod)
def cumprod(a: ArrayLike, axis: SupportsIndex | None = None, dtype: DTypeLike | None = None) -> Array:
    """The running product along an axis, or of the flattened array; its derivative is exact where factors are zero.

    >>> import functrans as ft
    >>> ft.jacrev(np.cumprod)(np.array([0.0, 2.0]))
    array([[1., 0.],
           [2., 0.]])
    """
    return _accumulate(lax.cumprod, strong(a, "cumprod"), axis, dtype)


def _cumulative(
    total: Callable[[Array, int], Array],
    x: Array,
    axis: SupportsIndex | None,
    dtype: DTypeLike | None,
    first: int | None,
) -> Array:
    ndim = aval_of(x).ndim
    if axis is None:
        if ndim != 1:
            raise ParameterError(
                "cumulative_sum", f"no axis= for {ndim} dimensions", "axis= unless there is one dimension"
            )
        axis = 0
    out = _accumulate(total, x, axis, dtype)
    if first is None:
        return out
    axis, shape = axis_index(axis, ndim), shape_of(out)
    initial = np.full((*shape[:axis], 1, *shape[axis + 1 :]), first, aval_of(out).dtype)
    return concatenate([initial, out], axis)


@implements(np.cumulative_sum)
def cumulative_sum(
    x: ArrayLike, /, *, axis: SupportsIndex | None = None, dtype: DTypeLike | None = None, include_initial: bool = False
) -> Array:
    """The running sum along an axis, after a zero if `include_initial`."""
    return _cumulative(lax.cumsum, strong(x, "cumulative_sum"), axis, dtype, 0 if include_initial else None)


@implements(np.cumulative_prod)
def cumulative_prod(
    x: ArrayLike, /, *, axis: SupportsIndex | None = None, dtype: DTypeLike | None = None, include_initial: bool = False
) -> Array:
    """The running product along an axis, after a one if `include_initial`."""
    return _cumulative(lax.cumprod, strong(x, "cumulative_prod"), axis, dtype, 1 if include_initial else None)


# ---- differences ----


def _edge(x: Array, value: ArrayLike, axis: int) -> Array:
    """What diff puts before or after: an array, or a scalar repeated to length 1 along the axis."""
    edge, shape = strong(value, "diff"), shape_of(x)
    return edge if shape_of(edge) else broadcast_to_shape(edge, (*shape[:axis], 1, *shape[axis + 1 :]))


@implements(np.diff)
def diff(
    a: ArrayLike,
    n: int = 1,
    axis: SupportsIndex = -1,
    prepend: ArrayLike | None = None,
    append: ArrayLike | None = None,
) -> Array:
    """The n-th difference of neighbours along an axis; of booleans whether they differ."""
    x = strong(a, "diff")
    if n == 0:
        return x
    if n < 0 or aval_of(x).ndim == 0:
        raise ParameterError("diff", f"n={n} for an operand of type {aval_of(x)}", "n >= 0 and at least one dimension")
    axis = axis_index(axis, aval_of(x).ndim)
    before = [] if prepend is None else [_edge(x, prepend, axis)]
    after = [] if append is None else [_edge(x, append, axis)]
    if before or after:
        x = concatenate([*before, x, *after], axis)
    for _ in range(n):
        size = shape_of(x)[axis]
        minus = np.not_equal if aval_of(x).dtype.kind == "b" else np.subtract
        x = minus(along(x, axis, min(1, size), size), along(x, axis, 0, max(size - 1, 0)))
    return x


@implements(np.ediff1d)
def ediff1d(ary: ArrayLike, to_end: ArrayLike | None = None, to_begin: ArrayLike | None = None) -> Array:
    """The differences of neighbours in the flattened array, between `to_begin` and `to_end`, which take its dtype."""
    x = strong(ary, "ediff1d")
    x = reshape(x, (aval_of(x).size,))
    edges = [None if edge is None else _flat_edge(strong(edge, "ediff1d"), x) for edge in (to_begin, to_end)]
    parts = [part for part in (edges[0], diff(x), edges[1]) if part is not None]
    return concatenate(parts)


def _flat_edge(edge: Array, x: Array) -> Array:
    if not np.can_cast(aval_of(edge).dtype, aval_of(x).dtype, "same_kind"):
        raise OperandError(
            "ediff1d", [str(aval_of(x)), str(aval_of(edge))], "edges that cast to the dtype of the array"
        )
    return astype(reshape(edge, (aval_of(edge).size,)), aval_of(x).dtype)


@implements(np.trapezoid)
def trapezoid(y: ArrayLike, x: ArrayLike | None = None, dx: ArrayLike = 1.0, axis: SupportsIndex = -1) -> Array:
    """The integral of samples `y` along an axis by the trapezoidal rule, at points `x` or spaced by `dx`."""
    values = strong(y, "trapezoid")
    axis, ndim = axis_index(axis, aval_of(values).ndim), aval_of(values).ndim
    step = as_operand(dx, "trapezoid")
    if x is not None:
        points = strong(x, "trapezoid")
        step = diff(points) if aval_of(points).ndim == 1 else diff(points, axis=axis)
        if aval_of(points).ndim == 1:
            step = reshape(step, [shape_of(step)[0] if i == axis else 1 for i in range(ndim)])
    size = shape_of(values)[axis]
    pairs = along(values, axis, min(1, size), size) + along(values, axis, 0, max(size - 1, 0))
    return sum(step * pairs / 2.0, axis)


@implements(np.unwrap)
def unwrap(p: ArrayLike, discont: float | None = None, axis: SupportsIndex = -1, *, period: float = 2 * np.pi) -> Array:
    """The phases with jumps of more than half a period along an axis replaced by their complement."""
    x = strong(p, "unwrap")
    step = diff(x, axis=axis)
    dtype = np.result_type(aval_of(step).dtype, period)
    high, rest = divmod(period, 2) if dtype.kind in "iu" else (period / 2, 0)
    wrapped = np.mod(step + high, period) - high
    if rest == 0:
        wrapped = where((wrapped == -high) & (step > 0), high, wrapped)
    jump = where(np.abs(step) < (period / 2 if discont is None else discont), 0, wrapped - step)
    axis, size = axis_index(axis, aval_of(x).ndim), shape_of(x)[axis]
    rest_of = astype(along(x, axis, min(1, size), size) + cumsum(jump, axis), dtype)
    return concatenate([astype(along(x, axis, 0, min(1, size)), dtype), rest_of], axis)


# ---- derivatives on a grid ----


@implements(np.gradient)
def gradient(
    f: ArrayLike, *varargs: ArrayLike, axis: SupportsIndex | Sequence[SupportsIndex] | None = None, edge_order: int = 1
) -> Array | tuple[Array, ...]:
    """The derivative of samples on a grid by central differences, one-sided at the ends; a tuple for several axes.

    `varargs` are spacings or coordinates, for all axes or for each.
    """
    x = strong(f, "gradient")
    x = astype(x, FLOAT64) if aval_of(x).dtype.kind in "biu" else x
    axes = tuple(range(aval_of(x).ndim)) if axis is None else axis_indices(axis, aval_of(x).ndim)
    spacings = [as_operand(value, "gradient") for value in varargs or (1.0,)]
    if len(spacings) == 1 and aval_of(spacings[0]).ndim == 0:
        spacings *= len(axes)
    if len(spacings) != len(axes):
        raise ParameterError("gradient", f"{len(spacings)} spacings", f"one, or one for each of the axes {axes}")
    if edge_order not in (1, 2):
        raise ParameterError("gradient", f"edge_order={edge_order}", "1 or 2")
    outs = tuple(_gradient_along(x, i, spacing, edge_order) for i, spacing in zip(axes, spacings, strict=True))
    return outs[0] if len(outs) == 1 else outs


def _gradient_along(x: Array, axis: int, spacing: Array, edge_order: int) -> Array:
    dtype, size = aval_of(x).dtype, shape_of(x)[axis]
    f = moveaxis(x, axis, 0)
    if size < edge_order + 1:
        raise ParameterError("gradient", f"{size} elements along axis {axis}", f"at least {edge_order + 1}")
    steps = _grid_steps(spacing, size, aval_of(x).ndim)

    def at(first: int, count: int) -> Array:
        return along(f, 0, first % size, first % size + count)

    if steps is None:
        h = [spacing] * 4
        inside = (at(2, size - 2) - at(0, size - 2)) / (2.0 * spacing) if size > 2 else at(0, 0)
    else:
        h1, h2 = along(steps, 0, 0, size - 2), along(steps, 0, 1, size - 1)
        a, b, c = -h2 / (h1 * (h1 + h2)), (h2 - h1) / (h1 * h2), h1 / (h2 * (h1 + h2))
        inside = a * at(0, size - 2) + b * at(1, size - 2) + c * at(2, size - 2) if size > 2 else at(0, 0)
        h = [along(steps, 0, i % (size - 1), i % (size - 1) + 1) for i in (0, 1, -2, -1)]
    if edge_order == 1:
        first, last = (at(1, 1) - at(0, 1)) / h[0], (at(-1, 1) - at(-2, 1)) / h[3]
    else:
        first = _one_sided(h[0], h[1], [at(i, 1) for i in (0, 1, 2)], 1, steps is None)
        last = _one_sided(h[3], h[2], [at(i, 1) for i in (-1, -2, -3)], -1, steps is None)
    return moveaxis(concatenate([astype(part, dtype) for part in (first, inside, last)]), 0, axis)


def _grid_steps(spacing: Array, size: int, ndim: int) -> Array | None:
    """The distances between points along axis 0 of an operand of rank `ndim`; None for one distance."""
    if aval_of(spacing).ndim == 0:
        return None
    if shape_of(spacing) != (size,):
        raise ParameterError("gradient", f"coordinates of shape {shape_of(spacing)}", f"a distance, or shape {(size,)}")
    return reshape(
        diff(spacing if aval_of(spacing).dtype.kind in "fc" else astype(spacing, FLOAT64)),
        [size - 1] + [1] * (ndim - 1),
    )


def _one_sided(near: Array, far: Array, values: Sequence[Array], sign: int, uniform: bool) -> Array:
    """The second-order derivative at an end, from the three values that are next to it, the end's first."""
    if uniform:
        a, b, c = -1.5 * sign / near, 2.0 * sign / near, -0.5 * sign / near
    else:
        a, b, c = -(2.0 * near + far) / (near * (near + far)), (near + far) / (near * far), -near / (far * (near + far))
        a, b, c = (a, b, c) if sign > 0 else (-a, -b, -c)
    return a * values[0] + b * values[1] + c * values[2] if sign > 0 else c * values[2] + b * values[1] + a * values[0]
