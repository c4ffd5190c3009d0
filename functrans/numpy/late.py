"""What of functrans.numpy is imported when a program first uses it: linear algebra, Fourier transforms, sets, histograms, ….

The modules are named here as text; the test of layers takes such tables for imports. Start reading at `late_names`. Imports
nothing of functrans.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

__all__ = ["EXTENSIONS", "complete", "late_names"]

_MODULES = {
    "emath": "functrans.numpy.scimath",
    "fft": "functrans.numpy.fft",
    "linalg": "functrans.numpy.linalg",
}
"""Modules, by their public names."""
EXTENSIONS: dict[str, str] = {}  # filled by functrans/late.py, which imports this layer
"""Modules that `standard` has, and this package has not, by name."""
_OF_NUMPYS = {
    "numpy.fft": "functrans.numpy.fft",
    "numpy.lib.scimath": "functrans.numpy.scimath",
    "numpy.linalg": "functrans.numpy.linalg",
}
"""Modules that trace those of NumPy's."""
_FUNCTIONS = {
    "functrans.numpy.quantiles": (
        "median",
        "nanmedian",
        "nanpercentile",
        "nanquantile",
        "percentile",
        "quantile",
    ),
    "functrans.numpy.covariance": (
        "corrcoef",
        "cov",
    ),
    "functrans.numpy.histograms": (
        "bincount",
        "histogram",
        "histogram2d",
        "histogram_bin_edges",
        "histogramdd",
    ),
    "functrans.numpy.sets": (
        "intersect1d",
        "setdiff1d",
        "setxor1d",
        "union1d",
        "unique",
        "unique_all",
        "unique_counts",
        "unique_inverse",
        "unique_values",
    ),
    "functrans.numpy.polynomials": (
        "poly",
        "polyadd",
        "polyder",
        "polydiv",
        "polyfit",
        "polyint",
        "polymul",
        "polysub",
        "polyval",
        "roots",
    ),
    "functrans.numpy.applying": (
        "apply_along_axis",
        "apply_over_axes",
        "piecewise",
        "sliding_window_view",
    ),
    "functrans.numpy.standard": ("__array_namespace_info__",),
    "functrans.numpy.bits": (
        "packbits",
        "unpackbits",
    ),
}
"""Functions, by the modules that have them."""
_HOME = {name: module for module, names in _FUNCTIONS.items() for name in names}


def complete(function: Callable[..., Any]) -> None:
    """See that what traces a function of NumPy's is there."""
    module = getattr(function, "__module__", None) or ""
    home = _OF_NUMPYS.get(module) or (_HOME.get(function.__name__) if module.startswith("numpy") else None)
    if home is not None:
        import_module(home)


def late_names(
    namespace: dict[str, Any], modules: Mapping[str, str] = _MODULES, homes: Mapping[str, str] = _HOME
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """The `__getattr__` and `__dir__` of the package with this namespace. Any: a module, a class or a function.

    modules, homes: the modules with public names, and those that have the functions and classes.
    """

    def find(name: str) -> Any:
        if name in modules:
            found = import_module(modules[name])
        elif name in homes:
            found = getattr(import_module(homes[name]), name)
        else:
            raise AttributeError(f"module {namespace['__name__']!r} has no attribute {name!r}")
        namespace[name] = found  # this is not asked again
        return found

    return find, lambda: sorted({*namespace, *modules, *homes})
