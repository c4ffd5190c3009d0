"""One class per user mistake.

Each constructor takes the objects involved and writes the message itself: what differed (in the user's own names and key
paths, all differences), where (the user's file and line), and what to write instead. This module imports nothing of the
library; start reading at `FunctransError`, then at the class whose message you met.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class FunctransError(Exception):
    """Base of every error that functrans raises on purpose.

    A message has up to three paragraphs: `what` happened, `where` in the user's code, and the `fix`: what to write instead.
    """

    def __init__(self, what: str, where: str = "", fix: str = "") -> None:
        self.what, self.where, self.fix = what, where, fix
        super().__init__("\n".join(part for part in (what, where, fix) if part))


class LeakedTracerError(FunctransError, RuntimeError):
    """A traced value was used after the transformed function that it belongs to had returned, or in another thread."""

    def __init__(self, tracer: str, used_by: str, alive: bool) -> None:
        how = "in another thread or context than the one that traces it" if alive else "after its trace had ended"
        super().__init__(
            f"Leaked tracer: {tracer} was used by `{used_by}` {how}.",
            fix="Return the value from the transformed function instead of storing it in a global, an attribute, a list or "
            "a default argument; a function under a transform must not have side effects.",
        )


class OperandError(FunctransError, TypeError):
    """Operands that a primitive does not accept: their shapes or dtypes differ, or the dtype is of the wrong kind."""

    def __init__(self, primitive: str, operands: list[str], needs: str) -> None:
        super().__init__(
            f"`{primitive}` got operands of types {', '.join(operands)}; it needs {needs}.",
            fix="Primitives neither promote nor broadcast. Use the function of functrans.numpy, which does, or convert and "
            "broadcast the operands first.",
        )


class ParameterError(FunctransError, ValueError):
    """A parameter of a primitive that does not fit its operands."""

    def __init__(self, primitive: str, got: str, needs: str) -> None:
        super().__init__(f"`{primitive}` got {got}; it needs {needs}.")


class Difference(NamedTuple):
    """One place where two trees differ: its key path, and what each tree has there (None: nothing)."""

    path: str
    expected: str | None
    got: str | None


class TreeMismatchError(FunctransError, ValueError):
    """Two trees whose structures must agree do not, or a tree that must be a prefix of another is none."""

    def __init__(
        self,
        expected_name: str,
        got_name: str,
        differences: Sequence[Difference],
        structure: str,
        *,
        prefix: bool = False,
        where: str = "",
    ) -> None:
        self.differences = tuple(differences)
        head = f"{got_name} is not a prefix of" if prefix else f"{got_name} has not the structure of"
        lines = [
            f"  {path}: {expected or 'nothing'} in {expected_name}, {got or 'nothing'} in {got_name}"
            for path, expected, got in differences
        ]
        fix = (
            f"Write {got_name} as a prefix of {structure}: a value for each *, or one for the whole of a subtree."
            if prefix
            else f"Give {got_name} the structure {structure}, with a value for each *."
        )
        super().__init__("\n".join([f"{head} {expected_name}:", *lines]), where, fix)


class DataclassFieldsError(FunctransError, ValueError, TypeError):
    """`register_dataclass` was not told, once for each field, whether it is data or structure."""

    def __init__(
        self, cls: type, data_fields: Sequence[str] | None, meta_fields: Sequence[str] | None, fields: set[str] | None
    ) -> None:
        data, meta = list(data_fields or ()), list(meta_fields or ())
        listed = [*data, *meta]
        wrong = []
        if fields is None and None in (data_fields, meta_fields):
            wrong.append("it is not a dataclass, so data_fields and meta_fields must both be given")
        elif None in (data_fields, meta_fields):
            wrong.append(f"{'data_fields' if data_fields is None else 'meta_fields'} is not given")
        for name in sorted({name for name in listed if listed.count(name) > 1}):
            wrong.append(f"{name!r} is listed more than once")
        for name in sorted((fields or {*listed}) - {*listed}):
            wrong.append(f"{name!r} is not listed")
        for name in sorted({*listed} - (fields or {*listed})):
            wrong.append(f"{name!r} is not a field that the constructor takes")
        rest = sorted((fields or set()) - {*meta})
        super().__init__(
            f"register_dataclass cannot register {cls.__qualname__}: " + "; ".join(wrong) + ".",
            fix=f"Write @register_dataclass(data_fields={rest or data}, meta_fields={meta}) with each field in one of "
            "the two, or mark the fields that are structure with functrans.tree.static() and list none.",
        )


class JaxprError(FunctransError, TypeError):
    """A jaxpr that is not well formed: a bug in a primitive's rule or in a pass, shown with the equations around it."""

    def __init__(self, problem: str, window: list[str]) -> None:
        super().__init__(f"Ill-formed jaxpr: {problem}.", "\n".join(window))


