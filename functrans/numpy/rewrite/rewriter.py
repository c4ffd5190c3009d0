"""What rewriting a branch and rewriting a loop share: statements with all that is inside them rewritten, as lines of text.

Imports `truth`, `names`, `known` and `unsound`; start reading at `Rewriter.lines`. What to do with an `if` or a loop on a
traced value is said by the functions that it is made with, in `branches` and `loops`.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping, Sequence
from textwrap import indent
from typing import TypeAlias

from functrans.numpy.rewrite.names import Function, Liveness, binds, parameters, reads, walk_here
from functrans.numpy.rewrite.truth import Truth, unparsed
from functrans.numpy.rewrite.unsound import Unsound

__all__ = ["Rewriter", "Rule", "ends", "indented", "returns"]

Rule: TypeAlias = Callable[["Rewriter", ast.stmt, Sequence[ast.stmt], bool], "tuple[list[str], bool]"]
"""Rewrites a statement, given those that follow it and whether the function ends after them: lines, and whether it took all."""


def indented(lines: Sequence[str]) -> list[str]:
    """Lines of a block."""
    return indent("\n".join(lines), "    ").split("\n") if lines else ["    pass"]


def returns(statements: Sequence[ast.AST]) -> bool:
    """Whether there is a `return` among statements."""
    return any(isinstance(node, ast.Return) for node in walk_here(statements))


class Rewriter:
    """Rewrites statements of one function; `root` is the one that is running."""

    def __init__(self, function: Function, root: ast.stmt, truth: Truth, rules: Mapping[type, Rule]) -> None:
        self.function, self.root, self.known, self.truth, self.rules = function, root, truth.known, truth, rules
        self.live = Liveness(function, root)
        self._taken = {*parameters(function), *reads(function), *binds(*self._body), *self.known.names}

    @property
    def _body(self) -> list[ast.stmt]:
        return self.function.body if isinstance(self.function.body, list) else []

    def fresh(self, name: str) -> str:
        """A name for a function that does not hide one of the user's."""
        while name in self._taken:
            name += "_"
        return name

    # ---- variables ----

    def outputs(self, node: ast.stmt, *parts: Sequence[ast.stmt]) -> list[str]:
        """The variables that parts of a statement assign and that are read after it, in the order of a tuple of them."""
        live = self.live.after[node]
        found = [name for name in binds(*(s for part in parts for s in part)) if name in live]
        for part in parts:
            match part:
                case [ast.Assign(targets=[ast.Tuple(elts=elts)])]:
                    names = [getattr(element, "id", "") for element in elts]
                    found = names if set(names) == set(found) else found
        return found

    def read_first(self, part: Sequence[ast.stmt], outputs: Sequence[str]) -> frozenset[str]:
        """The variables that a part reads before it assigns them, if it returns `outputs`."""
        return self.live.block(part, frozenset(outputs))

    def demand(self, names: Sequence[str], node: ast.stmt, reason: str) -> None:
        """Raises Unsound unless each of the variables has a value when `node` is reached."""
        for name in names:
            if not self._has_value(name, node):
                raise Unsound(reason.format(name=name))

    def demand_arrays(self, names: Sequence[str], node: ast.stmt) -> None:
        """Raises Unsound if variables that a branch or a loop is to give are, or were, something else than arrays."""
        kinds = (ast.FunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom)
        defined = binds(*(inner for inner in walk_here([node]) if isinstance(inner, kinds)))
        for name in names:
            if name in defined:
                raise Unsound(_NO_ARRAY.format(name=name, what="a function, a class or a module"))
            value = self.known.names.get(name, 0)
            if value is None or isinstance(value, str | bytes):
                raise Unsound(_NO_ARRAY.format(name=name, what=repr(value)))

    def _has_value(self, name: str, node: ast.stmt) -> bool:
        before = [
            s for s in walk_here(self._body) if isinstance(s, ast.stmt) and s.lineno < node.lineno and name in _own(s)
        ]
        inside = [s for s in before if s.lineno >= self.root.lineno]
        return bool(inside) or (name in self.known.names and bool(before or name in parameters(self.function)))

    def values(self, part: Sequence[ast.stmt], outputs: Sequence[str]) -> ast.expr | None:
        """The expression that a part comes to, where all that it does is to give one to the variables."""
        names: list[ast.expr] = [ast.Name(name, ast.Load()) for name in outputs]
        unchanged = names[0] if len(names) == 1 else ast.Tuple(names, ast.Load())
        match part:
            case [] | [ast.Pass()]:
                return unchanged
            case [ast.Assign(targets=[target], value=value)] if binds(target) == list(outputs) and _is_flat(target):
                return value
            case [ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value)] if [name] == outputs:
                return value
            case [ast.AugAssign(target=ast.Name(id=name), op=op, value=value)] if [name] == outputs:
                return ast.BinOp(ast.Name(name, ast.Load()), op, value)
        return None

    # ---- text ----

    def function_lines(self, name: str, taken: Sequence[str], body: Sequence[str], result: str) -> list[str]:
        """The definition of a function."""
        last = [f"return {result}"] if result else []
        inside = [*body, *last]
        return ["", f"def {name}({', '.join(taken)}):", *indented(inside[1:] if inside[0] == "" else inside), ""]

    def lines(self, statements: Sequence[ast.stmt], *, last: bool = False) -> list[str]:
        """Statements, with what is inside them rewritten; `last` if the function ends after them."""
        lines: list[str] = []
        for number, node in enumerate(statements):
            rest = statements[number + 1 :]
            rule = self.rules.get(type(node))
            if rule is not None and self.is_traced(node):
                new, took_rest = rule(self, node, rest, last)
                lines += new
                if took_rest:
                    break
            else:
                lines += self._untouched(node, last, bool(rest))
        return lines

    def is_traced(self, node: ast.stmt) -> bool:
        """Whether a statement goes by a traced value."""
        match node:
            case ast.If(test=test) | ast.While(test=test):
                return self.known.is_traced(test)
            case ast.For(iter=ast.Call(args=args) as call) if self.known.is_builtin(call, "range"):
                return any(map(self.known.is_traced, args))
        return False

    def _untouched(self, node: ast.stmt, last: bool, has_rest: bool) -> list[str]:
        """A statement that Python runs while the function is traced."""
        match node:
            case ast.If(test=test, body=body, orelse=orelse):
                parts = [self.lines(part, last=last and (ends(part) or not has_rest)) for part in (body, orelse)]
                lines = [f"if {self.truth.value(test)}:", *indented(parts[0])]
                return [*lines, "else:", *indented(parts[1])] if orelse else lines
            case ast.For(target=target, iter=iterated, body=body, orelse=[]):
                head = f"for {unparsed(target)} in {self.truth.value(iterated)}:"
                return [head, *indented(self.lines(body))]
            case ast.While(test=test, body=body, orelse=[]):
                return [f"while {self.truth.value(test)}:", *indented(self.lines(body))]
            case ast.With(items=items, body=body):
                head = ast.unparse(ast.With(items, [ast.Pass()], lineno=0)).splitlines()[0]
                return [head, *indented(self.lines(body))]
        text = ast.unparse(node)
        new = ast.unparse(self.truth.visit(ast.parse(text)))
        return ((new == text and self.truth.source.of(node)) or new).splitlines()


_NO_ARRAY = (
    "`{name}` is {what}, which a traced branch or loop can neither take nor give. Let it be a number or an array throughout, "
    "of one shape and dtype."
)


def ends(statements: Sequence[ast.stmt]) -> bool:
    """Whether statements always end the function, with a value."""
    match statements:
        case [*_, ast.Return(value=value)]:
            return value is not None
        case [*_, ast.If(body=body, orelse=orelse)]:
            return ends(body) and ends(orelse)
    return False


def _is_flat(target: ast.expr) -> bool:
    elements = target.elts if isinstance(target, ast.Tuple) else [target]
    return all(isinstance(element, ast.Name) for element in elements)


def _own(statement: ast.stmt) -> list[str]:
    """What a statement binds itself, not the statements in it."""
    return binds(*(child for child in ast.iter_child_nodes(statement) if not isinstance(child, ast.stmt))) or (
        binds(statement) if isinstance(statement, ast.FunctionDef | ast.ClassDef) else []
    )
