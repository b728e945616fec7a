"""Which parameterization a recipe names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import InputError
from ..plain import construct, shown
from .base import Parameterization
from .fourier import Fourier
from .pixels import Pixels


def from_json(data: Mapping[str, Any]) -> Parameterization:
    """The parameterization that `to_json` wrote down.

    Raises:
        InputError: the data is damaged, or names one that this version does not have.
    """
    match data:
        case {"pixels": dict(arguments)}:
            return construct(Pixels, arguments, "parameterization")
        case {"fourier": dict(arguments)}:
            return construct(Fourier, arguments, "parameterization")
    raise InputError(f"the recipe's parameterization {shown(data)} is unknown")
