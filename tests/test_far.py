"""Results that are stored past the caches: which they are, and that they are the same, wherever their memory begins."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
import pytest

import functrans as ft
from functrans.backends.llvm import far
from functrans.backends.llvm.buffers import address
from functrans.backends.llvm.engine import load
from functrans.backends.llvm.program import BACKEND, ENTRY, emit_program
from functrans.backends.llvm.target import Target, host
from functrans.compiler.plan import make_plan
from functrans.record import replace
from functrans.typing import Array
from tests.marks import native

pytestmark = native
FAR = "!nontemporal"


def text(fun: Any, *args: Any, target: Target) -> str:
    return emit_program(make_plan(ft.jit(fun).lower(*args).optimized_jaxpr, BACKEND), target).text()


@pytest.fixture
def near_is_small(monkeypatch: pytest.MonkeyPatch) -> Target:
    """A machine of which the caches hold next to nothing."""
    monkeypatch.setattr(far, "_MANY", 0)
    return replace(host(), last_cache=0)


def normalised(x: Array, ct: Array) -> tuple[Array, Array]:
    y = (x - np.mean(x, axis=1, keepdims=True)) * ct
    return y, ct / np.sum(np.exp(y), axis=1, keepdims=True)


def test_what_caches_hold_is_stored_as_ever() -> None:
    target = replace(host(), last_cache=1 << 24)
    for rows, is_far in ((512, False), (2048, target.stores_far)):
        x = ft.ShapeDtypeStruct((rows, 1024), np.dtype("f4"))
        assert (FAR in text(lambda x, y: x * y - x, x, x, target=target)) == is_far
        assert (FAR in text(normalised, x, x, target=target)) == is_far
        assert FAR not in text(lambda x: x - np.mean(x, axis=1, keepdims=True), x, target=target)


def test_what_is_read_again_is_stored_as_ever(near_is_small: Target) -> None:
    x = np.ones((64, 48), "f4")
    assert (FAR in text(lambda x: x * 2, x, target=near_is_small)) == host().stores_far
    assert FAR not in text(lambda x: ((y := np.cumsum(x, axis=0) * 2), y @ y.T), x, target=near_is_small)
    arm = Target("aarch64-unknown-linux-gnu", "neoverse-n1", "+neon", last_cache=0)
    assert FAR not in text(lambda x: x * 2, x, target=arm)


@pytest.mark.parametrize("dtype", ["f4", "f8", "i2", "c8", "?"])
def test_memory_may_begin_anywhere(near_is_small: Target, dtype: str) -> None:
    """Where vectors do not lie as the instruction wants it, they are stored as ever; nothing around them is touched."""
    rng = np.random.default_rng(0)
    x, ct = ((rng.standard_normal((37, 131)) * 2).astype(dtype) for _ in range(2))
    fun = normalised if dtype in ("f4", "f8") else lambda x, ct: (np.add(x, ct), np.equal(x, ct))
    expected = fun(x, ct)
    code = load(text(fun, x, ct, target=near_is_small), near_is_small, (ENTRY,))
    run = ctypes.CFUNCTYPE(ctypes.c_int64, *[ctypes.c_void_p] * 5)(code.address(ENTRY))
    arena, warnings = np.zeros(1 << 20, np.uint8), np.zeros(1, np.int64)
    for start in (0, 8, 16, 32, 56):
        memory = [np.zeros(y.nbytes + 256, np.uint8) for y in expected]
        starts = [start + -address(one) % 64 for one in memory]
        tables = [
            np.array([address(x), address(ct)]),
            np.array([address(m) + s for m, s in zip(memory, starts, strict=True)]),
        ]
        assert run(address(tables[0]), address(tables[1]), address(arena), address(warnings), None) == 0
        for one, first, y in zip(memory, starts, expected, strict=True):
            found = one[first : first + y.nbytes].tobytes()
            np.testing.assert_allclose(np.frombuffer(found, y.dtype).reshape(y.shape), y, rtol=1e-5, atol=1e-5)
            assert not one[:first].any()
            assert not one[first + y.nbytes :].any()
