"""`onnxscope inspect`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from . import options
from .console import plural, stdout, times

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import Console
    from rich.table import Table

    from ..layers import Branch, Layer
    from ..model import Model

EPILOG = """Example: onnxscope inspect squeezenet

A layer: onnxscope inspect squeezenet fire5

A unit: onnxscope inspect squeezenet fire5:11"""


def inspect(
    model: options.ModelName,
    target: Annotated[
        str | None,
        typer.Argument(
            metavar="LAYER", help="A layer, a unit of it as LAYER:UNIT, or a class of the model."
        ),
    ] = None,
    every: Annotated[
        bool,
        typer.Option(
            "--all", help="Show every layer, also those inside of branches or before activations."
        ),
    ] = False,
    input_range: options.InputRange = None,
    mean: options.Mean = None,
    std: options.Std = None,
    channel_order: options.ChannelOrder = None,
    layout: options.Layout = None,
) -> None:
    """Show a model's layers, or a layer's branches, or where a unit comes from."""
    from ..targets import find_unit

    opened = options.open_model(
        model, input_range, mean, std, channel_order, layout, for_pictures=False
    )
    console = stdout()
    if target is None:
        _show_model(console, opened, every=every)
        return
    name, unit = find_unit(opened, target)
    if unit is None:
        _show_layer(console, opened, opened.layers[name])
    else:
        _show_unit(console, opened, opened.layers[name], unit)


def _show_model(console: Console, model: Model, *, every: bool) -> None:
    layers = list(model.layers.values())
    shown = layers if every else [layer for layer in layers if layer.main]
    _show_facts(console, model.name, _facts(model))
    console.print()
    table = _table("layer", "shape", "operator", "branches")
    for layer in shown:
        channels = " + ".join(str(branch.stop - branch.start) for branch in layer.branches)
        own = layer.op_type in ("Concat", "Relu")
        table.add_row(layer.name, times(layer.shape), layer.op_type, channels if own else "")
    console.print(table)
    if len(shown) < len(layers):
        rest = plural(len(layers) - len(shown), "more layer")
        console.print(
            f"\n{rest} inside of branches and before activations: --all shows them too.",
            style="dim",
        )
    left_out = model.layers.left_out
    if left_out:
        more = plural(len(left_out), "more value")
        console.print(f"\n{more} cannot be shown: {next(iter(left_out.values()))}.", style="dim")


def _facts(model: Model) -> Iterable[tuple[str, str]]:
    metadata = model.metadata
    if metadata is not None:
        yield "architecture", metadata.architecture
        yield "dataset", metadata.dataset
        yield "source", metadata.source
        yield "licence", metadata.license
    yield "pictures", _sizes(model)
    yield "preprocessing", _preprocessing(model)
    yield "layers", f"{len(model.layers):,}"
    yield "labels", _labels(model.labels)


def _sizes(model: Model) -> str:
    if model.fixed_size is not None:
        return f"{times(model.fixed_size)} pixels only"
    return f"{times((model.size, model.size))} pixels by default; others work too"


def _preprocessing(model: Model) -> str:
    if model.metadata is not None:
        words = model.metadata.preprocessing
        return f"in the graph: {words}" if words else "in the graph, which takes RGB in [0, 1]"
    if model.preprocessing is not None:
        return f"as given: {model.preprocessing}"
    return (
        "unknown; say what the network was trained with, such as --input-range 0 1 "
        "--mean 0.485 0.456 0.406 --std 0.229 0.224 0.225"
    )


def _labels(labels: tuple[str, ...]) -> str:
    if not labels:
        return "none"
    first, last = (label.split(",")[0] for label in (labels[0], labels[-1]))
    return f"{len(labels):,}, from {first} to {last}"


def _show_layer(console: Console, model: Model, layer: Layer) -> None:
    facts = [
        ("shape", f"{times(layer.shape)} for {_picture_size(model)}"),
        ("units", f"{layer.channels}, 0 to {layer.channels - 1}"),
        ("operator", layer.op_type),
        *_pixels(model, layer),
    ]
    _show_facts(console, f"{layer.name} of {model.name}", facts)
    if layer.branches:
        console.print()
        table = _table("units", "branch", "features")
        for branch in layer.branches:
            features = str(branch.stop - branch.start)
            table.add_row(f"{branch.start}–{branch.stop - 1}", branch.name, features)
        console.print(table)
    unit = min(11, layer.channels - 1)
    console.print(f"\nfor example, {_sentence(layer, unit)}", soft_wrap=True)


def _show_unit(console: Console, model: Model, layer: Layer, unit: int) -> None:
    cells = layer.shape[1:]
    if _is_class(model, layer, unit):
        console.print(f"unit {unit} of {layer.name}: the score of the class {model.labels[unit]!r}")
    else:
        console.print(_sentence(layer, unit), soft_wrap=True)
    facts = [
        ("cells", f"{times(cells)} for {_picture_size(model)}" if cells else "one score"),
        *_pixels(model, layer),
        ("see it", f"onnxscope render {model.name} {layer.name}:{unit}"),
    ]
    _show_facts(console, "", facts)


def _pixels(model: Model, layer: Layer) -> Iterable[tuple[str, str]]:
    field = model.receptive_field(layer.name)
    if field is not None:
        whole = model.fixed_size or (model.size, model.size)
        seen = "the whole picture" if field == whole else f"{times(field)} pixels"
        yield "a cell sees", seen
    if model.fixed_size is None:
        yield "smallest picture", times((model.smallest_size([layer.name]),) * 2)


def _is_class(model: Model, layer: Layer, unit: int) -> bool:
    return len(layer.shape) == 1 and layer.channels >= len(model.labels) > unit


def _picture_size(model: Model) -> str:
    return f"a picture of {times(model.fixed_size or (model.size, model.size))}"


def _sentence(layer: Layer, unit: int) -> str:
    """How to read a unit's number: `unit 11 of mixed4a: feature 12 of 192 of the 1x1 path …`."""
    branch = layer.branch_of(unit)
    if branch is None or branch.index is None:
        return f"unit {unit} of {layer.name}: feature {unit + 1} of {layer.channels}"
    return (
        f"unit {unit} of {layer.name}: feature {branch.index + 1} of {branch.stop - branch.start} "
        f"of the {_path(layer, branch)} path ({branch.name}:{branch.index})"
    )


def _path(layer: Layer, branch: Branch) -> str:
    """The branch's name without the layer's: `1x1` of `mixed4a_1x1`."""
    return branch.name.removeprefix(layer.name).lstrip("/_.") or branch.name


def _show_facts(console: Console, title: str, facts: Iterable[tuple[str, str]]) -> None:
    from rich.table import Table

    if title:
        console.print(title, style="bold", soft_wrap=True)
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, fact in facts:
        grid.add_row(f"  {name}", fact)
    console.print(grid)


def _table(*names: str) -> Table:
    from rich.table import Table

    table = Table(box=None, pad_edge=True, padding=(0, 2, 0, 0), header_style="dim")
    for name in names:
        right = name in ("shape", "units", "features")
        table.add_column(name, justify="right" if right else "left", overflow="fold")
    return table
