"""What is known of a tree's structure: its type `TreeDef`, the key path of each leaf, and how two structures differ.

The lower half of `tree`, which has the functions for users; transforms use `paths`, `flatten_prefix` and
`check_same_structure` from there. May import `errors` only. Start at `paths`, then `differences`.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar, cast

import optree
from optree import (
    _C,
    GetAttrEntry,
    GetItemEntry,
    NamedTupleEntry,
    PyTreeEntry,
    PyTreeKind,
    SequenceEntry,
    StructSequenceEntry,
)

from functrans.errors import Difference, TreeMismatchError
from functrans.record import Record

NAMESPACE = "functrans"

# `Any` here and in `tree`: a leaf may be anything, so leaves and the functions over them are Any; the TreeDef of an
# unknown tree rebuilds Any; and the auxiliary data of a node belongs to the class that registered it.
T = TypeVar("T")
IsLeaf: TypeAlias = Callable[[Any], bool]

if TYPE_CHECKING:
    from typing import Generic, final

    from typing_extensions import TypeVar as DefaultTypeVar

    T_co = DefaultTypeVar("T_co", covariant=True, default=Any)

    @final
    class TreeDef(Generic[T_co]):
        """The structure of a tree of type T: hashable, comparable, picklable. Subscript it in annotations only."""

        num_leaves: int
        num_nodes: int
        num_children: int
        kind: PyTreeKind
        type: type | None

        def unflatten(self, leaves: Iterable[Any], /) -> T_co: ...
        def flatten_up_to(self, tree: object, /) -> list[Any]: ...
        def children(self) -> list[TreeDef]: ...
        def entries(self) -> list[Any]: ...
        def accessors(self) -> list[optree.PyTreeAccessor]: ...
        def one_level(self) -> TreeDef | None: ...
        def is_leaf(self) -> bool: ...
        def compose(self, inner: TreeDef, /) -> TreeDef: ...
        def walk(self, leaves: Iterable[Any], /, f_node: Callable[[object, Any, tuple[Any, ...]], Any]) -> Any: ...
        def __hash__(self) -> int: ...

else:
    TreeDef = optree.PyTreeSpec

# (tree, is_leaf, none_is_leaf, namespace), positional: optree's C function without the frame of its Python face.
c_flatten = cast("Callable[[object, IsLeaf | None, bool, str], tuple[list[Any], TreeDef]]", _C.flatten)

# The names of the metadata of each registered dataclass, for messages.
meta_field_names: dict[type, tuple[str, ...]] = {}


class SequenceKey(Record):
    """The index of a child of a list, tuple or deque."""

    idx: int

    def __str__(self) -> str:
        return f"[{self.idx!r}]"


class DictKey(Record):
    """The key of a child of a mapping."""

    key: Hashable

    def __str__(self) -> str:
        return f"[{self.key!r}]"


class GetAttrKey(Record):
    """The attribute that holds a child of a dataclass, a namedtuple or a class registered with keys."""

    name: str

    def __str__(self) -> str:
        return f".{self.name}"


class FlattenedIndexKey(Record):
    """The position of a child of a class that was registered without keys."""

    key: int

    def __str__(self) -> str:
        return f"[<flat index {self.key}>]"


KeyEntry: TypeAlias = SequenceKey | DictKey | GetAttrKey | FlattenedIndexKey
KeyPath: TypeAlias = tuple[KeyEntry, ...]


class KeyedEntry(PyTreeEntry):
    """optree's view of a child whose class was registered with keys: `entry` is one of the keys above."""

    __slots__ = ()

    def codify(self, node: str = "", /) -> str:
        return f"{node}{self.entry}"


class IndexEntry(PyTreeEntry):
    """optree's view of a child whose class was registered without keys."""

    __slots__ = ()

    def codify(self, node: str = "", /) -> str:
        return f"flatten_one_level({node})[0][{self.entry}]"


