"""The softmax classifier and its hyperplanes; and why a network without activation functions is one, too.

    python examples/softmax_classifier.py
    python examples/softmax_classifier.py --layers 2 16 16 3     # any widths: it stays an affine map

Three kinds of points in the plane get three scores, s = W x + b, and softmax makes probabilities of them. Two classes are
equally probable where their scores are, (wᵢ − wⱼ)·x + bᵢ − bⱼ = 0: a straight line (in more dimensions a hyperplane).

A network that only multiplies by matrices and adds vectors cannot do more: W₂(W₁x + b₁) + b₂ = (W₂W₁)x + (W₂b₁ + b₂). Here
one with several layers is trained, multiplied out, and compared: the same numbers but for rounding, and the same loss as the
classifier's. Read `scores`, `loss` and `multiplied_out`; `optim.descend` is gradient descent until the loss stays the same.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TypeAlias

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from functrans import Array, nn, optim

Params: TypeAlias = list[tuple[Array, Array]]
"""(W, b) of each layer."""

COLORS = ["tab:blue", "tab:orange", "tab:green"]


def data(rng: np.random.Generator, count: int = 60) -> tuple[Array, Array]:
    """Points around three centres, and which centre each belongs to."""
    centres = np.array([[-2.0, -0.5], [1.5, -1.5], [0.5, 2.0]])
    labels = np.repeat(np.arange(3), count)
    return centres[labels] + rng.normal(scale=0.9, size=(3 * count, 2)), labels


def initial_params(rng: np.random.Generator, sizes: Sequence[int]) -> Params:
    """Random weights (Glorot and Bengio 2010), and no biases."""
    return [(rng.normal(scale=np.sqrt(2 / (m + n)), size=(n, m)), np.zeros(n)) for m, n in pairwise(sizes)]


def scores(params: Params, points: Array) -> Array:
    """Layer after layer, and nothing but affine maps."""
    for weight, bias in params:
        points = nn.linear(points, weight, bias)
    return points


def loss(params: Params, points: Array, labels: Array) -> Array:
    """The cross-entropy, averaged over the points, and a little of the weights' squares, which would else grow for ever."""
    error: Array = nn.cross_entropy(scores(params, points), labels) + 1e-3 * np.sum(multiplied_out(params)[0] ** 2)
    return error


def multiplied_out(params: Params) -> tuple[Array, Array]:
    """The one affine map that all layers together are."""
    (matrix, shift), *rest = params
    for weight, bias in rest:
        matrix, shift = weight @ matrix, weight @ shift + bias
    return matrix, shift


@dataclass(frozen=True)
class Result:
    """What a run has found."""

    points: Array
    labels: Array
    single: optim.Descent[Params]
    deep: optim.Descent[Params]
    difference: float
    """The largest between the scores of the deep network and those of the affine map that it is."""


def main(argv: Sequence[str] | None = None) -> Result:
    """Train both, compare, draw."""
    options = parse(argv)
    rng = np.random.default_rng(options.seed)
    points, labels = data(rng)
    runs = [
        optim.descend(
            loss, initial_params(rng, sizes), points, labels, learning_rate=0.2, epsilon=1e-9, k=5, progress=True
        )
        for sizes in ([2, 3], options.layers)
    ]
    single, deep = runs
    weight, bias = multiplied_out(deep.params)
    difference = float(np.max(np.abs(scores(deep.params, points) - (points @ weight.T + bias))))
    for name, run in (("softmax classifier", single), ("layers " + " → ".join(map(str, options.layers)), deep)):
        right = np.mean(np.argmax(scores(run.params, points), axis=1) == labels)
        print(f"{name:20s} loss {run.losses[-1]:.6f} after {len(run.losses)} steps, {right:.1%} of the points right")
    print(f"{'multiplied out':20s} the same scores to {difference:.0e}")
    result = Result(points, labels, single, deep, difference)
    draw(result).savefig(options.out, dpi=150)
    print(f"{'picture':20s} {options.out}")
    return result


def draw(result: Result) -> Figure:
    """The regions of the classifier with its hyperplanes, those of the deep network, and both losses."""
    figure = Figure(figsize=(12, 4.2), layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    for axes, run, title in (
        (left, result.single, "Softmax classifier"),
        (middle, result.deep, "Layers without activation functions"),
    ):
        regions(axes, result, run.params)
        axes.set_title(title, fontsize=12)
    for run, label, style in ((result.single, "one layer", "-"), (result.deep, "several layers", "--")):
        right.loglog(np.arange(1, len(run.losses) + 1), run.losses, style, linewidth=2, label=label)
    right.set(xlabel="step")
    right.set_title("Loss", fontsize=12)
    right.legend(frameon=False)
    right.grid(alpha=0.3)
    return figure


def regions(axes: Axes, result: Result, params: Params) -> None:
    """Probabilities in colours, and for each two classes the line where they are equal."""
    x, y = np.meshgrid(np.linspace(-5, 5, 200), np.linspace(-4.5, 5, 200))
    probabilities = nn.softmax(scores(params, np.stack([x, y], axis=-1)))
    palette = np.array([[0.12, 0.47, 0.71], [1.0, 0.5, 0.05], [0.17, 0.63, 0.17]])
    axes.imshow(0.5 + 0.5 * probabilities @ palette, extent=(-5, 5, -4.5, 5), origin="lower", aspect="auto")
    weight, bias = multiplied_out(params)
    for i, j in ((0, 1), (0, 2), (1, 2)):
        line = np.einsum("k,hwk->hw", weight[i] - weight[j], np.stack([x, y], axis=-1)) + bias[i] - bias[j]
        axes.contour(x, y, line, levels=[0.0], colors="black", linewidths=1, linestyles="--")
    for kind, color in enumerate(COLORS):
        axes.plot(
            *result.points[result.labels == kind].T,
            "o",
            color=color,
            markersize=4,
            markeredgecolor="white",
            markeredgewidth=0.5,
        )
    axes.set(xticks=[], yticks=[])


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(
        description="A softmax classifier, and a network without activation functions.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument(
        "--layers", type=int, nargs="+", default=[2, 8, 8, 3], metavar="N", help="from 2 inputs to 3 scores"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the points and the first weights")
    parser.add_argument("--out", type=Path, default=Path("softmax_classifier.png"), help="the picture")
    options = parser.parse_args(argv)
    if options.layers[0] != 2 or options.layers[-1] != 3 or min(options.layers) < 1:
        parser.error("--layers goes from 2 to 3")
    return options


if __name__ == "__main__":
    main()
