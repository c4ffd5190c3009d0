"""For error messages: the user's line, rewritten so that it works with traced values.

`rewritten` finds the expression that is running by the positions in the code object, and puts another in its place in
the text of the line; it gives "" where that cannot be done. `described` says of operands what they are called and where
they come from. Imports `core.source`; start reading at `rewritten`.
"""

from __future__ import annotations

import ast
import linecache
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import islice
from textwrap import dedent
from types import FrameType

import numpy as np

from functrans.core.primitive import Tracer, aval_of
from functrans.core.source import Source, last_name, user_source

__all__ = ["Site", "described", "replacing", "rewritten", "site"]

_ARRAY_MAKERS = {"array", "asarray", "asanyarray", "ascontiguousarray"}
_UPDATES = {
    ast.Add: ("+", "add"), ast.Sub: ("-", "subtract"), ast.Mult: ("*", "multiply"), ast.Div: ("/", "divide"),
    ast.Pow: ("**", "power"), ast.MatMult: ("@", ""), ast.FloorDiv: ("//", ""), ast.Mod: ("%", ""),
    ast.BitAnd: ("&", ""), ast.BitOr: ("|", ""), ast.BitXor: ("^", ""),
    ast.LShift: ("<<", ""), ast.RShift: (">>", ""),
}  # fmt: skip
_JOINING = {"concatenate", "concat", "stack", "vstack", "hstack", "dstack", "column_stack"}
_IN_PLACE = {"sort": "sort", "partition": "partition", "fill": "full_like", "resize": "resize"}
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
_LISTS = (ast.List, ast.Tuple)
_UNSEEN = frozenset(
    [
        "take",
        "pad",
        "sum",
        "prod",
        "max",
        "min",
        "nansum",
        "nanprod",
        "nanmax",
        "nanmin",
        "nan_to_num",
        "select",
        "interp",
        "var",
        "std",
        "unwrap",
    ]
)
"""Functions with an argument in which NumPy does not look for tracers, and functrans.numpy does."""
_MATH_NAMES = {"pow": "power", "fabs": "abs", "dist": "", "fsum": "", "prod": "prod"}


@dataclass(frozen=True)
class Site:
    """The expression (or the target of an assignment) that is running, the statement it is in, and their text."""

    source: Source
    text: str
    node: ast.AST
    statement: ast.stmt

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
        whole = _parsed(dedent("\n".join([*before, start + new + end, *after])))
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
        frame: FrameType | None = sys._getframe(1)
        while frame is not None and frame.f_code is not self.source.code:
            frame = frame.f_back
        if frame is None or not isinstance(node, ast.Name):
            return None
        return frame.f_locals.get(node.id, frame.f_globals.get(node.id))


def _at(node: ast.AST, position: str) -> int:
    return int(getattr(node, position, 0) or 0)


@lru_cache(maxsize=32)
def _parsed(text: str) -> ast.Module | None:
    try:
        return ast.parse(text)
    except SyntaxError:
        return None


def _with_statements(node: ast.AST, statement: ast.stmt | None) -> Iterator[tuple[ast.AST, ast.stmt | None]]:
    for child in ast.iter_child_nodes(node):
        inner = child if isinstance(child, ast.stmt) else statement
        yield child, inner
        yield from _with_statements(child, inner)


