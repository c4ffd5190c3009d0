"""A network of long short-term memory learns to write: character by character, after the Zen of Python.

    python examples/lstm_text.py                             # half a minute; then it recites
    python examples/lstm_text.py --text lambda               # a help page of Python instead: any topic of help()
    python examples/lstm_text.py --temperature 1 --steps 60  # bolder, and less learned: it makes words up

The network reads one character at a time and says how likely each is to come next. Between characters it keeps a memory c
and an output h, both vectors, and three gates decide what happens to them (Hochreiter and Schmidhuber 1997, Gers 2000):

    c ← forget · c + input · tanh(…)        h ← output · tanh(c)

Read `cell` and `surprise` first: plain NumPy for ONE text. `scan` walks `cell` along it, and the gradient goes back along all
of it: backpropagation through time.
"""

from __future__ import annotations

import argparse
import codecs
import contextlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from pydoc_data.topics import topics
from time import perf_counter
from typing import NamedTuple, TypeAlias

import numpy as np
from matplotlib.figure import Figure
from threadpoolctl import threadpool_limits
from tqdm import tqdm

import functrans as ft
from functrans import Array, lax

State: TypeAlias = tuple[Array, Array]
"""The output h and the memory c."""


class Params(NamedTuple):
    """All that is learned; the four rows of blocks are those of the three gates and of what may be remembered."""

    of_character: Array  # characters × 4 hidden: row k is the matrix times the unit vector of character k
    of_output: Array  # hidden × 4 hidden
    bias: Array  # 4 hidden
    scores: Array  # hidden × characters
    frequency: Array  # characters


# ---- the network: one text in, one number out ----


def initial_params(characters: int, hidden: int, rng: np.random.Generator) -> Params:
    """Random weights of variance 1 / inputs, and forget gates that start open."""
    bias = np.zeros(4 * hidden)
    bias[hidden : 2 * hidden] = 1
    return Params(
        rng.normal(scale=0.5, size=(characters, 4 * hidden)),
        rng.normal(scale=hidden**-0.5, size=(hidden, 4 * hidden)),
        bias,
        rng.normal(scale=hidden**-0.5, size=(hidden, characters)),
        np.zeros(characters),
    )


def sigmoid(z: Array) -> Array:
    """1 / (1 + exp(-z)), which cannot overflow."""
    gate: Array = (1 + np.tanh(z / 2)) / 2
    return gate


def cell(params: Params, state: State, character: Array) -> tuple[State, Array]:
    """One character is read: the new state, and the output once more."""
    output, memory = state
    sums = params.of_character[character] + output @ params.of_output + params.bias
    take, keep, show, new = np.split(sums, 4)
    memory = sigmoid(keep) * memory + sigmoid(take) * np.tanh(new)
    output = sigmoid(show) * np.tanh(memory)
    return (output, memory), output


def start(params: Params) -> State:
    """Nothing read, nothing remembered."""
    hidden = len(params.of_output)
    return np.zeros(hidden), np.zeros(hidden)


def surprise(params: Params, text: Array) -> Array:
    """How surprised the network is by a character of the text, given those before: the mean of −log its probability."""
    _, outputs = lax.scan(partial(cell, params), start(params), text[:-1])
    scores = outputs @ params.scores + params.frequency
    scores = scores - np.max(scores, axis=1, keepdims=True)  # so that the largest exponential is exp(0) = 1
    right = np.take_along_axis(scores, text[1:, None], axis=1)[:, 0]
    mean: Array = (np.log(np.sum(np.exp(scores), axis=1)) - right).mean()
    return mean


def write(params: Params, first: Array, noise: Array) -> Array:
    """The network reads what it writes: as many characters as there are rows of noise, after the `first`.

    The largest of scores with Gumbel noise added is character k with just the probability that the scores give to it.
    """

    def step(carry: tuple[State, Array], row: Array) -> tuple[tuple[State, Array], Array]:
        state, character = carry
        state, output = cell(params, state, character)
        following: Array = (output @ params.scores + params.frequency + row).argmax(axis=-1)
        return (state, following), following

    _, characters = lax.scan(step, (start(params), first), noise)
    return characters


# ---- learning ----


@dataclass(frozen=True)
class Schooling:
    """How to learn: from `batch` pieces of the text at a time, by Adam (Kingma and Ba 2015)."""

    steps: int
    batch: int
    length: int
    learning_rate: float


def train(
    params: Params, text: Array, plan: Schooling, rng: np.random.Generator, shown: Sequence[int]
) -> tuple[list[Params], list[float]]:
    """The parameters before the steps that are to be shown and at the end, and the loss before each step."""

    def loss(params: Params, texts: Array) -> Array:
        mean: Array = ft.vmap(surprise, in_axes=(None, 0))(params, texts).mean()
        return mean

    @ft.jit
    def step(
        params: Params, average: Params, square: Params, texts: Array, rate: float
    ) -> tuple[Params, Params, Params, Array]:
        value, gradient = ft.value_and_grad(loss)(params, texts)
        average = ft.tree.map(lambda a, g: 0.9 * a + 0.1 * g, average, gradient)
        square = ft.tree.map(lambda s, g: 0.99 * s + 0.01 * g * g, square, gradient)
        params = ft.tree.map(lambda p, a, s: p - rate * a / (np.sqrt(s) + 1e-8), params, average, square)
        return params, average, square, value

    kept, losses = [], []
    average = square = ft.tree.map(np.zeros_like, params)
    for number in tqdm(range(plan.steps), desc="training", unit=" steps", mininterval=0.2):
        if number in shown:
            kept.append(params)
        beginnings = rng.integers(0, len(text) - plan.length, size=(plan.batch, 1), endpoint=True)
        texts = text[beginnings + np.arange(plan.length)]
        rate = plan.learning_rate * min(1, 2 * (1 - number / plan.steps))  # smaller and smaller in the second half
        params, average, square, value = step(params, average, square, texts, rate)
        losses.append(float(value))
    return [*kept, params], losses


