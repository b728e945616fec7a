"""Run only the receptive field: crop every value to what the looked-at cells depend on.

An objective that reads a few cells of a layer slices it in height and width. Backwards from there,
each value is needed in a box only: for a convolution the box that its windows touch, for a value
with several readers the union of theirs. The network is then written again on the boxes, with the
padding that is left where a box ends at the picture's border: the same numbers, and the same
gradient, from a fraction of the work.
"""

from __future__ import annotations

from dataclasses import dataclass

import onnx_ir as ir

from ..builder import Builder
from ..cuts import constant_cuts
from ..tensor import Tensor
from ..traits import Trait, has, operators_with
from ..window import Window, window_of
from .plan import Plan

# LRN looks at other channels, but at no other place.
_IN_PLACE = operators_with(Trait.POINTWISE) | operators_with(Trait.BROADCASTING) | {"LRN"}


@dataclass(frozen=True)
class Box:
    """Rows and columns of a value, half open."""

    top: int
    bottom: int
    left: int
    right: int

    def union(self, other: Box | None) -> Box:
        """Return the smallest box that holds both."""
        if other is None:
            return self
        return Box(
            min(self.top, other.top),
            max(self.bottom, other.bottom),
            min(self.left, other.left),
            max(self.right, other.right),
        )

    def within(self, other: Box) -> tuple[int, int, int, int]:
        """Return its top, left, bottom and right in the coordinates of a box that holds it."""
        return (
            self.top - other.top,
            self.left - other.left,
            self.bottom - other.top,
            self.right - other.left,
        )


def crop(builder: Builder, plan: Plan) -> None:
    """Crop the graph to what its outputs depend on.

    Each cell that is left is computed as before.
    """
    del plan  # what is looked at says the graph
    if not any(node.op_type == "Slice" for node in builder.graph):
        return
    needs = _needs(builder.graph)
    rewriter = _Rewriter(builder, needs)
    for node in list(builder.graph):
        rewriter.visit(node)
    builder.graph.sort()


def needed_part(builder: Builder, tensor: Tensor) -> Box | None:
    """Return the part of a value (N, C, H, W) that outputs depend on; `None` for none."""
    return _needs(builder.graph).get(tensor.value)


def _whole(value: ir.Value) -> Box | None:
    """All rows and columns of (N, C, H, W); `None` for other values."""
    if value.shape is None or len(value.shape) != 4:
        return None
    height, width = value.shape[2], value.shape[3]
    if not (isinstance(height, int) and isinstance(width, int)):
        return None
    return Box(0, height, 0, width)


def _needs(graph: ir.Graph) -> dict[ir.Value, Box]:
    """What part of each four-dimensional value is needed; without those that nobody needs."""
    needs: dict[ir.Value, Box] = {}
    wanted: set[ir.Value] = set(graph.outputs)

    def add(value: ir.Value, box: Box | None) -> None:
        wanted.add(value)
        whole = _whole(value)
        if whole is not None:
            needs[value] = (box or whole).union(needs.get(value))

    for output in graph.outputs:
        add(output, None)
    for node in reversed(graph):
        if not any(value in wanted for value in node.outputs):
            continue
        box = needs.get(node.outputs[0])
        for index, value in enumerate(node.inputs):
            if value is not None:
                add(value, _input_box(node, index, box))
    return needs


def _input_box(node: ir.Node, index: int, box: Box | None) -> Box | None:
    """The part of an input that a part of the output is made of; `None` for all of it."""
    value, output = node.inputs[index], node.outputs[0]
    if value is None or node.domain != "" or len(node.outputs) != 1:
        return None
    if node.op_type == "Slice":
        return _slice_box(node, box) if index == 0 else None
    if box is None:
        return None
    if has(node, Trait.WINDOWED):
        window = _window(node) if index == 0 else None
        return None if window is None else _field(window, box, _whole(value))
    if _is_in_place(node) and _whole(value) == _whole(output):
        return box
    return None


def _is_in_place(node: ir.Node) -> bool:
    """Whether a part of the output is made of that part of the inputs, channels aside."""
    if node.op_type == "Concat":
        return node.attributes.get_int("axis", 0) in (1, -3)
    return node.op_type in _IN_PLACE


def _window(node: ir.Node) -> Window | None:
    """The node's window, where its part can be computed alone."""
    source = node.inputs[0]
    whole = None if source is None else _whole(source)
    if whole is None or _whole(node.outputs[0]) is None:
        return None
    flags = [node.attributes.get_int(name, 0) for name in ("ceil_mode", "count_include_pad")]
    if node.op_type == "AveragePool" and all(flags):
        # What ceil_mode adds behind the padding does not count, and a crop would lose the edge.
        return None
    return window_of(node)


def _field(window: Window, box: Box, whole: Box | None) -> Box | None:
    """The pixels under the windows of a box of outputs."""
    if whole is None:
        return None
    starts = _starts(window, box)
    ends = [
        (last - 1) * stride - pad + span
        for last, stride, pad, span in zip(
            (box.bottom, box.right), window.strides, window.before, window.extent, strict=True
        )
    ]
    top, left = (max(start, 0) for start in starts)
    return Box(top, min(ends[0], whole.bottom), left, min(ends[1], whole.right))


def _starts(window: Window, box: Box) -> list[int]:
    """First row and column under the box's first window, counted in the picture: ≥ −pad."""
    return [
        first * stride - pad
        for first, stride, pad in zip(
            (box.top, box.left), window.strides, window.before, strict=True
        )
    ]


