"""The native mathematics against exact results and NumPy's special values: a row of `tests.ulp_table` per function.

`pytest -s` shows the table of errors.
"""

from collections.abc import Iterator
from itertools import product

import numpy as np
import pytest

from functrans.backends.llvm.math import FUNCTIONS
from functrans.backends.llvm.target import Target, host
from tests.native_math import Array, compiled
from tests.ulp_table import BITS, ROWS, SAME, errors, measure, scanned, table

CASES = list(product(ROWS, BITS))
# The farthest that NumPy's own results are from ours, where both are finite: it errs by more than we do.
NEAR_NUMPY = 6


def special_values(bits: int) -> Array:
    """Numbers that functions have something to say about, of both signs, and NaNs with different digits."""
    dtype = np.dtype(f"f{bits // 8}")
    limits = np.finfo(dtype)
    sizes = [
        0,
        limits.smallest_subnormal,
        limits.tiny,
        0.5,
        1 - limits.epsneg,
        1,
        1 + limits.eps,
        1.5,
        2,
        3,
        4,
        10,
        1001,
    ]
    sizes += [2.0 ** (limits.nmant + 1), 2.0 ** (limits.nmant + 1) - 1, limits.max, np.inf]
    quiet = np.array([np.nan], dtype).view(f"u{bits // 8}")
    nans = np.concatenate([quiet, quiet + 1, quiet + 1234567]).view(dtype)
    return np.concatenate([np.array(sizes, dtype), -np.array(sizes, dtype), nans])


def operands(name: str, bits: int) -> tuple[Array, ...]:
    values = special_values(bits)
    return (values,) if ROWS[name].arity == 1 else tuple(axis.ravel() for axis in np.meshgrid(values, values))


@pytest.fixture(scope="module", autouse=True)
def _shown() -> Iterator[None]:
    yield
    print("\n" + table())  # the errors are known by now


def test_every_function_has_a_row() -> None:
    assert ROWS.keys() | SAME.keys() == FUNCTIONS.keys()
    assert all(FUNCTIONS[name] is FUNCTIONS[other] for name, other in SAME.items())


@pytest.mark.parametrize(("name", "bits"), CASES)
def test_errs_by_at_most_two_units_of_the_last_digit(name: str, bits: int) -> None:
    points, error = errors(name, bits)
    worst = int(error.argmax())
    assert error[worst] <= 2, f"{error[worst]} ULP at {[float(x[worst]) for x in points]}"


@pytest.mark.parametrize("name", [name for name in ROWS if ROWS[name].arity == 1])
def test_errs_as_little_over_the_bits_of_all_floats(name: str) -> None:
    x, error = scanned(name, 2**13)
    assert error <= 2, f"{error} ULP at {x}"


@pytest.mark.parametrize(("name", "bits"), CASES)
@np.errstate(all="ignore")
def test_has_numpys_special_values(name: str, bits: int) -> None:
    given = operands(name, bits)
    wanted = ROWS[name].numpy(*given)
    got = compiled(name, bits, len(given))(*given)
    loose = ROWS[name].also_of is not None  # near the zero of a sum of logarithms NumPy's digits are not to be compared
    unit = np.spacing(np.maximum(np.abs(wanted), loose))
    close = np.isfinite(wanted) & ((wanted != 0) | loose) & (np.abs(got - wanted) <= NEAR_NUMPY * unit)
    same = (np.isnan(got) & np.isnan(wanted)) | (got == wanted) & (np.signbit(got) == np.signbit(wanted))
    wrong = np.flatnonzero(~(same | close))
    assert not wrong.size, [(*(x[i] for x in given), got[i], wanted[i]) for i in wrong[:5]]


@pytest.mark.parametrize(("name", "bits"), CASES)
def test_any_number_of_lanes_gives_the_same(name: str, bits: int) -> None:
    given = operands(name, bits)
    expected = compiled(name, bits, len(given))(*given)
    for lanes in (1, 2, 1024 // bits):
        np.testing.assert_array_equal(compiled(name, bits, len(given), lanes)(*given), expected)


def _without(*features: str) -> Target:
    """This machine, as if it had not these features and no AVX-512."""
    here = host()
    wanted = [item for item in here.features.split(",") if item[1:] not in features and item[1:6] != "avx51"]
    return Target(here.triple, here.cpu, ",".join([*wanted, "-avx512f", *(f"-{feature}" for feature in features)]))


def _some(name: str, bits: int) -> tuple[Array, ...]:
    """Some of the points at which errors are measured."""
    return tuple(x[:: 300 if bits == 32 else 7] for x in errors(name, bits)[0])


@pytest.mark.skipif(not host().has("avx512f"), reason="has no AVX-512 anyway")
@pytest.mark.parametrize(("name", "bits"), CASES)
def test_gives_the_same_without_the_instructions_of_avx512(name: str, bits: int) -> None:
    for given in (_some(name, bits), operands(name, bits)):
        got = compiled(name, bits, len(given), None, _without())(*given)
        np.testing.assert_array_equal(got, compiled(name, bits, len(given))(*given))


@pytest.mark.skipif(not host().has("fma"), reason="the target always has, or never has, a fused multiply-add")
@pytest.mark.parametrize(("name", "bits"), CASES)
def test_does_without_a_fused_multiply_add(name: str, bits: int) -> None:
    some = _some(name, bits)
    got = compiled(name, bits, len(some), None, _without("fma"))(*some)
    error = measure(ROWS[name], bits, some, got)
    worst = int(error.argmax())
    assert error[worst] <= 4, f"{error[worst]} ULP at {[float(x[worst]) for x in some]}"
