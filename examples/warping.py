"""What a layer does to space: W x turns, stretches and mirrors it, relu(W x + b) folds it.

    python examples/warping.py
    python examples/warping.py --seed 3

A grid and two kinds of points, one inside a ring of the other, go through the layers of a network that was trained to tell
them apart. No straight line parts them where they are; after the last layer one does. The colour of the grid tells how much
area a map makes of a small square: the determinant of its Jacobian, which `vmap(jacfwd(f))` gives at every point. Where
relu folds a side of the plane flat it is 0, and what lay there cannot be told apart any more.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import TwoSlopeNorm
from matplotlib.figure import Figure

import functrans as ft
from functrans import Array, nn, optim

Params: TypeAlias = list[tuple[Array, Array]]
Map: TypeAlias = Callable[[Array], Array]


def data(rng: np.random.Generator, count: int = 120) -> tuple[Array, Array]:
    """Points in a disc (0) and in a ring around it (1)."""
    labels = np.repeat([0, 1], count)
    radius = np.where(labels == 0, rng.uniform(0, 0.8, 2 * count), rng.uniform(1.2, 1.8, 2 * count))
    angle = rng.uniform(0, 2 * np.pi, 2 * count)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1), labels


def hidden(params: Params, x: Array, layers: int) -> Array:
    """The points after some of the layers: relu(W x + b) each."""
    for weight, bias in params[:layers]:
        x = nn.relu(nn.linear(x, weight, bias))
    return x


def loss(params: Params, points: Array, labels: Array) -> Array:
    """The cross-entropy of the scores that a last, affine layer makes."""
    *_, (weight, bias) = params
    return nn.cross_entropy(nn.linear(hidden(params, points, len(params) - 1), weight, bias), labels)


def areas(f: Map, points: Array) -> Array:
    """How much area f makes of a small square at each point: negative where it turns the square over."""
    found: Array = np.linalg.det(ft.vmap(ft.jacfwd(f))(points))
    return found


@dataclass(frozen=True)
class Result:
    """What a run has found."""

    params: Params
    losses: Array
    accuracy: float


def train(rng: np.random.Generator, points: Array, labels: Array) -> Result:
    """Of some random beginnings the one that ends best: relu may fold what it should not."""
    runs = []
    for _ in range(6):
        sizes = [(2, 2), (2, 2), (2, 2)]
        start = [(rng.normal(size=size), rng.normal(size=2) * 0.5 + 0.5) for size in sizes]
        runs.append(
            optim.descend(loss, start, points, labels, optimizer=optim.adam(0.03), epsilon=1e-7, k=20, max_steps=1500)
        )
    best = min(runs, key=lambda run: run.losses[-1])
    *_, (weight, bias) = best.params
    scores = nn.linear(hidden(best.params, points, 2), weight, bias)
    return Result(best.params, best.losses, float(np.mean(np.argmax(scores, axis=1) == labels)))


def main(argv: Sequence[str] | None = None) -> Result:
    """Train, draw."""
    options = parse(argv)
    rng = np.random.default_rng(options.seed)
    points, labels = data(rng)
    result = train(rng, points, labels)
    print(
        f"{'network':10s} 2 → 2 → 2 → 2, relu: loss {result.losses[-1]:.3f}, {result.accuracy:.1%} of the points right"
    )
    draw(result, points, labels).savefig(options.out, dpi=150)
    print(f"{'picture':10s} {options.out}")
    return result


def draw(result: Result, points: Array, labels: Array) -> Figure:
    """Above some maps of the plane, below the layers of the network, one after the other."""
    figure = Figure(figsize=(12, 6.4), layout="constrained")
    panels = figure.subplots(2, 4)
    turn = np.array([[0.9, -0.7], [0.5, 1.1]])
    squash = np.array([[1.0, 1.0], [0.5, 0.5]])
    maps: list[tuple[str, Map]] = [
        ("x", lambda x: x),
        ("W x", lambda x: turn @ x),
        ("W x, det W = 0", lambda x: squash @ x),
        ("relu(W x)", lambda x: nn.relu(turn @ x)),
        ("x", lambda x: x),
        ("W₁x + b₁", lambda x: nn.linear(x, *result.params[0])),
        ("h₁ = relu(W₁x + b₁)", lambda x: hidden(result.params, x, 1)),
        ("relu(W₂h₁ + b₂), and the line", lambda x: hidden(result.params, x, 2)),
    ]
    for axes, (title, f) in zip(panels.ravel(), maps, strict=True):
        grid(axes, f)
        axes.set_title(title, fontsize=12)
    for axes, (_, f) in zip(panels[1], maps[4:], strict=True):
        warped = ft.vmap(f)(points)
        for kind, color in enumerate(["tab:orange", "black"]):
            axes.plot(
                *warped[labels == kind].T,
                "o",
                markersize=3.5,
                color=color,
                markeredgecolor="white",
                markeredgewidth=0.3,
            )
    *_, (weight, bias) = result.params
    (a, b), c = weight[0] - weight[1], bias[0] - bias[1]
    panels[1, 3].axline(
        (-c * a / (a * a + b * b), -c * b / (a * a + b * b)), slope=-a / b, color="tab:red", linewidth=2
    )
    return figure


def grid(axes: Axes, f: Map) -> None:
    """The images of straight lines, coloured by the area that f makes there."""
    along, across = np.linspace(-2, 2, 161), np.linspace(-2, 2, 17)
    x, y = np.meshgrid(along, across)
    lines = np.concatenate([np.stack([x, y], -1), np.stack([y, x], -1)])
    flat = lines.reshape(-1, 2)
    warped, area = ft.jit(ft.vmap(f))(flat), areas(f, flat)
    norm = TwoSlopeNorm(0.0, -2.0, 2.0)
    axes.scatter(warped[:, 0], warped[:, 1], c=area, norm=norm, cmap="coolwarm_r", s=0.6, rasterized=True)
    axes.set(xticks=[], yticks=[])
    axes.set_aspect("equal", adjustable="datalim")


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(
        description="What layers do to the plane.", formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the points and the first weights")
    parser.add_argument("--out", type=Path, default=Path("warping.png"), help="the picture")
    return parser.parse_args(argv)


if __name__ == "__main__":
    main()
