"""Random programs: every way to run one gives the same, and its derivatives are those of finite differences.

Where a program has a kink or a jump close by, finite differences and rounding errors say nothing: such examples are left out.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import assume, given
from hypothesis import strategies as st

from functrans import grad, jit, jvp, linearize, vjp, vmap
from functrans.backends import numpy
from functrans.compiler.pipeline import optimize
from functrans.core.check import check_jaxpr
from functrans.core.ir import eval_jaxpr
from functrans.core.primitive import aval_of
from functrans.ops.arithmetic import add
from functrans.ops.broadcast import reduce_sum
from functrans.ops.trigonometric import sin
from functrans.transforms.stage import stage
from tests.derivatives import (
    Arrays,
    Fun,
    assert_close,
    assert_types,
    check_derivatives,
    directions,
    pairing,
    size_of,
)
from tests.programs import Program, programs

BATCH = 3
MIXED = programs(("float32", "float64"))
SMOOTH = programs(length=6)
SEEDS = st.integers(0, 2**32 - 1).map(np.random.default_rng)


def flat(fun: Callable[..., Any]) -> Fun:
    return lambda *args: (fun(*args),)


def loss_of(program: Program) -> Callable[..., Any]:
    """A scalar that depends on all results."""

    def loss(*inputs: Any) -> Any:
        sums = [reduce_sum(sin(value), range(len(aval_of(value).shape))) for value in program(*inputs)]
        total = sums[0]
        for value in sums[1:]:
            total = add(total, value)
        return total

    return loss


def is_smooth(fun: Fun, primals: Arrays, tangents: Arrays) -> bool:
    """Whether the slopes to both sides agree, near and farther: no kink, no jump, no strong curvature on the way."""
    here, slopes = fun(*primals), []
    for step in (1e-3, 1e-5, -1e-5, -1e-3):
        there = fun(*(x + step * t for x, t in zip(primals, tangents, strict=True)))
        slopes.append([np.subtract(b, a) / step for a, b in zip(here, there, strict=True)])
    tolerance = 0.02 * size_of([*here, *slopes[1]])
    return all(np.all(np.abs(a - b) <= tolerance) for side in slopes for a, b in zip(side, slopes[1], strict=True))


def is_steady(program: Program, inputs: Arrays, rng: np.random.Generator) -> bool:
    """Whether rounding errors stay small: no comparison, rounding or order that they could turn."""
    nudged = [x * (1 + 1e-6 * rng.uniform(-1, 1, x.shape)).astype(x.dtype) for x in inputs]
    here, there = program(*inputs), program(*nudged)
    return all(np.allclose(a, b, rtol=1e-3, atol=1e-3) for a, b in zip(here, there, strict=True))


def is_single(program: Program) -> bool:
    """Whether it computes in float32 anywhere."""
    return any(x.dtype == np.float32 for x in program.inputs) or "float32" in repr(program)


@given(MIXED)
def test_staged_and_compiled_programs_are_eager_ones(program: Program) -> None:
    eager = program(*program.inputs)
    jaxpr = stage(program, [aval_of(x) for x in program.inputs])
    check_jaxpr(jaxpr)
    assert str(jaxpr).startswith("{ lambda")
    reference = numpy.Program(optimize(jaxpr.with_consts_as_inputs()))
    for outs in (eval_jaxpr(jaxpr, *program.inputs), reference(*jaxpr.consts, *program.inputs)):
        assert_types(outs, eager, "results")
        for got, expected in zip(outs, eager, strict=True):
            assert np.asarray(got).tobytes() == np.asarray(expected).tobytes()
    compiled = jit(program.__call__)
    steady = is_steady(program, program.inputs, np.random.default_rng(0))
    for outs in (compiled(*program.inputs), compiled(*program.inputs)):
        assert_types(outs, eager, "compiled results")
        for got, expected in zip(outs, eager, strict=True):
            tolerance = 1e-3 if is_single(program) else 1e-10
            if steady:  # sums are in another order, and functions rounded otherwise
                np.testing.assert_allclose(got, expected, rtol=tolerance, atol=tolerance)


@given(MIXED, SEEDS, st.data())
def test_vmap_is_a_loop(program: Program, rng: np.random.Generator, data: st.DataObject) -> None:
    mapped = data.draw(st.lists(st.booleans(), min_size=len(program.inputs), max_size=len(program.inputs)).filter(any))
    rows = [
        [x + rng.uniform(-1, 1, x.shape).astype(x.dtype) * m for x, m in zip(program.inputs, mapped, strict=True)]
        for _ in range(BATCH)
    ]
    assume(all(is_steady(program, tuple(row), rng) for row in rows))
    stacks = [np.stack(column) if m else column[0] for column, m in zip(zip(*rows, strict=True), mapped, strict=True)]
    in_axes = tuple(0 if m else None for m in mapped)
    expected = [np.stack(column) for column in zip(*(program(*row) for row in rows), strict=True)]
    batched = vmap(program.__call__, in_axes)
    for run in (batched, jit(batched), vmap(jit(program.__call__), in_axes)):
        outs = run(*stacks)
        assert_types(outs, expected, "results of vmap")
        for got, value in zip(outs, expected, strict=True):
            tolerance = 1e-3 if is_single(program) else 1e-10
            np.testing.assert_allclose(got, value, rtol=tolerance, atol=tolerance)


@given(SMOOTH, SEEDS)
def test_derivatives(program: Program, rng: np.random.Generator) -> None:
    tangents = directions(rng, program.inputs)
    assume(is_smooth(program, program.inputs, tangents))
    outs, along = jvp(program.__call__, program.inputs, tangents)
    check_derivatives(program.__call__, program.inputs, 1, rng)
    assert_close(linearize(program.__call__, *program.inputs)[1](*tangents), along, 1e-12, "linearize")
    cts = directions(rng, outs)
    grads = vjp(jit(program.__call__), *program.inputs)[1](cts)
    bound = 1e-10 * (1 + sum(np.sum(np.abs(np.multiply(a, b))) for a, b in zip(cts, along, strict=True)))
    assert abs(pairing(cts, along) - pairing(grads, tangents)) <= bound


@given(SMOOTH, SEEDS)
def test_second_derivatives_are_symmetric(program: Program, rng: np.random.Generator) -> None:
    loss, inputs = loss_of(program), program.inputs
    every = tuple(range(len(inputs)))
    u, v = directions(rng, inputs), directions(rng, inputs)
    assume(is_smooth(flat(loss), inputs, u) and is_smooth(flat(loss), inputs, v))
    gradient = grad(loss, every)
    hessian_u, hessian_v = jvp(gradient, inputs, u)[1], jvp(gradient, inputs, v)[1]
    bound = 1e-8 * size_of([*hessian_u, *hessian_v])
    assert abs(pairing(hessian_u, v) - pairing(hessian_v, u)) <= bound
    assert_close(vjp(gradient, *inputs)[1](u), hessian_u, 1e-9, "reverse over reverse")
    along = lambda *args: jvp(loss, args, u)[1]
    assert_close(grad(along, every)(*inputs), hessian_u, 1e-9, "reverse over forward")
    twice = jvp(lambda *args: jvp(loss, args, u)[1], inputs, v)[1]
    assert abs(twice - pairing(hessian_u, v)) <= bound


@given(SMOOTH, SEEDS)
def test_transformed_programs_are_well_formed(program: Program, rng: np.random.Generator) -> None:
    loss, every = loss_of(program), tuple(range(len(program.inputs)))
    stacks = [np.stack([x, *(x + rng.uniform(-1, 1, x.shape) for _ in range(BATCH - 1))]) for x in program.inputs]
    whole = lambda *args: reduce_sum(vmap(loss)(*args), (0,))
    per_sample = vmap(grad(loss, every))
    steady = all(is_steady(program, tuple(stack[i] for stack in stacks), rng) for i in range(BATCH))
    for fun, args in ((grad(loss, every), program.inputs), (per_sample, stacks), (grad(whole, every), stacks)):
        jaxpr = stage(fun, [aval_of(arg) for arg in args])
        check_jaxpr(jaxpr)
        eager = fun(*args)
        assert_close(eval_jaxpr(jaxpr, *args), eager, 0.0, "staged")
        compiled = jit(fun)(*args)
        if steady:
            assert_close(compiled, eager, 1e-9, "compiled")
    if steady:
        assert_close(grad(whole, every)(*stacks), per_sample(*stacks), 1e-9, "gradient of the sum, of the parts")
