"""functrans against its peers: JAX's programs and primitives, autograd, torch, and NumPy's own keywords and errors.

Where functrans means to differ from JAX, the difference is in `DIFFERENCES`. Peers that are not installed are skipped.
"""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any  # programs, their arguments and results: arrays of two libraries

import numpy as np
import pytest

import functrans as ft
import functrans.numpy as fnp
from functrans import lax, tree
from tests import jax_programs

RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def jax() -> Iterator[Any]:
    module = pytest.importorskip("jax")
    old = module.config.jax_enable_x64
    module.config.update("jax_enable_x64", True)
    yield module
    module.config.update("jax_enable_x64", old)


def same(ours: Any, theirs: Any, tolerance: float = 1e-10, *, dtypes: bool = True) -> None:
    """The same leaves: shapes, dtypes and, up to the tolerance, values."""
    got, want = tree.leaves(ours), [np.asarray(leaf) for leaf in tree.leaves(theirs)]
    assert len(got) == len(want)
    for mine, its in zip(got, want, strict=True):
        assert np.shape(mine) == its.shape
        assert not dtypes or np.asarray(mine).dtype == its.dtype
        np.testing.assert_allclose(mine, its, rtol=tolerance, atol=tolerance)


# ---- programs ----


def n(*shape: int) -> Any:
    return RNG.normal(size=shape)


def u(*shape: int) -> Any:
    return RNG.uniform(0.5, 1.5, shape)


LABELS = np.array([0.0, 1.0, 1.0, 0.0, 1.0, 0.0])
PROGRAMS: dict[str, tuple[Any, ...]] = {
    "logreg": (n(4), n(6, 4), LABELS),
    "mlp": ([(n(4, 5), n(5)), (n(5, 3), n(3))], n(6, 4), np.eye(3)[[0, 1, 2, 0, 1, 2]]),
    "gp": (n(3) * 0.1, n(5, 2), n(5)),
    "kmeans": (n(2, 3), n(6, 3)),
    "pca": (n(4, 3),),
    "rosen": (n(4),),
    "newton": (n(3),),
    "hvp": (n(4),),
    "kalman": (u(2), n(4)),
    "rnn": ({"W": n(3, 2), "U": n(3, 3), "b": n(3)}, n(4, 2)),
    "attention": ({"q": n(4, 4), "k": n(4, 4), "v": n(4, 4)}, n(5, 4)),
    "layernorm": (n(4), n(3, 4)),
    "im2col": (n(2, 2), n(4, 5)),
    "metropolis": (n(3), RNG.uniform(size=(4, 3)), n(4, 3)),
    "ode": (u(4), u(2)),
    "persample": (n(3), n(4, 3), n(4)),
    "field": (n(3),),
    "field2": (n(3),),
    "fisher": (n(3), n(5, 3)),
    "maml": (n(3), n(5, 3), n(5)),
    "implicit": (u(3),),
    "hmm": ((n(3, 3), n(3, 4), n(3)), np.array([0, 3, 1, 2])),
    "spline": (n(3, 4), RNG.uniform(0, 3, 5)),
    "nbody": (n(4, 3), u(4)),
    "bs": (np.array([100, 95, 0.5, 0.02, 0.3]),),
    "csig": (n(3), u(4)),
    "topkloss": (n(7),),
    "lasttop": (n(5),),
    "embed": (n(6, 3), np.array([[0, 1, 1], [5, 0, 2]]), n(3)),
    "histo": (n(6),),
    "onehist": (n(5) * 0.5, n(5)),
    "running": (n(5),),
    "ising": (n(4, 4), np.float64(0.7)),
    "tv": (n(4, 5),),
    "adam": (n(4), n(6, 4), LABELS),
    "power_iter_float": (u(4),),
    "scan_like": (n(4),),
    "meshy": (n(3),),
    "mix": (n(5),),
    "trig": (n(5) * 0.9,),
    "ein3": (n(3, 3), n(3, 3), n(3, 3)),
    "poly": (n(4), n(3)),
    "huber": (n(5), np.float64(0.5)),
    "cross_interp": (n(4), np.linspace(-2, 2, 5), n(5)),
    "crossp": (n(2, 3), n(2, 3)),
    "argcl": (n(5),),
    "lstm": ({"W": n(3, 12), "U": n(3, 12), "b": n(12)}, n(5, 3)),
    "branches": (n(6),),
    "loops": (n(5),),
    "partials": (n(3, 4), n(3, 4)),
}
FLOAT64_IN_NUMPY = {"spline", "csig", "lasttop", "running", "cross_interp"}
"""Programs in which an int64 array meets a float32 one, or `interp` does: float64 in NumPy and float32 in JAX."""


