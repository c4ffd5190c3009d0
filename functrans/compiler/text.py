"""A plan as text: what is computed together, over which loops, and where each value lies.

A loop nest is shown as its loops, `for i0 < 64:`, with one line per operation. Reads and stores say which element, as
`a[100*i0 + i1]`, counted over the value's memory. The steps of a loop's body stand under it, numbered as all are. Imports the
compiler's data and the jaxpr's printer; start reading at `print_plan`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import count
from math import prod

import numpy as np

from functrans.compiler.layout import Ref
from functrans.compiler.nest import Access, Fused, Level, Nest, Op, Operand, Result
from functrans.compiler.nodes import Copy, Host, Node
from functrans.compiler.steps import Argument, Output, Plan, Step, Temporary
from functrans.core.aval import short_dtype
from functrans.core.ir import Atom, Literal, Var
from functrans.core.lowering_control import Branch, Control, While
from functrans.core.printer import Names, print_params

__all__ = ["print_plan"]

_INDENT = "  "
_ASSIGN = {"add": "+=", "mul": "*="}
"""How a reduction takes one more element; the others are written by their name, as `max=`."""


def print_plan(plan: Plan, names: Names) -> str:
    """The text of a plan; `names` are those of the jaxpr that it was made of."""
    head = [
        f"arguments  {names.typed(plan.arguments)}".rstrip(),
        f"results    {' '.join(_result(atom, names) for atom in plan.results)}".rstrip(),
        f"arena      {plan.arena} bytes",
    ]
    return "\n\n".join(["\n".join(head), *("\n".join(lines) for lines in _steps(plan, names, count()))])


def _steps(plan: Plan, names: Names, numbers: Iterator[int]) -> Iterator[list[str]]:
    """The lines of each step; those of a body's steps are indented."""
    for step in plan.steps:
        number = next(numbers)
        title, *lines = _work(step, names)
        lines = [*_memory(step, plan, names), *lines]
        for word, body in zip(_body_words(step), step.bodies, strict=True):
            given = names.typed(body.arguments) or "nothing"
            results = ", ".join(_lying(atom, body, names) for atom in body.results) or "nothing"
            lines.append(f"{word} from {given} to {results}:")
            lines += [_INDENT + line for inner in _steps(body, names, numbers) for line in inner]
        yield [f"step {number}: {title}", *(_INDENT + line for line in lines)]


def _body_words(step: Step) -> Iterable[str]:
    if not isinstance(step.work, Node) or not step.bodies:
        return ()
    if isinstance(step.work.lowering, While):
        return "condition", "body"
    if isinstance(step.work.lowering, Branch):
        return (f"branch {i}" for i in range(len(step.bodies)))
    return ("body",)


def _lying(atom: Atom, body: Plan, names: Names) -> str:
    """A result of a body; where it is a new value in the memory of an argument, with that."""
    place = body.places[atom] if isinstance(atom, Var) else None
    is_over = isinstance(place, Argument) and body.arguments[place.index] is not atom
    over = f" in place of {names[body.arguments[place.index]]}" if isinstance(place, Argument) and is_over else ""
    return _result(atom, names) + over


def _result(atom: Atom, names: Names) -> str:
    return names.typed([atom]) if isinstance(atom, Var) else names.atom(atom)


# ---- where values lie ----


def _memory(step: Step, plan: Plan, names: Names) -> Iterator[str]:
    def listed(variables: Sequence[Var]) -> str:
        return ", ".join(f"{names[var]} {_place(var, plan)}" for var in variables)

    reads = tuple(var for var in dict.fromkeys(step.reads) if var not in step.outs)
    if reads:
        yield f"reads    {listed(reads)}"
    writes = [listed([var]) + _in_place(var, reads, plan, names) for var in dict.fromkeys(step.outs)]
    yield f"writes   {', '.join(writes)}"
    if isinstance(step.work, Nest) and step.work.scratch:
        rows = prod(step.work.inner)
        kept = (f"{names[var]} {_span(plan, var, rows * var.aval.dtype.itemsize)}" for var in step.work.scratch)
        yield f"scratch  {', '.join(kept)}"
    if step.scratch_bytes:
        yield f"scratch  arena {step.scratch}..{step.scratch + step.scratch_bytes}"


