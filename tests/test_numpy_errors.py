"""What NumPy's protocols cannot catch raises an error that names the user's line and shows it rewritten.

Every case is a function whose line fails for a traced `t` (float64, shape (3,)), `s` (float64, a scalar), `i` (an int)
or `m` (bool), with the line that the message must show instead. Where that line can be run it is, and must work.
"""

# t, s, i, m and x are names in the lines under test
import linecache
import math
from itertools import count
from typing import Any

import numpy as np
import pytest

import functrans.numpy as fnp
from functrans import grad, jit, jvp, vmap
from functrans.errors import (
    ConcretizationError,
    FunctransError,
    InPlaceError,
    OutArgumentError,
    TracerConversionError,
)
from tests.identity_trace import IdentityTracer, through_identity

_numbers = count()
VALUES = {"t": np.arange(3.0), "s": np.float64(2.0), "i": np.int64(1), "m": np.array([True, False, True])}


def run(lines: str) -> Any:
    """Run lines of a user's program, from a file of its own, with tracers t, s, i, m and an array x; its `result`."""
    name = f"/user/program{next(_numbers)}.py"
    text = (
        "def user(t, s, i, m, x):\n" + "".join(f"    {line}\n" for line in lines.splitlines()) + "    return result\n"
    )
    linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
    scope: dict[str, Any] = {"np": np, "fnp": fnp, "math": math}
    exec(compile(text, name, "exec"), scope)
    user, x = scope["user"], np.arange(3.0)
    return through_identity(lambda t, s, i, m: user(t, s, i, m, x), *VALUES.values())


CONVERSIONS = [
    ("result = np.array([t, t])", "result = np.stack([t, t])"),
    ("result = np.array([[s, 1.0], [s, s]])", "result = np.stack([np.stack([s, 1.0]), np.stack([s, s])])"),
    ("result = np.array([t, t], dtype='f4')", "result = np.stack([t, t]).astype('f4')"),
    ("result = np.array([v * s for v in (1, 2)])", "result = np.stack([v * s for v in (1, 2)])"),
    ("result = np.asarray(t) + 1", "result = t + 1"),
    ("result = np.asarray([t])", "result = np.stack([t])"),
    ("result = np.array(t, dtype=np.float32)", "result = t.astype(np.float32)"),
    ("result = np.float32(s)", "result = s.astype(np.float32)"),
    ("result = np.full(3, s)", "result = np.broadcast_to(s, 3)"),
    ("result = np.full_like(x, s)", "result = np.broadcast_to(s, np.shape(x))"),
    ("result = np.r_[t, t]", "result = np.concatenate([t, t])"),
    ("result = np.r_[s, s]", "result = np.hstack([s, s])"),
    ("result = np.c_[t, t]", "result = np.column_stack([t, t])"),
    ("result = np.arange(3)[i]", "result = fnp.take(np.arange(3), i, axis=0)"),
    ("result = np.eye(3)[i, 0]", "result = fnp.at(np.eye(3))[i, 0].get()"),
    ("result = x[m]", "result = np.where(m, x, 0)"),
    ("result = np.sum([t, t])", "result = np.sum(np.stack([t, t]))"),
    ("result = np.random.normal(s, 1.0)", "result = s + 1.0 * np.random.normal(size=np.shape(s))"),
    ("x[0] = s\nresult = x", "x = fnp.at(x)[0].set(s)"),
    ("x[:] = t\nresult = x", "x = fnp.at(x)[:].set(t)"),
]
NUMBERS = [
    ("result = math.sin(s)", "result = np.sin(s)"),
    ("result = 1 + math.pow(s, 2)", "result = 1 + np.power(s, 2)"),
    ("result = float(s) * 2", "result = s * 2"),
    ("result = int(s)", "result = s.astype(int)"),
    ("result = complex(s)", "result = s.astype(complex)"),
    ("result = [1.0, 2.0][i]", "result = fnp.take([1.0, 2.0], i, axis=0)"),
]
OUTS = [
    ("np.add(x, t, out=x)\nresult = x", "x = np.add(x, t)"),
    ("y = np.zeros(3)\nresult = np.add(x, t, out=y)", "result = y = np.add(x, t)"),
    ("x += t\nresult = x", "x = x + t"),
    ("x[1:] += s\nresult = x", "x = fnp.at(x)[1:].add(s)"),
    ("x *= t - 1\nresult = x", "x = x * (t - 1)"),
    ("result = t.sum(out=x)", "result = x = t.sum()"),
    ("result = np.sum(t, axis=0, out=x)", "result = x = np.sum(t, axis=0)"),
]
ASSIGNMENTS = [
    ("t[0] = 5\nresult = t", "t = t.at[0].set(5)"),
    ("t[i] += 5 * s\nresult = t", "t = t.at[i].add(5 * s)"),
    ("t[:2] -= 1\nresult = t", "t = t.at[:2].subtract(1)"),
    ("t[0] //= 2\nresult = t", "t = t.at[0].set(t[0] // 2)"),
]
CASES = [
    *((TracerConversionError, *pair) for pair in CONVERSIONS),
    *((ConcretizationError, *pair) for pair in NUMBERS),
    *((OutArgumentError, *pair) for pair in OUTS),
    *((InPlaceError, *pair) for pair in ASSIGNMENTS),
]


