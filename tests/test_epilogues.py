"""What is done to the elements of matrix products at once: the same bits as done afterwards, and where the fuser does it."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import functrans as ft
import functrans.numpy as fnp
from functrans import jit, lax, make_jaxpr
from functrans.backends import numpy as reference
from functrans.backends.llvm import executable
from functrans.backends.llvm.executable import NativeProgram
from functrans.backends.llvm.kernels.product.layout import layout_of
from functrans.backends.llvm.program import BACKEND
from functrans.backends.llvm.threads import pool
from functrans.compiler import cost
from functrans.compiler.nest import Fused
from functrans.compiler.options import Options
from functrans.compiler.pipeline import optimize
from functrans.compiler.steps import Argument, Step
from functrans.core.aval import shaped
from functrans.core.ir import Jaxpr
from functrans.core.primitive import aval_of
from functrans.transforms.stage import stage
from tests.guarded_programs import wherever
from tests.marks import native

pytestmark = native

Array = np.ndarray[Any, Any]


def flat(fun: Callable[..., Any], *args: Any) -> Jaxpr:
    jaxpr = stage(lambda *args: tuple(fun(*args)), [aval_of(x) for x in args])
    assert not jaxpr.consts
    return optimize(jaxpr)


def steps(fun: Callable[..., Any], *args: Any) -> tuple[Step, ...]:
    return NativeProgram(optimize(make_jaxpr(fun)(*args).with_consts_as_inputs())).plan.steps


def kinds(fun: Callable[..., Any], *args: Any) -> list[str]:
    return [type(step.work).__name__ for step in steps(fun, *args)]


@contextmanager
def apart() -> Iterator[None]:
    """What makes operands of products is computed before, and what is made of the results afterwards."""
    never = BACKEND._replace(finishes=lambda _product: False, prepares=lambda _product: False)
    with mock.patch.object(executable, "BACKEND", never):
        yield


def numbers(*shape: int, dtype: str = "f4", seed: int = 0) -> Array:
    rng = np.random.default_rng(seed)
    kind = np.dtype(dtype).kind
    if kind in "iub":
        return np.asarray(rng.integers(0, 2 if kind == "b" else 9, shape)).astype(dtype)
    x = rng.standard_normal(shape)
    return np.asarray(x + 1j * rng.standard_normal(shape) if kind == "c" else x, dtype)


# ---- the same bits ----


class Form(NamedTuple):
    """A product and the shapes of its operands and of its result."""

    fun: Callable[[Any, Any], Any]
    left: tuple[int, ...]
    right: tuple[int, ...]
    out: tuple[int, ...]


def forms(m: int, k: int, n: int) -> list[Form]:
    return [
        Form(lambda x, y: x @ y, (m, k), (k, n), (m, n)),
        Form(lambda x, y: x.T @ y, (k, m), (k, n), (m, n)),
        Form(lambda x, y: x @ y.T, (m, k), (n, k), (m, n)),
        Form(lambda x, y: x.T @ y.T, (k, m), (n, k), (m, n)),
        Form(lambda x, y: x @ y, (m, k), (k,), (m,)),
        Form(lambda x, y: x @ y, (k,), (k, n), (n,)),
        Form(lambda x, y: x @ y, (3, m, k), (3, k, n), (3, m, n)),
        Form(lambda x, y: fnp.einsum("abk,akc->bac", x, y), (3, m, k), (3, k, n), (m, 3, n)),
        Form(lambda x, y: fnp.tensordot(x, y, 1), (2, m, k), (k, n), (2, m, n)),
        Form(lambda x, y: fnp.tensordot(x, y, 0), (m,), (n,), (m, n)),
    ]


SIZES = st.sampled_from([1, 2, 10, 16, 17, 32, 33, 64, 100, 130, 160])


class Program(NamedTuple):
    """`fun(left, right, *others)` gives values made of a product."""

    fun: Callable[..., tuple[Any, ...]]
    args: tuple[Array, ...]
    donated: tuple[int, ...]


@st.composite
def programs(draw: st.DrawFn) -> Program:
    """A product, some operations on it and on broadcast, transposed and sliced arrays; some of the values are results."""
    form = draw(st.sampled_from(forms(draw(SIZES), draw(SIZES), draw(SIZES))))
    dtype = draw(st.sampled_from(["f4", "f4", "f8", "c8", "i4", "i2", "?", "f2", "i1"]))
    shape = form.out
    others: dict[str, Array] = {
        "whole": numbers(*shape, dtype=dtype, seed=2),
        "row": numbers(*shape[-1:], dtype=dtype, seed=3),
        "column": numbers(*shape[:-1], 1, dtype=dtype, seed=4),
        "turned": numbers(*shape[::-1], dtype=dtype, seed=5),
        "longer": numbers(*shape[:-1], shape[-1] + 3, dtype=dtype, seed=6),
        "number": numbers(dtype=dtype, seed=7),
        "mask": numbers(*shape, dtype="?", seed=8),
    }
    actions = draw(
        st.lists(st.sampled_from(["add", "mul", "relu", "tanh", "where", "both", "cast", "number"]), max_size=5)
    )
    names = draw(st.lists(st.sampled_from(list(others)[:-1]), min_size=5, max_size=5))
    kept = draw(st.lists(st.booleans(), min_size=6, max_size=6))
    sums = draw(st.sampled_from([None, None, 0, -1]))

    def seen(name: str, given: dict[str, Any]) -> Any:
        views = {"turned": lambda x: x.T, "longer": lambda x: x[..., 1:-2]}
        return views.get(name, lambda x: x)(given[name])

    def fun(left: Any, right: Any, *rest: Any) -> tuple[Any, ...]:
        given = dict(zip(others, rest, strict=True))
        values = [form.fun(left, right)]
        for action, name in zip(actions, names, strict=False):
            z, other = values[-1], seen(name, given)
            match action:
                case "add" | "mul":
                    z = z + other if action == "add" else z * other
                case "relu":
                    z = fnp.maximum(z, other) if dtype != "c8" else -z
                case "tanh":
                    z = fnp.tanh(z) if dtype in ("f4", "f8") else z * z
                case "where":
                    z = fnp.where(given["mask"], z, other)
                case "both":
                    z = z + values[0] * values[len(values) // 2]
                case "cast":
                    z = (z * 1).astype("f8") if dtype in ("f4", "i4") else z
                case "number":
                    z = z * (given["number"] * given["number"]).astype(z.dtype)
            values.append(z)
        results = [value for value, is_kept in zip(values, kept, strict=False) if is_kept] or values[-1:]
        return (*results, *([] if sums is None else [fnp.sum(values[-1], axis=sums)]))

    donated = draw(st.lists(st.sampled_from(range(2 + len(others))), unique=True))
    args = numbers(*form.left, dtype=dtype), numbers(*form.right, dtype=dtype, seed=1), *others.values()
    return Program(fun, args, tuple(donated))


def assert_close(got: Sequence[Any], wanted: Sequence[Any]) -> None:
    for x, y in zip(map(np.asarray, got), map(np.asarray, wanted), strict=True):
        assert (x.shape, x.dtype) == (y.shape, y.dtype)
        if x.dtype.kind in "fc":
            tolerance = {2: 2e-2, 4: 1e-3, 8: 1e-3}.get(x.dtype.itemsize, 1e-9)
            np.testing.assert_allclose(x, y, rtol=tolerance, atol=tolerance * (1 + np.max(np.abs(y), initial=0)))
        else:
            np.testing.assert_array_equal(x, y)


@pytest.mark.parametrize("in_parts", [False, True])
@settings(max_examples=60)
@given(program=programs())
def test_epilogues_change_no_bit(in_parts: bool, program: Program) -> None:
    """With products in one piece and in parts, with arguments that results may be written over."""
    jaxpr = flat(program.fun, *program.args)
    elementwise = len(jaxpr.outvars) - any(eqn.prim.name == "reduce_sum" for eqn in jaxpr.eqns)
    options = Options(program.donated)
    with mock.patch.object(cost, "_PART", 1 if in_parts else 1 << 60), wherever(), np.errstate(all="ignore"):
        with apart():
            wanted = NativeProgram(jaxpr)(*map(np.array, program.args))
        got = NativeProgram(jaxpr, options)(*map(np.array, program.args))
        assert_close(got, reference.Program(jaxpr)(*map(np.array, program.args)))
    for x, y in zip(got[:elementwise], wanted, strict=False):
        assert np.asarray(x).tobytes() == np.asarray(y).tobytes()


def layer(x: Any, w: Any, b: Any) -> Any:
    z = x @ w + b
    return z, fnp.tanh(z), x @ w


def descent(x: Any, d: Any, w: Any) -> Any:
    return (w - 0.1 * (x.T @ d),)


LARGE: dict[str, tuple[Callable[..., Any], tuple[tuple[int, ...], ...]]] = {
    "one block": (layer, ((130, 400), (400, 333), (333,))),
    "blocks along k": (layer, ((130, 2500), (2500, 133), (133,))),
    "blocks along every axis": (layer, ((610, 1500), (1500, 650), (650,))),
    "rows of a transposed matrix": (descent, ((300, 530), (300, 190), (530, 190))),
    "batches": (layer, ((3, 150, 150), (3, 150, 101), (101,))),
    "along k": (lambda x, y, b: (fnp.exp(x @ y.T + b),), ((70, 700), (517, 700), (517,))),
}


@pytest.mark.parametrize("dtype", ["f4", "f8", "c16", "i8"])
@pytest.mark.parametrize("name", LARGE)
def test_large_products_with_any_number_of_threads(name: str, dtype: str) -> None:
    fun, shapes = LARGE[name]
    args = [numbers(*shape, dtype=dtype, seed=i) for i, shape in enumerate(shapes)]
    jaxpr = flat(fun, *args)
    with apart():
        wanted = NativeProgram(jaxpr)(*args)
    program = NativeProgram(jaxpr)
    assert any(isinstance(step.work, Fused) for step in program.plan.steps)
    for count in (1, 3):
        pool.set_threads(count)
        for x, y in zip(program(*args), wanted, strict=True):
            assert x.tobytes() == y.tobytes()


def rectified(y: Any, b: Any, m: Any) -> Any:
    """With the mask of its gradient, and what a layer before would hand on."""
    z = y + b
    return fnp.maximum(z, 0), z > 0, fnp.where(m > 0, y, 0)


PLACES = ("NHWC", "HWIO", "NHWC")
CONVOLVED: dict[str, tuple[tuple[int, ...], tuple[int, ...], dict[str, Any]]] = {
    "several images at once": ((7, 16, 13, 13), (70, 16, 3, 3), {}),
    "an image in parts": ((2, 3, 40, 50), (33, 3, 5, 5), {"window_strides": (2, 1)}),
    "groups": ((2, 32, 33, 31), (64, 4, 3, 3), {"feature_group_count": 8, "rhs_dilation": (2, 1)}),
    "twelve features at a time": ((2, 8, 21, 28), (24, 4, 3, 3), {"feature_group_count": 2}),
    "a feature at a time": ((2, 32, 33, 131), (32, 1, 3, 3), {"feature_group_count": 32}),
    "spread images": ((3, 16, 9, 8), (34, 16, 3, 3), {"padding": [(2, 1), (1, 3)], "lhs_dilation": (2, 3)}),
    "windows between the elements": ((2, 5, 19, 18), (34, 5, 1, 1), {"padding": [(0, 0)] * 2, "lhs_dilation": (2, 3)}),
    "windows of one element": ((3, 64, 16, 20), (96, 64, 1, 1), {}),
    "and features last": ((3, 64, 16, 64), (1, 1, 64, 50), {"dimension_numbers": PLACES}),
    "groups of images": ((4, 5, 20, 20), (34, 5, 3, 3), {"batch_group_count": 2}),
    "features last": ((3, 33, 31, 7), (3, 3, 7, 50), {"dimension_numbers": PLACES}),
    "features last, one at a time": (
        (2, 20, 23, 40),
        (3, 3, 1, 40),
        {"dimension_numbers": PLACES, "feature_group_count": 40},
    ),
    "one axis": ((2, 33, 1100), (50, 33, 3), {"window_strides": (1,)}),
    "three axes": ((1, 3, 9, 10, 11), (9, 3, 3, 3, 3), {"window_strides": (1, 1, 1)}),
}


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("name", CONVOLVED)
def test_convolutions_with_any_number_of_threads(name: str, dtype: str) -> None:
    left, right, params = CONVOLVED[name]

    def fun(x: Any, w: Any, b: Any, m: Any) -> Any:
        given = {"window_strides": (1, 1), "padding": "SAME", **params}
        return rectified(lax.conv_general_dilated(x, w, **given), b, m)

    x, w = numbers(*left, dtype=dtype), numbers(*right, dtype=dtype, seed=1)
    features = right[-1:] if "dimension_numbers" in params else (right[0], *(1,) * (len(left) - 2))
    b = numbers(*features, dtype=dtype, seed=2)
    shape = ft.eval_shape(lambda x, w: fun(x, w, b, 0)[0], x, w).shape
    args = (x, w, b, numbers(*shape, dtype=dtype, seed=3))
    jaxpr = flat(fun, *args)
    with apart():
        wanted = NativeProgram(jaxpr)(*args)
    program = NativeProgram(jaxpr)
    assert [type(step.work) for step in program.plan.steps] == [Fused]
    for count in (1, 3):
        pool.set_threads(count)
        for got, one in zip(program(*args), wanted, strict=True):
            assert got.tobytes() == one.tobytes()
    assert_close(list(wanted), reference.Program(jaxpr)(*args))


def test_what_openblas_does_has_no_epilogue(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "Fused" in kinds(layer, X, W, B)
    monkeypatch.setenv("FUNCTRANS_MATMUL", "openblas")
    assert "Fused" not in kinds(layer, X, W, B)


def test_warnings_come_out() -> None:
    x, y = np.ones(X.shape, np.int32), np.ones(W.shape, np.int32)
    with pytest.warns(RuntimeWarning, match="divide by zero"):
        result = jit(lambda x, y, z: x @ y // z)(x, y, np.zeros(N, np.int32))
    np.testing.assert_array_equal(result, 0)
    with pytest.raises(ValueError, match="negative integer powers"):
        jit(lambda x, y, z: (x @ y) ** z)(x, y, np.full(N, -1, np.int32))


# ---- what the fuser does ----

M, K, N = 128, 96, 176
X, W, B = numbers(M, K), numbers(K, N), numbers(N)


def test_values_of_a_layer_are_stored_as_they_come() -> None:
    (step,) = steps(lambda x, w, b: (x @ w + b, fnp.maximum(x @ w + b, 0)), X, W, B)
    assert isinstance(step.work, Fused)
    assert len(step.outs) == 2
    assert step.work.result not in step.outs


def test_the_result_itself_is_stored_if_it_is_wanted() -> None:
    (step,) = steps(lambda x, w, b: (x @ w, x @ w + b), X, W, B)
    assert isinstance(step.work, Fused)
    assert len(step.outs) == 2


def test_sums_of_columns_are_left_to_a_nest() -> None:
    """The mask of a gradient is applied in the product that gives it; it is read again to be added up."""

    def fun(x: Any, w: Any, z: Any) -> Any:
        d = fnp.where(z > 0, x @ w, 0)
        return d, fnp.sum(d, 0)

    assert kinds(fun, X, W, numbers(M, N)) == ["Fused", "Nest"]


@pytest.mark.parametrize(
    "fun",
    [
        lambda x, w, b: fnp.sum((x @ w + b) ** 2),  # a value would have to be stored that is not now
        lambda x, w, b: (x @ w, fnp.sum(fnp.exp(x @ w), 1)),
        lambda x, w, b: (x @ w).reshape(-1, 44)[::2] + b[:44],  # not seen axis by axis
        lambda x, w, b: ((x @ w).T + b[:M], x @ w),  # written across the order of memory
        lambda x, w, b: x @ w + fnp.cumsum(fnp.broadcast_to(b[:, None], (N, M)), 0).T,  # read so
    ],
)
def test_what_is_left_to_nests(fun: Callable[..., Any]) -> None:
    assert "Fused" not in kinds(fun, X, W, B)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ((64, 48), (48, 80)),  # the result is near still
        ((100, 4, 70), (100, 70, 4)),
        ((7, 300), (300, 533)),  # by few rows
        ((512, 10), (10, 1024)),  # short sums
    ],
)
def test_small_products_are_finished_by_nests(left: tuple[int, ...], right: tuple[int, ...]) -> None:
    assert kinds(lambda x, y: fnp.exp(x @ y), numbers(*left), numbers(*right)) == ["Node", "Nest"]


def test_units_do_not_wait_for_each_other() -> None:
    """What is added to the first product is made of it by the second: only that one has all there is to add."""

    def fun(x: Any, y: Any) -> Any:
        first = x @ y
        return first + first @ y

    x, y = numbers(2, 150, 150)
    first, second = steps(fun, x, y)
    assert not isinstance(first.work, Fused)
    assert isinstance(second.work, Fused)
    assert_close([jit(fun)(x, y)], [fun(x, y)])


def test_two_products_that_are_added() -> None:
    assert kinds(lambda x, w, b: x @ w + (2 * x) @ w + b, X, W, B) == ["Nest", "Node", "Fused"]


def test_numbers_are_computed_before() -> None:
    """Once, not for each tile."""
    first, second = steps(lambda x, w, rate: w - fnp.exp(rate) * (x.T @ x @ w), X, numbers(K, 300), 0.5)[-2:]
    assert [type(first.work).__name__, type(second.work).__name__] != ["Fused", "Nest"]
    assert isinstance(second.work, Fused)
    assert second.work.epilogue is not None
    assert all(op.level == "full" for op in second.work.epilogue.ops)


def test_a_step_of_descent_is_taken_in_place() -> None:
    x, d, w = X, numbers(M, N, seed=1), numbers(K, N, seed=2)
    whole = NativeProgram(flat(descent, x, d, w), Options((2,))).plan
    (step,) = whole.steps
    assert whole.places[step.outs[0]] == Argument(2)
    update = jit(lambda x, d, w: descent(x, d, w)[0], donate_argnums=2)
    before, expected = w.copy(), descent(x, d, w)[0]
    assert update(x, d, before) is before
    np.testing.assert_allclose(before, expected, rtol=1e-4, atol=1e-4)


def test_an_operand_of_the_product_is_not_written_over() -> None:
    x = numbers(150, 150)
    assert not NativeProgram(flat(lambda x: (x - x @ x,), x), Options((0,))).overwritten
    np.testing.assert_allclose(jit(lambda x: x - x @ x, donate_argnums=0)(x.copy()), x - x @ x, rtol=1e-4, atol=1e-4)


def test_memory_of_the_result_is_not_needed() -> None:
    args = numbers(128, 784), numbers(128, 512), numbers(784, 512)
    with apart():
        before = NativeProgram(flat(descent, *args)).plan.arena
    assert NativeProgram(flat(descent, *args)).plan.arena < before - 784 * 512 * 3


def test_costs_and_explanations_say_what_a_product_does() -> None:
    layer = jit(lambda x, w, b: fnp.maximum(x @ w + b, 0))
    (step,) = layer.lower(X, W, B).cost().steps
    assert step.kind == "Contract"
    assert step.flops == 2 * M * K * N + 2 * M * N
    assert step.bytes_read == X.nbytes + W.nbytes + B.nbytes
    assert step.bytes_written == M * N * 4
    layer(X, W, B)
    assert "a kernel, Contract, with 2 operations on each element of its result" in str(layer.explain())


@pytest.mark.parametrize("form", range(10))
def test_rows_and_columns_are_those_of_the_kernels(form: int) -> None:
    """The compiler and the kernels see a result as the same matrix."""
    fun, *shapes, out = forms(70, 400, 133)[form]
    with wherever():
        (step,) = steps(lambda x, y, z: fun(x, y) + z, *(numbers(*shape) for shape in (*shapes, out)))[-1:]
    if isinstance(step.work, Fused):
        spec = step.work.product.lowering
        ins = [shaped(ref.layout.shape, np.dtype("f4")) for ref in step.work.product.operands]
        frame = layout_of(spec, ins[0].shape, ins[1].shape).frame  # type: ignore[arg-type]
        nest = step.work.epilogue
        assert nest is not None
        assert frame == (nest.lead[0] if nest.lead else 1, nest.inner[0])


def test_vmap_and_grad_of_layers() -> None:
    def loss(w: Any, b: Any, x: Any) -> Any:
        return fnp.mean(fnp.tanh(x @ w + b) ** 2)

    x = numbers(6, M, K)
    compiled = jit(ft.vmap(ft.grad(loss, (0, 1)), (None, None, 0)))
    for got, wanted in zip(compiled(W, B, x), ft.vmap(ft.grad(loss, (0, 1)), (None, None, 0))(W, B, x), strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-3, atol=1e-5)
