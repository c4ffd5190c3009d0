"""A matrix product and what is done to its elements at once: an epilogue, which takes them up while they are near.

An epilogue is a nest without reductions whose loops are the rows and the columns of the product's result. It is taken out of
the group that reads the result: those of its nodes that others want, and what these are made of, if nothing has to be
stored or read that was not before. Imports `groups`, `nodes` and `nest`; start reading at `with_epilogue`.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence, Set
from dataclasses import dataclass

from functrans.compiler.groups import Coords, Group, is_nest, ties
from functrans.compiler.layout import Ref
from functrans.compiler.nest import make_nest
from functrans.compiler.nodes import Copy, Node
from functrans.core.ir import Var
from functrans.core.lowering import Contract, Reduce
from functrans.record import Record, replace

__all__ = ["Product", "Split", "with_epilogue"]


@dataclass(eq=False, slots=True)
class Product:
    """A product with an epilogue, which alone reads its result: that is never stored."""

    node: Node
    epilogue: Group
    rows: int
    """How many of the epilogue's dimensions, the first ones, are those of the result's rows."""

    @property
    def nodes(self) -> list[Node]:
        return [self.node, *self.epilogue.nodes]

    def keeping_result(self) -> Product:
        """The same with an epilogue that stores the result itself, too, for others."""
        (result,), group = self.node.outs, self.epilogue
        sums = Var(result.aval)
        copy = Node(Copy(), (Ref.whole(sums),), (result,), self.node.eqn)
        axes = iter(group.dims)
        coords = {copy: tuple(None if n == 1 else next(axes) for n in result.aval.shape)}
        for node in group.nodes:
            refs = tuple(replace(ref, base=sums) if ref.base is result else ref for ref in node.operands)
            coords[replace(node, operands=refs)] = group.coords[node]
        epilogue = Group.over(list(coords), group.dims, group.sizes, coords, None)
        return Product(replace(self.node, outs=(sums,)), epilogue, self.rows)


class Split(Record):
    """A product with a part of a group as its epilogue, and what is left of the group: numbers, which are computed before
    the product, and the rest, which comes after it."""

    product: Product
    numbers: Group | None
    rest: Group | None


def with_epilogue(node: Node, group: Group, wanted: Set[Var]) -> Split | None:
    """A product with what of a group that reads its result can be its epilogue, if that is anything.

    `wanted` are the variables that others than the group read, or the caller.
    """
    tied = _tied(node, group)
    if tied is None:
        return None
    chosen, numbers = _chosen(node, group, frozenset(tied), wanted)
    rest = [one for one in group.nodes if one not in chosen and one not in numbers]
    if not chosen or _costs_more(node, chosen, rest, wanted):
        return None
    rows, (result,) = _rows(node), node.outs
    coords = {one: group.coords[one] for one in chosen}
    sizes = {dim: group.sizes[dim] for dim in tied}
    epilogue = Group.over(list(chosen), tied, sizes, coords, None)
    product = Product(node, epilogue, sum(n != 1 for n in result.aval.shape[:rows]))
    left = _part(group, rest)
    if not _is_by_rows(product) or not (left is None or is_nest(left)):
        return None
    return Split(product, _part(group, list(numbers)), left)


def _tied(node: Node, group: Group) -> list[int] | None:
    """The group's dimensions that the axes of the result are, in their order; None where it is not seen axis by axis."""
    product = Group.of(node)
    tied = ties(product, group)
    if not tied or len(tied) < len(product.dims):
        return None
    return [tied[dim] for dim in product.dims]


def _chosen(
    node: Node, group: Group, whole: frozenset[int], wanted: Set[Var]
) -> tuple[dict[Node, None], dict[Node, None]]:
    """The nodes over the whole result that are made of it and wanted, with those that they take; the numbers among these."""
    possible: dict[Node, Coords] = {}
    made_of_it = set(node.outs)
    for one in group.nodes:
        coords = group.coords[one]
        dims = frozenset(dim for dim in coords if dim is not None)
        makers = [group.makers[ref.base] for ref in one.operands if ref.base in group.makers]
        if not isinstance(one.lowering, Reduce) and dims in (whole, frozenset()) and all(m in possible for m in makers):
            possible[one] = coords
            if any(ref.base in made_of_it for ref in one.operands):
                made_of_it.update(one.outs)
    needed = {one for one in possible if made_of_it.intersection(one.outs) and not wanted.isdisjoint(one.outs)}
    for one in reversed(possible):
        if one in needed:
            needed.update(group.makers[ref.base] for ref in one.operands if ref.base in group.makers)
    is_number = {one: all(dim is None for dim in coords) for one, coords in possible.items()}
    chosen = [one for one in possible if one in needed]
    return (
        dict.fromkeys(one for one in chosen if not is_number[one]),
        dict.fromkeys(one for one in chosen if is_number[one]),
    )


def _costs_more(node: Node, chosen: Collection[Node], rest: Sequence[Node], wanted: Set[Var]) -> bool:
    """Whether what is left of the group would read what nobody else wants, or the result itself once more."""
    made = {var for one in chosen for var in one.outs}.difference(wanted).union(node.outs)
    return any(ref.base in made for one in rest for ref in one.operands)


def _rows(node: Node) -> int:
    """How many of the result's axes are those of rows: all but the right operand's own. A column is seen as a row."""
    assert isinstance(node.lowering, Contract)
    batch, left, right = len(node.lowering.batch[0]), *map(len, node.lowering.free)
    shape = node.outs[0].aval.shape
    is_column = all(n == 1 for n in shape[batch + left :]) and any(n != 1 for n in shape[batch : batch + left])
    return batch if is_column else len(shape) - right


def _is_by_rows(product: Product) -> bool:
    """Whether rows are one loop and columns another, along which operands and results lie in order or repeat an element.

    Across the order of memory a nest of its own is faster: it goes in blocks.
    """
    nest = make_nest(product.epilogue, {var for node in product.epilogue.nodes for var in node.outs}, product.rows)
    if len(nest.lead) > 1 or len(nest.inner) != 1:
        return False
    accesses = (*nest.reads, *(store.access for store in nest.stores))
    return all(access.strides[-1] in (0, 1) for access in accesses)


def _part(group: Group, nodes: list[Node]) -> Group | None:
    """A group of some of the nodes, if there are any."""
    if not nodes:
        return None
    coords = {node: group.coords[node] for node in nodes}
    used = {dim for one in coords.values() for dim in one}
    dims = [dim for dim in group.dims if dim in used]
    outer = None if group.outer is None else group.outer & frozenset(dims)
    return Group.over(nodes, dims, {dim: group.sizes[dim] for dim in dims}, coords, outer)
