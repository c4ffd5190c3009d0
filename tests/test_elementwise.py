"""What the case table cannot say of elementwise primitives: every NumPy ufunc has one, edges of derivatives, messages."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest

from functrans import jit
from functrans.core.primitive import aval_of
from functrans.errors import OperandError, ParameterError
from functrans.ops import arithmetic, bitwise, comparison, exponential, extrema, floats, power, rounding, trigonometric
from functrans.ops.cast import bitcast_convert_type, convert_element_type
from functrans.ops.complex import abs as abs_
from functrans.ops.complex import conj, imag, sign
from functrans.ops.select import select, select_n
from functrans.ops.special import polygamma
from functrans.transforms.jvp import jvp
from functrans.transforms.vjp import vjp
from functrans.transforms.vmap import vmap

Fun = Callable[..., Any]

# NumPy's ufuncs (those that are neither products of matrices nor of dates), each by the primitives of functrans.ops.
UFUNCS: dict[str, Fun] = {
    "absolute": abs_,
    "add": arithmetic.add,
    "arccos": trigonometric.acos,
    "arccosh": trigonometric.acosh,
    "arcsin": trigonometric.asin,
    "arcsinh": trigonometric.asinh,
    "arctan": trigonometric.atan,
    "arctan2": trigonometric.atan2,
    "arctanh": trigonometric.atanh,
    "bitwise_and": bitwise.bitwise_and,
    "bitwise_count": bitwise.bitwise_count,
    "bitwise_or": bitwise.bitwise_or,
    "bitwise_xor": bitwise.bitwise_xor,
    "cbrt": power.cbrt,
    "ceil": rounding.ceil,
    "conjugate": conj,
    "copysign": floats.copysign,
    "cos": trigonometric.cos,
    "cosh": trigonometric.cosh,
    "deg2rad": trigonometric.deg2rad,
    "degrees": trigonometric.rad2deg,
    "divide": arithmetic.div,
    "divmod": arithmetic.divmod,
    "equal": comparison.eq,
    "exp": exponential.exp,
    "exp2": exponential.exp2,
    "expm1": exponential.expm1,
    "fabs": abs_,
    "float_power": power.float_power,
    "floor": rounding.floor,
    "floor_divide": arithmetic.floor_divide,
    "fmax": extrema.fmax,
    "fmin": extrema.fmin,
    "fmod": arithmetic.rem,
    "frexp": floats.frexp,
    "gcd": arithmetic.gcd,
    "greater": comparison.gt,
    "greater_equal": comparison.ge,
    "heaviside": floats.heaviside,
    "hypot": power.hypot,
    "invert": bitwise.bitwise_not,
    "isfinite": comparison.is_finite,
    "isinf": comparison.is_inf,
    "isnan": comparison.is_nan,
    "lcm": arithmetic.lcm,
    "ldexp": floats.ldexp,
    "left_shift": bitwise.shift_left,
    "less": comparison.lt,
    "less_equal": comparison.le,
    "log": exponential.log,
    "log10": exponential.log10,
    "log1p": exponential.log1p,
    "log2": exponential.log2,
    "logaddexp": exponential.logaddexp,
    "logaddexp2": exponential.logaddexp2,
    "logical_and": bitwise.logical_and,
    "logical_not": bitwise.logical_not,
    "logical_or": bitwise.logical_or,
    "logical_xor": bitwise.logical_xor,
    "maximum": extrema.max,
    "minimum": extrema.min,
    "modf": floats.modf,
    "multiply": arithmetic.mul,
    "negative": arithmetic.neg,
    "nextafter": floats.nextafter,
    "not_equal": comparison.ne,
    "positive": lambda x: x,
    "power": power.pow,
    "rad2deg": trigonometric.rad2deg,
    "radians": trigonometric.deg2rad,
    "reciprocal": arithmetic.reciprocal,
    "remainder": arithmetic.remainder,
    "right_shift": bitwise.shift_right_arithmetic,
    "rint": rounding.rint,
    "sign": sign,
    "signbit": comparison.signbit,
    "sin": trigonometric.sin,
    "sinh": trigonometric.sinh,
    "spacing": floats.spacing,
    "sqrt": power.sqrt,
    "square": arithmetic.square,
    "subtract": arithmetic.sub,
    "tan": trigonometric.tan,
    "tanh": trigonometric.tanh,
    "trunc": rounding.trunc,
}
OTHERS = {"isnat", "matmul", "matvec", "vecdot", "vecmat"}
FLOATS = np.array([0.0, -0.0, 1.0, -1.0, 0.5, -2.5, 3.0, 1e300, 1e-310, np.inf, -np.inf, np.nan])


@np.errstate(over="ignore", invalid="ignore", under="ignore")
def points(char: str) -> Any:
    """Values at the edges of a dtype."""
    dtype = np.dtype(char)
    if dtype.kind == "b":
        return np.array([False, True])
    if dtype.kind in "iu":
        info = np.iinfo(dtype)
        return np.array([info.min, info.max, 0, 1, 2, 7], dtype)
    if dtype.kind == "f":
        return FLOATS.astype(dtype)
    re, im = np.meshgrid(FLOATS, FLOATS)
    return (re + 1j * im).ravel()[::5].astype(dtype)


def signatures() -> list[Any]:
    ufuncs = {name: getattr(np, name) for name in UFUNCS}
    loops = [
        (name, types.split("->")[0])
        for name, ufunc in ufuncs.items()
        for types in dict.fromkeys(ufunc.types)
        if not set(types) & set("gGOMm")
    ]
    return [pytest.param(name, types, id=f"{name}-{types}") for name, types in loops]


def assert_same(got: Any, expected: Any) -> None:
    """Shape, dtype and every bit but those of a NaN."""
    assert (np.shape(got), got.dtype) == (np.shape(expected), expected.dtype)
    np.testing.assert_array_equal(got, expected)
    if got.dtype.kind in "fc":
        for a, b in ((got.real, expected.real), (got.imag, expected.imag)):
            np.testing.assert_array_equal(np.signbit(a[~np.isnan(a)]), np.signbit(b[~np.isnan(a)]))


def test_every_ufunc_is_there() -> None:
    ufuncs = {getattr(np, name).__name__ for name in dir(np) if isinstance(getattr(np, name), np.ufunc)}
    assert ufuncs == {*UFUNCS, *OTHERS}


@pytest.mark.parametrize(("name", "types"), signatures())
def test_ufunc_has_numpy_s_bits(name: str, types: str) -> None:
    ufunc = getattr(np, name)
    operands = [points(char) for char in types]
    if len(operands) == 2:
        operands = [operands[0].repeat(operands[1].size), np.tile(operands[1], operands[0].size)]
    if name == "power" and types[0] in np.typecodes["Integer"]:
        operands = [operand[operands[1] >= 0] for operand in operands]
    with np.errstate(all="ignore"):
        expected, got = ufunc(*operands), UFUNCS[name](*operands)
    for a, b in zip(got, expected, strict=True) if isinstance(expected, tuple) else [(got, expected)]:
        assert_same(a, b)


# ---- edges of derivatives; every warning is an error here ----

INF = np.inf


@pytest.mark.parametrize(
    ("fun", "operands", "gradients"),
    [
        (abs_, (0.0,), (0.0,)),
        (abs_, (0j,), (0j,)),
        (sign, (0j,), (0j,)),
        (extrema.max, (1.0, 1.0), (0.5, 0.5)),
        (extrema.max, (2.0, 1.0), (1.0, 0.0)),
        (extrema.max, (1.0, 2.0), (0.0, 1.0)),
        (extrema.min, (1.0, 1.0), (0.5, 0.5)),
        (extrema.min, (2.0, 1.0), (0.0, 1.0)),
        (extrema.fmax, (np.nan, 1.0), (0.0, 1.0)),
        (extrema.fmax, (1.0, np.nan), (1.0, 0.0)),
        (extrema.fmin, (1.0, 1.0), (0.5, 0.5)),
        (extrema.clamp, (0.0, 0.0, 1.0), (0.5, 0.5, 0.0)),
        (extrema.clamp, (0.0, 2.0, 1.0), (0.0, 0.0, 1.0)),
        (power.hypot, (0.0, 0.0), (0.0, 0.0)),
        (power.hypot, (3e200, 4e200), (0.6, 0.8)),
        (trigonometric.atan2, (0.0, 0.0), (0.0, 0.0)),
        (trigonometric.atan2, (1e-200, 0.0), (0.0, -1e200)),
        (power.pow, (0.0, 0.0), (0.0, 0.0)),
        (power.pow, (0.0, 2.0), (0.0, 0.0)),
        (power.pow, (0.0, 1.0), (1.0, 0.0)),
        (power.pow, (2.0, 0.0), (0.0, np.log(2.0))),
        (power.cbrt, (8.0,), (1 / 12,)),
        (arithmetic.div_no_nan, (1.0, 0.0), (0.0, 0.0)),
        (exponential.logaddexp, (-INF, -INF), (0.5, 0.5)),
        (exponential.logaddexp, (INF, INF), (0.5, 0.5)),
        (exponential.logaddexp, (0.0, -INF), (1.0, 0.0)),
        (exponential.logaddexp2, (-INF, -INF), (0.5, 0.5)),
        (exponential.logaddexp, (1000.0, 0.0), (1.0, 0.0)),
        (exponential.logistic, (-1000.0,), (0.0,)),
        (floats.copysign, (-2.0, 3.0), (-1.0, 0.0)),
        (floats.heaviside, (0.0, 0.5), (0.0, 1.0)),
        (lambda x: arithmetic.integer_pow(x, 0), (0.0,), (0.0,)),
        (lambda x: arithmetic.integer_pow(x, 1), (0.0,), (1.0,)),
        (lambda x: arithmetic.integer_pow(x, 2), (0.0,), (0.0,)),
        (lambda x: power.pow(x, 0.0), (0.0,), (0.0,)),
        (lambda x: select(x > 0, power.sqrt(x), 0), (4.0,), (0.25,)),
    ],
)
def test_gradient_at_an_edge(fun: Fun, operands: tuple[Any, ...], gradients: tuple[Any, ...]) -> None:
    primals = tuple(np.asarray(operand)[()] for operand in operands)
    out, pull = vjp(fun, *primals)
    got = pull(np.ones_like(out)[()])
    np.testing.assert_allclose(got, gradients, rtol=1e-14)
    for i, gradient in enumerate(gradients):
        tangents = tuple(np.ones_like(p) if i == j else np.zeros_like(p) for j, p in enumerate(primals))
        np.testing.assert_allclose(jvp(fun, primals, tangents)[1], gradient, rtol=1e-14)


def test_gradient_of_sqrt_at_0_is_infinite() -> None:
    with np.errstate(divide="ignore"):
        assert vjp(power.sqrt, np.array(0.0))[1](np.array(1.0))[0] == np.inf


def test_cotangent_of_a_conversion_has_the_operand_s_dtype() -> None:
    for source, target in (("f4", "f8"), ("f8", "f4"), ("f8", "c8"), ("c16", "f8"), ("c16", "c8"), ("f2", "c16")):
        x = np.ones(3, source)
        out, pull = vjp(partial(convert_element_type, new_dtype=target), x)
        (ct,) = pull(np.full(3, 2 + 1j if target[0] == "c" else 2, target))
        assert (out.dtype, ct.dtype) == (np.dtype(target), np.dtype(source))
        np.testing.assert_array_equal(ct, np.full(3, 2 + 1j if source[0] == target[0] == "c" else 2))


def test_weak_conversion_gives_python_numbers() -> None:
    for dtype, value in ((np.int64, 1), (np.float64, 1.0), (np.complex128, 1 + 0j)):
        got: Any = convert_element_type(np.float32(1), dtype, weak=True)
        assert (type(got), got) == (type(value), value)
        assert id(convert_element_type(value, dtype, weak=True)) == id(value)
    x = np.ones(3)
    assert convert_element_type(x, "f8") is x
    strong: Any = convert_element_type(2.0, np.float32)
    assert type(strong) is np.float32


# ---- numbers and messages ----


def test_a_python_number_takes_the_dtype_of_the_array() -> None:
    assert arithmetic.mul(np.ones(3, np.float32), 2.0).dtype == np.float32
    assert arithmetic.mul(2, np.ones(3, np.complex64)).dtype == np.complex64
    assert arithmetic.add(2, 0.5) == 2.5
    for operands in ((np.arange(3), 0.5), (0.5, np.arange(3)), (np.ones(3), 1j), (np.array([True]), 1)):
        with pytest.raises(OperandError, match=r"`mul` got operands of types .*; it needs a number that"):
            arithmetic.mul(*operands)


def test_a_traced_scalar_does_not_broadcast() -> None:
    row, scalar = np.ones(3), np.float64(2)
    with pytest.raises(OperandError, match=r"`mul` got operands of types f64\[\], f64\[3\]"):
        vjp(lambda x: arithmetic.mul(x, row), scalar)
    with pytest.raises(OperandError, match=r"`mul` got operands of types f64\[3\], f64\[\]"):
        jvp(lambda x: arithmetic.mul(row, x), (scalar,), (scalar,))
    with pytest.raises(OperandError, match=r"`mul` got operands of types f64\[3\], f64\[3\]"):
        vmap(lambda x: arithmetic.mul(x, row))(np.ones(3))
    np.testing.assert_array_equal(vjp(lambda x: arithmetic.mul(x, scalar), row)[1](row)[0], [2, 2, 2])


def test_wrong_parameters_say_what_is_needed() -> None:
    with pytest.raises(IndexError, match="numbers of cases from 0 to 2; it has 2 cases, 0 to 1"):
        select_n(np.array([0, 2], np.int32), np.ones(2), np.zeros(2))
    with pytest.raises(ValueError, match="Integers to negative integer powers"):
        arithmetic.integer_pow(np.arange(3), -1)
    with pytest.raises(ParameterError, match=r"(?s)`integer_pow` got .* y=-1.*It needs y >= 0"):
        arithmetic.integer_pow_p.abstract_eval(aval_of(np.arange(3)), y=-1)
    with pytest.raises(OverflowError, match="300 out of bounds for int8"):
        arithmetic.integer_pow_p.abstract_eval(aval_of(np.ones(3, np.int8)), y=300)
    with pytest.raises(ValueError, match="0 <= n <= 1000"):
        polygamma(-1, 1.0)
    with pytest.raises(OperandError, match="`imag` got operands of types f64"):
        imag(np.ones(3))
    with pytest.raises(ValueError, match="dtype"):
        bitcast_convert_type(np.float64(1), np.int32)


def test_an_imaginary_number_is_true() -> None:
    for value in (1j, 0j, 2.0 + 0j, np.array([0, 1j, 1, -0.0 + 0j], np.complex64)):
        expected = np.asarray(value).astype(bool)
        np.testing.assert_array_equal(convert_element_type(np.asarray(value), np.bool_), expected)
        np.testing.assert_array_equal(jit(lambda z: z.astype(bool))(np.asarray(value)), expected)
