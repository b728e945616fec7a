"""What inference has found for a node holds for those alike, and for no other."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnxscope.errors import ModelError
from onnxscope.graph.builder import Builder
from onnxscope.graph.shapes import inference


def _first(builder, shape=(2, 3, 8, 8), dtype=np.float32):
    return builder.input("x", shape, dtype)


# One after the other: each differs from one before in one thing that inference looks at.
ONE_AFTER_THE_OTHER = {
    "Flatten": [
        (lambda b: b.op.Flatten(_first(b)), (2, 192), np.float32),
        (lambda b: b.op.Flatten(_first(b), axis=2), (6, 64), np.float32),
        (lambda b: b.op.Flatten(_first(b, (2, 3, 8, 1))), (2, 24), np.float32),
        (lambda b: b.op.Flatten(_first(b, dtype=np.float64)), (2, 192), np.float64),
        (lambda b: b.op.Flatten(_first(b, ("N", 3, 8, 8))), ("N", 192), np.float32),
        (lambda b: b.op.Flatten(_first(b, ("M", 3, 8, 8))), ("M", 192), np.float32),
    ],
    "Reshape": [
        (lambda b: b.op.Reshape(_first(b), b.constant([6, 64])), (6, 64), np.float32),
        (lambda b: b.op.Reshape(_first(b), b.constant([64, 6])), (64, 6), np.float32),
        (lambda b: b.op.Reshape(_first(b), b.constant([64, -1])), (64, 6), np.float32),
    ],
    "Clip": [
        (lambda b: b.op.Clip(_first(b), None, b.constant(1.0, np.float32)), (2, 3, 8, 8), "f4"),
        (lambda b: b.op.Clip(_first(b)), (2, 3, 8, 8), np.float32),
    ],
    "Cast": [
        (lambda b: b.op.Cast(_first(b), to=onnx.TensorProto.INT64), (2, 3, 8, 8), np.int64),
        (lambda b: b.op.Cast(_first(b), to=onnx.TensorProto.BOOL), (2, 3, 8, 8), np.bool_),
    ],
}


@pytest.mark.parametrize("name", ONE_AFTER_THE_OTHER)
def test_what_differs_is_not_alike(name):
    for build, dims, dtype in ONE_AFTER_THE_OTHER[name] * 2:
        found = build(Builder())
        assert found.dims == dims
        assert found.dtype == dtype


def test_alike_nodes_are_inferred_once(monkeypatch):
    asked = []
    plain = inference.shape_inference.infer_node_outputs
    monkeypatch.setattr(
        inference.shape_inference,
        "infer_node_outputs",
        lambda schema, *args, **kwargs: asked.append(schema.name) or plain(schema, *args, **kwargs),
    )
    for name in ("x", "y", "z"):
        builder = Builder()
        builder.op.Relu(builder.input(name, (1, 17, 4, 4741), np.float32))
    assert asked == ["Relu"]


def test_what_one_graph_states_is_not_known_in_another():
    first, second = Builder(), Builder()
    left, right = (b.op.NonZero(_first(b)) for b in (first, second))
    first.declare_shape(left, [4, 7])
    assert left.dims == (4, 7)
    assert right.dims[1] != 7
    third = Builder()
    assert third.op.NonZero(_first(third)).dims[1] != 7


def test_what_does_not_fit_is_refused_each_time():
    for _ in range(2):
        builder = Builder()
        weights = builder.input("w", (2, 4, 3, 3), np.float32)
        with pytest.raises(ModelError, match=r"x \(FLOAT, 2×3×8×8\), w .* for 4 channels, not"):
            builder.op.Conv(_first(builder), weights)
