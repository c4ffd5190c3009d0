"""Small programs that ask for the truth or the number that a traced value is: `CONTROL_FLOW[name]` is a `Mistake`.

They run as those of `tests.error_programs`. Where `instead` is empty the error shows code, and the tests put it in place.
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["CONTROL_FLOW", "Mistake"]


class Mistake(NamedTuple):
    program: str
    instead: str = ""
    """What the message advises, in place of `line`. Where it shows code that is tried, without this."""
    line: str = ""
    """The lines to correct; empty for the one that the message names."""


def _jitted(body: str, line: str = "", instead: str = "", arguments: str = "3.0, 4") -> Mistake:
    """A jitted function of a float `s` and an int `n`."""
    lines = "".join(f"    {text}\n" for text in body.splitlines())
    return Mistake(f"def f(s, n):\n{lines}ft.jit(f)({arguments})", instead, line)


ARRAYS = "np.float64(3.0), 4"

CONTROL_FLOW = {
    "if": _jitted("if s > 1:\n    s = s / 2\nreturn s"),
    "if, of arrays": _jitted("if s > 1:\n    y = 2 * s\nelse:\n    y = -s\nreturn y", arguments=ARRAYS),
    "if, with temporaries": _jitted(
        "y = 1.0\nif s > 1:\n    half = s / 2\n    s, y = half, y + half\nreturn s + y"
    ),
    "if, elif, else": _jitted(
        "if s > 4:\n    y = s\nelif s > 2 and n > 3:\n    y, s = s * 2, 0.0\nelse:\n    y = np.log(s)\nreturn y + s"
    ),
    "elif alone": _jitted("if n is None:\n    y = 0.0\nelif n > 2:\n    y = s\nelse:\n    y = -s\nreturn y"),
    "if, with return": _jitted("if s > 1:\n    return np.sqrt(s)\nreturn -s"),
    "if, with return, of an argument, under vmap": Mistake(
        "def f(a, flag):\n    if flag:\n        return a\n    return -a\nft.vmap(f)(x, x > 0)"
    ),
    "if, with a late return": _jitted("if s > 1:\n    s = s - 1\n    if n > 2:\n        return s\ns = s * 2\nreturn s + n"),
    "if, in make_jaxpr": Mistake("def f(s):\n    if s > 1: s = s / 2\n    return s\nft.make_jaxpr(f)(3.0)"),
    "if a else b": _jitted("return 2 * (np.log(s) if s > 0 else 0.0)"),
    "if a else b, of an array": Mistake("def f(t):\n    return t if t else -t\nft.jit(f)(x)"),
    "lambda": Mistake("ft.jit(lambda s: s if s > 0 else -s)(3.0)"),
    "while": _jitted("while s > 1: s = s / 2\nreturn s"),
    "while, with several variables": _jitted(
        "error, rounds = 1.0, 0\nwhile error > 1e-3 and rounds < n:\n    new = (s + 2 / s) / 2\n"
        "    error, s = abs(new - s), new\n    rounds += 1\nreturn s, rounds"
    ),
    "while, with a guarded index": Mistake(
        "def f(t, s):\n    i = 0\n    while i < 3 and t[i] < s:\n        i += 1\n    return i\nft.jit(f)(x, 9.0)"
    ),
    "range": _jitted("for k in range(n): s = s + k\nreturn s"),
    "range, with several variables": _jitted(
        "total = 0\nfor k in range(1, n + 1):\n    s = s / k\n    if k > 2:\n        total = total + s\nreturn s, total"
    ),
    "range, with a step": _jitted("for k in range(n - 1, -1, -1):\n    s = s * 2 + k\nreturn s"),
    "range of int()": _jitted("for _ in range(int(s)):\n    s = s * 2\nreturn s"),
    "range, with the counter afterwards": _jitted("k = 0\nfor k in range(n):\n    s = s + 1\nreturn s * k"),
    "sum over a range": _jitted("return sum(s**k for k in range(n))"),
    "and": _jitted("y = np.where(s > 0 and n > 0, s, -s)\nreturn y"),
    "or": _jitted("return np.where(s > 0 or n > 0, s, -s)"),
    "or, for a value": _jitted("return s or 1.0"),
    "not": _jitted("return np.where(not s > 0, s, -s)"),
    "chained": _jitted("return np.where(0 < s < 2 * n, s, -s)"),
    "in": _jitted("return np.where(n in (1, 2, 4), s, -s)"),
    "bool": _jitted("return bool(n)"),
    "max": _jitted("return max(s, 0, n) - min([s, 2])"),
    "max, min, any, sorted of an array": Mistake(
        "def f(t):\n    return max(t), min(v * v for v in t), any(v > 1 for v in t), sorted(t)\nft.jit(f)(x)"
    ),
    "of an array": Mistake(
        "def f(t):\n    if t > 0:\n        return t\n    return -t\nft.jit(f)(x)",
        "return np.where(t > 0, t, -t)\n    if True:",
    ),
    "break": _jitted(
        "while True:\n    s = s / 2\n    if s < 1:\n        break\nreturn s",
        "while True:\n        s = s / 2\n        if s < 1:\n            break\n    return s",
        "return ft.lax.while_loop(lambda s: s >= 1, lambda s: s / 2, s / 2)",
    ),
    "continue": _jitted(
        "for k in range(3):\n    if s < k:\n        continue\n    s = s / 2\nreturn s",
        "if s < k:\n            continue\n        s = s / 2",
        "s = ft.lax.cond(s >= k, lambda: s / 2, lambda: s)",
    ),
    "return in a loop": _jitted(
        "for k in range(3):\n    if s < k:\n        return s\n    s = s / 2\nreturn s",
        "for k in range(3):\n        if s < k:\n            return s\n        s = s / 2\n    return s",
        "def body(state):\n        k, s = state\n        return k + 1, s / 2\n"
        "    return ft.lax.while_loop(lambda state: (state[0] < 3) & (state[1] >= state[0]), body, (0, s))[1]",
    ),
    "assigned in one branch": _jitted("if s > 0:\n    y = s\nreturn y", "if s > 0:", "y = 0.0\n    if True:"),
    "no value before the loop": _jitted(
        "for k in range(n):\n    y = s * k\nreturn y", "for k in range(n):\n        y = s * k",
        "y = ft.lax.fori_loop(0, n, lambda k, y: s * k, 0.0)",
    ),
    "item": Mistake(
        "def f(t, n):\n    for k in range(n):\n        t[k] = k\n    return t\nft.jit(f)(x, 2)",
        "for k in range(3):\n        t = fnp.at(t)[k].set(np.where(k < n, k, t[k]))",
        "for k in range(n):\n        t[k] = k",
    ),
    "attribute": _jitted("if s > 0:\n    f.last = s\nreturn s", "if s > 0:\n        f.last = s\n", "\n"),
    "append": _jitted(
        "out = []\nfor k in range(n):\n    out.append(s * k)\nreturn out", "for k in range(n):", "for k in range(3):"
    ),
    "print": _jitted("if s > 0:\n    print(s)\nreturn s", "if s > 0:\n        print(s)\n", "\n"),
    "only an effect": _jitted(
        "if s > 0:\n    ft.debug.print('s = {}', s)\nreturn s", "if s > 0:\n        ft.debug.print('s = {}', s)\n",
        "ft.lax.cond(s > 0, lambda: ft.debug.print('s = {}', s), lambda: None)\n",
    ),
    "raise": _jitted("if s < 0:\n    raise ValueError(s)\nreturn s", "if s < 0:\n        raise ValueError(s)\n    return s",
                     "return np.where(s < 0, np.nan, s)"),
    "assert": _jitted("assert s > 0, 'positive'\nreturn s", "assert s > 0, 'positive'\n    return s", "return s, s > 0"),
    "None before the loop": _jitted(
        "best = None\nwhile s > 1:\n    s = s / 2\n    best = s\nreturn best", "best = None\n    while s > 1:",
        "best = s\n    while False:",
    ),
    "walrus": _jitted(
        "while (s := s / 2) > 1:\n    pass\nreturn s", "while (s := s / 2) > 1:\n        pass",
        "s = ft.lax.while_loop(lambda s: s > 1, lambda s: s / 2, s / 2)",
    ),
    "match": _jitted("match n:\n    case 1:\n        s = 0.0\nreturn s", "match n:\n        case 1:\n            s = 0.0",
                     "s = ft.lax.cond(n == 1, lambda: 0.0, lambda: s)"),
    "comprehension, with if": Mistake(
        "def f(t):\n    return sum([v for v in t if v > 0])\nft.jit(f)(x)",
        "return sum([np.where(v > 0, v, 0) for v in t])",
    ),
    "comprehension of a range": _jitted("return [s * k for k in range(n)]", "range(n)", "range(3)"),
}  # fmt: skip
