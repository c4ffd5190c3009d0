"""Rows for functrans.ops.threefry."""

from typing import Any

import numpy as np

from functrans.ops.threefry import threefry2x32, threefry2x32_p
from tests.cases.case import Case, Operand

_WORD = Operand(low=0.0, high=2.0**32 - 1, dtype="uint32")
_MASK = 2**32 - 1


def _words(key0: int, key1: int, x: int, y: int) -> tuple[int, int]:
    """One hash, in Python's integers."""
    keys = (key0, key1, key0 ^ key1 ^ 0x1BD11BDA)
    x, y = (x + key0) & _MASK, (y + key1) & _MASK
    for turn, bits in enumerate(2 * [13, 15, 26, 6, 17, 29, 16, 24] + [13, 15, 26, 6]):
        x = (x + y) & _MASK
        y = ((y << bits | y >> 32 - bits) & _MASK) ^ x
        if turn % 4 == 3:
            block = turn // 4 + 1
            x, y = (x + keys[block % 3]) & _MASK, (y + keys[(block + 1) % 3] + block) & _MASK
    return x, y


def _both(*operands: Any) -> Any:
    hashes = [_words(*map(int, words)) for words in zip(*(x.ravel() for x in operands), strict=True)]
    return np.array([x << 32 | y for x, y in hashes], np.uint64).reshape(operands[0].shape)


def _folded(*operands: Any) -> Any:
    both = _both(*operands)
    return ((both >> np.uint64(32)) ^ both).astype(np.uint32)


CASES = (
    Case(threefry2x32_p, lambda *words: threefry2x32(*words, folded=False), _both, (_WORD,) * 4, ("uint32",), order=0),
    Case(
        threefry2x32_p,
        lambda *words: threefry2x32(*words, folded=True),
        _folded,
        (_WORD,) * 4,
        ("uint32",),
        order=0,
        name="folded",
    ),
)
