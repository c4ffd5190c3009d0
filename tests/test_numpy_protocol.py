"""The NumPy face through a trace that changes nothing: ufuncs, operators and methods give NumPy's own values and dtypes."""

import inspect
import operator
import warnings
from collections.abc import Callable, Iterator
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import functrans.numpy as fnp
from functrans.errors import ArrayTypeError, BroadcastError, UnsupportedArgumentError, UnsupportedFunctionError
from functrans.numpy.dispatch import TRACED, signature_of
from functrans.numpy.ufuncs import RULES
from tests.identity_trace import IdentityTracer, through_identity, unwrap

UFUNCS = sorted(
    {value for value in vars(np).values() if isinstance(value, np.ufunc)}, key=lambda ufunc: str(ufunc.__name__)
)
ELEMENTWISE = [ufunc for ufunc in UFUNCS if ufunc.signature is None and ufunc is not np.isnat]
OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv, "//": operator.floordiv,
    "%": operator.mod, "**": operator.pow, "divmod": divmod, "&": operator.and_, "|": operator.or_,
    "^": operator.xor, "<<": operator.lshift, ">>": operator.rshift, "<": operator.lt, "<=": operator.le,
    ">": operator.gt, ">=": operator.ge, "==": operator.eq, "!=": operator.ne,
}  # fmt: skip
UNARY_OPERATORS: list[Callable[[Any], Any]] = [operator.neg, operator.pos, operator.abs, operator.invert]
BINARY: dict[str, Callable[..., Any]] = {**{str(u.__name__): u for u in ELEMENTWISE if u.nin == 2}, **OPERATORS}
UNARY = [u for u in ELEMENTWISE if u.nin == 1]

DTYPES = ("?", "i1", "u1", "i4", "i8", "u8", "f2", "f4", "f8", "c8", "c16")
NUMBERS = (2, -1, 300, 2**40, 10**20, 2.5, 1e300, 1 + 2j, True)
ROUNDED = {"power", "float_power", "**"}
"""NumPy itself rounds these differently for arrays of other strides, and for scalars."""


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def sample(dtype: str, shape: tuple[int, ...], seed: int = 0) -> Any:
    """Small numbers of both signs with 0, nan and infinity among them; a NumPy scalar for shape ()."""
    rng, kind = np.random.default_rng(seed), np.dtype(dtype).kind
    if kind in "biu":
        return rng.integers({"b": 0, "u": 0, "i": -3}[kind], {"b": 2, "u": 6, "i": 4}[kind], shape).astype(dtype)[()]
    values = np.round(rng.normal(size=shape) * 2, 1) + (0 if kind == "f" else 1j * np.round(rng.normal(size=shape), 1))
    array = np.asarray(values).astype(dtype)
    array.reshape(-1)[1:4] = [0, np.nan, -np.inf][: max(array.size - 1, 0)]
    return array[()]


def outcome(fun: Callable[..., Any], *args: Any) -> Any:
    try:
        return fun(*args)
    except (TypeError, ValueError, OverflowError) as error:
        return error


def assert_same(got: Any, expected: Any, *, rounded: bool = False) -> None:
    """The same type, dtype, shape and bits (up to the payload of a nan), or an error of the same kind."""
    if isinstance(expected, Exception):
        kinds = [kind for kind in (OverflowError, TypeError, ValueError) if isinstance(expected, kind)]
        assert isinstance(got, tuple(kinds)), (got, expected)
        return
    if isinstance(got, Exception):
        raise got
    if isinstance(expected, tuple):
        assert len(got) == len(expected)
        for one, other in zip(got, expected, strict=True):
            assert_same(one, other)
        return
    assert isinstance(got, np.generic) == isinstance(expected, np.generic), (got, expected)
    assert (type(got) in (int, float, complex)) == (type(expected) in (int, float, complex)), (got, expected)
    assert (np.asarray(got).dtype, np.shape(got)) == (np.asarray(expected).dtype, np.shape(expected))
    if rounded:
        eps = np.finfo(np.asarray(got).dtype).eps if np.asarray(got).dtype.kind in "fc" else 0
        np.testing.assert_allclose(got, expected, rtol=4 * float(eps))
    else:
        np.testing.assert_array_equal(got, expected)
        if np.asarray(got).dtype.kind == "f":
            np.testing.assert_array_equal(np.signbit(got) | np.isnan(got), np.signbit(expected) | np.isnan(expected))


