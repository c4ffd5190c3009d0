"""Functions with derivative rules of their own: `custom_vjp` and `custom_jvp`.

Giving one rule is enough for both modes and for vmap; how is told in `custom_primitives.py`. This file turns the users' rules
on trees into rules on flat values. Start reading at `custom_vjp`.
"""

from __future__ import annotations

import inspect
import operator
from collections.abc import Callable, Sequence
from functools import reduce, update_wrapper
from types import MethodType
from typing import Any, Concatenate, Generic, ParamSpec, Self, TypeAlias, TypeVar, cast, overload

import numpy as np

from functrans import tree
from functrans.core.aval import PYTHON_SCALARS, ShapedArray, is_inexact
from functrans.core.primitive import Maybes, Values, aval_of
from functrans.errors import CustomClosureError, CustomRuleError, LeakedTracerError, MissingRuleError
from functrans.errors.base import kind_of
from functrans.transforms.arguments import argument_paths, check_leaves, check_results, function_name
from functrans.transforms.custom_primitives import JvpFunction, custom_jvp_p, custom_vjp_p
from functrans.transforms.vjp import cotangent
from functrans.tree import TreeDef
from functrans.treedef import flatten_prefix, is_none
from functrans.typing import Array

__all__ = ["VjpCall", "custom_jvp", "custom_vjp"]

P = ParamSpec("P")
Q = ParamSpec("Q")
R = TypeVar("R")
S = TypeVar("S")
X = TypeVar("X")
Cotangents: TypeAlias = tuple[Any, ...] | list[Any]  # Any: one tree for each argument that is differentiated
Backward: TypeAlias = (  # Any: the arguments that are not differentiated, if there are any
    Callable[[X, R], Cotangents] | Callable[[Any, X, R], Cotangents] | Callable[[Any, Any, X, R], Cotangents]
    | Callable[[Any, Any, Any, X, R], Cotangents]
)  # fmt: skip


_Result: TypeAlias = "tuple[TreeDef[Any], list[ShapedArray]]"
"""The tree of a result and the types of its leaves, none of them weak."""


def _result(outs: Sequence[Array], out_tree: TreeDef[Any]) -> _Result:
    return out_tree, [aval_of(out).update(weak=False) for out in outs]


def _leaves_like(tangents: Any, like: TreeDef[Any], what: str, what_like: str) -> list[Any]:
    """The leaves of a tree of the structure `like`, in which None stands for zeros, also of whole subtrees."""
    leaves, structure = tree.flatten(tangents)
    if structure == like:
        return leaves
    if len(leaves) < len(tree.leaves(tangents, is_leaf=is_none)):
        spread = flatten_prefix(tangents, like, what, what_like)
        if sum(leaf is not None for leaf in spread) == len(leaves):  # no leaf in place of a subtree
            return spread
    tree.check_same_structure(like, structure, what_like, what)
    return leaves


def _signature(fun: Callable[..., Any]) -> inspect.Signature:
    try:
        return inspect.signature(fun)
    except ValueError:  # a builtin without one
        return inspect.Signature([inspect.Parameter("args", inspect.Parameter.VAR_POSITIONAL)])


