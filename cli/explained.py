"""Many photographs explained, one part after the other; what was done is not done again."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InputError, OnnxscopeError
from .console import plural
from .photo_progress import PhotoWatch

if TYPE_CHECKING:
    import numpy as np
    from PIL.PngImagePlugin import PngInfo

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
        names: What files made of each are called.
        keys: By method, all that determines the maps of each; empty where that cannot be told.
        found: By method, the maps.
    """

    files: tuple[Path, ...]
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

    files: Sequence[Path]
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
        named = list(zip(self.files, names_of(self.files), strict=True))
        bases = {name: _identity(one, self.top) for name, one in self.explainers.items()}
        if folder is not None:
            named = [one for one in named if not self._is_there(folder, *one, bases)]
            self.there = len(self.files) - len(named)
        done = self.there
        self._tell(watch, done, ())
        for start in range(0, len(named), _PART):
            part = named[start : start + _PART]
            good: list[tuple[Path, str]] = []
            photos: list[np.ndarray] = []
            unread: list[tuple[str, str]] = []
            for file, name in part:
                try:
                    photos.append(self._read(file))
                    good.append((file, name))
                except OnnxscopeError as error:
                    if len(self.files) == 1:
                        raise
                    unread.append((str(file), str(error)))
            self.skipped += len(unread)
            if good:
                files, names = zip(*good, strict=True)
                keys = {
                    method: tuple(_key(base, file) for file in files)
                    for method, base in bases.items()
                }
                found = {
                    method: one(photos, top=self.top) for method, one in self.explainers.items()
                }
                yield Part(files, names, keys, found)
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


def names_of(files: Sequence[Path]) -> list[str]:
    """Return what files made of others are called, each with a name of its own.

    A name is that of the file without its suffix; with it where others are called alike, as in
    several formats; and with a number where these are called alike as well, as in several folders.
    It depends on which files are given, not on which can be read.
    """
    alike = Counter(file.stem.casefold() for file in files)
    taken: set[str] = set()
    names = []
    for file in files:
        base = file.stem if alike[file.stem.casefold()] == 1 else file.name
        name, number = base, 1
        while name.casefold() in taken:
            number += 1
            name = f"{base}-{number}"
        taken.add(name.casefold())
        names.append(name)
    return names


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
