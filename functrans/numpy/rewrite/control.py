"""What to write in place of a statement that asks for the truth of a traced value, or for its value as a number of rounds.

Finds the statement that is running and has it rewritten by `branches`, `loops` or `truth`. Where that would not be sound it
says why. Imports all of the package; start reading at `advice`.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from itertools import accumulate
from textwrap import dedent
from typing import TypeGuard

from functrans.core.primitive import Tracer
from functrans.numpy.rewrite.branches import branch
from functrans.numpy.rewrite.known import Known
from functrans.numpy.rewrite.loops import fori_loop, while_loop
from functrans.numpy.rewrite.modules import Modules
from functrans.numpy.rewrite.names import Function, binds
from functrans.numpy.rewrite.rewriter import Rewriter, Rule, indented
from functrans.numpy.rewrite.site import Running, running
from functrans.numpy.rewrite.truth import REWRITTEN_CALLS, Source, Truth
from functrans.numpy.rewrite.unsound import Unsound
from functrans.record import NamedTuple

__all__ = ["RULES", "Advice", "advice", "following"]

RULES: dict[type, Rule] = {ast.If: branch, ast.While: while_loop, ast.For: fori_loop}
"""What rewrites a statement of each kind."""
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)


class Advice(NamedTuple):
    """The user's statement and code that can stand in its place, or why there is none."""

    quoted: str = ""
    code: str = ""
    why: str = ""


def advice(tracer: Tracer) -> Advice | None:
    """What to write where the truth or the number that is `tracer` is wanted; None where nothing is known of that."""
    now = running()
    if now is None:
        return None
    path = list(_path(now.tree, now))
    statements = [node for node in path if isinstance(node, ast.stmt)]
    if not any(isinstance(node, _FUNCTIONS) for node in path) or not _is_asked_here(now, path):
        return None
    try:
        return _advice(now, tracer, path)
    except Unsound as reason:
        kind = {
            ast.If: "`if`",
            ast.While: "`while`",
            ast.For: "`for`",
            ast.Assert: "`assert`",
            ast.Match: "`match`",
        }.get(type(statements[-1]), "line")
        return Advice(why=f"This {kind} cannot be rewritten as it stands: {reason}")


def _path(node: ast.AST, now: Running) -> Iterator[ast.AST]:
    """The parts of the text that have the running one in them, from the outermost."""
    for child in ast.iter_child_nodes(node):
        if hasattr(child, "lineno") and now.encloses(child):
            yield child
            yield from _path(child, now)
            return
        if not hasattr(child, "lineno"):
            yield from _path(child, now)


def _is_asked_here(now: Running, path: Sequence[ast.AST]) -> bool:
    """Whether the value is asked for by the code itself, and not inside a function that it calls."""
    if not now.operation.startswith("CALL"):
        return True
    names = [getattr(node.func, "id", "") for node in path if isinstance(node, ast.Call)]
    return names[-1:] == ["range"] or names[-2:] == ["range", "int"] or bool(REWRITTEN_CALLS.intersection(names[-1:]))


def _advice(now: Running, tracer: Tracer, path: Sequence[ast.AST]) -> Advice | None:
    function = next(node for node in reversed(path) if isinstance(node, _FUNCTIONS))
    statements = [node for node in path if isinstance(node, ast.stmt)]
    statement, modules = statements[-1], Modules(now.names)
    is_inside = path.index(function) > path.index(statement)  # a lambda in it
    rest = [] if is_inside else following(function, statements)
    is_loop = isinstance(statement, ast.While | ast.For)
    known = Known(now.names, [statement, *(rest or [])], binds(statement) if is_loop and not is_inside else [])
    source = Source(now.text, now.tree)
    truth = Truth(known, modules.np, modules.lax, source, elementwise=bool(tracer.aval.shape))
    if is_inside or not _is_asked_by(known, statement, path):
        return _line(now, modules, truth, statement, path)
    if tracer.aval.shape:
        raise Unsound(_NO_SINGLE_TRUTH.format(shape=tracer.aval.shape))
    known.assume_traced(getattr(statement, "test", getattr(statement, "iter", None)))
    rewriter = Rewriter(function, statement, truth, RULES)
    lines, took_rest = RULES[type(statement)](rewriter, statement, rest or [], rest is not None)
    until = rest[-1] if rest and took_rest and rest[-1] in _block_of(function, statement) else statement
    return _block(now, modules, statement, until, lines)


def _is_asked_by(known: Known, statement: ast.stmt, path: Sequence[ast.AST]) -> bool:
    """Whether it is the condition or the range of a branch or a loop that is asked for."""
    match statement:
        case ast.If() | ast.While():
            return True
        case ast.For(iter=ast.Call() as call):
            return known.is_builtin(call, "range") and call in path
        case ast.Assert(test=test) if known.is_traced(test):
            raise Unsound(_ASSERTION)
        case ast.Match():
            raise Unsound(_MATCH)
    return False


_NO_SINGLE_TRUTH = (
    "what it asks for has the shape {shape}, and only a single value is true or false. Take np.any or np.all of it, one element, "
    "or np.where for a choice element by element."
)
_MATCH = (
    "a `match` compares a traced value with its patterns. Write it with `if`, or with lax.switch(index, branches) for the "
    "numbers from 0 on."
)
_ASSERTION = (
    "an assertion cannot stop a function where a traced value says so. Return what it asserts, and assert that outside; what is "
    "known while the function is traced, as shapes are, can be asserted here."
)


