"""Inputs that take no pictures, or do not say so: what the messages advise works."""

from __future__ import annotations

import numpy as np
import onnxscope as osc
import pytest
from graphs import run
from onnx.parser import parse_model as text_model
from onnxscope.errors import InputError, NoPictureError

OF_NOTHING = """<ir_version: 8, opset_import: ["": 13]>
    g (float[0, 3] x) => (float[A, B] y) { y = Tanh (x) }"""

NO_PIXELS = """<ir_version: 8, opset_import: ["": 13]>
    g (float[0, 3, 0, 0] x) => (float[A, B, C, D] y) { y = Tanh (x) }"""

NO_SHAPE = (
    """<ir_version: 8, opset_import: ["": 13]> g (float[2] x) => (float[A, B] y) { y = Tanh (x) }"""
)

GREY = """<ir_version: 8, opset_import: ["": 13]>
    g (float[N, 1, 32, W] x) => (float[A, B, C, D] y) { y = Tanh (x) }"""


def test_a_size_of_zero_is_zero_everywhere():
    """As to ONNX Runtime, which takes inputs of no elements alone."""
    proto = text_model(OF_NOTHING)
    graph = osc.differentiate(proto, of="y", wrt=["x"], compare=False)
    nothing = np.zeros((0, 3), np.float32)
    assert run(graph, {"x": nothing, "grad_y": nothing})["grad_x"].shape == (0, 3)
    with pytest.raises(InputError, match=r"not \(2, 3\): a size of 0 is none at all") as caught:
        osc.differentiate(proto, of="y", wrt=["x"], shapes={"x": (2, 3)}, compare=False)
    assert "dim[0].dim_param = 'N'" in str(caught.value)
    with pytest.raises(NoPictureError, match=r"takes no pixels: a size of 0 is none at all"):
        osc.load(text_model(NO_PIXELS), compare=False)
    proto.graph.input[0].type.tensor_type.shape.dim[0].dim_param = "N"
    graph = osc.differentiate(proto, of="y", wrt=["x"], shapes={"x": (2, 3)}, compare=False)
    x = np.ones((2, 3), np.float32)
    assert run(graph, {"x": x, "grad_y": x})["grad_x"].shape == (2, 3)


def test_an_input_without_a_shape():
    proto = text_model(NO_SHAPE)
    proto.graph.input[0].type.tensor_type.ClearField("shape")
    with pytest.raises(InputError, match=r"shapes=\{'x': \(1, 8\)\} \(--shape x=1,8\)"):
        osc.verify(proto)
    found = osc.verify(proto, shapes={"x": (1, 8)}, directions=1, timeout=None)
    assert found.verdict == "agrees"


def test_a_grey_picture_of_open_width_is_one():
    model = osc.load(text_model(GREY), layout="NCHW", compare=False, preprocessing="none")
    picture = osc.render(model, osc.layer("y"), size=(32, 40), steps=1, provider="cpu")
    assert picture.images.shape == (1, 32, 40, 1)
