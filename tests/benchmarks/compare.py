"""Do two frameworks' results agree? No time of a wrong program is believed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tests.benchmarks.frameworks.with_numpy import NumPy
from tests.benchmarks.inputs import leaves, map_leaves
from tests.benchmarks.workload import Workload

Array = np.ndarray[Any, Any]
Arrays = Sequence[Array]
ErrorOf = Callable[[Array, Array], float]

TOLERANCES = {"float32": 2e-5, "float64": 1e-11, "int64": 0.0}
"""For every number, by the dtype that the workload computes in; see `number_error`."""
IMAGE_TOLERANCE = 1e-5
"""For convolutions, which may be done by Winograd's sums; see `largest_error`."""
STEP_TOLERANCE = 0.01
"""For what a training step changes; see `norm_error`. Rounding takes single units over relu's kink."""


def wrong(workload: Workload, got: Arrays, want: Arrays) -> str | None:
    """What is wrong with a workload's results `got`, or None."""
    if not got and not want:
        return None
    dtype = dtype_of(workload)
    if workload.kind.endswith("_step"):
        start = leaves(workload.inputs()[0])
        return difference(_changes(got, start), _changes(want, start), dtype, norm_error, STEP_TOLERANCE)
    if workload.group == "convolution" and dtype == np.float32:
        return difference(got, want, dtype, largest_error, IMAGE_TOLERANCE)
    return difference(got, want, dtype, number_error, TOLERANCES[dtype.name])


def dtype_of(workload: Workload) -> np.dtype[Any]:
    return np.result_type(*leaves(workload.inputs()))


def _changes(results: Arrays, start: Arrays) -> Arrays:
    """A step's value, and its new parameters less the old ones: most of a wrong step is right otherwise."""
    if len(results) != len(start) + 1:
        return results
    return [results[0], *(new - old.astype(new.dtype) for new, old in zip(results[1:], start, strict=True))]


def reference(workload: Workload) -> Arrays | None:
    """What the program by hand gives in float64; None for a workload that has none."""
    framework = NumPy(threads=1)
    make = getattr(framework, workload.kind, None)
    if make is None:
        return None
    arguments = map_leaves(_widened, workload.inputs())
    return framework.results(make(*arguments, **workload.options)())


def _widened(leaf: Array) -> Array:
    return leaf.astype(np.float64) if leaf.dtype.kind == "f" else leaf


def difference(got: Arrays, want: Arrays, dtype: np.dtype[Any], error_of: ErrorOf, tolerance: float) -> str | None:
    """What is wrong with `got`, or None."""
    if len(got) != len(want):
        return f"{len(got)} results instead of {len(want)}"
    for mine, theirs in zip(got, want, strict=True):
        if mine.shape != theirs.shape:
            return f"shape {mine.shape} instead of {theirs.shape}"
        if mine.dtype != dtype:
            return f"{mine.dtype} instead of {dtype}"
        error = error_of(mine, theirs)
        if not error <= tolerance:  # nor if it is NaN
            return f"relative error {error:.1g}"
    return None


def number_error(got: Array, want: Array) -> float:
    """The largest error of a number, relative to itself and the root mean square of all."""
    typical = np.sqrt(np.mean(np.square(want), dtype=np.float64))
    return float(np.max(np.abs(got - want) / (np.abs(want) + (typical or 1.0))))


def largest_error(got: Array, want: Array) -> float:
    """The largest error, relative to the largest number."""
    return float(np.max(np.abs(got - want)) / (np.max(np.abs(want)) or 1.0))


def norm_error(got: Array, want: Array) -> float:
    """The norm of the error, relative to the norm."""
    return float(np.linalg.norm(np.ravel(got - want)) / (np.linalg.norm(np.ravel(want)) or 1.0))
