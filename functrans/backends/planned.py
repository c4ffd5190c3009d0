"""What would run of a jaxpr, without making it: its plan as text, what that costs, LLVM's text and assembly.

Imported when somebody looks: its modules are a fifth of `import functrans`. Imports core, the compiler and the native backend;
start reading at `plan_jaxpr`.
"""

from __future__ import annotations

from collections.abc import Sequence

from functrans.backends.executable import why_numpy
from functrans.backends.llvm.standalone import Describe, standalone_object
from functrans.backends.llvm.text import assembly, llvm_ir, native_plan
from functrans.compiler.cost import Cost, cost_of
from functrans.compiler.inline import inline
from functrans.compiler.options import Options
from functrans.compiler.pipeline import optimize
from functrans.compiler.plan import Backend, make_plan
from functrans.compiler.steps import Plan
from functrans.compiler.text import print_plan
from functrans.core.aval import ShapedArray
from functrans.core.ir import Jaxpr, memoized
from functrans.core.lowering import Lowering
from functrans.core.printer import Names
from functrans.errors import NoMachineCodeError
from functrans.record import NamedTuple
from functrans.typing import Array

__all__ = ["Planned", "plan_jaxpr"]


class Planned(NamedTuple):
    """What a jaxpr becomes on its way to an executable."""

    jaxpr: Jaxpr
    """After all passes; captured values are leading arguments."""
    plan: Plan
    why_numpy: str
    """Why NumPy runs all of it; empty where it becomes machine code."""

    def text(self) -> str:
        """The steps, or where NumPy runs them the equations."""
        if self.why_numpy:
            return f"NumPy runs the equations one by one: {self.why_numpy}\n\n{self.jaxpr}"
        return print_plan(self.plan, Names.of(self.jaxpr))

    def cost(self) -> Cost:
        """What the steps cost."""
        return cost_of(self.plan)

    def llvm_ir(self) -> str:
        """The program in LLVM's language. Raises NoMachineCodeError where NumPy runs it."""
        return llvm_ir(self._native_plan)

    def assembly(self) -> str:
        """The program in this machine's language. Raises NoMachineCodeError where NumPy runs it."""
        return assembly(self._native_plan)

    def standalone(self, consts: Sequence[Array], name: str, describe: Describe) -> bytes:
        """Object code that needs no Python; `describe` is told for which machine.

        Raises NoMachineCodeError where NumPy runs it, NotExportableError for what only this process has.
        """
        return standalone_object(self._native_plan, consts, name, describe)

    @property
    def _native_plan(self) -> Plan:
        if self.why_numpy:
            raise NoMachineCodeError(self.why_numpy)
        return self.plan


@memoized
def plan_jaxpr(jaxpr: Jaxpr, options: Options = Options()) -> Planned:  # noqa: B008  # it is immutable
    """What `compile_jaxpr` would make."""
    flat = inline(jaxpr)
    optimized, options = optimize(flat.with_consts_as_inputs()), options.behind(len(flat.consts))
    why = why_numpy()
    plan = None if why else native_plan(optimized, options)
    if plan is not None:
        return Planned(optimized, plan, "")
    why = why or "machine code does not have the dtypes of all its values"
    return Planned(optimized, make_plan(optimized, Backend(_nothing)), why)


def _nothing(_lowering: Lowering, _ins: Sequence[ShapedArray], _outs: Sequence[ShapedArray]) -> bool:
    """NumPy runs every equation by itself."""
    return False
