"""Collectives over the named axes of vmap: against JAX, against loops, and nested in the other transforms."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from functrans.core.aval import shaped
from functrans.core.check import check_jaxpr
from functrans.core.ir import eval_jaxpr
from functrans.core.primitive import current_trace, use_trace
from functrans.errors import ParameterError, UnboundAxisError
from functrans.jit import jit
from functrans.ops.arithmetic import mul
from functrans.ops.trigonometric import sin
from functrans.transforms import collective as c
from functrans.transforms import exchange as e
from functrans.transforms.custom import custom_jvp, custom_vjp
from functrans.transforms.grad import grad
from functrans.transforms.jvp import jvp
from functrans.transforms.stage import stage
from functrans.transforms.vjp import vjp
from functrans.transforms.vmap import BatchTrace, vmap
from functrans.typing import Array

N = 3
CALLS: dict[str, Callable[[Any, Any], Any]] = {
    "psum": lambda lax, x: lax.psum(x, "i"),
    "pmean": lambda lax, x: lax.pmean(x, "i"),
    "pmax": lambda lax, x: lax.pmax(x, "i"),
    "pmin": lambda lax, x: lax.pmin(x, "i"),
    "all_gather": lambda lax, x: lax.all_gather(x, "i"),
    "all_gather axis 1": lambda lax, x: lax.all_gather(x, "i", axis=1),
    "all_gather tiled": lambda lax, x: lax.all_gather(x, "i", axis=1, tiled=True),
    "psum_scatter": lambda lax, x: lax.psum_scatter(x, "i"),
    "psum_scatter tiled": lambda lax, x: lax.psum_scatter(x, "i", scatter_dimension=1, tiled=True),
    "ppermute": lambda lax, x: lax.ppermute(x, "i", [(0, 2), (2, 1), (1, 0)]),
    "pshuffle": lambda lax, x: lax.pshuffle(x, "i", [2, 0, 1]),
    "all_to_all": lambda lax, x: lax.all_to_all(x, "i", 0, 1),
    "all_to_all same": lambda lax, x: lax.all_to_all(x, "i", 0, 0),
    "all_to_all tiled": lambda lax, x: lax.all_to_all(x, "i", 0, 1, tiled=True),
}
NOT_LINEAR = ("pmax", "pmin")


class lax:
    """The functions under test, named as in JAX."""

    psum, pmean, pmax, pmin = c.psum, c.pmean, c.pmax, c.pmin
    axis_index, axis_size = c.axis_index, c.axis_size
    all_gather, psum_scatter, ppermute = e.all_gather, e.psum_scatter, e.ppermute
    pshuffle, all_to_all = e.pshuffle, e.all_to_all


def _x(shape: tuple[int, ...] = (N, N, 2 * N)) -> Array:
    return np.random.default_rng(0).normal(size=shape)


@pytest.fixture
def jax() -> Any:
    module = pytest.importorskip("jax")
    module.config.update("jax_enable_x64", True)
    return module


@pytest.mark.parametrize("name", CALLS)
class TestAgainstJax:
    def test_value(self, jax: Any, name: str) -> None:
        call = CALLS[name]
        want = jax.vmap(lambda x: call(jax.lax, x), axis_name="i")(_x())
        np.testing.assert_allclose(vmap(lambda x: call(lax, x), axis_name="i")(_x()), want, rtol=1e-14)

    def test_value_of_what_all_share(self, jax: Any, name: str) -> None:
        if name.startswith(("all_to_all", "psum_scatter")):
            pytest.skip("JAX's own rule fails for an operand that is not mapped")
        call, x = CALLS[name], _x()[0]
        want = jax.vmap(lambda _: call(jax.lax, x), axis_name="i")(np.arange(N))
        np.testing.assert_allclose(vmap(lambda _: call(lax, x), axis_name="i")(np.arange(N)), want, rtol=1e-14)

    def test_gradient_inside(self, jax: Any, name: str) -> None:
        if name in NOT_LINEAR or name == "all_to_all":
            pytest.skip("JAX has no rule, or a wrong one")
        call, x, w = CALLS[name], _x(), np.float64(2.0)
        shape = np.shape(vmap(lambda x: call(lax, x), axis_name="i")(x))[1:]
        weights = np.random.default_rng(1).normal(size=shape)

        def run(library: Any, transforms: Any, sines: Any, summed: Any) -> Any:
            def loss(x: Any, w: Any) -> Any:
                return summed(sines(call(library, x * w)) * weights)

            return transforms.vmap(transforms.grad(loss, (0, 1)), (0, None), axis_name="i")(x, w)

        class ours:
            vmap, grad = staticmethod(vmap), staticmethod(grad)

        got = run(lax, ours, np.sin, np.sum)
        want = run(jax.lax, jax, jax.numpy.sin, jax.numpy.sum)
        for one, other in zip(got, want, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-12)

    def test_gradient_outside(self, jax: Any, name: str) -> None:
        if name in NOT_LINEAR:
            pytest.skip("JAX has no rule")
        call, x = CALLS[name], _x()

        def run(library: Any, transforms: Any, numpy: Any) -> Any:
            mapped = transforms.vmap(lambda x: numpy.sin(call(library, x)), axis_name="i")
            return transforms.grad(lambda x: numpy.sum(mapped(x) ** 2))(x)

        class ours:
            vmap, grad = staticmethod(vmap), staticmethod(grad)

        np.testing.assert_allclose(run(lax, ours, np), run(jax.lax, jax, jax.numpy), rtol=1e-12)

    def test_tangent(self, jax: Any, name: str) -> None:
        if name in NOT_LINEAR:
            pytest.skip("JAX has no rule")
        call, x, t = CALLS[name], _x(), _x()[::-1].copy()
        got = vmap(lambda x, t: jvp(lambda x: call(lax, x), (x,), (t,))[1], axis_name="i")(x, t)
        want = jax.vmap(lambda x, t: jax.jvp(lambda x: call(jax.lax, x), (x,), (t,))[1], axis_name="i")(x, t)
        np.testing.assert_allclose(got, want, rtol=1e-14)

    def test_under_another_vmap(self, jax: Any, name: str) -> None:
        call, x = CALLS[name], _x((4, N, N, 2 * N))
        inner_first = vmap(vmap(lambda x: call(lax, x), axis_name="i"))(x)
        want = jax.vmap(jax.vmap(lambda x: call(jax.lax, x), axis_name="i"))(x)
        np.testing.assert_allclose(inner_first, want, rtol=1e-14)
        swapped = vmap(vmap(lambda x: call(lax, x), in_axes=0), in_axes=1, out_axes=1, axis_name="i")(x)
        np.testing.assert_allclose(swapped, want, rtol=1e-14)
        named = vmap(vmap(lambda x: call(lax, x), in_axes=0, axis_name="j"), in_axes=1, out_axes=1, axis_name="i")(x)
        np.testing.assert_allclose(named, want, rtol=1e-14)

    def test_under_jit(self, name: str, jax: Any) -> None:
        call, x = CALLS[name], _x()
        want = vmap(lambda x: call(lax, x), axis_name="i")(x)
        np.testing.assert_array_equal(vmap(jit(lambda x: call(lax, x)), axis_name="i")(x), want)
        np.testing.assert_array_equal(jit(vmap(jit(lambda x: call(lax, x)), axis_name="i"))(x), want)

    def test_jaxpr(self, name: str, jax: Any) -> None:
        outer = BatchTrace(current_trace(), N, "i")
        with use_trace(outer):
            jaxpr = stage(lambda x: [CALLS[name](lax, x)], [shaped((N, 2 * N), np.dtype(np.float64))])
        with use_trace(outer):
            check_jaxpr(jaxpr)
        want = jax.vmap(lambda x: CALLS[name](jax.lax, x), axis_name="i")(_x()).shape[1:]
        assert jaxpr.out_avals[0].shape == want


@pytest.mark.parametrize("name", [name for name in CALLS if name not in NOT_LINEAR])
def test_pullbacks_are_adjoint(name: str) -> None:
    def call(x: Any) -> Any:
        return CALLS[name](lax, x)

    x = _x()
    out = vmap(call, axis_name="i")(x)
    ct = np.random.default_rng(2).normal(size=out.shape)
    (pulled,) = vmap(lambda x, ct: vjp(call, x)[1](ct), axis_name="i")(x, ct)
    np.testing.assert_allclose(np.vdot(pulled, x), np.vdot(ct, out), rtol=1e-12)


def test_extrema_have_the_gradient_of_a_reduction() -> None:
    x = np.array([[1.0, 5.0], [4.0, 5.0], [4.0, 2.0]])
    inside = vmap(grad(lambda x: np.sum(lax.pmax(x, "i") ** 2)), axis_name="i")(x)
    outside = grad(lambda x: np.sum(vmap(lambda x: lax.pmax(x, "i") ** 2, axis_name="i")(x)))(x)
    np.testing.assert_allclose(inside, outside)
    np.testing.assert_allclose(outside, [[0, 15], [12, 15], [12, 0]])
    _, tangent = vmap(lambda x: jvp(lambda x: lax.pmin(x, "i"), (x,), (x,)), axis_name="i")(x)
    np.testing.assert_allclose(tangent, [[1, 2]] * 3)


def test_second_derivatives() -> None:
    x = _x((N,))

    def loss(x: Any) -> Any:
        return sin(lax.psum(mul(x, x), "i"))

    total = np.sum(x * x)
    got = vmap(grad(grad(loss)), axis_name="i")(x)
    # every gradient is N cos(sum x²) 2x, and the gradient of their sum over the axis is taken again
    first = 2 * N * np.cos(total)
    np.testing.assert_allclose(got, first - 4 * N * np.sin(total) * np.sum(x) * x, rtol=1e-12)


def test_a_cotangent_pulled_back_later() -> None:
    def pulled(x: Any) -> Any:
        _, pull = vjp(lambda x: lax.all_gather(x, "i"), x)
        return pull(np.array([1.0, 10.0, 100.0]))[0]

    np.testing.assert_allclose(vmap(pulled, axis_name="i")(np.ones(3)), [3.0, 30.0, 300.0])


class TestTuplesOfNames:
    @pytest.mark.parametrize(
        "call",
        [
            lambda lax, x: lax.psum(x, ("i", "j")),
            lambda lax, x: lax.pmean(x, ("i", "j")),
            lambda lax, x: lax.pmax(x, ("j", "i")),
            lambda lax, x: lax.axis_index(("i", "j")),
            lambda lax, x: lax.axis_index(("j", "i")),
            lambda lax, x: lax.axis_size(("j", "i")),
        ],
    )
    def test_against_jax(self, jax: Any, call: Any) -> None:
        x = _x((2, 3, 6, 12))
        got = vmap(vmap(lambda x: call(lax, x), axis_name="j"), axis_name="i")(x)
        want = jax.vmap(jax.vmap(lambda x: call(jax.lax, x), axis_name="j"), axis_name="i")(x)
        np.testing.assert_allclose(got, want, rtol=1e-14)

    def test_gather(self) -> None:
        x = _x((2, 3, 6, 4))
        stacked = vmap(vmap(lambda x: lax.all_gather(x, ("i", "j"), axis=1), axis_name="j"), axis_name="i")(x)
        np.testing.assert_array_equal(stacked[1, 2], np.moveaxis(x.reshape(6, 6, 4), 0, 1))
        joined = vmap(vmap(lambda x: lax.all_gather(x, ("i", "j"), axis=1, tiled=True), axis_name="j"), axis_name="i")(
            x
        )
        np.testing.assert_array_equal(joined[1, 2], np.concatenate(list(x.reshape(6, 6, 4)), axis=1))

    @pytest.mark.parametrize("tiled", [False, True])
    def test_scatter_is_an_index_of_the_sum(self, tiled: bool) -> None:
        x = _x((2, 3, 6))

        def both(x: Any) -> Any:
            return lax.psum_scatter(x, ("i", "j"), tiled=tiled), lax.axis_index(("i", "j"))

        scattered, number = vmap(vmap(both, axis_name="j"), axis_name="i")(x)
        np.testing.assert_allclose(scattered.reshape(-1), np.sum(x, (0, 1))[number.reshape(-1)])

    def test_one_axis_only(self) -> None:
        for call in (lambda x: e.ppermute(x, ("i", "j"), [(0, 1)]), lambda x: e.all_to_all(x, ("i", "j"), 0, 0)):
            with pytest.raises(ParameterError, match="the name of one axis"):
                vmap(call, axis_name="i")(np.ones((2, 2)))


class TestNumbers:
    def test_of_python_numbers(self) -> None:
        seen: list[Any] = []

        def f(x: Any) -> Any:
            seen.extend([lax.psum(1, "i"), lax.psum(0.5, "i"), lax.pmax(2, "i"), lax.axis_size("i")])
            return x

        vmap(f, axis_name="i")(np.ones(4))
        assert seen == [4, 2.0, 2, 4]
        assert list(map(type, seen)) == [int, float, int, int]

    def test_dtypes(self) -> None:
        def dtype(call: Any, kind: str) -> str:
            return str(vmap(call, axis_name="i")(np.ones(3, kind)).dtype)

        assert dtype(lambda x: lax.psum(x, "i"), "int8") == "int8"
        assert dtype(lambda x: lax.psum(x, "i"), "bool") == "int64"
        assert dtype(lambda x: lax.psum(x, "i"), "float32") == "float32"
        assert dtype(lambda x: lax.pmean(x, "i"), "float16") == "float16"
        assert dtype(lambda x: lax.pmean(x, "i"), "int32") == "float64"
        assert dtype(lambda x: lax.pmean(x, "i"), "complex64") == "complex64"
        assert dtype(lambda x: lax.axis_index("i"), "float32") == "int64"

    def test_shared_integers_wrap_around_as_a_sum_does(self) -> None:
        got = vmap(lambda _: lax.psum(np.int8(1), "i"), axis_name="i")(np.ones(300))
        assert got.dtype == np.int8
        assert got[0] == np.int8(300 - 256)

    def test_trees(self) -> None:
        got = vmap(lambda x: lax.psum({"a": x, "b": (x, 1)}, "i"), axis_name="i")(np.arange(3))
        np.testing.assert_array_equal(got["a"], [3, 3, 3])
        np.testing.assert_array_equal(got["b"][1], [3, 3, 3])

    def test_partial_permutation_leaves_zeros(self) -> None:
        def f(x: Any) -> Any:
            return lax.ppermute(x, "i", [(0, 1), (1, 2)])

        x = np.array([1.0, 2.0, 3.0])
        np.testing.assert_array_equal(vmap(f, axis_name="i")(x), [0, 1, 2])
        np.testing.assert_array_equal(vmap(grad(f), axis_name="i")(x), [1, 1, 0])
        np.testing.assert_array_equal(vmap(lambda x: lax.ppermute(x, "i", []), axis_name="i")(x), [0, 0, 0])


def test_jit_with_nothing_mapped_sees_the_axis() -> None:
    got = vmap(lambda x: x + jit(lambda: lax.axis_index("i"))(), axis_name="i")(np.zeros(3))
    np.testing.assert_array_equal(got, [0, 1, 2])
    nested = vmap(lambda x: jit(lambda x: jit(lambda y: lax.psum(y, "i"))(x) * 2)(x), axis_name="i")(np.ones(3))
    np.testing.assert_array_equal(nested, [6, 6, 6])
    inside = vmap(grad(jit(lambda x: lax.psum(x, "i") ** 2)), axis_name="i")(np.ones(3))
    np.testing.assert_array_equal(inside, [18, 18, 18])


def test_an_inner_axis_hides_an_outer_one_of_the_same_name() -> None:
    f = vmap(vmap(lambda x: lax.psum(x, "i"), axis_name="i"), axis_name="i")
    np.testing.assert_array_equal(f(np.ones((2, 5))), np.full((2, 5), 5.0))


class TestErrors:
    def test_unbound(self) -> None:
        with pytest.raises(UnboundAxisError, match="no axis named 'i': there is no named axis here") as caught:
            lax.psum(1.0, "i")
        assert isinstance(caught.value, NameError)
        assert "vmap(..., axis_name='i')" in str(caught.value)
        with pytest.raises(UnboundAxisError, match="no axis named 'j': the named axes here are 'a', 'b'"):
            vmap(vmap(lambda x: lax.psum(x, "j"), axis_name="a"), axis_name="b")(np.ones((2, 2)))
        with pytest.raises(UnboundAxisError):
            vmap(lambda x: lax.axis_index(None))(np.ones(2))

    def test_run_outside_its_axis(self) -> None:
        with use_trace(BatchTrace(current_trace(), N, "i")):
            jaxpr = stage(lambda x: [lax.psum(x, "i")], [shaped((), np.dtype(np.float64))])
        with pytest.raises(UnboundAxisError):
            eval_jaxpr(jaxpr, np.array(1.0))

    @pytest.mark.parametrize(
        "call",
        [
            lambda x: lax.psum_scatter(x, "i"),
            lambda x: lax.psum_scatter(x, "i", tiled=True),
            lambda x: lax.all_to_all(x, "i", 0, 0),
            lambda x: lax.all_to_all(x, "i", 1, 0),
            lambda x: lax.all_gather(x, "i", axis=2),
            lambda x: lax.all_gather(x, "i", axis=1, tiled=True),
            lambda x: lax.ppermute(x, "i", [(0, 1), (0, 2)]),
            lambda x: lax.ppermute(x, "i", [(0, 3)]),
            lambda x: lax.pshuffle(x, "i", [0, 0, 1]),
            lambda x: lax.pshuffle(x, "i", [0, 1]),
        ],
    )
    def test_parameters(self, call: Any) -> None:
        with pytest.raises(ParameterError):
            vmap(call, axis_name="i")(np.ones((3, 4)))


class TestCustomRules:
    """Functions with derivative rules of their own, whose rules use collectives too."""

    @staticmethod
    def centred() -> Any:
        @custom_vjp
        def fun(x: Any) -> Any:
            return x - lax.pmean(x, "i")

        fun.defvjp(lambda x: (fun(x), None), lambda _, g: (g - lax.pmean(g, "i"),))
        return fun

    @staticmethod
    def share() -> Any:
        @custom_jvp
        def fun(x: Any) -> Any:
            return x * lax.psum(x, "i")

        def rule(primals: Any, tangents: Any) -> Any:
            (x,), (t,) = primals, tangents
            return fun(x), t * lax.psum(x, "i") + x * lax.psum(t, "i")

        fun.defjvp(rule)
        return fun

    @pytest.mark.parametrize(
        ("make", "plain"),
        [
            (centred, lambda x: x - lax.pmean(x, "i")),
            (share, lambda x: x * lax.psum(x, "i")),
        ],
    )
    def test_as_without_them(self, make: Any, plain: Any) -> None:
        custom, x = make(), np.array([1.0, 2.0, 6.0])

        def outside(fun: Any) -> Any:
            return grad(lambda x: np.sum(vmap(fun, axis_name="i")(x) ** 2))(x)

        def inside(fun: Any) -> Any:
            return vmap(fun, axis_name="i")(x)

        for fun in (custom, jit(custom)):
            np.testing.assert_allclose(inside(fun), inside(plain))
            np.testing.assert_allclose(inside(grad(fun)), inside(grad(plain)))
            np.testing.assert_allclose(inside(jit(grad(fun))), inside(grad(plain)))
            np.testing.assert_allclose(outside(fun), outside(plain))
            np.testing.assert_allclose(jit(lambda fun=fun: outside(fun))(), outside(plain))
            shared = vmap(lambda _, fun=fun: fun(np.float64(2.0)), axis_name="i")(x)
            np.testing.assert_allclose(shared, vmap(lambda _: plain(np.float64(2.0)), axis_name="i")(x))
