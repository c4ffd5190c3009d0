"""The chain rule, put to the test; and what gradients do at the nodes of a circuit.

    python examples/chain_rule.py

If f depends on x by way of g₁, ..., gₙ, a small change of x changes f by what it changes each of them, times how f depends on
that one: Δf ≈ ∑ ∂f/∂gᵢ Δgᵢ, the distributed chain rule. The error of "≈" falls with the square of Δx until the digits end.
`grad` computes the derivatives; the changes are computed by calling the functions twice.

Four small circuits show what a node does with the gradient that arrives from behind: plus hands it on to all its inputs, a
value that is used twice adds up what comes back, times gives each input the other one's value, and max gives all to the
larger. `functrans.draw` draws them with the value (green) and the gradient (red) on every wire, and the numbers are checked.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

import functrans as ft
from functrans import Array

PARTS: list[Callable[[Any], Any]] = [np.sin, lambda x: x**2, lambda x: np.exp(-x)]
"""g₁, g₂, g₃, functions of one number."""

AT = 0.7

PATTERNS: dict[str, tuple[Callable[..., Any], list[float], list[float]]] = {
    "add distributes": (lambda x, y: 4 * (x + y), [3.0, -1.0], [4.0, 4.0]),
    "copy adds": (lambda x: 2 * x + 3 * x, [5.0], [2.0, 3.0]),
    "mul swaps": (lambda x, y: x * y, [3.0, -4.0], [-4.0, 3.0]),
    "max routes": (lambda x, y: np.maximum(x, y), [2.0, 7.0], [0.0, 1.0]),
}
"""A circuit, its inputs, and the gradient on the wire that leaves each input (where it is used twice, on both)."""


def combined(parts: Array) -> Array:
    """f(g₁, g₂, g₃)."""
    g1, g2, g3 = parts
    value: Array = g1 * g2 + np.log(1 + g3 * g1)
    return value


def parts(x: Any) -> Array:
    """g₁(x), g₂(x), g₃(x)."""
    values: Array = np.stack([g(x) for g in PARTS])
    return values


@dataclass(frozen=True)
class Result:
    """Changes of x, the change of f for each, and the sum ∑ ∂f/∂gᵢ Δgᵢ."""

    steps: Array
    changes: Array
    estimates: Array
    pictures: list[Path]


def main(argv: Sequence[str] | None = None) -> Result:
    """Compare, draw the circuits, draw the errors."""
    options = parse(argv)
    before = parts(AT)
    by_parts = ft.grad(combined)(before)
    steps = np.geomspace(1e-7, 0.5, 60)
    after = ft.jit(ft.vmap(parts))(AT + steps)
    changes = ft.vmap(combined)(after) - combined(before)
    estimates = (after - before) @ by_parts
    print("Δx        Δf           ∑ ∂f/∂gᵢ Δgᵢ")
    for i in (59, 45, 30, 15):
        print(f"{steps[i]:.1e}   {changes[i]:+.3e}   {estimates[i]:+.3e}")
    slope = ft.grad(lambda x: combined(parts(x)))(AT)
    print(f"df/dx = {slope:.6f} by grad, {by_parts @ ft.jacfwd(parts)(AT):.6f} by ∑ ∂f/∂gᵢ dgᵢ/dx")
    pictures = []
    for name, (circuit, inputs, wires) in PATTERNS.items():
        picture = ft.draw(circuit, *np.array(inputs), gradients=True)
        found = [float(text) for text in re.findall(r'class="gradient"[^>]*>([^<]*)<', picture)]
        assert all(wire in found for wire in wires), f"{name}: {found}"
        print(f"{name:16s}gradients on the wires: {', '.join(f'{g:g}' for g in found)}")
        pictures.append(options.out.with_name(f"{options.out.stem}_{name.replace(' ', '_')}.svg"))
        picture.save(pictures[-1])
    result = Result(steps, changes, estimates, pictures)
    draw(result).savefig(options.out, dpi=150)
    print(f"{'pictures':16s}{options.out}, {', '.join(str(path.name) for path in pictures)}")
    return result


def draw(result: Result) -> Figure:
    """Both changes, and the difference between them."""
    figure = Figure(figsize=(10, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    left.loglog(result.steps, np.abs(result.changes), linewidth=3, label="|Δf|")
    left.loglog(result.steps, np.abs(result.estimates), "--", linewidth=2, label="|∑ ∂f/∂gᵢ Δgᵢ|")
    left.set(xlabel="Δx")
    left.legend(frameon=False)
    right.loglog(
        result.steps, np.abs(result.changes - result.estimates), color="tab:red", linewidth=2, label="difference"
    )
    right.loglog(result.steps, result.steps**2, ":", color="black", label="Δx²")
    right.set(xlabel="Δx", ylim=(1e-18, 1))
    right.legend(frameon=False)
    for axes in (left, right):
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
    return figure


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(
        description="The chain rule, put to the test.", formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("chain_rule.png"), help="the picture; circuits go beside it")
    return parser.parse_args(argv)


if __name__ == "__main__":
    main()
