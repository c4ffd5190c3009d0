"""Functions that make arrays: array and asarray of traced values, the *_like family, diagonals, triangles, grids.

What NumPy makes of numbers alone (zeros, eye, arange, …) is NumPy's own function; here is what takes a traced value. Shapes
and counts must be known. Imports ops, the promotion rules, `joining` and `selection`; start reading at `array`.
"""

from __future__ import annotations

from operator import index
from typing import Any, Literal, SupportsIndex, cast

import numpy as np

from functrans.core.primitive import Tracer, aval_of
from functrans.errors import ParameterError, TracedParameterError, ValueDependentShapeError
from functrans.numpy.dispatch import has_tracer, implements
from functrans.numpy.dispatch import where as user_line
from functrans.numpy.joining import stack
from functrans.numpy.operands import Device, on_cpu, shape_of, strong
from functrans.numpy.promotion import as_operand, broadcast_to_shape, to_common_dtype
from functrans.numpy.promotion import astype as converted
from functrans.numpy.reductions import sum
from functrans.numpy.selection import take, where
from functrans.numpy.shapes import ShapeLike, as_shape, moveaxis, ravel
from functrans.numpy.versions import owned
from functrans.ops import generate
from functrans.ops.cumulative import cumprod
from functrans.ops.shape import expand_dims, pad, reshape
from functrans.typing import Array, ArrayLike, DType, DTypeLike, Shape

# ---- arrays of traced values ----


@implements(np.array)
def array(object: Any, dtype: DTypeLike | None = None, *, copy: bool | None = True, ndmin: int = 0) -> Array:
    """An array of an array, a number, or lists nested to any depth, with traced values anywhere in them.

    Any: nested lists. A traced array is copied unless `copy` says otherwise.

    >>> import functrans as ft
    >>> import functrans.numpy as fnp
    >>> def rotate(angle, v):
    ...     return fnp.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) @ v
    >>> ft.jacfwd(rotate)(0.0, np.array([1.0, 0.0]))
    array([0., 1.])
    """
    x = _nested(object)
    x = x if dtype is None else converted(x, dtype)
    if x is object and copy:
        x = owned(x)
    return reshape(x, (1,) * (ndmin - aval_of(x).ndim) + shape_of(x)) if aval_of(x).ndim < ndmin else x


def _nested(value: Any) -> Array:  # Any: as for array
    if isinstance(value, Tracer) or not has_tracer(value):
        return strong(cast(Array, value), "array")
    items = [_nested(item) for item in value]
    if len({shape_of(item) for item in items}) != 1:
        shapes = ", ".join(str(shape_of(item)) for item in items)
        raise ParameterError("array", f"a list of items of shapes {shapes}", "items of one shape")
    return stack(to_common_dtype(*items))


@implements(np.asarray)
def asarray(
    a: Any, dtype: DTypeLike | None = None, *, copy: bool | None = None, device: Device = None
) -> Array:  # Any: as for array
    """As `array`; a traced array of this dtype is itself, unless `copy` is true."""
    on_cpu(device)
    return array(a, dtype, copy=copy)


@implements(np.asanyarray)
def asanyarray(
    a: Any, dtype: DTypeLike | None = None, *, copy: bool | None = None, device: Device = None
) -> Array:  # Any: as for array
    """As `asarray`."""
    on_cpu(device)
    return array(a, dtype, copy=copy)


@implements(np.ascontiguousarray)
def ascontiguousarray(a: Any, dtype: DTypeLike | None = None) -> Array:  # Any: as for array
    """As `asarray`, with one dimension at least."""
    return array(a, dtype, copy=None, ndmin=1)


@implements(np.copy)
def copy(a: ArrayLike) -> Array:
    """A copy, which may be written to: an argument of a function that is transformed may not."""
    return owned(strong(a, "copy"))


