"""Pytrees: round trips of random trees, prefixes, key paths, registration and what the errors say."""

from __future__ import annotations

import dataclasses
import functools
import operator
import pickle
import time
from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import optree
import pytest
from hypothesis import given
from hypothesis import strategies as st

from functrans import tree, tree_util
from functrans.errors import DataclassFieldsError, FunctransError, TreeMismatchError


class Moments(NamedTuple):
    mean: Any
    var: Any


@tree.register_dataclass
@dataclasses.dataclass
class Dense:
    w: Any
    b: Any = None
    activation: str = tree.static(default="relu")


@tree.register_dataclass
@dataclasses.dataclass(frozen=True)
class Scale:
    value: Any


class Opaque:
    """A class of no known shape, registered without keys."""

    def __init__(self, *parts: Any) -> None:
        self.parts = parts

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Opaque) and self.parts == other.parts

    __hash__ = None  # type: ignore[assignment]


tree.register_node(Opaque, lambda o: (o.parts, len(o.parts)), lambda _, parts: Opaque(*parts))


@tree.register_node_class
class Line:
    def __init__(self, slope: Any, offset: Any) -> None:
        self.slope, self.offset = slope, offset

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Line) and (self.slope, self.offset) == (other.slope, other.offset)

    __hash__ = None  # type: ignore[assignment]

    def tree_flatten(self) -> tuple[tuple[Any, Any], None]:
        return (self.slope, self.offset), None

    def tree_flatten_with_keys(self) -> tuple[list[tuple[tree_util.KeyEntry, Any]], None]:
        return [(tree_util.GetAttrKey("slope"), self.slope), (tree_util.GetAttrKey("offset"), self.offset)], None

    @classmethod
    def tree_unflatten(cls, _aux: None, children: tuple[Any, Any], /) -> Line:
        return cls(*children)


