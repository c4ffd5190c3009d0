"""The operations of bool and integers, as NumPy computes them: integers wrap, and division by 0 gives 0 and a warning.

An operation is `(b, dtype, *values, **params) -> value`; a result of type i1 is bool. Start reading at `INTEGER`. Imports
`elements` and `scalar_warnings`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from functrans.backends.llvm.elements import Lanes
from functrans.backends.llvm.ir import F32, F64, I8, Value
from functrans.backends.llvm.scalar_cast import float_to_integer
from functrans.backends.llvm.scalar_warnings import DIVIDE, FAILED, OVERFLOW, warning_bit
from functrans.typing import DType

__all__ = ["BOOLEAN", "INTEGER", "Operation", "compare"]

Operation: TypeAlias = Callable[..., Value]


def _instruction(name: str) -> Operation:
    return lambda b, _dtype, x, y: b.function.integer(name, x, y)


def compare(predicate: str) -> Operation:
    def operation(b: Lanes, dtype: DType, x: Value, y: Value) -> Value:
        sign = "" if predicate in ("eq", "ne") else "s" if dtype.kind == "i" else "u"
        return b.function.icmp(sign + predicate, x, y)

    return operation


def _pick(predicate: str) -> Operation:
    better = compare(predicate)
    return lambda b, dtype, x, y: b.function.select(better(b, dtype, x, y), x, y)


def _same(_b: Lanes, _dtype: DType, x: Value) -> Value:
    return x


def _answer(value: bool) -> Operation:
    def operation(b: Lanes, _dtype: DType, x: Value) -> Value:
        return b.function.const(value, x.type.integer(1))

    return operation


def _not(b: Lanes, _dtype: DType, x: Value) -> Value:
    return x ^ b.function.const(-1 if x.type.bits > 1 else 1, x.type)


def _abs(b: Lanes, dtype: DType, x: Value) -> Value:
    return x if dtype.kind == "u" else b.function.select(b.function.icmp("slt", x, 0), -x, x)


def _sign(b: Lanes, dtype: DType, x: Value) -> Value:
    f = b.function
    positive = f.cast("zext", f.icmp("ne", x, 0), x.type.scalar)
    return positive if dtype.kind == "u" else f.select(f.icmp("slt", x, 0), -1, positive)


# ---- quotients ----


def _quotient(b: Lanes, dtype: DType, x: Value, y: Value) -> Value:
    """x / y towards zero, y not 0 and the quotient in range. Up to 32 bits, the quotient of floats is exact."""
    f, signed = b.function, dtype.kind == "i"
    instruction = "sdiv" if signed else "udiv"
    if x.type.lanes == 1 or y.number is not None:  # by a constant: LLVM multiplies
        return f.integer(instruction, x, y)
    if x.type.bits == 64:
        far = f.integer("lshr", (x + _NEAR) | (y + _NEAR), 52) if signed else f.integer("lshr", x | y, 51)
        return f.choose(
            b.any(f.icmp("ne", far, 0)), lambda: f.integer(instruction, x, y), lambda: _near_quotient(b, x, y)
        )
    kind = F32 if x.type.bits <= 16 else F64
    as_float, back = ("sitofp", "fptosi") if signed else ("uitofp", "fptoui")
    return f.cast(back, f.cast(as_float, x, kind) / f.cast(as_float, y, kind), x.type.scalar)


_NEAR = 1 << 51
_SHIFTER = 3.0 * 2.0**51
"""Next to it floats of 64 bits are the whole numbers, and their bits count them."""


def _near_quotient(b: Lanes, x: Value, y: Value) -> Value:
    """Of integers of 64 bits of a size less than 2⁵¹, by floats: vectors of such integers cannot be divided."""
    f, start = b.function, 0x4338 << 48
    over, under = (f.from_bits(value + start) - _SHIFTER for value in (x, y))
    return f.bits(f.intrinsic("trunc", over / under) + _SHIFTER) - start


def _divided(b: Lanes, dtype: DType, x: Value, y: Value, name: str, floor: bool) -> tuple[Value, Value]:
    """Quotient and remainder; by 0 both are 0, and the lowest number by -1 is itself, and 0 remains."""
    f = b.function
    if y.number is not None and y.number > 0:
        return _divided_by_positive(b, dtype, x, y, floor)
    is_zero = f.icmp("eq", y, 0)
    b.note(warning_bit(name, DIVIDE), is_zero)
    unsafe = is_zero
    if dtype.kind == "i":
        overflows = f.icmp("eq", x, int(np.iinfo(dtype).min)) & f.icmp("eq", y, -1)
        if name == "floor_divide":
            b.note(warning_bit(name, OVERFLOW), overflows)
        unsafe = is_zero | overflows
    quotient, rest = _rounded_down(b, dtype, x, f.select(unsafe, 1, y), floor)
    return f.select(is_zero, 0, quotient), f.select(is_zero, 0, rest)


def _divided_by_positive(b: Lanes, dtype: DType, x: Value, y: Value, floor: bool) -> tuple[Value, Value]:
    """By a constant, of which there is nothing to test; by a power of two, bits are moved."""
    f, number = b.function, int(y.number or 1)
    if number & (number - 1) or (dtype.kind == "i" and not floor):
        return _rounded_down(b, dtype, x, y, floor)
    shift = "ashr" if dtype.kind == "i" else "lshr"
    return f.integer(shift, x, f.like(number.bit_length() - 1, x)), x & f.like(number - 1, x)


def _rounded_down(b: Lanes, dtype: DType, x: Value, divisor: Value, floor: bool) -> tuple[Value, Value]:
    """Quotient and remainder, of the sign of the divisor with `floor`; the quotient is in range."""
    f = b.function
    quotient = _quotient(b, dtype, x, divisor)
    rest = x - quotient * divisor
    if floor and dtype.kind == "i":
        down = f.icmp("ne", rest, 0) & f.icmp("slt", rest ^ divisor, 0)
        quotient = quotient + f.cast("sext", down, x.type.scalar)
        rest = rest + f.select(down, divisor, 0)
    return quotient, rest


def _floor_divide(b: Lanes, dtype: DType, x: Value, y: Value) -> Value:
    return _divided(b, dtype, x, y, "floor_divide", floor=True)[0]


def _remainder(name: str, floor: bool) -> Operation:
    return lambda b, dtype, x, y: _divided(b, dtype, x, y, name, floor)[1]


def _reciprocal(b: Lanes, dtype: DType, x: Value) -> Value:
    """NumPy's: the quotient of float64, cut."""
    f = b.function
    b.note(warning_bit("reciprocal", DIVIDE), f.icmp("eq", x, 0))
    inverse = 1.0 / f.cast("sitofp" if dtype.kind == "i" else "uitofp", x, F64)
    return float_to_integer(b, inverse, dtype)


