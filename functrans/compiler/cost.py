"""What a plan costs, told from its data: arithmetic, memory that is read and written, and memory that is held.

Imports the compiler's data; start reading at `Cost`.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import prod

from functrans.compiler.nest import Access, Fused, Nest, Op
from functrans.compiler.nodes import Host, Node
from functrans.compiler.steps import Output, Plan, Step
from functrans.core.ir import Eqn, Var
from functrans.core.lowering import Contract, Pointwise, Reduce
from functrans.core.lowering_control import Branch, Control, Scan
from functrans.core.lowering_data import DynamicSlice, Gather, Scatter
from functrans.core.lowering_order import Cumulative, LinearRecurrence
from functrans.core.lowering_windows import Convolve
from functrans.record import Record

__all__ = ["Cost", "StepCost", "cost_of", "nest_nanoseconds", "product_nanoseconds", "seconds", "worthwhile_parts"]


class StepCost(Record):
    """What one step of a program costs: a loop nest, a kernel, a callback to NumPy, a branch or a loop with all in it."""

    kind: str
    flops: int
    """One per element of an elementwise operation, whatever it is, and of a reduction; two per term of a matrix product;
    none for moving and ordering. A callback's are not known and count as none."""
    bytes_read: int
    """Each operand once, or the part of it that is read."""
    bytes_written: int
    """Each result once. What stays inside a step is neither read nor written."""


class Cost(Record):
    """What a program costs, step by step; the sums are `flops`, `bytes_read` and `bytes_written`."""

    steps: tuple[StepCost, ...]
    arena: int
    """Bytes of temporaries that are alive at once, and of what kernels work in."""
    outputs: int
    """Bytes of the results."""

    @property
    def flops(self) -> int:
        return sum(step.flops for step in self.steps)

    @property
    def bytes_read(self) -> int:
        return sum(step.bytes_read for step in self.steps)

    @property
    def bytes_written(self) -> int:
        return sum(step.bytes_written for step in self.steps)

    @property
    def peak_memory(self) -> int:
        """Bytes that a call takes besides its arguments."""
        return self.arena + self.outputs

    def __str__(self) -> str:
        lines = [f"{'':24}{'flops':>14}{'bytes read':>14}{'bytes written':>15}"]
        for i, step in enumerate((*self.steps, StepCost("", self.flops, self.bytes_read, self.bytes_written))):
            name = f"step {i}: {step.kind}" if i < len(self.steps) else "in all"
            lines.append(f"{name:24}{step.flops:>14,}{step.bytes_read:>14,}{step.bytes_written:>15,}")
        lines.append(f"peak memory {self.peak_memory:,} bytes: arena {self.arena:,}, results {self.outputs:,}")
        return "\n".join(lines)


def cost_of(plan: Plan) -> Cost:
    """The cost of a plan. Of a loop that ends by a condition it is that of one turn, of branches that of the dearest."""
    outputs = sum(var.aval.nbytes for var, place in plan.places.items() if isinstance(place, Output))
    return Cost(tuple(map(_step, plan.steps)), plan.arena, outputs)


_FLOPS, _BYTES, _STEP = 4e9, 2e10, 1e-8
"""What a core does in a second, at least: operations on elements, of which a logarithm is one, and bytes; and what it takes to
begin a step."""


def seconds(plan: Plan) -> float:
    """About how long a program takes, at most; one turn of each loop that ends by a condition."""
    cost = cost_of(plan)
    return cost.flops / _FLOPS + (cost.bytes_read + cost.bytes_written) / _BYTES + (1 + len(plan.steps)) * _STEP


# ---- how long work takes on vectors, near enough to cut it into parts ----

_PART = 20_000
"""A part takes about so many nanoseconds at least: a sleeping thread needs some thousands to come."""
_IN_A_NANOSECOND = 16
"""Additions of elements, half as many reads and writes of them, on vectors of some eight, or bytes that come from far."""


def nest_nanoseconds(nest: Nest) -> float:
    """About what a loop nest takes."""
    elements = prod((*nest.lead, *nest.inner, *nest.last))
    costs = [op.node.lowering.cost if isinstance(op.node.lowering, Pointwise) else 1 for op in nest.ops]
    return elements * (sum(costs) + 2 * (len(nest.reads) + len(nest.stores))) / _IN_A_NANOSECOND


def product_nanoseconds(multiplications: int, lanes: int, moved: int) -> float:
    """About what a product takes: by what there is to multiply, in vectors of so many lanes, or by the bytes that it moves."""
    return max(multiplications / (3 * lanes), moved / _IN_A_NANOSECOND)


