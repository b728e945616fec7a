"""The same network in double precision, where differences are exact to many digits.

Weights stay in single precision in the file and are converted where they are read; operators that
ONNX Runtime's CPU provider lacks in double precision are written of others (see `double_forms`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import onnx
import onnx_ir as ir

from ...errors import OperatorError
from ...graph.builder import AttributeValue, Builder
from ...graph.domains import version_of
from ...graph.finish import model_of
from ...graph.tensor import Tensor
from .forms import FORMS, SEVERAL, SINCE

_DOUBLE = np.dtype(np.float64)
_TYPE_ATTRIBUTES = {"Cast": "to", "EyeLike": "dtype"}


def in_double(model: onnx.ModelProto, *, rounded: bool = False) -> onnx.ModelProto:
    """Rewrite a model in double precision.

    Args:
        model: Without subgraphs, of opset 18 to 21, every shape in it a number.
        rounded: Whether each value is rounded to the digits and the range that it has in `model`,
            and double again behind that. What comes out differs from the exact numbers about as
            much as rounding alone makes `model` differ from them.

    Returns:
        A model with the same inputs, real ones in float64. Its outputs are the values of `model`
        that a node computes, under their names.

    Raises:
        OperatorError: a node has no form in double precision.
        ModelError: a shape is not known.
    """
    source = ir.from_proto(model).graph
    builder = Builder(opset=_opset(source))
    values: dict[ir.Value, Tensor] = {}
    for value in source.inputs:
        if value.name is None or value.dtype is None or value.shape is None:
            raise OperatorError(f"the type or shape of the input {value.name!r} is not known")
        dtype = _DOUBLE if _is_real(value) else value.dtype.numpy()
        dims = [dim if isinstance(dim, int) else dim.value for dim in value.shape]
        values[value] = builder.input(value.name, dims, dtype)
    for name, value in source.initializers.items():
        if value.const_value is not None:
            data = builder.initializer(value.const_value, name)
            values[value] = data.astype(_DOUBLE) if _is_real(value) else data
    computed: list[tuple[str, Tensor]] = []
    for node in source:
        for value, written in zip(node.outputs, _write(builder, node, values), strict=True):
            tensor = _rounded(written, value) if rounded else written
            values[value] = tensor
            if value.name:
                computed.append((value.name, tensor))
    for name, tensor in computed:
        # Under another name first: a value of the new graph may have taken this one.
        builder.output(name, builder.op.Identity(tensor))
    return model_of(builder)


def only(model: onnx.ModelProto, names: Sequence[str]) -> onnx.ModelProto:
    """Leave out of a model what some of its outputs do not need.

    Outputs that nobody reads are kept in memory to the end of a run all the same.

    Args:
        model: The model, which stays as it is.
        names: The outputs that stay, in this order.

    Raises:
        OperatorError: one of them is no output.
    """
    known = {output.name: output for output in model.graph.output}
    for name in names:
        if name not in known:
            raise OperatorError(
                f"{name!r} is no output of the graph; its outputs are {', '.join(known)}"
            )
    needed = set(names)
    nodes = []
    for node in reversed(model.graph.node):
        if needed.intersection(node.output):
            nodes.append(node)
            needed.update(_read_by(node))
    graph = onnx.GraphProto(name=model.graph.name)
    graph.node.extend(reversed(nodes))
    graph.input.extend(model.graph.input)
    graph.output.extend(known[name] for name in names)
    graph.initializer.extend(t for t in model.graph.initializer if t.name in needed)
    graph.value_info.extend(v for v in model.graph.value_info if v.name in needed)
    return onnx.ModelProto(
        ir_version=model.ir_version, opset_import=model.opset_import, graph=graph
    )


def _read_by(node: onnx.NodeProto) -> Iterator[str]:
    """What a node reads, also in its subgraphs."""
    yield from node.input
    for attribute in node.attribute:
        for graph in (attribute.g, *attribute.graphs):
            for inner in graph.node:
                yield from _read_by(inner)
            yield from (output.name for output in graph.output)


def _rounded(tensor: Tensor, value: ir.Value) -> Tensor:
    """With the digits and the range of the value that it stands for."""
    if value.dtype is None or not _is_real(value) or value.dtype.numpy() == _DOUBLE:
        return tensor
    return tensor.astype(value.dtype.numpy()).astype(_DOUBLE)


def _opset(graph: ir.Graph) -> int:
    """The graph's own, or that in which all of its operators have forms."""
    needed = max((SINCE.get(node.op_type, 0) for node in graph if node.domain == ""), default=0)
    return max(graph.opset_imports[""], needed)


