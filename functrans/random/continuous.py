"""Continuous distributions whose samples are functions of uniform or normal numbers.

Each is the inverse of the distribution function at a uniform number, where nothing else is said. Imports `uniform`, `normal`
and `sampling`; start reading at `exponential`.
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np

import functrans.numpy as fnp
from functrans.core.primitive import aval_of
from functrans.errors import ParameterError
from functrans.ops.bitwise import population_count, shift_left, shift_right_logical
from functrans.ops.cast import convert_element_type
from functrans.ops.floats import ldexp
from functrans.random.normal import standard_normal
from functrans.random.sampling import ShapeLike, as_shape, common_shape, floating, number, sample, spread
from functrans.random.threefry import random_bits, split_key
from functrans.random.uniform import rademacher_signs, uniform_between, uniform_unit
from functrans.typing import Array, ArrayLike, DType, DTypeLike, Shape

__all__ = [
    "cauchy", "double_sided_maxwell", "exponential", "gumbel", "gumbel_of", "laplace", "logistic", "maxwell", "pareto",
    "rayleigh", "standard_exponential", "triangular", "wald", "weibull_min",
]  # fmt: skip


def exponential(key: ArrayLike, shape: ShapeLike = (), dtype: DTypeLike | None = None) -> Array:
    """Random numbers of density e⁻ˣ on x ≥ 0, of a floating dtype, float64 if none is given; or else ParameterError.

    >>> from functrans import random
    >>> exponential(random.key(0), (2,))
    array([0.54207056, 0.24372319])
    """
    name = "exponential"
    return sample(name, standard_exponential, key, shape=as_shape(name, shape), dtype=floating(name, dtype))


def standard_exponential(key: Array, *, shape: Shape, dtype: DType) -> Array:
    """−log(1 − u)."""
    return -fnp.log1p(-uniform_unit(key, shape=shape, dtype=dtype))


def cauchy(key: ArrayLike, shape: ShapeLike = (), dtype: DTypeLike | None = None) -> Array:
    """Random numbers of density 1 / π(1 + x²), of a floating dtype, float64 if none is given; or else ParameterError.

    >>> from functrans import random
    >>> cauchy(random.key(0), (2,))
    array([-0.26192951, -1.23784602])
    """
    return sample("cauchy", _cauchy, key, shape=as_shape("cauchy", shape), dtype=floating("cauchy", dtype))


def _cauchy(key: Array, *, shape: Shape, dtype: DType) -> Array:
    u = uniform_between(key, np.finfo(dtype).eps, 1.0, shape=shape, dtype=dtype)
    return fnp.tan(number(math.pi, dtype) * (u - number(0.5, dtype)))


def laplace(key: ArrayLike, shape: ShapeLike = (), dtype: DTypeLike | None = None) -> Array:
    """Random numbers of density e^−|x| / 2, of a floating dtype, float64 if none is given; or else ParameterError.

    >>> from functrans import random
    >>> laplace(random.key(0), (2,))
    array([0.17803369, 0.83796278])
    """
    return sample("laplace", _laplace, key, shape=as_shape("laplace", shape), dtype=floating("laplace", dtype))


def _laplace(key: Array, *, shape: Shape, dtype: DType) -> Array:
    u = uniform_between(key, -1.0 + float(np.finfo(dtype).epsneg), 1.0, shape=shape, dtype=dtype)
    return fnp.sign(u) * fnp.log1p(-fnp.abs(u))


def logistic(key: ArrayLike, shape: ShapeLike = (), dtype: DTypeLike | None = None) -> Array:
    """Random numbers of density e⁻ˣ / (1 + e⁻ˣ)², of a floating dtype, float64 if none is given; or else ParameterError.

    >>> from functrans import random
    >>> logistic(random.key(0), (2,))
    array([-0.32911032, -1.28738678])
    """
    return sample("logistic", _logistic, key, shape=as_shape("logistic", shape), dtype=floating("logistic", dtype))


def _logistic(key: Array, *, shape: Shape, dtype: DType) -> Array:
    u = uniform_between(key, np.finfo(dtype).tiny, 1.0, shape=shape, dtype=dtype)
    return fnp.log(u) - fnp.log1p(-u)


# ---- Gumbel's ----

Mode = Literal["low", "high", "highest"]


def gumbel(key: ArrayLike, shape: ShapeLike = (), dtype: DTypeLike | None = None, mode: Mode | None = None) -> Array:
    """Random numbers of density e^(−x − e⁻ˣ), of a floating dtype: float64 if none is given.

    mode: how fine the tail of large numbers is: "low" (the default) reaches −log of the dtype's epsilon, "high" twice as
    far, from two uniform numbers each; so does "highest", for float32 with every bit of 64 random ones. Raises ParameterError
    for other modes and dtypes.

    >>> from functrans import random
    >>> gumbel(random.key(0), (2,))
    array([ 0.13790566, -0.42599294])
    """
    kind, sizes, how = floating("gumbel", dtype), as_shape("gumbel", shape), as_mode("gumbel", mode)
    return sample("gumbel", gumbel_of, key, shape=sizes, dtype=kind, mode=how)


def as_mode(name: str, mode: Mode | None) -> Mode:
    """A mode of Gumbel's numbers; raises ParameterError for others."""
    if mode not in (None, "low", "high", "highest"):
        raise ParameterError(name, f"mode={mode!r}", '"low", "high" or "highest"')
    return mode or "low"


