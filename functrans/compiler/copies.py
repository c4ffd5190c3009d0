"""Copies of what a nest with reductions would read across the order of memory: in C order first, it is read line by line.

(An elementwise nest is run in blocks instead, and needs no copy.) Imports `groups` and `nodes`; start reading at `with_copies`.
"""

from __future__ import annotations

from collections.abc import Sequence

from functrans.compiler.fusion import Unit
from functrans.compiler.groups import Group
from functrans.compiler.layout import Elements, Ref
from functrans.compiler.nodes import Copy, Node
from functrans.core.aval import shaped
from functrans.core.ir import Var
from functrans.core.lowering import Remap
from functrans.record import replace

__all__ = ["with_copies"]

_LARGE = 1 << 12
"""Elements from which on a copy is worth it."""
_WIDE = 8
"""From this stride on the elements of a vector lie in lines of their own."""


def with_copies(units: Sequence[Unit]) -> list[Unit]:
    """The units, and copies that some of them read instead of what they read."""
    copies: dict[Elements, Node] = {}
    changed: list[Unit] = [_reading(unit, copies) if isinstance(unit, Group) else unit for unit in units]
    return [*map(Group.of, copies.values()), *changed]


def _reading(group: Group, copies: dict[Elements, Node]) -> Group:
    """A group that reads copies, which are made where there are none yet."""
    made = {var for node in group.nodes for var in node.outs}

    def copied(node: Node, ref: Ref) -> Ref:
        if ref.base in made or not _is_crossed(group, node, ref):
            return ref
        order = sorted(range(len(node.shape)), key=lambda axis: _place(group, group.coords[node][axis]))
        source = ref.seen(Remap(tuple(order)), tuple(node.shape[axis] for axis in order))
        assert source is not None
        key = source.elements
        if key not in copies:
            out = Var(shaped(source.layout.shape, source.base.aval.dtype))
            copies[key] = Node(Copy(), (source,), (out,), node.eqn)
        back = Ref.whole(copies[key].outs[0]).seen(Remap(tuple(map(order.index, range(len(order))))), node.shape)
        assert back is not None
        return back

    if group.outer is None:
        return group
    nodes = [replace(node, operands=tuple(copied(node, ref) for ref in node.operands)) for node in group.nodes]
    coords = {new: group.coords[old] for old, new in zip(group.nodes, nodes, strict=True)}
    return Group.over(nodes, group.dims, group.sizes, coords, group.outer)


def _place(group: Group, dim: int | None) -> int:
    """Of a dimension's loop, counted from the outside; axes of length 1 have none."""
    return -1 if dim is None else group.dims.index(dim)


def _is_crossed(group: Group, node: Node, ref: Ref) -> bool:
    """Whether the fastest loop walks with a large stride over what another loop walks one by one."""
    if not group.is_full(node) or ref.layout.shape != node.shape or ref.base.aval.size < _LARGE:
        return False
    along = dict(zip(group.coords[node], ref.layout.strides, strict=True))
    last = group.dims[-1]
    others = [dim for dim in group.dims if dim != last and along[dim] == 1 and group.sizes[dim] >= _WIDE]
    return abs(along[last]) >= _WIDE and group.sizes[last] >= _WIDE and bool(others)