def _slice_box(node: ir.Node, box: Box | None) -> Box | None:
    """The rows and columns that a Slice takes of its input, or of these those in `box`."""
    source = node.inputs[0]
    whole = None if source is None else _whole(source)
    cuts = None if whole is None else _cuts(node, (whole.bottom, whole.right))
    if whole is None or cuts is None:
        return None
    ends = [whole.top, whole.bottom, whole.left, whole.right]
    for axis, start, stop in cuts:
        ends[2 * (axis - 2) : 2 * (axis - 2) + 2] = [start, stop]
    if box is not None:
        ends = [
            ends[0] + box.top, ends[0] + box.bottom, ends[2] + box.left, ends[2] + box.right
        ]  # fmt: skip
    return Box(*ends)


def _cuts(node: ir.Node, sizes: tuple[int, int]) -> list[tuple[int, int, int]] | None:
    """(axis, start, stop) of a Slice along height and width; `None` where it is another kind."""
    cuts = constant_cuts(node)
    if cuts is None or any(cut.step != 1 or cut.axis not in (2, 3) for cut in cuts):
        return None
    taken = [(cut.axis, cut.positions(sizes[cut.axis - 2])) for cut in cuts]
    return [(axis, positions.start, positions.stop) for axis, positions in taken]


class _Rewriter:
    """Writes nodes again on their boxes."""

    def __init__(self, builder: Builder, needs: dict[ir.Value, Box]) -> None:
        self._builder = builder
        self._needs = needs
        self._cropped: dict[ir.Value, tuple[Tensor, Box]] = {}

    def visit(self, node: ir.Node) -> None:
        """Replace the node where only a part of its output is needed, or of its input is there."""
        output = node.outputs[0]
        box = self._needs.get(output)
        whole = _whole(output)
        source = node.inputs[0] if node.inputs else None
        if node.op_type == "Slice" and source in self._cropped and source is not None:
            inside = _slice_box(node, box)
            if inside is not None:
                output.replace_all_uses_with(self._take(source, inside).value)
            return
        if box is None or whole is None or box == whole:
            return
        replaced = self._write(node, box)
        if replaced is not None:
            self._cropped[output] = (replaced, box)

    def _take(self, value: ir.Value, box: Box) -> Tensor:
        """A box of a value, from what there is of it."""
        whole = _whole(value)
        if value in self._cropped:
            tensor, there = self._cropped[value]
        elif whole is not None:
            tensor, there = Tensor(self._builder, value), whole
        if box == there:
            return tensor
        top, left, bottom, right = box.within(there)
        return tensor[:, :, top:bottom, left:right]

    def _part_of(
        self,
        node: ir.Node,
        value: ir.Value | None,
        tensor: Tensor | None,
        box: Box,
        whole: Box | None,
    ) -> Tensor | None:
        """What an operand is to a box of the output, of an operator that works in place."""
        if value is None or tensor is None or whole is None:
            return tensor
        if _whole(value) == whole:
            return self._take(value, box)
        if not has(node, Trait.BROADCASTING) or tensor.rank == 0:
            return tensor
        # Broadcasting aligns axes at the end; along an axis of 1 there is nothing to cut.
        index = [slice(None)] * tensor.rank
        ends = ((box.left, box.right, whole.right), (box.top, box.bottom, whole.bottom))
        for behind, (start, stop, size) in enumerate(ends[: tensor.rank], 1):
            if size > 1 and tensor.dims[-behind] == size:
                index[-behind] = slice(start, stop)
        return tensor[tuple(index)]

    def _write(self, node: ir.Node, box: Box) -> Tensor | None:
        inputs = [None if v is None else Tensor(self._builder, v) for v in node.inputs]
        attributes = dict(node.attributes)
        source = node.inputs[0]
        if source is None or node.domain != "":
            return None
        if node.op_type == "GridSample":
            return self._sample(inputs, attributes, box, node)
        if has(node, Trait.WINDOWED):
            window, whole = _window(node), _whole(source)
            field = None if window is None else _field(window, box, whole)
            if window is None or field is None:
                return None
            inputs[0] = self._take(source, field)
            attributes |= _remaining_pads(window, box, field)
            attributes.pop("auto_pad", None)
            attributes.pop("ceil_mode", None)
        elif _is_in_place(node) and len(node.outputs) == 1:
            whole = _whole(node.outputs[0])
            inputs = [
                self._part_of(node, value, tensor, box, whole)
                for value, tensor in zip(node.inputs, inputs, strict=True)
            ]
        else:
            # Not computed in parts: whoever needs a part slices the whole.
            return None
        return self._builder.append(node.op_type, inputs, attributes, names=[node.outputs[0].name])[
            0
        ]

    def _sample(
        self,
        inputs: list[Tensor | None],
        attributes: dict[str, ir.Attr],
        box: Box,
        node: ir.Node,
    ) -> Tensor | None:
        """Some pixels of a warp: sample there only."""
        image, grid = inputs
        if image is None or grid is None or grid.rank != 4:
            return None
        part = grid[:, box.top : box.bottom, box.left : box.right]
        return self._builder.append(
            "GridSample", [image, part], attributes, names=[node.outputs[0].name]
        )[0]


def _remaining_pads(window: Window, box: Box, field: Box) -> dict[str, ir.Attr]:
    """The padding that windows of the box still see at the picture's border."""
    starts = _starts(window, box)
    before = [first - start for first, start in zip((field.top, field.left), starts, strict=True)]
    after = []
    for start, count, stride, span, last in zip(
        starts,
        (box.bottom - box.top, box.right - box.left),
        window.strides,
        window.extent,
        (field.bottom, field.right),
        strict=True,
    ):
        after.append(max(start + (count - 1) * stride + span - last, 0))
    return {"pads": ir.AttrInt64s("pads", before + after)}
