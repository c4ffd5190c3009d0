"""Which nodes are computed together: groups grow along the values that go from one to the next, then between neighbours.

A merge never makes a cycle (groups stay convex), and never asks for a nest that the kernels do not have (`groups.py`).
In the end matrix products and convolutions take what is done to their results (`epilogues.py`), and products what makes their
operands (`prologues.py`).
Imports these, `nodes` and `groups`; start reading at `fuse`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import TypeAlias

from functrans.compiler.epilogues import with_epilogue
from functrans.compiler.groups import Group, aligned, merged, shared_ties, ties
from functrans.compiler.nodes import Node
from functrans.compiler.products import Product, Split
from functrans.compiler.prologues import with_prologue
from functrans.core.ir import Atom, Var
from functrans.core.lowering import Contract
from functrans.core.lowering_windows import Convolve

__all__ = ["Finishes", "Unit", "fuse"]

Unit: TypeAlias = Group | Node | Product
"""What is computed at once: a group, as a loop nest; a node that is a kernel or a callback; a product with groups inside it."""

Finishes: TypeAlias = Callable[[Node], bool]
"""Whether the backend has code for a product or a convolution with an epilogue, or with a prologue, and it pays."""

_WORTH_SHARING = 4096
"""Elements of an operand that is better read once by two groups."""


def fuse(nodes: Sequence[Node], results: Sequence[Atom], finishes: Finishes, prepares: Finishes) -> list[Unit]:
    """Nodes as units; the units are in no particular order."""
    fusion = _Fusion(nodes, results)
    fusion.merge_along_values()
    if fusion.merge_neighbours():
        fusion.merge_along_values()
    fusion.finish_products(finishes)
    fusion.prepare_products(prepares)
    return fusion.units()


class _Fusion:
    def __init__(self, nodes: Sequence[Node], results: Sequence[Atom]) -> None:
        self._nodes = nodes
        self._results = {atom for atom in results if isinstance(atom, Var)}
        self._unit: dict[Node, Unit] = {node: Group.of(node) if node.is_fusible else node for node in nodes}
        self._maker: dict[Var, Node] = {var: node for node in nodes for var in node.outs}
        self._users: dict[Node, list[Node]] = {node: [] for node in nodes}
        for node in nodes:
            for maker in self._waits(node):
                self._users[maker].append(node)
        self._place = {node: i for i, node in enumerate(nodes)}

    def units(self) -> list[Unit]:
        units = dict.fromkeys(self._unit[node] for node in self._nodes)
        return [self._settled(unit) for unit in units]

    def merge_along_values(self) -> None:
        for node in self._nodes:
            for maker in self._makers(node):
                first, second = self._unit[maker], self._unit[node]
                if first is not second and isinstance(first, Group) and isinstance(second, Group):
                    self._merge(first, second)

    def merge_neighbours(self) -> bool:
        """Groups over the same dimensions that read the same large value; whether there were such."""
        readers: dict[Var, list[Node]] = {}
        for node in self._nodes:
            for ref in node.operands:
                if isinstance(ref.base, Var) and ref.base.aval.size >= _WORTH_SHARING:
                    readers.setdefault(ref.base, []).append(node)
        units = len(self.units())
        for nodes in readers.values():
            for before, after in pairwise(nodes):
                first, second = self._unit[before], self._unit[after]
                if first is not second and isinstance(first, Group) and isinstance(second, Group):
                    self._merge_neighbours(first, second)
        return len(self.units()) < units

    def _merge(self, first: Group, second: Group) -> None:
        tied = ties(first, second)
        how = None if tied is None else aligned(first, second, tied)
        group = None if how is None else merged(first, second, how)
        if group is not None and not self._has_detour(first, second):
            self._adopt(group)

    def _merge_neighbours(self, first: Group, second: Group) -> None:
        tied = shared_ties(first, second)
        if tied is None or [tied.get(dim) for dim in first.dims] != second.dims:  # in the same order of loops
            return
        how = aligned(first, second, tied)
        if how is None or self._reaches(first, second) or self._reaches(second, first):
            return
        group = merged(first, second, how)
        if group is not None and (first.outer is None) == (second.outer is None):
            self._adopt(group)

    # ---- products ----

    def finish_products(self, finishes: Finishes) -> None:
        """Give products and convolutions what is done to their results."""
        for node in self._nodes:
            if isinstance(node.lowering, Contract | Convolve) and finishes(node):
                readers = dict.fromkeys(self._unit[user] for user in self._users[node])
                any(isinstance(unit, Group) and self._finish(node, unit) for unit in readers)

    def _finish(self, node: Node, group: Group) -> bool:
        """Make what can be an epilogue of a product of a group that reads it; whether there was such."""
        outs = (var for one in (node, *group.nodes) for var in one.outs)
        split = with_epilogue(node, group, {var for var in outs if self._is_wanted(var, group)})
        if split is None:
            return False
        before = {one: self._unit[one] for one in (node, *group.nodes)}
        self._replace(split)
        if self._is_in_cycle(split.product):
            self._unit.update(before)
            return False
        return True

    def prepare_products(self, prepares: Finishes) -> None:
        """Give products what makes their right operands, where nobody else reads these."""
        for node in self._nodes:
            if isinstance(node.lowering, Contract) and prepares(node):
                base = node.operands[1].base
                maker = self._maker.get(base) if isinstance(base, Var) else None
                if maker is not None and self._users[maker] == [node] and not self._results.intersection(maker.outs):
                    self._prepare(node, self._unit[maker])

    def _prepare(self, node: Node, unit: Unit) -> None:
        """Make what makes an operand the prologue, if it can be. All else goes before the product as it did: no cycle comes."""
        own = self._unit[node]
        if not isinstance(unit, Group) or isinstance(own, Group):
            return
        product = own if isinstance(own, Product) else Product(node)
        outs = (var for one in unit.nodes for var in one.outs if var is not product.operand)
        split = with_prologue(product, unit, {var for var in outs if self._is_wanted(var, unit)})
        if split is not None:
            self._replace(split)

    def _replace(self, split: Split) -> None:
        for unit in (split.product, split.numbers, split.rest):
            if unit is not None:
                self._unit.update(dict.fromkeys(unit.nodes, unit))

    def _is_wanted(self, var: Var, unit: Unit) -> bool:
        """Whether others than a unit want a value."""
        return var in self._results or any(self._unit[user] is not unit for user in self._users[self._maker[var]])

    def _settled(self, unit: Unit) -> Unit:
        if not isinstance(unit, Product) or unit.epilogue is None or not self._is_wanted(unit.node.outs[0], unit):
            return unit
        return unit.keeping_result()

    def _is_in_cycle(self, product: Product) -> bool:
        """Whether what a product with its epilogue gives comes back to it by way of others."""
        last = max(self._place[node] for node in product.nodes)
        todo, seen = [*self._successors(product)], set[Unit]()
        while todo:
            unit = todo.pop()
            if unit is product:
                return True
            if unit not in seen and min(self._place[node] for node in self._members(unit)) < last:
                seen.add(unit)
                todo += self._successors(unit)
        return False

    # ---- the graph ----

    def _adopt(self, group: Group) -> None:
        group.nodes.sort(key=self._place.__getitem__)
        self._unit.update(dict.fromkeys(group.nodes, group))

    def _makers(self, node: Node) -> Iterator[Node]:
        """What has to run before a node."""
        if node.after is not None:
            yield node.after
        for ref in node.operands:
            if isinstance(ref.base, Var) and ref.base in self._maker:
                yield self._maker[ref.base]

    def _waits(self, node: Node) -> Iterator[Node]:
        """What goes before a node: what makes its operands, and what barriers say."""
        yield from self._makers(node)
        yield from (self._maker[var] for var in node.behind if var in self._maker)

    def _members(self, unit: Unit) -> list[Node]:
        return [unit] if isinstance(unit, Node) else unit.nodes

    def _reaches(self, first: Unit, second: Unit) -> bool:
        return second in self._successors(first) or self._has_detour(first, second)

    def _has_detour(self, first: Unit, second: Unit) -> bool:
        """Whether a value goes from the first to the second by way of a third."""
        makers = {self._unit[maker] for node in self._members(second) for maker in self._waits(node)}
        if makers <= {first, second}:
            return False
        last = self._place[self._members(second)[-1]]
        todo = [
            unit
            for unit in self._successors(first)
            if unit is not second and self._place[self._members(unit)[0]] < last
        ]
        seen: set[Unit] = set(todo)
        while todo:
            for successor in self._successors(todo.pop()):
                if successor is second:
                    return True
                if successor not in seen and self._place[self._members(successor)[0]] < last:
                    seen.add(successor)
                    todo.append(successor)
        return False

    def _successors(self, unit: Unit) -> set[Unit]:
        members = self._members(unit)
        found = {self._unit[user] for node in members for user in self._users[node]}
        found.discard(unit)
        return found
