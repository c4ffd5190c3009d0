"""What a convolution lays out before it computes: padded images, panels of windows, tables of where elements lie.

Imports `blocks`, `packing` and the plan; start reading at `write_tables`.
"""

from __future__ import annotations

from collections.abc import Sequence

from functrans.backends.llvm.function import Function
from functrans.backends.llvm.ir import I8, I64, Value
from functrans.backends.llvm.kernels.blocks import Axis, collapse, copy_block, nest
from functrans.backends.llvm.kernels.convolution.phases import Phase
from functrans.backends.llvm.kernels.convolution.plan import Plan
from functrans.backends.llvm.kernels.product.packing import copier, transposer
from functrans.backends.llvm.kernels.product.ring import Ring

__all__ = ["copy_image", "pack_panel", "write_tables"]


# ---- tables ----


def write_tables(f: Function, plan: Plan, phase: Phase, scratch: Value) -> None:
    """Where a phase's rows of a block begin, in the images and in the result, and the terms of a row: in bytes."""
    images = Axis(plan.block, (plan.planes.strides[0], plan.image_row))
    rows, outs, terms = (f.offset(scratch, place, I8) for place in phase.tables[:3])
    _table(f, rows, phase.row[0], [(axis.size, axis.strides[0]) for axis in (images, *phase.rows)])
    _table(f, outs, phase.row[1], [(axis.size, axis.strides[1]) for axis in (images, *phase.rows)])
    _table(f, terms, 0, [(axis.size, axis.strides[0]) for axis in phase.along])


def _table(f: Function, to: Value, first: int, axes: Sequence[tuple[int, int]]) -> None:
    """The distances of all elements of an array, in C order, from the `first` one's: a pointer that begins at null."""
    count, steps = 8, []
    for size, step in reversed(axes):
        steps.append(Axis(size, (count, step)))
        count *= size
    with nest(f, collapse(steps[::-1]), to, f.offset(f.null(), first, I8)) as (there, distance):
        f.store(f.cast("ptrtoint", distance, I64), there)


# ---- padded images ----


def copy_image(f: Function, plan: Plan, image: Value, to: Value) -> None:
    """An image into its place among zeros."""
    planes = plan.planes
    _copy(f, plan.ring, planes.copied, f.offset(to, planes.to, I8), f.offset(image, planes.of, I8))


def _copy(f: Function, ring: Ring, axes: Sequence[Axis], to: Value, of: Value) -> None:
    """Elements copied, or widened."""
    if not ring.narrow:
        copy_block(f, axes, ring.bytes, to, of)
        return
    with nest(f, collapse(axes), to, of) as (there, here):
        f.store(ring.widened(f, f.load(here, ring.stored)), there)


# ---- panels ----


def pack_panel(f: Function, plan: Plan, phase: Phase, windows: Value, count: Value, to: Value) -> None:
    """For each term the weights of `count` features; those past the last repeat it, or are zeros."""
    ring, step, depth, axes = plan.ring, plan.feature_steps.left, plan.width * plan.ring.bytes, []
    windows = f.offset(windows, phase.term, I8)
    for axis in reversed(phase.along):
        axes.append(Axis(axis.size, (depth, axis.strides[1])))
        depth *= axis.size
    *outer, last = collapse(axes[::-1]) or [Axis(1, (plan.width * ring.bytes, ring.bytes))]
    beside = last.strides[1] == ring.bytes
    if ring.narrow or last.strides[0] != plan.width * ring.bytes or not (beside or step == ring.bytes):
        with f.loop(0, plan.width) as loop:
            of = f.offset(windows, f.minimum(loop.index, count - 1) * step, I8)
            _copy(f, ring, [*outer, last], f.offset(to, loop.index * ring.bytes, I8), of)
        return
    function = (transposer if beside else copier)(f.module, ring, plan.width)
    apart = (step if beside else last.strides[1]) // ring.bytes
    with nest(f, outer, to, windows) as (there, here):
        f.call_symbol(function, None, here, f.index(apart), count, f.index(last.size), there)
