"""The equations as nodes over stored values: views are gone, each operand says itself where its elements lie.

Imports core and `layout`; start reading at `build`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import TypeAlias

from functrans.compiler.layout import Elements, Ref
from functrans.core.aval import ShapedArray, shaped, short_dtype
from functrans.core.ir import Atom, Eqn, Jaxpr, Literal, Var
from functrans.core.lowering import Barrier, Contract, Lowering, Pointwise, Reduce, Remap, Reshape, View, pointwise
from functrans.record import Record, replace
from functrans.typing import Shape

__all__ = ["Copy", "Host", "Node", "Nodes", "Supports", "build"]


class Copy(Record):
    """The operand's elements, stored in C order."""


class Host(Record):
    """No native code: the primitive's NumPy implementation is called."""

    why: str


class Node(Record, eq=False):
    """What one equation computes, or a part of it."""

    lowering: Lowering | Copy | Host
    operands: tuple[Ref, ...]
    outs: tuple[Var, ...]
    eqn: Eqn | None
    """Where it comes from; None for a copy of a result."""
    part: str = ""
    """The name of what it computes, where that is a part of the equation."""
    after: Node | None = None
    """What has to run before it, though it reads no result of it: the one before among those that have effects."""

    @property
    def is_fusible(self) -> bool:
        """Whether it can be part of a loop nest."""
        return isinstance(self.lowering, Pointwise | Reduce | Copy)

    @property
    def shape(self) -> Shape:
        """What a loop nest that computes it runs over."""
        return self.operands[0].layout.shape if isinstance(self.lowering, Reduce) else self.outs[0].aval.shape

    @property
    def behind(self) -> frozenset[Var]:
        """What is to be computed before it, as a barrier says."""
        return frozenset[Var]().union(*(ref.behind for ref in self.operands))

    @property
    def reduced(self) -> tuple[int, ...]:
        return self.lowering.axes if isinstance(self.lowering, Reduce) else ()


Supports: TypeAlias = Callable[[Lowering, Sequence[ShapedArray], Sequence[ShapedArray]], bool]
"""`(lowering, operands' avals, results' avals) -> whether the backend has code for it`."""


class Nodes(Record):
    """A program: nodes in an order in which each finds its operands computed, and the results, stored each by itself."""

    nodes: tuple[Node, ...]
    results: tuple[Atom, ...]


def build(jaxpr: Jaxpr, supports: Supports) -> Nodes:
    """The nodes of a jaxpr. Every result is an argument, a literal, or a variable that some node stores."""
    builder = _Builder(jaxpr, supports)
    for eqn in jaxpr.eqns:
        builder.add(eqn)
    results = tuple(builder.result(atom) for atom in jaxpr.outvars)
    return Nodes(tuple(builder.nodes), results)


_LONG_ROW = 128
"""From this length on rows are worth a loop of their own."""
_LARGE = 1 << 17
"""Elements of a matrix that is better read once."""


