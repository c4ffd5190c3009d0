"""What `functrans` imports when it is first asked for, so that a program pays for what it uses. Start reading at `late_names`.

Imports core and functrans.numpy. The public modules are named here as text; the test of layers takes such tables for imports.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any

from functrans.core.ir import DRAW
from functrans.numpy import late as numpy_late
from functrans.numpy.dispatch import ELSEWHERE, NumpyFunction
from functrans.numpy.late import EXTENSIONS

__all__ = ["late_names"]

_MODULES = {
    "ad_checkpoint": "functrans.ad_checkpoint",
    "checkpoint_policies": "functrans.transforms.checkpoint_policies",
    "debug": "functrans.debug",
    "experimental": "functrans.experimental",
    "flatten_util": "functrans.flatten_util",
    "lax": "functrans.lax",
    "nn": "functrans.nn",
    "optim": "functrans.optim",
    "random": "functrans.random",
    "scipy": "functrans.scipy",
    "solvers": "functrans.solvers",
    "test_util": "functrans.test_util",
    "tree_util": "functrans.tree_util",
}
"""Public modules, by name."""
_MEMBERS = {
    "Drawing": "functrans.drawing",
    "ExportedFiles": "functrans.exported",
    "External": "functrans.external_function",
    "checkpoint": "functrans.transforms.checkpoint",
    "custom_jvp": "functrans.transforms.custom",
    "custom_vjp": "functrans.transforms.custom",
    "deserialize": "functrans.exported",
    "draw": "functrans.drawing",
    "export": "functrans.exported",
    "external": "functrans.external_function",
    "hessian": "functrans.transforms.jacobian",
    "hvp": "functrans.transforms.jacobian",
    "jacfwd": "functrans.transforms.jacobian",
    "jacobian": "functrans.transforms.jacobian",
    "jacrev": "functrans.transforms.jacobian",
    "linear_transpose": "functrans.transforms.linear_transpose",
    "load_exported": "functrans.exported",
    "progress": "functrans.progress_bar",
    "pure_callback": "functrans.callback",
    "remat": "functrans.ad_checkpoint",
}
"""Public functions and classes, by name, and the modules that have them. No module of functrans has the name of a function:
importing it would put it in the function's place."""


def late_names(namespace: dict[str, Any]) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """The `__getattr__` and `__dir__` of `functrans`. Any: a module, a class or a function."""
    return numpy_late.late_names(namespace, _MODULES, _MEMBERS)


def _drawn(what: Any) -> str | None:  # Any: see DRAW
    picture: str | None = import_module("functrans.drawing").drawn(what)
    return picture


DRAW.append(_drawn)

_SPECIAL = {"scipy.special": "functrans.scipy.special"}
"""Modules whose ufuncs a traced value can meet, and ours that has them."""


def _traced_elsewhere(function: NumpyFunction) -> NumpyFunction | None:
    """Ours, for a ufunc of a module that somebody has imported."""
    for theirs, ours in _SPECIAL.items():
        name = function.__name__
        if getattr(sys.modules.get(theirs), name, None) is function:
            return getattr(import_module(ours), name, None)
    return None


ELSEWHERE.append(_traced_elsewhere)
EXTENSIONS["special"] = "functrans.scipy.special"
