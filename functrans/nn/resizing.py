"""`interpolate`: images of another size, by torch's name. Imports numpy and `adaptive_pooling`; start reading at `interpolate`.

But for areas, each axis by itself: an element of the result is a weighted sum of a few elements of the image, its taps.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple, cast

import numpy as np

from functrans.core.primitive import aval_of
from functrans.errors import ParameterError
from functrans.nn.adaptive_pooling import adaptive_average
from functrans.nn.windows import Numbers, per_axis
from functrans.numpy.selection import take
from functrans.typing import Array, Shape

__all__ = ["Mode", "cubic_weights", "interpolate"]

Mode = Literal["nearest", "nearest-exact", "linear", "bilinear", "trilinear", "bicubic", "area"]
Factors = float | Sequence[float]
_RANKS = {"linear": (1,), "bilinear": (2,), "trilinear": (3,), "bicubic": (2,)}


def interpolate(
    input: Array,
    size: Numbers | None = None,
    scale_factor: Factors | None = None,
    mode: Mode = "nearest",
    align_corners: bool = False,
    recompute_scale_factor: bool = False,
    antialias: bool = False,
) -> Array:
    """Images with `size` elements along each spatial axis, or `scale_factor` times as many as there are.

    input: (batch, features, *spatial) with 1 to 3 spatial axes; "linear" is for 1, "bilinear" and "bicubic" for 2,
    "trilinear" for 3, the others for any. "area" averages as `adaptive_avg_pool2d`. align_corners: the first and last elements
    stay where they are, else the outer edges of them. recompute_scale_factor: positions follow from the sizes, not from the
    factor. antialias: where images shrink, more elements are averaged (for "bilinear" and "bicubic"). Raises ParameterError
    for what does not fit.

    >>> interpolate(np.array([[[1.0, 2.0]]]), 4, mode="linear")
    array([[[1.  , 1.25, 1.75, 2.  ]]])
    >>> interpolate(np.array([[[1.0, 2.0]]]), scale_factor=2)
    array([[[1., 1., 2., 2.]]])
    """
    lengths = aval_of(input).shape[2:]
    _check(mode, len(lengths), align_corners, antialias)
    sizes, factors = _sizes(lengths, size, scale_factor)
    if mode == "area":
        return adaptive_average("interpolate", len(sizes), input, sizes)
    if recompute_scale_factor:
        factors = (None,) * len(sizes)
    for axis in reversed(
        range(len(sizes))
    ):  # the last axis first: there are then fewer elements to be picked one by one
        if lengths[axis] == sizes[axis] and (antialias or mode not in ("nearest-exact", "bicubic")):
            continue  # as in torch, whatever the factor
        line = _Line(lengths[axis], sizes[axis], factors[axis], align_corners)
        taps = _antialiased(mode, line) if antialias else _TAPS[mode](line)
        input = _resampled(input, 2 + axis, taps)
    return input


def _check(mode: str, rank: int, align_corners: bool, antialias: bool) -> None:
    ranks = (1, 2, 3) if mode in ("nearest", "nearest-exact", "area") else _RANKS.get(mode, ())
    if rank not in ranks:
        needs = (
            f"(batch, features, ...) with {' or '.join(map(str, ranks))} spatial axes" if ranks else "a mode of torch"
        )
        raise ParameterError("interpolate", f"an input of {rank} spatial axes, mode={mode!r}", needs)
    if align_corners and mode not in _RANKS:
        raise ParameterError("interpolate", f"align_corners for mode={mode!r}", "a mode that weighs elements")
    if antialias and mode not in ("bilinear", "bicubic"):
        raise ParameterError("interpolate", f"antialias for mode={mode!r}", '"bilinear" or "bicubic"')


def _sizes(lengths: Shape, size: Numbers | None, factor: Factors | None) -> tuple[Shape, tuple[float | None, ...]]:
    """The sizes of the result, and the factors if it is these that are given."""
    rank = len(lengths)
    if 0 in lengths or (size is None) == (factor is None):
        what = f"images of shape {lengths}, size={size} and scale_factor={factor}"
        raise ParameterError("interpolate", what, "images that are not empty, and one of size and scale_factor")
    if size is not None:
        return per_axis("interpolate", "size", size, rank), (None,) * rank
    several = tuple(map(float, factor)) if isinstance(factor, Sequence) else (float(cast(float, factor)),) * rank
    sizes = tuple(int(np.floor(n * one)) for n, one in zip(lengths, several, strict=False))
    if len(several) != rank or any(n < 1 for n in sizes):
        raise ParameterError("interpolate", f"scale_factor={factor}", f"one, or {rank}, that leave an element at least")
    return sizes, several


# ---- one axis ----


class _Line(NamedTuple):
    """An axis before and after."""

    before: int
    after: int
    factor: float | None
    align_corners: bool

    @property
    def step(self) -> float:
        """How far apart in the image are two neighbours of the result."""
        if self.align_corners:
            return (self.before - 1) / (self.after - 1) if self.after > 1 else 0.0
        return self.before / self.after if self.factor is None else 1 / self.factor

    def places(self) -> Any:
        """Where in the image the elements of the result are."""
        numbers = np.arange(self.after)
        return numbers * self.step if self.align_corners else (numbers + 0.5) * self.step - 0.5


class _Taps(NamedTuple):
    """Which elements are taken for each of the result, and with which weights (None: as they are): (taps, after)."""

    places: Any
    weights: Any


def _resampled(x: Array, axis: int, taps: _Taps) -> Array:
    if taps.weights is None:
        return take(x, taps.places[0], axis)
    aval = aval_of(x)
    weights = taps.weights.astype(aval.dtype).reshape(*taps.weights.shape, *(1,) * (aval.ndim - axis - 1))
    return cast(Array, np.sum(take(x, taps.places, axis) * weights, axis=axis))


def _nearest(line: _Line, shift: float = 0.0) -> _Taps:
    """As in torch, positions are numbers of float32."""
    found = np.floor((np.arange(line.after, dtype=np.float32) + np.float32(shift)) * np.float32(line.step))
    return _Taps(np.minimum(found.astype(np.intp), line.before - 1)[np.newaxis], None)


def _linear(line: _Line) -> _Taps:
    places = np.maximum(line.places(), 0)
    first = np.minimum(np.floor(places).astype(np.intp), line.before - 1)
    share = np.clip(places - first, 0, 1)
    return _Taps(np.stack([first, np.minimum(first + 1, line.before - 1)]), np.stack([1 - share, share]))


def cubic_weights(share: Any, a: float = -0.75) -> tuple[Any, Any, Any, Any]:
    """Keys' weights (1981) of four elements in a row for a point that is `share` of the way from the second to the third."""
    near: Callable[[Any], Any] = lambda x: ((a + 2) * x - (a + 3)) * x * x + 1
    far: Callable[[Any], Any] = lambda x: ((a * x - 5 * a) * x + 8 * a) * x - 4 * a
    return far(share + 1), near(share), near(1 - share), far(2 - share)


