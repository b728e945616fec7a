"""Which version of a Python distribution is installed, and where, as a rule by a folder's name.

`importlib.metadata` needs the `email` package to read what distributions say of themselves: twelve
milliseconds of each start. But where `pip` puts a wheel, the name of its folder says both.
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import NamedTuple

_SUFFIX = ".dist-info"
_EGG = ".egg-info"


class Installed(NamedTuple):
    """A distribution that is installed.

    Attributes:
        version: Its version.
        folder: What the paths of its files are relative to.
    """

    version: str
    folder: Path


def installed(distribution: str) -> Installed | None:
    """Return what is installed of a distribution, without importing it; `None` where nothing is.

    Args:
        distribution: Its name, in any of the ways in which it may be written: `onnx-ir`, `onnx_ir`.
    """
    wanted = _normalized(distribution)
    for folder in sys.path:
        try:
            names = os.listdir(folder or ".")
        except OSError:
            continue
        # Of a wheel the name has no hyphen: https://packaging.python.org/specifications/, "Binary
        # distribution format".
        parts = [name[: -len(_SUFFIX)].partition("-") for name in names if name.endswith(_SUFFIX)]
        versions = [version for name, _, version in parts if _normalized(name) == wanted]
        # What a checkout says of itself counts like any other, and its name has no version.
        left = [name[: -len(_EGG)].partition("-")[0] for name in names if name.endswith(_EGG)]
        eggs = [name for name in left if _normalized(name) == wanted]
        if len(versions) == 1 and not eggs:
            return Installed(versions[0], Path(folder))
        if versions or eggs:
            break
    return _described(distribution)


def _described(distribution: str) -> Installed | None:
    """The same by what distributions say of themselves: eggs, archives, remains of another one."""
    import importlib.metadata

    try:
        found = importlib.metadata.distribution(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None
    return Installed(found.version, Path(str(found.locate_file(""))))


def _normalized(name: str) -> str:
    return re.sub("[-_.]+", "-", name).lower()
