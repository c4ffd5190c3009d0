"""What the functions of functrans.numpy.linalg share: which dtypes they compute in, and what numpy.linalg refuses.

As in NumPy all is computed in double precision, and rounded where the operands are single. Start reading at `in_double`.
Imports ops and the promotion rules.
"""

from __future__ import annotations

from math import prod

import numpy as np
from numpy.linalg import LinAlgError

from functrans.core.primitive import aval_of
from functrans.numpy.operands import shape_of, strong
from functrans.numpy.promotion import astype, broadcast_shape, broadcast_to_shape
from functrans.ops.complex import real_dtype
from functrans.typing import Array, ArrayLike, DType, Shape

__all__ = ["check_square", "check_stacked", "from_double", "in_double", "is_empty", "real_of", "same_stack", "stacked"]


_SINGLE = frozenset(np.dtype(code) for code in "fF")


def in_double(name: str, *operands: ArrayLike) -> tuple[list[Array], DType]:
    """The operands as float64, or complex128 if one is complex, and the dtype of the results: single if all of them are.

    Raises TypeError for half precision, as NumPy does.
    """
    arrays = [strong(x, name) for x in operands]
    dtypes = [aval_of(x).dtype for x in arrays]
    if any(dtype == np.float16 for dtype in dtypes):
        raise TypeError("array type float16 is unsupported in linalg")
    is_single = all(dtype in _SINGLE for dtype in dtypes)
    is_complex = any(dtype.kind == "c" for dtype in dtypes)
    double = np.dtype(np.complex128 if is_complex else np.float64)
    return [astype(x, double) for x in arrays], np.dtype(f"{double.kind}{double.itemsize // (1 + is_single)}")


def from_double(x: Array, dtype: DType) -> Array:
    """A result in the dtype that NumPy gives it; real ones of complex operands in that of their parts."""
    return astype(x, dtype if aval_of(x).dtype.kind == dtype.kind else real_of(dtype))


def real_of(dtype: DType) -> DType:
    """The dtype of magnitudes."""
    found: DType = real_dtype(dtype)
    return found


def check_stacked(*operands: Array) -> None:
    """Raise LinAlgError for what is no stack of matrices."""
    for x in operands:
        if len(shape_of(x)) < 2:
            raise LinAlgError(f"{len(shape_of(x))}-dimensional array given. Array must be at least two-dimensional")


def check_square(x: Array) -> None:
    """Raise LinAlgError for what is no stack of square matrices."""
    check_stacked(x)
    if shape_of(x)[-1] != shape_of(x)[-2]:
        raise LinAlgError("Last 2 dimensions of the array must be square")


def same_stack(name: str, *operands: Array) -> list[Array]:
    """Matrices whose leading axes are broadcast together."""
    leads = [np.broadcast_to(np.False_, shape_of(x)[:-2]) for x in operands]
    lead = broadcast_shape(name, leads)
    return [stacked(x, lead) for x in operands]


def stacked(x: Array, lead: Shape) -> Array:
    """Matrices repeated along leading axes."""
    shape = (*lead, *shape_of(x)[-2:])
    return x if shape == shape_of(x) else broadcast_to_shape(x, shape)


def is_empty(x: Array) -> bool:
    """Whether the matrices have no elements."""
    return prod(shape_of(x)[-2:]) == 0
