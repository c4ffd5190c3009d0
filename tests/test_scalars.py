"""The elements of native code: every elementwise operation, on every dtype, against NumPy."""

import ctypes
import warnings
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pytest

from functrans.backends.llvm.engine import Library, load
from functrans.backends.llvm.executable import NativeProgram
from functrans.backends.llvm.function import Function
from functrans.backends.llvm.ir import F32, PTR, Module
from functrans.backends.llvm.math import FUNCTIONS
from functrans.backends.llvm.scalar_complex_functions import COMPLEX_FUNCTIONS
from functrans.backends.llvm.scalar_warnings import FAILED, say_again
from functrans.backends.llvm.scalars import Scalars, supports
from functrans.backends.llvm.target import host
from functrans.core.aval import shaped
from functrans.core.lowering import Combine, Pointwise
from functrans.core.primitive import Primitive
from functrans.errors import CaseNumberError
from functrans.ops.__main__ import all_primitives
from functrans.ops.select import select_n
from functrans.transforms.stage import stage
from functrans.typing import DType

DTYPES = [np.dtype(code) for code in "?bhilBHILefdFD"]
IDS = [dtype.char for dtype in DTYPES]


# ---- operations ----

PRIMITIVES = {primitive.name: primitive for primitive in all_primitives()}
PARAMS: dict[str, list[dict[str, Any]]] = {
    "integer_pow": [{"y": y} for y in (-5, -2, -1, 0, 1, 2, 3, 4, 7, 13)],
    "convert_element_type": [{"dtype": dtype, "weak": False} for dtype in DTYPES],
    "bitcast_convert_type": [{"dtype_to": dtype} for dtype in DTYPES],
}
ULPS = {"integer_pow": 2.0, "logistic_difference": 32.0}
"""Of floats, where NumPy computes in another way (it rounds a difference first); elsewhere results are equal."""

COMPARISONS = ("eq", "ne", "lt", "le", "gt", "ge")
INT64, UINT64 = np.dtype(np.int64), np.dtype(np.uint64)


class Case(NamedTuple):
    name: str
    function: str
    params: dict[str, Any]
    operands: list[Any]
    out: DType


def _signatures(name: str, dtype: DType) -> list[list[DType]]:
    if name == "select_n":
        return [[np.dtype(which), *[dtype] * count] for which, count in (("?", 2), ("i", 2), ("i", 3))]
    if name == "ldexp":
        return [[dtype, np.dtype(code)] for code in "bhil"]
    mixed = [[dtype, UINT64 if dtype == INT64 else INT64]] if dtype in (INT64, UINT64) else []
    return [[dtype], [dtype] * 2, [dtype] * 4, *(mixed if name in COMPARISONS else [])]


