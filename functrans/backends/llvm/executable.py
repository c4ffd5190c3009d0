"""A jaxpr compiled to machine code now.

Imports the program's emitter and the engine; start reading at `NativeProgram`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeAlias

from functrans.backends.llvm import engine
from functrans.backends.llvm.call.layout import NUMPY_LOOPS
from functrans.backends.llvm.elements import is_known
from functrans.backends.llvm.image import Image
from functrans.backends.llvm.loaded import ENTRY, LoadedProgram, Manifest
from functrans.backends.llvm.program import BACKEND, emit_program
from functrans.backends.llvm.refusal import refuses
from functrans.backends.llvm.target import host
from functrans.compiler.cost import seconds
from functrans.compiler.nodes import Host, Node
from functrans.compiler.options import PLAIN, Options
from functrans.compiler.plan import make_plan
from functrans.compiler.steps import Argument, Output, Plan
from functrans.core.ir import Atom, Jaxpr, Literal
from functrans.core.lowering_control import While
from functrans.core.lowering_foreign import ForeignCall
from functrans.core.lowering_loops import Matrices

__all__ = ["NativeProgram", "Save"]

Save: TypeAlias = Callable[[Manifest, Image, Iterable[str], Jaxpr], bool]
"""Is given what another process needs of a program: with its image the names of the libraries that it calls, and its jaxpr; gives
whether it can be found there."""

_LONG = 20e-6
"""Seconds: in less time another thread would hardly have begun."""


class NativeProgram(LoadedProgram):
    """A jaxpr as machine code."""

    def __init__(self, jaxpr: Jaxpr, options: Options = PLAIN, save: Save | None = None) -> None:
        self.plan = make_plan(jaxpr, BACKEND, options)
        target = host()
        module = emit_program(self.plan, target, ENTRY)
        text = module.text()
        code = engine.object_code(text, target)
        symbols = {name: external.address() for name, external in module.externals.items()}
        library, image = engine.loaded(code, (ENTRY,), symbols)
        manifest = _manifest(self.plan, jaxpr)
        super().__init__(manifest, library, (jaxpr.in_avals, jaxpr.out_avals), lambda: jaxpr)
        others = [name for name in module.externals if not name.startswith(NUMPY_LOOPS)]
        is_known = all(module.externals[name].text is not None for name in others)
        if save is None or image is None or not is_known or not save(manifest, image, others, jaxpr):
            engine.keep_object(text, target, code)

    @staticmethod
    def takes(jaxpr: Jaxpr) -> bool:
        """Whether machine code has the dtypes of all values."""
        made = (var.aval for eqn in jaxpr.all_eqns() for var in eqn.outvars)
        return all(is_known(aval.dtype) for aval in (*jaxpr.in_avals, *jaxpr.out_avals, *made))


def _manifest(plan: Plan, jaxpr: Jaxpr) -> Manifest:
    steps = tuple(plan.all_steps())
    nodes = {i: step.work for i, step in enumerate(steps) if isinstance(step.work, Node)}
    numbers = {id(eqn): i for i, eqn in enumerate(jaxpr.all_eqns())}
    return Manifest(
        results=tuple(_where(plan, atom) for atom in plan.results),
        arena=plan.arena,
        overwritten=tuple(sorted(plan.overwritten)),
        given=tuple(sorted(plan.given)),
        called_back=tuple((i, numbers[id(node.eqn)]) for i, node in nodes.items() if isinstance(node.lowering, Host)),
        keeps_journal=jaxpr.has_effects and any(refuses(step.work) for step in steps),
        is_long=any(isinstance(node.lowering, While | ForeignCall | Matrices) for node in nodes.values())
        or seconds(plan) >= _LONG,
        is_parallel=any(step.chunks > 1 for step in steps),
    )


def _where(plan: Plan, atom: Atom) -> int | bytes:
    """Where a result is: see `Manifest.results`."""
    if isinstance(atom, Literal):
        return atom.data
    place = plan.places[atom]
    assert isinstance(place, Argument | Output)
    return place.index if isinstance(place, Argument) else len(plan.arguments) + place.index
