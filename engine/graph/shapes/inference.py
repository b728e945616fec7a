"""Types and shapes of values, known as soon as their node is there.

ONNX's own inference comes first, node by node; what it leaves open gets names (see `symbolic`).
What it lets pass and no runtime can run, such as a convolution that leaves nothing, is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import onnx
import onnx_ir as ir
from onnx import defs, shape_inference

from ...errors import EmptyError, ModelError, OperatorError, nearest
from ..advice import zero_is_zero
from ..domains import ML, holds_map
from ..names import node_name
from ..traits import Trait, operators_with
from ..versions import ir_version
from .algebra import Dim, Sizes, count
from .channels import misfit
from .formulas import infer_elements, infer_shape
from .kinds import kind_of, remember, remembered, takes_data
from .known import LIMIT, Elements, Known, elements_of_array

_INTEGERS = (ir.DataType.INT64, ir.DataType.INT32, ir.DataType.BOOL)

# The last versions that say what they give, and are not deprecated: earlier ones have the same
# attributes, or fewer.
_TREES = {"TreeEnsembleClassifier": 3, "TreeEnsembleRegressor": 3}

# Of which nothing may be left though there was something: windows larger than the picture, sizes.
_LEAVING = operators_with(Trait.WINDOWED) | operators_with(Trait.ENLARGING) | {"DeformConv"}


class Inference:
    """What is known of the values of one graph under construction.

    Attributes:
        opset: Version of the standard operator set that the graph is written in.
    """

    def __init__(self, opset: int) -> None:
        self.opset = opset
        self._protos: dict[ir.Value, onnx.TypeProto] = {}
        self._sizes = Sizes()
        self._elements: dict[ir.Value, Elements] = {}

    def schema(self, op_type: str, domain: str = "", version: int | None = None) -> defs.OpSchema:
        """Return the operator's schema at this graph's opset, or at its own domain's version.

        Raises:
            OperatorError: there is none.
        """
        known = self.opset if version is None else version
        if domain == ML:
            known = _TREES.get(op_type, known)
        try:
            return defs.get_schema(op_type, known, domain)
        except defs.SchemaError as error:
            if not domain and not defs.has(op_type):
                hint = nearest(op_type, _standard_operators()).removeprefix("; ")
                raise OperatorError(
                    f"ONNX has no operator {op_type}" + (f" ({hint})" if hint else "")
                ) from error
            if domain not in ("", ML):
                # ONNX has no schemas of it, of whatever version.
                raise OperatorError(
                    f"onnxscope has no standard form of {domain}'s {op_type}"
                ) from error
            raise OperatorError(
                f"operator {op_type} of {domain or 'ai.onnx'} is unknown at opset {known}"
            ) from error

    def type_of(self, value: ir.Value) -> onnx.TypeProto | None:
        """Return the type of a value that inference has found, also where it is no tensor."""
        return self._protos.get(value)

    def elements(self, value: ir.Value | None) -> Elements | None:
        """Return what is known of the elements of a small vector of integers, such as a shape."""
        if value is None:
            return None
        constant = value.const_value
        if constant is not None:
            return elements_of_array(constant.numpy()) if constant.size <= LIMIT else None
        return self._elements.get(value)

    def declare_shape(self, value: ir.Value, dims: Sequence[Dim | None]) -> None:
        """State a value's shape where it is known better than inference can tell."""
        known = [f"{value.name}.{axis}" if dim is None else dim for axis, dim in enumerate(dims)]
        value.shape = ir.Shape(known)
        self.forget(value)

    def forget(self, value: ir.Value) -> None:
        """Note that a value's name or shape is another one now."""
        self._protos.pop(value, None)

    def infer(self, node: ir.Node) -> None:
        """Set the types and shapes of the node's outputs.

        Raises:
            OperatorError: the operator is unknown at this opset, or what it gives stays unknown.
            ModelError: the inputs do not fit the operator.
            EmptyError: windows leave nothing.
        """
        kind = kind_of(node, self.opset)
        found = remembered(kind) or remember(kind, node, self._inferred(node))
        known: Known | None = None
        for value, one in zip(node.outputs, found, strict=True):
            if one is None:
                if value is node.outputs[0]:
                    raise OperatorError(
                        f"operator {node.op_type} (node {node_name(node)!r}) is not supported: "
                        "what it gives is not known before it runs"
                    )
                continue
            self._protos[value] = one.proto
            if holds_map(one.proto):
                # onnx-ir has no such types: the value stays without one until the model is whole.
                continue
            if one.dtype is None:
                value.type = ir.serde.deserialize_type_proto_for_type(one.proto)
                value.shape = ir.serde.deserialize_type_proto_for_shape(one.proto)
            else:
                value.type = ir.TensorType(one.dtype)
                value.shape = one.shape
            if value.dtype in _INTEGERS or value.shape is None or not value.shape.is_static():
                known = known or self._known(node)
                self._name_sizes(value, known)
            if node.op_type == "Reshape" and not _same_count(value, node.inputs[0]):
                raise ModelError(
                    f"Reshape (node {node_name(node)!r}) cannot make {_describe(value)} of "
                    f"{_describe(node.inputs[0])}"
                )
            # Elsewhere, such as in a part of a split, no elements are nothing wrong.
            emptied = _is_empty(value) and not _is_empty(node.inputs[0])
            if (node.op_type in _LEAVING and emptied) or _exceeds_picture(node):
                given = ", ".join(_describe(value) for value in node.inputs)
                raise EmptyError(f"{node.op_type} leaves nothing of {given}{_about_zero(node)}")

    def _inferred(self, node: ir.Node) -> dict[str, onnx.TypeProto]:
        """What ONNX finds of the node's outputs, by name, and channels that do not fit refused."""
        schema = self.schema(node.op_type, node.domain, node.version)
        types: dict[str, onnx.TypeProto] = {}
        data: dict[str, onnx.TensorProto] = {}
        for index, value in enumerate(node.inputs):
            if value is None or value.name is None:
                continue
            types[value.name] = self._type_proto(value)
            if value.const_value is not None and takes_data(node, index, value):
                data[value.name] = ir.serde.serialize_tensor(value.const_value)
        try:
            inferred = shape_inference.infer_node_outputs(
                schema,
                ir.serde.serialize_node(node),
                types,
                data,
                opset_imports=[onnx.helper.make_opsetid("", self.opset)],
                ir_version=ir_version(self.opset),
            )
        except (
            shape_inference.InferenceError,
            onnx.checker.ValidationError,
            RuntimeError,
        ) as error:
            given = ", ".join(_describe(value) for value in node.inputs)
            detail = str(error).rsplit("] ", 1)[-1].strip()
            if "deprecated" in detail or "Unrecognized attribute" in detail:
                raise OperatorError(
                    f"operator {node.op_type} (node {node_name(node)!r}) is not supported: {detail}"
                ) from error
            raise ModelError(f"{node.op_type} does not accept {given}: {detail}") from error
        detail = misfit(node)
        if detail:
            given = ", ".join(_describe(value) for value in node.inputs)
            raise ModelError(f"{node.op_type} does not accept {given}: {detail}")
        return inferred

    def _known(self, node: ir.Node) -> Known:
        """What is known of the inputs of a node."""
        shapes = [
            None
            if value is None or value.shape is None
            else tuple(dim if isinstance(dim, int) else str(dim.value) for dim in value.shape)
            for value in node.inputs
        ]
        elements = [self.elements(value) for value in node.inputs]
        return Known(node, self._sizes, shapes, elements)

    def _name_sizes(self, value: ir.Value, known: Known) -> None:
        """Give sizes that inference leaves open the names that formulas or nobody has for them."""
        node, shape = known.node, value.shape
        dims: list[Dim | None] | None = None
        if shape is not None:
            dims = [dim if isinstance(dim, int) else dim.value for dim in shape]
        if dims is None or None in dims:
            # A formula tells the first output's shape; indices besides have the same.
            found = infer_shape(known) if _shapes_alike(value, node) else None
            if dims is None and found is not None:
                dims = list(found)
            elif dims is not None and found is not None:
                dims = [b if a is None else a for a, b in zip(dims, found, strict=True)]
            if dims is not None:
                self.declare_shape(value, dims)
        if (
            value is node.outputs[0]
            and value.dtype in _INTEGERS
            and (dims is None or len(dims) < 2)
        ):
            elements = infer_elements(known)
            if elements is not None:
                self._elements[value] = elements

    def _type_proto(self, value: ir.Value) -> onnx.TypeProto:
        proto = self._protos.get(value)
        if proto is None:
            proto = onnx.TypeProto()
            if value.type is not None:
                ir.serde.serialize_type_into(proto, value.type)
            if value.shape is not None:
                ir.serde.serialize_shape_into(proto, value.shape)
            self._protos[value] = proto
        return proto


