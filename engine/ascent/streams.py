"""Everything random of an ascent: for each picture a stream of its own.

A picture does not depend on which others are made with it: the first of a seed's pictures is the
same alone and among many, and so is every other one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..errors import InputError
from ..identity import has_identity

if TYPE_CHECKING:
    from .composition import Composition

Arrays = dict[str, np.ndarray]
_Draw = Callable[[np.random.Generator, int, int, int], Arrays]


def generator(seed: int, picture: int) -> np.random.Generator:
    """Yield the random numbers of one of a seed's pictures, counted from 0."""
    if picture == 0:
        return np.random.default_rng(seed)
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(picture,)))


def not_finite(arrays: Arrays) -> str:
    """Return which of some arrays holds something that is no finite number, in words."""
    for name, array in arrays.items():
        if not np.isfinite(array).all():
            return f"{name!r} with {array[~np.isfinite(array)].flat[0]:g} in it"
    return ""


class Streams:
    """Draws for the pictures of a composition: first the start, then each step's data.

    What is not of this package may mix the pictures that it draws for: it draws for all of them at
    once, from the first one's stream.
    """

    def __init__(
        self, composition: Composition, seed: int, numbers: Sequence[int] | None = None
    ) -> None:
        """Prepare.

        Args:
            composition: What is climbed.
            seed: Of all streams.
            numbers: Which of the seed's pictures each of the composition's is; by default the first
                ones, in order.
        """
        self._composition = composition
        numbers = range(composition.batch) if numbers is None else numbers
        self._generators = [generator(seed, number) for number in numbers]
        self._step = 0

    def parameters(self) -> Arrays:
        """Draw parameters to start from, by the graph's input names.

        Raises:
            InputError: they are not what the parameterization declares, or not finite.
        """
        parameterization = self._composition.made_of
        size = self._composition.height, self._composition.width
        drawn = self._draw(parameterization, parameterization.initial, 1, size)
        found = self._composition.as_parameters(drawn)
        if wrong := not_finite(drawn):
            raise InputError(
                f"the parameterization {type(parameterization).__name__} draws {wrong} to start "
                "from: it must draw finite numbers"
            )
        return found

    def data(self) -> Arrays:
        """Give the data of the next step, by the graph's input names.

        They are what the transforms draw at random, numbers of the objective and, where the
        gradient leaks, how much of it does.

        Raises:
            InputError: they are not what a transform declares.
        """
        self._step += 1
        data: Arrays = dict(self._composition.fed)
        if self._composition.leak is not None:
            # One number for each view, since data are divided among runs with the pictures.
            rows = len(self._generators) * self._composition.views
            data["leak"] = np.full(rows, self._composition.leak.at(self._step), np.float32)
        for number, transform in enumerate(self._composition.seen_through):
            size = self._composition.sizes[number]
            drawn = self._draw(transform, transform.draw, self._composition.views, size)
            data |= self._composition.as_data(number, drawn)
        return data

    def blame(self, data: Arrays) -> str:
        """Return which transform has drawn data that are not finite, in words; none for no one."""
        for number, transform in enumerate(self._composition.seen_through):
            start = f"transform{number}."
            drawn = {n.removeprefix(start): a for n, a in data.items() if n.startswith(start)}
            if wrong := not_finite(drawn):
                return f"the transform {type(transform).__name__} draws {wrong}"
        return ""

    def _draw(self, part: object, draw: _Draw, views: int, size: tuple[int, int]) -> Arrays:
        if not has_identity(part):
            return draw(self._generators[0], len(self._generators) * views, *size)
        drawn = [draw(stream, views, *size) for stream in self._generators]
        return {name: np.concatenate([one[name] for one in drawn]) for name in drawn[0]}
