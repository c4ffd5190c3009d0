"""What functrans.nn does to images besides convolution and pooling, against torch in float64; and what is refused."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from functrans import jit, nn, vjp
from functrans.errors import ParameterError
from tests.torch_oracle import Row, check, check_narrow_and_empty, draw, row

X = draw(2, 3, 5, 6)
GRID = draw(2, 4, 3, 2)
"""Points on both sides of all edges."""
ROWS: dict[str, Row] = {
    "pad": row("pad", X, pad=(1, 2, -1, 3), value=0.5),
    "pad, reflect": row("pad", X, pad=(5, -2, 2, 1), mode="reflect"),
    "pad, reflect what is cut": row("pad", draw(2, 3, 6), pad=(-3, 5), mode="reflect"),
    "pad, replicate": row("pad", draw(2, 2, 3, 2, 4), pad=(0, 2, 7, -1, -1, 3), mode="replicate"),
    "pad, circular": row("pad", X, pad=(5, -1, 2, 4), mode="circular"),
    "unfold": row("unfold", X, kernel_size=(2, 3), dilation=(2, 1), padding=(1, 0), stride=(1, 2)),
    "unfold, one image": row("unfold", draw(3, 4, 4), kernel_size=2, stride=2),
    "fold": row("fold", draw(2, 3 * 6, 20), output_size=(5, 6), kernel_size=(2, 3), dilation=(2, 1), padding=(1, 0)),
    "fold, one image": row("fold", draw(8, 4), output_size=(4, 4), kernel_size=2, stride=2),
    "pixel_shuffle": row("pixel_shuffle", draw(2, 12, 2, 3), upscale_factor=2),
    "pixel_unshuffle": row("pixel_unshuffle", draw(2, 3, 6, 9), downscale_factor=3),
    "interpolate": row("interpolate", X, size=(7, 4)),
    "interpolate, exact": row("interpolate", draw(2, 3, 5), scale_factor=1.7, mode="nearest-exact"),
    "interpolate, linear": row("interpolate", draw(2, 3, 5), scale_factor=2.3, mode="linear"),
    "interpolate, bilinear": row("interpolate", X, size=(8, 3), mode="bilinear"),
    "interpolate, one axis": row("interpolate", X, scale_factor=(1.1, 2.0), mode="bilinear"),
    "interpolate, factors that change nothing": row("interpolate", X, scale_factor=(1.1, 1.1)),
    "interpolate, exact factors": row("interpolate", X, scale_factor=(1.1, 1.1), mode="nearest-exact"),
    "interpolate, antialias of one axis": row("interpolate", X, size=(5, 3), mode="bicubic", antialias=True),
    "interpolate, corners": row("interpolate", X, size=(1, 9), mode="bilinear", align_corners=True),
    "interpolate, trilinear": row(
        "interpolate", draw(1, 2, 3, 2, 4), scale_factor=(1.5, 2.0, 0.6), mode="trilinear", recompute_scale_factor=True
    ),
    "interpolate, bicubic": row("interpolate", X, scale_factor=(1.7, 0.9), mode="bicubic"),
    "interpolate, bicubic corners": row("interpolate", X, size=(3, 11), mode="bicubic", align_corners=True),
    "interpolate, area": row("interpolate", draw(1, 2, 7, 4, 3), size=(3, 2, 5), mode="area"),
    "interpolate, antialias": row("interpolate", draw(1, 2, 11, 9), size=(4, 12), mode="bilinear", antialias=True),
    "interpolate, cubic antialias": row("interpolate", draw(1, 2, 11, 9), size=(3, 7), mode="bicubic", antialias=True),
    "affine_grid": row("affine_grid", draw(2, 2, 3), size=(2, 5, 3, 4), align_corners=False),
    "affine_grid, corners": row("affine_grid", draw(1, 3, 4), size=(1, 2, 3, 4, 2), align_corners=True),
    **{f"grid_sample, {mode}, {padding}": row(
        "grid_sample", X, GRID, mode=mode, padding_mode=padding, align_corners=len(mode + padding) % 2 == 0
    ) for mode in ("bilinear", "nearest", "bicubic") for padding in ("zeros", "border", "reflection")},
    "grid_sample, corners": row("grid_sample", X, GRID, padding_mode="reflection", align_corners=True),
    "grid_sample, volumes": row("grid_sample", draw(2, 2, 3, 2, 4), draw(2, 2, 3, 1, 3), align_corners=False),
    "channel_shuffle": row("channel_shuffle", draw(2, 6, 2, 3), groups=3),
}  # fmt: skip


@pytest.mark.parametrize("name", ROWS)
def test_as_in_torch(name: str) -> None:
    check(*ROWS[name])


@pytest.mark.parametrize("name", [name for name in ROWS if "one image" not in name and "affine" not in name])
def test_float32_and_no_images(name: str) -> None:
    check_narrow_and_empty(*ROWS[name])


def test_columns_of_any_number_of_axes() -> None:
    """A convolution is the windows' weights times the columns, also of one axis and of three."""
    for x, weight in ((draw(2, 3, 9), draw(4, 3, 3)), (draw(2, 3, 4, 5, 3), draw(4, 3, 3, 2, 2))):
        window = weight.shape[2:]
        conv: Callable[..., Any] = nn.conv1d if len(window) == 1 else nn.conv3d
        columns = nn.unfold(x, window, stride=2, padding=1)
        wanted = conv(x, weight, stride=2, padding=1)
        np.testing.assert_allclose(
            (weight.reshape(4, -1) @ columns).reshape(wanted.shape), wanted, rtol=1e-10, atol=1e-12
        )
        transposed = nn.fold(columns, x.shape[2:], window, stride=2, padding=1)
        np.testing.assert_allclose(np.vdot(transposed, x), np.vdot(columns, columns), rtol=1e-10)