# ---- the program ----


@dataclass(frozen=True)
class Result:
    """What a run has found: the loss before each step, and what the network wrote when, the last time at the end."""

    losses: list[float]
    written: dict[int, str]


def main(argv: Sequence[str] | None = None) -> Result:
    """Read, learn, write, draw."""
    options = parse(argv)
    text = read(options.text)
    alphabet = sorted(set(text))
    numbers = np.array([alphabet.index(character) for character in text])
    rng = np.random.default_rng(options.seed)
    params = initial_params(len(alphabet), options.hidden, rng)
    print(f"text      {len(text)} characters, {len(alphabet)} different ones")
    print(f"network   {options.hidden} units, {sum(leaf.size for leaf in params)} parameters")

    plan = Schooling(options.steps, options.batch, min(options.length, len(text)), options.learning_rate)
    shown = [0, options.steps // 15, options.steps // 6]
    begin = perf_counter()
    with threadpool_limits(1):  # small matrices: one thread multiplies them sooner than two that wait for each other
        kept, losses = train(params, numbers, plan, rng, shown)
    print(f"training  {options.steps} steps in {perf_counter() - begin:.1f} s")
    print(f"loss      {losses[0]:.3f} → {losses[-1]:.3f} a character; by frequencies alone {entropy(numbers):.3f}")

    noise = options.temperature * rng.gumbel(size=(options.characters, len(alphabet)))
    writer = ft.jit(write)
    texts = ["".join(alphabet[k] for k in writer(each, numbers[0], noise)) for each in kept]
    result = Result(losses, dict(zip([*shown, options.steps], [text[0] + each for each in texts], strict=True)))
    print(f"\n{result.written[options.steps]}\n")
    draw(result, entropy(numbers)).savefig(options.out, dpi=150)
    print(f"picture   {options.out}")
    return result


def read(name: str) -> str:
    """The Zen of Python, or a page of Python's help."""
    if name != "zen":
        return topics[name].strip()
    with contextlib.redirect_stdout(io.StringIO()):  # it recites itself when it is imported
        import this
    return codecs.decode(this.s, "rot13")


def entropy(numbers: Array) -> float:
    """The loss of who knows how frequent each character is, and no more."""
    frequencies = np.bincount(numbers) / len(numbers)
    return float(-np.sum(frequencies * np.log(np.maximum(frequencies, 1e-300))))


def draw(result: Result, by_frequency: float) -> Figure:
    """The loss curve, and what the network wrote at several times."""
    figure = Figure(figsize=(11, 5.2), layout="constrained")
    curve, page = figure.subplots(1, 2, width_ratios=(1, 1.15))
    curve.plot(result.losses, color="tab:blue", linewidth=1.5)
    curve.axhline(by_frequency, color="tab:gray", linestyle="--", linewidth=1)
    curve.annotate("frequencies alone", (len(result.losses), by_frequency), ha="right", va="bottom", color="tab:gray")
    curve.set(xlabel="step", ylabel="surprise a character", xlim=(0, len(result.losses)), ylim=(0, None))
    curve.set_title("Training loss", fontsize=12)
    curve.grid(alpha=0.3)
    curve.spines[["top", "right"]].set_visible(False)

    page.set_axis_off()
    page.set_title("What it writes", fontsize=12)
    top = 1.0
    for steps, text in result.written.items():
        lines = [line[:62] for line in text.splitlines()][: 10 if steps == max(result.written) else 3]
        page.text(0, top, f"after {steps} steps", color="tab:blue", fontsize=10, va="top", transform=page.transAxes)
        page.text(0, top - 0.05, "\n".join(lines).replace("$", r"\$"), family="monospace", fontsize=8, va="top",
                  transform=page.transAxes)  # fmt: skip
        top -= 0.09 + 0.037 * len(lines)
    return figure


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(
        description="Teach a network of long short-term memory to write.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = partial(parser.add_argument, metavar="N")
    parser.add_argument(
        "--text", choices=["zen", *topics], default="zen", metavar="TOPIC", help="zen, or one of help()'s"
    )
    add("--hidden", type=int, default=96, help="numbers in the memory")
    add("--steps", type=int, default=300, help="steps of training")
    add("--batch", type=int, default=16, help="pieces of the text in a step")
    add("--length", type=int, default=64, help="characters in a piece")
    add("--learning-rate", type=float, default=0.01, help="step length of Adam")
    add("--temperature", type=float, default=0.3, help="0: always the likeliest character; 1: as likely as it says")
    add("--characters", type=int, default=400, help="how much to write")
    add("--seed", type=int, default=0, help="for the initial weights, the choice of pieces, and the writing")
    parser.add_argument("--out", type=Path, default=Path("lstm_text.png"), help="the picture")
    return parser.parse_args(argv)


if __name__ == "__main__":
    main()
