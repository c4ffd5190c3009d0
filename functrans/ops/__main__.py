"""`python -m functrans.ops`: the table of primitives, each with its rules, or the reason why it has none.

Imports every family; start reading at `all_primitives`.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
from types import ModuleType

from functrans import control, ops
from functrans.core.primitive import LocallyConstant, NotDifferentiable, Primitive

__all__ = ["all_primitives", "table"]

_HEAD = ("primitive", "family", "vjp", "jvp", "batch", "reason")


def all_primitives() -> dict[Primitive, str]:
    """Every primitive of functrans.ops and functrans.control, with the family (the name of the file) that makes it."""
    packages = (ops, control)
    families = [
        (package.__name__, family.name)
        for package in packages
        for family in pkgutil.iter_modules(package.__path__)
        if family.name != "__main__"
    ]
    found: dict[Primitive, str] = {}
    for package, family in families:
        module = importlib.import_module(f"{package}.{family}")
        for name in _assigned(module):
            value = getattr(module, name, None)
            if isinstance(value, Primitive):
                found[value] = family
    return found


def _assigned(module: ModuleType) -> list[str]:
    """The names that a module's own statements give a value to, in order, so without those that it imports."""
    statements = ast.parse(inspect.getsource(module)).body
    targets = [node for node in statements if isinstance(node, ast.Assign | ast.AnnAssign | ast.For)]
    names = [name for target in targets for name in ast.walk(target) if isinstance(name, ast.Name)]
    return [name.id for name in names if isinstance(name.ctx, ast.Store)]


def table() -> list[tuple[str, ...]]:
    """A row per primitive: name, family, what it has of vjp, jvp and batch, and the reason for what it has not."""
    rows = []
    for primitive, family in sorted(all_primitives().items(), key=lambda item: (item[1], item[0].name)):
        rules = (primitive.vjp, primitive.jvp)
        reasons = dict.fromkeys(rule.why for rule in rules if isinstance(rule, LocallyConstant | NotDifferentiable))
        rows.append((primitive.name, family, *map(_kind, rules), "yes", "; ".join(reasons)))
    return rows


def _kind(rule: object) -> str:
    return "zero" if isinstance(rule, LocallyConstant) else "none" if isinstance(rule, NotDifferentiable) else "yes"


def main() -> None:
    """Print the table, its columns aligned."""
    rows = [_HEAD, *table()]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


if __name__ == "__main__":
    main()
