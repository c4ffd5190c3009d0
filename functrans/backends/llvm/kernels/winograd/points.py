"""The products between the transforms: one of matrices at each point, by the micro-kernel of products. Compiled once.

Imports the micro-kernel and the builder; start reading at `call_points`.
"""

from __future__ import annotations

from functrans.backends.llvm.function import Function
from functrans.backends.llvm.ir import F32, I64, PTR, Module, Value
from functrans.backends.llvm.kernels.product.finish import ADD, PADDED
from functrans.backends.llvm.kernels.product.microkernel import best_tile, microkernel
from functrans.backends.llvm.kernels.product.ring import Ring
from functrans.backends.llvm.once import compiled_once
from functrans.record import Record

__all__ = ["Products", "call_points"]


class Products(Record):
    """Matrices at points, as far apart as `apart` says: left, right and result. The right ones are panels, one after the other,
    of as many columns as a tile of the micro-kernel; so wide are the results' rows, and so many more has each as a tile has.
    """

    left: Value
    right: Value
    out: Value
    apart: tuple[int, int, int]
    row: int
    """From row to row of the left, along k, and from row to row of the result: in numbers."""
    along: int
    out_row: int
    rows: Value
    depth: Value
    chain: int
    """Products that are added up before their sum is added to those before."""
    panels: int


def call_points(f: Function, ring: Ring, given: Products, add: Value, start: Value, stop: Value) -> None:
    """Some of the panels of all points, numbered through; `add`: not 0 where the results are to be added to."""
    name = f"functrans_winograd_{ring.name}_points"
    known = compiled_once(f.module, name, lambda module: _points(module, name, ring))
    numbers: list[Value | int] = [
        *given.apart,
        given.row,
        given.along,
        given.out_row,
        given.rows,
        given.depth,
        given.chain,
        given.panels,
    ]
    values = (f.like(x, start) for x in numbers)
    tiles = f.external(microkernel(f.module, ring))
    f.call_symbol(known, None, tiles, given.left, given.right, given.out, *values, add, start, stop)


_NUMBERS = (
    "left_apart", "right_apart", "out_apart", "row", "along", "out_row", "rows", "depth", "chain", "panels", "add",
    "start", "stop",
)  # fmt: skip


def _points(module: Module, name: str, ring: Ring) -> Function:
    params = [*((p, PTR) for p in ("tiles", "left", "right", "out")), *((p, I64) for p in _NUMBERS)]
    f = Function(module, name, params, exported=True)
    tiles, left, right, out, *numbers = f.args
    given = dict(zip(_NUMBERS, numbers, strict=True))
    width = best_tile(module, ring).columns(module, ring)
    nothing = f.stack(I64, 3)
    f.store(f.index(0), nothing)  # no stream to ask for: see `microkernel`
    f.store(out, f.offset(nothing, 1, I64))
    f.store(f.index(0), f.offset(nothing, 2, I64))
    with f.loop(given["start"], given["stop"]) as loop, f.loop(0, given["depth"], given["chain"]) as chain:
        point, panel = (f.integer(which, loop.index, given["panels"]) for which in ("sdiv", "srem"))
        a = f.offset(left, point * given["left_apart"] + chain.index * given["along"], F32)
        b = f.offset(right, point * given["right_apart"] + (panel * given["depth"] + chain.index) * width, F32)
        c = f.offset(out, point * given["out_apart"] + panel * width, F32)
        begins = f.icmp("eq", chain.index, 0) & f.icmp("eq", given["add"], 0)
        how = f.select(begins, f.index(PADDED), f.index(PADDED | ADD))
        k = f.minimum(given["depth"] - chain.index, given["chain"])
        f.call_pointer(
            tiles, None, a, given["row"], given["row"], given["along"], b, k, c, given["out_row"], given["rows"], f.index(width),
            how, f.null(), nothing,
        )  # fmt: skip
    return f
