"""A trace that changes nothing: its tracers wrap concrete values, and binding unwraps, evaluates and wraps again.

What runs through it shows whether the NumPy face gives NumPy's own values, dtypes and shapes; and, since every result is
held against the primitive's abstract evaluation, whether that tells the truth. Results of rank 0 must be NumPy scalars.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from functrans.core.primitive import EVAL, Params, Primitive, Trace, Values, aval_of, use_trace
from functrans.numpy.array import ArrayTracer
from functrans.numpy.versions import argument


class IdentityTracer(ArrayTracer):
    __slots__ = ("value",)

    def __init__(self, trace: Trace, value: Any) -> None:
        self.owner = trace
        self.value = value
        self.aval = aval_of(value)


class IdentityTrace(Trace):
    __slots__ = ()

    def bind(self, prim: Primitive, args: Sequence[Any], params: Params) -> Values:
        values = [arg.value if isinstance(arg, IdentityTracer) else arg for arg in args]
        outs = EVAL.bind(prim, values, params)
        avals = prim.abstract_eval(*map(aval_of, values), **params)
        assert tuple(map(aval_of, outs)) == avals, (prim, values, params)
        assert not any(type(out) is np.ndarray and out.ndim == 0 for out in outs), (prim, values, params)
        return tuple(IdentityTracer(self, out) for out in outs)  # type: ignore[misc]  # tracers stand for arrays

    def own(self, value: Any) -> Any:
        return IdentityTracer(self, (value.value if isinstance(value, IdentityTracer) else value).copy())


def unwrap(value: Any) -> Any:
    if isinstance(value, tuple | list):
        return type(value)(map(unwrap, value))
    return value.value if isinstance(value, IdentityTracer) else value


def through_identity(fun: Callable[..., Any], *args: Any, traced: Sequence[bool] | None = None) -> Any:
    """`fun(*args)` with the arguments (those marked by `traced`) replaced by tracers."""
    trace = IdentityTrace(EVAL)
    with use_trace(trace):
        marks = traced if traced is not None else [True] * len(args)
        return unwrap(
            fun(*(argument(IdentityTracer(trace, arg)) if mark else arg for arg, mark in zip(args, marks, strict=True)))
        )
