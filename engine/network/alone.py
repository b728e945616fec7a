"""A picture by itself, shown to a network that takes one or, where its file says so, several."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from ..graph.builder import Builder
    from ..graph.tensor import Tensor
    from .model import Model


def input_for_one(builder: Builder, model: Model, size: tuple[int, int]) -> Tensor:
    """Declare the input `image` of a graph that is shown one picture.

    Args:
        builder: The graph.
        model: The network.
        size: Of the picture, height and width.

    Returns:
        (1, P, H, W) float32, or as many pictures as the file takes.
    """
    shape = model.fixed_batch or 1, model.form.planes, *size
    return builder.input("image", shape, np.float32)


def as_input(model: Model, picture: np.ndarray) -> np.ndarray:
    """Return what that input is fed, where the file takes several pictures this one as often.

    Args:
        model: The network.
        picture: (H, W, 3) float in [0, 1], or what else the network takes (see `Model.form`).

    Returns:
        (N, P, H, W) float32.
    """
    image = model.form.as_batch(picture[None]).astype(np.float32, copy=False)
    return np.repeat(image, model.fixed_batch or 1, 0)
