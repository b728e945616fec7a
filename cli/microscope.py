"""`onnxscope microscope`: pictures of every unit and pages of them, kept as they are made."""

from __future__ import annotations

import re
import time as clock
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import InputError
from . import options
from .completion import words_of
from .console import fail, note, plural, stdout
from .given import parse_size
from .groups import expanded
from .microscope_photos import look_watched, score_watched
from .preprocessing import Preprocessing, fetch_published
from .progress import Watch
from .running import FAILED, INTERRUPTED

if TYPE_CHECKING:
    from ..network.model import Model
    from ..pages.growing import Work
    from ..store.filling import Filling
    from ..store.making import Answer
    from ..store.plan import Plan, Wanted

app = typer.Typer(add_completion=False)

EPILOG = """Example: onnxscope microscope squeezenet fire6 --units 0:16 --quality draft -o scope

The same command again goes on where it was."""

_SHOWN = 3
_SECONDS_BETWEEN_LINES = 30.0
_SECONDS = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400}


@app.command(no_args_is_help=True, epilog=EPILOG)
@expanded
def microscope(
    *,
    model: options.ModelName,
    layers: options.MainLayers = None,
    output: Annotated[
        Path,
        typer.Option(
            "-o", "--output", metavar="DIR", help="The project's folder, new or of an earlier run."
        ),
    ],
    units: options.UnitsOfEach = None,
    what: Annotated[
        str | None,
        typer.Option(
            metavar="KINDS",
            help="What is shown, with commas between: channel, neuron, negative, diversity, and "
            "with --photos examples and scores; by default all.",
        ),
    ] = None,
    photos: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FOLDER",
            help="Photographs, to show those that excite units, and to score pictures by them; "
            "may be given several times. Those of the last run stay.",
        ),
    ] = None,
    eye: Annotated[
        str | None,
        typer.Option(
            metavar="MODEL",
            help="The second network; by default one of the catalogue that is here, if there is.",
        ),
    ] = None,
    quality: options.Quality = "good",
    size: options.Size = None,
    steps: options.QualitySteps = None,
    seed: Annotated[int, typer.Option(help="Same seed, same picture.")] = 0,
    shard: Annotated[
        str | None,
        typer.Option(metavar="2/8", help="Make one part of several, the others elsewhere."),
    ] = None,
    time: Annotated[
        str | None,
        typer.Option(
            metavar="8h",
            help="Stop after that time, such as 90m or 8h; what is begun then is finished.",
        ),
    ] = None,
    scheduler: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="Work on the workers of a dask scheduler such as tcp://10.0.0.1:8786, or on "
            "local:4, four processes of this machine.",
        ),
    ] = None,
    export: Annotated[
        str | None,
        typer.Option(
            metavar="json|npz",
            autocompletion=words_of("--export"),
            help="Also write what is known of all units, as DIR/units.json or DIR/values.npz; "
            "json,npz for both.",
        ),
    ] = None,
    provider: options.Provider = "auto",
    batch_size: Annotated[
        int | None, typer.Option(metavar="N", help="How many pictures are made at once.")
    ] = None,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Print nothing but the files' names.")
    ] = False,
    preprocessing: Preprocessing,
) -> None:
    """Make pictures of every unit of a network, and pages to look at them.

    Kill it at any point: the same command goes on, and makes nothing twice. Several may work in one
    folder. The pages open from the file system, and show what there is while it works.
    """
    from ..pages.growing import Work
    from ..pages.site import check_jinja
    from ..plain import whole
    from ..store.export import checked_forms
    from ..store.export import export as write_export

    check_jinja()
    forms = [] if export is None else checked_forms(export.split(","))
    if batch_size is not None:
        whole("--batch-size", batch_size, 1)
    kinds = None if what is None else [part.strip() for part in what.split(",")]
    network = preprocessing.open(model)
    work = Work.prepared(
        network,
        output,
        layers or None,
        units=units,
        kinds=kinds,
        photos=photos or None,
        eye=_second_network(network, photos, kinds, eye, quiet=quiet),
        quality=quality,
        size=parse_size(size),
        steps=steps,
        seed=seed,
        shard=shard,
        seconds=None if time is None else _seconds(time),
        provider=provider,
    )
    plan, project = work.plan, work.project
    if not quiet:
        for words in project.differences(plan):
            note(f"made otherwise than before: {words}; the earlier pictures stay")
        _announce(plan, len(work.order), shard)
        note(f"{work.page} shows what there is meanwhile")
    look_watched(work, quiet=quiet)
    filling = _fill_watched(work, batch_size, scheduler, quiet=quiet)
    scored = filling.interrupted or score_watched(work, quiet=quiet)
    site = work.site
    page = site.write()
    for form in forms:
        file = write_export(site.plan, project, form)
        if not quiet:
            stdout().print(str(file), soft_wrap=True)
    _summarize(filling, page, scored=scored, quiet=quiet)


