"""Transforms inside transforms: no confusion of perturbations, every order to depth 3, and what surrounds them.

Closures over outer tracers, trees, aux, argnums, exceptions, threads, leaks, integers, complex numbers.
"""

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import product
from typing import Any, NamedTuple, cast

import numpy as np
import pytest

from functrans import grad, jit, jvp, linearize, tree, value_and_grad, vjp, vmap
from functrans.core.aval import FLOAT0, shaped
from functrans.core.check import check_jaxpr
from functrans.core.ir import eval_jaxpr
from functrans.core.primitive import EVAL, current_trace
from functrans.errors import (
    ArgnumsError,
    AuxError,
    ComplexOutputError,
    CotangentError,
    HolomorphicError,
    IntegerInputError,
    IntegerOutputError,
    LeakedTracerError,
)
from functrans.transforms.stage import open_stage, stage
from functrans.typing import Array

Fun = Callable[..., Any]


@pytest.fixture(autouse=True)
def _no_trace_is_left() -> Iterator[None]:
    yield
    assert current_trace() is EVAL


DERIVATIVES: dict[str, Callable[[Fun], Fun]] = {
    "grad": grad,
    "jvp": lambda f: lambda x: jvp(f, (x,), (1.0,))[1],
    "vjp": lambda f: lambda x: vjp(f, x)[1](1.0)[0],
    "linearize": lambda f: lambda x: linearize(f, x)[1](1.0),
}
WRAPPERS: dict[str, Callable[[Fun], Fun]] = {
    "plain": lambda f: f,
    "jit": jit,
    "vmap": lambda f: lambda x: vmap(f)(np.stack([x, 2.0 * x]))[0],
    "vmap over nothing": lambda f: lambda x: vmap(lambda _, x: f(x), in_axes=(0, None))(np.zeros(2), x)[1],
}
OUTER = pytest.mark.parametrize("outer", DERIVATIVES)
INNER = pytest.mark.parametrize("inner", DERIVATIVES)


# ---- perturbation confusion ----


@OUTER
@INNER
@pytest.mark.parametrize("between", WRAPPERS)
def test_perturbations_are_not_confused(outer: str, inner: str, between: str) -> None:
    derive, within, wrap = DERIVATIVES[outer], DERIVATIVES[inner], WRAPPERS[between]
    assert derive(lambda x: x * wrap(within(lambda y: x + y))(1.0))(1.0) == 1.0
    assert derive(lambda x: x * wrap(within(lambda y: x * y))(2.0))(3.0) == 6.0
    assert derive(lambda x: x * wrap(within(lambda y: x * y**3))(x))(2.0) == 96.0  # 3x⁴
    assert derive(wrap(lambda x: x * within(lambda y: x + y)(x)))(5.0) == 1.0
    constant = derive(lambda x: wrap(within(lambda y: np.sin(y)))(1.0) + 0 * x)(1.0)
    assert constant == 0.0


@OUTER
@INNER
def test_perturbations_of_a_shared_variable(outer: str, inner: str) -> None:
    derive, within = DERIVATIVES[outer], DERIVATIVES[inner]

    def function(x: Any) -> Any:
        return within(lambda y: within(lambda z: x * y**2 * z**3)(y))(x)  # d/dy 3xy⁴ = 12xy³, at y = x: 12x⁴

    assert derive(function)(2.0) == 384.0


# ---- every order to depth 3 ----

STEPS: dict[str, tuple[Callable[[Fun], Fun], int]] = {
    "grad": (DERIVATIVES["grad"], 1),
    "jvp": (DERIVATIVES["jvp"], 1),
    "vmap": (WRAPPERS["vmap"], 0),
    "jit": (jit, 0),
}
CLOSED_FORMS: dict[str, tuple[Fun, Callable[[float, int], float]]] = {
    "exp(2x)": (lambda x: np.exp(2.0 * x), lambda x, n: 2.0**n * np.exp(2.0 * x)),
    "sin(3x)": (lambda x: np.sin(3.0 * x), lambda x, n: 3.0**n * np.sin(3.0 * x + n * np.pi / 2)),
    "x**4": (lambda x: x * x**3, lambda x, n: [x**4, 4 * x**3, 12 * x**2, 24 * x][n]),
}


