"""Products of arrays: dot, matmul and its kin, inner, outer, tensordot, kron, cross, convolve.

All but the elementwise ones are one `dot_general`, after promotion; bool is "any of ands", as in NumPy. Imports ops and the
promotion rules; start reading at `contract`.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import index
from typing import Literal, SupportsIndex, TypeAlias

import numpy as np

from functrans.core.primitive import aval_of
from functrans.errors import ParameterError, ShapeMismatchError
from functrans.numpy.dispatch import implements
from functrans.numpy.joining import stack
from functrans.numpy.operands import BOOL, INT32, axis_indices, shape_of, strong
from functrans.numpy.promotion import astype, broadcast_shape, broadcast_to_shape, to_common_dtype
from functrans.numpy.rewrite import described
from functrans.numpy.selection import take
from functrans.numpy.shapes import along, moveaxis, ravel
from functrans.ops.linear_algebra import dot_general
from functrans.ops.shape import expand_dims, pad, reshape, rev, squeeze
from functrans.typing import Array, ArrayLike

PairOfAxes: TypeAlias = tuple[Sequence[int], Sequence[int]]


def contract(x: Array, y: Array, axes: PairOfAxes, batch: PairOfAxes = ((), ())) -> Array:
    """`dot_general` of operands of one dtype, which may be bool."""
    if aval_of(x).dtype == BOOL:
        return astype(dot_general(astype(x, INT32), astype(y, INT32), (axes, batch)), BOOL)
    return dot_general(x, y, (axes, batch))


def _pair(a: ArrayLike, b: ArrayLike, name: str) -> list[Array]:
    return to_common_dtype(strong(a, name), strong(b, name))


def _mismatch(name: str, x: Array, y: Array, needs: str) -> ParameterError:
    return ShapeMismatchError(name, list(zip(map(shape_of, (x, y)), described((x, y)), strict=True)), needs)


# ---- matrix products ----


@implements(np.matmul)
def matmul(x1: ArrayLike, x2: ArrayLike, /) -> Array:
    """The product of matrices, or of stacks of them, which are broadcast; vectors are rows on the left, columns on the right.

    >>> import functrans as ft
    >>> ft.vmap(np.matmul, in_axes=(0, None))(np.ones((2, 3, 4)), np.ones(4)).shape
    (2, 3)
    """
    x, y = _pair(x1, x2, "matmul")
    n, m = aval_of(x).ndim, aval_of(y).ndim
    if n == 0 or m == 0:
        raise _mismatch("matmul", x, y, "at least one dimension each; use * for scalars")
    row = max(m - 2, 0)
    if shape_of(x)[-1] != shape_of(y)[row]:
        raise _mismatch("matmul", x, y, f"equal lengths on axis {n - 1} of the first and axis {row} of the second")
    if n <= 2 and m <= 2:
        return contract(x, y, ((n - 1,), (row,)))
    if m <= 2:  # no stack on the right: one product
        return contract(x, y, ((n - 1,), (row,)))
    return _stacked_matmul(x, y)


def _stacked_matmul(x: Array, y: Array) -> Array:
    vector = aval_of(x).ndim == 1
    x = expand_dims(x, (0,)) if vector else x
    stack_shape = broadcast_shape("matmul", [np.broadcast_to(0, shape_of(v)[:-2]) for v in (x, y)])
    x, y = (broadcast_to_shape(v, (*stack_shape, *shape_of(v)[-2:])) for v in (x, y))
    n = len(stack_shape)
    out = contract(x, y, ((n + 1,), (n,)), (range(n), range(n)))
    return squeeze(out, (n,)) if vector else out


def _core_product(name: str, x: Array, y: Array, cores: tuple[int, int]) -> Array:
    """matmul of stacks whose elements have one (a vector) or two (a matrix) dimensions, with vectors as columns or rows."""
    if aval_of(x).ndim < cores[0] or aval_of(y).ndim < cores[1]:
        raise _mismatch(name, x, y, f"at least {cores[0]} and {cores[1]} dimensions")
    row, column = cores[0] == 1, cores[1] == 1
    x = expand_dims(x, (aval_of(x).ndim - 1,)) if row else x
    y = expand_dims(y, (aval_of(y).ndim,)) if column else y
    out = matmul(x, y)
    return squeeze(out, [aval_of(out).ndim - 1 - i for i, gone in enumerate((column, row)) if gone])


@implements(np.vecdot)
def vecdot(x1: ArrayLike, x2: ArrayLike, /, *, axis: SupportsIndex = -1) -> Array:
    """The products of the vectors along an axis, the first conjugated; the other axes are broadcast."""
    x, y = _pair(x1, x2, "vecdot")
    x, y = (moveaxis(v, axis, -1) for v in (x, y))
    if shape_of(x)[-1:] != shape_of(y)[-1:]:
        raise _mismatch("vecdot", x, y, f"vectors of one length on axis {axis}")
    return _core_product("vecdot", _conjugate(x), y, (1, 1))


@implements(np.matvec)
def matvec(x1: ArrayLike, x2: ArrayLike, /) -> Array:
    """The products of matrices and vectors, in stacks that are broadcast."""
    x, y = _pair(x1, x2, "matvec")
    return _core_product("matvec", x, y, (2, 1))


@implements(np.vecmat)
def vecmat(x1: ArrayLike, x2: ArrayLike, /) -> Array:
    """The products of vectors, conjugated, and matrices, in stacks that are broadcast."""
    x, y = _pair(x1, x2, "vecmat")
    return _core_product("vecmat", _conjugate(x), y, (1, 2))


def _conjugate(x: Array) -> Array:
    return np.conjugate(x) if aval_of(x).dtype.kind == "c" else x


@implements(np.dot)
def dot(a: ArrayLike, b: ArrayLike) -> Array:
    """Summed over the last axis of `a` and the last but one of `b` (its only one); with a scalar the product."""
    x, y = _pair(a, b, "dot")
    n, m = aval_of(x).ndim, aval_of(y).ndim
    if n == 0 or m == 0:
        return x * y
    row = max(m - 2, 0)
    if shape_of(x)[-1] != shape_of(y)[row]:
        raise _mismatch("dot", x, y, f"equal lengths on axis {n - 1} of the first and axis {row} of the second")
    return contract(x, y, ((n - 1,), (row,)))


@implements(np.vdot)
def vdot(a: ArrayLike, b: ArrayLike, /) -> Array:
    """The product of the flattened arrays, the first conjugated."""
    x, y = (ravel(v) for v in _pair(a, b, "vdot"))
    if shape_of(x) != shape_of(y):
        raise _mismatch("vdot", x, y, "as many elements in both")
    return contract(_conjugate(x), y, ((0,), (0,)))


@implements(np.inner)
def inner(a: ArrayLike, b: ArrayLike, /) -> Array:
    """Summed over the last axes of both; with a scalar the product."""
    x, y = _pair(a, b, "inner")
    if not aval_of(x).ndim or not aval_of(y).ndim:
        return x * y
    if shape_of(x)[-1] != shape_of(y)[-1]:
        raise _mismatch("inner", x, y, "equal last axes")
    return contract(x, y, ((aval_of(x).ndim - 1,), (aval_of(y).ndim - 1,)))


@implements(np.outer)
def outer(a: ArrayLike, b: ArrayLike) -> Array:
    """The product of each element of one flattened array with each of the other."""
    x, y = ravel(a), ravel(b)
    return expand_dims(x, (1,)) * expand_dims(y, (0,))


@implements(np.tensordot)
def tensordot(
    a: ArrayLike, b: ArrayLike, axes: int | tuple[SupportsIndex | Sequence[int], SupportsIndex | Sequence[int]] = 2
) -> Array:
    """Summed over axes: the last of `a` with the first of `b`, as many as `axes` says, or the pairs that it lists."""
    x, y = _pair(a, b, "tensordot")
    n, m = aval_of(x).ndim, aval_of(y).ndim
    if isinstance(axes, SupportsIndex):
        count = index(axes)
        if not 0 <= count <= min(n, m):
            raise _mismatch("tensordot", x, y, f"at least axes={count} dimensions in both")
        left, right = tuple(range(n - count, n)), tuple(range(count))
    else:
        left, right = axis_indices(axes[0], n), axis_indices(axes[1], m)
    if [shape_of(x)[i] for i in left] != [shape_of(y)[i] for i in right]:
        raise _mismatch("tensordot", x, y, f"equal lengths on axes {left} of the first and {right} of the second")
    return contract(x, y, (left, right))


@implements(np.kron)
def kron(a: ArrayLike, b: ArrayLike) -> Array:
    """The Kronecker product: each element of `a` times the whole of `b`."""
    x, y = strong(a, "kron"), strong(b, "kron")
    n = max(aval_of(x).ndim, aval_of(y).ndim)
    left = (1,) * (n - aval_of(x).ndim) + shape_of(x)
    right = (1,) * (n - aval_of(y).ndim) + shape_of(y)
    spread = reshape(x, [k for size in left for k in (size, 1)]) * reshape(y, [k for size in right for k in (1, size)])
    return reshape(spread, [i * j for i, j in zip(left, right, strict=True)])


@implements(np.cross)
def cross(
    a: ArrayLike,
    b: ArrayLike,
    axisa: SupportsIndex = -1,
    axisb: SupportsIndex = -1,
    axisc: SupportsIndex = -1,
    axis: SupportsIndex | None = None,
) -> Array:
    """The cross products of vectors of three (or two) components along an axis; of two and two components the z alone."""
    axisa, axisb, axisc = (axisa, axisb, axisc) if axis is None else (axis, axis, axis)
    x, y = (moveaxis(v, i, -1) for v, i in zip(_pair(a, b, "cross"), (axisa, axisb), strict=True))
    sizes = shape_of(x)[-1], shape_of(y)[-1]
    if not {2, 3}.issuperset(sizes):
        raise _mismatch("cross", x, y, "vectors of 2 or 3 components")
    (x0, x1, x2), (y0, y1, y2) = _components(x), _components(y)
    last: Array = x0 * y1 - x1 * y0
    if sizes == (2, 2):
        return last
    return moveaxis(stack([x1 * y2 - x2 * y1, x2 * y0 - x0 * y2, last], -1), -1, axisc)


def _components(x: Array) -> list[Array]:
    """The three components along the last axis; zero for a third one that is missing."""
    last = aval_of(x).ndim - 1
    parts = [squeeze(along(x, last, i, i + 1), (last,)) for i in range(shape_of(x)[last])]
    return parts if len(parts) == 3 else [*parts, np.zeros_like(parts[0])]


# ---- convolution of vectors ----

ConvolveMode: TypeAlias = Literal["full", "same", "valid"]


@implements(np.correlate)
def correlate(a: ArrayLike, v: ArrayLike, mode: ConvolveMode = "valid") -> Array:
    """The cross-correlation of two vectors, the second conjugated."""
    x, y = _vectors(a, v, "correlate", mode)
    if aval_of(x).size >= aval_of(y).size:
        return _sliding_product(x, _conjugate(y), mode)
    return rev(_sliding_product(_conjugate(y), x, mode), (0,))


@implements(np.convolve)
def convolve(a: ArrayLike, v: ArrayLike, mode: ConvolveMode = "full") -> Array:
    """The convolution of two vectors."""
    x, y = _vectors(a, v, "convolve", mode)
    if aval_of(y).size > aval_of(x).size:
        x, y = y, x
    return _sliding_product(x, rev(y, (0,)), mode)


def _vectors(a: ArrayLike, v: ArrayLike, name: str, mode: str) -> list[Array]:
    if mode not in ("full", "same", "valid"):
        raise ParameterError(name, f"mode={mode!r}", "'full', 'same' or 'valid'")
    x, y = _pair(a, v, name)
    if aval_of(x).ndim > 1 or aval_of(y).ndim > 1 or not aval_of(x).size or not aval_of(y).size:
        raise _mismatch(name, x, y, "vectors that are not empty")
    return [ravel(x), ravel(y)]


def _sliding_product(x: Array, y: Array, mode: ConvolveMode) -> Array:
    """The products of `y` with the windows of `x`, which is at least as long: one product with a matrix of windows."""
    n, m = aval_of(x).size, aval_of(y).size
    before = {"full": m - 1, "same": m // 2, "valid": 0}[mode]
    after = {"full": m - 1, "same": m - 1 - m // 2, "valid": 0}[mode]
    count = n + before + after - m + 1
    padded = pad(x, 0, [(before, after, 0)])
    windows = take(padded, np.arange(m)[:, None] + np.arange(count))
    return contract(y, windows, ((0,), (0,)))