@implements(np.astype)
def astype(x: ArrayLike, dtype: DTypeLike, /, *, copy: bool = True, device: Device = None) -> Array:
    """The array converted; what is integer or bool, before or after, has no derivative."""
    on_cpu(device)
    return converted(strong(x, "astype"), np.dtype(dtype))


# ---- of the shape of another ----


def _like(a: ArrayLike, dtype: DTypeLike | None, shape: ShapeLike | None, name: str) -> tuple[Shape, np.dtype[Any]]:
    aval = aval_of(strong(a, name))  # Any: the scalar type is known at run time
    return aval.shape if shape is None else as_shape(shape), aval.dtype if dtype is None else np.dtype(dtype)


def _filled(value: int, shape: Shape, dtype: np.dtype[Any]) -> Array:
    """An array of one value into which traced values can be written; a NumPy array of rank 0, into which nobody writes."""
    return owned(generate.full(shape, value, dtype)) if shape else np.full(shape, value, dtype)


@implements(np.zeros_like)
def zeros_like(
    a: ArrayLike, dtype: DTypeLike | None = None, *, shape: ShapeLike | None = None, device: Device = None
) -> Array:
    """Zeros of the operand's shape and dtype, unless others are given. Traced values can be written into them.

    >>> import functrans as ft
    >>> def running_sum(x):
    ...     out = np.zeros_like(x)
    ...     out[0] = x[0]
    ...     for i in range(1, len(x)):
    ...         out[i] = out[i - 1] + x[i]
    ...     return out
    >>> ft.jacrev(running_sum)(np.ones(3))
    array([[1., 0., 0.],
           [1., 1., 0.],
           [1., 1., 1.]])
    """
    on_cpu(device)
    return _filled(0, *_like(a, dtype, shape, "zeros_like"))


@implements(np.ones_like)
def ones_like(
    a: ArrayLike, dtype: DTypeLike | None = None, *, shape: ShapeLike | None = None, device: Device = None
) -> Array:
    """Ones of the operand's shape and dtype, unless others are given. Traced values can be written into them."""
    on_cpu(device)
    return _filled(1, *_like(a, dtype, shape, "ones_like"))


@implements(np.empty_like)
def empty_like(
    prototype: ArrayLike, dtype: DTypeLike | None = None, *, shape: ShapeLike | None = None, device: Device = None
) -> Array:
    """As `zeros_like`: traced programs have no undefined values."""
    on_cpu(device)
    return _filled(0, *_like(prototype, dtype, shape, "empty_like"))


@implements(np.full_like)
def full_like(
    a: ArrayLike,
    fill_value: ArrayLike,
    dtype: DTypeLike | None = None,
    *,
    shape: ShapeLike | None = None,
    device: Device = None,
) -> Array:
    """The fill value, which may be traced, in the operand's shape and dtype, unless others are given."""
    on_cpu(device)
    sizes, to = _like(a, dtype, shape, "full_like")
    filled = broadcast_to_shape(converted(as_operand(fill_value, "full_like"), to), sizes)
    return owned(filled) if sizes else filled


@implements(np.zeros)
def zeros(shape: ShapeLike, dtype: DTypeLike = float, *, device: Device = None) -> Array:
    """Zeros; with `like=` a traced array, traced values can be written into them."""
    on_cpu(device)
    return _filled(0, as_shape(_known(shape, "zeros", "shape")), np.dtype(dtype))


@implements(np.ones)
def ones(shape: ShapeLike, dtype: DTypeLike = float, *, device: Device = None) -> Array:
    """Ones; with `like=` a traced array, traced values can be written into them."""
    on_cpu(device)
    return _filled(1, as_shape(_known(shape, "ones", "shape")), np.dtype(dtype))


@implements(np.empty)
def empty(shape: ShapeLike, dtype: DTypeLike = float, *, device: Device = None) -> Array:
    """As `zeros`."""
    on_cpu(device)
    return _filled(0, as_shape(_known(shape, "empty", "shape")), np.dtype(dtype))


