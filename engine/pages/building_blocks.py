"""The page of building blocks: what a network sees in photographs, to be pointed at."""

from __future__ import annotations

import io
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ..errors import InputError
from ..files import write_bytes
from ..plain import path as a_path
from ..plain import shown
from ..studies.anatomy import Blocks, LayerBlocks
from ..studies.grids import MOST_CELLS
from ..studies.influence import telling_units
from .site import (
    check_jinja,
    made,
    model_called,
    packed,
    page,
    scaled_to_bytes,
    script,
    slug,
    write_assets,
    write_text,
)
from .sprites import Sheet, write_sheet

_ASSETS = ["base.css", "base.js", "blocks.css", "blocks.js"]
_PHOTO_QUALITY = 90


def write_blocks(every: Iterable[Blocks], folder: str | os.PathLike[str]) -> Path:
    """Write a page of photographs that a network has taken apart (see `onnxscope.blocks`).

    It opens from the file system, without a server, and works without a network.

    Args:
        every: At least one, all of the same network and layers; each is written as it comes.
        folder: Where the page goes; what is there already stays, but for files of these names.

    Returns:
        The page, `index.html`.

    Raises:
        InputError: Jinja2 is not installed, or there are none, or they are not of one network.
        OutputError: it cannot be written.
    """
    check_jinja()
    target = made(a_path("folder", folder))
    taken: set[str] = set()
    photos: list[dict[str, str]] = []
    first: Blocks | None = None
    written: Path | None = None
    if not isinstance(every, Iterable):
        raise InputError(f"a page takes a list of blocks, at least one, not {shown(every)}")
    for blocks in every:
        if not isinstance(blocks, Blocks):
            raise InputError(f"a page shows what onnxscope.blocks gives, not {shown(blocks)}")
        first = first or blocks
        if _of(blocks) != _of(first):
            raise InputError(
                f"the blocks of {blocks.name} are of other layers or of another network than those "
                f"of {first.name}: one page shows one network"
            )
        name = slug(Path(blocks.name).stem, taken, "photo")
        photos.append({"slug": name, "name": blocks.name, "source": f"photos/{name}/photo.jpg"})
        _write_photo(blocks, target, name)
        # After each, so that what was interrupted is a page of those that are done.
        written = _write_page(first, photos, target)
    if written is None:
        raise InputError("a page needs the blocks of at least one photo")
    return written


def _write_page(first: Blocks, photos: list[dict[str, str]], folder: Path) -> Path:
    """Write what all photographs share."""
    counts = sorted({count for layer in first.layers for count in layer.groups})
    known = {
        "photos": [photo["slug"] for photo in photos],
        "strongest": first.layers[0].strongest,
        "groups": counts,
    }
    start = "window.onnxscope = window.onnxscope || {};\nwindow.onnxscope.blocks = "
    write_text(folder, "data.js", script(start, known))
    write_assets(folder, _ASSETS)
    model = model_called(first.model)
    text = page(
        "blocks.html",
        title=f"The building blocks of {model}",
        styles=["blocks.css"],
        scripts=["data.js", "assets/blocks.js"],
        model=model,
        photos=photos,
        strongest=first.layers[0].strongest,
        most=MOST_CELLS,
        pooled=any(layer.cells != layer.shape for layer in first.layers),
        classes=len(first.classes),
        groups=counts,
    )
    return write_text(folder, "index.html", text)


def _of(blocks: Blocks) -> tuple[object, ...]:
    layers = tuple((layer.name, tuple(layer.groups)) for layer in blocks.layers)
    return blocks.model, layers, len(blocks.classes)


