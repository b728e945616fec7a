"""The one way to write nodes: append them to a graph and know their types at once.

A `Builder` owns one `onnx_ir.Graph`. Each node that it appends is checked against the operator's
schema and its output types and shapes are inferred there and then (some 30 µs a node), so that a
mistake raises where it is made and every value has a shape when a gradient rule asks for it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt
import onnx_ir as ir
from onnx import defs

from ..errors import ModelError
from ..patience import require_time
from .names import Names
from .shapes.inference import Inference
from .shapes.known import Elements
from .tensor import Size, Tensor
from .versions import OPSET

if TYPE_CHECKING:
    import onnx

AttributeValue = int | float | str | Sequence[int] | Sequence[float] | np.ndarray


class _Append(Protocol):
    def __call__(self, *inputs: Tensor | None, **attributes: Any) -> Tensor: ...


@dataclass(frozen=True)
class Composite:
    """Several nodes that differentiate as one operator of one input.

    Attributes:
        source: The input.
        gradient: From the output's cotangent to the input's.
        rounding: Operator and node where that is no derivative, but passes a rounding straight
            through.
        onto: What it rounds to, in words.
        by_element: Whether each element is a function of one of the input's.
    """

    source: Tensor
    gradient: Callable[[Tensor], Tensor]
    rounding: str = ""
    onto: str = "integers"
    by_element: bool = False


@dataclass(frozen=True)
class Compound:
    """Several nodes that differentiate as one operator of several inputs.

    Attributes:
        sources: The inputs: all that the nodes compute with, but for constants.
        gradient: From the output's cotangent, and which of the sources want theirs, to those of the
            sources; `None` for one that has none.
        operators: Whose rules the gradient stands for. Where a table overrides one of them, the
            nodes are differentiated one by one.
    """

    sources: tuple[Tensor, ...]
    gradient: Callable[[Tensor, Sequence[bool]], Sequence[Tensor | None]]
    operators: frozenset[str]


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
        """Return a constant of the graph (see `Builder.constant`)."""
        return self._builder.constant(data, dtype)

    def vector(self, sizes: Sequence[Size]) -> Tensor:
        """Return sizes as one int64 vector (see `Builder.vector`)."""
        return self._builder.vector(sizes)


def as_tensor(array: np.ndarray) -> ir.TensorProtocol:
    """Return an array of numbers, or of text, as a graph stores it."""
    if array.dtype.kind not in "OSU":
        return ir.tensor(array)
    text = [word if isinstance(word, bytes) else str(word).encode() for word in array.flat]
    return ir.StringTensor(text, shape=ir.Shape(array.shape))


class Builder:
    """Appends nodes to one graph in topological order.

    Attributes:
        graph: The graph under construction.
        op: Its operators as methods (see `Operators`).
        opset: Version of the standard operator set that the nodes are written in.
        composites: Values whose gradient is not that of the single nodes behind them.
        compounds: The same for values of several inputs.
        pieces: Values that are known to be zero but for a part.
        integers: Values that the file has as integers of a type, and that are kept as real numbers.
        instead: What stands in the place of a value, and equals it, in the finished model.
    """

    def __init__(self, name: str = "onnxscope", opset: int = OPSET) -> None:
        self.opset = opset
        self.graph = ir.Graph([], [], nodes=[], opset_imports={"": opset}, name=name)
        self.op = Operators(self)
        self.composites: dict[ir.Value, Composite] = {}
        self.compounds: dict[ir.Value, Compound] = {}
        self.pieces: dict[ir.Value, Piece] = {}
        self.integers: dict[ir.Value, ir.DataType] = {}
        self.instead: dict[ir.Value, ir.Value] = {}
        self._constants: dict[tuple[str, tuple[int, ...], bytes], Tensor] = {}
        self._inference = Inference(opset)
        self._measured: dict[tuple[ir.Value, int], Tensor] = {}
        self._names = Names()
        self._node_names = Names()

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
        # Not `ir.tensor`, which asks whether an array is ten other things.
        array = np.array(data, dtype, order="C")
        if name or array.dtype.kind in "OSU" or array.nbytes > 4096:
            return self.initializer(as_tensor(array), name or "constant")
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self._constants:
            self._constants[key] = self.initializer(ir.Tensor(array), "constant")
        return self._constants[key]

    def vector(self, sizes: Sequence[Size]) -> Tensor:
        """Return sizes as one int64 vector: a constant where all are numbers."""
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
        """Return one size of a value: a number, or a vector of one int64 of the run."""
        axis %= tensor.rank
        dim = tensor.dims[axis]
        if isinstance(dim, int):
            return dim
        key = (tensor.value, axis)
        if key not in self._measured:
            self._measured[key] = self.op.Shape(tensor, start=axis, end=axis + 1)
        return self._measured[key]

    def elements(self, tensor: Tensor) -> Elements | None:
        """Return what is known of the elements of a small vector of integers, such as a shape."""
        return self._inference.elements(tensor.value)

    def type_of(self, value: ir.Value) -> onnx.TypeProto | None:
        """Return the type of a node's output, also where it is no tensor."""
        return self._inference.type_of(value)

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
        self._inference.declare_shape(tensor.value, dims)
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
            self._names.free(value.name)
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
        version: int | None = None,
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
            version: Version of `domain`, which all of its nodes here share; that of the standard
                one is the graph's.
            node_name: Name of the node, by default that of its first output.

        Returns:
            The outputs, with type and shape.

        Raises:
            OperatorError: the operator is unknown at this opset.
            ModelError: the inputs do not fit the operator.
            OutOfTimeError: the time that there is for all nodes is up.
        """
        require_time()
        while inputs and inputs[-1] is None:
            inputs = inputs[:-1]
        if op_type.startswith("Reduce") and not domain and len(inputs) > 1:
            inputs = self._counted_from_front(inputs)
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
            version=version,
        )
        if version is not None:
            self.graph.opset_imports[domain] = version
        for index, value in enumerate(node.outputs):
            wanted = names[index] if index < len(names) else None
            value.name = self.unique_name(wanted or op_type.lower())
        wanted = node_name or node.outputs[0].name or op_type
        node.name = self._node_names.take(wanted)
        self._inference.infer(node)
        self.graph.append(node)
        return tuple(Tensor(self, value) for value in node.outputs)

    def _counted_from_front(self, inputs: Sequence[Tensor | None]) -> Sequence[Tensor | None]:
        """The inputs of a reduction with no axis negative, where its value may turn out empty.

        ONNX Runtime reduces an empty value along the axes 0, 1, … alone, and passes over others.
        """
        x, axes = inputs[:2]
        known = None if axes is None else axes.array
        if x is None or known is None or known.min(initial=0) >= 0 or x.value.shape is None:
            return inputs
        if not any(dim == 0 or not isinstance(dim, int) for dim in x.dims):
            return inputs
        return [x, self.constant(np.where(known < 0, known + x.rank, known), known.dtype)]

    def schema(self, op_type: str, domain: str = "") -> defs.OpSchema:
        """Return the operator's ONNX schema at this graph's opset."""
        return self._inference.schema(op_type, domain)

    def unique_name(self, name: str) -> str:
        """Reserve `name`, with a number behind it where it is taken."""
        return self._names.take(name)

    def rename(self, tensor: Tensor, name: str) -> None:
        """Give a node's output a name, where it is free; others keep theirs."""
        value = tensor.value
        if value.producer() is None or value.is_graph_output() or name in self._names:
            return
        self._names.free(value.name)
        value.name = self.unique_name(name)
        self._inference.forget(value)

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
                self._inference.forget(value)
        self._names.free(name)


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
