"""What an optimiser is: a pair of pure functions over trees, and the ways to combine such pairs.

`init(params)` gives a state, `update(gradients, state, params)` what to add to the parameters and the next state. Both can be
traced, batched and differentiated, so a whole training step is one compiled program. Names and signatures are optax's; the
dtype of every leaf stays what it was. Start reading at `GradientTransformation` and `chain`. Imports core, numpy, tree.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple, Protocol, TypeVar, cast

import numpy as np

from functrans import tree
from functrans.core.primitive import aval_of
from functrans.errors import ParameterError
from functrans.numpy.promotion import as_operand, astype
from functrans.optim.schedules import Scalar
from functrans.typing import Array, ArrayLike, DTypeLike, PyTree

__all__ = [
    "EmptyState",
    "GradientTransformation",
    "MaskedNode",
    "Update",
    "apply_updates",
    "as_dtype_of",
    "chain",
    "identity",
    "leafwise",
    "masked",
    "multi_transform",
    "needs_params",
    "remembering",
    "stateless",
    "zeros",
]

T = TypeVar("T")


class Update(Protocol):
    """`update(updates, state, params)`: updates of the same tree, shapes and dtypes, and the next state."""

    def __call__(self, updates: T, state: Any, params: Any = None, /) -> tuple[T, Any]: ...


class GradientTransformation(NamedTuple):
    """A step of an optimiser, or of what becomes one by `chain`."""

    init: Callable[[PyTree], Any]
    """From parameters to the first state, a tree of arrays (Any: each transformation has its own)."""
    update: Update


class EmptyState(NamedTuple):
    """The state of what remembers nothing."""


# ---- leaves ----


class _Row:
    """The results of one leaf: no tree, so that `tree.map` takes it for a leaf."""

    def __init__(self, values: tuple[Any, ...]) -> None:
        self.values = values


def leafwise(rule: Callable[..., tuple[Any, ...]], results: int, *trees: Any) -> tuple[Any, ...]:
    """Trees of what a rule makes of the leaves that stand in the same place of the `trees`; it has so many `results`.

    Each result has the dtype of the argument in the same position. Raises TreeMismatchError for trees that differ.
    """

    def row(*leaves: Any) -> _Row:
        return _Row(tuple(as_dtype_of(leaf, value) for leaf, value in zip(leaves, rule(*leaves), strict=False)))

    rows = tree.map(row, *trees)
    return tuple(tree.map(lambda one, i=i: one.values[i], rows) for i in range(results))


def as_dtype_of(leaf: ArrayLike, value: ArrayLike) -> Array:
    """A value in the dtype of a leaf; a complex one's real part is never taken silently, for then the leaf is complex, too."""
    operand = as_operand(value)
    dtype = aval_of(leaf).dtype
    return operand if aval_of(operand).dtype == dtype else astype(operand, dtype)


def zeros(params: T, dtype: DTypeLike | None = None, fill: Scalar = 0.0) -> T:
    """A tree of arrays like the parameters, of one value; dtype: another one than theirs."""

    return tree.map(lambda param: np.full_like(param, fill, dtype)[()], params)


# ---- making and combining them ----


def stateless(f: Callable[[Any, Any], Any]) -> GradientTransformation:
    """The transformation that remembers nothing: updates become `f(updates, params)`.

    >>> signs = stateless(lambda updates, params: tree.map(np.sign, updates))
    >>> signs.update({"w": np.array([-3.0, 5.0])}, signs.init(None))[0]
    {'w': array([-1.,  1.])}
    """

    def update(updates: T, state: Any, params: Any = None) -> tuple[T, Any]:
        return f(updates, params), state

    return GradientTransformation(lambda _: EmptyState(), update)


def remembering(
    state: Callable[..., Any],
    rule: Callable[..., tuple[Any, ...]],
    *rooms: Callable[[Any], Any],
    numbers: Callable[[Array], Any] = lambda steps: steps,
) -> GradientTransformation:
    """The transformation `rule(numbers(steps), g, *memories) -> (update, *memories)` of each leaf of a gradient.

    state: makes a state, a named tuple, of the number of steps and the trees of memories, which `rooms` make of the
    parameters at first. numbers: what all leaves need to know of that number, which is 1 at the first step.
    """

    def init(params: PyTree) -> Any:
        return state(np.int64(0), *(room(params) for room in rooms))

    def update(updates: T, state_before: Any, params: Any = None) -> tuple[T, Any]:  # noqa: ARG001  # as all have it
        steps = state_before[0] + 1
        scaled, *memories = leafwise(partial(rule, numbers(steps)), 1 + len(rooms), updates, *state_before[1:])
        return scaled, state(steps, *memories)

    return GradientTransformation(init, update)


