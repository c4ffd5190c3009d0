"""Loop nests in machine code against NumPy's backend: chains of views, elementwise steps and reductions of any shape.

Steps are exact in every order of rounding (small whole numbers), so that results must be equal bit for bit.
"""

import math
from collections.abc import Callable
from itertools import permutations
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

import functrans.numpy as fnp
from functrans import jit, make_jaxpr, tree, vjp
from functrans.backends import numpy as reference
from functrans.backends.llvm.executable import NativeProgram
from functrans.compiler.pipeline import optimize
from functrans.core.primitive import aval_of
from functrans.transforms.stage import stage
from tests.marks import native

DTYPES = ("bool", "int8", "uint8", "int32", "int64", "float16", "float32", "float64", "complex64", "complex128")
SIZES = st.sampled_from([0, 1, 1, 2, 3, 5, 8, 17, 33])

Step = Callable[[list[Any]], Any]


@st.composite
def steps(draw: st.DrawFn, rank: int) -> Step:
    """One step from the values so far to the next, of the shape that it finds them in."""
    kind = draw(st.sampled_from(["add", "mul", "max", "where", "sum", "any", "mean_like", "keep", "turn", "flip",
                                 "cut", "flat", "row", "column", "square", "outer"]))  # fmt: skip
    i, j, axis = draw(st.integers(0, 9)), draw(st.integers(0, 9)), draw(st.integers(0, 3))

    def step(values: list[Any]) -> Any:
        x, y = values[i % len(values)], values[j % len(values)]
        n = len(aval_of(x).shape)
        at = axis % n if n else 0
        match kind:
            case "sum":
                return fnp.sum(x, axis=at if n else None, dtype=aval_of(x).dtype)
            case "any":
                return fnp.any(x, axis=at if n else None)
            case "keep":
                return (
                    x - fnp.sum(x, axis=at if n else None, keepdims=True, dtype=aval_of(x).dtype) if is_number(x) else x
                )
            case "mean_like":
                return fnp.sum(x, dtype=aval_of(x).dtype)
            case "turn":
                return fnp.transpose(x)
            case "flip":
                return fnp.flip(x, at) if n else x
            case "cut":
                return x[(slice(None),) * at + (slice(1, None, 2),)] if n else x
            case "flat":
                return fnp.reshape(x, -1)
            case "row":
                return fnp.expand_dims(x, 0)
            case "column":
                return fnp.expand_dims(x, n)
            case "square":
                return x * x if is_number(x) else x
            case "outer":
                return fnp.expand_dims(x, n) * fnp.reshape(y, -1)[:3]
            case _ if fits(x, y):
                ufunc = {"add": fnp.add, "mul": fnp.multiply, "max": fnp.maximum}.get(kind)
                return fnp.where(x > y, x, y) if ufunc is None else ufunc(x, y)
            case _:
                return x

    return step


def is_number(x: Any) -> bool:
    return aval_of(x).dtype.kind != "b"


def fits(x: Any, y: Any) -> bool:
    try:
        np.broadcast_shapes(aval_of(x).shape, aval_of(y).shape)
    except ValueError:
        return False
    return aval_of(x).dtype.kind != "c" and aval_of(y).dtype.kind != "c"


@st.composite
def programs(draw: st.DrawFn) -> tuple[Callable[..., Any], tuple[Any, ...]]:
    shape = tuple(draw(st.lists(SIZES, max_size=3)))
    inputs = []
    for _ in range(draw(st.integers(1, 2))):
        dtype = np.dtype(draw(st.sampled_from(DTYPES)))
        low = 0 if dtype.kind in "bu" else -2
        values = np.random.default_rng(draw(st.integers(0, 99))).integers(low, 3, shape)
        inputs.append(np.asarray(values.astype(dtype)))
    chain = draw(st.lists(steps(len(shape)), min_size=1, max_size=7))

    def run(*args: Any) -> Any:
        values = list(args)
        for step in chain:
            found = step(values)
            if aval_of(found).size <= 20000 and len(aval_of(found).shape) <= 6:
                values.append(found)
        return tuple(values[len(args) :])

    return run, tuple(inputs)


