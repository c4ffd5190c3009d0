"""What is measured: each workload written for functrans and for the peers that are installed.

A workload says what is compared with what, and which ratio is the goal. Start reading at `workloads`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from itertools import pairwise
from typing import Any

import numpy as np

import functrans as ft
import functrans.numpy as fnp
from tests.benchmarks.measure import Samples, Thunk, cpu_seconds, import_seconds, peak_bytes

PEERS = ("numpy", "autograd", "jax", "torch")
Tree = Any  # Any: parameters are trees of each framework's own arrays
Function = Callable[..., Any]  # Any: as for Tree

MILLI, MICRO, MEBI = ("ms", 1e-3), ("µs", 1e-6), ("MiB", float(2**20))


@dataclass(frozen=True)
class Workload:
    """Programs that do the same work, by framework; `goals` are the highest ratios of functrans to a peer."""

    section: str
    name: str
    programs: Mapping[str, Any]  # Any: what `measure` takes: thunks, or statements
    unit: tuple[str, float] = MICRO
    goals: Mapping[str, float] = field(default_factory=dict)
    measure: Callable[[Any, int], Samples] = cpu_seconds


def workloads() -> Iterator[Workload]:
    """All workloads, for the peers that are installed."""
    peers = {name: import_module(name) for name in PEERS if find_spec(name)}
    if "autograd" in peers:
        peers["autograd"] = import_module("autograd.numpy")
    if "jax" in peers:
        peers["jax"].config.update("jax_enable_x64", True)
    yield imports(peers)
    yield from eager(peers)
    yield from tracing(peers)
    yield from memory(peers)
    yield mlp_step(peers)


def imports(peers: Mapping[str, Any]) -> Workload:
    statements = {"functrans": "import numpy; import functrans", "numpy": "import numpy"}
    statements |= {peer: f"import numpy; import {peer}" for peer in peers if peer != "numpy"}
    return Workload("import", "what it takes beyond numpy", statements, MILLI, {"numpy": 0.75}, import_seconds)


# ---- eager calls on small arrays ----


def wave(xp: Any, x: Any) -> Any:
    return xp.sum(xp.sin(x) ** 2 + xp.exp(-x))


def eager(peers: Mapping[str, Any]) -> Iterator[Workload]:
    x = np.linspace(0.1, 1.0, 10)
    for name, arguments in {"add": (x, x), "sum": (x,), "where": (x > 0.5, x, x)}.items():
        ours, theirs = partial(getattr(fnp, name), *arguments), partial(getattr(np, name), *arguments)
        yield Workload("eager", f"{name} of 10 numbers", {"functrans": ours, "numpy": theirs})
    gradients: dict[str, Thunk] = {"functrans": partial(ft.grad(partial(wave, np)), x)}
    calls: dict[str, Thunk] = {"functrans": partial(ft.jit(partial(wave, np)), x), "numpy": lambda: wave(np, x)}
    if "autograd" in peers:
        gradients["autograd"] = partial(import_module("autograd").grad(partial(wave, peers["autograd"])), x)
    if "torch" in peers:
        gradients["torch"] = partial(_torch_gradient, peers["torch"], x)
    if "jax" in peers:
        jax = peers["jax"]
        compiled = jax.jit(partial(wave, jax.numpy))
        calls["jax"] = lambda: compiled(x).block_until_ready()
    yield Workload(
        "eager", "grad of sum(sin(x)² + exp(−x)), 10 numbers", gradients, goals={"autograd": 0.5, "torch": 1.0}
    )
    yield Workload("jit", "call of sum(sin(x)² + exp(−x)), 10 numbers", calls)


def _torch_gradient(torch: Any, x: Any) -> Any:
    t = torch.tensor(x, requires_grad=True)
    return torch.autograd.grad(wave(torch, t), t)[0].numpy()


# ---- tracing and transforming ----


def network(xp: Any, params: Tree, x: Any, y: Any) -> Any:
    """The mean cross-entropy of a network of tanh layers."""
    for w, b in params[:-1]:
        x = xp.tanh(x @ w + b)
    w, b = params[-1]
    logits = x @ w + b
    logits = logits - xp.max(logits, axis=1, keepdims=True)
    return xp.mean(xp.log(xp.sum(xp.exp(logits), axis=1)) - xp.sum(logits * y, axis=1))


def parameters(*sizes: int) -> list[tuple[Any, Any]]:
    rng = np.random.default_rng(0)
    return [(rng.normal(size=(m, n)) / np.sqrt(m), np.zeros(n)) for m, n in pairwise(sizes)]


def batch(size: int, features: int, classes: int) -> tuple[Any, Any]:
    rng = np.random.default_rng(1)
    return rng.normal(size=(size, features)), np.eye(classes)[rng.integers(0, classes, size)]


def unrolled(xp: Any, x: Any) -> Any:
    for _ in range(300):
        x = xp.sin(x) * 1.01
    return xp.sum(x)


def tracing(peers: Mapping[str, Any]) -> Iterator[Workload]:
    params, (x, y) = parameters(64, 64, 64, 64, 10), batch(32, 64, 10)
    cases: dict[str, tuple[Function, tuple[Any, ...]]] = {
        "make_jaxpr of grad of a network of 4 layers": (network, (params, x, y)),
        "make_jaxpr of grad of 600 operations": (unrolled, (np.linspace(0.0, 1.0, 10),)),
    }
    for name, (fun, arguments) in cases.items():
        programs: dict[str, Thunk] = {"functrans": partial(_trace, ft.make_jaxpr, ft.grad, fun, np, arguments)}
        if "jax" in peers:
            jax = peers["jax"]
            programs["jax"] = partial(_trace, jax.make_jaxpr, jax.grad, fun, jax.numpy, arguments)
        yield Workload("tracing", name, programs, MILLI, {"jax": 1 / 3})


def _trace(make_jaxpr: Function, grad: Function, fun: Function, xp: Any, arguments: tuple[Any, ...]) -> Any:
    return make_jaxpr(grad(partial(fun, xp)))(*arguments)  # a new function each time, which no cache knows


# ---- memory ----

CHAINS: dict[str, Callable[[Any, Any], Any]] = {
    "tanh(1.01 x + 0.1)": lambda xp, x: xp.tanh(x * 1.01 + 0.1),
    "sin(x) exp(−x)": lambda xp, x: xp.sin(x) * xp.exp(-x),
    "x (1 + x)": lambda xp, x: x * (1.0 + x),
}


def chain(layer: Callable[[Any, Any], Any], xp: Any, x: Any) -> Any:
    for _ in range(50):
        x = layer(xp, x)
    return xp.sum(x)


def memory(peers: Mapping[str, Any]) -> Iterator[Workload]:
    x = np.linspace(0.0, 0.01, 2**20)
    for name, layer in CHAINS.items():
        gradient, compiled = ft.grad(partial(chain, layer, np)), ft.jit(ft.grad(partial(chain, layer, np)))
        compiled(x)
        programs: dict[str, Thunk] = {"functrans": partial(gradient, x), "functrans jit": partial(compiled, x)}
        if "autograd" in peers:
            programs["autograd"] = partial(import_module("autograd").grad(partial(chain, layer, peers["autograd"])), x)
        title = f"peak of grad of 50 layers {name}, 8 MiB"
        yield Workload("memory", title, programs, MEBI, {"autograd": 1.1}, peak_bytes)


# ---- a training step ----


def mlp_step(peers: Mapping[str, Any]) -> Workload:
    """Gradient descent on 128 images of 64 pixels, three hidden layers."""
    params, (x, y) = parameters(64, 128, 64, 32, 10), batch(128, 64, 10)
    step = ft.jit(partial(_step, ft.value_and_grad(partial(network, np))))
    programs: dict[str, Thunk] = {"functrans": partial(step, params, x, y)}
    if "autograd" in peers:
        gradient = import_module("autograd").value_and_grad(partial(network, peers["autograd"]))
        programs["autograd"] = partial(_step, gradient, params, x, y)
    if "jax" in peers:
        jax = peers["jax"]
        compiled = jax.jit(partial(_step, jax.value_and_grad(partial(network, jax.numpy))))
        programs["jax"] = lambda: jax.block_until_ready(compiled(params, x, y))
    if "torch" in peers:
        programs["torch"] = partial(_torch_step, peers["torch"], params, x, y)
    return Workload("training", "step of a network of 4 layers, 128 images", programs, MILLI)


def _step(gradient: Function, params: Tree, x: Any, y: Any) -> tuple[Any, Tree]:
    value, grads = gradient(params, x, y)
    return value, [(w - 0.1 * dw, b - 0.1 * db) for (w, b), (dw, db) in zip(params, grads, strict=True)]


def _torch_step(torch: Any, params: Tree, x: Any, y: Any) -> tuple[Any, Tree]:
    tensors = [(torch.tensor(w, requires_grad=True), torch.tensor(b, requires_grad=True)) for w, b in params]
    hidden, target = torch.from_numpy(x), torch.from_numpy(y)
    for w, b in tensors[:-1]:
        hidden = torch.tanh(hidden @ w + b)
    w, b = tensors[-1]
    loss = torch.nn.functional.cross_entropy(hidden @ w + b, target)
    loss.backward()
    with torch.no_grad():
        return loss.item(), [(w - 0.1 * w.grad, b - 0.1 * b.grad) for w, b in tensors]
