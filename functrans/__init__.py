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

from typing import TYPE_CHECKING

from functrans import errors, numpy, tree, typing
from functrans.core.aval import FLOAT0 as float0  # JAX's name
from functrans.core.ir import Jaxpr
from functrans.core.primitive import Tracer
from functrans.jit import Jitted, clear_caches, disable_jit, jit
from functrans.late import late_names
from functrans.lowered import Compiled, Lowered
from functrans.parallel import threads
from functrans.transforms.grad import grad, value_and_grad
from functrans.transforms.jvp import jvp, linearize
from functrans.transforms.make_jaxpr import ShapeDtypeStruct, eval_shape, make_jaxpr
from functrans.transforms.vjp import vjp
from functrans.transforms.vmap import vmap
from functrans.typing import Array, ArrayLike, DTypeLike, PyTree

if TYPE_CHECKING:  # what is imported when it is asked for
    from functrans import (
        ad_checkpoint,
        debug,
        experimental,
        flatten_util,
        lax,
        nn,
        optim,
        random,
        scipy,
        solvers,
        test_util,
        tree_util,
    )
    from functrans.ad_checkpoint import remat
    from functrans.callback import pure_callback
    from functrans.drawing import Drawing, draw
    from functrans.exported import ExportedFiles, deserialize, export, load_exported
    from functrans.external_function import External, external
    from functrans.progress_bar import progress
    from functrans.transforms import checkpoint_policies
    from functrans.transforms.checkpoint import checkpoint
    from functrans.transforms.custom import custom_jvp, custom_vjp
    from functrans.transforms.jacobian import hessian, hvp, jacfwd, jacobian, jacrev
    from functrans.transforms.linear_transpose import linear_transpose
else:
    __getattr__, __dir__ = late_names(globals())

__version__ = "0.1.0.dev0"

__all__ = [
    "Array",
    "ArrayLike",
    "Compiled",
    "DTypeLike",
    "Drawing",
    "ExportedFiles",
    "External",
    "Jaxpr",
    "Jitted",
    "Lowered",
    "PyTree",
    "ShapeDtypeStruct",
    "Tracer",
    "ad_checkpoint",
    "checkpoint",
    "checkpoint_policies",
    "clear_caches",
    "custom_jvp",
    "custom_vjp",
    "debug",
    "deserialize",
    "disable_jit",
    "draw",
    "errors",
    "eval_shape",
    "experimental",
    "export",
    "external",
    "flatten_util",
    "float0",
    "grad",
    "hessian",
    "hvp",
    "jacfwd",
    "jacobian",
    "jacrev",
    "jit",
    "jvp",
    "lax",
    "linear_transpose",
    "linearize",
    "load_exported",
    "make_jaxpr",
    "nn",
    "numpy",
    "optim",
    "progress",
    "pure_callback",
    "random",
    "remat",
    "scipy",
    "solvers",
    "test_util",
    "threads",
    "tree",
    "tree_util",
    "typing",
    "value_and_grad",
    "vjp",
    "vmap",
]
