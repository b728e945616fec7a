"""Small networks named and laid out as exporters name and lay out theirs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

RNG = np.random.default_rng(11)


class Network:
    """Nodes and weights, one after the other."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.weights: dict[str, np.ndarray] = {}

    def add(
        self,
        op_type: str,
        inputs: Sequence[str],
        output: str,
        name: str = "",
        props: Mapping[str, str] | None = None,
        **attributes: object,
    ) -> str:
        node = helper.make_node(op_type, inputs, [output], name=name, **attributes)
        for key, value in (props or {}).items():
            node.metadata_props.add(key=key, value=value)
        self.nodes.append(node)
        return output

    def traced(self, op_type: str, inputs: Sequence[str], name: str, **attributes: object) -> str:
        """As PyTorch names what it has traced."""
        return self.add(op_type, inputs, f"{name}_output_0", name, **attributes)

    def tensorflow(
        self, op_type: str, inputs: Sequence[str], name: str, **attributes: object
    ) -> str:
        """As tf2onnx names outputs."""
        return self.add(op_type, inputs, f"{name}:0", name, **attributes)

    def weight(self, name: str, *shape: int) -> str:
        scale = np.sqrt(2 / max(1, int(np.prod(shape[1:]))))
        self.weights[name] = (RNG.standard_normal(shape) * scale).astype(np.float32)
        return name

    def constant(self, name: str, value: object, dtype: type = np.int64) -> str:
        self.weights[name] = np.asarray(value, dtype)
        return name

    def model(
        self,
        output: str | Sequence[str],
        shape: Sequence[object] = (1, 3, 32, 32),
        *,
        image: str = "x",
        dtype: int = TensorProto.FLOAT,
        others: Mapping[str, Sequence[object]] | None = None,
        props: Mapping[str, str] | None = None,
        opset: int = 18,
    ) -> onnx.ModelProto:
        outputs = [output] if isinstance(output, str) else list(output)
        inputs = [helper.make_tensor_value_info(image, dtype, list(shape))]
        inputs += [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, list(dims))
            for name, dims in (others or {}).items()
        ]
        graph = helper.make_graph(
            self.nodes,
            "network",
            inputs,
            [helper.make_tensor_value_info(name, TensorProto.UNDEFINED, None) for name in outputs],
            [numpy_helper.from_array(array, name) for name, array in self.weights.items()],
        )
        for value in graph.output:
            value.type.tensor_type.elem_type = dtype if dtype != TensorProto.UINT8 else 1
        model = helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10
        )
        for key, value in (props or {}).items():
            model.metadata_props.add(key=key, value=value)
        return model


def torch_traced(blocks: int = 2) -> onnx.ModelProto:
    """Residual blocks as PyTorch's exporter of traced modules names them."""
    net = Network()
    x = net.traced(
        "Conv",
        ["x", net.weight("onnx::Conv_1", 8, 3, 3, 3)],
        "/conv1/Conv",
        strides=[2, 2],
        pads=[1] * 4,
    )
    x = net.traced("Relu", [x], "/relu/Relu")
    for block in range(blocks):
        here = f"/layer1/layer1.{block}"
        y = x
        for number in (1, 2):
            weight = net.weight(f"onnx::Conv_{block}{number}", 8, 8, 3, 3)
            y = net.traced("Conv", [y, weight], f"{here}/conv{number}/Conv", pads=[1] * 4)
            if number == 1:
                y = net.traced("Relu", [y], f"{here}/relu/Relu")
        y = net.traced("Add", [y, x], f"{here}/Add")
        x = net.traced("Relu", [y], f"{here}/relu_1/Relu")
    x = net.traced("GlobalAveragePool", [x], "/avgpool/GlobalAveragePool")
    x = net.traced("Flatten", [x], "/Flatten")
    net.add("Gemm", [x, net.weight("fc.weight", 8, 5)], "logits", "/fc/Gemm")
    return net.model("logits")