def check(fun: Callable[..., Any], args: tuple[Any, ...], traced: tuple[bool, ...], *, rounded: bool = False) -> None:
    assert_same(outcome(lambda: through_identity(fun, *args, traced=traced)), outcome(fun, *args), rounded=rounded)


# ---- ufuncs and operators ----


def test_every_ufunc_of_numpy_has_a_rule_or_is_a_traced_function() -> None:
    missing = {ufunc for ufunc in UFUNCS if ufunc not in RULES and ufunc not in TRACED}
    assert missing == {np.isnat}
    with pytest.raises(UnsupportedFunctionError, match=r"does not trace numpy\.isnat yet"):
        through_identity(np.isnat, np.zeros(2))


def test_public_ufuncs_are_numpys() -> None:
    for ufunc in ELEMENTWISE:
        assert getattr(fnp, ufunc.__name__) is ufunc


@pytest.mark.parametrize("ufunc", [*UNARY, *UNARY_OPERATORS], ids=lambda ufunc: str(ufunc.__name__))
def test_unary(ufunc: Callable[[Any], Any]) -> None:
    for dtype, shape in product(DTYPES, [(), (5,), (2, 3), (0,)]):
        check(ufunc, (sample(dtype, shape),), (True,))
    for number in (2, -1, 0.5, 1 + 2j):
        check(ufunc, (number,), (True,))


@pytest.mark.parametrize("name", BINARY)
def test_binary_of_arrays(name: str) -> None:
    for first, second in product(DTYPES, DTYPES):
        rounded = name in ROUNDED
        check(BINARY[name], (sample(first, (5,)), sample(second, (5,), 1)), (True, True), rounded=rounded)
        check(BINARY[name], (sample(first, (2, 1)), sample(second, (3,), 1)), (False, True), rounded=rounded)
        check(BINARY[name], (sample(first, (5,)), sample(second, (), 1)), (True, False), rounded=rounded)
        if not (name == "*" and "c" in first + second):  # NumPy rounds products of complex scalars in its own way
            check(BINARY[name], (sample(first, ()), sample(second, (), 1)), (True, True), rounded=rounded)


@pytest.mark.parametrize("name", BINARY)
def test_binary_with_python_numbers(name: str) -> None:
    for dtype, number in product(DTYPES, NUMBERS):
        x, rounded = sample(dtype, (5,)), name in ROUNDED
        check(BINARY[name], (x, number), (True, False))
        check(BINARY[name], (number, x), (False, True), rounded=rounded)
        check(BINARY[name], (sample(dtype, ()), number), (True, False), rounded=rounded)
        if type(number) is bool or number == 10**20:
            continue  # no traced Python number
        check(BINARY[name], (number, x), (True, True), rounded=rounded)
        if name != "**":  # NumPy looks at the value of the exponent
            check(BINARY[name], (x, number), (True, True), rounded=rounded)


@pytest.mark.parametrize("exponent", [-3, -2, -1, 0, 1, 2, 3, 4, 7, 0.5, -0.5, 2.0, -1.0, 1.5])
def test_powers_take_the_short_cuts_of_ndarray(exponent: float) -> None:
    for dtype in DTYPES:
        check(lambda x: x**exponent, (sample(dtype, (257,)),), (True,))


_SHAPES = hnp.mutually_broadcastable_shapes(num_shapes=2, max_dims=3, max_side=3)


