"""The figures of what a network sees in a photograph, as plain pictures."""

from __future__ import annotations

import base64
import io
from html import escape
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from ..errors import InputError
from ..pictures.sheet import contact_sheet
from ..plain import whole
from .heat import overlay
from .influence import telling_units

if TYPE_CHECKING:
    from .anatomy import Blocks, Groups, LayerBlocks

_GAP = 1
_GROUND = (230, 230, 230)
_TILE = 112
_HTML_CELL = 18

GROUP_COLOURS = (
    (230, 159, 0), (86, 180, 233), (0, 158, 115), (204, 121, 167),
    (213, 94, 0), (0, 114, 178), (240, 228, 66), (153, 153, 153),
)  # fmt: skip
"""Of groups, in turn: colours that are told apart by people who see fewer (Okabe and Ito 2008)."""


def grid(layer: LayerBlocks, *, magnitude: bool, side: int) -> Image.Image:
    """Return the pictures of a layer's cells in their places.

    Args:
        layer: The layer.
        magnitude: Whether each is as large as its cell's activations are long, by area.
        side: Of a cell in pixels.
    """
    height, width = layer.shape
    step = side + _GAP
    sheet = Image.new("RGB", (width * step + _GAP, height * step + _GAP), _GROUND)
    lengths = layer.lengths
    parts = np.sqrt(lengths / max(float(lengths.max()), 1e-12))
    for y, x in np.ndindex(height, width):
        own = max(round(side * float(parts[y, x])), 1) if magnitude else side
        tile = _resized(layer.pictures[y, x], own)
        inset = _GAP + (side - own) // 2
        sheet.paste(tile, (x * step + inset, y * step + inset))
    return sheet


def dictionary(blocks: Blocks, layer: LayerBlocks, y: int, x: int) -> Image.Image:
    """Return the part of the photo, the cell, and its strongest units with their activations.

    Raises:
        InputError: there is no such cell.
    """
    units = layer.dictionary(y, x)
    height, width = layer.shape
    rows, columns = blocks.photo.shape[:2]
    box = (columns * x / width, rows * y / height, columns * (x + 1) / width,
           rows * (y + 1) / height)  # fmt: skip
    part = Image.fromarray(blocks.photo).resize((_TILE, _TILE), Image.Resampling.BICUBIC, box)
    tiles = [part, _resized(layer.pictures[y, x], _TILE)]
    captions = ["photo", f"{layer.name} {y}, {x}"]
    for unit, value in units:
        tiles.append(_resized(layer.units[unit], _TILE))
        captions.append(f":{unit}  {value:.3g}")
    return contact_sheet(tiles, captions, columns=len(tiles))


def heat(blocks: Blocks, layer: LayerBlocks, which: int) -> Image.Image:
    """Return the photo with what speaks for a class over it, cell by cell.

    Raises:
        InputError: there is no such class.
    """
    at = _class_at(blocks, which)
    assert layer.class_maps is not None  # there are classes
    return Image.fromarray(_over(blocks.photo, layer.class_maps[at]))


def channels(blocks: Blocks, layer: LayerBlocks, which: int) -> Image.Image:
    """Return the units that speak most for a class and against it, each with where it does.

    Raises:
        InputError: there is no such class, or no unit that does.
    """
    at = _class_at(blocks, which)
    assert layer.class_channels is not None  # there are classes
    attributions = layer.class_channels[at]
    units = telling_units(attributions)
    if not units:
        raise InputError(f"no unit of {layer.name} speaks for {blocks.classes[at].name} or against")
    pictures = [_resized(layer.units[unit], _TILE) for unit in units]
    places = [_resized(_over(blocks.photo, layer.unit_maps[at, unit]), _TILE) for unit in units]
    captions = [f"{layer.name}:{unit}" for unit in units]
    values = [f"{attributions[unit]:+.3g}".replace("-", "−") for unit in units]
    return contact_sheet([*pictures, *places], [*captions, *values], columns=len(units))


