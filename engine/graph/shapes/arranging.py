"""Shapes of operators that arrange the same elements anew: cut, join, repeat, reshape, resize.

See `symbolic`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from .algebra import Dim, Sizes
from .known import Elements, Known, Shape

# The end of a Slice that takes all, as exporters write it, is this or anything beyond.
_INT_MAX = 2**31 - 1


def _concat(known: Known) -> Shape:
    shapes = [shape for shape in known.shapes if shape is not None]
    if len(shapes) != len(known.shapes) or not shapes:
        return None
    axis = known.axis(0, len(shapes[0]))
    total: Dim = 0
    for shape in shapes:
        total = known.sizes.add(total, shape[axis])
    dims: list[Dim | None] = list(shapes[0])
    for other, _ in enumerate(dims):
        # Of equal sizes with several names, a number says the most.
        numbers = [shape[other] for shape in shapes if isinstance(shape[other], int)]
        dims[other] = numbers[0] if numbers else shapes[0][other]
    dims[axis] = total
    return dims


def _slice(known: Known) -> Shape:
    x = known.shape()
    if x is None:
        return None
    starts, ends = known.data(1), known.data(2)
    if starts is None or ends is None:
        return [None] * len(x) if not known.given(3) else _outside_axes(known, x, 3)
    axes = known.numbers(3) if known.given(3) else list(range(len(starts)))
    steps = known.numbers(4) if known.given(4) else [1] * len(starts)
    if axes is None or steps is None:
        return None
    dims: list[Dim | None] = list(x)
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        size = x[axis % len(x)]
        dims[axis % len(x)] = _sliced(known.sizes, size, start, end, step)
    return dims


def _outside_axes(known: Known, x: tuple[Dim, ...], index: int) -> Shape:
    """A shape of which only some axes are unknown."""
    axes = known.numbers(index)
    if axes is None:
        return [None] * len(x)
    cut = {axis % len(x) for axis in axes}
    return [None if axis in cut else dim for axis, dim in enumerate(x)]


def _sliced(sizes: Sizes, size: Dim, start: Dim | None, end: Dim | None, step: int) -> Dim | None:
    """How many elements a slice takes."""
    if start is None or end is None:
        return None
    if isinstance(size, int) and isinstance(start, int) and isinstance(end, int):
        return len(range(*slice(start, end, step).indices(size)))
    if step == -1 and isinstance(end, int) and end < -_INT_MAX and start in (-1, _INT_MAX):
        return size
    if step < 1:
        return sizes.unknown(f"slice({size}, {start}, {end}, {step})")
    whole = (isinstance(end, int) and end >= _INT_MAX) or end == size
    if start == 0 and whole:
        length = size
    elif isinstance(start, int) and start < 0 and whole and not isinstance(size, int):
        # The last few; all of them where there are fewer.
        length = sizes.unknown(f"min({size}, {-start})")
    elif start == 0 and isinstance(end, int) and end < 0:
        length = sizes.unknown(f"max({sizes.add(size, end)}, 0)")
    elif isinstance(size, int) and start == 0 and isinstance(end, str):
        length = sizes.unknown(f"min({size}, {end})")
    else:
        length = sizes.unknown(f"slice({size}, {start}, {'' if whole else end})")
    return sizes.floor_divide(sizes.add(length, step - 1), step)


def _pad(known: Known) -> Shape:
    x = known.shape()
    if x is None:
        return None
    pads = known.data(1)
    axes = known.numbers(3) if known.given(3) else list(range(len(x)))
    if pads is None or axes is None:
        return _outside_axes(known, x, 3) if known.given(3) else [None] * len(x)
    dims: list[Dim | None] = list(x)
    for position, axis in enumerate(axes):
        before, after = pads[position], pads[position + len(axes)]
        if before is None or after is None:
            dims[axis % len(x)] = None
        else:
            added = known.sizes.add(before, after)
            dims[axis % len(x)] = known.sizes.add(x[axis % len(x)], added)
    return dims


def _reshape(known: Known) -> Shape:
    x, target = known.shape(0), known.data(1)
    if target is None:
        length = known.shape(1)
        if length is not None and len(length) == 1 and isinstance(length[0], int):
            return [None] * length[0]
        return None
    keep_zeros = known.node.attributes.get_int("allowzero", 0) == 1
    dims: list[Dim | None] = []
    for axis, dim in enumerate(target):
        if dim == 0 and not keep_zeros:
            dims.append(None if x is None or axis >= len(x) else x[axis])
        else:
            dims.append(dim)
    if -1 in dims:
        rest = [dim for dim in dims if dim != -1]
        named = [dim for dim in rest if dim is not None]
        filled: Dim | None = None
        if x is not None and len(named) == len(rest) and 0 not in named:
            filled = known.sizes.floor_divide(known.sizes.product(x), known.sizes.product(named))
        dims[dims.index(-1)] = filled
    return dims


def _flatten(known: Known) -> Shape:
    x = known.shape()
    if x is None:
        return None
    axis = known.node.attributes.get_int("axis", 1)
    axis = axis + len(x) if axis < 0 else axis
    return [known.sizes.product(x[:axis]), known.sizes.product(x[axis:])]


def _expand(known: Known) -> Shape:
    x, target = known.shape(0), known.data(1)
    if x is None or target is None:
        return None
    rank = max(len(x), len(target))
    own: Elements = (1,) * (rank - len(x)) + x
    wanted: Elements = (1,) * (rank - len(target)) + target
    dims: list[Dim | None] = []
    for a, b in zip(own, wanted, strict=True):
        if a == b or b == 1:
            dims.append(a)
        elif a == 1 or (isinstance(b, int) and b > 1):
            dims.append(b)
        else:
            dims.append(a if isinstance(a, int) else None)
    return dims


def _from_data(index: int) -> Callable[[Known], Shape]:
    def formula(known: Known) -> Shape:
        data = known.data(index)
        if data is not None:
            return data
        length = known.shape(index)
        if length is not None and len(length) == 1 and isinstance(length[0], int):
            return [None] * length[0]
        return None

    return formula


def _tile(known: Known) -> Shape:
    x, repeats = known.shape(0), known.data(1)
    if x is None:
        return None
    if repeats is None:
        return [None] * len(x)
    return [
        None if n is None else known.sizes.multiply(dim, n)
        for dim, n in zip(x, repeats, strict=True)
    ]


def _resize(known: Known) -> Shape:
    x = known.shape()
    if x is None:
        return None
    axes = known.node.attributes.get_ints("axes", None)
    where = list(range(len(x))) if axes is None else [axis % len(x) for axis in axes]
    policy = known.node.attributes.get_string("keep_aspect_ratio_policy", "stretch")
    dims: list[Dim | None] = list(x)
    if known.given(3):
        sizes = known.data(3)
        for position, axis in enumerate(where):
            dims[axis] = None if sizes is None or policy != "stretch" else sizes[position]
        return dims
    scales = known.node.inputs[2] if len(known.node.inputs) > 2 else None
    constant = None if scales is None else scales.const_value
    for position, axis in enumerate(where):
        if constant is None:
            dims[axis] = None
            continue
        scale = float(constant.numpy().ravel()[position])
        if scale == int(scale):
            dims[axis] = known.sizes.multiply(x[axis], int(scale))
        elif isinstance(x[axis], str):
            inverse = 1 / scale
            exact = inverse == int(inverse)
            dims[axis] = (
                known.sizes.floor_divide(x[axis], int(inverse))
                if exact
                else known.sizes.unknown(f"floor({x[axis]}*{scale!r})")
            )
    return dims


def _depth_to_space(known: Known) -> Shape:
    x = known.shape()
    if x is None or len(x) != 4:
        return None
    block = known.node.attributes.get_int("blocksize", 1)
    sizes = known.sizes
    if known.node.op_type == "DepthToSpace":
        channels: Dim = sizes.floor_divide(x[1], block * block)
        return [x[0], channels, sizes.multiply(x[2], block), sizes.multiply(x[3], block)]
    channels = sizes.multiply(x[1], block * block)
    return [x[0], channels, sizes.floor_divide(x[2], block), sizes.floor_divide(x[3], block)]


def _center_crop_pad(known: Known) -> Shape:
    x, wanted = known.shape(), known.data(1)
    if x is None:
        return None
    axes = known.node.attributes.get_ints("axes", None)
    dims: list[Dim | None] = list(x)
    for position, axis in enumerate(range(len(x)) if axes is None else axes):
        dims[axis] = None if wanted is None else wanted[position]
    return dims


def _split(known: Known) -> Shape:
    """Any output of Split; inference knows the sizes that are constants."""
    x = known.shape()
    if x is None:
        return None
    axis = known.axis(0, len(x))
    return [None if a == axis else dim for a, dim in enumerate(x)]


def _squeeze(known: Known) -> Shape:
    """Computed axes: how many there are, but not which."""
    return _other_rank(known, -1)


def _unsqueeze(known: Known) -> Shape:
    return _other_rank(known, 1)


def _other_rank(known: Known, sign: int) -> Shape:
    x, axes = known.shape(0), known.shape(1)
    if x is None or axes is None or len(axes) != 1 or not isinstance(axes[0], int):
        return None
    return [None] * (len(x) + sign * axes[0])


SHAPES: Mapping[str, Callable[[Known], Shape]] = {
    "Concat": _concat,
    "Split": _split,
    "Slice": _slice,
    "Pad": _pad,
    "CenterCropPad": _center_crop_pad,
    "Reshape": _reshape,
    "Flatten": _flatten,
    "Squeeze": _squeeze,
    "Unsqueeze": _unsqueeze,
    "Expand": _expand,
    "ConstantOfShape": _from_data(0),
    "Tile": _tile,
    "Resize": _resize,
    "DepthToSpace": _depth_to_space,
    "SpaceToDepth": _depth_to_space,
}
