"""The layers of a network as a table to read: grouped by blocks, runs of like ones folded."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

from .console import plural, times

if TYPE_CHECKING:
    from rich.console import Console

    from ..layers import Layer
    from ..model import Model
    from ..naming import Scope

# Below this many rows nothing is folded.
_SHORT = 40
# Runs of like rows from this length on are folded into their ends.
_RUN = 4
# More branches than these are counted, not listed.
_MANY = 6

# `conv2_block1_out` and `block_3_add` belong to `conv2` and `block_3`; `Conv2d_1a_3x3` to nothing.
_FLAT_GROUP = re.compile(r"(?!conv\dd)([a-z]+_?\d+[a-z]?)[_/.]", re.IGNORECASE)


@dataclass(frozen=True)
class Row:
    """A line of the table: a layer, or where `layer` is missing a remark."""

    text: str
    layer: Layer | None = None
    depth: int = 0


def table_rows(model: Model, layers: Sequence[Layer], *, fold: bool) -> list[Row]:
    """The lines for some layers of a model, in order.

    Args:
        model: The model.
        layers: Those to show.
        fold: Whether long runs of like layers are shown by their ends.
    """
    rows: list[Row] = []
    group_of = _group if fold else _outermost
    groups = [
        (name, list(members))
        for name, members in groupby(layers, key=lambda layer: group_of(model, layer))
    ]
    times_named = Counter(name for name, _ in groups)
    for group, inside in groups:
        depth = 0
        # What comes back after something else is no block of the table.
        if group and len(inside) > 1 and times_named[group] == 1:
            rows.append(Row(_heading(model, group, inside)))
            depth = 1
        for run in _runs(inside):
            rows += (_folded if fold and len(layers) > _SHORT else _plain)(run, depth)
    return rows


def show_layers(console: Console, model: Model, layers: Sequence[Layer], *, every: bool) -> None:
    """Print the table."""
    from rich.table import Table

    rows = table_rows(model, layers, fold=not every)
    table = Table(box=None, pad_edge=True, padding=(0, 2, 0, 0), header_style="dim")
    columns = _columns(model, rows, console.width, every=every)
    for name in columns:
        table.add_column(
            name,
            justify="right" if name == "shape" else "left",
            overflow="fold",
            style="dim" if name in ("value", "module") else "",
            no_wrap=name == "shape",
        )
    for index, row in enumerate(rows):
        cells = (column[index] for column in columns.values())
        table.add_row(*cells, style="dim" if row.layer is None else "")
    console.print(table)


def _columns(model: Model, rows: Sequence[Row], width: int, *, every: bool) -> dict[str, list[str]]:
    """The cells of each column; where there is no room for all, the least telling are left out."""

    def cells(text: Callable[[Layer], str]) -> list[str]:
        return ["" if row.layer is None else text(row.layer) for row in rows]

    columns = {
        "layer": [row.text for row in rows],
        "shape": cells(shape_of),
        "operator": cells(lambda layer: layer.op_type),
        "module": cells(lambda layer: _kind(model, layer)),
        "branches": cells(_branches),
        "value": cells(lambda layer: layer.name if every and layer.alias else ""),
    }
    columns = {name: texts for name, texts in columns.items() if any(texts)}
    for name in ("value", "branches", "module"):
        if _width(columns) > width and name in columns:
            if name == "branches":
                columns[name] = cells(_branch_count)
            else:
                del columns[name]
    return columns


def _width(columns: Mapping[str, Sequence[str]]) -> int:
    return sum(2 + max(map(len, (name, *texts))) for name, texts in columns.items())


def shape_of(layer: Layer) -> str:
    """A layer's shape: `512×14×14`, `192×(1+14×14)` for a class token and patches."""
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
    """What is no layer, by reason, the commonest first.

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


def _group(model: Model, layer: Layer) -> str:
    """The name of what a row belongs to; empty where it stands for itself."""
    scope = _scope(model, layer)
    if scope is not None and len(scope.path) > 1:
        return scope.name[: -len(scope.path[-1]) - 1]
    path = model.names.naming.paths.get(layer.name, ())
    if scope is None and path and layer.alias and path in model.names.naming.scopes:
        return model.names.naming.scopes[path].name
    flat = _FLAT_GROUP.match(layer.title)
    return flat[1] if flat and model.metadata is None else ""


def _outermost(model: Model, layer: Layer) -> str:
    """The outermost module that a layer is computed in."""
    return next(iter(model.names.naming.paths.get(layer.name, ())), "")


def _heading(model: Model, group: str, inside: Sequence[Layer]) -> str:
    """`layer1 · 3 × Bottleneck`."""
    scopes = [scope for scope in (_scope(model, layer) for layer in inside) if scope is not None]
    blocks = [scope for scope in scopes if not scope.leaf]
    kinds = {scope.kind for scope in blocks}
    if len(blocks) < max(2, len(inside)) or len(kinds) > 1:
        return group
    kind = kinds.pop()
    return (
        f"{group} · {len(blocks)} × {kind}" if kind else f"{group} · {plural(len(blocks), 'block')}"
    )


def _scope(model: Model, layer: Layer) -> Scope | None:
    """The module that a layer is called by."""
    scope = model.names.naming.scope_called(layer.title)
    return scope if scope is not None and layer.name in scope.outputs else None


def _kind(model: Model, layer: Layer) -> str:
    scope = model.names.naming.scope_called(layer.title.partition("#")[0])
    return scope.kind if scope is not None and layer.name in scope.outputs else ""


def _branches(layer: Layer) -> str:
    if not _has_branches(layer) or len(layer.branches) > _MANY:
        return _branch_count(layer)
    return " + ".join(str(branch.stop - branch.start) for branch in layer.branches)


def _branch_count(layer: Layer) -> str:
    return f"{len(layer.branches)} branches" if _has_branches(layer) else ""


def _has_branches(layer: Layer) -> bool:
    return bool(layer.branches) and layer.op_type in ("Concat", "Relu")


def _runs(layers: Sequence[Layer]) -> list[list[Layer]]:
    def looks(layer: Layer) -> tuple[object, ...]:
        return re.sub(r"\d+", "#", layer.title), layer.shape, layer.op_type

    return [list(members) for _, members in groupby(layers, key=looks)]


def _folded(run: Sequence[Layer], depth: int) -> Iterator[Row]:
    if len(run) < _RUN:
        yield from _plain(run, depth)
        return
    yield from _plain(run[:1], depth)
    yield Row(f"{'  ' * depth}  ⋮ {len(run) - 2} alike")
    yield from _plain(run[-1:], depth)


def _plain(run: Sequence[Layer], depth: int) -> Iterator[Row]:
    for layer in run:
        yield Row("  " * depth + layer.title, layer, depth)
