"""Exact simplification: an equation gives way to an atom or to a simpler equation that has the same bits for all operands.

No rule changes a NaN, an infinity, the sign of a zero, a dtype, a warning or an error. One sweep is enough: operands are
simplified before what reads them, and an equation is tried again until no rule applies. `RULES` is the table; `fold` adds
what is known of constants. Imports core, `fold` and the rewrites; start reading at `RULES`, then `simplify`.
"""

from __future__ import annotations

from collections.abc import Mapping

from functrans.compiler.fold import Known, fold
from functrans.compiler.rewrites_elementwise import (
    Rule,
    chosen,
    converted_before,
    first_power,
    highest,
    itself,
    kept_by,
    lowest,
    neutral,
    of_negative,
    one,
    ones,
    part_of_complex,
    same_factor_twice,
    same_operands,
    self_inverse,
    whole_one,
    whole_zero,
    zero,
    zero_to_add,
)
from functrans.compiler.rewrites_views import (
    broadcast_before,
    no_axes,
    no_padding,
    nothing_to_reverse,
    one_operand,
    repeated_along,
    reshaped_before,
    reversed_before,
    same_shape,
    short_axis,
    sorted_before,
    transposed_before,
    unmoved,
)
from functrans.core.ir import Atom, Eqn, Jaxpr

__all__ = ["RULES", "simplify"]

_TO_WHOLE = kept_by("floor", "ceil", "trunc", "rint", "round_away")

RULES: Mapping[str, tuple[Rule, ...]] = {
    "add": (neutral(zero_to_add),),
    "add_any": (neutral(zero_to_add),),
    "sub": (neutral(zero, {1}),),
    "mul": (neutral(one), same_factor_twice),
    "div": (neutral(one, {1}),),
    "floor_divide": (neutral(whole_one, {1}),),
    "integer_pow": (first_power,),
    "pow": (neutral(one, {1}),),
    "max": (same_operands, neutral(lowest)),
    "min": (same_operands, neutral(highest)),
    "fmax": (same_operands,),
    "fmin": (same_operands,),
    "and": (same_operands, neutral(ones)),
    "or": (same_operands, neutral(whole_zero)),
    "xor": (neutral(whole_zero),),
    "shift_left": (neutral(whole_zero, {1}),),
    "shift_right_arithmetic": (neutral(whole_zero, {1}),),
    "shift_right_logical": (neutral(whole_zero, {1}),),
    "neg": (self_inverse,),
    "not": (self_inverse,),
    "conj": (self_inverse,),
    "abs": (kept_by("abs"), of_negative),
    "real": (part_of_complex(0),),
    "imag": (part_of_complex(1),),
    "floor": (_TO_WHOLE,),
    "ceil": (_TO_WHOLE,),
    "trunc": (_TO_WHOLE,),
    "rint": (_TO_WHOLE,),
    "round_away": (_TO_WHOLE,),
    "select_n": (chosen,),
    "stop_gradient": (itself,),
    "name": (itself,),
    "convert_element_type": (converted_before,),
    "transpose": (unmoved, transposed_before),
    "reshape": (same_shape, reshaped_before),
    "broadcast_in_dim": (same_shape, broadcast_before),
    "slice": (same_shape,),
    "dynamic_slice": (same_shape,),
    "rev": (nothing_to_reverse, reversed_before),
    "pad": (no_padding,),
    "concatenate": (one_operand,),
    "split": (same_shape,),
    "reduce_sum": (no_axes,),
    "reduce_prod": (no_axes,),
    "reduce_max": (no_axes, repeated_along),
    "reduce_min": (no_axes, repeated_along),
    "reduce_and": (no_axes, repeated_along),
    "reduce_or": (no_axes, repeated_along),
    "reduce_xor": (no_axes,),
    "cumsum": (short_axis,),
    "cumprod": (short_axis,),
    "cummax": (short_axis,),
    "cummin": (short_axis,),
    "sort": (short_axis, sorted_before),
}
"""For each primitive the rules that are tried, in order."""


def simplify(jaxpr: Jaxpr) -> Jaxpr:
    """The same function by fewer and simpler equations."""
    known = Known()
    eqns: list[Eqn] = []
    changed = False
    for before in jaxpr.eqns:
        eqn = known.resolved(before)
        found = _simplest(eqn, known)
        changed |= found is not before
        if isinstance(found, Eqn):
            known.define(found)
            eqns.append(found)
        else:
            known.same[eqn.outvars[0]] = found
    if not changed:
        return jaxpr
    return Jaxpr(jaxpr.invars, tuple(map(known.resolve, jaxpr.outvars)), tuple(eqns), jaxpr.constvars, jaxpr.consts)


def _simplest(eqn: Eqn, known: Known) -> Atom | Eqn:
    """What is left of an equation when no rule applies any more."""
    while len(eqn.outvars) == 1:
        for rule in (*RULES.get(eqn.prim.name, ()), fold):
            found = rule(eqn, known)
            if isinstance(found, Eqn):
                eqn = found
                break
            if found is not None and found.aval is eqn.outvars[0].aval:
                return found
        else:
            break
    return eqn