class NonArrayInputError(FunctransError, TypeError):
    """An argument of a transformed function is, or contains, something that is no array and no number."""

    def __init__(self, transform: str, path: str, value: object, why: str = "") -> None:
        super().__init__(
            f"{transform} got {path} of type {type(value).__name__}{': ' + why if why else ''}; every leaf of an argument "
            "must be an array or a number (bool, integer, floating or complex).",
            fix=f"Convert {path} to an array of numbers, pass it by closure (functools.partial), or, under jit, name its "
            "argument in static_argnames.",
        )


class ConcretizationError(FunctransError, TypeError):
    """The value of a traced array was asked for, where only its type is known or where its derivative would be lost."""

    def __init__(
        self,
        tracer: str,
        wanted: str,
        where: str = "",
        fix: str = "",
        why: str = "which has no value yet",
        rewritten: str = "",
    ) -> None:
        what = f"The function being traced asked for {wanted} of {tracer}, {why}."
        super().__init__(what, where, _write(rewritten) if rewritten else fix)


class NotDifferentiableError(FunctransError, TypeError):
    """A derivative was asked of a primitive that has none."""

    def __init__(self, primitive: str, why: str, where: str = "") -> None:
        super().__init__(
            f"`{primitive}` cannot be differentiated: {why}.",
            where,
            "Keep the value out of the derivative with functrans.lax.stop_gradient, or give the function a rule of your own "
            "with functrans.custom_vjp.",
        )


def _write(line: str) -> str:
    return f"Write:  {line}" + ("\nwith  import functrans.numpy as fnp" if "fnp." in line else "")


class UnsupportedFunctionError(FunctransError, NotImplementedError):
    """A NumPy function, or a method of one, that functrans does not trace."""

    def __init__(self, function: str, where: str = "", fix: str = "") -> None:
        super().__init__(
            f"functrans does not trace {function} yet.",
            where,
            fix or "Write it with functions that functrans.numpy has, or call it outside the transformed function.",
        )


class UnsupportedArgumentError(FunctransError, NotImplementedError):
    """An argument of a NumPy function that functrans does not take for traced values."""

    def __init__(self, function: str, argument: str, takes: Sequence[str], where: str = "") -> None:
        super().__init__(
            f"functrans does not trace {function} with the argument `{argument}`.",
            where,
            f"Leave `{argument}` out; traced values may be given with {', '.join(f'`{name}`' for name in takes)}.",
        )


class OutArgumentError(FunctransError, TypeError):
    """`out=`, or an in-place operator on a concrete array, for a traced value: an array cannot store one."""

    def __init__(self, function: str, where: str = "", rewritten: str = "") -> None:
        super().__init__(
            f"{function} was asked to store a traced value into an array (`out=`, or an in-place operator such as `+=`); "
            "traced values are not stored into arrays.",
            where,
            _write(rewritten) if rewritten else f"Use the result of {function} instead.",
        )


class BroadcastError(FunctransError, ValueError):
    """Operands whose shapes do not broadcast together."""

    def __init__(self, function: str, operands: Sequence[tuple[tuple[int, ...], str]], where: str = "") -> None:
        shapes = " and ".join(str(shape) for shape, _ in operands)
        lines = [f"  {shape}: {origin}" for shape, origin in operands]
        super().__init__(
            "\n".join([f"`{function}`: operands could not be broadcast together with shapes {shapes}:", *lines]),
            where,
            "Shapes are aligned at their last axes; where two lengths differ one must be 1. Insert axes with x[:, None] or "
            "reshape.",
        )


class ArrayTypeError(FunctransError, TypeError):
    """A value, or a dtype, that cannot take part in traced computation: strings, objects, dates, long double, masked arrays."""

    def __init__(self, function: str, got: str, where: str = "") -> None:
        super().__init__(
            f"`{function}` got {got} together with a traced value.",
            where,
            "Traced computation is with bool, integer, float16/32/64 and complex64/128 arrays and Python numbers.",
        )


class ArgnumsError(FunctransError, ValueError):
    """`argnums` names positional arguments that the call does not have."""

    def __init__(self, transform: str, function: str, argnums: object, count: int) -> None:
        super().__init__(
            f"{transform} of `{function}` with argnums={argnums!r} was called with {count} positional argument(s).",
            fix="What is differentiated must be passed by position: call it as f(x, ...), not f(x=...), and count from 0.",
        )