@settings(max_examples=150)
@given(programs())
def test_nests_compute_what_numpy_does(program: tuple[Callable[..., Any], tuple[Any, ...]]) -> None:
    run, inputs = program
    with np.errstate(all="ignore"):
        jaxpr = stage(run_flat(run), [aval_of(x) for x in inputs])
        flat = optimize(jaxpr.with_consts_as_inputs())
        expected = reference.Program(flat)(*jaxpr.consts, *inputs)
        got = NativeProgram(flat)(*jaxpr.consts, *inputs)
    for a, b in zip(got, expected, strict=True):
        a, b = np.asarray(a), np.asarray(b)
        assert (a.shape, a.dtype) == (b.shape, b.dtype)
        limit = (
            2048 if b.dtype == np.float16 else 2**24 if b.dtype.itemsize // (1 + (b.dtype.kind == "c")) == 4 else 2**53
        )
        exact = b.dtype.kind in "biu" or not b.size or np.max(np.abs(b)) < limit / 64
        if exact:
            np.testing.assert_array_equal(a, b)


def run_flat(run: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *args: tuple(run(*args))


@pytest.mark.parametrize("n", [0, 1, 7, 8, 100, 1000, 4097, 100_000])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_sums_are_as_accurate_as_pairwise_ones(n: int, dtype: str) -> None:
    x = np.random.default_rng(n).standard_normal(n).astype(dtype) + np.dtype(dtype).type(0.5)
    exact = np.sum(x.astype(np.longdouble))
    scale = float(np.sum(np.abs(x.astype(np.longdouble)))) * float(np.finfo(dtype).eps)
    total = jit(np.sum)
    assert abs(float(total(x) - exact)) <= max(2 * abs(float(np.sum(x) - exact)), scale / 2)
    assert total(x) == total(x), "a result repeats bit for bit"


def kernels(fun: Callable[..., Any], *args: Any) -> list[str]:
    """What a program is made of: its loop nests and kernels."""
    jaxpr = optimize(make_jaxpr(fun)(*args).with_consts_as_inputs())
    return [type(step.work).__name__ for step in NativeProgram(jaxpr).plan.steps]


def rows_and_columns(x: Any) -> tuple[Any, ...]:
    """Sums along rows, of columns, and of everything, and what is made of them: of one reading of x."""
    rows = fnp.sum(x * x, axis=-1)
    columns = fnp.sum(x * rows[..., None], axis=0)
    return rows, columns, columns * 2 + fnp.max(x, axis=0), fnp.sum(rows), fnp.sum(rows) * 3


@pytest.mark.parametrize("dtype", ["int8", "int32", "float16", "float32", "float64", "complex64"])
@pytest.mark.parametrize(
    "shape", [(2, 2), (3, 1000), (64, 17), (65, 16), (300, 33), (200, 3, 19), (2, 0), (1, 5), (5, 1)]
)
def test_rows_and_columns_are_reduced_in_one_nest(dtype: str, shape: tuple[int, ...]) -> None:
    x = np.random.default_rng(0).integers(0, 3, shape).astype(dtype)
    got, expected = jit(rows_and_columns)(x), rows_and_columns(x)
    for a, b in zip(got, expected, strict=True):
        assert (a.shape, a.dtype) == (b.shape, b.dtype)
        np.testing.assert_allclose(a, b, rtol=1e-2 if dtype == "float16" else 0)  # rounded by NumPy at each step


def test_each_of_these_reads_its_operands_once() -> None:
    x, row, column = np.ones((300, 40), "f"), np.ones(40, "f"), np.ones(300, "f")
    assert kernels(rows_and_columns, x) == ["Nest"]
    assert kernels(lambda x, y: vjp(layer_norm, x, y)[1](x), x, row) == ["Nest"]
    assert kernels(lambda x, c: fnp.sum(fnp.exp(x * c[:, None])), x, column) == ["Nest"]


def layer_norm(x: Any, scale: Any) -> Any:
    centred = x - fnp.mean(x, axis=-1, keepdims=True)
    return centred / fnp.sqrt(fnp.mean(centred**2, axis=-1, keepdims=True) + 1e-5) * scale


@native
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(400, 400), (1024, 128), (129, 1025)])
def test_large_matrices_times_vectors_are_read_once(dtype: str, shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal(shape).astype(dtype), rng.standard_normal(shape[1]).astype(dtype)

    def both(x: Any, w: Any) -> tuple[Any, Any]:
        rows = x @ w
        return rows, fnp.tanh(rows) @ x

    assert kernels(both, x, w) == ["Nest"]
    for run in (both, lambda x, w: both(x.T, w)):
        assert_sums_are_near(jit(run)(x if run is both else x.T.copy(), w), both(x.astype("f8"), w.astype("f8")), dtype)


def assert_sums_are_near(got: Any, expected: Any, dtype: str) -> None:
    for a, b in zip(got, expected, strict=True):
        assert a.dtype == dtype
        np.testing.assert_allclose(a, b, rtol=0, atol=np.finfo(dtype).eps * 8 * np.max(np.abs(b)))


TURNED: dict[str, Callable[[Any], Any]] = {
    "transpose": lambda x: x.T,
    "with itself": lambda x: fnp.where(x.T[0] != x.T, x.T, x.T[0]),
    "backwards": lambda x: x.T[:, ::-1],
    "in steps": lambda x: x.T[::2, ::-2],
    "of a slice": lambda x: x[1:, 3:].T,
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", TURNED)
def test_reads_across_the_order_of_memory(name: str, dtype: str) -> None:
    turned = TURNED[name]
    for shape in [(8, 9), (9, 8), (64, 64), (65, 67), (16, 128), (130, 9), (7, 200), (200, 131)]:
        x = np.random.default_rng(0).integers(0, 100, shape).astype(dtype)
        np.testing.assert_array_equal(jit(turned)(x), turned(x))


@pytest.mark.parametrize("order", [*permutations(range(3))])
def test_axes_in_any_order(order: tuple[int, ...]) -> None:
    x = np.arange(9 * 17 * 33, dtype=np.float32).reshape(9, 17, 33)
    both = jit(lambda x: (x.transpose(order) * 2, x.transpose(order) - x.transpose(order)[0]))
    doubled, less = both(x)
    np.testing.assert_array_equal(doubled, x.transpose(order) * 2)
    np.testing.assert_array_equal(less, x.transpose(order) - x.transpose(order)[0])


def test_reductions_read_transposes_in_the_order_of_memory() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 9, (150, 210)).astype("f"), rng.integers(0, 9, (210, 150)).astype("f")
    programs: dict[Callable[..., Any], list[str]] = {
        lambda x, y: fnp.sum(x.T, axis=1): ["Nest"],
        lambda x, y: fnp.sum(x.T * y, axis=1): ["Nest", "Nest"],  # the first is a copy
        lambda x, y: x.T - fnp.max(x.T, axis=1, keepdims=True): ["Nest", "Nest"],
        lambda x, y: fnp.sum(x.T[::2] * y[::2], axis=0): ["Nest"],
        lambda x, y: (x.T + 1, x * 2): ["Nest", "Nest"],
    }
    for program, expected in programs.items():
        assert kernels(program, x, y) == expected
        for a, b in zip(tree.leaves(jit(program)(x, y)), tree.leaves(program(x, y)), strict=True):
            np.testing.assert_array_equal(a, b)


def log_softmax(x: Any) -> Any:
    shifted = x - fnp.max(x, axis=-1, keepdims=True)
    return shifted - fnp.log(fnp.sum(fnp.exp(shifted), axis=-1, keepdims=True))


@pytest.mark.parametrize(
    ("nest", "in_place"),
    [
        (lambda x: [x * 2], True),
        (lambda x: [log_softmax(x)], True),  # written in the last of its passes, which reads it last
        (lambda x: [x * 2, fnp.sum(x * 2, axis=0)], True),  # while columns are added up
        (lambda x: [x * 2, fnp.sum(x * 2 * x, axis=0)], True),  # which reads both
        (lambda x: [x * 2, fnp.sum(x * fnp.sum(x, axis=1, keepdims=True), axis=1)], False),  # a later pass reads it
        (lambda x: [x.T * 2], False),
        (lambda x: [x * x[0]], False),
    ],
)
def test_nests_write_over_what_they_read_for_the_last_time(nest: Callable[[Any], Any], in_place: bool) -> None:
    x = np.random.default_rng(0).standard_normal((40, 40))

    def program(x: Any) -> Any:
        return [fnp.cumsum(out, axis=0) for out in nest(fnp.cumsum(x, axis=1))]

    plan = NativeProgram(optimize(make_jaxpr(program)(x))).plan
    first, *nests = plan.steps
    reader = next(step for step in nests if first.outs[0] in step.reads)
    assert in_place == any(plan.places[first.outs[0]] == plan.places[out] for out in reader.outs)
    for a, b in zip(jit(program)(x), program(x), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-10)


@native
def test_columns_are_added_up_more_exactly_than_by_numpy() -> None:
    x = np.random.default_rng(0).random((5000, 40), "f")

    def both(x: Any) -> tuple[Any, Any]:
        return fnp.sum(x, axis=0), fnp.sum(x, axis=1)

    assert kernels(both, x) == ["Nest"]
    exact = np.array([math.fsum(column) for column in x.T])
    errors = np.abs(jit(both)(x)[0] - exact)
    assert np.max(errors) <= np.finfo(np.float32).eps * 2 * np.max(exact)
    assert np.max(errors) < np.max(np.abs(np.sum(x, axis=0) - exact)) / 4


def test_infinities_survive_compensated_sums() -> None:
    x = np.ones(5000)
    for special in (np.inf, -np.inf, np.nan):
        y = x.copy()
        y[777] = special
        np.testing.assert_equal(jit(np.sum)(y), np.sum(y))
    y[778] = np.inf
    assert np.isnan(jit(np.sum)(y))


def test_results_are_the_callers_own() -> None:
    x = np.ones((700, 1000))
    double = jit(lambda x: (x + 1, x, x.T))
    first, same, turned = double(x)
    for result in (first, same, turned):
        assert result.flags.writeable
        result[...] = 7
    assert np.all(x == 1)
    second, _, _ = double(x)
    assert np.all(second == 2)
    assert np.all(first == 7)


@pytest.mark.parametrize("shape", [(), (1,), (1, 1)])
def test_what_is_computed_once_may_be_read_from_memory(shape: tuple[int, ...]) -> None:
    x, y = np.arange(15.0).reshape(5, 3), np.full(shape, 4.0)
    fun: Callable[..., Any] = lambda x, y: np.sum(x + (y - 2), axis=1) - y * 3
    np.testing.assert_array_equal(jit(fun)(x, y), fun(x, y))


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "complex64", "complex128"])
@pytest.mark.parametrize(("shape", "axis"), [((1,), 0), ((1, 5), 0), ((5, 1), 1), ((1, 1), None), ((2, 5), 0)])
def test_a_sum_of_negative_zeros_is_positive(shape: tuple[int, ...], axis: int | None, dtype: str) -> None:
    x = -np.zeros(shape, dtype)
    total: Callable[..., Any] = lambda x: np.sum(x, axis=axis)
    assert np.asarray(jit(total)(x)).tobytes() == np.asarray(total(x)).tobytes()
