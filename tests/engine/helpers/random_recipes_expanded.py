"""Recipes for operators that are written as others before they are differentiated."""

from __future__ import annotations

import numpy as np
from hypothesis import assume
from onnx import TensorProto, helper
from random_draft import Draft, recipe

# Normalisation and activations ------------------------------------------------------------------


@recipe("GroupNormalization")
def _groups(g: Draft, op: str):
    groups, each = g.number(1, 2), g.number(1, 2)
    x = g.shaped([g.number(1, 2), groups * each, *g.numbers(g.number(1, 2), 2, 3)])
    # Before opset 21 there is one scale for each group.
    count = groups if g.opset < 21 else groups * each
    parts = [g.shaped([count]) for _ in range(2)]
    return g.add(op, [x, *parts], num_groups=groups, **g.some(epsilon=0.1))


@recipe("MeanVarianceNormalization")
def _mean_variance(g: Draft, op: str):
    x = g.value(4, 4)
    return g.add(op, [x], **g.some(axes=sorted(g.order(4)[: g.number(1, 4)])))


@recipe("RMSNormalization")
def _root_mean_square(g: Draft, op: str):
    x = g.value(1)
    axis = g.axis(x)
    scale = g.shaped(g.values[x].shape[axis % g.values[x].ndim :])
    return g.add(op, [x, scale], axis=axis, **g.some(epsilon=0.1))


@recipe("Swish")
def _swish(g: Draft, op: str):
    return g.add(op, [g.value()], **g.some(alpha=g.choice([0.5, 1.7])))


@recipe("SoftmaxCrossEntropyLoss", "NegativeLogLikelihoodLoss")
def _loss(g: Draft, op: str):
    batch, classes = g.number(1, 3), g.number(2, 3)
    rest = g.numbers(g.number(0, 1), 1, 3)
    x = g.shaped([batch, classes, *rest])
    count = batch * int(np.prod(rest))
    labels = np.reshape(g.numbers(count, 0, classes - 1), (batch, *rest))
    options = g.some(reduction=g.choice(["none", "mean", "sum"]))
    weights = g.positive(g.shaped([classes])) if g.flag() else None
    if g.flag():
        options["ignore_index"] = classes - 1
        assume((labels != classes - 1).any())
    return g.add(op, [x, g.ints(labels), weights], **options)


# Sequences --------------------------------------------------------------------------------------


@recipe("RNN", "GRU", "LSTM")
def _recurrent(g: Draft, op: str):
    gates = {"RNN": 1, "GRU": 3, "LSTM": 4}[op]
    length, batch, width, hidden = g.numbers(4, 1, 2)
    direction = g.choice(["forward", "reverse", "bidirectional"])
    ways = 2 if direction == "bidirectional" else 1
    x = g.shaped([length, batch, width])
    w = g.shaped([ways, gates * hidden, width])
    r = g.shaped([ways, gates * hidden, hidden])
    bias = g.shaped([ways, 2 * gates * hidden]) if g.flag() else None
    lengths = None
    if g.flag():
        lengths = g.constant(g.numbers(batch, 1, length), np.int32)
    state = g.shaped([ways, batch, hidden]) if g.flag() else None
    given = [x, w, r, bias, lengths, state]
    options = {"hidden_size": hidden, "direction": direction}
    if op == "GRU":
        options |= g.some(linear_before_reset=1)
    if op == "LSTM":
        given.append(g.shaped([ways, batch, hidden]) if g.flag() else None)
        given.append(g.shaped([ways, 3 * hidden]) if g.flag() else None)
    return g.add(op, given, g.number(1, 3 if op == "LSTM" else 2), **options)


@recipe("Attention")
def _attention(g: Draft, op: str):
    batch, heads, queries, keys, width = g.numbers(5, 1, 2)
    q = g.shaped([batch, heads, queries, width])
    k, v = (g.shaped([batch, heads, keys, width]) for _ in range(2))
    mask = g.shaped([queries, keys]) if g.flag() else None
    options = g.some(scale=0.7, softcap=2.0)
    if mask is None:
        options |= g.some(is_causal=1)
    return g.add(op, [q, k, v, mask], **options)


@recipe("RotaryEmbedding")
def _rotary(g: Draft, op: str):
    batch, heads, length, half = g.numbers(4, 1, 2)
    x = g.shaped([batch, heads, length, 2 * half])
    caches = [g.shaped([batch, length, half]) for _ in range(2)]
    return g.add(op, [x, *caches], **g.some(interleaved=g.number(0, 1)))


@recipe("If")
def _either(g: Draft, op: str):
    x = g.value()
    shape = g.values[x].shape
    branches = {}
    for name, inner in (("then_branch", "Tanh"), ("else_branch", "Neg")):
        output = helper.make_tensor_value_info(f"{name}_y{len(g.values)}", TensorProto.FLOAT, shape)
        node = helper.make_node(inner, [x], [output.name])
        branches[name] = helper.make_graph([node], name, [], [output])
    return g.add(op, [g.constant(g.flag(), bool)], **branches)


# Signals and pictures ---------------------------------------------------------------------------


@recipe("DFT")
def _fourier(g: Draft, op: str):
    batch, size = g.numbers(2, 1, 3)
    parts = g.number(1, 2)
    x = g.shaped([batch, size + 1, parts])
    options = g.some(inverse=1 if parts == 2 else None, onesided=1 if parts == 1 else None)
    if g.opset < 20:
        return g.add(op, [x], axis=1, **options)
    return g.add(op, [x, None, g.constant(1, np.int64)], **options)


@recipe("AffineGrid")
def _affine(g: Draft, op: str):
    batch = g.number(1, 2)
    height, width = g.numbers(2, 2, 3)
    theta = g.shaped([batch, 2, 3])
    size = g.constant([batch, 1, height, width], np.int64)
    return g.add(op, [theta, size], **g.some(align_corners=g.number(0, 1)))


@recipe("RoiAlign")
def _regions(g: Draft, op: str):
    x = g.shaped([1, g.number(1, 2), 4, 5])
    boxes = g.constant([[0.3, 0.4, 3.1, 2.7], [1.2, 0.1, 4.3, 3.6]][: g.number(1, 2)])
    batch = g.constant(np.zeros(g.values[boxes].shape[0]), np.int64)
    options = g.some(mode=g.choice(["avg", "max"]), sampling_ratio=2, spatial_scale=0.8)
    height, width = g.numbers(2, 1, 2)
    return g.add(op, [x, boxes, batch], output_height=height, output_width=width, **options)


@recipe("DeformConv")
def _deformed(g: Draft, op: str):
    height, width = g.numbers(2, 3, 4)
    channels = g.number(1, 2)
    x = g.shaped([1, channels, height, width])
    w = g.shaped([g.number(1, 2), channels, 2, 2])
    offset = g.shaped([1, 8, height - 1, width - 1])
    bias = g.shaped([g.values[w].shape[0]]) if g.flag() else None
    mask = g.shaped([1, 4, height - 1, width - 1]) if g.flag() else None
    return g.add(op, [x, w, offset, bias, mask], **g.some(kernel_shape=[2, 2]))
