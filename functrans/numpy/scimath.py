"""`numpy.emath`: functions whose result is complex where the real one would be NaN.

Whether it is depends on values: where these are not known, make the argument complex. Imports the ufuncs and the promotion
rules; start reading at `_wide`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy import emath

from functrans.core.primitive import aval_of
from functrans.errors import ValueDependentShapeError
from functrans.numpy.dispatch import NumpyFunction, implements
from functrans.numpy.dispatch import where as user_line
from functrans.numpy.operands import known, strong
from functrans.numpy.promotion import astype
from functrans.typing import Array, ArrayLike

__all__ = ["arccos", "arcsin", "arctanh", "log", "log10", "log2", "logn", "power", "sqrt"]


def _wide(value: ArrayLike, is_outside: Callable[[Array], Array], name: str) -> Array:
    """The argument, complex if one of its elements is outside of where the real function is."""
    x = strong(value, name)
    dtype = aval_of(x).dtype
    if dtype.kind == "c":
        return x
    told = known(x)
    if told is None:
        fix = "Its dtype does too. Write np.{0}(x) for real results, np.{0}(x.astype(complex)) for complex ones."
        raise ValueDependentShapeError(f"emath.{name}", "x", fix.format(name), user_line())
    return astype(x, np.result_type(dtype, np.complex64)) if np.any(is_outside(told)) else x


def _is_negative(x: Array) -> Array:
    return x < 0


def _is_beyond_one(x: Array) -> Array:
    return np.abs(x) > 1


def _of(
    numpys: NumpyFunction, real: NumpyFunction, is_outside: Callable[[Array], Array]
) -> Callable[[ArrayLike], Array]:
    def function(x: ArrayLike) -> Array:
        result: Array = real(_wide(x, is_outside, real.__name__))
        return result

    function.__name__ = function.__qualname__ = numpys.__name__
    function.__doc__ = f"`numpy.{real.__name__}`, complex if that of one of the elements is not real."
    return implements(numpys)(function)


sqrt = _of(emath.sqrt, np.sqrt, _is_negative)
log = _of(emath.log, np.log, _is_negative)
log2 = _of(emath.log2, np.log2, _is_negative)
log10 = _of(emath.log10, np.log10, _is_negative)
arccos = _of(emath.arccos, np.arccos, _is_beyond_one)
arcsin = _of(emath.arcsin, np.arcsin, _is_beyond_one)
arctanh = _of(emath.arctanh, np.arctanh, _is_beyond_one)


@implements(emath.logn)
def logn(n: ArrayLike, x: ArrayLike) -> Array:
    """The logarithm to the base `n`, complex if that of one of the elements is not real."""
    ratio: Any = np.log(_wide(x, _is_negative, "log")) / np.log(_wide(n, _is_negative, "log"))
    out: Array = ratio
    return out


@implements(emath.power)
def power(x: ArrayLike, p: ArrayLike) -> Array:
    """`x ** p`, complex if an element of `x` is negative; negative powers of integers are floats."""
    base, exponent = _wide(x, _is_negative, "power"), strong(p, "power")
    told = known(exponent)
    if aval_of(exponent).dtype.kind in "iu" and (told is None or np.any(told < 0)):
        exponent = astype(exponent, np.dtype(np.float64))
    out: Array = np.power(base, exponent)
    return out
