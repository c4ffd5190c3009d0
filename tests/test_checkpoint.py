"""checkpoint: the same derivatives from less memory; policies, budgets and the partitioner under them; the barrier.

Held to the function without checkpoint, in every transform; what is saved is held to what JAX saves.
"""

import io
import tracemalloc
from collections.abc import Callable
from contextlib import redirect_stdout
from functools import partial
from itertools import chain, combinations
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import functrans as ft
from functrans import checkpoint, checkpoint_policies, grad, hessian, jit, jvp, lax, make_jaxpr, remat, vmap
from functrans.ad_checkpoint import checkpoint_name, print_saved_residuals
from functrans.compiler.pipeline import optimize
from functrans.core.aval import shaped
from functrans.core.check import check_jaxpr
from functrans.core.ir import Jaxpr, Var, eval_jaxpr
from functrans.core.work import work
from functrans.errors import ArgnumsError, ConcretizationError
from functrans.transforms.jaxprs import vjp_jaxpr
from functrans.transforms.min_cut import min_vertex_cut
from functrans.transforms.partition import Policy
from functrans.transforms.stage import stage

Fun = Callable[..., Any]
RNG = np.random.default_rng(0)
W, X = RNG.normal(size=(3, 3)), RNG.normal(size=(4, 3))


def network(w: Any, x: Any) -> Any:
    h = checkpoint_name(np.sin(x @ w), "h")
    k = checkpoint_name(np.tanh(h @ w), "k")
    b = np.einsum("bij,bjk->bik", k[None], w[None])[0]
    return np.exp(np.cos(b))


POLICIES: dict[str, Policy | None] = {
    "none": None,
    "everything": checkpoint_policies.everything_saveable,
    "nothing": checkpoint_policies.nothing_saveable,
    "dots": checkpoint_policies.dots_saveable,
    "dots without batch": checkpoint_policies.dots_with_no_batch_dims_saveable,
    "h": checkpoint_policies.save_only_these_names("h", "no such name"),
    "names but h": checkpoint_policies.save_any_names_but_these("h"),
    "all but h": checkpoint_policies.save_anything_except_these_names("h"),
    "dots and k": checkpoint_policies.save_from_both_policies(
        checkpoint_policies.dots_saveable, checkpoint_policies.save_only_these_names("k")
    ),
    "of the user": lambda prim, *avals, **params: prim.name == "tanh" and avals[0].shape == (4, 3) and not params,
    "200 bytes": checkpoint_policies.memory_budget(200),
}


def total(fun: Fun) -> Fun:
    return lambda *args: np.sum(fun(*args))


# ---- the same function ----

TRANSFORMS: dict[str, Callable[[Fun], Any]] = {
    "grad": lambda f: grad(total(f), (0, 1))(W, X),
    "jit of grad": lambda f: jit(grad(total(f), (0, 1)))(W, X),
    "grad of jit": lambda f: grad(jit(total(f)), (0, 1))(W, X),
    "grad by one": lambda f: grad(total(f), 1)(W, X),
    "jvp": lambda f: jvp(f, (W, X), (X[:3], X * 2)),
    "linearize": lambda f: ft.linearize(f, W, X)[1](X[:3], X),
    "vmap": lambda f: vmap(f, in_axes=(None, 0))(W, np.stack([X, -X])),
    "vmap of grad": lambda f: vmap(grad(total(f)), in_axes=(None, 0))(W, np.stack([X, -X])),
    "grad of vmap": lambda f: grad(total(vmap(f, in_axes=(None, 0))))(W, np.stack([X, -X])),
    "hessian": lambda f: hessian(total(f))(W, X),
    "jit of hessian": lambda f: jit(hessian(total(f)))(W, X),
    "reverse over reverse": lambda f: grad(lambda w: np.sum(grad(total(f))(w, X) ** 2))(W),
    "reverse over forward": lambda f: grad(lambda w: np.sum(jvp(f, (w, X), (w, X))[1]))(W),
}


