"""Cases of operators that cut, pad, repeat and rearrange."""

from __future__ import annotations

import numpy as np
from onnx import helper
from rule_cases import Const, Fed, case, ints, normal, number

_MAX, _MIN = 2**63 - 1, -(2**63)


def _sized(*numbers: int) -> Fed:
    """A vector whose numbers, but not whose length, are found out at run time."""
    return Fed(ints(*numbers), sized=True)


def _by_positions(move):
    """The adjoint of whatever `move` does to an array of positions; −1 stands for a constant."""

    def exact(inputs, cotangent, **attributes):
        x, *rest = inputs
        moved = move(np.arange(x.size).reshape(x.shape), *rest, **attributes)
        dx = np.zeros(x.size)
        for source, value in zip(moved.ravel(), cotangent.ravel(), strict=True):
            if source >= 0:
                dx[source] += value
        return [dx.reshape(x.shape)]

    return exact


# Slice -------------------------------------------------------------------------------------------


@_by_positions
def _slice(x, starts, ends, axes=None, steps=None):
    axes = range(len(starts)) if axes is None else axes
    steps = [1] * len(starts) if steps is None else steps
    index = [slice(None)] * x.ndim
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        index[axis] = slice(start, end, step)
    return x[tuple(index)]


for label, shape, *cuts in (
    ("plain", (5, 4), [1], [3]),
    ("axes", (2, 5, 4), [1, 0], [4, 2], [1, 2]),
    ("negative axis", (2, 5, 4), [1], [3], [-1]),
    ("negative ends", (7, 4), [-5], [-1], [0]),
    ("clipped", (5, 4), [-100, 1], [100, 1000], [0, 1]),
    ("whole", (3, 4), [0], [_MAX], [1]),
    ("nothing", (3, 4), [2], [1], [1]),
    ("nothing behind", (3, 4), [9], [_MAX], [1]),
    ("every second", (7, 4), [0], [7], [0], [2]),
    ("every second from one", (6, 8), [1, 1], [_MAX, _MAX], [0, 1], [2, 2]),
    ("every third", (8, 4), [4], [100], [0], [3]),
    ("every third from the end", (8, 4), [-5], [_MAX], [0], [3]),
    ("every second of nothing", (3, 4), [5], [_MAX], [1], [2]),
    ("both", (7, 8), [1, 2], [6, 7], [0, 1], [2, 1]),
    ("reversed", (5, 4), [-1], [_MIN], [0], [-1]),
    ("reversed twice", (5, 4), [-1, 3], [_MIN, _MIN], [0, 1], [-1, -1]),
    ("reversed in part", (5, 4), [3], [0], [0], [-1]),
    ("backwards", (9, 4), [7], [1], [0], [-2]),
    ("both ways", (7, 8), [1, -1], [6, 0], [0, 1], [2, -3]),
):
    case("Slice", f"of positions {label}", normal(*shape), *(ints(*cut) for cut in cuts),
         exact=_slice)  # fmt: skip
    case("Slice", f"computed {label}", normal(*shape), *(_sized(*cut) for cut in cuts),
         exact=_slice)  # fmt: skip
    mixed = [_sized(*cut) if i < 2 else ints(*cut) for i, cut in enumerate(cuts)]
    case("Slice", f"computed ends {label}", normal(*shape), *mixed, exact=_slice)
    ends = [_sized(*cut) if i == 1 else ints(*cut) for i, cut in enumerate(cuts)]
    case("Slice", f"computed last {label}", normal(*shape), *ends, exact=_slice)
case("Slice", "int32 computed", normal(5, 4), Fed(np.array([-4], np.int32), sized=True),
     Fed(np.array([3], np.int32), sized=True), exact=_slice)  # fmt: skip
case("Slice", "unknown length", normal(5, 4), Fed(ints(1)), Fed(ints(3)), exact=_slice)
case("Slice", "unknown length axes", normal(5, 4), Fed(ints(1, 0)), Fed(ints(3, 2)),
     Fed(ints(1, 0)), exact=_slice)  # fmt: skip

# Pad ---------------------------------------------------------------------------------------------


@_by_positions
def _pad(x, pads, value=None, axes=None, mode="constant"):
    axes = range(x.ndim) if axes is None else axes
    widths = [(0, 0)] * x.ndim
    for position, axis in enumerate(axes):
        before, after = int(pads[position]), int(pads[position + len(axes)])
        cut = [slice(None)] * x.ndim
        cut[axis] = slice(max(-before, 0), x.shape[axis] - max(-after, 0))
        x = x[tuple(cut)]
        widths[axis] = (max(before, 0), max(after, 0))
    if mode == "constant":
        return np.pad(x, widths, constant_values=-1)
    return np.pad(x, widths, mode)


