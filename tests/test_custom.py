"""custom_vjp and custom_jvp: every rule in both modes, to second order, under every transform; and wrong rules."""

import gc
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import Any

import numpy as np
import pytest

import functrans
from functrans import custom_jvp, custom_vjp, grad, jit, jvp, linearize, tree, value_and_grad, vjp, vmap
from functrans.core.aval import FLOAT0
from functrans.errors import (
    CustomClosureError,
    CustomRuleError,
    MissingRuleError,
    NonArrayInputError,
    TreeMismatchError,
)

Fun = Callable[..., Any]


@custom_vjp
def by_vjp(x: Any) -> Any:
    return np.sin(x)


by_vjp.defvjp(lambda x: (by_vjp(x), x), lambda x, ct: (10 * ct * np.cos(x),))


@custom_jvp
def by_jvp(x: Any) -> Any:
    return np.sin(x)


@by_jvp.defjvp
def _(primals: Any, tangents: Any) -> Any:
    return by_jvp(*primals), 10 * tangents[0] * np.cos(primals[0])


@custom_jvp
def by_jvps(x: Any) -> Any:
    return np.sin(x)


by_jvps.defjvps(lambda t, out, x: 10 * t * np.cos(x))

KINDS: dict[str, Fun] = {"vjp": by_vjp, "jvp": by_jvp, "jvps": by_jvps}
KIND = pytest.mark.parametrize("kind", KINDS)
# the derivative of the function is ten times that of the sine; that of the rule is the rule's own
STEPS: dict[str, tuple[Fun, int]] = {
    "grad": (grad, 1),
    "jvp": (lambda f: lambda x: jvp(f, (x,), (1.0,))[1], 1),
    "linearize": (lambda f: lambda x: linearize(f, x)[1](1.0), 1),
    "vmap": (lambda f: lambda x: vmap(f)(np.stack([x, 2 * x]))[0], 0),
    "jit": (jit, 0),
}


@KIND
@pytest.mark.parametrize("order", list(product(STEPS, repeat=3)), ids="-".join)
def test_three_transforms_in_every_order(kind: str, order: tuple[str, ...]) -> None:
    function, count = KINDS[kind], 0
    for step in order:
        transform, derivatives = STEPS[step]
        function, count = transform(function), count + derivatives
    x = 0.3
    expected = np.sin(x + count * np.pi / 2) * (10 if count else 1)
    assert function(x) == pytest.approx(expected, rel=1e-13)


@KIND
def test_gradients_through_a_batch(kind: str) -> None:
    x = np.array([[0.1, 0.2, 0.3]])
    wraps: list[Fun] = [vmap, lambda f: vmap(jit(f)), lambda f: jit(vmap(f)), lambda f: vmap(vmap(f), in_axes=1)]
    for wrap in wraps:
        batched = wrap(KINDS[kind])
        np.testing.assert_allclose(grad(lambda x: np.sum(batched(x)))(x), 10 * np.cos(x), rtol=1e-14)  # noqa: B023
        np.testing.assert_allclose(jvp(batched, (x,), (x,))[1].reshape(x.shape), 10 * x * np.cos(x), rtol=1e-14)


# ---- arguments ----


def scaled() -> Any:
    @partial(custom_vjp, nondiff_argnums=(0, 2))
    def apply(function: Fun, x: Any, n: int = 2) -> Any:
        return function(x) * n

    apply.defvjp(
        lambda function, x, n: (apply(function, x, n), x),
        lambda function, n, x, ct: (100.0 * n * ct * function(x),),
    )
    return apply


def scaled_jvp(numbers: Any = (0, 2)) -> Any:
    def function_of(function: Fun, x: Any, n: int = 2) -> Any:
        return function(x) * n

    apply: Any = custom_jvp(function_of, numbers)
    apply.defjvp(lambda function, n, primals, tangents: (
        apply(function, *primals, n), 100.0 * n * tangents[0] * function(primals[0])))  # fmt: skip
    return apply


