"""The hash that random numbers come from: Threefry with two words of 32 bits and 20 rounds.

J. Salmon, M. Moraes, R. Dror, D. Shaw: Parallel Random Numbers: As Easy as 1, 2, 3. SC 2011. Imports core and `families`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

from functrans.core.aval import ShapedArray
from functrans.core.lowering import ScalarBuilder
from functrans.core.primitive import LocallyConstant
from functrans.errors import OperandError
from functrans.ops.families import elementwise, evaluate_or_bind
from functrans.typing import Array, DType

__all__ = ["threefry2x32", "threefry2x32_p"]

S = TypeVar("S")

_ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
"""By how many bits the second word is rotated, in the four rounds of every other block."""
_PARITY = 0x1BD11BDA
"""What the third word of the key is mixed with, lest all three be 0."""
_WORD, _TWO_WORDS = np.dtype(np.uint32), np.dtype(np.uint64)
_BLOCKS = 5
_CACHED = 1 << 13
"""Elements that are hashed at once: several arrays of so many fit the first cache."""


def _hash(key0: Array, key1: Array, word0: Array, word1: Array, folded: bool) -> Array:
    keys = (key0, key1, key0 ^ key1 ^ np.uint32(_PARITY))
    x, y = word0 + key0, word1 + key1
    for block in range(_BLOCKS):
        for bits in _ROTATIONS[block % 2]:
            x += y
            y = (y << np.uint32(bits)) | (y >> np.uint32(32 - bits))
            y ^= x
        x += keys[(block + 1) % 3]
        y += keys[(block + 2) % 3] + np.uint32(block + 1)
    out: Array = x ^ y if folded else (x.astype(_TWO_WORDS) << np.uint64(32)) | y
    return out


def _threefry2x32(*words: Array, folded: bool) -> Array:
    key0, key1, word0, word1 = (x.reshape(-1) for x in np.broadcast_arrays(*words))
    out: Array = np.empty(word0.shape, np.uint32 if folded else np.uint64)
    for start in range(0, out.size, _CACHED):
        part = slice(start, start + _CACHED)
        out[part] = _hash(key0[part], key1[part], word0[part], word1[part], folded)
    return out.reshape(np.broadcast_shapes(*(x.shape for x in words)))[()]


def _emit(b: ScalarBuilder[S], key0: S, key1: S, x: S, y: S, *, folded: bool) -> S:
    def add(x: S, y: S) -> S:
        return b.call("add", x, y)

    def xor(x: S, y: S) -> S:
        return b.call("xor", x, y)

    keys = (key0, key1, xor(xor(key0, key1), b.constant(_PARITY, _WORD)))
    x, y = add(x, key0), add(y, key1)
    for block in range(_BLOCKS):
        for bits in _ROTATIONS[block % 2]:
            x = add(x, y)
            y = xor(b.call("rotate_left", y, bits=bits), x)
        x = add(x, keys[(block + 1) % 3])
        y = add(y, add(keys[(block + 2) % 3], b.constant(block + 1, _WORD)))
    if folded:
        return xor(x, y)
    high, low = b.cast(x, _TWO_WORDS), b.cast(y, _TWO_WORDS)
    return b.call("or", b.call("shift_left", high, b.constant(32, _TWO_WORDS)), low)


def _words(name: str, avals: Sequence[ShapedArray], _accepts: str) -> DType:
    if any(aval.dtype != _WORD for aval in avals):
        raise OperandError(name, [str(aval) for aval in avals], "operands of dtype uint32")
    return _WORD


threefry2x32_p = elementwise(
    "threefry2x32",
    _threefry2x32,
    "u",
    LocallyConstant("integers have no derivative"),
    lambda _dtype, *, folded: _WORD if folded else _TWO_WORDS,
    operand_dtype=_words,
    emit=_emit,
    needs=("rotate_left",),
)


def threefry2x32(key0: Array, key1: Array, word0: Array, word1: Array, *, folded: bool) -> Array:
    """Elementwise hash of the words of a counter by the words of a key, all uint32.

    Its two words as one uint64, the first word in the high half; with `folded` their exclusive or, as uint32.
    """
    return evaluate_or_bind(threefry2x32_p, key0, key1, word0, word1, folded=folded)
