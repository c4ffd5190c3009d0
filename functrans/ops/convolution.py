"""`conv_general_dilated`, which all convolutions are uses of, forwards and backwards: a cotangent is a convolution too.

NumPy computes it as products of matrices with patches of the left operand (`windows.patches`), some images at a time.
Start reading at `_impl`. Imports core, `convolution_numbers`, `families`, `linear_algebra`, `shape` and `windows`.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from math import prod
from typing import Any, TypeAlias

import numpy as np

from functrans.core.aval import ShapedArray, shaped
from functrans.core.lowering_windows import Window
from functrans.core.primitive import Params, Values, aval_of
from functrans.errors import OperandError, ParameterError
from functrans.ops.convolution_numbers import (
    NAME,
    ConvDimensionNumbers,
    ConvGeneralDilatedDimensionNumbers,
    Convolution,
    PrecisionLike,
    conv_dimension_numbers,
    convolution_of,
    precision_of,
)
from functrans.ops.families import ANY, multilinear, same_dtype
from functrans.ops.linear_algebra import in_preferred_dtype
from functrans.ops.shape import reshape, rev, transpose
from functrans.ops.windows import dilated, padding_of, patches, per_axis
from functrans.typing import Array, DTypeLike, Shape

__all__ = ["conv", "conv_general_dilated", "conv_general_dilated_p", "conv_transpose", "conv_with_general_padding"]

Index: TypeAlias = tuple[Any, ...]  # Any: slices, an ellipsis
PaddingLike: TypeAlias = str | Sequence[tuple[int, int]]

_AT_ONCE = 1 << 22
"""Bytes of patches that are laid out at once: they stay in the caches."""


# ---- value and shape ----


def _convolution(lhs: Shape, rhs: Shape, params: Params) -> Convolution:
    return convolution_of(
        lhs, rhs, params["window_strides"], params["padding"], params["lhs_dilation"], params["rhs_dilation"],
        params["dimension_numbers"], params["feature_group_count"], params["batch_group_count"],
    )  # fmt: skip


def _impl(lhs: Array, rhs: Array, **params: Any) -> tuple[Array]:  # Any: see Params
    """One image's patches, or those of some images, as the columns of a matrix that the right operand multiplies; of spread
    images one phase after the other (`Window.phases`), so that nothing is multiplied with the zeros between.
    """
    if lhs.dtype != rhs.dtype:
        raise OperandError(NAME, [str(aval_of(lhs)), str(aval_of(rhs))], "operands of one dtype")
    whole = _convolution(lhs.shape, rhs.shape, params)
    x, w = lhs.transpose(whole.dims.lhs_spec), rhs.transpose(whole.dims.rhs_spec)
    out = np.zeros(whole.out, lhs.dtype)
    target = out.transpose(whole.dims.out_spec)  # batch, features, spatial
    shape = (whole.batch_groups, target.shape[0], whole.feature_groups, x.shape[1] // whole.feature_groups)
    by_axis = (window.phases(length) for window, length in zip(whole.windows, x.shape[2:], strict=True))
    for phases in product(*by_axis):
        if all(phase.window.size for phase in phases):
            elements: Index = (..., *(slice(p.element, None, p.step) for p in phases))
            places: Index = (..., *(slice(p.first, None, p.apart) for p in phases))
            _put_products(
                x.reshape((*shape, *x.shape[2:])), w[elements], [p.window for p in phases], target[places], whole.groups
            )
    return (out,)


def _put_products(x: Array, w: Array, windows: Sequence[Window], target: Array, groups: int) -> None:
    """x: batch groups, images, feature groups, features, spatial; the others as ordinary."""
    rank, images, counts = len(windows), target.shape[0], target.shape[2:]
    w = w.reshape((groups, w.shape[0] // groups, prod(w.shape[1:])))
    view = patches(x, windows, x.dtype.type(0))
    within, places = range(4 + rank, 4 + 2 * rank), range(4, 4 + rank)
    view = view.transpose((1, 0, 2, 3, *within, *places))
    each = max(_AT_ONCE // max(view[:1].nbytes, 1), 1)
    for start in range(0, images, each):
        some = np.moveaxis(view[start : start + each], 0, 3 + rank)
        count = some.shape[3 + rank]
        sums = np.matmul(w, some.reshape((groups, w.shape[2], count * prod(counts))))
        sums = sums.reshape((target.shape[1], count, *counts))
        target[start : start + each] = np.moveaxis(sums, 0, 1)


def _aval(lhs: ShapedArray, rhs: ShapedArray, **params: Any) -> tuple[ShapedArray]:  # Any: see Params
    dtype = same_dtype(NAME, (lhs, rhs), ANY)
    return (shaped(_convolution(lhs.shape, rhs.shape, params).out, dtype),)


# ---- derivatives ----


def _split(x: Array, axis: int, count: int) -> Array:
    """With a new axis of length `count` before an axis, which is that much shorter."""
    shape = aval_of(x).shape
    return reshape(x, (*shape[:axis], count, shape[axis] // count, *shape[axis + 1 :]))


def _moved_into(x: Array, source: int, axis: int) -> Array:
    """Without an axis: it becomes the outer part of another one, numbered as if the first were not there."""
    rest = [a for a in range(aval_of(x).ndim) if a != source]
    return _joined(transpose(x, (*rest[:axis], source, *rest[axis:])), axis)


def _joined(x: Array, axis: int) -> Array:
    """With an axis and the one after it made one."""
    shape = aval_of(x).shape
    return reshape(x, (*shape[:axis], shape[axis] * shape[axis + 1], *shape[axis + 2 :]))


def _lhs_ct(g: Array, _out: object, _lhs: ShapedArray, rhs: Array, **params: Any) -> Array:  # Any: see Params
    """The cotangent convolved with the right operand, its windows reversed, its output and input features exchanged."""
    whole = _convolution(_lhs.shape, aval_of(rhs).shape, params)
    (batch, features, *_), (outputs, inputs, *window) = whole.dims[:2]
    if whole.groups > 1:
        rhs = _moved_into(_split(rhs, outputs, whole.groups), outputs, inputs)
    dims = ConvDimensionNumbers(whole.dims.out_spec, (inputs, outputs, *window), whole.dims.lhs_spec)
    ct = conv_general_dilated_p.bind(
        g, rev(rhs, sorted(window)), window_strides=params["lhs_dilation"], padding=whole.lhs_cotangent_padding(),
        lhs_dilation=params["window_strides"], rhs_dilation=params["rhs_dilation"], dimension_numbers=dims,
        feature_group_count=whole.groups, batch_group_count=1, precision=params["precision"],
    )[0]  # fmt: skip
    return ct if whole.batch_groups == 1 else _moved_into(_split(ct, features, whole.batch_groups), features, batch)


def _rhs_ct(g: Array, _out: object, lhs: Array, _rhs: ShapedArray, **params: Any) -> Array:  # Any: see Params
    """The left operand convolved with the cotangent: features take the place of the batch, which is summed over."""
    whole = _convolution(aval_of(lhs).shape, _rhs.shape, params)
    exchanged = [(second, first, *rest) for first, second, *rest in whole.dims]
    lhs_spec, (inputs, outputs, *window), out_spec = exchanged
    dims = ConvDimensionNumbers(lhs_spec, out_spec, (inputs, outputs, *window))
    return conv_general_dilated_p.bind(
        lhs, g, window_strides=params["rhs_dilation"], padding=whole.rhs_cotangent_padding(),
        lhs_dilation=params["lhs_dilation"], rhs_dilation=params["window_strides"], dimension_numbers=dims,
        feature_group_count=whole.batch_groups, batch_group_count=whole.feature_groups, precision=params["precision"],
    )[0]  # fmt: skip


# ---- batching ----


def _batch(size: int, args: Values, batched: tuple[bool, ...], params: Params) -> tuple[Values, tuple[bool, ...]]:
    """One batched: as more images, or as more output features, within each group. Both: as more groups."""
    (lhs, rhs), dims = args, params["dimension_numbers"]
    features, images = params["feature_group_count"], params["batch_group_count"]
    part, groups = (1, features * images) if batched[1] else (0, 1)
    if all(batched):
        by_images = images > 1
        lhs = _moved_into(lhs, 0, dims.lhs_spec[0 if by_images else 1])
        rhs, groups = _moved_into(rhs, 0, dims.rhs_spec[0]), 1
        name, count = ("batch_group_count", images) if by_images else ("feature_group_count", features)
        params = {**params, name: size * count}
    elif batched[0]:
        lhs = _within_groups(lhs, dims.lhs_spec[0], images)
    else:
        rhs = _within_groups(rhs, dims.rhs_spec[0], groups)
    (out,) = conv_general_dilated_p.bind(lhs, rhs, **params)
    return (_out_of_groups(out, dims.out_spec[part], groups, size),), (True,)


def _within_groups(x: Array, axis: int, groups: int) -> Array:
    """The first axis moved into another (numbered without it), inside of the groups that this one falls into."""
    if groups == 1:
        return _moved_into(x, 0, axis)
    return _joined(_moved_into(_split(x, axis + 1, groups), 0, axis + 1), axis)


def _out_of_groups(x: Array, axis: int, groups: int, size: int) -> Array:
    """The reverse: the new first axis, of a length, out of another one's groups."""
    shape = aval_of(x).shape
    rest = shape[axis] // (groups * size)
    x = reshape(x, (*shape[:axis], groups, size, rest, *shape[axis + 1 :]))
    x = transpose(x, (axis + 1, *(a for a in range(len(shape) + 2) if a != axis + 1)))
    return reshape(x, (size, *shape[:axis], groups * rest, *shape[axis + 1 :]))


