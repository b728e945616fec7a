"""What is known of shapes before anything runs, where ONNX's own inference gives up.

Inference finds no names for computed sizes (the height behind a strided convolution of an open
picture) and does not look into computed shapes (`Concat(Shape(x)[:1], [-1])`). Here such sizes get
names that say how they are computed (see `algebra`), so that two values of equal shape are known to
be equal, and a gradient needs no look at run time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from .algebra import Dim, Sizes, count
from .symbolic_indexing import SHAPES as INDEXING_SHAPES

Elements = tuple[Dim | None, ...]
"""What is known of the elements of a small tensor of integers or truth values."""

_LIMIT = 64

_INT_MAX = 2**31 - 1


@dataclass(frozen=True)
class Known:
    """What is known of a node's inputs.

    Attributes:
        node: The node.
        sizes: The algebra of sizes.
        shapes: Of the inputs; `None` where the rank is unknown or the input is left out.
        elements: Of the inputs.
    """

    node: ir.Node
    sizes: Sizes
    shapes: Sequence[tuple[Dim, ...] | None]
    elements: Sequence[Elements | None]

    def shape(self, index: int = 0) -> tuple[Dim, ...] | None:
        """The shape of one input."""
        return self.shapes[index] if index < len(self.shapes) else None

    def data(self, index: int) -> Elements | None:
        """The elements of one input."""
        return self.elements[index] if index < len(self.elements) else None

    def numbers(self, index: int) -> list[int] | None:
        """The elements of one input, where all are numbers."""
        data = self.data(index)
        if data is None:
            return None
        found = [n for n in data if isinstance(n, int)]
        return found if len(found) == len(data) else None

    def given(self, index: int) -> bool:
        """Whether an optional input is there."""
        return index < len(self.node.inputs) and self.node.inputs[index] is not None


def elements_of_array(array: np.ndarray | None) -> Elements | None:
    """The elements of a small constant of integers or truth values."""
    if array is None or array.size > _LIMIT or array.ndim > 1 or array.dtype.kind not in "iub":
        return None
    return tuple(int(n) for n in array.ravel())


def infer_shape(known: Known) -> Sequence[Dim | None] | None:
    """The shape of the node's first output, as far as formulas tell; `None` where none does."""
    formula = _SHAPES.get(known.node.op_type) if known.node.domain == "" else None
    return None if formula is None else formula(known)


def infer_elements(known: Known) -> Elements | None:
    """The elements of the node's output, where it computes with shapes."""
    formula = _ELEMENTS.get(known.node.op_type) if known.node.domain == "" else None
    result = None if formula is None else formula(known)
    return None if result is None or len(result) > _LIMIT else result


# Shapes -----------------------------------------------------------------------------------------


def _windows(known: Known) -> Sequence[Dim | None] | None:
    """Convolutions and pools."""
    node, x = known.node, known.shape()
    if x is None:
        return None
    kernel: list[Dim] = [*(node.attributes.get_ints("kernel_shape", None) or ())]
    kernels = known.shape(1)
    if node.op_type == "Conv" and not kernel:
        kernel = [] if kernels is None else list(kernels[2:])
    rank = len(x) - 2
    if len(kernel) != rank:
        return None
    strides = node.attributes.get_ints("strides", None) or [1] * rank
    dilations = node.attributes.get_ints("dilations", None) or [1] * rank
    pads = node.attributes.get_ints("pads", None) or [0] * (2 * rank)
    auto_pad = node.attributes.get_string("auto_pad", "NOTSET")
    if auto_pad == "VALID":
        pads = [0] * (2 * rank)
    up = node.attributes.get_int("ceil_mode", 0) == 1
    dims: list[Dim | None] = [x[0], x[1] if kernels is None else kernels[0]]
    for axis, size in enumerate(x[2:]):
        stride = strides[axis]
        if auto_pad.startswith("SAME"):
            dims.append(known.sizes.floor_divide(known.sizes.add(size, stride - 1), stride))
            continue
        span = _span(known.sizes, kernel[axis], dilations[axis])
        room = known.sizes.subtract(known.sizes.add(size, pads[axis] + pads[axis + rank]), span)
        if up:
            # Windows that start behind the picture are left out: not a plain quotient.
            begins = known.sizes.add(size, pads[axis] - 1)
            rounded = known.sizes.floor_divide(known.sizes.add(room, stride - 1), stride)
            last = known.sizes.floor_divide(begins, stride)
            dims.append(known.sizes.add(_extremum("min")(known.sizes, rounded, last) or 0, 1))
        else:
            dims.append(known.sizes.add(known.sizes.floor_divide(room, stride), 1))
    return dims


