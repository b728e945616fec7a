"""A model's layers: names, shapes, and the branches that channels come from."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from ...errors import LayerError, nearest
from ...graph.traits import Trait, has, operators_with
from ...graph.walks import ancestors, computed_from, read_by
from .axes import Grid
from .blocks import find_blocks
from .naming import Naming
from .skips import find_skips

if TYPE_CHECKING:
    import onnx_ir as ir

# What stands between a convolution and the value that people mean by the layer: besides functions
# of one element the arithmetic that exporters write a bias or a scale with, and normalisations of
# which each is the same layer's.
_FINISHING = operators_with(Trait.POINTWISE) | {
    "Add", "GroupNormalization", "InstanceNormalization", "Mul",
}  # fmt: skip

# What computes nothing that people would look at: elements in other places, and whatever the file
# needs to know their number or to store them.
_PLUMBING = operators_with(Trait.MOVING) | {
    "Constant", "DequantizeLinear", "QuantizeLinear", "Shape",
}  # fmt: skip


@dataclass(frozen=True)
class Branch:
    """A part of a concatenated layer.

    Attributes:
        name: The value that the part comes from, such as `mixed4a_1x1`.
        start: First channel of the layer that belongs to it.
        stop: Channel behind its last one.
        index: The unit's number within the branch, where a unit was asked for; otherwise `None`.
    """

    name: str
    start: int
    stop: int
    index: int | None = None


@dataclass(frozen=True)
class Layer:
    """One layer of a model.

    Attributes:
        name: The value's name in the file.
        shape: Without the batch: (C, H, W) at the model's usual picture size, (C, L) for L tokens,
            (C,) for logits.
        channels: How many channels (units, features) it has.
        op_type: The operator that computes it.
        branches: The parts that a concatenation joins, in the order of channels; else empty.
        main: Whether it lies on the trunk of the network: everything behind it is computed from it
            alone, and it is neither plumbing nor the half of a layer, before its activation, nor
            inside of one of several blocks that are built alike.
        alias: A short name for people, such as `layer2.0.conv1`; empty where there is none.
        grid: Of a layer of tokens, which of them are the patches of the picture.
    """

    name: str
    shape: tuple[int, ...]
    channels: int
    op_type: str
    branches: tuple[Branch, ...] = ()
    main: bool = True
    alias: str = ""
    grid: Grid | None = None

    @property
    def title(self) -> str:
        """What to call it: its alias, or the value's name."""
        return self.alias or self.name

    def branch_of(self, channel: int) -> Branch | None:
        """Return the branch that a channel comes from, `None` where the layer has no branches.

        Raises:
            LayerError: there is no such channel.
        """
        self.check_channel(channel)
        for branch in self.branches:
            if branch.start <= channel < branch.stop:
                return Branch(branch.name, branch.start, branch.stop, channel - branch.start)
        return None

    def check_channel(self, channel: int) -> None:
        """See that the layer has a channel.

        Raises:
            LayerError: it has not.
        """
        if not 0 <= channel < self.channels:
            raise LayerError(
                f"{self.title} has {self.channels} channels, 0 to {self.channels - 1}; "
                f"there is no channel {channel}"
            )


_MOST_ROWS = 100
"""So many rows a notebook shows without becoming slow to scroll."""


