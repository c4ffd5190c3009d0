"""Arrays made of nothing but parameters: `iota`, the only primitive without operands, and constants.

A constant is a rank-0 value, broadcast, which takes no memory (and which NumPy cannot write to). Start reading at
`iota`. Imports core, `broadcast`, `cast`, `comparison`, `arithmetic` and `shape`.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import index
from typing import cast

import numpy as np

from functrans.core.aval import PYTHON_SCALARS, ShapedArray, shaped
from functrans.core.lowering_data import Iota
from functrans.core.primitive import LocallyConstant, Primitive, aval_of
from functrans.errors import ParameterError
from functrans.ops.arithmetic import add
from functrans.ops.axes import ints
from functrans.ops.broadcast import broadcast_in_dim, zeros
from functrans.ops.cast import convert_element_type
from functrans.ops.comparison import eq, ge
from functrans.typing import Array, ArrayLike, DType, DTypeLike

__all__ = ["broadcasted_iota", "eye", "full", "full_like", "iota", "iota_p", "ones", "tri", "zeros"]

# ---- iota ----


def _iota_impl(*, dtype: DType, size: int) -> tuple[Array]:
    return (np.arange(size, dtype=dtype),)


def _iota_aval(*, dtype: DType, size: int) -> tuple[ShapedArray]:
    return (shaped((size,), dtype),)


_constant = LocallyConstant("it has no operands")

iota_p: Primitive = Primitive(
    "iota",
    _iota_impl,
    _iota_aval,
    _constant,
    _constant,
    lambda _size, _args, _batched, params: (iota_p.bind(**params), (False,)),
    cheap=True,
    lower=lambda _avals, _params: Iota(),
)


def iota(dtype: DTypeLike, size: int) -> Array:
    """0, 1, 2, … in a numeric dtype, `size` of them."""
    kind = np.dtype(dtype)
    if kind.kind not in "iufc" or index(size) < 0:
        raise ParameterError("iota", f"dtype={kind} and size={size}", "a numeric dtype and a size that is not negative")
    return iota_p.bind(dtype=kind, size=index(size))[0]


def broadcasted_iota(dtype: DTypeLike, shape: Sequence[int], dimension: int) -> Array:
    """An array whose elements are their own position along axis `dimension`."""
    sizes = ints(shape)
    if not 0 <= index(dimension) < len(sizes):
        raise ParameterError("broadcasted_iota", f"dimension={dimension} for shape {sizes}", "an axis, not negative")
    return broadcast_in_dim(iota(dtype, sizes[dimension]), sizes, (dimension,))


# ---- constants ----


def full(shape: Sequence[int], fill_value: ArrayLike, dtype: DTypeLike | None = None) -> Array:
    """A scalar in every place of `shape`, cast to `dtype`, or in its own (for a Python number NumPy's)."""
    if dtype is None:
        value = np.asarray(fill_value)[()] if type(fill_value) in PYTHON_SCALARS else cast(Array, fill_value)
    elif type(fill_value) in PYTHON_SCALARS:
        value = np.asarray(fill_value, dtype)[()]
    else:
        value = convert_element_type(cast(Array, fill_value), np.dtype(dtype))
    if aval_of(value).shape:
        raise ParameterError("full", f"a fill value of type {aval_of(value)}", "a scalar")
    return broadcast_in_dim(value, ints(shape), ())


def full_like(
    x: ArrayLike, fill_value: ArrayLike, dtype: DTypeLike | None = None, shape: Sequence[int] | None = None
) -> Array:
    """A scalar in every place of an array like x, of its shape and dtype unless others are given."""
    aval = aval_of(x)
    return full(aval.shape if shape is None else shape, fill_value, aval.dtype if dtype is None else dtype)


def ones(shape: Sequence[int], dtype: DTypeLike) -> Array:
    """Ones that take no memory: a one, broadcast."""
    return full(shape, 1, dtype)


# ---- matrices ----


def _positions(shape: Sequence[int], offset: int) -> tuple[Array, Array]:
    """Row number + offset and column number of every element of a matrix."""
    sizes = ints(shape)
    if len(sizes) != 2:
        raise ParameterError("eye", f"shape={sizes}", "two sizes")
    return add(broadcasted_iota(np.intp, sizes, 0), offset), broadcasted_iota(np.intp, sizes, 1)


def eye(dtype: DTypeLike, shape: Sequence[int], offset: int = 0) -> Array:
    """A matrix with ones on its diagonal, or on the one that is `offset` to the right, and zeros elsewhere."""
    return convert_element_type(eq(*_positions(shape, offset)), np.dtype(dtype))


def tri(dtype: DTypeLike, shape: Sequence[int], offset: int = 0) -> Array:
    """A matrix with ones on and below its diagonal, or the one that is `offset` to the right, and zeros elsewhere."""
    return convert_element_type(ge(*_positions(shape, offset)), np.dtype(dtype))
