"""functrans.optim: each rule step for step against optax, and against torch.optim with the same hyperparameters."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import functrans as ft
from functrans import optim
from functrans.errors import ParameterError

Fun = Callable[..., Any]
STEPS = 12


def params_like(dtype: str = "float64") -> Any:
    rng = np.random.default_rng(0)
    return {
        "w": rng.normal(size=(4, 3)).astype(dtype),
        "b": [rng.normal(size=3).astype(dtype), rng.normal(size=()).astype(dtype)],
    }


def gradients(seed: int, dtype: str = "float64") -> Any:
    """A gradient that turns its signs now and then, with a zero in it."""
    rng = np.random.default_rng(seed)
    drawn = ft.tree.map(lambda p: (rng.normal(size=np.shape(p)) + 0.5 * np.asarray(p)).astype(dtype), params_like())
    drawn["w"][1, 2] = 0
    return drawn


def run(rule: optim.GradientTransformation, dtype: str = "float64", compiled: bool = True) -> Any:
    params = params_like(dtype)
    state = rule.init(params)
    update: Fun = ft.jit(rule.update) if compiled else rule.update
    course = []
    for seed in range(STEPS):
        updates, state = update(gradients(seed, dtype), state, params)
        params = optim.apply_updates(params, updates)
        course.append(params)
    return course


RULES: dict[str, Fun] = {
    "sgd": lambda o: o.sgd(0.1),
    "momentum": lambda o: o.sgd(0.1, momentum=0.9),
    "nesterov": lambda o: o.sgd(0.1, momentum=0.9, nesterov=True),
    "adagrad": lambda o: o.adagrad(0.1),
    "adagrad from 0": lambda o: o.adagrad(0.1, initial_accumulator_value=0.0),
    "adadelta": lambda o: o.adadelta(0.5),
    "adadelta, decay": lambda o: o.adadelta(0.5, rho=0.95, weight_decay=0.1),
    "rmsprop": lambda o: o.rmsprop(0.01),
    "rmsprop, all": lambda o: o.rmsprop(0.01, 0.95, 1e-6, 0.1, False, True, 0.9, True),
    "adam": lambda o: o.adam(0.1),
    "adam, all": lambda o: o.adam(0.1, 0.8, 0.95, 1e-6, 1e-7, nesterov=True),
    "nadam": lambda o: o.nadam(0.1),
    "adamw": lambda o: o.adamw(0.1, weight_decay=0.05),
    "adamw, mask": lambda o: o.adamw(0.1, weight_decay=0.05, mask={"w": True, "b": False}),
    "adamw, mask by rank": lambda o: o.adamw(0.1, mask=lambda params: ft.tree.map(lambda p: np.ndim(p) > 1, params)),
    "adamax": lambda o: o.adamax(0.1),
    "amsgrad": lambda o: o.amsgrad(0.1, b2=0.5),
    "radam": lambda o: o.radam(0.1, b2=0.9),
    "lion": lambda o: o.lion(0.01, weight_decay=0.1),
    "lamb": lambda o: o.lamb(0.01, weight_decay=0.1),
    "schedule": lambda o: o.adam(o.warmup_cosine_decay_schedule(0.0, 0.1, 3, 10, 0.01)),
    "clipped": lambda o: o.chain(o.clip_by_global_norm(1.0), o.clip(0.3), o.sgd(0.1)),
    "clipped by units": lambda o: o.chain(o.adaptive_grad_clip(0.1), o.sgd(0.1)),
    "averaged": lambda o: o.chain(o.ema(0.9), o.sgd(0.1)),
    "labels": lambda o: o.multi_transform({"a": o.adam(0.1), "s": o.sgd(0.1)}, {"w": "a", "b": "s"}),
}


@pytest.mark.parametrize("name", RULES)
def test_every_step_is_that_of_optax(name: str) -> None:
    optax: Any = pytest.importorskip("optax")
    jax: Any = pytest.importorskip("jax")
    with jax.enable_x64(True):
        rule = RULES[name](optax)
        params = jax.tree.map(jax.numpy.asarray, params_like())
        state = rule.init(params)
        wanted = []
        for seed in range(STEPS):
            updates, state = rule.update(jax.tree.map(jax.numpy.asarray, gradients(seed)), state, params)
            params = optax.apply_updates(params, updates)
            wanted.append(jax.tree.map(np.asarray, params))
    # JAX makes Python numbers of hyperparameters float32 where it powers them by the count.
    ft.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-7), run(RULES[name](optim)), wanted)


TORCH: dict[str, tuple[str, dict[str, Any], Fun]] = {
    "sgd": (
        "SGD",
        {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.1},
        lambda: optim.chain(optim.add_decayed_weights(0.1), optim.sgd(0.1, 0.9)),
    ),
    "nesterov": ("SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True}, lambda: optim.sgd(0.1, 0.9, True)),
    "adagrad": (
        "Adagrad",
        {"lr": 0.1, "initial_accumulator_value": 0.1, "eps": 1e-16},
        lambda: optim.adagrad(0.1, eps=0.0),
    ),
    "adadelta": ("Adadelta", {"lr": 0.5}, lambda: optim.adadelta(0.5)),
    "rmsprop": ("RMSprop", {"lr": 0.01}, lambda: optim.rmsprop(0.01, 0.99, 1e-8, eps_in_sqrt=False)),
    "rmsprop, centered": (
        "RMSprop",
        {"lr": 0.01, "centered": True},
        lambda: optim.rmsprop(0.01, 0.99, eps_in_sqrt=False, centered=True),
    ),
    "adam": ("Adam", {"lr": 0.1}, lambda: optim.adam(0.1)),
    "adamw": ("AdamW", {"lr": 0.1}, lambda: optim.adamw(0.1, weight_decay=0.01)),
    "adamax": ("Adamax", {"lr": 0.1}, lambda: optim.adamax(0.1)),
    "rprop": ("Rprop", {"lr": 0.01}, lambda: optim.rprop(0.01)),
}


@pytest.mark.parametrize("name", TORCH)
def test_every_step_is_that_of_torch(name: str) -> None:
    torch: Any = pytest.importorskip("torch")
    kind, options, ours = TORCH[name]
    leaves = [torch.tensor(leaf) for leaf in ft.tree.leaves(params_like())]
    rule = getattr(torch.optim, kind)(leaves, **options)
    wanted = []
    for seed in range(STEPS):
        for leaf, gradient in zip(leaves, ft.tree.leaves(gradients(seed)), strict=True):
            leaf.grad = torch.tensor(gradient)
        rule.step()
        wanted.append([leaf.numpy().copy() for leaf in leaves])
    for step, course in zip(run(ours()), wanted, strict=True):
        for a, b in zip(ft.tree.leaves(step), course, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-10)


ALL = {**RULES, "rprop": lambda o: o.rprop(0.01)}  # optax makes rprop's steps one step late; torch's are ours


@pytest.mark.parametrize("name", ALL)
def test_dtypes_stay_and_jit_changes_nothing(name: str) -> None:
    compiled, eager = run(ALL[name](optim), "float32"), run(ALL[name](optim), "float32", compiled=False)
    assert {leaf.dtype for leaf in ft.tree.leaves([compiled, eager])} == {np.dtype(np.float32)}
    ft.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-4, atol=2e-5), compiled, eager)
    state = ft.jit(ALL[name](optim).init)(params_like("float32"))
    assert ft.tree.structure(state) == ft.tree.structure(ALL[name](optim).init(params_like("float32")))


def test_moments_may_have_another_dtype() -> None:
    for rule in (optim.adam(0.1, mu_dtype="float32"), optim.lion(0.1, mu_dtype="float32")):
        state = rule.init(params_like())
        for _ in range(2):
            _, state = rule.update(gradients(0), state, params_like())
        assert {leaf.dtype for leaf in ft.tree.leaves(state[0].mu)} == {np.dtype(np.float32)}


def test_complex_parameters() -> None:
    x, target = np.array([1 + 2j, -3j]), np.array([2 - 1j, 1 + 1j])
    for rule in (optim.adam(0.1), optim.adagrad(1.0), optim.rmsprop(0.05), optim.adadelta(20.0), optim.adamax(0.1)):
        found, state = x, rule.init(x)
        for _ in range(300):
            gradient = np.conj(ft.grad(lambda v: np.sum(np.abs(v - target) ** 2))(found))
            updates, state = rule.update(gradient, state, found)
            found = optim.apply_updates(found, updates)
        assert np.max(np.abs(found - target)) < 0.1
        assert "f" in {leaf.dtype.kind for leaf in ft.tree.leaves(state)}  # averages of squares are real


def test_lbfgs_is_that_of_optax() -> None:
    optax: Any = pytest.importorskip("optax")
    jax: Any = pytest.importorskip("jax")
    matrix = np.diag([1.0, 3.0, 10.0])

    def course(lib: Any, rule: Any) -> list[Any]:
        params = {"x": np.array([3.0, -2.0, 1.0])}
        state, all_params = rule.init(params), []
        for _ in range(8):
            updates, state = rule.update({"x": matrix @ params["x"] + params["x"] ** 3}, state, params)
            params = {"x": np.asarray(lib.apply_updates(params, updates)["x"])}
            all_params.append(params["x"])
        return all_params

    with jax.enable_x64(True):
        wanted = course(optax, optax.lbfgs(0.5, memory_size=3, linesearch=None))
    np.testing.assert_allclose(course(optim, optim.lbfgs(0.5, memory_size=3)), wanted, rtol=1e-6, atol=1e-9)


SCHEDULES: dict[str, Fun] = {
    "constant": lambda o: o.constant_schedule(0.3),
    "polynomial": lambda o: o.polynomial_schedule(1.0, 0.1, 2, 7, 2),
    "linear": lambda o: o.linear_schedule(0.2, 1.0, 5),
    "exponential": lambda o: o.exponential_decay(1.0, 4, 0.5, 2),
    "stairs": lambda o: o.exponential_decay(1.0, 4, 0.5, 0, True, 0.2),
    "growing": lambda o: o.exponential_decay(1.0, 4, 2.0, 0, False, 3.0),
    "cosine": lambda o: o.cosine_decay_schedule(1.0, 9, 0.1, 1.5),
    "warm cosine": lambda o: o.warmup_cosine_decay_schedule(0.0, 1.0, 3, 10, 0.1),
    "warm exponential": lambda o: o.warmup_exponential_decay_schedule(0.0, 1.0, 3, 5, 0.7),
    "linear cycle": lambda o: o.linear_onecycle_schedule(12, 1.0),
    "cosine cycle": lambda o: o.cosine_onecycle_schedule(12, 1.0),
}


@pytest.mark.parametrize("name", SCHEDULES)
def test_schedules_are_those_of_optax(name: str) -> None:
    optax: Any = pytest.importorskip("optax")
    jax: Any = pytest.importorskip("jax")
    ours = SCHEDULES[name](optim)
    compiled: Fun = ft.jit(ours)
    with jax.enable_x64(True):
        theirs = SCHEDULES[name](optax)
        wanted = [float(theirs(count)) for count in range(16)]
    np.testing.assert_allclose([ours(count) for count in range(16)], wanted, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose([compiled(np.int64(count)) for count in range(16)], wanted, rtol=1e-6, atol=1e-9)


def test_schedules_are_those_of_torch() -> None:
    torch: Any = pytest.importorskip("torch")
    rates = torch.optim.lr_scheduler
    pairs: list[tuple[Fun, Any]] = [
        (lambda o: rates.StepLR(o, 3, 0.5), optim.exponential_decay(1.0, 3, 0.5, staircase=True)),
        (lambda o: rates.MultiStepLR(o, [2, 5], 0.1), optim.piecewise_constant_schedule(1.0, {2: 0.1, 5: 0.1})),
        (lambda o: rates.CosineAnnealingLR(o, 10, 0.1), optim.cosine_decay_schedule(1.0, 10, 0.1)),
        (lambda o: rates.PolynomialLR(o, 8, 2.0), optim.polynomial_schedule(1.0, 0.0, 2, 8)),
    ]
    for theirs, ours in pairs:
        rule = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
        rate, found = theirs(rule), []
        for _ in range(8):
            found.append(rate.get_last_lr()[0])
            rule.step()
            rate.step()
        np.testing.assert_allclose([ours(count) for count in range(8)], found, rtol=1e-9)


def test_a_whole_training_is_one_program_and_has_a_gradient() -> None:
    """The derivative of what is reached by the learning rate, through all steps, against finite differences; batched, too."""
    x, y = np.random.default_rng(1).normal(size=(8, 3)), np.arange(8.0)

    def reached(rate: Any) -> Any:
        rule = optim.adam(rate)

        def step(state: Any, _: None) -> Any:
            w, memory = state
            updates, memory = rule.update(ft.grad(lambda w: np.mean((x @ w - y) ** 2))(w), memory)
            return (optim.apply_updates(w, updates), memory), None

        w = np.zeros(3)
        (w, _), _ = ft.lax.scan(step, (w, rule.init(w)), None, length=20)
        return np.mean((x @ w - y) ** 2)

    slope = ft.jit(ft.grad(reached))(0.05)
    np.testing.assert_allclose(slope, (reached(0.05 + 1e-6) - reached(0.05 - 1e-6)) / 2e-6, rtol=1e-5)
    rates = np.array([0.01, 0.05, 0.1])
    np.testing.assert_allclose(ft.jit(ft.vmap(reached))(rates), [reached(rate) for rate in rates], rtol=1e-9)


def test_descend_follows_the_course() -> None:
    def loss(w: Any, x: Any, y: Any) -> Any:
        return np.mean((x @ w - y) ** 2)

    x = np.random.default_rng(2).normal(size=(20, 3))
    y, w = x @ np.array([1.0, -2.0, 0.5]), np.zeros(3)
    losses: list[Any] = []
    found = optim.descend(loss, w, x, y, learning_rate=0.2, epsilon=1e-8, k=5)
    while len(losses) <= 5 or abs(losses[-1] - losses[-6]) >= 1e-8:
        losses.append(loss(w, x, y))
        w = w - 0.2 * 2 / 20 * x.T @ (x @ w - y)
    assert found.ended == "converged"
    np.testing.assert_allclose(found.losses, losses, rtol=1e-9, atol=1e-15)
    np.testing.assert_allclose(found.params, w, rtol=1e-9)


def test_descend_says_why_it_ended(capsys: pytest.CaptureFixture[str]) -> None:
    start = {"x": np.array([1.0, 1.0]), "y": 2.0}
    bowl = lambda p: np.sum(p["x"] ** 2) + p["y"] ** 2
    found = optim.descend(bowl, start, optimizer=optim.adam(0.1), max_steps=7, progress=True)
    assert found.ended == "max_steps"
    assert len(found.losses) == 7
    assert "7/7" in capsys.readouterr().err
    np.testing.assert_array_equal(start["x"], [1.0, 1.0])  # the caller's arrays are left alone
    with np.errstate(over="ignore", invalid="ignore"):
        lost = optim.descend(lambda x: np.sum(np.exp(x)), np.full(2, 50.0), learning_rate=-1.0)
    assert lost.ended == "diverged"
    assert not np.isfinite(lost.losses[-1])
    refused: list[dict[str, Any]] = [
        {"learning_rate": 0.1, "optimizer": optim.sgd(0.1)},
        {"k": 0},
        {"k": 2.5},
        {"epsilon": -1.0},
        {"max_steps": 0},
    ]
    for wrong in refused:
        with pytest.raises(ParameterError, match="`descend` got"):
            optim.descend(bowl, start, **wrong)


def test_descend_goes_downhill_in_the_complex_plane() -> None:
    found = optim.descend(lambda z: np.sum(np.abs(z - 2j) ** 2), np.array([1 + 1j]), epsilon=1e-12)
    np.testing.assert_allclose(found.params, [2j], atol=1e-4)


def test_wrong_uses_are_told() -> None:
    params = params_like()
    for rule in (optim.adamw(0.1), optim.lamb(0.1), optim.lbfgs(), optim.adaptive_grad_clip(0.1)):
        with pytest.raises(ParameterError, match="got no parameters"):
            rule.update(gradients(0), rule.init(params))
    with pytest.raises(ParameterError, match="the state of 1 transformations"):
        optim.adam(0.1).update(params, optim.chain(optim.identity()).init(params))
    with pytest.raises(ft.errors.TreeMismatchError):
        optim.adam(0.1).update({"w": params["w"]}, optim.adam(0.1).init(params))
    with pytest.raises(ParameterError, match="labels \\['z'\\]"):
        optim.multi_transform({"a": optim.sgd(0.1)}, {"w": "a", "b": "z"}).init(params)
    with pytest.raises(ParameterError, match="transition_steps=0"):
        optim.linear_schedule(0.0, 1.0, 0)
    with pytest.raises(ParameterError, match="decay_rate=0"):
        optim.exponential_decay(1.0, 2, 0.0)


def test_what_all_leaves_share_is_computed_once_a_step() -> None:
    for rule in (optim.adam(0.1), optim.nadam(0.1), optim.adamax(0.1), optim.amsgrad(0.1), optim.radam(0.1)):
        counts = []
        for leaves in (1, 5):
            params = [np.ones(3)] * leaves
            jaxpr = ft.make_jaxpr(rule.update)(params, rule.init(params), params)
            counts.append(str(jaxpr).count("= pow"))
        assert counts[0] == counts[1] > 0
