"""What is known of the values in the user's code: which expressions are traced, are truth values, or cannot fail.

The running frame says what names stand for; what a piece of code binds itself is followed through its text. Imports
`names`; start reading at `Known`.
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Mapping, Sequence
from functools import partial
from types import CellType, FunctionType, ModuleType

import numpy as np

from functrans.core.primitive import Tracer
from functrans.numpy.rewrite.names import binds, reads, walk_here

__all__ = ["Known"]

_STATIC_ATTRIBUTES = {"shape", "ndim", "dtype", "size", "nbytes", "itemsize"}
_STATIC_CALLS = {"len", "isinstance", "issubclass", "type", "hasattr", "callable", "id", "repr", "str"}
_TOTAL_CALLS = {"abs", "bool", "max", "min"}
_TOTAL_METHODS = {"any", "all", "isclose", "sum", "max", "min", "mean"}
_TRUTHS = {"any", "all", "isnan", "isfinite", "isinf", "isclose", "allclose", "array_equal", "signbit"}
_SMOOTH = (ast.Add, ast.Sub, ast.Mult)


class Known:
    """The names that are traced in a piece of code, and what follows of its expressions."""

    def __init__(self, names: Mapping[str, object], statements: Sequence[ast.stmt], bound: Sequence[str] = ()) -> None:
        self.names = names
        self._bound = frozenset(binds(*statements))
        self._is_all_traced = False
        loaded = {node.id for statement in statements for node in ast.walk(statement) if isinstance(node, ast.Name)}
        self._traced = {*bound, *(name for name in loaded if _holds_tracer(names.get(name)))}
        while any(self._follow(node) for node in walk_here(statements)):  # until there is no news
            continue

    def _follow(self, node: ast.AST) -> bool:
        """Takes what gets a traced value for traced; whether that is news."""
        new: list[str] = []
        match node:
            case ast.Assign(value=value) | ast.AugAssign(value=value) | ast.AnnAssign(value=ast.expr() as value):
                new = binds(node) if self.is_traced(value) else []
            case (
                ast.NamedExpr(target=target, value=value)
                | ast.For(target=target, iter=value)
                | ast.comprehension(target=target, iter=value)
            ):
                new = binds(target) if self.is_traced(value) else []
            case ast.If(test=test) | ast.While(test=test):
                new = binds(node) if self.is_traced(test) else []
        found = set(new) - self._traced
        self._traced |= found
        return bool(found)

    def assume_traced(self, node: ast.AST | None) -> None:
        """Takes all names for traced, unless what is known makes `node` traced: it is, though one cannot see how."""
        self._is_all_traced = node is None or not self.is_traced(node)

    def is_traced(self, node: ast.AST) -> bool:
        """Whether the value of an expression depends on a traced one."""
        match node:
            case ast.Name() if self._is_all_traced:
                return True
            case ast.Name(id=name):
                return name in self._traced
            case ast.Attribute(attr=attr) if attr in _STATIC_ATTRIBUTES:
                return False
            case ast.Call(func=ast.Name(id=name)) if name in _STATIC_CALLS:
                return False
            case ast.Compare(ops=[ast.Is() | ast.IsNot()]):
                return False
            case ast.Lambda() | ast.FunctionDef():
                return any(name in self._traced for name in reads(node))
        return any(map(self.is_traced, ast.iter_child_nodes(node)))

    def value(self, node: ast.AST) -> object:
        """What a name that the code does not bind, or an attribute of it, stands for; None where it is not known."""
        match node:
            case ast.Name(id=name) if name not in self._bound:
                return self.names.get(name, getattr(builtins, name, None))
            case ast.Attribute(value=base, attr=attr) if isinstance(module := self.value(base), ModuleType):
                return getattr(module, attr, None)
        return None

    def is_builtin(self, node: ast.AST, *names: str) -> bool:
        """Whether a call is one of a built-in function of that name."""
        function = node.func if isinstance(node, ast.Call) else None
        return (
            isinstance(function, ast.Name)
            and function.id in names
            and self.value(function) is getattr(builtins, function.id, None)
        )

    def is_truth(self, node: ast.AST) -> bool:
        """Whether an expression surely gives True or False, or a traced one of them."""
        match node:
            case ast.Compare() | ast.UnaryOp(op=ast.Not()) | ast.Constant(value=bool()):
                return True
            case ast.UnaryOp(op=ast.Invert(), operand=operand):
                return self.is_truth(operand)
            case ast.BoolOp(values=values):
                return all(map(self.is_truth, values))
            case ast.BinOp(left=left, op=ast.BitAnd() | ast.BitOr() | ast.BitXor(), right=right):
                return self.is_truth(left) and self.is_truth(right)
            case ast.Call(func=ast.Attribute(attr=attr)):
                return attr in _TRUTHS or attr.startswith("logical_")
        dtype = getattr(self.value(node), "dtype", None)
        return isinstance(self.value(node), bool) or (isinstance(dtype, np.dtype) and dtype.kind == "b")

    def is_total(self, node: ast.AST) -> bool:
        """Whether an expression can be computed even where the user's code would not: it does not fail and costs little."""
        match node:
            case ast.Call(func=function, args=args, keywords=keywords):
                is_safe = isinstance(self.value(function), np.ufunc) or self.is_builtin(node, *_TOTAL_CALLS)
                is_safe = is_safe or getattr(function, "attr", "") in _TOTAL_METHODS
                return is_safe and all(map(self.is_total, (*args, *(keyword.value for keyword in keywords))))
            case ast.Subscript(value=value, slice=index):
                return self.is_total(value) and not reads(index)
            case ast.NamedExpr() | ast.Await() | ast.Yield() | ast.YieldFrom() | ast.Lambda():
                return False
        return all(map(self.is_total, ast.iter_child_nodes(node)))

    def is_plain(self, node: ast.AST) -> bool:
        """Whether both of two such expressions may be computed to choose: cheap, finite, of a NumPy dtype that is known."""
        parts = list(ast.walk(node))
        plain = (ast.Name, ast.Constant, ast.UnaryOp, ast.BinOp, ast.expr_context, ast.unaryop, ast.operator)
        return (
            all(isinstance(part, plain) for part in parts)
            and all(isinstance(part.op, _SMOOTH) for part in parts if isinstance(part, ast.BinOp))
            and not any(isinstance(part, ast.UnaryOp) and isinstance(part.op, ast.Not) for part in parts)
            and all(isinstance(part.value, int | float | complex) for part in parts if isinstance(part, ast.Constant))
            and any(_is_strong(self.value(part)) for part in parts)
        )


def _is_strong(value: object) -> bool:
    """Whether a value is an array, whose dtype does not yield to others', as a Python number's does."""
    return not value.aval.weak if isinstance(value, Tracer) else isinstance(value, np.ndarray | np.generic)


def _holds_tracer(value: object, depth: int = 4) -> bool:
    """Whether a value is traced, or has something traced in it."""
    if isinstance(value, Tracer) or depth == 0:
        return isinstance(value, Tracer)
    inner: Sequence[object] = ()
    match value:
        case list() | tuple() | set():
            inner = list(value)
        case dict():
            inner = list(value.values())
        case FunctionType(__closure__=cells):
            inner = [_content(cell) for cell in cells or ()]
        case type() | ModuleType():
            inner = ()
        case _:
            inner = list(getattr(value, "__dict__", {}).values())
    return any(map(partial(_holds_tracer, depth=depth - 1), inner[:1000]))


def _content(cell: CellType) -> object:
    try:
        return cell.cell_contents
    except ValueError:  # not bound yet
        return None
