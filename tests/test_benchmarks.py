"""The benchmark program tells right from wrong and writes what it found; how fast anything is, no test says."""

import json
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import pytest

from functrans.backends.executable import why_numpy
from tests.benchmarks import __main__ as program
from tests.benchmarks import functions, measure, picture, report
from tests.benchmarks.compare import difference, dtype_of, number_error, reference, wrong
from tests.benchmarks.frameworks import CLASSES, framework_class, is_installed
from tests.benchmarks.inputs import leaves
from tests.benchmarks.measure import Row, Samples
from tests.benchmarks.messages import First
from tests.benchmarks.protocol import PeerError, Worker, environment, started
from tests.benchmarks.workload import Workload
from tests.benchmarks.workloads import workloads

TINY = [w for w in workloads(8) if w.measures != "import"]


# ---- programs ----


def different(found: list[Workload]) -> Iterator[Workload]:
    """One workload of each kind and option, smallest first as they come; sizes are tiny in all."""
    seen = set[tuple[object, ...]]()
    for workload in found:
        key = (workload.kind, *workload.options.values(), dtype_of(workload))
        if key not in seen:
            seen.add(key)
            yield workload


@pytest.mark.parametrize("name", [name for name in CLASSES if name != "torch.compile"])  # that one takes minutes
def test_every_program_computes_the_same(name: str) -> None:
    if not is_installed(name):
        pytest.skip(f"{name} is not installed")
    widened = "float64 instead of float32"  # why autograd is left out of these rows
    wider = {("autograd", "logistic", widened), ("autograd", "log_softmax_grad", widened)}
    with started(name, 1) as worker, started("functrans", 1) as ours:
        worker.wait_until_ready()
        ours.wait_until_ready()
        for workload in different([w for w in TINY if hasattr(framework_class(name), w.kind)]):
            want = reference(workload)
            want = ours.first(First(workload)).results if want is None else want
            got = worker.first(First(workload)).results
            reason = wrong(workload, got, want)
            assert reason is None or (name, workload.kind, reason) in wider, workload


# ---- comparison ----

X = np.linspace(-1.0, 1.0, 5)


@pytest.mark.parametrize(
    ("got", "reason"),
    [
        ([X], None),
        ([X * (1 + 1e-13)], None),
        ([X + 1e-6 * (X == 0)], "relative error 1e-06"),
        ([X * np.nan], "relative error nan"),
        ([X.astype(np.float32)], "float32 instead of float64"),
        ([X[1:]], "shape (4,) instead of (5,)"),
        ([X, X], "2 results instead of 1"),
    ],
)
def test_a_wrong_result_is_told(got: list[np.ndarray], reason: str | None) -> None:
    assert difference(got, [X], X.dtype, number_error, 1e-11) == reason


def test_a_float32_result_may_differ_by_its_rounding() -> None:
    sums = next(w for w in TINY if w.kind == "reduction")
    want = reference(sums)
    assert want is not None
    (x,) = (result.astype(np.float32) for result in want)
    assert wrong(sums, [x * np.float32(1 + 1e-6)], want) is None
    assert wrong(sums, [x * np.float32(1 + 1e-3)], want) is not None


def test_a_wrong_gradient_is_told_from_a_step_of_which_most_is_right() -> None:
    step = next(w for w in TINY if w.kind == "mlp_step" and w.group == "training")
    want = reference(step)
    assert want is not None
    assert wrong(step, want, want) is None
    start = leaves(step.inputs()[0])
    for i in range(1, len(want)):
        got = list(want)
        got[i] = start[i - 1] + 1.05 * (want[i] - start[i - 1])
        assert wrong(step, got, want) == "relative error 0.05"
    assert wrong(step, want[1:], want) is not None


# ---- processes ----

SMALL = next(w for w in TINY if w.kind == "reduction")


