"""What a program that stands alone says of itself: its arguments and results, the machine it is for, where each step comes from.

Written as text into the object code, so that a file needs no second one. Imports the tree and errors; start reading at
`Description`.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Callable, Sequence
from hashlib import sha256
from importlib import import_module
from typing import Any, TypeAlias

import numpy as np

from functrans import tree
from functrans.core.aval import ShapedArray, shaped
from functrans.errors import ForeignProgramError, NotExportableError
from functrans.record import Record, as_dict
from functrans.tree import TreeDef

__all__ = ["Description", "Leaf", "Step", "leaves_of", "seal", "tree_from_json", "tree_to_json"]

_MARK = b"functrans program, format 2: "
_UNSEALED = b"0" * 64
"""In place of the checksum while it is computed."""
_END = b"\0"

Json: TypeAlias = Any
"""What `json` reads and writes."""


class Leaf(Record):
    """An argument or a result: the user's name for it, and its type."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    weak: bool

    @staticmethod
    def of(name: str, aval: ShapedArray) -> Leaf:
        return Leaf(name, aval.shape, aval.dtype.name, aval.weak)

    @property
    def aval(self) -> ShapedArray:
        return shaped(self.shape, np.dtype(self.dtype), self.weak)

    @property
    def bytes(self) -> int:
        return self.aval.nbytes


class Step(Record):
    """What may refuse its operands: the primitive, and the user's line."""

    primitive: str
    place: str


class Description(Record):
    """All that is known of a program without running it."""

    name: str
    """Of the C function."""
    function: str
    """The user's name."""
    triple: str
    features: tuple[str, ...]
    """What the machine must have."""
    workspace: int
    """Bytes that a call works in."""
    arguments: tuple[Leaf, ...]
    results: tuple[Leaf, ...]
    in_tree: Json
    out_tree: Json
    steps: tuple[Step, ...]

    def to_bytes(self) -> bytes:
        return _MARK + _UNSEALED + json.dumps(self, default=as_dict, ensure_ascii=True).encode("ascii") + _END

    @staticmethod
    def find(data: bytes, source: str) -> Description:
        """The description inside object code. Raises ForeignProgramError where there is none that this version reads, or
        where a byte of the code is not as it was written."""
        start, end = _checksum_place(data), data.find(_END, data.find(_MARK))
        if start < 0 or end < 0:
            raise ForeignProgramError(source, "it holds no program that this version of functrans has written")
        if seal(data) != data:
            raise ForeignProgramError(source, "it is damaged: its checksum is not that of its bytes")
        try:
            found = json.loads(data[start + len(_UNSEALED) : end])
            for key, kind in (("arguments", Leaf), ("results", Leaf), ("steps", Step)):
                found[key] = tuple(kind(**_tuples(part)) for part in found[key])
            description = Description(**_tuples(found))
            for leaf in (*description.arguments, *description.results):
                leaf.aval  # noqa: B018  # raises for a dtype that there is not
        except (ValueError, TypeError, KeyError) as error:
            raise ForeignProgramError(source, "the description in it is damaged") from error
        return description


def seal(code: bytes) -> bytes:
    """Object code with a description, with the checksum of all its bytes in it."""
    start = _checksum_place(code)
    before, after = code[:start], code[start + len(_UNSEALED) :]
    return before + sha256(before + _UNSEALED + after).hexdigest().encode("ascii") + after


def _checksum_place(code: bytes) -> int:
    """Where the checksum is; negative where there is none."""
    mark = code.find(_MARK)
    return mark + len(_MARK) if mark >= 0 else mark


def _tuples(found: dict[str, Json]) -> dict[str, Json]:
    return {
        key: tuple(value) if isinstance(value, list) and key in _SEQUENCES else value for key, value in found.items()
    }


_SEQUENCES = ("shape", "features")


# ---- trees of Python's own containers ----


def tree_to_json(treedef: TreeDef[Any], name: str) -> Json:
    """A structure as JSON: leaves by number. Raises NotExportableError for containers that are not Python's own."""
    return _to_json(tree.unflatten(treedef, [_Number(i) for i in range(treedef.num_leaves)]), name)


class _Number(int):
    """The number of a leaf."""


def _to_json(node: object, name: str) -> Json:
    kind = type(node)
    if isinstance(node, _Number):
        return int(node)
    if node is None:
        return None
    if kind in (tuple, list):
        assert isinstance(node, tuple | list)
        return {kind.__name__: [_to_json(child, name) for child in node]}
    if kind in (dict, OrderedDict):
        assert isinstance(node, dict)
        if all(type(key) in (str, int, bool) for key in node):
            return {kind.__name__: [[key, _to_json(child, name)] for key, child in node.items()]}
    elif isinstance(node, tuple) and hasattr(kind, "_fields") and "<" not in kind.__qualname__:
        return {"namedtuple": [kind.__module__, kind.__qualname__, [_to_json(child, name) for child in node]]}
    raise NotExportableError(name, [f"its arguments or results hold {kind.__name__}, which only this process knows"])


def tree_from_json(found: Json) -> TreeDef[Any]:
    """The structure of `tree_to_json`. A named tuple's module is imported."""
    return tree.structure(_from_json(found))


def _from_json(found: Json) -> object:
    if found is None or isinstance(found, int):
        return found
    ((kind, parts),) = found.items()
    if kind in ("dict", "OrderedDict"):
        pairs = [(key, _from_json(child)) for key, child in parts]
        return dict(pairs) if kind == "dict" else OrderedDict(pairs)
    if kind == "namedtuple":
        module, qualname, children = parts
        return _named(module, qualname)(*map(_from_json, children))
    return {"tuple": tuple, "list": list}[kind](map(_from_json, parts))


def _named(module: str, qualname: str) -> Callable[..., object]:
    found: Any = import_module(module)  # Any: whatever the module has
    for part in qualname.split("."):
        found = getattr(found, part)
    made: Callable[..., object] = found
    return made


def leaves_of(names: Sequence[str], avals: Sequence[ShapedArray]) -> tuple[Leaf, ...]:
    """Described leaves, in order."""
    return tuple(map(Leaf.of, names, avals))
