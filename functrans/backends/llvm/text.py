"""What the backend makes of a jaxpr, to be read: the plan, LLVM's text, and assembly. Imports the emitter and the engine."""

from __future__ import annotations

from functrans.backends.llvm import engine
from functrans.backends.llvm.executable import NativeProgram
from functrans.backends.llvm.program import BACKEND, emit_program
from functrans.backends.llvm.target import host
from functrans.compiler.options import Options
from functrans.compiler.plan import make_plan
from functrans.compiler.steps import Plan
from functrans.core.ir import Jaxpr

__all__ = ["assembly", "llvm_ir", "native_plan"]


def native_plan(jaxpr: Jaxpr, options: Options) -> Plan | None:
    """The plan of a program for this machine; None where it does not become machine code."""
    if not NativeProgram.takes(jaxpr):
        return None
    return make_plan(jaxpr, BACKEND, options)


def llvm_ir(plan: Plan) -> str:
    """A program in LLVM's language."""
    return emit_program(plan, host()).text()


def assembly(plan: Plan) -> str:
    """A program in this machine's language."""
    return engine.assembly(llvm_ir(plan), host())
