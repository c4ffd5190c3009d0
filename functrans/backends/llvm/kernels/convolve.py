"""Convolutions: the kernel of `Convolve`, as a function of a module. Start reading at `emit`.

Sizes and distances are in the plan, the arithmetic in `tiles`, and of few features in `runs`; what is written here is the loops
around it: groups, panels of output features, blocks of images.
"""

from __future__ import annotations

from collections.abc import Sequence

from functrans.backends.llvm.function import Function
from functrans.backends.llvm.ir import I8, I64, PTR, Module, Value
from functrans.backends.llvm.kernels.convolution.copies import copy_image, pack_panel, write_tables
from functrans.backends.llvm.kernels.convolution.plan import Plan, plan_of
from functrans.backends.llvm.kernels.convolution.runs import write_runs, write_sums
from functrans.backends.llvm.kernels.convolution.tiles import call_tiles
from functrans.backends.llvm.kernels.product.ring import ring_of
from functrans.backends.llvm.target import host
from functrans.backends.llvm.threads.chunks import call_chunks
from functrans.core.aval import ShapedArray
from functrans.core.lowering_windows import Convolve

__all__ = ["emit", "part_count", "scratch_bytes", "supports"]

Avals = Sequence[ShapedArray]


def supports(spec: Convolve, ins: Avals, outs: Avals) -> bool:
    """Whether there is native code for these types."""
    return ring_of(ins[0].dtype) is not None


def scratch_bytes(spec: Convolve, ins: Avals, outs: Avals) -> int:
    """How much memory the function of `emit` wants besides operands and results."""
    return _plan(Module(host()), spec, ins, outs).regions.end


def _plan(module: Module, spec: Convolve, ins: Avals, outs: Avals) -> Plan:
    ring = ring_of(ins[0].dtype)
    assert ring is not None
    return plan_of(module, ring, spec, ins, outs[0])


def part_count(spec: Convolve, ins: Avals, outs: Avals) -> int:
    """How many parts of the images may be convolved at the same time."""
    return _plan(Module(host()), spec, ins, outs).parts


def emit(module: Module, name: str, spec: Convolve, ins: Avals, outs: Avals) -> Function:
    """`i64 name(ptr left, ptr right, ptr out, ptr scratch, ptr parallel)`, which gives 0.

    The last is the function that runs parts in parallel, or null.
    """
    f = Function(module, name, [(p, PTR) for p in (*_POINTERS, "parallel")], I64)
    *pointers, parallel = f.args
    plan = _plan(module, spec, ins, outs)
    if not outs[0].size or not plan.terms:
        f.fill(pointers[2], 0, f.index(outs[0].nbytes))
    else:
        _Body(f, plan, pointers).prepare()
        call_chunks(f, _part_function(module, f"{name}_part", plan), pointers, plan.parts, parallel)
    f.ret(f.index(0))
    return f


_POINTERS = ("left", "right", "out", "scratch")


def _part_function(module: Module, name: str, plan: Plan) -> Function:
    """`(pointers, chunk)`: a part of the blocks of images, of all groups; for padded ones each part has memory of its own."""
    f = Function(module, name, [("pointers", PTR), ("chunk", I64)])
    table, chunk = f.args
    body = _Body(f, plan, [f.load(f.offset(table, i, PTR), PTR) for i in range(len(_POINTERS))], chunk)
    blocks = -(-plan.images // plan.block)
    if plan.planes.padded:
        f.fill(body.planes, 0, f.index(plan.planes.size))
    with f.loop(chunk * plan.each, f.minimum((chunk + 1) * plan.each, f.index(blocks * plan.groups))) as loop:
        body.convolve(f.integer("sdiv", loop.index, blocks), f.integer("srem", loop.index, blocks) * plan.block)
    f.ret()
    return f


class _Body:
    def __init__(self, f: Function, plan: Plan, pointers: Sequence[Value], chunk: Value | None = None) -> None:
        self.f = f
        self.plan = plan
        self.operands, self.scratch = pointers[:3], pointers[3]
        self.planes = self._region(plan.regions.planes)
        """Of the part that is a chunk."""
        if chunk is not None:
            self.planes = f.offset(self.planes, chunk * plan.planes.size, I8)

    def prepare(self) -> None:
        """Tables, and the windows as panels."""
        f, plan = self.f, self.plan
        write_tables(f, plan, self.scratch)
        if plan.path == "sums":
            return
        with f.loop(0, plan.groups) as group, f.loop(0, plan.features, plan.width) as panel:
            right = f.offset(self.operands[1], group.index * plan.group_steps[1], I8)
            windows = f.offset(right, panel.index * plan.feature_steps.left, I8)
            pack_panel(f, plan, windows, self._width(panel.index), self._panel(group.index, panel.index))

    def convolve(self, group: Value, first: Value) -> None:
        """A block of images of a group."""
        f = self.f
        left, right, out = (
            f.offset(pointer, group * step, I8)
            for pointer, step in zip(self.operands, self.plan.group_steps, strict=True)
        )
        self._block(group, first, left, right, out)

    def _region(self, place: int) -> Value:
        return self.f.offset(self.scratch, place, I8)

    def _panel(self, group: Value, feature: Value) -> Value:
        plan = self.plan
        panels = self.f.offset(self._region(plan.regions.panels), group * plan.panel_bytes, I8)
        return self.f.offset(panels, feature * (plan.terms * plan.ring.bytes), I8)

    def _width(self, feature: Value) -> Value:
        """The features that a panel has."""
        return self.f.minimum(self.plan.features - feature, self.f.index(self.plan.width))

    def _block(self, group: Value, first: Value, left: Value, right: Value, out: Value) -> None:
        """Some images, panel by panel."""
        f, plan = self.f, self.plan
        rows, outs, terms = (self._region(place) for place in plan.regions[:3])
        count = f.minimum(plan.images - first, f.index(plan.block))
        images = f.offset(left, first * plan.image_steps.left, I8)
        planes = self._padded(images, count)
        result = f.offset(out, first * plan.image_steps.right, I8)
        if plan.path == "runs":
            write_runs(
                f, plan, planes, (rows, outs, terms), self._panel(group, f.index(0)), result, count * plan.places
            )
            return
        if plan.path == "sums":
            write_sums(f, plan, planes, (rows, outs), right, result, count * plan.places)
            return
        with f.loop(0, plan.features, plan.width) as panel:
            to = f.offset(result, panel.index * plan.feature_steps.right, I8)
            call_tiles(
                f, plan.ring, planes, rows, outs, terms, f.index(plan.terms), self._panel(group, panel.index), to,
                f.index(plan.feature_steps.right), count * plan.places, self._width(panel.index), f.index(plan.how),
            )  # fmt: skip

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
