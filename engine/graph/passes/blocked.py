"""Keep values in the layout that ONNX Runtime's convolutions have on CPUs.

There the channels of a picture are kept in blocks of 8 or 16 (NCHWc). Convolutions, pools and some
operators of single elements work in that layout; for every other operator the runtime writes the
value anew, and again behind it. What stands between two blocked values is therefore written in
operators that stay: a depthwise convolution of one tap multiplies each channel by a number, adds
one, and adds another value on the way; a mean over all positions is a pool; what is the same at all
positions is enlarged to them.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence

import numpy as np
import onnx_ir as ir

from ..builder import Builder
from ..tensor import Tensor
from .branches import channels_of, fills_blocks, is_plain_convolution
from .plan import Plan

# What ONNX Runtime has in its blocked layout is for the runtime to say, not for the operators.
#
# Always blocked, whatever they read.
_SOURCES = frozenset({"AveragePool", "Conv", "GlobalAveragePool", "MaxPool"})
# Blocked where all that they read is.
_FOLLOWERS = frozenset(
    {"Add", "Clip", "Concat", "HardSigmoid", "LeakyRelu", "Mul", "Relu", "Resize", "Sigmoid"}
    | {"Tanh"}
)


def keep_blocked(builder: Builder, plan: Plan) -> None:
    """Write what stands between blocked values in forms that stay so, with the same result.

    Only for a runtime that keeps channels in blocks.
    """
    if not plan.blocked:
        return
    nodes = list(builder.graph)
    blocks = _Blocks(builder, _between(nodes))
    for node in nodes:
        blocks.look_at(node.outputs[0])
        rewrite = _REWRITES.get(node.op_type) if node.domain == "" else None
        if rewrite in _STAYING and node.outputs[0] not in blocks.between:
            continue
        if rewrite is None or node.outputs[0] in plan.kept or node.outputs[0].is_graph_output():
            continue
        result = rewrite(blocks, node)
        if result is not None:
            node.outputs[0].replace_all_uses_with(result.value)
    builder.graph.sort()


def _between(nodes: Sequence[ir.Node]) -> set[ir.Value]:
    """The values that can be blocked all the way from one convolution or pool to another.

    To write others in blocks would only move the place where the layout is left.
    """
    passing = _FOLLOWERS | _REWRITES.keys()
    reached: set[ir.Value] = set()
    for node in nodes:
        y = node.outputs[0]
        if node.domain == "" and _is_picture(y):
            varying = [x for x in node.inputs if x is not None and x.const_value is None]
            passes = node.op_type in passing and any(x in reached for x in varying)
            if passes or node.op_type in _SOURCES:
                reached.add(y)
    wanted: set[ir.Value] = set()
    for node in reversed(nodes):
        goes_on = node.op_type in passing and node.outputs[0] in wanted
        if node.domain == "" and (goes_on or node.op_type in _SOURCES):
            wanted.update(x for x in node.inputs if x is not None and x in reached)
    return wanted


class _Blocks:
    """Knows which values are blocked, and writes what stays so.

    Attributes:
        builder: The graph.
        between: Values of the graph that are worth keeping in blocks.
    """

    def __init__(self, builder: Builder, between: Container[ir.Value]) -> None:
        self.builder = builder
        self.between = between
        self._known: dict[ir.Value, bool] = {}

    def look_at(self, value: ir.Value) -> None:
        """Remember a value whose node's inputs are known: so no chain is too long."""
        _ = value in self

    def __contains__(self, value: ir.Value | None) -> bool:
        if value is None or not _is_picture(value):
            return False
        if value not in self._known:
            self._known[value] = self._look(value)
        return self._known[value]

    def _look(self, value: ir.Value) -> bool:
        node = value.producer()
        if node is None or node.domain != "" or value is not node.outputs[0]:
            return False
        if any(output.name for output in node.outputs[1:]):
            # Such as a pool with Indices.
            return False
        if node.op_type == "Conv":
            return node.attributes.get_int("group", 1) == 1 or fills_blocks(value)
        if node.op_type == "Concat":
            return all(x in self and fills_blocks(x) for x in node.inputs)
        if node.op_type in _FOLLOWERS:
            pictures = [x for x in node.inputs if x is not None and x.const_value is None]
            return all(x in self and x.shape == value.shape for x in pictures) or (
                node.op_type == "Resize" and node.inputs[0] in self
            )
        return node.op_type in _SOURCES

    def scalable(self, value: ir.Value | None) -> Tensor | None:
        """A blocked value, where `scaled` leaves it blocked."""
        if value is None or value not in self or not fills_blocks(value):
            return None
        return Tensor(self.builder, value)

    def scaled(self, x: Tensor, factor: float | np.ndarray, plus: float | np.ndarray = 0) -> Tensor:
        """Each channel times a number, and a number more."""
        channels = channels_of(x.value)
        if np.all(np.asarray(plus) == 0) and is_plain_convolution(x.value):
            return self._with_scaled_kernel(x, factor)
        kernel = np.broadcast_to(np.asarray(factor, np.float32), (channels,))
        bias = np.broadcast_to(np.asarray(plus, np.float32), (channels,))
        return self.builder.op.Conv(
            x,
            self.builder.constant(kernel.reshape(channels, 1, 1, 1)),
            self.builder.constant(bias) if bias.any() else None,
            group=channels,
        )

    def _with_scaled_kernel(self, y: Tensor, factor: float | np.ndarray) -> Tensor:
        """The convolution that gives a value, times a number for each channel."""
        node = y.value.producer()
        assert node is not None
        rows = np.asarray(factor, np.float32).reshape(-1, 1, 1, 1)
        x, kernel = (Tensor(self.builder, value) for value in node.inputs[:2] if value is not None)
        scaled = kernel * self.builder.constant(rows)
        return self.builder.append("Conv", [x, scaled], dict(node.attributes))[0]

    def enlarged(self, x: Tensor, like: ir.Value) -> Tensor | None:
        """What is given for each channel, at all positions; `None` where these are open."""
        shape = () if like.shape is None else like.shape
        sizes = [size for size in shape[2:] if isinstance(size, int)]
        if len(sizes) != 2:
            return None
        scales = self.builder.constant([1, 1, *sizes], np.float32)
        return self.builder.append(
            "Resize",
            [x, None, scales],
            {
                "mode": "nearest",
                "coordinate_transformation_mode": "asymmetric",
                "nearest_mode": "floor",
            },
        )[0]


