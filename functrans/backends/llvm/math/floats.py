"""The digits of floats: exponents, powers of two, rounding to integers, limits that let NaN pass.

All of it by additions and by integers of the same width, which every vector unit has, or by the instructions that AVX-512
has for it. Imports `ir`, `function` and `avx512`; start reading at `Format`.
"""

from __future__ import annotations

from functrans.backends.llvm.function import Function
from functrans.backends.llvm.ir import Value
from functrans.backends.llvm.math import avx512
from functrans.record import Record

__all__ = [
    "Format", "Rounded", "absolute", "at_least", "at_most", "divided_by_power", "format_of", "power_of_two",
    "round_to_integer", "scaled_by", "with_sign",
]  # fmt: skip


class Format(Record):
    """Of a type of floats: how many bits hold the fraction, and what is added to an exponent."""

    fraction: int
    bias: int

    @property
    def one(self) -> int:
        """The bits of 1.0."""
        return self.bias << self.fraction

    @property
    def exponent_mask(self) -> int:
        return (2 * self.bias + 1) << self.fraction

    @property
    def smallest_normal(self) -> float:
        return 2.0 ** (1 - self.bias)

    @property
    def shifter(self) -> float:
        """Added to a small number, it leaves no digits after the point; its fraction ends in zeros."""
        return 1.5 * 2.0**self.fraction


def format_of(x: Value) -> Format:
    return Format(23, 127) if x.type.bits == 32 else Format(52, 1023)


class Rounded(Record):
    """A whole number as a float, and as an integer in the low bits (the high ones are those of the shifter)."""

    value: Value
    bits: Value


def round_to_integer(f: Function, shifted: Value) -> Rounded:
    """The integer next to a number to which `shifter` was added (by a fused multiply-add, most often). NaN stays NaN."""
    return Rounded(shifted - format_of(shifted).shifter, f.bits(shifted))


def power_of_two(f: Function, exponent: Value) -> Value:
    """2**exponent, of integers (their low bits count) within the range of normal floats; `exponent` may be a `Rounded.bits`."""
    like = format_of(exponent)
    return f.from_bits((exponent << like.fraction) + like.one)


def scaled_by(f: Function, x: Value, n: Rounded) -> Value:
    """x * 2**n for x near 1, rounded once: overflows to infinity, underflows gradually. NaN stays NaN.

    A multiplication by each half of the power, as the whole may be out of the normal range.
    """
    if avx512.fills_register(f, x):
        return avx512.scale(f, x, n.value)
    half = f.integer("lshr", n.bits, 1)
    return x * power_of_two(f, half) * power_of_two(f, n.bits - half)


def divided_by_power(f: Function, x: Value, k: Value) -> Value:
    """x / 2**k, of whole k between the exponents of normal floats."""
    if avx512.fills_register(f, x):
        return avx512.scale(f, x, -k)
    return x * power_of_two(f, f.bits(format_of(x).shifter - k))


def absolute(f: Function, x: Value) -> Value:
    return f.intrinsic("fabs", x)


def with_sign(f: Function, x: Value, sign: Value) -> Value:
    """x with the sign of `sign`."""
    return f.intrinsic("copysign", x, sign)


def at_most(f: Function, x: Value, limit: float) -> Value:
    """The smaller of x and a limit; NaN stays NaN. (The operands stand as in x86's one instruction.)"""
    bound = f.like(limit, x)
    return f.select(f.fcmp("olt", bound, x), bound, x)


def at_least(f: Function, x: Value, limit: float) -> Value:
    """The larger of x and a limit; NaN stays NaN."""
    bound = f.like(limit, x)
    return f.select(f.fcmp("ogt", bound, x), bound, x)