def _nodes(children: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    keys = st.text("abc'\"\\ ", max_size=2) | st.integers(-9, 9)
    lists = st.lists(children, max_size=3)
    dicts = st.dictionaries(keys, children, max_size=3)
    return st.one_of(
        lists,
        lists.map(tuple),
        lists.map(lambda x: deque(x, maxlen=5)),
        lists.map(lambda x: Opaque(*x)),
        dicts,
        dicts.map(OrderedDict),
        dicts.map(lambda x: defaultdict(list, x)),
        st.builds(Moments, children, children),
        st.builds(Dense, children, children, st.sampled_from(["relu", "tanh"])),
        st.builds(Scale, children),
        st.builds(Line, children, children),
        st.just(time.gmtime(0)),
    )


TREES = st.recursive(st.integers() | st.none(), _nodes, max_leaves=8)


@given(TREES)
def test_flatten_and_unflatten_are_inverse(x: Any) -> None:
    flat, treedef = tree.flatten(x)
    assert tree.unflatten(treedef, flat) == x
    assert tree.unflatten(treedef, iter(flat)) == x
    assert flat == tree.leaves(x)
    assert treedef == tree.structure(x)
    assert hash(treedef) == hash(tree.structure(x))
    assert treedef.num_leaves == len(flat)
    assert pickle.loads(pickle.dumps(treedef)) == treedef


@given(TREES)
def test_map_of_the_identity_is_the_identity(x: Any) -> None:
    assert tree.map(lambda leaf: leaf, x) == x
    assert tree.map_with_path(lambda _, leaf: leaf, x) == x
    assert tree.map(operator.sub, x, x) == tree.map(lambda _: 0, x)


@given(TREES)
def test_paths_are_expressions_for_the_leaves(x: Any) -> None:
    names = {"x": x, "flatten_one_level": tree_util.flatten_one_level}
    assert [eval(path, names) for path in tree.paths(tree.structure(x), "x")] == tree.leaves(x)


@given(TREES)
def test_leaves_with_path_pair_each_leaf_with_its_keys(x: Any) -> None:
    pairs, treedef = tree.flatten_with_path(x)
    assert treedef == tree.structure(x)
    assert [leaf for _, leaf in pairs] == tree.leaves(x)
    assert len({path for path, _ in pairs}) == len(pairs)
    seen: set[Any] = set()

    def see(path: Any, _: Any) -> bool:
        seen.add(path)
        return False

    assert tree.leaves_with_path(x, see, is_leaf_takes_path=True) == pairs
    assert {path for path, _ in pairs} <= seen


@given(TREES, st.randoms(use_true_random=False))
def test_every_prefix_broadcasts(x: Any, random: Any) -> None:
    chosen: list[int] = []

    def cut(node: Any) -> bool:
        if random.random() < 0.3:
            chosen.append(len(tree.leaves(node)))
            return True
        return False

    flat, treedef = tree.flatten(x, cut)
    prefix = tree.unflatten(treedef, range(len(flat)))
    counts = [len(tree.leaves(node)) for node in flat]
    expected = [i for i, n in enumerate(counts) for _ in range(n)]
    assert tree.flatten_prefix(prefix, x, "prefix", is_leaf=None) == expected
    assert tree.flatten_prefix(prefix, tree.structure(x), "prefix", is_leaf=None) == expected
    assert tree.broadcast(prefix, x) == tree.unflatten(tree.structure(x), expected)


@given(TREES, TREES)
def test_structures_are_equal_or_all_differences_are_told(x: Any, y: Any) -> None:
    if tree.structure(x) == tree.structure(y):
        tree.check_same_structure(x, y, "x", "y")
        return
    with pytest.raises(TreeMismatchError) as info:
        tree.check_same_structure(x, y, "x", "y")
    assert info.value.differences
    assert all(path.startswith("y") or "(y" in path for path, _, _ in info.value.differences)
    assert all(one != other for _, one, other in info.value.differences)


def test_kinds_of_nodes() -> None:
    assert tree.leaves({"b": 1, "a": 2}) == [2, 1]
    assert tree.leaves(OrderedDict(b=1, a=2)) == [1, 2]
    assert tree.leaves([None, (), {}]) == []
    assert tree.leaves({1, 2}) == [{1, 2}]
    assert tree.leaves("ab") == ["ab"]
    array = np.arange(3)
    assert tree.leaves(array)[0] is array
    assert tree.leaves([1, None], is_leaf=tree.is_none) == [1, None]
    assert list(tree.map(lambda x: x, {"b": 1, "a": 2})) == ["b", "a"]


def test_registry_is_our_own() -> None:
    dense = Dense(1, 2)
    assert optree.tree_leaves(dense) == [dense]  # type: ignore[arg-type]  # it is no node to optree at large


def test_subclasses_of_nodes_are_leaves() -> None:
    class Lines(list[int]): ...

    lines = Lines([1])
    assert tree.leaves(lines) == [lines]


def test_static_fields_are_structure() -> None:
    assert tree.leaves(Dense(1, 2, "tanh")) == [1, 2]
    assert tree.structure(Dense(1, 2, "tanh")) != tree.structure(Dense(1, 2, "relu"))
    assert tree.map(float, Dense(1, 2, "tanh")) == Dense(1.0, 2.0, "tanh")


def test_static_keeps_other_metadata() -> None:
    field: Any = tree.static(default=1, metadata={"unit": "m"})
    assert dict(field.metadata) == {"unit": "m", "static": True}


def test_register_dataclass_by_names_of_fields() -> None:
    @functools.partial(tree.register_dataclass, data_fields=["x"], meta_fields=["n"])
    class Plain:
        def __init__(self, x: int, n: int) -> None:
            self.x, self.n = x, n

    @tree.register_dataclass(drop_fields=("cache",))
    @dataclasses.dataclass
    class Cached:
        x: int
        cache: int = 0

    assert tree.leaves(Plain(1, 2)) == [1]
    assert tree.map(lambda x: x + 1, Plain(1, 2)).n == 2
    assert tree.map(lambda x: x + 1, Cached(1, 2)) == Cached(2, 0)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"data_fields": ["w"]}, "meta_fields is not given"),
        ({"data_fields": ["w"], "meta_fields": []}, "'b' is not listed"),
        ({"data_fields": ["w", "b"], "meta_fields": ["b"]}, "'b' is listed more than once"),
        ({"data_fields": ["w", "b", "c"], "meta_fields": []}, "'c' is not a field"),
    ],
)
def test_register_dataclass_names_the_wrong_fields(arguments: dict[str, list[str]], says: str) -> None:
    @dataclasses.dataclass
    class Pair:
        w: int
        b: int

    with pytest.raises(DataclassFieldsError, match=says) as info:
        tree.register_dataclass(Pair, **arguments)
    assert "Pair" in str(info.value)
    assert "@register_dataclass(data_fields=" in str(info.value)


def test_register_dataclass_of_no_dataclass() -> None:
    class Plain: ...

    with pytest.raises(
        DataclassFieldsError, match="not a dataclass, so data_fields and meta_fields must both be given"
    ):
        tree.register_dataclass(Plain)