conv_general_dilated_p = multilinear(
    NAME,
    _impl,
    _aval,
    _batch,
    (_lhs_ct, _rhs_ct),
    lower=lambda avals, params: _convolution(avals[0].shape, avals[1].shape, params).lowering(params["precision"]),
)


# ---- public functions ----


def conv_general_dilated(
    lhs: Array,
    rhs: Array,
    window_strides: Sequence[int],
    padding: PaddingLike,
    lhs_dilation: Sequence[int] | None = None,
    rhs_dilation: Sequence[int] | None = None,
    dimension_numbers: ConvGeneralDilatedDimensionNumbers = None,
    feature_group_count: int = 1,
    batch_group_count: int = 1,
    precision: PrecisionLike = None,
    preferred_element_type: DTypeLike | None = None,
) -> Array:
    """The convolution of images with windows: at each place the sum of a window's products over it and the input features.

    lhs: images, by default (batch, features, *spatial). rhs: windows, by default (output features, input features, *window),
    not reversed. Both of one dtype, any; the result is (batch, output features, *places). `padding` is "SAME", "SAME_LOWER",
    "VALID" or a pair (before, after) for each spatial axis, negative to remove elements; `lhs_dilation` puts zeros between
    the elements of lhs, which nothing is multiplied with, `rhs_dilation` between those of the windows. With
    `feature_group_count` the features fall into groups that have windows of their own, with `batch_group_count` the batch does.
    `preferred_element_type` is the dtype of the result, and the one to compute in if it is the wider one.

    `precision` is None or "default", "high" or "highest". By default `jit` may compute float32 convolutions over two axes, with
    windows of 3 to 5 numbers along each (to 20 with a stride of 2 or 4), and their gradients by Winograd's sums F(4, 3),
    F(3, 4) and F(4, 5) where these take less time. For numbers of like size they are right up to 1e-5 of the largest number of
    the result, mostly 1e-6; small numbers near large ones have the errors of these. An infinity or NaN may then spread up to 3
    places further along each axis, and over a window in gradients by windows; numbers from 1e-3 times the largest one on may
    overflow. With "high" and "highest" sums are computed directly, as without `jit`; then errors are about those of torch.

    Raises ParameterError where shapes and parameters do not fit, OperandError for operands of different dtypes.

    >>> image, window = np.arange(9.0).reshape(1, 1, 3, 3), np.ones((1, 1, 2, 2))
    >>> conv_general_dilated(image, window, (1, 1), "VALID")
    array([[[[ 8., 12.],
             [20., 24.]]]])
    """
    left, right = aval_of(lhs).shape, aval_of(rhs).shape
    dims = conv_dimension_numbers(left, right, dimension_numbers)
    rank = len(left) - 2
    strides = per_axis(NAME, "window_strides", window_strides, rank)
    spread = per_axis(NAME, "lhs_dilation", lhs_dilation, rank)
    apart = per_axis(NAME, "rhs_dilation", rhs_dilation, rank)
    if isinstance(padding, str) and padding.upper() != "VALID" and any(step > 1 for step in spread):
        raise ParameterError(NAME, f"padding={padding!r} with lhs_dilation={spread}",
                             "a pair (before, after) for each axis, or conv_transpose")  # fmt: skip
    sizes = tuple(left[axis] for axis in dims.lhs_spec[2:])
    reaches = tuple(dilated(right[axis], step) for axis, step in zip(dims.rhs_spec[2:], apart, strict=True))
    params = {
        "window_strides": strides,
        "padding": padding_of(NAME, padding, sizes, reaches, strides),
        "lhs_dilation": spread,
        "rhs_dilation": apart,
        "dimension_numbers": dims,
        "feature_group_count": int(feature_group_count),
        "batch_group_count": int(batch_group_count),
        "precision": precision_of(precision),
    }

    def product(x: Array, y: Array) -> Array:
        return conv_general_dilated_p.bind(x, y, **params)[0]

    if preferred_element_type is None:
        return product(lhs, rhs)
    return in_preferred_dtype(NAME, lhs, rhs, preferred_element_type, product)


