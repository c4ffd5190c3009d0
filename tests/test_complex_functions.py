"""Complex functions in machine code: each part against mpmath, and NumPy's special values on a grid of all sorts of parts."""

import warnings
from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest

from functrans import jit

mp = mpmath.mp.clone()
mp.prec = 400  # enough for what cancels next to 1
FUNCTIONS: dict[str, tuple[Any, Callable[..., Any]]] = {
    "arcsin": (np.arcsin, mp.asin),
    "arccos": (np.arccos, mp.acos),
    "arctan": (np.arctan, mp.atan),
    "arcsinh": (np.arcsinh, mp.asinh),
    "arccosh": (np.arccosh, mp.acosh),
    "arctanh": (np.arctanh, mp.atanh),
    "log": (np.log, mp.log),
    "sqrt": (np.sqrt, mp.sqrt),
    "exp": (np.exp, mp.exp),
}
DTYPES = [np.complex64, np.complex128]
COUNT = 500


def compiled(name: str, z: Any) -> Any:
    function = FUNCTIONS[name][0]
    return jit(lambda x: function(x))(z)


def parts(dtype: Any, rng: np.random.Generator) -> Any:
    """Moderate numbers, numbers of all sizes, and neighbours of 1 and -1."""
    kinds = [
        rng.uniform(-2, 2, COUNT),
        2.0 ** rng.uniform(-60, 60, COUNT),
        2.0 ** rng.uniform(-8, 4, COUNT),
        1 + 2.0 ** -rng.uniform(1, 50, COUNT) * rng.choice([-1, 1], COUNT),
    ]
    return (rng.choice(kinds) * rng.choice([-1, 1], COUNT)).astype(np.finfo(dtype).dtype)


def error(got: Any, exact: Any) -> float:
    """In units of the exact number's last digit, which subnormal ones have fewer of."""
    size = got.dtype.type(float(abs(exact)))
    return float(abs(mp.mpf(float(got)) - exact) / float(np.spacing(np.maximum(size, np.finfo(got.dtype).tiny))))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_each_part_is_close(name: str, dtype: Any) -> None:
    rng = np.random.default_rng(0)
    z = parts(dtype, rng) + 1j * parts(dtype, rng)
    z = z.astype(dtype)
    for x, got in zip(z, compiled(name, z), strict=True):
        exact = FUNCTIONS[name][1](mp.mpc(complex(x)))
        assert error(got.real, exact.real) <= 3, (x, got)
        assert error(got.imag, exact.imag) <= 3, (x, got)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", FUNCTIONS)
@np.errstate(all="ignore")
def test_has_numpys_special_values(name: str, dtype: Any) -> None:
    limits = np.finfo(dtype)
    sizes = [0, limits.smallest_subnormal, limits.tiny, 1e-20, 0.5, 1, 2, 1e10, limits.max, np.inf, np.nan]
    one = np.array([*sizes, *(-size for size in sizes[:-1])], limits.dtype)  # no NaN has a sign that means anything
    z = np.empty((one.size, one.size), dtype)
    z.real, z.imag = one[:, None], one
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wanted = FUNCTIONS[name][0](z)
    for got, want in ((compiled(name, z).real, wanted.real), (compiled(name, z).imag, wanted.imag)):
        close = np.abs(got - want) <= 8 * np.spacing(np.abs(want))
        same = (close | (got == want)) & (np.signbit(got) == np.signbit(want))
        wrong = np.flatnonzero(~(same | (np.isnan(got) & np.isnan(want))))
        assert not wrong.size, [(z.flat[i], got.flat[i], want.flat[i]) for i in wrong[:5]]
