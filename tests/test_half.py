"""float16 where the machine has no instruction for it: every half, and floats around every half."""

from ctypes import CFUNCTYPE, c_int64, c_void_p

import numpy as np
import pytest

from functrans.backends.llvm.elements import Element
from functrans.backends.llvm.engine import load
from functrans.backends.llvm.function import Function
from functrans.backends.llvm.ir import I64, PTR, Module
from functrans.backends.llvm.scalars import Scalars
from functrans.backends.llvm.target import Target, host
from functrans.record import replace
from functrans.typing import Array

HALVES = np.arange(1 << 16, dtype=np.uint16).view(np.float16)


def plain() -> Target:
    if host().is_arm:
        pytest.skip("ARM converts half floats")
    off = [f"-{f[1:]}" if f[1:].startswith(("avx", "fma", "f16c", "xop")) else f for f in host().features.split(",")]
    return replace(host(), cpu="x86-64", features=",".join(off))


def converted(x: Array, to: str) -> Array:
    """x, cast in machine code for the plain machine."""
    module = Module(plain())
    f = Function(module, "run", [("x", PTR), ("out", PTR)], I64, exported=True)
    scalars = Scalars(f, 4)
    with f.loop(0, x.size // 4 * 4, 4) as loop:
        element: Element = scalars.load(f.args[0], x.dtype, loop.index, 1)
        scalars.store(scalars.cast(element, np.dtype(to)), f.args[1], loop.index, 1)
    f.ret(f.index(0))
    library = load(module.text(), plain(), ("run",))
    out = np.zeros(x.size, to)
    CFUNCTYPE(c_int64, c_void_p, c_void_p)(library.address("run"))(x.ctypes.data, out.ctypes.data)
    return out


def test_halves_become_floats() -> None:
    with np.errstate(invalid="ignore"):
        np.testing.assert_array_equal(converted(HALVES, "float32"), HALVES.astype(np.float32))


def test_floats_become_the_nearest_halves() -> None:
    finite = np.sort(HALVES[np.isfinite(HALVES)].astype(np.float32))
    middle = (finite[1:] + finite[:-1]) / 2
    below, above = (np.nextafter(middle, np.float32(side)) for side in (-np.inf, np.inf))
    far = np.array([np.inf, -np.inf, np.nan, 65519.996, 65520.0, 1e38, -1e38, 1e-45, -1e-45, 2.0**-25], np.float32)
    floats = np.concatenate([finite, middle, below, above, far, far[:2]])
    floats = floats[: floats.size // 4 * 4]
    with np.errstate(over="ignore", under="ignore"):
        expected = floats.astype(np.float16)
    got = converted(floats, "float16")
    np.testing.assert_array_equal(got, expected)
    np.testing.assert_array_equal(np.signbit(got), np.signbit(expected))
