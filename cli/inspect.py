"""`onnxscope inspect`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import InputError, NoPictureError
from . import options
from .candidates import show_candidates
from .completion import complete_target
from .console import plural, show_facts, stdout, times
from .given import given_besides
from .groups import expanded
from .inputs import AboutInputs
from .layer_table import left_out_lines, shape_of, show_layers
from .preprocessing import Preprocessing, fetch_published
from .typed import command_line, show_commands

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import Console
    from rich.table import Table

    from ..importer.opsets import LoadedModel
    from ..network.layers.layer import Branch, Layer
    from ..network.model import Model

app = typer.Typer(add_completion=False)

# What is said of networks of any inputs.
_OF_ANY = ("model", "target", "every", "shape", "inputs", "as_json")

EPILOG = """Example: onnxscope inspect squeezenet

A layer: onnxscope inspect squeezenet fire5

A unit: onnxscope inspect squeezenet fire5:11

A value of a network that takes no pictures: onnxscope inspect bert.onnx encoder.layer.0

What a file expects of pictures: onnxscope inspect my.onnx --image photo.jpg"""


_NO_LAYERS = (
    "It has no layers to show: no value that is computed from the picture has channels for each "
    "picture. `onnxscope gradient --wrt` and `onnxscope verify --shape` take any value."
)


@app.command(no_args_is_help=True, epilog=EPILOG)
@expanded
def inspect(
    *,
    ctx: typer.Context,
    model: options.ModelName,
    target: Annotated[
        str | None,
        typer.Argument(
            metavar="LAYER",
            help="A layer, a unit of it as LAYER:UNIT, or a class of the model; of a network that "
            "takes no pictures, any value.",
            autocompletion=complete_target,
        ),
    ] = None,
    every: Annotated[
        bool,
        typer.Option(
            "--all", help="Show every layer, also those inside of blocks or before activations."
        ),
    ] = False,
    image: Annotated[
        Path | None,
        typer.Option(
            metavar="PHOTO",
            help="Show the network a photograph in each of the usual ways: the classes that it "
            "sees tell which preprocessing is the right one.",
        ),
    ] = None,
    shape: options.InspectedShapes = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print it as JSON, with every layer.")
    ] = False,
    preprocessing: Preprocessing,
) -> None:
    """Show a model's layers, or a layer's branches, or where a unit comes from.

    Of a network that takes no pictures, its inputs and values, or what is known of one value.
    """
    from ..objectives.targets import find_unit

    if image is not None and target is not None:
        raise InputError("--image is for the whole model: leave LAYER out")
    if image is not None and as_json:
        raise InputError("--image shows what a person can tell; leave --json out")
    about = AboutInputs(shape or (), preprocessing.inputs or ())
    console = stdout()
    if shape and image is None:
        _show_any(console, ctx, model, target, about, every=every, as_json=as_json)
        return
    try:
        opened = preprocessing.open(model, for_pictures=False)
    except NoPictureError as error:
        others = given_besides(ctx, *_OF_ANY)
        if others:
            raise InputError(
                f"{error}; {', '.join(others)} {'is' if len(others) == 1 else 'are'} for networks "
                "that take pictures"
            ) from error
        _show_values(console, model, error.loaded, target, about, every=every, as_json=as_json)
        return
    if image is not None:
        show_candidates(console, opened, image, preprocessing)
        return
    if as_json:
        _print(_as_json(opened, target))
        return
    if target is None:
        _show_model(console, opened, every=every)
        return
    name, unit = find_unit(opened, target)
    if unit is None:
        _show_layer(console, opened, opened.layers[name], preprocessing.words())
    else:
        _show_unit(console, opened, opened.layers[name], unit, preprocessing.words())


def _as_json(model: Model, target: str | None) -> dict[str, Any]:
    from ..objectives.targets import find_unit
    from .inspect_json import layer_as_json, model_as_json, unit_as_json

    if target is None:
        return model_as_json(model)
    name, unit = find_unit(model, target)
    layer = model.layers[name]
    if unit is None:
        return layer_as_json(layer)
    label = model.labels[unit] if _is_class(model, layer, unit) else None
    return unit_as_json(layer, unit, label)


def _print(found: dict[str, Any]) -> None:
    typer.echo(json.dumps(found, ensure_ascii=False, indent=2))


def _show_any(
    console: Console,
    ctx: typer.Context,
    model: str,
    target: str | None,
    about: AboutInputs,
    *,
    every: bool,
    as_json: bool,
) -> None:
    """Show a network as one of any inputs, whose shapes are given."""
    from ..importer.opsets import load_graph

    others = given_besides(ctx, *_OF_ANY)
    if others:
        raise InputError(
            f"with --shape a network is not asked for pictures; leave out {', '.join(others)}"
        )
    loaded = load_graph(fetch_published(model) or model)
    _show_values(console, model, loaded, target, about, every=every, as_json=as_json)


def _show_values(
    console: Console,
    model: str,
    loaded: LoadedModel,
    target: str | None,
    about: AboutInputs,
    *,
    every: bool,
    as_json: bool,
) -> None:
    from ..network.values import Values
    from .values import Asked, show_value, show_values

    values = Values(loaded, model, about.parsed_shapes, about.values)
    asked = Asked(model, values, about.words)
    if as_json:
        from .inspect_json import value_as_json, values_as_json

        _print(values_as_json(model, values) if target is None else value_as_json(values[target]))
    elif target is None:
        show_values(console, asked, every=every)
    else:
        show_value(console, asked, target)


def _show_model(console: Console, model: Model, *, every: bool) -> None:
    layers = list(model.layers.values())
    shown = layers if every else [layer for layer in layers if layer.main]
    show_facts(console, model.name, _facts(model))
    console.print()
    if shown:
        show_layers(console, model, shown, every=every)
    else:
        console.print(_NO_LAYERS, soft_wrap=True)
    if len(shown) < len(layers):
        rest = plural(len(layers) - len(shown), "more layer")
        console.print(
            f"\n{rest} inside of blocks and branches and before activations: --all shows them too.",
            style="dim",
        )
    left_out = model.layers.left_out
    if left_out:
        console.print(f"\n{plural(len(left_out), 'more value')} cannot be shown:", style="dim")
        from rich.table import Table

        grid = Table.grid(padding=(0, 1))
        for count, reason in left_out_lines(left_out, model.names.naming.aliases):
            grid.add_row(f"  {count:>5}", reason, style="dim")
        console.print(grid)


def _facts(model: Model) -> Iterable[tuple[str, str]]:
    metadata = model.metadata
    if metadata is not None:
        yield "architecture", metadata.architecture
        yield "dataset", metadata.dataset
        yield "source", metadata.source
        yield "licence", metadata.license
    yield "pictures", _sizes(model)
    if not model.form.is_rgb:
        yield "taken for", _taken_for(model)
    yield "preprocessing", _preprocessing(model)
    yield "layers", f"{len(model.layers):,}"
    yield "labels", _labels(model.labels)


def _taken_for(model: Model) -> str:
    """What the input is taken for, and how to say otherwise."""
    from ..forms import EXAMPLES, as_spectrogram

    form = model.form
    others = [one for one in EXAMPLES if len(one) == len(form.layout) and one != form.layout]
    otherwise = f"--layout {' or '.join(others)} says otherwise"
    if form.channels > 2:
        otherwise += (
            ", --colors none that no channels are colours"
            if form.colors
            else ", --colors 0,1,2 that these channels are red, green and blue"
        )
    sound = as_spectrogram(form)
    if sound:
        otherwise += f"; of spectrograms it is --layout {sound}"
    return f"{form.words()}, {form.layout}; {otherwise}"


def _sizes(model: Model) -> str:
    batch = "" if model.fixed_batch in (None, 1) else f", {model.fixed_batch} at a time"
    if not model.form.is_rgb:
        only = " only" if model.fixed_size is not None else " by default"
        return f"{model.form.sizes_in_words(model.usual_size)}{only}{batch}"
    if model.fixed_size is not None:
        return f"{times(model.fixed_size)} pixels only{batch}"
    return f"{times((model.size, model.size))} pixels by default; others work too{batch}"


def _preprocessing(model: Model) -> str:
    if model.metadata is not None:
        words = model.metadata.preprocessing
        return f"in the graph: {words}" if words else "in the graph, which takes RGB in [0, 1]"
    words = model.expectation.words
    if model.preprocessing is not None:
        if words == "as given":
            return f"as given: {model.preprocessing}"
        return f"{model.preprocessing}; found {words}"
    if not model.form.is_rgb:
        return (
            f"unknown{f' ({words})' if words else ''}; say what the network was trained with, such "
            "as --range 0..1, with --means and --stds where they were"
        )
    return (
        f"unknown{f' ({words})' if words else ''}; say what the network was trained with, such as "
        "--preprocessing imagenet; --image PHOTO shows what the usual ones give"
    )


def _labels(labels: tuple[str, ...]) -> str:
    if not labels:
        return "none"
    first, last = (label.split(",")[0] for label in (labels[0], labels[-1]))
    return f"{len(labels):,}, from {first} to {last}"


def _show_layer(console: Console, model: Model, layer: Layer, given: list[str]) -> None:
    facts = [
        *_names(model, layer),
        ("shape", f"{shape_of(layer)} for {_picture_size(model)}"),
        ("units", f"{layer.channels}, 0 to {layer.channels - 1}"),
        ("operator", layer.op_type),
        *_pixels(model, layer),
    ]
    show_facts(console, f"{layer.title} of {model.name}", facts)
    if layer.branches:
        console.print()
        table = _table("units", "branch", "how many")
        for branch in layer.branches:
            count = str(branch.stop - branch.start)
            table.add_row(f"{branch.start}–{branch.stop - 1}", branch.name, count)
        console.print(table)
    unit = min(11, layer.channels - 1)
    console.print(f"\nfor example, {_sentence(layer, unit)}", soft_wrap=True)
    show_commands(console, *_see_it(model, f"{layer.title}:{unit}", given))


def _show_unit(console: Console, model: Model, layer: Layer, unit: int, given: list[str]) -> None:
    cells = layer.shape[1:]
    what = "tokens" if len(cells) == 1 else "cells"
    if _is_class(model, layer, unit):
        console.print(
            f"unit {unit} of {layer.title}: the score of the class {model.labels[unit]!r}"
        )
    else:
        console.print(_sentence(layer, unit), soft_wrap=True)
    facts = [
        (what, f"{times(cells)} for {_picture_size(model)}" if cells else "one score"),
        *_pixels(model, layer),
    ]
    show_facts(console, "", facts)
    show_commands(console, *_see_it(model, f"{layer.title}:{unit}", given))


def _see_it(model: Model, target: str, given: list[str]) -> tuple[str, list[str]]:
    """A command that shows a unit, and what to say of it."""
    words = ["render", model.name, target, *given]
    if model.preprocessing is not None:
        return "see it", [command_line(*words)]
    if not model.form.is_rgb:
        return "see it, if it was trained with values from 0 to 1", [
            command_line(*words, "--range", "0..1")
        ]
    # Most classifiers were trained with it, and the picture shows something with any.
    return "see it, if it was trained with ImageNet's mean and deviation", [
        command_line(*words, "--preprocessing", "imagenet")
    ]


def _names(model: Model, layer: Layer) -> Iterable[tuple[str, str]]:
    """The layer's value, and all modules that it is the result of."""
    if layer.alias:
        yield "value", layer.name
    others = [name for name in model.names.naming.names_of(layer.name) if name != layer.title]
    if others:
        yield "also called", ", ".join(others)
    if layer.grid is not None:
        before = layer.grid.before
        first = "" if not before else f"{plural(before, 'token')} of its own, then "
        yield "tokens", f"{first}{layer.grid.height}×{layer.grid.width} patches, row by row"


