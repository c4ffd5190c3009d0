"""The generic properties of primitives, held for every row of the case table (tests/cases).

Value, staging, derivatives to second order in both modes, batching and compilation. Start reading at `test_value`.
"""

import runpy
import zlib
from collections.abc import Callable, Iterator, Sequence
from functools import cache, partial
from typing import Any

import numpy as np
import pytest

import functrans.ops.__main__
from functrans import jit, jvp, linearize, vjp, vmap
from functrans.core.check import check_jaxpr
from functrans.core.ir import Jaxpr, eval_jaxpr
from functrans.core.primitive import LocallyConstant, NotDifferentiable, Primitive, aval_of
from functrans.errors import NotDifferentiableError
from functrans.ops.__main__ import all_primitives, table
from functrans.transforms.stage import stage
from tests.cases import CASES
from tests.cases.case import Case
from tests.derivatives import (
    Arrays,
    Fun,
    assert_close,
    assert_types,
    check_derivatives,
    directions,
    forward,
    pairing,
    reverse,
)

BATCH = 3
PRIMITIVES = all_primitives()


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """Overflow and division by zero are among the cases; both sides do the same."""
    with np.errstate(all="ignore"):
        yield


def rows(dtypes_of: Callable[[Case], Sequence[str]]) -> pytest.MarkDecorator:
    """Parametrise by every row, with the dtypes that are chosen of it."""
    return pytest.mark.parametrize(
        ("case", "dtype"),
        [
            pytest.param(case, dtype, id=f"{case}-{dtype}".replace(" ", "_"))
            for case in CASES
            for dtype in dtypes_of(case)
        ],
    )


def all_dtypes(case: Case) -> Sequence[str]:
    return case.dtypes


def double_dtypes(case: Case) -> Sequence[str]:
    """Where derivatives are held against finite differences: float64 and complex128, as the row has such kinds."""
    kinds = {np.dtype(dtype).kind for dtype in inexact_dtypes(case)}
    return [dtype for dtype in ("float64", "complex128") if np.dtype(dtype).kind in kinds]


def inexact_dtypes(case: Case) -> Sequence[str]:
    """The dtypes in which the row has derivatives."""
    wanted = [dtype for dtype in case.dtypes if case.wrt is not None or np.dtype(dtype).kind in "fc"]
    return [dtype for dtype in wanted if case.order > 0 and wrt_of(case, dtype)]


def batch_dtypes(case: Case) -> Sequence[str]:
    """One floating (or else complex) dtype and one integer (or else bool) dtype of the row, the last of each in it."""
    last = {np.dtype(dtype).kind: dtype for dtype in case.dtypes}
    inexact = [last[kind] for kind in "fc" if kind in last]
    return inexact[:1] + [last[kind] for kind in "iub" if kind in last][:1]


def rng_of(case: Case) -> np.random.Generator:
    return np.random.default_rng(zlib.crc32(str(case).encode()))


@cache
def operands_of(case: Case, dtype: str) -> Arrays:
    rng = rng_of(case)
    return tuple(operand.make(rng, dtype) for operand in case.operands)


def wrt_of(case: Case, dtype: str) -> tuple[int, ...]:
    """The operands to differentiate by."""
    if case.wrt is not None:
        return case.wrt
    return tuple(i for i, operand in enumerate(operands_of(case, dtype)) if operand.dtype.kind in "fc")


def outs_of(case: Case, *operands: Any) -> Arrays:
    out = case.fun(*operands)
    return tuple(out) if isinstance(out, tuple | list) else (out,)


def smooth(case: Case, dtype: str) -> tuple[Fun, Arrays]:
    """The row's floating and complex results as a function of the operands to differentiate by; and these operands."""
    operands, wrt = operands_of(case, dtype), wrt_of(case, dtype)

    def fun(*primals: Any) -> Arrays:
        full = list(operands)
        for i, primal in zip(wrt, primals, strict=True):
            full[i] = primal
        return tuple(out for out in outs_of(case, *full) if aval_of(out).dtype.kind in "fc")

    return fun, tuple(operands[i] for i in wrt)


