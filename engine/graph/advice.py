"""What to type where sizes of a graph's inputs have to be known."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import onnx_ir as ir

# Sizes in examples: of the first axis, which is how many examples there are, and of the others.
_FIRST, _OTHERS = 1, 8

# Of more open inputs than these some are shown.
_SHOWN = 3


_called: ContextVar[Mapping[str, str] | None] = ContextVar("called", default=None)


@contextlib.contextmanager
def arguments_called(**names: str) -> Iterator[None]:
    """Give advice in the words of a function whose arguments have other names.

    Args:
        names: What it calls those that most functions call so, such as `inputs="at"`.
    """
    before = _called.set(names)
    try:
        yield
    finally:
        _called.reset(before)


def called(argument: str) -> str:
    """Return what an argument is called in the function that the user has called."""
    return (_called.get() or {}).get(argument, argument)


def shapes_to_give(graph: ir.Graph) -> str:
    """Return which shapes to give, such as `; give the shape of its input (--shape x=1,8)`.

    Empty where no input is of open size: then no shape would tell more.

    Args:
        graph: The graph; where it is a network with its gradient, what weights the gradient does
            not count.
    """
    opened = [value for value in graph.inputs if _is_open(value)]
    opened = [v for v in opened if not (v.name or "").startswith("grad_")] or opened
    if not opened:
        return ""
    # One name stands for one size.
    sizes: dict[str, int] = {}
    shapes = {value.name or "": _example(value, sizes) for value in opened[:_SHOWN]}
    said = ", ".join(f"{name!r}: {shape}" for name, shape in shapes.items())
    typed = " ".join(f"--shape {name}={_typed(shape)}" for name, shape in shapes.items())
    more = ", …" if len(opened) > _SHOWN else ""
    return (
        f"; give the shapes of the model's inputs, such as shapes={{{said}{more}}} ({typed}"
        f"{' …' if more else ''})"
    )


def zero_is_zero(value: ir.Value) -> str:
    """Return what to do about sizes of 0, which older converters write for open ones.

    Args:
        value: An input; where none of its sizes is 0, there is nothing to say.
    """
    if value.shape is None or 0 not in tuple(value.shape):
        return ""
    axis = tuple(value.shape).index(0)
    return (
        ": a size of 0 is none at all, to ONNX Runtime as well; where an open one is meant, give "
        f"it a name in the file (type.tensor_type.shape.dim[{axis}].dim_param = 'N' of the input)"
    )


def _is_open(value: ir.Value) -> bool:
    return value.shape is None or not all(isinstance(dim, int) for dim in value.shape)


def _example(value: ir.Value, sizes: dict[str, int]) -> tuple[int, ...]:
    if value.shape is None:
        return (_FIRST, _OTHERS)
    found = []
    for axis, dim in enumerate(value.shape):
        if isinstance(dim, int):
            found.append(dim)
        else:
            chosen = _FIRST if axis == 0 else _OTHERS
            found.append(chosen if dim.value is None else sizes.setdefault(dim.value, chosen))
    return tuple(found)


def _typed(shape: Iterable[int]) -> str:
    return ",".join(map(str, shape))
