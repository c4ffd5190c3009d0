"""AlexNet (Krizhevsky, Sutskever and Hinton 2012; the form of it in torchvision): 61 100 840 parameters learn 96 images by heart.

    python examples/alexnet.py                                                # a minute or two
    python examples/alexnet.py --steps 50 --batch 32 --checkpoint alexnet.npz
    python examples/alexnet.py --steps 50 --batch 32 --resume alexnet.npz     # goes on as if it had never stopped
    python examples/alexnet.py --thin 8 --size 64                             # an eighth of the features: seconds

Twelve classes: patches of scikit-learn's photographs of a temple and a flower, and its digits, enlarged. The network could tell
a thousand apart. Parameters have torchvision's names, so a checkpoint with weights trained elsewhere can be read, too.

Read `logits` first, the network, and then `step`: random choice of images, dropout, gradient and momentum in one compiled
program, in the memory of the parameters before.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from functools import partial
from math import prod
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from matplotlib.figure import Figure
from sklearn.datasets import load_digits, load_sample_image
from tqdm import tqdm

import functrans as ft
from functrans import Array, nn, optim, random
from functrans.nn import initializers

Params: TypeAlias = dict[str, Array]
"""The weights and the bias of each layer, by torchvision's names."""

CLASSES = 1000
NAMES = (*map(str, range(10)), "temple", "flower")
"""Of the classes that there are images of."""


# ---- the network ----


class Convolution(NamedTuple):
    """A convolution with relu; pooled: then the largest of every 3 × 3 at every other place."""

    name: str
    features: int
    window: int
    stride: int
    padding: int
    is_pooled: bool


CONVOLUTIONS = (
    Convolution("features.0", 64, 11, 4, 2, True),
    Convolution("features.3", 192, 5, 1, 2, True),
    Convolution("features.6", 384, 3, 1, 1, False),
    Convolution("features.8", 256, 3, 1, 1, False),
    Convolution("features.10", 256, 3, 1, 1, True),
)
PLACES, UNITS, HIDDEN, LAST = 6, 4096, ("classifier.1", "classifier.4"), "classifier.6"


