"""One LLVM function: its parameters, loops, branches and calls. Start reading at `Function.loop`.

Imports `ir` and `memory`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from functrans.backends.llvm.ir import FAR, I64, Module, Type, Value
from functrans.backends.llvm.memory import Memory
from functrans.record import NamedTuple

__all__ = ["Branch", "Function", "Loop", "Repeat", "Whilst"]


_MANY = 48
"""So many constants and more fill the registers, and then it pays to let LLVM optimise."""


@dataclass(slots=True)
class Loop:
    """What the body of a loop reads (`index`, `carry`) and says (`next`); after the loop `results` are what was carried."""

    index: Value
    carry: list[Value]
    next: Sequence[Value] = ()
    results: list[Value] = field(default_factory=list)


@dataclass(slots=True)
class Repeat:
    """What the body of `repeat` reads (`carry`) and says (`next`, and `again`: whether to run once more)."""

    carry: list[Value]
    next: Sequence[Value] = ()
    again: Value | None = None
    results: list[Value] = field(default_factory=list)


@dataclass(slots=True)
class Whilst:
    """What the body of `whilst` reads (`carry`), asks once (`test`), and says (`next`)."""

    carry: list[Value]
    test: Callable[[Value], None]
    next: Sequence[Value] = ()


@dataclass(slots=True)
class Branch:
    """A two-way branch; what follows `otherwise()` runs where the condition is false."""

    otherwise: Callable[[], None]


class Incoming(NamedTuple):
    """What a block hands on."""

    block: str
    values: list[str]


class Function(Memory):
    """A function under construction. Its parameters are in `args`; it gives `result`, or nothing."""

    def __init__(
        self,
        module: Module,
        name: str,
        params: Sequence[tuple[str, Type]],
        result: Type | None = None,
        *,
        exported: bool = False,
        noalias: Sequence[str] = (),
    ) -> None:
        if name in module.functions:
            raise ValueError(f"the module has a function {name} already")
        module.functions[name] = self
        super().__init__(module)
        self.name = name
        self.result = result
        self.exported = exported
        self.args = [Value(self, kind, f"%{param}") for param, kind in params]
        self._params = ", ".join(f"{kind}{' noalias' if p in noalias else ''} %{p}" for p, kind in params)
        self._block = "entry"
        self._returned = False

    @property
    def has_vectors(self) -> bool:
        """Whether it computes with vectors of floats."""
        return any(" x float>" in line or " x double>" in line for line in self._lines)

    @property
    def is_optimized(self) -> bool:
        """Whether it is written already that LLVM is to optimise the function."""
        return self.optimized or len(self._entry) > _MANY

    def text(self) -> str:
        head = "" if self.exported else "internal "
        end = [] if self._returned else ["  ret void"]
        body = "\n".join(["entry:", *self._entry, *self._lines, *end])
        attributes = int(self.is_optimized or self.may_blend)
        return f"define {head}{self.result or 'void'} @{self.name}({self._params}) #{attributes} {{\n{body}\n}}\n"

    # ---- control ----

    def _label(self, word: str) -> str:
        self._count += 1
        return f"{word}{self._count}"

    def _start(self, label: str) -> None:
        self._lines.append(f"{label}:")
        self._block = label
        self._computed = {}

    def _jump(self, label: str) -> None:
        self.emit(f"br label %{label}")

    @contextmanager
    def loop(
        self,
        start: Value | int,
        stop: Value | int,
        step: Value | int = 1,
        carry: Sequence[Value] = (),
        *,
        certain: bool = False,
    ) -> Iterator[Loop]:
        """`for index in range(start, stop, step)` over i64, step > 0; the body sets `next` to the carried values' next.

        A loop that is known to run at least once, by its bounds or as the caller says, tests at its end.
        """
        start, stop = self.like(start, self.index(0)), self.like(stop, self.index(0))
        certain = certain or (start.known is not None and stop.known is not None and start.known < stop.known)
        before = self._incoming((start, *carry))
        head, done = self._label("loop"), self._label("done")
        self._jump(head)
        self._start(head)
        place = len(self._lines)
        self._count += 1
        index = Value(self, I64, f"%i{self._count}")
        carried = [Value(self, x.type, f"{index}c{k}") for k, x in enumerate(carry)]
        self._lines.extend([""] * (1 + len(carried)))
        if not certain:
            body = self._label("body")
            self.emit(f"br i1 {self.icmp('slt', index, stop)}, label %{body}, label %{done}")
            self._start(body)
        loop = Loop(index, carried, carried)
        yield loop
        following = self.value(I64, f"add nsw i64 {index}, {self.like(step, start)}")
        after = self._incoming((following, *loop.next))
        if certain:
            self.emit(f"br i1 {self.icmp('slt', following, stop)}, label %{head}, label %{done}")
        else:
            self._jump(head)
        self._join(place, [index, *carried], before, after)
        self._start(done)
        loop.results = list(loop.next) if certain else carried

    def _join(self, place: int, phis: Sequence[Value], before: Incoming, after: Incoming) -> None:
        """Write what a loop carries, at its place among the lines: from the block before it, and from its last one."""
        for k, (phi, first, then) in enumerate(zip(phis, before.values, after.values, strict=True)):
            come = f"[{first}, %{before.block}], [{then}, %{after.block}]"
            self._lines[place + k] = f"  {phi.text} = phi {phi.type.text} {come}"

    def _incoming(self, values: Sequence[Value]) -> Incoming:
        """Values as the current block hands them on when it ends."""
        return Incoming(self._block, [x.text for x in values])

    @contextmanager
    def repeat(self, carry: Sequence[Value]) -> Iterator[Repeat]:
        """A loop that runs once, and again as long as the body says so."""
        before = self._incoming(carry)
        head, done = self._label("repeat"), self._label("done")
        self._jump(head)
        self._start(head)
        place = len(self._lines)
        self._count += 1
        carried = [Value(self, x.type, f"%r{self._count}c{k}") for k, x in enumerate(carry)]
        self._lines.extend([""] * len(carried))
        loop = Repeat(carried)
        yield loop
        after = self._incoming(loop.next)
        self.emit(f"br i1 {loop.again}, label %{head}, label %{done}")
        self._join(place, carried, before, after)
        self._start(done)
        loop.results = list(loop.next)

    @contextmanager
    def whilst(self, carry: Sequence[Value]) -> Iterator[Whilst]:
        """A loop that the body leaves where it asks `test` and the answer is no; then `carry` is what was carried."""
        before = self._incoming(carry)
        head, done = self._label("while"), self._label("done")
        self._jump(head)
        self._start(head)
        place = len(self._lines)
        self._count += 1
        carried = [Value(self, x.type, f"%w{self._count}c{k}") for k, x in enumerate(carry)]
        self._lines.extend([""] * len(carried))

        def test(condition: Value) -> None:
            body = self._label("body")
            self.emit(f"br i1 {condition}, label %{body}, label %{done}")
            self._start(body)

        loop = Whilst(carried, test)
        yield loop
        after = self._incoming(loop.next)
        self._jump(head)
        self._join(place, carried, before, after)
        self._start(done)

    @contextmanager
    def when(self, condition: Value) -> Iterator[Branch]:
        """What is written inside runs where the condition is true; after `otherwise()`, where it is false."""
        then, other, end = self._label("then"), self._label("else"), self._label("end")
        self.emit(f"br i1 {condition}, label %{then}, label %{other}")
        self._start(then)
        turned = False

        def otherwise() -> None:
            nonlocal turned
            turned = True
            self._jump(end)
            self._start(other)

        yield Branch(otherwise)
        self._jump(end)
        if not turned:
            self._start(other)
            self._jump(end)
        self._start(end)

    def store_far(self, x: Value, pointer: Value) -> None:
        """Store a vector past the caches, where it lies as the instruction wants it: at a multiple of its size. After all such
        stores there is to be a `fence`."""
        known = self._computed
        place = self.cast("ptrtoint", pointer, I64) & (x.type.bytes * x.type.lanes - 1)
        with self.when(self.icmp("eq", place, 0)) as branch:
            self.emit(f"store {x.typed()}, ptr {pointer}, align {x.type.bytes * x.type.lanes}, {FAR}")
            branch.otherwise()
            self.store(x, pointer, x.type.bytes)
        self._computed = known  # holds still

    def fence(self) -> None:
        """Let others see what was stored past the caches before what is stored from now on."""
        self.call_symbol("llvm.x86.sse.sfence", None)

    def choose(self, condition: Value, then: Callable[[], Value], other: Callable[[], Value]) -> Value:
        """The value of one of two computations, of which only that one runs."""
        return self.choose_all(condition, lambda: [then()], lambda: [other()])[0]

    def choose_all(
        self, condition: Value, then: Callable[[], Sequence[Value]], other: Callable[[], Sequence[Value]]
    ) -> list[Value]:
        """The values of one of two computations, of which only that one runs."""
        first, second, end = self._label("then"), self._label("else"), self._label("end")
        self.emit(f"br i1 {condition}, label %{first}, label %{second}")
        kinds: list[Type] = []
        incoming = []
        for label, compute in ((first, then), (second, other)):
            self._start(label)
            values = compute()
            kinds = [x.type for x in values]
            incoming.append(self._incoming(values))
            self._jump(end)
        self._start(end)
        (left, ones), (right, others) = incoming
        return [
            self.value(kind, f"phi {kind.text} [{x}, %{left}], [{y}, %{right}]")
            for kind, x, y in zip(kinds, ones, others, strict=True)
        ]

    def call(self, function: Function, *args: Value | int) -> Value:
        """Call a function of this module; what it gives (a meaningless value where it gives nothing)."""
        given = ", ".join(self.like(a, p).typed() for a, p in zip(args, function.args, strict=True))
        return self._called(function.result, f"@{function.name}({given})")

    def call_symbol(self, name: str, result: Type | None, *args: Value) -> Value:
        """Call an external function by name."""
        symbol = self.module.declare(name, result, [arg.type for arg in args])
        return self._called(result, f"{symbol}({', '.join(arg.typed() for arg in args)})")

    def call_pointer(self, pointer: Value, result: Type | None, *args: Value) -> Value:
        """Call the function that a pointer points to."""
        return self._called(result, f"{pointer}({', '.join(arg.typed() for arg in args)})")

    def _called(self, result: Type | None, rest: str) -> Value:
        if result is None:
            self.emit(f"call void {rest}")
            return self.undefined(I64)
        return self.value(result, f"call {result} {rest}")

    def ret(self, x: Value | None = None) -> None:
        """Return, at the end of the function; or from inside `when`, through `leave`."""
        self._returned = True
        self.emit("ret void" if x is None else f"ret {x.typed()}")

    def leave_if(self, condition: Value, x: Value | int) -> None:
        """Return x at once where the condition is true."""
        assert self.result is not None
        gone, on = self._label("leave"), self._label("on")
        self.emit(f"br i1 {condition}, label %{gone}, label %{on}")
        self._start(gone)
        self.emit(f"ret {self.like(x, self.const(0, self.result)).typed()}")
        self._start(on)
