"""Small programs whose loops and branches do not fit together: `LOOPS[name]` is a `Mistake`.

They run as those of `tests.error_programs`.
"""

from __future__ import annotations

from tests.control_flow_programs import Mistake

__all__ = ["LOOPS"]

_STEP = "def step(c, v):\n    return {'sum': c['sum'] + v, 'n': c['n'] + 1}, None\n"

LOOPS = {
    "carry of another dtype": Mistake(
        f"{_STEP}start = {{'sum': np.zeros(3, np.float32), 'n': 0}}\nft.lax.scan(step, start, np.ones((2, 3)))",
        "start = {'sum': np.zeros(3, np.float32).astype(np.float64), 'n': 0}",
        "start = {'sum': np.zeros(3, np.float32), 'n': 0}",
    ),
    "carry of another dtype, a number": Mistake(
        "ft.lax.fori_loop(0, 3, lambda i, val: val * 0.5, np.int64(8))",
        "ft.lax.fori_loop(0, 3, lambda i, val: val * 0.5, np.float64(8))",
    ),
    "carry of another shape": Mistake(
        "def body(seen):\n    return np.append(seen, 1.0)\nft.lax.while_loop(lambda seen: seen[0] < 2, body, x)",
        "    return fnp.at(seen)[0].set(3.0)",
        "    return np.append(seen, 1.0)",
    ),
    "carry of another structure": Mistake(
        "def body(state):\n    return state[0] + 1\nft.lax.while_loop(lambda state: state[0] < 2, body, (0.0, x))",
        "    return state[0] + 1, state[1]",
        "    return state[0] + 1",
    ),
    "no pair": Mistake(
        "ft.lax.scan(lambda c, v: c + v, 0.0, x)",
        "ft.lax.scan(lambda c, v: (c + v, None), 0.0, x)",
    ),
    "lengths": Mistake(
        "ft.lax.scan(lambda c, v: (c + v[0] * v[1], None), 0.0, (x, y))",
        "ft.lax.scan(lambda c, v: (c + v[0] * v[1], None), 0.0, (x, y[:3]))",
    ),
    "no length": Mistake(
        "ft.lax.scan(lambda c, _: (c * 2, c), 1.0)",
        "ft.lax.scan(lambda c, _: (c * 2, c), 1.0, length=3)",
    ),
    "predicate of many elements": Mistake(
        "ft.lax.cond(x > 1, np.sin, np.cos, x)", "ft.lax.cond(np.any(x > 1), np.sin, np.cos, x)"
    ),
    "index that is no integer": Mistake(
        "ft.vmap(lambda i: ft.lax.switch(i, [lambda: 1.0, lambda: 2.0]))(x)",
        "ft.vmap(lambda i: ft.lax.switch(i, [lambda: 1.0, lambda: 2.0]))(x.astype(int))",
    ),
    "condition that is no bool": Mistake(
        "ft.lax.while_loop(lambda val: val, lambda val: val - 1, 3)",
        "ft.lax.while_loop(lambda val: val != 0, lambda val: val - 1, 3)",
    ),
    "bound that is no integer": Mistake(
        "ft.lax.fori_loop(0, 3.0, lambda i, val: val + i, 0)",
        "ft.lax.fori_loop(0, int(3.0), lambda i, val: val + i, 0)",
    ),
    "branches of other types": Mistake(
        "def small(v):\n    return v, 1\ndef large(v):\n    return v.astype(np.float32), 2\n"
        "ft.jit(lambda v: ft.lax.cond(v[0] > 1, large, small, v))(x)",
        "    return v, 2",
        "    return v.astype(np.float32), 2",
    ),
    "branches of other structures": Mistake(
        "def small(v):\n    return v\ndef large(v):\n    return v, v\n"
        "ft.jit(lambda v: ft.lax.cond(v[0] > 1, large, small, v))(x)",
        "    return v",
        "    return v, v",
    ),
    "no checkpoint": Mistake(
        "ft.lax.while_loop(lambda val: val < 3, lambda val: val + 1, 0, checkpoint=0)",
        "ft.lax.while_loop(lambda val: val < 3, lambda val: val + 1, 0, checkpoint=1)",
    ),
}