def _specials(dtype: DType) -> Any:
    if dtype.kind == "b":
        return np.array([False, True])
    if dtype.kind in "iu":
        low, high, bits = np.iinfo(dtype).min, np.iinfo(dtype).max, 8 * dtype.itemsize
        some = [0, 1, 2, 3, 6, 7, 10, bits - 1, bits, bits + 1, high, high - 1, high // 2, low, low + 1, low // 2]
        return np.array([*some, *([-1, -2, -3, -7] if low else [])], dtype)
    if dtype.kind == "c":
        part = np.array([0, -0.0, 1, 0.5, -2, np.inf, -np.inf, np.nan, 3e-42, 1e30, -1e-30], f"f{dtype.itemsize // 2}")
        out = np.empty((len(part), len(part)), dtype)
        out.real, out.imag = part, part[:, None]
        return out.ravel()
    info = np.finfo(dtype)
    values: list[Any] = [0, 1, 2, 0.5, 1.5, 2.5, 0.49999, 3, 7, 10, np.inf, info.max, info.tiny, info.eps, 5e-8, 3e-8]
    values += [info.smallest_subnormal, 1 + info.eps, 1 - info.epsneg, 127.5, 128, 255.9, 2049, 32768, 65519.9, 65520]
    values += [2.0**31, 2.0**53, 2.0**63, 0.1]
    with np.errstate(over="ignore"):
        return np.array([np.nan, *values, *(-x for x in values)]).astype(dtype)


def _anything(rng: np.random.Generator, dtype: DType, count: int) -> Any:
    """Any bits, next to small whole numbers; NaN is of the usual bits."""
    if dtype.kind == "c":
        out = np.empty(count, dtype)
        out.real, out.imag = (_anything(rng, np.dtype(f"f{dtype.itemsize // 2}"), count) for _ in range(2))
        return out
    small = rng.integers(0, 2 if dtype.kind == "b" else 12, count).astype(dtype)
    if dtype.kind == "b":
        return small
    out = np.frombuffer(rng.bytes(count * dtype.itemsize), dtype).copy()
    out[out != out] = np.nan if dtype.kind == "f" else 0
    return np.where(rng.random(count) < 0.3, small, out)


def _operands(rng: np.random.Generator, name: str, dtypes: Sequence[DType]) -> list[Any]:
    specials = [_specials(dtype) for dtype in dtypes]
    if len(dtypes) <= 2:
        columns: list[Any] = [grid.ravel() for grid in np.meshgrid(*specials)]
    else:
        columns = [rng.choice(column, 200) for column in specials]
    operands = [np.concatenate([x, _anything(rng, dtype, 300)]) for x, dtype in zip(columns, dtypes, strict=True)]
    if name == "select_n":
        operands[0] = rng.integers(0, len(dtypes) - 1, len(operands[0])).astype(dtypes[0])
    if name == "pow" and dtypes[0].kind == "i":
        operands[1] = np.where(operands[1] < 0, 3, operands[1])
    return operands


def _lowered(primitive: Primitive, dtypes: Sequence[DType], params: dict[str, Any]) -> tuple[Pointwise, DType] | None:
    """How native code computes it, and the result's dtype; None where the primitive does not take such operands."""
    avals = [shaped((3,), dtype, False) for dtype in dtypes]
    try:
        (out,) = primitive.abstract_eval(*avals, **params)
        primitive.impl(*(np.ones(3, dtype) for dtype in dtypes), **params)
    except Exception:  # whichever error: it is not for such operands
        return None
    lowering = None if primitive.lower is None else primitive.lower(avals, params)
    if not isinstance(lowering, Pointwise):
        return None
    return (lowering, out.dtype) if all(supports(need, dtypes, params) for need in lowering.needs) else None


def _build(module: Module, case: Case, lowering: Pointwise, lanes: int) -> None:
    """A loop over all elements: whole vectors, then a tail."""
    dtypes, size = [x.dtype for x in case.operands], len(case.operands[0])
    names = [f"x{i}" for i in range(len(dtypes))]
    f = Function(module, case.function, [(name, PTR) for name in (*names, "out", "warnings")], exported=True)

    def step(index: Any, valid: int) -> None:
        b = Scalars(f, lanes, valid=valid, warnings=f.args[-1])
        given = [b.load(pointer, dtype, index) for pointer, dtype in zip(f.args, dtypes, strict=False)]
        b.store(lowering.emit(b, *given), f.args[-2], index)

    whole = size // lanes * lanes
    with f.loop(0, whole, lanes) as loop:
        step(loop.index, lanes)
    if whole < size:
        step(f.index(whole), size - whole)
    f.ret()


def _run(library: Library, case: Case) -> tuple[Any, int]:
    """What the native function computes, and the warnings that it notes."""
    out, noted = np.empty(len(case.operands[0]), case.out), np.zeros(1, np.int64)
    arrays = [*case.operands, out, noted]
    call = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * len(arrays))(library.address(case.function))
    call(*(array.ctypes.data for array in arrays))
    return out, int(noted[0])


def _cases(module: Module, dtype: DType) -> list[Case]:
    cases: list[Case] = []
    rng = np.random.default_rng(0)
    for name, primitive in sorted(PRIMITIVES.items()):
        for params in PARAMS.get(name, [{}]):
            for dtypes in _signatures(name, dtype):
                how = _lowered(primitive, dtypes, params)
                if how is None or (name in FUNCTIONS and dtype.kind == "f" and dtype.itemsize > 2):
                    continue  # the latter have tests of their own
                operands = _operands(rng, name, dtypes)
                for lanes in (1, module.lanes(F32)):
                    case = Case(name, f"{name}_{len(cases)}", params, operands, how[1])
                    _build(module, case, how[0], lanes)
                    cases.append(case)
    return cases