@pytest.mark.parametrize("order", list(product(STEPS, repeat=3)), ids="-".join)
def test_three_transforms_in_every_order(order: tuple[str, ...]) -> None:
    for fun, nth in CLOSED_FORMS.values():
        transformed, count = fun, 0
        for name in order:
            transform, derivatives = STEPS[name]
            transformed, count = transform(transformed), count + derivatives
        assert transformed(0.7) == pytest.approx(nth(0.7, count), rel=1e-13)
        jaxpr = stage(lambda x, f=transformed: (f(x),), [shaped((), np.dtype(np.float64))])
        check_jaxpr(jaxpr)


PER_SAMPLE: dict[str, Callable[[Fun], Fun]] = {
    "vmap of grad": lambda f: vmap(grad(f), in_axes=(0, None)),
    "jit of vmap of grad": lambda f: jit(vmap(grad(f), in_axes=(0, None))),
    "vmap of jit of grad": lambda f: vmap(jit(grad(f)), in_axes=(0, None)),
    "vmap of grad of jit": lambda f: vmap(grad(jit(f)), in_axes=(0, None)),
    "grad of the sum of vmap": lambda f: grad(lambda x, y: np.sum(vmap(f, in_axes=(0, None))(x, y))),
    "grad of the sum of vmap of jit": lambda f: grad(lambda x, y: vmap(jit(f), in_axes=(0, None))(x, y).sum()),
    "vmap of vmap of grad": lambda f: lambda x, y: vmap(vmap(grad(f), (0, None)), (0, None))(np.stack([x, x]), y)[1],
    "columns": lambda f: lambda x, y: vmap(grad(f), in_axes=(1, None), out_axes=-1)(np.swapaxes(x, 0, 1), y).T,
}


@pytest.mark.parametrize("name", PER_SAMPLE)
def test_gradients_per_sample(name: str) -> None:
    x, y = np.arange(6.0).reshape(3, 2), np.array([2.0, -1.0])
    gradients = PER_SAMPLE[name](lambda x, y: np.sum(np.sin(x) * y))(x, y)
    np.testing.assert_allclose(gradients, np.cos(x) * y, rtol=1e-14)


# ---- closures over outer tracers ----


@pytest.mark.parametrize("around", [*WRAPPERS, *DERIVATIVES])
@pytest.mark.parametrize("wrap", WRAPPERS)
def test_closures_over_outer_tracers(around: str, wrap: str) -> None:
    outer = {**WRAPPERS, **DERIVATIVES}[around]
    got = outer(lambda x: WRAPPERS[wrap](lambda y: x * np.exp(x) * y)(2.0))(0.5)
    assert got == pytest.approx((2 if around in WRAPPERS else 3) * np.exp(0.5) * (0.5 if around in WRAPPERS else 1))


def test_an_array_of_tracers_of_a_batch_is_closed_over() -> None:
    x = np.arange(3.0)
    pairs = vmap(lambda a: vmap(lambda b: a * b + np.sum(x))(x))(x)
    np.testing.assert_array_equal(pairs, np.outer(x, x) + 3)
    slopes = vmap(lambda a: grad(lambda b: np.sum(a * b**2 * x))(1.0))(x)
    np.testing.assert_array_equal(slopes, 6 * x)


# ---- trees ----


class Pair(NamedTuple):
    first: Any
    second: Any


@tree.register_dataclass
@dataclass
class Layer:
    weight: Any
    bias: Any


W, B, S = np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([0.5, -0.5]), np.float64(2.0)
TREES: dict[str, Any] = {
    "array": W,
    "scalar": 3.0,
    "dict": {"w": W, "b": B},
    "list": [W, B],
    "tuple": (W, B, S),
    "namedtuple": Pair(W, B),
    "dataclass": Layer(W, B),
    "None inside": {"w": W, "b": None},
    "nested": {"layers": [Layer(W, B), Layer(B, None)], "scale": (S, Pair({"x": W}, ()))},
}