def test_registering_twice_is_an_error() -> None:
    with pytest.raises(ValueError, match="already registered"):
        tree.register_dataclass(Dense)


def test_all_differences_with_key_paths() -> None:
    params = {"a": [1, 2, 3], "b": Dense(1, 2), "c": (1, 2), "d": 1, "e": 1}
    grads = {"a": [1, 2], "b": Dense(1, (2, 3), "tanh"), "c": [1, 2], "d": 1, "f": {"x": 1}}
    with pytest.raises(TreeMismatchError) as info:
        tree.check_same_structure(params, tree.structure(grads), "params", "grads", where="model.py:3")
    assert str(info.value).splitlines() == [
        "grads does not have the structure of params:",
        "  grads['e']: a leaf in params, nothing in grads",
        "  grads['f']: nothing in params, a dict with the keys 'x' in grads",
        "  grads['a']: a list of length 3 in params, a list of length 2 in grads",
        "  grads['b'].activation: 'relu' in params, 'tanh' in grads",
        "  grads['b'].b: a leaf in params, a tuple of length 2 in grads",
        "  grads['c']: a tuple of length 2 in params, a list of length 2 in grads",
        "model.py:3",
        "Give grads the structure {'a': [*, *, *], 'b': CustomTreeNode(Dense[('relu',)], [*, *]), 'c': (*, *), 'd': *, "
        "'e': *}, with a value for each *.",
    ]
    assert isinstance(info.value, FunctransError)
    assert isinstance(info.value, ValueError)


def test_differences_of_auxiliary_data() -> None:
    cases: list[tuple[Any, Any, str]] = [
        (deque([1], maxlen=2), deque([1], maxlen=3), "maxlen=3"),
        (OrderedDict(a=1, b=1), OrderedDict(b=1, a=1), "OrderedDict({'b': *, 'a': *})"),
        (defaultdict(list, a=1), defaultdict(int, a=1), "<class 'int'>"),
    ]
    for one, other, says in cases:
        with pytest.raises(TreeMismatchError) as info:
            tree.check_same_structure(one, other, "x", "y")
        assert says in str(info.value)


def test_classes_of_one_name_are_told_apart() -> None:
    def define() -> type:
        class Pair(NamedTuple):
            x: int

        return Pair

    pairs = [define()(1), define()(1)]
    with pytest.raises(TreeMismatchError, match="was its definition run twice"):
        tree.check_same_structure(pairs[0], pairs[1], "x", "y")


def test_flatten_prefix_in_the_style_of_in_axes() -> None:
    args = ({"w": 1, "b": (2, 3)}, 4, None)
    assert tree.flatten_prefix(0, args, "in_axes") == [0, 0, 0, 0]
    assert tree.flatten_prefix((0, None, None), args, "in_axes") == [0, 0, 0, None]
    assert tree.flatten_prefix(({"w": 1, "b": None}, 0, None), args, "in_axes") == [None, None, 1, 0]


def test_flatten_prefix_tells_every_mismatch() -> None:
    args = ({"w": 1, "b": (2, 3)}, [4, 5])
    with pytest.raises(TreeMismatchError) as info:
        tree.flatten_prefix(({"w": 0, "b": (0, 0, 0)}, (0, 0)), args, "in_axes", "args", where="model.py:3")
    assert str(info.value).splitlines() == [
        "in_axes is not a prefix of args:",
        "  in_axes[0]['b']: a tuple of length 2 in args, a tuple of length 3 in in_axes",
        "  in_axes[1]: a list of length 2 in args, a tuple of length 2 in in_axes",
        "model.py:3",
        "Write in_axes as a prefix of ({'b': (*, *), 'w': *}, [*, *]): a value for each *, or one for the whole of a "
        "subtree.",
    ]


def test_prefix_with_other_keys_in_another_order() -> None:
    with pytest.raises(TreeMismatchError, match="a dict with the keys 'b'"):
        tree.flatten_prefix({"b": 0}, OrderedDict(b=1), "in_axes")


def test_map_of_trees_that_differ() -> None:
    with pytest.raises(TreeMismatchError) as info:
        tree.map(operator.add, {"w": 1, "b": 2}, {"w": 1, "c": 2})
    assert "rest[0]['b']: a leaf in tree, nothing in rest[0]" in str(info.value)
    assert "rest[0]['c']: nothing in tree, a leaf in rest[0]" in str(info.value)
    assert "Give rest[0] the structure {'b': *, 'w': *}" in str(info.value)
    pairs: Any = tree.map(lambda x, y: (x, y), [1], [(2, 3)])
    assert pairs == [(1, (2, 3))]


