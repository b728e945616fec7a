"""Names that people use for layers, beside the names that exporters gave to values.

A module of the network, such as `layer2.0.conv1` or `block1_conv1`, stands for the last of its
values that is read outside of it. Where a file has no modules, prefixes that all names share are
left away, and numbers are replaced by the operator and its place among its like: `conv7`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ...graph.walks import computed_from
from .scopes import Path, Place, places, weights_path

if TYPE_CHECKING:
    import onnx_ir as ir

from ...graph.traits import Trait, operators_with

_NUMBERED = re.compile(r"(.*[_-])?\d+$")
# What exporters call a value for want of a name: `192`, `r_12`, `onnx::Relu_66`.
_NAMELESS = re.compile(r"([A-Za-z]{0,2}_?\d+|onnx::\w+|input\.\d+)$")
_OUTPUT_NUMBER = re.compile(r":\d+$")


@dataclass(frozen=True)
class Scope:
    """A module of the network.

    Attributes:
        name: Such as `layer2.0`.
        path: Its parts.
        kind: The module's class, such as `Bottleneck`, where the file says it; else empty.
        outputs: The values that it stands for: one, or one for each time that it is called.
        operators: Of its nodes, in order; modules with the same ones are alike.
        leaf: Whether it holds no other module.
    """

    name: str
    path: Path
    kind: str
    outputs: tuple[str, ...]
    operators: tuple[str, ...]
    leaf: bool

    @property
    def large(self) -> bool:
        """Whether it is more than one layer with its normalisation and activation."""
        weighted = operators_with(Trait.WEIGHTED)
        return sum(operator in weighted for operator in self.operators) > 1


@dataclass(frozen=True)
class Naming:
    """Aliases of a model's values.

    Attributes:
        aliases: The one short name of each value that has one, by the value's name.
        scopes: The modules by path, outer ones before inner ones.
        paths: The module that each value is computed in, by the value's name.
    """

    aliases: Mapping[str, str] = field(default_factory=dict)
    scopes: Mapping[Path, Scope] = field(default_factory=dict)
    paths: Mapping[str, Path] = field(default_factory=dict)
    _meanings: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def find(self, name: str) -> dict[str, str]:
        """Return the values that a name may stand for, each with a name that is its alone.

        `.` and `/` are the same between the parts of a name.
        """
        return dict(self._meanings.get(_key(name), {}))

    def scope_called(self, name: str) -> Scope | None:
        """Return the module of exactly that name."""
        return self._by_name.get(name)

    @cached_property
    def _by_name(self) -> dict[str, Scope]:
        return {scope.name: scope for scope in self.scopes.values()}

    def names_of(self, value: str) -> list[str]:
        """Return all modules that a value stands for, the outermost first."""
        return [scope.name for scope in self.scopes.values() if scope.outputs == (value,)]

    def to_json(self) -> dict[str, Any]:
        """Write it as plain data."""
        return {
            "aliases": dict(self.aliases),
            "scopes": [asdict(scope) for scope in self.scopes.values()],
            "paths": dict(self.paths),
            "meanings": {name: dict(values) for name, values in self._meanings.items()},
        }

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> Naming:
        """Read back what `to_json` wrote."""
        lists = ("path", "outputs", "operators")
        scopes = [Scope(**scope | {n: tuple(scope[n]) for n in lists}) for scope in data["scopes"]]
        return Naming(
            data["aliases"],
            {scope.path: scope for scope in scopes},
            {value: tuple(path) for value, path in data["paths"].items()},
            data["meanings"],
        )


def name_values(graph: ir.Graph, *inputs: ir.Value) -> Naming:
    """Find the names of the values that are computed from some inputs, such as the picture.

    Args:
        graph: The network, in topological order.
        inputs: These.
    """
    nodes = computed_from(graph, *inputs)
    placed = places(nodes)
    scopes = _scopes(nodes, placed, set(graph.outputs))
    taken = {v.name for node in graph for v in node.outputs} | {v.name for v in graph.inputs}
    table = _Table({name for name in taken if name})
    aliases = _scope_aliases(scopes, table)
    _own_aliases(nodes, placed, scopes, aliases, table)
    _flat_aliases([node for node in nodes if node not in placed], nodes, aliases, table)
    for name, place in ((n.outputs[0].name or "", placed.get(n)) for n in nodes):
        alias = aliases.get(name)
        if place is not None and place.prefix and alias is not None:
            table.add(place.separator.join((*place.prefix, alias)), name, alias, weak=True)
        plain = name.removesuffix("_output_0")
        if plain != name:
            table.add(plain, name, plain, weak=True)
    # A convolution with the batch normalisation behind it in its weights stands in the latter's
    # module, and the weights are named for the former.
    for node in nodes:
        module, name = weights_path(node), node.outputs[0].name or ""
        if module is not None and name in aliases:
            table.add(".".join(module), name, aliases[name], weak=True)
    paths = {n.outputs[0].name or "": place.path for n, place in placed.items()}
    return Naming(aliases, scopes, paths, table.meanings)


def _key(name: str) -> str:
    return name.strip("/").replace("/", ".")


class _Table:
    """What each name means; true names of values are never given away."""

    def __init__(self, taken: set[str]) -> None:
        self._taken = taken
        self.meanings: dict[str, dict[str, str]] = {}

    def free(self, alias: str) -> bool:
        return bool(alias) and alias not in self._taken and _key(alias) not in self.meanings

    def is_value(self, name: str) -> bool:
        return name in self._taken

    def add(self, alias: str, value: str, unique: str, *, weak: bool = False) -> None:
        """Let `alias` mean `value`, which `unique` names alone; weak names yield to others."""
        if not alias or alias in self._taken or (weak and _key(alias) in self.meanings):
            return
        self.meanings.setdefault(_key(alias), {}).setdefault(value, unique)


# Modules -----------------------------------------------------------------------------------------


def _scopes(
    nodes: Sequence[ir.Node], placed: Mapping[ir.Node, Place], ends: set[ir.Value]
) -> dict[Path, Scope]:
    members: dict[Path, list[ir.Node]] = {}
    for node in nodes:
        path = placed[node].path if node in placed else ()
        for end in range(1, len(path) + 1):
            members.setdefault(path[:end], []).append(node)
    order = {node: number for number, node in enumerate(nodes)}
    parents = {path[:-1] for path in members}
    scopes = {}
    for path, inside in members.items():
        place = placed[inside[0]]
        kind = place.classes[len(path) - 1] if len(place.classes) >= len(path) else ""
        name = place.separator.join(path)
        outputs = tuple(v.name for v in _outputs(inside, order, ends) if v.name)
        operators = tuple(node.op_type for node in inside)
        if outputs:
            scopes[path] = Scope(name, path, kind, outputs, operators, path not in parents)
    return scopes


def _outputs(
    inside: Sequence[ir.Node], order: Mapping[ir.Node, int], ends: set[ir.Value]
) -> list[ir.Value]:
    """The last value that is read outside; one of each call where a module is called repeatedly."""
    here = set(inside)
    last: dict[ir.Node, ir.Value] = {}
    operators: dict[ir.Node, list[str]] = {}
    for root, node in _connected(inside, here):
        operators.setdefault(root, []).append(node.op_type)
        for value in node.outputs:
            readers = [reader for reader, _ in value.uses() if reader in order]
            if value in ends or any(reader not in here for reader in readers):
                last[root] = value
    if not last:
        return []
    calls = {tuple(operators[root]) for root in last}
    if len(calls) == 1 and len(last) > 1:
        return sorted(last.values(), key=lambda value: order[value.producer() or inside[0]])
    return [max(last.values(), key=lambda value: order[value.producer() or inside[0]])]


def _connected(inside: Sequence[ir.Node], here: set[ir.Node]) -> Iterator[tuple[ir.Node, ir.Node]]:
    """Each node with one that stands for all nodes that values of the module connect it to."""
    parent = {node: node for node in inside}

    def root(node: ir.Node) -> ir.Node:
        while parent[node] is not node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    for node in inside:
        for value in node.inputs:
            source = None if value is None else value.producer()
            if source is not None and source in here:
                parent[root(node)] = root(source)
    for node in inside:
        yield root(node), node


# Aliases -----------------------------------------------------------------------------------------


def _scope_aliases(scopes: Mapping[Path, Scope], table: _Table) -> dict[str, str]:
    """The best of the modules that each value stands for; all of them go into the table."""
    standing: dict[str, list[tuple[Scope, str]]] = {}
    for scope in scopes.values():
        for number, value in enumerate(scope.outputs, 1):
            name = scope.name if len(scope.outputs) == 1 else f"{scope.name}#{number}"
            standing.setdefault(value, []).append((scope, name))
    aliases = {}
    for value, found in standing.items():
        alias = _best(found)
        if table.free(alias) and value not in (name for _, name in found):
            aliases[value] = alias
    for scope in scopes.values():
        for value in scope.outputs:
            names = {name for other, name in standing[value] if other is scope}
            for name in (*names, scope.name):
                table.add(name, value, aliases.get(value, value))
    return aliases


def _best(found: Sequence[tuple[Scope, str]]) -> str:
    """Of modules around one another with the same result: the numbered block, else the outermost.

    The result of `layer1` is that of `layer1.2`, which continues `layer1.0`, `layer1.1`.
    """
    once = [item for item in found if len(item[0].outputs) == 1] or list(found)
    once.sort(key=lambda item: len(item[0].path))
    blocks = [name for scope, name in once if _numbered(scope) and not scope.leaf and scope.large]
    if blocks:
        return blocks[-1]
    if len(once) > 1 and not _numbered(once[0][0]) and _numbered(once[1][0]):
        return once[1][1]
    return once[0][1]


def _numbered(scope: Scope) -> bool:
    return _NUMBERED.match(scope.path[-1]) is not None


def _own_aliases(
    nodes: Sequence[ir.Node],
    placed: Mapping[ir.Node, Place],
    scopes: Mapping[Path, Scope],
    aliases: dict[str, str],
    table: _Table,
) -> None:
    """What stands inside of a module has the module's name and its own: `layer1.0.Add`."""
    counts: dict[str, int] = {}
    for node in nodes:
        place, name = placed.get(node), node.outputs[0].name
        if place is None or not name:
            continue
        own = place.own or node.op_type
        alias = place.separator.join((*place.path, own))
        counts[alias] = counts.get(alias, 0) + 1
        if counts[alias] > 1:
            alias = f"{alias}_{counts[alias] - 1}"
        human = place.path in scopes and scopes[place.path].name == name
        if name not in aliases and table.free(alias) and not human:
            aliases[name] = alias
        # `conv1/Relu:3` would be a unit of it, and `conv1/Relu:0` is the name of a value.
        if not table.is_value(f"{alias}:0"):
            table.add(alias, name, aliases.get(name, name), weak=name in aliases)


