"""Do two frameworks' results agree? No time of a wrong program is believed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tests.benchmarks.frameworks.with_numpy import NumPy
from tests.benchmarks.inputs import leaves, map_leaves
from tests.benchmarks.workloads import Workload

Arrays = Sequence[np.ndarray[Any, Any]]

TOLERANCES = {"float32": 2e-5, "float64": 1e-11}
"""By the dtype that the workload computes in; relative to the number and to the array's root mean square."""


def dtype_of(workload: Workload) -> np.dtype[Any]:
    return np.result_type(*leaves(workload.inputs()))


def reference(workload: Workload) -> Arrays | None:
    """What the program by hand gives in float64; None for a workload that has none."""
    framework = NumPy(threads=1)
    make = getattr(framework, workload.kind, None)
    if make is None:
        return None
    arguments = map_leaves(_widened, workload.inputs())
    return framework.results(make(*arguments, **workload.options)())


def _widened(leaf: Any) -> Any:
    return leaf if leaf.dtype == bool else leaf.astype(np.float64)


def difference(got: Arrays, want: Arrays, dtype: np.dtype[Any]) -> str | None:
    """What is wrong with `got`, or None."""
    if len(got) != len(want):
        return f"{len(got)} results instead of {len(want)}"
    for mine, theirs in zip(got, want, strict=True):
        if mine.shape != theirs.shape:
            return f"shape {mine.shape} instead of {theirs.shape}"
        if mine.dtype != dtype:
            return f"{mine.dtype} instead of {dtype}"
        error = _relative_error(mine, theirs)
        if not error <= TOLERANCES[dtype.name]:  # nor if it is NaN
            return f"relative error {error:.1g}"
    return None


def _relative_error(got: np.ndarray[Any, Any], want: np.ndarray[Any, Any]) -> float:
    typical = np.sqrt(np.mean(np.square(want), dtype=np.float64))
    scale = np.abs(want) + (typical or 1.0)
    return float(np.max(np.abs(got - want) / scale))
