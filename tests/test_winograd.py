"""Winograd's convolutions: how exact they are, where they are used, what they leave alone; the matrices they are made of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from functrans import grad, jit, lax, nn, vjp
from functrans.backends.llvm.executable import NativeProgram
from functrans.backends.llvm.kernels.winograd import plan
from functrans.backends.llvm.kernels.winograd.matrices import cook_toom
from functrans.compiler.pipeline import optimize
from functrans.core.primitive import aval_of
from functrans.transforms.stage import stage
from tests.marks import native

pytestmark = native

FIRST, LAST = ("NCHW", "OIHW", "NCHW"), ("NHWC", "HWIO", "NHWC")
Arrays = tuple[Any, ...]
BOUND = 1e-5
"""Of the largest number of a result: what `conv_general_dilated` promises."""


def layer(stride: int, pads: Any, dims: Any = FIRST, precision: Any = None) -> Callable[..., Any]:
    def run(x: Any, w: Any) -> Any:
        return lax.conv_general_dilated(x, w, (stride, stride), pads, dimension_numbers=dims, precision=precision)

    return run


def with_gradients(fun: Callable[..., Any]) -> Callable[..., Any]:
    def run(x: Any, w: Any, g: Any) -> Any:
        out, pull = vjp(fun, x, w)
        return out, *pull(g)

    return run


def operands(fun: Callable[..., Any], left: Any, right: Any, dims: Any = FIRST, seed: int = 0) -> Arrays:
    """Images as after a ReLU, windows as networks begin with, a cotangent."""
    rng = np.random.default_rng(seed)
    x = np.maximum(rng.standard_normal(left), 0).astype("f4")
    w = (rng.standard_normal(right) / np.sqrt(np.prod(right[1:]))).astype("f4")
    x, w = (a.transpose(["NCHW".index(c) for c in to]) for a, to in ((x, dims[0]), (w, dims[1].translate(LETTERS))))
    x, w = np.ascontiguousarray(x), np.ascontiguousarray(w)
    return x, w, rng.standard_normal(fun(x, w).shape).astype("f4")


LETTERS = str.maketrans("OI", "NC")


def compiled(fun: Callable[..., Any], *args: Any) -> Any:
    """By Winograd's sums wherever they can be used."""
    with mock.patch.object(plan, "_pays", return_value=True):
        return NativeProgram(optimize(stage(fun, [aval_of(x) for x in args])))(*args)


def error(ours: Any, exact: Any, least: float = 1e-30) -> float:
    """Relative to the largest number of the result, which may be the sum of few."""
    return float(np.max(np.abs(ours - exact), initial=0) / max(np.max(np.abs(exact), initial=0), least))


def close(fun: Callable[..., Any], args: Arrays, bound: float = BOUND) -> None:
    exact = with_gradients(fun)(*(x.astype("f8") for x in args))
    for one, other in zip(compiled(with_gradients(fun), *args), exact, strict=True):
        assert one.dtype == np.float32
        assert error(one, other, least=1) < bound


# ---- the sums ----


@pytest.mark.parametrize(("places", "taps"), [(4, 3), (3, 4), (4, 5), (5, 4)])
def test_matrices_give_the_convolution(places: int, taps: int) -> None:
    rng, matrices = np.random.default_rng(0), cook_toom(places, taps)
    x, w = rng.standard_normal(places + taps - 1), rng.standard_normal(taps)
    product = (np.array(matrices.input) @ x) * (np.array(matrices.window) @ w)
    np.testing.assert_allclose(np.array(matrices.output) @ product, np.correlate(x, w, "valid"), atol=1e-10)


SHAPES = {
    "odd sizes": ((3, 33, 13, 17), (50, 33, 3, 3), 1, [(1, 1), (1, 1)], FIRST),
    "uneven padding": ((2, 16, 9, 20), (16, 16, 5, 5), 1, [(3, 0), (-2, 1)], FIRST),
    "one image, parts of it": ((1, 16, 90, 70), (32, 16, 3, 3), 1, "SAME", FIRST),
    "several blocks": ((5, 20, 40, 36), (40, 20, 3, 3), 1, "VALID", FIRST),
    "few rows": ((2, 17, 3, 30), (33, 17, 3, 3), 1, "SAME", FIRST),
    "features last": ((2, 40, 13, 17), (50, 40, 3, 3), 1, "SAME", LAST),
    "features last in images": ((2, 40, 13, 17), (50, 40, 5, 5), 1, "SAME", ("NHWC", "OIHW", "NCHW")),
    "stride 4": ((2, 3, 51, 67), (40, 3, 11, 11), 4, [(2, 2), (2, 2)], FIRST),
    "stride 2": ((2, 18, 20, 21), (33, 18, 5, 5), 2, [(2, 1), (0, 3)], FIRST),
    "stride 2, large windows": ((1, 3, 40, 51), (33, 3, 7, 7), 2, [(3, 3), (3, 3)], FIRST),
    "windows of four": ((2, 20, 21, 22), (18, 20, 4, 4), 1, "SAME", FIRST),
}


