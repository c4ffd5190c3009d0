"""Complex numbers and magnitude: real, imag, conj, complex, abs, sign.

Where a function is not complex differentiable the pairing of cotangent and tangent is Re(g · t), as in JAX; so its VJP
rule and its JVP rule differ, and both are given. Imports core, `families` and `arithmetic`.
"""

from __future__ import annotations

from typing import Any, cast

import numpy as np

from functrans.core.primitive import LocallyConstant, aval_of
from functrans.errors import OperandError
from functrans.ops.arithmetic import div_no_nan, mul, neg, sub
from functrans.ops.families import REAL, apply1, apply2, dtype_of, elementwise, unary
from functrans.typing import Array, ArrayLike, DType

_COMPLEX = "c"
_PARTS: dict[DType, DType] = {
    np.dtype(np.complex64): np.dtype(np.float32),
    np.dtype(np.complex128): np.dtype(np.float64),
}


def real_dtype(dtype: DType, **_params: Any) -> DType:  # Any: see Params
    """The dtype of a complex dtype's parts; any other dtype itself."""
    return _PARTS.get(dtype, dtype)


def complex_dtype(dtype: DType, **_params: Any) -> DType:  # Any: see Params
    """The smallest complex dtype whose parts are at least as wide as this floating dtype."""
    return np.dtype(np.complex64 if dtype.itemsize <= 4 else np.complex128)


def _is_complex(x: ArrayLike) -> bool:
    return dtype_of(x).kind == _COMPLEX


real_p = unary(
    "real",
    lambda x: np.real(np.asarray(x))[()],
    _COMPLEX,
    lambda g, *_: complex(g, 0),
    real_dtype,
    tangent=lambda t, *_: real(t),
)


def real(x: ArrayLike) -> Array:
    """Elementwise real part; an operand that is not complex is returned as it is."""
    return apply1(real_p, x) if _is_complex(x) else cast(Array, x)


imag_p = unary(
    "imag",
    lambda x: np.imag(np.asarray(x))[()],
    _COMPLEX,
    lambda g, *_: complex(0, neg(g)),
    real_dtype,
    tangent=lambda t, *_: imag(t),
)


def imag(x: ArrayLike) -> Array:
    """Elementwise imaginary part of complex operands."""
    if not _is_complex(x):
        raise OperandError("imag", [str(aval_of(x))], "a complex dtype")
    return apply1(imag_p, x)


conj_p = unary("conj", np.conjugate, _COMPLEX, lambda g, *_: conj(g))


def conj(x: ArrayLike) -> Array:
    """Elementwise complex conjugate; an operand that is not complex is returned as it is."""
    return apply1(conj_p, x) if _is_complex(x) else cast(Array, x)


def _complex(re: Array, im: Array) -> Any:  # Any: an array or a scalar of the dtype worked out here
    out = np.empty(np.broadcast_shapes(np.shape(re), np.shape(im)), complex_dtype(np.result_type(re, im)))
    out.real, out.imag = re, im
    return out[()]


complex_p = elementwise(
    "complex",
    _complex,
    "f",
    (lambda g, *_: real(g), lambda g, *_: neg(imag(g))),
    complex_dtype,
    tangents=(lambda t, *_: complex(t, 0), lambda t, *_: complex(0, t)),
)


def complex(x: ArrayLike, y: ArrayLike) -> Array:
    """Elementwise x + i·y of floating operands: complex64 of float32, complex128 of float64."""
    return apply2(complex_p, x, y)


# ---- magnitude and direction ----


def _direction_tangent(t: Array, out: Array, x: Array) -> Array:
    """The part of t / |x| across x."""
    along = real(mul(conj(out), t))
    return div_no_nan(sub(t, mul(out, complex(along, 0))), complex(abs(x), 0))


def _direction_cotangent(g: Array, out: Array, x: Array) -> Array:
    along = real(mul(g, out))
    return div_no_nan(sub(g, mul(conj(out), complex(along, 0))), complex(abs(x), 0))


sign_p = unary("sign", np.sign, "iuf", LocallyConstant("the sign is constant but for a step at 0"))
complex_sign_p = unary("complex_sign", np.sign, _COMPLEX, _direction_cotangent, tangent=_direction_tangent)


def sign(x: ArrayLike) -> Array:
    """Elementwise sign: -1, 0 or 1; of complex numbers x / |x|, 0 at 0."""
    return apply1(complex_sign_p if _is_complex(x) else sign_p, x)


abs_p = unary("abs", np.absolute, REAL, lambda g, _, x: mul(g, sign(x)))
complex_abs_p = unary(
    "complex_abs",
    np.absolute,
    _COMPLEX,
    lambda g, _, x: mul(complex(g, 0), conj(sign(x))),
    real_dtype,
    tangent=lambda t, _, x: real(mul(t, conj(sign(x)))),
)


def abs(x: ArrayLike) -> Array:
    """Elementwise absolute value, real also for complex operands; the derivative at 0 is 0."""
    return apply1(complex_abs_p if _is_complex(x) else abs_p, x)
