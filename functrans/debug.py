"""functrans.debug: look at values while a program runs, also inside `jit`, `vmap` and `grad`.

What is printed or called runs exactly as often as the Python code says, in the same order, on plain NumPy values: under vmap
once for each element, under `grad` in the forward pass only. Start reading at `_bind`. Imports `callback`.

>>> import numpy as np
>>> from functrans import debug, jit
>>> @jit
... def double(x):
...     debug.print("x = {x}, and {}", x[0], x=x)
...     return x + x
>>> _ = double(np.array([1.0, 2.0]))
x = [1. 2.], and 1.0
"""

from __future__ import annotations

import builtins
import string
import sys
from collections.abc import Callable, Mapping, Sequence
from types import CodeType
from typing import Any

import numpy as np

from functrans import tree
from functrans.callback import bind_callback, make_callback_primitive
from functrans.called_back import Callback
from functrans.core.aval import SCALAR_AVALS
from functrans.core.primitive import LocallyConstant, Tracer, current_trace
from functrans.errors import FormatArgumentsError
from functrans.transforms.arguments import argument_paths, check_leaves, function_name
from functrans.tree import TreeDef

__all__ = ["breakpoint", "callback", "print"]

debug_callback_p = make_callback_primitive(
    "debug_callback", effect=True, derivative=LocallyConstant("it has no results")
)


def _is_value(leaf: object) -> bool:
    return isinstance(leaf, np.ndarray | Tracer) or type(leaf) in SCALAR_AVALS


def _bind(
    fun: Callable[..., object], name: str, args: Any, kwargs: Any, is_value: Callable[[object], bool] = _is_value
) -> None:
    """Call a function when the program comes here; leaves of its arguments that are no values are passed as they are."""
    flat, in_tree = tree.flatten((args, kwargs))
    places = [i for i, leaf in enumerate(flat) if is_value(leaf)]
    paths = argument_paths(fun, args, kwargs)
    values = check_leaves([flat[i] for i in places], f"debug.{name}", lambda: [paths[i] for i in places])
    fixed = [None if i in places else leaf for i, leaf in enumerate(flat)]

    def call(*values: object) -> None:
        leaves = list(fixed)
        for i, value in zip(places, values, strict=True):
            leaves[i] = value
        args, kwargs = tree.unflatten(in_tree, leaves)
        fun(*args, **kwargs)

    flat_tree: TreeDef[Any] = tree.structure(((0,) * len(values), {}))
    bind_callback(debug_callback_p, Callback(call, name, flat_tree, tree.structure(None), (), ""), values)


def callback(callback: Callable[..., object], *args: Any, ordered: bool = False, **kwargs: Any) -> None:
    """Call a Python function with the values that its arguments have when the program comes here; what it returns is ignored.

    args, kwargs: trees of arrays and numbers, of which the function gets copies, and anything else, which is passed as it is.
    `ordered` is there for JAX's programs: all calls are in order. What the function raises, the program raises.

    >>> import numpy as np
    >>> from functrans import jit
    >>> seen = []
    >>> @jit
    ... def halve(x):
    ...     callback(seen.append, x)
    ...     return x / 2
    >>> _ = halve(3.0)
    >>> seen
    [np.float64(3.0)]
    """
    _bind(callback, function_name(callback), args, kwargs)


def print(fmt: str, *args: Any, ordered: bool = False, skip_format_check: bool = False, **kwargs: Any) -> None:
    """Print `fmt.format(*args, **kwargs)` with the values that the arguments have when the program comes here.

    fmt is a format string, not an f-string: that would print what stands for the values while the program is traced. Raises
    FormatArgumentsError, unless `skip_format_check`, where format and arguments do not belong together. `ordered` is there for
    JAX's programs: all that is printed is in order.

    >>> import numpy as np
    >>> from functrans import vmap
    >>> _ = vmap(lambda x: print("x = {:.2f}", x))(np.array([0.5, 1.5]))
    x = 0.50
    x = 1.50
    """
    if not skip_format_check:
        _check_format(fmt, args, kwargs)
    _bind(lambda *args, **kwargs: builtins.print(fmt.format(*args, **kwargs)), "print", args, kwargs)


class _Anything:
    """Stands for a value in a format string: it has all attributes and elements, and takes every format."""

    def __getattr__(self, name: str) -> _Anything:
        return self

    def __getitem__(self, key: object) -> _Anything:
        return self

    def __format__(self, spec: str) -> str:
        return ""


class _Checking(string.Formatter):
    def check_unused_args(self, used_args: set[int | str], args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
        unused = [*(f"argument {i}" for i in range(len(args)) if i not in used_args)]
        unused += [repr(name) for name in kwargs if name not in used_args]
        if unused:
            raise ValueError(f"it has no place for {', '.join(unused)}")


def _check_format(fmt: str, args: Sequence[object], kwargs: Mapping[str, object]) -> None:
    try:
        _Checking().vformat(fmt, [_Anything() for _ in args], {name: _Anything() for name in kwargs})
    except IndexError:
        raise FormatArgumentsError(fmt, f"it has a place for more than the {len(args)} values that are given") from None
    except KeyError as error:
        raise FormatArgumentsError(fmt, f"no value is given for {error}") from None
    except ValueError as error:
        raise FormatArgumentsError(fmt, str(error)) from None


def breakpoint(*, ordered: bool = False, **kwargs: Any) -> None:
    """Stop in the debugger when the program comes here, with the values that the function's variables have then.

    It is the debugger of the built-in `breakpoint` (pdb, or what PYTHONBREAKPOINT says); the frames around are not those of
    the function: they have run while it was traced. kwargs: further values, by the names that they are to have. `ordered` is
    there for JAX's programs.
    """
    frame = sys._getframe(1)
    code = _stopping(frame.f_code, frame.f_lineno)
    namespace = frame.f_globals
    _bind(
        lambda **values: exec(code, namespace, values), "breakpoint", (), {**frame.f_locals, **kwargs}, _is_traced_now
    )


def _is_traced_now(leaf: object) -> bool:
    """Whether it is a traced value of which the running trace knows; others are left over from other traces."""
    return isinstance(leaf, Tracer) and any(trace is leaf.owner for trace in current_trace().ancestors())


def _stopping(code: CodeType, line: int) -> CodeType:
    """Code that calls the debugger, and that it takes for the line of a function."""
    text = "\n" * (line - 1) + "__import__('sys').breakpointhook()"
    return compile(text, code.co_filename, "exec").replace(co_name=code.co_name)
