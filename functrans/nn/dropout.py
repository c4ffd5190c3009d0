"""What is random in training: dropout, random slopes, random choices. By torch.nn.functional's names, with explicit keys.

The same key gives the same result; without training no key is needed (None). Imports random; start reading at `dropout`.
"""

from __future__ import annotations

from typing import Any, cast

import numpy as np

from functrans import lax, random
from functrans.core.primitive import aval_of
from functrans.errors import ParameterError
from functrans.nn.activations import leaky_relu
from functrans.nn.checks import check_range
from functrans.nn.linear import one_hot
from functrans.nn.softmax import softmax
from functrans.nn.windows import images
from functrans.typing import Array, Shape

__all__ = [
    "alpha_dropout", "dropout", "dropout1d", "dropout2d", "dropout3d", "feature_alpha_dropout", "gumbel_softmax", "rrelu",
]  # fmt: skip


def dropout(input: Array, key: Array | None, p: float = 0.5, training: bool = True) -> Array:
    """Each element 0 with probability p, else over 1 - p, so that the mean stays (Srivastava et al. 2014).

    Without training the input itself. Raises ParameterError for a p that is no probability, and in training without a key.

    >>> from functrans import random
    >>> dropout(np.ones(6), random.key(0))
    array([0., 0., 2., 2., 0., 2.])
    """
    return _dropped("dropout", input, key, p, training, aval_of(input).shape)


def dropout1d(input: Array, key: Array | None, p: float = 0.5, training: bool = True) -> Array:
    """`dropout` of whole features: (batch, features, length), or without the batch.

    >>> from functrans import random
    >>> dropout1d(np.ones((1, 4, 2)), random.key(0))[0]
    array([[0., 0.],
           [0., 0.],
           [2., 2.],
           [2., 2.]])
    """
    return _dropped_features("dropout1d", 1, input, key, p, training)


def dropout2d(input: Array, key: Array | None, p: float = 0.5, training: bool = True) -> Array:
    """`dropout` of whole features: (batch, features, height, width), or without the batch (Tompson et al. 2015).

    >>> from functrans import random
    >>> dropout2d(np.ones((4, 2, 2)), random.key(0)).sum((1, 2))
    array([0., 0., 8., 8.])
    """
    return _dropped_features("dropout2d", 2, input, key, p, training)


def dropout3d(input: Array, key: Array | None, p: float = 0.5, training: bool = True) -> Array:
    """`dropout` of whole features: (batch, features, depth, height, width), or without the batch.

    >>> from functrans import random
    >>> dropout3d(np.ones((4, 2, 2, 2)), random.key(0)).sum((1, 2, 3))
    array([ 0.,  0., 16., 16.])
    """
    return _dropped_features("dropout3d", 3, input, key, p, training)


def _dropped_features(name: str, rank: int, x: Array, key: Array | None, p: float, training: bool) -> Array:
    def run(x: Array) -> Array:
        return _dropped(name, x, key, p, training, _features(x))

    return images(name, x, rank, run)


def _dropped(name: str, x: Array, key: Array | None, p: float, training: bool, shape: Shape) -> Array:
    kept = _kept(name, key, p, training, shape)
    if kept is None:
        return x
    return cast(Array, np.where(kept, x / (1 - p) if p < 1 else 0 * x, 0))


def _features(x: Array) -> Shape:
    """The shape of one number for each feature, axis 1, of each sample, that broadcasts against x."""
    shape = aval_of(x).shape
    return (*shape[:2], *(1 for _ in shape[2:]))


def _kept(name: str, key: Array | None, p: float, training: bool, shape: Shape) -> Any:
    """What is not dropped; None: it is not training."""
    check_range(name, "p", p, 0, 1)
    if not training:
        return None
    return random.bernoulli(_needed(name, key), np.float32(1 - p), shape)


def _needed(name: str, key: Array | None) -> Array:
    if key is None:
        raise ParameterError(name, "no key", "one in training, as `functrans.random.key(seed)` and `split` give it")
    return key


# ---- keeping mean and variance ----


def alpha_dropout(input: Array, key: Array | None, p: float = 0.5, training: bool = False) -> Array:
    """`dropout` to the limit of `selu` at minus infinity, scaled so that mean 0 and variance 1 stay (Klambauer et al. 2017).

    >>> from functrans import random
    >>> alpha_dropout(np.zeros(4), random.key(0), training=True).round(4)
    array([-0.7792, -0.7792,  0.7792,  0.7792])
    """
    return _alpha_dropped("alpha_dropout", input, key, p, training, aval_of(input).shape)


def feature_alpha_dropout(input: Array, key: Array | None, p: float = 0.5, training: bool = False) -> Array:
    """`alpha_dropout` of whole features of each sample: input (batch, features, ...).

    >>> from functrans import random
    >>> feature_alpha_dropout(np.zeros((1, 2, 2)), random.key(1), training=True).round(4)
    array([[[ 0.7792,  0.7792],
            [-0.7792, -0.7792]]])
    """
    if aval_of(input).ndim < 2:
        raise ParameterError(
            "feature_alpha_dropout", f"an input of shape {aval_of(input).shape}", "(batch, features, ...)"
        )
    return _alpha_dropped("feature_alpha_dropout", input, key, p, training, _features(input))


def _alpha_dropped(name: str, x: Array, key: Array | None, p: float, training: bool, shape: Shape) -> Array:
    kept = _kept(name, key, p, training, shape)
    if kept is None:
        return x
    if p == 1:
        return np.zeros_like(x)
    least = -1.7580993408473766  # -scale · alpha of selu
    scale = ((1 - p) * (1 + p * least**2)) ** -0.5
    return cast(Array, scale * np.where(kept, x, least) - scale * p * least)


# ---- slopes and choices ----


def rrelu(input: Array, key: Array | None, lower: float = 1 / 8, upper: float = 1 / 3, training: bool = False) -> Array:
    """`leaky_relu` with a random slope for each element, uniform in [lower, upper); without training their mean (Xu et al. 2015).

    >>> rrelu(np.array([-24.0, 1.0]), None)
    array([-5.5,  1. ])
    """
    check_range("rrelu", "upper", upper, lower)
    if not training:
        return leaky_relu(input, (lower + upper) / 2)
    aval = aval_of(input)
    slopes = random.uniform(_needed("rrelu", key), aval.shape, aval.dtype, lower, upper)
    return cast(Array, np.where(input > 0, input, slopes * input))


def gumbel_softmax(logits: Array, key: Array, tau: float = 1.0, hard: bool = False, axis: int = -1) -> Array:
    """`softmax` of the logits with Gumbel noise, over tau: nearly a random choice with their probabilities (Jang et al. 2017).

    hard: the choice itself, 1 and zeros, but with the derivative of what is nearly it.

    >>> from functrans import random
    >>> gumbel_softmax(np.zeros(3), random.key(0), hard=True)
    array([0., 0., 1.])
    """
    check_range("gumbel_softmax", "tau", tau, 0, is_open=True)
    aval = aval_of(logits)
    soft = softmax((logits + random.gumbel(key, aval.shape, aval.dtype)) / tau, axis)
    if not hard:
        return soft
    choice = np.moveaxis(one_hot(np.argmax(soft, axis), aval.shape[axis], aval.dtype), -1, axis)
    return cast(Array, choice + (soft - lax.stop_gradient(soft)))
