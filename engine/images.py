"""Pictures as arrays: (N, H, W, 3) for people, (N, 3, H, W) for networks."""

from __future__ import annotations

import io
import os
import stat
import struct
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from .errors import InputError
from .plain import on_one_line

if TYPE_CHECKING:
    from PIL.Image import Image

    Photo = npt.ArrayLike | str | os.PathLike[str] | Image

_FOREIGN = ("JPEG", "PNG", "WEBP", "GIF", "BMP")
"""What cameras and browsers write."""

Room = Callable[[int], AbstractContextManager[object]]
"""Takes a number of pixels, and gives what holds the memory for them."""


def as_batch(images: Photo | Sequence[Photo], fit: tuple[int, int] | None = None) -> np.ndarray:
    """Make pictures what networks take.

    Args:
        images: (H, W, 3) or (N, H, W, 3), float in [0, 1] or uint8; grey as (H, W) or with one
            channel, or with a fourth for the opacity, and white behind.
        fit: The height and width to which paths and images of Pillow's are cut and scaled; `None`
            where there shall be none.

    Returns:
        (N, 3, H, W) float32 in [0, 1].

    Raises:
        InputError: another shape, type or range.
    """
    files = isinstance(images, list | tuple) and any(is_file(image) for image in images)
    if fit is not None and (files or is_file(images)):
        images = np.stack([fitted_to(photo, *fit) for photo in as_photos(images)])
    array = _in_colour(_one_array(images))
    if array.dtype == np.uint8:
        array = array.astype(np.float32) / np.float32(255)
    return np.ascontiguousarray(array.transpose(0, 3, 1, 2), np.float32)


def fitted_to(photo: np.ndarray, height: int, width: int) -> np.ndarray:
    """Return the middle of a photograph in a size.

    Args:
        photo: (H, W, 3) uint8, or float in [0, 1].
        height: Wanted, in pixels.
        width: Wanted, in pixels.

    Returns:
        (height, width, 3) uint8: the largest part of that shape, scaled with antialiasing.
    """
    from PIL import Image

    if photo.dtype != np.uint8:
        photo = as_uint8(photo)
    rows, columns = photo.shape[:2]
    scale = min(rows / height, columns / width)
    # Rounding must not put the box outside.
    tall, wide = min(scale * height, rows), min(scale * width, columns)
    top, left = (rows - tall) / 2, (columns - wide) / 2
    box = (left, top, min(left + wide, columns), min(top + tall, rows))
    picture = Image.fromarray(photo).resize((width, height), Image.Resampling.BICUBIC, box)
    return np.asarray(picture)


def read_photo(path: str | os.PathLike[str]) -> np.ndarray:
    """Read a photograph the right way up.

    Args:
        path: Of a file that Pillow reads; grey becomes colour, and what is transparent white.

    Returns:
        (H, W, 3) uint8, RGB.

    Raises:
        InputError: it cannot be read.
    """
    with opened(path) as image:
        return photo_of(image)


def read_fitted(
    path: str | os.PathLike[str], height: int, width: int, room: Room | None = None
) -> np.ndarray:
    """Read the middle of a photograph in a size, without decoding more of a JPEG than that takes.

    What is on each side four times as large as the size or more is decoded at a half, a quarter or
    an eighth, twice as large at least, as Pillow's thumbnails are. Anything else is, bit for bit,
    what `fitted_to` makes of what `read_photo` gives.

    Args:
        path: As `read_photo` takes it.
        height: Wanted, in pixels.
        width: Wanted, in pixels.
        room: Called with the pixels that are decoded; they are in memory inside of what it gives.

    Returns:
        (height, width, 3) uint8, RGB.

    Raises:
        InputError: it cannot be read.
    """
    with opened(path) as image:
        least = 2 * max(height, width)
        image.draft(None, (least, least))
        with nullcontext() if room is None else room(image.width * image.height):
            return fitted_to(photo_of(image), height, width)


def read_foreign(data: bytes, most_pixels: int) -> np.ndarray:
    """Read a photograph that somebody sent, who need not be trusted.

    Its size is read before anything is decoded, and only the decoders of what cameras and browsers
    write are used, none of which starts another program.

    Args:
        data: The file's content: JPEG, PNG, WebP, GIF or BMP.
        most_pixels: How many it may have.

    Returns:
        (H, W, 3) uint8, RGB; of an animation the first picture.

    Raises:
        InputError: it is larger, or cannot be read.
    """
    with opened(io.BytesIO(data), _FOREIGN) as image:
        if image.width * image.height > most_pixels:
            raise InputError(
                f"the photograph has {image.width}×{image.height} pixels, and {most_pixels:,} are "
                "allowed; make it smaller"
            )
        return photo_of(image)


