"""A unit that fails keeps no other from being made, and what is at fault is named."""

from __future__ import annotations

import numpy as np
import onnx
import onnxscope as osc
import pytest
from onnxscope.errors import InputError, LayerError, StepError
from onnxscope.network.class_scores import class_scores
from onnxscope.pictures.series import render_each

TEXT = (
    '<ir_version: 8, opset_import: ["": 18]> g (float[N, 3, 24, 24] x) => (float[N, 4, 24, 24] y) '
    "{ c = Conv <kernel_shape = [1, 1]> (x, w, b)  y = Relu(c) }"
)
SHORT = {"steps": 2, "provider": "cpu", "cache": False}


@pytest.fixture
def broken():
    """Four channels, the first of which has no number for a bias."""
    proto = onnx.parser.parse_model(TEXT)
    kernels = np.random.default_rng(0).random((4, 3, 1, 1), np.float32)
    bias = np.array([np.nan, 0.1, 0.1, 0.1], np.float32)
    for name, value in (("w", kernels), ("b", bias)):
        proto.graph.initializer.append(onnx.numpy_helper.from_array(value, name))
    return osc.load(proto, preprocessing="none", compare=False)


@pytest.mark.slow
@pytest.mark.parametrize("batch_size", [None, 1, 2])
@pytest.mark.parametrize("order", [(0, 1, 2), (1, 0, 2), (0, 0, 1)])
def test_the_others_are_made(broken, order, batch_size):
    objectives = [osc.channel("y", unit) for unit in order]
    found = list(render_each(broken, objectives, batch_size=batch_size, **SHORT))
    assert [made.number for made in found] == [0, 1, 2]
    for unit, made in zip(order, found, strict=True):
        assert (made.picture is None) is (unit == 0)
        if unit == 0:
            assert "its weight 'b' holds NaN" in str(made.error)


def test_one_alone_says_what_is_at_fault(broken):
    with pytest.raises(StepError, match="its weight 'b' holds NaN; what does not depend on that"):
        osc.render(broken, osc.channel("y", 0), **SHORT)


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("batch_size", [None, 1])
def test_an_argument_that_does_not_fit_ends_it(broken, count, batch_size):
    objectives = [osc.channel("y", unit + 1) for unit in range(count)]
    with pytest.raises(InputError, match="steps must be at least 1"):
        list(render_each(broken, objectives, batch_size=batch_size, **SHORT | {"steps": 0}))


def test_labels_are_counted():
    proto = onnx.parser.parse_model(
        '<ir_version: 8, opset_import: ["": 18]> g (float[N, 3, 8, 8] x) => (float[N, 3] y) '
        "{ p = GlobalAveragePool(x)  y = Flatten(p) }"
    )
    assert osc.load(proto, labels=["a", "b", "c"]).labels == ("a", "b", "c")
    with pytest.raises(InputError, match="there are 2 labels, and y of"):
        osc.load(proto, labels=["a", "b"])


def test_a_detector_without_labels_is_told_what_to_say():
    proto = onnx.parser.parse_model(
        '<ir_version: 8, opset_import: ["": 18]> g (float[N, 3, 8, 8] x) => (float[N, 3, 8, 8] y) '
        "{ y = Relu(x) }"
    )
    with pytest.raises(
        LayerError,
        match=r"its last layer is y \(3×8×8\): `onnxscope render` takes y:2; or name the",
    ):
        class_scores(osc.load(proto))
