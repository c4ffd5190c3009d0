"""Maps whose rows are computed in the lanes of vectors. Each has branches and loops of its own: the lanes that are done wait.

A map is a scan that carries nothing, as `vmap` makes of a loop that does not end everywhere at once. A branch runs where a lane
takes it; a loop turns as long as a lane goes on, and the others keep what they have. Where one loop is most of what there is
for a row, a lane does not wait for the slowest: when so many turns are lost that it pays, rows that are done are stored, and
the next rows take their lanes. What is computed for a row is the same in any lane, bit for bit. Imports `registers`
and `lane_refill`; start reading at `emit`.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from functrans.backends.llvm.elements import memory_type
from functrans.backends.llvm.function import Function
from functrans.backends.llvm.ir import I64, PTR, Module
from functrans.backends.llvm.lane_refill import Refill
from functrans.backends.llvm.lane_values import LaneRegisters
from functrans.backends.llvm.lane_writer import LaneWriter
from functrans.backends.llvm.register_work import IN_LANES, MOST_WORK, has_lanes, work
from functrans.backends.llvm.target import Target
from functrans.compiler.nodes import Node, Supports
from functrans.core.ir import Jaxpr
from functrans.core.lowering_control import Scan

__all__ = ["emit", "fits"]

_VECTORS = 4
"""Of the widest elements, at once, at most: while the result of one instruction is waited for, there are others to begin."""
_MOST_LANES = 64
"""The bits of a mask."""


def fits(node: Node, supports: Supports) -> bool:
    """Whether a loop is a map, and all in it can be computed in lanes."""
    return has_lanes(node.lowering) and work(node.lowering, supports, IN_LANES) <= MOST_WORK


def emit(module: Module, name: str, node: Node) -> Function:
    """As the function of a loop in registers: see `registers.emit`."""
    lowering = node.lowering
    assert isinstance(lowering, Scan)
    names = [f"p{i}" for i in range(len(node.operands) + len(node.outs))]
    f = Function(module, name, [*((p, PTR) for p in names), ("warnings", PTR), ("services", PTR)], I64)
    f.optimized = True
    registers = LaneRegisters(f, f.args[-2], _lane_count(module.target, lowering))
    given, ys = f.args[: len(node.operands)], f.args[len(node.operands) : -2]
    shared = zip(given[: lowering.consts], lowering.jaxpr.invars, strict=False)
    consts = [registers.load(p, var.aval) for p, var in shared]
    writer = LaneWriter(f, registers)
    refill = Refill.of(writer, lowering)
    if refill is None:
        writer.blocks(lowering, consts, given[lowering.consts :], ys)
    else:
        refill.write(consts, given[lowering.consts :], ys)
    writer.leave_refused(lowering)
    f.ret(f.index(0))
    return f


def _lane_count(target: Target, lowering: Scan) -> int:
    """A power of two, at most as many as there are rows; fewer of rows and of bodies that are long."""
    atoms = [atom for eqn in lowering.jaxpr.all_eqns() for atom in (*eqn.invars, *eqn.outvars)]
    widest = max(memory_type(atom.aval.dtype).bytes for atom in (*lowering.jaxpr.invars, *atoms))
    longest = max(sum(atom.aval.size for atom in jaxpr.outvars) for jaxpr in _with_inner(lowering.jaxpr))
    written = work(lowering, None, IN_LANES)
    vectors = max(1, min(_VECTORS, target.vector_registers // max(longest, 1), int(MOST_WORK // max(written, 1))))
    return 1 << min(vectors * target.vector_bytes // widest, _MOST_LANES, lowering.length).bit_length() - 1


def _with_inner(jaxpr: Jaxpr) -> Iterator[Jaxpr]:
    """A jaxpr and those of the loops and branches in it."""
    return chain([jaxpr], *(eqn.jaxprs for eqn in jaxpr.all_eqns()))
