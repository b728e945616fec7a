"""Update rules of the ascent."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol, runtime_checkable

import numpy as np

from ..errors import InputError
from ..graph.tensor import Tensor
from ..plain import settle
from ..registry import Registry, named

Arrays = Mapping[str, np.ndarray]
Tensors = Mapping[str, Tensor]


@runtime_checkable
class Optimizer(Protocol):
    """Changes parameters along a gradient; keeps its own state between steps."""

    def reset(self) -> None:
        """Forget the state, before a new ascent."""

    def update(self, parameters: dict[str, np.ndarray], gradients: Arrays) -> None:
        """Change `parameters` in place so that the objective rises."""


@runtime_checkable
class GraphOptimizer(Optimizer, Protocol):
    """An optimizer that is also written in ONNX, so that its state can stay on the device.

    Attributes:
        slots: Names of the arrays that it keeps for each parameter, of its shape, zero at first.
    """

    slots: ClassVar[tuple[str, ...]]

    def schedule(self, step: int) -> dict[str, float]:
        """Return the numbers that change with the step, which is counted from 1."""

    def append(
        self, parameter: Tensor, gradient: Tensor, slots: Tensors, schedule: Tensors
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Append one update of one parameter; gives its successor and those of the slots."""


OPTIMIZERS: Registry[Optimizer] = Registry("optimizer", Optimizer, foreign=named)
"""The optimizers that recipes know; those of the user's own they can only name."""


@OPTIMIZERS.add("adam")
@dataclass
class Adam:
    """Adam (Kingma and Ba, 2015), uphill.

    Attributes:
        learning_rate: Size of a step, in the units of the parameters.
        beta1: Decay of the mean gradient.
        beta2: Decay of the mean squared gradient.
        epsilon: Added to the root of the latter.
    """

    slots: ClassVar[tuple[str, ...]] = ("mean", "square")

    learning_rate: float = 0.05
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    _count: int = field(default=0, init=False, repr=False)
    _mean: dict[str, np.ndarray] = field(default_factory=dict, init=False, repr=False)
    _square: dict[str, np.ndarray] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        settle(self)
        if not self.learning_rate > 0:
            raise InputError(f"the learning rate must be positive, not {self.learning_rate:g}")
        for name, beta in (("beta1", self.beta1), ("beta2", self.beta2)):
            if not 0 <= beta < 1:
                raise InputError(f"{name} must be at least 0 and less than 1, not {beta:g}")
        if self.epsilon < 0:
            raise InputError(f"epsilon must be at least 0, not {self.epsilon:g}")

    def reset(self) -> None:
        """Forget the state, before a new ascent."""
        self._count, self._mean, self._square = 0, {}, {}

    def update(self, parameters: dict[str, np.ndarray], gradients: Arrays) -> None:
        """Change `parameters` in place so that the objective rises."""
        self._count += 1
        now = self.schedule(self._count)
        rate, epsilon = np.float32(now["rate"]), np.float32(now["epsilon"])
        for name, gradient in gradients.items():
            mean = self._mean.setdefault(name, np.zeros_like(gradient))
            square = self._square.setdefault(name, np.zeros_like(gradient))
            mean += np.float32(1 - self.beta1) * (gradient - mean)
            square += np.float32(1 - self.beta2) * (gradient * gradient - square)
            parameters[name] += rate * mean / (np.sqrt(square) + epsilon)

    def schedule(self, step: int) -> dict[str, float]:
        """Return rate and epsilon, the bias towards zero corrected as in the paper's section 2."""
        square_scale = math.sqrt(1 - self.beta2**step)
        return {
            "rate": self.learning_rate * square_scale / (1 - self.beta1**step),
            "epsilon": self.epsilon * square_scale,
        }

    def append(
        self, parameter: Tensor, gradient: Tensor, slots: Tensors, schedule: Tensors
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Append the same update as nodes of a graph."""
        mean = slots["mean"] + (gradient - slots["mean"]) * (1 - self.beta1)
        square = slots["square"] + (gradient * gradient - slots["square"]) * (1 - self.beta2)
        change = schedule["rate"] * mean / (square.sqrt() + schedule["epsilon"])
        return parameter + change, {"mean": mean, "square": square}


def to_json(optimizer: Optimizer) -> dict[str, Any]:
    """Write an optimizer down as plain data, for a recipe: without its state."""
    return OPTIMIZERS.to_json(optimizer)


def from_json(data: object) -> Optimizer:
    """Read back the optimizer that `to_json` wrote down.

    Raises:
        InputError: the data is damaged, or names one that this version does not have, or code of
            its author's.
    """
    return OPTIMIZERS.from_json(data)