class _Builder:
    def __init__(self, jaxpr: Jaxpr, supports: Supports) -> None:
        self.nodes: list[Node] = []
        self._supports = supports
        self._refs: dict[Var, Ref] = {var: Ref.whole(var) for var in jaxpr.invars}
        self._arguments = set(jaxpr.invars)
        self._copies: dict[Elements, Var] = {}
        self._has_effects = jaxpr.has_effects
        self._last: Node | None = None

    def add(self, eqn: Eqn) -> None:
        operands = tuple(map(self._ref, eqn.invars))
        ins, outs = [atom.aval for atom in eqn.invars], [var.aval for var in eqn.outvars]
        lowering = self._lowering(eqn, ins, outs)
        if isinstance(lowering, Barrier):
            made = frozenset(ref.base for ref in operands if isinstance(ref.base, Var)) - self._arguments
            for var, ref in zip(eqn.outvars, operands, strict=True):
                self._refs[var] = replace(ref, behind=ref.behind | made)
            return
        if isinstance(lowering, View):
            for var, view in zip(eqn.outvars, lowering.results, strict=True):
                seen = operands[0].seen(view, var.aval.shape)
                if seen is None:  # a reshape of what does not lie in C order
                    assert isinstance(view, Reshape)
                    seen = self._copied(operands[0], eqn).seen(view, var.aval.shape)
                    assert seen is not None
                self._refs[var] = seen
            return
        if isinstance(lowering, Reduce):
            self._reduce(lowering, operands[0], eqn)
            return
        if isinstance(lowering, Contract):
            lowering, operands = _untransposed(lowering, operands)
            if self._add_as_sums(lowering, operands, eqn):
                return
        if not isinstance(lowering, Pointwise):  # kernels read operands in C order
            operands = tuple(ref if ref.is_whole else self._copied(ref, eqn) for ref in operands)
        is_ordered = eqn.has_effect or (isinstance(lowering, Host) and self._has_effects)  # what is called may raise
        node = Node(lowering, operands, eqn.outvars, eqn, after=self._last if is_ordered else None)
        self._last = node if is_ordered else self._last
        self._store(node)

    def _lowering(self, eqn: Eqn, ins: Sequence[ShapedArray], outs: Sequence[ShapedArray]) -> Lowering | Host:
        """What the backend has code for, or else why it has none."""
        if eqn.prim.lower is None:
            return Host(f"`{eqn.prim}` has no native code")
        lowering = eqn.lowering
        if lowering is None:
            return Host(f"`{eqn.prim}` has no native code for these parameters")
        if isinstance(lowering, View | Barrier) or self._supports(lowering, ins, outs):
            return lowering
        dtypes = dict.fromkeys(short_dtype(aval.dtype) for aval in (*ins, *outs))
        return Host(f"`{eqn.prim}` has no native code for {' and '.join(dtypes)}")

    def _add_as_sums(self, lowering: Contract, operands: tuple[Ref, ...], eqn: Eqn) -> bool:
        """A large matrix times a vector as products and their sums, which loop nests can share with what else reads it."""
        side = 0 if lowering.free[0] else 1
        matrix, vector = operands[side], operands[1 - side]
        shape, free = matrix.layout.shape, lowering.free[side]
        is_vector = not lowering.free[1 - side] and not lowering.batch[0] and len(free) > 0
        dtype = eqn.outvars[0].aval.dtype
        if not is_vector or prod(shape) < _LARGE or shape[-1] < _LONG_ROW or free != tuple(sorted(free)):
            return False
        if dtype.kind != "f" or dtype.itemsize < 4 or any(ref.base.aval.dtype != dtype for ref in operands):
            return False
        along = dict(zip(lowering.contracted[side], lowering.contracted[1 - side], strict=True))
        repeated = vector.seen(Remap(tuple(map(along.get, range(len(shape))))), shape)
        assert repeated is not None
        product = Var(shaped(shape, dtype))
        times = pointwise("mul")([product.aval] * 2, {})
        assert times is not None
        self._store(Node(times, (matrix, repeated), (product,), eqn, "mul"))
        self._reduce(Reduce("add", tuple(sorted(along))), Ref.whole(product), eqn)
        return True

    def result(self, atom: Atom) -> Atom:
        ref = self._ref(atom)
        if isinstance(atom, Literal) or (isinstance(ref.base, Var) and ref.is_whole and ref.base.aval == atom.aval):
            return ref.base
        if isinstance(ref.base, Var) and ref.is_whole and ref.base not in self._arguments:
            return ref.base  # the same memory in another shape
        base = self._copied(ref, None).base
        assert isinstance(base, Var)
        return base

    def _ref(self, atom: Atom) -> Ref:
        return self._refs[atom] if isinstance(atom, Var) else Ref.whole(atom)

    def _store(self, node: Node) -> None:
        self.nodes.append(node)
        self._refs.update((var, Ref.whole(var)) for var in node.outs)

    def _copied(self, ref: Ref, eqn: Eqn | None) -> Ref:
        key = ref.elements
        if key not in self._copies:
            self._copies[key] = Var(shaped(ref.layout.shape, ref.base.aval.dtype))
            self._store(Node(Copy(), (ref,), (self._copies[key],), eqn))
        return Ref.whole(self._copies[key])

    def _reduce(self, lowering: Reduce, operand: Ref, eqn: Eqn) -> None:
        """One node, or several where kept and reduced axes alternate: the last run of reduced axes goes first."""
        shape = operand.layout.shape
        dropped = [axis for axis in lowering.axes if shape[axis] == 1]
        kept = tuple(axis for axis in range(len(shape)) if axis not in dropped)
        seen = operand.seen(Remap(kept), tuple(shape[axis] for axis in kept))
        assert seen is not None
        operand, axes = seen, tuple(kept.index(axis) for axis in lowering.axes if axis not in dropped)
        operand, axes = _in_memory_order(operand, axes)
        if not axes:
            self._reduce_one(lowering, operand, eqn)
        while axes:
            shape = operand.layout.shape
            run = _last_run(shape, axes)
            if len(run) == len(shape) > 1 and shape[-1] >= _LONG_ROW:
                run = run[-1:]  # row by row, as what computes the rows does: then the two are one loop nest
            left = tuple(n for axis, n in enumerate(shape) if axis not in run)
            out = eqn.outvars[0] if run == axes else Var(shaped(left, eqn.outvars[0].aval.dtype))
            self._store(Node(replace(lowering, axes=run), (operand,), (out,), eqn))
            operand = Ref.whole(out)
            axes = tuple(axis - sum(a < axis for a in run) for axis in axes if axis not in run)

    def _reduce_one(self, lowering: Reduce, operand: Ref, eqn: Eqn) -> None:
        """The operand itself; but a sum begins with +0, so that of one -0 it is +0."""
        out = eqn.outvars[0]
        plus = pointwise("add")([out.aval] * 2, {})
        if lowering.combine != "add" or out.aval.dtype.kind not in "fc" or plus is None:
            self._refs[out] = operand
            return
        zero = Literal(out.aval.dtype.type(0), shaped((), out.aval.dtype))
        self._store(Node(plus, (operand, Ref.whole(zero)), (out,), eqn, "add"))


