"""Numbers and shapes that an operator does not take. Imports core and errors."""

from __future__ import annotations

import numpy as np

from functrans.core.primitive import aval_of, is_concrete
from functrans.errors import ParameterError
from functrans.typing import ArrayLike, Shape

__all__ = ["check_not_zero", "check_range", "check_shape"]


def check_range(name: str, what: str, value: float, low: float, high: float = np.inf, *, is_open: bool = False) -> None:
    """Raise ParameterError unless low ≤ value ≤ high, is_open: low < value; what is traced is not looked at."""
    if not is_concrete(value) or ((low < value if is_open else low <= value) and value <= high):
        return
    needs = f"a number greater than {low:g}" if is_open else f"a number of at least {low:g}"
    raise ParameterError(name, f"{what}={value}", needs if high == np.inf else f"{needs} and at most {high:g}")


def check_not_zero(name: str, what: str, value: float) -> None:
    """Raise ParameterError for 0; what is traced is not looked at."""
    if is_concrete(value) and value == 0:
        raise ParameterError(name, f"{what}={value}", "a number other than 0")


def check_shape(name: str, what: str, x: ArrayLike | None, shape: Shape) -> None:
    """Raise ParameterError for an array of another shape, if there is one: it is not to be broadcast."""
    if x is not None and aval_of(x).shape != shape:
        raise ParameterError(name, f"{what} of shape {aval_of(x).shape}", f"one of shape {shape}")
