"""Classes by the names that recipes call them, written down and read back by their fields."""

from __future__ import annotations

import base64
import binascii
import functools
import importlib
import types
import typing
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import MISSING, Field, fields
from typing import Any, Generic, TypeVar

import numpy as np

from .errors import InputError, OnnxscopeError, nearest
from .plain import real, shown, whole

T = TypeVar("T")
C = TypeVar("C", bound=type)

DEEPEST = 300
"""How far one may be nested in another, well within Python's own limit."""

_NAMED = "custom"
"""What a recipe calls code of its author's, which it can only name."""


class Registry(Generic[T]):
    """The kinds of one part of a recipe: dataclasses, each under a name.

    One is written as an object with the fields that have no default under its name and the others
    beside it, as in `{"neuron": ["mixed4a", 11], "y": 7, "x": 7}`. A single field without a default
    stands there by itself, as in `{"layer": "mixed4a"}`; where there is none, the others do, as in
    `{"pixels": {"sd": 0.01}}`. Fields are texts, flags, numbers, `None`, arrays, tuples of these,
    or others of the registry; their annotations say which. What a value has to be beyond that, its
    class checks in `__post_init__`, for users and recipes alike.

    Code of a user's own, a class that is not registered or a function, is `{"custom": NAME}` in a
    recipe, perhaps with more beside it for people to read. Nothing can be read back from that.

    A class costs a start half a millisecond. Where a registry is told in which modules its classes
    are, one is imported when a name of it is read, and not before.
    """

    def __init__(
        self,
        what: str,
        base: type[Any],
        error: type[OnnxscopeError] = InputError,
        *,
        argument: str = "",
        foreign: Callable[[T], dict[str, Any]] | None = None,
        parts: Sequence[Registry[Any]] = (),
        homes: Mapping[str, Sequence[str]] = types.MappingProxyType({}),
    ) -> None:
        """Make a registry without classes.

        Args:
            what: What it holds, for messages, such as `"objective"`.
            base: What a field is annotated with that holds another of the registry.
            error: What is raised where one cannot be read.
            argument: Of `remake`, what takes one that a recipe can only name; by default `what`.
            foreign: Writes down one whose class is not registered; by default that is refused.
            parts: Other registries, whose kinds may be in fields; annotated with their base.
            homes: By module of this package, such as `"ascent.lbfgs"`, the names of the classes
                that it adds as it is imported.
        """
        self.what = what
        self._base = base
        self._error = error
        self._argument = argument or what
        self._foreign = foreign
        self._parts = tuple(parts)
        self._homes = {name: module for module, names in homes.items() for name in names}
        self._kinds: dict[str, type[T]] = {}
        self._names: dict[type, str] = {}
        self._older: dict[str, Callable[[Any], Any]] = {}

    def add(self, name: str, *, older: Callable[[Any], Any] | None = None) -> Callable[[C], C]:
        """Decorate a dataclass that recipes call `name`.

        Args:
            name: In recipes.
            older: Makes of what an older version wrote under the name what this one writes; gives
                anything else back as it is.

        Raises:
            ValueError: there is one of that name, or it means code of the user's.
        """

        def decorate(kind: C) -> C:
            home = _module(self._homes[name]) if name in self._homes else kind.__module__
            if name in self._kinds or name == _NAMED or home != kind.__module__:
                raise ValueError(f"there are two kinds of {self.what} called {name!r}")
            self._kinds[name] = kind
            self._names[kind] = name
            if older is not None:
                self._older[name] = older
            return kind

        return decorate

    @property
    def kinds(self) -> Mapping[str, type[T]]:
        """All classes by name: those of the package's modules, which are imported, then others."""
        return types.MappingProxyType({name: self._kind(name) for name in self.names})

    @property
    def names(self) -> tuple[str, ...]:
        """What recipes call the classes: those of the package's modules first."""
        return tuple(dict.fromkeys((*self._homes, *self._kinds)))

    def _kind(self, name: str) -> type[T]:
        """The class of that name, whose module is imported for it."""
        if name not in self._kinds:
            importlib.import_module(_module(self._homes[name]))
        return self._kinds[name]

    def name_of(self, value: object) -> str | None:
        """Return what recipes call the class of `value`; `None` where it is not registered."""
        return self._names.get(type(value))

    def to_json(self, value: T) -> dict[str, Any]:
        """Write one down as plain data.

        Raises:
            TypeError: its class is not registered, or holds what no recipe can.
        """
        name = self.name_of(value)
        if name is None:
            if self._foreign is not None:
                return self._foreign(value)
            raise TypeError(f"no {self.what} is a {type(value).__name__}; register the class")
        kind: type = type(value)
        first, others = _fields(kind)
        # Loops, not comprehensions, which are calls: one within another is then two calls deep.
        under: list[Any] = []
        for field in first:
            under.append(self._encoded(getattr(value, field.name)))  # noqa: PERF401
        beside: dict[str, Any] = {}
        for field in others:
            given = getattr(value, field.name)
            # What older versions did not know is left out where it is as it was.
            as_it_was = not isinstance(given, np.ndarray) and given == field.default
            if not (field.metadata.get("later") and as_it_was):
                beside[field.name] = self._encoded(given)
        if not first:
            return {name: beside}
        return {name: under[0] if len(first) == 1 else under} | beside

    def from_json(self, data: object) -> T:
        """Read back what `to_json` wrote.

        Raises:
            OnnxscopeError: of the registry's kind: the data is damaged, names a class that this
                version does not have, or code of its author's.
        """
        try:
            return self._read(data, 0)
        except _UnknownError as error:
            raise self._error(str(error)) from error
        except OnnxscopeError as error:
            raise self._error(
                f"the recipe's {self.what} {shown(data)} is damaged: {error}"
            ) from error

    def _read(self, data: object, depth: int) -> T:
        if depth > DEEPEST:
            raise InputError(f"it is nested more than {DEEPEST} deep")
        name, under, beside = self._named_in(data)
        kind: type = self._kind(name)
        first, others = _fields(kind)
        if name in self._older:
            under = self._older[name](under)
        if not first:
            if not isinstance(under, Mapping) or beside:
                expected = _listed(others) or "nothing"
                raise InputError(f"{name!r} must hold an object of {expected}, and stand alone")
            given = dict(under)
        elif len(first) == 1:
            given = {first[0].name: under} | beside
        elif isinstance(under, list) and len(under) == len(first):
            given = dict(zip((field.name for field in first), under, strict=True)) | beside
        else:
            raise InputError(f"{name!r} must hold a list of {_listed(first)}")
        known = [field.name for field in (*first, *others)]
        for key in beside if first else given:
            if first and key in known[: len(first)]:
                raise InputError(f"{key!r} stands beside {name!r}, under which it is already")
            if key not in known:
                raise InputError(f"{name} has no {key!r}{nearest(str(key), known)}")
        hints = _hints(kind)
        for key, value in given.items():
            given[key] = self._decoded(hints[key], value, key, depth)
        read: T = kind(**given)
        return read

    def _named_in(self, data: object) -> tuple[str, Any, dict[str, Any]]:
        """The name of the class that some data is of, what is under it, and what is beside it."""
        if isinstance(data, Mapping) and all(isinstance(key, str) for key in data):
            if _NAMED in data and not isinstance(data[_NAMED], str):
                raise _UnknownError(
                    f"the recipe's {self.what} {shown(data)} is damaged: {_NAMED!r} is the name of "
                    f"code of its author's, which must be text, not {shown(data[_NAMED])}"
                )
            if _NAMED in data:
                raise _UnknownError(
                    f"the recipe can only name the {self.what} {shown(data[_NAMED])}, which is "
                    f"code of its author's: pass it to remake as {self._argument}=…"
                )
            # Another writer may have sorted the keys.
            names = self.names
            for keys in (list(data)[:1], [key for key in data if key in names]):
                if len(keys) == 1 and keys[0] in names:
                    beside = {key: value for key, value in data.items() if key != keys[0]}
                    return keys[0], data[keys[0]], beside
        raise _UnknownError(
            f"the recipe's {self.what} {shown(data)} is unknown; this version has "
            f"{', '.join(self.names)}"
        )

    # Fields -------------------------------------------------------------------------------------

    def _encoded(self, value: Any) -> Any:
        if value is None or isinstance(value, bool | str | int | float):
            return value
        for registry in (self, *self._parts):
            if isinstance(value, registry._base):
                return registry.to_json(value)
        if isinstance(value, tuple):
            items = []
            for item in value:
                one = self.to_json(item) if isinstance(item, self._base) else self._encoded(item)
                items.append(one)
            return items
        if isinstance(value, np.ndarray) and not value.dtype.hasobject:
            data = base64.b64encode(np.ascontiguousarray(value).tobytes()).decode()
            return {"dtype": value.dtype.str, "shape": list(value.shape), "base64": data}
        raise TypeError(f"no recipe can hold {shown(value)}")

    def _decoded(self, hint: Any, value: Any, name: str, depth: int) -> Any:
        """A field's value, of the type that its annotation says."""
        for registry in (self, *self._parts):
            if hint is registry._base:
                return registry._read(value, depth + 1)
        inner = typing.get_args(hint)
        match typing.get_origin(hint):
            case types.UnionType | typing.Union:
                if value is None and types.NoneType in inner:
                    return None
                (alone,) = (kind for kind in inner if kind is not types.NoneType)
                return self._decoded(alone, value, name, depth)
            case origin if origin is tuple:
                if not isinstance(value, list):
                    raise InputError(f"its {name} must be a list, not {shown(value)}")
                kinds = inner[:1] * len(value) if inner[1:] == (...,) else inner
                if len(kinds) != len(value):
                    raise InputError(f"its {name} must have {len(kinds)} items, not {len(value)}")
                items = []
                for kind, item in zip(kinds, value, strict=True):
                    if kind is self._base:
                        items.append(self._read(item, depth + 1))
                    else:
                        items.append(self._decoded(kind, item, name, depth))
                return tuple(items)
        if hint is np.ndarray:
            return _array(value, name)
        if hint is bool or hint is str:
            if not isinstance(value, hint):
                expected = "true or false" if hint is bool else "text"
                raise InputError(f"its {name} must be {expected}, not {shown(value)}")
            return value
        if hint is int:
            # Other writers make 12.0 of 12.
            is_whole = isinstance(value, float) and value.is_integer()
            return whole(f"its {name}", int(value) if is_whole else value, most=None)
        if hint is float:
            return real(f"its {name}", value)
        raise TypeError(f"no recipe can hold {name}: {hint}")