def _cubic(line: _Line) -> _Taps:
    places = line.places()
    second = np.floor(places)
    around = second.astype(np.intp) + np.arange(-1, 3)[:, np.newaxis]
    return _Taps(np.clip(around, 0, line.before - 1), np.stack(cubic_weights(places - second)))


_TAPS: dict[str, Callable[[_Line], _Taps]] = {
    "nearest": _nearest,
    "nearest-exact": lambda line: _nearest(line, 0.5),
    "linear": _linear,
    "bilinear": _linear,
    "trilinear": _linear,
    "bicubic": _cubic,
}


def _antialiased(mode: str, line: _Line) -> _Taps:
    """Weights as wide as the step where it is more than one element; the cubic ones are Pillow's, with a = -1/2."""
    width = max(line.step, 1.0)
    reach = width * (1 if mode == "bilinear" else 2)
    centres = (np.arange(line.after) + 0.5) * line.step
    first = np.maximum((centres - reach + 0.5).astype(np.intp), 0)
    stop = np.minimum((centres + reach + 0.5).astype(np.intp), line.before)
    places = first + np.arange(int((stop - first).max()))[:, np.newaxis]
    far = np.abs(places - centres + 0.5) / width
    if mode == "bilinear":
        weights = np.maximum(1 - far, 0)
    else:
        beyond, near, _, _ = cubic_weights(np.where(far < 1, far, far - 1), -0.5)
        weights = np.where(far < 1, near, np.where(far < 2, beyond, 0))
    weights = np.where(places < stop, weights, 0)
    return _Taps(np.minimum(places, line.before - 1), weights / weights.sum(0))
