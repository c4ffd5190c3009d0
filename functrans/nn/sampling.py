"""Images looked at in other places: grids of points, and what an image has there. By torch.nn.functional's names.

Coordinates go from -1 to 1 and name the last axis first. Imports vmap and `resizing`; start reading at `grid_sample`.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from math import prod
from typing import Any, Literal, NamedTuple, cast

import numpy as np

from functrans.core.primitive import aval_of
from functrans.errors import ParameterError
from functrans.nn.resizing import cubic_weights
from functrans.numpy.selection import take
from functrans.transforms.vmap import vmap
from functrans.typing import Array

__all__ = ["affine_grid", "grid_sample"]

SampleMode = Literal["bilinear", "nearest", "bicubic"]
PaddingMode = Literal["zeros", "border", "reflection"]


def affine_grid(theta: Array, size: Sequence[int], align_corners: bool = False) -> Array:
    """The points that affine maps send the elements of images to: (batch, *spatial, rank), for `grid_sample`.

    theta: (batch, rank, rank + 1); size: the images' shape (batch, features, *spatial), with 2 or 3 spatial axes.
    align_corners: -1 and 1 are the middles of the first and last elements, else their outer edges.

    >>> affine_grid(np.array([[[1.0, 0.0, 0.5], [0.0, 1.0, 0.0]]]), (1, 1, 1, 2))
    array([[[[0., 0.],
             [1., 0.]]]])
    """
    (batch, _, *lengths), rank = size, len(size) - 2
    if rank not in (2, 3) or aval_of(theta).shape != (batch, rank, rank + 1):
        what = f"theta of shape {aval_of(theta).shape} and size={tuple(size)}"
        raise ParameterError("affine_grid", what, "(batch, 2, 3) or (batch, 3, 4), and as many spatial axes")
    lines = [np.linspace(-1, 1, n) if n > 1 else np.zeros(n) for n in lengths]
    if not align_corners:
        lines = [line * ((n - 1) / n if n else 1) for line, n in zip(lines, lengths, strict=True)]
    points = np.stack([*reversed(np.meshgrid(*lines, indexing="ij")), np.ones(lengths)], -1)
    flat = points.reshape(prod(lengths), rank + 1).astype(aval_of(theta).dtype)
    return np.reshape(flat @ np.swapaxes(theta, 1, 2), (batch, *lengths, rank))


def grid_sample(
    input: Array,
    grid: Array,
    mode: SampleMode = "bilinear",
    padding_mode: PaddingMode = "zeros",
    align_corners: bool = False,
) -> Array:
    """What images have at the points of a grid: (batch, features, *places).

    input: (batch, features, *spatial) with 2 or 3 spatial axes ("bicubic": 2); grid: (batch, *places, rank), see `affine_grid`.
    "bilinear" weighs the elements around a point ("trilinear" for 3 axes), "nearest" takes one. padding_mode: outside the
    image are zeros, its edge elements, or its reflection. Where a grid is NaN, so is the result ("nearest": 0).

    >>> grid_sample(np.array([[[[1.0, 3.0]]]]), np.array([[[[0.0, 0.0], [0.5, 0.0], [2.0, 0.0]]]]))
    array([[[[2., 3., 0.]]]])
    """
    shape, points = aval_of(input).shape, aval_of(grid).shape
    lengths = shape[2:]
    if len(lengths) not in (2, 3) or not points or (points[0], points[-1]) != (shape[0], len(lengths)) or 0 in lengths:
        what = f"an input of shape {shape} and a grid of shape {points}"
        raise ParameterError("grid_sample", what, "(batch, features, *spatial) and (batch, *places, spatial axes)")
    if mode not in ("bilinear", "nearest", "bicubic") or (mode == "bicubic" and len(lengths) != 2):
        raise ParameterError("grid_sample", f"mode={mode!r}", '"bilinear", "nearest", or for 2 axes "bicubic"')
    if padding_mode not in ("zeros", "border", "reflection"):
        raise ParameterError("grid_sample", f"padding_mode={padding_mode!r}", '"zeros", "border" or "reflection"')
    lines = [
        _Line(n, grid[..., axis], align_corners) for axis, n in zip(reversed(range(len(lengths))), lengths, strict=True)
    ]
    return _weighed(input, [_TAPS[mode](line, padding_mode) for line in lines])


def _weighed(x: Array, axes: list[list[_Tap]]) -> Array:
    """The sum, for each point, of the elements at all combinations of taps, those outside counting as 0."""
    (batch, features, *lengths), indices, weights, seen = aval_of(x).shape, [], [], []
    for taps in product(*axes):
        index: Any = 0
        weight, is_inside = 1.0, True
        for (place, share), length in zip(taps, lengths, strict=True):
            fits = (place >= 0) & (place <= length - 1)
            index = index * length + np.where(fits, place, 0).astype(np.intp)
            weight, is_inside = share * weight, fits & is_inside
        indices.append(index)
        weights.append(weight)
        seen.append(is_inside)
    images = np.reshape(x, (batch, features, prod(lengths)))
    found = vmap(lambda image, at: take(image, at, 1))(images, np.stack(indices, 1))
    known = np.where(np.expand_dims(np.stack(seen, 1), 1), found, 0)
    return cast(Array, np.sum(known * np.expand_dims(np.stack(weights, 1), 1), 2))


# ---- one axis ----


class _Line(NamedTuple):
    """An axis of the image, and the points' coordinates along it."""

    length: int
    coordinates: Any
    align_corners: bool

    @property
    def places(self) -> Any:
        """The coordinates counted in elements."""
        if self.align_corners:
            return (self.coordinates + 1) * ((self.length - 1) / 2)
        return ((self.coordinates + 1) * self.length - 1) / 2

    def moved_inside(self, places: Any, mode: PaddingMode) -> Any:
        """Places outside the image moved to its edge or reflected, if so wanted; at the edge they have the derivative 0."""
        if mode == "zeros":
            return places
        if mode == "reflection":
            places = self._reflected(places)
        return np.where(places <= 0, 0, np.where(places >= self.length - 1, self.length - 1, places))

    def _reflected(self, places: Any) -> Any:
        low, span = (0.0, self.length - 1) if self.align_corners else (-0.5, self.length)
        if span == 0:
            return places * 0
        far = np.where(places < low, low - places, places - low)
        turns = np.floor(far / span)
        rest = far - turns * span
        return low + np.where(turns % 2 == 0, rest, span - rest)


_Tap = tuple[Any, Any]
"""For each point the place of an element along an axis, a whole number, and its weight."""


def _nearest(line: _Line, padding: PaddingMode) -> list[_Tap]:
    place = np.rint(line.moved_inside(line.places, padding))
    return [(place, np.ones(aval_of(place).shape, aval_of(place).dtype))]


def _linear(line: _Line, padding: PaddingMode) -> list[_Tap]:
    place = line.moved_inside(line.places, padding)
    first = np.floor(place)
    return [(first, first + 1 - place), (first + 1, place - first)]


def _cubic(line: _Line, padding: PaddingMode) -> list[_Tap]:
    second = np.floor(line.places)
    weights = cubic_weights(line.places - second)
    return [(line.moved_inside(second + i, padding), weight) for i, weight in enumerate(weights, -1)]


_TAPS = {"nearest": _nearest, "bilinear": _linear, "bicubic": _cubic}
