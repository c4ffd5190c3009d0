"""Hamiltonian Monte Carlo: what eight schools know of each other, by 8000 draws from a posterior in one compiled call.

    python examples/hmc.py                          # seconds
    python examples/hmc.py --step-size 1 --leaps 4  # too coarse: see how many proposals are refused
    python examples/hmc.py --draws 10000            # python examples/hmc.py --help

In eight schools a course was tried that prepares for a test (Rubin 1981). Each found an effect y with a standard error σ. How
good is the course, and do schools differ? The model has a mean effect μ and a spread τ, and every school's own effect:

    μ ~ N(0, 5)    τ ~ Cauchy⁺(0, 5)    η ~ N(0, 1)    y ~ N(μ + τ η, σ)

The sampler takes the parameters for the place of a ball in a landscape, the negative logarithm of their density, gives it a
random push, and follows its way for a while (Duane and others 1987, Neal 2011). Read `log_density`, plain NumPy for ONE point;
then `transition`. `grad` makes the slope, `fori_loop` the way, `scan` a chain, `vmap` several, `jit` one function of all;
`progress` shows how far it has come.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure

import functrans as ft
from functrans import Array, lax

SCHOOLS = "ABCDEFGH"
EFFECTS = np.array([28.0, 8.0, -3.0, 7.0, -1.0, 1.0, 18.0, 12.0])
ERRORS = np.array([15.0, 10.0, 16.0, 11.0, 9.0, 11.0, 10.0, 18.0])


# ---- the model: parameters in, the logarithm of their density out ----


class Place(NamedTuple):
    """The parameters, as numbers without bounds: of τ the logarithm, of the schools' effects their η."""

    mu: Array
    log_tau: Array
    eta: Array


def log_density(place: Place) -> Array:
    """The logarithm of prior times likelihood, but for a constant; of log τ, so that the derivative of τ is in it."""
    mu, log_tau, eta = place
    tau = np.exp(log_tau)
    prior = -((mu / 5) ** 2) / 2 - np.log1p((tau / 5) ** 2) + log_tau - np.sum(eta**2) / 2
    likelihood = -np.sum(((EFFECTS - effects(place)) / ERRORS) ** 2) / 2
    density: Array = prior + likelihood
    return density


def effects(place: Place) -> Array:
    """The effect of the course in each school."""
    every: Array = place.mu + np.exp(place.log_tau) * place.eta
    return every


# ---- the sampler ----


class Push(NamedTuple):
    """All that is left to chance in one transition, drawn beforehand."""

    momentum: Place
    step_size: Array
    log_uniform: Array


def leap(step_size: Array, place: Place, momentum: Place) -> tuple[Place, Place]:
    """One step of the leapfrog method: half a push by the slope, a move, half a push. It can be walked back exactly."""

    def pushed(momentum: Place, place: Place) -> Place:
        return ft.tree.map(lambda p, slope: p + step_size / 2 * slope, momentum, ft.grad(log_density)(place))

    momentum = pushed(momentum, place)
    place = ft.tree.map(lambda q, p: q + step_size * p, place, momentum)
    return place, pushed(momentum, place)


def energy(place: Place, momentum: Place) -> Array:
    """Height and motion: what the exact way would keep, and the steps nearly keep."""
    return sum((np.sum(p**2) / 2 for p in momentum), -log_density(place))


def transition(leaps: int, place: Place, push: Push) -> tuple[Place, tuple[Place, Array]]:
    """Follow the way from a place; its end is the next draw, unless the steps have gained too much energy (Metropolis)."""

    def onward(_: int, state: tuple[Place, Place]) -> tuple[Place, Place]:
        return leap(push.step_size, *state)

    end, momentum = lax.fori_loop(0, leaps, onward, (place, push.momentum))
    gained = energy(end, momentum) - energy(place, push.momentum)
    accepted = push.log_uniform < -gained  # no for NaN, which is where a way has left the world
    place = ft.tree.map(lambda new, old: np.where(accepted, new, old), end, place)
    return place, (place, accepted)


def sample(leaps: int, starts: Place, pushes: Push) -> tuple[Place, Array]:
    """Every draw of several chains, and which proposals were accepted: arrays of chains × draws × …"""

    def chain(start: Place, pushes: Push) -> tuple[Place, Array]:
        counted = ft.progress(len(pushes.step_size), "draws")(partial(transition, leaps))
        _, drawn = lax.scan(counted, start, pushes)
        return drawn

    return ft.vmap(chain)(starts, pushes)


def chance(rng: np.random.Generator, shape: tuple[int, int], step_size: float) -> Push:
    """The pushes for chains × draws; step sizes vary, for a way of a fixed length might lead in a circle."""
    momentum = Place(rng.normal(size=shape), rng.normal(size=shape), rng.normal(size=(*shape, len(SCHOOLS))))
    return Push(momentum, step_size * rng.uniform(0.7, 1.3, size=shape), np.log(rng.uniform(size=shape)))


