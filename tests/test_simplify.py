"""Simplification: every rule fires, keeps every bit for special values of every dtype, and stays away from what is not exact."""

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pytest

import functrans.numpy as fnp
from functrans import jit, lax
from functrans.backends.executable import compile_jaxpr
from functrans.compiler import simplify as passes
from functrans.compiler.inline import inline
from functrans.compiler.pipeline import optimize
from functrans.compiler.simplify import RULES, simplify
from functrans.core.aval import shaped
from functrans.core.check import check_jaxpr
from functrans.core.dce import dce
from functrans.core.ir import Jaxpr, eval_jaxpr
from functrans.ops.barrier import checkpoint_name
from functrans.ops.families import add_any
from functrans.transforms.stage import stage
from functrans.typing import Array

REAL = ("float16", "float32", "float64")
WHOLE = ("int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64")
COMPLEX = ("complex64", "complex128")
NUMBERS = (*WHOLE, *REAL, *COMPLEX)
ALL = ("bool", *NUMBERS)


def special(dtype: str) -> Array:
    """The values at which a rewrite that is not exact shows, as three rows."""
    kind = np.dtype(dtype)
    if kind.kind == "b":
        return np.array([[True, False, True]] * 3)
    if kind.kind in "iu":
        low, high = np.iinfo(kind).min, np.iinfo(kind).max
        return np.array([0, 1, 2, 3, 7, high, high - 1, low, low + 1], kind).reshape(3, 3)
    if kind.kind == "c":
        part = special(f"f{kind.itemsize // 2}").reshape(-1)
        real, imag = np.meshgrid(part, part)
        out = np.empty(real.size, kind)
        out.real, out.imag = real.reshape(-1), imag.reshape(-1)
        return out[: out.size // 3 * 3].reshape(3, -1)
    info = np.finfo(kind)
    values = [
        0.0,
        -0.0,
        1.0,
        -1.5,
        np.inf,
        -np.inf,
        np.nan,
        info.smallest_subnormal,
        -info.tiny / 2,
        info.max,
        0.5,
        3.7,
    ]
    return np.array(values, kind).reshape(3, 4)


class Row(NamedTuple):
    function: Callable[[Any], Any]
    left: str
    """The primitives that are left, in order."""
    dtypes: Sequence[str] = ALL


def number(x: Any, value: complex) -> Any:
    return np.asarray(value).astype(x.dtype)[()]


def array_of(x: Any, value: complex) -> Any:
    return fnp.broadcast_to(number(x, value), x.shape)


def repeated(x: Any, shape: tuple[int, ...]) -> Any:
    return fnp.broadcast_to(x, shape)


def extreme(x: Any, largest: bool) -> Any:
    kind = np.dtype(x.dtype)
    if kind.kind in "fb":
        return number(x, (np.inf if largest else -np.inf) if kind.kind == "f" else largest)
    return number(x, np.iinfo(kind).max if largest else np.iinfo(kind).min)


ROWS: dict[str, Row] = {
    # neutral elements
    "x + -0.0": Row(lambda x: x + number(x, -0.0), "", REAL),
    "-0.0 + x": Row(lambda x: number(x, -0.0) + x, "", REAL),
    "x + 0": Row(lambda x: x + number(x, 0), "", ("bool", *WHOLE)),
    "x + (-0.0 - 0.0i)": Row(lambda x: x + number(x, complex(-0.0, -0.0)), "", COMPLEX),
    "x + zeros": Row(lambda x: x + array_of(x, -0.0), "", (*WHOLE, *REAL)),
    "x and -0.0 as cotangents": Row(lambda x: add_any(x, array_of(x, -0.0)), "", REAL),
    "x - 0": Row(lambda x: x - number(x, 0), "", NUMBERS),
    "x * 1": Row(lambda x: x * number(x, 1), "", ("bool", *WHOLE, *REAL)),
    "1 * x": Row(lambda x: number(x, 1) * x, "", ("bool", *WHOLE, *REAL)),
    "x * ones": Row(lambda x: x * array_of(x, 1), "", ("bool", *WHOLE, *REAL)),
    "x / 1": Row(lambda x: x / number(x, 1), "", REAL),
    "x // 1": Row(lambda x: x // number(x, 1), "", WHOLE),
    "x ** 1": Row(lambda x: fnp.power(x, number(x, 1)), "", (*WHOLE, *REAL)),
    "integer_pow 1": Row(lambda x: lax.integer_pow(x, 1), "", (*WHOLE, *REAL)),
    "max with the lowest": Row(lambda x: fnp.maximum(x, extreme(x, False)), "", ("bool", *WHOLE, *REAL)),
    "min with the highest": Row(lambda x: fnp.minimum(extreme(x, True), x), "", ("bool", *WHOLE, *REAL)),
    "x & ones": Row(lambda x: x & ~number(x, 0), "", ("bool", *WHOLE)),
    "x | 0": Row(lambda x: x | number(x, 0), "", ("bool", *WHOLE)),
    "x ^ 0": Row(lambda x: x ^ number(x, 0), "", ("bool", *WHOLE)),
    "x << 0": Row(lambda x: x << number(x, 0), "", WHOLE),
    "x >> 0": Row(lambda x: x >> number(x, 0), "", WHOLE),
    "x >>> 0": Row(lambda x: lax.shift_right_logical(x, number(x, 0)), "", WHOLE),
    # the rest of what is elementwise
    "max(x, x)": Row(lambda x: fnp.maximum(x, x), ""),
    "min(x, x)": Row(lambda x: fnp.minimum(x, x), ""),
    "fmax(x, x)": Row(lambda x: fnp.fmax(x, x), "", (*WHOLE, *REAL)),
    "fmin(x, x)": Row(lambda x: fnp.fmin(x, x), "", (*WHOLE, *REAL)),
    "x & x": Row(lambda x: x & x, "", ("bool", *WHOLE)),
    "x | x": Row(lambda x: x | x, "", ("bool", *WHOLE)),
    "--x": Row(lambda x: fnp.negative(fnp.negative(x)), "", NUMBERS),
    "~~x": Row(lambda x: ~~x, "", ("bool", *WHOLE)),
    "conj conj": Row(lambda x: fnp.conj(fnp.conj(x)), "", COMPLEX),
    "||x||": Row(lambda x: abs(abs(x)), "abs", (*WHOLE, *REAL)),
    "|-x|": Row(lambda x: abs(-x), "abs", ("int8", "int64", *REAL)),
    "|-x| without sign": Row(lambda x: abs(-x), "neg abs", ("uint8", "uint64")),
    "real of complex": Row(lambda x: fnp.real(lax.complex(x, -x)), "", ("float32", "float64")),
    "imaginary part of complex": Row(lambda x: fnp.imag(lax.complex(-x, x)), "", ("float32", "float64")),
    "floor of ceil": Row(lambda x: fnp.floor(fnp.ceil(x)), "ceil", REAL),
    "ceil of trunc": Row(lambda x: fnp.ceil(fnp.trunc(x)), "trunc", REAL),
    "trunc of rint": Row(lambda x: fnp.trunc(fnp.rint(x)), "rint", REAL),
    "rint of floor": Row(lambda x: fnp.rint(fnp.floor(x)), "floor", REAL),
    "round_away of floor": Row(lambda x: lax.round(fnp.floor(x)), "floor", REAL),
    "stop_gradient": Row(lambda x: lax.stop_gradient(x), ""),
    "a name": Row(lambda x: checkpoint_name(x, "it"), "", ALL),
    "(x * 2) * 4": Row(lambda x: x * number(x, 2) * number(x, 4), "mul", (*WHOLE, *REAL)),
    "(3 * x) * 5": Row(lambda x: number(x, 5) * (number(x, 3) * x), "mul", WHOLE),
    "select of equals": Row(lambda x: fnp.where(x == x, x, x), ""),
    "select of equal numbers": Row(lambda x: lax.select(x == x, array_of(x, 1), array_of(x, 1)), "broadcast_in_dim"),
    "select by True": Row(lambda x: fnp.where(True, x, x + x), ""),
    "select by False": Row(lambda x: fnp.where(False, x, x + x), "add"),
    "select by many of one": Row(lambda x: fnp.where(fnp.zeros(x.shape, bool), x + x, x), ""),
    "through float64": Row(lambda x: x.astype("f8").astype(x.dtype), "", ("bool", "int8", "uint32", *REAL)),
    "through complex128": Row(lambda x: x.astype("c16").astype("c8"), "", ("complex64",)),
    "to int64 through int32": Row(lambda x: x.astype("i4").astype("i8"), "convert_element_type", ("int8", "uint16")),
    # views
    "transposed twice": Row(lambda x: x.T.T, ""),
    "transposed three times": Row(lambda x: x.T.T.T, "transpose"),
    "transposed by nothing": Row(lambda x: lax.transpose(x, (0, 1)), ""),
    "reshaped and back": Row(lambda x: x.reshape(-1).reshape(x.shape), ""),
    "reshaped twice": Row(lambda x: x.reshape(-1).reshape((1, 3 * x.shape[1])), "reshape"),
    "broadcast twice": Row(lambda x: fnp.broadcast_to(fnp.broadcast_to(x, (2, *x.shape)), (4, 2, *x.shape)),
                           "broadcast_in_dim"),
    "broadcast to its shape": Row(lambda x: lax.broadcast_in_dim(x, x.shape, (0, 1)), ""),
    "slice of all": Row(lambda x: lax.slice(x, (0, 0), x.shape), ""),
    "dynamic slice of all": Row(lambda x: lax.dynamic_slice(x, (2, x[0, 0].astype("i8")), x.shape),
                                "", ("int8", "bool", "int64")),
    "reversed twice": Row(lambda x: fnp.flip(fnp.flip(x, 1), 1), ""),
    "reversed along one element": Row(lambda x: fnp.flip(x[:1], 0), "slice"),
    "padded by nothing": Row(lambda x: lax.pad(x, number(x, 1), ((0, 0, 0), (0, 0, 0))), ""),
    "concatenated alone": Row(lambda x: fnp.concatenate([x]), ""),
    "split into one": Row(lambda x: lax.split(x, [3])[0], ""),
    # along axes
    "sum over nothing": Row(lambda x: lax.reduce_sum(x, ()), "", WHOLE),
    "product over nothing": Row(lambda x: lax.reduce_prod(x, ()), "", NUMBERS),
    "extrema over nothing": Row(lambda x: lax.reduce_max(lax.reduce_min(x, ()), ()), ""),
    "and, or, xor over nothing": Row(
        lambda x: lax.reduce_xor(lax.reduce_or(lax.reduce_and(x, ()), ()), ()), "", ("bool", *WHOLE)
    ),
    "max of repeated": Row(lambda x: fnp.max(fnp.broadcast_to(x, (5, *x.shape)), 0), ""),
    "min of repeated": Row(lambda x: fnp.min(fnp.broadcast_to(x, (5, *x.shape)), 0), ""),
    "all of repeated": Row(lambda x: fnp.all(fnp.broadcast_to(x, (5, *x.shape)), 0), "", ("bool",)),
    "any of repeated": Row(lambda x: fnp.any(fnp.broadcast_to(x, (5, *x.shape)), 0), "", ("bool",)),
    "cumulative over one": Row(
        lambda x: lax.cummax(lax.cummin(lax.cumprod(lax.cumsum(x[:1], 0), 0), 0), 0), "slice", (*WHOLE, *REAL)
    ),
    "sorted one": Row(lambda x: fnp.sort(x[:1], 0), "slice"),
    "sorted twice": Row(lambda x: fnp.sort(fnp.sort(x, 1), 1), "sort"),
    # constants
    "numbers": Row(lambda x: jit(lambda x, c: x + fnp.sin(c * c - c))(x, number(x, 2)), "add", REAL),
    "an array of one number": Row(lambda x: jit(lambda x, c: x * -repeated(c, x.shape))(x, number(x, 2)),
                                  "mul", ("int8", *REAL)),
    "a view of one number": Row(lambda x: jit(lambda x, c: x * repeated(c, x.shape[::-1]).T)(x, number(x, 1)),
                                "", ("int8", *REAL)),
    "the largest of one number": Row(
        lambda x: jit(lambda x, c: x * fnp.max(repeated(c, (5, *x.shape)), 0))(x, number(x, 1)), "", REAL
    ),
    "one number returned": Row(lambda x: jit(lambda x, c: repeated(-c, x.shape) * 2)(x, number(x, 1)),
                               "broadcast_in_dim", ("int8", *REAL)),
}  # fmt: skip

NOT_EXACT: dict[str, Row] = {
    "x + 0.0": Row(lambda x: x + number(x, 0.0), "add", (*REAL, *COMPLEX)),
    "sum over nothing": Row(lambda x: lax.reduce_sum(x, ()), "reduce_sum", (*REAL, *COMPLEX)),
    "0.0 - x": Row(lambda x: number(x, 0.0) - x, "sub", REAL),
    "x - -0.0": Row(lambda x: x - number(x, -0.0), "sub", REAL),
    "x * (1 + 0i)": Row(lambda x: x * number(x, 1), "mul", COMPLEX),
    "x / (1 + 0i)": Row(lambda x: x / number(x, 1), "div", COMPLEX),
    "x * 0": Row(lambda x: x * number(x, 0), "mul", REAL),
    "x - x": Row(lambda x: x - x, "sub", REAL),
    "x / x": Row(lambda x: x / x, "div", REAL),
    "1 / x": Row(lambda x: number(x, 1) / x, "div", REAL),
    "x // 1": Row(lambda x: x // number(x, 1), "floor_divide", REAL),
    "(x * 0.5) * 0.5": Row(lambda x: x * number(x, 0.5) * number(x, 0.5), "mul mul", REAL),
    "(x * 2) * 0.5": Row(lambda x: x * number(x, 2) * number(x, 0.5), "mul mul", REAL),
    "(x * 3) * 3": Row(lambda x: x * number(x, 3) * number(x, 3), "mul mul", REAL),
    "max(x, inf)": Row(lambda x: fnp.maximum(x, number(x, np.inf)), "max", REAL),
    "fmax(x, -inf)": Row(lambda x: fnp.fmax(x, number(x, -np.inf)), "fmax", REAL),
    "through float16": Row(lambda x: x.astype("f2").astype(x.dtype), "convert_element_type convert_element_type",
                           ("float32", "int32")),
    "int64 through float64": Row(lambda x: x.astype("f8").astype("i8"), "convert_element_type convert_element_type",
                                 ("int64",)),
    "sum of one number": Row(lambda x: jit(lambda x, c: x + fnp.sum(repeated(c, (5, *x.shape)), 0))(x, number(x, 0.1)),
                             "broadcast_in_dim reduce_sum add", REAL),
    "reversed along two axes": Row(lambda x: fnp.flip(fnp.flip(x, 0), 1), "rev rev", REAL),
    "sorted along two axes": Row(lambda x: fnp.sort(fnp.sort(x, 0), 1), "sort sort", REAL),
}  # fmt: skip


def jaxpr_of(row: Row, dtype: str) -> Jaxpr:
    return inline(stage(lambda x: [row.function(x)], [shaped(special(dtype).shape, np.dtype(dtype))]))


def cases(rows: Mapping[str, Row]) -> list[Any]:
    return [pytest.param(row, dtype, id=f"{name} {dtype}") for name, row in rows.items() for dtype in row.dtypes]


def bits(jaxpr: Jaxpr, x: Array) -> list[tuple[Any, ...]]:
    return [(out.dtype, out.shape, out.tobytes()) for out in map(np.asarray, eval_jaxpr(jaxpr, x))]


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize(("row", "dtype"), cases({**ROWS, **{f"not {k}": row for k, row in NOT_EXACT.items()}}))
def test_what_is_left_has_the_same_bits(row: Row, dtype: str) -> None:
    before = jaxpr_of(row, dtype)
    after = simplify(before)
    check_jaxpr(after)
    assert after.out_avals == before.out_avals
    assert " ".join(eqn.prim.name for eqn in dce(after).eqns) == row.left
    x = special(dtype)
    assert bits(after, x) == bits(before, x)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("name", ROWS)
def test_machine_code_of_what_is_left(name: str) -> None:
    row = ROWS[name]
    x = special(row.dtypes[-1])
    before = jaxpr_of(row, row.dtypes[-1])
    for out, expected in zip(compile_jaxpr(before)(x), eval_jaxpr(before, x), strict=True):
        np.testing.assert_array_equal(out, expected, strict=True)


@pytest.mark.parametrize("name", RULES)
def test_every_rule_is_tried_out(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without any one of the rules of a primitive something is left that should not be."""
    used = [row for row in ROWS.values() if name in _names(jaxpr_of(row, row.dtypes[-1]))]
    for rule in RULES[name]:
        others = tuple(other for other in RULES[name] if other is not rule)
        monkeypatch.setattr(passes, "RULES", {**RULES, name: others})
        left = [" ".join(_names(dce(simplify(jaxpr_of(row, row.dtypes[-1]))))) for row in used]
        assert left != [row.left for row in used], rule


def _names(jaxpr: Jaxpr) -> list[str]:
    return [eqn.prim.name for eqn in jaxpr.eqns]


def test_warnings_and_errors_of_constants_are_left_to_run_time() -> None:
    def function(x: Any) -> Any:
        return [x + jit(lambda one, zero: one // zero)(np.int32(1), np.int32(0))]

    jaxpr = simplify(inline(stage(function, [shaped((), np.dtype("i4"))])))
    assert "floor_divide" in _names(jaxpr)
    with pytest.warns(RuntimeWarning, match="divide by zero"):
        compile_jaxpr(jaxpr)(np.array(1, np.int32))


def test_a_sweep_is_a_fixed_point() -> None:
    for row in ROWS.values():
        once = simplify(jaxpr_of(row, row.dtypes[-1]))
        assert simplify(once) is once


def test_long_chains_take_one_sweep() -> None:
    def function(x: Any) -> Any:
        return [functools.reduce(lambda y, _: fnp.negative(fnp.negative((y * 1.0 - 0.0).T.T)), range(300), x)]

    assert not optimize(stage(function, [shaped((2, 2), np.dtype("f8"))])).eqns


def test_nothing_to_simplify_is_the_same_jaxpr() -> None:
    jaxpr = stage(lambda x: [fnp.sin(x) * x], [shaped((3,), np.dtype("f8"))])
    assert simplify(jaxpr) is jaxpr