@pytest.mark.parametrize("make", [scaled, scaled_jvp, lambda: scaled_jvp((-3, -1))])
def test_arguments_that_are_not_differentiated(make: Fun) -> None:
    apply = make()
    slope = 100 * np.sin(0.5)
    calls: list[tuple[Fun, float]] = [
        (lambda x: apply(np.sin, x, 3), 3),
        (lambda x: apply(np.sin, x), 2),
        (lambda x: apply(np.sin, x, n=4), 4),
        (lambda x: apply(n=5, x=x, function=np.sin), 5),
    ]
    for call, n in calls:
        assert call(0.5) == pytest.approx(np.sin(0.5) * n)
        for derive in (grad(call), jit(grad(call)), grad(jit(call)), lambda x, f=call: jvp(f, (x,), (1.0,))[1]):
            assert derive(0.5) == pytest.approx(n * slope)
        np.testing.assert_allclose(vmap(grad(call))(np.array([0.5, 1.0])), 100 * n * np.sin([0.5, 1.0]))


@pytest.mark.parametrize("make", [custom_vjp, custom_jvp])
@pytest.mark.parametrize("numbers", [1, -2, (0, 3)])
def test_numbers_of_arguments_that_there_are_not(make: Fun, numbers: Any) -> None:
    with pytest.raises(CustomRuleError, match="nondiff_argnums"):
        make(lambda x: x, nondiff_argnums=numbers)


def test_defaults_and_keywords_reach_the_rules() -> None:
    @custom_vjp
    def product(x: Any, y: Any = 2.0) -> Any:
        return x * y

    product.defvjp(lambda x, y: (x * y, (x, y)), lambda saved, ct: (10 * ct * saved[1], ct * saved[0]))
    assert product(1.5) == 3.0
    assert grad(product)(1.5) == 20.0
    assert grad(lambda x: product(x, y=3.0))(1.5) == 30.0
    assert grad(lambda y: product(y=y, x=1.5))(3.0) == 1.5
    with pytest.raises(NonArrayInputError, match="got y of type str"):
        product(1.0, y="s")
    with pytest.raises(TypeError, match="'x'"):
        product(y=1.0)  # type: ignore[call-arg]  # that is the point


def test_trees() -> None:
    @custom_vjp
    def function(params: Any, x: Any) -> Any:
        return {"out": params["w"] * x[0], "rest": [x[1]]}

    function.defvjp(
        lambda params, x: (function(params, x), {"all": (params, x), "none": None}),
        lambda saved, ct: (
            {"w": 10 * ct["out"] * saved["all"][1][0], "b": None, "deep": None},
            (ct["out"], ct["rest"][0]),
        ),
    )
    loss = lambda params, x: (lambda out: out["out"] + 2 * out["rest"][0])(function(params, x))
    params = {"w": 2.0, "b": 3.0, "deep": [1.0, (2.0, None)]}
    expected = ({"w": 30.0, "b": 0.0, "deep": [0.0, (0.0, None)]}, (1.0, 2.0))
    for transformed in (grad(loss, (0, 1)), jit(grad(loss, (0, 1))), grad(jit(loss), (0, 1))):
        assert transformed(params, (3.0, 4.0)) == expected
    tangents = tree.map(np.ones_like, (params, (3.0, 4.0)))
    assert jvp(loss, (params, (3.0, 4.0)), tangents)[1] == 33.0
    stacked = tree.map(lambda leaf: np.stack([leaf, 2 * leaf]), (params, (3.0, 4.0)))
    np.testing.assert_array_equal(vmap(grad(loss))(*stacked)["w"], [30.0, 60.0])


def test_zeros_of_a_tangent_may_be_none() -> None:
    pair: Any = custom_jvp(lambda x: (x, {"a": x, "b": 2 * x}))
    pair.defjvp(lambda primals, tangents: ((primals[0], {"a": primals[0], "b": 2 * primals[0]}), (tangents[0], None)))
    assert jvp(pair, (1.0,), (3.0,))[1] == (3.0, {"a": 0.0, "b": 0.0})
    assert grad(lambda x: pair(x)[1]["b"] + pair(x)[0])(1.0) == 1.0