class Layers(Mapping[str, Layer]):
    """Layers by name, from the image to the output; an unknown name is told the nearest ones.

    Aliases lead to layers as well; iteration gives the names of values.

    Attributes:
        left_out: Values of the model that cannot be layers, with the reason.
    """

    def __init__(
        self,
        layers: Mapping[str, Layer],
        left_out: Mapping[str, str],
        names: LayerNames | None = None,
    ) -> None:
        self._layers = dict(layers)
        self.left_out = dict(left_out)
        self._names = names or LayerNames("the model", [*layers, *left_out])

    def __getitem__(self, name: str) -> Layer:
        value = self._names.find(name)
        if value in self._layers:
            return self._layers[value]
        raise LayerError(
            f"{name!r} cannot be shown: {self.left_out.get(value, 'it is no layer of this model')}"
        )

    def get(self, name: str, default: Any = None) -> Any:
        """Return the layer, or `default` where there is none."""
        try:
            return self[name]
        except LayerError:
            return default

    def __contains__(self, name: object) -> bool:
        values = self._names.meanings(name) if isinstance(name, str) else {}
        return len(values) == 1 and next(iter(values)) in self._layers

    def __iter__(self) -> Iterator[str]:
        return iter(self._layers)

    def __len__(self) -> int:
        return len(self._layers)

    def to_json(self) -> dict[str, Any]:
        """Write it as plain data, without the names."""
        layers = [asdict(layer) for layer in self._layers.values()]
        return {"layers": layers, "left_out": self.left_out}

    @staticmethod
    def from_json(data: Mapping[str, Any], names: LayerNames) -> Layers:
        """Read back what `to_json` wrote."""
        layers = [_layer(**facts) for facts in data["layers"]]
        return Layers({layer.name: layer for layer in layers}, data["left_out"], names)

    def __repr__(self) -> str:
        return f"<{len(self)} layers: {', '.join(list(self)[:3])}, …>"

    def _repr_html_(self) -> str:
        """For notebooks: the main layers; names, shapes, operators and branches."""
        from ...tables import note, panel, table

        main = [layer for layer in self.values() if layer.main] or list(self.values())
        rows = [
            (
                layer.title,
                "×".join(map(str, layer.shape)),
                layer.op_type,
                ", ".join(branch.name for branch in layer.branches),
            )
            for layer in main[:_MOST_ROWS]
        ]
        named = ("layer", "shape", "operator", "branches")
        columns = [at for at, _ in enumerate(named) if any(row[at] for row in rows)]
        remarks = []
        if len(main) > _MOST_ROWS:
            remarks.append(f"{len(main) - _MOST_ROWS} more main layers")
        if len(self) > len(main):
            remarks.append(f"{len(self) - len(main)} layers inside of blocks; .values() has all")
        if self.left_out:
            remarks.append(f"{len(self.left_out)} values that are no layers, in .left_out")
        return panel(
            f"{len(self)} layers",
            table([named[at] for at in columns], [[row[at] for at in columns] for row in rows]),
            note(f"Not shown: {'; '.join(remarks)}.") if remarks else "",
        )


def _layer(
    shape: list[int], branches: list[dict[str, Any]], grid: dict[str, int] | None, **facts: Any
) -> Layer:
    """A layer from its fields as plain data."""
    return Layer(
        shape=tuple(shape),
        branches=tuple(Branch(**branch) for branch in branches),
        grid=None if grid is None else Grid(**grid),
        **facts,
    )


class LayerNames:
    """What may be written for a layer: the name of its value, or an alias."""

    def __init__(
        self,
        model: str,
        values: Iterable[str],
        naming: Naming | None = None,
        *,
        kind: str = "layer",
    ) -> None:
        """Names of a model's layers.

        Args:
            model: Its name, for messages.
            values: The names of its layers' values.
            naming: Aliases.
            kind: What messages call what is named: `layer` or `value`.
        """
        self._model = model
        self._kind = kind
        self._values = dict.fromkeys(values)
        self.naming = naming or Naming()

    def meanings(self, name: str) -> dict[str, str]:
        """Return the values that a name may stand for, each with a name that is its alone."""
        return {name: name} if name in self._values else self.naming.find(name)

    def find(self, name: str) -> str:
        """Return the value that a name stands for.

        Raises:
            LayerError: there is none, or there are several.
        """
        found = self.meanings(name)
        if len(found) > 1:
            listed = ", ".join(map(repr, found.values()))
            raise LayerError(
                f"{name!r} stands for {len(found)} {self._kind}s of {self._model}: {listed}; "
                "name one"
            )
        if not found:
            raise LayerError(f"{self._model} has no {self._kind} {name!r}{self.nearest(name)}")
        return next(iter(found))

    def nearest(self, name: str, others: Iterable[str] = ()) -> str:
        """Return a clause that suggests the closest of aliases, values and other names."""
        return nearest(name, [*self.naming.aliases.values(), *self._values, *others])


