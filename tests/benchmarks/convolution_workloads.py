"""The group `convolution`: layers of networks, forward and back to data and weights; pooling; and the mathematics by NumPy."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import product
from typing import Any, Literal, NamedTuple

import numpy as np

from tests.benchmarks import inputs
from tests.benchmarks.workload import BEST, Cut, Workload

Array = Any  # Any: arrays of every framework
Direction = Literal["forward", "data", "weights"]


class Layer(NamedTuple):
    """Images of `size` × `size`, windows of `window` × `window`."""

    title: str
    batch: int
    features: int
    outputs: int
    window: int
    stride: int
    padding: int
    size: int
    groups: int
    goal: float


LAYERS = (
    Layer("AlexNet 1", 16, 3, 64, 11, 4, 2, 224, 1, 0.6),
    Layer("AlexNet 2", 16, 64, 192, 5, 1, 2, 27, 1, 0.6),
    Layer("AlexNet 3", 16, 192, 384, 3, 1, 1, 13, 1, 0.6),
    Layer("AlexNet 4", 16, 384, 256, 3, 1, 1, 13, 1, 0.6),
    Layer("AlexNet 5", 16, 256, 256, 3, 1, 1, 13, 1, 0.6),
    Layer("3×3 64→64 @56", 32, 64, 64, 3, 1, 1, 56, 1, 0.45),
    Layer("1×1 64→256 @56", 32, 64, 256, 1, 1, 0, 56, 1, 0.9),
    Layer("depthwise 3×3 64 @56", 32, 64, 64, 3, 1, 1, 56, 64, 0.7),
)
DIRECTIONS: dict[Direction, str] = {"forward": "forward", "data": "data gradient", "weights": "weight gradient"}
PEERS = ("jax", "torch")


def convolution(cut: Cut) -> Iterator[Workload]:
    for layer in LAYERS:
        batch, features, outputs, window, size = cut(*layer[1:5], layer.size)
        groups = features if layer.groups > 1 else 1
        places = (size + 2 * layer.padding - window) // layer.stride + 1
        shapes = (
            (batch, features, size, size),
            (outputs, features // groups, window, window),
            (batch, outputs, places, places),
        )
        operations = 2.0 * batch * outputs * places**2 * window**2 * features // groups
        for direction, title in DIRECTIONS.items():
            if layer.features == 3 and direction == "data":
                continue  # nobody wants the gradient by the images themselves
            options = {"direction": direction, "stride": layer.stride, "padding": layer.padding, "groups": groups}
            yield Workload(
                "convolution", f"{layer.title}, batch {layer.batch}, {title}", "convolution",
                partial(inputs.normal, *shapes, dtype="float32"), options, {BEST: layer.goal}, 0.2,
                f"convolutions, {title}", operations=operations, peers=PEERS,
            )  # fmt: skip
    batch, features, size, places = *cut(16, 64, 55), (min(55, cut(55)[0]) - 3) // 2 + 1
    images, ct = (batch, features, size, size), (batch, features, places, places)
    for way in ("forward", "gradient"):
        name, arguments = f"max pool 3×3 / 2 of 16×64×55×55, {way}", partial(inputs.normal, images, ct, dtype="float32")
        yield Workload("convolution", name, "max_pool", arguments, {"direction": way}, {BEST: 1.0}, 0.2, peers=PEERS)


# ---- by NumPy, tap by tap ----


def convolved(x: Array, w: Array, g: Array, direction: Direction, stride: int, padding: int, groups: int) -> Array:
    batch, features, *_ = x.shape
    padded = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    padded = padded.reshape(batch, groups, features // groups, *padded.shape[2:])
    ct = g.reshape(batch, groups, w.shape[0] // groups, *g.shape[2:])
    weights = w.reshape(groups, w.shape[0] // groups, *w.shape[1:])
    out, back, grad = np.zeros_like(ct), np.zeros_like(padded), np.zeros_like(weights)
    for i, j in product(range(w.shape[2]), range(w.shape[3])):
        rows, columns = (
            slice(at, at + stride * (n - 1) + 1, stride) for at, n in zip((i, j), g.shape[2:], strict=True)
        )
        view, tap = padded[..., rows, columns], weights[..., i, j]
        if direction == "forward":
            out += np.einsum("ngchw,goc->ngohw", view, tap, optimize=True)
        elif direction == "data":
            back[..., rows, columns] += np.einsum("ngohw,goc->ngchw", ct, tap, optimize=True)
        else:
            grad[..., i, j] = np.einsum("ngchw,ngohw->goc", view, ct, optimize=True)
    if direction == "forward":
        return out.reshape(g.shape)
    if direction == "weights":
        return grad.reshape(w.shape)
    inner = slice(padding, padding + x.shape[2]), slice(padding, padding + x.shape[3])
    return back.reshape(batch, features, *padded.shape[3:])[..., *inner]


def pooled(x: Array, g: Array, direction: str) -> Array:
    out, grad = np.empty_like(g), np.zeros_like(x)
    for n, c, i, j in np.ndindex(*g.shape):
        window = x[n, c, 2 * i : 2 * i + 3, 2 * j : 2 * j + 3]
        a, b = np.unravel_index(np.argmax(window), window.shape)
        out[n, c, i, j] = window[a, b]
        grad[n, c, 2 * i + a, 2 * j + b] += g[n, c, i, j]
    return out if direction == "forward" else grad
