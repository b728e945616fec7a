"""Rules of convolutions.

The gradient with respect to the input is again a convolution. For stride 1 it is a Conv with the
flipped, transposed kernel, which keeps ONNX Runtime's blocked layout; otherwise a ConvTranspose
with explicit pads and output padding, since with `output_shape` the runtime chooses the pads.
"""

from __future__ import annotations

import numpy as np

from ..graph.builder import Operators
from ..graph.tensor import INT64_MIN, Tensor
from ..graph.window import Window, resolve_window
from .table import RuleTable


def define(rules: RuleTable) -> None:
    """Add the rules of this module to a table."""
    rules.define("Conv", _conv_input, _conv_weight, _conv_bias, ignores=_ATTRIBUTES)


_ATTRIBUTES = ("auto_pad", "dilations", "group", "kernel_shape", "pads", "strides")


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
    pads: list[int] | None,
    strides: list[int] | None,
) -> Tensor:
    window = resolve_window(
        w.shape[2:],
        x.shape[2:],
        y.shape[2:],
        auto_pad=auto_pad,
        dilations=dilations,
        pads=pads,
        strides=strides,
    )
    mirrored = window.mirrored_pads
    if set(window.strides) == {1} and min(mirrored) >= 0:
        kernel = _flipped(op, _transposed(w, group))
        return op.Conv(dy, kernel, pads=mirrored, dilations=window.dilations, group=group)
    if w.shape[0] == group > 1 and w.shape[1] == 1 and x.rank == 4:
        return _depthwise_transpose(op, dy, w, window, x.shape[2:])
    return _conv_transpose(op, dy, w, window, x.shape[2:], group)


def _depthwise_transpose(
    op: Operators, dy: Tensor, w: Tensor, window: Window, sizes: tuple[int, ...]
) -> Tensor:
    """The adjoint of a strided depthwise convolution, of spatial shape `sizes`.

    Zeros between the elements of dy, then a stride-1 convolution: ConvTranspose takes one channel
    after the other, which is two to four times as slow.
    """
    spread = _with_zeros_between(op, dy, window.strides)
    before = window.mirrored_pads[: len(sizes)]
    after = [
        size + span - 1 - given - first
        for size, span, given, first in zip(
            sizes, window.extent, spread.shape[2:], before, strict=True
        )
    ]
    surplus = [max(-n, 0) for n in before + after]
    if any(surplus):
        half = len(sizes)
        inside = [
            slice(first, size - last)
            for first, last, size in zip(
                surplus[:half], surplus[half:], spread.shape[2:], strict=True
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
    first = np.zeros((1, 1, *repeated.shape[2:]), np.float32)
    first[:, :, :: strides[0], :: strides[1]] = 1
    return repeated * first


def _conv_transpose(
    op: Operators, dy: Tensor, w: Tensor, window: Window, sizes: tuple[int, ...], group: int
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
            dy.shape[2:],
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
    out, per_group, *kernel = w.shape
    if group == 1:
        return w.transpose(1, 0, *range(2, w.rank))
    if per_group == 1 and out == group:
        return w
    split = w.reshape(group, out // group, per_group, *kernel)
    swapped = split.transpose(0, 2, 1, *range(3, w.rank + 1))
    return swapped.reshape(group * per_group, out // group, *kernel)


def _flipped(op: Operators, w: Tensor) -> Tensor:
    axes = [axis for axis in range(2, w.rank) if w.shape[axis] > 1]
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
    pads: list[int] | None,
    strides: list[int] | None,
) -> Tensor:
    # The kernel slides over x as dy does over the taps: a Conv with batch and channel exchanged,
    # stride and dilation as well.
    window = resolve_window(
        w.shape[2:],
        x.shape[2:],
        y.shape[2:],
        auto_pad=auto_pad,
        dilations=dilations,
        pads=pads,
        strides=strides,
    )
    exchange = (1, 0, *range(2, x.rank))
    parts = []
    for index in range(group):
        inputs, outputs = w.shape[1], w.shape[0] // group
        taken = x if group == 1 else x[:, index * inputs : (index + 1) * inputs]
        given = dy if group == 1 else dy[:, index * outputs : (index + 1) * outputs]
        taps = op.Conv(
            taken.transpose(*exchange),
            given.transpose(*exchange),
            strides=window.dilations,
            dilations=window.strides,
            pads=window.before + window.after,
        )
        # Pixels behind the last window give taps that the kernel does not have.
        inside = tuple(slice(0, size) for size in window.kernel)
        if taps.shape[2:] != window.kernel:
            taps = taps[(slice(None), slice(None), *inside)]
        parts.append(taps.transpose(*exchange))
    return parts[0] if group == 1 else op.Concat(*parts, axis=0)


def _conv_bias(op: Operators, dy: Tensor, x: Tensor, w: Tensor, b: Tensor) -> Tensor:
    return dy.sum([axis for axis in range(dy.rank) if axis != 1])