def staged(case: Case, dtype: str) -> Jaxpr:
    return stage(lambda *args: outs_of(case, *args), [aval_of(operand) for operand in operands_of(case, dtype)])


def assert_identical(got: Any, expected: Any) -> None:
    """Shape, dtype and every bit but those of a NaN."""
    assert_types([got], [expected], "result")
    np.testing.assert_array_equal(got, expected)
    if np.asarray(got).dtype.kind in "fc":
        for part in (np.real, np.imag):
            a, b = part(got), part(expected)
            np.testing.assert_array_equal(np.signbit(a) & ~np.isnan(a), np.signbit(b) & ~np.isnan(b))


def assert_compiled(got: Any, expected: Any) -> None:
    """Bit for bit, but for floats: sums in another order, and functions that are rounded otherwise."""
    assert_types([got], [expected], "result")
    if np.asarray(expected).dtype.kind in "fc":
        ulps = 16 * float(np.finfo(expected.dtype).eps)
        assert_close([got], [expected], ulps, "the compiled result")
    else:
        np.testing.assert_array_equal(got, expected)


# ---- value, abstract value, jaxpr ----


@rows(all_dtypes)
def test_value(case: Case, dtype: str) -> None:
    operands = operands_of(case, dtype)
    before = [operand.copy() for operand in operands]
    outs = outs_of(case, *operands)
    expected = case.reference(*operands)
    references = tuple(expected) if isinstance(expected, tuple | list) else (expected,)
    assert_types(outs, references, "shape and dtype of the result, and of the reference")
    for out, reference in zip(outs, references, strict=True):
        kind = np.asarray(reference).dtype
        if kind.kind not in "fc":
            np.testing.assert_array_equal(out, reference)
            continue
        ulp = float(np.finfo(kind).eps)
        rtol = 8 * ulp if case.rtol is None else case.rtol * max(1.0, ulp / float(np.finfo(np.float64).eps))
        np.testing.assert_allclose(out, reference, rtol=rtol, atol=float(np.finfo(kind).tiny))
    for operand, copy in zip(operands, before, strict=True):
        assert operand.tobytes() == copy.tobytes(), "the function changed its operand"


@rows(all_dtypes)
def test_staged(case: Case, dtype: str) -> None:
    operands = operands_of(case, dtype)
    eager = outs_of(case, *operands)
    jaxpr = staged(case, dtype)
    check_jaxpr(jaxpr)
    assert jaxpr.out_avals == tuple(aval_of(out) for out in eager)
    bound = {eqn.prim for eqn in jaxpr.eqns}
    assert case.primitive in bound, "the row does not reach its primitive"
    assert bound <= PRIMITIVES.keys(), "primitives that python -m functrans.ops does not list"
    assert case.primitive.name in str(jaxpr)
    is_compiled = case.primitive.captures is not None  # loops and branches are, outside transforms too
    for got, expected in zip(eval_jaxpr(jaxpr, *operands), eager, strict=True):
        (assert_compiled if is_compiled else assert_identical)(got, expected)


# ---- derivatives ----


@rows(double_dtypes)
def test_derivatives(case: Case, dtype: str) -> None:
    fun, primals = smooth(case, dtype)
    check_derivatives(fun, primals, case.order, rng_of(case))


