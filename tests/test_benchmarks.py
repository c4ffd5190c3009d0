"""The benchmark program runs; how fast anything is, no test says."""

from pathlib import Path

import pytest

from tests.benchmarks import workloads
from tests.benchmarks.__main__ import main


def test_it_prints_and_writes_a_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(workloads, "PEERS", ("numpy", "autograd"))  # jax and torch take seconds to import
    out = tmp_path / "table.md"
    main(["--quick", "--only", "eager", "jit", "tracing", "--out", str(out)])
    text = out.read_text(encoding="utf-8")
    assert capsys.readouterr().out == text
    rows = [line.split(" | ") for line in text.splitlines() if line.startswith("|")][2:]
    assert [row[0].strip("| ") for row in rows] == ["eager"] * 4 + ["jit"] + ["tracing"] * 2
    assert all("functrans" not in row[3] and row[2].split()[1] in ("µs", "ms") for row in rows)
