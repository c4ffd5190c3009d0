"""A group: nodes that one loop nest computes, and the dimensions they share. What makes two groups one.

The nest has outer loops and, inside them, one or more passes over the inner loops. A node runs over all dimensions, over the
outer ones only (what a reduction gives, and what is made of it), or once (numbers). A reduction may also go across the
outer loops: its results are there when all loops are done, and what is made of them is late. Only dimensions longer than 1
count. Imports `nodes`; start reading at `Group`, then `aligned`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from math import prod

from functrans.compiler.layout import Ref
from functrans.compiler.nodes import Node
from functrans.core.ir import Var
from functrans.core.lowering import Reduce
from functrans.record import Record

__all__ = ["Alignment", "Coords", "Group", "aligned", "is_nest", "merged", "shared_ties", "ties"]

Coords = tuple[int | None, ...]
"""For each axis of a node's shape the group's dimension that it runs along; None where the axis has length 1."""

_MOST_NODES = 1000
_MOST_BUFFERS = 40
_MOST_COLUMNS = 1 << 14
"""Elements of a result that is added up in the cache while rows are worked on."""


@dataclass(eq=False, slots=True)
class Group:
    nodes: list[Node]
    dims: list[int]
    """In loop order, as names: a dimension keeps its name when others come and go."""
    sizes: dict[int, int]
    coords: dict[Node, Coords]
    outer: frozenset[int] | None
    """None as long as all nodes run over all dimensions."""
    makers: dict[Var, Node]
    """Of the variables that it computes."""
    reads: set[Var]
    """The variables that it takes from others."""

    @staticmethod
    def of(node: Node) -> Group:
        coords = tuple(None if n == 1 else axis for axis, n in enumerate(node.shape))
        dims = [dim for dim in coords if dim is not None]
        outer = frozenset(dims) - set(node.reduced) if isinstance(node.lowering, Reduce) else None
        return Group.over([node], dims, {dim: node.shape[dim] for dim in dims}, {node: coords}, outer)

    @staticmethod
    def over(
        nodes: list[Node],
        dims: list[int],
        sizes: dict[int, int],
        coords: dict[Node, Coords],
        outer: frozenset[int] | None,
    ) -> Group:
        """A group of nodes; what it computes and reads follows from them."""
        makers = {var: node for node in nodes for var in node.outs}
        reads = {ref.base for node in nodes for ref in node.operands if isinstance(ref.base, Var)}
        return Group(nodes, dims, sizes, coords, outer, makers, reads - makers.keys())

    @property
    def inner(self) -> list[int]:
        return [] if self.outer is None else [dim for dim in self.dims if dim not in self.outer]

    def out_coords(self, node: Node) -> Coords:
        """Of a node's result."""
        return tuple(dim for axis, dim in enumerate(self.coords[node]) if axis not in node.reduced)

    def is_full(self, node: Node) -> bool:
        """Whether a node runs over all dimensions."""
        return len(_dims(self.coords[node])) == len(self.dims)

    @property
    def is_column(self) -> bool:
        """Whether the fastest dimension is an outer one: a reduction over leading axes."""
        return bool(self.inner) and self.dims[-1] not in self.inner

    def is_across(self, node: Node) -> bool:
        """Whether a node reduces over the outer loops."""
        return bool(self.outer and node.reduced) and self.reduced(node) == self.outer

    def reduced(self, node: Node) -> frozenset[int]:
        """The dimensions that a node reduces."""
        coords = self.coords[node]
        return _dims(tuple(coords[axis] for axis in node.reduced))

    def late(self) -> set[Node]:
        """The nodes of a row nest that are computed when all loops are done: those made of reductions across."""
        late: set[Node] = set()
        if not self.outer or self.is_column:
            return late
        inner, whole, done = frozenset(self.inner), frozenset(self.dims), set[Var]()
        for node in self.nodes:
            is_row = inner != whole and _dims(self.coords[node]) == inner
            if is_row or (done and any(ref.base in done for ref in node.operands)):
                late.add(node)
            if node in late or self.is_across(node):
                done.update(node.outs)
        return late

    def stages(self) -> dict[Node, int]:
        """For each node the pass over the inner loops that it belongs to; of an outer one, the pass before which it runs."""
        stage: dict[Node, int] = {}
        for node in self.nodes:
            stage[node] = max((self._ready(self.makers.get(ref.base), stage) for ref in node.operands), default=0)  # type: ignore[arg-type]  # a literal is no key
        return stage

    def _ready(self, maker: Node | None, stage: Mapping[Node, int]) -> int:
        if maker is None:
            return 0
        return stage[maker] + isinstance(maker.lowering, Reduce)


