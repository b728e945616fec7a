"""Scores pictures of units of a layer, several at once."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np

from ..errors import InputError
from ..images import as_batch
from ..network.model import Model
from ..plain import shown
from .collecting import measure_of
from .collection import Examples
from .looking import Look
from .measuring import Aim
from .paths import Way, path_similarity, sees_all
from .second_eye import SecondEye, agreement
from .superstimulus import drawn_views, ratio, values_in_views
from .unit_examples import Place, UnitExamples
from .unit_score import Score

BEST, OTHERS, VIEWS = 8, 32, 8
_FEWEST = 4


class Scorer:
    """Scores pictures of a layer's units by photographs, each as if it were alone.

    The units share sessions, and each photograph is read, and computed, once for all of them of
    which it is among the best or the random ones.
    """

    def __init__(
        self,
        model: Model,
        found: Examples,
        aim: Aim,
        eye: SecondEye | None,
        seed: int,
        provider: str,
    ) -> None:
        """Take note of what pictures are compared with.

        Args:
            model: The network.
            found: The photographs.
            aim: The units.
            eye: The other network.
            seed: Of all that is random.
            provider: Where to compute.

        Raises:
            InputError: there are too few photographs, or they are of another model, or ranked by
                relevance.
            LayerError: there are none of a unit.
        """
        self._model = model
        self._found = found
        self._aim = aim
        self._eye = eye
        self._measure = measure_of(found, model)
        self._seed = seed
        self._provider = provider
        for unit in aim.units:
            one, best, others = self._places(unit)
            if min(len(best), len(others)) < _FEWEST:
                raise InputError(
                    f"scores need {_FEWEST} photos that excite {one.name} and {_FEWEST} others, "
                    f"better {BEST} and {OTHERS}; there are {len(best)} and {len(others)}"
                )

    def of(self, units: Sequence[int], pictures: Sequence[np.ndarray]) -> list[Score]:
        """Compute the scores of a picture of each of some units.

        Args:
            units: Of the layer's, some sixteen at most: memory grows with them.
            pictures: For each (H, W, 3) uint8, of the photographs' size.

        Raises:
            InputError: a photograph cannot be read any more.
            OnnxscopeError: see `onnxscope.render`.
        """
        shots = _Shots(pictures)
        columns = [self._aim.units.index(unit) for unit in units]
        known, numbers, fields = [], [], []
        for own, (unit, column) in enumerate(zip(units, columns, strict=True)):
            one, best, others = self._places(unit)
            _, (at,) = self._look.run(as_batch(pictures[own]))
            known.append((one, len(best), len(others)))
            numbers.append([own, *(shots.number(place) for place in (*best, *others))])
            places = (*best, *others)
            fields.append(_fields(self._found, self._aim, unit, int(at[0, column]), places))
        among_best = [of[: count + 1] for of, (_, count, _) in zip(numbers, known, strict=True)]
        worth = self._worth(shots, columns, among_best)
        seen, seen_fields = np.concatenate(numbers), np.concatenate(fields)
        whole = np.concatenate([sees_all(of_unit) for of_unit in fields])
        activations = self._way.activations(shots.pictures, seen, seen_fields, whole)
        features = self._features(shots, seen, seen_fields)
        scores, start = [], 0
        for (one, best_count, other_count), values in zip(known, worth, strict=True):
            part = slice(start, start + 1 + best_count + other_count)
            start = part.stop
            layers = self._way.compare([rows[part] for rows in activations], best_count)
            agreed = None
            if features is not None:
                rendered, *photos = np.split(features[part], [1, best_count + 1])
                agreed = agreement(rendered[0], *photos)
            scores.append(
                Score(
                    one.name,
                    one.label,
                    ratio(values[0], values[1:]),
                    agreed,
                    path_similarity(layers),
                    layers,
                    float(values[0]),
                    float(values[1:].max()),
                    "" if self._eye is None else self._eye.name,
                    (best_count, other_count),
                )
            )
        return scores

    @cached_property
    def _look(self) -> Look:
        """What measures the units."""
        batch = self._model.fixed_batch or 4
        return Look(
            self._model, [self._aim], self._measure, self._found.size, self._provider, batch
        )

    @cached_property
    def _way(self) -> Way:
        """The layers as far as the units'."""
        return Way(self._model, self._aim.layer, self._found.size, self._provider, self._seed)

    def _places(self, unit: int) -> tuple[UnitExamples, tuple[Place, ...], tuple[Place, ...]]:
        """A unit's examples, the best of them, and random ones."""
        title = self._aim.title
        one = self._found.of(title, unit)
        return one, one.most[:BEST], self._found.drawn(title, unit, OTHERS, self._seed)

    def _worth(
        self, shots: _Shots, columns: Sequence[int], numbers: Sequence[Sequence[int]]
    ) -> list[np.ndarray]:
        """For each unit what pictures are worth to it, in views."""
        needed = np.unique(np.concatenate(numbers))
        views = drawn_views(VIEWS, self._seed)
        values = values_in_views(self._look, views, [shots.pictures[at] for at in needed])
        return [
            values[np.searchsorted(needed, of), column]
            for column, of in zip(columns, numbers, strict=True)
        ]

    def _features(self, shots: _Shots, seen: np.ndarray, fields: np.ndarray) -> np.ndarray | None:
        """What the other network makes of what units see of pictures, (M, C)."""
        if self._eye is None:
            return None
        patches: dict[tuple[int, int, int, int, int], int] = {}
        rows = []
        for number, field in zip(seen.tolist(), fields, strict=True):
            box = _box(shots.pictures[number], field)
            rows.append(patches.setdefault((number, *box), len(patches)))
        cut = [shots.pictures[at][top:low, left:right] for at, top, low, left, right in patches]
        return self._eye.features(cut)[rows]


