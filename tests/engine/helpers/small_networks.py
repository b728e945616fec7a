"""A small network of two convolutions, with classes, whose weights tests know."""

from __future__ import annotations

import numpy as np
import onnx
from onnxscope.graph.builder import Builder
from onnxscope.graph.finish import model_of

SIZE = 16
RNG = np.random.default_rng(5)
W0 = RNG.standard_normal((6, 3, 3, 3)).astype(np.float32)
W1 = RNG.standard_normal((8, 6, 3, 3)).astype(np.float32) / 4
DENSE = RNG.standard_normal((8, 4)).astype(np.float32)


def network(*, middle: float = 0.5) -> onnx.ModelProto:
    """Two convolutions with ReLU, the second with a stride, the mean over all places, classes."""
    builder = Builder("small")
    op = builder.op
    image = builder.input("image", ["N", 3, SIZE, SIZE], np.float32)
    x = op.Relu(
        op.Conv(image - middle if middle else image, builder.constant(W0, np.float32), pads=[1] * 4)
    )
    x = builder.output("first", x)
    x = op.Conv(x, builder.constant(W1, np.float32), pads=[1] * 4, strides=[2, 2])
    x = builder.output("second", op.Relu(x))
    x = op.Flatten(op.GlobalAveragePool(x))
    scores = builder.output("scores", op.MatMul(x, builder.constant(DENSE, np.float32)))
    builder.output("softmax", op.Softmax(scores))
    return model_of(builder)
