"""Small detectors with random weights, whose outputs have the shapes of YOLO's and SSD's."""

from __future__ import annotations

import json

import numpy as np
import onnx
from onnxscope.graph.builder import Builder
from onnxscope.graph.finish import model_of
from onnxscope.graph.tensor import Tensor

NAMES = ("person", "bicycle", "traffic light")
SIZE = 64


def detector(kind: str) -> onnx.ModelProto:
    """Return a detector of two scales that looks for three classes.

    Args:
        kind: `yolov8`: (1, 4 + 3, boxes); `yolov5`: (1, boxes, 5 + 3); `ssd`: boxes (1, boxes, 4)
            and scores (1, boxes, 1 + 3), the background first.
    """
    builder = Builder(kind)
    op, rng = builder.op, np.random.default_rng(3)

    def conv(x: Tensor, channels: int, kernel: int, stride: int = 1) -> Tensor:
        shape = (channels, x.dims[1], kernel, kernel)
        weights = rng.standard_normal(shape) * np.sqrt(2 / (shape[1] * kernel**2))
        return op.Conv(
            x,
            builder.constant(weights, np.float32, "w"),
            strides=[stride, stride],
            pads=[kernel // 2] * 4,
        )

    def reshaped(x: Tensor, *shape: int) -> Tensor:
        return op.Reshape(x, builder.constant(shape, np.int64, "shape"))

    image = builder.input("images", [1, 3, SIZE, SIZE], np.float32)
    near = op.Relu(conv(op.Relu(conv(image, 8, 3, 2)), 12, 3, 2))
    far = op.Relu(conv(near, 16, 3, 2))
    if kind == "yolov8":
        boxes, scores = [], []
        for x in (near, far):
            boxes.append(reshaped(conv(x, 4, 1), 1, 4, -1))
            scores.append(reshaped(conv(x, 3, 1), 1, 3, -1))
        every = op.Concat(op.Concat(*boxes, axis=2), op.Sigmoid(op.Concat(*scores, axis=2)), axis=1)
        builder.output("output0", every)
    elif kind == "yolov5":
        parts = []
        for x in (near, far):
            raw = op.Sigmoid(conv(x, 3 * 8, 1))
            raw = reshaped(raw, 1, 3, 8, *x.dims[2:])
            parts.append(reshaped(op.Transpose(raw, perm=[0, 1, 3, 4, 2]), 1, -1, 8))
        builder.output("output0", op.Concat(*parts, axis=1))
    else:
        boxes, scores = [], []
        for x in (near, far):
            boxes.append(reshaped(op.Transpose(conv(x, 8, 1), perm=[0, 2, 3, 1]), 1, -1, 4))
            scores.append(reshaped(op.Transpose(conv(x, 8, 1), perm=[0, 2, 3, 1]), 1, -1, 4))
        builder.output("boxes", op.Concat(*boxes, axis=1))
        builder.output("scores", op.Softmax(op.Concat(*scores, axis=1), axis=2))
    return model_of(builder, {"names": json.dumps(dict(enumerate(NAMES)))})
