"""`stop_gradient`, the identity without a derivative. Imports core, tree and `cast`."""

from __future__ import annotations

from functrans import tree
from functrans.core.aval import is_inexact
from functrans.core.lowering import Remap, one_view
from functrans.core.primitive import LocallyConstant, Primitive, Tracer
from functrans.ops.cast import convert_element_type
from functrans.treedef import T
from functrans.typing import Array

__all__ = ["stop_gradient", "stop_gradient_p"]

_STOPPED = LocallyConstant("that is what it is for")

stop_gradient_p: Primitive = Primitive(
    "stop_gradient",
    lambda x: (x,),
    lambda aval: (aval,),
    _STOPPED,
    _STOPPED,
    lambda _size, args, batched, _params: (stop_gradient_p.bind(*args), batched),
    cheap=True,
    lower=lambda avals, _params: one_view(Remap(tuple(range(avals[0].ndim)))),
)


def stop_gradient(x: T) -> T:
    """The same tree of arrays, held constant in derivatives of every mode and order.

    >>> import numpy as np
    >>> from functrans import grad, lax
    >>> grad(lambda x: x * lax.stop_gradient(x))(3.0)
    np.float64(3.0)
    """
    return tree.map(_stopped, x)


def _stopped(leaf: Array) -> Array:
    if isinstance(leaf, Tracer) and is_inexact(leaf.aval.dtype):
        (out,) = stop_gradient_p.bind(leaf)
        return (
            convert_element_type(out, leaf.aval.dtype, weak=True) if leaf.aval.weak else out
        )  # a Python number stays one
    return leaf  # has no derivative anyway