def test_programs_are_measured_in_turn() -> None:
    row = measure.measure(SMALL, ["functrans", "numpy"], threads=1, turns=3)
    assert not row.notes
    assert [len(samples.turns) for samples in row.samples.values()] == [3, 3]
    assert all(samples.first and min(samples.turns) > 0 for samples in row.samples.values())


def test_rivals_run_their_own_kind_and_are_not_the_best_peer() -> None:
    addition = next(w for w in TINY if w.kind == "add" and w.rivals)
    row = measure.measure(addition, ["functrans", "numpy"], threads=1, turns=2)
    assert not row.notes
    assert set(row.samples) == {"functrans", "numpy", "a copy"}
    assert row.best() == "numpy"


def test_one_thread_is_a_rival_of_two() -> None:
    workload = next(w for w in TINY if w.kind == "log_softmax")
    row = measure.measure(workload, ["functrans"], threads=2, turns=2)
    assert set(row.samples) == {"functrans", "one thread"}
    assert row.best() is None
    assert "one thread ≤ 0.6" in report.table_row(row)
    assert "one thread" not in report.table_row(Row(workload, threads=1))


def test_a_second_process_has_what_the_first_one_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    found = list[bool]()

    def start(name: str, threads: int, more: Mapping[str, str], scratch: str) -> AbstractContextManager[Worker]:
        found.append(any(Path(scratch, name).glob("*")))
        return started(name, threads, more, scratch)

    monkeypatch.setattr(measure, "started", start)
    workload = next(w for w in TINY if w.measures == "start")
    row = measure.measure(workload, ["functrans"], threads=1, turns=1)
    assert len(row.samples["functrans"].turns) == 1
    assert found == [False, not why_numpy()]


def test_a_process_holds_what_it_held_before_its_first_call() -> None:
    workload = next(w for w in TINY if w.measures == "held")
    row = measure.measure(workload, ["functrans"], threads=1, turns=1)
    samples = row.samples["functrans"]
    assert samples.peak is not None
    assert samples.turns[0] > samples.peak


def test_who_computes_something_else_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measure, "reference", lambda workload: [np.zeros(8)])
    row = measure.measure(SMALL, ["functrans", "numpy"], threads=1, turns=1)
    assert row.samples == {}
    assert all(note.startswith("wrong result, relative error") for note in row.notes.values())
    assert "| — |  |  |" in report.table_row(row)
    assert "without numpy: wrong result" in report.notes([row])


def test_a_framework_that_cannot_start_says_why() -> None:
    with started("nonsense", 1) as worker, pytest.raises(PeerError, match="KeyError: 'nonsense'"):
        worker.wait_until_ready()


def test_a_program_that_fails_leaves_the_process_alive() -> None:
    broken = Workload("jit", "no such function", "eager", SMALL.inputs, {"function": "nonsense"})
    with started("numpy", 1) as worker:
        worker.wait_until_ready()
        with pytest.raises(PeerError, match="AttributeError"):
            worker.first(First(broken))
        assert worker.first(First(SMALL)).results


def test_a_process_that_dies_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    ready = Worker.wait_until_ready

    def ready_and_dead(worker: Worker) -> None:
        ready(worker)
        worker._process.kill()

    monkeypatch.setattr(Worker, "wait_until_ready", ready_and_dead)
    row = measure.measure(SMALL, ["numpy"], threads=1, turns=1)
    assert row.notes == {"numpy": "ended with code -9"}


def test_threads_are_limited_and_blas_is_not_tuned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Haswell")
    found = environment(2, "scratch")
    assert "OPENBLAS_CORETYPE" not in found
    assert found["OMP_NUM_THREADS"] == found["OPENBLAS_NUM_THREADS"] == found["NPROC"] == "2"


# ---- reports ----


def made_up(name: str = "a", **seconds: float) -> Row:
    workload = Workload("matmul", name, "matmul", goals={"torch": 1.0, "best": 0.4}, compile_goal=0.2, bar="products")
    samples = {name: Samples([s, 2 * s, 4 * s], first=100 * s, peak=2**20) for name, s in seconds.items()}
    return Row(workload, 1, samples)


