"""functrans.lax: the primitives themselves, under JAX's names and rules.

Operands have one dtype and, but for constants of rank 0, one shape: nothing is promoted or broadcast; a Python number takes
the dtype of the other operands. Outside transforms these run NumPy. Beyond JAX's names there are those of NumPy's other
ufuncs (`log2`, `hypot`, `gcd`, …). Collectives work over the axes that vmap names. Branches and loops are in
functrans.control. Imports ops, transforms and control; start reading at `functrans.ops.arithmetic`.

>>> import numpy as np
>>> from functrans import lax
>>> lax.dot_general(np.ones((2, 3)), np.ones((2, 3)), (((1,), (1,)), ((0,), (0,))))
array([3., 3.])
"""

from collections.abc import Sequence

from functrans.control.associative_scan import associative_scan, reduce
from functrans.control.branch import cond, switch
from functrans.control.linear_solve import custom_linear_solve
from functrans.control.loop import fori_loop, while_loop
from functrans.control.root import custom_fixed_point, custom_root
from functrans.control.scan import map, scan
from functrans.core.primitive import aval_of
from functrans.ops import arithmetic
from functrans.ops.arithmetic import (
    add,
    divmod,
    floor_divide,
    gcd,
    integer_pow,
    lcm,
    mul,
    neg,
    reciprocal,
    rem,
    remainder,
    square,
    sub,
)
from functrans.ops.barrier import optimization_barrier
from functrans.ops.bitwise import (
    bitwise_and,
    bitwise_not,
    bitwise_or,
    bitwise_xor,
    logical_and,
    logical_not,
    logical_or,
    logical_xor,
    population_count,
    shift_left,
    shift_right_arithmetic,
    shift_right_logical,
)
from functrans.ops.broadcast import broadcast_in_dim, reduce_sum, zeros
from functrans.ops.cast import bitcast_convert_type, convert_element_type
from functrans.ops.comparison import eq, ge, gt, is_finite, is_inf, is_nan, le, lt, ne, signbit
from functrans.ops.complex import abs, complex, conj, imag, real, sign
from functrans.ops.convolution import conv, conv_general_dilated, conv_transpose, conv_with_general_padding
from functrans.ops.convolution_numbers import ConvDimensionNumbers, Precision, conv_dimension_numbers
from functrans.ops.cumulative import cumlogsumexp, cummax, cummin, cumprod, cumsum
from functrans.ops.dynamic_slice import (
    dynamic_index_in_dim,
    dynamic_slice,
    dynamic_slice_in_dim,
    dynamic_update_index_in_dim,
    dynamic_update_slice,
    dynamic_update_slice_in_dim,
    index_in_dim,
)
from functrans.ops.exponential import exp, exp2, expm1, log, log1p, log2, log10, logaddexp, logaddexp2, logistic
from functrans.ops.extrema import clamp, fmax, fmin, max, min
from functrans.ops.floats import copysign, frexp, heaviside, ldexp, modf, nextafter, spacing
from functrans.ops.gather import gather, scatter, scatter_add, scatter_max, scatter_min, scatter_mul
from functrans.ops.gather_kernels import GatherDimensionNumbers, GatherScatterMode, ScatterDimensionNumbers
from functrans.ops.generate import broadcasted_iota, eye, full, full_like, iota, ones, tri
from functrans.ops.identity import stop_gradient
from functrans.ops.joining import concatenate, split
from functrans.ops.linear_algebra import batch_matmul, dot, dot_general
from functrans.ops.power import cbrt, hypot, pow, rsqrt, sqrt
from functrans.ops.reduce import argmax, argmin, reduce_and, reduce_max, reduce_min, reduce_or, reduce_prod, reduce_xor
from functrans.ops.reduce_window import reduce_window, reduce_window_argmax, reduce_window_argmin
from functrans.ops.rounding import RoundingMethod, ceil, floor, rint, round, trunc
from functrans.ops.select import select, select_n
from functrans.ops.shape import expand_dims, pad, repeat, reshape, rev, slice, slice_in_dim, squeeze, tile, transpose
from functrans.ops.sort import argsort, sort, top_k
from functrans.ops.special import digamma, erf, erf_inv, erfc, lgamma, polygamma
from functrans.ops.trigonometric import (
    acos,
    acosh,
    asin,
    asinh,
    atan,
    atan2,
    atanh,
    cos,
    cosh,
    deg2rad,
    rad2deg,
    sin,
    sinh,
    tan,
    tanh,
)
from functrans.transforms.collective import axis_index, axis_size, pmax, pmean, pmin, psum
from functrans.transforms.exchange import all_gather, all_to_all, ppermute, pshuffle, psum_scatter
from functrans.typing import Array, ArrayLike

