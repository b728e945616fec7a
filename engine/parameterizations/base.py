"""What a parameterization is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

import numpy as np

from ..errors import InputError
from ..graph.tensor import Tensor


@runtime_checkable
class Parameterization(Protocol):
    """What a picture is made of."""

    def initial(
        self, rng: np.random.Generator, count: int, height: int, width: int
    ) -> dict[str, np.ndarray]:
        """Parameters to start from, float32 arrays by name, the first axis the pictures."""

    def image(self, parameters: Mapping[str, Tensor], height: int, width: int) -> Tensor:
        """Append the nodes that make pictures (N, 3, height, width) in [0, 1] of them."""

    def to_json(self) -> dict[str, Any]:
        """As plain data, for a recipe."""


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