def torch_exported() -> onnx.ModelProto:
    """The same as its newer exporter names them: numbered values, modules in the metadata."""
    net = Network()

    def props(path: str, own: str, *classes: str) -> dict[str, str]:
        parts = path.split(".") if path else []
        scopes = ["", *(".".join(parts[: end + 1]) for end in range(len(parts))), own]
        return {
            "pkg.torch.onnx.name_scopes": repr(scopes),
            "pkg.torch.onnx.class_hierarchy": repr(["net.Net", *classes, "aten.op"]),
        }

    block = ("torch.nn.modules.container.Sequential", "net.Block")
    x = net.add(
        "Conv",
        ["x", net.weight("conv1.weight", 8, 3, 3, 3)],
        "getitem",
        "n0",
        props("bn1", "bn", "torch.nn.BatchNorm2d"),
        pads=[1] * 4,
    )
    x = net.add("Relu", [x], "relu", "n1", props("relu", "relu", "torch.nn.ReLU"))
    count = 0
    for number in range(2):
        here, y = f"layer1.{number}", x
        for half in (1, 2):
            y = net.add(
                "Conv",
                [y, net.weight(f"{here}.conv{half}.weight", 8, 8, 3, 3)],
                f"getitem_{number}{half}",
                "",
                props(f"{here}.bn{half}", "bn", *block, "torch.nn.BatchNorm2d"),
                pads=[1] * 4,
            )
            if half == 2:
                y = net.add("Add", [y, x], f"add_{number}", "", props(here, "add", *block))
            count += 1
            y = net.add(
                "Relu",
                [y],
                f"relu_{count}",
                "",
                props(f"{here}.relu", f"relu_{count}", *block, "torch.nn.ReLU"),
            )
        x = y
    return net.model(x)


def inception_traced() -> onnx.ModelProto:
    """Blocks of two branches, as PyTorch names them."""
    net = Network()
    x, channels = "x", 3
    for letter in "ab":
        here = f"/inception4{letter}"
        parts = []
        for branch, size in ((1, 4), (2, 6)):
            scope = f"{here}/branch{branch}"
            y = net.traced(
                "Conv",
                [x, net.weight(f"onnx::{letter}{branch}", size, channels, 1, 1)],
                f"{scope}/conv/Conv",
            )
            parts.append(net.traced("Relu", [y], f"{scope}/Relu"))
        x = net.traced("Concat", parts, f"{here}/Concat", axis=1)
        channels = 10
    return net.model(x)


def tensorflow(prefix: str = "StatefulPartitionedCall/model/") -> onnx.ModelProto:
    """As tf2onnx writes a Keras network: NHWC outside, Transposes, names that end in `:0`."""
    net = Network()
    perm_in, perm_out = [0, 3, 1, 2], [0, 2, 3, 1]
    x = net.tensorflow("Transpose", ["input_1"], f"{prefix}block1_conv1/Conv2D__6", perm=perm_in)
    for number, channels in ((1, 3), (2, 8)):
        here = f"{prefix}block1_conv{number}"
        x = net.tensorflow(
            "Conv",
            [x, net.weight(f"{here}/Conv2D/ReadVariableOp:0", 8, channels, 3, 3)],
            f"{here}/Conv2D",
            pads=[1] * 4,
        )
        x = net.tensorflow("Relu", [x], f"{here}/Relu")
    x = net.tensorflow(
        "MaxPool", [x], f"{prefix}block1_pool/MaxPool", kernel_shape=[2, 2], strides=[2, 2]
    )
    x = net.tensorflow("Transpose", [x], f"{prefix}block1_pool/MaxPool__9", perm=perm_out)
    x = net.tensorflow(
        "ReduceMean", [x, net.constant("axes", [1, 2])], f"{prefix}avg_pool/Mean", keepdims=0
    )
    x = net.tensorflow("MatMul", [x, net.weight("w", 8, 5)], f"{prefix}predictions/MatMul")
    net.add("Softmax", [x], "Identity:0", f"{prefix}predictions/Softmax")
    return net.model("Identity:0", ("unk__1", 32, 32, 3), image="input_1")


def numbered() -> onnx.ModelProto:
    """An old export: numbers for values, modules in the names of the weights."""
    net = Network()
    net.add("Conv", ["x", net.weight("features.0.weight", 8, 3, 3, 3)], "10", pads=[1] * 4)
    net.add("Relu", ["10"], "11")
    net.add("MaxPool", ["11"], "12", kernel_shape=[2, 2], strides=[2, 2])
    net.add("Conv", ["12", net.weight("features.3.squeeze.weight", 4, 8, 1, 1)], "13")
    net.add("Relu", ["13"], "14")
    net.add("Conv", ["14", net.weight("features.3.expand1x1.weight", 6, 4, 1, 1)], "15")
    net.add("Relu", ["15"], "16")
    net.add(
        "Conv", ["14", net.weight("features.3.expand3x3.weight", 6, 4, 3, 3)], "17", pads=[1] * 4
    )
    net.add("Relu", ["17"], "18")
    net.add("Concat", ["16", "18"], "19", axis=1)
    net.add("GlobalAveragePool", ["19"], "20")
    return net.model("20", image="x")


