"""Random bits from keys: which counters are hashed for which element, in JAX's two layouts.

In the default one, element number i in C order is the hash of i, a counter of 64 bits. In the older one, numbers below a
size are hashed in pairs, i with i + half of the size, and the words of all pairs follow one another. Everything random is
made of `random_bits` and `split_key`. Imports ops and jit (for its caches); start reading at `random_bits`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from math import prod

import numpy as np

from functrans.errors import ParameterError
from functrans.jit import clear_caches
from functrans.numpy import broadcast_to, concatenate, stack, where
from functrans.ops.bitwise import shift_right_logical
from functrans.ops.broadcast import broadcast_in_dim
from functrans.ops.cast import convert_element_type
from functrans.ops.dynamic_slice import index_in_dim
from functrans.ops.generate import iota
from functrans.ops.shape import reshape
from functrans.ops.threefry import threefry2x32
from functrans.typing import Array, ArrayLike, DType, Shape

__all__ = ["fold_into_key", "random_bits", "seed_words", "split_key", "threefry_2x32", "threefry_partitionable"]

_WORD, _TWO_WORDS = np.dtype(np.uint32), np.dtype(np.uint64)
_HALF = np.uint64(32)
_MOST_WORDS = 2**32 - 1
"""So many words has the older layout for one key."""

_is_partitionable = True


@contextmanager
def threefry_partitionable(partitionable: bool = True) -> Iterator[None]:
    """Inside the `with` block keys give the bits of JAX's option `jax_threefry_partitionable`; True is the default.

    It is one setting for all threads. Functions that were compiled before, or in the block, are compiled anew.

    >>> from functrans import random
    >>> with threefry_partitionable(False):
    ...     random.bits(random.key(0), 2, np.uint32)
    array([ 928981903, 3453687069], dtype=uint32)
    >>> random.bits(random.key(0), 2, np.uint32)
    array([4070199207, 4202968722], dtype=uint32)
    """
    global _is_partitionable
    before = _is_partitionable
    _set_partitionable(partitionable)
    try:
        yield
    finally:
        _set_partitionable(before)


def _set_partitionable(partitionable: bool) -> None:
    global _is_partitionable
    if partitionable is not _is_partitionable:
        _is_partitionable = partitionable
        clear_caches()


# ---- the hash ----


def _words(key: Array, high: Array, low: Array, *, folded: bool = False) -> Array:
    """The hash of counters by a key: two words in one uint64, or with `folded` their exclusive or."""
    shape = low.shape
    key0, key1 = (broadcast_in_dim(index_in_dim(key, i, 0, False), shape, ()) for i in (0, 1))
    return threefry2x32(key0, key1, high, low, folded=folded)


def _parts(words: Array) -> tuple[Array, Array]:
    """The first and the second word."""
    return convert_element_type(shift_right_logical(words, _HALF), _WORD), convert_element_type(words, _WORD)


def _positions(shape: Shape) -> tuple[Array, Array]:
    """Of every element in C order, as the words of a counter of 64 bits."""
    size = prod(shape)
    if size <= 2**32:
        return np.zeros((), _WORD), reshape(iota(_WORD, size), shape)
    return _parts(reshape(iota(_TWO_WORDS, size), shape))


def _pairs(key: Array, size: int) -> Array:
    """The hash of the numbers below `size` in pairs; the number that one is missing beside is paired with 0."""
    half = (size + 1) // 2
    first = iota(_WORD, half)
    second = first + np.uint32(half)
    if size % 2:
        second = where(second == np.uint32(size), np.uint32(0), second)
    return _words(key, first, second)


def threefry_2x32(keypair: tuple[ArrayLike, ArrayLike] | Array, count: Array) -> Array:
    """Threefry with 20 rounds, of an array of uint32 counters: the first half is paired with the second.

    keypair: the two words of a key. count: any shape; where the size is odd the last number is paired with 0. The result
    has the shape of `count`, and dtype uint32: JAX's function of that name. Raises OperandError for other dtypes.

    >>> threefry_2x32((np.uint32(0), np.uint32(0)), np.zeros(2, np.uint32))
    array([1797259609, 2579123966], dtype=uint32)
    """
    size = prod(count.shape)
    flat = reshape(count, (size,))
    if size % 2:
        flat = concatenate([flat, np.zeros(1, _WORD)])
    half = len(flat) // 2
    words = _words(stack([*keypair]), flat[:half], flat[half:])
    return reshape(concatenate(_parts(words))[:size], count.shape)


# ---- what is made of keys ----


def random_bits(key: Array, width: int, shape: Shape) -> Array:
    """Unsigned integers of 8, 16, 32 or 64 bits, each as likely as any other."""
    dtype = np.dtype(f"u{width // 8}")
    if not _is_partitionable:
        return reshape(_bits_of_pairs(key, width, dtype, prod(shape)), shape)
    words = _words(key, *_positions(shape), folded=width < 64)
    return words if width >= 32 else convert_element_type(words, dtype)


def _bits_of_pairs(key: Array, width: int, dtype: DType, size: int) -> Array:
    count = -(-width * size // 32)
    if count >= _MOST_WORDS:
        raise ParameterError(
            "functrans.random", f"{size} elements of {width} bits", f"fewer than {_MOST_WORDS} words in this layout"
        )
    words = _pairs(key, count)
    if width == 64:
        return words
    bits = concatenate(_parts(words))[:count]
    if width == 32:
        return bits
    shifts = np.arange(0, 32, width, dtype=_WORD)
    split = shift_right_logical(*(broadcast_to(x, (count, len(shifts))) for x in (bits[:, None], shifts)))
    return convert_element_type(reshape(split, (count * len(shifts),))[:size], dtype)


def split_key(key: Array, shape: Shape = (2,)) -> Array:
    """Keys made of one: an array of `shape + (2,)`."""
    if _is_partitionable:
        return stack(_parts(_words(key, *_positions(shape))), -1)
    return reshape(concatenate(_parts(_pairs(key, 2 * prod(shape)))), (*shape, 2))


def seed_words(seed: Array) -> tuple[Array, Array]:
    """The high and the low 32 bits of an integer; of one of at most 32 bits the high ones are 0."""
    low = convert_element_type(seed, _WORD)
    if seed.dtype.itemsize < 8:
        return np.zeros((), _WORD), low
    return convert_element_type(shift_right_logical(seed, seed.dtype.type(32)), _WORD), low


def fold_into_key(key: Array, data: Array) -> Array:
    """The key that a key and a uint32 give."""
    return stack(_parts(_words(key, np.zeros((), _WORD), data)))
