"""A contact sheet: pictures in a grid, each with a caption below it."""

from __future__ import annotations

import math
from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont

_GAP = 6
_CAPTION = 20
_FONT = 13
# What Pillow's own font has no glyph for, and what looks the same.
_GLYPHS = str.maketrans("−–×‖", "--x|")
# Small pictures stand this far apart at most, so that their captions can be read.
_WIDEST_CAPTION = 160


def contact_sheet(
    pictures: Sequence[Image.Image], captions: Sequence[str], *, columns: int | None = None
) -> Image.Image:
    """Return pictures in a grid on white, in rows from left to right.

    Args:
        pictures: At least one; of different sizes each stands in the middle of its place.
        captions: As many, one line each; what is too long ends in an ellipsis.
        columns: How many there are in a row; by default so many that the sheet is about square.
    """
    font = ImageFont.load_default(size=_FONT)
    captions = [drawable(caption) for caption in captions]
    longest = max(math.ceil(font.getlength(caption)) for caption in captions)
    width = max(*(picture.width for picture in pictures), min(longest, _WIDEST_CAPTION))
    height = max(picture.height for picture in pictures)
    across, down = width + _GAP, height + _CAPTION + _GAP
    if columns is None:
        columns = round(math.sqrt(len(pictures) * down / across)) or 1
    columns = min(columns, len(pictures))
    rows = -(-len(pictures) // columns)
    sheet = Image.new("RGB", (columns * across + _GAP, rows * down + _GAP), "white")
    draw = ImageDraw.Draw(sheet)
    for number, (picture, caption) in enumerate(zip(pictures, captions, strict=True)):
        left, top = _GAP + number % columns * across, _GAP + number // columns * down
        inset = (width - picture.width) // 2, (height - picture.height) // 2
        sheet.paste(picture.convert("RGB"), (left + inset[0], top + inset[1]))
        draw.text((left + 1, top + height + 2), _cut(caption, width, font), fill="#333", font=font)
    return sheet


def drawable(text: str) -> str:
    """Return a text in characters that Pillow's own font has."""
    return text.translate(_GLYPHS)


def _cut(caption: str, width: int, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> str:
    text = caption
    while text and font.getlength(text if text == caption else text + "…") > width:
        text = text[:-1]
    return text if text == caption else text + "…"
