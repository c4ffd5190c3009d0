"""external of C functions: ctypes', SciPy's and others' pointers, under every transform, compiled and by ctypes."""

from __future__ import annotations

import ctypes
import gc
import math
import os
import shutil
import subprocess
import threading
import weakref
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
import scipy
import scipy.linalg.cython_lapack
import scipy.special
import scipy.special.cython_special
from hypothesis import given
from hypothesis.extra import numpy as hnp

import functrans as ft
from functrans import lax
from functrans.c_types import of_text
from functrans.errors import ExternalFunctionError, NotDifferentiableError, NotExportableError
from functrans.test_util import check_grads
from tests.marks import native

DOUBLE, INT, LONG = ctypes.c_double, ctypes.c_int, ctypes.c_long
C = ctypes.CDLL(None)
CALLS = 4
"""After the first two, machine code serves a call."""
X = np.linspace(0.5, 3.0, 4)

LIBRARY = """
#include <stdbool.h>
#define SAME(T, NAME) T same_##NAME(T x) { return x; }
SAME(signed char, int8) SAME(unsigned char, uint8) SAME(short, int16) SAME(unsigned short, uint16)
SAME(int, int32) SAME(unsigned, uint32) SAME(long, int64) SAME(unsigned long, uint64)
SAME(float, float32) SAME(double, float64) SAME(_Bool, bool)

double many(signed char a, unsigned char b, short c, float d, double e, _Bool f, unsigned g, long h, float i, short j,
            double k, double l, double m, double n, double o, double p, double q) {
    return a + 2*b + 3*c + 4*d + 5*e + 6*f + 7.0*g + 8*h + 9*i + 10*j + 11*k + 12*l + 13*m + 14*n + 15*o + 16*p + 17*q;
}
void moments(long n, const float *x, double *mean, double *variance) {
    *mean = *variance = 0;
    for (long i = 0; i < n; i++) *mean += x[i] / n;
    for (long i = 0; i < n; i++) *variance += (x[i] - *mean) * (x[i] - *mean) / n;
}
int add(int n, double a, const double *x, double *y) {
    for (int i = 0; i < n; i++) y[i] += a * x[i];
    return n;
}
double scaled(double x, void *scale) { return x * *(double *)scale; }
double nothing(void) { return 7.0; }
"""


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("there is no C compiler")
    folder = tmp_path_factory.mktemp("foreign")
    (folder / "library.c").write_text(LIBRARY)
    command = [compiler, "-shared", "-fPIC", "-O1", "-o", str(folder / "library.so"), str(folder / "library.c")]
    subprocess.run(command, check=True)
    return ctypes.CDLL(str(folder / "library.so"))


def declared(function: Any, returns: Any, *parameters: Any) -> Any:
    """A function of ctypes with its types."""
    function.restype, function.argtypes = returns, parameters
    return function


def struct(*shape: int, dtype: Any = np.float64) -> ft.ShapeDtypeStruct:
    return ft.ShapeDtypeStruct(shape, dtype)


def both(function: Callable[..., Any]) -> list[Callable[..., Any]]:
    return [function, ft.jit(function)]


def cosine(**rules: Any) -> Any:
    return ft.external(declared(C.cos, DOUBLE, DOUBLE), struct(), **rules)


# ---- functions of numbers ----

RULES: dict[str, dict[str, Any]] = {
    "vjp": {"vjp": lambda ct, out, x: (-ct * np.sin(x),)},
    "jvp": {"jvp": lambda tangents, out, x: -tangents[0] * np.sin(x)},
    "differences": {"finite_differences": True},
}


