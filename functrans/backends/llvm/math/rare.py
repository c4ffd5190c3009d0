"""Code for rare lanes, and functions that many places share: what keeps the usual path straight and the code small.

Imports `function`; start reading at `rarely`.
"""

from __future__ import annotations

from collections.abc import Callable

from functrans.backends.llvm.function import Function
from functrans.backends.llvm.ir import F32, F64, Type, Value

__all__ = ["any_lane", "by_c_where", "called", "in_double", "rarely"]


def any_lane(f: Function, mask: Value) -> Value:
    """Whether a mask is true in any lane."""
    if mask.type.lanes == 1:
        return mask
    whole = Type("i", mask.type.lanes)
    return f.icmp("ne", f.value(whole, f"bitcast {mask.typed()} to {whole}"), 0)


def rarely(f: Function, mask: Value, usual: Value, rare: Callable[[], Value]) -> Value:
    """`usual`, or what `rare` computes where the mask is true in any lane."""
    return f.choose(any_lane(f, mask), rare, lambda: usual)


def called(f: Function, name: str, build: Callable[..., Value], *args: Value) -> Value:
    """`build(f, *args)` by calling a function of its own, which the module holds once for the type of the operands."""
    kind = args[0].type
    full = f"{name}.{kind.suffix}"

    def made() -> Function:
        function = Function(f.module, full, [(f"x{k}", kind) for k in range(len(args))], kind)
        function.ret(build(function, *function.args))
        return function

    return f.call(f.module.shared(full, made), *args)


def by_c_where(f: Function, name: str, where: Callable[[Function, Value], Value], x: Value, usual: Value) -> Value:
    """`usual`, but where x fulfils a condition what C's function of doubles gives: lane by lane, in a function of its own."""

    def by_lanes(f: Function, x: Value, usual: Value) -> Value:
        kind, given, results = x.type.scalar, f.stack(x.type.scalar, x.type.lanes), f.stack(x.type.scalar, x.type.lanes)
        f.store(x, given)
        f.store(usual, results)
        with f.loop(0, x.type.lanes) as lane:
            one = f.load(f.offset(given, lane.index, kind), kind)
            with f.when(where(f, one)):
                value = in_double(f, lambda f, x: f.call_symbol(name, F64, x), one)
                f.store(value, f.offset(results, lane.index, kind))
        return f.load(results, x.type)

    return rarely(f, where(f, x), usual, lambda: called(f, f"math.{name}.far", by_lanes, x, usual))


def in_double(f: Function, function: Callable[[Function, Value], Value], x: Value) -> Value:
    """A function of doubles, of floats too: those are rounded twice, which costs less than 1e-8 ULP."""
    if x.type.bits == 64:
        return function(f, x)
    return f.cast("fptrunc", function(f, f.cast("fpext", x, F64)), F32)
