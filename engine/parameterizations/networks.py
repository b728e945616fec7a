"""Pictures that a small network paints: a colour for each place, and so at any size."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ..declarations import ArrayType, ArrayTypes
from ..forms import InForm
from ..graph.tensor import Tensor
from ..plain import whole
from .base import PARAMETERIZATIONS

_LINEAR, _SQUARE = 0.67, 0.6
"""What arctangents and their squares are divided by, so that they vary alike; Lucid's."""


@PARAMETERIZATIONS.add("cppn")
@dataclass(frozen=True)
class Cppn(InForm):
    """A picture as a compositional pattern-producing network: from a pixel's place to its colour.

    Its weights are what is optimised, and all pixels share them, which makes smooth and abstract
    pictures (Stanley 2007; Mordvintsev et al., *Differentiable Image Parameterizations*, 2018, of
    whom the activations are: of x the arctangent and its square, side by side). In volumes and
    videos a place is one of three dimensions.

    A weight changes the whole picture, not one frequency of it: where no optimizer is asked for,
    steps are small and Adam's memory is as long as in its paper. It is smooth by itself: without
    random transforms, as in Lucid, its pictures have more in them.

    Attributes:
        hidden: Numbers in each layer.
        layers: How many of them.
    """

    fitting_optimizer: ClassVar[Mapping[str, Any]] = {
        "adam": {"learning_rate": 0.005, "beta1": 0.9, "beta2": 0.999}
    }

    hidden: int = 24
    layers: int = 8

    def __post_init__(self) -> None:
        object.__setattr__(self, "hidden", whole("hidden", self.hidden, 1, 1024))
        object.__setattr__(self, "layers", whole("layers", self.layers, 1, 64))

    @property
    def _widths(self) -> list[tuple[int, int]]:
        """Of each layer, how many numbers go in and come out; the last one's are the colours."""
        form = self.form
        inner = [(2 * self.hidden, self.hidden)] * (self.layers - 1)
        axes = 2 if form.stack is None else 3
        return [(axes, self.hidden), *inner, (2 * self.hidden, form.channels)]

    def parameters(self, count: int, height: int, width: int) -> ArrayTypes:
        """Declare `weights0`, `biases0`, …: (N, in, out) and (N, 1, out)."""
        types = {}
        for number, (given, made) in enumerate(self._widths):
            types[f"weights{number}"] = ArrayType((count, given, made))
            types[f"biases{number}"] = ArrayType((count, 1, made))
        return types

    def initial(
        self, rng: np.random.Generator, count: int, height: int, width: int
    ) -> dict[str, np.ndarray]:
        """Draw normal weights of the variance 1 / in; the last layer's and all biases are 0."""
        drawn = {}
        last = len(self._widths) - 1
        for number, (given, made) in enumerate(self._widths):
            scale = 0.0 if number == last else given**-0.5
            weights = rng.standard_normal((count, given, made), np.float32) * np.float32(scale)
            drawn[f"weights{number}"] = weights
            drawn[f"biases{number}"] = np.zeros((count, 1, made), np.float32)
        return drawn

    def image(self, parameters: Mapping[str, Tensor], height: int, width: int) -> Tensor:
        """Append the network at every pixel, (N, P, H, W), in [0, 1]."""
        first = parameters["weights0"]
        op = first.op
        form = self.form
        sizes = (height, width) if form.stack is None else (form.depth, height, width)
        # Coordinates of variance 1 along the longest side.
        along = [((np.arange(n) + 0.5) * 2 - n) / max(sizes) * 3**0.5 for n in sizes]
        places = np.stack(np.meshgrid(*along, indexing="ij")[::-1], -1).reshape(-1, len(sizes))
        values = first.builder.constant(places, first.dtype)
        for number in range(self.layers + 1):
            values = values @ parameters[f"weights{number}"] + parameters[f"biases{number}"]
            if number < self.layers:
                angle = op.Atan(values)
                values = op.Concat(angle * (1 / _LINEAR), angle**2 * (1 / _SQUARE), axis=2)
        colors = op.Sigmoid(values).transpose(0, 2, 1)
        return colors.reshape(first.shape[0], form.planes, height, width)
