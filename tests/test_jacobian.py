"""Jacobians, Hessians and Hessian-vector products: against JAX, against closed forms, and inside other transforms."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest

from functrans import tree
from functrans.core.aval import FLOAT0
from functrans.errors import (
    ArgnumsError,
    AuxError,
    ComplexInputError,
    ComplexOutputError,
    CotangentError,
    HolomorphicError,
    IntegerInputError,
    IntegerOutputError,
    NonArrayInputError,
    NonArrayOutputError,
    ParameterError,
    ScalarOutputError,
)
from functrans.jit import jit
from functrans.transforms.grad import grad
from functrans.transforms.jacobian import hessian, hvp, jacfwd, jacobian, jacrev
from functrans.transforms.vmap import vmap

BOTH = pytest.mark.parametrize("jac", [jacfwd, jacrev])
Transform = Callable[..., Any]
TRANSFORMS: dict[str, Transform] = {"jacfwd": jacfwd, "jacrev": jacrev, "hessian": hessian}


class Pair(NamedTuple):
    """A tree."""

    left: Any
    right: Any


def _rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.fixture
def jax() -> Any:
    module = pytest.importorskip("jax")
    module.config.update("jax_enable_x64", True)
    return module


def network(numpy: Any) -> Transform:
    """A function between trees."""

    def fun(p: Any, x: Any) -> Any:
        hidden = numpy.tanh(x @ p["w"] + p["b"])
        return {"hidden": hidden, "pair": (numpy.sum(hidden**2), numpy.exp(p["b"][:1]))}

    return fun


def arguments() -> tuple[Any, ...]:
    rng = _rng()
    return {"w": rng.normal(size=(3, 2)), "b": rng.normal(size=2)}, rng.normal(size=(4, 3))


def assert_trees_close(got: Any, want: Any) -> None:
    """The same containers; leaves of the same shape and dtype, close together."""
    ours, structure = tree.flatten(got)
    theirs, expected = tree.flatten(want)
    assert structure == expected
    for one, other in zip(ours, theirs, strict=True):
        assert one.shape == other.shape
        assert str(one.dtype) == str(other.dtype)
        np.testing.assert_allclose(one, other, rtol=1e-10, atol=1e-12)


class TestAgainstJax:
    @pytest.mark.parametrize("name", ["jacfwd", "jacrev", "hessian"])
    @pytest.mark.parametrize("argnums", [0, 1, (0, 1), (1,), -1])
    def test_trees(self, jax: Any, name: str, argnums: Any) -> None:
        ours = TRANSFORMS[name]
        got = ours(network(np), argnums)(*arguments())
        want = getattr(jax, name)(network(jax.numpy), argnums)(*arguments())
        assert_trees_close(got, jax.tree.map(np.asarray, want))

    @pytest.mark.parametrize("name", ["jacfwd", "jacrev"])
    @pytest.mark.parametrize("chunk_size", [1, 2, 5, 100])
    def test_chunks(self, jax: Any, name: str, chunk_size: int) -> None:
        ours: Transform = {"jacfwd": jacfwd, "jacrev": jacrev}[name]
        got = ours(network(np), (0, 1), chunk_size=chunk_size)(*arguments())
        assert_trees_close(got, ours(network(np), (0, 1))(*arguments()))

    @pytest.mark.parametrize("name", ["jacfwd", "jacrev", "hessian"])
    def test_holomorphic(self, jax: Any, name: str) -> None:
        ours = TRANSFORMS[name]
        x = np.array([0.3 + 1j, -2.0 + 0.5j])

        def fun(numpy: Any) -> Transform:
            return lambda x: numpy.sin(x[0]) * x**3

        want = getattr(jax, name)(fun(jax.numpy), holomorphic=True)(x)
        np.testing.assert_allclose(ours(fun(np), holomorphic=True)(x), want, rtol=1e-12)

    def test_complex_values_of_real_arguments(self, jax: Any) -> None:
        x = np.array([0.3, 2.0])
        got = jacfwd(lambda x: np.exp(1j * x))(x)
        np.testing.assert_allclose(got, jax.jacfwd(lambda x: jax.numpy.exp(1j * x))(x), rtol=1e-12)
        assert got.dtype == np.complex128

    def test_real_values_of_complex_arguments(self, jax: Any) -> None:
        x = np.array([0.3 + 1j, 2.0 - 0.5j])
        got = jacrev(lambda x: np.abs(x) ** 2)(x)
        np.testing.assert_allclose(got, jax.jacrev(lambda x: jax.numpy.abs(x) ** 2)(x), rtol=1e-12)


class TestShapes:
    @BOTH
    def test_scalars(self, jac: Transform) -> None:
        got = jac(lambda x: x**2)(3.0)
        assert type(got) is np.float64
        assert got == 6.0
        assert jac(lambda x: 5.0)(3.0) == 0.0
        assert type(jac(lambda x: 5.0)(3.0)) is np.float64

    @BOTH
    def test_rank_of_value_then_argument(self, jac: Transform) -> None:
        x = _rng().normal(size=(2, 3))
        got = jac(lambda x: np.stack([x.T**2] * 5))(x)
        assert got.shape == (5, 3, 2, 2, 3)
        want = np.zeros((3, 2, 2, 3))
        for i in range(2):
            for j in range(3):
                want[j, i, i, j] = 2 * x[i, j]
        np.testing.assert_allclose(got, np.stack([want] * 5))

    @BOTH
    def test_empty(self, jac: Transform) -> None:
        assert jac(lambda x: np.sum(x))(np.ones(0)).shape == (0,)
        assert jac(lambda x: x[:0])(np.ones(3)).shape == (0, 3)
        assert jac(lambda x: x)(np.ones((0, 2))).shape == (0, 2, 0, 2)
        assert jac(lambda x: {})(np.ones(2)) == {}
        assert jac(lambda x: np.ones(2))({}) == {}

    @BOTH
    def test_no_dependence_is_zeros(self, jac: Transform) -> None:
        got = jac(lambda p: {"a": np.ones(2), "b": p.left})(Pair(np.ones(3), 2.0))
        assert isinstance(got["a"], Pair)
        np.testing.assert_array_equal(got["a"].left, np.zeros((2, 3)))
        np.testing.assert_array_equal(got["b"].right, np.zeros(3))
        np.testing.assert_array_equal(got["b"].left, np.eye(3))

    def test_dtypes(self) -> None:
        def fun(p: Any) -> Any:
            return p[0].astype(np.float64) * p[1]

        point = (np.ones(2, np.float32), np.ones(2))
        assert [leaf.dtype for leaf in jacrev(fun)(point)] == [np.float32, np.float64]
        assert [leaf.dtype for leaf in jacfwd(fun)(point)] == [np.float64, np.float64]

    @BOTH
    def test_results_are_the_callers_own(self, jac: Transform) -> None:
        x = np.ones(3)
        got = jac(lambda x: (x, x))(x)
        assert all(leaf.flags.owndata and leaf.flags.writeable for leaf in got)
        got[0][0, 0] = 7.0
        assert got[1][0, 0] == 1.0

    @BOTH
    def test_keyword_and_other_arguments_pass_through(self, jac: Transform) -> None:
        got = jac(lambda x, n, *, flag: x**n if flag else x)(2.0, 3, flag=True)
        assert got == 12.0

    @BOTH
    def test_aux(self, jac: Transform) -> None:
        def fun(x: Any) -> Any:
            return x**2, {"sum": np.sum(x), "name": "aux"}

        got, aux = jac(fun, has_aux=True)(np.array([1.0, 2.0]))
        np.testing.assert_allclose(got, np.diag([2.0, 4.0]))
        assert aux == {"sum": 3.0, "name": "aux"}
        assert type(aux["sum"]) is np.float64
        second, aux = hessian(lambda x: (np.sum(x**3), x[0]), has_aux=True)(np.array([1.0, 2.0]))
        np.testing.assert_allclose(second, np.diag([6.0, 12.0]))
        assert aux == 1.0

    def test_integer_arguments(self) -> None:
        got = jacrev(lambda p: p["x"] * p["n"], allow_int=True)({"x": np.ones(2), "n": np.array([3, 4])})
        np.testing.assert_allclose(got["x"], np.diag([3.0, 4.0]))
        assert got["n"].dtype == FLOAT0
        assert got["n"].shape == (2, 2)

    def test_the_function_runs_once(self) -> None:
        for jac in (jacfwd, jacrev):
            calls: list[int] = []
            jac(lambda x, calls=calls: (calls.append(1), np.sin(x))[1])(np.ones(5))
            assert len(calls) == 1

    def test_names(self) -> None:
        def loss(x: Any) -> Any:
            """Squares."""
            return x**2

        for transform in (jacfwd, jacrev, hessian):
            assert transform(loss).__name__ == "loss"
            assert transform(loss).__doc__ == "Squares."
        assert jacobian is jacrev


class TestNested:
    def test_python_control_flow(self) -> None:
        def fun(x: Any) -> Any:
            return x**2 if x[0] > 0 else -x

        np.testing.assert_allclose(jacfwd(fun)(np.array([1.0, 2.0])), np.diag([2.0, 4.0]))
        np.testing.assert_allclose(jacrev(fun)(np.array([-1.0, 2.0])), -np.eye(2))

    @BOTH
    def test_jit_inside_and_outside(self, jac: Transform) -> None:
        want = jac(network(np))(*arguments())
        assert_trees_close(jit(jac(network(np)))(*arguments()), want)
        assert_trees_close(jac(jit(network(np)))(*arguments()), want)

    @BOTH
    def test_vmap_and_grad(self, jac: Transform) -> None:
        x = _rng().normal(size=(4, 3))

        def fun(x: Any) -> Any:
            return np.sin(x) * x[0]

        want = np.stack([jac(fun)(row) for row in x])
        np.testing.assert_allclose(vmap(jac(fun))(x), want, rtol=1e-12)
        got = jac(vmap(fun))(x)
        np.testing.assert_allclose(np.einsum("ijik->ijk", got), want, rtol=1e-12)
        traced = grad(lambda x: np.sum(jac(fun)(x) ** 2))(x[0])
        eps = 1e-6
        for i in range(3):
            step = eps * np.eye(3)[i]
            numeric = (np.sum(jac(fun)(x[0] + step) ** 2) - np.sum(jac(fun)(x[0] - step) ** 2)) / (2 * eps)
            np.testing.assert_allclose(traced[i], numeric, rtol=1e-6)

    @pytest.mark.parametrize("outer", [jacfwd, jacrev])
    @pytest.mark.parametrize("inner", [jacfwd, jacrev])
    def test_every_order_of_modes(self, inner: Transform, outer: Transform) -> None:
        x = np.array([0.5, -1.5, 2.0])

        def fun(x: Any) -> Any:
            return np.sum(x**3) * x[0]

        np.testing.assert_allclose(outer(inner(fun))(x), hessian(fun)(x), rtol=1e-12)
        np.testing.assert_allclose(hessian(fun, chunk_size=2)(x), hessian(fun)(x), rtol=1e-12)
        third = outer(hessian(lambda x: np.sum(x**4)))(x)
        np.testing.assert_allclose(np.einsum("iii->i", third), 24 * x, rtol=1e-12)


class TestHvp:
    def test_is_the_hessian_times_the_vector(self) -> None:
        (p, x), rng = arguments(), _rng()

        def loss(p: Any, x: Any) -> Any:
            return np.sum(np.tanh(x @ p["w"] + p["b"]) ** 2)

        v = tree.map(lambda leaf: rng.normal(size=leaf.shape), (p, x))
        got = hvp(loss, (p, x), v)
        second = hessian(loss, (0, 1))(p, x)
        rows = tree.leaves(second, is_leaf=None)
        names = tree.leaves(v)
        count = len(names)
        for i, leaf in enumerate(tree.leaves(got)):
            want = sum(np.tensordot(rows[i * count + j], names[j], names[j].ndim) for j in range(count))
            np.testing.assert_allclose(leaf, want, rtol=1e-10)
        assert tree.structure(got) == tree.structure((p, x))

    def test_aux_and_scalars(self) -> None:
        assert hvp(lambda x: x**3, (2.0,), (10.0,)) == (120.0,)
        product, aux = hvp(lambda x: (x**3, "aux"), (2.0,), (10.0,), has_aux=True)
        assert product == (120.0,)
        assert aux == "aux"
        batch = vmap(lambda v: hvp(lambda x: np.sum(x**3), (np.ones(2),), (v,)))(np.eye(2))
        np.testing.assert_allclose(batch[0], 6 * np.eye(2))

    def test_errors(self) -> None:
        with pytest.raises(ScalarOutputError):
            hvp(lambda x: x**2, (np.ones(2),), (np.ones(2),))
        with pytest.raises(CotangentError, match="x has type f64"):
            hvp(lambda x: np.sum(x), (np.ones(2),), (np.ones(3),))


class TestErrors:
    @BOTH
    def test_dtypes(self, jac: Transform) -> None:
        def loss(params: Any) -> Any:
            return params["w"] * 1.0

        with pytest.raises(IntegerInputError, match=r"by params\['w'\], which is of type i64\[2\]"):
            jac(loss)({"w": np.array([1, 2])})
        with pytest.raises(IntegerOutputError, match="returned one of type bool"):
            jac(lambda x: x > 0)(np.ones(2))
        with pytest.raises(HolomorphicError, match=r"its argument params\['w'\] has type f64\[2\]"):
            jac(loss, holomorphic=True)({"w": np.ones(2)})
        with pytest.raises(HolomorphicError, match="its value has type f64"):
            jac(lambda x: np.abs(x), holomorphic=True)(np.ones(2, complex))

    def test_complex(self) -> None:
        with pytest.raises(ComplexInputError, match=r"jacfwd of `.*` got x of type c128\[2\]") as caught:
            jacfwd(lambda x: np.abs(x))(np.ones(2, complex))
        assert "jacrev" in str(caught.value)
        with pytest.raises(ComplexOutputError):
            jacrev(lambda x: x * 1j)(np.ones(2))

    @BOTH
    def test_calls(self, jac: Transform) -> None:
        with pytest.raises(ArgnumsError, match="argnums=1"):
            jac(lambda x: x, 1)(1.0)
        with pytest.raises(NonArrayInputError, match="x of type str"):
            jac(lambda x: x)("text")
        with pytest.raises(NonArrayOutputError, match="returned a value of type str"):
            jac(lambda x: "text")(1.0)
        with pytest.raises(AuxError):
            jac(lambda x: x, has_aux=True)(1.0)
        with pytest.raises(ParameterError, match="chunk_size=0"):
            jac(lambda x: x, chunk_size=0)
