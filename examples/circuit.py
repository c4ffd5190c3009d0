"""Backpropagation on paper: two small circuits, with the number on every wire.

    python examples/circuit.py

For f = (x + y)·z and for a neuron, σ(w₀x₀ + w₁x₁ + w₂), this prints and draws for each node

    value        what the node computes, forward from the inputs
    upstream     ∂f/∂node, which arrives at the node from behind
    local        ∂node/∂input, for each of its inputs: all that a node needs to know of calculus
    downstream   upstream × local, which it sends back to that input

An input that feeds several nodes adds up what they send it. That sum is its gradient: the chain rule, done.

No derivative is written down here. `make_jaxpr` records which operations a plain NumPy function of numbers does, `grad` of a
single operation is its local derivative, and the loop in `backward` is all the rest. Start reading there; then change the
functions in `CIRCUITS`. The result is compared with what `grad` gives for the whole function.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from inspect import signature
from pathlib import Path
from typing import cast

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

import functrans as ft
from functrans import Array
from functrans.core.ir import Eqn, Literal, Var

SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")

CIRCUITS: list[tuple[str, Callable[..., Array], list[float]]] = [
    ("f = (x + y)·z", lambda x, y, z: (x + y) * z, [-2, 5, -4]),
    (
        "f = σ(w₀·x₀ + w₁·x₁ + w₂),  σ(a) = 1 / (1 + exp(−a))",
        lambda w0, x0, w1, x1, w2: 1 / (1 + np.exp(-(w0 * x0 + w1 * x1 + w2))),
        [2, -1, -3, -2, -3],
    ),
]


# ---- the circuit ----


@dataclass
class Node:
    """An input or an operation, with all that there is to know of it; `inputs` are the nodes whose values it reads."""

    name: str
    symbol: str
    value: float
    inputs: list[Node]
    local: list[float]
    upstream: float = 0.0

    @property
    def downstream(self) -> list[float]:
        return [self.upstream * local for local in self.local]


def forward(function: Callable[..., Array], point: Sequence[float]) -> list[Node]:
    """The nodes of a function of numbers, in the order in which they are computed: the inputs first, the result last."""
    jaxpr = ft.make_jaxpr(function)(*scalars(point))
    nodes: dict[Var, Node] = {}
    if not jaxpr.eqns or jaxpr.outvars != jaxpr.eqns[-1].outvars:
        raise ValueError("a circuit ends with the operation that gives its result")
    names = [name.translate(SUBSCRIPTS) for name in signature(function).parameters]
    for name, var, value in zip(names, jaxpr.invars, point, strict=True):
        nodes[var] = Node(name, name, value, [], [])
    for number, eqn in enumerate(jaxpr.eqns, 1):
        (var,) = eqn.outvars
        nodes[var] = operation(f"n{number}", eqn, nodes)
    return list(nodes.values())


def scalars(numbers: Sequence[float]) -> list[Array]:
    """NumPy's float64 numbers, which are arrays of rank 0 to everything here; the type checkers count them apart."""
    return cast(list[Array], list(map(np.float64, numbers)))


def operation(name: str, eqn: Eqn, nodes: dict[Var, Node]) -> Node:
    """The node of one recorded operation: its value, and its local derivatives, which are gradients of just this step."""
    inputs = [nodes[atom] for atom in eqn.invars if isinstance(atom, Var)]

    def apply(*values: Array) -> Array:
        rest = iter(values)
        operands = [atom.value if isinstance(atom, Literal) else next(rest) for atom in eqn.invars]
        (out,) = eqn.prim.bind(*operands, **eqn.params)
        return out

    values = scalars([node.value for node in inputs])
    value, local = ft.value_and_grad(apply, argnums=tuple(range(len(inputs))))(*values)
    return Node(name, symbol(eqn), float(value), inputs, [float(derivative) for derivative in local])


