"""JAX's function transformations for plain NumPy: grad, jit, vmap and their kin, composable to any depth.

>>> import numpy as np
>>> import functrans as ft
>>> def loss(w, x, y):
...     return np.mean((np.tanh(x @ w) - y) ** 2)
>>> w, x, y = np.array([0.5, -1.0]), np.eye(2), np.array([1.0, 0.0])
>>> step = ft.jit(ft.value_and_grad(loss))
>>> value, gradient = step(w, x, y)
>>> round(float(value), 4), gradient.shape
(0.4347, (2,))

Start reading at `functrans.transforms.vjp` for how a gradient is computed.
"""

from functrans import errors, numpy, tree, tree_util, typing
from functrans.core.aval import FLOAT0 as float0  # noqa: N811  # JAX's name
from functrans.core.ir import Jaxpr
from functrans.core.primitive import Tracer
from functrans.jit import Jitted, disable_jit, jit
from functrans.transforms.custom import custom_jvp, custom_vjp
from functrans.transforms.jvp import jvp, linearize
from functrans.transforms.vjp import grad, value_and_grad, vjp
from functrans.transforms.vmap import vmap
from functrans.typing import Array, ArrayLike, DTypeLike, PyTree

__version__ = "0.1.0.dev0"

__all__ = [
    "Array",
    "ArrayLike",
    "DTypeLike",
    "Jaxpr",
    "Jitted",
    "PyTree",
    "Tracer",
    "custom_jvp",
    "custom_vjp",
    "disable_jit",
    "errors",
    "float0",
    "grad",
    "jit",
    "jvp",
    "linear_transpose",
    "linearize",
    "numpy",
    "tree",
    "tree_util",
    "typing",
    "value_and_grad",
    "vjp",
    "vmap",
]
