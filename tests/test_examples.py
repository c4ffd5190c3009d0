"""The example programs, run as their readers would run them, the slow one also in a reduced size."""

import re
from pathlib import Path

import numpy as np
import pytest

from examples import circuit, digits_mlp

PNG = b"\x89PNG"


def test_a_small_network_learns_digits(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    picture = tmp_path / "digits.png"
    result = digits_mlp.main(["--layers", "32", "--max-steps", "120", "--learning-rate", "0.1", "--out", str(picture)])
    assert result.test_accuracy >= 0.9
    assert len(result.losses) == 120
    assert result.losses[-1] < 0.2 < 2 < result.losses[0]
    assert picture.read_bytes().startswith(PNG)
    printed, bar = capsys.readouterr()
    assert "64 → 32 → 10, relu, 2410 parameters" in printed
    assert "until --max-steps" in printed
    assert re.search(r"training:.*steps/s, loss=0\.\d{4}", bar)


def test_the_main_job_reads_at_least_96_percent(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result = digits_mlp.main(["--out", str(tmp_path / "digits.png")])
    assert result.test_accuracy >= 0.96
    assert result.train_accuracy >= 0.99
    assert abs(result.losses[-1] - result.losses[-6]) < 1e-4 <= abs(result.losses[-2] - result.losses[-7])
    assert "until |L(t+5) − L(t)| < 0.0001" in capsys.readouterr().out


@pytest.mark.parametrize("activation", digits_mlp.ACTIVATIONS)
def test_the_loss_falls_with_every_activation(activation: str, tmp_path: Path) -> None:
    options = ["--layers", "16", "--learning-rate", "0.1", "--max-steps", "30", "--out", str(tmp_path / "digits.png")]
    losses = digits_mlp.main(["--activation", activation, *options]).losses
    assert losses[-1] < losses[0] - 0.1


@pytest.mark.parametrize(
    ("option", "complaint"),
    [("--layers=0", "0 is not positive"), ("--epsilon=nan", "nan is not positive"), ("--momentum=1", "below 1")],
)
def test_a_wrong_option_is_refused(option: str, complaint: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        digits_mlp.main([option])
    assert complaint in capsys.readouterr().err


@pytest.mark.filterwarnings("ignore:(overflow|invalid value) encountered:RuntimeWarning")
def test_divergence_is_reported(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="try a smaller --learning-rate"):
        digits_mlp.main(["--learning-rate", "1e200", "--layers", "8", "--out", str(tmp_path / "digits.png")])


def test_the_circuits_of_the_course(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    picture = tmp_path / "circuit.png"
    (x, y, z, q, f), neuron = circuit.main(["--out", str(picture)])
    assert [node.upstream for node in (x, y, z, q, f)] == [-4, -4, 3, -4, 1]
    assert [node.symbol for node in (x, y, z, q, f)] == ["x", "y", "z", "+", "×"]
    assert (q.local, f.local, f.downstream, f.value) == ([1, 1], [-4, 3], [-4, 3], -12)

    values = {node.name: (round(node.value, 2), round(node.upstream, 2)) for node in neuron[:5]}
    assert values == {"w₀": (2, -0.2), "x₀": (-1, 0.39), "w₁": (-3, -0.39), "x₁": (-2, -0.59), "w₂": (-3, 0.2)}
    assert [node.symbol for node in neuron[5:]] == ["×", "×", "+", "+", "neg", "exp", "+ 1", "1 / x"]
    np.testing.assert_allclose([node.value for node in neuron[5:]], [-2, 6, 4, 1, -1, 0.37, 1.37, 0.73], atol=5e-3)
    gradients = [0.2, 0.2, 0.2, 0.2, -0.2, -0.53, -0.53, 1]
    np.testing.assert_allclose([node.upstream for node in neuron[5:]], gradients, atol=5e-3)
    assert [round(node.local[0], 2) for node in neuron[-4:]] == [-1, 0.37, 1, -0.53]
    assert "n8    1 / x  n7       0.731     1.000   n7      -0.534      -0.534" in capsys.readouterr().out
    assert picture.read_bytes().startswith(PNG)


def test_what_arrives_from_several_readers_adds_up() -> None:
    x, y, square, *_ = circuit.circuit(lambda x, y: np.tanh(x * x) * np.sin(y) + x, [0.5, 2.0])
    np.testing.assert_allclose(x.upstream, sum(square.downstream) + 1)
    np.testing.assert_allclose(y.upstream, np.tanh(0.25) * np.cos(2))


def test_a_circuit_has_an_operation() -> None:
    with pytest.raises(ValueError, match="gives its result"):
        circuit.circuit(lambda x: x, [1.0])
