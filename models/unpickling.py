"""Pickles read as data: nothing in them is ever executed.

Published weights are often pickles, and a pickle is a program: Python's own loader imports what the
file names and calls it. Here `pickletools` only splits the file into opcodes, and a small stack
machine of our own interprets those few that weights need. A global is looked up in a table that the
caller gives and nowhere else, so a file can call nothing but the table's functions, which are
written to distrust their arguments. Everything else is refused by name.
"""

from __future__ import annotations

import io
import pickletools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from ..errors import ModelError

Constructor = Callable[..., object]

_CONSTANTS = frozenset(
    [
        "INT",
        "BININT",
        "BININT1",
        "BININT2",
        "LONG",
        "LONG1",
        "LONG4",
        "FLOAT",
        "BINFLOAT",
        "STRING",
        "BINSTRING",
        "SHORT_BINSTRING",
        "BINBYTES",
        "SHORT_BINBYTES",
        "BINBYTES8",
        "UNICODE",
        "BINUNICODE",
        "SHORT_BINUNICODE",
        "BINUNICODE8",
    ]
)
_LITERALS: Mapping[str, object] = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_IGNORED = frozenset({"PROTO", "FRAME"})


@runtime_checkable
class Buildable(Protocol):
    """An object that takes its state after it was made, as pickle's BUILD does."""

    def build(self, state: object) -> None:
        """Take the state; raise `ValueError` or `TypeError` where it does not fit."""


@dataclass(frozen=True)
class Global:
    """A name that the pickle refers to, with what stands for it here; nothing is imported."""

    name: str
    construct: Constructor


def load_pickle(
    stream: io.BytesIO,
    source: str,
    constructors: Mapping[str, Constructor],
    persistent: Constructor | None = None,
) -> object:
    """Read one pickle from `stream`, which then stands behind it.

    Args:
        stream: In memory, so that a length claimed by the file reserves nothing.
        source: The file's name, for messages.
        constructors: What may be named, as `module.name`, with the function that stands for it.
            It raises `ValueError` or `TypeError` on arguments that do not fit.
        persistent: Resolves persistent identifiers; refused where it is `None`.

    Raises:
        ModelError: the pickle is damaged, or names or does what weights have no need of.
    """
    machine = _Machine(source, constructors, persistent)
    try:
        for opcode, argument, _ in pickletools.genops(stream):
            if opcode.name == "STOP":
                return machine.result()
            machine.step(opcode.name, argument)
    except ModelError:
        raise
    except (ValueError, TypeError, IndexError, KeyError, OverflowError, UnicodeError) as error:
        detail = str(error) or type(error).__name__
        raise ModelError(f"{source} is damaged or truncated: {detail[:200]}") from error
    raise ModelError(f"{source} is truncated: the pickle in it has no end")


