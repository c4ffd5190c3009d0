"""functrans.numpy.fft: NumPy's discrete Fourier transforms, over any axes, for arrays and for tracers.

Each is a transform of the last axis, between moves of axes, cutting and padding with zeros. Start reading at `_along`. Imports
ops and the promotion rules.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import index
from typing import Literal, SupportsIndex, TypeAlias

import numpy as np

from functrans.core.primitive import aval_of
from functrans.errors import ParameterError
from functrans.numpy.dispatch import implements
from functrans.numpy.operands import FLOAT64, Axes, Device, axis_index, shape_of, strong
from functrans.numpy.promotion import astype
from functrans.numpy.shapes import along, moveaxis, roll
from functrans.ops.complex import conj
from functrans.ops.fourier import FftKind, FftNorm
from functrans.ops.fourier import fft as transform
from functrans.ops.shape import pad
from functrans.typing import Array, ArrayLike, DType, DTypeLike

__all__ = [
    "fft", "fft2", "fftfreq", "fftn", "fftshift", "hfft", "ifft", "ifft2", "ifftn", "ifftshift", "ihfft", "irfft", "irfft2",
    "irfftn", "rfft", "rfft2", "rfftfreq", "rfftn",
]  # fmt: skip

Norm: TypeAlias = Literal["backward", "ortho", "forward"] | None
Sizes: TypeAlias = Sequence[SupportsIndex] | None
AxesGiven: TypeAlias = Sequence[SupportsIndex] | None
Along: TypeAlias = Callable[[Array, SupportsIndex | None, SupportsIndex, Norm], Array]
_SWAPPED: dict[FftNorm, FftNorm] = {"backward": "forward", "forward": "backward", "ortho": "ortho"}

# ---- along one axis ----


def _norm(norm: Norm) -> FftNorm:
    if norm not in (None, "backward", "ortho", "forward"):
        raise ParameterError("numpy.fft", f"norm={norm!r}", '"backward", "ortho" or "forward"')
    return norm or "backward"


def _computed_in(dtype: DType, is_complex: bool) -> DType:
    """As NumPy computes: in single precision only what is no wider, else in double."""
    narrow = dtype.kind in "fc" and dtype.itemsize <= (8 if dtype.kind == "c" else 4)
    return np.dtype(np.complex64 if narrow else np.complex128) if is_complex else np.dtype("f4" if narrow else "f8")


def _resized(x: Array, size: int) -> Array:
    """The last axis cut, or padded with zeros, to a length."""
    ndim, length = aval_of(x).ndim, shape_of(x)[-1]
    if length >= size:
        return x if length == size else along(x, ndim - 1, 0, size)
    return pad(x, aval_of(x).dtype.type(0), [(0, 0, 0)] * (ndim - 1) + [(0, size - length, 0)])


def _along(kind: FftKind, a: ArrayLike, n: SupportsIndex | None, axis: SupportsIndex, norm: Norm) -> Array:
    """A transform of an axis, of n points; n is what the axis holds if it is not given."""
    x = strong(a, kind)
    dtype, place = aval_of(x).dtype, axis_index(axis, aval_of(x).ndim)
    if kind == "rfft" and dtype.kind == "c":
        raise TypeError(f"numpy.fft.rfft transforms real numbers, not {dtype}: take np.real of them, or use np.fft.fft")
    length = shape_of(x)[place]
    size = index(n) if n is not None else 2 * (length - 1) if kind == "irfft" else length
    if size < 1:
        raise ParameterError(kind, f"n={size}", "at least one point")
    last = aval_of(x).ndim - 1
    x = moveaxis(x, place, last) if place != last else x
    x = _resized(astype(x, _computed_in(dtype, kind != "rfft")), size // 2 + 1 if kind == "irfft" else size)
    out = transform(x, kind, size, _norm(norm))
    if kind == "irfft" and dtype == np.float16:
        out = astype(out, dtype)
    return moveaxis(out, last, place) if place != last else out


@implements(np.fft.fft)
def fft(a: ArrayLike, n: SupportsIndex | None = None, axis: SupportsIndex = -1, norm: Norm = None) -> Array:
    """The discrete Fourier transform along an axis, of n points: cut, or padded with zeros. complex64 of what is no wider, else
    complex128. norm: "backward" divides in the inverse only, "forward" here only, "ortho" by the root of n in both.

    >>> import functrans as ft
    >>> ft.grad(lambda t: np.abs(np.fft.fft(t)[1]) ** 2)(np.array([1.0, 0.0]))
    array([ 2., -2.])
    """
    return _along("fft", a, n, axis, norm)


@implements(np.fft.ifft)
def ifft(a: ArrayLike, n: SupportsIndex | None = None, axis: SupportsIndex = -1, norm: Norm = None) -> Array:
    """The inverse of `fft`."""
    return _along("ifft", a, n, axis, norm)


@implements(np.fft.rfft)
def rfft(a: ArrayLike, n: SupportsIndex | None = None, axis: SupportsIndex = -1, norm: Norm = None) -> Array:
    """Of real numbers the frequencies that are not negative, n // 2 + 1 of them; the others are their conjugates."""
    return _along("rfft", a, n, axis, norm)


