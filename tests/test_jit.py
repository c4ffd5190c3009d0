"""jit: what is traced and compiled when, what goes in and comes out, and that the world is left as it was.

Static arguments are in test_static_arguments.py, what is read from outside in test_guards.py, compiling in test_compiler.py.
"""

import asyncio
import gc
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial, wraps
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from functrans import disable_jit, grad, jit, jvp, lax, tree, vmap
from functrans.backends import executable
from functrans.core.primitive import EVAL, current_trace
from functrans.errors import ConcretizationError, FunctransError, LeakedTracerError, NonArrayInputError

Fun = Callable[..., Any]


@pytest.fixture(autouse=True)
def _no_trace_is_left() -> Iterator[None]:
    yield
    assert current_trace() is EVAL


def counted(function: Fun) -> tuple[Fun, list[None]]:
    """The jitted function, and a list that grows when its body runs."""
    runs: list[None] = []

    @wraps(function)
    def counting(*args: Any, **kwargs: Any) -> Any:
        runs.append(None)
        return function(*args, **kwargs)

    return jit(counting), runs


def assert_same(got: Any, expected: Any) -> None:
    assert tree.structure(got) == tree.structure(expected)
    for one, other in zip(tree.leaves(got), tree.leaves(expected), strict=True):
        assert np.asarray(one).dtype == np.asarray(other).dtype
        np.testing.assert_array_equal(one, other)


# ---- when the body runs ----


class Pair(NamedTuple):
    first: Any
    second: Any


KINDS: list[Any] = [
    1, 1.0, 1j, True, np.float64(1), np.float32(1), np.int64(1), np.ones(()), np.ones(1), np.ones((1, 1)), np.ones(2),
    np.ones(2, np.float32), np.ones(2, np.float16), np.ones(2, bool), np.ones(2, np.uint8), np.ones(2, np.complex64),
    np.ones((0, 2)), (1.0,), [1.0], {"a": 1.0}, {"b": 1.0}, Pair(1.0, 2.0), (1.0, 2.0), (1.0, None), (), None, [1.0, (2.0,)],
]  # fmt: skip


def test_the_body_runs_once_for_each_kind_of_argument() -> None:
    function, runs = counted(lambda x: tree.map(lambda leaf: leaf + leaf, x))
    kinds = {}
    for x in KINDS:
        leaves = [
            (np.shape(leaf), np.asarray(leaf).dtype, type(leaf) in (int, float, complex)) for leaf in tree.leaves(x)
        ]
        kinds[tree.structure(x), tuple(leaves)] = x
    for _ in range(3):
        for x in KINDS:
            function(x)
    assert len(runs) == len(kinds)


def test_the_values_do_not_matter() -> None:
    function, runs = counted(lambda x, y: x * y)
    for value in (0.0, -0.0, 1.5, np.inf, np.nan):
        assert_same(function(np.full(3, value), value), np.full(3, value) * value)
        assert_same(function(np.full(6, value)[::2], value), np.full(3, value) * value)
    assert len(runs) == 1


def test_keyword_arguments_in_any_order() -> None:
    function, runs = counted(lambda x, y, z: x - 2 * y + 3 * z)
    assert function(x=1.0, y=2.0, z=3.0) == function(z=3.0, x=1.0, y=2.0) == 6.0
    assert len(runs) == 1
    assert function(1.0, z=3.0, y=2.0) == 6.0


# ---- what goes in ----

ARGUMENTS: dict[str, Any] = {
    "big-endian": np.arange(3.0).astype(">f8"),
    "big-endian integers": np.arange(3).astype(">i4"),
    "every other": np.arange(12.0).reshape(3, 4)[::2, ::3],
    "backwards": np.arange(4.0)[::-1],
    "transposed": np.arange(6.0).reshape(2, 3).T,
    "Fortran order": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "broadcast": np.broadcast_to(np.arange(3.0), (2, 3)),
    "rank 0": np.array(2.5),
    "empty": np.zeros((0, 3)),
    "bool": np.array([True, False]),
    "float16": np.arange(3, dtype=np.float16),
    "complex64": np.arange(3).astype(np.complex64) * 1j,
    "uint8": np.array([200, 100], np.uint8),
    "scalar": np.float32(1.5),
    "number": 2.5,
    "int": 3,
    "complex": 1 + 2j,
}


def same(x: Any) -> Any:
    return x


