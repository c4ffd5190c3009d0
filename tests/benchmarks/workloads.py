"""What is measured: the workloads, their sizes, and which ratio to which peer is the aim.

A workload names a method (`kind`) that the classes in `frameworks/` have; those without it do not take part. Start
reading at `workloads`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from functools import partial

from tests.benchmarks import inputs, models
from tests.benchmarks.control_workloads import control
from tests.benchmarks.convolution_workloads import convolution
from tests.benchmarks.network_workloads import networks
from tests.benchmarks.workload import BEST, CACHED_JAX, COPY, ONE_THREAD, SHARED, Cut, Workload

SERIAL = ("import", "start", "eager", "jit", "call", "tracing", "memory", "second order", "control")
"""Groups that are not measured again with more threads."""
GROUP_GOALS: Mapping[str, Mapping[str, float]] = {"matmul": {"numpy": 0.9}}
"""Aims for a group's geometric mean."""


def workloads(most: int = sys.maxsize) -> Iterator[Workload]:
    """All workloads; no axis is longer than `most`."""

    def cut(*sizes: int) -> tuple[int, ...]:
        return tuple(min(size, most) for size in sizes)

    yield Workload("import", "what it takes beyond numpy", "", goals={"numpy": 0.75}, measures="import")
    yield from starts(cut)
    yield from eager()
    yield from calls()
    yield from second_order()
    yield from tracing()
    yield from memory(cut)
    x = partial(inputs.linspace, 0.0, 1.0, *cut(1000))
    name = "held by a process after import and five small programs"
    yield Workload("memory", name, "five_programs", x, goals={"jax": 0.6}, measures="held")
    name, sizes = "step of a network of 4 layers, 128 images", (64, 128, 64, 32, 10)
    yield training("training", name, sizes, 128, "tanh", "float64")
    yield from mlp(cut)
    yield per_sample(cut)
    yield from matmul(cut)
    yield logistic(*cut(10_000, 1000))
    yield addition(*cut(10**7))
    yield from activations(cut)
    yield from rows(cut)
    yield from reductions(cut)
    yield from control(cut)
    yield from convolution(cut)
    yield from networks(cut)
    yield from draws(cut)


# ---- small arrays, tracing, memory ----


def eager() -> Iterator[Workload]:
    x = partial(inputs.linspace, 0.1, 1.0, 10)
    pairs = partial(inputs.normal, (10,), (10,), dtype="float64")
    for name, arguments in {"add": pairs, "sum": x, "where": partial(inputs.choice, 10)}.items():
        yield Workload("eager", f"{name} of 10 numbers", "eager", arguments, {"function": name})
    wave = "sum(sin(x)² + exp(−x)), 10 numbers"
    yield Workload("eager", f"grad of {wave}", "wave_grad", x, goals={"autograd": 0.5, "torch": 1.0})
    yield Workload("jit", f"call of {wave}", "wave_call", x)


def calls() -> Iterator[Workload]:
    """Programs that are over at once: the way into them is what they cost."""
    pair = partial(inputs.normal, (16,), (16,), dtype="float32")
    yield Workload("call", "x + y of 16 numbers", "add", pair, goals={"jax": 0.05, "numpy": 0.5})
    for container in models.CONTAINERS:
        arguments = partial(inputs.normal, *[(16,)] * 10, dtype="float32")
        goals = {"jax": 0.06 if container == "a list" else 0.15}
        name = f"8 arrays of 16 numbers in {container}, and x and y; 8 results"
        yield Workload("call", name, "update", arguments, {"container": container}, goals)
    name, sizes = "step [10,32,32,32,10] batch 32 float32", (10, 32, 32, 32, 10)
    yield training("call", name, sizes, 32, "relu", "float32", goal=0.2)
    for kind in ("gelu", "mish"):
        x = partial(inputs.normal, (1000,), dtype="float32", scale=3.0)
        yield Workload("call", f"{kind} of 10³ numbers", kind, x, goals={BEST: 0.3})


def starts(cut: Cut) -> Iterator[Workload]:
    """A process that others came before: what they kept on disk saves it work."""
    *sizes, images = cut(784, 512, 512, 10, 128)
    norm = partial(inputs.normalisation, cut(128, 1024), "float32")
    for name, kind, arguments, options in (
        ("mish of 10³ float32", "mish", partial(inputs.normal, cut(1000), dtype="float32"), {}),
        ("layer norm forward and backward 128×1024 float32", "layer_norm_grad", norm, {}),
        (
            "step [784,512,512,10] batch 128 float32", "mlp_step",
            partial(inputs.network, tuple(sizes), images, "float32"), {"activation": "relu", "donate": False},
        ),
    ):  # fmt: skip
        yield Workload(
            "start", f"first call of a second process: {name}", kind, arguments, options, {"jax": 0.05},
            bar="second process", measures="start", rivals=(CACHED_JAX,), peers=("jax",),
        )  # fmt: skip