@pytest.fixture(scope="module")
def ported(jax: Any) -> ModuleType:
    """The programs, imported from JAX instead of functrans."""
    text = Path(jax_programs.__file__).read_text(encoding="utf-8")
    for ours, theirs in (
        ("import functrans as jax", "import jax"),
        ("import functrans.numpy as jnp", "import jax.numpy as jnp"),
        ("from functrans import lax", "from jax import lax"),
    ):
        assert ours in text
        text = text.replace(ours, theirs)
    module = ModuleType("ported_programs")
    exec(compile(text, "ported_programs", "exec"), module.__dict__)
    return module


def argnums(args: tuple[Any, ...]) -> tuple[int, ...]:
    return tuple(i for i, arg in enumerate(args) if all(np.asarray(x).dtype.kind == "f" for x in tree.leaves(arg)))


@pytest.mark.parametrize("name", PROGRAMS)
def test_program(name: str, jax: Any, ported: ModuleType) -> None:
    args = PROGRAMS[name]
    run, its = getattr(jax_programs, name), getattr(ported, name)
    value = run(*args)
    traced = jax.jit(its)  # faster than JAX's eager mode, and the same numbers
    same(value, traced(*args))
    which = argnums(args)
    if np.ndim(value) == 0:
        same(ft.grad(run, which)(*args), jax.jit(jax.grad(its, which))(*args))
    else:
        same(ft.jacrev(run, which)(*args), jax.jit(jax.jacrev(its, which))(*args))


@pytest.mark.parametrize("name", sorted(PROGRAMS.keys() - FLOAT64_IN_NUMPY))
def test_float32_stays_float32(name: str) -> None:
    def single(x: Any) -> Any:
        array = np.asarray(x)
        return array.astype(np.float32)[()] if array.dtype == np.float64 else x

    args = tree.map(single, PROGRAMS[name])
    run, which = getattr(jax_programs, name), argnums(args)
    value = run(*args)
    derivative = (ft.grad if np.ndim(value) == 0 else ft.jacrev)(run, which)(*args)
    assert {np.asarray(leaf).dtype for leaf in tree.leaves((value, derivative))} == {np.dtype(np.float32)}


