"""`Gallery`: pictures in rows, each with a caption, and as an animation from one to the next."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from ..pictures.formats import save_moving
from ..pictures.picture import Picture
from ..pictures.tiles import image_of
from .page import Page, Shown, file_name, label_width, width_of
from .study import Study

_WIDEST = 256
"""How wide a picture of the figure is at most, in pixels."""

_FRAME_MS, _LAST_MS = 250, 1000


@dataclass(frozen=True, eq=False)
class Gallery(Study):
    """Pictures side by side, as a study shows them.

    Attributes:
        picture: The pictures, as `render` gave them.
        title: What they are about.
        below: What is to be seen of them, in a sentence.
        captions: Of each picture what it is, and what else there is to say of it, a line each.
        columns: How many stand in a row.
        before: Pictures (H, W, 3), or grey (H, W, 1), in [0, 1] that stand before the first, such
            as a photograph, with a caption each.
        labels: What stands before each row; empty for nothing.
    """

    picture: Picture
    title: str
    below: str
    captions: tuple[tuple[str, ...], ...]
    columns: int
    before: tuple[tuple[np.ndarray, str], ...] = ()
    labels: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.picture)

    def __repr__(self) -> str:
        return f"<{self.title}, {self.picture!r}>"

    def figure(self) -> Image.Image:
        """Return all pictures with their captions on one page."""
        shown = [
            *(_shown(image, (caption,)) for image, caption in self.before),
            *(
                _shown(image, caption)
                for image, caption in zip(self.picture.seen(), self.captions, strict=False)
            ),
        ]
        labels = label_width(self.labels)
        width = shown[0].image.width
        page = Page(max(width_of(min(self.columns, len(shown)), width, labels), 2 * _WIDEST))
        page.heading(self.title, self.below)
        for row, start in enumerate(range(0, len(shown), self.columns)):
            label = self.labels[row] if row < len(self.labels) else ""
            page.row(shown[start : start + self.columns], label, labels)
        return page.image()

    def save_animation(self, path: str | os.PathLike[str]) -> Path:
        """Write the pictures as an animation that goes there and back.

        Args:
            path: .gif, .webp or .png.

        Raises:
            OutputError: it cannot be written, or the suffix names no such format.
        """
        there = [image_of(image) for image in self.picture.seen()]
        durations = [_LAST_MS, *[_FRAME_MS] * (len(there) - 1)]
        if len(there) > 1:
            durations[-1] = _LAST_MS
        back = there[-2:0:-1]
        return save_moving([*there, *back], path, [*durations, *[_FRAME_MS] * len(back)])


def titled(what: str, model: str) -> str:
    """Return a heading: what there is to see, and of which model."""
    return f"{what}: {file_name(model)}"


def blank(height: int, width: int) -> np.ndarray:
    """Return a place with nothing in it, (height, width, 3)."""
    return np.ones((height, width, 3), np.float32)


def _shown(image: np.ndarray, caption: Sequence[str]) -> Shown:
    picture = Image.fromarray(image) if image.dtype == np.uint8 else image_of(image)
    if picture.width > _WIDEST:
        size = _WIDEST, max(round(picture.height * _WIDEST / picture.width), 1)
        picture = picture.resize(size, Image.Resampling.LANCZOS)
    return Shown(picture, caption[0] if caption else "", tuple(caption[1:]))
