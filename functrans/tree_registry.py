"""What is a node: registering classes and dataclasses in the registry "functrans" that all of functrans flattens with.

The part of `tree` that users meet at class definitions, and `tree` re-exports it. May import `errors` and `treedef`.
Start at `register_dataclass`.
"""

from __future__ import annotations

import dataclasses
import functools
import operator
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, overload

import optree

from functrans.errors import DataclassFieldsError
from functrans.treedef import NAMESPACE, IndexEntry, KeyedEntry, KeyEntry, T, meta_field_names

C = TypeVar("C", bound=type)


class _NodeClass(Protocol):
    """What `register_node_class` needs of a class."""

    def tree_flatten(self) -> tuple[Iterable[Any], Hashable]: ...
    @classmethod
    def tree_unflatten(cls, aux: Any, children: Any, /) -> Any: ...  # Any: the class's own types


N = TypeVar("N", bound=_NodeClass)


if TYPE_CHECKING:
    # As jax.tree.static: a type checker must take it for `dataclasses.field` itself.
    static = dataclasses.field
else:

    def static(**kwargs):
        """A dataclass field that is structure, not data; takes what `dataclasses.field` takes.

        >>> from functrans import tree
        >>> @register_dataclass
        ... @dataclasses.dataclass
        ... class Dense:
        ...     w: float
        ...     activation: str = static(default="relu")
        >>> tree.leaves(Dense(2.0, "tanh"))
        [2.0]
        """
        return dataclasses.field(metadata={**(kwargs.pop("metadata", None) or {}), "static": True}, **kwargs)


def register_node(
    cls: type[T],
    flatten: Callable[[T], tuple[Iterable[Any], Hashable]],
    unflatten: Callable[[Any, tuple[Any, ...]], T],
    flatten_with_keys: Callable[[T], tuple[Iterable[tuple[KeyEntry, Any]], Hashable]] | None = None,
) -> None:
    """Make `cls` (itself, not its subclasses) a node: `flatten(x) -> (children, aux)`, `unflatten(aux, children) -> x`.

    `aux` must be hashable and comparable. With `flatten_with_keys(x) -> ([(key, child), ...], aux)`, key paths name the
    children. ValueError when `cls` is registered already.

    >>> from functrans import tree
    >>> class Point:
    ...     def __init__(self, x: float, y: float) -> None:
    ...         self.x, self.y = x, y
    >>> register_node(Point, lambda p: ((p.x, p.y), None), lambda _, xy: Point(*xy))
    >>> tree.map(lambda x: 2 * x, Point(1.0, 2.0)).y
    4.0
    """
    if flatten_with_keys is None:
        _register(cls, flatten, unflatten, IndexEntry)
        return

    def flatten_keyed(node: T) -> tuple[list[Any], Hashable, list[KeyEntry]]:
        pairs, aux = flatten_with_keys(node)
        pairs = list(pairs)
        return [child for _, child in pairs], aux, [key for key, _ in pairs]

    _register(cls, flatten_keyed, unflatten, KeyedEntry)


def _register(
    cls: type, flatten: Callable[..., Any], unflatten: Callable[..., Any], entry: type[optree.PyTreeEntry]
) -> None:
    optree.register_pytree_node(cls, flatten, unflatten, path_entry_type=entry, namespace=NAMESPACE)


def register_node_class(cls: type[N]) -> type[N]:
    """Class decorator: make a node of a class with methods `tree_flatten(self)` and, of the class, `tree_unflatten`.

    They are the functions of `register_node`. `tree_flatten_with_keys(self)`, if there is one, names the children.

    >>> from functrans import tree
    >>> @register_node_class
    ... class Circle:
    ...     def __init__(self, r: float) -> None:
    ...         self.r = r
    ...
    ...     def tree_flatten(self) -> tuple[tuple[float], None]:
    ...         return (self.r,), None
    ...
    ...     @classmethod
    ...     def tree_unflatten(cls, aux: None, children: tuple[float]) -> "Circle":
    ...         return cls(*children)
    >>> tree.leaves(Circle(2.0))
    [2.0]
    """
    keyed = operator.methodcaller("tree_flatten_with_keys") if hasattr(cls, "tree_flatten_with_keys") else None
    register_node(cls, operator.methodcaller("tree_flatten"), cls.tree_unflatten, keyed)
    return cls


@overload
def register_dataclass(
    cls: C,
    /,
    data_fields: Sequence[str] | None = ...,
    meta_fields: Sequence[str] | None = ...,
    drop_fields: Sequence[str] = ...,
) -> C: ...
@overload
def register_dataclass(
    cls: None = ...,
    /,
    *,
    data_fields: Sequence[str] | None = ...,
    meta_fields: Sequence[str] | None = ...,
    drop_fields: Sequence[str] = ...,
) -> Callable[[C], C]: ...
def register_dataclass(
    cls: type | None = None,
    /,
    data_fields: Sequence[str] | None = None,
    meta_fields: Sequence[str] | None = None,
    drop_fields: Sequence[str] = (),
) -> Any:  # Any: the overloads say what
    """Class decorator: make a node of a dataclass, or of any class whose constructor takes its fields by keyword.

    Fields are data unless declared with `static()` or listed in `meta_fields`, which must be hashable; `drop_fields`
    are left to their defaults. Rebuilding a node calls the constructor. Raises DataclassFieldsError.

    >>> from functrans import tree
    >>> @register_dataclass
    ... @dataclasses.dataclass
    ... class Gaussian:
    ...     mean: float
    ...     scale: float
    >>> tree.map(lambda x: x + 1, Gaussian(mean=0.0, scale=1.0))
    Gaussian(mean=1.0, scale=2.0)
    """
    if cls is None:
        return functools.partial(
            register_dataclass, data_fields=data_fields, meta_fields=meta_fields, drop_fields=drop_fields
        )
    data, meta = _split_fields(cls, data_fields, meta_fields, drop_fields)
    get_data, get_meta = _getter(data), _getter(meta)

    def unflatten_fields(aux: tuple[Any, ...], children: tuple[Any, ...]) -> Any:
        return cls(**dict(zip(data, children, strict=True)), **dict(zip(meta, aux, strict=True)))

    _register(cls, lambda node: (get_data(node), get_meta(node), data), unflatten_fields, optree.GetAttrEntry)
    meta_field_names[cls] = meta
    return cls


def _split_fields(
    cls: type, data_fields: Sequence[str] | None, meta_fields: Sequence[str] | None, drop_fields: Sequence[str]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The names of the fields that are data and of those that are structure."""
    fields = dataclasses.fields(cls) if dataclasses.is_dataclass(cls) else None
    if data_fields is None and meta_fields is None and fields is not None:
        kept = [f for f in fields if f.init and f.name not in drop_fields]
        data_fields = [f.name for f in kept if not f.metadata.get("static", False)]
        meta_fields = [f.name for f in kept if f.metadata.get("static", False)]
    wanted = None if fields is None else {f.name for f in fields if f.init} - {*drop_fields}
    listed = [*(data_fields or ()), *(meta_fields or ())]
    if data_fields is None or meta_fields is None or len({*listed}) < len(listed) or wanted not in (None, {*listed}):
        raise DataclassFieldsError(cls, data_fields, meta_fields, wanted)
    return tuple(data_fields), tuple(meta_fields)


def _getter(names: tuple[str, ...]) -> Callable[[Any], tuple[Any, ...]]:
    """The values of these attributes, always as a tuple (attrgetter of one name gives none)."""
    if len(names) > 1:
        return operator.attrgetter(*names)
    return lambda node: tuple([getattr(node, name) for name in names])
