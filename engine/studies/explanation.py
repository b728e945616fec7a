"""`Explanation`: where in photographs values come from."""

from __future__ import annotations

import io
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from ..errors import InputError, OutputError
from ..files import atomic_path
from ..pictures.formats import save_image
from ..plain import path as a_path
from ..plain import whole
from .heat import colours, overlay
from .method import METHODS, Method

_GAP = 8
"""Pixels between the pictures of a sheet."""

_MOST = 65_000
"""Pixels that a sheet has at most on a side."""


@dataclass(frozen=True)
class Explanation:
    """Where in photographs a value comes from.

    Attributes:
        photos: What the network was shown, (N, H, W, 3) uint8.
        maps: A number for each pixel, (N, H, W) float32: for methods with signs what speaks for
            the value and what against it, for others how much comes from there.
        values: What was explained, the target's value on each photo, (N,) float32.
        targets: What it is, such as `"daisy"`, for each photo.
        method: How.
        layer: The layer that the method looked at; empty where it looks at none.
        completeness: By how much the sum of a map misses the value less that of the baseline, (N,)
            float32, for methods whose maps add up to it; else `None`.
    """

    photos: np.ndarray
    maps: np.ndarray
    values: np.ndarray
    targets: tuple[str, ...]
    method: Method
    layer: str = ""
    completeness: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.maps)

    def __repr__(self) -> str:
        count, height, width = self.maps.shape
        of = f" of {self.layer}" if self.layer else ""
        named = METHODS.name_of(self.method) or type(self.method).__name__
        return f"<{count} maps of {height}×{width}: {named}{of}>"

    def overlay(self, index: int = 0) -> np.ndarray:
        """Return a photo with its map over it.

        Args:
            index: Which.

        Returns:
            (H, W, 3) uint8.

        Raises:
            InputError: there is no such map.
        """
        at = self._at(index)
        return overlay(self.photos[at], self.maps[at], signed=self.method.signed)

    def heat(self, index: int = 0) -> np.ndarray:
        """Return a map as colours, from blue to red around 0 where it has signs.

        Args:
            index: Which.

        Returns:
            (H, W, 3) uint8.

        Raises:
            InputError: there is no such map.
        """
        at = self._at(index)
        return colours(self.maps[at], signed=self.method.signed)

    def sheet(self) -> Image.Image:
        """Return a row for each photo: the photo, its map, and the map over it."""
        rows = [[self.photos[at], self.heat(at), self.overlay(at)] for at in range(len(self.maps))]
        return tiled(rows)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the maps.

        Args:
            path: `.npy` for the numbers, (N, H, W) float32; any suffix that Pillow writes, such as
                `.png`, for the sheet, or for a single photo the map over it.

        Raises:
            OutputError: the file cannot be written, or the suffix names no format.
        """
        target = a_path("path", path)
        if target.suffix.lower() == ".npy":
            with atomic_path(target) as temporary:
                np.save(temporary, self.maps)
            return target
        if len(self.maps) == 1:
            return save_image(Image.fromarray(self.overlay(0)), target)
        return save_image(self.sheet(), target)

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        self.sheet().save(buffer, "PNG")
        return buffer.getvalue()

    def _at(self, index: int) -> int:
        at = whole("index", index)
        if not -len(self.maps) <= at < len(self.maps):
            raise InputError(f"there are {len(self.maps)} maps, from 0; there is none {at}")
        return at


def check_sheet(rows: int, columns: int, height: int, width: int) -> tuple[int, int]:
    """Return the width and height of a sheet of pictures of one size, in pixels.

    Raises:
        OutputError: it has more pixels than a picture can have.
    """
    size = columns * (width + _GAP) - _GAP, rows * (height + _GAP) - _GAP
    if max(size) > _MOST:
        most = (_MOST + _GAP) // (height + _GAP)
        raise OutputError(
            f"a sheet of {rows:,} rows has {size[0]}×{size[1]} pixels, more than a picture can "
            f"have: {most} rows are the most; write each to a file by itself, into a folder"
        )
    return size


def tiled(rows: list[list[np.ndarray]]) -> Image.Image:
    """Put pictures of one size, (H, W, 3) uint8, on a white sheet, in rows.

    Raises:
        OutputError: the sheet has more pixels than a picture can have.
    """
    height, width = rows[0][0].shape[:2]
    size = check_sheet(len(rows), max(map(len, rows)), height, width)
    sheet = Image.new("RGB", size, "white")
    for y, row in enumerate(rows):
        for x, picture in enumerate(row):
            sheet.paste(Image.fromarray(picture), (x * (width + _GAP), y * (height + _GAP)))
    return sheet
