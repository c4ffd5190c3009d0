"""The operators of a tracer, which are NumPy's ufuncs.

Operators between Python numbers, traced or not, give traced Python numbers (weak values), as Python's do; in all else
they promote as arrays' do. Imports `ufuncs`; start reading at `operate`.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import index
from typing import Any, TypeAlias, cast

import numpy as np

from functrans.core.aval import PYTHON_SCALARS
from functrans.core.primitive import Tracer, aval_of
from functrans.numpy.promotion import as_operand, astype
from functrans.numpy.ufuncs import READY, call, kind
from functrans.numpy.versions import augmented
from functrans.ops.arithmetic import integer_pow, square
from functrans.ops.cast import convert_element_type
from functrans.ops.power import sqrt
from functrans.typing import Array

Method: TypeAlias = Callable[[Any, Any], Any]  # Any: operands of every kind; a pair, or NotImplemented, besides arrays

__all__ = ["Operators", "operate", "power", "weaken"]

_SEQUENCES = (list, tuple)
_OPERANDS = (np.ndarray, np.generic, int, float, complex, list, tuple)


def weaken(x: Array) -> Array:
    """The result of an operator between Python numbers, as a Python number; truth values stay."""
    dtype = aval_of(x).dtype
    return x if dtype.kind == "b" else convert_element_type(x, dtype, weak=True)


def operate(ufunc: np.ufunc, symbol: str, *operands: Any) -> Any:  # Any: what an operator meets; a pair for divmod
    """The operator that NumPy computes by `ufunc`; NotImplemented for operands that are no arrays."""
    weak = True
    for x in operands:
        if isinstance(x, Tracer):
            weak = weak and x.aval.weak
            continue
        if not isinstance(x, _OPERANDS):
            return NotImplemented
        weak = weak and isinstance(x, PYTHON_SCALARS) and not isinstance(x, np.generic)
        if ufunc is np.multiply and isinstance(x, _SEQUENCES):
            _refuse_repetition(operands)
    out = call(ufunc, operands, name=symbol)
    if not weak:
        return out
    return tuple(map(weaken, out)) if isinstance(out, tuple) else weaken(out)


def _refuse_repetition(operands: tuple[Any, ...]) -> None:
    """`[0] * n` repeats the list where n is a NumPy integer: a length, which must be known."""
    for x in operands:
        if isinstance(x, Tracer) and not x.aval.shape and x.aval.dtype.kind in "iu":
            index(x)  # type: ignore[arg-type]  # raises ConcretizationError


def power(x: Tracer, exponent: Any) -> Any:  # Any: as for operate
    """`x ** exponent` with the short cuts that `ndarray.__pow__` takes, which round differently from np.power."""
    aval = x.aval
    if type(exponent) is int and aval.dtype.kind != "b":
        if aval.weak and aval.dtype.kind == "i" and exponent < 0:  # Python's 2 ** -1 is 0.5
            return operate(np.power, "**", x, float(exponent))
        base = astype(x, aval.dtype) if aval.weak else cast(Array, x)
        out = square(base) if exponent == 2 and aval.shape else integer_pow(base, exponent)
        return weaken(out) if aval.weak else out
    if type(exponent) is float and exponent == 0.5 and aval.shape and aval.dtype.kind in "fc":
        return sqrt(as_operand(x))
    if type(exponent) is int and exponent == 2 and aval.shape:
        return call(np.square, (x,))
    return operate(np.power, "**", x, exponent)


def _unary(ufunc: np.ufunc, symbol: str) -> Callable[[Tracer], Array]:
    def method(self: Tracer) -> Array:
        ready = READY.get((ufunc, self.aval))
        return cast(Array, ready(self) if ready is not None else operate(ufunc, symbol, self))

    return method


def _binary(ufunc: np.ufunc, symbol: str) -> Method:
    def method(self: Tracer, other: Any) -> Any:
        ready = READY.get((ufunc, self.aval, kind(other)))
        return ready(self, other) if ready is not None else operate(ufunc, symbol, self, other)

    return method


def _reflected(ufunc: np.ufunc, symbol: str) -> Method:
    def method(self: Tracer, other: Any) -> Any:
        ready = READY.get((ufunc, kind(other), self.aval))
        return ready(other, self) if ready is not None else operate(ufunc, symbol, other, self)

    return method


def _in_place(method: Method, symbol: str) -> Method:
    """`x += y` writes into an array; a number, which has no axes, is bound anew by Python."""

    def augment(self: Tracer, other: Any) -> Any:
        out = method(self, other)
        return augmented(self, out, symbol) if self.aval.shape else out

    return augment


class Operators(Tracer):
    """The operators."""

    __slots__ = ()
    __array_priority__ = 1000.0

    __add__, __radd__ = _binary(np.add, "+"), _reflected(np.add, "+")
    __sub__, __rsub__ = _binary(np.subtract, "-"), _reflected(np.subtract, "-")
    __mul__, __rmul__ = _binary(np.multiply, "*"), _reflected(np.multiply, "*")
    __truediv__, __rtruediv__ = _binary(np.true_divide, "/"), _reflected(np.true_divide, "/")
    __floordiv__, __rfloordiv__ = _binary(np.floor_divide, "//"), _reflected(np.floor_divide, "//")
    __mod__, __rmod__ = _binary(np.remainder, "%"), _reflected(np.remainder, "%")
    __divmod__, __rdivmod__ = _binary(np.divmod, "divmod"), _reflected(np.divmod, "divmod")
    __pow__, __rpow__ = power, _reflected(np.power, "**")
    __matmul__, __rmatmul__ = _binary(np.matmul, "@"), _reflected(np.matmul, "@")
    __and__, __rand__ = _binary(np.bitwise_and, "&"), _reflected(np.bitwise_and, "&")
    __or__, __ror__ = _binary(np.bitwise_or, "|"), _reflected(np.bitwise_or, "|")
    __xor__, __rxor__ = _binary(np.bitwise_xor, "^"), _reflected(np.bitwise_xor, "^")
    __lshift__, __rlshift__ = _binary(np.left_shift, "<<"), _reflected(np.left_shift, "<<")
    __rshift__, __rrshift__ = _binary(np.right_shift, ">>"), _reflected(np.right_shift, ">>")
    __iadd__, __isub__, __imul__ = _in_place(__add__, "+"), _in_place(__sub__, "-"), _in_place(__mul__, "*")
    __itruediv__, __ifloordiv__ = _in_place(__truediv__, "/"), _in_place(__floordiv__, "//")
    __imod__, __ipow__, __imatmul__ = _in_place(__mod__, "%"), _in_place(__pow__, "**"), _in_place(__matmul__, "@")
    __iand__, __ior__, __ixor__ = _in_place(__and__, "&"), _in_place(__or__, "|"), _in_place(__xor__, "^")
    __ilshift__, __irshift__ = _in_place(__lshift__, "<<"), _in_place(__rshift__, ">>")
    __neg__, __pos__ = _unary(np.negative, "-"), _unary(np.positive, "+")
    __abs__, __invert__ = _unary(np.absolute, "abs"), _unary(np.invert, "~")
    __lt__, __le__ = _binary(np.less, "<"), _binary(np.less_equal, "<=")
    __gt__, __ge__ = _binary(np.greater, ">"), _binary(np.greater_equal, ">=")
    __eq__, __ne__ = _binary(np.equal, "=="), _binary(np.not_equal, "!=")

    def __hash__(self) -> int:
        return id(self)
