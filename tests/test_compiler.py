"""The passes: each keeps a checked jaxpr and every value, bit for bit; and the cache from structures to programs."""

import gc
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from functrans import custom_jvp, custom_vjp, grad, jit, lax, make_jaxpr, vmap
from functrans.backends import executable
from functrans.backends import numpy as reference
from functrans.backends.executable import compile_jaxpr
from functrans.compiler.cse import cse
from functrans.compiler.inline import inline
from functrans.compiler.options import Options
from functrans.compiler.pipeline import PASSES, optimize
from functrans.core.aval import shaped
from functrans.core.check import check_jaxpr
from functrans.core.dce import dce
from functrans.core.ir import Jaxpr, eval_jaxpr
from functrans.transforms.stage import stage

Fun = Callable[..., Any]
X = np.array([0.5, -0.0, np.nan])
NAN, NEGATIVE = np.float64("nan"), np.float64(-0.0)


@custom_vjp
def clipped(x: Any) -> Any:
    return np.sin(x)


clipped.defvjp(lambda x: (np.sin(x), x), lambda x, ct: (np.cos(x) * np.clip(ct, -1, 1),))


@custom_jvp
def smooth(x: Any) -> Any:
    return np.tanh(x)


smooth.defjvps(lambda t, out, x: t * (1 - out * out))


@jit
def nested(x: Any) -> Any:
    return jit(lambda y: y * np.arange(3.0))(x) + 1


FUNCTIONS: dict[str, Fun] = {
    "duplicates": lambda x: [np.sin(x) + np.sin(x), np.sin(x)],
    "duplicates of nested jits": lambda x: [nested(x), nested(x), nested(nested(x))],
    "duplicates of custom rules": lambda x: [clipped(x) + clipped(x), smooth(x) * smooth(x)],
    "their gradients": lambda x: [grad(lambda x: np.sum(clipped(x) * smooth(x)))(x)],
    "dead code": lambda x: [(np.exp(x), np.sin(x))[1]],
    "a dead constant": lambda x: [(x * np.arange(3.0), x)[1]],
    "zeros of both signs": lambda x: [np.copysign(x, 0.0), np.copysign(x, -0.0), np.copysign(1.0, x * 0.0)],
    "NaN": lambda x: [x + NAN, np.where(x > 0, NAN, x), np.full(3, NAN) + x],
    "numbers of several types": lambda x: [x * 1, x * 1.0, x * True, x.astype(np.float32) * 1],
    "constants returned": lambda x: [NAN, NEGATIVE, 1, 1.0, True, np.arange(3)],
    "an argument twice": lambda x: [x, x, x],
    "a nested identity": lambda x: [jit(lambda y: y)(x), jit(lambda y: (y, 2.0))(x)[0]],
    "several results": lambda x: [*lax.top_k(x, 2), lax.top_k(x, 2)[1]],
    "a batch": lambda x: [vmap(jit(lambda y: clipped(y) * 2))(x)],
    "nothing": lambda x: [],
}


def jaxpr_of(name: str) -> Jaxpr:
    return stage(FUNCTIONS[name], [shaped((3,), np.dtype(np.float64))])


def assert_same_bits(got: Any, expected: Any) -> None:
    for one, other in zip(got, expected, strict=True):
        one, other = np.asarray(one), np.asarray(other)
        assert (one.dtype, one.shape, one.tobytes()) == (other.dtype, other.shape, other.tobytes())


def assert_close(got: Any, expected: Any) -> None:
    """As machine code and NumPy are: their tanh may differ in its last digit."""
    for one, other in zip(got, expected, strict=True):
        one, other = np.asarray(one), np.asarray(other)
        assert one.dtype == other.dtype
        np.testing.assert_allclose(one, other, rtol=4 * np.finfo(np.float64).eps, atol=0)


