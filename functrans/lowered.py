"""A jitted function for arguments of one kind, to be looked at before it is compiled: `Lowered`; and compiled: `Compiled`.

`jit(f).lower(...)` makes the first, its `compile()` the second. Imports backends and the transforms' checks; start reading at
`Lowered`.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar, cast

from functrans import tree
from functrans.backends.executable import Executable, compile_jaxpr
from functrans.backends.vectorcall import Vectorcallable
from functrans.compiler.options import Options
from functrans.core.aval import ShapedArray
from functrans.core.ir import DRAW, Jaxpr, Var
from functrans.core.primitive import EVAL, aval_of, current_trace
from functrans.errors import CompiledArgumentsError
from functrans.guards import Guards
from functrans.record import Record
from functrans.static import Call, StaticArguments
from functrans.transforms.arguments import check_leaves
from functrans.transforms.make_jaxpr import ShapeDtypeStruct
from functrans.tree import TreeDef
from functrans.treedef import differences
from functrans.typing import Array, PyTree

if TYPE_CHECKING:
    from functrans.backends.planned import Planned
    from functrans.compiler.cost import Cost

__all__ = ["Compiled", "Lowered", "Signature", "Text"]

_MOST_RECIPES = 8
"""How often machine code is told to serve calls: again where the order of keywords, say, is another."""

P = ParamSpec("P")
R = TypeVar("R")


class Text(str):
    """A string of many lines that an interactive session shows as it is."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