def _second_network(
    model: Model,
    photos: list[Path] | None,
    kinds: list[str] | None,
    eye: str | None,
    *,
    quiet: bool,
) -> str | None:
    """The network that scores compare pictures in, fetched; `None` where there is none to name."""
    from ..store.plan import SCORES

    if not photos or (kinds is not None and SCORES not in kinds):
        if eye is not None:
            raise InputError("--eye is for scores, which take photographs: give --photos FOLDER")
        return None
    from ..studies.second_eye import other_network

    name = eye or other_network(model)
    if name is None:
        if not quiet:
            note("scores leave agreement out: --eye MODEL gives a second network")
        return None
    fetch_published(name)
    return name


def _fill_watched(
    work: Work, batch_size: int | None, scheduler: str | None, *, quiet: bool
) -> Filling:
    """Make what is missing, with a bar, or in a log with a line now and then."""
    from ..pages.growth import duration

    said: set[str] = set()
    began = last = clock.monotonic()
    with Watch(work.plan.model.name, quiet=quiet) as watch:

        def begin(filling: Filling, wanted: Sequence[Wanted]) -> None:
            nonlocal last
            done = filling.made + len(filling.failed)
            left = filling.total - filling.there
            names = ", ".join(one.target for one in wanted[:_SHOWN])
            watch.begin(done, done + len(wanted), left, f"{wanted[0].kind.title} {names}")
            now = clock.monotonic()
            if done and not quiet and now - last >= _SECONDS_BETWEEN_LINES:
                last = now
                watch.remark(
                    f"{done} of {plural(left, 'picture')}, "
                    f"{duration((now - began) / done * (left - done))} left"
                )

        def done(wanted: Wanted, answer: Answer) -> None:
            for warning in (answer.facts or {}).get("warnings", ()):
                words = f"{wanted.target}, {wanted.kind.title}: {warning}"
                if not quiet and warning not in said:
                    watch.complain("warning", words)
                said.add(warning)

        return work.fill(
            batch_size=batch_size,
            scheduler=scheduler,
            begin=begin,
            callback=watch,
            done=done,
            idle=partial(watch.complain, "warning"),
        )


def _announce(plan: Plan, count: int, shard: str | None) -> None:
    """Say what there shall be, and in which order."""
    from ..store.plan import ORDER

    height, width = plan.height_and_width
    kinds = ", then ".join(f"{kind.title} pictures" for kind in plan.kinds)
    part = "" if shard is None else f", of which shard {shard} is {count:,}"
    units = sum(map(len, plan.units))
    note(
        f"{plural(plan.count(), 'picture')} of {plural(units, 'unit')} in "
        f"{plural(len(plan.layers), 'layer')}, {height}×{width} pixels, "
        f"{plural(plan.settings['steps'], 'step')}{part}"
    )
    if kinds:
        note(f"in this order: {kinds}; of each, {ORDER}")
    flat = [one.title for one in plan.layers if len(plan.kinds_of(one)) < len(plan.kinds)]
    if flat:
        names = ", ".join(flat[:_SHOWN]) + (", …" if len(flat) > _SHOWN else "")
        note(f"without positions neuron and channel coincide, and are made once: {names}")


def _summarize(filling: Filling, page: Path, *, scored: bool, quiet: bool) -> None:
    """Say how far it came.

    Raises:
        typer.Exit: it was interrupted, or some could not be made or scored.
    """
    for wanted, error in filling.failed[:_SHOWN]:
        fail(f"{wanted.target}, {wanted.kind.title}: {error}")
    if len(filling.failed) > _SHOWN:
        fail(f"and {plural(len(filling.failed) - _SHOWN, 'more picture')} could not be made")
    again = "; the same command again makes the rest" if filling.left else ""
    if filling.interrupted:
        done = filling.there + filling.made
        fail(f"interrupted: {done:,} of {plural(filling.total, 'picture')} are there{again}")
        raise typer.Exit(INTERRUPTED)
    if quiet:
        typer.echo(page)
    else:
        counts = [f"{filling.made:,} made", f"{filling.there:,} there already"]
        if filling.failed:
            counts.append(f"{len(filling.failed):,} failed")
        if filling.left:
            counts.append(f"{filling.left:,} left{again}")
        stdout().print(f"{page}  {', '.join(counts)}", style="bold", soft_wrap=True)
    if filling.failed or not scored:
        raise typer.Exit(FAILED)


def _seconds(text: str) -> float:
    """Read `90m`, `8h` or `1h30m`.

    Raises:
        InputError: it is something else.
    """
    parts = re.findall(r"(\d+(?:\.\d+)?)\s*(d|h|min|m|s)", text)
    if not parts or re.sub(r"(\d+(?:\.\d+)?)\s*(d|h|min|m|s)|\s", "", text):
        raise InputError(f"--time is a duration such as 90m, 8h or 1h30m, not {text!r}")
    return sum(float(number) * _SECONDS[unit] for number, unit in parts)
