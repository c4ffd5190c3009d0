"""Branches and loops: what they mean is what the same functions do as plain Python, in values, types and structure.

Their primitives' rules are held by the rows of tests/cases/control.py. Start reading at `test_loops_are_what_python_does`.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest

import functrans
from functrans import disable_jit, grad, jit, jvp, lax, linear_transpose, make_jaxpr, tree, vjp, vmap
from functrans.core.check import check_jaxpr
from functrans.core.dce import dce
from functrans.core.ir import eval_jaxpr
from functrans.errors import (
    BranchTypeError,
    CarryTypeError,
    NotLinearError,
    ParameterError,
    PredicateError,
    ScanLengthError,
    ScanResultError,
    TreeMismatchError,
)
from tests.marks import native

Fun = Callable[..., Any]


class State(NamedTuple):
    position: Any
    speed: Any


def drift(state: State, force: Any) -> tuple[State, dict[str, Any]]:
    speed = state.speed + force["now"]
    return State(state.position + speed, speed), {"energy": speed * speed, "none": None}


PROGRAMS: dict[str, tuple[Fun, tuple[Any, ...]]] = {
    "scan of trees": (
        lambda state, now: lax.scan(drift, state, {"now": now, "none": None}),
        (State(np.zeros(2), np.ones(2)), np.arange(6.0).reshape(3, 2)),
    ),
    "scan without carry": (lambda xs: lax.scan(lambda _, x: (None, np.sin(x)), None, xs), (np.arange(3.0),)),
    "scan without arrays": (lambda x: lax.scan(lambda c, _: (c * 2, c), x, length=3), (np.float32(3),)),
    "reverse": (lambda xs: lax.scan(lambda c, x: (c + x, c * x), xs[0], xs, reverse=True), (np.arange(4.0),)),
    "python carry": (lambda xs: lax.scan(lambda c, x: (c + x, x), 0, xs), (np.array([1, 2, 3], np.float32),)),
    "python carry that stays": (lambda x: lax.fori_loop(0, 4, lambda i, c: (c[0] * i, c[1] + x), (1, x)), (1.5,)),
    "counter times float32": (lambda x: lax.fori_loop(1, 4, lambda i, c: c * i, x), (np.array([1, 2], np.float32),)),
    "bounds of any type": (lambda x: lax.fori_loop(np.int8(1), np.uint64(4), lambda i, c: c * i, x), (np.float32(1),)),
    "no trips": (lambda x: lax.fori_loop(3, 1, lambda i, c: c * i, x), (2.5,)),
    "while": (lambda x: lax.while_loop(lambda c: c[0] < 20, lambda c: (c[0] * 2, c[1] + 1), (x, 0)), (np.float64(3),)),
    "map": (lambda xs: lax.map(lambda x: {"a": x * x, "b": np.sum(x)}, xs), (np.arange(6.0).reshape(3, 2),)),
    "cond": (lambda x: lax.cond(x > 1, lambda x: (x, x * x), lambda x: (x * x, x), x), (np.float64(3),)),
    "cond, older ways": (
        lambda x: (lax.cond(x > 1, x, np.sin, 2 * x, np.cos), lax.cond(x > 1, np.sin, np.cos, operand=x)),
        (np.float64(3),),
    ),
    "switch of an operand": (lambda i: lax.switch(i, [np.sin, np.cos], operand=2.0), (1,)),
    "cond of a number": (lambda x: lax.cond(x, lambda: 1.0, lambda: 2.0), (0.0,)),
    "switch out of range": (lambda i: lax.switch(i, [lambda: 1.0, lambda: 2.0, lambda: 3.0]), (-4,)),
    "loop in a branch in a loop": (
        lambda xs: lax.scan(
            lambda c, x: (
                lax.cond(x > 0, lambda c: lax.fori_loop(0, 3, lambda i, d: d + x * i, c), lambda c: c - x, c),
                lax.while_loop(lambda d: d < 10, lambda d: 2 * abs(d) + 1, x),
            ),
            0.0,
            xs,
        ),
        (np.array([1.0, -2.0, 3.0]),),
    ),
}


def assert_same(got: Any, expected: Any) -> None:
    assert tree.structure(got) == tree.structure(expected)
    for one, other in zip(tree.leaves(got), tree.leaves(expected), strict=True):
        assert np.asarray(one).dtype == np.asarray(other).dtype
        assert type(one) is type(other) or not isinstance(one, np.ndarray)
        np.testing.assert_allclose(one, other, rtol=1e-6)


@pytest.mark.parametrize("name", PROGRAMS)
def test_loops_are_what_python_does(name: str) -> None:
    fun, args = PROGRAMS[name]
    with disable_jit():
        expected = fun(*args)
    assert_same(fun(*args), expected)
    assert_same(jit(fun)(*args), expected)
    check_jaxpr(make_jaxpr(fun)(*args))


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_batch_of_a_loop_is_the_loop_for_each(name: str) -> None:
    fun, args = PROGRAMS[name]
    more = tree.map(lambda x: np.stack([x, x + 1, 2 * x]), args)
    each = [fun(*tree.map(lambda x, i=i: x[i], more)) for i in range(3)]
    expected = tree.map(lambda *parts: np.stack(parts), *each)
    for got in (vmap(fun)(*more), jit(vmap(fun))(*more)):
        for one, other in zip(tree.leaves(got), tree.leaves(expected), strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-6)


def test_what_a_function_closes_over_is_differentiated() -> None:
    def loss(w: Any, x: Any) -> Any:
        total, _ = lax.scan(lambda c, y: (np.tanh(c * w) + lax.cond(y > 1, lambda: w * y, lambda: y), None), x, x * XS)
        return total

    def plain(w: Any, x: Any) -> Any:
        with disable_jit():
            return loss(w, x)

    XS = np.arange(3.0)
    transforms: list[Callable[[Fun], Fun]] = [
        grad,
        lambda f: grad(f, 1),
        lambda f: grad(grad(f)),
        lambda f: jit(grad(jit(f))),
    ]
    for transform in transforms:
        np.testing.assert_allclose(transform(loss)(0.5, 0.9), transform(plain)(0.5, 0.9), rtol=1e-12)


def test_one_program_serves_loops_over_different_constants() -> None:
    def shifted(values: Any) -> Fun:
        return lambda x: lax.scan(lambda c, _: (c + values, None), x, length=3)[0]

    for values in (np.array([1.0, 2.0]), np.array([5.0, 7.0])):
        fun = shifted(values)
        within = jit(lambda x, fun=fun: jit(fun)(x))
        for got in (fun(np.zeros(2)), jit(fun)(np.zeros(2)), within(np.zeros(2))):
            np.testing.assert_array_equal(got, 3 * values)


def test_only_the_branch_that_is_taken_runs() -> None:
    def pick(x: Any, i: Any) -> Any:
        return lax.cond(i < 3, lambda: np.log(x[i]), lambda: 0.0 * x[0])

    x = np.array([1.0, 2.0, 4.0])
    for wrap in (lambda f: f, jit):
        assert wrap(pick)(x, 7) == 0.0
        np.testing.assert_array_equal(wrap(vmap(pick, (None, 0)))(x, np.array([2, 9])), [np.log(4.0), 0.0])
        gradient = wrap(grad(lambda x: np.sum(vmap(pick, (None, 0))(x, np.array([1, 9])))))(x)
        np.testing.assert_array_equal(gradient, [0.0, 0.5, 0.0])


def test_forward_derivative_of_a_while_loop() -> None:
    def power(x: Any) -> Any:
        return lax.while_loop(lambda c: c[0] < 5, lambda c: (c[0] + 1, c[1] * x), (0, 1.0))[1]

    for wrap in (lambda f: f, jit):
        assert wrap(lambda x: jvp(power, (x,), (1.0,)))(2.0) == (32.0, 80.0)


# ---- batches ----


def root_or_square(x: Any) -> Any:
    return lax.cond(x > 0, lambda x: np.sqrt(x), lambda x: x * x, x)


def sine_or_square(x: Any) -> Any:
    return lax.cond(x > 0, lambda x: np.sin(x) * x, lambda x: x * x, x)


def primitives_of(fun: Fun, *args: Any) -> set[str]:
    return {eqn.prim.name for eqn in make_jaxpr(fun)(*args).eqns}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("fun", [root_or_square, sine_or_square])
def test_elements_take_nothing_from_branches_that_are_not_theirs(fun: Fun) -> None:
    xs = np.array([-1.0, 0.0, 4.0])
    derivatives: list[Callable[[Fun], Fun]] = [lambda f: f, grad, lambda f: grad(grad(f))]
    for derive in derivatives:
        expected = [derive(fun)(x) for x in xs]
        np.testing.assert_allclose(vmap(derive(fun))(xs), expected, rtol=1e-12)
        np.testing.assert_allclose(jit(vmap(derive(fun)))(xs), expected, rtol=1e-12)
    np.testing.assert_allclose(grad(lambda xs: np.sum(vmap(fun)(xs)))(xs), [grad(fun)(x) for x in xs], rtol=1e-12)
    tangents = jvp(vmap(fun), (xs,), (np.ones(3),))[1]
    np.testing.assert_allclose(tangents, [grad(fun)(x) for x in xs], rtol=1e-12)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("branch", [np.sqrt, np.log, lambda x: 1 / x, lambda x: x**x])
def test_no_branch_that_is_not_taken_reaches_a_derivative(branch: Fun) -> None:
    """In a loop, one branch within another, and of the second order."""

    def step(c: Any, _: Any) -> Any:
        return lax.cond(c > 0, lambda c: lax.cond(c < 9, branch, lambda c: c, c), lambda c: c * c * c, c), c

    def fun(x: Any) -> Any:
        return lax.scan(step, x, None, length=2)[0]

    xs = np.array([-1.0, 0.0, 2.0, 12.0])
    derivatives: list[Callable[[Fun], Fun]] = [grad, lambda f: grad(grad(f))]
    for derive in derivatives:
        expected = np.array([derive(fun)(x) for x in xs])
        assert np.all(np.isfinite(expected))
        np.testing.assert_allclose(jit(vmap(derive(fun)))(xs), expected, rtol=1e-12)


def test_light_branches_are_computed_for_all_elements_and_others_are_real() -> None:
    xs = np.array([-1.0, 0.0, 4.0])
    assert "select_n" in primitives_of(vmap(sine_or_square), xs)
    assert primitives_of(vmap(root_or_square), xs) == {"gt", "convert_element_type", "scan"}
    shared = vmap(lambda p, x: lax.cond(p, np.sin, np.cos, x), (None, 0))
    assert "cond" in primitives_of(lambda p: shared(p, xs), True)


def test_shared_operands_of_branches_have_a_derivative_from_their_elements_alone() -> None:
    xs = np.array([-1.0, 0.0, 4.0])
    for fun in (
        lambda w, x: lax.cond(x > 0, lambda: np.log(w * x), lambda: w * x),
        lambda w, x: lax.cond(x > 0, lambda: np.sin(w * x), lambda: w * x),
    ):
        total = grad(lambda w, fun=fun: np.sum(vmap(fun, (None, 0))(w, xs)))(2.0)
        np.testing.assert_allclose(total, sum(grad(fun)(2.0, x) for x in xs), rtol=1e-12)


def test_collectives_in_branches_and_loops_see_all_elements() -> None:
    def loop(x: Any) -> Any:
        return lax.while_loop(lambda c: c[0] < x, lambda c: (c[0] + 1, lax.psum(c[1], "i") * 0.1 + c[1]), (0.0, x))[1]

    def branch(x: Any) -> Any:
        return lax.cond(x > 2, lambda: x - lax.psum(x, "i"), lambda: x)

    xs = np.array([1.5, 2.5])
    first = xs + 0.1 * np.sum(xs)
    second = first + 0.1 * np.sum(first)
    third = second[1] + 0.1 * np.sum(second)
    for wrap in (lambda f: f, jit):
        np.testing.assert_allclose(wrap(vmap(loop, axis_name="i"))(xs), [second[0], third], rtol=1e-12)
        np.testing.assert_allclose(wrap(vmap(branch, axis_name="i"))(xs), [1.5, -1.5], rtol=1e-12)
        gradient = wrap(grad(lambda xs: np.sum(vmap(loop, axis_name="i")(xs))))(xs)
        steps = 1e-6 * np.eye(2)
        slopes = [np.sum(vmap(loop, axis_name="i")(xs + d) - vmap(loop, axis_name="i")(xs - d)) / 2e-6 for d in steps]
        np.testing.assert_allclose(gradient, slopes, rtol=1e-6)


# ---- derivatives ----


@pytest.mark.parametrize("count", [0, 1, 2, 3, 7, 40])
@pytest.mark.parametrize("checkpoint", [None, 1, 2, 3, 5])
def test_the_gradient_of_a_loop_is_the_same_with_few_checkpoints(count: int, checkpoint: int | None) -> None:
    def loss(x: Any, n: Any) -> Any:
        return np.sum(lax.fori_loop(0, n, lambda i, c: np.sin(c) * x + 0.1 * i, x, checkpoint=checkpoint))

    x = np.array([0.5, 1.5])
    with disable_jit():
        expected = grad(loss)(x, count)
    np.testing.assert_allclose(jit(grad(loss))(x, count), expected, rtol=1e-9)


@pytest.mark.parametrize("how", [{"checkpoint": True}, {"checkpoint": 3}, {"checkpoint": "sqrt"}, {"unroll": 2}])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("length", [0, 1, 7])
def test_the_gradient_of_a_scan_is_the_same_in_blocks(how: dict[str, Any], reverse: bool, length: int) -> None:
    def loss(w: Any, xs: Any, **how: Any) -> Any:
        carry, ys = lax.scan(lambda c, x: (np.tanh(w @ c + x), np.sum(c * x)), w[0], xs, reverse=reverse, **how)
        return np.sum(carry) + np.sum(np.sin(ys))

    rng = np.random.default_rng(length)
    w, xs = rng.normal(size=(3, 3)), rng.normal(size=(length, 3))
    np.testing.assert_allclose(loss(w, xs, **how), loss(w, xs), rtol=1e-12)
    for got, expected in zip(
        jit(grad(lambda w, xs: loss(w, xs, **how), (0, 1)))(w, xs), grad(loss, (0, 1))(w, xs), strict=True
    ):
        np.testing.assert_allclose(got, expected, rtol=1e-9)


def test_what_all_steps_share_is_kept_once_and_elements_are_not_copied() -> None:
    def loss(w: Any, xs: Any) -> Any:
        return np.sum(lax.scan(lambda c, x: (c * np.exp(w) * x, None), w, xs)[0])

    jaxpr = make_jaxpr(grad(loss, (0, 1)))(np.ones(3), np.ones((5, 3)))
    forward, _ = (eqn for eqn in jaxpr.eqns if eqn.prim.name == "scan")
    stacked = [var for var in forward.outvars if var.aval.shape == (5, 3)]
    assert len(stacked) <= 2, str(jaxpr)  # the carry, and c * exp(w)


@pytest.mark.parametrize(("size", "products"), [(11, 0), (12, 1)])
def test_a_large_sum_of_outer_products_is_one_product_after_the_loop(size: int, products: int) -> None:
    def loss(w: Any, x: Any) -> Any:
        return np.sum(lax.scan(lambda c, _: (np.tanh(w @ c), None), x, length=5)[0])

    w, x = np.eye(size) + 0.1, np.linspace(-1, 1, size)
    jaxpr = make_jaxpr(grad(loss))(w, x)
    assert [eqn.prim.name for eqn in jaxpr.eqns].count("dot_general") == products, str(jaxpr)
    with disable_jit():
        np.testing.assert_allclose(grad(loss)(w, x), eval_jaxpr(jaxpr, w, x)[0], rtol=1e-12)


@pytest.mark.parametrize(("length", "sizes"), [(1, (1,)), (14, (7, 2)), (22, (5, 4, 1, 2)), (100_000, (400, 250))])
def test_blocks_of_about_the_root_of_all_steps_leave_none_over_where_they_can(
    length: int, sizes: tuple[int, ...]
) -> None:
    def run(x: Any) -> Any:
        return lax.scan(lambda c, _: (c * c, None), x, length=length, checkpoint="sqrt")[0]

    scans = (eqn for eqn in make_jaxpr(run)(1.0).all_eqns() if eqn.prim.name == "scan")
    found = [eqn.params["length"] for eqn in scans]
    assert sorted(found) == sorted(sizes)


def test_cotangents_of_parts_are_joined() -> None:
    def loss(x: Any) -> Any:
        first, second, third = np.split(x, 3)
        return np.sum(first * second * third)

    jaxpr = make_jaxpr(grad(loss))(np.ones(6))
    names = [eqn.prim.name for eqn in jaxpr.eqns]
    assert "concatenate" in names, str(jaxpr)
    assert "pad" not in names, str(jaxpr)


@native
def test_gradients_of_loops_take_as_much_memory_as_is_said() -> None:
    a, x = np.full((5, 5), 0.1), np.ones(5)

    def of_scan(x: Any, **how: Any) -> Any:
        return np.sum(lax.scan(lambda c, _: (np.tanh(a @ c), None), x, length=10_000, **how)[0])

    def of_while(x: Any, places: int | None) -> Any:
        return np.sum(lax.while_loop(lambda c: c[0] < 1, lambda c: np.tanh(a @ c), x, checkpoint=places))

    def peak(fun: Fun, *args: Any, **how: Any) -> int:
        return jit(grad(lambda x: fun(x, *args, **how))).lower(x).cost().peak_memory

    everything = peak(of_scan)
    assert 400_000 <= everything < 500_000  # five numbers of each step
    assert peak(of_scan, checkpoint=100) < 0.04 * everything
    assert peak(of_scan, checkpoint="sqrt") < 0.04 * everything
    assert peak(of_while, 10) < 8_000
    assert peak(of_while, 1000) - peak(of_while, 500) == pytest.approx(
        500 * (40 + 8), rel=0.1
    )  # a state, and its number


def test_loops_without_what_nobody_uses() -> None:
    def unused(x: Any) -> Any:
        return lax.fori_loop(0, 9, lambda i, c: (c[0] * x, c[1] + c[0], c[2] * i), (x, x, 1))[0]

    def asked(x: Any) -> Any:
        return lax.while_loop(lambda c: c[0] < x, lambda c: (c[0] + 1, c[1] * c[0], c[2] + 1), (0.0, x, x))[1]

    def chosen(x: Any) -> Any:
        return lax.cond(x > 1, lambda: (np.sin(x), np.cos(x)), lambda: (x, 1.0))[0]

    for fun, left in ((unused, 1), (asked, 2), (chosen, 1)):
        jaxpr = dce(make_jaxpr(fun)(2.5))
        check_jaxpr(jaxpr)
        assert len(jaxpr.eqns[-1].outvars) == left
        np.testing.assert_array_equal(eval_jaxpr(jaxpr, np.array(2.5))[0], fun(2.5))


def test_linear_loops_have_a_transpose() -> None:
    a = np.array([[0.5, 1.0], [-1.0, 0.2]])
    fun: Fun = lambda xs: lax.scan(lambda c, x: (a @ c + 2 * x, np.sum(c)), np.zeros(2), xs)
    ct: Any
    xs, ct = np.ones((4, 2)), (np.array([1.0, 2.0]), np.arange(4.0))
    np.testing.assert_allclose(linear_transpose(fun, xs)(ct)[0], vjp(fun, xs)[1](ct)[0])
    with pytest.raises(NotLinearError):
        linear_transpose(lambda xs: lax.scan(lambda c, x: (c * x, None), 1.0, xs)[0], xs[0])


# ---- maps and reductions ----


def test_map_in_batches_is_map() -> None:
    xs = np.arange(22.0).reshape(11, 2)
    for size in (1, 4, 11, 20):
        got = lax.map(lambda x: {"a": np.sum(x), "b": x * 2}, xs, batch_size=size)
        assert_same(got, lax.map(lambda x: {"a": np.sum(x), "b": x * 2}, xs))


def test_associative_scan_is_jaxs() -> None:
    jax = pytest.importorskip("jax")
    xs = np.arange(1.0, 13.0).reshape(3, 4)
    for reverse in (False, True):
        for axis in (0, -1):
            got = lax.associative_scan(lambda a, b: a * b, xs, reverse=reverse, axis=axis)
            with jax.enable_x64(True):
                expected = jax.lax.associative_scan(lambda a, b: a * b, xs, reverse=reverse, axis=axis % 2)
            np.testing.assert_allclose(got, expected)
    pairs = lax.associative_scan(lambda a, b: (a[0] * b[0], a[1] * b[0] + b[1]), (xs[0], xs[1]))
    np.testing.assert_allclose(pairs[1][-1], ((5 * 2 + 6) * 3 + 7) * 4 + 8)


def test_reduce_takes_any_function() -> None:
    xs: Any = np.arange(1.0, 13.0).reshape(3, 4)
    np.testing.assert_allclose(lax.reduce(xs, 0.0, lambda a, b: a + b, (1,)), xs.sum(1))
    np.testing.assert_allclose(lax.reduce(xs, np.float64(-np.inf), lambda a, b: np.maximum(a, b), (0, 1)), 12.0)
    total, product = lax.reduce((xs, xs), (0.0, 1.0), lambda a, b: (a[0] + b[0], a[1] * b[1]), (0,))
    np.testing.assert_allclose(total, xs.sum(0))
    np.testing.assert_allclose(product, xs.prod(0))
    np.testing.assert_allclose(lax.reduce(xs[:0], 7.0, lambda a, b: a + b, (0,)), np.full(4, 7.0))


# ---- mistakes ----


def test_functions_that_do_not_fit_are_refused() -> None:
    lax: Any = functrans.lax  # a type checker refuses most of these too
    x: Any = np.ones(3, np.float32)
    with pytest.raises(CarryTypeError, match=r"c\['a'\] is f32\[3\] before a step and f64\[3\] after"):
        lax.scan(lambda c, _: ({"a": c["a"] * np.float64(2)}, None), {"a": x}, length=2)
    with pytest.raises(CarryTypeError, match=r"while_loop (.|\n)* val is f32\[3\] .* f32\[1,3\]"):
        lax.while_loop(lambda val: True, lambda val: val[None], x)
    with pytest.raises(CarryTypeError, match=r"fori_loop"):
        lax.fori_loop(0, 3, lambda i, val: val * 1j, x)
    with pytest.raises(TreeMismatchError, match="val after a step"):
        lax.while_loop(lambda val: True, lambda val: (val[0],), (x, x))
    with pytest.raises(BranchTypeError, match="result"):
        jit(lambda p: lax.cond(p, lambda x: x, lambda x: x[0], x))(True)
    with pytest.raises(TreeMismatchError):
        jit(lambda p: lax.cond(p, lambda x: x, lambda x: (x,), x))(True)
    with pytest.raises(PredicateError, match="predicate of cond"):
        lax.cond(x, lambda: 1, lambda: 2)
    with pytest.raises(PredicateError, match="index of switch"):
        lax.switch(0.5, [lambda: 1])
    with pytest.raises(PredicateError, match="condition of while_loop"):
        lax.while_loop(lambda val: val, lambda val: val, x)
    with pytest.raises(PredicateError, match="upper"):
        lax.fori_loop(0, 2.5, lambda i, val: val, x)
    with pytest.raises(ScanLengthError, match=r"xs\[1\] of shape \(2,\)"):
        lax.scan(lambda c, _: (c, None), 0, (x, x[:2]))
    with pytest.raises(ScanLengthError, match="neither"):
        lax.scan(lambda c, _: (c, None), 0)
    with pytest.raises(ScanResultError, match="pair"):
        lax.scan(lambda c, x: c, x[0], x)
    with pytest.raises(ValueError, match="at least one branch"):
        lax.switch(0, [])
    with pytest.raises(ParameterError, match="checkpoint=0"):
        lax.while_loop(lambda val: False, lambda val: val, x, checkpoint=0)
    with pytest.raises(ParameterError, match="checkpoint=-1"):
        lax.scan(lambda c, x: (c, None), 0.0, x, checkpoint=-1)
    with pytest.raises(ParameterError, match="batch_size=0"):
        lax.map(lambda x: x, x, batch_size=0)


def test_loops_in_a_scan_of_no_steps_with_jit_disabled() -> None:
    def step(c: Any, x: Any) -> tuple[Any, Any]:
        c = lax.while_loop(lambda c: c[0] < 3, lambda c: c + x, c)
        return lax.cond(c[0] > x, lambda: c, lambda: -c), lax.fori_loop(0, 2, lambda i, y: y + c, c)

    with disable_jit():
        last, ys = lax.scan(step, np.zeros(2), np.ones(0))
    np.testing.assert_array_equal(last, np.zeros(2))
    assert ys.shape == (0, 2)