def gumbel_of(key: Array, *, shape: Shape, dtype: DType, mode: Mode) -> Array:
    """−log(−log u)."""
    info = np.finfo(dtype)
    if mode == "low":
        return _gumbel_at(fnp.log(uniform_between(key, info.tiny, 1.0, shape=shape, dtype=dtype)))
    if mode == "highest" and dtype == np.float32:
        return _finest_gumbel(key, shape)
    high, low = uniform_unit(key, shape=(2, *shape), dtype=dtype)
    finer = high + number(info.eps, dtype) * low + number(info.tiny, dtype)
    return _gumbel_at(fnp.log1p(-fnp.where(high >= number(0.5, dtype), high, finer)))


def _gumbel_at(log_u: Array) -> Array:
    return -fnp.log(-log_u)


def _finest_gumbel(key: Array, shape: Shape) -> Array:
    """Of u = v / 2⁶⁴ where v is random: from 1/2 on of 1 − u, which floats tell apart better."""
    words = convert_element_type(random_bits(key, 32, (2, *shape)), np.uint64)
    v = shift_left(words[0], np.uint64(32)) | words[1]
    is_low = v < np.uint64(2**63)
    x = _as_fraction(fnp.where(is_low, v, ~v + np.uint64(1)))
    return _gumbel_at(fnp.where(is_low, fnp.log1p(-x), fnp.log(x)))


def _as_fraction(v: Array) -> Array:
    """v / 2⁶⁴ of uint64 as float32, cut after the 24th bit; of 0, less than the least of all others."""
    smeared = v
    for bits in (1, 2, 4, 8, 16, 32):
        smeared = smeared | shift_right_logical(smeared, np.uint64(bits))
    zeros = np.uint64(64) - population_count(smeared)
    fraction = shift_right_logical(shift_left(v, zeros + np.uint64(1)), np.uint64(41))
    significand = number(1, np.dtype(np.float32)) + ldexp(convert_element_type(fraction, np.float32), np.int32(-23))
    return ldexp(significand, convert_element_type(-1 - convert_element_type(zeros, np.int64), np.int32))


# ---- with parameters ----