def key_of(entry: PyTreeEntry) -> KeyEntry:
    """JAX's key for an entry of an optree accessor."""
    match entry:
        case KeyedEntry():
            return cast("KeyEntry", entry.entry)
        case StructSequenceEntry(is_unnamed=False) | NamedTupleEntry():
            return GetAttrKey(entry.field)
        case GetAttrEntry():
            return GetAttrKey(entry.name)
        case SequenceEntry():
            return SequenceKey(entry.index)
        case GetItemEntry():
            return DictKey(entry.entry)
        case _:
            return FlattenedIndexKey(entry.entry)


def key_paths(treedef: TreeDef) -> list[KeyPath]:
    """The key path of each leaf, as `tree.flatten_with_path` gives them."""
    return [tuple([key_of(entry) for entry in accessor]) for accessor in treedef.accessors()]


def paths(treedef: TreeDef, root: str) -> list[str]:
    """The expression for each leaf of a tree called `root`; it can be pasted, also for classes registered without keys.

    >>> from functrans import tree
    >>> paths(tree.structure([{"w": 1.0, "b": 2.0}]), "params")
    ["params[0]['b']", "params[0]['w']"]
    """
    return [accessor.codify(root) for accessor in treedef.accessors()]


def show(treedef: TreeDef | None) -> str:
    """A structure as text, `*` for each leaf.

    >>> from functrans import tree
    >>> show(tree.structure([{"w": 1.0, "b": 2.0}]))
    "[{'b': *, 'w': *}]"
    """
    text = repr(treedef).removeprefix("PyTreeSpec(").removesuffix(")")
    return text.removesuffix(f", namespace={NAMESPACE!r}")


def describe(treedef: TreeDef) -> str:
    """The top node of a structure in words.

    >>> from functrans import tree
    >>> describe(tree.structure((1, 2))), describe(tree.structure({"a": 1})), describe(tree.structure(1))
    ('a tuple of length 2', "a dict with the keys 'a'", 'a leaf')
    """
    if treedef.type is None:
        return "a leaf"
    if treedef.kind is PyTreeKind.NONE:
        return "None"
    name = treedef.type.__name__
    name = f"an {name}" if name[0] in "AEIOUaeiou" else f"a {name}"
    if treedef.kind in (PyTreeKind.TUPLE, PyTreeKind.LIST, PyTreeKind.DEQUE):
        return f"{name} of length {treedef.num_children}"
    if treedef.kind in (PyTreeKind.DICT, PyTreeKind.ORDEREDDICT, PyTreeKind.DEFAULTDICT):
        keys = ", ".join([path[1:-1] for path in _child_paths(treedef, "")])
        return f"{name} with the keys {keys}" if keys else f"{name} without keys"
    return name


def _child_paths(treedef: TreeDef, root: str) -> list[str]:
    top = treedef.one_level()
    return [] if top is None else paths(top, root)


def differences(expected: TreeDef, got: TreeDef, root: str, prefix: bool = False) -> Iterator[Difference]:
    """Every place where `got` differs from `expected`; with `prefix`, a leaf of `expected` stands for any subtree."""
    if expected == got or (prefix and expected.is_leaf()):
        return
    if expected.type is not got.type:
        one, other = describe(expected), describe(got)
        again = " of another class of the same name (was its definition run twice?)" if one == other else ""
        yield Difference(root, one, other + again)
        return
    children = dict(zip(_child_paths(expected, root), expected.children(), strict=True))
    others = dict(zip(_child_paths(got, root), got.children(), strict=True))
    yield from _node_differences(expected, got, root, children, others)
    for path, child in children.items():
        if path in others:
            yield from differences(child, others[path], path, prefix)


