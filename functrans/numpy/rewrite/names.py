"""Which names a piece of a function reads and binds, and which of its variables are still needed after it.

Of the text alone: nothing is run. Where the text does not say, `Liveness` takes a variable for needed and `surely_bound`
takes it for not bound. Imports nothing of the library; start reading at `reads` and `binds`, then `Liveness`.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeAlias

__all__ = ["Function", "Liveness", "binds", "parameters", "reads", "surely_bound", "walk_here"]

Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
Names: TypeAlias = frozenset[str]

_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_NONE: Names = frozenset()


def walk_here(nodes: Iterable[ast.AST]) -> Iterator[ast.AST]:
    """All nodes but those of functions and classes that are defined inside."""
    for node in nodes:
        yield node
        if not isinstance(node, (*_SCOPES, ast.ClassDef)):
            yield from walk_here(ast.iter_child_nodes(node))


def parameters(function: Function) -> list[str]:
    """The names of a function's parameters."""
    a = function.args
    return [p.arg for p in (*a.posonlyargs, *a.args, a.vararg, *a.kwonlyargs, a.kwarg) if p is not None]


def reads(*nodes: ast.AST) -> Names:
    """The names whose values may be read, but for those that an inner function or comprehension binds for itself."""
    return _NONE.union(*map(_reads, nodes))


def _reads(node: ast.AST) -> Names:
    match node:
        case ast.Name(id=name):
            return frozenset([name]) if isinstance(node.ctx, ast.Load) else _NONE
        case ast.AugAssign(target=ast.Name(id=name), value=value):
            return reads(value) | {name}
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.Lambda():
            outside = [node.args, *getattr(node, "decorator_list", [])]
            body = node.body if isinstance(node.body, list) else [node.body]
            return reads(*outside) | (reads(*body) - {*parameters(node), *binds(*body)})
        case ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
            first, *others = ast.iter_child_nodes(node)
            bound = {name for part in node.generators for name in binds(part.target)}
            return reads(node.generators[0].iter) | (reads(first, *others) - bound)
    return reads(*ast.iter_child_nodes(node))


def binds(*nodes: ast.AST) -> list[str]:
    """The names that statements bind in their own function, each once, in the order of the text."""
    return list(dict.fromkeys(name for node in nodes for name in _binds(node)))


def _binds(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.Name(id=name):
            if not isinstance(node.ctx, ast.Load):
                yield name
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            yield name
        case ast.alias():
            yield node.asname or node.name.partition(".")[0]
        case ast.Lambda():
            return
        case ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
            yield from (inner.target.id for inner in ast.walk(node) if isinstance(inner, ast.NamedExpr))
        case _:
            if isinstance(node, ast.ExceptHandler) and node.name:
                yield node.name
            for child in ast.iter_child_nodes(node):
                yield from _binds(child)


def surely_bound(statements: Sequence[ast.stmt]) -> Names:
    """The names that have a value when all the statements have been run, whichever way they went."""
    found: set[str] = set()
    for statement in statements:
        match statement:
            case ast.If():
                found |= surely_bound(statement.body) & surely_bound(statement.orelse)
            case ast.With():
                found |= {*binds(*statement.items), *surely_bound(statement.body)}
            case ast.For() | ast.AsyncFor() | ast.While() | ast.Try() | ast.Match() | ast.Delete():
                continue
            case _:
                found.update(_surely(statement))
    return frozenset(found)


def _surely(statement: ast.stmt) -> Names:
    """What a simple statement binds, but for `:=`, which may stand behind an `and`."""
    walrus = {node.target.id for node in walk_here([statement]) if isinstance(node, ast.NamedExpr)}
    return frozenset(binds(statement)) - walrus


class Liveness:
    """Which variables may still be read: `before` and `after` each statement of a function."""

    def __init__(self, function: Function, until: ast.AST) -> None:
        body = function.body if isinstance(function.body, list) else []
        self.before: dict[ast.stmt, Names] = {}
        self.after: dict[ast.stmt, Names] = {}
        self._always = _captured(body, until)
        self.block(body, _NONE)

    def block(self, statements: Sequence[ast.stmt], after: Names, out: Names = _NONE, again: Names = _NONE) -> Names:
        """What is live before `statements`, if `after` is live after them, `out` at `break` and `again` at `continue`."""
        for statement in reversed(statements):
            self.after[statement] = after | self._always
            after = self.before[statement] = self._before(statement, after, out, again) | self._always
        return after

    def _before(self, node: ast.stmt, after: Names, out: Names, again: Names) -> Names:
        match node:
            case ast.If():
                body, orelse = (self.block(part, after, out, again) for part in (node.body, node.orelse))
                return reads(node.test) | body | orelse
            case ast.While():
                return self._loop(node, reads(node.test), _NONE, after)
            case ast.For() | ast.AsyncFor():
                return self._loop(node, _NONE, frozenset(binds(node.target)), after) | reads(node.iter)
            case ast.With() | ast.AsyncWith():
                return reads(*node.items) | (self.block(node.body, after, out, again) - {*binds(*node.items)})
            case ast.Return() | ast.Raise():
                return reads(node)
            case ast.Break():
                return out
            case ast.Continue():
                return again
            case ast.Try() | ast.Match() | ast.ClassDef():  # may stop anywhere: all that is read in them counts
                every = reads(node) | after | out | again
                for block in _blocks(node):
                    self.block(block, every, every, every)
                return every
        return reads(node) | (after - _surely(node))

    def _loop(self, node: ast.While | ast.For | ast.AsyncFor, test: Names, targets: Names, after: Names) -> Names:
        head = test | self.block(node.orelse, after)
        while True:
            longer = head | (self.block(node.body, head, after, head) - targets)
            if longer == head:
                return head
            head = longer


def _blocks(node: ast.AST) -> Iterator[list[ast.stmt]]:
    """The blocks of a statement, those of its handlers and cases among them."""
    for part in (node, *getattr(node, "handlers", []), *getattr(node, "cases", [])):
        for name in ("body", "orelse", "finalbody"):
            yield getattr(part, name, [])


def _captured(body: Sequence[ast.stmt], until: ast.AST) -> Names:
    """What functions that are defined before a statement read: they may be called at any time after it."""
    inner = [node for node in walk_here(body) if isinstance(node, _SCOPES)]
    end = getattr(until, "lineno", 0)
    return reads(*(node for node in inner if node.lineno < end))