@pytest.mark.parametrize("zero", [None, np.zeros((), FLOAT0), 0.0])
def test_integer_arguments_and_results(zero: Any) -> None:
    seen: list[Any] = []

    @custom_vjp
    def function(x: Any, n: Any) -> Any:
        return x * n, n + 1

    def backward(n: Any, ct: Any) -> Any:
        seen.append(ct[1].dtype)
        return 10 * ct[0] * n, zero

    function.defvjp(lambda x, n: (function(x, n), n), backward)
    assert grad(lambda x: function(x, 3)[0])(2.0) == 30.0
    assert jit(grad(lambda x: function(x, 3)[0]))(2.0) == 30.0
    assert grad(jit(lambda x, n: function(x, n)[0]))(2.0, 3) == 30.0
    np.testing.assert_array_equal(vmap(grad(lambda x, n: function(x, n)[0]))(np.ones(2), np.array([2, 3])), [20, 30])
    assert jvp(lambda x: function(x, 3)[0], (2.0,), (1.0,))[1] == 30.0
    untyped: Any = vjp(lambda n: function(2.0, n)[0], 3)[1](1.0)[0]
    assert untyped.dtype == FLOAT0
    assert set(seen) == {FLOAT0}


def test_dtypes_and_python_numbers() -> None:
    constant: Any = custom_vjp(lambda x: x * 1)
    constant.defvjp(lambda x: (x * 1, None), lambda _, ct: (2.0,))
    numbers: list[Any] = [np.float32(3), np.float16(3), 3.0]
    for x in numbers:
        derivatives: list[Fun] = [grad(constant), jit(grad(constant)), grad(jit(constant))]
        for derive in derivatives:
            assert derive(x) == 2.0
            assert derive(x).dtype == np.asarray(x).dtype
    assert grad(by_vjp)(np.float32(0.5)).dtype == grad(by_jvp)(np.float32(0.5)).dtype == np.float32


def test_complex_numbers() -> None:
    square = custom_vjp(lambda z: np.abs(z) ** 2)
    square.defvjp(lambda z: (square(z), z), lambda z, ct: (2 * ct * np.conj(z),))
    z, t = 1 + 2j, 0.5 - 1j
    assert grad(square)(z) == grad(lambda z: np.real(z * np.conj(z)))(z) == 2 - 4j
    assert jvp(square, (z,), (t,))[1] == pytest.approx(jvp(lambda z: np.real(z * np.conj(z)), (z,), (t,))[1])
    assert jit(grad(square))(z) == 2 - 4j


# ---- methods ----


@tree.register_dataclass
@dataclass
class Layer:
    w: Any

    @custom_vjp
    def apply(self, x: Any) -> Any:
        return self.w * x

    apply.defvjp(lambda self, x: (self.w * x, (self, x)), lambda saved, ct: (Layer(ct * saved[1]), 100 * ct))


class Plain:
    @partial(custom_vjp, nondiff_argnums=0)
    def apply(self, x: Any) -> Any:
        return x

    apply.defvjp(lambda self, x: (x, None), lambda self, _, ct: (100 * ct,))


def test_methods() -> None:
    assert grad(lambda layer, x: layer.apply(x), (0, 1))(Layer(2.0), 3.0) == (Layer(3.0), 100.0)
    assert grad(lambda x: Plain().apply(x))(1.0) == 100.0
    assert Layer.apply(Layer(2.0), 3.0) == 6.0


# ---- rules as Python ----


def test_rules_may_branch_on_values() -> None:
    function = custom_vjp(lambda x: x**2)
    function.defvjp(
        lambda x: (x**2, (x,) if x > 0 else ()), lambda saved, ct: (2 * ct * saved[0] if saved else -7 * ct,)
    )
    assert grad(function)(3.0) == 6.0
    assert grad(function)(-3.0) == -7.0


def test_rules_per_argument() -> None:
    function = custom_jvp(lambda x, y: x * y)
    function.defjvps(lambda t, out, x, y: 10 * t * y, None)
    assert grad(function, (0, 1))(2.0, 3.0) == (30.0, 0.0)
    function.defjvps(None, None)
    assert value_and_grad(function)(2.0, 3.0) == (6.0, 0.0)
    function.defjvps(lambda t, out, x, y: t)
    with pytest.raises(CustomRuleError, match="defjvps got 1 rules"):
        grad(function)(2.0, 3.0)


def test_rules_are_needed() -> None:
    with pytest.raises(MissingRuleError, match=r"defvjp\(fwd, bwd\)"):
        custom_vjp(lambda x: x)(1.0)
    with pytest.raises(MissingRuleError, match=r"defjvp\(rule\)"):
        custom_jvp(lambda x: x)(1.0)


# ---- wrong rules ----

