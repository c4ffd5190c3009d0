"""Loop nests in machine code against NumPy's backend: chains of views, elementwise steps and reductions of any shape.

Steps are exact in every order of rounding (small whole numbers), so that results must be equal bit for bit.
"""

from collections.abc import Callable
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

import functrans.numpy as fnp
from functrans import jit
from functrans.backends import numpy as reference
from functrans.backends.llvm.executable import NativeProgram
from functrans.compiler.pipeline import optimize
from functrans.core.primitive import aval_of
from functrans.transforms.stage import stage

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
