"""A `while` on a traced value, and a `for` over a range of traced length, as calls of lax.while_loop and lax.fori_loop.

What a round assigns and a later one, the condition, or the code after the loop reads is the state of the loop. Imports
`rewriter` and `unsound`; start reading at `while_loop`.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence

from functrans.numpy.rewrite.names import binds, reads
from functrans.numpy.rewrite.rewriter import Rewriter
from functrans.numpy.rewrite.truth import expression
from functrans.numpy.rewrite.unsound import Unsound, check, nothing

__all__ = ["fori_loop", "while_loop"]

_NO_VALUE = (
    "`{name}` has no value before the loop, and none after it if there is no round. "
    "Give it one before, of the type that the loop gives it."
)


def while_loop(r: Rewriter, node: ast.stmt, rest: Sequence[ast.stmt], last: bool) -> tuple[list[str], bool]:
    """The lines for a `while`."""
    assert isinstance(node, ast.While)
    if any(isinstance(inner, ast.NamedExpr) for inner in ast.walk(node.test)):
        raise Unsound(
            "its condition assigns a variable by `:=`. Assign it before the loop and at the end of each round."
        )
    state, value = _state(r, node)
    test, result = r.truth.test(node.test), ", ".join(state)
    if value is not None and len(state) == 1:
        functions = [f"lambda {result}: {test}", f"lambda {result}: {r.truth.value(value)}"]
        return [f"{result} = {r.truth.lax}.while_loop({', '.join([*functions, result])})", *_after(r, node)], False
    names = [r.fresh("cond_fun"), r.fresh("body_fun")]
    taken, unpacked, packed = _packed(r, state)
    lines = [
        *r.function_lines(names[0], [taken], unpacked, test),
        *r.function_lines(names[1], [taken], [*unpacked, *r.lines(node.body)], result),
        f"{result} = {r.truth.lax}.while_loop({', '.join([*names, packed])})",
    ]
    return [*lines, *_after(r, node)], False


def fori_loop(r: Rewriter, node: ast.stmt, rest: Sequence[ast.stmt], last: bool) -> tuple[list[str], bool]:
    """The lines for a `for` over a range."""
    assert isinstance(node, ast.For)
    if not isinstance(node.target, ast.Name) or not isinstance(node.iter, ast.Call):
        raise Unsound("it gives a range to more than one variable. Give it to one.")
    variable = node.target.id
    state, value = _state(r, node)
    if not state:
        return nothing(node.body), False
    start, stop, step = _bounds(r, node.iter)
    counter, first = variable, []
    if step is not None:
        if reads(node.iter) & {*binds(*node.body)}:
            raise Unsound("it assigns a variable that its range is made of. Take another variable for that.")
        counter = r.fresh("k")
        first = [f"{variable} = {start} + {step} * {counter}"]
        start, stop = "0", f"-(({start} - {_operand(stop)}) // {step})"
    result = ", ".join(state)
    if value is not None and len(state) == 1 and state != [variable] and not first:
        function, packed = f"lambda {counter}, {result}: {r.truth.value(value)}", result
        lines = []
    else:
        function = r.fresh("body_fun")
        inner = [name if name != variable else "_" for name in state]
        taken, unpacked, packed = _packed(r, inner, state)
        body = [*unpacked, *first, *r.lines(node.body)]
        lines = r.function_lines(function, [counter, taken], body, result)
    loop = f"{result} = {r.truth.lax}.fori_loop({', '.join([start, stop, function, packed])})"
    return [*lines, loop, *_after(r, node)], False


def _state(r: Rewriter, node: ast.While | ast.For) -> tuple[list[str], ast.expr | None]:
    """The variables that go from round to round, and the expression for them if a round is no more than that."""
    check(r.known, node.body)
    assigned = binds(*([node.target] if isinstance(node, ast.For) else []), *node.body)
    state = [name for name in assigned if name in r.live.before[node]]
    match node.body:
        case [ast.Assign(targets=[ast.Tuple(elts=elts)])]:
            names = [getattr(element, "id", "") for element in elts]
            state = names if set(names) == set(state) else state
    r.demand(state, node, _NO_VALUE)
    r.demand_arrays(state, node)
    if not state and isinstance(node, ast.While):
        raise Unsound("no round changes what its condition reads, so it runs for ever or not at all.")
    return state, r.values(node.body, state) if state else None


def _packed(r: Rewriter, inner: Sequence[str], state: Sequence[str] = ()) -> tuple[str, list[str], str]:
    """The parameter for the state, the lines that take it apart, and the state as an argument."""
    outer = ", ".join(state or inner)
    if len(inner) == 1:
        return inner[0], [], outer
    name = r.fresh("state")
    return name, [f"{', '.join(inner)} = {name}"], f"({outer})"


def _after(r: Rewriter, node: ast.While | ast.For) -> list[str]:
    """The `else` of a loop without `break` always runs."""
    return r.lines(node.orelse)


def _bounds(r: Rewriter, call: ast.Call) -> tuple[str, str, str | None]:
    texts = [_length(r, arg) for arg in call.args]
    match texts:
        case [stop]:
            return "0", stop, None
        case [start, stop]:
            return start, stop, None
    start, stop, step = texts
    return (start, stop, None) if step == "1" else (_operand(start), stop, _operand(step))


def _length(r: Rewriter, node: ast.expr) -> str:
    """An argument of range; `int(n)` of a traced value converts its dtype."""
    if isinstance(node, ast.Call) and r.known.is_builtin(node, "int") and len(node.args) == 1:
        return ast.unparse(
            ast.Call(ast.Attribute(expression(r.truth.value(node.args[0])), "astype"), [ast.Name("int")], [])
        )
    return r.truth.value(node)


def _operand(text: str) -> str:
    """An expression such that an operator may stand next to it."""
    return text if isinstance(expression(text), ast.Name | ast.Constant | ast.Call | ast.Attribute) else f"({text})"
