"""`python -m tests.benchmarks.functions`: nanoseconds per element of elementary functions, beside the fastest peer.

Each framework has a process to itself, one after the other, on one thread; the best of several turns counts, in CPU time.
NumPy's own functions may err by 4 ULP, ours by 2. Start reading at `measured`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from time import process_time
from typing import Any

import numpy as np

from tests.benchmarks.frameworks import OURS, is_installed

Function = Callable[..., Any]  # Any: the arrays of a framework
COUNT = 100_000
TURNS, CALLS = 15, 8
DTYPES = ("float32", "float64")
_ANY, _POSITIVE, _WITHIN = (-5.0, 5.0), (0.01, 50.0), (-0.99, 0.99)
SPANS: dict[str, tuple[float, float]] = {
    **dict.fromkeys(["exp", "exp2", "expm1", "sinh", "cosh", "tanh", "logistic", "arcsinh", "cbrt"], _ANY),
    **dict.fromkeys(["log", "log2", "log10", "log1p", "lgamma", "digamma"], _POSITIVE),
    **dict.fromkeys(["arcsin", "arccos", "arctanh", "erf_inv"], _WITHIN),
    **dict.fromkeys(["sin", "cos", "tan", "arctan", "erf", "erfc"], _ANY),
    **dict.fromkeys(["arctan2", "hypot", "logaddexp", "logaddexp2"], _ANY),
    "arccosh": (1.0, 50.0),
    "power": (0.01, 5.0),
}
_OF_TWO = {"arctan2", "hypot", "logaddexp", "logaddexp2", "power"}
_MODULES = {
    OURS: ["functrans.numpy", "functrans.lax"],
    "numpy": ["numpy"],
    "jax": ["jax.numpy", "jax.scipy.special", "jax.lax"],
    "torch": ["torch", "torch.special"],
}
_OTHER_NAMES = {"torch": {"power": "pow", "logistic": "sigmoid", "erf_inv": "erfinv"}}


def function(framework: str, name: str) -> Function | None:
    """The framework's function of a name, or None if it has none."""
    name = _OTHER_NAMES.get(framework, {}).get(name, name)
    return next((f for f in (getattr(import_module(m), name, None) for m in _MODULES[framework]) if f), None)


def operands(name: str, dtype: str, count: int) -> list[np.ndarray[Any, Any]]:
    rng = np.random.default_rng(0)
    return [rng.uniform(*SPANS[name], count).astype(dtype) for _ in range(2 if name in _OF_TWO else 1)]


def prepared(framework: str) -> tuple[Callable[[Function], Function], Callable[[Any], Any]]:
    """How a function is made fast, and how operands are put where it wants them."""
    if framework == OURS:
        return import_module("functrans").jit, lambda x: x
    if framework == "torch":
        torch = import_module("torch")
        torch.set_num_threads(1)
        return lambda f: f, torch.from_numpy
    if framework == "jax":
        jax = import_module("jax")
        jax.config.update("jax_enable_x64", True)
        return lambda f: _waiting(jax.jit(f)), jax.device_put
    return lambda f: f, lambda x: x


def _waiting(run: Function) -> Function:
    return lambda *x: run(*x).block_until_ready()


def measured(framework: str, count: int = COUNT, turns: int = TURNS) -> dict[str, list[float]]:
    """For each function that a framework has: nanoseconds per element for each of `DTYPES`."""
    found: dict[str, list[float]] = {}
    fast, put = prepared(framework)
    for name in SPANS:
        plain = function(framework, name)
        if plain is not None:
            run = fast(plain)
            found[name] = [
                seconds(run, [put(x) for x in operands(name, d, count)], turns) / count * 1e9 for d in DTYPES
            ]
    return found


def seconds(run: Function, given: list[Any], turns: int) -> float:
    """Of CPU time per call, in the best turn."""
    run(*given)
    best = float("inf")
    for _ in range(turns):
        start = process_time()
        for _ in range(CALLS):
            run(*given)
        best = min(best, (process_time() - start) / CALLS)
    return best


def elsewhere(framework: str) -> dict[str, list[float]]:
    """`measured` in a process of its own, with one thread."""
    env = {**os.environ, "NPROC": "1", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, "-m", __spec__.name, framework]
    found: dict[str, list[float]] = json.loads(subprocess.run(command, env=env, check=True, capture_output=True).stdout)
    return found


def table(results: dict[str, dict[str, list[float]]]) -> str:
    """Markdown: our time, the best peer's and the ratio, for each dtype."""
    lines = ["| ns per element | " + " | ".join(f"{d} | best peer | ratio" for d in DTYPES) + " |", "|---" * 7 + "|"]
    for name, ours in results[OURS].items():
        cells = [name]
        for i, mine in enumerate(ours):
            peers = [(found[name][i], peer) for peer, found in results.items() if peer != OURS and name in found]
            best, peer = min(peers, default=(float("nan"), ""))
            cells += [f"{mine:.2f}", f"{best:.2f} {peer}", f"{mine / best:.2f}"]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        sys.stdout.write(json.dumps(measured(sys.argv[1])))
    else:
        sys.stdout.write(table({name: elsewhere(name) for name in _MODULES if is_installed(name)}) + "\n")
