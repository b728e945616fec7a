"""Transforms as text: names, or calls of the functions that make them in Python."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..calls import Calls
from ..errors import InputError
from . import backdrops, filters, geometric, glimpses, noise, presets, slices
from .base import Transform


def parse_transforms(text: str) -> tuple[Transform, ...]:
    """Return `lucid`, `distill`, `none`, or calls such as `views(16), crop(0.3, 0.6)`.

    Raises:
        InputError: there is no such transform, or it refuses its arguments.
    """
    functions: Mapping[str, Callable[..., Any]] = {
        function.__name__: function
        for function in (
            presets.lucid,
            presets.distill,
            geometric.pad,
            geometric.jitter,
            geometric.scale,
            geometric.rotate,
            geometric.flip,
            geometric.homography,
            glimpses.views,
            glimpses.crop,
            glimpses.resize,
            filters.blur,
            filters.recolor,
            noise.noise,
            backdrops.backdrop,
            slices.jitter_depth,
        )
    } | {"none": tuple}
    if text.isidentifier():
        text += "()"
    made = Calls(
        text,
        functions,
        what="transform",
        made_of="calls such as pad(8), jitter(8), noise(0.1)",
        error=InputError,
    ).read()
    listed = made if isinstance(made, tuple | list) else (made,)
    # A series such as lucid() stands for its steps.
    return tuple(step for one in listed for step in (one if isinstance(one, tuple) else (one,)))