class AuxError(FunctransError, TypeError):
    """With `has_aux=True` the function must return a pair."""

    def __init__(self, function: str, got: object) -> None:
        shown = f"a tuple of length {len(got)}" if isinstance(got, tuple) else type(got).__name__
        super().__init__(
            f"has_aux=True, but `{function}` returned {shown} instead of a pair (value, aux).",
            fix="Return `value, aux`, or leave out has_aux.",
        )


class ScalarOutputError(FunctransError, TypeError):
    """A gradient was asked of a function whose value is not a scalar."""

    def __init__(self, transform: str, function: str, got: str, size: int | None) -> None:
        if size is None:
            fix = "Return one number; what else is wanted from the computation goes into aux: return (value, aux) with has_aux=True."
        elif size == 1:
            fix = "Its only element is the scalar: return value.reshape(()) or value[0]."
        else:
            fix = (
                "Reduce it to one number, np.sum(value) or np.mean(value); for all its derivatives use functrans.jacrev "
                "or functrans.jacfwd, for one direction functrans.vjp, for one gradient per sample vmap(grad(f))."
            )
        super().__init__(f"{transform} needs a function with a scalar value, but `{function}` returned {got}.", fix=fix)


class IntegerInputError(FunctransError, TypeError):
    """A derivative was asked by an integer or bool argument."""

    def __init__(self, transform: str, function: str, path: str, aval: str) -> None:
        super().__init__(
            f"{transform} of `{function}` cannot differentiate by {path}, which is of type {aval}: only floating and complex "
            "values have derivatives.",
            fix=f"Pass a float: {path} = np.asarray({path}, dtype=float). To get zeros of dtype float0 instead: allow_int=True.",
        )


class IntegerOutputError(FunctransError, TypeError):
    """A gradient was asked of an integer- or bool-valued function."""

    def __init__(self, transform: str, function: str, aval: str) -> None:
        super().__init__(
            f"{transform} needs a function with a real value, but `{function}` returned one of type {aval}, which has no "
            "derivative.",
            fix="Return a floating value; a comparison, argmax or astype(int) on the way cuts the derivative.",
        )


class ComplexOutputError(FunctransError, TypeError):
    """A gradient was asked of a complex-valued function without `holomorphic=True`."""

    def __init__(self, function: str, aval: str) -> None:
        super().__init__(
            f"`{function}` returned a complex value of type {aval}; the gradient is of real-valued functions.",
            fix="Return its real part, imaginary part or absolute value (np.real, np.imag, np.abs), or, if the function is "
            "holomorphic, say so: holomorphic=True.",
        )


class HolomorphicError(FunctransError, TypeError):
    """`holomorphic=True` needs complex arguments and a complex value."""

    def __init__(self, function: str, problem: str) -> None:
        super().__init__(
            f"holomorphic=True needs complex arguments and a complex value, but in `{function}` {problem}.",
            fix="Convert the arguments with astype(complex), or leave out holomorphic.",
        )


class CotangentError(FunctransError, TypeError):
    """A cotangent, or tangent, whose leaves do not have the shapes and dtypes of the values that it belongs to."""

    def __init__(self, function: str, wrong: list[tuple[str, str, str]], what: str = "cotangent") -> None:
        lines = "\n".join(f"  {path} has type {got}, expected {expected}" for path, expected, got in wrong)
        super().__init__(
            f"The {what} of `{function}` does not fit:\n{lines}",
            fix=f"A {what} has the tree, the shapes and the dtypes of the value: start from np.ones_like or astype.",
        )


class InPlaceError(FunctransError, TypeError):
    """A traced array was to be changed in place."""

    def __init__(self, tracer: str, what: str, where: str = "", rewritten: str = "") -> None:
        super().__init__(f"Traced arrays cannot be changed in place: {what} on {tracer}.", where, _write(rewritten))


class ItemAssignmentError(InPlaceError):
    """`x[i] = v` for a traced array x."""

    def __init__(self, tracer: str, where: str = "", rewritten: str = "") -> None:
        super().__init__(tracer, "item assignment", where, rewritten)


class TracerConversionError(FunctransError, TypeError):
    """A traced value was to be turned into a concrete array or number, or to become an element of one."""

    def __init__(self, tracer: str, wanted_by: str, where: str = "", rewritten: str = "") -> None:
        super().__init__(
            f"{tracer} was to become a concrete array, or part of one, in {wanted_by}; NumPy's arrays cannot hold it.",
            where,
            _write(rewritten)
            if rewritten
            else "Build arrays of traced values with np.stack, np.concatenate or np.where, and index with np.take.",
        )


