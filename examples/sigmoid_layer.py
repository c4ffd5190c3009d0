"""A layer, σ(W x + b), written in three ways: as an operator with forward and backward, as a formula, with a new primitive.

    python examples/sigmoid_layer.py
    python examples/sigmoid_layer.py --units 512 --batch 256

The modular way of backpropagation has operators with two methods. `forward` computes, and keeps what will be needed;
`backward` takes the upstream gradient, by the operator's result, multiplies it by the local derivatives, and hands the
downstream gradients, by the operator's inputs, on. `custom_vjp` makes of such a pair a function that `grad` takes as it is.

Who writes a formula gets both from functrans; and who has a function that functrans does not know, here σ itself, adds a
primitive: its value and its local derivative, once, and everything else follows. All three give the same numbers.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from matplotlib.figure import Figure

import functrans as ft
from functrans import Array
from functrans.ops.arithmetic import mul, sub
from functrans.ops.families import FLOATING, apply1, unary

Layer: TypeAlias = Callable[[Array, Array, Array], Array]
"""`(x, weight, bias) -> y`, of shapes (batch, in), (out, in), (out,) and (batch, out)."""


# ---- 1. an operator with forward and backward ----


class Kept(NamedTuple):
    """What the backward pass needs to know of the forward pass."""

    x: Array
    weight: Array
    y: Array


def forward(x: Array, weight: Array, bias: Array) -> tuple[Array, Kept]:
    """The values of the layer, and what to keep."""
    y = 1 / (1 + np.exp(-(x @ weight.T + bias)))
    return y, Kept(x, weight, y)


def backward(kept: Kept, upstream: Array) -> tuple[Array, Array, Array]:
    """The downstream gradients: by x, by the weights and by the bias."""
    x, weight, y = kept
    local = y * (1 - y)  # σ' = σ (1 − σ)
    by_sum = upstream * local
    return by_sum @ weight, by_sum.T @ x, np.sum(by_sum, axis=0)


@ft.custom_vjp
def operator(x: Array, weight: Array, bias: Array) -> Array:
    """The layer as an operator."""
    return forward(x, weight, bias)[0]


operator.defvjp(forward, backward)


# ---- 2. a formula ----


def formula(x: Array, weight: Array, bias: Array) -> Array:
    """The layer as it is written on paper."""
    y: Array = 1 / (1 + np.exp(-(x @ weight.T + bias)))
    return y


# ---- 3. a new primitive ----

# The value, and the gradient downstream from the one upstream, the result and the operand.
sigma_p = unary("sigma", lambda z: 1 / (1 + np.exp(-z)), FLOATING, lambda g, y, _: mul(g, mul(y, sub(1, y))))


def primitive(x: Array, weight: Array, bias: Array) -> Array:
    """The layer with a σ that functrans had not known."""
    return apply1(sigma_p, x @ weight.T + bias)


# ---- the comparison ----

WAYS: dict[str, Layer] = {"operator": operator, "formula": formula, "primitive": primitive}


@dataclass(frozen=True)
class Result:
    """What each way gives: the values, and the gradients by x, weight and bias for one upstream gradient."""

    upstream: Array
    values: dict[str, Array]
    gradients: dict[str, tuple[Array, Array, Array]]
    microseconds: dict[str, float]
    """For a compiled forward and backward pass."""


def main(argv: Sequence[str] | None = None) -> Result:
    """Compute all three ways, compare, draw."""
    options = parse(argv)
    rng = np.random.default_rng(options.seed)
    inputs = (
        rng.normal(size=(options.batch, options.inputs)),
        rng.normal(size=(options.units, options.inputs)) / np.sqrt(options.inputs),
        rng.normal(size=options.units),
    )
    upstream = rng.normal(size=(options.batch, options.units))
    values: dict[str, Array] = {}
    gradients: dict[str, tuple[Array, Array, Array]] = {}
    times: dict[str, float] = {}
    for name, layer in WAYS.items():

        def both(inputs: Any, upstream: Array, layer: Layer = layer) -> tuple[Array, Any]:
            y, pull = ft.vjp(layer, *inputs)
            return y, pull(upstream)

        compiled = ft.jit(both)
        values[name], gradients[name] = compiled(inputs, upstream)
        times[name] = seconds_of(compiled, inputs, upstream) * 1e6
    result = Result(upstream, values, gradients, times)
    for name in WAYS:
        off = max(float(np.max(np.abs(a - b))) for a, b in zip(gradients[name], gradients["operator"], strict=True))
        print(f"{name:10s} {times[name]:8.1f} µs forward and backward, gradients within {off:.0e} of the operator's")
    draw(result).savefig(options.out, dpi=150)
    print(f"{'picture':10s} {options.out}")
    return result


def seconds_of(f: Callable[..., Any], *args: Any) -> float:
    """The least of several times of a call."""
    times = []
    for _ in range(20):
        start = perf_counter()
        f(*args)
        times.append(perf_counter() - start)
    return min(times)


def draw(result: Result) -> Figure:
    """From left to right, as backpropagation goes: upstream, local, and the downstream gradients by x and by the weights."""
    figure = Figure(figsize=(11, 3.6), layout="constrained")
    y = result.values["operator"]
    by_x, by_weight, _ = result.gradients["operator"]
    images = [("upstream ∂L/∂y", result.upstream), ("local σ′ = y (1 − y)", y * (1 - y)), ("downstream ∂L/∂x", by_x)]
    for axes, (title, image) in zip(figure.subplots(1, 4), [*images, ("downstream ∂L/∂W", by_weight)], strict=True):
        most = np.max(np.abs(image))
        axes.imshow(image, cmap="coolwarm", vmin=-most, vmax=most, aspect="auto", interpolation="nearest")
        axes.set(xticks=[], yticks=[])
        axes.set_title(f"{title}\n{image.shape[0]} × {image.shape[1]}", fontsize=11)
    return figure


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(
        description="A sigmoid layer in three ways.", formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--batch", type=int, default=32, metavar="N", help="samples")
    parser.add_argument("--inputs", type=int, default=24, metavar="N", help="numbers of a sample")
    parser.add_argument("--units", type=int, default=16, metavar="N", help="results of a sample")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of all numbers")
    parser.add_argument("--out", type=Path, default=Path("sigmoid_layer.png"), help="the picture")
    return parser.parse_args(argv)


if __name__ == "__main__":
    main()
