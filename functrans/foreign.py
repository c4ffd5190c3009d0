"""A C function as `external` calls it: arguments are checked and converted, and each parameter is given what is its own.

Start reading at `ForeignFunction`. Imports `c_functions`, `foreign_call`, functrans.numpy and transforms.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn

import numpy as np

from functrans import tree
from functrans.c_functions import CFunction
from functrans.c_types import Parameter
from functrans.core.aval import ShapedArray
from functrans.core.lowering_foreign import ForeignCall, Given
from functrans.core.primitive import Values, aval_of
from functrans.errors import ExternalFunctionError
from functrans.foreign_call import foreign_call_p
from functrans.numpy.promotion import PYTHON_TYPE, astype, broadcast_shape
from functrans.ops.shape import reshape
from functrans.transforms.arguments import check_leaves
from functrans.transforms.vmap import vmap
from functrans.typing import Array

__all__ = ["ForeignFunction", "by_element"]


class ForeignFunction:
    """A C function, of which parameters are for arguments, which for results, and how it is called once.

    aliases: the numbers of arguments, each with that of the result which takes its place.
    """

    def __init__(self, function: CFunction, aliases: Mapping[int, int]) -> None:
        self._function, self._aliases = function, dict(aliases)
        self._address = _captured(function.address, function.owner)
        self._hidden = [_captured(number, function.owner) for number in function.hidden]

    def __call__(self, args: Any, out_tree: Any, results: tuple[ShapedArray, ...]) -> Any:  # Any: the user's trees
        """The results, of these types, for the arguments of one call."""
        leaves = check_leaves(tree.leaves(args), f"external({self._function.name})", lambda: _names(args))
        self._check_count(len(leaves), results)
        operands = [self._operand(i, leaf) for i, leaf in enumerate(leaves)]
        self._check_results(results, [aval_of(x) for x in operands])
        count = 1 + len(operands) + len(self._hidden)
        call = ForeignCall(
            self._function.name, self._given(len(operands), results), self._function.returns is not None,
            tuple(self._aliases.items()), results, ((),) * count,
        )  # fmt: skip
        return tree.unflatten(out_tree, foreign_call_p.bind(self._address, *operands, *self._hidden, call=call))

    def _given(self, count: int, results: Sequence[ShapedArray]) -> tuple[Given, ...]:
        """What the parameters get, of `count` arguments."""
        given: list[Given] = []
        for i, parameter in enumerate(self._function.parameters[:count]):
            place = Given("operand" if parameter.is_pointer else "value", i)
            given.append(Given("result", self._aliases[i]) if i in self._aliases else place)
        given += [Given("result", i) for i in self._written(results)]
        return (*given, *(Given("value", count + i) for i in range(len(self._hidden))))

    def _written(self, results: Sequence[ShapedArray]) -> list[int]:
        """The results that have parameters of their own."""
        first = 0 if self._function.returns is None else 1
        return [i for i in range(first, len(results)) if i not in self._aliases.values()]

    # ---- what is checked ----

    def _refuse(self, problem: str, fix: str) -> NoReturn:
        raise ExternalFunctionError(self._function.name, problem, fix)

    def _check_count(self, count: int, results: Sequence[ShapedArray]) -> None:
        first, parameters = 0 if self._function.returns is None else 1, self._function.parameters
        is_known = all(0 <= i < count and first <= j < len(results) for i, j in self._aliases.items())
        if not is_known or len(set(self._aliases.values())) < len(self._aliases):
            self._refuse(
                f"input_output_aliases={self._aliases} does not pair its {count} arguments with results of pointers",
                "Write {number of an argument: number of a result}, each once.",
            )
        written = len(self._written(results))
        if len(results) < first or count + written != len(parameters):
            returned = ", of which what it returns is the first" if first else ""
            self._refuse(
                f"it has {len(parameters)} parameters ({', '.join(one.text for one in parameters)}), and there are arguments and "
                f"results: {count} in the call, {len(results)} in result_shape{returned}",
                "Parameters take the arguments in order, then the results: give one for each, or name the results that take "
                "an argument's place in input_output_aliases.",
            )

    def _operand(self, number: int, leaf: Array) -> Array:
        """An argument as its parameter takes it: converted if it stays what it is."""
        parameter = self._function.parameters[number]
        aval = aval_of(leaf)
        dtype = parameter.dtype or aval.dtype
        if not _converts(aval, dtype):
            self._refuse(
                f"argument {number} has type {aval}, and its parameter is `{parameter.text}`",
                f"Convert it, if what is lost does not matter: x.astype(np.{dtype}).",
            )
        fits = parameter.takes(dtype, aval.shape) if parameter.is_pointer else not aval.shape
        if not fits:
            self._refuse(
                f"argument {number} has the shape {aval.shape}, and its parameter is `{parameter.text}`",
                "Reshape it, or map over it by functrans.vmap.",
            )
        return astype(leaf, dtype)

    def _check_results(self, results: Sequence[ShapedArray], operands: Sequence[ShapedArray]) -> None:
        places = dict(zip(self._written(results), self._function.parameters[len(operands) :], strict=True))
        places.update((j, self._function.parameters[i]) for i, j in self._aliases.items())
        for number, aval in enumerate(results):
            parameter = places.get(number) or self._function.returns
            assert parameter is not None
            fits = parameter.takes(aval.dtype, aval.shape) if number in places else _is_number(parameter, aval)
            if not fits:
                what = "a parameter for it is" if number in places else "it returns"
                self._refuse(
                    f"result_shape says {aval} for result {number}, and {what} `{parameter.text}`",
                    "Correct result_shape, or what the function is declared to be: restype is c_int where it is not set.",
                )
        for i, j in self._aliases.items():
            if operands[i].update(weak=False) is not results[j]:
                self._refuse(
                    f"result {j} takes the place of argument {i}, which has type {operands[i]}, not {results[j]}",
                    "Give both one shape and dtype.",
                )


def _captured(number: int | np.generic, owner: object) -> Array:
    """A number of this process, as an array: those that programs capture are no part of their code. It keeps the owner."""
    array = np.array([number])
    array = array.astype(np.uint64) if isinstance(number, int) else array
    array.flags.writeable = False  # a program takes it as it is, not a copy
    weakref.finalize(array, _let_go, owner).atexit = False
    return array


def _let_go(_owner: object) -> None:
    """Nothing refers to the function any more."""


def _converts(aval: ShapedArray, dtype: np.dtype[Any]) -> bool:
    """Whether a value can be converted, and stays what it is; Python numbers as NumPy takes them beside such a dtype."""
    if aval.weak:
        return np.result_type(dtype, PYTHON_TYPE[aval.dtype.kind](0)) == dtype
    return np.can_cast(aval.dtype, dtype)


def _is_number(parameter: Parameter, aval: ShapedArray) -> bool:
    return not aval.shape and parameter.dtype == aval.dtype


def _names(args: Any) -> list[str]:  # Any: trees
    return tree.paths(tree.structure(args), "arguments")


def by_element(name: str, function: Callable[..., Any], args: Any) -> Any:  # Any: the user's trees
    """A function of numbers, for each element of arrays that are broadcast together."""
    leaves: Values = tuple(check_leaves(tree.leaves(args), f"external({name})", lambda: _names(args)))
    shape = broadcast_shape(name, leaves)
    axes = [axis for axis in range(-len(shape), 0) if shape[axis] != 1]
    shapes = [aval_of(leaf).shape for leaf in leaves]
    for axis in reversed(axes):
        own = tuple(0 if -axis <= len(one) and one[axis] != 1 else None for one in shapes)
        function = vmap(function, in_axes=own)
    given = [
        reshape(leaf, tuple(n for n in one if n != 1)) if 1 in one else leaf
        for leaf, one in zip(leaves, shapes, strict=True)
    ]
    out = function(*given)
    return out if len(axes) == len(shape) else reshape(out, shape)
