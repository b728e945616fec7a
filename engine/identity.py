"""What determines a graph, as a key: two graphs with the same key are the same.

Only what can be told counts. An object of this package is its class and its fields; a function, or
an object of a class of the user's, has code that no key can hold, and so no identity.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import json
import platform
import sys
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .distributions import installed

_PACKAGE = __name__.partition(".")[0]
_DISTRIBUTIONS = ("onnx", "onnx-ir")


class NoIdentityError(Exception):
    """It cannot be told whether two objects are the same."""


def key_of(**parts: object) -> str:
    """Return a key of what a graph is made from, of this engine and of what folds constants.

    Args:
        parts: By name; see `describe`.

    Returns:
        64 hexadecimal digits.

    Raises:
        NoIdentityError: a part has none.
    """
    described = {name: describe(part) for name, part in parts.items()} | {"engine": _engine()}
    text = json.dumps(described, sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def describe(value: object) -> Any:
    """Return a value as plain data that is equal for equal values only.

    Raises:
        NoIdentityError: it is neither plain data, nor an array, nor of a dataclass of this package.
    """
    if value is None or isinstance(value, bool | str | bytes):
        return [type(value).__name__, value.hex() if isinstance(value, bytes) else value]
    if isinstance(value, int):
        return ["int", int(value)]
    if isinstance(value, float):
        return ["float", float(value).hex()]
    if isinstance(value, np.ndarray) and not value.dtype.hasobject:
        digest = hashlib.sha256(np.ascontiguousarray(value).tobytes()).hexdigest()
        return ["array", value.dtype.str, list(value.shape), digest]
    if type(value) in (list, tuple):
        assert isinstance(value, list | tuple)
        return ["list", *map(describe, value)]
    if type(value) is dict:
        return ["dict", *([describe(key), describe(item)] for key, item in value.items())]
    if is_dataclass(value) and _is_ours(type(value)):
        return [type(value).__qualname__, *_described_fields(value)]
    raise NoIdentityError(f"{type(value).__name__} has no identity")


def has_identity(value: object) -> bool:
    """Return whether a value is data or of this package, with no code of the user's in it."""
    try:
        describe(value)
    except NoIdentityError:
        return False
    return True


class ByContent:
    """Makes a dataclass with arrays among its fields equal to one with the same fields.

    It is for `@dataclass(frozen=True, eq=False)`: arrays have no one answer to `==`.
    """

    def __eq__(self, other: object) -> bool:
        if type(self) is not type(other):
            return NotImplemented
        return bool(describe(self) == describe(other))

    def __hash__(self) -> int:
        return hash(json.dumps(describe(self)))


def _described_fields(value: Any) -> list[Any]:
    known = {field.name: field for field in fields(value)}
    if not vars(value).keys() <= known.keys():
        # Something was put on this very object, perhaps a method in place of the class's.
        raise NoIdentityError(f"{type(value).__name__} with attributes of its own")
    # Fields that are no arguments are state, which a graph does not hold.
    return [[n, describe(getattr(value, n))] for n, field in known.items() if field.init]


def _is_ours(kind: type) -> bool:
    """Whether a class is this package's own, found where it says it is."""
    name = kind.__module__
    if name.partition(".")[0] != _PACKAGE:
        return False
    return getattr(sys.modules.get(name), kind.__qualname__, None) is kind


@functools.cache
def _engine() -> dict[str, Any]:
    """What turns a description into a graph: code, libraries, and the processor that folds."""
    return {
        "source": _source(),
        "libraries": {name: library_version(name) for name in _DISTRIBUTIONS},
        "places": [_place("onnx"), _place("onnx_ir")],
        "numpy": np.__version__,
        "python": platform.python_version(),
        # Constants are computed with NumPy, whose last bit depends on the instructions that it has.
        "machine": [platform.machine(), _instructions()],
    }


def source() -> str:
    """Return a checksum of the engine's code: no version number that somebody forgets to raise."""
    return str(_engine()["source"])


def _source() -> str:
    state = hashlib.sha256()
    package = Path(__file__).parent
    for source in sorted(package.rglob("*.py")):
        relative = source.relative_to(package)
        if relative.parts[0] not in ("models", "cli"):
            state.update(f"{relative.as_posix()}\0".encode())
            state.update(hashlib.sha256(source.read_bytes()).digest())
    return state.hexdigest()


def library_version(distribution: str) -> str:
    """Return a distribution's version without importing it; empty where it is unknown."""
    found = installed(distribution)
    return "" if found is None else found.version


def _place(module: str) -> str:
    """Where a module would be imported from: a checkout in front of the installed one counts."""
    found = importlib.util.find_spec(module)
    return "" if found is None or found.origin is None else found.origin


def _instructions() -> list[str]:
    configuration = np.show_config(mode="dicts")
    assert configuration is not None  # with "dicts" it is given, not printed
    return sorted(configuration.get("SIMD Extensions", {}).get("found", []))
