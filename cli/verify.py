"""`onnxscope verify`."""

from __future__ import annotations

import json
from itertools import groupby
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import InputError, LayerError, NoPictureError
from . import options
from .console import plural, stdout, times
from .given import parse_size
from .groups import expanded
from .inputs import parse_inputs, parse_shapes
from .preprocessing import Preprocessing, fetch_published
from .progress import Stages

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import Console

    from ..importer.opsets import ModelSource
    from ..network.model import Model
    from ..verification.faults import Fault
    from ..verification.verdict import Verification

app = typer.Typer(add_completion=False)

EPILOG = """Example: onnxscope verify squeezenet

An objective: onnxscope verify squeezenet fire5:11

Open shapes: onnxscope verify my.onnx --shape tokens=1,16

By weights or inner values: onnxscope verify my.onnx loss --wrt hidden --wrt scale

At given values: onnxscope verify my.onnx --input tokens=101,7,102

Exit codes: 0 the gradient agrees, 1 it disagrees, 2 bad input, 3 cannot tell"""

_SHOWN_FAULTS = 10
_EXIT = {"agrees": 0, "disagrees": 1, "cannot tell": 3}
_STYLES = {"agrees": "bold green", "disagrees": "bold red", "cannot tell": "bold yellow"}
_TITLES = {
    "agrees": "the gradient agrees with differences",
    "disagrees": "the gradient DISAGREES",
    "cannot tell": "whether the gradient is right cannot be told",
}

_ABOUT_PICTURES = (
    "--input-range, --mean, --std, --channel-order, --layout, --channel-axis and --image-input are "
    "about pictures"
)
_AS_TENSORS = (
    "several inputs are verified together, by the names that values have in the file; with "
    "--image-input NAME, or another option about pictures, layers are called as for "
    "`onnxscope render`"
)


@app.command(no_args_is_help=True, epilog=EPILOG)
@expanded
def verify(
    *,
    model: options.ModelName,
    target: Annotated[
        str | None,
        typer.Argument(
            metavar="TARGET",
            help="LAYER:UNIT such as mixed4a:11, a LAYER, or a class; of a network that takes no "
            "picture, the name of a value. By default the class scores, the last layer, or the "
            "first output.",
        ),
    ] = None,
    provider: Annotated[
        str, typer.Option(help="auto (CUDA where it works, else the CPU), cpu, cuda, …")
    ] = "auto",
    directions: Annotated[
        int, typer.Option(help="Random directions for each input; with many inputs, one.")
    ] = 3,
    seed: Annotated[int, typer.Option(help="Same seed, same point and directions.")] = 0,
    size: options.Size = None,
    shape: options.Shapes = None,
    wrt: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Differentiate with respect to this input, weight or value on the way, as "
            "`onnxscope gradient --wrt` does; may be repeated.",
        ),
    ] = None,
    timeout: Annotated[
        float,
        typer.Option(
            metavar="SECONDS",
            help="About how long it may take; then what was found until then is shown.",
        ),
    ] = 60.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
    preprocessing: Preprocessing,
) -> None:
    """Check the gradient of this very model, on this machine, against central differences.

    Where they disagree, every node is checked by itself, and those at fault are named.
    """
    from ..verification.run import verify as check

    shapes = None if shape is None else parse_shapes(shape)
    values = parse_inputs(preprocessing.inputs)
    opened: Model | ModelSource = model
    asked = preprocessing.is_about_pictures
    if asked and shapes is not None:
        raise InputError(f"{_ABOUT_PICTURES}; of {model}, with --shape it is not asked for any")
    if asked and wrt:
        raise InputError(f"{_ABOUT_PICTURES}; of {model}, with --wrt it is not asked for any")
    as_tensors = shapes is not None or bool(values) or bool(wrt)
    as_pictures = asked or (not as_tensors and _takes_pictures(model))
    if asked:
        try:
            opened = preprocessing.open(model, for_pictures=False)
        except NoPictureError as error:
            raise InputError(f"{_ABOUT_PICTURES}; {error}") from error
        values = {}
    else:
        fetch_published(model)
    try:
        with Stages(f"verifying {model}") as stages:
            found = check(
                opened,
                target,
                provider=provider,
                at=values or None,
                size=parse_size(size),
                shapes=shapes,
                wrt=wrt or (),
                directions=directions,
                seed=seed,
                timeout=timeout,
                report=stages,
            )
    except LayerError as error:
        if as_pictures or not _has_picture(model):
            raise
        raise LayerError(f"{error}; {_AS_TENSORS}") from error
    if as_json:
        typer.echo(json.dumps(found.to_json(), indent=2))
    else:
        _show(stdout(), found)
    raise typer.Exit(_EXIT[found.verdict])


