"""Where the user's code is: the expression that is running, its text, and what its operands are called.

The positions in the code object say which part of the text is running. `described` says of operands what they are called
and where they come from. Imports `core.source`; start reading at `running`, then `site`.
"""

from __future__ import annotations

import ast
import linecache
import sys
from collections import ChainMap
from collections.abc import Iterator, Mapping, Sequence
from dis import opname
from functools import lru_cache, partial
from itertools import islice
from textwrap import dedent
from types import FrameType

from functrans.core.primitive import Tracer, aval_of
from functrans.core.source import Source, last_name, user_source
from functrans.record import Record

__all__ = ["Running", "Site", "described", "parsed", "running", "site"]

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
_COMPREHENSIONS = {"<listcomp>", "<setcomp>", "<dictcomp>", "<genexpr>"}
_JOINING = {"concatenate", "concat", "stack", "vstack", "hstack", "dstack", "column_stack"}


class Site(Record):
    """The expression (or the target of an assignment) that is running, the statement it is in, and their text."""

    source: Source
    text: str
    node: ast.AST
    statement: ast.stmt
    names: Mapping[str, object]

    def of(self, node: ast.AST) -> str:
        """The text of a part."""
        return ast.get_source_segment(self.text, node) or ast.unparse(node)

    def operand(self, node: ast.expr) -> str:
        """The text of a part, such that an operator or an attribute may stand next to it."""
        is_one = isinstance(node, ast.Name | ast.Call | ast.Constant | ast.Subscript | ast.Attribute | ast.List)
        return self.of(node) if is_one else f"({self.of(node)})"

    @property
    def expression(self) -> str:
        """The running expression, on one line and not too long."""
        text = " ".join(self.of(self.node).split())
        return text if len(text) <= 60 else f"{text[:57]}..."

    @property
    def called(self) -> str:
        """The name of the function that is called; "" for what is no call."""
        function = self.node.func if isinstance(self.node, ast.Call) else None
        return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")

    @property
    def is_assignment(self) -> bool:
        """Whether an element of an array is being assigned."""
        target = self.statement.target if isinstance(self.statement, ast.AugAssign) else self.node
        return isinstance(target, ast.Subscript) and isinstance(target.ctx, ast.Store)

    def with_replaced(self, node: ast.AST, new: str) -> str:
        """The line of `node` with it replaced by `new`; the whole statement, on one line, where it has several."""
        lines, statement = self.text.splitlines(), self.statement
        start = lines[_at(node, "lineno") - 1].encode()[: _at(node, "col_offset")].decode()
        end = lines[_at(node, "end_lineno") - 1].encode()[_at(node, "end_col_offset") :].decode()
        if hasattr(statement, "body") or _at(statement, "lineno") == _at(statement, "end_lineno"):
            return (start + new + end).strip()
        before = lines[_at(statement, "lineno") - 1 : _at(node, "lineno") - 1]
        after = lines[_at(node, "end_lineno") : _at(statement, "end_lineno")]
        whole = parsed(dedent("\n".join([*before, start + new + end, *after])))
        return ast.unparse(whole) if whole is not None else ""

    @property
    def operands(self) -> list[ast.expr]:
        """The operands of the operator that is running, or the positional arguments of the function."""
        match self.node:
            case ast.BinOp(left=left, right=right) | ast.Compare(left=left, comparators=[right]):
                return [left, right]
            case ast.AugAssign(target=target, value=value):
                return [target, value]
            case ast.Call(args=[ast.List(elts=elements) | ast.Tuple(elts=elements), *_]) if self.called in _JOINING:
                return elements
            case ast.Call(args=args):
                return args
        return []

    def value_of(self, node: ast.AST) -> object:
        """What a name stands for in the running frame; None for other expressions."""
        return self.names.get(node.id) if isinstance(node, ast.Name) else None


def _at(node: ast.AST, position: str) -> int:
    return int(getattr(node, position, 0) or 0)


@lru_cache(maxsize=32)
def parsed(text: str) -> ast.Module | None:
    """The tree of a text; None for what is no Python. The same text gives the same tree."""
    try:
        return ast.parse(text)
    except SyntaxError:
        return None


def _with_statements(node: ast.AST, statement: ast.stmt | None) -> Iterator[tuple[ast.AST, ast.stmt | None]]:
    for child in ast.iter_child_nodes(node):
        inner = child if isinstance(child, ast.stmt) else statement
        yield child, inner
        yield from _with_statements(child, inner)


