"""Pictures of any form as networks take them: read from files, checked, cut and scaled."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .errors import InputError
from .forms import Form
from .images import (
    are_several,
    as_batch,
    as_photos,
    as_uint8,
    check_in_range,
    fitted_to,
    is_file,
    opened,
    photo_of,
)
from .plain import shown

if TYPE_CHECKING:
    from PIL.Image import Image

    from .images import Photo


def as_planes(
    images: Photo | Sequence[Photo], form: Form, fit: tuple[int, int] | None = None
) -> np.ndarray:
    """Make pictures what networks take.

    Args:
        images: For RGB as `images.as_batch` takes them. For other forms one or several pictures:
            arrays (H, W, C), or (D, H, W, C) of volumes and videos, float in [0, 1] or unsigned
            integers of their whole range, where one channel needs no axis; files `.npy` that hold
            them; and what Pillow reads, in which frames and pages are the slices, and where one
            channel is wanted, colours become grey.
        form: What the network takes.
        fit: The height and width to which files are cut and scaled; `None` where there shall be no
            such.

    Returns:
        (N, P, H, W) float32 in [0, 1].

    Raises:
        InputError: another shape, type or range, or a file cannot be read.
    """
    if form.is_rgb:
        return as_batch(images, fit)
    listed: list[Any] = list(images) if isinstance(images, list | tuple) else [images]
    found = [_of_one(image, form, fit) for image in listed]
    sizes = {batch.shape[1:] for batch in found}
    if len(sizes) > 1:
        named = " and ".join(" × ".join(map(str, shape)) for shape in sorted(sizes)[:3])
        raise InputError(f"the pictures are of different shapes, {named} planes, rows and columns")
    return np.concatenate(found)


def several_planes(images: object, form: Form) -> bool:
    """Return whether these are several pictures, or a list of perhaps one."""
    if form.is_rgb:
        return are_several(images)
    if isinstance(images, list | tuple):
        return True
    array = () if is_file(images) else np.asarray(images)
    rank = 3 + (form.stack is not None)
    return np.ndim(array) > rank or (
        form.channels == 1 and np.ndim(array) == rank and np.shape(array)[-1] != 1
    )


def _of_one(image: Any, form: Form, fit: tuple[int, int] | None) -> np.ndarray:
    """One picture, or an array of several, as (N, P, H, W)."""
    if not is_file(image):
        return _checked(np.asarray(image), form)
    if isinstance(image, str | os.PathLike):
        path = Path(image)
        array = read_array(path) if path.suffix.lower() == ".npy" else _read_frames(path, form)
    else:
        array = _frames_of(image, form)
    planes = _checked(array, form)
    return planes if fit is None or planes.shape[2:] == fit else fitted(planes, fit)


def kept(photo: Photo) -> np.ndarray:
    """Return one picture as an array to be kept, whatever network it is for.

    Args:
        photo: What Pillow reads, which becomes (H, W, 3) of uint8, as do arrays of that shape; or
            an array of any form (see `as_planes`), or a file `.npy` with one.

    Returns:
        What `kept_in_form` takes.

    Raises:
        InputError: it is none, cannot be read, or is several.
    """
    given: Any = photo
    if isinstance(given, str | os.PathLike) and Path(given).suffix.lower() == ".npy":
        given = read_array(Path(given))
    array = None if is_file(given) or isinstance(given, list | tuple) else np.asarray(given)
    if array is None or (array.ndim == 3 and array.shape[-1] == 3):
        found = as_photos(given)
        if len(found) != 1:
            raise InputError(f"one photograph or picture is expected, not {len(found)}")
        return found[0] if found[0].dtype == np.uint8 else as_uint8(found[0])
    return checked_kept("a photograph or picture", array)


def checked_kept(what: str, picture: object) -> np.ndarray:
    """Return a picture of any form as it is kept, which nobody can write to.

    Args:
        what: It is, for messages.
        picture: (H, W), (H, W, C), (D, H, W) or (D, H, W, C), unsigned integers or float in [0, 1].

    Returns:
        The same in uint8 or float32.

    Raises:
        InputError: it is something else.
    """
    array = np.asarray(picture) if isinstance(picture, np.ndarray) else None
    if (
        array is None
        or array.ndim not in (2, 3, 4)
        or 0 in array.shape
        or array.dtype.kind not in "uf"
    ):
        raise InputError(
            f"{what} must be (H, W, 3), or of the shape that the network's pictures have, unsigned "
            f"integers or float in [0, 1], not {shown(picture)}"
        )
    if array.dtype.kind == "f":
        check_in_range(f"{what} in float", array, "; give uint8 for 0 to 255")
        array = array.astype(np.float32)
    elif array.dtype != np.uint8:
        array = (array / np.float32(np.iinfo(array.dtype).max)).astype(np.float32)
    copy = np.array(array, order="C")
    copy.flags.writeable = False
    return copy


def kept_in_form(picture: np.ndarray, form: Form, size: tuple[int, int]) -> np.ndarray:
    """Return the middle of a picture that was kept, as networks take it.

    Args:
        picture: What `kept` gives. Three colours become grey where one channel is wanted.
        form: Of the pictures.
        size: Their height and width.

    Returns:
        (1, P, height, width) float32 in [0, 1].

    Raises:
        InputError: it is of another form.
    """
    height, width = size
    if form.is_rgb:
        return as_batch(fitted_to(in_colours(picture), height, width))
    if picture.ndim == 3 and picture.shape[-1] == 3 and form.channels == 1 and form.stack is None:
        from PIL import Image

        colours = picture if picture.dtype == np.uint8 else as_uint8(picture)
        picture = np.asarray(Image.fromarray(colours).convert("L"))
    planes = _checked(picture, form)
    if len(planes) != 1 or planes.shape[1] != form.planes:
        raise InputError(
            f"the picture is of shape {picture.shape}, and the network's are "
            f"{form.words()} as {form.array_words}, {form.sizes_in_words(size)}"
        )
    return planes if planes.shape[2:] == size else fitted(planes, size)


def in_colours(picture: np.ndarray) -> np.ndarray:
    """Return a picture that was kept as one in three colours, (H, W, 3) uint8.

    Raises:
        InputError: it has slices, or other channels.
    """
    found = as_photos(picture)
    if len(found) != 1:
        raise InputError(f"one photograph is expected, not {len(found)}")
    return found[0] if found[0].dtype == np.uint8 else as_uint8(found[0])


def read_array(path: Path) -> np.ndarray:
    """Read an array from a file `.npy`.

    Raises:
        InputError: it cannot be read, or holds no numbers.
    """
    try:
        array: np.ndarray = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"cannot read {path}: {reason}") from error
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "biuf":
        raise InputError(f"{path} holds no array of numbers")
    return array


def read_grey(path: Path) -> np.ndarray:
    """Read one channel from a file `.npy`, or from a picture, of which it is the brightness.

    Raises:
        InputError: it cannot be read.
    """
    if path.suffix.lower() == ".npy":
        return read_array(path)
    return _read_frames(path, Form("NHW", 1, 1, None))[..., 0]


def _read_frames(path: Path, form: Form) -> np.ndarray:
    with opened(path) as image:
        return _frames_of(image, form)


def _frames_of(image: Image, form: Form) -> np.ndarray:
    """What Pillow has, as (H, W, C), or of a stack (D, H, W, C)."""
    from PIL import ImageSequence

    frames = ImageSequence.Iterator(image) if form.stack else [image]
    arrays = [_frame(frame, form.channels) for frame in frames]
    return np.stack(arrays) if form.stack else arrays[0]


def _frame(frame: Image, channels: int) -> np.ndarray:
    """One picture of Pillow's as (H, W, C), the right way up."""
    from PIL import ImageOps
    from PIL.Image import fromarray

    deep = frame.mode == "F" or frame.mode.startswith("I")
    if channels in (1, 3) and not deep:
        array = photo_of(frame)
        if channels == 1:
            array = np.asarray(fromarray(array).convert("L"))
    else:
        turned = ImageOps.exif_transpose(frame)
        array = np.asarray(turned.convert("RGBA") if channels == 4 and not deep else turned)
        if frame.mode.startswith("I"):
            array = np.clip(array, 0, 65535).astype(np.uint16)
    return array if array.ndim == 3 else array[..., None]