RUNS: dict[str, Fun] = {
    "grad": lambda f: grad(f)(1.0, 2.0),
    "jit of grad": lambda f: jit(grad(f))(1.0, 2.0),
    "grad of jit": lambda f: grad(jit(f))(1.0, 2.0),
    "jvp": lambda f: jvp(f, (1.0, 2.0), (1.0, 1.0)),
    "vmap": lambda f: vmap(grad(f))(np.ones(2), np.ones(2)),
}
RUN = pytest.mark.parametrize("run", RUNS)


def good(x: Any, y: Any) -> Any:
    return x * y, (x, y)


WRONG_VJP: dict[str, tuple[Fun, Fun, type[Exception], str]] = {
    "no pair": (lambda x, y: x, lambda saved, ct: (ct, ct), CustomRuleError, "forward rule"),
    "no tuple": (good, lambda saved, ct: ct, CustomRuleError, "backward rule"),
    "too few": (good, lambda saved, ct: (ct,), CustomRuleError, "backward rule"),
    "shape": (good, lambda saved, ct: (ct, np.ones(3)), CustomRuleError, r"argument `b` has type f64\[3\]"),
    "dtype": (good, lambda saved, ct: (ct, np.complex128(1)), CustomRuleError, r"argument `b` has type c128\[\]"),
    "tree": (good, lambda saved, ct: ([ct], ct), TreeMismatchError, "argument `a`.*a list of length 1"),
    "None inside a wrong tree": (good, lambda saved, ct: ([None], ct), TreeMismatchError, "argument `a`"),
    "no array": (good, lambda saved, ct: ("text", ct), NonArrayInputError, "argument `a`"),
    "residual": (lambda x, y: (x * y, "text"), lambda saved, ct: (ct, ct), TypeError, "str"),
}


@RUN
@pytest.mark.parametrize("wrong", WRONG_VJP)
def test_wrong_backward_rules(run: str, wrong: str) -> None:
    fwd, bwd, error, message = WRONG_VJP[wrong]

    @custom_vjp
    def wrongly_ruled(a: Any, b: Any) -> Any:
        return a * b

    wrongly_ruled.defvjp(fwd, bwd)
    with pytest.raises(error, match=f"(?s){message}") as caught:
        RUNS[run](wrongly_ruled)
    assert "wrongly_ruled" in str(caught.value)


WRONG_JVP: dict[str, tuple[Fun, type[Exception], str]] = {
    "no pair": (lambda p, t: p[0], CustomRuleError, "the rule"),
    "shape": (lambda p, t: (p[0], np.ones(2)), CustomRuleError, r"f64\[2\]"),
    "tree": (lambda p, t: (p[0], [t[0]]), TreeMismatchError, "a list of length 1"),
    "no array": (lambda p, t: (p[0], "text"), NonArrayInputError, "str"),
}


@RUN
@pytest.mark.parametrize("wrong", WRONG_JVP)
def test_wrong_forward_rules(run: str, wrong: str) -> None:
    rule, error, message = WRONG_JVP[wrong]
    function = custom_jvp(lambda a, b: a * b)
    function.defjvp(rule)
    with pytest.raises(error, match=f"(?s){message}"):
        RUNS[run](function)


def test_rules_that_give_other_results_than_the_function() -> None:
    function: Fun = custom_vjp(lambda x: x)
    function.defvjp(lambda x: (np.stack([x, x]), None), lambda _, ct: (ct[0],))  # type: ignore[attr-defined]
    with pytest.raises(CustomRuleError, match=r"forward rule gives f64\[2\]"):
        grad(jit(function))(1.0)
    function.defvjp(lambda x: ((x, x), None), lambda _, ct: (ct[0],))  # type: ignore[attr-defined]
    with pytest.raises(TreeMismatchError, match="forward rule"):
        grad(jit(function))(1.0)
    pushed: Fun = custom_jvp(lambda x: x)
    pushed.defjvp(lambda p, t: ((p[0], p[0]), (t[0], t[0])))  # type: ignore[attr-defined]
    with pytest.raises(TreeMismatchError, match="rule"):
        jvp(jit(pushed), (1.0,), (1.0,))


# ---- closures over traced values ----


