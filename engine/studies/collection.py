"""`Examples`: which photographs excite units most and least, and where in them."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ..errors import InputError, LayerError, nearest
from ..files import atomic_path
from ..plain import path as a_path
from ..plain import real, shown, text, texts, whole
from .contact import ON_A_SHEET, sheet_of
from .ranking import NOWHERE, Ranking
from .seen_cells import Fields
from .unit_examples import Place, UnitExamples

_FORMAT = 1


@dataclass(frozen=True)
class LayerExamples:
    """The photographs of units of a layer, or of an objective.

    Attributes:
        title: The layer, or the objective in words.
        units: Which units; `None` for an objective.
        labels: The class that each is the score of; empty of others.
        columns: How many columns of cells the layer has; 0 where values belong to no place.
        fields: What each cell sees.
        ranking: The values; its photographs are indices into `Examples.paths`.
    """

    title: str
    units: tuple[int, ...] | None
    labels: tuple[str, ...]
    columns: int
    fields: Fields
    ranking: Ranking


@dataclass(frozen=True)
class Examples:
    """Which photographs excite units most and least, and where in them.

    Attributes:
        model: The network's name.
        sha256: Of its file.
        measure: What photographs were ranked by, in words.
        size: Height and width that they were brought to.
        layers: By title.
        paths: The files that are among the examples or in the sample.
        seen: How many photographs were looked at.
        skipped: Files that were left out, with the reason.
        quantiles: Between the highest and the lowest, in descending order.
    """

    model: str
    sha256: str
    measure: str
    size: tuple[int, int]
    layers: Mapping[str, LayerExamples]
    paths: tuple[str, ...]
    seen: int
    skipped: tuple[tuple[str, str], ...]
    quantiles: tuple[float, ...]

    def __repr__(self) -> str:
        units = sum(len(layer.units or (0,)) for layer in self.layers.values())
        return f"<examples of {units} units of {self.model} among {self.seen:,} photographs>"

    @property
    def names(self) -> list[str]:
        """All units, such as `fire5:11`, and objectives."""
        return [
            title if unit is None else f"{title}:{unit}"
            for title, layer in self.layers.items()
            for unit in layer.units or (None,)
        ]

    def of(self, layer: str, unit: int | None = None) -> UnitExamples:
        """Return the examples of a unit.

        Args:
            layer: Its title, or such as `fire5:11`, or an objective in words.
            unit: The unit; left out where `layer` says it.

        Raises:
            LayerError: there are none of that layer or unit.
        """
        text("layer", layer, "such as 'fire5'", LayerError)
        found = self.layers.get(layer)
        title, colon, number = layer.rpartition(":")
        if found is None and unit is None and colon and number.isdecimal():
            found, unit = self.layers.get(title), int(number)
        if found is None:
            raise LayerError(
                f"there are no examples of {layer!r}; there are of {', '.join(self.layers)}"
                f"{nearest(layer, self.layers)}"
            )
        if found.units is None:
            if unit is not None:
                raise LayerError(f"{found.title} is an objective, and has no unit {unit}")
            return self._unit(found, 0, None)
        if unit is None:
            raise LayerError(f"of which unit of {found.title}? There are {_listed(found.units)}")
        wanted = whole("unit", unit, 0)
        if wanted not in found.units:
            raise LayerError(
                f"there are no examples of unit {wanted} of {found.title}; there are of "
                f"{_listed(found.units)}"
            )
        return self._unit(found, found.units.index(wanted), wanted)

    def drawn(self, layer: str, unit: int, count: int, seed: int = 0) -> tuple[Place, ...]:
        """Return photographs drawn from the sample, none of them among the unit's strongest.

        Args:
            layer: Its title.
            unit: The unit.
            count: How many at most.
            seed: Of the draw.

        Raises:
            LayerError: there are no examples of that layer or unit.
        """
        self.of(layer, unit)
        count, seed = whole("count", count, 0), whole("seed", seed, 0)
        found = self.layers[layer]
        at = 0 if found.units is None else found.units.index(unit)
        ranking = found.ranking
        # In an order that all units share, so that most of what is drawn is the same for them.
        order = np.random.default_rng(seed).permutation(np.flatnonzero(ranking.sampled != NOWHERE))
        rows = order[~np.isin(ranking.sampled[order], ranking.photos[0, at])][:count]
        return tuple(self._sampled(found, at, int(row)) for row in rows)

    def to_json(self) -> dict[str, Any]:
        """Return everything but the samples, as plain data."""
        return {
            "format": _FORMAT,
            "model": {"name": self.model, "sha256": self.sha256},
            "measure": self.measure,
            "size": list(self.size),
            "photos": self.seen,
            "skipped": [{"path": path, "reason": reason} for path, reason in self.skipped],
            "units": [self.of(name).to_json() for name in self.names],
        }

    def sheet(self, names: Sequence[str] | None = None) -> Image.Image:
        """Return a contact sheet: of each unit its strongest patches, some between, its weakest.

        Args:
            names: Of 32 units at most, such as `["fire5:11"]`; by default the first.

        Raises:
            InputError: these are more, or none.
            LayerError: there are no examples of a unit.
        """
        chosen = self.names[:ON_A_SHEET] if names is None else texts("names", names, "units")
        if not 0 < len(chosen) <= ON_A_SHEET:
            raise InputError(f"a sheet is of 1 to {ON_A_SHEET} units, not of {len(chosen)}")
        return sheet_of([self.of(name) for name in chosen])

    def sheets(self) -> Iterator[Image.Image]:
        """Draw contact sheets of all units.

        Yields:
            Sheets of 32 units each.
        """
        names = self.names
        for start in range(0, len(names), ON_A_SHEET):
            yield self.sheet(names[start : start + ON_A_SHEET])

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        self.sheet(self.names[:8]).save(buffer, "PNG")
        return buffer.getvalue()

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write them to a file.

        Args:
            path: `.json` for `to_json`, or `.npz` for all, which `read_examples` reads.

        Raises:
            OutputError: it cannot be written.
            InputError: the name ends in something else.
        """
        target = a_path("path", path)
        if target.suffix == ".json":
            with atomic_path(target) as temporary:
                temporary.write_text(json.dumps(self.to_json(), indent=1), encoding="utf-8")
        elif target.suffix == ".npz":
            with atomic_path(target) as temporary, temporary.open("wb") as file:
                np.savez(file, allow_pickle=False, **self._arrays())
        else:
            raise InputError(f"cannot write {target}: examples go to .json or .npz")
        return target

    def to_npz(self) -> bytes:
        """Return what `save` writes to a file `.npz`."""
        buffer = io.BytesIO()
        np.savez(buffer, allow_pickle=False, **self._arrays())
        return buffer.getvalue()

    # ---------------------------------------------------------------------------------------------

    def _arrays(self) -> dict[str, np.ndarray]:
        layers = list(self.layers.values())
        facts = {
            "format": _FORMAT,
            "model": self.model,
            "sha256": self.sha256,
            "measure": self.measure,
            "size": self.size,
            "paths": self.paths,
            "seen": self.seen,
            "skipped": self.skipped,
            "quantiles": self.quantiles,
            "layers": [
                {
                    "title": one.title,
                    "units": one.units,
                    "labels": one.labels,
                    "columns": one.columns,
                }
                for one in layers
            ],
        }
        arrays = {"facts": np.frombuffer(json.dumps(facts).encode(), np.uint8)}
        for number, one in enumerate(layers):
            fields = {f"fields_{name}": array for name, array in vars(one.fields).items()}
            for name, array in (one.ranking.arrays() | fields).items():
                arrays[f"{number}/{name}"] = array
        return arrays

    def _unit(self, layer: LayerExamples, at: int, unit: int | None) -> UnitExamples:
        ranking = layer.ranking
        ends = [
            tuple(
                self._place(layer, at, photo, value, place)
                for photo, value, place in zip(
                    ranking.photos[end, at].tolist(),
                    ranking.values[end, at].tolist(),
                    ranking.places[end, at].tolist(),
                    strict=True,
                )
                if photo != NOWHERE
            )
            for end in (0, 1)
        ]
        there = np.flatnonzero(ranking.sampled != NOWHERE)
        values = ranking.sample[there, at]
        order = np.argsort(values, kind="stable")
        between = []
        for quantile in self.quantiles if len(there) else ():
            row = there[order[round(quantile * (len(there) - 1))]]
            between.append((quantile, self._sampled(layer, at, row)))
        count = max(ranking.count, 1)
        mean = ranking.totals[0, at] / count
        variance = max(ranking.totals[1, at] / count - mean**2, 0.0)
        return UnitExamples(
            layer.title,
            unit,
            layer.labels[at],
            ends[0],
            ends[1],
            tuple(between),
            values[order],
            ranking.count,
            float(mean),
            float(np.sqrt(variance)),
            float(ranking.positive[at] / count),
        )

    def _sampled(self, layer: LayerExamples, at: int, row: int) -> Place:
        ranking = layer.ranking
        value, place = ranking.sample[row, at], ranking.sample_places[row, at]
        return self._place(layer, at, int(ranking.sampled[row]), float(value), int(place))

    def _place(self, layer: LayerExamples, at: int, photo: int, value: float, place: int) -> Place:
        y = x = None
        height, width = self.size
        box = (0, height, 0, width)
        if layer.columns:
            y, x = divmod(place, layer.columns)
            branch = layer.fields.branch[at]
            (top, bottom) = layer.fields.rows[branch, y]
            (left, right) = layer.fields.columns[branch, x]
            box = (int(top), int(bottom), int(left), int(right))
        return Place(self.paths[photo], value, y, x, box, self.size)