def _block_of(function: Function, statement: ast.stmt) -> list[ast.stmt]:
    """The statements among which a statement stands."""
    for node in ast.walk(function):
        for block in (getattr(node, "body", None), getattr(node, "orelse", None), getattr(node, "finalbody", None)):
            if isinstance(block, list) and statement in block:
                return block
    return [statement]


def following(function: Function, statements: Sequence[ast.stmt]) -> list[ast.stmt] | None:
    """What Python runs after the last of nested statements, to the end of the function; None where it is in a loop."""
    inside = statements[statements.index(function) + 1 :] if isinstance(function, ast.stmt) else statements[-1:]
    rest: list[ast.stmt] = []
    for node in reversed(inside):
        if node is not inside[-1] and not isinstance(node, ast.If):
            return None
        block = _block_of(function, node)
        rest += block[block.index(node) + 1 :]
    return rest


# ---- text ----


def _block(now: Running, modules: Modules, first: ast.stmt, last: ast.stmt, lines: Sequence[str]) -> Advice:
    text = now.text.splitlines()
    lines = [*modules.imports("\n".join(lines)), *lines]
    lines = [line for number, line in enumerate(lines) if line or (number and lines[number - 1])]  # no two empty ones
    if text[first.lineno - 1].lstrip().startswith("elif"):
        lines = ["else:", *indented(lines)]
    quoted = dedent("\n".join(text[first.lineno - 1 : last.end_lineno]))
    return Advice(quoted, "\n".join(line.rstrip() for line in lines))


def _line(now: Running, modules: Modules, truth: Truth, statement: ast.stmt, path: Sequence[ast.AST]) -> Advice | None:
    """The line of an expression that asks for truth; the whole statement or its head, where it is in several lines."""
    _refuse_lengths(truth.known, path)
    edits = list(_edits(truth, statement))
    if not edits:
        truth.known.assume_traced(None)
        inner = [node for node in path if isinstance(node, ast.expr)]
        edits = list(_edits(truth, inner[0])) if inner else []
    if not edits:
        return None
    parts = [node for node in ast.iter_child_nodes(statement) if not isinstance(node, ast.stmt)]
    end = max(getattr(node, "end_lineno", 0) for node in (parts if hasattr(statement, "body") else [statement]))
    quoted, new = _edited(now.text, statement.lineno, end, edits)
    imports = modules.imports(new)
    return Advice(quoted, "\n".join([*imports, new]))


def _edits(truth: Truth, node: ast.AST) -> Iterator[tuple[ast.expr, str]]:
    """The outermost expressions that ask for truth, but for those in inner statements, each with its new text."""
    if _may_ask(node):
        new = truth.value(node)
        if new != ast.unparse(node):
            yield node, new
            return
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, ast.stmt):
            yield from _edits(truth, child)


def _may_ask(node: ast.AST) -> TypeGuard[ast.expr]:
    match node:
        case (
            ast.IfExp()
            | ast.BoolOp()
            | ast.UnaryOp(op=ast.Not())
            | ast.Compare(ops=[_, _, *_] | [ast.In() | ast.NotIn()])
        ):
            return True
        case ast.Call(func=ast.Name(id=name)):
            return name in REWRITTEN_CALLS
    return False


def _edited(text: str, first: int, last: int, edits: Sequence[tuple[ast.expr, str]]) -> tuple[str, str]:
    """Lines of the text as they are, and with parts of them replaced."""
    lines = [line.encode() for line in text.splitlines(keepends=True)]
    starts = [0, *accumulate(map(len, lines))]
    start, end = starts[first - 1], starts[last]
    old = new = b"".join(lines)
    for node, part in reversed(edits):
        a, b = (
            starts[node.lineno - 1] + node.col_offset,
            starts[(node.end_lineno or 0) - 1] + (node.end_col_offset or 0),
        )
        new = new[:a] + part.encode() + new[b:]
    new = new[start : end + len(new) - len(old)]
    quoted, written = (dedent(part.decode().rstrip()) for part in (old[start:end], new))
    return quoted, written


def _refuse_lengths(known: Known, path: Sequence[ast.AST]) -> None:
    """Raises Unsound in a comprehension whose number of elements would depend on a traced value."""
    for node in path:
        for part in getattr(node, "generators", []):
            is_range = known.is_builtin(part.iter, "range") and any(map(known.is_traced, part.iter.args))
            if is_range and not _is_summed(known, path, node):
                raise Unsound(_LENGTH)
            if any(map(known.is_traced, part.ifs)):
                raise Unsound(_FILTER)


_LENGTH = (
    "how many elements a comprehension has cannot depend on a traced value. Give an array of a size that is known, and set its "
    "items in lax.fori_loop."
)
_FILTER = (
    "how many elements a comprehension has cannot depend on a traced value. Give each element or a neutral one, by "
    "np.where(condition, element, 0)."
)


def _is_summed(known: Known, path: Sequence[ast.AST], node: ast.AST) -> bool:
    return any(known.is_builtin(call, "sum") and node in getattr(call, "args", []) for call in path)
