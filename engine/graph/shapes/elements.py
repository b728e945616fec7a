"""Elements of small vectors of integers: how networks compute with shapes (see `symbolic`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ..traits import Trait, operators_with
from .algebra import Dim, Sizes
from .known import LIMIT, Elements, Known


def _shape_elements(known: Known) -> Elements | None:
    x = known.shape()
    if x is None:
        return None
    start = known.node.attributes.get_int("start", 0)
    end = known.node.attributes.get("end")
    return x[start : None if end is None else end.as_int()]


def _size_elements(known: Known) -> Elements | None:
    x = known.shape()
    return None if x is None else (known.sizes.product(x),)


def _gather_elements(known: Known) -> Elements | None:
    data, indices = known.data(0), known.numbers(1)
    if data is None or indices is None or any(not -len(data) <= i < len(data) for i in indices):
        return None
    return tuple(data[i] for i in indices)


def _slice_elements(known: Known) -> Elements | None:
    data, starts, ends = known.data(0), known.numbers(1), known.numbers(2)
    steps = known.numbers(4) if known.given(4) else [1]
    if data is None or starts is None or ends is None or steps is None or len(starts) != 1:
        return None
    return data[slice(starts[0], ends[0], steps[0])]


def _concat_elements(known: Known) -> Elements | None:
    parts = [part for part in known.elements if part is not None]
    if len(parts) != len(known.node.inputs):
        # One unknown part does not hide the others, where its length is known.
        parts = []
        for data, shape in zip(known.elements, known.shapes, strict=True):
            if data is None and (shape is None or len(shape) != 1 or not isinstance(shape[0], int)):
                return None
            length = 0 if shape is None or not isinstance(shape[0], int) else shape[0]
            parts.append((None,) * length if data is None else data)
    return tuple(n for part in parts for n in part)


def _kept(known: Known) -> Elements | None:
    return known.data(0)


def _binary(
    compute: Callable[[Sizes, Dim, Dim], Dim | None],
) -> Callable[[Known], Elements | None]:
    def formula(known: Known) -> Elements | None:
        a, b = known.data(0), known.data(1)
        if a is None or b is None:
            return None
        length = max(len(a), len(b)) if a and b else 0
        if len(a) not in (1, length) or len(b) not in (1, length):
            return None
        a, b = a * (length // max(len(a), 1)), b * (length // max(len(b), 1))
        return tuple(
            None if m is None or n is None else compute(known.sizes, m, n)
            for m, n in zip(a, b, strict=True)
        )

    return formula


def _quotient(sizes: Sizes, a: Dim, b: Dim) -> Dim | None:
    if b == 0:
        return None
    if isinstance(a, int) and isinstance(b, int):
        # ONNX divides integers towards zero.
        return -(-a // b) if (a < 0) != (b < 0) and a % b else a // b
    return sizes.floor_divide(a, b)


def _equal(_: Sizes, a: Dim, b: Dim) -> Dim | None:
    if a == b:
        return 1
    if isinstance(a, int) and isinstance(b, int):
        return 0
    # What is not the difference of sizes is never negative.
    number, size = (a, b) if isinstance(a, int) else (b, a)
    return 0 if isinstance(number, int) and number < 0 and "-" not in str(size) else None


def _where_elements(known: Known) -> Elements | None:
    condition, a, b = (known.data(index) for index in range(3))
    if condition is None or a is None or b is None:
        return None
    length = max(len(condition), len(a), len(b))
    if any(len(part) not in (1, length) for part in (condition, a, b)):
        return None
    condition, a, b = (part * (length // len(part)) for part in (condition, a, b))
    return tuple(
        (m if c else n) if c is not None else (m if m == n else None)
        for c, m, n in zip(condition, a, b, strict=True)
    )


def _product_elements(known: Known) -> Elements | None:
    data = known.data(0)
    dims = [] if data is None else [n for n in data if n is not None]
    if data is None or len(dims) != len(data):
        return None
    return (known.sizes.product(dims),)


def _filled(known: Known) -> Elements | None:
    length = known.numbers(0)
    value = known.node.attributes.get("value")
    if length is None or len(length) != 1 or not 0 <= length[0] <= LIMIT or value is None:
        return None
    array = value.as_tensor().numpy()
    return (int(array.ravel()[0]),) * length[0] if array.dtype.kind in "iub" else None


ELEMENTS: Mapping[str, Callable[[Known], Elements | None]] = {
    "Shape": _shape_elements,
    "Size": _size_elements,
    "Gather": _gather_elements,
    "Slice": _slice_elements,
    "Concat": _concat_elements,
    **dict.fromkeys(operators_with(Trait.COPYING) | operators_with(Trait.RESHAPING), _kept),
    "Add": _binary(lambda sizes, a, b: sizes.add(a, b)),
    "Sub": _binary(lambda sizes, a, b: sizes.subtract(a, b)),
    "Mul": _binary(lambda sizes, a, b: sizes.multiply(a, b)),
    "Div": _binary(_quotient),
    "Equal": _binary(_equal),
    "Max": _binary(lambda sizes, a, b: sizes.larger(a, b)),
    "Min": _binary(lambda sizes, a, b: sizes.smaller(a, b)),
    "Where": _where_elements,
    "ReduceProd": _product_elements,
    "ConstantOfShape": _filled,
}
