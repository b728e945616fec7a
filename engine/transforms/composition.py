"""Transforms joined into as few as possible, and written into a recipe."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..errors import InputError
from ..plain import lacking, shown
from .base import TRANSFORMS, Transform, views_of
from .warp import Geometric, Warp


def compose(transforms: Sequence[Transform]) -> tuple[Transform, ...]:
    """Join neighbouring geometric transforms into warps; the order stays.

    Raises:
        InputError: they are no list of transforms, or do not fit together.
    """
    if not isinstance(transforms, Sequence) or isinstance(transforms, str):
        raise InputError(
            f"transforms must be a list such as [pad(3), jitter(6)], not {shown(transforms)}"
        )
    for transform in transforms[1:]:
        if not isinstance(transform, type) and views_of(transform) > 1:
            raise InputError("views must be the first of the transforms")
    joined: list[Transform] = []
    steps: list[Geometric] = []
    for transform in transforms:
        if isinstance(transform, Geometric):
            steps.append(transform)
        elif isinstance(transform, Warp):
            steps.extend(transform.steps)
        elif isinstance(transform, type) or not isinstance(transform, Transform):
            raise InputError(
                f"transforms must hold transforms such as pad(3), not {shown(transform)}"
                f"{lacking(transform, Transform)}"
            )
        else:
            if steps:
                joined.append(Warp(tuple(steps)))
                steps = []
            joined.append(transform)
    if steps:
        joined.append(Warp(tuple(steps)))
    return tuple(joined)


def to_json(transforms: Sequence[Transform]) -> list[dict[str, Any]]:
    """Write transforms down as plain data, for a recipe: warps as their steps."""
    written = []
    for transform in transforms:
        steps = transform.steps if isinstance(transform, Warp) else (transform,)
        written += [TRANSFORMS.to_json(step) for step in steps]
    return written
