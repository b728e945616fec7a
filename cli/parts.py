"""Parts of an ascent by name, or as calls of the functions that make them in Python."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..calls import Calls
from ..errors import InputError

if TYPE_CHECKING:
    from ..ascent.optimizers import Optimizer
    from ..parameterizations.base import Parameterization


def parse_parameterization(text: str, *, decorrelate: bool) -> Parameterization:
    """Return `maco`, or a call such as `start("dog.jpg", laplacian(levels=5))`, as it is meant.

    Args:
        text: What was given.
        decorrelate: Whether a kind's name means one of decorrelated colours.

    Raises:
        InputError: there is no such part, or it refuses its arguments.
    """
    from ..parameterizations.base import Parameterization
    from ..parameterizations.fourier import Fourier
    from ..parameterizations.maco import Maco, spectrum
    from ..parameterizations.masked import within
    from ..parameterizations.networks import Cppn
    from ..parameterizations.pixels import Pixels
    from ..parameterizations.pyramids import Laplacian, Shared
    from ..parameterizations.started import start
    from ..parameterizations.transparent import transparent

    def maco(photos: Any = None, **given: Any) -> Maco:
        return Maco(None if photos is None else spectrum(photos), **given)

    coloured: Mapping[str, Callable[..., Parameterization]] = {
        "fourier": Fourier,
        "pixels": Pixels,
        "laplacian": Laplacian,
    }
    functions: Mapping[str, Callable[..., Any]] = {
        **coloured,
        "shared": Shared,
        "cppn": Cppn,
        "maco": maco,
        "start": start,
        "within": within,
        "transparent": transparent,
    }
    if text in coloured:
        return coloured[text](decorrelate=decorrelate)
    if not decorrelate:
        raise InputError(
            f"--no-decorrelate is for fourier, pixels and laplacian, not for {text}; in a call "
            "decorrelate=False says it"
        )
    if text.isidentifier():
        text += "()"
    made = Calls(
        text,
        functions,
        what="parameterization",
        made_of="calls such as maco() or start('dog.jpg')",
        error=InputError,
    ).read()
    if not isinstance(made, Parameterization):
        raise InputError(f"{text!r} is no parameterization such as maco() or start('dog.jpg')")
    return made


def parse_fixed(given: list[str]) -> dict[int, float | str]:
    """Return `3=nir.npy` as a channel and its file, `3=0.5` as a channel and its value.

    Raises:
        InputError: it is something else, or a channel is given twice.
    """
    from ..plain import from_digits

    found: dict[int, float | str] = {}
    for text in given:
        number, _, value = text.partition("=")
        if not number.isdecimal() or not value:
            raise InputError(
                "--fix is a channel and its file or value, such as 3=nir.npy or 3=0.5, not "
                f"{text!r}"
            )
        channel = from_digits("the channel of --fix", number)
        if channel in found:
            raise InputError(f"--fix gives channel {channel} twice")
        try:
            found[channel] = float(value)
        except ValueError:
            found[channel] = value
    return found


def optimizer_for(
    text: str | None, learning_rate: float | None, made_of: Parameterization
) -> Optimizer:
    """Return the optimizer that was asked for, or else the one that fits what is climbed.

    Args:
        text: What was given; `None` where nothing was.
        learning_rate: The size of its steps; `None` for its own.
        made_of: What the picture is made of.

    Raises:
        InputError: there is no such optimizer, or it refuses its arguments.
    """
    from ..ascent.fitting import fitting_optimizer
    from ..ascent.optimizers import Scheduled

    if text is not None:
        return parse_optimizer(text, learning_rate)
    fitting = fitting_optimizer(made_of)
    if learning_rate is None:
        return fitting
    if not isinstance(fitting, Scheduled):
        raise InputError(f"{fitting} has no learning rate; name another with --optimizer")
    return replace(fitting, learning_rate=learning_rate)


def parse_optimizer(text: str, learning_rate: float | None) -> Optimizer:
    """Return `adam`, or a call such as `adam(0.1, schedule=cosine(5))`, as it is meant.

    Args:
        text: What was given.
        learning_rate: Of an optimizer that is named; a call says its own.

    Raises:
        InputError: there is no such optimizer, or it refuses its arguments.
    """
    from ..ascent.falling import Cosine, Linear
    from ..ascent.lbfgs import LBFGS
    from ..ascent.momentum import Momentum, NAdam
    from ..ascent.optimizers import Adam, Optimizer
    from ..ascent.schedules import Constant

    optimizers: Mapping[str, Callable[..., Any]] = {
        "adam": Adam,
        "nadam": NAdam,
        "momentum": Momentum,
        "lbfgs": LBFGS,
    }
    if text in optimizers:
        made = optimizers[text]() if learning_rate is None else optimizers[text](learning_rate)
    elif learning_rate is not None and not text.isidentifier():
        raise InputError(
            f"--learning-rate is for an optimizer by name; in a call it stands first, such as "
            f"adam({learning_rate:g})"
        )
    else:
        schedules = {"constant": Constant, "cosine": Cosine, "linear": Linear}
        made = Calls(
            text + "()" if text.isidentifier() else text,
            {**optimizers, **schedules},
            what="optimizer",
            made_of="calls such as lbfgs() or adam(0.1, schedule=cosine(5))",
            error=InputError,
        ).read()
    if not isinstance(made, Optimizer):
        raise InputError(f"{text!r} is no optimizer such as lbfgs or momentum(0.1)")
    return made