def groups(blocks: Blocks, layer: LayerBlocks, count: int) -> Image.Image:
    """Return a picture of each group, and where in the photo it is.

    Raises:
        InputError: the layer was not divided into so many.
    """
    found = _groups_of(layer, whole("count", count, 1))
    maps = found.factors.maps
    most = max(float(maps.max()), 1e-12)
    pictures = [_resized(picture, _TILE) for picture in found.pictures]
    places = []
    for number in range(len(found)):
        cover = Image.fromarray(np.asarray(maps[..., number] / most * 220, np.uint8))
        grey = Image.fromarray(blocks.photo).convert("L").convert("RGB")
        colour = Image.new("RGB", grey.size, GROUP_COLOURS[number % len(GROUP_COLOURS)])
        mask = cover.resize(grey.size, Image.Resampling.BICUBIC)
        places.append(Image.composite(colour, grey, mask).resize((_TILE, _TILE)))
    captions = [f"{layer.name}, group {number + 1}" for number in range(len(found))]
    strongest = []
    for number in range(len(found)):
        if found.effects is None or not blocks.classes:
            strongest.append("")
            continue
        at = int(np.argmax(np.abs(found.effects[number])))
        value = f"{found.effects[number, at]:+.3g}".replace("-", "−")
        strongest.append(f"{value} {blocks.classes[at].name}")
    return contact_sheet([*pictures, *places], [*captions, *strongest], columns=len(found))


def as_html(blocks: Blocks) -> str:
    """Return the photo and the grids of all layers, for a notebook."""
    height = max(layer.shape[0] for layer in blocks.layers) * (_HTML_CELL + _GAP) + _GAP
    shown = [(blocks.name, Image.fromarray(blocks.photo))]
    shown += [(layer.name, grid(layer, magnitude=False, side=32)) for layer in blocks.layers]
    figures = "".join(
        '<figure style="margin:0"><img style="display:block" '
        f'height="{height}" alt="{escape(name, quote=True)}" src="data:image/webp;base64,'
        f'{_encoded(image)}"><figcaption>{escape(name)}</figcaption></figure>'
        for name, image in shown
    )
    said = ", ".join(f"{one.name} ({one.probability:.0%})" for one in blocks.classes)
    classes = f"<p>{escape(said)}</p>" if said else ""
    row = f'<div style="display:flex;flex-wrap:wrap;gap:12px">{figures}</div>'
    return f"<div><b>{escape(blocks.name)} in {escape(blocks.model)}</b>{classes}{row}</div>"


def _encoded(image: Image.Image) -> str:
    buffer = io.BytesIO()
    image.save(buffer, "WEBP", quality=82)
    return base64.b64encode(buffer.getvalue()).decode()


def _resized(picture: np.ndarray, side: int) -> Image.Image:
    return Image.fromarray(picture).resize((side, side), Image.Resampling.LANCZOS)


def _over(photo: np.ndarray, cells: np.ndarray) -> np.ndarray:
    """A map of cells over a photo, brought to its size."""
    height, width = photo.shape[:2]
    small = Image.fromarray(np.asarray(cells, np.float32), "F")
    large = np.asarray(small.resize((width, height), Image.Resampling.BILINEAR))
    return overlay(photo, large, signed=True)


def _class_at(blocks: Blocks, which: int) -> int:
    at = whole("which", which, 0)
    if at >= len(blocks.classes):
        if not blocks.classes:
            raise InputError(f"{blocks.model} has no classes, or none were looked at")
        raise InputError(
            f"{len(blocks.classes)} classes were looked at, 0 to {len(blocks.classes) - 1}; there "
            f"is no class {at} among them"
        )
    return at


def _groups_of(layer: LayerBlocks, count: int) -> Groups:
    if count not in layer.groups:
        known = ", ".join(map(str, layer.groups)) or "none"
        raise InputError(
            f"the neurons of {layer.name} were divided into {known} groups, not into {count}"
        )
    return layer.groups[count]
