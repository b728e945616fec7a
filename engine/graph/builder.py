"""The one way to write nodes: append them to a graph and know their types at once.

A `Builder` owns one `onnx_ir.Graph`. Each node that it appends is checked against the operator's
schema and its output types and shapes are inferred there and then (some 30 µs a node), so that a
mistake raises where it is made and every value has a shape when a gradient rule asks for it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import onnx
import onnx_ir as ir
from onnx import defs, shape_inference

from ..errors import EmptyError, ModelError, OperatorError
from .algebra import Dim, Sizes, count
from .known import Elements, Known, elements_of_array
from .symbolic import infer_elements, infer_shape
from .tensor import Size, Tensor

OPSET = 18
"""The opset that graphs are written in: the lowest with every operator that the engine needs.

From opset 22 on, ONNX Runtime 1.31 lacks CUDA kernels for MaxPool and others.
"""

IR_VERSION = 9
"""The IR version of models in that opset; old enough for every runtime that reads it."""


def ir_version(opset: int) -> int:
    """The IR version that goes with an opset from 18 to 26."""
    return IR_VERSION + sum(opset >= later for later in (21, 23, 24, 25))


# Constants up to this size take part in shape inference (the target of a Reshape, a Slice's ends).
_SHAPE_DATA_LIMIT = 64

_INTEGERS = (ir.DataType.INT64, ir.DataType.INT32, ir.DataType.BOOL)

_WINDOWED = frozenset({"Conv", "ConvTranspose", "MaxPool", "AveragePool", "LpPool", "Resize"})

AttributeValue = int | float | str | Sequence[int] | Sequence[float] | np.ndarray


class _Append(Protocol):
    def __call__(self, *inputs: Tensor | None, **attributes: Any) -> Tensor: ...


@dataclass(frozen=True)
class Composite:
    """Several nodes that differentiate as one operator of one input.

    Attributes:
        source: The input.
        gradient: From the output's cotangent to the input's.
    """

    source: Tensor
    gradient: Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Piece:
    """A value that is zero but for a part of it.

    Attributes:
        part: The part.
        sizes: Of the value, along the axes that the part does not fill.
        ranges: Where the part is along each axis, in ascending order; `None` where it fills it.
    """

    part: Tensor
    sizes: tuple[int | None, ...]
    ranges: tuple[range | None, ...]


class Operators:
    """Operators as methods: `op.Conv(x, w, strides=[2, 2])` appends a node, gives its output."""

    def __init__(self, builder: Builder) -> None:
        self._builder = builder

    def __getattr__(self, op_type: str) -> _Append:
        def append(*inputs: Tensor | None, **attributes: Any) -> Tensor:
            return self._builder.append(op_type, inputs, attributes)[0]

        return append

    def constant(self, data: npt.ArrayLike, dtype: npt.DTypeLike | None = None) -> Tensor:
        """A constant of the graph (see `Builder.constant`)."""
        return self._builder.constant(data, dtype)

    def vector(self, sizes: Sequence[Size]) -> Tensor:
        """Sizes as one int64 vector (see `Builder.vector`)."""
        return self._builder.vector(sizes)


class Builder:
    """Appends nodes to one graph in topological order.

    Attributes:
        graph: The graph under construction.
        op: Its operators as methods (see `Operators`).
        opset: Version of the standard operator set that the nodes are written in.
        composites: Values whose gradient is not that of the single nodes behind them.
        pieces: Values that are known to be zero but for a part.
    """

    def __init__(self, name: str = "onnxscope", opset: int = OPSET) -> None:
        self.opset = opset
        self.graph = ir.Graph([], [], nodes=[], opset_imports={"": opset}, name=name)
        self.op = Operators(self)
        self.composites: dict[ir.Value, Composite] = {}
        self.pieces: dict[ir.Value, Piece] = {}
        self._constants: dict[tuple[str, tuple[int, ...], bytes], Tensor] = {}
        self._protos: dict[ir.Value, onnx.TypeProto] = {}
        self._sizes = Sizes()
        self._elements: dict[ir.Value, Elements] = {}
        self._measured: dict[tuple[ir.Value, int], Tensor] = {}
        self._names: set[str] = set()
        self._node_names: set[str] = set()
        self._name_counts: dict[str, int] = {}
        self._node_name_counts: dict[str, int] = {}

    # Values -------------------------------------------------------------------------------------

    def input(self, name: str, shape: Sequence[int | str | None], dtype: npt.DTypeLike) -> Tensor:
        """Declare a graph input; a string in `shape` is a symbolic dimension.

        An unknown dimension gets a name of its own: two of them must not pass for equal.
        """
        self._release(name)
        dims = [f"{name}.{axis}" if dim is None else dim for axis, dim in enumerate(shape)]
        value = ir.Value(
            name=self.unique_name(name),
            shape=ir.Shape(dims),
            type=ir.TensorType(ir.DataType.from_numpy(np.dtype(dtype))),
        )
        self.graph.inputs.append(value)
        return Tensor(self, value)

    def constant(
        self, data: npt.ArrayLike, dtype: npt.DTypeLike | None = None, name: str = ""
    ) -> Tensor:
        """Store an array as an initializer; equal small constants share one."""
        array = np.array(data, dtype, order="C")
        if name or array.nbytes > 4096:
            return self.initializer(ir.tensor(array), name or "constant")
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self._constants:
            self._constants[key] = self.initializer(ir.tensor(array), "constant")
        return self._constants[key]

    def vector(self, sizes: Sequence[Size]) -> Tensor:
        """Sizes as one int64 vector: a constant where all are numbers."""
        parts: list[Tensor] = []
        numbers: list[int] = []
        for size in [*sizes, None]:
            if isinstance(size, int | np.integer):
                numbers.append(int(size))
                continue
            if numbers or (size is None and not parts):
                parts.append(self.constant(numbers, np.int64))
                numbers = []
            if size is not None:
                parts.append(size)
        return parts[0] if len(parts) == 1 else self.op.Concat(*parts, axis=0)

    def size_of(self, tensor: Tensor, axis: int) -> Size:
        """One size of a value: a number, or a one-element int64 vector computed at run time."""
        axis %= tensor.rank
        dim = tensor.dims[axis]
        if isinstance(dim, int):
            return dim
        key = (tensor.value, axis)
        if key not in self._measured:
            self._measured[key] = self.op.Shape(tensor, start=axis, end=axis + 1)
        return self._measured[key]

    def elements(self, tensor: Tensor) -> Elements | None:
        """What is known of the elements of a small integer vector, such as a computed shape."""
        return self._elements_of(tensor.value)

    def _elements_of(self, value: ir.Value | None) -> Elements | None:
        if value is None:
            return None
        constant = value.const_value
        if constant is not None:
            return elements_of_array(constant.numpy()) if constant.size <= 64 else None
        return self._elements.get(value)

    def named(self, tensor: Tensor, sizes: Sequence[Size]) -> Tensor:
        """State that a value has these sizes, as far as inference has not found out."""
        dims: list[int | str | None] = []
        for dim, size in zip(tensor.dims, sizes, strict=True):
            data = self.elements(size) if isinstance(size, Tensor) else (int(size),)
            name = data[0] if data else None
            dims.append(dim if isinstance(dim, int) or name in (None, -1) else name)
        return self.declare_shape(tensor, dims)

    def declare_shape(self, tensor: Tensor, dims: Sequence[int | str | None]) -> Tensor:
        """State a value's shape where it is known better than inference can tell."""
        value = tensor.value
        known = [f"{value.name}.{axis}" if dim is None else dim for axis, dim in enumerate(dims)]
        value.shape = ir.Shape(known)
        self._protos.pop(value, None)
        return tensor

    def initializer(self, tensor: ir.TensorProtocol, name: str) -> Tensor:
        """Register an existing tensor (not copied) as an initializer."""
        value = ir.Value(
            name=self.unique_name(name),
            shape=ir.Shape(list(tensor.shape.numpy())),
            type=ir.TensorType(tensor.dtype),
            const_value=tensor,
        )
        self.graph.register_initializer(value)
        return Tensor(self, value)

    def output(self, name: str, tensor: Tensor) -> Tensor:
        """Declare a graph output under this very name."""
        value = tensor.value
        if value.is_graph_input() or value.is_initializer() or value.is_graph_output():
            value = self.op.Identity(tensor).value
        if value.name != name:
            self._release(name)
            self._names.discard(value.name or "")
            value.name = self.unique_name(name)
        self.graph.outputs.append(value)
        return Tensor(self, value)

    # Nodes --------------------------------------------------------------------------------------

    def append(
        self,
        op_type: str,
        inputs: Sequence[Tensor | None],
        attributes: Mapping[str, AttributeValue | ir.Attr | None],
        *,
        outputs: int = 1,
        names: Sequence[str | None] = (),
        domain: str = "",
        node_name: str | None = None,
    ) -> tuple[Tensor, ...]:
        """Append one node.

        Args:
            op_type: Operator of the standard domain, or of `domain`.
            inputs: Values of this graph; `None` leaves an optional input out.
            attributes: By name; `None` leaves the attribute out.
            outputs: How many outputs the node has.
            names: Wanted names of the outputs, made unique; by default derived from the operator.
            domain: Operator domain.
            node_name: Name of the node, by default that of its first output.

        Returns:
            The outputs, with type and shape.

        Raises:
            OperatorError: the operator is unknown at this opset.
            ModelError: the inputs do not fit the operator.
        """
        while inputs and inputs[-1] is None:
            inputs = inputs[:-1]
        node = ir.Node(
            domain,
            op_type,
            [None if tensor is None else tensor.value for tensor in inputs],
            [
                value if isinstance(value, ir.Attr) else _attribute(key, value)
                for key, value in attributes.items()
                if value is not None
            ],
            num_outputs=outputs,
        )
        for index, value in enumerate(node.outputs):
            wanted = names[index] if index < len(names) else None
            value.name = self.unique_name(wanted or op_type.lower())
        wanted = node_name or node.outputs[0].name or op_type
        node.name = unique_name(wanted, self._node_names, self._node_name_counts)
        self._infer(node)
        self.graph.append(node)
        return tuple(Tensor(self, value) for value in node.outputs)

    def schema(self, op_type: str, domain: str = "") -> defs.OpSchema:
        """The operator's ONNX schema at this graph's opset."""
        try:
            return defs.get_schema(op_type, self.opset, domain)
        except defs.SchemaError as error:
            raise OperatorError(
                f"operator {op_type} of {domain or 'ai.onnx'} is unknown at opset {self.opset}"
            ) from error

    def unique_name(self, name: str) -> str:
        """Reserve `name`, with a number behind it where it is taken."""
        return unique_name(name, self._names, self._name_counts)

    def rename(self, tensor: Tensor, name: str) -> None:
        """Give a node's output a name, where it is free; others keep theirs."""
        value = tensor.value
        if value.producer() is None or value.is_graph_output() or name in self._names:
            return
        self._names.discard(value.name or "")
        value.name = self.unique_name(name)
        self._protos.pop(value, None)

    def _release(self, name: str) -> None:
        """Give whatever inner value has this name another one."""
        if name not in self._names:
            return
        inner = [value for node in self.graph for value in node.outputs]
        for value in [*inner, *self.graph.initializers.values(), *self.graph.inputs]:
            if value.name == name:
                if value.is_graph_input() or value.is_graph_output():
                    raise ModelError(
                        f"the graph has already an input or output called {name!r}; rename it first"
                    )
                value.name = self.unique_name(name)
                self._protos.pop(value, None)
        self._names.discard(name)

    def _infer(self, node: ir.Node) -> None:
        """Set the types and shapes of the node's outputs by the operator's own inference."""
        schema = self.schema(node.op_type, node.domain)
        types: dict[str, onnx.TypeProto] = {}
        data: dict[str, onnx.TensorProto] = {}
        for value in node.inputs:
            if value is None or value.name is None:
                continue
            types[value.name] = self._type_proto(value)
            constant = value.const_value
            if constant is not None and constant.size <= _SHAPE_DATA_LIMIT:
                data[value.name] = ir.serde.serialize_tensor(constant)
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
                    f"operator {node.op_type} (node {node.name!r}) is not supported: {detail}"
                ) from error
            raise ModelError(f"{node.op_type} does not accept {given}: {detail}") from error
        known = self._known(node)
        for value in node.outputs:
            proto_type = inferred.get(value.name or "")
            if proto_type is None or not proto_type.WhichOneof("value"):
                if value is node.outputs[0]:
                    raise OperatorError(
                        f"operator {node.op_type} (node {node.name!r}) is not supported: what it "
                        "gives is not known before it runs"
                    )
                continue
            value.type = ir.serde.deserialize_type_proto_for_type(proto_type)
            value.shape = ir.serde.deserialize_type_proto_for_shape(proto_type)
            self._protos[value] = proto_type
            self._name_sizes(value, known)
            if node.op_type == "Reshape" and not _same_count(value, node.inputs[0]):
                raise ModelError(
                    f"Reshape (node {node.name!r}) cannot make {_describe(value)} of "
                    f"{_describe(node.inputs[0])}"
                )
            # Elsewhere, such as in a part of a split, no elements are nothing wrong.
            if (node.op_type in _WINDOWED and _is_empty(value)) or _exceeds_picture(node):
                given = ", ".join(_describe(value) for value in node.inputs)
                raise EmptyError(f"{node.op_type} leaves nothing of {given}")

    def _known(self, node: ir.Node) -> Known:
        """What is known of the inputs of a node."""
        shapes = [
            None
            if value is None or value.shape is None
            else tuple(dim if isinstance(dim, int) else str(dim.value) for dim in value.shape)
            for value in node.inputs
        ]
        elements = [self._elements_of(value) for value in node.inputs]
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
                self.declare_shape(Tensor(self, value), dims)
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


