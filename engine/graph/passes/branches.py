"""Give each branch of a concatenation a cotangent of its own.

The cotangent of a concatenated layer is a sum of what the next layer's convolutions say of all its
channels, and is then cut into what each branch is to know. Cut before it is summed, a convolution
becomes several with some rows of its kernel each: the same numbers from the same work. But where a
runtime keeps the channels of convolutions in blocks, as ONNX Runtime does on CPUs, nothing has to
leave that layout any more.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass
from itertools import pairwise

import onnx_ir as ir

from ..builder import Builder
from ..cuts import constant_cuts
from ..tensor import Tensor
from .plan import Plan

# What gradients are made of, and the same on some channels as on all. Of other operators that treat
# each element alone the values are there from the way forwards: parts would be computed again.
_ELEMENTWISE = frozenset({"Add", "HardSigmoid", "Mul", "Sub", "Sum"})

# Channels of a block, at most.
BLOCK = 16

# How many operators there may be between a cut and a convolution.
_DEPTH = 16

# How many operators may make a constant, for those who ask.
_MOST_OPERATORS = 32


@dataclass(frozen=True)
class _Cut:
    """Channels `start` to `stop` of a value, cut out by a Slice."""

    node: ir.Node
    start: int
    stop: int


def separate_branches(builder: Builder, plan: Plan) -> None:
    """Cut sums of convolutions before they are computed, where all that reads them are cuts.

    Only for a runtime that keeps channels in blocks. The parts are the whole's numbers.
    """
    if not plan.blocked:
        return
    kept = plan.kept
    nodes = list(builder.graph)
    values = [value for node in nodes for value in node.outputs if value not in kept]
    # What another node reads as well would be computed twice.
    alone = {value for value in values if len(value.uses()) == 1}
    changed = False
    for value in values:
        for cut in _partition(value):
            taken = cut.node.outputs[0]
            if taken in kept or taken.is_graph_output():
                continue
            part = _part(builder, value, cut, alone, whole=value)
            if part is not None:
                taken.replace_all_uses_with(part.value)
                changed = True
    if changed:
        builder.graph.sort()


def _partition(value: ir.Value) -> list[_Cut]:
    """The cuts that read a value, where nothing else does and they do not overlap, or none."""
    readers = value.consumers()
    if len(readers) < 2 or value.is_graph_output() or value.shape is None:
        return []
    if len(value.shape) != 4 or any(reader.op_type != "Slice" for reader in readers):
        return []
    size, cuts = value.shape[1], []
    for reader in readers:
        taken = constant_cuts(reader)
        if taken is None or len(taken) != 1 or not isinstance(size, int):
            return []
        positions = taken[0].positions(size)
        if taken[0].axis != 1 or positions.step != 1 or not positions:
            return []
        cuts.append(_Cut(reader, positions.start, positions.stop))
    cuts.sort(key=lambda cut: cut.start)
    overlap = any(a.stop > b.start for a, b in pairwise(cuts))
    return [] if overlap else cuts


def _part(
    builder: Builder,
    value: ir.Value,
    cut: _Cut,
    alone: Container[ir.Value],
    depth: int = 0,
    whole: ir.Value | None = None,
) -> Tensor | None:
    """Some channels of a value, without the others; `None` where that saves no cut.

    Args:
        builder: The graph.
        value: Of four axes.
        cut: Which channels.
        alone: Values that are read once.
        depth: How far behind the cut the value is; far away nothing is looked for.
        whole: The value that is cut: all that reads it are cuts.
    """
    node = value.producer()
    if node is None or node.domain != "" or value.is_graph_output():
        return None
    if node.op_type == "Concat":
        return _branch(builder, node, cut)
    if (value not in alone and value is not whole) or depth > _DEPTH:
        return None
    if node.op_type == "Conv":
        return _convolution(builder, node, cut, alone, depth)
    if node.op_type in _ELEMENTWISE:
        return _elementwise(builder, node, cut, alone, depth)
    first = node.inputs[0] if node.inputs else None
    if node.op_type == "AveragePool" and first is not None and _is_convolution(first):
        upper = _part(builder, first, cut, alone, depth + 1)
        return None if upper is None else _again(builder, node, [upper])
    return None


def _branch(builder: Builder, node: ir.Node, cut: _Cut) -> Tensor | None:
    """The branch that is just these channels."""
    if node.attributes.get_int("axis", 0) not in (1, -3):
        return None
    offset = 0
    for branch in node.inputs:
        if branch is None or branch.shape is None or not isinstance(branch.shape[1], int):
            return None
        if (offset, offset + branch.shape[1]) == (cut.start, cut.stop):
            return Tensor(builder, branch)
        offset += branch.shape[1]
    return None


def _convolution(
    builder: Builder, node: ir.Node, cut: _Cut, alone: Container[ir.Value], depth: int
) -> Tensor | None:
    """Some output channels of a convolution: some rows of its kernel and bias."""
    x, *weights = node.inputs
    rows = [Tensor(builder, value) for value in weights if value is not None]
    if x is None or not rows or not all(is_constant(tensor.value) for tensor in rows):
        return None
    attributes, given = dict(node.attributes), Tensor(builder, x)
    if node.attributes.get_int("group", 1) > 1:
        # Depthwise: each output channel is made of one input channel.
        if rows[0].dims[1] != 1 or given.dims[1] != rows[0].dims[0] or not _is_convolution(x):
            return None
        upper = _part(builder, x, cut, alone, depth + 1)
        if upper is None:
            return None
        given, attributes["group"] = upper, ir.AttrInt64("group", cut.stop - cut.start)
    taken = [tensor[cut.start : cut.stop] for tensor in rows]
    return builder.append("Conv", [given, *taken], attributes)[0]


def _is_convolution(value: ir.Value | None) -> bool:
    node = None if value is None else value.producer()
    return node is not None and node.op_type == "Conv"


def channels_of(value: ir.Value | None) -> int:
    """Return how many channels a picture has, 0 where that is not known."""
    if value is None or value.shape is None or len(value.shape) < 2:
        return 0
    channels = value.shape[1]
    return channels if isinstance(channels, int) else 0


def fills_blocks(value: ir.Value | None) -> bool:
    """Return whether the channels of a value are a whole number of blocks."""
    return channels_of(value) % BLOCK == 0 < channels_of(value)


def is_constant(value: ir.Value) -> bool:
    """Return whether a value is made of constants alone, and so is computed once."""
    pending: list[ir.Value | None] = [value]
    seen: set[ir.Value] = set()
    while pending:
        operand = pending.pop()
        if operand is None or operand in seen or operand.const_value is not None:
            continue
        node = operand.producer()
        if node is None or len(seen) == _MOST_OPERATORS:
            return False
        seen.add(operand)
        pending += node.inputs
    return True


def _elementwise(
    builder: Builder, node: ir.Node, cut: _Cut, alone: Container[ir.Value], depth: int
) -> Tensor | None:
    """The operator on some channels of its operands; those that cannot do without are cut."""
    whole = node.outputs[0].shape
    operands = [value for value in node.inputs if value is not None and value.shape == whole]
    if len(operands) != len(node.inputs):
        return None
    parts = [_part(builder, operand, cut, alone, depth + 1) for operand in operands]
    if all(part is None for part in parts):
        return None
    return _again(
        builder,
        node,
        [
            Tensor(builder, operand)[:, cut.start : cut.stop] if part is None else part
            for operand, part in zip(operands, parts, strict=True)
        ],
    )


def _again(builder: Builder, node: ir.Node, inputs: Sequence[Tensor]) -> Tensor:
    return builder.append(node.op_type, inputs, dict(node.attributes))[0]


def merge_convolutions(builder: Builder, plan: Plan) -> None:
    """Write summed convolutions of one tap as one over several values side by side.

    Only for a runtime that keeps channels in blocks. The sum is added up in another order.
    """
    if not plan.blocked:
        return
    kept = plan.kept
    changed = False
    for node in list(builder.graph):
        total = node.outputs[0]
        if node.op_type != "Sum" or node.domain != "" or total in kept or total.is_graph_output():
            continue
        terms = [value for value in node.inputs if value is not None]
        if any(value.shape != total.shape for value in terms):
            # What is spread over the others has no place beside them.
            continue
        plain = [value for value in terms if _is_product(value) and value not in kept]
        if len(plain) < 2:
            continue
        factors = [_operands(builder, value) for value in plain]
        merged = builder.op.Conv(
            *(builder.op.Concat(*operands, axis=1) for operands in zip(*factors, strict=True))
        )
        rest = [Tensor(builder, value) for value in terms if value not in plain]
        result = builder.op.Sum(merged, *rest) if rest else merged
        total.replace_all_uses_with(result.value)
        changed = True
    if changed:
        builder.graph.sort()


def is_plain_convolution(value: ir.Value) -> bool:
    """Return whether a value is a convolution with a constant kernel alone, and is read once."""
    node = value.producer()
    if node is None or node.op_type != "Conv" or node.domain != "":
        return False
    kernel, bias = [*node.inputs[1:], None][:2]
    alone = len(value.uses()) == 1 and not value.is_graph_output()
    return alone and bias is None and kernel is not None and is_constant(kernel)


def _is_product(value: ir.Value) -> bool:
    """Whether a value is a plain convolution of one tap, over channels that fill blocks."""
    node = value.producer()
    if node is None or not is_plain_convolution(value):
        return False
    x, kernel = node.inputs[:2]
    attributes = node.attributes
    return (
        fills_blocks(x)
        and kernel is not None
        and kernel.shape is not None
        and list(kernel.shape)[2:] == [1, 1]
        and attributes.get_int("group", 1) == 1
        and set(attributes.get_ints("strides", [1])) == {1}
        and set(attributes.get_ints("pads", [0])) == {0}
        and attributes.get_string("auto_pad", "NOTSET") == "NOTSET"
    )


def _operands(builder: Builder, value: ir.Value) -> list[Tensor]:
    """What a convolution reads."""
    node = value.producer()
    inputs = () if node is None else node.inputs
    return [Tensor(builder, operand) for operand in inputs if operand is not None]