def second_order() -> Iterator[Workload]:
    """Of Rosenbrock's function."""
    for name, kind, vectors, goal in (
        ("Hessian-vector product", "hessian_vector", 2, 0.2),
        ("Hessian", "hessian", 1, 0.3),
    ):
        arguments = partial(inputs.normal, *[(20,)] * vectors, dtype="float64")
        name, goals = f"{name} of a function of 20 numbers", {BEST: goal}
        yield Workload("second order", name, kind, arguments, {}, goals, 0.2, name.partition(" of")[0])


def tracing() -> Iterator[Workload]:
    goals = {"jax": 1 / 3}
    sizes = partial(inputs.network, (64, 64, 64, 64, 10), 32, "float64")
    yield Workload("tracing", "make_jaxpr of grad of a network of 4 layers", "trace_network", sizes, goals=goals)
    x = partial(inputs.linspace, 0.0, 1.0, 10)
    yield Workload("tracing", "make_jaxpr of grad of 600 operations", "trace_unrolled", x, goals=goals)


def memory(cut: Cut) -> Iterator[Workload]:
    x = partial(inputs.linspace, 0.0, 0.01, *cut(2**20))
    for layer in ("tanh(1.01 x + 0.1)", "sin(x) exp(−x)", "x (1 + x)"):
        for compiled in (False, True):
            name = f"peak of {'jit of ' * compiled}grad of 50 layers {layer}, 8 MiB"
            options = {"layer": layer, "compiled": compiled}
            yield Workload("memory", name, "chain_grad", x, options, {"autograd": 1.1}, measures="peak")


# ---- training ----


def training(
    group: str, name: str, sizes: tuple[int, ...], batch: int, activation: str, dtype: str, *, donate: bool = False,
    goal: float | None = None, bar: str = "",
) -> Workload:  # fmt: skip
    """A step of gradient descent."""
    return Workload(
        group,
        name,
        "mlp_step",
        partial(inputs.network, sizes, batch, dtype),
        {"activation": activation, "donate": donate},
        {} if goal is None else {BEST: goal},
        None if goal is None else 0.2,
        bar,
    )


def mlp(cut: Cut) -> Iterator[Workload]:
    for width, batch, goal in ((512, 128, 0.85), (2048, 256, 0.95)):
        title = f"[784,{width},{width},10] batch {batch} float32"
        *sizes, images = cut(784, width, width, 10, batch)
        step = partial(training, "mlp", sizes=tuple(sizes), batch=images, activation="relu", dtype="float32", goal=goal)
        yield step(name=f"step {title}", bar=f"MLP step, {width} wide")
        yield step(name=f"step {title}, donated / in place", donate=True)
        arguments = partial(inputs.network_products, tuple(sizes), images, "float32")
        yield Workload("mlp", f"the matrix products alone of {title}", "mlp_products", arguments)


def per_sample(cut: Cut) -> Workload:
    """Bound by writing 343 MB."""
    *sizes, images = cut(784, 512, 512, 10, 128)
    arguments = partial(inputs.network, tuple(sizes), images, "float32")
    name, bar = "vmap(grad) [784,512,512,10] batch 128 float32", "per-sample gradients"
    return Workload("per sample", name, "per_sample", arguments, {}, {BEST: 0.4}, 0.2, bar, rivals=(ONE_THREAD,))


# ---- matrix products ----

SQUARES = {"float32": (16, 32, 64, 128, 256, 512, 1024, 2048), "float64": (32, 128, 512, 1024, 2048)}
PRODUCTS = {
    "float32": """NN 256 2048 2048, NT 256 2048 2048, NN 256 784 2048, NT 256 2048 784, TN 784 256 2048,
        TN 2048 256 2048, NN 128 784 512, NT 128 784 512, TN 784 128 512, NT 128 512 784, NN 128 512 10,
        NN 32 128 512, NN 1 784 512, NT 1 784 512, NN 1 9216 4096, NT 16 9216 4096""",
    "float64": "TN 784 256 2048, NN 128 784 512, NT 128 784 512, NT 128 512 784",
}
"""Form and m k n of each product, as they occur in networks."""