def unique_name(name: str, taken: set[str], counts: dict[str, int] | None = None) -> str:
    """The name, with a number behind it where it is taken; takes it.

    `counts` remembers the last number of each name, from which the search goes on.
    """
    unique, count = name, 1
    if counts is not None and name in taken:
        count = counts.get(name, 1)
    while unique in taken:
        count += 1
        unique = f"{name}_{count}"
    taken.add(unique)
    if counts is not None:
        counts[name] = count
    return unique


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
    shapes = [None if value is None else value.shape for value in node.inputs[:2]]
    if node.op_type != "Conv" or len(shapes) < 2:
        return False
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


def _attribute(name: str, value: AttributeValue) -> ir.Attr:
    # Typed constructors: onnx-ir's guess on plain lists looks at every element.
    if isinstance(value, bool | int | np.integer):
        return ir.AttrInt64(name, int(value))
    if isinstance(value, float | np.floating):
        return ir.AttrFloat32(name, float(value))
    if isinstance(value, str):
        return ir.AttrString(name, value)
    if isinstance(value, np.ndarray):
        return ir.AttrTensor(name, ir.tensor(value))
    if all(isinstance(item, int | np.integer) for item in value):
        return ir.AttrInt64s(name, [int(item) for item in value])
    return ir.AttrFloat32s(name, [float(item) for item in value])


def _describe(value: ir.Value | None) -> str:
    if value is None:
        return "nothing"
    shape = "?" if value.shape is None else "×".join(str(dim) for dim in value.shape)
    return f"{value.name} ({value.dtype}, {shape or 'scalar'})"
