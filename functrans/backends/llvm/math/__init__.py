"""Elementary and special functions as straight vector code, of any number of lanes of float or double.

`FUNCTIONS` has them by the names of their primitives: each is called `(f, x)` or `(f, x, y)`, writes into the function `f`
and gives a value of the operands' type. They err by at most 2 ULP and have NumPy's special values (tests/test_math_ulp.py).
A file per kind of function, over `polynomial` and `floats`; they import `ir` and `function`, and nothing else of functrans.
"""

from __future__ import annotations

from collections.abc import Callable

from functrans.backends.llvm.ir import Value
from functrans.backends.llvm.math import (
    error_function,
    exponential,
    gamma,
    hyperbolic,
    inverse_error_function,
    inverse_trigonometric,
    logarithm,
    power,
    trigonometric,
)

__all__ = ["FUNCTIONS"]

FUNCTIONS: dict[str, Callable[..., Value]] = {
    # ---- exponential ----
    "exp": exponential.exp,
    "exp2": exponential.exp2,
    "expm1": exponential.expm1,
    # ---- logarithm ----
    "log": logarithm.log,
    "log2": logarithm.log2,
    "log10": logarithm.log10,
    "log1p": logarithm.log1p,
    "asinh": logarithm.asinh,
    "acosh": logarithm.acosh,
    "atanh": logarithm.atanh,
    # ---- hyperbolic ----
    "sinh": hyperbolic.sinh,
    "cosh": hyperbolic.cosh,
    "tanh": hyperbolic.tanh,
    "logistic": hyperbolic.logistic,
    "logistic_difference": hyperbolic.logistic_difference,
    "logaddexp": hyperbolic.logaddexp,
    "logaddexp2": hyperbolic.logaddexp2,
    # ---- power ----
    "pow": power.pow,
    "float_power": power.pow,
    "cbrt": power.cbrt,
    "hypot": power.hypot,
    "complex_abs": power.hypot,  # of real and imaginary part
    # ---- trigonometric ----
    "sin": trigonometric.sin,
    "cos": trigonometric.cos,
    "tan": trigonometric.tan,
    "asin": inverse_trigonometric.asin,
    "acos": inverse_trigonometric.acos,
    "atan": inverse_trigonometric.atan,
    "atan2": inverse_trigonometric.atan2,
    # ---- error function ----
    "erf": error_function.erf,
    "erfc": error_function.erfc,
    "erf_inv": inverse_error_function.erf_inv,
    # ---- gamma function ----
    "lgamma": gamma.lgamma,
    "digamma": gamma.digamma,
}
