"""What is done to the elements of a matrix product at once: an epilogue, which takes them up while they are near.

An epilogue is a nest without reductions whose loops are the rows and the columns of the product's result; a convolution's has
rows for images and features, or for images and places. It is taken out of
the group that reads the result: those of its nodes that others want, and what these are made of, if nothing has to be
stored or read that was not before. Imports `groups`, `nodes` and `products`; start reading at `with_epilogue`.
"""

from __future__ import annotations

from collections.abc import Collection, Set

from functrans.compiler.groups import Group, ties
from functrans.compiler.nodes import Node
from functrans.compiler.products import Product, Split, possible_nodes, split
from functrans.core.ir import Var
from functrans.core.lowering import Contract
from functrans.core.lowering_windows import Convolve

__all__ = ["with_epilogue"]


def with_epilogue(node: Node, group: Group, wanted: Set[Var]) -> Split | None:
    """A product or a convolution with what of a group that reads its result can be its epilogue, if that is anything.

    `wanted` are the variables that others than the group read, or the caller.
    """
    tied = _tied(node, group)
    if tied is None:
        return None
    needed = _needed(node, group, frozenset(tied), wanted)
    if _costs_more(node, group, needed, wanted):
        return None
    (rows, loops), (result,) = _rows(node), node.outs
    parts = split(group, needed, tied, sum(n != 1 for n in result.aval.shape[:rows]), loops)
    if parts is None:
        return None
    epilogue, numbers, rest = parts
    return Split(Product(node, epilogue=epilogue), numbers, rest)


def _tied(node: Node, group: Group) -> list[int] | None:
    """The group's dimensions that the axes of the result are, in their order; None where it is not seen axis by axis."""
    product = Group.of(node)
    tied = ties(product, group)
    if not tied or len(tied) < len(product.dims):
        return None
    return [tied[dim] for dim in product.dims]


def _needed(node: Node, group: Group, whole: frozenset[int], wanted: Set[Var]) -> list[Node]:
    """The nodes over the whole result that are made of it and wanted, with those that they take."""
    possible = possible_nodes(group, whole)
    made_of_it = set(node.outs)
    for one in possible:
        if any(ref.base in made_of_it for ref in one.operands):
            made_of_it.update(one.outs)
    needed = {one for one in possible if made_of_it.intersection(one.outs) and not wanted.isdisjoint(one.outs)}
    for one in reversed(possible):
        if one in needed:
            needed.update(group.makers[ref.base] for ref in one.operands if ref.base in group.makers)
    return [one for one in possible if one in needed]


def _costs_more(node: Node, group: Group, needed: Collection[Node], wanted: Set[Var]) -> bool:
    """Whether what is left of the group would read what nobody else wants, or the result itself once more."""
    is_number = possible_nodes(group, frozenset())
    made = {var for one in needed if one not in is_number for var in one.outs}.difference(wanted).union(node.outs)
    rest = (one for one in group.nodes if one not in needed)
    return any(ref.base in made for one in rest for ref in one.operands)


def _rows(node: Node) -> tuple[int, int]:
    """How many of the result's axes are those of rows, and how many loops may go over them.

    Of a product all axes but the right operand's own; a column is seen as a row. Of a convolution, whose features of an image
    are done together, images and features, or where features are the last axis, all others.
    """
    if isinstance(node.lowering, Convolve):
        return (2, 2) if node.lowering.has_features_first else (len(node.lowering.specs[2]) - 1, 1)
    assert isinstance(node.lowering, Contract)
    batch, left, right = len(node.lowering.batch[0]), *map(len, node.lowering.free)
    shape = node.outs[0].aval.shape
    is_column = all(n == 1 for n in shape[batch + left :]) and any(n != 1 for n in shape[batch : batch + left])
    return batch if is_column else len(shape) - right, 1
