"""What `render` gives: pictures, the values on the way, and the recipe."""

from __future__ import annotations

import io
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image, PngImagePlugin

from ..errors import InputError, OutputError
from ..files import atomic_path
from ..images import as_uint8
from ..runtime.session import Provider
from .recipe import CHUNK, Recipe

_FRAME_MS = 60
_LAST_FRAME_MS = 1500


@dataclass(frozen=True, eq=False)
class Picture:
    """Rendered pictures.

    Attributes:
        images: (N, H, W, 3) float32 in [0, 1].
        values: The objective before each step: (steps,), or (steps, N) for several pictures.
        snapshots: Pictures after the steps that were asked for, (N, H, W, 3), by step.
        recipe: What it takes to make them again.
        provider: Where they were computed, and why not on CUDA.
        interrupted: Whether Ctrl-C ended the ascent early.
        warnings: What a user should know: a unit that stayed off, a neuron at the border.
    """

    images: np.ndarray
    values: np.ndarray
    recipe: Recipe
    provider: Provider
    snapshots: Mapping[int, np.ndarray] = field(default_factory=dict)
    interrupted: bool = False
    warnings: tuple[str, ...] = ()

    def __repr__(self) -> str:
        count, height, width, _ = self.images.shape
        last = np.array2string(self.values[-1], precision=4) if len(self.values) else "–"
        pictures = "picture" if count == 1 else "pictures"
        return (
            f"<{count} {pictures} of {height}×{width} after {len(self.values)} steps, value {last}>"
        )

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        self._sheet().save(buffer, "PNG")
        return buffer.getvalue()

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the picture, several as a sheet; a PNG carries the recipe.

        Args:
            path: The suffix chooses the format: .png, .jpg, .webp and what else Pillow writes.

        Raises:
            OutputError: the file cannot be written, or the suffix names no format.
        """
        return _save(self._sheet(), path, self._text())

    def save_strip(self, path: str | os.PathLike[str]) -> Path:
        """Write the snapshots side by side, the earliest first; a row for each picture.

        Raises:
            InputError: no snapshots were kept.
            OutputError: see `save`.
        """
        frames = self._frames()
        rows = [list(row) for row in zip(*frames, strict=True)]
        return _save(_grid(rows), path, self._text())

    def save_animation(self, path: str | os.PathLike[str]) -> Path:
        """Write the snapshots as an animation: .gif, .webp or .png.

        Raises:
            InputError: no snapshots were kept.
            OutputError: see `save`.
        """
        first, *rest = [Image.fromarray(as_uint8(_tiled(images))) for images in self._frames()]
        target = Path(path)
        check_animation_suffix(target)
        durations = [_FRAME_MS] * len(rest) + [_LAST_FRAME_MS]
        with atomic_path(target) as temporary:
            first.save(temporary, save_all=True, append_images=rest, duration=durations, loop=0)
        return target

    def _frames(self) -> list[np.ndarray]:
        if not self.snapshots:
            raise InputError("no snapshots were kept; ask render for them: snapshots=(1, 32, 128)")
        return [self.snapshots[step] for step in sorted(self.snapshots)]

    def _sheet(self) -> Image.Image:
        return Image.fromarray(as_uint8(_tiled(self.images)))

    def _text(self) -> PngImagePlugin.PngInfo:
        info = PngImagePlugin.PngInfo()
        info.add_itxt(CHUNK, self.recipe.to_text())
        info.add_text("Software", "onnxscope")
        return info


def check_suffix(path: Path) -> None:
    """See, before long work, that pictures can be written in the format that a suffix names.

    Raises:
        OutputError: the suffix names none, or one that takes no RGB pictures here.
    """
    format_name = _format(path)
    try:
        Image.new("RGB", (2, 2)).save(io.BytesIO(), format_name)
    except (ValueError, OSError) as error:
        raise OutputError(
            f"cannot write {path.name}: {format_name} takes no RGB pictures here ({error}); "
            "use .png, .jpg or .webp"
        ) from error


def _format(path: Path) -> str:
    suffix = path.suffix.lower()
    # The usual formats first: all of them together take longer to load than ONNX Runtime.
    Image.preinit()
    format_name = Image.EXTENSION.get(suffix) or Image.registered_extensions().get(suffix)
    if format_name is None or format_name not in Image.SAVE:
        what = "its suffix" if suffix else "without a suffix it"
        raise OutputError(
            f"cannot write {path.name}: {what} names no picture format; use .png, .jpg or .webp"
        )
    return format_name


def check_animation_suffix(path: Path) -> None:
    """See that animations can be written in the format that a path's suffix names.

    Raises:
        OutputError: they cannot.
    """
    if path.suffix.lower() not in (".gif", ".webp", ".png"):
        raise OutputError(f"cannot write an animation as {path.name}: use .gif, .webp or .png")
    check_suffix(path)


def _save(image: Image.Image, path: str | os.PathLike[str], text: PngImagePlugin.PngInfo) -> Path:
    target = Path(path)
    _format(target)
    with atomic_path(target) as temporary:
        if target.suffix.lower() == ".png":
            image.save(temporary, "PNG", pnginfo=text)
        else:
            image.save(temporary, quality=95)
    return target


def _tiled(images: np.ndarray) -> np.ndarray:
    """Pictures (N, H, W, 3) as one, in a grid that is about as wide as high."""
    if len(images) == 1:
        single: np.ndarray = images[0]
        return single
    columns = math.ceil(math.sqrt(len(images)))
    rows = [list(images[start : start + columns]) for start in range(0, len(images), columns)]
    return _joined(rows)


def _grid(rows: Sequence[Sequence[np.ndarray]]) -> Image.Image:
    return Image.fromarray(as_uint8(_joined(rows)))


def _joined(rows: Sequence[Sequence[np.ndarray]], gap: int = 2) -> np.ndarray:
    """Rows of equal pictures on white, with a gap between them; the last row may be shorter."""
    height, width, _ = rows[0][0].shape
    columns = max(len(row) for row in rows)
    sheet = np.ones(
        (len(rows) * (height + gap) - gap, columns * (width + gap) - gap, 3), np.float32
    )
    for i, row in enumerate(rows):
        for j, image in enumerate(row):
            top, left = i * (height + gap), j * (width + gap)
            sheet[top : top + height, left : left + width] = image
    return sheet
