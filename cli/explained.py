"""Many photographs explained, one part after the other; what was done is not done again."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InputError, OnnxscopeError
from .console import plural
from .photo_progress import PhotoWatch

if TYPE_CHECKING:
    import numpy as np
    from PIL.PngImagePlugin import PngInfo

    from ..photo_files import PhotoFiles
    from ..studies.explaining import Explainer
    from ..studies.explanation import Explanation

_PART = 32
"""Photographs that are in memory at the same time."""

_KEY = "onnxscope.explained"
"""What says, in the text of a PNG, all that determines it."""


@dataclass(frozen=True)
class Part:
    """Some photographs, explained.

    Attributes:
        files: Their files.
        shown: How people are told of each: its name, behind the folders inside the given one.
        names: What files made of each are called, in folders likewise.
        keys: By method, all that determines the maps of each; empty where that cannot be told.
        found: By method, the maps.
    """

    files: tuple[Path, ...]
    shown: tuple[Path, ...]
    names: tuple[str, ...]
    keys: dict[str, tuple[str, ...]]
    found: dict[str, Explanation]


@dataclass
class Photographs:
    """The photographs that one command explains.

    Attributes:
        files: Their files.
        explainers: By the methods' names.
        top: How many classes of each.
        skipped: How many could not be read.
        there: How many were explained by an earlier run.
    """

    files: PhotoFiles
    explainers: Mapping[str, Explainer]
    top: int
    skipped: int = field(default=0, init=False)
    there: int = field(default=0, init=False)

    def parts(self, watch: PhotoWatch, folder: Path | None = None) -> Iterator[Part]:
        """Yield them explained, one part after the other.

        Args:
            watch: Who is told how far it is.
            folder: Where what an earlier run made of a photograph may be.

        Raises:
            InputError: none can be read.
            OnnxscopeError: see `onnxscope.studies.explaining.Explainer`.
        """
        inside, names = self.files.inside, names_of(self.files)
        listed = zip(self.files.files, inside, names, strict=True)
        named = [(file, where / file.name, name) for file, where, name in listed]
        bases = {name: _identity(one, self.top) for name, one in self.explainers.items()}
        if folder is not None:
            named = [one for one in named if not self._is_there(folder, one[0], one[2], bases)]
            self.there = len(self.files) - len(named)
        done = self.there
        self._tell(watch, done, ())
        for start in range(0, len(named), _PART):
            part = named[start : start + _PART]
            good: list[tuple[Path, Path, str]] = []
            photos: list[np.ndarray] = []
            unread: list[tuple[str, str]] = []
            for file, shown, name in part:
                try:
                    photos.append(self._read(file))
                    good.append((file, shown, name))
                except OnnxscopeError as error:
                    if len(self.files) == 1:
                        raise
                    unread.append((str(file), str(error)))
            self.skipped += len(unread)
            if good:
                files, told, called = zip(*good, strict=True)
                keys = {
                    method: tuple(_key(base, file) for file in files)
                    for method, base in bases.items()
                }
                found = {
                    method: one(photos, top=self.top) for method, one in self.explainers.items()
                }
                yield Part(files, told, called, keys, found)
            done += len(part)
            self._tell(watch, done, tuple(unread))
        if self.skipped == len(self.files):
            raise InputError(f"none of {plural(self.skipped, 'file')} can be read as a picture")

    def _read(self, file: Path) -> np.ndarray:
        from ..images import fitted_to
        from ..planes import kept

        photo = kept(file)
        one = next(iter(self.explainers.values()))
        if not one.model.form.is_rgb or photo.ndim != 3 or photo.shape[:2] == one.size:
            return photo
        # A part of large photographs would fill the memory.
        return fitted_to(photo, *one.size)

    def _is_there(
        self, folder: Path, file: Path, name: str, bases: Mapping[str, str | None]
    ) -> bool:
        return all(
            _says(folder / f"{stem}.png", _key(base, file)) and (folder / f"{stem}.npy").is_file()
            for method, base in bases.items()
            for stem in stems_of(name, method, self.top)
        )

    def _tell(self, watch: PhotoWatch, done: int, unread: tuple[tuple[str, str], ...]) -> None:
        from ..studies.collecting import Looked

        watch(Looked(done, len(self.files), unread, self.there))


def names_of(files: PhotoFiles) -> list[str]:
    """Return what files made of others are called, each with a name of its own.

    A name is that of the file without its suffix; with it where others are called alike, as in
    several formats; and with a number where these are called alike as well, as in several folders
    that were given. Folders inside a given one stand before it, with strokes between them. It
    depends on which files are given, not on which can be read.
    """
    listed = list(zip(files.files, files.inside, strict=True))
    alike = Counter(_folded(inside / file.stem) for file, inside in listed)
    taken: set[str] = set()
    names = []
    for file, inside in listed:
        base = inside / (file.stem if alike[_folded(inside / file.stem)] == 1 else file.name)
        name, number = base.as_posix(), 1
        while name.casefold() in taken:
            number += 1
            name = f"{base.as_posix()}-{number}"
        taken.add(name.casefold())
        names.append(name)
    return names


def _folded(path: Path) -> str:
    return path.as_posix().casefold()


def stems_of(name: str, method: str, top: int) -> list[str]:
    """Return what the files of a photograph's maps are called, the highest class first."""
    ranks = [f"-{rank}" for rank in range(1, top + 1)] if top > 1 else [""]
    return [f"{name}-{method}{rank}" for rank in ranks]


def with_key(key: str) -> PngInfo | None:
    """Return the text of a PNG that says all that determines it, `None` for an empty key."""
    from PIL.PngImagePlugin import PngInfo

    if not key:
        return None
    text = PngInfo()
    text.add_text(_KEY, key)
    return text


def _identity(explainer: Explainer, top: int) -> str | None:
    """All that determines an explainer's maps, as a key; `None` where that cannot be told."""
    from ..identity import NoIdentityError, key_of
    from ..network.identified import identity_of

    try:
        return key_of(
            model=identity_of(explainer.model),
            objective=explainer.objective,
            method=explainer.method,
            layer=explainer.layer,
            size=list(explainer.size),
            top=top,
        )
    except NoIdentityError:
        return None


def _key(base: str | None, file: Path) -> str:
    """What determines the maps of a file as it is now; empty where that cannot be told."""
    if base is None:
        return ""
    try:
        facts = file.stat()
    except OSError:  # it is gone, and is left out when it is read
        return ""
    text = f"{base} {facts.st_size} {facts.st_mtime_ns}"
    return hashlib.sha256(text.encode()).hexdigest()


def _says(picture: Path, key: str) -> bool:
    """Whether a PNG is there and was made of what the key stands for."""
    from PIL import Image

    if not key:
        return False
    try:
        with Image.open(picture) as image:
            return image.info.get(_KEY) == key
    except (OSError, SyntaxError):  # it is not there, or is no picture any more
        return False
