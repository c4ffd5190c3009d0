"""A program that stands alone, loaded again: arrays in, arrays out, nothing traced. Start reading at `StandaloneProgram`.

Imports the engine.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from functrans.backends.llvm.engine import load_object
from functrans.backends.llvm.scalar_warnings import FAILED, say_again
from functrans.backends.llvm.target import host
from functrans.core.aval import ShapedArray
from functrans.core.primitive import strong
from functrans.typing import Array

__all__ = ["Refused", "StandaloneProgram", "missing_features"]

_LINE = 64
_RUN = ctypes.CFUNCTYPE(ctypes.c_int64, *[ctypes.c_void_p] * 4)


def missing_features(triple: str, features: Sequence[str]) -> list[str]:
    """What this machine lacks of what code was compiled for."""
    here = host()
    if triple != here.triple:
        return [f"a machine of kind {triple}"]
    return [name for name in features if not here.has(name)]


class Refused(NamedTuple):
    """Which step did not take its operands; -1: an element for which NumPy raises."""

    step: int


class StandaloneProgram:
    """`NAME_run` of object code, over arrays."""

    def __init__(
        self, code: bytes, symbol: str, workspace: int, arguments: Sequence[ShapedArray], results: Sequence[ShapedArray]
    ) -> None:
        self._library = load_object(code, (symbol,))
        self._run = _RUN(self._library.address(symbol))
        self._workspace = workspace
        self._arguments = arguments
        self._results = results

    def __call__(self, args: Sequence[Array]) -> list[Array] | Refused:
        """New arrays, of the described types. Warns as NumPy does, by `np.errstate`."""
        arrays = [
            np.require(strong(arg), aval.dtype, ("C", "A")).reshape(aval.shape)
            for arg, aval in zip(args, self._arguments, strict=True)
        ]
        outs = [np.empty(aval.shape, aval.dtype) for aval in self._results]
        space = np.empty(self._workspace + _LINE, np.uint8)
        workspace = space.ctypes.data + -space.ctypes.data % _LINE
        warnings = ctypes.c_int64(0)
        status = self._run(_pointers(arrays), _pointers(outs), workspace, ctypes.addressof(warnings))
        if status:
            return Refused(status - 1)
        if warnings.value & FAILED:
            return Refused(-1)
        if warnings.value:
            say_again(warnings.value)
        return outs


def _pointers(arrays: Sequence[Array]) -> ctypes.Array[ctypes.c_void_p]:
    return (ctypes.c_void_p * max(len(arrays), 1))(*(array.ctypes.data for array in arrays))
