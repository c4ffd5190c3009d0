"""Keys: where they come from, and how others are made of them.

A key is an array of two uint32 words, as JAX's raw keys are; there is no other kind, and `key` and `PRNGKey` are the same.
Imports `threefry`, `sampling` and `reuse`; start reading at `key`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np

from functrans.core.primitive import aval_of, is_concrete
from functrans.errors import ParameterError
from functrans.numpy import stack
from functrans.ops.cast import convert_element_type
from functrans.random.reuse import forget_key
from functrans.random.sampling import as_key, as_shape, sample
from functrans.random.threefry import fold_into_key, seed_words, split_key
from functrans.typing import Array, ArrayLike, Shape

__all__ = ["PRNGKey", "clone", "fold_in", "key", "key_data", "key_impl", "split", "wrap_key_data"]

_IMPL = "threefry2x32"


def key(seed: ArrayLike, *, impl: str | None = None) -> Array:
    """The key of a seed: an integer of up to 64 bits, whose high and low halves are the two words.

    The result is an array of type u32[2]: a key can be stored, compared and sent as any array. `impl` can only be
    "threefry2x32". Raises ParameterError for a seed that is no integer scalar, or out of the range of int64.

    >>> key(42)
    array([ 0, 42], dtype=uint32)
    """
    _check_impl("key", impl)
    if type(seed) is int and not -(2**63) <= seed < 2**63:
        raise ParameterError("key", f"the seed {seed}", "an integer in the range of int64")
    aval = aval_of(seed)
    if aval.shape or aval.dtype.kind not in "iu":
        raise ParameterError("key", f"a seed of type {aval}", "an integer scalar (and `vmap` for many)")
    return stack(seed_words(np.asarray(seed) if is_concrete(seed) else cast(Array, seed)))


PRNGKey = key


def _check_impl(name: str, impl: str | None) -> None:
    if impl not in (None, _IMPL):
        raise ParameterError(name, f"impl={impl!r}", f"impl={_IMPL!r}, the only one there is")


def split(key: ArrayLike, num: int | Sequence[int] = 2) -> Array:
    """New keys made of one, which is not to be used again: an array of `num` of them, or of a shape, and the words' axis.

    >>> from functrans import random
    >>> split(random.key(0))
    array([[1797259609, 2579123966],
           [ 928981903, 3453687069]], dtype=uint32)
    """
    return sample("split", _split, key, shape=as_shape("split", num))


def _split(key: Array, *, shape: Shape) -> Array:
    return split_key(key, shape)


def fold_in(key: ArrayLike, data: ArrayLike) -> Array:
    """The key that a key and an integer scalar give, which counts modulo 2³²: one for each step of a loop, say.

    Raises ParameterError for data that are no integer scalar.

    >>> from functrans import random
    >>> fold_in(random.key(0), 1)
    array([ 928981903, 3453687069], dtype=uint32)
    """
    aval = aval_of(data)
    if aval.shape or aval.dtype.kind not in "iu":
        raise ParameterError("fold_in", f"data of type {aval}", "an integer scalar (and `vmap` for many)")
    word = np.asarray(data & 0xFFFFFFFF, np.uint32) if type(data) is int else convert_element_type(data, np.uint32)
    return fold_into_key(as_key("fold_in", key), word)


def key_data(keys: ArrayLike) -> Array:
    """The words of keys: the array itself, for keys are arrays of their words.

    >>> key_data(key(7))
    array([0, 7], dtype=uint32)
    """
    return wrap_key_data(keys)


def wrap_key_data(key_bits_array: ArrayLike, *, impl: str | None = None) -> Array:
    """Keys of their words: the array itself, of dtype uint32 and with two words along the last axis.

    >>> wrap_key_data(np.array([0, 7], np.uint32))
    array([0, 7], dtype=uint32)
    """
    _check_impl("wrap_key_data", impl)
    aval = aval_of(key_bits_array)
    if aval.shape[-1:] != (2,) or aval.dtype != np.uint32:
        raise ParameterError("wrap_key_data", f"words of type {aval}", "uint32 words, two along the last axis")
    return cast(Array, key_bits_array)


def key_impl(keys: ArrayLike) -> str:
    """The name of the hash that keys are for: "threefry2x32".

    >>> key_impl(key(0))
    'threefry2x32'
    """
    wrap_key_data(keys)
    return _IMPL


def clone(key: ArrayLike) -> Array:
    """The same key, which may be used once more where keys are checked (see `check_keys`).

    >>> clone(key(7))
    array([0, 7], dtype=uint32)
    """
    same = as_key("clone", key)
    forget_key(same)
    return same
