"""Convolutions and pooling of functrans.nn against torch in float64: values, VJPs, JVPs, under vmap and jit; what is refused."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from functrans import grad, jit, nn, random, vjp
from functrans.errors import ParameterError
from tests.torch_oracle import Row, check, check_narrow_and_empty, close, draw, for_torch, row


def places(shape: tuple[int, ...], rank: int, size: int) -> Any:
    """Different places in images of `size` elements, for each element of the last `rank` axes."""
    count = int(np.prod(shape[-rank:]))
    return np.argsort(draw(*shape[:-rank], size))[..., :count].reshape(shape)


SAMPLES = (draw(2, 3, 3) + 2) / 4.0001
"""Numbers from 0 to 1, for the poolings whose windows lie at random distances."""
ROWS: dict[str, Row] = {
    "conv1d": row("conv1d", draw(2, 4, 9), draw(6, 2, 3), draw(6), stride=2, padding=2, dilation=2, groups=2),
    "conv2d": row("conv2d", draw(2, 3, 6, 7), draw(4, 3, 3, 2), draw(4), stride=(1, 2), padding=(1, 0)),
    "conv2d, same": row("conv2d", draw(2, 3, 6, 7), draw(4, 3, 3, 3), padding="same", dilation=(1, 2)),
    "conv2d, one image": row("conv2d", draw(3, 5, 5), draw(2, 3, 5, 5), draw(2), padding="valid"),
    "conv2d, no image": row("conv2d", draw(0, 3, 5, 5), draw(2, 3, 5, 5)),
    "conv3d": row("conv3d", draw(1, 2, 3, 4, 3), draw(2, 2, 2, 3, 1), draw(2), stride=(1, 2, 1), padding=(1, 1, 0)),
    "conv_transpose1d": row(
        "conv_transpose1d", draw(2, 4, 5), draw(4, 3, 3), draw(6), stride=3, padding=1, output_padding=2, groups=2
    ),
    "conv_transpose2d": row(
        "conv_transpose2d", draw(2, 3, 3, 4), draw(3, 2, 3, 2), stride=(2, 1), padding=(1, 0), dilation=(1, 2)
    ),
    "conv_transpose2d, one image": row("conv_transpose2d", draw(3, 3, 4), draw(3, 2, 1, 1), draw(2)),
    "conv_transpose3d": row("conv_transpose3d", draw(1, 2, 2, 3, 2), draw(2, 2, 2, 2, 3), stride=2, output_padding=(1, 0, 1)),
    "max_pool1d": row("max_pool1d", draw(2, 3, 9), kernel_size=3, stride=2, padding=1, dilation=2),
    "max_pool2d": row("max_pool2d", draw(2, 3, 7, 6), kernel_size=(3, 2)),
    "max_pool2d, ceil": row("max_pool2d", draw(2, 2, 6, 8), kernel_size=3, stride=(2, 3), padding=(1, 0), ceil_mode=True),
    "max_pool2d, rows": row("max_pool2d", draw(3, 4, 5), kernel_size=(1, 3), stride=(1, 2)),
    "max_pool2d, stride over the end": row("max_pool2d", draw(1, 1, 5, 5), kernel_size=2, stride=4, ceil_mode=True),
    "max_pool3d": row("max_pool3d", draw(1, 2, 4, 5, 4), kernel_size=2, stride=(2, 1, 2), padding=(1, 0, 1)),
    "avg_pool1d": row("avg_pool1d", draw(2, 3, 8), kernel_size=3, stride=2, padding=1, ceil_mode=True),
    "avg_pool2d": row("avg_pool2d", draw(2, 3, 7, 6), kernel_size=(3, 2), padding=1, count_include_pad=False),
    "avg_pool2d, ceil": row("avg_pool2d", draw(2, 1, 6, 8), kernel_size=3, stride=(2, 3), padding=(1, 0), ceil_mode=True),
    "avg_pool2d, divisor": row("avg_pool2d", draw(3, 4, 4), kernel_size=2, divisor_override=3),
    "avg_pool3d": row("avg_pool3d", draw(1, 2, 4, 5, 4), kernel_size=2, stride=(2, 1, 2), padding=(1, 0, 1)),
    "lp_pool1d": row("lp_pool1d", draw(2, 3, 8), norm_type=2.0, kernel_size=3),
    "lp_pool2d": row("lp_pool2d", np.abs(draw(2, 3, 5, 6)) + 0.1, norm_type=3.0, kernel_size=2, stride=2, ceil_mode=True),
    "lp_pool3d": row("lp_pool3d", np.abs(draw(1, 2, 3, 4, 2)) + 0.1, norm_type=1.5, kernel_size=(2, 2, 1), stride=1),
    "max_unpool1d": row("max_unpool1d", draw(2, 3, 4), places((2, 3, 4), 1, 8), kernel_size=2),
    "max_unpool2d": row("max_unpool2d", draw(3, 3, 2), places((3, 3, 2), 2, 20), kernel_size=(3, 2), stride=2, padding=(1, 0)),
    "max_unpool2d, size": row("max_unpool2d", draw(2, 3, 3, 2), places((2, 3, 3, 2), 2, 30), kernel_size=2, output_size=[6, 5]),
    "max_unpool3d": row("max_unpool3d", draw(1, 2, 2, 1, 2), places((1, 2, 2, 1, 2), 3, 32), kernel_size=2),
    "fractional_max_pool2d": row(
        "fractional_max_pool2d", draw(2, 3, 7, 6), kernel_size=(2, 3), output_size=(4, 3), _random_samples=SAMPLES[..., :2]
    ),
    "fractional_max_pool2d, ratio": row(
        "fractional_max_pool2d", draw(2, 3, 9, 8), kernel_size=2, output_ratio=(0.6, 0.4), _random_samples=SAMPLES[..., 1:]
    ),
    "fractional_max_pool3d": row(
        "fractional_max_pool3d", draw(2, 3, 5, 6, 7), kernel_size=2, output_size=(3, 2, 3), _random_samples=SAMPLES
    ),
    "adaptive_avg_pool1d": row("adaptive_avg_pool1d", draw(2, 3, 7), output_size=3),
    "adaptive_avg_pool2d": row("adaptive_avg_pool2d", draw(2, 3, 7, 6), output_size=(3, None)),
    "adaptive_avg_pool3d": row("adaptive_avg_pool3d", draw(2, 3, 4, 5), output_size=(2, 3, 1)),
    "adaptive_max_pool1d": row("adaptive_max_pool1d", draw(2, 3, 7), output_size=3),
    "adaptive_max_pool2d": row("adaptive_max_pool2d", draw(2, 3, 7, 6), output_size=(3, 7)),
    "adaptive_max_pool3d": row("adaptive_max_pool3d", draw(2, 3, 4, 5), output_size=2),
}  # fmt: skip


@pytest.mark.parametrize("name", ROWS)
def test_as_in_torch(name: str) -> None:
    check(*ROWS[name])


@pytest.mark.parametrize("name", [name for name in ROWS if "one image" not in name and "affine" not in name])
def test_float32_and_no_images(name: str) -> None:
    check_narrow_and_empty(*ROWS[name])


@pytest.mark.parametrize("name", [name for name in ROWS if "max_pool" in name])
def test_indices(name: str) -> None:
    torch = pytest.importorskip("torch")
    function, (x,), options = ROWS[name]
    fun: Callable[..., Any] = lambda x: getattr(nn, function)(x, **options, return_indices=True)
    theirs = getattr(torch.nn.functional, function)(torch.tensor(x), **for_torch(options), return_indices=True)
    for run in (fun, jit(fun)):
        for one, other in zip(run(x), theirs, strict=True):
            close(one, other.numpy())
    g = draw(*theirs[0].shape)
    close(vjp(lambda x: fun(x)[0], x)[1](g)[0], vjp(lambda x: getattr(nn, function)(x, **options), x)[1](g)[0])


def test_of_equal_elements_the_first_takes_the_derivative() -> None:
    for pool in (lambda x: nn.max_pool1d(x, 3), lambda x: nn.adaptive_max_pool1d(x, 1)):
        (grad,) = vjp(pool, np.ones((1, 1, 3)))[1](np.ones((1, 1, 1)))
        np.testing.assert_array_equal(grad, [[[1, 0, 0]]])


def test_nan_is_the_largest() -> None:
    x = np.array([[[1.0, np.nan, 3.0, 4.0]]])
    np.testing.assert_array_equal(nn.max_pool1d(x, 2), [[[np.nan, 4.0]]])
    np.testing.assert_array_equal(jit(lambda x: nn.max_pool1d(x, 2, return_indices=True))(x)[1], [[[1, 3]]])


def test_what_is_not_finite_stays_in_its_bin() -> None:
    x = np.ones((1, 1, 5, 4))
    x[0, 0, 0, 0], x[0, 0, 4, 3] = np.nan, np.inf
    wanted = [[np.nan, 1, 1, 1], [1, 1, 1, 1], [1, 1, 1, np.inf]]
    pooled = jit(lambda x: nn.adaptive_avg_pool2d(x, (3, 4)))(x)
    np.testing.assert_array_equal(pooled, [[wanted]])
    np.testing.assert_array_equal(nn.adaptive_avg_pool2d(x, (5, 2))[0, 0, :, 0], [np.nan, 1, 1, 1, 1])


X, W = draw(2, 4, 5, 5), draw(6, 4, 3, 3)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: nn.conv2d(X[0, 0], W), "an input of shape"),
        (lambda: nn.conv2d(X, W, padding="same", stride=2), "a stride of 1"),
        (lambda: nn.conv2d(X, W, stride=(1, 1, 1)), "stride="),
        (lambda: nn.conv2d(X, W, padding=-1), "padding=-1"),
        (lambda: nn.conv2d(X, W, stride=1.5), "a whole number, or 2"),  # type: ignore[arg-type]
        (lambda: nn.conv2d(X, W, groups=3), "feature_group_count=3"),
        (lambda: nn.conv_transpose2d(X, W.swapaxes(0, 1), output_padding=1), "less than the stride"),
        (lambda: nn.conv_transpose2d(X, W.swapaxes(0, 1), groups=3), "a number that divides them"),
        (lambda: nn.max_pool2d(X, 2, padding=2), "half of the window"),
        (lambda: nn.max_pool2d(X, 7), "at least as large as a window"),
        (lambda: nn.avg_pool2d(X, 0), "kernel_size=0"),
        (lambda: nn.max_unpool2d(X, X[:1], 2), "both of one shape"),
        (lambda: nn.max_unpool2d(X, X, 2, output_size=(12, 10)), "less than a stride"),
        (lambda: nn.fractional_max_pool2d(X, 2, 2), "neither a key"),
        (lambda: nn.fractional_max_pool2d(X, 2, 5, key=random.key(0)), "begin at different"),
        (lambda: nn.fractional_max_pool2d(X, 2, 2, 0.5), "one of them"),
        (lambda: nn.fractional_max_pool2d(X, 2, output_ratio=1.5), "between 0 and 1"),
        (lambda: nn.fractional_max_pool2d(X, 2, 2, _random_samples=np.ones((1, 4, 2))), r"\(2, 4, 2\)"),
        (lambda: nn.adaptive_avg_pool2d(X, (2, 2, 2)), "one for each axis"),
        (lambda: nn.adaptive_max_pool2d(X, 0), "positive sizes"),
    ],
)
def test_what_does_not_fit_is_said(call: Callable[[], Any], message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        call()


def test_unpooling_undoes_pooling() -> None:
    """Windows that overlap name a place twice: it has one element all the same, and one takes the derivative."""
    x = draw(2, 3, 6, 7)
    pooled, indices = nn.max_pool2d(x, 3, 2, 1, return_indices=True)
    run: Callable[..., Any] = jit(lambda pooled: nn.max_unpool2d(pooled, indices, 3, 2, 1, x.shape[2:]))
    back = run(pooled)
    np.testing.assert_array_equal(back, np.where(back != 0, x, 0))
    assert set(back[back != 0]) == set(pooled.ravel())
    (ct,) = vjp(run, pooled)[1](np.ones_like(back))
    assert ct.sum() == np.count_nonzero(back)


@pytest.mark.parametrize("place", [-1, 8])
def test_a_place_out_of_the_image_raises(place: int) -> None:
    for run in (nn.max_unpool1d, jit(nn.max_unpool1d, static_argnums=2)):
        with pytest.raises(IndexError, match=f"index {place} is out of bounds for axis 0 with size 8"):
            run(np.ones((1, 1, 4)), np.array([[[0, 1, 2, place]]]), 2)


def test_windows_at_random_distances_follow_from_the_key() -> None:
    x = draw(3, 3, 9, 8)
    first, second = (nn.fractional_max_pool2d(x, 2, 4, key=random.key(seed)) for seed in (0, 1))
    assert first.shape == (3, 3, 4, 4)
    assert np.any(first != second)
    np.testing.assert_array_equal(jit(lambda key: nn.fractional_max_pool2d(x, 2, 4, key=key))(random.key(0)), first)


def test_one_element_is_not_apart() -> None:
    """Dilation of a window of one element says nothing."""
    x = np.array([[[5.0, 1.0, 4.0, 2.0]]])

    def pooled(x: Any) -> Any:
        return nn.max_pool1d(x, 1, 1, 0, 2, return_indices=True)

    for out, places in (pooled(x), jit(pooled)(x)):
        np.testing.assert_array_equal(out, x)
        np.testing.assert_array_equal(places, [[[0, 1, 2, 3]]])


def test_a_window_of_padding_alone_has_no_largest_element() -> None:
    x = np.array([[[5.0, 7.0]]])
    values, _ = nn.max_pool1d(x, 2, 1, padding=1, dilation=3, return_indices=True)
    assert values.tolist() == nn.max_pool1d(x, 2, 1, padding=1, dilation=3).tolist() == [[[-np.inf]]]
    gradient = grad(lambda x: nn.max_pool1d(x, 2, 1, padding=1, dilation=3, return_indices=True)[0].sum())(x)
    assert gradient.tolist() == [[[0.0, 0.0]]]


def test_the_norm_of_a_window_of_zeros_has_derivative_zero() -> None:
    x = np.array([[[0.0, 0.0, 3.0, 4.0]]])
    for p in (1.5, 2.0, 3.0):
        gradient = jit(grad(lambda x, p=p: np.sum(nn.lp_pool1d(x, p, 2))))(x)
        assert np.isfinite(gradient).all()
        assert gradient[0, 0, :2].tolist() == [0.0, 0.0]
