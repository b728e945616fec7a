"""Files of photographs: which there are in folders, and how many of them are decoded at a time."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Condition

from .errors import InputError
from .plain import path as a_path
from .plain import shown

SUFFIXES = frozenset(
    {
        ".avif", ".bmp", ".gif", ".ico", ".jfif", ".jp2", ".jpe", ".jpeg", ".jpg", ".pbm", ".pgm",
        ".png", ".pnm", ".ppm", ".tga", ".tif", ".tiff", ".webp",
    }
)  # fmt: skip
"""Of files that are taken for pictures where a folder is given, in small letters."""

_PIXELS = 48_000_000
"""How many decoded pixels there are at a time, of 3 to 12 bytes each as Pillow works on them."""


def is_picture(path: Path) -> bool:
    """Return whether a file is called like a picture; hidden ones, as of file systems, are none."""
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".")


def pictures_in(folder: Path, *, arrays: bool = False) -> list[Path]:
    """Return a folder's pictures and those of the folders inside, each folder's sorted by name.

    A folder inside that may not be read stands among them, so that whoever reads the pictures says
    that it is left out.

    Args:
        folder: The folder.
        arrays: Whether files `.npy` count as well.

    Raises:
        InputError: there is none, or the folder cannot be read.
    """
    found: list[Path] = []

    def note(error: OSError) -> None:
        if Path(error.filename) == folder:
            raise InputError(f"cannot read the folder {folder}: {error.strerror}") from error
        found.append(Path(error.filename))

    for where, inside, names in os.walk(folder, onerror=note):
        inside[:] = sorted(name for name in inside if not name.startswith("."))
        paths = (Path(where, name) for name in sorted(names))
        found += [p for p in paths if is_picture(p) or (arrays and p.suffix.lower() == ".npy")]
    if not found:
        raise InputError(f"there is no picture in the folder {folder}")
    return found


@dataclass(frozen=True)
class PhotoFiles:
    """Files of photographs, in an order.

    Attributes:
        files: Their paths.
        inside: In which folder inside the given one each of them is; `.` where it is in no other,
            or was given by itself.
    """

    files: tuple[Path, ...]
    inside: tuple[Path, ...]

    @staticmethod
    def found(given: object) -> PhotoFiles:
        """Return the files that are meant, those of folders and the folders inside sorted by name.

        Args:
            given: A path of a file or a folder, or several.

        Raises:
            InputError: it is something else, or there is no picture.
        """
        listed = [given] if isinstance(given, str | os.PathLike) else given
        if not isinstance(listed, Sequence) or not listed:
            raise InputError(f"photos must be folders or files, not {shown(given)}")
        found: dict[Path, Path] = {}
        for one in listed:
            if not isinstance(one, str | os.PathLike):
                raise InputError(f"photos must be paths of folders or files, not {shown(one)}")
            path = a_path("photos", one)
            if path.is_dir():
                for file in pictures_in(path):
                    found.setdefault(file, file.parent.relative_to(path))
            elif path.exists():
                found.setdefault(path, Path())
            else:
                raise InputError(f"there is no folder or file {path} with photographs")
        return PhotoFiles(tuple(found), tuple(found.values()))

    def __len__(self) -> int:
        return len(self.files)

    def outside(self, folder: Path) -> PhotoFiles:
        """Return those that are not in a folder, such as the one that is written to."""
        there = folder.resolve()
        kept = [
            (file, inside)
            for file, inside in zip(self.files, self.inside, strict=True)
            if there not in file.resolve().parents
        ]
        return PhotoFiles(tuple(file for file, _ in kept), tuple(inside for _, inside in kept))

    def state(self) -> str:
        """Return a checksum of the paths, sizes and times of change of all files."""
        state = hashlib.sha256()
        for file in self.files:
            try:
                facts = file.stat()
            except OSError:  # gone since; it is left out when it is read
                line = f"{file}\0"
            else:
                line = f"{file}\0{facts.st_size}\0{facts.st_mtime_ns}\0"
            state.update(line.encode(errors="surrogateescape"))
        return state.hexdigest()


class DecodingRoom:
    """Lets threads decode photographs side by side, but not many large ones."""

    def __init__(self, pixels: int = _PIXELS) -> None:
        """Prepare.

        Args:
            pixels: How many there may be at a time; a single larger photograph is alone.
        """
        self._most = pixels
        self._taken = 0
        self._changed = Condition()

    @contextmanager
    def __call__(self, pixels: int) -> Iterator[None]:
        """Wait until there is room for a photograph, which is taken until the block ends.

        Args:
            pixels: Of the photograph.
        """
        wanted = min(pixels, self._most)
        with self._changed:
            self._changed.wait_for(lambda: self._taken + wanted <= self._most)
            self._taken += wanted
        try:
            yield
        finally:
            with self._changed:
                self._taken -= wanted
                self._changed.notify_all()
