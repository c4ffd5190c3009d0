"""Bits of bytes: packbits, unpackbits. Imports the promotion rules and `shapes`; start reading at `packbits`."""

from __future__ import annotations

from typing import Literal, SupportsIndex

import numpy as np

from functrans.core.primitive import aval_of
from functrans.numpy.dispatch import implements
from functrans.numpy.joining import concatenate
from functrans.numpy.operands import axis_index, shape_of, strong
from functrans.numpy.promotion import astype
from functrans.numpy.reductions import sum
from functrans.numpy.shapes import along, moveaxis, ravel, reshape
from functrans.typing import Array, ArrayLike

__all__ = ["packbits", "unpackbits"]

BitOrder = Literal["big", "little"]
_BYTE = np.dtype(np.uint8)


def _places(bitorder: BitOrder) -> Array:
    """How far left in its byte each of eight bits is."""
    if bitorder not in ("big", "little"):
        raise ValueError("'order' must be either 'little' or 'big'")
    places = np.arange(8, dtype=_BYTE)
    return places if bitorder == "little" else places[::-1]


def _axis_last(x: Array, axis: SupportsIndex | None) -> tuple[Array, int]:
    if axis is None:
        return ravel(x), 0
    place = axis_index(axis, aval_of(x).ndim)
    return moveaxis(x, place, -1), place


@implements(np.packbits)
def packbits(a: ArrayLike, /, axis: SupportsIndex | None = None, bitorder: BitOrder = "big") -> Array:
    """Eight elements along an axis, or of the flattened array, as the bits of a byte; zeros fill the last one."""
    x = strong(a, "packbits")
    if aval_of(x).dtype.kind not in "iub":
        raise TypeError("Expected an input array of integer or boolean data type")
    bits, place = _axis_last(x != 0, axis)
    *rest, count = shape_of(bits)
    missing = -count % 8
    if missing:
        bits = concatenate([bits, np.zeros((*rest, missing), bool)], -1)
    bits = astype(reshape(bits, (*rest, (count + missing) // 8, 8)), _BYTE)
    return moveaxis(sum(np.left_shift(bits, _places(bitorder)), -1, _BYTE), -1, place)


@implements(np.unpackbits)
def unpackbits(
    a: ArrayLike,
    /,
    axis: SupportsIndex | None = None,
    count: SupportsIndex | None = None,
    bitorder: BitOrder = "big",
) -> Array:
    """The bits of bytes as elements along an axis, or of the flattened array: the first `count`, negative from the end."""
    x = strong(a, "unpackbits")
    if aval_of(x).dtype != _BYTE:
        raise TypeError("Expected an input array of unsigned byte data type")
    packed, place = _axis_last(x, axis)
    *rest, length = shape_of(packed)
    bits = np.bitwise_and(np.right_shift(packed[..., None], _places(bitorder)), _BYTE.type(1))
    bits = reshape(bits, (*rest, length * 8))
    wanted = length * 8 if count is None else count.__index__()
    if wanted < 0:
        wanted += length * 8
    if not wanted >= 0:
        raise ValueError(f"-{-wanted + length * 8} is larger than the number of bits")
    if wanted > length * 8:
        bits = concatenate([bits, np.zeros((*rest, wanted - length * 8), _BYTE)], -1)
    return moveaxis(along(bits, len(rest), 0, wanted), -1, place)
