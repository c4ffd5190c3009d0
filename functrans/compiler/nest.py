"""A loop nest as data: what a group becomes, for a backend to write as code.

Loops run over three runs of dimensions, each collapsed as far as the strides allow: `lead`, `inner`, `last`. A row nest has no
`last`: for each index of `lead` come passes over `inner`, of which each may reduce all of it to one element, or add it to a row
of results over `inner`, which is complete after all of `lead`. In a column nest there is one pass, which adds (or otherwise
combines) rows over `last` along `inner`. Imports `groups`; start reading at `Nest`.
"""

from __future__ import annotations

from typing import Literal as OneOf
from typing import TypeAlias

from functrans.compiler.groups import Group
from functrans.compiler.layout import Ref, contiguous_strides
from functrans.compiler.nodes import Node
from functrans.core.ir import Literal, Var
from functrans.core.lowering import Pointwise, Reduce
from functrans.record import Record, replace
from functrans.typing import Shape

__all__ = ["Access", "Fused", "Level", "Nest", "Op", "Operand", "Pass", "Store", "Work", "make_nest"]

_MOST_AGAIN = 8
"""Operations that are computed once more in a later pass rather than stored and loaded."""

Level: TypeAlias = OneOf["once", "outer", "full", "columns", "end"]
"""Where an operation runs: before all loops, for each index of the outer ones, of all; or after the loops, for each index of
the inner ones (`columns`) or as a number (`end`)."""


class Access(Record):
    """Elements of a stored value: where the one of each loop index lies, counted in elements."""

    base: Var
    strides: tuple[int, ...]
    """One per loop, in loop order."""
    offset: int


class Result(Record):
    """What another operation of the nest computes."""

    op: int


Operand: TypeAlias = Access | Result | Literal


class Op(Record):
    """One operation on elements, or a reduction of what it is given."""

    node: Node
    level: Level
    stage: int
    """The pass it belongs to; of an outer one, the pass before which it runs."""
    operands: tuple[Operand, ...]
    is_across: bool
    """Whether it reduces over the outer loops and not over the inner ones."""

    @property
    def reduces(self) -> Reduce | None:
        return self.node.lowering if isinstance(self.node.lowering, Reduce) else None


class Store(Record):
    """Where the result of an operation goes."""

    op: int
    access: Access


class Pass(Record):
    """One traversal of the inner loops."""

    reloads: tuple[int, ...]
    """Operations of earlier passes whose stored results are read again."""
    ops: tuple[int, ...]
    """What is computed, some of it once more, in order."""


class Nest(Record):
    """A loop nest."""

    lead: Shape
    inner: Shape
    last: Shape
    ops: tuple[Op, ...]
    passes: tuple[Pass, ...]
    stores: tuple[Store, ...]
    scratch: tuple[Var, ...]
    """Values of one traversal, kept for a later pass: as large as `inner`, and used anew for each index of `lead`."""

    @property
    def is_column(self) -> bool:
        return bool(self.last)

    @property
    def reads(self) -> tuple[Access, ...]:
        accesses = (operand for op in self.ops for operand in op.operands if isinstance(operand, Access))
        return tuple(dict.fromkeys(accesses))

    @property
    def outs(self) -> tuple[Var, ...]:
        """The values it stores for others."""
        return tuple(store.access.base for store in self.stores if store.access.base not in self.scratch)


