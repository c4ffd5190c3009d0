"""Small programs with one mistake each, as users make them: `ERRORS[subject][name]` is a `Mistake`.

A program has `np`, `math`, `ft` and `fnp`, the arrays `x` (three floats) and `y` (four), and runs from a file `program.py`.
"""

from __future__ import annotations

from tests.control_flow_programs import CONTROL_FLOW, Mistake
from tests.loop_programs import LOOPS

__all__ = ["ERRORS", "Mistake"]


def _line(line: str, instead: str = "", transform: str = "jit") -> Mistake:
    """A line of a transformed function of `t`, three floats, `s`, a float, and `i`, an int, with an array `a`."""
    body = f"    a = np.zeros(3)\n    {line}\n    return t"
    wrapped = {"grad": "ft.grad(lambda t: np.sum(fun(t, t[0], 1)))(x)", "vmap": "ft.vmap(fun)(x[None], x[:1], [1])"}
    return Mistake(f"def fun(t, s, i):\n{body}\n{wrapped.get(transform, 'ft.jit(fun)(x, 2.0, 1)')}", instead)


def _loss(value: str, call: str, instead: str = "", call_instead: str = "") -> Mistake:
    """A function that returns `value`, and a call; either is corrected."""
    program = f"def loss(w):\n    return {value}\n{call}"
    return Mistake(program, call_instead) if call_instead else Mistake(program, instead, f"return {value}")


PRODUCT = "def f(a, b):\n    return a * b\n"
CUBE = "@ft.custom_vjp\ndef cube(w):\n    return w**3\n"
CUBE_JVP = "@ft.custom_jvp\ndef cube(w):\n    return w**3\n"

DERIVATIVES = {
    "value of 3 elements": _loss("w * 2", "ft.grad(loss)(x)", "return np.sum(w * 2)"),
    "value of 1 element": _loss("w[:1]", "ft.grad(loss)(x)", "return w[:1].reshape(())"),
    "value is a tree": _loss("{'a': w[0], 'b': w[1]}", "ft.grad(loss)(x)", "return w[0] + w[1]"),
    "value is text": _loss("'text'", "ft.grad(loss)(x)", "return np.sum(w)"),
    "lambda": Mistake("ft.value_and_grad(lambda w: w * 2)(x)", "ft.value_and_grad(lambda w: np.mean(w * 2))(x)"),
    "integer argument": _loss(
        "np.sum(w['a'][0] * 2)",
        "ft.grad(loss)({'a': [np.arange(3)]})",
        call_instead="ft.grad(loss)({'a': [np.asarray(np.arange(3), dtype=float)]})",
    ),
    "integer value": _loss("np.argmax(w)", "ft.grad(loss)(x)", "return np.max(w)"),
    "complex value": _loss("np.sum(w * 1j)", "ft.grad(loss)(x)", "return np.abs(np.sum(w * 1j))"),
    "holomorphic": _loss(
        "np.sum(w)", "ft.grad(loss, holomorphic=True)(x)", "", "ft.grad(loss, holomorphic=True)(x.astype(complex))"
    ),
    "complex argument of jacfwd": Mistake("ft.jacfwd(np.abs)(x + 1j)", "ft.jacrev(np.abs)(x + 1j)"),
    "argnums": Mistake(f"{PRODUCT}ft.grad(f, argnums=2)(1.0, 2.0)", "ft.grad(f, argnums=1)(1.0, 2.0)"),
    "argument by name": Mistake(f"{PRODUCT}ft.grad(f)(a=1.0, b=2.0)", "ft.grad(f)(1.0, b=2.0)"),
    "has_aux": _loss("np.sum(w)", "ft.grad(loss, has_aux=True)(x)", "return np.sum(w), w"),
    "cotangent": Mistake("out, pull = ft.vjp(np.sin, x)\npull(np.ones(4))", "pull(np.ones_like(out))"),
    "tree of a cotangent": Mistake(
        "def f(p):\n    return {'a': p, 'b': (p, p)}\nout, pull = ft.vjp(f, x)\npull({'a': x, 'b': x, 'c': x})",
        "pull({'a': x, 'b': (x, x)})",
    ),
    "tangent": Mistake("ft.jvp(np.sin, (x,), (y,))", "ft.jvp(np.sin, (x,), (np.ones_like(x),))"),
    "tree of tangents": Mistake(
        "def f(p):\n    return p['w'] * p['b']\nft.jvp(f, ({'w': x, 'b': 1.0},), ({'w': x},))",
        "ft.jvp(f, ({'w': x, 'b': 1.0},), ({'w': x, 'b': 0.0},))",
    ),
    "no derivative": Mistake(
        "def loss(w):\n    v = fnp.at(x)[np.array([0, 0])].multiply(w)\n    return np.sum(v)\nft.grad(loss)(np.ones(2))",
        "v = fnp.at(x)[np.array([0, 0])].multiply(ft.lax.stop_gradient(w)) + np.sum(w)",
        "v = fnp.at(x)[np.array([0, 0])].multiply(w)",
    ),
    "not linear": Mistake("ft.linear_transpose(np.sin, x)", "ft.vjp(np.sin, x)"),
}

