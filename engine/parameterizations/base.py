"""What a parameterization is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

import numpy as np

from ..declarations import ArrayTypes
from ..errors import InputError
from ..forms import Form, InForm
from ..graph.tensor import Tensor
from ..plain import shown
from ..registry import Registry, named


@runtime_checkable
class Parameterization(Protocol):
    """What a picture is made of.

    One that other steps suit than the usual ones says so by a class attribute `fitting_optimizer`:
    an optimizer as a recipe writes it down, such as `{"adam": {"learning_rate": 0.2}}`, which is
    taken where none is asked for.
    """

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
        """Append the nodes that make pictures (N, P, height, width) in [0, 1] of them.

        P is 3, for RGB; one that is also `forms.InForm` makes as many planes as its form has.
        """


@runtime_checkable
class Invertible(Parameterization, Protocol):
    """A parameterization that can start from any picture."""

    def parameters_of(self, pictures: np.ndarray) -> dict[str, np.ndarray]:
        """Return the parameters that make pictures, or come the nearest to them.

        Args:
            pictures: (N, P, H, W) float32 in [0, 1]; of RGB P is 3.

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
        """Append what makes colours (N, P, H, W) of parameters."""


PARAMETERIZATIONS: Registry[Parameterization] = Registry(
    "parameterization",
    Parameterization,
    foreign=named,
    homes={
        "parameterizations.fixed": ("fixed",),
        "parameterizations.fourier": ("fourier",),
        "parameterizations.maco": ("maco",),
        "parameterizations.masked": ("masked",),
        "parameterizations.networks": ("cppn",),
        "parameterizations.pixels": ("pixels",),
        "parameterizations.pyramids": ("laplacian", "shared"),
        "parameterizations.started": ("started",),
        "parameterizations.transparent": ("transparent",),
    },
)
"""The parameterizations that recipes know; those of the user's own they can only name."""


class Within:
    """What a picture has that is made by another parameterization, its `of`, in some part."""

    of: Parameterization

    def check_maker(self) -> None:
        """See that there is one.

        Raises:
            InputError: it is none, or makes transparent pictures.
        """
        if isinstance(self.of, type) or not isinstance(self.of, Parameterization):
            raise InputError(
                f"of must be a parameterization such as Fourier(), not {shown(self.of)}"
            )
        if hasattr(self.of, "made_form"):
            raise InputError(
                "transparent() goes around all others, as in transparent(within(…)), and not into "
                "one"
            )

    @property
    def mixes_pictures(self) -> bool:
        """Whether what makes it joins pictures."""
        return bool(getattr(self.of, "mixes_pictures", False))

    def initial(
        self, rng: np.random.Generator, count: int, height: int, width: int
    ) -> dict[str, np.ndarray]:
        """Draw those of what makes it."""
        return self.of.initial(rng, count, height, width)


def has_opacity(parameterization: Parameterization | None) -> bool:
    """Return whether the last channel of its pictures is how opaque they are."""
    return bool(getattr(parameterization, "has_opacity", False))


def formed(parameterization: Parameterization, form: Form) -> Parameterization:
    """Return a parameterization that makes pictures of a form; the user's own is as it is.

    Raises:
        InputError: it makes RGB alone.
    """
    if form.is_rgb:
        return parameterization
    if isinstance(parameterization, InForm):
        return parameterization.formed(form)
    if PARAMETERIZATIONS.name_of(parameterization) is None:
        return parameterization
    raise InputError(
        f"{type(parameterization).__name__} makes pictures in three colours, and the network takes "
        f"{form.words()}: use Fourier(), Pixels() or Laplacian()"
    )


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
