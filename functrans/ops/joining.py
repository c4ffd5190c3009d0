"""`concatenate` and its dual `split`: each is the other's derivative.

Imports core, `axes`, `broadcast` and `families`. Start reading at `concatenate`.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import cast

import numpy as np

from functrans.core.aval import ShapedArray, shaped
from functrans.core.lowering import Strided, View
from functrans.core.lowering_data import Concatenate
from functrans.core.primitive import Maybes, Params, Primitive, Pullback, Values, aval_of
from functrans.errors import OperandError, ParameterError
from functrans.ops.axes import ints, positive_axes
from functrans.ops.broadcast import broadcast_batch, zeros
from functrans.ops.families import same_dtype
from functrans.typing import Array, Shape

__all__ = ["concatenate", "concatenate_p", "split", "split_p"]


# ---- concatenate ----


def _concatenate_aval(*avals: ShapedArray, dimension: int) -> tuple[ShapedArray]:
    first = avals[0]
    positive_axes("concatenate", (dimension,), first.ndim)
    rest = [aval.shape[:dimension] + aval.shape[dimension + 1 :] for aval in avals]
    if any(aval.ndim != first.ndim for aval in avals) or any(other != rest[0] for other in rest):
        raise OperandError("concatenate", [str(aval) for aval in avals], f"shapes that differ on axis {dimension} only")
    total = sum(aval.shape[dimension] for aval in avals)
    shape = (*first.shape[:dimension], total, *first.shape[dimension + 1 :])
    return (shaped(shape, same_dtype("concatenate", avals, "biufc")),)


def _concatenate_vjp(primals: Values, wanted: tuple[bool, ...], params: Params) -> tuple[Values, Pullback]:
    axis: int = params["dimension"]
    sizes = tuple(aval_of(x).shape[axis] for x in primals)

    def pullback(cts: Maybes) -> Maybes:
        parts = split_p.bind(cast(Array, cts[0]), sizes=sizes, axis=axis)
        return tuple(part if want else None for part, want in zip(parts, wanted, strict=True))

    return concatenate_p.bind(*primals, **params), pullback


def _concatenate_jvp(primals: Values, tangents: Maybes, params: Params) -> tuple[Values, Maybes]:
    filled = [
        zeros(aval_of(x).shape, aval_of(x).dtype) if t is None else t for x, t in zip(primals, tangents, strict=True)
    ]
    return concatenate_p.bind(*primals, **params), concatenate_p.bind(*filled, **params)


def _concatenate_batch(
    size: int, args: Values, batched: tuple[bool, ...], params: Params
) -> tuple[Values, tuple[bool, ...]]:
    operands = [
        arg if is_batched else broadcast_batch(size, arg) for arg, is_batched in zip(args, batched, strict=True)
    ]
    return concatenate_p.bind(*operands, dimension=params["dimension"] + 1), (True,)


concatenate_p: Primitive = Primitive(
    "concatenate",
    lambda *operands, dimension: (np.concatenate(operands, dimension),),
    _concatenate_aval,
    _concatenate_vjp,
    _concatenate_jvp,
    _concatenate_batch,
    lower=lambda _avals, params: Concatenate(params["dimension"]),
)


def concatenate(operands: Sequence[Array], dimension: int) -> Array:
    """The operands, of one dtype, joined along axis `dimension`, on which alone their shapes may differ."""
    if not operands:
        raise ParameterError("concatenate", "no operands", "at least one")
    (axis,) = positive_axes("concatenate", (dimension,), aval_of(operands[0]).ndim)
    return concatenate_p.bind(*operands, dimension=axis)[0]


# ---- split ----


def _split_aval(aval: ShapedArray, *, sizes: tuple[int, ...], axis: int) -> tuple[ShapedArray, ...]:
    _check_split(aval.shape, sizes, axis)
    return tuple(shaped((*aval.shape[:axis], size, *aval.shape[axis + 1 :]), aval.dtype) for size in sizes)


def _check_split(shape: Shape, sizes: tuple[int, ...], axis: int) -> None:
    if not 0 <= axis < len(shape) or sum(sizes) != shape[axis] or any(size < 0 for size in sizes):
        raise ParameterError("split", f"sizes={sizes}, axis={axis} for shape {shape}", "sizes that sum to the axis's")


def _split_impl(x: Array, *, sizes: tuple[int, ...], axis: int) -> Values:
    _check_split(np.shape(x), sizes, axis)
    array, before = np.asarray(x), (slice(None),) * axis
    return tuple([array[(*before, slice(*part))] for part in pairwise(accumulate(sizes, initial=0))])


def _split_vjp(primals: Values, _wanted: tuple[bool, ...], params: Params) -> tuple[Values, Pullback]:
    outs = split_p.bind(*primals, **params)
    avals = [aval_of(out) for out in outs]

    def pullback(cts: Maybes) -> Maybes:
        parts = [zeros(aval.shape, aval.dtype) if ct is None else ct for ct, aval in zip(cts, avals, strict=True)]
        return (concatenate(parts, params["axis"]),)

    return outs, pullback


def _split_jvp(primals: Values, tangents: Maybes, params: Params) -> tuple[Values, Maybes]:
    return split_p.bind(*primals, **params), split_p.bind(*cast(Values, tangents), **params)


def _split_batch(
    _size: int, args: Values, _batched: tuple[bool, ...], params: Params
) -> tuple[Values, tuple[bool, ...]]:
    sizes: tuple[int, ...] = params["sizes"]
    return split_p.bind(*args, sizes=sizes, axis=params["axis"] + 1), (True,) * len(sizes)


split_p: Primitive = Primitive(
    "split", _split_impl, _split_aval, _split_vjp, _split_jvp, _split_batch,
    lower=lambda avals, params: View(
        tuple(Strided.along(avals[0].ndim, {params["axis"]: (start, 1)}) for start in accumulate(params["sizes"][:-1], initial=0))
    ),
)  # fmt: skip


def split(operand: Array, sizes: Sequence[int], axis: int = 0) -> tuple[Array, ...]:
    """The operand cut along `axis` into parts of these sizes, which add up to its length."""
    (axis,) = positive_axes("split", (axis,), len(aval_of(operand).shape))
    return split_p.bind(operand, sizes=ints(sizes), axis=axis)