# ---- what the draws say ----


def r_hat(draws: Array) -> float:
    """How much more halves of chains differ from each other than draws in them do: 1 when all tell the same (Gelman, Rubin)."""
    halves = draws[:, : draws.shape[1] // 2 * 2].reshape(2 * len(draws), -1)
    within = halves.var(axis=1, ddof=1).mean()
    between = halves.mean(axis=1).var(ddof=1)
    return float(np.sqrt((halves.shape[1] - 1) / halves.shape[1] + between / within))


@dataclass(frozen=True)
class Result:
    """What a run has found: arrays of chains × draws (× schools), without the first part of every chain."""

    mu: Array
    tau: Array
    effects: Array
    accepted: float


def main(argv: Sequence[str] | None = None) -> Result:
    """Draw chance, sample, print, draw."""
    options = parse(argv)
    rng = np.random.default_rng(options.seed)
    shape = (options.chains, options.warm_up + options.draws)
    starts = Place(*(rng.normal(size=(options.chains, *tail)) for tail in ((), (), (len(SCHOOLS),))))
    sampler = ft.jit(partial(sample, options.leaps))

    begin = perf_counter()
    places, accepted = sampler(starts, chance(rng, shape, options.step_size))
    print(f"{options.chains} chains of {shape[1]} draws in {perf_counter() - begin:.1f} s, compiling included")
    places = ft.tree.map(lambda leaf: leaf[:, options.warm_up :], places)
    everywhere = ft.vmap(ft.vmap(effects))(places)
    result = Result(places.mu, np.exp(places.log_tau), everywhere, float(np.mean(accepted)))

    print(f"{result.accepted:.0%} of proposals accepted\n")
    print("                     mean    5 %   95 %   R̂")
    rows = [("mean effect μ", result.mu), ("spread τ", result.tau)]
    rows += [(f"school {name}", result.effects[:, :, k]) for k, name in enumerate(SCHOOLS)]
    for name, draws in rows:
        low, high = np.quantile(draws, [0.05, 0.95])
        print(f"{name:16s}{draws.mean():9.1f}{low:7.1f}{high:7.1f}{r_hat(draws):7.3f}")
    draw(result).savefig(options.out, dpi=150)
    print(f"\npicture {options.out}")
    return result


def draw(result: Result) -> Figure:
    """What the schools found and what they are thought to have found, the funnel of the posterior, and the chains."""
    figure = Figure(figsize=(11, 4.4), layout="constrained")
    forest, funnel, trace = figure.subplots(1, 3, width_ratios=(1.3, 1, 1))
    rows = np.arange(len(SCHOOLS))[::-1]
    flat = result.effects.reshape(-1, len(SCHOOLS))
    low, high = np.quantile(flat, [0.05, 0.95], axis=0)
    forest.errorbar(EFFECTS, rows + 0.15, xerr=1.645 * ERRORS, fmt="o", color="tab:gray", label="each school alone")
    forest.hlines(rows - 0.15, low, high, color="tab:blue", linewidth=2)
    forest.plot(flat.mean(axis=0), rows - 0.15, "o", color="tab:blue", label="knowing of the others")
    forest.axvline(result.mu.mean(), color="tab:blue", linestyle=":", linewidth=1)
    forest.set(yticks=rows, yticklabels=list(SCHOOLS), xlabel="effect on the test, 90 % intervals")
    forest.legend(frameon=False, fontsize=9, loc="lower right", bbox_to_anchor=(1, 0.98), ncols=2)

    funnel.plot(flat[:, 0], np.log(result.tau).ravel(), ".", color="tab:blue", markersize=1.5, alpha=0.4)
    funnel.set(xlabel="effect in school A", ylabel="log τ", xlim=np.quantile(flat[:, 0], [0.001, 0.999]))
    funnel.set_title("The less they differ, the surer", fontsize=11)

    for draws in result.tau:
        trace.plot(draws, linewidth=0.4, alpha=0.8)
    trace.set(xlabel="draw", ylabel="spread τ", xlim=(0, result.tau.shape[1]), ylim=(0, None))
    trace.set_title(f"{len(result.tau)} chains, R̂ = {r_hat(result.tau):.3f}", fontsize=11)
    for axes in (forest, funnel, trace):
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
    return figure


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(
        description="Sample from the posterior of eight schools by Hamiltonian Monte Carlo.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = partial(parser.add_argument, metavar="N")
    add("--chains", type=int, default=4, help="chains, which start at random places")
    add("--draws", type=int, default=2000, help="draws of each chain")
    add("--warm-up", type=int, default=300, help="draws before these, which are not looked at")
    add("--leaps", type=int, default=12, help="steps on the way to a proposal")
    add("--step-size", type=float, default=0.35, help="length of a step, on average")
    add("--seed", type=int, default=0, help="for all that is left to chance")
    parser.add_argument("--out", type=Path, default=Path("hmc.png"), help="the picture")
    return parser.parse_args(argv)


if __name__ == "__main__":
    main()
