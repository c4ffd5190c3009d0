"""Activation functions, by torch.nn.functional's names; `axis` where torch says `dim`. Start reading at `relu`.

All are compositions of NumPy functions and keep the dtype of floating arrays. The derivative at a kink is torch's: that of
`relu` at 0 is 0. Imports lax and numpy.
"""

from __future__ import annotations

from typing import Any, Literal, cast

import numpy as np

from functrans import lax
from functrans.core.primitive import aval_of
from functrans.errors import ParameterError
from functrans.nn.checks import check_not_zero, check_range
from functrans.typing import Array

__all__ = [
    "celu",
    "elu",
    "gelu",
    "glu",
    "hardshrink",
    "hardsigmoid",
    "hardswish",
    "hardtanh",
    "leaky_relu",
    "logsigmoid",
    "mish",
    "prelu",
    "relu",
    "relu6",
    "selu",
    "sigmoid",
    "silu",
    "softplus",
    "softshrink",
    "softsign",
    "squareplus",
    "swish",
    "tanh",
    "tanhshrink",
    "threshold",
]


def _where(condition: Any, x: Any, y: Any) -> Array:
    """`np.where`, whose type checkers know neither tracers nor the dtype that it keeps."""
    return cast(Array, np.where(condition, x, y)[()])


# ---- linear pieces ----


def relu(x: Array) -> Array:
    """max(x, 0); the derivative at 0 is 0. NaN stays NaN.

    >>> relu(np.array([-2.0, 3.0]))
    array([0., 3.])
    """
    return _where(x <= 0, 0, x)


def relu6(x: Array) -> Array:
    """x between 0 and 6.

    >>> relu6(np.array([-2.0, 3.0, 9.0]))
    array([0., 3., 6.])
    """
    return hardtanh(x, 0.0, 6.0)


def hardtanh(x: Array, min_val: float = -1.0, max_val: float = 1.0) -> Array:
    """x between two bounds, at which the derivative is 0.

    >>> hardtanh(np.array([-2.0, 0.5, 3.0]))
    array([-1. ,  0.5,  1. ])
    """
    check_range("hardtanh", "max_val", max_val, min_val)
    return _where(x <= min_val, min_val, _where(x >= max_val, max_val, x))


def threshold(x: Array, threshold: float, value: float) -> Array:
    """x where it is above the threshold, else the value.

    >>> threshold(np.array([0.5, 2.0]), 1.0, -7.0)
    array([-7.,  2.])
    """
    return _where(x <= threshold, value, x)


def leaky_relu(x: Array, negative_slope: float = 0.01) -> Array:
    """x above 0, negative_slope · x below.

    >>> leaky_relu(np.array([-2.0, 3.0]))
    array([-0.02,  3.  ])
    """
    return _where(x > 0, x, negative_slope * x)


def prelu(x: Array, weight: Array) -> Array:
    """As `leaky_relu`, with a slope for all (weight of size 1), or one for each channel: for x of shape (N, C, ...) C of them.

    >>> prelu(np.array([[-2.0, -2.0]]), np.array([0.5, 0.1]))
    array([[-1. , -0.2]])
    """
    size, shape = aval_of(weight).size, aval_of(x).shape
    if size == 1:
        slope = np.reshape(weight, ())
    elif len(shape) > 1 and size == shape[1]:
        slope = np.reshape(weight, (size, *(1 for _ in shape[2:])))
    else:
        raise ParameterError("prelu", f"{size} slopes for x of shape {shape}", "one, or one for each channel, axis 1")
    return _where(x > 0, x, slope * x)


def hardsigmoid(x: Array) -> Array:
    """x/6 + 1/2 between 0 and 1.

    >>> hardsigmoid(np.array([-4.0, 0.0, 1.5]))
    array([0.  , 0.5 , 0.75])
    """
    return relu6(x + 3) / 6


def hardswish(x: Array) -> Array:
    """x · hardsigmoid(x) (Howard et al. 2019).

    >>> hardswish(np.array([-4.0, 3.0]))
    array([-0.,  3.])
    """
    return x * hardsigmoid(x)


def hardshrink(x: Array, lambd: float = 0.5) -> Array:
    """x where it is larger than lambd in size, else 0.

    >>> hardshrink(np.array([-2.0, 0.5, 0.7]))
    array([-2. ,  0. ,  0.7])
    """
    return _where(np.abs(x) <= lambd, 0, x)


def softshrink(x: Array, lambd: float = 0.5) -> Array:
    """x moved towards 0 by lambd, no further than to 0.

    >>> softshrink(np.array([-2.0, 0.5, 0.75]))
    array([-1.5 ,  0.  ,  0.25])
    """
    check_range("softshrink", "lambd", lambd, 0)
    return _where(x > lambd, x - lambd, _where(x < -lambd, x + lambd, 0))


