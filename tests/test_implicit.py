"""Implicit differentiation: custom_linear_solve, custom_root, custom_fixed_point, and the solvers that are made of them.

Values are held to NumPy's and SciPy's, derivatives to formulas, to differences and to JAX, in both modes and to second order.
"""

from collections.abc import Callable
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from functrans import grad, hessian, jacfwd, jacrev, jit, jvp, lax, tree, vmap
from functrans.errors import CustomRuleError, ParameterError
from functrans.scipy.optimize import minimize
from functrans.scipy.sparse.linalg import bicgstab, cg, gmres
from functrans.solvers import anderson, bfgs, bisect, gauss_newton, l_bfgs, levenberg_marquardt, newton
from functrans.test_util import check_grads

Fun = Callable[..., Any]
RNG = np.random.default_rng(0)


def regular(size: int, dtype: str = "float64", seed: int = 0) -> Any:
    """A well-conditioned matrix without symmetry."""
    rng = np.random.default_rng(seed)
    matrix = rng.normal(size=(size, size)) + 0j
    if np.dtype(dtype).kind == "c":
        matrix += 1j * rng.normal(size=(size, size))
    matrix = matrix / np.sqrt(size) + 3 * np.eye(size)
    return (matrix if np.dtype(dtype).kind == "c" else matrix.real).astype(dtype)


def positive(size: int, dtype: str = "float64", seed: int = 0) -> Any:
    matrix = regular(size, dtype, seed)
    return matrix.conj().T @ matrix


def vector(size: int, dtype: str = "float64", seed: int = 1) -> Any:
    rng = np.random.default_rng(seed)
    real = rng.normal(size=size)
    return (real + 1j * rng.normal(size=size) if np.dtype(dtype).kind == "c" else real).astype(dtype)


# ---- linear equations ----

METHODS: dict[str, tuple[Fun, Fun]] = {"cg": (cg, positive), "bicgstab": (bicgstab, regular), "gmres": (gmres, regular)}


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex128"])
@pytest.mark.parametrize("name", METHODS)
def test_solutions(name: str, dtype: str) -> None:
    method, make = METHODS[name]
    a, b = make(7, dtype), vector(7, dtype)
    tol = 1e-5 if dtype == "float32" else 1e-12
    compiled: Fun = jit(method, static_argnames="tol")
    runs: list[Fun] = [method, compiled]
    for run in runs:
        x, info = run(a, b, tol=tol)
        assert x.dtype == dtype
        assert info == 0
        np.testing.assert_allclose(a @ x, b, rtol=0, atol=20 * tol)
    x, info = method(a, b, tol=tol, M=np.diag(1 / np.diag(a)), x0=np.ones(7, dtype))
    np.testing.assert_allclose(a @ x, b, rtol=0, atol=20 * tol)
    assert method(a, b, tol=1e-30, maxiter=1)[1] == 1  # that is not enough
    np.testing.assert_array_equal(method(a, np.zeros(7, dtype))[0], np.zeros(7, dtype))


@settings(max_examples=15)
@given(st.integers(1, 9), st.integers(0, 1000), st.sampled_from(sorted(METHODS)))
def test_well_conditioned_systems_of_any_size(size: int, seed: int, name: str) -> None:
    method, make = METHODS[name]
    a, b = make(size, seed=seed), vector(size, seed=seed)
    expected = np.linalg.solve(a, b)
    if np.linalg.cond(a) < 1e3:
        x, info = gmres(a, b, tol=1e-11, restart=4, maxiter=500) if name == "gmres" else method(a, b, tol=1e-11)
        np.testing.assert_allclose(x, expected, rtol=1e-7, atol=1e-7)
        assert info == 0