def pareto(key: ArrayLike, b: ArrayLike, shape: ShapeLike | None = None, dtype: DTypeLike | None = None) -> Array:
    """Random numbers of density b / x^(b + 1) on x ≥ 1, of a floating dtype: float64 if none is given.

    The result has the shape that is given, or b's. Raises ParameterError for what does not fit.

    >>> from functrans import random
    >>> pareto(random.key(0), 3.0, (2,))
    array([1.19804395, 1.08463233])
    """
    sizes = common_shape("pareto", shape, b)
    return sample("pareto", _pareto, key, b, shape=sizes, dtype=floating("pareto", dtype))


def _pareto(key: Array, b: ArrayLike, *, shape: Shape, dtype: DType) -> Array:
    return fnp.exp(standard_exponential(key, shape=shape, dtype=dtype) / spread("pareto", b, shape, dtype))


def rayleigh(key: ArrayLike, scale: ArrayLike, shape: ShapeLike | None = None, dtype: DTypeLike | None = None) -> Array:
    """Random numbers of density x e^(−x² / 2s²) / s², s the scale, on x ≥ 0, of a floating dtype: float64 if none is given.

    The result has the shape that is given, or scale's. Raises ParameterError for what does not fit.

    >>> from functrans import random
    >>> rayleigh(random.key(0), 2.0, (2,))
    array([2.63997102, 3.49983995])
    """
    sizes = common_shape("rayleigh", shape, scale)
    return sample("rayleigh", _rayleigh, key, scale, shape=sizes, dtype=floating("rayleigh", dtype))


def _rayleigh(key: Array, scale: ArrayLike, *, shape: Shape, dtype: DType) -> Array:
    squares = fnp.log(uniform_unit(key, shape=shape, dtype=dtype)) * number(-2, dtype)
    return spread("rayleigh", scale, shape, dtype) * fnp.sqrt(squares)


def weibull_min(
    key: ArrayLike, scale: ArrayLike, concentration: ArrayLike, shape: ShapeLike = (), dtype: DTypeLike | None = None
) -> Array:
    """Random numbers of density c/s (x/s)^(c − 1) e^(−(x/s)ᶜ), s the scale and c the concentration, on x ≥ 0.

    The dtype is floating: float64 if none is given. The result has the shape to which `shape` and the parameters'
    broadcast. Raises ParameterError for what does not fit.

    >>> from functrans import random
    >>> weibull_min(random.key(0), 1.0, 2.0, (2,))
    array([0.73625441, 0.49368328])
    """
    name, sizes = "weibull_min", as_shape("weibull_min", shape)
    broad = common_shape(name, None, np.empty(sizes, np.bool_), scale, concentration)
    return sample(name, _weibull, key, scale, concentration, shape=sizes, broad=broad, dtype=floating(name, dtype))


def _weibull(
    key: Array, scale: ArrayLike, concentration: ArrayLike, *, shape: Shape, broad: Shape, dtype: DType
) -> Array:
    power = number(1, dtype) / spread("weibull_min", concentration, broad, dtype)
    draws = fnp.broadcast_to(standard_exponential(key, shape=shape, dtype=dtype), broad)
    return draws**power * spread("weibull_min", scale, broad, dtype)


def triangular(
    key: ArrayLike,
    left: ArrayLike,
    mode: ArrayLike,
    right: ArrayLike,
    shape: ShapeLike | None = None,
    dtype: DTypeLike | None = None,
) -> Array:
    """Random numbers whose density rises in a line from 0 at left to mode, and falls to 0 at right.

    The dtype is floating: float64 if none is given. The result has the shape that is given, or the one that the parameters
    broadcast to. Raises ParameterError for what does not fit.

    >>> from functrans import random
    >>> triangular(random.key(0), 0.0, 0.5, 2.0, (2,))
    array([0.67915608, 0.46507575])
    """
    name, sizes = "triangular", common_shape("triangular", shape, left, mode, right)
    return sample(name, _triangular, key, left, mode, right, shape=sizes, dtype=floating(name, dtype))


