"""L-BFGS, for objectives that are functions of the picture and nothing else, such as inversions."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ..errors import InputError
from ..plain import settle, whole
from .optimizers import OPTIMIZERS, Arrays, Evaluate

_RISE = 1e-4
"""Armijo's: the part of the rise along the slope that a step has to make good."""

_HALVINGS = 12
_CURVED = 1e-10
"""How much of their lengths' product the change of place and gradient have to share."""


@OPTIMIZERS.add("lbfgs")
@dataclass
class LBFGS:
    """L-BFGS (Liu and Nocedal, 1989), uphill, with a backtracking line search.

    From the last steps it learns how the objective is curved, and makes steps of the right size in
    every direction. It compares values at several places, so that it takes no random transforms,
    and runs the network twice or more a step. Each picture has curvature and step of its own; one
    that no step along its direction raises stays where it is, and forgets the curvature.

    Attributes:
        learning_rate: Root mean square of the first step, in the units of the parameters.
        history: How many steps the curvature is learnt from.
    """

    learning_rate: float = 0.05
    history: int = 10
    _pairs: list[tuple[np.ndarray, np.ndarray]] = field(
        default_factory=list, init=False, repr=False
    )
    _last: tuple[np.ndarray, np.ndarray] | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        settle(self, but=("history",))
        self.history = whole("history", self.history, 1)
        if not self.learning_rate > 0:
            raise InputError(f"the learning rate must be positive, not {self.learning_rate:g}")

    def reset(self) -> None:
        """Forget the state, before a new ascent."""
        self._pairs, self._last = [], None

    def update(self, parameters: dict[str, np.ndarray], gradients: Arrays) -> None:
        """Change `parameters` in place by whole steps, as far as gradients alone tell."""
        place, direction, _ = self._ahead(parameters, gradients)
        _put(place + direction, parameters)

    def search(
        self,
        parameters: dict[str, np.ndarray],
        value: np.ndarray,
        gradients: Arrays,
        evaluate: Evaluate,
    ) -> None:
        """Change `parameters` in place so that no picture's objective falls.

        Args:
            parameters: (N, ...) each.
            value: The objective, (N,).
            gradients: By the parameters' names.
            evaluate: Gives the objective at other parameters, (N,).
        """
        place, direction, slope = self._ahead(parameters, gradients)
        size = np.ones(len(place))
        tried = {name: array.copy() for name, array in parameters.items()}
        left = slope > 0
        for _ in range(_HALVINGS):
            _put(place + size[:, None] * direction, tried)
            found = evaluate(tried)
            left = slope > 0
            left &= ~(found >= value + _RISE * size * slope)
            if not left.any():
                break
            size[left] /= 2
        size[left | ~(slope > 0)] = 0
        self._forget(size == 0)
        _put(place + size[:, None] * direction, parameters)

    def _ahead(
        self, parameters: Arrays, gradients: Arrays
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Where the pictures are, a step for each, (N, D), and how steep it is along that, (N,)."""
        place = _rows(parameters)
        gradient = _rows({name: gradients[name] for name in parameters})
        if self._last is not None:
            before, uphill = self._last
            # Of what is minimised the gradient is the other way round.
            self._pairs = [*self._pairs, (place - before, uphill - gradient)][-self.history :]
        self._last = place, gradient
        direction = self._curved(gradient)
        slope = np.einsum("nd,nd->n", direction, gradient)
        return place, direction, slope

    def _curved(self, gradient: np.ndarray) -> np.ndarray:
        """The product of the inverse curvature and the gradient, by the two loops of the paper."""
        length = np.sqrt(np.mean(gradient**2, axis=1, keepdims=True))
        scale = np.where(length > 0, self.learning_rate / np.where(length > 0, length, 1), 0)
        rest, parts = gradient.copy(), []
        for moved, changed in self._pairs:
            shared = np.einsum("nd,nd->n", moved, changed)
            squared = np.einsum("nd,nd->n", changed, changed)
            sizes = np.sqrt(np.einsum("nd,nd->n", moved, moved) * squared)
            counts = shared > _CURVED * sizes
            rate = np.where(counts, 1 / np.where(counts, shared, 1), 0)[:, None]
            parts.append((moved, changed, rate))
            curved = shared / np.where(counts, squared, 1)
            scale = np.where(counts[:, None], curved[:, None], scale)
        amounts = []
        for moved, changed, rate in reversed(parts):
            amount = rate * np.einsum("nd,nd->n", moved, rest)[:, None]
            rest -= amount * changed
            amounts.append(amount)
        rest *= scale
        for (moved, changed, rate), amount in zip(parts, reversed(amounts), strict=True):
            rest += (amount - rate * np.einsum("nd,nd->n", changed, rest)[:, None]) * moved
        return rest

    def _forget(self, which: np.ndarray) -> None:
        """Forget what was learnt of some pictures, (N,): their pairs no longer count."""
        if which.any():
            kept = ~which[:, None]
            self._pairs = [(moved * kept, changed * kept) for moved, changed in self._pairs]


def _rows(arrays: Arrays) -> np.ndarray:
    """Arrays (N, ...) beside each other, (N, D) float64."""
    flat = [array.reshape(len(array), -1) for array in arrays.values()]
    return np.concatenate(flat, axis=1).astype(np.float64)


def _put(rows: np.ndarray, arrays: dict[str, np.ndarray]) -> None:
    """Write such rows back into the arrays."""
    start = 0
    for array in arrays.values():
        width = array[0].size
        array[...] = rows[:, start : start + width].reshape(array.shape)
        start += width