@pytest.mark.parametrize("rules", RULES)
def test_every_transform_of_a_function_of_numbers(rules: str) -> None:
    f = cosine(**RULES[rules])
    total: Callable[[Any], Any] = lambda x: np.sum(f(x))
    second: Callable[[Any], Any] = ft.vmap(ft.grad(ft.grad(f)))
    tangent: Callable[[Any], Any] = lambda x: ft.jvp(f, (x,), (np.ones(4),))[1]
    near = partial(np.testing.assert_allclose, rtol=1e-9, atol=1e-9)
    for wrap in (lambda f: f, ft.jit):
        np.testing.assert_allclose(wrap(f)(X), np.cos(X), rtol=1e-15)
        np.testing.assert_allclose(wrap(ft.vmap(f))(X), np.cos(X), rtol=1e-15)
        near(wrap(ft.grad(total))(X), -np.sin(X))
        near(wrap(ft.vmap(ft.grad(f)))(X), -np.sin(X))
        near(wrap(tangent)(X), -np.sin(X))
        near(wrap(ft.jacfwd(f))(X), np.diag(-np.sin(X)))
        np.testing.assert_allclose(wrap(second)(X), -np.cos(X), atol=1e-5)
    near(ft.grad(ft.jit(total))(X), -np.sin(X))


def power(x: Any, y: Any) -> Any:
    return ft.external(declared(C.pow, DOUBLE, DOUBLE, DOUBLE), struct())(x, y)


@given(hnp.mutually_broadcastable_shapes(num_shapes=2, min_side=0, max_dims=3), st.booleans())
def test_arrays_are_broadcast(shapes: Any, compiled: bool) -> None:
    x, y = (np.linspace(0.5, 2.0, int(np.prod(shape))).reshape(shape) for shape in shapes.input_shapes)
    out = (ft.jit(power) if compiled else power)(x, y)
    assert out.shape == shapes.result_shape
    np.testing.assert_allclose(out, np.power(x, y), rtol=1e-14)


def test_numbers_and_integers_are_converted() -> None:
    for f in both(power):
        for _ in range(CALLS):
            assert f(2, 3.0) == 8.0
            np.testing.assert_array_equal(f(np.arange(3), np.float32(2.0)), [0.0, 1.0, 4.0])


def test_without_a_rule_there_is_no_derivative() -> None:
    with pytest.raises(NotDifferentiableError, match="finite_differences=True"):
        ft.grad(cosine())(0.5)
    with pytest.raises(NotDifferentiableError):
        ft.jit(lambda x: ft.jvp(cosine(), (x,), (1.0,)))(0.5)
    rounded = ft.external(declared(C.lrint, LONG, DOUBLE), struct(dtype=np.int64))
    assert ft.grad(lambda x: x * rounded(x))(2.25) == 2.0


def test_functions_within_loops_and_branches() -> None:
    f = cosine(**RULES["vjp"])

    def fixed_point(x: Any) -> Any:
        return lax.while_loop(lambda s: np.abs(s[0] - s[1]) > 1e-12, lambda s: (f(s[0]), s[0]), (x, x + 1.0))[0]

    def scanned(g: Any, x: Any) -> Any:
        return lax.scan(lambda c, row: (c + g(c * row), g(row)), x, np.arange(6.0))

    for wrap in (lambda f: f, ft.jit):
        np.testing.assert_allclose(wrap(fixed_point)(1.0), 0.7390851332151607)
        np.testing.assert_allclose(wrap(ft.vmap(fixed_point))(X), np.full(4, 0.7390851332151607))
        for got, expected in zip(wrap(lambda x: scanned(f, x))(1.0), scanned(np.cos, 1.0), strict=True):
            np.testing.assert_allclose(got, expected, rtol=1e-14)
        gradient = wrap(ft.grad(lambda x: scanned(f, x)[0]))(1.0)
        np.testing.assert_allclose(gradient, ft.grad(lambda x: scanned(np.cos, x)[0])(1.0))


def test_a_branch_that_is_not_taken_calls_nothing() -> None:
    seen: list[float] = []

    def watch(x: float) -> float:
        seen.append(x)
        return x

    f = ft.external(ctypes.CFUNCTYPE(DOUBLE, DOUBLE)(watch), struct())
    choose = lambda x: lax.cond(x > 1.0, f, lambda x: -x, x)
    for wrap in both(ft.vmap(choose)):
        seen.clear()
        np.testing.assert_array_equal(wrap(X), np.where(X > 1.0, X, -X))
        assert seen == X[X > 1.0].tolist()