def test_cubic_factors_that_leave_the_size() -> None:
    """Values alone: torch takes the derivative as that of a copy, which they are not."""
    torch: Any = pytest.importorskip("torch")
    wanted = torch.nn.functional.interpolate(torch.tensor(X), scale_factor=1.1, mode="bicubic").numpy()
    np.testing.assert_allclose(nn.interpolate(X, scale_factor=1.1, mode="bicubic"), wanted, rtol=1e-10)


def test_weights_of_their_own() -> None:
    """The same weights everywhere are a convolution; each window sees its own ones."""
    x, weight, bias = draw(2, 3, 5, 6), draw(4, 3, 2, 3), draw(4)
    run: Callable[..., Any] = jit(lambda x, w, b: nn.conv_local(x, w, b, stride=2, padding=(0, 1)))
    wanted = nn.conv2d(x, weight, bias, stride=2, padding=(0, 1))
    shared = np.broadcast_to(weight, (*wanted.shape[2:], *weight.shape))
    spread = np.broadcast_to(bias[:, None, None], wanted.shape[1:])
    np.testing.assert_allclose(run(x, shared, spread), wanted, rtol=1e-10, atol=1e-12)
    g = draw(*wanted.shape)
    by_x, by_shared, _ = vjp(run, x, shared, spread)[1](g)
    wanted_x, wanted_w = vjp(lambda x, w: nn.conv2d(x, w, stride=2, padding=(0, 1)), x, weight)[1](g)
    np.testing.assert_allclose(by_x, wanted_x, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(by_shared.sum((0, 1)), wanted_w, rtol=1e-10, atol=1e-12)
    first, second = nn.conv_local(np.array([[1.0, 2.0, 4.0, 8.0]]), np.eye(2)[:, None, None], dilation=2)[0]
    assert (first, second) == (1, 8)


def test_features_that_are_not_connected() -> None:
    x, windows, table = draw(2, 3, 5, 5), draw(4, 2, 2), np.array([[0, 1], [1, 2], [1, 0], [0, 1]])
    weight = nn.connected(windows, table, 2, 3)
    each = [
        nn.conv2d(x[:, source : source + 1], w[None, None])[:, 0] for (_, source), w in zip(table, windows, strict=True)
    ]
    wanted = np.stack([each[0] + each[3], each[1] + each[2]], 1)
    np.testing.assert_allclose(nn.conv2d(x, weight), wanted, rtol=1e-10, atol=1e-12)
    with pytest.raises(IndexError, match="index 3 is out of bounds for axis 0 with size 3"):
        nn.connected(windows, table + 1, 3, 3)


def test_points_nowhere_read_nothing() -> None:
    """Points that are NaN or infinite are no indices."""
    grid = np.array([[[[np.nan, 0.0], [np.inf, 0.0], [1e30, 0.0], [0.0, 0.0]]]])
    image = np.ones((1, 1, 3, 3))
    for run in (nn.grid_sample, jit(nn.grid_sample)):
        with np.errstate(invalid="ignore"):
            found = run(image, grid)
        np.testing.assert_array_equal(found, [[[[np.nan, np.nan, 0, 1]]]])
    np.testing.assert_array_equal(nn.grid_sample(image, grid, "nearest"), [[[[0, 0, 0, 1]]]])


def test_nothing_around_nothing() -> None:
    """Empty images and paddings of no elements."""
    for mode in ("constant", "reflect", "replicate", "circular"):
        assert nn.pad(np.ones((2, 0)), (0, 0), mode).shape == (2, 0)
        assert nn.pad(np.ones((0, 3)), (1, 1), mode).shape == (0, 5)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: nn.pad(X, (1, 1, 1)), "a pair for each"),
        (lambda: nn.pad(X, (1.5, 1)), "whole numbers"),  # type: ignore[arg-type]
        (lambda: nn.pad(X, (6, 0), "reflect"), "at most 5 for 'reflect'"),
        (lambda: nn.pad(X, (7, 0), "circular"), "at most 6 for 'circular'"),
        (lambda: nn.pad(X[..., :0], (1, 0), "replicate"), "at most 0"),
        (lambda: nn.pad(X, (-4, -3), "circular"), "no more to be cut off"),
        (lambda: nn.pad(X, (1, 1), "mirror"), "mode='mirror'"),  # type: ignore[arg-type]
        (lambda: nn.unfold(X, 7), "as large as a window"),
        (lambda: nn.unfold(X, 2, stride=1.5), "a whole number"),  # type: ignore[arg-type]
        (lambda: nn.interpolate(X, 3, mode="linear"), "1 spatial axes"),
        (lambda: nn.interpolate(X), "one of size and scale_factor"),
        (lambda: nn.interpolate(X, scale_factor=0.1), "leave an element"),
        (lambda: nn.interpolate(X, 3, align_corners=True), "weighs elements"),
        (lambda: nn.interpolate(X, 3, antialias=True), "antialias for mode='nearest'"),
        (lambda: nn.conv_local(X, np.ones((4, 5, 1, 3, 3, 2))), "as many windows"),
        (lambda: nn.connected(np.ones((2, 3)), np.ones((2, 3), int), 2, 2), r"\(2, 2\)"),
        (lambda: nn.affine_grid(X[0], (2, 1, 3, 3)), "as many spatial axes"),
        (lambda: nn.grid_sample(X, GRID[:1]), "spatial axes"),
        (lambda: nn.grid_sample(X, GRID, padding_mode="edge"), "padding_mode='edge'"),  # type: ignore[arg-type]
        (lambda: nn.grid_sample(X, GRID, "cubic"), "mode='cubic'"),  # type: ignore[arg-type]
        (lambda: nn.fold(X[0], 4, 2), "features"),
        (lambda: nn.pixel_shuffle(X, 2), "channels, height, width"),
        (lambda: nn.pixel_unshuffle(X, 2), "divisible by 2"),
        (lambda: nn.channel_shuffle(X, 2), "2 · channels"),
    ],
)
def test_what_does_not_fit_is_said(call: Callable[[], Any], message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        call()
