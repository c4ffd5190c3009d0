"""functrans.ad_checkpoint: `checkpoint` with what belongs to it, where JAX has it. Start reading at `print_saved_residuals`.

Imports the transforms.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from functrans import tree
from functrans.core.ir import Atom, Jaxpr, Var
from functrans.core.primitive import aval_of
from functrans.ops.barrier import checkpoint_name, name_p
from functrans.transforms import checkpoint_policies
from functrans.transforms.arguments import argument_paths, check_leaves
from functrans.transforms.checkpoint import checkpoint
from functrans.transforms.checkpoint import checkpoint as remat
from functrans.transforms.jaxprs import vjp_jaxpr
from functrans.transforms.stage import stage_closed
from functrans.typing import Array

__all__ = ["checkpoint", "checkpoint_name", "checkpoint_policies", "print_saved_residuals", "remat"]


def print_saved_residuals(fun: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
    """Print the type of each value that reverse mode of `fun(*args, **kwargs)` saves, and where it comes from.

    >>> import numpy as np
    >>> print_saved_residuals(checkpoint(lambda x: np.sin(np.sin(x))), np.ones(3))
    f64[3] from the argument x
    """
    flat, in_tree = tree.flatten((args, kwargs))
    paths = argument_paths(fun, args, kwargs)
    leaves = check_leaves(flat, "print_saved_residuals", lambda: paths)

    def run(*values: Array) -> list[Array]:
        given, keywords = tree.unflatten(in_tree, values)
        return tree.leaves(fun(*given, **keywords))

    jaxpr, outer = stage_closed(run, [aval_of(leaf) for leaf in leaves])
    wanted = tuple(aval_of(leaf).dtype.kind in "fc" for leaf in (*outer, *leaves))
    split = vjp_jaxpr(jaxpr, wanted, checkpoint_policies.everything_saveable)
    arguments = [*("a value from outside" for _ in outer), *(f"the argument {path}" for path in paths)]
    for i in split.residuals:
        if i < len(arguments):
            print(f"{split.forward.invars[i].aval} from {arguments[i]}")
        else:
            atom = split.forward.outvars[i - len(arguments)]
            print(f"{atom.aval} {_origin(split.forward, atom)}")


def _origin(jaxpr: Jaxpr, atom: Atom) -> str:
    """The name of a value, or the primitive that computes it, and where."""
    eqn = next(eqn for eqn in jaxpr.eqns if atom in eqn.outvars)
    names = [user.params["name"] for user in jaxpr.eqns if user.prim is name_p and user.invars[0] is atom]
    if names:
        return f"named '{names[0]}' at {eqn.source}"
    inner = eqn.params[eqn.prim.carries] if eqn.prim.carries else None
    if isinstance(inner, Jaxpr) and isinstance(atom, Var):
        result = inner.outvars[eqn.outvars.index(atom)]
        if isinstance(result, Var) and result not in inner.invars:
            return _origin(inner, result)
    return f"output of {eqn.prim.name} at {eqn.source}"
