"""NumPy's promotion (NEP 50) and broadcasting, made explicit: what primitives get has one dtype and one shape.

A traced Python scalar (`aval.weak`) and a Python number promote as Python numbers do in NumPy. Constants are converted
at once; only what is traced costs an equation. Imports core and ops; start reading at `promoted`.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, TypeAlias, cast

import numpy as np

from functrans.core.aval import PYTHON_SCALARS, ShapedArray, changes_meaning
from functrans.core.primitive import Tracer, aval_of
from functrans.errors import ArrayTypeError, BroadcastError, TracerConversionError
from functrans.numpy.dispatch import has_tracer, where
from functrans.numpy.rewrite import described, replacing
from functrans.ops.broadcast import broadcast_in_dim
from functrans.ops.cast import convert_element_type
from functrans.record import Record
from functrans.typing import Array, DType, DTypeLike, Shape

__all__ = [
    "PYTHON_TYPE", "Operand", "as_operand", "astype", "broadcast_shape", "broadcast_to_shape",
    "loop_dtypes", "promoted", "result_type", "to_common_dtype",
]  # fmt: skip

Operand: TypeAlias = "Tracer | Array | np.generic[Any] | int | float | complex"  # Any: as in functrans.typing.Array
"""What `as_operand` makes of arguments. It says Array, as a type checker should see tracers."""

_CONCRETE = (np.ndarray, np.generic)
_CHARS = frozenset("?bBhHiIlLqQpPefdFD")
"""The dtypes of traced values: neither object nor long double."""

PYTHON_TYPE: dict[str, type[complex]] = {"i": int, "f": float, "c": complex}
"""The Python type of a weak value, by the kind of its dtype."""

DTypeKey: TypeAlias = "DType | type[complex]"
"""What promotion sees of an operand: its dtype, or a Python number's type."""


# ---- operands ----


def as_operand(value: object, name: str = "array") -> Array:
    """An argument as a tracer, an ndarray, a NumPy scalar, or a Python int, float or complex.

    Lists and tuples of numbers become arrays, as in NumPy. Raises TracerConversionError for a list that holds tracers,
    ArrayTypeError for strings, objects, dates, long doubles and masked arrays; `name` names the function in messages.
    """
    if isinstance(value, Tracer) or type(value) in PYTHON_SCALARS:
        return cast(Array, value)
    if changes_meaning(value):  # the mask, or the meaning of *, would be lost
        raise ArrayTypeError(name, f"a {type(value).__name__}", where())
    if has_tracer(value):
        what = f"a {type(value).__name__} with a traced value in it"
        raise TracerConversionError(what, f"`{name}`", where(), replacing())
    array = np.asarray(value)
    if array.dtype.kind not in "biufc" or array.dtype.char in "gG":
        raise ArrayTypeError(name, f"a {type(value).__name__} (as an array: {array.dtype})", where())
    return array if array.shape else array[()]


def astype(x: Operand, dtype: DTypeLike) -> Array:
    """The operand converted; a constant at once. What is already of the dtype, and no Python number, stays as it is.

    Raises OverflowError for a Python int out of the dtype's range, as NumPy does.
    """
    if not isinstance(dtype, np.dtype):
        dtype = np.dtype(dtype)
    if dtype.char not in _CHARS:
        raise ArrayTypeError("astype", f"the dtype {dtype}", where())
    if isinstance(x, Tracer):
        aval = x.aval
        array: Any = x  # Any: an array to the type checker; `cast` would cost time
        return array if aval.dtype == dtype and not aval.weak else convert_element_type(array, dtype)
    if isinstance(x, _CONCRETE):
        return cast(Array, x if x.dtype == dtype and x.dtype.isnative else x.astype(dtype))
    if dtype.kind == "b" and isinstance(x, int):
        x = np.int64(x)  # raises OverflowError, as NumPy does
    scalar: Any = dtype.type  # Any: the type of a run-time dtype's scalars
    converted: Array = scalar(x)
    return converted


def _key(x: Operand) -> DTypeKey:
    if isinstance(x, Tracer):
        aval = x.aval
        return PYTHON_TYPE[aval.dtype.kind] if aval.weak else aval.dtype
    return x.dtype if isinstance(x, _CONCRETE) else type(x)


# ---- dtypes ----


@lru_cache(maxsize=4096)
def _resolve(ufunc: np.ufunc, keys: tuple[DTypeKey, ...], dtype: DType | None) -> tuple[DType, ...]:
    signature = (None,) * ufunc.nin + (dtype,) * ufunc.nout
    dtypes = ufunc.resolve_dtypes((*keys, *(None,) * ufunc.nout), signature=signature)
    for found in dtypes:
        if found.char not in _CHARS:
            raise ArrayTypeError(ufunc.__name__, f"the dtype {found}", where())
    return dtypes


