"""Photographs that a browser sends: kept for a while, and what layers answer to them."""

from __future__ import annotations

import secrets
from collections import OrderedDict
from dataclasses import dataclass
from threading import Lock
from typing import Any

import numpy as np
from PIL import Image

from ..errors import InputError
from ..images import fitted_to, read_foreign
from ..network.layers.layer import Layer
from ..network.photos import in_colour
from ..pages.site import packed, scaled_to_bytes
from ..store.looking import Look
from ..store.plan import Plan
from . import previews

MOST_BYTES = 20_000_000
MOST_PIXELS = 50_000_000
_KEPT = 32
_OPEN = 4
_MOST_CELLS = 28
_SIDE = 448


@dataclass(frozen=True)
class Photo:
    """A photograph as the network sees it.

    Attributes:
        name: What the browser calls it by.
        picture: (H, W, 3) uint8.
    """

    name: str
    picture: np.ndarray


class Photos:
    """The last photographs that were sent, in memory; they are written nowhere."""

    def __init__(self, plan: Plan) -> None:
        """Take the plan, whose size photographs are brought to."""
        self._plan = plan
        self._kept: OrderedDict[str, Photo] = OrderedDict()
        self._looks: OrderedDict[str, Look] = OrderedDict()
        # One at a time: that bounds the memory which decoding takes.
        self._lock = Lock()

    def add(self, data: bytes) -> Photo:
        """Take a photograph.

        Args:
            data: The file's content.

        Raises:
            InputError: it is too large, or none, or the network takes other pictures.
        """
        in_colour(self._plan.model)
        with self._lock:
            height, width = self._plan.model.usual_size
            picture = fitted_to(read_foreign(data, MOST_PIXELS), height, width)
            photo = Photo(secrets.token_hex(8), picture)
            self._kept[photo.name] = photo
            if len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
            return photo

    def webp(self, name: str) -> bytes:
        """Return a photograph as a file.

        Raises:
            InputError: it is not kept any more.
        """
        return previews.webp(Image.fromarray(self._find(name).picture), _SIDE)

    def cube(self, name: str, layer: Layer) -> dict[str, Any]:
        """Return what a layer answers to a photograph, as a page's script reads it.

        Args:
            name: Of the photograph.
            layer: Which layer. Of more than 28×28 cells, means of several are taken for one.

        Returns:
            `units`, `rows` and `columns`; `values`, int8 by unit, row and column, and `scales`,
            float32 by unit, by which they are multiplied, both as base64. A layer without places
            has one cell.

        Raises:
            InputError: the photograph is not kept any more.
            OnnxscopeError: the network cannot be run on it.
        """
        photo = self._find(name)
        with self._lock:
            look = self._look(layer)
            answer = look.at(photo.picture.astype(np.float32) / np.float32(255))
        cells = pooled(look.cells(answer))
        values, scales = scaled_to_bytes(cells)
        units, rows, columns = cells.shape
        return {
            "name": layer.title,
            "units": units,
            "rows": rows,
            "columns": columns,
            "values": packed(values),
            "scales": packed(scales),
        }

    def _find(self, name: str) -> Photo:
        found = self._kept.get(name)
        if found is None:
            raise InputError("the photograph is not kept any more; drop it again")
        return found

    def _look(self, layer: Layer) -> Look:
        look = self._looks.get(layer.name)
        if look is None:
            provider = self._plan.settings.get("provider", "auto")
            look = Look(self._plan.model, layer, self._plan.model.usual_size, provider)
            self._looks[layer.name] = look
            if len(self._looks) > _OPEN:
                self._looks.popitem(last=False)
        self._looks.move_to_end(layer.name)
        return look


def pooled(cells: np.ndarray) -> np.ndarray:
    """Return a layer's answer as rows and columns of cells, (C, H, W), at most 28×28.

    Args:
        cells: (C, H, W); (C, L) are a row, (C,) one cell.
    """
    if cells.ndim < 3:
        return cells.reshape(len(cells), 1, -1)
    rows, columns = cells.shape[1:]
    down, across = -(-rows // _MOST_CELLS), -(-columns // _MOST_CELLS)
    if down == across == 1:
        return cells
    starts = np.arange(0, rows, down), np.arange(0, columns, across)
    summed = np.add.reduceat(np.add.reduceat(cells, starts[0], 1), starts[1], 2)
    tall = np.diff([*starts[0], rows])
    wide = np.diff([*starts[1], columns])
    mean: np.ndarray = summed / (tall[:, None] * wide[None]).astype(np.float32)
    return mean
