"""A program that stands alone, loaded again: arrays in, arrays out, nothing traced. Start reading at `StandaloneProgram`.

Imports the engine.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence

import numpy as np

from functrans.backends.llvm.buffers import address, aligned, contiguous, table
from functrans.backends.llvm.engine import load_object
from functrans.backends.llvm.scalar_warnings import FAILED, say_again
from functrans.backends.llvm.service_table import OUT_OF_MEMORY
from functrans.backends.llvm.target import host
from functrans.core.aval import ShapedArray
from functrans.record import NamedTuple
from functrans.typing import Array

__all__ = ["Refused", "StandaloneProgram", "missing_features"]

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
        arrays = [contiguous(arg, aval) for arg, aval in zip(args, self._arguments, strict=True)]
        outs = [np.empty(aval.shape, aval.dtype) for aval in self._results]
        workspace = aligned(self._workspace)
        warnings = ctypes.c_int64(0)
        status = self._run(table(arrays), table(outs), address(workspace), ctypes.addressof(warnings))
        if status == OUT_OF_MEMORY:
            raise MemoryError("there is no memory left for what reverse mode keeps of the turns of a loop")
        if status:
            return Refused(status - 1)
        if warnings.value & FAILED:
            return Refused(-1)
        if warnings.value:
            say_again(warnings.value)
        return outs
