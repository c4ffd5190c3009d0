"""Functions that move elements of one array: reshape, transpose, flip, roll, broadcast, and the questions about shape.

Imports ops and the promotion rules; start reading at `reshape`.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from operator import index
from typing import Literal, SupportsIndex, TypeAlias

import numpy as np

from functrans.core.primitive import Tracer, aval_of
from functrans.errors import ParameterError, TracedParameterError
from functrans.numpy.dispatch import implements, where
from functrans.numpy.operands import Axes, axis_index, axis_indices, reduced_axes, shape_of, strong
from functrans.numpy.promotion import broadcast_shape, broadcast_to_shape
from functrans.ops import shape as lax
from functrans.ops.joining import concatenate
from functrans.typing import Array, ArrayLike, Shape

ShapeLike: TypeAlias = SupportsIndex | Sequence[SupportsIndex]
Order: TypeAlias = Literal["C", "F", "A", "K"]


def along(x: Array, axis: int, start: int, stop: int, step: int = 1) -> Array:
    """Every step-th element of the operand from start to before stop along an axis, neither of them negative."""
    shape = shape_of(x)
    starts, stops, steps = [0] * len(shape), list(shape), [1] * len(shape)
    starts[axis], stops[axis], steps[axis] = start, stop, step
    return lax.slice(x, starts, stops, steps)


def as_shape(shape: ShapeLike) -> Shape:
    """A `shape=` argument as a tuple of Python ints."""
    return tuple(map(index, shape)) if isinstance(shape, Sequence | np.ndarray) else (index(shape),)


# ---- questions ----


@implements(np.shape)
def shape(a: ArrayLike) -> Shape:
    """The shape, a tuple of Python ints."""
    return shape_of(strong(a, "shape"))


@implements(np.ndim)
def ndim(a: ArrayLike) -> int:
    """The number of dimensions."""
    return len(shape_of(strong(a, "ndim")))


@implements(np.size)
def size(a: ArrayLike, axis: Axes = None) -> int:
    """The number of elements, or of positions along axes."""
    sizes = shape_of(strong(a, "size"))
    return prod(sizes[i] for i in reduced_axes(axis, len(sizes)))


# ---- reshape ----


def _resolved(shape: ShapeLike, count: int) -> Shape:
    """The shape with -1 replaced by what is left of `count` elements."""
    sizes = as_shape(shape)
    if sizes.count(-1) == 1:
        rest = prod(size for size in sizes if size != -1)
        if rest and count % rest == 0:
            return tuple(count // rest if size == -1 else size for size in sizes)
    elif prod(sizes) == count and all(size >= 0 for size in sizes):
        return sizes
    raise ParameterError(
        "reshape", f"shape={sizes} for {count} elements", f"sizes of product {count}, at most one of them -1"
    )


@implements(np.reshape)
def reshape(a: ArrayLike, /, shape: ShapeLike, order: Order = "C", *, copy: bool | None = None) -> Array:
    """The elements in a new shape, in which one size may be -1; `order` is of the indices, "C" or "F".

    How a traced array lies in memory is not known: the orders "A" and "K", which follow that, raise ParameterError.
    """
    x = strong(a, "reshape")
    sizes = _resolved(shape, aval_of(x).size)
    if _order(order) == "C":
        return lax.reshape(x, sizes)
    return transpose(lax.reshape(transpose(x), sizes[::-1]))


def _order(order: Order) -> Order:
    if order not in ("C", "F"):
        raise ParameterError(
            "reshape", f"order={order!r}", "'C' or 'F': how a traced array lies in memory is not known"
        )
    return order


@implements(np.ravel)
def ravel(a: ArrayLike, order: Order = "C") -> Array:
    """The elements in one dimension; "A" and "K" as "C"."""
    x = strong(a, "ravel")
    return reshape(x, (aval_of(x).size,), _order(order))


@implements(np.expand_dims)
def expand_dims(a: ArrayLike, axis: ShapeLike) -> Array:
    """With new axes of length 1, which are the result's axes `axis`."""
    x = strong(a, "expand_dims")
    axes = as_shape(axis)
    return lax.expand_dims(x, axis_indices(axes, aval_of(x).ndim + len(axes)))


