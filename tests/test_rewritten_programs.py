"""Branches and loops on traced values, rewritten as the errors say, against the programs as Python runs them."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import functrans as ft
import functrans.transforms
from functrans.numpy.rewrite.control import RULES, following
from functrans.numpy.rewrite.known import Known
from functrans.numpy.rewrite.names import binds, parameters
from functrans.numpy.rewrite.rewriter import Rewriter
from functrans.numpy.rewrite.truth import Source, Truth
from functrans.numpy.rewrite.unsound import Unsound
from tests.pasting import function_of, rewritten

VARIABLES = ["a", "b", "c"]
NUMBERS = ["0.0", "1.0", "-2.0", "0.5", "3.0"]


@st.composite
def expressions(draw: st.DrawFn, names: list[str], depth: int = 2) -> str:
    """An expression of numbers."""
    kind = draw(
        st.sampled_from(["name", "number", "sum", "clipped", "choice", "extreme"] if depth else ["name", "number"])
    )
    if kind in ("name", "number"):
        found = draw(st.sampled_from(names if kind == "name" else NUMBERS))
        return found if found in VARIABLES else f"0.5 * {found}"  # variables are floats throughout
    first, second = (draw(expressions(names, depth - 1)) for _ in range(2))
    match kind:
        case "sum":
            return f"{first} {draw(st.sampled_from('+-'))} ({second})"
        case "clipped":
            return f"np.clip({first} * ({second}), -9.0, 9.0)"
        case "extreme":
            return f"{draw(st.sampled_from(['max', 'min']))}({first}, {second})"
    return f"({first} if {draw(conditions(names, depth - 1))} else {second})"


@st.composite
def conditions(draw: st.DrawFn, names: list[str], depth: int = 2) -> str:
    """A condition."""
    kind = draw(st.sampled_from(["less", "between", "and", "or", "not"] if depth > 0 else ["less"]))
    if kind == "less":
        return f"{draw(st.sampled_from(names))} {draw(st.sampled_from(['<', '>=', '!=']))} {draw(st.sampled_from(NUMBERS))}"
    if kind == "between":
        return f"-2 < {draw(st.sampled_from(names))} <= 3"
    if kind == "not":
        return f"not {draw(conditions(names, depth - 1))}"
    return f"({draw(conditions(names, depth - 1))} {kind} {draw(conditions(names, depth - 1))})"


@st.composite
def blocks(draw: st.DrawFn, names: list[str], depth: int, *, last: bool = False) -> list[str]:
    """The lines of some statements, `last` those that end the function."""
    lines = [line for _ in range(draw(st.integers(1, 3))) for line in draw(statements(names, depth, last=last))]
    return lines


@st.composite
def statements(draw: st.DrawFn, names: list[str], depth: int, *, last: bool) -> list[str]:
    """The lines of one statement."""
    kinds = ["assign", "update", "swap", "temporary"]
    kind = draw(
        st.sampled_from(
            [*kinds, "if", "else", "elif", "while", "for", "down", *(["return"] if last else [])] if depth else kinds
        )
    )
    target, other = draw(st.permutations(VARIABLES))[:2]
    value = draw(expressions(names))

    def block(extra: str = "") -> list[str]:
        return [f"    {line}" for line in draw(blocks([*names, *filter(None, [extra])], depth - 1))]

    match kind:
        case "assign":
            return [f"{target} = {value}"]
        case "update":
            return [f"{target} {draw(st.sampled_from(['+=', '-=']))} {value}"]
        case "swap":
            return [f"{target}, {other} = {other}, {value}"]
        case "temporary":
            return [f"t = {value}", f"{target} = t + t"]
        case "if":
            return [f"if {draw(conditions(names))}:", *block()]
        case "else":
            return [f"if {draw(conditions(names))}:", *block(), "else:", *block()]
        case "elif":
            return [
                f"if {draw(conditions(names))}:",
                *block(),
                f"elif {draw(conditions(names))}:",
                *block(),
                "else:",
                *block(),
            ]
        case "return":
            return [f"if {draw(conditions(names))}:", *block(), f"    return {value}"]
        case "while":
            k = f"k{depth}"  # of its own, so that every loop ends
            return [f"{k} = 0", f"while {k} < 3 and {draw(conditions(names, 1))}:", *block(k), f"    {k} = {k} + 1"]
        case "for":
            return ["for i in range(n):", *block("i")]
    return ["for j in range(n, -1, -2):", *block("j")]


@given(
    st.data(),
    st.lists(st.tuples(*[st.sampled_from([-2.5, -1.0, 0.0, 0.25, 1.0, 2.0, 3.5])] * 3), min_size=3, max_size=3),
    st.integers(0, 3),
)
@settings(max_examples=40)
def test_rewritten_code_computes_what_python_does(data: st.DataObject, inputs: list[tuple[float, ...]], n: int) -> None:
    body = data.draw(blocks(VARIABLES, 2, last=True))
    program = "\n".join(["def f(a, b, c, n):", *(f"    {line}" for line in [*body, "return a + 2 * b + 3 * c"])])
    expected = [function_of(program)(*values, n) for values in inputs]
    new = rewritten(program, *inputs[0], n, times=40)
    compiled = ft.jit(function_of(new))
    np.testing.assert_allclose([compiled(*values, n) for values in inputs], expected, rtol=1e-12)


def branches_and_loops(node: ast.AST, outer: Sequence[ast.stmt] = ()) -> Iterator[list[ast.stmt]]:
    """Every branch and loop in functions, after the statements that it stands in."""
    for child in ast.iter_child_nodes(node):
        path = [*outer, child] if isinstance(child, ast.stmt) else list(outer)
        if isinstance(child, ast.If | ast.While) and any(isinstance(part, ast.FunctionDef) for part in outer):
            yield path
        yield from branches_and_loops(child, path)


@pytest.mark.parametrize(
    "path", sorted(Path(functrans.transforms.__file__).parent.glob("*.py")), ids=lambda path: path.stem
)
def test_any_code_is_rewritten_or_refused_for_a_reason(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text)
    for statements in branches_and_loops(tree):
        function = next(node for node in reversed(statements) if isinstance(node, ast.FunctionDef))
        node, rest = statements[-1], following(function, statements)
        known = Known(dict.fromkeys([*parameters(function), *binds(*function.body)], 1.0), [node, *(rest or [])])
        known.assume_traced(None)
        rewriter = Rewriter(function, node, Truth(known, "np", "lax", Source(text, tree)), RULES)
        try:
            lines, _ = RULES[type(node)](rewriter, node, rest or [], rest is not None)
        except Unsound as reason:
            assert str(reason).endswith(".")  # noqa: PT017  # refusing is one of two right answers
        else:
            ast.parse("\n".join(["def function():", *(f"    {line}" for line in lines)]))
