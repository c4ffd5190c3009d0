"""functrans.numpy.linalg: every function and keyword against NumPy, derivatives against JAX, errors in compiled programs too.

Start reading at `CALLS`.
"""

from collections.abc import Callable, Iterator
from functools import partial
from itertools import product
from typing import Any

import numpy as np
import pytest

import functrans as ft
import functrans.numpy as fnp
from functrans.numpy.dispatch import TRACED
from functrans.ops.cholesky import triangular_solve
from tests.derivatives import check_derivatives
from tests.marks import native

RNG = np.random.default_rng(0)
A, B = RNG.normal(size=(3, 3)), RNG.normal(size=(3, 2))
STACK, TALL, WIDE = RNG.normal(size=(2, 3, 3)), RNG.normal(size=(4, 3)), RNG.normal(size=(2, 2, 3))
HERMITIAN = STACK + np.swapaxes(STACK, -1, -2)
DEFINITE = STACK @ np.swapaxes(STACK, -1, -2) + np.eye(3)
COMPLEX = STACK + 1j * RNG.normal(size=(2, 3, 3))
V = RNG.normal(size=3)

SINGLE = {"d": "f", "D": "F", "l": "l"}

Call = tuple[str, Callable[..., Any], tuple[Any, ...]]
CALLS: tuple[Call, ...] = (
    ("solve", lambda m, a, b: m.solve(a, b), (A, B)),
    ("solve of a vector", lambda m, a, b: m.solve(a, b), (STACK, V)),
    ("solve of stacks", lambda m, a, b: m.solve(a, b), (STACK[:, None], STACK)),
    ("inv", lambda m, a: m.inv(a), (COMPLEX,)),
    ("pinv", lambda m, a: m.pinv(a), (WIDE,)),
    ("pinv, rcond", lambda m, a: m.pinv(a, 0.3), (TALL,)),
    ("pinv, rtol", lambda m, a: m.pinv(a, rtol=None), (COMPLEX,)),
    ("lstsq", lambda m, a, b: m.lstsq(a, b), (TALL, RNG.normal(size=(4, 2)))),
    ("lstsq of a vector", lambda m, a, b: m.lstsq(a, b, rcond=1e-3), (TALL, RNG.normal(size=4))),
    ("lstsq, wide", lambda m, a, b: m.lstsq(a, b), (TALL.T, V)),
    ("tensorsolve", lambda m, a, b: m.tensorsolve(a, b, axes=(1,)), (RNG.normal(size=(2, 2, 3, 3)), np.ones((2, 3)))),
    ("tensorinv", lambda m, a: m.tensorinv(a), (RNG.normal(size=(2, 3, 6)),)),
    ("det", lambda m, a: m.det(a), (COMPLEX,)),
    ("slogdet", lambda m, a: m.slogdet(a), (COMPLEX,)),
    ("cholesky", lambda m, a: m.cholesky(a), (DEFINITE,)),
    ("cholesky, upper", lambda m, a: m.cholesky(a, upper=True), (DEFINITE + 0.5j * (STACK - STACK.swapaxes(1, 2)),)),
    ("qr", lambda m, a: m.qr(a), (COMPLEX,)),
    ("qr, wide", lambda m, a: m.qr(a), (WIDE,)),
    ("qr, complete", lambda m, a: m.qr(a, "complete"), (TALL,)),
    ("qr, r", lambda m, a: m.qr(a, mode="r"), (TALL,)),
    ("svd", lambda m, a: m.svd(a), (COMPLEX,)),
    ("svd, thin", lambda m, a: m.svd(a, full_matrices=False), (WIDE,)),
    ("svd, values", lambda m, a: m.svd(a, compute_uv=False), (TALL,)),
    ("svd, hermitian", lambda m, a: m.svd(a, hermitian=True), (HERMITIAN,)),
    ("svdvals", lambda m, a: m.svdvals(a), (WIDE,)),
    ("eigh", lambda m, a: m.eigh(a, "U"), (HERMITIAN,)),
    ("eigvalsh", lambda m, a: m.eigvalsh(a), (HERMITIAN,)),
    ("eig", lambda m, a: m.eig(a), (COMPLEX,)),
    ("eigvals", lambda m, a: m.eigvals(a), (COMPLEX,)),
    ("matrix_power", lambda m, a: (m.matrix_power(a, 5), m.matrix_power(a, 0), m.matrix_power(a, -2)), (STACK,)),
    ("multi_dot", lambda m, a, b, c, d: m.multi_dot([a, b, c, d]), (V, A, B, np.ones((2, 5)))),
    ("multi_dot of two", lambda m, a, b: m.multi_dot([a, b]), (A, B)),
    ("matrix_rank", lambda m, a: (m.matrix_rank(a), m.matrix_rank(a, 1.0), m.matrix_rank(a, rtol=0.5)), (STACK,)),
    ("matrix_rank of a vector", lambda m, a: m.matrix_rank(a), (V,)),
    ("cond", lambda m, a: (m.cond(a), m.cond(a, -2), m.cond(a, "fro"), m.cond(a, 1)), (STACK,)),
    ("norm", lambda m, a: (m.norm(a), m.norm(a, axis=1), m.norm(a, axis=(0, 1), keepdims=True)), (COMPLEX,)),
    ("norm, vectors", lambda m, a: [m.norm(a, p, axis=-1) for p in (np.inf, -np.inf, 0, 1, 2, 3, -1.5)], (COMPLEX,)),
    (
        "norm, matrices",
        lambda m, a: [m.norm(a, p, (2, 0), True) for p in ("fro", "nuc", 1, -1, 2, -2, np.inf, -np.inf)],
        (COMPLEX,),
    ),
    ("norm of integers", lambda m, a: m.norm(a), (np.arange(4),)),
    ("matrix_norm", lambda m, a: (m.matrix_norm(a), m.matrix_norm(a, ord=2, keepdims=True)), (STACK,)),
    ("vector_norm", lambda m, a: (m.vector_norm(a), m.vector_norm(a, axis=(0, 2), keepdims=True, ord=1)), (STACK,)),
    ("outer", lambda m, a, b: m.outer(a, b), (V, V)),
    ("cross", lambda m, a, b: m.cross(a, b), (A, V)),
    ("trace", lambda m, a: (m.trace(a, offset=1), m.diagonal(a, offset=-1)), (STACK,)),
    (
        "products",
        lambda m, a: (m.matmul(a, a), m.tensordot(a, a, axes=3), m.vecdot(a, a), m.matrix_transpose(a)),
        (STACK,),
    ),
)
NAMES = pytest.mark.parametrize("name", [name for name, *_ in CALLS])


