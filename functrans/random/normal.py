"""Normal numbers. Imports `uniform` and `sampling`; start reading at `normal`."""

from __future__ import annotations

from math import sqrt

import numpy as np

from functrans.ops.complex import complex
from functrans.ops.special import erf_inv
from functrans.random.sampling import ShapeLike, as_dtype, as_shape, number, sample
from functrans.random.threefry import split_key
from functrans.random.uniform import uniform_between
from functrans.typing import Array, ArrayLike, DType, DTypeLike, Shape

__all__ = ["normal", "standard_normal"]


def normal(key: ArrayLike, shape: ShapeLike = (), dtype: DTypeLike | None = None) -> Array:
    """Random numbers from the standard normal distribution, of a floating or complex dtype: float64 if none is given.

    A complex number's parts each have variance 1/2. Each is √2 erf⁻¹(u) of a u that is uniform in (−1, 1). Raises
    ParameterError for another dtype.

    >>> from functrans import random
    >>> normal(random.key(0), (2,))
    array([-0.20584214, -0.78476578])
    """
    kind = as_dtype("normal", dtype, "fc", np.float64)
    return sample("normal", standard_normal, key, shape=as_shape("normal", shape), dtype=kind)


def standard_normal(key: Array, *, shape: Shape, dtype: DType) -> Array:
    """The formula of `normal`."""
    if dtype.kind == "f":
        return number(sqrt(2), dtype) * erf_inv(_open_unit(key, shape, dtype))
    part = np.dtype(f"f{dtype.itemsize // 2}")
    real, imag = (standard_normal(one, shape=shape, dtype=part) for one in split_key(key))
    return complex(real, imag) / number(sqrt(2), dtype)


def _open_unit(key: Array, shape: Shape, dtype: DType) -> Array:
    """Uniform in (−1, 1)."""
    above = np.nextafter(dtype.type(-1), dtype.type(0))
    return uniform_between(key, above, number(1, dtype), shape=shape, dtype=dtype)
