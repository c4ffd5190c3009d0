"""Compiled code is as careful as NumPy: indices are tested, and integers divided by zero give NumPy's results and warnings."""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import functrans.numpy as fnp
from functrans import jit, lax

_HERE = "test_checked_results.py"


# ---- indices ----


def _line(fun: Callable[..., Any]) -> str:
    return f"{_HERE}:{fun.__code__.co_firstlineno}"


_INDEXED: list[Callable[[Any, Any], Any]] = [
    lambda x, i: x[i],
    lambda x, i: x[:, i],
    lambda x, i: fnp.take(x, i, axis=1),
    lambda x, i: fnp.take_along_axis(x, fnp.broadcast_to(i, (4, i.shape[0])), 1),
    lambda x, i: x.at[i].add(1.0),
    lambda x, i: x.at[:, i].set(0.0),
]


@pytest.mark.parametrize("count", [1, 3, 8, 17, 40])
@pytest.mark.parametrize("fun", _INDEXED)
def test_an_index_out_of_range_raises_wherever_it_stands_and_names_the_line(
    fun: Callable[[Any, Any], Any], count: int
) -> None:
    x, compiled = np.arange(16.0).reshape(4, 4), jit(fun)
    fine = np.arange(count) % 8 - 4
    compiled(x, fine)
    for place in {0, count // 2, count - 1}:
        for wrong in (4, -5, np.iinfo(np.int64).max, np.iinfo(np.int64).min):
            indices = fine.copy()
            indices[place] = wrong
            with pytest.raises(IndexError, match=f"index {wrong} is out of bounds") as caught:
                compiled(x, indices)
            told = str(caught.value) + "".join(getattr(caught.value, "__notes__", []))
            assert _line(fun) in told, told


def _set(i: Any, x: Any) -> Any:
    return x.at[i].set(0.0)


def _taken(carry: Any, i: Any) -> tuple[Any, None]:
    return carry + carry.take(i), None


_LOOPS: list[tuple[Callable[[Any], Any], Callable[..., Any]]] = [
    (lambda x: lax.fori_loop(0, 9, _set, x), _set),
    (lambda x: lax.scan(_taken, x, np.arange(9))[0], _taken),
    (lambda x: lax.scan(lambda c, i: (jit(_set)(i, c), None), x, np.arange(9))[0], _set),
    (lambda x: lax.cond(x[0] == 0, lambda x: lax.fori_loop(0, 9, _set, x), lambda x: x, x), _set),
]


@pytest.mark.parametrize(("fun", "body"), _LOOPS)
def test_an_error_in_a_loop_names_the_line_in_its_body_and_then_the_loops(
    fun: Callable[[Any], Any], body: Callable[..., Any]
) -> None:
    for function in (fun, jit(fun)):
        with pytest.raises(IndexError, match="index 4 is out of bounds") as caught:
            function(np.arange(4.0))
        assert f"{_HERE}:{body.__code__.co_firstlineno + 1} ({body.__name__})" in str(caught.value)
        assert "in `scan`" in caught.value.__notes__[0]


# ---- integers ----

_DIVISIONS: list[Callable[..., Any]] = [np.floor_divide, np.remainder, np.fmod]
_SHIFTS: list[Callable[..., Any]] = [np.left_shift, np.right_shift]
_STATES = ("ignore", "warn", "raise")


def _outcome(fun: Callable[..., Any], operands: tuple[Any, ...], state: Any) -> tuple[list[str], Any]:
    """What is said, and the result or the error."""
    with warnings.catch_warnings(record=True) as caught, np.errstate(all=state):
        warnings.simplefilter("always")
        try:
            result: Any = fun(*operands)
        except FloatingPointError as error:
            return [], str(error)
    return [str(warning.message) for warning in caught], result


def _assert_alike(compiled: Callable[..., Any], fun: Callable[..., Any], operands: tuple[Any, ...]) -> None:
    for state in _STATES:
        said, got = _outcome(compiled, operands, state)
        to_say, want = _outcome(fun, operands, state)
        assert said == to_say, (fun, operands)
        np.testing.assert_array_equal(got, want)
        assert isinstance(want, str) or (got.dtype, got.shape) == (want.dtype, want.shape)


@pytest.mark.parametrize("code", "bhilBHIL")
@pytest.mark.parametrize("fun", _DIVISIONS)
def test_division_by_zero_and_the_overflow_of_a_quotient(fun: Callable[..., Any], code: str) -> None:
    limits, rng = np.iinfo(code), np.random.default_rng(1)
    for count in (1, 3, 16, 67):
        x = rng.integers(limits.min, limits.max, count, code, endpoint=True)
        y = rng.integers(1, limits.max, count, code, endpoint=True)
        compiled = jit(lambda x, y: fun(x, y))
        _assert_alike(compiled, fun, (x, y))
        for place in {0, count - 1}:
            divisor = y.copy()
            divisor[place] = 0
            _assert_alike(compiled, fun, (x, divisor))
            if limits.min < 0:
                least, minus = x.copy(), y.copy()
                least[place], minus[place] = limits.min, -1
                _assert_alike(compiled, fun, (least, minus))


@pytest.mark.parametrize("code", "bhilBHIL")
@pytest.mark.parametrize("fun", [*_DIVISIONS, np.divmod])
def test_division_by_a_constant(fun: Callable[..., Any], code: str) -> None:
    limits = np.iinfo(code)
    divisors = {1, 2, 3, 4, 7, 64, 100, limits.max, limits.max // 2 + 1, limits.min, -1, -2, -3, 0}
    ends = [limits.min, limits.min + 1, limits.max - 1, limits.max, *range(max(limits.min, -9), 10)]
    x = np.array(ends, code)
    for divisor in divisors:
        if limits.min <= divisor:
            y = x.dtype.type(divisor)
            for operand in (x, x[:5], x[4:5], x[0]):
                compiled = jit(lambda x, y=y: fun(x, y))
                with np.errstate(all="ignore"):
                    np.testing.assert_array_equal(compiled(operand), fun(operand, y))


@pytest.mark.parametrize("code", "bhilBHIL")
@pytest.mark.parametrize("fun", _SHIFTS)
def test_shifts_beyond_the_width(fun: Callable[..., Any], code: str) -> None:
    limits, rng = np.iinfo(code), np.random.default_rng(2)
    for count in (1, 3, 16, 67):
        x = rng.integers(limits.min, limits.max, count, code, endpoint=True)
        y = rng.integers(max(limits.min, -70), 80, count).astype(code)
        _assert_alike(jit(lambda x, y: fun(x, y)), fun, (x, y))


@pytest.mark.parametrize("code", "bhilBHIL")
def test_reciprocals_of_zero_and_negative_powers(code: str) -> None:
    for count in (1, 5, 33):
        x = (np.arange(count) - count // 2).astype(code)
        _assert_alike(jit(np.reciprocal), np.reciprocal, (x,))
        y = np.full_like(x, 3)
        _assert_alike(jit(lambda x, y: np.power(x, y)), np.power, (x, y))
        if np.iinfo(code).min < 0:
            y[-1] = -1
            with pytest.raises(ValueError, match="negative integer powers"):
                jit(lambda x, y: np.power(x, y))(x, y)


def test_a_remainder_of_a_fused_chain_warns_once_for_each_kind() -> None:
    x, y = np.arange(-8, 9), np.zeros(17, np.int64)
    compiled = jit(lambda x, y: lax.rem(x + 1, y) + (x * 2) // y)
    said, _ = _outcome(compiled, (x, y), "warn")
    assert sorted(said) == ["divide by zero encountered in floor_divide", "divide by zero encountered in fmod"]