class Signature(Record, Generic[R]):
    """What a function was traced for, and what it gives."""

    label: str
    static: StaticArguments
    fixed: Hashable
    """The static arguments, as `StaticArguments.split` gives them."""
    in_tree: TreeDef[Any]
    in_avals: tuple[ShapedArray, ...]
    in_paths: tuple[str, ...]
    """The user's names for the arguments' leaves."""
    out_tree: TreeDef[R]
    paths: Callable[[Call, Hashable], list[str]]
    """The same for another call."""

    def leaves(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[list[Array], list[Any], StaticArguments]:
        """The leaves of a call with arguments of these types, as arrays and as they are, and which arguments are static: all
        of them or none.

        Raises CompiledArgumentsError for others, NonArrayInputError for leaves that are no arrays.
        """
        call: Call = (args, kwargs)
        static = StaticArguments(self.label, frozenset(), frozenset())
        flat, in_tree = tree.flatten(call)
        if in_tree != self.in_tree:  # with the static ones, it may be
            dynamic, fixed = self.static.split(args, kwargs)
            if fixed == self.fixed:
                call, static = dynamic, self.static
                flat, in_tree = tree.flatten(call)
        leaves = check_leaves([*flat], self.label, lambda: self.paths(call, self.fixed))
        avals = tuple(map(aval_of, leaves))
        if in_tree != self.in_tree or any(map(_differ, avals, self.in_avals)):
            wanted = _described(self.in_tree, self.in_paths, self.in_avals)
            got = _described(in_tree, self.paths(call, self.fixed), avals)
            containers = differences(self.in_tree, in_tree, "(args, kwargs)")
            raise CompiledArgumentsError(self.label, wanted, got, [*containers])
        return leaves, flat, static


def _described(in_tree: TreeDef[Any], paths: Sequence[str], avals: Sequence[ShapedArray]) -> dict[str, str]:
    """For messages: the type of every leaf of a call."""
    positional = in_tree.children()[0].num_leaves
    types = [str(aval.update(weak=False)) for aval in avals]
    return {
        path: kind if i < positional else f"{kind} by keyword"
        for i, (path, kind) in enumerate(zip(paths, types, strict=True))
    }


def _differ(got: ShapedArray, wanted: ShapedArray) -> bool:
    """Weakness does not matter: it has done its work when the function was traced."""
    return (got.shape, got.dtype) != (wanted.shape, wanted.dtype)


def _plan(jaxpr: Jaxpr, options: Options) -> Planned:
    # Here and not above: see there.
    from functrans.backends.planned import plan_jaxpr

    return plan_jaxpr(jaxpr, options)


class Lowered(Generic[P, R]):
    """A jitted function for arguments of one kind: what it will do, with nothing compiled yet.

    `str()` of it, as `kernels`, tells in plain text what is computed together in which loops.
    """

    def __init__(
        self,
        signature: Signature[R],
        jaxpr: Jaxpr,
        options: Options,
        run: Callable[[Sequence[Array]], Sequence[Array]],
    ) -> None:
        self._signature = signature
        self._run = run
        self.jaxpr = jaxpr
        """As it was traced."""
        self._options = options
        self._planned = _plan(jaxpr, options)

    @property
    def optimized_jaxpr(self) -> Jaxpr:
        """After all passes, with nested jits inlined. Captured arrays are leading arguments."""
        return self._planned.jaxpr

    @property
    def stored(self) -> tuple[tuple[Var, ...], ...]:
        """The variables of `optimized_jaxpr` that each step stores: what else it computes, it computes on the way."""
        return tuple(step.outs for step in self._planned.plan.steps)

    @property
    def in_paths(self) -> tuple[str, ...]:
        """The user's names for the leaves of the arguments: `params['w']`."""
        return self._signature.in_paths

    @property
    def in_tree(self) -> TreeDef[Any]:
        """The structure of `(args, kwargs)`, without static arguments."""
        return self._signature.in_tree

    @property
    def out_tree(self) -> TreeDef[R]:
        """The structure of the result."""
        return self._signature.out_tree

    @property
    def out_info(self) -> PyTree:
        """The types of the results, as `eval_shape` gives them."""
        structs = [ShapeDtypeStruct(a.shape, a.dtype, weak_type=a.weak) for a in self.jaxpr.out_avals]
        return tree.unflatten(self._signature.out_tree, cast(list[Any], structs))

    @property
    def kernels(self) -> Text:
        """The program step by step: loop nests with what they compute, read and store, kernels, callbacks to NumPy."""
        return Text(self._planned.text())

    def as_text(self) -> Text:
        """The same as `kernels`."""
        return self.kernels

    def cost(self) -> Cost:
        """Arithmetic, memory traffic and peak memory, step by step, told from the plan: nothing is run or compiled."""
        return self._planned.cost()

    def cost_analysis(self) -> dict[str, float]:
        """The sums of `cost()` under the names that JAX gives them."""
        cost = self.cost()
        return {"flops": float(cost.flops), "bytes accessed": float(cost.bytes_read + cost.bytes_written)}

    def llvm_ir(self) -> Text:
        """The program in LLVM's language. Raises NoMachineCodeError where NumPy runs it."""
        return Text(self._planned.llvm_ir())

    def assembly(self) -> Text:
        """The program in this machine's language. Raises NoMachineCodeError where NumPy runs it."""
        return Text(self._planned.assembly())

    def compile(self) -> Compiled[P, R]:
        """Compile it now. The result takes arguments of these types only, and never traces."""
        return Compiled(self, self._signature, self._run, compile_jaxpr(self.jaxpr, self._options))

    def standalone(self, name: str) -> bytes:
        """See `Compiled.serialize`."""
        from functrans.standalone import standalone

        planned = _plan(self.jaxpr, Options())  # its arguments are never written to
        return standalone(planned, self.jaxpr, self._signature, name)

    def __str__(self) -> str:
        return self.kernels

    def _repr_svg_(self) -> str | None:
        """For notebooks: see `functrans.draw`."""
        return DRAW[0](self)

    def __repr__(self) -> str:
        return f"<lowered {self._signature.label}: {len(self._planned.plan.steps)} steps>"


class Compiled(Vectorcallable, Generic[P, R]):
    """A jitted function compiled for arguments of one kind, ahead of its first call.

    Static arguments are left out of a call, or are those that it was lowered for. Raises CompiledArgumentsError for
    arguments of other types.
    """

    def __init__(
        self,
        lowered: Lowered[P, R],
        signature: Signature[R],
        run: Callable[[Sequence[Array]], Sequence[Array]],
        executable: Executable,
    ) -> None:
        self._lowered = lowered
        self._signature = signature
        self._run = run
        self._executable = executable
        closes_over_tracers = len(lowered.jaxpr.invars) > len(signature.in_avals)
        self._recipes_left = 0 if closes_over_tracers else _MOST_RECIPES
        self._is_called_again = False

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        leaves, flat, static = self._signature.leaves(args, kwargs)
        results = self._run(leaves)
        if self._is_called_again and self._recipes_left and current_trace() is EVAL:
            self._serve((args, kwargs), flat, static)
        self._is_called_again = True
        return tree.unflatten(self._signature.out_tree, list(results))

    def _serve(self, call: Call, flat: list[Any], static: StaticArguments) -> None:
        """Let machine code serve calls that are like this one."""
        # Here and not above: it loads the way into machine code, which is of use when a function is called again.
        from functrans.dispatch import serve_calls

        self._recipes_left -= 1
        traced = flat, self._signature.in_tree
        serve_calls(self, call, traced, static, self._executable, Guards(), self._signature.out_tree)

    def as_text(self) -> Text:
        """The machine code, as assembly. Raises NoMachineCodeError where NumPy runs it."""
        return self._lowered.assembly()

    def cost(self) -> Cost:
        """As `Lowered.cost`."""
        return self._lowered.cost()

    def cost_analysis(self) -> dict[str, float]:
        """As `Lowered.cost_analysis`."""
        return self._lowered.cost_analysis()

    @property
    def in_tree(self) -> TreeDef[Any]:
        """As `Lowered.in_tree`."""
        return self._lowered.in_tree

    @property
    def out_tree(self) -> TreeDef[R]:
        """As `Lowered.out_tree`."""
        return self._lowered.out_tree

    def serialize(self, name: str = "program") -> bytes:
        """Bytes that `functrans.deserialize` makes a function of, in another process, without tracing or compiling.

        They are an object file, of which the C function is called `name`. They depend on the kind of machine. Raises
        NotExportableError where NumPy runs a part of it, or its trees hold classes that only this process has, ValueError for
        a name that C does not take.
        """
        return self._lowered.standalone(name)

    def __repr__(self) -> str:
        return f"<compiled {self._signature.label}>"