for label, shape, pads, axes in (
    ("all", (3, 4), [1, 2, 0, 3], None),
    ("one end", (3, 4), [0, 1, 0, 0], None),
    ("axes", (2, 4, 5), [1, 0, 2, 3], [-1, 1]),
    ("cut", (5, 6), [-1, 0, 0, -2], None),
    ("cut and add", (5, 6), [-1, 2, 2, -3], None),
    ("cut one axis", (5, 6), [-2, -1], [1]),
    ("picture", (1, 2, 4, 5), [0, 0, 1, 2, 0, 0, 3, 1], None),
):
    where = [] if axes is None else [None, ints(*axes)]
    for mode in ("constant", "edge", "reflect"):
        # ONNX Runtime has no other mode with a cut on the same axis that all agree on.
        if mode != "constant" and label.startswith("cut"):
            continue
        case("Pad", f"{mode} {label}", normal(*shape), ints(*pads), *where, mode=mode, exact=_pad)
        case("Pad", f"{mode} computed {label}", normal(*shape), _sized(*pads), *where, mode=mode,
             exact=_pad)  # fmt: skip
    if label.startswith("cut"):
        continue
    case("Pad", f"wrap {label}", normal(*shape), ints(*pads), *where, mode="wrap", exact=_pad,
         opset=19)  # fmt: skip
    case("Pad", f"wrap computed {label}", normal(*shape), _sized(*pads), *where, mode="wrap",
         exact=_pad, opset=19)  # fmt: skip
case("Pad", "computed axes", normal(2, 3, 4), ints(1, 0, 2, 3), None, _sized(-1, 1), exact=_pad)
case("Pad", "computed axes and pads", normal(2, 4, 4), _sized(1, 0, 2, 3), None, _sized(2, 1),
     mode="reflect", exact=_pad)  # fmt: skip
case("Pad", "edge of one", normal(1, 3), ints(2, 0, 3, 0), mode="edge", exact=_pad)
case("Pad", "a value kept", normal(2, 3), ints(1, 0, 0, 2), number(4), mode="edge",
     exact=_pad)  # fmt: skip


def _pad_with_value(inputs, cotangent):
    x, pads, _ = inputs
    dx = _pad([x, pads], cotangent)[0]
    widths = np.reshape(pads, (2, -1)).T
    kept = np.zeros(np.array(x.shape) + np.minimum(widths, 0).sum(1))
    inside = np.pad(kept, np.maximum(widths, 0), constant_values=1)
    return [dx, np.asarray((cotangent * inside).sum())]


for label, pads in (("plain", [1, 0, 0, 2]), ("cut", [-1, 2, 1, 0])):
    case("Pad", f"value {label}", normal(3, 4), ints(*pads), normal(), exact=_pad_with_value)
    case("Pad", f"value computed {label}", normal(3, 4), _sized(*pads), normal(),
         exact=_pad_with_value)  # fmt: skip


@_by_positions
def _center_crop_pad(x, shape, axes=None):
    for axis, wanted in zip(range(x.ndim) if axes is None else axes, shape, strict=True):
        size = x.shape[axis]
        widths, cut = [(0, 0)] * x.ndim, [slice(None)] * x.ndim
        if wanted > size:
            before = (wanted - size) // 2
            widths[axis] = (before, wanted - size - before)
        else:
            start = (size - wanted) // 2
            cut[axis] = slice(start, start + wanted)
        x = np.pad(x[tuple(cut)], widths, constant_values=-1)
    return x


for label, shape, wanted, attributes in (
    ("crop", (5, 6), [2, 3], {}),
    ("pad", (2, 3), [5, 6], {}),
    ("both", (5, 2), [2, 5], {}),
    ("odd", (5, 4, 3), [4, 3], {"axes": [0, 1]}),
    ("negative axes", (2, 5, 4), [8, 1], {"axes": [-2, -1]}),
):
    case("CenterCropPad", label, normal(*shape), ints(*wanted), exact=_center_crop_pad,
         **attributes)  # fmt: skip
    case("CenterCropPad", f"{label} computed", normal(*shape), _sized(*wanted),
         exact=_center_crop_pad, **attributes)  # fmt: skip