def named(value: object) -> dict[str, Any]:
    """Write down the class of code of the user's: its name, for people to read."""
    return {_NAMED: type(value).__name__}


def _module(home: str) -> str:
    """The whole name of a module of this package."""
    return f"{__package__}.{home}"


class _UnknownError(OnnxscopeError):
    """Some data names no class of the registry."""


@functools.cache
def _hints(kind: type) -> dict[str, Any]:
    """The annotations of a class, as types."""
    return typing.get_type_hints(kind)


@functools.cache
def _fields(kind: type) -> tuple[list[Field[Any]], list[Field[Any]]]:
    """The arguments of a dataclass without a default, and those with one."""
    every = [field for field in fields(kind) if field.init]
    first = [f for f in every if f.default is MISSING and f.default_factory is MISSING]
    return first, [field for field in every if field not in first]


def _listed(known: Collection[Field[Any]]) -> str:
    return ", ".join(field.name for field in known)


def _array(value: Any, name: str) -> np.ndarray:
    match value:
        case {"dtype": str(dtype), "shape": list(shape), "base64": str(text)}:
            sizes = [whole(f"each size of its {name}", size, 0) for size in shape]
            try:
                data = base64.b64decode(text, validate=True)
                return np.frombuffer(data, np.dtype(dtype)).reshape(sizes)
            except (binascii.Error, TypeError, ValueError) as error:
                raise InputError(f"its {name} is no array: {error}") from error
    raise InputError(f"its {name} must be an array, not {shown(value)}")