def test_elements_are_taken_in_order_and_one_call_is_made_once() -> None:
    seen: list[tuple[float, float]] = []

    def watch(x: float, y: float) -> float:
        seen.append((x, y))
        return x

    f = ft.external(ctypes.CFUNCTYPE(DOUBLE, DOUBLE, DOUBLE)(watch), struct())
    x, y = np.arange(3.0)[:, None], np.arange(2.0)
    for wrap in both(lambda x, y: (f(x, y), f(x, y))):
        seen.clear()
        wrap(x, y)
        assert set(seen) == {(a, b) for a in range(3) for b in range(2)}
    assert seen == [(a, b) for a in range(3) for b in range(2)]


# ---- types ----

NUMBERS = ("int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float32", "float64", "bool")


@pytest.mark.parametrize("name", NUMBERS)
def test_numbers_of_every_type_go_through(library: ctypes.CDLL, name: str) -> None:
    dtype = np.dtype(name)
    kind = np.ctypeslib.as_ctypes_type(dtype)
    same = ft.external(declared(library[f"same_{name}"], kind, kind), struct(dtype=dtype))
    if dtype.kind in "iu":
        x = np.array([0, 1, np.iinfo(dtype).min, np.iinfo(dtype).max], dtype)
    else:
        x = np.array([0, 1, 0, 1], dtype) if dtype.kind == "b" else np.array([-0.0, 1.5, np.inf, np.nan], dtype)
    for f in both(same):
        out = f(x)
        assert out.dtype == dtype
        np.testing.assert_array_equal(np.signbit(out) if dtype.kind == "f" else out,
                                      np.signbit(x) if dtype.kind == "f" else x)  # fmt: skip
        np.testing.assert_array_equal(out, x)


def test_many_arguments_of_different_types(library: ctypes.CDLL) -> None:
    codes = "bBhfd?Ilfhddddddd"
    kinds = [np.ctypeslib.as_ctypes_type(np.dtype(code)) for code in codes]
    values = [np.array([1, 0, 7], code) for code in codes]
    values[0], values[2] = np.array([-3, 4, 5], "b"), np.array([-300, 200, 100], "h")
    many = ft.external(declared(library.many, DOUBLE, *kinds), struct())
    expected = sum((i + 1) * v.astype(float) for i, v in enumerate(values))
    for f in both(many):
        np.testing.assert_array_equal(f(*values), expected)


@pytest.mark.parametrize(
    ("text", "dtype"),
    [
        ("double", "f8"), ("const double", "f8"), ("unsigned long int", "L"), ("long long", "q"), ("int", "i"),
        ("signed char", "b"), ("unsigned", "I"), ("signed", "i"), ("short int x", "h"), ("size_t n", "P"), ("npy_intp", "p"),
        ("uint16_t", "u2"), ("_Bool", "?"),
    ],
)  # fmt: skip
def test_words_of_numbers(text: str, dtype: str) -> None:
    for pointer in ("", " *", "*"):
        found = of_text(text if not pointer else f"{text.removesuffix(' x').removesuffix(' n')}{pointer}")
        assert (found.dtype, found.is_pointer) == (np.dtype(dtype), bool(pointer))


@pytest.mark.parametrize(
    "text", ["long double", "struct point *", "double **", "double complex", "va_list", "char *(*)()"]
)
def test_words_of_no_numbers(text: str) -> None:
    with pytest.raises(ValueError, match="number"):
        of_text(text)


# ---- pointers ----


def moments(library: ctypes.CDLL) -> Any:
    array = np.ctypeslib.ndpointer(np.float32, ndim=1)
    function = declared(library.moments, None, LONG, array, ctypes.POINTER(DOUBLE), ctypes.POINTER(DOUBLE))
    made = ft.external(function, {"mean": struct(), "var": struct()}, finite_differences=1e-3)
    return lambda x: made(x.size, x)