def _conv_transpose(known: Known) -> Sequence[Dim | None] | None:
    x, w = known.shape(0), known.shape(1)
    if x is None or w is None:
        return None
    rank = len(x) - 2
    attributes = known.node.attributes
    given = attributes.get_ints("output_shape", None)
    strides = attributes.get_ints("strides", None) or [1] * rank
    dilations = attributes.get_ints("dilations", None) or [1] * rank
    extra = attributes.get_ints("output_padding", None) or [0] * rank
    pads = attributes.get_ints("pads", None) or [0] * (2 * rank)
    auto_pad = attributes.get_string("auto_pad", "NOTSET")
    channels = known.sizes.multiply(w[1], attributes.get_int("group", 1))
    dims: list[Dim | None] = [x[0], channels]
    for axis, size in enumerate(x[2:]):
        kernel = w[2 + axis]
        if given is not None:
            dims.append(given[axis])
        elif auto_pad.startswith("SAME"):
            dims.append(known.sizes.multiply(size, strides[axis]))
        else:
            fixed = extra[axis] - strides[axis]
            fixed -= 0 if auto_pad == "VALID" else pads[axis] + pads[axis + rank]
            span = _span(known.sizes, kernel, dilations[axis])
            reach = known.sizes.add(known.sizes.multiply(size, strides[axis]), span)
            dims.append(known.sizes.add(reach, fixed))
    return dims


def _span(sizes: Sizes, taps: Dim, dilation: int) -> Dim:
    """How many pixels a dilated kernel covers."""
    return sizes.add(sizes.multiply(sizes.subtract(taps, 1), dilation), 1)


def _max_unpool(known: Known) -> Sequence[Dim | None] | None:
    x = known.shape(0)
    if x is None:
        return None
    if known.given(2):
        return known.data(2) or [None] * len(x)
    rank, attributes = len(x) - 2, known.node.attributes
    kernel = attributes.get_ints("kernel_shape", None) or [1] * rank
    strides = attributes.get_ints("strides", None) or [1] * rank
    pads = attributes.get_ints("pads", None) or [0] * (2 * rank)
    dims: list[Dim | None] = [*x[:2]]
    for axis, size in enumerate(x[2:]):
        fixed = kernel[axis] - strides[axis] - pads[axis] - pads[axis + rank]
        dims.append(known.sizes.add(known.sizes.multiply(size, strides[axis]), fixed))
    return dims


def _concat(known: Known) -> Sequence[Dim | None] | None:
    shapes = [shape for shape in known.shapes if shape is not None]
    if len(shapes) != len(known.shapes) or not shapes:
        return None
    axis = known.node.attributes.get_int("axis", 0) % len(shapes[0])
    total: Dim = 0
    for shape in shapes:
        total = known.sizes.add(total, shape[axis])
    dims: list[Dim | None] = list(shapes[0])
    for other, _ in enumerate(dims):
        # Of equal sizes with several names, a number says the most.
        numbers = [shape[other] for shape in shapes if isinstance(shape[other], int)]
        dims[other] = numbers[0] if numbers else shapes[0][other]
    dims[axis] = total
    return dims


def _slice(known: Known) -> Sequence[Dim | None] | None:
    x = known.shape()
    if x is None:
        return None
    starts, ends = known.data(1), known.data(2)
    if starts is None or ends is None:
        return [None] * len(x) if not known.given(3) else _outside_axes(known, x, 3)
    axes = known.numbers(3) if known.given(3) else list(range(len(starts)))
    steps = known.numbers(4) if known.given(4) else [1] * len(starts)
    if axes is None or steps is None:
        return None
    dims: list[Dim | None] = list(x)
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        size = x[axis % len(x)]
        dims[axis % len(x)] = _sliced(known.sizes, size, start, end, step)
    return dims


def _outside_axes(known: Known, x: tuple[Dim, ...], index: int) -> Sequence[Dim | None] | None:
    """A shape of which only some axes are unknown."""
    axes = known.numbers(index)
    if axes is None:
        return [None] * len(x)
    cut = {axis % len(x) for axis in axes}
    return [None if axis in cut else dim for axis, dim in enumerate(x)]