def square_sum(params: Any) -> Any:
    total: Any = 0.0
    for leaf in tree.leaves(params):
        total = total + np.sum(leaf**2)
    return total


def assert_doubled(gradient: Any, params: Any) -> None:
    assert type(gradient) is type(params) or np.ndim(params) == 0
    assert tree.structure(gradient) == tree.structure(params)
    for got, leaf in zip(tree.leaves(gradient), tree.leaves(params), strict=True):
        np.testing.assert_array_equal(got, 2 * np.asarray(leaf))
        assert np.asarray(got).dtype == np.asarray(leaf).dtype


@pytest.mark.parametrize("kind", TREES)
def test_trees_as_arguments(kind: str) -> None:
    params = TREES[kind]
    expected = square_sum(params)
    assert_doubled(grad(square_sum)(params), params)
    assert_doubled(jit(grad(square_sum))(params), params)
    assert_doubled(grad(jit(square_sum))(params), params)
    value, gradient = value_and_grad(square_sum)(params)
    assert value == expected
    assert_doubled(gradient, params)
    value, pull = vjp(square_sum, params)
    assert_doubled(pull(np.float64(1.0))[0], params)
    tangents = tree.map(np.ones_like, params)
    _, slope = jvp(square_sum, (params,), (tangents,))
    assert slope == sum(np.sum(2 * np.asarray(leaf)) for leaf in tree.leaves(params))
    assert linearize(square_sum, params)[1](tangents) == slope


@pytest.mark.parametrize("kind", TREES)
def test_trees_as_results(kind: str) -> None:
    params = TREES[kind]
    double = lambda t: tree.map(lambda leaf: leaf * 2.0, t)
    stacked = tree.map(lambda leaf: np.stack([leaf, leaf]), params)
    assert_doubled(jit(double)(params), params)
    assert_doubled(vmap(double)(stacked), stacked)
    assert_doubled(jvp(double, (params,), (tree.map(lambda leaf: np.asarray(leaf) * 1.0, params),))[1], params)
    values, pull = vjp(double, params)
    assert_doubled(pull(tree.map(np.asarray, params))[0], params)
    assert tree.structure(values) == tree.structure(params)


@pytest.mark.parametrize("empty", [{}, [], (), None, {"a": None, "b": [()]}], ids=str)
def test_empty_trees(empty: Any) -> None:
    function = lambda params, x: x**2
    assert grad(function)(empty, 3.0) == empty
    assert value_and_grad(function, argnums=(0, 1))(empty, 3.0) == (9.0, (empty, 6.0))
    assert jit(lambda params: params)(empty) == empty
    np.testing.assert_array_equal(vmap(function)(empty, np.arange(3.0)), [0, 1, 4])
    assert vjp(lambda params: params, empty)[1](empty) == (empty,)
    assert jvp(lambda params: params, (empty,), (empty,)) == (empty, empty)
    assert vmap(lambda x: empty)(np.arange(2.0)) == empty


def test_a_cotangent_of_another_type_is_an_error() -> None:
    _, pull = vjp(lambda x: {"y": x}, np.ones(2))
    with pytest.raises(CotangentError, match=r"f64\[3\].*f64\[2\]"):
        pull({"y": np.ones(3)})


# ---- aux, argnums ----


def test_aux() -> None:
    function = lambda x: (x**2, {"twice": 2 * x, "text": "kept"})
    assert grad(function, has_aux=True)(3.0) == (6.0, {"twice": 6.0, "text": "kept"})
    assert value_and_grad(function, has_aux=True)(3.0) == ((9.0, {"twice": 6.0, "text": "kept"}), 6.0)
    value, pull, aux = vjp(function, 3.0, has_aux=True)
    assert (value, pull(1.0), aux["twice"]) == (9.0, (6.0,), 6.0)
    assert jvp(function, (3.0,), (1.0,), has_aux=True) == (9.0, 6.0, {"twice": 6.0, "text": "kept"})