def _place(var: Var, plan: Plan) -> str:
    place = plan.places[var]
    if isinstance(place, Argument):
        return f"argument {place.index}"
    if isinstance(place, Output):
        return f"result {place.index}"
    return _span(plan, var, var.aval.nbytes)


def _span(plan: Plan, var: Var, size: int) -> str:
    place = plan.places[var]
    assert isinstance(place, Temporary)
    return f"arena {place.offset}..{place.offset + size}"


def _in_place(var: Var, reads: Sequence[Var], plan: Plan, names: Names) -> str:
    """Which operand's memory a result takes over."""
    over = [names[old] for old in reads if plan.places[old] == plan.places[var] and var.aval.size]
    return f" in place of {over[0]}" if over else ""


# ---- kernels and callbacks ----


def _work(step: Step, names: Names) -> list[str]:
    """A title, and what is computed."""
    if isinstance(step.work, Nest):
        return list(_Nest(step.work, names).lines())
    if isinstance(step.work, Fused):
        return _fused(step, step.work, names)
    lowering = step.work.lowering
    if isinstance(lowering, Control):
        where = "" if step.bodies else ", all in registers"
        equation = _equation(step.work, names, with_params=not step.bodies)
        return [_control(lowering) + where, *equation.split("\n")]
    if isinstance(lowering, Host):
        return [f"callback to NumPy: {lowering.why}", _equation(step.work, names, with_params=True)]
    return [f"kernel {lowering}{_method(step)}", _equation(step.work, names)]


def _method(step: Step) -> str:
    return f", {step.method}" if step.method else ""


def _fused(step: Step, work: Fused, names: Names) -> list[str]:
    """A product between the nests inside it."""
    title, lines = f"kernel {work.product.lowering}{_method(step)}", [_equation(work.product, names)]
    if work.prologue is not None:
        nest, *inner = _Nest(work.prologue, names).lines()
        title, lines = f"{nest} and {title}", [*inner, *lines]
    if work.epilogue is not None:
        nest, *inner = _Nest(work.epilogue, names).lines()
        title, lines = f"{title} and {nest}", [*lines, *inner]
    return [title, *lines]


def _control(lowering: Control) -> str:
    if isinstance(lowering, While):
        return "loop as long as a condition holds"
    if isinstance(lowering, Branch):
        return f"one of {len(lowering.branches)} branches"
    turns = f"{lowering.length} turn{'s' * (lowering.length != 1)}"
    return f"loop of {turns}{', the last row first' * lowering.reverse}"


def _equation(node: Node, names: Names, *, with_params: bool = False) -> str:
    assert node.eqn is not None
    params = print_params(node.eqn) if with_params else ""
    operands = "".join(f" {_seen(ref, names)}" for ref in node.operands)
    return f"{names.typed(node.outs)} = {node.eqn.prim.name}{params}{operands}"


def _seen(ref: Ref, names: Names) -> str:
    """An operand; where it is taken in another shape than it was made in, with that shape."""
    if isinstance(ref.base, Literal):
        return names.atom(ref.base)
    shape = ref.layout.shape
    seen = "" if shape == ref.base.aval.shape else f":{ref.base.aval.update(shape=shape)}"
    return names[ref.base] + seen


# ---- loop nests ----


