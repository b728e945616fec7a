"""Shapes of operators that make one element of many: reductions and Einsum (see `symbolic`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from .algebra import Dim
from .known import Known, Shape

_REDUCED = ("Sum", "Mean", "SumSquare", "L1", "L2", "LogSum", "LogSumExp", "Prod", "Max", "Min")


def _einsum(known: Known) -> Shape:
    equation = known.node.attributes.get_string("equation", "") or ""
    terms, arrow, result = equation.replace(" ", "").partition("->")
    if "." in equation or not arrow:
        return None
    letters: dict[str, Dim] = {}
    for term, shape in zip(terms.split(","), known.shapes, strict=False):
        if shape is None or len(term) != len(shape):
            return None
        for letter, dim in zip(term, shape, strict=True):
            if letters.get(letter, 1) == 1 or (isinstance(dim, int) and dim != 1):
                letters[letter] = dim
    return [letters.get(letter) for letter in result]


def _reduced(known: Known) -> Shape:
    x = known.shape()
    if x is None:
        return None
    attributes = known.node.attributes
    keep = attributes.get_int("keepdims", 1) == 1
    (number,) = (known.shape(1) or (None,)) if known.given(1) else (0,)
    axes = [] if number == 0 else known.numbers(1)
    if axes is None:
        if not keep and not isinstance(number, int):
            return None
        return [None] * (len(x) if keep or not isinstance(number, int) else len(x) - number)
    if not axes and attributes.get_int("noop_with_empty_axes", 0) == 0:
        axes = list(range(len(x)))
    cut = {axis % len(x) for axis in axes}
    if keep:
        return [1 if axis in cut else dim for axis, dim in enumerate(x)]
    return [dim for axis, dim in enumerate(x) if axis not in cut]


SHAPES: Mapping[str, Callable[[Known], Shape]] = {
    "Einsum": _einsum,
    **dict.fromkeys((f"Reduce{kind}" for kind in _REDUCED), _reduced),
}