def _pixels(model: Model, layer: Layer) -> Iterable[tuple[str, str]]:
    field = model.receptive_field(layer.name)
    if field is not None:
        whole = model.usual_size
        seen = "the whole picture" if field == whole else f"{times(field)} pixels"
        yield "a cell sees", seen
    if model.fixed_size is None:
        yield "smallest picture", times((model.smallest_size([layer.name]),) * 2)


def _is_class(model: Model, layer: Layer, unit: int) -> bool:
    return len(layer.shape) == 1 and layer.channels >= len(model.labels) > unit


def _picture_size(model: Model) -> str:
    if model.form.is_rgb:
        return f"a picture of {times(model.usual_size)}"
    return model.form.sizes_in_words(model.usual_size)


def _sentence(layer: Layer, unit: int) -> str:
    """How to read a unit's number: `unit 11 of mixed4a is unit 11 of 192 of the 1x1 path …`."""
    branch = layer.branch_of(unit)
    if branch is None or branch.index is None:
        return f"unit {unit} of {layer.title}, whose units are 0 to {layer.channels - 1}"
    return (
        f"unit {unit} of {layer.title} is unit {branch.index} of {branch.stop - branch.start} "
        f"of the {_path(layer, branch)} path ({branch.name}:{branch.index})"
    )


def _path(layer: Layer, branch: Branch) -> str:
    """The branch's name without the layer's: `1x1` of `mixed4a_1x1`."""
    return branch.name.removeprefix(layer.name).lstrip("/_.") or branch.name


def _table(*names: str) -> Table:
    from rich.table import Table

    table = Table(box=None, pad_edge=True, padding=(0, 2, 0, 0), header_style="dim")
    for name in names:
        right = name in ("units", "how many")
        table.add_column(name, justify="right" if right else "left", overflow="fold")
    return table
