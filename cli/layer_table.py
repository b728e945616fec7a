"""Layers, or other values, as a table to read: grouped by blocks, runs of like ones folded."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from ..graph.traits import Trait, operators_with
from .console import plural, times

if TYPE_CHECKING:
    from rich.console import Console

    from ..network.layers.layer import Layer
    from ..network.layers.naming import Naming, Scope
    from ..network.model import Model

# Below this many rows nothing is folded.
_SHORT = 40
# Runs of like rows from this length on are folded into their ends.
_RUN = 4
# More branches than these are counted, not listed.
_MANY = 6

# `conv2_block1_out` and `block_3_add` belong to `conv2` and `block_3`; `Conv2d_1a_3x3` to nothing.
_FLAT_GROUP = re.compile(r"(?!conv\dd)([a-z]+_?\d+[a-z]?)[_/.]", re.IGNORECASE)


class Entry(Protocol):
    """What a line is about: a layer, or another value."""

    @property
    def name(self) -> str:
        """The value's name in the file."""

    @property
    def alias(self) -> str:
        """A short name; empty where there is none."""

    @property
    def title(self) -> str:
        """What to call it."""

    @property
    def shape(self) -> object:
        """The shape, which is alike for what looks alike."""

    @property
    def op_type(self) -> str:
        """The operator that computes it."""


_Entry = TypeVar("_Entry", bound=Entry)


@dataclass(frozen=True)
class Row(Generic[_Entry]):
    """A line of the table: an entry, or where it is missing a remark."""

    text: str
    entry: _Entry | None = None
    depth: int = 0


def table_rows(
    naming: Naming, entries: Sequence[_Entry], *, fold: bool, flat: bool = True
) -> list[Row[_Entry]]:
    """Return the lines for some layers or values of a model, in order.

    Args:
        naming: Of the model.
        entries: Those to show.
        fold: Whether long runs of like ones are shown by their ends.
        flat: Whether names such as `conv2_block1_out` tell what belongs together.
    """

    def group_of(entry: _Entry) -> str:
        return _group(naming, entry, flat=flat) if fold else _outermost(naming, entry)

    rows: list[Row[_Entry]] = []
    groups = [(name, list(members)) for name, members in groupby(entries, key=group_of)]
    times_named = Counter(name for name, _ in groups)
    for group, inside in groups:
        depth = 0
        # What comes back after something else is no block of the table.
        if group and len(inside) > 1 and times_named[group] == 1:
            rows.append(Row(_heading(naming, group, inside)))
            depth = 1
        rows += _folded(inside, depth) if fold and len(entries) > _SHORT else _plain(inside, depth)
    return rows


def show_layers(console: Console, model: Model, layers: Sequence[Layer], *, every: bool) -> None:
    """Print the layers of a model that takes pictures."""
    naming = model.names.naming
    rows = table_rows(naming, layers, fold=not every, flat=model.metadata is None)
    columns = {
        "layer": [row.text for row in rows],
        "shape": cells(rows, shape_of),
        "operator": cells(rows, lambda layer: layer.op_type),
        "module": cells(rows, lambda layer: module_class(naming, layer)),
        "branches": cells(rows, _branches),
        "value": cells(rows, lambda layer: layer.name if every and layer.alias else ""),
    }
    narrower = {"value": None, "branches": cells(rows, _branch_count), "module": None}
    show_rows(console, rows, columns, narrower)


def show_rows(
    console: Console,
    rows: Sequence[Row[_Entry]],
    columns: Mapping[str, list[str]],
    narrower: Mapping[str, list[str] | None],
) -> None:
    """Print a table, without the columns that are empty.

    Args:
        console: Where.
        rows: The lines.
        columns: Their cells by the columns' names, the first that of the lines' own texts.
        narrower: Where there is no room for all columns, the least telling first: what is shown
            instead of one, or `None` to leave it out.
    """
    from rich.table import Table

    table = Table(box=None, pad_edge=True, padding=(0, 2, 0, 0), header_style="dim")
    shown = _fitting(columns, narrower, console.width)
    for name in shown:
        table.add_column(
            name,
            justify="right" if name == "shape" else "left",
            overflow="fold",
            style="dim" if name in ("value", "module") else "",
            no_wrap=name == "shape",
        )
    for index, row in enumerate(rows):
        texts = (column[index] for column in shown.values())
        table.add_row(*texts, style="dim" if row.entry is None else "")
    console.print(table)


def cells(rows: Sequence[Row[_Entry]], text: Callable[[_Entry], str]) -> list[str]:
    """Return a column: what there is to say of each line's entry, nothing of remarks."""
    return ["" if row.entry is None else text(row.entry) for row in rows]


def module_class(naming: Naming, entry: Entry) -> str:
    """Return the class of the module that something is called by; empty for none."""
    scope = naming.scope_called(entry.title.partition("#")[0])
    return scope.kind if scope is not None and entry.name in scope.outputs else ""


