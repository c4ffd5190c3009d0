"""Runs the README: every ```python block, from top to bottom, in one namespace, as a reader would.

A block with `>>>` is a doctest; one without is only run. "```python skip" is shown but not run, "```python native" is run
where `jit` makes machine code.
"""

import doctest
import re
from pathlib import Path

from functrans.backends.executable import why_numpy

README = Path(__file__).parent.parent / "README.md"
SKIPPED = {"skip", "native"} if why_numpy() else {"skip"}
BLOCK = re.compile(r"^```(?:python|pycon)(?P<flags>[^\n]*)\n(?P<code>.*?)^```", re.DOTALL | re.MULTILINE)


def failures(text: str, name: str) -> list[str]:
    """What went wrong in the blocks of `text`; an error in a block without `>>>` is raised."""
    reports: list[str] = []
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    namespace: dict[str, object] = {"__name__": "__main__"}
    for block in BLOCK.finditer(text):
        line, code = text[: block.start("code")].count("\n"), block["code"]
        if SKIPPED.intersection(block["flags"].split()):
            continue
        if ">>>" not in code:
            exec(compile("\n" * line + code, name, "exec"), namespace)
            continue
        test = doctest.DocTestParser().get_doctest(code, namespace, name, name, line)
        runner.run(test, out=reports.append, clear_globs=False)
        namespace.update(test.globs)
    return reports


def test_the_readme_runs_as_written() -> None:
    reports = failures(README.read_text(encoding="utf-8"), str(README))
    assert not reports, "".join(reports)


def test_a_wrong_output_is_caught() -> None:
    text = "# T\n\n```python\nx = 2\n```\n\n```python\n>>> x + 1\n4\n```\n"
    (report,) = failures(text, "text.md")
    assert 'File "text.md", line 8' in report
    assert "Got:\n    3" in report


def test_right_and_skipped_blocks_pass() -> None:
    assert failures("```python skip\n1 / 0\n```\n```python\n>>> 1 + 1\n2\n```\n```sh\nfalse\n```\n", "text.md") == []