@OUTER
def test_aux_belongs_to_the_outer_transform(outer: str) -> None:
    def function(x: Any) -> Any:
        slope, aux = grad(lambda y: (x * y**2, x * y), has_aux=True)(x)
        return slope + aux  # 2x² + x²

    assert DERIVATIVES[outer](function)(2.0) == 12.0


@pytest.mark.parametrize("result", [lambda x: x, lambda x: (x,), lambda x: (x, x, x)], ids=["array", "one", "three"])
def test_aux_must_come_in_a_pair(result: Fun) -> None:
    with pytest.raises(AuxError, match="pair"):
        grad(result, has_aux=True)(1.0)
    with pytest.raises(AuxError, match="pair"):
        jvp(result, (1.0,), (1.0,), has_aux=True)


def test_argnums() -> None:
    function = lambda x, y, *, z=1.0: x * y**2 * z
    assert grad(function)(2.0, 3.0) == 9.0
    assert grad(function, 1)(2.0, 3.0) == 12.0
    assert grad(function, -1)(2.0, 3.0, z=2.0) == 24.0
    assert grad(function, (1, 0))(2.0, 3.0) == (12.0, 9.0)
    assert grad(function, (0,))(2.0, 3.0) == (9.0,)
    assert value_and_grad(function, (0, 1))(2.0, 3.0) == (18.0, (9.0, 12.0))
    assert jit(grad(grad(function, 1), 0))(2.0, 3.0) == 6.0
    for argnums in (2, -3, (0, 2), ()):
        with pytest.raises(ArgnumsError, match="positional"):
            grad(function, argnums)(2.0, 3.0)


# ---- exceptions ----


class Stop(BaseException):
    """Like KeyboardInterrupt: not caught by `except Exception`."""


RUNS: dict[str, Callable[[Fun], Any]] = {
    "grad": lambda f: grad(f)(1.0),
    "vjp": lambda f: vjp(f, 1.0),
    "jvp": lambda f: jvp(f, (1.0,), (1.0,)),
    "linearize": lambda f: linearize(f, 1.0),
    "vmap": lambda f: vmap(f)(np.ones(2)),
    "jit": lambda f: jit(f)(1.0),
    "stage": lambda f: stage(lambda x: (f(x),), [shaped((), np.dtype(np.float64))]),
    "nested": lambda f: jit(vmap(grad(lambda x: jvp(jit(f), (x,), (x,))[1])))(np.ones(2)),
}


@pytest.mark.parametrize("run", RUNS)
@pytest.mark.parametrize("kind", [ZeroDivisionError, Stop])
def test_an_exception_leaves_no_trace(run: str, kind: type[BaseException]) -> None:
    def fails(x: Any) -> Any:
        assert current_trace() is not EVAL
        np.sin(x)
        raise kind("mine")

    with pytest.raises(kind, match="mine"):
        RUNS[run](fails)
    assert current_trace() is EVAL
    assert grad(np.sin)(0.0) == 1.0


def test_an_exception_caught_inside_leaves_the_outer_trace() -> None:
    def function(x: Any) -> Any:
        before = current_trace()
        for run in RUNS.values():
            with pytest.raises(ZeroDivisionError):
                run(lambda y: 1 / 0)
            assert current_trace() is before
        return x**2

    assert grad(function)(3.0) == 6.0


# ---- threads and tasks ----


def test_threads_trace_at_once() -> None:
    meet = threading.Barrier(4)

    def work(number: float) -> Any:
        def function(x: Any) -> Any:
            meet.wait(10)  # all four are inside a transform now
            slope = grad(lambda y: number * x * y**3)(x)
            meet.wait(10)
            return slope

        return grad(function)(2.0)  # d/dx 3nx³ = 9nx²

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(work, [1.0, 2.0, 3.0, 4.0])) == [36.0, 72.0, 108.0, 144.0]


