"""The example programs, run as their readers would run them, the slow one also in a reduced size."""

import math
import re
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import functrans as ft
from examples import (
    activations,
    alexnet,
    chain_rule,
    circuit,
    decision_regions,
    digits_mlp,
    hmc,
    implicit,
    learning_rates,
    loss_landscape,
    lstm_text,
    ode,
    optimal_control,
    sigmoid_layer,
    softmax_classifier,
    warping,
)

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


def test_lynxes_and_hares(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    picture = tmp_path / "ode.png"
    result = ode.main(["--steps", "60", "--substeps", "1", "--out", str(picture)])
    assert result.losses[-1] < 0.06 < 1.5 < result.losses[0]
    np.testing.assert_allclose(result.values[:4], [0.54, 0.027, 0.8, 0.024], rtol=0.2)
    assert "in 60 steps" in capsys.readouterr().out
    assert picture.read_bytes().startswith(PNG)


def test_the_solver_is_of_fourth_order() -> None:
    params = np.log(ode.GUESS)
    coarse, fine, finest = (np.asarray(ode.solve(substeps, params))[::substeps] for substeps in (4, 8, 64))
    assert 10 < np.max(np.abs(coarse - finest)) / np.max(np.abs(fine - finest)) < 22


def test_a_network_learns_to_write(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    picture = tmp_path / "text.png"
    options = ["--steps", "30", "--hidden", "24", "--length", "16", "--characters", "40", "--out", str(picture)]
    result = lstm_text.main(["--text", "lambda", "--learning-rate", "0.03", *options])
    assert np.mean(result.losses[-5:]) < 3 < 3.5 < result.losses[0]
    assert [len(text) for text in result.written.values()] == [41] * 4
    assert "24 units" in capsys.readouterr().out
    assert picture.read_bytes().startswith(PNG)


def test_an_lstm_reads_as_its_equations_say() -> None:
    rng = np.random.default_rng(0)
    params = lstm_text.initial_params(3, 2, rng)
    h = c = np.zeros(2)
    total = 0.0
    text = np.array([0, 2, 1, 1])
    for character, following in pairwise(text):
        z = params.of_character[character] + h @ params.of_output + params.bias
        i, f, o = (1 / (1 + np.exp(-z[k : k + 2])) for k in (0, 2, 4))
        c = f * c + i * np.tanh(z[6:])
        h = o * np.tanh(c)
        p = np.exp(h @ params.scores + params.frequency)
        total -= np.log(p[following] / p.sum())
    np.testing.assert_allclose(ft.jit(lstm_text.surprise)(params, text), total / 3)


def test_eight_schools(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    picture = tmp_path / "hmc.png"
    result = hmc.main(["--draws", "300", "--warm-up", "100", "--leaps", "8", "--out", str(picture)])
    assert result.effects.shape == (4, 300, 8)
    means = [result.mu.mean(), result.tau.mean(), result.effects[:, :, 0].mean()]
    np.testing.assert_allclose(means, means_by_quadrature(), atol=0.8)
    assert hmc.r_hat(result.mu) < 1.05
    assert 0.8 < result.accepted < 1
    printed, bar = capsys.readouterr()
    assert "school H" in printed
    assert re.search(r"draws: 100%.* 400/400 ", bar)
    assert picture.read_bytes().startswith(PNG)


def means_by_quadrature() -> list[float]:
    """The posterior means of μ, τ and the effect in school A: a sum over μ and τ, the effects integrated on paper."""
    mu, tau = np.meshgrid(np.linspace(-25, 35, 301), np.linspace(0.005, 100, 10_000), indexing="ij")
    logs = -((mu / 5) ** 2) / 2 - np.log1p((tau / 5) ** 2)
    for effect, error in zip(hmc.EFFECTS, hmc.ERRORS, strict=True):
        variance = error**2 + tau**2
        logs += -((effect - mu) ** 2) / variance / 2 - np.log(variance) / 2
    weights = np.exp(logs - logs.max())
    of_a = (hmc.EFFECTS[0] * tau**2 + mu * hmc.ERRORS[0] ** 2) / (tau**2 + hmc.ERRORS[0] ** 2)
    return [float(np.average(values, weights=weights)) for values in (mu, tau, of_a)]


def test_leaps_can_be_walked_back() -> None:
    rng = np.random.default_rng(1)
    place, momentum = (hmc.Place(*map(np.asarray, (0.5, -1.0, rng.normal(size=8)))) for _ in range(2))
    end, last = place, momentum
    for _ in range(5):
        end, last = hmc.leap(np.asarray(0.3), end, last)
    assert 0.001 < abs(hmc.energy(end, last) - hmc.energy(place, momentum)) < 0.3
    back = ft.tree.map(np.negative, last)
    for _ in range(5):
        end, back = hmc.leap(np.asarray(0.3), end, back)
    for now, before in zip(end, place, strict=True):
        np.testing.assert_allclose(now, before, atol=1e-12)


def test_chains_that_differ_are_noticed() -> None:
    draws = np.random.default_rng(2).normal(size=(4, 500))
    assert hmc.r_hat(draws) < 1.02
    assert hmc.r_hat(draws + np.arange(4)[:, None]) > 1.3


def test_a_pole_is_swung_up(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    picture = tmp_path / "swing.png"
    result = optimal_control.main(["--seconds", "1", "--rounds", "12", "--out", str(picture)])
    assert np.all(np.diff(result.costs) <= 0)
    assert result.costs[-1] < 9 < 500 < result.costs[0]
    assert optimal_control.off(result.way.end) < 0.1
    assert (
        np.median(optimal_control.off(result.seeing.end)) < 0.1 < 0.5 < np.median(optimal_control.off(result.blind.end))
    )
    assert "in 12 rounds" in capsys.readouterr().out
    assert picture.read_bytes().startswith(PNG)


def test_the_regulator_is_exact_where_all_is_linear(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(3)
    system, push = rng.normal(size=(4, 4)) / 2, rng.normal(size=4)
    monkeypatch.setattr(optimal_control, "move", lambda state, force: system @ state + push * force)
    forces, states = np.zeros(6), [rng.normal(size=4)]
    for force in forces:
        states.append(optimal_control.move(states[-1], np.asarray(force)))
    way = optimal_control.Way(forces, np.stack(states[:-1]), states[-1])
    better, cost = optimal_control.improve(0.5, way)

    # The forces that least squares gives: the end is linear in them.
    effects = np.stack([np.linalg.matrix_power(system, 5 - k) @ push for k in range(6)], axis=1)
    rows = np.vstack([np.sqrt(0.5 * optimal_control.STEP) * np.eye(6), 10 * effects])
    target = np.concatenate([np.zeros(6), 10 * (optimal_control.UPRIGHT - way.end)])
    np.testing.assert_allclose(better.forces, np.linalg.lstsq(rows, target)[0], rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(cost, np.sum((rows @ better.forces - target) ** 2) / 2)


def test_penalties_are_learnt_through_a_solution(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    picture = tmp_path / "implicit.png"
    result = implicit.main(["--steps", "40", "--out", str(picture)])
    assert np.all(np.diff(result.chosen) < 0)
    assert result.judged[-1] < 0.5 < 0.52 < result.judged[0] < min(result.curve.judged[0], result.curve.judged[-1])
    slopes = np.gradient(result.curve.chosen, result.curve.penalties)
    np.testing.assert_allclose(result.curve.slopes[1:-1], slopes[1:-1], atol=2e-3)
    assert "65, 40 steps" in capsys.readouterr().out
    assert picture.read_bytes().startswith(PNG)


def test_the_gradient_by_penalties_is_that_of_the_formula() -> None:
    (fitted, unseen, _), names = implicit.load()
    penalties = np.linspace(-3, 1, len(names))
    x, y = fitted
    inverse = np.linalg.inv(x.T @ x / len(y) + np.diag(np.exp(penalties)))
    found = inverse @ x.T @ y / len(y)
    np.testing.assert_allclose(implicit.weights(fitted, penalties), found, rtol=1e-7, atol=1e-9)
    error = unseen.features @ found - unseen.progression
    by_weights = 2 * unseen.features.T @ error / len(error)
    gradient = ft.grad(lambda p: implicit.unseen_loss(fitted, unseen, p))(penalties)
    np.testing.assert_allclose(gradient, -(inverse @ by_weights) * np.exp(penalties) * found, rtol=1e-6, atol=1e-9)


# ---- the course, idea by idea ----


def test_layers_without_activation_functions_are_a_softmax_classifier(tmp_path: Path) -> None:
    picture = tmp_path / "softmax.png"
    result = softmax_classifier.main(["--out", str(picture)])
    assert result.difference < 1e-12
    np.testing.assert_allclose(result.single.losses[-1], result.deep.losses[-1], rtol=1e-5)
    assert picture.read_bytes().startswith(PNG)
    with pytest.raises(SystemExit):
        softmax_classifier.main(["--layers", "3", "3"])


def test_activations_and_their_derivatives(tmp_path: Path) -> None:
    picture = tmp_path / "activations.png"
    curves = activations.main(["--names", "tanh", "sigmoid", "relu", "--points", "41", "--out", str(picture)])
    x = np.linspace(-4, 4, 41)
    t = np.tanh(x)
    sech = 1 - t**2
    wanted = [t, sech, -2 * t * sech, sech * (6 * t**2 - 2), 8 * t * sech * (2 - 3 * t**2)]
    np.testing.assert_allclose(curves["tanh"], wanted, atol=1e-12)
    np.testing.assert_array_equal(curves["relu"][1:], [x > 0, *np.zeros((3, 41))])
    assert picture.read_bytes().startswith(PNG)


def test_layers_warp_the_plane(tmp_path: Path) -> None:
    picture = tmp_path / "warping.png"
    result = warping.main(["--out", str(picture)])
    assert result.accuracy > 0.9
    points = np.array([[1.0, 2.0], [-3.0, 0.5]])
    matrix = np.array([[2.0, 1.0], [0.5, -1.0]])
    np.testing.assert_allclose(warping.areas(lambda x: matrix @ x, points), -2.5)
    assert picture.read_bytes().startswith(PNG)


def test_few_units_make_simple_regions(tmp_path: Path) -> None:
    picture = tmp_path / "regions.png"
    options = ["--units", "1", "20", "--penalties", "0", "0.001", "0.03", "--steps", "600", "--out", str(picture)]
    result = decision_regions.main(options)
    assert result.trained.shape == result.unseen.shape == (2, 3)
    assert result.trained[0].max() < 0.9 < result.trained[1, 0]
    sizes = [np.sum(ft.vmap(lambda w: np.sum(w**2))(params[0])) for params in result.networks]
    assert sizes[0] > 0
    by_penalty = np.sum(result.networks[1][0] ** 2, axis=(1, 2))
    assert np.all(np.diff(by_penalty) < 0)
    assert picture.read_bytes().startswith(PNG)


def test_the_loss_of_a_network_has_hills(tmp_path: Path) -> None:
    picture = tmp_path / "landscape.png"
    result = loss_landscape.main(["--pairs", "2", "--out", str(picture)])
    convex, hilly = result.bends
    assert convex > 0 > hilly
    assert np.all(result.network[:, [100, 300]] < 0.05)
    assert np.all(result.network[:, 200] > 1)
    assert picture.read_bytes().startswith(PNG)


def test_the_largest_learning_rate_is_two_over_the_curvature(tmp_path: Path) -> None:
    picture = tmp_path / "rates.png"
    result = learning_rates.main(["--rates", "13", "--steps", "600", "--every", "12", "--out", str(picture)])
    is_below = result.rates < 0.8 * result.limit
    assert np.all(np.isfinite(result.losses[is_below]))
    assert not np.any(result.arrived & (result.rates > 1.3 * result.limit))
    assert np.any(result.arrived & is_below)
    needed = result.needed[is_below & np.isfinite(result.needed)]
    assert np.all(np.diff(needed) < 0)  # a larger rate is quicker, until it is too large
    assert picture.read_bytes().startswith(PNG)


def test_the_chain_rule_holds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    picture = tmp_path / "chain.png"
    result = chain_rule.main(["--out", str(picture)])
    error = np.abs(result.changes - result.estimates)
    is_exact = (result.steps > 1e-4) & (result.steps < 1e-1)
    ratio = error[is_exact] / result.steps[is_exact] ** 2
    assert ratio.max() < 1.5 * ratio.min()
    assert len(result.pictures) == 4
    assert all(path.read_text(encoding="utf-8").startswith("<svg") for path in result.pictures)
    assert "max routes      gradients on the wires: 0, 1, 1" in capsys.readouterr().out
    assert picture.read_bytes().startswith(PNG)


def test_a_layer_in_three_ways(tmp_path: Path) -> None:
    picture = tmp_path / "sigmoid.png"
    result = sigmoid_layer.main(["--out", str(picture)])
    for name in ("formula", "primitive"):
        np.testing.assert_allclose(result.values[name], result.values["operator"], rtol=1e-12)
        for a, b in zip(result.gradients[name], result.gradients["operator"], strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)
    assert picture.read_bytes().startswith(PNG)


# ---- a network of its own size ----

THIN = ["--thin", "8", "--size", "64", "--batch", "8", "--per-class", "1"]


def test_alexnet_has_61_million_parameters() -> None:
    lines = list(alexnet.described(1))
    counts = [int(line.split()[-1].replace(",", "")) for line in lines]
    assert counts[:3] == [23_296, 307_392, 663_936]
    assert counts[-1] == sum(counts[:-1]) == 61_100_840
    specs = ft.eval_shape(partial(alexnet.begin, 1), ft.random.key(0)).params
    assert sum(math.prod(spec.shape) for spec in specs.values()) == 61_100_840


def test_alexnet_says_what_torch_does() -> None:
    """The definition, layer by layer, with torch's own initial weights."""
    torch: Any = pytest.importorskip("torch")
    nn = torch.nn
    pool, relu = nn.MaxPool2d(3, 2), nn.ReLU()
    features = nn.Sequential(
        nn.Conv2d(3, 64, 11, stride=4, padding=2), relu, pool,
        nn.Conv2d(64, 192, 5, padding=2), relu, pool,
        nn.Conv2d(192, 384, 3, padding=1), relu,
        nn.Conv2d(384, 256, 3, padding=1), relu,
        nn.Conv2d(256, 256, 3, padding=1), relu, pool,
    )  # fmt: skip
    classifier = nn.Sequential(
        nn.Dropout(), nn.Linear(9216, 4096), relu, nn.Dropout(), nn.Linear(4096, 4096), relu, nn.Linear(4096, 1000)
    )
    whole = nn.ModuleDict({"features": features, "classifier": classifier}).eval()
    params = {name: leaf.detach().numpy() for name, leaf in whole.named_parameters()}
    images = np.random.default_rng(0).normal(size=(2, 3, 224, 224)).astype(np.float32)
    with torch.no_grad():
        hidden = nn.AdaptiveAvgPool2d(6)(features(torch.from_numpy(images)))
        wanted = classifier(hidden.flatten(1)).numpy()
    found = ft.jit(alexnet.logits)(params, images)
    assert found.dtype == np.float32
    assert np.max(np.abs(found - wanted)) < 1e-5 * np.max(np.abs(wanted))


def test_alexnet_learns_images_by_heart(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    picture = tmp_path / "alexnet.png"
    result = alexnet.main([*THIN, "--steps", "100", "--out", str(picture)])
    assert result.losses[0] == pytest.approx(np.log(1000), rel=1e-5)
    assert result.losses[-1] < 1.5
    assert result.accuracy > 0.8
    printed, bar = capsys.readouterr()
    assert re.search(r"features\.0 +8 × 3 × 11 × 11 +2,912", printed)
    assert re.search(r"training:.*steps/s, loss=\d\.\d{4}", bar)
    assert picture.read_bytes().startswith(PNG)


def test_alexnet_goes_on_from_a_checkpoint_as_if_it_had_never_stopped(tmp_path: Path) -> None:
    kept, out = tmp_path / "kept.npz", ["--out", str(tmp_path / "picture.png")]
    at_once = alexnet.main([*THIN, "--steps", "4", *out])
    alexnet.main([*THIN, "--steps", "2", "--checkpoint", str(kept), *out])
    resumed = alexnet.main([*THIN, "--steps", "2", "--resume", str(kept), *out])
    assert resumed.losses == at_once.losses
    for mine, theirs in zip(ft.tree.leaves(resumed.learner), ft.tree.leaves(at_once.learner), strict=True):
        np.testing.assert_array_equal(mine, theirs)
    with np.load(kept) as arrays:
        assert arrays["params/features.0.weight"].shape == (8, 3, 11, 11)
    with pytest.raises(SystemExit, match="another --thin"):
        alexnet.main([*THIN, "--thin", "4", "--resume", str(kept), *out])
