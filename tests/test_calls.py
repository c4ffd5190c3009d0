"""Calls of jitted functions by machine code: what it serves, what it leaves to Python, and that the answers are the same."""

import copy
import gc
import pickle
import subprocess
import sys
import threading
import weakref
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any, NamedTuple

import numpy as np
import pytest

from functrans import disable_jit, grad, jit, make_jaxpr, tree, vmap
from functrans.backends.executable import compile_jaxpr
from functrans.backends.llvm.call import layout, recipe
from functrans.backends.vectorcall import new_calls, recipes_of
from tests.marks import native

pytestmark = [native, pytest.mark.skipif(not layout.is_as_expected(), reason="only Python serves calls")]

Fun = Callable[..., Any]


class Pair(NamedTuple):
    first: Any
    second: Any


class OtherPair(NamedTuple):
    first: Any
    second: Any


@tree.register_dataclass
@dataclass
class Dense:
    w: Any
    b: Any
    activation: str = tree.static(default="tanh")


@tree.register_node_class
@dataclass
class Box:
    content: Any

    def tree_flatten(self) -> tuple[tuple[Any], None]:
        return (self.content,), None

    @classmethod
    def tree_unflatten(cls, _: None, children: tuple[Any]) -> "Box":
        return cls(*children)


def served(function: Fun, *args: Any, **kwargs: Any) -> Any:
    """The function, jitted, after two calls: machine code serves what is like them."""
    jitted = jit(function)
    for _ in range(2):
        jitted(*args, **kwargs)
    assert recipes_of(jitted)
    new_calls(jitted)
    return jitted


def outcome(function: Fun, *args: Any, **kwargs: Any) -> object:
    """What a call gives, as something comparable: types, dtypes, shapes and bits; or its error."""
    try:
        leaves, structure = tree.flatten(function(*args, **kwargs))
    except Exception as error:
        return type(error), str(error).splitlines()[0]
    return structure, [(type(x), np.shape(x), np.asarray(x).dtype, np.asarray(x).tobytes()) for x in leaves]


x = np.arange(6.0).reshape(2, 3)
y = np.array([1.5, -0.0, np.nan])

# ---- what is served ----

LEAVES: list[Any] = [
    x, y, np.arange(3, dtype=np.int8), np.array([True, False]), np.array(2.5), np.zeros((0, 3)), np.ones(2, np.complex64),
    np.ones(3, np.float16), 2.0, -3, True, 1 + 2j, np.float32(0.1), np.int16(4), np.bool_(True), np.complex128(1j),
    np.uint64(2**64 - 1),
]  # fmt: skip


@pytest.mark.parametrize("leaf", LEAVES, ids=repr)
def test_every_kind_of_leaf(leaf: Any) -> None:
    for function in (lambda x: x + x, lambda x: x, lambda x: (x, x)):
        jitted = served(function, leaf)
        assert outcome(jitted, leaf) == outcome(jit(function), leaf)
        assert new_calls(jitted) == 1


TREES: list[Any] = [
    [x, y], (x, (y, [2.0])), {"b": x, "a": {"c": y}}, Pair(x, y), Dense(x, y), Dense(x, y, "relu"), [None, x], Box(x),
    OrderedDict(b=x, a=y), deque([x, y], maxlen=3), {"d": Dense(Pair(x, 1.0), [Box(y)])}, {3: x, 1: y}, [x] * 50, [], ((), x),
]  # fmt: skip


@pytest.mark.parametrize("argument", TREES, ids=lambda argument: str(tree.structure(argument))[:40])
def test_every_kind_of_tree(argument: Any) -> None:
    def function(argument: Any) -> Any:
        return tree.map(lambda leaf: leaf * 2, argument)

    jitted = served(function, argument)
    assert outcome(jitted, argument) == outcome(jit(function), argument)
    assert new_calls(jitted) == 1
    result = jitted(argument)
    if isinstance(argument, dict):
        assert list(result) == list(argument), "keys stay in the user's order"


