"""Objectives on another network than the one that a picture is made for."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

from ..errors import InputError, TargetError
from ..graph.tensor import Tensor
from ..plain import shown
from .algebra import OBJECTIVES, Leaf, Objective, check_objective
from .seen import Seen

if TYPE_CHECKING:
    from ..network.model import Model

_opened: WeakValueDictionary[tuple[str, str], Model] = WeakValueDictionary()
"""The models that are in memory, by their hash and what they were loaded with."""


def seen_by(model: Model | str, objective: Objective) -> Objective:
    """Look at the picture with another network: an objective on that one's layers.

    It stands beside one on the network that the picture is made for, and the same picture, in the
    same transform, goes through both: `logit("daisy") - seen_by(other, logit("daisy"))` is what the
    first takes for a daisy and the other does not, a *controversial* picture (Golan, Raju &
    Kriegeskorte 2020).

    Args:
        model: The other network, or what `load` takes.
        objective: An objective on that network's layers.

    Raises:
        OnnxscopeError: an argument is of another kind, the model cannot be loaded, or the objective
            looks at the picture itself, as it can without another network, or compares pictures.
    """
    from ..network.loading import load
    from ..network.model import Model

    if not isinstance(model, Model):
        if not isinstance(model, str):
            raise TargetError(
                f"model must be one that load has given, or its name, not {shown(model)}"
            )
        model = load(model)
    arguments = json.dumps(model.arguments() if model.metadata is None else {}, sort_keys=True)
    _opened[model.sha256, arguments] = model
    return SeenBy(check_objective(objective), model.name, model.sha256, arguments)


@OBJECTIVES.add("seen_by")
@dataclass(frozen=True)
class SeenBy(Leaf):
    """An objective on another network (see `seen_by`).

    Attributes:
        operand: The objective.
        name: What loads the network.
        sha256: The hash of its file.
        arguments: What it is loaded with, as JSON.
    """

    operand: Objective
    name: str
    sha256: str
    arguments: str = "{}"

    def __post_init__(self) -> None:
        check_objective(self.operand)
        for field in ("name", "sha256", "arguments"):
            if not isinstance(getattr(self, field), str):
                raise TargetError(
                    f"{field} of a network is text, not {shown(getattr(self, field))}"
                )
        if self.operand.mixes_pictures or self.operand.sees_picture:
            raise TargetError(
                f"{self.operand} looks at the pictures themselves, or compares them, which needs "
                "no other network: add it outside of seen_by(...)"
            )
        if not self.operand.layers():
            raise TargetError(f"{self.operand} looks at no layer of {self.name}")

    def layers(self) -> tuple[str, ...]:
        """Return none: those that it reads are of the other network."""
        return ()

    def part(self, start: int, stop: int) -> Objective:
        """Return the same of the operand for these pictures."""
        return SeenBy(self.operand.part(start, stop), self.name, self.sha256, self.arguments)

    def build(self, seen: Seen) -> Tensor:
        """Append the other network and the operand, (N,)."""
        return self.operand.build(seen.by(self._model(), self.operand.layers()))

    def _model(self) -> Model:
        from ..network.loading import load

        found = _opened.get((self.sha256, self.arguments))
        if found is not None:
            return found
        try:
            arguments = json.loads(self.arguments)
            model = load(self.name, **arguments)
        except (ValueError, TypeError) as error:
            raise InputError(
                f"what {self.name} is loaded with is damaged: {shown(self.arguments)}"
            ) from error
        if model.sha256 != self.sha256:
            raise InputError(
                f"{self.name} is another network than the objective's: its SHA-256 is "
                f"{model.sha256[:12]}…, the objective's {self.sha256[:12]}…"
            )
        _opened[self.sha256, self.arguments] = model
        return model

    def __str__(self) -> str:
        return f"{self.operand} of {self.name}"