@lru_cache(1 << 12)
def _dims(coords: Coords) -> frozenset[int]:
    return frozenset(dim for dim in coords if dim is not None)


# ---- merging ----

Ties = dict[int, int]
"""Dimensions of one group that are dimensions of another."""


def ties(producer: Group, consumer: Group) -> Ties | None:
    """What the values that go from one group to the other say; None where they are not seen axis by axis."""
    pairs: list[tuple[int, int]] = []
    for node in consumer.nodes:
        for ref in node.operands:
            maker = producer.makers.get(ref.base) if isinstance(ref.base, Var) else None
            if maker is None:
                continue
            if ref.axes is None:
                return None
            pairs += _pairs(producer.out_coords(maker), ref, consumer.coords[node])
    return _bijection(pairs)


def _pairs(base: Coords, ref: Ref, coords: Coords) -> Iterator[tuple[int, int]]:
    for axis, dim in zip(ref.axes or (), coords if ref.layout.shape else (), strict=True):
        if axis is not None:
            there = base[axis]
            assert there is not None
            assert dim is not None
            yield there, dim


def _bijection(pairs: Iterable[tuple[int, int]]) -> Ties | None:
    forward: Ties = {}
    back: Ties = {}
    for a, b in pairs:
        if forward.setdefault(a, b) != b or back.setdefault(b, a) != a:
            return None
    return forward


def shared_ties(first: Group, second: Group) -> Ties | None:
    """What values that both groups read say about their dimensions; None where there are none."""
    pairs: list[tuple[int, int]] = []
    for node in first.nodes:
        for ref in node.operands:
            for other in second.nodes:
                for ref2 in other.operands:
                    if ref.base is ref2.base and ref.axes and ref2.axes and ref.layout.shape and ref2.layout.shape:
                        mine = dict(zip(ref.axes, first.coords[node], strict=True))
                        theirs = dict(zip(ref2.axes, second.coords[other], strict=True))
                        both = [axis for axis in mine if axis is not None and axis in theirs]
                        pairs += [(mine[axis], theirs[axis]) for axis in both]  # type: ignore[misc]  # such axes have dims
    return _bijection(pairs) if pairs else None


class Alignment(Record):
    """How two groups are one: the first's dimensions as the second's (names of its own get a new one), and the outer."""

    ties: Ties
    outer: frozenset[int] | None
    """In the names of the second group, or of the first where it is tied to none."""
    is_first_wider: bool


def aligned(first: Group, second: Group, tied: Ties) -> Alignment | None:
    """How the loops of two groups are brought together, if they can be; `first` comes before in the program."""
    back = {b: a for a, b in tied.items()}
    free_first = [dim for dim in first.dims if dim not in tied]
    free_second = [dim for dim in second.dims if dim not in back]
    if not first.dims and second.dims:
        return Alignment({}, second.outer, False)  # numbers: computed once, before the loops
    if free_first and free_second:  # reductions, and what runs over their dimensions again
        outer = _common_outer(frozenset(back), second)
        if first.outer != frozenset(tied) or outer is None:
            return None
        if [first.sizes[d] for d in free_first] != [second.sizes[d] for d in free_second]:
            return None
        both = {**tied, **dict(zip(free_first, free_second, strict=True))}
        return Alignment(both, outer, False)
    if free_first:
        return Alignment(tied, first.outer, True) if _is_made_of_reductions(first, second, tied) else None
    if free_second:  # the first is repeated along inner dimensions of the second
        if first.outer or second.outer not in (None, frozenset(back)):
            return None
        if second.outer is None and second.dims[: len(back)] != [d for d in second.dims if d in back]:
            return None
        return Alignment(tied, frozenset(back), False)
    if first.outer is None:
        return Alignment(tied, second.outer, False)
    outer = _common_outer(frozenset(tied[dim] for dim in first.outer), second)
    return None if outer is None else Alignment(tied, outer, False)


