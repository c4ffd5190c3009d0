"""Convolutions against JAX, torch and their definition: parameters, derivatives, compiled ones; what goes wrong is said."""

from collections.abc import Callable, Iterator
from itertools import product
from typing import Any

import numpy as np
import pytest

import functrans.numpy as fnp
from functrans import grad, jit, jvp, lax, vjp, vmap
from functrans.core.lowering_windows import Window
from functrans.errors import OperandError, ParameterError
from tests.marks import native

RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def jax() -> Iterator[Any]:
    module = pytest.importorskip("jax")
    old = module.config.jax_enable_x64
    module.config.update("jax_enable_x64", True)
    yield module
    module.config.update("jax_enable_x64", old)


def draw(*shape: int) -> Any:
    return RNG.standard_normal(shape)


def same(ours: Any, theirs: Any) -> None:
    ours, theirs = np.asarray(ours), np.asarray(theirs)
    assert ours.shape == theirs.shape
    assert ours.dtype == theirs.dtype
    np.testing.assert_allclose(ours, theirs, rtol=1e-10, atol=1e-10)


# ---- against JAX ----

CALLS: dict[str, tuple[Callable[[Any, Any, Any], Any], tuple[int, ...], tuple[int, ...]]] = {
    "same": (lambda lax, x, w: lax.conv(x, w, (2, 3), "SAME"), (2, 3, 7, 8), (4, 3, 3, 2)),
    "same, lower": (lambda lax, x, w: lax.conv(x, w, (2, 1), "same_lower"), (2, 3, 7, 8), (4, 3, 4, 2)),
    "valid": (lambda lax, x, w: lax.conv(x, w, (1, 1), "VALID"), (2, 3, 7, 8), (4, 3, 3, 2)),
    "same, dilated": (
        lambda lax, x, w: lax.conv_general_dilated(x, w, (2,), "SAME", rhs_dilation=(2,)),
        (2, 3, 9),
        (4, 3, 3),
    ),
    "general padding": (
        lambda lax, x, w: lax.conv_with_general_padding(x, w, (2, 1), ((-1, 2), (3, -2)), (2, 1), (1, 2)),
        (2, 3, 5, 6),
        (2, 3, 3, 2),
    ),
    "depthwise": (
        lambda lax, x, w: lax.conv_general_dilated(x, w, (1, 1), "SAME", feature_group_count=4),
        (2, 4, 5, 6),
        (8, 1, 3, 3),
    ),
    "batch groups": (
        lambda lax, x, w: lax.conv_general_dilated(x, w, (1, 1), "VALID", batch_group_count=2),
        (4, 3, 5, 6),
        (4, 3, 2, 3),
    ),
    "channels last": (
        lambda lax, x, w: lax.conv_general_dilated(x, w, (2, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")),
        (2, 5, 6, 3),
        (3, 3, 3, 4),
    ),
    "window larger than the image": (lambda lax, x, w: lax.conv(x, w, (1,), "VALID"), (2, 3, 2), (4, 3, 5)),
    "transposed, same": (lambda lax, x, w: lax.conv_transpose(x, w, (2, 3), "SAME"), (2, 4, 3, 3), (3, 2, 3, 4)),
    "transposed, valid": (lambda lax, x, w: lax.conv_transpose(x, w, (3, 2), "VALID"), (2, 4, 3, 3), (2, 3, 3, 4)),
    "transposed, pairs": (lambda lax, x, w: lax.conv_transpose(x, w, (2,), [(1, 2)], (2,)), (2, 4, 3), (3, 3, 4)),
    "transposed, consistent": (
        lambda lax, x, w: lax.conv_transpose(x, w, (2,), [(1, 0)], use_consistent_padding=True),
        (2, 4, 3),
        (3, 3, 4),
    ),
    "transposed, reversed windows": (
        lambda lax, x, w: lax.conv_transpose(
            x, w, (2, 1), "SAME", dimension_numbers=("NCHW", "OIHW", "NCHW"), transpose_kernel=True
        ),
        (2, 3, 4, 4),
        (3, 5, 3, 2),
    ),
}


@pytest.mark.parametrize("name", CALLS)
def test_as_in_jax(name: str, jax: Any) -> None:
    call, left, right = CALLS[name]
    x, w = draw(*left), draw(*right)
    ours, theirs = (lambda x, w, lax=module: call(lax, x, w) for module in (lax, jax.lax))
    out, pull = vjp(ours, x, w)
    its_out, its_pull = jax.vjp(theirs, x, w)
    same(out, its_out)
    g = draw(*out.shape)
    for one, other in zip(pull(g), its_pull(g), strict=True):
        same(one, other)


# ---- against torch, compiled ----


@pytest.mark.parametrize(
    ("x", "w", "stride", "padding", "dilation", "groups"),
    [
        ((2, 3, 30, 31), (40, 3, 5, 5), (2, 1), (2, 2), (1, 1), 1),
        ((3, 16, 13, 13), (33, 16, 3, 3), (1, 1), (1, 1), (1, 1), 1),
        ((2, 8, 12), (6, 4, 3), (1,), (2,), (2,), 2),
        ((2, 6, 9, 9), (12, 1, 3, 3), (2, 2), (1, 0), (1, 1), 6),
        ((2, 3, 20, 37), (6, 3, 5, 5), (1, 2), (2, 1), (1, 1), 1),
        ((2, 10, 12, 16), (14, 5, 3, 3), (1, 1), (1, 1), (1, 1), 2),
        ((1, 2, 5, 6, 7), (3, 2, 3, 2, 3), (1, 2, 1), (1, 0, 1), (1, 1, 2), 1),
        ((4, 20, 6, 6), (10, 20, 1, 1), (1, 1), (0, 0), (1, 1), 1),
        ((3, 64, 16, 20), (96, 64, 1, 1), (1, 1), (0, 0), (1, 1), 1),
        ((2, 128, 17, 16), (128, 64, 1, 1), (1, 1), (0, 0), (1, 1), 2),
        ((2, 8, 13, 14), (34, 8, 1, 1), (2, 3), (0, 0), (1, 1), 1),
        ((2, 6, 17, 19), (6, 2, 3, 3), (3, 2), (1, 1), (2, 2), 3),
        ((2, 3, 4, 4), (2, 3, 4, 4), (1, 1), (0, 0), (1, 1), 1),
    ],
)
def test_as_in_torch(x: Any, w: Any, stride: Any, padding: Any, dilation: Any, groups: int) -> None:
    torch = pytest.importorskip("torch")
    x, w = draw(*x), draw(*w)

    def ours(x: Any, w: Any) -> Any:
        pairs = [(n, n) for n in padding]
        return lax.conv_general_dilated(x, w, stride, pairs, None, dilation, feature_group_count=groups)

    def with_gradients(x: Any, w: Any, g: Any) -> Any:
        out, pull = vjp(ours, x, w)
        return out, *pull(g)

    convolve = (torch.conv1d, torch.conv2d, torch.conv3d)[x.ndim - 3]
    tensors = [torch.tensor(array, requires_grad=True) for array in (x, w)]
    out = convolve(*tensors, None, stride, padding, dilation, groups)
    g = draw(*out.shape)
    out.backward(torch.tensor(g))
    wanted = [out.detach().numpy(), *(tensor.grad.numpy() for tensor in tensors)]
    for program in (with_gradients, jit(with_gradients)):
        for one, other in zip(program(x, w, g), wanted, strict=True):
            same(one, other)


# ---- compiled ----


@pytest.mark.parametrize(
    ("x", "w", "stride", "groups"),
    [
        ((2, 9, 10, 20), (3, 3, 1, 20), 1, 20),
        ((3, 9, 8, 32), (2, 3, 1, 32), 2, 32),
        ((2, 12, 11, 5), (3, 3, 5, 40), 2, 1),
        ((2, 12, 11, 24), (3, 2, 8, 6), 1, 3),
        ((2, 20, 20, 64), (1, 1, 64, 96), 1, 1),
    ],
)
def test_features_last_are_as_features_first(x: Any, w: Any, stride: int, groups: int) -> None:
    x, w = draw(*x), draw(*w)

    def last(x: Any, w: Any) -> Any:
        dims = ("NHWC", "HWIO", "NHWC")
        return lax.conv_general_dilated(x, w, (stride, 1), "SAME", None, None, dims, groups)

    def first(x: Any, w: Any) -> Any:
        x, w = fnp.transpose(x, (0, 3, 1, 2)), fnp.transpose(w, (3, 2, 0, 1))
        out = lax.conv_general_dilated(x, w, (stride, 1), "SAME", feature_group_count=groups)
        return fnp.transpose(out, (0, 2, 3, 1))

    g = draw(*last(x, w).shape)
    one, other = (jit(lambda x, w, g, fun=fun: (fun(x, w), *vjp(fun, x, w)[1](g)))(x, w, g) for fun in (last, first))
    for y, z in zip(one, other, strict=True):
        same(y, z)


@native
def test_many_terms_are_exact_to_single_precision() -> None:
    x, w = (draw(*shape).astype("f4") for shape in ((2, 400, 9, 9), (20, 400, 3, 3)))
    exact = lax.conv(x.astype("f8"), w.astype("f8"), (1, 1), "SAME")
    error = np.abs(jit(lax.conv, static_argnums=(2, 3, 4))(x, w, (1, 1), "SAME", "highest") - exact)
    assert np.max(error) < 1e-6 * np.max(np.abs(exact))


@native
def test_infinities_and_nan_stay_in_their_windows() -> None:
    x, w = np.ones((1, 1, 6, 6), "f4"), np.ones((1, 1, 3, 3), "f4")
    x[0, 0, 0, 0], x[0, 0, 5, 5] = np.inf, np.nan
    out = jit(lax.conv, static_argnums=(2, 3))(x, w, (1, 1), "SAME")
    np.testing.assert_array_equal(out, lax.conv(x, w, (1, 1), "SAME"))
    assert np.isfinite(out).sum() == 36 - 8


@native
@pytest.mark.parametrize(
    ("left", "right", "groups"),
    [((8, 16, 20, 20), (40, 16, 3, 3), 1), ((4, 32, 30, 30), (32, 1, 3, 3), 32), ((8, 64, 40, 40), (128, 64, 1, 1), 1)],
)
def test_bits_do_not_depend_on_the_number_of_threads(left: Any, right: Any, groups: int) -> None:
    x, w = draw(*left).astype("f4"), draw(*right).astype("f4")
    g = draw(left[0], right[0], *left[2:]).astype("f4")

    def run(x: Any, w: Any, g: Any) -> Any:
        out, pull = vjp(lambda x, w: lax.conv_general_dilated(x, w, (1, 1), "SAME", feature_group_count=groups), x, w)
        return out, *pull(g)

    for one, other in zip(jit(run, threads=1)(x, w, g), jit(run, threads=3)(x, w, g), strict=True):
        np.testing.assert_array_equal(one, other)
    for one, other in zip(jit(run)(x, w, g), run(x, w, g), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-3)


def test_zeros_between_elements_are_not_multiplied() -> None:
    """What is infinite in a window meets none of them; padding it meets."""
    x, w = np.ones((1, 1, 5), "f4"), np.full((1, 1, 3), np.inf, "f4")
    for run in (lax.conv_with_general_padding, jit(lax.conv_with_general_padding, static_argnums=(2, 3, 4, 5))):
        np.testing.assert_array_equal(run(x, w, (1,), ((0, 0),), (2,), (1,)), np.full((1, 1, 7), np.inf, "f4"))
        with np.errstate(invalid="ignore"):
            assert np.isnan(run(x, w, (1,), ((1, 0),), (1,), (1,))[0, 0, 0])


def test_phases_meet_the_elements_that_windows_meet() -> None:
    choices = product((1, 2, 3, 5), (1, 2, 3, 4), (-1, 0, 2), (0, 3), (1, 2, 3, 4, 6), (1, 2, 3), (1, 4))
    for *numbers, length in choices:
        window = Window(*numbers)
        met = {}
        for phase in window.phases(length):
            assert phase.window.size == 0 or phase.window.count(length) == phase.count
            for number in range(phase.count):
                start = number * phase.window.stride - phase.window.before
                places = range(start, start + phase.window.reach, phase.window.dilation)
                met[phase.first + number * phase.apart] = [
                    (phase.element + i * phase.step, place) for i, place in enumerate(places)
                ]
        for number in range(window.count(length)):
            start = number * window.stride - window.before
            spread = [(i, start + i * window.dilation) for i in range(window.size)]
            assert met.pop(number) == [(i, at // window.spread) for i, at in spread if at % window.spread == 0]
        assert not met


def test_second_derivatives_mix_both_operands() -> None:
    x, w, t, u = draw(1, 2, 5), draw(3, 2, 2), draw(1, 2, 5), draw(3, 2, 2)
    loss = lambda x, w: np.sum(lax.conv(x, w, (1,), "VALID") ** 3)
    _, along = jvp(grad(loss), (x, w), (t, u))
    step = 1e-6
    near = [grad(loss)(x + s * step * t, w + s * step * u) for s in (1, -1)]
    np.testing.assert_allclose(along, (near[0] - near[1]) / (2 * step), rtol=1e-6, atol=1e-6)


def test_a_batch_of_both_operands_in_groups() -> None:
    x, w = draw(3, 4, 2, 6), draw(3, 4, 2, 2)

    def fun(x: Any, w: Any) -> Any:
        return lax.conv_general_dilated(x, w, (1,), "VALID", batch_group_count=2)

    same(vmap(fun)(x, w), np.stack([fun(*pair) for pair in zip(x, w, strict=True)]))


# ---- what does not fit ----

X, W = np.ones((2, 4, 5, 5)), np.ones((6, 4, 3, 3))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: lax.conv(X, W[0], (1, 1), "SAME"), "of shapes .* one rank"),
        (lambda: lax.conv(X, W[:, :3], (1, 1), "SAME"), "4 features in lhs, 3 input features in rhs"),
        (lambda: lax.conv(X, W, (1,), "SAME"), r"window_strides=\(1,\) for 2 axes"),
        (lambda: lax.conv(X, W, (1, 0), "SAME"), r"window_strides=\(1, 0\)"),
        (lambda: lax.conv(X, W, (1, 1), "FULL"), "padding='FULL'"),
        (lambda: lax.conv(X, W, (1, 1), [(1, 1)]), "a pair .* for each axis"),
        (lambda: lax.conv(X, W, (1, 1), [(-3, -3), (0, 0)]), "no more negative padding"),
        (lambda: lax.conv(X, W, (1, 1), "SAME", precision="exact"), "precision='exact'"),
        (lambda: lax.conv_general_dilated(X, W, (1, 1), "SAME", feature_group_count=3), "feature_group_count=3"),
        (lambda: lax.conv_general_dilated(X, W, (1, 1), "SAME", (2, 2)), "lhs_dilation=.*conv_transpose"),
        (
            lambda: lax.conv_general_dilated(X, W[:, :2], (1, 1), "SAME", feature_group_count=2, batch_group_count=2),
            "one at most is more than 1",
        ),
        (lambda: lax.conv_general_dilated(X, W[:5], (1, 1), "SAME", batch_group_count=2), "that the groups divide"),
        (
            lambda: lax.conv_general_dilated(X, W, (1, 1), "SAME", dimension_numbers=("NCHW", "OIHW", "NCHH")),
            "a letter for each axis",
        ),
        (
            lambda: lax.conv_general_dilated(
                X, W, (1, 1), "SAME", dimension_numbers=((0, 1, 2, 2), range(4), range(4))
            ),
            "each axis once",
        ),
        (lambda: lax.conv_transpose(X, W, (1, 1), "FULL"), "padding='FULL'"),
    ],
)
def test_what_does_not_fit_is_said(call: Callable[[], Any], message: str) -> None:
    with pytest.raises(ParameterError, match=f"(?s){message}"):
        call()


def test_operands_of_two_dtypes() -> None:
    for run in (lax.conv, jit(lax.conv, static_argnums=(2, 3))):
        with pytest.raises(OperandError, match="one dtype"):
            run(X, W.astype("f4"), (1, 1), "SAME")


def test_precision_has_names() -> None:
    for precision in (None, "high", lax.Precision.HIGHEST, ("default", lax.Precision.HIGH)):
        same(lax.conv(X, W, (1, 1), "VALID", precision), np.full((2, 6, 3, 3), 36.0))
