"""The light models of the onnx package, differentiated: whole architectures."""

from __future__ import annotations

import gc
import importlib.resources
import warnings
from collections.abc import Iterator

import numpy as np
import onnx
import onnx_ad
import onnxscope as osc
import pytest
from graphs import session

pytestmark = pytest.mark.slow

# Convolutions, pools and dense layers as in AlexNet, which has an LRN besides; and far more to
# compute.
LIKE_ALEXNET = ("light_vgg19.onnx", "light_zfnet512.onnx")


def light_models():
    folder = importlib.resources.files("onnx") / "backend" / "test" / "data" / "light"
    every = (path for path in folder.iterdir() if path.name.endswith(".onnx"))
    return sorted(str(path) for path in every if path.name not in LIKE_ALEXNET)


@pytest.fixture(autouse=True)
def _memory_given_back() -> Iterator[None]:
    """What a test made is freed behind it: graphs are circles, and few objects hold much."""
    yield
    gc.collect()


@pytest.mark.parametrize("path", light_models(), ids=lambda path: path.rpartition("/")[2])
def test_light_models(path):
    """Whole architectures with constant weights: ResNet, Inception, DenseNet and others."""
    model = onnx.load(path)
    weights = {tensor.name for tensor in model.graph.initializer}
    value = next(v for v in model.graph.input if v.name not in weights)
    shape = [dim.dim_value for dim in value.type.tensor_type.shape.dim]
    of = before_softmax(model)
    rng = np.random.default_rng(0)
    x = rng.normal(size=shape).astype(np.float32)
    opened = session(osc.differentiate(model, of=of, wrt=[value.name]))
    known = {entry.name: entry.shape for entry in opened.get_inputs()}
    cotangent = rng.normal(size=known[f"grad_{of}"]).astype(np.float32)
    feeds = {value.name: x, f"grad_{of}": cotangent}
    gradient = opened.run([f"grad_{value.name}"], feeds)[0]
    # One of both at a time: each holds what VGG computes with, more than a gigabyte.
    del opened
    gc.collect()
    assert np.isfinite(gradient).all()
    gradient = gradient.astype(np.float64)
    expected = by_onnx_ad(model, value.name, of, x, cotangent)
    if expected is None:
        pytest.skip("onnx-ad does not differentiate this model")
    expected = expected.astype(np.float64)
    size = np.linalg.norm(expected)
    difference = np.linalg.norm(gradient - expected) / size
    if difference > 1e-5:
        # With all weights of a layer alike, values lie on kinks to the last bit: how far rounding
        # alone moves the gradient is seen by running the same graph without the runtime's
        # optimisations.
        graph = osc.differentiate(model, of=of, wrt=[value.name])
        plain = session(graph, optimized=False).run([f"grad_{value.name}"], feeds)[0]
        rounding = np.linalg.norm(gradient - plain) / size
        assert rounding < 0.05
        assert difference <= 2 * rounding


def before_softmax(model):
    """The logits: their weights are all alike, and a softmax of equal numbers has no slope."""
    last = model.graph.node[-1]
    if last.op_type != "Softmax":
        return model.graph.output[0].name
    logits = onnx.helper.make_empty_tensor_value_info(last.input[0])
    model.graph.output.append(logits)
    return last.input[0]


def by_onnx_ad(model, name, of, x, cotangent):
    """The second opinion, `None` where it refuses the model."""
    converted = onnx.version_converter.convert_version(model, 18)
    converted = onnx.shape_inference.infer_shapes(converted)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            other = onnx_ad.reverse(
                converted, inputs=[name], outputs=[of], prefix="ad_", layout="onnx"
            )
            # As it is: to look for what could be optimised takes longer than all else here.
            opened = session(other, optimized=False)
        except (onnx_ad.UnsupportedOperator, RuntimeError, KeyError):
            return None
    seed = {f"ad_{of}": cotangent[..., None]}
    return opened.run([f"ad_{name}"], {name: x} | seed)[0][..., 0]
