"""The instructions of a function that have to do with memory: places, loads and stores. Start reading at `Memory.offset`.

Imports `instructions` and `ir`.
"""

from __future__ import annotations

from functrans.backends.llvm.instructions import Instructions
from functrans.backends.llvm.ir import I1, I8, I32, I64, PTR, Sum, Type, Value

__all__ = ["Memory"]


class Memory(Instructions):
    """What reads and writes memory."""

    def null(self) -> Value:
        return Value(self, PTR, "null")

    def address(self, name: str) -> Value:
        """Of a function or a table of the module."""
        return Value(self, PTR, f"@{name}")

    def external(self, name: str) -> Value:
        """The address of a function of another module, which gives nothing."""
        return Value(self, PTR, self.module.declare(name, None, []))

    def offset(self, pointer: Value, index: Value | int, kind: Type) -> Value:
        """The pointer `index` elements of `kind` further."""
        if isinstance(index, Sum):
            return self.offset(self.offset(pointer, index.base, kind), index.plus, kind)
        if isinstance(index, Value):
            if index.known == 0:
                return pointer
            place = index.typed()
        elif index == 0:
            return pointer
        else:
            place = f"i64 {index}"
        return self.pure(PTR, f"getelementptr {kind.scalar.text}, ptr {pointer.text}, {place}")

    def load(self, pointer: Value, kind: Type, align: int | None = None) -> Value:
        return self.value(kind, f"load {kind.text}, ptr {pointer.text}, align {align or kind.bytes}")

    def store(self, x: Value, pointer: Value, align: int | None = None) -> None:
        self.emit(f"store {x.typed()}, ptr {pointer.text}, align {align or x.type.bytes}")

    def masked_load(self, pointer: Value, kind: Type, mask: Value) -> Value:
        """The lanes where the mask is true; zeros elsewhere, whose memory is not read."""
        params = [PTR, I32, mask.type, kind]
        symbol = self.module.declare(f"llvm.masked.load.{kind.suffix}.p0", kind, params)
        rest = f"i32 {kind.bytes}, {mask.typed()}, {kind} zeroinitializer"
        return self.value(kind, f"call {kind} {symbol}(ptr {pointer}, {rest})")

    def masked_store(self, x: Value, pointer: Value, mask: Value) -> None:
        symbol = self.module.declare(f"llvm.masked.store.{x.type.suffix}.p0", None, [x.type, PTR, I32, mask.type])
        self.emit(f"call void {symbol}({x.typed()}, ptr {pointer}, i32 {x.type.bytes}, {mask.typed()})")

    def gather(self, pointer: Value, indices: Value, kind: Type, mask: Value | None = None) -> Value:
        """The elements of `kind` at indices, a vector of integers; zeros where the mask is false."""
        lanes = indices.type.lanes
        many = PTR.vector(lanes)
        where = self.pure(many, f"getelementptr {kind.scalar}, ptr {pointer}, {indices.typed()}")
        mask = self.const(1, I1.vector(lanes)) if mask is None else mask
        to = kind.vector(lanes)
        symbol = self.module.declare(f"llvm.masked.gather.{to.suffix}.v{lanes}p0", to, [many, I32, mask.type, to])
        given = f"{many} {where}, i32 {kind.bytes}, {mask.typed()}, {to} zeroinitializer"
        return self.value(to, f"call {to} {symbol}({given})")

    def prefetch(self, pointer: Value, *, write: bool = False, locality: int = 3) -> None:
        """Bring a line of memory near: into the first cache (3), the second (2)."""
        symbol = self.module.declare("llvm.prefetch.p0", None, [PTR, I32, I32, I32])
        self.emit(f"call void {symbol}(ptr {pointer}, i32 {int(write)}, i32 {locality}, i32 1)")

    def stack(self, kind: Type, count: int, align: int = 64) -> Value:
        """Memory that lasts as long as the call."""
        self._count += 1
        self._entry.append(f"  %s{self._count} = alloca [{count} x {kind}], align {align}")
        return Value(self, PTR, f"%s{self._count}")

    def copy(self, to: Value, of: Value, size: Value) -> None:
        """memcpy of `size` bytes."""
        symbol = self.module.declare("llvm.memcpy.p0.p0.i64", None, [PTR, PTR, I64, I1])
        self.emit(f"call void {symbol}(ptr {to}, ptr {of}, {size.typed()}, i1 false)")

    def fill(self, to: Value, byte: int, size: Value) -> None:
        """memset of `size` bytes."""
        symbol = self.module.declare("llvm.memset.p0.i64", None, [PTR, I8, I64, I1])
        self.emit(f"call void {symbol}(ptr {to}, i8 {byte}, {size.typed()}, i1 false)")
