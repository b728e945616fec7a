"""The values of a network of any inputs: what each is called, its shape, and where it stands.

What layers are to a network that takes pictures; here nothing says which axis has the channels, and
sizes stay symbols where the file leaves them open.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import onnx_ir as ir

from ..errors import (
    InputError,
    LayerError,
    ModelError,
    OnnxscopeError,
)
from ..graph.builder import Builder
from ..graph.domains import numbers_of
from ..graph.tensor import Tensor
from ..graph.traits import Trait, has
from ..graph.walks import ancestors, computed_from
from ..importer.replay import own_tensor, replay
from .inputs.defaults import no_input, take_defaults
from .inputs.drawing import bound_dimensions
from .inputs.given import as_input
from .inputs.image_input import takes_rgb
from .inputs.sequences import is_sequence, take_sequences, to_be_given
from .layers.idle import bypass_idle, is_idle
from .layers.layer import LayerNames, find_main
from .layers.lookups import lookups
from .layers.naming import name_values

if TYPE_CHECKING:
    import numpy.typing as npt

    from ..importer.opsets import LoadedModel
    from .layers.naming import Naming

Shape = tuple[int | str, ...]
"""A size that is open is called what the file calls it, or by the formula that it follows from the
inputs' by; `?` where nothing is known of it."""


@dataclass(frozen=True)
class Value:
    """A value of a network: an input, a weight, or what a node computes.

    Attributes:
        name: In the file.
        shape: With all axes; `None` where even their number is unknown.
        dtype: Such as `float32`; what it is else where it is no tensor of numbers.
        op_type: The operator that computes it, `input` or `weight`.
        main: Whether it lies on the trunk of the network (see `Layer.main`).
        alias: A short name for people, such as `encoder.layers.0`; empty where there is none.
        unknown: Why its shape cannot be told from the inputs'; empty where it can.
    """

    name: str
    shape: Shape | None
    dtype: str
    op_type: str
    main: bool = False
    alias: str = ""
    unknown: str = ""

    @property
    def title(self) -> str:
        """What to call it: its alias, or its name in the file."""
        return self.alias or self.name

    @property
    def real(self) -> bool:
        """Whether it holds real numbers, which alone have a gradient."""
        return "float" in self.dtype


