"""Operands of special functions: of one floating dtype. Imports functrans.numpy."""

from __future__ import annotations

import numpy as np

import functrans.numpy as fnp
from functrans.core.primitive import aval_of
from functrans.errors import OperandError
from functrans.numpy.promotion import as_operand, astype
from functrans.typing import Array, ArrayLike

__all__ = ["floats", "one_float", "same_float"]


def same_float(name: str, *values: ArrayLike) -> tuple[Array, ...]:
    """The operands in their common floating dtype; integers count as float64."""
    arrays = [as_operand(value, name) for value in values]
    if any(aval_of(x).dtype.kind not in "biuf" for x in arrays):
        raise OperandError(name, [str(aval_of(x)) for x in arrays], "real numbers")
    kinds = [aval_of(x).dtype for x in arrays if not aval_of(x).weak] or [np.dtype(np.float64)]
    dtype = np.result_type(*kinds)
    dtype = np.dtype(np.float64) if dtype.kind != "f" else dtype
    return tuple(astype(x, dtype) for x in arrays)


def floats(name: str, *values: ArrayLike) -> tuple[Array, ...]:
    """The same, broadcast to each other."""
    converted = same_float(name, *values)
    return tuple(fnp.broadcast_arrays(*converted)) if len(converted) > 1 else converted


def one_float(name: str, value: ArrayLike) -> Array:
    """`floats` of one operand."""
    return floats(name, value)[0]