class _Nest:
    """Writes a loop nest."""

    def __init__(self, nest: Nest, names: Names) -> None:
        self._nest = nest
        self._names = names
        self._sizes = (*nest.lead, *nest.inner, *nest.last)
        self._depth = 0

    def lines(self) -> Iterator[str]:
        nest = self._nest
        yield self._title()
        yield from self._ops([i for i, op in enumerate(nest.ops) if op.level == "once"])
        first = len(nest.lead) + len(nest.inner)
        yield from self._loops([*range(len(nest.lead)), *range(first, len(self._sizes))])
        outer = self._depth
        for number, one in enumerate(nest.passes):
            yield from self._outer(number)
            yield from self._loops(range(len(nest.lead), first))
            yield from (self._line(f"{self._name(i)} = {self._at(self._stored(i)[0])}") for i in one.reloads)
            yield from self._ops(one.ops, number)
            self._depth = outer
        yield from self._outer(len(nest.passes))
        yield from self._after()

    def _title(self) -> str:
        nest = self._nest
        size = " × ".join(map(str, self._sizes)) or "1"
        passes = f", {len(nest.passes)} passes" if len(nest.passes) > 1 else ""
        return f"loop nest over {size}{passes}{', rows combined into one' if nest.is_column else ''}"

    def _loops(self, numbers: Sequence[int]) -> Iterator[str]:
        for number in numbers:
            yield self._line(f"for i{number} < {self._sizes[number]}:")
            self._depth += 1

    def _outer(self, stage: int) -> Iterator[str]:
        """What comes before a pass, and the stores of what the pass before it has reduced."""
        ops = enumerate(self._nest.ops)
        reduced = [i for i, op in ops if op.reduces and not op.is_across and op.stage == stage - 1]
        yield from (self._line(f"{self._name(i)}{self._stores(i)}") for i in reduced if self._stored(i))
        yield from self._ops([i for i, op in enumerate(self._nest.ops) if op.level == "outer" and op.stage == stage])

    def _after(self) -> Iterator[str]:
        """What is stored when all loops are done: reductions over the outer ones, and what is made of them."""
        self._depth = 0
        yield from self._late("outer", "end")
        columns = list(self._late("full", "columns"))
        if columns:
            yield from self._loops(range(len(self._nest.lead), len(self._sizes)))
            yield from map(self._line, columns)

    def _late(self, reduced: Level, made: Level) -> Iterator[str]:
        for number, op in enumerate(self._nest.ops):
            if op.is_across and op.level == reduced and self._stored(number):
                yield f"{self._name(number)}{self._stores(number)}"
            elif op.level == made:
                yield self._op(number) + self._stores(number)

    def _ops(self, numbers: Sequence[int], stage: int | None = None) -> Iterator[str]:
        for number in numbers:
            op = self._nest.ops[number]
            is_kept_later = op.reduces is not None or (stage is not None and op.stage != stage)
            yield self._line(self._op(number) + ("" if is_kept_later else self._stores(number)))

    def _op(self, number: int) -> str:
        op = self._nest.ops[number]
        operands = " ".join(map(self._operand, op.operands))
        if op.reduces:
            assign = _ASSIGN.get(op.reduces.combine, f"{op.reduces.combine}=")
            return f"{self._typed(op)} {assign} {operands}"
        return f"{self._typed(op)} = {_operation(op.node)}{operands}"

    def _typed(self, op: Op) -> str:
        return f"{self._names[op.node.outs[0]]}:{short_dtype(op.node.outs[0].aval.dtype)}"

    def _name(self, number: int) -> str:
        return self._names[self._nest.ops[number].node.outs[0]]

    def _stored(self, number: int) -> list[Access]:
        return [store.access for store in self._nest.stores if store.op == number]

    def _stores(self, number: int) -> str:
        return "".join(f" -> {self._at(access)}" for access in self._stored(number))

    def _operand(self, operand: Operand) -> str:
        if isinstance(operand, Access):
            return self._at(operand)
        if isinstance(operand, Result):
            return self._name(operand.op)
        return str(np.asarray(operand.value).item())

    def _at(self, access: Access) -> str:
        """The element of a stored value, by the indices of the loops."""
        terms = [(stride, f"i{number}") for number, stride in enumerate(access.strides) if stride]
        rises = [_term(*term) for term in terms if term[0] > 0]
        falls = [f" - {_term(*term)}" for term in terms if term[0] < 0]
        constant = [str(access.offset)] if access.offset or not rises else []
        text = " + ".join([*rises, *constant]) + "".join(falls)
        return f"{self._names[access.base]}[{text}]"

    def _line(self, text: str) -> str:
        return _INDENT * self._depth + text


def _term(stride: int, index: str) -> str:
    return index if abs(stride) == 1 else f"{abs(stride)}*{index}"


def _operation(node: Node) -> str:
    if isinstance(node.lowering, Copy):
        return ""
    assert node.eqn is not None
    return f"{node.part or node.eqn.prim.name + print_params(node.eqn)} "