def test_tasks_trace_at_once() -> None:
    async def work(number: float) -> Any:
        with open_stage() as trace:
            x = trace.argument(shaped((), np.dtype(np.float64)))
            y: Any = x
            for _ in range(3):
                await asyncio.sleep(0)  # the other tasks run, inside traces of their own
                assert current_trace() is trace
                y = grad(lambda y: number * y**2)(y)
            jaxpr = trace.finish([x], [y])
        return eval_jaxpr(jaxpr, np.asarray(1.0))[0]

    async def everything() -> list[Any]:
        return await asyncio.gather(*(work(float(number)) for number in range(4)))

    assert asyncio.run(everything()) == [(2.0 * number) ** 3 for number in range(4)]


# ---- leaks ----


LATER: dict[str, Callable[[Any], Any]] = {
    "function": np.cos,
    "operator": lambda leaked: leaked + 1.0,
    "reflected operator": lambda leaked: np.ones(2) * leaked,
    "method": lambda leaked: leaked.sum(),
    "closed over by grad": lambda leaked: grad(lambda y: y * leaked)(1.0),
    "closed over by jvp": lambda leaked: jvp(lambda y: y * leaked, (1.0,), (1.0,)),
    "closed over by vmap": lambda leaked: vmap(lambda y: y * leaked)(np.ones(2)),
    "closed over by jit": lambda leaked: jit(lambda y: y * leaked)(1.0),
    "argument of grad": lambda leaked: grad(np.sin)(leaked),
    "argument of jit": lambda leaked: jit(np.sin)(leaked),
    "argument of vmap": lambda leaked: vmap(lambda x, y: x * y, in_axes=(None, 0))(leaked, np.ones(2)),
}


@pytest.mark.parametrize("run", RUNS)
@pytest.mark.parametrize("later", LATER)
def test_leaked_tracers(run: str, later: str) -> None:
    kept: list[Any] = []

    def leaks(x: Any) -> Any:
        kept.append(np.sin(x))
        return x * 1.0

    RUNS[run](leaks)
    with pytest.raises(LeakedTracerError, match="after its trace had ended"):
        LATER[later](kept[0])


def test_a_tracer_in_another_thread() -> None:
    def function(x: Any) -> Any:
        with ThreadPoolExecutor(1) as pool, pytest.raises(LeakedTracerError, match="in another thread"):
            pool.submit(np.sin, x).result()
        return x

    assert grad(function)(1.0) == 1.0


# ---- integers ----


@pytest.mark.parametrize("value", [3, np.int32(3), np.array([1, 2]), True, np.array([True])], ids=repr)
def test_integer_arguments_have_no_gradient(value: Any) -> None:
    function = lambda count, x: np.sum(x * count)
    with pytest.raises(IntegerInputError, match="count"):
        grad(function)(value, 2.0)
    zeros = grad(function, allow_int=True)(value, 2.0)
    assert zeros.dtype == FLOAT0
    assert zeros.shape == np.shape(value)
    assert grad(function, 1)(value, 2.0) == np.sum(value)
    first, second = vjp(function, value, 2.0)[1](1.0)
    assert (first.dtype, second) == (FLOAT0, np.sum(value))
    tangent = np.zeros(np.shape(value), FLOAT0)
    assert jvp(function, (value, 2.0), (tangent, 1.0))[1] == np.sum(value)
    with pytest.raises(CotangentError, match="float0"):
        jvp(function, (value, 2.0), (np.ones(np.shape(value)), 1.0))
    assert jit(grad(function, 1))(value, 2.0) == np.sum(value)


def test_integer_results_have_no_gradient() -> None:
    with pytest.raises(IntegerOutputError, match="int"):
        grad(lambda x: np.argmax(x))(np.arange(3.0))
    out, tangent = jvp(lambda x: np.argmax(x), (np.arange(3.0),), (np.ones(3),))
    assert out == 2
    assert cast(Any, tangent).dtype == FLOAT0
    (_, order), pull = vjp(lambda x: (x**2, np.argsort(x)), np.arange(3.0))
    for ct in (np.zeros(3, FLOAT0), np.zeros_like(order)):
        np.testing.assert_array_equal(pull((np.ones(3), cast(Any, ct)))[0], [0.0, 2.0, 4.0])


# ---- complex numbers ----

