"""How long an import takes: CPU time in new Pythons, taken in turn."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence


def import_seconds(modules: Sequence[str], turns: int) -> dict[str, list[float]]:
    """CPU seconds that each module takes beyond NumPy, with compiled files warm; for NumPy itself, all it takes."""
    samples: dict[str, list[float]] = {name: [] for name in modules}
    with tempfile.TemporaryDirectory() as cache:
        unusual = ("PYTHONDONTWRITEBYTECODE", "_NUM_THREADS")  # as users import: numpy starts its threads
        environment = {key: value for key, value in os.environ.items() if not key.endswith(unusual)}
        environment["PYTHONPYCACHEPREFIX"] = cache
        for turn in range(turns + 1):
            for name in modules:
                seconds = _import_seconds(name, environment)
                if turn:  # the first one compiles
                    samples[name].append(seconds)
    return samples


def _import_seconds(module: str, environment: Mapping[str, str]) -> float:
    lines = [
        "from time import process_time, sleep",
        # the threads that it starts for OpenBLAS spin for a while after
        "" if module == "numpy" else "import numpy; sleep(0.3)",
        "start = process_time()",
        f"import {module}",
        "print(process_time() - start)",
    ]
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(lines)], env=environment, capture_output=True, text=True, check=True
    )
    return float(done.stdout)
