"""`foreign_call_p`: a C function by its address. Machine code calls it without Python, NumPy's backend by ctypes.

Both call it without the GIL. Imports callbacks' rules and core; start reading at `foreign_call_p`.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from functrans.callback import rules_of_the_unknown
from functrans.core.aval import ShapedArray, shaped
from functrans.core.lowering_foreign import ForeignCall
from functrans.core.primitive import Params, Primitive, Values
from functrans.record import replace
from functrans.typing import Array, DType

__all__ = ["foreign_call_p"]


def _avals(*_ins: ShapedArray, call: ForeignCall) -> tuple[ShapedArray, ...]:
    return tuple(shaped((*call.loop, *aval.shape), aval.dtype) for aval in call.results)


def _batch(size: int, args: Values, batched: tuple[bool, ...], params: Params) -> tuple[Values, tuple[bool, ...]]:
    """One more axis of the loop."""
    call = params["call"]
    mapped = tuple((has, *axes) for has, axes in zip(batched, call.mapped, strict=True))
    outs = foreign_call_p.bind(*args, call=replace(call, loop=(size, *call.loop), mapped=mapped))
    return outs, (True,) * len(outs)


# ---- by ctypes ----


def _run(*args: Array, call: ForeignCall) -> Values:
    ins: list[Any] = [np.require(x, requirements=("C", "A")) for x in args]
    outs = [np.empty(aval.shape, aval.dtype) for aval in _avals(call=call)]
    prototype = _prototype(call, [x.dtype for x in ins[1:]])
    for index in np.ndindex(call.loop):
        here = [x[(*_own(axes, index), ...)] for x, axes in zip(ins, call.mapped, strict=True)]
        _call(prototype(int(here[0].item())), call, here[1:], [out[(*index, ...)] for out in outs])
    return tuple(out if out.ndim else out[()] for out in outs)


def _own(axes: Sequence[bool], index: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(i for i, has in zip(index, axes, strict=True) if has)


def _prototype(call: ForeignCall, dtypes: Sequence[DType]) -> Callable[[int], Callable[..., Any]]:
    """What makes a function of an address. Any: the types of C."""
    number = np.ctypeslib.as_ctypes_type
    parameters = [number(dtypes[i]) if kind == "value" else ctypes.c_void_p for kind, i in call.given]
    return ctypes.CFUNCTYPE(number(call.results[0].dtype) if call.returns else None, *parameters)


def _call(function: Callable[..., Any], call: ForeignCall, operands: Sequence[Array], outs: Sequence[Array]) -> None:
    for operand, result in call.copies:
        outs[result][...] = operands[operand]
    places = {"operand": operands, "result": outs}
    given = [operands[i].item() if kind == "value" else places[kind][i].ctypes.data for kind, i in call.given]
    returned = function(*given)
    if call.returns:
        outs[0][...] = returned


foreign_call_p: Primitive = Primitive(
    "foreign_call",
    _run,
    _avals,
    *rules_of_the_unknown(lambda: foreign_call_p),
    _batch,
    lower=lambda _avals, params: params["call"],
)
