"""What makes the right operand of a matrix product, element by element: a prologue, which is computed as the operand is packed.

A large product copies its right operand block by block into the order in which it reads it, each block once. A prologue makes
the elements of a block there and then, so that the operand itself is never stored. It is all that nobody but the product
wants of the group that makes the operand. Imports `groups`, `nodes` and `products`; start reading at `with_prologue`.
"""

from __future__ import annotations

from collections.abc import Set

from functrans.compiler.groups import Group
from functrans.compiler.nodes import Node
from functrans.compiler.products import Product, Split, possible_nodes, split
from functrans.core.ir import Var
from functrans.core.lowering import Contract, Pointwise

__all__ = ["with_prologue"]

_LIGHT = 8
"""What an element may cost, in additions: what is dear is computed faster along whole rows. An exponential for each of 512² took
1.05 times as long."""


def with_prologue(product: Product, group: Group, wanted: Set[Var]) -> Split | None:
    """A product with what of a group makes its right operand, if all of that can be its prologue.

    `wanted` are the variables of the group that others than the product read, or the caller.
    """
    operand, rows = product.operand, _rows(product.node)
    dims = [dim for dim in group.out_coords(group.makers[operand]) if dim is not None]
    possible = possible_nodes(group, frozenset(dims))
    needed = {group.makers[operand]}
    for one in reversed(group.nodes):
        if one in needed:
            needed.update(group.makers[ref.base] for ref in one.operands if ref.base in group.makers)
    full = [one for one in needed if not possible.get(one, False)]
    if sum(one.lowering.cost for one in full if isinstance(one.lowering, Pointwise)) > _LIGHT:
        return None
    kept = {var for one in full for var in one.outs}
    read = {ref.base for one in group.nodes if one not in needed for ref in one.operands}
    if rows is None or not needed <= possible.keys() or kept & wanted or kept & read:
        return None
    parts = split(group, [one for one in group.nodes if one in needed], dims, rows)
    if parts is None:
        return None
    prologue, numbers, rest = parts
    return Split(Product(product.node, prologue, product.epilogue), numbers, rest)


def _rows(node: Node) -> int | None:
    """How many of the right operand's axes are those of its rows, which are all contracted or none; axes of length 1 do not
    count. None where it is no matrix of rows and columns as it lies.
    """
    assert isinstance(node.lowering, Contract)
    ref = node.operands[1]
    shape = ref.base.aval.shape
    if node.lowering.batch[1] or ref.layout.shape != shape:
        return None
    for axes in (node.lowering.contracted[1], node.lowering.free[1]):
        if sorted(axes) == list(range(len(axes))):
            return sum(n != 1 for n in shape[: len(axes)])
    return None
