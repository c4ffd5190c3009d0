"""LLVM's intermediate representation as text: types, values, and the module that collects functions.

Values know their type; a `Value` of integers has Python's operators, and folds what is known. `function.py` writes the
instructions. Imports nothing but `target`; start reading at `Type`, then `Module`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import copysign, inf
from struct import pack, unpack
from typing import TYPE_CHECKING, Literal

from functrans.backends.llvm.target import Target
from functrans.record import NamedTuple

if TYPE_CHECKING:
    from functrans.backends.llvm.function import Function
    from functrans.backends.llvm.instructions import Instructions

__all__ = [
    "F16",
    "F32",
    "F64",
    "FAR",
    "I1",
    "I16",
    "I32",
    "I64",
    "I8",
    "LIGHT",
    "PTR",
    "External",
    "Module",
    "Sum",
    "Type",
    "Value",
    "constant_text",
]


# ---- types ----


class Type:
    """An LLVM type: an integer, a float or a pointer, of `lanes` lanes (1: a scalar). There is one object of each."""

    __slots__ = ("bits", "bytes", "kind", "lanes", "scalar", "suffix", "text")

    kind: Literal["i", "f", "p"]
    bits: int
    lanes: int
    scalar: Type
    """Of one lane."""
    bytes: int
    """Of one lane in memory."""
    suffix: str
    """As in the names of intrinsics: v8f32."""
    text: str

    def __new__(cls, kind: Literal["i", "f", "p"], bits: int, lanes: int = 1) -> Type:
        known = _types.get((kind, bits, lanes))
        return known or _types.setdefault((kind, bits, lanes), cls._made(kind, bits, lanes))

    @classmethod
    def _made(cls, kind: Literal["i", "f", "p"], bits: int, lanes: int) -> Type:
        self = super().__new__(cls)
        self.kind, self.bits, self.lanes, self.bytes = kind, bits, lanes, max(bits // 8, 1)
        one = {"i": f"i{bits}", "f": _FLOATS.get(bits, ""), "p": "ptr"}[kind]
        short = f"{kind}{bits}" if kind != "p" else "p0"
        self.scalar = self if lanes == 1 else Type(kind, bits)
        self.text = one if lanes == 1 else f"<{lanes} x {one}>"
        self.suffix = short if lanes == 1 else f"v{lanes}{short}"
        return self

    def vector(self, lanes: int) -> Type:
        return Type(self.kind, self.bits, lanes)

    def integer(self, bits: int | None = None) -> Type:
        """The integer type of as many lanes, and of as many bits if nothing else is said."""
        return Type("i", self.bits if bits is None else bits, self.lanes)

    def __str__(self) -> str:
        return self.text

    __repr__ = __str__


_FLOATS = {16: "half", 32: "float", 64: "double"}
_types: dict[tuple[str, int, int], Type] = {}

I1, I8, I16, I32, I64 = (Type("i", bits) for bits in (1, 8, 16, 32, 64))
F16, F32, F64 = (Type("f", bits) for bits in (16, 32, 64))
PTR = Type("p", 64)


def constant_text(value: float, kind: Type) -> str:
    """A number as LLVM writes a constant of a scalar type; integers wrap."""
    if kind.kind == "i":
        half = 1 << kind.bits - 1
        return str((int(value) + half) % (2 * half) - half) if kind.bits > 1 else str(bool(value)).lower()
    code = _CODES[kind.bits]
    try:
        bits = pack(code, float(value))
    except OverflowError:  # too large for the type
        bits = pack(code, copysign(inf, value))
    if kind.bits == 16:
        return f"0xH{int.from_bytes(bits, 'little'):04X}"
    return f"0x{int.from_bytes(pack('<d', *unpack(code, bits)), 'little'):016X}"


_CODES = {16: "<e", 32: "<f", 64: "<d"}


# ---- values ----


class Value:
    """A value in a function: its type and its text. Integers and floats have Python's operators."""

    __slots__ = ("function", "known", "number", "text", "type")

    def __init__(
        self, function: Instructions, type: Type, text: str, known: int | None = None, number: float | None = None
    ) -> None:
        self.function = function
        self.type = type
        self.text = text
        self.known = known
        """The value of a scalar integer constant."""
        self.number = number
        """The value of a constant that is the same in every lane."""

    def __str__(self) -> str:
        return self.text

    def typed(self) -> str:
        """As an operand: with its type in front."""
        return f"{self.type.text} {self.text}"

    def __add__(self, other: Value | float) -> Value:
        return self.function.add(self, other)

    def __radd__(self, other: float) -> Value:
        return self.function.add(self.function.like(other, self), self)

    def __sub__(self, other: Value | float) -> Value:
        return self.function.sub(self, other)

    def __rsub__(self, other: float) -> Value:
        return self.function.sub(self.function.like(other, self), self)

    def __mul__(self, other: Value | float) -> Value:
        return self.function.mul(self, other)

    def __rmul__(self, other: float) -> Value:
        return self.function.mul(self.function.like(other, self), self)

    def __truediv__(self, other: Value | float) -> Value:
        return self.function.fdiv(self, other)

    def __rtruediv__(self, other: float) -> Value:
        return self.function.fdiv(self.function.like(other, self), self)

    def __neg__(self) -> Value:
        return self.function.neg(self)

    def __and__(self, other: Value | int) -> Value:
        return self.function.integer("and", self, other)

    def __or__(self, other: Value | int) -> Value:
        return self.function.integer("or", self, other)

    def __xor__(self, other: Value | int) -> Value:
        return self.function.integer("xor", self, other)

    def __lshift__(self, other: Value | int) -> Value:
        return self.function.integer("shl", self, other)


