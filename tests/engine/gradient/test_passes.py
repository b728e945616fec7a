"""Every pass of the lists: values and gradients with it and without it; the file's own values."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
import onnx
import onnxscope as osc
import pytest
from graphs import session
from onnx import helper, numpy_helper
from onnxscope import models
from onnxscope.errors import InputError
from onnxscope.gradient.objective import append_gradient, append_objective
from onnxscope.gradient.passes import BEFORE_THE_WALK, BEHIND_THE_WALK, GradientPlan
from onnxscope.graph.builder import Builder
from onnxscope.graph.finish import FINISHING, model_of
from onnxscope.graph.passes.plan import Guarantee, Plan
from onnxscope.rules.by_provider import rules_for

SIZE = 40
PASSES = (*BEFORE_THE_WALK, *BEHIND_THE_WALK, *FINISHING)


@dataclass(frozen=True)
class Network:
    """A network, the file as it is, and what is looked at in it.

    Attributes:
        file: The file; its first output is looked at.
        layer: The name of that layer.
        unit: Of the layer.
        model: The network, loaded.
    """

    file: onnx.ModelProto
    layer: str
    unit: int
    model: osc.Model


def loaded(file: onnx.ModelProto, layer: str, unit: int) -> Network:
    return Network(file, layer, unit, osc.load(file, input_range=(0, 1)))


class _File:
    """Writes a small file, layer by layer, with random weights."""

    def __init__(self) -> None:
        self.rng = np.random.default_rng(5)
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []

    def add(self, op_type: str, name: str, *inputs: str, **attributes: object) -> str:
        self.nodes.append(helper.make_node(op_type, list(inputs), [name], name, **attributes))
        return name

    def conv(self, name: str, x: str, before: int, after: int, kernel: int, **more: object) -> str:
        scale = np.sqrt(2 / (before * kernel**2))
        data = (self.rng.standard_normal((after, before, kernel, kernel)) * scale).astype("f4")
        self.weights.append(numpy_helper.from_array(data, f"{name}_w"))
        return self.add("Conv", name, x, f"{name}_w", pads=[kernel // 2] * 4, **more)

    def proto(self, output: str, channels: int, size: int) -> onnx.ModelProto:
        graph = helper.make_graph(
            self.nodes,
            "small",
            [helper.make_tensor_value_info("image", 1, ["n", 3, SIZE, SIZE])],
            [helper.make_tensor_value_info(output, 1, ["n", channels, size, size])],
            self.weights,
        )
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)


def inception() -> Network:
    """LRN, pools behind ReLUs, and branches side by side whose channels fill blocks."""
    file = _File()
    x = file.add("Relu", "relu0", file.conv("conv0", "image", 3, 16, 3, strides=[2, 2]))
    x = file.add("LRN", "lrn", x, size=5, alpha=0.1)
    x = file.add("MaxPool", "pool", x, kernel_shape=[3, 3], strides=[2, 2])
    before = 16
    for block in ("a", "b"):
        one = file.add("Relu", f"{block}_1", file.conv(f"{block}_1x1", x, before, 16, 1))
        few = file.add("Relu", f"{block}_2", file.conv(f"{block}_few", x, before, 16, 1))
        two = file.add("Relu", f"{block}_3", file.conv(f"{block}_3x3", few, 16, 32, 3))
        x = file.add("Concat", block, one, two, axis=1)
        before = 48
    x = file.add("Relu", "last", file.conv("conv1", x, 48, 16, 3))
    return loaded(file.proto(x, 16, 9), x, 11)


def residual() -> Network:
    """Sums on the way, an activation spelled out, a pool at the end of a strided way."""
    file = _File()
    x = file.add("Relu", "relu0", file.conv("conv0", "image", 3, 16, 3, strides=[2, 2]))
    x = file.add("MaxPool", "pool", x, kernel_shape=[2, 2], strides=[2, 2])
    for block in ("a", "b"):
        inner = file.conv(f"{block}_in", x, 16, 16, 3)
        inner = file.add("Mul", f"{block}_silu", inner, file.add("Sigmoid", f"{block}_s", inner))
        x = file.add("Add", block, x, file.conv(f"{block}_out", inner, 16, 16, 1))
    x = file.add("Tanh", "last", x)
    return loaded(file.proto(x, 16, 10), x, 3)


def wide() -> Network:
    """An LRN of more channels than are looked through for signs, between convolution and pool."""
    file = _File()
    x = file.add("LRN", "lrn", file.conv("conv0", "image", 3, 260, 3), size=5, alpha=5.0)
    x = file.add("MaxPool", "pool", x, kernel_shape=[3, 3], strides=[2, 2])
    return loaded(file.proto(x, 260, 19), x, 11)


def squeezenet() -> Network:
    """SqueezeNet, its weights as they were published."""
    file = onnx.load(models.fetch("squeezenet"))
    (layer,) = (value for value in file.graph.output if value.name == "fire5")
    file.graph.ClearField("output")
    file.graph.output.append(layer)
    (found,) = session(file).run(None, {"image": pictures()})
    # A unit that is on where a neuron is looked at.
    unit = found[:, :, found.shape[2] // 2, found.shape[3] // 2].min(0).argmax()
    return Network(file, "fire5", int(unit), osc.load("squeezenet"))


@functools.cache
def network(name: str) -> Network:
    makers = {
        "inception": inception, "residual": residual, "squeezenet": squeezenet, "wide": wide
    }  # fmt: skip
    return makers[name]()


def pictures() -> np.ndarray:
    return np.random.default_rng(1).random((2, 3, SIZE, SIZE), np.float32)


def written(name: str, kind: str, provider: str, half: bool, without: str) -> onnx.ModelProto:
    """The graph of an objective and its gradient, without one of the passes."""
    of, finishing = network(name), {one.name for one in FINISHING} & {without}
    objective = {"channel": osc.channel, "neuron": osc.neuron}[kind](of.layer, of.unit)
    builder = Builder("gradient", opset=of.model.opset)
    image = builder.input("image", (2, 3, SIZE, SIZE), np.float32)
    value = append_objective(of.model, objective, image)
    plan = GradientPlan(
        rules=rules_for(provider),
        half=image if half else None,
        without=frozenset({without} - {""} - finishing),
    )
    builder.output("gradient", append_gradient(builder, value, [image], plan)[0])
    return model_of(builder, plan=Plan(without=finishing))


@functools.cache
def computed(
    name: str, kind: str, provider: str, half: bool, without: str = ""
) -> tuple[np.ndarray, np.ndarray]:
    found = session(written(name, kind, provider, half, without)).run(None, {"image": pictures()})
    value, gradient = found
    return value, gradient


@functools.cache
def of_the_file(name: str, kind: str) -> np.ndarray:
    """What the objective is of the values that ONNX Runtime gives for the file as it is."""
    (layer,) = session(network(name).file).run([network(name).layer], {"image": pictures()})
    unit = layer[:, network(name).unit]
    height, width = unit.shape[1:]
    return unit.mean((1, 2)) if kind == "channel" else unit[:, height // 2, width // 2]


@pytest.mark.slow
@pytest.mark.parametrize("provider", ["cpu", "cuda"])
@pytest.mark.parametrize("kind", ["channel", "neuron"])
@pytest.mark.parametrize("name", ["inception", "residual", "squeezenet"])
@pytest.mark.parametrize("one", PASSES, ids=lambda one: one.name)
def test_values_and_gradients_are_those_without_it(one, name, kind, provider):
    half = one.keeps is Guarantee.HALF
    value, gradient = computed(name, kind, provider, half)
    plain, wanted = computed(name, kind, provider, half, one.name)
    limit = 2e-2 if half else 1e-5
    for found in (value, plain):
        np.testing.assert_allclose(found, of_the_file(name, kind), rtol=limit, atol=limit)
    apart = np.linalg.norm(gradient - wanted) / np.linalg.norm(wanted)
    assert np.linalg.norm(wanted) > 0
    # Rounded to half precision, some ReLUs are off and some windows have another winner.
    assert apart < (0.1 if half else limit)


def test_what_mixes_channels_is_whole_where_a_neuron_is_looked_at():
    """The gradient of an LRN is of other channels too than those that a pool behind it takes."""
    (_, gradient), (_, wanted) = (
        computed("wide", "neuron", "cpu", False, without) for without in ("", "lower")
    )
    np.testing.assert_allclose(gradient, wanted, atol=1e-5 * np.abs(wanted).max())


# Those of `FINISHING` have nothing to do here, or hardly; see test_kernels and test_sums.
@pytest.mark.parametrize("one", [*BEFORE_THE_WALK, *BEHIND_THE_WALK], ids=lambda one: one.name)
def test_each_does_something(one):
    half = one.keeps is Guarantee.HALF
    assert any(
        written(name, kind, "cpu", half, one.name) != written(name, kind, "cpu", half, "")
        for name in ("inception", "residual")
        for kind in ("channel", "neuron")
    )


def test_names_are_told_apart():
    names = [one.name for one in PASSES]
    assert len(set(names)) == len(names)


def test_a_pass_that_there_is_not():
    with pytest.raises(InputError, match=r"there is no pass 'crob'.*'crop'"):
        GradientPlan(rules=osc.standard_rules(), without=frozenset({"crob"}))


def test_blocks_are_for_the_cpu_alone():
    assert GradientPlan(rules=rules_for("cpu")).blocked
    assert not GradientPlan(rules=rules_for("cuda")).blocked
    assert (rules_for("cpu") | osc.standard_rules()).blocked
