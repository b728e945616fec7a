"""Functions of a file, written out where they are called, under the names that the file has."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set

import onnx
import onnx.checker
import onnx.inliner
import onnx.version_converter
import onnx_ir as ir
from onnx import defs

from ..errors import ModelError
from .leniency import domain_of


def inlined(proto: onnx.ModelProto, origin: str) -> onnx.ModelProto:
    """Return a model that has functions without any: their nodes stand where they are called.

    Args:
        proto: The model.
        origin: What to call it in messages.

    Raises:
        ModelError: a function cannot be written out.
    """
    copy = onnx.ModelProto()
    copy.CopyFrom(proto)
    _read_in_one_version(copy, origin)
    for function in copy.functions:
        _compute_all_outputs(function)
    if any(function.attribute_proto for function in copy.functions):
        _Binding(copy, origin).bind()
    try:
        return onnx.inliner.inline_local_functions(copy)
    except (
        RuntimeError,
        ValueError,
        onnx.checker.ValidationError,
        onnx.version_converter.ConvertError,
    ) as error:
        raise ModelError(f"the functions of {origin} cannot be inlined: {error}") from error


def _read_in_one_version(proto: onnx.ModelProto, origin: str) -> None:
    """Let functions be written in the versions of operator sets that the model is written in.

    ONNX Runtime reads all functions in these, whatever versions the functions name themselves.

    Raises:
        ModelError: a standard operator in a function does not fit the model's version.
    """
    versions = {domain_of(entry): entry.version for entry in proto.opset_import}
    for function in proto.functions:
        for entry in function.opset_import:
            if domain_of(entry) == "" and entry.version != versions.get("", entry.version):
                _check_fits(function, entry.version, versions[""], origin)
            if domain_of(entry) not in versions:
                versions[domain_of(entry)] = entry.version
                proto.opset_import.append(onnx.helper.make_opsetid(domain_of(entry), entry.version))
            entry.version = versions[domain_of(entry)]


def _check_fits(function: onnx.FunctionProto, own: int, version: int, origin: str) -> None:
    """See that the nodes of a function written in one version can be read in another."""
    for node in function.node:
        if node.domain not in ("", "ai.onnx"):
            continue
        try:
            schema = defs.get_schema(node.op_type, version, "")
        except defs.SchemaError:
            what = ""
        else:
            unknown = [a.name for a in node.attribute if a.name not in schema.attributes]
            if not unknown and schema.min_input <= len(node.input) <= schema.max_input:
                continue
            what = f" with the attribute {unknown[0]!r}" if unknown else ""
            what = what or f" of {len(node.input)} inputs"
        raise ModelError(
            f"function {function.name} of {function.domain} is written in opset {own}, {origin} in "
            f"{version}, where there is no {node.op_type}{what}; ONNX Runtime reads functions in "
            "the model's: export both in one opset"
        )


def _compute_all_outputs(function: onnx.FunctionProto) -> None:
    """Let a node compute what a function gives as it was taken: the inliner would lose it."""
    for place, name in enumerate(function.output):
        if name in function.input:
            used = {
                *function.input,
                *function.output,
                *(o for n in function.node for o in n.output),
            }
            same = next(new for n in range(len(used) + 1) if (new := f"{name}.{n}") not in used)
            function.node.append(onnx.helper.make_node("Identity", [name], [same]))
            function.output[place] = same


class _Binding:
    """Gives each function its attributes, a copy of it for each set of them.

    The inliner knows no defaults: an attribute that a call leaves out is left out inside, where the
    operator's own default then counts.
    """

    def __init__(self, proto: onnx.ModelProto, origin: str) -> None:
        self._proto = proto
        self._origin = origin
        self._functions = {(f.domain, f.name, f.overload): f for f in proto.functions}
        self._taken = {(f.domain, f.name) for f in proto.functions}
        self._bound: dict[tuple[str, ...], onnx.FunctionProto] = {}
        self._open: list[str] = []

    def bind(self) -> None:
        """Bind all calls of the model, in place.

        Raises:
            ModelError: functions call each other in a circle.
        """
        self._bind(self._proto.graph.node, None)
        del self._proto.functions[:]
        self._proto.functions.extend(self._bound.values())

    def _bind(
        self, nodes: Iterable[onnx.NodeProto], given: Mapping[str, onnx.AttributeProto] | None
    ) -> None:
        """Bind the calls among some nodes.

        Args:
            nodes: The nodes, changed in place.
            given: The attributes of the function that they are in; `None` outside of functions.
        """
        for node in nodes:
            if given is not None:
                attributes = [_value(attribute, given) for attribute in node.attribute]
                del node.attribute[:]
                node.attribute.extend(a for a in attributes if a is not None)
            for attribute in node.attribute:
                for graph in (attribute.g, *attribute.graphs):
                    self._bind(graph.node, given)
            function = self._functions.get((node.domain, node.op_type, node.overload))
            if function is not None:
                node.op_type = self._with_attributes(function, node.attribute)
                del node.attribute[:]
                node.overload = ""

    def _with_attributes(
        self, function: onnx.FunctionProto, attributes: Iterable[onnx.AttributeProto]
    ) -> str:
        """The name of a function that has these attributes inside, and takes none."""
        declared = {*function.attribute, *(a.name for a in function.attribute_proto)}
        given = {attribute.name: attribute for attribute in function.attribute_proto}
        given |= {a.name: a for a in attributes if a.name in declared}
        texts = (given[name].SerializeToString(deterministic=True).hex() for name in sorted(given))
        key = (function.domain, function.name, function.overload, *texts)
        if key in self._bound:
            return self._bound[key].name
        called = f"{function.domain}.{function.name}"
        if called in self._open:
            raise ModelError(
                f"the functions of {self._origin} cannot be inlined: {called} calls itself"
            )
        bound = onnx.FunctionProto()
        bound.CopyFrom(function)
        bound.name, number = function.name, 0
        while (function.domain, bound.name) in self._taken:
            bound.name, number = f"{function.name}.{number}", number + 1
        self._taken.add((function.domain, bound.name))
        bound.overload = ""
        del bound.attribute[:]
        del bound.attribute_proto[:]
        self._open.append(called)
        self._bind(bound.node, given)
        self._open.pop()
        self._bound[key] = bound
        return bound.name


def _value(
    attribute: onnx.AttributeProto, given: Mapping[str, onnx.AttributeProto]
) -> onnx.AttributeProto | None:
    """An attribute inside of a function with its value; `None` where it is left out."""
    if not attribute.ref_attr_name:
        return attribute
    if attribute.ref_attr_name not in given:
        return None
    value = onnx.AttributeProto()
    value.CopyFrom(given[attribute.ref_attr_name])
    value.name = attribute.name
    return value


def call_as_in_file(graph: ir.Graph, own: Set[str]) -> None:
    """Let a value that only a function has a name for be called what the file calls it.

    The last node of many functions is an Identity: what it gives has a name in the file, and the
    same value before it one that the inliner has made up.

    Args:
        graph: The model's, its functions inlined.
        own: The names of values in the file.
    """
    for node in reversed(list(graph)):
        if node.op_type != "Identity" or node.domain != "" or not node.inputs or not node.outputs:
            continue
        source, result = node.inputs[0], node.outputs[0]
        if source is None or source.producer() is None or source.producer() not in graph:
            continue
        if source.name in own or result.name not in own:
            continue
        name = result.name
        source.shape = result.shape if source.shape is None else source.shape
        source.type = result.type if source.type is None else source.type
        result.replace_all_uses_with(source, replace_graph_outputs=True)
        graph.remove(node)
        result.name, source.name = None, name