def _checked(array: np.ndarray, form: Form) -> np.ndarray:
    """An array of one or several pictures as (N, P, H, W) float32.

    Raises:
        InputError: another shape, type or range.
    """
    given = array.shape
    rank = 4 if form.stack else 3
    if form.channels == 1 and (array.ndim < rank or array.shape[-1] != 1):
        array = array[..., None]
    if array.ndim == rank:
        array = array[None]
    if array.ndim != rank + 1 or array.shape[-1] != form.channels or 0 in array.shape:
        several = form.array_words.replace("(", "(N, ")
        raise InputError(
            f"pictures of this network must be of shape {form.array_words} or {several}, not "
            f"{given}: {form.words()}"
        )
    if array.dtype.kind == "f":
        advice = ": bring them there by what the network's input_range says"
        check_in_range("float pictures", array, advice)
    elif array.dtype.kind == "u":
        array = array.astype(np.float32) / np.float32(np.iinfo(array.dtype).max)
    else:
        raise InputError(
            f"pictures must be float in [0, 1] or unsigned integers, not {shown(array)}"
        )
    return form.as_batch(array.astype(np.float32))


def fitted(planes: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Return the middle of pictures in a size: the largest part of that shape, scaled.

    Args:
        planes: (N, P, H, W) float32 in [0, 1].
        size: The height and width that are wanted.

    Returns:
        (N, P, height, width) float32 in [0, 1], scaled with antialiasing.
    """
    from PIL import Image

    height, width = size
    rows, columns = planes.shape[2:]
    scale = min(rows / height, columns / width)
    tall, wide = min(scale * height, rows), min(scale * width, columns)
    top, left = (rows - tall) / 2, (columns - wide) / 2
    box = (left, top, min(left + wide, columns), min(top + tall, rows))
    flat = planes.reshape(-1, rows, columns)
    scaled = [
        np.asarray(Image.fromarray(p).resize((width, height), Image.Resampling.BICUBIC, box))
        for p in flat.astype(np.float32)
    ]
    clipped: np.ndarray = np.clip(np.stack(scaled), 0, 1)
    return clipped.reshape(*planes.shape[:2], height, width)
