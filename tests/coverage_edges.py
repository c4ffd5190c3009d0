"""Derivatives where there is no one answer: ties, zeros, infinities. What is chosen, and why.

`EDGES` is a table of COVERAGE.md, and tests/test_coverage.py runs each line by `grad`, `jvp` and `jit`. Start reading there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from functrans.scipy import special

__all__ = ["EDGES", "Edge", "edges_table", "function_of_edge"]

INF, NAN = float("inf"), float("nan")


class Edge(NamedTuple):
    """A call of x (and y), a point, the derivative by each operand there, and the reason."""

    call: str
    at: tuple[Any, ...]
    gradient: tuple[Any, ...]
    why: str


_SYMMETRIC = "halfway between the slopes on both sides"
_SHARED = "what ties shares the derivative evenly"
_STEP = "constant on both sides of a step"
_MISSING = "what is not used has derivative 0, whatever it is"
_LIMIT = "the limit"
_TRUE = "that is the derivative: it is not replaced"
_WRITE = "0 · ∞ on the way back. Write the function so that it is never computed there: "

EDGES = (
    Edge("np.abs(x)", (0.0,), (0.0,), _SYMMETRIC),
    Edge("np.fabs(x)", (0.0,), (0.0,), _SYMMETRIC),
    Edge("np.sign(x)", (0.0,), (0.0,), _STEP),
    Edge("np.floor(x)", (1.0,), (0.0,), _STEP),
    Edge("np.round(x)", (0.5,), (0.0,), _STEP),
    Edge("np.heaviside(x, y)", (0.0, 0.5), (0.0, 1.0), "a step in x; at 0 the value is y"),
    Edge("np.copysign(x, y)", (0.0, 3.0), (0.0, 0.0), "up to a sign it is abs of x"),
    Edge("np.fmod(x, y)", (4.0, 2.0), (1.0, -2.0), "the quotient is locally constant"),
    Edge("np.remainder(x, y)", (4.0, 2.0), (1.0, -2.0), "the quotient is locally constant"),
    Edge("np.maximum(x, y)", (1.0, 1.0), (0.5, 0.5), _SHARED),
    Edge("np.minimum(x, y)", (1.0, 1.0), (0.5, 0.5), _SHARED),
    Edge("np.maximum(x, 0)", (0.0,), (0.5,), _SYMMETRIC),
    Edge("np.fmax(x, y)", (NAN, 1.0), (0.0, 1.0), _MISSING),
    Edge("np.clip(x, 0, 1)", (0.0,), (0.5,), _SYMMETRIC),
    Edge("np.clip(x, 0, 1)", (1.0,), (0.5,), _SYMMETRIC),
    Edge("np.clip(x, 0, 1)", (2.0,), (0.0,), "constant beyond the bounds"),
    Edge("np.max(x)", ([1.0, 3.0, 3.0],), ([0.0, 0.5, 0.5],), _SHARED),
    Edge("np.min(x)", ([1.0, 1.0, 3.0],), ([0.5, 0.5, 0.0],), _SHARED),
    Edge("np.ptp(x)", ([1.0, 1.0],), ([0.0, 0.0],), _SHARED),
    Edge("np.sort(x)[0]", ([1.0, 1.0, 3.0],), ([1.0, 0.0, 0.0],), "sorting is stable: of equals the first comes first"),
    Edge("np.partition(x, 1)[1]", ([1.0, 1.0, 3.0],), ([0.0, 1.0, 0.0],), "as sort"),
    Edge("np.median(x)", ([1.0, 2.0, 2.0, 3.0],), ([0.0, 0.5, 0.5, 0.0],), "the mean of the middle two"),
    Edge("np.quantile(x, 0.5)", ([1.0, 1.0, 1.0],), ([0.0, 1.0, 0.0],), "as sort"),
    Edge("np.hypot(x, y)", (0.0, 0.0), (0.0, 0.0), "the subgradient of least norm"),
    Edge("np.linalg.norm(x)", ([0.0, 0.0],), ([0.0, 0.0],), "the subgradient of least norm"),
    Edge("np.linalg.norm(x, 1)", ([0.0, 2.0],), ([0.0, 1.0],), "a sum of abs"),
    Edge("np.linalg.norm(x, np.inf)", ([2.0, 2.0],), ([0.5, 0.5],), _SHARED),
    Edge("np.linalg.norm(x, 2)", ([[1.0, 0.0], [0.0, 1.0]],), ([[0.5, 0.0], [0.0, 0.5]],), _SHARED),
    Edge(
        "np.linalg.norm(x, 'nuc')",
        ([[1.0, 0.0], [0.0, 1.0]],),
        ([[1.0, 0.0], [0.0, 1.0]],),
        "the sum of equal singular values has one",
    ),
    Edge("np.linalg.det(x)", ([[1.0, 2.0], [2.0, 4.0]],), ([[4.0, -2.0], [-2.0, 1.0]],), "the cofactors, no inverse"),
    Edge("np.std(x)", ([1.0, 1.0],), ([0.0, 0.0],), "the subgradient of least norm"),
    Edge("np.arctan2(x, y)", (0.0, 0.0), (0.0, 0.0), "no limit: 0 keeps sums finite"),
    Edge("np.angle(x)", (0.0,), (0.0,), "as arctan2"),
    Edge("np.sinc(x)", (0.0,), (0.0,), _LIMIT),
    Edge("x ** 2", (0.0,), (0.0,), _LIMIT),
    Edge("x ** y", (0.0, 0.0), (0.0, 0.0), "0⁰ = 1 for every base; by y the slope of 0ʸ for y > 0"),
    Edge("x ** y", (0.0, 1.0), (1.0, 0.0), "x¹; by y the limit of log(x) · x"),
    Edge("x ** y", (0.0, 2.0), (0.0, 0.0), _LIMIT),
    Edge("np.logaddexp(x, y)", (-INF, -INF), (0.5, 0.5), _SHARED),
    Edge("np.logaddexp(x, y)", (0.0, -INF), (1.0, 0.0), _LIMIT),
    Edge("np.logaddexp2(x, y)", (-INF, -INF), (0.5, 0.5), _SHARED),
    Edge("special.logsumexp(x)", ([-INF, 0.0],), ([0.0, 1.0],), _LIMIT),
    Edge("special.logsumexp(x)", ([-INF, -INF],), ([0.0, 0.0],), "constant: nothing finite moves it"),
    Edge("special.xlogy(x, y)", (0.0, 0.0), (0.0, 0.0), "0 · log 0 = 0"),
    Edge("special.expit(x)", (-1000.0,), (0.0,), _LIMIT),
    Edge("np.prod(x)", ([0.0, 3.0, 5.0],), ([15.0, 0.0, 0.0],), "the products of the others, no division"),
    Edge("np.prod(x)", ([0.0, 3.0, 0.0],), ([0.0, 0.0, 0.0],), "the products of the others, no division"),
    Edge("np.cumprod(x)[-1]", ([2.0, 0.0, 5.0],), ([0.0, 10.0, 0.0],), "the products of the others, no division"),
    Edge("np.nan_to_num(x)", (NAN,), (0.0,), _MISSING),
    Edge("np.nansum(x)", ([NAN, 1.0],), ([0.0, 1.0],), _MISSING),
    Edge("np.nanmean(x)", ([NAN, 1.0],), ([0.0, 1.0],), _MISSING),
    Edge("np.nanmax(x)", ([NAN, 1.0],), ([0.0, 1.0],), _MISSING),
    Edge("np.interp(x, [0.0, 1.0, 2.0], [0.0, 1.0, 5.0])", (1.0,), (4.0,), "the slope to the right of a knot"),
    Edge("np.sqrt(x)", (0.0,), (INF,), _TRUE),
    Edge("np.log(x)", (0.0,), (INF,), _TRUE),
    Edge("special.entr(x)", (0.0,), (INF,), _TRUE),
    Edge("x ** y", (0.0, 0.5), (INF, 0.0), _TRUE),
    Edge(
        "np.where(x > 0, np.sqrt(x), 0)",
        (0.0,),
        (NAN,),
        f"{_WRITE}`np.where(x > 0, np.sqrt(np.where(x > 0, x, 1)), 0)`",
    ),
    Edge("np.where(x > 0, np.sqrt(np.where(x > 0, x, 1)), 0)", (0.0,), (0.0,), _MISSING),
    Edge("np.sqrt(np.sum(x * x))", ([0.0, 0.0],), ([NAN, NAN],), f"{_WRITE}`np.linalg.norm(x)`"),
)


def function_of_edge(edge: Edge) -> Callable[..., Any]:
    """The call as a function of its operands."""
    function: Callable[..., Any] = eval(f"lambda {', '.join('xy'[: len(edge.at)])}: {edge.call}", _NAMES)
    return function


_NAMES = {"np": np, "special": special}


def edges_table() -> str:
    """The table in Markdown."""
    lines = ["| function | at | derivative | why |", "|---|---|---|---|"]
    for call, at, gradient, why in EDGES:
        lines.append(f"| `{call}` | {_list(at)} | {_list(gradient)} | {why} |")
    return "\n".join(lines)


def _list(values: tuple[Any, ...]) -> str:
    text = ", ".join(str(value).replace(".0", "") for value in values)
    return text.replace("inf", "∞").replace("nan", "NaN").replace("-", "−")
