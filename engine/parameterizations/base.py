"""What a parameterization is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

import numpy as np

from ..declarations import ArrayTypes
from ..errors import InputError
from ..graph.tensor import Tensor
from ..registry import Registry, named


@runtime_checkable
class Parameterization(Protocol):
    """What a picture is made of."""

    def parameters(self, count: int, height: int, width: int) -> ArrayTypes:
        """Declare the parameters: float32 arrays by name, the first axis the pictures.

        Args:
            count: How many pictures, N.
            height: H, in pixels.
            width: W, in pixels.

        Returns:
            Shapes and types by name, such as `{"pixels": ((count, 3, height, width), np.float32)}`.
        """

    def initial(
        self, rng: np.random.Generator, count: int, height: int, width: int
    ) -> dict[str, np.ndarray]:
        """Draw parameters to start from: what `parameters` declares."""

    def image(self, parameters: Mapping[str, Tensor], height: int, width: int) -> Tensor:
        """Append the nodes that make pictures (N, 3, height, width) in [0, 1] of them."""


@runtime_checkable
class Invertible(Parameterization, Protocol):
    """A parameterization that can start from any picture."""

    def parameters_of(self, pictures: np.ndarray) -> dict[str, np.ndarray]:
        """Return the parameters that make pictures, or come the nearest to them.

        Args:
            pictures: (N, 3, H, W) float32, RGB in [0, 1].

        Returns:
            What `parameters` declares.
        """


@runtime_checkable
class Colored(Parameterization, Protocol):
    """A parameterization whose pictures are colours of any size, made RGB at the end."""

    @property
    def decorrelate(self) -> bool:
        """Whether the colours are decorrelated ones."""

    def colors(self, parameters: Mapping[str, Tensor], height: int, width: int) -> Tensor:
        """Append what makes colours (N, 3, H, W) of parameters."""


PARAMETERIZATIONS: Registry[Parameterization] = Registry(
    "parameterization", Parameterization, foreign=named
)
"""The parameterizations that recipes know; those of the user's own they can only name."""


def check_sd(sd: float) -> None:
    """See that a standard deviation is one.

    Raises:
        InputError: it is negative.
    """
    if sd < 0:
        raise InputError(f"sd must be at least 0, not {sd:g}")


def normal(rng: np.random.Generator, sd: float, shape: tuple[int, ...]) -> np.ndarray:
    """Draw float32 numbers of mean zero."""
    return rng.standard_normal(shape, np.float32) * np.float32(sd)
