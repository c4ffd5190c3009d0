"""Plans of small programs, held to their text in tests/golden/kernels/: fusion that is lost shows as more steps; and what
has no native code, in tests/golden/callbacks.txt.

The texts are the same on every machine: kernels get no scratch memory here, whose size follows from vectors and caches. To write
them anew, and then read what changed: `python -m pytest tests/test_kernel_texts.py --update-golden`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import functrans as ft
from functrans import lax
from functrans.compiler.inline import inline
from functrans.compiler.pipeline import optimize
from functrans.compiler.plan import Backend, make_plan
from functrans.compiler.text import print_plan
from functrans.core.printer import Names
from tests.cases import CASES
from tests.opaque import opaque, unheard_of

GOLDEN = Path(__file__).parent / "golden" / "kernels"
F32 = partial(ft.ShapeDtypeStruct, dtype=np.float32)
I64 = partial(ft.ShapeDtypeStruct, dtype=np.int64)


def mish(x: Any) -> Any:
    return x * np.tanh(np.logaddexp(x, 0))


def softmax(x: Any) -> Any:
    e = np.exp(x - np.max(x, axis=-1, keepdims=True))
    return e / np.sum(e, axis=-1, keepdims=True)


def log_softmax(x: Any) -> Any:
    shifted = x - np.max(x, axis=-1, keepdims=True)
    return shifted - np.log(np.sum(np.exp(shifted), axis=-1, keepdims=True))


def cross_entropy(x: Any, target: Any) -> Any:
    return -np.mean(np.sum(target * log_softmax(x), axis=-1))


def layer_norm(x: Any, scale: Any, shift: Any) -> Any:
    mean = np.mean(x, axis=-1, keepdims=True)
    variance = np.mean((x - mean) ** 2, axis=-1, keepdims=True)
    return (x - mean) / np.sqrt(variance + 1e-5) * scale + shift


def weighted(fun: Callable[..., Any]) -> Callable[..., Any]:
    """A loss: the results of `fun` times given weights."""
    return lambda weights, *args: np.sum(weights * fun(*args))


def dense(x: Any, w: Any, b: Any) -> Any:
    return np.maximum(x @ w + b, 0)


def convolved(x: Any, w: Any, b: Any) -> Any:
    return np.maximum(lax.conv(x, w, (1, 1), "SAME") + b[:, None, None], 0)


def training_step(params: Any, x: Any, target: Any) -> Any:
    """Of a network of two layers: activations, masks, and steps of descent."""

    def loss(params: Any) -> Any:
        (w1, b1), (w2, b2) = params
        return np.mean((dense(x, w1, b1) @ w2 + b2 - target) ** 2)

    value, slopes = ft.value_and_grad(loss)(params)
    return value, [[p - 0.1 * g for p, g in zip(*pair, strict=True)] for pair in zip(params, slopes, strict=True)]


def logistic(w: Any, x: Any, y: Any) -> Any:
    return np.mean(np.logaddexp(0, -y * (x @ w)))


def momentum(p: Any, v: Any, g: Any) -> Any:
    v = 0.9 * v + g
    return p - 0.1 * v, v


def piecewise(x: Any) -> Any:
    return np.where(x > 0, np.log1p(x), np.where(x < -1, -1, x))


def chain_in_place(x: Any) -> Any:
    """Sorting is a kernel, so what comes before and after is stored, and the last but one dies in the last."""
    return np.sort(np.exp(np.sort(x + 1))) * 2


def recurrent(w: Any, u: Any, h: Any, xs: Any) -> Any:
    return lax.scan(lambda h, x: (np.tanh(w @ x + u @ h), None), h, xs)[0]


def orbit(x: Any, v: Any) -> Any:
    """Until it has come back."""
    step = lambda s: (s[0] + 0.125 * s[1], s[1] - 0.125 * s[0], s[2] + 1)  # it is one line
    return lax.while_loop(lambda s: (s[0][0] < 1) | (s[2] < 10), step, (x, v, 0))


NORM = (F32((64, 256)), F32((64, 256)), F32(256), F32(256))
LAYER = (F32((128, 784)), F32((784, 512)), F32(512))  # large on every machine
IMAGES = (F32((4, 16, 30, 30)), F32((16, 16, 3, 3)), F32(16))
PROGRAMS: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
    "elementwise": (mish, (F32(1000),)),
    "elementwise_gradient": (ft.grad(lambda x: np.sum(mish(x))), (F32(1000),)),
    "softmax": (softmax, (F32((64, 100)),)),
    "log_softmax_gradient": (ft.grad(cross_entropy), (F32((64, 100)), F32((64, 100)))),
    "layer_norm": (layer_norm, NORM[1:]),
    "layer_norm_gradient": (ft.value_and_grad(weighted(layer_norm), argnums=(1, 2, 3)), NORM),
    "dense": (dense, LAYER),
    "dense_gradient": (ft.grad(weighted(dense), argnums=(2, 3)), (F32((128, 512)), *LAYER)),
    "training_step": (
        training_step,
        ([(F32((784, 512)), F32(512)), (F32((512, 10)), F32(10))], F32((128, 784)), F32((128, 10))),
    ),
    "layer_values": (lambda x, w, b: (x @ w, x @ w + b, np.tanh(x @ w + b)), LAYER),
    "masked_weights": (lambda x, w, b: np.maximum(x @ (w * b), 0), LAYER),
    "convolved": (lambda x, w, b: convolved(convolved(x, w, b), w, b), IMAGES),
    "convolved_gradient": (
        ft.grad(lambda g, x, *wb: np.sum(g * convolved(convolved(x, *wb), *wb)), argnums=(2, 3)),
        (IMAGES[0], *IMAGES),
    ),
    "logistic_gradient": (ft.value_and_grad(logistic), (F32(20), F32((100, 20)), F32(100))),
    "large_logistic_gradient": (ft.value_and_grad(logistic), (F32(200), F32((1000, 200)), F32(1000))),
    "gather": (lambda x, i: x[i] * 2, (F32((50, 8)), I64(10))),
    "scatter": (ft.grad(lambda x, i: np.sum(np.sin(x[i]))), (F32((50, 8)), I64(10))),
    "concatenate": (lambda x, y: np.concatenate([x[1:], 2 * y[:3]]) + 1, (F32((5, 4)), F32((6, 4)))),
    "shifted_slices": (lambda x: x[2:] - 2 * x[1:-1] + x[:-2], (F32(1000),)),
    "transposed_reduction": (lambda x, y: np.sum(x.T * y, axis=1), (F32((300, 200)), F32((200, 300)))),
    "column_reduction": (lambda x: (np.mean(x, axis=0), np.max(np.abs(x), axis=0)), (F32((300, 200)),)),
    "full_reduction": (lambda x: np.sqrt(np.sum(x**2)), (F32((300, 200)),)),
    "several_results": (momentum, (F32(1000), F32(1000), F32(1000))),
    "where": (piecewise, (F32(1000),)),
    "sort": (chain_in_place, (F32(5000),)),
    "cumulative": (lambda x: np.cumsum(x**2, axis=1) / x.shape[1], (F32((20, 100)),)),
    "callback": (lambda x: unheard_of(opaque(x + 1) * 2) + 1, (F32(100),)),
    "outer_product": (lambda x, y: np.exp(-((x[:, None] - y) ** 2)), (F32(300), F32(200))),
    "reversed_copy": (lambda x: np.flip(x).copy(), (F32((20, 30)),)),
    "nothing": (lambda x: (x, 1.0, x.reshape(2, 3).ravel()), (F32(6),)),
    "batched_product": (ft.vmap(lambda a, b: np.tanh(a @ b.T)), (F32((8, 30, 20)), F32((8, 40, 20)))),
    "scan": (recurrent, (F32((40, 20)), F32((40, 40)), F32(40), F32((50, 20)))),
    "scan_gradient": (
        ft.grad(weighted(recurrent), argnums=(1, 2)),
        (F32(40), F32((40, 20)), F32((40, 40)), F32(40), F32((50, 20))),
    ),
    "while_loop": (orbit, (F32(1000), F32(1000))),
    "branches": (
        lambda i, x: lax.switch(i, [lambda x: np.sin(x), lambda x: np.cumsum(x), lambda x: x], x),
        (np.int64(0), F32(100)),
    ),
    "loop_in_registers": (orbit, (F32(3), F32(3))),
    "loops_in_lanes": (ft.vmap(lambda n: lax.while_loop(lambda x: x % 2 == 0, lambda x: x // 2, n)), (I64(1000),)),
    "dynamic_update": (lambda x: lax.dynamic_update_slice(x, x[:2] * 2, (3,)), (F32(10),)),
}


def text_of(fun: Callable[..., Any], args: tuple[Any, ...]) -> str:
    program = pytest.importorskip("functrans.backends.llvm.program")
    jaxpr = optimize(inline(ft.make_jaxpr(fun)(*args)).with_consts_as_inputs())
    backend = Backend(
        program.supports, finishes=program.finishes, prepares=program.prepares, is_kernel=program.BACKEND.is_kernel
    )
    plan = make_plan(jaxpr, backend)
    return print_plan(plan, Names.of(jaxpr)) + "\n"


def compare(path: Path, text: str, request: pytest.FixtureRequest) -> None:
    if request.config.getoption("--update-golden"):
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8"), (
        "What is compiled has changed. If that is meant, write the texts anew and read what changed: "
        "python -m pytest tests/test_kernel_texts.py --update-golden && git diff tests/golden"
    )


@pytest.mark.parametrize("name", PROGRAMS)
def test_golden(name: str, request: pytest.FixtureRequest) -> None:
    compare(GOLDEN / f"{name}.txt", text_of(*PROGRAMS[name]), request)


def test_callbacks(request: pytest.FixtureRequest) -> None:
    """For which primitives, and which dtypes, NumPy is called back: over the whole case table."""
    titles: set[str] = set()
    rng = np.random.default_rng(0)
    for case in CASES:
        for dtype in case.dtypes:
            text = text_of(case.fun, tuple(operand.make(rng, dtype) for operand in case.operands))
            titles.update(re.findall("callback to NumPy: (.*)", text))
    compare(GOLDEN.parent / "callbacks.txt", "".join(f"{title}\n" for title in sorted(titles)), request)


def test_every_golden_text_has_a_program() -> None:
    assert {path.stem for path in GOLDEN.glob("*.txt")} == PROGRAMS.keys()
