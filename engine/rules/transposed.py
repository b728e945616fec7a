"""Rules of ConvTranspose, whose input gradient is the plain convolution."""

from __future__ import annotations

from ..graph.builder import Operators
from ..graph.tensor import Size, Tensor
from .convolution import convolution_bias, kernel_gradient
from .slide import Slide, at_least, half, numbers
from .table import RuleTable


def define(rules: RuleTable) -> None:
    """Add the rules of this module to a table."""
    attributes = (
        "auto_pad", "dilations", "group", "kernel_shape", "output_padding", "output_shape", "pads",
        "strides",
    )  # fmt: skip
    rules.define("ConvTranspose", _input, _weight, convolution_bias, ignores=attributes)


def _input(
    op: Operators,
    dy: Tensor,
    x: Tensor,
    w: Tensor,
    *,
    y: Tensor,
    auto_pad: str,
    dilations: list[int] | None,
    group: int,
    output_padding: list[int] | None,
    output_shape: list[int] | None,
    pads: list[int] | None,
    strides: list[int] | None,
) -> Tensor:
    slide = _adjoint_slide(
        x, w, y, auto_pad, dilations, output_padding, output_shape, pads, strides
    )
    padded, before, after = _padded(op, dy, slide)
    dx = op.Conv(
        padded,
        w,
        strides=slide.strides,
        dilations=slide.dilations,
        pads=before + after,
        group=group,
    )
    # Output padding of a whole stride makes room for a window that no input has.
    if dx.dims[2:] != x.dims[2:] and any(
        extra >= stride for extra, stride in zip(output_padding or [], slide.strides, strict=False)
    ):
        dx = dx[(slice(None), slice(None), *(slice(0, size) for size in slide.outputs))]
    return x.builder.declare_shape(dx, x.dims)


def _weight(
    op: Operators,
    dy: Tensor,
    x: Tensor,
    w: Tensor,
    *,
    y: Tensor,
    auto_pad: str,
    dilations: list[int] | None,
    group: int,
    output_padding: list[int] | None,
    output_shape: list[int] | None,
    pads: list[int] | None,
    strides: list[int] | None,
) -> Tensor:
    slide = _adjoint_slide(
        x, w, y, auto_pad, dilations, output_padding, output_shape, pads, strides
    )
    # The convolution that leads back takes dy to x with this kernel.
    return kernel_gradient(op, dy, x, w, slide, group)


def _adjoint_slide(
    x: Tensor,
    w: Tensor,
    y: Tensor,
    auto_pad: str,
    dilations: list[int] | None,
    output_padding: list[int] | None,
    output_shape: list[int] | None,
    pads: list[int] | None,
    strides: list[int] | None,
) -> Slide:
    """The window of the convolution from y to x."""
    axes = x.rank - 2
    stride = tuple(strides or [1] * axes)
    dilation = tuple(dilations or [1] * axes)
    kernel, sizes, outputs = w.sizes[2:], y.sizes[2:], x.sizes[2:]
    extra = output_padding or [0] * axes
    before: list[Size] = [0] * axes
    after: list[Size] = [0] * axes
    if output_shape is not None or auto_pad in ("SAME_UPPER", "SAME_LOWER"):
        for axis in range(axes):
            span = (kernel[axis] - 1) * dilation[axis] + 1
            full = (outputs[axis] - 1) * stride[axis] + extra[axis] + span
            total = at_least(full - sizes[axis], 0)
            small = half(total)
            upper = auto_pad == "SAME_UPPER"
            before[axis], after[axis] = (small, total - small) if upper else (total - small, small)
    elif auto_pad != "VALID" and pads is not None:
        before, after = list(pads[:axes]), list(pads[axes:])
    return Slide(kernel, stride, dilation, tuple(before), tuple(after), sizes, outputs)


def _padded(
    op: Operators, dy: Tensor, slide: Slide
) -> tuple[Tensor, tuple[int, ...], tuple[int, ...]]:
    """The cotangent with padding that only the run tells, and what the convolution pads itself."""
    before, after = numbers(slide.before), numbers(slide.after)
    if before is not None and after is not None:
        return dy, before, after
    padded = op.Pad(dy, op.vector([0, 0, *slide.before, 0, 0, *slide.after]))
    return padded, (0,) * slide.rank, (0,) * slide.rank