def _differences(got: Any, want: Any) -> Any:
    """In units of the last place; NaN is as good as any NaN."""
    if got.dtype.kind == "c":
        parts = [
            _differences(np.ascontiguousarray(getattr(got, p)), np.ascontiguousarray(getattr(want, p)))
            for p in ("real", "imag")
        ]
        return np.maximum(*parts)
    if got.dtype.kind != "f":
        return np.where(got == want, 0.0, np.inf)
    places = []
    for x in (got, want):
        bits = np.ascontiguousarray(x).view(f"i{x.dtype.itemsize}").astype(np.int64)
        places.append(np.where(bits < 0, -0.5 - (bits & np.iinfo(f"i{x.dtype.itemsize}").max), bits.astype(float)))
    return np.where(np.isnan(got) & np.isnan(want), 0.0, abs(places[0] - places[1]))


def _strays(got: Any, want: Any) -> Any:
    """Where complex numbers differ by more than some roundings of the larger part, or infinities or NaN differ."""
    apart, size = np.zeros(len(got)), np.zeros(len(got))
    for x, y in ((got.real, want.real), (got.imag, want.imag)):
        same = (x == y) | (np.isnan(x) & np.isnan(y))
        with np.errstate(invalid="ignore", over="ignore"):
            apart = np.maximum(apart, np.where(same, 0, abs(x - y)))
        size = np.maximum(size, np.where(np.isfinite(y), abs(y), 0))
    info = np.finfo(got.dtype)
    return ~(apart <= 16 * info.eps * size + 2 * info.smallest_subnormal)


def _is_defined(case: Case) -> Any:
    """Out of uint32's range, NumPy's loops over contiguous and over strided floats differ."""
    x = case.operands[0]
    if case.name != "convert_element_type" or case.out != np.uint32 or x.dtype.kind not in "fc":
        return True
    return (x.real > -1) & (x.real < np.array(2.0**32, np.float64))


@pytest.mark.parametrize("dtype", DTYPES, ids=IDS)
def test_operations_give_numpys_bits(dtype: DType) -> None:
    module = Module(host())
    cases = _cases(module, dtype)
    library = load(module.text(), host(), tuple(case.function for case in cases))
    for case in cases:
        got, _ = _run(library, case)
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            want = np.asarray(PRIMITIVES[case.name].impl(*case.operands, **case.params)[0])
        if dtype.kind == "c" and case.name in {*COMPLEX_FUNCTIONS, "rsqrt"}:
            wrong = _strays(got, want)
        else:
            allowed = 0.0 if dtype.kind not in "fc" else ULPS.get(case.name, 1.0 if case.name in FUNCTIONS else 0.0)
            wrong = (_differences(got, want) > allowed) & _is_defined(case)
        shown = [(*(x[i] for x in case.operands), got[i], want[i]) for i in np.flatnonzero(wrong)[:3]]
        assert not wrong.any(), (case.name, case.params, shown)


@pytest.mark.parametrize(
    ("name", "code", "constants"),
    [
        *[(name, code, [0.0, -0.0, 1.0, np.inf, np.nan]) for name in ("max", "min", "fmax") for code in "fe"],
        *[(name, code, [0, 1, 7, -1, -128]) for name in ("floor_divide", "remainder", "max") for code in "bil"],
    ],
)
def test_operations_with_a_constant_on_either_side(name: str, code: str, constants: list[float]) -> None:
    dtype, module, primitive = np.dtype(code), Module(host()), PRIMITIVES[name]
    x = np.concatenate([_specials(dtype), _anything(np.random.default_rng(0), dtype, 100)])
    cases = []
    for i, constant in enumerate([*constants, *constants]):

        def emit(b: Any, element: Any, number: float = constant, first: bool = i < len(constants)) -> Any:
            known = b.constant(number, dtype)
            return b.call(name, known, element) if first else b.call(name, element, known)

        case = Case(name, f"constant{i}", {}, [x], dtype)
        _build(module, case, Pointwise(emit), module.lanes(F32))
        cases.append((case, (np.full_like(x, constant), x)[:: 1 if i < len(constants) else -1]))
    library = load(module.text(), host(), tuple(case.function for case, _ in cases))
    for case, operands in cases:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            want = primitive.impl(*operands)[0]
        wrong = _differences(_run(library, case)[0], want) > 0
        assert not wrong.any(), (case.name, [(*(x[i] for x in operands), want[i]) for i in np.flatnonzero(wrong)[:3]])


# ---- what NumPy would warn of, or raise ----


def _noting(name: str, dtype: DType, operands: list[Any], lanes: int) -> int:
    module, case = Module(host()), Case(name, "noting", {}, operands, dtype)
    how = _lowered(PRIMITIVES[name], [x.dtype for x in operands], {})
    assert how is not None
    _build(module, case, how[0], lanes)
    return _run(load(module.text(), host(), (case.function,)), case)[1]


