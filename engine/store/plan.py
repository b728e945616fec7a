"""Which pictures of which units a project shall have, and in what order they are made."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from ..errors import InputError, TargetError, nearest
from ..network.layers.layer import Layer
from ..network.model import Model
from ..network.photos import pixels_of
from ..objectives.algebra import Objective
from ..pictures.series import Settings
from ..plain import from_digits, text, texts, whole
from ..runtime.session import check_provider
from .kinds import KINDS, Kind
from .photos import Photos
from .questions import Question, described, in_plain_data

ORDER = (
    "all layers by turns, and in each units from all over it, so that an even sample comes first"
)
"""In which order units are taken, of one kind of picture after the other."""

EXAMPLES, SCORES = "examples", "scores"
"""What is shown of units besides pictures, where there are photographs."""

_CHUNK, _SHARED_CHUNK = 8, 32
"""So many units of a layer follow each other: on a device they are one graph; the second where they
share one anyway, which is opened for each chunk."""

_PART = re.compile(r"(\d+)(?:\s*([-–:])\s*(\d+))?")


@dataclass(frozen=True)
class Quality:
    """How large pictures are, and how long each is climbed.

    Attributes:
        name: Such as `draft`.
        steps: How many.
        size: Pixels at most; the model's usual size where that is smaller, or the only one.
        shared: Whether the units of a layer share one graph, which takes less time where steps are
            few: to build one for each takes longer than to climb it.
    """

    name: str
    steps: int
    size: int | None
    shared: bool = False


QUALITIES = {
    quality.name: quality
    for quality in (
        Quality("draft", 48, 112, shared=True),
        Quality("good", 192, 224),
        Quality("fine", 512, None),
    )
}
"""By name, from what is soon there to what is best."""


@dataclass(frozen=True)
class Wanted:
    """One picture that a project shall have.

    Attributes:
        layer: Of the unit.
        unit: Its number in the layer, from 0.
        kind: What of it.
        question: All of it, with how it is made.
        settings: As for `render`.
        objective: What is maximised.
    """

    layer: Layer
    unit: int
    kind: Kind
    question: Question = field(repr=False)
    settings: Settings = field(repr=False)
    objective: Objective = field(repr=False)

    @property
    def target(self) -> str:
        """What to type for the unit, such as `mixed4a:11`."""
        return f"{self.layer.title}:{self.unit}"


@dataclass(frozen=True)
class Plan:
    """All pictures that a project shall have.

    Attributes:
        model: The model.
        layers: Those that have pages, in the network's order.
        units: The numbers of each layer's units.
        kinds: What is made of each unit.
        settings: Of all pictures, as for `render`.
        shared: Whether the units of a layer share one graph, where a kind has such.
        photos: Photographs of which those are shown that excite units; `None` for none.
        scored: Whether pictures are scored by them.
    """

    model: Model
    layers: tuple[Layer, ...]
    units: tuple[tuple[int, ...], ...]
    kinds: tuple[Kind, ...]
    settings: Settings
    shared: bool = False
    photos: Photos | None = None
    scored: bool = False

    def units_of(self, layer: Layer) -> tuple[int, ...]:
        """Return the numbers of a layer's units that have pages."""
        return self.units[self.layers.index(layer)]

    def wanted(self, layer: Layer, unit: int, kind: Kind) -> Wanted:
        """Return one of the pictures.

        Args:
            layer: One of the layers.
            unit: One of its units.
            kind: One that `kinds_of` gives for the layer.
        """
        settings = Settings(**self.settings)
        if kind.pictures > 1:
            settings["batch"] = kind.pictures
        objective = kind.goal(layer, unit, shared=self.shared)
        question = Question.of(self.described, self.made_with, objective, kind.pictures)
        return Wanted(layer, unit, kind, question, settings, objective)

    def kinds_of(self, layer: Layer) -> tuple[Kind, ...]:
        """Return what there is of a layer's units: without positions, no neurons."""
        return tuple(kind for kind in self.kinds if len(layer.shape) > 1 or not kind.needs_cells)

    def count(self) -> int:
        """Return how many pictures it is."""
        return sum(
            len(units) * len(self.kinds_of(layer))
            for layer, units in zip(self.layers, self.units, strict=True)
        )

    @property
    def height_and_width(self) -> tuple[int, int]:
        """The pictures' height and width in pixels."""
        return pixels_of(self.model, self.settings["size"])

    @cached_property
    def made_with(self) -> dict[str, Any]:
        """How all pictures are made, as plain data: what tens of thousands of questions share."""
        return in_plain_data(self.settings)

    @cached_property
    def described(self) -> dict[str, Any]:
        """The model, as plain data."""
        return described(self.model)

    def to_json(self) -> dict[str, Any]:
        """Write it down as plain data, for whoever shows the project without the model's file."""
        return {
            "layers": [
                {"name": layer.name, "units": list(units)}
                for layer, units in zip(self.layers, self.units, strict=True)
            ],
            "kinds": [kind.name for kind in self.kinds],
            "shared": self.shared,
            "photos": None if self.photos is None else self.photos.to_json(),
            "scored": self.scored,
            "made_with": self.made_with,
        }

    @property
    def chunk(self) -> int:
        """How many units of a layer follow each other."""
        return _SHARED_CHUNK if self.shared else _CHUNK

    def order(self) -> list[tuple[Layer, int, Kind]]:
        """Return all pictures in the order in which they are made (see `ORDER`)."""
        found = []
        for kind in self.kinds:
            chunks = [
                [(layer, chunk) for chunk in _spread(units, self.chunk)]
                for layer, units in zip(self.layers, self.units, strict=True)
                if kind in self.kinds_of(layer)
            ]
            for layer, chunk in _by_turns(chunks):
                found += [(layer, unit, kind) for unit in chunk]
        return found