@contextmanager
def opened(
    path: str | os.PathLike[str] | io.BytesIO, formats: tuple[str, ...] | None = None
) -> Iterator[Image]:
    """Open a file of Pillow's, and say in one sentence why it cannot be read.

    Args:
        path: The file, or its content.
        formats: Which decoders are used, by Pillow's names; by default all.

    Raises:
        InputError: it cannot be read.
    """
    from PIL import Image, UnidentifiedImageError

    # What Pillow raises of damaged files, by its own tests, and of such that fit no memory.
    damaged = (
        OSError, SyntaxError, ValueError, NotImplementedError, OverflowError, EOFError, TypeError,
        KeyError, IndexError, struct.error,
    )  # fmt: skip
    if formats is not None:
        # By itself Pillow knows some of them by name only later.
        Image.init()
    try:
        if not isinstance(path, io.BytesIO) and not stat.S_ISREG(os.stat(path).st_mode):
            # A pipe that nobody writes to would be waited for for ever.
            kind = "a folder" if os.path.isdir(path) else "no ordinary file"
            if kind == "a folder" and not os.access(path, os.R_OK | os.X_OK):
                kind = "a folder that may not be read"
            raise InputError(f"cannot read {_named(path)}: it is {kind}")
        with Image.open(path, formats=formats) as image:
            yield image
    except InputError:
        raise
    except Image.DecompressionBombError as error:
        most = 2 * (Image.MAX_IMAGE_PIXELS or 0)
        raise InputError(
            f"cannot read {_named(path)}: it has more than {most:,} pixels; make it smaller"
        ) from error
    except UnidentifiedImageError as error:
        raise InputError(f"cannot read {_named(path)}: {why_unreadable(path)}") from error
    except damaged as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"cannot read {_named(path)}: {reason}") from error


def _named(path: str | os.PathLike[str] | io.BytesIO) -> str:
    if isinstance(path, io.BytesIO):
        return "the photograph"
    return f"the photograph {on_one_line(os.fspath(path))}"


def why_unreadable(path: str | os.PathLike[str] | io.BytesIO) -> str:
    """Say what a file is that Pillow does not read."""
    if isinstance(path, io.BytesIO):
        head = path.getvalue()[:32]
    else:
        with open(path, "rb") as file:
            head = file.read(32)
    if not head:
        return "it is empty"
    if head[4:12] in (b"ftypheic", b"ftypheix", b"ftypmif1", b"ftyphevc"):
        return "it is a HEIC picture, as telephones write them; save it as JPEG or PNG"
    return "it is no picture"


def photo_of(image: Image) -> np.ndarray:
    """Return an image of Pillow's as (H, W, 3) uint8, RGB, the right way up."""
    from PIL import Image, ImageOps

    # Cameras write down which way is up instead of turning the pixels.
    turned = ImageOps.exif_transpose(image)
    if turned.mode in ("I;16", "I;16B", "I;16L", "I", "F"):
        # Pillow would cut off what is above 255.
        values = np.asarray(turned, np.float64)
        most = 65535.0 if turned.mode.startswith("I") else max(float(values.max()), 1.0)
        return as_uint8(np.repeat((values / most)[..., None], 3, axis=2))
    if turned.has_transparency_data:
        white = Image.new("RGBA", turned.size, "white")
        turned = Image.alpha_composite(white, turned.convert("RGBA"))
    return np.asarray(turned.convert("RGB"))


def as_photos(photos: Any) -> list[np.ndarray]:
    """Return pictures of any sizes, each (H, W, 3), uint8 or float in [0, 1].

    Args:
        photos: One or a list of paths, images of Pillow's, and arrays as `as_batch` takes them.

    Raises:
        InputError: something else is among them.
    """
    listed = photos if are_several(photos) else [photos]
    found: list[np.ndarray] = []
    for photo in listed:
        if isinstance(photo, str | os.PathLike):
            found.append(read_photo(photo))
        elif is_file(photo):
            found.append(photo_of(photo))
        else:
            found.extend(_in_colour(_one_array(photo)))
    return found


def are_several(photos: Any) -> bool:
    """Return whether these are several pictures, or a list of perhaps one."""
    if isinstance(photos, list | tuple):
        several = any(is_file(photo) or _one_array(photo).ndim > 2 for photo in photos)
        return several or _one_array(photos).ndim > 3
    return not is_file(photos) and np.ndim(photos) > 3