def conv(
    lhs: Array,
    rhs: Array,
    window_strides: Sequence[int],
    padding: PaddingLike,
    precision: PrecisionLike = None,
    preferred_element_type: DTypeLike | None = None,
) -> Array:
    """`conv_general_dilated` of images (batch, features, *spatial) with windows (outputs, inputs, *window).

    >>> conv(np.ones((1, 1, 4)), np.ones((1, 1, 3)), (2,), "SAME")
    array([[[3., 2.]]])
    """
    return conv_general_dilated(
        lhs, rhs, window_strides, padding, precision=precision, preferred_element_type=preferred_element_type
    )


def conv_with_general_padding(
    lhs: Array,
    rhs: Array,
    window_strides: Sequence[int],
    padding: PaddingLike,
    lhs_dilation: Sequence[int] | None,
    rhs_dilation: Sequence[int] | None,
    precision: PrecisionLike = None,
    preferred_element_type: DTypeLike | None = None,
) -> Array:
    """`conv` with dilated images or windows.

    >>> conv_with_general_padding(np.arange(4.0).reshape(1, 1, 4), np.ones((1, 1, 2)), (1,), ((1, -1),), None, (2,))
    array([[[1., 2.]]])
    """
    return conv_general_dilated(
        lhs, rhs, window_strides, padding, lhs_dilation, rhs_dilation, precision=precision,
        preferred_element_type=preferred_element_type,
    )  # fmt: skip


