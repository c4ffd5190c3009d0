"""The namespace of the Python Array API standard that traced arrays name: functrans.numpy, whose new arrays are traced too.

Libraries that are written for the standard ask `x.__array_namespace__()` for it. They write into the arrays that it makes, and
want all of a function's arrays to name one namespace: so `zeros`, `asarray` and the like give arrays of the trace that runs,
where `functrans.numpy.zeros` gives NumPy's. All else is functrans.numpy's own, and `special` functrans.scipy's, where SciPy looks
for it. Imports functrans.numpy and `versions`; start reading at `_traced`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from importlib import import_module
from typing import Any, ParamSpec, cast

import numpy as np

import functrans.numpy as fnp
from functrans.core.primitive import Tracer
from functrans.numpy.late import EXTENSIONS
from functrans.numpy.operands import Device
from functrans.numpy.versions import owned
from functrans.typing import Array, DType

__all__ = [
    "__array_namespace_info__", "arange", "asarray", "empty", "empty_like", "eye", "from_dlpack", "full", "full_like",
    "linspace", "ones", "ones_like", "zeros", "zeros_like",
]  # fmt: skip

P = ParamSpec("P")
_NUMPYS = np.__array_namespace_info__()


def _traced(make: Callable[P, Any]) -> Callable[P, Array]:  # Any: NumPy's type of arrays, or functrans's
    """The function with its result as an array of the trace that runs."""

    @wraps(make)
    def call(*args: P.args, **kwargs: P.kwargs) -> Array:
        made = make(*args, **kwargs)
        return cast(Array, made) if isinstance(made, Tracer) else owned(made)

    return call


arange = _traced(fnp.arange)
asarray = _traced(fnp.asarray)
empty = _traced(fnp.empty)
empty_like = _traced(fnp.empty_like)
eye = _traced(fnp.eye)
from_dlpack = _traced(fnp.from_dlpack)
full = _traced(fnp.full)
full_like = _traced(fnp.full_like)
linspace = _traced(fnp.linspace)
ones = _traced(fnp.ones)
ones_like = _traced(fnp.ones_like)
zeros = _traced(fnp.zeros)
zeros_like = _traced(fnp.zeros_like)


class __array_namespace_info__:
    """What the namespace has, by the standard: NumPy's dtypes and device.

    >>> import functrans.numpy as fnp
    >>> fnp.__array_namespace_info__().capabilities()["data-dependent shapes"]
    False
    """

    def capabilities(self) -> dict[str, object]:
        """As NumPy's, but for what compiled programs cannot have: shapes that depend on values."""
        return {**_NUMPYS.capabilities(), "boolean indexing": False, "data-dependent shapes": False}

    def default_device(self) -> str:
        return _NUMPYS.default_device()

    def default_dtypes(self, *, device: Device = None) -> Mapping[str, DType]:
        return cast(Mapping[str, DType], _NUMPYS.default_dtypes(device=device))

    def devices(self) -> Sequence[str]:
        return _NUMPYS.devices()

    def dtypes(self, *, device: Device = None, kind: Any = None) -> Mapping[str, DType]:  # Any: names of kinds
        return cast(Mapping[str, DType], _NUMPYS.dtypes(device=device, kind=kind))


def __getattr__(name: str) -> Any:  # Any: a function, a dtype, a module
    return import_module(EXTENSIONS[name]) if name in EXTENSIONS else getattr(fnp, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *dir(fnp)})