def _write_photo(blocks: Blocks, folder: Path, name: str) -> None:
    inside = f"photos/{name}"
    made(folder / inside)
    buffer = io.BytesIO()
    Image.fromarray(blocks.photo).save(buffer, "JPEG", quality=_PHOTO_QUALITY)
    write_bytes(folder / inside / "photo.jpg", buffer.getvalue(), own=True)
    height, width = blocks.photo.shape[:2]
    data = {
        "name": blocks.name,
        "photo": f"{inside}/photo.jpg",
        "height": height,
        "width": width,
        "classes": [
            {
                "name": one.name,
                "index": one.index,
                "score": _short(one.score),
                "probability": _short(one.probability),
            }
            for one in blocks.classes
        ],
        "layers": [
            _layer(blocks, at, folder, f"{inside}/layer-{at + 1}")
            for at in range(len(blocks.layers))
        ],
    }
    text = script(f'window.onnxscope.arrived("{name}", ', data, ");")
    write_text(folder, f"{inside}/data.js", text)


def _layer(blocks: Blocks, at: int, folder: Path, start: str) -> dict[str, Any]:
    """All of a layer, as the page's script reads it; its pictures are written."""
    layer = blocks.layers[at]
    height, width = layer.shape
    side = layer.pictures.shape[2]
    cells = layer.pictures.reshape(height * width, side, side, 3)
    strongest = [layer.dictionary(y, x) for y in range(height) for x in range(width)]
    found: dict[str, Any] = {
        "name": layer.name,
        "rows": layer.cells[0],
        "columns": layer.cells[1],
        "height": height,
        "width": width,
        "cells": write_sheet(cells, folder, f"{start}-cells.webp").to_json(),
        "lengths": [_short(value) for value in layer.lengths.ravel()],
        "strongest": [[[unit, _short(value)] for unit, value in cell] for cell in strongest],
        "most": _short(max((value for cell in strongest for _, value in cell), default=1.0)),
        "units": _units(layer, folder, f"{start}-units.webp"),
        "influences": [
            _influence(layer.influences[earlier.name]) for earlier in blocks.layers[:at]
        ],
        "groups": _groups(layer, folder, f"{start}-groups.webp"),
    }
    if layer.class_maps is not None and layer.class_channels is not None:
        values, scales = scaled_to_bytes(layer.class_maps)
        found["classMaps"] = [
            {"values": values[which].ravel().tolist(), "scale": _short(float(scales[which]))}
            for which in range(len(values))
        ]
        found["channels"] = [
            [
                {
                    "unit": unit,
                    "value": _short(float(channels[unit])),
                    "map": [_short(float(v)) for v in layer.unit_maps[which, unit].ravel()],
                }
                for unit in telling_units(channels)
            ]
            for which, channels in enumerate(layer.class_channels)
        ]
    return found


def _units(layer: LayerBlocks, folder: Path, source: str) -> dict[str, Any]:
    numbers = sorted(layer.units)
    sheet: Sheet | None = None
    if numbers:
        sheet = write_sheet(np.stack([layer.units[unit] for unit in numbers]), folder, source)
    return (sheet.to_json() if sheet else {}) | {
        "index": {str(unit): at for at, unit in enumerate(numbers)},
        "of": layer.vectors.shape[2],
    }


def _influence(found: np.ndarray) -> dict[str, Any]:
    """From (height, width, height there, width there): a row of bytes for each cell here."""
    rows = found.reshape(found.shape[0] * found.shape[1], -1)
    values, scales = scaled_to_bytes(rows)
    return {"values": packed(values), "scales": packed(scales), "size": rows.shape[1]}


def _groups(layer: LayerBlocks, folder: Path, source: str) -> dict[str, Any]:
    if not layer.groups:
        return {}
    every = [groups.pictures for groups in layer.groups.values()]
    sheet = write_sheet(np.concatenate(every), folder, source).to_json()
    found = {}
    first = 0
    for count, groups in layer.groups.items():
        maps = groups.factors.maps
        found[str(count)] = {
            "sheet": sheet,
            "first": first,
            "share": _short(groups.factors.share),
            "maps": [[_short(float(v)) for v in maps[..., g].ravel()] for g in range(count)],
            "effects": _rows(groups.effects),
            "flow": _rows(groups.flow),
        }
        first += len(groups)
    return found


def _rows(values: np.ndarray | None) -> list[list[float]] | None:
    return None if values is None else [[_short(float(v)) for v in row] for row in values]


def _short(value: float) -> float:
    """A number in four digits: more would only be weight."""
    return float(f"{value:.4g}")
