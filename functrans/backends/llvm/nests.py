"""Loop nests as machine code: what row nests (`rows.py`), column nests (`columns.py`) and epilogues of products
have in common.

Imports the compiler's data, `scalars` and the builder; start reading at `NestBody`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set

import numpy as np

from functrans.backends.llvm.elements import Element, register_type
from functrans.backends.llvm.function import Function
from functrans.backends.llvm.ir import I64, PTR, Module, Value
from functrans.backends.llvm.scalars import Scalars
from functrans.compiler.nest import Access, Nest, Op, Operand, Result, Store
from functrans.core.aval import ShapedArray
from functrans.core.ir import Literal, Var
from functrans.core.lowering import Pointwise

__all__ = ["Env", "NestEmitter", "nest_variables"]

Env = dict[int, Element]
"""The elements that operations have given so far."""


def nest_variables(nest: Nest) -> tuple[Var, ...]:
    """The variables whose memory a nest's function is given, in the order of its parameters."""
    bases = [access.base for access in nest.reads] + [store.access.base for store in nest.stores]
    return tuple(dict.fromkeys(bases))


class NestBody:
    """The operations of a nest in a function, which has the pointers of its variables and of the warnings."""

    def __init__(self, f: Function, nest: Nest, pointers: Mapping[Var, Value], warnings: Value) -> None:
        self.f = f
        self.module = f.module
        self.nest = nest
        self.pointers = pointers
        self.warnings = warnings
        self.lanes = self._vector_lanes()
        self.far: Set[Var] = frozenset()
        """The results that are stored past the caches."""
        self.once: Env = {}

    def scalars(self, lanes: int, valid: int | None = None) -> Scalars:
        return Scalars(self.f, lanes, valid=valid, warnings=self.warnings)

    def _vector_lanes(self) -> int:
        """As many as fit a register of the widest type that the full operations compute with."""
        full = [op for op in self.nest.ops if op.level == "full"]
        dtypes = {aval.dtype for op in full for aval in (op.node.outs[0].aval, *_operand_avals(op))}
        widest = max((register_type(dtype).bytes for dtype in dtypes), default=8)
        return max(self.module.target.vector_bytes // widest, 1)

    # ---- operations ----

    def compute(self, number: int, scalars: Scalars, env: Env, place: Callable[[Access], Value]) -> None:
        """One operation that is no reduction; `place` gives the offset of an access from its base, in elements."""
        op = self.nest.ops[number]
        operands = [self.operand(operand, op, scalars, env, place) for operand in op.operands]
        lowering = op.node.lowering
        env[number] = lowering.emit(scalars, *operands) if isinstance(lowering, Pointwise) else operands[0]

    def operand(
        self, operand: Operand, op: Op, scalars: Scalars, env: Env, place: Callable[[Access], Value]
    ) -> Element:
        if isinstance(operand, Literal):
            return scalars.constant(np.asarray(operand.value).item(), operand.aval.dtype)
        if isinstance(operand, Result):
            element = env.get(operand.op) or self.once[operand.op]
            return scalars.splat(element) if element.parts[0].type.lanes == 1 else element
        return self.load(operand, scalars, place)

    def load(self, access: Access, scalars: Scalars, place: Callable[[Access], Value]) -> Element:
        stride = self.stride(access) if scalars.lanes > 1 else 0
        return scalars.load(self.pointers[access.base], access.base.aval.dtype, place(access), stride)

    def stride(self, access: Access) -> int:
        """Along the loop that is run in vectors."""
        return access.strides[-1] if access.strides else 0

    def store(self, store: Store, scalars: Scalars, env: Env, place: Callable[[Access], Value], stride: int) -> None:
        base = store.access.base
        scalars.store(env[store.op], self.pointers[base], place(store.access), stride, far=base in self.far)

    def vectors(self, count: int, body: Callable[[Value, Scalars], None]) -> None:
        """Run a body for each vector of `count` elements, the shorter one at the end too."""
        whole = count // self.lanes * self.lanes
        if whole:
            with self.f.loop(0, whole, self.lanes) as loop:
                body(loop.index, self.scalars(self.lanes))
        if count % self.lanes:
            body(self.f.index(whole), self.scalars(self.lanes, count % self.lanes))


class NestEmitter(NestBody):
    """Writes one nest as `i64 name(ptr variable, …, ptr scratch, ptr warnings)`, which gives 0.

    One that is run in chunks has two parameters more: the first turn of its outermost loop, and the one after the last.
    """

    def __init__(
        self, module: Module, name: str, nest: Nest, *, chunked: bool = False, far: Set[Var] = frozenset()
    ) -> None:
        variables = nest_variables(nest)
        names = [f"p{i}" for i in range(len(variables))]
        params = [*((name, PTR) for name in names), ("scratch", PTR), ("warnings", PTR)]
        params += [("start", I64), ("stop", I64)] if chunked else []
        f = Function(module, name, params, I64)
        self.scratch, warnings = f.args[len(variables) : len(variables) + 2]
        self.chunk = (f.args[-2], f.args[-1]) if chunked else None
        super().__init__(f, nest, dict(zip(variables, f.args, strict=False)), warnings)
        self.far = far

    def stores(self, numbers: Sequence[int]) -> list[Store]:
        return [store for store in self.nest.stores if store.op in numbers]

    def emit_once(self) -> None:
        """What is computed before all loops."""
        scalars = self.scalars(1)
        numbers = [i for i, op in enumerate(self.nest.ops) if op.level == "once"]
        for number in numbers:
            self.compute(number, scalars, self.once, lambda access: self.f.index(access.offset))
        for store in self.stores(numbers):
            self.store(store, scalars, self.once, lambda access: self.f.index(access.offset), 0)

    def offset(self, access: Access, indices: Sequence[Value]) -> Value:
        """How far from its base an access is at loop indices, in elements."""
        return self.walked(access, indices, 0) + access.offset

    def walked(self, access: Access, indices: Sequence[Value], first: int) -> Value:
        """How far the indices of the loops from number `first` on lead."""
        total = self.f.index(0)
        for index, stride in zip(indices, access.strides[first:], strict=False):
            total = total + index * stride
        return total

    def range(self, depth: int, size: int) -> tuple[Value | int, Value | int]:
        """Of a loop, the outermost of all at depth 0: a chunk has only a part of that one."""
        return (0, size) if depth or self.chunk is None else self.chunk

    def finish(self) -> Function:
        if self.far:
            self.f.fence()
        self.f.ret(self.f.index(0))
        return self.f


def _operand_avals(op: Op) -> list[ShapedArray]:
    return [ref.base.aval for ref in op.node.operands]
