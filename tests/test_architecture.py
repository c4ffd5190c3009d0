"""The layers of functrans, held by reading every file's `ast`.

A file may import from its own layer and from the layers below it. To add a module, give it a place in `LAYERS`;
that table and the ones after it are all there is to edit. The second half shows that each check can fail.
"""

import ast
import graphlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import pytest

# layer: (its modules, the layers directly under it). A module brings along everything under it, unless it ends in
# "!": then it is that module alone. Where several fit, the longest wins.
LAYERS: dict[str, tuple[str, str]] = {
    "typing": ("functrans.typing functrans.record", ""),
    "errors": ("functrans.errors", "typing"),
    "tree": ("functrans.tree functrans.treedef functrans.tree_registry", "errors"),
    "core": ("functrans.core", "tree"),
    "ops": ("functrans.ops", "core"),
    "numpy": ("functrans.numpy", "ops"),
    "stage": ("functrans.transforms.stage", "numpy"),
    "vjp/jvp/vmap": ("functrans.transforms", "stage"),
    "custom": (
        "functrans.transforms.custom functrans.transforms.checkpoint functrans.transforms.checkpoint_policies"
        " functrans.transforms.jacobian",
        "vjp/jvp/vmap",
    ),
    "transforms": ("functrans.transforms!", "custom"),
    "compiler": ("functrans.compiler", "core"),
    "backends": ("functrans.backends", "compiler"),
    "primitive": (
        "functrans.jit_primitive functrans.donated functrans.disable functrans.static",
        "transforms backends",
    ),
    "control": ("functrans.control", "primitive"),
    "jit": (
        "functrans.jit functrans.lowered functrans.explain functrans.call_log functrans.guards"
        " functrans.standalone functrans.description functrans.exported functrans.c_interface functrans.parallel"
        " functrans.dispatch functrans.methods functrans.reads"
        " functrans.settings functrans.direct functrans.entry",
        "control",
    ),
    "public": (
        "functrans.lax functrans.ad_checkpoint functrans.flatten_util functrans.test_util functrans.tree_util"
        " functrans.nn functrans.random functrans.einops"
        " functrans.scipy functrans.solvers functrans.optim functrans.debug functrans.callback functrans.called_back"
        " functrans.drawing functrans.late functrans.experimental functrans.external_function functrans.finite_differences"
        " functrans.progress_bar"
        " functrans.c_types functrans.c_functions functrans.foreign functrans.foreign_call",
        "jit",
    ),
    "functrans": ("functrans! functrans.ops.__main__", "public"),
}
LINE_BUDGETS = {"functrans": 350, "functrans.ops": 500, "functrans.numpy": 500}
KERNELS = [
    "assemble",
    "contract",
    "convolve",
    "cumulative",
    "extremum_position",
    "foreign_call",
    "fourier",
    "gather",
    "matrices",
    "numpy_loop",
    "pool",
    "qr",
    "scatter",
    "sort",
    "top_k",
    "windows",
]
# Imported when they are first needed, and from these places: all else that imports late is an error.
LATE = {
    ("functrans.backends.executable", "functrans.backends.llvm.stored"),
    ("functrans.backends.executable", "functrans.backends.llvm.executable"),
    ("functrans.backends.executable", "functrans.compiler.pipeline"),
    ("functrans.backends.llvm.call.functions", "functrans.backends.llvm.call.vectorcall"),
    ("functrans.backends.llvm.threads.pool", "functrans.backends.llvm.threads.pool_code"),
    ("functrans.lowered", "functrans.backends.planned"),
    ("functrans.numpy.array", "functrans.numpy.rewrite.control"),
    ("functrans.numpy.array", "functrans.numpy.standard"),
    ("functrans.parallel", "functrans.backends.llvm.threads.pool"),
    ("functrans.lowered", "functrans.standalone"),
    ("functrans.exported", "functrans.standalone"),
    ("functrans.exported", "functrans.description"),
    ("functrans.exported", "functrans.c_interface"),
    ("functrans.backends.llvm.image", "functrans.backends.llvm.numpy_loops"),
    ("functrans.backends.llvm.loaded", "functrans.backends.llvm.call.flat"),
    ("functrans.backends.llvm.loaded", "functrans.backends.llvm.host_calls"),
    ("functrans.backends.llvm.loaded", "functrans.backends.llvm.scalar_warnings"),
    ("functrans.backends.llvm.loaded", "functrans.backends.llvm.stack_values"),
    ("functrans.backends.llvm.loaded", "functrans.backends.llvm.threads.pool"),
    ("functrans.jit", "functrans.dispatch"),
    ("functrans.lowered", "functrans.dispatch"),
    ("functrans.jit", "functrans.explain"),
    ("functrans.backends.llvm.program", "functrans.backends.llvm.kernels.contract"),
    ("functrans.backends.llvm.step_writer", "functrans.backends.llvm.kernels.product.window"),
} | {("functrans.backends.llvm.families", f"functrans.backends.llvm.kernels.{name}") for name in KERNELS}
LATE_TABLES = ("functrans.late", "functrans.numpy.late")  # of public modules, each imported when a user asks for it
LLVMLITE_HOME = "functrans.backends.llvm"

