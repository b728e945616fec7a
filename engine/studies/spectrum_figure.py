"""`UnitSpectrum`: from what a unit likes least, over photographs, to what it likes most."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ..errors import InputError
from ..images import as_uint8
from ..pictures.picture import Picture
from ..pictures.sheet import drawable
from .contact import fitted, part_of
from .page import DIM, INK, RULE, number
from .study import Study
from .unit_examples import Place, UnitExamples

_TILE, _GAP, _MARGIN = 132, 10, 26
_APART = 22
"""Further space between the pictures and the photographs."""

_TITLE, _ABOVE, _BELOW = 62, 20, 18
_LINKS, _HISTOGRAM, _TICKS = 46, 96, 24
_FINE = 3
"""Lines are drawn so many times larger, and made smaller, which makes them smooth."""

_BINS = 72

_BROKEN, _BEYOND, _END = 0.4, 150, 16
"""By what part of the photographs' range a picture is beyond for the axis to be broken; how wide
it is beyond, and what is left of that behind the picture, in pixels."""

_AGAINST, _PHOTO, _FOR = "#1f4fb4", "#9aa0a8", "#b4301f"


@dataclass(frozen=True, eq=False)
class UnitSpectrum(Study):
    """A unit's negative picture, photographs by quantile, and its picture, along its values.

    Attributes:
        model: The network's name.
        examples: The unit's photographs; the weakest, those of quantiles and the strongest are
            shown.
        measure: What the values are, in words.
        picture: Two pictures: what the unit likes least, and what it likes most.
        values: Theirs, measured as the photographs' are, (2,) float32.
    """

    model: str
    examples: UnitExamples
    measure: str
    picture: Picture
    values: np.ndarray

    def __repr__(self) -> str:
        low, high = (number(float(value)) for value in self.values)
        return f"<spectrum of {self.examples.name}: {low} to {high}, {self.examples.count} photos>"

    @property
    def places(self) -> tuple[tuple[str, Place], ...]:
        """The photographs that are shown, weakest first, each with what it is called."""
        between = [(f"{q:.0%}" if q else "0%", at) for q, at in self.examples.quantiles[::-1]]
        return (
            ("weakest photo", self.examples.least[0]),
            *between,
            ("strongest photo", self.examples.most[0]),
        )

    def to_json(self) -> dict[str, Any]:
        """Return all of it but the pictures and the sample, as plain data."""
        low, high = (float(value) for value in self.values)
        return {
            "model": self.model,
            "measure": self.measure,
            "negative": low,
            "positive": high,
            "recipe": json.loads(self.picture.recipe.to_text()),
            "examples": self.examples.to_json(),
        }

    def figure(self) -> Image.Image:
        """Return pictures and photographs in a row, and below it their places on an axis.

        The axis has the histogram of the photographs' values over it. A photograph that cannot be
        read any more leaves its place empty.
        """
        tiles = self._tiles()
        lefts = []
        left = _MARGIN
        for at in range(len(tiles)):
            lefts.append(left)
            left += _TILE + _GAP
            if at in (0, len(tiles) - 2):
                left += _APART
        width = left - _GAP + _MARGIN
        top = _MARGIN + _TITLE + _ABOVE
        lines_top = top + _TILE + _BELOW + 4
        height = lines_top + _LINKS + _HISTOGRAM + _TICKS + _MARGIN
        sheet = Image.new("RGB", (width, height), "white")
        axis = _Axis([value for _, _, value, _ in tiles], (_MARGIN, width - _MARGIN))
        graph = self._graph(axis, width, lefts, [(v, c) for _, _, v, c in tiles])
        sheet.paste(graph, (0, lines_top))
        draw = ImageDraw.Draw(sheet)
        self._title(draw)
        small, plain = ImageFont.load_default(size=12), ImageFont.load_default(size=13)
        for left, (title, image, value, colour) in zip(lefts, tiles, strict=True):
            draw.text((left, top - _ABOVE), drawable(title), fill=INK, font=plain)
            if image is not None:
                inset = left + (_TILE - image.width) // 2, top + (_TILE - image.height) // 2
                sheet.paste(image, inset)
                ends = inset[0] + image.width, inset[1] + image.height
                draw.rectangle((inset[0] - 1, inset[1] - 1, *ends), outline=colour)
            draw.text((left, top + _TILE + 3), drawable(number(value)), fill=DIM, font=small)
        base = lines_top + _LINKS + _HISTOGRAM
        outside = [float(self.values[end]) for end in (0, 1) if axis.broken[end]]
        for tick in (*axis.ticks(), *outside):
            words = drawable(number(tick))
            x = axis.at(tick) - small.getlength(words) / 2
            draw.text((x, base + 6), words, fill=DIM, font=small)
        return sheet

    def _title(self, draw: ImageDraw.ImageDraw) -> None:
        one = self.examples
        name = f"{one.name}, {one.label}" if one.label else one.name
        large, plain = ImageFont.load_default(size=22), ImageFont.load_default(size=14)
        draw.text((_MARGIN, _MARGIN - 6), drawable(name), fill=INK, font=large)
        words = (
            f"{self.model}; {self.measure}; {one.count:,} photos, mean {number(one.mean)}, "
            f"{one.positive:.0%} above 0"
        )
        draw.text((_MARGIN, _MARGIN + 24), drawable(words), fill=DIM, font=plain)

    def _tiles(self) -> list[tuple[str, Image.Image | None, float, str]]:
        """Of each its title, the picture, the value and the colour of its frame."""
        least, most = (
            fitted(as_uint8(image), _TILE)
            for image in (self.picture.images[0], self.picture.images[1])
        )
        read: dict[str, np.ndarray | None] = {}
        tiles: list[tuple[str, Image.Image | None, float, str]] = [
            ("negative", least, float(self.values[0]), _AGAINST)
        ]
        for title, place in self.places:
            if place.path not in read:
                try:
                    read[place.path] = place.photo()
                except InputError:  # moved or removed since
                    read[place.path] = None
            photo = read[place.path]
            patch = None if photo is None else fitted(part_of(photo, place), _TILE)
            tiles.append((title, patch, place.value, _PHOTO))
        return [*tiles, ("positive", most, float(self.values[1]), _FOR)]

    def _graph(
        self, axis: _Axis, width: int, lefts: Sequence[int], marks: Sequence[tuple[float, str]]
    ) -> Image.Image:
        """Lines from what is shown to its value, the histogram, and the axis."""
        height = _LINKS + _HISTOGRAM + 6
        graph = Image.new("RGB", (width * _FINE, height * _FINE), "white")
        draw = ImageDraw.Draw(graph)

        def line(*points: float, fill: str, thick: float = 1.0) -> None:
            draw.line([at * _FINE for at in points], fill=fill, width=round(thick * _FINE))

        base = _LINKS + _HISTOGRAM
        if axis.low < 0 < axis.high:
            line(axis.at(0), _LINKS + 4, axis.at(0), base, fill=RULE)
        sample = self.examples.sample
        counts, edges = np.histogram(sample, _BINS, (axis.low, axis.high))
        most = max(int(counts.max()), 1)
        for count, low, high in zip(counts, edges, edges[1:], strict=False):
            if count:
                box = (
                    axis.at(low) * _FINE,
                    (base - (_HISTOGRAM - 16) * count / most) * _FINE,
                    axis.at(high) * _FINE - 1,
                    base * _FINE,
                )
                draw.rectangle(box, fill="#d5d9de")
        left, right = axis.even
        line(left, base, right, base, fill=_PHOTO)
        for dot in (*np.arange(axis.left, left, 6), *np.arange(right + 3, axis.right, 6)):
            line(dot, base, dot + 2, base, fill=_PHOTO)
        for tick in axis.ticks():
            line(axis.at(tick), base, axis.at(tick), base + 4, fill=_PHOTO)
        for start, (value, colour) in zip(lefts, marks, strict=True):
            x, middle = axis.at(value), start + _TILE / 2
            line(middle, 0, middle, 6, fill=colour)
            line(middle, 6, x, _LINKS - 8, fill=colour)
            line(x, _LINKS - 8, x, _LINKS, fill=colour)
            line(x, base - 9, x, base, fill=colour, thick=1.6)
        return graph.resize((width, height), Image.Resampling.LANCZOS)


class _Axis:
    """Values from left to right.

    A picture may be worth many times what any photograph is. Then the axis is another beyond the
    photographs, and dotted.
    """

    def __init__(self, shown: Sequence[float], ends: tuple[int, int]) -> None:
        """Lay the axis out.

        Args:
            shown: The values, those of the pictures first and last.
            ends: The first and the last pixel.
        """
        photos = shown[1:-1]
        low, high = min(photos), max(photos)
        span = high - low or abs(high) or 1.0
        every = min(shown), max(shown)
        values, pixels = [low - 0.05 * span, high + 0.05 * span], [*map(float, ends)]
        self.left, self.right = ends
        self._values, self._pixels = values, pixels
        self.broken = [False, False]
        for end, (limit, side) in enumerate(zip(every, (-1, 1), strict=True)):
            beyond = side * (limit - values[end])
            if beyond > _BROKEN * span:
                self.broken[end] = True
                pixels[end] -= side * _BEYOND
            elif beyond > 0:
                values[end] = limit + side * 0.03 * span
        self.low, self.high = values
        self._outside = every

    def at(self, value: float) -> float:
        """Return how far to the right a value is, in pixels."""
        (low, high), (left, right) = self._values, self._pixels
        if self.broken[0] and value < low:
            share = (low - value) / (low - self._outside[0])
            return left - share * (left - self.left - _END)
        if self.broken[1] and value > high:
            share = (value - high) / (self._outside[1] - high)
            return right + share * (self.right - right - _END)
        return left + (value - low) / (high - low) * (right - left)

    @property
    def even(self) -> tuple[float, float]:
        """The pixels between which the axis is even."""
        return self._pixels[0], self._pixels[1]

    def ticks(self) -> list[float]:
        """Return some round values."""
        rough = (self.high - self.low) / 8
        power = float(10.0 ** np.floor(np.log10(rough)))
        step = next(times * power for times in (1, 2, 5, 10) if times * power >= rough)
        first, last = int(np.ceil(self.low / step)), int(np.floor(self.high / step))
        return [at * step for at in range(first, last + 1)]
