"""A neural network learns to read handwritten digits: the whole of backpropagation in one short program.

    python examples/digits_mlp.py                                           # a few seconds; 98 % of unseen digits right
    python examples/digits_mlp.py --activation sigmoid --learning-rate 0.3  # flat, so gradients are small: step further
    python examples/digits_mlp.py --layers 64 --momentum 0 --seed 7         # python examples/digits_mlp.py --help

The data are scikit-learn's 1797 images of 8×8 pixels. The network has four layers, by default

    ŷ = softmax(W⁴ relu(W³ relu(W² relu(W¹x + b¹) + b²) + b³) + b⁴)

Read `scores` and `cross_entropy` first: plain NumPy, for ONE image. Everything else is made of them: `vmap` makes the loss
of many images out of the loss of one, `value_and_grad` its gradient, `jit` a compiled program of that.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from time import perf_counter
from typing import TypeAlias

import numpy as np
from matplotlib.figure import Figure
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from threadpoolctl import threadpool_limits
from tqdm import tqdm

import functrans as ft
from functrans import Array

Params: TypeAlias = list[tuple[Array, Array]]
"""The weights W and the biases b of every layer. Any nesting of lists, tuples and dicts of arrays would do."""

Activation: TypeAlias = Callable[[Array], Array]

ACTIVATIONS: dict[str, Activation] = {
    "relu": lambda z: np.maximum(z, 0),
    "tanh": np.tanh,
    "sigmoid": lambda z: (1 + np.tanh(z / 2)) / 2,  # is 1 / (1 + exp(-z)), but cannot overflow
    "softplus": lambda z: np.logaddexp(0, z),  # is log(1 + exp(z)): a relu with its corner rounded off
}


# ---- the network: one image in, one number out ----


def initial_params(sizes: Sequence[int], rng: np.random.Generator) -> Params:
    """He's initialisation: random weights of variance 2 / inputs keep the signal's size from layer to layer."""
    return [
        (rng.normal(scale=np.sqrt(2 / inputs), size=(outputs, inputs)), np.zeros(outputs))
        for inputs, outputs in pairwise(sizes)
    ]


def scores(activation: Activation, params: Params, image: Array) -> Array:
    """Forward through the network: a score for each of the ten digits, the highest for the likeliest."""
    *hidden, last = params
    signal = image
    for weights, bias in hidden:
        signal = activation(weights @ signal + bias)
    weights, bias = last
    return weights @ signal + bias


def cross_entropy(activation: Activation, params: Params, image: Array, label: Array) -> Array:
    """How surprised the network is by the right answer: −log ŷ[label], where ŷ = softmax(scores)."""
    s = scores(activation, params, image)
    s = s - np.max(s)  # leaves softmax as it is, and the largest exponential is exp(0) = 1: no overflow
    surprise: Array = np.log(np.sum(np.exp(s))) - s[label]
    return surprise


def classify(activation: Activation, params: Params, images: Array) -> Array:
    """The likeliest digit for each of many images."""
    every: Array = ft.vmap(partial(scores, activation), in_axes=(None, 0))(params, images)  # one row for each image
    digits: Array = every.argmax(axis=1)
    return digits


# ---- learning ----


@dataclass(frozen=True)
class Descent:
    """How to go downhill, and when to stop: when |L(t) − L(t − patience)| < epsilon, or after `max_steps`."""

    learning_rate: float
    momentum: float
    epsilon: float
    patience: int
    max_steps: int

    def ended(self, losses: Sequence[float]) -> bool:
        return len(losses) > self.patience and abs(losses[-1] - losses[-1 - self.patience]) < self.epsilon


def train(
    activation: Activation, params: Params, images: Array, labels: Array, descent: Descent
) -> tuple[Params, list[float]]:
    """Gradient descent: the trained parameters, and the loss before each step."""

    def loss(params: Params, images: Array, labels: Array) -> Array:
        # The same parameters (None) for all images, and along axis 0 another image and label for each.
        each = ft.vmap(partial(cross_entropy, activation), in_axes=(None, 0, 0))(params, images, labels)
        mean: Array = each.mean()
        return mean

    # This line is backpropagation. `value_and_grad` runs `loss` forward and remembers each operation; then it goes through
    # them backwards, from the loss (gradient 1) to the parameters, and multiplies the gradient that arrives at an operation
    # by that operation's own derivatives: the chain rule. (examples/circuit.py draws it.) The gradient has the shape of
    # `params`: a list of (∂L/∂W, ∂L/∂b). `jit` records all of this once and from then on runs the compiled record.
    step = ft.jit(ft.value_and_grad(loss))

    losses: list[float] = []
    velocity = ft.tree.map(np.zeros_like, params)
    with tqdm(total=descent.max_steps, desc="training", unit=" steps", mininterval=0.2) as progress:
        while len(losses) < descent.max_steps and not descent.ended(losses):
            value, gradient = step(params, images, labels)
            if not np.isfinite(value):
                raise SystemExit(f"The loss is {value} after {len(losses)} steps: try a smaller --learning-rate.")
            # The gradient points uphill, so a small step against it makes the loss smaller. Momentum lets the steps gather
            # speed where gradients agree, and cancel where they alternate; with momentum 0 the velocity is the gradient.
            velocity = ft.tree.map(lambda v, g: descent.momentum * v + g, velocity, gradient)
            params = ft.tree.map(lambda p, v: p - descent.learning_rate * v, params, velocity)
            losses.append(float(value))
            progress.set_postfix(loss=f"{value:.4f}", refresh=False)
            progress.update()
    return params, losses


# ---- the program ----


@dataclass(frozen=True)
class Result:
    """What a run has found."""

    losses: list[float]
    train_accuracy: float
    test_accuracy: float


def main(argv: Sequence[str] | None = None) -> Result:
    """Load the data, train, test on images that were not trained on, draw."""
    options = parse(argv)
    pixels, digits = load_digits(return_X_y=True)
    parts = train_test_split(pixels / 16, digits, test_size=0.2, random_state=options.seed, stratify=digits)
    images, test_images, labels, test_labels = map(np.asarray, parts)
    activation = ACTIVATIONS[options.activation]
    sizes = [images.shape[1], *options.layers, 10]
    params = initial_params(sizes, np.random.default_rng(options.seed))
    print(f"network    {' → '.join(map(str, sizes))}, {options.activation}, {count(params)} parameters")
    print(f"data       {len(images)} images to train on, {len(test_images)} to test on")

    start = perf_counter()
    descent = Descent(options.learning_rate, options.momentum, options.epsilon, options.patience, options.max_steps)
    with threadpool_limits(1):  # small matrices: one thread multiplies them sooner than two that wait for each other
        params, losses = train(activation, params, images, labels, descent)
    seconds = perf_counter() - start

    right = classify(activation, params, images) == labels
    predicted = classify(activation, params, test_images)
    wrong = np.flatnonzero(predicted != test_labels)
    result = Result(losses, float(right.mean()), 1 - len(wrong) / len(test_labels))
    end = f"|L(t+{descent.patience}) − L(t)| < {descent.epsilon:g}" if descent.ended(losses) else "--max-steps"
    print(f"training   {len(losses)} steps in {seconds:.1f} s, until {end}")
    print(f"loss       {losses[0]:.4f} → {losses[-1]:.4f}")
    print(f"accuracy   {result.train_accuracy:.1%} in training, {result.test_accuracy:.1%} in the test")
    print(f"errors     {len(wrong)} of {len(test_labels)} test images")
    draw(result, test_images[wrong], test_labels[wrong], predicted[wrong]).savefig(options.out, dpi=150)
    print(f"picture    {options.out}")
    return result


def count(params: Params) -> int:
    """How many numbers the network has to learn."""
    return sum(leaf.size for leaf in ft.tree.leaves(params))


def draw(result: Result, images: Array, labels: Array, predicted: Array) -> Figure:
    """The loss curve, and some digits that the network got wrong."""
    figure = Figure(figsize=(11, 4.4), layout="constrained")
    left, right = figure.subfigures(1, 2, squeeze=False, width_ratios=(1.25, 1), wspace=0.04).flat

    curve = left.subplots()
    curve.semilogy(result.losses, color="tab:blue", linewidth=2)
    curve.set(xlabel="step", ylabel="mean cross-entropy", xlim=(0, len(result.losses)))
    curve.set_title(f"Training loss · test accuracy {result.test_accuracy:.1%}", fontsize=12)
    curve.grid(alpha=0.3)
    curve.spines[["top", "right"]].set_visible(False)

    grid = right.subplots(min(3, 1 + max(0, len(images) - 1) // 4), 4)  # up to three rows of four
    shown = f", of which {grid.size}" if len(images) > grid.size else ""
    right.suptitle(f"{len(images)} misclassified test images{shown}", fontsize=12)
    for axes in grid.flat:
        axes.set_axis_off()
    for axes, image, label, guess in zip(grid.flat, images, labels, predicted, strict=False):
        axes.imshow(image.reshape(8, 8), cmap="gray_r", vmin=0, vmax=1)
        axes.set_title(f"a {label}, read as {guess}", fontsize=9, color="tab:red")
    return figure


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(
        description="Train a neural network, written in plain NumPy, to read handwritten digits.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = partial(parser.add_argument, metavar="N")
    parser.add_argument("--activation", choices=ACTIVATIONS, default="relu", help="after each hidden layer")
    add("--layers", type=positive(int), nargs="*", default=[128, 64, 32], help="sizes of the hidden layers")
    add("--learning-rate", type=positive(float), default=0.03, help="step length in units of the velocity")
    add("--momentum", type=fraction, default=0.9, help="share of the velocity that a step keeps; 0: gradient descent")
    add("--epsilon", type=positive(float), default=1e-4, help="stop when the loss changes by less than this …")
    add("--patience", type=positive(int), default=5, help="… within so many steps")
    add("--max-steps", type=positive(int), default=3000, help="stop after so many steps at the latest")
    add("--seed", type=int, default=2, help="for the initial weights and the choice of test images")
    parser.add_argument("--out", type=Path, default=Path("digits_mlp.png"), help="the picture")
    return parser.parse_args(argv)


def positive(kind: Callable[[str], float]) -> Callable[[str], float]:
    """A parser of positive numbers of a kind."""

    def number(text: str) -> float:
        value = kind(text)
        if not 0 < value < np.inf:
            raise argparse.ArgumentTypeError(f"{text} is not positive")
        return value

    return number


def fraction(text: str) -> float:
    """A number from 0 to below 1."""
    if not 0 <= float(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not at least 0 and below 1")
    return float(text)


if __name__ == "__main__":
    main()
