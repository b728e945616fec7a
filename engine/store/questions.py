"""What is asked for, as a key: the same question has one picture, wherever it is asked."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from ..ascent import registry as optimizers
from ..ascent.fitting import fitting_optimizer
from ..ascent.leak import leak_asked_for
from ..errors import InputError
from ..network.model import Model
from ..objectives.algebra import Objective
from ..parameterizations.base import PARAMETERIZATIONS
from ..parameterizations.fourier import Fourier
from ..pictures.rendering import REDIRECT_STEPS
from ..pictures.series import Settings
from ..rules.named import NAMED, checked_names
from ..transforms.composition import compose, to_json
from ..transforms.presets import lucid

_DIGITS = 32
PHOTOS_SUFFIX = ".webp"
"""How the name of a unit's sheet of patches ends."""

# What is asked for a picture says nothing of `what`.
_BESIDE = {"": (".png",), "examples": (PHOTOS_SUFFIX,)}


@dataclass(frozen=True)
class Question:
    """All that determines a picture before it is made, but for where it is computed.

    Attributes:
        asked: It as plain data.
        key: 32 hexadecimal digits, the same for the same question only.
    """

    asked: Mapping[str, Any]
    key: str = field(init=False)

    def __post_init__(self) -> None:
        text = json.dumps(self.asked, sort_keys=True, ensure_ascii=True)
        key = hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]
        object.__setattr__(self, "key", key)

    @property
    def suffixes(self) -> tuple[str, ...]:
        """How the names of those files end without which there is no answer."""
        return (*_BESIDE.get(self.asked.get("what", ""), ()), ".json")

    @classmethod
    def of(
        cls,
        model: Mapping[str, Any],
        made_with: Mapping[str, Any],
        objective: Objective,
        pictures: int,
    ) -> Self:
        """Ask for a picture.

        Args:
            model: Of which, as `described` returns it.
            made_with: How, as `in_plain_data` returns it.
            objective: What is maximised.
            pictures: How many are made together.
        """
        own = {"model": model, "objective": objective.to_json(), "batch": pictures}
        return cls({**made_with, **own})


def described(model: Model) -> dict[str, Any]:
    """Return all that determines what a model computes, as plain data."""
    return {"sha256": model.sha256, "preprocessing": model.arguments()}


def in_plain_data(settings: Settings) -> dict[str, Any]:
    """Return how pictures are made, as plain data.

    Args:
        settings: As for `render`, with `size` and `steps`; what they leave out is as there.

    Raises:
        InputError: gradient rules are a table, which nothing tells from another, or there are none
            of a name.
    """
    transforms = settings.get("transforms")
    parameterization = settings.get("parameterization") or Fourier()
    optimizer = settings.get("optimizer") or fitting_optimizer(parameterization)
    leak = leak_asked_for(
        settings.get("leak"),
        settings.get("leak_steps"),
        settings["steps"],
        rules=settings.get("rules"),
        optimizer=optimizer,
        parameterization=parameterization,
    )
    return {
        "parameterization": PARAMETERIZATIONS.to_json(parameterization),
        "transforms": to_json(compose(lucid() if transforms is None else transforms)),
        "optimizer": optimizers.to_json(optimizer),
        "size": settings["size"],
        "steps": settings["steps"],
        "seed": settings.get("seed", 0),
        "redirect_steps": settings.get("redirect_steps", REDIRECT_STEPS),
        "leak": [None, None] if leak is None else [leak.slope, leak.steps],
        "precision": settings.get("precision", "tf32"),
        **_more(settings),
    }


def _more(settings: Settings) -> dict[str, Any]:
    """What is only said where it is asked for: the keys of all other questions are without it."""
    found: dict[str, Any] = {}
    rules, starts = settings.get("rules"), settings.get("starts", 1)
    if rules is not None:
        if not isinstance(rules, str | list | tuple):
            raise InputError(
                "a project tells its pictures by how they are made, and a table of gradient rules "
                f"has nothing to tell it by; give names: {', '.join(NAMED)}"
            )
        found["rules"] = list(checked_names(rules))
    if starts != 1:
        found["starts"] = starts if isinstance(starts, int) else list(starts)
    if (patience := settings.get("patience")) is not None:
        found["patience"] = patience
    return found