__all__ = [
    "ConvDimensionNumbers",
    "GatherDimensionNumbers",
    "GatherScatterMode",
    "Precision",
    "RoundingMethod",
    "ScatterDimensionNumbers",
    "abs",
    "acos",
    "acosh",
    "add",
    "all_gather",
    "all_to_all",
    "argmax",
    "argmin",
    "argsort",
    "asin",
    "asinh",
    "associative_scan",
    "atan",
    "atan2",
    "atanh",
    "axis_index",
    "axis_size",
    "batch_matmul",
    "bitcast_convert_type",
    "bitwise_and",
    "bitwise_not",
    "bitwise_or",
    "bitwise_xor",
    "broadcast",
    "broadcast_in_dim",
    "broadcasted_iota",
    "cbrt",
    "ceil",
    "clamp",
    "complex",
    "concatenate",
    "cond",
    "conj",
    "conv",
    "conv_dimension_numbers",
    "conv_general_dilated",
    "conv_transpose",
    "conv_with_general_padding",
    "convert_element_type",
    "copysign",
    "cos",
    "cosh",
    "cumlogsumexp",
    "cummax",
    "cummin",
    "cumprod",
    "cumsum",
    "custom_fixed_point",
    "custom_linear_solve",
    "custom_root",
    "deg2rad",
    "digamma",
    "div",
    "divmod",
    "dot",
    "dot_general",
    "dynamic_index_in_dim",
    "dynamic_slice",
    "dynamic_slice_in_dim",
    "dynamic_update_index_in_dim",
    "dynamic_update_slice",
    "dynamic_update_slice_in_dim",
    "eq",
    "erf",
    "erf_inv",
    "erfc",
    "exp",
    "exp2",
    "expand_dims",
    "expm1",
    "eye",
    "floor",
    "floor_divide",
    "fmax",
    "fmin",
    "fori_loop",
    "frexp",
    "full",
    "full_like",
    "gather",
    "gcd",
    "ge",
    "gt",
    "heaviside",
    "hypot",
    "imag",
    "index_in_dim",
    "integer_pow",
    "iota",
    "is_finite",
    "is_inf",
    "is_nan",
    "lcm",
    "ldexp",
    "le",
    "lgamma",
    "log",
    "log10",
    "log1p",
    "log2",
    "logaddexp",
    "logaddexp2",
    "logical_and",
    "logical_not",
    "logical_or",
    "logical_xor",
    "logistic",
    "lt",
    "map",
    "max",
    "min",
    "modf",
    "mul",
    "ne",
    "neg",
    "nextafter",
    "ones",
    "optimization_barrier",
    "pad",
    "pmax",
    "pmean",
    "pmin",
    "polygamma",
    "population_count",
    "pow",
    "ppermute",
    "pshuffle",
    "psum",
    "psum_scatter",
    "rad2deg",
    "real",
    "reciprocal",
    "reduce",
    "reduce_and",
    "reduce_max",
    "reduce_min",
    "reduce_or",
    "reduce_prod",
    "reduce_sum",
    "reduce_window",
    "reduce_window_argmax",
    "reduce_window_argmin",
    "reduce_xor",
    "rem",
    "remainder",
    "repeat",
    "reshape",
    "rev",
    "rint",
    "round",
    "rsqrt",
    "scan",
    "scatter",
    "scatter_add",
    "scatter_max",
    "scatter_min",
    "scatter_mul",
    "select",
    "select_n",
    "shift_left",
    "shift_right_arithmetic",
    "shift_right_logical",
    "sign",
    "signbit",
    "sin",
    "sinh",
    "slice",
    "slice_in_dim",
    "sort",
    "spacing",
    "split",
    "sqrt",
    "square",
    "squeeze",
    "stop_gradient",
    "sub",
    "switch",
    "tan",
    "tanh",
    "tile",
    "top_k",
    "transpose",
    "tri",
    "trunc",
    "while_loop",
    "zeros",
]


def div(x: ArrayLike, y: ArrayLike) -> Array:
    """Elementwise quotient; of integers, the one rounded towards zero that belongs to `rem`.

    >>> import numpy as np
    >>> div(np.array([-7, 7]), 2)
    array([-3,  3])
    """
    if aval_of(x).dtype.kind in "iu" and aval_of(y).dtype.kind in "iu":
        return floor_divide(sub(x, rem(x, y)), y)
    return arithmetic.div(x, y)


def broadcast(operand: Array, sizes: Sequence[int]) -> Array:
    """The operand repeated along new axes of these sizes, which come first.

    >>> import numpy as np
    >>> broadcast(np.array([1, 2]), (2,))
    array([[1, 2],
           [1, 2]])
    """
    shape = aval_of(operand).shape
    return broadcast_in_dim(operand, (*sizes, *shape), range(len(sizes), len(sizes) + len(shape)))
