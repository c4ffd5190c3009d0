"""A pole is swung up by the cart that it hangs from: optimal control by derivatives of the laws of motion.

    python examples/optimal_control.py                     # seconds
    python examples/optimal_control.py --seconds 1.2       # in a hurry: more force
    python examples/optimal_control.py --effort 1          # force is dear: it nearly gets there

Which force, at every moment, brings the cart back to where it was with the pole upright and at rest, for the least effort? The
iterative linear quadratic regulator (Li and Todorov 2004) improves a first guess: it takes the motion for linear and the cost
for quadratic about the present way, for which the best control is known, and follows that as far as it makes things better.

Read `acceleration`, then `improve`. `jacfwd` makes the linear model and `vmap` that of every moment; the regulator is one `scan`
backwards in time, and a motion one forwards. The iteration is a `while_loop`, and all of it one compiled function.
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
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

import functrans as ft
from functrans import Array, lax

CART, POLE, LENGTH, GRAVITY = 1.0, 0.3, 0.5, 9.81
"""Masses in kg, of the pole at its end; its length in m; m/s². From Kelly, An Introduction to Trajectory Optimization (2017)."""

HANGING = np.zeros(4)
"""A state: where the cart is and the angle of the pole, 0 where it hangs, and how fast both change."""

UPRIGHT = np.array([0.0, np.pi, 0.0, 0.0])
STEP = 0.02
"""Seconds between two decisions."""


# ---- the world ----


def acceleration(state: Array, force: Array) -> Array:
    """How the state changes."""
    _, angle, speed, turning = state
    sin, cos = np.sin(angle), np.cos(angle)
    inertia = CART + POLE * sin**2
    pulled = LENGTH * POLE * sin * turning**2 + force + POLE * GRAVITY * cos * sin
    turned = LENGTH * POLE * cos * sin * turning**2 + force * cos + (CART + POLE) * GRAVITY * sin
    change: Array = np.stack([speed, turning, pulled / inertia, -turned / (LENGTH * inertia)])
    return change


def move(state: Array, force: Array) -> Array:
    """The state one step later, by the classical method of Runge and Kutta."""
    k1 = acceleration(state, force)
    k2 = acceleration(state + STEP / 2 * k1, force)
    k3 = acceleration(state + STEP / 2 * k2, force)
    k4 = acceleration(state + STEP * k3, force)
    new: Array = state + STEP / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
    return new


# ---- the regulator ----


class Way(NamedTuple):
    """Forces, and the states that they are applied in, with the last one besides."""

    forces: Array
    states: Array
    end: Array


class Gains(NamedTuple):
    """How to change a force: by `change`, and by `feedback` for every unit that the state is off."""

    change: Array
    feedback: Array


def cost(effort: float, way: Way) -> Array:
    """Effort on the way, and at its end the square of the distance from where it was to lead."""
    total: Array = effort * STEP * np.sum(way.forces**2) / 2 + 100 * np.sum((way.end - UPRIGHT) ** 2) / 2
    return total


def follow(start: Array, way: Way, gains: Gains, share: Array) -> Way:
    """The way from a start with changed forces, `share` of the change that is proposed."""

    def advance(state: Array, now: tuple[Array, Array, Gains]) -> tuple[Array, tuple[Array, Array]]:
        force, planned, gain = now
        force = force + share * gain.change + gain.feedback @ (state - planned)
        return move(state, force), (force, state)

    end, (forces, states) = lax.scan(advance, start, (way.forces, way.states, gains))
    return Way(forces, states, end)


def regulator(effort: float, way: Way) -> Gains:
    """The best change of the forces if motion were linear and cost quadratic about a way; from its end backwards (Riccati)."""
    by_state, by_force = ft.vmap(ft.jacfwd(move, argnums=(0, 1)))(way.states, way.forces)

    def back(value: tuple[Array, Array], now: tuple[Array, Array, Array]) -> tuple[tuple[Array, Array], Gains]:
        slope, curvature = value  # of the cost that is to come, by the state after this step
        a, b, force = now
        of_force = effort * STEP * force + b @ slope
        force_force = effort * STEP + b @ curvature @ b
        force_state = b @ curvature @ a
        gains = Gains(-of_force / force_force, -force_state / force_force)
        slope = a.T @ slope + gains.change * force_state
        curvature = a.T @ curvature @ a + np.outer(gains.feedback, force_state)
        return (slope, curvature), gains

    last = 100 * (way.end - UPRIGHT), 100 * np.eye(4)
    _, gains = lax.scan(back, last, (by_state, by_force, way.forces), reverse=True)
    return gains


def improve(effort: float, way: Way) -> tuple[Way, Array]:
    """The best of several ways that go from the present one towards what the regulator proposes, and its cost."""
    gains = regulator(effort, way)
    shares = np.append(0.5 ** np.arange(10), 0)
    ways = ft.vmap(partial(follow, way.states[0], way, gains))(shares)
    costs = ft.vmap(partial(cost, effort))(ways)
    costs = np.where(np.isfinite(costs), costs, np.inf)  # with too much force a way may leave the world
    best = costs.argmin(axis=0)
    better: Way = ft.tree.map(lambda leaf: leaf[best], ways)
    return better, costs[best]


def plan(effort: float, rounds: int, forces: Array) -> tuple[Way, Gains, Array, Array]:
    """The best way from hanging to upright, its gains, and the cost after each of so many rounds as it took."""

    def goes_on(state: tuple[Way, Array, Array]) -> Array:
        _, costs, done = state
        improves: Array = costs[done - 1] - costs[done] > 1e-5 * costs[done]  # at first the last cost there is: ∞
        return (done < rounds) & improves

    def step(state: tuple[Way, Array, Array]) -> tuple[Way, Array, Array]:
        way, costs, done = state
        better, value = improve(effort, way)
        return better, ft.numpy.at(costs)[done + 1].set(value), done + 1

    nowhere = Way(forces, np.zeros((len(forces), 4)), HANGING)
    way = follow(HANGING, nowhere, Gains(np.zeros_like(forces), np.zeros((len(forces), 4))), np.asarray(0.0))
    costs = ft.numpy.at(np.full(rounds + 1, np.inf))[0].set(cost(effort, way))
    way, costs, done = lax.while_loop(goes_on, step, (way, costs, np.asarray(0)))
    return way, regulator(effort, way), costs, done


# ---- the program ----


@dataclass(frozen=True)
class Result:
    """What a run has found: the way, the cost after each round, and where disturbed starts end without and with feedback."""

    way: Way
    costs: Array
    blind: Way
    seeing: Way


def main(argv: Sequence[str] | None = None) -> Result:
    """Plan, disturb, print, draw."""
    options = parse(argv)
    moments = np.arange(round(options.seconds / STEP))
    guess = 5 * np.cos(2 * np.pi * moments * STEP)  # to and fro: without any force the pole does not know where to
    begin = perf_counter()
    with np.errstate(over="ignore", invalid="ignore"):
        way, gains, costs, done = ft.jit(partial(plan, options.effort, options.rounds))(guess)
    costs = costs[: int(done) + 1]
    print(f"cost      {costs[0]:.1f} → {costs[-1]:.3f} in {len(costs) - 1} rounds, {perf_counter() - begin:.1f} s")
    print(f"force     at most {np.max(np.abs(way.forces)):.1f} N")
    print(f"end       {off(way.end):.4f} from upright and at rest")

    starts = HANGING + np.random.default_rng(options.seed).normal(scale=0.05, size=(30, 4))
    many = ft.jit(ft.vmap(follow, in_axes=(0, None, None, None)))
    blind = many(starts, way, ft.tree.map(np.zeros_like, gains), np.asarray(0.0))
    seeing = many(starts, way, gains, np.asarray(0.0))
    print(f"disturbed {np.median(off(blind.end)):.3f} without feedback, {np.median(off(seeing.end)):.3f} with it")
    result = Result(way, costs, blind, seeing)
    draw(result).savefig(options.out, dpi=150)
    print(f"picture   {options.out}")
    return result


def off(state: Array) -> Array:
    """The distance from upright and at rest, of one state or many."""
    distance: Array = np.linalg.norm(state - UPRIGHT, axis=-1)
    return distance


def draw(result: Result) -> Figure:
    """The motion, the force, and the angle of disturbed starts."""
    figure = Figure(figsize=(11, 5), layout="constrained")
    left, right = figure.subfigures(1, 2, squeeze=False, width_ratios=(1.1, 1)).flat
    motion = left.subplots()
    states = np.vstack([result.way.states, result.way.end])
    times = STEP * np.arange(len(states))
    carts = np.stack([states[:, 0], np.zeros(len(states))], axis=1)
    tips = carts + LENGTH * np.stack([np.sin(states[:, 1]), -np.cos(states[:, 1])], axis=1)
    chosen = slice(0, None, 2)
    lines = list(np.stack([carts, tips], axis=1)[chosen])
    poles = LineCollection(lines, array=times[chosen], cmap="viridis", linewidths=1.2)
    motion.add_collection(poles)
    motion.scatter(*tips[chosen].T, c=times[chosen], s=25, zorder=3)
    motion.plot(*tips.T, color="tab:gray", linewidth=0.6)
    motion.axhline(0, color="black", linewidth=0.8)
    motion.set(aspect="equal", xlabel="m", ylabel="m")
    motion.set_title("The swing, dark to light", fontsize=12)

    angle, force, rounds = right.subplots(3, 1)
    for ways, color, name in ((result.blind, "tab:red", "disturbed"), (result.seeing, "tab:blue", "with feedback")):
        curves = angle.plot(times[:-1], ways.states[:, :, 1].T, color=color, linewidth=0.5, alpha=0.6)
        curves[0].set_label(name)
    angle.plot(times, states[:, 1], color="black", linewidth=1.5, label="planned")
    angle.axhline(np.pi, color="tab:gray", linestyle=":", linewidth=1)
    angle.set(ylabel="angle", xlim=(0, times[-1]), ylim=(-2.5, 5.5))
    angle.legend(frameon=False, fontsize=8, ncols=3, loc="lower right")
    force.plot(times[:-1], result.way.forces, color="black", linewidth=1.5)
    force.set(xlabel="s", ylabel="force, N", xlim=(0, times[-1]))
    rounds.semilogy(result.costs, color="tab:green", linewidth=1.5)
    rounds.set(xlabel="round", ylabel="cost", xlim=(0, len(result.costs) - 1))
    for axes in (motion, angle, force, rounds):
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
    return figure


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(
        description="Swing a pole up with the iterative linear quadratic regulator.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = partial(parser.add_argument, metavar="N")
    add("--seconds", type=float, default=2.0, help="how long it may take")
    add("--effort", type=float, default=0.05, help="the price of force")
    add("--rounds", type=int, default=100, help="of improvement, at most")
    add("--seed", type=int, default=0, help="for the disturbances")
    parser.add_argument("--out", type=Path, default=Path("optimal_control.png"), help="the picture")
    return parser.parse_args(argv)


if __name__ == "__main__":
    main()
