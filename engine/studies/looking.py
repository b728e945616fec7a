"""Photographs of files shown to a network, as fast as they can be decoded and computed."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np

from ..errors import InputError, MemoryShortageError
from ..images import as_batch, read_fitted
from ..network.model import Model
from ..photo_files import DecodingRoom
from ..rules.by_provider import rules_for
from ..runtime.cores import cores
from ..runtime.memory import Footprint, Use, check_memory
from ..runtime.session import choose_provider, open_for
from .measuring import Aim, Measure, measuring_graph

if TYPE_CHECKING:
    import onnx

_ON_CPU, _ON_DEVICE = 4, 32
"""How many photographs are computed at once."""


@dataclass(frozen=True)
class Part:
    """What some files in a row gave.

    Attributes:
        stop: The number behind that of the last of the files.
        photos: The numbers of those that are photographs, (B,) int64.
        values: For each aim, (B, U) float32.
        places: For each aim, (B, U) int64.
        skipped: The others, with the reason.
    """

    stop: int
    photos: np.ndarray
    values: list[np.ndarray]
    places: list[np.ndarray]
    skipped: list[tuple[str, str]]


class Look:
    """Measures photographs of files, several at a time.

    On the CPU each core decodes and computes photographs of its own: cores that wait for each other
    at every node do less. On a device all cores decode, and one after the other gives it its work.

    Attributes:
        size: Height and width that the photographs are brought to.
        provider: Where they are computed.
        batch: How many of them at once.
        cells: How many rows and columns of cells each aim has; 0 where values belong to no place.
    """

    def __init__(
        self,
        model: Model,
        aims: Sequence[Aim],
        measure: Measure,
        size: tuple[int, int],
        provider: str,
        batch: int | None,
    ) -> None:
        """Open a session.

        Args:
            model: The network.
            aims: What is measured.
            measure: How.
            size: Height and width that the photographs are brought to.
            provider: Where to compute.
            batch: How many at once; by default what is fastest and fits into memory.

        Raises:
            OnnxscopeError: see `examples`.
        """
        self._model = model
        self._aims = aims
        self._measure = measure
        self.size = size
        self.provider = choose_provider(provider)
        self._workers = cores()
        self.cells: list[tuple[int, int]] = []
        on_cpu = self.provider.name == "cpu"
        wanted = model.fixed_batch or batch
        self.batch = wanted or (_ON_CPU if on_cpu else _ON_DEVICE)
        threads = 1 if on_cpu else None
        try:
            self._session = open_for(self._graph, self.provider, threads)
        except MemoryShortageError as error:
            if wanted or not error.fitting:
                raise
            self._workers = min(self._workers, error.fitting)
            self.batch = max(error.fitting // self._workers, 1)
            self._session = open_for(self._graph, self.provider, threads)
        self._turn: AbstractContextManager[object] = nullcontext() if on_cpu else Lock()
        self._room = DecodingRoom()

    def at(self, files: Sequence[Path], start: int) -> Generator[Part, None, None]:
        """Measure files in order, from one of them on.

        Args:
            files: The files.
            start: The number of the first.

        Yields:
            What was found, in the order of the files.
        """
        _load_readers()
        firsts = deque(range(start, len(files), self.batch))
        waiting: deque[Future[Part]] = deque()
        with ThreadPoolExecutor(self._workers, "onnxscope-photos") as pool:
            try:
                while firsts or waiting:
                    # A few ahead, so that no core waits while the first of them is a large one.
                    while firsts and len(waiting) < 3 * self._workers:
                        first = firsts.popleft()
                        stop = min(first + self.batch, len(files))
                        waiting.append(pool.submit(self._part, files[first:stop], first))
                    yield waiting.popleft().result()
            finally:
                for future in waiting:
                    future.cancel()

    def _part(self, files: Sequence[Path], first: int) -> Part:
        skipped: list[tuple[str, str]] = []
        photos: list[int] = []
        pictures: list[np.ndarray] = []
        for number, file in enumerate(files, first):
            try:
                fitted = read_fitted(file, *self.size, self._room)
            except InputError as error:
                skipped.append((str(file), str(error)))
                continue
            photos.append(number)
            pictures.append(as_batch(fitted))
        values, places = self.run(np.concatenate(pictures)) if pictures else ([], [])
        finite = np.full(len(photos), True)
        for found in values:
            finite &= np.isfinite(found).all(axis=1)
        skipped += [
            (str(files[photos[at] - first]), f"{self._model.name} gives no finite numbers for it")
            for at in np.flatnonzero(~finite)
        ]
        empty = [np.zeros((0, len(aim.units)), np.float32) for aim in self._aims]
        return Part(
            first + len(files),
            np.array(photos, np.int64)[finite],
            [found[finite] for found in values] or empty,
            [found[finite] for found in places] or empty,
            skipped,
        )

    def measured(self, pictures: np.ndarray) -> list[np.ndarray]:
        """Measure pictures that are in memory.

        Args:
            pictures: (N, 3, H, W) float32 in [0, 1].

        Returns:
            For each aim (N, U) float32.
        """
        parts = [
            self.run(pictures[start : start + self.batch])[0]
            for start in range(0, len(pictures), self.batch)
        ]
        return [np.concatenate(found) for found in zip(*parts, strict=True)]

    def run(self, pictures: np.ndarray) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """Measure pictures.

        Args:
            pictures: (N, 3, H, W) float32 in [0, 1], N at most `batch`.

        Returns:
            For each aim the values (N, U) float32 and the places (N, U) int64.
        """
        count = len(pictures)
        if count < self.batch:
            pictures = np.concatenate([pictures, np.repeat(pictures[-1:], self.batch - count, 0)])
        with self._turn:
            found = self._session.run({"image": pictures})
        numbers = range(len(self._aims))
        values = [found[f"values/{number}"][:count] for number in numbers]
        return values, [found[f"places/{number}"][:count] for number in numbers]

    def _graph(self, provider: str) -> onnx.ModelProto:
        shape = (self.batch, 3, *self.size)
        rules = rules_for(provider)
        proto, cells = measuring_graph(self._model, self._aims, self._measure, shape, rules)
        self.cells = [(one.rows, one.columns) for one in cells]
        pictures = self.batch * self._workers
        check_memory(Footprint.of(proto, self.batch), Use.whole(pictures), provider)
        return proto


def _load_readers() -> None:
    """Let Pillow find its formats before several threads ask for them."""
    from PIL import Image

    Image.init()