def _in_memory_order(operand: Ref, axes: tuple[int, ...]) -> tuple[Ref, tuple[int, ...]]:
    """An operand and the axes to reduce, so that memory is read in its order, if the kept axes stay in theirs."""
    strides = operand.layout.strides
    order = sorted(range(len(strides)), key=lambda axis: -abs(strides[axis]))
    kept = [axis for axis in order if axis not in axes]
    if 0 in strides or kept != sorted(kept):
        return operand, axes
    seen = operand.seen(Remap(tuple(order)), tuple(operand.layout.shape[axis] for axis in order))
    assert seen is not None
    return seen, tuple(sorted(map(order.index, axes)))


def _untransposed(lowering: Contract, operands: tuple[Ref, ...]) -> tuple[Contract, tuple[Ref, ...]]:
    """The same product, of the arrays that its operands are transposes of."""
    axes: list[tuple[int, ...]] = []
    plain: list[Ref] = []
    for ref in operands:
        order = _permutation(ref)
        axes.append(tuple(range(len(ref.layout.shape))) if order is None else order)
        plain.append(ref if order is None else replace(Ref.whole(ref.base), behind=ref.behind))

    def moved(pair: tuple[tuple[int, ...], tuple[int, ...]]) -> tuple[tuple[int, ...], tuple[int, ...]]:
        left, right = (tuple(order[axis] for axis in side) for order, side in zip(axes, pair, strict=True))
        return left, right

    same = Contract(moved(lowering.contracted), moved(lowering.batch), moved(lowering.free))
    return same, tuple(plain)


def _permutation(ref: Ref) -> tuple[int, ...] | None:
    """The axes of the base in the order in which the ref has them, if it is no more than a transpose."""
    shape = ref.base.aval.shape
    if ref.axes is None or len(ref.axes) != len(shape) or sorted(ref.layout.shape) != sorted(shape):
        return None
    units = iter([axis for axis, n in enumerate(shape) if n == 1])
    return tuple(next(units) if axis is None else axis for axis in ref.axes)


def _last_run(shape: Shape, axes: tuple[int, ...]) -> tuple[int, ...]:
    """The reduced axes that have no kept axis (longer than 1) between them, the last such run."""
    run: list[int] = []
    for axis in reversed(range(len(shape))):
        if axis in axes:
            run.append(axis)
        elif run and shape[axis] != 1:
            break
    return tuple(reversed(run))