INPUTS = {
    "text among the arguments": Mistake(
        "def f(params, scale):\n    return params[0]['w'] * scale\nft.jit(f)([{'w': x, 'name': 'layer'}], 2.0)",
        "ft.jit(f)([{'w': x}], 2.0)",
    ),
    "text as an argument": Mistake(
        "def f(a, mode):\n    return a\nft.jit(f)(x, 'fast')", "ft.jit(f, static_argnames='mode')(x, 'fast')"
    ),
    "int that is too large": Mistake(f"{PRODUCT}ft.jit(f)(x, 10**20)", "ft.jit(f)(x, 1e20)"),
    "array of objects": _loss("np.sum(w)", "ft.grad(loss)(np.array([1.0, None]))", "", "ft.grad(loss)(np.array([1.0]))"),
    "masked array": _loss("np.sum(w)", "ft.grad(loss)(np.ma.masked_array(x))", "", "ft.grad(loss)(np.asarray(x))"),
    "text in the result": Mistake(
        "def f(a):\n    return {'out': a, 'log': ['done']}\nft.jit(f)(x)", "return {'out': a}",
        "return {'out': a, 'log': ['done']}",
    ),
    "unhashable static argument": Mistake(
        f"{PRODUCT}ft.jit(f, static_argnums=1)(x, [1, 2, 3])", "ft.jit(f)(x, np.array([1, 2, 3]))"
    ),
    "unhashable static argument by name": Mistake(
        f"{PRODUCT}ft.jit(f, static_argnames='b')(x, b=[1, 2, 3])", "ft.jit(f)(x, b=np.array([1, 2, 3]))"
    ),
    "unknown static argument": Mistake(f"{PRODUCT}ft.jit(f, static_argnames='c')", "ft.jit(f, static_argnames='b')"),
    "vmap sizes": Mistake(
        "def f(params, a, b):\n    return params['w'] + params['b'] + a + b\n"
        "ft.vmap(f)({'w': np.ones((3, 2)), 'b': np.ones((4, 2))}, np.ones((3, 2)), np.ones((5, 2)))",
        "ft.vmap(f)({'w': np.ones((3, 2)), 'b': np.ones((3, 2))}, np.ones((3, 2)), np.ones((3, 2)))",
    ),
    "vmap axis_size": Mistake("ft.vmap(np.sin, axis_size=4)(x)", "ft.vmap(np.sin)(x)"),
    "vmap over a scalar": Mistake(f"{PRODUCT}ft.vmap(f)(x, 2.0)", "ft.vmap(f, in_axes=(0, None))(x, 2.0)"),
    "vmap over nothing": Mistake(f"{PRODUCT}ft.vmap(f, in_axes=None)(x, x)", "ft.vmap(f, in_axes=(0, None))(x, x)"),
    "vmap in_axes": Mistake(f"{PRODUCT}ft.vmap(f, in_axes=(0, 0, 0))(x, x)", "ft.vmap(f, in_axes=(0, 0))(x, x)"),
    "vmap in_axes of a tree": Mistake(
        "def f(p):\n    return p['w']\nft.vmap(f, in_axes=({'w': 0},))({'w': x, 'b': x})",
        "ft.vmap(f, in_axes=({'w': 0, 'b': None},))({'w': x, 'b': x})",
    ),
    "vmap out_axes": Mistake("ft.vmap(np.sin, out_axes=None)(x)", "ft.vmap(np.sin, out_axes=0)(x)"),
    "no such axis": Mistake(
        "def f(a):\n    return ft.lax.psum(a, 'rows')\nft.vmap(f, axis_name='columns')(x)",
        "ft.vmap(f, axis_name='rows')(x)",
        "ft.vmap(f, axis_name='columns')(x)",
    ),
    "no axis at all": Mistake("ft.lax.psum(x, 'rows')", "ft.vmap(lambda a: ft.lax.psum(a, 'rows'), axis_name='rows')(x)"),
    "trees": Mistake(
        "ft.tree.map(np.add, {'w': x, 'b': [x, x]}, {'w': (x,), 'c': x})",
        "ft.tree.map(np.add, {'w': x, 'b': [x, x]}, {'w': x, 'b': [x, x]})",
    ),
}  # fmt: skip

