"""Changes of dtype: `convert_element_type`, `bitcast_convert_type`. Imports core, `complex` and `families`."""

from __future__ import annotations

from typing import cast

import numpy as np

from functrans.core.aval import PYTHON_SCALARS, ShapedArray, is_inexact, shaped
from functrans.core.lowering import pointwise
from functrans.core.primitive import LocallyConstant, Maybes, Params, Primitive, Pullback, Values, aval_of
from functrans.errors import OperandError, ParameterError
from functrans.ops.complex import real
from functrans.ops.families import ANY, dtype_of, evaluate_or_bind, unary
from functrans.typing import Array, ArrayLike, DType, DTypeLike

_WEAK_DTYPES = frozenset(np.dtype(t) for t in (np.int64, np.float64, np.complex128))


def _impl(x: Array, *, dtype: DType, weak: bool) -> Values:
    value = cast(object, x)  # among others a Python number
    if isinstance(value, int) and dtype.kind in "iu":
        dtype.type(value)  # raises OverflowError for one that is out of range, as NumPy does
    array = np.asarray(x)
    if array.dtype.kind == "c" and dtype.kind not in "cb":  # to bool, the imaginary part counts
        array = np.real(array)
    out = array.astype(dtype, copy=False)
    return (out.item() if weak else out if out.ndim else out[()],)


def _abstract_eval(x: ShapedArray, *, dtype: DType, weak: bool) -> tuple[ShapedArray, ...]:
    if dtype.kind not in ANY or x.dtype.kind not in ANY:
        raise OperandError("convert_element_type", [str(x), str(dtype)], "dtypes of numbers or bool")
    if weak and (x.shape or dtype not in _WEAK_DTYPES):
        raise ParameterError(
            "convert_element_type", f"weak=True for {x} as {dtype}", "rank 0 and a Python number's dtype"
        )
    return (shaped(x.shape, dtype, weak),)


def _convert_linear(g: Array, dtype: DType) -> Array:
    """A tangent or cotangent in another inexact dtype; complex to real takes the real part, and nothing warns."""
    if dtype_of(g).kind == "c" and dtype.kind != "c":
        g = real(g)
    return convert_element_type(g, dtype)


def _vjp(primals: Values, _wanted: tuple[bool, ...], params: Params) -> tuple[Values, Pullback]:
    source = dtype_of(primals[0])
    outs = convert_element_type_p.bind(*primals, **params)

    def pullback(cts: Maybes) -> Maybes:
        (g,) = cts
        return (None if g is None or not is_inexact(source) else _convert_linear(g, source),)

    return outs, pullback


def _jvp(primals: Values, tangents: Maybes, params: Params) -> tuple[Values, Maybes]:
    outs = convert_element_type_p.bind(*primals, **params)
    (t,) = tangents
    if t is None or not is_inexact(params["dtype"]) or not is_inexact(dtype_of(t)):
        return outs, (None,)
    return outs, (_convert_linear(t, params["dtype"]),)


def _batch(_size: int, args: Values, _batched: tuple[bool, ...], params: Params) -> tuple[Values, tuple[bool, ...]]:
    return (convert_element_type(args[0], params["dtype"]),), (True,)


convert_element_type_p = Primitive(
    "convert_element_type",
    _impl,
    _abstract_eval,
    _vjp,
    _jvp,
    _batch,
    lower=pointwise("convert_element_type", lambda b, x, *, dtype, weak: b.cast(x, dtype)),
)


def convert_element_type(operand: ArrayLike, new_dtype: DTypeLike, weak: bool = False) -> Array:
    """The operand in another dtype, as by `astype`: to integers towards zero, complex to real (with no warning) by the real
    part.

    With `weak`, an operand of rank 0 becomes a Python number (int64, float64 or complex128). An operand that has the
    dtype already is returned as it is.
    """
    dtype = np.dtype(new_dtype)
    if type(operand) in PYTHON_SCALARS:
        is_same = weak and aval_of(operand).dtype == dtype
    else:
        aval = aval_of(operand)
        is_same = aval.dtype == dtype and aval.weak == weak
    value = cast(Array, operand)  # a Python number is a weak value
    if is_same:
        return value
    if type(operand) in PYTHON_SCALARS:
        return _impl(value, dtype=dtype, weak=weak)[0]
    return evaluate_or_bind(convert_element_type_p, value, dtype=dtype, weak=weak)


def _bitcast_dtype(dtype: DType, *, dtype_to: DType) -> DType:
    if dtype.itemsize != dtype_to.itemsize or "b" in (dtype.kind, dtype_to.kind):
        raise ParameterError(
            "bitcast_convert_type", f"new_dtype={dtype_to} for an operand of {dtype}", "the same width"
        )
    return dtype_to


bitcast_convert_type_p = unary(
    "bitcast_convert_type",
    lambda x, *, dtype_to: np.asarray(x).view(dtype_to)[()],
    "iufc",
    LocallyConstant("bits are not real numbers"),
    _bitcast_dtype,
)


def bitcast_convert_type(operand: ArrayLike, new_dtype: DTypeLike) -> Array:
    """The operand's bits read as another dtype of the same width (not bool)."""
    return evaluate_or_bind(bitcast_convert_type_p, cast(Array, operand), dtype_to=np.dtype(new_dtype))