@pytest.mark.parametrize("policy", ["none", "everything", "dots", "h", "all but h", "200 bytes"])
@pytest.mark.parametrize("transform", TRANSFORMS)
def test_derivatives_are_those_without(transform: str, policy: str) -> None:
    run = TRANSFORMS[transform]
    got = run(checkpoint(network, policy=POLICIES[policy]))
    for one, expected in zip(ft.tree.leaves(got), ft.tree.leaves(run(network)), strict=True):
        np.testing.assert_allclose(one, expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("transform", TRANSFORMS)
def test_checkpoints_nest(transform: str) -> None:
    @checkpoint
    def nested(w: Any, x: Any) -> Any:
        inner = checkpoint(lambda y: checkpoint(np.tanh)(y @ w) + np.sin(y))  # closes over w, which has a derivative
        return inner(jit(inner)(x))

    def plain(w: Any, x: Any) -> Any:
        for _ in range(2):
            x = np.tanh(x @ w) + np.sin(x)
        return x

    run = TRANSFORMS[transform]
    for one, expected in zip(ft.tree.leaves(run(nested)), ft.tree.leaves(run(plain)), strict=True):
        np.testing.assert_allclose(one, expected, rtol=1e-10, atol=1e-12)


def test_trees_keywords_static_arguments_and_closures() -> None:
    assert remat is checkpoint

    @partial(checkpoint, static_argnums=(1, -1))
    def f(params: Any, power: int, *, scale: Any, **rest: Any) -> Any:
        return {"out": params["w"] ** power * scale, "unused": None, "int": rest["i"] + 1}

    def loss(params: Any) -> Any:
        result = f(params, 3, scale=params["s"], i=np.arange(3))
        assert result["unused"] is None
        return np.sum(result["out"] * result["int"])

    got = grad(loss)({"w": np.ones(3), "s": 2.0})
    np.testing.assert_array_equal(got["w"], [6.0, 12.0, 18.0])
    assert got["s"] == 6.0
    assert f({"w": 2.0}, 2, scale=1.0, i=0)["out"] == 4.0  # plain Python where nothing is traced
    with pytest.raises(ArgnumsError, match="checkpoint"):
        checkpoint(np.sin, static_argnums=1)(1.0)


def test_python_may_branch_on_values_only_where_nothing_is_traced() -> None:
    absolute = checkpoint(lambda x: x if x > 0 else -x)
    assert absolute(-2.0) == 2.0
    with pytest.raises(ConcretizationError):
        grad(absolute)(-2.0)
    assert grad(checkpoint(lambda x, negate: -x if negate else x, static_argnums=1))(2.0, True) == -1.0


# ---- what is saved ----


def residuals_of(fun: Fun, *args: Any) -> list[str]:
    out = io.StringIO()
    with redirect_stdout(out):
        print_saved_residuals(fun, *args)
    return out.getvalue().splitlines()


EXPECTED = {
    "nothing": [],
    "dots": ["f64[1,4,3] output of dot_general", "f64[4,3] output of dot_general", "f64[4,3] output of dot_general"],
    "dots without batch": ["f64[4,3] output of dot_general", "f64[4,3] output of dot_general"],
    "h": ["f64[4,3] named 'h'"],
    "names but h": ["f64[4,3] named 'k'"],
    "all but h": ["f64[1,4,3] output of dot_general", "f64[4,3] named 'k'", "f64[4,3] output of dot_general",
                  "f64[4,3] output of exp"],
    "of the user": ["f64[4,3] named 'k'"],
}  # fmt: skip


@pytest.mark.parametrize("policy", EXPECTED)
def test_policies_save_what_they_say(policy: str) -> None:
    lines = residuals_of(checkpoint(network, policy=POLICIES[policy]), W, X)
    arguments = {"f64[3,3] from the argument w", "f64[4,3] from the argument x"}
    assert arguments <= {*lines}
    assert sorted(line.split(" at ")[0] for line in lines if line not in arguments) == EXPECTED[policy]
    assert all(__file__ in line for line in lines if line not in arguments)


@pytest.mark.parametrize("policy", ["nothing", "dots", "dots without batch", "h", "names but h"])
def test_policies_save_what_jax_saves(policy: str) -> None:
    jax = pytest.importorskip("jax")
    theirs_ad = pytest.importorskip("jax.ad_checkpoint")
    policies = jax.checkpoint_policies
    theirs = {
        "nothing": policies.nothing_saveable,
        "dots": policies.dots_saveable,
        "dots without batch": policies.dots_with_no_batch_dims_saveable,
        "h": policies.save_only_these_names("h", "no such name"),
        "names but h": policies.save_any_names_but_these("h"),
    }

    def same(w: Any, x: Any) -> Any:
        h = theirs_ad.checkpoint_name(jax.numpy.sin(x @ w), "h")
        k = theirs_ad.checkpoint_name(jax.numpy.tanh(h @ w), "k")
        b = jax.numpy.einsum("bij,bjk->bik", k[None], w[None])[0]
        return jax.numpy.exp(jax.numpy.cos(b))

    out = io.StringIO()
    with redirect_stdout(out):
        theirs_ad.print_saved_residuals(jax.checkpoint(same, policy=theirs[policy]), W, X)
    shapes = sorted(line.split()[0].split("[")[1] for line in out.getvalue().splitlines())
    mine = residuals_of(checkpoint(network, policy=POLICIES[policy]), W, X)
    assert sorted(line.split()[0].split("[")[1] for line in mine) == shapes


def test_products_within_a_nested_jit_may_be_saved() -> None:
    block = checkpoint(jit(lambda w, x: np.sin(np.cos(x @ w))), policy=checkpoint_policies.dots_saveable)
    lines = residuals_of(block, W, X)
    assert [line.split(" at ")[0] for line in lines if "argument" not in line] == ["f64[4,3] output of dot_general"]


# ---- the partitioner ----


def staged(fun: Fun, *args: Any) -> Jaxpr:
    return stage(lambda *flat: [fun(*flat)], [shaped(arg.shape, arg.dtype) for arg in args])


def parts(jaxpr: Jaxpr, policy: Policy | None) -> tuple[int, int]:
    """How many bytes are saved besides arguments and results, and how much the backward pass has to compute."""
    split = vjp_jaxpr(jaxpr, (True,) * len(jaxpr.invars), policy)
    backward = split.backward(split.is_tracked([True])).jaxpr
    check_jaxpr(split.forward)
    check_jaxpr(backward)
    saved = {atom for atom in split.forward.outvars[1:] if isinstance(atom, Var)}
    return sum(var.aval.nbytes for var in saved), sum(map(work, backward.eqns))


def gelu(x: Any) -> Any:
    return 0.5 * x * (1 + np.tanh(0.79788456 * (x + 0.044715 * x**3)))


def test_what_is_light_is_computed_again_from_what_is_saved_anyway() -> None:
    size = X.nbytes
    jaxpr = staged(lambda w, x: gelu(x @ w) @ w, W, X)
    assert parts(jaxpr, None)[0] == 3 * size  # the product, tanh, and gelu, which is an operand of a product
    assert parts(jaxpr, checkpoint_policies.everything_saveable)[0] > 3 * size
    jaxpr = staged(lambda x: np.where(x > 0, x, 2 * x) * np.abs(x + 1), X)
    assert parts(jaxpr, None)[0] == 0


def test_what_is_read_as_a_whole_is_saved_and_not_what_views_make_of_it() -> None:
    jaxpr = staged(lambda w, x: np.maximum(x @ w, 0).T @ x, W, X)
    split = vjp_jaxpr(jaxpr, (True, True))
    assert all(atom.aval.shape == (4, 3) for atom in split.forward.outvars[1:])


def deep(w: Any, x: Any) -> Any:
    for _ in range(4):
        x = np.sin(np.exp(np.tanh(x @ w)) * x)
    return x


def test_a_budget_is_kept_and_buys_work() -> None:
    jaxpr = staged(deep, W, X)
    most = parts(jaxpr, checkpoint_policies.everything_saveable)
    before = parts(jaxpr, checkpoint_policies.nothing_saveable)
    assert parts(jaxpr, checkpoint_policies.memory_budget(0)) == before
    assert before[0] == 0
    budgets = range(0, most[0] + X.nbytes, X.nbytes // 2)
    found = [parts(jaxpr, checkpoint_policies.memory_budget(budget)) for budget in budgets]
    for budget, (saved, _) in zip(budgets, found, strict=True):
        assert saved <= budget
    done = [again for _, again in found]
    assert done == sorted(done, reverse=True)
    assert done[-1] <= most[1] < done[0]
    assert len(set(done)) > 4


@given(st.data())
def test_a_budget_is_kept_for_any_program(data: st.DataObject) -> None:
    picks = data.draw(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 20), st.integers(0, 20)), max_size=12))
    operations: list[Fun] = [
        lambda a, _: np.sin(a), lambda a, b: a * b, lambda a, b: a @ b, lambda a, b: a.T + b,
        lambda a, _: np.cumsum(a, axis=0), lambda a, b: np.where(a > b, a, np.exp(b)),
    ]  # fmt: skip

    def program(x: Any, y: Any) -> Any:
        values = [x, y]
        for kind, i, j in picks:
            values.append(operations[kind](values[i % len(values)], values[j % len(values)]) * 0.1)
        return sum(values)

    x, y = RNG.normal(size=(3, 3)), RNG.normal(size=(3, 3))
    jaxpr = staged(program, x, y)
    expected = grad(total(program), (0, 1))(x, y)
    budget = checkpoint_policies.memory_budget(data.draw(st.integers(0, 1000)))
    saved, _ = parts(jaxpr, budget)
    assert saved <= budget.bytes
    policies: list[Policy | None] = [None, budget, checkpoint_policies.dots_saveable]
    for policy in policies:
        split = vjp_jaxpr(jaxpr, (True, True), policy)
        results = eval_jaxpr(split.forward, x, y)
        kept = [(x, y, *results)[i] for i in split.residuals]
        backward = split.backward((True,))
        for one, other in zip(eval_jaxpr(backward.jaxpr, *kept, np.ones((3, 3))), expected, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-10, atol=1e-12)


