"""The recipe in a picture: what it takes to make it again."""

from __future__ import annotations

import json
import os
import platform
from dataclasses import dataclass, field, fields
from typing import Any

from PIL import Image, UnidentifiedImageError

from ..errors import InputError, nearest
from ..plain import path as a_path
from ..plain import real, shown, texts, whole
from .arrays import recipe_behind

_MOST_DIGITS = 1000

CHUNK = "onnxscope"
"""The keyword of the PNG's text chunk."""


@dataclass(frozen=True)
class Recipe:
    """All that determines a picture, as plain data.

    Attributes:
        model: `name`, `sha256` and, for files of other origin, `preprocessing`.
        objective: See `onnxscope.objectives.registry`.
        parameterization: See `onnxscope.parameterizations.registry`.
        transforms: See `onnxscope.transforms.registry`.
        optimizer: See `onnxscope.ascent.optimizers`.
        size: Height and width in pixels; of volumes and videos the number of slices before them.
        batch: How many pictures were made together.
        steps: How many steps were done.
        seed: Of the random generator.
        redirect_steps: First steps in which a missing gradient was redirected.
        provider: Where it ran.
        precision: Of network and gradient.
        same_start: Whether all pictures started as the first one.
        leak: What part of the gradient passed ReLUs that were off; `None` for none.
        leak_steps: In how many first steps; `None` for none.
        starts: Which of the seed's pictures each one is; `None` for the first ones, in order.
        rules: Names of the tables that override the standard rules; `None` for none.
        show: Which channels are shown; `None` for what the form says.
        versions: Of onnxscope and what it runs on.
    """

    model: dict[str, Any]
    objective: dict[str, Any]
    parameterization: dict[str, Any]
    transforms: list[dict[str, Any]]
    optimizer: dict[str, Any]
    size: tuple[int, ...]
    batch: int
    steps: int
    seed: int
    redirect_steps: int
    provider: str
    precision: str = "tf32"
    same_start: bool = False
    leak: float | None = None
    leak_steps: int | None = None
    starts: tuple[int, ...] | None = None
    rules: tuple[str, ...] | None = None
    show: tuple[int, ...] | None = None
    versions: dict[str, str] = field(default_factory=dict)

    def to_text(self) -> str:
        """Write it as JSON, without what earlier versions did not know where that is as it was."""
        data = dict(vars(self))
        if not self.same_start:
            del data["same_start"]
        if self.leak is None:
            del data["leak"], data["leak_steps"]
        if self.starts is None:
            del data["starts"]
        if self.rules is None:
            del data["rules"]
        if self.show is None:
            del data["show"]
        return json.dumps(data, ensure_ascii=False)

    @staticmethod
    def from_text(text: str) -> Recipe:
        """Read back what `to_text` wrote.

        Raises:
            InputError: it is damaged.
        """
        if not isinstance(text, str | bytes):
            raise InputError(f"a recipe is read from text, not from {shown(text)}")
        try:
            data = json.loads(text, parse_float=_finite, parse_int=_whole, parse_constant=_finite)
            read = Recipe(**_checked(data))
        except (ValueError, RecursionError) as error:
            raise InputError(f"the recipe is damaged: {error}") from error
        return read


def _whole(text: str) -> int:
    # Python reads thousands of digits on demand only, and no number of a recipe has so many.
    if len(text) > _MOST_DIGITS:
        raise InputError(f"a number in it has {len(text)} digits, more than {_MOST_DIGITS}")
    return int(text)


def _finite(text: str) -> float:
    return real("a number in it", float(text))