_KEEP = "kept = []\ndef keep(w):\n    v = w * 2\n    kept.append(v)\n    return v\n"
TRACING = {
    "leaked from jit": Mistake(f"{_KEEP}ft.jit(keep)(1.0)\nnp.sin(kept[0])", "np.sin(ft.jit(keep)(1.0))"),
    "leaked from grad": Mistake(f"{_KEEP}ft.grad(keep)(1.0)\nkept[0] + 1", "ft.grad(keep)(1.0) + 1"),
    "leaked from vmap": Mistake(f"{_KEEP}ft.vmap(keep)(x)\nfloat(kept[0])", "ft.vmap(keep)(x)"),
    "leaked from jvp": Mistake(f"{_KEEP}ft.jvp(keep, (1.0,), (1.0,))\nnp.sin(kept[0])", "np.sin(1.0)"),
    "leaked into jit": Mistake(
        f"{_KEEP}ft.jit(keep)(1.0)\ndef f(w):\n    return w + kept[0]\nft.jit(f)(1.0)", "return w + 2.0"
    ),
    "leaked, as an array": Mistake(f"{_KEEP}ft.jit(keep)(1.0)\nnp.asarray(kept[0])", "np.asarray(ft.jit(keep)(1.0))"),
    "float()": _line("t = t * float(s)"),
    "float() under grad": _line("t = t * float(s)", transform="grad"),
    "int()": _line("t = t[:2] * int(s)"),
    "complex()": _line("t = t * complex(s)"),
    "math.sin": _line("t = t * math.sin(s)"),
    "math.sin under grad": _line("t = t * math.sin(s)", transform="grad"),
    "list for what is not NumPy's": _line(
        "t = t + np.random.default_rng(0).choice([s, s])", "t = t + s * np.random.default_rng(0).choice(2)"
    ),
    "index of a list": _line("t = t * [1.0, 2.0][i]"),
    "length": _line("t = t + np.zeros(i)", "t = t + np.zeros(t.shape)"),
    "f-string": _line("print(f'{s:.3f}')", "with ft.disable_jit(): pass"),
    "item": _line("t = t * s.item()", "t = t * s"),
    "tolist": _line("t = sum(t.tolist())", "t = sum(t)"),
    "nonzero": _line("t = t[t.nonzero()]", "t = np.where(t != 0, t, 0)"),
    "item assignment": _line("t[0] = 5.0"),
    "item assignment, in place": _line("t[1:] *= s"),
    "sort in place": _line("t.sort()", "t = np.sort(t)"),
    "np.array of a list": _line("t = np.array([t, 2 * t])"),
    "np.array of a list, in a call": _line("t = np.sum(np.array([s, 2 * s]) ** 2)"),
    "np.asarray": _line("t = np.asarray(t)"),
    "np.asarray under grad": _line("t = np.asarray(t, dtype=np.float32)", transform="grad"),
    "np.full": _line("t = np.full(3, s)"),
    "np.r_": _line("t = np.r_[t, t]"),
    "array at a traced index": _line("t = np.arange(3)[i]"),
    "array at a traced mask": _line("t = a[t > 1]"),
    "into a concrete array": _line("a[i] = s"),
    "np.vectorize": _line("t = np.vectorize(lambda v: v + 1)(t)"),
    "condition over lines": Mistake(
        "def f(a):\n    return np.sum(\n        np.array([a,\n                  a]),\n        axis=0)\nft.jit(f)(x)",
        line="return np.sum(\n        np.array([a,\n                  a]),\n        axis=0)",
    ),
}  # fmt: skip

