"""Files `.npy` of pictures: their exact values, and the recipe behind them.

NumPy reads an array as long as it is, and no further: what stands behind it disturbs no reader.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..errors import InputError
from ..files import atomic_path

_MARK = b"\nonnxscope recipe\n"


def write_array(path: Path, array: np.ndarray, recipe: str) -> Path:
    """Write an array and a recipe, whole or not at all.

    Raises:
        OutputError: the file cannot be written.
    """
    with atomic_path(path) as temporary, open(temporary, "wb") as file:
        np.save(file, np.ascontiguousarray(array), allow_pickle=False)
        file.write(_MARK + recipe.encode())
    return path


def recipe_behind(path: Path) -> str | None:
    """Return the recipe behind an array; `None` where there is none.

    Raises:
        InputError: the file cannot be read.
    """
    try:
        with open(path, "rb") as file:
            np.load(file, allow_pickle=False)
            rest = file.read()
    except (OSError, ValueError, EOFError) as error:
        reason = getattr(error, "strerror", None) or "it is no array"
        raise InputError(f"cannot read {path}: {reason}") from error
    return rest[len(_MARK) :].decode("utf-8", "replace") if rest.startswith(_MARK) else None
