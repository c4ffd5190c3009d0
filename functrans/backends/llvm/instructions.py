"""The instructions of a function: constants, arithmetic, conversions. `memory.py` adds loads and stores, `function.py` control.

No fast-math flags: what users write is rounded as NumPy rounds it. Start reading at `Instructions.value`. Imports `ir`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from functrans.backends.llvm.ir import I1, I32, I64, Module, Sum, Type, Value, constant_text

__all__ = ["Instructions", "Number"]

Number: TypeAlias = "Value | float"

_FOLDS: dict[str, Callable[[int, int], int]] = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "and": lambda a, b: a & b,
    "or": lambda a, b: a | b,
    "xor": lambda a, b: a ^ b,
}
_NEUTRAL = {"add": 0, "sub": 0, "mul": 1, "or": 0, "shl": 0, "ashr": 0, "lshr": 0, "sdiv": 1, "udiv": 1}


class Instructions:
    """What can be written into a function; each method takes numbers next to values."""

    def __init__(self, module: Module) -> None:
        self.module = module
        self._entry: list[str] = []
        self._lines: list[str] = []
        self._count = 0
        self._constants: dict[tuple[Type, float | str], Value] = {}
        self._computed: dict[str, Value] = {}
        """What the current block has computed, by instruction."""
        self.optimized = False
        """Whether LLVM is to optimise the function: it takes three times as long, and gains nothing as a rule."""
        self.may_blend = False
        """Whether LLVM's optimiser must not leave the function out: see `_blends`."""

    def emit(self, line: str) -> None:
        """One instruction without a result."""
        self._lines.append("  " + line)

    def value(self, kind: Type, instruction: str) -> Value:
        """One instruction with a result."""
        self._count += 1
        name = f"%v{self._count}"
        self._lines.append(f"  {name} = {instruction}")
        return Value(self, kind, name)

    def pure(self, kind: Type, instruction: str) -> Value:
        """The result of an instruction that depends on its operands alone: written once in a block."""
        found = self._computed.get(instruction)
        if found is None:
            found = self._computed[instruction] = self.value(kind, instruction)
        return found

    # ---- constants ----

    def const(self, value: float, kind: Type) -> Value:
        """A constant, in every lane."""
        key = (kind, value or str(value))  # 0.0 equals -0.0
        found = self._constants.get(key)
        if found is None:
            found = self._constants[key] = self._constant(value, kind)
        return found

    def _constant(self, value: float, kind: Type) -> Value:
        text = constant_text(value, kind.scalar)
        if kind.lanes == 1:
            return Value(self, kind, text, int(value) if kind.kind == "i" else None, value)
        text = f"splat ({kind.scalar.text} {text})"
        return Value(self, kind, self._kept(kind, text) if kind.kind == "f" else text, None, value)

    def _kept(self, kind: Type, text: str) -> str:
        """The name of a constant that is loaded once in a call: under `optnone` each block would load it again."""
        name = f"%k{len(self._entry)}"
        self._entry.append(f"  {name} = bitcast {kind.text} {text} to {kind.text}")
        return name

    def vector_const(self, values: Sequence[float], kind: Type) -> Value:
        """A constant with a value of its own in each lane; `kind` is the scalar type."""
        items = ", ".join([f"{kind.text} {constant_text(value, kind)}" for value in values])
        return Value(self, kind.vector(len(values)), f"<{items}>")

    def like(self, value: Number, other: Value) -> Value:
        """A number as a constant of the type of `other`; a value as it is."""
        return value if isinstance(value, Value) else self.const(value, other.type)

    def undefined(self, kind: Type) -> Value:
        return Value(self, kind, "poison")

    def zero(self, kind: Type) -> Value:
        return self.const(0, kind)

    def index(self, value: int) -> Value:
        """An i64."""
        return self.const(value, I64)

    def first_lanes(self, count: int, lanes: int) -> Value:
        """The constant mask of the first `count` of `lanes` lanes."""
        return self.vector_const([lane < count for lane in range(lanes)], I1)

    def lanes_below(self, count: Value, lanes: int) -> Value:
        """The mask of the lanes whose number is less than `count`, an i64 that may be negative or large."""
        clamped = self.maximum(self.minimum(count, self.const(lanes, I64)), self.const(0, I64))
        limit = self.splat(self.cast("trunc", clamped, I32), lanes)
        return self.icmp("ult", self.vector_const(list(range(lanes)), I32), limit)

    # ---- arithmetic ----

    def _binary(self, operation: str, x: Number, y: Number) -> Value:
        if not isinstance(x, Value):
            assert isinstance(y, Value)
            x = self.const(x, y.type)
        if not isinstance(y, Value):
            y = self.const(y, x.type)
        if x.type is not y.type:
            raise TypeError(f"{operation} of {x.typed()} and {y.typed()}")
        return self.pure(x.type, f"{operation} {x.type.text} {x.text}, {y.text}")

    def integer(self, operation: str, x: Value, y: Number) -> Value:
        """An integer instruction: add sub mul and or xor shl ashr lshr sdiv udiv srem urem; constants are folded."""
        if not isinstance(y, Value):
            y = self.const(y, x.type)
        if x.known is not None or y.known is not None:
            folded = self._folded(operation, x, y)
            if folded is not None:
                return folded
        if x.type is I64 and operation in ("add", "sub", "mul"):
            return self._place(operation, x, y)
        return self._binary(operation, x, y)

    def _folded(self, operation: str, x: Value, y: Value) -> Value | None:
        """The result where constants make the instruction needless."""
        if x.known is not None and y.known is not None and operation in _FOLDS:
            return self.const(_FOLDS[operation](x.known, y.known), x.type)
        if y.known is not None and _NEUTRAL.get(operation) == y.known:
            return x
        if x.known is not None and x.known == _NEUTRAL.get(operation) and operation in ("add", "mul", "or"):
            return y
        if operation == "mul" and 0 in (x.known, y.known):
            return self.const(0, x.type)
        return None

    def _place(self, operation: str, x: Value, y: Value) -> Value:
        """A sum, difference or product of i64, which are places in memory as a rule: constants are added last."""
        if x.known is not None and operation != "sub":
            x, y = y, x
        base, plus = (x.base, x.plus) if isinstance(x, Sum) else (x, 0)
        if y.known is not None:
            if operation == "mul":
                base, plus = self._binary("mul", base, y), plus * y.known
            else:
                plus += y.known if operation == "add" else -y.known
        elif operation == "mul":
            return self._binary("mul", x, y)
        else:
            other, more = (y.base, y.plus) if isinstance(y, Sum) else (y, 0)
            base, plus = self._binary(operation, base, other), plus + (more if operation == "add" else -more)
        return Sum(base, plus) if plus else base

    def sum(self, x: Sum) -> Value:
        """A sum as a value of the current block."""
        return self._binary("add", x.base, x.plus)

    def add(self, x: Value, y: Number) -> Value:
        return self._binary("fadd", x, y) if x.type.kind == "f" else self.integer("add", x, y)

    def sub(self, x: Value, y: Number) -> Value:
        return self._binary("fsub", x, y) if x.type.kind == "f" else self.integer("sub", x, y)

    def mul(self, x: Value, y: Number) -> Value:
        return self._binary("fmul", x, y) if x.type.kind == "f" else self.integer("mul", x, y)

    def fdiv(self, x: Value, y: Number) -> Value:
        return self._binary("fdiv", x, y)

    def frem(self, x: Value, y: Number) -> Value:
        return self._binary("frem", x, y)

    def neg(self, x: Value) -> Value:
        kind = x.type
        return self.pure(kind, f"fneg {kind.text} {x.text}") if kind.kind == "f" else self.sub(self.zero(kind), x)

    def icmp(self, predicate: str, x: Value, y: Value | int) -> Value:
        """A comparison of integers or pointers: eq ne slt sle sgt sge ult ule ugt uge."""
        return self._compare("icmp", predicate, x, y)

    def fcmp(self, predicate: str, x: Value, y: Number) -> Value:
        """A comparison of floats: o for ordered (false for NaN) or u for unordered, then eq ne lt le gt ge; ord, uno."""
        return self._compare("fcmp", predicate, x, y)

    def _compare(self, operation: str, predicate: str, x: Value, y: Number) -> Value:
        y = self.like(y, x)
        return self.pure(I1.vector(x.type.lanes), f"{operation} {predicate} {x.type.text} {x.text}, {y.text}")

    def select(self, mask: Value, x: Number, y: Number) -> Value:
        """x where the mask is true, y where it is not; one of them is a value."""
        if not isinstance(x, Value):
            assert isinstance(y, Value)
            x = self.like(x, y)
        y = self.like(y, x)
        if x.type.kind == "f" and x.type.lanes == 1 and not self.module.target.selects_floats:
            return self.from_bits(self.select(mask, self.bits(x), self.bits(y)))
        return self.pure(x.type, f"select {mask.typed()}, {x.typed()}, {y.typed()}")

    def minimum(self, x: Value, y: Value) -> Value:
        """Of signed integers."""
        if x.known is not None and y.known is not None:
            return self.const(min(x.known, y.known), x.type)
        return self.select(self.icmp("slt", x, y), x, y)

    def maximum(self, x: Value, y: Value) -> Value:
        """Of signed integers."""
        if x.known is not None and y.known is not None:
            return self.const(max(x.known, y.known), x.type)
        return self.select(self.icmp("sgt", x, y), x, y)

    def intrinsic(self, name: str, *operands: Value, result: Type | None = None) -> Value:
        """`llvm.name` of operands of one type, which is the result's too unless one is given: fma, sqrt, fabs, floor …"""
        kind = operands[0].type
        to = result or kind
        symbol = self.module.declare(f"llvm.{name}.{kind.suffix}", to, [x.type for x in operands])
        given = ", ".join([x.typed() for x in operands])
        return self.pure(to, f"call {to.text} {symbol}({given})")

    def fma(self, x: Value, y: Number, z: Number) -> Value:
        """x * y + z, rounded once."""
        return self.intrinsic("fma", x, self.like(y, x), self.like(z, x))

    # ---- conversions and lanes ----

    def cast(self, operation: str, x: Value, kind: Type) -> Value:
        """trunc zext sext fptrunc fpext fptosi fptoui sitofp uitofp bitcast …; the lanes are those of x."""
        to = kind.vector(x.type.lanes)
        if operation == "trunc" and x.known is not None:
            return self.const(x.known, to)
        self._blends(x.type.lanes > 1 and (operation == "uitofp" or (operation == "trunc" and to.bits < 32)))
        return x if to is x.type else self.pure(to, f"{operation} {x.typed()} to {to.text}")

    def bits(self, x: Value) -> Value:
        """The bits of floats, as integers."""
        return self.cast("bitcast", x, x.type.integer().scalar)

    def from_bits(self, x: Value) -> Value:
        """The floats of bits."""
        return self.cast("bitcast", x, Type("f", x.type.bits))

    def splat(self, x: Value, lanes: int) -> Value:
        """A scalar in every lane."""
        if lanes == 1:
            return x
        to = x.type.vector(lanes)
        if x.number is not None:
            return self.const(x.number, to)
        first = self.pure(to, f"insertelement {to.text} poison, {x.typed()}, i64 0")
        return self.pure(to, f"shufflevector {first.typed()}, {to.text} poison, <{lanes} x i32> zeroinitializer")

    def shuffle(self, x: Value, y: Value, order: Sequence[int]) -> Value:
        """The lanes of x and y, one after the other, in an order; −1: any value."""
        self._blends(x.type.bits < 32)
        mask = ", ".join([f"i32 {i}" if i >= 0 else "i32 poison" for i in order])
        to = x.type.vector(len(order))
        return self.pure(to, f"shufflevector {x.typed()}, {y.typed()}, <{len(order)} x i32> <{mask}>")

    def extract(self, x: Value, lane: int | Value) -> Value:
        if x.type.lanes == 1:
            return x
        return self.pure(x.type.scalar, f"extractelement {x.typed()}, i64 {lane}")

    def insert(self, x: Value, one: Value, lane: int | Value) -> Value:
        self._blends(x.type.bits < 32)
        return self.pure(x.type, f"insertelement {x.typed()}, {one.typed()}, i64 {lane}")

    def _blends(self, might: bool) -> None:
        """Note an instruction that might become a blend of 16-bit lanes.

        LLVM 22 stops at some of them in a function that is left out (`optnone`): X86FixupInstTuning takes their masks for
        signed. Where nothing is optimised that pass does not run.
        """
        self.may_blend |= might
