"""`onnxscope inspect MODEL --image PHOTO`: the usual preprocessings, tried on a photograph."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from .console import plural, show_facts
from .preprocessing import Preprocessing
from .typed import command_line

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from ..network.candidates import Answer, Candidate
    from ..network.model import Model

# What is said of a model besides what is done to its pictures.
_BESIDE = {"layout", "channel_axis", "image_input", "inputs", "labels"}


def show_candidates(console: Console, model: Model, photo: Path, given: Preprocessing) -> None:
    """Print what a network sees in a photograph under each candidate, and what to type for it.

    Args:
        console: Where.
        model: A classifier.
        photo: The photograph's file.
        given: The options that were given, which commands repeat.

    Raises:
        InputError: the photograph cannot be read.
        LayerError: the network has no class scores.
    """
    from ..network.candidates import try_candidates
    from ..network.inputs.typed import options_for
    from ..network.photos import fit

    picture = fit(photo, model)
    height, width = picture.shape[:2]
    layer = model.layers[model.logits()]
    names = model.labels
    answers = try_candidates(model, picture, candidates=_candidates(model))
    facts = [
        ("photograph", f"{photo}, its middle in {height}×{width} pixels"),
        ("scores", f"{layer.title}, {plural(layer.channels, 'class')}"),
    ]
    show_facts(console, model.name, facts)
    console.print()
    console.print(_table(answers, names))
    advice = (
        "The right preprocessing is the one under which the network knows what is there; a clear "
        "photograph of one thing tells most."
    )
    if not names:
        advice += " --labels FILE names the classes."
    if len(answers) == 1:
        return
    # None is recommended: how sure a network is grows with the range of what it is given.
    console.print(f"\n{advice}", style="dim")
    console.print("\nwhat to type for the right one:", style="dim")
    known = model.preprocessing is not None
    for number, answer in enumerate(answers):
        words = [] if known and not number else options_for(answer.candidate.preprocessing)
        unit = f"{layer.title}:{answer.classes[0][0]}"
        # What is known without words in the file was given, and is given again.
        besides = given.words(_BESIDE) if words else given.words()
        line = command_line("render", model.name, unit, *words, *besides)
        console.print(f"  {answer.candidate.name}", style="dim", soft_wrap=True)
        console.print(f"    {line}", soft_wrap=True)
    console.print(
        "\nThe same words, given to `onnxscope prepare` with -o FILE, say it once and for all, in "
        "a new file.",
        style="dim",
    )


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


def _table(answers: list[Answer], names: tuple[str, ...]) -> Table:
    from rich.table import Table

    table = Table(box=None, pad_edge=True, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("pictures from", overflow="fold")
    table.add_column("what it sees", no_wrap=True, overflow="ellipsis", ratio=1)
    table.add_column("", justify="right", no_wrap=True)
    for number, answer in enumerate(answers):
        if number:
            table.add_row()
        classes = [
            (
                names[index].split(",")[0] if names else f"class {index}",
                f"{value:.1%}" if answer.are_chances else f"{value:.4g}",
            )
            for index, value in answer.classes
        ]
        table.add_row(
            answer.candidate.name,
            "\n".join(name for name, _ in classes),
            "\n".join(chance for _, chance in classes),
        )
    return table