_CHANNELS_LAST = {
    2: ("NC", "IO", "NC"),
    3: ("NHC", "HIO", "NHC"),
    4: ("NHWC", "HWIO", "NHWC"),
    5: ("NHWDC", "HWDIO", "NHWDC"),
}


def conv_transpose(
    lhs: Array,
    rhs: Array,
    strides: Sequence[int],
    padding: PaddingLike,
    rhs_dilation: Sequence[int] | None = None,
    dimension_numbers: ConvGeneralDilatedDimensionNumbers = None,
    transpose_kernel: bool = False,
    precision: PrecisionLike = None,
    preferred_element_type: DTypeLike | None = None,
    use_consistent_padding: bool = False,
) -> Array:
    """The convolution of images that are spread `strides` apart: "deconvolution", of the shape that a convolution has undone.

    Dimension numbers are by default those of channels last, (batch, *spatial, features) and (*window, inputs, outputs). With
    "SAME" each spatial axis becomes `strides` times as long; "VALID" gives every place that a window reaches. Pairs are the
    padding of the spread images; with `use_consistent_padding`, that of the convolution whose transpose it is. With
    `transpose_kernel` the windows are reversed and their input and output features exchanged, as in the derivative of a
    convolution with them.

    >>> conv_transpose(np.array([[[1.0], [2.0]]]), np.ones((2, 1, 1)), (2,), "VALID").ravel()
    array([1., 1., 2., 2.])
    """
    rank = aval_of(lhs).ndim - 2
    if dimension_numbers is None:
        dimension_numbers = _CHANNELS_LAST.get(rank + 2)
    dims = conv_dimension_numbers(aval_of(lhs).shape, aval_of(rhs).shape, dimension_numbers)
    apart = per_axis("conv_transpose", "rhs_dilation", rhs_dilation, rank)
    steps = per_axis("conv_transpose", "strides", strides, rank)
    reaches = [dilated(aval_of(rhs).shape[axis], step) for axis, step in zip(dims.rhs_spec[2:], apart, strict=True)]
    pairs = [
        _transposed_padding(padding if isinstance(padding, str) else padding[i], reach, step, use_consistent_padding)
        for i, (reach, step) in enumerate(zip(reaches, steps, strict=True))
    ]
    if transpose_kernel:
        outputs, inputs, *window = dims.rhs_spec
        rhs = rev(rhs, sorted(window))
        dims = dims._replace(rhs_spec=(inputs, outputs, *window))
    return conv_general_dilated(
        lhs, rhs, (1,) * rank, pairs, steps, apart, dims, precision=precision,
        preferred_element_type=preferred_element_type,
    )  # fmt: skip


def _transposed_padding(padding: str | tuple[int, int], reach: int, stride: int, consistent: bool) -> tuple[int, int]:
    """Of spread images along one axis."""
    if not isinstance(padding, str):
        before, after = padding
        return (reach - 1 - before, reach - 1 - after) if consistent else (before, after)
    if padding.upper() == "VALID":
        return reach - 1, reach - 1 + max(stride - reach, 0)
    if padding.upper() != "SAME":
        raise ParameterError("conv_transpose", f"padding={padding!r}", '"SAME", "VALID", or a pair for each axis')
    total = reach + stride - 2
    before = reach - 1 if stride > reach - 1 else -(-total // 2)
    return before, total - before
