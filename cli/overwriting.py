"""No command writes over what it reads, and every file that is replaced is said."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ..errors import OutputError
from .console import note

OUTPUTS = frozenset({"output", "sheet", "strip", "animation", "export", "json"})
"""The parameters that name what is written. What any other one names is read, and stays as it is:
an output option that is not among these could replace nothing, so that it cannot be forgotten."""

# A file may stand in a call, `start("dog.jpg")`, behind a name, `mask=m.npy`, or in a target.
_BETWEEN = re.compile(r"""["'=@,()]""")
_SUFFIX = ".onnx"
_NAMES = {
    "model": "it is the model itself",
    "weights": "it is the weights themselves",
    "recipe": "it is the recipe itself",
}


class Overwriting:
    """Watches what a command writes (see `onnxscope.files.watched`)."""

    def __init__(self, given: Mapping[str, Any]) -> None:
        """Watch a command.

        Args:
            given: Its parameters, by name.
        """
        self._given = given

    def check(self, target: Path) -> None:
        """See that a file is none that the command reads; of a folder, that it holds none.

        Raises:
            OutputError: it is, or does.
        """
        if target.is_dir():
            self._check_folder(target)
        elif target.exists():
            self._check_file(target)

    def replaces(self, target: Path) -> None:
        """Say that a file gives way to a new one, unless the user said that it may."""
        if not self._given.get("quiet") and not self._given.get("overwrite"):
            note(f"replaces {target}")

    def _check_file(self, target: Path) -> None:
        for name, file in self._read():
            if not file.is_file():
                continue
            if target.samefile(file):
                why = _NAMES.get(name, "the command reads it")
                raise OutputError(f"cannot write {target}: {why}; give the new file another name")
            if file.suffix == _SUFFIX and target.name.encode() in file.read_bytes():
                # Few files are mentioned in a model: then it is read, for which it takes ONNX.
                from ..importer.external import check_apart

                check_apart(target, file)

    def _check_folder(self, folder: Path) -> None:
        """New pictures among the photographs would be photographs of the next run."""
        from ..photo_files import is_picture

        where = folder.resolve()
        for _, other in self._read():
            if (
                other.is_dir()
                and (other.resolve() == where or other.resolve() in where.parents)
                and any(is_picture(file) for file in folder.iterdir())
            ):
                raise OutputError(
                    f"cannot write to {folder}: the command reads the pictures there; name another "
                    "folder"
                )

    def _read(self) -> Iterator[tuple[str, Path]]:
        """The files and folders that are there, with the parameters that name them."""
        for name, value in self._given.items():
            if name in OUTPUTS:
                continue
            for one in value if isinstance(value, list | tuple) else (value,):
                if isinstance(one, str | Path):
                    yield from ((name, path) for path in _there(str(one)))


def _there(text: str) -> Iterator[Path]:
    for part in dict.fromkeys((text, *_BETWEEN.split(text))):
        # A unit stands behind the file of a direction.
        for words in dict.fromkeys((part, part.rpartition(":")[0])):
            path = Path(words)
            try:
                if words and path.exists():
                    yield path
            except (OSError, ValueError):
                continue