def _common_outer(outer: frozenset[int], second: Group) -> frozenset[int] | None:
    """The outer dimensions of a group with some and a second: where one sums rows and the other columns, those of rows."""
    if second.outer in (None, outer):
        return outer
    if outer | second.outer == frozenset(second.dims) and not outer & second.outer:
        return second.outer if second.dims[-1] in outer else outer
    return None


def _is_made_of_reductions(first: Group, second: Group, tied: Ties) -> bool:
    """Whether the second runs over what reductions of the first leave: of each row, of each column, or of everything."""
    if first.outer == frozenset(tied):
        return not second.outer
    return first.outer is not None and second.outer is None and set(tied) in (set(first.inner), set())


def merged(first: Group, second: Group, how: Alignment) -> Group | None:
    """One group of two, or None where no nest computes it."""
    if how.is_first_wider:
        rename = {b: a for a, b in how.ties.items()}
        narrow, wide = second, first
    else:
        rename, narrow, wide = how.ties, first, second
    if len(first.nodes) + len(second.nodes) > _MOST_NODES:
        return None
    added = narrow.coords
    if any(a != b for a, b in rename.items()):
        added = {node: tuple(None if dim is None else rename[dim] for dim in old) for node, old in added.items()}
    makers = first.makers | second.makers
    reads = (first.reads | second.reads) - makers.keys()
    nodes = [*first.nodes, *second.nodes]
    group = Group(nodes, wide.dims, wide.sizes, wide.coords | added, how.outer, makers, reads)
    return group if is_nest(group) else None


def is_nest(group: Group) -> bool:
    """Whether some nest computes it."""
    if len(group.reads) > _MOST_BUFFERS:
        return False
    if group.outer is None:
        return True
    levels = (frozenset(group.dims), group.outer, frozenset[int]())
    if group.is_column:
        return all(_dims(group.coords[node]) in levels for node in group.nodes) and _is_column_nest(group)
    return group.dims[len(group.dims) - len(group.inner) :] == group.inner and _is_row_nest(group, levels)


def _is_row_nest(group: Group, levels: tuple[frozenset[int], ...]) -> bool:
    """Rows are reduced as a whole, or added to rows of results, which nothing reads before all loops are done."""
    inner, late = frozenset(group.inner), group.late()
    for node in group.nodes:
        over = _dims(group.coords[node])
        if over not in ((inner, frozenset[int]()) if node in late else levels):
            return False
        if not isinstance(node.lowering, Reduce):
            continue
        reduced = group.reduced(node)
        is_of_rows = reduced == inner
        if node in late or not (is_of_rows or reduced == group.outer) or (is_of_rows and not group.is_full(node)):
            return False
        if reduced == group.outer and prod(group.sizes[dim] for dim in inner & over) > _MOST_COLUMNS:
            return False
    return True


def _is_column_nest(group: Group) -> bool:
    """Rows are added to a row of results: one pass, which reads nothing that is made of the outer dimensions alone."""
    for node in group.nodes:
        if node.reduced and group.reduced(node) != frozenset(group.inner):
            return False
    start = group.dims.index(group.inner[0])
    if group.dims[start : start + len(group.inner)] != group.inner:
        return False
    outer_vars = {var for node in group.nodes if not group.is_full(node) for var in node.outs}
    full = [node for node in group.nodes if group.is_full(node)]
    reads = {ref.base for node in full for ref in node.operands}
    stages = group.stages()
    return all(stages[node] == 0 for node in full) and not reads & outer_vars