ROOT = Path(__file__).parent.parent
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)


class Import(NamedTuple):
    target: str
    line: int
    local: bool  # inside a function, or by name at run time


class Module(NamedTuple):
    path: str
    text: str
    tree: ast.Module
    imports: tuple[Import, ...]


def _below() -> dict[str, set[str]]:
    """Every layer with itself and all layers under it."""
    closed: dict[str, set[str]] = {}
    names = {name: under.split() for name, (_, under) in LAYERS.items()}
    for name in graphlib.TopologicalSorter(names).static_order():
        closed[name] = {name}.union(*(closed[under] for under in names[name]))
    return closed


def _is_within(module: str, package: str) -> bool:
    return module == package or module.startswith(f"{package}.")


def _layer_of(module: str) -> str | None:
    fits = [
        (len(pattern), layer)
        for layer, (patterns, _) in LAYERS.items()
        for pattern in patterns.split()
        if (module == pattern[:-1] if pattern.endswith("!") else _is_within(module, pattern))
    ]
    return max(fits)[1] if fits else None


def _module_name(path: str) -> str:
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def _is_type_checking(test: ast.expr) -> bool:
    return "TYPE_CHECKING" in (getattr(test, "id", None), getattr(test, "attr", None))


def _targets(node: ast.AST, module: str, is_package: bool, known: set[str]) -> list[str]:
    """The modules that this one statement or call imports."""
    match node:
        case ast.Import(names=names):
            return [alias.name for alias in names]
        case ast.ImportFrom(module=base, names=names, level=level):
            if level:
                package = module.split(".") if is_package else module.split(".")[:-1]
                base = ".".join([*package[: len(package) - level + 1], *([base] if base else [])])
            members = [f"{base}.{alias.name}" for alias in names]
            return [member if member in known else str(base) for member in members]
        case ast.Call(
            func=ast.Name(id="import_module" | "__import__") | ast.Attribute(attr="import_module"),
            args=[ast.Constant(value=str(target)), *_],
        ):
            return [target]
        case ast.Dict(values=entries) | ast.Tuple(elts=entries) | ast.List(elts=entries):  # a table for imports by name
            texts = [entry.value for entry in entries if isinstance(entry, ast.Constant)]
            return [text for text in texts if isinstance(text, str) and text in known and "." in text]
    return []


def _imports(node: ast.AST, module: str, is_package: bool, known: set[str], local: bool) -> Iterator[Import]:
    for target in _targets(node, module, is_package, known):
        if target.split(".")[0] in {"functrans", "llvmlite"}:
            yield Import(target, getattr(node, "lineno", 0), local or isinstance(node, ast.expr))
    skip_body = isinstance(node, ast.If) and _is_type_checking(node.test)
    children = node.orelse if isinstance(node, ast.If) and skip_body else ast.iter_child_nodes(node)
    for child in children:
        yield from _imports(child, module, is_package, known, local or isinstance(node, FUNCTIONS))