class VmapAxisError(FunctransError, ValueError):
    """`in_axes`, `out_axes`, `axis_size` or `chunk_size` of vmap do not fit the call."""

    def __init__(self, function: str, problem: str) -> None:
        super().__init__(
            f"vmap of `{function}`: {problem}.",
            fix="in_axes has one entry per positional argument: the axis to map over, or None to share it among all elements.",
        )


class VmapSizeError(FunctransError, ValueError):
    """The arguments of a vmapped function have different lengths along their mapped axes."""

    def __init__(
        self,
        function: str,
        mapped: list[tuple[str, tuple[int, ...], int | None, int]],
        axis_size: int | None,
    ) -> None:
        sizes = [size for *_, size in mapped]
        usual = axis_size if axis_size is not None else max(sizes, key=sizes.count)
        said = "axis_size" if axis_size is not None else ", ".join(path for path, *_, size in mapped if size == usual)
        odd = "\n".join(
            f"  {path} of shape {shape} has {size} along axis {axis}"
            for path, shape, axis, size in mapped
            if size != usual
        )
        super().__init__(
            f"vmap of `{function}` got different lengths of the mapped axis: {usual} from {said}, but\n{odd}",
            fix="Map over axes of one length; in_axes chooses the axis of each argument, None shares an argument.",
        )


class IndexOutOfBoundsError(FunctransError, IndexError):
    """An index beyond the end of its axis."""

    def __init__(self, index: int, axis: int, size: int, where: str = "") -> None:
        super().__init__(f"index {index} is out of bounds for axis {axis} with size {size}", where)


class IndexExpressionError(FunctransError, IndexError):
    """A subscript that NumPy does not accept either: of the wrong kind, shape or number of dimensions."""

    def __init__(self, what: str, fix: str = "") -> None:
        super().__init__(what, fix=fix)


class TracedMaskError(FunctransError, IndexError):
    """An array indexed by a boolean array whose values are not known while the function is traced."""

    def __init__(self, mask: str) -> None:
        super().__init__(
            f"Cannot index by a boolean array that is traced: how many elements {mask} selects is not known.",
            fix="Write np.where(mask, x, 0) for x[mask] and reduce that, and np.where(mask, values, x) for x[mask] = values.",
        )


class UpdateShapeError(FunctransError, ValueError):
    """Values that do not broadcast to the part of an array that they are to update."""

    def __init__(self, values: tuple[int, ...], region: tuple[int, ...]) -> None:
        super().__init__(
            f"could not broadcast values of shape {values} into the indexed part of shape {region}",
            fix="The values' shape must broadcast to that of x[index]; reshape them, or index fewer elements.",
        )


class UpdateTypeError(FunctransError, TypeError):
    """Values whose dtype NumPy does not cast to that of the array that they are to update."""

    def __init__(self, values: str, array: str) -> None:
        super().__init__(
            f"Cannot cast values of type {values} to {array} with casting rule 'same_kind': an update keeps the array's "
            "dtype.",
            fix="Convert the array before the update, x.astype(values.dtype), or the values, values.astype(x.dtype).",
        )


class CaseNumberError(FunctransError, IndexError):
    """`select_n` was asked for a case that it does not have."""

    def __init__(self, count: int, lowest: int, highest: int) -> None:
        super().__init__(
            f"`select_n` got numbers of cases from {lowest} to {highest}; it has {count} cases, 0 to {count - 1}.",
            fix="Clip the numbers first: `clamp(0, which, len(cases) - 1)`.",
        )


class EmptyReductionError(FunctransError, ValueError):
    """A maximum or minimum, or its position, of no elements: there is no such value."""

    def __init__(self, primitive: str, operand: str) -> None:
        super().__init__(
            f"`{primitive}` got a zero-size operand of type {operand}: a reduction which has no identity needs elements.",
            fix="Reduce over an axis that has elements, or give `initial=`, which is the result of no elements.",
        )


class ValueDependentShapeError(FunctransError, TypeError):
    """A NumPy function whose result's shape depends on values that are not known while a function is traced."""

    def __init__(self, function: str, argument: str, fix: str, where: str = "") -> None:
        super().__init__(
            f"`{function}` cannot be traced: the shape of its result depends on the values of `{argument}`.", where, fix
        )


