"""The mathematics of the workloads, for whatever has NumPy's functions: `xp` is that module."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple  # Any: arrays of every framework

from tests.benchmarks.inputs import Tree

RATE = 0.1
"""Of gradient descent."""
EPSILON = 1e-5
"""Of layer norm."""


def wave(xp: Any, x: Any) -> Any:
    return xp.sum(xp.sin(x) ** 2 + xp.exp(-x))


def unrolled(xp: Any, x: Any) -> Any:
    for _ in range(300):
        x = xp.sin(x) * 1.01
    return xp.sum(x)


class Pair(NamedTuple):
    """Two arrays as a named tuple."""

    weights: Any
    offsets: Any


@dataclass
class Layer:
    """Two arrays as a dataclass; each framework registers it."""

    weights: Any
    offsets: Any


CONTAINERS: Mapping[str, Callable[[Any], Any]] = {
    "a list": list,
    "a dict of dicts": lambda pairs: {f"layer {i}": dict(zip("bw", pair, strict=True)) for i, pair in enumerate(pairs)},
    "named tuples": lambda pairs: [Pair(*pair) for pair in pairs],
    "dataclasses": lambda pairs: [Layer(*pair) for pair in pairs],
}


def contain(container: str, arrays: Sequence[Any]) -> Any:
    """Arrays, an even number of them, in a container."""
    return CONTAINERS[container](arrays if container == "a list" else list(zip(arrays[::2], arrays[1::2], strict=True)))


def update(tree_map: Callable[..., Any], params: Any, x: Any, y: Any) -> Any:
    """New parameters, each by the same arithmetic."""
    return tree_map(lambda p: p + x * y, params)


CHAINS: Mapping[str, Callable[[Any, Any], Any]] = {
    "tanh(1.01 x + 0.1)": lambda xp, x: xp.tanh(x * 1.01 + 0.1),
    "sin(x) exp(−x)": lambda xp, x: xp.sin(x) * xp.exp(-x),
    "x (1 + x)": lambda xp, x: x * (1.0 + x),
}


def chain(xp: Any, layer: str, x: Any) -> Any:
    for _ in range(50):
        x = CHAINS[layer](xp, x)
    return xp.sum(x)


def activate(xp: Any, activation: str, x: Any) -> Any:
    return xp.tanh(x) if activation == "tanh" else xp.maximum(x, 0)


def log_softmax(xp: Any, x: Any) -> Any:
    shifted = x - xp.max(x, axis=-1, keepdims=True)
    return shifted - xp.log(xp.sum(xp.exp(shifted), axis=-1, keepdims=True))


def network_loss(xp: Any, activation: str, params: Tree, x: Any, y: Any) -> Any:
    """The mean cross-entropy of a network."""
    for w, b in params[:-1]:
        x = activate(xp, activation, x @ w + b)
    w, b = params[-1]
    return -xp.mean(xp.sum(log_softmax(xp, x @ w + b) * y, axis=-1))


def descend(value_and_grad: Callable[..., Any], params: Tree, x: Any, y: Any) -> tuple[Any, Tree]:
    """A step of gradient descent; the parameters are new arrays."""
    value, grads = value_and_grad(params, x, y)
    return value, [(w - RATE * dw, b - RATE * db) for (w, b), (dw, db) in zip(params, grads, strict=True)]


def descend_in_place(value_and_grad: Callable[..., Any], params: Tree, x: Any, y: Any) -> tuple[Any, Tree]:
    """The same into the parameters' own memory."""
    value, grads = value_and_grad(params, x, y)
    for pair, changes in zip(params, grads, strict=True):
        for parameter, change in zip(pair, changes, strict=True):
            change *= RATE
            parameter -= change
    return value, params


def network_products(weights: Any, inputs: Any, cts: Any) -> tuple[Any, ...]:
    """The matrix products of a training step: forward, backward to the weights, backward to the hidden layers."""
    forward = [x @ w for x, w in zip(inputs, weights, strict=True)]
    to_weights = [x.T @ ct for x, ct in zip(inputs, cts, strict=True)]
    to_inputs = [ct @ w.T for ct, w in zip(cts[1:], weights[1:], strict=True)]
    return forward, to_weights, to_inputs


def product(form: str) -> Callable[[Any, Any], Any]:
    """`a @ b` for operands stored as `form` says."""
    return {
        "NN": lambda a, b: a @ b,
        "NT": lambda a, b: a @ b.T,
        "TN": lambda a, b: a.T @ b,
    }[form]


def logistic_loss(xp: Any, w: Any, x: Any, y: Any) -> Any:
    z = x @ w
    return xp.mean(xp.logaddexp(0, z) - y * z)


def rosenbrock(x: Any) -> Any:
    return (100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum()


FIVE: Sequence[Callable[[Any, Any], Any]] = (
    lambda xp, x: x * xp.tanh(x),
    lambda xp, x: xp.sum(xp.exp(x) ** 2),
    lambda xp, x: xp.outer(x, x) @ x,
    lambda xp, x: (x - xp.mean(x)) / xp.sqrt(xp.mean(x**2)),
    lambda xp, x: xp.where(x > 0.5, xp.sin(x), xp.cos(x)),
)
"""Small programs, of one array of numbers."""


def gelu(erf: Callable[[Any], Any], x: Any) -> Any:
    return 0.5 * x * (1 + erf(x * 0.5**0.5))


def mish(xp: Any, x: Any) -> Any:
    return x * xp.tanh(xp.logaddexp(0, x))


def layer_norm(xp: Any, x: Any, scale: Any, offset: Any) -> Any:
    centred = x - xp.mean(x, axis=-1, keepdims=True)
    variance = xp.mean(centred**2, axis=-1, keepdims=True)
    return centred / xp.sqrt(variance + EPSILON) * scale + offset
