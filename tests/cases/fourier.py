"""Rows for functrans.ops.fourier."""

import numpy as np

from functrans.ops.fourier import FftKind, FftNorm, fft, fft_p
from tests.cases.case import COMPLEX, FLOATS, Case, Operand

_TOLERANCE = 1e-12


def _row(kind: FftKind, size: int, norm: FftNorm = "backward") -> Case:
    return Case(
        fft_p,
        lambda x: fft(x, kind, size, norm),
        lambda x: getattr(np.fft, kind)(x, size, norm=norm),
        (Operand((2, size // 2 + 1 if kind == "irfft" else size)),),
        FLOATS if kind == "rfft" else COMPLEX,
        name=f"{kind} {size} {norm}",
        rtol=_TOLERANCE,
    )


CASES = (
    _row("fft", 6),
    _row("fft", 5, "ortho"),
    _row("ifft", 4, "forward"),
    _row("rfft", 6),
    _row("rfft", 5, "forward"),
    _row("irfft", 6),
    _row("irfft", 5, "ortho"),
)