def test_ratios() -> None:
    row = made_up(functrans=1e-3, torch=4e-3, jax=2e-3)
    assert row.best() == "jax"
    assert (row.ratio("torch"), row.ratio("best"), row.ratio("numpy"), row.compile_ratio()) == (0.25, 0.5, None, 0.5)
    assert made_up(functrans=1e-3).ratio("best") is None
    assert made_up(jax=1e-3).ratio("best") is None


def test_a_line_of_the_table() -> None:
    assert report.table_row(made_up(functrans=1e-3, torch=4e-3, jax=2e-3)) == (
        "| matmul | a | 2 ms (1 ms) | torch 8 ms (0.25), **jax 4 ms (0.50)** | 0.50 | torch ≤ 1 ✓, best ≤ 0.4 ✗ "
        "| 98 ms, 196 ms (0.50) ≤ 0.2 ✗ | 1 MiB, 1 MiB |"
    )


def test_the_geometric_mean_of_a_group() -> None:
    rows = [made_up(functrans=1e-3, numpy=1e-3), made_up("b", functrans=1e-3, numpy=4e-3)]
    assert report.summary("matmul", rows) == (
        "| matmul | *geometric mean* | | numpy (0.50) | 0.50 | numpy ≤ 0.9 ✓ | | |"
    )
    assert report.summary("matmul", rows[:1]) == ""
    assert picture.bars(rows) == {"products": {"numpy": pytest.approx(0.5)}}


def test_it_writes_a_table_figures_and_a_picture(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table, figures, chart = tmp_path / "table.md", tmp_path / "table.json", tmp_path / "chart.png"
    words = ["--quick", "--peers", "numpy", "--threads", "1", "--only", "sum of 10", "50 layers x", "max, axis"]
    program.main([*words, "--out", str(table), "--json", str(figures), "--picture", str(chart)])
    text = table.read_text(encoding="utf-8")
    assert capsys.readouterr().out == text
    rows = [line.split(" | ")[:2] for line in text.splitlines() if line.startswith("| ") and "workload" not in line]
    assert [row[0] for row in rows] == ["| eager", *["| memory"] * 2, *["| reductions"] * 3]
    assert [len(row["frameworks"]) for row in json.loads(figures.read_text())["rows"]] == [2, 1, 1, 2, 2]
    assert chart.read_bytes().startswith(b"\x89PNG")


def test_a_peer_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(program, "is_installed", lambda name: name == "numpy")
    options = program.arguments(["--quick", "--only", "nothing"])
    assert program.frameworks(options) == ["functrans", "numpy"]
    assert any(line.startswith("Not installed: ") and "jax" in line for line in program.lines(options, []))


def test_more_threads_are_for_work_that_can_be_shared() -> None:
    (_, first), (threads, second) = program.runs(program.arguments(["--only", "eager", "mlp"]))
    assert threads == 2
    assert {w.group for w in first} == {"eager", "mlp"}
    assert {w.group for w in second} == {"mlp"}


def test_every_method_that_a_workload_names_is_ours() -> None:
    assert all(hasattr(framework_class("functrans"), workload.kind) for workload in TINY)


@pytest.mark.parametrize("framework", ["functrans", "numpy"])
def test_functions_are_measured_beside_each_other(framework: str) -> None:
    found = functions.measured(framework, count=8, turns=1)
    assert found.keys() == {name for name in functions.SPANS if functions.function(framework, name)}
    assert min(min(times) for times in found.values()) >= 0
    shown = functions.table({"functrans": {"exp": [2.0, 3.0]}, "numpy": {"exp": [4.0, 2.0], "sin": [1.0, 1.0]}})
    assert shown.splitlines()[-1] == "| exp | 2.00 | 4.00 numpy | 0.50 | 3.00 | 2.00 numpy | 1.50 |"