@pytest.mark.parametrize("lanes", [1, 8])
@pytest.mark.parametrize("name", ["floor_divide", "remainder", "rem", "reciprocal"])
def test_integers_note_what_numpy_warns_of_and_nothing_for_lanes_that_do_not_count(name: str, lanes: int) -> None:
    dtype = np.dtype(np.int32)
    pairs = [([7, -7, 3], [2, 3, -1]), ([7, 7, 7], [1, 0, 1]), ([np.iinfo(dtype).min] * 3, [1, 1, -1])]
    for pair in pairs:
        operands = [np.array(x, dtype) for x in (pair[1:] if name == "reciprocal" else pair)]
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            PRIMITIVES[name].impl(*operands)
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            say_again(_noting(name, dtype, operands, lanes))
        assert [str(warning.message) for warning in said] == [str(warning.message) for warning in caught]


@pytest.mark.parametrize("lanes", [1, 8])
def test_what_numpy_would_raise_for_is_noted(lanes: int) -> None:
    dtype = np.dtype(np.int32)
    x = np.arange(11, dtype=dtype)
    assert _noting("pow", dtype, [x, x], lanes) == 0
    assert _noting("pow", dtype, [x, x - 1], lanes) == FAILED
    assert _noting("select_n", dtype, [x % 2, x, x], lanes) == 0
    assert _noting("select_n", dtype, [x % 3, x, x], lanes) == FAILED
    assert _noting("select_n", dtype, [-(x % 2), x, x], lanes) == FAILED


def test_what_was_noted_is_said_as_errstate_wants() -> None:
    dtype = np.dtype(np.int32)
    noted = _noting("floor_divide", dtype, [np.ones(3, dtype), np.zeros(3, dtype)], 1)
    with np.errstate(divide="ignore"):
        say_again(noted)
    with (
        np.errstate(divide="raise"),
        pytest.raises(FloatingPointError, match="divide by zero encountered in floor_divide"),
    ):
        say_again(noted)


def test_a_program_raises_what_numpy_raises_for_an_element() -> None:
    def chosen(which: Any, x: Any) -> Any:
        return (select_n(which, x, -x),)

    x = np.arange(5, dtype=np.int32)
    jaxpr = stage(chosen, [shaped((5,), x.dtype, False)] * 2)
    program = NativeProgram(jaxpr)
    np.testing.assert_array_equal(program(x % 2, x)[0], [0, -1, 2, -3, 4])
    with pytest.raises(CaseNumberError):
        program(x, x)


# ---- reductions over lanes ----

REDUCERS: dict[Combine, Any] = {
    "add": np.add,
    "mul": np.multiply,
    "max": np.maximum,
    "min": np.minimum,
    "and": np.bitwise_and,
    "or": np.bitwise_or,
    "xor": np.bitwise_xor,
}


@pytest.mark.parametrize("dtype", DTYPES, ids=IDS)
def test_lanes_reduce_to_one_with_the_identity_in_those_that_do_not_count(dtype: DType) -> None:
    module, lanes, valid = Module(host()), 8, 5
    combines: list[Combine] = [name for name in REDUCERS if dtype.kind in "biu" or name in ("add", "mul", "max", "min")]
    for name in combines:
        f = Function(module, f"reduce_{name}", [("x", PTR), ("y", PTR)], exported=True)
        b, one = Scalars(f, lanes), Scalars(f, 1)
        element = b.select_lanes(valid, b.load(f.args[0], dtype), b.identity(name, dtype))
        one.store(b.reduce_lanes(name, element), f.args[1])
        one.store(one.identity(name, dtype), f.args[1], 1)
        f.ret()
    library = load(module.text(), host(), tuple(f"reduce_{name}" for name in combines))
    x = np.arange(1, lanes + 1).astype(dtype)
    samples = [x, -x if dtype.kind in "ifc" else x]
    if dtype.kind in "fc":
        samples.append(np.where(x == 3, np.array(np.nan, dtype), x))
    for name in combines:
        call = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p)(library.address(f"reduce_{name}"))
        for sample in samples:
            given, out = np.ascontiguousarray(sample), np.zeros(2, dtype)
            call(given.ctypes.data, out.ctypes.data)
            want = REDUCERS[name].reduce(given[:valid], dtype=dtype)
            np.testing.assert_equal(out[0], want, (name, sample))
            np.testing.assert_equal(REDUCERS[name](given, out[1]), given, (name, sample))
