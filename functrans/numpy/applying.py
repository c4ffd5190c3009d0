"""Functions applied to parts of an array: apply_along_axis, apply_over_axes, piecewise, and windows that slide over it.

Imports the promotion rules, `selection` and `shapes`; start reading at `apply_along_axis`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, SupportsIndex

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view as numpys_windows

from functrans.core.primitive import aval_of
from functrans.errors import ParameterError
from functrans.numpy.dispatch import VMAP, implements
from functrans.numpy.operands import BOOL, axis_index, axis_indices, shape_of, strong
from functrans.numpy.promotion import as_operand, astype, broadcast_to_shape
from functrans.numpy.reductions import any as any_of
from functrans.numpy.reductions import argmax
from functrans.numpy.selection import take, where
from functrans.numpy.shapes import expand_dims, moveaxis, ravel, reshape
from functrans.typing import Array, ArrayLike

__all__ = ["apply_along_axis", "apply_over_axes", "piecewise", "sliding_window_view"]

Function = Callable[..., Any]  # Any: the user's, of any signature


@implements(np.apply_along_axis)
def apply_along_axis(func1d: Function, axis: SupportsIndex, arr: ArrayLike, *args: Any, **kwargs: Any) -> Array:
    """`func1d(vector, *args, **kwargs)` of each vector along an axis, in whose place are the axes of what it gives.

    All vectors at once, as under `vmap`: a branch on values is an error that says what to write.

    >>> import functrans as ft
    >>> ft.grad(lambda x: np.apply_along_axis(np.prod, 1, x).sum())(np.array([[2.0, 3.0], [4.0, 5.0]]))
    array([[3., 2.],
           [5., 4.]])
    """
    x = strong(arr, "apply_along_axis")
    axis = axis_index(axis, aval_of(x).ndim)
    rest = [size for i, size in enumerate(shape_of(x)) if i != axis]
    if 0 in rest:
        raise ValueError("Cannot apply_along_axis when any iteration dimensions are 0")
    rows = reshape(moveaxis(x, axis, -1), (-1, shape_of(x)[axis]))
    out = VMAP[0](lambda row: as_operand(func1d(row, *args, **kwargs)))(rows)
    inner = shape_of(out)[1:]
    whole = reshape(out, (*rest, *inner))
    return moveaxis(whole, range(len(rest), len(rest) + len(inner)), range(axis, axis + len(inner)))


@implements(np.apply_over_axes)
def apply_over_axes(func: Function, a: ArrayLike, axes: SupportsIndex | Sequence[SupportsIndex]) -> Array:
    """`func(x, axis)` over one axis after the other, each kept as an axis of length 1."""
    x = strong(a, "apply_over_axes")
    ndim = aval_of(x).ndim
    for axis in axis_indices(tuple(axes) if isinstance(axes, Sequence | np.ndarray) else (axes,), ndim):
        out = func(x, axis)
        x = out if aval_of(out).ndim == ndim else expand_dims(out, (axis,))
        if aval_of(x).ndim != ndim:
            raise ValueError("function is not returning an array of the correct shape")
    return x


@implements(np.piecewise)
def piecewise(
    x: ArrayLike,
    condlist: ArrayLike | Sequence[ArrayLike],
    funclist: Sequence[Function | ArrayLike],
    *args: Any,
    **kw: Any,
) -> Array:
    """Of each element what belongs to the last of its conditions that holds: a function of it, or a number; else 0.

    One more of `funclist` than conditions is for elements of which none holds. A function is given the elements that are
    its own, and in place of others the first of these, so that nothing is computed where it is not asked for.

    >>> import functrans as ft
    >>> slope = lambda x: np.piecewise(x, [x > 0], [np.sqrt, lambda x: -x])
    >>> ft.grad(lambda x: slope(x).sum())(np.array([4.0, -1.0]))
    array([ 0.25, -1.  ])
    """
    operand = strong(x, "piecewise")
    given: Any = condlist  # Any: a condition, or a sequence of them
    is_list = isinstance(given, list | tuple)
    is_one = not is_list and (np.ndim(given) == 0 or (np.ndim(given) == 1 and aval_of(operand).ndim != 0))
    conditions = [astype(as_operand(condition), BOOL) for condition in ([given] if is_one else given)]
    if len(conditions) == len(funclist) - 1:
        conditions.append(~any_of(np.stack(conditions), 0))
    elif len(conditions) != len(funclist):
        n = len(conditions)
        raise ValueError(f"with {n} condition(s), either {n} or {n + 1} functions are expected")
    dtype, shape = aval_of(operand).dtype, shape_of(operand)
    out: Array = np.zeros(shape, dtype)
    for condition, function in zip(conditions, funclist, strict=True):
        mask = broadcast_to_shape(condition, shape)
        if callable(function):
            own = where(mask, operand, take(ravel(operand), argmax(ravel(mask)))) if aval_of(operand).size else operand
            value = function(own, *args, **kw)
        else:
            value = function
        out = where(mask, astype(as_operand(value), dtype), out)
    return out


@implements(numpys_windows)
def sliding_window_view(
    x: ArrayLike,
    window_shape: SupportsIndex | Sequence[SupportsIndex],
    axis: SupportsIndex | Sequence[SupportsIndex] | None = None,
) -> Array:
    """Windows that slide over axes, behind them as new axes; a copy, which is not written to."""
    operand = strong(x, "sliding_window_view")
    ndim = aval_of(operand).ndim
    sizes = tuple(map(int, window_shape if isinstance(window_shape, Sequence | np.ndarray) else (window_shape,)))
    axes = range(ndim) if axis is None else axis_indices(tuple(axis) if isinstance(axis, Sequence) else (axis,), ndim)
    if any(size < 0 for size in sizes):
        raise ValueError("`window_shape` cannot contain negative values")
    if len(sizes) != len(axes):
        raise ParameterError("sliding_window_view", f"{len(sizes)} window sizes", f"{len(axes)}, one for each axis")
    for size, place in zip(sizes, axes, strict=True):
        count = shape_of(operand)[place] - size + 1
        if count < 1:
            raise ValueError("window shape cannot be larger than input array shape")
        positions = np.arange(count)[:, None] + np.arange(size)
        operand = moveaxis(take(operand, positions, place), place + 1, -1)
    return operand
