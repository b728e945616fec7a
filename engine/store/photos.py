"""Which photographs a project looks at, and what is asked about them, as keys."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InputError
from ..network.layers.layer import Layer
from ..photo_files import PhotoFiles
from ..plain import shown
from .questions import Question

if TYPE_CHECKING:
    from .plan import Plan
    from .project import Project

BEST, WORST = 9, 9
"""How many photographs of each unit are shown at either end: three by three."""

QUANTILES = (0.99, 0.9, 0.5, 0.1)

LAYER_SUFFIX = ".npz"
"""How the name of what was found of a whole layer ends; `read_examples` reads it."""


@dataclass(frozen=True)
class Photos:
    """Photographs, as far as they determine what is found in them.

    Attributes:
        digest: Of their names below the folders that were given, their sizes and times of change.
        count: How many files there are.
        files: The files; empty where they are known from an earlier run alone.
        eye: The checksum of the second network that compares pictures with them; empty for none.
    """

    digest: str
    count: int
    files: tuple[Path, ...] = ()
    eye: str = ""

    @classmethod
    def found(
        cls,
        given: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
        eye: str = "",
        *,
        besides: Path | None = None,
    ) -> Photos:
        """Return the photographs of folders, with those inside, and files.

        Args:
            given: The folders and files, or one.
            eye: The checksum of the second network; empty for none.
            besides: The project's own folder, whose pictures are none.

        Raises:
            InputError: there are none, or something else is given.
        """
        listed = [given] if isinstance(given, str | os.PathLike) else given
        if not isinstance(listed, Sequence) or not listed:
            raise InputError(f"photos must be folders or files, not {shown(given)}")
        files: dict[Path, str] = {}
        for one in listed:
            found = _outside(PhotoFiles.found(one), besides).files
            folder = Path(one)
            for path in found:
                inside = path.is_relative_to(folder) and path != folder
                files[path] = path.relative_to(folder).as_posix() if inside else path.name
        state = hashlib.sha256()
        for path, name in files.items():
            try:
                facts = path.stat()
            except OSError:  # gone since; it is left out when it is read
                continue
            line = f"{name}\0{facts.st_size}\0{facts.st_mtime_ns}\0"
            state.update(line.encode(errors="surrogateescape"))
        return cls(state.hexdigest()[:32], len(files), tuple(files), eye)

    @classmethod
    def remembered(cls, project: Project) -> Photos | None:
        """Return the photographs of a project's last plan; `None` where it had none.

        Raises:
            InputError: the plan is damaged.
        """
        known = (project.plan or {}).get("photos")
        if known is None:
            return None
        try:
            return cls(str(known["digest"]), int(known["count"]), eye=str(known["eye"]))
        except (TypeError, KeyError, ValueError):
            raise InputError(
                f"{project.plan_file} is damaged: its photos lack digest, count or eye; remove it"
            ) from None

    def to_json(self) -> dict[str, Any]:
        """Write down what determines them."""
        return {"digest": self.digest, "count": self.count, "eye": self.eye}


def _outside(found: PhotoFiles, folder: Path | None) -> PhotoFiles:
    """What is not of the project, whose pictures would be looked at with each run, as it grows.

    Raises:
        InputError: then there is nothing left.
    """
    if folder is None:
        return found
    left = found.outside(folder)
    if not left:
        raise InputError(
            f"all pictures there are of the project {folder} itself; name a folder of photographs"
        )
    return left


def layer_question(plan: Plan, layer: Layer) -> Question:
    """Ask which photographs excite the units of a layer that a plan has."""
    return Question(_about(plan, layer, "photos") | {"units": list(plan.units_of(layer))})


def unit_question(plan: Plan, layer: Layer, unit: int) -> Question:
    """Ask which photographs excite a unit, and where."""
    return Question(_about(plan, layer, "examples") | {"unit": unit})


def score_question(plan: Plan, layer: Layer, unit: int, picture: Question) -> Question:
    """Ask in how far the picture of a unit can be trusted.

    Args:
        plan: The plan.
        layer: The layer.
        unit: Its unit.
        picture: What was asked for the picture.
    """
    asked = _about(plan, layer, "scores") | {"unit": unit, "picture": picture.key}
    return Question(asked | {"eye": "" if plan.photos is None else plan.photos.eye})


def _about(plan: Plan, layer: Layer, what: str) -> dict[str, Any]:
    if plan.photos is None:
        raise InputError("the plan has no photographs: give photos='FOLDER' (--photos FOLDER)")
    return {
        "what": what,
        "model": plan.described,
        "layer": layer.name,
        "photos": plan.photos.digest,
        "ends": [BEST, WORST],
        "quantiles": list(QUANTILES),
        "size": list(plan.height_and_width),
        "by": "max",
        "seed": plan.settings.get("seed", 0),
    }
