"""Elements as a lowering computes with them (`ScalarBuilder`): one element, or a vector of them, per `Element`.

`Scalars.call` looks an operation up in the tables of `scalar_integer`, `scalar_float` and `scalar_complex`, by the kind of
the first operand, and a transcendental function in `math`. Start reading at `Scalars.call`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from functrans.backends.llvm import element_memory
from functrans.backends.llvm.elements import (
    BOOL,
    Element,
    Lanes,
    is_half,
    is_known,
    memory_type,
    part_dtype,
    register_type,
)
from functrans.backends.llvm.ir import Value
from functrans.backends.llvm.math import FUNCTIONS
from functrans.backends.llvm.scalar_cast import cast
from functrans.backends.llvm.scalar_complex import COMPLEX, Pair
from functrans.backends.llvm.scalar_complex_functions import COMPLEX_FUNCTIONS
from functrans.backends.llvm.scalar_float import EXACT, FLOAT
from functrans.backends.llvm.scalar_integer import BOOLEAN, INTEGER
from functrans.backends.llvm.scalar_special import SPECIAL, compare_mixed
from functrans.core.lowering import Combine
from functrans.typing import DType

__all__ = ["Element", "Scalars", "memory_type", "supports"]

_TABLES: dict[str, Mapping[str, Callable[..., Value | Pair]]] = {
    "b": BOOLEAN,
    "i": INTEGER,
    "u": INTEGER,
    "f": FLOAT,
    "c": COMPLEX | COMPLEX_FUNCTIONS,
}
_RESULTS: dict[str, DType] = {"bitwise_count": np.dtype(np.uint8), "frexp_exponent": np.dtype(np.int32)}


def supports(name: str, dtypes: Sequence[DType], params: Mapping[str, Any]) -> bool:  # Any: a primitive's params
    """Whether `Scalars.call` has the primitive of a name for operands of these dtypes."""
    if not all(map(is_known, dtypes)):
        return False
    special = SPECIAL.get(name)
    if special is not None:
        return special.takes(dtypes) and all(supports(need, dtypes, params) for need in special.needs)
    kind = dtypes[0].kind
    return name in _TABLES.get(kind, ()) or (kind == "f" and name in FUNCTIONS)


class Scalars(Lanes):
    """Computes elements in a function, `lanes` at once."""

    # ---- constants ----

    def constant(self, value: complex, dtype: DType) -> Element:
        """A number in every lane."""
        parts = (value.real, value.imag) if dtype.kind == "c" else (value,)
        kind = register_type(dtype)
        with np.errstate(over="ignore"):
            exact = [np.array(part, part_dtype(dtype)).item() for part in parts]
        return Element(dtype, tuple(self.number(part, kind) for part in exact))

    def identity(self, combine: Combine, dtype: DType) -> Element:
        """What `combine` leaves other elements as they are with."""
        if combine in ("max", "min"):
            limits = _limits(dtype)
            limit = limits[0] if combine == "max" else limits[1]
            return self.constant(complex(limit, limit) if dtype.kind == "c" else limit, dtype)
        ones = True if dtype.kind == "b" else -1 if dtype.kind == "i" else (1 << 8 * dtype.itemsize) - 1
        return self.constant({"mul": 1, "and": ones}.get(combine, 0), dtype)

    # ---- memory ----

    def load(
        self, pointer: Value, dtype: DType, offset: Value | int = 0, stride: int = 1, count: int | None = None
    ) -> Element:
        """The elements at `offset + stride * lane`, of the first `count` lanes (else: of those that are valid)."""
        return element_memory.load(self, pointer, dtype, offset, stride, self.valid if count is None else count)

    def store(
        self, element: Element, pointer: Value, offset: Value | int = 0, stride: int = 1, count: int | None = None,
        *, far: bool = False,
    ) -> None:  # fmt: skip
        """The reverse of `load`; with stride 0, lane 0. What is `far` goes past the caches, if it is a whole vector."""
        element_memory.store(self, element, pointer, offset, stride, self.valid if count is None else count, far=far)

    # ---- lanes ----

    def splat(self, element: Element) -> Element:
        """An element of one lane, in every lane."""
        return Element(element.dtype, tuple(self.function.splat(part, self.lanes) for part in element.parts))

    def select_lanes(self, count: int, element: Element, fill: Element) -> Element:
        """The element in the first `count` lanes, `fill` in the others."""
        if count >= self.lanes:
            return element
        order = [lane if lane < count else self.lanes + lane for lane in range(self.lanes)]
        pairs = zip(element.parts, fill.parts, strict=True)
        return Element(element.dtype, tuple(self.function.shuffle(x, y, order) for x, y in pairs))

    def reduce_lanes(self, combine: Combine, element: Element) -> Element:
        """All lanes combined into one: the upper half with the lower half, until one is left."""
        f, lanes = self.function, self.lanes
        while lanes > 1:
            lanes //= 2
            low, high = (self._run(element, start, lanes) for start in (0, lanes))
            element = Scalars(f, lanes).combine(combine, low, high)
        return element

    def _run(self, element: Element, start: int, lanes: int) -> Element:
        f, order = self.function, range(start, start + lanes)
        take = f.extract if lanes == 1 else None
        parts = (take(x, start) if take else f.shuffle(x, x, order) for x in element.parts)
        return Element(element.dtype, tuple(parts))

    # ---- operations ----

    def combine(self, combine: Combine, x: Element, y: Element) -> Element:
        """One step of a reduction."""
        return self.call(combine, x, y)

    def cast(self, operand: Element, dtype: DType) -> Element:
        return cast(self, operand, dtype)

    def call(self, name: str, *operands: Element, **params: Any) -> Element:  # Any: a primitive's params
        """The operation of a primitive's name, for dtypes that `supports` says yes to."""
        special, dtype = SPECIAL.get(name), operands[0].dtype
        if special is not None:
            return special.build(self, *operands, **params)
        if len(operands) == 2 and operands[1].dtype.kind != dtype.kind:
            return compare_mixed(self, name, *operands)
        operation = _TABLES[dtype.kind].get(name)
        if operation is None:
            return self._rounded(dtype, FUNCTIONS[name](self.function, *(x.value for x in operands), **params))
        given = [x.parts if dtype.kind == "c" else x.value for x in operands]
        return self._element(name, dtype, operation(self, dtype, *given, **params))

    def _element(self, name: str, dtype: DType, result: Value | Pair) -> Element:
        if isinstance(result, tuple):
            return Element(dtype, result)
        if result.type.bits == 1:
            return Element(BOOL, (result,))
        if name in _RESULTS or name in EXACT:
            return Element(_RESULTS.get(name, dtype), (result,))
        return self._rounded(part_dtype(dtype), result)

    def _rounded(self, dtype: DType, x: Value) -> Element:
        return Element(dtype, (self.rounded(x) if is_half(dtype) else x,))


def _limits(dtype: DType) -> tuple[float, float]:
    if dtype.kind in "fc":
        return -np.inf, np.inf
    if dtype.kind == "b":
        return False, True
    return int(np.iinfo(dtype).min), int(np.iinfo(dtype).max)