PIPELINE: dict[str, Callable[[Jaxpr], Jaxpr]] = {
    **{function.__name__: function for function in PASSES},
    "all": optimize,
    "again": lambda j: optimize(optimize(j)),
}


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("step", PIPELINE)
def test_a_pass_keeps_the_function(name: str, step: str) -> None:
    jaxpr = jaxpr_of(name)
    check_jaxpr(jaxpr)
    after = PIPELINE[step](jaxpr)
    check_jaxpr(after)
    assert (after.in_avals, after.out_avals) == (jaxpr.in_avals, jaxpr.out_avals)
    assert_same_bits(eval_jaxpr(after, X), eval_jaxpr(jaxpr, X))
    assert_close(compile_jaxpr(after)(X), eval_jaxpr(jaxpr, X))


def names(jaxpr: Jaxpr) -> list[str]:
    return [eqn.prim.name for eqn in jaxpr.eqns]


def test_inline_leaves_no_nested_jaxpr() -> None:
    for name in FUNCTIONS:
        assert not {"jit", "custom_vjp", "custom_jvp"} & set(names(inline(jaxpr_of(name))))


def test_cse_joins_duplicates() -> None:
    assert names(cse(jaxpr_of("duplicates"))).count("sin") == 1
    flat = inline(jaxpr_of("duplicates of custom rules"))
    assert sorted(names(flat)) == ["add", "mul", "sin", "sin", "tanh", "tanh"]
    assert sorted(names(cse(flat))) == ["add", "mul", "sin", "tanh"]


def test_cse_tells_literals_apart_by_their_bits() -> None:
    flat = cse(jaxpr_of("zeros of both signs"))
    assert names(flat).count("copysign") == names(jaxpr_of("zeros of both signs")).count("copysign")


def test_cse_tells_parameters_apart() -> None:
    both = cse(stage(lambda x: [np.sum(x, 0), np.sum(x, 1), np.sum(x, 0)], [shaped((2, 2), np.dtype(np.float64))]))
    assert names(both).count("reduce_sum") == 2


PRODUCTS: dict[str, tuple[Fun, tuple[tuple[int, ...], ...], int]] = {
    "a gradient by weights": (lambda x, w: [grad(lambda w: np.sum((x @ w.T) ** 2))(w)], ((5, 3), (4, 3)), 1),  # the operand's own
    "axes in groups": (lambda x, y: [lax.dot_general(x, y, (((1,), (0,)), ((), ()))).transpose(2, 3, 0, 1)],
                       ((2, 3, 4), (3, 5, 6)), 0),
    "a batch": (lambda x, y: [np.swapaxes(x @ y, 1, 2)], ((2, 3, 4), (2, 4, 5)), 0),
    "another order": (lambda x, y: [(x @ y).transpose(2, 0, 1)], ((2, 3, 4), (2, 4, 5)), 1),
    "a product that others read": (lambda x, y: [(x @ y).T, x @ y + 1.0], ((3, 4), (4, 5)), 1),
    "in a loop": (lambda x, y: [lax.fori_loop(0, 3, lambda _, z: np.sin((x @ z).T), y)], ((4, 4), (4, 4)), 0),
}  # fmt: skip
"""Functions of arrays of some shapes, and how many transposes are left."""


def transposes(jaxpr: Jaxpr) -> int:
    return names(jaxpr).count("transpose") + sum(transposes(inner) for eqn in jaxpr.eqns for inner in eqn.jaxprs)


@pytest.mark.parametrize("name", PRODUCTS)
def test_products_lie_as_they_are_read(name: str) -> None:
    function, shapes, left = PRODUCTS[name]
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=shape) for shape in shapes]
    jaxpr = stage(function, [shaped(shape, np.dtype(np.float64)) for shape in shapes])
    after = optimize(jaxpr)
    check_jaxpr(after)
    assert transposes(after) == left
    for found in (eval_jaxpr(after, *arrays), compile_jaxpr(jaxpr)(*arrays)):
        np.testing.assert_allclose(found[0], eval_jaxpr(jaxpr, *arrays)[0], rtol=1e-13)


def test_dce_drops_equations_and_constants() -> None:
    assert names(dce(jaxpr_of("dead code"))) == ["sin"]
    assert dce(jaxpr_of("a dead constant")).consts == ()
    jaxpr = jaxpr_of("an argument twice")
    assert dce(jaxpr) is jaxpr


