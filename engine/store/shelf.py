"""Which answers a project has, and what of each is needed all the time."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .project import Project
from .questions import Question


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


class Shelf:
    """Which answers are there at a moment, asked of 256 folders, and not for each."""

    def __init__(self, project: Project) -> None:
        """Look.

        Args:
            project: The project.
        """
        self._names = frozenset(_names_in(project.answers))

    def __len__(self) -> int:
        """Return how many files there are."""
        return len(self._names)

    def has(self, question: Question) -> bool:
        """Return whether the answer was there, whole (see `Project.has`)."""
        return all(f"{question.key}{suffix}" in self._names for suffix in question.suffixes)


def _names_in(folder: Path) -> Iterator[str]:
    """The names of files that have content, in the folders of a folder."""
    if not folder.is_dir():
        return
    with os.scandir(folder) as parts:
        for part in parts:
            if not part.is_dir():
                continue
            with os.scandir(part.path) as inside:
                yield from (one.name for one in inside if one.stat().st_size)


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