class Running(Record):
    """What of the user's code is running: its text, the positions in it, and the values of names."""

    source: Source
    text: str
    tree: ast.Module
    span: tuple[int, int, int, int]
    """Line, column, end line, end column."""
    operation: str
    """The name of the instruction."""
    names: Mapping[str, object]

    def is_at(self, node: ast.AST) -> bool:
        """Whether a part of the text ends where the running one does."""
        return (_at(node, "end_lineno"), _at(node, "end_col_offset")) == self.span[2:]

    def encloses(self, node: ast.AST) -> bool:
        """Whether a part of the text has the running one in it."""
        start, end = (
            (_at(node, "lineno"), _at(node, "col_offset")),
            (_at(node, "end_lineno"), _at(node, "end_col_offset")),
        )
        return start <= self.span[:2] and self.span[2:] <= end


def running() -> Running | None:
    """The place in the user's code that is running now; None where its text is not to be had."""
    source = user_source()
    if source is None:
        return None
    text = "".join(linecache.getlines(source.file))
    tree = parsed(text)
    position = next(islice(source.code.co_positions(), source.instruction // 2, None), None)
    if tree is None or position is None:
        return None
    line, end_line, column, end_column = position
    if line is None or end_line is None or column is None or end_column is None:
        return None
    operation = opname[source.code.co_code[source.instruction]]
    return Running(source, text, tree, (line, column, end_line, end_column), operation, _names(source))


def _names(source: Source) -> Mapping[str, object]:
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and (frame.f_code is not source.code or frame.f_lasti != source.instruction):
        frame = frame.f_back
    if frame is None:
        return {}
    scopes = [frame.f_locals]
    while frame.f_code.co_name in _COMPREHENSIONS and frame.f_back is not None:  # which have frames of their own
        frame = frame.f_back
        scopes.append(frame.f_locals)
    return ChainMap(*scopes, frame.f_globals)


def site() -> Site | None:
    """The expression that is running now; None where its text is not to be had."""
    now = running()
    if now is None:
        return None
    found = [
        Site(now.source, now.text, node, statement, now.names)
        for node, statement in _with_statements(now.tree, None)
        if statement is not None
        and isinstance(node, ast.Call | ast.Subscript | ast.AugAssign | ast.BinOp | ast.Compare)
        and now.is_at(node)
    ]
    exact = [place for place in found if (_at(place.node, "lineno"), _at(place.node, "col_offset")) == now.span[:2]]
    return exact[0] if exact else found[-1] if found else None


# ---- where operands come from ----


def described(operands: Sequence[object]) -> list[str]:
    """Each operand of the function that is running: what it is called, what it is, and where it comes from."""
    place = site()
    nodes: list[ast.expr] = [] if place is None else place.operands
    if place is None or len(nodes) < len(operands) or not all(map(partial(_may_be, place), nodes, operands)):
        return [_what(x) for x in operands]
    return [f"`{' '.join(place.of(node).split())}`, {_what(x)}{_assigned(place, node, x)}"
            for node, x in zip(nodes, operands, strict=False)]  # fmt: skip


def _what(x: object) -> str:
    return x.describe() if isinstance(x, Tracer) else f"a constant of type {aval_of(x)}"


def _may_be(place: Site, node: ast.expr, operand: object) -> bool:
    """Whether the operand can be the value of this expression: a name must stand for it."""
    return not isinstance(node, ast.Name) or place.value_of(node) is operand or not isinstance(operand, Tracer)


def _assigned(place: Site, node: ast.expr, operand: object) -> str:
    """Where a name got its value: it is an argument, or which line above assigns it; empty where that is unclear."""
    if not isinstance(node, ast.Name) or getattr(operand, "origin", None) is not None:  # a staged value tells it itself
        return ""
    module = parsed(place.text)
    around = [n for n in ast.walk(module) if isinstance(n, _FUNCTIONS) and _encloses(n, place.node)] if module else []
    if not around:
        return ""
    function = max(around, key=lambda n: (_at(n, "lineno"), _at(n, "col_offset")))
    lines = [_at(n, "lineno") for n in ast.walk(function)
             if isinstance(n, ast.Name) and n.id == node.id and isinstance(n.ctx, ast.Store)]  # fmt: skip
    if not lines and any(isinstance(n, ast.arg) and n.arg == node.id for n in ast.walk(function.args)):
        return f", argument `{node.id}` of `{last_name(place.source.function)}`"
    if not lines or max(lines) >= _at(place.statement, "lineno"):  # from outside, or changed in a loop
        return ""
    return f", from line {max(lines)}: {place.text.splitlines()[max(lines) - 1].strip()}"


def _encloses(outer: ast.AST, inner: ast.AST) -> bool:
    ends = (_at(inner, "end_lineno"), _at(inner, "end_col_offset"))
    starts = (_at(inner, "lineno"), _at(inner, "col_offset"))
    return (_at(outer, "lineno"), _at(outer, "col_offset")) <= starts and ends <= (
        _at(outer, "end_lineno"),
        _at(outer, "end_col_offset"),
    )