def gluon() -> onnx.ModelProto:
    """As the model zoo's MXNet files: one prefix, and `_fwd`."""
    net = Network()
    net.add(
        "Conv",
        ["data", net.weight("squeezenet0_conv0_weight", 8, 3, 3, 3)],
        "squeezenet0_conv0_fwd",
        "squeezenet0_conv0_fwd",
    )
    net.add("Relu", ["squeezenet0_conv0_fwd"], "squeezenet0_relu0_fwd", "squeezenet0_relu0_fwd")
    net.add(
        "Conv",
        ["squeezenet0_relu0_fwd", net.weight("squeezenet0_conv1_weight", 8, 8, 1, 1)],
        "squeezenet0_conv1_fwd",
    )
    net.add("Relu", ["squeezenet0_conv1_fwd"], "192")
    return net.model("192", image="data")


def vision_transformer(size: int = 32, class_token: bool = True) -> onnx.ModelProto:
    """Patches of 8 pixels as tokens, two blocks of attention with 2 heads of 3 channels."""
    net = Network()
    rows = size // 8
    tokens, channels, heads = rows * rows + class_token, 6, 2
    x = net.traced(
        "Conv", ["x", net.weight("w", channels, 3, 8, 8)], "/patch_embed/proj/Conv", strides=[8, 8]
    )
    x = net.traced("Reshape", [x, net.constant("flat", [1, channels, -1])], "/patch_embed/Reshape")
    x = net.traced("Transpose", [x], "/patch_embed/Transpose", perm=[0, 2, 1])
    if class_token:
        x = net.traced("Concat", [net.weight("cls", 1, 1, channels), x], "/Concat", axis=1)
    x = net.traced("Add", [x, net.weight("positions", 1, tokens, channels)], "/Add")
    net.constant("four", [1, tokens, heads, channels // heads])
    net.constant("three", [1, tokens, channels])
    for block in range(2):
        here = f"/blocks/blocks.{block}"

        def op(op_type: str, inputs: list[str], name: str, here: str = here, **kw: object) -> str:
            return net.traced(op_type, inputs, f"{here}/{name}", **kw)

        heads_of = {}
        for kind, perm in (("q", [0, 2, 1, 3]), ("k", [0, 2, 3, 1]), ("v", [0, 2, 1, 3])):
            y = op(
                "MatMul",
                [x, net.weight(f"w{kind}{block}", channels, channels)],
                f"attn/{kind}/MatMul",
            )
            y = op("Reshape", [y, "four"], f"attn/Reshape_{kind}")
            heads_of[kind] = op("Transpose", [y], f"attn/Transpose_{kind}", perm=perm)
        y = op("MatMul", [heads_of["q"], heads_of["k"]], "attn/MatMul")
        y = op("Softmax", [y], "attn/Softmax")
        y = op("MatMul", [y, heads_of["v"]], "attn/MatMul_1")
        y = op("Transpose", [y], "attn/Transpose", perm=[0, 2, 1, 3])
        y = op("Reshape", [y, "three"], "attn/Reshape")
        y = op("MatMul", [y, net.weight(f"wo{block}", channels, channels)], "attn/proj/MatMul")
        x = op("Add", [y, x], "Add")
        y = op("MatMul", [x, net.weight(f"w1{block}", channels, 8)], "mlp/fc1/MatMul")
        y = op("Relu", [y], "mlp/act/Relu")
        y = op("MatMul", [y, net.weight(f"w2{block}", 8, channels)], "mlp/fc2/MatMul")
        x = op("Add", [y, x], "Add_1")
    if class_token:
        x = net.traced("Gather", [x, net.constant("first", 0)], "/Gather", axis=1)
    else:
        x = net.traced("ReduceMean", [x, net.constant("axes", [1])], "/Mean", keepdims=0)
    net.add("Gemm", [x, net.weight("wh", channels, 5)], "logits", "/head/Gemm")
    return net.model("logits", (1, 3, size, size))
