"""Running ranks of photographs for many units: the strongest, the weakest, and a sample between."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

NOWHERE = -1
"""The place of a value that belongs to no cell, and the photo of a rank that is not taken yet."""


class Ranking:
    """The photographs that give each of some units its highest and lowest values.

    Of equal values the photograph that comes first counts. Values of a sample of photographs, drawn
    beforehand, are kept for all units: where all are in it, quantiles are exact.

    Attributes:
        values: Of the highest, best first, then of the lowest, least first, (2, U, K) float32.
        photos: Their photographs, (2, U, K) int64; `NOWHERE` where there were not so many.
        places: The cells, as an index into rows and columns together, (2, U, K) int32.
        sampled: The sample's photographs, (S,) int64, `NOWHERE` for those not seen or left out.
        sample: Its values, (S, U) float32.
        sample_places: Its cells, (S, U) int32.
        count: How many photographs there were.
        totals: The sum of their values and that of the squares, (2, U) float64.
        positive: How many of the values were above 0, (U,) int64.
    """

    def __init__(self, units: int, kept: int, sample: int) -> None:
        """Begin with nothing.

        Args:
            units: How many.
            kept: How many photographs of each at either end.
            sample: How many photographs are in the sample.
        """
        self.values = np.empty((2, units, kept), np.float32)
        self.values[0], self.values[1] = -np.inf, np.inf
        self.photos = np.full((2, units, kept), NOWHERE, np.int64)
        self.places = np.full((2, units, kept), NOWHERE, np.int32)
        self.sampled = np.full(sample, NOWHERE, np.int64)
        self.sample = np.zeros((sample, units), np.float32)
        self.sample_places = np.full((sample, units), NOWHERE, np.int32)
        self.count = 0
        self.totals = np.zeros((2, units))
        self.positive = np.zeros(units, np.int64)

    def add(
        self, photos: np.ndarray, values: np.ndarray, places: np.ndarray, slots: np.ndarray
    ) -> None:
        """Take in some photographs, which come behind all before.

        Args:
            photos: Their numbers, ascending, (B,).
            values: (B, U), finite.
            places: (B, U).
            slots: Their rows in the sample, (B,), `NOWHERE` for those outside of it.
        """
        for end, sign in enumerate((-1, 1)):
            worst = self.values[end, :, -1]
            # Where nothing is better than what is kept nothing changes: soon that is most units.
            better = (values > worst) if sign < 0 else (values < worst)
            units = np.flatnonzero(better.any(axis=0))
            if units.size:
                self._rank(end, sign, units, photos, values[:, units], places[:, units])
        inside = slots != NOWHERE
        self.sampled[slots[inside]] = photos[inside]
        self.sample[slots[inside]] = values[inside]
        self.sample_places[slots[inside]] = places[inside]
        self.count += len(photos)
        # One after the other: sums are the same however many come at once.
        for row in values.astype(np.float64):
            self.totals += (row, row**2)
        self.positive += (values > 0).sum(axis=0)

    def _rank(
        self,
        end: int,
        sign: int,
        units: np.ndarray,
        photos: np.ndarray,
        values: np.ndarray,
        places: np.ndarray,
    ) -> None:
        kept = self.values.shape[2]
        joined = np.concatenate([self.values[end, units], values.T], axis=1)
        # Stable: what was kept, and came earlier, stands before what is equal to it.
        order = np.argsort(sign * joined, axis=1, kind="stable")[:, :kept]
        spread = np.broadcast_to(photos, (len(units), len(photos)))
        joined_photos = np.concatenate([self.photos[end, units], spread], axis=1)
        joined_places = np.concatenate([self.places[end, units], places.T], axis=1)
        self.values[end, units] = np.take_along_axis(joined, order, axis=1)
        self.photos[end, units] = np.take_along_axis(joined_photos, order, axis=1)
        self.places[end, units] = np.take_along_axis(joined_places, order, axis=1)

    _FIELDS = (
        "values", "photos", "places", "sampled", "sample", "sample_places", "totals", "positive",
    )  # fmt: skip

    def arrays(self) -> dict[str, np.ndarray]:
        """Return all that there is, by name."""
        return {name: getattr(self, name) for name in self._FIELDS} | {
            "count": np.array(self.count)
        }

    @staticmethod
    def of(arrays: Mapping[str, np.ndarray]) -> Ranking:
        """Return what `arrays` was given by."""
        _, units, kept = arrays["values"].shape
        found = Ranking(units, kept, 0)
        for name in Ranking._FIELDS:
            setattr(found, name, arrays[name])
        found.count = int(arrays["count"])
        return found


def drawn_sample(photos: int, most: int, seed: int) -> np.ndarray:
    """Return for each photograph its row in the sample, `NOWHERE` outside of it, (photos,) int64.

    Args:
        photos: How many there are.
        most: How many are in the sample at most; if there are no more, all are.
        seed: Of the draw, without replacement.
    """
    slots = np.full(photos, NOWHERE, np.int64)
    chosen = np.arange(photos)
    if photos > most:
        chosen = np.sort(np.random.default_rng(seed).choice(photos, most, replace=False))
    slots[chosen] = np.arange(len(chosen))
    return slots
