"""A page for people: headings, rows of pictures with captions, a table, and sentences, on white."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath

from PIL import Image, ImageDraw, ImageFont

from ..errors import OutputError
from ..pictures.sheet import drawable

INK, DIM, RULE, SHADE = "#1f2328", "#6b7280", "#e5e7eb", (37, 99, 235)
_MARGIN = 28
_GAP = 14
_WIDEST = 65_000
_HEADING, _TEXT, _SMALL = 24, 15, 13
_BETWEEN_LINES = 1.35
_DEEPEST = 0.28
"""How much of the shade's colour a cell of a table takes at most: its number stays readable."""

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


@dataclass(frozen=True)
class Shown:
    """One picture of a row.

    Attributes:
        image: The picture.
        title: What it is, below it.
        lines: What else there is to say of it, smaller.
        below: A second picture, between it and its title.
    """

    image: Image.Image
    title: str = ""
    lines: tuple[str, ...] = ()
    below: Image.Image | None = None


@dataclass(frozen=True)
class Entry:
    """One cell of a table.

    Attributes:
        text: What stands there.
        share: How dark it is, from 0 to 1.
        strong: Whether it is framed.
    """

    text: str
    share: float = 0.0
    strong: bool = False


class Page:
    """Blocks from the top to the bottom, each as wide as the page."""

    def __init__(self, width: int) -> None:
        """Begin an empty page.

        Args:
            width: Of what is on it, in pixels, without the margins.
        """
        self._width = max(width, 1)
        self._blocks: list[Image.Image] = []
        self._space: list[int] = []

    def heading(self, text: str, below: str = "") -> None:
        """Add a title, and a line below it."""
        self._words(text, _font(_HEADING), INK, 0)
        if below:
            self._words(below, _font(_TEXT), DIM, 4)

    def text(self, text: str, *, dim: bool = False, space: int = 8) -> None:
        """Add a sentence, broken into lines where it is longer than the page is wide."""
        self._words(text, _font(_TEXT), DIM if dim else INK, space)

    def row(self, shown: Sequence[Shown], label: str = "", label_width: int = 0) -> None:
        """Add pictures side by side, each with its captions below it.

        Args:
            shown: The pictures, as large as they are.
            label: What stands to the left of them, in the middle.
            label_width: How wide that place is.
        """
        title, small = _font(_TEXT), _font(_SMALL)
        # Captions of what follows are below each other, also where some are longer.
        high = max(one.image.height for one in shown)
        under = max((one.below.height for one in shown if one.below), default=0)
        wrapped = [
            [(line, title, INK) for line in _wrapped(one.title, title, one.image.width)]
            + [
                (line, small, DIM)
                for text in one.lines
                for line in _wrapped(text, small, one.image.width)
            ]
            for one in shown
        ]
        captions = max(sum(_line(font) for _, font, _ in lines) for lines in wrapped)
        top = high + (under + 6 if under else 0)
        block = self._block(top + (captions + 6 if captions else 0))
        draw = ImageDraw.Draw(block)
        if label:
            lines = _wrapped(label, title, label_width - _GAP)
            y = (high - len(lines) * _line(title)) // 2
            for line in lines:
                draw.text((0, y), line, fill=INK, font=title)
                y += _line(title)
        left = label_width
        for one, lines_of_one in zip(shown, wrapped, strict=True):
            block.paste(one.image.convert("RGB"), (left, high - one.image.height))
            if one.below is not None:
                block.paste(one.below.convert("RGB"), (left, high + 6))
            y = top + 6
            for line, font, ink in lines_of_one:
                draw.text((left, y), line, fill=ink, font=font)
                y += _line(font)
            left += one.image.width + _GAP
        self._add(block, _GAP)

    def headings(self, words: Sequence[str], width: int, label_width: int = 0) -> None:
        """Add what stands above the columns of the rows below.

        Args:
            words: One for each column.
            width: Of a column, in pixels.
            label_width: As `row` takes it.
        """
        font = _font(_TEXT)
        wrapped = [_wrapped(word, font, width) for word in words]
        block = self._block(max(map(len, wrapped)) * _line(font))
        draw = ImageDraw.Draw(block)
        for number, lines in enumerate(wrapped):
            for at, line in enumerate(lines):
                left = label_width + number * (width + _GAP)
                draw.text((left, at * _line(font)), line, fill=INK, font=font)
        self._add(block, _GAP)

    def table(self, columns: Sequence[str], rows: Sequence[tuple[str, Sequence[Entry]]]) -> None:
        """Add a table.

        Args:
            columns: What stands above each, the first one of the rows' names.
            rows: A name each, and an entry for each further column.
        """
        font, small = _font(_TEXT), _font(_SMALL)
        first = max(font.getlength(words) for words in (columns[0], *(name for name, _ in rows)))
        first = round(first) + 2 * _GAP
        width = min((self._width - first) // max(len(columns) - 1, 1), 150)
        wrapped = [_wrapped(words, small, width - 8) for words in columns]
        above = max(map(len, wrapped)) * _line(small) + 6
        high = _line(font) + 8
        block = self._block(above + high * len(rows) + 1)
        draw = ImageDraw.Draw(block)
        for number, lines in enumerate(wrapped):
            left = 0 if number == 0 else first + (number - 1) * width
            for at, line in enumerate(reversed(lines)):
                place = above - 6 - (at + 1) * _line(small)
                x = left if number == 0 else left + width - 8 - small.getlength(line)
                draw.text((x, place), line, fill=DIM, font=small)
        for at, (name, entries) in enumerate(rows):
            top = above + at * high
            draw.line((0, top, first + width * len(entries), top), fill=RULE)
            draw.text((0, top + 5), drawable(name), fill=INK, font=font)
            for number, entry in enumerate(entries):
                left = first + number * width
                box = (left + 1, top + 1, left + width - 1, top + high - 1)
                draw.rectangle(box, fill=_shade(entry.share))
                if entry.strong:
                    draw.rectangle(box, outline=SHADE)
                words = drawable(entry.text)
                x = left + width - 8 - font.getlength(words)
                draw.text((x, top + 5), words, fill=INK, font=font)
        self._add(block, 2 * _GAP)

    def image(self) -> Image.Image:
        """Return the page.

        Raises:
            OutputError: it has more pixels than a picture can have.
        """
        width = self._width + 2 * _MARGIN
        height = sum(block.height for block in self._blocks) + sum(self._space) + 2 * _MARGIN
        if max(width, height) > _WIDEST:
            raise OutputError(
                f"a page of {width}×{height} pixels is more than a picture can have: make fewer or "
                "smaller pictures"
            )
        page = Image.new("RGB", (width, height), "white")
        top = _MARGIN
        for block, space in zip(self._blocks, self._space, strict=True):
            top += space
            page.paste(block, (_MARGIN, top))
            top += block.height
        return page

    def _words(self, text: str, font: Font, ink: str, space: int) -> None:
        lines = _wrapped(text, font, self._width)
        block = self._block(len(lines) * _line(font))
        draw = ImageDraw.Draw(block)
        for at, line in enumerate(lines):
            draw.text((0, at * _line(font)), line, fill=ink, font=font)
        self._add(block, space)

    def _block(self, height: int) -> Image.Image:
        return Image.new("RGB", (self._width, max(height, 1)), "white")

    def _add(self, block: Image.Image, space: int) -> None:
        self._space.append(space if self._blocks else 0)
        self._blocks.append(block)


def width_of(count: int, width: int, label_width: int = 0) -> int:
    """Return how wide a row of so many pictures is, in pixels."""
    return label_width + count * (width + _GAP) - _GAP


def label_width(words: Sequence[str], most: int = 150) -> int:
    """Return how wide the place for the labels of rows has to be, in pixels; 0 for none."""
    longest = max((_font(_TEXT).getlength(word) for word in words), default=0.0)
    return min(round(longest) + 1, most) + _GAP if longest else 0


def _font(size: int) -> Font:
    return ImageFont.load_default(size=size)


def _line(font: Font) -> int:
    return round(getattr(font, "size", _TEXT) * _BETWEEN_LINES)


def _wrapped(text: str, font: Font, width: float) -> list[str]:
    """A text in lines; what has no spaces and is wider ends in an ellipsis."""
    lines: list[str] = []
    for word in drawable(text).split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and font.getlength(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(_cut(word, font, width))
    return lines


def _cut(word: str, font: Font, width: float) -> str:
    text = word
    while len(text) > 1 and font.getlength(text if text == word else f"{text}…") > width:
        text = text[:-1]
    return text if text == word else f"{text}…"


def _shade(share: float) -> tuple[int, int, int]:
    part = _DEEPEST * min(max(share, 0.0), 1.0)
    red, green, blue = (round(255 + (ink - 255) * part) for ink in SHADE)
    return red, green, blue


def file_name(model: str) -> str:
    """Return a model's name without the folders that it lies in."""
    return PurePath(model).name or model


def number(value: float) -> str:
    """Return a value in three digits, or all before the point."""
    text = f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return text.replace("-", "−")
