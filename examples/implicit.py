"""Penalties are learnt by gradient descent through the solution of ridge regression: hyper-gradients by the implicit function.

    python examples/implicit.py                  # a second
    python examples/implicit.py --steps 1000     # on and on: the held-out patients tell when to stop

How far will diabetes go within a year? Ten numbers of a patient, their squares and their products give 65 features: too many
for some hundred patients, so that each weight has to pay for its size. Ridge regression finds the weights

    w(θ) = argmin |X w − y|² / n + Σ exp(θᵢ) wᵢ²

for given penalties. Which penalties? Those with which patients that the weights have not seen are foretold best: one penalty
for all weights can be found by trying, 65 cannot, but the loss on the unseen is a smooth function of θ and has a gradient.

Read `weights` and `unseen_loss`. The weights are the solution of linear equations, found by conjugate gradients in however many
steps that takes. `grad` does not go back through those steps: it solves the same equations once more (`cg` is built on
`lax.custom_linear_solve`), so the gradient costs as much as the solution, and needs no memory of the way to it.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure
from sklearn.datasets import load_diabetes

import functrans as ft
from functrans import Array, lax
from functrans.scipy.sparse.linalg import cg

MEASURED = ["age", "sex", "bmi", "bp", "s1", "s2", "s3", "s4", "s5", "s6"]
"""Body mass index, blood pressure, six values of the blood serum: Efron, Hastie, Johnstone and Tibshirani (2004)."""


# ---- the patients ----


class Patients(NamedTuple):
    """Features, one row a patient, and how far the disease has gone, in standard deviations from the mean."""

    features: Array
    progression: Array


def load() -> tuple[list[Patients], list[str]]:
    """Patients to fit the weights to, to choose the penalties by, and to judge both by; and the names of the features."""
    measured, target = map(np.asarray, load_diabetes(return_X_y=True))
    first, second = np.triu_indices(len(MEASURED))
    features = np.concatenate([measured, measured[:, first] * measured[:, second]], axis=1)
    features = (features - features.mean(axis=0)) / features.std(axis=0)
    target = (target - target.mean()) / target.std()
    names = [*MEASURED, *(f"{MEASURED[i]}·{MEASURED[j]}" for i, j in zip(first, second, strict=True))]
    order = np.random.default_rng(0).permutation(len(target))
    return [Patients(features[part], target[part]) for part in np.split(order, [150, 300])], names


# ---- the regression, and what is asked of it ----


def loss(patients: Patients, weights: Array) -> Array:
    """The mean square of the errors: 1 is what foretelling the mean would give."""
    error: Array = ((patients.features @ weights - patients.progression) ** 2).mean()
    return error


def weights(patients: Patients, penalties: Array) -> Array:
    """The weights that ridge regression finds, for the logarithms of the penalties."""
    features, progression = patients
    count = len(progression)

    def normal(w: Array) -> Array:
        product: Array = features.T @ (features @ w) / count + np.exp(penalties) * w
        return product

    found, _ = cg(normal, features.T @ progression / count, tol=1e-10)
    return found


def unseen_loss(fitted: Patients, unseen: Patients, penalties: Array) -> Array:
    """How badly some patients are foretold by weights that were fitted to others: a function of the penalties alone."""
    return loss(unseen, weights(fitted, penalties))


# ---- the search ----


def descend(fitted: Patients, unseen: Patients, start: Array, steps: int, learning_rate: float) -> tuple[Array, Array]:
    """Gradient descent, one compiled function: the penalties before each step, and the losses."""
    gradient_of = ft.value_and_grad(partial(unseen_loss, fitted, unseen))

    def step(penalties: Array, _: None) -> tuple[Array, tuple[Array, Array]]:
        value, gradient = gradient_of(penalties)
        return penalties - learning_rate * gradient, (penalties, value)

    _, (path, losses) = ft.jit(lambda start: lax.scan(step, start, None, length=steps))(start)
    return path, losses


# ---- the program ----


class Curve(NamedTuple):
    """One penalty for all weights: the losses for several, and the slope that `grad` finds of the second."""

    penalties: Array
    fitted: Array
    chosen: Array
    judged: Array
    slopes: Array


@dataclass(frozen=True)
class Result:
    """What a run has found."""

    curve: Curve
    names: list[str]
    path: Array
    """The penalties before each step."""
    chosen: Array
    """The loss that the descent makes small, before each step."""
    judged: Array
    """That of the patients that neither weights nor penalties were fitted to."""
    weights: Array
    """For the best single penalty, and for those of the last step."""


def curve(groups: Sequence[Patients], penalties: Array) -> Curve:
    """What one penalty for all weights gives, every penalty a lane of one compiled function."""
    first = groups[0]
    count = first.features.shape[1]

    def each(penalty: Array) -> tuple[Array, ...]:
        found = weights(first, np.broadcast_to(penalty, count))
        fitted, chosen, judged = (loss(group, found) for group in groups)
        slope = ft.grad(lambda one: unseen_loss(first, groups[1], np.broadcast_to(one, count)))(penalty)
        return fitted, chosen, judged, slope

    return Curve(penalties, *ft.jit(ft.vmap(each))(penalties))


def main(argv: Sequence[str] | None = None) -> Result:
    """Try single penalties, descend from the best, print, draw."""
    options = parse(argv)
    groups, names = load()
    fitted, unseen, last = groups
    single = curve(groups, np.linspace(-7, 4, 45))
    best = np.full(len(names), single.penalties[np.argmin(single.chosen)])
    path, chosen = descend(fitted, unseen, best, options.steps, options.learning_rate)
    judged = ft.jit(ft.vmap(partial(unseen_loss, fitted, last)))(path)
    result = Result(single, names, path, chosen, judged, np.stack([weights(fitted, end) for end in (best, path[-1])]))
    for title, at in (("no penalty to speak of", None), ("the best single one", 0), (f"65, {len(path)} steps", -1)):
        both = (single.chosen[0], single.judged[0]) if at is None else (chosen[at], judged[at])
        print(f"{title:24s}{both[0]:.3f} on patients to choose by, {both[1]:.3f} on others")
    draw(result).savefig(options.out, dpi=150)
    print(f"{'picture':24s}{options.out}")
    return result


def draw(result: Result) -> Figure:
    """The losses over one penalty with their slopes, the descent in 65, and the weights before and after."""
    figure = Figure(figsize=(12, 4.4), layout="constrained")
    single, descent, bars = figure.subplots(1, 3, width_ratios=(1.3, 1, 1))
    colors = {"fitted": "tab:gray", "chosen": "tab:blue", "judged": "tab:red"}
    label = {"fitted": "the weights are fitted to", "chosen": "the penalties are chosen by", "judged": "neither"}

    over = result.curve
    for group, color in colors.items():
        single.plot(over.penalties, getattr(over, group), color=color, linewidth=2, label=label[group])
    for at in range(2, len(over.penalties), 5):
        run = np.array([-0.5, 0.5])
        single.plot(over.penalties[at] + run, over.chosen[at] + run * over.slopes[at], color="black", linewidth=1.2)
    single.set(xlabel="θ, the logarithm of one penalty for all weights", ylabel="mean square error", ylim=(0.25, 1.1))
    single.set_title("One penalty; slopes by the implicit function", fontsize=12)
    single.legend(frameon=False, title="loss on patients that …", loc="upper left", alignment="left")

    for group in ("chosen", "judged"):
        descent.plot(getattr(result, group), color=colors[group], linewidth=2)
    descent.set(xlabel="step", xlim=(0, len(result.path) - 1))
    descent.set_title("65 penalties: gradient descent", fontsize=12)

    before, after = result.weights
    shown = np.argsort(-np.abs(after))[:12]
    rows = np.arange(len(shown))[::-1]
    bars.barh(rows + 0.2, before[shown], 0.36, color="tab:gray", label="one penalty")
    bars.barh(rows - 0.2, after[shown], 0.36, color="tab:green", label="65 penalties")
    bars.set_yticks(rows, [result.names[i] for i in shown])
    bars.set_title("The largest weights", fontsize=12)
    bars.legend(frameon=False, loc="lower right")
    for axes in (single, descent, bars):
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
    return figure


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(
        description="Learn the penalties of ridge regression by gradient descent.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--steps", type=int, default=100, metavar="N", help="steps of gradient descent")
    parser.add_argument("--learning-rate", type=float, default=5.0, metavar="X", help="step length")
    parser.add_argument("--out", type=Path, default=Path("implicit.png"), help="the picture")
    return parser.parse_args(argv)


if __name__ == "__main__":
    main()