def _sliced(sizes: Sizes, size: Dim, start: Dim | None, end: Dim | None, step: int) -> Dim | None:
    """How many elements a slice takes."""
    if start is None or end is None:
        return None
    if isinstance(size, int) and isinstance(start, int) and isinstance(end, int):
        return len(range(*slice(start, _python_end(end, step), step).indices(size)))
    if step == -1 and isinstance(end, int) and end < -_INT_MAX and start in (-1, _INT_MAX):
        return size
    if step < 1:
        return sizes.unknown(f"slice({size}, {start}, {end}, {step})")
    whole = (isinstance(end, int) and end >= _INT_MAX) or end == size
    if start == 0 and whole:
        length = size
    elif isinstance(start, int) and start < 0 and whole and not isinstance(size, int):
        # The last few; all of them where there are fewer.
        length = sizes.unknown(f"min({size}, {-start})")
    elif start == 0 and isinstance(end, int) and end < 0:
        length = sizes.unknown(f"max({sizes.add(size, end)}, 0)")
    elif isinstance(size, int) and start == 0 and isinstance(end, str):
        length = sizes.unknown(f"min({size}, {end})")
    else:
        length = sizes.unknown(f"slice({size}, {start}, {'' if whole else end})")
    return sizes.floor_divide(sizes.add(length, step - 1), step)


def _python_end(end: int, step: int) -> int | None:
    return None if step < 0 and end <= -_INT_MAX else end


def _pad(known: Known) -> Sequence[Dim | None] | None:
    x = known.shape()
    if x is None:
        return None
    pads = known.data(1)
    axes = known.numbers(3) if known.given(3) else list(range(len(x)))
    if pads is None or axes is None:
        return _outside_axes(known, x, 3) if known.given(3) else [None] * len(x)
    dims: list[Dim | None] = list(x)
    for position, axis in enumerate(axes):
        before, after = pads[position], pads[position + len(axes)]
        if before is None or after is None:
            dims[axis % len(x)] = None
        else:
            added = known.sizes.add(before, after)
            dims[axis % len(x)] = known.sizes.add(x[axis % len(x)], added)
    return dims


def _reshape(known: Known) -> Sequence[Dim | None] | None:
    x, target = known.shape(0), known.data(1)
    if target is None:
        length = known.shape(1)
        if length is not None and len(length) == 1 and isinstance(length[0], int):
            return [None] * length[0]
        return None
    keep_zeros = known.node.attributes.get_int("allowzero", 0) == 1
    dims: list[Dim | None] = []
    for axis, dim in enumerate(target):
        if dim == 0 and not keep_zeros:
            dims.append(None if x is None or axis >= len(x) else x[axis])
        else:
            dims.append(dim)
    if -1 in dims:
        rest = [dim for dim in dims if dim != -1]
        named = [dim for dim in rest if dim is not None]
        filled: Dim | None = None
        if x is not None and len(named) == len(rest) and 0 not in named:
            filled = known.sizes.floor_divide(known.sizes.product(x), known.sizes.product(named))
        dims[dims.index(-1)] = filled
    return dims


def _flatten(known: Known) -> Sequence[Dim | None] | None:
    x = known.shape()
    if x is None:
        return None
    axis = known.node.attributes.get_int("axis", 1)
    axis = axis + len(x) if axis < 0 else axis
    return [known.sizes.product(x[:axis]), known.sizes.product(x[axis:])]


def _expand(known: Known) -> Sequence[Dim | None] | None:
    x, target = known.shape(0), known.data(1)
    if x is None or target is None:
        return None
    rank = max(len(x), len(target))
    own: Elements = (1,) * (rank - len(x)) + x
    wanted: Elements = (1,) * (rank - len(target)) + target
    dims: list[Dim | None] = []
    for a, b in zip(own, wanted, strict=True):
        if a == b or b == 1:
            dims.append(a)
        elif a == 1 or (isinstance(b, int) and b > 1):
            dims.append(b)
        else:
            dims.append(a if isinstance(a, int) else None)
    return dims


def _from_data(index: int) -> Callable[[Known], Sequence[Dim | None] | None]:
    def formula(known: Known) -> Sequence[Dim | None] | None:
        data = known.data(index)
        if data is not None:
            return data
        length = known.shape(index)
        if length is not None and len(length) == 1 and isinstance(length[0], int):
            return [None] * length[0]
        return None

    return formula


def _tile(known: Known) -> Sequence[Dim | None] | None:
    x, repeats = known.shape(0), known.data(1)
    if x is None:
        return None
    if repeats is None:
        return [None] * len(x)
    return [
        None if n is None else known.sizes.multiply(dim, n)
        for dim, n in zip(x, repeats, strict=True)
    ]


