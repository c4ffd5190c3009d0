"""ravel_pytree, check_grads and its halves, stop_gradient and linear_transpose."""

from __future__ import annotations

from functools import partial
from typing import Any, cast

import numpy as np
import pytest

from functrans import lax, tree
from functrans.errors import (
    CotangentError,
    FlatVectorError,
    GradientMismatchError,
    IntegerInputError,
    IntegerOutputError,
    NonArrayInputError,
    NotLinearError,
    ParameterError,
    TreeMismatchError,
)
from functrans.flatten_util import ravel_pytree
from functrans.jit import jit
from functrans.test_util import check_grads, check_jvp, check_vjp
from functrans.transforms.custom import custom_vjp
from functrans.transforms.grad import grad
from functrans.transforms.jacobian import hessian, jacfwd
from functrans.transforms.jvp import jvp, linearize
from functrans.transforms.linear_transpose import linear_transpose
from functrans.transforms.make_jaxpr import ShapeDtypeStruct, eval_shape
from functrans.transforms.vjp import vjp
from functrans.transforms.vmap import vmap


class TestRavelPytree:
    def test_there_and_back(self) -> None:
        params = {"w": np.arange(6.0).reshape(2, 3), "b": (np.float64(7.0), [np.ones((1, 2))])}
        flat, unravel = ravel_pytree(params)
        np.testing.assert_array_equal(flat, [7, 1, 1, 0, 1, 2, 3, 4, 5])
        again = unravel(flat)
        assert tree.structure(again) == tree.structure(params)
        for one, other in zip(tree.leaves(again), tree.leaves(params), strict=True):
            assert type(one) is type(other)
            np.testing.assert_array_equal(one, other)

    def test_dtypes_promote_and_come_back(self) -> None:
        params = [np.ones(2, np.float32), np.array([1, 2]), np.array([True]), 1.5, 2]
        flat, unravel = ravel_pytree(params)
        assert flat.dtype == np.float64
        assert [np.asarray(leaf).dtype for leaf in unravel(flat)] == [
            np.float32,
            np.int64,
            np.bool_,
            np.float64,
            np.int64,
        ]
        assert ravel_pytree([np.ones(2, np.float32), 1.5])[0].dtype == np.float32
        assert ravel_pytree([np.ones(2, np.complex64), 1])[0].dtype == np.complex64

    def test_no_leaves(self) -> None:
        flat, unravel = ravel_pytree({"a": ()})
        assert flat.shape == (0,)
        assert flat.dtype == np.float64
        assert unravel(flat) == {"a": ()}

    def test_values_are_copies(self) -> None:
        x = np.ones(3)
        flat, unravel = ravel_pytree([x])
        flat[0] = 5.0
        (back,) = unravel(flat)
        back[1] = 6.0
        np.testing.assert_array_equal(x, np.ones(3))
        np.testing.assert_array_equal(flat, [5, 1, 1])

    def test_derivatives_and_batches(self) -> None:
        params = {"w": np.array([1.0, 2.0]), "b": np.array([[3.0]])}
        flat, unravel = ravel_pytree(params)

        def loss(p: Any) -> Any:
            return np.sum(p["w"] ** 2) * p["b"][0, 0]

        got = grad(lambda v: loss(unravel(v)))(flat)
        np.testing.assert_allclose(got, ravel_pytree(grad(loss)(params))[0])
        np.testing.assert_allclose(jit(grad(lambda v: loss(unravel(v))))(flat), got)
        np.testing.assert_allclose(grad(lambda p: np.sum(ravel_pytree(p)[0] ** 2))(params)["w"], [2.0, 4.0])
        assert hessian(lambda v: loss(unravel(v)))(flat).shape == (3, 3)
        assert vmap(unravel)(np.ones((5, 3)))["b"].shape == (5, 1, 1)
        shapes = eval_shape(lambda p: ravel_pytree(p)[0], params)
        assert shapes.shape == (3,)

    def test_wrong_vectors(self) -> None:
        _, unravel = ravel_pytree([np.ones(2), np.ones(1)])
        for wrong in (np.ones(4), np.ones((3, 1)), np.ones(3, complex)):
            with pytest.raises(FlatVectorError, match=r"it takes one of shape \(3,\)"):
                unravel(wrong)
        assert unravel(np.array([1, 2, 3]))[0].dtype == np.float64
        with pytest.raises(NonArrayInputError, match=r"tree\['name'\] of type str"):
            ravel_pytree({"name": "text"})

    def test_against_jax(self) -> None:
        flatten_util = pytest.importorskip("jax.flatten_util")
        params = {"w": np.arange(6.0).reshape(2, 3), "b": (7.0, [np.ones((1, 2))])}
        np.testing.assert_array_equal(ravel_pytree(params)[0], flatten_util.ravel_pytree(params)[0])


def wrong_sine(x: Any) -> Any:
    """A sine whose derivative is wrong."""
    return _wrong_sine(x)


@custom_vjp
def _wrong_sine(x: Any) -> Any:
    return np.sin(x)


_wrong_sine.defvjp(lambda x: (np.sin(x), x), lambda x, g: (1.1 * np.cos(x) * g,))


