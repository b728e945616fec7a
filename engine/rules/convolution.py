"""Rules of convolutions.

The gradient with respect to the input is again a convolution. For stride 1 it is a Conv with the
flipped, transposed kernel, which keeps ONNX Runtime's blocked layout; otherwise a ConvTranspose
with explicit pads and output padding, since with `output_shape` the runtime chooses the pads.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..graph.builder import Operators
from ..graph.tensor import INT64_MIN, Size, Tensor
from ..graph.window import Window
from ..graph.words import zeros
from .slide import Slide, numbers, slide_of
from .table import RuleTable
from .vocabulary import channel_sum


def define(rules: RuleTable) -> None:
    """Add the rules of this module to a table."""
    rules.define("Conv", _conv_input, _conv_weight, convolution_bias, ignores=_ATTRIBUTES)


_ATTRIBUTES = ("auto_pad", "dilations", "group", "kernel_shape", "pads", "strides")

_NARROW = 4


def _conv_input(
    op: Operators,
    dy: Tensor,
    x: Tensor,
    w: Tensor,
    *,
    y: Tensor,
    auto_pad: str,
    dilations: list[int] | None,
    group: int,
    kernel_shape: list[int] | None,
    pads: list[int] | None,
    strides: list[int] | None,
) -> Tensor:
    slide = slide_of(
        x,
        y,
        _kernel_sizes(w, kernel_shape),
        auto_pad=auto_pad,
        dilations=dilations,
        pads=pads,
        strides=strides,
    )
    return x.builder.declare_shape(_input_gradient(op, dy, w, slide, group), x.dims)


def _kernel_sizes(w: Tensor, kernel_shape: list[int] | None) -> tuple[Size, ...]:
    return tuple(kernel_shape) if kernel_shape else w.sizes[2:]


def _input_gradient(op: Operators, dy: Tensor, w: Tensor, slide: Slide, group: int) -> Tensor:
    window, sizes = slide.window, numbers(slide.sizes)
    outputs = numbers(slide.outputs)
    if (
        window is not None
        and set(window.strides) == {1}
        and min(window.mirrored_pads) >= 0
        and not (_is_narrow(w, group) and sizes and outputs)
    ):
        return op.Conv(
            dy,
            _flipped(op, _transposed(w, group)),
            pads=window.mirrored_pads,
            dilations=window.dilations,
            group=group,
        )
    if window is None or sizes is None or outputs is None:
        return _open_transpose(op, dy, w, slide, group)
    if w.dims[0] == group > 1 and w.dims[1] == 1 and len(sizes) == 2:
        return _depthwise_transpose(op, dy, w, window, sizes)
    return _conv_transpose(op, dy, w, window, sizes, outputs, group)


def _is_narrow(w: Tensor, group: int) -> bool:
    """Whether the gradient has few channels, as a picture has.

    ONNX Runtime's convolution on the CPU computes 8 or 16 channels at least; ConvTranspose those
    that there are, in a half to a third of the time.
    """
    channels = w.dims[1]
    pointwise = all(size == 1 for size in w.dims[2:])
    return group == 1 and isinstance(channels, int) and channels <= _NARROW and not pointwise


def _open_transpose(op: Operators, dy: Tensor, w: Tensor, slide: Slide, group: int) -> Tensor:
    """The adjoint of a convolution of open sizes.

    Room for the pixels behind the last window, fewer than the stride, that no output saw; what is
    too much is cut off at run time.
    """
    full = op.ConvTranspose(
        dy,
        w,
        strides=slide.strides,
        dilations=slide.dilations,
        output_padding=[stride - 1 for stride in slide.strides],
        group=group,
    )
    return full[slide.inside]


def _depthwise_transpose(
    op: Operators, dy: Tensor, w: Tensor, window: Window, sizes: tuple[int, ...]
) -> Tensor:
    """The adjoint of a strided depthwise convolution, of spatial shape `sizes`.

    Zeros between the elements of dy, then a stride-1 convolution: ConvTranspose takes one channel
    after the other, which is two to four times as slow.
    """
    spread = _with_zeros_between(op, dy, window.strides)
    height, width = spread.dims[2:]
    assert isinstance(height, int)
    assert isinstance(width, int)
    before = window.mirrored_pads[: len(sizes)]
    after = [
        size + span - 1 - given - first
        for size, span, given, first in zip(
            sizes, window.extent, (height, width), before, strict=True
        )
    ]
    surplus = [max(-n, 0) for n in before + after]
    if any(surplus):
        half = len(sizes)
        inside = [
            slice(first, size - last)
            for first, last, size in zip(
                surplus[:half], surplus[half:], (height, width), strict=True
            )
        ]
        spread = spread[(slice(None), slice(None), *inside)]
    return op.Conv(
        spread,
        _flipped(op, w),
        pads=[max(n, 0) for n in before + after],
        dilations=window.dilations,
        group=w.shape[0],
    )


def _with_zeros_between(op: Operators, dy: Tensor, strides: tuple[int, ...]) -> Tensor:
    """Behind each element as many zeros as the stride leaves out: (N, C, H·s, W·s).

    Every element repeated, and all but the first taken away: seven times as fast as padding.
    """
    repeated = op.Resize(
        dy,
        None,
        op.constant([1, 1, *strides], np.float32),
        mode="nearest",
        coordinate_transformation_mode="asymmetric",
        nearest_mode="floor",
    )
    height, width = (
        size * stride for size, stride in zip(numbers(dy.sizes[2:]) or (), strides, strict=True)
    )
    first = np.zeros((1, 1, height, width), dy.dtype)
    first[:, :, :: strides[0], :: strides[1]] = 1
    return repeated * first


def _conv_transpose(
    op: Operators,
    dy: Tensor,
    w: Tensor,
    window: Window,
    sizes: tuple[int, ...],
    outputs: tuple[int, ...],
    group: int,
) -> Tensor:
    """The adjoint of a strided convolution, of spatial shape `sizes`.

    With different pads at both ends, as TensorFlow's SAME gives, CUDA has no kernel: those are cut
    off afterwards.
    """
    symmetric = window.before == window.after
    before = window.before if symmetric else (0,) * len(sizes)
    after = window.after if symmetric else (0,) * len(sizes)
    # Pixels behind the last window, which no output saw, still need their zero.
    unseen = [
        (size if symmetric else size + first) - ((out - 1) * stride - pad_before - pad_after + span)
        for size, out, stride, first, pad_before, pad_after, span in zip(
            sizes,
            outputs,
            window.strides,
            window.before,
            before,
            after,
            window.extent,
            strict=True,
        )
    ]
    dx = op.ConvTranspose(
        dy,
        w,
        strides=window.strides,
        dilations=window.dilations,
        pads=before + after,
        output_padding=[max(extra, 0) for extra in unseen],
        group=group,
    )
    if symmetric:
        return dx
    inside = [slice(p, p + size) for p, size in zip(window.before, sizes, strict=True)]
    return dx[(slice(None), slice(None), *inside)]


def _transposed(w: Tensor, group: int) -> Tensor:
    """Kernel (M, C/g, ...) as the kernel (C, M/g, ...) that maps outputs to inputs."""
    out, per_group, *kernel = w.sizes
    if group == 1:
        return w.transpose(1, 0, *range(2, w.rank))
    if per_group == 1 and out == group:
        return w
    each = out / group if isinstance(out, Tensor) else out // group
    split = w.reshape(group, each, per_group, *kernel)
    swapped = split.transpose(0, 2, 1, *range(3, w.rank + 1))
    return swapped.reshape(group * per_group, each, *kernel)


def _flipped(op: Operators, w: Tensor) -> Tensor:
    axes = [axis for axis in range(2, w.rank) if w.dims[axis] != 1]
    if not axes:
        return w
    return op.Slice(
        w,
        op.constant([-1] * len(axes), np.int64),
        op.constant([INT64_MIN] * len(axes), np.int64),
        op.constant(axes, np.int64),
        op.constant([-1] * len(axes), np.int64),
    )


def _conv_weight(
    op: Operators,
    dy: Tensor,
    x: Tensor,
    w: Tensor,
    *,
    y: Tensor,
    auto_pad: str,
    dilations: list[int] | None,
    group: int,
    kernel_shape: list[int] | None,
    pads: list[int] | None,
    strides: list[int] | None,
) -> Tensor:
    slide = slide_of(
        x,
        y,
        _kernel_sizes(w, kernel_shape),
        auto_pad=auto_pad,
        dilations=dilations,
        pads=pads,
        strides=strides,
    )
    return kernel_gradient(op, x, dy, w, slide, group)


def kernel_gradient(
    op: Operators, x: Tensor, dy: Tensor, w: Tensor, slide: Slide, group: int
) -> Tensor:
    """Return the gradient of a kernel w (M, C/g, ...) that maps x (N, C, ...) to outputs like dy.

    The kernel slides over x as dy does over the taps: a Conv with batch and channel exchanged,
    stride and dilation as well. Groups stay groups: their pictures lie behind each other as the
    channels of one, and only the channels within a group are its batch.
    """
    if x.dims[0] == 0:
        return zeros(op, w.sizes, w.dtype)
    if not isinstance(x.dims[0], int):
        # With padding, ONNX Runtime's Conv does not end where there are no pictures.
        x, dy = (_with_an_empty_picture(op, given) for given in (x, dy))
    before, after = numbers(slide.before), numbers(slide.after)
    if before is None or after is None:
        x = op.Pad(x, op.vector([0, 0, *slide.before, 0, 0, *slide.after]))
        before = after = (0,) * slide.rank
    batch, sizes = x.sizes[0], x.sizes[2:]
    spatial = range(2, x.rank)
    if group == 1:
        taken = x.transpose(1, 0, *spatial)
    else:
        per_group = w.sizes[1]
        split = x.reshape(batch, group, per_group, *sizes)
        turned = split.transpose(2, 1, 0, *(axis + 1 for axis in spatial))
        taken = turned.reshape(per_group, group * batch, *sizes)
    taps = op.Conv(
        taken,
        dy.transpose(1, 0, *spatial),
        strides=slide.dilations,
        dilations=slide.strides,
        pads=before + after,
        group=group,
    )
    # Pixels behind the last window give taps that the kernel does not have.
    if taps.dims[2:] != w.dims[2:]:
        taps = taps[_leading(slide.kernel)]
    return x.builder.declare_shape(taps.transpose(1, 0, *spatial), w.dims)


def _with_an_empty_picture(op: Operators, x: Tensor) -> Tensor:
    """Append one more picture, of zeros."""
    return op.Pad(x, op.constant([0] * x.rank + [1] + [0] * (x.rank - 1), np.int64))


def _leading(sizes: Sequence[Size]) -> tuple[slice, ...]:
    return (slice(None), slice(None), *(slice(0, size) for size in sizes))


def convolution_bias(op: Operators, dy: Tensor, x: Tensor, w: Tensor, b: Tensor) -> Tensor:
    """Return the bias's gradient, the sum over pictures and pixels."""
    return channel_sum(dy)