@settings(max_examples=300, deadline=None)
@given(st.data(), st.sampled_from(sorted(set(BINARY) - ROUNDED - {"*"})))
def test_promotion_and_broadcasting(data: st.DataObject, name: str) -> None:
    shapes = data.draw(_SHAPES).input_shapes
    args = tuple(
        data.draw(hnp.arrays(dtype, shape, elements={"allow_subnormal": False} if dtype[0] in "fc" else None))[()]
        for dtype, shape in zip(data.draw(st.tuples(*[st.sampled_from(DTYPES)] * 2)), shapes, strict=True)
    )
    with np.errstate(all="ignore"):
        check(BINARY[name], args, data.draw(st.sampled_from([(True, True), (True, False), (False, True)])))


def test_lists_of_numbers_are_arrays() -> None:
    x = np.arange(3.0)
    check(lambda t: np.add(t, [1, 2, 3]), (x,), (True,))
    check(lambda t: (1, 2, 3) * t, (x,), (True,))


def test_ufunc_methods() -> None:
    x = sample("f8", (3, 4))
    for fun in (
        lambda t: np.add.reduce(t),
        lambda t: np.add.reduce(t, axis=(0, 1)),
        lambda t: np.multiply.reduce(t, axis=1, keepdims=True),
        lambda t: np.maximum.reduce(t, axis=None),
        lambda t: np.minimum.reduce(t, axis=-1),
        lambda t: np.logical_and.reduce(t),
        lambda t: np.logical_or.reduce(t, axis=1),
        lambda t: np.add.accumulate(t),
        lambda t: np.multiply.accumulate(t, axis=1),
        lambda t: np.maximum.accumulate(t, axis=-1),
        lambda t: np.minimum.accumulate(t),
        lambda t: np.add.outer(t, [1, 2]),
        lambda t: np.multiply.outer(np.arange(3), t),
        lambda t: np.subtract.outer(t, 1.0),
        lambda t: np.add(t, 1, dtype="f4"),
        lambda t: np.sin(t, dtype=np.float32, where=True, casting="same_kind"),
    ):
        check(fun, (x,), (True,), rounded=True)


