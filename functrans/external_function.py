"""`external`: functions that are written elsewhere, in Python or in C, as functions that can be transformed.

Start reading at `External`. Imports callbacks, C functions, functions with derivative rules of their own,
`finite_differences`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import update_wrapper, wraps
from typing import Any, Generic, Literal, ParamSpec, TypeVar, cast, overload

from functrans import tree
from functrans.c_functions import CFunction, Pointer, c_function
from functrans.callback import VmapMethod, bind_callback, declared_types, pure_callback_p
from functrans.called_back import Callback
from functrans.core.aval import ShapedArray, is_inexact
from functrans.core.primitive import Maybes, Values, aval_of
from functrans.errors import ExternalFunctionError
from functrans.finite_differences import forward_rule, reverse_rule
from functrans.foreign import ForeignFunction, by_element
from functrans.transforms.arguments import argument_paths, check_leaves, function_name
from functrans.transforms.custom import VjpCall, custom_jvp, custom_vjp
from functrans.transforms.custom_primitives import JvpFunction
from functrans.transforms.jvp import push_forward
from functrans.transforms.make_jaxpr import ShapeDtypeStruct
from functrans.tree import TreeDef
from functrans.typing import Array, PyTree

__all__ = ["External", "external"]

P = ParamSpec("P")
R = TypeVar("R")

_METHODS: dict[str, VmapMethod] = {"loop": "sequential", "vectorized": "broadcast_all"}


class External(Generic[P, R]):
    """A function of which functrans knows its results' types and, perhaps, its derivative; made by `external`."""

    __name__: str
    __wrapped__: Callable[P, R]

    def __init__(
        self,
        fun: Callable[P, R],
        name: str,
        result_shape: PyTree,
        method: VmapMethod,
        vjp: Callable[..., tuple[Any, ...]] | None,
        jvp: Callable[..., Any] | None,
    ) -> None:
        update_wrapper(self, fun, updated=())
        self._fun, self._name, self._result_shape = fun, name, result_shape
        self._method: VmapMethod = method
        self._apply = self._with_rules(vjp, jvp)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        return cast(R, self._apply(*args, **kwargs))

    def _with_rules(
        self, vjp: Callable[..., tuple[Any, ...]] | None, jvp: Callable[..., Any] | None
    ) -> Callable[..., Any]:
        if vjp is None and jvp is None:
            return lambda *args, **kwargs: self._run(args, kwargs)

        def plain(*args: Any) -> Any:
            return self._run(args, {})

        plain.__qualname__ = self._name
        forward = None if jvp is None else self._forward(plain, jvp)
        if vjp is None:
            assert forward is not None
            return self._by_position(forward)
        reverse = _Both(plain, forward)

        def fwd(*args: Any) -> tuple[Any, Any]:
            out = self._apply(*args)  # and not plain: this may be differentiated in turn
            return out, (out, args)

        @wraps(vjp, updated=())
        def bwd(kept: tuple[Any, tuple[Any, ...]], ct: Any) -> tuple[Any, ...]:
            return vjp(ct, kept[0], *kept[1])

        reverse.defvjp(fwd, bwd)
        return self._by_position(reverse)

    def _forward(self, plain: Callable[..., Any], jvp: Callable[..., Any]) -> custom_jvp[..., Any]:
        forward = custom_jvp(plain)

        @forward.defjvp
        def rule(primals: tuple[Any, ...], tangents: tuple[Any, ...]) -> tuple[Any, Any]:
            out = self._apply(*primals)
            return out, jvp(tangents, out, *primals)

        return forward

    def _by_position(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """The same function, which gets arguments by position, as the rules do."""

        def call(*args: Any, **kwargs: Any) -> Any:
            if kwargs:
                bound = inspect.signature(self._fun).bind(*args, **kwargs)
                if bound.kwargs:
                    names = ", ".join(f"`{name}`" for name in bound.kwargs)
                    raise ExternalFunctionError(
                        self._name, f"{names} can be passed by name only, and has no derivative", "Fix it in a lambda."
                    )
                args = bound.args
            return function(*args)

        return call

    def _run(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Call the function, whatever its derivative."""
        flat, in_tree = tree.flatten((args, kwargs))
        leaves = check_leaves(flat, f"external({self._name})", lambda: argument_paths(self._fun, args, kwargs))
        out_tree, avals = self._results(leaves, in_tree)
        callback = Callback(self._fun, self._name, in_tree, out_tree, avals, "result_shape")
        return bind_callback(pure_callback_p, callback, leaves, self._method)

    def _results(self, leaves: Sequence[Array], in_tree: TreeDef[Any]) -> tuple[TreeDef[Any], tuple[ShapedArray, ...]]:
        """The tree and the types of what the function returns for arguments, whose tree is that of (args, kwargs)."""
        declared = self._result_shape
        if callable(declared):
            structs = [ShapeDtypeStruct(aval.shape, aval.dtype) for aval in map(aval_of, leaves)]
            like_args, like_kwargs = tree.unflatten(in_tree, structs)
            declared = declared(*like_args, **like_kwargs)
        return declared_types("external", self._name, declared, "result_shape")

    def __repr__(self) -> str:
        return f"<external {self._name}>"


class _ExternalC(External[P, R]):
    """A C function. One of numbers is called for each element of arrays."""

    def __init__(self, function: CFunction, aliases: Mapping[int, int], *args: Any) -> None:
        self._c, self._foreign = function, ForeignFunction(function, aliases)
        self.__name__ = function.name  # of what has none
        super().__init__(*args)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        if kwargs:
            names = ", ".join(f"`{name}`" for name in kwargs)
            raise ExternalFunctionError(
                self._name, f"{names} is passed by name, and parameters of C have none", "Pass all by position."
            )
        if self._c.is_elementwise:
            return cast(R, by_element(self._name, self._apply, args))
        return cast(R, self._apply(*args))

    def _run(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        leaves, in_tree = tree.flatten((args, kwargs))
        return self._foreign(args, *self._results(leaves, in_tree))


class _Both(custom_vjp[..., Any]):
    """A function with a rule for each mode, or one for reverse mode alone."""

    def __init__(self, plain: Callable[..., Any], forward: custom_jvp[..., Any] | None) -> None:
        super().__init__(plain)
        self._forward = forward

    def _forward_rule(self, call: VjpCall) -> JvpFunction | None:
        forward = self._forward
        if forward is None:
            return None

        def flat(*values: Array) -> Any:
            return forward(*tree.unflatten(call.in_tree, values))

        def rule(primals: Values, tangents: Values) -> tuple[Values, Maybes]:
            given = [t if is_inexact(aval_of(x).dtype) else None for x, t in zip(primals, tangents, strict=True)]
            outs, out_tangents, call.out_tree, _ = push_forward(flat, primals, given, False, self._name)
            return tuple(outs), tuple(out_tangents)

        return rule


@overload
def external(
    fun: Callable[P, R],
    result_shape: PyTree,
    *,
    vjp: Callable[..., tuple[Any, ...]] | None = ...,
    jvp: Callable[..., Any] | None = ...,
    vmap: Literal["loop", "vectorized"] = ...,
    finite_differences: bool | float = ...,
    input_output_aliases: Mapping[int, int] | None = ...,
) -> External[P, R]: ...
@overload
def external(
    fun: Pointer,
    result_shape: PyTree,
    *,
    vjp: Callable[..., tuple[Any, ...]] | None = ...,
    jvp: Callable[..., Any] | None = ...,
    vmap: Literal["loop", "vectorized"] = ...,
    finite_differences: bool | float = ...,
    input_output_aliases: Mapping[int, int] | None = ...,
) -> External[..., Any]: ...
def external(
    fun: Any,  # Any: the user's function, or a library's pointer
    result_shape: PyTree,
    *,
    vjp: Callable[..., tuple[Any, ...]] | None = None,
    jvp: Callable[..., Any] | None = None,
    vmap: Literal["loop", "vectorized"] = "loop",
    finite_differences: bool | float = False,
    input_output_aliases: Mapping[int, int] | None = None,
) -> External[..., Any]:
    """A function written elsewhere, in Python (SciPy's, say) or in C, for use under every transform; it has no side effects.

    result_shape: what it returns, a tree of `ShapeDtypeStruct`, or a function that gives that tree for the arguments' shapes,
    also ShapeDtypeStructs. It is called on NumPy arrays and scalars, copies of its own. vmap: "loop", it is called for each
    element of a batch; "vectorized", it takes batches: once, with the batch axis first in all arguments and results.

    A derivative comes from a rule for either mode, from which the other one is made, from one for each, or from
    `finite_differences`, True or the relative step. Rules are functions of traced arrays:
    `vjp(ct, out, *args) -> (cotangent of each argument, …)`, with None for zeros, and
    `jvp(tangents, out, *args) -> tangent of out`, linear in the tangents, which are a tuple like args. Central differences call
    the function twice for each element of its floating arguments, in forward mode twice, and are right to about 2/3 of the
    digits.

    C functions are pointers of ctypes (with argtypes and restype) or cffi, numba's cfunc and scipy.LowLevelCallable, also of
    Cython's functions. Compiled programs call them without Python and without its lock, from any thread. One that takes and
    returns numbers is called for each element of arrays, which are broadcast; result_shape and rules are those of numbers. One
    with pointers takes the arguments of a call in order, numbers by value and arrays by a pointer to their elements in C order,
    and then a pointer for each result; what it returns is the first result. It must not write into arguments:
    `input_output_aliases`, {number of an argument: number of a result}, names those that it does write into, each a copy,
    which is the result afterwards and takes no parameter of its own. Arguments are converted where NumPy converts safely. Sizes
    are arguments like others, and nothing checks what the function does with them.

    Raises ExternalFunctionError for rules beside finite differences and for what C functions do not take,
    CallbackResultError or TreeMismatchError for a result of another type, NotDifferentiableError where a derivative is asked for
    and there is none, and what the function raises.

    >>> import math
    >>> import numpy as np
    >>> from functrans import ShapeDtypeStruct, grad, jit
    >>> log_gamma = external(math.lgamma, ShapeDtypeStruct((), np.float64), finite_differences=True)
    >>> gradient = jit(grad(lambda x: log_gamma(x) ** 2))(4.0)
    >>> round(gradient, 6)
    np.float64(4.501321)

    C's mathematics: a function of numbers, and one that returns a fraction and writes an exponent where its parameter points.

    >>> import ctypes
    >>> c = ctypes.CDLL(None)
    >>> c.cbrt.argtypes, c.cbrt.restype = [ctypes.c_double], ctypes.c_double
    >>> cbrt = external(c.cbrt, ShapeDtypeStruct((), np.float64), vjp=lambda ct, out, x: (ct / (3 * out**2),))
    >>> jit(grad(lambda x: np.sum(cbrt(x))))(np.array([1.0, 8.0]))
    array([0.33333333, 0.08333333])
    >>> c.frexp.argtypes, c.frexp.restype = [ctypes.c_double, ctypes.POINTER(ctypes.c_int)], ctypes.c_double
    >>> parts = external(c.frexp, (ShapeDtypeStruct((), np.float64), ShapeDtypeStruct((), np.int32)))
    >>> jit(parts)(12.0)
    (np.float64(0.75), np.int32(4))
    """
    c, aliases = c_function(fun), input_output_aliases or {}
    name = function_name(fun) if c is None else c.name
    _check(name, c, vmap, aliases)
    if finite_differences is not False:
        if vjp is not None or jvp is not None:
            raise ExternalFunctionError(
                name, "it is given a rule and finite_differences", "Leave out finite_differences: the rule is exact."
            )
        step = None if finite_differences is True else float(finite_differences)
        itself: Callable[..., Any] = lambda *args: cast(Any, made)(*args)
        vjp, jvp = reverse_rule(itself, name, step), forward_rule(itself, name, step)
    made = (
        External(fun, name, result_shape, _METHODS[vmap], vjp, jvp) if c is None
        else _ExternalC(c, aliases, fun, name, result_shape, _METHODS[vmap], vjp, jvp)
    )  # fmt: skip
    return made


def _check(name: str, c: CFunction | None, vmap: str, aliases: Mapping[int, int]) -> None:
    """Raise ExternalFunctionError for what no function, or no C function, is asked."""
    if vmap not in _METHODS:
        raise ExternalFunctionError(
            name, f"vmap={vmap!r} is no way to take a batch", "Write vmap='loop' or 'vectorized'."
        )
    if c is not None and vmap != "loop":
        raise ExternalFunctionError(
            name,
            "it is a C function, which nobody tells that there is a batch",
            "Leave out vmap: compiled programs call it for each element, without Python.",
        )
    if c is None and aliases:
        raise ExternalFunctionError(
            name, "input_output_aliases is for C functions: arguments of others are copies", "Leave it out."
        )