def _checked(data: object) -> dict[str, Any]:
    """A recipe's fields, without a look into its parts, which their own `from_json` checks.

    Raises:
        InputError: one is missing, unknown or of another type.
    """
    known = {f.name for f in fields(Recipe)}
    optional = {"precision", "same_start", "leak", "leak_steps", "starts", "rules", "show"}
    optional.add("versions")
    if not isinstance(data, dict):
        raise InputError(f"it must be an object of {', '.join(sorted(known))}, not {shown(data)}")
    for name in data:
        if name not in known:
            raise InputError(f"a recipe has no {name!r}{nearest(name, known)}")
    missing = [f.name for f in fields(Recipe) if f.name not in {*data, *optional}]
    if missing:
        raise InputError(
            f"its {' and its '.join(missing)} {'are' if missing[1:] else 'is'} missing"
        )
    for names, kind, expected in _KINDS:
        for name in names:
            if name in data and not isinstance(data[name], kind):
                raise InputError(f"its {name} must be {expected}, not {shown(data[name])}")
    if not all(isinstance(transform, dict) for transform in data["transforms"]):
        raise InputError("its transforms must be a list of objects")
    for name in ("name", "sha256"):
        if not isinstance(data["model"].get(name), str):
            raise InputError(f"its model's {name} must be text")
    if len(data["size"]) not in (2, 3):
        raise InputError(f"its size must be height and width, not {shown(data['size'])}")
    if "show" in data:
        data["show"] = tuple(whole("its show", channel, 0) for channel in data["show"])
    _check_preprocessing(data["model"].get("preprocessing", {}))
    if ("leak" in data) != ("leak_steps" in data):
        raise InputError("its leak and its leak_steps belong together, and one is missing")
    least = {"batch": 1, "steps": 0, "seed": 0, "redirect_steps": 0}
    if "leak" in data:
        data["leak"] = real("its leak", data["leak"])
        least["leak_steps"] = 0
    if "starts" in data:
        data["starts"] = tuple(whole("each of its starts", start, 0) for start in data["starts"])
    if "rules" in data:
        data["rules"] = texts("its rules", data["rules"], "names")
    return (
        data
        | {"size": tuple(whole("its size", pixels, 1) for pixels in data["size"])}
        | {n: whole(f"its {n}", data[n], low, None) for n, low in least.items()}
    )


_KINDS: tuple[tuple[tuple[str, ...], type, str], ...] = (
    (("model", "objective", "parameterization", "optimizer", "versions"), dict, "an object"),
    (("transforms", "size", "starts", "rules", "show"), list, "a list"),
    (("provider", "precision"), str, "text"),
    (("same_start",), bool, "true or false"),
)


def _check_preprocessing(arguments: object) -> None:
    """See that `onnxscope.load` takes what the recipe says of a foreign model's pictures."""
    if not isinstance(arguments, dict):
        raise InputError(f"its model's preprocessing must be an object, not {shown(arguments)}")
    for name, value in arguments.items():
        match name, value:
            case "channel_order" | "layout" | "image_input", str():
                continue
            case "channel_axis", dict():
                for axis in value.values():
                    whole(f"each axis of its {name}", axis, 1)
            case "inputs", dict():
                # Numbers of any type and shape, which `load` checks against the file.
                if not all(isinstance(array, list | int | float) for array in value.values()):
                    raise InputError(f"its model's {name} must be numbers, not {shown(value)}")
            case "colors", "none":
                continue
            case "colors", list() if len(value) == 3:
                for channel in value:
                    whole(f"each channel of its {name}", channel, 0)
            case "input_range", [list(), *_]:
                for pair in value:
                    for end in pair if isinstance(pair, list) else [pair]:
                        real(f"each number of its {name}", end)
            case "input_range" | "mean" | "std", list() if value:
                for number in value:
                    real(f"each number of its {name}", number)
            case _:
                raise InputError(f"its model's preprocessing {shown({name: value})} is unknown")


def read_recipe(path: str | os.PathLike[str]) -> Recipe:
    """Return the recipe in a PNG, or behind the array of an .npy, that onnxscope saved.

    Raises:
        InputError: the file is missing, is no picture, or holds no recipe.
    """
    path = a_path("path", path)
    if path.suffix.lower() == ".npy":
        behind = recipe_behind(path)
        if behind is None:
            raise InputError(f"{path} holds no recipe; onnxscope writes one behind its arrays")
        return Recipe.from_text(behind)
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
    """Return the versions of what takes part in the numbers."""
    import numpy
    import onnxruntime

    from .. import __version__
    from ..identity import library_version

    return {
        "onnxscope": __version__,
        "onnxruntime": onnxruntime.__version__,
        "onnx": library_version("onnx"),
        "numpy": numpy.__version__,
        "python": platform.python_version(),
    }
