"""The group `networks`: convolutional networks and their parts; and their mathematics, for all that have JAX's names."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from math import prod
from typing import Any, Literal, NamedTuple

import numpy as np

from tests.benchmarks import inputs
from tests.benchmarks.inputs import Tree
from tests.benchmarks.workload import BEST, Cut, Workload

Array = Any  # Any: arrays of every framework
RATE, MOMENTUM = 0.01, 0.9


class Layer(NamedTuple):
    """A convolution with relu; then, if it is pooled, the largest of windows of so many pixels, two apart."""

    features: int
    window: int
    stride: int
    padding: int
    pooled: int = 0


class Network(NamedTuple):
    """Layers of convolutions on images, then dense ones with relu between them; the last one has as many units as classes."""

    layers: tuple[Layer, ...]
    units: tuple[int, ...]
    features: int
    size: int


ALEXNET = Network(
    (Layer(64, 11, 4, 2, 3), Layer(192, 5, 1, 2, 3), Layer(384, 3, 1, 1), Layer(256, 3, 1, 1), Layer(256, 3, 1, 1, 3)),
    (4096, 4096, 1000), 3, 224,
)  # fmt: skip
LENET = Network((Layer(6, 5, 1, 2, 2), Layer(16, 5, 1, 0, 2)), (120, 84, 10), 1, 28)


def thinned(network: Network, cut: Cut) -> Network:
    """With no more features than a run wants, of images that are as large as the layers need then."""
    layers = tuple(layer._replace(features=cut(layer.features)[0]) for layer in network.layers)
    size = network.size if network is LENET or cut(network.size)[0] == network.size else 63
    return Network(layers, cut(*network.units), network.features, size)


def shapes(network: Network) -> Iterator[tuple[int, ...]]:
    """Of each layer's weights, outputs first."""
    features, size = network.features, network.size
    for layer in network.layers:
        yield layer.features, features, layer.window, layer.window
        features, size = layer.features, (size + 2 * layer.padding - layer.window) // layer.stride + 1
        size = (size - layer.pooled) // 2 + 1 if layer.pooled else size
    width = features * size * size
    for units in network.units:
        yield units, width
        width = units


def initial(network: Network, batch: int) -> tuple[Tree, Array, Array]:
    """Parameters [(w, b), …], images and their one-hot classes."""
    rng = np.random.default_rng(0)
    scaled = [(rng.standard_normal(shape, np.float32), prod(shape[1:])) for shape in shapes(network)]
    params = [(w * np.float32((2 / inside) ** 0.5), np.zeros(len(w), np.float32)) for w, inside in scaled]
    x = rng.standard_normal((batch, network.features, network.size, network.size), np.float32)
    return params, x, np.eye(network.units[-1], dtype=np.float32)[rng.integers(0, network.units[-1], batch)]


def gradients(network: Network) -> tuple[Tree, Tree]:
    """Parameters, and gradients by them."""
    params, _, _ = initial(network, 1)
    return params, inputs.map_leaves(lambda leaf: np.cos(leaf), params)


def networks(cut: Cut) -> Iterator[Workload]:
    (alexnet, lenet), (few, many) = (thinned(network, cut) for network in (ALEXNET, LENET)), cut(16, 128)
    title = "AlexNet step with momentum, batch 16"
    yield training(title, alexnet, few, {BEST: 0.5}, bar="AlexNet step")
    yield training(f"{title}, highest precision", alexnet, few, {BEST: 0.85}, precision="highest")
    yield training(f"peak of an {title}", alexnet, few, {BEST: 0.9}, measures="peak")
    yield training("LeNet step with momentum, batch 128", lenet, many, {BEST: 0.5}, bar="LeNet step")
    for size, name, goal in ((10**3, "10³", 0.3), (10**6, "10⁶", 0.6)):
        pair = partial(inputs.normal, *[cut(size)] * 2, dtype="float32", scale=3.0)
        title = f"sigmoid forward and backward, {name} float32"
        yield Workload("networks", title, "sigmoid_grad", pair, {}, {BEST: goal}, 0.2, "sigmoid layer")
    name, arguments = "Adam step over AlexNet's 61 million parameters", partial(gradients, alexnet)
    yield Workload("networks", name, "adam", arguments, {}, {"torch": 0.6, "jax": 0.6}, 0.2, "Adam")


def training(
    name: str, network: Network, batch: int, goals: Mapping[str, float], *, precision: str | None = None, bar: str = "",
    measures: Literal["time", "peak"] = "time",
) -> Workload:  # fmt: skip
    """A step with momentum."""
    options = {"network": network, "precision": precision}
    start = partial(initial, network, batch)
    return Workload("networks", name, "network_step", start, options, goals, 0.2, bar, measures=measures)


# ---- for all that have JAX's names ----


def scores(xp: Any, lax: Any, network: Network, precision: str | None, params: Tree, x: Array) -> Array:
    """A score for each class."""
    for layer, (w, b) in zip(network.layers, params, strict=False):
        pairs = [(layer.padding, layer.padding)] * 2
        x = lax.conv_general_dilated(x, w, (layer.stride,) * 2, pairs, precision=precision) + b[:, None, None]
        x = xp.maximum(x, 0)
        if layer.pooled:
            window = (1, 1, layer.pooled, layer.pooled)
            x = lax.reduce_window(x, -np.inf, lax.max, window, (1, 1, 2, 2), "VALID")
    x = x.reshape(len(x), -1)
    *hidden, (w, b) = params[len(network.layers) :]
    for weights, bias in hidden:
        x = xp.maximum(x @ weights.T + bias, 0)
    return x @ w.T + b


def loss(
    xp: Any, lax: Any, log_softmax: Callable[[Array], Array], network: Network, precision: str | None, params: Tree,
    x: Array, y: Array,
) -> Array:  # fmt: skip
    """The mean cross-entropy."""
    return -xp.mean(xp.sum(log_softmax(scores(xp, lax, network, precision, params, x)) * y, axis=-1))


def momentum_step(
    value_and_grad: Callable[..., Any], state: tuple[Tree, Tree], x: Array, y: Array
) -> tuple[Array, tuple[Tree, Tree]]:
    """A step of gradient descent with momentum; the state has parameters and velocities. The loss is that before it."""
    params, velocities = state
    value, grads = value_and_grad(params, x, y)
    velocities = _each(lambda v, g: MOMENTUM * v + g, velocities, grads)
    return value, (_each(lambda p, v: p - RATE * v, params, velocities), velocities)


def _each(f: Callable[..., Array], *trees: Sequence[Sequence[Array]]) -> Tree:
    return [tuple(f(*leaves) for leaves in zip(*pairs, strict=True)) for pairs in zip(*trees, strict=True)]
