"""What makes right operands of matrix products as they are packed: the same bits as made before, and where the fuser does it."""

from collections.abc import Callable
from typing import Any
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import functrans.numpy as fnp
from functrans import jit, lax
from functrans.backends import numpy as reference
from functrans.backends.llvm.executable import NativeProgram
from functrans.backends.llvm.threads import pool
from functrans.compiler import cost
from functrans.compiler.nest import Fused
from functrans.compiler.options import Options
from tests.guarded_programs import wherever
from tests.marks import native
from tests.test_epilogues import SIZES, Program, apart, assert_close, flat, forms, kinds, numbers, steps

pytestmark = native


@st.composite
def programs(draw: st.DrawFn) -> Program:
    """A product whose right operand is made of others, broadcast, transposed and sliced ones; and maybe an epilogue."""
    form = draw(st.sampled_from(forms(draw(SIZES), draw(SIZES), draw(SIZES))))
    dtype = draw(st.sampled_from(["f4", "f4", "f8", "c8", "i4", "i2", "?", "f2"]))
    shape = form.right
    others = {
        "whole": numbers(*shape, dtype=dtype, seed=2),
        "row": numbers(*shape[-1:], dtype=dtype, seed=3),
        "column": numbers(*shape[:-1], 1, dtype=dtype, seed=4),
        "turned": numbers(*shape[::-1], dtype=dtype, seed=5),
        "longer": numbers(*shape[:-1], shape[-1] + 3, dtype=dtype, seed=6),
        "mask": numbers(*shape, dtype="?", seed=7),
    }
    views: dict[str, Callable[[Any], Any]] = {"turned": lambda x: x.T, "longer": lambda x: x[..., 1:-2]}
    actions = draw(st.lists(st.sampled_from(["add", "mul", "where", "number", "cast"]), min_size=1, max_size=4))
    names = draw(st.lists(st.sampled_from(["whole", "row", "column", "turned", "longer"]), min_size=4, max_size=4))
    keeps, finishes = draw(st.sampled_from([False, False, True])), draw(st.booleans())

    def fun(left: Any, right: Any, *rest: Any) -> tuple[Any, ...]:
        given = dict(zip(others, rest, strict=True))
        for action, name in zip(actions, names, strict=False):
            other = views.get(name, lambda x: x)(given[name])
            match action:
                case "add" | "mul":
                    right = right + other if action == "add" else right * other
                case "where":
                    right = fnp.where(given["mask"], right, other)
                case "number":
                    right = right * (given["row"][0] + given["row"][0]).astype(right.dtype)
                case "cast":
                    right = (right * 1).astype("f4").astype(right.dtype) if dtype in ("f8", "i4") else right
        result = form.fun(left, right)
        return (result + result * result if finishes else result, *([right] if keeps else []))

    args = numbers(*form.left, dtype=dtype), numbers(*form.right, dtype=dtype, seed=1), *others.values()
    return Program(fun, args, tuple(draw(st.lists(st.sampled_from(range(len(args))), unique=True))))


@pytest.mark.parametrize("in_parts", [False, True])
@settings(max_examples=30)
@given(program=programs())
def test_prologues_change_no_bit(in_parts: bool, program: Program) -> None:
    jaxpr = flat(program.fun, *program.args)
    with mock.patch.object(cost, "_PART", 1 if in_parts else 1 << 60), wherever(), np.errstate(all="ignore"):
        with apart():
            wanted = NativeProgram(jaxpr)(*map(np.array, program.args))
        got = NativeProgram(jaxpr, Options(program.donated))(*map(np.array, program.args))
        assert_close(got, reference.Program(jaxpr)(*map(np.array, program.args)))
    for x, y in zip(got, wanted, strict=True):
        assert np.asarray(x).tobytes() == np.asarray(y).tobytes()


LARGE: dict[str, tuple[Callable[..., Any], tuple[tuple[int, ...], ...]]] = {
    "as it lies": (lambda x, w, s: (x @ (w * s),), ((130, 400), (400, 333), (333,))),
    "blocks along k": (lambda x, w, s: (x @ (w * s),), ((130, 2500), (2500, 133), (133,))),
    "blocks along every axis": (lambda x, w, s: (x @ (w * s) + s,), ((610, 1500), (1500, 650), (650,))),
    "turned": (lambda x, w, s: (x @ (w * s).T,), ((130, 400), (533, 400), (400,))),
    "turned, blocks along k": (lambda x, w, s: (x @ (w * s).T,), ((130, 2500), (333, 2500), (2500,))),
    "beside a turned one": (lambda x, d, z: (x.T @ fnp.where(z > 1, d, 0),), ((300, 100), (300, 590), (300, 590))),
}


