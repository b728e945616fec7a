"""A start from a picture instead of from noise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from ..declarations import ArrayTypes
from ..errors import InputError
from ..forms import Form, InForm
from ..graph.tensor import Tensor
from ..identity import ByContent
from ..plain import real, shown
from ..planes import checked_kept, kept, kept_in_form
from .base import PARAMETERIZATIONS, Invertible, Parameterization, formed
from .fourier import natural

if TYPE_CHECKING:
    from ..images import Photo


@PARAMETERIZATIONS.add("started")
@dataclass(frozen=True, eq=False)
class Started(ByContent, InForm):
    """A parameterization that starts from a picture (see `start`).

    Attributes:
        of: What is made of the parameters.
        picture: (H, W, 3) uint8, or of the network's form; cut and scaled to the size that is made.
        noise: How much of the start that `of` draws is added.
        begins_as_a_picture: That it does.
    """

    begins_as_a_picture: ClassVar[bool] = True

    of: Parameterization
    picture: np.ndarray
    noise: float = 0.0

    def __post_init__(self) -> None:
        if isinstance(self.of, type) or not isinstance(self.of, Invertible):
            raise InputError(
                f"a picture can be the start of Fourier(), Pixels() and the like, which say what "
                f"makes it (parameters_of), not of {shown(self.of)}"
            )
        noise = real("the noise of a start", self.noise)
        if noise < 0:
            raise InputError(f"the noise of a start must be at least 0, not {noise:g}")
        object.__setattr__(self, "picture", checked_kept("a start", self.picture))
        object.__setattr__(self, "noise", noise)

    def formed(self, form: Form) -> Started:
        """Return the same for pictures of that form.

        Raises:
            InputError: what is made of the parameters makes RGB alone.
        """
        made = super().formed(form)
        object.__setattr__(made, "of", formed(self.of, form))
        return made

    def parameters(self, count: int, height: int, width: int) -> ArrayTypes:
        """Declare those of what starts."""
        return self.of.parameters(count, height, width)

    def initial(
        self, rng: np.random.Generator, count: int, height: int, width: int
    ) -> dict[str, np.ndarray]:
        """Return those that make the picture, with some noise."""
        assert isinstance(self.of, Invertible)
        fitted = kept_in_form(self.picture, self.form, (height, width))
        start = self.of.parameters_of(np.repeat(fitted, count, axis=0))
        if not self.noise:
            return start
        drawn = self.of.initial(rng, count, height, width)
        return {name: start[name] + np.float32(self.noise) * drawn[name] for name in start}

    def image(self, parameters: Mapping[str, Tensor], height: int, width: int) -> Tensor:
        """Append what makes pictures of the parameters."""
        return self.of.image(parameters, height, width)


def start(photo: Photo, of: Parameterization | None = None, *, noise: float = 0.0) -> Started:
    """Start from a picture instead of from noise.

        osc.render(model, "fire8:5", parameterization=osc.start("dog.jpg"))

    Args:
        photo: A path, an image of Pillow's, or (H, W, 3), uint8 or float in [0, 1]. Its middle is
            cut out and scaled to the size of the picture that is made. For networks of other
            pictures than RGB an array of theirs, or a file `.npy` with one.
        of: What the picture is made of; by default `Fourier(decay_power=1, fine_decay=0)`, since a
            photo has that decay already. What is next to black or white becomes a bit greyer, by
            half a step of eight bits; of `Maco`, which has magnitudes of its own, the phases alone
            are the photo's.
        noise: How much of the noise that `of` starts from is added; pictures of one seed are the
            same without.

    Raises:
        InputError: it is no picture, or there is no start from one.
    """
    return Started(natural() if of is None else of, kept(photo), noise)
