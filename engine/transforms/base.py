"""What a transform is, and how transforms are joined and read back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

import numpy as np

from ..graph.tensor import Tensor


@runtime_checkable
class Transform(Protocol):
    """Something random that happens to the picture before the network sees it."""

    def draw(
        self, rng: np.random.Generator, count: int, height: int, width: int
    ) -> dict[str, np.ndarray]:
        """The random data of one step for `count` pictures: float32 arrays of constant shapes."""

    def apply(self, image: Tensor, data: Mapping[str, Tensor]) -> Tensor:
        """Append the transform of pictures (N, 3, H, W), with the drawn data as graph inputs."""

    def to_json(self) -> list[dict[str, Any]]:
        """As plain data, for a recipe."""
