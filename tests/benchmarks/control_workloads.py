"""The group `control`: loops whose steps depend on each other, differentiated, batched, and with Python in them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial

from tests.benchmarks import inputs
from tests.benchmarks.workload import BEST, Cut, Inputs, Rival, Workload

KEPT = Rival("no checkpoint", "functrans", kind="long_gradient")
"""The same gradient with all that the steps back need kept."""


def control(cut: Cut) -> Iterator[Workload]:
    yield from recurrent(cut)
    yield from newton(cut)
    yield from long(cut)
    yield from lanes(cut)
    (steps,) = cut(1000)
    name, goals = "simulation of 1000 steps with a Python callback in each", {"jax": 0.5}
    yield _timed(name, "simulation", partial(inputs.linspace, 0.0, 1.0, 2), {"steps": steps}, goals)


def _timed(
    name: str, kind: str, arguments: Inputs, options: Mapping[str, object], goals: Mapping[str, float], bar: str = ""
) -> Workload:
    return Workload("control", name, kind, arguments, options, goals, 0.2, bar or name)


def recurrent(cut: Cut) -> Iterator[Workload]:
    steps, batch, size = cut(200, 32, 128)
    for title, cell, gates in (("an LSTM", "lstm", 4), ("a tanh-RNN", "rnn", 1)):
        name = f"training step of {title}, 200 steps, batch 32, 128 wide, float32"
        arguments = partial(inputs.sequences, steps, batch, size, gates)
        yield _timed(name, "recurrent_step", arguments, {"cell": cell}, {BEST: 0.7}, f"training step of {title}")


def newton(cut: Cut) -> Iterator[Workload]:
    for count, unknowns in ((1, "1 unknown"), (1000, "1000 unknowns")):
        arguments, title = partial(inputs.planets, *cut(count)), f"Newton's method in a while_loop, {unknowns}"
        yield _timed(title, "newton", arguments, {}, {BEST: 0.3}, title)
        for mode, how in (
            ("forward", "forward through the loop"),
            ("reverse", "reverse through the loop (JAX: custom_root)"),
            ("implicit", "by custom_root"),
        ):
            name, bar = f"{title}: derivative, {how}", f"{title}, derivative"
            yield _timed(name, "newton_derivative", arguments, {"mode": mode}, {"jax": 0.3}, bar)


def long(cut: Cut) -> Iterator[Workload]:
    (steps,) = cut(10_000)
    system = partial(inputs.normal, (3,), dtype="float64")
    name, bar = "while_loop of 10⁴ Runge–Kutta steps of 3 equations", "10⁴ Runge–Kutta steps"
    yield _timed(name, "odeint", system, {"steps": steps}, {"jax": 0.1}, bar)
    (steps,) = cut(100_000)
    system, options = partial(inputs.dynamics, 10), {"steps": steps}
    title = "gradient of a scan of 10⁵ steps, 10 numbers"
    yield _timed(title, "long_gradient", system, options, {"jax": 0.2}, title)
    name = f"{title}, in √n blocks"
    yield _timed(name, "long_gradient_in_blocks", system, options, {"jax": 0.2}, name)
    yield Workload(
        "control", f"memory of the {name}", "long_gradient_in_blocks", system, {**options, "ahead": True},
        {KEPT.name: 0.02}, measures="peak", rivals=(KEPT,),
    )  # fmt: skip


def lanes(cut: Cut) -> Iterator[Workload]:
    (count,) = cut(1000)
    for name, kind, arguments in (
        ("Collatz' sequences of 1 to 1000", "collatz", partial(inputs.integers, 1, count, count)),
        ("Collatz' sequence of 97, 1000 times", "collatz", partial(inputs.integers, 97, 97, count)),
        ("growth at rates from 0.01 to 1", "growth", partial(inputs.linspace, 0.01, 1.0, count)),
    ):
        title = f"vmap of a while_loop, 1000 lanes: {name}"
        yield _timed(title, kind, arguments, {}, {"jax": 0.3}, "vmap of a while_loop")