@rows(double_dtypes)
def test_derivative_by_one_operand_is_part_of_the_whole(case: Case, dtype: str) -> None:
    fun, primals = smooth(case, dtype)
    rng = rng_of(case)
    outs, pull = vjp(fun, *primals)
    tangents, cts = directions(rng, primals), directions(rng, outs)
    whole = jvp(fun, primals, tangents)[1]
    grads = pull(cts)
    assert_close(linearize(fun, *primals)[1](*tangents), whole, 1e-12, "linearize")
    assert_close(pull(cts), grads, 0.0, "pulling back a second time")
    total: list[Any] = [0.0] * len(whole)
    for i, (primal, tangent, grad) in enumerate(zip(primals, tangents, grads, strict=True)):
        alone = lambda x, i=i: fun(*primals[:i], x, *primals[i + 1 :])
        assert_close(vjp(alone, primal)[1](cts), (grad,), 1e-12, f"gradient by operand {i} alone")
        total = [a + b for a, b in zip(total, jvp(alone, (primal,), (tangent,))[1], strict=True)]
    assert_close(total, whole, 1e-12, "sum of the derivatives by each operand")


@rows(inexact_dtypes)
def test_derivatives_keep_dtypes(case: Case, dtype: str) -> None:
    fun, primals = smooth(case, dtype)
    rng = rng_of(case)
    outs, pull = vjp(fun, *primals)
    tangents, cts = directions(rng, primals), directions(rng, outs)
    assert_types(pull(cts), primals, "cotangents")
    out_tangents = jvp(fun, primals, tangents)[1]
    assert_types(out_tangents, outs, "tangents")
    ulp = max(float(np.finfo(np.asarray(primal).dtype).eps) for primal in primals)
    bound = 100 * ulp * (1 + sum(np.sum(np.abs(np.multiply(a, b))) for a, b in zip(cts, out_tangents, strict=True)))
    assert abs(pairing(cts, out_tangents) - pairing(pull(cts), tangents)) <= bound


def constant_dtypes(case: Case) -> Sequence[str]:
    """Of a row without derivatives, the dtypes in which they could be asked for."""
    return [] if case.order else [dtype for dtype in double_or_widest(case) if wrt_of(case, dtype)]


def double_or_widest(case: Case) -> Sequence[str]:
    return case.dtypes[-1:] if "float64" not in case.dtypes else ["float64"]


@rows(constant_dtypes)
def test_order_zero_is_what_the_primitive_says(case: Case, dtype: str) -> None:
    assert isinstance(case.primitive.vjp, LocallyConstant | NotDifferentiable), "has a rule, so its order is not 0"
    fun, primals = smooth(case, dtype)
    rng = rng_of(case)
    outs, pull = vjp(fun, *primals)
    tangents, cts = directions(rng, primals), directions(rng, outs)
    if isinstance(case.primitive.vjp, LocallyConstant):
        assert all(not np.any(grad) for grad in pull(cts))
        assert all(not np.any(tangent) for tangent in jvp(fun, primals, tangents)[1])
        return
    with pytest.raises(NotDifferentiableError, match=case.primitive.name):
        pull(cts)
    with pytest.raises(NotDifferentiableError, match=case.primitive.name):
        jvp(fun, primals, tangents)


# ---- batching ----


def batches_of(case: Case, dtype: str) -> Arrays:
    """For every operand, BATCH different ones stacked along axis 0."""
    rng = rng_of(case)
    stacks = []
    for operand in case.operands:
        if operand.value is None:
            stacks.append(np.stack([operand.make(rng, dtype) for _ in range(BATCH)]))
            continue
        value = operand.make(rng, dtype)  # an index, say: whatever differs must be as valid
        stacks.append(np.stack([np.roll(value, i, 0) if value.ndim else value * (i % 2) for i in range(BATCH)]))
    return tuple(stacks)