class Fused(Record):
    """A matrix product, or a convolution, with nests that run inside it, block by block.

    The prologue makes the elements of the right operand, the epilogue makes of the elements of the result what is stored. Each
    has at most one loop of `lead`, over the rows of that matrix, and one of `inner`, over its columns. An epilogue of a
    convolution may have two over its rows, images and features.
    """

    product: Node
    prologue: Nest | None
    epilogue: Nest | None

    @property
    def nests(self) -> tuple[Nest, ...]:
        return tuple(nest for nest in (self.prologue, self.epilogue) if nest is not None)

    @property
    def made(self) -> Var | None:
        """What the prologue hands to the product."""
        return None if self.prologue is None else self.prologue.outs[0]

    @property
    def result(self) -> Var:
        """What the product hands to the epilogue, or stores."""
        return self.product.outs[0]

    @property
    def operands(self) -> tuple[Var, ...]:
        """What the product reads from memory."""
        bases = (ref.base for ref in self.product.operands if isinstance(ref.base, Var))
        return tuple(base for base in bases if base is not self.made)

    @property
    def reads(self) -> tuple[Access, ...]:
        """What the nests read from memory."""
        accesses = (access for nest in self.nests for access in nest.reads)
        return tuple(dict.fromkeys(access for access in accesses if access.base is not self.result))

    @property
    def outs(self) -> tuple[Var, ...]:
        return self.product.outs if self.epilogue is None else self.epilogue.outs


Work: TypeAlias = Nest | Node | Fused
"""What is done at once: a loop nest, a kernel or a callback, a product or a convolution with nests inside it."""


def make_nest(group: Group, wanted: set[Var], lead: int = 0) -> Nest:
    """The nest of a group that stores the variables of `wanted`. Without reductions, `lead` dimensions are outer loops."""
    return _Maker(group, wanted, lead).nest()


