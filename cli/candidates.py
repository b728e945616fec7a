"""`onnxscope inspect MODEL --image PHOTO`: the usual preprocessings, tried on a photograph."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InputError
from .console import show_facts
from .options import options_for

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from ..network.candidates import Answer, Candidate
    from ..network.model import Model

_NOTHING = "nothing: the file says it"


def show_candidates(console: Console, model: Model, photo: Path, labels: Path | None) -> None:
    """Print what a network sees in a photograph under each candidate.

    Raises:
        InputError: the photograph or the labels cannot be read, or do not fit.
        LayerError: the network has no class scores.
    """
    from ..network.candidates import try_candidates
    from ..network.photos import fit

    picture = fit(photo, model)
    height, width = picture.shape[:2]
    layer = model.layers[model.logits()]
    names = _read_labels(labels) if labels is not None else model.labels
    if names and len(names) != layer.channels:
        where = str(labels) if labels is not None else f"the metadata of {model.name}"
        raise InputError(
            f"{where} names {len(names)} classes, and {layer.title} of {model.name} has "
            f"{layer.channels} scores"
        )
    answers = try_candidates(model, picture, candidates=_candidates(model))
    facts = [
        ("photograph", f"{photo}, its middle in {height}×{width} pixels"),
        ("scores", f"{layer.title}, {layer.channels} classes"),
    ]
    show_facts(console, model.name, facts)
    console.print()
    console.print(_table(answers, names, known=model.preprocessing is not None))
    advice = (
        "The right preprocessing is the one under which the network knows what is there; a clear "
        "photograph of one thing tells most."
    )
    if not names:
        advice += " --labels FILE names the classes."
    if len(answers) > 1:
        console.print(f"\n{advice}", style="dim")


def _candidates(model: Model) -> list[Candidate]:
    """The usual ones, and before them what is known of the file."""
    from dataclasses import replace

    from ..network.candidates import CANDIDATES, Candidate

    if model.preprocessing is None:
        return list(CANDIDATES)
    known = replace(model.preprocessing, layout="NCHW")
    own = "in the graph" if model.metadata is not None else model.expectation.words
    if model.metadata is not None:
        return [Candidate(own, known)]
    others = [one for one in CANDIDATES if one.preprocessing != known]
    return [Candidate(own.partition(";")[0].partition(":")[0], known), *others]


def _table(answers: list[Answer], names: tuple[str, ...], *, known: bool) -> Table:
    from rich.table import Table

    table = Table(box=None, pad_edge=True, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("pictures from", overflow="fold")
    table.add_column("what it sees", no_wrap=True, overflow="ellipsis", ratio=1)
    table.add_column("", justify="right", no_wrap=True)
    table.add_column("to type", overflow="fold", min_width=32)
    for number, answer in enumerate(answers):
        if number:
            table.add_row()
        classes = [
            (names[index].split(",")[0] if names else f"class {index}", f"{chance:.1%}")
            for index, chance in answer.classes
        ]
        table.add_row(
            answer.candidate.name,
            "\n".join(name for name, _ in classes),
            "\n".join(chance for _, chance in classes),
            _NOTHING if known and not number else options_for(answer.candidate.preprocessing),
        )
    return table


def _read_labels(path: Path) -> tuple[str, ...]:
    """Names of classes: one a line, or a JSON list."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read the labels {path}: {error}") from error
    if text.lstrip().startswith("["):
        try:
            names = json.loads(text)
        except ValueError as error:
            raise InputError(f"{path} is no JSON list: {error}") from error
    else:
        names = text.splitlines()
    if not names or not all(isinstance(name, str) for name in names):
        raise InputError(f"{path} names no classes; expected one name a line, or a JSON list")
    return tuple(name.strip() for name in names)
