"""A small network of ReLUs without biases, in which attributions add up, and a photograph."""

from __future__ import annotations

import numpy as np
import onnx
import onnxscope as osc
from onnxscope.graph.builder import Builder
from onnxscope.graph.finish import model_of
from onnxscope.graph.metadata import Metadata

LABELS = ("tench", "<img src=x onerror=alert(1)>", "crane", "kit & fox")
SIZE = 48


def network(*, skip: bool = False, classes: bool = True, fixed: bool = False) -> onnx.ModelProto:
    """Three layers of cells, 24×24, 12×12 and 12×12; with `skip` the last reads the first too."""
    builder = Builder("seen")
    op = builder.op
    rng = np.random.default_rng(5)
    layers: list[str] = []

    def conv(name, x, channels, stride):  # type: ignore[no-untyped-def]
        shape = (channels, x.dims[1], 3, 3)
        weights = rng.standard_normal(shape) * np.sqrt(2 / (shape[1] * 9))
        kernel = builder.constant(weights, np.float32, f"{name}_w")
        made = op.Conv(x, kernel, strides=[stride, stride], pads=[1, 1, 1, 1])
        layers.append(name)
        return builder.output(name, op.Relu(made))

    dims = [1, 3, SIZE, SIZE] if fixed else ["N", 3, "H", "W"]
    image = builder.input("image", dims, np.float32)
    one = conv("one", image * 1.0, 8, 2)
    two = conv("two", one, 10, 2)
    three = conv("three", two, 12, 1)
    if skip:
        three = three + conv("side", one, 12, 2)
        layers.append("sum")
        three = builder.output("sum", three)
    if classes:
        mean = op.Flatten(op.GlobalAveragePool(three))
        weights = builder.constant(rng.standard_normal((12, 4)), np.float32, "dense_w")
        layers.append("logits")
        builder.output("logits", op.MatMul(mean, weights))
    metadata = Metadata(
        architecture="seen",
        dataset="random numbers",
        source="made here",
        license="Apache-2.0",
        size=SIZE,
        layers=tuple(layers),
        labels=LABELS if classes else (),
        preprocessing="RGB in [0, 1]",
    )
    return model_of(builder, metadata.to_props())


def tokens() -> onnx.ModelProto:
    """Patches of 8×8 pixels as tokens behind a class token, in two layers, and classes."""
    builder = Builder("tokens")
    op = builder.op
    rng = np.random.default_rng(6)

    def constant(name, *shape):  # type: ignore[no-untyped-def]
        weights = rng.standard_normal(shape) / np.sqrt(shape[-1] * 3)
        return builder.constant(weights, np.float32, name)

    image = builder.input("image", ["N", 3, 48, 48], np.float32)
    patches = op.Conv(image * 2.0 - 1.0, constant("patch_w", 16, 3, 8, 8), strides=[8, 8])
    flat = op.Transpose(op.Reshape(patches, builder.constant([0, 0, -1], np.int64)), perm=[0, 2, 1])
    first = op.Expand(
        constant("class", 1, 1, 16),
        op.Concat(op.Shape(image, end=1), builder.constant([1, 16], np.int64), axis=0),
    )
    x = op.Concat(first, flat, axis=1)
    layers = []
    for number in range(2):
        weights = op.Softmax(op.MatMul(x, op.Transpose(x, perm=[0, 2, 1])) * 0.2, axis=-1)
        x = op.Relu(op.MatMul(op.MatMul(weights, x), constant(f"w{number}", 16, 16)) + x)
        layers.append(f"block{number}")
        x = builder.output(layers[-1], x)
    last = op.ReduceMean(x, builder.constant([1], np.int64), keepdims=0)
    layers.append("logits")
    builder.output("logits", op.MatMul(last, constant("head", 16, 4)))
    metadata = Metadata(
        architecture="tokens",
        dataset="random numbers",
        source="made here",
        license="Apache-2.0",
        size=SIZE,
        layers=tuple(layers),
        labels=LABELS,
        preprocessing="RGB in [0, 1]",
    )
    return model_of(builder, metadata.to_props())


def photo() -> np.ndarray:
    """Blobs of colour, (48, 48, 3) uint8."""
    rng = np.random.default_rng(2)
    return np.uint8(np.kron(rng.integers(0, 256, (6, 6, 3)), np.ones((8, 8, 1))))


def taken_apart(**more: object) -> osc.Blocks:
    """What `blocks` makes of the two, with few steps."""
    given = {"steps": 2, "size": 16, "groups": (2, 3), "provider": "cpu"}
    return osc.blocks(osc.load(network()), photo(), ["one", "two", "three"], **(given | more))
