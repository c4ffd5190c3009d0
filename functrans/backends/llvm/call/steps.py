"""A step of a call: a function `i64 step(ptr record, ptr objects, ptr memory)`, which says what comes next.

A record is eight words: the function's address and what it needs to know. `objects` are the call's arguments and what was found
in them and made for it; `memory` are words for pointers and numbers. Imports the builder of functions and `layout`; start
reading at `Step`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

from functrans.backends.llvm.call.layout import layout
from functrans.backends.llvm.function import Function
from functrans.backends.llvm.ir import I8, I32, I64, PTR, Module, Value

__all__ = ["GO_ON", "MISS", "RAISED", "Step", "Steps"]

GO_ON: Final = 0
MISS: Final = 1
"""The call is of another kind."""
RAISED: Final = 2

_STEP = ("record", "objects", "memory")


class Step(Function):
    """A step's function under construction; numbers given to its methods are those of the record's words."""

    def __init__(self, module: Module, name: str) -> None:
        super().__init__(module, name, [(param, PTR) for param in _STEP], I64, exported=True)
        self._record, self._objects, self._memory = self.args

    def word(self, number: int) -> Value:
        return self.load(self.offset(self._record, number, I64), I64)

    def pointer(self, number: int) -> Value:
        return self.load(self.offset(self._record, number, PTR), PTR)

    def object_place(self, number: int) -> Value:
        """Where the object lies whose number is in the record."""
        return self.offset(self._objects, self.word(number), PTR)

    def object(self, number: int) -> Value:
        return self.load(self.object_place(number), PTR)

    def memory_place(self, number: int) -> Value:
        """Where the words of memory lie whose number is in the record."""
        return self.offset(self._memory, self.word(number), I64)

    def miss_unless(self, condition: Value) -> None:
        self.leave_if(self.icmp("eq", condition, 0), MISS)

    def raise_if_null(self, x: Value) -> Value:
        self.leave_if(self.icmp("eq", x, self.null()), RAISED)
        return x

    def python(self, name: str, *args: Value) -> Value:
        """Call a function of Python's or NumPy's C API that gives a pointer."""
        return self.call_symbol(name, PTR, *args)

    def field(self, x: Value, offset: int, wide: bool = True) -> Value:
        """A field of an object: a pointer, or an i32."""
        return self.load(self.offset(x, offset, I8), PTR if wide else I32)

    def require_type(self, x: Value, number: int) -> None:
        """Miss unless an object is exactly of the type in the record."""
        self.miss_unless(self.icmp("eq", self.field(x, layout.type), self.pointer(number)))

    def size(self, x: Value) -> Value:
        """The length of a list or tuple."""
        return self.load(self.offset(x, layout.size, I8), I64)

    def hold(self, x: Value) -> Value:
        self.call_symbol("Py_IncRef", None, x)
        return x

    def release(self, x: Value) -> None:
        self.call_symbol("Py_DecRef", None, x)

    def miss_if_missing(self, x: Value) -> Value:
        """Miss where a function of Python gave no object; what it raised is forgotten: the slow way raises it again."""
        with self.when(self.icmp("eq", x, self.null())):
            self.call_symbol("PyErr_Clear", None)
        self.leave_if(self.icmp("eq", x, self.null()), MISS)
        return x

    def done(self) -> None:
        self.ret(self.index(GO_ON))


Steps: TypeAlias = dict[str, Callable[[Step], None]]
"""What writes each step, by name."""
