"""Changes of dtype, as NumPy's `astype` on the same machine, also for floats out of an integer's range.

Start reading at `cast`. Imports `elements`.
"""

from __future__ import annotations

from functrans.backends.llvm.elements import BOOL, Element, Lanes, is_half, part_dtype, register_type
from functrans.backends.llvm.ir import F16, F32, F64, I32, I64, Type, Value
from functrans.typing import DType

__all__ = ["bitcast", "cast", "float_to_integer"]


def cast(b: Lanes, x: Element, dtype: DType) -> Element:
    """Complex numbers become real by their real part, and bool by either."""
    if x.dtype == dtype:
        return x
    if x.dtype.kind != "c":
        real = _real(b, x.value, x.dtype, part_dtype(dtype))
        return Element(dtype, (real,) if dtype.kind != "c" else (real, b.number(0, real.type.scalar)))
    if dtype.kind == "c":
        return Element(dtype, tuple(_real(b, part, part_dtype(x.dtype), part_dtype(dtype)) for part in x.parts))
    if dtype.kind == "b":
        re, im = (b.function.fcmp("une", part, 0) for part in x.parts)
        return Element(BOOL, (re | im,))
    return Element(dtype, (_real(b, x.parts[0], part_dtype(x.dtype), dtype),))


def _real(b: Lanes, x: Value, of: DType, to: DType) -> Value:
    f = b.function
    match of.kind, to.kind:
        case "f", "b":
            return f.fcmp("une", x, 0)
        case _, "b":
            return x if of.kind == "b" else f.icmp("ne", x, 0)
        case "f", "f":
            return _float_to_float(b, x, to)
        case "f", _:
            return float_to_integer(b, x, to)
        case _, "f":
            y = f.cast("sitofp" if of.kind == "i" else "uitofp", x, register_type(to))
            return b.rounded(y) if is_half(to) and of.kind != "b" else y
        case _:
            wider = to.itemsize > of.itemsize or of.kind == "b"
            return f.cast(("sext" if of.kind == "i" else "zext") if wider else "trunc", x, register_type(to))


def _float_to_float(b: Lanes, x: Value, to: DType) -> Value:
    f = b.function
    if is_half(to):
        return b.rounded(_rounded_to_odd(b, x) if x.type.bits == 64 else x)
    kind = register_type(to)
    return f.cast("fpext" if kind.bits > x.type.bits else "fptrunc", x, kind)


def _rounded_to_odd(b: Lanes, x: Value) -> Value:
    """float64 as float32, such that rounding that to float16 gives what rounding at once would."""
    f = b.function
    near = f.cast("fptrunc", x, F32)
    back = f.cast("fpext", near, F64)
    bits = f.bits(near)
    even_and_inexact = f.fcmp("one", back, x) & f.icmp("eq", bits & 1, 0)
    is_large = f.fcmp("ogt", f.intrinsic("fabs", back), f.intrinsic("fabs", x))
    return f.from_bits(f.select(even_and_inexact, bits + f.select(is_large, b.number(-1, I32), 1), bits))


def float_to_integer(b: Lanes, x: Value, to: DType) -> Value:
    """Towards zero. NumPy leaves numbers out of range to the machine: x86 gives the lowest int32 or int64, cut to width."""
    f, kind = b.function, register_type(to)
    if f.module.target.is_arm:
        wide = (kind if kind.bits >= 32 else I32).vector(b.lanes)
        name = "fptosi.sat" if to.kind == "i" or kind.bits < 32 else "fptoui.sat"
        return f.cast("trunc", f.intrinsic(f"{name}.{wide.suffix}", x, result=wide), kind)
    if to.kind == "u" and kind.bits >= 32:
        return _float_to_unsigned(b, x, kind)
    return f.cast("trunc", f.cast("fptosi", x, I64 if kind.bits == 64 else I32), kind)


def _float_to_unsigned(b: Lanes, x: Value, kind: Type) -> Value:
    f, high = b.function, 1 << kind.bits - 1
    is_large = f.fcmp("oge", x, float(high))
    low = f.cast("fptosi", f.select(is_large, x - float(high), x), kind)
    return low ^ f.select(is_large, b.number(high, kind), 0)


def bitcast(b: Lanes, x: Element, dtype: DType) -> Element:
    """The bits of an element read as another dtype of the same width."""
    if "c" in (x.dtype.kind, dtype.kind):
        return _bitcast_complex(b, x, dtype)
    bits = _bits(b, x)
    if dtype.kind != "f":
        return Element(dtype, (bits,))
    value = b.function.from_bits(bits)
    return Element(dtype, (b.function.cast("fpext", value, F32) if is_half(dtype) else value,))


def _bits(b: Lanes, x: Element) -> Value:
    f = b.function
    if x.dtype.kind != "f":
        return x.value
    return f.bits(f.cast("fptrunc", x.value, F16) if is_half(x.dtype) else x.value)


def _bitcast_complex(b: Lanes, x: Element, dtype: DType) -> Element:
    """complex64 shares its width with integers and floats of 64 bits; its real part is the low half."""
    f = b.function
    if x.dtype == dtype:
        return x
    if x.dtype.kind == "c":
        low, high = (f.cast("zext", f.bits(part), I64) for part in x.parts)
        bits = low | (high << 32)
        return Element(dtype, (bits if dtype.kind != "f" else f.from_bits(bits),))
    bits = _bits(b, x)
    parts = (bits, f.integer("lshr", bits, 32))
    return Element(dtype, tuple(f.from_bits(f.cast("trunc", part, I32)) for part in parts))