def site() -> Site | None:
    """The place in the user's code that is running now; None where its text is not to be had."""
    source = user_source()
    if source is None:
        return None
    text = "".join(linecache.getlines(source.file))
    tree = _parsed(text)
    span = next(islice(source.code.co_positions(), source.instruction // 2, None), None)
    if tree is None or span is None or None in span:
        return None
    line, end_line, column, end_column = span
    found = [
        Site(source, text, node, statement)
        for node, statement in _with_statements(tree, None)
        if statement is not None
        and isinstance(node, ast.Call | ast.Subscript | ast.AugAssign | ast.BinOp | ast.Compare)
        and (_at(node, "end_lineno"), _at(node, "end_col_offset")) == (end_line, end_column)
    ]
    exact = [place for place in found if (_at(place.node, "lineno"), _at(place.node, "col_offset")) == (line, column)]
    return exact[0] if exact else found[-1] if found else None


def rewritten(found: Site | None, tracer: Tracer | None = None) -> str:
    """The user's line, rewritten, for the conversion of `tracer` (or the `out=`) that is running; "" if none is known."""
    line = "" if found is None else _rewritten(found, tracer)
    return line if _is_code(line) else ""


def _is_code(line: str) -> bool:
    """Whether a line can stand in a program, with a body under it if it opens a block."""
    forms = (line, f"{line}\n    pass", f"if 0:\n    pass\n{line}\n    pass", f"try:\n    pass\n{line}\n    pass")
    return any(_parsed(form) is not None for form in forms)


def _rewritten(found: Site, tracer: Tracer | None) -> str:
    if isinstance(found.statement, ast.AugAssign) and found.node in (found.statement, found.statement.target):
        return _without_in_place(found, found.statement)
    match found.node:
        case ast.Subscript(ctx=ast.Store()):
            return _without_assignment(found, tracer)
        case ast.Subscript():
            new = _subscript(found, found.node, tracer)
        case ast.Call():
            new = _call(found, found.node)
        case ast.BinOp(left=left, right=right) if isinstance(left, _LISTS) or isinstance(right, _LISTS):
            new = f"{_stacked(found, left, 'np')} {_UPDATES[type(found.node.op)][0]} {_stacked(found, right, 'np')}"
        case _:
            new = ""
    return found.with_replaced(found.node, new) if new else ""


def replacing(tracer: Tracer | None = None) -> str:
    """`rewritten` for the place that is running now."""
    return rewritten(site(), tracer)


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
    module = _parsed(place.text)
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


# ---- assignments ----


def _updated(place: Site, target: ast.Subscript, tracer: Tracer | None, update: str) -> str:
    base = place.of(target.value)
    is_traced = tracer is not None and place.value_of(target.value) is tracer
    return f"{base} = {f'{base}.at' if is_traced else f'fnp.at({base})'}[{place.of(target.slice)}].{update}"


def _without_assignment(place: Site, tracer: Tracer | None) -> str:
    target, statement = place.node, place.statement
    if not isinstance(target, ast.Subscript) or not isinstance(statement, ast.Assign):
        return ""
    return _updated(place, target, tracer, f"set({place.of(statement.value)})")


def _without_in_place(place: Site, statement: ast.AugAssign) -> str:
    symbol, method = _UPDATES[type(statement.op)]
    target, value = place.of(statement.target), place.of(statement.value)
    tracer = None
    if isinstance(statement.target, ast.Subscript):
        base = place.value_of(statement.target.value)
        tracer = base if isinstance(base, Tracer) else None
        update = f"{method}({value})" if method else f"set({target} {symbol} {place.operand(statement.value)})"
        return _updated(place, statement.target, tracer, update)
    return f"{target} = {target} {symbol} {place.operand(statement.value)}"


# ---- subscripts ----


def _subscript(place: Site, node: ast.Subscript, tracer: Tracer | None) -> str:
    base, index = place.of(node.value), place.of(node.slice)
    if isinstance(node.value, ast.Attribute) and node.value.attr in ("r_", "c_"):
        module = place.of(node.value.value)
        parts = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        if any(isinstance(part, ast.Slice | ast.Constant) for part in parts):
            return ""
        rank = 0 if tracer is None else tracer.aval.ndim
        joined = "column_stack" if node.value.attr == "c_" else "concatenate" if rank else "hstack"
        return f"{module}.{joined}([{index}])"
    if tracer is not None and tracer.aval.dtype.kind == "b":
        return f"np.where({index}, {base}, 0)"
    if isinstance(node.slice, ast.Tuple | ast.Slice):
        return f"fnp.at({base})[{index}].get()"
    return f"fnp.take({base}, {index}, axis=0)"  # np.take does not look for tracers among the indices


# ---- calls ----


def _call(place: Site, node: ast.Call) -> str:
    function, name = node.func, place.called
    module = place.of(function.value) if isinstance(function, ast.Attribute) else ""
    keywords = {keyword.arg: place.of(keyword.value) for keyword in node.keywords if keyword.arg}
    if "out" in keywords:
        out = next(keyword.value for keyword in node.keywords if keyword.arg == "out")
        return _without_out(place, node, out)
    if module in ("math", "cmath"):
        name = _MATH_NAMES.get(name, name)
        return f"np.{name}({', '.join(map(place.of, node.args))})" if name and hasattr(np, name) else ""
    if isinstance(function, ast.Call) and place.of(function.func).endswith("vectorize"):
        return f"functrans.vmap({place.of(function.args[0])})({', '.join(map(place.of, node.args))})"
    if isinstance(getattr(np, name, None), type) and issubclass(getattr(np, name), np.generic) and node.args:
        return f"{place.operand(node.args[0])}.astype({place.of(function)})"
    if isinstance(function, ast.Attribute) and name in _IN_PLACE and isinstance(place.statement, ast.Expr):
        return f"{module} = np.{_IN_PLACE[name]}({', '.join(filter(None, (module, _arguments(node, place.of))))})"
    maker = _MAKERS.get(name, _with_stacked)
    return maker(place, node, module or "np", keywords) if node.args else ""


def _arguments(node: ast.Call, text: Callable[[ast.expr], str], *, without: str = "") -> str:
    named = [(keyword.arg, keyword.value) for keyword in node.keywords if keyword.arg != without]
    return ", ".join([*map(text, node.args), *(f"{name}={text(v)}" if name else f"**{text(v)}" for name, v in named)])


def _without_out(place: Site, node: ast.Call, out: ast.expr) -> str:
    """The call without `out=`, its result assigned to what `out` names if that is all that the statement does."""
    called = f"{place.of(node.func)}({_arguments(node, place.of, without='out')})"
    if isinstance(out, ast.Tuple) and len(out.elts) == 1:
        (out,) = out.elts
    is_whole = isinstance(place.statement, ast.Expr | ast.Assign) and place.statement.value is node
    if is_whole and isinstance(out, ast.Name | ast.Attribute):
        return f"{place.of(out)} = {called}"
    if isinstance(place.statement, ast.Expr) and is_whole and isinstance(out, ast.Subscript):
        base = place.value_of(out.value)
        return _updated(place, out, base if isinstance(base, Tracer) else None, f"set({called})")
    return called


def _with_stacked(place: Site, node: ast.Call, module: str, _keywords: dict[str, str]) -> str:
    """A call of another function with lists of traced values among its arguments: the lists stacked.

    Without lists, the function is one whose traced argument NumPy does not look at: functrans.numpy's does.
    """
    if not any(isinstance(arg, ast.List | ast.Tuple) for arg in node.args):
        is_numpy = isinstance(node.func, ast.Attribute) and place.value_of(node.func.value) is np
        return f"fnp.{place.called}({_arguments(node, place.of)})" if is_numpy and place.called in _UNSEEN else ""
    stacked = _arguments(node, lambda arg: _stacked(place, arg, module))
    return f"{place.of(node.func)}({stacked})"


def _normal(place: Site, node: ast.Call, module: str, keywords: dict[str, str]) -> str:
    names = ("loc", "scale", "size")
    named = {keyword.arg: keyword.value for keyword in node.keywords if keyword.arg}
    given = {**dict(zip(names, node.args, strict=False)), **named}
    loc, scale = (
        place.operand(given[name]) if name in given else default for name, default in zip(names, "01", strict=False)
    )
    size = keywords.get("size") or (place.of(given["size"]) if "size" in given else f"np.shape({loc})")
    new = f"{loc} + {scale} * {module}.normal(size={size})"
    return new if getattr(place.statement, "value", None) is node else f"({new})"


def _array_maker(place: Site, node: ast.Call, module: str, keywords: dict[str, str]) -> str:
    argument = node.args[0]
    dtype = keywords.get("dtype", place.of(node.args[1]) if len(node.args) > 1 else "")
    converted = f".astype({dtype})" if dtype else ""
    if isinstance(argument, ast.List | ast.Tuple):
        return _stacked(place, argument, module) + converted
    if isinstance(argument, ast.ListComp) or isinstance(place.value_of(argument), list | tuple):
        return f"{module}.stack({place.of(argument)}){converted}"
    return place.operand(argument) + converted


def _stacked(place: Site, node: ast.expr, module: str) -> str:
    if not isinstance(node, ast.List | ast.Tuple):
        return place.of(node)
    return f"{module}.stack([{', '.join(_stacked(place, element, module) for element in node.elts)}])"


def _full(place: Site, node: ast.Call, module: str, keywords: dict[str, str]) -> str:
    fill = place.of(node.args[1]) if len(node.args) > 1 else keywords.get("fill_value", "")
    return f"{module}.broadcast_to({fill}, {place.of(node.args[0])})"


def _full_like(place: Site, node: ast.Call, module: str, keywords: dict[str, str]) -> str:
    fill = place.of(node.args[1]) if len(node.args) > 1 else keywords.get("fill_value", "")
    return f"{module}.broadcast_to({fill}, {module}.shape({place.of(node.args[0])}))"


def _as_type(name: str) -> Callable[[Site, ast.Call, str, dict[str, str]], str]:
    return lambda place, node, _module, _keywords: f"{place.operand(node.args[0])}.astype({name})"


_MAKERS: dict[str, Callable[[Site, ast.Call, str, dict[str, str]], str]] = {
    **dict.fromkeys(_ARRAY_MAKERS, _array_maker),
    "normal": _normal,
    "full": _full,
    "full_like": _full_like,
    "float": lambda place, node, _module, _keywords: place.operand(node.args[0]),
    "int": _as_type("int"),
    "complex": _as_type("complex"),
}
