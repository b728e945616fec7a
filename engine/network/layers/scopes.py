"""Which module of the network each node belongs to, as its exporter wrote it down.

PyTorch's exporter of traced modules writes the modules into the names of nodes
(`/layer1/layer1.0/conv1/Conv`), its newer one into their metadata (`pkg.torch.onnx.name_scopes`,
`namespace`); TensorFlow's name scopes stand in the names of nodes
(`StatefulPartitionedCall/model/block1_conv1/Relu`). Old exports have numbers for names, and keep
the modules in the names of their weights (`features.3.squeeze.weight`).
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile
from typing import TYPE_CHECKING

from ...graph.traits import Trait, operators_with

if TYPE_CHECKING:
    import onnx_ir as ir

_NAME_SCOPES = "pkg.torch.onnx.name_scopes"
_CLASSES = "pkg.torch.onnx.class_hierarchy"

# tf2onnx numbers the nodes that it adds: `Conv2D__6`.
_ADDED = re.compile(r"__\d+$")
_WEIGHTS = (".weight", ".bias")

# Their result is in the same place of the network as their input.
_FOLLOWING = operators_with(Trait.ACTIVATION) | {"BatchNormalization"}
# What exporters join the branches of a module with, of all that takes several values.
_JOINING = frozenset({"Add", "Concat", "Sum", "Mul", "Max"})

Path = tuple[str, ...]


@dataclass(frozen=True)
class Place:
    """Where in the network a node stands.

    Attributes:
        path: The module, part by part: `("layer1", "0", "conv1")`; empty for the network itself.
        own: The node's own name within the module, such as `Conv`; empty where it has none.
        separator: What stands between the parts where people write them, `.` or `/`.
        classes: The classes of the modules on the path, where the file says them; else empty.
        prefix: Parts that all nodes share, which `path` is without.
    """

    path: Path
    own: str = ""
    separator: str = "/"
    classes: Path = ()
    prefix: Path = ()


def places(nodes: Sequence[ir.Node]) -> dict[ir.Node, Place]:
    """Return the place of each node that one can be told for.

    Args:
        nodes: What the picture goes through, in topological order.
    """
    found: dict[ir.Node, Place] = {}
    for node in nodes:
        place = _from_metadata(node) or _from_name(node) or _from_scope_of_weights(node)
        if place is not None:
            found[node] = place
    if not any(place.path for place in found.values()):
        found = _from_weights(nodes)
    return _without_prefix(found)


def _from_metadata(node: ir.Node) -> Place | None:
    """As PyTorch's exporter of exported programs writes it."""
    names = _list_of_strings(node.metadata_props.get(_NAME_SCOPES, ""))
    classes = _list_of_strings(node.metadata_props.get(_CLASSES, ""))
    if not names:
        entries = [part.partition(": ") for part in _namespace(node)]
        names, classes = [name for name, _, _ in entries], [kind for _, _, kind in entries]
    if not names:
        return None
    *modules, own = names
    # Each entry is the full path of a module; a function's scope has none.
    path = next((tuple(name.split(".")) for name in reversed(modules) if name), ())
    by_path = {
        tuple(name.split(".")): kind.rpartition(".")[2]
        for name, kind in zip(modules, classes, strict=False)
        if name
    }
    kinds = tuple(by_path.get(path[: end + 1], "") for end in range(len(path)))
    return Place(path, own, ".", kinds)


def _namespace(node: ir.Node) -> list[str]:
    text = node.metadata_props.get("namespace", "")
    return text.split("/") if ": " in text else []


def _list_of_strings(text: str) -> list[str]:
    """A list in Python's notation; nothing where it is something else."""
    try:
        value = ast.literal_eval(text) if text else []
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return []
    return value if isinstance(value, list) and all(isinstance(v, str) for v in value) else []


