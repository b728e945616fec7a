"""Layers' activations in the form that objectives read: channels first."""

from __future__ import annotations

from collections.abc import Mapping

from ..graph.tensor import Tensor
from .layers.axes import Axes, Grid


class Activations(dict[str, Tensor]):
    """Symbolic activations by layer name: (N, C, H, W), (N, C, L) for tokens, or (N, C).

    Attributes:
        grids: Of layers of tokens, where the patches of the picture are among these.
    """

    def __init__(self, values: Mapping[str, Tensor], grids: Mapping[str, Grid]) -> None:
        super().__init__(values)
        self.grids = dict(grids)


def channels_first(value: Tensor, axis: int) -> Tensor:
    """Return (N, H, W, C) as (N, C, H, W), (N, L, C) as (N, C, L)."""
    if axis == 1:
        return value
    return value.transpose(0, axis, *(at for at in range(1, value.rank) if at != axis))


def patches(axes: Axes, axis: int) -> Grid | None:
    """Return where a layer of tokens has the patches of the picture.

    Args:
        axes: What the axes of (N, L, C) or (N, C, L) mean.
        axis: The one with the channels.
    """
    return axes[3 - axis].grid if len(axes) == 3 and axis in (1, 2) else None
