"""Matrix products: the kernel of `Contract`, as a function of a module. Start reading at `emit`.

The axes are brought to matrices (`layout`), a kernel and its blocks are chosen (`plan`); what is written here is the
function around it: copies that the layout asks for, loops over batches, the call.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from math import prod

from functrans.backends.llvm.function import Function
from functrans.backends.llvm.ir import I64, PTR, Module, Value
from functrans.backends.llvm.kernels.product.copies import copied
from functrans.backends.llvm.kernels.product.epilogue import epilogue_function, epilogue_state, epilogue_variables
from functrans.backends.llvm.kernels.product.finish import edges
from functrans.backends.llvm.kernels.product.layout import Copy, Operand, layout_of
from functrans.backends.llvm.kernels.product.plan import Plan, plan_of
from functrans.backends.llvm.kernels.product.products import Place, Products, part_function
from functrans.backends.llvm.kernels.product.ring import ring_of
from functrans.backends.llvm.target import Target, host
from functrans.backends.llvm.threads.chunks import call_chunks
from functrans.compiler.nest import Finished
from functrans.core.aval import ShapedArray
from functrans.core.lowering import Contract

__all__ = ["emit", "finishes", "part_count", "scratch_bytes", "supports"]

_DEEP = 64
"""Terms of each sum from which on an epilogue costs no more than a nest afterwards. It goes through memory in pieces of rows,
which takes longer than whole rows: the mask of a gradient, rows a power of two apart, with ten terms 1.5 times the time of
product and nest, with 32 terms 1.25, with 64 1.0; from there on both take the same time, and the sums are not stored."""
_MANY = 4096
"""Elements of a product from which on its epilogue is worth its calls."""


def supports(spec: Contract, ins: Sequence[ShapedArray], outs: Sequence[ShapedArray]) -> bool:
    """Whether there is native code for these types."""
    return ring_of(ins[0].dtype) is not None


def part_count(spec: Contract, ins: Sequence[ShapedArray], outs: Sequence[ShapedArray]) -> int:
    """How many parts of the product may be computed at the same time."""
    return _plan(Module(host()), spec, ins, False, None).cut.count


def finishes(spec: Contract, ins: Sequence[ShapedArray]) -> bool:
    """Whether an epilogue can take up the sums as they are, and it costs nothing: in the blocks of a large product.

    Small ones are near still when they are complete: a tiny network was 1.02 of its time with epilogues.
    """
    plan = _plan(Module(host()), spec, ins, False, None)
    layout = plan.layout
    is_large = layout.k >= _DEEP and layout.m * layout.n >= _MANY
    return plan.path == "blocked" and not plan.ring.narrow and is_large


def scratch_bytes(
    spec: Contract,
    ins: Sequence[ShapedArray],
    outs: Sequence[ShapedArray],
    *,
    finished: bool = False,
    library: bool | None = None,
    target: Target | None = None,
) -> int:
    """How much memory the function of `emit` wants besides operands and results."""
    return _plan(Module(target or host()), spec, ins, finished, library).regions.end


def emit(
    module: Module,
    name: str,
    spec: Contract,
    ins: Sequence[ShapedArray],
    outs: Sequence[ShapedArray],
    finished: Finished | None = None,
    *,
    library: bool | None = None,
) -> Function:
    """`i64 name(ptr left, ptr right, ptr out, ptr scratch, ptr parallel)`, which gives 0.

    The last is the function that runs parts in parallel, or null. With an epilogue there are the pointers of its variables in
    place of `out`, and that of the warnings after them. `library` says whether OpenBLAS does the work where it can, None that
    the environment does: FUNCTRANS_MATMUL=openblas.
    """
    given = ["out"] if finished is None else [*(f"e{i}" for i in range(len(epilogue_variables(finished)))), "warnings"]
    f = Function(module, name, [(p, PTR) for p in ("left", "right", *given, "scratch", "parallel")], I64)
    _Body(f, _plan(module, spec, ins, finished is not None, library), finished).write()
    f.ret(f.index(0))
    return f


def _plan(module: Module, spec: Contract, ins: Sequence[ShapedArray], finished: bool, library: bool | None) -> Plan:
    ring = ring_of(ins[0].dtype)
    assert ring is not None
    if library is None:
        library = os.environ.get("FUNCTRANS_MATMUL") == "openblas"
    return plan_of(module, ring, layout_of(spec, ins[0].shape, ins[1].shape), finished=finished, library=library)


class _Body:
    def __init__(self, f: Function, plan: Plan, finished: Finished | None) -> None:
        self.f = f
        self.plan = plan
        self.ring = plan.ring
        self.finished = finished
        self.operands, self.given = f.args[:2], f.args[2:-2]
        self.scratch, self.parallel = f.args[-2:]

    def write(self) -> None:
        f, plan = self.f, self.plan
        size = prod(plan.layout.frame)
        if plan.path == "zeros":
            f.fill(self.given[0], 0, f.index(size * self.ring.stored_bytes))
        elif self.ring.narrow:  # sums first, all of them
            sums, columns = self._at(plan.regions.result), plan.layout.frame[1]
            self._products(sums)
            f.call(edges(f.module, self.ring), sums, columns, self.given[0], columns, size // columns, columns, 0)
        else:
            self._products(self.given[0])

    def _at(self, place: int) -> Value:
        return self.f.value(PTR, f"getelementptr i8, ptr {self.scratch}, i64 {place}")

    def _products(self, c: Value) -> None:
        f, layout, regions, cut = self.f, self.plan.layout, self.plan.regions, self.plan.cut
        left, right = reversed(self.operands) if layout.swapped else self.operands
        left = self._prepared(left, layout.left, regions.left)
        right = self._prepared(right, layout.right, regions.right)
        products = Products(f, self.plan, self._at(regions.left_panels), *self._epilogue())
        if cut.count == 1:
            products.write(Place(left, right, c, f.index(0), f.index(0)))
            return
        pointers = left, right, c, products.state, products.panels
        call_chunks(f, part_function(products), pointers, cut.count, self.parallel)

    def _epilogue(self) -> tuple[Value, Function | None]:
        """The state, and the function."""
        if self.finished is None:
            return self.f.null(), None
        function = epilogue_function(
            self.f.module, f"{self.f.name}_finish", self.finished, self.plan.widths(self.f.module)
        )
        return epilogue_state(self.f, function, self.finished, self.given), function

    def _prepared(self, operand: Value, part: Operand, place: int) -> Value:
        """An operand as the kernels read it: copied or widened where it must be."""
        if part.copy is None and not self.ring.narrow:
            return operand
        to = self._at(place)
        copied(self.f, self.ring, operand, to, part.copy or Copy((part.size,), (1,)))
        return to
