"""Exact rewrites of equations that move elements, or combine them along axes. Imports `fold`; `simplify` has the table of them.

Each rule is `(equation, what is known) -> an atom, a simpler equation, or None`.
"""

from __future__ import annotations

from functrans.compiler.fold import Known, replaced
from functrans.core.aval import INEXACT_KINDS
from functrans.core.ir import Atom, Eqn

__all__ = [
    "broadcast_before", "no_axes", "no_padding", "nothing_to_reverse", "one_operand", "repeated_along",
    "reshaped_before", "reversed_before", "same_shape", "short_axis", "sorted_before", "transposed_before",
    "unmoved",
]  # fmt: skip


# ---- views ----


def same_shape(eqn: Eqn, _: Known) -> Atom | None:
    """Of what keeps all elements in their order."""
    return eqn.invars[0] if eqn.invars[0].aval.shape == eqn.outvars[0].aval.shape else None


def reshaped_before(eqn: Eqn, known: Known) -> Eqn | None:
    inner = known.maker(eqn.invars[0], "reshape")
    return None if inner is None else replaced(eqn, inner.invars)


def unmoved(eqn: Eqn, _: Known) -> Atom | None:
    """A transpose that is none."""
    order = eqn.params["permutation"]
    return eqn.invars[0] if tuple(order) == tuple(range(len(order))) else None


def transposed_before(eqn: Eqn, known: Known) -> Eqn | None:
    inner = known.maker(eqn.invars[0], "transpose")
    if inner is None:
        return None
    order = tuple(inner.params["permutation"][axis] for axis in eqn.params["permutation"])
    return replaced(eqn, inner.invars, permutation=order)


def broadcast_before(eqn: Eqn, known: Known) -> Eqn | None:
    inner = known.maker(eqn.invars[0], "broadcast_in_dim")
    if inner is None:
        return None
    axes = tuple(eqn.params["broadcast_dimensions"][axis] for axis in inner.params["broadcast_dimensions"])
    return replaced(eqn, inner.invars, broadcast_dimensions=axes)


def reversed_before(eqn: Eqn, known: Known) -> Atom | None:
    inner = known.maker(eqn.invars[0], "rev")
    is_same = inner is not None and set(inner.params["dimensions"]) == set(eqn.params["dimensions"])
    return inner.invars[0] if is_same and inner is not None else None


def nothing_to_reverse(eqn: Eqn, _: Known) -> Atom | None:
    shape = eqn.outvars[0].aval.shape
    return eqn.invars[0] if all(shape[axis] <= 1 for axis in eqn.params["dimensions"]) else None


def one_operand(eqn: Eqn, _: Known) -> Atom | None:
    """Of what joins its operands."""
    return eqn.invars[0] if len(eqn.invars) == 1 else None


def no_padding(eqn: Eqn, _: Known) -> Atom | None:
    return eqn.invars[0] if not any(map(any, eqn.params["padding_config"])) else None


# ---- along axes ----


def no_axes(eqn: Eqn, _: Known) -> Atom | None:
    adds_zero = eqn.prim.name == "reduce_sum" and eqn.invars[0].aval.dtype.kind in INEXACT_KINDS  # to -0
    return eqn.invars[0] if not eqn.params["axes"] and not adds_zero else None


def repeated_along(eqn: Eqn, known: Known) -> Atom | None:
    """An extremum of what is the same all along the axes."""
    inner = known.maker(eqn.invars[0], "broadcast_in_dim")
    if inner is None or 0 in eqn.invars[0].aval.shape:
        return None
    kept = tuple(axis for axis in range(eqn.invars[0].aval.ndim) if axis not in eqn.params["axes"])
    is_inverse = kept == tuple(inner.params["broadcast_dimensions"])
    return inner.invars[0] if is_inverse and inner.invars[0].aval.shape == eqn.outvars[0].aval.shape else None


def short_axis(eqn: Eqn, _: Known) -> Atom | None:
    """At most one element along the axis."""
    is_one = len(eqn.invars) == 1
    return eqn.invars[0] if is_one and eqn.invars[0].aval.shape[eqn.params["axis"]] <= 1 else None


def sorted_before(eqn: Eqn, known: Known) -> Atom | None:
    inner = known.maker(eqn.invars[0], "sort") if len(eqn.invars) == 1 else None
    is_same = inner is not None and len(inner.invars) == 1 and inner.params["axis"] == eqn.params["axis"]
    return eqn.invars[0] if is_same and eqn.params["is_stable"] else None
