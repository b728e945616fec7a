"""Several units in one target: `mixed4a:0-15,40`."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ..errors import OnnxscopeError, TargetError
from ..network.model import Model
from ..plain import from_digits
from .labels import find_classes
from .targets import find_unit, is_plain

# Tables show ranges with a dash, which is copied as it is.
_PART = r"\d+(?:\s*[-–]\s*\d+)?"
_LIST = re.compile(rf"{_PART}(?:\s*,\s*{_PART})*")


def expand_targets(model: Model, targets: Sequence[str]) -> list[str]:
    """Return the single targets that some targets mean, each once, in the order in which they come.

    A target of several units is a layer and their numbers, `mixed4a:0-15,40`, or where the model
    has labels the numbers of classes alone, `281-285`. What names a layer or a class as it stands
    means that. Where there are several, all units are looked up; one alone is left to `resolve`.

    Args:
        model: The model that they belong to.
        targets: As `onnxscope.targets.resolve` takes them, or of several units.

    Raises:
        LayerError: the model has no such layer, class or unit.
        TargetError: a target cannot be read, or its range counts down.
    """
    found: dict[str, None] = {}
    for target in targets:
        _check_commas(model, target)
        ranges = _ranges(model, target)
        if ranges is None:
            if len(targets) > 1:
                _check(model, target)
            found[target] = None
            continue
        layer, separator, _ = target.rpartition(":")
        # Before anything is listed: a range may end anywhere.
        _check(model, f"{layer}{separator}{max(last for _, last in ranges)}")
        for first, last in ranges:
            found |= dict.fromkeys(f"{layer}{separator}{n}" for n in range(first, last + 1))
    return list(found)


def _check(model: Model, target: str) -> None:
    """Refuse a unit that its layer does not have; what is no unit of the model's is told later."""
    if not is_plain(model, target):
        return
    name, unit = find_unit(model, target)
    layer = model.layers.get(name)
    if layer is not None and unit is not None:
        layer.check_channel(unit)


def _check_commas(model: Model, target: str) -> None:
    """Refuse several targets with commas between them, in words of what they are."""
    parts = [part.strip() for part in target.split(",")]
    if len(parts) == 1 or not is_plain(model, target) or model.names.meanings(target):
        return
    if find_classes(model.labels, target) or any(part.isdecimal() for part in parts):
        return
    try:
        for part in parts:
            find_unit(model, part)
    except OnnxscopeError:
        return
    apart = " ".join(parts)
    raise TargetError(f"{target!r} is several targets: write them apart, {apart}, without commas")


def _ranges(model: Model, target: str) -> list[tuple[int, int]] | None:
    """The first and last units that a target lists; `None` where it means one thing."""
    listed = target.rpartition(":")[2].strip()
    if listed.isdecimal() or not _LIST.fullmatch(listed):
        return None
    if model.names.meanings(target) or find_classes(model.labels, target):
        return None
    return [_ends(part, target) for part in listed.split(",")]


def _ends(part: str, target: str) -> tuple[int, int]:
    """The first and the last unit of `0-15`, or twice the one of `40`."""
    parts = re.split("[-–]", part)
    numbers = [from_digits("a unit", number.strip(), TargetError) for number in parts]
    if numbers[0] > numbers[-1]:
        raise TargetError(
            f"the range {part.strip()} of {target!r} counts down; write {numbers[-1]}-{numbers[0]}"
        )
    return numbers[0], numbers[-1]