def test_arrays_go_by_pointers(library: ctypes.CDLL) -> None:
    f, rows = moments(library), np.arange(12, dtype=np.float32).reshape(3, 4) ** 2
    for wrap in both(f):
        for _ in range(CALLS):
            found = wrap(rows[1])
            np.testing.assert_allclose([found["mean"], found["var"]], [rows[1].mean(), rows[1].var()])
    for wrap in both(ft.vmap(f)):
        np.testing.assert_allclose(wrap(rows)["var"], rows.var(1))
    for wrap in both(ft.vmap(f, in_axes=1)):
        np.testing.assert_allclose(wrap(rows)["mean"], rows.mean(0))
    for wrap in both(ft.vmap(ft.vmap(lambda x, y: f(x + y)["mean"], (None, 0)), (0, None))):
        np.testing.assert_allclose(wrap(rows, rows), rows.mean(1)[:, None] + rows.mean(1))
    for wrap in both(ft.grad(lambda x: f(x)["mean"])):
        np.testing.assert_allclose(wrap(rows[1]), np.full(4, 0.25), rtol=1e-2)


def test_arguments_that_are_written_into(library: ctypes.CDLL) -> None:
    pointer = ctypes.POINTER(DOUBLE)
    function = declared(library.add, INT, INT, DOUBLE, pointer, pointer)
    rule = lambda ct, out, n, a, x, y: (None, np.sum(ct[1] * x), a * ct[1], ct[1])
    add = ft.external(function, lambda n, a, x, y: (struct(dtype=np.int32), y), vjp=rule, input_output_aliases={3: 1})
    x, y = np.arange(3.0), np.ones(3)
    for wrap in both(lambda a, x, y: add(x.size, a, x, y)):
        for _ in range(CALLS):
            count, out = wrap(2.0, x, y)
            assert count == 3
            assert out.tolist() == [1.0, 3.0, 5.0]
            assert y.tolist() == [1.0, 1.0, 1.0]
    for wrap in both(ft.vmap(lambda a, y: add(3, a, x, y)[1], (0, None))):
        np.testing.assert_array_equal(wrap(X, y), X[:, None] * x + y)
    for wrap in both(lambda x: lax.fori_loop(0, 5, lambda i, y: add(3, 2.0, x, y)[1], np.zeros(3))):
        np.testing.assert_array_equal(wrap(x), 10 * x)
    check_grads(lambda a, x, y: np.sum(add(3, a, x, y)[1] ** 2), (1.5, x, y), order=2, modes=("rev",))
    donated = ft.jit(lambda x, y: add(3, 1.0, x, y)[1], donate_argnums=1)
    for _ in range(CALLS):
        y = donated(x, y)
    np.testing.assert_array_equal(y, 1 + CALLS * x)


def test_a_function_without_parameters(library: ctypes.CDLL) -> None:
    for f in both(ft.external(declared(library.nothing, DOUBLE), struct())):
        assert f() == 7.0


# ---- pointers of other libraries ----


def test_functions_of_cython() -> None:
    j0 = ft.external(scipy.LowLevelCallable.from_cython(scipy.special.cython_special, "j0"), struct())
    for f in both(j0):
        np.testing.assert_array_equal(f(X), scipy.special.j0(X))


def test_lapack() -> None:
    """Everything by pointers, as Fortran does; five of eight are written into."""
    dgesv = scipy.LowLevelCallable.from_cython(scipy.linalg.cython_lapack, "dgesv")
    results = lambda n, k, a, lda, pivots, b, ldb, info: (a, pivots, b, info)
    solver = ft.external(dgesv, results, input_output_aliases={2: 0, 4: 1, 5: 2, 7: 3})

    def solve(a: Any, b: Any) -> Any:
        n = b.size
        out = solver(np.int32(n), np.int32(1), a.T, np.int32(n), np.zeros(n, np.int32), b, np.int32(n), np.int32(0))
        return out[2], out[3]

    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(5, 3, 3)), rng.normal(size=(5, 3))
    for f in both(ft.vmap(solve)):
        x, info = f(a, b)
        assert info.tolist() == [0] * 5
        np.testing.assert_allclose(np.einsum("nij,nj->ni", a, x), b)
    assert solve(np.zeros((2, 2)), np.ones(2))[1] == 1


