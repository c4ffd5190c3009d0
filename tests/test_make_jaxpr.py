"""Jaxprs of small programs, held to their text, and the types that eval_shape gives."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from functrans import lax
from functrans import numpy as fnp
from functrans.core.check import check_jaxpr
from functrans.errors import (
    ArgnumsError,
    ArrayTypeError,
    ConcretizationError,
    LeakedTracerError,
    NonArrayInputError,
    NonArrayOutputError,
    UnboundAxisError,
)
from functrans.jit import jit
from functrans.transforms.grad import grad
from functrans.transforms.jacobian import jacfwd
from functrans.transforms.jvp import jvp
from functrans.transforms.make_jaxpr import ShapeDtypeStruct, eval_shape, make_jaxpr
from functrans.transforms.vmap import vmap

GOLDEN = Path(__file__).parent / "golden"
F32 = partial(ShapeDtypeStruct, dtype=np.float32)
F64 = partial(ShapeDtypeStruct, dtype=np.float64)
TABLE = np.arange(3.0)


def layer(params: Any, x: Any) -> Any:
    return np.tanh(x @ params["w"] + params["b"])


PARAMS = {"w": F64((3, 2)), "b": F64(2)}
PROGRAMS: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
    "elementwise": (lambda x, y: np.sin(x) * y - x / 2, (F64(3), F64(3))),
    "python_scalars": (lambda x, n: (x * n + 1, n * 2), (F32(3), 2.0)),
    "broadcasting": (lambda x, y: x + y, (F64((2, 1)), F64(3))),
    "promotion": (lambda x, y: x + y, (ShapeDtypeStruct(3, np.int32), F32(3))),
    "constants": (lambda x: (x + TABLE, np.zeros(3) + x), (F64(3),)),
    "reductions": (lambda x: {"sum": np.sum(x, axis=0), "max": np.max(x)}, (F64((2, 3)),)),
    "layer": (layer, (PARAMS, F64((4, 3)))),
    "gradient": (grad(lambda p, x: np.sum(layer(p, x) ** 2)), (PARAMS, F64((4, 3)))),
    "tangent": (lambda x, t: jvp(lambda x: np.exp(x) * x, (x,), (t,)), (F64(3), F64(3))),
    "batch": (vmap(lambda x, y: np.dot(x, y), (0, None)), (F64((2, 3)), F64(3))),
    "jit": (lambda x: jit(lambda y: np.cos(y))(x) + jit(np.sin)(x), (F64(2),)),
    "jacobian": (jacfwd(lambda x: x**2), (F64(2),)),
    "stopped": (lambda x: x * lax.stop_gradient(x), (F64(2),)),
    "nothing": (lambda x: (x, 1, np.float32(2.0)), (F64(2),)),
    "branch": (lambda x: lax.cond(x[0] > 1, lambda: x * 2, lambda: np.sin(x)), (F64(2),)),
    "loops": (
        lambda x, n: lax.fori_loop(0, n, lambda i, c: lax.map(np.sin, c) + i, x),
        (F64(2), ShapeDtypeStruct((), np.int64)),
    ),
    "scan_gradient": (
        grad(lambda w, x: np.sum(lax.scan(lambda c, v: (np.tanh(c @ w) * v, v), x[0], x)[0])),
        (F64((3, 3)), F64((4, 3))),
    ),
    "integers": (lambda x: (x // 2, x.astype(np.float32), ~x), (ShapeDtypeStruct(2, np.int8),)),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_golden(name: str, request: pytest.FixtureRequest) -> None:
    fun, args = PROGRAMS[name]
    jaxpr = make_jaxpr(fun)(*args)
    check_jaxpr(jaxpr)
    path = GOLDEN / f"jaxpr_{name}.txt"
    text = f"{jaxpr}\n"
    if request.config.getoption("--update-golden"):
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


def test_collectives_over_an_environment_of_axes() -> None:
    jaxpr = make_jaxpr(lambda x: lax.psum(x, "i"), axis_env=[("i", 4)])(F64(2))
    assert str(jaxpr) == "{ lambda ; a:f64[2]. let\n    b:f64[2] = psum[axis_name=i axis_size=4] a\n  in (b,) }"
    with pytest.raises(UnboundAxisError):
        make_jaxpr(lambda x: lax.psum(x, "i"))(F64(2))


class TestMakeJaxpr:
    def test_static_arguments(self) -> None:
        def fun(mode: str, x: Any, n: int) -> Any:
            return x**n if mode == "power" else x

        for numbers in ((0, 2), (0, -1)):
            jaxpr = make_jaxpr(fun, static_argnums=numbers)("power", F64(2), 2)
            assert (len(jaxpr.invars), len(jaxpr.eqns)) == (1, 1)
        assert make_jaxpr(fun, static_argnums=(0,))("none", F64(2), 2.0).in_avals[1].weak
        with pytest.raises(ArgnumsError, match=r"make_jaxpr of `.*fun` with argnums=5"):
            make_jaxpr(fun, static_argnums=5)("power", F64(2), 2)

    def test_return_shape(self) -> None:
        jaxpr, shape = make_jaxpr(lambda x: {"a": x.T}, return_shape=True)(np.ones((2, 3)))
        assert shape == {"a": F64((3, 2))}
        assert jaxpr.out_avals[0].shape == (3, 2)

    def test_keywords_are_traced(self) -> None:
        jaxpr = make_jaxpr(lambda x, *, scale: x * scale)(F64(2), scale=F64(2))
        assert len(jaxpr.invars) == 2

    def test_captured_arrays_are_snapshots(self) -> None:
        table = np.array([1.0, 2.0])
        jaxpr = make_jaxpr(lambda x: x + table)(F64(2))
        table[0] = 100.0
        np.testing.assert_array_equal(jaxpr.consts[0], [1.0, 2.0])

    def test_equations_name_the_line(self) -> None:
        jaxpr = make_jaxpr(lambda x: np.sin(x))(F64(2))
        source = jaxpr.eqns[0].source
        assert source is not None
        assert source.file == __file__
        assert "np.sin(x)" in source.text

    def test_inside_other_transforms(self) -> None:
        seen = []

        def fun(x: Any) -> Any:
            seen.append(make_jaxpr(np.sin)(x))
            return x

        grad(fun)(1.0)
        vmap(fun)(np.ones((2, 3)))
        assert [jaxpr.in_avals[0].shape for jaxpr in seen] == [(), (3,)]


class TestErrors:
    def test_arguments_are_named_by_their_path(self) -> None:
        def fun(params: Any, x: Any) -> Any:
            return x

        with pytest.raises(NonArrayInputError, match=r"make_jaxpr\(.*fun\) got params\[0\]\['w'\] of type str"):
            make_jaxpr(fun)([{"w": "text"}], 1.0)
        with pytest.raises(NonArrayInputError, match=r"eval_shape\(.*fun\) got x of type object"):
            eval_shape(fun, F64(2), object())
        with pytest.raises(NonArrayInputError, match=r"got x of type ndarray: its dtype is object"):
            eval_shape(fun, 1.0, np.array([None]))
        with pytest.raises(NonArrayOutputError, match="returned a value of type str"):
            make_jaxpr(lambda x: "text")(1.0)

    def test_values_are_not_known(self) -> None:
        with pytest.raises(ConcretizationError, match="argument `x` of"):
            make_jaxpr(lambda x: bool(x))(1.0)

    def test_leaks(self) -> None:
        kept: list[Any] = []

        def keep(x: Any) -> Any:
            kept.append(x)
            return x

        make_jaxpr(keep)(1.0)
        with pytest.raises(LeakedTracerError, match="argument `x` of"):
            np.sin(kept[0])
        with pytest.raises(LeakedTracerError):
            make_jaxpr(lambda y: y + kept[0])(1.0)


class TestEvalShape:
    def test_nothing_is_computed(self) -> None:
        big = F64((10**9, 10**9))
        assert eval_shape(lambda x: np.sum(x @ x, axis=1), big) == F64(10**9)

    def test_trees_and_weak_results(self) -> None:
        got = eval_shape(lambda p, n: {"y": p["w"] * 2, "n": n * 3, "c": 1}, {"w": F32((2, 2))}, 1.0)
        assert got["y"] == F32((2, 2))
        assert got["n"] == ShapeDtypeStruct((), np.float64, weak_type=True)
        assert got["c"] == ShapeDtypeStruct((), np.int64, weak_type=True)

    def test_same_as_running(self) -> None:
        for fun, args in PROGRAMS.values():
            if any(isinstance(arg, float) for arg in args):
                continue
            concrete = [_ones(arg) for arg in args]
            shape = eval_shape(fun, *args)
            out = fun(*concrete)
            assert _types(shape) == _types(out)

    def test_errors_of_the_function(self) -> None:
        with pytest.raises(ValueError, match="broadcast"):
            eval_shape(lambda x, y: x + y, F64(2), F64(3))


def _ones(arg: Any) -> Any:
    if isinstance(arg, dict):
        return {name: _ones(value) for name, value in arg.items()}
    return np.ones(arg.shape, arg.dtype)


def _types(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _types(item) for name, item in value.items()}
    if isinstance(value, tuple):
        return tuple(map(_types, value))
    return np.shape(value), str(value.dtype if hasattr(value, "dtype") else np.asarray(value).dtype)


class TestShapeDtypeStruct:
    def test_attributes(self) -> None:
        one = ShapeDtypeStruct([2, 3], "f4")
        assert (one.shape, one.dtype, one.ndim, one.size, len(one)) == ((2, 3), np.dtype(np.float32), 2, 6, 2)
        assert one == F32((2, 3))
        assert one != F64((2, 3))
        assert hash(one) == hash(F32((2, 3)))
        assert repr(one) == "ShapeDtypeStruct(shape=(2, 3), dtype=float32)"
        assert repr(ShapeDtypeStruct((), int, weak_type=True)).endswith("weak_type=True)")
        with pytest.raises(TypeError, match="unsized"):
            len(ShapeDtypeStruct((), float))
        with pytest.raises(AttributeError):
            one.shape = (3,)  # type: ignore[misc]  # frozen

    def test_dtypes_that_are_not_numbers(self) -> None:
        for dtype in (object, "U3", "M8[s]", np.longdouble):
            with pytest.raises(ArrayTypeError):
                ShapeDtypeStruct((), dtype)

    def test_native_byte_order(self) -> None:
        assert ShapeDtypeStruct(2, ">f8").dtype == np.dtype("=f8")


def test_functions_of_functrans_numpy_and_numpy_trace_the_same() -> None:
    ours = make_jaxpr(lambda x: fnp.sum(fnp.exp(x), axis=1))(F64((2, 3)))
    theirs = make_jaxpr(lambda x: np.sum(np.exp(x), axis=1))(F64((2, 3)))
    assert str(ours) == str(theirs)
    assert ours.key == theirs.key


class TestArraysWrittenIntoWhileTracing:
    """What a function writes into its own arrays between uses is seen, each time as it then is."""

    def test_reused_buffer(self) -> None:
        def fun(x: Any) -> Any:
            buffer, counter, total = np.zeros(3), np.zeros(()), 0.0
            for i in range(3):
                buffer[:] = 0
                buffer[i] = i + 1
                counter[...] = i
                total = total + np.sum(x * buffer) * counter
            return total

        x = np.array([1.0, 10.0, 100.0])
        assert fun(x) == 620.0
        assert jit(fun)(x) == 620.0

    def test_an_array_that_stays_is_captured_once(self) -> None:
        table = np.arange(3.0)
        jaxpr = make_jaxpr(lambda x: x * table + table)(F64(3))
        assert len(jaxpr.consts) == 1


def test_constants_of_one_number_take_no_memory_however_they_are_laid_out() -> None:
    two = np.broadcast_to(np.float64(2), (3, 4))
    for one in (two, two.copy().T, np.broadcast_to(two[0], (3, 4))):
        assert not make_jaxpr(lambda x, one=one: x + one)(0.0).consts
    for rows in (np.broadcast_to(np.arange(4.0), (3, 4)), np.broadcast_to(np.array([[1.0], [2.0], [1.0]]), (3, 4))):
        jaxpr = make_jaxpr(lambda x, rows=rows: x + rows)(0.0)
        np.testing.assert_array_equal(jaxpr.consts[0], rows)