@pytest.mark.parametrize("name", METHODS)
def test_derivatives_of_solutions_are_solutions(name: str) -> None:
    method, make = METHODS[name]
    a, b = make(5), vector(5)

    def solve(a: Any, b: Any) -> Any:
        if name == "cg":
            a = (a + a.T) / 2
        return method(a, b, tol=1e-13)[0]

    inverse = np.linalg.inv(a)
    x, db = inverse @ b, vector(5, seed=2)
    da = make(5, seed=3)
    dx = inverse @ (db - da @ x)
    tangent: Fun = lambda: jvp(solve, (a, b), (da, db))[1]
    compiled: Fun = jit(tangent)
    for derivative in (tangent, compiled):
        np.testing.assert_allclose(derivative(), dx, rtol=1e-9)
    adjoint = inverse.T @ np.cos(x)
    ga, gb = jit(grad(lambda a, b: np.sum(np.sin(solve(a, b))), (0, 1)))(a, b)
    np.testing.assert_allclose(gb, adjoint, rtol=1e-9)
    whole = -np.outer(adjoint, x)
    np.testing.assert_allclose(ga, (whole + whole.T) / 2 if name == "cg" else whole, rtol=1e-8, atol=1e-10)
    second = hessian(lambda b: np.sum(np.sin(solve(a, b))))(b)
    np.testing.assert_allclose(second, inverse.T @ np.diag(-np.sin(x)) @ inverse, rtol=1e-7, atol=1e-10)
    check_grads(lambda a, b: solve(a * 1.0, b), (a, b), order=2, modes=("fwd", "rev"), rtol=1e-3, atol=1e-3)
    many = np.stack([b, 2 * b, np.zeros(5)])
    np.testing.assert_allclose(vmap(solve, (None, 0))(a, many), [x, 2 * x, 0 * x], rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(
        vmap(grad(lambda a, b: np.sum(solve(a, b)), 1), (0, None))(np.stack([a, 2 * a]), b),
        [np.sum(inverse, 0), np.sum(inverse, 0) / 2],
        rtol=1e-8,
    )


def test_complex_solutions_have_jaxs_gradients() -> None:
    jax = pytest.importorskip("jax")
    linalg = pytest.importorskip("jax.scipy.sparse.linalg")
    jax.config.update("jax_enable_x64", True)
    a, b = positive(4, "complex128"), vector(4, "complex128")
    ours = grad(lambda b: np.sum(np.abs(cg(a, b, tol=1e-13)[0]) ** 2))(b)
    expected = jax.grad(lambda b: jax.numpy.sum(abs(linalg.cg(a, b, tol=1e-13)[0]) ** 2))(b)
    np.testing.assert_allclose(ours, expected, rtol=1e-8)


@pytest.mark.parametrize("name", METHODS)
def test_right_sides_may_be_trees_and_matrices_functions(name: str) -> None:
    method = METHODS[name][0]
    b = {"u": np.array([[1.0, 2.0]]), "v": 3}

    def apply(x: Any) -> Any:
        return {"u": 2.0 * x["u"] + 0.5 * x["v"], "v": 4.0 * x["v"] + 0.5 * np.sum(x["u"])}

    x, info = method(apply, b, tol=1e-12)
    assert info == 0
    for got, expected in zip(tree.leaves(apply(x)), tree.leaves(b), strict=True):
        np.testing.assert_allclose(got, expected)


def test_gmres_restarts_and_stops_where_nothing_is_new() -> None:
    a, b = regular(30), vector(30)
    x, info = gmres(a, b, tol=1e-10, restart=3)
    np.testing.assert_allclose(a @ x, b, atol=1e-8)
    assert info == 0
    x, info = gmres(np.eye(6), np.ones(6), tol=1e-14)  # found after one step of six
    np.testing.assert_array_equal(x, np.ones(6))
    with pytest.raises(ParameterError, match="gmres"):
        gmres(a, b, solve_method="both")


# ---- custom_linear_solve ----


def dense(matvec: Fun, b: Any) -> Any:
    """A solver that is no function that can be differentiated: a loop as long as it takes."""
    return lax.while_loop(lambda x: np.max(np.abs(b - matvec(x))) > 1e-13, lambda x: x + 0.2 * (b - matvec(x)), b * 0.0)


def test_linear_solve_does_not_look_into_the_solver() -> None:
    a, b = regular(3), vector(3)

    def solve(a: Any, b: Any) -> Any:
        return lax.custom_linear_solve(lambda x: a @ x, b, dense, dense)

    np.testing.assert_allclose(solve(a, b), np.linalg.solve(a, b))
    inverse = np.linalg.inv(a)
    np.testing.assert_allclose(jacrev(solve, 1)(a, b), inverse, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(jit(jacfwd(solve, 1))(a, b), inverse, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(jacrev(solve)(a, b), jacfwd(solve)(a, b), rtol=1e-9, atol=1e-12)
    check_grads(solve, (a, b), order=2, modes=("fwd", "rev"))


def test_linear_solve_passes_what_the_solver_says_besides() -> None:
    def solve(d: Any, b: Any) -> Any:
        return lax.custom_linear_solve(
            lambda x: d * x, b, lambda matvec, b: (b / d, {"note": np.sum(b)}), symmetric=True, has_aux=True
        )

    d, b = np.array([2.0, 4.0]), np.array([1.0, 3.0])
    for run in (solve, jit(solve)):
        x, aux = run(d, b)
        np.testing.assert_array_equal(x, b / d)
        assert aux["note"] == 4.0
    value, aux = jvp(lambda d: solve(d, b), (d,), (d,))[1]
    np.testing.assert_allclose(value, -b / d)
    assert aux["note"] == 0.0
    gradient, (_, aux) = grad(lambda d: (lambda out: (np.sum(out[0]), out))(solve(d, b)), has_aux=True)(d)
    np.testing.assert_allclose(gradient, -b / d**2)
    batch = vmap(solve)(np.stack([d, d]), np.stack([b, 2 * b]))
    np.testing.assert_array_equal(batch[1]["note"], [4.0, 8.0])


def test_linear_solve_needs_the_transpose_in_reverse_mode_only() -> None:
    def solve(b: Any) -> Any:
        return lax.custom_linear_solve(lambda x: 2.0 * x, b, lambda matvec, b: b / 2.0)

    assert jvp(solve, (1.0,), (1.0,))[1] == 0.5
    with pytest.raises(CustomRuleError, match="transpose_solve"):
        grad(solve)(1.0)


def test_functions_that_do_not_fit_are_refused() -> None:
    b = np.ones(2)
    with pytest.raises(CustomRuleError, match=r"f64\[1\]"):
        jit(lambda b: lax.custom_linear_solve(lambda x: x[:1], b, lambda _, b: b))(b)
    with pytest.raises(CustomRuleError, match=r"f64\[1\]"):
        jit(lambda b: lax.custom_linear_solve(lambda x: x, b, lambda _, b: b[:1]))(b)
    with pytest.raises(CustomRuleError, match=r"as the guess"):
        jit(lambda b: lax.custom_root(lambda x: x[:1], b, lambda _, b: b, lambda g, y: y))(b)
    with pytest.raises(CustomRuleError, match=r"gives {'y': 'f64\[2\]'}"):
        jit(lambda b: lax.custom_root(lambda x: {"y": x["x"]}, {"x": b}, lambda _, x: x, lambda g, y: y))(b)
    with pytest.raises(CustomRuleError, match="'aux'"):
        jit(lambda b: lax.custom_root(lambda x: x, b, lambda _, b: b, lambda g, y: y, has_aux=True))(b)


# ---- roots ----


def test_roots_have_derivatives_of_every_order_and_mode() -> None:
    def iterate(f: Fun, x: Any) -> Any:
        return lax.while_loop(lambda x: np.abs(f(x)) > 1e-14, lambda x: x - f(x) / (3 * x**2), x)

    def cbrt(a: Any) -> Any:
        return lax.custom_root(lambda x: x**3 - a, np.ones_like(a), iterate, lambda g, y: y / g(np.ones_like(y)))

    a = np.float64(5.0)
    for wrap in (lambda f: f, jit):
        np.testing.assert_allclose(wrap(cbrt)(a), np.cbrt(a))
        np.testing.assert_allclose(wrap(grad(cbrt))(a), a ** (-2 / 3) / 3)
        np.testing.assert_allclose(wrap(grad(grad(cbrt)))(a), -2 / 9 * a ** (-5 / 3), rtol=1e-10)
        np.testing.assert_allclose(wrap(jacfwd(grad(cbrt)))(a), -2 / 9 * a ** (-5 / 3), rtol=1e-10)
        np.testing.assert_allclose(wrap(grad(jacfwd(cbrt)))(a), -2 / 9 * a ** (-5 / 3), rtol=1e-10)
        many = np.array([1.0, 8.0, 27.0])
        np.testing.assert_allclose(wrap(vmap(cbrt))(many), [1.0, 2.0, 3.0])
        np.testing.assert_allclose(wrap(vmap(grad(cbrt)))(many), many ** (-2 / 3) / 3)
        np.testing.assert_allclose(wrap(grad(lambda a: np.sum(vmap(cbrt)(a))))(many), many ** (-2 / 3) / 3)


def test_roots_agree_with_jax() -> None:
    jax = pytest.importorskip("jax")
    jax.config.update("jax_enable_x64", True)

    def program(lib: Any) -> Fun:
        def iterate(f: Fun, x: Any) -> Any:
            return lib.lax.fori_loop(0, 30, lambda _, x: x - 0.3 * f(x), x)

        def root(p: Any) -> Any:
            return p * lib.lax.custom_root(lambda x: x + 0.5 * x**3 - p, p * 0.0, iterate, lambda g, y: y / g(1.0))

        return root

    import functrans

    ours, theirs = program(functrans), program(jax)
    for p in (0.3, 1.2):
        np.testing.assert_allclose(grad(ours)(p), jax.grad(theirs)(p), rtol=1e-12)
        np.testing.assert_allclose(grad(grad(ours))(p), jax.grad(jax.grad(theirs))(p), rtol=1e-12)


def test_bisect_finds_every_root_to_the_last_bit() -> None:
    def root(a: Any, tol: float = 0.0) -> Any:
        return bisect(lambda x: x**3 - a, np.zeros(3), 10.0, tol=tol)

    a = np.array([0.0, 2.0, 27.0])
    found = root(a)
    np.testing.assert_allclose(found.x, np.cbrt(a), rtol=3e-16, atol=1e-300)
    assert found.converged.all()
    assert abs(root(a, 0.1).x - np.cbrt(a)).max() < 0.1
    assert not bisect(lambda x: x**2 + 1.0, -1.0, 1.0).converged
    b = np.array([1.0, 8.0, 27.0])
    np.testing.assert_allclose(jit(jacrev(lambda a: root(a).x))(b), np.diag(b ** (-2 / 3) / 3))
    np.testing.assert_allclose(vmap(grad(lambda a: bisect(lambda x: x**3 - a, 0.0, 9.0).x))(b), b ** (-2 / 3) / 3)


def broyden(x: Any, p: Any) -> Any:
    """Broyden's tridiagonal function."""
    left, right = np.concatenate([np.zeros(1), x[:-1]]), np.concatenate([x[1:], np.zeros(1)])
    return (3 - p * x) * x - left - 2 * right + 1


def test_newton_solves_systems_and_differentiates_them() -> None:
    def root(p: Any) -> Any:
        return newton(lambda x: broyden(x, p), -np.ones(4)).x

    p = np.linspace(1.0, 2.0, 4)
    for run in (root, jit(root)):
        np.testing.assert_allclose(broyden(run(p), p), 0, atol=1e-12)
    x = root(p)
    jacobian = jacfwd(lambda x: broyden(x, p))(x)
    expected = np.linalg.solve(jacobian, np.diag(x**2))
    np.testing.assert_allclose(jacfwd(root)(p), expected, rtol=1e-8, atol=1e-12)
    np.testing.assert_allclose(jit(jacrev(root))(p), expected, rtol=1e-8, atol=1e-12)
    many = newton(lambda x: broyden(x, np.ones(100)), -np.ones(100))
    np.testing.assert_allclose(broyden(many.x, np.ones(100)), 0, atol=1e-10)
    assert many.converged
    step = np.array([1e-4, 0.0, 0.0, 0.0])
    change = grad(lambda p: np.sum(root(p)))(p + step) - grad(lambda p: np.sum(root(p)))(p - step)
    np.testing.assert_allclose(hessian(lambda p: np.sum(root(p)))(p)[0], change / 2e-4, rtol=1e-5)


def test_newton_shortens_steps_and_says_where_it_fails() -> None:
    found = newton(lambda x: np.arctan(x), 3.0)  # whole steps run away from here
    np.testing.assert_allclose(found.x, 0, atol=1e-8)
    assert found.converged
    assert not newton(lambda x: x**2 + 1.0, 1.0).converged
    assert not newton(lambda x: np.exp(x), 0.0, maxiter=3).converged


@pytest.mark.parametrize("history", [0, 1, 5])
def test_anderson_finds_fixed_points(history: int) -> None:
    a, b = regular(6) / 8, vector(6)

    def fixed(a: Any, b: Any) -> Any:
        found = anderson(lambda x: np.tanh(a @ x + b), np.zeros(6), history=history, tol=1e-12)
        return found.x, found.steps, found.converged

    x, _, converged = jit(fixed)(a, b)
    np.testing.assert_allclose(x, np.tanh(a @ x + b), rtol=1e-10)
    assert converged
    slope = np.diag(1 - x**2)
    expected = np.linalg.solve(np.eye(6) - slope @ a, slope)
    np.testing.assert_allclose(jacrev(lambda b: fixed(a, b)[0])(b), expected, rtol=1e-7, atol=1e-10)
    np.testing.assert_allclose(jacfwd(lambda b: fixed(a, b)[0])(b), expected, rtol=1e-7, atol=1e-10)


def test_anderson_is_faster_than_iterating() -> None:
    a = 0.95 * np.linalg.qr(RNG.normal(size=(8, 8)))[0]
    a = (a + a.T) / 2
    runs = [anderson(lambda x: a @ x + 1.0, np.zeros(8), history=history, maxiter=2000) for history in (0, 5)]
    assert all(run.converged for run in runs)
    assert runs[1].steps < runs[0].steps / 3


# ---- minima ----

T = np.linspace(0.0, 2.0, 15)


def curve(p: Any) -> Any:
    return p["a"] * np.exp(-p["k"] * T) + p["c"]


TRUE = {"a": np.array(2.0), "c": np.array(0.5), "k": np.array(1.5)}
START = {"a": np.array(1.0), "c": np.array(0.0), "k": np.array(0.5)}


@pytest.mark.parametrize("solver", [gauss_newton, levenberg_marquardt])
def test_least_squares(solver: Fun) -> None:
    noise = 0.05 * RNG.normal(size=T.size)

    def fit(noise: Any) -> Any:
        found = solver(lambda p: curve(p) - (curve(TRUE) + noise), START, tol=1e-13)
        return np.stack(tree.leaves(found.x)), found.converged

    x, converged = jit(fit)(noise)
    assert converged
    scipy = pytest.importorskip("scipy.optimize")
    other = scipy.least_squares(
        lambda v: curve(dict(zip("ack", v, strict=True))) - curve(TRUE) - noise, [1.0, 0.0, 0.5], xtol=1e-12, gtol=1e-12
    )
    np.testing.assert_allclose(x, other.x, rtol=1e-6)
    np.testing.assert_allclose(fit(0 * noise)[0], tree.leaves(TRUE), rtol=1e-8)
    step = 1e-5 * RNG.normal(size=T.size)
    change = fit(noise + step)[0] - fit(noise - step)[0]
    np.testing.assert_allclose(jvp(lambda n: fit(n)[0], (noise,), (step,))[1], change / 2, rtol=1e-4)
    np.testing.assert_allclose(jacrev(lambda n: fit(n)[0])(noise) @ step, change / 2, rtol=1e-4)


def test_levenberg_and_marquardt_need_no_full_rank() -> None:
    found = levenberg_marquardt(lambda x: np.array([1.0, 2.0]) * (x[0] + x[1] - 3.0), np.zeros(2))
    np.testing.assert_allclose(np.sum(found.x), 3.0)
    rosenbrock = levenberg_marquardt(lambda x: np.stack([10.0 * (x[1] - x[0] ** 2), 1.0 - x[0]]), np.array([-1.2, 1.0]))
    np.testing.assert_allclose(rosenbrock.x, [1.0, 1.0], rtol=1e-8)


def rosen(x: Any, scale: Any = 100.0) -> Any:
    return np.sum(scale * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


@pytest.mark.parametrize("solver", [bfgs, l_bfgs])
@pytest.mark.parametrize("size", [2, 10])
def test_minima(solver: Fun, size: int) -> None:
    runs: list[Fun] = [solver, lambda f, x: jit(lambda x: solver(f, x))(x)]
    for run in runs:
        found = run(rosen, np.full(size, -0.5))
        np.testing.assert_allclose(found.x, np.ones(size), rtol=1e-6)
        assert found.converged
        assert found.steps < 150
    assert not solver(rosen, np.full(size, -0.5), maxiter=3).converged


@pytest.mark.parametrize("method", ["BFGS", "L-BFGS"])
def test_minimize_as_scipy_and_differentiate_it(method: str) -> None:
    scipy = pytest.importorskip("scipy.optimize")
    q, b = positive(5), vector(5)

    def objective(x: Any, b: Any) -> Any:
        return x @ q @ x / 2 - b @ x + np.sum(np.cosh(x))

    ours = minimize(objective, np.zeros(5), (b,), method=method, tol=1e-9)
    theirs = scipy.minimize(objective, np.zeros(5), (b,), method="BFGS", tol=1e-9)
    np.testing.assert_allclose(ours.x, theirs.x, rtol=1e-6)
    np.testing.assert_allclose(ours.fun, theirs.fun, rtol=1e-12)
    assert ours.success
    assert ours.status == 0
    assert ours.nfev < 2 * theirs.nfev
    hess = q + np.diag(np.cosh(ours.x))

    def least(b: Any) -> Any:
        return minimize(objective, np.zeros(5), (b,), method=method, tol=1e-9).x

    np.testing.assert_allclose(jacrev(least)(b), np.linalg.inv(hess), rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(jit(jacfwd(least))(b), np.linalg.inv(hess), rtol=1e-6, atol=1e-9)
    value = grad(lambda b: minimize(objective, np.zeros(5), (b,), method=method, tol=1e-9).fun)(b)
    np.testing.assert_allclose(value, -ours.x, rtol=1e-6)
    if method == "BFGS":
        assert ours.hess_inv is not None
        np.testing.assert_allclose(ours.hess_inv, np.linalg.inv(hess), rtol=0.3, atol=0.1)
    failed = minimize(objective, np.zeros(5), (b,), method=method, options={"maxiter": 1})
    assert failed.status == 1
    with pytest.raises(ParameterError, match="minimize"):
        minimize(objective, np.zeros(5), (b,), method="Newton-CG")
    with pytest.raises(ParameterError, match="gtoll"):
        minimize(objective, np.zeros(5), (b,), method=method, options={"gtoll": 1})


def test_minima_of_a_batch_are_found_at_once() -> None:
    starts = RNG.normal(size=(4, 3))
    found = vmap(lambda x: bfgs(rosen, x))(starts)
    assert found.converged.all()
    for start, x in zip(starts, found.x, strict=True):
        np.testing.assert_allclose(x, bfgs(rosen, start).x, rtol=1e-6)


def test_single_values_are_numpy_scalars() -> None:
    results = [bisect(lambda x: x - 2, 0.0, 2.0).x, cg(np.eye(2), np.ones(2))[1]]
    results.append(minimize(lambda x: np.sum(x**2), np.ones(2), method="BFGS").status)
    assert not any(isinstance(result, np.ndarray) for result in results)


@pytest.mark.parametrize("solver", [newton, anderson])
def test_a_function_that_gives_something_else_is_refused(solver: Fun) -> None:
    with pytest.raises(ParameterError, match=rf"`{solver.__name__}` got a function whose values have shapes \(1,\)"):
        solver(lambda x: x[:1], np.ones(2))
    with pytest.raises(ParameterError, match="as x0 has"):
        solver(lambda x: {"y": x["x"]}, {"x": 1.0})


def test_what_is_not_finite_is_no_solution() -> None:
    for method in (cg, gmres, bicgstab):
        assert method(np.eye(3), np.array([1.0, np.nan, 1.0]))[1] > 0
    with np.errstate(invalid="ignore"):
        assert not bisect(lambda x: x**3 - 2, -np.inf, np.inf).converged
