"""The graph of an explanation: pictures in, maps out, as one file of standard operators."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import TensorProto, compose, helper, numpy_helper

from ..graph.builder import Builder
from ..graph.finish import model_of
from ..graph.tensor import Tensor
from ..network.class_scores import before_softmax
from ..network.model import Model
from ..objectives.algebra import Objective
from ..objectives.classes import LOGITS
from ..rules.table import RuleTable
from .method import Method
from .scene import Chosen, Scene
from .stem import Stem


@dataclass(frozen=True)
class Wanted:
    """All that determines the graph of an explanation.

    Attributes:
        model: The network.
        objective: Whose value is explained; `None` is the score of a class of each picture's own,
            which is an input, or the highest.
        method: How.
        layer: What the method looks at, where it looks at a layer.
        rules: Gradient rules, those of the method among them.
        highest: Whether, without an objective, the class with the highest score is explained.
    """

    model: Model
    objective: Objective | None
    method: Method
    layer: str
    rules: RuleTable
    highest: bool = False


def explainer(
    wanted: Wanted, shape: tuple[int, int, int, int], at_once: int = 1
) -> onnx.ModelProto:
    """Return `image` (N, 3, H, W), RGB in [0, 1], to `map` (N, H, W) and `values` (samples, N).

    Without an objective, and without `highest`, an input `class` (N,) int64 says which classes.

    Args:
        wanted: What determines it.
        shape: Of the pictures.
        at_once: Of a method that takes several samples, of how many pictures the network computes
            samples at a time: weights are read once for all of them.
    """
    samples = wanted.method.samples(*shape[2:])
    if samples == 1:
        return _finished(wanted, _sampled(wanted, shape, Samples(1, 1)).builder)
    several = Samples.split(samples, at_once // shape[0])
    sampled = _sampled(wanted, shape, several)
    loop = _looped(model_of(sampled.builder), several)
    if wanted.objective is None and wanted.highest:
        _put_before(loop, _scored(wanted.model, shape))
    return _put_behind(loop, _finish(wanted, shape, loop, sampled.stem))


@dataclass(frozen=True)
class Samples:
    """How samples are taken.

    Attributes:
        count: How many there are.
        together: How many of them are computed together.
    """

    count: int
    together: int

    @staticmethod
    def split(count: int, most: int) -> Samples:
        """Take as many together as leave the fewest places empty in the last part.

        Args:
            count: How many there are.
            most: How many are computed together at most; half of that at least.
        """
        most = max(min(most, count), 1)
        # Of those that leave as few, the largest.
        sizes = range(most, most // 2, -1)
        return Samples(count, min(sizes, key=lambda size: -count % size))

    @property
    def parts(self) -> int:
        """The number of parts, of which the last may have empty places."""
        return -(-self.count // self.together)


def scores(model: Model, shape: tuple[int, int, int, int]) -> onnx.ModelProto:
    """Return `image` (N, 3, H, W) to the class scores before the softmax, `scores` (N, C)."""
    builder = Builder("scores", opset=model.opset)
    image = builder.input("image", shape, np.float32)
    builder.output("scores", before_softmax(model.append(image, [LOGITS])[LOGITS]))
    return model_of(builder)


def _scored(model: Model, shape: tuple[int, int, int, int]) -> onnx.ModelProto:
    builder = Builder("classes", opset=model.opset)
    image = builder.input("image", shape, np.float32)
    found = before_softmax(model.append(image, [LOGITS])[LOGITS])
    builder.output("class", found.op.ArgMax(found, axis=1, keepdims=0))
    return model_of(builder)


def _sampled(wanted: Wanted, shape: tuple[int, int, int, int], samples: Samples) -> Scene:
    """Some samples: `image`, and perhaps `class` and `part`, to `sample` and `several`."""
    builder = Builder("explanation", opset=wanted.model.opset)
    image = builder.input("image", shape, np.float32)
    index: Tensor | None = None
    if wanted.objective is None and not (wanted.highest and samples.count == 1):
        index = builder.input("class", shape[:1], np.int64)
    if samples.count == 1:
        scene = _scene(wanted, index, image)
        found = wanted.method.sample(scene)
        values = _value_of(builder).reshape(1, -1)
        builder.output("map", wanted.method.finish(found, image, values))
        builder.output("values", values)
        return scene
    part = builder.input("part", (), np.int64)
    op, count = builder.op, samples.together
    if count > 1:
        image = op.Tile(image, builder.constant(np.array([count, 1, 1, 1], np.int64)))
        index = None if index is None else op.Tile(index, op.constant([count], np.int64))
    numbers = np.repeat(np.arange(count, dtype=np.int64), shape[0])
    step = part * count + builder.constant(numbers)
    last = builder.constant(np.array(samples.count - 1, np.int64))
    scene = _scene(wanted, index, image, op.Min(step, last))
    found = wanted.method.sample(scene)
    if samples.count % count:
        # Places that are empty in the last part.
        there = op.LessOrEqual(step, last).astype(np.dtype(np.float32))
        found = found * there.reshape(-1, *([1] * (found.rank - 1)))
    if count > 1:
        found = found.reshape(count, shape[0], *found.shape[1:]).sum(0)
    builder.output("sample", found)
    builder.output("several", _value_of(builder).reshape(count, shape[0]))
    return scene


def _scene(
    wanted: Wanted, index: Tensor | None, image: Tensor, step: Tensor | None = None
) -> Scene:
    objective = Chosen(index) if wanted.objective is None else wanted.objective
    return Scene(wanted.model, objective, image, wanted.rules, step=step, layer=wanted.layer)


def _value_of(builder: Builder) -> Tensor:
    """The target's value, which is an output by now."""
    return Tensor(builder, next(v for v in builder.graph.outputs if v.name == "value"))


