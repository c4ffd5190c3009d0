"""The types of C that `external` passes: numbers, and pointers to them, told from ctypes' classes or from C's own words.

Start reading at `Parameter`. Imports records and typing.
"""

from __future__ import annotations

import ctypes
import re
from typing import Any

import numpy as np

from functrans.record import Record
from functrans.typing import DType, Shape

__all__ = ["SKIP_DISPATCH", "Parameter", "of_ctypes", "of_text"]

SKIP_DISPATCH = "__pyx_skip_dispatch"
"""The name of a parameter that Cython adds to functions; it is to be 0."""
_C_ORDER, _FORTRAN_ORDER = 1, 2
"""NumPy's flags of arrays."""


class Parameter(Record):
    """What a C function takes or returns: a number, or a pointer to numbers."""

    text: str
    """The type, for messages."""
    dtype: DType | None
    """None: a pointer to whatever it is."""
    is_pointer: bool = False
    shape: tuple[int | None, ...] | None = None
    """What arrays a pointer is for; None where that is not said."""

    def takes(self, dtype: DType, shape: Shape) -> bool:
        """Whether it is a pointer to arrays of this type."""
        fits = self.shape is None or (
            len(self.shape) == len(shape) and all(n in (None, m) for n, m in zip(self.shape, shape, strict=True))
        )
        return self.is_pointer and (self.dtype is None or self.dtype == dtype) and fits


# ---- ctypes ----


def of_ctypes(kind: Any) -> Parameter:  # Any: ctypes' classes have more attributes than they are declared with
    """The parameter of a class of ctypes, or of `numpy.ctypeslib.ndpointer`. Raises ValueError for other types."""
    name = kind.__name__
    if issubclass(kind, ctypes.c_void_p):
        return _of_ndpointer(kind) if hasattr(kind, "_flags_") else Parameter(name, None, True)
    if issubclass(kind, ctypes._Pointer):
        return Parameter(name, _number(vars(kind)["_type_"], name), True)
    return Parameter(name, _number(kind, name))


def _of_ndpointer(kind: Any) -> Parameter:  # Any: as above
    if (kind._flags_ or 0) & (_C_ORDER | _FORTRAN_ORDER) == _FORTRAN_ORDER and kind._ndim_ != 1:
        raise ValueError(f"`{kind.__name__}`, for arrays in Fortran's order, and it gets them in C's")
    shape = (None,) * kind._ndim_ if kind._shape_ is None and kind._ndim_ is not None else kind._shape_
    return Parameter(kind.__name__, kind._dtype_, True, shape)


def _number(kind: type, name: str) -> DType:
    if issubclass(kind, ctypes._SimpleCData) and not issubclass(kind, ctypes.c_void_p | ctypes.py_object):
        try:
            dtype = np.dtype(kind)
        except TypeError:  # text
            dtype = np.dtype(object)
        if dtype.kind in "biuf":
            return dtype
    raise ValueError(f"`{name}`, which is neither a number nor a pointer to numbers")


# ---- C's words ----

_WORDS: dict[str, str] = {
    "double": "f8", "float": "f4", "_Bool": "?", "bool": "?", "char": "b", "char signed": "b", "char unsigned": "B",
    "short": "h", "short unsigned": "H", "int": "i", "unsigned": "I", "long": "l", "long unsigned": "L",
    "long long": "q", "long long unsigned": "Q", "size_t": "P", "uintptr_t": "P", "ssize_t": "p", "Py_ssize_t": "p",
    "ptrdiff_t": "p", "intptr_t": "p", "npy_intp": "p",
    **{f"{sign}int{8 * size}_t": f"{letter}{size}" for size in (1, 2, 4, 8) for sign, letter in (("", "i"), ("u", "u"))},
    "__pyx_t_float_complex": "c8", "__pyx_t_double_complex": "c16", "_Complex float": "c8", "_Complex double": "c16",
    "complex float": "c8", "complex double": "c16",
}  # fmt: skip
"""The dtypes of C's types, whose words are in the order of the alphabet, without `signed` and `int` beside others."""
_KNOWN = {word for words in _WORDS for word in words.split()} | {"signed"}
_BLAS = {"s": "f4", "d": "f8", "c": "c8", "z": "c16"}
"""Those that SciPy's interfaces to BLAS and LAPACK name."""


def of_text(text: str) -> Parameter:
    """The parameter of a declaration, as `const double *x`. Raises ValueError for types that are no numbers."""
    words = [
        word for word in re.findall(r"\w+|\*", text) if word not in ("const", "volatile", "restrict", "__restrict")
    ]
    stars = words.count("*")
    base = [word for word in words if word != "*"]
    if base[1:] and base[-1] not in _KNOWN:  # the name
        base.pop()
    dtype = _dtype(base)
    if stars == 1 and base == ["void"]:
        return Parameter(text, None, True)
    if dtype is None or stars > 1 or (dtype.kind == "c" and not stars):
        raise ValueError(f"`{text}`, which is neither a real number nor a pointer to numbers")
    return Parameter(text, dtype, stars == 1)


def _dtype(words: list[str]) -> DType | None:
    if len(words) == 1 and (found := re.fullmatch(r"__pyx_t_\w*cython_(?:blas|lapack)_([sdcz])", words[0])):
        return np.dtype(_BLAS[found[1]])
    if "signed" in words and "char" not in words:
        words = [word for word in words if word != "signed"] or ["int"]
    short = [word for word in words if word != "int"] or words[:1]
    code = _WORDS.get(" ".join(sorted(short)))
    return None if code is None else np.dtype(code)
