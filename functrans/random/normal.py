"""Normal numbers, whole or cut off. Imports `uniform` and `sampling`; start reading at `normal`."""

from __future__ import annotations

from math import inf, sqrt

import numpy as np

from functrans.numpy import clip, exp, nextafter
from functrans.ops.complex import complex
from functrans.ops.identity import stop_gradient
from functrans.ops.special import erf, erf_inv
from functrans.random.sampling import (
    ShapeLike,
    as_dtype,
    as_shape,
    common_shape,
    floating,
    number,
    sample,
    spread,
)
from functrans.random.threefry import split_key
from functrans.random.uniform import uniform_between
from functrans.typing import Array, ArrayLike, DType, DTypeLike, Shape

__all__ = ["lognormal", "normal", "standard_normal", "standard_truncated", "truncated_normal"]


def normal(key: ArrayLike, shape: ShapeLike = (), dtype: DTypeLike | None = None) -> Array:
    """Random numbers from the standard normal distribution, of a floating or complex dtype: float64 if none is given.

    A complex number's parts each have variance 1/2. Each is √2 erf⁻¹(u) of a u that is uniform in (−1, 1). Raises
    ParameterError for another dtype.

    >>> from functrans import random
    >>> normal(random.key(0), (2,))
    array([-0.20584214, -0.78476578])
    """
    kind = as_dtype("normal", dtype, "fc", np.float64)
    return sample("normal", standard_normal, key, shape=as_shape("normal", shape), dtype=kind)


def standard_normal(key: Array, *, shape: Shape, dtype: DType) -> Array:
    """The formula of `normal`."""
    if dtype.kind == "f":
        return number(sqrt(2), dtype) * erf_inv(_open_unit(key, shape, dtype))
    part = np.dtype(f"f{dtype.itemsize // 2}")
    real, imag = (standard_normal(one, shape=shape, dtype=part) for one in split_key(key))
    return complex(real, imag) / number(sqrt(2), dtype)


def _open_unit(key: Array, shape: Shape, dtype: DType) -> Array:
    """Uniform in (−1, 1)."""
    above = np.nextafter(dtype.type(-1), dtype.type(0))
    return uniform_between(key, above, number(1, dtype), shape=shape, dtype=dtype)


def truncated_normal(
    key: ArrayLike,
    lower: ArrayLike,
    upper: ArrayLike,
    shape: ShapeLike | None = None,
    dtype: DTypeLike | None = None,
) -> Array:
    """Random standard normal numbers between bounds, which they do not reach; floating, float64 if no dtype is given.

    The result has the shape that is given, or the one that the bounds broadcast to. Raises ParameterError for what does not
    fit.

    >>> from functrans import random
    >>> truncated_normal(random.key(0), -1.0, 1.0, (2,))
    array([-0.13999612, -0.50631466])
    """
    name, sizes = "truncated_normal", common_shape("truncated_normal", shape, lower, upper)
    return sample(name, standard_truncated, key, lower, upper, shape=sizes, dtype=floating(name, dtype))


def standard_truncated(key: Array, lower: ArrayLike, upper: ArrayLike, *, shape: Shape, dtype: DType) -> Array:
    """The formula of `truncated_normal`."""
    low, high = (spread("truncated_normal", bound, shape, dtype) for bound in (lower, upper))
    root = number(sqrt(2), dtype)
    u = uniform_between(key, erf(low / root), erf(high / root), shape=shape, dtype=dtype)
    above, below = (
        nextafter(stop_gradient(low), number(inf, dtype)),
        nextafter(stop_gradient(high), number(-inf, dtype)),
    )
    return clip(root * erf_inv(u), above, below)


def lognormal(
    key: ArrayLike, sigma: ArrayLike = 1.0, shape: ShapeLike | None = None, dtype: DTypeLike | None = None
) -> Array:
    """Random numbers whose logarithms are normal, with deviation sigma; floating or complex, float64 if no dtype is given.

    The result has the shape that is given, or sigma's. Raises ParameterError for what does not fit.

    >>> from functrans import random
    >>> lognormal(random.key(0), 0.5, (2,))
    array([0.90219818, 0.67544544])
    """
    kind, sizes = as_dtype("lognormal", dtype, "fc", np.float64), common_shape("lognormal", shape, sigma)
    return sample("lognormal", _lognormal, key, sigma, shape=sizes, dtype=kind)


def _lognormal(key: Array, sigma: ArrayLike, *, shape: Shape, dtype: DType) -> Array:
    return exp(standard_normal(key, shape=shape, dtype=dtype) * spread("lognormal", sigma, shape, dtype))