@implements(np.full)
def full(shape: ShapeLike, fill_value: ArrayLike, dtype: DTypeLike | None = None, *, device: Device = None) -> Array:
    """The fill value, which may be traced, in a shape."""
    on_cpu(device)
    value, sizes = strong(fill_value, "full"), as_shape(_known(shape, "full", "shape"))
    filled = broadcast_to_shape(value if dtype is None else converted(value, dtype), sizes)
    return owned(filled) if sizes else filled


def _known(value: Any, name: str, argument: str) -> Any:  # Any: a shape or a number
    for item in value if isinstance(value, list | tuple) else (value,):
        if isinstance(item, Tracer):
            raise TracedParameterError(
                name, argument, f"Take `{argument}` from x.shape, or pass it as a static argument.", user_line()
            )
    return value


@implements(np.arange)
def arange(*args: ArrayLike, dtype: DTypeLike | None = None, device: Device = None) -> Array:
    """Evenly spaced numbers; the ends must not be traced, since the length depends on them."""
    raise ValueDependentShapeError(
        "arange", "start, stop, step", "Write start + step * np.arange(n) with a length n that is known.", user_line()
    )


# ---- ranges ----


@implements(np.linspace)
def linspace(
    start: ArrayLike,
    stop: ArrayLike,
    num: SupportsIndex = 50,
    endpoint: bool = True,
    retstep: bool = False,
    dtype: DTypeLike | None = None,
    axis: SupportsIndex = 0,
    *,
    device: Device = None,
) -> Array | tuple[Array, Array]:
    """`num` evenly spaced numbers from start to stop, both of which may be traced; with `retstep` also the step."""
    on_cpu(device)
    count = index(_known(num, "linspace", "num"))
    if count < 0:
        raise ParameterError("linspace", f"num={count}", "a count that is not negative")
    low, high = as_operand(start, "linspace") * 1.0, as_operand(stop, "linspace") * 1.0
    to = np.result_type(aval_of(low).dtype, aval_of(high).dtype, float(count))
    low, high = converted(low, to), converted(high, to)
    steps = count - 1 if endpoint else count
    delta = high - low
    positions = np.arange(count, dtype=to).reshape((-1,) + (1,) * aval_of(delta).ndim)
    step = delta / steps if steps > 0 else np.full(shape_of(delta), np.nan, to)[()]
    spread = positions * step if steps > 0 else positions * delta
    out = spread + low
    if endpoint and count > 1:  # the last is exactly `stop`
        last = positions == count - 1
        out = where(last, high, out)
    out = moveaxis(out, 0, axis)
    if dtype is not None:
        out = converted(np.floor(out) if np.dtype(dtype).kind in "iu" else out, dtype)
    return (out, step) if retstep else out


@implements(np.logspace)
def logspace(
    start: ArrayLike,
    stop: ArrayLike,
    num: SupportsIndex = 50,
    endpoint: bool = True,
    base: ArrayLike = 10.0,
    dtype: DTypeLike | None = None,
    axis: SupportsIndex = 0,
) -> Array:
    """The base to the powers `linspace(start, stop, num)`."""
    exponents = linspace(start, stop, num, endpoint, False, None, 0)
    assert not isinstance(exponents, tuple)
    out = moveaxis(np.power(base, exponents), 0, axis)
    return out if dtype is None else converted(out, dtype)