NUMPY = {
    "shapes, under jit": Mistake(
        "def f(a, b):\n    h = np.tanh(a)\n    return np.sum(h + b)\nft.jit(f)(x, y)", "return np.sum(h[:, None] + b)"
    ),
    "shapes, under grad": Mistake(
        "def f(a, b):\n    h = np.tanh(a)\n    return np.sum(h + b)\nft.grad(f)(x, y)", "return np.sum(h[:, None] + b)"
    ),
    "shapes, under vmap": Mistake(
        "def f(a, b):\n    h = np.tanh(a)\n    return np.add(h, b[:3] * 2) * b\nft.vmap(f)(x[None], y[None])",
        "return np.add(h, b[:3] * 2)[:, None] * b",
    ),
    "shapes, with a constant": Mistake(
        "weights = np.ones((2, 4))\nft.jit(lambda a: np.maximum(weights, a))(x)",
        "ft.jit(lambda a: np.maximum(weights, a[:, None, None]))(x)",
    ),
    "matrix product": Mistake("def f(a, b):\n    return a @ b\nft.jit(f)(x, y)", "return a @ b[:3]"),
    "concatenate": Mistake(
        "def f(a, b):\n    return np.concatenate([a, b])\nft.jit(f)(x, np.ones((2, 3)))", "return np.vstack([a, b])"
    ),
    "function": _line("t = np.unravel_index(t.astype(int), (3, 2))[0]", "t = t.astype(int) // 2"),
    "keyword": _line("t = np.sort(t, order='f0')", "t = np.sort(t)"),
    "ufunc's keyword": _line("t = np.sin(t, where=t > 0)", "t = np.where(t > 0, np.sin(t), 0)"),
    "method of a ufunc": _line("np.add.at(a, [0], s)", "a = fnp.at(a)[[0]].add(s)"),
    "out": _line("np.sin(t, out=a)"),
    "out, of another variable": _line("b = np.sin(t, out=a)"),
    "out, of a part": _line("np.sin(t[:2], out=a[:2])"),
    "out, of no variable": _line("t = np.sin(t, out=np.zeros(3))"),
    "out, of a method": _line("t.sum(axis=0, out=a)"),
    "in place": _line("a += t"),
    "in place, of a part": _line("a[1:] -= s"),
    "text": _line("t = np.add(t, 'text')", "t = np.add(t, 1)"),
    "masked": _line("t = t + np.ma.masked_array([1.0])", "t = t + np.asarray([1.0])"),
    "list with a traced value": _line("t = t + [s, 1.0, 2.0]"),
    "index out of range": Mistake("def f(a, k):\n    b = a * 2\n    return b[k]\nft.jit(f)(x, 7)", "ft.jit(f)(x, -3)",
                                  "ft.jit(f)(x, 7)"),
    "index out of range, known": _line("t = t[7]", "t = t[-3]"),
    "indices out of range, under grad": Mistake(
        "def f(a):\n    return np.sum(np.take(a, [0, 3]))\nft.grad(f)(x)", "return np.sum(np.take(a, [0, 2]))"
    ),
    "too many indices": _line("t = t[0, 0]", "t = t[0]"),
    "index by a float": _line("t = t[1.5]", "t = t[1]"),
    "mask": _line("t = t[t > 0]", "t = np.where(t > 0, t, 0)"),
    "update of another shape": _line("t = t.at[:2].set(t)", "t = t.at[:2].set(t[:2])"),
    "update of another dtype": _line("t = t.at[0].set(1j)", "t = t.astype(complex).at[0].set(1j)"),
    "einsum": _line("t = np.einsum('ij->j', t)", "t = np.einsum('i->i', t)"),
    "unique": _line("t = np.unique(t)", "t = np.sort(t)"),
    "reduction of nothing": _line("t = np.max(t[:0])", "t = np.max(t[:0], initial=0.0)"),
    "primitive": _line("t = ft.lax.add(t, t[:2])", "t = fnp.add(t, t)"),
}  # fmt: skip