@pytest.mark.parametrize("name", ARGUMENTS)
@pytest.mark.parametrize("function", [same, lambda x: x + x, lambda x: (x * 2, np.sum(x))], ids=["same", "add", "two"])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_arguments_of_every_kind(name: str, function: Fun) -> None:
    x = ARGUMENTS[name]
    expected = tree.map(
        lambda out: out.astype(out.dtype.newbyteorder("=")) if hasattr(out, "dtype") else out, function(x)
    )
    got = jit(function)(x)
    assert_same(got, expected)
    for one, other in zip(tree.leaves(got), tree.leaves(expected), strict=True):
        assert type(one) is (
            type(other) if np.shape(other) else type(np.asarray(other)[()]) if hasattr(x, "dtype") else type(other)
        )


def test_memory_maps_and_read_only_arrays(tmp_path: Path) -> None:
    mapped = np.memmap(tmp_path / "x", dtype=float, shape=(3,), mode="w+")
    mapped[:] = [1.0, 2.0, 3.0]
    frozen = np.arange(3.0)
    frozen.flags.writeable = False
    for x in (mapped, frozen):
        for out in (jit(same)(x), jit(lambda y: x * 1)(1.0), jit(lambda y: x)(1.0)):  # noqa: B023
            np.testing.assert_array_equal(out, x)
            assert type(out) is np.ndarray
            assert out.flags.writeable
            assert not np.shares_memory(out, x)


REFUSED: dict[str, Any] = {
    "text": "s", "an object": object(), "an array of objects": np.array([object()]), "an array of text": np.array(["s"]),
    "a matrix": np.ones((2, 2)).view(np.matrix), "a masked array": np.ma.array([1.0]), "dates": np.array(["2020-01-01"], "M8[D]"),
    "records": np.zeros(2, [("a", float)]), "a function": same, "a set": {1.0}, "bytes": b"s", "a range": range(3),
}  # fmt: skip


@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_no_array_is_named(kind: str) -> None:
    function = jit(lambda x, params, **options: x)
    with pytest.raises(NonArrayInputError, match=r"params\['layers'\]\[1\]"):
        function(1.0, {"layers": [1.0, REFUSED[kind]], "a": 2.0})
    with pytest.raises(NonArrayInputError, match=r"got name"):
        function(1.0, 2.0, zero=1.0, name=REFUSED[kind], after=1.0)
    with pytest.raises(NonArrayInputError, match=r"got params"):
        function(1.0, params=REFUSED[kind])


def test_integers_too_large_for_an_array_overflow() -> None:
    with pytest.raises(OverflowError):
        jit(lambda x, n: x * n)(np.ones(2), 2**70)


def test_arguments_of_every_form() -> None:
    function = jit(lambda a, *args, b=2.0, **options: (a, args, b, options))
    assert_same(function(1.0), (1.0, (), 2.0, {}))
    assert_same(function(1.0, 2.0, (3.0, {"k": 4.0}), b=5.0, z=6.0, c=[7.0]),
                (1.0, (2.0, (3.0, {"k": 4.0})), 5.0, {"z": 6.0, "c": [7.0]}))  # fmt: skip


def test_changing_an_argument_afterwards_changes_nothing() -> None:
    x = np.arange(3.0)
    function = jit(lambda x: (x, x * 2))
    same, double = function(x)
    x[:] = 9.0
    np.testing.assert_array_equal(same, [0.0, 1.0, 2.0])
    np.testing.assert_array_equal(double, [0.0, 2.0, 4.0])
    np.testing.assert_array_equal(function(x)[0], [9.0, 9.0, 9.0])


# ---- what comes out ----

RESULTS: list[Any] = [
    None, 1, 1.5, True, 2j, (), {}, [], {"a": None}, (1, np.float32(2)), np.arange(3), [{"a": (1.0, None)}, Pair(1, [2.0])],
    np.float64("nan"), -0.0, 2**40, np.full(3, np.nan), np.zeros((0, 2)), np.float16(1), {"b": 1.0, "a": 2.0}, np.array(3.0),
]  # fmt: skip


@pytest.mark.parametrize("result", RESULTS, ids=repr)
def test_constant_results(result: Any) -> None:
    without, with_one = jit(lambda: result), jit(lambda x: result)
    calls: list[tuple[Fun, tuple[Any, ...]]] = [(without, ()), (with_one, (1.0,))]
    for function, args in calls:
        for _ in range(2):
            got = function(*args)
            assert_same(got, result)
            assert list(got) == list(result) if isinstance(result, dict) else True
    got = vmap(jit(lambda x: result))(np.ones(2))
    assert tree.structure(got) == tree.structure(result)


