"""`onnxscope serve`: every unit of a network in the browser, made while one looks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import InputError
from . import options
from .completion import words_of
from .console import note, plural, stdout, warn
from .given import parse_size
from .groups import expanded
from .preprocessing import Preprocessing

if TYPE_CHECKING:
    from ..server.serving import Stop

app = typer.Typer(add_completion=False)

EPILOG = """Example: onnxscope serve squeezenet

Ctrl-C ends it; the same command again shows what there is, and goes on."""

_PORT = 8011


@app.command(no_args_is_help=True, epilog=EPILOG)
@expanded
def serve(
    *,
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL|DIR",
            help="A name of the catalogue, an .onnx file, or the folder of a project.",
            autocompletion=options.complete_model,
        ),
    ],
    layers: options.MainLayers = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            metavar="DIR",
            help="The project's folder, new or of an earlier run; by default NAME-microscope.",
        ),
    ] = None,
    units: options.UnitsOfEach = None,
    quality: Annotated[
        str | None,
        typer.Option(
            metavar="draft|good|fine",
            autocompletion=words_of("--quality"),
            help="As for microscope; by default that of the project, of a new one draft.",
        ),
    ] = None,
    size: options.Size = None,
    steps: options.QualitySteps = None,
    seed: Annotated[
        int | None, typer.Option(help="Same seed, same picture; by default the project's, or 0.")
    ] = None,
    host: Annotated[
        str,
        typer.Option(metavar="ADDRESS", help="Where to listen; other machines reach no 127.0.0.1."),
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="On which port; 0 for any that is free.")
    ] = _PORT,
    browser: Annotated[bool, typer.Option("--open", help="Open it in the browser.")] = False,
    provider: options.Provider = "auto",
    preprocessing: Preprocessing,
) -> None:
    """Show every unit of a network in the browser, and make pictures of those that are looked at.

    What is made is kept, as `onnxscope microscope` keeps it. Whoever has the address that is
    printed can use it, and nobody else.
    """
    from ..pages.site import check_jinja
    from ..server.guard import is_loopback
    from ..server.opening import is_project, opened
    from ..server.serving import check_installed, listen
    from ..server.serving import serve as serve_until_stopped

    check_jinja()
    check_installed()
    with listen(host, port) as sock:
        folder = Path(model)
        if is_project(folder) and output is not None:
            raise InputError(f"{folder} is a project itself; leave -o {output} out")
        plan, project = opened(
            folder if is_project(folder) else preprocessing.open(model),
            output or (None if is_project(folder) else f"{folder.stem}-microscope"),
            layers or None,
            units=units,
            quality=quality,
            size=parse_size(size),
            steps=steps,
            seed=seed,
            provider=provider,
        )
        for words in project.differences(plan):
            note(f"made otherwise than before: {words}; the earlier pictures stay")
        if not is_loopback(host):
            warn(
                f"{host} is reached from other machines; whoever has the address below can make "
                "pictures here, and on its way nothing is encrypted"
            )
        height, width = plan.height_and_width
        note(
            f"{plan.model.name}, {plural(sum(map(len, plan.units)), 'unit')}, {height}×{width} "
            f"pixels, {plural(plan.settings['steps'], 'step')}; kept in {project.folder}"
        )

        def ready(address: str, _: Stop) -> None:
            stdout().print(address, style="bold", soft_wrap=True)
            if browser:
                typer.launch(address)

        made = serve_until_stopped(plan, project, sock, ready=ready, troubled=warn)
    note(f"ended; {plural(made, 'picture')} made")
