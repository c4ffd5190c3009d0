"""numba: elementwise and row-wise programs as the loops of `numba_loops.py`."""

from __future__ import annotations

from functools import partial
from importlib import import_module
from typing import Any

from tests.benchmarks.frameworks.base import Array, Framework, Program


class Numba(Framework):
    """numba, with fast-math as its users have it for speed, parallel if there is more than one thread."""

    def __init__(self, threads: int) -> None:
        numba: Any = import_module("numba")
        self.loops: Any = import_module("tests.benchmarks.frameworks.numba_loops")
        self.parallel = threads > 1
        self.njit: Any = numba.njit
        numba.set_num_threads(threads)

    def warm_up(self) -> None:
        self.njit(lambda x: x + 1)(0)

    def _call(self, name: str, *arrays: Array) -> Program:
        return partial(self.njit(getattr(self.loops, name), fastmath=True, parallel=self.parallel), *arrays)

    def add(self, x: Array, y: Array) -> Program:
        return partial(self.njit(lambda x, y: x + y), x, y)

    def gelu(self, x: Array) -> Program:
        return self._call("gelu", x)

    def mish(self, x: Array) -> Program:
        return self._call("mish", x)

    def logistic(self, w: Array, x: Array, y: Array) -> Program:
        program, dtype = self._call("logistic", w, x, y), x.dtype.type

        def both() -> tuple[Any, Array]:
            loss, gradient = program()
            return dtype(loss), gradient  # numba makes a Python number of a scalar

        return both

    def log_softmax(self, x: Array) -> Program:
        return self._call("log_softmax", x)

    def log_softmax_grad(self, x: Array, ct: Array) -> Program:
        return self._call("log_softmax_grad", x, ct)

    def layer_norm(self, x: Array, scale: Array, offset: Array, ct: Array) -> Program:
        return self._call("layer_norm", x, scale, offset)

    def layer_norm_grad(self, x: Array, scale: Array, offset: Array, ct: Array) -> Program:
        return self._call("layer_norm_grad", x, scale, offset, ct)

    def reduction(self, x: Array, *, function: str, axis: int) -> Program:
        if function != "mean":
            return self._call(f"{function}_{axis}", x)
        total, count = self._call(f"sum_{axis}", x), x.dtype.type(x.shape[axis])
        return lambda: total() / count

    # ---- loops ----

    def newton(self, e: Array, mean: Array) -> Program:
        return self._loop("newton", e, mean)

    def odeint(self, y: Array, *, steps: int) -> Program:
        return self._loop("odeint", y, steps)

    def collatz(self, n: Array) -> Program:
        return self._loop("collatz", n)

    def growth(self, rate: Array) -> Program:
        return self._loop("growth", rate)

    def _loop(self, name: str, *arguments: Any) -> Program:
        loops = import_module("tests.benchmarks.frameworks.numba_control")
        return partial(self.njit(getattr(loops, name), fastmath=True), *arguments)