@implements(np.geomspace)
def geomspace(
    start: ArrayLike,
    stop: ArrayLike,
    num: SupportsIndex = 50,
    endpoint: bool = True,
    dtype: DTypeLike | None = None,
    axis: SupportsIndex = 0,
) -> Array:
    """`num` real numbers from start to stop, of one sign, with a constant ratio."""
    low, high = (as_operand(end, "geomspace") * 1.0 for end in (start, stop))
    if "c" in (aval_of(low).dtype.kind, aval_of(high).dtype.kind):
        raise ParameterError(
            "geomspace", "complex ends", "real ones; write np.exp(np.linspace(np.log(a), np.log(b), n))"
        )
    if any(not isinstance(end, Tracer) and np.any(end == 0) for end in (low, high)):
        raise ParameterError("geomspace", "an end that is zero", "ends of one sign, not zero")
    sign = np.sign(low)
    out = sign * logspace(np.log10(sign * low), np.log10(sign * high), num, endpoint)
    count = shape_of(out)[0]
    position = np.arange(count).reshape((-1,) + (1,) * (aval_of(out).ndim - 1))
    out = where(position == 0, low, out)
    out = moveaxis(where(position == count - 1, high, out) if endpoint and count > 1 else out, 0, axis)
    return out if dtype is None else converted(out, dtype)


# ---- diagonals and triangles ----


@implements(np.diag)
def diag(v: ArrayLike, k: int = 0) -> Array:
    """A matrix with a vector on its k-th diagonal, or the k-th diagonal of a matrix."""
    x = strong(v, "diag")
    if aval_of(x).ndim == 1:
        return diagflat(x, k)
    if aval_of(x).ndim == 2:
        return diagonal(x, k)
    raise ParameterError("diag", f"an operand of type {aval_of(x)}", "one or two dimensions")


@implements(np.diagflat)
def diagflat(v: ArrayLike, k: int = 0) -> Array:
    """A matrix with the flattened array on its k-th diagonal."""
    x = ravel(v)
    count = shape_of(x)[0]
    size = count + abs(k)
    if count == 0:
        return np.zeros((size, size), aval_of(x).dtype)
    # Element i is at (i, i + k): in row-major order i·(size + 1) places after the first one, which is at max(k, -k·size).
    first = k if k >= 0 else -k * size
    last = first + (count - 1) * (size + 1)
    return reshape(pad(x, 0, [(first, size * size - 1 - last, size)]), (size, size))


@implements(np.diagonal)
def diagonal(a: ArrayLike, offset: int = 0, axis1: SupportsIndex = 0, axis2: SupportsIndex = 1) -> Array:
    """The diagonal of the matrices on two axes, `offset` above the main one, as the last axis."""
    x = strong(a, "diagonal")
    if aval_of(x).ndim < 2:
        raise ParameterError("diagonal", f"an operand of type {aval_of(x)}", "at least two dimensions")
    x = moveaxis(x, (axis1, axis2), (-2, -1))
    *rest, rows, columns = shape_of(x)
    starts = np.diagonal(np.arange(rows * columns).reshape(rows, columns), offset)
    return take(reshape(x, (*rest, rows * columns)), starts, -1)


@implements(np.trace)
def trace(
    a: ArrayLike, offset: int = 0, axis1: SupportsIndex = 0, axis2: SupportsIndex = 1, dtype: DTypeLike | None = None
) -> Array:
    """The sum of the diagonal of the matrices on two axes."""
    return sum(diagonal(a, offset, axis1, axis2), -1, dtype)


def _triangle(m: ArrayLike, name: str, k: int, lower: bool) -> Array:
    x = strong(m, name)
    if aval_of(x).ndim == 0:
        raise ParameterError(name, f"an operand of type {aval_of(x)}", "at least one dimension")
    rows, columns = (shape_of(x) * 2)[-2:]
    mask = np.tri(rows, columns, k if lower else k - 1, dtype=bool)
    return where(mask == lower, x, aval_of(x).dtype.type(0))


@implements(np.tril)
def tril(m: ArrayLike, k: int = 0) -> Array:
    """The matrices with zeros above the k-th diagonal."""
    return _triangle(m, "tril", k, True)


@implements(np.triu)
def triu(m: ArrayLike, k: int = 0) -> Array:
    """The matrices with zeros below the k-th diagonal."""
    return _triangle(m, "triu", k, False)


# ---- grids ----