def _write(builder: Builder, node: ir.Node, values: Mapping[ir.Value, Tensor]) -> list[Tensor]:
    """The outputs of one node in double precision."""
    given = [None if value is None else values[value] for value in node.inputs]
    form = FORMS.get(node.op_type) if node.domain == "" else None
    if form is not None and len(node.outputs) == 1:
        return [form(given, node)]
    if node.op_type in SEVERAL and node.domain == "":
        return SEVERAL[node.op_type](given, node)[: len(node.outputs)]
    if node.domain:
        return _as_it_is(builder, node, given)
    outputs = builder.append(
        node.op_type,
        _narrowed(builder, node, given),
        _converted(node),
        outputs=len(node.outputs),
    )
    return [_widened(output) for output in outputs]


def _as_it_is(builder: Builder, node: ir.Node, given: list[Tensor | None]) -> list[Tensor]:
    """The outputs of a node of another domain, such as a tree, in the precision that it has."""
    inputs = [
        tensor if tensor is None or value is None or value.dtype is None or not _is_real(value)
        else tensor.astype(value.dtype.numpy())
        for tensor, value in zip(given, node.inputs, strict=True)
    ]  # fmt: skip
    outputs = builder.append(
        node.op_type,
        inputs,
        dict(node.attributes),
        outputs=len(node.outputs),
        domain=node.domain,
        version=version_of(node),
    )
    return [_widened(output) for output in outputs]


def _narrowed(builder: Builder, node: ir.Node, given: list[Tensor | None]) -> list[Tensor | None]:
    """The inputs, single precision where the operator takes nothing else."""
    formal = list(builder.schema(node.op_type, node.domain).inputs)
    return [
        tensor.astype(np.dtype(np.float32))
        if tensor is not None and formal[min(i, len(formal) - 1)].type_str == "tensor(float)"
        else tensor
        for i, tensor in enumerate(given)
    ]


def _widened(tensor: Tensor) -> Tensor:
    return tensor.astype(_DOUBLE) if _is_real(tensor.value) else tensor


def _converted(node: ir.Node) -> dict[str, AttributeValue | ir.Attr | None]:
    """The attributes, with real types and tensors in double precision."""
    attributes: dict[str, AttributeValue | ir.Attr | None] = {}
    for name, attribute in node.attributes.items():
        if attribute.type in (ir.AttributeType.GRAPH, ir.AttributeType.GRAPHS):
            raise OperatorError(
                f"{node.op_type} has a subgraph, which has no form in double precision"
            )
        attributes[name] = attribute
        if name == _TYPE_ATTRIBUTES.get(node.op_type) and _is_real_type(
            ir.DataType(attribute.as_int())
        ):
            attributes[name] = int(ir.DataType.DOUBLE)
        elif attribute.type == ir.AttributeType.TENSOR:
            array = attribute.as_tensor().numpy()
            if _is_real_type(attribute.as_tensor().dtype):
                attributes[name] = array.astype(_DOUBLE)
        elif node.op_type == "Constant" and attribute.type in (
            ir.AttributeType.FLOAT,
            ir.AttributeType.FLOATS,
        ):
            attributes[name] = None
            attributes["value"] = np.asarray(attribute.value, _DOUBLE)
    return attributes


def _is_real(value: ir.Value) -> bool:
    return value.dtype is not None and _is_real_type(value.dtype)


def _is_real_type(dtype: ir.DataType) -> bool:
    return dtype.is_floating_point()
