"""`onnxscope classes`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import LayerError, nearest
from . import options
from .console import plural, show_facts, stdout
from .groups import expanded
from .preprocessing import Preprocessing
from .typed import command_line, show_commands

if TYPE_CHECKING:
    from ..network.class_scores import ClassScores
    from ..network.model import Model

app = typer.Typer(add_completion=False)

EPILOG = """Example: onnxscope classes squeezenet cat

All of them, for scripts: onnxscope classes squeezenet --json"""


@app.command(no_args_is_help=True, epilog=EPILOG)
@expanded
def classes(
    *,
    model: options.ModelName,
    search: Annotated[
        str | None,
        typer.Argument(
            metavar="SEARCH",
            help="A name, a part of one, or of ImageNet's classes a kind, such as dog or bird.",
        ),
    ] = None,
    as_json: Annotated[
        bool,
        typer.Option("--json", help="Print a JSON list of objects: index, name, target."),
    ] = False,
    preprocessing: Preprocessing,
) -> None:
    """List a model's classes: the number of each, and its name.

    `onnxscope render` takes the number, or the name.
    """
    from ..network.class_scores import class_scores
    from ..network.class_search import search_classes

    opened = preprocessing.open(model, for_pictures=False)
    scores = class_scores(opened)
    found = list(range(scores.count))
    if search is not None:
        if not opened.labels:
            raise LayerError(
                f"{model} names no classes, so that {search!r} cannot be found; --labels FILE "
                "names them"
            )
        found = [i for i in search_classes(opened.labels, search) if i < scores.count]
        if not found:
            names = [name.strip() for label in opened.labels for name in label.split(",")]
            raise LayerError(f"no class of {model} is like {search!r}{nearest(search, names)}")
    if as_json:
        typer.echo(json.dumps([_as_json(opened, scores, i) for i in found], ensure_ascii=False))
        return
    _show(opened, scores, found, preprocessing.words())


def _as_json(model: Model, scores: ClassScores, index: int) -> dict[str, object]:
    name = model.labels[index] if index < len(model.labels) else None
    return {"index": index, "name": name, "target": _target(model, scores, index)}


def _target(model: Model, scores: ClassScores, index: int) -> str:
    layer, unit = scores.unit(index)
    return f"{model.layers[layer].title}:{unit}"


def _show(model: Model, scores: ClassScores, found: list[int], given: list[str]) -> None:
    console = stdout()
    title = model.layers[scores.layer].title
    first, last = _target(model, scores, 0), _target(model, scores, scores.count - 1)
    where = f"{title}, {plural(scores.count, 'class')}"
    if scores.places:
        units = f"{first} to {last}" if first != last else first
        where += f", each with a score for every box or place ({units})"
    show_facts(console, model.name, [("scores", where)])
    console.print()
    if not model.labels:
        which = f"them: they are {first} to {last}" if first != last else f"it: it is {first}"
        console.print(
            f"The file does not name {which}; --labels FILE names {which.split(':')[0]}.",
            soft_wrap=True,
        )
    width = len(str(max(found)))
    for index in found if model.labels else ():
        console.print(f"  {index:>{width}}  {model.labels[index]}", soft_wrap=True)
    target = str(found[0]) if model.labels else _target(model, scores, found[0])
    if model.preprocessing is None:
        given = [*given, "--preprocessing", "yolo" if scores.places else "imagenet"]
    show_commands(console, "see one", [command_line("render", model.name, target, *given)])
