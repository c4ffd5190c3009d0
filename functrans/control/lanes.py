"""Running a primitive once for each element of a batch, by a loop. Imports `scan_primitive`."""

from __future__ import annotations

from functrans.control.scan_primitive import scan_p
from functrans.control.tracing import bind
from functrans.core.aval import shaped
from functrans.core.primitive import Params, Primitive, Values, aval_of
from functrans.transforms.stage import stage
from functrans.typing import Array

__all__ = ["over_lanes"]


def over_lanes(
    prim: Primitive, size: int, args: Values, batched: tuple[bool, ...], params: Params
) -> tuple[Values, tuple[bool, ...]]:
    """A batching rule: the primitive itself for one element after the other, each with branches and loops of its own."""
    order = sorted(range(len(args)), key=batched.__getitem__)  # what the elements share comes first
    shared = batched.count(False)
    avals = [aval_of(arg) for arg in args]
    one = [shaped(aval.shape[1:], aval.dtype) if has else aval for aval, has in zip(avals, batched, strict=True)]

    def run(*values: Array) -> list[Array]:
        placed = dict(zip(order, values, strict=True))
        return list(prim.bind(*(placed[i] for i in range(len(args))), **params))

    jaxpr = stage(run, [one[i] for i in order])
    loop = {"jaxpr": jaxpr, "length": size, "reverse": False, "consts": shared, "carry": 0}
    outs = bind(scan_p, [args[i] for i in order], loop)
    return outs, (True,) * len(outs)