# Shapes that are computed ------------------------------------------------------------------------


def _as_input(inputs, cotangent):
    return [cotangent.reshape(inputs[0].shape)]


def _split(inputs, cotangent, *, axis, num_outputs=None):
    """The gradient of the first part's sum of squares and the last part's sum."""
    x, *sizes = inputs
    part = -(-x.shape[axis] // num_outputs) if num_outputs else 0
    first = part or sizes[0][0]
    last = x.shape[axis] - 2 * part if part else sizes[0][-1]
    dx = np.zeros_like(x)
    moved, source = np.moveaxis(dx, axis, 0), np.moveaxis(x, axis, 0)
    moved[:first] = 2 * source[:first] * cotangent
    moved[-last:] = cotangent
    return [dx]


case("Reshape", "computed", normal(2, 3, 4), _sized(4, -1))
case("Reshape", "computed whole", normal(2, 3, 4), _sized(6, 4))
case("Squeeze", "computed axes", normal(1, 3, 1, 2), _sized(0, -2), exact=_as_input)
case("Squeeze", "one computed axis", normal(3, 1), _sized(-1), exact=_as_input)
case("Unsqueeze", "computed axes", normal(3, 2), _sized(0, -1), exact=_as_input)
case("Expand", "computed", normal(3, 1), _sized(2, 3, 4))
case("Expand", "computed down", normal(2, 3), _sized(1, 1))
for axis in (0, -1):
    outputs = ("a", "b", "c")
    tail = (
        helper.make_node("Mul", ["a", "a"], ["a2"]),
        helper.make_node("ReduceSum", ["a2"], ["s"], keepdims=0),
        helper.make_node("ReduceSum", ["c"], ["t"], keepdims=0),
        helper.make_node("Add", ["s", "t"], ["y"]),
    )
    case("Split", f"computed axis {axis}", normal(6, 6), _sized(1, 3, 2), axis=axis,
         outputs=outputs, tail=tail, exact=_split)  # fmt: skip
    case("Split", f"uneven axis {axis}", normal(7, 5), num_outputs=3, axis=axis,
         outputs=outputs, tail=tail, exact=_split)  # fmt: skip


# Repeating and rearranging -----------------------------------------------------------------------

for label, shape, repeats in (
    ("plain", (2, 3), [2, 3]),
    ("one axis", (2, 3), [1, 4]),
    ("nothing", (2, 3), [1, 1]),
    ("size 1", (2, 1, 3), [1, 5, 2]),
    ("vector", (4,), [3]),
):
    tile = _by_positions(lambda x, repeats: np.tile(x, repeats))
    case("Tile", label, normal(*shape), ints(*repeats), exact=tile)
    case("Tile", f"{label} computed", normal(*shape), _sized(*repeats), exact=tile)


def _blocks_to_depth(x, blocksize, order):
    n, c, h, w = x.shape
    cut = x.reshape(n, c, h // blocksize, blocksize, w // blocksize, blocksize)
    shape = (n, c * blocksize**2, h // blocksize, w // blocksize)
    return cut.transpose(order).reshape(shape)


@_by_positions
def _space_to_depth(x, *, blocksize):
    return _blocks_to_depth(x, blocksize, (0, 3, 5, 1, 2, 4))


@_by_positions
def _depth_to_space(x, *, blocksize, mode="DCR"):
    n, c, h, w = x.shape
    b, d = blocksize, c // blocksize**2
    if mode == "DCR":
        apart = x.reshape(n, b, b, d, h, w).transpose(0, 3, 4, 1, 5, 2)
    else:
        apart = x.reshape(n, d, b, b, h, w).transpose(0, 1, 4, 2, 5, 3)
    return apart.reshape(n, d, h * b, w * b)


for block in (2, 3):
    channels = 2 * block**2
    case("DepthToSpace", f"{block}", normal(2, channels, 3, 2), blocksize=block,
         exact=_depth_to_space)  # fmt: skip
    for mode in ("DCR", "CRD"):
        case("DepthToSpace", f"{block} {mode}", normal(1, channels, 2, 3), blocksize=block,
             mode=mode, exact=_depth_to_space)  # fmt: skip
    case("SpaceToDepth", f"{block}", normal(2, 3, 2 * block, 3 * block), blocksize=block,
         exact=_space_to_depth)  # fmt: skip


@_by_positions
def _reverse_sequence(x, lengths, *, batch_axis=1, time_axis=0):
    result = x.copy()
    for b, length in enumerate(lengths):
        index = [slice(None)] * x.ndim
        index[batch_axis] = b
        index[time_axis] = slice(0, length)
        flipped = list(index)
        flipped[time_axis] = (
            slice(length - 1, None, -1) if length < x.shape[time_axis] else (slice(None, None, -1))
        )
        result[tuple(index)] = x[tuple(flipped)]
    return result


for axes in ({}, {"batch_axis": 0, "time_axis": 1}):
    shape = (4, 3, 2) if not axes else (3, 4, 2)
    case("ReverseSequence", f"{axes}", normal(*shape), ints(2, 4, 1), exact=_reverse_sequence,
         **axes)  # fmt: skip
    case("ReverseSequence", f"{axes} computed", normal(*shape), Fed(ints(3, 1, 4)),
         exact=_reverse_sequence, **axes)  # fmt: skip


def _triangle(inputs, cotangent, *, upper=1):
    k = int(inputs[1]) if len(inputs) > 1 and inputs[1] is not None else 0
    return [np.triu(cotangent, k) if upper else np.tril(cotangent, k)]


for upper in (0, 1):
    case("Trilu", f"upper {upper}", normal(2, 3, 4), upper=upper, exact=_triangle)
    for k in (-1, 2):
        case("Trilu", f"upper {upper} k {k}", normal(4, 3), np.array(k), upper=upper,
             exact=_triangle)  # fmt: skip
        case("Trilu", f"upper {upper} k {k} computed", normal(4, 3), Fed(np.array(k)), upper=upper,
             exact=_triangle)  # fmt: skip
case("Trilu", "default", normal(3, 3), exact=_triangle)


def _range(inputs, cotangent):
    steps = np.arange(cotangent.size)
    return [np.asarray(cotangent.sum()), np.zeros(()), np.asarray((cotangent * steps).sum())]


# The limit away from a multiple of delta: where a number is added there is no derivative.
case("Range", "plain", np.array(0.3), np.array(2.1), np.array(0.4), exact=_range)
case("Range", "down", np.array(2.0), np.array(-1.3), np.array(-0.5), exact=_range)
case("Range", "float32", np.array(0.25), np.array(1.5), np.array(0.5), dtypes="f", exact=_range)
case("Range", "constant limit", np.array(0.3), Const(np.array(2.1)), np.array(0.4),
     exact=lambda i, dy: [_range(i, dy)[0], _range(i, dy)[2]])  # fmt: skip


# Patches -----------------------------------------------------------------------------------------


def _col_to_image(inputs, cotangent, *, pads=None, strides=None, dilations=None):
    x, image, block = inputs
    count = len(image)
    pads, strides = pads or [0] * (2 * count), strides or [1] * count
    dilations = dilations or [1] * count
    padded = np.pad(cotangent, [(0, 0), (0, 0), *zip(pads[:count], pads[count:], strict=True)])
    spans = [d * (k - 1) + 1 for k, d in zip(block, dilations, strict=True)]
    windows = [
        (n - span) // s + 1 for n, span, s in zip(padded.shape[2:], spans, strides, strict=True)
    ]
    dx = np.zeros((x.shape[0], x.shape[1] // np.prod(block), *block, *windows))
    for tap in np.ndindex(*block):
        for window in np.ndindex(*windows):
            pixel = [
                t * d + w * s for t, d, w, s in zip(tap, dilations, window, strides, strict=True)
            ]
            dx[(slice(None), slice(None), *tap, *window)] = padded[(..., *pixel)]
    return [dx.reshape(x.shape)]


for label, shape, image, block, attributes in (
    ("plain", (1, 8, 12), [4, 5], [2, 2], {}),
    ("strides and pads", (2, 18, 9), [5, 6], [3, 3], {"strides": [2, 2], "pads": [1, 0, 1, 1]}),
    ("dilations", (1, 12, 12), [5, 6], [2, 3], {"dilations": [2, 1]}),
    ("unseen pixels", (1, 4, 4), [6, 5], [2, 2], {"strides": [3, 2]}),
    ("one axis", (1, 3, 5), [7], [3], {}),
    ("three axes", (1, 8, 8), [3, 3, 3], [2, 2, 2], {}),
):
    for computed in (False, True):
        sizes = [_sized(*image), _sized(*block)] if computed else [ints(*image), ints(*block)]
        name = f"{label} computed" if computed else label
        case("Col2Im", name, normal(*shape), *sizes, dtypes="f", exact=_col_to_image,
             **attributes)  # fmt: skip
