"""What is called back: a function of the user as a function from flat values to flat values of declared types.

It gets copies of its own of the values, no trace is current while it runs, and what it returns is checked. Start reading at
`Callback`. Imports core, errors, tree.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol, cast

import numpy as np

from functrans import tree
from functrans.core.aval import PYTHON_SCALARS, SCALAR_AVALS, ShapedArray, changes_meaning, concrete_aval, shaped
from functrans.core.primitive import EVAL, Tracer, Values, current_trace, reset_trace, set_trace, strong
from functrans.errors import CallbackResultError, FunctransError
from functrans.record import Record
from functrans.tree import TreeDef
from functrans.typing import Array

__all__ = ["Call", "Callback", "PerElement"]


class Call(Protocol):
    """What a callback primitive calls, and what that gives."""

    @property
    def name(self) -> str: ...
    @property
    def avals(self) -> tuple[ShapedArray, ...]: ...
    def __call__(self, *values: Array) -> Values: ...


class Callback:
    """A function of trees, as a function from flat values to flat values of declared types.

    in_tree: of (args, kwargs); declared_by: the argument that says what it returns, for messages.
    """

    __slots__ = ("_declared_by", "_fun", "_in_tree", "_is_flat", "avals", "name", "out_tree")

    def __init__(
        self,
        fun: Callable[..., Any],
        name: str,
        in_tree: TreeDef[Any],
        out_tree: TreeDef[Any],
        avals: tuple[ShapedArray, ...],
        declared_by: str,
    ) -> None:
        self._fun, self.name, self._declared_by = fun, name, declared_by
        self._in_tree, self.avals = in_tree, avals
        self.out_tree = tree.LEAF if out_tree == tree.LEAF else out_tree
        self._is_flat = in_tree == tree.structure(((0,) * in_tree.num_leaves, {}))

    def over_batch(self, size: int) -> Callback:
        """The same function where it takes and gives whole batches."""
        avals = tuple(shaped((size, *aval.shape), aval.dtype) for aval in self.avals)
        return Callback(self._fun, self.name, self._in_tree, self.out_tree, avals, self._declared_by)

    def __call__(self, *values: Array) -> Values:
        args: Sequence[Any] = list(map(_copied, values))
        kwargs: dict[str, Any] = {}
        if not self._is_flat:
            args, kwargs = tree.unflatten(self._in_tree, args)
        token = None if current_trace() is EVAL else set_trace(EVAL)
        try:
            result = self._fun(*args, **kwargs)
        except FunctransError as error:
            error.is_placed = True  # in the user's function, not where that is called
            raise
        finally:
            if token is not None:
                reset_trace(token)
        return self._checked(result)

    def _checked(self, result: Any) -> Values:
        """The leaves of a result, as arrays of their own; raises CallbackResultError, TreeMismatchError."""
        if type(result) in _LEAVES and self.out_tree is tree.LEAF:  # as mostly
            out = _fitting(result, self.avals[0])
            if out is not None:
                return (out,)
        leaves, out_tree = tree.flatten(result)
        if out_tree is not self.out_tree and out_tree != self.out_tree:
            tree.check_same_structure(self.out_tree, out_tree, self._declared_by, f"the result of {self.name}")
        outs = list(map(_fitting, leaves, self.avals))
        if any(out is None for out in outs):
            paths = tree.paths(self.out_tree, "result")
            wrong = [
                (path, str(aval), _kind(leaf))
                for path, aval, leaf, out in zip(paths, self.avals, leaves, outs, strict=True)
                if out is None
            ]
            raise CallbackResultError(self.name, self._declared_by, wrong)
        return cast(Values, tuple(outs))

    def __repr__(self) -> str:
        return self.name


_LEAVES = frozenset({np.ndarray, *SCALAR_AVALS})


def _copied(value: Array) -> Array:
    """What the user's function gets: nothing that it does to it, then or later, changes a value of the program."""
    return np.array(value) if type(value) is np.ndarray else strong(value)


def _fitting(leaf: object, aval: ShapedArray) -> Array | None:
    """A result as a value of the declared type: a copy, for the function may keep what it returned. None if it is another."""
    if type(leaf) is aval.dtype.type and not aval.shape:
        return cast(Array, leaf)
    if type(leaf) in PYTHON_SCALARS:
        return _number(leaf, aval)
    if isinstance(leaf, Tracer) or changes_meaning(leaf):
        return None
    value = np.array(leaf)
    if value.dtype != aval.dtype and value.dtype.newbyteorder("=") == aval.dtype:
        value = value.astype(aval.dtype)
    if value.shape != aval.shape or value.dtype != aval.dtype:
        return None
    return value if aval.shape else cast(Array, value[()])


def _number(leaf: object, aval: ShapedArray) -> Array | None:
    """A Python number in the declared dtype, if NumPy would keep that dtype in arithmetic with it."""
    if aval.shape or np.result_type(aval.dtype, cast(Any, leaf)) != aval.dtype:
        return None
    try:
        return cast(Array, aval.dtype.type(leaf))
    except OverflowError:
        return None


def _kind(leaf: object) -> str:
    """The type of what was returned, for messages."""
    if isinstance(leaf, Tracer):
        return leaf.describe()
    value = np.asarray(leaf)
    is_array = value.dtype.kind in "biufc" and not changes_meaning(leaf)
    return str(concrete_aval(leaf if type(leaf) in SCALAR_AVALS else value)) if is_array else type(leaf).__name__


class PerElement(Record, eq=False):
    """A call for each element of a batch, in order."""

    each: Call
    size: int
    batched: tuple[bool, ...]

    @property
    def name(self) -> str:
        return self.each.name

    @property
    def avals(self) -> tuple[ShapedArray, ...]:
        return tuple(shaped((self.size, *aval.shape), aval.dtype) for aval in self.each.avals)

    def __call__(self, *values: Array) -> Values:
        wholes = tuple(np.empty(aval.shape, aval.dtype) for aval in self.avals)
        for i in range(self.size):
            outs = self.each(*(v[i] if has else v for v, has in zip(values, self.batched, strict=True)))
            for whole, out in zip(wholes, outs, strict=True):
                whole[i] = out
        return wholes

    def __repr__(self) -> str:
        return self.name
