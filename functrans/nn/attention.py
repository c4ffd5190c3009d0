"""`scaled_dot_product_attention`, by torch's name. Imports activations."""

from __future__ import annotations

from typing import cast

import numpy as np

from functrans.core.primitive import aval_of
from functrans.errors import ParameterError
from functrans.typing import Array

__all__ = ["scaled_dot_product_attention"]


def scaled_dot_product_attention(
    query: Array,
    key: Array,
    value: Array,
    attn_mask: Array | None = None,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Array:
    """softmax(scale · Q Kᵀ + mask) V (Vaswani et al. 2017).

    query: (..., L, E); key: (..., S, E); value: (..., S, D); the result (..., L, D). attn_mask: broadcasts to (..., L, S);
    bools tell which keys count, numbers are added. is_causal: query i sees the keys up to i. scale: by default 1/√E. A query
    that sees no key gives 0. enable_gqa: key and value have fewer heads, axis -3, each of which serves several of the query's.

    >>> scaled_dot_product_attention(np.ones((1, 2)), np.ones((2, 2)), np.array([[1.0], [3.0]]))
    array([[2.]])
    """
    if enable_gqa:
        key, value = (_repeated(x, aval_of(query).shape[-3]) for x in (key, value))
    lengths = aval_of(query).shape[-2], aval_of(key).shape[-2]
    factor = aval_of(query).shape[-1] ** -0.5 if scale is None else scale
    scores = (query * factor) @ np.swapaxes(key, -1, -2)
    seen = np.tri(*lengths, dtype=bool) if is_causal else None
    if attn_mask is not None and aval_of(attn_mask).dtype == np.bool_:
        seen = attn_mask if seen is None else seen & attn_mask
    elif attn_mask is not None:
        scores = scores + attn_mask
    if seen is not None:
        scores = np.where(seen, scores, -np.inf)
    most = np.max(scores, axis=-1, keepdims=True) if lengths[1] else np.zeros((*scores.shape[:-1], 1), scores.dtype)
    weights = np.exp(scores - np.where(most == -np.inf, 0, most))
    total = np.sum(weights, axis=-1, keepdims=True)
    return cast(Array, (weights / np.where(total == 0, 1, total)) @ value)


def _repeated(x: Array, heads: int) -> Array:
    given = aval_of(x).shape[-3]
    if given == 0 or heads % given:
        raise ParameterError(
            "scaled_dot_product_attention", f"{heads} query heads and {given} of keys or values", "a multiple of them"
        )
    return cast(Array, np.repeat(x, heads // given, axis=-3))