def test_scalars_of_rank_0() -> None:
    assert type(jit(np.sum)(np.ones(3))) is np.float64
    assert type(jit(same)(np.array(1.0))) is np.float64
    assert type(jit(same)(np.array(True))) is np.bool
    assert type(jit(same)(2.0)) is float  # as without jit
    assert type(jit(lambda x: x[0])(np.ones(3, np.float32))) is np.float32


@pytest.mark.parametrize(
    "bad", [same, "text", object(), np.array(["s"]), lambda: 1], ids=["function", "text", "object", "strings", "lambda"]
)
def test_results_that_are_no_arrays_are_named(bad: Any) -> None:
    with pytest.raises(FunctransError, match=r"result\['a'\]\[1\]"):
        jit(lambda x: {"a": [x, bad]})(1.0)

    @jit
    def returns_it(x: Any) -> Any:
        return bad

    with pytest.raises(FunctransError, match="returns_it"):
        returns_it(1.0)


CAPTURED = np.arange(6.0).reshape(2, 3)
ALIASES: dict[str, Fun] = {
    "the argument": lambda x: x,
    "twice": lambda x: (x, x),
    "a constant": lambda x: CAPTURED,
    "a constant twice": lambda x: [CAPTURED, CAPTURED],
    "reshaped": lambda x: x.reshape(3, 2),
    "transposed": lambda x: x.T,
    "broadcast": lambda x: np.broadcast_to(x, (4, 2, 3)),
    "sliced": lambda x: (x[:1], x[...]),
    "raveled": lambda x: (np.ravel(x), np.squeeze(x), np.expand_dims(x, 0)),
    "cast": lambda x: x.astype(float),
    "real": lambda x: np.real(x),
    "zeros": lambda x: np.zeros((2, 3)),
    "a view of a result": lambda x: (x + 1, (x + 1).T, np.sin(x).reshape(6), np.sin(x)),
    "through jit": lambda x: jit(lambda y: (y, CAPTURED, y.T))(x),
    "through vmap": lambda x: vmap(lambda y: (y, CAPTURED[0]))(x),
    "through a custom gradient": lambda x: grad(lambda y: np.sum(y * CAPTURED))(x),
}
AROUND: dict[str, Fun] = {
    "plain": lambda f: f,
    "vmap": lambda f: lambda x: vmap(f)(np.stack([x, x])),
    "aux of grad": lambda f: lambda x: grad(lambda x: (np.sum(x), f(x)), has_aux=True)(x)[1],
    "jvp": lambda f: lambda x: jvp(f, (x,), (x,)),
}


@pytest.mark.parametrize("name", ALIASES)
@pytest.mark.parametrize("around", AROUND)
def test_results_alias_nothing(name: str, around: str) -> None:
    function = AROUND[around](jit(ALIASES[name]))
    x = np.arange(6.0).reshape(2, 3) + 1
    leaves = tree.leaves(function(x))
    before = [leaf.copy() for leaf in leaves]
    for i, leaf in enumerate(leaves):
        assert leaf.flags.writeable
        assert not any(np.shares_memory(leaf, other) for other in (x, CAPTURED, *leaves[:i]))
        leaf[...] = 77.0
    assert_same(tree.leaves(function(x)), before)


# ---- functions of every kind ----


def raised(x: Any, n: int) -> Any:
    return x**n


@jit(static_argnames="n")
def decorated(x: Any, n: int) -> Any:
    """The docstring."""
    return x**n


@partial(jit, static_argnums=1)
def decorated_by_partial(x: Any, n: int) -> Any:
    return x**n


def test_decorators_with_arguments() -> None:
    assert decorated(2.0, n=3) == decorated_by_partial(2.0, 3) == jit()(lambda x: x**3)(2.0) == 8.0
    assert (getattr(decorated, "__name__", ""), decorated.__doc__) == ("decorated", "The docstring.")
    assert "decorated" in repr(decorated)


def test_callables_of_every_kind() -> None:
    assert jit(np.sin)(0.5) == np.sin(0.5)
    dot: Fun = np.dot
    assert jit(dot)(np.ones(2), np.ones(2)) == 2.0
    total: Any = np.sum
    np.testing.assert_array_equal(jit(partial(total, axis=0))(np.ones((2, 3))), [2.0, 2.0, 2.0])
    assert jit(jit(jit(same)))(1.0) == 1.0
    assert jit(partial(raised, n=2))(3.0) == 9.0
    assert jit(grad(np.sin))(0.0) == 1.0
    for wrong in (3, "text", [same]):
        with pytest.raises(TypeError, match="function"):
            jit(wrong)  # type: ignore[call-overload]  # that is the point


