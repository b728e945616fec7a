"""The stem of a network: what it does to a picture first, as long as that is affine.

Where the gradients of several samples are added up, each needs to be known behind the stem alone:
the stem is linear but for a constant, so that the sum goes back through it once. The first
convolution, on the whole picture, has one of the slowest gradients of a network.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import onnx_ir as ir

from ..gradient.walk import backpropagate
from ..graph.tensor import Tensor
from ..graph.walks import ancestors, read_by
from ..rules.table import RuleTable


@dataclass(frozen=True)
class Step:
    """One node of a stem.

    Attributes:
        op_type: An operator of ONNX's own domain.
        attributes: As the node has them.
        operands: Constants; `None` where the picture goes in, or where there is nothing.
        position: Where the picture goes in.
    """

    op_type: str
    attributes: tuple[ir.Attr, ...]
    operands: tuple[ir.TensorProtocol | None, ...]
    position: int

    def append(self, x: Tensor) -> Tensor:
        """Append the node behind a value."""
        builder = x.builder
        inputs: list[Tensor | None] = [
            None if data is None else builder.initializer(data, "stem") for data in self.operands
        ]
        inputs[self.position] = x
        return builder.append(self.op_type, inputs, {a.name: a for a in self.attributes})[0]


@dataclass(frozen=True)
class Stem:
    """Affine steps from a picture to the value behind a convolution; perhaps none.

    Attributes:
        steps: In order.
    """

    steps: tuple[Step, ...] = ()

    def append(self, pictures: Tensor) -> Tensor:
        """Append the stem behind pictures (N, P, H, W)."""
        for step in self.steps:
            pictures = step.append(pictures)
        return pictures

    def back(self, cotangent: Tensor, pictures: Tensor, rules: RuleTable) -> Tensor:
        """Append the way back from a cotangent behind the stem to that of pictures.

        Args:
            cotangent: Of the shape that the stem gives.
            pictures: Any, (N, P, H, W): to all of them the way back is the same.
            rules: Gradient rules.
        """
        if not self.steps:
            return cotangent
        behind = self.append(pictures)
        return backpropagate(pictures.builder, {behind: cotangent}, [pictures], rules)[0]


def stem_of(pictures: Tensor, value: Tensor) -> tuple[Stem, Tensor]:
    """Find the stem of what is computed from pictures.

    Args:
        pictures: (N, P, H, W).
        value: What is computed from them.

    Returns:
        The stem, up to the last convolution on the way that nothing leads past, and what it gives;
        without one, a stem of no steps and the pictures.
    """
    builder = pictures.builder
    readers: defaultdict[ir.Value, list[ir.Node]] = defaultdict(list)
    for node in ancestors(builder.graph, [value.value]):
        for read in dict.fromkeys(read_by(node)):
            readers[read].append(node)
    steps: list[Step] = []
    found, end, at = 0, pictures.value, pictures.value
    while len(readers[at]) == 1 and at is not value.value:
        (node,) = readers[at]
        step = _as_step(node, at)
        at = node.outputs[0]
        if step is None or at in builder.composites or at in builder.compounds:
            break
        steps.append(step)
        if step.op_type == "Conv":
            found, end = len(steps), at
    return Stem(tuple(steps[:found])), Tensor(builder, end)


def _as_step(node: ir.Node, source: ir.Value) -> Step | None:
    """A node that is affine in a value, and computes of each picture the same, as a step."""
    if node.domain != "" or list(node.inputs).count(source) != 1:
        return None
    position = list(node.inputs).index(source)
    others = [value for value in node.inputs if value is not None and value is not source]
    if any(value.const_value is None for value in others):
        return None
    if not _is_affine(node, position) or not _keeps_pictures_apart(node, source, others):
        return None
    operands = tuple(None if v is None or v is source else v.const_value for v in node.inputs)
    return Step(node.op_type, tuple(node.attributes.values()), operands, position)


# By name, since this is about which input of which operator may be the one that is not constant.
def _is_affine(node: ir.Node, position: int) -> bool:
    if node.op_type in ("Add", "Sub", "Mul"):
        return True
    return position == 0 and node.op_type in ("Conv", "Div", "Identity", "Pad", "Transpose")


def _keeps_pictures_apart(node: ir.Node, source: ir.Value, others: Sequence[ir.Value]) -> bool:
    if node.op_type in ("Conv", "Identity", "Pad"):
        return True
    if node.op_type == "Transpose":
        return "perm" in node.attributes and node.attributes["perm"].as_ints()[0] == 0
    # Numbers of each picture's own, or more than there are pictures, would be along the first axis.
    rank = 0 if source.shape is None else len(source.shape)
    return all(
        value.shape is not None
        and (len(value.shape) < rank or (len(value.shape) == rank and value.shape[0] == 1))
        for value in others
    )
