"""What `import functrans` does not load before it is asked for: it is there all the same, whatever came first."""

import subprocess
import sys
from importlib.util import find_spec

import functrans as ft
from functrans import late


def output_of(*lines: str) -> str:
    """What a new Python prints."""
    done = subprocess.run([sys.executable, "-c", "\n".join(lines)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_program_pays_for_what_it_uses() -> None:
    """Neither an import nor a first gradient loads loops, networks, optimisers or pictures."""
    loaded = output_of(
        "import sys, functrans as ft",
        "assert ft.grad(lambda x: x * x)(3.0) == 6.0",
        "print(*sorted(name for name in sys.modules if name.startswith('functrans.')))",
    ).split()
    for name in ("lax", "control", "nn", "optim", "random", "solvers", "drawing", "external_function", "compiler.plan"):
        assert f"functrans.{name}" not in loaded


def test_all_public_names_are_found_whatever_was_imported_first() -> None:
    """No module that has a public function's name takes its place."""
    kinds = output_of(
        "import functrans.nn, functrans.optim, functrans.callback, functrans as ft",
        "names = [name for name in ft.__all__ for _ in range(2)]",
        "print({name: type(getattr(ft, name)).__name__ for name in names})",
    )
    assert kinds.strip() == str({name: type(getattr(ft, name)).__name__ for name in ft.__all__})
    for name in late._MEMBERS:
        assert find_spec(f"functrans.{name}") is None


def test_names_are_listed_before_they_are_loaded() -> None:
    listed = output_of("import functrans, sys", "print(*dir(functrans))", "assert 'functrans.lax' not in sys.modules")
    assert {*ft.__all__} <= {*listed.split()}


def test_a_name_that_there_is_not_is_an_attribute_error() -> None:
    assert not hasattr(ft, "unheard_of")
