"""Run an ascent under the user's eyes: progress, files, summary."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from .console import fail, plural, stdout, warn
from .outputs import Outputs
from .progress import Watch, show_value

if TYPE_CHECKING:
    from ..pictures.picture import Picture
    from ..runtime.session import Provider

FAILED = 1
"""The exit code where an ascent failed on the way and its last good picture was written."""

INTERRUPTED = 130
"""The exit code after Ctrl-C, as shells have it."""

Make = Callable[[Collection[int], Watch], "Picture"]
"""Makes the picture, given the steps to keep and the callback."""


def run(
    description: str,
    make: Make,
    outputs: Outputs,
    steps: int,
    *,
    quiet: bool,
    meaning: str = "",
) -> None:
    """Make a picture, write it, and say what came out.

    Args:
        description: What is rendered.
        make: The work.
        outputs: Where it goes.
        steps: How many steps are planned.
        quiet: Print the files' names only; warnings and errors all the same.
        meaning: What the objective's value is, in words.

    Raises:
        typer.Exit: the user interrupted it, or it failed on the way; what there was by then is
            written.
        OnnxscopeError: the work or the writing failed.
    """
    from ..errors import AscentError

    failure = ""
    with Watch(description, quiet=quiet) as watch:
        try:
            picture = make(outputs.snapshots(steps), watch)
        except AscentError as error:
            picture, failure = error.picture, str(error)
    files = outputs.write(picture, steps)
    if quiet:
        for file in files:
            typer.echo(file)
    else:
        _summarize(description, picture, outputs.view.pixels(picture), files, watch, meaning)
        hint = outputs.view.hint(picture)
        if hint:
            stdout().print(f"  {hint}", style="dim", soft_wrap=True)
    for warning in picture.warnings:
        warn(warning)
    if failure or picture.interrupted:
        done = len(picture.values)
        where = "" if failure else f" at step {watch.step} of {steps}"
        shows = "how far it came" if done < steps else "what was finished"
        fail(f"{failure or 'interrupted'}{where}; {files[0]} shows {shows}")
        raise typer.Exit(FAILED if failure else INTERRUPTED)


def _summarize(
    description: str,
    picture: Picture,
    pixels: str,
    files: list[Path],
    watch: Watch,
    meaning: str,
) -> None:
    from rich.text import Text

    console = stdout()
    console.print(Text(", ".join(map(str, files)), style="bold"), soft_wrap=True)
    facts = [pixels, plural(len(picture.values), "step")]
    if len(picture.values):
        facts.append(f"value {show_value(picture.values[-1])}")
    facts += [f"{watch.rate:.3g} steps/s", picture.provider.name]
    console.print(f"  {description}: {', '.join(facts)}", soft_wrap=True)
    if meaning and len(picture.values):
        console.print(f"  value: {meaning}", style="dim", soft_wrap=True)
    say_why_not_cuda(picture.provider)


def say_why_not_cuda(provider: Provider) -> None:
    """Print why a GPU that is there was not taken."""
    from ..runtime.session import has_gpu

    if provider.reason and has_gpu():
        stdout().print(f"  not on CUDA: {provider.reason}", style="dim", soft_wrap=True)