def read_examples(path: str | os.PathLike[str]) -> Examples:
    """Read examples from an `.npz` file that `Examples.save` wrote.

    Raises:
        InputError: it cannot be read, or is another kind of file.
    """
    target = a_path("path", path)
    try:
        with np.load(target, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        facts = json.loads(arrays.pop("facts").tobytes())
        if facts["format"] != _FORMAT:
            raise InputError(f"{target} is of another version of onnxscope")
        layers = {}
        for number, known in enumerate(facts["layers"]):
            own = {
                name.partition("/")[2]: array
                for name, array in arrays.items()
                if name.startswith(f"{number}/")
            }
            units = None if known["units"] is None else tuple(known["units"])
            layers[known["title"]] = LayerExamples(
                known["title"],
                units,
                tuple(known["labels"]),
                known["columns"],
                Fields(own["fields_rows"], own["fields_columns"], own["fields_branch"]),
                Ranking.of(own),
            )
        return Examples(
            facts["model"],
            facts["sha256"],
            facts["measure"],
            (facts["size"][0], facts["size"][1]),
            layers,
            tuple(facts["paths"]),
            facts["seen"],
            tuple((path, reason) for path, reason in facts["skipped"]),
            tuple(facts["quantiles"]),
        )
    except InputError:
        raise
    except OSError as error:
        raise InputError(f"cannot read {target}: {error.strerror or error}") from error
    except (ValueError, KeyError, TypeError, EOFError) as error:
        raise InputError(f"{target} holds no examples of photographs") from error


def checked_quantiles(given: object) -> tuple[float, ...]:
    """Return quantiles in descending order.

    Raises:
        InputError: one is not between 0 and 1.
    """
    if not isinstance(given, list | tuple):
        raise InputError(f"quantiles must be a list such as [0.9, 0.5, 0.1], not {shown(given)}")
    found = [real("each of quantiles", one) for one in given]
    if any(not 0 <= one <= 1 for one in found):
        raise InputError(f"quantiles lie between 0 and 1: {', '.join(map(str, found))}")
    return tuple(sorted(set(found), reverse=True))


def _listed(units: tuple[int, ...]) -> str:
    if len(units) == 1:
        return str(units[0])
    if units == tuple(range(units[0], units[-1] + 1)):
        return f"{units[0]} to {units[-1]}"
    return ", ".join(map(str, units[:8])) + (", …" if len(units) > 8 else "")
