"""A group: nodes that one loop nest computes, and the dimensions they share. What makes two groups one.

The nest has outer loops and, inside them, one or more passes over the inner loops. A node runs at one of three levels: over
all dimensions, over the outer ones only (what a reduction gives, and what is made of it), or once (numbers). Only
dimensions longer than 1 count. Imports `nodes`; start reading at `Group`, then `aligned`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from functrans.compiler.layout import Ref
from functrans.compiler.nodes import Node
from functrans.core.ir import Var
from functrans.core.lowering import Reduce

__all__ = ["Alignment", "Coords", "Group", "aligned", "merged", "shared_ties", "ties"]

Coords = tuple[int | None, ...]
"""For each axis of a node's shape the group's dimension that it runs along; None where the axis has length 1."""

_MOST_NODES = 160
_MOST_BUFFERS = 40


@dataclass(eq=False, slots=True)
class Group:
    nodes: list[Node]
    dims: list[int]
    """In loop order, as names: a dimension keeps its name when others come and go."""
    sizes: dict[int, int]
    coords: dict[Node, Coords]
    outer: frozenset[int] | None
    """None as long as all nodes run over all dimensions."""

    @staticmethod
    def of(node: Node) -> Group:
        coords = tuple(None if n == 1 else axis for axis, n in enumerate(node.shape))
        dims = [dim for dim in coords if dim is not None]
        outer = frozenset(dims) - set(node.reduced) if isinstance(node.lowering, Reduce) else None
        return Group([node], dims, {dim: node.shape[dim] for dim in dims}, {node: coords}, outer)

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

    def stages(self) -> dict[Node, int]:
        """For each node the pass over the inner loops that it belongs to; of an outer one, the pass before which it runs."""
        stage: dict[Node, int] = {}
        makers = {var: node for node in self.nodes for var in node.outs}
        for node in self.nodes:
            stage[node] = max((self._ready(makers.get(ref.base), stage) for ref in node.operands), default=0)  # type: ignore[arg-type]  # a literal is no key
        return stage

    def _ready(self, maker: Node | None, stage: Mapping[Node, int]) -> int:
        if maker is None:
            return 0
        return stage[maker] + isinstance(maker.lowering, Reduce)


def _dims(coords: Iterable[int | None]) -> set[int]:
    return {dim for dim in coords if dim is not None}


# ---- merging ----

Ties = dict[int, int]
"""Dimensions of one group that are dimensions of another."""


def ties(producer: Group, consumer: Group) -> Ties | None:
    """What the values that go from one group to the other say; None where they are not seen axis by axis."""
    makers = {var: node for node in producer.nodes for var in node.outs}
    pairs: list[tuple[int, int]] = []
    for node in consumer.nodes:
        for ref in node.operands:
            maker = makers.get(ref.base) if isinstance(ref.base, Var) else None
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


@dataclass(frozen=True, slots=True)
class Alignment:
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
        if first.outer != frozenset(tied) or second.outer not in (None, frozenset(back)):
            return None
        if [first.sizes[d] for d in free_first] != [second.sizes[d] for d in free_second]:
            return None
        both = {**tied, **dict(zip(free_first, free_second, strict=True))}
        return Alignment(both, frozenset(back), False)
    if free_first:  # the second is made of what the first's reductions give
        if first.outer != frozenset(tied) or second.outer is not None:
            return None
        return Alignment(tied, first.outer, True)
    if free_second:  # the first is repeated along inner dimensions of the second
        if first.outer is not None or second.outer not in (None, frozenset(back)):
            return None
        if second.outer is None and second.dims[: len(back)] != [d for d in second.dims if d in back]:
            return None
        return Alignment(tied, frozenset(back), False)
    outer = None if first.outer is None else frozenset(tied[dim] for dim in first.outer)
    if outer is not None and second.outer not in (None, outer):
        return None
    return Alignment(tied, second.outer if outer is None else outer, False)


def merged(first: Group, second: Group, how: Alignment) -> Group | None:
    """One group of two, or None where no nest computes it."""
    if how.is_first_wider:
        rename = {b: a for a, b in how.ties.items()}
        narrow, wide = second, first
    else:
        rename, narrow, wide = how.ties, first, second
    coords = dict(wide.coords)
    for node, old in narrow.coords.items():
        coords[node] = tuple(None if dim is None else rename[dim] for dim in old)
    group = Group([*first.nodes, *second.nodes], wide.dims, wide.sizes, coords, how.outer)
    return group if _is_nest(group) else None


def _is_nest(group: Group) -> bool:
    if (
        len(group.nodes) > _MOST_NODES
        or len({ref.base for node in group.nodes for ref in node.operands}) > _MOST_BUFFERS
    ):
        return False
    if group.outer is None:
        return True
    levels: tuple[set[int], ...] = (set(group.dims), set(group.outer), set())
    if any(_dims(group.coords[node]) not in levels for node in group.nodes):
        return False
    inner = group.inner
    for node in group.nodes:
        if isinstance(node.lowering, Reduce) and {group.coords[node][axis] for axis in node.reduced} != set(inner):
            return False
    if not group.is_column:
        return group.dims[len(group.dims) - len(inner) :] == inner
    return _is_column_nest(group)


def _is_column_nest(group: Group) -> bool:
    """Rows are added to a row of results: one pass, which reads nothing that is made of the outer dimensions alone."""
    start = group.dims.index(group.inner[0])
    if group.dims[start : start + len(group.inner)] != group.inner:
        return False
    outer_vars = {var for node in group.nodes if not group.is_full(node) for var in node.outs}
    full = [node for node in group.nodes if group.is_full(node)]
    reads = {ref.base for node in full for ref in node.operands}
    stages = group.stages()
    return all(stages[node] == 0 for node in full) and not reads & outer_vars
