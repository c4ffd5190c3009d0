"""Expressions that ask for truth (`and`, `or`, `not`, `a < b < c`, `a if c else b`, `min`, `max`, `any`, …) without asking.

`np.where` and `np.logical_and` compute all that they are given. They stand where that changes nothing but a little time;
elsewhere `lax.cond` does, which computes what Python would. Imports `known`; start reading at `Truth`.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence

from functrans.numpy.rewrite.known import Known

__all__ = ["REWRITTEN_CALLS", "Source", "Truth", "expression", "unparsed"]

_ORDER = {"min": "<", "max": ">"}


def expression(text: str) -> ast.expr:
    """The tree of an expression."""
    return ast.parse(text, mode="eval").body


def unparsed(node: ast.AST) -> str:
    """The text of a tree, of a tuple without its parentheses."""
    text = ast.unparse(node)
    return text[1:-1] if isinstance(node, ast.Tuple) and len(node.elts) > 1 else text


class Source:
    """The text that a tree was made of."""

    def __init__(self, text: str, tree: ast.AST) -> None:
        self._text, self._nodes = text, {id(node): node for node in ast.walk(tree)}

    def of(self, node: ast.AST) -> str:
        """The text of a part as the user wrote it; empty where it is in several lines, or may need parentheses."""
        is_whole = not isinstance(node, ast.Tuple | ast.NamedExpr | ast.GeneratorExp) and id(node) in self._nodes
        text = is_whole and ast.get_source_segment(self._text, node)
        return text if text and "\n" not in text else ""


class Truth(ast.NodeTransformer):
    """Rewrites every part of an expression that asks for the truth of a traced value."""

    def __init__(self, known: Known, np: str, lax: str, source: Source, elementwise: bool = False) -> None:
        self.known, self.np, self.lax, self.source, self.elementwise = known, np, lax, source, elementwise

    def value(self, node: ast.expr) -> str:
        """The text of an expression, rewritten."""
        text = ast.unparse(node)
        new = ast.unparse(self.visit(expression(text)))
        return self.source.of(node) or new if new == text else new

    def test(self, node: ast.expr) -> str:
        """The text of an expression of which only the truth is wanted, rewritten to give a truth value."""
        match node:
            case ast.BoolOp(op=op, values=values) if self.known.is_traced(node):
                return self._joined(op, values)
            case _ if self.known.is_truth(node):
                return self.value(node)
        return ast.unparse(ast.Compare(expression(self.value(node)), [ast.NotEq()], [ast.Constant(0)]))

    def _joined(self, op: ast.boolop, values: Sequence[ast.expr]) -> str:
        """`a and b and …` as a truth value; what is known comes first as it is, so that it still guards the rest."""
        first, *others = values
        if not self.known.is_traced(first):
            rest = self._joined(op, others) if len(others) > 1 else self.test(others[0])
            return ast.unparse(ast.BoolOp(op, [first, expression(rest)]))
        text, is_and = self.test(first), isinstance(op, ast.And)
        for other in others:
            if self.elementwise or self.known.is_total(other):
                text = f"{self.np}.logical_{'and' if is_and else 'or'}({text}, {self.test(other)})"
            else:
                functions = [f"lambda: {self.test(other)}", f"lambda: {not is_and}"][:: 1 if is_and else -1]
                text = f"{self.lax}.cond({', '.join([text, *functions])})"
        return text

    def chosen(self, test: str, first: ast.expr, second: ast.expr) -> str:
        """The text of an expression that is `first` where the test holds and `second` where it does not."""
        if self.elementwise or (self.known.is_plain(first) and self.known.is_plain(second)):
            return f"{self.np}.where({test}, {self.value(first)}, {self.value(second)})"
        return f"{self.lax}.cond({test}, lambda: {self.value(first)}, lambda: {self.value(second)})"

    # ---- the expressions ----

    def visit_IfExp(self, node: ast.IfExp) -> ast.expr:
        """`a if c else b`."""
        if not self.known.is_traced(node.test):
            return self._inside(node)
        return expression(self.chosen(self.test(node.test), node.body, node.orelse))

    def visit_BoolOp(self, node: ast.BoolOp) -> ast.expr:
        """`a and b`, which is `b if a else a` where they are no truth values."""
        if not any(map(self.known.is_traced, node.values[:-1])):
            return self._inside(node)
        if self.known.is_truth(node):
            return expression(self._joined(node.op, node.values))
        *others, last = node.values
        first = others[0] if len(others) == 1 else ast.BoolOp(node.op, others)
        pair = (last, first) if isinstance(node.op, ast.And) else (first, last)
        return self.visit_IfExp(ast.IfExp(first, *pair))

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.expr:
        """`not a`."""
        if not isinstance(node.op, ast.Not) or not self.known.is_traced(node.operand):
            return self._inside(node)
        return expression(f"{self.np}.logical_not({self.test(node.operand)})")

    def visit_Compare(self, node: ast.Compare) -> ast.expr:
        """`a < b < c`, which computes b once: it is repeated only where that changes nothing; and `a in b`."""
        if isinstance(node.ops[0], ast.In | ast.NotIn) and len(node.ops) == 1 and self.known.is_traced(node):
            return expression(self._contains(node.comparators[0], node.left, isinstance(node.ops[0], ast.In)))
        terms = [node.left, *node.comparators]
        if len(node.ops) == 1 or not self.known.is_traced(node) or not all(map(self.known.is_total, terms[1:-1])):
            return self._inside(node)
        pairs = zip(terms, node.ops, terms[1:], strict=False)
        return expression(self._joined(ast.And(), [ast.Compare(a, [op], [b]) for a, op, b in pairs]))

    def _contains(self, values: ast.expr, value: ast.expr, wanted: bool) -> str:
        array = self._stacked(values) if self.known.is_traced(values) else f"{self.np}.asarray({ast.unparse(values)})"
        equal = ast.unparse(ast.Compare(expression(array), [ast.Eq()], [expression(self.value(value))]))
        return f"{self.np}.any({equal})" if wanted else f"{self.np}.logical_not({self.np}.any({equal}))"

    def visit_Call(self, node: ast.Call) -> ast.expr:
        """Functions that compare, or ask for truth: `min`, `max`, `any`, `all`, `sorted`, `bool`, and `sum` over a range."""
        name = getattr(node.func, "id", "")
        rewriter = _CALLS.get(name)
        if rewriter is None or node.keywords or not self.known.is_builtin(node, name) or not self.known.is_traced(node):
            return self._inside(node)
        text = rewriter(self, [self.visit(arg) for arg in node.args], name)
        return self._inside(node) if text is None else expression(text)

    def _inside(self, node: ast.expr) -> ast.expr:
        self.generic_visit(node)
        return node

    def extreme(self, args: Sequence[ast.expr], name: str) -> str | None:
        """`min(a, b)` and `max(list)`."""
        if len(args) == 1 and not isinstance(args[0], ast.List | ast.Tuple):
            return f"{self.np}.{name}({self._stacked(args[0])})"
        terms = args if len(args) > 1 else getattr(args[0], "elts", [])
        text = "" if not terms else ast.unparse(terms[0])
        for term in terms[1:]:
            text = f"{self.np}.{name}imum({text}, {ast.unparse(term)})"
        return text or None

    def overall(self, args: Sequence[ast.expr], name: str) -> str | None:
        """`any(values)`, `all(values)` and `sorted(values)`."""
        name = "sort" if name == "sorted" else name
        return f"{self.np}.{name}({self._stacked(args[0])})" if len(args) == 1 else None

    def truth(self, args: Sequence[ast.expr], name: str) -> str | None:
        """`bool(a)`."""
        return self.test(args[0]) if len(args) == 1 else None

    def total(self, args: Sequence[ast.expr], name: str) -> str | None:
        """`sum(f(i) for i in range(n))`, whose number of terms is traced."""
        match args:
            case [
                ast.GeneratorExp(elt=term, generators=[ast.comprehension(target=ast.Name(id=i), iter=call, ifs=[])]),
                *start,
            ]:
                if not self.known.is_builtin(call, "range") or len(bounds := getattr(call, "args", [])) > 2:
                    return None
                low, high = bounds if len(bounds) == 2 else (ast.Constant(0), *bounds)
                if not self.known.is_traced(low) and not self.known.is_traced(high):
                    return None
                name = "total" if i != "total" else "total_"
                body = ast.unparse(ast.BinOp(ast.Name(name), ast.Add(), term))
                first = ast.unparse(start[0]) if start else "0"
                limits = f"{ast.unparse(low)}, {ast.unparse(high)}"
                return f"{self.lax}.fori_loop({limits}, lambda {i}, {name}: {body}, {first})"
        return None

    def _stacked(self, node: ast.expr) -> str:
        match node:
            case ast.GeneratorExp(elt=elt, generators=generators):
                return f"{self.np}.stack({ast.unparse(ast.ListComp(elt, generators))})"
            case ast.List() | ast.Tuple() | ast.ListComp():
                return f"{self.np}.stack({ast.unparse(node)})"
        value = self.known.value(node)
        return f"{self.np}.stack({ast.unparse(node)})" if isinstance(value, list | tuple) else ast.unparse(node)


_CALLS: dict[str, Callable[[Truth, Sequence[ast.expr], str], str | None]] = {
    "min": Truth.extreme,
    "max": Truth.extreme,
    "any": Truth.overall,
    "all": Truth.overall,
    "sorted": Truth.overall,
    "bool": Truth.truth,
    "sum": Truth.total,
}
REWRITTEN_CALLS = frozenset(_CALLS)
"""The built-in functions whose calls `Truth` rewrites."""
