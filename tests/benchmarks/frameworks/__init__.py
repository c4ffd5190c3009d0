"""The frameworks: for each a class whose methods make its programs, one method per `Workload.kind`.

Importing these modules imports no peer: that happens when an object is made, in the process that it has to itself.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec

from tests.benchmarks.frameworks.base import Framework

CLASSES = {
    "functrans": "with_functrans.Functrans",
    "numpy": "with_numpy.NumPy",
    "autograd": "with_autograd.Autograd",
    "numba": "with_numba.Numba",
    "jax": "with_jax.Jax",
    "torch": "with_torch.Torch",
    "torch.compile": "with_torch.TorchCompile",
}
OURS = "functrans"


def framework_class(name: str) -> type[Framework]:
    module, _, cls = CLASSES[name].partition(".")
    found: type[Framework] = getattr(import_module(f"{__name__}.{module}"), cls)
    return found


def is_installed(name: str) -> bool:
    return find_spec(name.partition(".")[0]) is not None