def closing_vjp(w: Any, x: Any) -> Any:
    inner = custom_vjp(lambda x: x * w)
    inner.defvjp(lambda x: (x * w, x), lambda x, ct: (ct * w,))
    return inner(x)


def closing_jvp(w: Any, x: Any) -> Any:
    inner = custom_jvp(lambda x: x * w)
    inner.defjvp(lambda p, t: (p[0] * w, t[0] * w))
    return inner(x)


def closing_but_in_the_rule(w: Any, x: Any) -> Any:
    inner = custom_vjp(lambda x: x * w)
    inner.defvjp(lambda x: (x * 3.0, None), lambda _, ct: (ct,))
    return inner(x)


@pytest.mark.parametrize("function", [closing_vjp, closing_jvp])
@pytest.mark.parametrize("run", [grad, lambda f: jit(grad(f)), lambda f: grad(jit(f)),
                                 lambda f: lambda w, x: jvp(lambda w: f(w, x), (w,), (1.0,)),
                                 lambda f: lambda w, x: jvp(jit(lambda w: f(w, x)), (w,), (1.0,)),
                                 lambda f: lambda w, x: vmap(lambda w: f(w, x))(np.ones(2))])  # fmt: skip
def test_closures_over_what_is_differentiated(function: Fun, run: Fun) -> None:
    with pytest.raises(CustomClosureError, match=r"(?s)closes over .*f64.*as one more argument"):
        run(function)(2.0, 3.0)


def test_a_closure_never_gives_a_zero_silently() -> None:
    with pytest.raises(CustomClosureError, match="closes over"):
        grad(jit(closing_but_in_the_rule))(2.0, 3.0)
    assert grad(jit(closing_but_in_the_rule), 1)(2.0, 3.0) == 1.0


@pytest.mark.parametrize("function", [closing_vjp, closing_jvp])
def test_closures_over_what_is_not(function: Fun) -> None:
    assert jit(function)(2.0, 3.0) == 6.0
    assert grad(function, 1)(2.0, 3.0) == 2.0
    assert jit(grad(function, 1))(2.0, 3.0) == 2.0
    assert grad(lambda w: grad(function, 1)(w, 3.0) * w)(2.0) == 4.0  # the rule belongs to the inner grad
    np.testing.assert_array_equal(vmap(lambda w: grad(lambda x: function(w, x))(3.0))(np.arange(2.0)), [0.0, 1.0])


# ---- memory, and JAX ----


@KIND
def test_nothing_is_left(kind: str) -> None:
    function = KINDS[kind]
    runs: list[Fun] = [
        jit(grad(function)),
        grad(function),
        grad(jit(function)),
        lambda x: vmap(function)(np.full(2, x)),
    ]
    for run in runs:
        run(1.0)
        gc.collect()
        before = len(gc.get_objects())
        for i in range(100):
            run(float(i))
        gc.collect()
        assert len(gc.get_objects()) - before < 50


def test_against_jax() -> None:
    jax = pytest.importorskip("jax")
    jax.config.update("jax_enable_x64", True)

    def program(lib: Any, m: Any) -> Any:
        clip_gradient = lib.custom_vjp(lambda x, low: (x * 1.0, low))
        clip_gradient.defvjp(
            lambda x, low: ((x * 1.0, low), (x, low)), lambda saved, ct: (m.clip(ct[0], saved[1], 1.0) * saved[0], None)
        )

        softplus = lib.custom_jvp(lambda x: m.log1p(m.exp(x)))
        softplus.defjvps(lambda t, out, x: t * (1 - m.exp(-out)))
        return lambda x: m.sum(softplus(3.0 * clip_gradient(x, -0.5)[0]) ** 2)

    x = np.linspace(-1, 1, 5)
    ours, theirs = program(functrans, np), program(jax, jax.numpy)
    np.testing.assert_allclose(grad(ours)(x), jax.grad(theirs)(x), rtol=1e-13)
    np.testing.assert_allclose(
        vmap(grad(ours))(np.stack([x, -x])), jax.vmap(jax.grad(theirs))(np.stack([x, -x])), rtol=1e-13
    )
    np.testing.assert_allclose(
        grad(lambda x: np.sum(np.cos(grad(ours)(x))))(x),
        jax.grad(lambda x: jax.numpy.sum(jax.numpy.cos(jax.grad(theirs)(x))))(x),
        rtol=1e-12,
    )