def call_of(name: str) -> tuple[Callable[..., Any], tuple[Any, ...]]:
    return next((call, args) for known, call, args in CALLS if known == name)


def parts(out: Any) -> list[Any]:
    return list(out) if isinstance(out, tuple | list) else [out]


@NAMES
def test_values(name: str) -> None:
    call, args = call_of(name)
    for single in (False, True):
        given = [x.astype(SINGLE[x.dtype.char]) if single else x
                 for x in args]  # fmt: skip
        expected = call(np.linalg, *given)
        for module in (np.linalg, fnp.linalg):
            got = ft.jit(lambda *xs, m=module: call(m, *xs))(*given)
            assert type(got) is type(expected) or not isinstance(expected, tuple)
            for mine, its in zip(parts(got), parts(expected), strict=True):
                assert (np.asarray(mine).dtype, np.shape(mine)) == (np.asarray(its).dtype, np.shape(its))
                tolerance = 1e-4 if single else 1e-10
                np.testing.assert_allclose(mine, its, rtol=tolerance, atol=tolerance)


def test_nothing_is_missing() -> None:
    assert set(np.linalg.__all__) == set(fnp.linalg.__all__)
    assert all(getattr(np.linalg, name) in TRACED for name in np.linalg.__all__ if name != "LinAlgError")