@pytest.mark.parametrize("name", SHAPES)
def test_as_exact_as_promised(name: str) -> None:
    left, right, stride, pads, dims = SHAPES[name]
    fun = layer(stride, pads, dims)
    close(fun, operands(fun, left, right, dims))


@settings(max_examples=12)
@given(st.data())
def test_any_sizes(data: st.DataObject) -> None:
    def number(low: int, high: int) -> int:
        return data.draw(st.integers(low, high))

    stride, window = data.draw(st.sampled_from([(1, 3), (1, 4), (1, 5), (2, 5), (2, 7), (4, 12)]))
    pads = [(number(-1, window), number(-1, window)) for _ in range(2)]
    sizes = [number(max(window - sum(pair), 1), 40) for pair in pads]
    fun = layer(stride, pads)
    images, inputs, outputs = number(1, 3), number(1, 40), number(1, 40)
    args = operands(fun, (images, inputs, *sizes), (outputs, inputs, window, window))
    close(fun, args, 3 * BOUND)  # of few numbers the largest may be small


LAYERS = {
    "AlexNet 1": ((1, 3, 224, 224), (64, 3, 11, 11), 4, 2),
    "AlexNet 2": ((4, 64, 27, 27), (192, 64, 5, 5), 1, 2),
    "AlexNet 3": ((4, 192, 13, 13), (384, 192, 3, 3), 1, 1),
    "64 to 64 features": ((2, 64, 56, 56), (64, 64, 3, 3), 1, 1),
}


@pytest.mark.parametrize("name", LAYERS)
def test_errors_of_layers(name: str) -> None:
    """By default as promised; with the highest precision three times those of torch at most, each as root mean square.

    `pytest -s` shows the figures.
    """
    torch: Any = pytest.importorskip("torch")
    left, right, stride, padding = LAYERS[name]
    pads = [(padding, padding)] * 2
    args = operands(layer(stride, pads), left, right)

    def by_torch(x: Any, w: Any, g: Any) -> list[Any]:
        x, w, g = (torch.tensor(a, requires_grad=True) for a in (x, w, g))
        out = torch.conv2d(x, w, None, stride, padding)
        return [a.detach().numpy() for a in (out, *torch.autograd.grad(out, (x, w), g))]

    exact, torchs = by_torch(*(a.astype("f8") for a in args)), by_torch(*args)
    for precision in (None, "highest"):
        ours = jit(with_gradients(layer(stride, pads, precision=precision)))(*args)
        for way, one, theirs, right in zip(("forward", "data", "windows"), ours, torchs, exact, strict=True):
            roots = [float(np.sqrt(np.mean((a - right) ** 2) / np.mean(right**2))) for a in (one, theirs)]
            print(f"{name}, {way}, {precision}: {error(one, right):.1e}; {roots[0] / roots[1]:.1f} × torch")
            assert error(one, right) < BOUND
            assert precision is None or roots[0] < 3 * roots[1]


# ---- where they are used ----


def methods(fun: Callable[..., Any], *shapes: Any, dtype: str = "f4") -> list[str]:
    jaxpr = optimize(stage(fun, [aval_of(np.zeros(shape, dtype)) for shape in shapes]))
    return [step.method for step in NativeProgram(jaxpr).plan.steps if step.method]