def _flat_aliases(
    flat: Iterable[ir.Node], nodes: Sequence[ir.Node], aliases: dict[str, str], table: _Table
) -> None:
    """Of files without modules: `squeezenet0_conv0_fwd` is `conv0`, and `192` perhaps `conv7`."""
    values = {node: node.outputs[0].name or "" for node in flat}
    named = [name for name in values.values() if name and not _NAMELESS.match(name)]
    prefix = _shared_start(named) if len(named) > 2 else ""
    ordinals: dict[str, int] = {}
    for node in nodes:
        ordinals[node.op_type] = ordinals.get(node.op_type, 0) + 1
        name = values.get(node, "")
        if not name:
            continue
        if _NAMELESS.match(name):
            alias = f"{node.op_type.lower()}{ordinals[node.op_type]}"
        else:
            alias = _OUTPUT_NUMBER.sub("", name.removeprefix(prefix).removesuffix("_fwd"))
        if alias != name and not alias.isdecimal() and table.free(alias):
            aliases[name] = alias
            table.add(alias, name, alias)


def _shared_start(names: Sequence[str]) -> str:
    """What all names begin with, up to a `_` or `/`."""
    first, last = min(names), max(names)
    same = next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), 0)
    return first[: max(first.rfind("_", 0, same), first.rfind("/", 0, same)) + 1]