class _Shots:
    """Pictures, and photographs behind them, each once."""

    def __init__(self, pictures: Sequence[np.ndarray]) -> None:
        self.pictures = list(pictures)
        self._numbers: dict[str, int] = {}

    def number(self, place: Place) -> int:
        """Return which of the pictures a photograph is; it is read where it is new."""
        if place.path not in self._numbers:
            self._numbers[place.path] = len(self.pictures)
            self.pictures.append(place.photo())
        return self._numbers[place.path]


def _fields(found: Examples, aim: Aim, unit: int, at: int, places: Sequence[Place]) -> np.ndarray:
    """What the unit's strongest cell sees, (N, 4) as parts of height and width, also beyond these.

    Fields at the border are as large as others, so that they can be laid over each other.
    """
    layer = found.layers[aim.title]
    if not layer.columns or layer.units is None:
        return np.tile([0.0, 1.0, 0.0, 1.0], (len(places) + 1, 1))
    cells = np.array([divmod(at, layer.columns), *((place.y, place.x) for place in places)])
    fields = []
    branch = layer.fields.branch[layer.units.index(unit)]
    for axis, seen in enumerate((layer.fields.rows[branch], layer.fields.columns[branch])):
        side = found.size[axis]
        span = int((seen[:, 1] - seen[:, 0]).max())
        low, high = seen[cells[:, axis]].T.astype(float)
        # Cut off at the border, a field begins or ends there.
        low = np.where((low == 0) & (high < side), high - span, low)
        high = np.where((high == side) & (low > 0), low + span, high)
        fields += [low / side, high / side]
    return np.stack(fields, axis=1)


def _box(shot: np.ndarray, field: np.ndarray) -> tuple[int, int, int, int]:
    """What lies within a field, and in the picture: its rows and its columns."""
    found = []
    for low, high, side in zip(field[::2], field[1::2], shot.shape[:2], strict=True):
        found += [max(round(float(low) * side), 0), min(round(float(high) * side), side)]
    top, bottom, left, right = found
    if top >= bottom or left >= right:
        raise InputError(f"a field lies outside of its picture: {shown(field)}")
    return top, bottom, left, right