class TracedParameterError(FunctransError, TypeError):
    """A traced value where a function needs a number that it knows: an axis, a shape, a shift."""

    def __init__(self, function: str, argument: str, fix: str, where: str = "") -> None:
        super().__init__(f"`{argument}` of `{function}` must be known while tracing; it is a traced value.", where, fix)


class StaticArgumentError(FunctransError, ValueError):
    """Static arguments of jit that the function does not have, or whose values cannot be used as keys."""

    def __init__(self, function: str, what: str, problem: str) -> None:
        super().__init__(
            f"jit of `{function}`: {what}: {problem}.",
            fix="Static arguments are compared and hashed to find the compiled function: pass numbers, strings, None, enums, "
            "tuples or frozen dataclasses; arrays, lists and dicts are traced, so leave them out of static_argnums.",
        )


class EinsumError(FunctransError, ValueError):
    """Subscripts of einsum that are wrong, or that do not fit the operands."""

    def __init__(self, what: str) -> None:
        super().__init__(
            f"einsum got {what}.",
            fix="Write a letter for each axis of each operand, those of one length and meaning alike: 'ij,jk->ik'.",
        )


class UnboundAxisError(FunctransError, NameError):
    """A collective names an axis that no enclosing vmap has."""

    def __init__(self, name: object, known: Sequence[object]) -> None:
        listed = f"the named axes here are {', '.join(map(repr, known))}" if known else "there is no named axis here"
        super().__init__(
            f"There is no axis named {name!r}: {listed}.",
            fix=f"Call the collective inside a function that is mapped with vmap(..., axis_name={name!r}).",
        )


class MissingRuleError(FunctransError, TypeError):
    """A custom_vjp or custom_jvp function was called before its rule was given."""

    def __init__(self, function: str, needed: str) -> None:
        super().__init__(f"`{function}` has no derivative rule yet.", fix=f"Call {function}.{needed} first.")


class CustomRuleError(FunctransError, TypeError):
    """A custom derivative rule that does not return what it must."""

    def __init__(self, function: str, problem: str, needed: str) -> None:
        super().__init__(f"In the custom derivative of `{function}`, {problem}; it must be {needed}.")


class FlatVectorError(FunctransError, ValueError):
    """What `unravel` was called with is not a vector like the one that `ravel_pytree` made."""

    def __init__(self, got: str, length: int, dtype: str) -> None:
        super().__init__(
            f"unravel got an array of type {got}; it takes one of shape ({length},) and of a dtype that casts to {dtype}.",
            fix="Pass an array like the one that ravel_pytree returned next to this function; reshape(-1) flattens one.",
        )


class ComplexInputError(FunctransError, TypeError):
    """A forward-mode Jacobian was asked by a complex argument without `holomorphic=True`."""

    def __init__(self, transform: str, function: str, path: str, aval: str) -> None:
        super().__init__(
            f"{transform} of `{function}` got {path} of type {aval}: a function of a complex argument has two derivatives, along "
            "the real and the imaginary direction, unless it is holomorphic.",
            fix="If it is holomorphic, say so: holomorphic=True. For a real-valued function use functrans.jacrev; for one "
            "direction functrans.jvp.",
        )


class GradientMismatchError(FunctransError, AssertionError):
    """A derivative differs from central differences: `functrans.test_util` found a wrong rule, or a function with a kink."""

    def __init__(
        self,
        mode: str,
        function: str,
        shares: Sequence[tuple[str, object, object, bool]],
        atol: float,
        rtol: float,
        message: str = "",
    ) -> None:
        wrong = [share for share in shares if not share[-1]] or shares
        lines = [
            f"  {path}: {mode} gives {analytic}, differences give {numeric}" for path, analytic, numeric, _ in wrong
        ]
        fine = [path for path, _, _, right in shares if right]
        if fine and len(wrong) < len(shares):
            lines.append(f"  (the same by {', '.join(fine)})")
        super().__init__(
            "\n".join([f"The {mode} of `{function}` is not its derivative, along random directions:", *lines]),
            message,
            f"Tolerances were atol={atol:g}, rtol={rtol:g}. If the rule is right, the function may be steep, or have a kink "
            "near the point: try other tolerances, eps or arguments.",
        )


class NotLinearError(FunctransError, TypeError):
    """The transpose was asked of a function that is not linear."""

    def __init__(self, function: str, why: str, where: str = "") -> None:
        super().__init__(
            f"linear_transpose needs a linear function, but `{function}` is none: {why}.",
            where,
            "For the transpose of the derivative at a point use functrans.vjp.",
        )
