"""A compiled function as bytes that another process runs: `Exported` is what such bytes become there.

Imports the backend's programs and `description`; start reading at `standalone`, then `Exported.__call__`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from functrans import tree
from functrans.backends.llvm.standalone_call import StandaloneProgram, missing_features
from functrans.backends.planned import Planned
from functrans.compiler.nodes import Node
from functrans.compiler.steps import Plan
from functrans.core.aval import ShapedArray
from functrans.core.ir import Jaxpr
from functrans.core.primitive import aval_of
from functrans.description import Description, Leaf, Step, leaves_of, seal, tree_from_json, tree_to_json
from functrans.errors import CompiledArgumentsError, ForeignProgramError, NotExportableError, RefusedOperandsError
from functrans.transforms.arguments import check_leaves
from functrans.treedef import differences
from functrans.typing import Array

if TYPE_CHECKING:
    from functrans.lowered import Signature

__all__ = ["Exported", "c_name", "standalone"]


def c_name(name: str) -> str:
    """A name as C takes it for a function, and the code itself does not call."""
    found = re.sub(r"\W", "_", name, flags=re.ASCII)
    return f"f_{found}" if not found or found[0].isdigit() or found in _TAKEN else found


_TAKEN = frozenset({
    "auto", "bool", "break", "case", "char", "const", "constexpr", "continue", "default", "do", "double", "else", "enum",
    "extern", "false", "float", "for", "goto", "if", "inline", "int", "long", "main", "memcpy", "memmove", "memset", "nullptr",
    "register", "restrict", "return", "short", "signed", "sizeof", "static", "struct", "switch", "true", "typedef", "typeof",
    "union", "unsigned", "void", "volatile", "while",
})  # fmt: skip
"""C's words, its first function, and those of its library that compilers call of themselves."""


def standalone(planned: Planned, jaxpr: Jaxpr, signature: Signature[Any], name: str) -> bytes:
    """Object code of a program, with a C function of the name.

    Raises NotExportableError for what needs this process, ValueError for a name that C does not take.
    """
    if name != c_name(name):
        raise ValueError(f"a C function cannot be called {name!r}; {c_name(name)!r} would do")
    if len(jaxpr.in_avals) != len(signature.in_avals):
        raise NotExportableError(signature.label, ["it closes over values of a transform that is running"])

    def describe(triple: str, features: tuple[str, ...], workspace: int) -> bytes:
        return Description(
            name, signature.label, triple, features, workspace,
            leaves_of(signature.in_paths, signature.in_avals),
            leaves_of(tree.paths(signature.out_tree, "result"), jaxpr.out_avals),
            tree_to_json(signature.in_tree, signature.label), tree_to_json(signature.out_tree, signature.label),
            _steps(planned.plan),
        ).to_bytes()  # fmt: skip

    return seal(planned.standalone(jaxpr.consts, name, describe))


def _steps(plan: Plan) -> tuple[Step, ...]:
    eqns = [step.work.eqn if isinstance(step.work, Node) else None for step in plan.all_steps()]
    places = [eqn.source.place if eqn is not None and eqn.source is not None else "" for eqn in eqns]
    return tuple(Step("" if eqn is None else eqn.prim.name, place) for eqn, place in zip(eqns, places, strict=True))


class Exported:
    """A function that was compiled in another process, or at another time. It takes arguments of the types it was made for.

    Raises CompiledArgumentsError for others, RefusedOperandsError (an IndexError) where NumPy would raise.
    """

    def __init__(self, code: bytes, source: str = "the program") -> None:
        self.description = Description.find(code, source)
        self._code = code
        self._in_tree = tree_from_json(self.description.in_tree)
        self._out_tree = tree_from_json(self.description.out_tree)
        names = (leaf.name for leaf in self.description.arguments)
        self._names = dict(zip(tree.paths(self._in_tree, "arguments"), names, strict=True))
        self._program = _load(code, self.description, source)

    @property
    def arguments(self) -> tuple[Leaf, ...]:
        """Names and types of the arguments' leaves, in the order of the C function."""
        return self.description.arguments

    @property
    def results(self) -> tuple[Leaf, ...]:
        """Names and types of the results' leaves, in the order of the C function."""
        return self.description.results

    def __call__(self, *args: Any, **kwargs: Any) -> Any:  # Any: the types are in the file
        flat, in_tree = tree.flatten((args, kwargs))
        names = [self._names.get(path, path) for path in tree.paths(in_tree, "arguments")]
        leaves = check_leaves(flat, self.description.function, lambda: names)
        got = {name: _type(aval_of(leaf)) for name, leaf in zip(names, leaves, strict=True)}
        wanted = {leaf.name: _type(leaf.aval) for leaf in self.arguments}
        if in_tree != self._in_tree or got != wanted:
            containers = differences(self._in_tree, in_tree, "(args, kwargs)")
            raise CompiledArgumentsError(self.description.function, wanted, got, [*containers])
        return tree.unflatten(self._out_tree, self._results(leaves))

    def _results(self, leaves: Sequence[Array]) -> list[Any]:
        found = self._program(leaves)
        if not isinstance(found, list):
            step = self.description.steps[found.step] if found.step >= 0 else Step("an operation", "")
            raise RefusedOperandsError(self.description.function, step.primitive, step.place)
        whole = [out if out.ndim else out[()] for out in found]
        return [out.item() if leaf.weak else out for out, leaf in zip(whole, self.results, strict=True)]

    def serialize(self) -> bytes:
        """The bytes it was made of."""
        return self._code

    def __repr__(self) -> str:
        return f"<exported {self.description.function}>"


def _type(aval: ShapedArray) -> str:
    return str(aval.update(weak=False))


def _load(code: bytes, description: Description, source: str) -> StandaloneProgram:
    if missing := missing_features(description.triple, description.features):
        raise ForeignProgramError(source, f"it needs {', '.join(missing)}")
    ins, outs = ([leaf.aval for leaf in leaves] for leaves in (description.arguments, description.results))
    try:
        return StandaloneProgram(code, f"{description.name}_run", description.workspace, ins, outs)
    except (RuntimeError, OSError) as error:
        raise ForeignProgramError(source, "the machine code in it is damaged, or is no object file") from error
