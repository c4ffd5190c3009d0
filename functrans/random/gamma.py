"""Gamma distributions and what is made of gamma numbers. They are differentiable in their parameters.

Imports control, transforms, `normal`, `continuous`, `gamma_gradient` and `sampling`; start reading at `gamma`.
"""

from __future__ import annotations

from operator import index

import numpy as np

import functrans.numpy as fnp
from functrans.control.loop import while_loop
from functrans.core.primitive import aval_of
from functrans.errors import ParameterError
from functrans.random.continuous import standard_exponential
from functrans.random.gamma_gradient import gamma_gradient
from functrans.random.normal import standard_normal
from functrans.random.sampling import ShapeLike, as_shape, common_shape, floating, number, sample, spread
from functrans.random.threefry import split_key
from functrans.random.uniform import rademacher_signs, uniform_unit
from functrans.transforms.custom import custom_jvp
from functrans.transforms.vmap import vmap
from functrans.typing import Array, ArrayLike, DType, DTypeLike, Shape

__all__ = ["ball", "beta", "chisquare", "dirichlet", "f", "gamma", "generalized_normal", "loggamma", "t"]


def gamma(key: ArrayLike, a: ArrayLike, shape: ShapeLike | None = None, dtype: DTypeLike | None = None) -> Array:
    """Random numbers of density x^(a − 1) e⁻ˣ / Γ(a) on x > 0, of a floating dtype: float64 if none is given.

    The result has the shape that is given, or a's. By the method of Marsaglia and Tsang (2000); each number has a key of
    its own. The derivative by a is the one at a fixed value of the distribution function. Raises ParameterError for what
    does not fit.

    >>> from functrans import random
    >>> gamma(random.key(0), 2.0, (2,))
    array([1.3520308 , 1.12435945])
    """
    sizes = common_shape("gamma", shape, a)
    return sample("gamma", _gamma, key, a, shape=sizes, dtype=floating("gamma", dtype), log=False)


def loggamma(key: ArrayLike, a: ArrayLike, shape: ShapeLike | None = None, dtype: DTypeLike | None = None) -> Array:
    """Logarithms of the numbers that `gamma` gives, also where those of a small `a` are too small for the dtype.

    >>> from functrans import random
    >>> loggamma(random.key(0), 1e-4, (2,))
    array([-11123.58601393, -22795.89144003])
    """
    sizes = common_shape("loggamma", shape, a)
    return sample("loggamma", _gamma, key, a, shape=sizes, dtype=floating("loggamma", dtype), log=True)


def _gamma(key: Array, a: ArrayLike, *, shape: Shape, dtype: DType, log: bool) -> Array:
    alphas = spread("gamma", a, shape, dtype).reshape(-1)
    keys = split_key(key, alphas.shape)
    return (_log_gammas if log else _gammas)(keys, alphas).reshape(shape)


@custom_jvp
def _gammas(keys: Array, a: Array) -> Array:
    return vmap(lambda key, one: _marsaglia_tsang(key, one, log=False))(keys, a)


@custom_jvp
def _log_gammas(keys: Array, a: Array) -> Array:
    return vmap(lambda key, one: _marsaglia_tsang(key, one, log=True))(keys, a)


def _log_gamma_gradient(a: Array, log_x: Array) -> Array:
    x = fnp.maximum(fnp.exp(log_x), np.finfo(log_x.dtype).tiny)
    return gamma_gradient(a, x) / x


_gammas.defjvps(None, lambda tangent, x, keys, a: tangent * gamma_gradient(a, x))
_log_gammas.defjvps(None, lambda tangent, log_x, keys, a: tangent * _log_gamma_gradient(a, log_x))


def _marsaglia_tsang(key: Array, a: Array, *, log: bool) -> Array:
    """One number. For a < 1 it is one of a + 1 times u^(1/a)."""
    dtype = a.dtype
    zero, one, third = (number(value, dtype) for value in (0, 1, 1 / 3))
    is_boosted = a < one
    d = fnp.where(is_boosted, a + one, a) - third
    c = third / fnp.sqrt(d)

    def is_rejected(state: tuple[Array, Array, Array, Array]) -> Array:
        _, square, v, u = state
        is_outside = u >= one - number(0.0331, dtype) * (square * square)
        bound = square * number(0.5, dtype) + d * (one - v + fnp.log(v))
        return fnp.logical_and(is_outside, fnp.log(u) >= bound)

    def propose(state: tuple[Array, Array, Array, Array]) -> tuple[Array, Array, Array, Array]:
        key, x_key, u_key = split_key(state[0], (3,))
        x, v = _positive(x_key, c)
        return key, x * x, v * v * v, uniform_unit(u_key, shape=(), dtype=dtype)

    key, boost_key = split_key(key)
    v = while_loop(is_rejected, propose, (key, zero, one, number(2, dtype)))[2]
    if log:
        log_u = -standard_exponential(boost_key, shape=(), dtype=dtype)
        boost = fnp.where(fnp.logical_and(is_boosted, log_u != zero), log_u * (one / a), zero)
        return fnp.add(fnp.log(d) + fnp.log(v), boost)
    u = one - uniform_unit(boost_key, shape=(), dtype=dtype)
    return fnp.multiply(d * v, fnp.where(is_boosted, u ** (one / a), one))


