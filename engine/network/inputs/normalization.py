"""What a network does to its input first: constants added and multiplied, colours reversed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from ...graph.traits import Trait, has

# Constants that exporters leave to be computed.
_COMPUTABLE: dict[str, Callable[..., np.ndarray]] = {
    "Identity": lambda x: x,
    "Cast": lambda x: x,
    "Sqrt": np.sqrt,
    "Reciprocal": np.reciprocal,
    "Neg": np.negative,
    "Add": np.add,
    "Sub": np.subtract,
    "Mul": np.multiply,
    "Div": np.divide,
    "Max": np.maximum,
    "Pow": np.power,
    "Reshape": lambda x, shape: x.reshape([int(n) for n in shape]),
    "Unsqueeze": lambda x, axes: np.expand_dims(x, tuple(int(n) for n in axes.ravel())),
}


@dataclass(frozen=True)
class Normalization:
    """x · scale + shift, for each colour in the order in which the arithmetic sees them.

    Attributes:
        scale: A factor for each.
        shift: A summand for each.
        reversed: Whether the colours of the input are reversed first.
        nodes: Operators that do it, in order.
    """

    scale: tuple[float, ...]
    shift: tuple[float, ...]
    reversed: bool
    nodes: tuple[str, ...]

    def ends(self, white: float) -> tuple[float, float]:
        """Return the least and greatest that comes out of 0 to `white`."""
        values = [
            b + a * x for a, b in zip(self.scale, self.shift, strict=True) for x in (0, white)
        ]
        return min(values), max(values)


def find_normalization(
    graph: ir.Graph, image: ir.Value, axis: int, channels: int = 3
) -> Normalization | None:
    """Follow the input as long as nothing but arithmetic with constants is done to it.

    Args:
        graph: The network.
        image: Its input.
        axis: The axis of its colours.
        channels: How many there are.

    Returns:
        `None` where there is no arithmetic.
    """
    value, scale, shift = image, np.ones(channels), np.zeros(channels)
    rank = 4 if image.shape is None else len(image.shape)
    turned, names = False, []
    while True:
        readers = [node for node, _ in value.uses() if node.op_type != "Shape"]
        if len(readers) != 1 or readers[0].domain != "" or value in graph.outputs:
            break
        node = readers[0]
        if node.op_type == "Transpose":
            order = node.attributes.get_ints("perm", None)
            if order is None:
                break
            axis = list(order).index(axis)
        elif _reverses(node, axis, rank):
            turned, scale, shift = not turned, scale[::-1], shift[::-1]
        elif node.op_type in ("Add", "Sub", "Mul", "Div"):
            changed = _arithmetic(node, value, (axis, rank), scale, shift)
            if changed is None:
                break
            scale, shift = changed
            names.append(node.op_type)
        elif not has(node, Trait.COPYING) or node.inputs[0] is not value:
            break
        value = node.outputs[0]
    if not names or not np.all(np.isfinite([scale, shift])) or not np.all(scale):
        return None
    return Normalization(tuple(map(float, scale)), tuple(map(float, shift)), turned, tuple(names))


def _arithmetic(
    node: ir.Node, value: ir.Value, axis: tuple[int, int], scale: np.ndarray, shift: np.ndarray
) -> tuple[np.ndarray, np.ndarray] | None:
    """Scale and shift with one more node; `None` where its other operand is no constant.

    `axis` is that of the channels, and how many there are.
    """
    left, right = node.inputs
    first = left is value
    array = _constant(right if first else left)
    colours = None if array is None else _per_colour(array, *axis, len(scale))
    if colours is None:
        return None
    if node.op_type == "Add":
        return scale, shift + colours
    if node.op_type == "Mul":
        return scale * colours, shift * colours
    if node.op_type == "Sub":
        return (scale, shift - colours) if first else (-scale, colours - shift)
    if not first or not np.all(colours):
        return None
    return scale / colours, shift / colours


def _per_colour(array: np.ndarray, axis: int, rank: int, channels: int) -> np.ndarray | None:
    """One number for each colour, of a constant that broadcasts over a picture."""
    if array.size == 1:
        return np.full(channels, float(array.ravel()[0]))
    shape = (1,) * (rank - array.ndim) + array.shape
    if array.size != channels or len(shape) != rank or shape[axis] != channels:
        return None
    return array.ravel().astype(np.float64)


def _reverses(node: ir.Node, axis: int, rank: int) -> bool:
    """Whether the node puts the colours into the opposite order."""
    if node.op_type == "Gather" and node.attributes.get_int("axis", 0) % rank == axis:
        indices = _constant(node.inputs[1])
        return indices is not None and list(indices.ravel() % 3) == [2, 1, 0]
    if node.op_type == "Slice" and len(node.inputs) == 5:
        axes, steps = (_constant(value) for value in node.inputs[3:])
        if axes is None or steps is None:
            return False
        return list(axes.ravel() % rank) == [axis] and list(steps.ravel()) == [-1]
    return False


def _constant(value: ir.Value | None) -> np.ndarray | None:
    """The data of a constant, also of one that small operators compute."""
    if value is None:
        return None
    if value.const_value is not None:
        return value.const_value.numpy() if value.const_value.size <= 64 else None
    node = value.producer()
    if node is None:
        return None
    if node.op_type == "Constant":
        for name in ("value", "value_float", "value_floats", "value_int", "value_ints"):
            attribute = node.attributes.get(name)
            if attribute is not None:
                return np.asarray(
                    attribute.as_tensor().numpy() if name == "value" else attribute.value
                )
        return None
    inputs = [_constant(operand) for operand in node.inputs]
    if node.op_type not in _COMPUTABLE or any(array is None for array in inputs):
        return None
    return np.asarray(_COMPUTABLE[node.op_type](*inputs))
