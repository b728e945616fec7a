"""Update rules with momentum: Polyak's, and Adam's with Nesterov's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from ..graph.tensor import Tensor
from .optimizers import OPTIMIZERS, Adam, Arrays, Scheduled, Tensors
from .schedules import Constant, Schedule

_TINY = np.float32(1e-30)
"""Keeps a gradient of zeros from being divided by zero."""


@OPTIMIZERS.add("nadam")
@dataclass
class NAdam(Adam):
    """Adam with Nesterov's momentum (Dozat, 2016), uphill, its momentum the same in all steps.

    The mean gradient is that of the next step, as far as it is known: what the momentum will still
    hold of it, and the gradient of now once more.

    Attributes:
        learning_rate: Size of a step, in the units of the parameters.
        beta1: Decay of the mean gradient.
        beta2: Decay of the mean squared gradient.
        epsilon: Added to the root of the latter.
        schedule: What the learning rate is multiplied by in each step.
    """

    beta1: float = 0.9
    beta2: float = 0.999

    def numbers(self, step: int) -> dict[str, float]:
        """Return Adam's epsilon, and a rate for each of mean and gradient, both without bias."""
        now = super().numbers(step)
        unbiased = now.pop("rate") * (1 - self.beta1**step)
        return now | {
            "rate": unbiased * self.beta1 / (1 - self.beta1 ** (step + 1)),
            "fresh": unbiased * (1 - self.beta1) / (1 - self.beta1**step),
        }

    def _ahead(self, mean: Any, gradient: Any, numbers: Mapping[str, Any]) -> Any:
        return numbers["rate"] * mean + numbers["fresh"] * gradient


@OPTIMIZERS.add("momentum")
@dataclass
class Momentum(Scheduled):
    """Gradient ascent with momentum (Polyak, 1964), along gradients of one size.

    Each picture's gradient is divided by its root mean square, so that the learning rate does not
    depend on the network's units: in every step a parameter moves by that much in the mean.
    Unlike Adam's, the step is in the direction of the gradient: where it is small, so is the step.

    Attributes:
        learning_rate: Root mean square of a step along a constant gradient, in the units of the
            parameters.
        beta: Decay of the mean gradient; 0 for none.
        schedule: What the learning rate is multiplied by in each step.
    """

    slots: ClassVar[tuple[str, ...]] = ("mean",)

    learning_rate: float = 0.05
    beta: float = 0.9
    schedule: Schedule = field(default=Constant(), kw_only=True)
    _count: int = field(default=0, init=False, repr=False)
    _mean: dict[str, np.ndarray] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        self._check(beta=self.beta)

    def reset(self) -> None:
        """Forget the state, before a new ascent."""
        self._count, self._mean = 0, {}

    def update(self, parameters: dict[str, np.ndarray], gradients: Arrays) -> None:
        """Change `parameters` in place so that the objective rises."""
        self._count += 1
        rate = np.float32(self.numbers(self._count)["rate"])
        for name, gradient in gradients.items():
            mean = self._mean.setdefault(name, np.zeros_like(gradient))
            axes = tuple(range(1, gradient.ndim))
            size = np.sqrt(np.mean(gradient * gradient, axis=axes, keepdims=True)) + _TINY
            mean += np.float32(1 - self.beta) * (gradient / size - mean)
            parameters[name] += rate * mean

    def numbers(self, step: int) -> dict[str, float]:
        """Return the rate, with the correction of the mean's bias towards zero."""
        rate = self.learning_rate * self.schedule.factor(step)
        return {"rate": rate / (1 - self.beta**step)}

    def append(
        self, parameter: Tensor, gradient: Tensor, slots: Tensors, numbers: Tensors
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Append the same update as nodes of a graph."""
        axes = gradient.builder.constant(list(range(1, gradient.rank)), np.int64)
        size = gradient.op.ReduceMean(gradient * gradient, axes, keepdims=1).sqrt() + float(_TINY)
        mean = slots["mean"] + (gradient / size - slots["mean"]) * (1 - self.beta)
        return parameter + numbers["rate"] * mean, {"mean": mean}
