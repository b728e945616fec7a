"""`onnxscope explain`: what a network sees in photographs."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import InputError
from . import options
from .console import file_size, plural, stdout
from .explained import Part, Photographs, stems_of, with_key
from .given import parse_size
from .groups import expanded
from .outputs import check_folder, make_folder
from .photo_progress import PhotoWatch
from .preprocessing import Preprocessing

if TYPE_CHECKING:
    import numpy as np

    from ..network.model import Model
    from ..studies.explaining import Explainer

_Map = dict[str, object]
"""What scripts are told of a map."""

app = typer.Typer(add_completion=False)

EPILOG = """Example: onnxscope explain squeezenet photo.jpg -o seen.png

A class, in two ways: onnxscope explain squeezenet photo.jpg daisy --method grad-cam,occlusion

A folder: onnxscope explain squeezenet photos/ -o maps/

For scripts: onnxscope explain squeezenet photos/ -o maps/ --json

As a model, photo in and map out: onnxscope explain squeezenet --export explainer.onnx"""


@app.command(no_args_is_help=True, epilog=EPILOG)
@expanded
def explain(
    *,
    model: options.ModelName,
    photos: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="PHOTO... [TARGET]",
            help="Photographs or folders of them, .npy files of a network's other pictures, and "
            "what to explain: LAYER:UNIT such as mixed4a:11, a LAYER, a class by name or number, "
            "or an expression. By default each photo's class with the highest score.",
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            metavar="FILE|FOLDER",
            help="A picture for a sheet of all; .npy for the numbers (photos, height, width); a "
            "folder for a picture and a .npy file of each photo. By default explanation.png.",
        ),
    ] = None,
    method: Annotated[
        str,
        typer.Option(
            metavar="NAMES",
            help="One or more, with commas between them, or all: saliency, guided-backpropagation, "
            "deconvnet, input-x-gradient, integrated-gradients, smooth-grad, grad-cam, layer-cam, "
            "layer-x-gradient, occlusion.",
        ),
    ] = "grad-cam",
    layer: Annotated[
        str | None,
        typer.Option(
            metavar="LAYER",
            help="What grad-cam and its like look at; by default the last layer before the target "
            "that has cells.",
        ),
    ] = None,
    top: Annotated[
        int, typer.Option(metavar="N", help="Without a target, how many classes of each photo.")
    ] = 1,
    size: options.Size = None,
    batch_size: Annotated[
        int | None,
        typer.Option(
            metavar="N", help="How many photos at once; by default 8 at most, as memory allows."
        ),
    ] = None,
    provider: options.Provider = "auto",
    export: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Write an ONNX model instead, from a photo to its map, for any runtime.",
        ),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print values and files of this run's maps as JSON.")
    ] = False,
    preprocessing: Preprocessing,
) -> None:
    """Show where in photographs a class or a unit comes from.

    Folders are looked through with those inside, and what is written stands in folders like these.
    Files that cannot be read are left out, and named. In a folder, photos that the same command
    explained before are not explained again.
    """
    from ..photo_files import PhotoFiles, is_picture

    given, target = _told_apart(photos or [])
    if not given and export is None:
        raise InputError("explain takes photographs, or --export FILE")
    files = PhotoFiles.found(given) if given else PhotoFiles((), ())
    asked = _Asked(preprocessing, model, target, layer, parse_size(size), batch_size)
    if export is not None:
        if given or output is not None:
            raise InputError(
                "--export writes a model and looks at no photo: leave PHOTO and -o out"
            )
        if as_json:
            raise InputError("--json lists maps, and --export makes none")
        _export(asked, method, provider, export)
        return

    target_path = Path("explanation.png") if output is None else output
    is_sheet = target_path.suffix.lower() == ".npy" or is_picture(target_path)
    if not is_sheet and target_path.is_dir() and (others := files.outside(target_path)).files:
        # What an earlier run wrote among the photographs is none of them.
        files = others
    photographs = Photographs(files, asked.explainers(method, provider), top)
    write = _write_sheet if is_sheet else _write_folder
    maps = write(photographs, target_path, as_json)
    if as_json:
        typer.echo(json.dumps(maps, indent=2, ensure_ascii=False))
    else:
        _end(target_path, photographs)


@dataclass(frozen=True)
class _Asked:
    """What is explained, whatever the method."""

    preprocessing: Preprocessing
    model: str
    target: str | None
    layer: str | None
    size: tuple[int, int] | None
    batch_size: int | None

    def explainers(self, methods: str, provider: str) -> dict[str, Explainer]:
        """By the methods' names."""
        from ..studies.explaining import Explainer
        from ..studies.method import METHODS, method_called

        names = [name for part in methods.split(",") if (name := part.strip())]
        if names == ["all"]:
            names = list(METHODS.kinds)
        if not names:
            raise InputError(f"--method names none; known are {', '.join(METHODS.kinds)}")
        chosen = {name.replace("_", "-"): method_called(name) for name in names}
        opened: Model = self.preprocessing.open(self.model)
        if self.layer is not None and not any(m.looks_at_layer for m in chosen.values()):
            raise InputError(f"{methods} looks at no layer: leave --layer out")
        return {
            name: Explainer(
                opened,
                self.target,
                one,
                layer=self.layer if one.looks_at_layer else None,
                size=self.size,
                provider=provider,
                batch_size=self.batch_size,
            )
            for name, one in chosen.items()
        }


