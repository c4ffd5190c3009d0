"""The expressions that need a value, rewritten so that they work with a traced one.

Another expression is put in its place in the text of the line. Imports `site`; start reading at `rewritten`.
"""

from __future__ import annotations

import ast
from collections.abc import Callable

import numpy as np

from functrans.core.primitive import Tracer
from functrans.numpy.rewrite.site import Site, parsed, site

__all__ = ["replacing", "rewritten"]

_ARRAY_MAKERS = {"array", "asarray", "asanyarray", "ascontiguousarray"}
_UPDATES = {
    ast.Add: ("+", "add"), ast.Sub: ("-", "subtract"), ast.Mult: ("*", "multiply"), ast.Div: ("/", "divide"),
    ast.Pow: ("**", "power"), ast.MatMult: ("@", ""), ast.FloorDiv: ("//", ""), ast.Mod: ("%", ""),
    ast.BitAnd: ("&", ""), ast.BitOr: ("|", ""), ast.BitXor: ("^", ""),
    ast.LShift: ("<<", ""), ast.RShift: (">>", ""),
}  # fmt: skip
_IN_PLACE = {"sort": "sort", "partition": "partition", "fill": "full_like", "resize": "resize"}
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


def rewritten(found: Site | None, tracer: Tracer | None = None) -> str:
    """The user's line, rewritten, for the conversion of `tracer` (or the `out=`) that is running; "" if none is known."""
    line = "" if found is None else _rewritten(found, tracer)
    return line if _is_code(line) else ""


def _is_code(line: str) -> bool:
    """Whether a line can stand in a program, with a body under it if it opens a block."""
    forms = (line, f"{line}\n    pass", f"if 0:\n    pass\n{line}\n    pass", f"try:\n    pass\n{line}\n    pass")
    return any(parsed(form) is not None for form in forms)


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
    home = _home(place, function)
    maker = _MAKERS.get(name, _with_stacked if home else None)
    return maker(place, node, home or "np", keywords) if maker and node.args else ""


def _home(place: Site, function: ast.expr) -> str:
    """What the user calls the NumPy that a function is from, also where that is `np.linalg.norm`; "" for another's."""
    if not isinstance(function, ast.Attribute):
        return "np"
    while isinstance(function, ast.Attribute):
        function = function.value
    return place.of(function) if hasattr(place.value_of(function), "stack") else ""


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


def _normal(place: Site, node: ast.Call, _module: str, keywords: dict[str, str]) -> str:
    names = ("loc", "scale", "size")
    named = {keyword.arg: keyword.value for keyword in node.keywords if keyword.arg}
    given = {**dict(zip(names, node.args, strict=False)), **named}
    loc, scale = (
        place.operand(given[name]) if name in given else default for name, default in zip(names, "01", strict=False)
    )
    size = keywords.get("size") or (place.of(given["size"]) if "size" in given else f"np.shape({loc})")
    new = f"{loc} + {scale} * {place.of(node.func)}(size={size})"
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