def is_file(photo: object) -> bool:
    """Return whether a picture is a path or an image of Pillow's."""
    # Pillow is not imported for this: who has an image of its has imported it.
    pillow = any(kind.__module__.startswith("PIL.") for kind in type(photo).__mro__)
    return isinstance(photo, str | os.PathLike) or pillow


def _one_array(images: Any) -> np.ndarray:
    """Pictures as one array, in their shape and type.

    Raises:
        InputError: they are of different sizes, or no numbers.
    """
    if isinstance(images, list | tuple):
        sizes = {np.shape(image) for image in images if isinstance(image, np.ndarray)}
        if len(sizes) > 1:
            named = " and ".join(" × ".join(map(str, shape)) for shape in sorted(sizes)[:3])
            raise InputError(
                f"the pictures are of different shapes, {named}: bring them to one, such as that "
                "of a model by onnxscope.fit(photos, model)"
            )
    try:
        return np.asarray(images)
    except ValueError as error:
        raise InputError(f"the pictures are no array: {error}") from error


def check_in_range(what: str, array: np.ndarray, advice: str) -> None:
    """Refuse pictures in float with values outside of [0, 1], but for rounding.

    Args:
        what: They are, for the message.
        array: Of any shape that has elements.
        advice: What to do, behind the message.

    Raises:
        InputError: there are such values, or some that are no numbers.
    """
    low, high = float(array.min()), float(array.max())
    if not (low >= -1e-3 and high <= 1 + 1e-3):
        raise InputError(f"{what} must have values in [0, 1], not {low:.4g} to {high:.4g}{advice}")


def _in_colour(array: np.ndarray) -> np.ndarray:
    """Pictures as (N, H, W, 3), uint8 or float in [0, 1].

    Raises:
        InputError: another shape, type or range.
    """
    given = array.shape
    if array.ndim == 2:
        array = array[..., None]
    if array.ndim == 3:
        array = array[None]
    if array.ndim != 4 or array.shape[-1] not in (1, 3, 4) or 0 in array.shape:
        first = "; the colours come last" if len(given) > 2 and given[-3] in (1, 3) else ""
        raise InputError(f"pictures must be of shape (H, W, 3) or (N, H, W, 3), not {given}{first}")
    if np.issubdtype(array.dtype, np.floating):
        check_in_range("float pictures", array, "; give uint8 for 0 to 255")
    elif array.dtype != np.uint8:
        raise InputError(f"pictures must be float in [0, 1] or uint8, not {array.dtype}")
    if array.shape[-1] == 3:
        return array
    if array.shape[-1] == 1:
        return np.repeat(array, 3, axis=-1)
    colour, opacity = array[..., :3], array[..., 3:]
    if array.dtype != np.uint8:
        return np.asarray(colour * opacity + (1 - opacity))
    whole = colour / np.float32(255) * (opacity / np.float32(255)) + (1 - opacity / np.float32(255))
    return as_uint8(whole)


def as_pictures(batch: np.ndarray) -> np.ndarray:
    """Return (N, 3, H, W) as (N, H, W, 3), contiguous."""
    return np.ascontiguousarray(batch.transpose(0, 2, 3, 1))


def as_uint8(images: np.ndarray) -> np.ndarray:
    """Return values in [0, 1] as 0 to 255, rounded."""
    return np.asarray(np.clip(images, 0, 1) * 255 + 0.5, np.uint8)


def means_over_shares(mask: np.ndarray, height: int, width: int) -> np.ndarray:
    """Divide a mask evenly among cells: each gets the mean over the area that is its.

    Args:
        mask: (rows, columns).
        height: Rows of cells.
        width: Columns of cells.

    Returns:
        (height, width) float64.
    """
    rows, columns = shares(mask.shape[0], height), shares(mask.shape[1], width)
    shared: np.ndarray = rows @ mask.astype(np.float64) @ columns.T
    return shared


def shares(given: int, wanted: int) -> np.ndarray:
    """Return how much of each of so many intervals lies in each of others, as a mean.

    Args:
        given: How many equal parts a line has.
        wanted: How many others it has.

    Returns:
        (wanted, given), whose rows sum to 1.
    """
    edges = np.arange(wanted + 1) * given / wanted
    lower = np.maximum(edges[:-1, None], np.arange(given))
    upper = np.minimum(edges[1:, None], np.arange(given) + 1)
    overlap: np.ndarray = np.maximum(upper - lower, 0)
    return overlap * wanted / given