def test_keywords_in_any_order() -> None:
    jitted = served(lambda x, *, a, b: x + a - b, 1.0, b=2.0, a=3.0)
    assert (jitted(1.0, b=2.0, a=3.0), new_calls(jitted)) == (2.0, 1)
    assert (jitted(1.0, a=3.0, b=2.0), new_calls(jitted)) == (2.0, 0)
    assert (jitted(1.0, a=3.0, b=2.0), new_calls(jitted)) == (2.0, 1), "the other order is served from now on"
    assert (jitted(1.0, b=2.0, a=3.0), new_calls(jitted)) == (2.0, 1)


@dataclass(frozen=True)
class Settings:
    rate: float
    names: tuple[str, ...]


@dataclass(unsafe_hash=True)
class Changeable:
    rate: float


class Mode(Enum):
    FAST = 1


STATICS = [
    3, "name", None, (1, "a"), np.sin, int, np.dtype("f4"), np.float32(2), Mode.FAST, Settings(0.1, ("a",)), Pair(1, 2.0),
]  # fmt: skip


@pytest.mark.parametrize("static", STATICS, ids=repr)
def test_static_arguments(static: Any) -> None:
    jitted = jit(lambda x, s, *, t: (x * 2, str(s) + str(t))[0], static_argnums=1, static_argnames="t")
    for _ in range(3):
        assert jitted(1.0, static, t=static) == 2.0
    assert new_calls(jitted) >= 1
    assert jitted(1.0, 17, t=static) == 2.0
    assert jitted.cache_info().misses == 2


def test_a_static_argument_that_changes_is_not_served() -> None:
    jitted, static = jit(lambda x, s: x * s.rate, static_argnums=1), Changeable(2.0)
    for rate in (2.0, 3.0, 3.0, 2.0, 5.0):
        static.rate = rate
        assert [jitted(1.0, static) for _ in range(3)] == [rate] * 3
    assert not recipes_of(jitted)


def test_no_more_recipes_than_there_is_room_for() -> None:
    jitted = jit(lambda x: x + 1)
    for _ in range(3):
        for n in range(30):
            np.testing.assert_array_equal(jitted(np.arange(n)), np.arange(n) + 1)
    assert len(recipes_of(jitted)) == 8
    assert jitted.cache_info().hits == 60
    assert jitted.cache_info().misses == 30
    jitted.clear_cache()
    assert not recipes_of(jitted)
    assert jitted(1) == 2
    assert jitted.cache_info() == (0, 1, 512, 1)


def test_arguments_too_many_for_the_stack() -> None:
    many = [1.0] * 9000
    jitted = jit(lambda many: many[0] + many[-1])
    for _ in range(3):
        assert jitted(many) == 2.0
    assert not recipes_of(jitted)


# ---- what is not ----


class Sub(np.ndarray[Any, Any]):
    pass


ODD: dict[str, tuple[tuple[Any, ...], dict[str, Any]]] = {
    "dtype": ((y.astype(np.float32), [x, 1.0]), {}),
    "byte order": ((y.astype(">f8"), [x, 1.0]), {}),
    "shape": ((y[:1], [x, 1.0]), {}),
    "rank": ((y[None], [x, 1.0]), {}),
    "subclass": ((y.view(Sub), [x, 1.0]), {}),
    "masked": ((np.ma.array(y), [x, 1.0]), {}),
    "list for array": (([1.0, 2.0, 3.0], [x, 1.0]), {}),
    "None for array": ((None, [x, 1.0]), {}),
    "text": (("y", [x, 1.0]), {}),
    "too short": ((y, [x]), {}),
    "too long": ((y, [x, 1.0, 1.0]), {}),
    "tuple for list": ((y, (x, 1.0)), {}),
    "dict for list": ((y, {"a": x, "b": 1.0}), {}),
    "int for float": ((y, [x, 1]), {}),
    "bool for float": ((y, [x, True]), {}),
    "scalar for float": ((y, [x, np.float64(1.0)]), {}),
    "missing": ((y,), {}),
    "too many": ((y, [x, 1.0], 3), {}),
    "keyword": ((y,), {"b": [x, 1.0]}),
    "unknown keyword": ((y, [x, 1.0]), {"c": 1}),
}