def _positive(key: Array, c: Array) -> tuple[Array, Array]:
    """A normal number x with 1 + cx > 0, and that."""
    dtype = c.dtype

    def draw(state: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        key, used = split_key(state[0])
        x = standard_normal(used, shape=(), dtype=dtype)
        return key, x, number(1, dtype) + x * c

    start = key, number(0, dtype), number(-1, dtype)
    _, x, v = while_loop(lambda state: state[2] <= number(0, dtype), draw, start)
    return x, v


# ---- what is made of gamma numbers ----


def beta(
    key: ArrayLike, a: ArrayLike, b: ArrayLike, shape: ShapeLike | None = None, dtype: DTypeLike | None = None
) -> Array:
    """Random numbers of density proportional to x^(a − 1) (1 − x)^(b − 1) in [0, 1], in float64 if no dtype is given.

    The result has the shape that is given, or the one that a and b broadcast to. It is g / (g + h) of gamma numbers.
    Raises ParameterError for what does not fit.

    >>> from functrans import random
    >>> beta(random.key(0), 2.0, 3.0, (2,))
    array([0.32795607, 0.61380901])
    """
    sizes = common_shape("beta", shape, a, b)
    return sample("beta", _beta, key, a, b, shape=sizes, dtype=floating("beta", dtype))


def _beta(key: Array, a: ArrayLike, b: ArrayLike, *, shape: Shape, dtype: DType) -> Array:
    logs = [_gamma(one, x, shape=shape, dtype=dtype, log=True) for one, x in zip(split_key(key), (a, b), strict=True)]
    most = fnp.maximum(*logs)
    g, h = (fnp.exp(log - most) for log in logs)
    return fnp.divide(g, g + h)


def dirichlet(
    key: ArrayLike, alpha: ArrayLike, shape: ShapeLike | None = None, dtype: DTypeLike | None = None
) -> Array:
    """Random probabilities, which sum to 1 along the last axis, of density proportional to Π xᵢ^(αᵢ − 1).

    alpha: positive, of at least one axis; the result has the others of alpha's axes, or `shape`, and then its last one. The
    dtype is floating: float64 if none is given. Raises ParameterError for what does not fit.

    >>> from functrans import random
    >>> dirichlet(random.key(0), np.array([1.0, 2.0, 3.0]))
    array([0.07065346, 0.16705569, 0.76229085])
    """
    whole = aval_of(alpha).shape
    if not whole:
        raise ParameterError("dirichlet", f"alpha of type {aval_of(alpha)}", "an array of at least one axis")
    sizes = common_shape("dirichlet", shape, np.empty(whole[:-1], np.bool_))
    return sample("dirichlet", _dirichlet, key, alpha, shape=(*sizes, whole[-1]), dtype=floating("dirichlet", dtype))


def _dirichlet(key: Array, alpha: ArrayLike, *, shape: Shape, dtype: DType) -> Array:
    logs = _gamma(key, alpha, shape=shape, dtype=dtype, log=True)
    weights = fnp.exp(logs - fnp.max(logs, axis=-1, keepdims=True, initial=-np.inf))
    return fnp.divide(weights, fnp.sum(weights, axis=-1, keepdims=True))


def chisquare(key: ArrayLike, df: ArrayLike, shape: ShapeLike | None = None, dtype: DTypeLike | None = None) -> Array:
    """Random numbers of the chi-square distribution with df degrees of freedom, in float64 if no dtype is given.

    The result has the shape that is given, or df's. Raises ParameterError for what does not fit.

    >>> from functrans import random
    >>> chisquare(random.key(0), 3.0, (2,))
    array([1.81389348, 1.44835385])
    """
    sizes = common_shape("chisquare", shape, df)
    return sample("chisquare", _chisquare, key, df, shape=sizes, dtype=floating("chisquare", dtype))


def _chisquare(key: Array, df: ArrayLike, *, shape: Shape, dtype: DType) -> Array:
    half = spread("chisquare", df, aval_of(df).shape, dtype) / number(2, dtype)
    return fnp.exp(_gamma(key, half, shape=shape, dtype=dtype, log=True)) * number(2, dtype)


def f(
    key: ArrayLike, dfnum: ArrayLike, dfden: ArrayLike, shape: ShapeLike | None = None, dtype: DTypeLike | None = None
) -> Array:
    """Random numbers of the F distribution: quotients of chi-square numbers, each over its degrees of freedom.

    The result has the shape that is given, or the one that the parameters broadcast to, and is float64 if no dtype is
    given. Raises ParameterError for what does not fit.

    >>> from functrans import random
    >>> f(random.key(0), 3.0, 5.0, (2,))
    array([1.54798047, 0.35745633])
    """
    sizes = common_shape("f", shape, dfnum, dfden)
    return sample("f", _f, key, dfnum, dfden, shape=sizes, dtype=floating("f", dtype))


def _f(key: Array, dfnum: ArrayLike, dfden: ArrayLike, *, shape: Shape, dtype: DType) -> Array:
    key_den, key_num = split_key(key)
    num = _chisquare(key_num, dfnum, shape=shape, dtype=dtype) / spread("f", dfnum, shape, dtype)
    return num / (_chisquare(key_den, dfden, shape=shape, dtype=dtype) / spread("f", dfden, shape, dtype))


def t(key: ArrayLike, df: ArrayLike, shape: ShapeLike = (), dtype: DTypeLike | None = None) -> Array:
    """Random numbers of Student's t distribution with df degrees of freedom, in float64 if no dtype is given.

    df broadcasts to `shape`. A normal number times √(df/2g) of a gamma number g of df/2. Raises ParameterError for what
    does not fit.

    >>> from functrans import random
    >>> t(random.key(0), 4.0, (2,))
    array([ 1.43881401, -0.57618965])
    """
    return sample("t", _t, key, df, shape=common_shape("t", shape, df), dtype=floating("t", dtype))


def _t(key: Array, df: ArrayLike, *, shape: Shape, dtype: DType) -> Array:
    key_normal, key_gamma = split_key(key)
    half = spread("t", df, aval_of(df).shape, dtype) / number(2, dtype)
    g = _gamma(key_gamma, half, shape=shape, dtype=dtype, log=False)
    return standard_normal(key_normal, shape=shape, dtype=dtype) * fnp.sqrt(half / g)


def generalized_normal(key: ArrayLike, p: ArrayLike, shape: ShapeLike = (), dtype: DTypeLike | None = None) -> Array:
    """Random numbers of density proportional to e^−|x|ᵖ, in float64 if no dtype is given. p is a scalar.

    >>> from functrans import random
    >>> generalized_normal(random.key(0), 3.0, (2,))
    array([ 0.74663734, -1.07920374])
    """
    name, sizes = "generalized_normal", common_shape("generalized_normal", as_shape("generalized_normal", shape), p)
    return sample(name, _generalized_normal, key, p, shape=sizes, dtype=floating(name, dtype))


def _generalized_normal(key: Array, p: ArrayLike, *, shape: Shape, dtype: DType) -> Array:
    key_gamma, key_sign = split_key(key)
    power = number(1, dtype) / spread("generalized_normal", p, aval_of(p).shape, dtype)
    g = _gamma(key_gamma, power, shape=shape, dtype=dtype, log=False)
    return rademacher_signs(key_sign, shape=shape, dtype=dtype) * g**power


def ball(key: ArrayLike, d: int, p: ArrayLike = 2.0, shape: ShapeLike = (), dtype: DTypeLike | None = None) -> Array:
    """Random points, uniform in the ball Σ|xᵢ|ᵖ ≤ 1 of d dimensions, along the last axis; in float64 if no dtype is given.

    By the method of Barthe, Guédon, Mendelson and Naor (2005). Raises ParameterError for what does not fit.

    >>> from functrans import random
    >>> ball(random.key(0), 3)
    array([-0.86703795, -0.45310376,  0.084509  ])
    """
    sizes = common_shape("ball", as_shape("ball", shape), p)
    (along,) = as_shape("ball", index(d))
    return sample("ball", _ball, key, p, d=along, shape=sizes, dtype=floating("ball", dtype))


def _ball(key: Array, p: ArrayLike, *, d: int, shape: Shape, dtype: DType) -> Array:
    key_point, key_radius = split_key(key)
    power = spread("ball", p, aval_of(p).shape, dtype)
    point = _generalized_normal(key_point, power, shape=(*shape, d), dtype=dtype)
    radius = fnp.sum(fnp.abs(point) ** power, axis=-1) + standard_exponential(key_radius, shape=shape, dtype=dtype)
    return point / (radius ** (number(1, dtype) / power))[..., None]