def _finished(wanted: Wanted, builder: Builder) -> onnx.ModelProto:
    kept = {"map", "values"}
    for value in [value for value in builder.graph.outputs if value.name not in kept]:
        builder.graph.outputs.remove(value)
    return model_of(builder, _props(wanted))


def _props(wanted: Wanted) -> dict[str, str]:
    target = "each picture's class" if wanted.objective is None else str(wanted.objective)
    props = {"onnxscope.objective": target, "onnxscope.model": wanted.model.name}
    return props | {"onnxscope.method": repr(wanted.method), "onnxscope.layer": wanted.layer}


def _finish(
    wanted: Wanted, shape: tuple[int, int, int, int], loop: onnx.ModelProto, stem: Stem
) -> onnx.ModelProto:
    """From `image`, `total` and `values` to `map`."""
    sizes = {
        value.name: tuple(dim.dim_value for dim in value.type.tensor_type.shape.dim)
        for value in loop.graph.output
    }
    builder = Builder("finish", opset=wanted.model.opset)
    image = builder.input("image", shape, np.float32)
    total = builder.input("total", sizes["total"], np.float32)
    values = builder.input("values", sizes["values"], np.float32)
    total = stem.back(total, image, wanted.rules)
    builder.output("map", wanted.method.finish(total, image, values))
    return model_of(builder, _props(wanted))