@pytest.mark.parametrize("name", ["mix", "trig", "attention", "nbody"])
def test_gradient_against_finite_differences(name: str) -> None:
    """Without any peer installed the programs are still held to something."""
    args = PROGRAMS[name]
    run = getattr(jax_programs, name)
    ft.test_util.check_grads(run, args, order=1, modes=("rev",), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("name", ["rosen", "ising", "mix", "layernorm", "nbody", "hmm"])
def test_against_autograd(name: str) -> None:
    autograd = pytest.importorskip("autograd")
    anp = pytest.importorskip("autograd.numpy")
    text = Path(jax_programs.__file__).read_text(encoding="utf-8").replace("import functrans.numpy as jnp", "")
    module = ModuleType("autograd_programs")
    module.__dict__["jnp"] = anp
    sys_path_safe = text.replace("from functrans import lax", "").replace("import functrans as jax", "")
    exec(compile(sys_path_safe, "autograd_programs", "exec"), module.__dict__)
    args = PROGRAMS[name]
    if name == "mix":  # autograd has no ptp
        anp.ptp = lambda x: anp.max(x) - anp.min(x)
    same(ft.grad(getattr(jax_programs, name))(*args), autograd.grad(getattr(module, name))(*args))


def test_while_loop_is_jaxs_in_forward_mode_and_in_batches(jax: Any) -> None:
    def run(lax: Any, np: Any, x: Any) -> Any:
        return lax.while_loop(lambda c: np.sum(c[0]) < 9, lambda c: (c[0] * 1.3 + np.sin(x), c[1] + 1), (x, 0))[0]

    ours, its = partial(run, lax, np), partial(run, jax.lax, jax.numpy)
    xs = u(4, 3)
    same(ours(xs[0]), its(xs[0]))
    same(ft.jvp(ours, (xs[0],), (xs[1],)), jax.jvp(its, (xs[0],), (xs[1],)))
    same(ft.jit(ft.vmap(ours))(xs), jax.vmap(its)(xs))
    same(ft.jacrev(ours)(xs[0]), jax.jacfwd(its)(xs[0]))


def test_against_torch() -> None:
    torch = pytest.importorskip("torch")
    x, w = n(3, 4), n(4, 5)

    def loss(m: Any, x: Any, w: Any) -> Any:
        h = m.tanh(x @ w)
        return (m.exp(h[:, 1:]) * m.sin(h[:, :-1])).sum() + m.log(1 + h**2).mean()

    a, b = (torch.tensor(v, requires_grad=True) for v in (x, w))
    loss(torch, a, b).backward()
    same(ft.grad(lambda x, w: loss(np, x, w), (0, 1))(x, w), (a.grad.numpy(), b.grad.numpy()))


# ---- primitives ----

P, Q, X, Y = u(3, 4) * 0.5, u(3, 4) * 0.6, n(3, 4), n(3, 4)
Z = n(3, 4) + 1j * n(3, 4)
I, J = RNG.integers(1, 9, (3, 4)), RNG.integers(1, 9, (3, 4))
WINDOWS = {"offset_dims": (1,), "collapsed_slice_dims": (0,), "start_index_map": (0,)}
UPDATES = {"update_window_dims": (1,), "inserted_window_dims": (0,), "scatter_dims_to_operand_dims": (0,)}
AT = np.array([[0], [2], [1], [2], [7]])
Row = tuple[str, tuple[Any, ...], Callable[[Any, Any], Any]]


def rows() -> Iterator[Row]:
    """(name, differentiable or integer operands, call of them with functrans.lax or jax.lax)."""

    def row(name: str, *operands: Any, params: tuple[Any, ...] = (), **keywords: Any) -> Row:
        return name, operands, lambda m, xs: getattr(m, name)(*xs, *params, **keywords)

    floats = "cbrt digamma erf erfc exp exp2 expm1 lgamma log log1p logistic neg rsqrt sqrt square tan tanh asinh atan"
    for name in [*floats.split(), "acos", "asin", "atanh", "erf_inv", "sin", "cos", "sinh", "cosh", "abs", "sign"]:
        yield row(name, P)
    for name in ("floor", "ceil", "round", "is_finite"):
        yield row(name, X)
    for name in ("abs", "exp", "log", "sqrt", "tanh", "sin", "cosh", "atan", "acos", "real", "imag", "conj", "square"):
        yield row(name, Z)
    for name in ("add", "sub", "mul", "div", "max", "min", "atan2", "pow", "rem"):
        yield row(name, P, Q)
    for name in ("mul", "div", "pow"):
        yield row(name, Z, Z + 1)
    integers = "add sub mul div max min rem bitwise_and bitwise_or bitwise_xor shift_left shift_right_logical"
    for name in [*integers.split(), "eq", "ne", "lt", "le", "gt", "ge"]:
        yield row(name, I, J)
    yield row("div", -I, J)
    yield row("rem", -I, J)
    yield row("clamp", np.zeros((3, 4)), X, P)
    yield row("complex", X, Y)
    yield row("select_n", X > 0, X, Y)
    for power in (-2, 0, 3):
        yield row("integer_pow", P, params=(power,))
    for name in ("reduce_sum", "reduce_max", "reduce_min", "reduce_prod"):
        yield row(name, X, params=((1,),))
    for name in ("cumsum", "cumprod", "cummax", "cummin", "cumlogsumexp"):
        yield row(name, X, axis=1, reverse=True)
        yield row(name, X, axis=0)
    yield row("argmax", X, params=(1, np.int32))
    yield row("sort", X, dimension=0)
    yield "sort", (I % 3, X), lambda m, xs: list(m.sort(tuple(xs), dimension=1, num_keys=2))
    yield "top_k", (X,), lambda m, xs: m.top_k(xs[0], 2)[0]
    yield "top_k", (X,), lambda m, xs: m.top_k(xs[0], 2, axis=0)[0]
    yield row("broadcast", X, params=((2,),))
    yield row("broadcast_in_dim", X, params=((3, 2, 4), (0, 2)))
    yield "concatenate", (X, Y), lambda m, xs: m.concatenate(xs, 1)
    yield row("reshape", X, params=((4, 3), (1, 0)))
    yield row("rev", X, params=((0, 1),))
    yield row("slice", X, params=((0, 1), (3, 4), (2, 2)))
    yield row("index_in_dim", X, params=(-1, 1, False))
    yield row("expand_dims", X, params=((0, 2),))
    yield row("transpose", X, params=((1, 0),))
    yield row("pad", X, np.float64(0.5), params=(((-1, 2, 1), (0, -1, 0)),))
    yield "split", (X,), lambda m, xs: list(m.split(xs[0], (1, 2), 0))
    yield row("dynamic_slice", X, params=((5, -1), (2, 2)))
    yield row("dynamic_update_slice", X, Y[:2, :2], params=((-2, 9),))
    yield row("dynamic_index_in_dim", X, params=(-1, 1, False))
    yield row("dot", X, Y.T)
    yield row("dot_general", n(2, 3, 4), n(3, 2, 5), params=((((1,), (0,)), ((0,), (1,))),))
    yield row("batch_matmul", n(2, 3, 4), n(2, 4, 5))
    yield row("convert_element_type", X, params=(np.float32,))
    for mode in ("clip", "fill"):
        yield "gather", (X,), partial(_gather, mode)
    for name, dropping in itertools.product(("scatter_add", "scatter_min", "scatter_max"), (None, "drop")):
        yield name, (X, n(5, 4)), partial(_scatter, name, dropping)


def _gather(mode: str, m: Any, xs: Any) -> Any:
    return m.gather(xs[0], AT, m.GatherDimensionNumbers(**WINDOWS), (1, 4), mode=mode)


def _scatter(name: str, mode: str | None, m: Any, xs: Any) -> Any:
    return getattr(m, name)(xs[0], AT, xs[1], m.ScatterDimensionNumbers(**UPDATES), mode=mode)


@pytest.mark.parametrize(("name", "operands", "call"), list(rows()))
def test_primitive(name: str, operands: tuple[Any, ...], call: Callable[[Any, Any], Any], jax: Any) -> None:
    tolerance = 1e-9 if name not in ("convert_element_type",) else 1e-6
    which = [i for i, x in enumerate(operands) if x.dtype.kind in "fc"]
    tangents = [n(*operands[i].shape).astype(operands[i].dtype) for i in which]

    def of(m: Any) -> Callable[..., Any]:
        return lambda *xs: call(m, xs)

    def everything(lib: Any, m: Any) -> Any:
        """Value, tangent, gradient of a weighted sum, and the value over a batch of each operand and of all."""

        def moving(*xs: Any) -> Any:
            full = list(operands)
            for i, x in zip(which, xs, strict=True):
                full[i] = x
            return call(m, full)

        start = [operands[i] for i in which]
        out = [of(m)(*operands)]
        if which and all(leaf.dtype.kind in "fc" for leaf in tree.leaves(out)):
            out += lib.jvp(moving, tuple(start), tuple(tangents))
            weights = tree.map(lambda leaf: np.cos(np.arange(np.size(leaf)).reshape(np.shape(leaf))), out[0])

            def total(*xs: Any) -> Any:
                parts = zip(tree.leaves(moving(*xs)), tree.leaves(weights), strict=True)
                return sum(((leaf * weight).sum().real for leaf, weight in parts), 0.0)

            out += lib.grad(total, tuple(range(len(start))))(*start)
        masks = [tuple(0 if i == j else None for i in range(len(operands))) for j in range(len(operands))]
        for axes in {*masks, (0,) * len(operands)}:
            batch = [
                np.stack([x, x[::-1] if x.ndim else x]) if a == 0 else x for x, a in zip(operands, axes, strict=True)
            ]
            out.append(lib.vmap(of(m), in_axes=axes)(*batch))
        return out

    theirs = jax.tree.map(np.asarray, jax.jit(lambda: everything(jax, jax.lax))())
    same(everything(ft, lax), theirs, tolerance)


def test_parameter_names_are_jaxs(jax: Any) -> None:
    """Ours may lack parameters that are about devices and accuracy, and may have one more."""
    lacking = {
        "accuracy", "allow_negative_indices", "axis_index_groups", "dimension_numbers", "out_dtype", "out_sharding",
        "precision", "sharding", "to", "_split_transpose",
    }  # fmt: skip
    for name in lax.__all__:
        theirs = getattr(jax.lax, name, None)
        if theirs is None or isinstance(theirs, type):
            continue
        its = list(inspect.signature(theirs).parameters)
        ours = [
            p for p in inspect.signature(getattr(lax, name)).parameters if p in its or p not in ("weak", "checkpoint")
        ]
        assert ours == [p for p in its if p not in lacking or p in ours], name


# ---- what is meant to differ from JAX ----

NAN, INF = np.nan, np.inf
DIFFERENCES: dict[str, tuple[Callable[[Any, Any], Any], list[float], list[float], list[float]]] = {
    "abs at 0": (lambda m, x: m.abs(x), [0.0, NAN], [0.0, NAN], [1.0, -1.0]),
    "max with a NaN": (lambda m, x: m.max(x), [1.0, NAN], [0.0, 1.0], [NAN, NAN]),
    "x**0.0 at 0": (lambda m, x: m.power(x, m.zeros(2)), [0.0, NAN], [0.0, 0.0], [NAN, NAN]),
    "std of equals": (lambda m, x: m.std(x), [2.0, 2.0], [0.0, 0.0], [NAN, NAN]),
    "hypot at the tip": (lambda m, x: m.hypot(x, 0.0), [0.0, 2.0], [0.0, 1.0], [0.5, 1.0]),
    "arctan2 at the origin": (lambda m, x: m.arctan2(x, 0.0), [0.0, 1.0], [0.0, 0.0], [NAN, 0.0]),
    "logaddexp of inf": (lambda m, x: m.logaddexp(x, INF), [0.0, 1.0], [0.0, 0.0], [1.0, np.e]),
    "fmax at a tie": (lambda m, x: m.fmax(x, 1.0), [1.0, 2.0], [0.5, 1.0], [0.0, 1.0]),
}


@pytest.mark.parametrize("name", DIFFERENCES)
def test_difference_from_jax(name: str, jax: Any) -> None:
    """Ours is what we want; and JAX still differs, so that the list stays true."""
    call, x, ours, theirs = DIFFERENCES[name]
    np.testing.assert_allclose(ft.grad(lambda x: call(np, x).sum())(np.array(x)), ours)
    np.testing.assert_allclose(jax.grad(lambda x: call(jax.numpy, x).sum())(np.array(x)), theirs)


def test_derivatives_that_jax_has_wrong() -> None:
    z = np.array([-0.5 + 0.3j, -0.5 - 0.3j])
    step = 1e-6
    slope = (np.arccosh(z + step) - np.arccosh(z - step)) / (2 * step)
    np.testing.assert_allclose(ft.jvp(lax.acosh, (z,), (np.ones_like(z),))[1], slope, rtol=1e-8)
    assert ft.grad(lambda x: np.sinc(x))(1e-200) == 0.0
    assert ft.grad(lambda x, y: x / y, (0, 1))(1e-200, 2e-200) == (5e199, -2.5e199)


# ---- vmap ----

T = n(5, 4, 3, 2)
I1, I2, I3 = RNG.integers(-3, 3, 5), RNG.integers(-2, 2, (5, 2)), RNG.integers(0, 2, (5, 2))
BATCHED: dict[str, tuple[Callable[..., Any], list[Any]]] = {
    "v[i]": (lambda v, i: fnp.at(v)[i].get(), [T, I1]),
    "v[:, i]": (lambda v, i: fnp.at(v)[:, i].get(), [T, I1]),
    "v[j, :, j]": (lambda v, j: fnp.at(v)[j, :, j].get(), [T, I3]),
    "v[..., j]": (lambda v, j: fnp.at(v)[..., j].get(), [T, I3]),
    "v[i, ..., j]": (lambda v, i, j: fnp.at(v)[i, ..., j].get(), [T, I1, I3]),
    "v[1:3, j, ::-1]": (lambda v, j: fnp.at(v)[1:3, j, ::-1].get(), [T, I3]),
    "v[j[:, None], j]": (lambda v, j: fnp.at(v)[j[:, None], j].get(), [T, I3]),
    "set": (lambda v, i, w: fnp.at(v)[i].set(w[0]), [T, I1, T]),
    "add": (lambda v, j, w: fnp.at(v)[j].add(w[:2]), [T, I3 * 0, T]),
    "min": (lambda v, j, w: fnp.at(v)[j, :, j].min(w[:2, :, 0]), [T, I3, T]),
    "set of slices": (lambda v, w: fnp.at(v)[1:3, ::2].set(w[:2, :2]), [T, T]),
    "take": (lambda v, j: fnp.take(v, j, 1), [T, I2]),
    "sort": (lambda v, w: np.sort(v + w, 0), [T, T]),
    "argsort": (lambda v: np.argsort(v, 1), [T]),
    "argmax": (lambda v: np.argmax(v), [T]),
    "cumsum": (lambda v: np.cumsum(v), [T]),
    "where": (lambda v, i: np.where(i > 0, v, 0.0), [T, I1]),
    "concatenate": (lambda v, w: np.concatenate([v, w, w[:1]], 0), [T, T]),
    "pad": (lambda v, w: fnp.pad(v, 1, constant_values=w[0, 0, 0]), [T, T]),
    "tensordot": (lambda v, w: np.tensordot(v, w, ((0, 2), (0, 2))), [T, T]),
    "matmul": (lambda v, w: v @ w.swapaxes(1, 2), [T, T]),
    "einsum": (lambda v, w: np.einsum("abc,dbc->bad", v, w), [T, T]),
    "dynamic_slice": (lambda v, i: lax.dynamic_slice(v, (i, 0, i), (2, 3, 1)), [T, I1]),
    "dynamic_update_slice": (lambda v, w, i: lax.dynamic_update_slice(v, w[:2], (i, 0, i)), [T, T, I1]),
    "interp": (lambda v, w: np.interp(v, np.sort(w[:, 0, 0]), w[:, 1, 1]), [T, T]),
    "select_n": (lambda v, w, i: lax.select_n(i > 0, v, w), [T, T, I1]),
    "choose": (lambda i, v: fnp.choose(i % 2, [v[0], v[1]]), [I1, T]),
}


@pytest.mark.parametrize("name", BATCHED)
def test_vmap_of_all_combinations_is_the_loop(name: str) -> None:
    call, args = BATCHED[name]
    for mapped in itertools.product((True, False), repeat=len(args)):
        if not any(mapped):
            continue
        given = [x if m else x[0] for x, m in zip(args, mapped, strict=True)]
        items = [call(*(x[k] if m else x for x, m in zip(given, mapped, strict=True))) for k in range(5)]
        same(ft.vmap(call, tuple(0 if m else None for m in mapped))(*given), np.stack(items), 1e-12)


X3, Y3 = n(2, 3, 4), n(2, 3, 4)
AXES: dict[str, tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]] = {
    "in -1": (lambda m, v: m.sin(v), (X3,), {"in_axes": -1}),
    "in -3, out -1": (lambda m, v: m.sin(v), (X3,), {"in_axes": -3, "out_axes": -1}),
    "out 1": (lambda m, v: v.sum(-1), (X3,), {"out_axes": 1}),
    "out tree": (lambda m, v: (v, {"a": v.sum(), "b": m.ones(3)}), (X3,), {"out_axes": (1, {"a": 0, "b": None})}),
    "out prefix": (lambda m, v: (v, {"a": v.sum(), "b": m.ones(3)}), (X3,), {"out_axes": (1, 0)}),
    "dict in": (lambda m, d: d["a"] * d["b"], ({"a": X3, "b": Y3[0]},), {"in_axes": ({"a": 0, "b": None},)}),
    "None in the tree": (lambda m, a: a[0] + (a[1] is None), ((X3, None),), {"in_axes": ((0, None),)}),
    "list of axes": (lambda m, a, b: a + b.sum(), (X3, Y3), {"in_axes": [0, None]}),
    "only a size": (lambda m, v: v, (X3,), {"in_axes": None, "axis_size": 3}),
    "no arguments": (lambda m: m.ones(2), (), {"axis_size": 3}),
    "no elements": (lambda m, v: (m.cumsum(v), m.argsort(v), v[1:], m.concatenate([v, v])), (np.zeros((0, 3)),), {}),
    "one element": (lambda m, v: m.sort(v, -1), (X3[:1],), {}),
    "bool": (lambda m, v: v, (X3,), {"in_axes": True}),
    "float": (lambda m, v: v, (X3,), {"in_axes": 1.0}),
    "name": (lambda m, v: v, (X3,), {"out_axes": "x"}),
    "out bool": (lambda m, v: v, (X3,), {"out_axes": True}),
    "out too far": (lambda m, v: v, (X3,), {"out_axes": 3}),
    "out None of what differs": (lambda m, v: v, (X3,), {"out_axes": None}),
    "too few": (lambda m, a, b: a + b, (X3, Y3), {"in_axes": (0,)}),
    "wrong size": (lambda m, v: v, (X3,), {"axis_size": 3}),
    "a tree that is none": (lambda m, v: (v, v), (X3,), {"out_axes": (0, 1, 2)}),
    "rank 0": (lambda m, v: v, (1.0,), {}),
}


