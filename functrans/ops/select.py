"""Choice between arrays, element by element: `select_n`, `select`. Imports core, `comparison` and `families`."""

from __future__ import annotations

from typing import Any, cast

import numpy as np

from functrans.core.aval import PYTHON_SCALARS, ShapedArray, shaped
from functrans.core.lowering import pointwise
from functrans.core.primitive import Maybes, Params, Primitive, Pullback, Values, is_concrete
from functrans.errors import CaseNumberError, OperandError
from functrans.ops.broadcast import broadcast_in_dim
from functrans.ops.comparison import eq
from functrans.ops.families import (
    add_any,
    cast_scalars,
    dtype_of,
    evaluate_or_bind,
    matched,
    same_dtype,
    same_shape,
    shape_of,
)
from functrans.ops.rules import CONCRETE
from functrans.typing import Array, ArrayLike

_BOOL = np.dtype(np.bool_)
_INT32 = np.dtype(np.int32)


_MANY = 256
_BITS = {2: np.int16, 4: np.int32, 8: np.int64}


def where(mask: Array, on_true: Array, on_false: Array) -> Any:  # Any: an array, of rank 0 too
    """`np.where` of operands that fit, which beside a zero is done by masking bits: NumPy branches at every element."""
    if np.size(mask) >= _MANY:
        if _maskable(on_true, mask) and _is_zero(on_false):
            return _masked(np.negative(mask.view(np.int8)), on_true)
        if _maskable(on_false, mask) and _is_zero(on_true):
            return _masked(np.subtract(mask.view(np.int8), np.int8(1)), on_false)
    return np.where(mask, on_true, on_false)


def _is_zero(x: Array) -> bool:
    return np.ndim(x) == 0 and x == 0 and not np.signbit(x)


def _maskable(x: Array, mask: Array) -> bool:
    return x.shape == mask.shape and x.dtype.kind == "f" and x.dtype.itemsize in _BITS


def _masked(ones: Array, x: Array) -> Array:
    """x where the int8 array `ones` has all bits set, +0 where it has none."""
    kept = ones.astype(_BITS[x.dtype.itemsize])
    np.bitwise_and(kept, x.view(kept.dtype), out=kept)
    return kept.view(x.dtype)


def _impl(which: Array, *cases: Array) -> Values:
    if len(cases) == 2 and dtype_of(which) == _BOOL:
        out = where(which, cases[1], cases[0])
    else:
        lowest, highest = (int(np.min(which)), int(np.max(which))) if np.size(which) else (0, 0)
        if lowest < 0 or highest >= len(cases):
            raise CaseNumberError(len(cases), lowest, highest)
        out = np.asarray(cases[0])
        for i, case in enumerate(cases[1:], 1):
            out = np.where(np.equal(which, i), case, out)
    return (out if out.ndim else out[()],)


def _abstract_eval(which: ShapedArray, *cases: ShapedArray) -> tuple[ShapedArray, ...]:
    if which.dtype not in (_BOOL, _INT32) or (which.dtype == _BOOL and len(cases) > 2) or not cases:
        raise OperandError("select_n", [str(a) for a in (which, *cases)], "`which` of bool (for two cases) or int32")
    return (shaped(same_shape("select_n", (which, *cases)), same_dtype("select_n", cases, "biufc")),)


def _share(g: Array, which: Array, number: int, count: int) -> Array:
    """`g` where case `number` was chosen, else 0: both a tangent's share and a cotangent's."""
    zero = dtype_of(g).type(0)
    if count == 2 and dtype_of(which) == _BOOL:
        return evaluate_or_bind(select_n_p, which, *((g, zero) if number == 0 else (zero, g)))
    return evaluate_or_bind(select_n_p, eq(which, _INT32.type(number)), zero, g)


def _vjp(primals: Values, wanted: tuple[bool, ...], _params: Params) -> tuple[Values, Pullback]:
    which, count, cases_wanted = primals[0], len(primals) - 1, wanted[1:]

    def pullback(cts: Maybes) -> Maybes:
        g: Any = cts[0]  # Any: not None, or the pullback would not have been called
        return (None, *(_share(g, which, i, count) if want else None for i, want in enumerate(cases_wanted)))

    return select_n_p.bind(*primals), pullback


def _jvp(primals: Values, tangents: Maybes, _params: Params) -> tuple[Values, Maybes]:
    which, count = primals[0], len(primals) - 1
    outs = select_n_p.bind(*primals)
    if all(tangent is not None for tangent in tangents[1:]):
        zero_or_tangent = [t for t in tangents[1:] if t is not None]
        return outs, select_n_p.bind(which, *zero_or_tangent)
    total = None
    for i, tangent in enumerate(tangents[1:]):
        if tangent is not None:
            term = _share(tangent, which, i, count)
            total = term if total is None else add_any(total, term)
    return outs, (total,)


def _batch(size: int, args: Values, batched: tuple[bool, ...], _params: Params) -> tuple[Values, tuple[bool, ...]]:
    return select_n_p.bind(*matched(size, args, batched, "select_n")), (True,)


select_n_p = Primitive("select_n", _impl, _abstract_eval, _vjp, _jvp, _batch, lower=pointwise("select_n"))


def _as_chooser(which: ArrayLike) -> ArrayLike:
    if isinstance(which, bool):
        return np.bool_(which)
    return np.int32(which) if isinstance(which, int) else which


def select_n(which: ArrayLike, *cases: ArrayLike) -> Array:
    """Elementwise `cases[which]`: `which` is bool, for two cases, or int32, and has the cases' shape or rank 0.

    Raises IndexError where `which` is not the number of a case.
    """
    has_number = any(type(case) in PYTHON_SCALARS for case in cases)
    values = cast_scalars("select_n", cases) if has_number else cast(Values, cases)
    chooser = cast(Array, _as_chooser(which))
    if not is_concrete(chooser) and not shape_of(chooser):
        shape = max(map(shape_of, values), key=len)
        chooser = broadcast_in_dim(chooser, shape, ()) if shape else chooser
    return evaluate_or_bind(select_n_p, chooser, *values)


def select(pred: ArrayLike, on_true: ArrayLike, on_false: ArrayLike) -> Array:
    """Elementwise `on_true` where `pred`, else `on_false`; `pred` is bool and has their shape or rank 0."""
    if type(on_true) in PYTHON_SCALARS or type(on_false) in PYTHON_SCALARS:
        on_true, on_false = cast_scalars("select_n", (on_true, on_false))
    if type(pred) in CONCRETE and type(on_true) in CONCRETE and type(on_false) in CONCRETE:
        return _impl(pred, on_false, on_true)[0]  # type: ignore[arg-type]  # all concrete; `cast` would cost time
    return select_n(pred, on_false, on_true)