def identity() -> GradientTransformation:
    """The transformation that changes nothing."""
    return stateless(lambda updates, _: updates)


def chain(*transformations: GradientTransformation) -> GradientTransformation:
    """One transformation after the other; the state is the tuple of theirs.

    >>> from functrans import optim
    >>> rule = chain(optim.clip_by_global_norm(1.0), optim.scale(-0.5))
    >>> rule.update(np.array([3.0, 4.0]), rule.init(np.zeros(2)))[0]
    array([-0.3, -0.4])
    """

    def init(params: PyTree) -> tuple[Any, ...]:
        return tuple(each.init(params) for each in transformations)

    def update(updates: T, state: Any, params: Any = None) -> tuple[T, Any]:
        if len(state) != len(transformations):
            what = f"the state of {len(state)} transformations"
            raise ParameterError(
                "chain", what, f"that of its {len(transformations)}: what its own `init(params)` gives"
            )
        states = []
        for each, old in zip(transformations, state, strict=True):
            updates, new = each.update(updates, old, params)
            states.append(new)
        return updates, tuple(states)

    return GradientTransformation(init, update)


class MaskedNode(NamedTuple):
    """Stands where a mask leaves something out: a tree without leaves."""


def masked(inner: GradientTransformation, mask: Any) -> GradientTransformation:
    """The transformation of those leaves that the mask holds for; the others stay as they are.

    mask: a tree of bools, a prefix of the parameters' tree, or a function from parameters (or updates) to one.

    >>> from functrans import optim
    >>> rule = masked(optim.scale(2.0), {"w": True, "b": False})
    >>> params = {"w": np.array([1.0]), "b": np.array([1.0])}
    >>> rule.update(params, rule.init(params))[0]
    {'w': array([2.]), 'b': array([1.])}
    """

    def kept(of: Any, flags: Any) -> Any:
        return tree.map(lambda keep, part: part if keep else MaskedNode(), flags, of)

    def init(params: PyTree) -> Any:
        return inner.init(kept(params, mask(params) if callable(mask) else mask))

    def update(updates: T, state: Any, params: Any = None) -> tuple[T, Any]:
        flags = mask(updates) if callable(mask) else mask
        new, state = inner.update(kept(updates, flags), state, None if params is None else kept(params, flags))
        return cast(T, tree.map(lambda keep, part, old: part if keep else old, flags, new, updates)), state

    return GradientTransformation(init, update)


def multi_transform(transformations: Mapping[str, GradientTransformation], labels: Any) -> GradientTransformation:
    """Each leaf by the transformation that has its label.

    labels: a tree of names, a prefix of the parameters' tree, or a function from parameters (or updates) to one.

    >>> from functrans import optim
    >>> rule = multi_transform({"slow": optim.sgd(0.1), "fast": optim.sgd(1.0)}, {"w": "slow", "b": "fast"})
    >>> params = {"w": np.array([1.0]), "b": np.array([1.0])}
    >>> rule.update(params, rule.init(params))[0]
    {'w': array([-0.1]), 'b': array([-1.])}
    """

    def of(label: str) -> Callable[[Any], Any]:
        def flags(params: Any) -> Any:
            names = labels(params) if callable(labels) else labels
            unknown = {*tree.leaves(names)} - {*transformations}
            if unknown:
                raise ParameterError(
                    "multi_transform", f"labels {sorted(unknown)}", f"labels of {sorted(transformations)}"
                )
            return tree.map(lambda name: name == label, names)

        return flags

    return chain(*(masked(each, of(label)) for label, each in transformations.items()))


def needs_params(transformation: str, params: T | None) -> T:
    """The parameters, or ParameterError where `update` was called without them."""
    if params is None:
        raise ParameterError(transformation, "no parameters", "them: `update(updates, state, params)`")
    return params


def apply_updates(params: T, updates: Any) -> T:
    """The parameters after a step: `params + updates`, in the parameters' dtypes; None in place of an update changes nothing.

    >>> apply_updates({"w": np.float32(1.0)}, {"w": np.array(0.5)})
    {'w': np.float32(1.5)}
    """

    def moved(update: Any, param: Any) -> Any:
        return param if update is None else as_dtype_of(param, param + update)

    return cast(T, tree.map(moved, updates, params, is_leaf=lambda update: update is None))