def backward(nodes: Sequence[Node]) -> None:
    """Backpropagation: from the result, whose gradient is 1, each node tells its inputs how much they matter."""
    nodes[-1].upstream = 1.0
    for node in reversed(nodes):  # whoever reads a node comes after it, so its upstream gradient is complete by now
        for source, gradient in zip(node.inputs, node.downstream, strict=True):
            source.upstream += gradient


def circuit(function: Callable[..., Array], point: Sequence[float]) -> list[Node]:
    """The nodes of a function, forward and backward; what is found for the inputs is the gradient of the function."""
    nodes = forward(function, point)
    backward(nodes)
    gradient = ft.grad(function, argnums=tuple(range(len(point))))(*scalars(point))
    np.testing.assert_allclose([node.upstream for node in nodes[: len(point)]], gradient, rtol=1e-12)
    return nodes


def symbol(eqn: Eqn) -> str:
    """How an operation is written in a circuit: `×`, `exp`, and with a constant `+ 1`, `1 / x`."""
    name = eqn.prim.name
    sign = {"add": "+", "sub": "−", "mul": "×", "div": "/"}.get(name, name)
    match eqn.invars:
        case (Literal(value=constant), Var()) if name in ("add", "mul"):  # in either order the same
            return f"{sign} {constant:g}"
        case (Literal(value=constant), Var()):
            return f"{constant:g} {sign} x"
        case (Var(), Literal(value=constant)):
            return f"{sign} {constant:g}"
        case _:
            return sign


# ---- as a table ----


def table(nodes: Sequence[Node]) -> str:
    """The nodes, one a line, and for each further input of a node one more."""
    head = f"{'node':5} {'operation':12} {'value':>8} {'upstream':>9}   {'to':5} {'local':>8} {'downstream':>11}"
    lines = [head, "-" * len(head)]
    for node in nodes:
        reads = " ".join(source.name for source in node.inputs)
        start = (
            f"{node.name:5} {f'{node.symbol}  {reads}' if reads else 'input':12} {node.value:8.3f} {node.upstream:9.3f}"
        )
        ends = [
            f"   {source.name:5} {local:8.3f} {downstream:11.3f}"
            for source, local, downstream in zip(node.inputs, node.local, node.downstream, strict=True)
        ]
        lines += [f"{start if i == 0 else ' ' * len(start)}{end}" for i, end in enumerate(ends or [""])]
    return "\n".join(lines)


# ---- as a picture ----

INK, VALUE, GRADIENT, LOCAL = "#3b4250", "#1b7837", "#c51b2a", "#3b6fb6"
COLUMN, ROW = 3.6, 1.4  # from box to box
WIDE, HIGH = 0.52, 0.34  # half a box
LEGEND = [
    ("value", VALUE, "of a box: goes forward, along the arrow"),
    ("local", LOCAL, "derivative of a box by this input"),
    (
        "gradient",
        GRADIENT,
        "of f by the value: comes back, against the arrow. Behind a box × local derivative = before the box;",
    ),
    ("", INK, "where several arrows start at one box, what they bring back adds up"),
]


def places(nodes: Sequence[Node]) -> dict[str, tuple[float, float]]:
    """Where each node goes: one column to the right of what it reads, at their mean height or the next that is free."""
    xy: dict[str, tuple[float, float]] = {}
    for node in nodes:
        if node.inputs:
            columns, rows = zip(*(xy[source.name] for source in node.inputs), strict=True)
            x, y = max(columns) + COLUMN, float(np.mean(rows))
            while any(other == x and abs(row - y) < ROW for other, row in xy.values()):
                y -= ROW / 2
            xy[node.name] = (x, y)
        else:
            xy[node.name] = (0.0, -ROW * len(xy))
    return xy