def make_plan(
    model: Model,
    layers: Sequence[str] | None = None,
    *,
    units: str | None = None,
    kinds: Sequence[str] | None = None,
    quality: str = "good",
    size: int | tuple[int, int] | None = None,
    steps: int | None = None,
    settings: Settings | None = None,
    photos: Photos | None = None,
) -> Plan:
    """Choose the pictures that a project shall have.

    Args:
        model: The model.
        layers: Their names; by default the main ones.
        units: Which of each layer, such as `"0-63"`, `"0:64"` (Python's, without 64) or
            `"0:64,100"`; by default all. A layer with fewer has those that it has.
        kinds: Which of `channel`, `neuron`, `negative` and `diversity`, and where there are
            photographs of `examples` and `scores`, which take those; by default all.
        quality: `draft`, `good` or `fine`: size and steps.
        size: Height and width in pixels, instead of the quality's.
        steps: Instead of the quality's.
        settings: More of what `render` takes.
        photos: Photographs that show what units are excited by.

    Raises:
        OnnxscopeError: a layer, a kind or a quality is not there, or nothing is left.
    """
    chosen = _layers(model, layers)
    named = _named(kinds, photos)
    if text("quality", quality, "draft, good or fine") not in QUALITIES:
        raise InputError(
            f"quality must be {', '.join(QUALITIES)}, not {quality!r}{nearest(quality, QUALITIES)}"
        )
    how = QUALITIES[quality]
    ranges = None if units is None else _ranges(units)
    numbers = tuple(_units(layer, ranges) for layer in chosen)
    if not any(numbers):
        raise TargetError(
            f"no layer has a unit of {units}: the largest has "
            f"{max(layer.channels for layer in chosen)}"
        )
    if named and all(name in KINDS and KINDS[name].needs_cells for name in named):
        flat = [layer.title for layer in chosen if len(layer.shape) == 1]
        if len(flat) == len(chosen):
            raise InputError(
                f"{', '.join(flat)} has no positions, so that a unit's neuron and its channel are "
                "the same, and there is one such picture of it; choose channel"
            )
    known = Settings(**(settings or {}))
    check_provider(known.get("provider", "auto"))
    known["steps"] = how.steps if steps is None else whole("steps", steps, 1)
    known["size"] = pixels_of(model, _size(model, how) if size is None else size)
    in_plain_data(known)  # what has no key is refused before any work
    return Plan(
        model,
        tuple(layer for layer, found in zip(chosen, numbers, strict=True) if found),
        tuple(found for found in numbers if found),
        tuple(kind for kind in KINDS.values() if kind.name in named),
        known,
        how.shared,
        photos if {EXAMPLES, SCORES} & set(named) else None,
        SCORES in named,
    )