def shapes(thin: int) -> dict[str, tuple[int, ...]]:
    """The shape of each layer's weights, outputs first; thin: one in so many features."""
    found: dict[str, tuple[int, ...]] = {}
    inputs = 3
    for layer in CONVOLUTIONS:
        found[layer.name] = (layer.features // thin, inputs, layer.window, layer.window)
        inputs = layer.features // thin
    inputs *= PLACES * PLACES
    for name in HIDDEN:
        found[name] = (UNITS // thin, inputs)
        inputs = UNITS // thin
    return found | {LAST: (CLASSES, inputs)}


def initial_params(thin: int, key: Array) -> Params:
    """Random weights of variance 2 / inputs keep the signal's size from layer to layer (He); all scores begin at zero."""
    params = {}
    draw = initializers.he_normal(in_axis=1, out_axis=0, dtype=np.float32)
    layers = shapes(thin)
    for (name, shape), one in zip(layers.items(), random.split(key, len(layers)), strict=True):
        params[f"{name}.weight"] = np.zeros(shape, np.float32) if name == LAST else draw(one, shape)
        params[f"{name}.bias"] = np.zeros(shape[0], np.float32)
    return params


def of_layer(params: Params, name: str) -> tuple[Array, Array]:
    """Its weights and its bias."""
    return params[f"{name}.weight"], params[f"{name}.bias"]


def signals(params: Params, images: Array) -> Iterator[Array]:
    """What comes out of each convolution, of images (images, 3, rows, columns): (images, features, rows, columns)."""
    x = images
    for layer in CONVOLUTIONS:
        x = nn.relu(nn.conv2d(x, *of_layer(params, layer.name), layer.stride, layer.padding))
        if layer.is_pooled:
            x = nn.max_pool2d(x, 3, 2)
        yield x


def logits(params: Params, images: Array, key: Array | None = None) -> Array:
    """A score for each class of each image; with a key half of the numbers between linear layers are dropped."""
    *_, x = signals(params, images)
    x = nn.adaptive_avg_pool2d(x, PLACES).reshape(len(images), -1)
    for number, name in enumerate(HIDDEN):
        if key is not None:
            x = nn.dropout(x, random.fold_in(key, number))
        x = nn.relu(nn.linear(x, *of_layer(params, name)))
    return nn.linear(x, *of_layer(params, LAST))


# ---- learning ----


class Learner(NamedTuple):
    """All that a training that goes on needs to know."""

    steps: Array
    params: Params
    state: Any  # of the optimiser


RATE = optim.warmup_exponential_decay_schedule(0, 0.003, warmup_steps=30, transition_steps=100, decay_rate=0.5)
RULE = optim.sgd(RATE, momentum=0.9)


def begin(thin: int, key: Array) -> Learner:
    """Before the first step."""
    params = initial_params(thin, key)
    return Learner(np.asarray(0), params, RULE.init(params))


def step(key: Array, batch: int, learner: Learner, images: Array, labels: Array) -> tuple[Learner, Array]:
    """A step with a batch of the images, and its loss. What is random in it depends on the key and the number of the step."""

    def loss(params: Params, images: Array, labels: Array, key: Array) -> Array:
        return nn.cross_entropy(logits(params, images, key), labels)

    choosing, dropping = random.split(random.fold_in(key, learner.steps))
    chosen = random.choice(choosing, len(images), (batch,), replace=False)
    value, gradient = ft.value_and_grad(loss)(learner.params, scaled(images[chosen]), labels[chosen], dropping)
    updates, state = RULE.update(gradient, learner.state, learner.params)
    return Learner(learner.steps + 1, optim.apply_updates(learner.params, updates), state), value


def scaled(pixels: Array) -> Array:
    """Numbers from -1 to 1 of bytes."""
    return (pixels.astype(np.float32) - np.float32(127.5)) / np.float32(127.5)


def train(learner: Learner, losses: list[float], images: Array, labels: Array, options: argparse.Namespace) -> Learner:
    """What has been learnt after `options.steps` more steps; their losses are appended to the others, all kept now and then."""
    compiled = ft.jit(partial(step, random.key(options.seed), options.batch), donate_argnums=0)
    with tqdm(total=options.steps, desc="training", unit=" steps") as progress:
        for left in reversed(range(options.steps)):
            learner, value = compiled(learner, images, labels)
            losses.append(float(value))
            progress.set_postfix(loss=f"{value:.4f}", refresh=False)
            progress.update()
            if options.checkpoint and left % options.every == 0:
                save(options.checkpoint, learner, losses)
    return learner


# ---- checkpoints ----


def save(path: Path, learner: Learner, losses: list[float]) -> None:
    """Keep all in a file; the one that was there stays until the new one is whole."""
    arrays = {
        ft.tree_util.keystr(at, simple=True, separator="/"): leaf for at, leaf in ft.tree.leaves_with_path(learner)
    }
    unfinished = path.with_name(f"{path.stem}.unfinished.npz")
    np.savez(unfinished, losses=np.asarray(losses), **arrays)
    unfinished.replace(path)


def load(path: Path, thin: int) -> tuple[Learner, list[float]]:
    """What was kept there."""
    like = ft.eval_shape(partial(begin, thin), random.key(0))
    with np.load(path) as kept:

        def leaf(at: Any, spec: ft.ShapeDtypeStruct) -> Array:
            name = ft.tree_util.keystr(at, simple=True, separator="/")
            if name not in kept or kept[name].shape != spec.shape:
                raise SystemExit(f"{path} has no {name} of shape {spec.shape}: was it kept with another --thin?")
            found: Array = kept[name]
            return found

        return ft.tree.map_with_path(leaf, like), kept["losses"].tolist()


# ---- images ----


def load_images(size: int, per_class: int, rng: np.random.Generator) -> tuple[Array, Array]:
    """Bytes, (images, 3, size, size), and classes: so many of each digit and so many patches of each photograph."""
    pixels, digits = load_digits(return_X_y=True)
    places = np.arange(size) * 8 // size
    found = []
    for digit in range(10):
        for image in rng.choice(pixels[digits == digit], per_class, replace=False):
            enlarged = 255 - image.reshape(8, 8)[np.ix_(places, places)] * (255 / 16)
            found.append(np.broadcast_to(enlarged.astype(np.uint8), (3, size, size)))
    for photograph in map(load_sample_image, ("china.jpg", "flower.jpg")):
        for _ in range(per_class):
            row, column = (rng.integers(0, length - size, endpoint=True) for length in photograph.shape[:2])
            found.append(photograph[row : row + size, column : column + size].transpose(2, 0, 1))
    return np.stack(found), np.repeat(np.arange(len(NAMES)), per_class)


# ---- the program ----


class Result(NamedTuple):
    """What a run has found."""

    losses: list[float]
    accuracy: float
    learner: Learner


def main(argv: Sequence[str] | None = None) -> Result:
    """Load, train, keep, look, draw."""
    options = parse(argv)
    print("\n".join(described(options.thin)))
    images, labels = load_images(options.size, options.per_class, np.random.default_rng(options.seed))
    print(f"images      {len(images)} of {options.size} × {options.size} pixels, {options.per_class} of each class")
    if options.resume:
        learner, losses = load(options.resume, options.thin)
        print(f"resumed     {options.resume}, after {learner.steps} steps")
    else:
        learner, losses = ft.jit(partial(begin, options.thin))(random.key(options.seed)), []

    start = perf_counter()
    learner = train(learner, losses, images, labels, options)
    print(f"training    {options.steps} steps in {perf_counter() - start:.1f} s")
    print(f"loss        {losses[0]:.4f} → {losses[-1]:.4f}")
    guesses = np.asarray(ft.jit(logits)(learner.params, scaled(images))).argmax(axis=1)
    result = Result(losses, float(np.mean(guesses == labels)), learner)
    print(f"accuracy    {result.accuracy:.1%} of these images, with nothing dropped")
    draw(result, images, labels, guesses).savefig(options.out, dpi=150)
    print(f"picture     {options.out}")
    return result


def described(thin: int) -> Iterator[str]:
    """A line for each layer: the shape of its weights, and how many parameters it has with its bias; and the sum."""
    counts = {name: prod(shape) + shape[0] for name, shape in shapes(thin).items()}
    for name, shape in shapes(thin).items():
        yield f"{name:<14}{' × '.join(map(str, shape)):<20}{counts[name]:>12,}"
    yield f"{'parameters':<34}{sum(counts.values()):>12,}"


def draw(result: Result, images: Array, labels: Array, guesses: Array) -> Figure:
    """The loss curve, the strongest signals after each convolution, and an image of each class with what it was taken for."""
    figure = Figure(figsize=(12, 4.2), layout="constrained")
    left, middle, right = figure.subfigures(1, 3, squeeze=False, width_ratios=(1.2, 1, 1.25), wspace=0.04).flat

    curve = left.subplots()
    curve.semilogy(result.losses, color="tab:blue", linewidth=1.5)
    curve.axhline(np.log(len(NAMES)), color="tab:gray", linestyle="--", linewidth=1)
    curve.annotate("guessing", (len(result.losses), np.log(len(NAMES))), ha="right", va="bottom", color="tab:gray")
    curve.set(xlabel="step", ylabel="cross-entropy", xlim=(0, len(result.losses)))
    curve.set_title(f"Training loss · {result.accuracy:.1%} right at the end", fontsize=12)
    curve.grid(alpha=0.3)
    curve.spines[["top", "right"]].set_visible(False)

    middle.suptitle("What the convolutions make of the temple", fontsize=12)
    temple = images[labels == NAMES.index("temple")][:1]
    grid = middle.subplots(4, len(CONVOLUTIONS))
    for column, maps in zip(
        grid.T,
        ft.jit(lambda params, images: [*signals(params, images)])(result.learner.params, scaled(temple)),
        strict=True,
    ):
        column[0].set_title(f"{maps.shape[2]} × {maps.shape[3]}", fontsize=9)
        strongest = maps[0][np.argsort(-maps[0].std(axis=(1, 2)))]
        for axes, signal in zip(column, strongest, strict=False):
            axes.set_axis_off()
            axes.imshow(signal, cmap="inferno")

    right.suptitle("An image of each class", fontsize=12)
    for number, axes in enumerate(right.subplots(3, 4).flat):
        at = np.flatnonzero(labels == number)[0]
        guess = NAMES[guesses[at]] if guesses[at] < len(NAMES) else f"class {guesses[at]}"
        axes.set_axis_off()
        axes.imshow(images[at].transpose(1, 2, 0))
        axes.set_title(guess, fontsize=9, color="tab:green" if guesses[at] == number else "tab:red")
    return figure


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(
        description="Train AlexNet on a few images.", formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    add = partial(parser.add_argument, metavar="N")
    add("--steps", type=int, default=150, help="steps of training, after those of a checkpoint")
    add("--batch", type=int, default=16, help="images in a step")
    add("--per-class", type=int, default=8, help="images of each class")
    add("--size", type=int, default=224, help="rows and columns of an image; at least 63")
    add("--thin", type=int, default=1, help="one in so many features of each layer")
    add("--seed", type=int, default=0, help="for the images, the initial weights, the choice of images, and dropout")
    parser.add_argument(
        "--checkpoint", type=Path, metavar="FILE", help="keep parameters and momentum there, an .npz file"
    )
    add("--every", type=int, default=50, help="keep them at the end, and each so many steps before")
    parser.add_argument("--resume", type=Path, metavar="FILE", help="go on from there")
    parser.add_argument("--out", type=Path, default=Path("alexnet.png"), help="the picture")
    return parser.parse_args(argv)


if __name__ == "__main__":
    main()
