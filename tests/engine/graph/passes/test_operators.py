"""Every operator that passes move through, activations first: the numbers of the file as it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import onnx
import onnxscope as osc
import pytest
from graphs import run
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator
from onnxscope.gradient.walk import backpropagate
from onnxscope.graph.builder import Builder
from onnxscope.graph.finish import model_of
from onnxscope.graph.passes.crop import crop
from onnxscope.graph.passes.narrow import narrow
from onnxscope.graph.passes.plan import Plan
from onnxscope.graph.passes.precision import use_half
from onnxscope.graph.tensor import Tensor
from onnxscope.graph.traits import Trait, operators_with
from onnxscope.importer.opsets import load_graph
from onnxscope.importer.replay import replay
from onnxscope.objectives.preactivation import without_activation
from onnxscope.rules.standard import standard_rules
from trait_examples import example_of

Pass = Callable[[Builder, Tensor], None]
SHAPE = (2, 3, 12, 12)
_rng = np.random.default_rng(5)
IMAGE = _rng.standard_normal(SHAPE).astype(np.float32)
FUNCTIONS = sorted(operators_with(Trait.ACTIVATION))
SLOPES = {
    "one slope": np.full(1, 0.3, np.float32),
    "a slope for each channel": np.array([0.5, -0.2, 0.1], np.float32).reshape(3, 1, 1),
    "a slope for each column": np.linspace(-0.5, 0.7, 12, dtype=np.float32),
    "slopes of rank 4": np.array([0.5, -0.2, 0.1], np.float32).reshape(1, 3, 1, 1),
}


# Those of real numbers that give real numbers, but for the activation functions.
WINDOWS = operators_with(Trait.POOLING, Trait.WINDOWED)
OF_ONE = operators_with(Trait.CHANNELWISE) - set(FUNCTIONS) - {
    "BitCast", "BitwiseNot", "IsInf", "IsNaN", "Not", "OptionalGetElement",
}  # fmt: skip
OF_TWO = ("Add", "Div", "Max", "Mean", "Min", "Mod", "Mul", "Pow", "Sub", "Sum")
OPERANDS = {
    "number": (),
    "channels": (3, 1, 1),
    "columns": (12,),
    "rows": (1, 12, 1),
    "whole": (1, 3, 12, 12),
}


def _file(function: str, *given: np.ndarray) -> onnx.ModelProto:
    """An activation function of three channels between convolutions.

    The first of them is never in half precision.
    """
    example = example_of(function)
    rng = np.random.default_rng(6)
    kernel, bias = rng.standard_normal((3, 3, 3, 3)) / 3, rng.standard_normal(3)
    weights = {"kernel": kernel, "bias": bias, "next": rng.standard_normal((4, 3, 3, 3)) / 3}
    if function not in FUNCTIONS:
        # Where all of them are defined: from 0.2 to 0.8, of Acosh from 1.2 to 1.8.
        kernel /= 30
        bias[:] = 1.5 if function == "Acosh" else 0.5
    weights["stem"] = rng.standard_normal((3, 3, 1, 1))
    constants = {name: array.astype(np.float32) for name, array in weights.items()}
    parameters = given or example.inputs[1:]
    constants |= {f"p{i}": p for i, p in enumerate(parameters) if p is not None}
    nodes = [
        helper.make_node("Conv", ["x", "stem"], ["start"]),
        helper.make_node("Conv", ["start", "kernel", "bias"], ["before"], pads=[1] * 4),
        helper.make_node(
            function, ["before", *(f"p{i}" for i in range(len(parameters)))], ["y"],
            **_attributes(function),
        ),
        helper.make_node("Conv", ["y", "next"], ["z"], pads=[1] * 4),
    ]  # fmt: skip
    graph = helper.make_graph(
        nodes,
        function,
        [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, SHAPE)],
        [
            helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [None] * 4)
            for name in ("before", "y", "z")
        ],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    opsets = [helper.make_opsetid("", example.opset)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=10)


def _attributes(function: str) -> Mapping[str, object]:
    if function == "Cast":
        return {"to": onnx.TensorProto.FLOAT}
    return example_of(function).attributes


def _as_it_is(file: onnx.ModelProto) -> dict[str, np.ndarray]:
    """What ONNX Runtime gives for a file, or the reference, where it lacks the operator."""
    if file.opset_import[0].version > 22:
        names = [output.name for output in file.graph.output]
        return dict(zip(names, ReferenceEvaluator(file).run(None, {"x": IMAGE}), strict=True))
    return run(file, {"x": IMAGE})


def _graph(
    file: onnx.ModelProto, name: str, part: tuple[slice, ...], passes: Sequence[Pass]
) -> onnx.ModelProto:
    """A part of a value, and the gradient of the sum of its squares, behind passes."""
    loaded = load_graph(file)
    builder = Builder(opset=loaded.opset)
    x = builder.input("x", SHAPE, np.float32)
    layer = replay(builder, loaded.model.graph, {"x": x}, [name])[name]
    # An output itself is not moved.
    value = builder.output("value", -layer[part])
    squares = builder.output("squares", (value * value).sum())
    for rewrite in passes:
        rewrite(builder, x)
    seed = builder.constant(np.ones(squares.shape), np.float32)
    (gradient,) = backpropagate(builder, {squares: seed}, [x], standard_rules())
    builder.output("gradient", gradient)
    return model_of(builder)


CHANNEL = (slice(None), slice(1, 2))
CELLS = (slice(None), slice(None), slice(4, 6), slice(7, 8))


def _narrow(builder: Builder, _: Tensor) -> None:
    narrow(builder, Plan())


def _use_half(builder: Builder, image: Tensor) -> None:
    use_half(builder, Plan(half=image))


def _crop(builder: Builder, _: Tensor) -> None:
    crop(builder, Plan())


@pytest.mark.sample(6)
@pytest.mark.parametrize("name", ["y", "z"])
@pytest.mark.parametrize("part", [CHANNEL, CELLS], ids=["channel", "cells"])
@pytest.mark.parametrize("function", FUNCTIONS)
def test_values_and_gradients_stay(function: str, part: tuple[slice, ...], name: str) -> None:
    _check(_file(function), name, part)


@pytest.mark.parametrize("part", [CHANNEL, CELLS], ids=["channel", "cells"])
@pytest.mark.parametrize("slope", SLOPES.values(), ids=SLOPES)
def test_slopes_of_all_shapes(slope: np.ndarray, part: tuple[slice, ...]) -> None:
    _check(_file("PRelu", slope), "y", part)


@pytest.mark.sample(6)
@pytest.mark.parametrize("part", [CHANNEL, CELLS], ids=["channel", "cells"])
@pytest.mark.parametrize("function", sorted(OF_ONE))
def test_functions_of_one_value(function: str, part: tuple[slice, ...]) -> None:
    if function == "CastLike":
        _check(_file(function, np.zeros(1, np.float32)), "y", part)
    elif function.startswith("Global"):
        _check(_file(function), "y", CHANNEL)
    else:
        windowed = function in WINDOWS or function == "InstanceNormalization"
        _check(_file(function), "y", (*part[:2], slice(2, 4)) if windowed else part)


@pytest.mark.sample(6)
@pytest.mark.parametrize("shape", OPERANDS.values(), ids=OPERANDS)
@pytest.mark.parametrize("part", [CHANNEL, CELLS], ids=["channel", "cells"])
@pytest.mark.parametrize("function", OF_TWO)
def test_functions_of_two_values(
    function: str, part: tuple[slice, ...], shape: tuple[int, ...]
) -> None:
    operand = np.random.default_rng(3).uniform(0.5, 1.5, shape).astype(np.float32)
    _check(_file(function, operand), "y", part)


def _check(file: onnx.ModelProto, name: str, part: tuple[slice, ...]) -> None:
    plain, passed = (_graph(file, name, part, passes) for passes in ((), (_narrow, _crop)))
    expected, results = run(plain, {"x": IMAGE}), run(passed, {"x": IMAGE})
    np.testing.assert_allclose(-results["value"], _as_it_is(file)[name][part], atol=1e-5)
    np.testing.assert_allclose(results["value"], expected["value"], atol=1e-5)
    np.testing.assert_allclose(results["gradient"], expected["gradient"], atol=1e-5)
    if file.graph.name not in FUNCTIONS:
        return
    assert np.abs(expected["gradient"]).max() > 0.1
    # A channel behind the next convolution needs all of this one's; and of a Swish, which is a
    # product of two values in this opset, no channel is computed alone.
    if part is CELLS or (name == "y" and file.graph.name != "Swish"):
        assert _forward_work(passed) < _forward_work(plain)


def _forward_work(model: onnx.ModelProto) -> int:
    """How many elements the second convolution gives."""
    sizes = {
        value.name: [dim.dim_value for dim in value.type.tensor_type.shape.dim]
        for value in onnx.shape_inference.infer_shapes(model, data_prop=True).graph.value_info
    }
    _, second, *_ = (node for node in model.graph.node if node.op_type == "Conv")
    return int(np.prod(sizes[second.output[0]]))


@pytest.mark.parametrize("function", FUNCTIONS)
def test_before_activation(function: str) -> None:
    file = _file(function)
    loaded = load_graph(file)
    builder = Builder(opset=loaded.opset)
    x = builder.input("x", SHAPE, np.float32)
    y = replay(builder, loaded.model.graph, {"x": x}, ["y"])["y"]
    builder.output("before", without_activation(y))
    before = run(model_of(builder), {"x": IMAGE})["before"]
    np.testing.assert_allclose(before, _as_it_is(file)["before"], atol=1e-5)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_main_layers(function: str) -> None:
    file = _file(function)
    del file.graph.output[:2]
    model = osc.load(file, input_range=(0, 1))
    assert [layer.name for layer in model.layers.values() if layer.main] == ["start", "y", "z"]


@pytest.mark.sample(4)
@pytest.mark.parametrize("function", FUNCTIONS)
def test_half_precision(function: str) -> None:
    file = _file(function)
    graph = _graph(file, "z", (slice(None),), [_use_half])
    results, exact = (
        run(graph, {"x": IMAGE}),
        run(_graph(file, "z", (slice(None),), []), {"x": IMAGE}),
    )
    assert any(node.op_type == "Cast" for node in graph.graph.node)
    np.testing.assert_allclose(-results["value"], _as_it_is(file)["z"], atol=0.02)
    a, b = (found["gradient"].ravel().astype(np.float64) for found in (results, exact))
    assert a @ b / (np.linalg.norm(a) * np.linalg.norm(b)) > 0.999
