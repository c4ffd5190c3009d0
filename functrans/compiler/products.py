"""Matrix products and convolutions with what is done inside them: a prologue makes the right operand of a product, an epilogue
takes up the result.

Both are groups without reductions over the rows and the columns of a matrix, of which the product has some at a time. Imports
`groups`, `nodes` and `nest`; start reading at `Product`. How they are found: `prologues.py`, `epilogues.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from functrans.compiler.groups import Coords, Group, is_nest
from functrans.compiler.layout import Ref
from functrans.compiler.nest import Nest, make_nest
from functrans.compiler.nodes import Copy, Node
from functrans.core.ir import Var
from functrans.core.lowering import Reduce
from functrans.record import Record, replace

__all__ = ["Product", "Split", "Window", "possible_nodes", "split"]


@dataclass(eq=False, slots=True)
class Window:
    """A group that may run over some rows and columns of a matrix at a time."""

    group: Group
    rows: int
    """How many of its dimensions, the first ones, are those of rows."""
    loops: int = 1
    """How many loops there may be over these."""

    def nest(self, wanted: set[Var]) -> Nest:
        return make_nest(self.group, wanted, self.rows)

    @property
    def is_by_rows(self) -> bool:
        """Whether rows are few loops and columns one, along which operands and results lie in order or repeat an element.

        Across the order of memory a nest of its own is faster: it goes in blocks.
        """
        nest = self.nest({var for node in self.group.nodes for var in node.outs})
        if len(nest.lead) > self.loops or len(nest.inner) != 1:
            return False
        accesses = (*nest.reads, *(store.access for store in nest.stores))
        return all(access.strides[-1] in (0, 1) for access in accesses)


@dataclass(eq=False, slots=True)
class Product:
    """A product, with a prologue that alone makes its right operand, with an epilogue that alone reads its result, or with
    both. What they hand over is never stored."""

    node: Node
    prologue: Window | None = None
    epilogue: Window | None = None

    @property
    def nodes(self) -> list[Node]:
        before, after = (part.group.nodes if part else [] for part in (self.prologue, self.epilogue))
        return [*before, self.node, *after]

    @property
    def operand(self) -> Var:
        """The right one."""
        base = self.node.operands[1].base
        assert isinstance(base, Var)
        return base

    def keeping_result(self) -> Product:
        """The same with an epilogue that stores the result itself, too, for others."""
        (result,) = self.node.outs
        assert self.epilogue is not None
        group = self.epilogue.group
        sums = Var(result.aval)
        copy = Node(Copy(), (Ref.whole(sums),), (result,), self.node.eqn)
        axes = iter(group.dims)
        coords: dict[Node, Coords] = {copy: tuple(None if n == 1 else next(axes) for n in result.aval.shape)}
        for node in group.nodes:
            refs = tuple(replace(ref, base=sums) if ref.base is result else ref for ref in node.operands)
            coords[replace(node, operands=refs)] = group.coords[node]
        whole = Group.over(list(coords), group.dims, group.sizes, coords, None)
        epilogue = Window(whole, self.epilogue.rows, self.epilogue.loops)
        return Product(replace(self.node, outs=(sums,)), self.prologue, epilogue)


class Split(Record):
    """A product with a part of a group inside it, and what is left of the group: numbers, which are computed before the
    product, and the rest."""

    product: Product
    numbers: Group | None
    rest: Group | None


def possible_nodes(group: Group, dims: frozenset[int]) -> dict[Node, bool]:
    """The nodes of a group that run over all of some dimensions, and numbers, where all that they are made of are such;
    whether it is a number.
    """
    possible: dict[Node, bool] = {}
    for one in group.nodes:
        over = frozenset(dim for dim in group.coords[one] if dim is not None)
        makers = [group.makers[ref.base] for ref in one.operands if ref.base in group.makers]
        if not isinstance(one.lowering, Reduce) and over in (dims, frozenset()) and all(m in possible for m in makers):
            possible[one] = not over
    return possible


def split(
    group: Group, needed: Sequence[Node], dims: list[int], rows: int, loops: int = 1
) -> tuple[Window, Group | None, Group | None] | None:
    """What of a group runs inside a product, its numbers, and what is left; None where there is no nest for that."""
    chosen = [one for one in needed if any(dim is not None for dim in group.coords[one])]
    numbers = [one for one in needed if one not in chosen]
    rest = [one for one in group.nodes if one not in needed]
    coords = {one: group.coords[one] for one in chosen}
    window = Window(Group.over(chosen, dims, {dim: group.sizes[dim] for dim in dims}, coords, None), rows, loops)
    left = _part(group, rest)
    if not chosen or not window.is_by_rows or not (left is None or is_nest(left)):
        return None
    return window, _part(group, numbers), left


def _part(group: Group, nodes: list[Node]) -> Group | None:
    """A group of some of the nodes, if there are any."""
    if not nodes:
        return None
    coords = {node: group.coords[node] for node in nodes}
    used = {dim for one in coords.values() for dim in one}
    dims = [dim for dim in group.dims if dim in used]
    outer = None if group.outer is None else group.outer & frozenset(dims)
    return Group.over(nodes, dims, {dim: group.sizes[dim] for dim in dims}, coords, outer)