def _gcd(b: Lanes, dtype: DType, x: Value, y: Value) -> Value:
    f, unsigned = b.function, np.dtype(f"u{dtype.itemsize}")
    with f.repeat([_abs(b, dtype, x), _abs(b, dtype, y)]) as loop:
        great, small = loop.carry
        is_done = f.icmp("eq", small, 0)
        divisor = f.select(is_done, 1, small)
        rest = great - _quotient(b, unsigned, great, divisor) * divisor
        great, small = f.select(is_done, great, small), f.select(is_done, 0, rest)
        loop.next = [great, small]
        loop.again = b.any(f.icmp("ne", small, 0))
    return loop.results[0]


def _lcm(b: Lanes, dtype: DType, x: Value, y: Value) -> Value:
    f, unsigned = b.function, np.dtype(f"u{dtype.itemsize}")
    common = _gcd(b, dtype, x, y)
    is_zero = f.icmp("eq", common, 0)
    share = _quotient(b, unsigned, _abs(b, dtype, x), f.select(is_zero, 1, common))
    return f.select(is_zero, 0, share * _abs(b, dtype, y))


# ---- bits ----


def _shift_left(b: Lanes, _dtype: DType, x: Value, y: Value) -> Value:
    f = b.function
    fits = f.icmp("ult", y, x.type.bits)
    return f.select(fits, f.integer("shl", x, f.select(fits, y, 0)), 0)


