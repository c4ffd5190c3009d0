"""Branches and loops: what they mean is what the same functions do as plain Python, in values, types and structure.

Their primitives' rules are held by the rows of tests/cases/control.py. Start reading at `test_loops_are_what_python_does`.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest

import functrans
from functrans import disable_jit, grad, jit, jvp, lax, make_jaxpr, tree, vmap
from functrans.core.check import check_jaxpr
from functrans.errors import (
    BranchTypeError,
    CarryTypeError,
    PredicateError,
    ScanLengthError,
    ScanResultError,
    TreeMismatchError,
)

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
