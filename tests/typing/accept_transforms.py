"""The other transforms keep the types. Checked by mypy and pyright, and run."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple, TypeAlias, assert_type

import numpy as np
from numpy.typing import NDArray

import functrans as ft
from functrans import Array, Jaxpr
from functrans.lowered import Text

F64: TypeAlias = NDArray[np.float64]
ONES = np.ones(3)


class State(NamedTuple):
    position: F64
    velocity: F64


def f64(x: F64) -> F64:
    """As declared: type checkers narrow a variable to what it was assigned, an array of known rank."""
    return x


def array(x: Array) -> Array:
    return x


def square(x: F64) -> F64:
    return x * x


def scaled(x: F64, by: float = 2.0) -> F64:
    return x * by


def move(state: State, dt: float, *, steps: int = 1) -> State:
    return State(state.position + steps * dt * state.velocity, state.velocity)


def energy(state: State) -> np.float64:
    return np.sum(state.velocity**2) + np.sum(state.position**2)


def general(x: Array, y: Array) -> Array:
    return x * y


def with_aux(x: F64, by: float) -> tuple[F64, str]:
    return x * by, "aux"


@ft.jit
def decorated(state: State, dt: float, *, steps: int = 1) -> State:
    return move(state, dt, steps=steps)


@ft.jit(static_argnames="steps")
def decorated_with_static(state: State, dt: float, *, steps: int = 1) -> State:
    return move(state, dt, steps=steps)


@partial(ft.jit, static_argnames=("steps",))
def decorated_by_partial(state: State, dt: float, *, steps: int = 1) -> State:
    return move(state, dt, steps=steps)


def check_jit() -> None:
    state = State(ONES, ONES)
    assert_type(decorated(state, 0.1, steps=2), State)
    assert_type(decorated_with_static(state, dt=0.1, steps=2), State)
    decorated_by_partial(state, 0.1, steps=2).position[0]  # Any to mypy
    assert_type(ft.jit(move, static_argnames=("steps",), donate_argnums=0)(state, 0.1), State)
    assert_type(ft.jit(move, threads=2)(state, 0.1), State)
    assert_type(ft.jit(general)(ONES, y=array(ONES)), Array)


def check_seeing_inside() -> None:
    state, x = State(ONES, ONES), f64(ONES)
    lowered = decorated.lower(ft.eval_shape(lambda: state), 0.1, steps=2)
    compiled = lowered.compile()
    assert_type(compiled(state, 0.1, steps=2), State)
    assert_type(ft.jit(general).lower(x, ft.ShapeDtypeStruct(3, float)).compile()(array(x), array(x)), Array)
    assert_type(ft.grad(ft.jit(energy).lower(state).compile())(state), State)
    assert_type(decorated_with_static.lower(state, 0.1, steps=2).compile()(state, 0.1, steps=2), State)
    assert_type(lowered.jaxpr, Jaxpr)
    assert_type(lowered.optimized_jaxpr, Jaxpr)
    assert_type("".join([lowered.kernels, lowered.as_text(), decorated.explain(), str(lowered.cost())]), str)
    assert_type(lowered.llvm_ir, Callable[[], Text])
    assert_type(compiled.as_text, Callable[[], Text])
    assert_type([step.flops for step in lowered.cost().steps], list[int])
    assert_type(lowered.cost().peak_memory + compiled.cost().bytes_read, int)
    assert_type(lowered.cost_analysis()["flops"], float)
    assert_type(decorated.cache_info().hits, int)
    assert_type(ft.jit(square, unchecked=True)(x), F64)
    decorated.clear_cache()
    ft.clear_caches()


class Model:
    def __init__(self, w: F64) -> None:
        self.w = w

    @ft.jit
    def predict(self, x: F64, *, bias: float = 0.0) -> F64:
        return x * self.w + bias

    @ft.jit(static_argnames="times")
    def repeat(self, x: F64, times: int = 1) -> F64:
        return x * self.w * times

    @ft.vmap
    def each(self, x: F64) -> F64:
        return x


def check_methods() -> None:
    assert_type(Model.predict(Model(ONES), f64(ONES)), F64)
    model = Model(ONES)
    assert_type(Model.predict.__name__, str)
    assert_type(model.predict(f64(ONES), bias=1.0), F64)
    assert_type(model.repeat(ONES, times=2), F64)
    assert_type(ft.vmap(model.predict)(ONES), F64)
    if hasattr(model, "tree_flatten"):  # it is not: vmap would map over the model
        assert_type(model.each(f64(ONES)), F64)


def check_vmap() -> None:
    states = State(np.ones((4, 3)), np.ones((4, 3)))
    assert_type(ft.vmap(move, in_axes=(0, None))(states, 0.1), State)
    assert_type(ft.vmap(general, in_axes=(0, None), out_axes=1, chunk_size=2)(np.ones((4, 3)), ONES), Array)
    assert_type(ft.vmap(ft.vmap(square))(np.ones((4, 3))), F64)


def check_vjp() -> None:
    x = f64(ONES)
    out, pull = ft.vjp(square, x)
    assert_type(out, F64)
    assert_type(pull(out), tuple[F64])
    assert_type(ft.vjp(general, array(x), array(x)), tuple[Array, Callable[[Array], tuple[Array, Array]]])
    assert_type(ft.vjp(scaled, x)[1](x), tuple[F64])
    assert_type(ft.vjp(scaled, x, 3.0)[1](x), tuple[F64, float])
    assert_type(ft.vjp(energy, State(x, x))[1](np.float64(1.0)), tuple[State])
    assert_type(ft.vjp(with_aux, x, 3.0, has_aux=True), tuple[F64, Callable[[F64], tuple[F64, float]], str])


def check_jvp() -> None:
    x, state = f64(ONES), State(ONES, ONES)
    assert_type(ft.jvp(square, (x,), (x,)), tuple[F64, F64])
    assert_type(ft.jvp(scaled, (x,), (np.ones(3),)), tuple[F64, F64])
    assert_type(ft.jvp(scaled, (x, 3.0), (x, 1.0)), tuple[F64, F64])
    assert_type(ft.jvp(move, (state, 0.1), (state, 1.0)), tuple[State, State])
    assert_type(ft.jvp(with_aux, (x, 3.0), (x, 1.0), has_aux=True), tuple[F64, F64, str])
    assert_type(ft.linearize(scaled, x, 3.0), tuple[F64, Callable[[F64, float], F64]])
    out, derivative, aux = ft.linearize(with_aux, x, 3.0, has_aux=True)
    assert_type(out, F64)
    assert_type(derivative(x, 1.0), F64)
    assert_type(aux, str)


def check_jacobians() -> None:
    x, state = f64(ONES), State(ONES, ONES)
    assert_type(ft.jacfwd(square)(x), Array)
    assert_type(ft.jacrev(general)(array(x), y=x), Array)
    assert_type(ft.jacobian(square, chunk_size=1)(x), Array)
    assert_type(ft.jacrev(energy, allow_int=False)(state), State)
    assert_type(ft.jacfwd(general, argnums=(0, 1))(x, x), Any)
    assert_type(ft.jacfwd(with_aux, has_aux=True)(x, by=2.0), tuple[Any, str])
    assert_type(ft.hessian(norm)(x), Array)
    assert_type(ft.hvp(energy, (state,), (state,)), tuple[State])
    assert_type(ft.hvp(norm_with_aux, (x,), (x,), has_aux=True), tuple[tuple[F64], str])


def norm(x: F64) -> np.float64:
    return np.sum(x**2)


def norm_with_aux(x: F64) -> tuple[np.float64, str]:
    return np.sum(x**2), ""


@ft.custom_vjp
def clipped(x: F64, limit: float = 1.0) -> F64:
    return x


def clipped_fwd(x: F64, limit: float = 1.0) -> tuple[F64, float]:
    return x, limit


def clipped_bwd(limit: float, ct: F64) -> tuple[F64, None]:
    return np.clip(ct, -limit, limit), None


clipped.defvjp(clipped_fwd, clipped_bwd)


@partial(ft.custom_vjp, nondiff_argnums=(0,))
def named(name: str, x: F64) -> F64:
    return x


def named_fwd(name: str, x: F64) -> tuple[F64, None]:
    return x, None


def named_bwd(name: str, residuals: None, ct: F64) -> tuple[F64]:
    return (ct,)


named.defvjp(named_fwd, named_bwd)


@ft.custom_jvp
def cubed(x: F64) -> F64:
    return x**3


@cubed.defjvp
def cubed_rule(primals: tuple[F64], tangents: tuple[F64]) -> tuple[F64, F64]:
    return primals[0] ** 3, 3 * primals[0] ** 2 * tangents[0]


def check_custom_rules() -> None:
    x = f64(ONES)
    assert_type(clipped(x, limit=2.0), F64)
    assert_type(ft.vjp(clipped, x, 2.0)[1](x), tuple[F64, float])
    named("x", x)[0]  # Any to pyright
    assert_type(cubed(x), F64)
    assert_type(cubed_rule((x,), (x,)), tuple[F64, F64])
    ft.jacfwd(cubed)(x)[0]  # Any to mypy


@ft.tree.register_node_class
class Scale:
    def __init__(self, by: float) -> None:
        self.by = by

    def tree_flatten(self) -> tuple[tuple[float], None]:
        return (self.by,), None

    @classmethod
    def tree_unflatten(cls, _: None, children: tuple[float]) -> Scale:
        return cls(*children)

    @ft.custom_jvp
    def apply(self, x: F64, *, offset: float = 0.0) -> F64:
        return x * self.by


Scale.apply.defjvps(None, lambda t, out, self, x: t * self.by)


def check_custom_methods() -> None:
    assert_type(Scale(2.0).apply(f64(ONES)), F64)


def check_trees() -> None:
    state = State(ONES, ONES)
    assert_type(ft.tree.map(lambda x: 2 * x, state), State)
    assert_type(ft.tree.map(lambda x, y: x - 0.1 * y, state, state), State)
    leaves, structure = ft.tree.flatten(state)
    assert_type(ft.tree.unflatten(structure, leaves), State)
    flat, unravel = ft.flatten_util.ravel_pytree(state)
    assert_type(flat, Array)
    assert_type(unravel(flat), State)


def check_traced() -> None:
    stand_in = ft.ShapeDtypeStruct((3,), np.float64)
    assert_type(ft.make_jaxpr(square)(stand_in), Jaxpr)
    assert_type(ft.make_jaxpr(square, return_shape=True)(ONES), tuple[Jaxpr, Any])
    assert_type(ft.eval_shape(square, stand_in), Any)
    assert_type(ft.linear_transpose(scaled, stand_in)(f64(ONES)), tuple[Any, ...])
