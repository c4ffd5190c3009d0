"""What makes a tracer behave as an array: attributes, operators, methods, and NumPy's dispatch protocols.

Every tracer class of the transforms derives from `ArrayTracer`. Start reading there.
"""

from __future__ import annotations

from functrans.core.primitive import Tracer
from functrans.typing import DType, Shape


class ArrayTracer(Tracer):
    """A tracer with the attributes, operators and methods of `numpy.ndarray`."""

    __slots__ = ()

    @property
    def shape(self) -> Shape:
        return self.aval.shape

    @property
    def dtype(self) -> DType:
        return self.aval.dtype

    @property
    def ndim(self) -> int:
        return len(self.aval.shape)

    @property
    def size(self) -> int:
        return self.aval.size

    def truth(self) -> bool:
        """The truth value, where the trace knows it (grad and jvp outside jit do); raises ConcretizationError."""
        raise NotImplementedError(type(self).__name__)