class Values:
    """What is known of a network's values.

    Attributes:
        inputs: What it takes, by name.
        weights: What it holds, by name; also where the file lists them among its inputs.
        computed: What its inputs' numbers go into, by name, in topological order.
        outputs: The names of what it gives.
        rest: How many values there are besides: shapes, and what follows from weights alone.
        names: What may be written for any of them.
        builder: A graph that all of them stand in.
        shapes: Of inputs, as they are given.
        constants: Values that inputs are given.
    """

    def __init__(
        self,
        loaded: LoadedModel,
        model: str,
        shapes: Mapping[str, Sequence[int]] | None = None,
        constants: Mapping[str, npt.ArrayLike] | None = None,
    ) -> None:
        """Find the names and shapes.

        Args:
            loaded: The network.
            model: What to call it in messages.
            shapes: Of inputs whose shape the model leaves open.
            constants: Values of inputs, as `onnxscope.load` takes them; what follows from them
                alone is known, such as the branch that an `If` takes.

        Raises:
            OnnxscopeError: there is no such input, or the shape or value does not fit it.
        """
        graph = loaded.model.graph
        bypass_idle(graph)
        self._graph = graph
        self.shapes = dict(shapes or {})
        constants = dict(constants or {})
        take_sequences(graph, constants, needed=False)
        take_defaults(graph, constants)
        takes = {v.name: v for v in graph.inputs if v.name and v.name not in graph.initializers}
        for name in {**self.shapes, **constants}:
            if name not in takes:
                raise LayerError(no_input(graph, name, takes))
        self.constants = {
            name: as_input(takes[name], given, self.shapes.get(name))
            for name, given in constants.items()
        }
        self._bound = bound_dimensions(takes, self.constants, self.shapes)
        sources = _sources(graph)
        naming = name_values(graph, *sources)
        # What asks for shapes alone is all that there is.
        nodes = computed_from(graph, *sources) or list(graph)
        wanted = [value for node in nodes for value in node.outputs if _is_read(value)]
        self.inputs = {
            name: replace(_as_it_is(value, "input"), shape=self._input_shape(value))
            for name, value in takes.items()
        }
        self.weights = {name: _as_it_is(v, "weight") for name, v in graph.initializers.items()}
        self.outputs = [value.name for value in graph.outputs if value.name]
        self.builder = Builder(opset=loaded.opset)
        self._tensors, failures = self._replayed(wanted)
        symbols = {
            symbol for value in self.inputs.values() for symbol in _symbols(value.shape or ())
        }
        main = _main_values(graph, sources, [value.name for value in wanted if value.name], naming)
        self.computed = {
            value.name: replace(
                _as_it_is(value, node.op_type),
                shape=_shape(self._tensors.get(value.name), value, symbols),
                dtype=_dtype(self._tensors.get(value.name), value),
                main=value.name in main,
                alias=naming.aliases.get(value.name, ""),
                unknown=failures.get(value.name, ""),
            )
            for value in wanted
            if value.name and (node := value.producer()) is not None
        }
        every = {value.name for node in graph for value in node.outputs if _is_read(value)}
        self.rest = len(every) - len(self.computed)
        self.names = LayerNames(
            model, [*self.computed, *self.inputs, *self.weights], naming, kind="value"
        )

    def __getitem__(self, name: str) -> Value:
        """Return the value that a name or alias stands for.

        Raises:
            LayerError: there is none, or there are several.
        """
        found = self.names.find(name)
        return next(
            group[found] for group in (self.computed, self.inputs, self.weights) if found in group
        )

    def tables(self, name: str) -> list[Value]:
        """Return the weights that a value's numbers are looked up in."""
        known = [*self._graph.inputs, *(v for node in self._graph for v in node.outputs)]
        value = next((value for value in known if value.name == name), None)
        read = [] if value is None else [node.inputs[0] for node in lookups(value)]
        names = dict.fromkeys(table.name or "" for table in read if table is not None)
        return [self.weights[name] for name in names if name in self.weights]

    def tensor(self, name: str) -> Tensor:
        """Return the value in `builder`'s graph.

        Raises:
            ModelError: it has no known type and shape there.
        """
        if name in self._tensors:
            return self._tensors[name]
        held = self.builder.graph.initializers.get(name)
        if held is not None:
            return Tensor(self.builder, held)
        unknown = self.computed[name].unknown if name in self.computed else ""
        raise ModelError(unknown or f"nothing that was listed is computed from {name}")

    @property
    def open_inputs(self) -> list[str]:
        """The names of the inputs whose shape is open."""
        return [
            name
            for name, value in self.inputs.items()
            if value.shape is None or not all(isinstance(size, int) for size in value.shape)
        ]

    def _input_shape(self, value: ir.Value) -> Shape | None:
        """An input's shape, as it is given or declared."""
        name = value.name or ""
        if name in self.constants:
            return self.constants[name].shape
        if name in self.shapes:
            return tuple(self.shapes[name])
        declared = _declared(value)
        if declared is None:
            return None
        return tuple(
            self._bound.get(size, size) if isinstance(size, str) else size for size in declared
        )

    def _replayed(self, wanted: Collection[ir.Value]) -> tuple[dict[str, Tensor], dict[str, str]]:
        """The values with types and shapes, and why others have none."""
        given: dict[str, Tensor] = {}
        missing: dict[str, str] = {}
        for value in self._graph.inputs:
            name = value.name or ""
            if name not in self.inputs:
                continue
            if name in self.constants:
                given[name] = self.builder.constant(self.constants[name], name=name)
                given |= self._tables_apart(value)
                continue
            reason = "" if name in self.shapes else _unusable(value)
            if reason:
                for node in computed_from(self._graph, value):
                    missing.update(dict.fromkeys((v.name or "" for v in node.outputs), reason))
            elif value.dtype is not None:
                shape = self._input_shape(value) or ()
                dims = [None if dim == "?" else dim for dim in shape]
                given[name] = self.builder.input(name, dims, value.dtype.numpy())
        failures: dict[str, OnnxscopeError] = {}
        names = [value.name for value in wanted if value.name and value.name not in missing]
        found = replay(self.builder, self._graph, given, names, failures=failures)
        reasons = {name: str(error) for name, error in failures.items()}
        return given | found, reasons | missing

    def _tables_apart(self, value: ir.Value) -> dict[str, Tensor]:
        """The tables that a constant is looked up in, which are no constants themselves.

        What is looked up has a gradient with respect to them.
        """
        found: dict[str, Tensor] = {}
        for node in lookups(value):
            table = node.inputs[0]
            held = None if table is None else table.const_value
            if table is not None and table.name in self.weights and held is not None:
                tensor = self.builder.initializer(own_tensor(held), table.name)
                tensor.value.const_value = None
                found[table.name] = tensor
        return found


def value_called(graph: ir.Graph, name: str) -> str:
    """Return the name in the file of what people call `name` in a network that takes no pictures.

    Returns:
        `name` itself where it stands for nothing, or where pictures in three colours go in: what
        its names stand for is for `onnxscope.load` to say.

    Raises:
        LayerError: it stands for several values.
    """
    try:
        if takes_rgb(graph, "the model"):
            return name
    except InputError:
        return name
    names = LayerNames("the model", (), name_values(graph, *_sources(graph)), kind="value")
    return names.find(name) if names.meanings(name) else name