def _looped(sample: onnx.ModelProto, samples: Samples) -> onnx.ModelProto:
    """The sum of `sample` over `part` as `total`, and every value as `values`."""
    body = sample.graph
    inputs = {value.name: value for value in body.input}
    outputs = {value.name: value for value in body.output}
    shape = [dim.dim_value for dim in outputs["sample"].type.tensor_type.shape.dim]
    several = [dim.dim_value for dim in outputs["several"].type.tensor_type.shape.dim]
    body.node.append(helper.make_node("Add", ["loop/total", "sample"], ["loop/next"]))
    body.node.append(helper.make_node("Identity", ["loop/on"], ["loop/go"]))
    # What the loop reads from around it is no input of its own.
    del body.input[:]
    del body.output[:]
    body.input.extend(
        [
            helper.make_tensor_value_info("part", TensorProto.INT64, []),
            helper.make_tensor_value_info("loop/on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("loop/total", TensorProto.FLOAT, shape),
        ]
    )
    body.output.extend(
        [
            helper.make_tensor_value_info("loop/go", TensorProto.BOOL, []),
            helper.make_tensor_value_info("loop/next", TensorProto.FLOAT, shape),
            helper.make_tensor_value_info("several", TensorProto.FLOAT, several),
        ]
    )
    constants = {
        "loop/parts": np.array(samples.parts, np.int64),
        "loop/first": np.array(True),
        "loop/shape": np.array(shape, np.int64),
        "loop/rows": np.array([-1, several[1]], np.int64),
        "loop/begin": np.array([0], np.int64),
        "loop/end": np.array([samples.count], np.int64),
    }
    nodes = [
        helper.make_node("ConstantOfShape", ["loop/shape"], ["loop/zero"]),
        helper.make_node(
            "Loop", ["loop/parts", "loop/first", "loop/zero"], ["total", "loop/values"], body=body
        ),
        helper.make_node("Reshape", ["loop/values", "loop/rows"], ["loop/every"]),
        helper.make_node("Slice", ["loop/every", "loop/begin", "loop/end"], ["values"]),
    ]
    graph = helper.make_graph(
        nodes,
        "explanation",
        [value for name, value in inputs.items() if name != "part"],
        [
            helper.make_tensor_value_info("total", TensorProto.FLOAT, shape),
            helper.make_tensor_value_info("values", TensorProto.FLOAT, [samples.count, several[1]]),
        ],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    return helper.make_model(
        graph,
        opset_imports=sample.opset_import,
        ir_version=sample.ir_version,
        producer_name="onnxscope",
    )


def _put_before(loop: onnx.ModelProto, scored: onnx.ModelProto) -> None:
    """Let a graph from `image` to `class` say the classes; weights of both are there once."""
    before = compose.add_prefix(scored, "scores/", rename_inputs=False, rename_outputs=False).graph
    body = next(node for node in loop.graph.node if node.op_type == "Loop").attribute[0].g
    outside = {_content(tensor): tensor.name for tensor in before.initializer}
    renamed: dict[str, str] = {}
    inside: list[onnx.TensorProto] = []
    for tensor in body.initializer:
        name = outside.get(_content(tensor))
        if name is None:
            inside.append(tensor)
        else:
            renamed[tensor.name] = name
    for node in body.node:
        for at, name in enumerate(node.input):
            if name in renamed:
                node.input[at] = renamed[name]
    kept = [onnx.TensorProto.FromString(tensor.SerializeToString()) for tensor in inside]
    del body.initializer[:]
    body.initializer.extend(kept)
    nodes = [onnx.NodeProto.FromString(node.SerializeToString()) for node in loop.graph.node]
    del loop.graph.node[:]
    loop.graph.node.extend([*before.node, *nodes])
    loop.graph.initializer.extend(before.initializer)
    _remove_input(loop, "class")


def _content(tensor: onnx.TensorProto) -> tuple[int, tuple[int, ...], bytes]:
    return tensor.data_type, tuple(tensor.dims), tensor.raw_data


def _remove_input(model: onnx.ModelProto, name: str) -> None:
    kept = [value for value in model.graph.input if value.name != name]
    copies = [onnx.ValueInfoProto.FromString(value.SerializeToString()) for value in kept]
    del model.graph.input[:]
    model.graph.input.extend(copies)


def _put_behind(loop: onnx.ModelProto, finish: onnx.ModelProto) -> onnx.ModelProto:
    """Append a graph from `image`, `total` and `values` to `map`."""
    behind = compose.add_prefix(finish, "finish/", rename_inputs=False, rename_outputs=False)
    loop.graph.node.extend(behind.graph.node)
    loop.graph.initializer.extend(behind.graph.initializer)
    values = [value for value in loop.graph.output if value.name == "values"]
    outputs: Sequence[onnx.ValueInfoProto] = [*behind.graph.output, *values]
    copies = [onnx.ValueInfoProto.FromString(value.SerializeToString()) for value in outputs]
    del loop.graph.output[:]
    loop.graph.output.extend(copies)
    loop.metadata_props.extend(finish.metadata_props)
    return loop