def _node_differences(
    expected: TreeDef, got: TreeDef, root: str, children: dict[str, TreeDef], others: dict[str, TreeDef]
) -> Iterator[Difference]:
    """The differences of two nodes of one type, those of their children apart."""
    if children.keys() != others.keys():
        if expected.kind in (PyTreeKind.TUPLE, PyTreeKind.LIST, PyTreeKind.DEQUE):
            yield Difference(root, describe(expected), describe(got))
            return
        yield from (Difference(path, describe(node), None) for path, node in children.items() if path not in others)
        yield from (Difference(path, None, describe(node)) for path, node in others.items() if path not in children)
    elif expected.one_level() != got.one_level():  # deque's maxlen, defaultdict's factory, order, auxiliary data
        names = meta_field_names.get(cast("type", expected.type))
        if names is None:
            yield Difference(root, show(expected.one_level()), show(got.one_level()))
            return
        for name, one, other in zip(names, _aux_data(expected), _aux_data(got), strict=True):
            if one != other:
                yield Difference(f"{root}.{name}", repr(one), repr(other))


def _aux_data(treedef: TreeDef) -> tuple[Any, ...]:
    top = cast("TreeDef", treedef.one_level())
    return cast("tuple[Any, ...]", top.walk([None] * top.num_leaves, lambda _type, aux, _children: aux))


def _as_treedef(tree: object) -> TreeDef:
    return tree if isinstance(tree, TreeDef) else c_flatten(tree, None, False, NAMESPACE)[1]


def check_same_structure(expected: object, got: object, what_expected: str, what_got: str, where: str = "") -> None:
    """Raise TreeMismatchError with every difference between two trees, each of them a tree or a TreeDef.

    `what_expected` and `what_got` are the expressions that the user knows the two by, `where` the user's file and line.

    >>> check_same_structure({"w": 1, "b": (2, 3)}, {"w": 1, "b": 2}, "carry", "body(carry)", "at model.py:3 (step)")
    Traceback (most recent call last):
    functrans.errors.TreeMismatchError: body(carry) does not have the structure of carry:
      body(carry)['b']: a tuple of length 2 in carry, a leaf in body(carry)
    at model.py:3 (step)
    Give body(carry) the structure {'b': (*, *), 'w': *}, with a value for each *.
    """
    one, other = _as_treedef(expected), _as_treedef(got)
    if one != other:
        found = list(differences(one, other, what_got))
        raise TreeMismatchError(what_expected, what_got, found, show(one), where=where)


def is_none(x: object) -> bool:
    """Whether `x` is None: the `is_leaf` of axes specifications, where None is a value ("not mapped")."""
    return x is None


def flatten_prefix(
    prefix: object,
    tree: object,
    what: str,
    what_tree: str = "the tree",
    is_leaf: IsLeaf | None = is_none,
    where: str = "",
) -> list[Any]:
    """One value for each leaf of `tree` (a tree or a TreeDef): each leaf of `prefix` repeated for all that is below it.

    None is a leaf of `prefix` unless `is_leaf` says otherwise. Raises TreeMismatchError with every mismatch; `what` is
    the expression that the user knows `prefix` by.

    >>> flatten_prefix((0, None), ([1, 2], {"a": 3}), "in_axes")
    [0, 0, None]
    """
    flat, short = c_flatten(prefix, is_leaf, False, NAMESPACE)
    full = _as_treedef(tree)
    if short == full:
        return flat
    counts = _leaf_counts(short, full)
    if counts is None:
        found = [Difference(path, got, want) for path, want, got in differences(short, full, what, prefix=True)]
        raise TreeMismatchError(what_tree, what, found, show(full), prefix=True, where=where)
    return [leaf for leaf, count in zip(flat, counts, strict=True) for _ in range(count)]


def _leaf_counts(prefix: TreeDef, full: TreeDef) -> list[int] | None:
    """How many leaves of `full` each leaf of `prefix` stands for; None where it is no prefix."""
    if prefix.is_leaf():
        return [full.num_leaves]
    if prefix.one_level() != full.one_level():
        return None
    counts: list[int] = []
    for one, other in zip(prefix.children(), full.children(), strict=True):
        below = _leaf_counts(one, other)
        if below is None:
            return None
        counts += below
    return counts
