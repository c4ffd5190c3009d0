"""Matrix products: the kernel of `Contract`, as a function of a module. Start reading at `emit`.

The axes are brought to matrices (`layout`), a kernel and its blocks are chosen (`plan`); what is written here is the
function around it: copies that the layout asks for, loops over batches, the call.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import partial
from math import prod
from typing import TypeAlias

from functrans.backends.llvm.function import Function
from functrans.backends.llvm.ir import I64, PTR, Module, Value
from functrans.backends.llvm.kernels.product.copies import copied
from functrans.backends.llvm.kernels.product.finish import edges
from functrans.backends.llvm.kernels.product.layout import Copy, Layout, Operand, layout_of
from functrans.backends.llvm.kernels.product.plan import Plan, plan_of
from functrans.backends.llvm.kernels.product.products import Place, Products, part_function
from functrans.backends.llvm.kernels.product.ring import ring_of
from functrans.backends.llvm.kernels.product.window import Inside, window_function, window_state
from functrans.backends.llvm.target import Target, host
from functrans.backends.llvm.threads.chunks import call_chunks
from functrans.compiler.nest import Fused
from functrans.core.aval import ShapedArray
from functrans.core.lowering import Contract
from functrans.record import replace

__all__ = ["emit", "finishes", "part_count", "prepares", "scratch_bytes", "supports"]

Spec: TypeAlias = Contract | Layout
"""How axes are contracted, or the products already: of a convolution that is some."""

_DEEP = 64
"""Terms of each sum from which on an epilogue costs no more than a nest afterwards. It goes through memory in pieces of rows,
which takes longer than whole rows: the mask of a gradient, rows a power of two apart, with ten terms 1.5 times the time of
product and nest, with 32 terms 1.25, with 64 1.0; from there on both take the same time, and the sums are not stored."""
_MANY = 4096
"""Elements of a product from which on its epilogue is worth its calls."""

_PAGE = 4096


def supports(spec: Spec, ins: Sequence[ShapedArray], outs: Sequence[ShapedArray]) -> bool:
    """Whether there is native code for these types."""
    return ring_of(ins[0].dtype) is not None


def part_count(spec: Spec, ins: Sequence[ShapedArray], outs: Sequence[ShapedArray]) -> int:
    """How many parts of the product may be computed at the same time."""
    return _plan(Module(host()), spec, ins).cut.count


def finishes(spec: Spec, ins: Sequence[ShapedArray], outs: Sequence[ShapedArray]) -> bool:
    """Whether an epilogue can take up the sums as they are, and it costs nothing: in the blocks of a large product.

    Small ones are near still when they are complete: a tiny network was 1.02 of its time with epilogues.
    """
    plan = _plan(Module(host()), spec, ins)
    layout = plan.layout
    is_large = layout.k >= _DEEP and layout.m * layout.n >= _MANY
    return plan.path == "blocked" and not plan.ring.narrow and is_large


def prepares(spec: Spec, ins: Sequence[ShapedArray]) -> bool:
    """Whether a prologue can make the right operand, and it costs nothing: where that is packed, once, as the matrix that it is.

    Rows of whole pages fill few places of the caches with pieces of themselves: 64 × 2048 × 2048 took 1.1 of its time, of
    rows of 2 KB 0.85 to 0.95.
    """
    plan = _plan(Module(host()), spec, ins)
    layout, right = plan.layout, plan.layout.right
    is_matrix = not (layout.loops or layout.swapped or right.copy) and layout.k * layout.n == right.size
    is_near = right.free != 1 or right.contracted * plan.ring.bytes % _PAGE != 0
    return plan.path == "blocked" and not plan.ring.narrow and is_matrix and is_near and plan.cut.axis != "rows"


def scratch_bytes(
    spec: Spec,
    ins: Sequence[ShapedArray],
    outs: Sequence[ShapedArray],
    *,
    inside: Fused | None = None,
    library: bool | None = None,
    target: Target | None = None,
) -> int:
    """How much memory the function of `emit` wants besides operands and results."""
    plan, alone = _plans(Module(target or host()), spec, ins, inside, library)
    return plan.regions.end if alone is None else max(plan.regions.end, alone.regions.end)


def emit(
    module: Module,
    name: str,
    spec: Spec,
    ins: Sequence[ShapedArray],
    outs: Sequence[ShapedArray],
    inside: Fused | None = None,
    *,
    library: bool | None = None,
) -> Function:
    """`i64 name(ptr left, ptr right, ptr out, ptr scratch, ptr parallel)`, which gives 0.

    The last is the function that runs parts in parallel, or null. With a prologue there are the pointers of its variables in
    place of `right`, with an epilogue in place of `out`, and then that of the warnings after them. `library` says whether
    OpenBLAS does the work where it can, None that the environment does: FUNCTRANS_MATMUL=openblas.
    """
    before, after = Inside.before(inside), Inside.after(inside)
    right = ["right"] if before is None else [f"p{i}" for i in range(len(before.variables))]
    out = ["out"] if after is None else [f"e{i}" for i in range(len(after.variables))]
    names = ["left", *right, *out, *([] if inside is None else ["warnings"]), "scratch", "parallel"]
    f = Function(module, name, [(p, PTR) for p in names], I64)
    _Body(f, *_plans(module, spec, ins, inside, library), before, after).write()
    f.ret(f.index(0))
    return f


def _plans(
    module: Module, spec: Spec, ins: Sequence[ShapedArray], inside: Fused | None, library: bool | None
) -> tuple[Plan, Plan | None]:
    """The plan of a product in parts, and where each of these packs all of an operand for itself, that for one thread, which
    does so once: 0.88 to 1 of the time of the parts one after the other, where the left operand is transposed. Where the parts
    have no more to pack it is 0.98 to 1, which is not worth the code.
    """
    plan = _plan(module, spec, ins, inside, library)
    is_again = plan.cut.axis == "rows" or (plan.cut.axis == "columns" and plan.blocks.pack_left)
    is_again = is_again and plan.path == "blocked" and plan.cut.count > 1
    return plan, _plan(module, spec, ins, inside, library, alone=True) if is_again else None


def _plan(
    module: Module,
    spec: Spec,
    ins: Sequence[ShapedArray],
    inside: Fused | None = None,
    library: bool | None = None,
    *,
    alone: bool = False,
) -> Plan:
    ring = ring_of(ins[0].dtype)
    assert ring is not None
    if library is None:
        library = os.environ.get("FUNCTRANS_MATMUL") == "openblas"
    layout = spec if isinstance(spec, Layout) else layout_of(spec, ins[0].shape, ins[1].shape)
    before, after = (False, False) if inside is None else (inside.prologue is not None, inside.epilogue is not None)
    return plan_of(module, ring, layout, prepared=before, finished=after, library=library, alone=alone)


class _Body:
    def __init__(
        self, f: Function, plan: Plan, alone: Plan | None, before: Inside | None, after: Inside | None
    ) -> None:
        self.f = f
        self.plan, self.alone = plan, alone
        self.ring = plan.ring
        self.before, self.after = before, after
        self.left, *given = f.args[:-2]
        count = 1 if before is None else len(before.variables)
        self.right, self.given = given[:count], given[count:]
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
        left, right = self.left, self.right[0] if self.before is None else f.null()
        left, right = (right, left) if layout.swapped else (left, right)
        left = self._prepared(left, layout.left, regions.left)
        right = self._prepared(right, layout.right, regions.right)
        products = Products(f, self.plan, self._at(regions.left_panels), self._prologue(), self._epilogue())
        whole = Place(left, right, c, f.index(0), f.index(0), f.index(0))
        if cut.count == 1:
            products.write(whole)
            return
        pointers = left, right, c, products.prologue, products.epilogue, products.panels
        at_once = None if self.alone is None else partial(replace(products, plan=self.alone).write, whole)
        call_chunks(f, part_function(products), pointers, cut.count, self.parallel, at_once)

    def _prologue(self) -> Value:
        """The state, or null."""
        if self.before is None:
            return self.f.null()
        widths = self.plan.depths if self.plan.layout.right.free != 1 else self.plan.widths(self.f.module)
        function = window_function(self.f.module, f"{self.f.name}_prepare", self.before, widths)
        return window_state(self.f, function, self.before, [*self.right, self.given[-1]])

    def _epilogue(self) -> Value:
        """The state, or null."""
        if self.after is None:
            return self.f.null()
        function = window_function(self.f.module, f"{self.f.name}_finish", self.after, self.plan.widths(self.f.module))
        return window_state(self.f, function, self.after, self.given)

    def _prepared(self, operand: Value, part: Operand, place: int) -> Value:
        """An operand as the kernels read it: copied or widened where it must be."""
        if part.copy is None and not self.ring.narrow:
            return operand
        to = self._at(place)
        copied(self.f, self.ring, operand, to, part.copy or Copy((part.size,), (1,)))
        return to
