"""Pytrees: a thin, typed face over optree, with JAX's names and meanings and a registry of its own ("functrans").

Nodes are tuple, list, dict (by sorted key), OrderedDict, defaultdict, deque, namedtuple, PyStructSequence, None (which
has no leaves) and registered classes; all else is a leaf. This module has the functions over trees, and re-exports what
transforms use of `treedef` (key paths, comparison) and registration from `tree_registry`. May import these two and
`errors`. Start at `flatten`. Functions here shadow builtins, which are therefore spelled `builtins.map`.

Typing: `map` returns the type of its first tree, and `unflatten` the type that its `TreeDef[T]` came from. That is
exact where leaves keep their kind (arrays to arrays); where they do not (`map(np.shape, params)`), annotate the result
as Any.
"""

from __future__ import annotations

import builtins
import functools
from collections.abc import Callable, Iterable, Sequence
from typing import Any, cast

import numpy as np

from functrans.errors import TreeMismatchError
from functrans.tree_registry import register_dataclass, register_node, register_node_class, static
from functrans.treedef import (
    NAMESPACE,
    IsLeaf,
    KeyPath,
    T,
    TreeDef,
    c_flatten,
    check_same_structure,
    differences,
    flatten_prefix,
    is_none,
    key_of,
    key_paths,
    paths,
    show,
)

__all__ = [
    "LEAF",
    "KeyPath",
    "TreeDef",
    "all",
    "broadcast",
    "check_same_structure",
    "flatten",
    "flatten_prefix",
    "flatten_with_path",
    "is_none",
    "leaves",
    "leaves_with_path",
    "map",
    "map_with_path",
    "paths",
    "reduce",
    "reduce_associative",
    "register_dataclass",
    "register_node",
    "register_node_class",
    "static",
    "structure",
    "transpose",
    "unflatten",
]

LEAF: TreeDef[Any] = c_flatten(0, None, False, NAMESPACE)[1]
"""The structure of a leaf."""

# `flatten`, `leaves` and `structure` each call C with positional arguments: measured level with optree.tree_flatten,
# and below functools.partial, whose keyword merge costs more than a frame.


def flatten(tree: T, is_leaf: IsLeaf | None = None) -> tuple[list[Any], TreeDef[T]]:
    """The leaves of `tree`, left to right, and its structure.

    >>> flatten({"b": [1, 2], "a": 3})
    ([3, 1, 2], PyTreeSpec({'a': *, 'b': [*, *]}))
    """
    if type(tree) is np.ndarray and is_leaf is None:  # the usual argument: a leaf, as C need not say
        return [tree], LEAF
    return c_flatten(tree, is_leaf, False, NAMESPACE)


def unflatten(treedef: TreeDef[T], leaves: Iterable[Any]) -> T:
    """The tree of structure `treedef` with these leaves; ValueError when their number is not its `num_leaves`.

    >>> unflatten(structure((0, {"a": 0})), [1, 2])
    (1, {'a': 2})
    """
    if treedef is LEAF:
        (leaf,) = leaves
        return cast("T", leaf)
    return treedef.unflatten(leaves)


def leaves(tree: object, is_leaf: IsLeaf | None = None) -> list[Any]:
    """The leaves of `tree`, left to right.

    >>> leaves([1, (2, None), {"a": 3}])
    [1, 2, 3]
    """
    return c_flatten(tree, is_leaf, False, NAMESPACE)[0]


def structure(tree: T, is_leaf: IsLeaf | None = None) -> TreeDef[T]:
    """The structure of `tree`.

    >>> structure([1, (2, None)])
    PyTreeSpec([*, (*, None)])
    """
    return c_flatten(tree, is_leaf, False, NAMESPACE)[1]


def map(f: Callable[..., Any], tree: T, *rest: Any, is_leaf: IsLeaf | None = None) -> T:
    """`tree` with each leaf replaced by `f(leaf, *what stands there in rest)`; raises TreeMismatchError.

    `tree` must be a prefix of each of `rest`. For what the type of the result means, see the module.

    >>> map(lambda x, y: x + y, {"a": 1, "b": (2, 3)}, {"a": 10, "b": (20, 30)})
    {'a': 11, 'b': (22, 33)}
    """
    flat, treedef = flatten(tree, is_leaf)
    if not rest:
        return treedef.unflatten([f(x) for x in flat])
    return treedef.unflatten([f(*xs) for xs in zip(flat, *_flatten_rest(treedef, rest), strict=True)])


def _flatten_rest(treedef: TreeDef, rest: Sequence[Any]) -> list[list[Any]]:
    flat: list[list[Any]] = []
    for i, other in enumerate(rest):
        try:
            flat.append(treedef.flatten_up_to(other))
        except ValueError:
            got = f"rest[{i}]"
            found = list(differences(treedef, structure(other), got, prefix=True))
            if not found:  # not ours: a registered class's own flatten function raised
                raise
            raise TreeMismatchError("tree", got, found, show(treedef)) from None
    return flat


def all(tree: object, *, is_leaf: IsLeaf | None = None) -> bool:
    """Whether every leaf is true.

    >>> all([True, {"a": 1, "b": None}])
    True
    """
    return builtins.all(leaves(tree, is_leaf))


class _Unspecified:
    """Tells an absent initializer from one that is None."""


_UNSPECIFIED = _Unspecified()