def check_batched(fun: Fun, operands: Arrays, stacks: Arrays, axes: tuple[int | None, ...]) -> None:
    """vmap along `axes` of the stacks, where they are not None, against a loop."""
    batched = tuple(
        operand if axis is None else np.moveaxis(stack, 0, axis)
        for operand, stack, axis in zip(operands, stacks, axes, strict=True)
    )
    rows = [
        fun(*(o if axis is None else s[i] for o, s, axis in zip(operands, stacks, axes, strict=True)))
        for i in range(BATCH)
    ]
    expected = [np.stack(column) for column in zip(*rows, strict=True)]
    outs = vmap(fun, in_axes=axes)(*batched)
    assert_types(outs, expected, f"vmap, in_axes={axes}")
    for out, reference in zip(outs, expected, strict=True):
        if reference.dtype.kind in "fc":
            eps = float(np.finfo(reference.dtype).eps)
            finite = np.abs(reference[np.isfinite(reference)])
            atol = 16 * eps * float(np.max(finite)) if finite.size else 0.0
            np.testing.assert_allclose(out, reference, rtol=64 * eps, atol=atol, err_msg=f"vmap, in_axes={axes}")
        else:
            np.testing.assert_array_equal(out, reference, err_msg=f"vmap, in_axes={axes}")


@rows(batch_dtypes)
def test_vmap(case: Case, dtype: str) -> None:
    operands, stacks = operands_of(case, dtype), batches_of(case, dtype)
    fun = partial(outs_of, case)
    nothing: tuple[int | None, ...] = (None,) * len(operands)
    for i, operand in enumerate(operands):
        for axis in {0, operand.ndim}:
            check_batched(fun, operands, stacks, (*nothing[:i], axis, *nothing[i + 1 :]))
    if len(operands) > 1:
        check_batched(fun, operands, stacks, (0,) * len(operands))
        check_batched(fun, operands, stacks, tuple(operand.ndim for operand in operands))


def smooth_batches(case: Case, dtype: str) -> tuple[Fun, Arrays, Arrays, Arrays, Arrays]:
    """A smooth row with: operands, stacks of them, a cotangent of its results, a stack of those."""
    fun, primals = smooth(case, dtype)
    rng = rng_of(case)
    stacks = tuple(batches_of(case, dtype)[i] for i in wrt_of(case, dtype))
    outs = fun(*primals)
    cts = directions(rng, outs)
    return (
        fun,
        primals,
        stacks,
        cts,
        tuple(np.stack(column) for column in zip(*[directions(rng, outs) for _ in range(BATCH)], strict=True)),
    )


@rows(double_dtypes)
def test_vmap_of_derivatives(case: Case, dtype: str) -> None:
    fun, primals, stacks, cts, ct_stacks = smooth_batches(case, dtype)
    ours, theirs = (0,) * len(primals), (0,) * len(cts)
    nothing = (None,) * len(primals)
    per_sample = reverse(fun, len(primals))
    check_batched(per_sample, (*primals, *cts), (*stacks, *ct_stacks), (*ours, *theirs))
    check_batched(per_sample, (*primals, *cts), (*stacks, *ct_stacks), (*nothing, *theirs))
    tangents = forward(fun, len(primals))
    check_batched(tangents, (*primals, *primals), (*stacks, *stacks), (*nothing, *ours))


@rows(double_dtypes)
def test_derivatives_of_vmap(case: Case, dtype: str) -> None:
    fun, primals, stacks, _, ct_stacks = smooth_batches(case, dtype)
    per_sample = vmap(reverse(fun, len(primals)))(*stacks, *ct_stacks)
    whole = reverse(vmap(fun), len(primals))(*stacks, *ct_stacks)
    assert_close(whole, per_sample, 1e-12, "vjp of vmap against vmap of vjp")


@rows(double_dtypes)
def test_transformed_jaxprs(case: Case, dtype: str) -> None:
    fun, primals, stacks, _, ct_stacks = smooth_batches(case, dtype)
    per_sample = vmap(reverse(fun, len(primals)))
    of_batch = reverse(vmap(fun), len(primals))
    args = (*stacks, *ct_stacks)
    for transformed in (per_sample, of_batch):
        jaxpr = stage(transformed, [aval_of(arg) for arg in args])
        check_jaxpr(jaxpr)
        assert_close(eval_jaxpr(jaxpr, *args), transformed(*args), 1e-14, "staged")


# ---- compilation ----


