"""Matrix products: the kernel of `Contract`, as a function of a module. Start reading at `emit`.

The axes are brought to matrices (`layout`), a kernel and its blocks are chosen (`plan`); what is written here is the
function around it: copies that the layout asks for, loops over batches, the call.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from functrans.backends.llvm.function import Function
from functrans.backends.llvm.ir import I64, PTR, Module, Value
from functrans.backends.llvm.kernels.product import finish
from functrans.backends.llvm.kernels.product.copies import copied
from functrans.backends.llvm.kernels.product.layout import Copy, Operand, layout_of
from functrans.backends.llvm.kernels.product.plan import Plan, plan_of
from functrans.backends.llvm.kernels.product.products import Place, Products, part_function
from functrans.backends.llvm.kernels.product.ring import ring_of
from functrans.backends.llvm.target import Target, host
from functrans.backends.llvm.threads.chunks import call_chunks
from functrans.core.aval import ShapedArray
from functrans.core.lowering import Contract

__all__ = ["emit", "frame", "part_count", "scratch_bytes", "supports"]


def supports(spec: Contract, ins: Sequence[ShapedArray], outs: Sequence[ShapedArray]) -> bool:
    """Whether there is native code for these types."""
    return ring_of(ins[0].dtype) is not None


def frame(spec: Contract, ins: Sequence[ShapedArray]) -> tuple[int, int]:
    """The result seen as one matrix in C order: the rows and columns of which an epilogue is told."""
    return layout_of(spec, ins[0].shape, ins[1].shape).frame


def part_count(spec: Contract, ins: Sequence[ShapedArray], outs: Sequence[ShapedArray]) -> int:
    """How many parts of the product may be computed at the same time."""
    return _plan(Module(host()), spec, ins, False, None).cut.count


def scratch_bytes(
    spec: Contract,
    ins: Sequence[ShapedArray],
    outs: Sequence[ShapedArray],
    *,
    scaled: bool = False,
    library: bool | None = None,
    target: Target | None = None,
) -> int:
    """How much memory the function of `emit` wants besides operands and results."""
    return _plan(Module(target or host()), spec, ins, scaled, library).regions.end


def emit(
    module: Module,
    name: str,
    spec: Contract,
    ins: Sequence[ShapedArray],
    outs: Sequence[ShapedArray],
    epilogue: finish.Epilogue | None = None,
    *,
    scaled: bool = False,
    library: bool | None = None,
) -> Function:
    """`i64 name(ptr in0, ptr in1, …, ptr out0, ptr scratch, ptr parallel)`, which gives 0.

    The last is the function that runs parts in parallel, or null. Operands after the second are the epilogue's. If
    `scaled`, pointers to alpha and beta, numbers of the dtype, follow the operands, and the result is alpha × product + beta
    × what it holds, which is not read where beta is zero. `library` says whether OpenBLAS does the work where it can, None
    that the environment does: FUNCTRANS_MATMUL=openblas.
    """
    extra = [f"in{i}" for i in range(len(ins))] + (["alpha", "beta"] if scaled else [])
    f = Function(module, name, [(p, PTR) for p in (*extra, "out0", "scratch", "parallel")], I64)
    body = _Body(f, _plan(module, spec, ins, scaled, library), len(ins), scaled)
    body.write(epilogue)
    f.ret(f.index(0))
    return f


def _plan(module: Module, spec: Contract, ins: Sequence[ShapedArray], scaled: bool, library: bool | None) -> Plan:
    ring = ring_of(ins[0].dtype)
    assert ring is not None
    if library is None:
        library = os.environ.get("FUNCTRANS_MATMUL") == "openblas"
    return plan_of(module, ring, layout_of(spec, ins[0].shape, ins[1].shape), scaled=scaled, library=library)


class _Body:
    def __init__(self, f: Function, plan: Plan, count: int, scaled: bool) -> None:
        self.f = f
        self.plan = plan
        self.ring = plan.ring
        self.scaled = scaled
        self.ins = f.args[:count]
        self.scale = f.args[count:-3]
        self.out, self.scratch, self.parallel = f.args[-3:]

    def write(self, epilogue: finish.Epilogue | None) -> None:
        plan, f = self.plan, self.f
        rows, columns = plan.layout.frame
        if rows * columns == 0:
            return
        late = self.ring.narrow or plan.path == "zeros"  # sums first, all of them; then what is done to them
        plain = epilogue is None and not self.scaled
        state = f.null()
        if not plain or late:
            state = self._state(epilogue)
        if plan.path != "zeros":
            self._products(self._at(plan.regions.result) if late else self.out, f.null() if late else state,
                           f.index(0) if late else self._todo(state, epilogue))  # fmt: skip
        if late:
            self._finish_all(state, epilogue)

    def _at(self, place: int) -> Value:
        return self.f.value(PTR, f"getelementptr i8, ptr {self.scratch}, i64 {place}")

    # ---- what becomes of the sums ----

    def _state(self, epilogue: finish.Epilogue | None) -> Value:
        """What the finish.finisher reads: see `finish`."""
        f, ring = self.f, self.ring
        extra = self.ins[2:]
        function = finish.finisher(
            f.module, f"{f.name}_finish", ring, scaled=self.scaled, operands=len(extra), epilogue=epilogue
        )
        state = f.stack(I64, finish.STATE_WORDS)
        f.store(f.address(function.name), finish.word(f, state, finish.FINISH))
        context = f.stack(PTR, max(len(extra), 1))
        for i, operand in enumerate(extra):
            f.store(operand, f.offset(context, i, PTR))
        f.store(context, finish.word(f, state, finish.CONTEXT))
        for pointer, number in zip(self.scale, (finish.ALPHA_WORD, finish.BETA_WORD), strict=False):
            for p in range(ring.parts):
                part = f.load(f.offset(pointer, p, ring.stored), ring.stored)
                f.store(
                    ring.widened(f, part) if ring.narrow else part,
                    f.offset(finish.word(f, state, number), p, ring.part),
                )
        return state

    def _todo(self, state: Value, epilogue: finish.Epilogue | None) -> Value:
        """The bits of what the finish.finisher has to do."""
        f, ring = self.f, self.ring
        todo = f.index(finish.LAST if epilogue is not None else 0)
        if not self.scaled:
            return todo
        beta = f.index(0)
        for p in range(ring.parts):
            part = f.load(f.offset(finish.word(f, state, finish.BETA_WORD), p, ring.part), ring.part)
            there = f.icmp("ne", part, 0) if ring.part.kind == "i" else f.fcmp("une", part, 0)
            beta = f.select(there, f.index(finish.BETA), beta)
        return todo | beta | finish.ALPHA

    def _finish_all(self, state: Value, epilogue: finish.Epilogue | None) -> None:
        """The whole result from sums that lie in scratch memory; with nothing to sum, from one row of zeros."""
        f, plan = self.f, self.plan
        rows, columns = plan.layout.frame
        sums = self._at(plan.regions.result)
        if plan.path == "zeros":
            f.fill(sums, 0, f.index(columns * self.ring.bytes))
        step = f.index(0 if plan.path == "zeros" else columns)
        todo = self._todo(state, epilogue)
        f.call(f.module.functions[f"{f.name}_finish"], sums, step, self.out, f.index(columns), f.index(rows),
               f.index(columns), f.index(0), f.index(0), todo, state)  # fmt: skip

    # ---- the products ----

    def _products(self, c: Value, state: Value, todo: Value) -> None:
        f, layout, regions, cut = self.f, self.plan.layout, self.plan.regions, self.plan.cut
        left, right = (self.ins[1], self.ins[0]) if layout.swapped else (self.ins[0], self.ins[1])
        left = self._prepared(left, layout.left, regions.left)
        right = self._prepared(right, layout.right, regions.right)
        products = Products(f, self.plan, f"{f.name}_finish", state, todo, self._at(regions.left_panels))
        if cut.count == 1:
            products.write(Place(left, right, c, f.index(0), f.index(0)))
            return
        pointers = left, right, c, state, products.panels
        call_chunks(f, part_function(products), pointers, cut.count, self.parallel)

    def _prepared(self, operand: Value, part: Operand, place: int) -> Value:
        """An operand as the kernels read it: copied or widened where it must be."""
        if part.copy is None and not self.ring.narrow:
            return operand
        to = self._at(place)
        copied(self.f, self.ring, operand, to, part.copy or Copy((part.size,), (1,)))
        return to