@pytest.mark.parametrize("name", ODD)
def test_a_call_of_another_kind(name: str) -> None:
    args, kwargs = ODD[name]

    def function(a: Any, b: Any) -> Any:
        return a * 2, [leaf + 1 for leaf in b]

    jitted = served(function, y, [x, 1.0])
    assert outcome(jitted, *args, **kwargs) == outcome(jit(function), *args, **kwargs)
    assert new_calls(jitted) == 0
    assert outcome(jitted, y, [x, 1.0]) == outcome(jit(function), y, [x, 1.0])
    assert new_calls(jitted) == 1


@pytest.mark.parametrize(
    ("usual", "odd"),
    [
        ({"a": 1.0, "b": 2.0}, {"a": 1.0, "c": 2.0}),
        ({"a": 1.0, "b": 2.0}, {"a": 1.0}),
        ({"a": 1.0}, OrderedDict(a=1.0)),
        (Pair(1.0, 2.0), (1.0, 2.0)),
        (Pair(1.0, 2.0), OtherPair(1.0, 2.0)),
        (Dense(1.0, 2.0), Dense(1.0, 2.0, "relu")),
        (Dense(1.0, 2.0), Dense(1.0, [2.0])),
        (Box(1.0), Box([1.0])),
        (deque([1.0], maxlen=2), deque([1.0], maxlen=3)),
        (None, 1.0),
        (7, 2**70),
        (7, -(2**63)),
    ],
)
def test_another_tree_or_number(usual: Any, odd: Any) -> None:
    function: Fun = lambda argument: tree.map(lambda leaf: leaf * 2, argument)
    jitted = served(function, usual)
    assert outcome(jitted, odd) == outcome(jit(function), odd)
    assert outcome(jitted, usual) == outcome(jit(function), usual)


read_only = x.copy()
read_only.flags.writeable = False
misaligned = np.frombuffer(bytearray(8 * 6 + 1), np.uint8)[1:].view(np.float64).reshape(2, 3)
LAYOUTS = {
    "read-only": read_only, "misaligned": misaligned, "reversed": x[::-1, ::-1], "Fortran": np.asfortranarray(x),
    "strided": np.arange(24.0).reshape(4, 6)[::2, ::2], "broadcast": np.broadcast_to(np.arange(3.0), (2, 3)),
}  # fmt: skip


@pytest.mark.parametrize("name", LAYOUTS)
def test_arrays_are_served_however_they_lie(name: str) -> None:
    given = LAYOUTS[name]
    before = given.copy()
    jitted = served(lambda a: (a + 1, a), x)
    more, same = jitted(given)
    assert new_calls(jitted) == 1
    np.testing.assert_array_equal(more, before + 1)
    np.testing.assert_array_equal(same, before)
    np.testing.assert_array_equal(given, before)
    assert not np.shares_memory(same, given)
    assert same.flags.c_contiguous


def test_a_trace_is_current_or_jit_is_disabled() -> None:
    ran: list[None] = []

    def function(a: Any) -> Any:
        ran.append(None)
        return np.sum(a * a)

    jitted = served(function, y)
    assert len(ran) == 1
    np.testing.assert_array_equal(grad(jitted)(x), 2 * x)
    np.testing.assert_array_equal(vmap(jitted)(x), np.sum(x * x, axis=1))
    np.testing.assert_array_equal(vmap(lambda z: jitted(x[1]) + z)(np.zeros(2)), np.full(2, np.sum(x[1] * x[1])))
    outer = jit(lambda z: z + jitted(x[1]))
    assert outer(1.0) == 1.0 + np.sum(x[1] * x[1])
    assert "jit" in str(outer.lower(1.0).jaxpr), "a call with known values stays a call in the trace"
    count = len(ran)
    new_calls(jitted)
    with disable_jit():
        jitted(y)
    assert len(ran) == count + 1
    assert new_calls(jitted) == 0


# ---- what was read from outside ----

