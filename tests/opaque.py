"""Two primitives that no backend has native code for, however many it learns: one says nothing of itself to a compiler, the
other names an operation that there is not."""

from __future__ import annotations

import numpy as np

from functrans.core.lowering import Lower, pointwise
from functrans.core.primitive import NotDifferentiable, Params, Primitive, Values
from functrans.typing import Array

__all__ = ["opaque", "unheard_of"]


def _primitive(name: str, lower: Lower | None) -> Primitive:
    why = NotDifferentiable("it is for tests")

    def batch(_size: int, args: Values, _batched: tuple[bool, ...], params: Params) -> tuple[Values, tuple[bool, ...]]:
        return prim.bind(*args, **params), (True,)

    prim = Primitive(name, lambda x: (np.arctan(x),), lambda aval: (aval,), why, why, batch, lower=lower)
    return prim


_opaque_p = _primitive("opaque", None)
_unheard_of_p = _primitive("unheard_of", pointwise("unheard_of"))


def opaque(x: Array) -> Array:
    """The arctangent, by NumPy."""
    return _opaque_p.bind(x)[0]


def unheard_of(x: Array) -> Array:
    """The arctangent, by NumPy."""
    return _unheard_of_p.bind(x)[0]