@given(st.lists(st.integers(0, 5), min_size=1, max_size=7), st.data())
def test_a_minimal_cut_is_one(weights: list[int], data: st.DataObject) -> None:
    count = len(weights)
    pairs = [(a, b) for b in range(count) for a in range(b)]
    edges = data.draw(st.lists(st.sampled_from(pairs), unique=True)) if pairs else []
    some = st.lists(st.sampled_from(range(count)), unique=True)
    sources, sinks = data.draw(some), data.draw(some)

    def separates(cut: set[int]) -> bool:
        reached = {v for v in sources if v not in cut}
        for a, b in sorted(edges):
            if a in reached and b not in cut:
                reached.add(b)
        return reached.isdisjoint(sinks)

    found = min_vertex_cut(dict(enumerate(weights)), edges, sources, sinks)
    assert separates(found)
    every = chain.from_iterable(combinations(range(count), n) for n in range(count + 1))
    assert sum(weights[v] for v in found) == min(sum(weights[v] for v in cut) for cut in every if separates({*cut}))


# ---- memory ----


def layers(wrap: Callable[[Fun], Fun]) -> Fun:
    def block(x: Any, w: Any) -> Any:
        for _ in range(3):
            x = np.tanh(x @ w)
        return x

    def loss(ws: Any, x: Any) -> Any:
        for w in ws:
            x = wrap(block)(x, w)
        return np.sum(x**2)

    return loss


