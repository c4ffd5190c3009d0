"""functrans.scipy.optimize: `minimize`, with JAX's signature. Imports solvers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from functrans.core.primitive import aval_of
from functrans.errors import ParameterError
from functrans.solvers.minimum import Dense, History, minimum
from functrans.transforms.grad import value_and_grad
from functrans.typing import Array

__all__ = ["OptimizeResults", "minimize"]


class OptimizeResults(NamedTuple):
    """What `minimize` gives, under SciPy's names."""

    x: Array
    success: Array
    status: Array
    """0 for a minimum; 1 where `maxiter` steps were not enough, 2 where no step made the value smaller."""
    fun: Array
    jac: Array
    hess_inv: Array | None
    nfev: Array
    njev: Array
    nit: Array


_METHODS = ("bfgs", "l-bfgs", "l-bfgs-experimental-do-not-rely-on-this")


def minimize(
    fun: Callable[..., Array],
    x0: Array,
    args: tuple[Any, ...] = (),
    *,
    method: str,
    tol: float | None = None,
    options: Mapping[str, Any] | None = None,
) -> OptimizeResults:
    """A local minimum of `fun(x, *args)` near `x0`, an array of rank 1.

    method: "BFGS" or "L-BFGS". options: `gtol` (default `tol` or 1e-5), the largest component of the gradient at the end;
    `maxiter`, steps (default: 200 for each unknown); for L-BFGS `maxcor` (default 10), the steps that are remembered. The
    minimum has derivatives, in what args and fun hold, where its Hessian is positive definite. Raises ParameterError.

    >>> result = minimize(lambda x, a: np.sum((x - a) ** 2), np.zeros(2), (np.array([1.0, 2.0]),), method="BFGS")
    >>> result.x, bool(result.success)
    (array([1., 2.]), True)
    """
    given = dict(options or {})
    size = aval_of(x0).size
    gtol, maxiter = given.pop("gtol", 1e-5 if tol is None else tol), given.pop("maxiter", None)
    history = given.pop("maxcor", 10)
    if method.lower() not in _METHODS or given or len(aval_of(x0).shape) != 1:
        what = f"method={method!r}, options {sorted(given)} and x0 of rank {len(aval_of(x0).shape)}"
        raise ParameterError("minimize", what, '"BFGS" or "L-BFGS", options gtol, maxiter and maxcor, and a vector')
    is_dense = method.lower() == "bfgs"
    limit = 200 * size if maxiter is None else maxiter
    x, found = minimum(lambda x: fun(x, *args), x0, Dense() if is_dense else History(history), gtol, limit)
    value, gradient = value_and_grad(lambda x: fun(x, *args))(x)
    status = np.where(found.converged, 0, np.where(found.steps >= limit, 1, 2))[()]
    inverse = found.memory if is_dense else None
    return OptimizeResults(x, found.converged, status, value, gradient, inverse, found.calls, found.calls, found.steps)
