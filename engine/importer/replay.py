"""Write a model's nodes again into a graph under construction.

Replaying is how a network becomes part of a larger graph: its input is any symbolic value, every
shape becomes a number, constant parts are computed, batch normalisation goes into the convolution
before it, and only what the wanted values need is written at all.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Collection, Mapping, Sequence

import numpy as np
import onnx_ir as ir

from ..errors import (
    LayerError,
    MemoryShortageError,
    ModelError,
    OnnxscopeError,
    OperatorError,
    nearest,
)
from ..expansions.contrib.required import check_required
from ..expansions.registry import expansion_of
from ..expansions.table import Call
from ..graph.builder import AttributeValue, Builder, as_tensor
from ..graph.names import node_name
from ..graph.tensor import Tensor
from ..graph.traits import Trait, has
from .batch_normalization import folded_or_reshaped
from .ceil_mode import without_ceil_mode, without_unseen
from .einsum import without_single_axes
from .evaluation import evaluated
from .integers import among_integers
from .products import product_with_column
from .repeats import put_back
from .resizing import along_counted_axes, from_centres, with_sizes

# Larger results are weights that some exporters compute from other weights: still worth computing
# once, but a graph that makes gigabytes out of a few numbers is left to the runtime.
_FOLD_LIMIT = 64 * 1024 * 1024


def replay(
    builder: Builder,
    graph: ir.Graph,
    inputs: Mapping[str, Tensor],
    wanted: Collection[str],
    *,
    failures: dict[str, OnnxscopeError] | None = None,
    outer: Callable[[ir.Value], Tensor] | None = None,
    apart: Collection[str] = (),
) -> dict[str, Tensor]:
    """Append the nodes that compute the `wanted` values of `graph`.

    Args:
        builder: The graph to append to.
        graph: The network.
        inputs: What its inputs are in the new graph, by name; initializers may be among them, and
            values that are then not computed.
        wanted: Names of values of the network.
        failures: Where it is given, a wanted value that cannot be written is left out, and the
            reason put here under its name.
        outer: For the body of a control flow operator: its values of the graph around it.
        apart: Names of values that all that reads them must go through: none of them is a constant
            or another name for something else, and nothing is folded across one.

    Returns:
        The wanted values in the new graph, by name.

    Raises:
        LayerError: a wanted name is not there.
        ModelError: a node does not fit its inputs, such as a picture too small for it.
    """
    values: dict[ir.Value, Tensor] = {}
    known = [*graph.inputs, *graph.initializers.values()]
    for value in [*known, *(value for node in graph for value in node.outputs)]:
        if value.name and value.name in inputs:
            values[value] = inputs[value.name]
    targets = _find(graph, wanted, optional=outer is not None)
    weights = set(graph.initializers.values())
    failed: dict[ir.Value, OnnxscopeError] = {}

    def value_of(value: ir.Value, node: ir.Node | None = None) -> Tensor:
        if value not in values and value not in weights and outer is not None:
            values[value] = outer(value)
        return _argument(builder, values, value, node)

    for node in _needed(graph, set(targets.values()), set(values)):
        earlier = next((failed[v] for v in _reads(node) if v in failed), None)
        try:
            if earlier is not None:
                raise earlier
            arguments = [None if value is None else value_of(value, node) for value in node.inputs]
            outputs = _written(builder, node, arguments, value_of)
        except OnnxscopeError as error:
            if failures is None:
                raise
            failed.update(dict.fromkeys(node.outputs, error))
        else:
            for value, tensor in zip(node.outputs, outputs, strict=True):
                if tensor is not None:
                    values[value] = builder.op.Identity(tensor) if value.name in apart else tensor
    if failures is not None:
        failures.update({n: failed[value] for n, value in targets.items() if value in failed})
    return {name: value_of(value) for name, value in targets.items() if value not in failed}


def _find(graph: ir.Graph, wanted: Collection[str], *, optional: bool) -> dict[str, ir.Value]:
    by_name = {value.name: value for node in graph for value in node.outputs if value.name}
    by_name |= {value.name: value for value in graph.inputs if value.name}
    if optional:
        # What the body of a branch gives may be a value of the graph around it.
        by_name |= {value.name: value for value in graph.outputs if value.name}
    weights = graph.initializers
    for name in wanted:
        if name not in by_name and name not in weights:
            raise LayerError(f"the model has no value {name!r}{nearest(name, by_name)}")
    return {name: by_name[name] if name in by_name else weights[name] for name in wanted}


def _needed(graph: ir.Graph, targets: set[ir.Value], given: set[ir.Value]) -> list[ir.Node]:
    """The nodes between what is given and the targets, in topological order."""
    wanted = set(targets) - given
    nodes: list[ir.Node] = []
    for node in reversed(graph):
        if any(value in wanted for value in node.outputs):
            nodes.append(node)
            wanted.update(v for v in _reads(node) if v not in given)
    nodes.reverse()
    return nodes


def _reads(node: ir.Node) -> list[ir.Value]:
    """What a node reads, its subgraphs included."""
    read = [value for value in node.inputs if value is not None]
    for attribute in node.attributes.values():
        graphs = (
            [attribute.as_graph()]
            if attribute.type == ir.AttributeType.GRAPH
            else attribute.as_graphs()
            if attribute.type == ir.AttributeType.GRAPHS
            else []
        )
        for graph in graphs:
            own = {*graph.inputs, *graph.initializers.values()}
            own.update(value for inner in graph for value in inner.outputs)
            inside = [value for inner in graph for value in _reads(inner)]
            read += [value for value in [*inside, *graph.outputs] if value not in own]
    return read


def _argument(
    builder: Builder, values: dict[ir.Value, Tensor], value: ir.Value, node: ir.Node | None
) -> Tensor:
    tensor = values.get(value)
    if tensor is None:
        if value.const_value is None and value.is_graph_input() and value.type is None:
            reader = "a node" if node is None else f"{node.op_type} (node {node_name(node)!r})"
            raise OperatorError(
                f"{reader} reads the input {value.name!r}, a map or the like and no tensor; "
                "use the part of the model behind it"
            )
        if value.const_value is None:
            reader = "" if node is None else f", which {node.op_type} {node_name(node)!r} reads"
            raise ModelError(f"value {value.name!r}{reader}, is neither computed nor given")
        tensor = builder.initializer(own_tensor(value.const_value), value.name or "weights")
        values[value] = tensor
    return tensor


def own_tensor(tensor: ir.TensorProtocol) -> ir.TensorProtocol:
    """Return a model's tensor, not copied, for another graph.

    A tensor is called after the value that holds it: without this, one that gets another name here
    would lose its own in the model that it is from.
    """
    shape = ir.Shape(tensor.shape.numpy())
    if tensor.dtype is ir.DataType.STRING:
        # No lazy tensor is written out as text.
        return as_tensor(tensor.numpy())
    return ir.LazyTensor(lambda: tensor, dtype=tensor.dtype, shape=shape, name=tensor.name)


def _written(
    builder: Builder,
    node: ir.Node,
    arguments: Sequence[Tensor | None],
    value_of: Callable[[ir.Value], Tensor],
) -> Sequence[Tensor | None]:
    """Append one node, or say why it cannot be.

    Raises:
        OnnxscopeError: it cannot; also for attributes and shapes that no runtime takes, which
            whoever writes the node finds out by computing with them.
    """
    try:
        write = functools.partial(_write, builder, node, value_of)
        return among_integers(builder, node, arguments, write)
    except OnnxscopeError:
        raise  # a ValueError as well
    except MemoryError as error:
        raise MemoryShortageError(
            f"there is not enough memory for what {node.op_type} (node {node_name(node)!r}) is "
            f"written with: {error}",
            0,
        ) from error
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        plain = [a for a in node.attributes.values() if a.type in _SHOWN]
        raise ModelError(
            f"{node.op_type} (node {node_name(node)!r}) cannot be written with "
            f"the attributes ({', '.join(f'{a.name}={a.value}' for a in plain)}) and inputs of the "
            f"shapes {', '.join(_shape_of(tensor) for tensor in arguments)}: {error}"
        ) from error


# Attributes short enough for a message.
_SHOWN = (
    ir.AttributeType.INT,
    ir.AttributeType.INTS,
    ir.AttributeType.FLOAT,
    ir.AttributeType.STRING,
)


def _shape_of(tensor: Tensor | None) -> str:
    known = tensor is not None and tensor.value.shape is not None
    return str(tensor.dims) if tensor is not None and known else "unknown"


def _write(
    builder: Builder,
    node: ir.Node,
    value_of: Callable[[ir.Value], Tensor],
    arguments: Sequence[Tensor | None],
) -> Sequence[Tensor | None]:
    """One node in the new graph: expanded, computed, folded, or copied."""
    expansion = expansion_of(node.domain, node.op_type)
    expanded = None
    if expansion is not None:
        call = Call(builder, node, arguments, value_of, replay)
        check_required(call)
        expanded = expansion(call)
    if expanded is not None:
        for value, tensor in zip(node.outputs, expanded, strict=True):
            if tensor is not None and value.name:
                builder.rename(tensor, value.name)
        return expanded
    for attribute in node.attributes.values():
        if attribute.type in (ir.AttributeType.GRAPH, ir.AttributeType.GRAPHS):
            raise OperatorError(
                f"operator {node.op_type} (node {node_name(node)!r}) has a subgraph, which is not "
                "differentiated; choose a layer before it"
            )
    constant = _computed(builder, node, arguments)
    if constant is not None:
        return constant
    if node.op_type == "BatchNormalization" and node.domain == "":
        folded = folded_or_reshaped(builder, node, arguments)
        if folded is not None:
            return folded
    if node.op_type == "CastLike" and node.domain == "":
        cast = _cast(builder, node, arguments)
        if cast is not None:
            return [cast]
    product = product_with_column(builder, node, arguments)
    if product is not None:
        return [product]
    restored = put_back(builder, node, arguments)
    if restored is not None:
        return [restored]
    attributes: dict[str, AttributeValue | ir.Attr | None] = dict(node.attributes)
    if has(node, Trait.POOLING) and has(node, Trait.WINDOWED):
        attributes |= without_ceil_mode(node, arguments[0])
        kept = attributes.get("ceil_mode") is not None and node.attributes["ceil_mode"].value == 1
        # The places of maxima are counted in the whole picture.
        if kept and len(node.outputs) == 1:
            arguments = [without_unseen(arguments[0], node), *arguments[1:]]
    if node.op_type == "Einsum" and node.domain == "":
        fewer = without_single_axes(builder, node, arguments)
        if fewer is not None:
            arguments, attributes["equation"] = fewer
    if (node.op_type == "Clip" or node.op_type == "Pad") and node.domain == "":
        arguments = _of_one_type(builder, node, arguments)
    if node.op_type == "Resize" and node.domain == "":
        attributes |= from_centres(node)
        counted = along_counted_axes(builder, node, arguments)
        if counted is not None and not counted[1]:
            return [builder.op.Identity(arguments[0])]
        if counted is not None:
            arguments, attributes["axes"] = counted
        sized = with_sizes(builder, node, arguments)
        if sized is not None:
            arguments, attributes["axes"] = sized
    try:
        outputs = builder.append(
            node.op_type,
            arguments,
            attributes,
            outputs=len(node.outputs),
            names=[value.name for value in node.outputs],
            domain=node.domain,
            version=node.version if node.domain else None,
            node_name=node.name,
        )
        return _folded(builder, outputs)
    except OperatorError as error:
        raise OperatorError(
            f"{error} (node {node_name(node)!r}); choose a layer before it"
        ) from error


def _of_one_type(
    builder: Builder, node: ir.Node, arguments: Sequence[Tensor | None]
) -> Sequence[Tensor | None]:
    """The inputs with bounds, or what fills, in the type of the first.

    They were attributes once, of which converters make single precision whatever that type is.
    """
    x, *others = arguments
    if x is None:
        return arguments
    # The second input of a Pad is integers, and so is its fourth.
    numbers = {0, 1} if node.op_type == "Clip" else {1}
    given = list(others)
    for place, tensor in enumerate(others):
        array = None if tensor is None or place not in numbers else tensor.array
        if tensor is not None and array is not None and tensor.dtype != x.dtype:
            with np.errstate(over="ignore"):  # the largest number of single precision
                given[place] = builder.constant(array, x.dtype)
    return [x, *given]


def _may_be_huge(builder: Builder, node: ir.Node, arrays: Sequence[np.ndarray | None]) -> bool:
    """Whether a result of constants may be too large to be computed once and stored."""
    elements = sum(array.size for array in arrays if array is not None)
    if not has(node, Trait.SIZED_BY_VALUES) and elements**2 * 8 <= _FOLD_LIMIT:
        # No more than the product of everything with everything.
        return False
    probe = Builder(opset=builder.opset)
    given = [None if a is None else probe.initializer(ir.tensor(a), "constant") for a in arrays]
    outputs = probe.append(node.op_type, given, dict(node.attributes), outputs=len(node.outputs))
    for output in outputs:
        if output.value.shape is None:
            return True
        sizes = [dim for dim in output.dims if isinstance(dim, int)]
        if math.prod(sizes) * 8 > _FOLD_LIMIT:
            return True
    return False


def _folded(builder: Builder, outputs: Sequence[Tensor]) -> Sequence[Tensor]:
    """Computed shapes whose every element is known become constants."""
    elements = builder.elements(outputs[0]) if len(outputs) == 1 else None
    if elements is None or not all(isinstance(n, int) for n in elements):
        return outputs
    value = outputs[0]
    known = np.array(elements, value.dtype)
    return [builder.constant(known.reshape(() if value.rank == 0 else (-1,)))]


def _computed(
    builder: Builder, node: ir.Node, arguments: Sequence[Tensor | None]
) -> list[Tensor] | None:
    """The node's results where they follow from constants and known shapes."""
    if node.domain != "" or has(node, Trait.RANDOM):
        return None
    names = [value.name or "constant" for value in node.outputs]
    if node.op_type == "Shape" and arguments[0] is not None:
        dims = arguments[0].dims
        if all(isinstance(dim, int) for dim in dims):
            ends = [node.attributes.get(name) for name in ("start", "end")]
            part = slice(*(None if end is None else end.as_int() for end in ends))
            return [builder.constant(arguments[0].shape[part], np.int64)]
    arrays = [None if tensor is None else tensor.array for tensor in arguments]
    if any(a is None and t is not None for a, t in zip(arrays, arguments, strict=True)):
        return None
    if sum(array.nbytes for array in arrays if array is not None) > _FOLD_LIMIT:
        return None
    if node.op_type == "Pad" and arrays[1] is not None and arrays[1].min(initial=0) < 0:
        # The reference cannot cut.
        return None
    if node.op_type == "Range":
        # Exporters write vectors of one element, which runtimes take for the scalars they are.
        arrays = [
            array if array is None or array.size != 1 else array.reshape(()) for array in arrays
        ]
    if _may_be_huge(builder, node, arrays):
        return None
    results = [np.asarray(result) for result in evaluated(builder, node, arrays)]
    if any(result.dtype.kind not in "fiubcV" for result in results):
        return None  # strings
    return [
        builder.initializer(ir.tensor(result), name)
        for result, name in zip(results, names, strict=True)
    ]


def _cast(builder: Builder, node: ir.Node, arguments: Sequence[Tensor | None]) -> Tensor | None:
    """CastLike of a type that is known: nothing of the value that has it is needed any more."""
    x, like = arguments
    if x is None or like is None or like.value.dtype is None:
        return None
    name = node.outputs[0].name
    if x.array is not None and x.dtype.kind == like.dtype.kind == "f":
        return builder.constant(x.array, like.dtype, name=name or "constant")
    attributes: dict[str, AttributeValue | ir.Attr | None] = dict(node.attributes)
    attributes["to"] = int(like.value.dtype)
    return builder.append("Cast", [x], attributes, names=[name], node_name=node.name)[0]
