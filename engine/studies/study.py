"""What studies of several pictures give: the pictures, and a figure that carries their recipe."""

from __future__ import annotations

import io
import os
from abc import ABC, abstractmethod
from pathlib import Path

from PIL import Image

from ..pictures.formats import chunk_of, save_image
from ..pictures.picture import Picture


class Study(ABC):
    """Pictures that together answer a question."""

    picture: Picture
    """The pictures, as `render` gives them; its recipe makes them again."""

    @abstractmethod
    def figure(self) -> Image.Image:
        """Return all of it on one page."""

    @property
    def interrupted(self) -> bool:
        """Whether Ctrl-C ended it early, so that pictures are missing or less far."""
        return self.picture.interrupted

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a user should know of the pictures."""
        return self.picture.warnings

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the figure; a PNG carries the recipe, from which its pictures are made again.

        Args:
            path: The suffix chooses the format: .png, .jpg, .webp and what else Pillow writes.

        Raises:
            OutputError: the file cannot be written, or the suffix names no format.
        """
        return save_image(self.figure(), path, chunk_of(self.picture.recipe))

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        self.figure().save(buffer, "PNG")
        return buffer.getvalue()