# ---- from structures to programs ----


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Jaxpr]]:
    """The jaxprs of which programs are made."""
    seen: list[Jaxpr] = []

    make = executable._program

    def counted(jaxpr: Jaxpr, options: Options) -> executable.AnyProgram:
        seen.append(jaxpr)
        return make(jaxpr, options)

    monkeypatch.setattr(executable, "_program", counted)
    executable._programs.clear()
    yield seen
    executable._programs.clear()


def test_functions_of_one_structure_share_a_program(made: list[Jaxpr]) -> None:
    for scale in (np.arange(3.0), np.arange(3.0) + 1, np.array([5.0, -1.0, 2.0])):
        got = jit(lambda x: np.arctan(x * scale))(np.ones(3))  # noqa: B023
        np.testing.assert_allclose(got, np.arctan(scale), rtol=1e-15)
    assert len(made) == 1
    jit(lambda x: np.arctan(x * 2.0))(np.ones(3))
    assert len(made) == 2


@pytest.mark.parametrize(
    "pair",
    [
        (lambda x: np.copysign(x, 0.0), lambda x: np.copysign(x, -0.0)),
        (lambda x: x + 1, lambda x: x + 2),
        (lambda x: x * np.float32(1), lambda x: x * np.float64(1)),
        (lambda x: np.sum(x, axis=0, keepdims=True), lambda x: np.sum(x)),
        (lambda x: np.pad(x, 1, constant_values=0.0), lambda x: np.pad(x, 1, constant_values=-0.0)),
        (lambda x: np.nan_to_num(x, nan=0.0), lambda x: np.nan_to_num(x, nan=-0.0)),
    ],
    ids=["zeros", "numbers", "dtypes", "parameters", "pad", "nan_to_num"],
)
def test_functions_that_differ_in_a_constant_do_not(pair: tuple[Fun, Fun]) -> None:
    x = np.array([-1.0, np.nan, -0.0], np.float32)
    for function in pair:
        assert_same_bits([jit(function)(x)], [function(x)])


def test_the_cache_is_bounded(made: list[Jaxpr], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(executable, "_CACHE_SIZE", 4)
    for number in range(10):
        jit(lambda x: x + number)(1.0)  # noqa: B023
    assert len(executable._programs) <= 4
    assert len(made) == 10


def test_pythons_collector_rests_only_while_a_program_is_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    during: list[bool] = []

    def program(jaxpr: Jaxpr, _options: Options) -> executable.AnyProgram:
        during.append(gc.isenabled())
        if len(during) == 2:
            raise MemoryError
        return reference.Program(jaxpr)

    monkeypatch.setattr(executable, "_program", program)
    executable.compile_jaxpr(make_jaxpr(lambda x: x + 12345.0)(1.0))
    assert gc.isenabled()
    with pytest.raises(MemoryError):
        executable.compile_jaxpr(make_jaxpr(lambda x: x + 23456.0)(1.0))
    assert gc.isenabled()
    gc.disable()
    try:
        executable.compile_jaxpr(make_jaxpr(lambda x: x + 34567.0)(1.0))
        assert not gc.isenabled(), "who turned it off turns it on"
    finally:
        gc.enable()
    assert during == [False] * 3


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "c8", "c16"])
def test_a_sum_over_no_axes_is_of_positive_zeros(dtype: str) -> None:
    x = np.negative(np.zeros(5, dtype))
    functions: list[Callable[[Any], Any]] = [
        lambda x: np.sum(x, axis=()),
        lambda x: np.sum(x * 1, axis=()),
        lambda x: np.sum(x[0]),
    ]
    for function in functions:
        for found in (jit(function)(x), vmap(function)(x[None])[0]):
            assert np.asarray(found).tobytes() == np.asarray(function(x)).tobytes()
    number = -0.0
    assert np.asarray(jit(lambda x: np.sum(x))(number)).tobytes() == np.asarray(np.sum(number)).tobytes()
