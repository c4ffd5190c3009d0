"""Exact rewrites of elementwise equations. Imports core and `fold`; `simplify` has the table of them."""

from __future__ import annotations

from collections.abc import Callable, Container
from typing import TypeAlias

import numpy as np

from functrans.compiler.fold import Known, replaced
from functrans.core.aval import ShapedArray
from functrans.core.ir import Atom, Eqn, Literal, Var
from functrans.typing import DType

__all__ = [
    "Rule",
    "chosen", "converted_before", "first_power", "highest", "itself", "kept_by", "lowest", "neutral",
    "of_negative", "one", "ones", "part_of_complex", "same_factor_twice", "same_operands", "self_inverse",
    "whole_one", "whole_zero", "zero", "zero_to_add",
]  # fmt: skip

Rule: TypeAlias = Callable[[Eqn, Known], Atom | Eqn | None]
"""`(equation, what is known) -> what its result is, or a simpler equation for it`; None where it stays as it is."""


# ---- neutral elements ----


def neutral(element: Callable[[ShapedArray], object], sides: Container[int] = (0, 1)) -> Rule:
    """x ∘ e is x, for e the bits of `element` in the dtype (None: it has none) on one of the sides."""

    def rule(eqn: Eqn, known: Known) -> Atom | None:
        for side in (1, 0):
            number = known.number(eqn.invars[side])
            if side in sides and number is not None:
                e = element(number.aval)
                if e is not None and number.key == Literal(np.asarray(e, number.aval.dtype), number.aval).key:
                    return eqn.invars[1 - side]
        return None

    return rule


def zero_to_add(aval: ShapedArray) -> object:
    return -0.0 if aval.dtype.kind == "f" else complex(-0.0, -0.0) if aval.dtype.kind == "c" else 0


def zero(_: ShapedArray) -> object:
    return 0


def whole_zero(aval: ShapedArray) -> object:
    return 0 if aval.dtype.kind in "biu" else None


def one(aval: ShapedArray) -> object:
    return None if aval.dtype.kind == "c" else 1  # inf * (1 + 0i) has a NaN


def whole_one(aval: ShapedArray) -> object:
    return 1 if aval.dtype.kind in "iu" else None


def ones(aval: ShapedArray) -> object:
    return True if aval.dtype.kind == "b" else ~np.zeros((), aval.dtype)


def lowest(aval: ShapedArray) -> object:
    return {"f": -np.inf, "b": False, "c": None}.get(aval.dtype.kind, _limit(aval, "min"))


def highest(aval: ShapedArray) -> object:
    return {"f": np.inf, "b": True, "c": None}.get(aval.dtype.kind, _limit(aval, "max"))


def _limit(aval: ShapedArray, end: str) -> object:
    return getattr(np.iinfo(aval.dtype), end) if aval.dtype.kind in "iu" else None


# ---- the rest ----


def same_operands(eqn: Eqn, _: Known) -> Atom | None:
    """x ∘ x is x."""
    x, y = eqn.invars
    return x if x is y else None


def self_inverse(eqn: Eqn, known: Known) -> Atom | None:
    """f(f(x)) is x."""
    inner = known.maker(eqn.invars[0], eqn.prim.name)
    return None if inner is None else inner.invars[0]


def kept_by(*names: str) -> Rule:
    """f(y) is y for y the result of one of the primitives."""

    def rule(eqn: Eqn, known: Known) -> Atom | None:
        return eqn.invars[0] if known.maker(eqn.invars[0], *names) else None

    return rule


def of_negative(eqn: Eqn, known: Known) -> Eqn | None:
    """f(-x) is f(x); numbers without sign wrap around."""
    inner = known.maker(eqn.invars[0], "neg")
    return None if inner is None or inner.invars[0].aval.dtype.kind == "u" else replaced(eqn, inner.invars)


def part_of_complex(number: int) -> Rule:
    """The real or imaginary part of what was put together of both."""

    def rule(eqn: Eqn, known: Known) -> Atom | None:
        inner = known.maker(eqn.invars[0], "complex")
        return None if inner is None else inner.invars[number]

    return rule


def itself(eqn: Eqn, _: Known) -> Atom | None:
    """f(x) is x."""
    return eqn.invars[0]


def first_power(eqn: Eqn, _: Known) -> Atom | None:
    is_real = eqn.outvars[0].aval.dtype.kind != "c"
    return eqn.invars[0] if eqn.params["y"] == 1 and is_real else None


def same_factor_twice(eqn: Eqn, known: Known) -> Eqn | None:
    """(x c) d is x (c d): whole numbers wrap around alike, and powers of two ≥ 1 are exact until both give infinity."""
    outer, x = _literal_and_other(eqn)
    inner = known.maker(x, eqn.prim.name) if x else None
    literal, rest = _literal_and_other(inner) if inner else (None, None)
    if outer is None or literal is None or rest is None:
        return None
    dtype = literal.aval.dtype
    values = [np.asarray(factor.value, dtype) for factor in (literal, outer)]
    with np.errstate(all="ignore"):
        product = values[0] * values[1]
    if dtype.kind == "f" and not (all(map(_is_doubling, values)) and np.isfinite(product)):
        return None
    return replaced(eqn, (rest, Literal(product[()], literal.aval))) if dtype.kind in "iuf" else None


def _literal_and_other(eqn: Eqn) -> tuple[Literal | None, Var | None]:
    x, y = eqn.invars
    if isinstance(y, Literal):
        x, y = y, x
    return (x, y) if isinstance(x, Literal) and isinstance(y, Var) else (None, None)


def _is_doubling(x: np.ndarray[tuple[int, ...], np.dtype[np.floating]]) -> bool:
    return bool(x >= 1 and np.isfinite(x) and np.frexp(x)[0] == 0.5)


def chosen(eqn: Eqn, known: Known) -> Atom | None:
    """A selection whose choice does not matter, or is known."""
    which, *cases = eqn.invars
    if all(case is cases[0] or known.equal(case, cases[0]) for case in cases[1:]):
        return cases[0]
    number = known.number(which)
    return cases[int(number.value)] if number is not None and which.aval.dtype.kind == "b" else None


def converted_before(eqn: Eqn, known: Known) -> Atom | Eqn | None:
    """A conversion after one that lost nothing; of floats to whole numbers the width of the floats may matter."""
    inner = known.maker(eqn.invars[0], eqn.prim.name)
    if inner is None:
        return None
    (x,) = inner.invars
    source, between, to = x.aval.dtype, eqn.invars[0].aval.dtype, eqn.outvars[0].aval.dtype
    if not _holds(between, source) or (source.kind in "fc" and to.kind in "biu") or (between.kind == "c" != to.kind):
        return None
    return x if x.aval is eqn.outvars[0].aval else replaced(eqn, (x,))


def _digits(dtype: DType) -> int:
    """Bits of a whole number that a dtype always holds."""
    return {2: 11, 4: 24, 8: 53}[dtype.itemsize // (2 if dtype.kind == "c" else 1)]


def _holds(wide: DType, narrow: DType) -> bool:
    """Whether every value of a dtype is one of another."""
    if wide.kind in "fc" and narrow.kind in "iu":
        return 8 * narrow.itemsize - (narrow.kind == "i") <= _digits(wide)
    return bool(np.can_cast(narrow, wide, "safe"))