LAYERS = [np.eye(16) * 0.9 for _ in range(12)]
BATCH = RNG.normal(size=(2000, 16))


def test_a_compiled_chain_uses_less_memory() -> None:
    programs = [jit(grad(layers(wrap))).lower(LAYERS, BATCH) for wrap in (lambda f: f, checkpoint)]
    plain, saving = (program.cost().peak_memory for program in programs)
    assert saving < 0.5 * plain
    assert saving < (len(LAYERS) + 8) * BATCH.nbytes
    for one, expected in zip(
        jit(grad(layers(checkpoint)))(LAYERS, BATCH), grad(layers(lambda f: f))(LAYERS, BATCH), strict=True
    ):
        np.testing.assert_allclose(one, expected, rtol=1e-10)


def test_an_eager_chain_uses_less_memory() -> None:
    def peak(loss: Fun) -> int:
        gradient = grad(loss)
        gradient(LAYERS, BATCH)
        tracemalloc.start()
        gradient(LAYERS, BATCH)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    assert peak(layers(checkpoint)) < 0.5 * peak(layers(lambda f: f))


def test_a_smaller_budget_uses_less_memory() -> None:
    sizes = []
    for budget in (0, 6 * BATCH.nbytes, 60 * BATCH.nbytes):
        wrap = partial(checkpoint, policy=checkpoint_policies.memory_budget(budget))
        sizes.append(jit(grad(layers(wrap))).lower(LAYERS, BATCH).cost().peak_memory)
    assert sizes[0] < sizes[1]