# ---- exponentials ----


def sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x)), without overflow.

    >>> sigmoid(np.array([0.0, -1000.0]))
    array([0.5, 0. ])
    """
    return lax.logistic(x)


def logsigmoid(x: Array) -> Array:
    """The logarithm of `sigmoid`, without underflow.

    >>> logsigmoid(np.array([-1000.0]))
    array([-1000.])
    """
    return cast(Array, -np.logaddexp(0, -x))


def tanh(x: Array) -> Array:
    """The hyperbolic tangent.

    >>> tanh(np.array([0.0]))
    array([0.])
    """
    return cast(Array, np.tanh(x))


def tanhshrink(x: Array) -> Array:
    """x - tanh(x).

    >>> tanhshrink(np.array([0.0]))
    array([0.])
    """
    return cast(Array, x - np.tanh(x))


def softsign(x: Array) -> Array:
    """x / (1 + |x|).

    >>> softsign(np.array([-1.0, 3.0]))
    array([-0.5 ,  0.75])
    """
    return cast(Array, x / (1 + np.abs(x)))


def softplus(x: Array, beta: float = 1.0, threshold: float = 20.0) -> Array:
    """log(1 + exp(beta · x)) / beta; above beta · x = threshold x itself, which is the same but for rounding.

    >>> softplus(np.array([0.0, 50.0])).round(4)
    array([ 0.6931, 50.    ])
    """
    scaled = beta * x
    is_large = scaled > threshold
    return _where(is_large, x, np.logaddexp(_where(is_large, 0, scaled), 0) / beta)


def squareplus(x: Array, b: float = 4.0) -> Array:
    """(x + √(x² + b)) / 2 (Barron 2021).

    >>> squareplus(np.array([0.0, 1.5]))
    array([1., 2.])
    """
    return cast(Array, (x + np.sqrt(x * x + b)) / 2)


def elu(x: Array, alpha: float = 1.0) -> Array:
    """x above 0, alpha · (exp(x) - 1) below (Clevert, Unterthiner and Hochreiter 2016).

    >>> elu(np.array([-1.0, 2.0])).round(4)
    array([-0.6321,  2.    ])
    """
    return _where(x > 0, x, alpha * np.expm1(_where(x > 0, 0, x)))


def celu(x: Array, alpha: float = 1.0) -> Array:
    """x above 0, alpha · (exp(x / alpha) - 1) below (Barron 2017).

    >>> celu(np.array([-1.0, 2.0]), 0.5).round(4)
    array([-0.4323,  2.    ])
    """
    check_not_zero("celu", "alpha", alpha)
    return _where(x > 0, x, alpha * np.expm1(_where(x > 0, 0, x) / alpha))


def selu(x: Array) -> Array:
    """`elu` scaled so that activations keep mean 0 and variance 1 (Klambauer et al. 2017).

    >>> selu(np.array([1.0])).round(4)
    array([1.0507])
    """
    return 1.0507009873554804934193349852946 * elu(x, 1.6732632423543772848170429916717)


def silu(x: Array) -> Array:
    """x · sigmoid(x).

    >>> silu(np.array([0.0, 1.0])).round(4)
    array([0.    , 0.7311])
    """
    return x * lax.logistic(x)


swish = silu


def mish(x: Array) -> Array:
    """x · tanh(softplus(x)) (Misra 2020).

    >>> mish(np.array([0.0, 1.0])).round(4)
    array([0.    , 0.8651])
    """
    return cast(Array, x * np.tanh(softplus(x)))


def gelu(x: Array, approximate: Literal["none", "tanh"] | bool = "none") -> Array:
    """x · Φ(x), Φ being the normal distribution (Hendrycks and Gimpel 2016); approximate: "tanh" (or True) has a formula for Φ.

    >>> gelu(np.array([0.0, 1.0])).round(4)
    array([0.    , 0.8413])
    """
    if approximate in (True, "tanh"):
        return cast(Array, x / 2 * (1 + np.tanh(0.7978845608028654 * (x + 0.044715 * x**3))))
    if approximate not in (False, "none"):
        raise ParameterError("gelu", f"approximate={approximate!r}", '"none" or "tanh"')
    return cast(Array, x / 2 * (1 + lax.erf(x * 0.7071067811865476)))


def glu(x: Array, axis: int = -1) -> Array:
    """The first half along an axis times the sigmoid of the second (Dauphin et al. 2017).

    >>> glu(np.array([2.0, 4.0, 0.0, 0.0]))
    array([1., 2.])
    """
    rank = aval_of(x).ndim
    if not -rank <= axis < rank or aval_of(x).shape[axis] % 2:
        raise ParameterError("glu", f"x of shape {aval_of(x).shape}", f"an even size along axis {axis}")
    first, second = np.split(x, 2, axis=axis)
    return cast(Array, first * lax.logistic(second))