@implements(np.meshgrid)
def meshgrid(*xi: ArrayLike, sparse: bool = False, indexing: Literal["xy", "ij"] = "xy") -> tuple[Array, ...]:
    """The coordinates of a grid from those along each axis."""
    if indexing not in ("xy", "ij"):
        raise ParameterError("meshgrid", f"indexing={indexing!r}", "'xy' or 'ij'")
    vectors = [ravel(x) for x in xi]
    order = list(range(len(vectors)))
    if indexing == "xy" and len(order) > 1:
        order[:2] = [1, 0]
    shaped = [
        reshape(v, [shape_of(v)[0] if place == i else 1 for i in range(len(order))])
        for v, place in zip(vectors, order, strict=True)
    ]
    if sparse:
        return tuple(shaped)
    sizes = np.broadcast_shapes(*(shape_of(x) for x in shaped))
    return tuple(broadcast_to_shape(x, sizes) for x in shaped)


@implements(np.vander)
def vander(x: ArrayLike, N: int | None = None, increasing: bool = False) -> Array:
    """The matrix of the powers of a vector, the highest first unless `increasing`."""
    v = strong(x, "vander")
    if aval_of(v).ndim != 1:
        raise ParameterError("vander", f"an operand of type {aval_of(v)}", "one dimension")
    v = converted(v, np.promote_types(aval_of(v).dtype, np.int64))
    count = shape_of(v)[0] if N is None else N
    ones = np.ones((shape_of(v)[0], min(count, 1)), aval_of(v).dtype)
    factors = np.concatenate([ones, broadcast_to_shape(expand_dims(v, (1,)), (shape_of(v)[0], max(count - 1, 0)))], 1)
    out = cumprod(factors, 1)
    return out if increasing else np.flip(out, 1)


# ---- indices of a triangle, or of the diagonal, of an array of this shape ----


def _is_matrix(arr: ArrayLike, name: str) -> Shape:
    shape = shape_of(strong(arr, name))
    if len(shape) != 2:
        raise ValueError("input array must be 2-d")
    return shape


@implements(np.diag_indices_from)
def diag_indices_from(arr: ArrayLike) -> tuple[Array, ...]:
    """The indices of the diagonal of an array, all of whose axes have one length."""
    shape = shape_of(strong(arr, "diag_indices_from"))
    if len(shape) < 2:
        raise ValueError("input array must be at least 2-d")
    if len(set(shape)) != 1:
        raise ValueError("All dimensions of input must be of equal length")
    return np.diag_indices(shape[0], len(shape))


@implements(np.tril_indices_from)
def tril_indices_from(arr: ArrayLike, k: int = 0) -> tuple[Array, Array]:
    """The indices of a matrix's entries on and below its k-th diagonal."""
    rows, columns = _is_matrix(arr, "tril_indices_from")
    return np.tril_indices(rows, k, columns)


@implements(np.triu_indices_from)
def triu_indices_from(arr: ArrayLike, k: int = 0) -> tuple[Array, Array]:
    """The indices of a matrix's entries on and above its k-th diagonal."""
    rows, columns = _is_matrix(arr, "triu_indices_from")
    return np.triu_indices(rows, k, columns)


# ---- how an array lies in memory, which means nothing for a traced one ----


@implements(np.asfortranarray)
def asfortranarray(a: Any, dtype: DTypeLike | None = None) -> Array:  # Any: as for array
    """As `asarray`."""
    return asarray(a, dtype)


@implements(np.require)
def require(a: Any, dtype: DTypeLike | None = None, requirements: Any = None) -> Array:  # Any: as for array
    """As `asarray`: a traced value becomes an array of its own, in whatever order."""
    del requirements
    return asarray(a, dtype)


@implements(np.min_scalar_type)
def min_scalar_type(a: ArrayLike, /) -> DType:
    """The dtype of an array; of a traced number too, whose value is not asked for."""
    return aval_of(strong(a, "min_scalar_type")).dtype
