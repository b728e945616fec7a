"""The recipe in a picture: what it takes to make it again."""

from __future__ import annotations

import json
import os
import platform
from dataclasses import asdict, dataclass, field
from typing import Any

from PIL import Image, UnidentifiedImageError

from .errors import InputError

CHUNK = "onnxscope"
"""The keyword of the PNG's text chunk."""


@dataclass(frozen=True)
class Recipe:
    """All that determines a picture, as plain data.

    Attributes:
        model: `name`, `sha256` and, for files of other origin, `preprocessing`.
        objective: See `onnxscope.objectives.from_json`.
        parameterization: See `onnxscope.parameterizations.from_json`.
        transforms: See `onnxscope.transforms.from_json`.
        optimizer: See `onnxscope.optimizers.from_json`.
        size: Height and width in pixels.
        batch: How many pictures were made together.
        steps: How many steps were done.
        seed: Of the random generator.
        redirect_steps: First steps in which a missing gradient was redirected.
        provider: Where it ran.
        versions: Of onnxscope and what it runs on.
    """

    model: dict[str, Any]
    objective: dict[str, Any]
    parameterization: dict[str, Any]
    transforms: list[dict[str, Any]]
    optimizer: dict[str, Any]
    size: tuple[int, int]
    batch: int
    steps: int
    seed: int
    redirect_steps: int
    provider: str
    versions: dict[str, str] = field(default_factory=dict)

    def to_text(self) -> str:
        """As JSON."""
        return json.dumps(asdict(self), ensure_ascii=False)

    @staticmethod
    def from_text(text: str) -> Recipe:
        """Read back what `to_text` wrote.

        Raises:
            InputError: it is damaged.
        """
        try:
            data = json.loads(text)
            height, width = data["size"]
            counts = ("batch", "steps", "seed", "redirect_steps")
            read = Recipe(
                **data | {"size": (int(height), int(width))} | {n: int(data[n]) for n in counts}
            )
            described = (read.model["name"], read.model["sha256"], read.provider)
            parts = (read.objective, read.parameterization, read.optimizer, *read.transforms)
            if not all(isinstance(word, str) for word in described):
                raise TypeError("model or provider is no text")
            if not all(isinstance(part, dict) for part in parts):
                raise TypeError("a part of it is no object")
        except (ValueError, TypeError, KeyError, IndexError) as error:
            raise InputError(f"the recipe is damaged: {error}") from error
        return read


def read_recipe(path: str | os.PathLike[str]) -> Recipe:
    """The recipe in a PNG that onnxscope saved.

    Raises:
        InputError: the file is missing, is no picture, or holds no recipe.
    """
    try:
        with Image.open(path) as image:
            text = image.info.get(CHUNK)
    except (OSError, ValueError, UnidentifiedImageError) as error:
        reason = getattr(error, "strerror", None) or "it is not a picture"
        raise InputError(f"cannot read {os.fspath(path)}: {reason}") from error
    if not isinstance(text, str):
        raise InputError(f"{os.fspath(path)} holds no recipe; onnxscope writes one into its PNGs")
    return Recipe.from_text(text)


def current_versions() -> dict[str, str]:
    """Versions of what takes part in the numbers."""
    import numpy
    import onnx
    import onnxruntime

    from . import __version__

    return {
        "onnxscope": __version__,
        "onnxruntime": onnxruntime.__version__,
        "onnx": onnx.__version__,
        "numpy": numpy.__version__,
        "python": platform.python_version(),
    }