Rewrite = Callable[[_Blocks, ir.Node], Tensor | None]


def _is_picture(value: ir.Value) -> bool:
    return value.shape is not None and len(value.shape) == 4 and value.dtype == ir.DataType.FLOAT


def _numbers(value: ir.Value | None, channels: int) -> np.ndarray | float | None:
    """A constant that is one number, or one for each channel."""
    if value is None or value.const_value is None or value.const_value.size not in (1, channels):
        return None
    array, shape = value.const_value.numpy(), tuple(value.const_value.shape)
    if array.size == 1:
        return float(array.ravel()[0]) if array.ndim <= 4 else None
    of_channels = [size for size in shape[-3:-2] if size == channels]
    return array.ravel() if of_channels else None


def _is_spread(value: ir.Value | None, like: ir.Value) -> bool:
    """Whether a value has one number for each channel of each picture of another."""
    if value is None or value.shape is None or like.shape is None:
        return False
    return list(value.shape) == [*list(like.shape)[:2], 1, 1] and value.shape != like.shape


# Rewrites ---------------------------------------------------------------------------------------


def _sum(blocks: _Blocks, node: ir.Node) -> Tensor | None:
    """Two by two: the runtime adds to what a convolution computes as it computes it."""
    builder, whole = blocks.builder, node.outputs[0].shape
    terms = [x for x in node.inputs if x is not None and x.shape == whole]
    if len(terms) != len(node.inputs) or len(terms) < 2:
        return None
    inside = [Tensor(builder, x) for x in terms if x in blocks]
    outside = [Tensor(builder, x) for x in terms if x not in blocks]
    if not inside or (len(terms) == 2 and not outside):
        return None
    total = _total(blocks, inside)
    if not outside:
        return total
    other = _total(blocks, outside)
    if fills_blocks(node.outputs[0]) and node.outputs[0] in blocks.between:
        # One order, and the sum comes with it.
        return total + blocks.scaled(other, 1.0)
    return total + other if len(terms) > 2 else None


def _total(blocks: _Blocks, terms: list[Tensor]) -> Tensor:
    total = terms[0]
    for term in terms[1:]:
        total = total + term
        blocks.look_at(total.value)
    return total


