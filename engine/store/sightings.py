"""Which photographs excite a project's units: found in one pass, and kept as patches."""

from __future__ import annotations

import hashlib
import io
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ..network.layers.layer import Layer
from ..studies.collecting import Looked, examples
from ..studies.collection import Examples, read_examples
from ..studies.contact import TILE, patches_of
from ..studies.unit_examples import Place, UnitExamples
from .kinds import KINDS
from .photos import (
    BEST,
    LAYER_SUFFIX,
    QUANTILES,
    layer_question,
    score_question,
    unit_question,
)
from .plan import EXAMPLES, Plan
from .project import Project, Writer
from .questions import PHOTOS_SUFFIX

_TOGETHER = 64
"""So many units' patches are cut together: of photographs that they share each is read once."""

_QUALITY = 80


@dataclass
class Sightings:
    """How far the looking at photographs has come.

    Attributes:
        units: How many units there are.
        made: Of how many the photographs were found and kept now.
        there: Of how many that had been done before.
        skipped: Files that cannot be read, with the reason.
        out_of_time: Whether the time that there was ended it early.
    """

    units: int
    made: int = 0
    there: int = 0
    skipped: list[tuple[str, str]] = field(default_factory=list)
    out_of_time: bool = False


class _TimeIsUpError(Exception):
    """The time is up; it goes through `examples`, which keeps how far it is."""


def look_at_photos(
    plan: Plan,
    project: Project,
    *,
    seconds: float | None = None,
    batch_size: int | None = None,
    callback: Callable[[Looked], object] | None = None,
    done: Callable[[Sightings], object] | None = None,
) -> Sightings:
    """Find the photographs that excite the units of a plan, of all that have none, in one pass.

    What is killed on the way goes on where it was, at most some seconds before.

    Args:
        plan: What there shall be.
        project: Where it is kept.
        seconds: How long it may take. By default no limit.
        batch_size: How many photographs are computed at once.
        callback: Told how far the pass is.
        done: Told how far it is, as units are kept.

    Returns:
        How far it has come.

    Raises:
        KeyboardInterrupt: Ctrl-C came; what was found until then is kept.
        OnnxscopeError: see `onnxscope.examples`, and the project cannot be written.
    """
    deadline = None if seconds is None else time.monotonic() + seconds
    every = [(layer, unit) for layer in plan.layers for unit in plan.units_of(layer)]
    missing = [one for one in every if not project.has(unit_question(plan, *one))]
    found = Sightings(len(every), there=len(every) - len(missing))
    lacking = {layer.name for layer, _ in missing} | _to_be_scored(plan, project)
    if not lacking or plan.photos is None or not plan.photos.files:
        return found
    layers = [layer for layer in plan.layers if layer.name in lacking]
    with project.writing() as writer:
        writer.begin(plan)
        together = _seen_together(plan, project, layers)
        if together:
            try:
                _look(plan, project, writer, together, deadline, batch_size, callback, found)
            except _TimeIsUpError:
                found.out_of_time = True
                return found
        for layer in layers:
            units = [unit for other, unit in missing if other == layer]
            if not units:
                continue
            of_layer = read_examples(_path(plan, project, layer))
            for start in range(0, len(units), _TOGETHER):
                if deadline is not None and time.monotonic() >= deadline:
                    found.out_of_time = True
                    return found
                _keep(plan, writer, layer, of_layer, units[start : start + _TOGETHER])
                found.made += len(units[start : start + _TOGETHER])
                if done is not None:
                    done(found)
    return found


def _to_be_scored(plan: Plan, project: Project) -> set[str]:
    """The layers without all scores, which take what all their units saw together.

    An earlier run may have found the photographs of the same units among others.
    """
    if not plan.scored:
        return set()
    channel = KINDS["channel"]
    return {
        layer.name
        for layer in plan.layers
        if not all(
            project.has(
                score_question(plan, layer, unit, plan.wanted(layer, unit, channel).question)
            )
            for unit in plan.units_of(layer)
        )
    }


def _path(plan: Plan, project: Project, layer: Layer) -> Path:
    return project.path_of(layer_question(plan, layer), LAYER_SUFFIX)


def _seen_together(plan: Plan, project: Project, lacking: Sequence[Layer]) -> Sequence[Layer]:
    """The layers for which the photographs are looked at in one pass; none where that is done.

    A pass that was killed while it kept what it had found is ended as it was begun: each layer's
    sample of photographs depends on how many units there were in all.
    """
    if lacking and _state(plan, project, lacking).is_file():
        return lacking
    return [layer for layer in lacking if not _path(plan, project, layer).is_file()]


def _state(plan: Plan, project: Project, layers: Sequence[Layer]) -> Path:
    """Where is kept how far a pass is."""
    assert plan.photos is not None  # whoever calls this has seen to it
    known = _targets(plan, layers), plan.photos.digest
    name = hashlib.sha256(repr(known).encode()).hexdigest()[:12]
    return project.folder / f".photos-{name}.npz"


