"""Small networks whose pictures are not RGB: grey, four channels, sound, volumes, videos."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

SHAPES = {
    "grey": (1, 1, 12, 12),
    "grey, last": ("N", 12, 12, 1),
    "grey, wide": ("N", 1, 16, 24),
    "grey, no axis": ("N", 12, 14),
    "four": ("N", 4, 16, 16),
    "four, last": ("N", 16, 16, 4),
    "sound": ("N", 1, 16, 24),
    "sound, no axis": ("N", 16, 24),
    "volume": ("N", 1, 8, 12, 12),
    "volume, last": ("N", 8, 12, 12, 2),
    "video": ("N", 3, 6, 16, 16),
    "video, frames first": ("N", 6, 3, 16, 16),
    "video, last": ("N", 6, 16, 16, 3),
}
"""Inputs by what they take."""

LAYOUTS = {
    "grey": "NCHW",
    "grey, last": "NHWC",
    "grey, wide": "NCHW",
    "grey, no axis": "NHW",
    "four": "NCHW",
    "four, last": "NHWC",
    "sound": "NCFT",
    "sound, no axis": "NFT",
    "volume": "NCDHW",
    "volume, last": "NDHWC",
    "video": "NCTHW",
    "video, frames first": "NTCHW",
    "video, last": "NTHWC",
}
"""What they are."""

SAID = {"grey, no axis": "NHW", "sound, no axis": "NFT"}
"""What has to be said of some."""

NAMES = {"sound": "mel", "sound, no axis": "mel"}


def network(kind: str, *, units: int = 5) -> onnx.ModelProto:
    """Two convolutions with a ReLU behind each, a pool between, and scores of classes."""
    shape, layout = SHAPES[kind], LAYOUTS[kind]
    stacked = len([letter for letter in layout if letter not in "NC"]) == 3
    letters = [letter for letter in layout if letter not in "NC"]
    rng = np.random.default_rng(sum(map(ord, kind)))
    channels = shape[layout.index("C")] if "C" in layout else 1
    window = [3] * (3 if stacked else 2)
    nodes, value = [], "x"
    weights: dict[str, np.ndarray] = {}
    if "C" not in layout:
        weights["one"] = np.array([1], np.int64)
        nodes.append(helper.make_node("Unsqueeze", ["x", "one"], ["apart"]))
        value = "apart"
    else:
        order = [layout.index(letter) for letter in ("N", "C", *letters)]
        if order != list(range(len(order))):
            nodes.append(helper.make_node("Transpose", ["x"], ["apart"], perm=order))
            value = "apart"
    for name, given, made in (("conv1", channels, 6), ("conv2", 6, units)):
        scale = (given * np.prod(window)) ** -0.5
        weights[f"{name}.w"] = rng.standard_normal((made, given, *window)) * scale
        weights[f"{name}.b"] = rng.standard_normal(made) * 0.1
        pads = [1] * (2 * len(window))
        inputs = [value, f"{name}.w", f"{name}.b"]
        nodes.append(helper.make_node("Conv", inputs, [f"{name}/conv"], pads=pads))
        nodes.append(helper.make_node("Relu", [f"{name}/conv"], [name]))
        value = name
        if name == "conv1":
            two = [2] * len(window)
            nodes.append(
                helper.make_node("MaxPool", [value], ["pool"], kernel_shape=two, strides=two)
            )
            value = "pool"
    nodes.append(helper.make_node("GlobalAveragePool", [value], ["mean"]))
    nodes.append(helper.make_node("Flatten", ["mean"], ["features"]))
    weights["head"] = rng.standard_normal((units, 4))
    nodes.append(helper.make_node("MatMul", ["features", "head"], ["scores"]))
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info(NAMES.get(kind, "x"), TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, None)],
        [
            numpy_helper.from_array(a if a.dtype == np.int64 else a.astype(np.float32), name)
            for name, a in weights.items()
        ],
    )
    for node in graph.node:
        for at, name in enumerate(node.input):
            if name == "x":
                node.input[at] = NAMES.get(kind, "x")
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


def loaded(kind: str, **given: object) -> object:
    """The network as `onnxscope.load` gives it, for pictures from 0 to 1."""
    import onnxscope as osc

    arguments = {"input_range": (0, 1)} | given
    if kind in SAID:
        arguments = {"layout": SAID[kind]} | arguments
    return osc.load(network(kind), **arguments)
