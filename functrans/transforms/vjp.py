"""Reverse mode: a tape of pullbacks, and a walk back along it.

While `VjpTrace` is current, every primitive that touches one of its tracers computes its result under the parent trace and
leaves its pullback on the tape. `vjp` is the public function; `grad` is in `grad.py`. Start reading at `VjpTrace`,
then `backward`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import repeat
from typing import Any, cast, overload

import numpy as np

from functrans import tree
from functrans.core.aval import FLOAT0, INEXACT_KINDS, ShapedArray, is_inexact, shaped
from functrans.core.primitive import (
    EVAL,
    LocallyConstant,
    Maybes,
    NotDifferentiable,
    Params,
    Primitive,
    Pullback,
    Trace,
    Values,
    aval_of,
    current_trace,
    known,
    reset_trace,
    reveal,
    set_trace,
    strong,
)
from functrans.core.source import Source, current_source, trimmed, use_source
from functrans.core.stacks import is_stack
from functrans.errors import AuxError, CotangentError, FunctransError, NotDifferentiableError
from functrans.numpy.array import ArrayTracer
from functrans.numpy.versions import argument, constants, copied, version
from functrans.ops.broadcast import broadcast_in_dim
from functrans.ops.families import add_any
from functrans.ops.stacks import empty_stack
from functrans.record import Record
from functrans.transforms.arguments import argument_paths, check_leaves, check_results, function_name, owned, private
from functrans.transforms.constants import Constants
from functrans.transforms.signatures import No, R, Ts, X, Yes
from functrans.tree import TreeDef
from functrans.typing import Array

__all__ = [
    "Recorded", "VjpTrace", "VjpTracer", "backward", "check_cotangents", "cotangent", "instantiate", "pull_back", "record",
    "vjp", "zeros",
]  # fmt: skip


class VjpTracer(ArrayTracer):
    """A value of the parent trace, and its number on the tape."""

    __slots__ = ("number", "value")

    why_not_concrete = "which would be cut off from its derivative"

    def __init__(self, trace: VjpTrace, value: Array, number: int, aval: ShapedArray) -> None:
        self.owner = trace
        self.value = value
        self.number = number
        self.aval = aval

    def made(self) -> str:
        return f"made while a gradient{self.owner.of()} was computed"

    def truth(self) -> bool:
        return bool(self.value)

    def known(self) -> Array | None:
        return known(self.value)

    def __repr__(self) -> str:
        return f"Grad<{self.value!r}>"


Step = tuple[Sequence[int], int, int, Pullback, "Source | None"]
"""Numbers of the operands (CONSTANT: it has none), number of the first result, how many results, pullback, source."""

_Operands = tuple[tuple[int, ...], Values, tuple[bool, ...]]
"""Numbers of the operands (CONSTANT: it has none), their values under the parent, and which have one."""
CONSTANT = -1  # in place of such a number


class VjpTrace(Trace):
    """Computes under the parent and remembers how to go back."""

    __slots__ = ("constants", "count", "tape")

    parent: Trace

    def __init__(self, parent: Trace, function: Callable[..., Any] | None = None) -> None:
        Trace.__init__(self, parent, function)  # `super()` takes three times as long
        self.tape: list[Step] = []
        self.constants = Constants()
        self.count = 0

    def track(self, value: Array) -> VjpTracer:
        """A new tracer of a value of the parent trace, for an argument."""
        self.count += 1
        return argument(VjpTracer(self, strong(version(value)), self.count - 1, aval_of(value)))

    def own(self, value: Array) -> Array:
        (found, number), aval = _own(self, value), aval_of(value)
        is_smooth = number != CONSTANT or is_inexact(aval.dtype)
        return cast(Array, VjpTracer(self, copied(found), number, aval)) if is_smooth else self.parent.own(found)

    def bind(self, prim: Primitive, args: Sequence[Any], params: Params) -> Values:  # Any: tracers are typed as arrays
        arg = args[0] if len(args) == 1 else None
        operands: _Operands = (
            ((arg.number,), (arg.value,), (True,))  # as mostly
            if type(arg) is VjpTracer and arg.owner is self
            else self._operands(args)
        )
        numbers, primals, wanted = operands
        parent = self.parent
        rule = prim.vjp
        runs_jaxprs = prim.carries is not None or prim.captures is not None
        token = set_trace(parent) if runs_jaxprs or parent is not EVAL else None  # NumPy asks for no trace
        try:
            if True not in wanted or isinstance(rule, LocallyConstant):
                return constants(self, () if True in wanted else args, parent.bind(prim, primals, params))
            if callable(rule):
                outs, pullback = rule(primals, wanted, params)
            else:
                outs, pullback = parent.bind(prim, primals, params), _refuse(prim, rule, current_source())
            source = None if parent is EVAL else current_source()
        finally:
            if token is not None:
                reset_trace(token)
        first, count = self.count, len(outs)
        self.count = first + count
        self.tape.append((numbers, first, count, pullback, source))
        if count == 1:  # as nearly always
            return (self._result(outs[0], first),)
        return tuple(map(self._result, outs, range(first, self.count)))

    def _operands(self, args: Sequence[Any]) -> _Operands:  # Any: as for bind
        numbers, primals, wanted = [], [], []
        for arg in args:
            is_mine = type(arg) is VjpTracer and arg.owner is self
            numbers.append(arg.number if is_mine else CONSTANT)
            wanted.append(is_mine and arg.number >= 0)
            primals.append(arg.value if is_mine else version(arg))
        if False in wanted and True in wanted:
            self.constants.note(primals)
        return tuple(numbers), tuple(primals), tuple(wanted)

    def _result(self, out: Array, number: int) -> Any:  # Any: as for bind
        """A result of a primitive as a tracer; of integers and bools, which have no derivative, the value itself."""
        aval = shaped(out.shape, out.dtype) if type(out) is np.ndarray else aval_of(out)
        if aval.dtype.kind not in INEXACT_KINDS and not is_inexact(aval.dtype):
            return out
        return VjpTracer(self, strong(out) if aval.weak else out, number, aval)


def _refuse(prim: Primitive, reason: NotDifferentiable, source: Source | None) -> Pullback:
    def pullback(_cts: Maybes) -> Maybes:
        raise NotDifferentiableError(prim.name, reason.why, source.place if source is not None else "")

    return pullback


def backward(tape: list[Step], cotangents: dict[int, Array], *, consume: bool) -> dict[int, Array]:
    """Walk the tape back from the results' cotangents (by number); those of the inputs are left in the dict.

    With `consume`, every step, and with it its residuals, is let go as soon as it is done.
    """
    remaining = tape if consume else tape.copy()
    while remaining:
        operands, first, count, pullback, source = remaining.pop()
        cts: Maybes
        if count == 1:  # as nearly always
            cts = (cotangents.pop(first, None),)
            if cts[0] is None:
                continue
        else:
            cts = tuple(map(cotangents.pop, range(first, first + count), repeat(None)))
            if all(ct is None for ct in cts):
                continue
        if source is None:
            contributions = pullback(cts)
        else:
            with use_source(source):
                contributions = pullback(cts)
        del cts
        for i, contribution in enumerate(contributions):
            number = operands[i]
            if number >= 0 and contribution is not None:
                known = cotangents.get(number)
                cotangents[number] = contribution if known is None else add_any(known, contribution)
    return cotangents


def zeros(aval: ShapedArray) -> Array:
    """A zero of this type, under the current trace."""
    if is_stack(aval.dtype):
        return empty_stack(aval.dtype, aval.shape)
    zero = cast(Array, aval.dtype.type(0))
    return zero if aval.shape == () else broadcast_in_dim(zero, aval.shape, ())


def instantiate(ct: Array | None, aval: ShapedArray) -> Array:
    """The cotangent or tangent itself, or a zero in place of None."""
    return zeros(aval) if ct is None else ct


# ---- running a function under the trace ----


class Recorded(Record, eq=False):
    """What `record` leaves: the value of the function, flat, and how to go back."""

    values: list[Array]
    numbers: list[int]
    """The number on the tape of each value, or CONSTANT."""
    out_tree: TreeDef[Any]
    aux: Any  # Any: the user's tree
    trace: VjpTrace
    name: str


def record(
    call: Callable[..., Any],
    leaves: Sequence[Array],
    has_aux: bool,
    name: str,
    fun: Callable[..., Any] | None = None,
) -> Recorded:
    """Run `call(*tracers)`, which returns a tree (with `has_aux`: a pair of one and something), on tracers of `leaves`.

    name, fun: the user's function that is called, for messages.
    """
    trace = VjpTrace(current_trace(), fun)
    token = set_trace(trace)
    try:
        out = call(*map(trace.track, leaves))
    except FunctransError as error:
        raise trimmed(error)  # noqa: B904  # FUNCTRANS_TRACEBACK=full shows all frames
    except ValueError as error:
        reveal(error)
        raise
    finally:
        reset_trace(token)
        trace.alive = False
    aux: Any = None
    if has_aux:
        if not isinstance(out, tuple) or len(out) != 2:
            raise AuxError(name, out)
        out, aux = out
        aux = tree.map(lambda leaf: _own(trace, leaf)[0], aux)
    if type(out) is VjpTracer and out.owner is trace:  # the usual loss
        return Recorded([out.value], [out.number], tree.LEAF, aux, trace, name)
    outs, out_tree = tree.flatten(out)
    pairs = [_own(trace, leaf) for leaf in outs]
    return Recorded([pair[0] for pair in pairs], [pair[1] for pair in pairs], out_tree, aux, trace, name)


def _own(trace: VjpTrace, leaf: Any) -> tuple[Any, int]:  # Any: not yet known to be an array
    """A result as a value of the parent trace, and its number on the tape."""
    if type(leaf) is VjpTracer and leaf.owner is trace:
        return leaf.value, leaf.number
    return version(leaf), CONSTANT


def pull_back(recorded: Recorded, cts: Sequence[Array | None], count: int, *, consume: bool) -> list[Array | None]:
    """The cotangents of the first `count` numbers on the tape, which are the inputs, from those of the values."""
    recorded.trace.constants.check(recorded.name)
    found: dict[int, Array] = {}
    for i, number in enumerate(recorded.numbers):
        ct = cts[i]
        if number >= 0 and ct is not None:
            found[number] = add_any(found[number], ct) if number in found else ct
    backward(recorded.trace.tape, found, consume=consume)
    return list(map(found.get, range(count)))


# ---- the public functions ----


@overload
def vjp(fun: Callable[[*Ts], R], *primals: *Ts, has_aux: No = False) -> tuple[R, Callable[[R], tuple[*Ts]]]: ...
@overload
def vjp(fun: Callable[[*Ts], tuple[R, X]], *primals: *Ts, has_aux: Yes) -> tuple[R, Callable[[R], tuple[*Ts]], X]: ...
def vjp(fun: Callable[[*Ts], Any], *primals: *Ts, has_aux: bool = False) -> tuple[Any, ...]:
    """The value of `fun(*primals)`, and the function that pulls a cotangent of it back to cotangents of the primals.

    primals: trees of arrays; has_aux: `fun` returns `(out, aux)`, and aux is returned third. Returns `(out, pull)` or
    `(out, pull, aux)`; `pull(ct)` takes a tree like `out` and returns a tuple of trees like `primals`. Leaves of integer or
    bool dtype have no cotangent: in their place stand arrays of dtype `float0`, as in JAX.

    >>> import numpy as np
    >>> out, pull = vjp(lambda x: np.sin(x), np.array([0.0, np.pi]))
    >>> pull(np.ones(2))
    (array([ 1., -1.]),)
    """
    name = function_name(fun)
    flat, in_tree = tree.flatten(primals)
    leaves = private(check_leaves(flat, "vjp", lambda: argument_paths(fun, primals)))
    recorded = record(lambda *tracers: fun(*tree.unflatten(in_tree, tracers)), leaves, has_aux, name, fun)
    in_avals = [aval_of(leaf) for leaf in leaves]
    values = check_results(recorded.values, name, recorded.out_tree)
    out_avals = [aval_of(value) for value in values]

    def pull(ct: Any) -> Any:
        cts = check_cotangents(name, ct, recorded.out_tree, out_avals)
        found = pull_back(recorded, cts, len(leaves), consume=False)
        grads = [cotangent(ct, aval) for ct, aval in zip(found, in_avals, strict=True)]
        return tree.unflatten(in_tree, owned(grads, cts))

    out = tree.unflatten(recorded.out_tree, private(values))
    return (out, pull, recorded.aux) if has_aux else (out, pull)


def cotangent(ct: Array | None, aval: ShapedArray) -> Array:
    """A cotangent for the user: zeros in place of None; dtype `float0` where the input has no derivative."""
    if aval.dtype.kind not in INEXACT_KINDS:
        return cast(Array, np.zeros(aval.shape, FLOAT0))
    return zeros(aval) if ct is None else ct


def check_cotangents(name: str, ct: Any, out_tree: TreeDef[Any], avals: Sequence[ShapedArray]) -> list[Array]:
    """The leaves of a cotangent, which must have the tree, the shapes and the dtypes of the function's value."""
    flat, ct_tree = tree.flatten(ct)
    if ct_tree != out_tree:
        tree.check_same_structure(out_tree, ct_tree, f"the result of {name}", "the cotangent")
    cts = check_leaves(flat, "a pulled-back function", lambda: tree.paths(out_tree, "ct"))
    wrong = [
        (path, str(aval), str(aval_of(leaf)))
        for path, aval, leaf in zip(tree.paths(out_tree, "ct"), avals, cts, strict=True)
        if not _fits(aval_of(leaf), aval)
    ]
    if wrong:
        raise CotangentError(name, wrong)
    return [
        cast(Array, aval.dtype.type(leaf)) if is_inexact(aval.dtype) and aval_of(leaf).dtype != aval.dtype else leaf
        for leaf, aval in zip(cts, avals, strict=True)
    ]


def _fits(got: ShapedArray, aval: ShapedArray) -> bool:
    if not is_inexact(aval.dtype):
        return got.shape == aval.shape
    return got.shape == aval.shape and (got.dtype == aval.dtype or got.weak)