def _look(
    plan: Plan,
    project: Project,
    writer: Writer,
    layers: Sequence[Layer],
    deadline: float | None,
    batch_size: int | None,
    callback: Callable[[Looked], object] | None,
    sightings: Sightings,
) -> None:
    """Show all photographs to the network, and keep what each layer saw."""
    assert plan.photos is not None  # whoever calls this has seen to it

    def told(looked: Looked) -> None:
        sightings.skipped += looked.skipped
        if callback is not None:
            callback(looked)
        if deadline is not None and time.monotonic() >= deadline and looked.done < looked.total:
            raise _TimeIsUpError

    state = _state(plan, project, layers)
    every = examples(
        plan.model,
        _targets(plan, layers),
        plan.photos.files,
        count=BEST,
        quantiles=QUANTILES,
        size=plan.height_and_width,
        provider=plan.settings.get("provider", "auto"),
        batch_size=batch_size,
        seed=plan.settings.get("seed", 0),
        # What has weights in other files has no state: its key cannot be told.
        state=state if plan.model.self_contained else None,
        callback=told,
    )
    for layer in layers:
        alone = replace(every, layers={layer.title: every.layers[layer.title]})
        writer.keep_file(layer_question(plan, layer), LAYER_SUFFIX, alone.to_npz())
    state.unlink(missing_ok=True)


def _targets(plan: Plan, layers: Sequence[Layer]) -> list[str]:
    """The units of layers as `examples` takes them."""
    return [
        layer.title
        if len(units := plan.units_of(layer)) == layer.channels
        else f"{layer.title}:{','.join(map(str, units))}"
        for layer in layers
    ]


def _keep(plan: Plan, writer: Writer, layer: Layer, every: Examples, units: Sequence[int]) -> None:
    """Cut the patches of some units, and keep them."""
    rows = [every.of(layer.title, unit) for unit in units]
    shown = [_shown(one) for one in rows]
    patches = patches_of([place for places in shown for place in places])
    for unit, one, places in zip(units, rows, shown, strict=True):
        facts = {
            "layer": layer.name,
            "unit": unit,
            "kind": EXAMPLES,
            "photos": one.count,
            "mean": _digits(one.mean),
            "std": _digits(one.std),
            "positive": _digits(one.positive),
            "most": [_told(place) for place in one.most],
            "least": [_told(place) for place in one.least],
            "quantiles": [{"quantile": q} | _told(place) for q, place in one.quantiles],
        }
        sheet = _sheet([patches.get(place) for place in places])
        writer.keep(unit_question(plan, layer, unit), b"", facts, {PHOTOS_SUFFIX: sheet})


def _shown(one: UnitExamples) -> list[Place]:
    """The photographs of a unit in the order of its sheet."""
    return [*one.most, *(place for _, place in one.quantiles), *one.least]


def columns_of(count: int) -> int:
    """Return in how many columns the patches of a unit's sheet stand."""
    return max(math.ceil(math.sqrt(count)), 1)


def _sheet(patches: Sequence[Image.Image | None]) -> bytes:
    """The patches side by side as a WebP file; around those that are not square it is clear."""
    columns = columns_of(len(patches))
    rows = math.ceil(len(patches) / columns)
    sheet = Image.new("RGBA", (columns * TILE, max(rows, 1) * TILE))
    for at, patch in enumerate(patches):
        if patch is not None:
            left = at % columns * TILE + (TILE - patch.width) // 2
            top = at // columns * TILE + (TILE - patch.height) // 2
            sheet.paste(patch, (left, top))
    buffer = io.BytesIO()
    sheet.save(buffer, "WEBP", quality=_QUALITY, method=4)
    return buffer.getvalue()


def _told(place: Place) -> dict[str, Any]:
    """A photograph as the pages have it: its name, and not where it lies on this machine."""
    return {
        "name": Path(place.path).name,
        "value": _digits(place.value),
        "y": place.y,
        "x": place.x,
        "box": list(place.box),
    }


def _digits(value: float) -> float:
    # What more there is depends on the machine.
    return float(f"{float(value):.5g}")


def first_nine(sheet: Image.Image, count: int, side: int) -> np.ndarray:
    """Return the strongest nine patches of a unit's sheet as one tile, (side, side, 3) uint8.

    Args:
        sheet: The sheet.
        count: How many patches are on it.
        side: Of the tile, in pixels, which three divides.
    """
    columns, small = columns_of(count), side // 3
    tile = Image.new("RGB", (side, side), (128, 128, 128))
    every = sheet.convert("RGBA")
    for at in range(min(count, BEST)):
        left, top = at % columns * TILE, at // columns * TILE
        patch = every.crop((left, top, left + TILE, top + TILE))
        patch = patch.resize((small, small), Image.Resampling.LANCZOS)
        tile.paste(patch, (at % 3 * small, at // 3 * small), patch)
    return np.asarray(tile)
