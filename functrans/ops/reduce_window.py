"""Reductions over windows: the sum, the largest and the smallest element of each, and where that one stands.

A sum over windows is its own transpose, but for padding and dilation. A largest element takes the derivative of the place
where it stands, the first of several. Start reading at `_reduction`. Imports core, `windows`, `sort`, `shape` and others.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from math import prod
from typing import Any, Literal, TypeAlias

import numpy as np

from functrans.core.aval import ShapedArray, shaped
from functrans.core.lowering_windows import ReduceWindow, Window, WindowPosition
from functrans.core.primitive import LocallyConstant, Maybes, Params, Primitive, Pullback, Tracer, Values, aval_of
from functrans.errors import OperandError, ParameterError
from functrans.ops.arithmetic import add
from functrans.ops.broadcast import broadcast_in_dim
from functrans.ops.comparison import lt
from functrans.ops.extrema import max as max_
from functrans.ops.extrema import min as min_
from functrans.ops.families import dtype_of
from functrans.ops.rules import linear
from functrans.ops.select import select
from functrans.ops.shape import pad, reshape, slice
from functrans.ops.sort import put_along, take_along
from functrans.ops.windows import Padding, check_windows, dilated, padding_of, patches, per_axis, transposed_padding
from functrans.typing import Array, ArrayLike, DType, DTypeLike, Shape

__all__ = [
    "reduce_window", "reduce_window_argmax", "reduce_window_argmax_p", "reduce_window_argmin", "reduce_window_argmin_p",
    "reduce_window_max_p", "reduce_window_min_p", "reduce_window_sum_p",
]  # fmt: skip

Computation: TypeAlias = Callable[[Any, Any], Any]  # Any: arrays or tracers
NAME = "reduce_window"


def _windows(params: Params) -> tuple[Window, ...]:
    before, after = zip(*params["padding"], strict=True) if params["padding"] else ((), ())
    each = (
        params["window_dimensions"],
        params["window_strides"],
        before,
        after,
        params["base_dilation"],
        params["window_dilation"],
    )
    return tuple(Window(*numbers) for numbers in zip(*each, strict=True))


def _counts(aval: ShapedArray, params: Params, accepts: str) -> Shape:
    if aval.dtype.kind not in accepts:
        raise OperandError(NAME, [str(aval)], f"a dtype of one of the kinds {accepts}")
    return check_windows(NAME, aval.shape, _windows(params))


def _shifted(params: Params) -> Params:
    """For an operand with one more axis, which comes first."""
    return {name: (((0, 0) if name == "padding" else 1), *value) for name, value in params.items()}


# ---- sum ----


def _sum_transpose(g: Array, x: ShapedArray, **params: Any) -> Array:  # Any: see Params
    windows = _windows(params)
    padding = tuple(
        transposed_padding(window, length, count)
        for window, length, count in zip(windows, x.shape, aval_of(g).shape, strict=True)
    )
    swapped = {"window_strides": params["base_dilation"], "base_dilation": params["window_strides"]}
    return reduce_window_sum_p.bind(g, **{**params, **swapped, "padding": padding})[0]


def _sum_impl(x: Array, **params: Any) -> Values:  # Any: see Params
    _counts(aval_of(x), params, "iufc")
    view = patches(x, _windows(params), x.dtype.type(0))
    return (np.add.reduce(view, tuple(range(x.ndim, 2 * x.ndim)), dtype=x.dtype),)


reduce_window_sum_p: Primitive = linear(
    "reduce_window_sum",
    _sum_impl,
    lambda aval, **params: shaped(_counts(aval, params, "iufc"), aval.dtype),
    _sum_transpose,
    lambda _size, x, **params: reduce_window_sum_p.bind(x, **_shifted(params))[0],
    lower=lambda _avals, params: ReduceWindow(_windows(params), "add"),
)


# ---- where the largest or smallest element stands ----


def _inner(windows: Sequence[Window]) -> int:
    """The first axis along which windows are more than the elements; places are counted from there on."""
    return next((axis for axis, window in enumerate(windows) if not window.is_whole), len(windows))


def _position(name: str, extremum: Literal["max", "min"]) -> Primitive:
    reduce = np.maximum if extremum == "max" else np.minimum

    def impl(x: Array, *, index_dtype: DType, **params: Any) -> Values:  # Any: see Params
        windows, inner = _windows(params), _inner(_windows(params))
        _counts(aval_of(x), params, "biuf")
        places = np.arange(prod(x.shape[inner:])).reshape(x.shape[inner:])
        where = patches(places, windows[inner:], np.array(-1))
        view = patches(x, windows[inner:], x.dtype.type(0))
        within = tuple(range(view.ndim - (x.ndim - inner), view.ndim))
        valid = np.broadcast_to(where >= 0, view.shape)
        best = reduce.reduce(view, within, keepdims=True, where=valid, initial=_identity(x.dtype, extremum))
        found = valid & ((view == best) | (view != view))
        flat = (*view.shape[: within[0]], prod(view.shape[within[0] :])) if within else (*view.shape, 1)
        first = np.argmax(found.reshape(flat), axis=-1, keepdims=True) if flat[-1] else None
        if first is None:
            return (np.full(flat[:-1], -1, index_dtype),)
        place = np.take_along_axis(np.broadcast_to(where, view.shape).reshape(flat), first, -1)
        is_there = np.take_along_axis(found.reshape(flat), first, -1)
        return (np.where(is_there, place, -1)[..., 0].astype(index_dtype),)

    def batch(size: int, args: Values, batched: tuple[bool, ...], params: Params) -> tuple[Values, tuple[bool, ...]]:
        rest = {key: value for key, value in params.items() if key != "index_dtype"}
        return prim.bind(*args, index_dtype=params["index_dtype"], **_shifted(rest)), (True,)

    constant = LocallyConstant("the place changes only where two elements are equal")
    prim = Primitive(
        name,
        impl,
        lambda aval, *, index_dtype, **params: (shaped(_counts(aval, params, "biuf"), index_dtype),),
        constant,
        constant,
        batch,
        lower=lambda _avals, params: WindowPosition(_windows(params), extremum, _inner(_windows(params))),
    )
    return prim


reduce_window_argmax_p = _position("reduce_window_argmax", "max")
reduce_window_argmin_p = _position("reduce_window_argmin", "min")


# ---- largest, smallest ----


def _identity(dtype: DType, extremum: Literal["max", "min"]) -> Any:  # Any: a NumPy scalar of the dtype
    """What is no larger, or no smaller, than any number of a dtype."""
    if dtype.kind == "b":
        return dtype.type(extremum == "min")
    if dtype.kind == "f":
        return dtype.type(-np.inf if extremum == "max" else np.inf)
    return dtype.type(np.iinfo(dtype).min if extremum == "max" else np.iinfo(dtype).max)


def _along(x: ShapedArray, out: Shape, windows: Sequence[Window]) -> tuple[Shape, Shape]:
    """The operand and the result with one axis for those from the first on along which places are counted."""
    inner = _inner(windows)
    return (*x.shape[:inner], prod(x.shape[inner:])), (*out[:inner], prod(out[inner:]))


def _reduction(name: str, extremum: Literal["max", "min"], position: Primitive) -> Primitive:
    ufunc = np.maximum if extremum == "max" else np.minimum

    def impl(x: Array, **params: Any) -> Values:  # Any: see Params
        _counts(aval_of(x), params, "biuf")
        view = patches(x, _windows(params), _identity(x.dtype, extremum))
        return (ufunc.reduce(view, tuple(range(x.ndim, 2 * x.ndim)), initial=_identity(x.dtype, extremum)),)

    def places(x: Array, params: Params) -> tuple[Array, Array | None, Shape]:
        """Of each result the place, which of them have one (None: all), and the shape in which the operand has it."""
        aval, windows = aval_of(x), _windows(params)
        index = np.dtype(np.int32 if aval.size < 1 << 31 else np.int64)
        (found,) = position.bind(x, index_dtype=index, **params)
        flat, shape = _along(aval, aval_of(found).shape, windows)
        found = reshape(found, shape)
        if all(window.is_full(length) for window, length in zip(windows, aval.shape, strict=True)):
            return found, None, flat
        missing = lt(found, index.type(0))
        return select(missing, index.type(0), found), missing, flat

    def vjp(primals: Values, _wanted: tuple[bool, ...], params: Params) -> tuple[Values, Pullback]:
        (x,) = primals

        def pullback(cts: Maybes) -> Maybes:
            aval = aval_of(x)
            assert cts[0] is not None
            if aval.size == 0:
                return (broadcast_in_dim(aval.dtype.type(0), aval.shape, ()),)
            found, missing, flat = places(x, params)
            g = reshape(cts[0], aval_of(found).shape)
            g = g if missing is None else select(missing, aval.dtype.type(0), g)
            return (reshape(put_along(g, found, len(flat) - 1, flat[-1]), aval.shape),)

        return prim.bind(x, **params), pullback

    def jvp(primals: Values, tangents: Maybes, params: Params) -> tuple[Values, Maybes]:
        (x,), t = primals, tangents[0]
        assert t is not None
        outs, zero = prim.bind(x, **params), aval_of(t).dtype.type(0)
        if aval_of(x).size == 0:
            return outs, (broadcast_in_dim(zero, aval_of(outs[0]).shape, ()),)
        found, missing, flat = places(x, params)
        along = take_along(reshape(t, flat), found, len(flat) - 1)
        along = along if missing is None else select(missing, zero, along)
        return outs, (reshape(along, aval_of(outs[0]).shape),)

    prim = Primitive(
        name,
        impl,
        lambda aval, **params: (shaped(_counts(aval, params, "biuf"), aval.dtype),),
        vjp,
        jvp,
        lambda _size, args, _batched, params: (prim.bind(*args, **_shifted(params)), (True,)),
        lower=lambda _avals, params: ReduceWindow(_windows(params), extremum),
    )
    return prim


reduce_window_max_p = _reduction("reduce_window_max", "max", reduce_window_argmax_p)
reduce_window_min_p = _reduction("reduce_window_min", "min", reduce_window_argmin_p)


# ---- public functions ----


def _params(
    shape: Shape,
    window_dimensions: Sequence[int],
    window_strides: Sequence[int] | None,
    padding: str | Sequence[tuple[int, int]],
    base_dilation: Sequence[int] | None,
    window_dilation: Sequence[int] | None,
) -> dict[str, Any]:  # Any: see Params
    rank = len(shape)
    sizes = per_axis(NAME, "window_dimensions", window_dimensions, rank)
    strides = per_axis(NAME, "window_strides", window_strides, rank)
    spread = per_axis(NAME, "base_dilation", base_dilation, rank)
    apart = per_axis(NAME, "window_dilation", window_dilation, rank)
    lengths = tuple(map(dilated, shape, spread))
    pairs: Padding = padding_of(NAME, padding, lengths, tuple(map(dilated, sizes, apart)), strides)
    return {
        "window_dimensions": sizes, "window_strides": strides, "padding": pairs, "base_dilation": spread,
        "window_dilation": apart,
    }  # fmt: skip


_SUM: frozenset[Any] = frozenset((add, np.add, operator.add))  # Any: functions
_MAX: frozenset[Any] = frozenset((max_, np.maximum))
_MIN: frozenset[Any] = frozenset((min_, np.minimum))


def _primitive(computation: Computation, init: ArrayLike, dtype: DType) -> Primitive | None:
    """What computes it, from a number that changes nothing; None: nothing but the computation itself."""
    if isinstance(init, Tracer) or np.ndim(init):
        return None
    if computation in _SUM and init == 0 and dtype.kind in "iufc":
        return reduce_window_sum_p
    if computation in _MAX and dtype.kind in "biuf" and init == _identity(dtype, "max"):
        return reduce_window_max_p
    if computation in _MIN and dtype.kind in "biuf" and init == _identity(dtype, "min"):
        return reduce_window_min_p
    return None


def reduce_window(
    operand: Array,
    init_value: ArrayLike,
    computation: Computation,
    window_dimensions: Sequence[int],
    window_strides: Sequence[int] | None = None,
    padding: str | Sequence[tuple[int, int]] = "VALID",
    base_dilation: Sequence[int] | None = None,
    window_dilation: Sequence[int] | None = None,
) -> Array:
    """The elements of each window combined, one after the other, beginning with `init_value`; padding is left out.

    Windows have `window_dimensions` elements along each axis of the operand, `window_dilation` apart, and begin
    `window_strides` apart; between the operand's elements `base_dilation` - 1 are put in. `padding` is "SAME", "SAME_LOWER",
    "VALID" or a pair (before, after) for each axis. `computation` is `lax.add`, `lax.max`, `lax.min`, or any function of two
    arrays that works element by element; it is called for each element of a window. The dtype stays. Of equal largest
    elements the first takes the derivative.

    Raises ParameterError where shapes and parameters do not fit.

    >>> reduce_window(np.arange(6.0), 0.0, add, (3,), (2,), [(1, 0)])
    array([ 1.,  6., 12.])
    """
    aval = aval_of(operand)
    params = _params(aval.shape, window_dimensions, window_strides, padding, base_dilation, window_dilation)
    prim = _primitive(computation, init_value, aval.dtype)
    if prim is not None:
        return prim.bind(operand, **params)[0]
    return _folded(operand, init_value, computation, _windows(params))


def _folded(operand: Array, init: ArrayLike, computation: Computation, windows: Sequence[Window]) -> Array:
    """Element by element of the windows: slices of the padded operand, combined."""
    aval = aval_of(operand)
    counts = check_windows(NAME, aval.shape, windows)
    value: Any = aval.dtype.type(init) if not hasattr(init, "dtype") else init  # Any: a scalar of the operand's dtype
    if dtype_of(value) != aval.dtype or aval_of(value).shape:
        raise OperandError(NAME, [str(aval), str(aval_of(value))], "an initial value of rank 0 and the operand's dtype")
    padded = pad(operand, value, [(window.before, window.after, window.spread - 1) for window in windows])
    there = patches(np.ones(aval.shape, bool), windows, np.array(False))
    total, strides = broadcast_in_dim(value, counts, ()), [window.stride for window in windows]
    for place in np.ndindex(*(window.size for window in windows)):
        inside = there[(..., *place)]
        if not inside.any():
            continue
        start = [at * window.dilation for at, window in zip(place, windows, strict=True)]
        stop = [s + (n - 1) * step + 1 for s, n, step in zip(start, counts, strides, strict=True)]
        following = computation(total, slice(padded, start, stop, strides))
        if aval_of(following) != shaped(counts, aval.dtype):
            raise ParameterError(NAME, f"a computation that gives {aval_of(following)} for elements of {aval.dtype}",
                                 "one that works element by element and keeps the dtype")  # fmt: skip
        total = following if inside.all() else select(inside.copy(), following, total)
    return total


def reduce_window_argmax(
    operand: Array,
    window_dimensions: Sequence[int],
    window_strides: Sequence[int] | None = None,
    padding: str | Sequence[tuple[int, int]] = "VALID",
    base_dilation: Sequence[int] | None = None,
    window_dilation: Sequence[int] | None = None,
    index_dtype: DTypeLike = np.intp,
) -> Array:
    """Where the largest element of each window stands, the first of several or the first NaN; -1 in a window of padding.

    Places are counted in C order over the axes from the first on along which a window is not each element by itself.

    >>> reduce_window_argmax(np.array([[3.0, 5.0, 1.0, 2.0]]), (1, 2), (1, 2))
    array([[1, 3]])
    """
    params = _params(aval_of(operand).shape, window_dimensions, window_strides, padding, base_dilation, window_dilation)
    return reduce_window_argmax_p.bind(operand, index_dtype=np.dtype(index_dtype), **params)[0]


def reduce_window_argmin(
    operand: Array,
    window_dimensions: Sequence[int],
    window_strides: Sequence[int] | None = None,
    padding: str | Sequence[tuple[int, int]] = "VALID",
    base_dilation: Sequence[int] | None = None,
    window_dilation: Sequence[int] | None = None,
    index_dtype: DTypeLike = np.intp,
) -> Array:
    """Where the smallest element of each window stands; see `reduce_window_argmax`.

    >>> reduce_window_argmin(np.array([[3.0, 5.0, 1.0, 2.0]]), (1, 2), (1, 2))
    array([[0, 2]])
    """
    params = _params(aval_of(operand).shape, window_dimensions, window_strides, padding, base_dilation, window_dilation)
    return reduce_window_argmin_p.bind(operand, index_dtype=np.dtype(index_dtype), **params)[0]