@pytest.mark.parametrize("name", AXES)
def test_axes_of_vmap_are_jaxs(name: str, jax: Any) -> None:
    call, args, keywords = AXES[name]

    def run(lib: Any, m: Any) -> Any:
        return lib.vmap(lambda *xs: call(m, *xs), **keywords)(*args)

    try:
        want = run(jax, jax.numpy)
    except (TypeError, ValueError):
        with pytest.raises(ft.errors.FunctransError):
            run(ft, fnp)
    else:
        same(run(ft, fnp), want)


@pytest.mark.parametrize("chunk_size", [1, 2, 3, 7, 100])
def test_chunks_of_any_size(chunk_size: int) -> None:
    x = n(7, 3)

    def call(a: Any, b: Any) -> Any:
        return np.sin(a).sum() + b, {"shared": np.ones(2)}, a[::-1] * b

    axes: dict[str, Any] = {"in_axes": (1, None), "out_axes": (0, {"shared": None}, -1)}
    whole = ft.vmap(call, **axes)(x.T, 1.5)
    same(ft.vmap(call, **axes, chunk_size=chunk_size)(x.T, 1.5), whole, 0)


# ---- NumPy's keywords ----

A, B, MASK = n(3, 4), n(3, 4), n(3, 4) > 0
K, C, F, E, S = RNG.integers(-3, 4, (3, 4)), A + 1j * B, A.astype(np.float32), np.zeros((0, 3)), np.float64(0.7)
KEYWORDS = """
np.sum(A, axis=()) | np.sum(A, axis=(0, -1)) | np.sum(A, axis=(0, 0)) | np.sum(A, axis=[0]) | np.sum(A, axis=True)
np.sum(A, axis='a') | np.sum(A, axis=2) | np.sum(S, axis=(0,)) | np.sum(A, 0, np.float32) | np.sum(A, dtype=bool)
np.sum(A, where=K) | np.sum(A, where=MASK, initial=2) | np.sum(A, initial=np.ones(4)) | np.prod(A, initial=1j)
np.max(A, where=MASK, initial=-9.) | np.max(E, initial=0., where=MASK) | np.max(A, initial=np.ones(4)) | np.max(E)
np.argmax(A, axis=(0,)) | np.argmax(A, axis=1.0) | np.argmax(A, axis=True) | np.argmin(E) | np.argmin(A, keepdims=True)
np.mean(A, where=K) | np.mean(A, dtype=np.float16) | np.var(A, dtype=int) | np.var(A, dtype=complex) | np.std(K, dtype=int)
np.std(A, dtype=complex) | np.std(A, dtype=bool) | np.std(A, ddof=1, correction=1) | np.var(C, ddof=1.5)
np.nanmean(A, dtype=int) | np.nanstd(A, dtype=bool) | np.nanvar(A, ddof=1, correction=1) | np.nanstd(K, dtype=int)
np.cumsum(A, (0,)) | np.cumsum(A, axis=True) | np.diff(A, 1, (0,)) | np.sort(A, (0,)) | np.take(A, [0, 2], (1, 0))
np.stack([A, B], (0,)) | np.concatenate([A, B], (0,)) | np.swapaxes(A, (0,), 1) | np.delete(A, 1, (0,)) | np.append(A, B, (0,))
np.transpose(A, 0) | np.transpose(A, (0, 0)) | np.reshape(A, (4, 3), order='K') | np.reshape(A, (4, 3), order='F')
np.ravel(A, order='F') | np.ravel(E) | A.copy(order='X') | A.astype(np.float32, order='X') | A.astype(int, casting='safe')
np.angle(K) | np.angle(MASK) | np.angle(F) | np.angle(K.astype(np.int8)) | np.isposinf(C) | np.isneginf(A)
np.pad(A, 1, 'edge', constant_values=3) | np.pad(A, 1, 'constant', reflect_type='odd') | np.pad(A, 2, constant_values=(1, 2))
np.partition(A, 1, kind='quicksort') | np.partition(A, 1.5) | np.argpartition(A[0], 9) | np.sort(A, kind='foo')
np.sort(A, kind='stable', stable=True) | np.take(A, [9], mode='clip') | np.take(A, [9], mode='foo') | np.take(A, [9], 1)
np.einsum('ij,kj->ik', A, B, dtype=np.float32) | np.einsum('ij,kj->ik', A, B, dtype=complex) | np.einsum('ij->ik', A)
np.clip(A, 1, -1) | np.clip(A, None, 0) | np.clip(A, min=0) | np.clip(K, 0.5, 1) | np.convolve(A[0], B[0], 'foo')
np.add(F, 2.5) | np.add(K.astype(np.int8), 1000) | np.add(A, B, dtype=np.float32) | np.add(A, B, dtype=int)
np.equal(A, B, dtype=int) | np.gradient(A, axis=(0, 0)) | np.trapezoid(A, axis=(0,)) | np.average(A, 1, weights=np.zeros(4))
A[1.0] | A['a'] | A[0, 0, 0] | A[[True, False]] | A[::0] | A[None, ..., [0, 1]] | A[K] | A[[]] | A[np.int8(-1)]
"""


