"""What a primitive is to a compiler: data that says how its result comes from its operands.

A primitive's `lower` gives, for operands of given types, one of: `Pointwise` (an element from elements), `Reduce`, a `View`
(no computing, other indices), a `Barrier` (an order of computing), a kernel of a family that a backend implements (`Contract`,
`Convolve`, `Sort` …), or a loop or branch that runs other jaxprs (`Scan` …). None: there is no native code, and NumPy's
implementation is called. Imports `aval` and typing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from math import prod
from typing import Any, Literal, Protocol, TypeAlias, TypeVar

from functrans.core.aval import ShapedArray
from functrans.core.lowering_control import Control
from functrans.core.lowering_data import DataMovement
from functrans.core.lowering_foreign import ForeignCall
from functrans.core.lowering_loops import Matrices
from functrans.core.lowering_order import Order
from functrans.core.lowering_stack import StackStep
from functrans.core.lowering_windows import Windowed
from functrans.record import Record
from functrans.typing import DType, Shape

__all__ = [
    "Barrier", "Combine", "Contract", "Emit", "Lower", "Lowering", "Pointwise", "Reduce", "Remap", "Reshape", "ScalarBuilder",
    "Strided", "View", "one_view", "pointwise",
]  # fmt: skip

S = TypeVar("S")


class ScalarBuilder(Protocol[S]):
    """Computes with single elements, in whatever form (`S`) a backend keeps them."""

    def constant(self, value: complex, dtype: DType) -> S:
        """A number, as an element of a dtype."""
        ...

    def call(self, name: str, *operands: S, **params: Any) -> S:  # Any: as a primitive's params
        """The elementwise operation of a name that the backend knows: those of the primitives, as "add", "lt", "exp"."""
        ...

    def cast(self, operand: S, dtype: DType) -> S:
        """As NumPy's astype."""
        ...


Emit: TypeAlias = Callable[..., Any]
"""`(builder, *operands, **params) -> result`. Any: the backend's own type of elements."""


class Pointwise(Record):
    """Each element of the result from the elements of the operands at the same index."""

    emit: Emit
    """Called with the builder and the operands' elements only: parameters are bound."""
    needs: tuple[str, ...] = ()
    """The operations that `emit` calls and that a backend may lack for the operands' dtype."""
    cost: int = 1
    """About how many additions it costs: from a few on it is not computed twice."""


Combine: TypeAlias = Literal["add", "mul", "max", "min", "and", "or", "xor"]


class Reduce(Record):
    """The elements over `axes` combined; the result keeps the other axes."""

    combine: Combine
    axes: tuple[int, ...]


# ---- views: no computing, other indices ----


class Remap(Record):
    """Axis i of the result runs along axis `axes[i]` of the operand; None: it repeats. Axes left out have length 1."""

    axes: tuple[int | None, ...]


class Strided(Record):
    """Index i along an axis of the result is index `start + step * i` of the operand; `step` may be negative."""

    start: tuple[int, ...]
    step: tuple[int, ...]

    @staticmethod
    def along(ndim: int, axes: Mapping[int, tuple[int, int]]) -> Strided:
        """Start and step of some axes; the others are seen whole."""
        pairs = [axes.get(axis, (0, 1)) for axis in range(ndim)]
        return Strided(tuple(start for start, _ in pairs), tuple(step for _, step in pairs))


class Reshape(Record):
    """The same elements in C order, in another shape."""


class View(Record):
    """Each result is the operand seen through other indices; one entry per result."""

    results: tuple[Remap | Strided | Reshape, ...]


class Barrier(Record):
    """Each result is the operand of its number, to be read only when all of the operands are there."""


# ---- kernels ----

# A family's data says all that its kernel needs besides the types of operands and results.


class Contract(Record):
    """Products of the two operands summed over axes; a pair of tuples says which axes of the left and of the right.

    The result has the batch axes, the free axes of the left, those of the right; all lie in memory in C order.
    """

    contracted: tuple[tuple[int, ...], tuple[int, ...]]
    batch: tuple[tuple[int, ...], tuple[int, ...]]
    free: tuple[tuple[int, ...], tuple[int, ...]]

    def flops(self, left: Shape, results: int) -> int:
        """Multiplications and additions, for the left operand's shape and so many elements of the result."""
        return 2 * results * prod(left[axis] for axis in self.contracted[0])


Lowering: TypeAlias = (
    Pointwise
    | Reduce
    | View
    | Barrier
    | Contract
    | Windowed
    | DataMovement
    | Order
    | Control
    | ForeignCall
    | Matrices
    | StackStep
)
Lower: TypeAlias = Callable[[Sequence[ShapedArray], Any], Lowering | None]
"""`(operands' avals, params) -> how`, or None where there is no native code. Any: see Params."""


def pointwise(name: str, emit: Emit | None = None, needs: tuple[str, ...] | None = None, cost: int = 1) -> Lower:
    """The `lower` of an elementwise primitive: the backend's operation of its name, or `(builder, *operands, **params)`.

    `needs` are the operations that `emit` calls, besides arithmetic, comparisons, selection and casts.
    """

    def named(builder: ScalarBuilder[Any], *operands: Any, **params: Any) -> Any:  # Any: the backend's elements
        return builder.call(name, *operands, **params)

    how, wanted = (named, (name,)) if emit is None else (emit, needs or ())
    return lambda _avals, params: Pointwise(partial(how, **params), wanted, cost)


def one_view(view: Remap | Strided | Reshape) -> View:
    """The lowering of a primitive with one result that is a view."""
    return View((view,))
