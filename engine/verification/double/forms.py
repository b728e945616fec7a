"""Operators that ONNX Runtime's CPU provider has in single precision only, written of others.

Exactness is what counts here: a convolution is a matrix product over its unfolded taps, the error
function a quotient of polynomials that is right to the last digit, an interpolation the matrix that
it is. Unfolded taps are as many times the picture as the window has cells: large pictures are
unfolded in bands of rows, one after the other.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence

import numpy as np
import onnx_ir as ir

from ...errors import OperatorError
from ...expansions.registry import expansion_of
from ...expansions.table import Call
from ...graph.tensor import INT64_MAX, INT64_MIN, Tensor
from ...graph.window import Window, resolve_window
from ...importer.replay import replay
from .functions import FUNCTIONS, Function, error_function
from .resize import resized

Arguments = Sequence[Tensor | None]
Form = Callable[[Arguments, ir.Node], Tensor]

# So many bytes of unfolded taps are there at once, with twice as many on the way.
_BAND = 32 * 2**20
_DOUBLE_BYTES = 8


def _given(tensor: Tensor | None) -> Tensor:
    if tensor is None:
        raise OperatorError(
            "a node lacks an input without which its operator has no form in double precision"
        )
    return tensor


def _cells(node: ir.Node) -> tuple[int, ...]:
    """The spatial shape of the node's output, which is known."""
    return tuple(int(size) for size in (node.outputs[0].shape or ())[2:] if isinstance(size, int))


def _window(x: Tensor, node: ir.Node, kernel: Sequence[int]) -> Window:
    attributes = node.attributes
    return resolve_window(
        kernel,
        x.shape[2:],
        _cells(node),
        auto_pad=attributes.get_string("auto_pad", "NOTSET"),
        dilations=attributes.get_ints("dilations"),
        pads=attributes.get_ints("pads"),
        strides=attributes.get_ints("strides"),
    )


def _pad(x: Tensor, before: Sequence[int], after: Sequence[int]) -> Tensor:
    """Zeros around the spatial axes; less than none takes away."""
    if not any((*before, *after)):
        return x
    pads = [0, 0, *before, 0, 0, *after]
    return x.op.Pad(x, x.op.constant(pads, np.int64))


def _padded(x: Tensor, window: Window, cells: Sequence[int]) -> Tensor:
    """The picture with zeros around, just as large as the windows reach."""
    after = [
        (out - 1) * stride + span - first - size
        for out, stride, span, first, size in zip(
            cells, window.strides, window.extent, window.before, x.shape[2:], strict=True
        )
    ]
    return _pad(x, window.before, after)