def _told_apart(given: Sequence[str]) -> tuple[list[Path], str | None]:
    """Photographs, and a target behind them."""
    from ..photo_files import is_picture

    last = Path(given[-1]) if given else Path()
    missing = not last.exists() and not is_picture(last) and last.suffix.lower() != ".npy"
    if given and missing:
        return [Path(text) for text in given[:-1]], given[-1]
    return [Path(text) for text in given], None


def _export(asked: _Asked, method: str, provider: str, target: Path) -> None:
    from ..files import check_writable
    from ..importer.model_file import write_model

    check_writable(target)
    found = asked.explainers(method, provider)
    if len(found) != 1:
        raise InputError("--export writes one method; name it with --method")
    (explainer,) = found.values()
    proto = explainer.to_onnx()
    files = write_model(target, proto)
    size = file_size(sum(file.stat().st_size for file in files))
    stdout().print(
        f"{', '.join(map(str, files))}: image to map, {size}", style="bold", soft_wrap=True
    )


def _write_sheet(photographs: Photographs, target: Path, as_json: bool) -> list[_Map]:
    import numpy as np

    from ..files import atomic_path, check_writable
    from ..pictures.formats import save_image
    from ..studies.explanation import check_sheet, tiled

    check_writable(target)
    numbers = target.suffix.lower() == ".npy"
    explainers = photographs.explainers
    if not numbers:
        size = next(iter(explainers.values())).size
        check_sheet(len(photographs.files) * photographs.top, 1 + len(explainers), *size)
    rows: list[list[np.ndarray]] = []
    maps: dict[str, list[np.ndarray]] = {name: [] for name in explainers}
    heading = ("", "")
    listed: list[_Map] = []
    with PhotoWatch("explain", quiet=as_json, named=None) as watch:
        for part in photographs.parts(watch):
            listed += _as_data(part, [target])
            if not as_json:
                heading = _say(part, watch, heading)
            for name, one in part.found.items():
                if numbers:
                    maps[name].append(one.maps)
            first = next(iter(part.found.values()))
            if not numbers:
                rows += [
                    [first.photos[at], *(one.overlay(at) for one in part.found.values())]
                    for at in range(len(first))
                ]
    if numbers:
        joined = [np.concatenate(parts) for parts in maps.values()]
        with atomic_path(target) as temporary:
            np.save(temporary, joined[0] if len(joined) == 1 else np.stack(joined))
    else:
        save_image(tiled(rows), target)
    return listed


def _write_folder(photographs: Photographs, folder: Path, as_json: bool) -> list[_Map]:
    import numpy as np
    from PIL import Image

    from ..files import atomic_path
    from ..pictures.formats import save_image

    check_folder(folder)
    make_folder(folder)
    top = photographs.top
    heading = ("", "")
    listed: list[_Map] = []
    with PhotoWatch("explain", quiet=as_json, named=None) as watch:
        for part in photographs.parts(watch, folder):
            for method, one in part.found.items():
                for at in range(len(one)):
                    photo, rank = divmod(at, top)
                    stem = stems_of(part.names[photo], method, top)[rank]
                    make_folder((folder / stem).parent)
                    with atomic_path(folder / f"{stem}.npy") as temporary:
                        np.save(temporary, one.maps[at])
                    # Last: its key says that both are there.
                    text = with_key(part.keys[method][photo])
                    save_image(Image.fromarray(one.overlay(at)), folder / f"{stem}.png", text)
            listed += _as_data(part, folder)
            if not as_json:
                heading = _say(part, watch, heading)
    return listed


def _say(part: Part, watch: PhotoWatch, heading: tuple[str, str]) -> tuple[str, str]:
    """Print a line for each map, under its method and layer, and return what stands above it."""
    from ..plain import on_one_line

    for name, found in part.found.items():
        top = len(found) // len(part.files)
        here = name, f" of {found.layer}" if found.layer else ""
        # Of one method the lines of all parts stand below each other.
        if here != heading:
            watch.show(*here)
            heading = here
        for at, (target, value) in enumerate(zip(found.targets, found.values, strict=True)):
            missed = ""
            if found.completeness is not None:
                missed = f", of which the map misses {found.completeness[at]:+.2g}"
            file = on_one_line(str(part.shown[at // top]))
            watch.show("", f"  {file}  {target}  {value:.4g}{missed}")
    return heading


def _as_data(part: Part, files: list[Path] | Path) -> list[_Map]:
    """What scripts are told of each map.

    Args:
        part: The photographs.
        files: Those of all maps, or the folder in which each map has its own.
    """
    listed: list[_Map] = []
    for method, found in part.found.items():
        top = len(found) // len(part.files)
        for at, (target, value) in enumerate(zip(found.targets, found.values, strict=True)):
            photo, rank = divmod(at, top)
            missed = None if found.completeness is None else float(found.completeness[at])
            own = files
            if isinstance(own, Path):
                stem = stems_of(part.names[photo], method, top)[rank]
                own = [own / f"{stem}.png", own / f"{stem}.npy"]
            listed.append(
                {
                    "photo": str(part.files[photo]),
                    "method": method,
                    "layer": found.layer or None,
                    "target": target,
                    "value": _number(float(value)),
                    "missed": None if missed is None else _number(missed),
                    "files": [str(file) for file in own],
                }
            )
    return listed


def _number(value: float) -> float | None:
    """A number as JSON has it, which has no word for what is none."""
    return value if math.isfinite(value) else None


def _end(target: Path, photographs: Photographs) -> None:
    there, left = photographs.there, photographs.skipped
    words = f"; {plural(there, 'photo')} explained before" if there else ""
    words += f"; {plural(left, 'file')} left out" if left else ""
    stdout().print(f"{target}{words}", style="bold", soft_wrap=True)