def _rotate_left(b: Lanes, _dtype: DType, x: Value, *, bits: int) -> Value:
    return b.function.intrinsic("fshl", x, x, b.function.like(bits, x))


def _shift_right_logical(b: Lanes, _dtype: DType, x: Value, y: Value) -> Value:
    f = b.function
    fits = f.icmp("ult", y, x.type.bits)
    return f.select(fits, f.integer("lshr", x, f.select(fits, y, 0)), 0)


def _shift_right(b: Lanes, dtype: DType, x: Value, y: Value) -> Value:
    if dtype.kind == "u":
        return _shift_right_logical(b, dtype, x, y)
    f = b.function
    return f.integer("ashr", x, f.select(f.icmp("ult", y, x.type.bits), y, x.type.bits - 1))


def _bitwise_count(b: Lanes, dtype: DType, x: Value) -> Value:
    f = b.function
    ones = f.intrinsic("ctpop", _abs(b, dtype, x))
    return f.cast("trunc", ones, I8)


# ---- powers ----


def integer_power(b: Lanes, one: Value, x: Value, y: Value) -> Value:
    """x to the power y, y taken as unsigned, by squaring."""
    f = b.function
    with f.repeat([one, x, y]) as loop:
        power, base, left = loop.carry
        power = f.select(f.icmp("ne", left & 1, 0), power * base, power)
        left = f.integer("lshr", left, 1)
        loop.next = [power, base * base, left]
        loop.again = b.any(f.icmp("ne", left, 0))
    return loop.results[0]


def _pow(b: Lanes, dtype: DType, x: Value, y: Value) -> Value:
    if dtype.kind == "i":
        b.note(FAILED, b.function.icmp("slt", y, 0))
    return integer_power(b, b.function.const(1, x.type), x, y)


def _integer_pow(b: Lanes, _dtype: DType, x: Value, *, y: int) -> Value:
    power = b.function.const(1, x.type)
    for bit in f"{y:b}":
        power = power * power * (x if bit == "1" else 1)
    return power


INTEGER: dict[str, Operation] = {
    "add": _instruction("add"),
    "sub": _instruction("sub"),
    "mul": _instruction("mul"),
    "neg": lambda _b, _dtype, x: -x,
    "square": lambda _b, _dtype, x: x * x,
    "abs": _abs,
    "sign": _sign,
    "floor_divide": _floor_divide,
    "remainder": _remainder("remainder", floor=True),
    "rem": _remainder("rem", floor=False),
    "reciprocal": _reciprocal,
    "gcd": _gcd,
    "lcm": _lcm,
    "pow": _pow,
    "integer_pow": _integer_pow,
    "and": _instruction("and"),
    "or": _instruction("or"),
    "xor": _instruction("xor"),
    "not": _not,
    "shift_left": _shift_left,
    "shift_right_arithmetic": _shift_right,
    "shift_right_logical": _shift_right_logical,
    "rotate_left": _rotate_left,
    "bitwise_count": _bitwise_count,
    **{name: compare(name) for name in ("eq", "ne", "lt", "le", "gt", "ge")},
    **{name: _pick("gt") for name in ("max", "fmax")},
    **{name: _pick("lt") for name in ("min", "fmin")},
    **dict.fromkeys(("floor", "ceil", "trunc"), _same),
    "is_finite": _answer(True),
    "is_inf": _answer(False),
    "is_nan": _answer(False),
}

BOOLEAN: dict[str, Operation] = {
    **{name: INTEGER[name] for name in ("and", "or", "xor", "not", "eq", "ne", "lt", "le", "gt", "ge")},
    **{name: INTEGER[name] for name in ("floor", "ceil", "trunc", "is_finite", "is_inf", "is_nan")},
    **dict.fromkeys(("add", "max", "fmax"), INTEGER["or"]),
    **dict.fromkeys(("mul", "min", "fmin"), INTEGER["and"]),
    "abs": _same,
}