def parse(sources: Mapping[str, str]) -> dict[str, Module]:
    """Modules by name, from texts by path."""
    known = {_module_name(path) for path in sources}
    modules = {}
    for path, text in sources.items():
        name, tree = _module_name(path), ast.parse(text, path)
        imports = tuple(_imports(tree, name, path.endswith("/__init__.py"), known, local=False))
        modules[name] = Module(path, text, tree, imports)
    return modules


def unplaced(modules: Mapping[str, Module]) -> list[str]:
    return [f"{m.path}: in no layer: give it a place in LAYERS" for name, m in modules.items() if not _layer_of(name)]


def wrong_edges(modules: Mapping[str, Module]) -> list[str]:
    below = _below()
    return [
        f"{m.path}:{imp.line}: layer '{layer}' may not import '{_layer_of(imp.target)}' ({imp.target})"
        for name, m in modules.items()
        for imp in m.imports
        if _is_within(imp.target, "functrans")
        and (layer := _layer_of(name))
        and _layer_of(imp.target) not in below[layer]
    ]


def local_imports(modules: Mapping[str, Module]) -> list[str]:
    return [
        f"{m.path}:{imp.line}: {imp.target} imported inside a function or by name: import it at the top of the file"
        for name, m in modules.items()
        for imp in m.imports
        if imp.local and _is_within(imp.target, "functrans")
        if name not in LATE_TABLES and (name, imp.target) not in LATE
    ]


def cycles(modules: Mapping[str, Module]) -> list[str]:
    graph = {name: {imp.target for imp in m.imports if not imp.local} for name, m in modules.items()}
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        return ["import cycle: " + " -> ".join(reversed(error.args[1]))]
    return []


def over_budget(modules: Mapping[str, Module]) -> list[str]:
    problems = []
    for name, m in modules.items():
        lines = len(m.text.splitlines())
        budget = LINE_BUDGETS[max((package for package in LINE_BUDGETS if _is_within(name, package)), key=len)]
        if lines > budget:
            problems.append(f"{m.path}: {lines} lines, its budget is {budget}: split it by subject")
    return problems


def misplaced_llvmlite(modules: Mapping[str, Module]) -> list[str]:
    return [
        f"{m.path}:{imp.line}: llvmlite may be imported only in {LLVMLITE_HOME}, and there inside a function"
        for name, m in modules.items()
        for imp in m.imports
        if _is_within(imp.target, "llvmlite") and not (imp.local and _is_within(name, LLVMLITE_HOME))
    ]


def undocumented(modules: Mapping[str, Module]) -> list[str]:
    return [
        f"{m.path}: no module docstring: say what it owns, what it may import, where to start reading"
        for m in modules.values()
        if not ast.get_docstring(m.tree)
    ]


CHECKS = [unplaced, wrong_edges, local_imports, cycles, over_budget, misplaced_llvmlite, undocumented]


def check_all(sources: Mapping[str, str]) -> dict[str, list[str]]:
    modules = parse(sources)
    return {check.__name__: problems for check in CHECKS if (problems := check(modules))}


