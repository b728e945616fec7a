"""GoogLeNet as the ONNX model zoo publishes it, made into a model like the others.

The zoo's file wants BGR pictures of one size, one at a time, with the mean taken off, and names its
values by Caffe's layers and a counter. The nodes and weights stay as they are; the input becomes
`image`, the preprocessing moves into the graph, values get the layer names of `inception_v1` and
become outputs, and what pins batch and size is replaced by what does the same without.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

import numpy as np
import onnx
from onnx import numpy_helper, version_converter

from ..errors import ModelError
from ..graph.metadata import Metadata
from .architectures import Origin

_OPSET = 18
_IR_VERSION = 9
_SIZE = 224
# Taken off each channel of a picture in 0..255, here as red, green, blue.
_MEAN = (123.68, 116.779, 103.939)

_LAYERS: Mapping[str, str] = {
    "conv1/7x7_s2": "conv2d0",
    "pool1/3x3_s2": "maxpool0",
    "pool1/norm1": "localresponsenorm0",
    "conv2/3x3_reduce": "conv2d1",
    "conv2/3x3": "conv2d2",
    "conv2/norm2": "localresponsenorm1",
    "pool2/3x3_s2": "maxpool1",
    "pool3/3x3_s2": "maxpool4",
    "pool4/3x3_s2": "maxpool10",
    "pool5/7x7_s1": "avgpool0",
    "loss3/classifier": "softmax2_pre_activation",
    "prob": "softmax2",
}
_BRANCHES: Mapping[str, str] = {
    "1x1": "_1x1",
    "3x3_reduce": "_3x3_bottleneck",
    "3x3": "_3x3",
    "5x5_reduce": "_5x5_bottleneck",
    "5x5": "_5x5",
    "pool": "_pool",
    "pool_proj": "_pool_reduce",
    "output": "",
}
# Operators whose results are layers, rather than steps on the way to one.
_EXPOSED = frozenset(
    {"Conv", "Relu", "MaxPool", "LRN", "Concat", "GlobalAveragePool", "Gemm", "Softmax"}
)


def is_zoo_googlenet(model: onnx.ModelProto) -> bool:
    """Return whether the graph has one picture as input and GoogLeNet's names of the zoo."""
    made = {_caffe_name(name) for node in model.graph.node for name in node.output}
    return {"inception_3a/output", "inception_5b/output"} <= made and len(_inputs(model.graph)) == 1


def convert_zoo(model: onnx.ModelProto, origin: Origin) -> onnx.ModelProto:
    """Give the network the input `image`, (N, 3, H, W), RGB in [0, 1], and every layer as output.

    At the published size, 224, the numbers are the published ones; other sizes average over however
    many positions there are.

    Raises:
        ModelError: the file is not such a network, or not put together as expected.
    """
    if not is_zoo_googlenet(model):
        raise ModelError("this is not a GoogLeNet of the ONNX model zoo: its layers are missing")
    work = onnx.ModelProto()
    work.CopyFrom(model)
    work.ir_version = _IR_VERSION  # the first ones want weights listed as inputs
    _free_inputs(work.graph)
    _without_dropout(work.graph)
    _free_classifier(work.graph)
    try:
        work = version_converter.convert_version(work, _OPSET)
    except (version_converter.ConvertError, RuntimeError) as error:
        raise ModelError(f"the model's operators cannot be brought up to date: {error}") from error
    graph = work.graph
    layers = _renamed(graph)
    _prepend_preprocessing(graph)
    _expose(work, layers)
    metadata = Metadata(
        architecture="inception_v1",
        dataset=origin.dataset,
        source=origin.source,
        license=origin.license,
        size=_SIZE,
        layers=tuple(layers),
        labels=origin.labels,
        weights_sha256=origin.weights_sha256,
        preprocessing="BGR, 255 x − (103.939, 116.779, 123.68) for x in [0, 1]",
        extra={"variant": "ONNX model zoo"},
    )
    del work.metadata_props[:]
    for key, value in metadata.to_props().items():
        work.metadata_props.add(key=key, value=value)
    work.producer_name = "onnxscope"
    return work


