"""An ONNX network as a PyTorch module, its forward pass cut at a layer, its weights frozen.

The module's `forward` is Python code that PyTorch's own `fx` writes: one call of
`torch.nn.functional` for each node, as a person would have written it by hand, weights as buffers.
Eager execution, memory formats and `torch.compile` treat it like any other module.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import onnx_ir as ir
import torch
import torch.nn.functional as F  # noqa: N812
from torch import fx

from ..errors import OperatorError
from ..graph.builder import Builder
from ..graph.finish import drop_unused
from ..graph.window import Window, window_of
from ..network.model import Model

Arguments = Sequence[Any]
"""What a node reads: values of the `fx` graph; constants that are no weights as arrays."""


def torch_network(model: Model, layer: str, shape: tuple[int, int, int, int]) -> Any:
    """Return the network up to a layer as a `torch.fx.GraphModule`.

    Args:
        model: The network.
        layer: Where its forward pass ends. A concatenation is computed whole.
        shape: Of the pictures, (N, 3, H, W); they are RGB in [0, 1].

    Raises:
        OperatorError: an operator on the way is not translated here.
    """
    builder = Builder(opset=model.opset)
    image = builder.input("image", shape, np.float32)
    builder.output("activations", model.append(image, [layer])[layer])
    drop_unused(builder.graph)
    root = torch.nn.Module()
    graph = fx.Graph()
    values: dict[ir.Value, Any] = {image.value: graph.placeholder("image")}
    for node in builder.graph:
        write = _WRITERS.get(node.op_type) if node.domain == "" else None
        if write is None:
            raise OperatorError(f"operator {node.op_type} is not translated to PyTorch")
        arguments = [_argument(root, graph, values, value) for value in node.inputs]
        values[node.outputs[0]] = write(graph, node, arguments)
    graph.output(values[builder.graph.outputs[0]])
    return fx.GraphModule(root, graph).eval()


def _argument(root: Any, graph: Any, values: dict[ir.Value, Any], value: ir.Value | None) -> Any:
    if value is None or value in values:
        return None if value is None else values[value]
    if value.const_value is None:
        raise OperatorError(f"{value.name!r} is neither computed nor given")
    array = value.const_value.numpy()
    if array.dtype.kind != "f":
        # Shapes and axes are part of the code.
        return array
    name = f"weight{len(list(root.buffers()))}"
    root.register_buffer(name, torch.from_numpy(np.array(array)))
    values[value] = graph.get_attr(name)
    return values[value]


def _window(node: ir.Node) -> Window:
    window = window_of(node)
    if window is None:
        raise OperatorError(f"the window of {node.op_type} {node.name!r} is not known")
    return window


def _pad(graph: Any, x: Any, window: Window, value: float) -> tuple[Any, tuple[int, ...]]:
    """The picture padded where PyTorch's operators cannot, and what is left for them to pad."""
    if window.before == window.after:
        return x, window.before
    # PyTorch's order: the last axis first.
    sides = [n for pair in zip(window.before, window.after, strict=True) for n in pair[::-1]]
    return graph.call_function(F.pad, (x, sides[::-1]), {"value": value}), (0, 0)


def _conv(graph: Any, node: ir.Node, given: Arguments) -> Any:
    window = _window(node)
    x, padding = _pad(graph, given[0], window, 0.0)
    group = node.attributes.get_int("group", 1)
    bias = given[2] if len(given) > 2 else None
    return graph.call_function(
        F.conv2d, (x, given[1], bias, window.strides, padding, window.dilations, group)
    )


def _max_pool(graph: Any, node: ir.Node, given: Arguments) -> Any:
    window = _window(node)
    x, padding = _pad(graph, given[0], window, -float("inf"))
    return graph.call_function(
        F.max_pool2d, (x, window.kernel, window.strides, padding, window.dilations)
    )


def _average_pool(graph: Any, node: ir.Node, given: Arguments) -> Any:
    window = _window(node)
    counted = node.attributes.get_int("count_include_pad", 0) == 1
    if window.before != window.after and not counted:
        raise OperatorError(f"{node.op_type} {node.name!r} pads its sides differently")
    x, padding = _pad(graph, given[0], window, 0.0)
    return graph.call_function(
        F.avg_pool2d, (x, window.kernel, window.strides, padding, False, counted)
    )


def _lrn(graph: Any, node: ir.Node, given: Arguments) -> Any:
    attributes = node.attributes
    size = attributes.get_int("size")
    if size is None or size % 2 == 0:
        raise OperatorError(f"{node.op_type} {node.name!r} has an even window")
    alpha, beta, bias = (
        attributes.get_float(name, default)
        for name, default in (("alpha", 1e-4), ("beta", 0.75), ("bias", 1.0))
    )
    return graph.call_function(F.local_response_norm, (given[0], size, alpha, beta, bias))


def _gemm(graph: Any, node: ir.Node, given: Arguments) -> Any:
    attributes = node.attributes
    plain = {"transA": 0, "transB": 1, "alpha": 1.0, "beta": 1.0}
    if any(n in plain and a.value != plain[n] for n, a in attributes.items()) or (
        "transB" not in attributes
    ):
        raise OperatorError(f"{node.op_type} {node.name!r} is no plain linear layer")
    return graph.call_function(F.linear, tuple(given))


def _clip(graph: Any, node: ir.Node, given: Arguments) -> Any:
    bounds = [None if v is None else ir.convenience.get_const_tensor(v) for v in node.inputs[1:]]
    low, high = ([None if b is None else float(b.numpy()) for b in bounds] + [None, None])[:2]
    if low == 0 and high == 6:
        return graph.call_function(F.relu6, (given[0],))
    return graph.call_function(torch.clamp, (given[0], low, high))


def _of(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function that takes what the node reads."""
    return lambda graph, _, given: graph.call_function(function, tuple(given))


_WRITERS: dict[str, Callable[[Any, ir.Node, Arguments], Any]] = {
    "Add": _of(operator.add),
    "AveragePool": _average_pool,
    "Clip": _clip,
    "Concat": lambda g, n, xs: g.call_function(torch.cat, (xs, n.attributes["axis"].as_int())),
    "Conv": _conv,
    "Div": _of(operator.truediv),
    "Flatten": lambda g, n, xs: g.call_function(
        torch.flatten, (xs[0], n.attributes.get_int("axis", 1))
    ),
    "Gemm": _gemm,
    "GlobalAveragePool": lambda g, _, xs: g.call_function(
        torch.mean, (xs[0], (2, 3)), {"keepdim": True}
    ),
    "Identity": lambda _, __, xs: xs[0],
    "LRN": _lrn,
    "MatMul": _of(torch.matmul),
    "MaxPool": _max_pool,
    "Mul": _of(operator.mul),
    "Relu": _of(F.relu),
    "Sigmoid": _of(torch.sigmoid),
    "Softmax": lambda g, n, xs: g.call_function(
        torch.softmax, (xs[0], n.attributes.get_int("axis", -1))
    ),
    "Sub": _of(operator.sub),
    "Tanh": _of(torch.tanh),
}
