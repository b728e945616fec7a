"""Values of a file as its outputs, the rest of the file byte for byte as it is; or cut off."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import onnx
from onnx import TensorProto

from ..errors import LayerError, ModelError, nearest
from ..runtime.apart import types_apart
from .checking import all_graphs, shown
from .lightened import without_weights

# What ONNX's inference calls sizes that it knows nothing of.
_MADE_UP = re.compile(r"unk__\d+$")

_TENSOR = re.compile(r"(?:(seq|optional)\()?tensor\((\w+)\)\)?$")


def with_outputs(
    proto: onnx.ModelProto,
    names: Sequence[str],
    origin: str,
    *,
    folder: Path | None = None,
    called: Iterable[str] = (),
) -> None:
    """Give a model more outputs, in place: nothing else of it changes.

    Types and shapes are inferred anew, from the inputs; what the file declares counts where nothing
    can be inferred, and what ONNX Runtime infers where the file says nothing either. Sizes that
    are open stay open.

    Args:
        proto: The model.
        names: Values that its nodes compute; those that are outputs already stay as they are.
        origin: What to call the model in messages.
        folder: Where weights are that it has in files of their own.
        called: What values are called besides, of which messages name the nearest.

    Raises:
        LayerError: there is no such value, it is an input or a weight, or stands in a subgraph or
            function, whose values no output of the model can be.
        ModelError: its type is unknown.
    """
    graph = proto.graph
    computed = {name for node in graph.node for name in node.output if name}
    given = {value.name for value in graph.output}
    for name in names:
        if name not in computed:
            raise LayerError(_no_output(proto, name, {*computed, *called}, origin))
    wanted = [name for name in dict.fromkeys(names) if name not in given]
    if not wanted:
        return
    types = _types(proto, wanted)
    if len(types) < len(wanted):
        types |= _types_of_runtime(proto, [n for n in wanted if n not in types], origin, folder)
    for name in wanted:
        graph.output.add(name=name).type.CopyFrom(types[name])


def cut_behind(proto: onnx.ModelProto, names: Sequence[str]) -> None:
    """Leave of a model what computes some of its outputs, in place.

    Nodes, inputs, weights and functions that nothing needs are dropped; what stays is as it was.

    Args:
        proto: The model.
        names: Of those outputs, which are all that it has then, in this order.
    """
    graph = proto.graph
    outputs = {value.name: value for value in graph.output}
    kept = [outputs[name] for name in dict.fromkeys(names)]
    needed = set(names)
    nodes = []
    for node in reversed(graph.node):
        if needed.intersection(node.output):
            nodes.append(node)
            needed.update(_read_by(node))
    computed = {name for node in nodes for name in node.output}
    _keep(graph.output, kept)
    _keep(graph.node, nodes[::-1])
    _keep(graph.input, [value for value in graph.input if value.name in needed])
    _keep(graph.initializer, [tensor for tensor in graph.initializer if tensor.name in needed])
    _keep(
        graph.sparse_initializer,
        [sparse for sparse in graph.sparse_initializer if sparse.values.name in needed],
    )
    there = (computed | needed) - set(names)
    _keep(graph.value_info, [value for value in graph.value_info if value.name in there])
    _keep(
        graph.quantization_annotation,
        [note for note in graph.quantization_annotation if note.tensor_name in computed | needed],
    )
    called = _called(proto, nodes)
    _keep(proto.functions, [f for f in proto.functions if (f.domain, f.name) in called])


def _keep(field: object, kept: Sequence[object]) -> None:
    """Leave these of the messages of a repeated field."""
    # Copies: what is cleared is gone, and taking a list apart one by one is slow.
    copies = [type(message)() for message in kept]
    for copy, message in zip(copies, kept, strict=True):
        copy.CopyFrom(message)  # type: ignore[attr-defined]  # messages, of whatever kind
    del field[:]  # type: ignore[attr-defined]  # a repeated field, of whatever kind
    field.extend(copies)  # type: ignore[attr-defined]


def _read_by(node: onnx.NodeProto) -> Iterator[str]:
    """The names that a node reads; of its subgraphs all, also such as only these have."""
    yield from filter(None, node.input)
    for attribute in node.attribute:
        for inner in (attribute.g, *attribute.graphs):
            yield from (value.name for value in inner.output)
            for below in inner.node:
                yield from _read_by(below)


def _called(proto: onnx.ModelProto, nodes: Iterable[onnx.NodeProto]) -> set[tuple[str, str]]:
    """The functions that nodes call, and those that these call."""
    functions = {(f.domain, f.name): f for f in proto.functions}
    found: set[tuple[str, str]] = set()
    left = list(nodes)
    while left:
        node = left.pop()
        key = (node.domain, node.op_type)
        if key in functions and key not in found:
            found.add(key)
            left.extend(functions[key].node)
        for attribute in node.attribute:
            for inner in (attribute.g, *attribute.graphs):
                left.extend(inner.node)
    return found


def _no_output(proto: onnx.ModelProto, name: str, known: Iterable[str], origin: str) -> str:
    """Why a name can be no output."""
    graph = proto.graph
    if name in {value.name for value in graph.input}:
        return f"{name!r} is an input of {origin}: whoever runs the model has it"
    if name in {tensor.name for tensor in graph.initializer}:
        return f"{name!r} is a weight of {origin}, the same in every run"
    for node in graph.node:
        for attribute in node.attribute:
            for top in (attribute.g, *attribute.graphs):
                if any(name in n.output for inner in all_graphs(top) for n in inner.node):
                    return (
                        f"{name!r} is computed inside of {shown(node)} of {origin}, in a subgraph "
                        "that runs once, many times or not at all: no output of the model can be it"
                    )
    for function in proto.functions:
        if any(name in node.output for node in function.node):
            return (
                f"{name!r} is computed inside of the function {function.name} of {origin}, which "
                "may be called several times; onnx.inliner.inline_local_functions writes functions "
                "out, and gives their values names"
            )
    return f"{origin} computes no value {name!r}{nearest(name, known)}"


def _types(proto: onnx.ModelProto, wanted: Sequence[str]) -> dict[str, onnx.TypeProto]:
    """The types of values as ONNX infers them, and as the file declares them."""
    declared = {value.name: value.type for value in proto.graph.value_info}
    light, _ = without_weights(proto)
    # Inference merges what it finds with what is declared, and that may be of another batch.
    del light.graph.value_info[:]
    inferred: dict[str, onnx.TypeProto] = {}
    try:
        light = onnx.shape_inference.infer_shapes(light, data_prop=True)
    except (onnx.shape_inference.InferenceError, RuntimeError, ValueError):
        pass  # the file's own words are left
    else:
        inferred = {value.name: value.type for value in light.graph.value_info}
    found: dict[str, onnx.TypeProto] = {}
    for name in wanted:
        known = inferred.get(name)
        if known is None or known.WhichOneof("value") is None:
            known = declared.get(name)
        if known is not None and _is_whole(known):
            found[name] = _named(known, declared.get(name))
    return found


def _is_whole(kind: onnx.TypeProto) -> bool:
    """Whether a type says what its elements are."""
    which = kind.WhichOneof("value")
    if which == "tensor_type":
        return kind.tensor_type.elem_type != TensorProto.UNDEFINED
    if which == "sequence_type":
        return _is_whole(kind.sequence_type.elem_type)
    if which == "optional_type":
        return _is_whole(kind.optional_type.elem_type)
    return which is not None


def _named(inferred: onnx.TypeProto, declared: onnx.TypeProto | None) -> onnx.TypeProto:
    """A type whose open sizes are called as the file calls them, or nothing."""
    kind = onnx.TypeProto()
    kind.CopyFrom(inferred)
    if kind.WhichOneof("value") != "tensor_type" or not kind.tensor_type.HasField("shape"):
        return kind
    dims = kind.tensor_type.shape.dim
    names = [""] * len(dims)
    if declared is not None and len(declared.tensor_type.shape.dim) == len(dims):
        names = [dim.dim_param for dim in declared.tensor_type.shape.dim]
    for dim, name in zip(dims, names, strict=True):
        if dim.HasField("dim_value"):
            continue
        if not dim.dim_param or _MADE_UP.match(dim.dim_param):
            dim.ClearField("value")
            if name:
                dim.dim_param = name
    return kind


def _types_of_runtime(
    proto: onnx.ModelProto, wanted: Sequence[str], origin: str, folder: Path | None
) -> dict[str, onnx.TypeProto]:
    """The types of values as ONNX Runtime infers them, which knows operators of its own.

    Raises:
        ModelError: it does not know them, or does not run the model.
    """
    asked = onnx.ModelProto()
    asked.CopyFrom(proto)
    asked.graph.output.extend(onnx.ValueInfoProto(name=name) for name in wanted)
    named = ", ".join(map(repr, wanted))
    try:
        told = types_apart(asked.SerializeToString(), folder)
    except ModelError as error:
        raise ModelError(
            f"{origin} does not say the type of {named}, nor does it follow from its operators: "
            f"{error}"
        ) from error
    return {name: _type_called(*told[name], _declared_shape(proto, name)) for name in wanted}


def _declared_shape(proto: onnx.ModelProto, name: str) -> onnx.TensorShapeProto | None:
    for value in proto.graph.value_info:
        if value.name == name and value.type.tensor_type.HasField("shape"):
            return value.type.tensor_type.shape
    return None


def _type_called(
    words: str, sizes: Sequence[int | str | None], declared: onnx.TensorShapeProto | None
) -> onnx.TypeProto:
    """The type that ONNX Runtime writes as `tensor(float)` or `seq(tensor(int64))`."""
    match = _TENSOR.match(words)
    if match is None:
        raise ModelError(f"values of the type {words} can be no outputs")
    around, element = match.groups()
    kind = onnx.TypeProto()
    inner = kind
    if around == "seq":
        inner = kind.sequence_type.elem_type
    elif around == "optional":
        inner = kind.optional_type.elem_type
    inner.tensor_type.elem_type = TensorProto.DataType.Value(element.upper())
    # No sizes are those of a number, or of a value of which nothing is known.
    if not sizes:
        if declared is not None:
            inner.tensor_type.shape.CopyFrom(declared)
        return kind
    for size in sizes:
        dim = inner.tensor_type.shape.dim.add()
        if isinstance(size, int):
            dim.dim_value = size
        elif size and not _MADE_UP.match(size):
            dim.dim_param = size
    return kind
