"""Transparent pictures: colours, and how opaque they are.

Mordvintsev et al., *Differentiable Image Parameterizations* (2018): seen in front of another random
picture in each step, a picture need not fill its place. What the unit looks for becomes opaque, so
that it is the same in front of all of them, and the rest can be left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np

from ..declarations import ArrayTypes
from ..errors import InputError
from ..forms import Form, InForm
from ..graph.tensor import Tensor
from ..plain import shown
from .base import PARAMETERIZATIONS, Parameterization, Within, formed
from .fourier import Fourier
from .networks import Cppn
from .pixels import Pixels
from .pyramids import Laplacian

_OPACITY = "opacity."
"""What begins the names of the parameters of the opacity."""


@PARAMETERIZATIONS.add("transparent")
@dataclass(frozen=True)
class Transparent(Within, InForm):
    """A picture that is opaque only in parts (see `transparent`).

    Attributes:
        of: What makes the colours.
        opacity: What makes the opacity, as it would make a grey picture.
    """

    has_opacity: ClassVar[bool] = True

    of: Parameterization = field(default_factory=Fourier)
    opacity: Parameterization = field(default_factory=Fourier)

    def __post_init__(self) -> None:
        self.check_maker()
        if not isinstance(self.opacity, Fourier | Pixels | Laplacian | Cppn):
            raise InputError(
                "the opacity of a picture is made by Fourier(), Pixels(), Laplacian() or Cppn(), "
                f"not {shown(self.opacity)}"
            )
        object.__setattr__(self, "opacity", self.opacity.formed(_OF_OPACITY))

    def formed(self, form: Form) -> Transparent:
        """Return the same for pictures of that form.

        Raises:
            InputError: they are no flat pictures, grey or in three colours.
        """
        if form.stack is not None or not (form.is_rgb or form.channels == 1):
            raise InputError(
                f"grey and RGB pictures can be transparent, and the network takes {form.words()}: "
                "render them without transparent()"
            )
        made = super().formed(form)
        object.__setattr__(made, "of", formed(self.of, form))
        return made

    @property
    def made_form(self) -> Form:
        """The form of what is made: the network's pictures, with an opacity."""
        return self.form.with_opacity()

    def parameters(self, count: int, height: int, width: int) -> ArrayTypes:
        """Declare those of the colours, and behind them those of the opacity."""
        opacity = self.opacity.parameters(count, height, width)
        return {
            **self.of.parameters(count, height, width),
            **{_OPACITY + name: kind for name, kind in opacity.items()},
        }

    def initial(
        self, rng: np.random.Generator, count: int, height: int, width: int
    ) -> dict[str, np.ndarray]:
        """Draw the colours, and then the opacity, which starts near a half."""
        colors = self.of.initial(rng, count, height, width)
        opacity = self.opacity.initial(rng, count, height, width)
        return {**colors, **{_OPACITY + name: array for name, array in opacity.items()}}

    def image(self, parameters: Mapping[str, Tensor], height: int, width: int) -> Tensor:
        """Append both, (N, C + 1, H, W), in [0, 1]."""
        own = {n.removeprefix(_OPACITY): p for n, p in parameters.items() if n.startswith(_OPACITY)}
        rest = {n: p for n, p in parameters.items() if not n.startswith(_OPACITY)}
        colors = self.of.image(rest, height, width)
        opacity = self.opacity.image(own, height, width)
        return colors.op.Concat(colors, opacity, axis=1)


_OF_OPACITY = replace(Form(), channels=1, colors=None)
"""The opacity as a picture: grey."""


def transparent(
    of: Parameterization | None = None, opacity: Parameterization | None = None
) -> Transparent:
    """Make a picture that is transparent where the objective needs nothing.

        osc.render(model, "fire8:5", parameterization=osc.transparent()).save("cut-out.png")

    In each step it is seen in front of another random picture (see `backdrop`), and the objective
    is multiplied by 1 − `opacity()`, the mean of how opaque it is (Mordvintsev et al.,
    *Differentiable Image Parameterizations*, 2018): what counts for the unit stays, and the rest
    vanishes. An objective that names `opacity()` itself is taken as it is.

    Args:
        of: What makes the colours, such as `Maco()` or `start("dog.jpg")`; by default `Fourier()`.
        opacity: What makes the opacity: `Fourier()`, which is the default, `Pixels()`,
            `Laplacian()` or `Cppn()`. It starts near a half.

    Returns:
        A parameterization whose pictures have a last channel, 1 where they are opaque and 0 where
        nothing of them is to be seen: `Picture.images` is (N, H, W, 4), of grey networks
        (N, H, W, 2).

    Raises:
        InputError: an argument is no such parameterization.
    """
    return Transparent(Fourier() if of is None else of, Fourier() if opacity is None else opacity)
