"""What an update rule of the ascent is; Adam, the one by default."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol, Self, runtime_checkable

import numpy as np

from ..errors import InputError
from ..graph.tensor import Tensor
from ..plain import settle, shown
from ..registry import Registry, named
from .schedules import SCHEDULES, Constant, Schedule

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

    def numbers(self, step: int) -> dict[str, float]:
        """Return the numbers that change with the step, which is counted from 1."""

    def append(
        self, parameter: Tensor, gradient: Tensor, slots: Tensors, numbers: Tensors
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Append one update of one parameter; gives its successor and those of the slots."""


Evaluate = Callable[[Arrays], np.ndarray]
"""Gives the objective of each picture, (N,), at parameters by name."""


@runtime_checkable
class SearchingOptimizer(Optimizer, Protocol):
    """An optimizer that compares values: for objectives in which nothing is random."""

    def search(
        self,
        parameters: dict[str, np.ndarray],
        value: np.ndarray,
        gradients: Arrays,
        evaluate: Evaluate,
    ) -> None:
        """Change `parameters` in place so that the objective rises from `value`, (N,)."""


OPTIMIZERS: Registry[Optimizer] = Registry(
    "optimizer",
    Optimizer,
    foreign=named,
    parts=(SCHEDULES,),
    homes={
        "ascent.optimizers": ("adam",),
        "ascent.momentum": ("nadam", "momentum"),
        "ascent.lbfgs": ("lbfgs",),
    },
)
"""The optimizers that recipes know; those of the user's own they can only name."""


@dataclass
class Scheduled:
    """An optimizer whose learning rate follows a schedule; a base of dataclasses.

    Attributes:
        learning_rate: Size of a step, in the units of the parameters.
        schedule: What it is multiplied by in each step.
    """

    learning_rate: float
    schedule: Schedule

    def planned(self, steps: int) -> Self:
        """Return the same, for an ascent of so many steps."""
        return self._with(self.schedule.planned(steps))

    def unscheduled(self) -> Self:
        """Return the same with steps of one size, which has the same graph."""
        return self._with(Constant())

    def _with(self, schedule: Schedule) -> Self:
        # A copy keeps what was put on this very object, which `identity` has to see.
        other = copy.copy(self)
        other.schedule = schedule
        return other

    def _check(self, **decays: float) -> None:
        """Check the fields that all have, and decays of running means."""
        settle(self, but=("schedule",))
        if not isinstance(self.schedule, Schedule):
            raise InputError(
                f"schedule must be an object such as Cosine(), not {shown(self.schedule)}"
            )
        if not self.learning_rate > 0:
            raise InputError(f"the learning rate must be positive, not {self.learning_rate:g}")
        for name, decay in decays.items():
            if not 0 <= decay < 1:
                raise InputError(f"{name} must be at least 0 and less than 1, not {decay:g}")


def planned(optimizer: Optimizer, steps: int) -> Optimizer:
    """Return the same for an ascent of so many steps; one without a schedule is it already."""
    return optimizer.planned(steps) if isinstance(optimizer, Scheduled) else optimizer


@OPTIMIZERS.add("adam")
@dataclass
class Adam(Scheduled):
    """Adam (Kingma and Ba, 2015), uphill, by default with a shorter memory than in the paper.

    There the decays are 0.9 and 0.999, and so they are in Lucid. A picture's gradient is another
    one as soon as its subject has changed: what steps remember of it from long ago holds them back
    (see `benchmarks/README.md` for what was measured).

    Attributes:
        learning_rate: Size of a step, in the units of the parameters.
        beta1: Decay of the mean gradient.
        beta2: Decay of the mean squared gradient.
        epsilon: Added to the root of the latter.
        schedule: What the learning rate is multiplied by in each step.
    """

    slots: ClassVar[tuple[str, ...]] = ("mean", "square")

    learning_rate: float = 0.05
    beta1: float = 0.7
    beta2: float = 0.9
    epsilon: float = 1e-8
    schedule: Schedule = field(default=Constant(), kw_only=True)
    _count: int = field(default=0, init=False, repr=False)
    _mean: dict[str, np.ndarray] = field(default_factory=dict, init=False, repr=False)
    _square: dict[str, np.ndarray] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        self._check(beta1=self.beta1, beta2=self.beta2)
        if self.epsilon < 0:
            raise InputError(f"epsilon must be at least 0, not {self.epsilon:g}")

    def reset(self) -> None:
        """Forget the state, before a new ascent."""
        self._count, self._mean, self._square = 0, {}, {}

    def update(self, parameters: dict[str, np.ndarray], gradients: Arrays) -> None:
        """Change `parameters` in place so that the objective rises."""
        self._count += 1
        now = {name: np.float32(number) for name, number in self.numbers(self._count).items()}
        for name, gradient in gradients.items():
            mean = self._mean.setdefault(name, np.zeros_like(gradient))
            square = self._square.setdefault(name, np.zeros_like(gradient))
            mean += np.float32(1 - self.beta1) * (gradient - mean)
            square += np.float32(1 - self.beta2) * (gradient * gradient - square)
            parameters[name] += self._ahead(mean, gradient, now) / (
                np.sqrt(square) + now["epsilon"]
            )

    def numbers(self, step: int) -> dict[str, float]:
        """Return rate and epsilon, the bias towards zero corrected as in the paper's section 2."""
        square_scale = math.sqrt(1 - self.beta2**step)
        rate = self.learning_rate * self.schedule.factor(step)
        return {
            "rate": rate * square_scale / (1 - self.beta1**step),
            "epsilon": self.epsilon * square_scale,
        }

    def append(
        self, parameter: Tensor, gradient: Tensor, slots: Tensors, numbers: Tensors
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Append the same update as nodes of a graph."""
        mean = slots["mean"] + (gradient - slots["mean"]) * (1 - self.beta1)
        square = slots["square"] + (gradient * gradient - slots["square"]) * (1 - self.beta2)
        change = self._ahead(mean, gradient, numbers) / (square.sqrt() + numbers["epsilon"])
        return parameter + change, {"mean": mean, "square": square}

    def _ahead(
        self,
        mean: Any,
        gradient: Any,  # noqa: ARG002 (Nesterov's momentum needs it)
        numbers: Mapping[str, Any],
    ) -> Any:
        """The rate times the mean gradient: of arrays, or of tensors of a graph."""
        return numbers["rate"] * mean
