"""What to type for a picture, so that the same one is made."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from ..network.inputs.typed import options_of
from ..network.model import Model
from ..network.photos import pixels_of
from ..pictures.series import Settings


def command_for(
    model: Model, words: Sequence[str], settings: Settings, transforms: str = ""
) -> str:
    """Return the command that makes a picture, as a shell takes it.

    Args:
        model: Of which it is.
        words: What `onnxscope render` takes for what it is of: the target, and options.
        settings: As for `render`, with `size` and `steps`.
        transforms: As they were typed; empty for the usual ones.
    """
    target, *options = words
    height, width = pixels_of(model, settings["size"])
    options += ["--size", str(height) if height == width else f"{height}x{width}"]
    options += ["--steps", str(settings["steps"])]
    if settings.get("seed"):
        options += ["--seed", str(settings["seed"])]
    if transforms:
        options += ["--transforms", transforms]
    options += options_of(model)
    names = [model.name, target]
    # What begins with a dash would be taken for an option.
    dashed = any(name.startswith("-") for name in names)
    every = [*options, "--", *names] if dashed else [*names, *options]
    return shlex.join(["onnxscope", "render", *every])
