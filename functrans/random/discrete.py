"""Random integers, and choices among given things. Imports `threefry`, `continuous` and `sampling`; start at `randint`."""

from __future__ import annotations

import math
from operator import index
from typing import cast

import numpy as np

import functrans.numpy as fnp
from functrans.core.primitive import aval_of, is_concrete
from functrans.errors import ParameterError
from functrans.ops.arithmetic import mul, rem, sub
from functrans.ops.broadcast import zeros
from functrans.ops.cast import convert_element_type
from functrans.ops.generate import iota
from functrans.ops.sort import sort, top_k
from functrans.random.continuous import Mode, as_mode, gumbel_of
from functrans.random.sampling import ShapeLike, as_dtype, as_shape, common_shape, number, sample
from functrans.random.threefry import random_bits, split_key
from functrans.random.uniform import uniform_unit
from functrans.typing import Array, ArrayLike, DType, DTypeLike, Shape

__all__ = ["categorical", "choice", "geometric", "permutation", "randint"]


def randint(
    key: ArrayLike, shape: ShapeLike, minval: ArrayLike, maxval: ArrayLike, dtype: DTypeLike | None = None
) -> Array:
    """Random integers in [minval, maxval), of an integer dtype: int64 if none is given.

    The bounds are whole numbers that broadcast to `shape`; those beyond the dtype's range stand for its ends. Where
    maxval is not above minval the result is minval. Twice the dtype's bits modulo the number of values: those of less than
    32 bits are drawn in 32. Raises ParameterError for what does not fit.

    >>> from functrans import random
    >>> randint(random.key(0), (4,), 0, 10)
    array([5, 1, 5, 7])
    """
    kind, sizes = (
        as_dtype("randint", dtype, "iu", np.int64),
        common_shape("randint", as_shape("randint", shape), minval, maxval),
    )
    if any(aval_of(bound).dtype.kind not in "iu" for bound in (minval, maxval)):
        raise ParameterError("randint", f"bounds {minval!r} and {maxval!r}", "whole numbers")
    bounds = [_as_integer(bound) for bound in (minval, maxval)]
    return sample("randint", randint_between, key, *bounds, shape=sizes, dtype=kind)


def _as_integer(bound: ArrayLike) -> ArrayLike:
    """A Python number as int64 or, above its range, uint64."""
    return np.asarray(bound) if type(bound) is int else bound


def randint_between(key: Array, minval: ArrayLike, maxval: ArrayLike, *, shape: Shape, dtype: DType) -> Array:
    """The formula of `randint`."""
    if dtype.itemsize < 4:
        info, wide = np.iinfo(dtype), np.dtype(np.int32)
        low, high = _clipped(minval, info.min, info.max, wide), _clipped(maxval, info.min, info.max + 1, wide)
        return convert_element_type(randint_between(key, low, high, shape=shape, dtype=wide), dtype)
    unsigned, width, most = np.dtype(f"u{dtype.itemsize}"), 8 * dtype.itemsize, np.iinfo(dtype).max
    low, high = (_clipped(bound, np.iinfo(dtype).min, most, dtype) for bound in (minval, maxval))
    is_wider = fnp.logical_and(fnp.greater(maxval, most), high > low)
    span = convert_element_type(sub(*(fnp.broadcast_to(bound, shape) for bound in (high, low))), unsigned)
    span = fnp.where(high > low, span, number(1, unsigned)) + convert_element_type(is_wider, unsigned)
    return low + convert_element_type(_modulo(key, width, span), dtype)


def _clipped(bound: ArrayLike, least: int, most: int, dtype: DType) -> Array:
    """A bound in a dtype's range; of that dtype."""
    info = np.iinfo(aval_of(bound).dtype)
    return convert_element_type(fnp.clip(bound, max(least, info.min), min(most, info.max)), dtype)


