"""Contact sheets of examples: of each unit a row of patches, the strongest first."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ..errors import InputError
from ..pictures.sheet import drawable
from ..runtime.cores import cores
from .unit_examples import Place, UnitExamples

TILE = 96
"""Height and width of a patch, in pixels."""

_GAP = 5
_APART = 18
_CAPTION = 15
_HEAD = 26
_MARGIN = 10
_INK, _PALE, _FRAME = "#222222", "#777777", "#bbbbbb"
_MOST = "#b4301f"
_LEAST = "#1f4fb4"
ON_A_SHEET = 32
"""Units on a sheet at most."""


def sheet_of(units: Sequence[UnitExamples]) -> Image.Image:
    """Return a contact sheet.

    Args:
        units: At least one.

    Returns:
        Of each unit a row of its strongest patches, those of quantiles, and its weakest last, with
        their values, and below its name the mean and the standard deviation over all photographs.
        Each patch is what its cell sees, enlarged or made smaller; what is not square has white
        beside it.
    """
    small, plain = ImageFont.load_default(size=11), ImageFont.load_default(size=13)
    rows = [_groups(unit) for unit in units]
    widths = [max(len(row[at]) for row in rows) for at in range(3)]
    left = (
        _MARGIN
        + max(round(plain.getlength(drawable(text))) for u in units for text in _named(u))
        + 14
    )
    starts = []
    for count in widths:
        starts.append(left)
        left += count * (TILE + _GAP) + (_APART if count else 0)
    height = TILE + _CAPTION + _GAP
    sheet = Image.new("RGB", (left - _APART + _MARGIN, _HEAD + len(rows) * height + 6), "white")
    draw = ImageDraw.Draw(sheet)
    titles = (("strongest", _MOST), ("by quantile", _PALE), ("weakest", _LEAST))
    for start, count, (title, colour) in zip(starts, widths, titles, strict=True):
        if count:
            draw.text((start, 7), title, fill=colour, font=plain)
    patches = patches_of([place for row in rows for group in row for _, place in group])
    for number, (unit, row) in enumerate(zip(units, rows, strict=True)):
        top = _HEAD + number * height
        facts = f"{number_of(unit.mean)} ± {number_of(unit.std)}"
        lines = [*((text, _INK, plain) for text in _named(unit)), (facts, _PALE, small)]
        for line, (text, ink, font) in enumerate(lines):
            at = top + TILE // 2 - 9 * len(lines) + 18 * line
            draw.text((_MARGIN, at), drawable(text), fill=ink, font=font)
        for start, group, (_, colour) in zip(starts, row, titles, strict=True):
            for at, (caption, place) in enumerate(group):
                x = start + at * (TILE + _GAP)
                patch = patches.get(place)
                if patch is not None:
                    _put(sheet, draw, patch, x, top, colour)
                draw.text((x + 1, top + TILE + 1), drawable(caption), fill=_PALE, font=small)
    return sheet


def _named(unit: UnitExamples) -> list[str]:
    """What stands beside a row."""
    return [unit.name, unit.label] if unit.label else [unit.name]


def number_of(value: float, digits: int = 3) -> str:
    """Return a number in some digits, without an exponent where people do without."""
    rounded = float(f"{value:.{digits}g}")
    text = f"{rounded:.{digits}g}" if abs(rounded) < 10**digits else f"{rounded:.10g}"
    return text.replace("-", "−")


def _groups(unit: UnitExamples) -> list[list[tuple[str, Place]]]:
    """The strongest, those of quantiles, and the weakest last, each with what stands below it."""
    most = [(number_of(place.value, 4), place) for place in unit.most]
    least = [(number_of(place.value, 4), place) for place in unit.least]
    between = [(f"{q:.0%}  {number_of(place.value)}", place) for q, place in unit.quantiles]
    return [most, between, least[::-1]]


def patches_of(places: Sequence[Place]) -> dict[Place, Image.Image]:
    """Return the patches that can still be read, by place; each photo is read once.

    Args:
        places: Photographs, and where in them.

    Returns:
        Each at most 96 pixels a side.
    """
    by_photo: dict[str, list[Place]] = {}
    for place in dict.fromkeys(places):
        by_photo.setdefault(place.path, []).append(place)

    def cut(of: list[Place]) -> list[tuple[Place, Image.Image]]:
        try:
            photo = of[0].photo()
        except InputError:  # moved or removed since: its value is still there
            return []
        return [(place, fitted(part_of(photo, place), TILE)) for place in of]

    with ThreadPoolExecutor(cores()) as pool:
        return dict(pair for pairs in pool.map(cut, by_photo.values()) for pair in pairs)


def part_of(photo: np.ndarray, place: Place) -> np.ndarray:
    """Return what a place's cell sees of a photograph (H, W, 3) that was read already."""
    top, bottom, left, right = place.box
    return photo[top:bottom, left:right]


def fitted(patch: np.ndarray, side: int) -> Image.Image:
    """Return a patch (h, w, 3) uint8 as large as fits into a square; small ones stay pixels."""
    height, width = patch.shape[:2]
    scale = side / max(height, width)
    size = max(round(width * scale), 1), max(round(height * scale), 1)
    how = Image.Resampling.NEAREST if scale > 4 else Image.Resampling.BICUBIC
    return Image.fromarray(np.ascontiguousarray(patch)).resize(size, how)


def _put(
    sheet: Image.Image, draw: ImageDraw.ImageDraw, patch: Image.Image, x: int, y: int, colour: str
) -> None:
    left, top = x + (TILE - patch.width) // 2, y + (TILE - patch.height) // 2
    sheet.paste(patch, (left, top))
    draw.rectangle(
        (left - 1, top - 1, left + patch.width, top + patch.height), outline=colour, width=1
    )
