"""What every test shares: the Hypothesis profiles, and `--update-golden`, which writes tests/golden/ anew.

With CI=true in the environment all runs try the same examples.
"""

import os

import pytest
from hypothesis import HealthCheck, settings

# The first call of a jitted function compiles: a deadline would fail it, and so would the check for slow generation.
settings.register_profile("local", deadline=None, max_examples=50, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("shared", settings.get_profile("local"), derandomize=True, print_blob=True)
settings.load_profile("shared" if os.environ.get("CI", "").lower() in {"1", "true"} else "local")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-golden", action="store_true", help="write the files of tests/golden/ instead of comparing"
    )