def checked(source: str) -> list[str]:
    return [case.strip() for line in source.split("\n") for case in line.split(" | ") if case.strip()]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("expression", checked(KEYWORDS))
def test_keywords_mean_what_they_mean_to_numpy(expression: str) -> None:
    """Traced, the same values, shapes and dtypes; or an error of a kind that NumPy raises there."""
    names = {"A": A, "B": B, "MASK": MASK, "K": K, "C": C, "F": F, "E": E, "S": S}
    code = compile(expression, "<keywords>", "eval")

    def run(values: dict[str, Any]) -> Any:
        return eval(code, {"np": np, **values})

    fixed = {name: names[name] for name in ("MASK", "K") if "where=" in expression or "A[" in expression}
    batch = {name: np.asarray(x)[None] for name, x in names.items() if name in expression and name not in fixed}
    call = ft.vmap(lambda values: run({**names, **values}))
    try:
        want = run(names)
    except Exception as error:
        with pytest.raises(tuple(t for t in type(error).__mro__ if issubclass(t, Exception) and t is not Exception)):
            call(batch)
    else:
        same(tree.map(lambda x: x[0], call(batch)), want, 1e-3 if "float16" in expression else 1e-6)


@pytest.mark.parametrize(
    "expression",
    ["np.add(A, B, dtype=object)", "np.equal(A, B, dtype=object)", "np.sum(A, dtype=object)", "A.astype(object)",
     "np.mean(A, dtype=object)", "A.astype(np.longdouble)", "np.add(A, 2.5, dtype=object)", "A.astype(str)"],
)  # fmt: skip
@pytest.mark.parametrize("transform", [ft.vmap, lambda f: lambda *xs: ft.jvp(f, xs, xs)])
def test_no_object_arrays(expression: str, transform: Callable[..., Any]) -> None:
    with pytest.raises(ft.errors.ArrayTypeError):
        transform(lambda A, B: eval(expression, {"np": np, "A": A, "B": B}))(A, B)


def test_a_mask_of_a_ufunc_is_refused_by_name() -> None:
    with pytest.raises(ft.errors.UnsupportedArgumentError, match="`where`"):
        ft.vmap(lambda x: np.exp(x, where=[True, False, True, True]))(A)


# ---- lines rewritten in errors ----


@pytest.mark.parametrize(
    ("call", "line"),
    [
        (lambda t: np.asarray(t * 2).sum(), "(t * 2).sum()"),
        (lambda t: np.float64(t + 1) * 2, "(t + 1).astype(np.float64) * 2"),
        (lambda t: float(t + 1) * 2, "(t + 1) * 2"),
        (lambda t: np.take(A, t.astype(int), 0), "fnp.take(A, t.astype(int), 0)"),
        (lambda t: np.pad(A, 1, constant_values=t), "fnp.pad(A, 1, constant_values=t)"),
    ],
)
def test_a_rewritten_line_means_the_same(call: Callable[..., Any], line: str) -> None:
    with pytest.raises(ft.errors.FunctransError) as caught:
        ft.vmap(call)(np.array([0.0, 1.0]))
    assert line in str(caught.value)