@rows(all_dtypes)
def test_jit(case: Case, dtype: str) -> None:
    operands = operands_of(case, dtype)
    fun = partial(outs_of, case)
    compiled = jit(fun)
    for _ in range(2):  # the first call traces, the second finds what was compiled
        for got, expected in zip(compiled(*operands), fun(*operands), strict=True):
            assert_compiled(got, expected)
            assert all(not np.shares_memory(got, operand) for operand in operands), "the result is an argument's memory"


@rows(double_dtypes)
def test_transforms_of_jit(case: Case, dtype: str) -> None:
    fun, primals, stacks, cts, ct_stacks = smooth_batches(case, dtype)
    count, compiled = len(primals), jit(fun)
    tangents = directions(rng_of(case), primals)
    gradient = reverse(fun, count)(*primals, *cts)
    assert_close(reverse(compiled, count)(*primals, *cts), gradient, 1e-12, "vjp of jit")
    assert_close(jit(reverse(fun, count))(*primals, *cts), gradient, 1e-12, "jit of vjp")
    along = forward(fun, count)(*primals, *tangents)
    assert_close(forward(compiled, count)(*primals, *tangents), along, 1e-12, "jvp of jit")
    assert_close(vmap(compiled)(*stacks), vmap(fun)(*stacks), 1e-12, "vmap of jit")
    per_sample = vmap(reverse(fun, count))(*stacks, *ct_stacks)
    assert_close(vmap(reverse(compiled, count))(*stacks, *ct_stacks), per_sample, 1e-12, "vmap of vjp of jit")
    point = (*primals, *cts, *tangents, *cts)
    second, of_compiled = (forward(reverse(f, count), count + len(cts))(*point) for f in (fun, compiled))
    assert_close(of_compiled, second, 1e-12, "jvp of vjp of jit")


# ---- the table is complete ----


EVERY = pytest.mark.parametrize("primitive", PRIMITIVES, ids=str)


@EVERY
def test_primitive_has_a_row(primitive: Primitive) -> None:
    assert any(case.primitive is primitive for case in CASES), f"no row in tests/cases for {primitive}"


@EVERY
def test_primitive_has_rules_or_reasons(primitive: Primitive) -> None:
    assert callable(primitive.batch)
    for rule in (primitive.vjp, primitive.jvp):
        assert rule.why.strip() if isinstance(rule, LocallyConstant | NotDifferentiable) else callable(rule)
    assert isinstance(primitive.vjp, LocallyConstant) == isinstance(primitive.jvp, LocallyConstant)


@EVERY
def test_primitive_with_rules_has_a_row_that_differentiates(primitive: Primitive) -> None:
    if isinstance(primitive.vjp, LocallyConstant | NotDifferentiable):
        return
    orders = [case.order for case in CASES if case.primitive is primitive]
    assert max(orders, default=0) >= 2, f"{primitive} has rules; a row must check its second derivatives"


def test_names_are_unique() -> None:
    names = [primitive.name for primitive in PRIMITIVES]
    assert sorted(names) == sorted(set(names))
    rows = [str(case) for case in CASES]
    assert sorted(rows) == sorted(set(rows))


def test_the_table_shows_rules_and_reasons() -> None:
    rows = {row[0]: row[1:] for row in table()}
    assert rows["add"] == ("arithmetic", "yes", "yes", "yes", "")
    assert rows["floor"][:4] == ("rounding", "zero", "zero", "yes")
    assert "constant" in rows["floor"][4]
    assert all(row[-1] for row in rows.values() if row[1:3] != ("yes", "yes"))


def test_the_table_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    runpy.run_path(functrans.ops.__main__.__file__, run_name="__main__")
    head, *lines = capsys.readouterr().out.splitlines()
    assert head.split() == ["primitive", "family", "vjp", "jvp", "batch", "reason"]
    assert len(lines) == len(PRIMITIVES)
    assert all(line.split()[0] == row[0] for line, row in zip(lines, table(), strict=True))