def draw(axes: Axes, title: str, nodes: Sequence[Node], top: float) -> float:
    """Boxes and arrows below the height `top`; returns how far down they reach."""
    xy = {name: (x, y + top - 0.9) for name, (x, y) in places(nodes).items()}
    axes.text(-WIDE, top, title, fontsize=15)
    for node in nodes:
        x, y = xy[node.name]
        style = FancyBboxPatch(
            (x - WIDE, y - HIGH), 2 * WIDE, 2 * HIGH, boxstyle="round,pad=0,rounding_size=0.12",
            facecolor="#e9eef6" if node.inputs else "white", edgecolor=INK, linewidth=1.2,
        )  # fmt: skip
        axes.add_patch(style)
        axes.text(x, y, node.symbol, ha="center", va="center", fontsize=min(13, 80 / len(node.symbol)))
        axes.text(x + WIDE + 0.64, y + 0.08, number(node.value), color=VALUE, ha="center", va="bottom", fontsize=11)
        axes.text(x + WIDE + 0.64, y - 0.1, number(node.upstream), color=GRADIENT, ha="center", va="top", fontsize=11)
        ports = sorted(
            zip((xy[source.name] for source in node.inputs), node.local, strict=True), key=lambda p: -p[0][1]
        )
        for place, (start, local) in enumerate(ports):
            height = y + 0.18 * (len(ports) - 1 - 2 * place)
            arrow(axes, start, (x - WIDE, height))
            edge, side = (height + 0.06, "bottom") if height >= y else (height - 0.08, "top")
            axes.text(
                x - WIDE - 0.52, edge, number(local), color=LOCAL, ha="center", va=side, fontsize=10, style="italic"
            )
    x, y = xy[nodes[-1].name]
    arrow(axes, (x, y), (x + WIDE + 1.3, y))
    axes.text(x + WIDE + 1.4, y, "f", va="center", fontsize=15, style="italic")
    return min(y for _, y in xy.values()) - 1.5


def arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    """From the middle of a box to the left of another: level, aslant, level, so that numbers can stand on both level parts."""
    (x0, y0), (x1, y1) = start, end
    axes.plot([x0, x1 - 1.36, x1 - 0.96, x1 - 0.1], [y0, y0, y1, y1], color=INK, linewidth=1.2, zorder=0)
    axes.annotate("", end, (x1 - 0.3, y1), arrowprops={"arrowstyle": "-|>", "color": INK, "shrinkA": 0, "shrinkB": 0})


def number(value: float) -> str:
    """Two decimals, and a minus sign that is as wide as a plus."""
    return f"{value:.2f}".replace("-", "−")


def picture(circuits: Sequence[tuple[str, list[Node]]]) -> Figure:
    """All circuits, one below the other, and what the colours mean."""
    figure = Figure(figsize=(17, 8.5))
    axes = figure.add_subplot(aspect="equal")
    axes.set_axis_off()
    top = 0.0
    for title, nodes in circuits:
        top = draw(axes, title, nodes, top)
    for line, (name, colour, meaning) in enumerate(LEGEND):
        axes.text(-WIDE, top - 0.5 * line, name, color=colour, fontsize=12, weight="bold")
        axes.text(2.0, top - 0.5 * line, meaning, color=INK, fontsize=12)
    axes.autoscale_view()
    return figure


def main(argv: Sequence[str] | None = None) -> list[list[Node]]:
    """Print and draw the circuits; returns their nodes."""
    parser = argparse.ArgumentParser(description="Show backpropagation through two small circuits.")
    parser.add_argument("--out", type=Path, default=Path("circuit.png"), help="the picture (default: %(default)s)")
    options = parser.parse_args(argv)
    circuits = [(title, circuit(function, point)) for title, function, point in CIRCUITS]
    for title, nodes in circuits:
        print(f"{title}\n\n{table(nodes)}\n")
    picture(circuits).savefig(options.out, dpi=150, bbox_inches="tight", pad_inches=0.3)
    print(f"picture: {options.out}")
    return [nodes for _, nodes in circuits]


if __name__ == "__main__":
    main()
