"""Elements as signed integers in NumPy's order: NaN last, −0 beside 0, complex numbers by real part, then imaginary part.

A key has its element's width; `words` cuts it into integers of 32 bits, the most significant first, so that one sort of
pairs (word, place) serves every dtype. Start reading at `key`. Imports `scalars` and below.
"""

from __future__ import annotations

import numpy as np

from functrans.backends.llvm.elements import Element, part_dtype
from functrans.backends.llvm.function import Function
from functrans.backends.llvm.ir import I32, Type, Value
from functrans.backends.llvm.scalars import Scalars
from functrans.typing import DType

__all__ = ["element_of", "key", "load_bits", "raw_type", "store_bits", "word_count", "words"]

_MANTISSA = {16: 10, 32: 23, 64: 52}


def raw_type(dtype: DType) -> Type:
    """The integer as wide as an element, to move elements whatever they are."""
    return Type("i", 8 * dtype.itemsize)


def _unsigned(dtype: DType) -> DType:
    return np.dtype(f"u{dtype.itemsize}")


def load_bits(b: Scalars, pointer: Value, index: Value, dtype: DType) -> list[Value]:
    """The bits of elements, of each part."""
    if dtype.kind == "c":
        return [b.function.bits(part) for part in b.load(pointer, dtype, index).parts]
    return list(b.load(pointer, _unsigned(dtype), index).parts)


def store_bits(b: Scalars, bits: Value, pointer: Value, index: Value, dtype: DType) -> None:
    """Bits as real elements."""
    b.store(Element(_unsigned(dtype), (bits,)), pointer, index)


# ---- keys ----


def key(f: Function, bits: Value, dtype: DType, *, zeros_equal: bool = True) -> Value:
    """Of real elements; −0 just before 0, if the zeros are not equal."""
    if dtype.kind != "f":
        return bits ^ f.const(_sign(bits), bits.type) if dtype.kind == "u" else bits
    magnitude = bits & _largest(bits)
    result = f.select(f.icmp("slt", bits, 0), bits ^ _largest(bits), bits)
    if zeros_equal:
        result = f.select(f.icmp("eq", magnitude, 0), 0, result)
    return f.select(f.icmp("sgt", magnitude, _infinity(bits)), f.const(_largest(bits), bits.type), result)


def element_of(f: Function, keys: Value, dtype: DType) -> Value:
    """The bits of the elements that have these keys (zeros not equal)."""
    if dtype.kind != "f":
        return key(f, keys, dtype)
    bits = f.select(f.icmp("slt", keys, 0), keys ^ _largest(keys), keys)
    nan = _infinity(keys) | 1 << _MANTISSA[keys.type.bits] - 1
    return f.select(f.icmp("eq", keys, _largest(keys)), f.const(nan, keys.type), bits)


def _sign(x: Value) -> int:
    return -1 << x.type.bits - 1


def _largest(x: Value) -> int:
    return (1 << x.type.bits - 1) - 1


def _infinity(x: Value) -> int:
    return _largest(x) >> _MANTISSA[x.type.bits] << _MANTISSA[x.type.bits]


# ---- words ----


def word_count(dtype: DType) -> int:
    return (2 if dtype.kind == "c" else 1) * -(-part_dtype(dtype).itemsize // 4)


def words(b: Scalars, pointer: Value, index: Value, dtype: DType, *, descending: bool = False) -> list[Value]:
    """The words of the elements from `index` on; read as signed integers, the words of one place are in order."""
    f = b.function
    keys = [key(f, bits, part_dtype(dtype)) for bits in load_bits(b, pointer, index, dtype)]
    if dtype.kind == "c":
        keys = _complex_keys(f, *keys)
    found = [word for one in keys for word in _words(f, one)]
    return [word ^ -1 for word in found] if descending else found


def _complex_keys(f: Function, re: Value, im: Value) -> list[Value]:
    """With the real part the first key, but after all numbers those with a NaN: in im, by re; in re, by im; in both."""
    last = f.const(_largest(re), re.type)
    re_is_nan, im_is_nan = f.icmp("eq", re, last), f.icmp("eq", im, last)
    major = f.select(re_is_nan, last, f.select(im_is_nan, last - 1, re))
    return [major, f.select(re_is_nan, im, f.select(im_is_nan, re, im))]


def _words(f: Function, one: Value) -> list[Value]:
    if one.type.bits <= 32:
        return [f.cast("sext", one, I32)]
    low = f.cast("trunc", one, I32)
    return [f.cast("trunc", f.integer("ashr", one, 32), I32), low ^ f.const(_sign(low), low.type)]