class TestCheckGrads:
    @pytest.mark.parametrize("order", [1, 2, 3])
    def test_right_derivatives(self, order: int) -> None:
        x = np.array([0.3, -0.7])
        check_grads(lambda x, y: np.sin(x) * y, (x, 0.5), order)
        check_grads(lambda p: {"out": np.tanh(p["a"]) ** 2, "n": p["n"] * 2}, ({"a": x, "n": np.arange(3)},), order)

    @pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "complex64", "complex128"])
    def test_dtypes(self, dtype: str) -> None:
        x = np.array([0.5, 1.25]).astype(dtype)
        check_grads(lambda x: x * x + 1, (x,), 2)
        check_grads(lambda x: np.real(x) ** 2, (x,), 2)

    def test_mixed_real_and_complex(self) -> None:
        check_grads(
            lambda x, z: (np.abs(z) * x, np.exp(1j * x) * z), (np.array([0.3, 0.4]), np.array([1 + 1j, -2j])), 2
        )

    def test_modes(self) -> None:
        check_grads(np.floor, (0.5,), 1)
        with pytest.raises(GradientMismatchError):
            check_grads(wrong_sine, (0.5,), 1, modes=["rev"])
        with pytest.raises(ParameterError):
            check_grads(np.sin, (0.5,), 1, modes="rev")
        with pytest.raises(ParameterError):
            check_grads(np.sin, cast(Any, 0.5), 1)
        with pytest.raises(ParameterError):
            check_grads(np.sin, (0.5,), 0)

    def test_a_wrong_rule_is_named_with_its_argument(self) -> None:
        def fun(params: Any, y: Any) -> Any:
            return wrong_sine(params["w"]) * y

        with pytest.raises(GradientMismatchError) as caught:
            check_grads(fun, ({"w": np.array([0.5, 0.6])}, 2.0), 1, modes=["rev"])
        text = str(caught.value)
        assert "The vjp of `fun` is not" in text
        assert "params['w']: vjp gives " in text
        assert "(the same by y)" in text
        assert "checking vjp(" in text
        assert isinstance(caught.value, AssertionError)

    def test_wrong_at_order_two_only(self) -> None:
        @custom_vjp
        def cube(x: Any) -> Any:
            return x**3

        cube.defvjp(lambda x: (x**3, x), lambda x, g: (3 * lax.stop_gradient(x) ** 2 * g,))
        check_grads(cube, (0.5,), 1, modes=["rev"])
        with pytest.raises(GradientMismatchError, match=r"checking vjp\(vjp\("):
            check_grads(cube, (0.5,), 2, modes=["rev"])

    def test_single_checks(self) -> None:
        x = np.array([0.2, 0.3])
        check_jvp(np.sin, partial(jvp, np.sin), (x,))
        check_vjp(np.sin, partial(vjp, np.sin), (x,))
        with pytest.raises(GradientMismatchError, match="x: jvp gives"):
            check_jvp(lambda x: np.sin(x), lambda p, t: (np.sin(*p), np.cos(*p)), (x,), err_msg="mine")
        with pytest.raises(GradientMismatchError, match="the value: vjp gives"):
            check_vjp(lambda x: np.sin(x), lambda x: (np.cos(x), lambda ct: (ct,)), (x,))
        with pytest.raises(GradientMismatchError, match="x: vjp gives"):
            check_vjp(lambda x: np.sin(x), lambda x: (np.sin(x), lambda ct: (np.cos(x[:1]) * ct[:1],)), (x,))

    def test_tolerances_are_used(self) -> None:
        check_grads(wrong_sine, (0.5,), 1, modes=["rev"], atol=1.0)
        check_grads(lambda x: np.abs(x), (1e-4,), 1, eps=1e-5)
        with pytest.raises(GradientMismatchError):
            check_grads(lambda x: np.abs(x), (1e-6,), 1, eps=1e-2)


class TestStopGradient:
    def test_every_mode_and_order(self) -> None:
        def fun(x: Any) -> Any:
            return lax.stop_gradient(x) ** 2 * x

        assert grad(fun)(3.0) == 9.0
        assert jvp(fun, (3.0,), (1.0,)) == (27.0, 9.0)
        assert linearize(fun, 3.0)[1](2.0) == 18.0
        assert grad(grad(fun))(3.0) == 0.0
        assert grad(jit(fun))(3.0) == 9.0
        assert jacfwd(jit(grad(fun)))(3.0) == 0.0
        np.testing.assert_array_equal(vmap(grad(fun))(np.array([1.0, 2.0])), [1.0, 4.0])
        np.testing.assert_array_equal(grad(lambda x: np.sum(vmap(fun)(x)))(np.array([1.0, 2.0])), [1.0, 4.0])

    def test_trees_and_what_has_no_derivative(self) -> None:
        x = {"a": np.ones(2), "n": 3, "flag": True, "none": None}
        assert lax.stop_gradient(x) is not x
        assert lax.stop_gradient(x)["a"] is x["a"]
        got = grad(lambda p: np.sum(lax.stop_gradient(p)["w"] * p["w"]))({"w": np.array([1.0, 2.0])})
        np.testing.assert_array_equal(got["w"], [1.0, 2.0])

    def test_a_python_number_stays_one(self) -> None:
        x = np.ones(2, np.float32)
        traced = []

        def fun(s: Any) -> Any:
            scaled = x * lax.stop_gradient(s)
            traced.append(scaled.dtype)
            return np.sum(scaled) * s

        grad(fun)(2.0)
        jit(fun)(2.0)
        assert traced == [np.float32, np.float32]

    def test_compiled_results_alias_nothing(self) -> None:
        x = np.ones(3)
        got = jit(lambda x: lax.stop_gradient(x))(x)
        got[0] = 5.0
        assert x[0] == 1.0


