"""`custom_root` and `custom_fixed_point`: roots of functions, with the derivatives that the implicit function theorem gives.

Where f(x, p) = 0 the tangent of x is the solution of ∂f/∂x dx = -∂f/∂p dp, however x was found. Start reading at
`custom_root`. Imports `tracing`, `linear_solve` and the transforms.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

from functrans import tree
from functrans.control.linear_solve import check_like, sharing
from functrans.control.tracing import trace
from functrans.core.aval import FLOAT0
from functrans.core.ir import Jaxpr, eval_jaxpr
from functrans.core.primitive import EVAL, Maybes, Values, aval_of, current_trace
from functrans.ops.arithmetic import neg
from functrans.transforms.arguments import check_leaves
from functrans.transforms.custom_primitives import custom_jvp_p
from functrans.transforms.jaxprs import jvp_jaxpr
from functrans.transforms.vjp import instantiate
from functrans.typing import Array

__all__ = ["custom_fixed_point", "custom_root"]

T = TypeVar("T")


def custom_root(
    f: Callable[[T], T],
    initial_guess: T,
    solve: Callable[[Callable[[T], T], T], Any],
    tangent_solve: Callable[[Callable[[T], T], T], T],
    has_aux: bool = False,
) -> Any:
    """A root x of f, found by `solve(f, initial_guess)`, with derivatives in what f closes over that do not look into solve.

    f: from trees like the guess to such trees. tangent_solve: `tangent_solve(g, y)` solves g(x) = y for a linear g, the
    derivative of f at the root, and is itself linear in y; for numbers `lambda g, y: y / g(1.0)`. Reverse mode transposes it:
    make it of `custom_linear_solve` or of functrans.scipy.sparse.linalg where it is more than such a formula. has_aux: solve
    gives `(x, aux)`, and so does this. The guess has no derivative, nor has aux.

    Raises CustomRuleError where f or solve give other types than the guess has.

    >>> from functrans.transforms.grad import grad
    >>> def newton(f, x):
    ...     for _ in range(6):
    ...         x = x - f(x) / (2 * x)
    ...     return x
    >>> def sqrt(a):
    ...     return custom_root(lambda x: x * x - a, 1.0, newton, lambda g, y: y / g(1.0))
    >>> round(sqrt(2.0), 12), round(grad(sqrt)(2.0), 12)
    (1.414213562373, np.float64(0.353553390593))
    """
    if current_trace() is EVAL:
        return solve(f, initial_guess)
    flat, guess_tree = tree.flatten(initial_guess)
    leaves = check_leaves(flat, "custom_root", lambda: tree.paths(guess_tree, "initial_guess"))
    avals = [aval_of(leaf).update(weak=False) for leaf in leaves]
    arguments = tree.structure((initial_guess,))
    function = trace(f, arguments, avals)
    solution = trace(solve, arguments, avals, lambda guess: solve(f, guess))
    check_like("custom_root", f, function, (guess_tree, avals), "the guess", False)
    check_like("custom_root", solve, solution, (guess_tree, avals), "the guess", has_aux)
    consts, (root_of, solver) = sharing(function, solution)
    call = _Root(len(consts), guess_tree, cast(Jaxpr, root_of), cast(Jaxpr, solver), tangent_solve)
    return tree.unflatten(solution.out_tree, call(*consts, *leaves))


class _Root:
    """One call of `custom_root`, on flat values: what f and solve close over, then the guess."""

    def __init__(
        self,
        consts: int,
        x_tree: tree.TreeDef[Any],
        function: Jaxpr,
        solver: Jaxpr,
        tangent_solve: Callable[..., Any],
    ) -> None:
        self._consts, self._x_tree = consts, x_tree
        self._function, self._solver, self._tangent_solve = function, solver, tangent_solve

    def __call__(self, *args: Array) -> Values:
        return custom_jvp_p.bind(*args, fun=self._solver, rule=self._rule, outer=0)

    def _rule(self, primals: Values, tangents: Values) -> tuple[Values, Maybes]:
        outs = self(*primals)
        consts, count = primals[: self._consts], len(primals) - self._consts
        x = outs[:count]
        given = [None if aval_of(t).dtype == FLOAT0 else t for t in tangents[: self._consts]]
        moved = self._push((*consts, *x), [*given, *(None for _ in x)])
        if all(t is None for t in moved):
            return outs, (None,) * len(outs)
        right = [instantiate(t, aval_of(v)) for t, v in zip(moved, x, strict=True)]

        def along(v: Any) -> Any:
            """The derivative of f at the root, applied to a direction."""
            directions = tree.flatten(v)[0]
            found = self._push((*consts, *x), [*(None for _ in consts), *directions])
            return tree.unflatten(self._x_tree, [instantiate(t, aval_of(v)) for t, v in zip(found, x, strict=True)])

        dx = tree.leaves(self._tangent_solve(along, tree.unflatten(self._x_tree, right)))
        return outs, (*map(neg, dx), *(None for _ in outs[count:]))

    def _push(self, primals: Values, tangents: list[Array | None]) -> list[Array | None]:
        """The tangents of f."""
        pushed = jvp_jaxpr(self._function, tuple(t is not None for t in tangents))
        results = eval_jaxpr(pushed.jaxpr, *primals, *(t for t in tangents if t is not None))
        found = iter(results[len(pushed.nonzero) :])
        return [next(found) if has else None for has in pushed.nonzero]


def custom_fixed_point(
    f: Callable[[T], T],
    initial_guess: T,
    solve: Callable[[Callable[[T], T], T], Any],
    tangent_solve: Callable[[Callable[[T], T], T], T],
    has_aux: bool = False,
) -> Any:
    """A fixed point x = f(x), found by `solve(f, initial_guess)`; the rest is as for `custom_root` of x - f(x).

    tangent_solve: `tangent_solve(g, y)` solves g(v) = y, where g(v) is v less the derivative of f along v.

    >>> from functrans.transforms.grad import grad
    >>> def iterate(f, x):
    ...     for _ in range(60):
    ...         x = f(x)
    ...     return x
    >>> def half(a):
    ...     return custom_fixed_point(lambda x: (x + a) / 3, 0.0, iterate, lambda g, y: y / g(1.0))
    >>> round(half(2.0), 12), round(grad(half)(2.0), 12)
    (1.0, np.float64(0.5))
    """

    def residual(x: T) -> T:
        return tree.map(lambda a, b: a - b, x, f(x))

    return custom_root(residual, initial_guess, lambda _, guess: solve(f, guess), tangent_solve, has_aux)