def test_user_data_is_passed_and_kept(library: ctypes.CDLL) -> None:
    scale = DOUBLE(2.5)
    function = declared(library.scaled, DOUBLE, DOUBLE, ctypes.c_void_p)
    made = scipy.LowLevelCallable(function, ctypes.cast(ctypes.pointer(scale), ctypes.c_void_p))
    for f in both(ft.external(made, struct())):
        np.testing.assert_array_equal(f(X), 2.5 * X)
        scale.value = -1.0
        np.testing.assert_array_equal(f(X), -X)
        scale.value = 2.5


def test_objects_with_a_pointer_of_ctypes() -> None:
    """As numba's cfunc is."""

    class Holder:
        __name__ = "half"
        ctypes = ctypes.CFUNCTYPE(DOUBLE, DOUBLE)(lambda x: x / 2)

    f = ft.external(Holder(), struct())
    assert repr(f) == "<external half>"
    for wrap in both(f):
        np.testing.assert_array_equal(wrap(X), X / 2)


def test_numba() -> None:
    numba = pytest.importorskip("numba")
    f = numba.cfunc("float64(float64, int32)")(lambda x, n: x**n)
    for wrap in both(ft.external(f, struct())):
        np.testing.assert_allclose(wrap(X, np.int32(3)), X**3)


def test_cffi() -> None:
    cffi = pytest.importorskip("cffi")
    ffi = cffi.FFI()
    ffi.cdef("double cos(double); double frexp(double, int *);")
    c = ffi.dlopen(None)
    for wrap in both(ft.external(ffi.addressof(c, "cos"), struct())):
        np.testing.assert_array_equal(wrap(X), [math.cos(x) for x in X])
    parts = ft.external(ffi.addressof(c, "frexp"), (struct(), struct(dtype=np.int32)))
    for wrap in both(ft.vmap(parts)):
        for got, expected in zip(wrap(X), np.frexp(X), strict=True):
            np.testing.assert_array_equal(got, expected)


# ---- without Python's lock ----


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    yield ends
    for end in ends:
        os.close(end)


def test_other_threads_run_python_meanwhile(pipe: tuple[int, int]) -> None:
    """C waits until another thread has written to a pipe, which it can only do while C waits; or gives up after a while."""

    class Poll(ctypes.Structure):
        _fields_ = [("fd", INT), ("events", ctypes.c_short), ("revents", ctypes.c_short)]

    poll = declared(C.poll, INT, ctypes.c_void_p, ctypes.c_ulong, INT)
    wait = ft.external(poll, lambda fds, n, timeout: (struct(dtype=np.int32), fds), input_output_aliases={0: 1})
    record = np.frombuffer(bytes(Poll(pipe[0], 1, 0)), np.uint64)
    for f in both(lambda fds: wait(fds, 1, 20_000)[0]):
        for _ in range(CALLS):
            writer = threading.Timer(0.02, os.write, (pipe[1], b"x"))
            writer.start()
            assert f(record) == 1
            writer.join()
            os.read(pipe[0], 1)


def test_many_threads_call_at_once() -> None:
    f = ft.jit(lambda x: np.sum(cosine()(x)))
    wrong: list[float] = []

    def run(number: int) -> None:
        x = np.full(1000, float(number))
        for _ in range(50):
            if abs(f(x) / 1000 - np.cos(number)) > 1e-12:
                wrong.append(number)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


# ---- programs ----


@native
def test_code_has_no_address_and_calls_no_python() -> None:
    function = declared(C.cos, DOUBLE, DOUBLE)
    lowered = ft.jit(ft.external(function, struct())).lower(X)
    address = ctypes.cast(function, ctypes.c_void_p).value
    assert str(address) not in lowered.llvm_ir()
    assert "callback" not in str(lowered.kernels)
    assert "kernel cos for each of 4" in str(lowered.kernels)