class Sum(Value):
    """An i64 that is another one plus a constant. An address takes the constant for nothing; where the sum itself is read,
    `text` adds it up, in the block that asks."""

    __slots__ = ("base", "plus")

    def __init__(self, base: Value, plus: int) -> None:
        self.function, self.type, self.known, self.number = base.function, base.type, None, None
        self.base = base
        self.plus = plus

    def __getattr__(self, name: str) -> str:
        if name != "text":  # the only attribute that is not set
            raise AttributeError(name)
        return self.function.sum(self).text


# ---- the module ----


LIGHT = "; light"
"""The first line of a light module's text."""


FAR = "!nontemporal !0"
"""What a store past the caches says, and what the module says for that."""
_FAR_MEANS = "!0 = !{i32 1}"


class External(NamedTuple):
    """A function that is defined elsewhere."""

    address: Callable[[], int]
    """In this process."""
    text: Callable[[], str] | None
    """A module that defines it, for code that stands alone; None where it lies in a library."""


class Module:
    """What one compilation makes: functions, tables of constants, declarations."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.functions: dict[str, Function] = {}
        self._tables: dict[str, str] = {}
        self._declarations: dict[str, str] = {}
        self.externals: dict[str, External] = {}
        """The functions of other modules that this one calls by name."""
        self.light = False
        """Whether it only calls other functions that do the work, so that it is compiled quickly rather than well."""
        self.threads: int | None = None
        """How many may run its chunks, at most; None: as many as there are."""

    def lanes(self, kind: Type) -> int:
        """How many lanes of a type one vector register holds."""
        return max(self.target.vector_bytes // kind.bytes, 1)

    def declare(self, name: str, result: Type | None, params: Sequence[Type]) -> str:
        """Make an external function or an intrinsic known; gives `@name`."""
        if name not in self._declarations:
            given = ", ".join(map(str, params))
            self._declarations[name] = f"declare {result or 'void'} @{name}({given})"
        return f"@{name}"

    @property
    def declared(self) -> tuple[str, ...]:
        """The names of external functions and intrinsics."""
        return tuple(sorted(self._declarations))

    def table(self, name: str, values: Sequence[float], kind: Type) -> str:
        """A constant array, made once per name; gives `@name`, a pointer."""
        items = ", ".join(f"{kind} {constant_text(value, kind)}" for value in values)
        self._tables[name] = f"@{name} = private unnamed_addr constant [{len(values)} x {kind}] [{items}], align 64"
        return f"@{name}"

    def constant(self, name: str, data: bytes, *, exported: bool = False) -> str:
        """Bytes that do not change; gives their name."""
        text = "".join(f"\\{byte:02X}" for byte in data)
        head = "" if exported else "private unnamed_addr "
        self._tables[name] = f'@{name} = {head}constant [{len(data)} x i8] c"{text}", align 64'
        return name

    def memory(self, name: str, size: int) -> None:
        """Zeroed bytes that can be written, visible to others by name."""
        self._tables[name] = f"@{name} = global [{size} x i8] zeroinitializer, align 64"

    def shared(self, name: str, build: Callable[[], Function]) -> Function:
        """The function of a name, built where it is first asked for."""
        return self.functions[name] if name in self.functions else build()

    def functions_text(self) -> str:
        return "\n".join(function.text() for function in self.functions.values())

    def text(self) -> str:
        tables = [self._tables[name] for name in sorted(self._tables)]
        declarations = [self._declarations[name] for name in sorted(self._declarations)]
        head = [LIGHT] if self.light else []
        functions = self.functions_text()
        far = [_FAR_MEANS] if FAR in functions else []
        return "\n".join([*head, *tables, "", functions, *declarations, *self._attributes(), *far, ""])

    def _attributes(self) -> list[str]:
        """The attributes of functions: #0, and #1 for those that are optimised, if any is to be: #0 are then left out."""
        left_out = "optnone " if any(function.is_optimized for function in self.functions.values()) else ""
        width = self.target.vector_bytes * 8
        common = f'"prefer-vector-width"="{width}" "min-legal-vector-width"="{width}" "no-trapping-math"="true"'
        return [
            f"attributes #{number} = {{ noinline nounwind {optimize}{common} }}"
            for number, optimize in enumerate((left_out, ""))
        ]
