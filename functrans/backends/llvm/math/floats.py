"""The digits of floats: exponents, powers of two, rounding to integers, limits that let NaN pass.

All of it by additions and by integers of the same width, which every vector unit has. Imports `ir` and `function`; start
reading at `Format`.
"""

from __future__ import annotations

from dataclasses import dataclass

from functrans.backends.llvm.function import Function
from functrans.backends.llvm.ir import Value

__all__ = [
    "Format", "Rounded", "absolute", "at_least", "at_most", "format_of", "power_of_two", "round_to_integer",
    "scale_by_halves", "with_sign",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Format:
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


@dataclass(frozen=True, slots=True)
class Rounded:
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


def scale_by_halves(f: Function, x: Value, exponent: Value) -> Value:
    """x * 2**exponent for x near 1, rounded once: overflows to infinity, underflows gradually. NaN stays NaN.

    `exponent` is a `Rounded.bits`; a multiplication by each half of it, as the whole may be out of the normal range.
    """
    half = f.integer("lshr", exponent, 1)
    return x * power_of_two(f, half) * power_of_two(f, exponent - half)


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
