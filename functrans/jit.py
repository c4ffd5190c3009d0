"""`jit`: trace a function once per kind of argument, compile the jaxpr, call the compiled program afterwards.

`Jitted` is the callable that `jit` returns. What its static arguments are is in `static.py`, what it notices of the world
outside its arguments in `guards.py`, what it is inside other transforms in `jit_primitive.py`, what it shows of itself in
`lowered.py` and `explain.py`. Start reading at `Jitted.__call__`.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from functools import partial, update_wrapper
from threading import Lock
from typing import Any, Concatenate, Generic, ParamSpec, Self, TypeVar, cast, overload
from weakref import WeakSet

from functrans import tree
from functrans.backends.executable import clear_programs, compile_jaxpr
from functrans.backends.vectorcall import Vectorcallable, forget, new_calls
from functrans.call_log import CacheInfo, CallLog, Key, Miss
from functrans.compiler.unchecked import trust_indices
from functrans.core.locks import fork_safe
from functrans.core.primitive import EVAL, aval_of, current_trace
from functrans.core.source import bare_name, trimmed
from functrans.direct import DirectCalls
from functrans.disable import DISABLED, disable_jit
from functrans.donated import DonatedArguments
from functrans.entry import Entry
from functrans.errors import FunctransError, NonArrayInputError
from functrans.guards import Guards
from functrans.jit_primitive import jit_p, run_jaxpr
from functrans.lowered import Lowered, Signature, Text
from functrans.methods import BoundMethod, Methods, TreeMethod
from functrans.parallel import check_threads
from functrans.settings import Settings
from functrans.static import Call, StaticArguments
from functrans.transforms.arguments import argument_paths, check_leaves, check_results, function_name
from functrans.transforms.make_jaxpr import abstract_leaves
from functrans.transforms.stage import hoist_tracers, open_stage
from functrans.transforms.vmap import named_axes
from functrans.tree import TreeDef
from functrans.typing import Array

__all__ = ["Jitted", "clear_caches", "disable_jit", "jit"]

P = ParamSpec("P")
Q = ParamSpec("Q")
R = TypeVar("R")
S = TypeVar("S")


_MOST_ENTRIES = 512
_MOST_RECIPES = 8

_lock = fork_safe(Lock())
_living: WeakSet[Jitted[..., Any]] = WeakSet()  # Any: of every signature


class Jitted(Vectorcallable, Generic[P, R]):
    """A function that is traced and compiled on its first call with arguments of a kind; made by `jit`."""

    __name__: str
    __wrapped__: Callable[P, R]

    def __init__(self, fun: Callable[P, R], settings: Settings) -> None:
        self._fun = fun
        self._name = function_name(fun)
        self._bare_name = bare_name(fun)
        self._label = f"jit({self._name})"
        self._settings, self._static = settings, settings.static
        self._entries: dict[Hashable, Entry] = {}
        self._direct, self._log = DirectCalls(), CallLog()
        self._methods = Methods(fun, lambda method: Jitted(method, settings.method()))
        update_wrapper(self, fun, updated=())
        with _lock:
            _living.add(self)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        if DISABLED.get():
            return self._fun(*args, **kwargs)
        dynamic, fixed = self._static.split(args, kwargs)
        flat, in_tree = tree.flatten(dynamic)
        direct = self._direct.find(flat, in_tree, fixed)
        if direct is not None:
            self._log.hits += 1
            return cast(R, tree.unflatten(direct.out_tree, direct(flat)))
        try:
            leaves = check_leaves([*flat], self._label, lambda: self._paths(dynamic, fixed))
        except NonArrayInputError:
            if self._is_method_of(args):  # called as Class.method(instance, …), or by classmethod
                return cast(R, self._bound_to(args[0])(*args[1:], **kwargs))
            raise
        trace = current_trace()
        key = (in_tree, tuple(map(aval_of, leaves)), fixed, named_axes(trace))
        entry = self._entries.get(key)
        if entry is None or not entry.guards.hold():
            entry, is_known = self._traced(key, dynamic), False
        else:
            is_known = True
            self._log.hits += 1
        outs = self._run(entry, leaves)
        if is_known and trace is EVAL and next(entry.turns, None) is not None:
            self._serve(entry, (args, kwargs), (flat, in_tree), fixed)
        return cast(R, tree.unflatten(entry.out_tree, outs))

    def _run(self, entry: Entry, leaves: Sequence[Array]) -> Sequence[Array]:
        args = (*entry.outer, *leaves)
        if current_trace() is EVAL:
            return run_jaxpr(*args, jaxpr=entry.jaxpr, options=entry.options)
        unchecked, threads = self._settings.unchecked, self._settings.threads
        limit = {} if threads is None else {"threads": threads}
        return jit_p.bind(*args, jaxpr=entry.jaxpr, name=self._bare_name, unchecked=unchecked, **limit)

    def _traced(self, key: tuple[Any, ...], dynamic: Call) -> Entry:
        """The entry of a new kind of arguments, or of a known one where what was read from outside is another now."""
        before = self._entries.get(key)
        replaced = () if before is None else before.guards.changed()
        try:
            entry = self._trace(Key(*key), dynamic, replaced)
        except FunctransError as error:
            raise trimmed(error)  # noqa: B904  # FUNCTRANS_TRACEBACK=full shows all frames
        self._log.add(entry.miss)
        if entry.miss.kept:
            self._remember(key, entry)
        return entry

    def _remember(self, key: Hashable, entry: Entry) -> None:
        if len(self._entries) >= _MOST_ENTRIES:  # a new lambda as static argument of every call, say
            self._entries.pop(next(iter(self._entries), None), None)
        self._entries[key] = entry

    def _serve(self, entry: Entry, call: Call, traced: tuple[list[Any], TreeDef[Any]], fixed: Hashable) -> None:
        """Let machine code serve calls that are like this one, or else the short way through Python."""
        # Here and not above: it loads the way into machine code, which is of use when a function is called again.
        from functrans.dispatch import serve_calls

        executable = compile_jaxpr(entry.jaxpr, entry.options)
        if not serve_calls(self, call, traced, self._static, executable, entry.guards, entry.out_tree):
            self._direct.add((*traced, fixed), executable, entry)

    def _trace(self, key: Key, dynamic: Call, replaced: tuple[str, ...]) -> Entry:
        guards = Guards(self._fun, *(value for _, _, value in key.fixed))
        with open_stage(function=self._fun) as trace:
            names = self._paths(dynamic, key.fixed)
            arguments = [
                trace.argument(aval, f"argument `{name}` of `{self._name}`")
                for aval, name in zip(key.avals, names, strict=True)
            ]
            args, kwargs = self._static.join(tree.unflatten(key.in_tree, arguments), key.fixed)
            outs, out_tree = tree.flatten(self._fun(*args, **kwargs))
            outs = check_results(outs, self._name, out_tree)
            jaxpr, outer = hoist_tracers(trace.finish(arguments, outs))
        if self._settings.unchecked:
            jaxpr = trust_indices(jaxpr)
        guards.settle()
        kept = not outer and guards.lasting  # tracers of outer transforms are others at the next call
        static = {self._static.name(where): value for where, _, value in key.fixed}
        miss = Miss(key, tuple(names), static, replaced, kept)
        options = self._settings.options(key.in_tree)
        return Entry(jaxpr, out_tree, guards, outer, miss, options, iter(range(_MOST_RECIPES)))

    def _paths(self, dynamic: Call, fixed: Hashable) -> list[str]:
        """The user's name for every traced leaf."""
        args, _ = self._static.join(dynamic, fixed)
        traced = [i for i in range(len(args)) if i not in self._static.nums]
        return argument_paths(self._fun, args, dynamic[1], only=traced)

    # ---- what it shows of itself ----

    def lower(self, *args: Any, **kwargs: Any) -> Lowered[P, R]:  # Any: shapes may stand for arrays
        """What a call with these arguments would run, without running or compiling it. Traces it if need be.

        Arrays may be given as `ShapeDtypeStruct`s. Raises what the call would raise before it computes.

        >>> import numpy as np
        >>> lowered = jit(lambda x: np.sum(np.exp(x) * 2)).lower(np.ones(3))
        >>> lowered.optimized_jaxpr
        { lambda ; a:f64[3]. let
            b:f64[3] = exp a
            c:f64[3] = mul b 2.0:f64[]
            d:f64[] = reduce_sum[axes=(0,)] c
          in (d,) }
        >>> lowered.compile()(np.zeros(3))
        np.float64(6.0)
        """
        dynamic, fixed = self._static.split(args, kwargs)
        flat, in_tree = tree.flatten(dynamic)
        try:
            avals = tuple(abstract_leaves(flat, self._label, lambda: self._paths(dynamic, fixed)))
        except NonArrayInputError:
            if self._is_method_of(args):
                return cast("Lowered[P, R]", cast(Any, self._bound_to(args[0])).lower(*args[1:], **kwargs))
            raise
        key = (in_tree, avals, fixed, named_axes(current_trace()))
        entry = self._entries.get(key)
        if entry is None or not entry.guards.hold():
            entry = self._traced(key, dynamic)
        traced = entry
        signature = Signature(
            self._label, self._static, fixed, in_tree, avals, traced.miss.paths, traced.out_tree, self._paths
        )
        return Lowered(signature, traced.jaxpr, traced.options, partial(self._run, traced))

    def explain(self) -> Text:
        """What became of this function, in plain words.

        How many calls found a program and how many traced, and why; for every program which lines of yours each step
        computes, and which steps NumPy still runs, and why.
        """
        # Here and not above: its modules are a fifth of `import functrans`.
        from functrans.explain import explain

        self._log.hits += new_calls(self)
        return explain(self._label, self._log, list(self._entries.values()))

    def cache_info(self) -> CacheInfo:
        """How many calls found a program and how many traced, and how many kinds of arguments are known."""
        self._log.hits += new_calls(self)
        return CacheInfo(self._log.hits, self._log.misses, _MOST_ENTRIES, len(self._entries))

    def clear_cache(self) -> None:
        """Forget all programs of this function, and the counts: the next call traces anew."""
        self._entries.clear()
        self._direct.clear()
        self._methods.clear()
        forget(self)
        self._log = CallLog()

    @overload
    def __get__(self, instance: None, owner: type | None = None) -> Self: ...
    @overload
    def __get__(self: Jitted[Concatenate[S, Q], R], instance: S, owner: type | None = None) -> Callable[Q, R]: ...
    def __get__(self, instance: object, owner: type | None = None) -> object:
        """A jitted method: an instance that is a pytree is traced, any other is held fixed and watched for changes."""
        return self if instance is None else self._bound_to(instance)

    def _bound_to(self, instance: object) -> Callable[..., Any]:
        if not tree.structure(instance).is_leaf():
            return TreeMethod(self, instance)
        return BoundMethod(instance, self._methods.of(instance))

    def _is_method_of(self, args: tuple[object, ...]) -> bool:
        """Whether this is a method, or class method, of its first argument, and that is no pytree."""
        if not args or not tree.structure(args[0]).is_leaf():
            return False
        kinds = args[0].__mro__ if isinstance(args[0], type) else type(args[0]).__mro__
        name = getattr(self, "__name__", "")
        found = (vars(kind).get(name) for kind in kinds)
        return any(member is self or (isinstance(member, classmethod) and member.__func__ is self) for member in found)

    def __reduce__(self) -> str:
        return getattr(self, "__qualname__", self._name)  # as functions: a copy is the same one, and pickles name it

    def __repr__(self) -> str:
        return f"<jitted {self._name}>"


