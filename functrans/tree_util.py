"""JAX's `tree_util` names over `tree`, and the few that only live here: `Partial`, `register_static`, `keystr`.

May import `tree` and what it is made of. Start at `functrans.tree`; use this module to run a program written for JAX.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Hashable, Iterable
from typing import Any, TypeVar, cast

import optree

from functrans.tree import all as tree_all
from functrans.tree import broadcast as tree_broadcast
from functrans.tree import flatten as tree_flatten
from functrans.tree import flatten_with_path as tree_flatten_with_path
from functrans.tree import leaves as tree_leaves
from functrans.tree import leaves_with_path as tree_leaves_with_path
from functrans.tree import map as tree_map
from functrans.tree import map_with_path as tree_map_with_path
from functrans.tree import reduce as tree_reduce
from functrans.tree import reduce_associative as tree_reduce_associative
from functrans.tree import structure as tree_structure
from functrans.tree import transpose as tree_transpose
from functrans.tree import unflatten as tree_unflatten
from functrans.tree_registry import register_dataclass
from functrans.tree_registry import register_node as register_pytree_node
from functrans.tree_registry import register_node_class as register_pytree_node_class
from functrans.tree_registry import register_node_class as register_pytree_with_keys_class
from functrans.treedef import (
    NAMESPACE,
    DictKey,
    FlattenedIndexKey,
    GetAttrKey,
    IsLeaf,
    KeyEntry,
    KeyPath,
    SequenceKey,
    T,
    TreeDef,
    key_of,
)
from functrans.treedef import TreeDef as PyTreeDef

__all__ = [
    "DictKey",
    "FlattenedIndexKey",
    "GetAttrKey",
    "KeyEntry",
    "KeyPath",
    "Partial",
    "PyTreeDef",
    "SequenceKey",
    "all_leaves",
    "flatten_one_level",
    "flatten_one_level_with_keys",
    "is_tree_node",
    "keystr",
    "register_dataclass",
    "register_pytree_node",
    "register_pytree_node_class",
    "register_pytree_with_keys",
    "register_pytree_with_keys_class",
    "register_static",
    "tree_all",
    "tree_broadcast",
    "tree_flatten",
    "tree_flatten_with_path",
    "tree_leaves",
    "tree_leaves_with_path",
    "tree_map",
    "tree_map_with_path",
    "tree_reduce",
    "tree_reduce_associative",
    "tree_structure",
    "tree_transpose",
    "tree_unflatten",
    "treedef_children",
    "treedef_is_leaf",
    "treedef_tuple",
]

H = TypeVar("H", bound=Hashable)


def register_pytree_with_keys(
    nodetype: type[T],
    flatten_with_keys: Callable[[T], tuple[Iterable[tuple[KeyEntry, Any]], Hashable]],
    unflatten_func: Callable[[Any, tuple[Any, ...]], T],
    flatten_func: Callable[[T], tuple[Iterable[Any], Hashable]] | None = None,
) -> None:
    """Make `nodetype` a node whose children have names; `flatten_func` is taken for JAX's sake, and not needed.

    >>> class Line:
    ...     def __init__(self, slope: float) -> None:
    ...         self.slope = slope
    >>> register_pytree_with_keys(Line, lambda x: ([(GetAttrKey("slope"), x.slope)], None), lambda _, xs: Line(*xs))
    >>> keystr(tree_leaves_with_path([Line(1.0)])[0][0])
    '[0].slope'
    """

    def flatten_plain(node: T) -> tuple[Iterable[Any], Hashable]:
        pairs, aux = flatten_with_keys(node)
        return [child for _, child in pairs], aux

    register_pytree_node(nodetype, flatten_func or flatten_plain, unflatten_func, flatten_with_keys)


def register_static(cls: type[H]) -> type[H]:
    """Class decorator: make the instances of a hashable class structure, nodes without leaves.

    >>> @register_static
    ... class Mode(str): ...
    >>> tree_leaves([Mode("train"), 1])
    [1]
    """
    register_pytree_node(cls, lambda node: ((), node), lambda node, _: node)
    return cls


def keystr(keys: KeyPath, *, simple: bool = False, separator: str = "") -> str:
    """A key path as text; `simple` without brackets, quotes and dots.

    >>> path, _ = tree_leaves_with_path({"w": [1.0]})[0]
    >>> keystr(path), keystr(path, simple=True, separator="/")
    ("['w'][0]", 'w/0')
    """
    return separator.join([_simple(key) if simple else str(key) for key in keys])


def _simple(key: KeyEntry) -> str:
    match key:
        case SequenceKey(value) | DictKey(value) | GetAttrKey(value) | FlattenedIndexKey(value):
            return str(value)
        case _:  # a key class of the user's own
            return str(key)


def flatten_one_level(tree: object) -> tuple[list[Any], Any]:  # Any: children, and aux data of any class
    """The children of a node and its auxiliary data; ValueError for a leaf.

    >>> flatten_one_level({"a": [1, 2], "b": 3})
    ([[1, 2], 3], ['a', 'b'])
    """
    children, aux, *_ = optree.tree_flatten_one_level(cast("Any", tree), namespace=NAMESPACE)
    return list(children), aux


def flatten_one_level_with_keys(tree: object) -> tuple[list[tuple[KeyEntry, Any]], Any]:
    """The children of a node with their keys, and its auxiliary data; ValueError for a leaf.

    >>> flatten_one_level_with_keys((5,))
    ([(SequenceKey(idx=0), 5)], None)
    """
    children, aux = flatten_one_level(tree)
    accessors = tree_structure(tree, is_leaf=lambda x: x is not tree).accessors()
    return [(key_of(accessor[0]), child) for accessor, child in zip(accessors, children, strict=True)], aux


def all_leaves(iterable: Iterable[Any], is_leaf: IsLeaf | None = None) -> bool:
    """Whether every element is a leaf.

    >>> all_leaves([1, "a"]), all_leaves([1, None])
    (True, False)
    """
    return all(tree_structure(x, is_leaf).is_leaf() for x in iterable)


def is_tree_node(typ: type) -> bool:
    """Whether instances of this class are nodes.

    >>> is_tree_node(list), is_tree_node(float)
    (True, False)
    """
    return optree.register_pytree_node.get(typ, namespace=NAMESPACE) is not None


def treedef_tuple(treedefs: Iterable[TreeDef]) -> TreeDef[tuple[Any, ...]]:
    """The structure of a tuple of trees of these structures.

    >>> treedef_tuple([tree_structure(1), tree_structure([1, 2])])
    PyTreeSpec((*, [*, *]))
    """
    treespecs = cast("Iterable[optree.PyTreeSpec]", treedefs)
    return cast("TreeDef[tuple[Any, ...]]", optree.treespec_tuple(treespecs, namespace=NAMESPACE))


def treedef_children(treedef: TreeDef) -> list[TreeDef]:
    """The structures of the children.

    >>> treedef_children(tree_structure((1, [2, 3])))
    [PyTreeSpec(*), PyTreeSpec([*, *])]
    """
    return treedef.children()


def treedef_is_leaf(treedef: TreeDef) -> bool:
    """Whether the structure has one node: a leaf, None or an empty container, as in JAX.

    >>> treedef_is_leaf(tree_structure(1)), treedef_is_leaf(tree_structure((1,)))
    (True, False)
    """
    return treedef.num_nodes == 1


class _Opaque:
    """A functools.partial in disguise: `functools.partial` would merge it, and its arguments would become data."""

    def __init__(self, func: Callable[..., Any]) -> None:
        self.func = func

    def __call__(self, *args: Any, **kwargs: Any) -> Any:  # Any: whatever the wrapped function takes
        return self.func(*args, **kwargs)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Opaque) and self.func == other.func

    def __hash__(self) -> int:
        return hash(self.func)

    def __repr__(self) -> str:
        return repr(self.func)


class Partial(functools.partial[T]):
    """`functools.partial` as a node: its arguments are data and its function is structure, so transforms take it.

    >>> add = Partial(pow, 2.0)
    >>> tree_leaves(add), tree_map(lambda x: x + 1, add)(2)
    ([2.0], 9.0)
    """

    def __new__(cls, func: Callable[..., T], /, *args: Any, **kwargs: Any) -> Partial[T]:
        opaque = _Opaque(func) if isinstance(func, functools.partial) else func
        return super().__new__(cls, opaque, *args, **kwargs)


register_pytree_node(
    Partial,
    lambda node: ((node.args, node.keywords), node.func),
    lambda func, children: Partial(func, *children[0], **children[1]),
    lambda node: (((GetAttrKey("args"), node.args), (GetAttrKey("keywords"), node.keywords)), node.func),
)
