"""Recipes for what moves, cuts, repeats, reads and writes elements."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import assume
from onnx.reference import ReferenceEvaluator
from random_draft import Draft, recipe

# Shapes -----------------------------------------------------------------------------------------


def _factors(g: Draft, count: int) -> list[int]:
    """Some shape of so many elements."""
    shape = []
    while count > 1 and len(shape) < 3:
        size = g.choice([n for n in range(1, count + 1) if count % n == 0])
        shape.append(size)
        count //= size
    return [*shape, count] if count > 1 or g.flag() else shape


@recipe("Reshape")
def _reshape(g: Draft, op: str):
    x = g.value()
    shape = _factors(g, g.values[x].size)
    if shape and g.flag():
        place = g.number(0, len(shape) - 1)
        return g.add(op, [x, g.ints([*shape[:place], -1, *shape[place + 1 :]])])
    if g.flag() and g.opset >= 14:
        return g.add(op, [x, g.vector(shape)], allowzero=1)
    if g.values[x].ndim and g.flag():
        return g.add(op, [x, g.ints([0, -1])])
    return g.add(op, [x, g.vector(shape)])


@recipe("Flatten")
def _flatten(g: Draft, op: str):
    x = g.value(low=1)
    rank = g.values[x].ndim
    return g.add(op, [x], **g.some(axis=g.signed(g.number(0, rank - 1), rank)))


@recipe("Squeeze")
def _squeeze(g: Draft, op: str):
    x = g.value()
    ones = [axis for axis, size in enumerate(g.values[x].shape) if size == 1]
    rank = g.values[x].ndim
    if not ones:
        x = g.add("Unsqueeze", [x, g.ints([0])])[0]
        ones, rank = [0], rank + 1
    kept = [g.signed(a, rank) for a in ones[: g.number(1, len(ones))]]
    return g.add(op, [x, g.constant(kept, np.int64) if g.flag() else g.ints(kept)])


@recipe("Unsqueeze")
def _unsqueeze(g: Draft, op: str):
    x = g.value(high=3)
    count = g.number(1, 2)
    rank = g.values[x].ndim + count
    return g.add(op, [x, g.ints([g.signed(a, rank) for a in g.order(rank)[:count]])])


@recipe("Transpose")
def _transpose(g: Draft, op: str):
    x = g.value()
    perm = g.order(g.values[x].ndim)
    return g.add(op, [x], **g.some(perm=perm or None))


@recipe("Concat")
def _concat(g: Draft, op: str):
    x = g.value(low=1)
    axis = g.axis(x)
    parts = [x]
    for _ in range(g.number(0, 2)):
        shape = list(g.values[x].shape)
        shape[axis] = g.number(1, 3)
        parts.append(g.shaped(shape))
    assume(sum(g.values[part].size for part in parts) <= 400)
    return g.add(op, [parts[i] for i in g.order(len(parts))], axis=axis)


@recipe("Split")
def _split(g: Draft, op: str):
    x = g.value(low=1, fits=lambda x: max(x.shape) > 1)
    shape = g.values[x].shape
    axis = g.choice([a for a, size in enumerate(shape) if size > 1])
    size, signed = shape[axis], g.signed(axis, len(shape))
    count = g.number(1, min(size, 3))
    if g.flag() and g.opset >= 18 and (count - 1) * -(-size // count) < size:
        return g.add(op, [x], count, axis=signed, num_outputs=count)
    cuts = sorted(g.order(size - 1)[: count - 1])
    sizes = np.diff([0, *(cut + 1 for cut in cuts), size])
    return g.add(op, [x, g.ints(sizes)], count, axis=signed)


@recipe("Expand")
def _expand(g: Draft, op: str):
    x = g.value(high=3)
    shape = [g.number(1, 3) if n == 1 else g.choice([n, 1]) for n in g.values[x].shape]
    shape = [*g.sizes(0, 4 - len(shape)), *shape]
    assume(math.prod(np.broadcast_shapes(tuple(shape), g.values[x].shape)) <= 400)
    return g.add(op, [x, g.vector(shape)])


@recipe("Tile")
def _tile(g: Draft, op: str):
    x = g.value(low=1)
    repeats = g.numbers(g.values[x].ndim, 1, 3)
    assume(math.prod(repeats) * g.values[x].size <= 400)
    return g.add(op, [x, g.ints(repeats)])


# Cutting and padding ----------------------------------------------------------------------------


@recipe("Slice")
def _slice(g: Draft, op: str):
    x = g.value(low=1)
    shape = g.values[x].shape
    axes = g.subset(len(shape))
    starts, ends, steps = [], [], []
    for axis in axes:
        size, step = shape[axis], g.choice([1, 1, 2, 3, -1, -2])
        low = g.number(0, size - 1)
        high = g.number(low + 1, size)
        start, end = (low, high) if step > 0 else (high - 1, low - 1)
        far = (2**63 - 1 if g.flag() else size + 5) if step > 0 else -(2**63)
        if step > 0 and high == size:
            end = g.choice([size, far])
        elif end < 0:
            end = g.choice([-size - 1, far])
        else:
            end = g.signed(end, size)
        starts.append(g.signed(start, size))
        ends.append(end)
        steps.append(step)
    if axes == list(range(len(axes))) and g.flag() and set(steps) == {1}:
        return g.add(op, [x, g.ints(starts), g.ints(ends)])
    given = [x, g.ints(starts), g.ints(ends), g.ints(axes)]
    if set(steps) == {1} and g.flag():
        return g.add(op, given)
    return g.add(op, [*given, g.ints(steps)])


@recipe("Pad")
def _pad(g: Draft, op: str):
    x = g.value(low=1)
    shape = g.values[x].shape
    rank = len(shape)
    mode = g.choice(["constant", "constant", "edge", "reflect", *["wrap"] * (g.opset >= 19)])
    axes = g.subset(rank) if g.opset >= 18 and g.flag() else list(range(rank))
    before, after = [], []
    for axis in axes:
        size = shape[axis]
        most = {"constant": 3, "edge": 3, "reflect": size - 1, "wrap": size}[mode]
        least = -((size - 1) // 2) if mode == "constant" else 0
        before.append(g.number(least, most))
        after.append(g.number(least, most))
    value = None
    if mode == "constant" and g.flag():
        value = g.constant(0.7) if g.flag() else g.fresh(())
    given = [x, g.ints(before + after), value]
    if axes != list(range(rank)):
        given.append(g.ints(axes))
    return g.add(op, given, **({} if mode == "constant" and g.flag() else {"mode": mode}))


@recipe("CenterCropPad")
def _crop_or_pad(g: Draft, op: str):
    x = g.value(low=1)
    rank = g.values[x].ndim
    axes = g.subset(rank) if g.flag() else None
    wanted = g.numbers(rank if axes is None else len(axes), 1, 5)
    return g.add(op, [x, g.ints(wanted)], **({} if axes is None else {"axes": axes}))


@recipe("Trilu")
def _triangle(g: Draft, op: str):
    k = g.ints(g.number(-1, 2)) if g.flag() else None
    return g.add(op, [g.value(2), k], **g.some(upper=g.number(0, 1)))


# Rearranging ------------------------------------------------------------------------------------


@recipe("DepthToSpace")
def _depth_to_space(g: Draft, op: str):
    n, c, h, w = g.numbers(4, 1, 2)
    x = g.shaped([n, 4 * c, h, w])
    return g.add(op, [x], blocksize=2, **g.some(mode=g.choice(["DCR", "CRD"])))


@recipe("SpaceToDepth")
def _space_to_depth(g: Draft, op: str):
    n, c, h, w = g.numbers(4, 1, 2)
    return g.add(op, [g.shaped([n, c, 2 * h, 2 * w])], blocksize=2)


@recipe("ReverseSequence")
def _reverse(g: Draft, op: str):
    x = g.value(low=2)
    axes = {"batch_axis": 1, "time_axis": 0} if g.flag() else {"batch_axis": 0, "time_axis": 1}
    shape = g.values[x].shape
    lengths = g.numbers(shape[axes["batch_axis"]], 1, shape[axes["time_axis"]])
    given = {} if axes["batch_axis"] == 1 and g.flag() else axes
    return g.add(op, [x, g.ints(lengths)], **given)


@recipe("Col2Im")
def _patches(g: Draft, op: str):
    rank = g.number(1, 2)
    block, strides, dilations = (g.numbers(rank, 1, 2) for _ in range(3))
    image = g.numbers(rank, 3, 5)
    pads = g.numbers(2 * rank, 0, 1)
    windows = [
        (n + pads[i] + pads[rank + i] - dilations[i] * (block[i] - 1) - 1) // strides[i] + 1
        for i, n in enumerate(image)
    ]
    channels = g.number(1, 2)
    x = g.shaped([g.number(1, 2), channels * math.prod(block), math.prod(windows)])
    options = {"strides": strides, "dilations": dilations, "pads": pads}
    g.add(op, [x, g.ints(image), g.ints(block)], **options)
    # ONNX Runtime gives other sums than the standard for some geometries of one axis: such a
    # forward pass has no gradient to be right about.
    node = next(node for node in reversed(g.nodes) if node.op_type == op)
    evaluate = ReferenceEvaluator(node, opsets={"": g.opset})
    (expected,) = evaluate.run(None, {name: g.values[name] for name in node.input})
    assume(np.allclose(g.values[node.output[0]], expected, atol=1e-4))


# Reading and writing by index -------------------------------------------------------------------


def _indices(g: Draft, shape, size: int) -> np.ndarray:
    return np.reshape(g.numbers(math.prod(shape), -size, size - 1), shape)


def _kind(g: Draft) -> type:
    return np.int32 if g.flag() else np.int64


@recipe("Gather")
def _gather(g: Draft, op: str):
    x = g.value(low=1)
    axis = g.axis(x)
    shape = tuple(g.numbers(g.number(0, 2), 1, 3))
    index = g.ints(_indices(g, shape, g.values[x].shape[axis]), _kind(g))
    assume(g.values[x].size * math.prod(shape) <= 400)
    return g.add(op, [x, index], **({} if axis == 0 and g.flag() else {"axis": axis}))


@recipe("GatherElements")
def _gather_elements(g: Draft, op: str):
    x = g.value(low=1)
    axis = g.axis(x)
    shape = [g.number(1, n) for n in g.values[x].shape]
    shape[axis] = g.number(1, 4)
    assume(math.prod(shape) <= 30)
    index = g.ints(_indices(g, shape, g.values[x].shape[axis]), _kind(g))
    return g.add(op, [x, index], axis=axis)


@recipe("GatherND")
def _gather_nd(g: Draft, op: str):
    x = g.value(low=1)
    shape = g.values[x].shape
    batch = g.number(0, min(1, len(shape) - 1))
    depth = g.number(1, len(shape) - batch)
    count = g.numbers(g.number(0, 2), 1, 3)
    columns = [_indices(g, (*shape[:batch], *count), n) for n in shape[batch : batch + depth]]
    index = g.ints(np.stack(columns, axis=-1))
    return g.add(op, [x, index], **({} if batch == 0 and g.flag() else {"batch_dims": batch}))


def _reduction(g: Draft) -> str:
    kinds = ["none", "add", "mul"] if g.opset >= 16 else ["none"]
    return g.choice(kinds + ["max", "min"] * (g.opset >= 18))


@recipe("ScatterElements")
def _scatter_elements(g: Draft, op: str):
    x = g.value(low=1)
    shape, axis, reduction = g.values[x].shape, g.axis(x), _reduction(g)
    cut = [g.number(1, n) for n in shape]
    if reduction == "none":
        # Where indices repeat, the order of writing is not defined.
        lines = math.prod(cut) // cut[axis]
        rows = [g.order(shape[axis])[: cut[axis]] for _ in range(lines)]
        rest = [n for a, n in enumerate(cut) if a != axis % len(shape)]
        index = np.moveaxis(np.reshape(rows, (*rest, cut[axis])), -1, axis)
    else:
        cut[axis] = g.number(1, 4)
        index = _indices(g, cut, shape[axis])
    assume(index.size <= 30)
    plain = reduction == "none" and (g.opset < 16 or g.flag())
    options = {} if plain else {"reduction": reduction}
    return g.add(op, [x, g.ints(index, _kind(g)), g.shaped(cut)], axis=axis, **options)


@recipe("ScatterND")
def _scatter_nd(g: Draft, op: str):
    x = g.value(low=1)
    shape, reduction = g.values[x].shape, _reduction(g)
    depth = g.number(1, len(shape))
    places = [list(place) for place in np.ndindex(*shape[:depth])]
    count = g.number(1, min(3, len(places)))
    chosen = [places[g.number(0, len(places) - 1)] for _ in range(count)]
    if reduction == "none":
        chosen = [places[i] for i in g.order(len(places))[:count]]
    plain = reduction == "none" and (g.opset < 16 or g.flag())
    options = {} if plain else {"reduction": reduction}
    updates = g.shaped([count, *shape[depth:]])
    return g.add(op, [x, g.ints(chosen), updates], **options)


@recipe("Compress")
def _compress(g: Draft, op: str):
    x = g.value(low=1)
    axis = g.axis(x) if g.flag() else None
    size = g.values[x].size if axis is None else g.values[x].shape[axis]
    kept = [True, *(g.flag() for _ in range(g.number(0, min(size, 6) - 1)))]
    return g.add(op, [x, g.ints(kept, bool)], **({} if axis is None else {"axis": axis}))


@recipe("OneHot")
def _one_hot(g: Draft, op: str):
    shape = g.numbers(g.number(1, 2), 1, 3)
    depth = g.number(1, 4)
    index = g.ints(_indices(g, shape, depth))
    values = g.shaped([2])
    axis = g.signed(g.number(0, len(shape)), len(shape) + 1)
    return g.add(op, [index, g.ints(depth), values], **g.some(axis=axis))


@recipe("Unique")
def _unique(g: Draft, op: str):
    x = g.value(low=1)
    options = g.some(axis=g.axis(x), sorted=g.number(0, 1))
    return g.add(op, [x], g.choice([1, 2, 4]), **options)


@recipe("Range")
def _range(g: Draft, op: str):
    start, step = g.normal().item(), g.choice([0.4, -0.5, 1.25])
    limit = start + step * (g.number(1, 5) - 0.5)
    numbers = [g.fresh((), np.asarray(n, np.float32)) for n in (start, limit, step)]
    return g.add(op, numbers)