def shard(plan: Plan, text: str) -> list[tuple[Layer, int, Kind]]:
    """Return the part of a plan's order that one of several machines makes.

    Args:
        plan: All of it.
        text: Which part of how many, such as `2/8`, from 1.

    Raises:
        InputError: it is no such text.
    """
    part, parts = part_of(text)
    # Whole chunks, whose units are one graph where there is a device.
    return [one for at, one in enumerate(plan.order()) if at // plan.chunk % parts == part - 1]


def part_of(text: str) -> tuple[int, int]:
    """Return which part of how many a text such as `2/8` means, the first part as 1.

    Raises:
        InputError: it is no such text.
    """
    found = re.fullmatch(r"\s*(\d+)\s*/\s*(\d+)\s*", text)
    if found is None:
        raise InputError(f"a shard is written as 2/8, the second of eight parts, not {text!r}")
    part = from_digits("the part of a shard", found[1])
    parts = from_digits("the number of shards", found[2])
    if not 1 <= part <= parts:
        raise InputError(f"there is no part {part} of {parts}: parts are counted from 1 to {parts}")
    return part, parts


def _layers(model: Model, names: Sequence[str] | None) -> list[Layer]:
    if names is None:
        return [layer for layer in model.layers.values() if layer.main]
    wanted = [model.layers[name].name for name in texts("layers", names, "names of layers")]
    if not wanted:
        raise InputError("layers must be names of layers, at least one; without any, all main ones")
    return [layer for layer in model.layers.values() if layer.name in wanted]


def _named(kinds: Sequence[str] | None, photos: Photos | None) -> list[str]:
    """What is shown of each unit, by name.

    Raises:
        InputError: there is no such thing, or it takes photographs, and there are none.
    """
    known = [*KINDS, EXAMPLES, SCORES]
    if kinds is None:
        return known if photos is not None else list(KINDS)
    named = texts("kinds", kinds, "names such as ['channel']")
    for name in named:
        if name not in known:
            raise InputError(
                f"there is no picture {name!r} of a unit; known are {', '.join(known)}"
                f"{nearest(name, known)}"
            )
        if name in (EXAMPLES, SCORES) and photos is None:
            raise InputError(
                f"{name} are found in photographs: give photos='FOLDER' (--photos FOLDER)"
            )
    if SCORES in named and "channel" not in named:
        raise InputError("scores are of channel pictures: add channel, as in channel,scores")
    return list(named)


def _size(model: Model, quality: Quality) -> int | tuple[int, int]:
    if model.fixed_size is not None:
        return model.fixed_size
    return model.size if quality.size is None else min(model.size, quality.size)


def _ranges(units: str) -> list[range]:
    """What `0:64,100` or `0-63,100` lists."""
    found = []
    for part in text("units", units, "a text such as '0:64,100'").split(","):
        read = _PART.fullmatch(part.strip())
        if read is None:
            raise TargetError(
                f"units are written as 0-63 or 0:64 (without 64), with commas between, as in "
                f"0:64,100; {part.strip()!r} is neither"
            )
        first = from_digits("a unit", read[1], TargetError)
        stop = first + 1
        if read[2]:
            stop = from_digits("a unit", read[3], TargetError) + (read[2] != ":")
        if stop <= first:
            raise TargetError(f"the range {part.strip()} of units holds none")
        found.append(range(first, stop))
    return found


def _units(layer: Layer, ranges: Sequence[range] | None) -> tuple[int, ...]:
    if ranges is None:
        return tuple(range(layer.channels))
    found = {unit for one in ranges for unit in range(one.start, min(one.stop, layer.channels))}
    return tuple(sorted(found))


def _spread(units: Sequence[int], size: int) -> Iterator[list[int]]:
    """Chunks of so many units, of which the first ones lie evenly across all.

    Their order is that of the bits of their numbers, read backwards: half, quarters, eighths
    (van der Corput's sequence).
    """
    chunks = [list(units[at : at + size]) for at in range(0, len(units), size)]
    bits = max(len(chunks) - 1, 1).bit_length()
    yield from (
        chunks[number]
        for number in (int(f"{at:0{bits}b}"[::-1], 2) for at in range(2**bits))
        if number < len(chunks)
    )


def _by_turns(
    series: Sequence[Sequence[tuple[Layer, list[int]]]],
) -> Iterator[tuple[Layer, list[int]]]:
    """One of each, then the next of each, as long as there are any."""
    for at in range(max(map(len, series), default=0)):
        yield from (one[at] for one in series if at < len(one))