class _Maker:
    def __init__(self, group: Group, wanted: set[Var], lead: int) -> None:
        self._group = group
        self._wanted = wanted
        self._numbers = {var: Result(i) for i, node in enumerate(group.nodes) for var in node.outs}
        inner = group.inner if group.outer is not None else group.dims[lead:]
        first = group.dims.index(inner[0]) if inner else len(group.dims)
        self._runs = [group.dims[:first], inner, group.dims[first + len(inner) :]]
        self._stages = group.stages()
        self._late = group.late()
        self._ops = [self._op(node) for node in group.nodes]
        self._again = self._computed_again()
        self._scratch: list[Var] = []

    def nest(self) -> Nest:
        passes = self._passes()
        stores = [self._store(i) for i, op in enumerate(self._ops) if op.node.outs[0] in self._wanted]
        stores += [self._scratch_store(var) for var in self._scratch]
        sizes, ops, stores = self._collapsed(stores)
        lead, inner, last = sizes
        return Nest(lead, inner, last, tuple(ops), passes, tuple(stores), tuple(self._scratch))

    # ---- operations ----

    def _op(self, node: Node) -> Op:
        operands = tuple(self._operand(node, ref) for ref in node.operands)
        return Op(node, self._level(node), self._stages[node], operands, self._group.is_across(node))

    def _level(self, node: Node) -> Level:
        is_number = all(dim is None for dim in self._group.coords[node])
        if node in self._late:
            return "end" if is_number else "columns"
        if self._group.is_full(node):
            return "full"
        return "once" if is_number and self._group.outer else "outer"

    def _operand(self, node: Node, ref: Ref) -> Operand:
        if isinstance(ref.base, Literal):
            return ref.base
        if ref.base in self._numbers:
            return self._numbers[ref.base]
        along = dict(zip(self._group.coords[node], ref.layout.strides, strict=True)) if ref.layout.shape else {}
        return Access(ref.base, tuple(along.get(dim, 0) for dim in self._dims), ref.layout.offset)

    @property
    def _dims(self) -> list[int]:
        return [dim for run in self._runs for dim in run]

    def _store(self, number: int) -> Store:
        node = self._ops[number].node
        coords = self._group.out_coords(node)
        along = dict(zip(coords, contiguous_strides(node.outs[0].aval.shape), strict=True))
        return Store(number, Access(node.outs[0], tuple(along.get(dim, 0) for dim in self._dims), 0))

    def _scratch_store(self, var: Var) -> Store:
        inner = self._runs[1]
        along = dict(zip(inner, contiguous_strides(tuple(self._group.sizes[d] for d in inner)), strict=True))
        return Store(self._numbers[var].op, Access(var, tuple(along.get(dim, 0) for dim in self._dims), 0))

    # ---- passes ----

    def _passes(self) -> tuple[Pass, ...]:
        full = [i for i, op in enumerate(self._ops) if op.level == "full"]
        count = max((self._ops[i].stage for i in full), default=-1) + 1
        passes = [self._pass(stage, [i for i in full if self._ops[i].stage == stage]) for stage in range(count)]
        return tuple(self._needed(stage, one) for stage, one in enumerate(passes))

    def _needed(self, stage: int, one: Pass) -> Pass:
        """A pass without what only later ones need: they compute it again."""
        needed, used = set[int](), set[int]()
        todo = [i for i in one.ops if self._ops[i].reduces or (self._ops[i].stage == stage and self._is_stored(i))]
        while todo:
            number = todo.pop()
            if number not in needed:
                needed.add(number)
                operands = self._ops[number].operands
                used.update(x.op for x in operands if isinstance(x, Result))
                todo += used & {*one.ops} - needed
        return Pass(tuple(i for i in one.reloads if i in used), tuple(sorted(needed)))

    def _is_stored(self, number: int) -> bool:
        var = self._ops[number].node.outs[0]
        return var in self._wanted or var in self._scratch

    def _pass(self, stage: int, own: list[int]) -> Pass:
        reloads: set[int] = set()
        again: set[int] = set()
        todo = list(own)
        while todo:
            for operand in self._ops[todo.pop()].operands:
                if not isinstance(operand, Result) or operand.op in again or operand.op in reloads:
                    continue
                op = self._ops[operand.op]
                if op.level != "full" or op.stage == stage or op.reduces:
                    continue
                var = op.node.outs[0]
                if not self._is_stored(operand.op) and self._again[operand.op] is not None:
                    again.add(operand.op)
                    todo.append(operand.op)
                    continue
                reloads.add(operand.op)
                if not self._is_stored(operand.op):
                    self._scratch.append(var)
        return Pass(tuple(sorted(reloads)), tuple(sorted({*own, *again})))

    def _computed_again(self) -> list[frozenset[int] | None]:
        """For each full operation those that computing it again takes; None where to store and load it costs less."""
        found: list[frozenset[int] | None] = []
        for number, op in enumerate(self._ops):
            lowering = op.node.lowering
            is_dear = isinstance(lowering, Pointwise) and lowering.cost > 1
            makers = [operand.op for operand in op.operands if isinstance(operand, Result)]
            parts = [found[i] for i in makers if self._ops[i].level == "full" and not self._ops[i].reduces]
            known = [part for part in parts if part is not None]
            all_of_it = frozenset({number}).union(*known)
            is_dear |= len(known) < len(parts) or len(all_of_it) > _MOST_AGAIN
            found.append(None if is_dear else all_of_it)
        return found

    # ---- fewer loops ----

    def _collapsed(self, stores: list[Store]) -> tuple[list[Shape], list[Op], list[Store]]:
        """Neighbouring loops as one, where every access walks through both with one stride."""
        dims = self._dims
        accesses = [a for op in self._ops for a in op.operands if isinstance(a, Access)]
        accesses += [store.access for store in stores]
        kept: list[int] = []  # positions in dims; each stands for those before it that go with it
        sizes: list[Shape] = []
        for run in self._runs:
            found: list[list[int]] = []
            positions = [dims.index(dim) for dim in run]
            for position in positions:
                size = self._group.sizes[dims[position]]
                if found and all(a.strides[found[-1][0]] == a.strides[position] * size for a in accesses):
                    found[-1] = [position, found[-1][1] * size]
                else:
                    found.append([position, size])
            kept += [position for position, _ in found]
            sizes.append(tuple(size for _, size in found))

        def narrowed(access: Access) -> Access:
            return Access(access.base, tuple(access.strides[k] for k in kept), access.offset)

        ops = [
            replace(op, operands=tuple(narrowed(a) if isinstance(a, Access) else a for a in op.operands))
            for op in self._ops
        ]
        return sizes, ops, [Store(store.op, narrowed(store.access)) for store in stores]
