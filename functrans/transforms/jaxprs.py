"""The transforms from jaxpr to jaxpr, for primitives that carry one: jit, custom derivatives, control flow.

`jvp_jaxpr` and `batch_jaxpr` run a jaxpr under their trace while staging. `vjp_jaxpr` gives a forward jaxpr, which also returns
residuals, and backward jaxprs, which start from them. `call_vjp`, `call_jvp` and `call_batched` make rules of these for a
primitive that applies its jaxpr and nothing more. Start reading at `SplitVjp`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias, cast

from functrans.core.aval import ShapedArray, shaped
from functrans.core.dce import dce
from functrans.core.ir import Atom, Eqn, Jaxpr, Var, eval_jaxpr, memoized
from functrans.core.primitive import Maybes, NamedAxis, Pullback, Values, aval_of, is_concrete
from functrans.ops.broadcast import broadcast_batch
from functrans.record import NamedTuple
from functrans.transforms.jvp import push_forward
from functrans.transforms.partition import Forward, Policy, in_time, partition, read_whole
from functrans.transforms.stage import StageTrace, StageTracer, open_stage, stage
from functrans.transforms.vjp import Recorded, pull_back, record
from functrans.transforms.vmap import run_batched
from functrans.typing import Array

__all__ = [
    "BatchedJaxpr", "JvpJaxpr", "SplitVjp", "batch_jaxpr", "call_batched", "call_jvp", "call_vjp", "jvp_jaxpr", "vjp_jaxpr",
]  # fmt: skip


class JvpJaxpr(NamedTuple):
    """`(*primals, *the nonzero tangents) -> (*outs, *the nonzero tangents of the outs)`."""

    jaxpr: Jaxpr
    nonzero: tuple[bool, ...]
    """Which results have a tangent."""


@memoized
def jvp_jaxpr(jaxpr: Jaxpr, nonzero: tuple[bool, ...]) -> JvpJaxpr:
    """The forward derivative of a jaxpr whose inputs have tangents where `nonzero`."""
    count = len(jaxpr.invars)
    found: list[bool] = []

    def both(*args: Array) -> list[Array]:
        rest = iter(args[count:])
        tangents = [next(rest) if has else None for has in nonzero]
        outs, out_tangents, _, _ = push_forward(
            lambda *tracers: list(eval_jaxpr(jaxpr, *tracers)), args[:count], tangents, False, "jit"
        )
        found.extend(tangent is not None for tangent in out_tangents)
        return [*outs, *(tangent for tangent in out_tangents if tangent is not None)]

    tangent_avals = [shaped(aval.shape, aval.dtype) for aval, has in zip(jaxpr.in_avals, nonzero, strict=True) if has]
    return JvpJaxpr(dce(stage(both, (*jaxpr.in_avals, *tangent_avals))), tuple(found))


class BatchedJaxpr(NamedTuple):
    """The jaxpr over whole batches, and which of its results carry the batch axis."""

    jaxpr: Jaxpr
    batched: tuple[bool, ...]


@memoized
def batch_jaxpr(jaxpr: Jaxpr, axis: NamedAxis, batched: tuple[bool, ...], force: bool = False) -> BatchedJaxpr:
    """A jaxpr over inputs of which some carry a batch axis first; with `force`, all results carry it."""
    found: list[bool] = []

    def whole(*args: Array) -> list[Array]:
        outs, outs_batched, _ = run_batched(
            lambda *tracers: list(eval_jaxpr(jaxpr, *tracers)), args, batched, axis.size, axis.name
        )
        if force:
            outs = [
                out if is_batched else broadcast_batch(axis.size, out)
                for out, is_batched in zip(outs, outs_batched, strict=True)
            ]
            outs_batched = [True] * len(outs)
        found.extend(outs_batched)
        return outs

    avals = [
        shaped((axis.size, *aval.shape), aval.dtype) if is_batched else aval
        for aval, is_batched in zip(jaxpr.in_avals, batched, strict=True)
    ]
    return BatchedJaxpr(stage(whole, avals), tuple(found))


class Backward(NamedTuple):
    """`(*residuals, *live cotangents) -> the cotangents that there are`, and which inputs have one."""

    jaxpr: Jaxpr
    nonzero: tuple[bool, ...]


class SplitVjp:
    """Reverse mode of a jaxpr, cut in two.

    `forward` maps the primals to the results followed by what has to be saved; `residuals` says where each residual is
    found among `(*primals, *results of forward)`. `backward(live)` goes from the residuals and the cotangents of the `live`
    results to those of the inputs.

    The backward side is staged below the forward side's trace, whose variables it captures. Those are the residuals, or are
    computed again from them, as the policy says (see `partition.py`).
    """

    def __init__(self, jaxpr: Jaxpr, wanted: tuple[bool, ...], policy: Policy | None = None) -> None:
        self._wanted = wanted
        self.count = len(jaxpr.outvars)
        self._backward: dict[tuple[bool, ...], Backward] = {}
        with open_stage() as trace:
            self._trace = trace
            arguments = [trace.argument(aval) for aval in jaxpr.in_avals]
            self._recorded = _record_wanted(jaxpr, cast(Sequence[Array], arguments), wanted, policy is not None)
            outs = tuple(map(trace.atom, self._recorded.values))
        self._tracked = tuple(number >= 0 for number in self._recorded.numbers)
        # what the backward pass of all results captures is what any of them needs
        staged = self._stage(self._tracked)
        invars = tuple(arg.variable for arg in arguments)
        forward = Forward(
            tuple(trace.eqns),
            invars,
            tuple(atom for atom in outs if isinstance(atom, Var)),
            frozenset(trace.constvars),
            tuple(dict.fromkeys(staged.captured.values())),
            frozenset(map(staged.captured.get, read_whole(staged.trace.eqns) & staged.captured.keys())),
        )
        self._saved, self._again = partition(forward, policy)
        known = [*invars, *outs]
        extra = [var for var in self._saved if var not in known]
        self.residuals = tuple([*known, *extra].index(var) for var in self._saved)
        self.forward = dce(
            Jaxpr(invars, (*outs, *extra), tuple(trace.eqns), tuple(trace.constvars), tuple(trace.consts))
        )

    def backward(self, live: tuple[bool, ...]) -> Backward:
        """The backward jaxpr for cotangents of these results; results that are not tracked are never live."""
        if live not in self._backward:
            self._backward[live] = self._build_backward(live)
        return self._backward[live]

    def is_tracked(self, live: Sequence[bool]) -> tuple[bool, ...]:
        """The results of those that depend on a wanted input."""
        return tuple(a and b for a, b in zip(live, self._tracked, strict=True))

    def _stage(self, live: tuple[bool, ...]) -> _StagedBackward:
        with open_stage(self._trace) as trace:
            values = self._recorded.values
            cts = [
                trace.argument(_strong(aval_of(v))) if is_live else None
                for v, is_live in zip(values, live, strict=True)
            ]
            found = pull_back(self._recorded, cast("list[Array | None]", cts), sum(self._wanted), consume=False)
            results = tuple(trace.atom(ct) for ct in found if ct is not None)
        invars = tuple(ct.variable for ct in cts if ct is not None)
        captured = {
            var: cast(StageTracer, value).variable for value, var in trace.captured.values() if not is_concrete(value)
        }
        return _StagedBackward(trace, invars, results, captured, [ct is not None for ct in found])

    def _build_backward(self, live: tuple[bool, ...]) -> Backward:
        staged = self._stage(live)
        eqns = in_time(self._again, [_renamed(eqn, staged.captured) for eqn in staged.trace.eqns])
        results = tuple(staged.captured.get(atom, atom) if isinstance(atom, Var) else atom for atom in staged.results)
        own = [
            pair
            for pair in zip(staged.trace.constvars, staged.trace.consts, strict=True)
            if pair[0] not in staged.captured
        ]
        own += zip(self._trace.constvars, self._trace.consts, strict=True)
        constvars, consts = zip(*own, strict=True) if own else ((), ())
        jaxpr = dce(Jaxpr((*self._saved, *staged.invars), results, eqns, constvars, consts))
        found = iter(staged.nonzero)
        return Backward(jaxpr, tuple(want and next(found) for want in self._wanted))


class _StagedBackward(NamedTuple):
    trace: StageTrace
    invars: tuple[Var, ...]
    results: tuple[Atom, ...]
    captured: dict[Var, Var]
    """Constvars of the backward trace, and the forward variables that they stand for."""
    nonzero: list[bool]


@memoized
def vjp_jaxpr(jaxpr: Jaxpr, wanted: tuple[bool, ...], policy: Policy | None = None) -> SplitVjp:
    """Reverse mode of a jaxpr with respect to the inputs that are `wanted`."""
    return SplitVjp(jaxpr, wanted, policy)


def _record_wanted(jaxpr: Jaxpr, arguments: Sequence[Array], wanted: tuple[bool, ...], through: bool) -> Recorded:
    def call(*tracked: Array) -> list[Array]:
        rest = iter(tracked)
        merged = [next(rest) if want else arg for arg, want in zip(arguments, wanted, strict=True)]
        return list(eval_jaxpr(jaxpr, *merged, through=through))

    return record(call, [arg for arg, want in zip(arguments, wanted, strict=True) if want], False, "jit")


def _renamed(eqn: Eqn, names: dict[Var, Var]) -> Eqn:
    invars = tuple(names.get(atom, atom) if isinstance(atom, Var) else atom for atom in eqn.invars)
    return Eqn(eqn.prim, invars, eqn.params, eqn.outvars, eqn.source)


def _strong(aval: ShapedArray) -> ShapedArray:
    return shaped(aval.shape, aval.dtype)


# ---- rules of a primitive that applies its jaxpr and nothing more ----

Call: TypeAlias = Callable[[Values, Jaxpr], Values]
"""`(args, jaxpr) -> results`: binds the primitive with another jaxpr."""


def call_vjp(primals: Values, split: SplitVjp, forward: Call, backward: Call) -> tuple[Values, Pullback]:
    """What a VJP rule returns; `backward` is called with the residuals and then the cotangents."""
    results = forward(primals, split.forward)
    available = (*primals, *results)
    residuals = [available[i] for i in split.residuals]

    def pullback(cts: Maybes) -> Maybes:
        live = split.is_tracked([ct is not None for ct in cts])
        jaxpr, nonzero = split.backward(live)
        given = [ct for ct, is_live in zip(cts, live, strict=True) if is_live]
        found = iter(backward((*residuals, *cast(Values, given)), jaxpr))
        return tuple(next(found) if has else None for has in nonzero)

    return results[: split.count], pullback


def call_jvp(primals: Values, tangents: Maybes, jaxpr: Jaxpr, call: Call) -> tuple[Values, Maybes]:
    """What a JVP rule returns."""
    pushed = jvp_jaxpr(jaxpr, tuple(tangent is not None for tangent in tangents))
    results = call((*primals, *(tangent for tangent in tangents if tangent is not None)), pushed.jaxpr)
    rest = iter(results[len(jaxpr.outvars) :])
    return results[: len(jaxpr.outvars)], tuple(next(rest) if has else None for has in pushed.nonzero)


def call_batched(
    axis: NamedAxis, args: Values, batched: tuple[bool, ...], jaxpr: Jaxpr, call: Call
) -> tuple[Values, tuple[bool, ...]]:
    """What a batching rule returns."""
    whole = batch_jaxpr(jaxpr, axis, batched)
    return call(args, whole.jaxpr), whole.batched
