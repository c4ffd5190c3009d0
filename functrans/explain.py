"""What a jitted function has done, in plain words: when it traced and why, what it compiled to, what NumPy still runs.

Imported when somebody asks. Imports the log of calls, backends and the compiler's data; start reading at `explain`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import count

from functrans.backends.planned import plan_jaxpr
from functrans.call_log import CallLog, Miss
from functrans.compiler.nest import Fused, Nest, Work
from functrans.compiler.nodes import Host, Node
from functrans.compiler.steps import Plan, Step
from functrans.core.aval import ShapedArray
from functrans.core.ir import Eqn
from functrans.core.lowering_control import Branch
from functrans.entry import Entry
from functrans.lowered import Text
from functrans.treedef import differences

__all__ = ["explain"]


def explain(name: str, log: CallLog, programs: Iterable[Entry]) -> Text:
    """The text; `programs` are those that are known."""
    parts = [f"{name}: {_count(log.hits, 'call')} found a program, {log.misses} traced the function."]
    if log.traced:
        first = log.misses - len(log.traced) + 1
        why = _reasons(list(log.traced), first)
        parts.append("\n".join(["Why it was traced:", *(f"  {i}. {text}" for i, text in enumerate(why, first))]))
    parts += ["\n".join(_program(entry)) for entry in programs]
    return Text("\n\n".join(parts))


# ---- why it traced ----


def _reasons(misses: Sequence[Miss], first: int) -> Iterator[str]:
    for i, miss in enumerate(misses):
        before = misses[:i]
        same = [other for other in before if other.key == miss.key]
        if miss.replaced:
            names = " and ".join(f"`{name}`" for name in miss.replaced)
            yield f"{names}, which it reads from outside its arguments, {_was(miss.replaced)} replaced"
        elif same and not same[-1].kept:
            yield "the program for such arguments was not kept: it used values of a transform around the call"
        elif same:
            yield "the program for such arguments was dropped to make room for others"
        elif not before:
            yield f"{'the first call' if first == 1 else 'a new kind of arguments'}: {miss.arguments}"
        else:
            closest = min(reversed(before), key=lambda other: len(_differences(miss, other)))
            yield f"a new kind of arguments: {'; '.join(_differences(miss, closest))}"


def _was(names: Sequence[str]) -> str:
    return "was" if len(names) == 1 else "were"


def _differences(miss: Miss, other: Miss) -> list[str]:
    """What differs between two kinds of arguments, in the user's names."""
    now = dict(zip(miss.paths, miss.key.avals, strict=True))
    then = dict(zip(other.paths, other.key.avals, strict=True))
    found = [_leaf(path, now.get(path), then.get(path)) for path in {**then, **now} if now.get(path) != then.get(path)]
    for name in {**other.static, **miss.static}:
        shown = [repr(one.static[name]) if name in one.static else "not given" for one in (miss, other)]
        if miss.key.fixed != other.key.fixed and shown[0] != shown[1]:
            found.append(f"the static argument {name} is {shown[0]}, was {shown[1]}")
    if miss.key.axes != other.key.axes:
        found.append(f"the named axes around it are {dict(miss.key.axes)}, were {dict(other.key.axes)}")
    if not found and miss.key.fixed != other.key.fixed:
        found.append("a static argument is another one that looks the same")
    if not found:  # containers of other types, with leaves of the same names
        found += [
            f"{path} is {got}, was {expected}"
            for path, expected, got in differences(other.key.in_tree, miss.key.in_tree, "(args, kwargs)")
        ]
    return found


def _leaf(path: str, now: ShapedArray | None, then: ShapedArray | None) -> str:
    if then is None:
        return f"{path} is new, {now}"
    if now is None:
        return f"{path}, which was {then}, is gone"
    if now.shape != then.shape and now.dtype == then.dtype:
        return f"the shape of {path} is {now.shape}, was {then.shape}"
    if now.dtype != then.dtype and now.shape == then.shape:
        return f"the dtype of {path} is {now.dtype}, was {then.dtype}"
    if now.weak != then.weak:
        return f"{path} is {_number(now)}, was {_number(then)}"
    return f"{path} is {now}, was {then}"


