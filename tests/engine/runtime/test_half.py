"""Graphs of half precision on the CPU: a fusion of ONNX Runtime's that ends the process is off."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import onnx
import pytest
from onnxscope.graph.builder import Builder
from onnxscope.graph.finish import model_of
from onnxscope.runtime.creation import _harmful_optimizers
from onnxscope.runtime.half import computes_in_half

RUN = """
import sys
import numpy as np
from onnxscope.runtime.session import open_session
import onnx

session = open_session(onnx.load(sys.argv[1]), "cpu")
x = np.arange(24, dtype=np.float16).reshape(2, 3, 4) / 8
y = session.run({"x": x})["y"]
assert np.array_equal(y, np.einsum("abc,cd->bad", x, np.ones((4, 5), np.float16))), y
"""


def swapped_product(weights: str) -> onnx.ModelProto:
    """A MatMul behind a Transpose that swaps the first two axes."""
    builder = Builder()
    dtype = np.float32 if weights == "single" else np.float16
    x = builder.input("x", [2, 3, 4], dtype)
    op = builder.op
    if weights == "filled":
        w = op.ConstantOfShape(op.constant([4, 5], np.int64), value=np.ones(1, np.float16))
    elif weights == "cast":
        w = op.constant(np.ones((4, 5)), np.float32).astype(np.dtype(np.float16))
    else:
        w = op.constant(np.ones((4, 5)), dtype)
    builder.output("y", op.MatMul(op.Transpose(x, perm=[1, 0, 2]), w))
    return model_of(builder)


@pytest.mark.slow
@pytest.mark.parametrize("weights", ["stored", "filled", "cast"])
def test_a_product_behind_swapped_axes_runs(tmp_path, weights):
    # A process of its own: what fails here is not an exception, the interpreter is gone.
    path = tmp_path / "half.onnx"
    onnx.save(swapped_product(weights), path)
    done = subprocess.run(
        [sys.executable, "-c", RUN, str(path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_only_graphs_of_half_precision_lose_the_fusion():
    for weights in ("stored", "filled", "cast"):
        data = swapped_product(weights).SerializeToString()
        assert computes_in_half(data)
        assert _harmful_optimizers(data) == ["MatmulTransposeFusion"]
    data = swapped_product("single").SerializeToString()
    assert not computes_in_half(data)
    assert _harmful_optimizers(data) == []


def test_a_weight_of_half_precision_is_enough():
    proto = swapped_product("stored")
    del proto.graph.input[:], proto.graph.value_info[:], proto.graph.output[:]
    assert computes_in_half(proto.SerializeToString())
    del proto.graph.initializer[:]
    assert not computes_in_half(proto.SerializeToString())
