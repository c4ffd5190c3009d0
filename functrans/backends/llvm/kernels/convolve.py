"""Convolutions: the kernel of `Convolve`, as a function of a module. Start reading at `emit`.

Sizes and distances are in the plan, the arithmetic in `tiles`, and of few features in `runs`; what is written here is the loops
around it: groups, panels of output features, blocks of images; and that an epilogue takes up the sums of a panel while they are
near. Some convolutions are products of matrices (`matrices`), some need fewer products (`winograd`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from functrans.backends.llvm.function import Function
from functrans.backends.llvm.ir import I8, I64, PTR, Module, Value
from functrans.backends.llvm.kernels import contract
from functrans.backends.llvm.kernels.blocks import fill_block, pattern
from functrans.backends.llvm.kernels.convolution import matrices
from functrans.backends.llvm.kernels.convolution.copies import copy_image, pack_panel, write_tables
from functrans.backends.llvm.kernels.convolution.phases import Phase
from functrans.backends.llvm.kernels.convolution.plan import Near, Plan, plan_of
from functrans.backends.llvm.kernels.convolution.runs import write_runs, write_sums
from functrans.backends.llvm.kernels.convolution.tiles import SCATTERED, call_tiles
from functrans.backends.llvm.kernels.product.finish import State
from functrans.backends.llvm.kernels.product.layout import Layout
from functrans.backends.llvm.kernels.product.microkernel import best_tile
from functrans.backends.llvm.kernels.product.ring import ring_of
from functrans.backends.llvm.kernels.product.window import Inside, window_function, window_state
from functrans.backends.llvm.kernels.winograd.plan import Plan as WinogradPlan
from functrans.backends.llvm.kernels.winograd.plan import plan_of as winograd_plan
from functrans.backends.llvm.kernels.winograd.stages import write as write_winograd
from functrans.backends.llvm.target import host
from functrans.backends.llvm.threads.chunks import call_chunks
from functrans.compiler.nest import Fused
from functrans.core.aval import ShapedArray
from functrans.core.lowering_windows import Convolve

__all__ = ["emit", "finishes", "method", "part_count", "scratch_bytes", "supports"]

Avals = Sequence[ShapedArray]

_FEW = 4096
"""Places of an image up to which an epilogue waits for all of them: those of a phase lie between those of others."""
_FILLED = 0.9
"""So much of the columns of products has to be there: 49 places, of which two panels hold 64, took 1.2 times as long as tiles."""
_MANY = 4096
"""Elements of a result from which on its epilogue is worth its calls."""


def _products(spec: Convolve, ins: Avals, outs: Avals) -> Layout | None:
    """The products of matrices that it is, where these are faster: large, and with few columns that are computed in vain."""
    ring = ring_of(ins[0].dtype)
    assert ring is not None
    layout = matrices.layout_of(spec, ins, outs[0])
    if layout is None or not contract.finishes(layout, ins, outs):
        return None
    module = Module(host())
    width = best_tile(module, ring).columns(module, ring)
    return layout if layout.n >= _FILLED * (-(-layout.n // width) * width) else None


def supports(spec: Convolve, ins: Avals, outs: Avals) -> bool:
    """Whether there is native code for these types."""
    return ring_of(ins[0].dtype) is not None


def finishes(spec: Convolve, ins: Avals, outs: Avals) -> bool:
    """Whether an epilogue can take up the sums as they are, and it costs nothing."""
    if outs[0].size < _MANY or not (spec.has_features_first or spec.has_features_last):
        return False
    layout = _products(spec, ins, outs)
    if layout is not None:
        return all(loop.strides[2] for loop in layout.loops)
    plan = _plan(Module(host()), spec, ins, outs)
    if isinstance(plan, WinogradPlan):
        return plan.kind == "places"
    is_near = len(plan.phases) == 1 or plan.places <= _FEW
    return any(phase.terms for phase in plan.phases) and plan.how != SCATTERED and is_near


def scratch_bytes(spec: Convolve, ins: Avals, outs: Avals, *, inside: Fused | None = None) -> int:
    """How much memory the function of `emit` wants besides operands and results."""
    layout = _products(spec, ins, outs)
    if layout is not None:
        return contract.scratch_bytes(layout, ins, outs, inside=inside)
    return _plan(Module(host()), spec, ins, outs, inside).regions.end


def _plan(module: Module, spec: Convolve, ins: Avals, outs: Avals, inside: Fused | None = None) -> Plan | WinogradPlan:
    """Of direct sums, or of those that need fewer products, where they pay."""
    ring = ring_of(ins[0].dtype)
    assert ring is not None
    winograd = winograd_plan(module, ring, spec, ins, outs[0])
    return winograd or plan_of(module, ring, spec, ins, outs[0], finished=inside is not None)


def method(spec: Convolve, ins: Avals, outs: Avals) -> str:
    """How it is done."""
    if _products(spec, ins, outs) is not None:
        return "products of matrices"
    return _plan(Module(host()), spec, ins, outs).title


def part_count(spec: Convolve, ins: Avals, outs: Avals) -> int:
    """How many parts of the images may be convolved at the same time."""
    layout = _products(spec, ins, outs)
    if layout is not None:
        return contract.part_count(layout, ins, outs)
    return _plan(Module(host()), spec, ins, outs).parts


def emit(module: Module, name: str, spec: Convolve, ins: Avals, outs: Avals, inside: Fused | None = None) -> Function:
    """`i64 name(ptr left, ptr right, ptr out, ptr scratch, ptr parallel)`, which gives 0.

    The last is the function that runs parts in parallel, or null. With an epilogue there are the pointers of its variables in
    place of `out`, and then that of the warnings.
    """
    layout = _products(spec, ins, outs)
    if layout is not None:
        return contract.emit(module, name, layout, ins, outs, inside)
    after, plan = Inside.after(inside), _plan(module, spec, ins, outs, inside)
    given = ["out"] if after is None else [*(f"e{i}" for i in range(len(after.variables))), "warnings"]
    f = Function(module, name, [(p, PTR) for p in ("left", "right", *given, "scratch", "parallel")], I64)
    left, right, *results, scratch, parallel = f.args
    if isinstance(plan, Plan) and not (outs[0].size and any(phase.terms for phase in plan.phases)):
        f.fill(results[0], 0, f.index(outs[0].nbytes))
    else:
        finish = None if after is None else window_function(module, f"{name}_finish", after, plan.finished)
        to = results[0] if after is None or finish is None else window_state(f, finish, after, results)
        pointers = [left, right, to, scratch]
        if isinstance(plan, WinogradPlan):
            write_winograd(f, plan, pointers, parallel, finish)
        else:
            _Body(f, plan, pointers).prepare()
            call_chunks(f, _part_function(module, f"{name}_part", plan, finish), pointers, plan.parts, parallel)
    f.ret(f.index(0))
    return f


_POINTERS = ("left", "right", "out", "scratch")
"""With an epilogue its state is in place of the result."""


def _part_function(module: Module, name: str, plan: Plan, finish: Function | None) -> Function:
    """`(pointers, chunk)`: a part of the blocks of images, of all groups; for padded ones each part has memory of its own."""
    f = Function(module, name, [("pointers", PTR), ("chunk", I64)])
    table, chunk = f.args
    pointers = [f.load(f.offset(table, i, PTR), PTR) for i in range(len(_POINTERS))]
    body = _Body(f, plan, pointers, chunk, finish)
    blocks = -(-plan.images // plan.block)
    if plan.planes.padded:
        f.fill(body.planes, 0, f.index(plan.planes.size))
    with f.loop(chunk * plan.each, f.minimum((chunk + 1) * plan.each, f.index(blocks * plan.groups))) as loop:
        body.convolve(f.integer("sdiv", loop.index, blocks), f.integer("srem", loop.index, blocks) * plan.block)
    f.ret()
    return f


class _Piece(NamedTuple):
    """Of a block of images some, and some places of each; all places where there are several phases."""

    image: Value
    images: Value
    place: Value
    places: Value


class _Body:
    def __init__(
        self,
        f: Function,
        plan: Plan,
        pointers: Sequence[Value],
        chunk: Value | None = None,
        finish: Function | None = None,
    ) -> None:
        self.f = f
        self.plan = plan
        self.finish = finish
        self.operands, self.scratch = pointers[:3], pointers[3]
        self.planes, self.near = self._region(plan.regions.planes), self._region(plan.regions.near)
        """Of the part that is a chunk."""
        if chunk is not None:
            self.planes = f.offset(self.planes, chunk * plan.planes.size, I8)
            self.near = self.near if plan.near is None else f.offset(self.near, chunk * plan.near.size, I8)

    def prepare(self) -> None:
        """Tables, and the windows as panels."""
        f, plan = self.f, self.plan
        for phase in plan.phases:
            write_tables(f, plan, phase, self.scratch)
            if plan.path == "sums" or not phase.terms:
                continue
            with f.loop(0, plan.groups) as group, f.loop(0, plan.features, plan.width) as panel:
                right = f.offset(self.operands[1], group.index * plan.group_steps[1], I8)
                windows = f.offset(right, panel.index * plan.feature_steps.left, I8)
                to = self._panel(phase, group.index, panel.index)
                pack_panel(f, plan, phase, windows, self._width(panel.index), to)

    def convolve(self, group: Value, first: Value) -> None:
        """A block of images of a group."""
        f, plan = self.f, self.plan
        left, right = (
            f.offset(pointer, group * step, I8)
            for pointer, step in zip(self.operands, plan.group_steps[:2], strict=False)
        )
        count = f.minimum(plan.images - first, f.index(plan.block))
        planes = self._padded(f.offset(left, first * plan.image_steps.left, I8), count)
        each = plan.width if plan.path == "tiles" else plan.features
        with f.loop(0, plan.features, each) as panel:
            if plan.near is None:
                out = f.offset(self.operands[2], group * plan.group_steps[2] + first * plan.image_steps.right, I8)
                to = f.offset(out, panel.index * plan.feature_steps.right, I8)
                piece = _Piece(f.index(0), count, f.index(0), f.index(plan.places))
                self._sums(group, panel.index, planes, right, piece, to)
            else:
                self._finished(plan.near, group, panel.index, planes, right, first, count)

    def _region(self, place: int) -> Value:
        return self.f.offset(self.scratch, place, I8)

    def _panel(self, phase: Phase, group: Value, feature: Value) -> Value:
        panels = self.f.offset(self._region(phase.tables.panels), group * phase.tables.panel_bytes, I8)
        return self.f.offset(panels, feature * (phase.terms * self.plan.ring.bytes), I8)

    def _width(self, feature: Value) -> Value:
        """The features that a panel has."""
        return self.f.minimum(self.plan.features - feature, self.f.index(self.plan.width))

    def _sums(self, group: Value, feature: Value, planes: Value, right: Value, piece: _Piece, out: Value) -> None:
        """The features of a panel at a piece of a block; `out` is where the block's first row would go."""
        f, plan = self.f, self.plan
        if not all(phase.terms for phase in plan.phases):
            self._zeros(f.offset(out, piece.image * plan.image_row, I8), piece.images, self._width(feature))
        for phase in plan.phases:
            if phase.terms:
                self._phase(phase, self._panel(phase, group, feature), planes, right, feature, piece, out)

    def _phase(
        self, phase: Phase, panel: Value, planes: Value, right: Value, feature: Value, piece: _Piece, out: Value
    ) -> None:
        f, plan = self.f, self.plan
        first = piece.image * phase.places + piece.place
        count = piece.images * (piece.places if len(plan.phases) == 1 else phase.places)
        rows, outs = (f.offset(self._region(place), first, I64) for place in phase.tables[:2])
        terms = self._region(phase.tables.terms)
        if plan.path == "runs":
            write_runs(f, plan, phase, planes, (rows, outs, terms), panel, out, count)
        elif plan.path == "sums":
            write_sums(f, plan, phase, planes, (rows, outs), right, out, count)
        else:
            planes = f.offset(planes, feature, plan.ring.part) if plan.by_lane else planes
            call_tiles(
                f, plan.ring, plan.vectors, plan.by_lane, planes, rows, outs, terms, f.index(phase.terms), panel, out,
                f.index(plan.feature_steps.right), count, self._width(feature), f.index(plan.how),
            )  # fmt: skip

    def _zeros(self, out: Value, images: Value, features: Value) -> None:
        """Zeros at all places: there are such as meet nothing."""
        f, plan = self.f, self.plan
        size = plan.ring.stored_bytes
        with f.loop(0, images) as image, f.loop(0, features) as feature:
            there = f.offset(out, image.index * plan.image_row + feature.index * plan.feature_steps.right, I8)
            fill_block(f, plan.spatial, size, there, pattern(f, bytes(size)))

    def _finished(
        self, near: Near, group: Value, feature: Value, planes: Value, right: Value, first: Value, count: Value
    ) -> None:
        """A panel of a block, piece by piece: its sums, then what is made of them."""
        f, plan = self.f, self.plan
        image_step, _, place_step = near.strides
        column = group * plan.features + feature
        with f.loop(0, count, near.images) as image, f.loop(0, plan.places, near.places) as place:
            images = f.minimum(count - image.index, f.index(near.images))
            places = f.minimum(plan.places - place.index, f.index(near.places))
            before = image.index * image_step + place.index * place_step
            to = f.offset(self.near, f.index(0) - before, I8)
            self._sums(group, feature, planes, right, _Piece(image.index, images, place.index, places), to)
            self._finish(near, first + image.index, images, place.index, places, column, self._width(feature))

    def _finish(
        self, near: Near, image: Value, images: Value, place: Value, places: Value, feature: Value, features: Value
    ) -> None:
        f, plan = self.f, self.plan
        assert self.finish is not None
        table = f.load(State(f, self.operands[2]).table, PTR)
        image_step, feature_step, place_step = (step // plan.ring.bytes for step in near.strides)
        if not near.rows_are_features:
            row = image * plan.places + place
            f.call(self.finish, self.near, place_step, row, feature, images * places, features, table)
            return
        with f.loop(0, images) as loop:
            sums = f.offset(self.near, loop.index * image_step, plan.ring.part)
            row = (image + loop.index) * (plan.groups * plan.features) + feature
            f.call(self.finish, sums, feature_step, row, place, features, places, table)

    def _padded(self, images: Value, count: Value) -> Value:
        """Where the images of a block are read: where they lie, or copied among zeros."""
        f, plan = self.f, self.plan
        if not plan.planes.padded:
            return f.offset(images, plan.planes.of, I8)
        planes = self.planes
        with f.loop(0, count) as loop:
            to = f.offset(planes, loop.index * plan.planes.strides[0], I8)
            copy_image(f, plan, f.offset(images, loop.index * plan.image_steps.left, I8), to)
        return planes