# ---- the barrier ----


def primitives(fun: Fun, *args: Any) -> list[str]:
    return [eqn.prim.name for eqn in optimize(make_jaxpr(fun)(*args)).eqns]


def test_compiled_programs_compute_again_what_checkpoint_says() -> None:
    def loss(wrap: Callable[[Fun], Fun], w: Any, x: Any) -> Any:
        return np.sum(wrap(lambda w, x: np.sin(np.tanh(x @ w)))(w, x))

    count = [
        primitives(grad(partial(loss, wrap)), W, X).count("tanh")
        for wrap in (lambda f: f, checkpoint, partial(checkpoint, prevent_cse=False))
    ]
    assert count == [1, 1, 1]  # the value is not asked for: there is no forward pass beside the backward one
    count = [
        primitives(ft.value_and_grad(partial(loss, wrap)), W, X).count("tanh")
        for wrap in (lambda f: f, checkpoint, partial(checkpoint, prevent_cse=False))
    ]
    assert count == [1, 2, 1]


def test_nothing_is_computed_from_a_barrier_before_all_of_its_operands() -> None:
    def f(x: Any) -> Any:
        y = np.cumsum(x)
        late, y = lax.optimization_barrier((x, y))
        again = np.sort(late)
        return np.sort(x), again, y

    text = jit(f).lower(BATCH[:, 0]).kernels
    assert text.count("= sort") == 2
    assert text.index("= cumsum") < text.index("e:f64[2000] = sort")
    for one, expected in zip(jit(f)(BATCH[:, 0]), f(BATCH[:, 0]), strict=True):
        np.testing.assert_allclose(one, expected)


def test_results_behind_a_barrier_alias_no_argument() -> None:
    x = np.ones(3)
    out = jit(lax.optimization_barrier)((x, 2.0))
    assert not np.shares_memory(out[0], x)
    assert out[1] == 2.0
    assert lax.optimization_barrier(()) == ()


def test_reverse_over_reverse_through_checkpoint() -> None:
    """The barrier of a checkpoint has several values, and each is seen through on its own."""

    def looped(x: Any) -> Any:
        return lax.scan(lambda c, _: (checkpoint(np.sin)(c), None), x, None, length=3)[0]

    sin: Any = np.sin
    functions: list[Any] = [jit(checkpoint(sin)), looped]
    functions.append(jit(lambda x: lax.cond(x > 0, checkpoint(np.sin), np.cos, x)))
    for f in functions:
        second: Any = grad(grad(f))(0.5)
        np.testing.assert_allclose(second, ft.hessian(f)(0.5), rtol=1e-12)
