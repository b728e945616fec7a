"""Which optimizer fits what a picture is made of, where none is asked for."""

from __future__ import annotations

from ..parameterizations.fourier import Fourier
from .optimizers import OPTIMIZERS, Adam, Optimizer


def fitting_optimizer(parameterization: object) -> Optimizer:
    """Return the optimizer that a parameterization states for itself, else `Adam()`.

    It does so by a `fitting_optimizer`, as a recipe writes one down: what a picture is made of
    knows nothing of ascents. Of one that goes around another the inner one's counts.

    Args:
        parameterization: What the picture is made of; `None` for the usual one, `Fourier()`.

    Raises:
        InputError: what it states is no optimizer.
    """
    made = Fourier() if parameterization is None else parameterization
    while made is not None:
        stated = getattr(made, "fitting_optimizer", None)
        if stated is not None:
            return OPTIMIZERS.from_json(stated)
        made = getattr(made, "of", None)
    return Adam()
