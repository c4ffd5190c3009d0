"""A program as object code that needs no Python: what `export` writes to a file, and what `serialize` gives.

The object has `int NAME(const void **in, void **out, void *workspace)`, `NAME_run` with a place for warnings besides, and
`NAME_description`, text that tells what it is. Captured arrays are in it. Imports the program's emitter and the engine; start
reading at `standalone_object`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np

from functrans.backends.llvm.engine import object_file
from functrans.backends.llvm.function import Function
from functrans.backends.llvm.ir import I32, I64, PTR, Module, Value
from functrans.backends.llvm.program import emit_program, uses_tape
from functrans.backends.llvm.scalar_warnings import FAILED
from functrans.backends.llvm.service_table import PARALLEL, SERVICES
from functrans.backends.llvm.services import python_place
from functrans.backends.llvm.target import host
from functrans.compiler.nodes import Host, Node
from functrans.compiler.steps import Argument, Output, Plan
from functrans.core.ir import Literal
from functrans.core.lowering_foreign import ForeignCall
from functrans.core.stacks import is_stack
from functrans.errors import NotExportableError
from functrans.typing import Array

__all__ = ["DESCRIPTION", "RUN", "Describe", "standalone_object"]

RUN = "{}_run"
DESCRIPTION = "{}_description"


Describe: TypeAlias = Callable[[str, tuple[str, ...], int], bytes]
"""`(triple, features that the machine must have, bytes of workspace) -> description`."""


def standalone_object(plan: Plan, consts: Sequence[Array], name: str, describe: Describe) -> bytes:
    """The object code of a plan whose leading arguments are `consts`. Raises NotExportableError for what needs this process."""
    if reasons := [why for step in plan.all_steps() if isinstance(step.work, Node) and (why := _needs(step.work))]:
        raise NotExportableError(name, reasons)
    if any(is_stack(const.dtype) for const in consts):
        raise NotExportableError(
            name, ["it goes back through a loop that has run here: what its turns left is in this process"]
        )
    target = host()
    module = emit_program(plan, target, f"{name}_program", exported=False)
    parts = []
    for external, function in module.externals.items():
        if function.text is None:
            raise NotExportableError(name, [f"it calls {external}, which lies in a library that is loaded here"])
        parts.append(function.text())
    module.constant(DESCRIPTION.format(name), describe(target.triple, target.wanted, plan.arena), exported=True)
    _Caller(module, plan, consts, name).emit()
    return object_file([module.text(), *parts], target)


def _needs(node: Node) -> str:
    """What a step needs of this process; empty for nothing."""
    lowering = node.lowering
    if isinstance(lowering, ForeignCall):
        return f"it calls the C function `{lowering.name}`, whose address is that of this process"
    return lowering.why if isinstance(lowering, Host) else ""


class _Caller:
    """Writes the functions that others call."""

    def __init__(self, module: Module, plan: Plan, consts: Sequence[Array], name: str) -> None:
        self._module = module
        self._plan = plan
        self._consts = consts
        self._name = name

    def emit(self) -> None:
        params = [("in", PTR), ("out", PTR), ("workspace", PTR)]
        run = Function(self._module, RUN.format(self._name), [*params, ("warnings", PTR)], I64, exported=True)
        self._run(run)
        f = Function(self._module, self._name, params, I32, exported=True)
        warnings = f.stack(I64, 1)
        f.store(f.index(0), warnings)
        status = f.cast("trunc", f.call(run, *f.args, warnings), I32)
        failed = f.icmp("ne", f.load(warnings, I64) & FAILED, 0)
        f.ret(f.select(failed, -1, status))

    def _run(self, f: Function) -> None:
        given, out, workspace, warnings = f.args
        arguments = self._arguments(f, given)
        program = self._module.functions[f"{self._name}_program"]
        status = f.call(program, arguments, out, workspace, warnings, _services(f, memory=uses_tape(self._plan)))
        f.leave_if(f.icmp("ne", status, 0), status)
        for i, atom in enumerate(self._plan.results):
            size = atom.aval.nbytes
            place = None if isinstance(atom, Literal) else self._plan.places[atom]
            if place == Output(i) or not size:
                continue
            if isinstance(atom, Literal):
                source = self._module.constant(f"literal{i}", np.asarray(atom.value, atom.aval.dtype).tobytes())
                found = f.address(source)
            else:
                assert isinstance(place, Argument | Output)
                table = arguments if isinstance(place, Argument) else out
                found = f.load(f.offset(table, place.index, PTR), PTR)
            f.copy(f.load(f.offset(out, i, PTR), PTR), found, f.index(size))
        f.ret(f.index(0))

    def _arguments(self, f: Function, given: Value) -> Value:
        """The table of the program's arguments: captured arrays first."""
        if not self._consts:
            return given
        count = len(self._plan.arguments)
        table = f.stack(PTR, count)
        for i, const in enumerate(self._consts):
            name = self._module.constant(f"const{i}", const.tobytes())
            f.store(f.address(name), f.offset(table, i, PTR), 8)
        start = len(self._consts)
        f.copy(f.offset(table, start, PTR), given, f.index((count - start) * 8))
        return table


def _services(f: Function, *, memory: bool) -> Value:
    """Neither callbacks nor threads, and no signals; memory of the C library, where it is asked for."""
    services, cell = f.stack(PTR, SERVICES), f.stack(PTR, 1)
    f.fill(services, 0, f.index(SERVICES * PTR.bytes))
    f.store(f.null(), cell, 8)
    f.store(cell, f.offset(services, PARALLEL, PTR), 8)
    if memory:
        f.module.declare("malloc", PTR, [I64])
        f.module.declare("free", None, [PTR])
        f.store(f.address("malloc"), python_place(f, services, "PyMem_RawMalloc"), 8)
        f.store(f.address("free"), python_place(f, services, "PyMem_RawFree"), 8)
    return services
