"""Runs whose state stays on the device from one to the next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..errors import ModelError
from .reasons import readable_errors
from .session import Session

if TYPE_CHECKING:
    import onnxruntime as ort


class BoundSession:
    """A session whose state stays where it runs.

    The graph maps `<name>` to `next.<name>` for every name of the state. Two sets of buffers take
    turns: what one run writes the next one reads, so that no run overwrites what it reads.
    """

    def __init__(
        self, session: Session, state: Mapping[str, np.ndarray], results: Sequence[str]
    ) -> None:
        """Bind the buffers.

        Args:
            session: Of a graph as above.
            state: What to start from.
            results: Small outputs that each run gives back.
        """
        self.provider = session.provider
        self._session = session
        self._device = "cuda" if session.provider.name in ("cuda", "tensorrt") else "cpu"
        self._results = tuple(results)
        self._arrays: list[np.ndarray] = []
        self._sides = [
            {name: self._buffer(array) for name, array in state.items()} for _ in range(2)
        ]
        self._data: dict[str, ort.OrtValue] = {}
        self._outputs: dict[str, ort.OrtValue] = {}
        self._bindings: list[ort.IOBinding] = []
        self._ran: set[int] = set()
        self._now = 0

    def run(self, data: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Advance the state by one run; `data` are the inputs that are not state.

        A run that fails leaves the state as it was.
        """
        with readable_errors():
            if not self._bindings:
                self._bind(data)
            for name, array in data.items():
                self._data[name].update_inplace(np.array(array, order="C"))
        self._advance()
        # A copy: on the CPU the array is the buffer that the next run writes.
        with readable_errors():
            results = {name: self._outputs[name].numpy().copy() for name in self._results}
        self._now = 1 - self._now
        return results

    def _advance(self) -> None:
        """Run once; where CUDA refuses to capture the run, run without, from then on."""
        try:
            self._session.run_bound(self._bindings[self._now], self._now)
        except ModelError as error:
            if self._session.uncaptured is None or self._ran == {0, 1}:
                raise
            self._session = self._session.uncaptured(str(error))
            self.provider = self._session.provider
            self._bind_sides()
            self._session.run_bound(self._bindings[self._now], self._now)
        self._ran.add(self._now)

    def take_back(self) -> None:
        """Return to the state before the last run, once."""
        self._now = 1 - self._now

    def state(self) -> dict[str, np.ndarray]:
        """Return the state now, as copies."""
        return self._copies(self._now)

    def previous_state(self) -> dict[str, np.ndarray]:
        """Return the state before the last run, as copies."""
        return self._copies(1 - self._now)

    def _copies(self, side: int) -> dict[str, np.ndarray]:
        with readable_errors():
            return {name: value.numpy().copy() for name, value in self._sides[side].items()}

    def set_state(self, state: Mapping[str, np.ndarray]) -> None:
        """Replace the state."""
        for name, array in state.items():
            self._sides[self._now][name].update_inplace(np.array(array, order="C"))

    def _bind(self, data: Mapping[str, np.ndarray]) -> None:
        self._data = {name: self._buffer(array) for name, array in data.items()}
        self._outputs = {
            name: self._buffer(np.zeros(shape, np.float32))
            for name, shape in self._session.output_shapes(self._results).items()
        }
        self._bind_sides()

    def _bind_sides(self) -> None:
        self._bindings = []
        for before, after in (self._sides, self._sides[::-1]):
            binding = self._session.new_binding()
            for name, value in (before | self._data).items():
                binding.bind_ortvalue_input(name, value)
            for name, value in after.items():
                binding.bind_ortvalue_output(f"next.{name}", value)
            for name, value in self._outputs.items():
                binding.bind_ortvalue_output(name, value)
            self._bindings.append(binding)

    def _buffer(self, array: np.ndarray) -> ort.OrtValue:
        import onnxruntime

        # On the CPU the buffer is the array's memory: a copy of our own, in C order, which ONNX
        # Runtime takes for granted, and kept, since older versions do not keep it alive.
        own = np.array(array, order="C")
        self._arrays.append(own)
        return onnxruntime.OrtValue.ortvalue_from_numpy(own, self._device, 0)