def _in_bands(
    x: Tensor, window: Window, cells: Sequence[int], compute: Callable[[Tensor], Tensor]
) -> Tensor:
    """What is computed of the windows' taps, in bands of rows that are not too large.

    Args:
        x: (N, C, …).
        window: What slides.
        cells: How often along each spatial axis.
        compute: From the taps (N, C, taps, cells) of a band to its values (N, C', cells).

    Returns:
        (N, C', …).
    """
    padded = _padded(x, window, cells)
    row = math.prod((*x.shape[:2], *window.kernel, *cells[1:])) * _DOUBLE_BYTES
    height = max(1, _BAND // max(row, 1))
    bands = []
    for top in range(0, cells[0], height):
        rows = min(height, cells[0] - top)
        part = padded
        if rows < cells[0]:
            first = top * window.strides[0]
            reach = (rows - 1) * window.strides[0] + window.extent[0]
            part = padded[:, :, first : first + reach]
        band = (rows, *cells[1:])
        y = compute(_taps(part, window, band))
        bands.append(y.reshape(*y.shape[:2], *band))
    return bands[0] if len(bands) == 1 else x.op.Concat(*bands, axis=2)


def _taps(padded: Tensor, window: Window, cells: Sequence[int]) -> Tensor:
    """What each window sees: (N, C, taps, cells) from (N, C, …) with its zeros around."""
    batch, channels = padded.shape[:2]
    seen = []
    for tap in itertools.product(*map(range, window.kernel)):
        cut = [
            slice(at * dilation, at * dilation + (out - 1) * stride + 1, stride)
            for at, dilation, out, stride in zip(
                tap, window.dilations, cells, window.strides, strict=True
            )
        ]
        seen.append(padded[:, :, *cut].reshape(batch, channels, 1, math.prod(cells)))
    return seen[0] if len(seen) == 1 else padded.op.Concat(*seen, axis=2)


def _correlate(
    x: Tensor, kernels: Tensor, window: Window, cells: Sequence[int], groups: int
) -> Tensor:
    """A convolution, of kernels (groups, outputs, inputs · taps)."""
    batch = x.shape[0]
    _, outputs, rows = kernels.shape

    def product(taps: Tensor) -> Tensor:
        y = kernels @ taps.reshape(batch, groups, rows, taps.shape[3])
        return y.reshape(batch, groups * outputs, taps.shape[3])

    return _in_bands(x, window, cells, product)


def _plus_bias(y: Tensor, bias: Tensor | None) -> Tensor:
    return y if bias is None else y + bias.reshape(1, -1, *[1] * (y.rank - 2))


def _conv(given: Arguments, node: ir.Node) -> Tensor:
    x, w = _given(given[0]), _given(given[1])
    groups = node.attributes.get_int("group", 1)
    outputs, inputs, *kernel = w.shape
    kernels = w.reshape(groups, outputs // groups, inputs * math.prod(kernel))
    y = _correlate(x, kernels, _window(x, node, kernel), _cells(node), groups)
    return _plus_bias(y, given[2] if len(given) > 2 else None)


def _conv_transpose(given: Arguments, node: ir.Node) -> Tensor:
    """A convolution with the flipped kernel, over the input with zeros between its cells."""
    x, w = _given(given[0]), _given(given[1])
    attributes = node.attributes
    groups = attributes.get_int("group", 1)
    inputs, outputs, *kernel = w.shape
    cells, axes = _cells(node), len(kernel)
    ones = [1] * axes
    strides = tuple(attributes.get_ints("strides") or ones)
    dilations = tuple(attributes.get_ints("dilations") or ones)
    window = Window(tuple(kernel), tuple(ones), dilations, (0,) * axes, (0,) * axes)
    begin = _transposed_begin(x, node, window.extent, strides, cells)
    flipped = w.reshape(groups, inputs // groups, outputs, math.prod(kernel))
    flipped = flipped[:, :, :, slice(INT64_MAX, INT64_MIN, -1)].transpose(0, 2, 1, 3)
    before = tuple(span - 1 - first for span, first in zip(window.extent, begin, strict=True))
    window = Window(window.kernel, window.strides, dilations, before, before)
    rows = inputs // groups * math.prod(kernel)
    kernels = flipped.reshape(groups, outputs, rows)
    y = _correlate(_with_zeros_between(x, strides), kernels, window, cells, groups)
    return _plus_bias(y, given[2] if len(given) > 2 else None)


def _transposed_begin(
    x: Tensor,
    node: ir.Node,
    extent: Sequence[int],
    strides: Sequence[int],
    cells: Sequence[int],
) -> list[int]:
    """How many cells of the full output lie before the first one that is kept."""
    attributes = node.attributes
    auto_pad = attributes.get_string("auto_pad", "NOTSET")
    axes = len(cells)
    if auto_pad == "NOTSET" and attributes.get_ints("output_shape") is None:
        return list(attributes.get_ints("pads") or [0] * axes)[:axes]
    extra = attributes.get_ints("output_padding") or [0] * axes
    surplus = [
        max(0, (size - 1) * stride + span + more - out)
        for size, stride, span, more, out in zip(
            x.shape[2:], strides, extent, extra, cells, strict=True
        )
    ]
    return [n // 2 if auto_pad == "SAME_UPPER" else n - n // 2 for n in surplus]


def _with_zeros_between(x: Tensor, strides: Sequence[int]) -> Tensor:
    """(N, C, H, …) as (N, C, H · stride, …), zeros behind each cell."""
    if set(strides) == {1}:
        return x
    batch, channels, *sizes = x.shape
    apart = x.reshape(batch, channels, *(n for size in sizes for n in (size, 1)))
    zeros = [0, 0, *(n for stride in strides for n in (0, stride - 1))]
    apart = x.op.Pad(apart, x.op.constant([0] * len(zeros) + zeros, np.int64))
    spread = (size * stride for size, stride in zip(sizes, strides, strict=True))
    return apart.reshape(batch, channels, *spread)


def _average_pool(given: Arguments, node: ir.Node) -> Tensor:
    x = _given(given[0])
    window = _window(x, node, node.attributes["kernel_shape"].as_ints())
    cells = _cells(node)
    with_padding = node.attributes.get_int("count_include_pad", 0) == 1
    counts = np.ones(())
    for axis, (size, out) in enumerate(zip(x.shape[2:], cells, strict=True)):
        first = np.arange(out)[:, None] * window.strides[axis] - window.before[axis]
        seen = first + np.arange(window.kernel[axis]) * window.dilations[axis]
        low, high = (-window.before[axis], size + window.after[axis]) if with_padding else (0, size)
        counts = np.multiply.outer(counts, ((seen >= low) & (seen < high)).sum(1))
    return _in_bands(x, window, cells, lambda taps: taps.sum(2)) / counts


def _lp_pool(given: Arguments, node: ir.Node) -> Tensor:
    x = _given(given[0])
    power = float(node.attributes.get_int("p", 2))
    window = _window(x, node, node.attributes["kernel_shape"].as_ints())
    cells = _cells(node)
    total = _in_bands(abs(x) ** power, window, cells, lambda taps: taps.sum(2))
    return total ** (1 / power)


def _global_average_pool(given: Arguments, _: ir.Node) -> Tensor:
    x = _given(given[0])
    return x.mean(list(range(2, x.rank)), keepdims=True)


def _global_max_pool(given: Arguments, _: ir.Node) -> Tensor:
    x = _given(given[0])
    return x.op.ReduceMax(x, x.op.constant(list(range(2, x.rank)), np.int64), keepdims=1)


def _grid_sample(given: Arguments, node: ir.Node) -> Tensor:
    """As of opset 20, since which it is there in double precision, and its modes have new names."""
    x, attributes = _given(given[0]), node.attributes
    mode = attributes.get_string("mode", "linear")
    return x.op.GridSample(
        x,
        _given(given[1]),
        mode={"bilinear": "linear", "bicubic": "cubic"}.get(mode, mode),
        align_corners=attributes.get_int("align_corners", 0),
        padding_mode=attributes.get_string("padding_mode", "zeros"),
    )


def _global_lp_pool(given: Arguments, node: ir.Node) -> Tensor:
    x = _given(given[0])
    power = float(node.attributes.get_int("p", 2))
    return (abs(x) ** power).sum(list(range(2, x.rank)), keepdims=True) ** (1 / power)


def _mean(given: Arguments, _: ir.Node) -> Tensor:
    parts = [_given(part) for part in given]
    return parts[0].op.Sum(*parts) / float(len(parts))


def _instance_normalization(given: Arguments, node: ir.Node) -> Tensor:
    x, scale, bias = (_given(part) for part in given)
    axes = list(range(2, x.rank))
    centred = x - x.mean(axes, keepdims=True)
    variance = (centred**2).mean(axes, keepdims=True)
    normal = centred / (variance + node.attributes.get_float("epsilon", 1e-5)).sqrt()
    by_channel = (1, -1, *[1] * len(axes))
    return normal * scale.reshape(*by_channel) + bias.reshape(*by_channel)


def _layer_normalization(given: Arguments, node: ir.Node) -> list[Tensor]:
    """ONNX Runtime gives mean and inverse deviation in single precision."""
    x, scale = _given(given[0]), _given(given[1])
    axes = list(range(node.attributes.get_int("axis", -1) % x.rank, x.rank))
    mean = x.mean(axes, keepdims=True)
    variance = ((x - mean) ** 2).mean(axes, keepdims=True)
    deviation = (variance + node.attributes.get_float("epsilon", 1e-5)).sqrt()
    y = (x - mean) / deviation * scale
    if len(given) > 2 and given[2] is not None:
        y = y + given[2]
    return [y, mean, 1.0 / deviation]


def _local_response(given: Arguments, node: ir.Node) -> Tensor:
    x = _given(given[0])
    attributes = node.attributes
    size = attributes["size"].as_int()
    before, after = (size - 1) // 2, size - 1 - (size - 1) // 2
    ends = [0, before, *[0] * (x.rank - 2), 0, after, *[0] * (x.rank - 2)]
    squares = x.op.Pad(x**2, x.op.constant(ends, np.int64))
    channels = x.shape[1]
    near = [squares[:, start : start + channels] for start in range(size)]
    total = near[0] if size == 1 else x.op.Sum(*near)
    base = total * (attributes.get_float("alpha", 1e-4) / size) + attributes.get_float("bias", 1.0)
    return x / base ** attributes.get_float("beta", 0.75)


def _erf(given: Arguments, _: ir.Node) -> Tensor:
    return error_function(_given(given[0]))


def _gelu(given: Arguments, node: ir.Node) -> Tensor:
    x = _given(given[0])
    if node.attributes.get_string("approximate", "none") == "tanh":
        inner = (x + x**2 * x * 0.044715) * math.sqrt(2 / math.pi)
        return x * (x.op.Tanh(inner) + 1.0) * 0.5
    return x * (error_function(x * math.sqrt(0.5)) + 1.0) * 0.5


def _tan(given: Arguments, _: ir.Node) -> Tensor:
    x = _given(given[0])
    return x.op.Sin(x) / x.op.Cos(x)


def _sinh(given: Arguments, _: ir.Node) -> Tensor:
    x = _given(given[0])
    return (x.op.Exp(x) - x.op.Exp(-x)) * 0.5


def _cosh(given: Arguments, _: ir.Node) -> Tensor:
    x = _given(given[0])
    return (x.op.Exp(x) + x.op.Exp(-x)) * 0.5


def _one_hot(given: Arguments, node: ir.Node) -> Tensor:
    """Where it is on in single precision, which of the two values in double."""
    indices, depth, values = (_given(part) for part in given)
    ends = values.op.constant([0, 1], np.float32)
    on = values.op.OneHot(indices, depth, ends, axis=node.attributes.get_int("axis", -1))
    off = values[0:1].reshape()
    return on.astype(np.dtype(np.float64)) * (values[1:2].reshape() - off) + off


def _prelu(given: Arguments, _: ir.Node) -> Tensor:
    x, slope = (_given(part) for part in given)
    return x.op.Relu(x) - x.op.Relu(-x) * slope


def _of_one_number(function: Function) -> Form:
    return lambda given, node: function(_given(given[0]), node)


def _dropout(given: Arguments, _: ir.Node) -> list[Tensor]:
    """What it does outside of training; ONNX Runtime would pass on a ratio that is computed."""
    x = _given(given[0])
    op = x.builder.op
    return [x, op.ConstantOfShape(op.Shape(x), value=np.ones(1, np.bool_))]


def _lstm(given: Arguments, node: ir.Node) -> list[Tensor]:
    """Step by step; ONNX Runtime says that it has the operator, and then that it has not."""
    expansion = expansion_of("", "LSTM")
    assert expansion is not None
    call = Call(_given(given[0]).builder, node, given, _no_outer_value, replay)
    return [_given(output) for output in expansion(call) or ()]


def _no_outer_value(value: ir.Value) -> Tensor:
    raise OperatorError(
        f"a recurrence reads {value.name!r} from outside of itself, which has no form in double "
        "precision"
    )


FORMS: dict[str, Form] = {
    "AveragePool": _average_pool,
    "Conv": _conv,
    "ConvTranspose": _conv_transpose,
    "Cosh": _cosh,
    "Erf": _erf,
    "Gelu": _gelu,
    "GlobalAveragePool": _global_average_pool,
    "GlobalLpPool": _global_lp_pool,
    "GlobalMaxPool": _global_max_pool,
    "GridSample": _grid_sample,
    "InstanceNormalization": _instance_normalization,
    "LRN": _local_response,
    "LpPool": _lp_pool,
    "Mean": _mean,
    "OneHot": _one_hot,
    "PRelu": _prelu,
    "Resize": resized,
    "Sinh": _sinh,
    "Tan": _tan,
    **{op_type: _of_one_number(function) for op_type, function in FUNCTIONS.items()},
}
"""By operator of the standard domain: from the inputs, in double precision, to the one output."""

SEVERAL: dict[str, Callable[[Arguments, ir.Node], list[Tensor]]] = {
    "Dropout": _dropout,
    "LSTM": _lstm,
    "LayerNormalization": _layer_normalization,
}
"""Operators with several outputs, likewise; nodes may have fewer of them."""

SINCE = {"GridSample": 20}
"""Operators that ONNX Runtime has in double precision since a later opset than 18."""
