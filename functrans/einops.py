"""functrans.einops: what einops has, for arrays and for tracers. To import it makes `einops` itself take tracers too.

einops looks for the library of an array among the subclasses of its own `AbstractBackend`, so that to define one is to
register it. Tracers take plain NumPy's functions: NumPy's backend is theirs.

>>> import numpy as np
>>> import functrans as ft
>>> from functrans.einops import rearrange, reduce
>>> x = np.arange(6.0).reshape(2, 3)
>>> ft.grad(lambda x: reduce(x, "row column -> column", "mean")[1])(x)
array([[0. , 0.5, 0. ],
       [0. , 0.5, 0. ]])
>>> ft.jit(lambda x: rearrange(x, "row column -> (column row)"))(x)
array([0., 3., 1., 4., 2., 5.])
"""

from __future__ import annotations

from einops import asnumpy, einsum, pack, parse_shape, rearrange, reduce, repeat, unpack
from einops._backends import NumpyBackend

from functrans.core.primitive import Tracer

__all__ = ["TracerBackend", "asnumpy", "einsum", "pack", "parse_shape", "rearrange", "reduce", "repeat", "unpack"]


class TracerBackend(NumpyBackend):
    """The functions of NumPy, for tracers."""

    framework_name = "functrans"

    def is_appropriate_type(self, tensor: object) -> bool:
        return isinstance(tensor, Tracer)