# ---------------------------------------------------------------------------------------------


def _sources(graph: ir.Graph) -> list[ir.Value]:
    """The inputs; weights too where nothing is computed from these."""
    inputs = [value for value in graph.inputs if value.name not in graph.initializers]
    if computed_from(graph, *inputs):
        return inputs
    return [*inputs, *graph.initializers.values()]


def _is_read(value: ir.Value) -> bool:
    """Whether a node's output is its first, or anything takes it."""
    node = value.producer()
    if node is not None and is_idle(node) and not value.is_graph_output():
        return False
    return bool(value.name) and (
        value.index() == 0 or value.is_graph_output() or bool(value.uses())
    )


def _as_it_is(value: ir.Value, op_type: str) -> Value:
    """A value as the file declares it."""
    return Value(value.name or "", _declared(value), _dtype(None, value), op_type)


def _declared(value: ir.Value) -> Shape | None:
    if value.shape is None or not isinstance(value.type, ir.TensorType | None):
        return None
    return tuple(dim if isinstance(dim, int) else dim.value or "?" for dim in value.shape)


def _dtype(tensor: Tensor | None, value: ir.Value) -> str:
    if numbers_of(value) is not None:
        return "sequence of maps"
    known = value if tensor is None else tensor.value
    kind = known.dtype
    if kind is None:
        return "?"
    if kind is ir.DataType.STRING:
        name = "text"
    else:
        name = kind.numpy().name if kind.bitwidth >= 8 else str(kind).lower()
    if isinstance(known.type, ir.SequenceType):
        return f"sequence of {name}"
    return f"optional {name}" if isinstance(known.type, ir.OptionalType) else name


def _shape(tensor: Tensor | None, value: ir.Value, symbols: Collection[str]) -> Shape | None:
    """The shape that follows from the inputs'; sizes that do not are called as in the file."""
    declared = _declared(value)
    if tensor is None or tensor.value.shape is None:
        return declared
    if declared is None or len(declared) != len(tensor.dims):
        declared = ("?",) * len(tensor.dims)
    return tuple(
        dim if isinstance(dim, int) or not _symbols((dim,)).isdisjoint(symbols) else name
        for dim, name in zip(map(_size, tensor.dims), declared, strict=True)
    )


def _size(dim: int | str | None) -> int | str:
    return "?" if dim is None else dim


def _symbols(dims: Iterable[int | str]) -> set[str]:
    """The names in sizes, formulas or not."""
    return {word for dim in dims if isinstance(dim, str) for word in re.findall(r"[^\W\d]\w*", dim)}


def _unusable(value: ir.Value) -> str:
    """Why nothing can be told of what is computed from an input; empty where something can."""
    if is_sequence(value):
        return to_be_given(value)
    if value.dtype is None or not isinstance(value.type, ir.TensorType):
        return f"the input {value.name!r} is no tensor"
    if value.shape is None:
        return f"the file does not say how many axes the input {value.name!r} has"
    return ""


# The trunk ------------------------------------------------------------------------------------


def _main_values(
    graph: ir.Graph, inputs: Sequence[ir.Value], names: Sequence[str], naming: Naming
) -> set[str]:
    """The values on the trunks that lead from inputs to outputs.

    A mask is no start of a trunk, nor is an output on the way an end: only what brings weights of
    its own is one, such as the second of two towers or heads. Besides, what tokens are looked up
    as, and the results of the outermost modules.
    """
    nodes = list(graph)
    outputs = [value for value in graph.outputs if value.producer() is not None]
    starts = _covering({value: set(computed_from(graph, value)) for value in inputs})
    ends = _covering({value: set(ancestors(nodes, [value])) for value in outputs})
    found: set[str] = set()
    for start in starts:
        for end in ends:
            others = [name for name in names if name != end.name]
            found |= find_main(graph, start, [*others, end.name or ""], naming)
    looked_up = {node.outputs[0].name or "" for value in inputs for node in lookups(value)}
    modules = {s.outputs[0] for s in naming.scopes.values() if len(s.path) == len(s.outputs) == 1}
    return found | looked_up | modules


def _covering(reached: Mapping[ir.Value, set[ir.Node]]) -> list[ir.Value]:
    """Those with the most nodes with weights, and of the rest those that add some."""
    weighted = {
        value: {node for node in nodes if has(node, Trait.WEIGHTED)}
        for value, nodes in reached.items()
    }
    chosen: list[ir.Value] = []
    covered: set[ir.Node] = set()
    for value in sorted(reached, key=lambda v: (-len(weighted[v]), -len(reached[v]))):
        if not chosen or not weighted[value] <= covered:
            chosen.append(value)
            covered |= weighted[value]
    return chosen
