"""What every test shares: the Hypothesis profiles, and options.

`--update-golden` writes tests/golden/ anew. `--without avx512` compiles as for a machine that lacks these features, so that one
machine tests the code of others; NumPy's own loops follow NPY_DISABLE_CPU_FEATURES. With CI=true in the environment all runs
try the same examples.
"""

import os
from functools import wraps

import pytest
from hypothesis import HealthCheck, settings

os.environ["FUNCTRANS_CACHE"] = "off"  # tests see what is compiled now, and leave nothing behind

# The first call of a jitted function compiles: a deadline would fail it, and so would the check for slow generation.
settings.register_profile("local", deadline=None, max_examples=50, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("shared", settings.get_profile("local"), derandomize=True, print_blob=True)
settings.load_profile("shared" if os.environ.get("CI", "").lower() in {"1", "true"} else "local")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-golden", action="store_true", help="write the files of tests/golden/ instead of comparing"
    )
    parser.addoption("--without", metavar="FEATURES", help="compile for a machine without these, as avx512 or avx,fma")


def pytest_configure(config: pytest.Config) -> None:
    if missing := config.getoption("--without"):
        hide_features(tuple(missing.split(",")))
    check_passes()


def check_passes() -> None:
    """Let every program that a test compiles be checked after every pass."""
    from functrans.compiler import pipeline
    from functrans.core.check import check_jaxpr
    from functrans.core.ir import Jaxpr

    def checked(transform: pipeline.Pass) -> pipeline.Pass:
        @wraps(transform)
        def run(jaxpr: Jaxpr) -> Jaxpr:
            after = transform(jaxpr)
            if after is not jaxpr:
                check_jaxpr(after)
                assert (after.in_avals, after.out_avals) == (jaxpr.in_avals, jaxpr.out_avals)
            return after

        return run

    pipeline.PASSES = tuple(map(checked, pipeline.PASSES))


def hide_features(missing: tuple[str, ...]) -> None:
    """Let LLVM say of this machine that it has no feature whose name begins so."""
    from llvmlite import binding

    features = binding.get_host_cpu_features()
    for name in features:
        features[name] = features[name] and not name.startswith(missing)
    binding.get_host_cpu_features = lambda: features
    binding.get_host_cpu_name = lambda: "x86-64" if "avx".startswith(missing) else "haswell"
