"""The products of a plan as code: loops over batches around the kernel of its path, all of them or those of one part.

Imports the kernels and the plan; start reading at `Products.write`.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack

from functrans.backends.llvm.function import Function
from functrans.backends.llvm.ir import I8, I64, PTR, Value
from functrans.backends.llvm.kernels.product.blocked import ARGUMENTS, FUNCTIONS, blocked
from functrans.backends.llvm.kernels.product.direct import Compute, Matrices, direct
from functrans.backends.llvm.kernels.product.dot import dots
from functrans.backends.llvm.kernels.product.layout import Layout
from functrans.backends.llvm.kernels.product.microkernel import best_tile, microkernel
from functrans.backends.llvm.kernels.product.openblas import by_openblas
from functrans.backends.llvm.kernels.product.packing import copier, transposer
from functrans.backends.llvm.kernels.product.plan import Plan
from functrans.backends.llvm.kernels.product.vector import outer, streamed
from functrans.backends.llvm.once import compiled_once
from functrans.record import Record, replace

__all__ = ["Place", "Products", "part_function"]


class Place(Record):
    """One product of matrices: its operands, its result, and where in the frame that begins."""

    left: Value
    right: Value
    c: Value
    row: Value
    column: Value
    adds: Value
    """Whether it is added to what is in place of the result; 0: no."""


class Products(Record):
    """What the code is written into, and the states (`finish`) of what runs inside a product, or null."""

    f: Function
    plan: Plan
    panels: Value
    """Memory for a part's panels and sums."""
    prologue: Value
    epilogue: Value

    def write(self, place: Place, chunk: Value | None = None) -> None:
        """All products, or those of a part."""
        f, cut, layout = self.f, self.plan.cut, self.plan.layout
        if chunk is None or isinstance(cut.axis, int):
            self._loops(layout, place, chunk)
            return
        start = chunk * cut.each
        size = layout.m if cut.axis == "rows" else layout.n
        whole, rest = divmod(size, cut.each)
        place = self._down(place, start) if cut.axis == "rows" else self._across(place, start)
        if not rest:
            self._loops(cut.part(layout, cut.each), place)
            return
        with f.when(f.icmp("slt", chunk, whole)) as branch:
            self._loops(cut.part(layout, cut.each), place)
            branch.otherwise()
            self._loops(cut.part(layout, rest), place)

    def _loops(self, layout: Layout, place: Place, chunk: Value | None = None) -> None:
        f, cut = self.f, self.plan.cut
        product = self._blocked(layout) if self.plan.path == "blocked" else self._near(layout)
        with ExitStack() as stack:
            for number, loop in enumerate(layout.loops):
                start, stop = f.index(0), f.index(loop.size)
                if chunk is not None and number == cut.axis:
                    start = chunk * cut.each
                    stop = f.minimum(start + cut.each, stop)
                index = stack.enter_context(f.loop(start, stop)).index
                place = self._moved(place, index, loop.strides)
                if not loop.strides[2] and loop.size > 1:
                    place = replace(place, adds=place.adds | index)
            product(place)

    # ---- places ----

    def _moved(self, place: Place, index: Value, strides: tuple[int, int, int]) -> Place:
        """The next product: one step of a loop further."""
        left, right, c = (
            self._at(pointer, index * stride)
            for pointer, stride in zip((place.left, place.right, place.c), strides, strict=True)
        )
        rows, columns = divmod(strides[2], self.plan.layout.frame[1])
        return Place(left, right, c, place.row + index * rows, place.column + index * columns, place.adds)

    def _down(self, place: Place, row: Value) -> Place:
        """The rows of a product from one on."""
        layout = self.plan.layout
        return self._moved(place, row, (layout.left.free, 0, layout.c))

    def _across(self, place: Place, column: Value) -> Place:
        """The columns of a product from one on."""
        return self._moved(place, column, (0, self.plan.layout.right.free, 1))

    def _at(self, pointer: Value, elements: Value) -> Value:
        ring = self.plan.ring
        return self.f.offset(pointer, elements * ring.parts, ring.part)

    # ---- kernels ----

    def _near(self, layout: Layout) -> Callable[[Place], None]:
        """By functions of this module."""
        f, ring = self.f, self.plan.ring.wide
        path = {"direct": direct, "dot": dots, "stream": streamed, "outer": outer, "library": by_openblas}[
            self.plan.path
        ]

        def product(place: Place) -> None:
            def store(row: Value, column: Value, _rows: Value | int, _columns: Value | int, compute: Compute) -> None:
                compute(self._at(place.c, row * layout.c + column), f.index(layout.c))

            path(f, ring, _matrices(layout, place), store)

        return product

    def _region(self, start: int) -> Value:
        """A part's own memory."""
        return self.f.offset(self.panels, start - self.plan.regions.left_panels, I8)

    def _blocked(self, layout: Layout) -> Callable[[Place], None]:
        """By the function for large products."""
        block, regions = self.f.stack(I64, len(ARGUMENTS)), self.plan.regions
        self._fill(block, self._fixed(layout) | self._functions(layout))

        def product(place: Place) -> None:
            c = self._region(regions.sums) if self.plan.sums_row else place.c
            self._fill(block, {"left": place.left, "right": place.right, "c": c,
                               "row": place.row, "column": place.column, "adds": place.adds})  # fmt: skip
            ring, name = self.plan.ring.wide, f"functrans_product_{self.plan.ring.wide.name}"
            known = compiled_once(self.f.module, name, lambda module: blocked(module, ring, name))
            self.f.call_symbol(known, None, block)

        return product

    def _fixed(self, layout: Layout) -> dict[str, Value]:
        """The arguments of the large product that are the same for all batches."""
        f, blocks, regions = self.f, self.plan.blocks, self.plan.regions
        numbers = {
            "m": layout.m, "n": layout.n, "k": layout.k,
            "left_row": layout.left.free, "left_k": layout.left.contracted,
            "right_k": layout.right.contracted, "right_column": layout.right.free, "c_row": self.plan.sums_row or layout.c,
            "mc": blocks.rows, "nc": blocks.columns, "kc": blocks.depth, "pack_left": int(blocks.pack_left),
        }  # fmt: skip
        pointers = {
            "left_space": self.panels, "right_space": self._region(regions.right_panels),
            "made": self._region(regions.made), "prologue": self.prologue, "epilogue": self.epilogue,
        }  # fmt: skip
        return {name: f.index(n) for name, n in numbers.items()} | pointers

    def _functions(self, layout: Layout) -> dict[str, Value]:
        """Those that the large product calls for what there is to do."""
        f, ring = self.f, self.plan.ring.wide
        tile = best_tile(f.module, ring)
        width = tile.columns(f.module, ring)
        names = {"tiles": microkernel(f.module, ring)}
        if self.plan.blocks.pack_left:
            names["copy_left"] = copier(f.module, ring, tile.rows)
        is_beside = layout.right.free == 1
        names["copy_right" if is_beside else "transpose_right"] = (copier if is_beside else transposer)(
            f.module, ring, width
        )
        return dict.fromkeys(FUNCTIONS, f.null()) | {key: f.external(name) for key, name in names.items()}

    def _fill(self, block: Value, values: dict[str, Value]) -> None:
        for name, value in values.items():
            self.f.store(value, self.f.offset(block, ARGUMENTS.index(name), I64), 8)


def _matrices(x: Layout, place: Place) -> Matrices:
    return Matrices(
        x.m, x.n, x.k, place.left, x.left.free, x.left.contracted, place.right, x.right.contracted, x.right.free
    )


def part_function(whole: Products) -> Function:
    """`(pointers, chunk)`: a part of the products. The pointers: left, right, c, the states of what runs inside, the panels of
    the first part.
    """
    f = Function(whole.f.module, f"{whole.f.name}_part", [("pointers", PTR), ("chunk", I64)])
    table, chunk = f.args
    left, right, c, prologue, epilogue, panels = (f.load(f.offset(table, i, PTR), PTR) for i in range(6))
    panels = f.offset(panels, chunk * whole.plan.regions.part, I8)
    part = Products(f, whole.plan, panels, prologue, epilogue)
    part.write(Place(left, right, c, f.index(0), f.index(0), f.index(0)), chunk)
    f.ret()
    return f
