"""Kernels that are computed by a Pad: ONNX Runtime takes that for the padding of the picture."""

from __future__ import annotations

import numpy as np
import onnx
import onnxscope as osc
import pytest
from graphs import model, run
from onnx.helper import make_node
from onnxscope.graph.builder import Builder
from onnxscope.graph.finish import model_of

_rng = np.random.default_rng(8)
_x = _rng.normal(size=(2, 3, 7, 7)).astype(np.float32)
_w = _rng.normal(size=(3, 4, 2, 3)).astype(np.float32)


def _padded_kernel(turned: bool) -> onnx.ModelProto:
    builder = Builder(opset=18)
    x = builder.input("x", (2, 3, 7, 7), np.float32)
    w = builder.input("w", (3, 4, 2, 3) if turned else (4, 3, 2, 3), np.float32)
    pads = builder.constant([0, 0, 0, 0, 0, 0, 1, 0], np.int64)
    kernel = builder.op.Pad(w, pads)
    kernel = kernel.transpose(1, 0, 2, 3) if turned else kernel
    builder.output("y", builder.op.Conv(x, kernel))
    return model_of(builder)


@pytest.mark.parametrize("turned", [False, True])
def test_a_padded_kernel_is_computed(turned):
    w = _w if turned else _w.transpose(1, 0, 2, 3)
    found = run(_padded_kernel(turned), {"x": _x, "w": np.ascontiguousarray(w)})["y"]
    kernel = np.pad(_w.transpose(1, 0, 2, 3), [(0, 0), (0, 0), (0, 1), (0, 0)])
    plain = model([make_node("Conv", ["x", "k"], ["y"])], {"x": _x, "k": kernel}, ["y"])
    np.testing.assert_allclose(found, run(plain, {"x": _x, "k": kernel})["y"], atol=1e-5)


def test_its_second_gradient_runs():
    """That of a kernel among zeros, as stride and output padding leave it, with axes exchanged."""
    x, w = _x[:1, :2], _w[:2]
    node = make_node("ConvTranspose", ["x", "w"], ["y"], strides=[3, 1], output_padding=[2, 0])
    proto = model([node], {"x": x, "w": w}, ["y"])
    first = osc.differentiate(proto, of="y", wrt=["x", "w"])
    second = osc.differentiate(first, of="grad_w", wrt=["x"])
    y = run(proto, {"x": x, "w": w})["y"]
    dy, dw = (_rng.normal(size=a.shape).astype(np.float32) for a in (y, w))
    feeds = {"x": x, "w": w, "grad_y": dy}
    found = run(second, feeds | {"grad_grad_w": dw})[second.graph.output[-1].name]
    u = _rng.normal(size=x.shape).astype(np.float32)
    # The gradient by the kernel is linear in the picture.
    along = run(first, feeds | {"x": x + u})["grad_w"] - run(first, feeds | {"x": x - u})["grad_w"]
    assert float((found * u).sum()) == pytest.approx(float((along * dw).sum() / 2), rel=1e-4)


def test_other_pads_stay_as_they_are():
    builder = Builder(opset=18)
    x = builder.input("x", (2, 3, 7, 7), np.float32)
    wide = builder.op.Pad(x, builder.constant([0, 0, 1, 1, 0, 0, 1, 1], np.int64))
    builder.output("y", builder.op.Conv(wide, builder.constant(_w.transpose(1, 0, 2, 3))))
    assert [node.op_type for node in model_of(builder).graph.node] == ["Pad", "Conv"]
