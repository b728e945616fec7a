"""What an objective sees: layers, the picture, and the names of the classes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np

from ..errors import TargetError
from ..forms import RGB, Form
from ..graph.tensor import Tensor

if TYPE_CHECKING:
    from ..network.layers.axes import Grid
    from ..network.model import Model


_BEHIND = 0.5
"""The grey behind transparent pictures, for objectives that look at these."""

Span = tuple[int, int]
"""The first of some pictures, and the one behind the last."""


class Look(Protocol):
    """Appends what networks make of pictures, behind the transforms of the pictures that are made.

    An ascent moves and turns a picture anew in each step; what it is compared with moves with it.
    """

    def __call__(
        self, layers: Sequence[str], span: Span, photo: np.ndarray | None, model: Model | None
    ) -> Mapping[str, Tensor]:
        """Append the activations of layers by name, one row for each picture of the span.

        Args:
            layers: Their names.
            span: Which of the pictures' transforms.
            photo: (P, H, W) of the pictures' size, in place of the pictures; `None` for these.
            model: Another network than the objective's; `None` for that one.
        """


class Seen:
    """What an objective is computed from, in the graph under construction.

    `seen["mixed4a"]` is a layer.

    Attributes:
        layers: Activations by layer name: (N, C, H, W), (N, C, L) for tokens, or (N, C).
        grids: Of layers of tokens, where the patches of the picture are among these.
        labels: Class names in the order of the logits; empty where they are unknown.
        fed: Numbers of the objective that the graph is fed, by name (see `fed.Fed`); empty where
            they are constants.
        form: Of the pictures.
    """

    def __init__(
        self,
        layers: Mapping[str, Tensor],
        picture: Tensor,
        *,
        grids: Mapping[str, Grid] | None = None,
        labels: tuple[str, ...] = (),
        shows_picture: bool = True,
        span: Span | None = None,
        look: Look | None = None,
        changes: Sequence[Callable[[Tensor], Tensor]] = (),
        fed: Mapping[str, Tensor] | None = None,
        transparent: bool = False,
        form: Form = RGB,
    ) -> None:
        """Gather what there is.

        Args:
            layers: Activations by layer name.
            picture: (N, 3, H, W), RGB in [0, 1], before any transform; of transparent ones there is
                a last plane, how opaque it is.
            grids: Where the patches are among a layer's tokens, by layer name.
            labels: Class names.
            shows_picture: Whether the objective says that it looks at the picture.
            span: The first of the pictures in `picture` that are seen, and the one behind the last.
            look: What appends the activations of other pictures and networks.
            changes: What was done to the layers, and is done to these activations as well.
            fed: Numbers of the objective, by name.
            transparent: Whether the pictures are.
            form: Of the pictures, without that.
        """
        self.layers = dict(layers)
        self.grids = dict(grids or {})
        self.labels = labels
        self.fed = dict(fed or {})
        self._picture = picture
        self._shows_picture = shows_picture
        self._span = span
        self._look = look
        self._changes = tuple(changes)
        self.form = form
        self._transparent = transparent
        self._image: Tensor | None = None

    def __getitem__(self, layer: str) -> Tensor:
        if layer not in self.layers:
            known = ", ".join(self.layers) or "none"
            raise TargetError(
                f"an objective looks at the layer {layer!r}, but says that it reads {known}: let "
                "its layers name it"
            )
        return self.layers[layer]

    @property
    def count(self) -> int:
        """The number N of pictures."""
        if self._span is None:
            return self._picture.shape[0]
        return self._span[1] - self._span[0]

    @property
    def image(self) -> Tensor:
        """The pictures (N, 3, H, W), RGB in [0, 1], before any transform; of others (N, P, H, W).

        Of transparent ones it is what they look like in front of grey.

        Raises:
            TargetError: the objective says that it does not look at them.
        """
        whole = self._whole
        if not self._transparent:
            return whole
        return (whole[:, :-1] - _BEHIND) * whole[:, -1:] + _BEHIND

    @property
    def opacity(self) -> Tensor:
        """How opaque the pictures are, (N, 1, H, W) in [0, 1].

        Raises:
            TargetError: they are not transparent, or the objective says that it does not look.
        """
        if not self._transparent:
            raise TargetError(
                "opacity is of transparent pictures, and these are opaque: render them with "
                "parameterization=transparent()"
            )
        return self._whole[:, -1:]

    @property
    def _whole(self) -> Tensor:
        if not self._shows_picture:
            raise TargetError(
                "an objective looks at the picture; let its class say so: sees_picture is True"
            )
        # Not before it is asked for: a node that nobody reads changes the names of others.
        if self._image is None:
            span = self._span
            self._image = self._picture if span is None else self._picture[slice(*span)]
        return self._image

    @property
    def size(self) -> tuple[int, int]:
        """The height and width of the pictures, in pixels."""
        height, width = self._picture.shape[2:]
        return height, width

    def of_photo(self, photo: np.ndarray, layers: Sequence[str]) -> Mapping[str, Tensor]:
        """Append what the network makes of a photograph, which moves as the pictures do.

        Args:
            photo: (P, H, W) float32 in [0, 1], of the pictures' size.
            layers: Names of layers.

        Returns:
            The layers by name, one row for each picture. No gradient leads through them.
        """
        return self._looked(layers, photo, None)

    def by(self, model: Model, layers: Sequence[str]) -> Seen:
        """Return what another network sees of the same pictures, as transformed as for this one.

        Args:
            model: The network.
            layers: Names of its layers.
        """
        found = self._looked(layers, None, model)
        return Seen(
            found,
            self._picture,
            grids=getattr(found, "grids", None),
            labels=model.labels,
            shows_picture=self._shows_picture,
            span=self._span,
            transparent=self._transparent,
            form=self.form,
        )

    def _looked(
        self, layers: Sequence[str], photo: np.ndarray | None, model: Model | None
    ) -> Mapping[str, Tensor]:
        if self._look is None:
            raise TargetError("here an objective sees neither photographs nor other networks")
        span = self._span or (0, self._picture.shape[0])
        found = self._look(layers, span, photo, model)
        for change in self._changes:
            found = {name: change(value) for name, value in found.items()}
        return found

    def number(self, value: float) -> Tensor:
        """Append a constant of the layers' type, or of the picture's where there are none."""
        some = next(iter(self.layers.values()), self._picture)
        return some.builder.constant(value, some.dtype)

    def part(self, start: int, stop: int, layers: Iterable[str]) -> Seen:
        """Return what there is to see of some of the pictures.

        Args:
            start: The first of them.
            stop: The one behind the last.
            layers: The layers that are still read.
        """
        first = 0 if self._span is None else self._span[0]
        return Seen(
            {name: self.layers[name][start:stop] for name in layers},
            self._picture,
            grids=self.grids,
            labels=self.labels,
            shows_picture=self._shows_picture,
            span=(first + start, first + stop),
            look=self._look,
            changes=self._changes,
            transparent=self._transparent,
            form=self.form,
        )

    def changed(self, change: Callable[[Tensor], Tensor]) -> Seen:
        """Return the same with every layer changed; the picture stays as it is."""
        return Seen(
            {name: change(value) for name, value in self.layers.items()},
            self._picture,
            grids=self.grids,
            labels=self.labels,
            shows_picture=self._shows_picture,
            span=self._span,
            look=self._look,
            changes=(*self._changes, change),
            transparent=self._transparent,
            form=self.form,
        )
