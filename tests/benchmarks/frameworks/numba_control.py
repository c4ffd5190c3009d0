"""The loops with loops in them that numba compiles: each lane by itself, in scalars. Only `with_numba` imports this module."""

from __future__ import annotations

import math
from importlib import import_module
from typing import Any

import numpy as np

from tests.benchmarks.frameworks.base import Array
from tests.benchmarks.loops import MOST_TURNS, TIME_STEP

njit: Any = import_module("numba").njit


def newton(e: Array, mean: Array) -> Array:
    out = mean.copy()
    for i in range(out.size):
        for _ in range(MOST_TURNS):
            change = (out[i] - e[i] * math.sin(out[i]) - mean[i]) / (1 - e[i] * math.cos(out[i]))
            out[i] -= change
            if abs(change) <= 1e-12:
                break
    return out


@njit(inline="always")  # type: ignore[untyped-decorator]  # numba has no types
def lorenz(x: Any, y: Any, z: Any) -> Any:
    return 10.0 * (y - x), x * (28.0 - z) - y, x * y - 8.0 / 3.0 * z


def odeint(start: Array, steps: int) -> Array:
    x, y, z = start
    h = TIME_STEP
    for _ in range(steps):
        a1, b1, c1 = lorenz(x, y, z)
        a2, b2, c2 = lorenz(x + h / 2 * a1, y + h / 2 * b1, z + h / 2 * c1)
        a3, b3, c3 = lorenz(x + h / 2 * a2, y + h / 2 * b2, z + h / 2 * c2)
        a4, b4, c4 = lorenz(x + h * a3, y + h * b3, z + h * c3)
        x += h / 6 * (a1 + 2 * a2 + 2 * a3 + a4)
        y += h / 6 * (b1 + 2 * b2 + 2 * b3 + b4)
        z += h / 6 * (c1 + 2 * c2 + 2 * c3 + c4)
    return np.array([x, y, z])


def collatz(starts: Array) -> Array:
    out = np.zeros_like(starts)
    for i in range(starts.size):
        n = starts[i]
        while n != 1:
            n = n // 2 if n % 2 == 0 else 3 * n + 1
            out[i] += 1
    return out


def growth(rates: Array) -> Array:
    out = np.zeros_like(rates)
    for i in range(rates.size):
        x = 0.01
        while x < 0.99:
            x += rates[i] * x * (1 - x)
            out[i] += 1
    return out
