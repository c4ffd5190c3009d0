"""A scan as a scan over blocks of steps: unrolled ones, or ones whose inside reverse mode computes again.

Start reading at `run_blocks`. Imports `scan_primitive` and ops.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import isqrt
from typing import Literal, TypeAlias

from functrans.control.scan_primitive import scan_p, split_operands
from functrans.control.tracing import bind
from functrans.core.aval import shaped
from functrans.core.ir import Jaxpr, eval_jaxpr
from functrans.core.primitive import Params, Values, aval_of
from functrans.errors import ParameterError
from functrans.ops.joining import concatenate
from functrans.ops.shape import expand_dims, reshape, slice_in_dim, squeeze
from functrans.transforms.stage import stage
from functrans.typing import Array

__all__ = ["Checkpoint", "run_blocks"]

Checkpoint: TypeAlias = bool | int | Literal["sqrt"]
"""How many steps of a scan reverse mode computes again at a time: none, each by itself, so many, the root of their number."""


def run_blocks(args: Sequence[Array], params: Params, unroll: int | bool, checkpoint: Checkpoint) -> Values:
    """The results of `scan_p` with these operands and parameters, computed in blocks."""
    length: int = params["length"]
    times = length if unroll is True else max(int(unroll), 1)
    size = _block_size(checkpoint, length)
    if size == 1:
        params = {**params, "checkpoint": True}
    if size > 1 and length:

        def again(args: Sequence[Array], params: Params) -> Values:
            return run_blocks(args, params, unroll, False)

        return _in_blocks(args, params, min(size, length), again, {"checkpoint": True})
    return (
        _in_blocks(args, params, min(times, length), _unrolled, {})
        if times > 1 and length
        else bind(scan_p, args, params)
    )


def _block_size(checkpoint: Checkpoint, length: int) -> int:
    """0 for no checkpoint."""
    if checkpoint == "sqrt":
        return _near_root(length)
    if checkpoint < 0:
        raise ParameterError("scan", f"checkpoint={checkpoint!r}", 'a bool, a number of steps or "sqrt"')
    return int(checkpoint)


def _near_root(length: int) -> int:
    """A size of blocks with no step left over, where one takes not much more memory: what is left over is one more program."""
    root = isqrt(length)
    even = next((size for size in range(root, root // 2, -1) if length % size == 0), root)
    return max(even, 1)


_Block: TypeAlias = Callable[[Sequence[Array], Params], Values]
"""What computes one block: `scan_p`'s results from its operands and parameters."""


def _in_blocks(args: Sequence[Array], params: Params, size: int, block: _Block, more: Params) -> Values:
    """more: parameters of the scan over blocks besides those of the scan itself."""
    consts, carry, xs = split_operands(args, params)
    count, rest = divmod(params["length"], size)
    parts = [(0, count, size), (count * size, 1, rest)]
    found: dict[int, Sequence[Array]] = {}
    for start, blocks, steps in reversed(parts) if params["reverse"] else parts:
        if steps:
            outer = {**params, **more, "length": blocks}
            outs = _part(consts, carry, xs, start, outer, block, {**params, "length": steps})
            carry, found[start] = outs[: len(carry)], outs[len(carry) :]
    columns = zip(*(found[i] for i in sorted(found)), strict=True)
    return (*carry, *(concatenate(pieces, 0) if len(found) > 1 else pieces[0] for pieces in columns))


def _part(
    consts: Sequence[Array],
    carry: Sequence[Array],
    xs: Sequence[Array],
    start: int,
    params: Params,
    block: _Block,
    inner: Params,
) -> Values:
    """Carry and ys of some blocks of one size, from one step on. params, inner: those of the scan over blocks and of one."""
    count, size = params["length"], inner["length"]
    whole = [slice_in_dim(x, start, start + count * size) for x in xs]
    blocked = [reshape(x, (count, size, *aval_of(x).shape[1:])) for x in whole]
    avals = [*map(aval_of, (*consts, *carry)), *(shaped(aval.shape[1:], aval.dtype) for aval in map(aval_of, blocked))]
    jaxpr = stage(lambda *args: block(args, inner), avals)
    outs = bind(scan_p, [*consts, *carry, *blocked], {**params, "jaxpr": jaxpr})
    ys = (reshape(y, (count * size, *aval_of(y).shape[2:])) for y in outs[len(carry) :])
    return (*outs[: len(carry)], *ys)


def _unrolled(args: Sequence[Array], params: Params) -> Values:
    """The steps of a block one after the other, without a loop."""
    jaxpr: Jaxpr = params["jaxpr"]
    consts, carry, xs = split_operands(args, params)
    steps = range(params["length"])
    ys: dict[int, Values] = {}
    for i in reversed(steps) if params["reverse"] else steps:
        outs = eval_jaxpr(jaxpr, *consts, *carry, *(squeeze(slice_in_dim(x, i, i + 1), (0,)) for x in xs))
        carry, ys[i] = outs[: len(carry)], outs[len(carry) :]
    stacked = (
        concatenate([expand_dims(y, (0,)) for y in column], 0) for column in zip(*(ys[i] for i in steps), strict=True)
    )
    return (*carry, *stacked)