factor: Any = 2.0


class Model:
    def __init__(self) -> None:
        self.rate: Any = 2.0
        self.hidden: dict[str, list[Any]] = {"rates": [1.0, np.ones(2)]}

    @jit
    def step(self, x: Any) -> Any:
        return x * self.rate + self.hidden["rates"][0] * self.hidden["rates"][1]


def test_a_replaced_global_is_noticed_and_comes_back() -> None:
    global factor
    jitted = served(lambda x: x * factor, y)
    for value in (3.0, np.float32(0.5), np.array([1.0, 2.0, 3.0]), 2.0, 2.0):
        factor = value
        for _ in range(3):
            np.testing.assert_array_equal(jitted(y), y * value)
    assert new_calls(jitted) >= 4


def test_a_replaced_closure_variable_is_noticed() -> None:
    held: Any = [1.0, np.ones(3)]

    helper: Fun = lambda x: x * held[0] + held[1]
    jitted = served(lambda x: helper(x), y)
    jitted(y)
    assert new_calls(jitted) == 1
    held[0] = 5.0
    np.testing.assert_array_equal(jitted(y), y * 5.0 + 1)
    held[1] = np.arange(3.0)
    np.testing.assert_array_equal(jitted(y), y * 5.0 + np.arange(3.0))
    held.append(None)
    np.testing.assert_array_equal(jitted(y), y * 5.0 + np.arange(3.0))
    helper = lambda x: x
    np.testing.assert_array_equal(jitted(y), y)


def test_a_replaced_attribute_is_noticed() -> None:
    model = Model()
    for _ in range(3):
        np.testing.assert_array_equal(model.step(y[:2]), y[:2] * 2 + 1)
    model.rate = 3.0
    np.testing.assert_array_equal(model.step(y[:2]), y[:2] * 3 + 1)
    model.hidden["rates"][0] = 2.0
    np.testing.assert_array_equal(model.step(y[:2]), y[:2] * 3 + 2)


def during_the_call(change: Callable[[], object], jitted: Callable[..., Any], *args: Any) -> None:
    """Call a function that divides by zero, and have something done meanwhile."""
    with np.errstate(divide="call", call=lambda *_: change()):
        jitted(*args)