def _takes_pictures(name: str) -> bool:
    from .. import models
    from ..verification.run import takes_pictures

    return name in models.catalogue() or takes_pictures(name)


def _has_picture(name: str) -> bool:
    """Whether one of several inputs, perhaps, takes pictures."""
    try:
        Preprocessing().open(name, for_pictures=False)
    except NoPictureError:
        return False
    except InputError:
        # It is to be said which one.
        return True
    return True


def _show(console: Console, found: Verification) -> None:
    from rich.text import Text

    console.print(
        Text.assemble(f"{found.model}: ", (_TITLES[found.verdict], _STYLES[found.verdict])),
        soft_wrap=True,
    )
    for name, fact in _facts(found):
        console.print(Text.assemble((f"  {name:<14}", "dim"), fact), soft_wrap=True)
    if found.checks:
        console.print()
        _show_checks(console, found)
    if found.faults:
        console.print()
        _show_faults(console, found.faults)


def _facts(found: Verification) -> Iterable[tuple[str, str]]:
    from ..runtime.session import has_gpu

    yield "target", found.target
    # Where there is no GPU, nobody misses one.
    reason = found.provider.reason if has_gpu() else ""
    yield "provider", found.provider.name + (f" (not CUDA: {reason})" if reason else "")
    yield "network", str(found.faithfulness)
    yield (
        "differences",
        "in double precision" if found.double else f"in single precision: {found.why_single}",
    )
    if found.moved:
        yield "point", "moved a little: the first one was on a kink"
    if found.resolution < float("inf"):
        yield (
            "apart by",
            f"{found.relative_difference:.1e} of the gradient; more than {found.resolution:.1e} "
            "would be an error",
        )
    if found.provider_difference is not None:
        yield (
            "on the CPU",
            f"by the standard rules it differs by {found.provider_difference:.1e}; more than "
            f"{found.provider_limit:.1e} would be an error",
        )
    for limit in found.limits:
        yield "limits", limit
    if found.cause:
        yield "because", found.cause


def _show_checks(console: Console, found: Verification) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=True, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("input moved", overflow="fold")
    for name in ("slope by gradient", "by differences", "±"):
        table.add_column(name, justify="right")
    table.add_column("")
    for check in found.checks:
        verdict = "on a kink" if check.kink else check.verdict
        table.add_row(
            check.input,
            f"{check.gradient:.6g}",
            f"{check.differences:.6g}",
            f"{check.uncertainty:.1g}",
            Text(verdict, style=_STYLES[check.verdict].removeprefix("bold ")),
        )
    console.print(table)


def _show_faults(console: Console, faults: Iterable[Fault]) -> None:
    """By operator, the nodes at fault: where, on what, with which attributes."""
    from rich.text import Text

    ordered = sorted(faults, key=lambda fault: fault.op_type)
    for op_type, group in groupby(ordered, key=lambda fault: fault.op_type):
        nodes = list(group)
        console.print(
            Text.assemble((op_type, "bold"), f": {plural(len(nodes), 'node')} at fault"),
            soft_wrap=True,
        )
        for fault in nodes[:_SHOWN_FAULTS]:
            console.print(_sentence(fault), soft_wrap=True)
        if len(nodes) > _SHOWN_FAULTS:
            console.print(f"  … and {len(nodes) - _SHOWN_FAULTS} more", style="dim")


def _sentence(fault: Fault) -> str:
    given = ", ".join(f"{name} {times(shape) or 'scalar'}" for name, shape in fault.inputs)
    made = ", ".join(f"{name} {times(shape) or 'scalar'}" for name, shape in fault.outputs)
    attributes = ", ".join(f"{name}={value}" for name, value in fault.attributes.items())
    what = {
        "gradient": f"slope {fault.gradient:.5g} by its rule, {fault.differences:.5g} by "
        "differences",
        "value": "its value on the provider is another",
        "refused": fault.message,
    }[fault.kind]
    setting = f" ({attributes})" if attributes else ""
    return f"  {fault.node}{setting}: {given} → {made}: {what}"
