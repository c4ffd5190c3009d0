"""functrans.nn.initializers: how networks' weights begin, by JAX's names, with the same numbers for the same key.

An initializer is a function of a key, a shape and a dtype, float64 if none is given. Those that know of fans take the size of
`in_axis`, and of `out_axis`, times that of all axes which are neither those nor `batch_axis`. Imports `functrans.random`; start
reading at `variance_scaling`.

>>> from functrans import random
>>> he_normal()(random.key(0), (2, 3)).shape
(2, 3)
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Literal, Protocol, TypeAlias

import numpy as np

import functrans.numpy as fnp
from functrans import random
from functrans.errors import ParameterError
from functrans.ops.complex import complex
from functrans.random.sampling import ShapeLike, as_dtype, as_shape, number
from functrans.typing import Array, ArrayLike, DType, DTypeLike, Shape

__all__ = [
    "Initializer", "constant", "delta_orthogonal", "glorot_normal", "glorot_uniform", "he_normal", "he_uniform",
    "kaiming_normal", "kaiming_uniform", "lecun_normal", "lecun_uniform", "normal", "ones", "orthogonal", "truncated_normal",
    "uniform", "variance_scaling", "xavier_normal", "xavier_uniform", "zeros",
]  # fmt: skip

Axes: TypeAlias = int | Sequence[int]
Mode: TypeAlias = Literal["fan_in", "fan_out", "fan_avg", "fan_geo_avg"]
Distribution: TypeAlias = Literal["truncated_normal", "normal", "uniform"]


class Initializer(Protocol):
    """What makes an array of a key."""

    def __call__(self, key: Array, shape: ShapeLike, dtype: DTypeLike | None = None) -> Array:
        """An array of that shape and dtype."""
        ...


def _initializer(name: str, default: DTypeLike | None, make: _Make) -> Initializer:
    def init(key: Array, shape: ShapeLike, dtype: DTypeLike | None = None) -> Array:
        kind = as_dtype(name, default if dtype is None else dtype, "fc", np.float64)
        return make(key, as_shape(name, shape), kind)

    return init


class _Make(Protocol):
    def __call__(self, key: Array, shape: Shape, dtype: DType, /) -> Array: ...


# ---- the same everywhere, or independent of the shape ----


def zeros(key: Array, shape: ShapeLike, dtype: DTypeLike | None = None) -> Array:
    """Zeros; the key is not looked at.

    >>> zeros(random.key(0), (2,))
    array([0., 0.])
    """
    return constant(0.0)(key, shape, dtype)


def ones(key: Array, shape: ShapeLike, dtype: DTypeLike | None = None) -> Array:
    """Ones; the key is not looked at.

    >>> ones(random.key(0), (2,))
    array([1., 1.])
    """
    return constant(1.0)(key, shape, dtype)


def constant(value: ArrayLike, dtype: DTypeLike | None = None) -> Initializer:
    """An initializer that gives one value, which broadcasts to the shape.

    >>> constant(0.1)(random.key(0), (2,))
    array([0.1, 0.1])
    """
    return _initializer("constant", dtype, lambda _key, shape, kind: fnp.full(shape, value, kind))


def uniform(scale: ArrayLike = 1e-2, dtype: DTypeLike | None = None) -> Initializer:
    """An initializer that gives numbers uniform in [0, scale).

    >>> bool((uniform(0.5)(random.key(0), (100,)) < 0.5).all())
    True
    """
    return _initializer("uniform", dtype, lambda key, shape, kind: random.uniform(key, shape, kind) * _as(scale, kind))


def normal(stddev: ArrayLike = 1e-2, dtype: DTypeLike | None = None) -> Initializer:
    """An initializer that gives normal numbers of that deviation.

    >>> normal(0.1)(random.key(0), (2, 3)).shape
    (2, 3)
    """
    return _initializer("normal", dtype, lambda key, shape, kind: random.normal(key, shape, kind) * _as(stddev, kind))


def truncated_normal(
    stddev: ArrayLike = 1e-2, dtype: DTypeLike | None = None, lower: ArrayLike = -2.0, upper: ArrayLike = 2.0
) -> Initializer:
    """An initializer that gives standard normal numbers between bounds, times stddev.

    >>> bool((abs(truncated_normal(0.1)(random.key(0), (100,))) < 0.2).all())
    True
    """

    def make(key: Array, shape: Shape, kind: DType) -> Array:
        return random.truncated_normal(key, lower, upper, shape, kind) * _as(stddev, kind)

    return _initializer("truncated_normal", dtype, make)


def _as(value: ArrayLike, dtype: DType) -> Array:
    return fnp.asarray(value, dtype=dtype)


# ---- by fans ----


def variance_scaling(
    scale: float,
    mode: Mode,
    distribution: Distribution,
    in_axis: Axes = -2,
    out_axis: Axes = -1,
    batch_axis: Axes = (),
    dtype: DTypeLike | None = None,
) -> Initializer:
    """An initializer whose numbers have variance scale / fan, where the fan is that of `mode`: in, out, or a mean of both.

    Normal numbers are cut off at two deviations by "truncated_normal", and widened by as much as that narrows them. Complex
    numbers have phases that are uniform. Raises ParameterError for other words, and for shapes that lack the axes.

    >>> round(float(variance_scaling(2.0, "fan_in", "normal")(random.key(0), (50, 40)).var()) * 50)
    2
    """
    if mode not in _FANS or distribution not in _DRAWS:
        raise ParameterError(
            "variance_scaling",
            f"mode={mode!r} and distribution={distribution!r}",
            f"one of {', '.join(_FANS)} and one of {', '.join(_DRAWS)}",
        )

    def make(key: Array, shape: Shape, kind: DType) -> Array:
        fan = _FANS[mode](*_fans(shape, in_axis, out_axis, batch_axis))
        return _DRAWS[distribution](key, shape, kind, number(scale / fan, np.dtype(kind.type(0).real)))

    return _initializer("variance_scaling", dtype, make)


def _fans(shape: Shape, in_axis: Axes, out_axis: Axes, batch_axis: Axes) -> tuple[float, float]:
    try:
        fan_in, fan_out, batch = (
            math.prod(shape[axis] for axis in ((axes,) if isinstance(axes, int) else axes))
            for axes in (in_axis, out_axis, batch_axis)
        )
    except IndexError:
        axes = f"in_axis={in_axis}, out_axis={out_axis} and batch_axis={batch_axis}"
        raise ParameterError(
            "variance_scaling", f"the shape {shape} for {axes}", "a shape that has these axes"
        ) from None
    field = math.prod(shape) / (fan_in * fan_out * batch) if 0 not in shape else 1.0
    return fan_in * field, fan_out * field


_FANS: Mapping[str, Callable[[float, float], float]] = {
    "fan_in": lambda fan_in, _fan_out: fan_in,
    "fan_out": lambda _fan_in, fan_out: fan_out,
    "fan_avg": lambda fan_in, fan_out: (fan_in + fan_out) / 2,
    "fan_geo_avg": lambda fan_in, fan_out: (fan_in * fan_out) ** 0.5,
}


def _truncated(key: Array, shape: Shape, dtype: DType, variance: Array) -> Array:
    root = fnp.sqrt(variance)
    if dtype.kind == "f":
        return random.truncated_normal(key, -2.0, 2.0, shape, dtype) * (root / number(_CUT, dtype))
    key_radius, key_phase = random.split(key)
    share = number(1 - math.exp(-4.0), variance.dtype) * random.uniform(key_radius, shape, variance.dtype)
    return _turned(key_phase, fnp.sqrt(-fnp.log1p(-share)) * (root / number(_CUT_COMPLEX, variance.dtype)))


_CUT, _CUT_COMPLEX = 0.87962566103423978, 0.95311164380491208
"""The deviation of standard normal numbers that are cut off at two deviations."""


def _normal(key: Array, shape: Shape, dtype: DType, variance: Array) -> Array:
    return random.normal(key, shape, dtype) * fnp.sqrt(variance)


def _uniform(key: Array, shape: Shape, dtype: DType, variance: Array) -> Array:
    if dtype.kind == "f":
        return random.uniform(key, shape, dtype, -1.0) * fnp.sqrt(number(3, dtype) * variance)
    key_radius, key_phase = random.split(key)
    squares = number(2, variance.dtype) * random.uniform(key_radius, shape, variance.dtype)
    return _turned(key_phase, fnp.sqrt(squares) * fnp.sqrt(variance))


def _turned(key: Array, radius: Array) -> Array:
    """Complex numbers of those magnitudes, with random phases."""
    phase = number(2 * math.pi, radius.dtype) * random.uniform(key, radius.shape, radius.dtype)
    return complex(radius * fnp.cos(phase), radius * fnp.sin(phase))


_DRAWS = {"truncated_normal": _truncated, "normal": _normal, "uniform": _uniform}


def glorot_uniform(
    in_axis: Axes = -2, out_axis: Axes = -1, batch_axis: Axes = (), dtype: DTypeLike | None = None
) -> Initializer:
    """Uniform numbers of variance 1 / the mean of both fans (X. Glorot and Y. Bengio, 2010); also `xavier_uniform`.

    >>> glorot_uniform()(random.key(0), (2, 3)).shape
    (2, 3)
    """
    return variance_scaling(1.0, "fan_avg", "uniform", in_axis, out_axis, batch_axis, dtype)


def glorot_normal(
    in_axis: Axes = -2, out_axis: Axes = -1, batch_axis: Axes = (), dtype: DTypeLike | None = None
) -> Initializer:
    """Truncated normal numbers of variance 1 / the mean of both fans; also `xavier_normal`.

    >>> glorot_normal()(random.key(0), (2, 3)).shape
    (2, 3)
    """
    return variance_scaling(1.0, "fan_avg", "truncated_normal", in_axis, out_axis, batch_axis, dtype)


def lecun_uniform(
    in_axis: Axes = -2, out_axis: Axes = -1, batch_axis: Axes = (), dtype: DTypeLike | None = None
) -> Initializer:
    """Uniform numbers of variance 1 / the fan in.

    >>> lecun_uniform()(random.key(0), (2, 3)).shape
    (2, 3)
    """
    return variance_scaling(1.0, "fan_in", "uniform", in_axis, out_axis, batch_axis, dtype)


def lecun_normal(
    in_axis: Axes = -2, out_axis: Axes = -1, batch_axis: Axes = (), dtype: DTypeLike | None = None
) -> Initializer:
    """Truncated normal numbers of variance 1 / the fan in.

    >>> lecun_normal()(random.key(0), (2, 3)).shape
    (2, 3)
    """
    return variance_scaling(1.0, "fan_in", "truncated_normal", in_axis, out_axis, batch_axis, dtype)


def he_uniform(
    in_axis: Axes = -2, out_axis: Axes = -1, batch_axis: Axes = (), dtype: DTypeLike | None = None
) -> Initializer:
    """Uniform numbers of variance 2 / the fan in, for relu (K. He et al., 2015); also `kaiming_uniform`.

    >>> he_uniform()(random.key(0), (2, 3)).shape
    (2, 3)
    """
    return variance_scaling(2.0, "fan_in", "uniform", in_axis, out_axis, batch_axis, dtype)


def he_normal(
    in_axis: Axes = -2, out_axis: Axes = -1, batch_axis: Axes = (), dtype: DTypeLike | None = None
) -> Initializer:
    """Truncated normal numbers of variance 2 / the fan in, for relu; also `kaiming_normal`.

    >>> he_normal()(random.key(0), (2, 3)).shape
    (2, 3)
    """
    return variance_scaling(2.0, "fan_in", "truncated_normal", in_axis, out_axis, batch_axis, dtype)


xavier_uniform, xavier_normal = glorot_uniform, glorot_normal
kaiming_uniform, kaiming_normal = he_uniform, he_normal

# ---- orthogonal ----


def orthogonal(scale: ArrayLike = 1.0, column_axis: int = -1, dtype: DTypeLike | None = None) -> Initializer:
    """A random orthogonal matrix times scale, whose columns run along `column_axis`, and rows along all other axes.

    Raises ParameterError for a shape of fewer than two axes.

    >>> w = orthogonal()(random.key(0), (3, 3))
    >>> bool(np.allclose(w @ w.T, np.eye(3)))
    True
    """

    def make(key: Array, shape: Shape, kind: DType) -> Array:
        if len(shape) < 2:
            raise ParameterError("orthogonal", f"the shape {shape}", "at least two axes")
        columns, rest = shape[column_axis], tuple(np.delete(shape, column_axis).tolist())
        if 0 in shape:
            return np.zeros(shape, kind)
        matrix = random.orthogonal(key, math.prod(rest), (), kind, columns)
        return fnp.moveaxis(fnp.reshape(matrix, (*rest, columns)), -1, column_axis) * _as(scale, kind)

    return _initializer("orthogonal", dtype, make)


def delta_orthogonal(scale: ArrayLike = 1.0, column_axis: int = -1, dtype: DTypeLike | None = None) -> Initializer:
    """For convolutions: an orthogonal matrix, times scale, in the middle of the window, and zeros around it.

    The shape is the window's of one to three axes, and then the channels in and out, of which there are at least as many
    out (L. Xiao et al., 2018). Raises ParameterError for others.

    >>> delta_orthogonal()(random.key(0), (3, 2, 2))[0]
    array([[0., 0.],
           [0., 0.]])
    """

    def make(key: Array, shape: Shape, kind: DType) -> Array:
        window = shape[:-2]
        if not 1 <= len(window) <= 3 or shape[-1] < shape[-2]:
            needs = "one to three axes of a window, then channels, of which no fewer out than in"
            raise ParameterError("delta_orthogonal", f"the shape {shape}", needs)
        matrix = orthogonal(scale, column_axis)(key, shape[-2:], kind)
        before = [(size - 1) // 2 for size in window]
        widths = [(low, size - 1 - low) for low, size in zip(before, window, strict=True)]
        return fnp.pad(fnp.reshape(matrix, (*(1 for _ in window), *shape[-2:])), [*widths, (0, 0), (0, 0)])

    return _initializer("delta_orthogonal", dtype, make)