class _Machine:
    """The stack, the marks and the memo of one pickle."""

    def __init__(
        self,
        source: str,
        constructors: Mapping[str, Constructor],
        persistent: Constructor | None,
    ) -> None:
        self._source = source
        self._constructors = constructors
        self._persistent = persistent
        self._stack: list[object] = []
        self._below: list[list[object]] = []  # what lies under each mark
        # A mapping, not a list: a file may number its memos as it likes.
        self._memo: dict[int, object] = {}

    def result(self) -> object:
        if len(self._stack) != 1 or self._below:
            raise ValueError("the pickle ends with an unfinished value")
        return self._stack[0]

    def step(self, name: str, argument: object) -> None:
        """Interpret one opcode."""
        if name in _CONSTANTS:
            self._stack.append(argument)
        elif name in _LITERALS:
            self._stack.append(_LITERALS[name])
        elif name in _IGNORED:
            return
        else:
            method = self._METHODS.get(name)
            if method is None:
                raise ModelError(self._refusal(name, argument))
            method(self, argument)

    def _refusal(self, name: str, argument: object) -> str:
        what = f"uses the pickle operation {name}"
        if name == "INST":
            what = f"wants to call {str(argument).replace(' ', '.')}"
        return f"{self._source} {what}, which weights have no need of; it was not executed"

    def _popped_mark(self) -> list[object]:
        items = self._stack
        self._stack = self._below.pop()
        return items

    # Containers

    def _mark(self, _: object) -> None:
        self._below.append(self._stack)
        self._stack = []

    def _empty_dict(self, _: object) -> None:
        self._stack.append({})

    def _empty_list(self, _: object) -> None:
        self._stack.append([])

    def _empty_tuple(self, _: object) -> None:
        self._stack.append(())

    def _tuple(self, _: object) -> None:
        items = tuple(self._popped_mark())
        self._stack.append(items)

    def _tuple_of(self, count: int) -> None:
        if len(self._stack) < count:
            raise IndexError("the stack is empty")
        items = tuple(self._stack[-count:])
        self._stack[-count:] = [items]

    def _list(self, _: object) -> None:
        items = self._popped_mark()
        self._stack.append(items)

    def _dict(self, _: object) -> None:
        items = self._popped_mark()
        self._stack.append({})
        self._set(items)

    def _append(self, _: object) -> None:
        item = self._stack.pop()
        self._extend([item])

    def _appends(self, _: object) -> None:
        self._extend(self._popped_mark())

    def _extend(self, items: list[object]) -> None:
        target = self._stack[-1]
        if not isinstance(target, list):
            raise TypeError(f"appends to a {type(target).__name__}")
        target.extend(items)

    def _set_item(self, _: object) -> None:
        value, key = self._stack.pop(), self._stack.pop()
        self._set([key, value])

    def _set_items(self, _: object) -> None:
        self._set(self._popped_mark())

    def _set(self, items: list[object]) -> None:
        target = self._stack[-1]
        if not isinstance(target, dict):
            raise TypeError(f"sets an item of a {type(target).__name__}")
        if len(items) % 2:
            raise ValueError("a key without a value")
        for key, value in zip(items[::2], items[1::2], strict=True):
            # A tuple nested deeply enough would overflow the C stack when hashed.
            if not isinstance(key, str | int):
                raise TypeError(f"a {type(key).__name__} as a key")
            target[key] = value

    # Memo and stack

    def _put(self, index: object) -> None:
        self._memo[_integer(index)] = self._stack[-1]

    def _memoize(self, _: object) -> None:
        self._memo[len(self._memo)] = self._stack[-1]

    def _get(self, index: object) -> None:
        self._stack.append(self._memo[_integer(index)])

    def _pop(self, _: object) -> None:
        self._stack.pop()

    def _dup(self, _: object) -> None:
        self._stack.append(self._stack[-1])

    # Names and calls

    def _global(self, argument: object) -> None:
        module, _, name = str(argument).partition(" ")
        self._push_global(module, name)

    def _stack_global(self, _: object) -> None:
        name, module = self._stack.pop(), self._stack.pop()
        if not isinstance(name, str) or not isinstance(module, str):
            raise TypeError("a global whose name is not a string")
        self._push_global(module, name)

    def _push_global(self, module: str, name: str) -> None:
        full = f"{module}.{name}"
        construct = self._constructors.get(full)
        if construct is None:
            raise ModelError(
                f"{self._source} refers to {full[:200]}, which is not among the names that weights "
                "have need of; it was not executed. Where the file holds a whole pickled model or "
                "checkpoint, save its state_dict alone"
            )
        self._stack.append(Global(full, construct))

    def _reduce(self, _: object) -> None:
        arguments, function = self._stack.pop(), self._stack.pop()
        if not isinstance(function, Global):
            raise ModelError(
                f"{self._source} wants to call a {type(function).__name__}; it was not executed"
            )
        if not isinstance(arguments, tuple):
            raise TypeError(f"{function.name} without a tuple of arguments")
        try:
            self._stack.append(function.construct(*arguments))
        except (ValueError, TypeError) as error:
            raise ModelError(
                f"{self._source} calls {function.name} with arguments that do not fit: {error}"
            ) from error

    def _build(self, _: object) -> None:
        state = self._stack.pop()
        target = self._stack[-1]
        if isinstance(target, Buildable):
            target.build(state)
        elif not isinstance(target, dict):
            # A mapping's attributes (PyTorch keeps version numbers there) carry no weights and are
            # left aside; nothing else here has attributes to set.
            raise TypeError(f"sets the state of a {type(target).__name__}")

    def _persistent_id(self, _: object) -> None:
        identifier = self._stack.pop()
        if self._persistent is None:
            raise ModelError(f"{self._source} refers to data outside of the pickle")
        try:
            self._stack.append(self._persistent(identifier))
        except (ValueError, TypeError) as error:
            raise ModelError(f"{self._source} has a damaged reference to data: {error}") from error

    _METHODS: Mapping[str, Callable[[_Machine, object], None]] = {
        "MARK": _mark,
        "EMPTY_DICT": _empty_dict,
        "EMPTY_LIST": _empty_list,
        "EMPTY_TUPLE": _empty_tuple,
        "TUPLE": _tuple,
        "TUPLE1": lambda machine, _: machine._tuple_of(1),
        "TUPLE2": lambda machine, _: machine._tuple_of(2),
        "TUPLE3": lambda machine, _: machine._tuple_of(3),
        "LIST": _list,
        "DICT": _dict,
        "APPEND": _append,
        "APPENDS": _appends,
        "SETITEM": _set_item,
        "SETITEMS": _set_items,
        "PUT": _put,
        "BINPUT": _put,
        "LONG_BINPUT": _put,
        "MEMOIZE": _memoize,
        "GET": _get,
        "BINGET": _get,
        "LONG_BINGET": _get,
        "POP": _pop,
        "DUP": _dup,
        "GLOBAL": _global,
        "STACK_GLOBAL": _stack_global,
        "REDUCE": _reduce,
        "BUILD": _build,
        "BINPERSID": _persistent_id,
    }


def _integer(value: object) -> int:
    if not isinstance(value, int):
        raise TypeError("a memo whose number is not an integer")
    return value


def sizes(value: object, what: str) -> tuple[int, ...]:
    """Check that `value` is a plain tuple of non-negative 63-bit integers.

    Raises:
        ValueError: it is something else; the message says `what` was meant to be.
    """
    if not isinstance(value, tuple | list) or len(value) > 32:
        raise ValueError(f"{what} is not a tuple of at most 32 numbers")
    return tuple(size(item, what) for item in value)


def size(value: object, what: str) -> int:
    """Check that `value` is a non-negative 63-bit integer (see `sizes`)."""
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**63:
        raise ValueError(f"{what} holds something that is not a size")
    return value
