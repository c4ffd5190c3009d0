"""Rows for functrans.ops.convolution."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from functrans.ops.convolution import conv, conv_general_dilated, conv_general_dilated_p
from functrans.typing import Array
from tests.cases.case import ALL_FLOATS, BOOL, COMPLEX, INTS, Case, Operand

Pairs = Sequence[tuple[int, int]]


def convolved(
    lhs: Array,
    rhs: Array,
    strides: Sequence[int],
    padding: Pairs,
    lhs_dilation: Sequence[int],
    rhs_dilation: Sequence[int],
    dims: tuple[str, str, str],
    feature_groups: int,
    batch_groups: int,
) -> Array:
    """Window by window, from the definition."""
    spatial = "".join(letter for letter in dims[1] if letter not in "OI")
    x = lhs.transpose([dims[0].index(letter) for letter in "NC" + spatial])
    w = rhs.transpose([dims[1].index(letter) for letter in "OI" + spatial])
    x = _padded(x, padding, lhs_dilation)
    reaches = [(size - 1) * step + 1 for size, step in zip(w.shape[2:], rhs_dilation, strict=True)]
    counts = [(n - r) // s + 1 for n, r, s in zip(x.shape[2:], reaches, strides, strict=True)]
    groups, images = feature_groups * batch_groups, x.shape[0] // batch_groups
    out = np.zeros((images, w.shape[0], *counts), lhs.dtype)
    for group in range(groups):
        mine = x[group * images : (group + 1) * images] if batch_groups > 1 else x
        inputs = slice(group * w.shape[1], (group + 1) * w.shape[1]) if feature_groups > 1 else slice(None)
        outputs = slice(group * w.shape[0] // groups, (group + 1) * w.shape[0] // groups)
        for place in np.ndindex(*counts):
            window = tuple(
                slice(p * s, p * s + r, d) for p, s, r, d in zip(place, strides, reaches, rhs_dilation, strict=True)
            )
            patch = mine[:, inputs][:, :, *window]
            out[:, outputs, *place] = np.tensordot(patch, w[outputs], (range(1, w.ndim), range(1, w.ndim)))
    return np.ascontiguousarray(out.transpose([("NC" + spatial).index(letter) for letter in dims[2]]))


def _padded(x: Array, padding: Pairs, dilation: Sequence[int]) -> Array:
    sizes = [(n - 1) * d + 1 for n, d in zip(x.shape[2:], dilation, strict=True)]
    spread = np.zeros((*x.shape[:2], *sizes), x.dtype)
    spread[:, :, *(slice(None, None, d) for d in dilation)] = x
    zeros = np.pad(spread, [(0, 0), (0, 0), *((max(lo, 0), max(hi, 0)) for lo, hi in padding)])
    return zeros[
        :, :, *(slice(max(-lo, 0), n - max(-hi, 0)) for n, (lo, hi) in zip(zeros.shape[2:], padding, strict=True))
    ]


def row(
    name: str,
    lhs: tuple[int, ...],
    rhs: tuple[int, ...],
    dims: tuple[str, str, str],
    dtypes: tuple[str, ...] = ("float32", "float64"),
    *,
    strides: Sequence[int] | None = None,
    padding: Pairs | None = None,
    lhs_dilation: Sequence[int] | None = None,
    rhs_dilation: Sequence[int] | None = None,
    groups: int = 1,
    batch_groups: int = 1,
) -> Case:
    ones = (1,) * (len(lhs) - 2)
    strides, pairs = strides or ones, padding or ((0, 0),) * len(ones)

    def fun(x: Any, w: Any) -> Any:  # Any: traced
        return conv_general_dilated(
            x, w, strides, pairs, lhs_dilation, rhs_dilation, dims, groups, batch_groups, precision="highest"
        )

    def reference(x: Array, w: Array) -> Array:
        return convolved(x, w, strides, pairs, lhs_dilation or ones, rhs_dilation or ones, dims, groups, batch_groups)

    operands = (Operand(lhs), Operand(rhs))
    return Case(conv_general_dilated_p, fun, reference, operands, dtypes, name=name, rtol=1e-12)


FIRST, LAST = ("NCHW", "OIHW", "NCHW"), ("NHWC", "HWIO", "NHWC")

CASES = (
    row("one axis", (2, 2, 5), (3, 2, 3), ("NCW", "OIW", "NCW"), (*ALL_FLOATS, *COMPLEX, *INTS, *BOOL)),
    row("strides and padding", (2, 2, 5, 4), (3, 2, 3, 2), FIRST, strides=(2, 3), padding=((1, 2), (2, 0))),
    row("dilations", (1, 2, 4, 3), (2, 2, 2, 2), FIRST, lhs_dilation=(2, 1), rhs_dilation=(1, 2), padding=((0, 1), (1, 1))),
    row("negative padding", (1, 1, 6, 5), (2, 1, 2, 2), FIRST, padding=((-1, 1), (1, -2)), lhs_dilation=(1, 2)),
    row("groups", (2, 4, 4), (6, 2, 2), ("NCW", "OIW", "NCW"), groups=2, strides=(2,), padding=((1, 1),)),
    row("batch groups", (4, 2, 4), (6, 2, 3), ("NCW", "OIW", "NCW"), batch_groups=2, padding=((1, 0),)),
    row("channels last", (2, 4, 3, 2), (2, 2, 2, 3), LAST, ("float32", "complex128"), padding=((1, 0), (0, 1))),
    row("mixed up", (3, 2, 4, 2), (2, 3, 2, 2), ("HNWC", "IWOH", "CWHN"), strides=(1, 2)),
    row("three axes", (1, 2, 3, 3, 2), (2, 2, 2, 1, 2), ("NCDHW", "OIDHW", "NCDHW"), padding=((1, 0), (0, 0), (0, 1))),
    row("no axis", (3, 2), (4, 2), ("NC", "OI", "NC")),
    row("no image", (0, 2, 4), (3, 2, 2), ("NCW", "OIW", "NCW")),
    Case(
        conv_general_dilated_p,
        lambda x, w: conv(x, w, (2,), "SAME", preferred_element_type=np.float64),
        lambda x, w: convolved(
            x.astype("f8"), w.astype("f8"), (2,), ((0, 1),), (1,), (1,), ("NCW", "OIW", "NCW"), 1, 1
        ),
        (Operand((1, 2, 4)), Operand((2, 2, 3))),
        ("float32", "int8"),
        name="wider result",
        rtol=1e-12,
    ),
)  # fmt: skip