def _from_name(node: ir.Node) -> Place | None:
    """As traced modules, or TensorFlow's name scopes, are written into the name."""
    name = node.name or ""
    if "/" not in name:
        return None
    parts = [part for part in name.split("/") if part]
    if not parts:
        return None
    own = node.op_type if _ADDED.search(parts[-1]) else parts[-1]
    if not name.startswith("/"):
        return Place(tuple(parts[:-1]), own)
    # Elements of containers repeat the container: /layer1/layer1.0/conv1.
    modules: list[str] = []
    for part in parts[:-1]:
        if modules and part.startswith(modules[-1] + "."):
            modules[-1] = part
        else:
            modules.append(part)
    return Place(tuple(piece for part in modules for piece in part.split(".")), own, ".")


def _from_scope_of_weights(node: ir.Node) -> Place | None:
    """Of a node that tf2onnx has made of several, `Conv__41`: the scope that its kernel is from.

    Constants that are read elsewhere, too, such as zeros, are from anywhere.
    """
    for value in node.inputs[1:]:
        if value is not None and value.producer() is None and len(value.uses()) == 1:
            parts = (value.name or "").split("/")
            if len(parts) > 1 and all(parts):
                return Place(tuple(parts[:-1]), node.op_type)
    return None


def _from_weights(nodes: Sequence[ir.Node]) -> dict[ir.Node, Place]:
    """By the weights' names: a layer's activation belongs to it, a sum to what its branches share.

    Which nodes lie on the branches is what their operands do not have in common.
    """
    found: dict[ir.Node, Place] = {}
    numbers = {node: number for number, node in enumerate(nodes)}
    behind: dict[ir.Node, int] = {}  # as bits: the node and all nodes before it
    for number, node in enumerate(nodes):
        sources = [p for p in (_producer(v) for v in node.inputs) if p in numbers]
        behind[node] = 1 << number
        for source in sources:
            behind[node] |= behind[source]
        path = weights_path(node)
        if path is None and node.op_type in _FOLLOWING and sources:
            path = found[sources[0]].path if sources[0] in found else None
        elif path is None and node.op_type in _JOINING and len(set(sources)) > 1:
            common = behind[sources[0]]
            every = 0
            for source in sources:
                common &= behind[source]
                every |= behind[source]
            path = _shared(nodes, every & ~common, found)
        if path:
            found[node] = Place(path, "", ".")
    return found


def weights_path(node: ir.Node) -> Path | None:
    """Return the module in the names of a node's weights, `features.3.squeeze.weight`."""
    for value in node.inputs[1:]:
        name = (value.name or "") if value is not None and value.producer() is None else ""
        for ending in _WEIGHTS:
            if name.endswith(ending) and not name.startswith("onnx::"):
                return tuple(name.removesuffix(ending).split("."))
    return None


def _shared(nodes: Sequence[ir.Node], bits: int, found: dict[ir.Node, Place]) -> Path | None:
    """The module that all of these nodes are in."""
    paths = {
        found[node].path
        for number, node in enumerate(nodes)
        if bits >> number & 1 and node in found
    }
    if not paths:
        return None
    common = _common(paths)
    # One layer alone is not what a sum or a concatenation is the result of.
    return common[:-1] if common in paths else common


def _common(paths: Iterable[Path]) -> Path:
    """The first parts that all paths share."""
    columns = zip(*paths, strict=False)
    return tuple(column[0] for column in takewhile(lambda c: len(set(c)) == 1, columns))


def _producer(value: ir.Value | None) -> ir.Node | None:
    return None if value is None else value.producer()


def _without_prefix(found: dict[ir.Node, Place]) -> dict[ir.Node, Place]:
    """Without the modules around the whole network: `StatefulPartitionedCall/model`.

    TensorFlow's name scopes hold a model's own arithmetic beside its layers: `model/Add`.
    """
    paths = {place.path for place in found.values() if place.path}
    if len(paths) < 2:
        return found
    common = _common(paths)
    scoped = all(place.separator == "/" for place in found.values())
    # A name of its own must remain, and a number is none: features.0.
    while common and any(
        (not scoped if len(p) == len(common) else p[len(common)].isdecimal()) for p in paths
    ):
        common = common[:-1]
    if not common:
        return found
    size = len(common)
    return {
        node: replace(
            place,
            path=place.path[size:],
            classes=place.classes[size:],
            prefix=common if place.path else (),
        )
        for node, place in found.items()
    }