def _triangular(key: Array, *corners: ArrayLike, shape: Shape, dtype: DType) -> Array:
    left, mode, right = (spread("triangular", corner, shape, dtype) for corner in corners)
    u = uniform_unit(key, shape=shape, dtype=dtype)
    width, rise, fall = right - left, mode - left, right - mode
    rising = left + fnp.sqrt(u * width * rise)
    falling = right - fnp.sqrt((number(1, dtype) - u) * width * fall)
    return fnp.where(u < rise / width, rising, falling)


def wald(key: ArrayLike, mean: ArrayLike, shape: ShapeLike | None = None, dtype: DTypeLike | None = None) -> Array:
    """Random numbers of density (2πx³)^(−1/2) e^(−(x − m)² / 2m²x), m the mean, on x > 0: inverse Gaussian.

    The dtype is floating: float64 if none is given. The result has the shape that is given, or mean's. By the method of
    Michael, Schucany and Haas (1976), of a normal number and a uniform one. Raises ParameterError for what does not fit.

    >>> from functrans import random
    >>> wald(random.key(0), 3.0, (2,))
    array([0.23954604, 6.75096863])
    """
    sizes = common_shape("wald", shape, mean)
    return sample("wald", _wald, key, mean, shape=sizes, dtype=floating("wald", dtype))


def _wald(key: Array, mean: ArrayLike, *, shape: Shape, dtype: DType) -> Array:
    key_normal, key_uniform = split_key(key)
    m = spread("wald", mean, shape, dtype)
    y = standard_normal(key_normal, shape=shape, dtype=dtype) ** 2
    u = uniform_unit(key_uniform, shape=shape, dtype=dtype)
    square = m * m
    root = fnp.sqrt(number(4, dtype) * m * y + square * (y * y))
    x = m + square * y / number(2, dtype) - m / number(2, dtype) * root
    return fnp.where(u <= m / (m + x), x, square / x)


def maxwell(key: ArrayLike, shape: ShapeLike = (), dtype: DTypeLike | None = None) -> Array:
    """Lengths of random vectors of three standard normal numbers, of a floating dtype: float64 if none is given.

    Raises ParameterError for another dtype.

    >>> from functrans import random
    >>> maxwell(random.key(0), (2,))
    array([1.98906991, 0.42460738])
    """
    return sample("maxwell", _maxwell, key, shape=as_shape("maxwell", shape), dtype=floating("maxwell", dtype))


def _maxwell(key: Array, *, shape: Shape, dtype: DType) -> Array:
    return fnp.sqrt(fnp.sum(standard_normal(key, shape=(*shape, 3), dtype=dtype) ** 2, axis=-1))


def double_sided_maxwell(
    key: ArrayLike, loc: ArrayLike, scale: ArrayLike, shape: ShapeLike = (), dtype: DTypeLike | None = None
) -> Array:
    """Random numbers of Maxwell's distribution with random signs, times scale, plus loc; in float64 if no dtype is given.

    The result has `shape` and then the one that loc and scale broadcast to; that one twice if `shape` is (), as in JAX.
    Raises ParameterError for what does not fit.

    >>> from functrans import random
    >>> double_sided_maxwell(random.key(0), 0.0, 2.0, (2,))
    array([ 3.96922408, -4.9564148 ])
    """
    name, inner = "double_sided_maxwell", common_shape("double_sided_maxwell", None, loc, scale)
    sizes = (as_shape(name, shape) or inner) + inner
    return sample(name, _double_sided_maxwell, key, loc, scale, shape=sizes, dtype=floating(name, dtype))


def _double_sided_maxwell(key: Array, loc: ArrayLike, scale: ArrayLike, *, shape: Shape, dtype: DType) -> Array:
    key_length, key_sign = split_key(key)
    lengths = _maxwell(key_length, shape=shape, dtype=dtype)
    signs = rademacher_signs(key_sign, shape=shape, dtype=dtype)
    at, by = (spread("double_sided_maxwell", x, aval_of(x).shape, dtype) for x in (loc, scale))
    return signs * lengths * by + at