def _number(aval: ShapedArray) -> str:
    return f"a Python {aval.dtype.type(0).item().__class__.__name__}" if aval.weak else f"{aval}"


# ---- what it compiled to ----


def _program(entry: Entry) -> Iterator[str]:
    planned = plan_jaxpr(entry.jaxpr, entry.options)
    yield f"The program for {entry.miss.arguments}"
    steps = list(planned.plan.all_steps())
    if planned.why_numpy:
        yield f"  has {_count(len(planned.jaxpr.eqns), 'equation')}, which NumPy runs one by one: {planned.why_numpy}."
        return
    called = [step for step in steps if isinstance(step.work, Node) and isinstance(step.work.lowering, Host)]
    yield (
        f"  is machine code of {_count(len(steps), 'step')}, of which {len(called) or 'none'} "
        + ("is a callback to NumPy" if len(called) == 1 else "are callbacks to NumPy")
        + f"; its temporaries take {planned.plan.arena} bytes."
    )
    first = len(planned.plan.arguments) - len(entry.miss.paths)  # before them are captured values
    if over := [entry.miss.paths[i - first] for i in sorted(planned.plan.overwritten)]:
        yield f"  writes results over {' and '.join(over)}, given up by the caller."
    yield from (f"  {line}" for line in _steps(planned.plan, count()))


def _steps(plan: Plan, numbers: Iterator[int]) -> Iterator[str]:
    """The steps, those of a loop or a branch under it."""
    for step in plan.steps:
        yield f"step {next(numbers)}: {_title(step)}"
        yield from (f"  {line}" for line in _sources(step))
        for body in step.bodies:
            yield from (f"  {line}" for line in _steps(body, numbers))


def _count(number: int, what: str) -> str:
    return f"1 {what}" if number == 1 else f"{number} {what}s"


def _title(step: Step) -> str:
    if isinstance(step.work, Nest):
        return f"one loop nest for {_count(len(step.work.ops), 'operation')}"
    if isinstance(step.work, Fused):
        return f"{_kernel(step, step.work.product)}, {' and '.join(_inside(step.work))}"
    lowering = step.work.lowering
    if isinstance(lowering, Host):
        return f"a callback to NumPy: {lowering.why}"
    if step.bodies:
        inside = sum(1 for body in step.bodies for _ in body.all_steps())
        return f"a {'branch' if isinstance(lowering, Branch) else 'loop'} with {_count(inside, 'step')} in it"
    return _kernel(step, step.work)


def _kernel(step: Step, node: Node) -> str:
    """What kind, and how it is done."""
    return f"a kernel, {type(node.lowering).__name__}{f' by {step.method}' if step.method else ''}"


def _inside(work: Fused) -> Iterator[str]:
    """What is done inside a product."""
    if work.prologue is not None:
        yield f"with {_count(len(work.prologue.ops), 'operation')} on each element of its right operand"
    if work.epilogue is not None:
        yield f"with {_count(len(work.epilogue.ops), 'operation')} on each element of its result"


def _sources(step: Step) -> Iterator[str]:
    """The lines of the user that a step computes, each with its primitives."""
    lines: dict[str, list[str]] = {}
    for node in _nodes(step.work):
        if node.eqn is not None:
            lines.setdefault(_place(node.eqn), []).append(node.eqn.prim.name)
    for place, names in lines.items():
        yield f"{', '.join(dict.fromkeys(names))} {place}".rstrip()


def _nodes(work: Work) -> list[Node]:
    if isinstance(work, Node):
        return [work]
    if isinstance(work, Nest):
        return [op.node for op in work.ops]
    before, after = (nest.ops if nest else () for nest in (work.prologue, work.epilogue))
    return [*(op.node for op in before), work.product, *(op.node for op in after)]


def _place(eqn: Eqn) -> str:
    return "" if eqn.source is None else eqn.source.place
