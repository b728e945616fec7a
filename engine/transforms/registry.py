"""Transforms joined into as few as possible, and read back from a recipe."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import InputError
from ..plain import shown
from .base import Transform
from .warp import Geometric, Warp, geometric


def compose(transforms: Sequence[Geometric | Transform]) -> tuple[Transform, ...]:
    """Join neighbouring geometric transforms into warps.

    Raises:
        InputError: they are no list of transforms, or do not fit together.
    """
    if not isinstance(transforms, Sequence) or isinstance(transforms, str):
        raise InputError(
            f"transforms must be a list such as [pad(3), jitter(6)], not {shown(transforms)}"
        )
    joined: list[Transform] = []
    steps: list[Geometric] = []
    for transform in transforms:
        if isinstance(transform, Geometric):
            steps.append(transform)
            continue
        if isinstance(transform, type) or not isinstance(transform, Transform):
            raise InputError(
                f"transforms must hold transforms such as pad(3), not {shown(transform)}"
            )
        if steps:
            joined.append(Warp(tuple(steps)))
            steps = []
        joined.append(transform)
    if steps:
        joined.append(Warp(tuple(steps)))
    return tuple(joined)


def from_json(data: Sequence[Mapping[str, Any]]) -> tuple[Geometric, ...]:
    """The transforms that `to_json` wrote down.

    Raises:
        InputError: the data is damaged, or names one that this version does not have.
    """
    if not isinstance(data, Sequence):
        raise InputError(f"the recipe's transforms {shown(data)} are no list")
    steps = []
    for entry in data:
        try:
            steps.append(geometric(entry))
        except InputError as error:
            raise InputError(
                f"the recipe's transform {shown(entry)} is damaged: {error}"
            ) from error
    return tuple(steps)