def matmul(cut: Cut) -> Iterator[Workload]:
    for dtype, squares in SQUARES.items():
        shapes = [("NN", n, n, n) for n in squares]
        for product in PRODUCTS[dtype].split(","):
            form, *sizes = product.split()
            shapes.append((form, int(sizes[0]), int(sizes[1]), int(sizes[2])))
        for form, *shape in shapes:
            m, k, n = cut(*shape)
            arguments = partial(inputs.matrices, form, m, k, n, dtype)
            name = f"{dtype} {form} {'×'.join(map(str, shape))}"
            is_shared = (dtype, form, *shape) == ("float32", "NN", 1024, 1024, 1024)
            yield Workload(
                "matmul", name, "matmul", arguments, {"form": form}, {"torch": 1.0} | (SHARED if is_shared else {}), 0.2,
                bar="matrix products", operations=2.0 * m * k * n, rivals=(ONE_THREAD,) if is_shared else (),
            )  # fmt: skip


# ---- elementwise and row-wise programs ----


def logistic(samples: int, features: int) -> Workload:
    name, bar = "value_and_grad 10000×1000 float32", "logistic regression"
    arguments = partial(inputs.classification, samples, features, "float32")
    return Workload("logistic", name, "logistic", arguments, {}, {BEST: 0.9}, 0.2, bar, rivals=(ONE_THREAD,))


def addition(size: int) -> Workload:
    """Bound by memory; within 85 % of the rate of a copy."""
    arguments, goals = partial(inputs.normal, (size,), (size,), dtype="float32"), {BEST: 0.95, COPY.name: 1 / 0.85}
    rivals, moved = (COPY, ONE_THREAD), 12.0 * size
    return Workload(
        "add", "x + y of 10⁷ float32", "add", arguments, {}, goals, 0.2, "x + y, 10⁷", moved=moved, rivals=rivals
    )


POWERS = {10**5: "10⁵", 10**7: "10⁷"}


def activations(cut: Cut) -> Iterator[Workload]:
    for kind in ("gelu", "mish"):
        for size, goal in ((10**5, 1.0), (10**7, 0.5)):
            for dtype in ("float32", "float64"):
                arguments = partial(inputs.normal, cut(size), dtype=dtype, scale=3.0)
                name, bar = f"{POWERS[size]} {dtype}", f"{kind}, {POWERS[size]}"
                is_shared = (kind, size, dtype) == ("gelu", 10**7, "float32")
                goals, rivals = ({BEST: goal, **SHARED}, (ONE_THREAD,)) if is_shared else ({BEST: goal}, ())
                yield Workload(kind, name, kind, arguments, {}, goals, 0.2, bar, rivals=rivals)


def rows(cut: Cut) -> Iterator[Workload]:
    shape = cut(4096, 1024)
    one, two = (partial(inputs.normal, *[shape] * count, dtype="float32") for count in (1, 2))
    norm = partial(inputs.normalisation, shape, "float32")
    for group, kind, arguments in (
        ("log_softmax", "log_softmax", one),
        ("log_softmax", "log_softmax_grad", two),
        ("layer_norm", "layer_norm", norm),
        ("layer_norm", "layer_norm_grad", norm),
    ):
        name = f"{'forward and backward' if kind.endswith('grad') else 'forward'} 4096×1024 float32"
        bar = group if kind == group else f"{group}, backward"
        goals = {BEST: 0.5} | (SHARED if kind == "log_softmax" else {})
        yield Workload(group, name, kind, arguments, {}, goals, 0.2, bar, rivals=(ONE_THREAD,))


def reductions(cut: Cut) -> Iterator[Workload]:
    arguments = partial(inputs.normal, cut(4096, 4096), dtype="float32")
    for function in ("sum", "mean", "max"):
        for axis in (0, 1):
            yield Workload(
                "reductions", f"{function}, axis {axis}, 4096×4096 float32", "reduction", arguments,
                {"function": function, "axis": axis}, {"numpy": 0.9, "jax": 0.8}, 0.2, "sum, mean, max",
            )  # fmt: skip


def draws(cut: Cut) -> Iterator[Workload]:
    """Random numbers, as many as an array has. Libraries draw different ones, so that there is nothing to compare."""
    like = partial(inputs.normal, cut(10**7), dtype="float32")
    goals = {"jax": 0.3, "torch": 0.8, "numpy": 0.8}
    yield Workload("random", "10⁷ normal numbers float32", "draw_normal", like, {}, goals, 0.2, "random numbers")
    yield Workload("random", "10⁷ words of 32 random bits", "draw_bits", like, {}, {"jax": 0.1}, 0.2, "random numbers")
