"""Sheets of small pictures: hundreds of them in one file."""

from __future__ import annotations

import io
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from ..files import write_bytes

EDGE = 1
"""Pixels by which the edge of each tile is repeated around it, so that it shows no other."""

QUALITY = 82
"""Of small pictures that are all there is to see."""

_WIDEST = 1200
"""Pixels to a side, which every browser decodes."""


@dataclass(frozen=True)
class Sheet:
    """Where the tiles of a sheet are.

    Attributes:
        source: The file, as a page names it.
        side: Of a tile, in pixels.
        columns: How many tiles there are in a row.
        rows: How many rows there are.
    """

    source: str
    side: int
    columns: int
    rows: int

    def to_json(self) -> dict[str, object]:
        """Return it as the page's script reads it."""
        return {
            "source": self.source,
            "side": self.side,
            "columns": self.columns,
            "rows": self.rows,
            "edge": EDGE,
        }


def write_sheet(pictures: np.ndarray, folder: Path, source: str, quality: int = QUALITY) -> Sheet:
    """Write pictures as one WebP file.

    Args:
        pictures: (N, S, S, 3) uint8, at least one.
        folder: Of the page.
        source: The file's path from there.
        quality: Of the compression, as Pillow's WebP takes it.

    Raises:
        OutputError: it cannot be written.
    """
    count, side = pictures.shape[:2]
    step = side + 2 * EDGE
    columns = min(max(math.ceil(math.sqrt(count)), 1), max(_WIDEST // step, 1))
    rows = math.ceil(count / columns)
    around = ((0, 0), (EDGE, EDGE), (EDGE, EDGE), (0, 0))
    padded = np.pad(pictures, around, mode="edge")
    sheet = np.full((rows * columns, step, step, 3), 128, np.uint8)
    sheet[:count] = padded
    tiled = sheet.reshape(rows, columns, step, step, 3).transpose(0, 2, 1, 3, 4)
    image = Image.fromarray(np.ascontiguousarray(tiled.reshape(rows * step, columns * step, 3)))
    buffer = io.BytesIO()
    image.save(buffer, "WEBP", quality=quality, method=6)
    write_bytes(folder / source, buffer.getvalue(), own=True)
    return Sheet(source, side, columns, rows)