def _resize(known: Known) -> Sequence[Dim | None] | None:
    x = known.shape()
    if x is None:
        return None
    axes = known.node.attributes.get_ints("axes", None)
    where = list(range(len(x))) if axes is None else [axis % len(x) for axis in axes]
    policy = known.node.attributes.get_string("keep_aspect_ratio_policy", "stretch")
    dims: list[Dim | None] = list(x)
    if known.given(3):
        sizes = known.data(3)
        for position, axis in enumerate(where):
            dims[axis] = None if sizes is None or policy != "stretch" else sizes[position]
        return dims
    scales = known.node.inputs[2] if len(known.node.inputs) > 2 else None
    constant = None if scales is None else scales.const_value
    for position, axis in enumerate(where):
        if constant is None:
            dims[axis] = None
            continue
        scale = float(constant.numpy().ravel()[position])
        if scale == int(scale):
            dims[axis] = known.sizes.multiply(x[axis], int(scale))
        elif isinstance(x[axis], str):
            inverse = 1 / scale
            exact = inverse == int(inverse)
            dims[axis] = (
                known.sizes.floor_divide(x[axis], int(inverse))
                if exact
                else known.sizes.unknown(f"floor({x[axis]}*{scale!r})")
            )
    return dims


def _depth_to_space(known: Known) -> Sequence[Dim | None] | None:
    x = known.shape()
    if x is None or len(x) != 4:
        return None
    block = known.node.attributes.get_int("blocksize", 1)
    sizes = known.sizes
    if known.node.op_type == "DepthToSpace":
        channels: Dim = sizes.floor_divide(x[1], block * block)
        return [x[0], channels, sizes.multiply(x[2], block), sizes.multiply(x[3], block)]
    channels = sizes.multiply(x[1], block * block)
    return [x[0], channels, sizes.floor_divide(x[2], block), sizes.floor_divide(x[3], block)]


def _einsum(known: Known) -> Sequence[Dim | None] | None:
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


def _reduced(known: Known) -> Sequence[Dim | None] | None:
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


def _same(known: Known) -> Sequence[Dim | None] | None:
    return known.shape()


_REDUCED = ("Sum", "Mean", "SumSquare", "L1", "L2", "LogSum", "LogSumExp", "Prod", "Max", "Min")

_SHAPES: Mapping[str, Callable[[Known], Sequence[Dim | None] | None]] = {
    **dict.fromkeys(("Conv", "MaxPool", "AveragePool", "LpPool"), _windows),
    "ConvTranspose": _conv_transpose,
    "MaxUnpool": _max_unpool,
    "Concat": _concat,
    "Slice": _slice,
    "Pad": _pad,
    "Reshape": _reshape,
    "Flatten": _flatten,
    "Expand": _expand,
    "ConstantOfShape": _from_data(0),
    "Tile": _tile,
    "Resize": _resize,
    "DepthToSpace": _depth_to_space,
    "SpaceToDepth": _depth_to_space,
    "Einsum": _einsum,
    **dict.fromkeys((f"Reduce{kind}" for kind in _REDUCED), _reduced),
    **dict.fromkeys(("ScatterElements", "ScatterND", "CumSum", "CumProd", "Trilu"), _same),
    **INDEXING_SHAPES,
}


# Elements ---------------------------------------------------------------------------------------


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
    return data[slice(starts[0], _python_end(ends[0], steps[0]), steps[0])]


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


def _extremum(name: str) -> Callable[[Sizes, Dim, Dim], Dim | None]:
    def compute(sizes: Sizes, a: Dim, b: Dim) -> Dim | None:
        if isinstance(a, int) and isinstance(b, int):
            return max(a, b) if name == "max" else min(a, b)
        return a if a == b else sizes.unknown(f"{name}({a}, {b})")

    return compute


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
    if length is None or len(length) != 1 or not 0 <= length[0] <= _LIMIT or value is None:
        return None
    array = value.as_tensor().numpy()
    return (int(array.ravel()[0]),) * length[0] if array.dtype.kind in "iub" else None


_ELEMENTS: Mapping[str, Callable[[Known], Elements | None]] = {
    "Shape": _shape_elements,
    "Size": _size_elements,
    "Gather": _gather_elements,
    "Slice": _slice_elements,
    "Concat": _concat_elements,
    **dict.fromkeys(("Identity", "Cast", "Squeeze", "Unsqueeze", "Reshape"), _kept),
    "Add": _binary(lambda sizes, a, b: sizes.add(a, b)),
    "Sub": _binary(lambda sizes, a, b: sizes.subtract(a, b)),
    "Mul": _binary(lambda sizes, a, b: sizes.multiply(a, b)),
    "Div": _binary(_quotient),
    "Equal": _binary(_equal),
    "Max": _binary(_extremum("max")),
    "Min": _binary(_extremum("min")),
    "Where": _where_elements,
    "ReduceProd": _product_elements,
    "ConstantOfShape": _filled,
}


def number_of_elements(shape: Sequence[Dim | None]) -> int | None:
    """How many elements a shape has, `None` where that is not a number."""
    known = [dim for dim in shape if dim is not None]
    return count(known) if len(known) == len(shape) else None
