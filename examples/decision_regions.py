"""How many hidden units, and how strong a penalty of the weights? The regions of small networks show it.

    python examples/decision_regions.py
    python examples/decision_regions.py --units 3 12 48 --penalties 0 0.01

Two kinds of points lie in two half moons, with some noise. Networks with one hidden layer of few or many tanh units, and with
none or more of an L2 penalty λ ∑ w², learn to tell them apart: with 1 unit by a straight line, with few by a simple curve, with
many and no penalty by one that winds around single points. Points that were not trained on tell which is best.

Read `loss` and `train`: all networks of one size are trained at once, `vmap` of a whole training over the penalties, and that
training is one compiled loop.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeAlias

import numpy as np
from matplotlib.figure import Figure
from sklearn.datasets import make_moons

import functrans as ft
from functrans import Array, lax, nn, optim

Params: TypeAlias = tuple[Array, Array, Array, Array]


def initial_params(rng: np.random.Generator, units: int) -> Params:
    """Weights and biases of both layers; the biases spread the units' bends over the plane."""
    first, second = rng.normal(size=(units, 2)) * 1.5, rng.normal(size=(1, units)) / np.sqrt(units)
    return first, rng.normal(size=units), second, np.zeros(1)


def score(params: Params, points: Array) -> Array:
    """Above 0 the network says moon 1, below moon 0; how far, how sure it is."""
    w1, b1, w2, b2 = params
    found: Array = nn.linear(nn.tanh(nn.linear(points, w1, b1)), w2, b2)[..., 0]
    return found


def loss(params: Params, penalty: Array, points: Array, labels: Array) -> Array:
    """The cross-entropy, averaged over the points, and the penalty of the weights (not of the biases)."""
    w1, _, w2, _ = params
    wrong = nn.binary_cross_entropy_with_logits(score(params, points), labels)
    total: Array = wrong + penalty * (np.sum(w1**2) + np.sum(w2**2))
    return total


def train(params: Params, steps: int, points: Array, labels: Array, penalty: Array) -> Params:
    """Adam, for a fixed number of steps."""
    rule = optim.adam(optim.cosine_decay_schedule(0.05, steps))

    def step(state: tuple[Params, object], _: None) -> tuple[tuple[Params, object], None]:
        params, memory = state
        updates, memory = rule.update(ft.grad(loss)(params, penalty, points, labels), memory, params)
        return (optim.apply_updates(params, updates), memory), None

    (params, _), _ = lax.scan(step, (params, rule.init(params)), None, length=steps)
    return params


@dataclass(frozen=True)
class Result:
    """For every number of units a tree of parameters with a leading axis of penalties, and how many points they get right."""

    units: list[int]
    penalties: list[float]
    networks: list[Params]
    trained: Array
    unseen: Array
    """Of (units, penalties): the share of the points that were trained on, and of others."""


def main(argv: Sequence[str] | None = None) -> Result:
    """Train, count, draw."""
    options = parse(argv)
    rng = np.random.default_rng(options.seed)
    points, labels = map(np.asarray, make_moons(60, noise=0.25, random_state=options.seed))
    others, others_labels = map(np.asarray, make_moons(2000, noise=0.25, random_state=options.seed + 1))
    networks, trained, unseen = [], [], []
    for units in options.units:
        start = initial_params(rng, units)
        train_all = ft.jit(ft.vmap(partial(train, start, options.steps, points, labels * 1.0)))
        networks.append(train_all(np.array(options.penalties)))
        every = ft.jit(ft.vmap(score, in_axes=(0, None)))
        trained.append(np.mean((every(networks[-1], points) > 0) == labels, axis=1))
        unseen.append(np.mean((every(networks[-1], others) > 0) == others_labels, axis=1))
        for penalty, a, b in zip(options.penalties, trained[-1], unseen[-1], strict=True):
            print(f"{units:4d} units, λ = {penalty:<8g} {a:6.1%} of the points trained on, {b:6.1%} of others")
    result = Result(options.units, options.penalties, networks, np.stack(trained), np.stack(unseen))
    draw(result, points, labels).savefig(options.out, dpi=150)
    print(f"picture {options.out}")
    return result


def draw(result: Result, points: Array, labels: Array) -> Figure:
    """A panel for each network: its probabilities in colours, and the points it was trained on."""
    rows, columns = len(result.units), len(result.penalties)
    figure = Figure(figsize=(2.9 * columns, 2.3 * rows), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False)
    x, y = np.meshgrid(np.linspace(-1.9, 2.9, 120), np.linspace(-1.5, 2.0, 120))
    every = ft.jit(ft.vmap(score, in_axes=(0, None)))
    for i, (units, networks) in enumerate(zip(result.units, result.networks, strict=True)):
        scores = every(networks, np.stack([x, y], axis=-1))
        for j, penalty in enumerate(result.penalties):
            axes = panels[i, j]
            axes.contourf(x, y, nn.sigmoid(scores[j]), levels=np.linspace(0, 1, 11), cmap="coolwarm", alpha=0.6)
            axes.contour(x, y, scores[j], levels=[0.0], colors="black", linewidths=1.2)
            axes.scatter(points[:, 0], points[:, 1], c=labels, cmap="coolwarm", s=12, edgecolor="white", linewidth=0.5)
            axes.set(xticks=[], yticks=[], xlabel=f"unseen {result.unseen[i, j]:.1%}")
            if i == 0:
                axes.set_title(f"λ = {penalty:g}", fontsize=12)
            if j == 0:
                axes.set_ylabel(f"{units} unit{'s' * (units > 1)}", fontsize=12)
    return figure


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(
        description="Decision regions of small networks.", formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument(
        "--units", type=int, nargs="+", default=[1, 3, 10, 100], metavar="N", help="in the hidden layer"
    )
    parser.add_argument("--penalties", type=float, nargs="+", default=[0, 1e-4, 1e-3, 1e-2], metavar="X", help="λ")
    parser.add_argument("--steps", type=int, default=3000, metavar="N", help="of each training")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the points and the first weights")
    parser.add_argument("--out", type=Path, default=Path("decision_regions.png"), help="the picture")
    return parser.parse_args(argv)


if __name__ == "__main__":
    main()