def test_recursion() -> None:
    @partial(jit, static_argnums=1)
    def power(x: Any, n: int) -> Any:
        return x if n == 1 else x * power(x, n - 1)

    assert power(2.0, 10) == 1024.0
    assert grad(power)(2.0, 10) == 5120.0

    @jit
    def endless(x: Any) -> Any:
        return endless(x)

    with pytest.raises(RecursionError):
        endless(1.0)
    assert current_trace() is EVAL


class Plain:
    offset = 1.0

    def __init__(self, w: Any) -> None:
        self.w = w

    @jit
    def apply(self, x: Any) -> Any:
        return x * self.w

    @classmethod
    @jit
    def of_class(cls, x: Any) -> Any:
        return x + cls.offset

    @jit
    @classmethod
    def of_class_too(cls, x: Any) -> Any:
        return x + cls.offset

    @staticmethod
    @jit
    def of_none(x: Any) -> Any:
        return x + 1

    @jit
    @staticmethod
    def of_none_too(x: Any) -> Any:
        return x + 1


class Derived(Plain):
    offset = 10.0

    @jit
    def apply(self, x: Any) -> Any:  # pyright: ignore[reportIncompatibleVariableOverride]  # self is invariant there
        return super().apply(x) + 1


class Slots:
    __slots__ = ("w",)

    def __init__(self, w: Any) -> None:
        self.w = w

    @jit
    def apply(self, x: Any) -> Any:
        return x * self.w


@dataclass(slots=True, weakref_slot=True)
class WeakSlots:
    w: Any

    @jit
    def apply(self, x: Any) -> Any:
        return x * self.w


@dataclass
class Unhashable:
    w: Any

    @jit
    def apply(self, x: Any) -> Any:
        return x * self.w


@dataclass(frozen=True)
class Frozen:
    w: Any

    @jit
    def apply(self, x: Any) -> Any:
        return x * self.w


@tree.register_dataclass
@dataclass
class Registered:
    w: Any

    @jit
    def apply(self, x: Any) -> Any:
        return x * self.w


CLASSES: list[Any] = [Plain, Slots, WeakSlots, Unhashable, Frozen, Registered]


@pytest.mark.parametrize("kind", CLASSES)
def test_methods(kind: Any) -> None:
    one, other = kind(2.0), kind(np.array([3.0, 4.0]))
    for _ in range(2):
        assert one.apply(5.0) == kind.apply(one, 5.0) == 10.0
        np.testing.assert_array_equal(other.apply(5.0), [15.0, 20.0])
        assert grad(one.apply)(5.0) == grad(lambda x: one.apply(x))(5.0) == 2.0
        np.testing.assert_array_equal(vmap(one.apply)(np.arange(2.0)), [0.0, 2.0])
    if kind is not Frozen:
        one.w = 7.0
        assert one.apply(5.0) == 35.0
    with pytest.raises(NonArrayInputError, match="got x of type str"):
        one.apply("text")


def test_methods_of_pytrees_are_traced_once() -> None:
    Registered(1.0).apply(2.0)
    entries = len(Registered.apply._entries)
    assert [Registered(float(i)).apply(2.0) for i in range(3)] == [0.0, 2.0, 4.0]
    assert len(Registered.apply._entries) == entries
    assert grad(lambda layer: layer.apply(2.0))(Registered(3.0)).w == 2.0


@pytest.mark.parametrize("owner", [Plain, Plain(0.0)])
def test_methods_of_classes(owner: Any) -> None:
    derived: Any = Derived
    assert owner.of_none(1.0) == owner.of_none_too(1.0) == 2.0
    assert owner.of_class(1.0) == owner.of_class_too(1.0) == 2.0
    assert derived.of_class(1.0) == derived.of_class_too(1.0) == 11.0
    assert derived(2.0).apply(3.0) == 7.0


def test_instances_are_freed() -> None:
    for kind in (Plain, WeakSlots, Unhashable):
        instance = kind(np.ones(3))
        instance.apply(1.0)
        dead = weakref.ref(instance)
        del instance
        gc.collect()
        assert dead() is None


# ---- transforms in every order ----

