"""What makes a tracer behave as an array: attributes, methods, conversions, and NumPy's dispatch protocols.

Every tracer class of the transforms derives from `ArrayTracer`. Start reading there; the operators are in `operators`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from types import ModuleType
from typing import Any, ClassVar, Literal, NoReturn, SupportsIndex, TypeAlias, cast

import numpy as np

from functrans.errors import (
    ConcretizationError,
    FunctransError,
    InPlaceError,
    LeakedTracerError,
    TracedLengthError,
    TracerConversionError,
)
from functrans.numpy.at import At
from functrans.numpy.dispatch import NumpyFunction, has_tracer, traced, where
from functrans.numpy.operands import Device, on_cpu
from functrans.numpy.operators import Operators, weaken
from functrans.numpy.promotion import astype
from functrans.numpy.rewrite import Site, replacing, rewritten, site
from functrans.numpy.ufuncs import READY, array_ufunc, call, kind
from functrans.numpy.versions import assign, owned, replace, subscripted
from functrans.ops.indexing import index
from functrans.ops.joining import split
from functrans.ops.shape import squeeze
from functrans.typing import Array, ArrayLike, DType, DTypeLike, Shape

__all__ = ["ArrayTracer"]

_TAKE_SHAPES = {"zeros", "ones", "empty", "full", "reshape", "resize", "broadcast_to"}
_TAKE_LENGTHS = {"arange", "zeros", "ones", "empty", "eye", "identity", "tri", "range", "linspace"}

Axis: TypeAlias = SupportsIndex | Sequence[SupportsIndex] | None


def _check_order(order: str) -> None:
    if order not in ("C", "F", "A", "K"):
        raise ValueError(f"order must be one of 'C', 'F', 'A', or 'K' (got {order!r})")


class ArrayTracer(Operators):
    """A tracer with the attributes, operators and methods of `numpy.ndarray`."""

    __slots__ = ()

    why_not_concrete: ClassVar[str] = "whose value is not known while the function is traced"
    """Why a trace does not give a Python number for its tracers; for messages."""

    # ---- attributes ----

    @property
    def shape(self) -> Shape:
        return self.aval.shape

    @property
    def dtype(self) -> DType:
        return self.aval.dtype

    @property
    def ndim(self) -> int:
        return len(self.aval.shape)

    @property
    def size(self) -> int:
        return self.aval.size

    @property
    def itemsize(self) -> int:
        return self.aval.dtype.itemsize

    @property
    def nbytes(self) -> int:
        return self.aval.size * self.aval.dtype.itemsize

    @property
    def T(self) -> Array:
        return self._call(np.transpose)

    @property
    def mT(self) -> Array:
        if self.ndim < 2:
            raise ValueError("matrix transpose with ndim < 2 is undefined")
        return self._call(np.matrix_transpose)

    @property
    def real(self) -> Array:
        return self._call(np.real)

    @property
    def imag(self) -> Array:
        return self._call(np.imag)

    @property
    def device(self) -> Literal["cpu"]:
        return "cpu"

    @property
    def at(self) -> At:
        """`x.at[i].set(v)`: a copy with x[i] replaced by v, and other updates (see functrans.numpy.at)."""
        return At(self._array)

    @property
    def _array(self) -> Array:
        """The tracer as an operand: typed as an array, and with NumPy's dtype if it is a Python number."""
        return astype(self, self.aval.dtype) if self.aval.weak else cast(Array, self)

    # ---- NumPy's protocols ----

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: object, **kwargs: Any) -> Any:  # Any: any ufunc's
        if kwargs or method != "__call__":
            return array_ufunc(ufunc, method, inputs, kwargs)
        ready = READY.get((ufunc, self.aval) if len(inputs) == 1 else (ufunc, *map(kind, inputs)))
        return call(ufunc, inputs) if ready is None else ready(*inputs)

    def __array_function__(
        self, function: NumpyFunction, types: object, args: Sequence[Any], kwargs: dict[str, Any]
    ) -> Any:  # Any: NumPy's functions have every signature
        ready = READY.get((function, self.aval))
        if ready is not None and len(args) == 1 and not kwargs:
            return ready(*args)
        if function is np.copyto and (place := site()) is not None and place.called != "copyto":  # np.full_like(x, t)
            raise TracerConversionError(self.describe(), f"`{place.expression}`", where(), rewritten(place, self))
        return traced(function, args, kwargs)

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NoReturn:
        place = site()
        if not self.owner.alive:
            raise self.leak(place)
        if place is not None and place.called in _TAKE_LENGTHS:
            self.__index__()
        running = f"`{place.expression}`" if place is not None else "NumPy"
        raise TracerConversionError(self.describe(), running, where(), rewritten(place, self))

    # ---- the Python Array API standard ----

    def __array_namespace__(self, *, api_version: str | None = None) -> ModuleType:
        """`functrans.numpy.standard`; raises ValueError for a version of the standard that NumPy does not know."""
        np.empty(0).__array_namespace__(api_version=cast(Any, api_version))  # Any: a text, which NumPy checks
        from functrans.numpy import standard

        return standard

    def to_device(self, device: Device, /, *, stream: None = None) -> Array:
        on_cpu(device)
        if stream is not None:
            raise ValueError("The stream argument to to_device() is not supported")
        return self._array

    def __dlpack__(self, **kwargs: object) -> NoReturn:
        raise self.refusal(
            "memory that DLPack could share",
            "Convert the arguments before the transformed function, or its results after.",
        )

    def __dlpack_device__(self) -> tuple[int, int]:
        return np.empty(0).__dlpack_device__()

    # ---- as a sequence ----

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("len() of unsized object")
        return self.shape[0]

    def __getitem__(self, idx: Any) -> Array:  # Any: all that NumPy takes as a subscript
        x = self._array
        return subscripted(x, idx, index(x, idx))

    def __iter__(self) -> Iterator[Array]:
        if not self.shape:
            raise TypeError("iteration over a 0-d array")
        rows = split(self._array, (1,) * len(self))
        return (subscripted(self._array, i, squeeze(row, (0,))) for i, row in enumerate(rows))

    def __contains__(self, value: ArrayLike) -> bool:
        return bool(np.any(self == value))

    # ---- as a Python number: not while its value is unknown, or would lose its derivative ----

    def truth(self) -> bool:
        """The truth value, where the trace knows it (grad and jvp outside jit do); raises ConcretizationError."""
        raise self.refusal(
            "a truth value",
            "Write  lax.cond(condition, true_fun, false_fun, *operands)  for a branch, "
            "lax.while_loop(cond_fun, body_fun, state)  for a loop, "
            "np.where(condition, a, b)  for a choice between values, and  np.logical_and(a, b)  for `a and b`.",
        )

    def refusal(self, wanted: str, fix: str = "") -> FunctransError:
        """The error for something that needs the value."""
        place = site()
        if not self.owner.alive:
            return self.leak(place)
        line = rewritten(place, self)
        if place is not None and place.is_assignment:
            return TracerConversionError(self.describe(), f"`{place.expression}`", where(), line)
        from functrans.numpy.rewrite.control import advice

        quoted, code, why = advice(self) or ("", line, "")
        fix = why or fix or "Keep it an array, or make the argument static_argnames of jit."
        error = partial(ConcretizationError, self.describe(), wanted, where(), fix, self.why_not_concrete)
        return error(rewritten=code or line, instead_of=quoted)

    def leak(self, place: Site | None) -> LeakedTracerError:
        """The error for a tracer that has outlived its trace."""
        used_by = f"`{place.expression}`" if place is not None else "Python"
        return LeakedTracerError(self.describe(), used_by, False, self.owner.home())

    def __bool__(self) -> bool:
        return self.truth()

    def __float__(self) -> float:
        raise self.refusal("a Python float")

    def __int__(self) -> int:
        raise self.refusal("a Python int")

    def __complex__(self) -> complex:
        raise self.refusal("a Python complex")

    def __index__(self) -> int:
        place = site()
        fix = "Take lengths from shapes, or make the argument static (static_argnames of jit)."
        if place is not None and place.called in _TAKE_SHAPES and self.owner.alive:
            raise TracedLengthError(self.describe(), f"`{place.expression}`", fix)
        fix = f"{fix} A traced index into an array is functrans.numpy.take(array, index, axis=0)."
        raise self.refusal("a Python int (as an index or a length)", fix)

    def __format__(self, spec: str) -> str:
        if spec:
            raise self.refusal(
                "the value as text",
                "Print it outside the transformed function, or under `with functrans.disable_jit():`.",
            )
        return repr(self)

    def item(self, *args: int) -> NoReturn:
        raise self.refusal("a Python number")

    def tolist(self) -> NoReturn:
        raise self.refusal("a list of Python numbers")

    def nonzero(self) -> NoReturn:
        raise self.refusal(
            "the positions of nonzero elements",
            "Their number is not known while tracing. Use  np.where(mask, x, 0)  or np.argmax(mask) instead.",
        )

    # ---- what changes it in place: see `versions` ----

    def __setitem__(self, idx: Any, value: ArrayLike) -> None:  # Any: all that NumPy takes as a subscript
        if isinstance(value, list | tuple | range):
            value = cast(Array, traced(np.array, (value,), {}) if has_tracer(value) else np.asarray(value))
        assign(self, idx, value)

    def __delitem__(self, index: object) -> None:
        raise ValueError("cannot delete array elements")

    def sort(
        self, axis: SupportsIndex = -1, kind: Any = None, order: None = None, *, stable: bool | None = None
    ) -> None:
        replace(self, self._call(np.sort, axis=axis, kind=kind, stable=stable), "sort()")

    def partition(self, kth: int | Sequence[int], axis: SupportsIndex = -1, kind: str = "introselect") -> None:
        replace(self, self._call(np.partition, kth, axis=axis, kind=kind), "partition()")

    def fill(self, value: ArrayLike) -> None:
        assign(self, ..., value, "fill()")

    def put(self, indices: ArrayLike, values: ArrayLike, mode: str = "raise") -> None:
        traced(np.put, (self, indices, values, mode), {})

    def resize(self, *args: object, **kwargs: object) -> NoReturn:
        why = "an array that others may refer to, whose shape stays"
        raise InPlaceError(self.describe(), "resize()", why, where(), replacing(self) or "x = np.resize(x, shape)")

    def __copy__(self) -> Array:
        return self.copy()

    def __deepcopy__(self, memo: object) -> Array:
        return self.copy()

    # ---- methods of shape and dtype ----

    def astype(
        self, dtype: DTypeLike, order: str = "K", casting: Any = "unsafe", subok: bool = True, copy: bool = True
    ) -> Array:  # casting: NumPy's own type for it is not public
        _check_order(order)
        if not np.can_cast(self.dtype, dtype, casting):
            raise TypeError(
                f"Cannot cast array data from {self.dtype} to {np.dtype(dtype)} according to the rule {casting!r}"
            )
        out = astype(self, dtype)
        return owned(out) if out is self._array and copy else out

    def copy(self, order: str = "C") -> Array:
        _check_order(order)
        return owned(self._array)

    def reshape(self, *shape: Any, order: str = "C", copy: bool | None = None) -> Array:  # Any: ints, or one tuple
        return self._call(np.reshape, shape[0] if len(shape) == 1 else shape, order=order)

    def transpose(self, *axes: Any) -> Array:  # Any: ints, or one tuple or None
        return self._call(np.transpose, (axes[0] if len(axes) == 1 else axes) or None)

    def swapaxes(self, axis1: SupportsIndex, axis2: SupportsIndex) -> Array:
        return self._call(np.swapaxes, axis1, axis2)

    def squeeze(self, axis: Axis = None) -> Array:
        return self._call(np.squeeze, axis=axis)

    def ravel(self, order: str = "C") -> Array:
        return self._call(np.ravel, order=order)

    def flatten(self, order: str = "C") -> Array:
        return owned(self._call(np.ravel, order=order))

    def repeat(self, repeats: ArrayLike | Sequence[int], axis: SupportsIndex | None = None) -> Array:
        return self._call(np.repeat, repeats, axis=axis)

    def diagonal(self, offset: SupportsIndex = 0, axis1: SupportsIndex = 0, axis2: SupportsIndex = 1) -> Array:
        return self._call(np.diagonal, offset, axis1, axis2)

    # ---- methods that compute ----

    def _call(
        self, function: NumpyFunction, *args: Any, out: Array | None = None, **kwargs: Any
    ) -> Array:  # Any: any function's
        return cast(Array, traced(function, (self, *args), kwargs if out is None else {**kwargs, "out": out}))

    def sum(
        self,
        axis: Axis = None,
        dtype: DTypeLike | None = None,
        out: Array | None = None,
        keepdims: bool = False,
        **kwargs: Any,
    ) -> Array:  # kwargs: initial, where
        return self._call(np.sum, axis=axis, dtype=dtype, out=out, keepdims=keepdims, **kwargs)

    def prod(
        self,
        axis: Axis = None,
        dtype: DTypeLike | None = None,
        out: Array | None = None,
        keepdims: bool = False,
        **kwargs: Any,
    ) -> Array:  # kwargs: initial, where
        return self._call(np.prod, axis=axis, dtype=dtype, out=out, keepdims=keepdims, **kwargs)

    def mean(
        self,
        axis: Axis = None,
        dtype: DTypeLike | None = None,
        out: Array | None = None,
        keepdims: bool = False,
        **kwargs: Any,
    ) -> Array:  # kwargs: where
        return self._call(np.mean, axis=axis, dtype=dtype, out=out, keepdims=keepdims, **kwargs)

    def var(
        self,
        axis: Axis = None,
        dtype: DTypeLike | None = None,
        out: Array | None = None,
        ddof: float = 0,
        keepdims: bool = False,
        **kwargs: Any,
    ) -> Array:  # kwargs: where, mean, correction
        return self._call(np.var, axis=axis, dtype=dtype, out=out, ddof=ddof, keepdims=keepdims, **kwargs)

    def std(
        self,
        axis: Axis = None,
        dtype: DTypeLike | None = None,
        out: Array | None = None,
        ddof: float = 0,
        keepdims: bool = False,
        **kwargs: Any,
    ) -> Array:  # kwargs: where, mean, correction
        return self._call(np.std, axis=axis, dtype=dtype, out=out, ddof=ddof, keepdims=keepdims, **kwargs)

    def max(
        self, axis: Axis = None, out: Array | None = None, keepdims: bool = False, **kwargs: Any
    ) -> Array:  # initial, where
        return self._call(np.max, axis=axis, out=out, keepdims=keepdims, **kwargs)

    def min(
        self, axis: Axis = None, out: Array | None = None, keepdims: bool = False, **kwargs: Any
    ) -> Array:  # initial, where
        return self._call(np.min, axis=axis, out=out, keepdims=keepdims, **kwargs)

    def all(self, axis: Axis = None, out: Array | None = None, keepdims: bool = False, **kwargs: Any) -> Array:  # where
        return self._call(np.all, axis=axis, out=out, keepdims=keepdims, **kwargs)

    def any(self, axis: Axis = None, out: Array | None = None, keepdims: bool = False, **kwargs: Any) -> Array:  # where
        return self._call(np.any, axis=axis, out=out, keepdims=keepdims, **kwargs)

    def argmax(self, axis: SupportsIndex | None = None, out: Array | None = None, *, keepdims: bool = False) -> Array:
        return self._call(np.argmax, axis=axis, out=out, keepdims=keepdims)

    def argmin(self, axis: SupportsIndex | None = None, out: Array | None = None, *, keepdims: bool = False) -> Array:
        return self._call(np.argmin, axis=axis, out=out, keepdims=keepdims)

    def cumsum(
        self, axis: SupportsIndex | None = None, dtype: DTypeLike | None = None, out: Array | None = None
    ) -> Array:
        return self._call(np.cumsum, axis=axis, dtype=dtype, out=out)

    def cumprod(
        self, axis: SupportsIndex | None = None, dtype: DTypeLike | None = None, out: Array | None = None
    ) -> Array:
        return self._call(np.cumprod, axis=axis, dtype=dtype, out=out)

    def trace(
        self,
        offset: SupportsIndex = 0,
        axis1: SupportsIndex = 0,
        axis2: SupportsIndex = 1,
        dtype: DTypeLike | None = None,
        out: Array | None = None,
    ) -> Array:
        return self._call(np.trace, offset, axis1, axis2, dtype=dtype, out=out)

    def argsort(self, axis: SupportsIndex | None = -1, kind: Any = None, *, stable: bool | None = None) -> Array:
        return self._call(np.argsort, axis=axis, kind=kind, stable=stable)  # kind: NumPy's own type is not public

    def searchsorted(self, v: ArrayLike, side: str = "left", sorter: ArrayLike | None = None) -> Array:
        return self._call(np.searchsorted, v, side=side, sorter=sorter)

    def take(
        self, indices: ArrayLike, axis: SupportsIndex | None = None, out: Array | None = None, mode: str = "raise"
    ) -> Array:
        return self._call(np.take, indices, axis=axis, out=out, mode=mode)

    def compress(self, condition: ArrayLike, axis: SupportsIndex | None = None, out: Array | None = None) -> Array:
        return cast(Array, traced(np.compress, (condition, self), {"axis": axis, "out": out}))

    def dot(self, b: ArrayLike, out: Array | None = None) -> Array:
        return self._call(np.dot, b, out=out)

    def clip(self, min: ArrayLike | None = None, max: ArrayLike | None = None, out: Array | None = None) -> Array:
        return self._call(np.clip, min, max, out=out)

    def round(self, decimals: SupportsIndex = 0, out: Array | None = None) -> Array:
        return self._call(np.round, decimals, out=out)

    def __round__(self, ndigits: SupportsIndex | None = None) -> Array:
        if self.shape:
            raise TypeError("type numpy.ndarray doesn't define __round__ method")
        if ndigits is None:
            raise self.refusal("a Python int", "Write np.round(x), which gives a float.")
        rounded = self._call(np.round, ndigits)
        return weaken(rounded) if self.aval.weak else rounded

    def conjugate(self) -> Array:
        if self.dtype.kind != "c":
            return self._array  # as NumPy's method does
        return cast(Array, array_ufunc(np.conjugate, "__call__", (self,), {}))

    conj = conjugate