def loop_dtypes(ufunc: np.ufunc, operands: Sequence[Operand], dtype: DType | None = None) -> tuple[DType, ...]:
    """The dtypes NumPy's ufunc computes in, one per operand and result; `dtype` is the ufunc's keyword.

    Raises TypeError where the ufunc has no loop for the operands.
    """
    return _resolve(ufunc, tuple(map(_key, operands)), dtype)


@lru_cache(maxsize=4096)
def _common(keys: tuple[DTypeKey, ...]) -> DType:
    return np.result_type(*(key(0) if isinstance(key, type) else key for key in keys))


def result_type(*operands: Operand) -> DType:
    """The dtype that NumPy's `result_type` gives for operands."""
    return _common(tuple(map(_key, operands)))


def to_common_dtype(*operands: Operand) -> list[Array]:
    """The operands converted to the dtype that `result_type` gives for them."""
    dtype = result_type(*operands)
    return [astype(x, dtype) for x in operands]


# ---- shapes ----


def _shape(x: Operand) -> Shape:
    if isinstance(x, Tracer):
        return x.aval.shape
    return x.shape if isinstance(x, np.ndarray) else ()


def broadcast_shape(name: str, operands: Sequence[Operand]) -> Shape:
    """The shape that the operands broadcast to; raises BroadcastError, in which `name` is the function called."""
    shapes = [_shape(x) for x in operands]
    longest = max(shapes, key=len, default=())
    if all(shape in (longest, ()) for shape in shapes):
        return longest
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError:
        origins = described(operands)
        raise BroadcastError(name, list(zip(shapes, origins, strict=True)), where()) from None


def broadcast_to_shape(x: Operand, shape: Shape) -> Array:
    """The operand in this shape, which its own must broadcast to."""
    old = _shape(x)
    if old == shape:
        return cast(Array, x)
    if isinstance(x, Tracer):
        return broadcast_in_dim(cast(Array, x), shape, range(len(shape) - len(old), len(shape)))
    return np.broadcast_to(cast(Array, x), shape)


# ---- both ----


class _Plan(Record):
    """What promotion does to operands of these types. The avals are kept alive because their ids are the plan's key."""

    avals: list[ShapedArray]
    dtypes: tuple[DType, ...]
    shape: Shape
    is_done: bool
    """Nothing: the operands have these dtypes and this shape."""


_plans: dict[tuple[object, ...], _Plan] = {}
_PLANS_KEPT = 4096


def promoted(
    ufunc: np.ufunc, operands: Sequence[Operand], dtype: DType | None = None, name: str = ""
) -> Sequence[Operand]:
    """The operands of NumPy's ufunc as its primitive takes them: in the ufunc's dtypes and one shape.

    name: how the user called it (an operator, say), for messages.
    """
    key = (ufunc, *[id(x.aval) if isinstance(x, Tracer) else type(x) for x in operands])
    plan = _plans.get(key)
    if plan is None or dtype is not None:
        dtypes = loop_dtypes(ufunc, operands, dtype)
        shape = broadcast_shape(name or ufunc.__name__, operands)
        if dtype is None and all(isinstance(x, Tracer) or type(x) in PYTHON_SCALARS for x in operands):
            _remember(key, [aval_of(x) for x in operands], dtypes, shape)
    elif plan.is_done:
        return operands
    else:
        dtypes, shape = plan.dtypes, plan.shape
    return [_fitted(x, to, shape) for x, to in zip(operands, dtypes, strict=False)]


def _fitted(x: Operand, dtype: DType, shape: Shape) -> Operand:
    if not isinstance(x, Tracer):
        array = astype(x, dtype)
        return broadcast_to_shape(array, shape) if array.ndim else array
    if x.aval.dtype != dtype:
        x = convert_element_type(cast(Array, x), dtype)
    return x if _shape(x) == shape else broadcast_to_shape(x, shape)


def _remember(key: tuple[object, ...], avals: list[ShapedArray], dtypes: tuple[DType, ...], shape: Shape) -> None:
    if len(_plans) >= _PLANS_KEPT:
        _plans.clear()
    is_done = not any(isinstance(part, type) for part in key) and all(
        aval.dtype == dtype and aval.shape == shape for aval, dtype in zip(avals, dtypes, strict=False)
    )
    _plans[key] = _Plan(avals, dtypes, shape, is_done)
