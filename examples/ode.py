"""A differential equation is fitted to data by gradient descent through its solver: lynxes and hares, 1900 to 1920.

    python examples/ode.py                       # seconds; finds the rates that the literature gives
    python examples/ode.py --substeps 12         # a finer solution: the same to five digits

The Hudson's Bay Company bought furs, and its books say how the hares of Canada and the lynxes that eat them came and went.
Lotka and Volterra's equations say why: hares multiply and are eaten, lynxes starve and eat,

    d hare / dt = (α − β lynx) hare        d lynx / dt = (δ hare − γ) lynx

Unknown are α, β, γ, δ and how many there were of each in 1900. Read `slope`, `solve` and `loss`: plain NumPy and a loop. The
gradient of the loss goes backwards through all steps of the solver; nothing here says how.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

import functrans as ft
from functrans import Array, lax

# Thousands of pelts, from E. P. Odum, Fundamentals of Ecology (1953), as in P. Howard, Modeling Basics (2009).
YEARS = np.arange(1900, 1921)
HARES = [30.0, 47.2, 70.2, 77.4, 36.3, 20.6, 18.1, 21.4, 22.0, 25.4, 27.1,
         40.3, 57.0, 76.6, 52.3, 19.5, 11.2, 7.6, 14.6, 16.2, 24.7]  # fmt: skip
LYNXES = [4.0, 6.1, 9.8, 35.2, 59.4, 41.7, 19.0, 13.0, 8.3, 9.1, 7.4,
          8.0, 12.3, 19.5, 45.7, 51.1, 29.7, 15.8, 9.7, 10.1, 8.6]  # fmt: skip
OBSERVED = np.log(np.stack([HARES, LYNXES], axis=1))

GUESS = np.array([0.5, 0.02, 0.5, 0.02, 30.0, 4.0])
"""α, β, γ, δ per year, and the hares and lynxes of 1900: a glance at the data, no more."""


# ---- the model: rates and a beginning in, a course of events out ----


def slope(rates: Array, state: Array) -> Array:
    """How fast the logarithms of both numbers change: they know no bounds, so no number can fall below zero."""
    alpha, beta, gamma, delta = rates
    hares, lynxes = np.exp(state)
    change: Array = np.stack([alpha - beta * lynxes, delta * hares - gamma])
    return change


def runge_kutta(rates: Array, state: Array, step: float) -> Array:
    """One step of the classical method of fourth order."""
    k1 = slope(rates, state)
    k2 = slope(rates, state + step / 2 * k1)
    k3 = slope(rates, state + step / 2 * k2)
    k4 = slope(rates, state + step * k3)
    new: Array = state + step / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
    return new


def solve(substeps: int, params: Array) -> Array:
    """The logarithms of both numbers, `substeps` times a year; `params` are the logarithms of what `GUESS` names."""
    rates = np.exp(params[:4])

    def advance(state: Array, _: None) -> tuple[Array, Array]:
        return runge_kutta(rates, state, 1 / substeps), state

    _, states = lax.scan(advance, params[4:], None, length=20 * substeps + 1)
    return states


def loss(substeps: int, params: Array) -> Array:
    """The mean square of how far the solution is from the data, in units of the logarithm: 0.01 is off by 10 %."""
    error: Array = ((solve(substeps, params)[::substeps] - OBSERVED) ** 2).mean()
    return error


# ---- fitting ----


def fit(params: Array, substeps: int, steps: int, learning_rate: float, momentum: float) -> tuple[Array, Array]:
    """Gradient descent, all of it in one compiled function: the parameters, and the loss before each step."""
    gradient_of = ft.value_and_grad(partial(loss, substeps))

    def descend(state: tuple[Array, Array], _: None) -> tuple[tuple[Array, Array], Array]:
        params, velocity = state
        value, gradient = gradient_of(params)
        velocity = momentum * velocity + gradient
        return (params - learning_rate * velocity, velocity), value

    descent = ft.jit(lambda params: lax.scan(descend, (params, np.zeros(6)), None, length=steps))
    (params, _), losses = descent(params)
    return params, losses


# ---- the program ----


@dataclass(frozen=True)
class Result:
    """What a run has found: the six unknowns, and the losses on the way."""

    values: Array
    losses: Array


def main(argv: Sequence[str] | None = None) -> Result:
    """Fit, print, draw."""
    options = parse(argv)
    params, losses = fit(np.log(GUESS), options.substeps, options.steps, options.learning_rate, options.momentum)
    result = Result(np.exp(params), losses)
    for name, value in zip(["α", "β", "γ", "δ", "hares in 1900", "lynxes in 1900"], result.values, strict=True):
        print(f"{name:15s}{value:8.4f}")
    typical = np.exp(np.sqrt(losses[-1])) - 1
    print(f"{'loss':15s}{losses[0]:8.4f} → {losses[-1]:.4f} in {len(losses)} steps: typically {typical:.0%} off")
    draw(result).savefig(options.out, dpi=150)
    print(f"{'picture':15s}{options.out}")
    return result


def draw(result: Result) -> Figure:
    """Both numbers over time and against each other, and how the loss fell."""
    figure = Figure(figsize=(11, 4.4), layout="constrained")
    over_time, phase, descent = figure.subplots(1, 3, width_ratios=(2, 1.1, 1))
    solver = ft.jit(partial(solve, 12))  # for a smooth curve
    fitted, guessed = (np.exp(solver(np.log(values))) for values in (result.values, GUESS))
    times = np.linspace(1900, 1920, len(fitted))

    for number, (name, color, data) in enumerate([("hares", "tab:blue", HARES), ("lynxes", "tab:red", LYNXES)]):
        over_time.plot(times, guessed[:, number], color=color, linewidth=1, linestyle=":", alpha=0.7)
        over_time.plot(times, fitted[:, number], color=color, linewidth=2, label=name)
        over_time.plot(YEARS, data, "o", color=color, markersize=5)
    over_time.set(ylabel="thousands of pelts", xlim=(1899.5, 1920.5), ylim=(0, None), xticks=range(1900, 1921, 5))
    over_time.set_title("Data, fit, and first guess (dotted)", fontsize=12)
    over_time.legend(frameon=False, loc="upper center")

    phase.plot(*fitted.T, color="tab:gray", linewidth=2)
    phase.plot(HARES, LYNXES, "o", color="black", markersize=4)
    phase.set(xlabel="hares", ylabel="lynxes", xlim=(0, None), ylim=(0, None))
    phase.set_title("One turn in ten years", fontsize=12)

    descent.loglog(np.arange(1, len(result.losses) + 1), result.losses, color="tab:green", linewidth=2)
    descent.set(xlabel="step", xlim=(1, len(result.losses)))
    descent.set_title("Loss", fontsize=12)
    for axes in (over_time, phase, descent):
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
    return figure


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(
        description="Fit the Lotka-Volterra equations to the lynxes and hares of the Hudson's Bay Company.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = partial(parser.add_argument, metavar="N")
    add("--substeps", type=int, default=4, help="steps of the solver a year")
    add("--steps", type=int, default=200, help="steps of gradient descent")
    add("--learning-rate", type=float, default=0.02, help="step length in units of the velocity")
    add("--momentum", type=float, default=0.9, help="share of the velocity that a step keeps; 0: gradient descent")
    parser.add_argument("--out", type=Path, default=Path("ode.png"), help="the picture")
    return parser.parse_args(argv)


if __name__ == "__main__":
    main()