@pytest.fixture(scope="module")
def jax() -> Iterator[Any]:
    module = pytest.importorskip("jax")
    old = module.config.jax_enable_x64
    module.config.update("jax_enable_x64", True)
    yield module
    module.config.update("jax_enable_x64", old)


ORACLE = ("solve of a vector", "inv", "pinv", "det", "cholesky", "svdvals", "eigvalsh", "eigvals", "norm", "multi_dot")


@pytest.mark.parametrize("name", ORACLE)
def test_gradients_as_jax_has_them(jax: Any, name: str) -> None:
    call, args = call_of(name)

    def loss(xp: Any, module: Any) -> Callable[..., Any]:
        return lambda *xs: sum(xp.sum(xp.abs(xp.sin(out))) for out in parts(call(module, *xs)))

    every = tuple(range(len(args)))
    got = ft.jit(ft.grad(loss(np, np.linalg), argnums=every))(*args)
    expected = jax.jit(jax.grad(loss(jax.numpy, jax.numpy.linalg), argnums=every))(*args)
    for mine, its in zip(got, expected, strict=True):
        np.testing.assert_allclose(mine, its, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("name", ["lstsq", "tensorsolve", "cholesky, upper", "matrix_power", "cond", "norm, matrices"])
def test_derivatives_by_differences(name: str) -> None:
    call, args = call_of(name)

    def smooth(*xs: Any) -> tuple[Any, ...]:
        return tuple(out for out in parts(call(np.linalg, *xs)) if out.dtype.kind in "fc" and out.size)

    if name == "cholesky, upper":
        check_derivatives(lambda a: smooth(a @ np.conj(np.swapaxes(a, -1, -2))), (COMPLEX,), 1, RNG)
    else:
        check_derivatives(smooth, args, 1, RNG)


# ---- where it is singular, or values are equal ----


def test_gradients_at_equal_values() -> None:
    def nuclear(a: Any) -> Any:
        return np.linalg.norm(a, "nuc")

    np.testing.assert_allclose(ft.grad(nuclear)(np.eye(3)), np.eye(3), atol=1e-12)
    for spectral in (lambda a: np.sum(np.exp(np.linalg.eigvalsh(a))), lambda a: np.sum(np.exp(np.linalg.eigh(a)[0]))):
        np.testing.assert_allclose(ft.grad(spectral)(np.eye(3)), np.e * np.eye(3), atol=1e-12)

    def projection(a: Any) -> Any:  # on the space of a double eigenvalue
        vectors = np.linalg.eigh(a)[1][:, :2]
        return np.sum(C * (vectors @ vectors.T))

    C = HERMITIAN[0]
    q = np.linalg.qr(STACK[1])[0]
    double = q @ np.diag([1.0, 1.0, 3.0]) @ q.T
    direction = HERMITIAN[1]
    step = 1e-5
    expected = (projection(double + step * direction) - projection(double - step * direction)) / (2 * step)
    np.testing.assert_allclose(np.sum(ft.grad(projection)(double) * direction), expected, rtol=1e-6)


def test_determinants_of_singular_matrices() -> None:
    singular = np.array([[1.0, 2.0, 3.0], [2.0, 4.0, 6.0], [1.0, 0.0, 1.0]])
    direction = STACK[0]
    expected = (np.linalg.det(singular + 1e-6 * direction) - np.linalg.det(singular - 1e-6 * direction)) / 2e-6
    for gradient in (ft.grad(np.linalg.det), ft.jit(ft.grad(np.linalg.det))):
        np.testing.assert_allclose(np.sum(gradient(singular) * direction), expected, rtol=1e-6)
    assert not np.any(ft.grad(np.linalg.det)(np.zeros((3, 3))))
    curvature = ft.hessian(np.linalg.det)(np.eye(2)).reshape(4, 4)
    np.testing.assert_allclose(curvature, np.fliplr(np.diag([1.0, -1, -1, 1])), atol=1e-12)


@pytest.mark.parametrize("order", [None, 1, 2, 3, np.inf])
def test_norm_of_zeros_has_subgradient_zero(order: Any) -> None:
    assert not np.any(ft.grad(lambda x: np.linalg.norm(x, order))(np.zeros(3)))
    assert not np.any(ft.jit(ft.grad(lambda x: np.linalg.norm(x, order)))(np.zeros(3)))


SINGULAR = np.array([[1.0, 2.0], [2.0, 4.0]])


@pytest.mark.parametrize(
    ("call", "x", "message"),
    [
        (np.linalg.inv, SINGULAR, "Singular matrix"),
        (lambda a: np.linalg.solve(a, a), np.stack([np.eye(2), SINGULAR]), "Singular matrix"),
        (np.linalg.cholesky, -np.eye(3), "not positive definite"),
        (np.linalg.cholesky, np.stack([np.eye(2), -np.eye(2)]), "not positive definite"),
        (np.linalg.inv, np.ones((2, 3)), "must be square"),
        (np.linalg.det, np.ones(3), "at least two-dimensional"),
        (lambda a: np.linalg.lstsq(a, np.ones(3)), np.ones((2, 2)), "Incompatible"),
    ],
)
def test_errors_are_numpys(call: Callable[[Any], Any], x: Any, message: str) -> None:
    for fun in (call, ft.jit(call), lambda a: ft.vjp(call, a), lambda a: ft.vmap(call)(np.stack([a, a]))):
        with pytest.raises(np.linalg.LinAlgError, match=message):
            fun(x)


def test_a_failure_before_does_not_count() -> None:
    """The processor's flag of invalid operations may be set when LAPACK is called."""
    with np.errstate(invalid="ignore"):
        out = ft.jit(lambda x, a: (np.sqrt(x), np.linalg.inv(a)))(np.float64(-1.0), np.eye(2))
    np.testing.assert_array_equal(out[1], np.eye(2))


def test_many_right_sides_are_columns_of_one() -> None:
    jaxpr = str(ft.make_jaxpr(ft.vmap(np.linalg.solve, in_axes=(None, 0)))(A, np.ones((5, 3))))
    assert "f64[3,5] = solve" in jaxpr


@native
def test_compiled_programs_do_not_call_back() -> None:
    def everything(a: Any) -> Any:
        w, v = np.linalg.eigh(a @ a.T)
        q, r = np.linalg.qr(a)
        return (
            np.linalg.slogdet(a)[1]
            + np.sum(np.linalg.svdvals(a))
            + np.sum(w)
            + np.sum(v**2)
            + np.sum(q * r)
            + np.linalg.cond(a)
        )

    assert "callback" not in str(ft.jit(everything).lower(A).cost())


@native
@pytest.mark.parametrize(
    ("count", "size", "columns"), [(1, 1, 1), (5, 1, 2), (11, 8, 1), (4, 5, 6), (3, 30, 1), (1, 41, 37), (2, 64, 24)]
)
def test_matrices_of_many_sizes(count: int, size: int, columns: int) -> None:
    a, b = RNG.normal(size=(count, size, size)), RNG.normal(size=(count, size, columns))
    definite: Any = a @ np.swapaxes(a, -1, -2) + np.eye(size)
    cholesky: Any = np.linalg.cholesky
    equations: Any = np.linalg.solve
    np.testing.assert_allclose(ft.jit(cholesky)(definite), cholesky(definite), rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(ft.jit(equations)(a, b), equations(a, b), rtol=1e-6, atol=1e-8)
    triangle = a / (3 * size) + np.eye(size)
    for lower, transposed, unit in product((False, True), repeat=3):
        solve = partial(triangular_solve, lower=lower, transposed=transposed, unit=unit)
        np.testing.assert_allclose(ft.jit(solve)(triangle, b), solve(triangle, b), rtol=1e-10, atol=1e-12)


@native
def test_one_of_many_small_matrices_fails() -> None:
    many = np.stack([np.eye(3)] * 9)
    many[8] = np.ones((3, 3))
    cases: tuple[tuple[Any, str], ...] = (
        (np.linalg.inv, "Singular"),
        (lambda a: np.linalg.cholesky(a - 2 * np.eye(3)), "definite"),
    )
    for function, message in cases:
        with pytest.raises(np.linalg.LinAlgError, match=message):
            ft.jit(function)(many)


@native
@pytest.mark.parametrize("size", [25, 31, 64, 97])
def test_large_factors_read_the_lower_triangle(size: int) -> None:
    a = RNG.normal(size=(2, size, size))
    definite = a @ np.swapaxes(a, -1, -2) + np.eye(size)
    given = np.where(np.tri(size) > 0, definite, np.nan)
    factor: Any = ft.jit(lambda x: np.linalg.cholesky(x))
    got = factor(given)
    np.testing.assert_allclose(got, np.linalg.cholesky(definite), rtol=1e-9, atol=1e-11)
    assert not np.any(np.triu(got, 1))
    definite[1, size // 2, size // 2] = -1
    with pytest.raises(np.linalg.LinAlgError, match="not positive definite"):
        factor(definite)


# ---- functrans.scipy.linalg ----

TRIANGLES: tuple[tuple[Any, bool, bool], ...] = (
    ("N", True, False),
    ("T", True, True),
    (0, False, True),
    (1, False, False),
)
SCIPY: tuple[Call, ...] = (
    (
        "solve_triangular",
        lambda m, a, b: [m.solve_triangular(a, b, t, w, u) for t, w, u in TRIANGLES],
        (A + 3 * np.eye(3), B),
    ),
    ("solve_triangular of a vector", lambda m, a, b: m.solve_triangular(a, b, lower=True), (A + 3 * np.eye(3), V)),
    ("solve_triangular, complex", lambda m, a, b: m.solve_triangular(a, b, "C"), (COMPLEX[0] + 3 * np.eye(3), B)),
    ("cholesky", lambda m, a: (m.cholesky(a), m.cholesky(a, lower=True)), (DEFINITE[0],)),
    ("cho_solve", lambda m, a, b: [m.cho_solve(m.cho_factor(a, w), b) for w in (True, False)], (DEFINITE[0], B)),
    ("solve", lambda m, a, b: (m.solve(a, b), m.solve(a, b, assume_a="pos")), (DEFINITE[0], B)),
    ("det", lambda m, a: (m.det(a), m.inv(a)), (A,)),
    ("expm", lambda m, a: m.expm(a), (STACK,)),
    ("expm, large", lambda m, a: m.expm(a), (20 * A,)),
    ("expm, complex", lambda m, a: m.expm(a), (COMPLEX[0],)),
    ("block_diag", lambda m, a, b, v: m.block_diag(a, b, v), (A, B, V)),
    ("toeplitz", lambda m, a, b: (m.toeplitz(a), m.toeplitz(a, b)), (V, np.arange(5.0))),
)


@pytest.mark.parametrize("name", [name for name, *_ in SCIPY])
def test_scipys_functions(name: str) -> None:
    import scipy.linalg as theirs

    from functrans.scipy import linalg as ours

    call, args = next((call, args) for known, call, args in SCIPY if known == name)
    expected = parts(call(theirs, *args))
    for got in (call(ours, *args), ft.jit(partial(call, ours))(*args)):
        for mine, its in zip(parts(got), expected, strict=True):
            assert mine.dtype == its.dtype
            np.testing.assert_allclose(mine, its, rtol=1e-9, atol=1e-10)


def test_derivatives_of_expm() -> None:
    from functrans.scipy.linalg import expm

    check_derivatives(lambda x: (expm(x),), (3 * A,), 2, RNG)