def find_branches(
    value: ir.Value, channels: Mapping[str, int], axis: int, rank: int
) -> tuple[Branch, ...]:
    """Return the parts of a concatenation over channels, also behind a ReLU or the like.

    Args:
        value: The layer.
        channels: The number of channels of each value, by name.
        axis: The layer's channel axis.
        rank: How many axes it has.
    """
    node = value.producer()
    while node is not None and has(node, Trait.CHANNELWISE) and node.inputs[0] is not None:
        node = node.inputs[0].producer()
    if node is None or node.op_type != "Concat":
        return ()
    if node.attributes.get_int("axis", 0) % rank != axis:
        return ()
    branches: list[Branch] = []
    start = 0
    for part in node.inputs:
        if part is None or part.name is None or part.name not in channels:
            return ()
        stop = start + channels[part.name]
        branches.append(Branch(part.name, start, stop))
        start = stop
    return tuple(branches)


def find_main(graph: ir.Graph, image: ir.Value, names: Sequence[str], naming: Naming) -> set[str]:
    """Return which of the named values are main layers (see `Layer.main`).

    Args:
        graph: The network, in topological order.
        image: Its input.
        names: Of the values in question, the last one that of the network's end.
        naming: The modules that the values are in.
    """
    nodes = _between(graph, image, names[-1:])
    trunk = _trunk(nodes, image)
    blocks = find_blocks(naming, {value.name for value in trunk if value.name})
    results = {scope.outputs[-1] for scope in blocks}
    inside = {scope.path for scope in blocks}
    found = {value.name for value, behind in trunk.items() if _is_main(value, behind)}
    return {
        name
        for name in names
        if name in results or (name in found and not inside & _around(naming.paths.get(name, ())))
    }


def _around(path: tuple[str, ...]) -> set[tuple[str, ...]]:
    """A module and all those around it."""
    return {path[:end] for end in range(1, len(path) + 1)}


def _trunk(nodes: Sequence[ir.Node], image: ir.Value) -> dict[ir.Value, set[str]]:
    """The values that everything behind them is computed from alone, with the readers' operators.

    An Add that a value comes to on two ways, of which one goes through weights, is a `Residual`.

    Args:
        nodes: All nodes between the image and the network's end, in topological order.
        image: The network's input.
    """
    found: dict[ir.Value, set[str]] = {}
    readers: dict[ir.Value, list[ir.Node]] = {}
    skips, depth = find_skips(nodes), _depths(nodes)
    way = [node for node in nodes if node not in skips.nodes]
    for node in way:
        for value in set(read_by(node)) - skips.values[node]:
            readers.setdefault(value, []).append(node)
    # What a node further on still reads; on the trunk that is one value.
    unread = {image: len(readers.get(image, ()))}
    for node in way:
        for value in set(read_by(node)) - skips.values[node]:
            if value in unread:
                unread[value] -= 1
                if not unread[value]:
                    del unread[value]
        for output in node.outputs:
            if output in readers:
                unread[output] = len(readers[output])
        if unread.keys() <= {node.outputs[0]}:
            output = node.outputs[0]
            found[output] = {
                "Residual" if _is_residual(reader, output, depth) else reader.op_type
                for reader in readers.get(output, ())
            }
    return found


def _depths(nodes: Sequence[ir.Node]) -> dict[ir.Value, int]:
    """How many operators with weights each value is behind, on the way with the most of them."""
    depth: dict[ir.Value, int] = {}
    for node in nodes:
        before = max((depth.get(value, 0) for value in read_by(node)), default=0)
        depth.update(dict.fromkeys(node.outputs, before + has(node, Trait.WEIGHTED)))
    return depth


def _is_residual(reader: ir.Node, value: ir.Value, depth: Mapping[ir.Value, int]) -> bool:
    others = [other for other in reader.inputs if other is not None and other is not value]
    reached = depth.get(value, 0)
    return reader.op_type == "Add" and any(depth.get(other, 0) > reached for other in others)


def _is_main(value: ir.Value, behind: set[str]) -> bool:
    """Whether a value on the trunk is neither plumbing nor the half of a layer."""
    node = value.producer()
    # Class scores may well be the reshaped end of a network.
    if node is None or (node.op_type in _PLUMBING and not behind <= {"Softmax"}):
        return False
    return not behind or not behind <= _FINISHING


def _between(graph: ir.Graph, image: ir.Value, ends: Collection[str]) -> list[ir.Node]:
    """The nodes that lead from the image to a named value, in topological order."""
    nodes = computed_from(graph, image)
    return ancestors(nodes, [v for node in nodes for v in node.outputs if v.name in ends])
