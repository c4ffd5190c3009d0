"""Where the generic properties do not look: ties, NaN, infinities, nothing to reduce, wrong operands and parameters.

For functrans.ops reduce, cumulative, sort, linear_algebra and generate. NumPy's warnings are errors here (pyproject.toml).
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from functrans.core.primitive import Primitive, aval_of
from functrans.errors import EmptyReductionError, OperandError, ParameterError
from functrans.ops.arithmetic import neg
from functrans.ops.comparison import gt
from functrans.ops.cumulative import cumlogsumexp, cummax, cummin, cumprod, cumsum, linear_recurrence
from functrans.ops.generate import broadcasted_iota, eye, full, full_like, iota, ones
from functrans.ops.linear_algebra import batch_matmul, dot, dot_general, dot_general_p
from functrans.ops.reduce import argmax, argmax_p, argmin, reduce_max, reduce_max_p, reduce_min, reduce_prod
from functrans.ops.select import select
from functrans.ops.sort import argsort, put_along, sort, take_along, top_k
from functrans.transforms.grad import grad
from functrans.transforms.jvp import jvp
from functrans.transforms.stage import stage
from functrans.transforms.vjp import vjp
from functrans.typing import Array

NAN, INF = np.nan, np.inf


def gradient(fun: Callable[[Array], Any], x: list[float], ct: Any = 1.0) -> list[float]:
    """By reverse mode, after a look that forward mode agrees; `ct` is the cotangent of the result."""
    at, cotangent = np.array(x), np.asarray(ct)[()]
    (grads,) = vjp(fun, at)[1](cotangent)
    columns = [jvp(fun, (at,), (unit,))[1] for unit in np.eye(len(x))]
    np.testing.assert_allclose([np.sum(column * cotangent) for column in columns], grads)
    return [float(g) for g in grads]


# ---- ties, NaN and infinities ----


@pytest.mark.parametrize(
    ("x", "expected"),
    [
        ([1.0, 3.0, 3.0, 2.0], [0.0, 0.5, 0.5, 0.0]),
        ([2.0, 2.0, 2.0, 2.0], [0.25] * 4),
        ([0.0, INF, 1.0], [0.0, 1.0, 0.0]),
        ([1.0, NAN, 2.0], [0.0, 1.0, 0.0]),
        ([NAN, NAN, INF], [0.5, 0.5, 0.0]),
    ],
)
def test_equal_maxima_share_the_derivative(x: list[float], expected: list[float]) -> None:
    assert gradient(lambda a: reduce_max(a, (0,)), x) == expected
    assert gradient(lambda a: reduce_min(neg(a), (0,)), x) == [-e for e in expected]
    n = len(x)
    last = np.eye(n)[-1]
    assert gradient(lambda a: cummax(a, 0), x, last) == expected
    assert gradient(lambda a: neg(cummin(neg(a), 0)), x, last) == expected
    assert gradient(lambda a: cummax(a, 0, reverse=True), x[::-1], last[::-1]) == expected[::-1]


def test_a_running_maximum_begins_to_count_again_at_each_new_one() -> None:
    x = [1.0, 1.0, 2.0, 0.0, 2.0]
    jacobian = [gradient(lambda a: cummax(a, 0), x, row) for row in np.eye(5)]
    assert jacobian == [
        [1.0, 0.0, 0.0, 0.0, 0.0],
        [0.5, 0.5, 0.0, 0.0, 0.0],
        [0.0, 0.0, 1.0, 0.0, 0.0],
        [0.0, 0.0, 1.0, 0.0, 0.0],
        [0.0, 0.0, 0.5, 0.0, 0.5],
    ]


def entry(fun: Callable[[Array], Array], i: int) -> Callable[[Array], Array]:
    return lambda a: reduce_prod(take_along(fun(a), np.array([i]), 0), (0,))


def test_products_with_zeros_have_exact_derivatives_up_to_the_third() -> None:
    product = lambda a: reduce_prod(a, (0,))
    x = np.array([0.0, 3.0, 0.0, 5.0])
    assert gradient(product, [0.0, 3.0, 5.0]) == [15.0, 0.0, 0.0]
    assert gradient(product, [0.0, 3.0, 0.0]) == [0.0, 0.0, 0.0]
    assert entry(grad(entry(grad(product), 0)), 2)(x) == 15.0
    assert entry(grad(entry(grad(entry(grad(product), 0)), 2)), 1)(x) == 5.0
    last = np.eye(4)[3]
    assert gradient(lambda a: cumprod(a, 0), [2.0, 0.0, 3.0, 5.0], last) == [0.0, 30.0, 0.0, 0.0]


def test_a_running_log_sum_exp_of_nothing_yet() -> None:
    x = [-INF, -INF, 0.0, -INF, 0.0]
    np.testing.assert_allclose(cumlogsumexp(np.array(x), 0), [-INF, -INF, 0.0, 0.0, np.log(2)])
    assert gradient(lambda a: cumlogsumexp(a, 0), x, np.eye(5)[4]) == [0.0, 0.0, 0.5, 0.0, 0.5]
    assert gradient(lambda a: cumlogsumexp(a, 0), x, np.eye(5)[1]) == [0.0] * 5
    assert gradient(lambda a: cumlogsumexp(a, 0), [1e4, 0.0], [0.0, 1.0]) == [1.0, 0.0]


def test_order_of_equals_and_nan() -> None:
    x = np.array([2.0, NAN, 1.0, 2.0, -0.0, 0.0])
    np.testing.assert_array_equal(sort(x), np.sort(x))
    assert list(argsort(x)) == [4, 5, 2, 0, 3, 1]
    values, indices = top_k(x, 4)
    np.testing.assert_array_equal(values, [NAN, 2.0, 2.0, 1.0])
    assert list(indices) == [1, 0, 3, 2]
    assert list(top_k(np.array([3, 3, 1, 3], np.uint8), 3)[1]) == [0, 1, 3]
    z = np.array([1 + 2j, 1 + 1j, 0 + 3j, complex(NAN, 0)])
    np.testing.assert_array_equal(sort(z), np.sort(z))
    assert argmax(x, 0) == 1
    assert argmin(np.array([1, 0, 0]), 0) == 1


# ---- wrong operands and parameters ----


def abstractly(prim: Primitive, *operands: Any, **params: Any) -> None:
    stage(lambda *args: prim.bind(*args, **params), [aval_of(operand) for operand in operands])


@pytest.mark.parametrize("reduce", [reduce_max, reduce_min])
def test_no_elements_have_no_maximum(reduce: Callable[[Array, tuple[int, ...]], Array]) -> None:
    with pytest.raises(ValueError, match=r"zero-size array to reduction operation \w+ which has no identity"):
        reduce(np.zeros((2, 0)), (1,))
    assert reduce(np.zeros((0, 2)), (1,)).shape == (0,)
    with pytest.raises(EmptyReductionError, match=r"`reduce_max` got a zero-size operand of type f64\[2,0\]"):
        abstractly(reduce_max_p, np.zeros((2, 0)), axes=(1,))
    with pytest.raises(ValueError, match="empty sequence"):
        argmax(np.zeros((2, 0)), 1)
    with pytest.raises(EmptyReductionError, match="`argmax` got a zero-size operand"):
        abstractly(argmax_p, np.zeros((2, 0)), axis=1, index_dtype=np.dtype(np.intp))


def test_indices_out_of_range() -> None:
    with pytest.raises(IndexError, match="out of bounds"):
        take_along(np.zeros((2, 3)), np.full((2, 1), 3), 1)
    with pytest.raises(IndexError, match="out of bounds"):
        put_along(np.zeros((2, 1)), np.full((2, 1), -4), 1, 3)


def test_operands_of_a_product_must_fit() -> None:
    a = np.zeros((2, 3))
    with pytest.raises(ParameterError, match=r"contracted axes \(1,\) of lengths \[3\] and \(0,\) of lengths \[2\]"):
        dot(a, a)
    with pytest.raises(ParameterError, match="different axes of the operand"):
        dot_general(a, a, (((2,), (0,)), ((), ())))
    with pytest.raises(OperandError, match=r"`dot_general` got operands of types f64\[2,3\], f32\[3,2\]"):
        dot(a, a.T.astype(np.float32))
    with pytest.raises(OperandError, match="operands of one dtype"):
        abstractly(dot_general_p, a, a.astype(np.float32), dimension_numbers=(((1,), (1,)), ((), ())))
    with pytest.raises(OperandError, match="vectors or matrices"):
        dot(np.zeros((2, 2, 2)), a)
    with pytest.raises(OperandError, match="operands of one rank"):
        batch_matmul(np.zeros((2, 2, 3)), a)
    with pytest.raises(ParameterError, match="preferred_element_type=int64"):
        dot(a, a.T, preferred_element_type=np.int64)


@pytest.mark.parametrize(
    "call",
    [
        lambda x: sort(x, 2),
        lambda x: sort((x, x), num_keys=3),
        lambda x: sort([]),
        lambda x: top_k(x, 4),
        lambda x: top_k(np.ones(()), 0),
        lambda x: take_along(x, np.zeros((2, 1), int), -3),
        lambda x: iota(np.bool_, 3),
        lambda x: broadcasted_iota(np.int64, (2, 3), 2),
        lambda x: full((2,), x),
        lambda x: eye(np.float64, (2,)),
    ],
)
def test_wrong_parameters(call: Callable[[Array], Any]) -> None:
    with pytest.raises(ValueError, match="It needs"):
        call(np.ones((2, 3)))


@pytest.mark.parametrize(
    "call",
    [
        lambda x: sort((x, np.ones(2)), 0),
        lambda x: cumsum(np.ones(2, bool)),
        lambda x: linear_recurrence(x, np.ones((1, 3))),
        lambda x: take_along(x, np.zeros((2, 1)), 1),
        lambda x: put_along(x, np.zeros((2, 1), int), 1, 3),
        lambda x: reduce_prod(gt(x, 0.0), (0,)),
    ],
)
def test_wrong_operands(call: Callable[[Array], Any]) -> None:
    with pytest.raises(OperandError, match="it needs"):
        stage(lambda x: (call(x),), [aval_of(np.ones((2, 3)))])


def test_constants() -> None:
    assert full((2,), 3).dtype == np.int64
    assert full((2,), 3, np.float32).dtype == np.float32
    assert full((2,), np.float32(3)).dtype == np.float32
    assert full_like(np.ones((2, 3), np.int8), 2.0).dtype == np.int8
    np.testing.assert_array_equal(full_like(np.ones(2), 7, shape=(1, 2)), [[7.0, 7.0]])
    assert ones((0, 3), "int16").dtype == np.int16


# ---- what is not done ----


def test_a_product_of_matrices_needs_no_transpose_to_differentiate() -> None:
    a, b, g = (aval_of(np.ones(shape)) for shape in ((2, 3), (3, 4), (2, 4)))
    jaxpr = stage(lambda a, b, g: vjp(dot, a, b)[1](g), [a, b, g])
    assert [eqn.prim.name for eqn in jaxpr.eqns if eqn.prim.name != "dot_general"] == []
    batched = (((2,), (1,)), ((0,), (0,)))
    lhs, rhs, ct = (aval_of(np.ones(shape)) for shape in ((5, 2, 3), (5, 3, 4), (5, 2, 4)))
    jaxpr = stage(lambda a, b, g: vjp(lambda x, y: dot_general(x, y, batched), a, b)[1](g), [lhs, rhs, ct])
    assert {eqn.prim.name for eqn in jaxpr.eqns} == {"dot_general"}


@pytest.mark.parametrize("lines", [1, 30])
def test_a_recurrence_does_not_overflow_on_the_way(lines: int) -> None:
    a = np.full((4, lines), 1e200)
    b = np.zeros((4, lines))
    b[0] = 1e-300
    np.testing.assert_allclose(
        linear_recurrence(a, b)[:3], np.array([[1e-300], [1e-100], [1e100]]) * np.ones((1, lines))
    )


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_a_recurrence_of_one_line_is_that_of_many(dtype: type[np.floating[Any]]) -> None:
    a, b = np.random.default_rng(0).normal(size=(2, 50, 40)).astype(dtype)
    many = linear_recurrence(a, b)
    for line in range(40):
        np.testing.assert_array_equal(linear_recurrence(a[:, line], b[:, line]), many[:, line])


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.int64, np.complex64])
@pytest.mark.parametrize("zero", [0.0, -0.0])
def test_many_elements_are_chosen_as_few_are(dtype: type[np.generic], zero: float) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(20, 20)).astype(dtype)
    if x.dtype.kind == "f":
        x[:3, :9] = np.array([[NAN], [INF], [-0.0]])
    for values in (x, x.T, np.broadcast_to(x[:1], x.shape)):
        mask = rng.random(x.shape) < 0.5
        for args in ((mask, values, dtype(zero)), (mask, dtype(zero), values)):
            found, expected = select(*args), np.where(*args)
            assert (found.dtype, found.tobytes()) == (expected.dtype, expected.tobytes())
