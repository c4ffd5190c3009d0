"""Trees in recipes: the steps that find the leaves in arguments, and those that put results into a tree.

Lists, tuples, dicts, named tuples and dataclasses are taken apart by machine code, other nodes by optree. Imports recipes and
trees; start reading at `check_tree`, then `ResultTree`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import partial
from typing import Any, TypeAlias

import numpy as np
from optree import PyTreeKind

from functrans import tree
from functrans.backends.llvm.call.recipe import Recipe
from functrans.tree import TreeDef
from functrans.treedef import meta_field_names

__all__ = ["ResultTree", "check_tree", "is_immutable"]

Leaves: TypeAlias = Iterator[Any]  # Any: a leaf may be anything
OnLeaf: TypeAlias = Callable[[int, Any], None]
"""Writes the steps for a leaf: the object of a number, which is now this value."""


def check_tree(recipe: Recipe, spec: TreeDef, number: int, leaves: Leaves, on_leaf: OnLeaf) -> None:
    """The steps for an object that must have a structure; `leaves` are those that it has now."""
    if spec.kind == PyTreeKind.LEAF:
        on_leaf(number, next(leaves))
        return
    if spec.kind == PyTreeKind.NONE:
        recipe.step("identical", number, recipe.reference(None))
        return
    first = _open(recipe, spec, number)
    if first is None:
        first = recipe.objects(spec.num_leaves)
        function = recipe.reference(partial(_leaves_of, spec))
        recipe.step("flattened", number, id(list), spec.num_leaves, first, function)
        for i in range(spec.num_leaves):
            on_leaf(first + i, next(leaves))
        return
    for i, child in enumerate(spec.children()):
        check_tree(recipe, child, first + i, leaves, on_leaf)


def _open(recipe: Recipe, spec: TreeDef, number: int) -> int | None:
    """The first of the children's numbers; None if machine code does not know such nodes."""
    count, kind = spec.num_children, spec.kind
    if kind == PyTreeKind.LIST:
        first = recipe.objects(count)
        recipe.step("list", number, id(list), count, first)
    elif kind in (PyTreeKind.TUPLE, PyTreeKind.NAMEDTUPLE):
        first = recipe.objects(count)
        recipe.step("tuple", number, recipe.reference(spec.type), count, first)
    elif kind == PyTreeKind.DICT:
        first = recipe.objects(count)
        recipe.step("dict", number, id(dict), count, first, recipe.reference_table(spec.entries()))
    elif spec.type in meta_field_names and all(map(is_immutable, _meta(spec))):
        names, meta = (*spec.entries(), *meta_field_names[spec.type]), _meta(spec)
        first = recipe.objects(len(names))
        recipe.step("attributes", number, recipe.reference(spec.type), len(names), first, recipe.reference_table(names))
        for i, value in enumerate(meta, count):
            recipe.step("identical", first + i, recipe.reference(value))
    else:
        return None
    return first


def is_immutable(value: Any) -> bool:
    """Whether one and the same object is always equal to what it was."""
    kind: Any = type(value)  # Any: type checkers take each class's methods for others than object's
    if kind in _IMMUTABLE or isinstance(value, np.dtype | np.generic | Enum):
        return True
    if isinstance(value, tuple | frozenset) and kind.__eq__ in (tuple.__eq__, frozenset.__eq__):
        return all(map(is_immutable, value))
    if is_dataclass(kind) and getattr(kind, "__dataclass_params__").frozen:  # noqa: B009  # which type checkers lack
        return all(is_immutable(getattr(value, field.name)) for field in fields(kind))
    return kind.__eq__ is object.__eq__ and kind.__hash__ is object.__hash__


_IMMUTABLE = (bool, int, float, complex, str, bytes, type(None), type)


def _meta(spec: TreeDef) -> tuple[Any, ...]:  # Any: the values of a dataclass's static fields
    """The values of the fields of a dataclass that are structure."""
    one = spec.one_level()
    assert one is not None
    found: tuple[Any, ...] = one.walk(range(one.num_leaves), lambda _type, aux, _children: aux)
    return found


def _leaves_of(spec: TreeDef, x: object) -> list[Any] | None:
    """The leaves of a tree of this structure; None for any other."""
    leaves, found = tree.flatten(x)
    return leaves if found == spec else None


class ResultTree:
    """Numbers for the results of a program (`leaves`) and for the tree they are put in (`root`)."""

    def __init__(self, recipe: Recipe, spec: TreeDef) -> None:
        self._recipe = recipe
        self._steps: list[tuple[Any, ...]] = []
        self.leaves: list[int] = []
        self.root = recipe.objects(1)
        self._plan(spec, self.root)

    def write(self) -> None:
        """The steps that build the tree, children first."""
        for step in self._steps:
            self._recipe.step(*step)

    def _plan(self, spec: TreeDef, number: int) -> None:
        recipe, count, kind = self._recipe, spec.num_children, spec.kind
        if kind == PyTreeKind.LEAF:
            self.leaves.append(number)
        elif kind == PyTreeKind.NONE:
            self._steps.append(("constant", recipe.reference(None), number))
        elif kind in (PyTreeKind.LIST, PyTreeKind.TUPLE):
            first = self._children(spec, range(count))
            self._steps.append(("new_list" if kind == PyTreeKind.LIST else "new_tuple", first, count, number))
        elif kind == PyTreeKind.DICT:
            order = _dict_order(spec)
            first = self._children(spec, [order.index(key) for key in spec.entries()])
            self._steps.append(("new_dict", first, count, number, recipe.reference_table(order)))
        elif kind == PyTreeKind.NAMEDTUPLE:
            first = self._children(spec, range(count))
            self._steps.append(("called", first, count, number, recipe.reference(spec.type)))
        elif spec.type in meta_field_names:
            self._plan_dataclass(spec, number)
        else:
            first = recipe.objects(spec.num_leaves)
            self.leaves += range(first, first + spec.num_leaves)
            self._steps.append(("called", first, spec.num_leaves, number, recipe.reference(partial(_rebuilt, spec))))

    def _plan_dataclass(self, spec: TreeDef, number: int) -> None:
        recipe, kind, meta = self._recipe, spec.type, _meta(spec)
        assert kind is not None
        names = (*spec.entries(), *meta_field_names[kind])
        first = self._children(spec, range(spec.num_children), len(meta))
        for i, value in enumerate(meta, spec.num_children):
            self._steps.append(("constant", recipe.reference(value), first + i))
        self._steps.append(("called", first, 0, number, recipe.reference(kind), recipe.reference(names)))

    def _children(self, spec: TreeDef, order: Sequence[int], more: int = 0) -> int:
        """Number the children, each at its place in `order`, and leave room for more; the first number."""
        first = self._recipe.objects(spec.num_children + more)
        for child, place in zip(spec.children(), order, strict=True):
            self._plan(child, first + place)
        return first


def _dict_order(spec: TreeDef) -> list[Any]:
    """The keys of a dict as they were inserted; its children are in sorted order."""
    one = spec.one_level()
    assert one is not None
    return list(one.unflatten(range(one.num_leaves)))


def _rebuilt(spec: TreeDef, *leaves: Any) -> Any:
    return tree.unflatten(spec, leaves)
