"""The geometry of sliding windows: convolutions and pools."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import onnx_ir as ir

from ..errors import ModelError


@dataclass(frozen=True)
class Window:
    """A sliding window with everything resolved, one entry a spatial axis.

    Attributes:
        kernel: Taps.
        strides: Pixels from one window to the next.
        dilations: Pixels from one tap to the next.
        before: Padding at the start.
        after: Padding at the end.
    """

    kernel: tuple[int, ...]
    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    before: tuple[int, ...]
    after: tuple[int, ...]

    @property
    def extent(self) -> tuple[int, ...]:
        """How many pixels the dilated kernel spans."""
        return tuple(d * (k - 1) + 1 for k, d in zip(self.kernel, self.dilations, strict=True))

    @property
    def mirrored_pads(self) -> list[int]:
        """The padding, as ONNX writes it, of the stride-1 window that goes back to the pixels."""
        room = [span - 1 for span in self.extent]
        return [r - p for r, p in zip(room * 2, self.before + self.after, strict=True)]


def resolve_window(
    kernel: Sequence[int],
    sizes: Sequence[int | None],
    outputs: Sequence[int | None],
    *,
    auto_pad: str,
    dilations: Sequence[int] | None,
    pads: Sequence[int] | None,
    strides: Sequence[int] | None,
) -> Window:
    """Fill in ONNX's defaults and turn `auto_pad` into numbers.

    Args:
        kernel: Taps along each axis.
        sizes: Pixels of the input along each axis; read only for SAME with a stride.
        outputs: Windows along each axis; likewise.
        auto_pad: As in ONNX.
        dilations: As in ONNX.
        pads: As in ONNX: all starts, then all ends.
        strides: As in ONNX.

    Raises:
        ModelError: the padding depends on a size that is not known.
    """
    axes = len(kernel)
    stride = tuple(strides or [1] * axes)
    dilation = tuple(dilations or [1] * axes)
    if auto_pad not in ("SAME_UPPER", "SAME_LOWER"):
        flat = [0] * (2 * axes) if auto_pad == "VALID" or pads is None else list(pads)
        return Window(tuple(kernel), stride, dilation, tuple(flat[:axes]), tuple(flat[axes:]))
    before, after = [], []
    for axis in range(axes):
        span = dilation[axis] * (kernel[axis] - 1) + 1
        total = span - 1
        if stride[axis] > 1:
            size, out = sizes[axis], outputs[axis]
            if size is None or out is None:
                raise ModelError(
                    f"auto_pad {auto_pad} with a stride needs the size of axis {axis + 2}: give "
                    "the shapes of the model's inputs"
                )
            total = max((out - 1) * stride[axis] + span - size, 0)
        small, large = total // 2, total - total // 2
        before.append(small if auto_pad == "SAME_UPPER" else large)
        after.append(large if auto_pad == "SAME_UPPER" else small)
    return Window(tuple(kernel), stride, dilation, tuple(before), tuple(after))


def window_of(node: ir.Node) -> Window | None:
    """Return the window of a Conv or pool node of known shapes; `None` where they are not known."""
    source, output = node.inputs[0], node.outputs[0]
    if source is None or source.shape is None or output.shape is None:
        return None
    attributes = node.attributes
    kernel = attributes.get_ints("kernel_shape", ())
    if not kernel and len(node.inputs) > 1 and node.inputs[1] is not None:
        weights = node.inputs[1].shape
        kernel = () if weights is None else [n for n in weights[2:] if isinstance(n, int)]
    if len(kernel) != len(source.shape) - 2:
        return None
    return resolve_window(
        kernel,
        [size if isinstance(size, int) else None for size in source.shape[2:]],
        [size if isinstance(size, int) else None for size in output.shape[2:]],
        auto_pad=attributes.get_string("auto_pad", "NOTSET"),
        dilations=attributes.get_ints("dilations", None),
        pads=attributes.get_ints("pads", None),
        strides=attributes.get_ints("strides", None),
    )
