"""`fft`: the discrete Fourier transform of the last axis, complex or real, which all of numpy.fft is uses of.

A transform is linear, and as a matrix it is symmetric: the transpose of a complex one is itself, that of a real one is the
other real one, with weights. Start reading at `fft_p`. Imports core, `arithmetic`, `complex`, `families` and `rules`.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import numpy as np

from functrans.core.aval import ShapedArray, shaped
from functrans.core.lowering_loops import Fourier, NumpyLoop
from functrans.core.primitive import Params, aval_of
from functrans.errors import OperandError, ParameterError
from functrans.ops.arithmetic import mul
from functrans.ops.broadcast import broadcast_in_dim
from functrans.ops.complex import complex_dtype, conj, real_dtype
from functrans.ops.rules import linear
from functrans.typing import Array, DType

__all__ = ["FftKind", "FftNorm", "fft", "fft_p"]

FftKind: TypeAlias = Literal["fft", "ifft", "rfft", "irfft"]
FftNorm: TypeAlias = Literal["backward", "ortho", "forward"]
_OTHER: dict[FftNorm, FftNorm] = {"backward": "forward", "forward": "backward", "ortho": "ortho"}
_DTYPES = ("float32", "float64", "complex64", "complex128")


def _impl(x: Array, *, kind: FftKind, size: int, norm: FftNorm) -> tuple[Array]:
    return (getattr(np.fft, kind)(x, size, norm=norm),)


def _aval(x: ShapedArray, *, kind: FftKind, size: int, norm: FftNorm) -> ShapedArray:
    wanted = "f" if kind == "rfft" else "c"
    if x.dtype.kind != wanted or x.dtype not in _DTYPES or not x.shape:
        raise OperandError(
            kind, [str(x)], "an array of a real dtype" if wanted == "f" else "an array of a complex dtype"
        )
    length = size // 2 + 1 if kind == "irfft" else size
    if size < 1 or x.shape[-1] != length:
        raise ParameterError(
            kind, f"size={size} for an operand of type {x}", "its last axis as long as the size asks for"
        )
    dtype: DType = real_dtype(x.dtype) if kind == "irfft" else complex_dtype(real_dtype(x.dtype))
    return shaped((*x.shape[:-1], size // 2 + 1 if kind == "rfft" else size), dtype)


def _transpose(g: Array, x: ShapedArray, *, kind: FftKind, size: int, norm: FftNorm) -> Array:
    if kind in ("fft", "ifft"):
        return fft(g, kind, size, norm)
    # Frequencies that a real transform leaves out are conjugates of others, which count twice therefore.
    if kind == "rfft":
        return fft(mul(conj(g), _weights(g, size, 0.5)), "irfft", size, _OTHER[norm])
    spectrum = conj(fft(g, "rfft", size, _OTHER[norm]))
    return mul(spectrum, _weights(spectrum, size, 2.0))


def _weights(spectrum: Array, size: int, twice: float) -> Array:
    """`twice`, and 1 for the frequencies that are their own conjugates: 0 and half the sampling rate."""
    aval = aval_of(spectrum)
    weights = np.full(aval.shape[-1], twice, aval.dtype)
    weights[0] = 1
    if size % 2 == 0:
        weights[-1] = 1
    return broadcast_in_dim(weights, aval.shape, (aval.ndim - 1,))


_SIGNATURES = {"fft": "(n),()->(m)", "ifft": "(m),()->(n)", "rfft": "(n),()->(m)", "irfft": "(m),()->(n)"}


def _lower(_avals: object, params: Params) -> Fourier:
    kind, size, norm = params["kind"], params["size"], params["norm"]
    forward = kind in ("fft", "rfft")
    ufunc = kind if kind != "rfft" else "rfft_n_even" if size % 2 == 0 else "rfft_n_odd"
    is_plain = norm == ("backward" if forward else "forward")
    factor = 1.0 if is_plain else 1 / size**0.5 if norm == "ortho" else 1 / size
    return Fourier(NumpyLoop("fft", ufunc, _SIGNATURES[kind], factor))


fft_p = linear("fft", _impl, _aval, _transpose, lambda _size, x, **params: fft(x, **params), lower=_lower)


def fft(x: Array, kind: FftKind, size: int, norm: FftNorm = "backward") -> Array:
    """The discrete Fourier transform of the last axis, of `size` points.

    kind: "fft" and "ifft" of complex operands of that length; "rfft" of real ones, to the size // 2 + 1 frequencies that are
    not negative; "irfft" back from those. norm: which direction divides by the size, as in numpy.fft; "ortho": both by its
    root. Raises OperandError and ParameterError for operands that do not fit.

    >>> fft(np.array([1.0, 2.0]), "rfft", 2)
    array([ 3.+0.j, -1.+0.j])
    """
    return fft_p.bind(x, kind=kind, size=size, norm=norm)[0]
