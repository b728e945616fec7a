"""Pictures as files: which formats there are, and what they carry."""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image, PngImagePlugin

from ..errors import OutputError
from ..files import atomic_path
from ..plain import path as a_path
from .recipe import CHUNK, Recipe

MOVING = (".gif", ".webp")
"""Suffixes of formats in which volumes and videos move by themselves."""


def chunk_of(recipe: Recipe) -> PngImagePlugin.PngInfo:
    """Return what a PNG carries: a recipe, from which its pictures are made again."""
    info = PngImagePlugin.PngInfo()
    info.add_itxt(CHUNK, recipe.to_text())
    info.add_text("Software", "onnxscope")
    return info


def check_suffix(path: Path, mode: str = "RGB") -> None:
    """See, before long work, that pictures can be written in the format that a suffix names.

    Args:
        path: Where they go.
        mode: Pillow's name of what pictures are made of, such as RGBA with opacity.

    Raises:
        OutputError: the suffix names none, or one that takes no such pictures here.
    """
    if path.suffix.lower() == ".npy":
        return
    format_name = _format(path)
    try:
        Image.new(mode, (2, 2)).save(io.BytesIO(), format_name)
    except (ValueError, OSError) as error:
        # What the system reports is not about the format, to which Pillow's own errors have no
        # number.
        if isinstance(error, OSError) and error.errno is not None:
            raise OutputError(f"cannot write {path.name}: {error.strerror}") from error
        formats = ".png or .webp" if mode == "RGBA" else ".png, .jpg or .webp"
        raise OutputError(
            f"cannot write {path.name}: {format_name} takes no {mode} pictures here ({error}); "
            f"use {formats}"
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


def save_image(
    image: Image.Image, path: str | os.PathLike[str], text: PngImagePlugin.PngInfo | None = None
) -> Path:
    """Write a picture whole or not at all.

    Args:
        image: The picture.
        path: The suffix chooses the format: .png, .jpg, .webp and what else Pillow writes.
        text: What a PNG carries.

    Raises:
        OutputError: the file cannot be written, or the suffix names no format.
    """
    target = a_path("path", path)
    _format(target)
    with atomic_path(target) as temporary:
        if target.suffix.lower() == ".png":
            image.save(temporary, "PNG", pnginfo=text)
        else:
            image.save(temporary, quality=95)
    return target


def save_moving(
    images: Sequence[Image.Image],
    path: str | os.PathLike[str],
    duration: int | list[int],
    text: PngImagePlugin.PngInfo | None = None,
) -> Path:
    """Write an animation whole or not at all, which begins anew at its end.

    Args:
        images: One after the other.
        path: The suffix chooses the format: .gif, .webp or .png.
        duration: How long each is seen, in milliseconds; one number for all.
        text: What a PNG carries.

    Raises:
        OutputError: the file cannot be written, or the suffix names another format.
    """
    target = a_path("path", path)
    check_animation_suffix(target)
    first, *rest = images
    carried: dict[str, Any] = {}
    if text is not None and target.suffix.lower() == ".png":
        carried["pnginfo"] = text
    with atomic_path(target) as temporary:
        first.save(
            temporary, save_all=True, append_images=rest, duration=duration, loop=0, **carried
        )
    return target
