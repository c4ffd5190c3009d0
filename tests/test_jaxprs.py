"""The transforms from jaxpr to jaxpr: what reverse mode saves and what it computes again, dead cotangents, weak types.

Every jaxpr that comes out is checked, and held to the derivative of the function itself.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from functrans import grad, jit, jvp, make_jaxpr, vjp, vmap
from functrans.compiler.inline import inline
from functrans.core.aval import shaped
from functrans.core.check import check_jaxpr
from functrans.core.ir import Jaxpr, eval_jaxpr
from functrans.core.primitive import NamedAxis
from functrans.transforms.jaxprs import batch_jaxpr, jvp_jaxpr, vjp_jaxpr
from functrans.transforms.stage import stage

Fun = Callable[..., Any]
F64, F32, I64 = (np.dtype(name) for name in ("float64", "float32", "int64"))


def staged(fun: Fun, *args: Any) -> Jaxpr:
    avals = [shaped(np.shape(arg), np.asarray(arg).dtype) for arg in args]
    return stage(lambda *flat: list(fun(*flat)), avals)


def names(jaxpr: Jaxpr) -> list[str]:
    return [eqn.prim.name for eqn in jaxpr.eqns]


X, Y = np.array([0.5, -1.0, 2.0]), np.array([1.0, 3.0, -0.5])
FUNCTIONS: dict[str, Fun] = {
    "products": lambda x, y: (x * y, np.sin(x) * np.exp(y)),
    "a result twice": lambda x, y: (x, y, x, x * y, x),
    "an input that is not used": lambda x, y: (np.cos(x),),
    "constants": lambda x, y: (x * np.arange(3.0), np.float64(2.0), np.ones(3)),
    "views": lambda x, y: (np.sum(np.broadcast_to(np.sin(x), (4, 3)) * np.reshape(y, (1, 3)), axis=0),),
    "integers": lambda x, y: (np.argsort(x), x * np.argmax(y), np.sum(x > y)),
    "a nested jit": lambda x, y: jit(lambda a, b: (a * b, np.tanh(b)))(x, y),
    "nothing": lambda x, y: (),
}
WANTED = [(True, True), (True, False), (False, True)]


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("wanted", WANTED)
def test_forward_and_backward_are_the_derivative(name: str, wanted: tuple[bool, ...]) -> None:
    fun = FUNCTIONS[name]
    jaxpr = staged(fun, X, Y)
    split = vjp_jaxpr(jaxpr, wanted)
    check_jaxpr(split.forward)
    results = eval_jaxpr(split.forward, X, Y)
    outs = results[: len(jaxpr.outvars)]
    for out, expected in zip(outs, fun(X, Y), strict=True):
        np.testing.assert_array_equal(out, expected)
    residuals = [(X, Y, *results)[i] for i in split.residuals]
    smooth = [np.asarray(out).dtype.kind == "f" for out in outs]
    live = split.is_tracked(smooth)
    backward = split.backward(live)
    check_jaxpr(backward.jaxpr)
    rng = np.random.default_rng(0)
    cts = [np.asarray(rng.normal(size=np.shape(out))) for out in outs]
    given = [ct for ct, is_live in zip(cts, live, strict=True) if is_live]
    found = iter(eval_jaxpr(backward.jaxpr, *residuals, *given))
    got = [next(found) if has else np.zeros(3) for has in backward.nonzero]

    def total(x: Any, y: Any) -> Any:
        return sum((np.sum(out * ct) for out, ct, s in zip(fun(x, y), cts, smooth, strict=True) if s), 0.0 * np.sum(x))

    for gradient, expected, want in zip(got, grad(total, (0, 1))(X, Y), wanted, strict=True):
        if want:
            np.testing.assert_allclose(gradient, expected, rtol=1e-14, atol=1e-15)


# ---- residuals ----


def saved(fun: Fun, *args: Any) -> tuple[int, list[str]]:
    """How many arrays are saved that are neither inputs nor results, and the primitives of the backward pass."""
    jaxpr = staged(fun, *args)
    split = vjp_jaxpr(jaxpr, (True,) * len(args))
    live = split.is_tracked([True] * len(jaxpr.outvars))
    return len(split.forward.outvars) - len(jaxpr.outvars), names(split.backward(live).jaxpr)


def test_sums_and_views_save_nothing() -> None:
    assert saved(lambda x, y: [x + y - 2 * x], X, Y)[0] == 0
    assert saved(lambda x: [np.reshape(x, (3, 1)).T], X)[0] == 0


def test_inputs_and_results_are_not_saved_again() -> None:
    count, backward = saved(lambda x, y: [x * y], X, Y)
    assert count == 0
    assert backward == ["mul", "mul"]
    count, backward = saved(lambda x: [np.exp(x)], X)
    assert (count, backward) == (0, ["mul"])  # the derivative of exp is its result


def test_what_is_dear_is_saved_and_views_are_computed_again() -> None:
    count, backward = saved(lambda x: [np.tanh(np.sin(x))], X)
    assert count <= 2
    assert "sin" not in backward
    assert "tanh" not in backward
    count, backward = saved(lambda x, y: [np.broadcast_to(np.sin(x), (100, 3)) * np.broadcast_to(y, (100, 3))], X, Y)
    assert "broadcast_in_dim" in backward
    jaxpr = staged(lambda x, y: [np.broadcast_to(np.sin(x), (100, 3)) * np.broadcast_to(y, (100, 3))], X, Y)
    forward = vjp_jaxpr(jaxpr, (True, True)).forward
    assert all(aval.shape == (3,) for aval in forward.out_avals[1:])  # what is saved is small


def test_the_forward_pass_computes_nothing_for_an_input_that_is_not_wanted() -> None:
    jaxpr = staged(lambda x, y: [x * np.sin(y)], X, Y)
    assert "cos" not in names(vjp_jaxpr(jaxpr, (True, False)).forward)


def test_constants_are_captured_by_the_backward_pass() -> None:
    scale = np.array([1.0, 2.0, 3.0])
    jaxpr = staged(lambda x: [x * scale], X)
    split = vjp_jaxpr(jaxpr, (True,))
    backward = split.backward((True,)).jaxpr
    assert split.residuals == ()
    np.testing.assert_array_equal(eval_jaxpr(backward, np.ones(3))[0], scale)


def test_a_split_is_made_once() -> None:
    jaxpr = staged(lambda x: [np.sin(x)], X)
    split = vjp_jaxpr(jaxpr, (True,))
    assert vjp_jaxpr(jaxpr, (True,)) is split
    assert split.backward((True,)) is split.backward((True,))
    assert jvp_jaxpr(jaxpr, (True,)) is jvp_jaxpr(jaxpr, (True,))
    assert batch_jaxpr(jaxpr, NamedAxis(None, 2), (True,)) is batch_jaxpr(jaxpr, NamedAxis(None, 2), (True,))


# ---- dead cotangents ----


def test_results_without_cotangent_cost_nothing() -> None:
    jaxpr = staged(lambda x: [np.sin(x), np.tanh(x)], X)
    split = vjp_jaxpr(jaxpr, (True,))
    assert "cos" in "".join(names(split.backward((True, False)).jaxpr) + names(split.forward))
    assert len(split.backward((True, False)).jaxpr.eqns) < len(split.backward((True, True)).jaxpr.eqns)
    assert split.backward((False, False)).nonzero == (False,)


@pytest.mark.parametrize(
    "wrap", [jit, lambda f: jit(jit(f)), lambda f: vmap(jit(f))], ids=["jit", "jit of jit", "vmap"]
)
def test_aux_does_not_pollute_the_gradient(wrap: Callable[[Fun], Fun]) -> None:
    x = np.array([0.0, 4.0])
    function = wrap(lambda x: (x**2, np.sqrt(x)))  # the derivative of the aux at 0 is infinite: 0 · inf is NaN

    def loss(x: Any) -> Any:
        value, aux = function(x)
        return np.sum(value), aux

    with np.errstate(all="raise"):
        gradient, aux = grad(loss, has_aux=True)(x)
        jitted, _ = jit(grad(loss, has_aux=True))(x)
    np.testing.assert_array_equal(gradient, [0.0, 8.0])
    np.testing.assert_array_equal(jitted, [0.0, 8.0])
    np.testing.assert_array_equal(aux, [0.0, 2.0])


def test_only_results_that_do_not_depend_on_the_input_have_cotangents() -> None:
    function = jit(lambda x, y: (x * 2, y * 3))
    assert grad(lambda x: function(x, 2.0)[1])(1.0) == 0.0
    assert grad(lambda x: jit(lambda x: (x, 5.0))(x)[1])(1.0) == 0.0


# ---- weak types ----

NESTED: dict[str, Fun] = {
    "a Python number through a jit": lambda x: jit(lambda y: y * 3)(2.0) * x,
    "a Python number returned": lambda x: jit(lambda: 2.0)() * x,
    "an int": lambda x: jit(lambda y: y + 1)(2) * x,
    "two deep": lambda x: jit(lambda y: jit(lambda z: z * 3)(y) + 1)(2.0) * x,
    "a strong number": lambda x: jit(lambda y: y * 3)(np.float64(2.0)) * x,
    "NumPy's function of a number": lambda x: jit(lambda y: np.sin(y))(2.0) * x,
}


@pytest.mark.parametrize("name", NESTED)
@pytest.mark.parametrize("x", [np.float32(1.5), np.ones(2, np.float32), np.ones(2, np.float16), np.int8(3)], ids=repr)
def test_weak_types_through_nested_jits(name: str, x: Any) -> None:
    function = NESTED[name]
    expected = function(x)
    batched: Fun = lambda x: vmap(function, axis_size=2, in_axes=None)(x)[0]
    functions: list[Fun] = [jit(function), jit(jit(function)), batched]
    for transformed in functions:
        got = transformed(x)
        assert np.asarray(got).dtype == np.asarray(expected).dtype
        np.testing.assert_array_equal(got, expected)
    if x.dtype.kind == "f":
        assert jvp(jit(function), (x,), (x,))[1].dtype == expected.dtype
        _, pull = vjp(jit(function), x)
        assert pull(np.ones_like(expected))[0].dtype == x.dtype
    jaxpr = make_jaxpr(function)(x)
    jaxpr = getattr(jaxpr, "jaxpr", jaxpr)
    check_jaxpr(jaxpr)
    check_jaxpr(inline(jaxpr))


def test_a_result_of_numbers_is_a_number() -> None:
    assert type(jit(lambda x: x * 3)(2.0)) is float
    assert type(jit(lambda x: x + 1)(2)) is int
    assert type(jit(lambda x: x * 1j)(2.0)) is complex
    assert type(jit(lambda x: np.sin(x))(2.0)) is np.float64
    assert type(jit(lambda x: x * 3)(np.float32(2.0))) is np.float32


def test_weak_tangents() -> None:
    assert jvp(jit(lambda x: x * x), (1.0,), (1.0,))[1] == 2.0
    assert jvp(jit(lambda x: x * x), (np.float32(1.0),), (1.0,))[1].dtype == F32
    jaxpr = staged(lambda x: [jvp(jit(lambda y: y * y), (1.0,), (1.0,))[1] * x], np.float32(1))
    check_jaxpr(inline(jaxpr))


# ---- forward mode and batching ----


def test_zero_tangents_stay_out() -> None:
    jaxpr = staged(lambda x, y: [np.sin(x), np.cos(y), np.argmax(x)], X, Y)
    pushed = jvp_jaxpr(jaxpr, (True, False))
    check_jaxpr(pushed.jaxpr)
    assert pushed.nonzero == (True, False, False)
    assert len(pushed.jaxpr.outvars) == 4


def test_results_that_do_not_depend_on_the_batch_do_not_carry_it() -> None:
    jaxpr = staged(lambda x, y: [x * 2, y * 2, x + y, np.float64(1.0)], 0.0, 0.0)
    batched = batch_jaxpr(jaxpr, NamedAxis(None, 4), (True, False))
    check_jaxpr(batched.jaxpr)
    assert batched.batched == (True, False, True, False)
    forced = batch_jaxpr(jaxpr, NamedAxis(None, 4), (True, False), True)
    check_jaxpr(forced.jaxpr)
    assert forced.batched == (True,) * 4
    assert [aval.shape for aval in forced.jaxpr.out_avals] == [(4,)] * 4