def _fitting(
    columns: Mapping[str, list[str]], narrower: Mapping[str, list[str] | None], width: int
) -> dict[str, list[str]]:
    """The columns that there is something in, and room for."""
    shown = {name: texts for name, texts in columns.items() if any(texts)}
    for name, texts in narrower.items():
        if _width(shown) <= width or name not in shown:
            continue
        if texts is None:
            del shown[name]
        else:
            shown[name] = texts
    return shown


def _width(columns: Mapping[str, Sequence[str]]) -> int:
    return sum(2 + max(map(len, (name, *texts))) for name, texts in columns.items())


def shape_of(layer: Layer) -> str:
    """Return a layer's shape: `512×14×14`, `192×(1+14×14)` for a class token and patches."""
    if layer.grid is None:
        return times(layer.shape)
    grid, (channels, tokens) = layer.grid, layer.shape
    patches = f"{grid.height}×{grid.width}"
    behind = tokens - grid.before - grid.height * grid.width
    parts = [str(grid.before)] * bool(grid.before) + [patches] + [str(behind)] * bool(behind)
    return f"{channels}×({'+'.join(parts)})"


def left_out_lines(
    left_out: Mapping[str, str], names: Mapping[str, str], count: int = 5
) -> list[tuple[str, str]]:
    """Return what is no layer, by reason, the commonest first.

    Args:
        left_out: Reasons by the names of values.
        names: Aliases by the names of values.
        count: How many reasons to give.

    Returns:
        How many values, and why, with one of them.
    """
    reasons: dict[str, list[str]] = {}
    for name, reason in left_out.items():
        reasons.setdefault(re.sub(r"\d[\d×]*", "#", reason), []).append(name)
    common = sorted(reasons.values(), key=len, reverse=True)
    lines = []
    for members in common[:count]:
        example = names.get(members[0], members[0])
        such = example if len(members) == 1 else f"such as {example}"
        lines.append((f"{len(members):,}", f"{such}: {left_out[members[0]]}"))
    if len(common) > count:
        lines.append((f"{sum(map(len, common[count:])):,}", "for other reasons"))
    return lines


# ---------------------------------------------------------------------------------------------


def _group(naming: Naming, entry: Entry, *, flat: bool) -> str:
    """The name of what a row belongs to; empty where it stands for itself."""
    scope = _scope(naming, entry)
    if scope is not None and len(scope.path) > 1:
        return scope.name[: -len(scope.path[-1]) - 1]
    path = naming.paths.get(entry.name, ())
    if scope is None and path and entry.alias and path in naming.scopes:
        return naming.scopes[path].name
    match = _FLAT_GROUP.match(entry.title)
    return match[1] if match and flat else ""


def _outermost(naming: Naming, entry: Entry) -> str:
    """The outermost module that something is computed in."""
    return next(iter(naming.paths.get(entry.name, ())), "")


def _heading(naming: Naming, group: str, inside: Sequence[Entry]) -> str:
    """`layer1 · 3 × Bottleneck`."""
    scopes = [scope for scope in (_scope(naming, entry) for entry in inside) if scope is not None]
    blocks = [scope for scope in scopes if not scope.leaf]
    kinds = {scope.kind for scope in blocks}
    if len(blocks) < max(2, len(inside)) or len(kinds) > 1:
        return group
    kind = kinds.pop()
    return (
        f"{group} · {len(blocks)} × {kind}" if kind else f"{group} · {plural(len(blocks), 'block')}"
    )


def _scope(naming: Naming, entry: Entry) -> Scope | None:
    """The module that something is called by."""
    scope = naming.scope_called(entry.title)
    return scope if scope is not None and entry.name in scope.outputs else None


def _branches(layer: Layer) -> str:
    if not _has_branches(layer) or len(layer.branches) > _MANY:
        return _branch_count(layer)
    return " + ".join(str(branch.stop - branch.start) for branch in layer.branches)


def _branch_count(layer: Layer) -> str:
    return f"{len(layer.branches)} branches" if _has_branches(layer) else ""


def _has_branches(layer: Layer) -> bool:
    joined = layer.op_type == "Concat" or layer.op_type in operators_with(Trait.ACTIVATION)
    return bool(layer.branches) and joined


def _runs(entries: Sequence[_Entry]) -> list[list[_Entry]]:
    def looks(entry: _Entry) -> tuple[object, ...]:
        return re.sub(r"\d+", "#", entry.title), entry.shape, entry.op_type

    return [list(members) for _, members in groupby(entries, key=looks)]


def _folded(entries: Sequence[_Entry], depth: int) -> Iterator[Row[_Entry]]:
    """A line for each, but of long runs of like ones for the first and the last."""
    for run in _runs(entries):
        if len(run) < _RUN:
            yield from _plain(run, depth)
            continue
        yield from _plain(run[:1], depth)
        yield Row(f"{'  ' * depth}  ⋮ {len(run) - 2} alike")
        yield from _plain(run[-1:], depth)


def _plain(entries: Sequence[_Entry], depth: int) -> Iterator[Row[_Entry]]:
    for entry in entries:
        yield Row("  " * depth + entry.title, entry, depth)
