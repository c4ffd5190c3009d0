"""What the functions that are no ufuncs share: strong operands, axis arguments, constants of an operand's dtype.

Imports core and the promotion rules.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import index
from typing import Any, Literal, SupportsIndex, TypeAlias

import numpy as np

from functrans.core.primitive import Tracer, as_array, aval_of
from functrans.core.primitive import known as value_of
from functrans.numpy.promotion import as_operand, astype, broadcast_to_shape
from functrans.typing import Array, ArrayLike, Shape

__all__ = [
    "BOOL",
    "FLOAT32",
    "FLOAT64",
    "INT",
    "INT32",
    "Axes",
    "Device",
    "axis_index",
    "axis_indices",
    "known",
    "mask_of",
    "on_cpu",
    "reduced_axes",
    "shape_of",
    "strong",
]

Axes: TypeAlias = SupportsIndex | Sequence[SupportsIndex] | None
"""An `axis=` argument: an axis, several, or None for all."""

Device: TypeAlias = Literal["cpu"] | None
"""A `device=` argument: NumPy has one."""

BOOL, INT, INT32, FLOAT32, FLOAT64 = (np.dtype(t) for t in (np.bool_, np.int64, np.int32, np.float32, np.float64))


def strong(value: ArrayLike, name: str) -> Array:
    """An argument of the function `name` as an array or a tracer; a Python number, traced or not, with its NumPy dtype."""
    x: Any = value if isinstance(value, Tracer) else as_operand(value, name)  # Any: tracers are typed as arrays
    aval = aval_of(x)
    return astype(x, aval.dtype) if aval.weak else x


def on_cpu(device: Device) -> None:
    """Raise NumPy's ValueError for a device that it does not have."""
    if device not in (None, "cpu"):
        raise ValueError(f'Device not understood. Only "cpu" is allowed, but received: {device}')


def known(value: ArrayLike | None) -> Array | None:
    """The value of an argument as an array, where it is known: not where it is traced by jit or vmap."""
    x: Any = value  # Any: tracers are typed as arrays
    if isinstance(x, Tracer):
        return value_of(as_array(x))
    return None if value is None else np.asarray(value)


def shape_of(x: Array) -> Shape:
    """The shape of an operand."""
    return aval_of(x).shape


def axis_index(axis: SupportsIndex, ndim: int, name: str = "axis") -> int:
    """The axis, not negative; raises NumPy's AxisError, and TypeError for anything but an integer."""
    if isinstance(axis, bool):
        raise TypeError("an integer is required for the axis")
    return axis_indices(index(axis), ndim, name)[0]


def axis_indices(axes: SupportsIndex | Sequence[SupportsIndex], ndim: int, name: str = "axis") -> tuple[int, ...]:
    """The axes, none negative, in the order given; raises NumPy's AxisError, and ValueError for one given twice."""
    places = [index(axis) for axis in axes] if isinstance(axes, Sequence) else index(axes)
    return tuple(np.lib.array_utils.normalize_axis_tuple(places, ndim, name))


def reduced_axes(axis: Axes, ndim: int) -> tuple[int, ...]:
    """The axes that an `axis=` of a reduction names, in increasing order; all for None. Lists and bools are no axes."""
    if axis is None:
        return tuple(range(ndim))
    if isinstance(axis, bool) or not isinstance(axis, tuple | SupportsIndex):
        raise TypeError(f"'{type(axis).__name__}' object cannot be interpreted as an axis: write an integer or a tuple")
    return tuple(sorted(axis_indices(axis, ndim)))


def mask_of(where: ArrayLike, shape: Shape) -> Array:
    """A `where=` of a reduction in the operand's shape; raises TypeError for what is not boolean, as NumPy does."""
    mask = as_operand(where, "where")
    if not isinstance(where, bool) and aval_of(mask).dtype != BOOL:
        raise TypeError(f"Cannot cast array data from {aval_of(mask).dtype} to bool according to the rule 'safe'")
    return broadcast_to_shape(astype(mask, BOOL), shape)