def test_functrans_keeps_its_layers() -> None:
    paths = sorted((ROOT / "functrans").rglob("*.py"))
    sources = {path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8") for path in paths}
    assert sources
    problems = check_all(sources)
    assert not problems, "\n".join(line for lines in problems.values() for line in lines)


def test_the_layer_table_names_only_its_own_layers() -> None:
    assert set().union(*_below().values()) == set(LAYERS)
    assert "core" in _below()["control"]
    assert "numpy" not in _below()["backends"]


# That each check can fail, on small sources.

DOC = '"""Doc."""\n'
GOOD = {
    "functrans/__init__.py": DOC + "from functrans.jit import jit as jit\nfrom functrans import tree as tree\n",
    "functrans/typing.py": DOC + "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import functrans.jit\n",
    "functrans/tree.py": DOC + "from functrans.typing import PyTree\nfrom functrans import typing\n",
    "functrans/core/__init__.py": DOC + "from functrans.core import ir as ir\n",
    "functrans/core/ir.py": DOC + "import numpy as np\nfrom functrans.tree import flatten\n",
    "functrans/transforms/__init__.py": DOC + "from functrans.transforms.vjp import grad as grad\n",
    "functrans/transforms/vjp.py": DOC + "from functrans.core.ir import Jaxpr\n",
    "functrans/backends/llvm/emit.py": DOC + "def emit():\n    import llvmlite.ir\n",
    "functrans/jit.py": DOC + "from functrans.transforms import grad\nfrom functrans.backends.llvm import emit\n",
}


def test_good_sources_have_no_problem() -> None:
    assert check_all(GOOD) == {}


@pytest.mark.parametrize(
    ("check", "path", "text", "message"),
    [
        ("wrong_edges", "core/ir.py", "from functrans.numpy import sin", "layer 'core' may not import 'numpy'"),
        ("wrong_edges", "core/ir.py", "from functrans import jit", "(functrans.jit)"),
        ("wrong_edges", "core/ir.py", "import functrans.ops.unary", "may not import 'ops'"),
        ("wrong_edges", "core/ir.py", "from ..ops.unary import sin_p", "(functrans.ops.unary)"),
        ("wrong_edges", "core/ir.py", "from functrans import grad", "may not import 'functrans'"),
        ("wrong_edges", "core/ir.py", "from functrans import unheard_of", "may not import"),
        ("wrong_edges", "core/ir.py", "try:\n    import functrans.numpy\nexcept ImportError: pass", "'numpy'"),
        ("wrong_edges", "core/ir.py", "if TYPE_CHECKING: pass\nelse: import functrans.jit", "(functrans.jit)"),
        ("wrong_edges", "ops/__init__.py", "import functrans.compiler", "'ops' may not import 'compiler'"),
        ("wrong_edges", "backends/numpy.py", "import functrans.ops", "'backends' may not import 'ops'"),
        ("wrong_edges", "transforms/vjp.py", "import functrans.transforms.custom", "may not import 'custom'"),
        ("wrong_edges", "transforms/stage.py", "import functrans.transforms.vjp", "'stage' may not import 'vjp"),
        ("local_imports", "jit.py", "def f():\n    from functrans.tree import flatten", ":3: functrans.tree imported"),
        ("local_imports", "jit.py", "import_module('functrans.tree')", "by name"),
        ("local_imports", "jit.py", "LATE = {'flatten': 'functrans.tree'}", "by name"),
        ("wrong_edges", "core/ir.py", "LATE = ('functrans.jit',)", "(functrans.jit)"),
        ("cycles", "core/ir.py", "from functrans.core.printer import p", "import cycle: "),
        ("cycles", "core/ir.py", "from functrans.core import Jaxpr", "functrans.core -> functrans.core.ir"),
        ("cycles", "core/ir.py", "from functrans.core.ir import Jaxpr", "functrans.core.ir -> functrans.core.ir"),
        ("over_budget", "core/ir.py", "x = 1\n" * 350, "351 lines, its budget is 350"),
        ("over_budget", "ops/unary.py", "x = 1\n" * 500, "501 lines, its budget is 500"),
        ("misplaced_llvmlite", "jit.py", "def f():\n    import llvmlite", ":3: llvmlite"),
        ("misplaced_llvmlite", "backends/llvm/emit.py", "from llvmlite import ir", ":2: llvmlite"),
        ("unplaced", "novelty.py", "", "functrans/novelty.py: in no layer"),
    ],
)
def test_each_check_catches(check: str, path: str, text: str, message: str) -> None:
    printer = {"functrans/core/printer.py": DOC + "from functrans.core.ir import Jaxpr\n"}
    problems = check_all({**GOOD, **printer, f"functrans/{path}": DOC + text})
    assert message in "\n".join(problems.get(check, [])), problems


def test_a_missing_docstring_is_caught() -> None:
    assert check_all({**GOOD, "functrans/jit.py": "x = 1\n"}).keys() == {"undocumented"}


def test_a_family_of_ops_has_the_larger_budget() -> None:
    assert check_all({**GOOD, "functrans/ops/unary.py": DOC + "x = 1\n" * 400}) == {}
