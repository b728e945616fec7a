"""Receptive fields: the same numbers from the cells that matter."""

from __future__ import annotations

import graphs
import numpy as np
import onnx
import onnxscope as osc
import pytest
from onnxscope.ascent.composition import Composition
from onnxscope.ascent.step import gradient_graph
from onnxscope.gradient import objective
from onnxscope.gradient.objective import append_gradient
from onnxscope.gradient.passes import BEFORE_THE_WALK, GradientPlan
from onnxscope.gradient.walk import backpropagate
from onnxscope.graph.builder import Builder
from onnxscope.graph.finish import model_of
from onnxscope.graph.passes.crop import crop
from onnxscope.graph.passes.narrow import narrow
from onnxscope.graph.passes.plan import Plan
from onnxscope.graph.tensor import Tensor
from onnxscope.rules.standard import standard_rules
from onnxscope.transforms.composition import compose


def _network(builder: Builder, image: Tensor) -> Tensor:
    """Everything that crop knows: windows of all kinds, branches of different reach, a residual."""
    op = builder.op
    rng = np.random.default_rng(3)

    def weights(*shape: int) -> Tensor:
        return builder.constant(rng.standard_normal(shape), np.float32)

    x = op.Conv(
        image, weights(8, 3, 7, 7), weights(8),
        strides=[2, 2], auto_pad="SAME_UPPER",
    )  # fmt: skip
    x = op.MaxPool(op.Relu(x), kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1)
    x = op.LRN(x, size=5)
    branches = [
        op.Conv(x, weights(4, 8, 1, 1)),
        op.Conv(x, weights(4, 8, 3, 3), pads=[1, 1, 1, 1]),
        op.Conv(x, weights(4, 8, 5, 3), pads=[4, 2, 4, 2], dilations=[2, 2]),
        op.AveragePool(x, kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
    ]
    y = op.Relu(op.Concat(*branches, axis=1))
    y = y * builder.constant(rng.random((1, 20, 1, 1)), np.float32) + y
    # Operands of lower rank, and such that are wide along one axis alone.
    height, width = y.shape[2:]
    for shape in ((width,), (height, 1), (height, width), (1, 1, 1, width), (20, height, 1)):
        y = y + builder.constant(rng.random(shape), np.float32)
    y = op.AveragePool(
        y, kernel_shape=[2, 3], strides=[1, 2], count_include_pad=1, pads=[0, 1, 1, 1]
    )
    depthwise = op.Conv(y, weights(20, 1, 3, 3), pads=[1, 1, 1, 1], group=20)
    return op.Conv(depthwise + y, weights(6, 20, 2, 2), strides=[1, 2])


def _run(
    size: tuple[int, int], cells: list[tuple[int, int, int]], cropped: bool
) -> tuple[onnx.ModelProto, list[np.ndarray]]:
    builder = Builder()
    image = builder.input("image", (2, 3, *size), np.float32)
    layer = _network(builder, image)
    parts = [layer[:, c, y, x] for c, y, x in cells]
    value = builder.output("value", parts[0] if len(parts) == 1 else builder.op.Sum(*parts))
    narrow(builder, Plan())
    if cropped:
        crop(builder, Plan())
    seed = builder.constant(np.ones(2), np.float32)
    gradient = backpropagate(builder, {value: seed}, [image], standard_rules())[0]
    builder.output("grad_image", gradient)
    model = model_of(builder)
    onnx.checker.check_model(model, full_check=True)
    opened = graphs.session(model)
    images = np.random.default_rng(1).random((2, 3, *size), np.float32)
    return model, opened.run(None, {"image": images})


def _work(model: onnx.ModelProto) -> int:
    """Output elements of all convolutions."""
    inferred = onnx.shape_inference.infer_shapes(model)
    sizes = {
        value.name: int(np.prod([d.dim_value for d in value.type.tensor_type.shape.dim]))
        for value in [*inferred.graph.value_info, *inferred.graph.output]
    }
    return sum(sizes[node.output[0]] for node in model.graph.node if "Conv" in node.op_type)


@pytest.mark.sample(4)
@pytest.mark.parametrize("size", [(64, 64), (61, 75)])
@pytest.mark.parametrize(
    "cells",
    [
        [(3, 7, 3)],
        [(3, 0, 0)],
        [(3, -1, -1)],
        [(0, 0, -1)],
        [(3, 7, 3), (5, 8, 2)],
        [(3, 2, 1), (3, -2, -2)],
    ],
    ids=str,
)
def test_value_and_gradient_are_those_of_the_whole(
    size: tuple[int, int], cells: list[tuple[int, int, int]]
) -> None:
    whole_model, whole = _run(size, cells, cropped=False)
    part_model, part = _run(size, cells, cropped=True)
    np.testing.assert_allclose(part[0], whole[0], rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(part[1], whole[1], rtol=1e-5, atol=1e-5 * np.abs(whole[1]).max())
    assert np.abs(whole[1]).max() > 0
    if len(cells) == 1:
        assert _work(part_model) < 0.5 * _work(whole_model)


@pytest.mark.slow
def test_a_channel_is_not_cropped() -> None:
    builder = Builder()
    image = builder.input("image", (1, 3, 64, 64), np.float32)
    value = builder.output("value", _network(builder, image)[:, 2].mean((1, 2)))
    before = len(builder.graph)
    crop(builder, Plan())
    model = model_of(builder)
    assert len(model.graph.node) <= before
    assert not [node for node in model.graph.node if node.op_type == "Pad"]
    assert value.shape == (1,)


@pytest.mark.slow
@pytest.mark.parametrize("target", [osc.neuron("fire4", 9), osc.neuron("fire5", 3, y=0, x=26)])
def test_a_whole_step_with_its_warp(
    squeezenet: osc.Model, target: osc.Objective, monkeypatch: pytest.MonkeyPatch
) -> None:
    composition = Composition(squeezenet, target, osc.Fourier(), compose(osc.lucid()), 2, 224, 224)
    rng = np.random.default_rng(0)
    feeds = composition.parameters(rng) | composition.random_data(rng)

    def run() -> dict[str, np.ndarray]:
        graph = gradient_graph(composition, standard_rules())
        return graphs.run(graph, feeds)

    part = run()
    others = tuple(one for one in BEFORE_THE_WALK if one.rewrite is not crop)
    monkeypatch.setattr(objective, "BEFORE_THE_WALK", others)
    whole = run()
    assert sorted(part) == sorted(whole)
    for name, array in whole.items():
        assert np.abs(array).max() > 0
        np.testing.assert_allclose(part[name], array, rtol=1e-4, atol=1e-5 * np.abs(array).max())


def test_append_gradient_crops(squeezenet: osc.Model) -> None:
    builder = Builder(opset=squeezenet.opset)
    image = builder.input("image", (1, 3, 224, 224), np.float32)
    value = osc.neuron("fire3", 5).build(squeezenet.append(image, ["fire3"]))
    append_gradient(builder, value, [image], GradientPlan(rules=standard_rules()))
    model = model_of(builder)
    first = next(node for node in model.graph.node if node.op_type == "Conv")
    inferred = onnx.shape_inference.infer_shapes(model)
    shape = next(v for v in inferred.graph.value_info if v.name == first.output[0])
    height = shape.type.tensor_type.shape.dim[2].dim_value
    assert height < 20, "fire3's neuron sees few of conv1's 112 rows"