@pytest.mark.parametrize("dtype", ["f4", "c16"])
@pytest.mark.parametrize("name", LARGE)
def test_large_products_with_any_number_of_threads(name: str, dtype: str) -> None:
    fun, shapes = LARGE[name]
    args = [numbers(*shape, dtype=dtype, seed=i) for i, shape in enumerate(shapes)]
    jaxpr = flat(fun, *args)
    with apart():
        wanted = NativeProgram(jaxpr)(*args)
    program = NativeProgram(jaxpr)
    assert [step.work.prologue is not None for step in program.plan.steps if isinstance(step.work, Fused)] == [True]
    for count in (1, 3):
        pool.set_threads(count)
        for x, y in zip(program(*args), wanted, strict=True):
            assert x.tobytes() == y.tobytes()


# ---- what the fuser does ----

X, W, M = numbers(128, 96), numbers(96, 176), numbers(96, 176, seed=1)


def test_a_mask_of_weights_is_never_stored() -> None:
    (step,) = steps(lambda x, w, m: x @ (w * m), X, W, M)
    assert isinstance(step.work, Fused)
    assert len(step.reads) == 3
    assert jit(lambda x, w, m: x @ (w * m)).lower(X, W, M).cost().arena < 200_000 + W.nbytes


def test_numbers_are_computed_before() -> None:
    first, second = steps(lambda x, w, s: x @ (w * fnp.exp(s)), X, W, np.float32(0.5))
    assert type(first.work).__name__ == "Nest"
    assert isinstance(second.work, Fused)
    assert second.work.prologue is not None
    assert all(op.level == "full" for op in second.work.prologue.ops)


@pytest.mark.parametrize(
    "fun",
    [
        lambda x, w, m: (x @ (w * m), w * m),  # it is stored anyway
        lambda x, w, m: (x @ (w * m), fnp.sum(w * m)),
        lambda x, w, m: x @ (w * m) + (2 * x) @ (w * m),  # twice
        lambda x, w, m: x @ fnp.exp(fnp.sin(w + m)),  # too dear
        lambda x, w, m: x @ (w.T + m.T * m.T).T[:, ::-1],  # not as it lies
        lambda x, w, m: lax.optimization_barrier(w * m).T @ w,  # on the left
    ],
)
def test_what_is_left_to_nests(fun: Callable[..., Any]) -> None:
    assert all(step.work.prologue is None for step in steps(fun, X, W, M) if isinstance(step.work, Fused))


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ((16, 48), (48, 80)),  # read where it lies
        ((3, 100, 120), (3, 120, 100)),  # in batches
        ((128, 300), (300, 1024)),  # rows of whole pages
        ((300, 1500, 128)[1:], (128, 300)),  # packed by each part of the rows
    ],
)
def test_where_operands_are_made_before(left: tuple[int, ...], right: tuple[int, ...]) -> None:
    got = kinds(lambda x, y, z: x @ (y + z), numbers(*left), numbers(*right), numbers(*right))
    assert got[0] == "Nest"


def test_an_operand_of_a_prologue_is_not_written_over() -> None:
    """The result could take the memory of what the prologue still reads."""
    x, w = numbers(150, 150), numbers(150, 150, seed=1)

    def fun(x: Any, w: Any) -> tuple[Any, ...]:
        return (x @ (w * 2) + w,)

    (step,) = (program := NativeProgram(flat(fun, x, w), Options((1,)))).plan.steps
    assert isinstance(step.work, Fused)
    assert not program.overwritten
    np.testing.assert_allclose(program(x, w.copy())[0], fun(x, w)[0], rtol=1e-4, atol=1e-4)


def test_warnings_come_out() -> None:
    x, y = np.ones(X.shape, np.int32), np.ones(W.shape, np.int32)
    with pytest.warns(RuntimeWarning, match="divide by zero"):
        result = jit(lambda x, y, z: x @ (y // z))(x, y, np.zeros(W.shape, np.int32))
    np.testing.assert_array_equal(result, 0)


def test_costs_and_explanations_say_what_a_product_does() -> None:
    product = jit(lambda x, w, m: x @ (w * m + 1))
    (step,) = product.lower(X, W, M).cost().steps
    assert step.flops == 2 * 128 * 96 * 176 + 2 * 96 * 176
    assert step.bytes_read == X.nbytes + W.nbytes + M.nbytes
    product(X, W, M)
    assert "a kernel, Contract, with 2 operations on each element of its right operand" in str(product.explain())