FUNCTIONS: dict[str, Fun] = {
    "smooth": lambda x: np.sin(x) * np.exp(-x),
    "constants": lambda x: np.sum(x * np.array([1.0, 2.0])) * 3,
    "aux": lambda x: np.stack([x, x**2, np.cos(x)])[1] * np.argmax(np.array([1.0, 3.0])),
}
STEPS: dict[str, Fun] = {
    "jit": jit,
    "vmap": lambda f: lambda x: vmap(f)(np.stack([x, x + 1]))[1],
    "grad": grad,
    "jvp": lambda f: lambda x: jvp(f, (x,), (np.ones_like(x),))[1],
    "closure": lambda f: lambda x: jit(lambda y: f(x) + 0 * y)(x),
}


@pytest.mark.parametrize("order", [o for o in product(STEPS, repeat=3) if {"jit", "closure"} & set(o)], ids="-".join)
def test_three_transforms_in_every_order(order: tuple[str, ...]) -> None:
    for function in FUNCTIONS.values():
        eager, jitted = function, function
        for step in order:
            eager = eager if step in ("jit", "closure") else STEPS[step](eager)
            jitted = STEPS[step](jitted)
        assert jitted(np.float64(0.7)) == pytest.approx(eager(np.float64(0.7)), rel=1e-13, abs=1e-15)


def test_a_closure_made_inside_a_transform() -> None:
    def loss(w: Any) -> Any:
        step = jit(lambda x: np.tanh(x * w))
        x: Any = 1.0
        for _ in range(3):
            x = step(x)
        return x

    eager: Fun = lambda w: np.tanh(np.tanh(np.tanh(w) * w) * w)
    assert grad(loss)(0.5) == pytest.approx(grad(eager)(0.5), rel=1e-14)
    assert grad(grad(jit(loss)))(0.5) == pytest.approx(grad(grad(eager))(0.5), rel=1e-13)
    np.testing.assert_allclose(vmap(loss)(np.array([0.5, 1.0])), eager(np.array([0.5, 1.0])), rtol=1e-14)


# ---- errors ----


def test_an_exception_leaves_the_cache_usable() -> None:
    broken = [True]

    @jit
    def function(x: Any) -> Any:
        if broken:
            raise ZeroDivisionError("mine")
        return x * 2

    for _ in range(2):
        with pytest.raises(ZeroDivisionError, match="mine"):
            function(1.0)
        assert current_trace() is EVAL
    broken.clear()
    assert function(1.0) == 2.0


@pytest.mark.parametrize("place", ["_trace", "optimized", "_program", "inline", "_store"])
def test_an_interrupt_leaves_the_cache_usable(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_args: object) -> Any:
        raise KeyboardInterrupt

    executable._programs.clear()
    function = jit(lambda x: np.arctan(x) * 2.5)
    with monkeypatch.context() as patch:
        patch.setattr(type(function) if place == "_trace" else executable, place, interrupt)
        with pytest.raises(KeyboardInterrupt):
            function(1.0)
    assert current_trace() is EVAL
    np.testing.assert_allclose(function(1.0), np.arctan(1.0) * 2.5, rtol=1e-15)


def test_an_index_out_of_range_names_the_line() -> None:
    def pick(x: Any, i: Any) -> Any:
        return x[i]  # this line

    for function in (jit(pick), jit(lambda x, i: jit(pick)(x, i) * 2)):
        assert function(np.arange(3.0), 1) >= 1.0
        with pytest.raises(IndexError) as caught:
            function(np.arange(3.0), 7)
        told = str(caught.value) + "".join(getattr(caught.value, "__notes__", []))
        assert f"test_jit.py:{pick.__code__.co_firstlineno + 1}" in told
        assert function(np.arange(3.0), -1) >= 2.0


def test_branching_on_values_is_an_error() -> None:
    with pytest.raises(ConcretizationError, match=r"test_jit\.py"):
        jit(lambda x: x if x > 0 else -x)(1.0)


def test_leaked_tracers_say_what_they_were() -> None:
    kept: list[Any] = []

    @jit
    def leaky(x: Any) -> Any:
        kept.append(np.sin(x))
        return x

    leaky(np.ones(2))
    line = vars(leaky)["__wrapped__"].__code__.co_firstlineno + 2
    with pytest.raises(LeakedTracerError, match=rf"(?s)f64\[2\].*test_jit\.py:{line} \(.*leaky") as caught:
        np.add(kept[0], 1)
    assert "after its trace had ended" in str(caught.value)


# ---- disabled, at once, and again and again ----


