"""An `if` on a traced value, as a call of lax.cond or np.where.

The variables that the branches assign and that are read afterwards are what the call returns; those that a branch reads
and assigns become its parameters. Imports `rewriter` and `unsound`; start reading at `branch`.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence

from functrans.numpy.rewrite.names import binds, surely_bound
from functrans.numpy.rewrite.rewriter import Rewriter, ends, returns
from functrans.numpy.rewrite.unsound import Unsound, check, nothing

__all__ = ["branch"]


def branch(r: Rewriter, node: ast.stmt, rest: Sequence[ast.stmt], last: bool) -> tuple[list[str], bool]:
    """The lines for an `if`, and whether they stand for the rest of the function too, as after `if c: return a`."""
    assert isinstance(node, ast.If)
    if any(isinstance(inner, ast.NamedExpr) for inner in ast.walk(node.test)):
        raise Unsound("its condition assigns a variable by `:=`. Assign it in a line of its own, before the `if`.")
    if last and returns([node]):
        return _returning(r, node, rest), True
    check(r.known, [*node.body, *node.orelse])
    return _assigning(r, node), False


def _assigning(r: Rewriter, node: ast.If) -> list[str]:
    outputs = r.outputs(node, node.body, node.orelse)
    if not outputs:
        return nothing([*node.body, *node.orelse])
    one_sided = [name for name in outputs if name not in surely_bound(node.body) & surely_bound(node.orelse)]
    r.demand(one_sided, node, _ONE_SIDED)
    r.demand_arrays(outputs, node)
    test, result = r.truth.test(node.test), ", ".join(outputs)
    first, second = (r.values(part, outputs) for part in (node.body, node.orelse))
    if first is not None and second is not None:
        return [f"{result} = {r.truth.chosen(test, first, second)}"]
    taken = _taken(r, node, node.body, node.orelse, outputs)
    lines, names = [], []
    for name, part, value in (("true_fun", node.body, first), ("false_fun", node.orelse, second)):
        if value is not None:
            names.append(f"lambda {', '.join(taken)}: {r.truth.value(value)}".replace("lambda :", "lambda:"))
            continue
        names.append(r.fresh(name))
        lines += r.function_lines(names[-1], taken, r.lines(part), result)
    return [*lines, f"{result} = {r.truth.lax}.cond({', '.join([test, *names, *taken])})"]


_ONE_SIDED = (
    "`{name}` is assigned in one branch only and has no value before, so there is nothing to give where the other is taken. "
    "Assign it before the `if`, or in both branches."
)


def _taken(
    r: Rewriter, node: ast.If, body: Sequence[ast.stmt], orelse: Sequence[ast.stmt], outputs: Sequence[str]
) -> list[str]:
    """The parameters of the branches: what one of them assigns and, before that, reads."""
    needed = [r.read_first(part, outputs) & {*binds(*part)} for part in (body, orelse)]
    taken = [name for name in binds(*body, *orelse) if any(name in names for names in needed)]
    r.demand(taken, node, "`{name}` is read before it has a value. Assign it before the `if`.")
    return taken


def _returning(r: Rewriter, node: ast.If, rest: Sequence[ast.stmt]) -> list[str]:
    """Both ways to the end of the function, where one or both of them start in the `if`."""
    body, orelse = ([*part, *([] if ends(part) else rest)] for part in (node.body, node.orelse))
    check(r.known, [*body, *orelse], may_return=True)
    if not ends(body) or not ends(orelse):
        raise Unsound("one way through the function returns a value and another ends without. Return one in both.")
    test, values = r.truth.test(node.test), [_returned(part) for part in (body, orelse)]
    first, second = values
    if first is not None and second is not None:
        return [f"return {r.truth.chosen(test, first, second)}"]
    taken = _taken(r, node, body, orelse, [])
    lines, names = [], []
    for name, part, value in (("true_fun", body, first), ("false_fun", orelse, second)):
        if value is not None:
            names.append(f"lambda {', '.join(taken)}: {r.truth.value(value)}".replace("lambda :", "lambda:"))
            continue
        names.append(r.fresh(name))
        lines += r.function_lines(names[-1], taken, r.lines(part, last=True), "")
    return [*lines, f"return {r.truth.lax}.cond({', '.join([test, *names, *taken])})"]


def _returned(statements: Sequence[ast.stmt]) -> ast.expr | None:
    match statements:
        case [ast.Return(value=value)]:
            return value
    return None
