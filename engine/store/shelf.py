"""Which answers a project has, and what of each is needed all the time."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from .project import Project


@dataclass(frozen=True)
class Note:
    """What of an answer is needed all the time; the rest is read where it is shown.

    Attributes:
        mean: Of the unit's cells at its picture; `None` where the answer has no picture.
        means: Of each unit of the layer, float32; `None` where that is not known.
        before: The name of the layer that the unit's value is made of; empty where it is not known.
        shares: What each unit of that layer adds to it, float32; `None` where it is not known.
    """

    mean: float | None
    means: np.ndarray | None
    before: str
    shares: np.ndarray | None


def keys_there(project: Project) -> frozenset[str]:
    """Return the keys of all answers that are there; this asks for 256 folders, and not for each.

    Args:
        project: The project.
    """
    folder = project.answers
    found: set[str] = set()
    for part in os.listdir(folder) if folder.is_dir() else ():
        inside = folder / part
        if inside.is_dir():
            found |= {name[:-5] for name in os.listdir(inside) if name.endswith(".json")}
    return frozenset(found)


def note_of(known: Mapping[str, Any]) -> Note:
    """Return what of an answer is needed all the time.

    Args:
        known: As `Project.answer` returns it.
    """
    looks = known.get("looks")
    earlier = known.get("earlier") or {}
    return Note(
        looks[0]["mean"] if looks else None,
        np.array(known["means"], np.float32) if "means" in known else None,
        earlier.get("layer", ""),
        np.array(earlier["shares"], np.float32) if earlier else None,
    )
