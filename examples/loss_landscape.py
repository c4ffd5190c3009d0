"""Convex and non-convex: functions of one number, and lines through the loss of a network.

    python examples/loss_landscape.py
    python examples/loss_landscape.py --depth 2 --seed 5

Where the second derivative is nowhere negative a function is convex: it lies above all its tangents and below all its chords,
and each minimum is the minimum. The loss of the softmax classifier is so along every line through its parameters. That of a
network with 10 inputs, layers of 32 relu units and 10 classes is not: between two networks that were trained from different
beginnings, and both know all samples by heart, there is a hill.

Read `slices`: the loss at every point of a line is `vmap` of the loss over t. Second derivatives are `grad(grad(f))`.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import functrans as ft
from functrans import Array, nn, optim

Params: TypeAlias = list[tuple[Array, Array]]

FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "log(1 + eˣ) + x²/8": lambda x: nn.softplus(x) + x**2 / 8,
    "x²/8 + cos 2x": lambda x: x**2 / 8 + np.cos(2 * x),
}


def network(rng: np.random.Generator, sizes: Sequence[int]) -> Params:
    """Random weights as for training (He et al. 2015)."""
    return [(rng.normal(scale=np.sqrt(2 / m), size=(n, m)), rng.normal(scale=0.1, size=n)) for m, n in pairwise(sizes)]


def loss(params: Params, inputs: Array, labels: Array) -> Array:
    """The cross-entropy of the last layer's scores, averaged over the samples."""
    *hidden, last = params
    for layer in hidden:
        inputs = nn.relu(nn.linear(inputs, *layer))
    return nn.cross_entropy(nn.linear(inputs, *last), labels)


def slices(pairs: Sequence[tuple[Params, Params]], steps: Array, inputs: Array, labels: Array) -> Array:
    """L(a + t (b − a)) for every pair of parameters a and b, and every t."""

    def at(t: Array, a: Params, b: Params) -> Array:
        return loss(ft.tree.map(lambda p, q: p + t * (q - p), a, b), inputs, labels)

    along = ft.jit(ft.vmap(at, in_axes=(0, None, None)))
    return np.stack([along(steps, a, b) for a, b in pairs])


def train(params: Params, inputs: Array, labels: Array) -> Params:
    """The parameters at the end of a training that learns all samples."""
    return optim.descend(loss, params, inputs, labels, optimizer=optim.adam(0.01), epsilon=0, max_steps=500).params


@dataclass(frozen=True)
class Result:
    """What a run has found."""

    steps: Array
    classifier: Array
    network: Array
    """Losses of (pairs, steps)."""

    @property
    def bends(self) -> tuple[float, float]:
        """The least second derivative of the slices of both."""
        step = self.steps[1] - self.steps[0]
        classifier, network = (
            float(np.min(np.diff(one, 2, axis=1)) / step**2) for one in (self.classifier, self.network)
        )
        return classifier, network


def main(argv: Sequence[str] | None = None) -> Result:
    """Slice, count, draw."""
    options = parse(argv)
    rng = np.random.default_rng(options.seed)
    inputs, labels = rng.normal(size=(100, 10)), rng.integers(0, 10, 100)
    steps = np.linspace(-0.5, 1.5, 401)
    sizes = [10, *[32] * (options.depth - 1), 10]
    classifiers = [(network(rng, [10, 10]), network(rng, [10, 10])) for _ in range(options.pairs)]
    networks = [[train(network(rng, sizes), inputs, labels) for _ in range(2)] for _ in range(options.pairs)]
    result = Result(
        steps, slices(classifiers, steps, inputs, labels), slices([(a, b) for a, b in networks], steps, inputs, labels)
    )
    convex, hilly = result.bends
    print(f"softmax classifier: least second derivative {convex:+.4f}: convex")
    ends, between = result.network[:, [100, 300]], result.network[:, 100:301]
    print(
        f"{options.depth} layers: {hilly:+.1f}; the loss is {ends.max():.3f} at both ends, {between.max():.1f} between them"
    )
    draw(result, options.depth).savefig(options.out, dpi=150)
    print(f"picture {options.out}")
    return result


def draw(result: Result, depth: int) -> Figure:
    """Two functions of one number above, the slices below."""
    figure = Figure(figsize=(10, 7), layout="constrained")
    panels = figure.subplots(2, 2)
    for axes, (name, f) in zip(panels[0], FUNCTIONS.items(), strict=True):
        one(axes, f)
        axes.set_title(name, fontsize=12)
    titles = ["Softmax classifier: a and b at random", f"{depth} layers with relu: a and b are trained"]
    for axes, losses, title in zip(panels[1], (result.classifier, result.network), titles, strict=True):
        axes.plot(result.steps, losses.T, linewidth=1.6)
        axes.set(xlabel="t", ylabel="L(a + t (b − a))", ylim=(0, 1.3 * losses[:, 100:301].max()))
        axes.set_title(title, fontsize=12)
    for axes in panels.ravel():
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
    return figure


def one(axes: Axes, f: Callable[[Any], Any]) -> None:
    """A function, green where it curves up and red where it curves down, with a tangent and a chord."""
    x = np.linspace(-5, 5, 801)
    y, bend = ft.vmap(f)(x), ft.vmap(ft.grad(ft.grad(f)))(x)
    axes.scatter(x, y, c=np.where(bend >= 0, "tab:green", "tab:red"), s=4)
    start = -2.0
    value, slope = ft.value_and_grad(f)(start)
    axes.plot(x, value + slope * (x - start), color="black", linewidth=1, label="tangent")
    ends = np.array([-4.0, 3.0])
    axes.plot(ends, f(ends), "--o", color="tab:gray", markersize=4, label="chord")
    axes.set_ylim(y.min() - 1, y.max() + 0.5)
    axes.legend(frameon=False)


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(
        description="Convex and non-convex functions and losses.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--depth", type=int, default=4, metavar="N", help="layers of the network")
    parser.add_argument("--pairs", type=int, default=5, metavar="N", help="how many slices")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of data and parameters")
    parser.add_argument("--out", type=Path, default=Path("loss_landscape.png"), help="the picture")
    return parser.parse_args(argv)


if __name__ == "__main__":
    main()
