"""float16 on machines that have no instruction for it: the conversions that LLVM then calls by name, by integer arithmetic.

Imports `function` and `ir`; start reading at `half_conversions`.
"""

from __future__ import annotations

from functools import cache

from functrans.backends.llvm.function import Function
from functrans.backends.llvm.ir import F16, F32, I16, I32, Module, Value
from functrans.backends.llvm.target import Target

__all__ = ["half_conversions"]

_SIGN, _INFINITY, _QUIET = 0x8000, 0x7C00, 0x0200
_SHIFT = 23 - 10
"""How much longer the mantissa of a float is."""
_REBIAS = (127 - 15) << 23
"""Between the exponents of the two, in place."""
_INFINITY32, _MAGNITUDE32 = 0x7F800000, 0x7FFFFFFF


@cache
def half_conversions(target: Target) -> str:
    """Text to be put after that of a module which uses half floats; none where the machine converts them itself."""
    if target.has("f16c") or target.is_arm:
        return ""
    module = Module(target)
    _widening(module)
    _narrowing(module)
    return module.functions_text()


def _widening(module: Module) -> None:
    f = Function(module, "__extendhfsf2", [("x", F16)], F32, exported=True)
    half = f.cast("zext", f.bits(f.args[0]), I32)
    bits = (half & (_SIGN - 1)) << _SHIFT
    exponent = bits & (_INFINITY << _SHIFT)
    normal = bits + _REBIAS
    last = (bits + 2 * _REBIAS) | f.select(f.icmp("ugt", bits, _INFINITY << _SHIFT), _QUIET << _SHIFT, f.like(0, bits))
    smallest = f.from_bits(f.like(_REBIAS + (1 << 23), bits))  # a subnormal lies as far above it as above zero
    small = f.bits(f.from_bits(bits + (_REBIAS + (1 << 23))) - smallest)
    found = f.select(f.icmp("eq", exponent, _INFINITY << _SHIFT), last, normal)
    found = f.select(f.icmp("eq", exponent, 0), small, found)
    f.ret(f.from_bits(found | ((half & _SIGN) << 16)))


def _narrowing(module: Module) -> None:
    """To the nearest, ties to even; what is too large becomes infinite."""
    f = Function(module, "__truncsfhf2", [("x", F32)], F16, exported=True)
    bits = f.bits(f.args[0])
    size = bits & _MAGNITUDE32
    odd = f.integer("lshr", size, _SHIFT) & 1
    normal = f.integer("lshr", size - _REBIAS + ((1 << _SHIFT - 1) - 1) + odd, _SHIFT)
    unit = f.like((127 - 14 - 10 + 23) << 23, bits)  # the sum with it is rounded at the last place of subnormals
    small = f.bits(f.from_bits(size) + f.from_bits(unit)) - unit
    nan = f.integer("lshr", size & 0x7FFFFF, _SHIFT) | (_INFINITY | _QUIET)
    last = f.select(f.icmp("ugt", size, _INFINITY32), nan, f.like(_INFINITY, bits))
    found = f.select(f.icmp("ult", size, _REBIAS + (1 << 23)), small, normal)
    found = f.select(f.icmp("uge", size, _REBIAS + (31 << 23)), last, found)
    f.ret(_half(f, found | (f.integer("lshr", bits, 16) & _SIGN)))


def _half(f: Function, bits: Value) -> Value:
    return f.cast("bitcast", f.cast("trunc", bits, I16), F16)
