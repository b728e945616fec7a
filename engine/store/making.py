"""Makes pictures of units, with what is known of each: what a process does, wherever it runs."""

from __future__ import annotations

import io
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError
from ..network.layers.layer import Layer
from ..pictures.formats import chunk_of
from ..pictures.picture import Picture
from ..pictures.series import render_each
from .earlier import Earlier
from .looking import Look, means
from .opacity import SUFFIX, opacity_file
from .plan import Plan, Wanted

if TYPE_CHECKING:
    from ..ascent.loop import Callback

_LOOKS = 4
_POINTS = 64
"""So many values of an ascent are kept; those between lie on the curve."""


@dataclass(frozen=True)
class Answer:
    """What became of one picture that was wanted.

    Attributes:
        number: Which of those that were wanted together, from 0.
        png: The picture, with its recipe; empty where there is none.
        facts: What is known of it, as plain data.
        beside: More files of it, by how their names end.
        error: Why there is none, where it failed.
    """

    number: int
    png: bytes = b""
    facts: Mapping[str, Any] | None = None
    error: str = ""
    beside: Mapping[str, bytes] = field(default_factory=dict)

    @property
    def interrupted(self) -> bool:
        """Whether Ctrl-C ended the ascent early."""
        return not self.png and not self.error


class Maker:
    """Makes pictures of one plan; the last layers that were looked at stay open."""

    def __init__(self, plan: Plan) -> None:
        """Take the plan; nothing is opened yet."""
        self.plan = plan
        self._opened: OrderedDict[tuple[str, tuple[int, int], bool], Look] = OrderedDict()
        self._earlier: OrderedDict[tuple[str, tuple[int, int]], Earlier] = OrderedDict()

    def __getstate__(self) -> dict[str, Any]:
        # What is open stays in its process; another one opens it for itself.
        return vars(self) | {"_opened": OrderedDict(), "_earlier": OrderedDict()}

    def make(
        self,
        wanted: Sequence[Wanted],
        *,
        batch_size: int | None = None,
        begin: Callable[[int, int], object] | None = None,
        callback: Callback | None = None,
    ) -> Iterator[Answer]:
        """Make pictures of one kind.

        Args:
            wanted: Which.
            batch_size: As for `render_each`.
            begin: As for `render_each`.
            callback: As for `render`.

        Yields:
            What became of each. Behind an interruption nothing follows.

        Raises:
            OnnxscopeError: the settings do not fit.
        """
        objectives = [one.objective for one in wanted]
        for made in render_each(
            self.plan.model,
            objectives,
            batch_size=batch_size,
            begin=begin,
            callback=callback,
            **wanted[0].settings,
        ):
            if made.error is not None:
                yield Answer(made.number, error=str(made.error))
            elif made.interrupted or made.picture is None:
                yield Answer(made.number)
            else:
                yield self._answer(made.number, wanted[made.number], made.picture)

    def _answer(self, number: int, wanted: Wanted, picture: Picture) -> Answer:
        try:
            facts = self._facts(wanted, picture)
        except InputError as error:
            return Answer(number, error=str(error))
        return Answer(number, png_of(picture), facts, beside=self.beside(wanted, picture))

    def _facts(self, wanted: Wanted, picture: Picture) -> dict[str, Any]:
        """What is known of a picture besides what its recipe says."""
        look = self._look(wanted, _size_of(picture))
        answers = [look.at(image) for image in picture.images]
        facts = {
            "layer": wanted.layer.name,
            "unit": wanted.unit,
            "kind": wanted.kind.name,
            "curve": curve_of(picture.values),
            "looks": [look.of_unit(answer, wanted.unit) for answer in answers],
            "warnings": list(picture.warnings),
        }
        if wanted.kind.before_activation:
            facts["before_activation"] = True
        if not wanted.kind.tells_likeness:
            return facts
        # What a channel is like is told by whom else its picture excites, and what it is made of
        # by whom it is excited there.
        earlier = self._before(wanted.layer, _size_of(picture)).of(picture.images[0], wanted.unit)
        return facts | {"means": means(answers[0]), "earlier": earlier}

    def beside(self, wanted: Wanted, picture: Picture) -> dict[str, bytes]:
        """Return the files beside a picture, by how their names end: its importance, of one alone.

        Args:
            wanted: What it is of.
            picture: The picture.
        """
        # Where channels or slices stand side by side, what was felt is not of one of them.
        if wanted.kind.pictures > 1 or not picture.held:
            return {}
        opacity = opacity_file(picture.images, picture.importance)
        return {} if opacity is None else {SUFFIX: opacity}

    def _before(self, layer: Layer, size: tuple[int, int]) -> Earlier:
        key = layer.name, size
        if key not in self._earlier:
            provider = self.plan.settings.get("provider", "auto")
            self._earlier[key] = Earlier(self.plan.model, layer, size, provider)
            if len(self._earlier) > _LOOKS:
                self._earlier.popitem(last=False)
        self._earlier.move_to_end(key)
        return self._earlier[key]

    def _look(self, wanted: Wanted, size: Sequence[int]) -> Look:
        (height, width), layer, before = size, wanted.layer, wanted.kind.before_activation
        key = layer.name, (height, width), before
        if key not in self._opened:
            provider = self.plan.settings.get("provider", "auto")
            self._opened[key] = Look(
                self.plan.model, layer, (height, width), provider, before_activation=before
            )
            if len(self._opened) > _LOOKS:
                self._opened.popitem(last=False)
        self._opened.move_to_end(key)
        return self._opened[key]


def _size_of(picture: Picture) -> tuple[int, int]:
    height, width = picture.images.shape[-3:-1]
    return height, width


def curve_of(values: np.ndarray) -> list[list[float]]:
    """Return an ascent's values as at most 64 points, each a step, from 1, and a value.

    Args:
        values: (steps,) or (steps, N), of which the mean is taken.
    """
    means_ = values.reshape(len(values), -1).mean(1)
    points = np.unique(np.linspace(0, len(means_) - 1, min(_POINTS, len(means_))).round())
    return [[int(at) + 1, float(f"{means_[int(at)]:.5g}")] for at in points]


def png_of(picture: Picture) -> bytes:
    """Return the file that `Picture.save` writes."""
    buffer = io.BytesIO()
    picture.sheet().save(buffer, "PNG", pnginfo=chunk_of(picture.recipe))
    return buffer.getvalue()
