"""external: SciPy's and other functions under every transform, with rules for one mode or both, or by finite differences."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.linalg
import scipy.special

import functrans as ft
from functrans.errors import CallbackResultError, CustomRuleError, ExternalFunctionError, NotDifferentiableError
from functrans.test_util import check_grads

X = np.linspace(0.5, 3.0, 4)


def struct(*shape: int, dtype: Any = np.float64) -> ft.ShapeDtypeStruct:
    return ft.ShapeDtypeStruct(shape, dtype)


def like(x: Any, *_: Any) -> Any:
    return x


# J₀' = −J₁ and J₁' = J₀ − J₁/x (DLMF 10.6): a pair of functions that are each other's derivative rules

RULES: dict[str, dict[str, tuple[Any, Any]]] = {
    "vjp": {"vjp": (lambda ct, out, x: (-ct * j1(x),), lambda ct, out, x: (ct * (j0(x) - out / x),))},
    "jvp": {"jvp": (lambda t, out, x: -t[0] * j1(x), lambda t, out, x: t[0] * (j0(x) - out / x))},
}
RULES["both"] = {**RULES["vjp"], **RULES["jvp"]}
_bessel: dict[int, Any] = {}
j0: Callable[[Any], Any] = lambda x: _bessel[0](x)
j1: Callable[[Any], Any] = lambda x: _bessel[1](x)


@pytest.fixture(params=[(rules, vmap) for rules in RULES for vmap in ("loop", "vectorized")], ids="-".join)
def bessel(request: pytest.FixtureRequest) -> Callable[[Any], Any]:
    rules, vmap = request.param
    for order, function in enumerate((scipy.special.j0, scipy.special.j1)):
        own = {mode: pair[order] for mode, pair in RULES[rules].items()}
        _bessel[order] = ft.external(function, like, vmap=vmap, **own)
    found: Callable[[Any], Any] = _bessel[0]
    return found


def test_every_transform_of_a_function_with_rules(bessel: Callable[[Any], Any]) -> None:
    first, second = -scipy.special.j1(X), -scipy.special.jvp(1, X)
    total = lambda x: np.sum(bessel(x))
    for wrap in (lambda f: f, ft.jit):
        np.testing.assert_allclose(wrap(bessel)(X), scipy.special.j0(X))
        np.testing.assert_allclose(wrap(ft.grad(total))(X), first)
        np.testing.assert_allclose(wrap(lambda x: ft.jvp(bessel, (x,), (np.ones(4),))[1])(X), first)
        np.testing.assert_allclose(wrap(ft.vmap(bessel))(X), scipy.special.j0(X))
        np.testing.assert_allclose(wrap(ft.vmap(ft.grad(bessel)))(X), first)
        np.testing.assert_allclose(wrap(ft.grad(lambda x: np.sum(ft.vmap(bessel)(x))))(X), first)
        np.testing.assert_allclose(wrap(ft.jacfwd(bessel))(X), np.diag(first), atol=1e-15)
        np.testing.assert_allclose(wrap(ft.jacrev(bessel))(X), np.diag(first), atol=1e-15)
        np.testing.assert_allclose(wrap(ft.hessian(total))(X), np.diag(second), atol=1e-15)
        np.testing.assert_allclose(wrap(ft.jacrev(ft.jacrev(total)))(X), np.diag(second), atol=1e-15)
        np.testing.assert_allclose(wrap(ft.vmap(ft.grad(ft.grad(bessel))))(X), second)
    np.testing.assert_allclose(ft.grad(ft.jit(total))(X), first)
    np.testing.assert_allclose(ft.vmap(ft.jit(ft.grad(bessel)))(X), second * 0 + first)


def test_each_mode_uses_its_own_rule() -> None:
    used: list[str] = []

    def vjp(ct: Any, out: Any, x: Any) -> tuple[Any]:
        used.append("vjp")
        return (ct * 2.0,)

    def jvp(tangents: tuple[Any], out: Any, x: Any) -> Any:
        used.append("jvp")
        return tangents[0] * 2.0

    f = ft.external(lambda x: x * 2.0, like, vjp=vjp, jvp=jvp)
    assert ft.grad(f)(3.0) == 2.0
    assert used == ["vjp"]
    used.clear()
    assert ft.jvp(f, (3.0,), (1.0,)) == (6.0, 2.0)
    assert used == ["jvp"]


def test_rules_of_trees_and_integers() -> None:
    def solve(system: dict[str, Any], times: Any) -> Any:
        return scipy.linalg.solve(system["a"], system["b"]) * times

    def vjp(ct: Any, out: Any, system: dict[str, Any], times: Any) -> tuple[Any, None]:
        back = ft.vmap(lambda b: solver({"a": system["a"].T, "b": b}, times))(ct[None])[0]
        return {"a": -np.outer(back, out) / times, "b": back}, None

    solver = ft.external(solve, lambda system, _: system["b"], vjp=vjp)
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(3, 3)) + 3 * np.eye(3), rng.normal(size=3)
    loss = lambda a, b: np.sum(solver({"a": a, "b": b}, 2) ** 2)
    check_grads(loss, (a, b), order=2, modes=("fwd", "rev"))
    expected = ft.grad(lambda b: np.sum((2 * np.linalg.inv(a) @ b) ** 2))(b)
    np.testing.assert_allclose(ft.jit(ft.grad(loss, argnums=1))(a, b), expected)


def test_arguments_may_be_passed_by_name() -> None:
    def ratio(x: float, y: float = 1.0) -> float:
        return x / y

    plain = ft.external(ratio, struct())
    ruled = ft.external(ratio, struct(), vjp=lambda ct, out, x, y: (ct / y, -ct * out / y))
    for f in (plain, ruled):
        assert ft.jit(lambda x, f=f: f(y=2.0, x=x))(3.0) == 1.5
    assert ft.grad(lambda x: ruled(y=x, x=3.0))(2.0) == -0.75


def test_names_and_documentation_stay() -> None:
    f = ft.external(scipy.special.j0, like)
    assert (f.__name__, f.__doc__, repr(f)) == ("j0", scipy.special.j0.__doc__, "<external j0>")


def test_without_a_rule_there_is_no_derivative() -> None:
    f = ft.external(math.sin, struct())
    assert ft.jit(f)(0.5) == math.sin(0.5)
    np.testing.assert_array_equal(ft.vmap(f)(X), [math.sin(x) for x in X])
    with pytest.raises(NotDifferentiableError):
        ft.grad(f)(0.5)


def test_a_vectorized_function_is_called_once() -> None:
    calls: list[tuple[int, ...]] = []

    def sine(x: Any) -> Any:
        calls.append(np.shape(x))
        return np.sin(x)

    for vmap, expected in (("loop", [()] * 4), ("vectorized", [(4,)])):
        f = ft.external(sine, struct(), vmap=vmap)  # type: ignore[call-overload]
        calls.clear()
        ft.jit(ft.vmap(f))(X)
        assert calls == expected


def test_results_and_rules_are_checked() -> None:
    with pytest.raises(CallbackResultError, match="result_shape"):
        ft.external(math.sin, struct(2))(1.0)
    wrong = ft.external(np.sin, struct(3), vjp=lambda ct, out, x: (np.sum(ct),))
    with pytest.raises(CustomRuleError, match="cotangent"):
        ft.grad(lambda x: np.sum(wrong(x)))(np.ones(3))
    few = ft.external(np.add, struct(), vjp=lambda ct, out, x, y: (ct,))
    with pytest.raises(CustomRuleError, match="one for each argument"):
        ft.grad(few)(1.0, 2.0)


# ---- finite differences ----


@pytest.mark.parametrize("vmap", ["loop", "vectorized"])
def test_finite_differences_against_the_true_derivative(vmap: Any) -> None:
    f = ft.external(scipy.special.j0, like, finite_differences=True, vmap=vmap)
    x = np.array([[0.5, 1e-3], [-2.0, 30.0]])
    first, second = -scipy.special.j1(x), -scipy.special.jvp(1, x)
    total = lambda x: np.sum(f(x))
    for wrap in (lambda f: f, ft.jit):
        np.testing.assert_allclose(wrap(ft.grad(total))(x), first, atol=3e-9)
        along = wrap(lambda x: ft.jvp(f, (x,), (np.full((2, 2), 1e4),))[1])(x)
        np.testing.assert_allclose(along / 1e4, first, atol=3e-9)
        np.testing.assert_allclose(wrap(ft.vmap(ft.vmap(ft.grad(f))))(x), first, atol=3e-9)
    np.testing.assert_allclose(ft.vmap(ft.grad(ft.grad(f)))(x.ravel()), second.ravel(), atol=1e-5)
    np.testing.assert_allclose(ft.jit(ft.vmap(ft.jacfwd(ft.grad(f))))(x.ravel()), second.ravel(), atol=1e-5)


def test_finite_differences_of_several_arguments_and_results() -> None:
    def fun(params: dict[str, Any], n: Any, shift: Any) -> Any:
        return {"v": params["w"] ** n + shift, "n": n + 1, "s": float(np.sum(params["b"]) * shift[0])}

    declared = lambda params, n, shift: {"v": shift, "n": struct(dtype=np.int64), "s": struct()}
    f = ft.external(fun, declared, finite_differences=True)

    def loss(g: Callable[..., Any], params: Any, shift: Any) -> Any:
        out = g(params, 3, shift)
        return np.sum(out["v"] * np.array([1.0, -2.0])) + out["s"] ** 2

    def pure(params: Any, n: Any, shift: Any) -> Any:
        return {"v": params["w"] ** n + shift, "n": n + 1, "s": np.sum(params["b"]) * shift[0]}

    args = ({"w": np.array([1.5, -0.5]), "b": np.array([2.0, 1.0, -4.0])}, np.array([0.3, 0.1]))
    for wrap in (lambda g: g, ft.jit):
        found = wrap(ft.grad(lambda *args: loss(f, *args), argnums=(0, 1)))(*args)
        expected = ft.grad(lambda *args: loss(pure, *args), argnums=(0, 1))(*args)
        for x, y in zip(ft.tree.leaves(found), ft.tree.leaves(expected), strict=True):
            np.testing.assert_allclose(x, y, atol=1e-8)
    tangents = ft.tree.map(np.ones_like, args)
    along = ft.jvp(lambda *args: loss(f, *args), args, tangents)[1]
    assert along == pytest.approx(ft.jvp(lambda *args: loss(pure, *args), args, tangents)[1], abs=1e-8)


def test_finite_differences_keep_float32() -> None:
    f = ft.external(lambda x: np.sin(x), like, finite_differences=True, vmap="vectorized")
    x = X.astype(np.float32)
    gradient = ft.jit(ft.grad(lambda x: np.sum(f(x))))(x)
    assert gradient.dtype == np.float32
    np.testing.assert_allclose(gradient, np.cos(x), atol=2e-4)
    tangent = ft.jvp(f, (x,), (np.ones(4, np.float32),))[1]
    assert tangent.dtype == np.float32
    np.testing.assert_allclose(tangent, np.cos(x), atol=2e-4)


def test_the_step_of_finite_differences_is_a_choice() -> None:
    seen: list[float] = []

    def square(x: float) -> float:
        seen.append(x)
        return x * x

    f = ft.external(square, struct(), finite_differences=0.25)
    assert ft.grad(f)(1.0) == 2.0
    assert sorted(set(seen)) == [0.75, 1.0, 1.25]


def test_finite_differences_of_nothing() -> None:
    f = ft.external(lambda x: np.sin(x), like, finite_differences=True)
    assert ft.grad(lambda x: np.sum(f(x)))(np.ones((0, 2))).shape == (0, 2)
    assert ft.jvp(f, (np.ones(2),), (np.zeros(2),))[1].tolist() == [0.0, 0.0]
    assert ft.jvp(f, (np.ones(0),), (np.zeros(0),))[1].shape == (0,)


def test_finite_differences_of_many_elements_are_made_in_parts() -> None:
    shapes: list[tuple[int, ...]] = []

    def fun(x: Any) -> Any:
        shapes.append(x.shape)
        return x * 2.0

    f = ft.external(fun, like, finite_differences=True, vmap="vectorized")
    gradient = ft.grad(lambda x: np.sum(f(x) * np.arange(2000.0)))(np.ones(2000))
    np.testing.assert_allclose(gradient, 2.0 * np.arange(2000.0), rtol=1e-6, atol=1e-6)
    assert max(math.prod(shape) for shape in shapes) <= 1 << 20


def test_what_cannot_be_differentiated_so() -> None:
    with pytest.raises(ExternalFunctionError, match="complex"):
        ft.grad(lambda x: np.real(ft.external(np.exp, like, finite_differences=True)(x * 1j)))(1.0)
    with pytest.raises(ExternalFunctionError, match="finite_differences"):
        ft.external(math.sin, struct(), jvp=lambda t, out, x: t[0], finite_differences=True)
