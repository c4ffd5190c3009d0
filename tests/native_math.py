"""Runs one function of `functrans.backends.llvm.math` on NumPy arrays: compiled alone, a loop over vectors."""

import ctypes
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from functrans.backends.llvm.engine import load
from functrans.backends.llvm.function import Function
from functrans.backends.llvm.ir import F32, F64, I64, PTR, Module
from functrans.backends.llvm.math import FUNCTIONS
from functrans.backends.llvm.target import Target, host

Array = np.ndarray[Any, np.dtype[Any]]


def module_text(name: str, bits: int, arity: int, target: Target, lanes: int | None = None) -> str:
    """A module that exports `run(count, out, inputs…)`; count is a multiple of the lanes."""
    module = Module(target)
    kind = F32 if bits == 32 else F64
    kind = kind.vector(lanes or module.lanes(kind))
    params = [("count", I64), ("out", PTR), *((f"in{i}", PTR) for i in range(arity))]
    f = Function(module, "run", params, exported=True)
    count, out, *inputs = f.args
    with f.loop(0, count, kind.lanes) as loop:
        given = [f.load(f.offset(x, loop.index, kind), kind) for x in inputs]
        f.store(FUNCTIONS[name](f, *given), f.offset(out, loop.index, kind))
    return module.text()


@cache
def compiled(
    name: str, bits: int, arity: int, lanes: int | None = None, target: Target | None = None
) -> Callable[..., Array]:
    """The function of a name on contiguous arrays of one length."""
    library = load(module_text(name, bits, arity, target or host(), lanes), target or host(), ("run",))
    entry = ctypes.CFUNCTYPE(None, ctypes.c_int64, *[ctypes.c_void_p] * (arity + 1))(library.address("run"))

    def run(*inputs: Array) -> Array:
        assert library is not None  # keeps the code loaded
        dtype = np.dtype(f"f{bits // 8}")
        size = inputs[0].size
        whole = -(-size // 64) * 64
        padded = [np.resize(np.asarray(x, dtype), whole) for x in inputs]
        out = np.empty(whole, dtype)
        entry(whole, out.ctypes.data, *[x.ctypes.data for x in padded])
        return out[:size]

    return run