class TestLinearTranspose:
    def test_is_the_adjoint(self) -> None:
        rng = np.random.default_rng(0)
        matrix = rng.normal(size=(3, 4))

        def fun(x: Any, p: Any) -> Any:
            return {"a": matrix @ x + np.cumsum(p[0]), "b": 2.0 * p[0][::-1] - x[1]}

        args = rng.normal(size=4), (rng.normal(size=3),)
        ct = {"a": rng.normal(size=3), "b": rng.normal(size=3)}
        transposed = linear_transpose(fun, *args)
        got = transposed(ct)
        want = vjp(fun, *args)[1](ct)
        for one, other in zip(tree.leaves(got), tree.leaves(want), strict=True):
            np.testing.assert_allclose(one, other)
        assert tree.structure(got) == tree.structure(args)
        again = transposed(ct)
        np.testing.assert_array_equal(again[0], got[0])

    def test_types_are_enough(self) -> None:
        transposed = linear_transpose(lambda x: x[::2] * 3, ShapeDtypeStruct(4, np.float32))
        (got,) = transposed(np.ones(2, np.float32))
        np.testing.assert_array_equal(got, np.array([3, 0, 3, 0], np.float32))
        assert got.dtype == np.float32

    def test_complex(self) -> None:
        transposed = linear_transpose(lambda x: (2 + 1j) * x, ShapeDtypeStruct((), complex))
        assert transposed(np.complex128(1j))[0] == (2 + 1j) * 1j

    def test_other_transforms(self) -> None:
        scale = linear_transpose(lambda x: 3.0 * x, 1.0)
        np.testing.assert_array_equal(vmap(scale)(np.ones(2))[0], [3.0, 3.0])
        assert jit(lambda c: scale(c)[0])(2.0) == 6.0
        assert grad(lambda c: linear_transpose(lambda x: c * x, 1.0)(2.0)[0])(5.0) == 2.0
        assert jit(lambda c: linear_transpose(lambda x: c * x, 1.0)(2.0)[0])(5.0) == 10.0
        assert linear_transpose(jit(lambda x: 3.0 * x), 1.0)(2.0)[0] == 6.0
        assert linear_transpose(vmap(lambda x: 3.0 * x), np.ones(2))(np.ones(2))[0].shape == (2,)
        twice = linear_transpose(lambda ct: linear_transpose(lambda x: 3.0 * x[:1], np.ones(2))(ct)[0], np.ones(1))
        np.testing.assert_array_equal(twice(np.array([1.0, 7.0]))[0], [3.0])

    def test_against_jax(self) -> None:
        jax = pytest.importorskip("jax")
        jax.config.update("jax_enable_x64", True)
        x, ct = np.arange(3.0), np.array([1.0, 10.0])
        got = linear_transpose(lambda x: x[1:] * 2, x)(ct)
        want = jax.linear_transpose(lambda x: x[1:] * 2, x)(ct)
        np.testing.assert_allclose(got[0], want[0])

    @pytest.mark.parametrize(
        "fun", [lambda x: x * x, lambda x: np.sin(x), lambda x: np.maximum(x, 0.0), jit(lambda x: x**2)]
    )
    def test_not_linear(self, fun: Any) -> None:
        with pytest.raises(NotLinearError, match="its derivative depends on its argument"):
            linear_transpose(fun, np.ones(2))

    def test_the_line_that_is_not_linear(self) -> None:
        def fun(x: Any) -> Any:
            y = 3 * x
            return x * y

        with pytest.raises(NotLinearError, match=r"test_util_functions.py:\d+ .*: return x \* y"):
            linear_transpose(fun, np.ones(2))

    def test_affine(self) -> None:
        with pytest.raises(NotLinearError, match="it adds a constant"):
            linear_transpose(lambda x: x + 1, np.ones(2))

    def test_errors(self) -> None:
        def fun(n: Any) -> Any:
            return n * 2

        with pytest.raises(IntegerInputError, match=r"linear_transpose of `.*` cannot differentiate by n, "):
            linear_transpose(fun, np.array([1, 2]))
        with pytest.raises(IntegerOutputError):
            linear_transpose(lambda x: x > 0, np.ones(2))
        transposed = linear_transpose(lambda x: x[:1], np.ones(2))
        with pytest.raises(CotangentError):
            transposed(np.ones(2))
        with pytest.raises(TreeMismatchError):
            transposed((np.ones(1),))