@native
def test_what_calls_a_pointer_does_not_leave_the_process(tmp_path: Path) -> None:
    with pytest.raises(NotExportableError, match="`cos`, whose address is that of this process"):
        ft.export(lambda x: cosine()(x) + 1.0, struct(4), path=tmp_path / "cosine")
    with pytest.raises(NotExportableError):
        ft.jit(cosine()).lower(X).compile().serialize()


def test_programs_keep_what_they_call() -> None:
    def made() -> tuple[Callable[[Any], Any], weakref.ref[Any]]:
        class Owner:
            __name__ = "twice"
            ctypes = ctypes.CFUNCTYPE(DOUBLE, DOUBLE)(lambda x: 2.0 * x)

        owner = Owner()
        f = ft.external(owner, struct())
        compiled = ft.jit(lambda x: f(x)).lower(X).compile()
        return compiled, weakref.ref(owner)

    compiled, owner = made()
    gc.collect()
    for _ in range(CALLS):
        np.testing.assert_array_equal(compiled(X), 2.0 * X)
    assert owner() is not None
    del compiled
    ft.clear_caches()
    gc.collect()
    assert owner() is None


# ---- what is refused ----


def test_what_does_not_fit_is_refused(library: ctypes.CDLL) -> None:
    array = np.ctypeslib.ndpointer(np.float64, shape=(2, 3))
    function = declared(library.moments, None, LONG, array, ctypes.POINTER(DOUBLE), ctypes.POINTER(DOUBLE))
    f = ft.external(function, (struct(), struct()))
    for args, message in [
        ((3, np.ones((3, 2))), "argument 1 has the shape"),
        ((3, np.ones((2, 3), np.complex128)), "argument 1 has type c128"),
        ((3.0, np.ones((2, 3))), "argument 0 has type f64"),
        ((np.ones(1, int), np.ones((2, 3))), "argument 0 has the shape"),
        ((3, np.ones((2, 3)), 1.0), "3 in the call"),
    ]:
        for wrap in both(f):
            with pytest.raises(ExternalFunctionError, match=message):
                wrap(*args)
    for results, message in [
        ((struct(), struct(dtype=np.float32)), "f32"),
        (struct(), "2 in the call, 1 in result_shape"),
    ]:
        with pytest.raises(ExternalFunctionError, match=message):
            ft.external(function, results)(3, np.ones((2, 3)))
    for aliases in ({1: 5}, {7: 0}, {0: 0, 1: 0}):
        with pytest.raises(ExternalFunctionError, match="does not pair"):
            ft.external(function, (struct(), struct()), input_output_aliases=aliases)(3, np.ones((2, 3)))
    pointer = ctypes.POINTER(DOUBLE)
    add = ft.external(
        declared(library.add, None, INT, DOUBLE, pointer, pointer), struct(2), input_output_aliases={3: 0}
    )
    with pytest.raises(ExternalFunctionError, match="takes the place of argument 3"):
        add(2, 1.0, np.ones(3), np.ones(3))


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (ctypes.py_object, "py_object"),
        (ctypes.c_char_p, "c_char_p"),
        (ctypes.POINTER(ctypes.POINTER(DOUBLE)), "LP_LP_c_double"),
        (np.ctypeslib.ndpointer(np.float64, ndim=2, flags="F_CONTIGUOUS"), "Fortran"),
    ],
)
def test_types_that_are_no_numbers_are_refused(kind: Any, message: str) -> None:
    with pytest.raises(ExternalFunctionError, match=message):
        ft.external(ctypes.CFUNCTYPE(None, kind)(("abs", C)), struct())


def test_functions_that_return_pointers_are_refused() -> None:
    with pytest.raises(ExternalFunctionError, match="returns a pointer"):
        ft.external(ctypes.CFUNCTYPE(ctypes.c_void_p, INT)(("abs", C)), struct())