def reduce(
    function: Callable[[T, Any], T],
    tree: object,
    initializer: T | _Unspecified = _UNSPECIFIED,
    is_leaf: IsLeaf | None = None,
) -> T:
    """`functools.reduce` over the leaves, left to right.

    >>> reduce(lambda total, x: total + x, [1, (2, 3)], 0)
    6
    """
    flat: list[T] = leaves(tree, is_leaf)  # without an initializer the first leaf is a T; functrans cannot know more
    if isinstance(initializer, _Unspecified):
        return functools.reduce(function, flat)
    return functools.reduce(function, flat, initializer)


def reduce_associative(
    operation: Callable[[Any, Any], T],  # (T, T), which overloaded functions such as operator.add do not fit
    tree: object,
    *,
    identity: T | _Unspecified = _UNSPECIFIED,
    is_leaf: IsLeaf | None = None,
) -> T:
    """Reduce the leaves by an associative operation, pairwise: rounding errors grow with log n, not with n.

    >>> reduce_associative(lambda x, y: f"({x}{y})", list("abcd"))
    '((ab)(cd))'
    """
    flat: list[T] = leaves(tree, is_leaf)
    if not flat and isinstance(identity, _Unspecified):
        raise TypeError("reduce_associative() of a tree without leaves needs an identity")
    while len(flat) > 1:
        odd = flat[len(flat) & ~1 :]
        flat = [operation(x, y) for x, y in zip(flat[::2], flat[1::2], strict=False)] + odd
    return flat[0] if flat else cast("T", identity)


def transpose(outer_treedef: TreeDef, inner_treedef: TreeDef[T] | None, pytree_to_transpose: object) -> T:
    """A tree of structure outer-of-inner turned into inner-of-outer (by default that of the first subtree).

    >>> transpose(structure([0, 0]), structure({"a": 0, "b": 0}), [{"a": 1, "b": 2}, {"a": 3, "b": 4}])
    {'a': [1, 3], 'b': [2, 4]}
    """
    flat, treedef = flatten(pytree_to_transpose)
    if inner_treedef is None:
        inner_treedef = structure(cast("T", outer_treedef.flatten_up_to(pytree_to_transpose)[0]))
    check_same_structure(
        outer_treedef.compose(inner_treedef), treedef, "outer_treedef.compose(inner_treedef)", "pytree_to_transpose"
    )
    n = inner_treedef.num_leaves
    return inner_treedef.unflatten([outer_treedef.unflatten(flat[i::n]) for i in range(n)])


def broadcast(prefix_tree: object, full_tree: T, is_leaf: IsLeaf | None = None) -> T:
    """`full_tree` with each leaf replaced by the leaf of `prefix_tree` that stands above it; raises TreeMismatchError.

    >>> broadcast((1, 2, 3), (0, {"a": 0, "b": 0}, (0, 0)))
    (1, {'a': 2, 'b': 2}, (3, 3))
    """
    treedef = structure(full_tree)
    return treedef.unflatten(flatten_prefix(prefix_tree, treedef, "prefix_tree", "full_tree", is_leaf))


def flatten_with_path(
    tree: T, is_leaf: Callable[..., bool] | None = None, is_leaf_takes_path: bool = False
) -> tuple[list[tuple[KeyPath, Any]], TreeDef[T]]:
    """The pairs of key path and leaf, and the structure; `is_leaf` takes (path, node) with `is_leaf_takes_path`.

    >>> for path, leaf in flatten_with_path({"w": [1, 2]})[0]:
    ...     print("".join(builtins.map(str, path)), leaf)
    ['w'][0] 1
    ['w'][1] 2
    """
    predicate = _with_paths(is_leaf) if is_leaf is not None and is_leaf_takes_path else is_leaf
    flat, treedef = flatten(tree, predicate)
    return list(zip(key_paths(treedef), flat, strict=True)), treedef


def _with_paths(is_leaf: Callable[[KeyPath, Any], bool]) -> IsLeaf:
    """A predicate for one traversal; optree goes depth first, parents before children: the order of the stack."""
    pending: list[KeyPath] = [()]

    def predicate(node: Any) -> bool:
        path = pending.pop()
        if is_leaf(path, node):
            return True
        children = structure(node, is_leaf=lambda x: x is not node).accessors()
        pending.extend([(*path, key_of(accessor[0])) for accessor in reversed(children) if accessor])
        return False

    return predicate


def leaves_with_path(
    tree: object, is_leaf: Callable[..., bool] | None = None, is_leaf_takes_path: bool = False
) -> list[tuple[KeyPath, Any]]:
    """The pairs of key path and leaf.

    >>> leaves_with_path({"w": 1})
    [((DictKey(key='w'),), 1)]
    """
    return flatten_with_path(tree, is_leaf, is_leaf_takes_path)[0]


def map_with_path(
    f: Callable[..., Any],
    tree: T,
    *rest: Any,
    is_leaf: Callable[..., bool] | None = None,
    is_leaf_takes_path: bool = False,
) -> T:
    """As `map`, with `f(path, leaf, *rest)`.

    >>> map_with_path(lambda path, x: f"{path[0]} {x}", {"w": 1})
    {'w': "['w'] 1"}
    """
    pairs, treedef = flatten_with_path(tree, is_leaf, is_leaf_takes_path)
    others = zip(*_flatten_rest(treedef, rest), strict=True) if rest else [()] * len(pairs)
    return treedef.unflatten([f(*pair, *xs) for pair, xs in zip(pairs, others, strict=True)])
