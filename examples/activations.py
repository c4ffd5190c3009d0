"""Activation functions and their derivatives up to the fourth, by `grad` of `grad`.

    python examples/activations.py
    python examples/activations.py --names tanh sigmoid --order 2

No derivative is written down: `grad` of a function of a number is its derivative, which is such a function again, and `vmap`
applies it to every point of an axis. Read `derivatives`: that is all. What is to be seen: relu has nothing but its slope; elu
has a kink in its slope; sigmoid and tanh die away on both sides, so that a neuron far from 0 learns nothing.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

import functrans as ft
from functrans import Array, nn

NAMES = [
    "relu",
    "leaky_relu",
    "elu",
    "selu",
    "softplus",
    "sigmoid",
    "tanh",
    "softsign",
    "gelu",
    "silu",
    "mish",
    "hardswish",
]


def derivatives(f: Callable[[Any], Any], order: int, x: Array) -> Array:
    """f and its derivatives at every point: (order + 1, points)."""
    rows = []
    for _ in range(order + 1):
        rows.append(ft.vmap(f)(x))
        f = ft.grad(f)
    return np.stack(rows)


def main(argv: Sequence[str] | None = None) -> dict[str, Array]:
    """Differentiate, draw; gives the values of each function and its derivatives."""
    options = parse(argv)
    x = np.linspace(-4, 4, options.points)
    curves = {name: ft.jit(partial(derivatives, getattr(nn, name), options.order))(x) for name in options.names}
    for name, rows in curves.items():
        print(
            f"{name:12s} steepest {np.max(np.abs(rows[1])):.3f}, most curved {np.max(np.abs(rows[min(2, options.order)])):.3f}"
        )
    draw(x, curves).savefig(options.out, dpi=150)
    print(f"{'picture':12s} {options.out}")
    return curves


def draw(x: Array, curves: dict[str, Array]) -> Figure:
    """A panel for each function, with a curve for each derivative."""
    columns = min(4, len(curves))
    rows = -(-len(curves) // columns)
    figure = Figure(figsize=(3 * columns, 2.4 * rows + 0.4), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False, sharex=True).ravel()
    for axes, (name, values) in zip(panels, curves.items(), strict=False):
        for order, row in enumerate(values):
            label = "f" if order == 0 else "f" + "′" * order
            axes.plot(x, row, linewidth=2.2 if order == 0 else 1.2, color=f"C{order}", label=label, zorder=9 - order)
        axes.set_ylim(-2.2, 2.8)
        axes.set_title(name, fontsize=11)
        axes.grid(alpha=0.3)
    for axes in panels[len(curves) :]:
        axes.set_axis_off()
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=6, frameon=False)
    return figure


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(
        description="Activation functions and their derivatives.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument(
        "--names", nargs="+", default=NAMES, choices=NAMES, metavar="NAME", help=f"of {', '.join(NAMES)}"
    )
    parser.add_argument("--order", type=int, default=4, choices=range(1, 6), help="of the highest derivative")
    parser.add_argument("--points", type=int, default=801, metavar="N", help="of each curve")
    parser.add_argument("--out", type=Path, default=Path("activations.png"), help="the picture")
    return parser.parse_args(argv)


if __name__ == "__main__":
    main()