def _same_count(value: ir.Value | None, other: ir.Value | None) -> bool:
    """Whether two values can have the same number of elements, as far as that is known."""
    counts = (_count(value), _count(other))
    return None in counts or counts[0] == counts[1]


def _count(value: ir.Value | None) -> int | None:
    """How many elements a value has, `None` where that is unknown."""
    if value is None or value.shape is None:
        return None
    return count([dim if isinstance(dim, int) else str(dim) for dim in value.shape])


def _shapes_alike(value: ir.Value, node: ir.Node) -> bool:
    """Whether formulas find the same for an output as for the node's first."""
    return value is node.outputs[0] or node.op_type in ("MaxPool", "Split", "TopK")


def _is_empty(value: ir.Value | None) -> bool:
    """Whether a value is known to have no element."""
    shape = None if value is None else value.shape
    return shape is not None and any(isinstance(dim, int) and dim < 1 for dim in shape)


def _exceeds_picture(node: ir.Node) -> bool:
    """Whether a convolution's kernel is larger than its padded picture.

    ONNX's inference divides by the stride towards zero, and finds one output where there is none.
    """
    if node.op_type != "Conv" or len(node.inputs) < 2:
        return False
    shapes = [None if value is None else value.shape for value in node.inputs[:2]]
    if node.attributes.get_string("auto_pad", "NOTSET") not in ("NOTSET", "VALID"):
        return False
    sizes, kernel = (() if shape is None else tuple(shape)[2:] for shape in shapes)
    pads = node.attributes.get_ints("pads") or [0] * (2 * len(sizes))
    dilations = node.attributes.get_ints("dilations") or [1] * len(sizes)
    return any(
        isinstance(size, int) and isinstance(taps, int) and dilation * (taps - 1) >= size + padding
        for size, taps, dilation, padding in zip(
            sizes, kernel, dilations, map(sum, zip(pads, pads[len(sizes) :], strict=False)),
            strict=False,
        )
    )  # fmt: skip


def _describe(value: ir.Value | None) -> str:
    if value is None:
        return "nothing"
    shape = "?" if value.shape is None else "×".join(_size_text(dim) for dim in value.shape)
    return f"{value.name} ({value.dtype}, {shape or 'scalar'})"


def _about_zero(node: ir.Node) -> str:
    """What to do where a node reads an input of the graph that has no elements."""
    value = node.inputs[0]
    return zero_is_zero(value) if value is not None and value.is_graph_input() else ""


@cache
def _standard_operators() -> tuple[str, ...]:
    return tuple(sorted({s.name for s in defs.get_all_schemas_with_history() if not s.domain}))


def _size_text(dim: int | ir.SymbolicDim) -> str:
    return str(dim) if isinstance(dim, int) else dim.value or "?"
