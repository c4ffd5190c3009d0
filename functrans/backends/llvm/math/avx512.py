"""Instructions of AVX-512 that take floats apart and put them together, where a value fills a register of it.

What they give is bit for bit what `floats` and `logarithm` compute without them for finite positive numbers; with them
zeros, infinities, NaN, subnormal and negative numbers need no code of their own. Imports `ir` and `function`.
"""

from __future__ import annotations

from functrans.backends.llvm.function import Function
from functrans.backends.llvm.ir import I32, Type, Value

__all__ = ["exponent", "fills_register", "log_limits", "mantissa", "scale"]

_DEFAULT_ROUNDING = 4
_FROM_THREE_QUARTERS = 3
_LOG_LIMITS = 0x03530422
"""A digit for each kind of x, from the last: NaN (itself), signalling NaN, zero (-infinity), one (what was computed),
-infinity (NaN), infinity (itself), negative (NaN), positive (what was computed)."""


def fills_register(f: Function, x: Value) -> bool:
    return f.module.target.has("avx512f") and x.type.lanes * x.type.bits == 512


def _instruction(f: Function, name: str, *operands: Value) -> Value:
    """On all lanes, of which none is masked."""
    kind = operands[0].type
    mask = f.const(-1, Type("i", kind.lanes))
    given = [*operands, mask, f.const(_DEFAULT_ROUNDING, I32)]
    return f.call_symbol(f"llvm.x86.avx512.mask.{name}.p{'s' if kind.bits == 32 else 'd'}.512", kind, *given)


def scale(f: Function, x: Value, n: Value) -> Value:
    """x * 2**n, of whole n, rounded once."""
    return _instruction(f, "scalef", x, n, x)


def exponent(f: Function, x: Value) -> Value:
    """The k of |x| = 2**k m with 1 <= m < 2; of 0 it is minus infinity, of infinity infinity."""
    return _instruction(f, "getexp", x, x)


def mantissa(f: Function, x: Value) -> Value:
    """The m of x = 2**k m with 3/4 <= m < 3/2 for positive x."""
    return _instruction(f, "getmant", x, f.const(_FROM_THREE_QUARTERS, I32), x)


def log_limits(f: Function, x: Value, result: Value) -> Value:
    """The logarithm of x where it is 0, infinite, NaN or negative; `result` elsewhere."""
    table = f.const(_LOG_LIMITS, x.type.integer())
    return _instruction(f, "fixupimm", result, x, table, f.const(0, I32))
