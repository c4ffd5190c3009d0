"""Random programs made of the primitives, for tests/test_random_programs.py.

A `Program` is a chain of steps over a pool of values, each kept in the domain of the next: products and powers are of
bounded factors, denominators are positive. Start reading at `programs`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from hypothesis import assume
from hypothesis import strategies as st

from functrans.ops.arithmetic import add, div, integer_pow, mul, neg, reciprocal, square, sub
from functrans.ops.bitwise import bitwise_and, bitwise_xor
from functrans.ops.broadcast import broadcast_in_dim, reduce_sum
from functrans.ops.cast import convert_element_type
from functrans.ops.comparison import gt
from functrans.ops.complex import abs as absolute
from functrans.ops.complex import sign
from functrans.ops.cumulative import cumlogsumexp, cummax, cumprod, cumsum, linear_recurrence
from functrans.ops.dynamic_slice import dynamic_slice_in_dim, dynamic_update_slice_in_dim
from functrans.ops.exponential import exp, expm1, log1p, logaddexp, logistic
from functrans.ops.extrema import max as maximum
from functrans.ops.extrema import min as minimum
from functrans.ops.gather import gather, scatter_add
from functrans.ops.gather_kernels import GatherDimensionNumbers, ScatterDimensionNumbers
from functrans.ops.joining import concatenate
from functrans.ops.linear_algebra import dot_general
from functrans.ops.power import hypot, sqrt
from functrans.ops.power import pow as power
from functrans.ops.reduce import argmax, reduce_max, reduce_min, reduce_prod
from functrans.ops.rounding import floor
from functrans.ops.select import select
from functrans.ops.shape import pad, reshape, rev, slice_in_dim, transpose
from functrans.ops.sort import argsort, sort, take_along, top_k
from functrans.ops.special import erf
from functrans.ops.trigonometric import atan, atan2, cos, sin, tanh

Fun: TypeAlias = Callable[..., Any]
Draw: TypeAlias = Callable[[st.SearchStrategy[Any]], Any]

_LARGEST = 48
_KINDS = ("structural", "structural", "structural", "elementwise", "binary", "dot", "grow")
_SHAPES = ((), (3,), (4,), (2, 3), (3, 2), (2, 2, 2))


class Step(NamedTuple):
    """`fun` of the values with these numbers in the pool."""

    name: str
    fun: Fun
    operands: tuple[int, ...]


@dataclass(frozen=True)
class Program:
    """A function of arrays; calling it gives the values that no step uses."""

    inputs: tuple[Any, ...]
    steps: tuple[Step, ...]

    def __call__(self, *inputs: Any) -> tuple[Any, ...]:
        pool = list(inputs)
        for step in self.steps:
            pool.append(step.fun(*(pool[i] for i in step.operands)))
        used = {i for step in self.steps for i in step.operands}
        return tuple(value for i, value in enumerate(pool) if i not in used)

    def __repr__(self) -> str:
        count = len(self.inputs)
        lines = [f"v{i} = {x.dtype} {x.tolist()}" for i, x in enumerate(self.inputs)]
        for i, (name, _, operands) in enumerate(self.steps):
            lines.append(f"v{count + i} = {name}({', '.join(f'v{j}' for j in operands)})")
        return "Program:\n  " + "\n  ".join(lines)


# ---- the steps: of one floating value ----

SMOOTH: dict[str, Fun] = {
    "neg": neg,
    "sin": sin,
    "cos": cos,
    "tanh": tanh,
    "atan": atan,
    "erf": erf,
    "logistic": logistic,
    "square of sin": lambda x: square(sin(x)),
    "cube of tanh": lambda x: integer_pow(tanh(x), 3),
    "exp of tanh": lambda x: exp(tanh(x)),
    "expm1 of sin": lambda x: expm1(sin(x)),
    "log1p of square": lambda x: log1p(square(x)),
    "sqrt of 1 + square": lambda x: sqrt(add(square(x), 1)),
    "reciprocal of 1 + square": lambda x: reciprocal(add(square(x), 1)),
}
KINKED: dict[str, Fun] = {
    "abs": absolute,
    "sign": sign,
    "floor": floor,
    "relu": lambda x: maximum(x, 0.0),
    "clip": lambda x: minimum(maximum(x, -0.5), 0.5),
}
BINARY: dict[str, Fun] = {
    "add": add,
    "sub": sub,
    "mul of tanh": lambda x, y: mul(tanh(x), y),
    "div by 1 + square": lambda x, y: div(x, add(square(y), 1)),
    "pow": lambda x, y: power(add(square(tanh(x)), 1), tanh(y)),
    "hypot": lambda x, y: hypot(x, add(square(y), 1)),
    "atan2": lambda x, y: atan2(x, add(square(y), 1)),
    "logaddexp": logaddexp,
    "max": maximum,
    "min": minimum,
    "select": lambda x, y: select(gt(x, y), sin(x), y),
}
INTEGER: dict[str, Fun] = {
    "add": add,
    "mul": lambda x, y: mul(bitwise_and(x, 7), bitwise_and(y, 7)),
    "max": maximum,
    "xor": bitwise_xor,
}


def _take_rows(x: Any) -> Any:
    """The rows of x, ordered by their sums."""
    order = argsort(reduce_sum(x, tuple(range(1, x.ndim))), 0)
    numbers = GatherDimensionNumbers(tuple(range(1, x.ndim)), (0,), (0,))
    return gather(x, reshape(order, (*order.shape, 1)), numbers, (1, *x.shape[1:]))


def _add_to_rows(x: Any) -> Any:
    """x with its sine added, each row of it to the row with the number of its largest element."""
    rows = x.shape[0]
    where = minimum(argmax(reshape(x, (rows, x.size // rows)), 1), rows - 1)
    numbers = ScatterDimensionNumbers(tuple(range(1, x.ndim)), (0,), (0,))
    return scatter_add(x, reshape(where, (rows, 1)), sin(x), numbers)


def _axes_but(x: Any, axis: int) -> tuple[int, ...]:
    return tuple(i for i in range(x.ndim) if i != axis)


def _structural(draw: Draw, x: Any) -> tuple[str, Fun]:
    """A step of one value of rank 1 or more that works along one of its axes."""
    axis = draw(st.integers(0, x.ndim - 1))
    size = x.shape[axis]
    start = draw(st.integers(0, size - 1))
    reverse = draw(st.booleans())
    choices: dict[str, Fun] = {
        "transpose": lambda x: transpose(x, (axis, *_axes_but(x, axis))),
        "flatten": lambda x: reshape(x, (x.size,)),
        "rev": lambda x: rev(x, (axis,)),
        "slice": lambda x: slice_in_dim(x, start, size, axis=axis),
        "stride": lambda x: slice_in_dim(x, 0, size, 2, axis),
        "pad": lambda x: pad(x, 0.5, [(1 - start, 1, 1) if i == axis else (0, 0, 0) for i in range(x.ndim)]),
        "reduce_sum": lambda x: reduce_sum(x, (axis,)),
        "reduce_max": lambda x: reduce_max(x, (axis,)),
        "reduce_min": lambda x: reduce_min(x, _axes_but(x, axis)),
        "reduce_prod": lambda x: reduce_prod(tanh(x), (axis,)),
        "cumsum": lambda x: cumsum(x, axis, reverse),
        "cumprod": lambda x: cumprod(tanh(x), axis, reverse),
        "cummax": lambda x: cummax(x, axis, reverse),
        "cumlogsumexp": lambda x: cumlogsumexp(x, axis, reverse),
        "linear_recurrence": lambda x: linear_recurrence(tanh(x), x, axis, reverse),
        "sort": lambda x: sort(x, axis),
        "take_along argsort": lambda x: take_along(x, argsort(neg(x), axis), axis, unique=True),
        "top_k": lambda x: top_k(x, 2 if x.shape[-1] > 1 else 1)[0],
        "dynamic_slice at argmax": lambda x: dynamic_slice_in_dim(x, argmax(reshape(x, (x.size,)), 0), 1, axis),
        "dynamic_update": lambda x: dynamic_update_slice_in_dim(x, sin(slice_in_dim(x, 0, 1, axis=axis)), start, axis),
        "take rows": _take_rows,
        "add to rows": _add_to_rows,
        "concatenate": lambda x: concatenate((x, rev(x, (axis,))), axis),
        "softmax": lambda x: _softmax(x, axis),
    }
    name = draw(st.sampled_from(sorted(choices)))
    return f"{name} axis={axis} {start=} {reverse=}", choices[name]


def _softmax(x: Any, axis: int) -> Any:
    kept = _axes_but(x, axis)
    exps = exp(sub(x, broadcast_in_dim(reduce_max(x, (axis,)), x.shape, kept)))
    return div(exps, broadcast_in_dim(reduce_sum(exps, (axis,)), x.shape, kept))


def _floating_step(draw: Draw, pool: list[Any], numbers: list[int]) -> Step:
    i = draw(st.sampled_from(numbers))
    x = pool[i]
    kind = draw(st.sampled_from(_KINDS))
    if kind == "structural" and x.ndim:
        return Step(*_structural(draw, x), (i,))
    if kind == "grow":
        size = draw(st.integers(1, 3))
        axis = draw(st.integers(0, x.ndim))
        shape = (*x.shape[:axis], size, *x.shape[axis:])
        return Step(
            f"broadcast to {shape}",
            lambda x: broadcast_in_dim(x, shape, [a for a in range(len(shape)) if a != axis]),
            (i,),
        )
    if kind == "binary":
        j = draw(st.sampled_from([j for j in numbers if pool[j].shape == x.shape and pool[j].dtype == x.dtype]))
        name = draw(st.sampled_from(sorted(BINARY)))
        return Step(name, BINARY[name], (i, j))
    if kind == "dot":
        return _dot(draw, pool, numbers, i)
    name = draw(st.sampled_from(sorted(SMOOTH | KINKED)))
    return Step(name, (SMOOTH | KINKED)[name], (i,))


def _dot(draw: Draw, pool: list[Any], numbers: list[int], i: int) -> Step:
    """A product of two values, contracted over a pair of axes of one length (of none if there is no such pair)."""
    x = pool[i]
    j = draw(st.sampled_from([j for j in numbers if pool[j].dtype == x.dtype]))
    y = pool[j]
    matches = [((a,), (b,)) for a in range(x.ndim) for b in range(y.ndim) if x.shape[a] == y.shape[b]]
    contracted = draw(st.sampled_from([*matches, ((), ())]))
    return Step(f"dot {contracted}", lambda x, y: dot_general(tanh(x), y, (contracted, ((), ()))), (i, j))


def _mixed_step(draw: Draw, pool: list[Any], floating: list[int]) -> Step:
    """A step between dtypes, or of integers."""
    integers = [i for i, value in enumerate(pool) if value.dtype == np.int64]
    if integers and draw(st.booleans()):
        i = draw(st.sampled_from(integers))
        j = draw(st.sampled_from([j for j in integers if pool[j].shape == pool[i].shape]))
        name = draw(st.sampled_from(sorted(INTEGER)))
        return Step(f"integer {name}", INTEGER[name], (i, j))
    i = draw(st.sampled_from([*floating, *integers]))
    dtype = draw(st.sampled_from(["float32", "float64", "int64"]))
    return Step(f"to {dtype}", lambda x: convert_element_type(x, dtype), (i,))


@st.composite
def programs(draw: Draw, dtypes: tuple[str, ...] = ("float64",), length: int = 10) -> Program:
    """Programs on one to three inputs of these dtypes; with several dtypes, also steps between them."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    pool: list[Any] = []
    for _ in range(draw(st.integers(1, 3))):
        values = np.asarray(rng.uniform(-2, 2, draw(st.sampled_from(_SHAPES))))
        pool.append(values.astype(draw(st.sampled_from(dtypes))))
    inputs = tuple(pool)
    steps: list[Step] = []
    for _ in range(draw(st.integers(2, length))):
        floating = [i for i, value in enumerate(pool) if value.dtype.kind == "f"]
        mixed = len(dtypes) > 1 and draw(st.integers(0, 4)) == 0
        step = _mixed_step(draw, pool, floating) if mixed else _floating_step(draw, pool, floating)
        value = np.asarray(step.fun(*(pool[i] for i in step.operands)))
        if value.size <= _LARGEST and np.all(np.isfinite(value)) and np.all(np.abs(value) < 100):
            pool.append(value)
            steps.append(step)
    assume(steps)
    return Program(inputs, tuple(steps))