HOLOMORPHIC: dict[str, tuple[Fun, Fun]] = {
    "cube": (lambda z: z**3, lambda z: 3 * z**2),
    "exp": (np.exp, np.exp),
    "quotient": (lambda z: 1 / (1 + z), lambda z: -1 / (1 + z) ** 2),
    "sin": (np.sin, np.cos),
}


@pytest.mark.parametrize("name", HOLOMORPHIC)
def test_holomorphic(name: str) -> None:
    function, derivative = HOLOMORPHIC[name]
    z = np.complex128(0.5 + 2j)
    for run in (grad, lambda f, **kw: jit(grad(f, **kw)), lambda f, **kw: grad(jit(f), **kw)):
        assert run(function, holomorphic=True)(z) == pytest.approx(derivative(z), rel=1e-14)
    assert jvp(function, (z,), (np.complex128(1j),))[1] == pytest.approx(1j * derivative(z), rel=1e-14)


def test_holomorphic_is_asked_for() -> None:
    with pytest.raises(ComplexOutputError, match="holomorphic=True"):
        grad(lambda z: z**2)(1j)
    with pytest.raises(HolomorphicError, match="argument"):
        grad(lambda x: x**2, holomorphic=True)(1.0)
    with pytest.raises(HolomorphicError, match="value"):
        grad(lambda z: np.abs(z), holomorphic=True)(1j)


CONVENTION: dict[str, Callable[[Any, Any], Any]] = {
    "abs": lambda np, z: np.abs(z),
    "abs squared": lambda np, z: np.real(z * np.conj(z)),
    "real": lambda np, z: np.real(z) ** 3,
    "imag": lambda np, z: np.imag(z) * np.real(z),
    "product": lambda np, z: np.real((2 + 3j) * z),
    "exp": lambda np, z: np.imag(np.exp(1j * z)),
    "quotient": lambda np, z: np.abs(z / (1 - 2j)) ** 2,
    "angle": lambda np, z: np.angle(z),
}


@pytest.mark.parametrize("name", CONVENTION)
def test_complex_gradients_are_those_of_jax(name: str) -> None:
    jax = pytest.importorskip("jax")
    jax.config.update("jax_enable_x64", True)
    function, z, t = CONVENTION[name], np.complex128(0.7 - 1.3j), np.complex128(-0.4 + 1j)
    theirs = jax.grad(lambda z: function(jax.numpy, z))
    ours = grad(lambda z: function(np, z))
    gradient, along = jax.jit(lambda z, t: jax.jvp(theirs, (z,), (t,)))(z, t)
    assert ours(z) == pytest.approx(complex(gradient), rel=1e-12)
    assert jvp(ours, (z,), (t,))[1] == pytest.approx(complex(along), rel=1e-12)
    assert jvp(lambda z: function(np, z), (z,), (t,))[1] == pytest.approx((ours(z) * t).real, rel=1e-12)
    assert jit(ours)(z) == ours(z)


def test_an_array_that_all_elements_share_can_be_indexed_by_a_mapped_index() -> None:
    table, indices = np.arange(12.0).reshape(4, 3), np.array([3, 0, 0])

    def embed(table: Array, i: Array) -> Array:
        assert table.shape == (4, 3)
        row: Array = table[i] * 2.0
        return row if np.asarray(table)[0, 0] == 0.0 else -row  # known: it is the same for all

    mapped = vmap(embed, (None, 0))
    np.testing.assert_array_equal(mapped(table, indices), table[indices] * 2.0)
    np.testing.assert_array_equal(jit(vmap(lambda t, i: t[i], (None, 0)))(table, indices), table[indices])
    np.testing.assert_array_equal(vmap(lambda t, i: t, (None, 0), out_axes=None)(table, indices), table)
    gradient = grad(lambda t: np.sum(vmap(lambda t, i: t[i], (None, 0))(t, indices)))(table)
    np.testing.assert_array_equal(gradient[:, 0], [2.0, 0.0, 0.0, 1.0])
    nested = vmap(vmap(lambda t, i: t[i], (None, 0)), (None, 0))(table, indices.reshape(3, 1))
    np.testing.assert_array_equal(nested, table[indices][:, None])
