"""What all samplers share: the checks of their arguments, and running a formula compiled.

A public sampler checks its arguments and hands a formula to `sample`; formulas call each other, never public samplers, so
that a key is looked at once. Imports jit and ops; start reading at `sample`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from inspect import signature
from operator import index
from typing import Any, TypeAlias

import numpy as np

from functrans.core.primitive import aval_of
from functrans.errors import ParameterError
from functrans.jit import Jitted, jit
from functrans.numpy import broadcast_to
from functrans.ops.cast import convert_element_type
from functrans.random.reuse import use_key
from functrans.typing import Array, ArrayLike, DType, DTypeLike, Shape

__all__ = [
    "ShapeLike",
    "as_dtype",
    "as_key",
    "as_parameter",
    "as_shape",
    "common_shape",
    "floating",
    "number",
    "sample",
    "spread",
]

ShapeLike: TypeAlias = int | Sequence[int]

Formula: TypeAlias = Callable[..., Array]
"""`(key, *parameters, *, shape, dtype …)`; what has to be given by name is static."""


def sample(name: str, formula: Formula, key: ArrayLike, *parameters: ArrayLike, **static: Any) -> Array:
    """What a formula gives for a key, which is used up. Any: whatever the formula has."""
    checked = as_key(name, key)
    use_key(name, checked)
    return _compiled(formula)(checked, *parameters, **static)


@cache
def _compiled(formula: Formula) -> Jitted[..., Array]:
    names = [name for name, one in signature(formula).parameters.items() if one.kind is one.KEYWORD_ONLY]
    return jit(formula, static_argnames=names)


# ---- arguments ----


def as_key(name: str, key: ArrayLike) -> Array:
    """A key; raises ParameterError for what is none."""
    aval = aval_of(key)
    if aval.shape != (2,) or aval.dtype != np.uint32:
        raise ParameterError(
            name,
            f"a key of type {aval}",
            "one key, an array of type u32[2], as `functrans.random.key(seed)` gives it (and `vmap` for many)",
        )
    return key  # type: ignore[return-value]  # of that shape it is an array


def as_shape(name: str, shape: ShapeLike) -> Shape:
    """A shape, of which one size may stand for itself; raises ParameterError for what is none."""
    try:
        sizes = (index(shape),) if not isinstance(shape, Sequence) else tuple(map(index, shape))
    except TypeError:
        sizes = (-1,)
    if any(size < 0 for size in sizes):
        raise ParameterError(name, f"shape={shape!r}", "sizes that are whole numbers and not negative")
    return sizes


def as_dtype(name: str, dtype: DTypeLike | None, kinds: str, default: DTypeLike) -> DType:
    """A dtype of one of the kinds, of at most 64 bits (a complex one: 128); raises ParameterError for others."""
    kind = np.dtype(default if dtype is None else dtype)
    if kind.kind not in kinds or kind.itemsize > (16 if kind.kind == "c" else 8):
        wanted = " or ".join(_KINDS[letter] for letter in kinds)
        raise ParameterError(name, f"dtype={kind}", f"a dtype of kind {wanted}, of at most 64 bits")
    return kind


_KINDS = {"i": "signed integer", "u": "unsigned integer", "f": "floating", "c": "complex"}


def floating(name: str, dtype: DTypeLike | None) -> DType:
    """A floating dtype; float64 if none is given."""
    return as_dtype(name, dtype, "f", np.float64)


def common_shape(name: str, shape: ShapeLike | None, *parameters: ArrayLike) -> Shape:
    """The result's shape: the one that is given, or the one that the parameters broadcast to.

    Raises ParameterError where the parameters do not broadcast to it.
    """
    shapes = [aval_of(parameter).shape for parameter in parameters]
    wanted = None if shape is None else as_shape(name, shape)
    try:
        common = np.broadcast_shapes(*shapes, *([] if wanted is None else [wanted]))
    except ValueError:
        common = None
    if common is None or wanted not in (None, common):
        asked = "" if wanted is None else f" and shape={wanted}"
        given = " and ".join(str(one) for one in shapes)
        raise ParameterError(
            name, f"parameters of shape {given}{asked}", "parameters that broadcast to the result's shape"
        )
    return common


def as_parameter(name: str, x: ArrayLike, dtype: DType) -> Array:
    """A parameter in the dtype of the result; raises ParameterError where its kind has no place there."""
    given = aval_of(x)
    if not np.can_cast(given.dtype, dtype, "same_kind"):
        raise ParameterError(
            name, f"a parameter of dtype {given.dtype} for results of dtype {dtype}", "one of its kind"
        )
    return convert_element_type(x, dtype)


def spread(name: str, x: ArrayLike, shape: Shape, dtype: DType) -> Array:
    """A parameter in the shape and dtype of the result; raises ParameterError where its kind has no place there."""
    return broadcast_to(as_parameter(name, x, dtype), shape)


def number(value: complex, dtype: DType) -> Array:
    """A constant of a dtype."""
    constant: Array = dtype.type(value)
    return constant
