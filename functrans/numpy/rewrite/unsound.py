"""Why a branch or a loop cannot be rewritten as it stands, in plain words, and what to do about it.

`check` raises `Unsound` for what a function given to lax.cond or lax.while_loop cannot do: it is traced, all of it, whether
Python would run it or not, and only what it returns comes out. Imports `known` and `names`; start reading at `check`.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

from functrans.numpy.rewrite.known import Known
from functrans.numpy.rewrite.names import walk_here

__all__ = ["Unsound", "check", "jumps", "nothing"]

_LOOPS = (ast.For, ast.AsyncFor, ast.While)


class Unsound(Exception):
    """The reason why there is no rewritten code, and what to do instead: two sentences."""


def jumps(statements: Sequence[ast.AST]) -> Iterator[ast.Break | ast.Continue]:
    """The `break` and `continue` that leave `statements`."""
    for node in statements:
        if isinstance(node, ast.Break | ast.Continue):
            yield node
        elif not isinstance(node, (*_LOOPS, ast.FunctionDef, ast.ClassDef)):
            yield from jumps(list(ast.iter_child_nodes(node)))


def check(known: Known, statements: Sequence[ast.stmt], *, may_return: bool = False) -> None:
    """Raises Unsound for statements that do more than give values to variables."""
    for jump in jumps(statements):
        raise Unsound(_BREAK if isinstance(jump, ast.Break) else _CONTINUE)
    for node in walk_here(statements):
        reason = _reason(known, node)
        if reason:
            raise Unsound(reason)
        if isinstance(node, ast.Return) and not may_return:
            raise Unsound(_RETURN)


def nothing(statements: Sequence[ast.stmt]) -> list[str]:
    """What stands for statements that give no value; raises Unsound where they have an effect."""
    for node in walk_here(statements):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            call = ast.unparse(node.value)
            raise Unsound(
                f"only an effect comes out of it, that of `{call}`. Put it into a function that lax.cond or lax.fori_loop is "
                f"given, which returns what it got: there it comes when the compiled program gets to it."
            )
    return ["pass"]


_BREAK = (
    "`break` ends a loop when a traced value says so. "
    "Make that a condition of the loop, in the cond_fun of lax.while_loop, which goes on while what the `break` waits for "
    "is false."
)
_CONTINUE = (
    "`continue` skips the rest of a round when a traced value says so. "
    "Put the rest of the round under the opposite condition; that `if` can be rewritten."
)
_RETURN = (
    "`return` leaves a loop when a traced value says so. "
    "Keep the result in a variable, make the condition one of the loop's (lax.while_loop), and return after the loop."
)


def _reason(known: Known, node: ast.AST) -> str:
    match node:
        case ast.Attribute(ctx=ast.Store()):
            return (
                f"it sets an attribute, `{ast.unparse(node)}`, which both branches or every round would do while the function "
                f"is traced. Give the value to a variable, and set the attribute after it."
            )
        case ast.Subscript(ctx=ast.Store(), value=base, slice=index):
            array, key = ast.unparse(base), ast.unparse(index)
            return (
                f"it sets an item, `{ast.unparse(node)}`, which changes an object instead of giving a new one. "
                f"For an array write  {array} = functrans.numpy.at({array})[{key}].set(value)  and it can be rewritten."
            )
        case ast.Raise() | ast.Try():
            return (
                "an exception cannot depend on a traced value: a compiled function has no way to raise it there. "
                "Return a flag, or NaN, and raise where its value is known."
            )
        case ast.Assert(test=test) if known.is_traced(test):
            return "an assertion about a traced value is in it. Return what it asserts, and assert where the value is known."
        case ast.Expr(value=ast.Call(func=function)) if not _is_ours(known, function):
            return (
                f"it calls `{ast.unparse(function)}` for its effect, which would come while the function is traced and "
                f"not when it runs. {_instead_of(function)}"
            )
        case ast.Yield() | ast.YieldFrom() | ast.Await() | ast.AsyncFor() | ast.AsyncWith():
            return "it yields or awaits. Compute in a function of its own, which returns, and yield what it gives."
        case ast.Global(names=names) | ast.Nonlocal(names=names):
            return (
                f"`{names[0]}` belongs to another function or the module. Return its new value instead of assigning it."
            )
        case ast.Delete() | ast.Match():
            word = "del" if isinstance(node, ast.Delete) else "match"
            return (
                f"there is a `{word}` in it. Write it without: with variables that always have a value, and with `if`."
            )
    return ""


def _is_ours(known: Known, function: ast.expr) -> bool:
    """Whether the effect of a call is one of a compiled program, as debug.print's is."""
    return str(getattr(known.value(function), "__module__", "")).startswith("functrans.")


def _instead_of(function: ast.expr) -> str:
    name = getattr(function, "attr", getattr(function, "id", ""))
    if name in ("append", "extend", "insert", "add", "update"):
        return "Make an array of a known size before it, and set its items with functrans.numpy.at."
    if name == "print":
        return "Print what the function returns, outside it."
    return "Let it return what it computes, and assign that."
