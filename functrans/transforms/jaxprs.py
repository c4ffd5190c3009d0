"""The transforms from jaxpr to jaxpr, for primitives that carry one: jit, custom derivatives, control flow.

`jvp_jaxpr` and `batch_jaxpr` run a jaxpr under their trace while staging. `vjp_jaxpr` gives a forward jaxpr, which also returns
residuals, and backward jaxprs, which start from them; what is cheap to compute again is not saved. Start reading at
`SplitVjp`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, cast

from functrans.core.aval import ShapedArray, shaped
from functrans.core.dce import dce
from functrans.core.ir import Atom, Eqn, Jaxpr, Var, eval_jaxpr, memoized
from functrans.core.primitive import NamedAxis, aval_of, is_concrete
from functrans.ops.broadcast import broadcast_batch
from functrans.transforms.jvp import push_forward
from functrans.transforms.stage import StageTrace, StageTracer, open_stage, stage
from functrans.transforms.vjp import Recorded, pull_back, record
from functrans.transforms.vmap import run_batched
from functrans.typing import Array

__all__ = ["BatchedJaxpr", "JvpJaxpr", "SplitVjp", "batch_jaxpr", "jvp_jaxpr", "vjp_jaxpr"]


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

    The backward side is staged below the forward side's trace, whose variables it captures: those are the residuals. What
    cheap primitives (views) compute from others is not saved but computed again.
    """

    def __init__(self, jaxpr: Jaxpr, wanted: tuple[bool, ...]) -> None:
        self._wanted = wanted
        self._backward: dict[tuple[bool, ...], Backward] = {}
        with open_stage() as trace:
            self._trace = trace
            arguments = [trace.argument(aval) for aval in jaxpr.in_avals]
            self._recorded = _record_wanted(jaxpr, cast(Sequence[Array], arguments), wanted)
            outs = tuple(map(trace.atom, self._recorded.values))
        self._tracked = tuple(number >= 0 for number in self._recorded.numbers)
        # what the backward pass of all results captures is what any of them needs
        captured = self._stage(self._tracked).captured
        self._saved, self._again = _save_or_recompute(trace, captured)
        known = [*(arg.variable for arg in arguments), *outs]
        extra = [var for var in self._saved if var not in known]
        self.residuals = tuple([*known, *extra].index(var) for var in self._saved)
        invars = tuple(arg.variable for arg in arguments)
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
        eqns = (*self._again, *(_renamed(eqn, staged.captured) for eqn in staged.trace.eqns))
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
def vjp_jaxpr(jaxpr: Jaxpr, wanted: tuple[bool, ...]) -> SplitVjp:
    """Reverse mode of a jaxpr with respect to the inputs that are `wanted`."""
    return SplitVjp(jaxpr, wanted)


def _record_wanted(jaxpr: Jaxpr, arguments: Sequence[Array], wanted: tuple[bool, ...]) -> Recorded:
    def call(*tracked: Array) -> list[Array]:
        rest = iter(tracked)
        merged = [next(rest) if want else arg for arg, want in zip(arguments, wanted, strict=True)]
        return list(eval_jaxpr(jaxpr, *merged))

    return record(call, [arg for arg, want in zip(arguments, wanted, strict=True) if want], False, "jit")


def _save_or_recompute(trace: StageTrace, captured: dict[Var, Var]) -> tuple[tuple[Var, ...], tuple[Eqn, ...]]:
    """The variables to save, and the equations that find the others again from them."""
    producer = {var: eqn for eqn in trace.eqns for var in eqn.outvars}
    saved: dict[Var, None] = {}
    again: set[Eqn] = set()
    pending = list(dict.fromkeys(captured.values()))
    while pending:
        var = pending.pop()
        eqn = producer.get(var)
        if eqn is not None and eqn.prim.cheap and not eqn.has_effect:
            again.add(eqn)
            pending += [atom for atom in eqn.invars if isinstance(atom, Var)]
        elif var not in trace.constvars:
            saved[var] = None
    return tuple(saved), tuple(eqn for eqn in trace.eqns if eqn in again)


def _renamed(eqn: Eqn, names: dict[Var, Var]) -> Eqn:
    invars = tuple(names.get(atom, atom) if isinstance(atom, Var) else atom for atom in eqn.invars)
    return Eqn(eqn.prim, invars, eqn.params, eqn.outvars, eqn.source)


def _strong(aval: ShapedArray) -> ShapedArray:
    return shaped(aval.shape, aval.dtype)