@implements(np.squeeze)
def squeeze(a: ArrayLike, axis: Axes = None) -> Array:
    """Without axes of length 1: all of them, or those given."""
    x = strong(a, "squeeze")
    sizes = shape_of(x)
    axes = [i for i, size in enumerate(sizes) if size == 1] if axis is None else axis_indices(axis, len(sizes))
    return lax.squeeze(x, axes)


def _at_least(a: ArrayLike, count: int, name: str) -> Array:
    """As atleast_1d, atleast_2d and atleast_3d have it: new axes first, but a third one last."""
    x = strong(a, name)
    sizes = shape_of(x)
    if len(sizes) >= count:
        return x
    padded = (1, *sizes) if len(sizes) == 1 and count > 1 else sizes
    return lax.reshape(x, (*padded, *(1,) * (count - len(padded))))


@implements(np.atleast_1d)
def atleast_1d(*arys: ArrayLike) -> Array | tuple[Array, ...]:
    """With at least one dimension; a tuple for several arguments."""
    outs = tuple(_at_least(x, 1, "atleast_1d") for x in arys)
    return outs[0] if len(outs) == 1 else outs


@implements(np.atleast_2d)
def atleast_2d(*arys: ArrayLike) -> Array | tuple[Array, ...]:
    """With at least two dimensions, new ones first; a tuple for several arguments."""
    outs = tuple(_at_least(x, 2, "atleast_2d") for x in arys)
    return outs[0] if len(outs) == 1 else outs


@implements(np.atleast_3d)
def atleast_3d(*arys: ArrayLike) -> Array | tuple[Array, ...]:
    """With at least three dimensions, a vector in the middle one; a tuple for several arguments."""
    outs = tuple(_at_least(x, 3, "atleast_3d") for x in arys)
    return outs[0] if len(outs) == 1 else outs


# ---- transpose ----


@implements(np.transpose)
def transpose(a: ArrayLike, axes: Sequence[SupportsIndex] | None = None) -> Array:
    """Axis i of the result is the operand's axis axes[i]; without `axes` their order is reversed."""
    x = strong(a, "transpose")
    ndim = aval_of(x).ndim
    if axes is None:
        return x if ndim < 2 else lax.transpose(x, range(ndim - 1, -1, -1))
    if isinstance(axes, SupportsIndex) or len(axes) != ndim:
        raise ParameterError("transpose", f"axes={axes} for {ndim} dimensions", "each axis once")
    return lax.transpose(x, axis_indices(axes, ndim))


permute_dims = transpose


@implements(np.matrix_transpose)
def matrix_transpose(x: ArrayLike, /) -> Array:
    """The last two axes exchanged."""
    operand = strong(x, "matrix_transpose")
    if aval_of(operand).ndim < 2:
        raise ParameterError("matrix_transpose", f"an operand of type {aval_of(operand)}", "at least two dimensions")
    return swapaxes(operand, -1, -2)


@implements(np.swapaxes)
def swapaxes(a: ArrayLike, axis1: SupportsIndex, axis2: SupportsIndex) -> Array:
    """Two axes exchanged."""
    x = strong(a, "swapaxes")
    order = list(range(aval_of(x).ndim))
    i, j = axis_index(axis1, len(order), "axis1"), axis_index(axis2, len(order), "axis2")
    order[i], order[j] = order[j], order[i]
    return lax.transpose(x, order)


@implements(np.moveaxis)
def moveaxis(a: ArrayLike, source: ShapeLike, destination: ShapeLike) -> Array:
    """The axes `source` at the places `destination`, the others in their order."""
    x = strong(a, "moveaxis")
    ndim = aval_of(x).ndim
    sources, places = axis_indices(source, ndim, "source"), axis_indices(destination, ndim, "destination")
    if len(sources) != len(places):
        raise ParameterError("moveaxis", f"{len(sources)} source and {len(places)} destination axes", "as many of both")
    order = [axis for axis in range(ndim) if axis not in sources]
    for place, axis in sorted(zip(places, sources, strict=True)):
        order.insert(place, axis)
    return x if order == list(range(ndim)) else lax.transpose(x, order)


