"""Derivative rules by central differences, for functions of which nothing else is known.

They call the function itself, so they can be differentiated in turn, each time with less accuracy. Start reading at
`reverse_rule`. Imports the public transforms.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from functrans import tree
from functrans.core.aval import is_inexact
from functrans.core.primitive import aval_of
from functrans.errors import ExternalFunctionError
from functrans.ops.identity import stop_gradient
from functrans.transforms.vmap import vmap
from functrans.typing import Array

__all__ = ["forward_rule", "reverse_rule"]

Function = Callable[..., Any]
Trees = tuple[Any, ...]
Leaves = Sequence[Any]  # Any: arrays, numbers and tracers alike

_AT_ONCE = 1 << 20
"""Elements of arguments or results of the calls that are made together."""


def reverse_rule(fun: Function, name: str, step: float | None) -> Callable[..., Trees]:
    """`(ct, out, *args) -> cotangents`, by two calls for each element of the floating arguments.

    step: how far to go, relative to an element where that is larger than 1; None: the cube root of the precision, where the
    error of rounding is about that of leaving out the third derivative.
    """

    def rule(ct: Any, out: Any, *args: Any) -> Trees:
        leaves, in_tree = tree.flatten(args)
        outs = tree.leaves(out)
        size = max((aval_of(leaf).size for leaf in (*leaves, *outs)), default=1)
        chunk = max(1, _AT_ONCE // max(1, size))

        def gradient(i: int) -> Any:
            call = lambda x: fun(*tree.unflatten(in_tree, [*leaves[:i], x, *leaves[i + 1 :]]))
            return _gradient(call, leaves[i], _step(step, leaves[i], outs) * _scale(leaves[i]), ct, chunk)

        smooth = _smooth(name, leaves)
        return tree.unflatten(in_tree, [gradient(i) if i in smooth else None for i in range(len(leaves))])

    return rule


def _gradient(call: Function, x: Any, h: Any, ct: Any, chunk: int) -> Any:
    """Of the pairing of a cotangent with what a function of one array gives."""
    aval = aval_of(x)
    above, below = x + h, x - h

    def change(place: Array) -> Any:
        ups, downs = (tree.leaves(call(np.where(place, moved, x))) for moved in (above, below))
        terms = zip(tree.leaves(ct), ups, downs, strict=True)
        return sum(np.sum(np.real(c * (up - down))) for c, up, down in terms if is_inexact(aval_of(up).dtype))

    changes = vmap(change, chunk_size=chunk)(np.eye(aval.size, dtype=bool).reshape((aval.size, *aval.shape)))
    return (np.reshape(changes, aval.shape) / stop_gradient(above - below)).astype(aval.dtype)


def forward_rule(fun: Function, name: str, step: float | None) -> Callable[..., Any]:
    """`(tangents, out, *args) -> tangent of out`, by two calls.

    They go along the tangents as far as no element moves further than `reverse_rule` would move it alone.
    """

    def rule(tangents: Trees, out: Any, *args: Any) -> Any:
        leaves, in_tree = tree.flatten(args)
        directions, outs = tree.leaves(tangents), tree.leaves(out)
        smooth = _smooth(name, leaves)
        rooms = [_step(step, leaves[i], outs) * _room(leaves[i], directions[i]) for i in smooth]
        h = np.min(np.stack(rooms)) if rooms else 1.0

        def moved(h: Any) -> Leaves:
            away = [
                x + (h * directions[i]).astype(aval_of(x).dtype) if i in smooth else x for i, x in enumerate(leaves)
            ]
            return tree.leaves(fun(*tree.unflatten(in_tree, away)))

        changes = zip(outs, moved(h), moved(-h), strict=True)
        slopes = [
            ((up - down) / (2 * h)).astype(aval_of(o).dtype) if is_inexact(aval_of(o).dtype) else None
            for o, up, down in changes
        ]
        return tree.unflatten(tree.structure(out), slopes)

    return rule


def _smooth(name: str, leaves: Leaves) -> list[int]:
    """The numbers of the floating arguments."""
    kinds = [aval_of(leaf).dtype.kind for leaf in leaves]
    if "c" in kinds:
        raise ExternalFunctionError(
            name,
            "finite differences are for real arguments, and one is complex",
            "Give a rule by vjp= or jvp= instead.",
        )
    return [i for i, kind in enumerate(kinds) if kind == "f"]


def _step(step: float | None, x: Any, outs: Leaves) -> float:
    if step is not None:
        return step
    dtypes = (aval_of(value).dtype for value in (x, *outs))
    return float(max(np.finfo(dtype).eps for dtype in dtypes if is_inexact(dtype)) ** (1 / 3))


def _scale(x: Any) -> Any:
    return stop_gradient(np.maximum(np.abs(x), 1.0))


def _room(x: Any, direction: Any) -> Any:
    """How many times the direction an element may go, the least of all, where a step of the element's scale is 1."""
    length = np.abs(stop_gradient(direction))
    return np.min(np.where(length > 0, _scale(x) / np.where(length > 0, length, 1.0), _FAR), initial=_FAR)


_FAR = 1e30
"""Where nothing moves, any step will do."""