@implements(np.fft.irfft)
def irfft(a: ArrayLike, n: SupportsIndex | None = None, axis: SupportsIndex = -1, norm: Norm = None) -> Array:
    """The inverse of `rfft`, to n real numbers: 2 (m - 1), of m frequencies, if n is not given."""
    return _along("irfft", a, n, axis, norm)


@implements(np.fft.hfft)
def hfft(a: ArrayLike, n: SupportsIndex | None = None, axis: SupportsIndex = -1, norm: Norm = None) -> Array:
    """The real spectrum of half of a signal that is its own conjugate backwards."""
    return _along("irfft", conj(strong(a, "hfft")), n, axis, _SWAPPED[_norm(norm)])


@implements(np.fft.ihfft)
def ihfft(a: ArrayLike, n: SupportsIndex | None = None, axis: SupportsIndex = -1, norm: Norm = None) -> Array:
    """The inverse of `hfft`."""
    return conj(_along("rfft", a, n, axis, _SWAPPED[_norm(norm)]))


# ---- along several axes ----


def _sizes_and_axes(x: Array, s: Sizes, axes: AxesGiven, halved: bool = False) -> tuple[list[int], list[int]]:
    """How many points there are along each axis; halved: the last one holds frequencies that are not negative."""
    shape = shape_of(x)
    if s is not None and axes is None:
        axes = range(-len(s), 0)
    places = list(range(len(shape))) if axes is None else [axis_index(axis, len(shape)) for axis in axes]
    if s is None:
        sizes = [shape[place] for place in places]
        if halved and sizes:
            sizes[-1] = 2 * (sizes[-1] - 1)
        return sizes, places
    if len(s) != len(places):
        raise ParameterError("numpy.fft", f"s={tuple(s)} for axes={tuple(places)}", "as many lengths as axes")
    return [shape[place] if index(n) == -1 else index(n) for n, place in zip(s, places, strict=True)], places


def _over(kind: FftKind, a: ArrayLike, s: Sizes, axes: AxesGiven, norm: Norm) -> Array:
    """A complex transform of each of the axes, the last one first."""
    x = strong(a, kind)
    for n, axis in reversed([*zip(*_sizes_and_axes(x, s, axes), strict=True)]):
        x = _along(kind, x, n, axis, norm)
    return x


@implements(np.fft.fftn)
def fftn(a: ArrayLike, s: Sizes = None, axes: AxesGiven = None, norm: Norm = None) -> Array:
    """The discrete Fourier transform over axes, all if none are given, of s points along each (-1: as many as there are)."""
    return _over("fft", a, s, axes, norm)


@implements(np.fft.ifftn)
def ifftn(a: ArrayLike, s: Sizes = None, axes: AxesGiven = None, norm: Norm = None) -> Array:
    """The inverse of `fftn`."""
    return _over("ifft", a, s, axes, norm)