class _Custom(Generic[P, R]):
    """What both have in common: a function, and which of its arguments are not differentiated."""

    __name__: str
    __wrapped__: Callable[P, R]

    def __init__(self, fun: Callable[P, R], nondiff_argnums: int | Sequence[int] = ()) -> None:
        update_wrapper(cast(Callable[..., Any], self), fun, updated=())
        self._fun: Callable[..., Any] = fun  # called with trees of tracers
        self._name = function_name(fun)
        self._signature = _signature(fun)
        kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
        self._names = [p.name for p in self._signature.parameters.values() if p.kind in kinds]
        nondiff = (nondiff_argnums,) if isinstance(nondiff_argnums, int) else tuple(nondiff_argnums)
        count = len(self._names)
        if any(not -count <= i < count for i in nondiff):
            raise CustomRuleError(
                self._name, f"nondiff_argnums is {nondiff}", f"among its {count} positional parameters"
            )
        self._nondiff = tuple(i % count for i in nondiff)

    @overload
    def __get__(self, instance: None, owner: type | None = None) -> Self: ...
    @overload
    def __get__(self: _Custom[Concatenate[S, Q], R], instance: S, owner: type | None = None) -> Callable[Q, R]: ...
    def __get__(self, instance: object, owner: type | None = None) -> object:
        """As a method: the instance is the first argument, and has to be a pytree or among nondiff_argnums."""
        return self if instance is None else MethodType(cast(Callable[..., Any], self), instance)

    def _positional(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
        """The arguments by position, as the rules take them."""
        if not kwargs and len(args) >= len(self._names):
            return args
        bound = self._signature.bind(*args, **kwargs)
        bound.apply_defaults()
        if bound.kwargs:
            raise CustomRuleError(self._name, f"keyword-only arguments {sorted(bound.kwargs)}", "positional ones only")
        return bound.args

    def _split(self, args: tuple[Any, ...]) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        fixed = tuple(args[i] for i in self._nondiff)
        return fixed, tuple(arg for i, arg in enumerate(args) if i not in self._nondiff)

    def _differentiated(self, count: int) -> list[str]:
        """What to call the arguments that are differentiated in messages."""
        names = [f"argument `{name}`" for i, name in enumerate(self._names) if i not in self._nondiff]
        return [*names, *(f"argument {i + len(self._nondiff)}" for i in range(len(names), count))][:count]

    def _join(self, fixed: tuple[Any, ...], diff: Sequence[Any]) -> list[Any]:
        args = list(diff)
        for i, value in sorted(zip(self._nondiff, fixed, strict=True)):
            args.insert(i, value)
        return args

    def _flatten(self, args: tuple[Any, ...], diff: tuple[Any, ...]) -> tuple[list[Array], TreeDef[Any]]:
        flat, in_tree = tree.flatten(diff)
        traced = [i for i in range(len(args)) if i not in self._nondiff]
        return check_leaves(flat, self._name, lambda: argument_paths(self._fun, args, only=traced)), in_tree

    def _flatten_result(self, out: Any) -> tuple[list[Array], TreeDef[Any]]:
        flat, out_tree = tree.flatten(out)
        return check_results(flat, self._name, out_tree), out_tree

    def _run(self, function: Callable[..., Any], *args: Any) -> Any:  # Any: trees of tracers
        """Call the function or a rule; tracers that it closes over may belong to traces that are not those of its operands."""
        try:
            return function(*args)
        except LeakedTracerError as error:
            raise CustomClosureError(f"`{self._name}`", error.tracer) from error

    def _check_like_function(self, rule: str, outs: _Result, known: _Result | None) -> None:
        """Whether a rule gives results like those of the function, where these are known."""
        if known is None or outs == known:
            return
        tree.check_same_structure(known[0], outs[0], f"the result of {self._name}", f"the result of its {rule}")
        got, needed = (", ".join(map(str, avals)) for avals in (outs[1], known[1]))
        raise CustomRuleError(self._name, f"the {rule} gives {got}", f"{needed}, as the function")


class custom_vjp(_Custom[P, R]):  # JAX's name; used as a decorator
    """A function with a rule for reverse mode, given by `defvjp(fwd, bwd)`; forward mode and vmap are derived from it.

    `fwd(*args) -> (out, residuals)` is run in place of the function where it is differentiated, residuals being any tree of
    values that the backward pass needs; `bwd(residuals, ct) -> tuple` gives a cotangent for each argument (None for zero).
    Arguments in `nondiff_argnums` (functions, strings, …) come first in `bwd`: `bwd(*nondiff, residuals, ct)`. None stands for
    zeros, also within a tree. Rules see their arguments only: function and rules must not close over values of a transform
    around them (CustomClosureError); pass those as arguments.

    >>> import numpy as np
    >>> from functrans.transforms.grad import grad
    >>> @custom_vjp
    ... def clipped(x):
    ...     return x
    >>> clipped.defvjp(lambda x: (x, None), lambda _, ct: (np.clip(ct, -1.0, 1.0),))
    >>> grad(lambda x: clipped(x) * 5.0)(2.0)
    np.float64(1.0)
    """

    _rules: tuple[Callable[..., Any], Callable[..., Any]] | None = None

    def defvjp(self, fwd: Callable[..., tuple[R, X]], bwd: Backward[X, R]) -> None:
        """Set the forward and the backward rule."""
        self._rules = (fwd, bwd)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        if self._rules is None:
            raise MissingRuleError(self._name, "defvjp(fwd, bwd)")
        positional = self._positional(args, kwargs)
        fixed, diff = self._split(positional)
        leaves, in_tree = self._flatten(positional, diff)
        call = VjpCall(self, *self._rules, fixed, in_tree, [aval_of(leaf) for leaf in leaves])
        rule = self._forward_rule(call)
        outs = custom_vjp_p.bind(*leaves, fun=call.fun, fwd=call.fwd, bwd=call.bwd, rule=rule, outer=0)
        return cast(R, tree.unflatten(call.out_tree, outs))

    def _forward_rule(self, _call: VjpCall) -> JvpFunction | None:
        """A rule for forward mode, which also sets the call's out_tree; None: it is made of that for reverse mode."""
        return None


class VjpCall:
    """One call of a `custom_vjp` function: its rules on flat values. The trees are known once fun or fwd has run."""

    out_tree: TreeDef[Any]
    residual_tree: TreeDef[Any]
    out_avals: list[ShapedArray]
    _known: _Result | None = None
    """What the function gives, once it has run."""

    def __init__(
        self,
        custom: custom_vjp[..., Any],
        fwd: Callable[..., Any],
        bwd: Callable[..., Any],
        fixed: tuple[Any, ...],
        in_tree: TreeDef[Any],
        in_avals: list[ShapedArray],
    ) -> None:
        self._custom, self._user_fwd, self._user_bwd = custom, fwd, bwd
        self._fixed, self.in_tree, self._in_avals = fixed, in_tree, in_avals

    def fun(self, *flat: Array) -> list[Array]:
        custom = self._custom
        out = custom._run(custom._fun, *custom._join(self._fixed, tree.unflatten(self.in_tree, flat)))
        outs, self.out_tree = custom._flatten_result(out)
        self._known = _result(outs, self.out_tree)
        return outs

    def fwd(self, *flat: Array) -> tuple[Values, Values]:
        custom = self._custom
        pair = custom._run(self._user_fwd, *custom._join(self._fixed, tree.unflatten(self.in_tree, flat)))
        if not isinstance(pair, tuple) or len(pair) != 2:
            problem = f"the forward rule `{function_name(self._user_fwd)}` returned {kind_of(pair)}"
            raise CustomRuleError(custom._name, problem, "a pair (out, residuals)")
        outs, self.out_tree = custom._flatten_result(pair[0])
        custom._check_like_function("forward rule", _result(outs, self.out_tree), self._known)
        self.out_avals = [aval_of(out) for out in outs]
        self._in_avals = [aval_of(value) for value in flat]
        residuals, self.residual_tree = custom._flatten_result(pair[1])
        return tuple(outs), tuple(residuals)

    def bwd(self, residuals: Values, cts: Maybes) -> Maybes:
        filled = [cotangent(ct, aval) for ct, aval in zip(cts, self.out_avals, strict=True)]
        ct = tree.unflatten(self.out_tree, filled)
        grads = self._custom._run(self._user_bwd, *self._fixed, tree.unflatten(self.residual_tree, residuals), ct)
        return self._flat_cotangents(grads)

    def _flat_cotangents(self, grads: Any) -> Maybes:
        """The leaves of what the backward rule returned, None where it says zero; raises CustomRuleError."""
        name, arguments = self._custom._name, self.in_tree.children()
        if not isinstance(grads, tuple | list) or len(grads) != len(arguments):
            shown = f"{len(grads)} of them" if isinstance(grads, tuple | list) else kind_of(grads)
            problem = f"the backward rule `{function_name(self._user_bwd)}` returned {shown}"
            raise CustomRuleError(name, problem, f"a tuple of {len(arguments)} cotangents, one for each argument")
        flat: list[Array | None] = []
        for number, grad, argument in zip(self._custom._differentiated(len(arguments)), grads, arguments, strict=True):
            what = f"the cotangent of {number}"
            for leaf in _leaves_like(grad, argument, what, f"{number} of {name}"):
                flat.append(None if leaf is None else self._fitting(leaf, self._in_avals[len(flat)], what))
        return tuple(flat)

    def _fitting(self, leaf: Any, aval: ShapedArray, what: str) -> Array | None:
        if not is_inexact(aval.dtype):
            return None
        (value,) = check_leaves([leaf], f"the backward rule of {self._custom._name}", lambda: [what])
        got = aval_of(value)
        if got.shape != aval.shape or (got.dtype != aval.dtype and not got.weak):
            raise CustomRuleError(self._custom._name, f"{what} has type {got}", f"type {aval}, as the argument")
        return cast(Array, aval.dtype.type(value)) if type(value) in PYTHON_SCALARS else value


class custom_jvp(_Custom[P, R]):  # JAX's name; used as a decorator
    """A function with a rule for forward mode, given by `defjvp(rule)`; reverse mode and vmap are derived from it.

    `rule(primals, tangents) -> (out, tangent of out)`, linear in the tangents, is run in place of the function where it is
    differentiated. Arguments in `nondiff_argnums` come first: `rule(*nondiff, primals, tangents)`. `defjvps` takes one rule
    `(tangent, out, *primals) -> tangent of out` per argument instead, or None for zero.

    >>> import numpy as np
    >>> from functrans.transforms.grad import grad
    >>> @custom_jvp
    ... def log1pexp(x):
    ...     return np.log(1.0 + np.exp(x))
    >>> log1pexp.defjvps(lambda t, out, x: t * (1 - 1 / (1 + np.exp(x))))
    >>> grad(log1pexp)(100.0)
    np.float64(1.0)
    """

    _rule: Callable[..., Any] | None = None

    def defjvp(self, rule: Callable[Q, tuple[R, R]]) -> Callable[Q, tuple[R, R]]:
        """Set the rule; returns it, so that it serves as a decorator."""
        self._rule = rule
        return rule

    def defjvps(self, *rules: Callable[..., R] | None) -> None:
        """Set one rule `(tangent, out, *primals)` per argument; the tangents that they give are added up."""

        def rule(*args: Any) -> tuple[Any, Any]:
            *fixed, primals, tangents = args
            if len(rules) != len(primals):
                raise CustomRuleError(
                    self._name, f"defjvps got {len(rules)} rules", f"{len(primals)}, one per argument"
                )
            out = cast(Callable[..., Any], self)(*self._join(tuple(fixed), primals))
            terms = [one(t, out, *primals) for one, t in zip(rules, tangents, strict=True) if one is not None]
            if not terms:
                return out, tree.map(np.zeros_like, out)
            return out, tree.map(lambda *parts: reduce(operator.add, parts), *terms)

        self._rule = rule

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        user_rule = self._rule
        if user_rule is None:
            raise MissingRuleError(self._name, "defjvp(rule)")
        positional = self._positional(args, kwargs)
        fixed, diff = self._split(positional)
        leaves, in_tree = self._flatten(positional, diff)
        known: list[_Result] = []

        def fun(*flat: Array) -> list[Array]:
            out = self._run(self._fun, *self._join(fixed, tree.unflatten(in_tree, flat)))
            outs, out_tree = self._flatten_result(out)
            known.append(_result(outs, out_tree))
            return outs

        def rule(primals: Values, tangents: Values) -> tuple[Values, Maybes]:
            pair = self._run(user_rule, *fixed, tree.unflatten(in_tree, primals), tree.unflatten(in_tree, tangents))
            outs, out_tree, out_tangents = self._split_rule_result(pair)
            result = _result(outs, out_tree)
            self._check_like_function("rule", result, known[0] if known else None)
            known.append(result)
            return tuple(outs), out_tangents

        outs = custom_jvp_p.bind(*leaves, fun=fun, rule=rule, outer=0)
        return cast(R, tree.unflatten(known[-1][0], outs))

    def _split_rule_result(self, pair: Any) -> tuple[list[Array], TreeDef[Any], Maybes]:
        if not isinstance(pair, tuple) or len(pair) != 2:
            raise CustomRuleError(self._name, f"the rule returned {kind_of(pair)}", "a pair (out, tangent of out)")
        outs, out_tree = self._flatten_result(pair[0])
        flat = _leaves_like(pair[1], out_tree, "the tangent", "the value")
        tangents: list[Array | None] = []
        for out, tangent in zip(outs, flat, strict=True):
            aval = aval_of(out)
            if tangent is None or not is_inexact(aval.dtype):
                tangents.append(None)
                continue
            (checked,) = check_leaves([tangent], f"the rule of {self._name}", lambda: ["the tangent"])
            got = aval_of(checked)
            if got.shape != aval.shape or (got.dtype != aval.dtype and not got.weak):
                raise CustomRuleError(
                    self._name, f"the rule gave a tangent of type {got}", f"type {aval}, as the value"
                )
            tangents.append(cast(Array, aval.dtype.type(checked)) if type(checked) in PYTHON_SCALARS else checked)
        return outs, out_tree, tuple(tangents)