def test_map_does_not_hide_the_errors_of_the_function() -> None:
    def fail(x: int, y: int) -> int:
        raise ValueError("mine")

    with pytest.raises(ValueError, match=r"^mine$"):
        tree.map(fail, [1], [2])


def test_unflatten_counts_the_leaves() -> None:
    for wrong in ([1], [1, 2, 3]):
        with pytest.raises(ValueError, match="expected: 2"):
            tree.unflatten(tree.structure([0, 0]), wrong)


def test_reductions() -> None:
    assert tree.all([1, (2, None)])
    assert not tree.all([1, (0, None)])
    assert tree.all([])
    assert tree.reduce(operator.add, [1, (2, 3)]) == 6
    assert tree.reduce(operator.add, [], 1) == 1
    assert tree.reduce(lambda x, _: x, [1], None) is None
    assert tree.reduce_associative(operator.add, [], identity=0) == 0
    assert tree.reduce_associative(operator.add, ["abcde"[i] for i in range(5)]) == "abcde"
    with pytest.raises(TypeError, match="identity"):
        tree.reduce_associative(operator.add, [])


@given(TREES, st.integers(1, 3))
def test_transpose_twice_is_the_identity(x: Any, n: int) -> None:
    outer, inner = tree.structure([0] * n), tree.structure(x)
    trees = [x] * n
    transposed = tree.transpose(outer, inner, trees)
    assert transposed == tree.map(lambda leaf: [leaf] * n, x)
    assert tree.transpose(inner, outer, transposed) == trees
    assert tree.transpose(outer, None, trees) == transposed


def test_transpose_of_another_structure() -> None:
    with pytest.raises(TreeMismatchError, match=r"pytree_to_transpose\[1\]"):
        tree.transpose(tree.structure([0, 0]), tree.structure((0, 0)), [(1, 2, 3), (4,)])


def test_keys_are_those_of_jax() -> None:
    x = [{"a": Dense(Moments(1, 2))}, Opaque(3), Line(4, 5)]
    found = [tree_util.keystr(path) for path, _ in tree_util.tree_leaves_with_path(x)]
    assert found == ["[0]['a'].w.mean", "[0]['a'].w.var", "[1][<flat index 0>]", "[2].slope", "[2].offset"]
    path = tree_util.tree_leaves_with_path(x)[0][0]
    assert path == (
        tree_util.SequenceKey(0),
        tree_util.DictKey("a"),
        tree_util.GetAttrKey("w"),
        tree_util.GetAttrKey("mean"),
    )


def test_is_leaf_takes_path() -> None:
    def below_a(path: tree.KeyPath, node: Any) -> bool:
        return path[:1] == (tree_util.DictKey("a"),)

    x = {"a": [1, 2], "b": [3, None, (), 4]}
    assert [v for _, v in tree.leaves_with_path(x, below_a, is_leaf_takes_path=True)] == [[1, 2], 3, 4]
    mapped: Any = tree.map_with_path(lambda _, v, w: (v, w), x, x, is_leaf=below_a, is_leaf_takes_path=True)
    assert mapped["a"] == ([1, 2], [1, 2])


def test_partial_is_a_node() -> None:
    inner = functools.partial(pow, 2)
    for call, expected in [(tree_util.Partial(pow, 2, 3), [2, 3]), (tree_util.Partial(inner, 3), [3])]:
        assert tree.leaves(call) == expected
        assert call() == 8
        assert tree.map(lambda x: x, call)() == 8
        assert tree.structure(call) == tree.structure(tree.map(lambda x: x + 1, call))
    assert tree.paths(tree.structure(tree_util.Partial(pow, 2, mod=5)), "f") == ["f.args[0]", "f.keywords['mod']"]


def test_names_of_tree_util_are_complete() -> None:
    jax = pytest.importorskip("jax")
    devices = {"default_registry"}
    missing = {name for name in vars(jax.tree_util) if not name.startswith("_")} - devices - {*vars(tree_util)}
    assert not missing
    assert {name for name in vars(jax.tree) if not name.startswith("_")} <= {*tree.__all__}


@pytest.mark.parametrize("call", [tree_util.flatten_one_level, tree_util.flatten_one_level_with_keys])
def test_a_leaf_has_no_level(call: Callable[[object], object]) -> None:
    with pytest.raises(ValueError, match=r"[Cc]annot flatten leaf"):
        call(1)
