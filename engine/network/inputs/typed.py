"""What a foreign network expects, as options of the command line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from .presets import preset_name

if TYPE_CHECKING:
    from ..described import Described
    from .preprocessing import Preprocessing, Range

_MOST_NUMBERS = 16
"""So many numbers of an input are typed; more are a file."""


def options_of(model: Described) -> list[str]:
    """Return the options with which `onnxscope` opens a model's file as it was opened.

    What the file says itself takes none. Of an input with many values it is the name of a file in
    which whoever types it has them.

    Args:
        model: The model.
    """
    told = model.arguments()
    given = model.given
    words = [] if given is None else options_for(given)
    if given is not None and given.layout != "NCHW":
        words += ["--layout", given.layout]
    if "colors" in told:
        colors = told["colors"]
        words += ["--colors", colors if colors == "none" else ",".join(map(str, colors))]
    for name, axis in told.get("channel_axis", {}).items():
        words += ["--channel-axis", f"{name}={axis}"]
    if "image_input" in told:
        words += ["--image-input", told["image_input"]]
    return words + _inputs(told.get("inputs", {}))


def options_for(preprocessing: Preprocessing) -> list[str]:
    """Return what to type for a preprocessing: its name where it has one."""
    name = preset_name(preprocessing)
    if name:
        return ["--preprocessing", name]
    words = _plain(preprocessing) if _is_plain(preprocessing) else _by_channel(preprocessing)
    if preprocessing.channel_order != "rgb":
        words += ["--channel-order", preprocessing.channel_order]
    return words


def number(value: float) -> str:
    """Return a number so that it is read back as the same, without a fraction that is zero."""
    return str(int(value)) if value == int(value) else repr(value)


def _is_plain(preprocessing: Preprocessing) -> bool:
    """Whether it is of three colours, which have one range together."""
    return preprocessing.channels == 3 and len(preprocessing.ranges) == 1


def _plain(preprocessing: Preprocessing) -> list[str]:
    options: dict[str, tuple[float, ...]] = {"--input-range": preprocessing.ranges[0]}
    if any(preprocessing.mean):
        options["--mean"] = _three(preprocessing.mean)
    if any(value != 1 for value in preprocessing.std):
        options["--std"] = _three(preprocessing.std)
    return [word for name, values in options.items() for word in (name, *map(number, values))]


def _by_channel(preprocessing: Preprocessing) -> list[str]:
    words = ["--range", ",".join(map(_ends, preprocessing.ranges))]
    if any(preprocessing.mean):
        words += ["--means", ",".join(map(number, preprocessing.mean))]
    if any(value != 1 for value in preprocessing.std):
        words += ["--stds", ",".join(map(number, preprocessing.std))]
    return words


def _ends(ends: Range) -> str:
    return "..".join(map(number, ends))


def _three(values: tuple[float, ...]) -> tuple[float, ...]:
    return values * 3 if len(values) == 1 else values


def _inputs(inputs: Mapping[str, object]) -> list[str]:
    words = []
    for name, value in inputs.items():
        array = np.asarray(value)
        flat = array.ravel()
        if array.dtype.kind not in "biuf" or not 1 <= flat.size <= _MOST_NUMBERS:
            typed = f"{name}.npy"
        else:
            alike = bool((flat == flat[0]).all())
            typed = ",".join(_typed(one) for one in (flat[:1] if alike else flat).tolist())
        words += ["--input", f"{name}={typed}"]
    return words


def _typed(value: bool | float) -> str:
    # NaN and infinity are read back as Python writes them.
    return str(value).lower() if isinstance(value, bool) else repr(value)