def clear_caches() -> None:
    """Forget every program of every jitted function: as if nothing had been called yet."""
    with _lock:
        living = list(_living)
    for jitted in living:
        jitted.clear_cache()
    clear_programs()


@overload
def jit(
    fun: Callable[P, R],
    *,
    static_argnums: int | Sequence[int] = (),
    static_argnames: str | Sequence[str] = (),
    donate_argnums: int | Sequence[int] = (),
    threads: int | None = None,
    unchecked: bool = False,
) -> Jitted[P, R]: ...
@overload
def jit(
    *,
    static_argnums: int | Sequence[int] = (),
    static_argnames: str | Sequence[str] = (),
    donate_argnums: int | Sequence[int] = (),
    threads: int | None = None,
    unchecked: bool = False,
) -> Callable[[Callable[P, R]], Jitted[P, R]]: ...
def jit(
    fun: Any = None,
    *,
    static_argnums: int | Sequence[int] = (),
    static_argnames: str | Sequence[str] = (),
    donate_argnums: int | Sequence[int] = (),
    threads: int | None = None,
    unchecked: bool = False,
) -> Any:  # Any: the overloads say it
    """Compile a function; it runs as Python only once for each new kind of arguments.

    The kind of a call is the tree of its arguments, the shape and dtype of every leaf, and the values of static arguments
    (`static_argnums`, `static_argnames`: anything hashable). The function must be pure: what it reads from outside is baked
    in. Globals, closure variables and attributes of objects that are replaced by others are noticed and lead to a new
    tracing, also those that helper functions read, and functions' code and defaults that are replaced in place, as autoreload
    does; an array whose values are changed in place is not. Dicts that differ
    in the order of their keys only are of one kind, with the order of the first. Results are new arrays that alias no
    argument but donated ones.

    By `donate_argnums` the caller gives arguments' memory up. A result of the same shape and dtype may be computed in place,
    and is then the very array that was passed. What donated arrays hold after the call, or after an error, is not said.
    Those that share memory with another argument, are read-only, or views of a part stay as they are; inside other
    transforms all do. With `threads`, at most so many run this function's loops. With `unchecked` you promise that every
    index is in range: machine code does not test it, and gives a wrong result, from memory of the same array, where another
    one would have raised IndexError.

    Raises ConcretizationError where Python needs the value of a traced array, NonArrayInputError for leaves that are no
    arrays, StaticArgumentError for unhashable static arguments.

    >>> import numpy as np
    >>> @jit
    ... def f(x):
    ...     print("tracing")
    ...     return np.sin(x) ** 2
    >>> f(np.array([0.0, 1.0])), f(np.array([1.0, 0.0]))
    tracing
    (array([0.        , 0.70807342]), array([0.70807342, 0.        ]))
    """
    again: Any = partial(
        cast(Any, jit), static_argnums=static_argnums, static_argnames=static_argnames, donate_argnums=donate_argnums,
        threads=threads, unchecked=unchecked,
    )  # fmt: skip
    if fun is None:
        return again
    if isinstance(fun, staticmethod | classmethod):  # the decorators in the other order
        return type(fun)(again(fun.__func__))
    if not callable(fun):
        raise TypeError(f"jit takes a function, not {fun!r} of type {type(fun).__name__}")
    static = StaticArguments.of(fun, static_argnums, static_argnames)
    donated = DonatedArguments.of(fun, donate_argnums, static)
    return Jitted(fun, Settings(static, donated, check_threads("jit", threads), unchecked))