@implements(np.rollaxis)
def rollaxis(a: ArrayLike, axis: SupportsIndex, start: SupportsIndex = 0) -> Array:
    """The axis moved to before axis `start`."""
    x = strong(a, "rollaxis")
    ndim = aval_of(x).ndim
    axis, place = axis_index(axis, ndim), index(start) + ndim if index(start) < 0 else index(start)
    if not 0 <= place <= ndim:
        raise np.exceptions.AxisError(f"'start' arg requires {-ndim} <= start < {ndim + 1}, but {start} was passed in")
    return moveaxis(x, axis, place - 1 if axis < place else place)


# ---- broadcast ----


@implements(np.broadcast_to)
def broadcast_to(array: ArrayLike, shape: ShapeLike) -> Array:
    """The operand repeated to a shape."""
    x, sizes = strong(array, "broadcast_to"), as_shape(shape)
    if broadcast_shape("broadcast_to", [x, np.broadcast_to(0, sizes)]) != sizes:
        raise ParameterError(
            "broadcast_to", f"shape={sizes} for an operand of type {aval_of(x)}", "a shape it broadcasts to"
        )
    return broadcast_to_shape(x, sizes)


@implements(np.broadcast_arrays)
def broadcast_arrays(*args: ArrayLike) -> tuple[Array, ...]:
    """The operands repeated to their common shape."""
    operands = [strong(x, "broadcast_arrays") for x in args]
    sizes = broadcast_shape("broadcast_arrays", operands)
    return tuple(broadcast_to_shape(x, sizes) for x in operands)


# ---- order along axes ----


@implements(np.flip)
def flip(m: ArrayLike, axis: Axes = None) -> Array:
    """The elements in reverse order along axes."""
    x = strong(m, "flip")
    return lax.rev(x, reduced_axes(axis, aval_of(x).ndim))


@implements(np.fliplr)
def fliplr(m: ArrayLike) -> Array:
    """In reverse order along axis 1."""
    return flip(_of_rank(m, 2, "fliplr"), 1)


@implements(np.flipud)
def flipud(m: ArrayLike) -> Array:
    """In reverse order along axis 0."""
    return flip(_of_rank(m, 1, "flipud"), 0)


def _of_rank(m: ArrayLike, least: int, name: str) -> Array:
    x = strong(m, name)
    if aval_of(x).ndim < least:
        raise ParameterError(name, f"an operand of type {aval_of(x)}", f"at least {least} dimensions")
    return x


@implements(np.rot90)
def rot90(m: ArrayLike, k: int = 1, axes: tuple[int, int] = (0, 1)) -> Array:
    """Turned by k quarters in the plane of two axes, from the first towards the second."""
    x = _of_rank(m, 2, "rot90")
    i, j = axis_indices(axes, aval_of(x).ndim)
    if k % 4 == 0:
        return x
    if k % 4 == 2:
        return lax.rev(x, (i, j))
    return swapaxes(lax.rev(x, (j,)), i, j) if k % 4 == 1 else lax.rev(swapaxes(x, i, j), (j,))


@implements(np.roll)
def roll(a: ArrayLike, shift: ShapeLike, axis: ShapeLike | None = None) -> Array:
    """The elements moved on by `shift` along axes (or in the flattened array), those at the end to the beginning."""
    x = strong(a, "roll")
    if isinstance(shift, Tracer):
        raise TracedParameterError("roll", "shift", "Write np.take(x, (np.arange(n) - shift) % n, axis).", where())
    if axis is None:
        return lax.reshape(roll(lax.reshape(x, (aval_of(x).size,)), sum(as_shape(shift)), 0), shape_of(x))
    for by, i in np.broadcast(as_shape(shift), as_shape(axis)):
        at, length = axis_index(int(i), aval_of(x).ndim), shape_of(x)[axis_index(int(i), aval_of(x).ndim)]
        cut = -int(by) % length if length else 0
        if cut:
            x = concatenate([along(x, at, cut, length), along(x, at, 0, cut)], at)
    return x
