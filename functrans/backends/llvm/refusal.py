"""What may meet operands that NumPy raises an error for. Imports the compiler's data; start reading at `refuses`."""

from __future__ import annotations

from collections.abc import Iterable

from functrans.compiler.nest import Fused, Nest, Work
from functrans.compiler.nodes import Node
from functrans.compiler.steps import Plan
from functrans.core.lowering import Pointwise
from functrans.core.lowering_control import Control
from functrans.core.lowering_data import Gather, Scatter
from functrans.typing import DType

__all__ = ["notes_refusals", "refuses"]

_REFUSING = {"pow", "select_n"}
"""Operations that NumPy refuses for some integers."""


def refuses(work: Work) -> bool:
    """Whether it may meet operands that NumPy raises an error for; see `functrans.compiler.plan`."""
    if isinstance(work, Fused):
        return any(map(refuses, work.nests))
    if isinstance(work, Nest):
        return any(_refuses(op.node.lowering, op.node.operands[0].base.aval.dtype) for op in work.ops if op.operands)
    if isinstance(work.lowering, Control):
        return refuses_elements(work.lowering)
    return _refuses_starts(work.lowering)


def _refuses_starts(lowering: object) -> bool:
    return isinstance(lowering, Gather | Scatter) and lowering.windows.bounds == "raise"


def refuses_elements(lowering: Control) -> bool:
    """Whether an operation within a loop or a branch does."""
    for jaxpr in lowering.jaxprs:
        for eqn in jaxpr.all_eqns():
            if _refuses_starts(eqn.lowering) or (eqn.invars and _refuses(eqn.lowering, eqn.invars[0].aval.dtype)):
                return True
    return False


def _refuses(lowering: object, dtype: DType) -> bool:
    return isinstance(lowering, Pointwise) and not _REFUSING.isdisjoint(lowering.needs) and dtype.kind in "iu"


def notes_refusals(bodies: Iterable[Plan]) -> bool:
    """Whether the steps of a loop may note that they refuse elements, and go on: the loop is to end then."""
    works = (step.work for body in bodies for step in body.all_steps())
    return any(not isinstance(work, Node) and refuses(work) for work in works)