def test_disabled() -> None:
    seen: list[Any] = []

    @jit
    def function(x: Any) -> Any:
        seen.append(type(x))
        return x + 1

    with disable_jit():
        assert function(1.0) == 2.0
        with disable_jit(False):
            assert function(1.0) == 2.0
        assert grad(function)(1.0) == 1.0
    assert seen[0] is float
    assert function(1.0) == 2.0


def test_threads_call_one_function_at_once() -> None:
    scale = np.arange(3.0)
    function, runs = counted(lambda x: np.sin(x) * scale)
    meet = threading.Barrier(6)

    def work(number: int) -> bool:
        meet.wait(10)
        right = True
        for i in range(50):
            x = np.full((1 + i % 3, 3), float(number + i))
            right &= bool(np.allclose(function(x), np.sin(x) * scale, rtol=1e-15, atol=0))
        return right

    with ThreadPoolExecutor(6) as pool:
        assert all(pool.map(work, range(6)))
    assert 3 <= len(runs) <= 18


def test_tasks_call_one_function() -> None:
    function = jit(lambda x: x * 2)

    async def work(i: int) -> Any:
        await asyncio.sleep(0)
        with disable_jit(i % 2 == 0):
            await asyncio.sleep(0)
            return function(float(i))

    async def everything() -> list[Any]:
        return await asyncio.gather(*map(work, range(8)))

    assert asyncio.run(everything()) == [2.0 * i for i in range(8)]


_kept: list[Any] = []


def _refuse(function: Fun, x: Any) -> None:
    _kept.clear()
    with suppress(FunctransError):
        jit(function)(x)


REPEATED: dict[str, Fun] = {
    "jit": jit(lambda x: np.sin(x) * np.arange(3.0)),
    "grad of jit": grad(jit(lambda x: np.sum(np.sin(x)))),
    "jit of grad": jit(grad(lambda x: np.sum(np.sin(x)))),
    "a new lambda": lambda x: jit(lambda y: y * 2)(x),
    "a closure over an array": lambda x: jit(lambda y: y * x)(1.0),
    "a closure over a tracer": grad(lambda x: np.sum(jit(lambda y: y * x)(2.0))),
    "a batch": vmap(jit(np.sin)),
    "a new instance": lambda x: Plain(x).apply(2.0),
    "an error": lambda x: _refuse(same, "text"),
    "a leak": lambda x: _refuse(jit(lambda y: _kept.append(y)), x),
}


@pytest.mark.parametrize("name", REPEATED)
def test_nothing_is_left_behind(name: str) -> None:
    function = REPEATED[name]
    x = np.ones(3)
    for _ in range(3):
        function(x)
    gc.collect()
    before = len(gc.get_objects())
    for _ in range(200):
        function(x)
    gc.collect()
    assert len(gc.get_objects()) - before < 100


def test_a_function_and_what_it_captured_are_freed() -> None:
    def used() -> list[weakref.ref[Any]]:
        captured = np.arange(1000.0)
        function = jit(lambda x: np.sum(x * captured))
        function(1.0)
        grad(function)(1.0)
        grad(jit(lambda x: function(x) * 2))(1.0)
        vmap(function)(np.ones(2))
        snapshots = [const for entry in function._entries.values() for const in entry.jaxpr.consts]
        assert snapshots
        return [weakref.ref(value) for value in (captured, function, *snapshots)]

    gone = used()
    gc.collect()
    assert [dead() for dead in gone] == [None] * len(gone)


def test_a_program_holds_no_captured_array(monkeypatch: pytest.MonkeyPatch) -> None:
    executable._programs.clear()
    function = jit(lambda x: x * np.arange(1000.0))
    function(1.0)
    (program,) = executable._programs.values()
    reachable, pending = set[int](), gc.get_referents(program)
    while pending:
        value: Any = pending.pop()
        if id(value) not in reachable and not isinstance(value, type | type(gc)):
            reachable.add(id(value))
            assert not (isinstance(value, np.ndarray) and value.size == 1000)
            pending += [] if callable(value) and not isinstance(value, partial) else gc.get_referents(value)


def test_lax_functions_under_jit() -> None:
    assert jit(lambda x: lax.dynamic_slice(x, (1,), (2,)))(np.arange(4.0)).tolist() == [1.0, 2.0]


def test_entries_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules["functrans.jit"], "_MOST_ENTRIES", 4)  # functrans.jit is the function
    apply = jit(lambda f, x: f(x), static_argnums=0)
    for i in range(10):
        assert apply(lambda x, i=i: x + i, 1.0) == 1.0 + i
    assert len(apply._entries) == 4