def test_what_networks_have_is_done_so() -> None:
    wanted = {
        "AlexNet 1": ["F(4, 3), of 48 features for 3", "F(3, 4), of 48 features for 3"],
        "AlexNet 2": ["F(4, 5)", "F(5, 4)", "F(4, 5)"],
        "AlexNet 3": ["F(4, 3)", "F(3, 4)", "F(4, 3)"],
        "64 to 64 features": ["F(4, 3)", "F(3, 4)", "F(4, 3)"],
    }
    for name, (left, right, stride, padding) in LAYERS.items():
        fun = layer(stride, [(padding, padding)] * 2)
        places = [(n + 2 * padding - right[-1]) // stride + 1 for n in left[2:]]
        found = methods(with_gradients(fun), (16, *left[1:]), right, (16, right[0], *places))
        assert [text for text in found if "Winograd" in text] == [f"Winograd {text}" for text in wanted[name]]


def test_features_last_are_done_so_in_all_ways() -> None:
    fun, x, w = with_gradients(layer(1, "SAME", LAST)), (8, 28, 28, 32), (3, 3, 32, 32)
    assert methods(fun, x, w, x) == [f"Winograd {text}" for text in ("F(4, 3)", "F(3, 4)", "F(4, 3)")]


X, W = (8, 32, 28, 28), (32, 32, 3, 3)


@pytest.mark.parametrize(
    ("fun", "left", "right", "dtype"),
    [
        (layer(1, "SAME", precision="highest"), X, W, "f4"),
        (layer(1, "SAME", precision="high"), X, W, "f4"),
        (layer(1, "SAME"), X, W, "f8"),
        (layer(1, "SAME"), X, (32, 32, 2, 2), "f4"),
        (layer(1, "SAME"), X, (32, 32, 7, 7), "f4"),
        (layer(3, "SAME"), X, (32, 32, 9, 9), "f4"),
        (layer(1, "SAME"), (8, 2, 28, 28), (32, 2, 3, 3), "f4"),
        (layer(1, "SAME"), (1, 512, 7, 7), (512, 512, 3, 3), "f4"),
        (lambda x, w: lax.conv_general_dilated(x, w, (1, 1), "SAME", rhs_dilation=(2, 2)), X, W, "f4"),
        (lambda x, w: lax.conv_general_dilated(x, w, (1, 1), "SAME", (1, 1), (1, 1), None, 32), X, (32, 1, 3, 3), "f4"),
        (lambda x, w: lax.conv_general_dilated(x, w, (1, 2), "SAME"), X, W, "f4"),
        (lambda x, w: lax.conv(x, w, (1,), "SAME"), (8, 32, 999), (32, 32, 3), "f4"),
    ],
)
def test_what_is_done_directly(fun: Any, left: Any, right: Any, dtype: str) -> None:
    (method,) = methods(fun, left, right, dtype=dtype)
    assert method.startswith("direct sums")
    assert methods(layer(1, "SAME"), X, W) == ["Winograd F(4, 3)"]


def test_explain_says_it() -> None:
    x, w = np.ones(X, "f4"), np.ones(W, "f4")
    program = jit(lambda x, w: lax.conv(x, w, (1, 1), "SAME"))
    program(x, w)
    assert "step 0: a kernel, Convolve by Winograd F(4, 3)\n" in program.explain()
    precise = jit(lambda x, w: lax.conv(x, w, (1, 1), "SAME", "highest"))
    precise(x, w)
    assert "step 0: a kernel, Convolve by direct sums in tiles of places and features\n" in precise.explain()
    assert ", Winograd F(4, 3)\n" in program.lower(x, w).kernels


def test_torchs_names_take_a_precision() -> None:
    for fun in (nn.conv2d, nn.conv_transpose2d):
        for precision, start in ((None, "Winograd"), ("highest", "direct sums")):
            (method,) = methods(lambda x, w, p=precision, f=fun: f(x, w, padding=1, precision=p), X, W)
            assert method.startswith(start)


# ---- what else must hold ----


def test_bits_do_not_depend_on_the_number_of_threads() -> None:
    fun = with_gradients(layer(1, "SAME"))
    args = operands(layer(1, "SAME"), (9, 70, 20, 20), (40, 70, 5, 5))
    one, again, many = (jit(fun, threads=n)(*args) for n in (1, 1, 3))
    for a, b, c in zip(one, again, many, strict=True):
        np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(a, c)


def test_infinities_and_nan_spread_no_further_than_their_tiles() -> None:
    x, w = np.ones(X, "f4"), np.ones(W, "f4")
    x[1, 2, 5, 6], x[3, 4, 20, 21] = np.inf, np.nan
    exact = lax.conv(x, w, (1, 1), "SAME")
    np.testing.assert_array_equal(jit(lambda x, w: lax.conv(x, w, (1, 1), "SAME", "highest"))(x, w), exact)
    out = jit(lambda x, w: lax.conv(x, w, (1, 1), "SAME"))(x, w)
    assert not np.isfinite(out[~np.isfinite(exact)]).any()
    far = np.ones(out.shape, bool)
    for n, i, j in ((1, 5, 6), (3, 20, 21)):
        far[n, :, i - 5 : i + 6, j - 5 : j + 6] = False
    np.testing.assert_allclose(out[far], exact[far], rtol=1e-5)


def test_no_images() -> None:
    for out in jit(with_gradients(layer(1, "SAME")))(
        np.ones((0, *X[1:]), "f4"), np.ones(W, "f4"), np.ones((0, *X[1:]), "f4")
    ):
        assert out.size == 0 or not out.any()


def test_in_a_loop_and_twice_derived() -> None:
    x, w, _ = operands(layer(1, "SAME"), (2, 32, 20, 20), (32, 32, 3, 3))

    def loss(x: Any, w: Any) -> Any:
        return np.sum(lax.fori_loop(0, 2, lambda _, x: np.tanh(lax.conv(x, w, (1, 1), "SAME")), x) ** 2)

    def slope(x: Any, w: Any) -> Any:
        return np.sum(grad(loss)(x, w) ** 2)

    for fun in (loss, slope):
        ours, exact = jit(grad(fun))(x, w), grad(fun)(x.astype("f8"), w.astype("f8"))
        assert error(ours, exact) < BOUND