def _add(blocks: _Blocks, node: ir.Node) -> Tensor | None:
    x, y = node.inputs[:2]
    if node.outputs[0] not in blocks.between:
        return None
    return _sum(blocks, node) or _shifted(blocks, x, y, 1.0) or _shifted(blocks, y, x, 1.0)


def _subtract(blocks: _Blocks, node: ir.Node) -> Tensor | None:
    x, y = node.inputs[:2]
    taken = blocks.scalable(y)
    if x is not None and y is not None and x in blocks and y in blocks and x.shape == y.shape:
        if taken is None:
            return None
        return Tensor(blocks.builder, x) + blocks.scaled(taken, -1.0)
    return _shifted(blocks, y, x, -1.0) or _shifted(blocks, x, y, 1.0, -1.0)


def _shifted(
    blocks: _Blocks, value: ir.Value | None, number: ir.Value | None, factor: float, sign: float = 1
) -> Tensor | None:
    """A multiple of a blocked value and a number of the graph."""
    x = blocks.scalable(value)
    plus = _numbers(number, channels_of(value))
    return None if x is None or plus is None else blocks.scaled(x, factor, sign * plus)


def _multiply(blocks: _Blocks, node: ir.Node) -> Tensor | None:
    for x, y in (node.inputs[:2], node.inputs[1::-1]):
        if x is None or y is None or x not in blocks:
            continue
        scalable, factor = blocks.scalable(x), _numbers(y, channels_of(x))
        if scalable is not None and factor is not None:
            return blocks.scaled(scalable, factor)
        if _is_spread(y, x) and y in blocks:
            whole = blocks.enlarged(Tensor(blocks.builder, y), x)
            return None if whole is None else Tensor(blocks.builder, x) * whole
    return None


def _divide(blocks: _Blocks, node: ir.Node) -> Tensor | None:
    x = blocks.scalable(node.inputs[0])
    divisor = _numbers(node.inputs[1], channels_of(node.inputs[0]))
    if x is None or divisor is None or not np.all(divisor):
        return None
    return blocks.scaled(x, 1.0 / np.asarray(divisor, np.float64))


def _negate(blocks: _Blocks, node: ir.Node) -> Tensor | None:
    x = blocks.scalable(node.inputs[0])
    return None if x is None else blocks.scaled(x, -1.0)


def _mean(blocks: _Blocks, node: ir.Node) -> Tensor | None:
    """Over all positions, by a pool."""
    x, axes = [*node.inputs, None][:2]
    if x is None or x not in blocks or node.attributes.get_int("keepdims", 1) != 1:
        return None
    if axes is None or axes.const_value is None:
        return None
    if sorted(int(axis) % 4 for axis in axes.const_value.numpy().ravel()) != [2, 3]:
        return None
    mean = blocks.builder.op.GlobalAveragePool(Tensor(blocks.builder, x))
    if node.op_type == "ReduceMean":
        return mean
    sizes = [] if x.shape is None else [size for size in x.shape[2:] if isinstance(size, int)]
    if len(sizes) != 2 or not fills_blocks(x):
        return None
    return blocks.scaled(mean, float(np.prod(sizes)))


def _expand(blocks: _Blocks, node: ir.Node) -> Tensor | None:
    x, y = node.inputs[0], node.outputs[0]
    if x is None or x not in blocks or not _is_spread(x, y):
        return None
    return blocks.enlarged(Tensor(blocks.builder, x), y)


def _hard_swish(blocks: _Blocks, node: ir.Node) -> Tensor | None:
    """As the runtime writes it, but early enough to share its ramp with the gradient."""
    x = node.inputs[0]
    if x is None or x.dtype != ir.DataType.FLOAT:
        return None
    tensor = Tensor(blocks.builder, x)
    return tensor * blocks.builder.op.HardSigmoid(tensor, alpha=1 / 6, beta=0.5)


_REWRITES: dict[str, Rewrite] = {
    "Add": _add,
    "Div": _divide,
    "Expand": _expand,
    "HardSwish": _hard_swish,
    "Mul": _multiply,
    "Neg": _negate,
    "ReduceMean": _mean,
    "ReduceSum": _mean,
    "Sub": _subtract,
    "Sum": _sum,
}

# Those that leave blocks where the runtime would have left them before.
_STAYING = (_divide, _expand, _multiply, _negate, _subtract)
