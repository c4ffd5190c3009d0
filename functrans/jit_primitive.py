"""`jit_p`, the primitive that a jitted function becomes inside other transforms; its rules are those from jaxpr to jaxpr.

Imports the backends' `compile_jaxpr` and the transforms of jaxprs. Start reading at `run_jaxpr`.
"""

from __future__ import annotations

from typing import cast

import numpy as np

from functrans.backends.executable import compile_jaxpr
from functrans.compiler.options import Options
from functrans.compiler.unchecked import trust_indices
from functrans.core.ir import Jaxpr
from functrans.core.primitive import Maybes, NamedAxis, Params, Primitive, Pullback, Values
from functrans.donated import given_up
from functrans.transforms.arguments import owned
from functrans.transforms.jaxprs import batch_jaxpr, jvp_jaxpr, vjp_jaxpr
from functrans.typing import Array

__all__ = ["jit_p", "run_jaxpr"]


def run_jaxpr(*args: Array, jaxpr: Jaxpr, options: Options) -> Values:
    """The results for concrete arguments, of which they alias none that is not donated."""
    executable = compile_jaxpr(jaxpr, options)
    if not options.donated:
        results = owned(executable(*args), args)
    else:
        given = given_up(args, options.donated)
        kept = [arg for i, arg in enumerate(args) if i not in given]
        safe = list(args)
        for i in executable.overwritten:
            if i not in given:
                safe[i] = np.array(args[i], order="C")
        results = owned(executable(*safe), kept, [args[i] for i in given])
    for i in jaxpr.weak_results:
        results[i] = results[i].item()  # a Python number, as Python numbers give
    return tuple(results)


def _run(*args: Array, jaxpr: Jaxpr, threads: int | None = None, **_: object) -> Values:
    """Inside other transforms nothing is donated."""
    return run_jaxpr(*args, jaxpr=jaxpr, options=Options(threads=threads))


def _vjp(primals: Values, wanted: tuple[bool, ...], params: Params) -> tuple[Values, Pullback]:
    jaxpr = params["jaxpr"]
    split = vjp_jaxpr(jaxpr, wanted)
    results = _bind(primals, split.forward, params)
    outs = results[: len(jaxpr.outvars)]
    available = (*primals, *results)
    residuals = [available[i] for i in split.residuals]

    def pullback(cts: Maybes) -> Maybes:
        live = split.is_tracked([ct is not None for ct in cts])
        backward = split.backward(live)
        given = [ct for ct, is_live in zip(cts, live, strict=True) if is_live]
        found = iter(_bind((*residuals, *cast(Values, given)), backward.jaxpr, params, " backward"))
        return tuple(next(found) if has else None for has in backward.nonzero)

    return outs, pullback


def _jvp(primals: Values, tangents: Maybes, params: Params) -> tuple[Values, Maybes]:
    jaxpr = params["jaxpr"]
    pushed = jvp_jaxpr(jaxpr, tuple(tangent is not None for tangent in tangents))
    given = [tangent for tangent in tangents if tangent is not None]
    results = _bind((*primals, *given), pushed.jaxpr, params, " forward derivative")
    rest = iter(results[len(jaxpr.outvars) :])
    return results[: len(jaxpr.outvars)], tuple(next(rest) if has else None for has in pushed.nonzero)


def _batch(axis: NamedAxis, args: Values, batched: tuple[bool, ...], params: Params) -> tuple[Values, tuple[bool, ...]]:
    whole = batch_jaxpr(params["jaxpr"], axis, batched)
    return _bind(args, whole.jaxpr, params), whole.batched


def _bind(args: Values, jaxpr: Jaxpr, params: Params, suffix: str = "") -> Values:
    """Apply what a rule has made of the jaxpr: it is as little checked as that is."""
    jaxpr = trust_indices(jaxpr) if params["unchecked"] else jaxpr
    return jit_p.bind(*args, **{**params, "jaxpr": jaxpr, "name": params["name"] + suffix})


jit_p = Primitive(
    "jit",
    _run,
    lambda *_avals, jaxpr, **_: jaxpr.out_avals,
    _vjp,
    _jvp,
    lambda size, args, batched, params: _batch(NamedAxis(None, size), args, batched, params),
    _batch,
    carries="jaxpr",
)
