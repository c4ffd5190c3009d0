"""`jit_p`, the primitive that a jitted function becomes inside other transforms; its rules are those from jaxpr to jaxpr.

Imports the backends' `compile_jaxpr` and the transforms of jaxprs. Start reading at `run_jaxpr`.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from functrans.backends.executable import compile_jaxpr
from functrans.compiler.options import Options
from functrans.compiler.unchecked import trust_indices
from functrans.core.ir import Jaxpr
from functrans.core.primitive import Maybes, NamedAxis, Params, Primitive, Pullback, Values, unnamed
from functrans.donated import given_up
from functrans.transforms.arguments import owned
from functrans.transforms.jaxprs import call_batched, call_jvp, call_vjp, vjp_jaxpr
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
    split = vjp_jaxpr(params["jaxpr"], wanted)
    return call_vjp(primals, split, partial(_bind, params, ""), partial(_bind, params, " backward"))


def _jvp(primals: Values, tangents: Maybes, params: Params) -> tuple[Values, Maybes]:
    return call_jvp(primals, tangents, params["jaxpr"], partial(_bind, params, " forward derivative"))


def _batch(axis: NamedAxis, args: Values, batched: tuple[bool, ...], params: Params) -> tuple[Values, tuple[bool, ...]]:
    return call_batched(axis, args, batched, params["jaxpr"], partial(_bind, params, ""))


def _bind(params: Params, suffix: str, args: Values, jaxpr: Jaxpr) -> Values:
    """Apply what a rule has made of the jaxpr: it is as little checked as that is."""
    jaxpr = trust_indices(jaxpr) if params["unchecked"] else jaxpr
    return jit_p.bind(*args, **{**params, "jaxpr": jaxpr, "name": params["name"] + suffix})


jit_p = Primitive(
    "jit",
    _run,
    lambda *_avals, jaxpr, **_: jaxpr.out_avals,
    _vjp,
    _jvp,
    unnamed(_batch),
    _batch,
    carries="jaxpr",
    is_call=True,
)