def test_what_is_replaced_during_a_call_is_noticed() -> None:
    """The recipe is written after the call: it must not take what is there then for what the program was made with."""
    held = [2]

    def replace() -> None:
        held[0] = 3

    jitted = jit(lambda x: 7 * held[0] // x)
    jitted(np.array([1, 1]))
    during_the_call(replace, jitted, np.array([0, 0]))
    for _ in range(3):
        np.testing.assert_array_equal(jitted(np.array([1, 1])), [21, 21])


@pytest.mark.parametrize("other", [np.ones(2, np.float32), np.ones(5, int), 2, np.int64(2)])
def test_arguments_that_change_during_a_call(other: Any) -> None:
    given: dict[str, Any] = {"a": np.array([0, 0])}
    jitted = jit(lambda x: 7 // x["a"])
    jitted({"a": np.array([1, 1])})
    during_the_call(lambda: given.update(a=other, b=1), jitted, given)
    for value in (other, np.array([2, 3])):
        for _ in range(3):
            assert outcome(jitted, {"a": value}) == outcome(lambda x: 7 // x["a"], {"a": value})


def test_an_array_in_the_place_of_one_that_was_freed() -> None:
    global factor
    factor = np.full(3, 1.0)
    jitted = served(lambda x: x * factor, x)
    for value in range(200):
        factor = None
        factor = np.full(3, float(value))  # as a rule at the same address
        np.testing.assert_array_equal(jitted(x), x * float(value))
    factor = 2.0


# ---- results ----


def test_results_alias_nothing() -> None:
    constant = np.arange(3.0)
    jitted = served(lambda x: (x, x, x.T, constant, constant, 2 * x, np.sum(x), 5.0), x)
    results = jitted(x)
    assert new_calls(jitted) == 1
    arrays = [r for r in results if isinstance(r, np.ndarray)]
    for i, one in enumerate(arrays):
        assert one.flags.owndata
        assert one.flags.writeable
        assert not any(np.shares_memory(one, other) for other in (x, constant, *arrays[:i]))
        one[...] = 77
    np.testing.assert_array_equal(jitted(x)[3], np.arange(3.0))


def test_large_results_use_dead_ones_memory_and_alias_nothing_alive() -> None:
    big = np.ones(1 << 17)
    jitted = served(lambda x: (x + 1, x), big)
    first, same = jitted(big)
    address = first.ctypes.data
    second, _ = jitted(big)
    assert not np.shares_memory(first, second)
    del first
    third, _ = jitted(big)
    assert third.ctypes.data == address
    assert not np.shares_memory(same, big)


def test_zero_rank_results_are_scalars_and_python_numbers() -> None:
    jitted = served(lambda a, b: (np.sum(a), b + b, b * 2.0, 1, a[0] > 1), y, 3)
    results = jitted(y, 3)
    assert new_calls(jitted) == 1
    assert [type(r) for r in results] == [np.float64, int, float, int, np.bool_]


# ---- errors, and what they leave ----


def test_an_index_out_of_range_has_the_users_line() -> None:
    jitted = served(lambda x, i: x[i] * 2, y, 1)
    assert jitted(y, 2) is not None
    with pytest.raises(IndexError) as caught:
        jitted(y, 3)
    with pytest.raises(IndexError) as expected:
        jit(lambda x, i: x[i] * 2)(y, 3)
    assert str(caught.value).splitlines()[0] == str(expected.value).splitlines()[0]
    assert "test_calls.py" in f"{caught.value} {getattr(caught.value, '__notes__', '')}"
    assert jitted(y, 0) == 3.0


def test_warnings_obey_errstate() -> None:
    a, b = np.array([6, 7]), np.array([2, 0])
    jitted = served(lambda a, b: a // b, a, np.array([1, 2]))
    with pytest.warns(RuntimeWarning, match="divide by zero"):
        np.testing.assert_array_equal(jitted(a, b), [3, 0])
    with np.errstate(divide="raise"), pytest.raises(FloatingPointError):
        jitted(a, b)
    with np.errstate(divide="ignore"):
        np.testing.assert_array_equal(jitted(a, b), [3, 0])
    np.testing.assert_array_equal(jitted(a, np.array([1, 2])), [6, 3])


def test_a_warning_is_of_the_users_line() -> None:
    a, b = np.array([6, 7]), np.array([2, 0])
    for function in (served(lambda a, b: a // b, a, b + 1), jit(lambda a, b: a // b)):
        with pytest.warns(RuntimeWarning, match="^divide by zero encountered in floor_divide$") as caught:
            function(a, b)
        assert [warning.filename for warning in caught] == [__file__]


def test_an_exception_from_a_callback() -> None:
    a, b = np.array([1 + 1j, 2.0]), np.array([2 + 0j, 1.0])
    jitted = served(lambda a, b: a**b, a, b)
    expected = jitted(a, b)
    with np.errstate(all="raise"), pytest.raises(FloatingPointError) as caught:
        jitted(np.array([1e300 + 0j, 2.0]), np.array([2e10 + 0j, 1.0]))
    assert "test_calls.py" in "".join(getattr(caught.value, "__notes__", ()))
    np.testing.assert_array_equal(jitted(a, b), expected)


def test_calls_leave_no_references() -> None:
    def function(a: Any, b: Any) -> Any:
        return {"sum": [a + leaf for leaf in b["list"]], "pair": Pair(a, 1.0), "dense": Dense(a * 2, 3)}

    a = np.ones(4, np.float32)
    b: dict[str, Any] = {"list": [np.ones(4, np.float32), 2.0], "text": None}
    jitted = served(function, a, b)
    odd, wrong = a[::-1], np.ones(4)

    def counts() -> list[int]:
        watched = (a, b, b["list"], b["list"][0], odd, wrong, a.dtype, np.ndarray, Pair, Dense, None, jitted)
        return [sys.getrefcount(one) for one in watched]

    def calls(times: int) -> None:
        for _ in range(times):
            jitted(a, b)
        for _ in range(times // 100):
            jitted(odd, b)
            jitted(a, {"list": [wrong, 2.0], "text": None})
            with pytest.raises(TypeError):
                jitted(a)

    calls(1000)
    gc.collect()
    before, blocks = counts(), sys.getallocatedblocks()
    calls(20_000)
    gc.collect()
    assert sys.getallocatedblocks() - blocks < 200
    assert max(abs(now - then) for now, then in zip(counts(), before, strict=True)) < 20


def test_a_million_calls_leave_nothing() -> None:
    jitted, a, b = served(lambda a, b: a + b, y, y), y.copy(), y.copy()
    blocks, references = sys.getallocatedblocks(), sys.getrefcount(a)
    for _ in range(1_000_000):
        jitted(a, b)
    assert new_calls(jitted) == 1_000_000
    assert sys.getallocatedblocks() - blocks < 100
    assert sys.getrefcount(a) == references


def test_calls_share_the_memory_of_temporaries() -> None:
    jitted = jit(lambda x: np.cumsum(np.sort(x)))
    big = np.ones(1 << 21)  # 16 MiB of temporaries
    for _ in range(2):
        jitted(big)
    (entry,) = jitted._entries.values()
    executable = compile_jaxpr(entry.jaxpr)
    program: Any = executable.program
    assert program.plan.arena >= 1 << 20
    assert not program._frames, "what Python's calls used went to machine code"
    jitted(big)
    assert new_calls(jitted) == 1


def test_a_served_function_is_collected() -> None:
    known = _discarded()
    gc.collect()
    assert [one() for one in known] == [None, None]


def test_what_is_watched_may_go_after_the_module_that_watches(monkeypatch: pytest.MonkeyPatch) -> None:
    """As when the interpreter exits: the globals of modules are None by then."""
    held = [np.ones(3)]
    jitted = served(lambda x: x + held[0], y)
    ignored: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", ignored.append)
    monkeypatch.setattr(recipe, "step_address", None)
    held[0] = np.full(3, 2.0)
    assert not ignored
    np.testing.assert_array_equal(jitted(y), y + 2.0)


def _discarded() -> list[weakref.ref[Any]]:
    """A served function that refers to itself, and an array that it reads."""
    held = np.ones(3)
    jitted = served(lambda x: x + held, y)
    jitted.itself = jitted
    return [weakref.ref(jitted), weakref.ref(held)]


def test_copies_and_pickles_are_as_those_of_functions() -> None:
    jitted = served(lambda x: x + 1, y)
    assert copy.copy(jitted) is jitted
    assert copy.deepcopy({"f": jitted})["f"] is jitted
    module_level(1.0)
    assert pickle.loads(pickle.dumps(module_level)) is module_level


@jit
def module_level(x: Any) -> Any:
    return x + 1


# ---- programs inside others ----


def test_programs_that_transforms_run_are_served() -> None:
    executable: Any = compile_jaxpr(make_jaxpr(lambda a, n: (np.sum(np.sin(a) * n), n, a))(y, 3))
    assert not recipes_of(executable.program)
    expected = [outcome(executable, given, 3) for given in (y, y[::-1])]
    executable(y, 3)
    for _ in range(3):
        assert [outcome(executable, given, 3) for given in (y, y[::-1])] == expected
    assert new_calls(executable.program) == 6
    assert [type(result) for result in executable(y, 3)[:2]] == [np.float64, np.int64], "no Python numbers"
    again = grad(jit(lambda a: np.sum(np.sin(a) * a)))
    np.testing.assert_array_equal([again(x[0]) for _ in range(4)], [again(x[0])] * 4)


def test_a_program_is_not_served_for_what_it_does_not_take() -> None:
    executable: Any = compile_jaxpr(make_jaxpr(lambda a, n: a * n)(y.astype(np.float32), np.float32(3)))
    for _ in range(4):
        (found,) = executable(y.astype(np.float32), 3.0)  # which NumPy's way makes a float32
        np.testing.assert_array_equal(found, y.astype(np.float32) * np.float32(3))
    assert not recipes_of(executable.program)


def test_programs_of_one_structure_keep_their_own_lines() -> None:
    pick = lambda x, i: x[i] + 0.5  # first
    take = lambda x, i: x[i] + 0.5  # second
    lines = []
    for function in (pick, take, pick, take):
        executable: Any = compile_jaxpr(make_jaxpr(function)(y, 1))
        for i in (0, 1, 2, 0):
            assert outcome(executable, y, i) == outcome(lambda i=i: (y[i] + 0.5,))
        assert new_calls(executable.program) >= 1
        with pytest.raises(IndexError) as caught:
            executable(y, 3)
        lines.append(f"{caught.value} {getattr(caught.value, '__notes__', '')}".count(f":{_line(function)}"))
    assert lines == [1, 1, 1, 1]


def _line(function: Fun) -> int:
    return function.__code__.co_firstlineno


# ---- threads ----


@pytest.mark.parametrize("n", [10, 30_000])
def test_eight_threads_call_one_function(n: int) -> None:
    def function(x: Any, i: Any) -> Any:
        total = np.cumsum(np.sort(x * i))
        return total[::-1] + np.sum(x), {"i": i}

    base = np.linspace(-1, 1, n)
    jitted = served(function, base, 0.5)
    problems: list[object] = []

    def work(number: int) -> None:
        arguments, expected = base + number, None
        for _ in range(40):
            found = outcome(jitted, arguments, number + 0.5)
            expected = expected or found
            if found != expected:
                problems.append((number, found))
        if expected != outcome(jit(function), arguments, number + 0.5):
            problems.append(number)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not problems
    assert new_calls(jitted) == 320


def test_an_argument_that_another_thread_lets_go_is_held() -> None:
    n = 200_000
    jitted = served(lambda p: np.cumsum(np.sort(p["w"])), {"w": np.ones(n)})
    params = {"w": np.full(n, 1.0)}
    stop = threading.Event()

    def replace() -> None:
        while not stop.is_set():
            params["w"] = np.full(n, 1.0)

    thread = threading.Thread(target=replace)
    thread.start()
    try:
        for _ in range(30):
            np.testing.assert_array_equal(jitted(params), np.arange(1.0, n + 1))
    finally:
        stop.set()
        thread.join()


# ---- where it cannot be ----

OUT_OF_MEMORY = """
import resource, sys
import numpy as np
from functrans import jit
from functrans.backends.vectorcall import new_calls

outer = jit(lambda x: x[:, None] * x[None, :])
x = np.ones(60_000)
for _ in range(2):
    outer(x[:10])
resource.setrlimit(resource.RLIMIT_AS, (8 << 30, 8 << 30))
for _ in range(4):
    try:
        outer(x)
    except MemoryError:
        print("MemoryError")
new_calls(outer)
assert np.all(outer(x[:10]) == 1)
print("served", new_calls(outer))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the limit of the address space is Linux's")
def test_a_failing_allocation_raises_and_leaves_all_usable() -> None:
    ran = subprocess.run([sys.executable, "-c", OUT_OF_MEMORY], capture_output=True, text=True, check=False)
    assert ran.stdout.split() == ["MemoryError"] * 4 + ["served", "1"], ran.stderr


@pytest.mark.parametrize("field", ["type", "size", "list_items", "tuple_items", "ndim", "descr", "flags"])
def test_a_layout_that_is_not_as_expected(field: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layout.layout, field, getattr(layout.layout, field) + 8)
    layout.is_as_expected.cache_clear()
    try:
        assert not layout.is_as_expected()
        jitted = jit(lambda x: x + 1)
        for _ in range(3):
            np.testing.assert_array_equal(jitted(y), y + 1)
        assert not recipes_of(jitted)
        assert jitted.cache_info().hits == 2
    finally:
        monkeypatch.undo()
        layout.is_as_expected.cache_clear()