@pytest.mark.parametrize(
    ("fun", "error", "message"),
    [
        (lambda t: np.add.reduceat(t, [0]), UnsupportedFunctionError, "numpy.add.reduceat"),
        (lambda t: np.divide.at(t.copy(), [0], 1.0), UnsupportedFunctionError, "numpy.divide.at"),
        (lambda t: np.subtract.reduce(t), UnsupportedFunctionError, "numpy.subtract.reduce"),
        (lambda t: np.subtract.accumulate(t), UnsupportedFunctionError, "numpy.subtract.accumulate"),
        (lambda t: np.add(t, 1, where=[True, False, True]), UnsupportedArgumentError, "argument `where`"),
        (lambda t: np.add(t, 1, casting="unsafe"), UnsupportedArgumentError, "argument `casting`"),
        (lambda t: np.busday_count(t, t), UnsupportedFunctionError, "numpy.busday_count"),
        (lambda t: np.add(t, np.array(["a", "b", "c"])), ArrayTypeError, "<U1"),
        (lambda t: t.__array_ufunc__(np.add, "__call__", t, None), ArrayTypeError, "NoneType"),
        (lambda t: t + np.zeros(3, np.longdouble), ArrayTypeError, "ndarray"),
        (lambda t: t + "a", TypeError, "unsupported operand"),
    ],
)
def test_what_is_not_traced_says_so_by_name(fun: Callable[[Any], Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        through_identity(fun, np.arange(3.0))


def test_a_broadcast_error_names_both_operands() -> None:
    def add(x: Any, y: Any) -> Any:
        return x + y

    with pytest.raises(BroadcastError) as caught:
        through_identity(add, np.zeros((2, 3)), np.zeros(4, "f4"), traced=[True, False])
    text = str(caught.value)
    assert "`+`: operands could not be broadcast together with shapes (2, 3) and (4,)" in text
    assert "(2, 3): `x`, a traced value of type f64[2,3]" in text
    assert "(4,): `y`, a constant of type f32[4]" in text
    assert "return x + y" in text
    assert isinstance(caught.value, ValueError)


# ---- Python numbers stay Python numbers ----


@pytest.mark.parametrize(
    "fun",
    [
        lambda x: x + 1, lambda x: 2 * x, lambda x: x / 2, lambda x: -x, lambda x: abs(x), lambda x: x**2, lambda x: +x,
        lambda x: x - True, lambda x: x // 2, lambda x: 7 % x, lambda x: divmod(x, 2), lambda x: 2**x, lambda x: x * x,
    ],
)  # fmt: skip
@pytest.mark.parametrize("number", [3, 2.5])
def test_operators_between_python_numbers_are_weak(fun: Callable[[Any], Any], number: float) -> None:
    expected, got = fun(number), through_identity(fun, number)
    assert got == expected
    assert type(got) is type(expected)
    product_ = through_identity(lambda x, a: a * x, number, np.ones(2, np.float32))
    assert product_.dtype == np.float32


def test_what_makes_python_numbers_strong() -> None:
    assert through_identity(lambda x: type(unwrap(np.sin(x))), 2.0) is np.float64
    assert through_identity(lambda x: type(unwrap(x + np.float32(1))), 2.0) is np.float32
    assert through_identity(lambda x: type(unwrap(x < 3)), 2.0) is np.bool_
    assert through_identity(lambda x: type(unwrap(x**-1)), 2) is float


# ---- attributes and methods ----

METHODS: dict[str, Callable[[Any], Any]] = {
    "T": lambda t: t.T,
    "mT": lambda t: t.mT,
    "real": lambda t: t.real,
    "imag": lambda t: t.imag,
    "astype": lambda t: t.astype("c8"),
    "copy": lambda t: t.copy(),
    "reshape": lambda t: t.reshape(4, 3),
    "reshape tuple": lambda t: t.reshape((-1, 2)),
    "reshape F": lambda t: t.reshape(4, 3, order="F"),
    "transpose": lambda t: t.transpose(),
    "transpose axes": lambda t: t.transpose(1, 0),
    "swapaxes": lambda t: t.swapaxes(0, 1),
    "squeeze": lambda t: t[:1].squeeze(0),
    "ravel": lambda t: t.ravel(),
    "flatten": lambda t: t.flatten("F"),
    "repeat": lambda t: t.repeat(2, axis=1),
    "diagonal": lambda t: t.diagonal(1),
    "trace": lambda t: t.trace(),
    "sum": lambda t: t.sum(),
    "sum axis": lambda t: t.sum(axis=0, keepdims=True),
    "prod": lambda t: t.prod(1),
    "mean": lambda t: t.mean(),
    "var": lambda t: t.var(axis=0, ddof=1),
    "std": lambda t: t.std(),
    "max": lambda t: t.max(axis=0),
    "min": lambda t: t.min(),
    "all": lambda t: t.all(axis=1),
    "any": lambda t: t.any(),
    "argmax": lambda t: t.argmax(),
    "argmin": lambda t: t.argmin(axis=0),
    "cumsum": lambda t: t.cumsum(axis=1),
    "cumprod": lambda t: t.cumprod(),
    "argsort": lambda t: t.argsort(axis=0),
    "take": lambda t: t.take([0, 2], axis=1),
    "compress": lambda t: t.compress([True, False, True], axis=0),
    "dot": lambda t: t.dot(np.arange(4.0)),
    "matmul": lambda t: t @ np.arange(4.0),
    "rmatmul": lambda t: np.arange(3.0) @ t,
    "clip": lambda t: t.clip(-1, 1),
    "round": lambda t: t.round(1),
    "__round__": lambda t: round(t[1, 1], 1),
    "conj": lambda t: t.conj(),
    "index": lambda t: t[1, ::2],
    "iteration": lambda t: [row * 2 for row in t],
    "len": lambda t: len(t),
    "shape": lambda t: (t.shape, t.ndim, t.size, t.dtype, t.itemsize, t.nbytes),
}


@pytest.mark.parametrize("name", METHODS)
def test_methods(name: str) -> None:
    for dtype in ("f8", "f4", "i4"):
        x = np.arange(12).reshape(3, 4).astype(dtype) / (1 if dtype == "i4" else 3)
        x = x.astype(dtype)
        expected, got = METHODS[name](x), through_identity(METHODS[name], x)
        if isinstance(expected, np.ndarray | np.generic):
            assert_same(got, expected, rounded=True)
        else:
            np.testing.assert_equal(got, expected)


def test_a_tracer_hashes_by_identity_and_compares_by_element() -> None:
    def fun(t: Any) -> Any:
        assert len({t, t + 0}) == 2
        assert (t == None) is False  # noqa: E711  # what is compared
        return t == np.arange(3.0)

    assert through_identity(fun, np.arange(3.0)).tolist() == [True] * 3


def test_with_no_tracer_functions_are_numpys() -> None:
    x = np.arange(3.0)
    out = np.empty(())
    assert fnp.sum(x, out=out) is out  # type: ignore[call-arg]  # typed as what tracers take
    assert type(fnp.array([1, 2])) is np.ndarray
    assert isinstance(through_identity(lambda t: fnp.array([t, t * 2]), np.float64(2)), np.ndarray)


def test_signatures_of_functions_in_c_are_those_that_inspect_reads() -> None:
    texts = [f for f in TRACED if getattr(inspect.unwrap(f), "__text_signature__", None)]
    assert np.concatenate in texts
    for function in texts:
        assert signature_of(function) == inspect.signature(function)


def test_tracers_are_found_at_any_depth() -> None:
    def fun(t: Any) -> Any:
        result = fnp.array([[t, 1.0], (2.0, t)])
        assert isinstance(result, IdentityTracer)
        return result

    np.testing.assert_array_equal(through_identity(fun, np.float64(3)), [[3, 1], [2, 3]])


UPDATES: list[tuple[Callable[[Any], Any], list[int]]] = [
    (lambda t: fnp.at(t)[1:3].set(0), [1, 0, 0, 4, 5]),
    (lambda t: fnp.at(t)[[0, 0]].add(1), [3, 2, 3, 4, 5]),
    (lambda t: fnp.at(t)[0].subtract(1), [0, 2, 3, 4, 5]),
    (lambda t: fnp.at(t)[[1, 1]].multiply(2), [1, 8, 3, 4, 5]),
    (lambda t: fnp.at(t)[[3, 3]].divide(2), [1, 2, 3, 1, 5]),
    (lambda t: fnp.at(t)[1].power(3), [1, 8, 3, 4, 5]),
    (lambda t: fnp.at(t)[:].min(3), [1, 2, 3, 3, 3]),
    (lambda t: fnp.at(t)[:].max(3), [3, 3, 3, 4, 5]),
    (lambda t: fnp.at(t)[-1].apply(np.square), [1, 2, 3, 4, 25]),
    (lambda t: fnp.at(t)[np.array([7, 0])].get(mode="fill", fill_value=-1), [-1, 1]),
]


@pytest.mark.parametrize(("fun", "expected"), UPDATES)
def test_updates(fun: Callable[[Any], Any], expected: list[int]) -> None:
    x = np.arange(5.0) + 1
    np.testing.assert_array_equal(fun(x), expected)
    np.testing.assert_array_equal(through_identity(fun, x), expected)
    np.testing.assert_array_equal(x, np.arange(5.0) + 1)


def test_tracers_have_at_themselves() -> None:
    np.testing.assert_array_equal(through_identity(lambda t: t.at[0].set(9), np.arange(3.0)), [9, 1, 2])
