"""Pictures of computational graphs: `draw`. Start reading there; `circuit`, `folding`, `layout` and `svg` are its steps.

Imports core, lowered and the transforms; the layout is igraph's, imported when it is first needed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from functrans import tree
from functrans.core.ir import Jaxpr, Literal, Var
from functrans.drawing.circuit import circuit_of
from functrans.drawing.folding import folded
from functrans.drawing.numbers import numbers_of
from functrans.drawing.svg import svg_of
from functrans.errors import MissingPackageError, ParameterError
from functrans.lowered import Lowered
from functrans.transforms.arguments import argument_paths
from functrans.transforms.make_jaxpr import make_jaxpr

__all__ = ["Drawing", "draw", "drawn"]


class Drawing(str):
    """An SVG picture as text, which notebooks show."""

    __slots__ = ()

    def _repr_svg_(self) -> str:
        return str(self)

    def __repr__(self) -> str:
        return f"<Drawing of {len(self)} characters>"

    def save(self, path: str | Path) -> None:
        """Write an SVG file."""
        Path(path).write_text(self, encoding="utf-8")


def draw(
    fun: Callable[..., Any] | Jaxpr | Lowered[Any, Any],
    *args: Any,
    values: bool = False,
    gradients: bool = False,
    depth: int = 0,
    most: int = 80,
) -> Drawing:
    """The computational graph of a function of these arguments, as SVG: inputs above, operations, results below.

    fun: a function; a jaxpr; or a lowered function, `jit(f).lower(*args)`, whose optimised program is drawn: operations
    that are computed together have one colour. Each box tells its operation, shape and dtype, and in a tooltip the equation
    and the line of source that it comes from. An operation that holds a program (jit, scan, cond, ...) is one box; `depth`
    levels of those programs are drawn inside.

    values: the value on every wire, in green (of large arrays the least and the largest number); gradients: besides, in
    red, the derivative of the result, a real scalar, by what flows in this wire alone. The sum over the wires that leave a box is
    the upstream gradient of the box. most: where there are more operations, those that follow one another and come
    from one function of the source are one box.

    Raises ParameterError for gradients of a result that is no scalar, and MissingPackageError without igraph.

    >>> import numpy as np
    >>> picture = draw(lambda x, y: x * np.sin(y), 2.0, 3.0, gradients=True)
    >>> picture.startswith("<svg"), "-1.98" in picture  # 2 cos 3
    (True, True)
    """
    jaxpr, inputs, results = _program(fun, args)
    numbers = None
    if values or gradients:
        leaves = tree.leaves(args)
        if len(leaves) != len(jaxpr.invars):
            what = f"{len(leaves)} values for {len(jaxpr.invars)} inputs"
            raise ParameterError("draw", what, "the arguments: values=True and gradients=True compute")
        numbers = numbers_of(jaxpr, leaves, gradients)
    groups = _groups(fun, jaxpr) if isinstance(fun, Lowered) else None
    circuit = circuit_of(jaxpr, inputs, results, numbers, groups, depth)
    return Drawing(svg_of(folded(circuit, jaxpr, most)))


def _program(fun: Any, args: tuple[Any, ...]) -> tuple[Jaxpr, list[str], list[str]]:
    """What is drawn, with the names of its inputs and results."""
    if isinstance(fun, Lowered):
        jaxpr = fun.optimized_jaxpr
        captured = len(jaxpr.invars) - len(fun.in_paths)
        return jaxpr, [*_named("constant", captured), *fun.in_paths], tree.paths(fun.out_tree, "out")
    if isinstance(fun, Jaxpr):
        return fun, _named("in", len(fun.invars)), _named("out", len(fun.outvars))
    jaxpr, shape = make_jaxpr(fun, return_shape=True)(*args)
    return jaxpr, argument_paths(fun, args), tree.paths(tree.structure(shape), "out")


def _named(word: str, count: int) -> list[str]:
    return [word] if count == 1 else [f"{word} {i}" for i in range(count)]


def _groups(lowered: Lowered[Any, Any], jaxpr: Jaxpr) -> Mapping[int, int]:
    """Which step of the plan computes each equation: that which stores it, or that of what reads it."""
    step_of: dict[Var, int] = {var: number for number, outs in enumerate(lowered.stored) for var in outs}
    groups: dict[int, int] = {}
    for number, eqn in reversed([*enumerate(jaxpr.eqns)]):
        known = [step_of[var] for var in eqn.outvars if var in step_of]
        if known:
            groups[number] = known[0]
            for atom in eqn.invars:
                if not isinstance(atom, Literal):
                    step_of.setdefault(atom, known[0])
    return groups


def drawn(what: Any) -> str | None:
    """For notebooks: the picture, or None where the package that lays it out is missing."""
    try:
        return draw(what)
    except MissingPackageError:
        return None
