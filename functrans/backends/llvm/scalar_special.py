"""Operations on elements as such: those of operands of several dtypes, and those that are composed of others.

Start reading at `SPECIAL`. Imports `elements` and the operations' tables that it composes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from functrans.backends.llvm.elements import BOOL, Element, Lanes, complex_dtype, is_half
from functrans.backends.llvm.ir import I64
from functrans.backends.llvm.scalar_cast import bitcast, cast
from functrans.backends.llvm.scalar_float_bits import ldexp
from functrans.backends.llvm.scalar_warnings import FAILED
from functrans.core.lowering import ScalarBuilder
from functrans.record import Record
from functrans.typing import DType

__all__ = ["SPECIAL", "Special"]

Builder: TypeAlias = ScalarBuilder[Element]


class Special(Record):
    """`build(b, *elements, **params)`, for dtypes that it takes, where the operations of `needs` are to be had."""

    build: Callable[..., Element]
    takes: Callable[[Sequence[DType]], bool] = lambda dtypes: dtypes[0].kind in "fc"
    needs: tuple[str, ...] = ()


def _any(_dtypes: Sequence[DType]) -> bool:
    return True


# ---- operands of several dtypes ----


def _select_n(b: Lanes, which: Element, *cases: Element) -> Element:
    f = b.function
    if which.dtype.kind == "b":
        masks = [which.value]
    else:
        b.note(FAILED, f.icmp("uge", which.value, len(cases)))
        masks = [f.icmp("eq", which.value, i) for i in range(1, len(cases))]
    chosen = cases[0].parts
    for mask, case in zip(masks, cases[1:], strict=True):
        chosen = tuple(f.select(mask, x, y) for x, y in zip(case.parts, chosen, strict=True))
    return Element(cases[0].dtype, chosen)


def _convert(b: Lanes, x: Element, *, dtype: DType, weak: bool) -> Element:
    return cast(b, x, dtype)


def _bitcast(b: Lanes, x: Element, *, dtype_to: DType) -> Element:
    return bitcast(b, x, dtype_to)


def _ldexp(b: Lanes, x: Element, y: Element) -> Element:
    f, exponent, to = b.function, y.value, x.value.type.integer()
    if exponent.type.bits > to.bits:
        limit = b.number(1 << 20, I64)
        exponent = f.cast("trunc", f.maximum(f.minimum(exponent, limit), -limit), to.scalar)
    elif exponent.type.bits < to.bits:
        exponent = f.cast("sext", exponent, to.scalar)
    product = ldexp(b, x.value, exponent)
    return Element(x.dtype, (b.rounded(product) if is_half(x.dtype) else product,))


def _complex(_b: Lanes, re: Element, im: Element) -> Element:
    return Element(complex_dtype(re.dtype), (re.value, im.value))


_MIRRORED = {"eq": "eq", "ne": "ne", "lt": "gt", "le": "ge", "gt": "lt", "ge": "le"}


def compare_mixed(b: Lanes, name: str, x: Element, y: Element) -> Element:
    """int64 beside uint64, exactly: a negative number is below all."""
    if x.dtype.kind == "u":
        return compare_mixed(b, _MIRRORED[name], y, x)
    f = b.function
    negative = f.icmp("slt", x.value, 0)
    as_unsigned = f.icmp(name if name in ("eq", "ne") else f"u{name}", x.value, y.value)
    below = f.const(name in ("ne", "lt", "le"), negative.type)
    return Element(BOOL, (f.select(negative, below, as_unsigned),))


# ---- composed ----


def _rsqrt(b: Builder, x: Element) -> Element:
    return b.call("reciprocal", b.call("sqrt", x))


def _pick_greater(b: Builder, x: Element, y: Element, above: Element, below: Element) -> Element:
    mean = b.call("mul", b.constant(0.5, above.dtype), b.call("add", above, below))
    untied = b.call("select_n", b.call("gt", x, y), below, above)
    return b.call("select_n", b.call("eq", x, y), untied, mean)


SPECIAL: dict[str, Special] = {
    "select_n": Special(_select_n, _any),
    "convert_element_type": Special(_convert, _any),
    "bitcast_convert_type": Special(_bitcast, _any),
    "ldexp": Special(_ldexp),
    "complex": Special(_complex),
    "add_any": Special(lambda b, x, y: b.call("add", x, y)),
    "rsqrt": Special(_rsqrt, needs=("sqrt",)),
    "pick_greater": Special(_pick_greater),
}