@pytest.mark.parametrize(("error", "lines", "rewritten"), CASES, ids=[case[1].split("\n")[0] for case in CASES])
def test_the_line_is_shown_rewritten_and_then_works(error: type[Exception], lines: str, rewritten: str) -> None:
    bad = next(line for line in lines.split("\n") if not line.startswith("y ="))
    with pytest.raises(error) as caught:
        run(lines)
    assert isinstance(caught.value, TypeError | FunctransError)
    text = str(caught.value)
    assert "a traced value of type" in text or error is OutArgumentError
    assert "/user/program" in text
    assert bad in text
    assert f"Write:  {rewritten}" in text, text
    assert np.asarray(run(lines.replace(bad, rewritten))).dtype != object


WITHOUT_REWRITING = [
    ("result = 1 if s else 2", ConcretizationError, ["truth value", "result = lax.cond(s != 0, lambda: 1, lambda: 2)"]),
    ("result = range(i)", ConcretizationError, ["a Python int", "static_argnames"]),
    ("result = np.arange(i)", ConcretizationError, ["a Python int", "static_argnames"]),
    ("result = [0] * i", ConcretizationError, ["a Python int"]),
    ("result = f'{s:.3f}'", ConcretizationError, ["value as text", "functrans.disable_jit"]),
    ("result = s.item()", ConcretizationError, ["a Python number"]),
    ("result = t.tolist()", ConcretizationError, ["a list of Python numbers"]),
    ("result = m.nonzero()", ConcretizationError, ["nonzero", "np.where(mask, x, 0)"]),
    ("result = np.vectorize(lambda v: v)(t)", TracerConversionError, ["functrans.vmap(lambda v: v)(t)"]),
    ("result = t + [s, 1.0, 2.0]", TracerConversionError, ["a list with a traced value in it", "np.stack"]),
    ("t.sort()", InPlaceError, ["sort()", "t = np.sort(t)"]),
    ("t.fill(0)", InPlaceError, ["fill()", "np.full_like"]),
]


@pytest.mark.parametrize(("lines", "error", "parts"), WITHOUT_REWRITING, ids=[case[0] for case in WITHOUT_REWRITING])
def test_the_message_says_what_to_write(lines: str, error: type[Exception], parts: list[str]) -> None:
    with pytest.raises(error) as caught:
        run(f"{lines}\nresult = None" if not lines.startswith("result") else lines)
    for part in [*parts, "/user/program", lines]:
        assert part in str(caught.value)


def test_under_grad_the_reason_is_the_derivative() -> None:
    with pytest.raises(ConcretizationError, match="cut off from its derivative") as caught:
        grad(lambda x: math.sin(x))(1.0)
    assert "np.sin(x)" in str(caught.value)


def test_what_numpy_replaces_is_revealed_under_every_transform() -> None:
    x = np.zeros(2)

    def store(v: Any) -> Any:
        x[0] = v
        return v

    for transformed in (
        grad(store),
        lambda v: jvp(store, (v,), (v,)),
        lambda v: vmap(store)(np.full(2, v)),
        jit(store),
    ):
        with pytest.raises(TracerConversionError, match=r"Write:  x = fnp\.at\(x\)\[0\]\.set\(v\)"):
            transformed(1.0)


def test_nothing_becomes_an_object_array() -> None:
    for lines in (
        "result = np.array([t, None])",
        "result = np.array([t], dtype=object)",
        "result = np.asarray((s, s))",
    ):
        with pytest.raises(TracerConversionError):
            run(lines)
    with pytest.raises((TypeError, ValueError)):
        run("result = np.zeros(i)")


def test_a_line_that_is_not_to_be_had_leaves_the_message_whole() -> None:
    scope: dict[str, Any] = {"np": np}
    exec("def user(t): return np.array([t])", scope)
    with pytest.raises(TracerConversionError, match=r"np\.stack"):
        through_identity(scope["user"], np.arange(3.0))


def test_copies_of_tracers_are_tracers_of_their_own() -> None:
    import copy

    def fun(t: Any) -> Any:
        assert isinstance(t, IdentityTracer)
        for made in (copy.copy(t), copy.deepcopy([t])[0]):
            assert isinstance(made, IdentityTracer)
            assert made is not t
        return made

    assert through_identity(fun, np.float64(1.0)) == 1.0