CUSTOM = {
    "no rule yet": Mistake(
        f"{CUBE}ft.grad(cube)(2.0)", "cube.defvjp(lambda w: (w**3, w), lambda w, ct: (ct * 3 * w**2,))"
    ),
    "forward rule": Mistake(
        f"{CUBE}cube.defvjp(lambda w: w**3, lambda w, ct: (ct * 3 * w**2,))\nft.grad(cube)(2.0)",
        "cube.defvjp(lambda w: (w**3, w), lambda w, ct: (ct * 3 * w**2,))",
        "cube.defvjp(lambda w: w**3, lambda w, ct: (ct * 3 * w**2,))",
    ),
    "backward rule": Mistake(
        f"{CUBE}cube.defvjp(lambda w: (w**3, w), lambda w, ct: ct * 3 * w**2)\nft.grad(cube)(2.0)",
        "cube.defvjp(lambda w: (w**3, w), lambda w, ct: (ct * 3 * w**2,))",
        "cube.defvjp(lambda w: (w**3, w), lambda w, ct: ct * 3 * w**2)",
    ),
    "shape of a cotangent": Mistake(
        f"{CUBE}cube.defvjp(lambda w: (w**3, w), lambda w, ct: (np.sum(ct),))\nft.grad(lambda w: np.sum(cube(w)))(x)",
        "cube.defvjp(lambda w: (w**3, w), lambda w, ct: (ct * 3 * w**2,))",
        "cube.defvjp(lambda w: (w**3, w), lambda w, ct: (np.sum(ct),))",
    ),
    "forward-mode rule": Mistake(
        f"{CUBE_JVP}cube.defjvp(lambda p, t: 3 * p[0] ** 2 * t[0])\nft.grad(cube)(2.0)",
        "cube.defjvp(lambda p, t: (p[0] ** 3, 3 * p[0] ** 2 * t[0]))",
        "cube.defjvp(lambda p, t: 3 * p[0] ** 2 * t[0])",
    ),
    "shape of a tangent": Mistake(
        f"{CUBE_JVP}cube.defjvp(lambda p, t: (p[0] ** 3, x))\nft.grad(cube)(2.0)",
        "cube.defjvp(lambda p, t: (p[0] ** 3, 3 * p[0] ** 2 * t[0]))",
        "cube.defjvp(lambda p, t: (p[0] ** 3, x))",
    ),
}

LOWERED = "def f(a, k):\n    return a * k['w']\ncompiled = ft.jit(f).lower(x, {'w': 2.0}).compile()\n"

COMPILING = {
    "compiled for another shape": Mistake(f"{LOWERED}compiled(y, {{'w': 2.0}})", "compiled(y[:3], {'w': 2.0})"),
    "compiled for other arguments": Mistake(f"{LOWERED}compiled(x, {{'v': 2.0}})", "compiled(x, {'w': 2.0})"),
    "compiled for other containers": Mistake(
        "def f(pair):\n    return pair[0] + pair[1]\ncompiled = ft.jit(f).lower((x, x)).compile()\ncompiled([x, x])",
        "compiled((x, x))",
    ),
    "compiled for arguments by position": Mistake(
        "def f(a, b):\n    return a + b\ncompiled = ft.jit(f).lower(x, 1.0).compile()\ncompiled(x, b=1.0)",
        "compiled(x, 1.0)",
    ),
    "lowered for text": Mistake("def f(a, mode):\n    return a\nft.jit(f).lower(x, 'fast')",
                                "ft.jit(f, static_argnames='mode').lower(x, 'fast')"),
}  # fmt: skip

_ONE = "ft.ShapeDtypeStruct((), float)"
_C = "import ctypes\nc, double, point = ctypes.CDLL(None), ctypes.c_double, ctypes.POINTER(ctypes.c_int)\n"
_COS = f"{_C}c.cos.argtypes, c.cos.restype = [double], double\n"
_FREXP = f"{_C}c.frexp.argtypes, c.frexp.restype = [double, point], double\n"
_INT = "ft.ShapeDtypeStruct((), np.int32)"
_SINE = f"def f(t):\n    return ft.pure_callback(math.sin, {_ONE}, t)\n"