@implements(np.fft.fft2)
def fft2(a: ArrayLike, s: Sizes = None, axes: AxesGiven = (-2, -1), norm: Norm = None) -> Array:
    """The discrete Fourier transform over two axes."""
    return _over("fft", a, s, axes, norm)


@implements(np.fft.ifft2)
def ifft2(a: ArrayLike, s: Sizes = None, axes: AxesGiven = (-2, -1), norm: Norm = None) -> Array:
    """The inverse of `fft2`."""
    return _over("ifft", a, s, axes, norm)


@implements(np.fft.rfftn)
def rfftn(a: ArrayLike, s: Sizes = None, axes: AxesGiven = None, norm: Norm = None) -> Array:
    """`rfft` along the last of the axes, then `fftn` over the others.

    >>> import functrans as ft
    >>> ft.jit(np.fft.rfftn)(np.eye(2))
    array([[2.+0.j, 0.+0.j],
           [0.+0.j, 2.+0.j]])
    """
    x = strong(a, "rfftn")
    sizes, places = _sizes_and_axes(x, s, axes)
    x = _along("rfft", x, sizes[-1], places[-1], norm)
    return _over("fft", x, sizes[:-1], places[:-1], norm)


@implements(np.fft.rfft2)
def rfft2(a: ArrayLike, s: Sizes = None, axes: AxesGiven = (-2, -1), norm: Norm = None) -> Array:
    """`rfftn` over two axes."""
    return rfftn(a, s, axes, norm)


@implements(np.fft.irfftn)
def irfftn(a: ArrayLike, s: Sizes = None, axes: AxesGiven = None, norm: Norm = None) -> Array:
    """The inverse of `rfftn`; s says how many real numbers there are along the last of the axes, an even number else."""
    x = strong(a, "irfftn")
    sizes, places = _sizes_and_axes(x, s, axes, halved=True)
    for n, axis in zip(sizes[:-1], places[:-1], strict=True):
        x = _along("ifft", x, n, axis, norm)
    return _along("irfft", x, sizes[-1], places[-1], norm)


@implements(np.fft.irfft2)
def irfft2(a: ArrayLike, s: Sizes = None, axes: AxesGiven = (-2, -1), norm: Norm = None) -> Array:
    """The inverse of `rfft2`."""
    return irfftn(a, s, axes, norm)


# ---- the order of frequencies ----


def _rolled(x: ArrayLike, axes: Axes, distance: Callable[[int], int]) -> Array:
    array = strong(x, "fftshift")
    shape = shape_of(array)
    given = range(len(shape)) if axes is None else (axes,) if isinstance(axes, SupportsIndex) else axes
    places = tuple(axis_index(axis, len(shape)) for axis in given)
    return roll(array, tuple(distance(shape[place]) for place in places), places)


@implements(np.fft.fftshift)
def fftshift(x: ArrayLike, axes: Axes = None) -> Array:
    """The axes rolled so that frequency 0 is in the middle."""
    return _rolled(x, axes, lambda size: size // 2)


@implements(np.fft.ifftshift)
def ifftshift(x: ArrayLike, axes: Axes = None) -> Array:
    """The inverse of `fftshift`."""
    return _rolled(x, axes, lambda size: -(size // 2))


# ---- frequencies ----


def fftfreq(n: int, d: float = 1.0, *, dtype: DTypeLike | None = None, device: Device = None) -> Array:
    """The frequencies of the `n` values of `fft`, where samples are `d` apart, in float64 or another dtype."""
    return np.fft.fftfreq(n, d, device=device).astype(dtype or FLOAT64, copy=False)


def rfftfreq(n: int, d: float = 1.0, *, dtype: DTypeLike | None = None, device: Device = None) -> Array:
    """The frequencies of the values of `rfft`, as `fftfreq`."""
    return np.fft.rfftfreq(n, d, device=device).astype(dtype or FLOAT64, copy=False)
