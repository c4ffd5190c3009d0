"""COVERAGE.md: every function has rows or a reason, its totals are those of its lines, and README quotes them; its edges hold."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import functrans as ft
from tests.coverage_edges import EDGES, Edge, edges_table, function_of_edge
from tests.coverage_page import PAGE, overridable, reason_of, results, table, totals
from tests.coverage_rows import programs
from tests.marks import native

TEXT = PAGE.read_text(encoding="utf-8")
LINES = [line for line in TEXT.splitlines() if line.startswith("| `numpy.")]
same_numpy = pytest.mark.skipif(
    f"NumPy {'.'.join(np.__version__.split('.')[:2])} " not in TEXT, reason="the page is of another version of NumPy"
)


@same_numpy
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_every_function_has_rows_or_a_reason() -> None:
    with np.errstate(all="ignore"):
        tried = {name for program in programs() for name in program.functions}
    without = [name for name in overridable() if name not in tried]
    assert all(map(reason_of, without)), [name for name in without if not reason_of(name)]
    assert [line.split("`")[1] for line in LINES] == [name for name in overridable() if name in tried]
    listed = TEXT.split("## Not traced")[1].split("\n## ")[0]
    assert sorted(re.findall("`(numpy[^`]*)`", listed)) == without
    assert all(reason_of(name) in listed for name in without)


@same_numpy
def test_totals_are_those_of_the_lines_and_readme_quotes_them() -> None:
    assert totals(LINES) in TEXT
    readme = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
    assert totals(LINES) in " ".join(readme.split())


@native
@same_numpy
def test_lines_are_what_the_rows_give() -> None:
    names = ["numpy.nonzero", "numpy.power", "numpy.tensordot", "numpy.fft.hfft", "numpy.linalg.pinv", "numpy.isclose"]
    assert set(table(results(names))) >= {line for line in LINES if line.split("`")[1] in names}


def test_the_page_has_the_table_of_edges() -> None:
    assert edges_table() in TEXT


@pytest.mark.parametrize("edge", EDGES, ids=[f"{edge.call} at {edge.at}" for edge in EDGES])
def test_derivative_at_an_edge(edge: Edge) -> None:
    function, at = function_of_edge(edge), tuple(np.asarray(x)[()] for x in edge.at)
    gradient: Any = ft.grad(function, argnums=tuple(range(len(at))))
    with np.errstate(all="ignore"):
        for got in (gradient(*at), ft.jit(gradient)(*at)):
            for mine, wanted in zip(got, edge.gradient, strict=True):
                np.testing.assert_allclose(mine, wanted, rtol=1e-14)
