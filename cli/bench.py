"""`onnxscope bench`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..errors import InputError
from . import options
from .console import stderr, stdout
from .groups import Without, expanded
from .inputs import parse_inputs
from .preprocessing import Preprocessing

app = typer.Typer(add_completion=False)

EPILOG = "Example: onnxscope bench squeezenet fire5:100 --rounds 6"

_NETWORK, _TARGET = "inception_v1", "mixed4a:11"
_MOST_NUMBERS = 4096


@app.command(epilog=EPILOG)
@expanded
def bench(
    *,
    model: Annotated[
        str | None,
        typer.Argument(
            metavar="MODEL",
            help="A name of the catalogue, or an .onnx file. By default Inception v1 with random "
            "weights, which needs no download.",
        ),
    ] = None,
    target: Annotated[
        str | None,
        typer.Argument(
            metavar="TARGET", help="LAYER:UNIT, or a LAYER; of the default network mixed4a:11."
        ),
    ] = None,
    objective: options.Objective = None,
    random: Annotated[
        bool,
        typer.Option(
            "--random",
            help="MODEL is an architecture, such as inception_v3, and gets random weights.",
        ),
    ] = False,
    size: Annotated[int, typer.Option(help="Height and width of the pictures, in pixels.")] = 224,
    batch: Annotated[
        str, typer.Option(metavar="N[,N…]", help="Pictures at once; a table for each number.")
    ] = "1",
    rounds: Annotated[int, typer.Option(help="How many turns each contestant has.")] = 12,
    steps: Annotated[int, typer.Option(help="Steps that count in each turn.")] = 5,
    provider: options.Provider = "auto",
    profile: Annotated[
        bool, typer.Option("--profile", help="Also show onnxscope's time by operator.")
    ] = False,
    json: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Also write it all as JSON.")
    ] = None,
    preprocessing: Annotated[Preprocessing, Without("channel_axis", "labels")],
) -> None:
    """Measure speed here, side by side with what is installed.

    PyTorch, torch.compile, Lucent and onnx-ad take part where they are installed; for what is
    missing the reason is said. Each has a process of its own, they take turns, and medians count.
    """
    import tempfile

    from ..benchmarks.report import heading, publish, report
    from ..benchmarks.subject import Subject, save_random
    from ..files import check_writable
    from ..plain import whole

    if json is not None:
        check_writable(json)
    whole("--size", size, 1), whole("--rounds", rounds, 1), whole("--steps", steps, 2)
    counts = _numbers("--batch", batch)
    if model is not None and target is None:
        raise InputError(f"say which unit of {model}: LAYER:UNIT, such as {_TARGET}, or a LAYER")
    console = stdout()
    with tempfile.TemporaryDirectory() as folder:
        if random or model is None:
            source = save_random(model or _NETWORK, Path(folder))
        else:
            preprocessing.open(model)
            source = model
        arguments = preprocessing.given | {"inputs": _short_inputs(preprocessing.inputs)}
        subjects = [
            Subject.of(
                source,
                target or _TARGET,
                kind=None if objective is None else objective.value,
                size=size,
                batch=count,
                provider=provider,
                preprocessing={n: value for n, value in arguments.items() if value is not None},
            )
            for count in counts
        ]
        with stderr().status("preparing") as status:
            measurements, facts = report(
                subjects, rounds=rounds, steps=steps, say=status.update, profiled=profile
            )
        console.print("\n".join(heading(facts)), soft_wrap=True)
        for measurement in measurements:
            console.print("\n" + "\n".join(measurement.lines()), soft_wrap=True)
    if json is not None:
        publish(facts, json)


def _short_inputs(given: list[str] | None) -> dict[str, object] | None:
    """Values of other inputs as plain data, which goes to each contestant's command line.

    Raises:
        InputError: they are too many for that.
    """
    import numpy as np

    arrays = {name: np.asarray(value) for name, value in parse_inputs(given).items()}
    count = sum(array.size for array in arrays.values())
    if count > _MOST_NUMBERS:
        raise InputError(f"bench takes up to {_MOST_NUMBERS:,} numbers by --input, not {count:,}")
    return {name: array.tolist() for name, array in arrays.items()} or None


def _numbers(name: str, text: str) -> list[int]:
    """`1,16` as numbers.

    Raises:
        InputError: it is something else.
    """
    try:
        numbers = [int(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if not numbers or min(numbers) < 1:
        raise InputError(f"{name} takes numbers of pictures such as 1 or 1,16, not {text!r}")
    return numbers
