"""Gradient descent against its learning rate η: too small takes for ever, too large never arrives.

    python examples/learning_rates.py
    python examples/learning_rates.py --epsilon 1e-8

A softmax classifier learns handwritten digits by whole-batch gradient descent until |L(t+5) − L(t)| < ε, for many values of
η at once: `vmap` of the training over η. Near a minimum the loss is a bowl, and descent in a bowl of largest curvature c is
thrown out of it beyond η = 2/c: it may come to rest in an oscillation that goes round the minimum and looks like an end, but is
above it. c is the largest eigenvalue of the Hessian, which power iteration finds by products of the Hessian and vectors
(`ft.hvp`), with no Hessian in memory. Read `train` and `largest_curvature`.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from sklearn.datasets import load_digits

import functrans as ft
from functrans import Array, lax, nn

WINDOW = 5
PENALTY = 1e-3
"""A little of the squares of the weights, so that there is a minimum."""


def loss(params: Array, pixels: Array, digits: Array) -> Array:
    """The cross-entropy, averaged over the images. params: 10 rows of 64 weights and a bias."""
    error: Array = nn.cross_entropy(nn.linear(pixels, params[:, :64], params[:, 64]), digits) + PENALTY * np.sum(
        params**2
    )
    return error


def train(pixels: Array, digits: Array, steps: int, rate: Array) -> tuple[Array, Array]:
    """The parameters after some steps of descent from zero, and the loss before each step."""

    def step(params: Array, _: None) -> tuple[Array, Array]:
        value, gradient = ft.value_and_grad(loss)(params, pixels, digits)
        return params - rate * gradient, value

    return lax.scan(step, np.zeros((10, 65)), None, length=steps)


def largest_curvature(params: Array, pixels: Array, digits: Array, rounds: int = 200) -> Array:
    """The largest eigenvalue of the Hessian, by power iteration."""

    def times(v: Array) -> Array:
        (product,) = ft.hvp(lambda p: loss(p, pixels, digits), (params,), (v,))
        return product

    def turn(_: int, v: Array) -> Array:
        product = times(v)
        new: Array = product / np.sqrt(np.sum(product**2))
        return new

    start = np.random.default_rng(0).normal(size=params.shape)
    v = lax.fori_loop(0, rounds, turn, start / np.sqrt(np.sum(start**2)))
    found: Array = np.sum(v * times(v))
    return found


@dataclass(frozen=True)
class Result:
    """What a run has found."""

    rates: Array
    losses: Array
    """(rates, steps)."""
    needed: Array
    """Steps until the loss no longer changes; infinite where that never is."""
    limit: float
    """2 over the largest curvature at the minimum."""

    @property
    def arrived(self) -> Array:
        """Which rates ended at the minimum, and not only still."""
        found: Array = np.isfinite(self.needed) & (self.losses[:, -1] < 1.1 * np.nanmin(self.losses))
        return found


def main(argv: Sequence[str] | None = None) -> Result:
    """Train for every rate, find the limit, draw."""
    options = parse(argv)
    pixels, digits = map(np.asarray, load_digits(return_X_y=True))
    pixels, digits = pixels[:: options.every] / 16, digits[:: options.every]
    rates = np.geomspace(0.01, 10, options.rates)
    with np.errstate(all="ignore"):
        params, losses = ft.jit(ft.vmap(partial(train, pixels, digits, options.steps)))(rates)
    change = np.abs(losses[:, WINDOW:] - losses[:, :-WINDOW])
    is_still = change < options.epsilon
    needed = np.where(is_still.any(axis=1), is_still.argmax(axis=1) + WINDOW, np.inf)
    best = int(np.argmin(np.where(np.isfinite(losses[:, -1]), losses[:, -1], np.inf)))
    limit = 2 / float(ft.jit(largest_curvature)(params[best], pixels, digits))
    result = Result(rates, losses, needed, limit)
    quickest = int(np.argmin(np.where(result.arrived, needed, np.inf)))
    print(f"quickest: η = {rates[quickest]:.2f} in {needed[quickest]:.0f} steps")
    print(f"beyond η = 2/c = {limit:.2f} the minimum repels")
    draw(result, options.epsilon).savefig(options.out, dpi=150)
    print(f"picture {options.out}")
    return result


def draw(result: Result, epsilon: float) -> Figure:
    """The losses of some rates, and the steps that each rate needs."""
    figure = Figure(figsize=(11, 4.4), layout="constrained")
    course, count = figure.subplots(1, 2)
    chosen = np.unique(np.linspace(0, len(result.rates) - 1, 8).astype(int))
    for i, number in enumerate(chosen):
        color = ["#08306b", "#2171b5", "#6baed6", "#74c476", "#31a354", "#fd8d3c", "#e6550d", "#a50f15"][i % 8]
        course.loglog(
            np.arange(1, result.losses.shape[1] + 1),
            result.losses[number],
            color=color,
            label=f"η = {result.rates[number]:.2g}",
        )
    course.set(xlabel="step", ylabel="loss", ylim=(0.9 * np.nanmin(result.losses), 30))
    course.legend(frameon=False, ncols=2, fontsize=9)
    count.loglog(
        result.rates[result.arrived], result.needed[result.arrived], "o-", color="tab:blue", label="at the minimum"
    )
    astray = np.isfinite(result.needed) & ~result.arrived
    count.loglog(
        result.rates[astray],
        result.needed[astray],
        "o",
        color="tab:blue",
        fillstyle="none",
        label="still, but above it",
    )
    count.axvline(result.limit, color="tab:red", linestyle="--", label="2 / largest curvature")
    count.set(
        xlabel="η",
        ylabel=f"steps until the loss changes by less than {epsilon:g}",
        xlim=(result.rates[0], result.rates[-1]),
    )
    count.legend(frameon=False)
    for axes in (course, count):
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
    return figure


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(
        description="Gradient descent for many learning rates.", formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--rates", type=int, default=31, metavar="N", help="how many learning rates")
    parser.add_argument("--steps", type=int, default=2000, metavar="N", help="of each descent at most")
    parser.add_argument("--epsilon", type=float, default=1e-4, metavar="X", help="the change that ends a descent")
    parser.add_argument("--every", type=int, default=4, metavar="N", help="take every Nth image")
    parser.add_argument("--out", type=Path, default=Path("learning_rates.png"), help="the picture")
    return parser.parse_args(argv)


if __name__ == "__main__":
    main()
