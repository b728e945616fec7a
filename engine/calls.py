"""Calls written as text: what one writes in Python, and nothing else that Python can do."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from typing import Any

from .errors import OnnxscopeError, nearest


class Calls:
    """Reads one text that is made of calls of known functions.

    Their arguments are numbers, texts, lists, and calls again; there are no names but the
    functions', and nothing of Python's is evaluated.
    """

    def __init__(
        self,
        text: str,
        functions: Mapping[str, Callable[..., Any]],
        *,
        what: str,
        made_of: str,
        error: type[OnnxscopeError],
    ) -> None:
        """Prepare.

        Args:
            text: What is read.
            functions: What may be called, by name.
            what: What they give, for messages, such as `objective`.
            made_of: What a text is made of, for messages.
            error: What is raised.
        """
        self.text = text
        self._functions = functions
        self._what = what
        self._made_of = made_of
        self._error = error

    def read(self) -> Any:
        """Return what the text means.

        Raises:
            OnnxscopeError: of the reader's kind, where it cannot be read; or of a function that
                refuses what it is given.
        """
        tree = parsed(self.text)
        if tree is None:
            raise self._error(f"{self.text!r} cannot be read; it is made of {self._made_of}")
        return self.of(tree)

    def of(self, node: ast.expr) -> Any:
        """Return the value of a part: what a function gives, a number, a text, several of these."""
        match node:
            case ast.Constant(value=int() | float() | str() | None):
                return node.value
            case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as number)):
                return -number
            case ast.List(elts=items):
                return [self.of(item) for item in items]
            case ast.Tuple(elts=items):
                return tuple(self.of(item) for item in items)
            case ast.Dict(keys=keys, values=values) if None not in keys:
                read = [self.of(key) for key in keys if key is not None]
                return dict(zip(read, map(self.of, values), strict=True))
            case ast.Call(func=ast.Name(id=name)):
                return self._called(name, node)
        raise self._error(
            f"{ast.unparse(node)!r} in {self.text!r} cannot be read; it is made of {self._made_of}"
        )

    def argument(self, function: str, node: ast.expr) -> Any:  # noqa: ARG002  # what of it, others say
        """Return the value of an argument of a function."""
        return self.of(node)

    def _called(self, name: str, node: ast.Call) -> Any:
        function = self._functions.get(name)
        if function is None:
            raise self._error(
                f"there is no {self._what} {name!r}; known are {', '.join(self._functions)}"
                f"{nearest(name, self._functions)}"
            )
        given = [self.argument(name, argument) for argument in node.args]
        named = {}
        for keyword in node.keywords:
            if keyword.arg is None:
                raise self._error(
                    f"** cannot be read in {self.text!r}: give each argument by its name"
                )
            named[keyword.arg] = self.of(keyword.value)
        try:
            return function(*given, **named)
        except TypeError as error:
            raise self._error(f"{ast.unparse(node)} cannot be read: {error}") from error


def parsed(text: str) -> ast.expr | None:
    """Return the tree of an expression; `None` where a text is none of Python's."""
    try:
        return ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