def _inputs(graph: onnx.GraphProto) -> list[onnx.ValueInfoProto]:
    """The inputs that are no weights; files of old list their weights among the inputs."""
    weights = {tensor.name for tensor in graph.initializer}
    return [value for value in graph.input if value.name not in weights]


def _free_inputs(graph: onnx.GraphProto) -> None:
    """One input, `image`-shaped, with neither batch nor size fixed."""
    (image,) = _inputs(graph)
    shape = image.type.tensor_type.shape
    if len(shape.dim) != 4 or shape.dim[1].dim_value != 3:
        raise ModelError(f"the input {image.name!r} is no picture of shape (N, 3, H, W)")
    for axis, name in ((0, "N"), (2, "H"), (3, "W")):
        shape.dim[axis].dim_param = name
    kept = onnx.ValueInfoProto()
    kept.CopyFrom(image)
    del graph.input[:]
    graph.input.append(kept)
    # Shapes of the values in between hold for the published batch and size only.
    del graph.value_info[:]


def _without_dropout(graph: onnx.GraphProto) -> None:
    """Leave out Dropout, which does nothing when a network is used."""
    passed = {node.output[0]: node.input[0] for node in graph.node if node.op_type == "Dropout"}
    kept = [node for node in graph.node if node.op_type != "Dropout"]
    for node in kept:
        for index, name in enumerate(node.input):
            while name in passed:
                name = passed[name]
            node.input[index] = name
    _replace_nodes(graph, kept)


def _free_classifier(graph: onnx.GraphProto) -> None:
    """Replace a 7×7 average over a 7×7 map by a global one, and a fixed reshape by a flattening."""
    users: dict[str, list[onnx.NodeProto]] = {}
    for node in graph.node:
        for name in node.input:
            users.setdefault(name, []).append(node)
    dead: list[str] = []
    for node in graph.node:
        if node.op_type != "AveragePool" or _attribute(node, "kernel_shape") != [7, 7]:
            continue
        for reshape in users.get(node.output[0], []):
            if reshape.op_type == "Reshape":
                dead += reshape.input[1:]
                _become(reshape, "Flatten", reshape.input[0])
                reshape.attribute.append(onnx.helper.make_attribute("axis", 1))
        _become(node, "GlobalAveragePool", node.input[0])
    if not dead:
        raise ModelError("the model has no average pool and reshape before its classifier")
    needed = {name for node in graph.node for name in node.input}
    kept = [one for one in graph.initializer if one.name in needed or one.name not in dead]
    del graph.initializer[:]
    graph.initializer.extend(kept)
    _replace_nodes(graph, [node for node in graph.node if node.output[0] not in set(dead) - needed])


def _become(node: onnx.NodeProto, operator: str, source: str) -> None:
    node.op_type = operator
    del node.input[:]
    node.input.append(source)
    del node.attribute[:]


def _attribute(node: onnx.NodeProto, name: str) -> object:
    for attribute in node.attribute:
        if attribute.name == name:
            return list(attribute.ints)
    return None


def _replace_nodes(graph: onnx.GraphProto, nodes: list[onnx.NodeProto]) -> None:
    copies = [onnx.NodeProto() for _ in nodes]
    for copy, node in zip(copies, nodes, strict=True):
        copy.CopyFrom(node)
    del graph.node[:]
    graph.node.extend(copies)


def _caffe_name(value: str) -> str:
    """Caffe's layer, from a value's name: `conv1/7x7_s2_1` and `_2` are of `conv1/7x7_s2`."""
    return re.sub(r"_\d+$", "", value)


def _layer_name(value: str) -> str | None:
    caffe = _caffe_name(value)
    block = re.fullmatch(r"inception_(\d[a-e])/(\w+)", caffe)
    if block is not None and block[2] in _BRANCHES:
        return f"mixed{block[1]}{_BRANCHES[block[2]]}"
    return _LAYERS.get(caffe)


