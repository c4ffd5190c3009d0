"""How the lanes of a reduction are combined: what an accumulator holds, how blocks of it are added up, and the end of it.

A long sum of floats is added in blocks, and the blocks by Knuth's two-sum, whose rounding errors are kept and added at the
end: no longer chain of roundings than in NumPy's pairwise sum. float16 is summed in float32. Imports `scalars`; start at
`Reduction`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from functrans.backends.llvm.elements import Element, is_half
from functrans.backends.llvm.ir import Value
from functrans.backends.llvm.scalars import Scalars
from functrans.core.lowering import Combine
from functrans.record import Record
from functrans.typing import DType

__all__ = ["Reduction", "flat", "tree", "unflat"]


class Reduction(Record):
    """One reduction of a pass."""

    op: int
    combine: Combine
    dtype: DType

    @property
    def work(self) -> DType:
        """What it is accumulated in."""
        return np.dtype(np.float32) if self.combine in ("add", "mul") and is_half(self.dtype) else self.dtype

    @property
    def is_compensated(self) -> bool:
        return self.combine == "add" and self.dtype.kind in "fc"

    def start(self, scalars: Scalars) -> Element:
        """An accumulator that nothing has gone into."""
        return scalars.identity(self.combine, self.work)

    def totals(self, scalars: Scalars) -> list[Element]:
        """What blocks are added to: a sum, and the errors made so far."""
        return [self.start(scalars)] * (2 if self.is_compensated else 1)

    def add(self, scalars: Scalars, accumulator: Element, x: Element) -> Element:
        """One more element per lane; lanes that do not count leave the accumulator as it is."""
        x = scalars.cast(x, self.work)
        combined = scalars.combine(self.combine, accumulator, x)
        return scalars.select_lanes(scalars.valid, combined, accumulator)

    def merge(self, scalars: Scalars, totals: Sequence[Element], block: Element) -> list[Element]:
        """The totals with a block."""
        if not self.is_compensated:
            return [scalars.combine(self.combine, totals[0], block)]
        pairs = [_two_sum(*parts) for parts in zip(totals[0].parts, block.parts, totals[1].parts, strict=True)]
        return [Element(self.work, tuple(pair[k] for pair in pairs)) for k in (0, 1)]

    def join(self, scalars: Scalars, totals: Sequence[Element], others: Sequence[Element]) -> list[Element]:
        """The totals with those of another part."""
        total, *errors = self.merge(scalars, totals, others[0])
        return [total, *(scalars.combine("add", e, other) for e, other in zip(errors, others[1:], strict=True))]

    def finish(self, scalars: Scalars, totals: Sequence[Element]) -> Element:
        """All lanes of the totals as one element of the result's dtype."""
        one = Scalars(scalars.function, 1, warnings=scalars.warnings)
        return self.result(one, [scalars.reduce_lanes(self.combine, total) for total in totals])

    def result(self, scalars: Scalars, totals: Sequence[Element]) -> Element:
        """Totals as an element of the result's dtype."""
        whole = totals[0]
        if self.is_compensated:
            pairs = zip(whole.parts, totals[1].parts, strict=True)
            whole = Element(self.work, tuple(_corrected(x, error) for x, error in pairs))
        return scalars.cast(whole, self.dtype)


def _two_sum(total: Value, x: Value, errors: Value) -> tuple[Value, Value]:
    """(sum, errors so far) after x, exactly (Knuth, TAOCP 2, 4.2.2)."""
    f = total.function
    s = f.add(total, x)
    back = f.sub(s, total)
    lost = f.add(f.sub(total, f.sub(s, back)), f.sub(x, back))
    return s, f.add(errors, lost)


def _corrected(total: Value, errors: Value) -> Value:
    """The sum and its errors; of an infinite or undefined sum there are none."""
    f = total.function
    return f.select(f.fcmp("ord", errors, errors), f.add(total, errors), total)


def tree(combine: Combine, scalars: Scalars, elements: Sequence[Element]) -> Element:
    """Elements combined two by two."""
    found = list(elements)
    while len(found) > 1:
        pairs = [scalars.combine(combine, a, b) for a, b in zip(found[::2], found[1::2], strict=False)]
        found = pairs + found[len(pairs) * 2 :]
    return found[0]


def flat(elements: Iterable[Element]) -> list[Value]:
    """The parts of all elements, as a loop carries them."""
    return [part for element in elements for part in element.parts]


def unflat(values: Sequence[Value], like: Iterable[Element]) -> list[Element]:
    """Values that a loop carried, as elements like those that it began with."""
    rest: Iterator[Value] = iter(values)
    return [Element(element.dtype, tuple(next(rest) for _ in element.parts)) for element in like]