def _modulo(key: Array, width: int, span: Array) -> Array:
    """Numbers of twice `width` random bits modulo a span; where the span is 0, for 2^width, their low half."""
    dtype, shape = span.dtype, span.shape
    high, low = (random_bits(one, width, shape) for one in split_key(key))
    divisor = fnp.where(span == number(0, dtype), number(1, dtype), span)
    half = rem(fnp.broadcast_to(number(2 ** (width // 2), dtype), shape), divisor)
    carried = rem(mul(half, half), divisor)
    total = mul(rem(high, divisor), carried) + rem(low, divisor)
    return fnp.where(span == number(0, dtype), low, rem(total, divisor))


# ---- orders ----


def permutation(key: ArrayLike, x: ArrayLike, axis: int = 0, independent: bool = False) -> Array:
    """The elements of an array along an axis in random order, or the numbers below an integer x.

    With `independent` each line along the axis has an order of its own. Raises ParameterError for an axis that x lacks, and
    for a traced integer, whose size is not known.

    >>> from functrans import random
    >>> permutation(random.key(0), 6)
    array([0, 1, 5, 4, 3, 2])
    """
    values = _values("permutation", x)
    along = _axis("permutation", values, axis)
    return sample("permutation", shuffled, key, values, axis=along, independent=independent)


def _values(name: str, x: ArrayLike) -> Array:
    """The numbers below x, or the array x itself."""
    aval = aval_of(x)
    if aval.shape:
        return cast(Array, x)
    if aval.dtype.kind not in "iu" or not is_concrete(x):
        raise ParameterError(name, f"x of type {aval}", "an array, or a known integer")
    return np.arange(index(cast(int, x)))


def _axis(name: str, values: Array, axis: int) -> int:
    if not -values.ndim <= axis < values.ndim:
        raise ParameterError(name, f"axis={axis} of an array of type {aval_of(values)}", "an axis that it has")
    return axis % values.ndim


def shuffled(key: Array, x: Array, *, axis: int, independent: bool) -> Array:
    """Sorted by random keys of 32 bits, as often as it takes to make ties unlikely."""
    if not independent and x.ndim > 1:
        return fnp.take(x, shuffled(key, iota(np.int64, x.shape[axis]), axis=0, independent=True), axis)
    rounds = math.ceil(3 * math.log(max(1, x.size)) / math.log(2**32 - 1))
    for _ in range(rounds):
        key, used = split_key(key)
        x = sort((random_bits(used, 32, x.shape), x), axis)[1]
    return x


# ---- choices ----


def choice(
    key: ArrayLike,
    a: ArrayLike,
    shape: ShapeLike = (),
    replace: bool = True,
    p: ArrayLike | None = None,
    axis: int = 0,
    mode: Mode | None = None,
) -> Array:
    """A random choice of the elements of an array along an axis, or of the numbers below an integer a.

    In the result `shape` stands in place of the axis. p: the probability of each; all alike if it is not given. Without
    `replace` none is chosen twice; with p then not enough must have probability 0. mode: see `gumbel`, which draws
    without replacement by p. Raises ParameterError for what does not fit, and for more draws than there are things.

    >>> from functrans import random
    >>> choice(random.key(0), np.array([2, 3, 5, 7]), (3,), replace=False)
    array([2, 3, 7])
    """
    sizes, values = as_shape("choice", shape), _values("choice", a)
    along = _axis("choice", values, axis)
    there, draws = values.shape[along], math.prod(sizes)
    if draws and (there < 1 or (draws > there and not replace)):
        again = "" if replace else " without putting them back"
        raise ParameterError("choice", f"{draws} draws from {there} things{again}", "as many things")
    weights = [] if p is None else [_probabilities(p, there)]
    how = as_mode("choice", mode)
    return sample("choice", _choice, key, values, *weights, shape=sizes, replace=bool(replace), axis=along, mode=how)


def _probabilities(p: ArrayLike, there: int) -> Array:
    aval = aval_of(p)
    if aval.shape != (there,) or aval.dtype.kind not in "iuf":
        raise ParameterError("choice", f"p of type {aval} for {there} things", "one probability for each")
    return convert_element_type(p, aval.dtype if aval.dtype.kind == "f" else np.float64)


def _choice(
    key: Array, values: Array, p: Array | None = None, *, shape: Shape, replace: bool, axis: int, mode: Mode
) -> Array:
    there, draws = values.shape[axis], math.prod(shape)
    final = values.shape[:axis] + shape + values.shape[axis + 1 :]
    if not draws:
        return np.zeros(final, values.dtype)
    if p is None and not replace:
        few = fnp.take(shuffled(key, values, axis=axis, independent=False), np.arange(draws), axis)
        return fnp.reshape(few, final)
    if p is None:
        where = randint_between(key, 0, there, shape=shape, dtype=np.dtype(np.int64))
    elif replace:
        where = _weighted(key, p, shape)
    else:
        scores = gumbel_of(key, shape=(there,), dtype=p.dtype, mode=mode) + fnp.log(p)
        where = fnp.reshape(top_k(scores, draws)[1], shape)
    return fnp.take(values, where, axis)


def _weighted(key: Array, p: Array, shape: Shape) -> Array:
    """Where uniform numbers lie among the sums of probabilities."""
    sums = fnp.cumsum(p)
    at = sums[-1] * (number(1, p.dtype) - uniform_unit(key, shape=shape, dtype=p.dtype))
    return _count_below(sums, at)


def _count_below(ascending: Array, x: Array) -> Array:
    """How many elements of an ascending array are below each x, by halving."""
    size, count = len(ascending), zeros(x.shape, np.dtype(np.int64))
    for bit in reversed(range(size.bit_length())):
        ahead = count + 2**bit
        last = fnp.take(ascending, fnp.minimum(ahead, size) - 1)
        count = fnp.where((ahead <= size) & (last < x), ahead, count)
    return count


def categorical(
    key: ArrayLike,
    logits: ArrayLike,
    axis: int = -1,
    shape: ShapeLike | None = None,
    replace: bool = True,
    mode: Mode | None = None,
) -> Array:
    """Random positions along an axis of logits, each with the probability that their softmax gives it; int64.

    The result has the shape of logits without the axis, or `shape`, which ends in it. Without `replace` the draws along
    the axes that `shape` has more differ. mode: see `gumbel`. By the maximum, or the largest, of logits and Gumbel numbers.
    Raises ParameterError for logits that are not floating, and for what does not fit.

    >>> from functrans import random
    >>> categorical(random.key(0), np.log(np.array([0.1, 0.2, 0.7])), shape=(5,))
    array([2, 2, 2, 1, 1])
    """
    aval, name = aval_of(logits), "categorical"
    if aval.dtype.kind != "f" or not aval.shape:
        raise ParameterError(name, f"logits of type {aval}", "a floating array")
    along = _axis(name, cast(Array, logits), axis)
    batch = aval.shape[:along] + aval.shape[along + 1 :]
    sizes = common_shape(name, shape, np.empty(batch, np.bool_))
    draws = math.prod(sizes[: len(sizes) - len(batch)])
    if not replace and draws > aval.shape[along]:
        raise ParameterError(
            name, f"{draws} draws of {aval.shape[along]} categories", "as many categories, or replace=True"
        )
    how = as_mode(name, mode)
    return sample(name, _categorical, key, logits, axis=along, shape=sizes, replace=bool(replace), mode=how)


def _categorical(key: Array, logits: Array, *, axis: int, shape: Shape, replace: bool, mode: Mode) -> Array:
    rank, dtype = logits.ndim - 1, logits.dtype
    prefix, batch = shape[: len(shape) - rank], shape[len(shape) - rank :]
    if replace:
        sizes = (*prefix, *batch[:axis], logits.shape[axis], *batch[axis:])
        scores = gumbel_of(key, shape=sizes, dtype=dtype, mode=mode) + logits
        return fnp.argmax(scores, axis=axis - logits.ndim)
    scores = logits + gumbel_of(key, shape=logits.shape, dtype=dtype, mode=mode)
    found = top_k(fnp.moveaxis(scores, axis, -1), math.prod(prefix))[1]
    return fnp.reshape(fnp.moveaxis(convert_element_type(found, np.int64), -1, 0), shape)


def geometric(key: ArrayLike, p: ArrayLike, shape: ShapeLike | None = None, dtype: DTypeLike | None = None) -> Array:
    """How many trials, each a success with probability p, up to the first success; an integer dtype, int64 if none is given.

    The result has the shape that is given, or p's. p: floating. Raises ParameterError for what does not fit.

    >>> from functrans import random
    >>> geometric(random.key(0), 0.2, (4,))
    array([4, 7, 1, 3])
    """
    kind, sizes = as_dtype("geometric", dtype, "iu", np.int64), common_shape("geometric", shape, p)
    if aval_of(p).dtype.kind != "f":
        raise ParameterError("geometric", f"p of type {aval_of(p)}", "a floating p")
    return sample("geometric", _geometric, key, p, shape=sizes, dtype=kind)


def _geometric(key: Array, p: ArrayLike, *, shape: Shape, dtype: DType) -> Array:
    kind = aval_of(p).dtype
    u = uniform_unit(key, shape=shape, dtype=kind)
    log_u = fnp.log(fnp.where(u == number(0, kind), number(1, kind), u))
    failures = fnp.floor(log_u / fnp.log1p(-convert_element_type(p, kind)))
    return convert_element_type(failures + number(1, kind), dtype)