def _renamed(graph: onnx.GraphProto) -> list[str]:
    """Name the layers' values, those before a ReLU `<layer>_pre_relu`.

    A block is a concatenation behind the ReLUs; the same one before them is appended for it.

    Returns:
        The layers in the order in which a picture passes them.
    """
    before_relu = {node.output[0]: node.input[0] for node in graph.node if node.op_type == "Relu"}
    names: dict[str, str] = {}
    nodes: list[onnx.NodeProto] = []
    for node in graph.node:
        layer = _layer_name(node.output[0])
        if layer is not None and node.op_type in _EXPOSED:
            is_before = node.output[0] in before_relu.values()
            if node.op_type == "Concat" and all(name in before_relu for name in node.input):
                sources = [before_relu[name] for name in node.input]
                before = f"{layer}_pre_relu"
                nodes.append(onnx.helper.make_node("Concat", sources, [before], axis=1))
                names[before] = before
            names[node.output[0]] = f"{layer}_pre_relu" if is_before else layer
        nodes.append(node)
    layers = list(names.values())
    if len(set(layers)) < len(layers):
        twice = next(name for name in layers if layers.count(name) > 1)
        raise ModelError(f"the model has two values that are {twice!r}")
    for node in nodes:
        for values in (node.input, node.output):
            for index, name in enumerate(values):
                values[index] = names.get(name, name)
    _replace_nodes(graph, nodes)
    return layers


def _prepend_preprocessing(graph: onnx.GraphProto) -> None:
    """Scale and shift as nodes; red and blue change places in the first kernel, which is exact.

    Folding the shift into the convolution as well would be wrong at the border, where it pads.
    """
    old = graph.input[0].name
    users = [node for node in graph.node if old in node.input]
    kernels = {tensor.name: tensor for tensor in graph.initializer}
    if len(users) != 1 or users[0].op_type != "Conv" or users[0].input[1] not in kernels:
        raise ModelError(f"the input {old!r} does not go into one convolution alone")
    kernel = kernels[users[0].input[1]]
    # Fewer than three channels a group would mean that red and blue are not interchangeable.
    values = numpy_helper.to_array(kernel)
    if values.ndim != 4 or values.shape[1] != 3:
        raise ModelError(f"the first kernel has shape {values.shape}, expected (out, 3, h, w)")
    reverse = np.ascontiguousarray(values[:, ::-1])
    kernel.CopyFrom(numpy_helper.from_array(reverse, kernel.name))
    graph.input[0].name = "image"
    scale = np.full((1, 3, 1, 1), 255, np.float32)
    shift = -np.array(_MEAN, np.float32).reshape(1, 3, 1, 1)
    graph.initializer.append(numpy_helper.from_array(scale, "image/scale"))
    graph.initializer.append(numpy_helper.from_array(shift, "image/shift"))
    users[0].input[0] = "image/shifted"
    nodes = [
        onnx.helper.make_node("Mul", ["image", "image/scale"], ["image/scaled"]),
        onnx.helper.make_node("Add", ["image/scaled", "image/shift"], ["image/shifted"]),
        *graph.node,
    ]
    _replace_nodes(graph, nodes)


def _expose(model: onnx.ModelProto, layers: list[str]) -> None:
    """Make every layer an output, with the shape as far as it does not depend on the size."""
    del model.graph.output[:]
    try:
        inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True)
    except onnx.shape_inference.InferenceError as error:
        raise ModelError(f"the model's shapes contradict each other: {error}") from error
    known = {value.name: value for value in _values(inferred.graph)}
    for layer in layers:
        model.graph.output.append(known[layer])
    try:
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise ModelError(f"the model is not valid ONNX: {error}") from error


def _values(graph: onnx.GraphProto) -> Iterator[onnx.ValueInfoProto]:
    yield from graph.value_info
    yield from graph.output
