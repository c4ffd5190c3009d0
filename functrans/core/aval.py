"""Abstract values: what is known of an array while a function is traced.

A `ShapedArray` has a shape, a dtype and `weak`, which marks a Python scalar, so that promotion under a trace follows
NumPy's NEP 50 (a float32 array times a traced Python `2.0` stays float32). Imports only NumPy and `typing`.
"""

from __future__ import annotations

from functools import lru_cache
from math import prod
from threading import RLock
from weakref import WeakValueDictionary

import numpy as np

from functrans.core.locks import fork_safe
from functrans.record import Record
from functrans.typing import DType, Shape

__all__ = [
    "FLOAT0",
    "INEXACT_KINDS",
    "PYTHON_SCALARS",
    "SCALAR_AVALS",
    "STACKED",
    "ShapedArray",
    "changes_meaning",
    "concrete_aval",
    "is_inexact",
    "shaped",
    "short_dtype",
]

PYTHON_SCALARS: tuple[type[object], ...] = (int, float, complex)
"""The Python types whose values are weak (`bool` is not: NEP 50 treats it as `np.bool`)."""

FLOAT0 = np.dtype([("float0", np.void, 0)])
"""The dtype of tangents and cotangents of what has none: integers and bools. It has no bytes, as in JAX."""

_SHORT = {"b": "bool", "i": "i", "u": "u", "f": "f", "c": "c"}


class ShapedArray(Record, eq=False, also=("__weakref__",)):
    """Shape, dtype and weakness of a value. Only `shaped` makes them: those with equal parts are one and the same object."""

    shape: Shape
    dtype: DType
    weak: bool

    def __reduce__(self) -> tuple[object, ...]:
        return shaped, (self.shape, self.dtype, self.weak)

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        return prod(self.shape)

    @property
    def nbytes(self) -> int:
        """The bytes of its elements."""
        return self.size * self.dtype.itemsize

    def update(
        self, *, shape: Shape | None = None, dtype: DType | None = None, weak: bool | None = None
    ) -> ShapedArray:
        """The same with some parts replaced."""
        return shaped(
            self.shape if shape is None else shape,
            self.dtype if dtype is None else dtype,
            self.weak if weak is None else weak,
        )

    def __str__(self) -> str:
        return f"{short_dtype(self.dtype)}{'*' if self.weak else ''}[{','.join(map(str, self.shape))}]"


_living: WeakValueDictionary[tuple[Shape, DType, bool], ShapedArray] = WeakValueDictionary()
_lock = fork_safe(RLock())  # a finalizer may run inside it


@lru_cache(maxsize=8192)  # which C looks up; what falls out of it is still found among the living
def shaped(shape: Shape, dtype: DType, weak: bool = False) -> ShapedArray:
    """The `ShapedArray` of these parts. Avals are keys everywhere, so equality is identity, which costs nothing."""
    with _lock:
        aval = _living.get((shape, dtype, weak))
        if aval is None:
            aval = _living[shape, dtype, weak] = ShapedArray(shape, dtype, weak)
        return aval


def short_dtype(dtype: DType) -> str:
    """`f32`, `i64`, `bool`, `c128`: a dtype as jaxprs print it."""
    prefix = _SHORT.get(dtype.kind)
    if prefix is None:
        return "float0" if dtype == FLOAT0 else dtype.names[0] if dtype in STACKED and dtype.names else str(dtype)
    return prefix if prefix == "bool" else f"{prefix}{8 * dtype.itemsize}"


INEXACT_KINDS = "fc"
"""The kinds of dtypes whose values can be differentiated: floating and complex."""

STACKED: dict[DType, tuple[ShapedArray, ...]] = {}
"""The dtypes of stacks, and of what type the values are that one record holds; see `stacks`."""


def is_inexact(dtype: DType) -> bool:
    """Whether values of this dtype can be differentiated: numbers, and stacks of them."""
    return dtype.kind in INEXACT_KINDS or any(is_inexact(aval.dtype) for aval in STACKED.get(dtype, ()))


def changes_meaning(value: object) -> bool:
    """Whether this is an array of a subclass that changes what operations mean: a masked array, a matrix."""
    if type(value) is np.ndarray or not isinstance(value, np.ndarray):
        return False
    # asked by name: `np.ma` would import a module that makes up a tenth of NumPy's import
    masked = any(kind.__module__ in ("numpy.ma", "numpy.ma.core") for kind in type(value).__mro__)
    return masked or isinstance(value, np.matrix)


def concrete_aval(value: object) -> ShapedArray:
    """The aval of a concrete value: an ndarray, a NumPy scalar, or a Python number (weak).

    Raises TypeError for anything else.
    """
    if isinstance(value, np.ndarray):
        return shaped(value.shape, value.dtype)
    known = SCALAR_AVALS.get(type(value))
    if known is not None:
        return known
    if isinstance(value, np.generic):  # of a dtype that carries more than its type says: a string, a date
        return shaped((), value.dtype)
    raise TypeError(f"not an array or a number: {type(value).__name__}")


SCALAR_AVALS: dict[type, ShapedArray] = {
    **{
        np.dtype(code).type: shaped((), np.dtype(code))
        for code in np.typecodes["All"]
        if np.dtype(code).kind in "biufc"
    },
    bool: shaped((), np.dtype(np.bool_)),
    int: shaped((), np.dtype(np.int64), True),
    float: shaped((), np.dtype(np.float64), True),
    complex: shaped((), np.dtype(np.complex128), True),
}
"""The aval of every type of number."""
