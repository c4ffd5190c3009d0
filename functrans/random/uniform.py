"""Bits, uniform numbers, coins. Imports `threefry` and `sampling`; start reading at `uniform`."""

from __future__ import annotations

import numpy as np

from functrans.core.primitive import aval_of
from functrans.errors import ParameterError
from functrans.numpy import maximum
from functrans.ops.bitwise import bitwise_or, shift_right_logical
from functrans.ops.cast import bitcast_convert_type, convert_element_type
from functrans.random.sampling import (
    ShapeLike,
    as_dtype,
    as_parameter,
    as_shape,
    common_shape,
    floating,
    number,
    sample,
    spread,
)
from functrans.random.threefry import random_bits
from functrans.typing import Array, ArrayLike, DType, DTypeLike, Shape

__all__ = ["bernoulli", "bits", "rademacher", "uniform", "uniform_between", "uniform_unit"]


def bits(key: ArrayLike, shape: ShapeLike = (), dtype: DTypeLike | None = None) -> Array:
    """Random unsigned integers, each of a dtype's values as likely as any other; uint64 if none is given.

    Raises ParameterError for a dtype that is not unsigned.

    >>> from functrans import random
    >>> bits(random.key(0), (2,), np.uint8)
    array([167, 146], dtype=uint8)
    """
    kind = as_dtype("bits", dtype, "u", np.uint64)
    return sample("bits", _bits, key, shape=as_shape("bits", shape), width=8 * kind.itemsize)


def _bits(key: Array, *, shape: Shape, width: int) -> Array:
    return random_bits(key, width, shape)


# ---- uniform ----


def uniform(
    key: ArrayLike,
    shape: ShapeLike = (),
    dtype: DTypeLike | None = None,
    minval: ArrayLike = 0.0,
    maxval: ArrayLike = 1.0,
) -> Array:
    """Random numbers, uniform in [minval, maxval), of a floating dtype: float64 if none is given.

    The bounds broadcast to `shape`. In [0, 1) they are multiples of the dtype's epsilon; elsewhere rounding may give maxval.
    Raises ParameterError for another dtype, and for bounds that do not broadcast.

    >>> from functrans import random
    >>> uniform(random.key(0), (2,), minval=-1.0)
    array([-0.16308578, -0.56740909])
    """
    kind, sizes = floating("uniform", dtype), common_shape("uniform", as_shape("uniform", shape), minval, maxval)
    if type(minval) is type(maxval) is float and (minval, maxval) == (0.0, 1.0):
        return sample("uniform", uniform_unit, key, shape=sizes, dtype=kind)
    return sample("uniform", uniform_between, key, minval, maxval, shape=sizes, dtype=kind)


def uniform_unit(key: Array, *, shape: Shape, dtype: DType) -> Array:
    """In [0, 1): random bits are the fraction of a number in [1, 2), from which 1 is taken."""
    width, fraction = 8 * dtype.itemsize, np.finfo(dtype).nmant
    unsigned = np.dtype(f"u{dtype.itemsize}")
    one = np.ones((), dtype).view(unsigned)[()]
    random = shift_right_logical(random_bits(key, width, shape), unsigned.type(width - fraction))
    return bitcast_convert_type(bitwise_or(random, one), dtype) - number(1, dtype)


def uniform_between(key: Array, minval: ArrayLike, maxval: ArrayLike, *, shape: Shape, dtype: DType) -> Array:
    """In [minval, maxval), or where that is empty minval."""
    low, high = (
        as_parameter("uniform", bound, dtype) for bound in (minval, maxval)
    )  # not spread: they may be constants
    return maximum(low, uniform_unit(key, shape=shape, dtype=dtype) * (high - low) + low)


# ---- coins ----


def bernoulli(key: ArrayLike, p: ArrayLike = 0.5, shape: ShapeLike | None = None, mode: str = "low") -> Array:
    """Random truth values, each true with probability p, of the shape that is given or p's.

    p: floating; its dtype is the one that uniform numbers are drawn in. mode: "high" draws two for each, for p below the
    dtype's epsilon. Raises ParameterError for integers and other modes, and where p does not broadcast to `shape`.

    >>> from functrans import random
    >>> bernoulli(random.key(0), 0.3, (4,))
    array([False,  True, False, False])
    """
    dtype, sizes = aval_of(p).dtype, common_shape("bernoulli", shape, p)
    if dtype.kind != "f" or mode not in ("low", "high"):
        raise ParameterError("bernoulli", f"p of dtype {dtype} and mode={mode!r}", 'a floating p, and "low" or "high"')
    return sample("bernoulli", bernoulli_of, key, p, shape=sizes, is_high=mode == "high")


def bernoulli_of(key: Array, p: ArrayLike, *, shape: Shape, is_high: bool) -> Array:
    """Whether a uniform number is below p."""
    dtype = aval_of(p).dtype
    wanted = spread("bernoulli", p, shape, dtype)
    if not is_high:
        return uniform_unit(key, shape=shape, dtype=dtype) < wanted
    coarse, fine = uniform_unit(key, shape=(2, *shape), dtype=dtype)
    below: Array = fine * number(np.finfo(dtype).eps, dtype) < wanted - coarse
    return below


def rademacher(key: ArrayLike, shape: ShapeLike = (), dtype: DTypeLike | None = None) -> Array:
    """Random signs, 1 or −1, each with probability 1/2; of any numeric dtype, int64 if none is given.

    >>> from functrans import random
    >>> rademacher(random.key(0), (4,))
    array([ 1,  1, -1, -1])
    """
    kind = as_dtype("rademacher", dtype, "iufc", np.int64)
    return sample("rademacher", rademacher_signs, key, shape=as_shape("rademacher", shape), dtype=kind)


def rademacher_signs(key: Array, *, shape: Shape, dtype: DType) -> Array:
    """1 for heads, −1 for tails."""
    heads = bernoulli_of(key, 0.5, shape=shape, is_high=False)
    return 2 * convert_element_type(heads, dtype) - number(1, dtype)