_KEYS = "key = ft.random.key(0)\nfirst, second = ft.random.split(key)\nwith ft.random.check_keys():\n    "
OUTSIDE = {
    "key used twice": Mistake(
        f"{_KEYS}a = ft.random.normal(first)\n    b = ft.random.uniform(first)", "b = ft.random.uniform(second)"
    ),
    "key used in every turn of a loop": Mistake(
        f"{_KEYS}a = sum(ft.random.normal(first) for i in range(2))",
        "a = sum(ft.random.normal(ft.random.fold_in(first, i)) for i in range(2))",
    ),
    "result of another type": Mistake(
        "def f(t):\n    return ft.pure_callback(np.sin, ft.ShapeDtypeStruct((2,), np.float32), t)\nft.jit(f)(x)",
        "return ft.pure_callback(np.sin, ft.ShapeDtypeStruct((3,), np.float64), t)",
    ),
    "results in a tree": Mistake(
        f"both = {{'low': {_ONE}, 'high': {_ONE}}}\ndef f(t):\n"
        "    return ft.pure_callback(lambda v: {'low': v[:1], 'high': 'v'}, both, t)\nft.jit(f)(x)",
        "return ft.pure_callback(lambda v: {'low': v[0], 'high': v[2]}, both, t)",
    ),
    "result of another structure": Mistake(
        f"def f(t):\n    return ft.pure_callback(divmod, {_ONE}, t, 2.0)\nft.jit(f)(3.0)",
        f"return ft.pure_callback(divmod, ({_ONE}, {_ONE}), t, 2.0)",
    ),
    "traced result": Mistake(
        f"def f(t):\n    return ft.pure_callback(lambda: t, {_ONE})\nft.jit(f)(2.0)",
        f"return ft.pure_callback(lambda v: v, {_ONE}, t)",
    ),
    "text for a callback": Mistake(
        f"ft.pure_callback(lambda a, b: a, {_ONE}, 1.0, 'text')", f"ft.pure_callback(lambda a: a, {_ONE}, 1.0)"
    ),
    "vmap of a callback": Mistake(
        f"{_SINE}ft.vmap(f)(x)", f"return ft.pure_callback(math.sin, {_ONE}, t, vmap_method='sequential')"
    ),
    "derivative of a callback": Mistake(
        f"{_SINE}ft.grad(f)(1.0)", f"return ft.external(math.sin, {_ONE}, finite_differences=True)(t)"
    ),
    "rule beside finite differences": Mistake(
        f"ft.external(math.sin, {_ONE}, vjp=lambda ct, out, t: (ct * np.cos(t),), finite_differences=True)",
        f"ft.external(math.sin, {_ONE}, vjp=lambda ct, out, t: (ct * np.cos(t),))",
    ),
    "unknown way to take a batch": Mistake(
        f"ft.external(np.sin, {_ONE}, vmap='parallel')", f"ft.external(np.sin, {_ONE}, vmap='vectorized')"
    ),
    "complex finite differences": Mistake(
        f"f = ft.external(abs, {_ONE}, finite_differences=True)\nft.grad(lambda t: f(t * 1j))(1.0)",
        "ft.grad(lambda t: f(t))(1.0)",
    ),
    "argument by name only": Mistake(
        f"def power(t, *, n):\n    return t**n\nf = ft.external(power, {_ONE}, finite_differences=True)\nft.jit(f)(2.0, n=3.0)",
        f"ft.external(lambda t: power(t, n=3.0), {_ONE}, finite_differences=True)(2.0)",
    ),
    "cotangent of an external function": Mistake(
        f"f = ft.external(math.sin, {_ONE}, vjp=lambda ct, out, t: ct * np.cos(t))\nft.grad(f)(1.0)",
        f"f = ft.external(math.sin, {_ONE}, vjp=lambda ct, out, t: (ct * np.cos(t),))",
        f"f = ft.external(math.sin, {_ONE}, vjp=lambda ct, out, t: ct * np.cos(t))",
    ),
    "C function of unknown parameters": Mistake(
        f"{_C}f = c.cos\nft.external(f, {_ONE})",
        f"f.argtypes, f.restype = [ctypes.c_double], ctypes.c_double; ft.external(f, {_ONE})",
    ),
    "C function that returns something else": Mistake(
        f"{_C}c.cos.argtypes = [double]\nft.external(c.cos, {_ONE})(1.0)",
        f"c.cos.restype = ctypes.c_double; ft.external(c.cos, {_ONE})(1.0)",
    ),
    "C function of text": Mistake(
        f"{_C}c.atof.argtypes, c.atof.restype = [ctypes.c_char_p], double\nft.external(c.atof, {_ONE})",
        f"ft.external(lambda *args: c.atof(b'2.5'), {_ONE})",
    ),
    "C function of Python": Mistake(
        f"import ctypes\nf = ctypes.PYFUNCTYPE(ctypes.c_double, ctypes.c_double)(abs)\nft.external(f, {_ONE})",
        f"ft.external(lambda *args: f(*args), {_ONE})",
    ),
    "null pointer": Mistake(
        f"{_COS}ft.external(ctypes.CFUNCTYPE(double, double)(0), {_ONE})", f"ft.external(c.cos, {_ONE})"
    ),
    "C function with a batch": Mistake(
        f"{_COS}ft.external(c.cos, {_ONE}, vmap='vectorized')", f"ft.external(c.cos, {_ONE})"
    ),
    "C function by name": Mistake(f"{_COS}ft.external(c.cos, {_ONE})(x=1.0)", f"ft.external(c.cos, {_ONE})(1.0)"),
    "argument that C would round": Mistake(
        f"{_FREXP}f = ft.external(c.frexp, ({_ONE}, {_INT}))\nft.jit(lambda t: f(t * 1j))(1.0)",
        "ft.jit(lambda t: f(t))(1.0)",
    ),
    "array for a number of C": Mistake(
        f"{_FREXP}f = ft.external(c.frexp, ({_ONE}, {_INT}))\nft.jit(lambda t: f(t))(x)",
        "ft.jit(ft.vmap(lambda t: f(t)))(x)",
    ),
    "result without a parameter": Mistake(
        f"{_FREXP}f = ft.external(c.frexp, {_ONE})\nft.jit(f)(1.0)",
        f"f = ft.external(c.frexp, ({_ONE}, {_INT}))",
        f"f = ft.external(c.frexp, {_ONE})",
    ),
    "argument in place of nothing": Mistake(
        f"{_FREXP}ft.external(c.frexp, ({_ONE}, {_INT}), input_output_aliases={{1: 2}})(1.0, np.int32(0))",
        f"ft.external(c.frexp, ({_ONE}, {_INT}), input_output_aliases={{1: 1}})(1.0, np.int32(0))",
    ),
    "argument in place of another type": Mistake(
        f"{_FREXP}f = ft.external(c.frexp, ({_ONE}, {_INT}), input_output_aliases={{1: 1}})\nf(1.0, np.zeros(2, np.int32))",
        "f(1.0, np.int32(0))",
    ),
    "aliases of a Python function": Mistake(
        f"ft.external(math.sin, {_ONE}, input_output_aliases={{0: 0}})", f"ft.external(math.sin, {_ONE})"
    ),
    "derivative of a C function": Mistake(
        f"{_COS}f = ft.external(c.cos, {_ONE})\nft.grad(f)(1.0)",
        f"f = ft.external(c.cos, {_ONE}, finite_differences=True)",
        f"f = ft.external(c.cos, {_ONE})",
    ),
    "format without a value": Mistake("ft.debug.print('x = {x}', y=x)", "ft.debug.print('x = {x}', x=x)"),
}

ERRORS = {
    "derivatives": DERIVATIVES,
    "inputs": INPUTS,
    "tracing": TRACING,
    "control flow": CONTROL_FLOW,
    "loops": LOOPS,
    "numpy": NUMPY,
    "custom": CUSTOM,
    "compiling": COMPILING,
    "outside": OUTSIDE,
}