def worthwhile_parts(nanoseconds: float) -> int:
    """Into how many parts work that takes so long is worth being cut."""
    return int(nanoseconds // _PART)


# ---- steps ----


def _step(step: Step) -> StepCost:
    if step.bodies:
        return _control(step)
    written = sum(var.aval.nbytes for var in dict.fromkeys(step.outs))
    if isinstance(step.work, Nest):
        return StepCost("loop nest", _nest_flops(step.work), _nest_reads(step.work, step.work.reads), written)
    if isinstance(step.work, Fused):
        product, nests = step.work.product, step.work.nests
        read = _reads(product, without=step.work.made)
        read += sum(_nest_reads(nest, [x for x in nest.reads if x.base is not step.work.result]) for nest in nests)
        flops = _flops(product) + sum(map(_nest_flops, nests))
        return StepCost(type(product.lowering).__name__, flops, read, written)
    if isinstance(step.work.lowering, Control):
        kind, turns = _turns(step.work.lowering)
        return StepCost(kind, turns * _flops_within(step.work.lowering), _reads(step.work), written)
    kind = "callback" if isinstance(step.work.lowering, Host) else type(step.work.lowering).__name__
    return StepCost(kind, _flops(step.work), _reads(step.work), written)


def _control(step: Step) -> StepCost:
    """Of a loop or a branch."""
    assert isinstance(step.work, Node)
    assert isinstance(step.work.lowering, Control)
    kind, turns = _turns(step.work.lowering)
    bodies = [cost_of(body) for body in step.bodies]
    if isinstance(step.work.lowering, Branch):
        bodies = [max(bodies, key=lambda cost: (cost.flops, cost.bytes_read + cost.bytes_written))]
    return StepCost(
        kind,
        turns * sum(cost.flops for cost in bodies),
        turns * sum(cost.bytes_read for cost in bodies),
        turns * sum(cost.bytes_written for cost in bodies),
    )


def _turns(lowering: Control) -> tuple[str, int]:
    """What it is, and how often the bodies run, as far as that is known."""
    if isinstance(lowering, Scan):
        return f"Scan, {lowering.length} turns", lowering.length
    return ("Branch" if isinstance(lowering, Branch) else "While, each turn"), 1


def _flops_within(lowering: Control) -> int:
    """Of one turn of a loop that is a kernel as a whole."""
    each = [sum(map(_eqn_flops, jaxpr.eqns)) for jaxpr in lowering.jaxprs]
    return max(each) if isinstance(lowering, Branch) else sum(each)


def _eqn_flops(eqn: Eqn) -> int:
    avals = [atom.aval for atom in eqn.invars]
    lowering = eqn.lowering
    if isinstance(lowering, Control):
        return _turns(lowering)[1] * _flops_within(lowering)
    if isinstance(lowering, Contract):
        return lowering.flops(avals[0].shape, eqn.outvars[0].aval.size)
    if isinstance(lowering, Convolve):
        return lowering.flops(avals[1].shape, eqn.outvars[0].aval.size)
    if isinstance(lowering, Pointwise | Reduce):
        return max(aval.size for aval in (*avals, eqn.outvars[0].aval))
    return 0


# ---- loop nests ----


def _nest_flops(nest: Nest) -> int:
    outer, inner = prod(nest.lead) * prod(nest.last), prod(nest.inner)
    times = {"once": 1, "outer": outer, "columns": inner, "end": 1}
    full = sum(_counts(nest.ops[i]) for one in nest.passes for i in one.ops)
    return full * outer * inner + sum(_counts(op) * times[op.level] for op in nest.ops if op.level in times)


def _counts(op: Op) -> bool:
    return isinstance(op.node.lowering, Pointwise | Reduce)


def _nest_reads(nest: Nest, reads: Iterable[Access]) -> int:
    """Of each value that is read the elements that some access reaches, at most all."""
    sizes = (*nest.lead, *nest.inner, *nest.last)
    reached: dict[Var, int] = {}
    for access in reads:
        reached[access.base] = reached.get(access.base, 0) + _reach(access, sizes)
    return sum(min(count, var.aval.size) * var.aval.dtype.itemsize for var, count in reached.items())


def _reach(access: Access, sizes: Iterable[int]) -> int:
    return prod(size for size, stride in zip(sizes, access.strides, strict=True) if stride)


# ---- kernels ----


def _reads(node: Node, without: Var | None = None) -> int:
    refs = [ref for ref in node.operands if ref.base is not without]
    operands = [prod(ref.layout.shape) * ref.base.aval.dtype.itemsize for ref in refs]
    if isinstance(node.lowering, Gather | DynamicSlice):
        operands[0] = min(operands[0], node.outs[0].aval.nbytes)
    return sum(operands)


def _flops(node: Node) -> int:
    lowering, size = node.lowering, sum(var.aval.size for var in node.outs[:1])
    shapes = [ref.layout.shape for ref in node.operands]
    if isinstance(lowering, Contract):
        return lowering.flops(shapes[0], size)
    if isinstance(lowering, Convolve):
        return lowering.flops(shapes[1], size)
    if isinstance(lowering, Cumulative):
        return size
    if isinstance(lowering, LinearRecurrence):
        return 2 * size
    if isinstance(lowering, Scatter) and lowering.combine:
        return prod(shapes[0 if lowering.from_zeros else 2])
    return 0
