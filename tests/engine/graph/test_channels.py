"""Channels that do not fit weights are refused while the graph is written, as runtimes do later."""

from __future__ import annotations

import numpy as np
import onnxscope as osc
import pytest
from graphs import text_model
from onnxscope.errors import ModelError, OnnxscopeError
from onnxscope.graph.builder import Builder

CASES = {
    "Conv": ([(1, 4, 5, 5), (2, 3, 3, 3)], {}, "for 3 channels, not for 4"),
    "Conv in groups": ([(1, 4, 5, 5), (2, 1, 3, 3)], {"group": 2}, "for 2 channels, not for 4"),
    "ConvTranspose": ([(1, 4, 5, 5), (3, 2, 3, 3)], {}, "for 3 channels, not for 4"),
    "InstanceNormalization": ([(1, 4, 5), (3,), (3,)], {}, "for 3 channels, not for 4"),
    "BatchNormalization": ([(1, 4, 5), (3,), (3,), (3,), (3,)], {}, "4"),
}


@pytest.mark.parametrize("name", CASES)
def test_channels_that_do_not_fit(name):
    shapes, attributes, words = CASES[name]
    builder = Builder()
    inputs = [builder.input(f"x{i}", s, np.float32) for i, s in enumerate(shapes)]
    with pytest.raises(ModelError, match=words):
        builder.append(name.partition(" ")[0], inputs, attributes)


def test_open_channels_fit():
    builder = Builder()
    x = builder.input("x", (1, "C", 5, 5), np.float32)
    w = builder.input("w", (2, 3, 3, 3), np.float32)
    assert builder.op.Conv(x, w).dims[:2] == (1, 2)


@pytest.mark.parametrize(("said", "right"), [("NHWC", "NCHW"), ("NCHW", "NHWC")])
def test_the_other_layout_is_named(said, right):
    weights = ", ".join(["0.5"] * 6)
    text = {
        "NCHW": "g (float[N, C, H, W] x) => (float[N, 2, H, W] y) "
        f"<float[2, 3, 1, 1] w = {{{weights}}}> {{ y = Conv(x, w) }}",
        "NHWC": "g (float[N, H, W, C] x) => (float[N, 2, H, W] y) "
        f"<float[2, 3, 1, 1] w = {{{weights}}}> "
        "{ t = Transpose<perm = [0, 3, 1, 2]>(x) y = Conv(t, w) }",
    }[right]
    proto = text_model(text)
    model = osc.load(proto, layout=said, input_range=(0, 1))
    with pytest.raises(OnnxscopeError) as refused:
        osc.verify(model, "y:1")
    assert f"perhaps it is layout='{right}' (--layout {right})" in str(refused.value)
    with pytest.raises(OnnxscopeError, match=f"--layout {right}"):
        osc.render(model, osc.channel("y", 1), steps=1)
    model = osc.load(proto, layout=right, input_range=(0, 1))
    assert osc.render(model, osc.channel("y", 1), steps=1, size=16).images.shape == (1, 16, 16, 3)
